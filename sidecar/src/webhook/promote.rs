//! One promotion at Auth0 (contract §9.4): a client's id in, what became of it out. Each step looks before it
//! writes, so that the same registration twice changes nothing, and a crash in the middle costs a repetition.
//! What Auth0 says is believed when it has the form that a success has: a page of something in between (a
//! proxy's, a captive portal's) may have the status 200, too.

mod connection;
mod grant;
mod known;

use super::allow::{self, NotAllowed};
use crate::auth0::types::Client;
use crate::auth0::{Management, Trouble};
use gatewaystack_core::config::policy::Promotion;
use known::KnownConnection;
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use tokio::sync::Mutex;

const GRANT_TYPES: [&str; 2] = ["authorization_code", "refresh_token"];

/// Why a promotion stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// As things are it can't be done: a code, and what to do about it.
    Parked(String),
    /// It may go well later.
    Later(Trouble),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Lasting(why) => Self::Parked(format!("refused: {why}")),
            passing @ Trouble::Passing { .. } => Self::Later(passing),
        }
    }
}

/// Promotes clients of one tenant.
pub struct Promoter {
    api: Management,
    rules: Promotion,
    /// Old tenants have one list of a connection's clients, which is read, changed and written whole.
    list: Mutex<()>,
    /// The connection, looked up once for a burst of registrations.
    known: Mutex<KnownConnection>,
}

/// Whether a client has just become what we make of it: what comes after has hardly been done before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Untouched,
    /// By us, by a promotion that broke off, or by somebody else.
    Touched,
}

impl Promoter {
    /// Promotes by these rules.
    pub fn new(api: Management, rules: Promotion) -> Self {
        Self { api, rules, list: Mutex::new(()), known: Mutex::default() }
    }

    /// The API that this works on.
    pub fn api(&self) -> &Management {
        &self.api
    }

    /// Promotes the client.
    ///
    /// # Errors
    /// Why it isn't promoted (yet).
    pub async fn promote(&self, client_id: &str) -> Result<(), Stop> {
        if !is_id(client_id) {
            return Err(Stop::Parked("no_client_id: this can't be the id of a client of Auth0's".to_owned()));
        }
        let client = self.client(client_id).await?;
        self.check(&client)?;
        let before = self.become_public_app(&client).await?;
        let connection = self.usable_connection().await?;
        if self.rules.first_party {
            self.enable(&connection, client_id, before).await?;
        }
        self.grant(client_id, before).await
    }

    async fn client(&self, client_id: &str) -> Result<Client, Stop> {
        let fields = "client_id,name,callbacks,app_type,token_endpoint_auth_method,grant_types,is_first_party,third_party_security_mode";
        let path = format!("/clients/{client_id}?fields={fields}&include_fields=true");
        let reply = self.api.call(Method::GET, &path, None).await?;
        match reply.status {
            200 => serde_json::from_value(reply.body)
                .ok()
                .filter(|client: &Client| client.client_id == client_id)
                .ok_or_else(|| unexpected("the client's description has another form than expected")),
            404 => Err(Stop::Parked("not_found: Auth0 has no such client (any more)".to_owned())),
            _ => Err(self.api.refused(&Method::GET, "/clients/{id}", &reply).into()),
        }
    }

    fn check(&self, client: &Client) -> Result<(), Stop> {
        let Promotion { client_names, redirect_uris, .. } = &self.rules;
        allow::check(client_names, redirect_uris, &client.name, &client.callbacks).map_err(|fault| {
            Stop::Parked(match fault {
                NotAllowed::Name => {
                    format!("not_allowed: no name in DCR_CLIENT_NAME_ALLOW fits {}", shown(&client.name))
                }
                NotAllowed::NoRedirect => "not_allowed: the client has no redirect URI".to_owned(),
                NotAllowed::Redirect(uri) => {
                    format!("not_allowed: no URI in DCR_REDIRECT_ALLOW fits {}", shown(&uri))
                }
            })
        })?;
        if self.rules.first_party && client.is_first_party != Some(true) && client.is_strict() {
            return Err(Stop::Parked(
                "strict_client: Auth0 keeps this client third-party for ever: set the tenant's dynamic client registration to the \
                 permissive mode and have the client register again, or set DCR_FIRST_PARTY=false and promote the connection to domain \
                 level"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    async fn become_public_app(&self, client: &Client) -> Result<Before, Stop> {
        let mut change = Map::new();
        if client.app_type.as_deref() != Some("regular_web") {
            change.insert("app_type".to_owned(), json!("regular_web"));
        }
        if client.token_endpoint_auth_method.as_deref() != Some("none") {
            change.insert("token_endpoint_auth_method".to_owned(), json!("none"));
        }
        let grants: BTreeSet<&str> = client.grant_types.iter().flatten().map(String::as_str).collect();
        if grants != BTreeSet::from(GRANT_TYPES) {
            change.insert("grant_types".to_owned(), json!(GRANT_TYPES));
        }
        if self.rules.first_party && client.is_first_party != Some(true) {
            change.insert("is_first_party".to_owned(), json!(true));
        }
        if change.is_empty() {
            return Ok(Before::Touched);
        }
        let path = format!("/clients/{}", client.client_id);
        let changed: Client = self.api.ask(Method::PATCH, &path, Some(&Value::Object(change))).await?;
        if changed.client_id == client.client_id {
            Ok(Before::Untouched)
        } else {
            Err(unexpected("the changed client's description has another form than expected"))
        }
    }
}

fn unexpected(why: &str) -> Stop {
    Stop::Later(Trouble::Passing { why: why.to_owned(), after: None })
}

/// An id of Auth0's own, which goes into a path.
fn is_id(text: &str) -> bool {
    super::event::is_client_id(text)
}

/// What a client has said of itself, printable, quoted and short.
fn shown(text: &str) -> String {
    let mut out = String::new();
    gatewaystack_core::json::write_string(&mut out, text, 128);
    out
}
