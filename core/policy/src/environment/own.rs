//! The variables of the own gateway: where it listens, its sidecar, its webhook, and the labels that only the
//! sidecar reads.

use super::folded::Folded;
use super::reader::Reader;
use crate::values::{name, url};
use serde_json::{Value, json};

/// Folds them.
pub fn fold(reader: &mut Reader<'_>, folded: &mut Folded, alone: bool) {
    for (names, path) in [
        (&["BIND"][..], "listen.bind"),
        (&["TLS_CERT_FILE"], "listen.tls.cert_file"),
        (&["TLS_KEY_FILE"], "listen.tls.key_file"),
        (&["DATA_DIR"], "sidecar.data_dir"),
        (&["AUTH0_TENANT_DOMAIN", "MGMT_DOMAIN", "AUTH0_DOMAIN"], "webhook.tenant_domain"),
        (&["GOOGLE_CONNECTION_NAME"], "webhook.connection"),
    ] {
        if let Some((name, text)) = reader.text(names) {
            folded.set(path, json!(text), name);
        }
    }
    for (name, path) in [
        ("PORT", "listen.port"),
        ("ADMIN_PORT", "listen.admin_port"),
        ("TRUSTED_HOPS", "listen.trusted_hops"),
        ("SIDECAR_PORT", "sidecar.port"),
    ] {
        match reader.number(name) {
            Some((name, number)) => folded.set(path, json!(number), name),
            // A default may collide with another variable, and then this one solves it.
            None if alone => folded.origin(path, name),
            None => {}
        }
    }
    for (name, path) in
        [("DCR_CLIENT_NAME_ALLOW", "webhook.client_names"), ("DCR_REDIRECT_ALLOW", "webhook.redirect_uris")]
    {
        if let Some((name, list)) = reader.list(&[name]) {
            folded.set(path, json!(list), name);
        }
    }
    if let Some((name, list)) = reader.scopes(&["DCR_SCOPES"]) {
        folded.set("webhook.scopes", json!(list), name);
    }
    if let Some((name, on)) = reader.boolean(&["DCR_FIRST_PARTY"]) {
        folded.set("webhook.first_party", json!(on), name);
    }
    half_of_tls(folded);
    labels(reader);
}

/// Names the variable that is missing where the other is set.
fn half_of_tls(folded: &mut Folded) {
    let Some(tls) =
        folded.value.get("listen").and_then(|listen| listen.get("tls")).and_then(Value::as_object)
    else {
        return;
    };
    let (cert, key) = (tls.contains_key("cert_file"), tls.contains_key("key_file"));
    let from = |folded: &Folded, path: &str| folded.origins.variables.contains_key(path);
    if cert && !key && from(folded, "listen.tls.cert_file") {
        folded.origin("listen.tls.key_file", "TLS_KEY_FILE");
    }
    if key && !cert && from(folded, "listen.tls.key_file") {
        folded.origin("listen.tls.cert_file", "TLS_CERT_FILE");
    }
}

/// What has no member: the sidecar reads it from the environment itself, and the form is checked here with
/// all the rest.
fn labels(reader: &mut Reader<'_>) {
    reader.word("LOG_LEVEL", &["trace", "debug", "info", "warn", "error", "off"]);
    for (names, max) in
        [(&["MODE"][..], 64), (&["COMMIT_SHA"], 128), (&["AUTH0_MGMT_CLIENT_ID", "MGMT_CLIENT_ID"], 256)]
    {
        if let Some((name, text)) = reader.text(names)
            && let Err(message) = name::check_text(text, max)
        {
            reader.error(name, message);
        }
    }
}

/// The demo's issuer signs for anybody: it may only be seen from this machine, by every name and on every
/// address.
pub fn demo_stays_here(reader: &mut Reader<'_>, folded: &Folded) {
    let text = |section: Option<&Value>| section.and_then(Value::as_str).map(str::to_owned);
    let seen_as = text(folded.value.get("public_url")).unwrap_or_else(|| "http://localhost:8080".to_owned());
    if url::parse(&seen_as).is_ok_and(|url| !url::is_loopback(&url.host)) {
        reader.error(
            "PUBLIC_URL",
            "expected a loopback URL with DEMO_MODE=true, such as http://localhost:8080",
        );
    }
    let hosts = folded.value.get("public_hosts").and_then(Value::as_array);
    let is_elsewhere =
        |host: &str| !url::is_loopback(gatewaystack_text::host::bare_host(host).trim_matches(['[', ']']));
    if hosts.into_iter().flatten().filter_map(Value::as_str).any(is_elsewhere) {
        reader.error(
            "PUBLIC_HOSTS",
            "expected loopback hosts alone with DEMO_MODE=true, such as localhost:8080",
        );
    }
    // A container's port is published by those who start it: on loopback, as docker-compose.yml does.
    let is_container = reader.text(&["SIDECAR_HOST"]).is_some()
        || reader.boolean(&["IN_CONTAINER"]).is_some_and(|(_, on)| on);
    let bind = text(folded.value.get("listen").and_then(|listen| listen.get("bind")));
    if !is_container && bind.is_some_and(|bind| !url::is_loopback(&bind)) {
        reader.error(
            "BIND",
            "expected a loopback address with DEMO_MODE=true, such as 127.0.0.1; IN_CONTAINER=true says that this is a container, \
             whose port is published on loopback alone",
        );
    }
}
