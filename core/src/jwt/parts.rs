//! A compact JWS (RFC 7515 §3.1): text in, its parts out.

use super::fault::TokenFault;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The parts of a compact JWS, decoded but not verified.
#[derive(Debug)]
pub struct Parts<'a> {
    /// `header.payload`, what is signed.
    pub signed: &'a str,
    /// Decoded protected header.
    pub header: Vec<u8>,
    /// Decoded payload.
    pub payload: Vec<u8>,
    /// Decoded signature.
    pub signature: Vec<u8>,
}

/// Splits and decodes `token`. Padding and stray bits are refused: a token has one spelling.
///
/// # Errors
/// [`TokenFault::Malformed`].
pub fn decode(token: &str) -> Result<Parts<'_>, TokenFault> {
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(TokenFault::Malformed)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Malformed);
    Ok(Parts { signed, header: decode(header)?, payload: decode(payload)?, signature: decode(signature)? })
}
