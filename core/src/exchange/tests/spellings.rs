//! What a server behind us could read as another method or path than was judged.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Python's servers make a method upper case, so that `delete` is a DELETE there.
#[test]
fn a_method_has_one_spelling_and_connect_and_trace_none() {
    let mut gate = gate(json!({"routes": [
        {"path": "/v1/*", "methods": ["DELETE"], "scopes": ["admin"]},
        {"path": "/v1/*", "access": "public"},
    ]}));
    for method in ["GET", "PROPFIND", "M-SEARCH", "X1_Y", "VERSION-CONTROL"] {
        assert_eq!(gate.send(method, "/v1/x", &[]).status(), 200, "{method}");
    }
    for method in [
        "delete",
        "Delete",
        "DELETe",
        "get",
        "trace",
        "Trace",
        "TRACE",
        "connect",
        "Connect",
        "CONNECT",
        "",
        " DELETE",
        "DELETE ",
        "DELETE\t",
        "DEL ETE",
        "DELETE\0",
        "DELETE,GET",
        "DELETE/",
        "D\u{c9}LETE",
        "\u{ff24}ELETE",
    ] {
        let got = gate.send(method, "/v1/x", &[]);
        assert_eq!(
            (got.status(), got.body()["error"].as_str()),
            (400, Some("invalid_request")),
            "{method:?}"
        );
        assert_eq!(gate.record["reason"], "unsafe_method", "{method:?}");
    }
}

/// A route is found by the method: one that can't be told belongs to any, whatever else is wrong with the
/// request.
#[test]
fn no_spelling_of_a_method_goes_around_an_enforced_route_of_a_shadow_file() {
    let policy = json!({"mode": "shadow", "routes": [
        {"path": "/v1/*", "methods": ["DELETE"], "mode": "enforce", "scopes": ["admin"]},
        {"path": "/v1/*"},
    ]});
    let twice: &[(&str, &str)] = &[("content-type", "a"), ("content-type", "b")];
    for method in ["delete", "dElete", "trace", "TRACE", "Connect", "DELETE ", "DEL\u{c9}TE"] {
        for headers in [&[][..], twice] {
            for path in ["/v1/x", "/v1/x?a=b", "/v1//x"] {
                let got = gate(policy.clone()).send(method, path, headers);
                assert_eq!(got.status(), 400, "{method:?} {path} {headers:?}");
            }
        }
    }
    assert_eq!(gate(policy.clone()).send("DELETE", "/v1/x", &[]).status(), 401);
    assert_eq!(gate(policy).send("GET", "/v1/x", twice).status(), 200, "that one is watched alone");
    let mut watched = gate(json!({"mode": "shadow", "routes": [{"path": "/v1/*"}]}));
    assert_eq!(
        watched.send("patch", "/v1/x", &[]).status(),
        200,
        "where nothing is enforced nothing is refused"
    );
    assert_eq!(watched.record["shadow"]["reason"], "unsafe_method");
}

#[test]
fn a_byte_of_a_path_has_one_spelling() {
    let mut gate = gate(json!({"routes": [
        {"path": "/v1/docs:secret", "scopes": ["admin"]},
        {"path": "/v1/{id}/a", "scopes": ["admin"]},
        {"path": "/v1/%7Bid%7D/b", "scopes": ["admin"]},
        {"path": "/v1/@me", "scopes": ["admin"]},
        {"path": "/v1/o%27neil(x)", "scopes": ["admin"]},
        {"path": "/v1/*"},
    ]}));
    let auth = format!("Bearer {}", token().mint());
    let headers = [("authorization", auth.as_str())];
    for path in [
        "/v1/docs:secret",
        "/v1/docs%3Asecret",
        "/v1/docs%3asecret",
        "/v1/{id}/a",
        "/v1/%7bid}/a",
        "/v1/{id}/b",
        "/v1/%7Bid%7d/b",
        "/v1/@me",
        "/v1/%40me",
        "/v1/o'neil(x)",
        "/v1/o%27neil%28x%29",
    ] {
        assert_eq!(gate.send("GET", path, &headers).status(), 403, "{path}");
    }
    let got = gate.send("GET", "/v1/a%3Ab%21%24%26%27%28%29%2A%2b%2C%3d%40|^\"<>`[]{}?q=%3A", &headers);
    let expect = "/v1/a:b!$&'()*+,=@%7C%5E%22%3C%3E%60%5B%5D%7B%7D?q=%3A";
    assert_eq!(got.edits().path.as_deref(), Some(expect));
    assert!(got.edits().rerouted);
}

/// Windows ends a name before its dots and spaces, and opens a stream of the same file by what follows a
/// colon.
#[test]
fn a_path_that_windows_reads_as_another_does_not_fall_to_a_broader_route() {
    let mut gate = gate(json!({"routes": [
        {"path": "/v1/secret", "scopes": ["admin"]},
        {"path": "/v1/*"},
    ]}));
    let auth = format!("Bearer {}", token().mint());
    let headers = [("authorization", auth.as_str())];
    for path in [
        "/v1/secret.",
        "/v1/secret...",
        "/v1/secret./",
        "/v1/secret%20",
        "/v1/secret%20%20/",
        "/v1/secret.%20",
        "/v1/secret%20.",
        "/v1/%20secret",
        "/v1./secret",
        "/v1%20/secret",
        "/v1/secret::$DATA",
        "/v1/secret%3A%3a%24data",
        "/v1/secret:$I30:$INDEX_ALLOCATION",
        "/v1:$I30:$INDEX_ALLOCATION/secret",
        "/v1/secret:x:$DATA",
        "/v1/secret%C2%A0",
        "/v1/%E3%80%80secret",
        "/v1/...",
    ] {
        assert_eq!(gate.send("GET", path, &headers).status(), 400, "{path}");
    }
    for path in [
        "/v1/users/a:b",
        "/v1/@scope/pkg",
        "/v1/x:cancel",
        "/v1/a%20b",
        "/v1/.well-known",
        "/v1/a.b",
        "/v1/items('a')/$value",
        "/v1/root:/a:/children",
        "/v1/a~1",
    ] {
        assert_eq!(gate.send("GET", path, &headers).status(), 200, "{path}");
    }
}

#[test]
fn two_authorizations_of_any_scheme_are_refused_and_words_of_envoy_never_pass() {
    let mut gate = gate(json!({"routes": [{"path": "/open", "access": "public"}, {"path": "/v1"}]}));
    for value in
        ["Basic a,Bearer b", "Basic YQ==,Basic Yg==", "Digest a=\"b\",Basic Yg==", "Negotiate,Basic a"]
    {
        for path in ["/open", "/v1"] {
            assert_eq!(gate.send("GET", path, &[("authorization", value)]).status(), 400, "{path} {value}");
        }
    }
    let two = [("authorization", "Basic a"), ("authorization", "Basic b")];
    assert_eq!(gate.send("GET", "/open", &two).status(), 400);
    let digest = [("authorization", "Digest username=\"a, b\", realm=\"c\", qop=auth")];
    assert_eq!(gate.send("GET", "/open", &digest).status(), 200, "one of many parts");
    let words = [
        "x-envoy-retry-on",
        "X-Envoy-Upstream-Rq-Timeout-Ms",
        "x_envoy_original_path",
        "x-envoy-force-trace",
    ];
    let headers: Vec<(&str, &str)> = words.iter().map(|name| (*name, "1")).collect();
    let got = gate.send("GET", "/open", &headers);
    assert_eq!(got.edits().remove, words.map(|name| name.as_bytes().to_vec()));
    let mut watched = super::gate(json!({"mode": "shadow", "routes": [{"path": "/v1"}]}));
    assert_eq!(watched.send("GET", "/v1", &headers).edits().remove.len(), words.len());
    assert_eq!(watched.send("GET", "/v1//", &headers).edits().remove.len(), words.len());
}
