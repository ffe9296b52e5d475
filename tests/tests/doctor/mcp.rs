//! Calls on MCP routes: which rule decides, and which tools a token may call.

use super::{NOW, Row, ask, check, diagnose, expired, token};
use clap::Parser as _;
use gatewaystack::cli::Arguments;
use gatewaystack::doctor::examine;
use gatewaystack_core::config;
use gatewaystack_core::config::policy::Policy;
use gatewaystack_tests::*;
use serde_json::{Value, json};

fn policy_of(issuer: &TestIssuer, routes: &Value, hold_headers: bool) -> Policy {
    let policy = json!({
        "issuers": [{"issuer": issuer.url, "audiences": [AUDIENCE], "jwks_uri": format!("{}jwks", issuer.url)}],
        "hold_headers": hold_headers,
        "mode": "shadow",
        "routes": routes,
        "rate_limits": [{"by": "user", "max": 1, "window": "60s"}],
    });
    config::load(Some(policy.to_string().as_bytes()), None).unwrap()
}

fn notes() -> Value {
    json!({"path": "/mcp", "mcp": {
        "tools": {
            "whoami": [], "list_notes": ["tool:read"], "add_note": ["tool:read", "tool:write"],
            "purge": {"any_scope": ["admin", "owner"]}, "help": "public"
        },
        "resources": {"unlisted": "deny", "note://*": ["tool:read"]},
        "prompts": {"summary": ["tool:write"]},
        "lazy_auth": ["tools/list"],
        "challenge_mode": "meta",
    }})
}

#[tokio::test]
async fn a_call_is_judged_by_its_rule_as_the_filter_would() {
    let issuer = TestIssuer::start().await;
    let reader = token().mint(&issuer);
    let owner = token().scope("owner").mint(&issuer);
    let expired = expired().mint(&issuer);
    let lists = [
        "may call    help, list_notes, whoami",
        "may not     add_note (needs tool:write), purge (needs admin or owner), any other",
    ];
    let rows: [Row<'_, &str>; 14] = [
        (
            &reader,
            &["--tool", "list_notes"],
            None,
            &[
                "POST /mcp, route /mcp",
                "tools/call list_notes",
                "rule        tools.list_notes: tool:read",
                lists[0],
                lists[1],
            ],
        ),
        (
            &reader,
            &["--tool", "add_note", "--path", "/mcp"],
            Some("insufficient_scope"),
            &[
                "403 insufficient_scope",
                "lacks       tool:write",
                "tools.add_note: tool:read, tool:write",
                lists[1],
            ],
        ),
        (&reader, &["--tool", "purge"], Some("insufficient_scope"), &["tools.purge: admin or owner"]),
        (
            &owner,
            &["--tool", "purge"],
            None,
            &["may call    help, purge, whoami", "list_notes (needs tool:read)"],
        ),
        (
            &reader,
            &["--tool", "nosuch"],
            Some("unlisted"),
            &["tools.unlisted: deny", "the tools, prompts or resources"],
        ),
        (&reader, &["--tool", "help"], None, &["tools.help: public"]),
        (&expired, &["--tool", "help"], Some("token_expired"), &["401 invalid_token"]),
        (
            &reader,
            &["--prompt", "summary"],
            Some("insufficient_scope"),
            &["prompts/get summary", "prompts.summary: tool:write"],
        ),
        (
            &reader,
            &["--prompt", "other"],
            Some("unlisted"),
            &["prompts.unlisted: deny", "the tools, prompts or resources"],
        ),
        (
            &reader,
            &["--resource", "note://7"],
            None,
            &["resources/read note://7", "resources.note://*: tool:read"],
        ),
        (&reader, &["--resource", "file:///7"], Some("unlisted"), &["resources.unlisted: deny"]),
        (
            &reader,
            &["--rpc", "tools/list"],
            None,
            &["lazy_auth: no token is needed", "allowed     authorized"],
        ),
        (&reader, &["--rpc", "logging/setLevel"], None, &["none of its own: a token is enough"]),
        (
            &reader,
            &["--path", "/mcp"],
            None,
            &["GET /mcp, route /mcp", "allowed     authorized", lists[0], lists[1]],
        ),
    ];
    for hold_headers in [true, false] {
        let policy = policy_of(&issuer, &json!([notes()]), hold_headers);
        for (token, args, reason, says) in &rows {
            check(&policy, token, args, *reason, says).await;
        }
    }
}

#[tokio::test]
async fn what_a_route_asks_of_each_token_counts_for_its_tools() {
    let issuer = TestIssuer::start().await;
    let reader = token().mint(&issuer);
    let machine = token().claim("gty", "client-credentials").mint(&issuer);
    let permitted = token().claim("permissions", json!(["tool:write"])).mint(&issuer);
    let mut route = notes();
    let open = json!({"path": "/mcp", "scopes": ["base"], "mcp": {"tools": {"a": ["tool:write"], "b": []}, "unlisted": "allow"}});
    let policy = policy_of(&issuer, &json!([open]), true);
    check(
        &policy,
        &reader,
        &["--tool", "b"],
        Some("insufficient_scope"),
        &["may call    any\n", "may not     a (needs base, tool:write), b (needs base)\n"],
    )
    .await;
    check(
        &policy,
        &permitted,
        &["--tool", "a"],
        Some("insufficient_scope"),
        &["counts      tool:read (permissions don't"],
    )
    .await;
    route["users_only"] = json!(true);
    let policy = policy_of(&issuer, &json!([route]), true);
    check(
        &policy,
        &machine,
        &["--tool", "whoami"],
        Some("machine_not_allowed"),
        &["may call    nothing", "whoami (machine_not_allowed)"],
    )
    .await;
    // Whom the route doesn't take at all may call nothing: there is no list.
    let got = diagnose(&policy, &expired().mint(&issuer), &["--path", "/mcp"]).await;
    assert!(got.reason == Some("token_expired") && !got.text.contains("may call"), "{}", got.text);
    let got = diagnose(&policy, &reader, &["--offline", "--tool", "whoami"]).await;
    assert!(!got.allowed && got.text.contains("undecided") && !got.text.contains("may call"), "{}", got.text);
}

#[tokio::test]
async fn a_question_that_nothing_answers_says_what_to_ask() {
    let issuer = TestIssuer::start().await;
    let mut other = notes();
    other["path"] = json!("/apps");
    let plain = json!({"path": "/v1/tools/*"});
    let none = policy_of(&issuer, &json!([plain]), true);
    let one = policy_of(&issuer, &json!([plain, notes()]), true);
    let two = policy_of(&issuer, &json!([plain, notes(), other]), true);
    let rows: [(&Policy, &[&str], &str); 8] = [
        (
            &one,
            &["--tool", "a", "--path", "/v1/tools/x"],
            "--tool: /v1/tools/x is no MCP route of this policy; its MCP routes: /mcp",
        ),
        (
            &two,
            &["--prompt", "a", "--path", "/nothing"],
            "--prompt: /nothing is no MCP route of this policy; its MCP routes: /apps, /mcp",
        ),
        (
            &two,
            &["--resource", "a://b"],
            "--resource: say by --path which route it is for; its MCP routes: /apps, /mcp",
        ),
        (&none, &["--tool", "a"], "it has none: a route becomes one by its mcp rules"),
        (&none, &["--tool", "a", "--path", "/v1/tools/x"], "it has none"),
        (&one, &["--rpc", "tools/call"], "--rpc: tools/call names a tool, a prompt or a resource"),
        (&one, &["--rpc", "completion/complete"], "ask with --tool, --prompt or --resource"),
        (&one, &["--method", "POST", "--path", "/mcp"], "say it by --tool, --prompt, --resource or --rpc"),
    ];
    for (policy, args, says) in rows {
        let told = examine(policy, &ask("t", args), NOW * 1000).await.unwrap_err();
        assert!(told.contains(says), "{args:?}: {told}");
    }
    // Where there are more, a path says which.
    check(&two, &token().mint(&issuer), &["--tool", "whoami", "--path", "/apps"], None, &["route /apps"])
        .await;
    // What the core can't judge at all it says itself.
    check(&one, &token().mint(&issuer), &["--tool", "a", "--path", "/a//b"], Some("unsafe_path"), &[]).await;
}

#[test]
fn one_thing_is_called_at_a_time() {
    let parse = |args: &[&str]| {
        Arguments::try_parse_from(["gatewaystack", "doctor"].iter().chain(args).chain(&["-"])).is_ok()
    };
    assert!(
        parse(&["--tool", "a"]) && parse(&["--tool", "a", "--path", "/mcp"]) && parse(&["--method", "POST"])
    );
    assert!(!parse(&["--tool", "a", "--prompt", "b"]) && !parse(&["--rpc", "a", "--resource", "b"]));
    assert!(!parse(&["--tool", ""]) && !parse(&["--tool", "a", "--method", "POST"]));
}
