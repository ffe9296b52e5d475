//! `cargo xtask demo`. Out: issuer, MCP server, Apps connector, echo server and gateway on their well-known
//! ports, and what to try, until Ctrl-C; with `--check` instead the walk through the original's README and
//! ours, on free ports.

mod cases;
mod check;
mod guide;
mod parity;
mod readme;
mod requests;
mod servers;
mod walk;

use std::process::ExitCode;

use anyhow::Result;

pub use self::check::check;
pub use self::servers::{Place, Servers, free_ports, loopback};
use crate::{
    cli::{Demo, DemoArguments},
    gateway::{Configuration, build},
    process::{Stack, Stop},
    test::tally::Suite,
    workspace::Workspace,
};

pub fn run(arguments: &DemoArguments) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    if arguments.check {
        let suite = check(&workspace)?;
        println!("{suite}");
        return Ok(if suite.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if arguments.walk {
        return walk_through(&workspace);
    }
    interactive(&workspace, arguments.which)
}

/// What a reader types, against a demo that runs already, and was just started: the guide counts its notes.
fn walk_through(workspace: &Workspace) -> Result<ExitCode> {
    let Place { gateway, issuer, .. } = Place::WELL_KNOWN;
    let gateway = loopback(gateway);
    let requests = requests::Requests::read()?;
    let walk =
        walk::Walk { demo: gateway, gateway, as_original: gateway, issuer: loopback(issuer), requests };
    let mut suite = Suite::default();
    guide::check(&walk, &mut suite)?;
    readme::check(&workspace.root, &walk, &mut suite)?;
    println!("{suite}");
    Ok(if suite.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn interactive(workspace: &Workspace, which: Demo) -> Result<ExitCode> {
    let built = build(workspace)?;
    let place = Place::WELL_KNOWN;
    let data = workspace.target.join("demo");
    let policy = match which {
        Demo::Echo => None,
        Demo::Mcp | Demo::Apps => Some(place.policy(&workspace.root, &data)?),
    };
    let only = Some(place.environment(&data, &[]));
    let configuration = Configuration { only, policy, ..Configuration::default() };
    let Some(rendered) = built.render(&configuration)? else { return Ok(ExitCode::FAILURE) };
    let stop = Stop::on_signals()?;
    let mut stack = Stack::default();
    let servers = Servers { place: &place, program: &workspace.binary("gatewaystack-demo") };
    if servers.start(&mut stack, &stop)? && rendered.start(&mut stack, &stop)? {
        println!("{WHERE}");
        println!("records           {}/decisions.jsonl\n", data.display());
        println!("{}\n\nCtrl-C stops all.", guide::to_try(which));
        stack.supervise(&stop)?;
    }
    stack.stop();
    Ok(ExitCode::SUCCESS)
}

const WHERE: &str = "
gateway           http://localhost:8080         Envoy with gatewaystack.wasm; /mcp, /apps, /proxy/*, /protected …
issuer            http://127.0.0.1:5051         gives a token to anyone who asks
MCP server        http://127.0.0.1:5051/mcp     notes of ann and bob, behind the gateway's /mcp
Apps connector    http://127.0.0.1:5052/apps    the same for ChatGPT, behind the gateway's /apps
echo              http://127.0.0.1:3333         an API, behind the gateway's /proxy/*";
