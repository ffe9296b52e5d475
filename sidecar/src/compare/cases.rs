//! The cases of `compare`: a YAML file in; the requests, and which differences are meant, out, or every error
//! with its path. What isn't known is refused.

use super::allow::{self, Allow};
use super::form::Form;
use crate::client::Request;
use crate::settings::{Fault, yaml};
use gatewaystack_core::config::error::ConfigError;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

const ORIGINAL: &[u8] = include_bytes!("original.yaml");

const MAX_FILE: u64 = 1024 * 1024;
const MAX_CASES: usize = 200;
const MAX_NAME: usize = 200;

/// What belongs to the connection or to the client itself, and the token, which has a member of its own.
const NOT_TO_SET: [&str; 9] = [
    "authorization",
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What to send, and which differences are meant.
#[derive(Debug)]
pub struct Cases {
    pub cases: Vec<Case>,
    /// For every case.
    pub allow: Vec<Allow>,
}

/// One request.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub method: Method,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    pub token: Token,
    pub allow: Vec<Allow>,
}

/// Whose token goes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    Nobody,
    Reader,
    Writer,
}

impl Case {
    /// What is sent, with the token that it wants.
    pub(crate) fn request<'a>(&'a self, token: Option<&'a str>) -> Request<'a> {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Request { method: &self.method, path: &self.path, token, headers, body: self.body.as_deref() }
    }
}

/// Those of the original's README.
///
/// # Errors
/// None: a test reads them.
pub fn original() -> Result<Cases, Vec<Fault>> {
    let value = yaml(ORIGINAL).map_err(|e| vec![Fault::text(e)])?;
    parse(&value).map_err(|errors| errors.into_iter().map(|e| Fault::new(None, e)).collect())
}

/// Reads a file of cases; one without `cases` has the original's.
///
/// # Errors
/// Every error, with the file's name and the path in it.
pub fn read(file: &Path) -> Result<Cases, Vec<Fault>> {
    let fault = |message: String| vec![Fault::new(Some(file), ConfigError::new("", message))];
    let failed = |e: std::io::Error| fault(format!("can't read it: {e}"));
    let mut bytes = Vec::new();
    let open = std::fs::File::open(file).map_err(failed)?;
    open.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(fault(format!("expected cases of at most {MAX_FILE} bytes")));
    }
    let value = yaml(&bytes).map_err(fault)?;
    let cases = parse(&value)
        .map_err(|errors| errors.into_iter().map(|e| Fault::new(Some(file), e)).collect::<Vec<_>>())?;
    if value.get("cases").is_some() {
        return Ok(cases);
    }
    Ok(Cases { allow: cases.allow, ..original()? })
}

/// Understands a file of cases.
///
/// # Errors
/// Every error, with its path.
pub fn parse(value: &Value) -> Result<Cases, Vec<ConfigError>> {
    let mut form = Form::default();
    let mut cases = Cases { cases: Vec::new(), allow: Vec::new() };
    if let Some(members) = form.object("", value, &["cases", "allow"]) {
        if members.is_empty() {
            form.error("", "expected `cases`, `allow` or both");
        }
        if let Some(value) = members.get("cases") {
            cases.cases = list(&mut form, value);
        }
        cases.allow = allow::list(&mut form, "allow", members.get("allow"));
    }
    form.done(cases)
}

fn list(form: &mut Form, value: &Value) -> Vec<Case> {
    let items = form.list("cases", value);
    if items.is_empty() && value.is_array() {
        form.error("cases", "expected at least one case");
    }
    if items.len() > MAX_CASES {
        form.error("cases", &format!("expected at most {MAX_CASES} cases"));
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    let mut cases = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let at = format!("cases[{index}]");
        if item.get("name").and_then(Value::as_str).is_some_and(|name| !names.insert(name)) {
            form.error(&format!("{at}.name"), "another case has this name");
        }
        cases.extend(case(form, &at, item));
    }
    cases
}

fn case(form: &mut Form, at: &str, value: &Value) -> Option<Case> {
    let known = ["name", "method", "path", "headers", "body", "token", "allow"];
    let members = form.object(at, value, &known)?;
    let name = form.required(at, members, "name").and_then(|text| name(form, at, text));
    let path = form.required(at, members, "path").and_then(|text| path(form, at, text));
    let method = method(form, at, members);
    let headers = headers(form, at, members);
    let body = form.text(at, members, "body").map(str::to_owned);
    let token = token(form, at, members);
    let allow = allow::list(form, &format!("{at}.allow"), members.get("allow"));
    Some(Case { name: name?, method: method?, path: path?, headers, body, token: token?, allow })
}

fn name(form: &mut Form, at: &str, text: &str) -> Option<String> {
    let good = !text.trim().is_empty() && text.len() <= MAX_NAME && !text.chars().any(char::is_control);
    let expected = format!("expected a name of at most {MAX_NAME} bytes on one line");
    form.check(good, &format!("{at}.name"), &expected).then(|| text.to_owned())
}

/// A path has one spelling: what the client would write otherwise isn't what the file says.
fn path(form: &mut Form, at: &str, text: &str) -> Option<String> {
    let parsed = Url::parse(&format!("http://localhost{text}")).ok();
    let same = parsed.is_some_and(|url| url.as_str() == format!("http://localhost{text}"));
    let good = text.starts_with('/') && !text.contains('#') && same;
    let expected = "expected a path as it is sent: from `/`, with its query, encoded, without dot segments";
    form.check(good, &format!("{at}.path"), expected).then(|| text.to_owned())
}

fn method(form: &mut Form, at: &str, members: &Map<String, Value>) -> Option<Method> {
    let given = match members.get("method") {
        None => return Some(Method::GET),
        Some(_) => form.text(at, members, "method")?,
    };
    let upper = given.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') && given != "CONNECT";
    let method = Method::from_bytes(given.as_bytes()).ok().filter(|_| upper);
    form.check(method.is_some(), &format!("{at}.method"), "expected a method in capitals: GET, POST, …");
    method
}

fn headers(form: &mut Form, at: &str, members: &Map<String, Value>) -> Vec<(String, String)> {
    let at = format!("{at}.headers");
    let Some(given) = members.get("headers").and_then(|value| form.any_object(&at, value)) else {
        return Vec::new();
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in given {
        let place = format!("{at}.{name}");
        let lower = name.to_ascii_lowercase();
        let Some(value) = form.is_text(&place, value) else { continue };
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            form.error(&place, "expected the name of a header");
        } else if NOT_TO_SET.contains(&lower.as_str()) || lower.starts_with("proxy-") {
            form.error(&place, "can't be set here: a token is said by `token`, the rest by the client");
        } else if headers.iter().any(|(name, _)| *name == lower) {
            form.error(&place, "given twice");
        } else if HeaderValue::from_str(value).is_err() || !value.is_ascii() {
            form.error(&place, "expected visible ASCII");
        } else {
            headers.push((lower, value.to_owned()));
        }
    }
    headers
}

fn token(form: &mut Form, at: &str, members: &Map<String, Value>) -> Option<Token> {
    if !members.contains_key("token") {
        return Some(Token::Nobody);
    }
    match form.text(at, members, "token")? {
        "none" => Some(Token::Nobody),
        "reader" => Some(Token::Reader),
        "writer" => Some(Token::Writer),
        _ => {
            form.error(
                &format!("{at}.token"),
                "expected none, reader or writer: a token itself is said by --reader or --writer",
            );
            None
        }
    }
}
