//! The rate limit, faults on request, and races that are real.

use super::*;

/// How the bucket is filled is a test next to it, with the time given.
#[tokio::test]
async fn a_call_over_the_limit_is_told_when_to_come_again() {
    let auth0 = Auth0::start().await;
    let token = token(&auth0).await;
    auth0.set_rate(3, 2);
    let got = call(&auth0, &token, "GET", "/api/v2/clients", &Value::Null).await;
    assert_eq!((got.status, got.header("x-ratelimit-limit")), (200, Some("3")));
    auth0.refuse(1);
    let before = token::now_s();
    let got = call(&auth0, &token, "GET", "/api/v2/clients", &Value::Null).await;
    let want = error(429, "Too Many Requests", "Global limit has been reached", "too_many_requests");
    assert!(got.status == 429 && holds(&got.json(), &want), "{got:?}");
    assert_eq!((got.header("x-ratelimit-remaining"), got.header("retry-after")), (Some("0"), None));
    let reset: u64 = got.header("x-ratelimit-reset").unwrap().parse().unwrap();
    let now = token::now_s();
    assert!(
        (before + 1..=now + 1).contains(&reset),
        "the next full second: {reset}, between {before} and {now}"
    );
    eventually("new room", || async {
        let got = call(&auth0, &token, "GET", "/api/v2/clients", &Value::Null).await;
        let second = token::now_s();
        (got.status == 200).then(|| assert!(second >= reset, "not before it is said"))
    })
    .await;
    assert!(auth0.status_count(429) >= 1);
    auth0.set_rate(0, 0);
    auth0.set_retry_after(Some(1));
    let got = call(&auth0, &token, "GET", "/api/v2/clients", &Value::Null).await;
    assert_eq!((got.status, got.header("retry-after")), (429, Some("1")));
    auth0.set_token_rate(0, 0);
    assert_eq!(ask_token(&auth0, &json!({})).await.status, 429);
}

#[tokio::test]
async fn faults_strike_whom_they_shall_and_as_often() {
    let auth0 = Auth0::start().await;
    let token = token(&auth0).await;
    let id = auth0.register("Claude", &[CALLBACK]);
    let path = format!("/api/v2/clients/{id}");
    let rename = async |name: &str| call(&auth0, &token, "PATCH", &path, &json!({"name": name})).await;
    // The fault, the status (0: none), whether the body is JSON, whether it was done.
    let rows = [
        (Fault::Status(503), 503, true, false),
        (Fault::StatusAfterApplying(500), 500, true, true),
        (Fault::Reset, 0, false, false),
        (Fault::ResetAfterApplying, 0, false, true),
        (Fault::Garbage, 200, false, false),
        (Fault::Truncated, 200, false, true),
    ];
    for (n, (fault, status, is_json, done)) in rows.into_iter().enumerate() {
        let name = format!("name {n}");
        auth0.fail("PATCH", "/api/v2/clients", fault, 1);
        assert_eq!(call(&auth0, &token, "GET", &path, &Value::Null).await.status, 200, "another method");
        let got = rename(&name).await;
        assert_eq!(got.status, status, "{fault:?}: {got:?}");
        assert_eq!(serde_json::from_str::<Value>(&got.body).is_ok(), is_json, "{fault:?}: {got:?}");
        assert_eq!(auth0.client(&id)["name"] == name, done, "{fault:?}");
        assert_eq!(rename("Claude").await.status, 200, "once only: {fault:?}");
    }
    assert_eq!(auth0.count_of("PATCH", "/api/v2/clients/"), 12);
    assert_eq!(auth0.status_count(0), 3);

    auth0.fault_every(3, Fault::Status(500));
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(rename("Claude").await.status);
    }
    assert_eq!(statuses, [200, 200, 500, 200, 200, 500]);
    auth0.clear_faults();

    auth0.fail("*", "/api/v2", Fault::Hang, 1);
    let waiting = tokio::time::timeout(Duration::from_millis(200), rename("late")).await;
    assert!(waiting.is_err(), "no answer, ever: {waiting:?}");
    assert_eq!(auth0.client(&id)["name"], "Claude");
}

#[tokio::test]
async fn what_reads_then_writes_loses_to_another_that_does() {
    let auth0 = Auth0::start().await;
    let token = token(&auth0).await;
    let path = format!("/api/v2/connections/{}", auth0.connection("google-oauth2")["id"].as_str().unwrap());
    let read =
        async || call(&auth0, &token, "GET", &path, &Value::Null).await.json()["enabled_clients"].clone();
    let enable = async |mut clients: Value, client: &str| {
        clients.as_array_mut().unwrap().push(client.into());
        call(&auth0, &token, "PATCH", &path, &json!({"enabled_clients": clients})).await.status
    };
    let (one, other) = (read().await, read().await);
    assert_eq!((enable(one, "a").await, enable(other, "b").await), (200, 200));
    let left = auth0.connection("google-oauth2")["enabled_clients"].as_array().unwrap().len();
    assert_eq!(left, 1, "nothing serialises what isn't one call");
}
