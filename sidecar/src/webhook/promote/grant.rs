//! The client grant: which scopes of the API the client may ask a user for. Auth0 has two kinds, one for
//! users that sign in and one for machines ("Application Access to APIs: Client Grants"); an agent needs the
//! first.

use super::{Before, Promoter, Stop, is_id, unexpected};
use crate::auth0::types::Grant;
use gatewaystack_core::config::policy::Promotion;
use gatewaystack_core::path::encoded;
use reqwest::Method;
use serde_json::json;

const USER: &str = "user";

impl Promoter {
    /// Makes the grant, or widens the one that is there.
    pub(super) async fn grant(&self, client_id: &str, before: Before) -> Result<(), Stop> {
        // Who was touched has one already, most likely: anyone who looks first writes nothing then.
        if before == Before::Touched
            && let Some(grant) = self.find_grant(client_id).await?
        {
            return self.widen(grant).await;
        }
        if self.make_grant(client_id).await? {
            return Ok(());
        }
        match self.find_grant(client_id).await? {
            Some(grant) => self.widen(grant).await,
            None => Err(unexpected("the client grant that is in the way isn't shown")),
        }
    }

    /// `false`: there is one.
    async fn make_grant(&self, client_id: &str) -> Result<bool, Stop> {
        let Promotion { audience, scopes, .. } = &self.rules;
        let grant =
            json!({ "client_id": client_id, "audience": audience, "scope": scopes, "subject_type": USER });
        let reply = self.api.call(Method::POST, "/client-grants", Some(&grant)).await?;
        match reply.status {
            200..300 => serde_json::from_value(reply.body)
                .ok()
                .filter(|made: &Grant| made.client_id == client_id && made.audience == *audience)
                .map(|_| true)
                .ok_or_else(|| unexpected("the new client grant has another form than expected")),
            409 => Ok(false),
            _ => Err(self.api.refused(&Method::POST, "/client-grants", &reply).into()),
        }
    }

    /// The grant for users; else one without a kind, which serves them, too.
    async fn find_grant(&self, client_id: &str) -> Result<Option<Grant>, Stop> {
        let audience = &self.rules.audience;
        let path = format!("/client-grants?client_id={client_id}&audience={}", encoded(audience));
        let mut found: Vec<Grant> = self.api.ask(Method::GET, &path, None).await?;
        found.retain(|grant| grant.client_id == client_id && grant.audience == *audience && is_id(&grant.id));
        let of_kind = |kind: Option<&str>| found.iter().find(|grant| grant.subject_type.as_deref() == kind);
        Ok(of_kind(Some(USER)).or_else(|| of_kind(None)).cloned())
    }

    /// What somebody else has granted besides stays.
    async fn widen(&self, grant: Grant) -> Result<(), Stop> {
        let missing = grant.lacks(&self.rules.scopes);
        if missing.is_empty() {
            return Ok(());
        }
        let wanted: Vec<&String> = grant.scope.iter().chain(missing).collect();
        let path = format!("/client-grants/{}", grant.id);
        let widened: Grant = self.api.ask(Method::PATCH, &path, Some(&json!({ "scope": wanted }))).await?;
        if widened.id == grant.id {
            Ok(())
        } else {
            Err(unexpected("the widened client grant has another form than expected"))
        }
    }
}
