//! The consent page: who asks, where the answer goes, and what for; the user is chosen there, and the scopes.
//! What the click says is read here, too. Everything that came from outside is escaped.

use super::params::Params;
use super::store::Grant;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// The users that the page offers; the first one is suggested. A form may name any other.
const USERS: [&str; 2] = ["ann", "bob"];
pub(super) const DEFAULT_SUBJECT: &str = "ann";

/// The scopes of the demo's tools: they can be chosen also where the client didn't ask for them, since some
/// clients never ask. The token answer says what was granted (RFC 6749 §3.3).
const SCOPES: [&str; 3] = ["tool:read", "tool:write", "admin"];
/// A checkbox's name is this and the scope: a parameter may come but once.
const CHOSEN: &str = "scope:";

/// No script at all, and no frame around it: a click here must be the user's. There is no `form-action`,
/// since browsers apply it to the redirect that follows the form, too.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

/// The page's address goes to nobody else. Not `no-referrer`: under that a browser says `Origin: null` when
/// it posts the form (Fetch, "append a request `Origin` header"), as any foreign page could have it say, and
/// the guard refuses the click.
const REFERRER: &str = "same-origin";

/// What the page offers for a request: what was asked for, ticked, then what else there is.
fn offered(asked: &[String]) -> impl Iterator<Item = (&str, bool)> {
    let others = SCOPES.into_iter().filter(|scope| !asked.iter().any(|other| other == scope));
    asked.iter().map(|scope| (scope.as_str(), true)).chain(others.map(|scope| (scope, false)))
}

/// The grant's scopes as the form says. A form without the page's mark (a test's) grants what was asked for.
pub(super) fn narrowed(grant: &mut Grant, form: &Params) {
    if form.get("scopes") == Some("chosen") {
        let chosen = offered(&grant.scopes).map(|(scope, _)| scope);
        let chosen = chosen.filter(|scope| form.get(&format!("{CHOSEN}{scope}")).is_some());
        grant.scopes = chosen.map(str::to_owned).collect();
    }
}

/// A name may have signs that turn what follows it round (U+202E), and the host with it: `bdi` keeps it to
/// itself. The checkboxes are a group with a name, so that who hears the page is told what they are for.
pub(super) fn page(client: &str, redirect_uri: &str, scopes: &[String], request: &str) -> Response {
    let host = redirect_uri.parse::<Uri>().ok().and_then(|uri| uri.authority().map(ToString::to_string));
    let scopes: String = offered(scopes).map(|(scope, asked)| checkbox(scope, asked)).collect();
    let users: String =
        USERS.iter().map(|user| format!("<option value=\"{user}\">{user}</option>")).collect();
    let html = format!(
        r#"<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sign in to the demo</title>
<style>body{{font:1rem/1.5 system-ui;max-width:32rem;margin:4rem auto;padding:0 1rem}}button,select{{font:inherit;padding:.3rem .8rem}}label{{display:block}}fieldset{{border:0;margin:0}}fieldset,legend{{padding:0}}</style>
<h1>Sign in to the demo</h1>
<p><strong><bdi>{client}</bdi></strong> asks to act for you. The answer goes to <code>{host}</code>.</p>
<form method="post" action="/authorize/decision">
<input type="hidden" name="request" value="{request}">
<input type="hidden" name="scopes" value="chosen">
<p><label>Sign in as <select name="sub">{users}</select></label></p>
<fieldset><legend>It gets:</legend>
{scopes}</fieldset>
<p><button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button></p>
</form></html>
"#,
        client = escaped(client),
        host = escaped(host.as_deref().unwrap_or("unknown")),
        request = escaped(request),
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, REFERRER),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (StatusCode::OK, headers, html).into_response()
}

fn checkbox(scope: &str, asked: bool) -> String {
    let (scope, checked) = (escaped(scope), if asked { " checked" } else { "" });
    let note = if asked { "" } else { " (not asked for)" };
    format!(
        "<label><input type=\"checkbox\" name=\"{CHOSEN}{scope}\" value=\"on\"{checked}> <code>{scope}</code>{note}</label>\n"
    )
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
        out
    })
}
