//! What frames the events of a body: bytes in, the text of each event out, also where one of them isn't JSON
//! that is read. Nothing is understood here but strings and brackets (RFC 8259 §2).
//!
//! `[{"a":"\ud800"},{"b":1}]` is two events, of which the first is bad; `[{"a":]}]` can't be divided.

/// Why a body can't be divided.
pub type Unframed = &'static str;

const ONE_EACH: Unframed =
    "The body can't be divided into events: send an event, a list of them, or one a line.";
const LOGS: Unframed = "`logs` must be a list of events.";
const TWICE: Unframed = "`logs` is there twice.";
const NOT_EVENTS: Unframed = "The body must be an event or a list of events.";

/// Divides a body: an event, an array of them, `{"logs":[…]}`, or such a text on each line.
///
/// # Errors
/// Why not.
pub fn events(body: &[u8]) -> Result<Vec<&[u8]>, Unframed> {
    let whole = body.trim_ascii();
    if matches!(whole.first(), Some(b'[' | b'{')) && end_of_value(whole) == Some(whole.len()) {
        return of_document(whole);
    }
    let mut lines =
        body.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).peekable();
    let first = lines.next().ok_or(ONE_EACH)?;
    if lines.peek().is_none() {
        return Err(ONE_EACH);
    }
    let mut events = Vec::new();
    let mut framed = false;
    for line in [first].into_iter().chain(lines) {
        match (end_of_value(line) == Some(line.len())).then(|| of_document(line)) {
            Some(Ok(found)) => {
                framed = true;
                events.extend(found);
            }
            // A line that is broken is a bad event of its own.
            _ => events.push(line),
        }
    }
    if framed { Ok(events) } else { Err(ONE_EACH) }
}

fn of_document(text: &[u8]) -> Result<Vec<&[u8]>, Unframed> {
    match text.first() {
        Some(b'[') => elements(text).ok_or(ONE_EACH),
        Some(b'{') => match logs(text)? {
            Some(list) if list.first() == Some(&b'[') => elements(list).ok_or(ONE_EACH),
            Some(_) => Err(LOGS),
            None => Ok(vec![text]),
        },
        _ => Err(NOT_EVENTS),
    }
}

/// The elements of an array.
fn elements(array: &[u8]) -> Option<Vec<&[u8]>> {
    let inner = array.get(1..array.len().checked_sub(1)?)?;
    let parts = divide(inner, b',')?;
    match parts.as_slice() {
        [[]] => Some(Vec::new()),
        _ => Some(parts),
    }
}

/// The value of the member `logs`.
fn logs(object: &[u8]) -> Result<Option<&[u8]>, Unframed> {
    let inner = object.get(1..object.len().saturating_sub(1)).unwrap_or_default();
    let mut found = None;
    for member in divide(inner, b',').ok_or(ONE_EACH)? {
        let value = member.strip_prefix(b"\"logs\"").and_then(|rest| rest.trim_ascii().strip_prefix(b":"));
        if let Some(value) = value
            && found.replace(value.trim_ascii()).is_some()
        {
            return Err(TWICE);
        }
    }
    Ok(found)
}

/// The parts of a text between separators that are in no string and no bracket.
fn divide(text: &[u8], separator: u8) -> Option<Vec<&[u8]>> {
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    while let Some(byte) = text.get(at) {
        at = match byte {
            0x22 | b'[' | b'{' => at + end_of_value(text.get(at..)?)?,
            b']' | b'}' => return None,
            byte if *byte == separator => {
                parts.push(text.get(start..at)?.trim_ascii());
                start = at + 1;
                start
            }
            _ => at + 1,
        };
    }
    parts.push(text.get(start..)?.trim_ascii());
    Some(parts)
}

/// Where the string (0x22 is its mark) or the brackets end with which `text` begins; of anything else the
/// whole text.
fn end_of_value(text: &[u8]) -> Option<usize> {
    if !matches!(text.first(), Some(0x22 | b'[' | b'{')) {
        return Some(text.len());
    }
    let mut open = Vec::new();
    let mut in_string = false;
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (in_string, byte) {
            (true, b'\\') => drop(bytes.next()),
            (_, 0x22) => in_string = !in_string,
            (true, _) => continue,
            (_, b'[') => open.push(b']'),
            (_, b'{') => open.push(b'}'),
            (_, b']' | b'}') if open.pop() != Some(*byte) => return None,
            _ => {}
        }
        if open.is_empty() && !in_string {
            return Some(at + 1);
        }
    }
    None
}
