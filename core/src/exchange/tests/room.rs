//! How much of an answer is held: as much as the policy and the host allow, whichever is less.

use super::*;
use crate::exchange::Exchange;
use crate::exchange::respond::{Framing, Head};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const MIB: usize = 1024 * 1024;

/// The exchange of a forwarded request whose answer is cut down: a list of tools, and a caller's own
/// elements.
fn forwarded(gate: &mut Gate, path: &str) -> Exchange {
    let auth = format!("Bearer {}", token().mint());
    let headers = [("authorization", auth.as_str())];
    let list = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"}).to_string();
    let (got, exchange) = match path {
        "/mcp" => gate.post(path, &headers, list.as_bytes()),
        _ => {
            let all: Vec<(&[u8], &[u8])> = vec![
                (b":method", b"GET"),
                (b":path", path.as_bytes()),
                (b":authority", b"gateway.example.com"),
                (b"authorization", auth.as_bytes()),
            ];
            let headers = crate::request::Headers::of(&all);
            let exchange = gate.world(|world| Exchange::New.on_headers(world, headers)).exchange;
            (Got::Forwarded(Default::default(), Vec::new()), exchange)
        }
    };
    assert_eq!(got.status(), 200);
    exchange
}

#[test]
fn no_more_of_an_answer_is_held_than_the_host_takes_or_the_policy_says() {
    // The policy's cap, whether headers can be held, and how much is: a host that can't be told takes a
    // mebibyte.
    for (cap, hold_headers, expect) in
        [(4 * MIB, true, 4 * MIB), (4 * MIB, false, MIB), (4096, true, 4096), (4096, false, 4096)]
    {
        let mut gate = gate(json!({"hold_headers": hold_headers, "routes": [
            {"path": "/mcp", "mcp": {"max_body": cap, "tools": {"t": []}}},
            {"path": "/own", "response_filter": {"items": "/", "owner": "/owner", "max_bytes": cap}},
        ]}));
        for path in ["/mcp", "/own"] {
            let mut exchange = forwarded(&mut gate, path);
            let mut treated = |length: Option<usize>| {
                let length = length.map(|length| length.to_string());
                let head = Head {
                    status: 200,
                    content_type: Some(b"application/json"),
                    content_length: length.as_deref().map(str::as_bytes),
                    ..Head::default()
                };
                exchange.on_response(&gate.policy, &head)
            };
            for length in [None, Some(expect)] {
                match treated(length) {
                    Framing::Whole(most) => assert_eq!(most, expect, "{path} {cap} {hold_headers}"),
                    other => panic!("{path} {cap} {hold_headers}: {other:?}"),
                }
            }
            assert!(
                matches!(treated(Some(expect + 1)), Framing::Refuse(reply) if reply.status == 502),
                "{path} {cap} {hold_headers}"
            );
        }
    }
}
