//! Notes by user, in memory and bounded: so many users, so many notes of each, so many bytes of one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

const MAX_USERS: usize = 1000;
const MAX_NOTES: usize = 100;
const MAX_TEXT: usize = 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) owner: String,
    pub(super) text: String,
}

#[derive(Default)]
pub(super) struct Notes(Mutex<Store>);

struct Store {
    by_user: HashMap<String, Vec<Note>>,
    /// Users in the order in which they came; the first goes when there is no room.
    order: VecDeque<String>,
}

impl Default for Store {
    /// Something to see, and something to be kept from.
    fn default() -> Self {
        let mut store = Self { by_user: HashMap::new(), order: VecDeque::new() };
        for (user, text) in [("ann", "water the plants"), ("bob", "the present for ann is in the cellar")] {
            store.entry(user).push(Note { owner: user.to_owned(), text: text.to_owned() });
        }
        store
    }
}

impl Store {
    fn entry(&mut self, user: &str) -> &mut Vec<Note> {
        if !self.by_user.contains_key(user) {
            if self.order.len() >= MAX_USERS
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_user.remove(&oldest);
            }
            self.order.push_back(user.to_owned());
        }
        self.by_user.entry(user.to_owned()).or_default()
    }
}

impl Notes {
    // A handler that panicked leaves the store whole: each change is one push or clear.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The notes of this user.
    pub(super) fn of(&self, user: &str) -> Vec<Note> {
        self.store().by_user.get(user).cloned().unwrap_or_default()
    }

    /// How many the user has with this one; or why it isn't kept.
    pub(super) fn add(&self, user: &str, text: &str) -> Result<usize, &'static str> {
        if text.len() > MAX_TEXT {
            return Err("A note has at most 1024 bytes.");
        }
        let mut store = self.store();
        let notes = store.entry(user);
        if notes.len() >= MAX_NOTES {
            return Err("There is room for 100 notes of a user: purge them first.");
        }
        notes.push(Note { owner: user.to_owned(), text: text.to_owned() });
        Ok(notes.len())
    }

    /// How many notes of this user there were.
    pub(super) fn purge(&self, user: &str) -> usize {
        self.store().by_user.get_mut(user).map(std::mem::take).map_or(0, |notes| notes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_users_own_notes() {
        let notes = Notes::default();
        assert_eq!(notes.add("ann", "x"), Ok(2));
        assert!(notes.of("ann").iter().all(|note| note.owner == "ann"));
        assert!(notes.of("eve").is_empty());
        assert_eq!((notes.purge("ann"), notes.of("bob").len()), (2, 1));
    }

    #[test]
    fn nothing_grows_without_end() {
        let notes = Notes::default();
        assert!(notes.add("ann", &"x".repeat(MAX_TEXT + 1)).is_err());
        for n in 0..MAX_NOTES * 2 {
            let _full_in_the_end = notes.add("eve", &n.to_string());
        }
        assert_eq!(notes.of("eve").len(), MAX_NOTES);
        for n in 0..MAX_USERS {
            notes.add(&format!("user {n}"), "x").unwrap_or_default();
        }
        assert_eq!(notes.store().by_user.len(), MAX_USERS);
        assert!(notes.of("ann").is_empty(), "the oldest user went");
    }
}
