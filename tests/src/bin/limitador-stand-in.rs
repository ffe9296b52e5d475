//! Stands in for `limitador-server` in the containers' test: the same arguments, the same limits file, the
//! same protocol.

use clap::Parser;
use gatewaystack_tests::{LimitService, Manner};
use std::path::PathBuf;
use tokio::net::TcpListener;

#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    rls_ip: String,
    #[arg(long)]
    rls_port: u16,
    limits: PathBuf,
    storage: String,
    url: String,
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    assert_eq!(arguments.storage, "redis");
    let limits = std::fs::read_to_string(&arguments.limits).unwrap();
    let limits = serde_saphyr::from_str(&limits).unwrap();
    let listener = TcpListener::bind((arguments.rls_ip, arguments.rls_port)).await.unwrap();
    LimitService::new(limits, &arguments.url, Manner::Limitador).serve(listener).await;
}
