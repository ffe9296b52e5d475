//! Those who sign a checkpoint, too (C2SP tlog-witness): they remember the last one that they saw, and sign
//! none that isn't its continuation. In: a checkpoint. Out: lines for its end; one who doesn't answer adds
//! none.

use super::note::{self, Verifier};
use super::store::Store;
use super::tile;
use crate::fetch;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

/// One who doesn't answer holds a checkpoint up for so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// And isn't asked again for so long, doubling.
const PAUSE_MS: i64 = 5_000;
const LONGEST_PAUSE_MS: i64 = 600_000;
const LONGEST_ANSWER: usize = 64 * 1024;

/// All of them.
pub struct Witnesses {
    all: Vec<Witness>,
    /// Where there is any.
    by: Option<By>,
}

/// By what they are asked.
struct By {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

impl Witnesses {
    /// At these submission prefixes.
    ///
    /// # Errors
    /// The system's.
    pub fn at(urls: &[String]) -> Result<Self, String> {
        let all: Vec<Witness> = urls.iter().map(|url| Witness::at(url)).collect();
        let by = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            Ok::<By, String>(By {
                runtime: runtime.map_err(|e| e.to_string())?,
                client: fetch::client_of_its_own()?,
            })
        };
        let by = (!all.is_empty()).then(by).transpose()?;
        Ok(Self { all, by })
    }

    /// The signatures of those who give one.
    pub fn sign(&mut self, store: &Store, own: &Verifier, note: &str, size: u64, now_ms: i64) -> String {
        let Some(by) = &self.by else { return String::new() };
        let shown = Shown { store, own, note, size };
        self.all.iter_mut().map(|witness| witness.sign(by, &shown, now_ms)).collect()
    }
}

/// What they are shown.
struct Shown<'a> {
    store: &'a Store,
    own: &'a Verifier,
    note: &'a str,
    size: u64,
}

/// One of them.
struct Witness {
    url: String,
    /// The size that it signed last, as far as we know.
    known: u64,
    pause_ms: i64,
    again_ms: i64,
}

impl Witness {
    /// At a submission prefix.
    fn at(url: &str) -> Self {
        Self { url: url.to_owned(), known: 0, pause_ms: 0, again_ms: 0 }
    }

    /// Its signatures, or nothing.
    fn sign(&mut self, by: &By, shown: &Shown<'_>, now_ms: i64) -> String {
        if now_ms < self.again_ms && self.again_ms - now_ms <= LONGEST_PAUSE_MS {
            return String::new();
        }
        match self.ask(by, shown) {
            Ok(lines) => {
                if self.pause_ms > 0 {
                    tracing::info!(witness = self.url, "the witness signs again");
                }
                (self.pause_ms, self.again_ms) = (0, 0);
                lines
            }
            Err(reason) => {
                if self.pause_ms == 0 {
                    tracing::warn!(witness = self.url, %reason, "a witness doesn't sign the checkpoint; it is asked again later");
                }
                self.pause_ms = (self.pause_ms * 2).clamp(PAUSE_MS, LONGEST_PAUSE_MS);
                self.again_ms = now_ms.saturating_add(self.pause_ms);
                String::new()
            }
        }
    }

    fn ask(&mut self, by: &By, shown: &Shown<'_>) -> Result<String, String> {
        let Shown { store, own, note, size } = *shown;
        // It may know another size than we do: then it says which, once.
        for _ in 0..2 {
            let mut tiles = store.clone_for_reading()?;
            let proof = tile::consistency(&mut tiles, self.known, size)?;
            let mut body = format!("old {}\n", self.known);
            proof.iter().for_each(|hash| body.push_str(&format!("{}\n", STANDARD.encode(hash))));
            body.push('\n');
            body.push_str(note);
            let url = format!("{}/add-checkpoint", self.url);
            let request = by.client.post(&url).timeout(PATIENCE).body(body);
            let reply = by.runtime.block_on(fetch::reply(request, &url, LONGEST_ANSWER))?;
            let text = String::from_utf8_lossy(&reply.body);
            match reply.status {
                200 => {
                    let lines = note::cosignatures(&text, own);
                    if lines.is_empty() {
                        return Err(format!("{url} answered 200, and no signature"));
                    }
                    self.known = size;
                    return Ok(lines);
                }
                409 => {
                    let theirs =
                        text.trim().parse::<u64>().map_err(|_| format!("{url} answered 409, and no size"))?;
                    if theirs > size {
                        return Err(format!(
                            "{url} knows a log of {theirs} leaves under this name, and this one has {size}: it was put back from a copy, or is another one"
                        ));
                    }
                    self.known = theirs;
                }
                422 => return Err(format!("{url} answered 422: it knows another log under this name")),
                status => return Err(format!("{url} answered {status}")),
            }
        }
        Err(format!("{} says of another size each time", self.url))
    }
}

#[cfg(test)]
mod tests;
