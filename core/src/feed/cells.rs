//! The blocks as workers hand them to each other: a *base* with all of them at some version, and a *log* with
//! what has changed since. Who publishes appends to the log by compare-and-swap, so that nobody publishes
//! twice; when the log is long, it writes a new base, in the one of two cells that isn't used, and begins a
//! new log. The log's head says which base it belongs to.

use super::blocks::{Blocks, Change, Key, Kind};
use crate::shared::{ABSENT, SharedTable, TableFault};

const LOG: &str = "gatewaystack.feed.log";
const BASES: [&str; 2] = ["gatewaystack.feed.base.0", "gatewaystack.feed.base.1"];
/// A log that is longer becomes a base: 52 KiB.
const MAX_LOG: usize = 4_096;
/// One change: kind and whether it lifts, key, end.
const ENTRY: usize = 13;
const LIFTS: u8 = 0x80;
const HEAD: usize = 4 * 8;
const BASE_HEAD: usize = 2 * 8;

/// A place in the history of a ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Which ledger.
    pub epoch: u64,
    /// Up to which change.
    pub version: u64,
}

/// The log's head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Head {
    /// What base and log come to.
    place: Place,
    /// The base's version.
    base: u64,
    /// Which cell has the base.
    slot: u64,
}

/// What is published, as one worker has it.
#[derive(Debug, Default)]
pub struct Published {
    head: Head,
    /// How many entries of the log are in the blocks.
    applied: usize,
    /// A log whose base can't be read: whoever wrote it lost a race, or it isn't ours.
    broken: Option<Head>,
}

impl Published {
    /// Up to where it is: at the very beginning, where what is published can't be read.
    pub fn place(&self) -> Place {
        if self.broken.is_some() { Place::default() } else { self.head.place }
    }

    /// Brings `blocks` to what is published. Something between two writes is left for the next look.
    ///
    /// # Errors
    /// The host's.
    pub fn sync(&mut self, table: &dyn SharedTable, blocks: &mut Blocks) -> Result<(), TableFault> {
        let Some((log, _)) = table.read(LOG)? else { return Ok(()) };
        let Some((head, entries)) = decode(&log) else { return Ok(()) };
        if head == self.head {
            self.broken = None;
            return Ok(());
        }
        let same = (head.place.epoch, head.base, head.slot)
            == (self.head.place.epoch, self.head.base, self.head.slot);
        if !same || entries.len() < self.applied {
            let Some(base) = read_base(table, head)? else {
                self.broken = Some(head);
                return Ok(());
            };
            *blocks = base;
            self.applied = 0;
        }
        for change in entries.iter().skip(self.applied) {
            blocks.apply(*change);
        }
        (self.head, self.applied, self.broken) = (head, entries.len(), None);
        Ok(())
    }

    /// Publishes changes that follow `self.place()`, and makes them in `blocks`; `reset`: they are all that
    /// there is. `false`: somebody else was first.
    ///
    /// # Errors
    /// The host's.
    pub fn publish(
        &mut self,
        table: &dyn SharedTable,
        blocks: &mut Blocks,
        changes: &[Change],
        to: Place,
        reset: bool,
    ) -> Result<bool, TableFault> {
        let found = table.read(LOG)?;
        let (log, cas) = found.as_ref().map_or((&[][..], ABSENT), |(bytes, cas)| (bytes.as_slice(), *cas));
        let now = decode(log);
        // What nobody can read is replaced as a whole.
        let replaces = |head: &Head| reset && self.broken == Some(*head);
        let is_ours = now
            .as_ref()
            .map_or(self.head == Head::default(), |(head, _)| *head == self.head || replaces(head));
        // The host reads 0 as "no condition".
        if !is_ours || cas == 0 {
            return Ok(false);
        }
        let entries = now.as_ref().map_or(0, |(_, entries)| entries.len());
        if !reset && now.is_some() && entries + changes.len() <= MAX_LOG {
            let head = Head { place: to, ..self.head };
            let mut bytes = encode_head(head);
            bytes.extend_from_slice(log.get(HEAD..).unwrap_or_default());
            changes.iter().for_each(|change| encode(&mut bytes, *change));
            if !table.write(LOG, &bytes, cas)? {
                return Ok(false);
            }
            changes.iter().for_each(|change| _ = blocks.apply(*change));
            (self.head, self.applied) = (head, entries + changes.len());
            return Ok(true);
        }
        let mut all = if reset { Blocks::default() } else { std::mem::take(blocks) };
        changes.iter().for_each(|change| _ = all.apply(*change));
        let used = now.as_ref().map_or(0, |(head, _)| head.slot.min(1));
        let head = Head { place: to, base: to.version, slot: 1 - used };
        let written = write_base(table, head, &all).and_then(|()| table.write(LOG, &encode_head(head), cas));
        *blocks = all;
        match written {
            Ok(true) => (self.head, self.applied, self.broken) = (head, 0, None),
            // What `blocks` has by now isn't what is published: the next look loads it as a whole.
            Ok(false) | Err(_) => *self = Self { applied: usize::MAX, ..Self::default() },
        }
        written
    }
}

fn read_base(table: &dyn SharedTable, head: Head) -> Result<Option<Blocks>, TableFault> {
    let name = BASES.get(usize::try_from(head.slot).unwrap_or(usize::MAX));
    let Some(name) = name else { return Ok(None) };
    let Some((bytes, _)) = table.read(name)? else { return Ok(None) };
    let Some((start, entries)) = bytes.split_at_checked(BASE_HEAD) else { return Ok(None) };
    if (word(start, 0), word(start, 1)) != (head.place.epoch, head.base) {
        return Ok(None);
    }
    let Some(changes) = decode_entries(entries) else { return Ok(None) };
    let mut blocks = Blocks::default();
    changes.into_iter().for_each(|change| _ = blocks.apply(change));
    Ok(Some(blocks))
}

/// Whoever loses the race for the log leaves a base that no log names.
fn write_base(table: &dyn SharedTable, head: Head, blocks: &Blocks) -> Result<(), TableFault> {
    let Some(name) = BASES.get(usize::try_from(head.slot).unwrap_or(usize::MAX)) else {
        return Err(TableFault);
    };
    let mut bytes = Vec::with_capacity(BASE_HEAD + blocks.len() * ENTRY);
    [head.place.epoch, head.base].iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    blocks.changes().for_each(|change| encode(&mut bytes, change));
    crate::shared::swap(table, name, |_| (Some(bytes.clone()), ()))
}

fn decode(log: &[u8]) -> Option<(Head, Vec<Change>)> {
    let (start, entries) = log.split_at_checked(HEAD)?;
    let place = Place { epoch: word(start, 0), version: word(start, 1) };
    let head = Head { place, base: word(start, 2), slot: word(start, 3) };
    Some((head, decode_entries(entries)?))
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at * 8..at * 8 + 8).and_then(|word| word.try_into().ok());
    word.map(u64::from_le_bytes).unwrap_or_default()
}

fn encode_head(head: Head) -> Vec<u8> {
    let Head { place: Place { epoch, version }, base, slot } = head;
    [epoch, version, base, slot].iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn encode(bytes: &mut Vec<u8>, change: Change) {
    let lifts = if change.until_s.is_none() { LIFTS } else { 0 };
    bytes.push(change.kind as u8 | lifts);
    bytes.extend_from_slice(&change.key.0.to_le_bytes());
    bytes.extend_from_slice(&change.until_s.unwrap_or_default().to_le_bytes());
}

/// `None`: others can write there, and this isn't ours.
fn decode_entries(bytes: &[u8]) -> Option<Vec<Change>> {
    let (entries, rest) = bytes.as_chunks::<ENTRY>();
    let change = |entry: &[u8; ENTRY]| {
        let [tag, key @ .., a, b, c, d] = entry;
        let kind = Kind::ALL.get(usize::from(tag & !LIFTS)).copied()?;
        let until_s = (tag & LIFTS == 0).then(|| u32::from_le_bytes([*a, *b, *c, *d]));
        Some(Change { kind, key: Key(u64::from_le_bytes(*key)), until_s })
    };
    if rest.is_empty() { entries.iter().map(change).collect() } else { None }
}
