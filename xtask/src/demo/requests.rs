//! The requests of the original's README, which `gatewaystack compare` and `smoke` send, too: one file in,
//! each by its name out.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::walk::Caller;

const FILE: &str = include_str!("../../../sidecar/src/compare/original.yaml");

/// All of them.
#[derive(Deserialize)]
pub struct Requests {
    cases: Vec<Named>,
}

/// One request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    name: String,
    #[serde(default = "get")]
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub body: String,
    #[serde(default)]
    token: Token,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Token {
    #[default]
    None,
    Reader,
    Writer,
}

impl Requests {
    pub fn read() -> Result<Self> {
        serde_saphyr::from_str(FILE).context("sidecar/src/compare/original.yaml")
    }

    pub fn named(&self, name: &str) -> Result<&Named> {
        let found = self.cases.iter().find(|case| case.name == name);
        found.with_context(|| format!("sidecar/src/compare/original.yaml has no case {name:?}"))
    }
}

impl Named {
    pub fn caller(&self) -> Caller {
        match self.token {
            Token::None => Caller::Nobody,
            Token::Reader => Caller::Reader,
            Token::Writer => Caller::Writer,
        }
    }
}

fn get() -> String {
    "GET".to_owned()
}
