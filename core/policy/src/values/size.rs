//! Numbers of bytes: `65536`, `64KiB`, `512MiB`, `4GiB`, `1TiB` in, bytes out.

use crate::bounds::Span;

/// From the largest on.
const UNITS: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];

/// Bytes of `text`, which must be among `allowed`.
///
/// # Errors
/// What was expected.
pub fn within(text: &str, allowed: Span) -> Result<u64, String> {
    parse(text).filter(|bytes| allowed.takes(*bytes)).ok_or_else(|| {
        let (least, most) = (show(allowed.least), show(allowed.most));
        format!("expected a number of bytes from {least} to {most}, such as 1048576, \"512MiB\" or \"4GiB\"")
    })
}

fn parse(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = UNITS.iter().find(|(_, name)| *name == unit).map(|(factor, _)| *factor);
    let factor = factor.or_else(|| unit.is_empty().then_some(1))?;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// As a policy writes it: `1024MiB` is `1GiB`.
pub fn show(bytes: u64) -> String {
    let unit = UNITS.iter().find(|(factor, _)| bytes >= *factor && bytes.is_multiple_of(*factor));
    unit.map_or_else(|| bytes.to_string(), |(factor, name)| format!("{}{name}", bytes / factor))
}
