//! In which headers a verified identity may travel.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn identity_travels_in_headers_of_its_own_alone() {
    let with = |name: &str| {
        let mut policy = good();
        policy["identity"] = json!({ "user_header": name });
        loaded(&policy).map(|policy| policy.identity.user_header)
    };
    for name in [
        "X-User-Id",
        "x-end-user",
        "X-Auth-Sub",
        "Acme-User",
        "acme-user-id",
        "Gateway-Principal",
        "X-Acme-Account",
        "user-id",
    ] {
        assert_eq!(with(name).unwrap(), name.to_ascii_lowercase());
    }
    for name in [
        "Origin",
        "Cookie",
        "Set-Cookie",
        "Accept",
        "Accept-Language",
        "Mcp-Method",
        "Mcp-Name",
        "Mcp-Session-Id",
        "MCP-Protocol-Version",
        "Access-Control-Request-Method",
        "Authorization",
        "Proxy-Authorization",
        "Host",
        "From",
        "Referer",
        "User-Agent",
        "user_agent",
        "User",
        "Last-Event-ID",
        "Sec-Fetch-Site",
        "Priority",
        "Traceparent",
        "Tracestate",
        "Baggage",
        "Forwarded",
        "Via",
        "Date",
        "Expect",
        "Signature",
        "DPoP",
        "Idempotency-Key",
        "Content-User",
        "X-",
        "X",
        "x_forwarded_user",
        "X-Forwarded-User",
        "X-Envoy-User",
        "X-Gatewaystack-User",
        "X-Real-IP",
        "X-Request-Id",
        "X-HTTP-Method-Override",
        "X-Original-URL",
        "X-Amzn-Oidc-Identity",
        "X-Goog-User",
        "X-Api-Key",
        "X-Required-Scope",
        "X-Admin-Secret",
        "grpc-timeout",
        "traceparent",
        ":path",
        "X-User Id",
        "",
    ] {
        assert_eq!(with(name).unwrap_err(), ["identity.user_header"], "{name}");
    }
}
