//! The demo issuer, as gateways and MCP clients see it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod client;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatewaystack_demo::{Issuer, Running};
use jwt_simple::prelude::*;
use reqwest::{Client, Response};
use serde_json::{Map, Value, json};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "http://127.0.0.1:9/callback?keep=1";

struct Fixture {
    issuer: Running,
    http: Client,
}

impl Fixture {
    async fn start() -> Self {
        let http = client::client();
        Self { issuer: Issuer::new().start(0).await.unwrap(), http }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer.url)
    }

    async fn get(&self, path: &str) -> Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        self.get(path).await.json().await.unwrap()
    }

    async fn form(&self, path: &str, pairs: &[(&str, &str)]) -> Response {
        let body: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let kind = "application/x-www-form-urlencoded";
        self.http.post(self.url(path)).header("Content-Type", kind).body(body.join("&")).send().await.unwrap()
    }

    async fn register(&self) -> String {
        let wanted = json!({
            "redirect_uris": [CALLBACK],
            "client_name": "<b>Test</b> & co",
            "grant_types": ["authorization_code", "refresh_token"],
        });
        let answer = self.http.post(self.url("/register")).json(&wanted).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["token_endpoint_auth_method"], "none");
        answer["client_id"].as_str().unwrap().to_string()
    }

    /// The consent page of an authorization request.
    async fn ask(&self, client: &str, more: &str) -> Response {
        let path = format!(
            "/authorize?response_type=code&client_id={client}&redirect_uri={}&state=s%20t&code_challenge={CHALLENGE}\
             &code_challenge_method=S256&scope=tool:read+tool:write&resource=https://gw.example/mcp{more}",
            encoded(CALLBACK)
        );
        self.get(&path).await
    }

    /// Through the page to the code.
    async fn code(&self, client: &str) -> String {
        let page = self.ask(client, "").await.text().await.unwrap();
        let request = between(&page, "name=\"request\" value=\"", "\"");
        let answer = self
            .form("/authorize/decision", &[("request", request), ("sub", "alice"), ("decision", "allow")])
            .await;
        assert_eq!(answer.status(), 303);
        let location = answer.headers()["location"].to_str().unwrap().to_string();
        assert!(location.starts_with(&format!("{CALLBACK}&code=")), "{location}");
        assert!(location.contains("&state=s%20t&iss=http%3A%2F%2F127.0.0.1"), "{location}");
        between(&location, "code=", "&").to_string()
    }

    async fn exchange(&self, client: &str, code: &str) -> Response {
        self.form("/token", &exchange(client, code)).await
    }

    async fn verify(&self, token: &str) -> Map<String, Value> {
        let kid = Token::decode_metadata(token).unwrap().key_id().unwrap().to_string();
        let set = self.json("/.well-known/jwks.json").await;
        let jwk =
            set["keys"].as_array().unwrap().iter().find(|jwk| jwk["kid"] == *kid).expect("a published key");
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        let key = RS256PublicKey::from_components(&bytes("n"), &bytes("e")).unwrap();
        key.verify_token::<NoCustomClaims>(token, None).unwrap();
        let payload = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }
}

fn exchange<'a>(client: &'a str, code: &'a str) -> [(&'static str, &'a str); 5] {
    [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]
}

fn encoded(value: &str) -> String {
    value
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).unwrap().0
}

async fn error(answer: Response, status: u16) -> String {
    assert_eq!(answer.status(), status);
    let body: Value = answer.json().await.unwrap();
    assert!(body["error_description"].is_string());
    body["error"].as_str().unwrap().to_string()
}

#[tokio::test]
async fn minted_tokens_have_the_asked_claims_and_verify() {
    let fixture = Fixture::start().await;
    let minted =
        fixture.json("/mint?sub=auth0%7Calice&scope=tool:read+tool:write&aud=a,b&ttl=60&org_id=org_1").await;
    assert_eq!((&minted["token_type"], &minted["expires_in"]), (&json!("Bearer"), &json!(60)));
    let claims = fixture.verify(minted["access_token"].as_str().unwrap()).await;
    assert_eq!(claims["sub"], "auth0|alice");
    assert_eq!(claims["scope"], "tool:read tool:write");
    assert_eq!(claims["aud"], json!(["a", "b"]));
    assert_eq!(claims["org_id"], "org_1");
    assert_eq!(claims["iss"], json!(fixture.issuer.url));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 60);
}

#[tokio::test]
async fn mint_has_defaults_and_takes_query_form_and_json() {
    let fixture = Fixture::start().await;
    let text = fixture.http.get(fixture.url("/mint")).header("Accept", "text/plain").send().await.unwrap();
    let claims = fixture.verify(&text.text().await.unwrap()).await;
    assert_eq!(claims["aud"], gatewaystack_demo::issuer::DEFAULT_AUDIENCE);
    assert_eq!(claims["scope"], "tool:read");
    let form: Value = fixture.form("/mint", &[("sub", "bob")]).await.json().await.unwrap();
    assert_eq!(fixture.verify(form["access_token"].as_str().unwrap()).await["sub"], "bob");
    let body = json!({ "sub": "eve", "permissions": ["a"], "scope": ["x", "y"] });
    let json: Value =
        fixture.http.post(fixture.url("/mint")).json(&body).send().await.unwrap().json().await.unwrap();
    let claims = fixture.verify(json["access_token"].as_str().unwrap()).await;
    assert_eq!((&claims["permissions"], &claims["scope"]), (&json!(["a"]), &json!(["x", "y"])));
}

#[tokio::test]
async fn mint_refuses_what_it_would_have_to_bend() {
    let fixture = Fixture::start().await;
    for path in ["/mint?iss=x", "/mint?ttl=abc", "/mint?ttl=999999", "/mint?sub=a&sub=b"] {
        assert_eq!(error(fixture.get(path).await, 400).await, "invalid_request", "{path}");
    }
    let foreign =
        fixture.http.get(fixture.url("/mint")).header("Origin", "https://evil.example").send().await;
    assert_eq!(error(foreign.unwrap(), 403).await, "access_denied");
    let rebound = fixture.http.get(fixture.url("/mint")).header("Host", "evil.example").send().await;
    assert_eq!(error(rebound.unwrap(), 403).await, "access_denied");
}

#[tokio::test]
async fn rotation_overlaps_unless_the_old_keys_are_dropped() {
    let fixture = Fixture::start().await;
    let before = fixture.json("/mint").await["access_token"].as_str().unwrap().to_string();
    let rotated: Value = fixture.form("/rotate", &[]).await.json().await.unwrap();
    assert_eq!(rotated["keys"].as_array().unwrap().len(), 2);
    let after = fixture.json("/mint").await["access_token"].as_str().unwrap().to_string();
    fixture.verify(&before).await;
    fixture.verify(&after).await;
    assert_eq!(Token::decode_metadata(&after).unwrap().key_id().unwrap(), rotated["kid"]);
    fixture.form("/rotate?drop=old", &[]).await;
    assert_eq!(fixture.json("/.well-known/jwks.json").await["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn both_metadata_documents_name_the_endpoints() {
    let fixture = Fixture::start().await;
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let document = fixture.json(path).await;
        assert_eq!(document["issuer"], json!(fixture.issuer.url));
        assert_eq!(document["jwks_uri"], json!(fixture.url("/.well-known/jwks.json")));
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    }
}

#[tokio::test]
async fn a_registered_client_gets_a_token_for_its_resource() {
    let fixture = Fixture::start().await;
    let client = fixture.register().await;
    let code = fixture.code(&client).await;
    let answer: Value = fixture.exchange(&client, &code).await.json().await.unwrap();
    let claims = fixture.verify(answer["access_token"].as_str().unwrap()).await;
    assert_eq!(claims["aud"], "https://gw.example/mcp");
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["scope"], "tool:read tool:write");
    assert_eq!(claims["client_id"], json!(client));
}

#[tokio::test]
async fn the_consent_page_escapes_and_names_client_host_and_scopes() {
    let fixture = Fixture::start().await;
    let client = fixture.register().await;
    let page = fixture.ask(&client, "").await;
    assert_eq!(page.headers()["x-frame-options"], "DENY");
    let html = page.text().await.unwrap();
    for part in ["&lt;b&gt;Test&lt;/b&gt; &amp; co", "<code>127.0.0.1:9</code>", "<code>tool:write</code>"] {
        assert!(html.contains(part), "{part} is missing in {html}");
    }
    assert!(!html.contains("<b>Test"));
}

#[tokio::test]
async fn a_code_works_once_and_its_replay_ends_the_refresh_token() {
    let fixture = Fixture::start().await;
    let client = fixture.register().await;
    let code = fixture.code(&client).await;
    let first: Value = fixture.exchange(&client, &code).await.json().await.unwrap();
    assert_eq!(error(fixture.exchange(&client, &code).await, 400).await, "invalid_grant");
    let refresh = first["refresh_token"].as_str().unwrap();
    let pairs = [("grant_type", "refresh_token"), ("client_id", client.as_str()), ("refresh_token", refresh)];
    assert_eq!(error(fixture.form("/token", &pairs).await, 400).await, "invalid_grant");
}

#[tokio::test]
async fn refresh_tokens_rotate_and_never_widen() {
    let fixture = Fixture::start().await;
    let client = fixture.register().await;
    let code = fixture.code(&client).await;
    let first: Value = fixture.exchange(&client, &code).await.json().await.unwrap();
    let refresh = |token: &Value, scope: &'static str| {
        let token = token["refresh_token"].as_str().unwrap().to_string();
        let (fixture, client) = (&fixture, client.as_str());
        async move {
            let pairs = [
                ("grant_type", "refresh_token"),
                ("client_id", client),
                ("refresh_token", &token),
                ("scope", scope),
            ];
            fixture.form("/token", &pairs).await
        }
    };
    assert_eq!(error(refresh(&first, "admin").await, 400).await, "invalid_scope");
    let second: Value = refresh(&first, "tool:read").await.json().await.unwrap();
    assert_eq!(second["scope"], "tool:read");
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(error(refresh(&second, "tool:write").await, 400).await, "invalid_scope");
    assert_eq!(error(refresh(&first, "").await, 400).await, "invalid_grant");
    // The replay of the first ended the second.
    assert_eq!(error(refresh(&second, "").await, 400).await, "invalid_grant");
}

#[tokio::test]
async fn wrong_exchanges_are_refused_and_spend_the_code() {
    let fixture = Fixture::start().await;
    let client = fixture.register().await;
    let other = fixture.register().await;
    for (name, value, expect) in [
        ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXj", "invalid_grant"),
        ("redirect_uri", "http://127.0.0.1:9/callback", "invalid_grant"),
        ("client_id", other.as_str(), "invalid_grant"),
    ] {
        let code = fixture.code(&client).await;
        let pairs = exchange(&client, &code).map(|pair| if pair.0 == name { (name, value) } else { pair });
        assert_eq!(error(fixture.form("/token", &pairs).await, 400).await, expect, "{name}");
        assert_eq!(error(fixture.exchange(&client, &code).await, 400).await, "invalid_grant", "{name}");
    }
    let unknown = exchange("nobody", "x");
    assert_eq!(error(fixture.form("/token", &unknown).await, 401).await, "invalid_client");
    let pairs = [("grant_type", "password"), ("client_id", client.as_str())];
    assert_eq!(error(fixture.form("/token", &pairs).await, 400).await, "unsupported_grant_type");
}

#[tokio::test]
async fn a_wrong_redirect_uri_is_never_followed_and_other_faults_are() {
    let fixture = Fixture::start().await;
    let client = fixture.register().await;
    let foreign =
        format!("/authorize?response_type=code&client_id={client}&redirect_uri=https://evil.example/");
    assert_eq!(error(fixture.get(&foreign).await, 400).await, "invalid_request");
    let no_pkce = format!(
        "/authorize?response_type=code&client_id={client}&redirect_uri={}&state=x",
        encoded(CALLBACK)
    );
    let answer = fixture.get(&no_pkce).await;
    assert_eq!(answer.status(), 303);
    assert!(answer.headers()["location"].to_str().unwrap().contains("error=invalid_request&state=x"));
    assert_eq!(fixture.ask(&client, "&scope=again").await.status(), 400);
}

#[tokio::test]
async fn a_consent_request_works_once_and_can_be_denied() {
    let fixture = Fixture::start().await;
    let client = fixture.register().await;
    let page = fixture.ask(&client, "").await.text().await.unwrap();
    let request = between(&page, "name=\"request\" value=\"", "\"");
    let denied = fixture.form("/authorize/decision", &[("request", request), ("decision", "deny")]).await;
    assert!(denied.headers()["location"].to_str().unwrap().contains("error=access_denied"));
    let again = fixture.form("/authorize/decision", &[("request", request), ("decision", "allow")]).await;
    assert_eq!(error(again, 400).await, "invalid_request");
}

#[tokio::test]
async fn a_click_counts_on_the_issuers_own_page_alone() {
    let fixture = Fixture::start().await;
    let client = fixture.register().await;
    let own = fixture.issuer.url.clone();
    // `null` is what a page in a sandbox says, and every page whose referrer policy is `no-referrer`.
    for (origin, status) in [(own.as_str(), 303), ("null", 403), ("https://evil.example", 403)] {
        let page = fixture.ask(&client, "").await;
        assert_eq!(page.headers()["referrer-policy"], "same-origin", "so that the page's own origin is said");
        let page = page.text().await.unwrap();
        let body = format!("request={}&decision=allow", between(&page, "name=\"request\" value=\"", "\""));
        let click = fixture.http.post(fixture.url("/authorize/decision")).header("Origin", origin).body(body);
        assert_eq!(click.send().await.unwrap().status(), status, "{origin}");
    }
}

#[tokio::test]
async fn a_person_chooses_user_and_scopes_on_the_page() {
    let fixture = Fixture::start().await;
    let client = fixture.register().await;
    for (ticked, expect) in [
        (&["scope:tool:read"][..], "tool:read"),
        (&["scope:tool:read", "scope:admin"], "tool:read admin"),
        (&["scope:everything"], ""),
        (&[], ""),
    ] {
        let page = fixture.ask(&client, "").await.text().await.unwrap();
        for (box_of, checked) in [("tool:read", true), ("tool:write", true), ("admin", false)] {
            let mark = if checked { " checked" } else { "" };
            assert!(page.contains(&format!("name=\"scope:{box_of}\" value=\"on\"{mark}>")), "{page}");
        }
        assert!(page.contains("<option value=\"bob\">"));
        let request = between(&page, "name=\"request\" value=\"", "\"");
        let mut form =
            vec![("request", request), ("scopes", "chosen"), ("sub", "bob"), ("decision", "allow")];
        form.extend(ticked.iter().map(|name| (*name, "on")));
        let answer = fixture.form("/authorize/decision", &form).await;
        let location = answer.headers()["location"].to_str().unwrap().to_owned();
        let code = between(&location, "code=", "&");
        let got: Value = fixture.exchange(&client, code).await.json().await.unwrap();
        assert_eq!(got["scope"], expect);
        let claims = fixture.verify(got["access_token"].as_str().unwrap()).await;
        assert_eq!((&claims["sub"], &claims["scope"]), (&json!("bob"), &json!(expect)));
    }
}

#[tokio::test]
async fn registration_refuses_redirects_off_this_machine_without_tls() {
    let fixture = Fixture::start().await;
    for (body, expect) in [
        (json!({ "redirect_uris": ["http://evil.example/cb"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": [] }), "invalid_redirect_uri"),
        (json!({}), "invalid_redirect_uri"),
        (json!({ "redirect_uris": [CALLBACK], "grant_types": ["implicit"] }), "invalid_client_metadata"),
        (json!([]), "invalid_client_metadata"),
    ] {
        let answer = fixture.http.post(fixture.url("/register")).json(&body).send().await.unwrap();
        assert_eq!(error(answer, 400).await, expect, "{body}");
    }
}
