//! Durations: `500ms`, `60s`, `5m`, `24h`, `2d` in, milliseconds out. `0` needs no unit.

use crate::bounds::Span;

/// Milliseconds of `text`, which must be among `allowed` (milliseconds).
///
/// # Errors
/// What was expected.
#[inline(always)]
pub fn within(text: &str, allowed: Span) -> Result<u64, String> {
    between(text, allowed.least, allowed.most)
}

// Two numbers, since a struct would be passed by memory at each of ten places.
fn between(text: &str, min: u64, max: u64) -> Result<u64, String> {
    let expected =
        || format!("expected a duration from {} to {}, such as \"60s\" or \"5m\"", show(min), show(max));
    let ms = parse(text).ok_or_else(expected)?;
    if (min..=max).contains(&ms) { Ok(ms) } else { Err(expected()) }
}

fn parse(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// As a policy writes it: `60s` is `1m`.
pub fn show(ms: u64) -> String {
    for (factor, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if ms >= factor && ms.is_multiple_of(factor) {
            return format!("{}{unit}", ms / factor);
        }
    }
    if ms == 0 { "0".to_owned() } else { format!("{ms}ms") }
}
