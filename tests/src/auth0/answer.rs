//! What Auth0 answers: a status with a JSON body; errors as its Management API writes them.

use serde_json::{Value, json};

/// An answer to be.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Option<Value>,
    pub headers: Vec<(&'static str, String)>,
}

/// An operation's result: the refusal is an answer, too.
pub type Outcome = Result<Answer, Answer>;

impl Answer {
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, body: Some(body), headers: Vec::new() }
    }

    pub fn ok(body: Value) -> Outcome {
        Ok(Self::json(200, body))
    }

    pub fn no_content() -> Outcome {
        Ok(Self { status: 204, body: None, headers: Vec::new() })
    }

    /// An error of the Management API; without a code where no source shows one.
    pub fn refused(status: u16, message: &str, code: &str) -> Self {
        let error = http::StatusCode::from_u16(status).unwrap().canonical_reason().unwrap_or_default();
        let mut body = json!({"statusCode": status, "error": error, "message": message});
        if !code.is_empty() {
            body["errorCode"] = code.into();
        }
        Self::json(status, body)
    }

    pub fn no_route() -> Self {
        Self::refused(404, "Not Found", "")
    }

    /// A body against the schema. `at` is the property, or empty for the whole.
    pub fn invalid_body(problem: &str, at: &str) -> Self {
        let place = if at.is_empty() { String::new() } else { format!(" on property {at}") };
        Self::refused(400, &format!("Payload validation error: '{problem}'{place}."), "invalid_body")
    }

    pub fn invalid_query(problem: &str, at: &str) -> Self {
        let message = format!("Query validation error: '{problem}' on property {at}.");
        Self::refused(400, &message, "invalid_query_string")
    }

    /// 401 of the Management API.
    pub fn unauthorized(message: &str) -> Self {
        let mut answer = Self::refused(401, message, "");
        if let Some(body) = &mut answer.body {
            body["attributes"] = json!({"error": message});
        }
        answer
    }

    /// An error of the Authentication API.
    pub fn oauth(status: u16, error: &str, description: &str) -> Self {
        Self::json(status, json!({"error": error, "error_description": description}))
    }
}
