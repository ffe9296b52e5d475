//! The token endpoint for client credentials ("Get Management API Access Tokens for Production"), and what
//! becomes of the tokens.

use super::answer::{Answer, Outcome};
use super::request::Request;
use super::{MANAGEMENT_CLIENT, MANAGEMENT_SCOPES, MANAGEMENT_SECRET};
use crate::token::base64url;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

struct Issued {
    until: Instant,
    scopes: Vec<String>,
}

pub struct Tokens {
    audiences: [String; 2],
    client_id: String,
    secret: String,
    scopes: Vec<String>,
    pub lifetime: Duration,
    issued: HashMap<String, Issued>,
}

impl Tokens {
    pub fn new(domain: &str) -> Self {
        Self {
            audiences: ["http", "https"].map(|scheme| format!("{scheme}://{domain}/api/v2/")),
            client_id: MANAGEMENT_CLIENT.to_owned(),
            secret: MANAGEMENT_SECRET.to_owned(),
            scopes: MANAGEMENT_SCOPES.map(str::to_owned).to_vec(),
            lifetime: Duration::from_secs(86_400),
            issued: HashMap::new(),
        }
    }

    pub fn set_credentials(&mut self, id: &str, secret: &str) {
        (self.client_id, self.secret) = (id.to_owned(), secret.to_owned());
    }

    pub fn set_scopes(&mut self, scopes: &[&str]) {
        self.scopes = scopes.iter().map(|&s| s.to_owned()).collect();
    }

    pub fn revoke(&mut self) {
        self.issued.clear();
    }

    /// `POST /oauth/token`.
    pub fn issue(&mut self, request: &Request, apis: &HashSet<String>) -> Outcome {
        let form = request.form();
        let text = |name: &str| form.get(name).and_then(Value::as_str).unwrap_or_default();
        match text("grant_type") {
            "client_credentials" => {}
            "" => {
                let missing = "Missing required parameter: grant_type";
                return Err(Answer::oauth(400, "invalid_request", missing));
            }
            other => {
                let unsupported = format!("Unsupported grant type: {other}");
                return Err(Answer::oauth(403, "unsupported_grant_type", &unsupported));
            }
        }
        if text("client_id") != self.client_id || text("client_secret") != self.secret {
            return Err(Answer::oauth(401, "access_denied", "Unauthorized"));
        }
        self.check_audience(text("audience"), apis)?;
        Answer::ok(self.token(&form))
    }

    fn check_audience(&self, audience: &str, apis: &HashSet<String>) -> Result<(), Answer> {
        let known = self.audiences.iter().any(|a| a == audience);
        if known && !self.scopes.is_empty() {
            return Ok(());
        }
        let why = match audience {
            "" => "Non-global clients are not allowed access to APIv1".to_owned(),
            _ if known || apis.contains(audience) => format!(
                "Client is not authorized to access \"{audience}\". You need to create a \"client-grant\" associated to this API. \
                 See: https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants"
            ),
            _ => format!("Service not found: {audience}"),
        };
        Err(Answer::oauth(403, "access_denied", &why))
    }

    fn token(&mut self, form: &Map<String, Value>) -> Value {
        let asked = form.get("scope").and_then(Value::as_str).unwrap_or_default();
        let is_asked = |s: &&String| asked.is_empty() || asked.split(' ').any(|a| a == *s);
        let scopes: Vec<String> = self.scopes.iter().filter(is_asked).cloned().collect();
        let scope = scopes.join(" ");
        let claims = json!({"aud": self.audiences[0], "azp": self.client_id, "scope": scope});
        let head = base64url(json!({"alg": "RS256", "typ": "JWT"}).to_string());
        let token = format!("{head}.{}.{}", base64url(claims.to_string()), super::tenant::id(43));
        self.issued.retain(|_, issued| issued.until + self.lifetime > Instant::now());
        self.issued.insert(token.clone(), Issued { until: Instant::now() + self.lifetime, scopes });
        json!({"access_token": token, "scope": scope, "expires_in": self.lifetime.as_secs(), "token_type": "Bearer"})
    }

    /// Whether the bearer may do what any one of these scopes allows.
    pub fn check(&self, request: &Request, any_of: &[&str]) -> Result<(), Answer> {
        let Some(authorization) = &request.authorization else {
            return Err(Answer::unauthorized("Missing authentication"));
        };
        let Some(token) = authorization.strip_prefix("Bearer ") else {
            return Err(Answer::refused(400, "Bad HTTP authentication header format", "Bearer"));
        };
        let Some(issued) = self.issued.get(token) else {
            return Err(Answer::unauthorized("Invalid token"));
        };
        if issued.until <= Instant::now() {
            return Err(Answer::unauthorized("Expired token received for JSON Web Token validation"));
        }
        if !issued.scopes.iter().any(|s| any_of.contains(&s.as_str())) {
            let message = format!("Insufficient scope, expected any of: {}", any_of.join(","));
            return Err(Answer::refused(403, &message, "insufficient_scope"));
        }
        Ok(())
    }
}
