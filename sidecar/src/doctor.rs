//! `gatewaystack doctor`: a token and a policy in; which rule decides, what the token lacks and what to
//! change at the identity provider out. The core judges, as it does in the filter: this module only asks it.
//! Neither the token nor its signature is ever shown.

mod advice;
mod call;
mod judge;
mod lines;
mod mcp;
mod question;
mod token;

use crate::jwks;
use crate::settings::{Fault, Source};
use gatewaystack_core::config;
use gatewaystack_core::config::policy::Policy;
use judge::{Judge, Refused, Verdict};
use lines::{line, list, shown};
use mcp::McpRoute;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

pub use call::Call;
pub use question::Question;
use token::is_auth0;

/// A token on standard input: longer ones are something else.
const MAX_INPUT: u64 = 256 * 1024;

/// The answer.
#[derive(Debug)]
pub struct Diagnosis {
    /// Whether the request (or the token alone) would be allowed.
    pub allowed: bool,
    /// The record's reason of the refusal: one of the core's; `None` where allowed, or undecided.
    pub reason: Option<&'static str>,
    /// Lines to show.
    pub text: String,
}

/// Answers on standard output.
///
/// # Errors
/// Errors of the configuration; none, but an error still, where the token would be refused.
pub fn run(source: &Source, mut question: Question) -> Result<(), Vec<Fault>> {
    let (policy, _) = config::load_value(source.policy.clone(), &source.env).map_err(|e| source.name(e))?;
    if question.token == "-" {
        question.token = from_input().map_err(|e| vec![Fault::text(e)])?;
    }
    question.auth0 =
        ["AUTH0_TENANT_DOMAIN", "MGMT_DOMAIN", "AUTH0_DOMAIN"].iter().any(|n| source.env.contains_key(*n));
    crate::fetch::trust(&source.env).map_err(|e| source.name(vec![e]))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| vec![Fault::text(format!("no runtime: {e}"))])?;
    let diagnosis = runtime.block_on(examine(&policy, &question, now_ms()));
    let diagnosis = diagnosis.map_err(|e| vec![Fault::text(e)])?;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(diagnosis.text.as_bytes());
    if diagnosis.allowed { Ok(()) } else { Err(Vec::new()) }
}

/// Judges a token at `now_ms` (Unix milliseconds), with its issuer's keys fetched now.
///
/// # Errors
/// The policy has nothing that the question could be about; what to ask instead.
pub async fn examine(policy: &Policy, question: &Question, now_ms: u64) -> Result<Diagnosis, String> {
    let request = Request::by(policy, question)?;
    let token = bare(&question.token);
    let unverified = token::read(token);
    let mut judge = Judge::new(policy, now_ms);
    let issuer = unverified.issuer(policy);
    let mut text = unverified.lines(policy, issuer, now_ms);
    if let Some((id, issuer)) = issuer.filter(|_| !question.offline) {
        let fetched = jwks::key_set(issuer).await;
        match &fetched {
            Ok((url, set, document)) => {
                line(&mut text, "keys", &format!("{} usable, from {url}", set.len()));
                for skipped in jwks::skipped(document) {
                    line(&mut text, "skipped", &skipped);
                }
            }
            Err(trouble) => line(&mut text, "keys", &format!("none: {}", trouble.line(id.0))),
        }
        judge.hold(id, fetched.ok().map(|(_, set, _)| set));
    }
    let auth0 =
        question.auth0 || issuer.is_some_and(|(_, i)| is_auth0(&i.issuer)) || unverified.is_auth0(policy);
    let (allowed, reason) = match &request {
        Some(request) => one(&mut text, &judge, request, token, auth0),
        None => all(&mut text, &judge, token, auth0),
    };
    Ok(Diagnosis { allowed, reason, text })
}

/// One request that is asked about.
struct Request<'a> {
    question: &'a Question,
    path: String,
    body: Vec<u8>,
    mcp: Option<McpRoute<'a>>,
}

impl<'a> Request<'a> {
    /// `None`: the question is about a token alone.
    fn by(policy: &'a Policy, question: &'a Question) -> Result<Option<Self>, String> {
        let path = match (&question.path, &question.call) {
            (Some(path), _) => path.clone(),
            (None, Some(call)) => mcp::only_path(policy, call)?,
            (None, None) => return Ok(None),
        };
        let mcp = mcp::find(policy, question, &path)?;
        let body = question.call.as_ref().map(Call::body).transpose()?.unwrap_or_default();
        Ok(Some(Self { question, path, body, mcp }))
    }
}

/// One request, through the whole exchange.
fn one(
    text: &mut String,
    judge: &Judge,
    request: &Request<'_>,
    token: &str,
    auth0: bool,
) -> (bool, Option<&'static str>) {
    let question = request.question;
    let (route, verdict) = judge.request(question, &request.path, &request.body, token);
    let on = route.map_or("no route".to_owned(), |route| format!("route {route}"));
    let _ = writeln!(text, "\n{} {}, {on}", shown(question.method()), shown(&request.path));
    if let (Some(call), Some(mcp)) = (&question.call, &request.mcp) {
        line(text, "calls", &call.text());
        line(text, "rule", &call.rule(mcp.mcp));
    }
    let concluded = conclude(text, &verdict, auth0);
    if let Some(mcp) = &request.mcp {
        text.push_str(&mcp.tools(judge, token));
    }
    concluded
}

/// The token alone, then each route.
fn all(text: &mut String, judge: &Judge, token: &str, auth0: bool) -> (bool, Option<&'static str>) {
    let _ = writeln!(text, "\nthe token alone");
    let (verdict, claims) = judge.token(token);
    if let Some(claims) = claims {
        line(text, "scopes", &list(claims.scopes().names()));
        line(text, "machine", if claims.is_machine() { "yes" } else { "no" });
    }
    let (alone, reason) = conclude(text, &verdict, auth0);
    // All other refusals are of the token as such: no route would take it.
    let depends_on_route = alone || reason == Some("token_audience");
    let mut anywhere = false;
    if depends_on_route {
        let _ = writeln!(text, "\nby route");
        for (name, verdict) in judge.routes(token) {
            // A public route says nothing about the token.
            anywhere |= matches!(verdict, Verdict::Allowed("authorized"));
            let said = match verdict {
                Verdict::Allowed("public") => "allowed: public".to_owned(),
                Verdict::Allowed(_) => "allowed".to_owned(),
                Verdict::Undecided => "undecided".to_owned(),
                Verdict::Refused(refused) => format!("{}: {}", refused.status, brief(&refused)),
            };
            let _ = writeln!(text, "  {name:<36} {said}");
        }
    }
    // A route may accept an audience that the issuer's list lacks.
    let by_route = reason == Some("token_audience") && anywhere;
    (alone || by_route, reason.filter(|_| !by_route))
}

fn conclude(text: &mut String, verdict: &Verdict, auth0: bool) -> (bool, Option<&'static str>) {
    match verdict {
        Verdict::Allowed(reason) => {
            line(
                text,
                "allowed",
                if *reason == "public" { "by anybody: no token is needed" } else { reason },
            );
            (true, None)
        }
        Verdict::Undecided => {
            line(text, "undecided", "header and claims are good; the signature is not verified (--offline)");
            (false, None)
        }
        Verdict::Refused(refused) => {
            line(text, "refused", &format!("{} {} ({})", refused.status, refused.error, refused.reason));
            line(text, "says", &refused.description);
            if !refused.lacks.is_empty() {
                line(text, "lacks", &list(&refused.lacks));
            }
            line(text, "change", advice::advice(refused.reason, auth0));
            (false, Some(refused.reason))
        }
    }
}

fn brief(refused: &Refused) -> String {
    if refused.lacks.is_empty() {
        refused.reason.to_owned()
    } else {
        format!("lacks {}", list(&refused.lacks))
    }
}

/// The token without what people copy along with it.
fn bare(token: &str) -> &str {
    let token = token.trim();
    match token.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim(),
        _ => token,
    }
}

fn from_input() -> Result<String, String> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MAX_INPUT).read_to_string(&mut text);
    read.map_err(|e| format!("standard input: {e}"))?;
    Ok(text)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
