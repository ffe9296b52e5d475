//! Faults on request: which call meets one, and what it does to the answer.

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This status; nothing was done.
    Status(u16),
    /// No answer, ever; nothing was done.
    Hang,
    /// The connection is reset; nothing was done.
    Reset,
    /// 200 with something that isn't JSON; nothing was done.
    Garbage,
    /// The right answer, cut in half: it was done.
    Truncated,
    /// This status; but it was done.
    StatusAfterApplying(u16),
    /// The connection is reset; but it was done.
    ResetAfterApplying,
}

impl Fault {
    /// Whether the call is carried out all the same.
    pub fn applies(self) -> bool {
        matches!(self, Self::Truncated | Self::StatusAfterApplying(_) | Self::ResetAfterApplying)
    }
}

struct Rule {
    method: String,
    prefix: String,
    fault: Fault,
    left: usize,
}

#[derive(Default)]
pub struct Faults {
    rules: Vec<Rule>,
    every: Option<(usize, Fault)>,
    calls: usize,
}

impl Faults {
    pub fn add(&mut self, method: &str, prefix: &str, fault: Fault, times: usize) {
        self.rules.push(Rule { method: method.to_owned(), prefix: prefix.to_owned(), fault, left: times });
    }

    pub fn every(&mut self, n: usize, fault: Fault) {
        self.calls = 0;
        self.every = Some((n.max(1), fault));
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The fault that this call meets. The first rule that matches and isn't used up is used once.
    pub fn strike(&mut self, method: &str, target: &str) -> Option<Fault> {
        self.calls += 1;
        let matches = |r: &&mut Rule| {
            r.left > 0 && (r.method == "*" || r.method == method) && target.starts_with(&r.prefix)
        };
        if let Some(rule) = self.rules.iter_mut().find(matches) {
            rule.left -= 1;
            return Some(rule.fault);
        }
        self.every.filter(|(n, _)| self.calls.is_multiple_of(*n)).map(|(_, fault)| fault)
    }
}
