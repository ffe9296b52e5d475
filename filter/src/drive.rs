//! proxy-wasm on one side, the driver on the other: each callback becomes an event, each command a call of the host. Nothing is decided here.
//!
//! The host may call back while a call of ours is still under way: where a text that replaces a body is more than it holds, it ends the stream at once, and
//! so has it logged and deleted inside our call (docs/decisions/0012). So nothing is borrowed while a command is done, each context is held by who works on
//! it, and once a stream has ended nothing more is done for it.

use crate::host::{self, Answer, Buffer, GrpcCall, Metric, Status};
use crate::verify::Native;
use gatewaystack_core::decision::Edits;
use gatewaystack_core::jwks::MAX_DOCUMENT;
use gatewaystack_core::jwks::discovery::Request;
use gatewaystack_core::protobuf;
use gatewaystack_core::rate_limit::address;
use gatewaystack_core::rate_limit::service::{self, Answer as Counted};
use gatewaystack_core::reply::Reply;
use gatewaystack_core::request::Headers;
use gatewaystack_core::shared::{SharedTable, TableFault};
use gatewaystack_driver::claims;
use gatewaystack_driver::command::{Action, Ask, Command, HeaderEdit, Output, Statistic};
use gatewaystack_driver::door::{self, Door};
use gatewaystack_driver::event::{Event, Failed};
use gatewaystack_driver::gateway::Gateway;
use gatewaystack_driver::statistics::Kind;
use gatewaystack_driver::stream::Stream;
use gatewaystack_driver::view::{Body, Map, View};
use gatewaystack_driver::worker::{MAILBOXES, Worker, WorkerCommand, WorkerEvent};
use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

/// Longest configuration.
const MAX_CONFIGURATION: usize = 4 * 1024 * 1024;
/// The filter state by which the bootstrap knows a request that was held: Envoy's 413 would be untrue for a body that is only too large to wait.
const HELD: &str = "gatewaystack_held";

/// Envoy's shared data.
#[derive(Debug, Clone, Copy)]
pub struct Cells;

impl SharedTable for Cells {
    fn read(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, TableFault> {
        host::shared_data(key).map_err(|_| TableFault)
    }

    fn write(&self, key: &str, value: &[u8], cas: u32) -> Result<bool, TableFault> {
        host::set_shared_data(key, value, cas).map_err(|_| TableFault)
    }
}

fn source_address() -> Option<IpAddr> {
    address::of_source(host::property("source\0address").ok().flatten())
}

fn map(of: Map) -> host::Map {
    match of {
        Map::Request => host::Map::RequestHeaders,
        Map::RequestTrailers => host::Map::RequestTrailers,
        Map::Answer => host::Map::ResponseHeaders,
    }
}

/// The stream whose context is in effect.
struct InEffect;

impl View for InEffect {
    fn now_ns(&self) -> Option<u64> {
        host::now_ns().ok()
    }
    fn source_address(&self) -> Option<IpAddr> {
        source_address()
    }
    fn headers(&self, of: Map) -> Option<Headers> {
        host::headers(map(of)).ok()
    }
    fn has_header(&self, of: Map, name: &str) -> bool {
        host::has_header(map(of), name)
    }
    fn bytes(&self, of: Body, from: usize, size: usize) -> Option<Vec<u8>> {
        let buffer = if of == Body::Request { Buffer::RequestBody } else { Buffer::ResponseBody };
        host::buffer_from(buffer, from, size).ok()
    }
}

/// One request.
pub struct Filter {
    id: u32,
    plugin: Option<Rc<Plugin>>,
    stream: RefCell<Stream>,
    ended: Cell<bool>,
}

impl Filter {
    /// A request to a plugin that is configured, or to one that isn't: that one is refused.
    pub fn new(id: u32, plugin: Option<Rc<Plugin>>) -> Self {
        Self { id, plugin, stream: RefCell::new(Stream::new(id)), ended: Cell::new(false) }
    }

    /// Whether the host is done with it.
    pub fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// The request's headers are here.
    pub fn on_request_headers(&self, end: bool) -> Action {
        if self.plugin.is_none() {
            host::reset();
            return Action::Pause;
        }
        self.on(Event::RequestHeaders { headers: host::headers(host::Map::RequestHeaders).ok(), end })
    }

    /// Something has happened, with this context in effect.
    pub fn on(&self, event: Event) -> Action {
        self.ended.set(self.ended.get() || matches!(event, Event::Log | Event::End));
        let Some(plugin) = &self.plugin else {
            let is_of_answer = matches!(
                event,
                Event::AnswerHeaders { .. } | Event::AnswerBody { .. } | Event::AnswerTrailers
            );
            return if is_of_answer { Action::Continue } else { Action::Pause };
        };
        let is_last = matches!(event, Event::Log | Event::End);
        let Output { commands, mut action } = self.step(plugin, event);
        let mut left = commands.into_iter();
        while let Some(command) = left.next() {
            if self.has_ended() && !is_last {
                return Action::Pause;
            }
            let Some(event) = self.perform(plugin, command) else { continue };
            let has_failed = matches!(event, Event::Failed(_));
            let output = self.step(plugin, event);
            if has_failed {
                (left, action) = (output.commands.into_iter(), output.action);
            }
        }
        action
    }

    fn step(&self, plugin: &Plugin, event: Event) -> Output {
        self.stream.borrow_mut().on(&mut plugin.worker.borrow_mut(), &InEffect, event)
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
            Command::Ask(asked) => {
                Some(plugin.ask(self.id, &asked).map_or(Event::Failed(Failed::Ask), Event::Asked))
            }
            Command::EditAnswer(edits) => {
                edits.iter().try_for_each(edit_answer).err().map(failed(Failed::Answer))
            }
            Command::Decorate(edits) => {
                for edit in &edits {
                    let _ = edit_answer(edit);
                }
                None
            }
            Command::Replace(bytes) => {
                let done = host::set_buffer(Buffer::ResponseBody, &bytes);
                Some(done.map_or(Event::Failed(Failed::Answer), |()| Event::Replaced))
            }
            Command::Record(record) => host::set_property("gatewaystack", &record).err().and(None),
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
        // Envoy chose its route by the path as it came; without this it would forward to another route than was judged.
        host::call_foreign_function("clear_route_cache", b"")?;
    }
    Ok(())
}

fn edit_answer(edit: &HeaderEdit) -> Result<(), Status> {
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
    host::send_local_response(&Answer {
        status,
        details: "gatewaystack",
        headers: &headers,
        body,
        grpc_status,
    })
}

/// The contexts of one plugin in one worker.
pub struct Plugin {
    root: u32,
    worker: RefCell<Worker>,
    metrics: RefCell<Vec<u32>>,
    queue: Cell<Option<u32>>,
    /// Finds a request by its number.
    find: fn(u32) -> Option<Rc<Filter>>,
}

impl Plugin {
    /// Reads the policy.
    ///
    /// # Errors
    /// Why it can't be used.
    pub fn configured(root: u32, find: fn(u32) -> Option<Rc<Filter>>) -> Result<Self, String> {
        let json = host::buffer(Buffer::PluginConfiguration, MAX_CONFIGURATION)
            .map_err(|status| format!("the configuration can't be read (status {})", status.0))?;
        // `vars` panics on what isn't UTF-8.
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        let no_random = |status: Status| format!("no random bytes (status {})", status.0);
        let (fresh, holder) = (host::random().map_err(no_random)?, host::random().map_err(no_random)?);
        let gateway = Gateway::load(&json, variables, Box::new(Cells), Box::new(Native), fresh)?;
        log::info!("gatewaystack: {}", gateway.summary());
        let worker = Worker::new(Arc::new(gateway), u64::from_le_bytes(holder));
        let plugin = Self {
            root,
            metrics: RefCell::default(),
            queue: Cell::new(None),
            find,
            worker: RefCell::new(worker),
        };
        plugin.define();
        host::set_tick_period(Worker::first_tick())
            .map_err(|status| format!("no tick (status {})", status.0))?;
        Ok(plugin)
    }

    /// Defines what statistics there are from the start.
    fn define(&self) {
        let worker = self.worker.borrow();
        for at in 0..worker.statistics.len() {
            self.define_one(&worker, at);
        }
        let (native, unnamed) = (worker.statistics.native(), worker.statistics.unnamed_tools());
        if unnamed > 0 {
            log::warn!(
                "gatewaystack: {unnamed} tools are counted as (more): statistics have the names of 1000 at most"
            );
        }
        let is_native = worker.gateway.is_native;
        drop(worker);
        host::record_metric(self.metric(native), u64::from(is_native));
    }

    /// A statistic that can't be defined is only missing.
    fn define_one(&self, worker: &Worker, at: usize) {
        let Some((kind, name)) = worker.statistics.name(Statistic(at)) else { return };
        let kind = if kind == Kind::Counter { Metric::Counter } else { Metric::Gauge };
        self.metrics.borrow_mut().push(host::define_metric(kind, name).unwrap_or(u32::MAX));
    }

    fn metric(&self, Statistic(at): Statistic) -> u32 {
        let known = self.metrics.borrow().len();
        if known <= at {
            let worker = self.worker.borrow();
            (known..=at).for_each(|at| self.define_one(&worker, at));
        }
        self.metrics.borrow().get(at).copied().unwrap_or(u32::MAX)
    }

    fn wake(&self) {
        if let Some(queue) = self.queue.get() {
            let _ = host::enqueue(queue, b"k");
        }
    }

    /// The call is the root's: it goes on when the client has gone, and what it counts is counted.
    fn ask(&self, stream: u32, ask: &Ask) -> Option<u32> {
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

    /// Something has happened, with the root's context in effect. Without a clock nothing is done.
    pub fn on(&self, event: WorkerEvent) {
        let Ok(now_ms) = host::now_ns().map(|ns| ns / 1_000_000) else { return };
        let commands = self.worker.borrow_mut().on(event, now_ms);
        for command in commands {
            self.perform(command);
        }
    }

    fn perform(&self, command: WorkerCommand) {
        match command {
            WorkerCommand::Fetch { fetch, cluster, request, timeout_ms } => {
                let timeout_ms = u32::try_from(timeout_ms).unwrap_or(u32::MAX);
                self.on(WorkerEvent::Sent(fetch, send(&cluster, &request, timeout_ms).ok()));
            }
            WorkerCommand::Resume(id, arrived) => {
                // A context that is gone can't be chosen: its request is gone, too.
                if host::set_effective_context(id).is_ok()
                    && let Some(filter) = (self.find)(id)
                {
                    filter.on(Event::Arrived(arrived));
                }
                let _ = host::set_effective_context(self.root);
            }
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

    /// A queue has messages.
    pub fn on_queue_ready(&self, queue: u32) {
        // Bounded: each message is one byte, and who sends more only makes us look again.
        for _ in 0..10_000 {
            if !matches!(host::dequeue(queue), Ok(Some(_))) {
                break;
            }
        }
        self.on(WorkerEvent::Poll);
    }

    /// An issuer has answered.
    pub fn on_http_call_response(&self, token: u32, body_size: usize) {
        let headers = host::headers(host::Map::CallResponseHeaders).unwrap_or_default();
        let pairs = headers.pairs();
        let find = |name: &[u8]| {
            pairs.iter().find(|(n, _)| *n == name).and_then(|(_, v)| std::str::from_utf8(v).ok())
        };
        let status = find(b":status").and_then(|s| s.parse().ok());
        let cache_control = find(b"cache-control").map(str::to_owned);
        // One byte more than is allowed, so that too long a document is seen to be too long.
        let most = (MAX_DOCUMENT + 1).min(body_size);
        let body = host::buffer(Buffer::CallResponseBody, most).unwrap_or_default();
        self.on(WorkerEvent::Fetched { token, status, cache_control, body });
    }

    /// The rate limit service has answered. The answer is the root's, as the call was.
    pub fn on_grpc_call_response(&self, token: u32, status: u32, size: usize) {
        let is_read =
            status == 0 && size <= service::MAX_ANSWER && host::set_effective_context(self.root).is_ok();
        let answer =
            || host::buffer(Buffer::GrpcAnswer, size).map_or(Counted::Nothing, |m| Counted::read(&m));
        self.on(WorkerEvent::Counted(token, if is_read { answer() } else { Counted::Nothing }));
    }

    /// It is gone.
    pub fn end(&self) {
        let mut commands = Vec::new();
        self.worker.borrow_mut().flush(&mut commands);
        commands.into_iter().for_each(|command| self.perform(command));
    }
}

fn send(cluster: &str, request: &Request, timeout_ms: u32) -> Result<u32, Status> {
    let headers = [
        (":method", "GET"),
        (":scheme", if request.tls { "https" } else { "http" }),
        (":path", request.path.as_str()),
        (":authority", request.authority.as_str()),
        ("accept", "application/json"),
        ("user-agent", "gatewaystack"),
    ];
    host::http_call(cluster, &headers, timeout_ms)
}

/// `envoy.config.core.v3.GrpcService { envoy_grpc = 1 { cluster_name = 1 } }`. A bare name would do, if none happened to be a message.
fn envoy_grpc(cluster: &str) -> String {
    let (mut grpc, mut service) = (Vec::new(), Vec::new());
    protobuf::bytes(&mut grpc, 1, cluster.as_bytes());
    protobuf::bytes(&mut service, 1, &grpc);
    // A name has at most 256 visible ASCII characters: lengths of a byte or two, the second of which isn't ASCII.
    String::from_utf8(service).unwrap_or_else(|_| cluster.to_owned())
}

/// The plugin that counts connections (`root_id: gatewaystack_connections`).
pub struct DoorPlugin {
    door: RefCell<Door>,
    refused: u32,
}

impl DoorPlugin {
    /// Whether the plugin that is being configured counts connections.
    pub fn is_meant() -> bool {
        matches!(host::property("plugin_root_id"), Ok(Some(id)) if id == b"gatewaystack_connections")
    }

    /// Reads its configuration; `None`: it can't be used.
    pub fn configured() -> Option<Self> {
        let configuration = host::buffer(Buffer::PluginConfiguration, 16).ok()?;
        let Some(door) = Door::new(&configuration, u64::from_le_bytes(host::random().ok()?)) else {
            log::error!("gatewaystack: the number of connections for an address can't be read");
            return None;
        };
        let refused = host::define_metric(Metric::Counter, door::REFUSED).unwrap_or(u32::MAX);
        host::set_tick_period(door::TICK_MS).ok()?;
        Some(Self { door: RefCell::new(door), refused })
    }

    /// Time has passed.
    pub fn on_tick(&self) {
        let now_ms = host::now_ns().ok().map(|ns| ns / 1_000_000);
        let refused = self.door.borrow_mut().tick(&Cells, now_ms);
        if refused > 0 {
            log::warn!(
                "gatewaystack: {refused} connections were closed at once: their addresses have as many as one may have (`listen.connections_per_address`)"
            );
        }
    }

    /// It is gone.
    pub fn end(&self) {
        self.door.borrow_mut().end(&Cells);
    }
}

/// One connection.
pub struct Connection {
    door: Rc<DoorPlugin>,
    /// Whose it is, once it is counted.
    from: Cell<Option<IpAddr>>,
}

impl Connection {
    /// One of which nothing is known.
    pub fn new(door: Rc<DoorPlugin>) -> Self {
        Self { door, from: Cell::new(None) }
    }

    /// It is there: whether it stays.
    pub fn enter(&self) -> bool {
        // One without an address is a Unix socket's.
        let Some(from) = source_address() else { return true };
        if self.door.door.borrow_mut().enter(from) {
            self.from.set(Some(from));
            return true;
        }
        host::increment_metric(self.door.refused, 1);
        host::close_connection();
        false
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(from) = self.from.take() {
            self.door.door.borrow_mut().leave(from);
        }
    }
}
