//! Two paths to one server: which have to have the same rules.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn what_two_paths_reach_at_one_server_has_the_same_rules_or_says_that_it_is_meant() {
    let with = |upstreams: Value, routes: Value| {
        let mut policy = good();
        policy["rate_limits"] = json!([{ "by": "user", "max": 5, "window": "60s" }]);
        if routes.to_string().contains("limited") {
            policy["rate_limits"][0]["route"] = json!("/limited/*");
        }
        policy["upstreams"] = upstreams;
        policy["routes"] = routes;
        loaded(&policy).map(|_| ())
    };
    let one = json!({ "default": "http://127.0.0.1:3333" });
    let admin = json!({ "path": "/admin/*", "scopes": ["admin"] });
    let strips = |more: Value| {
        let mut route = json!({ "path": "/api/*", "strip_prefix": "/api" });
        route.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        route
    };
    let error = |at: usize| Err(vec![format!("routes[{at}].strip_prefix")]);
    for (upstreams, routes, expected) in [
        (one.clone(), json!([admin, strips(json!({}))]), error(1)),
        (one.clone(), json!([strips(json!({})), admin]), error(0)),
        (one.clone(), json!([admin, strips(json!({"aliases": "allowed"}))]), Ok(())),
        (
            one.clone(),
            json!([{ "path": "/admin/*", "scopes": ["admin"], "aliases": "allowed" }, strips(json!({}))]),
            Ok(()),
        ),
        (one.clone(), json!([admin, strips(json!({"aliases": "strict"}))]), Ok(())),
        (
            one.clone(),
            json!([admin, strips(json!({"aliases": "strict", "scopes": ["x"]}))]),
            Err(vec!["routes[1].aliases".to_owned()]),
        ),
        (
            one.clone(),
            json!([{ "path": "/admin/*", "aliases": "strict" }]),
            Err(vec!["routes[0].aliases".to_owned()]),
        ),
        (one.clone(), json!([admin, strips(json!({"scopes": ["admin"]}))]), Ok(())),
        // Other methods are other operations.
        (
            one.clone(),
            json!([{ "path": "/admin/*", "scopes": ["admin"], "methods": ["DELETE"] }, strips(json!({"methods": ["GET"]}))]),
            Ok(()),
        ),
        (
            one.clone(),
            json!([{ "path": "/admin/*", "scopes": ["admin"], "methods": ["GET"] }, strips(json!({"methods": ["GET", "PUT"]}))]),
            error(1),
        ),
        // What it reaches isn't what the other protects.
        (
            one.clone(),
            json!([{ "path": "/admin/*", "scopes": ["admin"] }, { "path": "/api/notes/*", "strip_prefix": "/api" }]),
            Ok(()),
        ),
        (
            one.clone(),
            json!([{ "path": "/*/secret", "scopes": ["admin"] }, { "path": "/api/notes/*", "strip_prefix": "/api" }]),
            error(1),
        ),
        // The same prefix: the order of routes decides, as everywhere.
        (
            one.clone(),
            json!([{ "path": "/api/admin/*", "strip_prefix": "/api", "scopes": ["admin"] }, strips(json!({}))]),
            Ok(()),
        ),
        (one.clone(), json!([{ "path": "/mcp", "mcp": {} }, strips(json!({}))]), error(1)),
        (
            one.clone(),
            json!([{ "path": "/admin/*", "response_filter": {"items": "", "owner": "/o"} }, strips(json!({}))]),
            error(1),
        ),
        (one.clone(), json!([{ "path": "/live", "upgrade": ["websocket"] }, strips(json!({}))]), error(1)),
        (one.clone(), json!([{ "path": "/limited/*" }, strips(json!({}))]), error(1)),
        // Many servers have their MCP endpoint at every path below it, too.
        (
            one.clone(),
            json!([{ "path": "/mcp", "mcp": {} }, { "path": "/api/mcp/*", "strip_prefix": "/api" }]),
            error(1),
        ),
        (
            one.clone(),
            json!([{ "path": "/mcp", "mcp": {} }, { "path": "/api/mcps/*", "strip_prefix": "/api" }]),
            Ok(()),
        ),
        // One server by two names, and two servers.
        (
            json!({ "default": "http://localhost:3333", "b": "http://127.0.0.1:3333" }),
            json!([admin, strips(json!({"upstream": "b"}))]),
            error(1),
        ),
        (
            json!({ "default": "http://notes.example:80", "b": "https://Notes.example" }),
            json!([admin, strips(json!({"upstream": "b"}))]),
            error(1),
        ),
        (
            json!({ "default": "http://127.0.0.1:3333", "b": "http://127.0.0.1:3334" }),
            json!([admin, strips(json!({"upstream": "b"}))]),
            Ok(()),
        ),
    ] {
        assert_eq!(with(upstreams, routes.clone()), expected, "{routes}");
    }
}
