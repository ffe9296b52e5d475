//! The verified identity as the upstream gets it (contract §7).

use crate::bytes;
use crate::groups::Groups;
use crate::path::push_escape;

/// What is in a header as it is.
static PLAIN: [bool; 256] = bytes::set(b"!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~", true);

/// A user or tenant as a header value: every byte outside 0x21–0x7E, and `%`, percent-encoded.
///
/// `auth0|a b%` becomes `auth0|a%20b%25`: two users never look alike, and no byte can end the header.
pub fn header_value(name: &str) -> String {
    if bytes::all_in(&PLAIN, name.as_bytes()) {
        return name.to_owned();
    }
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if matches!(byte, 0x21..=0x7e) && byte != b'%' {
            out.push(char::from(byte))
        } else {
            push_escape(&mut out, byte)
        }
    }
    out
}

/// Groups as one header value, with commas between them and none in them; `None`: nobody knows them.
pub fn groups_value(groups: &Groups) -> Option<String> {
    let Groups::Known(names) = groups else { return None };
    let mut out = String::new();
    for name in names.iter() {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(&header_value(name).replace(',', "%2C"));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn bytes_that_headers_cannot_carry_are_escaped() {
        assert_eq!(header_value("auth0|abc"), "auth0|abc");
        assert_eq!(header_value("a b%é\u{7f}"), "a%20b%25%C3%A9%7F");
        for byte in 0u8..0x80 {
            let same = (0x21..0x7f).contains(&byte) && byte != b'%';
            let name = char::from(byte).to_string();
            assert_eq!(header_value(&name) == name, same, "{byte:#x}");
        }
    }
}
