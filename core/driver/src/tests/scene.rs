//! A gateway without a host: what it is shown, and what it says has to be done, as texts.

use crate::command::{Action, Command, HeaderEdit, Output};
use crate::event::Event;
use crate::gateway::Gateway;
use crate::stream::Stream;
use crate::view::{Body, Map, View};
use crate::worker::{Worker, WorkerCommand, WorkerEvent};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatewaystack_core::jwks::Key;
use gatewaystack_core::jwt::signature::{SignatureVerifier, VerifierFault};
use gatewaystack_core::request::Headers;
use gatewaystack_core::shared::MemoryTable;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

pub const NOW_S: u64 = 1_790_000_000;
const ISSUER: &str = "https://idp.example/";
/// As long as a key of 2048 bits, and what a good signature is made of.
const GOOD: [u8; 256] = [0x5a; 256];

struct ByItself;

impl SignatureVerifier for ByItself {
    fn verify(&self, _: &Key, _: &[u8], signature: &[u8]) -> Result<bool, VerifierFault> {
        Ok(signature == GOOD)
    }
}

/// A good token of this user.
pub fn token(user: &str) -> String {
    let header = json!({"alg": "RS256", "typ": "at+jwt", "kid": "a"});
    let claims = json!({"iss": ISSUER, "aud": "api", "sub": user, "scope": "read", "exp": NOW_S + 3_600});
    let [header, claims] = [header, claims].map(|value| URL_SAFE_NO_PAD.encode(value.to_string()));
    format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(GOOD))
}

/// What the host shows.
#[derive(Default)]
pub struct Shown {
    pub now_ns: Option<u64>,
    pub trailers: Option<Headers>,
    pub answer: Option<Headers>,
    pub body: Option<Vec<u8>>,
    pub answer_body: Option<Vec<u8>>,
}

pub fn headers(pairs: &[(&str, &str)]) -> Headers {
    Headers::of(&pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect::<Vec<_>>())
}

impl View for Shown {
    fn now_ns(&self) -> Option<u64> {
        self.now_ns
    }
    fn status(&self) -> Option<u16> {
        Some(200)
    }
    fn source_address(&self) -> Option<IpAddr> {
        Some(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
    fn headers(&self, of: Map) -> Option<Headers> {
        match of {
            Map::Request => None,
            Map::RequestTrailers => self.trailers.clone(),
            Map::Response => self.answer.clone(),
        }
    }
    fn has_header(&self, of: Map, name: &str) -> bool {
        let headers = self.headers(of).unwrap_or_default();
        headers.pairs().iter().any(|(n, _)| *n == name.as_bytes())
    }
    fn bytes(&self, of: Body, from: usize, size: usize) -> Option<Vec<u8>> {
        let body = if of == Body::Request { &self.body } else { &self.answer_body };
        let body = body.as_ref()?.get(from..)?;
        Some(body.get(..size.min(body.len()))?.to_vec())
    }
}

/// One worker of a gateway.
pub struct Scene {
    pub worker: Worker,
    pub shown: Shown,
}

/// A gateway with these members of a policy.
pub fn gateway(members: Value, table: &Arc<MemoryTable>) -> Arc<Gateway> {
    let mut policy = json!({
        "version": 1,
        "public_url": "https://gateway.example.com",
        "issuers": [{"issuer": ISSUER, "audiences": ["api"], "jwks_uri": "https://idp.example/jwks", "jwks_cluster": "idp"}],
        "rate_limits": [],
    });
    policy.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let shared = Box::new(Arc::clone(table));
    let loaded =
        Gateway::load(policy.to_string().as_bytes(), Vec::new(), shared, Box::new(ByItself), [7; 16]);
    let mut gateway = loaded.unwrap();
    // It doesn't pass the known-answer test, as no fake does.
    gateway.verifier = Box::new(ByItself);
    Arc::new(gateway)
}

impl Scene {
    /// A worker that has no keys yet.
    pub fn cold(members: Value) -> Self {
        let table = Arc::new(MemoryTable::default());
        let worker = Worker::new(gateway(members, &table), 1);
        Self { worker, shown: Shown { now_ns: Some(NOW_S * 1_000_000_000), ..Shown::default() } }
    }

    /// A worker that has its keys.
    pub fn new(members: Value) -> Self {
        let mut scene = Self::cold(members);
        scene.poll();
        scene.fetched(true);
        scene.poll();
        scene
    }

    /// Whether the issuer's keys are known here.
    pub fn has_keys(&self) -> bool {
        let first = gatewaystack_core::config::policy::IssuerId(0);
        self.worker.keys.held(first).is_some_and(|held| held.set.is_some())
    }

    pub fn now_ms(&self) -> u64 {
        self.shown.now_ns.unwrap_or_default() / 1_000_000
    }

    pub fn later(&mut self, ms: u64) {
        self.shown.now_ns = self.shown.now_ns.map(|now| now + ms * 1_000_000);
    }

    /// Events of the worker, and what follows: all that has no effect on requests is left out.
    pub fn happens(&mut self, event: WorkerEvent) -> Vec<WorkerCommand> {
        let now_ms = self.now_ms();
        self.worker.on(event, Some(now_ms))
    }

    pub fn poll(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        for command in self.happens(WorkerEvent::Poll) {
            match command {
                WorkerCommand::Fetch { fetch, cluster, .. } => {
                    self.happens(WorkerEvent::Sent(fetch, Some(7)));
                    said.push(format!("fetch from {cluster}"));
                }
                WorkerCommand::Listen(_) => drop(self.happens(WorkerEvent::Listening)),
                WorkerCommand::Resume(id, arrived) => said.push(format!("resume {id}: {arrived:?}")),
                WorkerCommand::Bar(id, why) => said.push(format!("bar {id}: {why:?}")),
                WorkerCommand::MakeRoom => said.extend(self.make_room()),
                _ => {}
            }
        }
        said
    }

    fn make_room(&mut self) -> Vec<String> {
        let resumed = self.happens(WorkerEvent::MakeRoom).into_iter();
        resumed
            .filter_map(|command| match command {
                WorkerCommand::Resume(id, arrived) => Some(format!("resume {id}: {arrived:?}")),
                _ => None,
            })
            .collect()
    }

    /// The issuer has answered, with keys or not.
    pub fn fetched(&mut self, is_good: bool) -> Vec<WorkerCommand> {
        let n = URL_SAFE_NO_PAD.encode([0xc5; 256]);
        let body =
            json!({"keys": [{"kty": "RSA", "kid": "a", "n": n, "e": "AQAB"}]}).to_string().into_bytes();
        let status = if is_good { "200" } else { "500" };
        self.happens(WorkerEvent::Fetched { token: 7, headers: headers(&[(":status", status)]), body })
    }

    /// An event of a stream: what has to be done, and what becomes of what it brought.
    pub fn on(&mut self, stream: &mut Stream, event: Event) -> (Vec<String>, Action) {
        let Output { commands, action } = stream.on(&mut self.worker, &self.shown, event);
        (commands.iter().map(|command| said(&self.worker, command)).collect(), action)
    }

    /// The headers of a request, which goes on.
    pub fn ask(&mut self, stream: &mut Stream, pairs: &[(&str, &str)], end: bool) -> (Vec<String>, Action) {
        let mut all = vec![(":authority", "gateway.example.com"), ("x-request-id", "r-1")];
        all.extend(pairs);
        self.on(stream, Event::RequestHeaders { headers: Some(headers(&all)), end })
    }
}

/// A command in a few words.
fn said(worker: &Worker, command: &Command) -> String {
    let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    match command {
        Command::Edit { edits, must } => {
            let removed = edits.remove.iter().map(|n| format!(" -{}", name(n)));
            let set = edits.set.iter().map(|(n, v)| format!(" {n}={v}"));
            let all: String = removed.chain(set).collect();
            format!("edit{all}{}", if *must { "" } else { ", or not" })
        }
        Command::StripTrailers(names) => {
            format!("strip {}", names.iter().map(|n| name(n)).collect::<String>())
        }
        Command::NoteHeld => "note".to_owned(),
        Command::Release => "release".to_owned(),
        Command::Reply(reply) => format!("reply {}", reply.status),
        Command::Reset => "reset".to_owned(),
        Command::CallRateLimit(ask) => format!("ask {}", ask.cluster),
        Command::EditResponse { edits, must } => {
            format!("answer{}{}", of_answer(edits), if *must { "" } else { ", or not" })
        }
        Command::Replace(bytes) => format!("replace {}", String::from_utf8_lossy(bytes)),
        Command::Record(record) => {
            let record: Value = serde_json::from_str(&format!("{{\"status\":0{record}}}")).unwrap();
            format!("record {} {}", record["decision"].as_str().unwrap(), record["reason"].as_str().unwrap())
        }
        Command::Note(name, value) => format!("note {name} {value}"),
        Command::Count(statistic, more) => {
            format!("count {} {more}", worker.statistics.name(*statistic).map_or("?", |(_, name)| name))
        }
        Command::Wake => "wake".to_owned(),
    }
}

fn of_answer(edits: &[HeaderEdit]) -> String {
    let one = |edit: &HeaderEdit| match edit {
        HeaderEdit::Remove(name) => format!(" -{}", String::from_utf8_lossy(name)),
        HeaderEdit::Set(name, value) => format!(" {name}={value}"),
        HeaderEdit::Add(name, value) => format!(" +{name}={value}"),
    };
    edits.iter().map(one).collect()
}
