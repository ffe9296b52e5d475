//! The same for requests whose body is judged and answers that are cut down: no body without its permit,
//! nothing of an answer that its caller must not see, in both host modes, with keys and before there are any.

use super::*;

/// One request and its answer.
#[derive(Clone)]
pub struct Life {
    pub hold: bool,
    keys_first: bool,
    has_token: bool,
    path: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    /// Type, body, and whether trailers follow.
    pub answer: (&'static str, String, bool),
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Seen {
    lied: bool,
    pub calls: usize,
    /// Headers that the upstream got.
    headers: Option<Vec<(String, Vec<u8>)>>,
    /// All of the body that it got.
    body: Option<Vec<u8>>,
    /// What the client got of the answer's headers and body.
    shown: Option<Vec<(String, Vec<u8>)>>,
    text: Vec<u8>,
    /// Whether a task is kept.
    kept: bool,
}

/// A task's id, which is in answers alone.
const TASK: &str = "of-whoami";

fn call(name: &str) -> Vec<u8> {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}})
        .to_string()
        .into_bytes()
}

fn life(path: &'static str) -> Life {
    Life {
        hold: true,
        keys_first: true,
        has_token: true,
        path,
        headers: vec![("content-type", "application/json")],
        body: call("whoami"),
        answer: ("application/json", "{}".to_owned(), false),
    }
}

fn newest(method: &'static str, name: Option<&'static str>) -> Vec<(&'static str, &'static str)> {
    let mut headers = vec![
        ("content-type", "application/json"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", method),
    ];
    headers.extend(name.map(|name| ("mcp-name", name)));
    headers
}

impl Life {
    pub fn run(&self, fault: Option<(usize, Fault)>) -> Seen {
        let life = self.clone();
        std::thread::spawn(move || life.live(fault)).join().unwrap()
    }

    /// The same over a host that was changed: whether it has ended the stream by itself, how many records
    /// there are, and what was done to it after that.
    pub fn run_with(
        &self,
        fault: Option<(usize, Fault)>,
        change: impl FnOnce(&mut host::Host) + Send + 'static,
    ) -> (bool, usize, Vec<&'static str>) {
        let life = self.clone();
        let run = move || {
            host(change);
            life.live(fault);
            host(|host| (host.ended, host.records, host.touched.clone()))
        };
        std::thread::spawn(run).join().unwrap()
    }

    fn live(&self, fault: Option<(usize, Fault)>) -> Seen {
        host(|host| {
            host.fault = fault;
            host.now_ns = NOW * 1_000_000_000;
            host.configuration = self.policy().into_bytes();
        });
        let mut seen = Seen::default();
        if start() {
            if self.keys_first {
                fetch();
            }
            self.ask(&mut seen);
            if seen.body.is_some() {
                self.answer(&mut seen);
            }
            proxy_on_log(REQUEST);
            proxy_on_delete(REQUEST);
        }
        (seen.calls, seen.lied) = host(|host| (host.calls, host.lied));
        seen.kept = host(|host| host.has_shared("gatewaystack.k."));
        seen
    }

    fn policy(&self) -> String {
        json!({
            "version": 1,
            "hold_headers": self.hold,
            "public_url": "https://gateway.example.com",
            "issuers": [{"issuer": "https://idp.example/", "audiences": ["api"], "jwks_uri": "https://idp.example/jwks", "jwks_cluster": "idp"}],
            "routes": [
                {"path": "/mcp", "mcp": {"tools": {"whoami": [], "help": "public", "purge": ["admin"]}}},
                {"path": "/notes", "response_filter": {"items": "", "owner": "/owner"}},
            ],
            "rate_limits": [],
        })
        .to_string()
    }

    /// The request, as Envoy brings it: its body in two parts, and nothing behind an answer or a reset.
    fn ask(&self, seen: &mut Seen) {
        host(|host| {
            let fixed = [
                (":method", "POST"),
                (":path", self.path),
                (":authority", "gateway.example.com"),
                ("x-user-id", "evil"),
            ];
            let mut headers: Vec<(String, Vec<u8>)> = fixed
                .iter()
                .chain(&self.headers)
                .map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec()))
                .collect();
            if self.has_token {
                headers.push(("authorization".into(), format!("Bearer {}", fixture().token).into_bytes()));
            }
            host.maps.insert(0, headers);
        });
        proxy_on_context_create(REQUEST, ROOT);
        let leave = |seen: &mut Seen| seen.headers = host(|host| host.maps.get(&0).cloned());
        let mut passes = proxy_on_request_headers(REQUEST, 5, false) == CONTINUE;
        if !passes && !self.hold {
            // Such a host stops everything until it is told to go on.
            passes = released();
            if !passes {
                return;
            }
        }
        if passes {
            leave(seen);
        }
        let mut sent = Vec::new();
        let (first, rest) = self.body.split_at(self.body.len() / 2);
        for (part, end) in [(first, false), (rest, true)] {
            if is_over() {
                return;
            }
            let size = host(|host| {
                let waiting = host.request_body.get_or_insert_default();
                waiting.extend(part);
                waiting.len()
            });
            let goes_on = proxy_on_request_body(REQUEST, size, end) == CONTINUE || end && released();
            if goes_on && seen.headers.is_none() {
                leave(seen);
            }
            if goes_on {
                sent.extend(host(|host| host.request_body.take()).unwrap_or_default());
                seen.body = end.then(|| sent.clone());
            }
        }
        // Whatever has left counts, whole or not.
        if seen.body.is_none() && !sent.is_empty() {
            seen.body = Some(sent);
        }
    }

    /// Its answer, likewise.
    fn answer(&self, seen: &mut Seen) {
        let (kind, text, trailers) = &self.answer;
        let length = text.len().to_string();
        host(|host| {
            let headers =
                [(":status", "200"), ("content-type", kind), ("content-length", &length), ("etag", "\"1\"")];
            let headers = headers.map(|(n, v)| (n.to_owned(), v.as_bytes().to_vec()));
            host.maps.insert(2, headers.to_vec());
        });
        let mut held = proxy_on_response_headers(REQUEST, 4, false) != CONTINUE;
        let mut show = |held: &mut bool| {
            let headers = host(|host| host.maps.get(&2).cloned());
            seen.shown = seen.shown.take().or(headers);
            seen.text.extend(host(|host| host.response_body.take()).unwrap_or_default());
            *held = false;
        };
        if !held {
            show(&mut held);
        }
        let (first, rest) = text.as_bytes().split_at(text.len() / 2);
        for (part, end) in [(first, false), (rest, !trailers)] {
            if is_over() {
                return;
            }
            let size = host(|host| {
                let waiting = host.response_body.get_or_insert_default();
                waiting.extend(part);
                waiting.len()
            });
            if proxy_on_response_body(REQUEST, size, end) == CONTINUE {
                show(&mut held);
            }
        }
        if *trailers && !is_over() && proxy_on_response_trailers(REQUEST, 1) == CONTINUE {
            show(&mut held);
        }
    }
}

/// Whether the request was answered or reset: nothing more of it comes.
fn is_over() -> bool {
    host(|host| host.answered.is_some() || host.reset || host.ended)
}

/// Whether a request that is held is let go once its keys may be there.
fn released() -> bool {
    if is_over() {
        return false;
    }
    host(|host| host.continued = false);
    fetch();
    host(|host| host.continued) && !is_over()
}

pub fn requests() -> Vec<(Life, bool)> {
    let mut all = Vec::new();
    for (hold, keys_first) in [(true, true), (true, false), (false, true), (false, false)] {
        let life = Life { hold, keys_first, ..life("/mcp") };
        let purge = Life { body: call("purge"), ..life.clone() };
        all.push((life.clone(), true));
        all.push((Life { headers: newest("tools/call", Some("whoami")), ..life.clone() }, true));
        all.push((Life { has_token: false, ..life.clone() }, false));
        all.push((Life { headers: newest("tools/call", Some("purge")), ..purge.clone() }, false));
        all.push((Life { headers: newest("tools/call", Some("whoami")), ..purge.clone() }, false));
        all.push((purge, false));
    }
    all
}

pub fn answers() -> Vec<(Life, &'static str)> {
    let list = r#"{"id":1,"result":{"tools":[{"name":"whoami"},{"name":"purge"}]}}"#;
    let kept = r#"{"name":"whoami""#;
    let mut all = Vec::new();
    for (hold, trailers) in [(true, false), (true, true), (false, false), (false, true)] {
        let body = json!({"id": 1, "method": "tools/list"}).to_string().into_bytes();
        let lists = Life { hold, body, headers: newest("tools/list", None), ..life("/mcp") };
        let json = ("application/json", list.to_owned(), trailers);
        all.push((Life { answer: json.clone(), ..lists.clone() }, kept));
        let events = format!(": x\n\ndata: {list}\n\ndata: {list}\n\n");
        all.push((Life { answer: ("text/event-stream", events, trailers), ..lists.clone() }, kept));
        // Under a call's id: where its headers have left, they said how long it was.
        let call = Life { hold, body: call("whoami"), ..life("/mcp") };
        all.push((Life { answer: json.clone(), ..call.clone() }, if hold { kept } else { "" }));
        let task = format!(r#"{{"id":1,"result":{{"resultType":"task","taskId":"{TASK}"}}}}"#);
        let event = format!(": x\n\ndata: {task}\n\n");
        all.push((Life { answer: ("application/json", task, trailers), ..call.clone() }, TASK));
        all.push((Life { answer: ("text/event-stream", event, trailers), ..call }, TASK));
        let disguised = ("text/event-stream", list.to_owned(), trailers);
        all.push((Life { answer: disguised, ..lists.clone() }, ""));
        let notes = Life { hold, ..life("/notes") };
        let elements = r#"[{"owner":"ann","x":1},{"owner":"purge"}]"#.to_owned();
        all.push((
            Life { answer: ("application/json", elements, trailers), ..notes.clone() },
            r#"[{"owner":"ann","x":1}]"#,
        ));
        let other = ("application/json", r#"{"owner":"purge"}"#.to_owned(), trailers);
        all.push((Life { answer: other, ..notes }, ""));
    }
    all
}

/// What must hold, whatever failed.
fn check(life: &Life, seen: &Seen, may_pass: bool, what: &str) {
    if seen.lied {
        return;
    }
    if let Some(body) = &seen.body {
        assert!(may_pass && *body == life.body, "{what}: {seen:?}");
    }
    for (name, value) in seen.headers.iter().flatten() {
        assert_ne!(name, "authorization", "{what}: {seen:?}");
        assert!(name != "x-user-id" || value == b"ann", "{what}: {seen:?}");
    }
    if life.hold && seen.body.is_none() {
        assert!(seen.headers.is_none(), "{what}: headers of a request that isn't allowed: {seen:?}");
    }
    let text = String::from_utf8_lossy(&seen.text);
    assert!(!text.contains("purge"), "{what}: {text}");
    let header = |name: &str| seen.shown.iter().flatten().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    if let Some(length) = header("content-length").filter(|_| !text.is_empty()) {
        assert_eq!(length, text.len().to_string().into_bytes(), "{what}");
    }
}

#[test]
fn without_faults_bodies_pass_with_a_permit_and_answers_are_cut_down() {
    for (life, may_pass) in requests() {
        let seen = life.run(None);
        let what = format!("hold {} keys first {} {:?}", life.hold, life.keys_first, life.headers);
        assert_eq!(seen.body.is_some(), may_pass, "{what}: {seen:?}");
        check(&life, &seen, may_pass, &what);
    }
    for (life, expect) in answers() {
        let seen = life.run(None);
        let text = String::from_utf8_lossy(&seen.text);
        assert!(text.contains(expect) && text.is_empty() == expect.is_empty(), "{:?}: {text}", life.answer);
        assert_eq!(seen.kept, expect == TASK, "{:?}", life.answer);
        check(&life, &seen, true, &life.answer.1);
    }
}

#[test]
fn whatever_call_fails_no_body_passes_without_a_permit() {
    let mut passed = 0;
    for (life, may_pass) in requests() {
        let calls = life.run(None).calls;
        assert!(calls > 10);
        for fault in (0..calls).flat_map(|at| FAULTS.map(|fault| (at, fault))) {
            let seen = life.run(Some(fault));
            check(
                &life,
                &seen,
                may_pass,
                &format!("hold {} keys first {} {fault:?}", life.hold, life.keys_first),
            );
            passed += usize::from(seen.body.is_some());
        }
    }
    assert!(passed > 100, "most faults are survived: {passed}");
}

#[test]
fn whatever_call_fails_no_answer_shows_what_its_caller_must_not_see() {
    let mut shown = 0;
    for (life, _) in answers() {
        let calls = life.run(None).calls;
        for fault in (0..calls).flat_map(|at| FAULTS.map(|fault| (at, fault))) {
            let seen = life.run(Some(fault));
            check(&life, &seen, true, &format!("hold {} {fault:?} {:?}", life.hold, life.answer));
            // A host that only says that it has written can't be seen through.
            let is_named = String::from_utf8_lossy(&seen.text).contains(TASK) && fault.1 != Fault::Nothing;
            assert!(!is_named || seen.kept, "hold {} {fault:?} {:?}", life.hold, life.answer);
            shown += usize::from(!seen.text.is_empty());
        }
    }
    assert!(shown > 100, "most faults are survived: {shown}");
}
