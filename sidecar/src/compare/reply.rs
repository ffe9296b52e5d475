//! What is compared of an answer: a response in; its status, the headers that matter and the body's shape
//! out. The body is read as far as that needs, and no further than its bound.

use super::headers;
use super::mask::Mask;
use super::shape::{self, Shape};
use crate::client::{MAX_BODY, cause};
use reqwest::{Response, Url};
use std::collections::BTreeMap;

/// One side's answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Body,
}

/// What a body is.
#[derive(Debug)]
pub enum Body {
    Empty,
    Json(Shape),
    /// An event stream: the first event's name and, where its data is JSON, its shape.
    Events(String, Option<Shape>),
    /// A stream that had none in time.
    NoEvent,
    Other,
    /// It says that it is JSON, and can't be compared.
    Unreadable(&'static str),
}

impl Body {
    /// What it is, in words.
    pub fn kind(&self) -> String {
        match self {
            Self::Empty => "empty".to_owned(),
            Self::Json(_) => "JSON".to_owned(),
            Self::Events(name, Some(_)) => format!("events: {name}, JSON"),
            Self::Events(name, None) => format!("events: {name}, not JSON"),
            Self::NoEvent => "events: none".to_owned(),
            Self::Other => "not JSON".to_owned(),
            Self::Unreadable(why) => format!("unreadable: {why}"),
        }
    }

    pub fn shape(&self) -> Option<&Shape> {
        match self {
            Self::Json(shape) => Some(shape),
            Self::Events(_, shape) => shape.as_ref(),
            Self::Empty | Self::NoEvent | Self::Other | Self::Unreadable(_) => None,
        }
    }
}

impl Reply {
    /// Reads a response of the side at `base`.
    ///
    /// # Errors
    /// It broke off.
    pub async fn read(mut response: Response, base: &Url, mask: &Mask) -> Result<Self, String> {
        let status = response.status().as_u16();
        let asked = response.url().clone();
        let kind = content_type(&response);
        let coded = response.headers().get("content-encoding").is_some_and(|coding| coding != "identity");
        let headers = headers::read(response.headers(), base, &asked, mask);
        let body = if coded {
            Body::Unreadable("it is compressed, which nobody asked for")
        } else if kind == "text/event-stream" {
            first_event(&mut response, mask).await
        } else {
            whole(&mut response, &kind, mask).await?
        };
        Ok(Self { status, headers, body })
    }
}

fn content_type(response: &Response) -> String {
    let value =
        response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

async fn whole(response: &mut Response, kind: &str, mask: &Mask) -> Result<Body, String> {
    let is_json = kind == "application/json" || kind.ends_with("+json");
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| format!("broke off: {}", cause(&e)))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            return Ok(if is_json { Body::Unreadable("more than 1 MiB") } else { Body::Other });
        }
    }
    Ok(match shape::read(&body, mask) {
        _ if body.is_empty() => Body::Empty,
        // A text can be a number, too; what is an object or a list is no text.
        Ok(shape)
            if is_json
                || body.trim_ascii_start().starts_with(b"{")
                || body.trim_ascii_start().starts_with(b"[") =>
        {
            Body::Json(shape)
        }
        Err(why) if is_json => Body::Unreadable(why),
        Ok(_) | Err(_) => Body::Other,
    })
}

/// A stream may go on for ever: it is read to the end of its first event that has data.
async fn first_event(response: &mut Response, mask: &Mask) -> Body {
    let mut stream = Vec::new();
    loop {
        // It ended or broke off: what came before counts.
        let Ok(Some(chunk)) = response.chunk().await else { return Body::NoEvent };
        stream.extend_from_slice(&chunk);
        if stream.len() > MAX_BODY {
            return Body::Unreadable("more than 1 MiB");
        }
        if let Some(event) = event(&stream) {
            return Body::Events(mask.shown(&event.name), shape::read(event.data.as_bytes(), mask).ok());
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Event {
    name: String,
    data: String,
}

/// The first whole event with data (HTML, "Server-sent events").
fn event(stream: &[u8]) -> Option<Event> {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n").replace('\r', "\n");
    // A line without its end isn't whole yet.
    let (lines, _) = text.rsplit_once('\n')?;
    let (mut name, mut data) = ("message", Vec::new());
    for line in lines.split('\n') {
        if line.is_empty() {
            let joined = data.join("\n");
            if !joined.is_empty() {
                return Some(Event { name: name.to_owned(), data: joined });
            }
            (name, data) = ("message", Vec::new());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" if !value.is_empty() => name = value,
            "data" => data.push(value),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Event, event};

    #[test]
    fn the_first_event_is_the_first_that_has_data_and_is_whole() {
        let of = |name: &str, data: &str| Some(Event { name: name.to_owned(), data: data.to_owned() });
        for (stream, expect) in [
            ("data: {}\n\n", of("message", "{}")),
            ("data:{}\r\n\r\ndata: 2\r\n\r\n", of("message", "{}")),
            (": hello\n\nid: 1\ndata:\n\nevent: late\ndata: a\ndata: b\n\n", of("late", "a\nb")),
            ("\u{feff}data: 1\r\r", of("message", "1")),
            ("event: a\n\ndata: 1\n\n", of("message", "1")),
            ("data: 1\n", None),
            ("data: 1", None),
            ("", None),
        ] {
            assert_eq!(event(stream.as_bytes()), expect, "{stream:?}");
        }
    }
}
