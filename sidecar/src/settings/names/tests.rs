//! Which names are taken for mistakes, and that the list of names is whole.

use super::{Place, READ, SECRETS, check, distance, meant};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[test]
fn a_name_that_is_nearly_ours_is_a_mistake() {
    use Place::{File, Process};
    for (name, in_file, in_process) in [
        ("PORTT", Some("PORT"), Some("PORT")),
        ("PPORT", Some("PORT"), Some("PORT")),
        ("PROT", Some("PORT"), Some("PORT")),
        ("PRT", Some("PORT"), Some("PORT")),
        ("MOED", Some("MODE"), Some("MODE")),
        ("RATE_LIMT_MAX", Some("RATE_LIMIT_MAX"), Some("RATE_LIMIT_MAX")),
        ("RATE_LIMIT_MAXX", Some("RATE_LIMIT_MAX"), Some("RATE_LIMIT_MAX")),
        ("RATELIMIT_MX", Some("RATE_LIMIT_MAX"), Some("RATE_LIMIT_MAX")),
        ("rate_limit_max", Some("RATE_LIMIT_MAX"), Some("RATE_LIMIT_MAX")),
        ("AUTH_ISUER", Some("AUTH_ISSUER"), Some("AUTH_ISSUER")),
        ("AUTH_AUDIENCES", Some("AUTH_AUDIENCE"), Some("AUTH_AUDIENCE")),
        ("AUTH0_ISSEUR", Some("AUTH0_ISSUER"), Some("AUTH0_ISSUER")),
        ("CORS_ORIGINS", Some("CORS_ORIGIN"), Some("CORS_ORIGIN")),
        ("JWKS_URL", Some("JWKS_URI"), Some("JWKS_URI")),
        ("HEALTH_ADMIN_SECRET_FIEL", Some("HEALTH_ADMIN_SECRET_FILE"), Some("HEALTH_ADMIN_SECRET_FILE")),
        ("WEBHOOK_SHARD_SECRET", Some("WEBHOOK_SHARED_SECRET"), Some("WEBHOOK_SHARED_SECRET")),
        ("TRUSTD_HOP", Some("TRUSTED_HOPS"), None),
        ("RATE_LIMIT_PER_MINUTE", Some("RATE_LIMIT_SERVICE_URL"), None),
        ("DCR_NAMES", Some("DCR_SCOPES"), None),
    ] {
        assert_eq!((meant(name, File), meant(name, Process)), (in_file, in_process), "{name}");
    }
    for name in [
        "PATH",
        "CARGO_PKG_VERSION",
        "HOST",
        "MODEL",
        "PORTS",
        "SORT",
        "HOSTNAME",
        "HOME",
        "LOGNAME",
        "LOG_DIR",
        "BINDIR",
        "BIN",
        "NODE_ENV",
        "HTTP_PROXY",
        "NO_PROXY",
        "OAUTH_CLIENT_ID",
        "AUTH_SECRET",
        "AUTH0_CLIENT_ID",
        "AUTH0_CLIENT_SECRET",
        "PROXY_HOST",
        "API_PORT",
        "APP_PATH",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "CARGO_MANIFEST_DIR",
        "RUST_LOG",
        "GATEWAYSTACK_VERSION",
        "XDG_DATA_DIRS",
        "MODULE",
        "PORTAL",
        "KUBERNETES_PORT",
        "TZ",
        "",
    ] {
        assert_eq!((meant(name, File), meant(name, Process)), (None, None), "{name}");
    }
    for name in READ.iter().chain(SECRETS.iter().flat_map(|secret| secret.names.iter().chain(secret.files))) {
        assert_eq!((meant(name, File), meant(name, Process)), (None, None), "{name}");
    }
}

#[test]
fn what_is_empty_or_kubernetes_own_is_no_mistake() {
    for (value, told) in [("9", 1), ("", 0), (" ", 0), ("tcp://10.0.0.7:80", 0)] {
        let found = check(&[("PORTT".to_owned(), value.to_owned())].into(), Place::Process);
        assert_eq!(found.len(), told, "{value}");
        assert!(
            found.iter().all(|error| error.to_string() == "PORTT: is read by nobody; did you mean PORT?")
        );
    }
}

#[test]
fn letters_are_counted() {
    for (a, b, expect) in [
        ("", "", 0),
        ("A", "", 1),
        ("AB", "BA", 1),
        ("PORT", "PORTT", 1),
        ("ABC", "CBA", 2),
        ("KITTEN", "SITTING", 3),
    ] {
        assert_eq!((distance(a, b), distance(b, a)), (expect, expect), "{a} {b}");
    }
}

/// Names in quotes that look like variables.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |word: &&str| {
        word.len() > 3 && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    text.split('"').skip(1).step_by(2).filter(is_name)
}

#[test]
fn the_list_has_what_is_read_and_nothing_else() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("..");
    let mut read = BTreeSet::new();
    for folder in ["core/policy/src/environment", "sidecar/src"] {
        for file in files(&root.join(folder)) {
            let text = std::fs::read_to_string(&file).unwrap();
            let is_test = ["tests.rs", "testing.rs"].iter().any(|name| file.ends_with(name));
            let is_test = is_test || file.iter().any(|part| part == "tests");
            if !file.ends_with("names.rs") && !is_test {
                read.extend(quoted(text.split("#[cfg(test)]").next().unwrap()).map(str::to_owned));
            }
        }
    }
    let secrets = SECRETS.iter().flat_map(|secret| secret.names.iter().chain(secret.files));
    let listed: BTreeSet<String> = READ.iter().chain(secrets).map(|name| (*name).to_owned()).collect();
    let unread: Vec<_> = listed.difference(&read).collect();
    assert!(unread.is_empty(), "nobody reads {unread:?}");
    let others = [
        "PATH",
        "CARGO_PKG_VERSION",
        "NEVER",
        "RS256",
        "HEAD",
        "POST",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "SELECT",
        "TRACE",
        "CONNECT",
        "IP_ADDRESS",
        "LOGICAL_DNS",
        "STRICT_DNS",
        "V4_PREFERRED",
    ];
    let unlisted: Vec<_> = read
        .difference(&listed)
        .filter(|name| !others.contains(&name.as_str()) && name.contains(['_']))
        .collect();
    assert!(unlisted.is_empty(), "not in the list: {unlisted:?}");
    let example = std::fs::read_to_string(root.join(".env.example")).unwrap();
    for name in READ {
        assert!(example.contains(name), "{name} is not in .env.example");
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
