//! Which members a body may have, and of what type. The lists are those of the Management API's reference.

use super::answer::Answer;
use serde_json::{Map, Value};

/// What a member must be.
#[derive(Clone, Copy)]
pub enum Kind {
    Text,
    Bool,
    Integer,
    Texts,
    Object,
    Array,
    OneOf(&'static [&'static str]),
    /// The same or null.
    Or(&'static Kind),
}

use Kind::{Array, Bool, Integer, Object, OneOf, Or, Text, Texts};

const APP_TYPES: Kind = OneOf(&[
    "native",
    "spa",
    "regular_web",
    "non_interactive",
    "resource_server",
    "express_configuration",
    "sso_integration",
]);
const AUTH_METHODS: Kind = OneOf(&["none", "client_secret_post", "client_secret_basic"]);

/// `PATCH /api/v2/clients/{id}`.
pub const CLIENT: &[(&str, Kind)] = &[
    ("name", Text),
    ("description", Text),
    ("client_secret", Text),
    ("logo_uri", Text),
    ("callbacks", Texts),
    ("oidc_logout", Object),
    ("allowed_origins", Texts),
    ("web_origins", Texts),
    ("grant_types", Texts),
    ("client_aliases", Texts),
    ("allowed_clients", Texts),
    ("allowed_logout_urls", Texts),
    ("jwt_configuration", Object),
    ("encryption_key", Or(&Object)),
    ("sso", Bool),
    ("sso_disabled", Bool),
    ("cross_origin_authentication", Bool),
    ("cross_origin_loc", Or(&Text)),
    ("custom_login_page_on", Bool),
    ("custom_login_page", Text),
    ("token_endpoint_auth_method", Or(&AUTH_METHODS)),
    ("is_token_endpoint_ip_header_trusted", Bool),
    ("app_type", APP_TYPES),
    ("is_first_party", Bool),
    ("oidc_conformant", Bool),
    ("form_template", Text),
    ("addons", Object),
    ("client_metadata", Object),
    ("mobile", Object),
    ("initiate_login_uri", Text),
    ("refresh_token", Or(&Object)),
    ("organization_usage", Or(&OneOf(&["deny", "allow", "require"]))),
    ("organization_require_behavior", Or(&Text)),
    ("client_authentication_methods", Or(&Object)),
    ("require_pushed_authorization_requests", Bool),
    ("require_proof_of_possession", Bool),
    ("compliance_level", Or(&Text)),
    ("par_request_expiry", Or(&Integer)),
    ("third_party_security_mode", OneOf(&["strict", "permissive"])),
    ("redirection_policy", OneOf(&["allow_always", "open_redirect_protection"])),
];

/// What a strict third-party client may be given ("Restricted client configuration").
pub const STRICT_CLIENT: &[&str] = &[
    "name",
    "description",
    "logo_uri",
    "callbacks",
    "allowed_origins",
    "web_origins",
    "grant_types",
    "token_endpoint_auth_method",
    "app_type",
    "client_metadata",
    "jwt_configuration",
    "refresh_token",
    "client_authentication_methods",
    "require_proof_of_possession",
    "redirection_policy",
    "is_first_party",
    "third_party_security_mode",
];

/// `PATCH /api/v2/connections/{id}`.
pub const CONNECTION: &[(&str, Kind)] = &[
    ("display_name", Text),
    ("options", Or(&Object)),
    ("enabled_clients", Or(&Texts)),
    ("is_domain_connection", Bool),
    ("show_as_button", Bool),
    ("realms", Texts),
    ("metadata", Object),
    ("authentication", Object),
    ("connected_accounts", Object),
];

/// An element of `PATCH /api/v2/connections/{id}/clients`.
pub const ENABLED_CLIENT: &[(&str, Kind)] = &[("client_id", Text), ("status", Bool)];

/// `POST /api/v2/client-grants`.
pub const NEW_GRANT: &[(&str, Kind)] = &[
    ("client_id", Text),
    ("audience", Text),
    ("scope", Texts),
    ("subject_type", OneOf(&["client", "user"])),
    ("organization_usage", OneOf(&["deny", "allow", "require"])),
    ("allow_any_organization", Bool),
    ("authorization_details_types", Texts),
    ("allow_all_scopes", Bool),
    ("default_for", OneOf(&["third_party_clients"])),
];

/// `PATCH /api/v2/client-grants/{id}`.
pub const GRANT: &[(&str, Kind)] = &[
    ("scope", Or(&Texts)),
    ("organization_usage", Or(&OneOf(&["deny", "allow", "require"]))),
    ("allow_any_organization", Or(&Bool)),
    ("authorization_details_types", Texts),
    ("allow_all_scopes", Or(&Bool)),
];

/// The body's members, if it is as the schema says. `at` is what is before their names in a message.
pub fn members<'a>(
    body: &'a Value,
    schema: &[(&str, Kind)],
    required: &[&str],
    at: &str,
) -> Result<&'a Map<String, Value>, Answer> {
    let place = at.trim_end_matches('.');
    let Some(members) = body.as_object() else {
        return Err(expected("object", body, place));
    };
    let kind_of = |name: &str| schema.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    let unknown: Vec<&str> =
        members.keys().map(String::as_str).filter(|name| kind_of(name).is_none()).collect();
    if !unknown.is_empty() {
        let problem = format!("Additional properties not allowed: {}", unknown.join(","));
        return Err(Answer::invalid_body(&problem, place));
    }
    if let Some(name) = required.iter().find(|name| !members.contains_key(**name)) {
        return Err(Answer::invalid_body(&format!("Missing required property: {name}"), place));
    }
    for (name, value) in members {
        check(kind_of(name).unwrap_or(Array), value, &format!("{at}{name}"))?;
    }
    Ok(members)
}

fn check(kind: Kind, value: &Value, at: &str) -> Result<(), Answer> {
    match kind {
        Or(_) if value.is_null() => Ok(()),
        Or(kind) => check(*kind, value, at),
        Text => value.is_string().then_some(()).ok_or_else(|| expected("string", value, at)),
        Bool => value.is_boolean().then_some(()).ok_or_else(|| expected("boolean", value, at)),
        Integer => value.is_i64().then_some(()).ok_or_else(|| expected("integer", value, at)),
        Object => value.is_object().then_some(()).ok_or_else(|| expected("object", value, at)),
        Array => value.is_array().then_some(()).ok_or_else(|| expected("array", value, at)),
        Texts => {
            let elements = value.as_array().ok_or_else(|| expected("array", value, at))?;
            elements.iter().enumerate().try_for_each(|(n, e)| check(Text, e, &format!("{at}[{n}]")))
        }
        OneOf(choices) => match value.as_str() {
            None => Err(expected("string", value, at)),
            Some(text) if choices.contains(&text) => Ok(()),
            Some(text) => Err(Answer::invalid_body(&format!("No enum match for: {text}"), at)),
        },
    }
}

fn expected(kind: &str, value: &Value, at: &str) -> Answer {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    Answer::invalid_body(&format!("Expected type {kind} but found type {found}"), at)
}
