//! Patterns. In: a pattern and a text. Out: whether it fits all of it. `*` is one or more characters, none of
//! them `/`, but where it is the pattern's last character; all else stands for itself.

/// Whether `pattern` fits `text`.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.as_bytes().split(|b| *b == b'*');
    let text = text.as_bytes();
    let head = pieces.next().unwrap_or_default();
    if !text.starts_with(head) {
        return false;
    }
    let mut left: Vec<&[u8]> = pieces.collect();
    let Some(last) = left.pop() else { return head == text };
    // Where the pattern so far can end: in each segment only the first place, from which all is reached that
    // is reached from the others.
    let mut ends = vec![head.len()];
    for piece in left {
        ends = ends.into_iter().flat_map(|end| after(text, end, piece)).collect();
        ends.dedup_by_key(|end| segment_end(text, *end));
    }
    ends.into_iter().any(|end| match last {
        [] => end < text.len(),
        last => {
            let start = text.len().checked_sub(last.len()).filter(|_| text.ends_with(last));
            start.is_some_and(|start| (end + 1..=segment_end(text, end)).contains(&start))
        }
    })
}

/// Where a piece can end that a star comes before, which begins at `from`; in their order.
fn after(text: &[u8], from: usize, piece: &[u8]) -> impl Iterator<Item = usize> {
    let starts = from + 1..=segment_end(text, from);
    starts
        .filter(move |start| text.get(*start..).is_some_and(|rest| rest.starts_with(piece)))
        .map(move |start| start + piece.len())
}

/// Where the segment ends that `at` is in.
fn segment_end(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(|b| *b == b'/').unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::fits;

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
            ("a**", "abc/d", true),
            ("*ü", "xü", true),
        ] {
            assert_eq!(fits(pattern, text), expect, "{pattern} {text}");
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

    #[test]
    fn every_short_pattern_fits_what_it_says() {
        let words = |letters: &[u8], most: u32| -> Vec<String> {
            let all = |length: u32| {
                (0..letters.len().pow(length)).map(move |n| (length, n)).map(|(length, n)| {
                    let letter = |at: u32| char::from(letters[n / letters.len().pow(at) % letters.len()]);
                    (0..length).map(letter).collect()
                })
            };
            (0..=most).flat_map(all).collect()
        };
        let texts = words(b"ab/", 6);
        for pattern in words(b"a/*", 5) {
            for text in &texts {
                assert_eq!(
                    fits(&pattern, text),
                    slow(pattern.as_bytes(), text.as_bytes()),
                    "{pattern} {text}"
                );
            }
        }
    }
}
