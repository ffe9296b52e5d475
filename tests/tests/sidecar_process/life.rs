//! Start and stop, the commands next to it, what it says, and what it weighs.

use super::*;
use gatewaystack_tests::auth0::MANAGEMENT_SECRET;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_ends_what_is_under_way_and_keeps_the_rest() {
    in_time(Duration::from_secs(8), || async {
        let (auth0, mut sidecar) = domain_level().await;
        let clients: Vec<String> = (0..60).map(|_| auth0.register("Claude", &[CLAUDE])).collect();
        let events: Vec<Value> = clients.iter().map(|id| auth0.registration_event(id)).collect();
        auth0.hold_from(5);
        sidecar.start();
        sidecar.ready().await;
        sidecar.hook(&Value::from(events)).await.unwrap();
        eventually("some of them", || async { (auth0.grants().len() >= 5).then_some(()) }).await;
        sidecar.tell_to_stop();
        eventually("that it was told", || async { sidecar.log().contains("stopping").then_some(()) }).await;
        auth0.go_on();
        let (status, mut sidecar) =
            tokio::task::spawn_blocking(move || (sidecar.ends(), sidecar)).await.unwrap();
        assert_eq!(status.code(), Some(0), "{}", sidecar.log());
        // What was begun was ended: no client was left half done.
        let (whole, touched) = count(&auth0, &clients);
        assert_eq!(whole, touched, "a promotion was broken off");
        assert!((5..clients.len()).contains(&whole), "{whole} were promoted");
        let calls = auth0.calls().len();
        sidecar.start();
        sidecar.ready().await;
        drained(&sidecar).await;
        assert!(clients.iter().all(|id| is_promoted(&auth0, id)));
        assert!(
            auth0.calls().len() - calls <= (clients.len() - whole) * 3 + 3,
            "what was done isn't done again"
        );
    })
    .await;
}

/// How many clients are promoted, and how many were touched at all.
fn count(auth0: &Auth0, clients: &[String]) -> (usize, usize) {
    let whole = clients.iter().filter(|id| is_promoted(auth0, id)).count();
    let touched = clients.iter().filter(|id| auth0.writes(id).len() > 1).count();
    (whole, touched)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_hangs_does_not_keep_it_from_stopping() {
    let (auth0, mut sidecar) = domain_level().await;
    let id = auth0.register("Claude", &[CLAUDE]);
    auth0.fail("PATCH", "/api/v2/clients", Fault::Hang, 100);
    sidecar.start();
    sidecar.ready().await;
    sidecar.hook(&auth0.registration_event(&id)).await.unwrap();
    eventually("the call that hangs", || async { (auth0.count_of("PATCH", "/") > 0).then_some(()) }).await;
    let (status, mut sidecar) =
        tokio::task::spawn_blocking(move || (sidecar.terminate(), sidecar)).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", sidecar.log());
    auth0.clear_faults();
    sidecar.start();
    sidecar.ready().await;
    drained(&sidecar).await;
    assert!(is_promoted(&auth0, &id));
}

fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_parked_are_listed_and_tried_again_beside_a_sidecar_that_runs() {
    let auth0 = Auth0::start().await;
    let mut sidecar = Sidecar::of(&auth0);
    let (good, text) = run(&mut sidecar.command(&["webhook", "list"]));
    assert!(!good && text.starts_with("DATA_DIR: ") && text.contains("no queue yet"), "{text}");
    let clients: Vec<String> = (0..3).map(|_| auth0.register("Claude", &[CLAUDE])).collect();
    let events: Vec<Value> = clients.iter().map(|id| auth0.registration_event(id)).collect();
    sidecar.start();
    sidecar.ready().await;
    sidecar.hook(&Value::from(events.clone())).await.unwrap();
    eventually("the parked", || async { (sidecar.queue().await == (0, 3)).then_some(()) }).await;
    let (good, text) = run(&mut sidecar.command(&["webhook", "list"]));
    assert!(good && text.matches("connection_not_domain_level").count() == 3, "{text}");
    let (_, lines) = run(&mut sidecar.command(&["webhook", "list", "--json"]));
    let listed: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(listed.iter().all(|parked| clients.iter().any(|id| parked["client_id"] == *id)), "{lines}");
    auth0.promote(CONNECTION);
    let first = events[0]["log_id"].as_str().unwrap();
    assert_eq!(
        run(&mut sidecar.command(&["webhook", "retry", first])),
        (true, "1 queued again\n".to_owned())
    );
    eventually("the first", || async { is_promoted(&auth0, &clients[0]).then_some(()) }).await;
    eventually("the others stay", || async { (sidecar.queue().await == (0, 2)).then_some(()) }).await;
    let (good, text) = run(&mut sidecar.command(&["webhook", "retry", first]));
    assert!(!good && text.contains("no parked event"), "{text}");
    assert_eq!(run(&mut sidecar.command(&["webhook", "retry"])), (true, "2 queued again\n".to_owned()));
    drained(&sidecar).await;
    assert!(clients.iter().all(|id| is_promoted(&auth0, id)));
    assert_eq!(run(&mut sidecar.command(&["webhook", "list"])), (true, "nothing is parked\n".to_owned()));
}

/// Somebody who may write nowhere.
fn nobody(command: &mut Command) {
    command.uid(65_534).gid(65_534);
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_written_stops_the_start_and_says_so() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_auth0, sidecar) = domain_level().await;
    let file = sidecar.folder().join("a-file");
    std::fs::write(&file, "").unwrap();
    let below_a_file = sidecar.env("DATA_DIR", &file.join("data").display().to_string());
    let got = below_a_file.fails(|_| ());
    let said = String::from_utf8(got.stderr).unwrap();
    assert_eq!(got.status.code(), Some(1), "{said}");
    assert!(said.starts_with("DATA_DIR: can't use "), "{said}");
    // A folder of somebody else's. Only root can become nobody; anybody else is somebody who can't write
    // there already.
    let locked = below_a_file.folder().join("locked");
    std::fs::create_dir(&locked).unwrap();
    let open = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(&locked, open(0o555)).unwrap();
    std::fs::set_permissions(below_a_file.folder(), open(0o755)).unwrap();
    let is_root = std::fs::metadata("/proc/self").unwrap();
    let is_root = std::os::unix::fs::MetadataExt::uid(&is_root) == 0;
    let sidecar = below_a_file.env("DATA_DIR", &locked.display().to_string());
    let got = sidecar.fails(|command| {
        if is_root {
            nobody(command)
        }
    });
    let said = String::from_utf8(got.stderr).unwrap();
    assert_eq!(got.status.code(), Some(1), "{said}");
    assert!(said.starts_with("DATA_DIR: can't use "), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_what_was_taken_is_kept_and_auth0_is_left_alone() {
    let (auth0, mut sidecar) = domain_level().await;
    sidecar.start_short_of_disk(192 * 1024);
    sidecar.ready().await;
    let (mut taken, mut refused) = (Vec::new(), None);
    while refused.is_none() {
        assert!(taken.len() < 500, "the disk never filled");
        let id = auth0.register("Claude", &[CLAUDE]);
        let got = sidecar.hook(&auth0.registration_event(&id)).await.unwrap();
        if got.status == 200 { taken.push(id) } else { refused = Some((id, got)) }
    }
    let (last, got) = refused.unwrap();
    assert_eq!((got.status, got.json()["error"].clone()), (503, json!("temporarily_unavailable")), "{got:?}");
    assert!(got.header("retry-after").is_some(), "{got:?}");
    eventually("/ready to say so", || async { (sidecar.get("/ready").await.status == 503).then_some(()) })
        .await;
    assert_eq!(sidecar.get("/health").await.status, 200, "it isn't started anew for that");
    // Outcomes that can't be written are kept, and written again and again; nothing is done anew for them.
    let told =
        |sidecar: &Sidecar| sidecar.log().matches("the outcome of a promotion can't be written").count();
    eventually("two tries of each", || async { (told(&sidecar) >= 8).then_some(()) }).await;
    for id in &taken {
        let looks = auth0.count_of("GET", &format!("/api/v2/clients/{id}"));
        assert!(looks <= 1, "{looks} looks at one client");
    }
    sidecar.kill();
    sidecar.start();
    sidecar.ready().await;
    drained(&sidecar).await;
    assert!(taken.iter().all(|id| is_promoted(&auth0, id)), "{} were taken", taken.len());
    assert_eq!(auth0.writes(&last).len(), 1, "what was refused comes again, or doesn't");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_says_is_json_at_the_level_asked_for_and_never_a_secret() {
    let admin = "4dm1n-S3cret-of-the-tests";
    for (level, says) in [("info", true), ("error", false)] {
        let auth0 = Auth0::start().await;
        auth0.set_security_mode(SecurityMode::Permissive);
        auth0.promote(CONNECTION);
        let mut sidecar = Sidecar::of(&auth0).env("LOG_LEVEL", level).env("HEALTH_ADMIN_SECRET", admin);
        let (good, odd) =
            (auth0.register("Claude", &[CLAUDE]), auth0.register("Claude\u{1b}[31m\n{", &[CLAUDE]));
        let other = auth0.register("Other", &["https://evil.example/\u{202e}"]);
        sidecar.start();
        sidecar.ready().await;
        let mut heard = String::new();
        auth0.fail("PATCH", "/api/v2/clients", Fault::Status(500), 1);
        for id in [&good, &odd, &other] {
            heard += &sidecar.hook(&auth0.registration_event(id)).await.unwrap().body;
        }
        eventually("them all", || async { (sidecar.queue().await == (0, 1)).then_some(()) }).await;
        // From here on the management client's secret is wrong.
        auth0.revoke_tokens();
        auth0.set_credentials("mgmt", "another");
        let last = auth0.register("Claude", &[CLAUDE]);
        heard += &sidecar.hook(&auth0.registration_event(&last)).await.unwrap().body;
        eventually("the refusal", || async { (sidecar.queue().await == (0, 2)).then_some(()) }).await;
        for path in ["/health", "/ready", "/metrics", "/health/auth0", "/health/auth0?x", "/other"] {
            heard += &sidecar.get(path).await.body;
        }
        let health = health(&sidecar, admin).await;
        assert!(health.contains("the management token was refused (401"), "{health}");
        heard += &run(&mut sidecar.command(&["webhook", "list"])).1;
        let (_, sidecar) = tokio::task::spawn_blocking(move || (sidecar.terminate(), sidecar)).await.unwrap();
        let log = sidecar.log();
        let lines: Vec<Value> = log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect();
        assert_eq!(lines.iter().any(|line| line["level"] == "INFO"), says, "{log}");
        assert_eq!(lines.iter().any(|line| line["level"] == "WARN"), says, "{log}");
        for secret in [MANAGEMENT_SECRET, sidecar::WEBHOOK_SECRET, sidecar::SIDECAR_SECRET, admin] {
            assert!(![&heard, &health, &log].iter().any(|text| text.contains(secret)), "{level}: {secret}");
        }
        // Nor the management token, whose head all tokens of the stand-in share.
        assert!(!format!("{heard}{health}{log}").contains("eyJ"), "{level}");
    }
}

async fn health(sidecar: &Sidecar, admin: &str) -> String {
    let request = format!(
        "GET /health/auth0 HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-admin-secret: {admin}\r\n\r\n"
    );
    client::raw(&sidecar.address(), request.as_bytes()).await.body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_it_weighs_less_than_sixteen_megabytes() {
    let (auth0, sidecar) = domain_level().await;
    let mut sidecar = sidecar.as_shipped();
    let id = auth0.register("Claude", &[CLAUDE]);
    sidecar.start();
    sidecar.ready().await;
    sidecar.hook(&auth0.registration_event(&id)).await.unwrap();
    drained(&sidecar).await;
    let got = sidecar.get("/health/auth0").await;
    assert_eq!(got.json()["managementTokenOk"], true, "{got:?}");
    let kilobytes = sidecar.weighs();
    println!("idle, after a promotion and a probe: {kilobytes} kB resident, {} threads", threads(&sidecar));
    assert!(kilobytes < 16_000, "{kilobytes} kB");
}

fn threads(sidecar: &Sidecar) -> usize {
    std::fs::read_dir(format!("/proc/{}/task", sidecar.pid())).unwrap().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_costs_neither_threads_nor_memory() {
    let (auth0, sidecar) = domain_level().await;
    let mut sidecar = sidecar.as_shipped();
    sidecar.start();
    sidecar.ready().await;
    let sidecar = std::sync::Arc::new(sidecar);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let sidecar = std::sync::Arc::clone(&sidecar);
        all.spawn(async move { sidecar.get("/health/auth0").await.status });
    }
    let statuses = all.join_all().await;
    // The issuer isn't there.
    assert!(statuses.iter().all(|status| *status == 503));
    assert_eq!(auth0.count_of("POST", "/oauth/token"), 1);
    assert!(threads(&sidecar) <= 16, "{} threads", threads(&sidecar));
    println!("after 500 callers at once: {} kB resident, {} threads", sidecar.weighs(), threads(&sidecar));
    assert!(sidecar.weighs() < 32_000);
}
