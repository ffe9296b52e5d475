//! The routes that both targets work with, as a table. In: a method and a path in segments. Out: what the
//! policy of [`crate::gateway`] is written from, and the first route that fits.

use crate::rules::{Rule, WIDE};

/// A route.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    pub path: &'static str,
    /// None: all.
    pub methods: &'static [&'static str],
    pub rule: Rule,
    /// The largest body, where its calls are judged.
    pub mcp: Option<usize>,
    /// Whether the token travels on.
    pub keeps_token: bool,
}

const fn route(path: &'static str, methods: &'static [&'static str], rule: Rule) -> Route {
    Route { path, methods, rule, mcp: None, keeps_token: false }
}

const fn mcp(path: &'static str, cap: usize, rule: Rule) -> Route {
    Route { path, methods: &[], rule, mcp: Some(cap), keeps_token: false }
}

pub const ROUTES: [Route; 9] = [
    route("/open/*", &[], Rule::Public),
    route("/notes/admin/*", &[], Rule::Any(&["admin", "owner"])),
    route("/notes/*", &["GET", "HEAD"], Rule::All(&["read"])),
    route("/notes/*", &["POST"], Rule::All(&["write"])),
    route("/users/*/notes", &[], Rule::All(&["read"])),
    Route { keeps_token: true, ..route("/any", &[], Rule::All(&[])) },
    mcp("/mcp", 65_536, Rule::All(&[])),
    mcp("/wide", 65_536, Rule::Any(WIDE)),
    mcp("/small", 1_024, Rule::All(&[])),
];

/// The MCP routes, and the largest body of each.
pub const MCP: [(&str, usize); 3] = [("/mcp", 65_536), ("/wide", 65_536), ("/small", 1_024)];

/// The route of this path.
pub fn of(path: &str) -> Option<Route> {
    ROUTES.into_iter().find(|route| route.path == path)
}

/// The first route that takes a request.
pub fn find(method: &str, segments: &[String]) -> Option<Route> {
    ROUTES.into_iter().find(|route| {
        (route.methods.is_empty() || route.methods.contains(&method)) && fits(route.path, segments)
    })
}

fn fits(pattern: &str, segments: &[String]) -> bool {
    let mut segments = segments.iter();
    let mut parts = pattern.trim_start_matches('/').split('/').peekable();
    while let Some(part) = parts.next() {
        let Some(segment) = segments.next() else { return false };
        match part {
            // At the end it stands for one or more.
            "*" if parts.peek().is_none() => return true,
            "*" => {}
            part if part == segment => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}
