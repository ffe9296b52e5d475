//! `gatewaystack smoke`: the original README's §7 to §10 against a running gateway. A URL and tokens in; a
//! table with what was expected and what came out. A row that can't be tried says why, and fails nothing.

mod reply;
mod report;
mod rows;

use crate::client::Client;
use crate::settings::Fault;
use clap::Args;
pub use report::{Outcome, Report, Row};
use std::io::Write as _;

/// A file with a token: longer ones are something else.
const MAX_FILE: u64 = 64 * 1024;
const AGENT: &str = "gatewaystack-smoke";

/// What to try.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The gateway: https://gateway.example.com
    pub url: String,
    /// A token with the read scope alone; `@FILE` reads it from a file
    #[arg(long, value_name = "TOKEN")]
    pub reader: Option<String>,
    /// A token with the read and the write scope; `@FILE` reads it from a file
    #[arg(long, value_name = "TOKEN")]
    pub writer: Option<String>,
    /// Prints JSON instead of the table
    #[arg(long)]
    pub json: bool,
    /// Tries the limit, too, with at most N requests of the reader: its user is then over the limit until the
    /// window ends
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
    /// A path behind the proxy that answers GET with 200; `none` where there is no proxy
    #[arg(long, value_name = "PATH", default_value = "/proxy/echo")]
    pub proxy_path: String,
}

/// Tries everything, and shows the table.
///
/// # Errors
/// What can't be used of the arguments; none, but an error still, where a row failed.
pub fn run(arguments: &Arguments) -> Result<(), Vec<Fault>> {
    let fault = |message: String| vec![Fault::text(message)];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| fault(format!("no runtime: {e}")))?;
    let report = runtime.block_on(smoke(arguments)).map_err(fault)?;
    let text = if arguments.json { format!("{:#}\n", report.to_json()) } else { report.to_table() };
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    if report.is_good() { Ok(()) } else { Err(Vec::new()) }
}

/// Tries everything.
///
/// # Errors
/// The URL or a token can't be used, or nothing answers at the URL.
pub async fn smoke(arguments: &Arguments) -> Result<Report, String> {
    let token = |text: &Option<String>, name: &str| text.as_deref().map(|t| token(t, name)).transpose();
    let (reader, writer) = (token(&arguments.reader, "--reader")?, token(&arguments.writer, "--writer")?);
    let client = Client::new(&arguments.url, reader.is_some() || writer.is_some(), AGENT)?;
    let rows =
        rows::all(&client, reader.as_deref(), writer.as_deref(), &arguments.proxy_path, arguments.limit)
            .await?;
    Ok(Report { url: client.base().to_owned(), rows })
}

/// The token, or the file's behind `@`.
///
/// # Errors
/// It can't be read, or is none.
pub(crate) fn token(text: &str, name: &str) -> Result<String, String> {
    let token = match text.strip_prefix('@') {
        None => text.to_owned(),
        Some(file) => {
            let failed = |e: std::io::Error| format!("{name}: can't read {file}: {e}");
            if std::fs::metadata(file).map_err(failed)?.len() > MAX_FILE {
                return Err(format!("{name}: expected a file of at most {MAX_FILE} bytes"));
            }
            std::fs::read_to_string(file).map_err(failed)?
        }
    };
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!("{name}: expected a token without spaces and line ends"));
    }
    Ok(token.to_owned())
}
