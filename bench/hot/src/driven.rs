//! A request and its answer through the driver: events in, commands out, without a host.

use crate::{Agrees, key_set, policy};
use gatewaystack_core::request::Headers;
use gatewaystack_core::shared::MemoryTable;
use gatewaystack_driver::command::{Action, Command, Output};
use gatewaystack_driver::event::Event;
use gatewaystack_driver::gateway::Gateway;
use gatewaystack_driver::stream::Stream;
use gatewaystack_driver::view::{Body, Map, View};
use gatewaystack_driver::worker::{Worker, WorkerCommand, WorkerEvent};
use serde_json::json;
use std::hint::black_box;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// A host that shows a client and the time, and no more.
struct Shown(u64);

impl View for Shown {
    fn now_ns(&self) -> Option<u64> {
        Some(self.0 * 1_000_000)
    }
    fn status(&self) -> Option<u16> {
        None
    }
    fn source_address(&self) -> Option<IpAddr> {
        Some(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
    fn headers(&self, _: Map) -> Option<Headers> {
        None
    }
    fn has_header(&self, _: Map, _: &str) -> bool {
        false
    }
    fn bytes(&self, _: Body, _: usize, _: usize) -> Option<Vec<u8>> {
        None
    }
}

/// `count` requests with these headers, while so many others are blocked.
pub fn run(headers: &Headers, now_ms: u64, count: u32, blocks: usize) -> io::Result<()> {
    let mut worker = worker(now_ms, blocks)?;
    let view = Shown(now_ms);
    for id in 0..count {
        let mut stream = Stream::new(id);
        let begin = Event::RequestHeaders { headers: Some(headers.clone()), end: true };
        let answer = [Event::ResponseHeaders { end: false }, Event::ResponseBody { size: 2, end: true }];
        for event in std::iter::once(begin).chain(answer) {
            let Output { commands, action } = stream.on(&mut worker, &view, event);
            if action != Action::Continue {
                return Err(io::Error::other(format!("not permitted: {commands:?}")));
            }
            black_box(commands);
        }
        let Output { commands, .. } = stream.on(&mut worker, &view, Event::Log);
        if !commands.iter().any(|command| matches!(command, Command::Record(_))) {
            return Err(io::Error::other("nothing to record"));
        }
        black_box(commands);
        black_box(stream.on(&mut worker, &view, Event::End));
    }
    Ok(())
}

/// Blocks in one answer of the sidecar.
const PAGE: usize = 2_000;

/// An answer of the sidecar behind `after`: the blocks that follow, of each kind in turn.
fn page(after: usize, blocks: usize) -> Vec<u8> {
    const KINDS: [&str; 5] = ["user", "tenant", "client", "token", "session"];
    let upto = (after + PAGE).min(blocks);
    let kind = |at: usize| KINDS.get(at % KINDS.len()).copied().unwrap_or_default();
    let changes: Vec<_> =
        (after..upto).map(|at| json!({"block": [kind(at), format!("auth0|{at:010}"), 0]})).collect();
    json!({ "epoch": "0123456789abcdef", "version": upto, "reset": after == 0, "more": upto < blocks, "changes": changes })
        .to_string()
        .into_bytes()
}

/// A worker that has its issuer's keys, and knows who is blocked.
fn worker(now_ms: u64, blocks: usize) -> io::Result<Worker> {
    let table = Box::<MemoryTable>::default();
    let mut policy = policy();
    if let Some(members) = policy.as_object_mut().filter(|_| blocks > 0) {
        members.insert("feed".to_owned(), json!({"cluster": "sidecar"}));
    }
    let json = policy.to_string();
    let gateway = Gateway::load(json.as_bytes(), Vec::new(), table, Box::new(Agrees), [7; 16]);
    let mut gateway = gateway.map_err(io::Error::other)?;
    // It agrees to everything, and so doesn't pass the known-answer test.
    gateway.verifier = Box::new(Agrees);
    let mut worker = Worker::new(Arc::new(gateway), 1);
    let (mut token, mut after) = (0, 0);
    let mut commands = worker.on(WorkerEvent::Poll, Some(now_ms));
    while let Some(command) = commands.pop() {
        let WorkerCommand::Fetch { fetch, cluster, .. } = command else { continue };
        token += 1;
        worker.on(WorkerEvent::Sent(fetch, Some(token)), Some(now_ms));
        let headers = Headers::of(&[(b":status", b"200")]);
        let body =
            if cluster == "sidecar" { page(after, blocks) } else { key_set().to_string().into_bytes() };
        after += if cluster == "sidecar" { PAGE } else { 0 };
        commands.extend(worker.on(WorkerEvent::Fetched { token, headers, body }, Some(now_ms)));
        commands.extend(worker.on(WorkerEvent::Poll, Some(now_ms)));
    }
    if after < blocks {
        return Err(io::Error::other(format!("{after} of {blocks} blocks were asked for")));
    }
    Ok(worker)
}
