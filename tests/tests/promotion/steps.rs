//! What is done to a client that may be promoted, and that it is done once.

use super::*;

const WAYS: [EnabledClients; 3] =
    [EnabledClients::Both, EnabledClients::MemberOnly, EnabledClients::EndpointsOnly];

#[tokio::test]
async fn a_client_with_a_known_name_and_known_redirects_is_promoted_and_no_other() {
    let (auth0, promoter) = domain_level().await;
    let start = Instant::now();
    let rows: [(&str, &[&str], &str); 12] = [
        ("Claude", &[CLAUDE], ""),
        ("ChatGPT connector", &[CHATGPT, "https://chatgpt.com/connector/oauth/a-B_1.~"], ""),
        ("MCP Inspector", &[CLAUDE, CHATGPT], ""),
        ("claude", &[CLAUDE], "not_allowed: no name"),
        ("My Claude", &[CLAUDE], "not_allowed: no name"),
        ("Cursor", &[CLAUDE], "not_allowed: no name"),
        ("Claude", &["https://evil.example/cb"], "not_allowed: no URI"),
        ("Claude", &[CLAUDE, "https://evil.example/cb"], "not_allowed: no URI"),
        ("Claude", &["http://127.0.0.1:3000/callback"], "not_allowed: no URI"),
        ("ChatGPT", &["https://chatgpt.com/connector/oauth/../x"], "not_allowed: no URI"),
        ("ChatGPT", &["https://chatgpt.com/connector/oauth/%2e%2e"], "not_allowed: no URI"),
        (
            "ChatGPT",
            &["https://chatgpt.com.evil.example/connector_platform_oauth_redirect"],
            "not_allowed: no URI",
        ),
    ];
    for (name, redirects, reason) in rows {
        let id = auth0.register(name, redirects);
        let before = changes(&auth0);
        let outcome = promoter.promote(&id).await;
        if reason.is_empty() {
            assert_eq!(outcome, Ok(()), "{name}: {redirects:?}");
            assert_promoted(&auth0, &id, false, name);
            continue;
        }
        let why = parked(outcome);
        assert!(why.starts_with(reason), "{name}: {redirects:?}: {why}");
        assert_eq!(changes(&auth0), before, "nothing is written: {name}: {redirects:?}");
    }
    // A burst looks the connection up once: what was found is fresh for ten seconds.
    let most = paced(start, Duration::from_secs(10));
    assert!((1..=most).contains(&auth0.count_of("GET", "/api/v2/connections")));
}

#[tokio::test]
async fn a_connection_that_is_not_domain_level_parks_until_it_is() {
    let auth0 = Auth0::start().await;
    let promoter = promoter_with(&auth0, &json!({}), MANAGEMENT_SECRET);
    let id = auth0.register("Claude", &[CLAUDE]);
    let why = parked(promoter.promote(&id).await);
    assert!(why.starts_with("connection_not_domain_level: google-oauth2"), "{why}");
    assert!(why.contains("promote the connection to domain level, or set DCR_FIRST_PARTY=true"), "{why}");
    assert_eq!(auth0.grants(), Vec::<Value>::new());
    auth0.promote(CONNECTION);
    assert_eq!(promoter.promote(&id).await, Ok(()), "what was mended counts at once");
    assert_promoted(&auth0, &id, false, "after the connection was promoted");
}

#[tokio::test]
async fn a_first_party_client_is_enabled_on_the_connection_whatever_way_the_tenant_has() {
    for ways in WAYS {
        let (auth0, promoter) = first_party(ways).await;
        // More than a page of others, who stay.
        let others: Vec<String> = (0..130).map(|_| auth0.register("Other", &[CLAUDE])).collect();
        enable(&auth0, ways, &others).await;
        let id = auth0.register("Claude", &[CLAUDE]);
        assert_eq!(promoter.promote(&id).await, Ok(()), "{ways:?}");
        assert_promoted(&auth0, &id, true, &format!("{ways:?}"));
        let enabled = auth0.connection(CONNECTION)["enabled_clients"].as_array().unwrap().clone();
        assert!(others.iter().all(|other| enabled.iter().any(|id| id == other)), "{ways:?}: nobody is lost");
    }
}

/// Others, whom somebody else has enabled.
async fn enable(auth0: &Auth0, ways: EnabledClients, clients: &[String]) {
    auth0.set_enabled_clients(EnabledClients::MemberOnly);
    let promoter =
        promoter_with(auth0, &json!({"first_party": true, "client_names": ["*"]}), MANAGEMENT_SECRET);
    for client in clients {
        promoter.promote(client).await.unwrap();
    }
    auth0.set_enabled_clients(ways);
}

#[tokio::test]
async fn a_strict_client_never_becomes_first_party_and_nothing_is_written() {
    let auth0 = Auth0::start().await;
    let promoter = promoter_with(&auth0, &json!({"first_party": true}), MANAGEMENT_SECRET);
    let id = auth0.register("Claude", &[CLAUDE]);
    assert!(id.starts_with("tpc_"));
    let why = parked(promoter.promote(&id).await);
    assert!(why.starts_with("strict_client: "), "{why}");
    assert!(why.contains("permissive") && why.contains("DCR_FIRST_PARTY=false"), "{why}");
    assert_eq!((changes(&auth0), auth0.writes(&id).len()), (0, 1), "but for its registration");
}

#[tokio::test]
async fn the_same_event_twice_changes_nothing_and_asks_for_no_change() {
    let check = async |auth0: Auth0, promoter: Arc<Promoter>, is_first_party: bool, what: String| {
        let id = auth0.register("Claude", &[CLAUDE]);
        promoter.promote(&id).await.unwrap();
        let (writes, asked) = (auth0.writes(&id).len(), changes(&auth0));
        for again in 0..3 {
            assert_eq!(promoter.promote(&id).await, Ok(()), "{what}");
            assert_eq!(
                (auth0.writes(&id).len(), changes(&auth0)),
                (writes, asked),
                "{what}, repetition {again}"
            );
        }
        assert_promoted(&auth0, &id, is_first_party, &what);
    };
    let (auth0, promoter) = domain_level().await;
    check(auth0, promoter, false, "domain-level".to_owned()).await;
    for ways in WAYS {
        let (auth0, promoter) = first_party(ways).await;
        check(auth0, promoter, true, format!("{ways:?}")).await;
    }
}

#[tokio::test]
async fn many_at_once_lose_nobody_on_the_one_list() {
    let (auth0, promoter) = first_party(EnabledClients::MemberOnly).await;
    let ids: Vec<String> = (0..12).map(|_| auth0.register("Claude", &[CLAUDE])).collect();
    auth0.set_latency(Duration::from_millis(5));
    let all = futures(ids.iter().map(|id| promoter.promote(id)));
    assert!(all.await.into_iter().all(|outcome| outcome.is_ok()));
    let list = format!("/api/v2/connections/{}", auth0.connection(CONNECTION)["id"].as_str().unwrap());
    let whole = auth0.calls().into_iter().filter(|call| call.method == "PATCH" && call.path == list).count();
    assert_eq!(whole, ids.len(), "one at a time: no write was lost, so none was done again");
    ids.iter().for_each(|id| assert_promoted(&auth0, id, true, "at once"));
}

#[tokio::test]
async fn two_writers_of_the_one_list_end_with_everybody_on_it() {
    let (auth0, one) = first_party(EnabledClients::MemberOnly).await;
    let other = promoter_with(&auth0, &json!({"first_party": true}), MANAGEMENT_SECRET);
    let ids: Vec<String> = (0..12).map(|_| auth0.register("Claude", &[CLAUDE])).collect();
    auth0.set_latency(Duration::from_millis(5));
    // As the worker does, until it is done; each looks again after its write.
    let promote = async |promoter: &Promoter, id: &str| {
        while let Err(stop) = promoter.promote(id).await {
            assert!(matches!(stop, Stop::Later(_)), "{stop:?}");
        }
    };
    let by_turns = ids.iter().enumerate().map(|(n, id)| promote(if n % 2 == 0 { &one } else { &other }, id));
    futures(by_turns).await;
    // A write of the one may take away what the other has seen already: such a list can't do better. A
    // repetition mends it.
    for id in &ids {
        one.promote(id).await.unwrap();
        assert_promoted(&auth0, id, true, "two writers");
    }
}

/// All of them at once.
pub async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, out) in pending.iter_mut().zip(&mut done) {
            if out.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *out = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
