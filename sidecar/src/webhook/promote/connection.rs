//! The connection that users sign in with: domain-level, or with the client enabled on it.

use super::{Before, Promoter, Stop, is_id, shown, unexpected};
use crate::auth0::types::{Connection, EnabledClients};
use gatewaystack_core::path::encoded;
use reqwest::Method;
use serde_json::{Value, json};

/// The most that Auth0 shows at once.
const PAGE: usize = 100;
/// Pages of a connection's clients: every agent that connects registers another one.
const MAX_PAGES: usize = 1_000;
/// Writes of a connection's whole list, should somebody else write it, too.
const MAX_WRITES: usize = 3;

impl Promoter {
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

    /// The same, if clients that we promote can sign in with it.
    pub(super) async fn usable_connection(&self) -> Result<Connection, Stop> {
        // Held meanwhile, so that a burst asks once.
        let mut known = self.known.lock().await;
        if let Some(connection) = known.fresh() {
            return Ok(connection);
        }
        let connection = self.connection().await?;
        if !self.rules.first_party && !connection.is_domain_connection {
            return Err(Stop::Parked(format!(
                "connection_not_domain_level: {} is for first-party clients only: promote the connection to domain level, or set \
                 DCR_FIRST_PARTY=true",
                self.rules.connection
            )));
        }
        known.keep(connection.clone());
        Ok(connection)
    }

    /// Enables the client. Its own endpoint changes this client alone, so a 204 needs no second look.
    pub(super) async fn enable(
        &self,
        connection: &Connection,
        client_id: &str,
        before: Before,
    ) -> Result<(), Stop> {
        let done = self.enable_by_either_way(connection, client_id, before).await;
        if done.is_err() {
            // A connection that was deleted and made anew has another id.
            self.known.lock().await.forget();
        }
        done
    }

    async fn enable_by_either_way(
        &self,
        connection: &Connection,
        client_id: &str,
        before: Before,
    ) -> Result<(), Stop> {
        if before == Before::Untouched && self.enable_one(connection, client_id).await? == Some(true) {
            return Ok(());
        }
        match self.is_enabled(connection, client_id).await? {
            Some(true) => Ok(()),
            None => self.enable_in_list(connection, client_id).await,
            Some(false) => match self.enable_one(connection, client_id).await? {
                Some(true) => Ok(()),
                _ => Err(unexpected("the connection has not kept the client")),
            },
        }
    }

    /// Whether Auth0 says that it is done; `None`: this tenant has no such endpoint, or knows no such client
    /// or connection.
    async fn enable_one(&self, connection: &Connection, client_id: &str) -> Result<Option<bool>, Stop> {
        let change = json!([{ "client_id": client_id, "status": true }]);
        let path = format!("/connections/{}/clients", connection.id);
        let reply = self.api.call(Method::PATCH, &path, Some(&change)).await?;
        match reply.status {
            204 => Ok(Some(true)),
            200..300 => Ok(Some(false)),
            404 | 405 => Ok(None),
            _ => Err(self.api.refused(&Method::PATCH, &path, &reply).into()),
        }
    }

    /// By the endpoint of its own, page by page; `None`: this tenant doesn't have it.
    async fn is_enabled(&self, connection: &Connection, client_id: &str) -> Result<Option<bool>, Stop> {
        let mut from: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let after = from.as_deref().map(|from| format!("&from={}", encoded(from))).unwrap_or_default();
            let path = format!("/connections/{}/clients?take={PAGE}{after}", connection.id);
            let reply = self.api.call(Method::GET, &path, None).await?;
            if matches!(reply.status, 404 | 405) && from.is_none() {
                return Ok(None);
            }
            if reply.status != 200 {
                return Err(self.api.refused(&Method::GET, &path, &reply).into());
            }
            let page: EnabledClients = serde_json::from_value(reply.body)
                .map_err(|_| unexpected("the connection's clients have another form than expected"))?;
            if page.clients.iter().any(|client| client.client_id == client_id) {
                return Ok(Some(true));
            }
            // A page that leads to itself would never end.
            match page.next.filter(|next| !next.is_empty() && !page.clients.is_empty()) {
                Some(next) if from.as_ref() != Some(&next) => from = Some(next),
                _ => return Ok(Some(false)),
            }
        }
        Ok(Some(false))
    }

    /// Read, changed and written whole, by one of us at a time; read again, for others may write it, too.
    async fn enable_in_list(&self, connection: &Connection, client_id: &str) -> Result<(), Stop> {
        let path = format!("/connections/{}", connection.id);
        // The options hold the secret of the provider behind it.
        let shown = format!("{path}?fields=id,name,enabled_clients&include_fields=true");
        let _alone = self.list.lock().await;
        for _ in 0..=MAX_WRITES {
            let current: Connection = self.api.ask(Method::GET, &shown, None).await?;
            let Some(mut clients) = current.enabled_clients.filter(|_| current.id == connection.id) else {
                return Err(Stop::Parked("refused: Auth0 doesn't show the connection's clients".to_owned()));
            };
            if clients.iter().any(|id| id == client_id) {
                return Ok(());
            }
            clients.push(client_id.to_owned());
            let change = json!({ "enabled_clients": clients });
            self.api.ask::<Value>(Method::PATCH, &path, Some(&change)).await?;
        }
        Err(unexpected("the connection has not kept the client"))
    }
}
