//! Times of records: RFC 3339 in, Unix microseconds out, and back.

use std::time::{Duration, UNIX_EPOCH};

/// The length of the one form in which records have their time.
const CANONICAL: usize = "2026-11-29T22:58:01.123456Z".len();

/// Unix microseconds of an RFC 3339 time since 1970, whatever its offset; finer parts are cut.
pub fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, digits: usize| -> Option<i64> {
        bytes
            .get(from..from + digits)?
            .iter()
            .try_fold(0i64, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
    };
    let is = |at: usize, any: &[u8]| bytes.get(at).is_some_and(|b| any.contains(b));
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let marked = is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":");
    let real = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if !marked || !real || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (mut at, mut us) = (19, 0);
    if is(at, b".") {
        let digits = bytes.get(20..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        let kept = digits.min(6);
        us = number(20, kept.max(1))? * 10i64.pow(u32::try_from(6 - kept).ok()?);
        at = 20 + digits;
    }
    let offset = match bytes.get(at..)? {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (number(at + 1, 2)?, number(at + 4, 2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'-' { -60 } else { 60 }
        }
        _ => return None,
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    (seconds >= 0).then(|| seconds * 1_000_000 + us)
}

/// The same, of the form in which records are written alone: what [`format`] gives back byte for byte.
pub fn parse_canonical(text: &str) -> Option<i64> {
    let is_canonical =
        text.len() == CANONICAL && text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T');
    parse(text).filter(|_| is_canonical)
}

/// RFC 3339 in UTC with six decimals.
pub fn format(us: i64) -> String {
    let since = Duration::from_micros(u64::try_from(us).unwrap_or(0));
    match UNIX_EPOCH.checked_add(since) {
        Some(time) if us < 253_402_300_800_000_000 => humantime::format_rfc3339_micros(time).to_string(),
        _ => "9999-12-31T23:59:59.999999Z".to_owned(),
    }
}

/// Days since 1970-01-01, in eras of 400 years that begin in March, so that the leap day is a year's last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (y.div_euclid(400), y.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::{format, parse, parse_canonical};

    #[test]
    fn times_are_read_in_any_offset_and_written_in_one_form() {
        for (text, expect) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-11-29T22:58:01.123456Z", Some(1_795_993_081_123_456)),
            ("2026-11-29t23:58:01.1234567+01:00", Some(1_795_993_081_123_456)),
            ("2026-11-29 21:28:01.12-01:30", Some(1_795_993_081_120_000)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800_000_000)),
            ("2023-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-11-29T24:00:00Z", None),
            ("2026-11-29T22:58:01.Z", None),
            ("2026-11-29T22:58:01", None),
            ("1969-12-31T23:59:59Z", None),
            ("now", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expect, "{text}");
        }
        assert_eq!(format(1_795_993_081_123_456), "2026-11-29T22:58:01.123456Z");
        assert_eq!(format(i64::MAX), "9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn only_what_is_written_back_alike_is_canonical() {
        for text in
            ["2026-11-29T22:58:01.123456Z", "1999-01-31T00:00:00.000000Z", "2000-02-29T23:59:59.999999Z"]
        {
            assert_eq!(parse_canonical(text).map(format).as_deref(), Some(text));
        }
        for text in
            ["2026-11-29T22:58:01.123Z", "2026-11-29t22:58:01.123456Z", "2026-11-29T22:58:01.1234567z"]
        {
            assert_eq!(parse_canonical(text), None, "{text}");
        }
    }
}
