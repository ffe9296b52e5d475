//! Texts out of a fuzzer's bytes: bytes in, a text out. ASCII stands for itself, so that seeds can be read;
//! from 0x80 on each byte is a fragment of what the texts are made of, so that one changed byte is a whole
//! member, line or name.

/// The next byte stands for itself.
const RAW: u8 = 0xff;
/// The fragment before comes so often again.
const AGAIN: u8 = 0xfe;
/// A text ends before it is longer.
const MAX: usize = 128 * 1024;

/// Writes out the fragments.
pub fn expand(bytes: &[u8], fragments: &[&str]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() * 4);
    let mut bytes = bytes.iter().copied();
    let mut last: &[u8] = b"";
    while let Some(byte) = bytes.next() {
        let (piece, times) = match byte {
            0..0x80 => {
                out.push(byte);
                continue;
            }
            RAW => {
                out.extend(bytes.next());
                continue;
            }
            AGAIN => (last, times(bytes.next().unwrap_or(0))),
            byte => {
                let fragment = fragments.get(usize::from(byte - 0x80)).copied().unwrap_or_default();
                (fragment.as_bytes(), 1)
            }
        };
        if out.len() + piece.len() * times > MAX {
            break;
        }
        (0..times).for_each(|_| out.extend_from_slice(piece));
        last = piece;
    }
    out
}

fn times(byte: u8) -> usize {
    let byte = usize::from(byte);
    if byte < 0x80 { byte } else { (byte - 0x7f) * 16 }
}

/// One of several by a byte of the settings, which are letters in seeds.
pub fn choose<T: Copy>(from: &[T], byte: u8) -> Option<T> {
    from.get(usize::from(byte) % from.len().max(1)).copied()
}
