//! The one-click consent page: who asks, where the answer goes, what for. Everything that came from outside is escaped.

use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// The user that the page suggests.
pub(super) const DEFAULT_SUBJECT: &str = "demo-user";

/// No script at all, and no frame around it: a click here must be the user's. There is no `form-action`, since browsers
/// apply it to the redirect that follows the form, too.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

pub(super) fn page(client: &str, redirect_uri: &str, scopes: &[String], request: &str) -> Response {
    let host = redirect_uri.parse::<Uri>().ok().and_then(|uri| uri.authority().map(ToString::to_string));
    let scopes: String =
        scopes.iter().map(|scope| format!("<li><code>{}</code></li>", escaped(scope))).collect();
    let html = format!(
        r#"<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sign in to the demo</title>
<style>body{{font:1rem/1.5 system-ui;max-width:32rem;margin:4rem auto;padding:0 1rem}}button,input{{font:inherit;padding:.3rem .8rem}}</style>
<h1>Sign in to the demo</h1>
<p><strong>{client}</strong> asks to act for you. The answer goes to <code>{host}</code>.</p>
<p>It gets:</p><ul>{scopes}</ul>
<form method="post" action="/authorize/decision">
<input type="hidden" name="request" value="{request}">
<p><label>User <input name="sub" value="{DEFAULT_SUBJECT}" maxlength="128"></label></p>
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
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (StatusCode::OK, headers, html).into_response()
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
