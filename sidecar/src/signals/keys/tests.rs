//! However many SETs come, and whatever keys they name, an issuer is asked rarely.

use super::{FLOOR_MS, Keys, Missing, PAUSE_MS};
use crate::signals::testing::{Issuer, key_a, key_b, policy};
use gatewaystack_core::config::policy::IssuerId;
use serde_json::json;

const NOW: u64 = 1_795_993_081_000;

async fn keys() -> (Issuer, Keys) {
    let issuer = Issuer::start().await;
    let keys = Keys::new(&policy(json!({"issuers": [issuer.member()]})));
    (issuer, keys)
}

async fn find(keys: &Keys, kid: &str, now_ms: u64) -> Result<usize, Missing> {
    keys.find(IssuerId(0), Some(kid), now_ms).await.map(|set| set.len())
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_when_they_are_old() {
    let (issuer, keys) = keys().await;
    for (later, fetches) in [(0, 1), (0, 1), (300_000, 1), (300_001, 2)] {
        assert_eq!(find(&keys, "a", NOW + later).await, Ok(1));
        assert_eq!(issuer.fetches(), fetches, "{later}");
    }
    let at_once = (0..50).map(|_| find(&keys, "a", NOW + 700_000));
    assert!(futures_util::future::join_all(at_once).await.into_iter().all(|found| found == Ok(1)));
    assert_eq!(issuer.fetches(), 3, "those who come meanwhile wait for it");
}

#[tokio::test]
async fn a_new_key_is_found_and_a_flood_of_made_up_ones_costs_one_fetch() {
    let (issuer, keys) = keys().await;
    assert_eq!(find(&keys, "a", NOW).await, Ok(1));
    issuer.says(&key_b().document());
    assert_eq!(find(&keys, "b", NOW + 1).await, Ok(1));
    assert_eq!(issuer.fetches(), 2);
    for at in 0..100 {
        assert_eq!(find(&keys, &format!("x{at}"), NOW + 2).await, Err(Missing::Unavailable), "it may be new");
    }
    assert_eq!(issuer.fetches(), 2);
    assert_eq!(find(&keys, "x0", NOW + 1 + FLOOR_MS).await, Err(Missing::Unknown));
    assert_eq!(find(&keys, "x0", NOW + 2 + FLOOR_MS).await, Err(Missing::Unknown), "that is known by now");
    assert_eq!(find(&keys, "b", NOW + 2 + FLOOR_MS).await, Ok(1));
    assert_eq!(issuer.fetches(), 3);
}

#[tokio::test]
async fn an_issuer_that_is_away_is_asked_again_after_a_pause_and_what_was_known_holds() {
    let (issuer, keys) = keys().await;
    issuer.says("");
    assert_eq!(find(&keys, "a", NOW).await, Err(Missing::Unavailable));
    assert_eq!(find(&keys, "a", NOW + PAUSE_MS - 1).await, Err(Missing::Unavailable));
    let before = issuer.fetches();
    issuer.says(&key_a().document());
    assert_eq!(find(&keys, "a", NOW + PAUSE_MS).await, Ok(1));
    assert_eq!(issuer.fetches(), before + 1);
    issuer.says("");
    let day = 24 * 3_600_000;
    assert_eq!(find(&keys, "a", NOW + day).await, Ok(1));
    assert_eq!(find(&keys, "a", NOW + PAUSE_MS + day + 1).await, Err(Missing::Unavailable), "too old");
}
