//! Methods of MCP, and what a sloppy server could take for one: a method in, whether it means one thing out.

/// Methods of all versions, and of extensions that are known (notifications, which need nothing, aside).
const KNOWN: [&str; 28] = [
    "completion/complete",
    "elicitation/create",
    "initialize",
    "logging/setLevel",
    "notifications/cancelled",
    "notifications/initialized",
    "notifications/message",
    "notifications/progress",
    "notifications/roots/list_changed",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "roots/list",
    "sampling/createMessage",
    "server/discover",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/update",
    "tools/call",
    "tools/list",
];

/// Whether it is one of them.
pub fn is_known(method: &str) -> bool {
    KNOWN.contains(&method)
}

/// Whether no server takes `method` for another one: visible ASCII, and not a known method except for its
/// case and for what stands between its letters. There are servers that look a handler up by a name that they
/// make of a method.
pub fn is_unmistakable(method: &str) -> bool {
    let is_visible = !method.is_empty() && method.bytes().all(|b| b.is_ascii_graphic());
    // Most are known as they are.
    is_visible && (is_known(method) || !KNOWN.iter().any(|known| letters(known).eq(letters(method))))
}

fn letters(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().filter(u8::is_ascii_alphabetic).map(|byte| byte.to_ascii_lowercase())
}
