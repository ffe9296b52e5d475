//! `gatewaystack-demo issuer|apps|echo|all`: runs one of the servers, or all, until SIGINT or SIGTERM, and
//! prints its address on standard output once it answers. They listen on loopback; in a container where
//! `--bind` says.

use clap::{Parser, Subcommand};
use gatewaystack_demo::{Apps, Echo, Issuer, Running};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// The demo issuer (with the MCP server), the Apps connector and the echo server of GatewayStack, for this
/// machine only.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    server: Server,
}

#[derive(Subcommand)]
enum Server {
    /// An OAuth issuer: /mint, JWKS, /rotate, authorization code + PKCE, dynamic registration; and an MCP
    /// server at /mcp.
    Issuer {
        /// TCP port; 0 takes a free one.
        #[arg(long, default_value_t = 5051)]
        port: u16,
        /// The audience of tokens for which none was asked.
        #[arg(long, default_value = gatewaystack_demo::issuer::DEFAULT_AUDIENCE)]
        audience: String,
    },
    /// The connector for ChatGPT, at /apps.
    Apps {
        /// TCP port; 0 takes a free one.
        #[arg(long, default_value_t = 5052)]
        port: u16,
    },
    /// Answers every request with what arrived.
    Echo {
        /// TCP port; 0 takes a free one.
        #[arg(long, default_value_t = 3333)]
        port: u16,
    },
    /// All three on their usual ports.
    All {
        /// Where to listen; another address than this one is for a container, whose ports are published on
        /// loopback alone.
        #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
        bind: IpAddr,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().server).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatewaystack-demo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(server: Server) -> std::io::Result<()> {
    // Before the server: a signal that comes right after the address is printed must not be lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let running = start(server).await?;
    let mut output = std::io::stdout();
    for server in &running {
        writeln!(output, "listening {}", server.url)?;
    }
    output.flush()?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    for server in running {
        server.stop().await;
    }
    Ok(())
}

async fn start(server: Server) -> std::io::Result<Vec<Running>> {
    let one = match server {
        Server::All { bind } => {
            return Ok(vec![
                Issuer::new().start_on(bind, 5051).await?,
                Apps::start_on(bind, 5052).await?,
                Echo::start_on(bind, 3333).await?,
            ]);
        }
        Server::Issuer { port, audience } => Issuer::new().audience(&audience).start(port).await,
        Server::Apps { port } => Apps::start(port).await,
        Server::Echo { port } => Echo::start(port).await,
    };
    Ok(vec![one?])
}
