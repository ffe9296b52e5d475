//! What runs during the bench: the upstream, which is the issuer, too, and an Envoy for each chain. In: the
//! parts and the chains. Out: all of them running, each answering as it must.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, Result, anyhow, bail};

use super::{
    bootstrap::{Bootstrap, EXT_AUTHZ, Values},
    chain::Chain,
    counted,
    parts::Parts,
    running::Running,
    tokens::Tokens,
};
use crate::{
    demo::{free_ports, loopback},
    gateway::{Configuration, answers, envoy_counted, envoy_with, wait_until},
    process::{Stack, Stop, program},
    progress::Step,
};

/// The service of the `ext_authz` chain.
const AUTHZ: &str = "the ext_authz service";

pub struct Stand<'a> {
    pub parts: &'a Parts,
    pub folder: &'a Path,
    pub stop: &'a Stop,
    pub stack: Stack,
    pub upstream: u16,
    /// Whether each Envoy runs under callgrind.
    pub counts: bool,
}

impl<'a> Stand<'a> {
    pub fn start(parts: &'a Parts, folder: &'a Path, stop: &'a Stop) -> Result<Self> {
        let [upstream] = free_ports()?;
        let mut stand = Self { parts, folder, stop, stack: Stack::default(), upstream, counts: false };
        stand.serve("the upstream", "upstream", upstream)?;
        let up = wait_until(&mut stand.stack, stop, "the upstream", || answers(loopback(upstream), "/"))?;
        up.then_some(stand).context("stopped")
    }

    fn serve(&mut self, name: &'static str, server: &str, port: u16) -> Result<()> {
        let mut command = program(&self.parts.program);
        command.args([server, &port.to_string()]);
        self.stack.start(name, command)
    }

    /// Starts all at once, for an Envoy takes a second to compile its filter, and signs the tokens meanwhile.
    pub fn run(&mut self, chains: &[&'static Chain]) -> Result<(Vec<Running>, Tokens)> {
        let step = Step::begin(format!("{} chains", chains.len()), "starting");
        fs::create_dir_all(self.folder).context("the bench's folder")?;
        let (parts, upstream, folder) = (self.parts, self.upstream, self.folder);
        let (running, tokens) = thread::scope(|scope| {
            let tokens = scope.spawn(|| Tokens::make(&parts.program, upstream, folder));
            let running: Result<Vec<_>> = chains.iter().map(|chain| self.envoy(chain)).collect();
            (running, tokens.join().unwrap_or_else(|_| Err(anyhow!("signing the tokens failed"))))
        });
        let (running, tokens) = (running?, tokens?);
        for one in &running {
            one.write_script(&tokens.of(one.chain.load.bearer))?;
            self.wait_for(one, &tokens)?;
            one.verify(&tokens)?;
        }
        step.done("all answer");
        Ok((running, tokens))
    }

    /// Until it answers as it must; where it never does, the error says how it did.
    pub fn wait_for(&mut self, running: &Running, tokens: &Tokens) -> Result<()> {
        let last: RefCell<Result<()>> = RefCell::new(Ok(()));
        let answers = || {
            *last.borrow_mut() = running.probe(tokens);
            last.borrow().is_ok()
        };
        match wait_until(&mut self.stack, self.stop, running.chain.name, answers) {
            Ok(true) => Ok(()),
            Ok(false) => bail!("stopped"),
            Err(error) => last.into_inner().context(error),
        }
    }

    pub fn envoy(&mut self, chain: &'static Chain) -> Result<Running> {
        let folder = self.folder.join(chain.name);
        fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        let [port, sidecar, admin, authz] = free_ports()?;
        let variables = [("PORT", port), ("SIDECAR_PORT", sidecar), ("ADMIN_PORT", admin)];
        let mut only: Vec<_> = variables.map(|(name, port)| (name.to_owned(), port.to_string())).into();
        only.push(("DATA_DIR".to_owned(), folder.display().to_string()));
        let policy = folder.join("gateway.yaml");
        fs::write(&policy, chain.setup.policy.text(self.upstream)).context("the policy")?;
        let configuration = Configuration { policy: Some(policy), only: Some(only), env_file: None };
        let bootstrap = self.bootstrap(chain, &configuration, &folder, authz)?;
        let workers = chain.setup.workers;
        let envoy = match self.counts {
            true => envoy_counted(&bootstrap, workers, &counted::file(&folder))?,
            false => envoy_with(&bootstrap, workers)?,
        };
        self.stack.start(chain.name, envoy)?;
        let mut parts = vec![chain.name];
        if chain.asks_a_service() {
            self.serve(AUTHZ, "authz", authz)?;
            parts.push(AUTHZ);
        }
        let processes = parts.iter().map(|name| self.stack.id(name)).collect::<Option<Vec<_>>>();
        let processes = processes.with_context(|| format!("{} has no process", chain.name))?;
        Ok(Running {
            chain,
            address: loopback(port),
            admin: loopback(admin),
            processes,
            script: folder.join("load.lua"),
            log: log(&folder),
        })
    }

    fn bootstrap(
        &self,
        chain: &Chain,
        configuration: &Configuration,
        folder: &Path,
        authz: u16,
    ) -> Result<PathBuf> {
        let refused = || format!("{}: its policy is refused", chain.name);
        let rendered = self.parts.gateway.render(configuration)?.with_context(refused)?;
        let mut bootstrap = Bootstrap::read(&rendered.bootstrap())?;
        let (upstream, log) = (self.upstream, log(folder));
        let values = Values { upstream, authz, empty_wasm: &self.parts.empty_wasm, log: &log };
        bootstrap.set_up(&chain.setup, &values, chain.status == 200)?;
        let file = folder.join("envoy.json");
        bootstrap.write(&file)?;
        Ok(file)
    }
}

/// Where `render` has the decision records written, and every other chain its own log.
fn log(folder: &Path) -> PathBuf {
    folder.join("decisions.jsonl")
}

impl Chain {
    pub fn asks_a_service(&self) -> bool {
        self.setup.filters == EXT_AUTHZ
    }
}
