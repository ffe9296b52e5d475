//! One request and its answer: what has come in, what the host has to do out. Whatever can't be done refuses
//! the request, or ends its stream.

mod response;
mod response_state;
mod request;
mod transition;

use crate::command::{Action, Command, Output};
use crate::event::{Event, Failed};
use crate::view::View;
use crate::worker::Worker;
use gatewaystack_core::config::policy::AuditAddress;
use gatewaystack_core::record::Stamp;
pub use transition::Stream;
use transition::{Left, Phase, Transition};

impl Stream {
    /// Whether the host is done with it.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// What follows from an event.
    pub fn on(&mut self, worker: &mut Worker, view: &dyn View, event: Event) -> Output {
        let mut step = Transition { stream: self, worker, view, out: Vec::new() };
        let action = step.on(event);
        Output { commands: step.out, action }
    }
}

impl Transition<'_> {
    fn on(&mut self, event: Event) -> Action {
        if self.stream.has_ended() && !matches!(event, Event::Log | Event::End) {
            return Action::Pause;
        }
        match event {
            Event::RequestHeaders { headers, end } => self.on_request_headers(headers, end),
            Event::RequestBody { size, end } => self.on_request_body(size, end),
            Event::RequestTrailers => self.on_request_trailers(),
            Event::ResponseHeaders { end } => self.on_response_headers(end),
            Event::ResponseBody { size, end } => self.show(size, end),
            Event::ResponseTrailers => self.show_trailers(),
            Event::Arrived(arrived) => self.on_arrived(arrived),
            Event::Barred(why) => self.on_barred(why),
            Event::RateLimitCalled(token) => self.on_called(token),
            Event::Replaced => {
                self.stream.replacing = false;
                Action::Pause
            }
            Event::Failed(failed) => self.on_failed(failed),
            Event::Log => self.on_log(),
            Event::End => {
                self.end();
                let call = self.stream.call.take();
                self.worker.forget(self.stream.id, call);
                Action::Pause
            }
        }
    }

    fn on_failed(&mut self, failed: Failed) -> Action {
        match failed {
            Failed::Edit => self.fail(),
            Failed::Release | Failed::Reply => self.reset(),
            Failed::RateLimit => {
                let decision = self.unasked();
                let action = self.apply(decision);
                self.finish_event(action)
            }
            Failed::Response => {
                self.stream.replacing = false;
                self.end_response()
            }
        }
    }
}

/// What is left of an event that asked the rate limit service.
impl Transition<'_> {
    fn on_called(&mut self, token: u32) -> Action {
        let timeout = self.worker.gateway.policy.limit_service.as_ref().map_or(0, |s| s.timeout_ms);
        // A second later than the host ends it.
        self.worker.calls.begin(token, self.stream.id, self.now_ms() + timeout + 1_000);
        self.stream.call = Some(token);
        let action = self.hold();
        self.finish_event(action)
    }

    fn finish_event(&mut self, action: Action) -> Action {
        let left = self.stream.left.take().unwrap_or(Left::Nothing);
        self.finish(left, action)
    }
}

/// The end.
impl Transition<'_> {
    fn end(&mut self) {
        self.stream.phase = Phase::Ended;
    }

    /// Writes the record: once.
    fn on_log(&mut self) -> Action {
        self.end();
        // Nothing is left for a second record.
        let mut exchange = std::mem::take(&mut self.stream.exchange);
        if self.stream.replacing {
            exchange.lose_answer();
        }
        let Some(facts) = exchange.facts() else { return Action::Pause };
        let now_ns = self.view.now_ns().unwrap_or_default();
        let latency_us = now_ns.saturating_sub(self.stream.came.started_ns) / 1_000;
        let (vm, seq) = self.worker.number_record();
        let gateway = &self.worker.gateway;
        let shows_address = gateway.policy.audit_address != AuditAddress::None;
        let stamp = Stamp {
            vm,
            seq,
            secret: gateway.secret,
            address: if shows_address { self.view.source_address() } else { None },
            now_us: now_ns / 1_000,
            latency_us,
        };
        let record = facts.members(&gateway.policy, &stamp);
        if gateway.policy.posts_to.is_some() {
            let status = self.view.status().unwrap_or_default();
            if self.worker.keep_record(status, &record) {
                self.out.push(Command::Wake);
            }
        }
        self.out.push(Command::Record(record));
        let Worker { gateway, statistics, .. } = &mut *self.worker;
        let out = &mut self.out;
        statistics.count(&gateway.policy, facts, &mut |statistic, more| {
            out.push(Command::Count(statistic, more));
        });
        Action::Pause
    }
}
