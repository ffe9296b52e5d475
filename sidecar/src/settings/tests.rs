//! Env files and policy files, as operators write them.

use super::{Source, check_secrets, env_file, policy_file};
use gatewaystack_core::config::Environment;
use serde_json::json;

#[test]
fn an_env_file_is_read_as_dotenv_files_are() {
    for (text, expect) in [
        ("A=1", Some("1")),
        ("\u{feff}A=1\r\n", Some("1")),
        ("  export A = 1  ", Some("1")),
        ("# A=2\n\nA=1", Some("1")),
        ("A=1 # one", Some("1")),
        ("A=https://a.example/#x", Some("https://a.example/#x")),
        ("A= # nothing", Some("")),
        ("A=", Some("")),
        ("A=\"a # b\" # c", Some("a # b")),
        ("A='a\\nb'", Some("a\\nb")),
        ("A=\"a\\nb\\\"\"", Some("a\nb\"")),
        ("A=\"one\ntwo\"\nB=3", Some("one\ntwo")),
        ("A=1\nA=2", Some("2")),
        ("A={\"tool:read\":[\"GET:/v1/*\"]}", Some("{\"tool:read\":[\"GET:/v1/*\"]}")),
        ("A", None),
        ("A B=1", None),
        ("=1", None),
        ("A=\"1", None),
        ("A=\"1\"2", None),
    ] {
        let got = env_file::parse(text).ok().map(|env| env.get("A").cloned().unwrap_or_default());
        assert_eq!(got.as_deref(), expect, "{text:?}");
    }
    assert_eq!(env_file::parse("A=1\nB\n\nC").unwrap_err().len(), 2);
    assert!(env_file::parse("A=1\nB\n").unwrap_err()[0].starts_with("line 2"));
}

#[test]
fn yaml_is_read_strictly() {
    let yaml = |text: &str| policy_file::yaml(text.as_bytes());
    let text = "version: 1\nroutes:\n  - { path: /v1/*, methods: [GET] }\nrate_limits:\n  - { by: user, max: 60, window: 60s, on: failures }\n";
    assert_eq!(
        yaml(text).unwrap(),
        json!({
            "version": 1,
            "routes": [{ "path": "/v1/*", "methods": ["GET"] }],
            "rate_limits": [{ "by": "user", "max": 60, "window": "60s", "on": "failures" }]
        })
    );
    assert_eq!(
        yaml("a: yes\nb: \"a|\"\nc:\nd: 5m\ne: 1_0").unwrap(),
        json!({ "a": "yes", "b": "a|", "c": null, "d": "5m", "e": "1_0" })
    );
    for bad in ["a: 1\na: 2", "a: { b: 1, b: 2 }", "a: [", "a: 1\n---\nb: 2", "\u{0}"] {
        assert!(yaml(bad).is_err(), "{bad}");
    }
    assert!(!yaml("a: 1\na: 2").unwrap_err().contains('\n'));
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    assert!(yaml(&deep).is_err());
}

#[test]
fn an_error_names_its_file_or_its_variable() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("gateway.yaml");
    std::fs::write(
        &policy,
        "issuers: [{ issuer: 'https://a.example', audiences: [a] }]\nroutes: [{ path: /a, scopes: [' '] }]",
    )
    .unwrap();
    let mut source = Source::read(Some(&policy), None, false).unwrap();
    source.env.insert("PORT".into(), "x".into());
    let errors = gatewaystack_core::config::load_value(source.policy.clone(), &source.env).unwrap_err();
    let lines: Vec<String> = source.name(errors).iter().map(ToString::to_string).collect();
    assert!(lines[0].starts_with("PORT: "), "{lines:?}");
    assert!(lines[1].starts_with(&format!("{}: routes[0].scopes[0]: ", policy.display())), "{lines:?}");
}

#[test]
fn secrets_in_files_are_checked_without_being_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let env = |demo: &str| -> Environment {
        [
            ("HEALTH_ADMIN_SECRET_FILE".to_owned(), file.display().to_string()),
            ("DEMO_MODE".to_owned(), demo.to_owned()),
        ]
        .into()
    };
    assert_eq!(check_secrets(&env("false")).unwrap_err().path, "HEALTH_ADMIN_SECRET_FILE");
    for (content, demo, good) in [
        ("s3cr3t\n", "false", true),
        ("changeme", "false", false),
        ("changeme", "true", true),
        ("\n", "true", false),
    ] {
        std::fs::write(&file, content).unwrap();
        assert_eq!(check_secrets(&env(demo)).is_ok(), good, "{content:?}");
    }
}
