//! What a transmitter is answered, and what is on the disk by then.

use super::{MAX_BODY, MOST};
use crate::app::{App, Settings};
use crate::signals::testing::*;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use gatewaystack_core::config::policy::Policy;
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;
use tower::ServiceExt as _;

struct Desk {
    issuer: Issuer,
    policy: Arc<Policy>,
    router: Router,
    folder: TempDir,
}

async fn desk() -> Desk {
    let (issuer, folder) = (Issuer::start().await, tempfile::tempdir().unwrap());
    let policy = policy(json!({"issuers": [issuer.member()], "sidecar": {"data_dir": folder.path()}}));
    let app =
        App::new(Arc::clone(&policy), Settings { secret: "5ecre7".into(), ..Settings::default() }).unwrap();
    Desk { router: app.served().router(), issuer, policy, folder }
}

impl Desk {
    /// A SET of this issuer, of now.
    fn set(&self, jti: &str) -> Set {
        let now_s = crate::clock::now_ms() / 1_000;
        set()
            .claim("iss", self.issuer.url.as_str())
            .claim("iat", now_s)
            .claim("jti", jti)
            .of(&self.issuer.url, "ann")
    }
    async fn ask(&self, request: Request<Body>) -> (u16, HeaderMap, Vec<u8>) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status.as_u16(), parts.headers, to_bytes(body, 1 << 20).await.unwrap().to_vec())
    }
    async fn push(&self, set: &Set) -> (u16, Value) {
        let (status, headers, body) = self.ask(request("application/secevent+jwt", set.mint())).await;
        assert_eq!(headers["cache-control"], "no-store");
        if status == 400 {
            assert_eq!(
                (&headers["content-language"], &headers["content-type"]),
                (&"en".parse().unwrap(), &"application/json".parse().unwrap())
            );
        }
        (status, serde_json::from_slice(&body).unwrap_or(Value::String(String::from_utf8(body).unwrap())))
    }
    /// What the filter would be told.
    async fn changes(&self) -> Value {
        let request = Request::get("/internal/feed").header("x-gatewaystack-secret", "5ecre7");
        let (_, _, body) = self.ask(request.body(Body::empty()).unwrap()).await;
        serde_json::from_slice::<Value>(&body).unwrap()["changes"].clone()
    }
    async fn counted(&self, result: &str) -> bool {
        let (_, _, body) = self.ask(Request::get("/metrics").body(Body::empty()).unwrap()).await;
        String::from_utf8(body)
            .unwrap()
            .contains(&format!("gatewaystack_signals_total{{result=\"{result}\"}} 1\n"))
    }
}

fn request(media_type: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post("/ssf/events").header("content-type", media_type).body(body.into()).unwrap()
}

#[tokio::test]
async fn a_signal_is_on_the_disk_before_it_is_accepted_and_counts_once() {
    let desk = desk().await;
    let now_s = crate::clock::now_ms() / 1_000;
    let disabled =
        desk.set("1").event(&format!("{RISC}account-disabled"), json!({"event_timestamp": now_s - 5}));
    assert_eq!(desk.push(&disabled).await, (202, json!("")));
    assert_eq!(desk.changes().await, json!([{ "block": ["disabled", "ann", 0] }]));
    crate::ledger::operate::unblock(&desk.policy, "user", "ann").unwrap();
    assert_eq!(desk.push(&disabled).await, (202, json!("")), "again");
    assert_eq!(desk.changes().await, json!([]));
    let revoked =
        desk.set("2").event(&format!("{CAEP}session-revoked"), json!({"event_timestamp": now_s - 5}));
    assert_eq!(desk.push(&revoked).await, (202, json!("")));
    assert_eq!(desk.changes().await, json!([{ "block": ["revoked", "ann", now_s - 5] }]));
    let unknown =
        desk.set("3").event("https://schemas.openid.net/secevent/ssf/event-type/verification", json!({}));
    assert_eq!(desk.push(&unknown).await, (202, json!("")));
    assert_eq!(desk.issuer.fetches(), 1);
    for result in ["repeated", "ignored"] {
        assert!(desk.counted(result).await, "{result}");
    }
}

#[tokio::test]
async fn what_is_refused_has_a_code_and_changes_nothing() {
    let desk = desk().await;
    for (set, code) in [
        (desk.set("1").signed_by(key_b()), "invalid_key"),
        (desk.set("1").signed_by(key_b().named("a")), "invalid_key"),
        (desk.set("1").claim("iss", "https://other.example"), "invalid_issuer"),
        (desk.set("1").claim("aud", "https://other.example"), "invalid_audience"),
        (desk.set("1").claim("iat", 1), "invalid_request"),
        (desk.set("1").of("https://other.example", "ann"), "access_denied"),
    ] {
        let (status, body) = desk.push(&set).await;
        assert_eq!((status, &body["err"]), (400, &json!(code)), "{}", set.claims);
        assert!(!body["description"].as_str().unwrap().is_empty());
    }
    let good = desk.set("1").mint();
    for media_type in ["application/jwt", "application/json", ""] {
        assert_eq!(desk.ask(request(media_type, good.clone())).await.0, 400, "{media_type}");
    }
    assert_eq!(desk.ask(request("application/secevent+jwt", vec![0xff])).await.0, 400);
    assert_eq!(desk.ask(request("application/secevent+jwt", vec![b'a'; MAX_BODY + 1])).await.0, 413);
    assert_eq!(desk.ask(Request::get("/ssf/events").body(Body::empty()).unwrap()).await.0, 405);
    assert_eq!(desk.changes().await, json!([]));
    // Its id wasn't used up.
    assert_eq!(
        desk.ask(request("Application/SecEvent+JWT; charset=utf-8", format!("{good}\n"))).await.0,
        202
    );
    assert_eq!(desk.changes().await.as_array().unwrap().len(), 1);
}

/// 202 would be the last that anybody hears of it.
#[tokio::test]
async fn what_cannot_be_kept_or_judged_now_should_come_again() {
    let desk = desk().await;
    desk.issuer.says("");
    let (status, headers, _) = desk.ask(request("application/secevent+jwt", desk.set("1").mint())).await;
    assert_eq!((status, headers["retry-after"].as_bytes()), (503, b"30".as_slice()), "no keys");
    drop(desk);

    let desk = self::desk().await;
    assert_eq!(desk.push(&desk.set("1")).await.0, 202);
    let db = rusqlite::Connection::open(desk.folder.path().join("ledger.db")).unwrap();
    db.execute_batch("ALTER TABLE signal RENAME TO gone").unwrap();
    assert_eq!(desk.push(&desk.set("2")).await.0, 503);
    db.execute_batch("ALTER TABLE gone RENAME TO signal").unwrap();
    assert_eq!(desk.push(&desk.set("2")).await.0, 202);
    // More at once than are judged at once: those for whom there is no room come again.
    let sets: Vec<Set> = (0..8 * MOST).map(|at| desk.set(&format!("n{at}"))).collect();
    let all = futures_util::future::join_all(sets.iter().map(|set| desk.push(set))).await;
    assert!(all.iter().all(|(status, _)| matches!(status, 202 | 503)));
    assert!(all.iter().any(|(status, _)| *status == 202));
}

#[tokio::test]
async fn without_a_ledger_or_where_it_is_off_nobody_listens() {
    for (at, member) in
        [json!({"ledger": {"on": false}}), json!({"builtin": {"signals": false}})].into_iter().enumerate()
    {
        let folder = tempfile::tempdir().unwrap();
        let mut members = json!({"sidecar": {"data_dir": folder.path()}});
        members.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
        let app = App::new(policy(members), Settings::default()).unwrap();
        let response = app.served().router().oneshot(request("application/secevent+jwt", "x")).await.unwrap();
        assert_eq!(response.status(), 404, "{at}");
    }
}
