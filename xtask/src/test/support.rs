//! `docs/mcp-support.md` and the badge `docs/conformance.json`. In: what the tests of one run wrote to
//! `target/support`, and the list of expected failures. Out: both; the same findings give the same bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, de::DeserializeOwned};

use crate::badge::{self, Badge};

const HEAD: &str = "# MCP: what is supported in which era

Made by `cargo xtask test --all` of what its tests found; not to be edited by hand. A run that finds something else changes this page, and fails.

## Features

Asked of a gateway in front of an MCP server, in each era (`tests/tests/mcp/eras.rs`). Since 2026-07-28 there are no sessions, no streams by GET and no requests of
the server's own: what the gateway lets pass there, the server refuses.

";

const CLIENTS: &str = "
Whose a session is: of the caller to whom an answer gave its `Mcp-Session-Id`, by issuer, user and tenant, on the route's path and hosts; one that began without a token is nobody's, so that who signs in begins
another. What the gateway doesn't know passes, for the server knows its own: sessions from before it was started, and those used longest ago of some 160,000. `sessions: pass` leaves all of it to the server.

Tasks (2025-11-25, and the extension `io.modelcontextprotocol/tasks` of 2026-07-28): what asks for one follows the rule of the tool that made it, and is the caller's alone (issuer, user and tenant) to whom the tool's answer named it. So
are judged `tasks/get`, `tasks/result`, `tasks/update`, `tasks/cancel`, `taskIds` in `subscriptions/listen`, whose notifications have whole results in them, and each request that says in `_meta` to which task it belongs
(`io.modelcontextprotocol/related-task`), besides what it calls. Without the tool's scopes it is 403 with the challenge that the tool's call would get. A task of a public tool needs no token, unless its caller had one.

- *How a task becomes known*: by the answer to one `tools/call`, in JSON or as an event: `result.task.taskId`, or `result.taskId` with `resultType: \"task\"`, in a result without content, and where every reader finds the same id. It is
  kept before the answer goes on; an answer whose task can't be kept isn't shown.
- *What isn't known*: tasks of batches, of answers that another gateway passed, that were resumed by GET or are longer than `max_body` (as an event: than half of it), ids over 256 bytes or with anything but visible ASCII, tasks from before the gateway was started, and those asked for longest ago of
  some 160,000. They are refused (403) where any tool needs scopes of its own, else a token is enough; so are `tasks/list`, which names none, and methods about tasks that the specification doesn't have. `tasks: allow` lets
  them pass to anyone who has a token, `tasks: deny` refuses every task, and what has the server make one (`params.task`); since 2026-07-28 servers make them unasked, too, and nobody may ask for those.
  Behind more than one gateway, `Mcp-Name` (2026-07-28) has the task's id, to send what asks for a task where its call went.
- *Another caller's*: as one that isn't known, and with `tasks: allow` no task of theirs (400, -32602). An id that a server gives to two callers, or for two tools, is nobody's from then on, and the second answer isn't shown. Ids are
  the same in upper and lower case from 16 characters on, integers by their value (`017`, `+17`), and UUIDs in any form. One that isn't visible ASCII is refused (400). Routes of one path with other `hosts` have ids of their own.
- *What names a task without asking for it*: in notifications and in the client's answers to the server `related-task` may name one that the client made, and `params.taskId` of any other method what isn't a task at all. They pass, unless the
  task is another caller's, or its tool's scopes are missing. One body names 100 tasks at most.
- *Lists*: with `tasks: allow`, `tasks/list` shows the caller's own tasks whose tool it may call, those that were made without a token, and those that nobody knows; another's are cut out. An answer is a list of tasks by its form, too.
- *What else carries results of tools*: nothing in the specification. `notifications/tasks/status` has states and no results, and goes where the server sends it; a stream that replays events is its session's. A call that goes on after
  input (`inputResponses`, `requestState`) names its tool. Tasks that the server makes the client do (sampling, elicitation) are its own requests, and their answers pass as such.
- Limits of a tool count its calls, and not what asks for their tasks.

## Clients

Each finds out where to sign in, registers, signs in as a user, lists, calls, is refused, asks for more and calls again (`tests/tests/clients`).

| client | version | speaks | after it asked for more |
|---|---|---|---|
";

const SUITE: &str = "
## The official conformance suite

Every scenario of `@modelcontextprotocol/conformance` for servers, in every era that it knows (its extensions' scenarios, which belong to no era, are left out), against one server
made with the official TypeScript SDK (`tests/node/conformance`): directly, and behind the gateway. Checks that passed, of all:

";

const SCENARIOS: &str = "
By scenario, behind the gateway:

";

const ISSUER: &str = "
The suite's scenarios for authorization servers, against the demo's issuer:

";

const FAILURES: &str = "
What fails, and why:

| era | who | scenario | check | reason |
|---|---|---|---|---|
";

/// The row of the gateway as it is by default.
const GATEWAY: &str = "gateway";

#[derive(Deserialize)]
struct Eras {
    eras: Vec<String>,
    rows: Vec<(String, Vec<bool>)>,
}

#[derive(Deserialize)]
struct Client {
    client: String,
    version: String,
    speaks: String,
    then: String,
}

/// Passed, and all.
type Counts = BTreeMap<String, (u32, u32)>;

#[derive(Deserialize)]
struct Comparison {
    who: (String, String),
    eras: BTreeMap<String, (Counts, Counts)>,
}

/// What one run found.
struct Findings {
    eras: Eras,
    clients: Vec<Client>,
    comparisons: Vec<Comparison>,
    issuer: BTreeMap<String, Counts>,
    failures: Vec<[String; 5]>,
}

/// Forgets what an earlier run found.
pub fn clear(target: &Path) -> Result<()> {
    match fs::remove_dir_all(folder(target)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).context("target/support"),
        _ => Ok(()),
    }
}

/// Writes both; the names of those that had to change.
pub fn write(root: &Path, target: &Path) -> Result<Vec<&'static str>> {
    let findings = Findings::read(root, &folder(target))?;
    let mut changed = Vec::new();
    for (name, text) in [("mcp-support.md", findings.document()), ("conformance.json", findings.badge())] {
        if badge::write(root, name, &text)? {
            changed.push(name);
        }
    }
    Ok(changed)
}

/// Of the official suite: the checks that passed behind the gateway, in all eras.
fn badge_of(eras: impl Iterator<Item = (u32, u32)>) -> String {
    let sums: Vec<_> = eras.collect();
    let (good, all) =
        sums.iter().fold((0, 0), |(good, all), (g, a)| (good + u64::from(*g), all + u64::from(*a)));
    let of = format!("checks, {} eras", sums.len());
    Badge { label: "MCP conformance", good, all, of: &of }.text()
}

fn folder(target: &Path) -> PathBuf {
    target.join("support")
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path);
    let text = text.with_context(|| format!("{}: did its test fail?", path.display()))?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// All files whose names begin so, in the order of their names.
fn all<T: DeserializeOwned>(folder: &Path, start: &str) -> Result<Vec<T>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("{}: no test wrote there", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let begins =
        |path: &PathBuf| path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(start));
    let sorted: BTreeSet<PathBuf> = paths.filter(begins).collect();
    sorted.iter().map(|path| parse(path)).collect()
}

impl Findings {
    fn read(root: &Path, folder: &Path) -> Result<Self> {
        Ok(Self {
            eras: parse(&folder.join("eras.json"))?,
            clients: all(folder, "client-")?,
            comparisons: all(folder, "conformance-")?,
            issuer: parse(&folder.join("authorization-server.json"))?,
            failures: parse(&root.join("tests/tests/conformance/expected-failures.json"))?,
        })
    }

    fn badge(&self) -> String {
        badge_of(self.behind().into_iter().flat_map(|eras| eras.values().map(|(_, behind)| sum(behind))))
    }

    /// What the suite found behind the gateway that holds headers, by era.
    fn behind(&self) -> Option<&BTreeMap<String, (Counts, Counts)>> {
        self.comparisons.iter().find(|c| c.who.1 == GATEWAY).map(|comparison| &comparison.eras)
    }

    fn document(&self) -> String {
        let mut out = HEAD.to_owned();
        self.head(&mut out, "");
        for (what, eras) in &self.eras.rows {
            row(&mut out, what, eras.iter().map(|yes| if *yes { "yes" } else { "–" }.to_owned()));
        }
        out.push_str(CLIENTS);
        for Client { client, version, speaks, then } in &self.clients {
            let _ = writeln!(out, "| {client} | {version} | {speaks} | {then} |");
        }
        self.suite(&mut out);
        out.push_str(FAILURES);
        for [era, who, scenario, check, reason] in &self.failures {
            let _ = writeln!(out, "| {era} | {who} | `{scenario}` | `{check}` | {reason} |");
        }
        out
    }

    fn suite(&self, out: &mut String) {
        out.push_str(SUITE);
        self.head(out, "");
        let mut done = BTreeSet::new();
        for Comparison { who, eras } in &self.comparisons {
            let mut line = |who: &str, of: fn(&(Counts, Counts)) -> &Counts| {
                if done.insert(who.to_owned()) {
                    row(out, who, self.cells(|era| eras.get(era).map(of).map(sum)));
                }
            };
            line(&who.0, |(direct, _)| direct);
            line(&who.1, |(_, behind)| behind);
        }
        out.push_str(SCENARIOS);
        self.head(out, "scenario");
        if let Some(eras) = self.behind() {
            let behind: BTreeMap<_, _> =
                eras.iter().map(|(era, (_, behind))| (era.clone(), behind)).collect();
            self.scenarios(out, &behind);
        }
        out.push_str(ISSUER);
        self.head(out, "scenario");
        self.scenarios(out, &self.issuer.iter().map(|(era, counts)| (era.clone(), counts)).collect());
    }

    fn scenarios(&self, out: &mut String, eras: &BTreeMap<String, &Counts>) {
        let names: BTreeSet<&String> = eras.values().flat_map(|counts| counts.keys()).collect();
        for name in names {
            row(out, &format!("`{name}`"), self.cells(|era| eras.get(era)?.get(name).copied()));
        }
    }

    fn cells(&self, count: impl Fn(&str) -> Option<(u32, u32)>) -> impl Iterator<Item = String> {
        self.eras.eras.iter().map(move |era| match count(era) {
            Some((passed, all)) => format!("{passed}/{all}"),
            None => "–".to_owned(),
        })
    }

    fn head(&self, out: &mut String, first: &str) {
        row(out, first, self.eras.eras.iter().cloned());
        let _ = writeln!(out, "|---|{}", "---|".repeat(self.eras.eras.len()));
    }
}

fn sum(counts: &Counts) -> (u32, u32) {
    counts.values().fold((0, 0), |(passed, all), (p, a)| (passed + p, all + a))
}

fn row(out: &mut String, first: &str, cells: impl Iterator<Item = String>) {
    let _ = writeln!(out, "| {first} | {} |", cells.collect::<Vec<_>>().join(" | "));
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Client, Comparison, Eras, Findings, badge_of};
    use crate::workspace::Workspace;

    /// Page and badge are of one run.
    #[test]
    fn the_committed_badge_has_the_figures_of_the_committed_page() {
        let docs = Workspace::find().unwrap().root.join("docs");
        let committed = |name: &str| fs::read_to_string(docs.join(name)).unwrap();
        let page = committed("mcp-support.md");
        let row = page.lines().find_map(|line| line.strip_prefix("| gateway | ")).unwrap();
        let figures = row.split(" | ").filter_map(|cell| {
            let (passed, all) = cell.trim_end_matches(" |").split_once('/')?;
            Some((passed.parse().unwrap(), all.parse().unwrap()))
        });
        assert_eq!(committed("conformance.json"), badge_of(figures));
    }

    #[test]
    fn the_document_has_a_cell_for_each_era_and_shows_what_failed() {
        let counts = |passed, all| [("ping".to_owned(), (passed, all))].into();
        let findings = Findings {
            eras: Eras {
                eras: vec!["2025".into(), "2026".into()],
                rows: vec![("Batches".into(), vec![true, false])],
            },
            clients: vec![Client {
                client: "c".into(),
                version: "1".into(),
                speaks: "2026".into(),
                then: "t".into(),
            }],
            comparisons: vec![Comparison {
                who: ("server".into(), "gateway".into()),
                eras: [("2025".into(), (counts(1, 2), counts(2, 2)))].into(),
            }],
            issuer: [("2026".into(), counts(3, 3))].into(),
            failures: vec![["2025", "server", "ping", "pong", "old"].map(str::to_owned)],
        };
        assert!(findings.badge().contains("\"2/2 checks, 1 eras\""), "{}", findings.badge());
        let text = findings.document();
        for line in [
            "| Batches | yes | – |",
            "| c | 1 | 2026 | t |",
            "| server | 1/2 | – |",
            "| gateway | 2/2 | – |",
            "| `ping` | 2/2 | – |",
            "| `ping` | – | 3/3 |",
            "| 2025 | server | `ping` | `pong` | old |",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}: {text}");
        }
    }
}
