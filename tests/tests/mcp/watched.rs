//! Shadow mode: bodies reach the upstream at once and as they came, and the records say what enforcing would
//! have decided about them.

use super::*;
use std::cell::Cell;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const CAP: usize = 2_048;
/// One era whose calls are in their bodies alone, and the one whose headers name them, too.
const BOTH_FORMS: [&str; 2] = ["2025-06-18", NEWEST];

/// A gateway that only watches.
struct Watching {
    stage: Stage,
    /// Requests until it had its keys.
    before: usize,
}

/// By the file's mode, or by that of the one route. Nothing waits for keys there, so it has them already.
async fn watching(held: bool, whole_file: bool, limits: &Value) -> Watching {
    let (issuer, upstream) = (TestIssuer::start().await, Scripted::start().await);
    let mut route = mcp(json!({ "max_body": CAP }));
    let mut policy = json!({ "rate_limits": limits });
    let mode = if whole_file { &mut policy } else { &mut route };
    mode["mode"] = json!("shadow");
    policy["routes"] = json!([route]);
    let builder = gateway().policy(policy).issuer(&issuer).upstream(&upstream.url);
    let builder = if held { builder } else { builder.without_held_headers() };
    let stage = Stage { gateway: builder.start().await, issuer, upstream, held };
    let (nobody, before) = (token().mint(&stage.issuer), Cell::new(0));
    eventually("a call that is judged by the issuer's keys", || async {
        stage.send(Http::One, post("/mcp", call("whoami")).bearer(Some(&nobody))).await;
        before.set(before.get() + 1);
        let records = stage.gateway.records(before.get()).await;
        (records.last()?["shadow"]["reason"] == "authorized").then_some(())
    })
    .await;
    Watching { before: before.get(), stage }
}

/// A call with so many bytes of arguments.
fn long_call(name: &str, filling: usize) -> String {
    let params = json!({"name": name, "arguments": "a".repeat(filling)});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()
}

impl Watching {
    /// Sends what passes whatever it says, and sees that it arrived as it was sent, in nobody's name.
    async fn passes(&self, http: Http, ask: Ask, what: &str) {
        let body = ask.pieces.concat();
        let bearer = ask.headers.iter().any(|(name, _)| name == "authorization");
        let got = self.stage.send(http, ask.header("x-user-id", "evil")).await;
        assert_eq!(got.status, 200, "{http:?} held {} {what}: {got:?}", self.stage.held);
        assert!(got.body.contains("\"result\""), "the upstream's own answer: {got:?}");
        let last = self.stage.upstream.seen().pop().unwrap();
        assert!(
            last.content() == body,
            "{http:?} held {} {what}: every byte, once, in order",
            self.stage.held
        );
        assert_eq!(last.header("authorization").len(), usize::from(bearer), "{what}");
        assert!(last.header("x-user-id").is_empty(), "{what}: {last:?}");
    }

    async fn last_record(&self, count: usize) -> Value {
        self.records(count).await.pop().unwrap()
    }

    async fn records(&self, count: usize) -> Vec<Value> {
        let records = self.stage.gateway.records(self.before + count).await;
        assert_eq!(records.len(), self.before + count, "one record each");
        records[self.before..].to_vec()
    }

    /// A call whose end is still to come, once its first half has reached the upstream.
    async fn half_sent(&self, token: &str, call: &str) -> tokio::net::TcpStream {
        let before = self.stage.upstream.seen().len();
        let (first, _) = call.split_at(call.len() / 2);
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            call.len()
        );
        let mut stream = tokio::net::TcpStream::connect(self.stage.gateway.address()).await.unwrap();
        stream.write_all(format!("{head}{first}").as_bytes()).await.unwrap();
        eventually("the first half upstream, before the second is sent", || async {
            let seen = self.stage.upstream.seen().split_off(before);
            seen.first().is_some_and(|seen| seen.body == first.as_bytes()).then_some(())
        })
        .await;
        stream
    }
}

#[tokio::test]
async fn every_call_passes_as_it_came_and_is_recorded_as_it_would_be_decided() {
    for (held, whole_file) in [(true, true), (true, false), (false, true), (false, false)] {
        let watching = watching(held, whole_file, &json!([])).await;
        let reader = watching.stage.reader();
        let (mut asked, mut denied) = (Vec::new(), 0);
        for (http, era) in BOTH.into_iter().flat_map(|http| BOTH_FORMS.map(|era| (http, era))) {
            for (name, token, decision, reason, status) in [
                ("help", None, "allow", "public", 0),
                ("whoami", None, "deny", "no_token", 401),
                ("help", Some("a.b.c"), "deny", "token_malformed", 401),
                ("list_notes", Some(reader.as_str()), "allow", "authorized", 0),
                ("add_note", Some(reader.as_str()), "deny", "insufficient_scope", 403),
                ("unheard_of", Some(reader.as_str()), "deny", "unlisted", 403),
            ] {
                let ask = in_era(post("/mcp", call(name)).bearer(token), era, "tools/call", Some(name));
                let ways = [ask.clone(), ask.clone().cut(1), ask.cut(9).trailer("x-sum", "1")];
                for (at, ask) in ways.into_iter().enumerate() {
                    watching.passes(http, ask, &format!("{era} {name} {at}")).await;
                    denied += u64::from(reason == "insufficient_scope");
                    asked.push((name, json!({"decision": decision, "reason": reason, "status": status})));
                }
            }
        }
        let records = watching.records(asked.len()).await;
        for (record, (name, shadow)) in records.iter().zip(&asked) {
            assert_eq!(record["shadow"], *shadow, "held {held} {name}: {record}");
            assert_eq!(
                (&record["tool"], &record["operation"], &record["decision"], &record["status"]),
                (&json!(name), &json!("tools/call"), &json!("allow"), &json!(200)),
                "{record}"
            );
        }
        let name = "gatewaystack_decisions_total.d.shadow_deny.r.insufficient_scope.t./mcp";
        let gateway = &watching.stage.gateway;
        assert_eq!(gateway.stat(&[name]).await, denied);
        let request = b"GET /stats/prometheus HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let shown = client::raw(&gateway.rendered.admin, request).await.body;
        let labels = ["decision=\"shadow_deny\"", "reason=\"insufficient_scope\"", "route=\"/mcp\""];
        let is = |line: &&str| {
            line.contains("gatewaystack_decisions_total") && labels.iter().all(|label| line.contains(label))
        };
        assert_eq!(shown.lines().filter(is).count(), 1, "a label, not a part of the name");
        let all = u64::try_from(watching.before + asked.len()).unwrap();
        assert_eq!(gateway.stat(&["gatewaystack_decisions_total"]).await, all, "each once");
    }
}

#[tokio::test]
async fn a_body_over_the_cap_or_of_no_known_form_passes_and_is_recorded_so() {
    for held in [true, false] {
        let watching = watching(held, held, &json!([])).await;
        let good = watching.stage.reader();
        let fits = CAP - long_call("list_notes", 0).len();
        let mut count = 0;
        for http in BOTH {
            for (body, reason) in [
                (long_call("list_notes", fits), "authorized"),
                (long_call("list_notes", fits + 1), "body_too_large"),
                (long_call("list_notes", 200_000), "body_too_large"),
                ("{\"id\":1".to_owned(), "body_malformed"),
                (String::new(), "body_malformed"),
            ] {
                for size in [1_000, 16_000] {
                    let whole = post("/mcp", &body).bearer(Some(&good));
                    let ask = if body.is_empty() { whole } else { whole.cut(size) };
                    watching.passes(http, ask, reason).await;
                    count += 1;
                    let record = watching.last_record(count).await;
                    assert_eq!(record["shadow"]["reason"], reason, "{http:?} held {held} {size} {record}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_first_chunk_is_upstream_before_the_last_is_sent() {
    for held in [true, false] {
        let watching = watching(held, held, &json!([])).await;
        let (good, call) = (watching.stage.reader(), long_call("add_note", 100));
        let mut stream = watching.half_sent(&good, &call).await;
        stream.write_all(call.split_at(call.len() / 2).1.as_bytes()).await.unwrap();
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1 200");
        drop(stream);
        assert_eq!(watching.stage.upstream.seen().pop().unwrap().text(), call);
        assert_eq!(watching.last_record(1).await["shadow"]["reason"], "insufficient_scope");
        // One whose end never comes.
        drop(watching.half_sent(&good, &call).await);
        let record = watching.last_record(2).await;
        let shadow = json!({"decision": "unknown", "reason": "body_unread", "status": 0});
        assert_eq!((&record["shadow"], &record["tool"]), (&shadow, &Value::Null), "{record}");
    }
}

#[tokio::test]
async fn limits_count_what_is_watched_as_they_would_if_they_held() {
    for held in [true, false] {
        let limits = json!([{"by": "user", "max": 2, "window": "1h", "tools": ["list_notes"]}]);
        let watching = watching(held, held, &limits).await;
        let good = watching.stage.reader();
        for (at, (name, reason)) in [
            ("list_notes", "authorized"),
            ("add_note", "insufficient_scope"),
            ("list_notes", "authorized"),
            ("list_notes", "rate_limited"),
            ("whoami", "authorized"),
        ]
        .into_iter()
        .enumerate()
        {
            let ask = in_era(
                post("/mcp", call(name)).bearer(Some(&good)),
                BOTH_FORMS[at % 2],
                "tools/call",
                Some(name),
            );
            watching.passes(BOTH[at % 2], ask, name).await;
            assert_eq!(watching.last_record(at + 1).await["shadow"]["reason"], reason, "held {held} {at}");
        }
    }
}
