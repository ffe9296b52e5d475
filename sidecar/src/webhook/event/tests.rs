//! Bodies in rows: what they are, and which clients they name.

use super::{Events, Registration, read};
use serde_json::{Value, json};

fn named(log_id: &str, client_id: &str) -> Registration {
    Registration { log_id: log_id.to_owned(), client_id: Some(client_id.to_owned()) }
}

fn event(log_id: &str, client: &str) -> Value {
    json!({ "log_id": log_id, "data": { "type": "sapi", "description": "Dynamic client registration",
        "details": { "response": { "statusCode": 201, "body": { "client_id": client } } } } })
}

fn check(body: &str, expect: &[Registration]) {
    assert_eq!(registrations(body.as_bytes()).as_deref(), Ok(expect), "{body}");
}

fn registrations(body: &[u8]) -> Result<Vec<Registration>, &'static str> {
    read(body).map(|events| {
        assert_eq!(events.skipped, 0);
        events.registrations
    })
}

#[test]
fn one_event_a_list_logs_and_lines_are_read_alike() {
    let (one, two) = (event("1", "a"), event("2", "b"));
    let both = [named("1", "a"), named("2", "b")];
    check(&one.to_string(), &both[..1]);
    check(&json!([one, two]).to_string(), &both);
    check(&json!({ "logs": [one, two] }).to_string(), &both);
    check(&format!("{one}\n{two}\n"), &both);
    check(&format!("{one}\r\n\n{two}"), &both);
    check(&format!("[{one}]\n[{two}]"), &both);
    check("[]", &[]);
    check("{}", &[]);
}

#[test]
fn what_makes_an_event_a_registration() {
    let rows = [
        (json!({ "type": "sapi", "description": "DYNAMIC client Registration: x" }), true),
        (json!({ "type": "s", "description": "Dynamic client registration" }), false),
        (json!({ "type": "sapi", "description": "Create a client" }), false),
        (json!({ "details": { "request": { "path": "/oidc/register", "method": "post" } } }), true),
        (json!({ "request": { "path": "/tenant/oidc/register?x" } }), true),
        (json!({ "path": "/oidc/register" }), true),
        (json!({ "details": { "request": { "path": "/api/v2/clients", "method": "post" } } }), true),
        (json!({ "details": { "request": { "path": "/api/v2/clients/?a=b", "method": "POST" } } }), true),
        (json!({ "details": { "request": { "path": "/api/v2/clients", "method": "get" } } }), false),
        (json!({ "details": { "request": { "path": "/api/v2/clients/x", "method": "post" } } }), false),
        (json!({ "details": { "request": { "path": "/api/v2/client-grants", "method": "post" } } }), false),
        (json!({ "type": "fapi", "details": { "request": { "path": "/oidc/register" } } }), false),
        (json!({ "path": "/oidc/register", "details": { "response": { "statusCode": 400 } } }), false),
        (json!({ "type": ["sapi"], "description": {} }), false),
    ];
    for (mut event, expect) in rows {
        event["log_id"] = json!("1");
        event["client_id"] = json!("c");
        let found = registrations(event.to_string().as_bytes()).unwrap();
        assert_eq!(!found.is_empty(), expect, "{event}");
        let wrapped = json!({ "log_id": "1", "data": event });
        assert_eq!(registrations(wrapped.to_string().as_bytes()).unwrap(), found, "{wrapped}");
    }
}

#[test]
fn the_client_is_the_responses_then_the_events_then_the_requests() {
    let with = |members: Value| {
        let mut event = json!({ "log_id": "1", "path": "/oidc/register" });
        event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        registrations(event.to_string().as_bytes()).unwrap().remove(0).client_id
    };
    let body = |client: &str| json!({ "body": { "client_id": client } });
    assert_eq!(
        with(json!({ "client_id": "e", "details": { "response": body("r"), "request": body("q") } }))
            .as_deref(),
        Some("r")
    );
    assert_eq!(with(json!({ "client_id": "e", "details": { "request": body("q") } })).as_deref(), Some("e"));
    assert_eq!(with(json!({ "details": { "request": body("q") } })).as_deref(), Some("q"));
    let text = json!({ "details": { "response": { "body": "{\"client_id\":\"t\"}" } } });
    assert_eq!(with(text).as_deref(), Some("t"));
    let long = "c".repeat(65);
    for hostile in ["../x", "a/b", "a b", "", "a\n", "%2e", "\u{e9}", long.as_str()] {
        // A hostile one isn't passed over for the next: the event is what it is.
        let members = json!({ "client_id": "e", "details": { "response": body(hostile) } });
        assert_eq!(with(members), None, "{hostile:?}");
    }
}

#[test]
fn an_event_without_an_id_has_that_of_its_content() {
    let a = registrations(br#"{"path":"/oidc/register","client_id":"a"}"#).unwrap();
    let again = registrations(br#"[{"client_id":"a" , "path":"/oidc/register"}]"#).unwrap();
    let other = registrations(br#"{"path":"/oidc/register","client_id":"b"}"#).unwrap();
    assert_eq!(a, again);
    assert_ne!(a[0].log_id, other[0].log_id);
    let id = |event: Value| registrations(event.to_string().as_bytes()).unwrap().remove(0).log_id;
    assert_eq!(id(json!({ "_id": "x", "path": "/oidc/register" })), "x");
    assert_eq!(id(json!({ "_id": "x", "log_id": "y", "path": "/oidc/register" })), "y");
    assert_eq!(id(json!({ "data": { "log_id": "z", "path": "/oidc/register" } })), "z");
    assert_eq!(id(json!({ "log_id": "a\nb", "path": "/oidc/register" })).len(), 64);
    assert_eq!(id(json!({ "log_id": "i".repeat(257), "path": "/oidc/register" })).len(), 64);
    assert_eq!(id(json!({ "log_id": 7, "path": "/oidc/register" })).len(), 64);
}

#[test]
fn an_event_that_cannot_be_read_hides_no_other() {
    let good = event("1", "a").to_string();
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(64), "]".repeat(64));
    let bad = [
        r#"{"log_id":"2","data":{"user_agent":"\ud83d"}}"#,
        r#"{"log_id":"2","log_id":"3"}"#,
        r#"{"log_id":"2","data":{"a":1e999}}"#,
        r#"{"a":01,"b":["x,y","}{\"["]}"#,
        "{'a':1}",
        "{\"a\":1,}",
        "7",
        "null",
        "[[]]",
        &deep,
    ];
    for bad in bad {
        for (body, registrations) in [
            (format!("[{good},{bad}]"), 1),
            (format!("[{bad} , {good}]"), 1),
            (format!("{{\"logs\":[{bad},{good}]}}"), 1),
            (format!("{{\"next\" : \"\\ud800\", \"logs\" : [{bad},{good}] , \"a\":[{{}}]}}"), 1),
            (format!("{good}\n{bad}\n"), 1),
            (format!("{bad}\r\n\r\n{good}"), 1),
            (format!("[{bad}]"), 0),
        ] {
            let events = read(body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}"));
            let expect = vec![named("1", "a"); registrations];
            assert_eq!(events, Events { registrations: expect, skipped: 1 }, "{body}");
        }
    }
    let mut bytes = format!("[{good},{{\"a\":\"").into_bytes();
    bytes.extend_from_slice(b"\xff\"}]");
    assert_eq!(read(&bytes).unwrap(), Events { registrations: vec![named("1", "a")], skipped: 1 });
    // A line that is broken ends with its line.
    for broken in ["{", "{\"a\":\"", "[{", "x"] {
        let events = read(format!("{good}\n{broken}\n{good}").as_bytes()).unwrap();
        assert_eq!((events.registrations.len(), events.skipped), (2, 1), "{broken}");
    }
    for alone in ["{\"a\":1,\"a\":2}", &deep, "[1]", "{\"logs\":[7]}"] {
        assert_eq!(
            read(alone.as_bytes()).unwrap(),
            Events { registrations: Vec::new(), skipped: 1 },
            "{alone}"
        );
    }
}

#[test]
fn what_cannot_be_divided_into_events_is_refused() {
    for body in [
        "",
        " \n ",
        "{",
        "x",
        "x\ny",
        "1",
        "\"text\"",
        "null",
        "{\"logs\":{}}",
        "{\"logs\":[],\"logs\":[{}]}",
        "{} {}",
        "[{},{}",
        "[{\"a\":]},{}]",
        "{\n\"a\": \"x\n}",
        "\u{feff}{}",
    ] {
        assert!(read(body.as_bytes()).is_err(), "{}", body.get(..20).unwrap_or(body));
    }
    let long = "[".repeat(1_000_000);
    assert!(read(long.as_bytes()).is_err());
    assert!(read("{}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>().as_slice()).is_err());
}
