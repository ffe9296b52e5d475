//! Dynamic client registration: `POST /oidc/register` and the log event that tells of it.
//!
//! The documentation names the event's type (`sapi`) and its description ("Dynamic client registration")
//! where it tells how to monitor registrations, and gives the schema of every `sapi` event. The members of
//! `details` are as in published samples of other `sapi` events ("Create a client"). No published sample of
//! this very event was found: its path and status aren't certain.

use super::answer::{Answer, Outcome};
use super::tenant::{SecurityMode, Tenant, id};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

const STRICT_GRANTS: [&str; 2] = ["authorization_code", "refresh_token"];

impl Tenant {
    /// Registers a client with the metadata that it states, and writes the event.
    pub fn register(&mut self, metadata: &Value) -> Outcome {
        let Some(redirects) = metadata["redirect_uris"].as_array().filter(|r| !r.is_empty()) else {
            return Err(Answer::oauth(400, "invalid_redirect_uri", "redirect_uris is required"));
        };
        let strict = self.security_mode == SecurityMode::Strict;
        let client_id = if strict { format!("tpc_{}", id(32)) } else { id(32) };
        let method = metadata["token_endpoint_auth_method"].as_str().unwrap_or("client_secret_post");
        let mut client = json!({
            "tenant": "tests", "client_id": client_id, "global": false,
            "name": metadata["client_name"].as_str().unwrap_or("My Dynamic Application"),
            "is_first_party": false, "oidc_conformant": true, "sso_disabled": false,
            "is_token_endpoint_ip_header_trusted": false, "cross_origin_authentication": false,
            "callbacks": redirects, "grant_types": grant_types(metadata, strict),
            "token_endpoint_auth_method": method, "custom_login_page_on": true,
            "jwt_configuration": {"alg": "RS256", "lifetime_in_seconds": if strict { 3_600 } else { 36_000 }},
            "third_party_security_mode": if strict { "strict" } else { "permissive" },
        });
        if strict {
            client["redirection_policy"] = "open_redirect_protection".into();
        }
        if method != "none" {
            client["client_secret"] = id(64).into();
        }
        let event = event(metadata, &client);
        let answer = registered(&client);
        self.clients.insert(client_id.clone(), client);
        self.events.insert(client_id.clone(), event);
        self.wrote(&client_id, "POST /oidc/register");
        Ok(answer)
    }
}

/// What is asked for and allowed; without a wish `authorization_code`, and in permissive mode what any client
/// is given.
fn grant_types(metadata: &Value, strict: bool) -> Value {
    match (metadata["grant_types"].as_array(), strict) {
        (Some(asked), true) => {
            let allowed = |g: &&Value| g.as_str().is_some_and(|g| STRICT_GRANTS.contains(&g));
            asked.iter().filter(allowed).cloned().collect()
        }
        (Some(asked), false) => asked.clone().into(),
        (None, true) => json!(["authorization_code"]),
        (None, false) => json!(["authorization_code", "implicit", "refresh_token", "client_credentials"]),
    }
}

fn registered(client: &Value) -> Answer {
    let mut body = json!({
        "client_name": client["name"], "client_id": client["client_id"], "redirect_uris": client["callbacks"],
        "client_secret_expires_at": 0, "grant_types": client["grant_types"],
        "token_endpoint_auth_method": client["token_endpoint_auth_method"],
    });
    if let Some(secret) = client.get("client_secret") {
        body["client_secret"] = secret.clone();
    }
    Answer::json(201, body)
}

/// The event as a log stream posts it: `log_id` next to `data`, and within.
fn event(metadata: &Value, client: &Value) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let log_id = format!("900{:020}{:033}", now.as_nanos(), number());
    let mut body = super::clients::shown(client);
    if client.get("client_secret").is_some() {
        body["client_secret"] = "REDACTED".into();
    }
    let user_agent = "Other 0.0.0 / Other 0.0.0";
    let request = json!({
        "method": "post", "path": "/oidc/register", "query": {}, "body": metadata, "channel": "api",
        "ip": "203.0.113.7", "userAgent": user_agent, "auth": {"user": {}},
    });
    let data = json!({
        "date": date(now.as_secs(), now.subsec_millis()),
        "type": "sapi",
        "description": "Dynamic client registration",
        // The client that called: none did.
        "client_id": null,
        "client_name": "",
        "ip": "203.0.113.7",
        "user_agent": user_agent,
        "details": {"request": request, "response": {"statusCode": 201, "body": body}},
        "user_id": "",
        "$event_schema": {"version": "1.0.0"},
        "environment_name": "prod-us-1",
        "tenant_name": "tests",
        "log_id": log_id,
    });
    json!({"log_id": log_id, "data": data})
}

fn number() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0)
}

/// RFC 3339, in UTC (days to a date as in Hinnant's `civil_from_days`).
fn date(seconds: u64, millis: u32) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}
