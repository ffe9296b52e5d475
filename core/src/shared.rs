//! Memory that all workers share: compare-and-swap cells that the host lends.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The compare-and-swap value to write where a cell is absent: the host ignores it there, and refuses it
/// elsewhere.
pub const ABSENT: u32 = u32::MAX;
/// Collisions after which a writer gives up.
const MAX_TRIES: usize = 1_000;

/// The host failed, or a cell was contended for too long. Never a reason to let a request pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableFault;

/// Compare-and-swap cells.
pub trait SharedTable {
    /// The cell and its compare-and-swap value; `None`: absent.
    ///
    /// # Errors
    /// The host's.
    fn read(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, TableFault>;
    /// Writes if the cell still has this compare-and-swap value; answers whether it did. `cas` is never 0.
    ///
    /// # Errors
    /// The host's.
    fn write(&self, key: &str, value: &[u8], cas: u32) -> Result<bool, TableFault>;
}

/// Reads, changes and writes the cell `key` until nobody came between. `change` answers the new bytes, or
/// `None` to leave the cell.
///
/// # Errors
/// The host's, or 1,000 collisions.
pub fn swap<R>(
    table: &dyn SharedTable,
    key: &str,
    mut change: impl FnMut(Option<&[u8]>) -> (Option<Vec<u8>>, R),
) -> Result<R, TableFault> {
    for _ in 0..MAX_TRIES {
        let found = table.read(key)?;
        let (bytes, cas) = match &found {
            None => (None, ABSENT),
            // The host reads 0 as "no condition": such a cell can't be written safely.
            Some((_, 0)) => return Err(TableFault),
            Some((bytes, cas)) => (Some(bytes.as_slice()), *cas),
        };
        let (new, result) = change(bytes);
        let Some(new) = new else { return Ok(result) };
        if table.write(key, &new, cas)? {
            return Ok(result);
        }
    }
    Err(TableFault)
}

/// A table in memory, with the host's semantics: for tests, command line tools, and hosts whose workers are
/// threads of one process.
#[derive(Debug, Default)]
pub struct MemoryTable(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    cells: HashMap<String, (Vec<u8>, u32)>,
    is_down: bool,
    reads: usize,
}

impl MemoryTable {
    /// Each change is whole before anything can panic.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails from now on, or no longer.
    pub fn fail(&self, is_down: bool) {
        self.memory().is_down = is_down;
    }

    /// How often it was read.
    pub fn reads(&self) -> usize {
        self.memory().reads
    }

    /// How many cells there are, and how many bytes they hold.
    pub fn size(&self) -> (usize, usize) {
        let memory = self.memory();
        (memory.cells.len(), memory.cells.values().map(|(bytes, _)| bytes.len()).sum())
    }
}

impl SharedTable for MemoryTable {
    fn read(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, TableFault> {
        let mut memory = self.memory();
        memory.reads += 1;
        if memory.is_down { Err(TableFault) } else { Ok(memory.cells.get(key).cloned()) }
    }

    fn write(&self, key: &str, value: &[u8], cas: u32) -> Result<bool, TableFault> {
        let mut memory = self.memory();
        if memory.is_down {
            return Err(TableFault);
        }
        match memory.cells.get_mut(key) {
            Some((_, current)) if *current != cas => Ok(false),
            Some((bytes, current)) => {
                *bytes = value.to_vec();
                *current = current.wrapping_add(1).max(1);
                Ok(true)
            }
            None => {
                memory.cells.insert(key.to_owned(), (value.to_vec(), 1));
                Ok(true)
            }
        }
    }
}

/// Several hosts' workers may share one.
impl<T: SharedTable + ?Sized> SharedTable for std::sync::Arc<T> {
    fn read(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, TableFault> {
        (**self).read(key)
    }

    fn write(&self, key: &str, value: &[u8], cas: u32) -> Result<bool, TableFault> {
        (**self).write(key, value, cas)
    }
}
