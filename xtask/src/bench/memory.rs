//! How much memory counters take. In: the stand. Out: the resident memory of the gateway's Envoy, idle, and
//! after a million counters.
//!
//! Each request counts under 64 rules, so that 15,626 users have a million counters. The table has room for
//! 655,360; more make others go.

use std::time::Duration;

use anyhow::{Result, bail};

use super::{
    catalogue::GET,
    chain::{Answer, Chain, Filters, Policy, Setup},
    policies::COUNTERS,
    report::Memory,
    stand::Stand,
    tokens::{File, Sent, Tokens, sign},
    wrk,
};
use crate::progress::Step;

static CHAIN: Chain = Chain {
    name: "memory",
    about: "ours, a million counters",
    setup: Setup {
        policy: Policy::Counters,
        filters: Filters::Ours,
        answer: Answer::Direct(200),
        log: true,
        workers: 1,
    },
    load: GET,
    status: 200,
    hides: None,
    quick: false,
};

const ROUND: Duration = Duration::from_secs(5);

pub fn measure(stand: &mut Stand<'_>, tokens: &Tokens) -> Result<Memory> {
    let step = Step::begin("memory", "a million counters");
    let users = 1_000_000 / COUNTERS + 1;
    let signed = sign(&stand.parts.program, stand.upstream, users, users)?;
    let file = File::write(stand.folder.join("users-tokens.txt"), &signed)?;
    let running = stand.envoy(&CHAIN)?;
    stand.wait_for(&running, tokens)?;
    let idle_mb = running.resident_mb()?;
    running.write_script(&Sent::InTurn(&file))?;
    let (url, load) = (format!("http://{}{}", running.address, CHAIN.load.path), &CHAIN.load);
    let mut asked = 0;
    for _ in 0..12 {
        asked += wrk::run(&url, &running.script, load.connections, ROUND, CHAIN.status)?.requests;
        if usize::try_from(asked)? >= users {
            step.done("measured");
            return Ok(Memory { idle_mb, users_1m_mb: running.resident_mb()? });
        }
    }
    bail!("memory: {users} users didn't have their turn in time")
}
