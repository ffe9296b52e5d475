//! The module's exports: Envoy's callbacks in, the contexts they are about, what Envoy is to do out.

#![allow(unsafe_code, reason = "the proxy-wasm ABI 0.2.1 has its callbacks by name")]

use crate::drive::{Connection, DoorPlugin, Filter, Plugin};
use gatewaystack_driver::command::Action;
use gatewaystack_driver::event::Event;
use gatewaystack_driver::worker::WorkerEvent;
use std::cell::RefCell;
use std::rc::Rc;

/// Contexts by their ids, in order. Ids grow, so that a new one stands at the end.
struct Contexts<T>(RefCell<Vec<(u32, Rc<T>)>>);

impl<T> Contexts<T> {
    const fn none() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    fn find(&self, id: u32) -> Option<Rc<T>> {
        let all = self.0.borrow();
        let at = all.binary_search_by_key(&id, |(other, _)| *other).ok()?;
        all.get(at).map(|(_, context)| Rc::clone(context))
    }

    fn add(&self, id: u32, context: Rc<T>) {
        let mut all = self.0.borrow_mut();
        let replaced = match all.binary_search_by_key(&id, |(other, _)| *other) {
            Ok(at) => all.get_mut(at).map(|(_, old)| std::mem::replace(old, context)),
            Err(at) => {
                all.insert(at, (id, context));
                None
            }
        };
        drop(all);
        drop(replaced);
    }

    fn remove(&self, id: u32) -> Option<Rc<T>> {
        let mut all = self.0.borrow_mut();
        let at = all.binary_search_by_key(&id, |(other, _)| *other).ok()?;
        Some(all.remove(at).1)
    }
}

/// Everything that a VM runs.
struct Vm {
    /// Plugins that are configured.
    plugins: Contexts<Plugin>,
    streams: Contexts<Filter>,
    doors: Contexts<DoorPlugin>,
    connections: Contexts<Connection>,
}

thread_local! {
    static VM: Vm = const {
        Vm {
            plugins: Contexts::none(),
            streams: Contexts::none(),
            doors: Contexts::none(),
            connections: Contexts::none(),
        }
    };
}

fn plugin(id: u32) -> Option<Rc<Plugin>> {
    VM.with(|vm| vm.plugins.find(id))
}

fn door(id: u32) -> Option<Rc<DoorPlugin>> {
    VM.with(|vm| vm.doors.find(id))
}

fn stream(id: u32) -> Option<Rc<Filter>> {
    VM.with(|vm| vm.streams.find(id))
}

/// What becomes of a callback's part of a stream; `None`: the stream has ended, before it or within it.
fn run(id: u32, callback: impl FnOnce(&Filter) -> Action) -> Option<Action> {
    let filter = stream(id).filter(|filter| !filter.has_ended())?;
    let action = callback(&filter);
    (!filter.has_ended()).then_some(action)
}

/// `FilterHeadersStatus` and `FilterTrailersStatus`: continue, stop.
fn stopping(id: u32, callback: impl FnOnce(&Filter) -> Action) -> u32 {
    u32::from(run(id, callback) != Some(Action::Continue))
}

/// `FilterDataStatus`: continue, stop and keep it in the buffer, stop and drop it.
fn data(id: u32, callback: impl FnOnce(&Filter) -> Action) -> u32 {
    match run(id, callback) {
        Some(Action::Continue) => 0,
        Some(Action::Pause) => 1,
        None => 3,
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(id: u32, of: u32) {
    // Which plugin's a root is will be known when it is configured.
    if of == 0 {
        return;
    }
    VM.with(|vm| match vm.doors.find(of) {
        Some(door) => vm.connections.add(id, Rc::new(Connection::new(door))),
        None => vm.streams.add(id, Rc::new(Filter::new(id, vm.plugins.find(of)))),
    });
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_: u32, _: usize) -> bool {
    true
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(id: u32, _: usize) -> bool {
    if DoorPlugin::is_meant() {
        let Some(door) = DoorPlugin::configured() else { return false };
        VM.with(|vm| vm.doors.add(id, Rc::new(door)));
        return true;
    }
    match Plugin::configured(id, stream) {
        Ok(plugin) => VM.with(|vm| vm.plugins.add(id, Rc::new(plugin))),
        Err(why) => {
            log::error!("gatewaystack: the policy is refused: {why}");
            return false;
        }
    }
    true
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_new_connection(id: u32) -> u32 {
    let connection = VM.with(|vm| vm.connections.find(id));
    u32::from(!connection.is_none_or(|connection| connection.enter()))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(id: u32) {
    if let Some(plugin) = plugin(id) {
        plugin.on(WorkerEvent::Poll);
    } else if let Some(door) = door(id) {
        door.on_tick();
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_queue_ready(id: u32, queue: u32) {
    if let Some(plugin) = plugin(id) {
        plugin.on_queue_ready(queue);
    }
}

// Only the root makes calls.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(id: u32, token: u32, _: usize, size: usize, _: usize) {
    if let Some(plugin) = plugin(id) {
        plugin.on_http_call_response(token, size);
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_receive(id: u32, token: u32, size: usize) {
    if let Some(plugin) = plugin(id) {
        plugin.on_grpc_call_response(token, 0, size);
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_grpc_close(id: u32, token: u32, status: u32) {
    if let Some(plugin) = plugin(id) {
        plugin.on_grpc_call_response(token, status, 0);
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(id: u32, _: usize, end: bool) -> u32 {
    stopping(id, |filter| filter.on_request_headers(end))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(id: u32, size: usize, end: bool) -> u32 {
    data(id, |filter| filter.on(Event::RequestBody { size, end }))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(id: u32, _: usize) -> u32 {
    stopping(id, |filter| filter.on(Event::RequestTrailers))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(id: u32, _: usize, end: bool) -> u32 {
    stopping(id, |filter| filter.on(Event::AnswerHeaders { end }))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(id: u32, size: usize, end: bool) -> u32 {
    data(id, |filter| filter.on(Event::AnswerBody { size, end }))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_trailers(id: u32, _: usize) -> u32 {
    stopping(id, |filter| filter.on(Event::AnswerTrailers))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(id: u32) {
    if let Some(filter) = stream(id) {
        filter.on(Event::Log);
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(id: u32) {
    // Dropped once nothing borrows the lists; who is at work on it drops it later.
    if let Some(filter) = VM.with(|vm| vm.streams.remove(id)) {
        filter.on(Event::End);
        return;
    }
    let (plugin, _, door) =
        VM.with(|vm| (vm.plugins.remove(id), vm.connections.remove(id), vm.doors.remove(id)));
    if let Some(door) = door {
        door.end();
    }
    if let Some(plugin) = plugin {
        plugin.end();
    }
}
