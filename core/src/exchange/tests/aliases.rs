//! Two paths to one server: what a prefix that is stripped reaches is judged by the rules of what it reaches.

use crate::testing::{gate, token};
use serde_json::{Value, json};

fn stage(case: &str) -> Value {
    json!({
        "upstreams": { "default": "http://127.0.0.1:3333", "mcp": "http://localhost:3333", "other": "http://127.0.0.1:4444" },
        "case": case,
        "routes": [
            { "path": "/elsewhere", "upstream": "other", "scopes": ["admin"] },
            { "path": "/proxy/*", "strip_prefix": "/proxy", "aliases": "strict" },
            { "path": "/mcp", "upstream": "mcp", "mcp": { "tools": { "whoami": [] } } },
            { "path": "/v1/tools/*", "methods": ["GET"], "scopes": ["tool:read"] },
            { "path": "/v1/tools/*", "methods": ["POST"], "scopes": ["tool:write"] },
            { "path": "/v1/users/*/notes", "hosts": ["a.example"], "scopes": ["admin"] },
            { "path": "/open", "access": "public" },
            { "path": "/v2/notes/*", "strip_prefix": "/v2", "scopes": ["notes"], "aliases": "allowed" },
        ],
        "rate_limits": [],
    })
}

#[test]
fn a_stripped_prefix_is_no_way_around_other_rules() {
    let mut gate = gate(stage("insensitive"));
    let token = |scopes: &str| format!("Bearer {}", token().scope(scopes).mint());
    let (nobody, reader, writer) = (token(""), token("tool:read"), token("tool:write"));
    for (method, path, token, status) in [
        ("GET", "/proxy/v1/tools/x", &nobody, 403),
        ("GET", "/proxy/v1/tools/x", &reader, 200),
        ("HEAD", "/proxy/v1/tools/x", &reader, 200),
        ("POST", "/proxy/v1/tools/x", &reader, 403),
        ("POST", "/proxy/v1/tools/x", &writer, 200),
        ("POST", "/proxy/v1/tools/x/", &reader, 403),
        ("POST", "/proxy/v1/%74ools/x", &reader, 403),
        ("DELETE", "/proxy/v1/tools/x", &writer, 403),
        ("PURGE", "/proxy/v1/tools/x/y", &writer, 403),
        ("POST", "/proxy/V1/tools/x", &reader, 403),
        ("POST", "/proxy/v1/TOOLS/x", &writer, 403),
        ("GET", "/proxy/MCP", &reader, 403),
        ("PUT", "/proxy/mcp", &reader, 405),
        ("POST", "/proxy/mcp/x", &reader, 403),
        ("GET", "/proxy/mcp/x/y", &reader, 403),
        ("POST", "/proxy/MCP/x", &reader, 403),
        ("GET", "/proxy/v1/users/1/notes", &reader, 403),
        ("GET", "/proxy/notes/1", &reader, 403),
        ("GET", "/proxy/V1/users/1/notes", &reader, 403),
        // What no other route protects is the proxy's, and so is what lies elsewhere.
        ("GET", "/proxy/v1/tools", &nobody, 200),
        ("DELETE", "/proxy/v1/toolsX/x", &nobody, 200),
        ("GET", "/proxy/proxy/v1/tools/x", &nobody, 200),
        ("GET", "/proxy/elsewhere", &nobody, 200),
        ("GET", "/proxy/open", &nobody, 200),
    ] {
        let got = gate.send(method, path, &[("authorization", token)]);
        assert_eq!(got.status(), status, "{method} {path} {got:?}");
    }
    assert_eq!(gate.send("GET", "/proxy/x", &[]).status(), 401);
}

#[test]
fn an_mcp_server_behind_the_proxy_is_judged_by_its_tools() {
    let mut gate = gate(stage("insensitive"));
    let token = format!("Bearer {}", token().scope("tool:read").mint());
    let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
    for (tool, status) in [("whoami", 200), ("purge", 403)] {
        let body =
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool}}).to_string();
        for path in ["/mcp", "/proxy/mcp", "/proxy/mcp/", "/proxy/m%63p"] {
            let got = gate.send_with_body("POST", path, &headers, Some(body.as_bytes()));
            assert_eq!(got.status(), status, "{path} {tool} {got:?}");
        }
    }
}

#[test]
fn in_a_shadow_file_no_case_goes_around_an_enforced_route() {
    let mut gate = gate(json!({
        "mode": "shadow",
        "upstreams": { "default": "http://127.0.0.1:3333" },
        "routes": [
            { "path": "/v1/secret", "mode": "enforce", "scopes": ["admin"] },
            { "path": "/v1/open" },
            { "path": "/Other/*" },
            { "path": "/other/*" },
            { "path": "/proxy/*", "strip_prefix": "/proxy", "aliases": "strict" },
        ],
    }));
    let token = format!("Bearer {}", token().mint());
    for (path, status) in [
        ("/proxy/v1/secret", 403),
        ("/proxy/V1/secret", 403),
        ("/proxy/v1/Secret/", 403),
        ("/V1/secret", 403),
        ("/proxy/v1/other", 200),
        // What leads elsewhere, and could be one of two that are watched, is watched.
        ("/proxy/V1/open", 200),
        ("/other/V1/secret", 200),
    ] {
        assert_eq!(gate.send("GET", path, &[("authorization", &token)]).status(), status, "{path}");
    }
}

#[test]
fn where_servers_tell_case_apart_another_case_is_another_path() {
    let mut gate = gate(stage("sensitive"));
    let token = format!("Bearer {}", token().mint());
    assert_eq!(gate.send("POST", "/proxy/V1/tools/x", &[("authorization", &token)]).status(), 200);
    assert_eq!(gate.send("POST", "/proxy/v1/tools/x", &[("authorization", &token)]).status(), 403);
}

#[test]
fn a_prefix_of_several_segments_is_no_way_around_other_rules_either() {
    let mut gate = gate(json!({
        "upstreams": { "default": "http://127.0.0.1:3333" },
        "routes": [
            { "path": "/api/proxy/*", "strip_prefix": "/api/proxy", "aliases": "strict" },
            { "path": "/v1/tools/*", "scopes": ["tool:write"] },
        ],
    }));
    let token = format!("Bearer {}", token().scope("tool:read").mint());
    for (path, status) in [
        ("/api/proxy/v1/tools/x", 403),
        ("/api/proxy/V1/tools/x", 403),
        ("/api/proxy/tools/x", 200),
        ("/api/proxy/proxy/v1/tools/x", 200),
    ] {
        assert_eq!(gate.send("GET", path, &[("authorization", &token)]).status(), status, "{path}");
    }
}
