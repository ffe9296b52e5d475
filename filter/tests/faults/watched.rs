//! The same for bodies that are only watched: whatever fails, every chunk passes at once and as it came, no
//! impostor passes, and the record never allows what enforcing wouldn't.

use super::*;
use serde_json::Value;

const PIECE: usize = 7;

/// One request to an MCP route in shadow mode.
#[derive(Clone)]
struct Life {
    hold: bool,
    has_token: bool,
    newest: bool,
    tool: &'static str,
    /// Bytes of arguments: the route's cap is 1,024.
    filling: usize,
    ends: Ends,
    /// The reason that enforcing would have.
    expect: (&'static str, &'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// With its last chunk.
    Chunk,
    /// With trailers.
    Trailers,
    /// It has no body at all.
    Headers,
    /// Its client leaves before.
    Never,
}

#[derive(Debug, Default)]
struct Seen {
    lied: bool,
    calls: usize,
    /// Headers that the upstream got.
    headers: Option<Vec<(String, Vec<u8>)>>,
    trailers: Option<Vec<(String, Vec<u8>)>>,
    record: Value,
}

impl Seen {
    /// What would have been decided.
    fn shadow(&self, member: &str) -> Option<&str> {
        self.record.get("shadow")?.get(member)?.as_str()
    }
}

fn lives() -> Vec<Life> {
    let life = Life {
        hold: true,
        has_token: true,
        newest: false,
        tool: "whoami",
        filling: 0,
        ends: Ends::Chunk,
        expect: ("allow", "authorized"),
    };
    let mut all = Vec::new();
    for hold in [true, false] {
        let life = Life { hold, ..life.clone() };
        let purge = Life { tool: "purge", expect: ("deny", "insufficient_scope"), ..life.clone() };
        all.extend([
            Life { ends: Ends::Trailers, ..purge.clone() },
            Life { newest: true, ..purge.clone() },
            purge,
            Life { newest: true, ..life.clone() },
            Life { ends: Ends::Trailers, newest: true, ..life.clone() },
            Life { has_token: false, expect: ("deny", "no_token"), ..life.clone() },
            Life { filling: 1_024, expect: ("deny", "body_too_large"), ..life.clone() },
            Life { filling: 800, ..life.clone() },
            Life { ends: Ends::Headers, expect: ("deny", "body_malformed"), ..life.clone() },
            Life { ends: Ends::Never, expect: ("unknown", "body_unread"), ..life.clone() },
            life,
        ]);
    }
    all
}

fn policy(hold: bool, max_body: usize) -> Vec<u8> {
    json!({
        "version": 1,
        "mode": "shadow",
        "hold_headers": hold,
        "public_url": "https://gateway.example.com",
        "issuers": [{"issuer": "https://idp.example/", "audiences": ["api"], "jwks_uri": "https://idp.example/jwks", "jwks_cluster": "idp"}],
        "routes": [{"path": "/mcp", "mcp": {"tools": {"whoami": [], "help": "public", "purge": ["admin"]}, "max_body": max_body}}],
        "rate_limits": [{"by": "user", "max": 60, "window": "60s"}],
    })
    .to_string()
    .into_bytes()
}

fn prepare(fault: Option<(usize, Fault)>, policy: Vec<u8>) {
    host(|host| {
        host.fault = fault;
        host.now_ns = NOW * 1_000_000_000;
        host.configuration = policy;
    });
}

fn is_over() -> bool {
    host(|host| host.answered.is_some() || host.reset)
}

/// A chunk of a body goes through the filter: it must come out at once, and be what it was.
fn pass(context: u32, chunk: &[u8], end: bool) {
    host(|host| host.request_body = Some(chunk.to_vec()));
    assert_eq!(proxy_on_request_body(context, chunk.len(), end), CONTINUE, "a chunk was held");
    assert_eq!(host(|host| host.request_body.take()).as_deref(), Some(chunk));
}

fn record(context: u32) -> Value {
    host(|host| host.properties.remove("gatewaystack"));
    proxy_on_log(context);
    proxy_on_delete(context);
    let written = host(|host| host.properties.remove("gatewaystack"));
    written.map_or(Value::Null, |text| {
        let members = String::from_utf8(text).unwrap();
        serde_json::from_str(&format!("{{\"status\":0{members}}}")).unwrap()
    })
}

impl Life {
    fn run(&self, fault: Option<(usize, Fault)>) -> Seen {
        let life = self.clone();
        std::thread::spawn(move || life.live(fault)).join().unwrap()
    }

    fn live(&self, fault: Option<(usize, Fault)>) -> Seen {
        prepare(fault, policy(self.hold, 1_024));
        let mut seen = Seen::default();
        if start() {
            fetch();
            self.ask(&mut seen);
            seen.record = record(REQUEST);
        }
        seen.calls = host(|host| host.calls);
        // A call that claims to have shown or done everything, and hasn't, is a lie that no filter can see.
        seen.lied = fault.is_some_and(|(_, fault)| fault == Fault::Nothing);
        seen
    }

    fn ask(&self, seen: &mut Seen) {
        host(|host| host.maps.insert(0, self.headers()));
        proxy_on_context_create(REQUEST, ROOT);
        let goes_on = proxy_on_request_headers(REQUEST, 5, self.ends == Ends::Headers) == CONTINUE;
        if is_over() || !goes_on {
            return;
        }
        seen.headers = host(|host| host.maps.get(&0).cloned());
        let body = self.body();
        let chunks: Vec<&[u8]> = body.chunks(PIECE).collect();
        let sent = match self.ends {
            Ends::Headers => 0,
            Ends::Never => chunks.len() - 1,
            Ends::Chunk | Ends::Trailers => chunks.len(),
        };
        for (at, chunk) in chunks.iter().take(sent).enumerate() {
            pass(REQUEST, chunk, self.ends == Ends::Chunk && at + 1 == sent);
            assert!(!is_over(), "whatever its body says, it passes");
        }
        if self.ends == Ends::Trailers {
            let trailers =
                vec![("x-user-id".to_owned(), b"evil".to_vec()), ("x-sum".to_owned(), b"1".to_vec())];
            host(|host| host.maps.insert(1, trailers));
            let goes_on = proxy_on_request_trailers(REQUEST, 2) == CONTINUE;
            seen.trailers = host(|host| host.maps.get(&1).cloned()).filter(|_| goes_on);
        }
    }

    fn headers(&self) -> Vec<(String, Vec<u8>)> {
        let bearer = format!("Bearer {}", fixture().token);
        let mut headers = vec![
            (":method", "POST"),
            (":path", "/mcp"),
            (":authority", "gateway.example.com"),
            ("content-type", "application/json"),
            ("x-user-id", "evil"),
        ];
        if self.newest {
            let newest = [
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-method", "tools/call"),
                ("mcp-name", self.tool),
            ];
            headers.extend(newest);
        }
        headers.extend(self.has_token.then_some(("authorization", bearer.as_str())));
        headers.into_iter().map(|(n, v)| (n.to_owned(), v.as_bytes().to_vec())).collect()
    }

    fn body(&self) -> Vec<u8> {
        let params = json!({"name": self.tool, "arguments": "a".repeat(self.filling)});
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string().into_bytes()
    }

    /// What must hold, whatever failed.
    fn check(&self, seen: &Seen, what: &str) {
        if seen.shadow("decision") == Some("allow") {
            assert_eq!(self.expect.0, "allow", "{what}: {seen:?}");
        }
        if seen.shadow("reason") == Some("body_malformed") {
            assert_eq!(self.expect.1, "body_malformed", "{what}: a part was judged for the whole: {seen:?}");
        }
        if seen.lied {
            return;
        }
        for (name, value) in seen.headers.iter().chain(&seen.trailers).flatten() {
            assert_ne!((name.as_str(), value.as_slice()), ("x-user-id", b"evil".as_slice()), "{what}");
        }
    }
}

#[test]
fn without_faults_a_watched_body_is_judged_as_it_passes() {
    for life in lives() {
        let seen = life.run(None);
        let what = format!("hold {} newest {} {} {:?}", life.hold, life.newest, life.tool, life.ends);
        let headers = seen.headers.as_ref().unwrap();
        assert!(headers.iter().all(|(name, _)| name != "x-user-id"), "nobody is named: {what}");
        assert_eq!(headers.iter().any(|(name, _)| name == "authorization"), life.has_token, "{what}");
        let expect = life.expect;
        let decided = (seen.shadow("decision"), seen.shadow("reason"));
        assert_eq!(decided, (Some(expect.0), Some(expect.1)), "{what}");
        assert_eq!((&seen.record["decision"], &seen.record["reason"]), (&json!("allow"), &json!("shadow")));
        let is_read = ["authorized", "insufficient_scope", "no_token"].contains(&expect.1);
        assert!(!is_read || seen.record["tool"] == life.tool, "{what}: {}", seen.record);
        life.check(&seen, &what);
    }
}

#[test]
fn whatever_call_fails_a_watched_body_passes_as_it_came() {
    let (mut judged, mut unknown) = (0, 0);
    for life in lives() {
        let calls = life.run(None).calls;
        assert!(calls > 10);
        // One of many chunks fails as another does.
        for fault in (0..calls.min(60))
            .chain(calls.saturating_sub(8)..calls)
            .flat_map(|at| FAULTS.map(|fault| (at, fault)))
        {
            let seen = life.run(Some(fault));
            life.check(&seen, &format!("hold {} {} {:?} {fault:?}", life.hold, life.tool, life.ends));
            let reason = seen.shadow("reason");
            judged += usize::from(reason == Some(life.expect.1));
            unknown += usize::from(life.expect.0 != "unknown" && reason == Some("body_unread"));
        }
    }
    assert!(judged > 1_000 && unknown > 100, "most faults are survived: {judged} {unknown}");
}

/// Memory has an end: a body for which there is no room passes as well, and is judged again once there is.
#[test]
fn only_so_much_is_copied_at_once() {
    const LARGE: usize = 40 * 1024 * 1024;
    let life = || {
        prepare(None, policy(true, LARGE));
        assert!(start());
        fetch();
        let life = Life { ends: Ends::Chunk, ..lives().remove(0) };
        let mut large = vec![b' '; LARGE];
        large[0] = b'}';
        let open = |context: u32| {
            host(|host| host.maps.insert(0, life.headers()));
            proxy_on_context_create(context, ROOT);
            assert_eq!(proxy_on_request_headers(context, 5, false), CONTINUE);
            pass(context, &large, false);
        };
        let end = |context: u32| {
            pass(context, b"", true);
            record(context)["shadow"]["reason"].clone()
        };
        (REQUEST..REQUEST + 3).for_each(open);
        assert_eq!(end(REQUEST + 1), "body_unread");
        assert_eq!(end(REQUEST), "body_malformed");
        open(REQUEST + 3);
        assert_eq!(end(REQUEST + 2), "body_unread");
        assert_eq!(end(REQUEST + 3), "body_malformed");
        // Anyone who leaves makes room, too.
        open(REQUEST + 4);
        assert_eq!(record(REQUEST + 4)["shadow"]["reason"], "body_unread");
        open(REQUEST + 5);
        assert_eq!(end(REQUEST + 5), "body_malformed");
    };
    std::thread::spawn(life).join().unwrap();
}
