//! Forms of texts, for the reference and the schema: what each is called, a pattern that every good one has,
//! and how long it may be. The patterns are for editors: they take whatever [`crate::values`] takes, which
//! alone decides. They need neither `\u` nor lookahead, which Helm's regular expressions don't have.

/// A form of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// What one is called; with an s, what several are.
    pub name: &'static str,
    /// What all of them match.
    pub pattern: &'static str,
    /// Bytes at most.
    pub most: usize,
    /// What a good one may begin with, with letters after it.
    pub start: &'static str,
}

impl Text {
    /// The same, with at most so many bytes.
    const fn up_to(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// The same, where a good one has to have this beginning.
    const fn from(self, start: &'static str) -> Self {
        Self { start, ..self }
    }
}

const fn form(name: &'static str, pattern: &'static str) -> Text {
    Text { name, pattern, most: usize::MAX, start: "" }
}

/// A text without control characters, of at most so many bytes.
pub const fn plain(most: usize) -> Text {
    form("text", r"^[^\x00-\x1f\x7f]+$").up_to(most)
}

/// A file or a folder.
pub const FILE: Text = plain(usize::MAX);
/// A scope-token (RFC 6749 §3.3).
pub const SCOPE: Text = form("scope", r"^[\x21\x23-\x5b\x5d-\x7e]+$").up_to(256);
/// What is in a quoted-string.
pub const REALM: Text = form("text", r"^[\x20\x21\x23-\x5b\x5d-\x7e]+$").up_to(128);
/// The name of an upstream, or of a cluster.
pub const CLUSTER: Text = form("name", r"^[\x21\x23-\x26\x28-\x5b\x5d-\x7e]+$").up_to(256);
/// What a rule is called.
pub const RULE_ID: Text = plain(128);
/// An HTTP method.
pub const METHOD: Text = form("method", r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$").up_to(32);
/// The name of a header.
pub const HEADER: Text = form("header name", r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$").up_to(128).from("X-");
/// The name of a query parameter.
pub const QUERY: Text = form("parameter name", r"^[A-Za-z0-9_~-]+$").up_to(64);
/// An `https` URL; `http` in few places.
pub const URL: Text = form("URL", r"^[Hh][Tt][Tt][Pp][Ss]?://[\x21\x24-\x3b\x3d\x3f-\x5b\x5d-\x7e]+$")
    .up_to(2_048)
    .from("https://a.example/");
/// Scheme, host and port.
pub const BASE_URL: Text = form("base URL", r"^[Hh][Tt][Tt][Pp][Ss]?://[A-Za-z0-9._:\[\]-]+/?$");
/// A host, with an optional port.
pub const HOST: Text = form("host", r"^[A-Za-z0-9._:\[\]-]+$");
/// An IP address.
pub const ADDRESS: Text = form("IP address", r"^[0-9A-Fa-f.:]+$");
/// An address or a range of them.
pub const RANGE: Text = form("address range", r"^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$");
/// An absolute URI (RFC 8707 §2).
pub const IDENTIFIER: Text = form("URI", r"^[A-Za-z][A-Za-z0-9+.-]*:[\x21\x24-\x3b\x3d\x3f-\x5b\x5d-\x7e]+$")
    .up_to(2_048)
    .from("urn:");
/// A resource of an MCP server, or the beginning of several and `*`.
pub const RESOURCE: Text = plain(1_024).from("urn:");
/// An origin as browsers send it, or `*`.
pub const ORIGIN: Text = form("origin", r"^(\*|https?://[a-z0-9._:\[\]-]+)$");
/// A path with `*` in place of segments.
pub const PATTERN: Text = form("path pattern", r"^/[^?;\\]*$").up_to(1_024).from("/");
/// Whole segments at a path's beginning.
pub const PREFIX: Text = form("path", r"^/[^?;\\*]+$");
/// A JSON pointer (RFC 6901).
pub const POINTER: Text = form("JSON pointer", r"^(/([^~]|~[01])*)?$").up_to(1_024).from("/");
/// The name of a claim, or a JSON pointer to it.
pub const CLAIM: Text =
    form("claim", r"^([^/\x00-\x1f\x7f][^\x00-\x1f\x7f]*|/([^~\x00-\x1f\x7f]|~[01])*)$").up_to(256);
/// The name of a client; a `*` may stand at its end.
pub const CLIENT: Text = form("client name", r"^[^*\x00-\x1f\x7f]*\*?$").up_to(256);
/// A client's id; a `*` may stand at its end.
pub const AGENT_CLIENT: Text = form("client id", r"^[^*\x00-\x1f\x7f]*\*?$").up_to(2_048);
/// Where a client is sent back; a `*` may stand for the last segment.
pub const REDIRECT: Text =
    form("URI", r"^[A-Za-z][A-Za-z0-9+.-]*://[\x21\x24-\x29\x2b-\x3b\x3d\x3f-\x5b\x5d-\x7e]+(/\*)?$")
        .up_to(2_048)
        .from("https://a.example/");
/// A name that stands elsewhere in the policy.
pub const NAMED: Text = form("name", "^.+$");
/// An issuer of the policy.
pub const ISSUER: Text = form("issuer", "^.+$");
