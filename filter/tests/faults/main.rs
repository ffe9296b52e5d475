//! The filter over a host that fails: at every call in turn, in every way. Never a panic (it would end this
//! process, as it ends the VM), and never a request that passes without its permit, or with a client's own
//! identity.

#![allow(unsafe_code, reason = "the module's exports are a C interface")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod bodies;
mod connections;
mod ended;
mod limits;
mod watched;
mod host;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use host::{Fault, host};
use jwt_simple::prelude::{Claims, Duration, RS256KeyPair, RSAKeyPairLike};
use serde_json::json;
use std::sync::OnceLock;

unsafe extern "C" {
    safe fn proxy_on_context_create(context: u32, root: u32);
    safe fn proxy_on_vm_start(context: u32, size: usize) -> bool;
    safe fn proxy_on_configure(context: u32, size: usize) -> bool;
    safe fn proxy_on_tick(context: u32);
    safe fn proxy_on_queue_ready(context: u32, queue: u32);
    safe fn proxy_on_http_call_response(
        context: u32,
        token: u32,
        headers: usize,
        body: usize,
        trailers: usize,
    );
    safe fn proxy_on_grpc_receive(context: u32, token: u32, size: usize);
    safe fn proxy_on_grpc_close(context: u32, token: u32, status: u32);
    safe fn proxy_on_new_connection(context: u32) -> u32;
    safe fn proxy_on_request_headers(context: u32, headers: usize, end: bool) -> u32;
    safe fn proxy_on_request_body(context: u32, size: usize, end: bool) -> u32;
    safe fn proxy_on_request_trailers(context: u32, trailers: usize) -> u32;
    safe fn proxy_on_response_headers(context: u32, headers: usize, end: bool) -> u32;
    safe fn proxy_on_response_body(context: u32, size: usize, end: bool) -> u32;
    safe fn proxy_on_response_trailers(context: u32, trailers: usize) -> u32;
    safe fn proxy_on_log(context: u32);
    safe fn proxy_on_delete(context: u32);
}

const CONTINUE: u32 = 0;
const ROOT: u32 = 1;
const REQUEST: u32 = 2;

/// All the ways to fail.
const FAULTS: [Fault; 6] = [
    Fault::Status(1),
    Fault::Status(2),
    Fault::Status(10),
    Fault::Status(12),
    Fault::Garbage,
    Fault::Nothing,
];

struct Fixture {
    jwks: Vec<u8>,
    token: String,
}

/// The tests' moment, in Unix seconds: the host's clock stays there until a test moves it.
const NOW: u64 = 1_790_000_000;

/// One key for all tests: making one is slow.
fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let pair = RS256KeyPair::generate(2048).unwrap().with_key_id("a");
        let public = pair.public_key().to_components();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwks =
            json!({"keys": [{"kty": "RSA", "kid": "a", "n": encode(&public.n), "e": encode(&public.e)}]});
        let mut claims = Claims::create(Duration::from_hours(1))
            .with_issuer("https://idp.example/")
            .with_audience("api")
            .with_subject("ann");
        (claims.issued_at, claims.invalid_before) =
            (Some(Duration::from_secs(NOW)), Some(Duration::from_secs(NOW)));
        claims.expires_at = Some(Duration::from_secs(NOW + 3_600));
        Fixture { jwks: jwks.to_string().into_bytes(), token: pair.sign(claims).unwrap() }
    })
}

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// The request, as the upstream gets it; `None`: it doesn't.
    upstream: Option<Vec<(String, String)>>,
    /// Trailers likewise.
    trailers: Option<Vec<String>>,
    calls: usize,
}

/// A worker's life: configured, keys fetched (before or while the request waits), one request, its record.
fn run(path: &str, token: Option<&str>, keys_first: bool, fault: Option<(usize, Fault)>) -> Outcome {
    run_in("enforce", path, token, keys_first, fault)
}

fn run_in(
    mode: &'static str,
    path: &str,
    token: Option<&str>,
    keys_first: bool,
    fault: Option<(usize, Fault)>,
) -> Outcome {
    let (path, token) = (path.to_owned(), token.map(str::to_owned));
    // The SDK keeps its contexts for a thread, as a VM does.
    let life = move || {
        configure(mode, fault);
        life(&path, token.as_deref(), keys_first)
    };
    std::thread::spawn(life).join().unwrap()
}

fn configure(mode: &str, fault: Option<(usize, Fault)>) {
    let identity = if mode == "shadow" { json!({"user_query": "userId"}) } else { json!({}) };
    let policy = json!({
        "version": 1,
        "identity": identity,
        "mode": mode,
        "public_url": "https://gateway.example.com",
        "issuers": [{"issuer": "https://idp.example/", "audiences": ["api"], "jwks_uri": "https://idp.example/jwks", "jwks_cluster": "idp"}],
        "upstreams": {"default": "http://app:8080"},
        "routes": [{"path": "/v1/*"}],
        "rate_limits": [{"by": "user", "max": 60, "window": "60s"}, {"by": "address", "max": 9, "window": "60s", "on": "failures"}],
    });
    host(|host| {
        host.fault = fault;
        host.now_ns = NOW * 1_000_000_000;
        host.configuration = policy.to_string().into_bytes();
    });
}

/// Whether the worker has started.
fn start() -> bool {
    gatewaystack_filter::start();
    proxy_on_context_create(ROOT, 0);
    proxy_on_vm_start(ROOT, 0) && proxy_on_configure(ROOT, 1)
}

fn life(path: &str, token: Option<&str>, keys_first: bool) -> Outcome {
    if !start() {
        return Outcome { upstream: None, trailers: None, calls: 0 };
    }
    if keys_first {
        fetch();
    }
    let outcome = request(path, token, keys_first);
    Outcome { calls: host(|host| host.calls), ..outcome }
}

/// Two ticks, and an answer to whatever was sent.
fn fetch() {
    proxy_on_tick(ROOT);
    proxy_on_queue_ready(ROOT, 1);
    let sent = host(|host| {
        host.maps.insert(
            6,
            vec![(":status".into(), b"200".into()), ("cache-control".into(), b"max-age=60".into())],
        );
        host.call_body = fixture().jwks.clone();
        u32::try_from(host.sent.len()).unwrap()
    });
    if sent > 0 {
        proxy_on_http_call_response(ROOT, sent, 2, fixture().jwks.len(), 0);
    }
    proxy_on_tick(ROOT);
    // Anyone who waits in vain is let go after a time.
    host(|host| host.now_ns += 60_000_000_000);
    proxy_on_tick(ROOT);
}

/// Headers and trailers of a request, where the filter finds them.
fn arrive(path: &str, token: Option<&str>) {
    host(|host| {
        let mut headers: Vec<(String, Vec<u8>)> =
            [(":method", "GET"), (":path", path), (":authority", "gateway.example.com")]
                .map(|(n, v)| (n.to_owned(), v.as_bytes().to_vec()))
                .to_vec();
        // One impostor at a time: a failure to take out the one must not be hidden by the other.
        if !path.contains("userId=evil") {
            headers.push(("x-user-id".into(), b"evil".into()));
        }
        headers.extend(token.map(|t| ("authorization".to_owned(), format!("Bearer {t}").into_bytes())));
        host.maps.insert(0, headers);
        host.maps.insert(
            1,
            vec![
                ("x-user-id".into(), b"evil".into()),
                ("authorization".into(), b"evil".into()),
                ("x-sum".into(), b"1".into()),
            ],
        );
    });
}

fn request(path: &str, token: Option<&str>, keys_first: bool) -> Outcome {
    arrive(path, token);
    proxy_on_context_create(REQUEST, ROOT);
    let mut passed = proxy_on_request_headers(REQUEST, 5, false) == CONTINUE;
    // Envoy shows trailers once: to a request that is held, while it is.
    let trailers_pass = if !keys_first && !passed {
        assert_ne!(proxy_on_request_trailers(REQUEST, 3), CONTINUE, "trailers of a held request");
        fetch();
        passed = host(|host| host.continued);
        passed
    } else {
        proxy_on_request_trailers(REQUEST, 3) == CONTINUE
    };
    let upstream = passed.then(|| {
        let headers = host(|host| host.maps.get(&0).cloned().unwrap());
        headers.into_iter().map(|(n, v)| (n, String::from_utf8(v).unwrap())).collect()
    });
    let trailers = trailers_pass
        .then(|| host(|host| host.maps.get(&1).unwrap().iter().map(|(n, _)| n.clone()).collect()));
    host(|host| {
        let headers = [("x-gateway-names", "1"), ("location", "http://app:8080/x")];
        host.maps.insert(2, headers.map(|(n, v)| (n.to_owned(), v.as_bytes().to_vec())).to_vec());
    });
    proxy_on_response_headers(REQUEST, 0, true);
    proxy_on_log(REQUEST);
    proxy_on_delete(REQUEST);
    Outcome { upstream, trailers, calls: 0 }
}

fn forwarded_path(path: &str) -> Vec<(String, String)> {
    [(":method", "GET"), (":authority", "gateway.example.com"), ("x-user-id", "ann"), (":path", path)]
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .to_vec()
}

fn sorted(mut headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers.sort();
    headers
}

#[test]
fn without_faults_a_good_token_passes_and_a_missing_one_does_not() {
    for keys_first in [true, false] {
        let outcome = run("/v1/%78", Some(&fixture().token), keys_first, None);
        assert_eq!(
            outcome.upstream.map(sorted),
            Some(sorted(forwarded_path("/v1/x"))),
            "keys first: {keys_first}"
        );
        assert_eq!(outcome.trailers, Some(vec!["x-sum".to_owned()]));
        assert_eq!(run("/v1/x", None, keys_first, None).upstream, None);
        assert_eq!(run("/v1/x", Some("a.b.c"), keys_first, None).upstream, None);
    }
}

#[test]
fn whatever_call_fails_in_whatever_way_nothing_panics_and_nothing_passes_unjudged() {
    let mut passed = 0;
    for keys_first in [true, false] {
        for token in [None, Some(fixture().token.as_str())] {
            let calls = run("/v1/%78", token, keys_first, None).calls;
            assert!(calls > 20);
            for fault in (0..calls).flat_map(|at| FAULTS.map(|fault| (at, fault))) {
                let outcome = run("/v1/%78", token, keys_first, Some(fault));
                // A call that claims to have worked, and hasn't, is a lie that no filter can see: only then
                // may an edit be missing.
                let lied = fault.1 == Fault::Nothing;
                match outcome.upstream {
                    None => {}
                    Some(headers) => {
                        assert!(token.is_some(), "passed without a token: {fault:?}");
                        assert!(
                            lied || sorted(headers.clone()) == sorted(forwarded_path("/v1/x")),
                            "{fault:?}: {headers:?}"
                        );
                        passed += 1;
                    }
                }
                let spoofed = outcome.trailers.is_some_and(|t| t.iter().any(|n| n != "x-sum"));
                assert!(lied || !spoofed, "spoofed trailers passed: {fault:?}");
            }
        }
    }
    assert!(passed > 100, "most faults are survived: {passed}");
}

/// Shadow mode passes what it can't judge, and even its own faults, but never a client's word on who it is.
#[test]
fn whatever_call_fails_in_shadow_mode_no_impostor_passes() {
    let faults = [Fault::Status(1), Fault::Status(12), Fault::Garbage];
    let (mut passed, good) = (0, fixture().token.as_str());
    for path in ["/v1/x?userId=evil", "/v1//x?userId=evil", "/v1/x?a=1"] {
        for token in [None, Some(good)] {
            let calls = run_in("shadow", path, token, true, None).calls;
            for fault in (0..calls).flat_map(|at| faults.map(|fault| (at, fault))) {
                let outcome = run_in("shadow", path, token, true, Some(fault));
                let Some(headers) = outcome.upstream else { continue };
                assert!(!format!("{headers:?}").contains("evil"), "{path} {fault:?}: {headers:?}");
                passed += 1;
            }
        }
    }
    assert!(passed > 300, "most faults are survived: {passed}");
}

/// Memory has an end: as many requests as may wait do, the next is told to come again, and a place that is
/// free again is taken.
#[test]
fn only_so_many_requests_wait_for_keys() {
    let life = || {
        configure("enforce", None);
        assert!(start());
        let ask = |context: u32| {
            arrive("/v1/x", Some(&fixture().token));
            host(|host| host.answered = None);
            proxy_on_context_create(context, ROOT);
            assert_ne!(proxy_on_request_headers(context, 5, true), CONTINUE);
            host(|host| host.answered)
        };
        let first = REQUEST;
        for context in first..first + 1_024 {
            assert_eq!(ask(context), None, "{context}");
        }
        assert_eq!(ask(first + 1_024), Some(503));
        proxy_on_log(first);
        proxy_on_delete(first);
        assert_eq!(ask(first + 1_025), None);
    };
    std::thread::spawn(life).join().unwrap();
}

/// What is allowed is handed to the host at a tick, and when the plugin goes: none is lost, and none is told
/// twice.
#[test]
fn what_was_allowed_is_counted_once_at_a_tick_or_at_the_end() {
    let life = || {
        configure("enforce", None);
        assert!(start());
        fetch();
        let counted = |part: &str| {
            host(|host| host.metrics.iter().filter(|(n, _)| n.contains(part)).map(|(_, v)| v).sum::<i64>())
        };
        let (allowed, denied) = (".d.allow.r.authorized.t./v1/*", ".d.deny.r.no_token.t./v1/*");
        for (token, expect) in [(Some(fixture().token.as_str()), (0, 0)), (None, (0, 1))] {
            request("/v1/x", token, true);
            assert_eq!((counted(allowed), counted(denied)), expect);
        }
        for expect in [1, 1] {
            proxy_on_tick(ROOT);
            assert_eq!(counted(allowed), expect);
        }
        request("/v1/x", Some(&fixture().token), true);
        proxy_on_delete(ROOT);
        assert_eq!((counted(allowed), counted(denied)), (2, 1));
    };
    std::thread::spawn(life).join().unwrap();
}

#[test]
fn a_verifier_that_this_host_does_not_have_refuses_to_load() {
    for (verifier, loads) in [("native", false), ("auto", true), ("portable", true)] {
        let life = move || {
            configure("enforce", None);
            host(|host| {
                let text = String::from_utf8(host.configuration.clone()).unwrap();
                let named = text.replacen('{', &format!("{{\"verifier\":\"{verifier}\","), 1);
                host.configuration = named.into_bytes();
            });
            assert_eq!(start(), loads, "{verifier}");
        };
        std::thread::spawn(life).join().unwrap();
    }
}
