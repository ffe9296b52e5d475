//! What the host shows: cells that workers share, and the stream whose context is in effect.

use super::Buffer;
use gatewaystack_core::rate_limit::address;
use gatewaystack_core::request::Headers;
use gatewaystack_core::shared::{SharedTable, TableFault};
use gatewaystack_driver::view::{Body, Map, View};
use std::net::IpAddr;

/// Envoy's shared data.
#[derive(Debug, Clone, Copy)]
pub struct Cells;

impl SharedTable for Cells {
    fn read(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, TableFault> {
        super::shared_data(key).map_err(|_| TableFault)
    }

    fn write(&self, key: &str, value: &[u8], cas: u32) -> Result<bool, TableFault> {
        super::set_shared_data(key, value, cas).map_err(|_| TableFault)
    }
}

/// Whose connection it is; `None`: a Unix socket's has no address.
pub fn source_address() -> Option<IpAddr> {
    address::of_source(super::property("source\0address").ok().flatten())
}

fn map(of: Map) -> super::Map {
    match of {
        Map::Request => super::Map::RequestHeaders,
        Map::RequestTrailers => super::Map::RequestTrailers,
        Map::Response => super::Map::ResponseHeaders,
    }
}

/// The stream whose context is in effect.
pub struct InEffect;

impl View for InEffect {
    fn now_ns(&self) -> Option<u64> {
        super::now_ns().ok()
    }
    fn status(&self) -> Option<u16> {
        let code = super::property("response\0code").ok().flatten()?;
        u16::try_from(i64::from_le_bytes(code.try_into().ok()?)).ok()
    }
    fn source_address(&self) -> Option<IpAddr> {
        source_address()
    }
    fn headers(&self, of: Map) -> Option<Headers> {
        super::headers(map(of)).ok()
    }
    fn has_header(&self, of: Map, name: &str) -> bool {
        super::has_header(map(of), name)
    }
    fn bytes(&self, of: Body, from: usize, size: usize) -> Option<Vec<u8>> {
        let buffer = if of == Body::Request { Buffer::RequestBody } else { Buffer::ResponseBody };
        super::buffer_from(buffer, from, size).ok()
    }
}
