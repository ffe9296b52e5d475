//! One of `issuers`.

use super::words::{RawDuration, RawFold, RawScalar};
use crate::bounds;
use crate::form::{Form, Members, Reading};
use crate::reference::*;
use serde_json::Value;
use std::collections::BTreeMap;

raw! {
    /// `issuers[]`
    RawIssuer at "issuers[]" {
        /// The identifier, byte for byte as in `iss`.
        issuer: String = both("https://tenant.eu.auth0.com/").text(URL).required_or("AUTH_ISSUER"),
        /// One of them has to be in `aud`.
        audiences: Vec<String> = both("[\"https://gateway.example.com/api\"]")
            .count(bounds::SOME).text(plain(2_048)).required_or("AUTH_AUDIENCE"),
        /// Where the keys are.
        jwks_uri: String = both("https://tenant.eu.auth0.com/.well-known/jwks.json").text(URL)
            .means("discovered"),
        /// The Envoy cluster to fetch them through; a mesh has to name one.
        jwks_cluster: String = both("\"outbound|443||tenant.eu.auth0.com\"").text(CLUSTER)
            .means("made by `render`"),
        /// How often keys are fetched; `Cache-Control: max-age` counts within the same range.
        refresh: RawDuration = filter("10m").within(bounds::REFRESH_MS).is("5m"),
        /// How long keys are used that can't be fetched anew; not less than `refresh`.
        max_stale: RawDuration = filter("6h").within(bounds::MAX_STALE_MS).is("24h"),
        /// By which clocks may differ.
        leeway: RawDuration = filter("30s").within(bounds::LEEWAY_MS).is("60s"),
        /// How its tokens may be signed. A key verifies what it is made for: RSA keys `RS256`, keys of
        /// the curve P-256 `ES256`.
        algorithms: Vec<String> = filter("[RS256, ES256]").count(bounds::SOME).words(&["RS256", "ES256"])
            .is("[RS256]"),
        /// The claim that says who it is: its name, or a JSON pointer to it.
        user_claim: String = filter("oid").text(CLAIM).is("sub"),
        /// The claim that says of which tenant, likewise.
        tenant_claim: String = filter("tid").text(CLAIM).is("org_id"),
        /// The claims that scopes are in, likewise.
        scope_claims: Vec<String> = filter("[scp, /realm_access/roles]").count(bounds::SOME).text(CLAIM)
            .is("[scope, scp, scopes, permissions]"),
        /// The claims that groups are in, likewise.
        group_claims: Vec<String> = filter("[groups, /realm_access/roles]").count(bounds::SOME).text(CLAIM)
            .is("[groups, roles, \"cognito:groups\"]"),
        /// Those that this issuer may grant; others are dropped.
        scopes: Vec<String> = filter("[\"tool:read\"]").text(SCOPE).means("any"),
        /// What scopes begin with where they are asked for (`api://APP/` of Entra).
        scope_prefix: String = both("\"api://66666666-7777-8888-9999-000000000000/\"").text(SCOPE),
        /// Those that may act; others are refused.
        tenants: Vec<String> = filter("[acme, globex]").count(bounds::SOME).text(plain(512)).means("any"),
        /// What marks the tokens of machines, besides the marks that are known anyhow; one is enough.
        machine: Vec<RawMark> = filter("[{ claim: kind, is: service }]").count(bounds::SOME).means("none"),
        /// Who it is by a claim that means the same at every issuer, such as a verified address: only where
        /// every issuer has it. It takes the place of `user_claim`, and users have no prefix then.
        user: RawUser = filter("{ claim: email, requires: { email_verified: true } }").means("`user_claim`"),
        /// Put before user and tenant, so that no issuer can name another's users.
        user_prefix: String = filter("\"partner|\"").text(plain(64))
            .means("none for the first issuer, required for others; with `user` the issuer's identifier and `|`"),
    }
}

raw! {
    /// `issuers[].machine[]`
    RawMark at "issuers[].machine[]" {
        /// The claim: its name, or a JSON pointer to it. With a list one of its elements is enough.
        claim: String = filter("kind").text(CLAIM).required(),
        /// It has this value, and this type.
        is: RawScalar = filter("service"),
        /// It is a text that begins like this.
        prefix: String = filter("svc-").text(plain(256)),
        /// Whether it is there.
        exists: bool = filter("true"),
    }
}

raw! {
    /// `issuers[].user`
    RawUser at "issuers[].user" {
        /// The claim: its name, or a JSON pointer to it.
        claim: String = filter("email").text(CLAIM).required(),
        /// What other claims have to be, by value and type: a token of which one isn't is refused (401).
        requires: BTreeMap<String, RawScalar> = filter("{ email_verified: true }").keys(CLAIM).means("nothing"),
        /// `lower`: names that differ by case alone, or by how their accents are written, are one.
        fold: RawFold = filter("lower").means("they are as they are written"),
    }
}

raw! {
    /// `links[]`
    RawLink at "links[]" {
        /// The user, as upstreams, records, limits and blocks name them.
        user: String = filter("ann").text(plain(512)).required(),
        /// What issuers call them.
        is: Vec<RawAccount> = filter("[{ issuer: \"https://tenant.eu.auth0.com/\", sub: \"auth0|1\" }]")
            .count(bounds::SOME).required(),
    }
}

raw! {
    /// `links[].is[]`
    RawAccount at "links[].is[]" {
        /// An issuer of this policy.
        issuer: String = filter("https://tenant.eu.auth0.com/").text(ISSUER).required(),
        /// `sub` of its tokens.
        sub: String = filter("auth0|1").text(plain(512)).required(),
    }
}
