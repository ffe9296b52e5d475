//! The same while a rate limit service is asked: whatever fails, nothing passes that it refused, or that
//! nobody counted where a rule says so.

use super::*;

/// What the service says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Within,
    Over,
    Nonsense,
    /// It is gone: a gRPC status.
    Gone,
}

impl Says {
    fn message(self) -> &'static [u8] {
        match self {
            Self::Within => &[0x08, 1],
            Self::Over => &[0x08, 2],
            Self::Nonsense => &[0xff; 9],
            Self::Gone => &[],
        }
    }
}

#[derive(Debug, Default)]
struct Got {
    passed: bool,
    status: Option<u32>,
    asked: usize,
    calls: usize,
    lied: bool,
    grpc_at: Option<usize>,
}

/// Puts a limit over machines into the policy, instead of those of this gateway.
fn count_elsewhere(mode: &str) {
    host(|host| {
        let mut policy: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&host.configuration).unwrap();
        policy.insert("rate_limit_service".into(), json!({"cluster": "limits"}));
        let rule = json!({"by": "user", "max": 9, "window": "1h", "scope": "global", "failure_mode": mode});
        policy.insert("rate_limits".into(), json!([rule]));
        host.configuration = serde_json::to_vec(&policy).unwrap();
    });
}

/// One request; `keys_first`: else it waits for keys before it is asked about.
fn run(mode: &'static str, says: Says, keys_first: bool, fault: Option<(usize, Fault)>) -> Got {
    let life = move || {
        configure("enforce", fault);
        count_elsewhere(mode);
        if !start() {
            return Got::default();
        }
        if keys_first {
            fetch();
        }
        arrive("/v1/x", Some(&fixture().token));
        proxy_on_context_create(REQUEST, ROOT);
        host(|host| host.effective = REQUEST);
        let mut passed = proxy_on_request_headers(REQUEST, 5, true) == CONTINUE;
        if !keys_first && !passed {
            fetch();
        }
        let asked = host(|host| {
            assert!(!(host.continued && host.asked.is_empty()) || mode == "allow" || fault.is_some());
            host.grpc_answer = Some(says.message().to_vec());
            // The root's, no matter who asked; but where the host says that the root is chosen, and hasn't
            // chosen it, which no filter can see.
            let lies = matches!(fault, Some((_, Fault::Nothing)));
            assert!(host.asked.is_empty() || host.grpc_owner == ROOT || lies, "{fault:?}");
            u32::try_from(host.asked.len()).unwrap()
        });
        if asked > 0 {
            // Envoy calls back once, the context that made the call.
            match says {
                Says::Gone => proxy_on_grpc_close(ROOT, asked, 14),
                _ => proxy_on_grpc_receive(ROOT, asked, says.message().len()),
            }
        }
        passed |= host(|host| host.continued);
        proxy_on_log(REQUEST);
        proxy_on_delete(REQUEST);
        host(|host| Got {
            passed,
            status: host.answered,
            asked: host.asked.len(),
            calls: host.calls,
            lied: host.lied,
            grpc_at: host.grpc_at,
        })
    };
    std::thread::spawn(life).join().unwrap()
}

const ANSWERS: [Says; 4] = [Says::Within, Says::Over, Says::Nonsense, Says::Gone];

#[test]
fn what_the_service_says_decides_and_without_it_the_failure_mode() {
    for keys_first in [true, false] {
        for (mode, expect) in
            [("deny", [None, Some(429), Some(503), Some(503)]), ("allow", [None, Some(429), None, None])]
        {
            for (says, expect) in ANSWERS.into_iter().zip(expect) {
                let got = run(mode, says, keys_first, None);
                let what = format!("{mode} {says:?}, keys first: {keys_first}");
                assert_eq!((got.passed, got.status, got.asked), (expect.is_none(), expect, 1), "{what}");
            }
        }
    }
}

#[test]
fn whatever_call_fails_nothing_passes_that_was_not_counted() {
    let mut passed = 0;
    for keys_first in [true, false] {
        for says in ANSWERS {
            let calls = run("deny", says, keys_first, None).calls;
            for fault in (0..calls).flat_map(|at| FAULTS.map(|fault| (at, fault))) {
                let got = run("deny", says, keys_first, Some(fault));
                assert!(got.lied || !got.passed || says == Says::Within, "{says:?} {fault:?}: {got:?}");
                assert!(!got.passed || got.asked == 1, "{says:?} {fault:?}: {got:?}");
                passed += u32::from(got.passed);
            }
        }
    }
    assert!(passed > 50, "most faults are survived: {passed}");
}

/// The host can't ask at all: no such cluster, no host of it, or its circuit breaker is open.
#[test]
fn where_the_service_can_not_be_asked_a_request_passes_or_is_answered_whenever_it_was() {
    for keys_first in [true, false] {
        for (mode, expect) in [("allow", (true, None)), ("deny", (false, Some(503)))] {
            let at = run(mode, Says::Within, keys_first, None).grpc_at.unwrap();
            for status in [1, 2, 10] {
                let got = run(mode, Says::Within, keys_first, Some((at, Fault::Status(status))));
                assert_eq!(
                    (got.passed, got.status, got.asked),
                    (expect.0, expect.1, 0),
                    "{mode} {keys_first}"
                );
            }
        }
    }
}

/// The SDK keeps a note of each call until its answer; a request that is gone must not be found by it, nor
/// kept.
#[test]
fn an_answer_to_a_request_that_is_gone_finds_nobody() {
    let life = || {
        configure("enforce", None);
        count_elsewhere("deny");
        assert!(start());
        fetch();
        arrive("/v1/x", Some(&fixture().token));
        proxy_on_context_create(REQUEST, ROOT);
        assert_ne!(proxy_on_request_headers(REQUEST, 5, true), CONTINUE);
        assert_eq!(host(|host| host.asked.len()), 1);
        proxy_on_log(REQUEST);
        proxy_on_delete(REQUEST);
        host(|host| host.grpc_answer = Some(vec![0x08, 1]));
        proxy_on_grpc_receive(ROOT, 1, 2);
        assert!(!host(|host| host.continued));
        // The next request isn't taken for it.
        arrive("/v1/x", Some(&fixture().token));
        proxy_on_context_create(REQUEST + 1, ROOT);
        assert_ne!(proxy_on_request_headers(REQUEST + 1, 5, true), CONTINUE);
        proxy_on_grpc_receive(ROOT, 1, 2);
        assert!(!host(|host| host.continued));
        proxy_on_grpc_receive(ROOT, 2, 2);
        assert!(host(|host| host.continued));
    };
    std::thread::spawn(life).join().unwrap();
}
