//! Patterns. In: a pattern and a text. Out: whether it fits all of it. `*` is one or more characters, none of
//! them `/`, but where it is the pattern's last character; all else stands for itself.

/// Whether `pattern` fits `text`, in time that grows with the product of their lengths.
pub fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let head = pattern.iter().position(|b| *b == b'*').unwrap_or(pattern.len());
    let (Some((head, pattern)), Some(rest)) = (pattern.split_at_checked(head), text.get(head..)) else {
        return false;
    };
    if !text.starts_with(head) {
        return false;
    }
    // Which ends of the text so far the pattern so far can fit.
    let mut ends = vec![false; rest.len() + 1];
    if let Some(first) = ends.first_mut() {
        *first = true;
    }
    for (at, byte) in pattern.iter().enumerate() {
        let is_star = *byte == b'*';
        let crosses = at + 1 == pattern.len();
        let mut before = std::mem::replace(&mut ends, vec![false]).into_iter();
        let mut fitted = before.next().unwrap_or(false);
        let mut last = false;
        for (next, here) in before.zip(rest) {
            let passes = if is_star { crosses || *here != b'/' } else { here == byte };
            last = passes && (fitted || (is_star && last));
            ends.push(last);
            fitted = next;
        }
    }
    ends.last().copied().unwrap_or(false)
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
}
