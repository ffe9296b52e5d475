//! The core, asked without an Envoy: a policy, keys and a token in, the core's own verdict out. Limits aren't
//! tried, and shadow mode doesn't soften a verdict.

use super::call::VERSION;
use super::question::Question;
use gatewaystack_core::authenticate::{Caller, Fetched, Waited, authenticate};
use gatewaystack_core::authorize::{self, Counting};
use gatewaystack_core::config::policy::{
    Builtin, ChallengeMode, IssuerId, Mcp, Mode, Policy, Route, RouteId,
};
use gatewaystack_core::credential;
use gatewaystack_core::decision::{Decision, Wait};
use gatewaystack_core::exchange::{Arrival, Exchange, Judged};
use gatewaystack_core::feed::Feed;
use gatewaystack_core::hash::Secret;
use gatewaystack_core::jwks::{KeyRing, KeySet};
use gatewaystack_core::jwt::TokenFault;
use gatewaystack_core::jwt::signature::Portable;
use gatewaystack_core::mcp::operation::Operation;
use gatewaystack_core::principal::Principal;
use gatewaystack_core::rate_limit::Counters;
use gatewaystack_core::refusal::Refusal;
use gatewaystack_core::reply::Reply;
use gatewaystack_core::request::{self, Headers};
use gatewaystack_core::shared::MemoryTable;
use gatewaystack_core::tally::Tally;
use gatewaystack_core::world::World;
use serde_json::Value;
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// A gateway without Envoy.
pub struct Judge {
    policy: Policy,
    keys: KeyRing,
    now_ms: u64,
    /// What became of the fetch that a request would have waited for.
    fetched: Fetched,
}

/// What the core says.
#[derive(Debug)]
pub enum Verdict {
    /// Yes, by this reason of the record.
    Allowed(&'static str),
    /// No.
    Refused(Refused),
    /// The keys weren't fetched, so the signature can't be judged.
    Undecided,
}

/// A refusal as the client would see it.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    pub error: String,
    pub reason: &'static str,
    pub description: String,
    /// Scopes that are needed and not there.
    pub lacks: Vec<String>,
}

const UNKNOWN_KEY: Refusal = Refusal::Token(TokenFault::UnknownKey);

impl Judge {
    /// Nothing is fetched yet.
    pub fn new(policy: &Policy, now_ms: u64) -> Self {
        let mut policy = policy.clone();
        policy.mode = Mode::Enforce;
        for route in &mut policy.routes {
            route.mode = Mode::Enforce;
            // A refusal that ChatGPT reads out of a result is one all the same.
            route.mcp.iter_mut().for_each(|mcp| mcp.challenge_mode = ChallengeMode::Http);
        }
        policy.rate_limits.clear();
        Self { keys: KeyRing::new(&policy), policy, now_ms, fetched: Fetched::NotAsked }
    }

    /// Takes what was fetched: keys, or the knowledge that there are none.
    pub fn hold(&mut self, issuer: IssuerId, set: Option<KeySet>) {
        let Some(held) = self.keys.held_mut(issuer) else { return };
        self.fetched = if set.is_some() { Fetched::Good } else { Fetched::Failed };
        held.failures = u32::from(set.is_none());
        (held.set, held.fetched_at, held.generation) = (set, self.now_ms, 1);
    }
    /// Judges a whole request, `body` included; answers the route's name, too.
    pub fn request(
        &self,
        question: &Question,
        path: &str,
        body: &[u8],
        token: &str,
    ) -> (Option<String>, Verdict) {
        let bearer = header(token);
        let headers: [(&[u8], &[u8]); 7] = [
            (b":method", question.method().as_bytes()),
            (b":path", path.as_bytes()),
            (b":authority", asked_host(&self.policy, question).as_bytes()),
            (b"x-request-id", b"doctor"),
            (b"content-type", b"application/json"),
            (b"mcp-protocol-version", VERSION.as_bytes()),
            (b"authorization", bearer.as_bytes()),
        ];
        self.world(|world| {
            let mut judged = Exchange::New.on_headers(world, Headers::of(&headers));
            let mut has_waited = self.fetched == Fetched::NotAsked;
            loop {
                let arrival = match &judged.decision {
                    Decision::Wait(Wait::Keys(_)) if !has_waited => {
                        has_waited = true;
                        Arrival::Keys(self.fetched)
                    }
                    Decision::Wait(Wait::Body(_)) => Arrival::Body(Some(body)),
                    _ => break,
                };
                judged = judged.exchange.resume(world, arrival);
            }
            let Judged { exchange, decision, .. } = judged;
            let route = exchange.facts().and_then(|facts| facts.route);
            let route =
                route.and_then(|RouteId(at)| world.policy.routes.get(at)).map(|route| route.name.clone());
            let reason = exchange.facts().map_or("", |facts| facts.outcome().1);
            let verdict = match decision {
                Decision::Forward(_) | Decision::Observe(_) => Verdict::Allowed(reason),
                Decision::Wait(Wait::Keys(_)) if self.fetched == Fetched::Good => {
                    Verdict::Refused(from_refusal(&UNKNOWN_KEY))
                }
                Decision::Wait(_) => Verdict::Undecided,
                Decision::Reply(reply) if reply.status < 400 => Verdict::Allowed(reason),
                Decision::Reply(reply) => Verdict::Refused(from_reply(&reply, reason)),
            };
            (route, verdict)
        })
    }

    /// Who calls, if the route takes the token.
    pub fn caller(&self, route: &Route, token: &str) -> Option<Arc<Principal>> {
        self.world(|world| match self.authenticate(world, Some(route), token) {
            Ok(Caller::Known(principal)) => Some(principal),
            Ok(Caller::Needs(_)) | Err(_) => None,
        })
    }

    /// Judges the token as such, for the issuer's audiences.
    pub fn token(&self, token: &str) -> (Verdict, Option<Arc<Principal>>) {
        self.world(|world| match self.authenticate(world, None, token) {
            Ok(Caller::Known(principal)) => (Verdict::Allowed("a good token"), Some(principal)),
            Ok(Caller::Needs(_)) => (Verdict::Undecided, None),
            Err(refusal) => (Verdict::Refused(from_refusal(&refusal)), None),
        })
    }

    /// Judges the token for each route that asks for one.
    pub fn routes(&self, token: &str) -> Vec<(String, Verdict)> {
        let asks = |r: &&Route| matches!(r.builtin, None | Some(Builtin::Scoped));
        let each = |world: &World<'_>, route: &Route| (name(route), self.route(world, route, token));
        self.world(|world| self.policy.routes.iter().filter(asks).map(|r| each(world, r)).collect())
    }

    /// What is against a call of an MCP route.
    pub fn operation(
        &self,
        mcp: (&Route, &Mcp),
        principal: &Principal,
        operation: &Operation,
    ) -> Result<(), Refusal> {
        let headers: [(&[u8], &[u8]); 2] = [(b":method", b"POST"), (b":path", b"/")];
        let request = request::parse(&headers, &self.policy.identity).map_err(Refusal::Unsafe)?;
        self.world(|world| {
            let tally = &mut Tally::default();
            authorize::check_operation(world, &request, mcp, Some(principal), operation, tally)
        })
    }

    fn route(&self, world: &World<'_>, route: &Route, token: &str) -> Verdict {
        let headers: [(&[u8], &[u8]); 2] = [(b":method", b"GET"), (b":path", b"/")];
        let Ok(request) = request::parse(&headers, &self.policy.identity) else { return Verdict::Undecided };
        if route.access == gatewaystack_core::config::policy::Access::Public {
            return Verdict::Allowed("public");
        }
        let judged = match self.authenticate(world, Some(route), token) {
            Ok(Caller::Known(principal)) => {
                // Nothing is counted here, so that a question costs nobody a request.
                let around = (Counting { address: None, asks: false }, &Vec::new());
                authorize::caller(world, &request, route, &principal, around, &mut Tally::default()).map(drop)
            }
            Ok(Caller::Needs(_)) => return Verdict::Undecided,
            Err(refusal) => Err(refusal),
        };
        match judged {
            Ok(()) => Verdict::Allowed("authorized"),
            Err(refusal) => Verdict::Refused(from_refusal(&refusal)),
        }
    }

    fn authenticate(&self, world: &World<'_>, route: Option<&Route>, token: &str) -> Result<Caller, Refusal> {
        let (header, mut tally) = (header(token), Tally::default());
        match authenticate(
            world,
            route,
            credential::parse(Some(header.as_bytes())),
            Waited { keys: self.fetched, feed: true },
            &mut tally,
        )? {
            // The gateway would look once more, at a key set that we have just seen.
            Caller::Needs(_) if self.fetched == Fetched::Good => Err(UNKNOWN_KEY),
            caller => Ok(caller),
        }
    }

    fn world<R>(&self, run: impl FnOnce(&World<'_>) -> R) -> R {
        let table = MemoryTable::default();
        let counters = Counters { table: &table, secret: Secret(0, 0) };
        // Nobody is blocked here: what the token may do is asked for.
        let feed = Feed { fetched_at: self.now_ms, ..Feed::default() };
        run(&World {
            policy: &self.policy,
            keys: &self.keys,
            tokens: &RefCell::default(),
            verifier: &Portable,
            feed: &feed,
            session_secret: Secret(0, 0),
            counters: &counters,
            address: &|| IpAddr::V4(Ipv4Addr::LOCALHOST),
            now_ms: self.now_ms,
        })
    }
}

/// The host that a question is about: the policy's own, where it names none.
pub fn asked_host<'a>(policy: &'a Policy, question: &'a Question) -> &'a str {
    let own = policy.public_url.split("://").nth(1).unwrap_or_default();
    question.host.as_deref().unwrap_or(own)
}

fn header(token: &str) -> String {
    format!("Bearer {token}")
}

fn name(route: &Route) -> String {
    let methods = route.methods.as_ref().map_or("any method".to_owned(), |m| m.join(","));
    let hosts = if route.hosts.is_empty() { String::new() } else { format!(" on {}", route.hosts.join(",")) };
    format!("{methods} {}{hosts}", route.name)
}

fn from_refusal(refusal: &Refusal) -> Refused {
    let lacks = match refusal {
        Refusal::Scope { needed, have } => missing(needed, have),
        _ => Vec::new(),
    };
    Refused {
        status: refusal.status(),
        error: refusal.error().to_owned(),
        reason: refusal.reason(),
        description: refusal.description(),
        lacks,
    }
}

fn from_reply(reply: &Reply, reason: &'static str) -> Refused {
    let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    // On an MCP route the same is in a JSON-RPC error.
    let data = body.pointer("/error/data").unwrap_or(&body);
    let message = body.pointer("/error/message").or_else(|| body.get("error_description"));
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |name: &str| -> Vec<String> {
        let items = data.get(name).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    Refused {
        status: reply.status,
        error: text(data.get("error")),
        reason,
        description: text(message),
        lacks: missing(&list("needed"), &list("have")),
    }
}

fn missing(needed: &[String], have: &[String]) -> Vec<String> {
    needed.iter().filter(|scope| !have.contains(scope)).cloned().collect()
}
