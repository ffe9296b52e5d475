//! Patterns. In: a pattern's parts and a text. Out: whether they fit all of it. A star is one or more
//! characters, none of them `/`, but where it is the pattern's last character; all else stands for itself.
//! Nothing is copied: parts may be found while a request is judged.

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'p> {
    /// These characters.
    Text(&'p str),
    /// One or more.
    Star,
}

/// The parts of a pattern in which `*` alone is special.
pub fn parts(pattern: &str) -> impl Iterator<Item = Part<'_>> + Clone {
    let pieces = pattern.split('*').enumerate();
    pieces.flat_map(|(at, piece)| (at > 0).then_some(Part::Star).into_iter().chain([Part::Text(piece)]))
}

/// Whether `parts` fit `text`.
pub fn fits<'p>(parts: impl Iterator<Item = Part<'p>> + Clone, text: &str) -> bool {
    let mut rest = parts;
    let mut at = 0;
    loop {
        match rest.next() {
            None => return at == text.len(),
            Some(Part::Text(piece)) if starts(text, at, piece) => at += piece.len(),
            Some(Part::Text(_)) => return false,
            Some(Part::Star) => break,
        }
    }
    // Behind a star: what follows it until the next one.
    loop {
        let group = rest.clone();
        let (mut length, mut slash, mut is_last) = (0, None, true);
        for part in rest.by_ref() {
            match part {
                Part::Text(piece) => {
                    slash = slash.or_else(|| Some(length + piece.find('/')?));
                    length += piece.len();
                }
                Part::Star => {
                    is_last = false;
                    break;
                }
            }
        }
        let (least, end) = (at + first_length(text, at), segment_end(text, at));
        let is_here = |start: &usize| (at + 1..=end).contains(start) && follows(group.clone(), text, *start);
        let start = match (is_last, length, slash) {
            (true, 0, _) => return at < text.len(),
            (true, ..) => return text.len().checked_sub(length).is_some_and(|start| is_here(&start)),
            (false, 0, _) => Some(least).filter(is_here),
            // Its first slash is the first that comes.
            (false, _, Some(before)) => end.checked_sub(before).filter(is_here),
            // From the first place all is reached that is reached from later ones of the segment.
            (false, _, None) => (at + 1..=end).find(is_here),
        };
        let Some(start) = start else { return false };
        at = start + length;
    }
}

/// Whether the texts until the next star stand at `at`.
fn follows<'p>(group: impl Iterator<Item = Part<'p>>, text: &str, mut at: usize) -> bool {
    for part in group {
        match part {
            Part::Text(piece) if starts(text, at, piece) => at += piece.len(),
            Part::Text(_) => return false,
            Part::Star => break,
        }
    }
    true
}

fn starts(text: &str, at: usize, piece: &str) -> bool {
    text.as_bytes().get(at..).is_some_and(|rest| rest.starts_with(piece.as_bytes()))
}

/// Bytes of the character at `at`, which is where one begins.
fn first_length(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
}

/// Where the segment ends that `at` is in.
fn segment_end(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    at + rest.iter().position(|b| *b == b'/').unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::{Part, fits, parts};

    #[test]
    fn a_star_is_one_or_more_characters_of_a_segment_or_the_rest() {
        for (pattern, text, expect) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("", "", true),
            ("*", "", false),
            ("*", "a/b", true),
            ("a*", "a", false),
            ("a*", "a/b/c", true),
            ("*.example", "x.example", true),
            ("*.example", ".example", false),
            ("https://*.agents.example/*", "https://a.b.agents.example/c/d", true),
            ("https://*.agents.example/*", "https://a/b.agents.example/c", false),
            ("https://*.agents.example/*", "https://a.agents.example/", false),
            ("/v1/*/notes", "/v1/a/notes", true),
            ("/v1/*/notes", "/v1/a/b/notes", false),
            ("*a*a", "xaya", true),
            ("*a*a", "xaaa", true),
            ("*a*a", "aa", false),
            ("a**", "ab", false),
            ("a**", "aü", false),
            ("a**", "abc/d", true),
            ("*ü", "xü", true),
            ("**ü", "üü", false),
            ("**ü", "xüü", true),
        ] {
            assert_eq!(fits(parts(pattern), text), expect, "{pattern} {text}");
        }
    }

    /// The same, as it is said.
    fn slow(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*'] => !text.is_empty(),
            [b'*', rest @ ..] => {
                let most = text.iter().position(|b| *b == b'/').unwrap_or(text.len());
                (1..=most).any(|length| slow(rest, &text[length..]))
            }
            [first, rest @ ..] => text.first() == Some(first) && slow(rest, &text[1..]),
        }
    }

    fn words(letters: &[u8], most: u32) -> Vec<String> {
        let all = |length: u32| {
            (0..letters.len().pow(length)).map(move |n| (length, n)).map(|(length, n)| {
                let letter = |at: u32| char::from(letters[n / letters.len().pow(at) % letters.len()]);
                (0..length).map(letter).collect()
            })
        };
        (0..=most).flat_map(all).collect()
    }

    #[test]
    fn every_short_pattern_fits_what_it_says_however_it_is_cut() {
        let texts = words(b"ab/", 6);
        for pattern in words(b"a/*", 5) {
            // Each character for itself.
            let single: Vec<Part<'_>> = (0..pattern.len())
                .map(|at| match &pattern[at..=at] {
                    "*" => Part::Star,
                    text => Part::Text(text),
                })
                .collect();
            for text in &texts {
                let expect = slow(pattern.as_bytes(), text.as_bytes());
                assert_eq!(fits(parts(&pattern), text), expect, "{pattern} {text}");
                assert_eq!(fits(single.iter().copied(), text), expect, "{pattern} {text}");
            }
        }
    }
}
