//! The ledger of a process that is killed again and again, and what the commands on it answer.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's helpers end it by panicking"
)]

use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_gatewaystack");

struct Stand {
    folder: TempDir,
    policy: PathBuf,
}

fn stand(on: bool) -> Stand {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("gateway.json");
    let text = serde_json::json!({
        "issuers": [{ "issuer": "https://idp.example", "audiences": ["a"] }],
        "sidecar": { "data_dir": folder.path().join("data"), "port": 0 },
        "ledger": { "on": on }
    });
    std::fs::write(&policy, text.to_string()).unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let secret = folder.path().join("sidecar-secret");
    std::fs::write(&secret, "5ecre75ecre75ecre75ecre75ecre7aa").unwrap();
    Stand { folder, policy }
}

impl Stand {
    fn file(&self) -> File {
        let path = self.folder.path().join("data/decisions.jsonl");
        OpenOptions::new().create(true).append(true).open(path).unwrap()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("USER", "ann").args(words).arg("--policy").arg(&self.policy);
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn serve(&self) -> Child {
        let state: &Path = self.folder.path();
        let mut command = self.command(&["serve"]);
        command.arg("--state").arg(state).stdout(Stdio::null()).spawn().unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Records in the ledger; 0 where there is none.
    fn count(&self) -> u64 {
        if !self.folder.path().join("data/ledger.db").exists() {
            return 0;
        }
        let counts = self.run(&["records", "--json", "--by", "decision"]).stdout;
        let counts: Value = serde_json::from_slice(&counts).unwrap_or_default();
        counts.as_array().map_or(0, |all| all.iter().filter_map(|one| one["count"].as_u64()).sum())
    }

    /// Waits for so many.
    fn until(&self, child: &mut Child, enough: u64) {
        while self.count() < enough {
            assert_eq!(child.try_wait().unwrap(), None, "it has ended");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

#[test]
fn whenever_it_is_killed_each_line_counts_once() {
    let stand = stand(true);
    let mut file = stand.file();
    let mut written = 0u64;
    let lines = |from: u64, count: u64| -> String {
        let line = |n: u64| match n % 3 {
            0 => format!("{{\"vm\":null,\"seq\":null,\"decision\":\"error\",\"path\":\"/{n}\"}}\n"),
            vm => format!(
                "{{\"vm\":\"{vm:016x}\",\"seq\":{},\"decision\":\"deny\",\"path\":\"/{n}\"}}\n",
                n / 3 + 1
            ),
        };
        (from..from + count).map(line).collect()
    };
    for round in 0..8 {
        let mut child = stand.serve();
        let before = stand.count();
        for _ in 0..10 {
            let text = lines(written, 700);
            written += 700;
            // In pieces that end anywhere.
            for piece in text.as_bytes().chunks(1_000 + 37 * round) {
                file.write_all(piece).unwrap();
            }
        }
        // Somewhere in the middle of it.
        stand.until(&mut child, before + 700 * (round as u64 + 1));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut child = stand.serve();
    stand.until(&mut child, written);
    child.kill().unwrap();
    child.wait().unwrap();
    let records = stand.json(&["records", "--json"]);
    let mut paths: Vec<u64> = records
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["path"].as_str().unwrap()[1..].parse().unwrap())
        .collect();
    paths.sort_unstable();
    assert!(paths.iter().copied().eq(0..written), "{} of {written}", paths.len());
    let counts = stand.json(&["records", "--json", "--by", "decision"]);
    assert_eq!(counts.as_array().unwrap().len(), 2);
}

#[test]
fn one_process_serves_and_commands_work_meanwhile_and_afterwards() {
    let stand = stand(true);
    let line = "{\"status\":403,\"ts\":\"2026-11-29T22:58:01.123456Z\",\"sub\":\"ann\",\"tool\":\"purge\",\"decision\":\"deny\"}\n";
    stand.file().write_all(line.as_bytes()).unwrap();
    assert_eq!(stand.run(&["records"]).status.code(), Some(1), "there is no ledger yet");
    let mut child = stand.serve();
    stand.until(&mut child, 1);
    let second = stand.serve().wait().unwrap();
    assert_eq!(second.code(), Some(1));
    for running in [true, false] {
        let found =
            stand.json(&["records", "--json", "--where", "{decision: {is: deny}, tool: {is: purge}}"]);
        assert_eq!(found, serde_json::json!([serde_json::from_str::<Value>(line).unwrap()]));
        assert_eq!(stand.json(&["records", "--json", "--since", "1s"]), serde_json::json!([]));
        let blocked = stand.run(&["block", "user", "ann", "--for", "1h", "--why", "left"]);
        assert!(blocked.status.success(), "{}", String::from_utf8_lossy(&blocked.stderr));
        let blocks = stand.json(&["blocks", "--json"]);
        assert_eq!(blocks.as_array().unwrap().len(), 1);
        for (name, value) in [("kind", "user"), ("value", "ann"), ("why", "left"), ("by", "ann")] {
            assert_eq!(blocks[0][name], value, "{blocks}");
        }
        assert!(blocks[0]["since"].as_str().unwrap() < blocks[0]["until"].as_str().unwrap());
        assert!(stand.run(&["unblock", "user", "ann"]).status.success());
        assert_eq!(stand.run(&["unblock", "user", "ann"]).status.code(), Some(1));
        if running {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

#[test]
fn a_token_comes_from_standard_input_and_its_hash_is_kept() {
    let stand = stand(true);
    let mut child =
        stand.command(&["block", "token", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"aaa.bbb.ccc\n").unwrap();
    assert!(child.wait().unwrap().success());
    let blocks = stand.json(&["blocks", "--json"]);
    let hash = "sha256:ce887a8eece06ba329c188b9cf872bd8a70a0c354275fe3c435450024784c9de";
    assert_eq!(blocks[0]["value"], hash);
    assert_eq!(blocks[0]["until"], Value::Null);
}

#[test]
fn wrong_use_exits_2_and_what_is_not_so_1() {
    let (there, off) = (stand(true), stand(false));
    assert!(there.run(&["block", "user", "ann"]).status.success());
    for (words, code) in [
        (&["records"][..], 0),
        (&["records", "--where", "{colour: {is: red}}"], 2),
        (&["records", "--where", "{tool: {min: 1}}"], 2),
        (&["records", "--where", "{"], 2),
        (&["records", "--by", "colour"], 2),
        (&["records", "--since", "soon"], 2),
        (&["block", "planet", "x"], 2),
        (&["block", "user", ""], 2),
        (&["block", "user", "a\nb"], 2),
        (&["unblock", "user", "bob"], 1),
    ] {
        let output = there.run(words);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.stderr.is_empty(), code == 0, "{words:?}");
    }
    for words in [&["records"][..], &["blocks"], &["block", "user", "x"], &["unblock", "user", "x"]] {
        let output = off.run(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("ledger.on: "), "{words:?}");
    }
}
