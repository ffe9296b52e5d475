//! Who acts besides the user: `agents`.

use super::words::RawUnlisted;
use crate::bounds;
use crate::form::{Form, Members, Reading};
use crate::reference::*;
use serde_json::Value;

raw! {
    /// `agents`
    RawAgents at "agents" {
        /// Callers whose client is no agent's, or who have none: `deny` refuses them.
        unlisted: RawUnlisted = filter("allow").is("deny"),
        /// The agents.
        list: Vec<RawAgent> = filter("[{ name: reporter, clients: [\"https://agents.example/reporter\"] }]")
            .count(bounds::AGENTS).is("[]"),
    }
}

raw! {
    /// `agents.list[]`
    RawAgent at "agents.list[]" {
        /// What records, blocks and upstreams call it.
        name: String = filter("reporter").text(plain(256)).required(),
        /// Its client ids, as tokens name them; a `*` may stand at the end. The longest one that fits counts.
        clients: Vec<String> = filter("[\"https://agents.example/*\"]").count(bounds::SOME).text(AGENT_CLIENT)
            .required(),
        /// Who answers for it: for people, who find it here.
        owner: String = filter("team-a@example.com").text(plain(256)),
    }
}
