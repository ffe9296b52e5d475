//! Envoy's `verify_signature` (BoringSSL): key, bytes and signature in, yes or no out. Its arguments and its
//! result are protobuf messages of four and two fields.

use crate::host;
use gatewaystack_core::jwks::{self, Key};
use gatewaystack_core::jwt::signature::{SignatureVerifier, VerifierFault};
use gatewaystack_core::protobuf::{self, Field};

/// The verifier of the host.
#[derive(Debug, Clone, Copy)]
pub struct Native;

impl SignatureVerifier for Native {
    fn verify(&self, key: &Key, signed: &[u8], signature: &[u8]) -> Result<bool, VerifierFault> {
        let der = match key {
            Key::Rs256(_) => None,
            // What is no signature needs no question.
            Key::Es256(_) => match jwks::der_signature(signature) {
                None => return Ok(false),
                der => der,
            },
        };
        let (spki, signature) = (key.spki(), der.as_deref().unwrap_or(signature));
        let mut arguments = Vec::with_capacity(signed.len() + signature.len() + spki.len() + 32);
        // VerifySignatureArguments: hash_function = 1, public_key = 2, signature = 3, text = 4.
        for (tag, bytes) in [(1, b"sha256".as_slice()), (2, spki), (3, signature), (4, signed)] {
            protobuf::bytes(&mut arguments, tag, bytes);
        }
        let result =
            host::call_foreign_function("verify_signature", &arguments).map_err(|_| VerifierFault)?;
        is_verified(&result).ok_or(VerifierFault)
    }
}

/// VerifySignatureResult: `result` = 1 (a bool, left out where false), `error` = 2. `None`: something else.
fn is_verified(message: &[u8]) -> Option<bool> {
    let mut verified = false;
    for field in protobuf::fields(message) {
        verified = match field? {
            (1, Field::Number(0)) => false,
            (1, Field::Number(1)) => true,
            // The reason of a "no"; never with a "yes".
            (2, Field::Bytes(_)) => false,
            _ => return None,
        };
    }
    Some(verified)
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
}
