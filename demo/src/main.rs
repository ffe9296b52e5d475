//! `gatewaystack-demo issuer|apps|echo`: runs one of the servers on loopback until SIGINT or SIGTERM, and prints its
//! address on standard output once it answers.

use clap::{Parser, Subcommand};
use gatewaystack_demo::{Apps, Echo, Issuer, Running};
use std::io::Write;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// The demo issuer (with the MCP server), the Apps connector and the echo server of GatewayStack, on 127.0.0.1 only.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    server: Server,
}

#[derive(Subcommand)]
enum Server {
    /// An OAuth issuer: /mint, JWKS, /rotate, authorization code + PKCE, dynamic registration; and an MCP server at /mcp.
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
    writeln!(output, "listening {}", running.url)?;
    output.flush()?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.stop().await;
    Ok(())
}

async fn start(server: Server) -> std::io::Result<Running> {
    match server {
        Server::Issuer { port, audience } => Issuer::new().audience(&audience).start(port).await,
        Server::Apps { port } => Apps::start(port).await,
        Server::Echo { port } => Echo::start(port).await,
    }
}
