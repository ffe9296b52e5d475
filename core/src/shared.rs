//! Memory that all workers share: compare-and-swap cells that the host lends.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// The compare-and-swap value to write where a cell is absent: the host ignores it there, and refuses it elsewhere.
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

/// Reads, changes and writes the cell `key` until nobody came between. `change` answers the new bytes, or `None` to leave the cell.
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

/// A table in memory, with the host's semantics: for tests and command line tools.
#[derive(Debug, Default)]
pub struct MemoryTable {
    cells: RefCell<HashMap<String, (Vec<u8>, u32)>>,
    is_down: Cell<bool>,
    reads: Cell<usize>,
}

impl MemoryTable {
    /// Fails from now on, or no longer.
    pub fn fail(&self, is_down: bool) {
        self.is_down.set(is_down);
    }

    /// How often it was read.
    pub fn reads(&self) -> usize {
        self.reads.get()
    }

    /// How many cells there are, and how many bytes they hold.
    pub fn size(&self) -> (usize, usize) {
        let cells = self.cells.borrow();
        (cells.len(), cells.values().map(|(bytes, _)| bytes.len()).sum())
    }
}

impl SharedTable for MemoryTable {
    fn read(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, TableFault> {
        self.reads.set(self.reads.get() + 1);
        if self.is_down.get() { Err(TableFault) } else { Ok(self.cells.borrow().get(key).cloned()) }
    }

    fn write(&self, key: &str, value: &[u8], cas: u32) -> Result<bool, TableFault> {
        if self.is_down.get() {
            return Err(TableFault);
        }
        let mut cells = self.cells.borrow_mut();
        match cells.get_mut(key) {
            Some((_, current)) if *current != cas => Ok(false),
            Some((bytes, current)) => {
                *bytes = value.to_vec();
                *current = current.wrapping_add(1).max(1);
                Ok(true)
            }
            None => {
                cells.insert(key.to_owned(), (value.to_vec(), 1));
                Ok(true)
            }
        }
    }
}
