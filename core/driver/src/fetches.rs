//! What a worker is fetching: the fetches under way, by the host's numbers of their calls; the headers of a
//! question, and what an answer's headers say.

use gatewaystack_core::config::policy::IssuerId;
use gatewaystack_core::jwks::discovery::Fetch;
use gatewaystack_core::request::{self, Headers};

/// What is fetched.
pub enum Fetched {
    /// An issuer's keys.
    Keys(IssuerId, Fetch),
    /// Who is blocked.
    Feed,
    /// Whether the ledger has taken records.
    Records,
}

struct Fetching {
    number: usize,
    token: Option<u32>,
    what: Fetched,
}

/// Those under way: one for each issuer at most, one for the feed, and one for records.
#[derive(Default)]
pub struct Fetches {
    all: Vec<Fetching>,
    next: usize,
}

impl Fetches {
    /// Begins one: our number of it.
    pub fn begin(&mut self, what: Fetched) -> usize {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.all.push(Fetching { number, token: None, what });
        number
    }

    /// The host says which call it is; `None`: it couldn't be sent. Then it is over: what it was for.
    pub fn sent(&mut self, number: usize, token: Option<u32>) -> Option<Fetched> {
        let at = self.all.iter().position(|fetch| fetch.number == number)?;
        if token.is_none() {
            return Some(self.all.remove(at).what);
        }
        self.all.get_mut(at)?.token = token;
        None
    }

    /// The call of this number has ended: what it was for.
    pub fn end(&mut self, token: u32) -> Option<Fetched> {
        let at = self.all.iter().position(|fetch| fetch.token == Some(token))?;
        Some(self.all.remove(at).what)
    }

    /// Whether none is under way.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// The headers of a question.
pub fn get(tls: bool, authority: String, path: String) -> Vec<(&'static str, String)> {
    vec![
        (":method", "GET".to_owned()),
        (":scheme", if tls { "https" } else { "http" }.to_owned()),
        (":path", path),
        (":authority", authority),
        ("accept", "application/json".to_owned()),
        ("user-agent", "gatewaystack".to_owned()),
    ]
}

/// The headers of what is sent to the sidecar: so many bytes of JSON lines.
pub fn post(authority: String, path: String, length: usize) -> Vec<(&'static str, String)> {
    let mut headers = get(false, authority, path);
    headers
        .iter_mut()
        .filter(|(name, _)| *name == ":method")
        .for_each(|(_, method)| *method = "POST".to_owned());
    headers.push(("content-type", "application/x-ndjson".to_owned()));
    headers.push(("content-length", length.to_string()));
    headers
}

/// The status of an answer, and its `max-age` in seconds (RFC 9111 §5.2.2.1).
pub fn status_and_age(headers: &Headers) -> (Option<u16>, Option<u64>) {
    let pairs = headers.pairs();
    let find = |name| request::first(&pairs, name).and_then(|value| std::str::from_utf8(value).ok());
    let status = find(":status").and_then(|status| status.parse().ok());
    (status, find("cache-control").and_then(max_age))
}

fn max_age(cache_control: &str) -> Option<u64> {
    cache_control.split(',').find_map(|directive| {
        let (name, value) = directive.trim().split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| value.trim_matches('"').parse().ok()).flatten()
    })
}
