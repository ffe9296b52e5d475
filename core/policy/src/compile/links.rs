//! Links: users and the accounts that they have at issuers.

use super::common::Errors;
use crate::bounds;
use crate::policy::{Issuer, Links, account_key};
use crate::raw::RawPolicy;
use crate::values::name;
use gatewaystack_text::sorted;

/// Longest user or `sub` in bytes.
const MAX_NAME: usize = 512;

/// Compiles `links`.
pub fn compile(raw: &RawPolicy, issuers: &[Issuer], errors: &mut Errors) -> Links {
    let list = raw.links.as_deref().unwrap_or_default();
    let most = bounds::LINKS.most;
    if list.len() > most {
        errors.push("links", format!("expected at most {most} links"));
    }
    let mut links = Links::default();
    let (mut keys, mut owners) = (Vec::new(), Vec::new());
    for (at, link) in list.iter().enumerate() {
        let path = format!("links[{at}]");
        let user = link.user.clone().unwrap_or_default();
        if link.user.is_none() {
            errors
                .push(format!("{path}.user"), "required: the user's name for upstreams, records and limits");
        } else {
            errors.keep(format!("{path}.user"), name::check_text(&user, MAX_NAME));
        }
        links.names.push(user);
        let accounts = link.is.as_deref().unwrap_or_default();
        if accounts.is_empty() {
            errors.push(format!("{path}.is"), "required: at least one account, { issuer, sub }");
        }
        for (n, account) in accounts.iter().enumerate() {
            let path = format!("{path}.is[{n}]");
            let bare = |text: &str| text.strip_suffix('/').unwrap_or(text).to_owned();
            let named = account.issuer.as_deref().map(bare);
            let id = issuers.iter().position(|issuer| Some(bare(&issuer.issuer)) == named);
            if id.is_none() {
                errors.push(format!("{path}.issuer"), "expected one of the policy's issuers");
            }
            let sub = account.sub.clone().unwrap_or_default();
            errors.keep(format!("{path}.sub"), name::check_text(&sub, MAX_NAME));
            if let Some(id) = id {
                keys.push(account_key(id, &sub));
                owners.push(at);
            }
        }
    }
    links.users = in_order(&links.names);
    for pair in links.users.windows(2) {
        if let [(user, _), (same, at)] = pair
            && user == same
        {
            errors.push(format!("links[{at}].user"), "expected another user than an earlier link's");
        }
    }
    links.accounts = in_order(&keys);
    for (_, place) in &mut links.accounts {
        *place = owners.get(*place).copied().unwrap_or_default();
    }
    for pair in links.accounts.windows(2) {
        if let [(account, first), (same, at)] = pair
            && account == same
        {
            let message =
                format!("expected accounts that nobody else has: one stands in links[{first}], too");
            errors.push(format!("links[{at}].is"), message);
        }
    }
    links
}

/// Names in their order, each with its place.
fn in_order(names: &[String]) -> Vec<(String, usize)> {
    let places = sorted::places(names.iter().map(String::as_str).collect());
    places.into_iter().map(|(name, at)| (name.to_owned(), at)).collect()
}
