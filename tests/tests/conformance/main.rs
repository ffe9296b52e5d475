//! The official conformance suite (`@modelcontextprotocol/conformance`) in every era that it knows: once
//! against a server made with the official SDK, once against the same server behind the gateway. What the
//! server does right must be right behind the gateway.
//!
//! `cargo xtask test --all` runs it, and makes the tables in `docs/mcp-support.md` of what it wrote down.

mod suite;
mod authorization;

use gatewaystack_tests::node::{self, Scripts};
use gatewaystack_tests::{Gateway, Hop, TestIssuer, client, gateway, support, token};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::process::Stdio;
use suite::{Checks, Verdict};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

const ERAS: [&str; 4] = ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

/// What fails, and why that is as it should be: era, who, scenario and check.
const EXPECTED_FAILURES: &str = include_str!("expected-failures.json");

/// The server of `tests/node/conformance`.
struct Server {
    url: String,
    _process: Child,
    _scripts: Scripts,
}

impl Server {
    /// With `open` it looks at no Host and no Origin.
    async fn start(open: bool) -> Self {
        let scripts = Scripts::of("conformance");
        let mut command = scripts.command(node::newer());
        command.arg("server.mjs").args(open.then_some("open")).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let url = lines.next_line().await.unwrap().expect("the server says where it is");
        Self { url, _process: process, _scripts: scripts }
    }

    fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap()
    }

    /// The names of its tools.
    async fn tools(&self) -> Vec<String> {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}});
        let headers = [
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/list"),
        ];
        let answer = client::post_json(self.address(), "/mcp", &headers, &body.to_string()).await;
        let tools =
            answer.json()["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// The gateway in front of the server, and the hop that has the token. Clients know them by the hop's
/// address.
struct Behind {
    url: String,
    _hop: Hop,
    _gateway: Gateway,
    _issuer: TestIssuer,
}

impl Behind {
    async fn start(server: &Server, held: bool) -> Self {
        let issuer = TestIssuer::start().await;
        let rules: Map<String, Value> =
            server.tools().await.into_iter().map(|tool| (tool, json!(["tool:read"]))).collect();
        assert!(!rules.is_empty());
        let policy = json!({
            "routes": [{"path": "/mcp", "mcp": {
                "tools": rules, "prompts": {"unlisted": "allow"}, "resources": {"unlisted": "allow"}
            }}],
            "rate_limits": [{"by": "user", "max": 1_000_000, "window": "60s"}],
        });
        let port = gatewaystack_tests::free_port();
        let public = format!("http://127.0.0.1:{port}");
        let builder = gateway().policy(policy).issuer(&issuer).env("PUBLIC_URL", &public);
        let builder = builder.upstream(&format!("http://{}", server.address()));
        let builder = if held { builder } else { builder.without_held_headers() };
        let gateway = builder.start().await;
        let bearer = format!("Bearer {}", token().scope("tool:read").mint(&issuer));
        let hop = Hop::start(port, gateway.address(), ("authorization", &bearer)).await;
        Self { url: format!("{public}/mcp"), _hop: hop, _gateway: gateway, _issuer: issuer }
    }
}

/// What the file says of `who`: by era, scenario and check, the reason.
fn expected(era: &str, who: &str) -> BTreeMap<(String, String), String> {
    let all: Vec<[String; 5]> = serde_json::from_str(EXPECTED_FAILURES).unwrap();
    let ours = all.into_iter().filter(|line| line[0] == era && line[1] == who);
    ours.map(|[_, _, scenario, check, reason]| ((scenario, check), reason)).collect()
}

/// Every check that isn't a success stands in the file, and every line of the file is one.
fn hold_to_file(era: &str, who: &str, checks: &Checks) {
    let failed: Vec<_> =
        checks.iter().filter(|(_, seen)| seen.verdict != Verdict::Success).map(|(name, _)| name).collect();
    let expected = expected(era, who);
    assert_eq!(failed, expected.keys().collect::<Vec<_>>(), "{era} {who}: {checks:#?}");
}

/// Identical, or better, except for what is in the file. A check that only fails (`…-jsonrpc-id`) isn't
/// there when it is good.
fn hold_to_server(era: &str, who: &str, direct: &Checks, behind: &Checks) {
    let expected = expected(era, who);
    for (name, seen) in direct.iter().filter(|(name, _)| !expected.contains_key(name)) {
        let now = behind.get(name).unwrap_or_else(|| panic!("{era} {who} hides {name:?}"));
        assert!(now.verdict <= seen.verdict, "{era} {who} {name:?}: {} became {}", seen.said, now.said);
    }
}

async fn compares(open: bool, held: bool) {
    let server = Server::start(open).await;
    let behind = Behind::start(&server, held).await;
    let who = match (open, held) {
        (true, _) => ["server that checks no origin", "gateway before a server that checks no origin"],
        (false, true) => ["server", "gateway"],
        (false, false) => ["server", "gateway that can't hold headers"],
    };
    let mut eras = Map::new();
    for era in ERAS {
        let (direct, through) = (suite::run(&server.url, era).await, suite::run(&behind.url, era).await);
        hold_to_file(era, who[0], &direct);
        hold_to_file(era, who[1], &through);
        hold_to_server(era, who[1], &direct, &through);
        eras.insert(era.to_owned(), json!([suite::counts(&direct), suite::counts(&through)]));
    }
    support::write(
        &format!("conformance-{}", who[1].replace([' ', '\''], "-")),
        &json!({"who": who, "eras": eras}),
    );
}

#[tokio::test]
#[ignore = "the official suite: cargo xtask test --all fetches it"]
async fn what_the_server_does_right_is_right_behind_the_gateway() {
    compares(false, true).await;
}

#[tokio::test]
#[ignore = "the official suite: cargo xtask test --all fetches it"]
async fn what_the_server_does_right_is_right_where_headers_cannot_be_held() {
    compares(false, false).await;
}

#[tokio::test]
#[ignore = "the official suite: cargo xtask test --all fetches it"]
async fn what_a_careless_server_does_wrong_the_gateway_mends() {
    compares(true, true).await;
}
