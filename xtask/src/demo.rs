//! `cargo xtask demo`. Out: issuer, gateway and echo server on their well-known ports, and what to try, until Ctrl-C; with
//! `--check` instead the walk through the original's README, on free ports.

mod cases;
mod check;
mod parity;
mod readme;
mod servers;
mod walk;

use std::process::ExitCode;

use anyhow::Result;

pub use self::check::check;
pub use self::servers::{Place, Servers, loopback};
use crate::{
    cli::{Demo, DemoArguments},
    gateway::{Configuration, build},
    process::{Stack, Stop},
    workspace::Workspace,
};

pub fn run(arguments: &DemoArguments) -> Result<ExitCode> {
    if arguments.which != Demo::Echo {
        eprintln!("this demo comes with a later version; `cargo xtask demo` is there");
        return Ok(ExitCode::from(2));
    }
    let workspace = Workspace::find()?;
    if arguments.check {
        let suite = check(&workspace)?;
        println!("{suite}");
        return Ok(if suite.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    interactive(&workspace)
}

fn interactive(workspace: &Workspace) -> Result<ExitCode> {
    let built = build(workspace)?;
    let place = Place::WELL_KNOWN;
    let data = workspace.target.join("demo");
    let configuration =
        Configuration { only: Some(place.environment(&data, &[])), ..Configuration::default() };
    let Some(rendered) = built.render(&configuration)? else { return Ok(ExitCode::FAILURE) };
    let stop = Stop::on_signals()?;
    let mut stack = Stack::default();
    let servers = Servers { place: &place, program: &workspace.binary("gatewaystack-demo") };
    if servers.start(&mut stack, &stop)? && rendered.start(&mut stack, &stop)? {
        println!("{}", WHAT_TO_TRY.replace("DATA", &data.display().to_string()));
        stack.supervise(&stop)?;
    }
    stack.stop();
    Ok(ExitCode::SUCCESS)
}

const WHAT_TO_TRY: &str = r#"
issuer   http://127.0.0.1:5051    gives a token to whoever asks
gateway  http://127.0.0.1:8080    Envoy with gatewaystack.wasm
echo     http://127.0.0.1:3333    the API behind the gateway, at /proxy/*
records  DATA/decisions.jsonl

Two tokens, one that may read and one that may write:

  READER=$(curl -s -H 'Accept: text/plain' 'http://127.0.0.1:5051/mint?sub=reader&scope=tool:read')
  WRITER=$(curl -s -H 'Accept: text/plain' 'http://127.0.0.1:5051/mint?sub=writer&scope=tool:read+tool:write')

No token, and where to get one:

  curl -i http://127.0.0.1:8080/protected
  curl -s http://127.0.0.1:8080/.well-known/oauth-protected-resource

Scopes: the reader may read, not write:

  curl -i -H "Authorization: Bearer $READER" http://127.0.0.1:8080/protected
  curl -i -H "Authorization: Bearer $READER" http://127.0.0.1:8080/writer-only
  curl -i -H "Authorization: Bearer $WRITER" http://127.0.0.1:8080/writer-only

The API learns who calls, whatever the caller claims, and never sees the token:

  curl -s -H "Authorization: Bearer $READER" -H 'X-User-Id: admin' 'http://127.0.0.1:8080/proxy/echo?foo=bar&userId=admin'

At most 60 requests in a minute:

  for i in $(seq 70); do curl -s -o /dev/null -w '%{http_code}\n' -H "Authorization: Bearer $WRITER" http://127.0.0.1:8080/protected/ping; done | sort | uniq -c

Ctrl-C stops all."#;
