//! What the Management API says of our own set-up: token, its scopes, the connection's level, and the grants
//! of clients that were promoted.

use crate::auth0::Trouble;
use crate::auth0::types::Grant;
use crate::webhook::promote::{Promoter, Stop};
use gatewaystack_core::config::policy::Promotion;
use gatewaystack_core::path::encoded;
use reqwest::Method;
use serde_json::{Map, Value, json};

/// What promotions call (contract §9.4).
const NEEDED: [&str; 7] = [
    "read:clients",
    "update:clients",
    "read:connections",
    "update:connections",
    "read:client_grants",
    "create:client_grants",
    "update:client_grants",
];
/// What clients that only sign in on a domain-level connection don't need.
const FIRST_PARTY: &str = "update:connections";

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    pub token_ok: bool,
    error: Option<String>,
    domain_level: Option<bool>,
}

impl Findings {
    /// Nothing was found: its answers took too long, or its rate limit is spent.
    pub fn none_in_time() -> Self {
        let text =
            "the Management API didn't answer in time: it is slow, or its rate limit is spent by promotions";
        Self { error: Some(text.to_owned()), ..Self::default() }
    }

    /// Asks the Management API.
    pub async fn of(promoter: &Promoter, rules: &Promotion) -> Self {
        let mut found = Self::default();
        let scopes = match promoter.api().scopes().await {
            Ok(scopes) => scopes,
            Err(Trouble::Lasting(why) | Trouble::Passing { why, .. }) => {
                found.error = Some(why);
                return found;
            }
        };
        found.token_ok = true;
        let needed = NEEDED.into_iter().filter(|scope| rules.first_party || *scope != FIRST_PARTY);
        let missing: Vec<&str> = needed.filter(|scope| !scopes.iter().any(|has| has == scope)).collect();
        if !missing.is_empty() {
            found.error = Some(format!(
                "the management application lacks {}: authorise it for them at Auth0 under APIs, Auth0 Management API, Machine to \
                 Machine Applications",
                missing.join(" ")
            ));
            return found;
        }
        match promoter.connection().await {
            Ok(connection) => {
                found.domain_level = Some(connection.is_domain_connection);
                if !connection.is_domain_connection && !rules.first_party {
                    found.error = Some(format!(
                        "{} is not domain-level: promote the connection to domain level, or set DCR_FIRST_PARTY=true",
                        rules.connection
                    ));
                    return found;
                }
                found.error = grants(promoter, rules).await;
            }
            Err(stop) => found.error = Some(reason(stop)),
        }
        found
    }

    /// Writes the report's members.
    pub fn write(&self, body: &mut Map<String, Value>) {
        body.insert("managementTokenOk".to_owned(), json!(self.token_ok));
        if let Some(error) = &self.error {
            body.insert("managementError".to_owned(), json!(error));
        }
        if let Some(level) = self.domain_level {
            body.insert("connectionDomainLevel".to_owned(), json!(level));
        }
    }
}

/// Whether clients that were promoted before a scope was added have been left behind. The newest hundred
/// grants tell.
async fn grants(promoter: &Promoter, rules: &Promotion) -> Option<String> {
    let path =
        format!("/client-grants?audience={}&subject_type=user&per_page=100&page=0", encoded(&rules.audience));
    let grants: Vec<Grant> = match promoter.api().ask(Method::GET, &path, None).await {
        Ok(grants) => grants,
        Err(trouble) => return Some(reason(trouble.into())),
    };
    // A machine's grant is another matter.
    let for_users =
        |grant: &&Grant| grant.audience == rules.audience && grant.subject_type.as_deref() == Some("user");
    let behind =
        grants.iter().filter(for_users).filter(|grant| !grant.lacks(&rules.scopes).is_empty()).count();
    (behind > 0).then(|| {
        format!(
            "{behind} client grants for {} lack scopes of the policy ({}): let these clients connect again, or widen the grants at Auth0",
            rules.audience,
            rules.scopes.join(" ")
        )
    })
}

fn reason(stop: Stop) -> String {
    match stop {
        Stop::Parked(why) | Stop::Later(Trouble::Lasting(why) | Trouble::Passing { why, .. }) => why,
    }
}
