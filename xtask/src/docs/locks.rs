//! What overrides can't touch where nobody says otherwise, and all that may be locked. Out: the list in the
//! chart's values, the sentence in the guide, the pattern of the values' schema.

use anyhow::{Context, Result};
use gatewaystack_policy::raw::{RawPolicy, RawRoute, locks};

use super::between;

/// The chart's values, with the list.
pub fn in_values(before: &str) -> Result<String> {
    let begin = "\nlocked:\n";
    let (_, rest) = before.split_once(begin).context("no member `locked`")?;
    let rest: String = rest.split_inclusive('\n').skip_while(|line| line.starts_with("  - ")).collect();
    let list: String = locks().map(|name| format!("  - {name}\n")).collect();
    let (kept, _) = before.split_once(begin).unwrap_or_default();
    Ok(format!("{kept}{begin}{list}{rest}"))
}

/// The guide, with the sentence's part.
pub fn in_guide(before: &str) -> Result<String> {
    let names: Vec<String> = locks().map(|name| format!("`{name}`")).collect();
    let (last, others) = names.split_last().context("nothing is locked")?;
    let words = format!("{} and {last}", others.join(", "));
    between(before, "<!-- locks: cargo xtask docs -->", "<!-- end -->", &words)
}

/// A name with a typing error would lock nothing: so the pattern has them all.
pub fn pattern() -> String {
    format!(r"^({}|routes\[\]\.({}))$", RawPolicy::NAMES.join("|"), RawRoute::NAMES.join("|"))
}
