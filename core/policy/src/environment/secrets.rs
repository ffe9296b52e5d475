//! Secrets: checked for form here, read by the sidecar alone, and never part of a policy. No message shows
//! one.

use super::reader::Reader;

/// A secret's names, in order of preference; each may end in `_FILE` and then names a file.
#[derive(Debug, Clone, Copy)]
pub struct Secret {
    /// The variables' names.
    pub names: &'static [&'static str],
    /// The same with `_FILE`.
    pub files: &'static [&'static str],
}

/// All secrets.
pub const SECRETS: &[Secret] = &[
    Secret {
        names: &["WEBHOOK_SHARED_SECRET", "LOG_WEBHOOK_SECRET"],
        files: &["WEBHOOK_SHARED_SECRET_FILE", "LOG_WEBHOOK_SECRET_FILE"],
    },
    Secret {
        names: &["AUTH0_MGMT_CLIENT_SECRET", "MGMT_CLIENT_SECRET"],
        files: &["AUTH0_MGMT_CLIENT_SECRET_FILE", "MGMT_CLIENT_SECRET_FILE"],
    },
    Secret { names: &["HEALTH_ADMIN_SECRET"], files: &["HEALTH_ADMIN_SECRET_FILE"] },
];

/// Whether `text` is one of the values that examples show, and that everybody knows.
pub fn is_placeholder(text: &str) -> bool {
    let text = text.trim();
    matches!(text.to_ascii_lowercase().as_str(), "devsecret" | "dev-change-me" | "changeme" | "...")
        || (text.starts_with('<') && text.ends_with('>'))
}

/// Checks the secrets among the variables.
pub fn check(reader: &mut Reader<'_>, demo: bool) {
    for secret in SECRETS {
        let value = reader.text(secret.names);
        if let (Some((name, _)), Some((file, _))) = (value, reader.text(secret.files)) {
            reader.error(file, format!("expected either this or {name}, not both"));
        }
        if let Some((name, text)) = value {
            if !demo && is_placeholder(text) {
                reader.error(
                    name,
                    "expected a secret of your own: this one is in our examples (DEMO_MODE=true allows it)",
                );
            } else if text.len() > 4_096 || text.chars().any(char::is_control) {
                reader.error(name, "expected a secret of at most 4096 bytes without control characters");
            }
        }
    }
    both_or_none(reader);
}

/// The management client's id and secret belong together.
fn both_or_none(reader: &mut Reader<'_>) {
    let id = reader.text(&["AUTH0_MGMT_CLIENT_ID", "MGMT_CLIENT_ID"]);
    let names = ["AUTH0_MGMT_CLIENT_SECRET", "MGMT_CLIENT_SECRET"];
    let files = ["AUTH0_MGMT_CLIENT_SECRET_FILE", "MGMT_CLIENT_SECRET_FILE"];
    let secret = reader.text(&names).or_else(|| reader.text(&files));
    match (id, secret) {
        (Some(_), None) => reader.error("AUTH0_MGMT_CLIENT_SECRET", "required with AUTH0_MGMT_CLIENT_ID"),
        (None, Some(_)) => reader.error("AUTH0_MGMT_CLIENT_ID", "required with AUTH0_MGMT_CLIENT_SECRET"),
        _ => {}
    }
}
