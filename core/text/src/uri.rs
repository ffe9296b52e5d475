//! Resource URIs (RFC 3986, and as the WHATWG's URL standard reads them): text in; whether it is the one
//! spelling of what it names, and what else a server could read in it, out. Servers of MCP take a URI apart,
//! put it together again, decode it, or compare it as it came: only what comes out of all of that as it went
//! in means one thing.
//!
//! `notes://admin/plan`, `file:///a/b%20c` and `urn:a:b` are accepted; `Notes://admin/plan`, `file:/a`,
//! `notes://a/../b`, `notes://%61` and `https://a.example:443/` are not. Security: a URI that is accepted may
//! still have a second reading by [`decoded`], and look like another by [`folded`]; both are the caller's to
//! judge.

mod authority;
mod check;
mod escape;
mod fold;
mod spell;

pub use check::{Form, UriFault, check, check_start};
pub use escape::decoded;
pub use fold::{folded, folded_start};
pub use spell::spelled;

#[cfg(test)]
mod tests;
