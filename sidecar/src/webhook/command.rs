//! `gatewaystack webhook list | retry`: the parked promotions of a data folder, whether or not the sidecar
//! runs.

use super::queue::{self, Parked, Queue};
use crate::clock::{now_ms, rfc3339};
use crate::settings::Fault;
use gatewaystack_core::config::policy::Policy;
use serde_json::json;
use std::io::Write as _;
use std::path::Path;

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Shows the parked ones; as JSON lines or as a table.
    List { json: bool },
    /// Queues one again, or all.
    Retry(Option<String>),
}

/// Does it.
///
/// # Errors
/// No queue, or no such event.
pub fn run(policy: &Policy, action: Action) -> Result<(), Vec<Fault>> {
    let folder = Path::new(&policy.own.data_dir);
    let failed = |message: String| vec![Fault::text(message)];
    if !queue::file(folder).exists() {
        return Err(failed(format!(
            "DATA_DIR: {} has no queue yet: the sidecar makes it once a webhook secret is configured",
            folder.display()
        )));
    }
    let queue = Queue::open(folder).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|e| failed(format!("no runtime: {e}")))?;
    match action {
        Action::List { json } => {
            let parked = runtime.block_on(queue.parked()).map_err(failed)?;
            let text = if json { lines(&parked) } else { table(&parked) };
            std::io::stdout().lock().write_all(text.as_bytes()).map_err(|e| failed(e.to_string()))
        }
        Action::Retry(id) => {
            let named = id.clone();
            let count = runtime.block_on(queue.retry(id, now_ms())).map_err(failed)?;
            if let Some(id) = named.filter(|_| count == 0) {
                return Err(failed(format!("no parked event that can be tried again has the id {id:?}")));
            }
            let _ = writeln!(std::io::stdout().lock(), "{count} queued again");
            Ok(())
        }
    }
}

fn lines(parked: &[Parked]) -> String {
    let line = |p: &Parked| {
        json!({ "id": p.log_id, "client_id": p.client_id, "parked": rfc3339(p.parked_ms), "received": rfc3339(p.received_ms),
                "reason": p.reason })
    };
    parked.iter().map(|p| format!("{}\n", line(p))).collect()
}

fn table(parked: &[Parked]) -> String {
    if parked.is_empty() {
        return "nothing is parked\n".to_owned();
    }
    let width = parked.iter().map(|p| p.log_id.len()).max().unwrap_or(0).clamp(2, 64);
    let mut out = format!("{:<24}  {:<width$}  {:<32}  REASON\n", "PARKED", "ID", "CLIENT");
    for p in parked {
        let client = p.client_id.as_deref().unwrap_or("-");
        out.push_str(&format!(
            "{:<24}  {:<width$}  {client:<32}  {}\n",
            rfc3339(p.parked_ms),
            p.log_id,
            p.reason
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Parked, lines, table};

    #[test]
    fn a_list_shows_what_is_parked_and_why() {
        let parked = |id: &str, client: Option<&str>| Parked {
            log_id: id.to_owned(),
            client_id: client.map(str::to_owned),
            reason: "not_allowed: \"x\"".to_owned(),
            received_ms: 0,
            parked_ms: 1_000,
        };
        let all = [parked("900", Some("abc")), parked("901", None)];
        let text = table(&all);
        let rows: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().take(4).collect()).collect();
        assert_eq!(rows[0], ["PARKED", "ID", "CLIENT", "REASON"]);
        assert_eq!(rows[1], ["1970-01-01T00:00:01.000Z", "900", "abc", "not_allowed:"]);
        assert_eq!(rows[2], ["1970-01-01T00:00:01.000Z", "901", "-", "not_allowed:"]);
        let first: serde_json::Value = serde_json::from_str(lines(&all).lines().next().unwrap()).unwrap();
        assert_eq!((&first["id"], &first["client_id"]), (&"900".into(), &"abc".into()));
        assert_eq!(table(&[]), "nothing is parked\n");
    }
}
