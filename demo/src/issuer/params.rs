//! Request parameters (query or form) in, single values out. RFC 6749 §3.1: none may come twice, an empty one
//! counts as absent; only RFC 8707's `resource` may repeat.

use super::error::{Kind, OAuthError};
use axum::extract::Query;
use axum::http::Uri;

const MAX_PARAMS: usize = 64;
const MAX_VALUE: usize = 4096;

#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn of_query(uri: &Uri) -> Result<Self, OAuthError> {
        let Query(pairs) = Query::try_from_uri(uri).map_err(|_| malformed())?;
        Self::checked(pairs)
    }

    /// A form is a query in the body (`application/x-www-form-urlencoded`).
    pub(super) fn of_form(body: &[u8]) -> Result<Self, OAuthError> {
        let text = std::str::from_utf8(body).map_err(|_| malformed())?;
        let uri: Uri = format!("/?{}", text.trim_end()).parse().map_err(|_| malformed())?;
        Self::of_query(&uri)
    }

    /// `more` wins where both have a name: `/mint` takes its parameters from either place.
    pub(super) fn overlaid(mut self, more: Self) -> Self {
        self.0.retain(|(name, _)| more.get(name).is_none());
        self.0.extend(more.0);
        self
    }

    pub(super) fn checked(mut pairs: Vec<(String, String)>) -> Result<Self, OAuthError> {
        pairs.retain(|(_, value)| !value.is_empty());
        let too_much = pairs.len() > MAX_PARAMS || pairs.iter().any(|(_, value)| value.len() > MAX_VALUE);
        let mut names: Vec<&str> =
            pairs.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "resource").collect();
        names.sort_unstable();
        let doubled = names.windows(2).any(|pair| pair.first() == pair.last());
        if too_much || doubled { Err(malformed()) } else { Ok(Self(pairs)) }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, name: &str, description: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or(OAuthError::new(Kind::InvalidRequest, description))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The requested scopes (RFC 6749 §3.3), or none.
    pub(super) fn scopes(&self) -> Result<Option<Vec<String>>, OAuthError> {
        let Some(scope) = self.get("scope") else { return Ok(None) };
        let mut scopes: Vec<String> = Vec::new();
        for part in scope.split(' ').filter(|part| !part.is_empty()) {
            if !scopes.iter().any(|known| known == part) {
                scopes.push(part.to_string());
            }
        }
        let legal = |c: char| c == '!' || ('#'..='[').contains(&c) || (']'..='~').contains(&c);
        if scopes.len() > 64 || !scopes.iter().all(|part| part.chars().all(legal)) {
            return Err(OAuthError::new(
                Kind::InvalidScope,
                "The scope parameter has characters outside RFC 6749.",
            ));
        }
        Ok(Some(scopes))
    }

    /// The requested resources (RFC 8707 §2: absolute URIs without a fragment).
    pub(super) fn resources(&self) -> Result<Vec<String>, OAuthError> {
        let resources: Vec<String> =
            self.iter().filter(|(name, _)| *name == "resource").map(|(_, value)| value.to_string()).collect();
        let absolute = |uri: &String| {
            !uri.contains('#')
                && uri.parse::<Uri>().is_ok_and(|uri| uri.scheme().is_some() && uri.host().is_some())
        };
        if resources.len() > 8 || !resources.iter().all(absolute) {
            return Err(OAuthError::new(
                Kind::InvalidTarget,
                "A resource must be an absolute URI without a fragment.",
            ));
        }
        Ok(resources)
    }
}

fn malformed() -> OAuthError {
    OAuthError::new(
        Kind::InvalidRequest,
        "The parameters are malformed, too many, or one of them is repeated.",
    )
}
