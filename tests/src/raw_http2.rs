//! HTTP/2 without a codec (RFC 9113, RFC 7541): any bytes in any field, repeated, missing or out of order. A
//! status out.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// Sends one request of these fields, without a body. The status; 0: the stream or the connection was ended
/// without one.
pub async fn send(address: &str, fields: &[(&[u8], &[u8])]) -> u16 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.extend(frame(SETTINGS, 0, 0, &[]));
    let block: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
    // END_STREAM and END_HEADERS.
    request.extend(frame(HEADERS, 0x5, 1, &block));
    // A server that refuses early may stop reading.
    let _ = stream.write_all(&request).await;
    let answer = async {
        loop {
            let mut head = [0; 9];
            if stream.read_exact(&mut head).await.is_err() {
                return 0;
            }
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            if stream.read_exact(&mut payload).await.is_err() {
                return 0;
            }
            match head[3] {
                HEADERS => return status(&payload),
                RST_STREAM | GOAWAY => return 0,
                _ => {}
            }
        }
    };
    tokio::time::timeout(crate::PATIENCE, answer).await.expect("an answer in time")
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal that is never indexed, its name and value as they are (RFC 7541 §6.2.3).
fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0x10], &integer(name.len())[..], name, &integer(value.len()), value].concat()
}

/// RFC 7541 §5.1, with a prefix of seven bits.
fn integer(mut value: usize) -> Vec<u8> {
    if value < 127 {
        return vec![u8::try_from(value).unwrap()];
    }
    let mut out = vec![127];
    value -= 127;
    while value >= 128 {
        out.push(u8::try_from(value % 128 + 128).unwrap());
        value /= 128;
    }
    out.push(u8::try_from(value).unwrap());
    out
}

/// The first field of an answer (RFC 9113 §8.3.2), after any change of the table's size.
fn status(block: &[u8]) -> u16 {
    let at = block.iter().position(|byte| byte & 0xe0 != 0x20).unwrap();
    match block[at] {
        indexed @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        // A literal with the name of the table's entry 8, in Huffman's code or as it is.
        _ if block[at + 1] & 0x80 != 0 => digits(&block[at + 2..]),
        _ => std::str::from_utf8(&block[at + 2..at + 5]).unwrap().parse().unwrap(),
    }
}

/// Three digits in Huffman's code: 0 to 2 have five bits, the others six (RFC 7541 appendix B).
fn digits(code: &[u8]) -> u16 {
    let bit = |at: usize| u16::from(code[at / 8] >> (7 - at % 8) & 1);
    let bits = |at: usize, count: usize| (at..at + count).fold(0, |sum, at| sum * 2 + bit(at));
    let (mut at, mut status) = (0, 0);
    for _ in 0..3 {
        let (digit, length) = match bits(at, 5) {
            short @ 0..=2 => (short, 5),
            _ => (bits(at, 6) - 0x19 + 3, 6),
        };
        status = status * 10 + digit;
        at += length;
    }
    status
}

#[test]
fn statuses_are_read_in_each_of_their_forms() {
    assert_eq!(status(&[0x88]), 200);
    assert_eq!(status(&[0x20, 0x8c]), 400);
    // RFC 7541 §C.6.1 has 302.
    assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]), 302);
    assert_eq!(status(&[0x48, 0x03, b'4', b'3', b'1']), 431);
}
