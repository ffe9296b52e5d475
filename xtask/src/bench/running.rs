//! A chain that runs. In: tokens and a time. Out: whether it answers as it must, and what a round of load
//! costs.

use std::{fs, fs::OpenOptions, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};

use super::{
    chain::{Bearer, Chain, Filters, Protocol},
    h2load,
    sample::{Load, Sample},
    script::script,
    tokens::{Sent, Tokens},
    usage::{cpu, resident_mb},
    wrk,
};
use crate::http::{Request, Response};

/// Requests before the first round: so many that the filter's code has been compiled for speed and every
/// cache is filled.
pub const WARM_UP: u64 = 300;

pub struct Running {
    pub chain: &'static Chain,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    /// Envoy, and what does a part of its work.
    pub processes: Vec<u32>,
    /// For `wrk`.
    pub script: PathBuf,
    pub log: PathBuf,
}

impl Running {
    /// What `wrk` sends. Each chain's tokens take turns of their own.
    pub fn write_script(&self, sent: &Sent<'_>) -> Result<()> {
        let Chain { load, status, .. } = self.chain;
        let text = script(load, sent, *status, &self.script.with_extension("place"));
        fs::write(&self.script, text).with_context(|| format!("can't write {}", self.script.display()))
    }

    /// One request, whose answer must have the very status.
    pub fn probe(&self, tokens: &Tokens) -> Result<()> {
        let Chain { load, status, .. } = self.chain;
        self.ask(tokens.one(load.bearer), *status).map(drop)
    }

    /// Whether the chain does what it is compared for, so that none is cheap because it does nothing: who
    /// judges refuses a request without a token, and tells of a limit; who filters shows no more than it may.
    pub fn verify(&self, tokens: &Tokens) -> Result<()> {
        let Chain { name, load, setup, status, hides, .. } = self.chain;
        let answer = self.ask(tokens.one(load.bearer), *status)?;
        let body = String::from_utf8_lossy(&answer.body);
        ensure!(!hides.is_some_and(|hidden| body.contains(hidden)), "{name} shows what it should hide");
        if !setup.filters.judge() || *status != 200 {
            return Ok(());
        }
        let is_limit = |name: &str| name.trim_start_matches("x-") == "ratelimit-limit";
        let told = answer.headers.iter().any(|(name, _)| is_limit(name));
        ensure!(told, "{name} tells of no limit");
        self.ask(None, 401).map(drop)
    }

    fn ask(&self, token: Option<&str>, status: u16) -> Result<Response> {
        let Chain { name, load, .. } = self.chain;
        let mut headers: Vec<_> =
            load.headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        headers.extend(token.map(|token| ("Authorization", format!("Bearer {token}"))));
        let request = Request { method: load.method, path: load.path, headers, body: load.body };
        let response = request.send(self.address).with_context(|| (*name).to_owned())?;
        ensure!(response.status == status, "{name} answers {}, not {status}", response.status);
        Ok(response)
    }

    /// One round of load. An answer of another status makes it worthless.
    pub fn measure(&self, tokens: &Tokens, time: Duration) -> Result<Sample> {
        let (before, known) = (self.cpu()?, self.known()?);
        let load = self.load(tokens, time).with_context(|| self.chain.name)?;
        let cpu = self.cpu()?.saturating_sub(before);
        self.probe(tokens)?;
        self.check_known(known, load.requests)?;
        self.empty_log()?;
        Ok(Sample {
            cpu_us: cpu.as_secs_f64() * 1e6 / load.requests as f64,
            rps: load.rps,
            p50_us: load.p50_us,
            p99_us: load.p99_us,
            rss_mb: self.resident_mb()?,
        })
    }

    fn load(&self, tokens: &Tokens, time: Duration) -> Result<Load> {
        let Chain { load, status, .. } = self.chain;
        let url = format!("http://{}{}", self.address, load.path);
        match load.protocol {
            Protocol::Http1 => wrk::run(&url, &self.script, load.connections, time, *status),
            Protocol::Http2 => {
                let bearer = tokens.one(load.bearer).map(|token| format!("authorization: Bearer {token}"));
                let headers: Vec<_> = bearer.into_iter().collect();
                let log = self.script.with_extension("log");
                h2load::run(&url, &headers, load.connections, &log, time, *status)
            }
        }
    }

    /// Where every token should be new to our filter: an error where it knew more than a few of so many,
    /// since it knew `before`.
    pub fn check_known(&self, before: u64, requests: u64) -> Result<()> {
        // A few were asked for before the round, and are told only now.
        let known = self.known()?.saturating_sub(before);
        ensure!(known <= requests / 10 + WARM_UP, "{}: {known} tokens were known already", self.chain.name);
        Ok(())
    }

    /// Where every token should be new to our filter: how many it says that it knew.
    pub fn known(&self) -> Result<u64> {
        if self.chain.setup.filters != Filters::Ours || self.chain.load.bearer != Bearer::New {
            return Ok(0);
        }
        let answer = Request::get("/stats?filter=token_cache_hits_total").send(self.admin)?;
        let text = String::from_utf8_lossy(&answer.body);
        let (_, count) = text.trim().rsplit_once(": ").context("Envoy has no statistic of known tokens")?;
        count.parse().context("Envoy's statistic of known tokens")
    }

    /// Gigabytes would come together. Envoy appends, so it goes on at the start.
    pub fn empty_log(&self) -> Result<()> {
        if self.log.exists() {
            let file = OpenOptions::new().write(true).open(&self.log);
            file.and_then(|file| file.set_len(0))
                .with_context(|| format!("can't empty {}", self.log.display()))?;
        }
        Ok(())
    }

    pub fn cpu(&self) -> Result<Duration> {
        self.processes.iter().map(|process| cpu(*process)).sum()
    }

    pub fn resident_mb(&self) -> Result<f64> {
        self.processes.iter().map(|process| resident_mb(*process)).sum()
    }
}
