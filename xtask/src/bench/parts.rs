//! What the bench needs besides the gateway. In: the sources. Out: its servers, optimised as a product would
//! be, and the empty filter.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    gateway::{self, Built},
    progress::Step,
    run::run,
    tools::wasm::WASI,
    workspace::Workspace,
};

pub struct Parts {
    pub gateway: Built,
    /// Upstream, `ext_authz` service and tokens.
    pub program: PathBuf,
    pub empty_wasm: PathBuf,
}

impl Parts {
    pub fn build(workspace: &Workspace) -> Result<Self> {
        let gateway = gateway::build(workspace)?;
        let step = Step::begin("the bench's servers and its empty filter", "building");
        run(workspace.cargo().args(["build", "--release", "--package=gatewaystack-bench"]))?;
        let mut empty = workspace.cargo();
        empty.args(["build", "--package=gatewaystack-bench-empty", "--profile=wasm", "--target", WASI]);
        run(&mut empty)?;
        step.done("built");
        Ok(Self {
            gateway,
            program: workspace.target.join("release/gatewaystack-bench"),
            empty_wasm: workspace.target.join(WASI).join("wasm/gatewaystack_bench_empty.wasm"),
        })
    }
}
