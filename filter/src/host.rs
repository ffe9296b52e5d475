//! Every call to the host. Bytes in and out; each status is a `Result`, so that nothing that the host answers
//! can end in a panic.

#![allow(
    unsafe_code,
    reason = "the proxy-wasm ABI 0.2.1 and WASI are C interfaces; this file and `host/abi.rs` are the only places that speak them"
)]

mod abi;
pub mod shown;

use abi::*;
use gatewaystack_core::request::Headers;
use std::ptr::null_mut;

/// A status other than OK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u32);

/// Statuses that callers tell apart.
pub const NOT_FOUND: Status = Status(1);
/// A compare-and-swap that came too late.
pub const CAS_MISMATCH: Status = Status(8);
/// A queue with nothing in it.
pub const EMPTY: Status = Status(7);
/// What the host wrote isn't what the ABI says.
pub const GARBAGE: Status = Status(u32::MAX);

/// Header maps.
#[derive(Debug, Clone, Copy)]
pub enum Map {
    /// Request headers.
    RequestHeaders = 0,
    /// Request trailers.
    RequestTrailers = 1,
    /// Response headers.
    ResponseHeaders = 2,
    /// Headers of the answer to a call of ours.
    CallResponseHeaders = 6,
}

/// Buffers.
#[derive(Debug, Clone, Copy)]
pub enum Buffer {
    /// Body of the request, as far as it has come.
    RequestBody = 0,
    /// Body of the response, as far as it has come.
    ResponseBody = 1,
    /// Body of the answer to a call of ours.
    CallResponseBody = 4,
    /// The answer to a gRPC call of ours.
    GrpcAnswer = 5,
    /// The plugin's configuration.
    PluginConfiguration = 7,
}

/// Metrics.
#[derive(Debug, Clone, Copy)]
pub enum Metric {
    /// Grows.
    Counter = 0,
    /// Has a value.
    Gauge = 1,
}

fn check(status: u32) -> Result<(), Status> {
    if status == 0 { Ok(()) } else { Err(Status(status)) }
}

/// Calls the host and takes what it allocated for us.
fn fetch(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Status> {
    let (mut data, mut size) = (null_mut::<u8>(), 0usize);
    check(call(&mut data, &mut size))?;
    if data.is_null() || size == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the host allocates with `proxy_on_memory_allocate` below, a boxed slice of exactly `size`
    // bytes, and hands it over.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// Memory that the host fills and hands back by [`fetch`].
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    Box::into_raw(Box::<[u8]>::new_uninit_slice(size)).cast()
}

/// Writes a line to the proxy's log. A log that fails is no reason to fail.
pub fn log(level: u32, message: &str) {
    // SAFETY: pointer and length are those of a live slice, which the host only reads.
    let _ = unsafe { proxy_log(level, message.as_ptr(), message.len()) };
}

/// Unix time in nanoseconds.
pub fn now_ns() -> Result<u64, Status> {
    let mut time = 0;
    // SAFETY: the host writes one u64.
    check(unsafe { proxy_get_current_time_nanoseconds(&mut time) })?;
    // At time zero no token would have expired.
    if time == 0 { Err(GARBAGE) } else { Ok(time) }
}

/// Random bytes, which nobody can guess.
pub fn random<const N: usize>() -> Result<[u8; N], Status> {
    let mut bytes = [0; N];
    // SAFETY: pointer and length are those of a live array, which the host fills.
    check(unsafe { random_get(bytes.as_mut_ptr(), N) })?;
    // A host that says it wrote and didn't.
    if bytes == [0; N] { Err(GARBAGE) } else { Ok(bytes) }
}

/// Asks for a tick every `ms` milliseconds.
pub fn set_tick_period(ms: u32) -> Result<(), Status> {
    check(proxy_set_tick_period_milliseconds(ms))
}

/// At most `max` bytes of a buffer; an absent buffer is empty.
pub fn buffer(buffer: Buffer, max: usize) -> Result<Vec<u8>, Status> {
    buffer_from(buffer, 0, max)
}

/// The same from a place on.
pub fn buffer_from(buffer: Buffer, start: usize, max: usize) -> Result<Vec<u8>, Status> {
    // SAFETY: see `fetch`.
    match fetch(|data, size| unsafe { proxy_get_buffer_bytes(buffer as u32, start, max, data, size) }) {
        Err(NOT_FOUND) => Ok(Vec::new()),
        Ok(bytes) if bytes.len() > max => Err(GARBAGE),
        result => result,
    }
}

/// Replaces a whole buffer.
pub fn set_buffer(buffer: Buffer, bytes: &[u8]) -> Result<(), Status> {
    // SAFETY: pointer and length are those of a live slice, which the host only reads.
    check(unsafe { proxy_set_buffer_bytes(buffer as u32, 0, usize::MAX, bytes.as_ptr(), bytes.len()) })
}

fn decode(bytes: Vec<u8>) -> Option<Headers> {
    if bytes.is_empty() {
        return Some(Headers::default());
    }
    let word = |at: usize| {
        let word = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(word)).ok()
    };
    let count = word(0)?;
    let mut at = count.checked_mul(8)?.checked_add(4).filter(|start| *start <= bytes.len())?;
    let mut spans = Vec::with_capacity(count);
    for pair in 0..count {
        let name_ends = at.checked_add(word(4 + 8 * pair)?)?;
        let value_at = name_ends.checked_add(1)?;
        let ends = value_at.checked_add(word(8 + 8 * pair)?)?;
        // A zero byte ends each name and each value.
        if bytes.get(name_ends) != Some(&0) || bytes.get(ends) != Some(&0) {
            return None;
        }
        spans.push([at, name_ends, value_at, ends]);
        at = ends.checked_add(1)?;
    }
    Some(Headers::new(bytes, spans))
}

/// All pairs of a map.
pub fn headers(map: Map) -> Result<Headers, Status> {
    // SAFETY: see `fetch`.
    let bytes = fetch(|data, size| unsafe { proxy_get_header_map_pairs(map as u32, data, size) })?;
    decode(bytes).ok_or(GARBAGE)
}

/// Whether a header is there. One that isn't is found so for a tenth of what [`headers`] takes.
pub fn has_header(map: Map, name: &str) -> bool {
    // SAFETY: pointer and length are those of a live slice, which the host only reads; and see `fetch`.
    fetch(|data, size| unsafe {
        proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), data, size)
    })
    .is_ok()
}

/// Sets a header to one value.
pub fn set_header(map: Map, name: &str, value: &str) -> Result<(), Status> {
    // SAFETY: pointers and lengths are those of live slices, which the host only reads.
    check(unsafe {
        proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// Adds a value to a header.
pub fn add_header(map: Map, name: &str, value: &str) -> Result<(), Status> {
    // SAFETY: as above.
    check(unsafe {
        proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// Removes all values of a header.
pub fn remove_header(map: Map, name: &[u8]) -> Result<(), Status> {
    // SAFETY: as above.
    check(unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

/// A property by its path, whose names zero bytes separate; `None`: absent.
pub fn property(path: &str) -> Result<Option<Vec<u8>>, Status> {
    // SAFETY: as above, and see `fetch`.
    match fetch(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) }) {
        Err(NOT_FOUND) => Ok(None),
        result => result.map(Some),
    }
}

/// Sets a property of one name: filter state that access logs can show.
pub fn set_property(name: &str, value: &str) -> Result<(), Status> {
    // SAFETY: as above.
    check(unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// A shared cell and its compare-and-swap value; `None`: absent.
pub fn shared_data(key: &str) -> Result<Option<(Vec<u8>, u32)>, Status> {
    let mut cas = 0u32;
    // SAFETY: as above, and the host writes one u32.
    match fetch(|data, size| unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &mut cas) })
    {
        Err(NOT_FOUND) => Ok(None),
        result => result.map(|bytes| Some((bytes, cas))),
    }
}

/// Writes a shared cell if it has this compare-and-swap value; answers whether it did.
pub fn set_shared_data(key: &str, value: &[u8], cas: u32) -> Result<bool, Status> {
    // SAFETY: as above.
    match check(unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) }) {
        Ok(()) => Ok(true),
        Err(CAS_MISMATCH) => Ok(false),
        Err(status) => Err(status),
    }
}

/// Makes this VM the reader of a queue.
pub fn register_queue(name: &str) -> Result<u32, Status> {
    let mut id = 0;
    // SAFETY: as above, and the host writes one u32.
    check(unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), &mut id) })?;
    Ok(id)
}

/// Finds a queue of any VM with this id; `None`: absent.
pub fn resolve_queue(vm: &[u8], name: &str) -> Result<Option<u32>, Status> {
    let mut id = 0;
    // SAFETY: as above, and the host writes one u32.
    match check(unsafe {
        proxy_resolve_shared_queue(vm.as_ptr(), vm.len(), name.as_ptr(), name.len(), &mut id)
    }) {
        Ok(()) => Ok(Some(id)),
        Err(NOT_FOUND) => Ok(None),
        Err(status) => Err(status),
    }
}

/// Takes a message; `None`: there is none.
pub fn dequeue(id: u32) -> Result<Option<Vec<u8>>, Status> {
    // SAFETY: see `fetch`.
    match fetch(|data, size| unsafe { proxy_dequeue_shared_queue(id, data, size) }) {
        Err(EMPTY | NOT_FOUND) => Ok(None),
        result => result.map(Some),
    }
}

/// Sends a message.
pub fn enqueue(id: u32, message: &[u8]) -> Result<(), Status> {
    // SAFETY: pointer and length are those of a live slice, which the host only reads.
    check(unsafe { proxy_enqueue_shared_queue(id, message.as_ptr(), message.len()) })
}

/// Lets a held request go on.
pub fn continue_request() -> Result<(), Status> {
    check(proxy_continue_stream(0))
}

/// Resets a stream: the last resort where no answer can be sent.
pub fn reset() {
    let _ = proxy_close_stream(0);
}

/// Closes the client's connection, once we have come back from what the host called.
pub fn close_connection() {
    let _ = proxy_close_stream(2);
}

/// A local answer.
pub struct LocalResponse<'a> {
    /// HTTP status.
    pub status: u16,
    /// For Envoy's response code details.
    pub details: &'a str,
    /// Headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// Body.
    pub body: &'a [u8],
    /// gRPC status; -1: none.
    pub grpc_status: i32,
}

/// Answers the request without the upstream.
pub fn send_local_response(answer: &LocalResponse<'_>) -> Result<(), Status> {
    let headers = encode(answer.headers);
    // SAFETY: pointers and lengths are those of live slices, which the host only reads.
    check(unsafe {
        proxy_send_local_response(
            u32::from(answer.status),
            answer.details.as_ptr(),
            answer.details.len(),
            answer.body.as_ptr(),
            answer.body.len(),
            headers.as_ptr(),
            headers.len(),
            answer.grpc_status,
        )
    })
}

fn encode(pairs: &[(&str, &str)]) -> Vec<u8> {
    let word = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let mut out = word(pairs.len()).to_vec();
    for (name, value) in pairs {
        out.extend(word(name.len()));
        out.extend(word(value.len()));
    }
    for (name, value) in pairs {
        for text in [name, value] {
            out.extend(text.as_bytes());
            out.push(0);
        }
    }
    out
}

/// Chooses whose headers and answers the next calls are about.
pub fn set_effective_context(context: u32) -> Result<(), Status> {
    check(proxy_set_effective_context(context))
}

/// Calls a function of the host by its name.
pub fn call_foreign_function(name: &str, arguments: &[u8]) -> Result<Vec<u8>, Status> {
    // SAFETY: pointers and lengths are those of live slices, which the host only reads; see `fetch` for the
    // result.
    fetch(|data, size| unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
            data,
            size,
        )
    })
}

/// Sends a request through a cluster; answers its token. Its answer comes to the context in
/// effect.
pub fn http_call(
    cluster: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    timeout_ms: u32,
) -> Result<u32, Status> {
    let (headers, trailers) = (encode(headers), encode(&[]));
    let mut token = 0;
    // SAFETY: pointers and lengths are those of live slices, which the host only reads; it writes one u32.
    check(unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout_ms,
            &mut token,
        )
    })?;
    Ok(token)
}

/// What a gRPC call is about.
pub struct GrpcCall<'a> {
    /// `envoy.config.core.v3.GrpcService`, as a message.
    pub through: &'a str,
    /// The service's full name.
    pub service: &'a str,
    /// The method's.
    pub method: &'a str,
    /// The message.
    pub message: &'a [u8],
    /// When the host ends it.
    pub timeout_ms: u32,
}

/// Makes a gRPC call; answers its token. Its answer comes to the context in effect.
pub fn grpc_call(call: &GrpcCall<'_>) -> Result<u32, Status> {
    let metadata = encode(&[]);
    let mut token = 0;
    // SAFETY: as above.
    check(unsafe {
        proxy_grpc_call(
            call.through.as_ptr(),
            call.through.len(),
            call.service.as_ptr(),
            call.service.len(),
            call.method.as_ptr(),
            call.method.len(),
            metadata.as_ptr(),
            metadata.len(),
            call.message.as_ptr(),
            call.message.len(),
            call.timeout_ms,
            &mut token,
        )
    })?;
    Ok(token)
}

/// Defines a metric.
pub fn define_metric(kind: Metric, name: &str) -> Result<u32, Status> {
    let mut id = 0;
    // SAFETY: as above, and the host writes one u32.
    check(unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &mut id) })?;
    Ok(id)
}

/// Sets a gauge.
pub fn record_metric(id: u32, value: u64) {
    let _ = proxy_record_metric(id, value);
}

/// Adds to a counter. The host takes an offset of 0 for an error.
pub fn increment_metric(id: u32, offset: u32) {
    if offset > 0 {
        let _ = proxy_increment_metric(id, i64::from(offset));
    }
}
