//! Calls to the rate limit service: a question of the core in, its answer back to the request that waits for it.

use super::Worker;
use crate::host::{self, Buffer, GrpcCall};
use crate::stream::Stream;
use gatewaystack_core::protobuf;
use gatewaystack_core::rate_limit::service::{self, Answer, Question};
use std::rc::Rc;

/// Calls to the rate limit service that may be under way in one worker.
const MAX_ASKED: usize = 8_192;

/// A call to the rate limit service.
pub(super) struct Asked {
    /// The host's number of the call.
    token: u32,
    /// Whose limits are counted; `None`: it is gone. The call goes on.
    stream: Option<Rc<Stream>>,
    /// When it is over, whatever happens.
    until: u64,
}

fn place(asking: &[Asked], token: u32) -> Option<usize> {
    asking.binary_search_by_key(&token, |asked| asked.token).ok()
}

impl Worker {
    /// Asks the rate limit service on behalf of a request, whose context is in effect; whether that could be done. The call belongs to the root:
    /// it goes on when the client has gone, and what it counts is counted.
    pub fn ask(&self, stream: &Rc<Stream>, question: &Question) -> bool {
        let Some(service) = &self.policy.limit_service else { return false };
        self.metrics.count_asked();
        let now = host::now_ns().unwrap_or(0) / 1_000_000;
        if !self.may_ask(now) || host::set_effective_context(self.root).is_err() {
            self.metrics.count_unanswered();
            return false;
        }
        let call = host::grpc_call(&GrpcCall {
            through: &envoy_grpc(&service.cluster),
            service: service::SERVICE,
            method: service::METHOD,
            message: &question.message,
            timeout_ms: u32::try_from(service.timeout_ms).unwrap_or(u32::MAX),
        });
        // If this fails, the answer finds the request all the same.
        let _ = host::set_effective_context(stream.id);
        let Ok(token) = call else {
            self.metrics.count_unanswered();
            return false;
        };
        stream.asked.set(Some(token));
        // A second later than the host ends it.
        let asked = Asked { token, stream: Some(Rc::clone(stream)), until: now + service.timeout_ms + 1_000 };
        let mut asking = self.asking.borrow_mut();
        match asking.binary_search_by_key(&token, |other| other.token) {
            // The host's numbers have come round.
            Ok(at) => {
                asking.remove(at);
                asking.insert(at, asked);
            }
            Err(at) => asking.insert(at, asked),
        }
        true
    }

    /// A request is gone; its call goes on.
    pub(super) fn forget_call(&self, stream: &Stream) {
        let Some(token) = stream.asked.take() else { return };
        let Ok(mut asking) = self.asking.try_borrow_mut() else { return };
        let gone = place(&asking, token).and_then(|at| asking.get_mut(at)?.stream.take());
        // Dropped once nothing borrows the list: it may be the last that holds it.
        drop(asking);
        drop(gone);
    }

    /// Whether there is room for another call. Those of clients that have gone count until their time is over, for nobody says when they end.
    fn may_ask(&self, now: u64) -> bool {
        let mut asking = self.asking.borrow_mut();
        if asking.len() >= MAX_ASKED {
            asking.retain(|asked| asked.stream.is_some() || asked.until > now);
        }
        asking.len() < MAX_ASKED
    }

    /// The rate limit service has answered, or won't: the request goes on, or doesn't.
    pub fn answered(&self, token: u32, status: u32, size: usize) {
        let mut asking = self.asking.borrow_mut();
        let asked = place(&asking, token).map(|at| asking.remove(at));
        drop(asking);
        let Some(stream) = asked.and_then(|asked| asked.stream) else { return };
        stream.asked.set(None);
        let answer = if status == 0 { self.read_answer(size) } else { Answer::Nothing };
        if answer == Answer::Nothing {
            self.metrics.count_unanswered();
        }
        if host::set_effective_context(stream.id).is_ok()
            && let Some(issuer) = stream.count(self, answer)
            && !self.hold(&stream, issuer, host::now_ns().unwrap_or(0) / 1_000_000)
        {
            stream.give_up(self);
        }
        let _ = host::set_effective_context(self.root);
    }

    /// The answer is the root's, as the call was.
    fn read_answer(&self, size: usize) -> Answer {
        if size > service::MAX_ANSWER || host::set_effective_context(self.root).is_err() {
            return Answer::Nothing;
        }
        host::buffer(Buffer::GrpcAnswer, size).map_or(Answer::Nothing, |message| Answer::read(&message))
    }
}

/// `envoy.config.core.v3.GrpcService { envoy_grpc = 1 { cluster_name = 1 } }`. A bare name would do, but for one that happens to be a message.
fn envoy_grpc(cluster: &str) -> String {
    let (mut grpc, mut service) = (Vec::new(), Vec::new());
    protobuf::bytes(&mut grpc, 1, cluster.as_bytes());
    protobuf::bytes(&mut service, 1, &grpc);
    // A name has at most 256 visible ASCII characters: lengths of a byte or two, the second of which isn't ASCII.
    String::from_utf8(service).unwrap_or_else(|_| cluster.to_owned())
}
