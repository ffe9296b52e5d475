//! The objects that an own gateway alone reads: where it listens, its sidecar, the webhook.

use crate::bounds;
use crate::form::{Form, Members, Reading};
use crate::reference::*;
use serde_json::Value;

raw! {
    /// `listen`
    RawListen at "listen" {
        /// The address.
        bind: String = own("0.0.0.0").text(ADDRESS).is("127.0.0.1"),
        /// The port; `0`: any free one.
        port: u64 = own("8443").within(bounds::PORT).is("8080"),
        /// HTTPS at the gateway.
        tls: RawTls = own("{ cert_file: cert.pem, key_file: key.pem }"),
        /// Proxies in front, whose `X-Forwarded-For` is believed.
        trusted_hops: u64 = own("1").within(bounds::TRUSTED_HOPS).is("0"),
        /// Connections that one address may have at once; `0`: any number.
        /// [How it is counted](operations.md#connections).
        connections_per_address: u64 = own("200").within(bounds::CONNECTIONS).means("an eighth of all"),
        /// Envoy's own pages, on loopback; `0`: any free port.
        admin_port: u64 = own("9000").within(bounds::PORT).is("9901"),
    }
}

raw! {
    /// `listen.tls`
    RawTls at "listen.tls" {
        /// The certificate and those that vouch for it, PEM.
        cert_file: String = own("/run/secrets/tls.crt").text(FILE).required_or("TLS_CERT_FILE"),
        /// Its key, PEM.
        key_file: String = own("/run/secrets/tls.key").text(FILE).required_or("TLS_KEY_FILE"),
    }
}

raw! {
    /// `sidecar`
    RawSidecar at "sidecar" {
        /// In a mesh: its Envoy cluster. The filter posts records there, and asks it who is blocked.
        cluster: String = filter("\"outbound|8081||gatewaystack.gatewaystack.svc.cluster.local\"").text(CLUSTER),
        /// Its port, on loopback; `0`: any free one.
        port: u64 = own("9081").within(bounds::PORT).is("8081"),
        /// The folder of the records, the webhook's queue and what was rendered.
        data_dir: String = own("/var/lib/gatewaystack").text(FILE).is("./data"),
    }
}

raw! {
    /// `webhook`
    RawWebhook at "webhook" {
        /// The file of the secret that Auth0 sends.
        secret_file: String = own("/run/secrets/webhook").text(plain(1_024)),
        /// The tenant whose Management API promotes; without it nothing is promoted.
        tenant_domain: String = own("tenant.eu.auth0.com").text(HOST),
        /// What users sign in with.
        connection: String = own("acme-users").text(plain(1_024)).is("google-oauth2"),
        /// Whether promoted clients skip consent.
        first_party: bool = own("true").is("false"),
        /// Names of clients that may be promoted; a `*` at the end stands for any text.
        client_names: Vec<String> = own("[\"Acme Agent*\"]").text(CLIENT).is("[ChatGPT*, Claude*, MCP*]"),
        /// Addresses of clients that may be promoted; a `*` at the end stands for one segment.
        redirect_uris: Vec<String> = own("[\"https://agents.example.com/callback\"]").text(REDIRECT)
            .means("those of ChatGPT and Claude"),
        /// What promoted clients are granted.
        scopes: Vec<String> = own("[\"tool:read\"]").text(SCOPE)
            .means("those advertised, without sign-in's"),
    }
}
