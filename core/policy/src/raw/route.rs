//! One of `routes`, with its response filter and its MCP rules.

use super::words::*;
use crate::bounds;
use crate::form::{Form, Members, Reading};
use crate::reference::*;
use serde_json::Value;
use std::collections::BTreeMap;

raw! {
    /// `routes[]`
    RawRoute at "routes[]" {
        /// `/status` alone; `/v1/tools/*` all below; `/v1/users/*/notes` with any one segment. A slash at the
        /// end doesn't count.
        path: String = both("/v1/tools/*").text(PATTERN).required(),
        /// Which methods; `GET` takes `HEAD` in.
        methods: Vec<String> = both("[GET, POST]").count(bounds::SOME).text(METHOD).means("all"),
        /// Which hosts, without port, in any case.
        hosts: Vec<String> = both("[admin.example.com]").count(bounds::SOME).text(HOST).means("all"),
        /// `public`: nobody has to sign in.
        access: RawAccess = filter("public").is("token"),
        /// It is meant that this public route takes requests of a later one that needs a token.
        hides: RawHides = filter("allowed").means("`check` refuses such a route"),
        /// Whose tokens are good here.
        issuers: Vec<String> = filter("[\"https://tenant.eu.auth0.com/\"]").count(bounds::SOME).text(ISSUER)
            .means("all"),
        /// Good here in addition to the issuer's.
        audiences: Vec<String> = filter("[\"https://admin.example.com\"]").text(plain(2_048)).is("[]"),
        /// `strict`: only the route's own audiences count.
        audience: RawAudience = filter("strict").is("issuer"),
        /// Tokens of machines are refused.
        users_only: bool = filter("true").is("false"),
        /// All of these are needed. Without them any good token passes.
        scopes: Vec<String> = filter("[\"tool:read\"]").text(SCOPE).is("[]"),
        /// One of these is needed, in addition to `scopes`.
        any_scope: Vec<String> = filter("[admin, owner]").count(bounds::SOME).text(SCOPE),
        /// Whether the token travels on.
        forward_authorization: bool = filter("true").is("false"),
        /// Whether this route refuses, or only records.
        mode: RawMode = both("enforce").means("the policy's").locked(),
        /// Upgrades that pass.
        upgrade: Vec<RawUpgrade> = both("[websocket]").is("[]"),
        /// Where its requests go.
        upstream: String = own("notes").text(NAMED).means("`default`"),
        /// Whole segments at the path's beginning that the upstream doesn't see. Redirects of the upstream
        /// [lead back](decisions/0018-an-upstreams-addresses.md).
        strip_prefix: String = own("/v1").text(PREFIX),
        /// Where the stripped path reaches what another route has other rules for: `allowed`: that is meant;
        /// `strict`: those rules hold ([why](decisions/0015-two-paths-to-one-server.md)).
        aliases: RawAliases = filter("strict").means("an error where it matters"),
        /// Time to an answer's headers; `0`: none.
        timeout: RawDuration = own("30s").within(bounds::TIMEOUT_MS).means("the policy's"),
        /// Whether its requests need an audit log that can be written.
        audit: RawRouteAudit = filter("{ required: true }").means("the policy's `audit.required`"),
        /// Cuts answers down to the caller's own elements.
        response_filter: RawResponseFilter = filter("{ items: /notes, owner: /owner }"),
        /// Makes it an MCP route.
        mcp: RawMcp = filter("{ tools: { whoami: [] } }"),
    }
}

raw! {
    /// `routes[].audit`
    RawRouteAudit at "routes[].audit" {
        /// While nothing can be added to the audit log, its requests get 503.
        required: bool = filter("true").means("the policy's `audit.required`"),
    }
}

raw! {
    /// `routes[].response_filter`
    RawResponseFilter at "routes[].response_filter" {
        /// Where the list is; `""`: the whole answer.
        items: String = filter("/notes").text(POINTER).required(),
        /// Where an element's owner is.
        owner: String = filter("/owner").text(POINTER).required(),
        /// An element without an owner: the whole answer is refused, or (`keep`) it stays.
        on_missing: RawOnMissing = filter("keep").is("refuse"),
        /// The longest answer, in bytes.
        max_bytes: u64 = filter("4194304").within(bounds::BODY_BYTES).is("1048576"),
    }
}

raw! {
    /// `routes[].mcp`; the rules' own form is read by `compile/mcp.rs`.
    RawMcp at "routes[].mcp" {
        /// The identifier of this protected resource, and an audience.
        resource: String = both("https://gateway.example.com/mcp").text(IDENTIFIER)
            .means("`public_url` and the path"),
        /// Rules by name, exact.
        tools: BTreeMap<String, Value> = filter("{ whoami: [], list_notes: [\"notes:read\"] }")
            .keys(plain(1_024)).count(bounds::RULES).is("{}"),
        /// Tools without a rule; `allow`: any good token.
        unlisted: String = filter("allow").words(&["deny", "allow"]).is("deny"),
        /// Rules as for tools; `unlisted: allow` stands among them.
        prompts: BTreeMap<String, Value> = filter("{ summary: public }")
            .keys(plain(1_024)).count(bounds::RULES).is("{}"),
        /// Rules as for prompts, by URI; `notes://*` is all that begin so, and the longest that fits counts.
        resources: BTreeMap<String, Value> = filter("{ \"notes://*\": [\"notes:read\"] }")
            .keys(RESOURCE).count(bounds::RULES).is("{}"),
        /// Methods that nobody has to sign in for.
        lazy_auth: Vec<String> = filter("[initialize, tools/list]").text(plain(128)).is("[]"),
        /// `meta`: a refused `tools/call` is a result with `_meta["mcp/www_authenticate"]`, as ChatGPT reads
        /// it. `auto` is `http`.
        challenge_mode: RawChallengeMode = filter("meta").is("http"),
        /// A session is its caller's alone (issuer, user and tenant); `pass`: the server sees to that.
        sessions: RawSessions = filter("pass").is("bind"),
        /// Tasks that the gateway knows follow their tool's rule ([how](mcp-support.md#features)), and others
        /// are refused where a tool needs more than a token. `allow`: any good token, and lists without what
        /// is known to be another's; `deny`: no task at all, nor a call that asks for one (`params.task`).
        tasks: RawTasks = filter("deny").means("by the tools"),
        /// Origins that may call; a request without one passes.
        allowed_origins: Vec<String> = filter("[\"https://app.example.com\"]").text(ORIGIN)
            .means("those of `cors`, and our own hosts"),
        /// The longest call, and the longest list, in bytes.
        max_body: u64 = filter("4194304").within(bounds::BODY_BYTES).is("1048576"),
    }
}

/// A rule of an MCP route that isn't a word or a list.
pub const RULE: Section = Section {
    name: "routes[].mcp.tools.*",
    members: &[
        Member {
            name: "scopes",
            what: "All of these are needed.",
            shape: <Vec<String> as Described>::SHAPE,
            facts: filter("[\"notes:write\"]").text(SCOPE).is("[]"),
        },
        Member {
            name: "any_scope",
            what: "One of these is needed, beside `scopes`.",
            shape: <Vec<String> as Described>::SHAPE,
            facts: filter("[admin, owner]").count(bounds::SOME).text(SCOPE),
        },
    ],
};

// What is read as it is, is a rule.
impl Described for Value {
    const SHAPE: Shape = Shape::Rule(&RULE);
}
