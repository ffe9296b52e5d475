//! Each operation of the Management API, a call a row.

use super::*;
use gatewaystack_tests::auth0::{EnabledClients, SecurityMode};

#[tokio::test]
async fn clients_are_read_changed_and_listed() {
    let auth0 = Auth0::start().await;
    auth0.set_security_mode(SecurityMode::Permissive);
    let id = auth0.register("Claude", &[CALLBACK]);
    for n in 0..59 {
        auth0.register(&format!("c{n}"), &[CALLBACK]);
    }
    let promoted = json!({
        "app_type": "regular_web", "token_endpoint_auth_method": "none", "is_first_party": true,
        "grant_types": ["authorization_code", "refresh_token"],
    });
    let missing = error(404, "Not Found", "The client does not exist", "inexistent_client");
    let one = "/api/v2/clients/{client}";
    let rows = vec![
        (
            "GET",
            one,
            Value::Null,
            200,
            json!({"name": "Claude", "callbacks": [CALLBACK], "is_first_party": false}),
        ),
        (
            "GET",
            "/api/v2/clients/{client}?fields=name,client_id",
            Value::Null,
            200,
            json!({"name": "Claude"}),
        ),
        ("GET", "/api/v2/clients/nobody", Value::Null, 404, missing.clone()),
        ("PATCH", "/api/v2/clients/nobody", json!({}), 404, missing),
        ("PATCH", one, promoted.clone(), 200, promoted),
        ("PATCH", one, json!({"x": 1}), 400, invalid("'Additional properties not allowed: x'.")),
        (
            "PATCH",
            one,
            json!({"name": 1}),
            400,
            invalid("'Expected type string but found type integer' on property name."),
        ),
        (
            "PATCH",
            one,
            json!({"app_type": "web"}),
            400,
            invalid("'No enum match for: web' on property app_type."),
        ),
        (
            "PATCH",
            one,
            json!({"token_endpoint_auth_method": "jwt"}),
            400,
            json!({"errorCode": "invalid_body"}),
        ),
        ("PATCH", one, json!({"grant_types": "x"}), 400, json!({"errorCode": "invalid_body"})),
        ("PATCH", one, json!({"grant_types": [1]}), 400, json!({"errorCode": "invalid_body"})),
        (
            "PATCH",
            one,
            json!({"grant_types": ["client_credentials"]}),
            400,
            json!({"message": "Invalid grant types: client_credentials"}),
        ),
        ("PATCH", one, json!([]), 400, json!({"errorCode": "invalid_body"})),
        ("PATCH", one, json!({"client_metadata": {"a": "1"}}), 200, json!({"client_metadata": {"a": "1"}})),
        (
            "PATCH",
            one,
            json!({"client_metadata": {"b": "2"}}),
            200,
            json!({"client_metadata": {"a": "1", "b": "2"}}),
        ),
        (
            "GET",
            "/api/v2/clients?per_page=101",
            Value::Null,
            400,
            json!({"errorCode": "invalid_query_string"}),
        ),
        (
            "GET",
            "/api/v2/clients?page=1&per_page=50&include_totals=true&fields=name",
            Value::Null,
            200,
            json!({"total": 60, "start": 50, "limit": 50}),
        ),
        (
            "GET",
            "/api/v2/clients?is_first_party=true&fields=name",
            Value::Null,
            200,
            json!([{"name": "Claude"}]),
        ),
        ("POST", "/api/v2/nothing", json!({}), 404, json!({"error": "Not Found"})),
    ];
    check(&auth0, &[("client", &id)], rows).await;
    assert_eq!(auth0.client(&id)["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert_eq!(auth0.client(&id).get("client_secret"), None);
    let writes: Vec<_> = auth0.writes(&id).into_iter().map(|w| w.call).collect();
    assert_eq!(writes.len(), 4, "refused ones leave nothing: {writes:?}");
    assert_eq!(paged(&auth0, "/api/v2/clients", "clients", 20).await.len(), 60);
    assert_eq!(auth0.count_of("GET", "/api/v2/clients?take=20"), 3, "the last full page has no next one");
}

/// All elements by checkpoint.
async fn paged(auth0: &Auth0, path: &str, name: &str, take: usize) -> Vec<Value> {
    let token = token(auth0).await;
    let (mut all, mut from) = (Vec::new(), String::new());
    loop {
        let got = call(auth0, &token, "GET", &format!("{path}?take={take}{from}"), &Value::Null).await.json();
        let page = got[name].as_array().unwrap_or_else(|| panic!("{got}"));
        assert!(page.len() <= take);
        all.extend(page.clone());
        match got.get("next").and_then(Value::as_str) {
            Some(next) => from = format!("&from={next}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn a_strict_client_stays_third_party() {
    let auth0 = Auth0::start().await;
    let id = auth0.register("Claude", &[CALLBACK]);
    assert!(id.starts_with("tpc_"));
    let refused = json!({"statusCode": 400, "errorCode": "invalid_body"});
    let promoted = json!({
        "app_type": "regular_web", "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    let one = "/api/v2/clients/{client}";
    let rows = vec![
        (
            "GET",
            one,
            Value::Null,
            200,
            json!({"third_party_security_mode": "strict", "grant_types": ["authorization_code"]}),
        ),
        ("PATCH", one, json!({"is_first_party": true}), 400, refused.clone()),
        ("PATCH", one, json!({"third_party_security_mode": "permissive"}), 400, refused.clone()),
        ("PATCH", one, json!({"oidc_conformant": true}), 400, refused.clone()),
        ("PATCH", one, json!({"app_type": "resource_server"}), 400, refused.clone()),
        ("PATCH", one, json!({"grant_types": ["implicit"]}), 400, refused),
        ("PATCH", one, json!({"is_first_party": false}), 200, json!({"is_first_party": false})),
        ("PATCH", one, promoted.clone(), 200, promoted),
    ];
    check(&auth0, &[("client", &id)], rows).await;
}

#[tokio::test]
async fn connections_are_read_and_changed_whole() {
    let auth0 = Auth0::start().await;
    auth0.add_connection("db", "auth0", true);
    let id = auth0.connection("google-oauth2")["id"].as_str().unwrap().to_owned();
    let missing = error(404, "Not Found", "The connection does not exist", "inexistent_connection");
    let one = "/api/v2/connections/{con}";
    let list = "/api/v2/connections?fields=name";
    let rows = vec![
        ("GET", "/api/v2/connections?name=google-oauth2", Value::Null, 200, json!([{"id": "{con}"}])),
        ("GET", "/api/v2/connections?strategy=auth0&fields=name", Value::Null, 200, json!([{"name": "db"}])),
        ("GET", "/api/v2/connections?name=none", Value::Null, 200, json!([])),
        ("GET", list, Value::Null, 200, json!([{"name": "google-oauth2"}, {"name": "db"}])),
        (
            "GET",
            "/api/v2/connections?include_totals=true&per_page=1",
            Value::Null,
            200,
            json!({"total": 2, "start": 0, "limit": 1, "connections": [{"id": "{con}"}]}),
        ),
        (
            "GET",
            "/api/v2/connections?take=1",
            Value::Null,
            200,
            json!({"next": "{con}", "connections": [{}]}),
        ),
        ("GET", one, Value::Null, 200, json!({"is_domain_connection": false, "enabled_clients": []})),
        ("GET", "/api/v2/connections/con_none", Value::Null, 404, missing.clone()),
        ("PATCH", "/api/v2/connections/con_none", json!({}), 404, missing),
        ("PATCH", one, json!({"options": {"a": 1}}), 200, json!({"options": {"a": 1}})),
        ("PATCH", one, json!({"enabled_clients": ["a", "b"]}), 200, json!({"enabled_clients": ["a", "b"]})),
        ("PATCH", one, json!({"enabled_clients": ["c"]}), 200, json!({"enabled_clients": ["c"]})),
        ("PATCH", one, json!({"is_domain_connection": true}), 200, json!({"enabled_clients": ["c"]})),
        ("PATCH", one, json!({"name": "x"}), 400, invalid("'Additional properties not allowed: name'.")),
        ("PATCH", one, json!({"is_domain_connection": 1}), 400, json!({"errorCode": "invalid_body"})),
    ];
    check(&auth0, &[("con", &id)], rows).await;
    let connection = auth0.connection("google-oauth2");
    assert_eq!(connection["options"], json!({"a": 1}), "sent options replace all that was there");
    assert_eq!(connection["is_domain_connection"], true);
    assert_eq!(auth0.writes("a").len(), 2, "enabled, then lost by the write that named another");
    assert_eq!(auth0.writes("a")[1].connections, Vec::<String>::new());
}

#[tokio::test]
async fn the_clients_of_a_connection_have_endpoints_of_their_own() {
    let auth0 = Auth0::start().await;
    let id = auth0.connection("google-oauth2")["id"].as_str().unwrap().to_owned();
    let clients: Vec<String> = (0..60).map(|n| auth0.register(&format!("c{n}"), &[CALLBACK])).collect();
    let on =
        |ids: &[String]| -> Value { ids.iter().map(|c| json!({"client_id": c, "status": true})).collect() };
    let path = "/api/v2/connections/{con}/clients";
    let invalid = json!({"errorCode": "invalid_body"});
    let ids = [("con", id.as_str()), ("client", clients[0].as_str())];
    let rows = vec![
        ("GET", path, Value::Null, 200, json!({"clients": []})),
        ("PATCH", path, on(&clients[..50]), 204, Value::Null),
        ("PATCH", path, on(&clients[50..]), 204, Value::Null),
        ("PATCH", path, on(&clients[50..]), 204, Value::Null),
        ("PATCH", path, json!([{"client_id": "{client}", "status": false}]), 204, Value::Null),
        ("PATCH", path, on(&clients[..51]), 400, invalid.clone()),
        ("PATCH", path, json!([]), 400, invalid.clone()),
        ("PATCH", path, json!({}), 400, invalid.clone()),
        ("PATCH", path, json!([{"client_id": "{client}"}]), 400, invalid.clone()),
        ("PATCH", path, json!([{"client_id": "{client}", "status": 1}]), 400, invalid),
        (
            "PATCH",
            path,
            json!([{"client_id": "none", "status": true}]),
            404,
            json!({"errorCode": "inexistent_client"}),
        ),
        ("GET", "/api/v2/connections/con_none/clients", Value::Null, 404, json!({})),
    ];
    check(&auth0, &ids, rows).await;
    let all = paged(&auth0, &path.replace("{con}", &id), "clients", 50).await;
    assert_eq!(all.len(), 59);
    assert_eq!(all[0], json!({"client_id": clients[1]}));
    assert_eq!(auth0.writes(&clients[55]).len(), 2, "enabling again changes nothing");

    auth0.set_enabled_clients(EnabledClients::EndpointsOnly);
    let one = "/api/v2/connections/{con}";
    check(&auth0, &ids, vec![("PATCH", one, json!({"enabled_clients": []}), 400, json!({}))]).await;
    let shown = call(&auth0, &token(&auth0).await, "GET", &one.replace("{con}", &id), &Value::Null).await;
    assert_eq!(shown.json().get("enabled_clients"), None);

    auth0.set_enabled_clients(EnabledClients::MemberOnly);
    let gone = json!({"statusCode": 404, "message": "Not Found"});
    let rows =
        vec![("GET", path, Value::Null, 404, gone.clone()), ("PATCH", path, on(&clients[..1]), 404, gone)];
    check(&auth0, &ids, rows).await;
}

#[tokio::test]
async fn there_is_one_grant_for_a_client_an_api_and_a_subject_type() {
    let auth0 = Auth0::start().await;
    auth0.add_api("https://two.example", &["a"]);
    let client = auth0.register("Claude", &[CALLBACK]);
    let other = auth0.register("Other", &[CALLBACK]);
    let grant = auth0.add_grant(&other, AUDIENCE, &[], "client");
    let new = |changes: Value| {
        let mut body = json!({"client_id": "{client}", "audience": AUDIENCE, "scope": ["tool:read"]});
        body.as_object_mut().unwrap().extend(changes.as_object().cloned().unwrap());
        body
    };
    let path = "/api/v2/client-grants";
    let twice = json!({
        "statusCode": 409, "error": "Conflict",
        "message": format!("A client grant already exists between {client} and {AUDIENCE}"),
    });
    let subset = invalid("scope must be a subset of resource server scopes");
    let rows = vec![
        ("POST", path, new(json!({})), 201, json!({"scope": ["tool:read"], "subject_type": "client"})),
        ("POST", path, new(json!({"scope": []})), 409, twice),
        ("POST", path, new(json!({"subject_type": "user"})), 201, json!({"subject_type": "user"})),
        ("POST", path, new(json!({"audience": "https://two.example", "scope": ["a"]})), 201, json!({})),
        (
            "POST",
            path,
            new(json!({"audience": "https://none"})),
            404,
            json!({"message": "No resource with identifier https://none"}),
        ),
        ("POST", path, new(json!({"client_id": "none"})), 404, json!({"error": "Not Found"})),
        ("POST", path, new(json!({"client_id": "{other}", "scope": ["x"]})), 400, subset.clone()),
        (
            "POST",
            path,
            json!({"client_id": "{client}", "scope": []}),
            400,
            json!({"errorCode": "invalid_body"}),
        ),
        ("POST", path, new(json!({"subject_type": "x"})), 400, json!({"errorCode": "invalid_body"})),
        (
            "GET",
            "/api/v2/client-grants?client_id={other}",
            Value::Null,
            200,
            json!([{"id": "{grant}", "scope": []}]),
        ),
        (
            "GET",
            "/api/v2/client-grants?audience=https%3A%2F%2Fgateway.local%2Fapi&per_page=2&include_totals=true",
            Value::Null,
            200,
            json!({"total": 3, "client_grants": [{}, {}]}),
        ),
        (
            "GET",
            "/api/v2/client-grants?take=1&from={grant}",
            Value::Null,
            200,
            json!({"client_grants": [{"client_id": "{client}"}]}),
        ),
        (
            "PATCH",
            "/api/v2/client-grants/{grant}",
            json!({"scope": ["tool:write"]}),
            200,
            json!({"scope": ["tool:write"]}),
        ),
        ("PATCH", "/api/v2/client-grants/{grant}", json!({"scope": ["x"]}), 400, subset),
        (
            "PATCH",
            "/api/v2/client-grants/{grant}",
            json!({"audience": "x"}),
            400,
            invalid("'Additional properties not allowed: audience'."),
        ),
        ("PATCH", "/api/v2/client-grants/cgr_none", json!({"scope": []}), 404, json!({"error": "Not Found"})),
        ("GET", "/api/v2/client-grants/{grant}", Value::Null, 200, json!({"scope": ["tool:write"]})),
        (
            "GET",
            "/api/v2/resource-servers/https%3A%2F%2Fgateway.local%2Fapi",
            Value::Null,
            200,
            json!({"scopes": [{"value": "tool:read"}, {"value": "tool:write"}]}),
        ),
        (
            "GET",
            "/api/v2/resource-servers?identifiers=https%3A%2F%2Ftwo.example",
            Value::Null,
            200,
            json!([{"identifier": "https://two.example"}]),
        ),
        (
            "GET",
            "/api/v2/resource-servers/none",
            Value::Null,
            404,
            error(404, "Not Found", "The resource server does not exist", "inexistent_resource_server"),
        ),
    ];
    check(&auth0, &[("client", &client), ("other", &other), ("grant", &grant)], rows).await;
    assert_eq!(auth0.grants().len(), 4);
    assert_eq!(auth0.writes(&client).last().unwrap().grants.len(), 3);
}
