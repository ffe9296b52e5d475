//! People who have an account at more than one issuer.

use super::IssuerId;

/// Accounts and users, both in order.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// Issuer, `sub`, and the place of the user.
    pub(crate) accounts: Vec<(usize, String, usize)>,
    /// The users' names, and their places.
    pub(crate) users: Vec<(String, usize)>,
    /// The users' names by their places.
    pub(crate) names: Vec<String>,
}

/// Whose an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked<'a> {
    /// Nobody links it.
    Not,
    /// This user's.
    To(&'a str),
    /// By its own name it would be a user who is somebody else.
    Taken,
}

impl Links {
    /// Whose the account is that `issuer` calls `sub`, and that would be the user `own`.
    pub fn find(&self, issuer: IssuerId, sub: Option<&str>, own: &str) -> Linked<'_> {
        if self.names.is_empty() {
            return Linked::Not;
        }
        let account = |sub: &str| {
            let key = (issuer.0, sub);
            let at = self.accounts.binary_search_by(|(id, name, _)| (*id, name.as_str()).cmp(&key)).ok()?;
            self.accounts.get(at).map(|(.., user)| *user)
        };
        let linked = sub.and_then(account);
        let named = self.users.binary_search_by(|(name, _)| name.as_str().cmp(own)).ok();
        let named = named.and_then(|at| self.users.get(at)).map(|(_, user)| *user);
        match (linked.and_then(|user| self.names.get(user)), named) {
            (_, Some(_)) if named != linked => Linked::Taken,
            (Some(user), _) => Linked::To(user),
            (None, _) => Linked::Not,
        }
    }
}
