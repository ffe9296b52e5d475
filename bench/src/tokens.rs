//! Tokens, signed with the key of the core's tests, and its key set. In: issuer, audience, scope, how many.
//! Out: access tokens (RFC 9068, RS256) that differ in `jti`, one a line.

use std::{
    io::{self, Write},
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
use rsa::{BoxedUint, PrivateKey, pkcs1::EncodeRsaPrivateKey};
use serde_json::{Value, json};

/// Modulus, private exponent and the two primes of a key of 2048 bits, one hexadecimal number a line.
/// Everybody knows it.
const KEY: &str = include_str!("../../core/src/testing/key_a.txt");
const KEY_ID: &str = "bench";
/// Longer than a run.
const LIFETIME_S: u64 = 6 * 3600;

/// What all of the tokens say.
pub struct Wanted<'a> {
    pub issuer: &'a str,
    pub audience: &'a str,
    pub scope: &'a str,
    /// How many subjects take turns: `bench`, `bench-1`, …
    pub users: usize,
}

/// The key set (RFC 7517 §5).
pub fn key_set() -> io::Result<Value> {
    let [modulus, ..] = numbers()?;
    let n = URL_SAFE_NO_PAD.encode(modulus);
    Ok(json!({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, "n": n, "e": "AQAB"}]}))
}

pub fn print(wanted: &Wanted<'_>, count: usize) -> io::Result<()> {
    let key = key()?;
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = |first: usize| (first..count).step_by(threads).map(|n| sign(&key, wanted, n)).collect();
    let shares: Vec<io::Result<Vec<String>>> = thread::scope(|scope| {
        let share = &share;
        let workers: Vec<_> = (0..threads).map(|first| scope.spawn(move || share(first))).collect();
        workers.into_iter().map(|w| w.join().unwrap_or_else(|_| Err(io::Error::other("signing")))).collect()
    });
    let mut output = io::BufWriter::new(io::stdout().lock());
    for token in shares.into_iter().collect::<io::Result<Vec<_>>>()?.concat() {
        writeln!(output, "{token}")?;
    }
    output.flush()
}

fn sign(key: &KeyPair, wanted: &Wanted<'_>, number: usize) -> io::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?.as_secs();
    let subject = match number.checked_rem(wanted.users).unwrap_or(0) {
        0 => "bench".to_owned(),
        user => format!("bench-{user}"),
    };
    let header = json!({"alg": "RS256", "typ": "at+jwt", "kid": KEY_ID});
    let claims = json!({
        "iss": wanted.issuer, "aud": wanted.audience, "sub": subject, "scope": wanted.scope, "jti": format!("{number:016x}"),
        "iat": now, "exp": now + LIFETIME_S,
    });
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| io::Error::other("signing failed"))?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// ring signs several times as fast as the crate that knows a key by its numbers.
fn key() -> io::Result<KeyPair> {
    let [n, d, p, q] = numbers()?.map(|number| BoxedUint::from_be_slice_vartime(&number));
    let key = PrivateKey::from_components(n, BoxedUint::from(65_537u64), d, vec![p, q]);
    let der = key.map_err(io::Error::other)?.to_pkcs1_der().map_err(io::Error::other)?;
    KeyPair::from_der(der.as_bytes()).map_err(|error| io::Error::other(error.to_string()))
}

fn numbers() -> io::Result<[Vec<u8>; 4]> {
    let byte = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    let number = |line: &str| line.as_bytes().chunks(2).map(byte).collect::<Option<Vec<u8>>>();
    let numbers: Option<Vec<Vec<u8>>> = KEY.lines().map(number).collect();
    numbers.and_then(|n| n.try_into().ok()).ok_or_else(|| io::Error::other("the key has another form"))
}
