//! What the core has decided, done by calls of the host: edits of a request in, or an answer; whether the host took all of it out.

use crate::host::{self, Answer, Map, Status};
use crate::root::Worker;
use gatewaystack_core::decision::Edits;
use gatewaystack_core::reply::Reply;
use gatewaystack_core::request;

/// Changes the request's headers.
pub fn edit(edits: &Edits) -> Result<(), Status> {
    let map = Map::RequestHeaders;
    for name in &edits.remove {
        host::remove_header(map, name)?;
    }
    for (name, value) in &edits.set {
        host::set_header(map, name, value)?;
    }
    if let Some(path) = &edits.path {
        host::set_header(map, ":path", path)?;
    }
    if edits.rerouted {
        // Envoy chose its route by the path as it came; without this it would forward to another route than was judged.
        host::call_foreign_function("clear_route_cache", b"")?;
    }
    Ok(())
}

/// Takes out what a client must not say of itself.
pub fn strip_trailers(worker: &Worker) -> Result<(), Status> {
    let trailers = host::headers(Map::RequestTrailers)?;
    let pairs = trailers.pairs();
    let spoofed = pairs.iter().filter(|(name, _)| request::is_spoofed_trailer(name, &worker.policy.identity));
    spoofed.map(|(name, _)| *name).try_for_each(|name| host::remove_header(Map::RequestTrailers, name))
}

/// Answers the request as the core says.
pub fn answer(reply: &Reply) -> Result<(), Status> {
    let mut headers: Vec<(&str, &str)> = reply.headers.iter().map(|(n, v)| (*n, v.as_ref())).collect();
    let (grpc_status, body) = match &reply.grpc {
        Some((status, message)) => {
            // Envoy writes the body of a gRPC answer as `grpc-message`, and its own content type.
            headers.retain(|(name, _)| *name != "content-type");
            (*status, message.as_str())
        }
        None => (-1, reply.body.as_str()),
    };
    let answer = Answer {
        status: reply.status,
        details: "gatewaystack",
        headers: &headers,
        body: body.as_bytes(),
        grpc_status,
    };
    host::send_local_response(&answer)
}
