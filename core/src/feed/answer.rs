//! The sidecar's answer to `GET /internal/feed`: JSON in, changes by their keys out, or that it isn't one.
//!
//! `{"epoch":"0123456789abcdef","version":2,"reset":false,"more":false,"changes":[{"block":["user","ann",0]},
//! {"lift":["user","bob"]}]}`

use super::blocks::{Change, Kind, key};
use crate::hash::Secret;
use crate::json::{self, Members, View};

/// The longest answer, in bytes.
pub const MAX_ANSWER: usize = 256 * 1024;
/// The deepest nesting of one: object, changes, change, its list.
const MAX_DEPTH: usize = 4;

/// One answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Which ledger it is of.
    pub epoch: u64,
    /// The last change in it, or the newest that there is.
    pub version: u64,
    /// All that was known before is void.
    pub reset: bool,
    /// There is more: ask again.
    pub more: bool,
    /// The audit log can be written; without one it can't.
    pub audited: bool,
    /// What has changed.
    pub changes: Vec<Change>,
}

/// The path of the question for what has changed since `version`.
pub fn path(epoch: u64, version: u64) -> String {
    format!("/internal/feed?after={version}&epoch={epoch:016x}")
}

impl Answer {
    /// Reads one; `None`: it isn't one that is understood as a whole. Members that nobody knows yet pass.
    pub fn read(body: &[u8], secret: Secret) -> Option<Self> {
        if body.len() > MAX_ANSWER {
            return None;
        }
        let View::Object(members) = json::view(body, MAX_DEPTH).ok()? else { return None };
        let epoch = members.get("epoch")?.as_str().filter(|epoch| epoch.len() == 16)?;
        let Some(View::Array(changes)) = members.get("changes") else { return None };
        Some(Self {
            epoch: u64::from_str_radix(epoch, 16).ok()?,
            version: number(members.get("version")?)?,
            reset: flag(&members, "reset")?,
            more: flag(&members, "more")?,
            audited: matches!(members.get("audit"), Some(View::Bool(true))),
            changes: changes.iter().map(|change| read_change(change, secret)).collect::<Option<_>>()?,
        })
    }
}

fn read_change(change: &View<'_>, secret: Secret) -> Option<Change> {
    let (named, until_s) = match (change.get("block"), change.get("lift")) {
        // What ends in more than a century holds for ever.
        (Some(View::Array(block)), None) => {
            (block, Some(u32::try_from(number(block.get(2)?)?).unwrap_or_default()))
        }
        (None, Some(View::Array(lift))) => (lift, None),
        _ => return None,
    };
    let [kind, value] = [named.first()?.as_str()?, named.get(1)?.as_str()?];
    let kind = Kind::of(kind)?;
    Some(Change { kind, key: key(secret, kind, value.as_bytes()), until_s })
}

fn number(value: &View<'_>) -> Option<u64> {
    if let View::Number(number) = value { number.as_u64() } else { None }
}

fn flag(members: &Members<'_>, name: &str) -> Option<bool> {
    if let View::Bool(flag) = members.get(name)? { Some(*flag) } else { None }
}
