//! Client promotion (contract §9): `webhook` in, who is promoted and to what out.

use super::common::{self, Errors};
use crate::policy::{HttpUrl, Issuer, Promotion};
use crate::raw::{RawPolicy, RawWebhook};
use crate::values::{name, url};

const CLIENT_NAMES: &[&str] = &["ChatGPT*", "Claude*", "MCP*"];
const REDIRECT_URIS: &[&str] = &[
    "https://chatgpt.com/connector_platform_oauth_redirect",
    "https://chatgpt.com/connector/oauth/*",
    "https://claude.ai/api/mcp/auth_callback",
];
/// Scopes of sign-in (OpenID Connect Core §5.4, §11), which no API grants.
const OPENID: &[&str] = &["openid", "profile", "email", "address", "phone", "offline_access"];

/// Compiles `webhook`; `supported` is what the metadata advertises, the default of the client grant.
pub fn compile(raw: &RawPolicy, issuers: &[Issuer], supported: &[String], errors: &mut Errors) -> Promotion {
    let section = raw.webhook.clone().unwrap_or_default();
    check(&section, errors);
    let list = |given: Option<Vec<String>>, default: &[&str]| {
        given.unwrap_or_else(|| default.iter().map(|text| (*text).to_owned()).collect())
    };
    let granted = || supported.iter().filter(|s| !OPENID.contains(&s.as_str())).cloned().collect();
    Promotion {
        secret_file: section.secret_file,
        tenant: section.tenant_domain.as_deref().and_then(|text| tenant(text, errors)),
        connection: section.connection.unwrap_or_else(|| "google-oauth2".to_owned()),
        first_party: section.first_party.unwrap_or(false),
        client_names: list(section.client_names, CLIENT_NAMES),
        redirect_uris: list(section.redirect_uris, REDIRECT_URIS),
        audience: issuers.first().and_then(|i| i.audiences.first()).cloned().unwrap_or_default(),
        scopes: section.scopes.unwrap_or_else(granted),
    }
}

/// A domain, with a port where it isn't 443; what never leaves this machine needs no TLS.
fn tenant(domain: &str, errors: &mut Errors) -> Option<HttpUrl> {
    let Some((host, _)) = url::host_and_port(domain) else {
        errors.push("webhook.tenant_domain", "expected a host such as tenant.eu.auth0.com");
        return None;
    };
    let scheme = if url::is_loopback(&host) { "http" } else { "https" };
    errors.keep("webhook.tenant_domain", url::base(&format!("{scheme}://{domain}")))
}

fn check(raw: &RawWebhook, errors: &mut Errors) {
    let texts = [("secret_file", &raw.secret_file), ("connection", &raw.connection)];
    for (member, text) in texts.into_iter().filter_map(|(m, t)| t.as_ref().map(|t| (m, t))) {
        errors.keep(format!("webhook.{member}"), name::check_text(text, 1_024));
    }
    for (at, text) in raw.client_names.iter().flatten().enumerate() {
        errors.keep(format!("webhook.client_names[{at}]"), check_name(text));
    }
    for (at, text) in raw.redirect_uris.iter().flatten().enumerate() {
        errors.keep(format!("webhook.redirect_uris[{at}]"), check_redirect(text));
    }
    common::scopes(raw.scopes.as_deref(), "webhook.scopes", errors);
}

fn check_name(text: &str) -> Result<(), String> {
    name::check_text(text, 256)?;
    let whole = text.strip_suffix('*').unwrap_or(text);
    if whole.contains('*') {
        return Err("expected a client's name; a * may stand at its end".to_owned());
    }
    Ok(())
}

/// A whole URI, of any scheme (some agents have their own); a `*` at the end stands for one path segment.
fn check_redirect(text: &str) -> Result<(), String> {
    let expected = "expected a whole URI such as https://claude.ai/api/mcp/auth_callback; a * may stand for its last path segment";
    let whole = text.strip_suffix("/*").unwrap_or(text);
    let good = !whole.contains('*') && whole.contains("://") && url::check_identifier(whole).is_ok();
    let web = whole.starts_with("http://") || whole.starts_with("https://");
    if good && (!web || url::parse(whole).is_ok()) { Ok(()) } else { Err(expected.to_owned()) }
}
