//! Envoy's `verify_signature` (BoringSSL): key, bytes and signature in, yes or no out. Its arguments and its result are protobuf messages
//! of four and two fields, written and read here.

use crate::host;
use gatewaystack_core::jwks::RsaKey;
use gatewaystack_core::jwt::signature::{SignatureVerifier, VerifierFault};

/// The verifier of the host.
#[derive(Debug, Clone, Copy)]
pub struct Native;

impl SignatureVerifier for Native {
    fn verify_rs256(&self, key: &RsaKey, signed: &[u8], signature: &[u8]) -> Result<bool, VerifierFault> {
        let mut arguments = Vec::with_capacity(signed.len() + signature.len() + key.spki.len() + 32);
        // VerifySignatureArguments: hash_function = 1, public_key = 2, signature = 3, text = 4.
        for (tag, bytes) in [(1, b"sha256".as_slice()), (2, &key.spki), (3, signature), (4, signed)] {
            field(&mut arguments, tag, bytes);
        }
        let result =
            host::call_foreign_function("verify_signature", &arguments).map_err(|_| VerifierFault)?;
        is_verified(&result).ok_or(VerifierFault)
    }
}

/// A length-delimited field (wire type 2).
fn field(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push((length & 0x7f) as u8);
    out.extend_from_slice(bytes);
}

/// VerifySignatureResult: `result` = 1 (a bool, left out where false), `error` = 2. `None`: something else.
fn is_verified(message: &[u8]) -> Option<bool> {
    let mut bytes = message.iter().copied();
    let mut verified = false;
    while let Some(tag) = bytes.next() {
        match tag {
            0x08 => {
                verified = match bytes.next()? {
                    0 => false,
                    1 => true,
                    _ => return None,
                }
            }
            0x12 => {
                // The reason of a "no"; never with a "yes".
                verified = false;
                let length = varint(&mut bytes)?;
                if length > 0 {
                    bytes.nth(length - 1)?;
                }
            }
            _ => return None,
        }
    }
    Some(verified)
}

fn varint(bytes: &mut impl Iterator<Item = u8>) -> Option<usize> {
    let mut value = 0usize;
    for shift in [0, 7, 14, 21] {
        let byte = bytes.next()?;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_is_a_yes() {
        let cases: &[(&[u8], Option<bool>)] = &[
            (&[], Some(false)),
            (&[0x08, 1], Some(true)),
            (&[0x08, 0], Some(false)),
            (&[0x08, 2], None),
            (&[0x08], None),
            (&[0x12, 2, b'n', b'o'], Some(false)),
            (&[0x08, 1, 0x12, 2, b'n', b'o'], Some(false)),
            (&[0x12, 9, b'n'], None),
            (&[0x18, 1], None),
            (&[0xff, 0xff], None),
        ];
        for (message, expect) in cases {
            assert_eq!(is_verified(message), *expect, "{message:?}");
        }
    }

    #[test]
    fn long_fields_have_varint_lengths() {
        let mut out = Vec::new();
        field(&mut out, 4, &[7; 300]);
        assert_eq!(&out[..3], &[0x22, 0xac, 0x02]);
        assert_eq!(out.len(), 303);
    }
}
