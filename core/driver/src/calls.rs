//! Calls to the rate limit service that aren't over: which request each is for.

/// Calls that may be under way in one worker.
const MAX_CALLS: usize = 8_192;

/// The calls of one worker, by the host's numbers.
#[derive(Debug, Default)]
pub struct Calls(Vec<Call>);

#[derive(Debug)]
struct Call {
    token: u32,
    /// Whose limits are counted; `None`: it is gone. The call goes on.
    stream: Option<u32>,
    /// When it is over, whatever happens.
    until_ms: u64,
}

impl Calls {
    /// Whether there is room for another call. Those of clients that have gone count until their time is
    /// over, for nobody says when they end.
    pub fn has_room(&mut self, now_ms: u64) -> bool {
        if self.0.len() >= MAX_CALLS {
            self.0.retain(|call| call.stream.is_some() || call.until_ms > now_ms);
        }
        self.0.len() < MAX_CALLS
    }

    /// A call has begun.
    pub fn begin(&mut self, token: u32, stream: u32, until_ms: u64) {
        let call = Call { token, stream: Some(stream), until_ms };
        match self.0.binary_search_by_key(&token, |other| other.token) {
            // The host's numbers have come round.
            Ok(at) => {
                if let Some(old) = self.0.get_mut(at) {
                    *old = call;
                }
            }
            Err(at) => self.0.insert(at, call),
        }
    }

    /// A call is over; whose it was. `None`: nobody's that is still there.
    pub fn end(&mut self, token: u32) -> Option<u32> {
        let at = self.0.binary_search_by_key(&token, |call| call.token).ok()?;
        self.0.remove(at).stream
    }

    /// A request is gone; its call goes on.
    pub fn forget(&mut self, token: u32) {
        if let Ok(at) = self.0.binary_search_by_key(&token, |call| call.token)
            && let Some(call) = self.0.get_mut(at)
        {
            call.stream = None;
        }
    }
}
