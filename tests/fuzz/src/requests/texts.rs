//! The readers below the exchange, each next to another one. In: a request. Out: a panic where a path, a body
//! or a URI in it isn't read as the other reader has it.

use super::target::spelled;
use super::wire::Wire;
use crate::loose::{self, Loose, values};
use crate::uris;
use gatewaystack_core::json::{self, Bounds, Fault};
use gatewaystack_core::path;
use gatewaystack_text::uri::{self, Form};
use serde::de::IgnoredAny;

pub fn check(wire: &Wire) {
    target(&wire.target);
    body(&wire.body);
    for value in values(&loose::text(&wire.body)) {
        each(&value, &mut |text| resource(text));
    }
}

/// A path is good where it has one spelling, and becomes that.
fn target(target: &[u8]) {
    let read = path::parse(target);
    let text = std::str::from_utf8(target).unwrap_or_default();
    let is_visible = target.iter().all(|byte| (0x21..0x7f).contains(byte) && *byte != b'#');
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    let is_sent = !path.contains(['\\', ';']);
    let expected = spelled(path).filter(|_| is_visible && is_sent);
    assert!(
        read.as_ref().ok().map(|read| read.path.as_str()) == expected.as_deref(),
        "{path}: {read:?}, not {expected:?}"
    );
    if let Ok(read) = read {
        assert!(read.query.as_deref() == query, "{query:?} became {:?}", read.query);
        assert!(read.changed == (read.path != path), "{path}: changed or not");
    }
}

/// JSON is good where `serde_json` takes it, no name is there twice, and it isn't too deep.
fn body(body: &[u8]) {
    let read = json::check(body, Bounds::of(128));
    let text = std::str::from_utf8(body).ok().filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    let is_good =
        text.is_some_and(|text| values(text).iter().all(|value| !value.has_double() && value.depth() <= 128));
    // Which names are the same is another question where one is no text.
    let is_half = loose::text(body).to_lowercase().contains("\\ud");
    match read {
        Ok(_) => assert!(is_good || is_half && text.is_some(), "good JSON, to nobody else"),
        Err(Fault::Surrogate) => assert!(is_half, "half a pair, where there is none"),
        Err(fault) => assert!(!is_good || is_half, "good JSON, but {fault:?}"),
    }
}

/// A URI in its one spelling comes out of the standard's reader as it went in.
fn resource(text: &str) {
    let read = uri::check(text, Form::Uri);
    if uris::is_plain(text, false) {
        assert!(read.is_ok(), "a plain URI: {text}");
    }
    if read.is_err() {
        return;
    }
    if let Ok(url) = url::Url::parse(text) {
        let escape = |c: char| {
            let mut bytes = [0; 4];
            let bytes = c.encode_utf8(&mut bytes).bytes();
            if c.is_ascii() { c.to_string() } else { bytes.map(|byte| format!("%{byte:02X}")).collect() }
        };
        let written: String = text.chars().map(escape).collect();
        assert!(url.as_str() == written, "{text} is read as {url}");
    }
}

fn each(value: &Loose, run: &mut dyn FnMut(&str)) {
    match value {
        Loose::Object(members) => members.iter().for_each(|(_, value)| each(value, run)),
        Loose::Array(items) => items.iter().for_each(|item| each(item, run)),
        Loose::Text(text) => run(text),
        Loose::Word(_) => {}
    }
}
