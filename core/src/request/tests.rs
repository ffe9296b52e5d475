//! Which headers must not travel on, in which spellings.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn identity_and_overrides_are_known_in_every_spelling_and_nothing_else_is() {
    let identity = Identity {
        user_header: "remote-user".into(),
        tenant_header: "x_org-id".into(),
        facts: Vec::new(),
        user_query: None,
    };
    let cases: &[(&str, bool)] = &[
        ("x-user-id", true),
        ("X-USER_id", true),
        ("x_user_id", true),
        ("x-tenant-id", true),
        ("x_tenant_id", true),
        ("remote-user", true),
        ("Remote_User", true),
        ("x-org-id", true),
        ("X_ORG_ID", true),
        ("x-http-method-override", true),
        ("x_http_method", true),
        ("X-Method-Override", true),
        ("x-original-url", true),
        ("x-rewrite_url", true),
        ("x-gatewaystack-", true),
        ("X_GatewayStack_Secret", true),
        ("x-gatewaystack", false),
        ("x-envoy-retry-on", true),
        ("X_Envoy_Upstream-RQ-Timeout-Ms", true),
        ("x-envoy-", true),
        ("x-envoy", false),
        ("x-envoys-a", false),
        ("x-user-ids", false),
        ("x-user", false),
        ("user-id", false),
        ("x-request-id", false),
        ("authorization", false),
        ("", false),
    ];
    for (name, spoofed) in cases {
        assert_eq!(is_spoofed(name.as_bytes(), &identity), *spoofed, "{name}");
        let in_trailers = *spoofed || *name == "authorization";
        assert_eq!(is_spoofed_trailer(name.as_bytes(), &identity), in_trailers, "{name}");
    }
    assert!(is_spoofed_trailer(b"AUTHORIZATION", &identity));
    // Envoy writes it into the headers, and into no trailers.
    let address = b"x-envoy-external-address";
    assert!(!is_spoofed(address, &identity) && is_spoofed_trailer(address, &identity));
    assert!(!is_spoofed(b"\xff-user-id", &identity));
}

#[test]
fn a_connection_may_name_only_what_stays_with_the_connection() {
    for (value, good) in [
        ("close", true),
        ("Keep-Alive", true),
        ("upgrade, HTTP2-Settings", true),
        ("te,", true),
        ("", true),
        ("x-user-id", false),
        ("close, authorization", false),
        ("close;x", false),
    ] {
        assert_eq!(is_harmless_connection(value.as_bytes()), good, "{value}");
    }
}

/// `ſ` is an `s` to anyone who ignores the case of all letters, as Envoy's routes do.
#[test]
fn a_host_is_ascii() {
    let identity = Identity {
        user_header: "x-user-id".into(),
        tenant_header: "x-tenant-id".into(),
        facts: Vec::new(),
        user_query: None,
    };
    for (host, good) in
        [(&b"notes.example"[..], true), ("note\u{17f}.example".as_bytes(), false), (b"\xff", false)]
    {
        let pairs: [(&[u8], &[u8]); 3] = [(b":method", b"GET"), (b":path", b"/"), (b":authority", host)];
        let fault = parse(&pairs, &identity).err();
        assert_eq!(fault, (!good).then_some(RequestFault::NotText("host")), "{host:?}");
    }
}
