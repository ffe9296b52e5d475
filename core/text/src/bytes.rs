//! Sets of bytes as tables: one look says whether a byte belongs, where a chain of comparisons would be made
//! for each byte of a token.

/// These bytes, and with `alphanumeric` the ASCII letters and digits.
pub const fn set(bytes: &[u8], alphanumeric: bool) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < table.len() {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        #[expect(clippy::indexing_slicing, reason = "in a constant, and within bounds")]
        {
            table[at] = contains(bytes, at as u8) || alphanumeric && (at as u8).is_ascii_alphanumeric();
        }
        at += 1;
    }
    table
}

const fn contains(bytes: &[u8], byte: u8) -> bool {
    match bytes {
        [] => false,
        [first, rest @ ..] => *first == byte || contains(rest, byte),
    }
}

/// Whether all of `bytes` belong.
pub fn all_in(table: &[bool; 256], bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| table.get(usize::from(*byte)).is_some_and(|belongs| *belongs))
}
