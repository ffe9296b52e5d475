//! Addresses in an upstream's answer: what names the upstream, or lacks the prefix that was stripped, leads
//! back to us.

use super::*;
use crate::decision::{Decision, Wait};
use crate::exchange::{Arrival, Exchange};
use crate::request::Headers;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const BASE: &str = "https://gateway.example.com";
const DOCUMENT: &str = "https://gateway.example.com/.well-known/oauth-protected-resource";

fn stage() -> Gate {
    gate(json!({
        "upstreams": {
            "default": "http://app:8080",
            "secure": "https://api.internal",
            "v6": "http://[::1]:8080",
        },
        "public_hosts": ["other.example.com:8443"],
        "routes": [
            { "path": "/v1/*", "access": "public", "strip_prefix": "/v1", "aliases": "allowed" },
            { "path": "/plain/*", "access": "public" },
            { "path": "/secure/*", "access": "public", "upstream": "secure" },
            { "path": "/v6/*", "access": "public", "upstream": "v6" },
            { "path": "/watched/*", "access": "public", "mode": "shadow" },
            { "path": "/v2/mcp", "upstream": "secure", "strip_prefix": "/v2", "mcp": { "tools": { "a": [] } } },
        ],
    }))
}

/// What the headers of an answer become.
fn answered(
    gate: &Gate,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Vec<(&'static str, Vec<String>)> {
    let token = format!("Bearer {}", token().mint());
    let request = [(":method", "GET"), (":path", path), (":authority", host), ("authorization", &token)];
    let bytes = |pairs: &[(&str, &str)]| -> Vec<(Vec<u8>, Vec<u8>)> {
        pairs.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect()
    };
    let (request, answer) = (bytes(&request), bytes(headers));
    let pairs = |of: &[(Vec<u8>, Vec<u8>)]| -> Headers {
        Headers::of(&of.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect::<Vec<_>>())
    };
    let mut judged = gate.world(|world| Exchange::New.on_headers(world, pairs(&request)));
    if let Decision::Wait(Wait::Body(_)) = judged.decision {
        judged = gate.world(|world| judged.exchange.resume(world, Arrival::Body(Some(b""))));
    }
    let exchange = judged.exchange;
    assert!(matches!(exchange, Exchange::Forwarded(_)), "{path}");
    let seen = exchange.seen(&gate.policy);
    seen.map_or_else(Vec::new, |seen| seen.led_back(&gate.policy, &pairs(&answer).pairs()))
}

#[test]
fn an_address_of_the_upstream_or_without_its_prefix_leads_back() {
    let gate = stage();
    let ours = |path: &str| format!("{BASE}{path}");
    for (path, value, expect) in [
        // With a prefix that was stripped.
        ("/v1/notes", "http://app:8080/notes/1", ours("/v1/notes/1")),
        ("/v1/notes", "HTTP://APP:8080/notes/1?a=http://b/#c", ours("/v1/notes/1?a=http://b/#c")),
        ("/v1/notes", "//app:8080/notes", ours("/v1/notes")),
        ("/v1/notes", "//app.:8080/notes", ours("/v1/notes")),
        ("/v1/notes", "http://user:secret@app:8080/notes", ours("/v1/notes")),
        ("/v1/notes", "http://app:8080", ours("/v1/")),
        ("/v1/notes", "http://app:8080?a=b", ours("/v1/?a=b")),
        ("/v1/notes", "http://app:8080#a", ours("/v1/#a")),
        ("/v1/notes", " http://app:8080/notes\t", ours("/v1/notes")),
        ("/v1/notes", "/notes/1", "/v1/notes/1".to_owned()),
        ("/v1/notes", "/", "/v1/".to_owned()),
        ("/v1/notes", "/?next=/v1/a", "/v1/?next=/v1/a".to_owned()),
        ("/v1/notes", "/v10/notes", "/v1/v10/notes".to_owned()),
        ("/v1/notes", "https://gateway.example.com/notes", ours("/v1/notes")),
        ("/v1/notes", "http://gateway.example.com/notes", "http://gateway.example.com/v1/notes".to_owned()),
        ("/v1/notes", "//gateway.example.com:443/notes", "//gateway.example.com:443/v1/notes".to_owned()),
        (
            "/v1/notes",
            "http://Other.example.com:8443/notes",
            "http://Other.example.com:8443/v1/notes".to_owned(),
        ),
        ("/v1/notes", "http://app:8080/v1/notes", ours("/v1/notes")),
        // Without one.
        ("/plain/notes", "http://app:8080/notes/1", ours("/notes/1")),
        ("/plain/notes", "https://app:8080/notes/1", ours("/notes/1")),
        ("/secure/notes", "https://api.internal/notes", ours("/notes")),
        ("/secure/notes", "https://api.internal:443/notes", ours("/notes")),
        ("/secure/notes", "http://api.internal/notes", ours("/notes")),
        ("/secure/notes", "//API.internal:/notes", ours("/notes")),
        ("/v6/notes", "http://[::1]:8080/notes", ours("/notes")),
    ] {
        for name in ["location", "content-location"] {
            let got = answered(&gate, "gateway.example.com", path, &[("x", "y"), (name, value)]);
            assert_eq!(got, [(name, vec![expect.clone()])], "{path} {value}");
        }
    }
}

#[test]
fn other_addresses_stay() {
    let gate = stage();
    for (path, value) in [
        ("/v1/notes", "/v1/notes"),
        ("/v1/notes", "/v1"),
        ("/v1/notes", "/v1?a"),
        ("/v1/notes", "notes/1"),
        ("/v1/notes", "../notes"),
        ("/v1/notes", "?page=2"),
        ("/v1/notes", ""),
        ("/v1/notes", "https://gateway.example.com/v1/notes"),
        ("/v1/notes", "https://idp.example/authorize?redirect_uri=http://app:8080/cb"),
        ("/v1/notes", "http://app:8081/notes"),
        ("/v1/notes", "http://app/notes"),
        ("/v1/notes", "http://app.example.com:8080/notes"),
        ("/v1/notes", "http://app:8080@evil.example/notes"),
        ("/v1/notes", "http://evil.example/app:8080"),
        ("/v1/notes", "http://app:8080:1/notes"),
        ("/v1/notes", "ftp://app:8080/notes"),
        ("/v1/notes", "mailto:a@app:8080"),
        ("/v1/notes", "///notes"),
        // Another server on our host: an identity provider next to us.
        ("/v1/notes", "https://gateway.example.com:9443/login"),
        ("/v1/notes", "https://other.example.com:1/login"),
        ("/v1/notes", "https://other.example.com/login"),
        ("/v1/notes", "http://app:8080/a b"),
        ("/plain/notes", "/notes"),
        ("/plain/notes", "https://gateway.example.com/notes"),
        ("/secure/notes", "http://app:8080/notes"),
        ("/secure/notes", "https://api.internal:8443/notes"),
        // Only watched: its answers are as they would be without us.
        ("/watched/notes", "http://app:8080/notes"),
    ] {
        let got = answered(&gate, "gateway.example.com", path, &[("location", value)]);
        assert_eq!(got, [], "{path} {value}");
    }
    // Where the mesh knows the upstreams, nobody here does.
    let mesh = crate::testing::gate(json!({ "routes": [{ "path": "/notes", "access": "public" }] }));
    assert_eq!(
        answered(&mesh, "gateway.example.com", "/notes", &[("location", "http://app:8080/notes")]),
        []
    );
}

#[test]
fn all_values_of_a_header_stay_in_their_order() {
    let values =
        [("location", "/a"), ("location", "https://idp.example/"), ("location", "http://app:8080/b")];
    let got = answered(&stage(), "gateway.example.com", "/v1/x", &values);
    let expect = ["/v1/a", "https://idp.example/", "https://gateway.example.com/v1/b"];
    assert_eq!(got, [("location", expect.map(str::to_owned).to_vec())]);
}

#[test]
fn the_client_is_led_to_the_host_that_it_named() {
    let gate = stage();
    for (host, base) in [
        ("other.example.com", "https://other.example.com:8443"),
        ("OTHER.example.com:8443", "https://other.example.com:8443"),
        ("gateway.example.com:443", BASE),
        ("evil.example", BASE),
    ] {
        let got = answered(&gate, host, "/v1/x", &[("location", "http://app:8080/b")]);
        assert_eq!(got, [("location", vec![format!("{base}/v1/b")])], "{host}");
    }
}

#[test]
fn an_upstreams_challenge_names_our_document() {
    let gate = stage();
    let own = "https://api.internal/.well-known/oauth-protected-resource/mcp";
    for (path, value, expect) in [
        (
            "/v2/mcp",
            format!(
                "Bearer realm=\"a, resource_metadata=\\\"b\\\"\", resource_metadata=\"{own}\", scope=\"x\""
            ),
            format!(
                "Bearer realm=\"a, resource_metadata=\\\"b\\\"\", resource_metadata=\"{DOCUMENT}/v2/mcp\", scope=\"x\""
            ),
        ),
        (
            "/v2/mcp",
            format!("Bearer Resource_Metadata = \"{own}\",Basic realm=\"b\""),
            format!("Bearer Resource_Metadata = \"{DOCUMENT}/v2/mcp\",Basic realm=\"b\""),
        ),
        // What stands without quotes, and in pairs.
        (
            "/v2/mcp",
            format!("DPoP resource_metadata={own}, Bearer resource_metadata=\"https:\\/\\/api.internal/x\""),
            format!(
                "DPoP resource_metadata=\"{DOCUMENT}/v2/mcp\", Bearer resource_metadata=\"{DOCUMENT}/v2/mcp\""
            ),
        ),
        // It knows who we are, and not where it is.
        (
            "/v2/mcp",
            format!("Bearer resource_metadata=\"{DOCUMENT}/mcp\""),
            format!("Bearer resource_metadata=\"{DOCUMENT}/v2/mcp\""),
        ),
        (
            "/secure/x",
            format!("Bearer resource_metadata=\"{own}\""),
            format!("Bearer resource_metadata=\"{DOCUMENT}\""),
        ),
    ] {
        let got = answered(&gate, "gateway.example.com", path, &[("www-authenticate", &value)]);
        assert_eq!(got, [("www-authenticate", vec![expect])], "{value}");
    }
    for value in [
        format!("Bearer resource_metadata=\"{DOCUMENT}/v2/mcp\""),
        "Bearer resource_metadata=\"https://elsewhere.example/.well-known/oauth-protected-resource\""
            .to_owned(),
        format!("Bearer realm=\"resource_metadata={own}\""),
        format!("Bearer realm=\"resource_metadata=\\\"{own}\\\"\""),
        format!("Bearer x_resource_metadata=\"{own}\""),
        format!("Bearer resource_metadata \"{own}\""),
        "Bearer resource_metadata".to_owned(),
        "Bearer resource_metadata=".to_owned(),
        format!("Bearer realm=\"no end, resource_metadata=\"\"{own}"),
        // Without an end, or in parts of quotes: nobody knows what it says.
        format!("Bearer resource_metadata=\"{own}\\\""),
        format!("Bearer resource_metadata=\"{own}"),
        format!("Bearer resource_metadata={own}\"x y\", realm=\"z\""),
        // The document of another server on our host.
        "Bearer resource_metadata=\"https://gateway.example.com:9443/.well-known/oauth-protected-resource/mcp\"".to_owned(),
        "Basic realm=\"é\"".to_owned(),
    ] {
        let got = answered(&gate, "gateway.example.com", "/v2/mcp", &[("www-authenticate", &value)]);
        assert_eq!(got, [], "{value}");
    }
}

/// However long a challenge is and whatever is in it, it is looked through once, and doesn't grow by much. (A
/// million of blanks once would have taken hours.)
#[test]
fn a_long_challenge_takes_its_length_and_grows_by_little() {
    let gate = stage();
    for part in [
        " ",
        "\t",
        "\"",
        "\"a\",",
        "\\",
        "=",
        ",",
        "a=,",
        "a ",
        "resource_metadata",
        "resource_metadata ",
        "é",
    ] {
        let value = format!("Bearer a{}b", part.repeat(1_000_000 / part.len()));
        let got = answered(&gate, "gateway.example.com", "/v2/mcp", &[("www-authenticate", &value)]);
        assert_eq!(got, [], "{part}");
    }
    let value = "resource_metadata=//api.internal,".repeat(1_800);
    let got = answered(&gate, "gateway.example.com", "/v2/mcp", &[("www-authenticate", &value)]);
    let length: usize = got.iter().flat_map(|(_, values)| values).map(String::len).sum();
    assert!(length <= value.len() + 4_096, "{length}");
}

#[test]
fn where_we_have_no_document_a_challenge_leads_to_the_upstreams() {
    let gate = gate(json!({
        "upstreams": { "default": "http://app:8080" },
        "metadata": { "serve": "filter" },
        "builtin": { "metadata": false },
        "routes": [{ "path": "/v1/*", "access": "public", "strip_prefix": "/v1", "aliases": "allowed" }],
    }));
    let value = "Bearer resource_metadata=\"http://app:8080/.well-known/oauth-protected-resource\"";
    let got = answered(&gate, "gateway.example.com", "/v1/x", &[("www-authenticate", value)]);
    let expect = format!("Bearer resource_metadata=\"{BASE}/v1/.well-known/oauth-protected-resource\"");
    assert_eq!(got, [("www-authenticate", vec![expect])]);
}
