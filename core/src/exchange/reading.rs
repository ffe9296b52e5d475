//! What a request to an MCP route says, before anybody is asked who calls: its version, its type, its body.

use crate::config::policy::Mcp;
use crate::mcp::era::Era;
use crate::mcp::needs;
use crate::mcp::operation::{Operation, Unread};
use crate::mcp::strict::BodyFault;
use crate::refusal::Refusal;
use crate::request::Request;

/// What the body of a request says.
pub(super) fn read(mcp: &Mcp, request: &Request<'_>, body: Option<&[u8]>) -> Result<Operation, Unread> {
    let is_post = request.method == "POST";
    let type_fault = (is_post && !is_json(request)).then_some(BodyFault::MediaType);
    // Whatever is refused for another reason is only looked through for its id.
    let fault = if era(request).is_none() { Some(BodyFault::Version) } else { type_fault };
    if let Some(fault) = fault {
        return Err(body.map_or_else(|| Unread::unseen(fault), |body| Unread::of(fault, body)));
    }
    let era = era(request).unwrap_or(Era::V2025_03_26);
    if !is_post {
        // There are servers that would read a call from it, whatever the method.
        let is_empty = body.is_some_and(<[u8]>::is_empty);
        return if is_empty {
            Ok(Operation::without_body(era))
        } else {
            Err(Unread::unseen(BodyFault::Message))
        };
    }
    let body = body.ok_or_else(|| Unread::unseen(BodyFault::TooLarge))?;
    let operation = Operation::of_body(request, era, body, mcp.keeps_arguments)?;
    match needs::check_uris(mcp, &operation) {
        Ok(()) => Ok(operation),
        Err(fault) => Err(Unread { fault, id: operation.id().to_owned(), version: None }),
    }
}

/// `None`: a version that nobody knows.
pub(super) fn era(request: &Request<'_>) -> Option<Era> {
    match request.mcp_version {
        None => Era::of(None),
        Some(version) => Era::of(Some(std::str::from_utf8(version).ok()?)),
    }
}

/// MCP Transports, "Security Warning": a page of another site must not reach a server through its visitor's
/// browser.
pub(super) fn check_origin(mcp: &Mcp, request: &Request<'_>) -> Result<(), Refusal> {
    let allowed = |origin: &str| mcp.allowed_origins.iter().any(|o| o == "*" || o == origin);
    if request.origin.is_none_or(allowed) { Ok(()) } else { Err(Refusal::Origin) }
}

/// `application/json`, in UTF-8 and not encoded.
pub(super) fn is_json(request: &Request<'_>) -> bool {
    let kind = request.content_type.and_then(|kind| std::str::from_utf8(kind).ok());
    let Some(kind) = kind else { return false };
    let mut parts = kind.split(';').map(str::trim);
    let is_utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
        && parts.all(is_utf8)
        && is_plain(request)
}

/// Not encoded.
pub(super) fn is_plain(request: &Request<'_>) -> bool {
    request.content_encoding.is_none_or(|e| e.trim_ascii().eq_ignore_ascii_case(b"identity"))
}
