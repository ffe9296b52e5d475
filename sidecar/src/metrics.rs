//! What the sidecar counts for its metrics (`catalogue.rs`), as a scrape or a push tells them. All names and
//! labels are ours.

pub mod definition;
pub mod catalogue;
pub mod text;
pub mod otlp;

use crate::clock::now_ms;
use catalogue::{
    AUTH0_CALLS, OTLP_PUSHES, PROMOTIONS, RECORD_POSTS, SIGNALS, WEBHOOK_BODIES, WEBHOOK_EVENTS,
};
use definition::{Definition, Family, Series, Value};
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($field:ident: $family:ident $label:literal,)*) => {
        /// The counters.
        #[derive(Debug)]
        pub struct Metrics {
            /// When all were zero.
            since_ms: i64,
            $($field: AtomicU64,)*
        }

        impl Default for Metrics {
            fn default() -> Self {
                Self { since_ms: now_ms(), $($field: AtomicU64::default(),)* }
            }
        }

        impl Metrics {
            fn counters(&self) -> Vec<(&'static Definition, &'static str, u64)> {
                vec![$((&$family, $label, self.$field.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

counters! {
    events_queued: WEBHOOK_EVENTS "queued",
    events_duplicate: WEBHOOK_EVENTS "duplicate",
    events_skipped: WEBHOOK_EVENTS "skipped",
    bodies_filtered: WEBHOOK_BODIES "filtered",
    bodies_taken: WEBHOOK_BODIES "taken",
    bodies_unauthorized: WEBHOOK_BODIES "unauthorized",
    bodies_refused: WEBHOOK_BODIES "refused",
    bodies_unavailable: WEBHOOK_BODIES "unavailable",
    signals_new: SIGNALS "new",
    signals_repeated: SIGNALS "repeated",
    signals_ignored: SIGNALS "ignored",
    signals_refused: SIGNALS "refused",
    signals_unavailable: SIGNALS "unavailable",
    posts_taken: RECORD_POSTS "taken",
    posts_refused: RECORD_POSTS "refused",
    posts_unavailable: RECORD_POSTS "unavailable",
    promoted: PROMOTIONS "promoted",
    parked: PROMOTIONS "parked",
    retried: PROMOTIONS "retried",
    auth0_good: AUTH0_CALLS "2xx",
    auth0_refused: AUTH0_CALLS "4xx",
    auth0_limited: AUTH0_CALLS "429",
    auth0_failed: AUTH0_CALLS "5xx",
    auth0_silent: AUTH0_CALLS "none",
    push_sent: OTLP_PUSHES "sent",
    push_failed: OTLP_PUSHES "failed",
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

/// What became of records that were posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostOutcome {
    Taken,
    /// Another secret, or too much at once.
    Refused,
    /// They are to be sent again.
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

    /// Counts records that were posted together.
    pub fn posted(&self, outcome: PostOutcome) {
        let counter = match outcome {
            PostOutcome::Taken => &self.posts_taken,
            PostOutcome::Refused => &self.posts_refused,
            PostOutcome::Unavailable => &self.posts_unavailable,
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

    /// Counts a push of metrics.
    pub fn pushed(&self, is_sent: bool) {
        add(if is_sent { &self.push_sent } else { &self.push_failed }, 1);
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

    /// What was counted.
    pub fn families(&self) -> Vec<Family> {
        let mut families: Vec<Family> = Vec::new();
        for (definition, label, value) in self.counters() {
            let series = Series { labels: vec![label.to_owned()], value: Value::Whole(value) };
            match families.last_mut().filter(|family| family.definition == definition) {
                Some(family) => family.series.push(series),
                None => families.push(Family { definition, since_ms: self.since_ms, series: vec![series] }),
            }
        }
        families
    }

    /// When this process began to count, Unix milliseconds.
    pub fn since_ms(&self) -> i64 {
        self.since_ms
    }
}

fn add(counter: &AtomicU64, by: usize) {
    counter.fetch_add(u64::try_from(by).unwrap_or(u64::MAX), Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
