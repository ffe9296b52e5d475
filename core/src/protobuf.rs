//! The little of Protocol Buffers that two of Envoy's messages need: fields that are numbers or bytes,
//! written and read. <https://protobuf.dev/programming-guides/encoding/>

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// Wire type 0.
    Number(u64),
    /// Wire type 2: bytes, a text or a message.
    Bytes(&'a [u8]),
    /// Wire types 1 and 5, which no message of ours has a use for.
    Fixed,
}

/// Writes a number; 0, the default, isn't written.
pub fn number(out: &mut Vec<u8>, tag: u32, number: u64) {
    if number != 0 {
        varint(out, u64::from(tag << 3));
        varint(out, number);
    }
}

/// Writes bytes.
pub fn bytes(out: &mut Vec<u8>, tag: u32, bytes: &[u8]) {
    varint(out, u64::from(tag << 3 | 2));
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The fields of a message, each with its tag; the last one is `None` where the message breaks off or isn't
/// one.
pub fn fields(message: &[u8]) -> impl Iterator<Item = Option<(u64, Field<'_>)>> {
    let mut rest = message;
    let mut broken = false;
    std::iter::from_fn(move || {
        if rest.is_empty() || broken {
            return None;
        }
        let field = next(&mut rest);
        broken = field.is_none();
        Some(field)
    })
}

fn next<'a>(rest: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let key = read_varint(rest)?;
    let field = match key & 7 {
        0 => Field::Number(read_varint(rest)?),
        1 => take(rest, 8).map(|_| Field::Fixed)?,
        2 => {
            let length = usize::try_from(read_varint(rest)?).ok()?;
            Field::Bytes(take(rest, length)?)
        }
        5 => take(rest, 4).map(|_| Field::Fixed)?,
        _ => return None,
    };
    Some((key >> 3, field))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn read_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (&byte, left) = rest.split_first()?;
        *rest = left;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_is_written_is_read() {
        let mut message = Vec::new();
        bytes(&mut message, 4, &[7; 300]);
        number(&mut message, 3, 300);
        number(&mut message, 5, 0);
        assert_eq!(&message[..3], &[0x22, 0xac, 0x02]);
        let read: Option<Vec<_>> = fields(&message).collect();
        assert_eq!(read.unwrap(), [(4, Field::Bytes(&[7; 300])), (3, Field::Number(300))]);
    }

    #[test]
    fn what_breaks_off_is_no_message() {
        let cases: &[(&[u8], bool)] = &[
            (&[], true),
            (&[0x08, 1], true),
            (&[0x08], false),
            (&[0x12, 2, b'n', b'o'], true),
            (&[0x12, 9, b'n'], false),
            (&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], false),
            (&[0x0d, 1, 2, 3, 4, 0x09, 1, 2, 3, 4, 5, 6, 7, 8], true),
            (&[0x0d, 1, 2, 3], false),
            // Groups, which nobody sends any more.
            (&[0x0b, 0x0c], false),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], false),
        ];
        for (message, expect) in cases {
            assert_eq!(fields(message).all(|field| field.is_some()), *expect, "{message:?}");
        }
    }
}
