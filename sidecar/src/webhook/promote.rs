//! One promotion at Auth0 (CONTRACT §9.4): a client's id in, what became of it out. Each step looks before it writes, so that the same
//! registration twice changes nothing, and a crash in the middle costs a repetition.

use super::allow::{self, NotAllowed};
use crate::auth0::types::{Client, Connection, EnabledClients, Grant};
use crate::auth0::{Management, Trouble, encoded};
use gatewaystack_core::config::policy::Promotion;
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use tokio::sync::Mutex;

const GRANT_TYPES: [&str; 2] = ["authorization_code", "refresh_token"];
/// Pages of a connection's clients: every agent that connects registers another one.
const MAX_PAGES: usize = 100;
/// Writes of a connection's whole list, should somebody else write it, too.
const MAX_WRITES: usize = 3;

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
}

impl Promoter {
    /// Promotes by these rules.
    pub fn new(api: Management, rules: Promotion) -> Self {
        Self { api, rules, list: Mutex::new(()) }
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
        let client = self.client(client_id).await?;
        self.check(&client)?;
        self.become_public_app(client_id, &client).await?;
        let connection = self.connection().await?;
        if self.rules.first_party {
            self.enable(&connection, client_id).await?;
        } else if !connection.is_domain_connection {
            return Err(Stop::Parked(format!(
                "connection_not_domain_level: {} is for first-party clients only: promote the connection to domain level, or set \
                 DCR_FIRST_PARTY=true",
                self.rules.connection
            )));
        }
        self.grant(client_id).await
    }

    async fn client(&self, client_id: &str) -> Result<Client, Stop> {
        let fields =
            "client_id,name,callbacks,app_type,token_endpoint_auth_method,grant_types,is_first_party";
        let path = format!("/clients/{client_id}?fields={fields}&include_fields=true");
        let reply = self.api.call(Method::GET, &path, None).await?;
        match reply.status {
            200 => serde_json::from_value(reply.body).map_err(|_| {
                Stop::Later(unexpected("the client's description has another form than expected"))
            }),
            404 => Err(Stop::Parked("not_found: Auth0 has no such client (any more)".to_owned())),
            _ => Err(self.api.refused(&Method::GET, "/clients/{id}", &reply).into()),
        }
    }

    fn check(&self, client: &Client) -> Result<(), Stop> {
        let uris = client.callbacks.as_deref().unwrap_or_default();
        let fault = allow::check(&self.rules.client_names, &self.rules.redirect_uris, &client.name, uris);
        fault.map_err(|fault| {
            Stop::Parked(match fault {
                NotAllowed::Name => {
                    format!("not_allowed: no name in DCR_CLIENT_NAME_ALLOW fits {}", shown(&client.name))
                }
                NotAllowed::NoRedirect => "not_allowed: the client has no redirect URI".to_owned(),
                NotAllowed::Redirect(uri) => {
                    format!("not_allowed: no URI in DCR_REDIRECT_ALLOW fits {}", shown(&uri))
                }
            })
        })
    }

    async fn become_public_app(&self, client_id: &str, client: &Client) -> Result<(), Stop> {
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
            return Ok(());
        }
        let path = format!("/clients/{client_id}");
        self.api.ask::<Value>(Method::PATCH, &path, Some(&Value::Object(change))).await?;
        Ok(())
    }

    /// The connection that users sign in with.
    ///
    /// # Errors
    /// There is none of this name.
    pub async fn connection(&self) -> Result<Connection, Stop> {
        let name = &self.rules.connection;
        let path = format!(
            "/connections?name={}&fields=id,name,is_domain_connection&include_fields=true",
            encoded(name)
        );
        let found: Vec<Connection> = self.api.ask(Method::GET, &path, None).await?;
        found.into_iter().find(|connection| connection.name == *name && is_id(&connection.id)).ok_or_else(|| {
            Stop::Parked(format!(
                "no_connection: Auth0 has no connection {}: make it, or name another in GOOGLE_CONNECTION_NAME",
                shown(name)
            ))
        })
    }

    async fn enable(&self, connection: &Connection, client_id: &str) -> Result<(), Stop> {
        match self.is_enabled(connection, client_id).await? {
            Some(true) => Ok(()),
            Some(false) => {
                let change = json!([{ "client_id": client_id, "status": true }]);
                let path = format!("/connections/{}/clients", connection.id);
                let reply = self.api.call(Method::PATCH, &path, Some(&change)).await?;
                if !(200..300).contains(&reply.status) {
                    return Err(self.api.refused(&Method::PATCH, &path, &reply).into());
                }
                match self.is_enabled(connection, client_id).await? {
                    Some(true) => Ok(()),
                    _ => Err(Stop::Later(unexpected("the connection has not kept the client"))),
                }
            }
            None => self.enable_in_list(connection, client_id).await,
        }
    }

    /// By the endpoint of its own, page by page; `None`: this tenant doesn't have it.
    async fn is_enabled(&self, connection: &Connection, client_id: &str) -> Result<Option<bool>, Stop> {
        let mut from: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let after = from.as_deref().map(|from| format!("&from={}", encoded(from))).unwrap_or_default();
            let path = format!("/connections/{}/clients?take=1000{after}", connection.id);
            let reply = self.api.call(Method::GET, &path, None).await?;
            if matches!(reply.status, 404 | 405) && from.is_none() {
                return Ok(None);
            }
            if reply.status != 200 {
                return Err(self.api.refused(&Method::GET, &path, &reply).into());
            }
            let page: EnabledClients = serde_json::from_value(reply.body).map_err(|_| {
                Stop::Later(unexpected("the connection's clients have another form than expected"))
            })?;
            if page.clients.iter().any(|client| client.client_id == client_id) {
                return Ok(Some(true));
            }
            match page.next.filter(|next| !next.is_empty() && page.clients.len() <= 1_000) {
                Some(next) => from = Some(next),
                None => return Ok(Some(false)),
            }
        }
        Ok(Some(false))
    }

    /// Read, changed and written whole, by one of us at a time; read again, for others may write it, too.
    async fn enable_in_list(&self, connection: &Connection, client_id: &str) -> Result<(), Stop> {
        let path = format!("/connections/{}", connection.id);
        let _alone = self.list.lock().await;
        for _ in 0..=MAX_WRITES {
            let current: Connection = self.api.ask(Method::GET, &path, None).await?;
            let Some(mut clients) = current.enabled_clients else {
                return Err(Stop::Parked("refused: Auth0 doesn't show the connection's clients".to_owned()));
            };
            if clients.iter().any(|id| id == client_id) {
                return Ok(());
            }
            clients.push(client_id.to_owned());
            let change = json!({ "enabled_clients": clients });
            self.api.ask::<Value>(Method::PATCH, &path, Some(&change)).await?;
        }
        Err(Stop::Later(unexpected("the connection has not kept the client")))
    }

    async fn grant(&self, client_id: &str) -> Result<(), Stop> {
        let Promotion { audience, scopes, .. } = &self.rules;
        let grant = json!({ "client_id": client_id, "audience": audience, "scope": scopes });
        let reply = self.api.call(Method::POST, "/client-grants", Some(&grant)).await?;
        match reply.status {
            200..300 => return Ok(()),
            409 => {}
            _ => return Err(self.api.refused(&Method::POST, "/client-grants", &reply).into()),
        }
        let path = format!("/client-grants?client_id={client_id}&audience={}", encoded(audience));
        let found: Vec<Grant> = self.api.ask(Method::GET, &path, None).await?;
        let ours =
            |grant: &Grant| grant.client_id == client_id && grant.audience == *audience && is_id(&grant.id);
        let Some(grant) = found.into_iter().find(ours) else {
            return Err(Stop::Later(unexpected("the client grant that is in the way isn't shown")));
        };
        let mut wanted = grant.scope.clone();
        wanted.extend(scopes.iter().filter(|scope| !grant.scope.contains(scope)).cloned());
        if wanted.len() == grant.scope.len() {
            return Ok(());
        }
        // What somebody else has granted besides stays.
        let path = format!("/client-grants/{}", grant.id);
        self.api.ask::<Value>(Method::PATCH, &path, Some(&json!({ "scope": wanted }))).await?;
        Ok(())
    }
}

fn unexpected(why: &str) -> Trouble {
    Trouble::Passing { why: why.to_owned(), after: None }
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
