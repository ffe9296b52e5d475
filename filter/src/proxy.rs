//! proxy-wasm on one side, the driver on the other: each of Envoy's callbacks (the end of this file) becomes
//! an event, each command a call of the host. Nothing is decided here.
//!
//! The host may call back while a call of ours is still under way: where a text that replaces a body is more
//! than it holds, it ends the stream at once, and so has it logged and deleted inside our call
//! (docs/decisions/0012). So nothing is borrowed while a command is done, each context is held by who works
//! on it, and once a stream has ended nothing more is done for it.

#![allow(unsafe_code, reason = "the proxy-wasm ABI 0.2.1 has its callbacks by name")]

use crate::host::shown::{Cells, InEffect, source_address};
use crate::host::{self, Buffer, GrpcCall, LocalResponse, Metric, Status};
use crate::verify::Native;
use gatewaystack_core::decision::Edits;
use gatewaystack_core::protobuf;
use gatewaystack_core::rate_limit::service::{self, RateLimitResponse};
use gatewaystack_core::reply::Reply;
use gatewaystack_driver::claims;
use gatewaystack_driver::command::{Action, Command, HeaderEdit, Output, RateLimitCall, Statistic};
use gatewaystack_driver::connection_limiter::{self, ConnectionLimiter};
use gatewaystack_driver::event::{Event, Failed};
use gatewaystack_driver::gateway::Gateway;
use gatewaystack_driver::statistics::Kind;
use gatewaystack_driver::stream::Stream;
use gatewaystack_driver::worker::{MAILBOXES, MAX_DOCUMENT, Worker, WorkerCommand, WorkerEvent};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

/// Longest configuration.
const MAX_CONFIGURATION: usize = 4 * 1024 * 1024;
/// The filter state by which the bootstrap knows a request that was held: Envoy's 413 would be untrue for a
/// body that is only too large to wait.
const HELD: &str = "gatewaystack_held";

/// One request.
struct Filter {
    id: u32,
    plugin: Option<Rc<Plugin>>,
    stream: RefCell<Stream>,
    ended: Cell<bool>,
}

impl Filter {
    /// A request to a plugin that is configured, or to one that isn't: that one is refused.
    fn new(id: u32, plugin: Option<Rc<Plugin>>) -> Self {
        Self { id, plugin, stream: RefCell::new(Stream::new(id)), ended: Cell::new(false) }
    }

    /// The request's headers are here.
    fn on_request_headers(&self, end: bool) -> Action {
        if self.plugin.is_none() {
            host::reset();
            return Action::Pause;
        }
        self.on(Event::RequestHeaders { headers: host::headers(host::Map::RequestHeaders).ok(), end })
    }

    /// Something has happened, with this context in effect.
    fn on(&self, event: Event) -> Action {
        let is_last = matches!(event, Event::Log | Event::End);
        self.ended.set(self.ended.get() || is_last);
        let Some(plugin) = &self.plugin else {
            let is_request = matches!(event, Event::RequestBody { .. } | Event::RequestTrailers);
            return if is_request { Action::Pause } else { Action::Continue };
        };
        let Output { commands, mut action } = self.step(plugin, event);
        let mut left = commands.into_iter();
        while let Some(command) = left.next() {
            if self.ended.get() && !is_last {
                return Action::Pause;
            }
            let Some(event) = self.perform(plugin, command) else { continue };
            // What follows takes the place of what was to be done.
            let goes_on = matches!(event, Event::Failed(_) | Event::RateLimitCalled(_));
            let output = self.step(plugin, event);
            if goes_on {
                (left, action) = (output.commands.into_iter(), output.action);
            }
        }
        action
    }

    fn step(&self, plugin: &Plugin, event: Event) -> Output {
        // No host calls back while it is only asked for what it has. If one did, nothing more would go on.
        match (self.stream.try_borrow_mut(), plugin.worker.try_borrow_mut()) {
            (Ok(mut stream), Ok(mut worker)) => stream.on(&mut worker, &InEffect, event),
            _ => Output { commands: Vec::new(), action: Action::Pause },
        }
    }

    /// Does what has to be done; what the driver wants to know of it.
    fn perform(&self, plugin: &Plugin, command: Command) -> Option<Event> {
        let failed = |failed: Failed| move |_: Status| Event::Failed(failed);
        match command {
            Command::Edit { edits, must } => edit(&edits).err().filter(|_| must).map(failed(Failed::Edit)),
            Command::StripTrailers(names) => {
                let strip = |name: &Vec<u8>| host::remove_header(host::Map::RequestTrailers, name);
                names.iter().try_for_each(strip).err().map(failed(Failed::Release))
            }
            Command::NoteHeld => host::set_property(HELD, "1").err().and(None),
            Command::Release => host::continue_request().err().map(failed(Failed::Release)),
            Command::Reply(reply) => answer(&reply).err().map(failed(Failed::Reply)),
            Command::Reset => {
                host::reset();
                None
            }
            Command::CallRateLimit(asked) => Some(
                plugin.ask(self.id, &asked).map_or(Event::Failed(Failed::RateLimit), Event::RateLimitCalled),
            ),
            Command::EditResponse { edits, must: true } => {
                edits.iter().try_for_each(edit_response).err().map(failed(Failed::Response))
            }
            Command::EditResponse { edits, must: false } => {
                edits.iter().for_each(|edit| _ = edit_response(edit));
                None
            }
            Command::Replace(bytes) => {
                let done = host::set_buffer(Buffer::ResponseBody, &bytes);
                Some(done.map_or(Event::Failed(Failed::Response), |()| Event::Replaced))
            }
            Command::Record(record) => host::set_property("gatewaystack", &record).err().and(None),
            Command::Note(name, value) => {
                host::set_property(&format!("gatewaystack.{name}"), &value).err().and(None)
            }
            Command::Count(statistic, more) => {
                host::increment_metric(plugin.metric(statistic), more);
                None
            }
            Command::Wake => {
                plugin.wake();
                None
            }
        }
    }
}

/// Changes the request's headers.
fn edit(edits: &Edits) -> Result<(), Status> {
    let map = host::Map::RequestHeaders;
    edits.remove.iter().try_for_each(|name| host::remove_header(map, name))?;
    edits.set.iter().try_for_each(|(name, value)| host::set_header(map, name, value))?;
    edits.path.iter().try_for_each(|path| host::set_header(map, ":path", path))?;
    if edits.rerouted {
        // Envoy chose its route by the path as it came; without this it would forward to another route than
        // was judged.
        host::call_foreign_function("clear_route_cache", b"")?;
    }
    Ok(())
}

fn edit_response(edit: &HeaderEdit) -> Result<(), Status> {
    let map = host::Map::ResponseHeaders;
    match edit {
        HeaderEdit::Remove(name) => host::remove_header(map, name),
        HeaderEdit::Set(name, value) => host::set_header(map, name, value),
        HeaderEdit::Add(name, value) => host::add_header(map, name, value),
    }
}

fn answer(reply: &Reply) -> Result<(), Status> {
    let mut headers: Vec<(&str, &str)> = reply.headers.iter().map(|(n, v)| (*n, v.as_ref())).collect();
    let (grpc_status, body) = match &reply.grpc {
        Some((status, message)) => {
            // Envoy writes the body of a gRPC answer as `grpc-message`, and its own content type.
            headers.retain(|(name, _)| *name != "content-type");
            (*status, message.as_str())
        }
        None => (-1, reply.body.as_str()),
    };
    let (status, body) = (reply.status, body.as_bytes());
    let details = "gatewaystack";
    host::send_local_response(&LocalResponse { status, details, headers: &headers, body, grpc_status })
}

/// The contexts of one plugin in one worker.
struct Plugin {
    root: u32,
    worker: RefCell<Worker>,
    metrics: RefCell<Vec<u32>>,
    queue: Cell<Option<u32>>,
}

impl Plugin {
    /// Reads the policy.
    ///
    /// # Errors
    /// Why it can't be used.
    fn configured(root: u32) -> Result<Self, String> {
        let json = host::buffer(Buffer::PluginConfiguration, MAX_CONFIGURATION)
            .map_err(|status| format!("the configuration can't be read (status {})", status.0))?;
        // `vars` panics on what isn't UTF-8.
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        let no_random = |status: Status| format!("no random bytes (status {})", status.0);
        let (fresh, holder) = (host::random().map_err(no_random)?, host::random().map_err(no_random)?);
        let gateway = Gateway::load(&json, variables, Box::new(Cells), Box::new(Native), fresh)
            .map_err(|why| format!("the policy is refused: {why}"))?;
        log::info!("gatewaystack: {}", gateway.summary());
        let worker = Worker::new(Arc::new(gateway), u64::from_le_bytes(holder));
        let statistics = worker.statistics.len();
        let (metrics, queue, worker) = (RefCell::default(), Cell::new(None), RefCell::new(worker));
        let plugin = Self { root, worker, metrics, queue };
        // All that there are from the start.
        plugin.metric(Statistic(statistics));
        host::set_tick_period(Worker::first_tick())
            .map_err(|status| format!("no tick (status {})", status.0))?;
        Ok(plugin)
    }

    /// The host's number of a statistic. One that can't be defined is only missing.
    fn metric(&self, Statistic(at): Statistic) -> u32 {
        let (worker, mut metrics) = (self.worker.borrow(), self.metrics.borrow_mut());
        while metrics.len() <= at
            && let Some((kind, name)) = worker.statistics.name(Statistic(metrics.len()))
        {
            let kind = if kind == Kind::Counter { Metric::Counter } else { Metric::Gauge };
            metrics.push(host::define_metric(kind, name).unwrap_or(u32::MAX));
        }
        metrics.get(at).copied().unwrap_or(u32::MAX)
    }

    fn wake(&self) {
        if let Some(queue) = self.queue.get() {
            let _ = host::enqueue(queue, b"k");
        }
    }

    /// The call is the root's: it goes on when the client has gone, and what it counts is counted.
    fn ask(&self, stream: u32, ask: &RateLimitCall) -> Option<u32> {
        host::set_effective_context(self.root).ok()?;
        let call = host::grpc_call(&GrpcCall {
            through: &envoy_grpc(&ask.cluster),
            service: service::SERVICE,
            method: service::METHOD,
            message: &ask.question.message,
            timeout_ms: u32::try_from(ask.timeout_ms).unwrap_or(u32::MAX),
        });
        // If this fails, the answer finds the request all the same.
        let _ = host::set_effective_context(stream);
        call.ok()
    }

    /// Something has happened, with the root's context in effect.
    fn on(&self, event: WorkerEvent) {
        let now_ms = host::now_ns().ok().map(|ns| ns / 1_000_000);
        let commands = self.worker.borrow_mut().on(event, now_ms);
        commands.into_iter().for_each(|command| self.perform(command));
    }

    fn perform(&self, command: WorkerCommand) {
        match command {
            WorkerCommand::Fetch { fetch, cluster, headers, body, timeout_ms } => {
                let timeout_ms = u32::try_from(timeout_ms).unwrap_or(u32::MAX);
                let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                self.on(WorkerEvent::Sent(
                    fetch,
                    host::http_call(&cluster, &headers, &body, timeout_ms).ok(),
                ));
            }
            WorkerCommand::Resume(id, arrived) => self.tell(id, Event::Arrived(arrived)),
            WorkerCommand::Bar(id, why) => self.tell(id, Event::Barred(why)),
            WorkerCommand::MakeRoom => self.on(WorkerEvent::MakeRoom),
            WorkerCommand::Listen(place) => {
                self.queue.set(host::register_queue(&claims::name(MAILBOXES, place)).ok());
                if self.queue.get().is_some() {
                    self.on(WorkerEvent::Listening);
                }
            }
            WorkerCommand::Wake(places) => {
                let Ok(vm) = host::property("plugin_vm_id") else { return };
                let vm = vm.unwrap_or_default();
                // One that isn't reached looks by itself at its next tick.
                for place in places {
                    if let Ok(Some(queue)) = host::resolve_queue(&vm, &claims::name(MAILBOXES, place)) {
                        let _ = host::enqueue(queue, b"k");
                    }
                }
            }
            WorkerCommand::Tick(ms) => drop(host::set_tick_period(ms)),
            WorkerCommand::Count(statistic, more) => host::increment_metric(self.metric(statistic), more),
            WorkerCommand::Set(statistic, value) => host::record_metric(self.metric(statistic), value),
            WorkerCommand::Warn(what) => log::warn!("gatewaystack: {what}"),
        }
    }

    /// Something has happened to a stream; the root's context is in effect before and after it.
    fn tell(&self, id: u32, event: Event) {
        // A context that is gone can't be chosen: its request is gone, too.
        if host::set_effective_context(id).is_ok()
            && let Some(filter) = stream(id)
        {
            filter.on(event);
        }
        let _ = host::set_effective_context(self.root);
    }

    /// A queue has messages.
    fn on_queue_ready(&self, queue: u32) {
        // Bounded: each message is one byte, and who sends more only makes us look again.
        let is_full = |_: &i32| matches!(host::dequeue(queue), Ok(Some(_)));
        let _ = (0..10_000).take_while(is_full).count();
        self.on(WorkerEvent::Poll);
    }

    /// An issuer or the sidecar has answered.
    fn on_http_call_response(&self, token: u32, body_size: usize) {
        let headers = host::headers(host::Map::CallResponseHeaders).unwrap_or_default();
        // One byte more than is allowed, so that too long a document is seen to be too long.
        let most = (MAX_DOCUMENT + 1).min(body_size);
        let body = host::buffer(Buffer::CallResponseBody, most).unwrap_or_default();
        self.on(WorkerEvent::Fetched { token, headers, body });
    }

    /// The rate limit service has answered. The answer is the root's, as the call was.
    fn on_grpc_call_response(&self, token: u32, status: u32, size: usize) {
        let is_read =
            status == 0 && size <= service::MAX_ANSWER && host::set_effective_context(self.root).is_ok();
        let answer = || {
            host::buffer(Buffer::GrpcAnswer, size)
                .map_or(RateLimitResponse::Nothing, |m| RateLimitResponse::read(&m))
        };
        self.on(WorkerEvent::Counted(token, if is_read { answer() } else { RateLimitResponse::Nothing }));
    }

    /// It is gone.
    fn end(&self) {
        let mut commands = Vec::new();
        self.worker.borrow_mut().end(&mut commands);
        commands.into_iter().for_each(|command| self.perform(command));
    }
}

/// `envoy.config.core.v3.GrpcService { envoy_grpc = 1 { cluster_name = 1 } }`. A bare name would do, if none
/// happened to be a message.
fn envoy_grpc(cluster: &str) -> String {
    let (mut grpc, mut service) = (Vec::new(), Vec::new());
    protobuf::bytes(&mut grpc, 1, cluster.as_bytes());
    protobuf::bytes(&mut service, 1, &grpc);
    // A name has at most 256 visible ASCII characters: lengths of a byte or two, the second of which isn't
    // ASCII.
    String::from_utf8(service).unwrap_or_else(|_| cluster.to_owned())
}

/// The plugin that counts connections (`root_id: gatewaystack_connections`).
struct ConnectionPlugin {
    limiter: RefCell<ConnectionLimiter>,
    refused: u32,
}

impl ConnectionPlugin {
    /// Whether the plugin that is being configured counts connections.
    fn is_meant() -> bool {
        matches!(host::property("plugin_root_id"), Ok(Some(id)) if id == b"gatewaystack_connections")
    }

    fn configured() -> Result<Self, String> {
        let unread = || "the number of connections for an address can't be read".to_owned();
        let configuration = host::buffer(Buffer::PluginConfiguration, 16).map_err(|_| unread())?;
        let holder = host::random().map_err(|status| format!("no random bytes (status {})", status.0))?;
        let limiter =
            ConnectionLimiter::new(&configuration, u64::from_le_bytes(holder)).ok_or_else(unread)?;
        let refused = host::define_metric(Metric::Counter, connection_limiter::REFUSED).unwrap_or(u32::MAX);
        host::set_tick_period(connection_limiter::TICK_MS)
            .map_err(|status| format!("no tick (status {})", status.0))?;
        Ok(Self { limiter: RefCell::new(limiter), refused })
    }

    /// Time has passed.
    fn on_tick(&self) {
        let now_ms = host::now_ns().ok().map(|ns| ns / 1_000_000);
        let refused = self.limiter.borrow_mut().tick(&Cells, now_ms);
        refused.into_iter().for_each(|what| log::warn!("gatewaystack: {what}"));
    }
}

/// One connection.
struct Connection {
    plugin: Rc<ConnectionPlugin>,
    /// Whose it is, once it is counted.
    from: Cell<Option<IpAddr>>,
}

impl Connection {
    /// It is there: whether it stays.
    fn enter(&self) -> bool {
        // One without an address is a Unix socket's.
        let Some(from) = source_address() else { return true };
        if self.plugin.limiter.borrow_mut().enter(from) {
            self.from.set(Some(from));
            return true;
        }
        host::increment_metric(self.plugin.refused, 1);
        host::close_connection();
        false
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(from) = self.from.take() {
            self.plugin.limiter.borrow_mut().leave(from);
        }
    }
}

/// A context of the VM, by what it is of.
#[derive(Clone)]
enum Context {
    Plugin(Rc<Plugin>),
    Limiter(Rc<ConnectionPlugin>),
    Stream(Rc<Filter>),
    Connection(Rc<Connection>),
}

thread_local! {
    static CONTEXTS: RefCell<BTreeMap<u32, Context>> = const { RefCell::new(BTreeMap::new()) };
}

fn context(id: u32) -> Option<Context> {
    CONTEXTS.with_borrow(|all| all.get(&id).cloned())
}

/// What was there is dropped once nothing borrows the list.
fn add(id: u32, context: Context) {
    drop(CONTEXTS.with_borrow_mut(|all| all.insert(id, context)));
}

fn stream(id: u32) -> Option<Rc<Filter>> {
    if let Some(Context::Stream(filter)) = context(id) { Some(filter) } else { None }
}

fn plugin(id: u32) -> Option<Rc<Plugin>> {
    if let Some(Context::Plugin(plugin)) = context(id) { Some(plugin) } else { None }
}

/// What becomes of a callback's part of a stream; `None`: the stream has ended, before it or within it.
fn run(id: u32, event: impl FnOnce(&Filter) -> Action) -> Option<Action> {
    let filter = stream(id).filter(|filter| !filter.ended.get())?;
    let action = event(&filter);
    (!filter.ended.get()).then_some(action)
}

/// `FilterHeadersStatus` and `FilterTrailersStatus`: continue, stop.
fn stopping(id: u32, event: impl FnOnce(&Filter) -> Action) -> u32 {
    u32::from(run(id, event) != Some(Action::Continue))
}

/// `FilterDataStatus`: continue, stop and keep it in the buffer, stop and drop it.
fn data(id: u32, event: Event) -> u32 {
    match run(id, |filter| filter.on(event)) {
        Some(Action::Continue) => 0,
        Some(Action::Pause) => 1,
        None => 3,
    }
}

macro_rules! exports {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block)*) => {
        $(#[unsafe(no_mangle)]
        extern "C" fn $name($($argument: $type),*) $(-> $result)? $body)*
    };
}

exports! {
    fn proxy_abi_version_0_2_1() {}
    fn proxy_on_vm_start(_id: u32, _size: usize) -> bool {
        true
    }
    fn proxy_on_context_create(id: u32, of: u32) {
        match context(of) {
            Some(Context::Limiter(plugin)) => add(id, Context::Connection(Rc::new(Connection { plugin, from: Cell::new(None) }))),
            // Which plugin's a root is will be known when it is configured.
            _ if of == 0 => {}
            _ => add(id, Context::Stream(Rc::new(Filter::new(id, plugin(of))))),
        }
    }
    fn proxy_on_configure(id: u32, _size: usize) -> bool {
        let configured = if ConnectionPlugin::is_meant() {
            ConnectionPlugin::configured().map(|plugin| Context::Limiter(Rc::new(plugin)))
        } else {
            Plugin::configured(id).map(|plugin| Context::Plugin(Rc::new(plugin)))
        };
        configured.map(|context| add(id, context)).map_err(|why| log::error!("gatewaystack: {why}")).is_ok()
    }
    fn proxy_on_tick(id: u32) {
        match context(id) {
            Some(Context::Plugin(plugin)) => plugin.on(WorkerEvent::Poll),
            Some(Context::Limiter(plugin)) => plugin.on_tick(),
            _ => {}
        }
    }
    fn proxy_on_queue_ready(id: u32, queue: u32) {
        plugin(id).into_iter().for_each(|plugin| plugin.on_queue_ready(queue));
    }
    fn proxy_on_http_call_response(id: u32, token: u32, _headers: usize, size: usize, _trailers: usize) {
        plugin(id).into_iter().for_each(|plugin| plugin.on_http_call_response(token, size));
    }
    fn proxy_on_grpc_receive(id: u32, token: u32, size: usize) {
        plugin(id).into_iter().for_each(|plugin| plugin.on_grpc_call_response(token, 0, size));
    }
    fn proxy_on_grpc_close(id: u32, token: u32, status: u32) {
        plugin(id).into_iter().for_each(|plugin| plugin.on_grpc_call_response(token, status, 0));
    }
    fn proxy_on_new_connection(id: u32) -> u32 {
        u32::from(matches!(context(id), Some(Context::Connection(connection)) if !connection.enter()))
    }
    fn proxy_on_request_headers(id: u32, _count: usize, end: bool) -> u32 {
        stopping(id, |filter| filter.on_request_headers(end))
    }
    fn proxy_on_request_body(id: u32, size: usize, end: bool) -> u32 {
        data(id, Event::RequestBody { size, end })
    }
    fn proxy_on_request_trailers(id: u32, _count: usize) -> u32 {
        stopping(id, |filter| filter.on(Event::RequestTrailers))
    }
    fn proxy_on_response_headers(id: u32, _count: usize, end: bool) -> u32 {
        stopping(id, |filter| filter.on(Event::ResponseHeaders { end }))
    }
    fn proxy_on_response_body(id: u32, size: usize, end: bool) -> u32 {
        data(id, Event::ResponseBody { size, end })
    }
    fn proxy_on_response_trailers(id: u32, _count: usize) -> u32 {
        stopping(id, |filter| filter.on(Event::ResponseTrailers))
    }
    fn proxy_on_log(id: u32) {
        if let Some(filter) = stream(id) {
            filter.on(Event::Log);
        }
    }
    fn proxy_on_delete(id: u32) {
        // Dropped once nothing borrows the list; who is at work on it drops it later.
        match CONTEXTS.with_borrow_mut(|all| all.remove(&id)) {
            Some(Context::Stream(filter)) => _ = filter.on(Event::End),
            Some(Context::Limiter(plugin)) => plugin.limiter.borrow_mut().end(&Cells),
            Some(Context::Plugin(plugin)) => plugin.end(),
            Some(Context::Connection(_)) | None => {}
        }
    }
}
