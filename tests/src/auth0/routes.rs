//! The tenant's state, and which operation a call is: limits first, then the token, its scopes, and the
//! operation.

use super::answer::{Answer, Outcome};
use super::faults::{Fault, Faults};
use super::limit::Bucket;
use super::observation::Call;
use super::request::Request;
use super::tenant::Tenant;
use super::tokens::Tokens;
use super::{clients, connections, grants};
use std::time::{Duration, SystemTime};

type Operation = fn(&mut Tenant, &Request, &str) -> Outcome;

const READ_CLIENTS: &[&str] =
    &["read:clients", "read:client_keys", "read:client_credentials", "read:client_summary"];
const UPDATE_CLIENTS: &[&str] = &[
    "update:clients",
    "update:client_keys",
    "update:client_credentials",
    "update:client_token_vault_privileged_access",
];

pub struct State {
    pub tenant: Tenant,
    pub tokens: Tokens,
    pub management: Bucket,
    pub authentication: Bucket,
    pub retry_after: Option<u64>,
    pub latency: Duration,
    /// Calls wait once there are so many grants.
    pub held_from: Option<usize>,
    pub faults: Faults,
    pub calls: Vec<Call>,
}

impl State {
    pub fn new(domain: &str) -> Self {
        Self {
            tenant: Tenant::new(),
            tokens: Tokens::new(domain),
            management: Bucket::new(1_000, 1_000),
            authentication: Bucket::new(100, 100),
            retry_after: None,
            latency: Duration::ZERO,
            held_from: None,
            faults: Faults::default(),
            calls: Vec::new(),
        }
    }

    /// Whether a call has to wait.
    pub fn holds(&self) -> bool {
        self.held_from.is_some_and(|grants| self.tenant.grants.len() >= grants)
    }

    /// Carries out one call, unless a fault forbids it, and remembers it.
    pub fn answer(&mut self, request: &Request) -> (Answer, Option<Fault>) {
        let fault = self.faults.strike(&request.method, &request.target);
        // One moment for all that is said of it.
        let now = SystemTime::now();
        let answer = match fault {
            Some(fault) if !fault.applies() => Answer::refused(500, "Internal error", ""),
            _ => self.serve(request, now).unwrap_or_else(|refusal| refusal),
        };
        let status = match fault {
            None => answer.status,
            Some(Fault::Status(status) | Fault::StatusAfterApplying(status)) => status,
            Some(Fault::Garbage) => 200,
            Some(Fault::Hang | Fault::Reset | Fault::ResetAfterApplying | Fault::Truncated) => 0,
        };
        self.calls.push(Call {
            method: request.method.clone(),
            path: request.target.clone(),
            body: request.shown_body(),
            status,
            at: now,
        });
        (answer, fault)
    }

    fn serve(&mut self, request: &Request, now: SystemTime) -> Outcome {
        let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        match (request.method.as_str(), segments.as_slice()) {
            ("POST", ["oauth", "token"]) => {
                let allowed = self.authentication.take(now);
                let audiences = self.tenant.audiences();
                let outcome = if allowed {
                    self.tokens.issue(request, &audiences)
                } else {
                    Err(Answer::oauth(429, "too_many_requests", "Rate limit exceeded."))
                };
                limited(outcome, &self.authentication, self.retry_after)
            }
            ("POST", ["oidc", "register"]) => self.tenant.register(&request.json()?),
            (_, ["api", "v2", path @ ..]) => {
                let allowed = self.management.take(now);
                let outcome = if allowed {
                    self.manage(request, path)
                } else {
                    Err(Answer::refused(429, "Global limit has been reached", "too_many_requests"))
                };
                limited(outcome, &self.management, self.retry_after)
            }
            _ => Err(Answer::no_route()),
        }
    }

    fn manage(&mut self, request: &Request, path: &[&str]) -> Outcome {
        let (any_of, operation) = operation(&request.method, path).ok_or_else(Answer::no_route)?;
        self.tokens.check(request, any_of)?;
        operation(&mut self.tenant, request, path.get(1).copied().unwrap_or_default())
    }
}

/// The scopes of which one is needed, and the operation.
fn operation(method: &str, path: &[&str]) -> Option<(&'static [&'static str], Operation)> {
    Some(match (method, path) {
        ("GET", ["clients"]) => (READ_CLIENTS, clients::list),
        ("GET", ["clients", _]) => (READ_CLIENTS, clients::read),
        ("PATCH", ["clients", _]) => (UPDATE_CLIENTS, clients::update),
        ("GET", ["connections"]) => (&["read:connections"], connections::list),
        ("GET", ["connections", _]) => (&["read:connections"], connections::read),
        ("PATCH", ["connections", _]) => (&["update:connections"], connections::update),
        ("GET", ["connections", _, "clients"]) => (&["read:connections"], connections::read_clients),
        ("PATCH", ["connections", _, "clients"]) => (&["update:connections"], connections::update_clients),
        ("GET", ["client-grants"]) => (&["read:client_grants"], grants::list),
        ("GET", ["client-grants", _]) => (&["read:client_grants"], grants::read),
        ("POST", ["client-grants"]) => (&["create:client_grants"], grants::create),
        ("PATCH", ["client-grants", _]) => (&["update:client_grants"], grants::update),
        ("GET", ["resource-servers"]) => (&["read:resource_servers"], grants::list_apis),
        ("GET", ["resource-servers", _]) => (&["read:resource_servers"], grants::read_api),
        _ => return None,
    })
}

/// With what the limit has to say.
fn limited(outcome: Outcome, bucket: &Bucket, retry_after: Option<u64>) -> Outcome {
    let mut answer = outcome.unwrap_or_else(|refusal| refusal);
    answer.headers = bucket.headers();
    if let Some(seconds) = retry_after.filter(|_| answer.status == 429) {
        answer.headers.push(("retry-after", seconds.to_string()));
    }
    Ok(answer)
}
