//! The connection that was found last: known for a moment, so that a burst of registrations looks it up once.

use crate::auth0::types::Connection;
use std::time::{Duration, Instant};

/// How long a connection that promotions can use is known.
const FRESH: Duration = Duration::from_secs(10);

/// What was found last, and when. One that can't be used isn't kept: anyone who mends it tries again at once.
#[derive(Default)]
pub struct KnownConnection(Option<(Instant, Connection)>);

impl KnownConnection {
    /// The connection, while it was found just now.
    pub fn fresh(&self) -> Option<Connection> {
        let (at, connection) = self.0.as_ref()?;
        (at.elapsed() < FRESH).then(|| connection.clone())
    }

    /// It can be used.
    pub fn keep(&mut self, connection: Connection) {
        self.0 = Some((Instant::now(), connection));
    }

    /// It may be another one by now.
    pub fn forget(&mut self) {
        self.0 = None;
    }
}
