//! The examples of the original's README, in its order: what it says, what we answer, and the reason for each
//! deviation.

use anyhow::Result;

use super::walk::{
    Caller::{Reader, Stranger},
    Walk,
};

/// One example.
pub struct Case {
    pub section: &'static str,
    /// What to type, without what every line would repeat.
    pub example: &'static str,
    pub original: &'static str,
    /// What `ask` gives; without ports, times and tokens.
    pub expected: &'static str,
    /// Why `expected` isn't what the original says. None: it is.
    pub reason: Option<&'static str>,
    pub ask: fn(&Walk) -> Result<String>,
}

pub const CASES: &[Case] = &[
    Case {
        section: "Demos",
        example: "npm run demo:mcp",
        original: "issuer, metadata and JWKS on :5051, the gateway on :8080, the MCP server on :5051/mcp/",
        expected: r#"200 {"result/serverInfo/name":"gatewaystack-demo-notes"}"#,
        reason: Some(
            "`cargo xtask demo mcp`; the client speaks to the gateway's `/mcp`, where the metadata is, too: a client takes it from the resource's own host (RFC 9728 §3).",
        ),
        ask: |walk| walk.told(&walk.rpc("POST /mcp initialize")?, &["result/serverInfo/name"]),
    },
    Case {
        section: "Demos",
        example: "curl /mcp # tools/call add_note without a token",
        original: "expected 200/403/401 outcomes",
        expected: r#"401 Bearer realm="mcp", scope="tool:write", resource_metadata="http://localhost:8080/.well-known/oauth-protected-resource/mcp""#,
        reason: None,
        ask: |walk| Ok(walk.challenged(&walk.rpc("POST /mcp add_note")?)),
    },
    Case {
        section: "Demos",
        example: "curl -H \"Authorization: Bearer $READER\" /mcp # tools/call add_note",
        original: "expected 200/403/401 outcomes",
        expected: r#"403 {"error/data/error":"insufficient_scope","error/data/needed":["tool:write"]}"#,
        reason: None,
        ask: |walk| {
            let response = walk.rpc("POST /mcp add_note as the reader")?;
            walk.told(&response, &["error/data/error", "error/data/needed"])
        },
    },
    Case {
        section: "Demos",
        example: "curl -H \"Authorization: Bearer $WRITER\" /mcp # tools/call add_note",
        original: "expected 200/403/401 outcomes",
        expected: r#"200 {"result/content/0/text":"Noted. writer has 1 notes now."}"#,
        reason: None,
        ask: |walk| walk.told(&walk.rpc("POST /mcp add_note as the writer")?, &["result/content/0/text"]),
    },
    Case {
        section: "Demos",
        example: "npm run demo:apps",
        original: "issuer, metadata and JWKS on :5051, the gateway on :8080, the Apps SDK connector on :5052/apps/",
        expected: r#"200 {"result/tools/0/name":"whoami","result/tools/0/securitySchemes":[{"scopes":[],"type":"oauth2"}]}"#,
        reason: Some(
            "`cargo xtask demo apps`; ChatGPT speaks to the gateway's `/apps`, which writes into the list what each tool needs.",
        ),
        ask: |walk| {
            let members = ["result/tools/0/name", "result/tools/0/securitySchemes"];
            walk.told(&walk.rpc("POST /apps tools/list")?, &members)
        },
    },
    Case {
        section: "Demos",
        example: "curl -H \"Authorization: Bearer $READER\" /apps # tools/call add_note",
        original: "verify read/write behavior with scopes",
        expected: r#"200 {"result/isError":true,"result/_meta/mcp~1www_authenticate":["Bearer realm=\"mcp\", error=\"insufficient_scope\", error_description=\"Request a token with the scope: tool:write\", scope=\"tool:write\", resource_metadata=\"http://localhost:8080/.well-known/oauth-protected-resource/apps\""]}"#,
        reason: Some("ChatGPT opens its sign-in by what is in the tool's result."),
        ask: |walk| {
            let response = walk.rpc("POST /apps add_note as the reader")?;
            walk.told(&response, &["result/isError", "result/_meta/mcp~1www_authenticate"])
        },
    },
    Case {
        section: "7",
        example: "curl -s /health",
        original: "`{ ok: true, ... }`",
        expected: r#"200 {"ok":true,"mode":"demo","version":"dev"}"#,
        reason: None,
        ask: |walk| walk.told(&walk.named("GET /health")?, &["ok", "mode", "version"]),
    },
    Case {
        section: "7",
        example: "curl -s /health/auth0",
        original: "issuer and audience OK, JWKS reachable",
        expected: r#"200 {"issuer":"http://127.0.0.1:5051","audience":"https://gateway.local/api","jwksReachable":true}"#,
        reason: None,
        ask: |walk| walk.told(&walk.named("GET /health/auth0")?, &["issuer", "audience", "jwksReachable"]),
    },
    Case {
        section: "7",
        example: "curl -i /.well-known/oauth-protected-resource",
        original: "401 and a `WWW-Authenticate` that points to this URL",
        expected: r#"200 {"resource":"https://gateway.local/api"}"#,
        reason: Some(
            "The metadata is public (RFC 9728 §3): a client reads it before it has a token. `PRM_REQUIRE_TOKEN=true` gives the original's 401, as the next row shows.",
        ),
        ask: |walk| walk.told(&walk.named("GET /.well-known/oauth-protected-resource")?, &["resource"]),
    },
    Case {
        section: "7",
        example: "curl -i /.well-known/oauth-protected-resource # PRM_REQUIRE_TOKEN=true, CHALLENGE_SCOPE=all",
        original: "401 and a `WWW-Authenticate` that points to this URL",
        expected: r#"401 Bearer realm="mcp", scope="email openid profile tool:admin tool:read tool:write", resource_metadata="http://localhost:8080/.well-known/oauth-protected-resource""#,
        reason: Some(
            "The status and the URL are the original's; `all` names every advertised scope, those of `OAUTH_SCOPES`, too.",
        ),
        ask: |walk| Ok(walk.challenged(&walk.named_as_original("GET /.well-known/oauth-protected-resource")?)),
    },
    Case {
        section: "7",
        example: "curl -i -H \"Authorization: Bearer $READER\" /.well-known/oauth-protected-resource",
        original: "200 with `authorization_servers`, `scopes_supported` (openid, email, profile, tool:read, tool:write) and `resource`",
        expected: r#"200 {"authorization_servers":["http://127.0.0.1:5051"],"scopes_supported":["email","openid","profile","tool:read","tool:write"],"resource":"https://gateway.local/api"}"#,
        reason: Some(
            "The same members and scopes, sorted, and `bearer_methods_supported` besides (RFC 9728 §2).",
        ),
        ask: |walk| {
            walk.told(
                &walk.named("GET /.well-known/oauth-protected-resource as the reader")?,
                &["authorization_servers", "scopes_supported", "resource"],
            )
        },
    },
    Case {
        section: "7",
        example: "curl -s /.well-known/oauth-protected-resource # TOOL_SCOPES=tool:admin,tool:read,tool:write",
        original: "a new tool scope is exposed in `scopes_supported`",
        expected: r#"200 {"scopes_supported":["email","openid","profile","tool:admin","tool:read","tool:write"]}"#,
        reason: None,
        ask: |walk| {
            walk.told(
                &walk.named_as_original("GET /.well-known/oauth-protected-resource as the writer")?,
                &["scopes_supported"],
            )
        },
    },
    Case {
        section: "7",
        example: "curl -i /protected # TOOL_SCOPES=tool:read,tool:write",
        original: "every tool scope is in the challenge's `scope=`",
        expected: r#"401 Bearer realm="mcp", scope="tool:read", resource_metadata="http://localhost:8080/.well-known/oauth-protected-resource""#,
        reason: Some(
            "A challenge names the smallest set that this request needs, so that a client asks its user for no more. `CHALLENGE_SCOPE=all` gives the original's, as the row of `PRM_REQUIRE_TOKEN=true` shows.",
        ),
        ask: |walk| Ok(walk.challenged(&walk.named("GET /protected")?)),
    },
    Case {
        section: "8",
        example: "curl -i -H \"Authorization: Bearer $READER\" -H \"X-Required-Scope: tool:read\" /__test__/echo",
        original: "200",
        expected: r#"200 {"ok":true,"method":"GET"}"#,
        reason: None,
        ask: |walk| walk.told(&walk.named("GET /__test__/echo as the reader, tool:read")?, &["ok", "method"]),
    },
    Case {
        section: "8",
        example: "curl -i -X POST -H \"Authorization: Bearer $READER\" -H \"X-Required-Scope: tool:write\" /__test__/echo",
        original: "403",
        expected: r#"403 {"error":"insufficient_scope"}"#,
        reason: None,
        ask: |walk| walk.told(&walk.named("POST /__test__/echo as the reader, tool:write")?, &["error"]),
    },
    Case {
        section: "8",
        example: "curl -i -X POST -H \"Authorization: Bearer $WRITER\" -H \"Content-Type: application/json\" -H \"X-Required-Scope: tool:write\" --data '{\"msg\":\"hello\"}' /__test__/echo",
        original: "200 and the body echoed",
        expected: r#"200 {"ok":true,"body":{"msg":"hello"}}"#,
        reason: None,
        ask: |walk| walk.told(&walk.named("POST /__test__/echo as the writer, tool:write")?, &["ok", "body"]),
    },
    Case {
        section: "9",
        example: "curl -i /proxy/echo",
        original: "401, the backend never sees the request (the original's example has port 8787, its gateway listens on 8080)",
        expected: r#"401 {"error":"unauthorized"}"#,
        reason: None,
        ask: |walk| walk.told(&walk.named("GET /proxy/echo")?, &["error"]),
    },
    Case {
        section: "9",
        example: "curl -s -H \"Authorization: Bearer $READER\" /proxy/echo?foo=bar",
        original: "200; `headers[\"x-user-id\"]` and `query.userId` are the token's `sub`, `foo=bar` is intact",
        expected: r#"200 {"headers/x-user-id":"reader","query/userId":"reader","query/foo":"bar"}"#,
        reason: None,
        ask: |walk| {
            let response = walk.named("GET /proxy/echo?foo=bar as the reader")?;
            walk.told(&response, &["headers/x-user-id", "query/userId", "query/foo"])
        },
    },
    Case {
        section: "9",
        example: "curl -s -H \"Authorization: Bearer $READER\" -H \"X-User-Id: admin\" /proxy/echo?userId=admin",
        original: "(not said)",
        expected: r#"200 {"headers/x-user-id":"reader","query/userId":"reader","headers/authorization":null}"#,
        reason: Some(
            "Identity that a client sends is taken out on every route, and the token stays at the gateway.",
        ),
        ask: |walk| {
            let response = walk.named("GET /proxy/echo?userId=admin as the reader, X-User-Id of another")?;
            walk.told(&response, &["headers/x-user-id", "query/userId", "headers/authorization"])
        },
    },
    Case {
        section: "10",
        example: "for i in {1..20}; do curl … -H \"Authorization: Bearer $READER\" /protected/ping & done # RATE_LIMIT_MAX=5",
        original: "429 once `RATE_LIMIT_MAX` per window is exceeded",
        expected: "5 × 200, 15 × 429",
        reason: None,
        ask: |walk| walk.at_once(20, "/protected/ping", Reader),
    },
    Case {
        section: "MCP 1",
        example: "curl -i /protected",
        original: "401, `Bearer realm=\"mcp\", resource_metadata=\"…\"`",
        expected: r#"401 Bearer realm="mcp", scope="tool:read", resource_metadata="http://localhost:8080/.well-known/oauth-protected-resource""#,
        reason: Some(
            "`scope` is added, so that a client knows what to ask for (RFC 6750 §3; the MCP specification wants it).",
        ),
        ask: |walk| Ok(walk.challenged(&walk.named("GET /protected")?)),
    },
    Case {
        section: "MCP 1",
        example: "curl -s /protected",
        original: "`{\"error\":\"unauthorized\",\"error_description\":\"Access token required\"}`",
        expected: r#"401 {"error":"unauthorized","error_description":"Access token required"}"#,
        reason: Some("`request_id` is added, which the log has, too."),
        ask: |walk| walk.told(&walk.named("GET /protected")?, &["error", "error_description"]),
    },
    Case {
        section: "MCP 2",
        example: "curl -s /.well-known/oauth-protected-resource # RESOURCE_URL=https://gateway.local/mcp",
        original: "`resource` is the gateway's MCP URL, with `authorization_servers` and `scopes_supported`",
        expected: r#"200 {"resource":"https://gateway.local/mcp","authorization_servers":["http://127.0.0.1:5051"]}"#,
        reason: None,
        ask: |walk| {
            walk.told(
                &walk.named_as_original("GET /.well-known/oauth-protected-resource as the writer")?,
                &["resource", "authorization_servers"],
            )
        },
    },
    Case {
        section: "MCP 2",
        example: "curl -s /.well-known/oauth-protected-resource/mcp # cargo xtask demo",
        original: "(not said)",
        expected: r#"200 {"resource":"http://localhost:8080/mcp","scopes_supported":["admin","email","openid","owner","profile","tool:read","tool:write"]}"#,
        reason: Some(
            "Each MCP route has a document of its own at the path-inserted address (RFC 9728 §3.1), where clients look first.",
        ),
        ask: |walk| {
            let response = walk.named_of_demo("GET /.well-known/oauth-protected-resource/mcp")?;
            walk.told(&response, &["resource", "scopes_supported"])
        },
    },
    Case {
        section: "MCP 3",
        example: "curl -i -H \"Authorization: Bearer $READER\" /v1/tools/list",
        original: "`tool:read` allows `GET /v1/tools/*`",
        expected: r#"200 {"method":"GET","path":"/v1/tools/list"}"#,
        reason: None,
        ask: |walk| walk.told(&walk.named("GET /v1/tools/list as the reader")?, &["method", "path"]),
    },
    Case {
        section: "MCP 3",
        example: "curl -i -X POST -H \"Authorization: Bearer $READER\" /v1/tools/list",
        original: "403 Forbidden: the scope is missing",
        expected: r#"403 {"error":"insufficient_scope","needed":["tool:write"],"have":["tool:read"]}"#,
        reason: None,
        ask: |walk| {
            walk.told(&walk.named("POST /v1/tools/list as the reader")?, &["error", "needed", "have"])
        },
    },
    Case {
        section: "MCP 3",
        example: "curl -i -X POST -H \"Authorization: Bearer $WRITER\" /v1/tools/list",
        original: "`tool:write` allows `POST /v1/tools/*`",
        expected: r#"200 {"method":"POST","path":"/v1/tools/list"}"#,
        reason: None,
        ask: |walk| walk.told(&walk.named("POST /v1/tools/list as the writer")?, &["method", "path"]),
    },
    Case {
        section: "MCP 3",
        example: "curl -i -H \"Authorization: Bearer $WRITER\" /v1/other",
        original: "deny by default",
        expected: r#"403 {"error":"access_denied"}"#,
        reason: None,
        ask: |walk| walk.told(&walk.named("GET /v1/other as the writer")?, &["error"]),
    },
    Case {
        section: "MCP 5",
        example: "curl -i /protected",
        original: "401 with `WWW-Authenticate` and the metadata's URL",
        expected: r#"401 Bearer realm="mcp", scope="tool:read", resource_metadata="http://localhost:8080/.well-known/oauth-protected-resource""#,
        reason: None,
        ask: |walk| Ok(walk.challenged(&walk.named("GET /protected")?)),
    },
    Case {
        section: "MCP 5",
        example: "curl -i -H \"Authorization: Bearer $READER\" /protected",
        original: "200 OK if `scope=tool:read`",
        expected: r#"200 {"ok":true}"#,
        reason: None,
        ask: |walk| walk.told(&walk.named("GET /protected as the reader")?, &["ok"]),
    },
    Case {
        section: "MCP 5",
        example: "curl -i -H \"Authorization: Bearer $TOKEN\" /protected # a good token without the scope",
        original: "(200 only with the scope)",
        expected: r#"403 {"error":"insufficient_scope"}"#,
        reason: None,
        ask: |walk| walk.told(&walk.get("/protected", Stranger)?, &["error"]),
    },
    Case {
        section: "MCP 5",
        example: "curl -i -H \"Authorization: Bearer $READER\" /writer-only",
        original: "403 Forbidden",
        expected: r#"403 {"error":"insufficient_scope"}"#,
        reason: None,
        ask: |walk| walk.told(&walk.named("GET /writer-only as the reader")?, &["error"]),
    },
];
