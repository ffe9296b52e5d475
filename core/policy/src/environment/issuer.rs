//! `AUTH_*`: the first issuer. With `DEMO_MODE=true` the four `*_DEMO` variables take their place.

use super::folded::Folded;
use super::reader::Reader;
use serde_json::{Value, json};

/// Names, in order of preference.
struct Names {
    issuer: &'static [&'static str],
    audience: &'static [&'static str],
    jwks_uri: &'static [&'static str],
    scopes: &'static [&'static str],
}

const NAMES: Names = Names {
    issuer: &["AUTH_ISSUER", "OAUTH_ISSUER", "AUTH0_ISSUER"],
    audience: &["AUTH_AUDIENCE", "OAUTH_AUDIENCE", "AUTH0_AUDIENCE"],
    jwks_uri: &["AUTH_JWKS_URI", "OAUTH_JWKS_URI", "JWKS_URI", "JWKS_URI_FALLBACK", "AUTH0_JWKS_URI"],
    scopes: &["OAUTH_SCOPES"],
};

const DEMO: Names = Names {
    issuer: &["OAUTH_ISSUER_DEMO"],
    audience: &["OAUTH_AUDIENCE_DEMO"],
    jwks_uri: &["OAUTH_JWKS_URI_DEMO"],
    scopes: &["OAUTH_SCOPES_DEMO"],
};

/// Folds the first issuer.
pub fn fold(reader: &mut Reader<'_>, folded: &mut Folded, alone: bool, demo: bool) {
    let names = if demo { &DEMO } else { &NAMES };
    if demo {
        for name in [DEMO.issuer, DEMO.audience, DEMO.jwks_uri, DEMO.scopes].into_iter().flatten() {
            if reader.text(&[name]).is_none() {
                reader.error(name, "required with DEMO_MODE=true");
            }
        }
    }
    if alone
        || demo
        || [names.issuer, names.audience, names.jwks_uri].iter().any(|n| reader.text(n).is_some())
    {
        first_issuer(reader, folded, names);
    }
    if let Some((name, scopes)) = reader.scopes(names.scopes) {
        folded.set("scopes_supported", json!(scopes), name);
    }
    if let Some((name, on)) = reader.boolean(&["ALLOW_INSECURE_JWKS"]) {
        folded.set("allow_insecure_jwks", json!(on), name);
    }
    if let Some((name, text)) = reader.text(&["AUTH_ENFORCE_ALG"])
        && !matches!(text, "RS256" | "RS256=true")
    {
        reader.error(name, "expected RS256, the only algorithm that is accepted");
    }
}

fn first_issuer(reader: &Reader<'_>, folded: &mut Folded, names: &Names) {
    let issuer = reader.text(names.issuer);
    let audience = reader.list(names.audience);
    let jwks_uri = reader.text(names.jwks_uri);
    let known_as = |found: Option<&str>, names: &[&'static str]| {
        found.or(names.first().copied()).unwrap_or_default().to_owned()
    };
    folded.origin("issuers[0].issuer", &known_as(issuer.map(|i| i.0), names.issuer));
    folded.origin("issuers[0].audiences", &known_as(audience.as_ref().map(|a| a.0), names.audience));
    if let Some((name, _)) = jwks_uri {
        folded.origin("issuers[0].jwks_uri", name);
    }
    let Some(list) = folded.list("issuers") else { return };
    if list.is_empty() {
        list.push(json!({}));
    }
    let Some(first) = list.first_mut().and_then(Value::as_object_mut) else { return };
    if let Some((_, text)) = issuer {
        let bare = |s: &str| s.strip_suffix('/').unwrap_or(s).to_owned();
        // Another issuer has other keys: those of the policy's must not vouch for it.
        if first.get("issuer").and_then(Value::as_str).is_none_or(|old| bare(old) != bare(text)) {
            for (name, value) in std::mem::take(first) {
                if name != "jwks_uri" && name != "jwks_cluster" {
                    first.insert(name, value);
                }
            }
        }
        first.insert("issuer".to_owned(), json!(text));
    }
    if let Some((_, audiences)) = audience {
        first.insert("audiences".to_owned(), json!(audiences));
    }
    if let Some((_, text)) = jwks_uri {
        first.insert("jwks_uri".to_owned(), json!(text));
    }
}
