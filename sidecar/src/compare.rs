//! `gatewaystack compare A B`: the same requests to two gateways. Two URLs, cases and tokens in; where the
//! answers differ, and whether that is meant, out.
//!
//! Statuses, the headers that matter, and JSON by its members and types are compared; values are not, and no
//! report has one of a token's.

mod allow;
mod reply;
pub mod cases;
mod challenge;
mod differences;
mod form;
mod headers;
mod mask;
pub mod report;
mod shape;

use crate::client::{Client, Request};
use crate::settings::Fault;
use crate::smoke::token;
use cases::{Case, Cases, Token};
use clap::Args;
use differences::{Difference, Place};
use mask::Mask;
use reply::Reply;
use report::{Outcome, Report, Row};
use reqwest::Url;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const AGENT: &str = "gatewaystack-compare";

/// Not as it should be.
const DIFFERENT: u8 = 1;
/// Nothing could be compared as it was asked.
const WRONG_USE: u8 = 2;

/// What to compare.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// One gateway, as a rule the old one: https://old.example.com
    pub a: String,
    /// The other one: https://new.example.com
    pub b: String,
    /// The requests, and which differences are meant (YAML); without it those of the original's README
    #[arg(long, value_name = "FILE")]
    pub cases: Option<PathBuf>,
    /// A token with the read scope alone, good at both; `@FILE` reads it from a file
    #[arg(long, value_name = "TOKEN")]
    pub reader: Option<String>,
    /// A token with the read and the write scope, good at both; `@FILE` reads it from a file
    #[arg(long, value_name = "TOKEN")]
    pub writer: Option<String>,
    /// Prints JSON, with all of what was compared
    #[arg(long)]
    pub json: bool,
    /// Also writes the report as Markdown
    #[arg(long, visible_alias = "report", value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

/// The end of `--help`.
pub const EXAMPLES: &str = "\
Exit: 0 no difference but those that an `allow` line names, 1 others, 2 nothing could be compared.

Examples:
  gatewaystack compare https://old.example.com https://new.example.com --reader @reader.txt --writer @writer.txt
  gatewaystack compare https://old.example.com https://new.example.com --cases cases.yaml --markdown report.md

cases.yaml:
  cases:
    - { name: Notes of a reader, method: GET, path: /v1/notes, token: reader, headers: { accept: application/json } }
  allow:
    - { path: /request_id, why: the new gateway names the request }
    - { header: vary, why: the new one answers per origin }
    - { status: [401, 200], why: the document is public now }";

/// Compares, and shows the report.
pub fn run(arguments: &Arguments) -> ExitCode {
    match told(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(DIFFERENT),
        Err(faults) => {
            let mut err = std::io::stderr().lock();
            for fault in faults {
                let _ = writeln!(err, "{fault}");
            }
            ExitCode::from(WRONG_USE)
        }
    }
}

fn told(arguments: &Arguments) -> Result<bool, Vec<Fault>> {
    let fault = |message: String| vec![Fault::text(message)];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| fault(format!("no runtime: {e}")))?;
    let report = runtime.block_on(compare(arguments))?;
    if let Some(file) = &arguments.markdown {
        let failed = |e: std::io::Error| fault(format!("--markdown: can't write {}: {e}", file.display()));
        std::fs::write(file, report.to_markdown()).map_err(failed)?;
    }
    let text = if arguments.json { format!("{:#}\n", report.to_json()) } else { report.to_text() };
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(report.is_same())
}

/// Sends each case to both.
///
/// # Errors
/// A URL, a token or the cases can't be used, or no case could be sent.
pub async fn compare(arguments: &Arguments) -> Result<Report, Vec<Fault>> {
    let fault = |message: String| vec![Fault::text(message)];
    let of = |text: &Option<String>, name: &str| text.as_deref().map(|t| token(t, name)).transpose();
    let reader = of(&arguments.reader, "--reader").map_err(fault)?;
    let writer = of(&arguments.writer, "--writer").map_err(fault)?;
    let tokens = Tokens { mask: Mask::of(reader.iter().chain(&writer).map(String::as_str)), reader, writer };
    let cases = chosen(arguments.cases.as_deref())?;
    let mut sides = [
        Side::new("A", &arguments.a, &tokens).map_err(fault)?,
        Side::new("B", &arguments.b, &tokens).map_err(fault)?,
    ];
    let mut report = Report::new(sides.each_ref().map(|side| tokens.mask.shown(side.base.as_str())));
    let mut used = vec![false; cases.allow.len()];
    for case in &cases.cases {
        let row = row(case, &cases, &mut sides, &tokens, &mut used).await;
        report.rows.push(row);
    }
    let unused = cases.allow.iter().zip(&used).filter(|(_, used)| !**used);
    report.unused.extend(unused.map(|(line, _)| line.why.clone()));
    if report.rows.iter().all(|row| matches!(row.outcome, Outcome::Skipped(_))) {
        return Err(fault("nothing was compared: every case needs --reader or --writer".to_owned()));
    }
    Ok(report)
}

fn chosen(file: Option<&Path>) -> Result<Cases, Vec<Fault>> {
    file.map_or_else(cases::original, cases::read)
}

struct Tokens {
    reader: Option<String>,
    writer: Option<String>,
    mask: Mask,
}

/// One of the two gateways.
struct Side {
    client: Client,
    base: Url,
    /// Nobody was there: it isn't asked again, since each time-out takes long.
    gone: bool,
}

impl Side {
    fn new(side: &str, url: &str, tokens: &Tokens) -> Result<Self, String> {
        // What a URL says of a user or a query would be in a report, or be lost.
        let base = Url::parse(url).map_err(|e| format!("{side}: not a base URL: {e}"))?;
        let bare = base.username().is_empty() && base.password().is_none();
        if !bare || base.query().is_some() || base.fragment().is_some() {
            return Err(
                "a base URL has no user, no query and no fragment: https://gateway.example.com".to_owned()
            );
        }
        let with_tokens = tokens.reader.is_some() || tokens.writer.is_some();
        let client = Client::new(url, with_tokens, AGENT)?;
        Ok(Self { client, base, gone: false })
    }

    async fn ask(&mut self, request: &Request<'_>, mask: &Mask) -> Result<Reply, String> {
        if self.gone {
            return Err("not asked: nobody was there before".to_owned());
        }
        match self.client.ask(request).await {
            Ok(response) => Reply::read(response, &self.base, mask).await.map_err(|why| mask.shown(&why)),
            Err(failed) => {
                self.gone = !failed.connected;
                Err(mask.shown(&failed.why))
            }
        }
    }
}

async fn row(case: &Case, cases: &Cases, sides: &mut [Side; 2], tokens: &Tokens, used: &mut [bool]) -> Row {
    let path = case.path.split('?').next().unwrap_or_default();
    let mut row = Row::new(tokens.mask.shown(&case.name), case.method.to_string(), tokens.mask.shown(path));
    let token = match case.token {
        Token::Nobody => Ok(None),
        Token::Reader => tokens.reader.as_deref().map(Some).ok_or("no --reader"),
        Token::Writer => tokens.writer.as_deref().map(Some).ok_or("no --writer"),
    };
    let token = match token {
        Ok(token) => token,
        Err(why) => {
            row.outcome = Outcome::Skipped(why);
            return row;
        }
    };
    let request = case.request(token);
    let [a, b] = sides;
    let replies = tokio::join!(a.ask(&request, &tokens.mask), b.ask(&request, &tokens.mask));
    judge(&mut row, replies, case, cases, used);
    row
}

fn judge(
    row: &mut Row,
    replies: (Result<Reply, String>, Result<Reply, String>),
    case: &Case,
    cases: &Cases,
    used: &mut [bool],
) {
    match &replies {
        (Ok(a), Ok(b)) => {
            let statuses = (a.status, b.status);
            let mut found = differences::between(a, b);
            let mut of_case = vec![false; case.allow.len()];
            allow::mark(&mut found, statuses, &case.allow, &mut of_case);
            allow::mark(&mut found, statuses, &cases.allow, used);
            row.differences = found;
            let unused = case.allow.iter().zip(of_case).filter(|(_, used)| !used);
            row.unused = unused.map(|(line, _)| line.why.clone()).collect();
        }
        (a, b) => {
            let said = |reply: &Result<Reply, String>| match reply {
                Ok(reply) => reply.status.to_string(),
                Err(why) => why.clone(),
            };
            row.differences = vec![Difference::new(Place::Reply, Some(said(a)), Some(said(b)))];
        }
    }
    row.outcome = if row.differences.is_empty() {
        Outcome::Same
    } else if row.differences.iter().all(|difference| difference.allowed.is_some()) {
        Outcome::Allowed
    } else {
        Outcome::Different
    };
    row.replies = [replies.0.ok(), replies.1.ok()];
}

#[cfg(test)]
mod tests;
