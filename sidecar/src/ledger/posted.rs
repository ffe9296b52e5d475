//! Records that are posted by filters which have no file in common with us. In: JSON lines. Out: how many of
//! them are records, once they are on the disk, for whoever posted forgets them then. Each must have its `vm`
//! and `seq`: by them it counts once, over any number of repeats.

use super::aggregate;
use super::follow::LONGEST;
use super::line::Line;
use super::shared::Ledger;
use super::stored::Stored;
use super::tail::{Seal, has_room};
use super::writer::{Batch, Taken};
use crate::clock::now_ms;

/// What lines came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Posted {
    /// Records, those that had come before included.
    pub records: u64,
    /// Lines that are none.
    pub ignored: u64,
}

impl Ledger {
    /// Takes lines: all of them are on the disk afterwards, or none is. `by`: how they came, for leaves of
    /// the audit log. It works off the threads that answer requests.
    ///
    /// # Errors
    /// The disk's; or the audit log can't take their leaves.
    pub async fn post(
        &self,
        lines: impl AsRef<[u8]> + Send + 'static,
        by: &'static str,
    ) -> Result<Posted, String> {
        let ledger = self.clone();
        match tokio::task::spawn_blocking(move || take(&ledger, lines.as_ref(), by, now_ms())).await {
            Ok(taken) => taken.map_err(|e| format!("the ledger: {e}")),
            Err(e) => Err(format!("the ledger: {e}")),
        }
    }
}

fn take(ledger: &Ledger, body: &[u8], by: &str, now_ms: i64) -> Result<Posted, String> {
    ledger.prepare()?;
    // Before the log is open nothing could get its leaf.
    if ledger.audit().is_some() && !ledger.has_begun() {
        return Err("the audit log isn't open yet".to_owned());
    }
    has_room(ledger)?;
    let mut ignored = 0;
    let mut lines = Vec::new();
    for text in body.split(|b| *b == b'\n').filter(|text| !text.trim_ascii().is_empty()) {
        let line = if text.len() <= LONGEST { Line::parse(text) } else { None };
        match line.and_then(|line| Some((line.place()?, line))) {
            Some(numbered) => lines.push(numbered),
            None => ignored += 1,
        }
    }
    let mut seal = ledger.audit().map(|_| Seal::new(by.to_owned(), lines.len(), now_ms)).transpose()?;
    let mut records = Vec::with_capacity(lines.len());
    for (place, line) in &lines {
        let record = Stored::of(line, now_ms);
        let sealed = seal.as_mut().map(|seal| seal.put(place.1, line, &record));
        records.push(Taken { record, place: Some(*place), sealed });
    }
    let most_series = aggregate::most(ledger.limits().max_bytes);
    let batch = Batch { records: &records, ignored, place: None, names: ledger.names(), most_series };
    let mut writer = ledger.writer();
    let totals = writer.take(&batch, now_ms).map_err(|e| e.to_string())?;
    writer.settle().map_err(|e| e.to_string())?;
    drop(writer);
    ledger.stands(|standing| standing.totals = totals);
    Ok(Posted { records: lines.len() as u64, ignored })
}

#[cfg(test)]
mod tests;
