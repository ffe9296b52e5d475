//! Questions to the running demo. In: a request as the README's curl would send it. Out: the parts of the
//! answer that the README speaks of, as one line without ports and times.

use std::{net::SocketAddr, thread};

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use super::requests::{Named, Requests};
use crate::http::{Request, Response};

/// Where the demo runs.
pub struct Walk {
    /// The gateway with the demo's policy, as `cargo xtask demo` starts it.
    pub demo: SocketAddr,
    /// The gateway with our defaults, by the environment alone.
    pub gateway: SocketAddr,
    /// The gateway with the original's.
    pub as_original: SocketAddr,
    pub issuer: SocketAddr,
    /// What is sent, by name.
    pub requests: Requests,
}

/// Who asks.
#[derive(Clone, Copy)]
pub enum Caller {
    Nobody,
    /// With `tool:read`.
    Reader,
    /// With `tool:read tool:write`.
    Writer,
    /// With a good token that has neither.
    Stranger,
}

impl Walk {
    pub fn get(&self, path: &str, caller: Caller) -> Result<Response> {
        self.send(self.gateway, Request::get(path), caller)
    }

    /// The request of this name.
    pub fn named(&self, name: &str) -> Result<Response> {
        self.send_named(self.gateway, self.requests.named(name)?)
    }

    /// The same to the gateway with the original's ways.
    pub fn named_as_original(&self, name: &str) -> Result<Response> {
        self.send_named(self.as_original, self.requests.named(name)?)
    }

    /// The same to the gateway with the demo's policy.
    pub fn named_of_demo(&self, name: &str) -> Result<Response> {
        self.send_named(self.demo, self.requests.named(name)?)
    }

    fn send_named(&self, to: SocketAddr, named: &Named) -> Result<Response> {
        let Named { method, path, body, .. } = named;
        let headers = named.headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        self.send(to, Request { method, path, headers, body }, named.caller())
    }

    pub fn send(&self, to: SocketAddr, mut request: Request<'_>, caller: Caller) -> Result<Response> {
        if let Some(token) = self.token(caller)? {
            request.headers.push(("Authorization", format!("Bearer {token}")));
        }
        Ok(request.send(to)?)
    }

    /// The JSON-RPC request of this name, to the demo. An answer that comes as an event stream has its
    /// message as its body.
    pub fn rpc(&self, name: &str) -> Result<Response> {
        let mut response = self.named_of_demo(name)?;
        let text = String::from_utf8_lossy(&response.body).into_owned();
        if let Some(data) = text.lines().rev().find_map(|line| line.strip_prefix("data: ")) {
            response.body = data.into();
        }
        Ok(response)
    }

    /// The statuses of as many requests at once, as `count × status`.
    pub fn at_once(&self, count: usize, path: &str, caller: Caller) -> Result<String> {
        let token = self.token(caller)?.unwrap_or_default();
        let ask = || {
            let headers = vec![("Authorization", format!("Bearer {token}"))];
            Request { headers, ..Request::get(path) }.send(self.as_original).map(|response| response.status)
        };
        let mut statuses = thread::scope(|scope| {
            let threads: Vec<_> = (0..count).map(|_| scope.spawn(ask)).collect();
            let answers = threads
                .into_iter()
                .map(|thread| thread.join().map_err(|_| anyhow!("a request panicked"))?.context("no answer"));
            answers.collect::<Result<Vec<u16>>>()
        })?;
        statuses.sort_unstable();
        let groups = statuses
            .chunk_by(|a, b| a == b)
            .filter_map(|group| Some(format!("{} × {}", group.len(), group.first()?)));
        Ok(groups.collect::<Vec<_>>().join(", "))
    }

    /// One line: the status, then these members of the body.
    pub fn told(&self, response: &Response, members: &[&str]) -> Result<String> {
        let body: Value = serde_json::from_slice(&response.body).context("the body isn't JSON")?;
        let members = members.iter().map(|member| {
            let value = body.pointer(&format!("/{member}")).cloned().unwrap_or(Value::Null);
            format!("\"{member}\":{value}")
        });
        let line = format!("{} {{{}}}", response.status, members.collect::<Vec<_>>().join(","));
        Ok(self.without_ports(&line))
    }

    /// One line: the status and the challenge.
    pub fn challenged(&self, response: &Response) -> String {
        let challenge = response.header("www-authenticate").unwrap_or("without a challenge");
        self.without_ports(&format!("{} {challenge}", response.status))
    }

    fn token(&self, caller: Caller) -> Result<Option<String>> {
        let path = match caller {
            Caller::Nobody => return Ok(None),
            Caller::Reader => "/mint?sub=reader&scope=tool:read",
            Caller::Writer => "/mint?sub=writer&scope=tool:read+tool:write",
            Caller::Stranger => "/mint?sub=stranger&scope=openid",
        };
        let mut request = Request::get(path);
        request.headers.push(("Accept", "text/plain".to_owned()));
        let response = request.send(self.issuer).context("the issuer")?;
        Ok(Some(String::from_utf8(response.body).context("the issuer's token")?))
    }

    /// As if the issuer had its well-known port.
    pub fn without_ports(&self, line: &str) -> String {
        line.replace(&self.issuer.to_string(), "127.0.0.1:5051")
    }
}
