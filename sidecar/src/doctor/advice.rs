//! What to change, by the record's reason: where the identity provider is Auth0, in its words.
//! `docs/troubleshooting.md` says more.

/// The advice.
pub fn advice(reason: &str, auth0: bool) -> &'static str {
    if auth0 && let Some(words) = for_auth0(reason) {
        return words;
    }
    match reason {
        "unsafe_path" | "unsafe_method" | "unsafe_headers" => {
            "the client's request; the token is not the reason"
        }
        "malformed_authorization" => "how the token was copied: quotes, line ends, more than one token",
        "method_not_allowed" => "the method: a built-in route has its own",
        "no_document" => "the path: no protected resource has it",
        "no_required_scope" => "send X-Required-Scope; the token is not the reason",
        "mcp_version" => "the client's MCP-Protocol-Version; the token is not the reason",
        "body_malformed" | "body_media_type" | "body_too_large" | "mcp_mismatch" => {
            "the client's body and Mcp-* headers; the token is not the reason"
        }
        "no_token" => "send a token",
        "token_encrypted" | "token_opaque" => {
            "the audience that the client asks for: without the API's the identity provider makes a token for itself"
        }
        "token_malformed" => "how the token was copied; else get a new one",
        "token_algorithm" => "the API's signing algorithm at the identity provider: RS256",
        "token_type" => "the token that the client sends: the access token, not the ID token",
        "token_critical" => "the extension in the header's crit: turn it off for this API",
        "token_kid" => "the header's kid: the issuer has more than one key",
        "token_issuer" => "AUTH_ISSUER (or issuers), or where the client signs in",
        "token_audience" => {
            "the audience that the client asks for, or AUTH_AUDIENCE (or the route's audiences)"
        }
        "token_expired" => "nothing: refresh the token or sign in again; if it is fresh, compare the clocks",
        "token_not_yet_valid" => "the clocks; leeway allows up to 300 s",
        "token_claim" => "the claims exp, nbf, iat and the tenant's, which must have their form",
        "token_subject" => "user_claim in the policy, or the claim at the identity provider",
        "token_user_unverified" => "what issuers[].user requires: the claim at the identity provider",
        "token_reserved_user" => "user_prefix of the other issuer",
        "token_unknown_key" => "get a new token; if that doesn't help, AUTH_JWKS_URI points to other keys",
        "token_signature" => "how the token was copied; if it is whole, it is not the issuer's",
        "revoked" => "nothing: its issuer has revoked it; sign in again",
        "insufficient_scope" => {
            "the scopes that the client asks for, or what the user may at the identity provider"
        }
        "unlisted" => "the tools, prompts or resources of the route's mcp rules, which don't have this one",
        "origin_not_allowed" => "allowed_origins of the route's mcp rules",
        "not_owner" => "nothing: the object belongs to another user",
        "session_not_found" => {
            "nothing: the session is another caller's, or began before its user signed in; sessions in the route's mcp rules"
        }
        "task_not_found" => {
            "nothing: the task is another caller's, or the server gave its id to two; what two were given is nobody's"
        }
        "not_filterable" => {
            "the upstream's answer, which response_filter or the list filter can't read: its form, or its length (max_bytes, max_body)"
        }
        "no_route" => "the path and method, or a route of the policy that allows them",
        "ambiguous_case" => "the path's case, or case: sensitive in the policy",
        "issuer_not_on_route" => "issuers of the route, or where the client signs in",
        "tenant_not_allowed" => "tenants of the issuer, or the organization that the user signs in with",
        "policy_denied" => "rules of the policy: the one that the answer names",
        "step_up" => "acr and auth_time of the identity provider's access tokens, or step_up of the rule",
        "agent_unlisted" => "agents in the policy: the client is none of theirs",
        "machine_not_allowed" => "how the client signs in: as a user, not by client credentials",
        "upgrade_not_allowed" => "upgrade: [websocket] of the route",
        "keys_unavailable" | "key_pending" => {
            "the way from the gateway to the issuer's keys (AUTH_JWKS_URI, network)"
        }
        "no_room" => "nothing: others' bodies took the room; look at the records from where they come",
        "body_timeout" => "the client, whose body takes too long to come, or body_timeout in the policy",
        "blocked" => "who blocked the caller, and why: gatewaystack blocks",
        "feed_stale" => "whether the sidecar answers; feed.on_stale says what holds until then",
        "audit_unavailable" => "the sidecar's /ready and its log: why the audit log can't be written",
        "limits_unavailable" => "the way from the gateway to the rate limit service (rate_limit_service)",
        "rate_limited" | "address_limited" => "nothing: wait",
        _ => "nothing at the identity provider: please report this",
    }
}

fn for_auth0(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "token_encrypted" | "token_opaque" => {
            "set the API as default audience (Settings, General), or turn on the Resource Parameter Compatibility Profile (Settings, Advanced); the post-login action says it at sign-in (docs/auth0)"
        }
        "token_audience" => {
            "Auth0: the client's audience or resource must be the API's Identifier, letter by letter; else set the API as default audience"
        }
        "token_algorithm" => "Auth0: Applications, APIs, the API, Settings: Signing Algorithm RS256",
        "token_issuer" => {
            "AUTH_ISSUER: the tenant's domain with a slash at the end, or the custom domain if clients sign in there"
        }
        "insufficient_scope" => {
            "Auth0: does the client ask for it? Has the API the permission, the user's role (RBAC, Add Permissions in the Access Token), the client's grant or the default permissions for third-party applications? Else install the post-login action"
        }
        "token_expired" => {
            "nothing: refresh or sign in again; Auth0 gives refresh tokens where the API has Allow Offline Access"
        }
        "tenant_not_allowed" => "sign in with an organization that the policy's tenants list",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::advice;
    use gatewaystack_core::refusal::kind::reasons;

    #[test]
    fn every_way_to_refuse_has_its_advice() {
        let report = advice("no such reason", true);
        for (decision, reason) in reasons().filter(|(_, reason)| *reason != "client_gone") {
            let ours = reason.starts_with("fault_");
            for auth0 in [false, true] {
                assert_eq!(advice(reason, auth0) == report, ours, "{decision} {reason}");
            }
        }
    }
}
