//! Methods, names and URIs that a server could take for others than were judged.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// An answer of 400 in the form of MCP, with the call's id.
fn is_fault(got: &Got) {
    let body = got.body();
    assert_eq!(
        (got.status(), &body["error"]["code"], &body["id"]),
        (400, &json!(-32600), &json!(7)),
        "{body}"
    );
}

#[test]
fn a_method_that_a_sloppy_server_takes_for_a_known_one_is_refused() {
    let mut gate = server(json!({"lazy_auth": ["tools/list", "server/discover"]}));
    let known = [
        "ping",
        "tools/call",
        "tools/list",
        "resources/read",
        "completion/complete",
        "server/discover",
        "subscriptions/listen",
    ];
    let odd = |method: &str| {
        let mut all = vec![
            method.to_uppercase(),
            format!("{} ", method),
            format!(" {method}"),
            format!("{method}\t"),
            format!("{method}\0"),
            format!("{method}\u{a0}"),
            format!("{method}\u{200b}"),
            format!("\u{feff}{method}"),
            format!("{method}/"),
            format!("/{method}"),
            method.replace('/', "_"),
            method.replace('/', "//"),
            method.replace('/', "."),
            method.replace('/', "\\"),
            method.replace('/', "\u{2215}"),
            method.replace('i', "\u{131}").replace('a', "\u{ff41}").replace('c', "\u{441}"),
            method.replace('s', "\u{17f}").replace('o', "o\u{ad}"),
            method.char_indices().map(|(at, c)| if at == 0 { c.to_ascii_uppercase() } else { c }).collect(),
        ];
        all.retain(|odd| odd != method);
        all
    };
    for method in known {
        for odd in odd(method) {
            for era in LEGACY {
                let params =
                    json!({"name": "help", "uri": "a://b", "ref": {"type": "ref/prompt", "name": "x"}});
                is_fault(&send(&mut gate, era, Some(&reader()), &request(&odd, params)));
            }
        }
    }
    for method in ["made/up", "x-vendor/Do_it.now", "notifications/x", "tools/lists"] {
        assert_eq!(
            send(&mut gate, LEGACY[2], Some(&reader()), &request(method, json!({}))).status(),
            200,
            "{method}"
        );
    }
    // An escape is none.
    let escaped = br#"{"id":7,"method":"tools\u002flist"}"#;
    assert_eq!(send_raw(&mut gate, LEGACY[2], None, escaped).status(), 200);
    // Nor is the header another method's.
    let headers = [("mcp-protocol-version", NEWEST), ("mcp-method", "Tools/List")];
    assert_eq!(
        gate.post("/mcp", &headers, request("Tools/List", json!({})).to_string().as_bytes()).0.status(),
        401
    );
}

const ODD: [&str; 14] = [
    "Purge",
    "PURGE",
    "purge ",
    " purge",
    " PurGe  ",
    "purge\u{a0}",
    "\u{3000}purge",
    "pur\u{200b}ge",
    "pur\u{ad}ge",
    "\u{feff}purge",
    "\u{ff50}urge",
    "p\u{1d42e}rge",
    "purg\u{435}",
    "purge\u{301}",
];

#[test]
fn a_name_that_folds_or_trims_to_a_protected_one_is_refused_though_others_are_allowed() {
    let rules = json!({"purge": ["admin"], "n\u{f6}te": ["admin"], "unlisted": "allow"});
    let mut gate = server(json!({"tools": rules, "prompts": rules}));
    let odd = ODD.into_iter().chain(["n\u{d6}te", "no\u{308}te", "N\u{f6}te"]);
    for era in LEGACY.into_iter().chain([NEWEST]) {
        for name in odd.clone() {
            let encoded = format!("=?base64?{}?=", base64(name));
            for method in ["tools/call", "prompts/get"] {
                let body = request(method, json!({"name": name})).to_string();
                let auth = format!("Bearer {}", token().scope("admin").mint());
                let headers = [
                    ("mcp-protocol-version", era),
                    ("mcp-method", method),
                    ("mcp-name", encoded.as_str()),
                    ("authorization", auth.as_str()),
                ];
                let got = gate.post("/mcp", &headers, body.as_bytes()).0;
                assert_eq!(got.status(), 403, "{era} {method} {name:?}");
                assert_eq!(got.body()["error"]["data"]["error"], "access_denied", "{name:?}");
            }
            let complete =
                request("completion/complete", json!({"ref": {"type": "ref/prompt", "name": name}}));
            if era != NEWEST {
                assert_eq!(send(&mut gate, era, Some(&reader()), &complete).status(), 403, "{era} {name:?}");
            }
        }
        for (name, status) in [("other", 200), ("purge2", 200), ("weekly report", 200), ("purge", 403)] {
            assert_eq!(send(&mut gate, era, Some(&reader()), &tool(name)).status(), status, "{era} {name}");
        }
    }
    // Where nothing has a rule, nothing looks like it.
    let mut open = server(json!({"tools": {"unlisted": "allow"}}));
    for name in ["Purge", "n\u{f6}te", "\u{65e5}\u{672c}"] {
        assert_eq!(send(&mut open, LEGACY[2], Some(&reader()), &tool(name)).status(), 200, "{name}");
    }
}

#[test]
fn a_name_that_looks_like_a_limited_tool_counts_as_that() {
    let mut gate = gate(json!({"hold_headers": true,
        "rate_limits": [{"by": "user", "max": 2, "window": "60s", "tools": ["search"]}],
        "routes": [{"path": "/mcp", "mcp": {"tools": {"unlisted": "allow"}}}]}));
    for (name, status) in
        [("search", 200), ("Search", 200), ("SEARCH ", 429), ("\u{ff53}earch", 429), ("other", 200)]
    {
        assert_eq!(send(&mut gate, LEGACY[2], Some(&reader()), &tool(name)).status(), status, "{name}");
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Every call that names a resource.
fn calls(uri: &str) -> Vec<Value> {
    let mut all: Vec<Value> = ["resources/read", "resources/subscribe", "resources/unsubscribe"]
        .into_iter()
        .map(|method| request(method, json!({"uri": uri})))
        .collect();
    all.push(request("completion/complete", json!({"ref": {"type": "ref/resource", "uri": uri}})));
    for list in [json!([uri]), json!(["notes://open/a", uri])] {
        all.push(request("subscriptions/listen", json!({"notifications": {"resourceSubscriptions": list}})));
    }
    all
}

/// With the headers of its era.
fn ask(gate: &mut Gate, era: &str, token: &str, body: &Value) -> Got {
    let auth = format!("Bearer {token}");
    let method = body["method"].as_str().unwrap();
    let name = body["params"]["uri"].as_str().map(|uri| format!("=?base64?{}?=", base64(uri)));
    let mut headers =
        vec![("mcp-protocol-version", era), ("mcp-method", method), ("authorization", auth.as_str())];
    headers.extend(name.as_deref().map(|name| ("mcp-name", name)));
    gate.post("/mcp", &headers, body.to_string().as_bytes()).0
}

fn notes() -> Gate {
    let resources = json!({
        "notes://admin/*": ["admin"], "file:///secret/*": ["admin"], "notes://plan": ["admin"], "https://a.example/x": ["admin"],
        "unlisted": "allow"});
    let limits = json!([{"by": "user", "max": 100_000, "window": "60s"}]);
    gate(
        json!({"hold_headers": true, "rate_limits": limits, "routes": [{"path": "/mcp", "mcp": {"resources": resources}}]}),
    )
}

#[test]
fn a_uri_has_one_spelling_in_every_method_that_names_one() {
    let admin = token().scope("admin").mint();
    let mut gate = notes();
    for uri in [
        "Notes://admin/plan",
        " notes://admin/plan",
        "notes://admin/plan ",
        "notes://admin/plan\u{a0}",
        "\u{feff}notes://admin/plan",
        "no\ttes://admin/plan",
        "notes://ad\nmin/plan",
        "FILE:///secret/a",
        "file:/secret/a",
        "file:secret/a",
        "file:////secret/a",
        "file://localhost/secret/a",
        "file://127.0.0.1/secret/a",
        "file:///public/../secret/a",
        "file:///public/%2e%2e/secret/a",
        "file:///public/%2E%2E/secret/a",
        "file:///public/..%2Fsecret/a",
        "file:///./secret/a",
        "file:///public\\..\\secret\\a",
        "file:\\\\\\secret\\a",
        "file:///sec%72et/a",
        "notes://%61dmin/plan",
        "notes://admin/%70lan",
        "notes://ADMIN/plan",
        "notes://Admin/plan",
        "notes:///admin/plan",
        "notes:/admin/plan",
        "notes:admin/plan",
        "notes://@admin/plan",
        "notes://x@admin/plan",
        "notes://admin:/plan",
        "notes://plan?",
        "notes://plan#",
        "notes://plan#x",
        "notes://plan?x=1",
        "https://a.example/x?y",
        "notes://plan/",
        "notes://Plan",
        "file:///Secret/a",
        "file:///secret./a",
        "file:///secret%20/a",
        "file:///secret::$INDEX_ALLOCATION/a",
        "https://A.example/x",
        "https://a.example:443/x",
        "https://a.example./x",
        "https:/a.example/x",
        "https://a.example/%2578",
        "admin/plan",
        "",
    ] {
        for era in [LEGACY[0], LEGACY[2], NEWEST] {
            for body in calls(uri) {
                let got = ask(&mut gate, era, &admin, &body);
                assert_eq!(got.status(), 400, "{era} {body} {got:?}");
                assert_eq!(got.body()["id"], json!(7), "{body}");
            }
        }
        let body = request("resources/read", json!({"uri": uri}));
        assert_eq!(
            send(&mut gate, LEGACY[2], None, &body).status(),
            401,
            "without a token that is said first: {uri}"
        );
    }
}

#[test]
fn good_uris_follow_their_rules_in_every_method_that_names_one() {
    let (reader, admin) = (reader(), token().scope("admin").mint());
    let mut gate = notes();
    for (uri, by_reader) in [
        ("notes://admin/plan", 403),
        ("notes://admin/caf%C3%A9", 403),
        ("file:///secret/a", 403),
        ("notes://plan", 403),
        ("notes://admin%2Fplan", 403),
        ("notes://admin%5Cplan", 403),
        ("file:///secret%2Fa", 403),
        ("notes://open/a", 200),
        ("notes://open/caf\u{e9}", 200),
        ("notes://open/a%2Fb", 200),
        ("greeting://Alice", 200),
        ("file:///C:/a%20b", 200),
        ("urn:isbn:0451450523", 200),
        ("https://a.example/y?z=1", 200),
    ] {
        for era in [LEGACY[0], LEGACY[2], NEWEST] {
            for body in calls(uri) {
                assert_eq!(ask(&mut gate, era, &reader, &body).status(), by_reader, "{era} {body}");
                // An escaped slash is allowed by anyone who may do both.
                assert_eq!(ask(&mut gate, era, &admin, &body).status(), 200, "{era} {body}");
            }
        }
    }
    let template =
        |uri: &str| request("completion/complete", json!({"ref": {"type": "ref/resource", "uri": uri}}));
    for (uri, status) in [
        ("notes://admin/{id}", 403),
        ("notes://open/{id}{?q}", 200),
        ("greeting://{name}", 200),
        ("Notes://admin/{id}", 400),
        ("notes://ADMIN/{id}", 400),
        ("notes://open/../{id}", 400),
    ] {
        assert_eq!(ask(&mut gate, LEGACY[2], &reader, &template(uri)).status(), status, "{uri}");
    }
    assert_eq!(
        ask(&mut gate, LEGACY[2], &admin, &request("resources/read", json!({"uri": "notes://open/{id}"})))
            .status(),
        400
    );
}

/// It has taken the place of `resources/subscribe`: each of its URIs is judged.
#[test]
fn a_stream_of_changes_is_judged_by_each_resource_that_it_names() {
    let mut gate = server(json!({"resources": {"notes://*": ["tool:read"], "unlisted": "deny"}}));
    let listen =
        |notifications: Value| request("subscriptions/listen", json!({"notifications": notifications}));
    for (notifications, nobodys, readers) in [
        (json!({"toolsListChanged": true}), 200, 200),
        (json!({"resourceSubscriptions": []}), 200, 200),
        (json!({"resourceSubscriptions": ["notes://a"]}), 403, 200),
        (json!({"resourceSubscriptions": ["notes://a", "file:///a"]}), 403, 403),
        (json!({"resourceSubscriptions": ["file:///a", "notes://a"]}), 403, 403),
        (json!({"resourceSubscriptions": "notes://a"}), 400, 400),
        (json!({"resourceSubscriptions": [7]}), 400, 400),
        (json!({"resourceSubscriptions": {"0": "notes://a"}}), 400, 400),
        (json!({"resourceSubscriptions": null}), 400, 400),
        (json!({"ResourceSubscriptions": ["notes://a"]}), 400, 400),
        (json!(["resourceSubscriptions"]), 400, 400),
    ] {
        let body = listen(notifications);
        for era in LEGACY.into_iter().chain([NEWEST]) {
            assert_eq!(ask(&mut gate, era, &nobody(), &body).status(), nobodys, "{era} {body}");
            assert_eq!(ask(&mut gate, era, &reader(), &body).status(), readers, "{era} {body}");
        }
    }
    let lookalike =
        request("subscriptions/listen", json!({"Notifications": {"resourceSubscriptions": ["file:///a"]}}));
    assert_eq!(ask(&mut gate, NEWEST, &reader(), &lookalike).status(), 400);
    let uris: Vec<String> = (0..1_001).map(|at| format!("notes://{at}")).collect();
    let many = |count: usize| listen(json!({"resourceSubscriptions": uris[..count]}));
    assert_eq!(ask(&mut gate, NEWEST, &reader(), &many(1_000)).status(), 200);
    assert_eq!(ask(&mut gate, NEWEST, &reader(), &many(1_001)).status(), 400, "they are bounded");
    let got = ask(&mut gate, NEWEST, &nobody(), &many(2));
    assert!(challenge(&got).contains("scope=\"tool:read\""), "{got:?}");
}

#[test]
fn what_could_not_be_asked_for_is_not_listed() {
    let mut gate = server(json!({
        "tools": {"purge": ["admin"], "unlisted": "allow"},
        "resources": {"notes://admin/*": ["admin"], "unlisted": "allow"}
    }));
    let auth = format!("Bearer {}", token().scope("admin").mint());
    let headers = [("authorization", auth.as_str()), ("mcp-protocol-version", LEGACY[2])];
    for (method, member, name, all, shown) in [
        (
            "tools/list",
            "tools",
            "name",
            &["purge", "Purge", "other", "pur\u{200b}ge"][..],
            &["purge", "other"][..],
        ),
        (
            "resources/list",
            "resources",
            "uri",
            &[
                "notes://admin/a",
                "notes://a",
                "Notes://admin/a",
                "notes://ADMIN/a",
                "file:/a",
                "notes://a/{b}",
            ],
            &["notes://admin/a", "notes://a"],
        ),
        (
            "resources/templates/list",
            "resourceTemplates",
            "uriTemplate",
            &["notes://admin/{a}", "greeting://{userName}", "notes://Admin/{a}", "notes://a/../{b}"],
            &["notes://admin/{a}", "greeting://{userName}"],
        ),
    ] {
        let (_, exchange) = gate.post("/mcp", &headers, request(method, json!({})).to_string().as_bytes());
        let items: Vec<Value> = all.iter().map(|item| json!({name: item})).collect();
        let answer = json!({"jsonrpc": "2.0", "id": 7, "result": {member: items}}).to_string();
        let got = filtered(&gate, exchange, &answer);
        let left: Vec<&str> = got["result"][member]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item[name].as_str().unwrap())
            .collect();
        assert_eq!(left, shown, "{method}");
    }
}

/// What the caller gets of an upstream's answer.
fn filtered(gate: &Gate, mut exchange: crate::exchange::Exchange, answer: &str) -> Value {
    use crate::exchange::respond::{FilteredBody, Framing, Head};
    let head = Head { status: 200, content_type: Some(b"application/json"), ..Head::default() };
    let Framing::Whole(_) = exchange.on_response(&gate.policy, &head) else { panic!() };
    let FilteredBody::Replaced(text) =
        gate.world(|world| exchange.on_response_body(world, Some(answer.as_bytes())))
    else {
        panic!()
    };
    serde_json::from_str(&text).unwrap()
}
