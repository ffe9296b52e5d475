//! The rows, in the order of the original README: what to send, what must come.

use super::reply::Reply;
use super::report::{Outcome, Row};
use crate::client::{Client, Request};
use crate::compare::cases::{self, Case, Token};
use gatewaystack_core::{identity, json, jwt};
use reqwest::Method;
use serde_json::Value;

/// The path that `--proxy-path` is instead of.
const PROXY: &str = "/proxy/echo";
/// What a client says of itself, which nobody may believe.
const IMPOSTOR: &str = "gatewaystack-smoke-impostor";

const NO_READER: &str = "no --reader";
const NO_WRITER: &str = "no --writer";
const NO_DEMO: &str = "the demo routes are off";

/// Whether an answer is as expected; else what is wrong with it.
type Check = fn(&Reply) -> Result<(), String>;

struct Run<'a> {
    client: &'a Client,
    /// What is sent, by name: the original README's, as `compare` has it.
    cases: Vec<Case>,
    reader: Option<&'a str>,
    writer: Option<&'a str>,
    rows: Vec<Row>,
}

/// Tries all rows.
///
/// # Errors
/// Nothing answers.
pub async fn all(
    client: &Client,
    reader: Option<&str>,
    writer: Option<&str>,
    proxy_path: &str,
    limit: Option<u32>,
) -> Result<Vec<Row>, String> {
    let cases = cases::original().map_err(|_| "the cases can't be read".to_owned())?.cases;
    let mut run = Run { client, cases, reader, writer, rows: Vec::new() };
    let root = run.get("/", None).await.map_err(|e| format!("{} doesn't answer: {e}", client.base()))?;
    let demo = root.status == 200 && root.body.get("ok") == Some(&Value::Bool(true));
    run.health().await;
    run.metadata().await;
    run.scopes(demo).await;
    run.proxy(proxy_path).await;
    run.limit(limit, demo).await;
    Ok(run.rows)
}

impl Run<'_> {
    /// §7: health.
    async fn health(&mut self) {
        let ok: Check =
            |got| is(got, 200, "").and(said(got.body.get("ok") == Some(&Value::Bool(true)), "ok isn't true"));
        let got = self.get("/health", None).await;
        let off = absent(&got).then(|| "the health routes are off".to_owned());
        self.row("7", "GET /health", "200, ok: true", got, ok, off);
        let auth0: Check = |got| is(got, 200, "").map_err(|e| format!("{e} {}", auth0_faults(&got.body)));
        let got = self.get("/health/auth0", None).await;
        let closed = matches!(&got, Ok(got) if got.status == 404);
        let off = (closed || absent(&got)).then(|| "off, or behind HEALTH_ADMIN_SECRET".to_owned());
        self.row("7", "GET /health/auth0", "200, keys reachable", got, auth0, off);
    }

    /// §7: where to sign in.
    async fn metadata(&mut self) {
        let open: Check = |got| {
            if got.status == 401 {
                challenged(got)
            } else {
                is(got, 200, "").and_then(|()| document(&got.body))
            }
        };
        let expected = "200 and the document, or 401 (PRM_REQUIRE_TOKEN)";
        self.send("7", "GET /.well-known/oauth-protected-resource", expected, true, open).await;
        let with: Check = |got| is(got, 200, "").and_then(|()| document(&got.body));
        let name = "GET /.well-known/oauth-protected-resource as the reader";
        self.send("7", name, "200 and the document", true, with).await;
        let refused: Check = |got| is(got, 401, "unauthorized").and_then(|()| challenged(got));
        self.send("7", "GET /protected", "401, WWW-Authenticate", true, refused).await;
    }

    /// §8: scopes.
    async fn scopes(&mut self, demo: bool) {
        let ok: Check = |got| is(got, 200, "");
        let scope: Check = |got| is(got, 403, "insufficient_scope");
        let denied: Check = |got| is(got, 403, "access_denied");
        let echoed: Check = |got| {
            is(got, 200, "").and(said(got.body.pointer("/body/msg").is_some(), "the body isn't echoed"))
        };
        let rows: [(&str, &str, Check); 7] = [
            ("GET /__test__/echo as the reader, tool:read", "200", ok),
            ("POST /__test__/echo as the reader, tool:write", "403 insufficient_scope", scope),
            ("POST /__test__/echo as the writer, tool:write", "200, the body echoed", echoed),
            ("GET /protected as the reader", "200", ok),
            ("POST /writer-only as the reader", "403 insufficient_scope", scope),
            ("POST /writer-only as the writer", "200", ok),
            ("GET /nothing-here as the reader", "403 access_denied", denied),
        ];
        for (name, expected, check) in rows {
            self.send("8", name, expected, demo, check).await;
        }
    }

    /// §9: the proxy, and who it says is calling.
    async fn proxy(&mut self, path: &str) {
        if path == "none" {
            return;
        }
        for case in self.cases.iter_mut().filter(|case| case.path.starts_with(PROXY)) {
            case.name = case.name.replacen(PROXY, path, 1);
            case.path = case.path.replacen(PROXY, path, 1);
            if case.token == Token::Reader {
                case.headers = vec![("x-user-id".to_owned(), IMPOSTOR.to_owned())];
            }
        }
        let refused: Check = |got| is(got, 401, "unauthorized");
        self.send("9", &format!("GET {path}"), "401", true, refused).await;
        let name = format!("GET {path}?foo=bar as the reader");
        let expected = "200, the reader's identity and no other, no token";
        let got = match self.ask(&name).await {
            Ok(got) => got,
            Err(why) => return self.skip("9", &name, expected, why),
        };
        let off = matches!(&got, Ok(got) if got.error() == "access_denied")
            .then(|| "no route has this path: see --proxy-path".to_owned());
        let subject = self.reader.and_then(subject);
        let check = |got: &Reply| is(got, 200, "").and_then(|()| identity_of(got, subject.as_deref()));
        self.row("9", &name, expected, got, check, off);
    }

    /// §10: the limit, which costs the reader's user what is left of its window.
    async fn limit(&mut self, limit: Option<u32>, demo: bool) {
        let expected = "429 with Retry-After";
        let Some(most) = limit else {
            return self.skip("10", "the limit", expected, "no --limit N: it spends the user's requests");
        };
        let name = format!("GET /protected/ping as the reader, at most {most} times");
        let Some(reader) = self.reader.filter(|_| demo) else {
            return self.skip("10", &name, expected, if demo { NO_READER } else { NO_DEMO });
        };
        for sent in 1..=most {
            match self.get("/protected/ping", Some(reader)).await {
                Ok(got) if got.status == 200 => {}
                got => {
                    let check = |got: &Reply| {
                        is(got, 429, "rate_limited").and(said(got.retry_after, "no Retry-After"))
                    };
                    return self.row("10", &format!("{name} (request {sent})"), expected, got, check, None);
                }
            }
        }
        let row = row("10", &name, expected, format!("200, {most} times"), Outcome::Bad);
        self.rows.push(row);
    }

    async fn get(&self, path: &str, token: Option<&str>) -> Result<Reply, String> {
        let request = Request { method: &Method::GET, path, token, headers: Vec::new(), body: None };
        Reply::by(self.client, &request).await
    }

    /// Sends the case of this name; or says why it can't be.
    async fn ask(&self, name: &str) -> Result<Result<Reply, String>, &'static str> {
        let Some(case) = self.cases.iter().find(|case| case.name == name) else {
            return Ok(Err("no such case".to_owned()));
        };
        let token = match case.token {
            Token::Nobody => None,
            Token::Reader => Some(self.reader.ok_or(NO_READER)?),
            Token::Writer => Some(self.writer.ok_or(NO_WRITER)?),
        };
        Ok(Reply::by(self.client, &case.request(token)).await)
    }

    async fn send(&mut self, section: &'static str, name: &str, expected: &str, on: bool, check: Check) {
        let got = if on { self.ask(name).await } else { Err(NO_DEMO) };
        let got = match got {
            Ok(got) => got,
            Err(why) => return self.skip(section, name, expected, why),
        };
        let no_echo =
            name.contains(" /__test__/echo ") && matches!(&got, Ok(got) if got.error() == "access_denied");
        let skipped = no_echo.then(|| "ENABLE_TEST_ROUTES isn't true".to_owned());
        self.row(section, name, expected, got, check, skipped);
    }

    fn row(
        &mut self,
        section: &'static str,
        name: &str,
        expected: &str,
        got: Result<Reply, String>,
        check: impl Fn(&Reply) -> Result<(), String>,
        skipped: Option<String>,
    ) {
        let (text, outcome) = match (got, skipped) {
            (Ok(got), Some(why)) => (summary(&got), Outcome::Skipped(why)),
            (Ok(got), None) => match check(&got) {
                Ok(()) => (summary(&got), Outcome::Good),
                Err(wrong) => (format!("{} {wrong}", summary(&got)).trim_end().to_owned(), Outcome::Bad),
            },
            (Err(why), _) => (why, Outcome::Bad),
        };
        self.rows.push(row(section, name, expected, text, outcome));
    }

    fn skip(&mut self, section: &'static str, name: &str, expected: &str, why: &str) {
        self.rows.push(row(section, name, expected, "-".to_owned(), Outcome::Skipped(why.to_owned())));
    }
}

fn row(section: &'static str, name: &str, expected: &str, got: String, outcome: Outcome) -> Row {
    Row { section, name: name.to_owned(), expected: expected.to_owned(), got, outcome }
}

/// Status and error code. An error of another server behind the gateway could be anything: only codes are
/// shown.
fn summary(got: &Reply) -> String {
    let error = got.error();
    let is_code = error.len() <= 64 && error.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if error.is_empty() || !is_code { got.status.to_string() } else { format!("{} {error}", got.status) }
}

fn is(got: &Reply, status: u16, error: &str) -> Result<(), String> {
    said(got.status == status && (error.is_empty() || got.error() == error), "")
}

fn said(good: bool, wrong: &str) -> Result<(), String> {
    if good { Ok(()) } else { Err(wrong.to_owned()) }
}

/// A 401 of the filter where no route is: the group is off.
fn absent(got: &Result<Reply, String>) -> bool {
    matches!(got, Ok(got) if got.status == 401 && got.error() == "unauthorized")
}

fn challenged(got: &Reply) -> Result<(), String> {
    said(
        got.challenge.starts_with("Bearer ") && got.challenge.contains("resource_metadata=\""),
        "no resource_metadata in the challenge",
    )
}

fn document(body: &Value) -> Result<(), String> {
    let list = |name: &str| body.get(name).and_then(Value::as_array).is_some_and(|l| !l.is_empty());
    let resource = body.get("resource").is_some_and(Value::is_string);
    said(
        resource && list("authorization_servers") && list("scopes_supported"),
        "a member of the document is missing",
    )
}

/// What `/health/auth0` says against itself.
fn auth0_faults(body: &Value) -> String {
    let bad = ["jwksReachable", "managementTokenOk"]
        .iter()
        .filter(|name| body.get(**name) == Some(&Value::Bool(false)));
    bad.map(|name| format!("{name}: false")).collect::<Vec<_>>().join(", ")
}

/// The token's `sub`, as the identity header has it.
fn subject(token: &str) -> Option<String> {
    let payload = jwt::decode(token).ok()?.payload;
    let claims = json::parse(&payload, 32).ok()?;
    claims.get("sub").and_then(Value::as_str).map(identity::header_value)
}

/// Where the backend echoes headers (as echo servers do): the user in one of them, the impostor and the token
/// in none.
fn identity_of(got: &Reply, subject: Option<&str>) -> Result<(), String> {
    let Some(headers) = got.body.get("headers").and_then(Value::as_object) else { return Ok(()) };
    let has = |wanted: &str| {
        let same = |value: &Value| value.as_str() == Some(wanted);
        headers
            .values()
            .any(|value| same(value) || value.as_array().is_some_and(|list| list.iter().any(same)))
    };
    said(!has(IMPOSTOR), "the client's own X-User-Id came through")?;
    said(!headers.keys().any(|name| name.eq_ignore_ascii_case("authorization")), "the token came through")?;
    said(subject.is_none_or(has), "no header names the reader")
}
