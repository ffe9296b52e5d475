//! What the sidecar counts, as Prometheus text (`GET /metrics` on the sidecar's own port). All names and
//! labels are ours.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($field:ident: $family:literal $labels:literal,)*) => {
        /// The counters.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $($field: AtomicU64,)*
        }

        impl Metrics {
            fn counters(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$(($family, $labels, self.$field.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

counters! {
    events_queued: "gatewaystack_webhook_events_total" "result=\"queued\"",
    events_duplicate: "gatewaystack_webhook_events_total" "result=\"duplicate\"",
    events_skipped: "gatewaystack_webhook_events_total" "result=\"skipped\"",
    bodies_filtered: "gatewaystack_webhook_bodies_total" "result=\"filtered\"",
    bodies_taken: "gatewaystack_webhook_bodies_total" "result=\"taken\"",
    bodies_unauthorized: "gatewaystack_webhook_bodies_total" "result=\"unauthorized\"",
    bodies_refused: "gatewaystack_webhook_bodies_total" "result=\"refused\"",
    bodies_unavailable: "gatewaystack_webhook_bodies_total" "result=\"unavailable\"",
    signals_new: "gatewaystack_signals_total" "result=\"new\"",
    signals_repeated: "gatewaystack_signals_total" "result=\"repeated\"",
    signals_ignored: "gatewaystack_signals_total" "result=\"ignored\"",
    signals_refused: "gatewaystack_signals_total" "result=\"refused\"",
    signals_unavailable: "gatewaystack_signals_total" "result=\"unavailable\"",
    promoted: "gatewaystack_promotions_total" "result=\"promoted\"",
    parked: "gatewaystack_promotions_total" "result=\"parked\"",
    retried: "gatewaystack_promotions_total" "result=\"retried\"",
    auth0_good: "gatewaystack_auth0_calls_total" "status=\"2xx\"",
    auth0_refused: "gatewaystack_auth0_calls_total" "status=\"4xx\"",
    auth0_limited: "gatewaystack_auth0_calls_total" "status=\"429\"",
    auth0_failed: "gatewaystack_auth0_calls_total" "status=\"5xx\"",
    auth0_silent: "gatewaystack_auth0_calls_total" "status=\"none\"",
}

/// What became of a body that the webhook got.
#[derive(Debug, Clone, Copy)]
pub enum BodyOutcome {
    Filtered,
    Taken { queued: usize, duplicates: usize },
    Unauthorized,
    Refused,
    Unavailable,
}

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalOutcome {
    New,
    Repeated,
    /// It says nothing that is known here.
    Ignored,
    Refused,
    Unavailable,
}

impl Metrics {
    /// Counts a signal.
    pub fn signal(&self, outcome: SignalOutcome) {
        let counter = match outcome {
            SignalOutcome::New => &self.signals_new,
            SignalOutcome::Repeated => &self.signals_repeated,
            SignalOutcome::Ignored => &self.signals_ignored,
            SignalOutcome::Refused => &self.signals_refused,
            SignalOutcome::Unavailable => &self.signals_unavailable,
        };
        add(counter, 1);
    }

    /// Counts events that can't be read.
    pub fn skipped(&self, events: usize) {
        add(&self.events_skipped, events);
    }

    /// Counts a body.
    pub fn body(&self, body: BodyOutcome) {
        match body {
            BodyOutcome::Filtered => add(&self.bodies_filtered, 1),
            BodyOutcome::Taken { queued, duplicates } => {
                add(&self.bodies_taken, 1);
                add(&self.events_queued, queued);
                add(&self.events_duplicate, duplicates);
            }
            BodyOutcome::Unauthorized => add(&self.bodies_unauthorized, 1),
            BodyOutcome::Refused => add(&self.bodies_refused, 1),
            BodyOutcome::Unavailable => add(&self.bodies_unavailable, 1),
        }
    }

    /// Counts a promotion that was done.
    pub fn promoted(&self) {
        add(&self.promoted, 1);
    }

    /// Counts a promotion that was parked.
    pub fn parked(&self) {
        add(&self.parked, 1);
    }

    /// Counts a promotion that is tried again.
    pub fn retried(&self) {
        add(&self.retried, 1);
    }

    /// Counts a call of the Management API; `None`: no answer.
    pub fn auth0(&self, status: Option<u16>) {
        let counter = match status {
            None => &self.auth0_silent,
            Some(429) => &self.auth0_limited,
            Some(500..) => &self.auth0_failed,
            Some(400..) => &self.auth0_refused,
            Some(_) => &self.auth0_good,
        };
        add(counter, 1);
    }

    /// The text; `gauges` are what is counted elsewhere.
    pub fn text(&self, gauges: &[(&str, i64)]) -> String {
        let mut out = String::new();
        let mut last = "";
        for (family, labels, value) in self.counters() {
            if family != last {
                let _ = writeln!(out, "# TYPE {family} counter");
                last = family;
            }
            let _ = writeln!(out, "{family}{{{labels}}} {value}");
        }
        for (name, value) in gauges {
            let _ = writeln!(out, "# TYPE {name} gauge\n{name} {value}");
        }
        out
    }
}

fn add(counter: &AtomicU64, by: usize) {
    counter.fetch_add(u64::try_from(by).unwrap_or(u64::MAX), Ordering::Relaxed);
}
