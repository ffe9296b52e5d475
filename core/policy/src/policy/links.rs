//! People who have an account at more than one issuer.

/// Accounts and users, both in order.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// Accounts, and the places of their users.
    pub(crate) accounts: Vec<(String, usize)>,
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
    pub fn find(&self, issuer: usize, sub: Option<&str>, own: &str) -> Linked<'_> {
        if self.names.is_empty() {
            return Linked::Not;
        }
        let account = |sub: &str| place(&self.accounts, &account_key(issuer, sub));
        let linked = sub.and_then(account);
        let named = place(&self.users, own);
        match (linked.and_then(|user| self.names.get(user)), named) {
            (_, Some(_)) if named != linked => Linked::Taken,
            (Some(user), _) => Linked::To(user),
            (None, _) => Linked::Not,
        }
    }
}

fn place(list: &[(String, usize)], name: &str) -> Option<usize> {
    let at = list.binary_search_by(|(other, _)| other.as_str().cmp(name)).ok()?;
    list.get(at).map(|(_, place)| *place)
}

/// One text for an account, so that it is found as names are.
pub(crate) fn account_key(issuer: usize, sub: &str) -> String {
    format!("{issuer}|{sub}")
}
