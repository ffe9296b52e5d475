//! Routes from variables: the proxy prefix, the scopes of the original's routes, and
//! `TOOL_SCOPE_ALLOWLIST_JSON`. They stand before the policy's: a variable wins over the policy.

use super::folded::Folded;
use super::reader::Reader;
use crate::overlap;
use crate::policy::Pattern;
use crate::values::{name, pattern};
use gatewaystack_text::sorted;
use serde_json::{Value, json};

/// The upstream that `PROXY_TARGET` names.
const UPSTREAM: &str = "proxy_target";
/// The upstream that `MCP_TARGET` names.
const MCP_UPSTREAM: &str = "mcp_target";

/// Folds the routes.
pub fn fold(reader: &mut Reader<'_>, folded: &mut Folded, alone: bool) {
    let read = scopes(reader, folded, "REQUIRED_SCOPES_READ", "tool:read", "builtin.read_scopes");
    let write = scopes(reader, folded, "REQUIRED_SCOPES_WRITE", "tool:write", "builtin.write_scopes");
    if let Some((name, on)) = reader.boolean(&["ENABLE_TEST_ROUTES"]) {
        folded.set("builtin.test_routes", json!(on), name);
    }
    if let Some((name, ms)) = reader.number("PROXY_TIMEOUT_MS") {
        folded.set("timeout", json!(format!("{ms}ms")), name);
    }
    let target = target(reader, folded, alone);
    let mut routes: Vec<(Value, &str)> = Vec::new();
    if target || alone {
        routes.push((proxy(reader, target), "PROXY_PREFIX"));
    }
    if let Some(route) = mcp(reader, folded) {
        // The tools' rules have a variable of their own.
        folded.origin(&format!("routes[{}].mcp.tools", routes.len()), TOOLS);
        routes.push((route, "MCP_PATH"));
    }
    let allowed = allowlist(reader);
    if alone && allowed.is_empty() {
        routes.push((
            json!({ "path": "/v1/tools/*", "methods": ["GET"], "scopes": read }),
            "REQUIRED_SCOPES_READ",
        ));
        routes.push((
            json!({ "path": "/v1/tools/*", "methods": ["POST"], "scopes": write }),
            "REQUIRED_SCOPES_WRITE",
        ));
    }
    routes.extend(allowed.into_iter().map(|route| (route, ALLOWLIST)));
    put(folded, routes, target && alone);
}

fn put(folded: &mut Folded, routes: Vec<(Value, &str)>, upstream: bool) {
    let count = routes.len();
    for (at, (_, variable)) in routes.iter().enumerate() {
        folded.origin(&format!("routes[{at}]"), variable);
    }
    folded.origins.routes_before = count;
    if count == 0 {
        return;
    }
    let Some(list) = folded.list("routes") else { return };
    for (at, (mut route, _)) in routes.into_iter().enumerate() {
        if upstream && let Some(members) = route.as_object_mut() {
            members.entry("upstream").or_insert(json!(UPSTREAM));
        }
        list.insert(at, route);
    }
}

fn scopes(
    reader: &Reader<'_>,
    folded: &mut Folded,
    name: &'static str,
    default: &str,
    path: &str,
) -> Vec<String> {
    match reader.scopes(&[name]) {
        Some((name, list)) => {
            folded.set(path, json!(list), name);
            list.into_iter().map(str::to_owned).collect()
        }
        None => vec![default.to_owned()],
    }
}

/// Notes `PROXY_TARGET` as an upstream; whether there is one.
fn target(reader: &Reader<'_>, folded: &mut Folded, alone: bool) -> bool {
    let Some((name, text)) = reader.text(&["PROXY_TARGET"]) else { return false };
    folded.set(&format!("upstreams.{UPSTREAM}"), json!(text), name);
    if alone {
        folded.set("upstreams.default", json!(text), name);
    }
    true
}

fn proxy(reader: &Reader<'_>, target: bool) -> Value {
    let prefix = reader.text(&["PROXY_PREFIX"]).map_or("/proxy", |(_, text)| text);
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let mut route = json!({ "path": format!("{prefix}/*"), "strip_prefix": prefix, "aliases": "strict" });
    if target && let Some(members) = route.as_object_mut() {
        members.insert("upstream".to_owned(), json!(UPSTREAM));
    }
    route
}

/// `MCP_PATH` to `MCP_TARGET`, with `TOOL_SCOPES_JSON` as the rules of its tools.
fn mcp(reader: &mut Reader<'_>, folded: &mut Folded) -> Option<Value> {
    let path = reader.text(&["MCP_PATH"]).map_or("/mcp", |(_, path)| path);
    if let Err(message) = pattern::literal(path) {
        reader.error("MCP_PATH", message);
    }
    let tools = reader.text(&[TOOLS]).map(|(_, text)| gatewaystack_text::json::parse(text.as_bytes(), 4));
    let Some((name, target)) = reader.text(&["MCP_TARGET"]) else {
        if tools.is_some() {
            reader.error("MCP_TARGET", format!("required with {TOOLS}: where the MCP server is"));
        }
        return None;
    };
    folded.set(&format!("upstreams.{MCP_UPSTREAM}"), json!(target), name);
    let tools = match tools {
        None => json!({}),
        Some(Ok(tools)) if tools.is_object() => tools,
        Some(_) => {
            let expected = "expected a JSON object of tools, such as {\"list_notes\":[\"tool:read\"]}";
            reader.error(TOOLS, expected);
            json!({})
        }
    };
    let mut route = json!({ "path": path, "upstream": MCP_UPSTREAM, "mcp": {} });
    // Moved, since `json!` would write it out to read it again.
    route.get_mut("mcp")?.as_object_mut()?.insert("tools".to_owned(), tools);
    Some(route)
}

const TOOLS: &str = "TOOL_SCOPES_JSON";
const ALLOWLIST: &str = "TOOL_SCOPE_ALLOWLIST_JSON";

/// One entry of the allow-list: `"tool:read": ["GET:/v1/tools/*"]`.
struct Entry {
    scope: String,
    method: String,
    pattern: Pattern,
    path: String,
}

/// The routes of `TOOL_SCOPE_ALLOWLIST_JSON`. A scope opens each of its entries, so an entry's route takes
/// any of the scopes whose entries hold it; a narrower entry comes before a broader one.
fn allowlist(reader: &mut Reader<'_>) -> Vec<Value> {
    let Some((_, text)) = reader.text(&[ALLOWLIST]) else { return Vec::new() };
    let entries = match entries(text) {
        Ok(entries) => narrow_first(entries),
        Err(message) => {
            reader.error(ALLOWLIST, message);
            return Vec::new();
        }
    };
    let mut done: Vec<(String, String)> = Vec::new();
    let mut routes = Vec::new();
    for entry in &entries {
        let key = (entry.method.clone(), entry.path.clone());
        if done.contains(&key) {
            continue;
        }
        let holds = |e: &&Entry| e.method == entry.method && overlap::covers(&e.pattern, &entry.pattern);
        let scopes: Vec<String> = entries.iter().filter(holds).map(|e| e.scope.clone()).collect();
        let scopes = sorted::unique(&scopes);
        routes.push(json!({ "path": entry.path, "methods": [entry.method], "any_scope": scopes }));
        done.push(key);
    }
    routes
}

/// Without a rest first, then the longest, then those with the fewest `*`.
fn narrow_first(entries: Vec<Entry>) -> Vec<Entry> {
    let key = |e: &Entry| {
        let length = e.pattern.segments.len();
        let wild = e.pattern.segments.iter().filter(|s| s.is_none()).count();
        // A path has at most 1,024 bytes, and none of them is a space.
        format!("{} {:04} {wild:04} {} {}", e.pattern.rest, 9_999 - length.min(9_999), e.path, e.method)
    };
    let keys: Vec<String> = entries.iter().map(key).collect();
    let mut entries: Vec<Option<Entry>> = entries.into_iter().map(Some).collect();
    let places = sorted::places(keys.iter().map(String::as_str).collect());
    places.into_iter().filter_map(|(_, at)| entries.get_mut(at)?.take()).collect()
}

fn entries(text: &str) -> Result<Vec<Entry>, String> {
    let expected =
        || "expected a JSON object of scopes, such as {\"tool:read\":[\"GET:/v1/tools/*\"]}".to_owned();
    let value = gatewaystack_text::json::parse(text.as_bytes(), 3).map_err(|_| expected())?;
    let mut entries = Vec::new();
    for (scope, list) in value.as_object().ok_or_else(expected)? {
        name::check_scope(scope)?;
        for item in list.as_array().ok_or_else(expected)? {
            let (method, path) = item.as_str().and_then(|s| s.split_once(':')).ok_or_else(expected)?;
            let (pattern, path) = pattern::parse(path)?;
            entries.push(Entry { scope: scope.clone(), method: name::method(method)?, pattern, path });
        }
    }
    if entries.is_empty() { Err(expected()) } else { Ok(entries) }
}
