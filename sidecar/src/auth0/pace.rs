//! Auth0's rate limit, respected before it is hit: each answer says how many calls are left
//! (`x-ratelimit-remaining`) and when there are more (`x-ratelimit-reset`, Unix seconds). Calls wait for
//! their turn while those under way could use up what is left; after a 429 all wait for `Retry-After` or the
//! reset, and then one goes first.

use reqwest::header::HeaderMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Notify;

/// No wait is shorter, and none for a reset longer: it may lie anywhere.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);
/// A `Retry-After` is obeyed up to this.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);
/// Clocks that differ by more than this don't agree, and then Auth0's counts: `Date` has whole seconds alone.
const AGREE: Duration = Duration::from_secs(2);

/// What an answer says of the limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    remaining: Option<u32>,
    /// Unix seconds, as Auth0 counts them.
    reset_at: Option<u64>,
    reset: Option<Duration>,
    /// How long we are asked to wait.
    pub retry_after: Option<Duration>,
}

impl Limits {
    /// Reads an answer's headers.
    pub fn read(headers: &HeaderMap) -> Self {
        Self::read_at(headers, SystemTime::now())
    }

    fn read_at(headers: &HeaderMap, ours: SystemTime) -> Self {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
        let now = theirs(headers, ours);
        let until = |at: SystemTime| at.duration_since(now).unwrap_or_default();
        let reset_at = number("x-ratelimit-reset");
        let reset =
            reset_at.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at))).map(until);
        let asked = number("retry-after")
            .map(Duration::from_secs)
            .or_else(|| date(headers, "retry-after").map(until));
        Self {
            remaining: number("x-ratelimit-remaining").map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
            reset_at,
            reset: reset.map(|wait| wait.clamp(SHORTEST, LONGEST)),
            retry_after: asked.map(|wait| wait.clamp(SHORTEST, LONGEST_ASKED)),
        }
    }

    /// How long to wait after a refusal.
    pub fn wait(&self) -> Duration {
        self.retry_after.or(self.reset).unwrap_or(Duration::from_secs(1))
    }
}

/// What time it is at Auth0: ours, unless its answer's `Date` says something quite different.
fn theirs(headers: &HeaderMap, ours: SystemTime) -> SystemTime {
    let Some(theirs) = date(headers, "date") else { return ours };
    let apart = ours.duration_since(theirs).unwrap_or_else(|e| e.duration());
    if apart > AGREE { theirs } else { ours }
}

fn date(headers: &HeaderMap, name: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// Whose turn it is.
#[derive(Default)]
pub struct Pace {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    under_way: u32,
    /// Calls that are left until `resets`; `None`: nothing is known.
    remaining: Option<u32>,
    resets: Option<Instant>,
    /// The same, as Auth0 says it: answers that name one reset count down to it, in whatever order they come.
    reset_at: Option<u64>,
    /// Nobody calls before.
    closed_until: Option<Instant>,
}

enum Next {
    Go,
    Wait(Option<Instant>),
}

impl State {
    fn next(&mut self, now: Instant) -> Next {
        if let Some(until) = self.closed_until.filter(|until| *until > now) {
            return Next::Wait(Some(until));
        }
        match self.remaining {
            Some(left) if left <= self.under_way => match self.resets.filter(|at| *at > now) {
                // An answer that is under way may say otherwise.
                Some(at) => Next::Wait(Some(at)),
                // There should be more again; one call finds out.
                None if self.under_way == 0 => Next::Go,
                None => Next::Wait(None),
            },
            _ => Next::Go,
        }
    }

    fn learn(&mut self, answer: Option<(u16, &Limits)>, now: Instant) {
        let Some((status, limits)) = answer else { return };
        if let Some(said) = limits.remaining {
            let same = limits.reset_at.is_some() && limits.reset_at == self.reset_at;
            self.remaining = Some(said.min(self.remaining.filter(|_| same).unwrap_or(said)));
            self.resets = limits.reset.and_then(|wait| now.checked_add(wait));
            self.reset_at = limits.reset_at;
        }
        if status == 429 {
            let until = now.checked_add(limits.wait());
            self.closed_until = self.closed_until.max(until);
            self.remaining = Some(0);
            self.resets = self.closed_until;
        }
    }
}

/// A call under way; it ends with this value, whatever became of it.
pub struct Turn<'a> {
    pace: &'a Pace,
}

impl Pace {
    /// Waits for a turn.
    pub async fn turn(&self) -> Turn<'_> {
        loop {
            // Made before the look, so that no change in between is missed.
            let changed = self.changed.notified();
            let wait = {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                match state.next(Instant::now()) {
                    Next::Go => {
                        state.under_way = state.under_way.saturating_add(1);
                        return Turn { pace: self };
                    }
                    Next::Wait(until) => until,
                }
            };
            match wait {
                Some(until) => tokio::select! {
                    () = tokio::time::sleep_until(until.into()) => {}
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }
}

impl Turn<'_> {
    /// Takes what the answer says of the limit; `None`: there was no answer.
    pub fn learn(self, answer: Option<(u16, &Limits)>) {
        self.pace.state.lock().unwrap_or_else(PoisonError::into_inner).learn(answer, Instant::now());
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.pace.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.under_way = state.under_way.saturating_sub(1);
        drop(state);
        self.pace.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, Next, State};
    use std::time::{Duration, Instant, SystemTime};

    fn left(remaining: u32, seconds: u64) -> Limits {
        Limits {
            remaining: Some(remaining),
            reset_at: None,
            reset: Some(Duration::from_secs(seconds)),
            retry_after: None,
        }
    }

    fn goes(state: &mut State, now: Instant) -> bool {
        matches!(state.next(now), Next::Go)
    }

    #[test]
    fn calls_wait_while_those_under_way_could_use_up_what_is_left() {
        let now = Instant::now();
        let mut state = State::default();
        assert!(goes(&mut state, now), "nothing is known");
        state.learn(Some((200, &left(2, 5))), now);
        state.under_way = 1;
        assert!(goes(&mut state, now));
        state.under_way = 2;
        assert!(!goes(&mut state, now));
        state.learn(Some((200, &left(0, 5))), now);
        state.under_way = 0;
        assert!(!goes(&mut state, now));
        let later = now + Duration::from_secs(5);
        assert!(goes(&mut state, later), "after the reset one finds out");
        state.under_way = 1;
        assert!(!goes(&mut state, later), "and the others wait for it");
    }

    #[test]
    fn an_answer_that_was_overtaken_frees_nothing() {
        let now = Instant::now();
        let of = |remaining: u32, at: u64| Limits { reset_at: Some(at), ..left(remaining, 5) };
        let mut state = State::default();
        state.learn(Some((200, &of(0, 7))), now);
        state.learn(Some((200, &of(1, 7))), now);
        assert!(!goes(&mut state, now), "the one was sent before the other");
        state.learn(Some((200, &of(9, 8))), now);
        assert!(goes(&mut state, now), "after the reset");
    }

    #[test]
    fn a_clock_of_ours_that_is_wrong_changes_no_wait() {
        use reqwest::header::{HeaderMap, HeaderName};
        // An hour behind us, in step with us, and an hour ahead.
        let ours = 1_790_000_000u64;
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for offset in [-3_600i64, 0, 3_600] {
            let theirs = at(ours.saturating_add_signed(offset));
            let reset = theirs.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 9;
            let date = httpdate::fmt_http_date(theirs);
            let headers: HeaderMap = [("date", date), ("x-ratelimit-reset", reset.to_string())]
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
                .into_iter()
                .collect();
            assert_eq!(Limits::read_at(&headers, at(ours)).wait(), Duration::from_secs(9), "{offset}");
        }
        let far = [(HeaderName::from_static("retry-after"), "99999".parse().unwrap())];
        assert_eq!(Limits::read(&far.into_iter().collect()).wait(), Duration::from_secs(3_600));
    }

    #[test]
    fn after_a_refusal_all_wait_as_long_as_they_are_told() {
        let now = Instant::now();
        let mut state = State::default();
        let told = Limits { retry_after: Some(Duration::from_secs(7)), ..left(9, 1) };
        state.learn(Some((429, &told)), now);
        assert!(!goes(&mut state, now + Duration::from_secs(6)));
        assert!(goes(&mut state, now + Duration::from_secs(7)));
        state.learn(None, now);
        assert!(!goes(&mut state, now + Duration::from_secs(6)), "no answer says nothing");
    }
}
