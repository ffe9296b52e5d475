//! All chains. Each of ours is next to what it is compared with.

use super::{
    bootstrap::{EMPTY, EXT_AUTHZ, NATIVE, NATIVE_CACHED, NATIVE_MINIMUM, NATIVE_MINIMUM_CACHED},
    chain::{Answer, Bearer, Chain, Filters, Load, Policy, Protocol, Setup},
};

/// A route with a scope.
pub const GET: Load = Load {
    protocol: Protocol::Http1,
    connections: 16,
    method: "GET",
    path: "/v1/tools/x",
    headers: &[],
    body: "",
    bearer: Bearer::Known,
};
pub const NEW: Load = Load { bearer: Bearer::New, ..GET };
const FORGED: Load = Load { bearer: Bearer::Forged, ..GET };
const HTTP2: Load = Load { protocol: Protocol::Http2, ..GET };

/// A call as 2026-07-28 has it: its headers say what its body says.
const CALL_BY_HEADERS: Load = Load {
    method: "POST",
    path: "/mcp",
    headers: &[
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "tool_0"),
    ],
    body: r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"tool_0","arguments":{"text":"notes of the last three weeks"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
    ..GET
};
/// The same call before: only the body tells.
const CALL_BY_BODY: Load = Load {
    headers: BY_BODY,
    body: r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"tool_0","arguments":{"text":"notes of the last three weeks"}}}"#,
    ..CALL_BY_HEADERS
};
/// The same call where nobody reads it.
const PLAIN_POST: Load = Load { path: "/plain", ..CALL_BY_HEADERS };
const BY_BODY: &[(&str, &str)] = &[
    ("Content-Type", "application/json"),
    ("Accept", "application/json, text/event-stream"),
    ("MCP-Protocol-Version", "2025-06-18"),
];

const fn list(path: &'static str) -> Load {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    Load { path, body, connections: 4, ..CALL_BY_BODY }
}

/// The whole gateway; Envoy answers what it lets through.
pub const OURS: Setup = Setup {
    policy: Policy::Full,
    filters: Filters::Ours,
    answer: Answer::Direct(200),
    log: true,
    workers: 1,
};
const OURS_MINIMUM: Setup = Setup { policy: Policy::Minimum, log: false, ..OURS };
const OURS_MCP: Setup = through(Setup { policy: Policy::Mcp, ..OURS });
const BARE: Setup = instead(Filters::None, Setup { log: false, ..OURS });
const BARE_401: Setup = instead(Filters::None, Setup { answer: Answer::Direct(401), ..OURS });
const OTHERS_MINIMUM: Setup = instead(NATIVE_MINIMUM, OURS_MINIMUM);

const fn through(setup: Setup) -> Setup {
    Setup { answer: Answer::Upstream, ..setup }
}

const fn instead(filters: Filters, setup: Setup) -> Setup {
    Setup { filters, ..setup }
}

const fn routes(count: usize) -> Setup {
    Setup { policy: Policy::Routes(count), ..OURS }
}

const fn essential(name: &'static str, about: &'static str, setup: Setup, load: Load) -> Chain {
    Chain { name, about, setup, load, status: 200, hides: None, quick: true }
}

const fn further(name: &'static str, about: &'static str, setup: Setup, load: Load) -> Chain {
    Chain { quick: false, ..essential(name, about, setup, load) }
}

const fn refused(name: &'static str, about: &'static str, setup: Setup, load: Load, status: u16) -> Chain {
    Chain { status, ..essential(name, about, setup, load) }
}

const fn cut_down(name: &'static str, about: &'static str, load: Load) -> Chain {
    Chain { hides: Some(r#""tool_1""#), ..further(name, about, OURS_MCP, load) }
}

pub static CHAINS: [Chain; 30] = [
    essential("bare", "Envoy's router alone, no log", BARE, GET),
    essential("empty_wasm", "a filter in WebAssembly that does nothing, no log", instead(EMPTY, BARE), GET),
    essential("known_token", "ours, the same token each time", OURS, GET),
    essential(
        "native_cached",
        "five native filters, `jwt_authn` with its cache",
        instead(NATIVE_CACHED, OURS),
        GET,
    ),
    essential("ext_authz", "a service asked over gRPC, its CPU included", instead(EXT_AUTHZ, OURS), GET),
    essential("new_token", "ours, every token verified", OURS, NEW),
    essential("native", "five native filters, every token verified", instead(NATIVE, OURS), NEW),
    further("minimum_known_token", "ours, smallest policy, no log", OURS_MINIMUM, GET),
    further(
        "native_minimum_cached",
        "`jwt_authn` with its cache, `rbac`, `local_ratelimit`, no log",
        instead(NATIVE_MINIMUM_CACHED, OURS_MINIMUM),
        GET,
    ),
    further("minimum_new_token", "ours, smallest policy, every token verified, no log", OURS_MINIMUM, NEW),
    further("native_minimum", "the same three, every token verified, no log", OTHERS_MINIMUM, NEW),
    essential("upstream_bare", "`bare`, through to the upstream", through(BARE), GET),
    essential("upstream_known_token", "`known_token`, through to the upstream", through(OURS), GET),
    further(
        "upstream_native_cached",
        "`native_cached`, through to the upstream",
        through(instead(NATIVE_CACHED, OURS)),
        GET,
    ),
    further("http2_bare", "`upstream_bare`, asked over HTTP/2", through(BARE), HTTP2),
    further("http2_known_token", "`upstream_known_token`, asked over HTTP/2", through(OURS), HTTP2),
    further(
        "http2_native_cached",
        "`upstream_native_cached`, asked over HTTP/2",
        through(instead(NATIVE_CACHED, OURS)),
        HTTP2,
    ),
    essential(
        "scoped_post",
        "ours, the call below on a route that doesn't read it; upstream",
        OURS_MCP,
        PLAIN_POST,
    ),
    essential("mcp_headers", "ours, `tools/call` of 2026-07-28; upstream", OURS_MCP, CALL_BY_HEADERS),
    further("mcp_body", "ours, `tools/call` of 2025-06-18; upstream", OURS_MCP, CALL_BY_BODY),
    further(
        "list_64k",
        "ours, `tools/list` of 64 KiB, half of it shown; upstream",
        OURS_MCP,
        list("/list/64"),
    ),
    cut_down("list_256k", "the same of 256 KiB", list("/list/256")),
    cut_down("list_1m", "the same of 1 MiB", list("/list/1024")),
    refused("bare_401", "Envoy's router answers 401, with a log", BARE_401, FORGED, 401),
    Chain {
        quick: false,
        ..refused("no_token_401", "ours, no token", OURS, Load { bearer: Bearer::None, ..GET }, 401)
    },
    refused(
        "invalid_flood",
        "ours, forged tokens from an address over its limit",
        Setup { policy: Policy::Failures, ..OURS },
        FORGED,
        429,
    ),
    essential("routes_10", "ours, the last of 10 routes", routes(10), Load { path: "/r/10/x", ..GET }),
    essential(
        "routes_1000",
        "ours, the last of 1,000 routes",
        routes(1000),
        Load { path: "/r/1000/x", ..GET },
    ),
    further(
        "routes_1000_filter",
        "the same, but Envoy has one route for all",
        Setup { answer: Answer::DirectByOneRoute, ..routes(1000) },
        Load { path: "/r/1000/x", ..GET },
    ),
    further(
        "four_workers",
        "`known_token` by four workers that share the user's counter",
        Setup { workers: 4, ..OURS },
        Load { connections: 64, ..GET },
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::ratio::RATIOS, CHAINS};

    #[test]
    fn names_are_unique_and_every_ratio_is_of_two_chains() {
        let names: BTreeSet<_> = CHAINS.iter().map(|chain| chain.name).collect();
        assert_eq!(names.len(), CHAINS.len());
        for ratio in &RATIOS {
            assert!(ratio.chains.iter().all(|chain| names.contains(chain)), "{}", ratio.name);
        }
    }
}
