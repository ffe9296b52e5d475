//! A host in memory: it keeps headers, shared data and queues as Envoy does, and fails where a test says so.
//! It stands under the SDK, as the very symbols that Envoy exports to the module.

#![allow(unsafe_code, reason = "the other side of the proxy-wasm ABI is a C interface, too")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod exports;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::slice;

/// How one call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// With this status.
    Status(u32),
    /// With bytes that aren't what was asked for; calls without bytes answer an unknown status.
    Garbage,
    /// With nothing, and OK.
    Nothing,
}

/// Calls in which the host may end a stream at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    SetBody,
    Answer,
    Close,
    Continue,
    ClearRoute,
}

/// What it says to the module then: the log alone, since a stream is deleted later, or all of it.
pub const ENDINGS: [bool; 2] = [false, true];

/// All that the host knows.
#[derive(Default)]
pub struct Host {
    /// Calls so far.
    pub calls: usize,
    /// Which call fails, and how.
    pub fault: Option<(usize, Fault)>,
    /// The plugin's configuration.
    pub configuration: Vec<u8>,
    /// Which plugin of the module it is.
    pub root_id: &'static str,
    /// Connections that the module closed.
    pub closed: usize,
    /// Header maps by their number.
    pub maps: BTreeMap<u32, Vec<(String, Vec<u8>)>>,
    /// Body of the answer to a call.
    pub call_body: Vec<u8>,
    /// The request's body and its answer's, as far as they have come.
    pub request_body: Option<Vec<u8>>,
    pub response_body: Option<Vec<u8>>,
    /// It said that it had written to a header or a body, and hadn't: a lie that no filter can see.
    pub lied: bool,
    /// Requests that the module sent.
    pub sent: Vec<String>,
    /// gRPC calls that the module made, whose the last was, and its answer.
    pub asked: Vec<String>,
    pub grpc_owner: u32,
    /// Which of all calls the first of them was.
    pub grpc_at: Option<usize>,
    pub grpc_answer: Option<Vec<u8>>,
    /// Whose headers and answers calls are about.
    pub effective: u32,
    /// Status of the local answer.
    pub answered: Option<u32>,
    /// Whether the stream was reset.
    pub reset: bool,
    /// Whether a held request was let go.
    pub continued: bool,
    /// At which call the host is done with the request and has it logged inside that call, and whether
    /// deleted, too.
    pub ends_inside: Option<(Call, bool)>,
    /// It has.
    pub ended: bool,
    /// Calls about a stream after that.
    pub touched: Vec<&'static str>,
    /// How often a record was written.
    pub records: usize,
    /// Properties that were set.
    pub properties: BTreeMap<String, Vec<u8>>,
    /// Wall clock.
    pub now_ns: u64,
    shared: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    queues: BTreeMap<String, u32>,
    messages: BTreeMap<u32, VecDeque<Vec<u8>>>,
    /// Statistics, by name.
    pub metrics: Vec<(String, i64)>,
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

/// Looks at or changes the host of this thread.
pub fn host<R>(run: impl FnOnce(&mut Host) -> R) -> R {
    HOST.with_borrow_mut(run)
}

impl Host {
    /// Whether there is a shared cell whose name begins so.
    pub fn has_shared(&self, start: &str) -> bool {
        self.shared.keys().any(|key| key.starts_with(start.as_bytes()))
    }

    /// Counts a call; the fault that it meets.
    fn fault(&mut self) -> Option<Fault> {
        let at = self.calls;
        self.calls += 1;
        self.fault.filter(|(when, _)| *when == at).map(|(_, fault)| fault)
    }
}

/// Ends the request inside this call, where a test says so.
fn interrupt(call: Call) {
    let ending = host(|host| {
        if host.ended {
            host.touched.push(match call {
                Call::SetBody => "set_buffer",
                Call::Answer => "send_local_response",
                Call::Close => "close_stream",
                Call::Continue => "continue_stream",
                Call::ClearRoute => "clear_route_cache",
            });
        }
        let ending = host.ends_inside.filter(|(at, _)| *at == call && !host.ended);
        host.ended |= ending.is_some();
        ending
    });
    let Some((_, is_deleted)) = ending else { return };
    crate::proxy_on_log(crate::REQUEST);
    if is_deleted {
        crate::proxy_on_delete(crate::REQUEST);
    }
}

unsafe fn bytes<'a>(data: *const u8, size: usize) -> &'a [u8] {
    if size == 0 { &[] } else { unsafe { slice::from_raw_parts(data, size) } }
}

unsafe fn text(data: *const u8, size: usize) -> String {
    String::from_utf8_lossy(unsafe { bytes(data, size) }).into_owned()
}

unsafe fn give(value: Vec<u8>, data: *mut *mut u8, size: *mut usize) -> u32 {
    unsafe {
        *size = value.len();
        *data = if value.is_empty() {
            std::ptr::null_mut()
        } else {
            Box::into_raw(value.into_boxed_slice()).cast()
        };
    }
    0
}

/// Answers a call without bytes.
fn plain(run: impl FnOnce(&mut Host) -> u32) -> u32 {
    host(|host| match host.fault() {
        Some(Fault::Status(status)) => status,
        Some(Fault::Garbage) => 77,
        Some(Fault::Nothing) => 0,
        None => run(host),
    })
}

/// Answers a call that changes what the module can't look at again.
fn writing(run: impl FnOnce(&mut Host) -> u32) -> u32 {
    host(|host| {
        let calls = host.calls;
        host.lied |= host.fault == Some((calls, Fault::Nothing));
    });
    plain(run)
}

/// Answers a call with bytes.
unsafe fn giving(
    data: *mut *mut u8,
    size: *mut usize,
    run: impl FnOnce(&mut Host) -> Result<Vec<u8>, u32>,
) -> u32 {
    let result = host(|host| match host.fault() {
        Some(Fault::Status(status)) => Err(status),
        Some(Fault::Garbage) => Ok(vec![0xff; 41]),
        Some(Fault::Nothing) => Ok(Vec::new()),
        None => run(host),
    });
    match result {
        Ok(value) => unsafe { give(value, data, size) },
        Err(status) => status,
    }
}
