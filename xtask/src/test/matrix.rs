//! The core of the end-to-end suite against each supported Envoy. In: the releases of `envoy/versions.yaml`.
//! Out: a table, release by release; a release that can't be downloaded or fails a test fails the whole.

use std::{fmt::Write as _, path::Path, process::Command};

use anyhow::Result;
use serde_json::json;

use super::tally::{Suite, Tally};
use crate::{
    run::tee,
    tools::{
        envoy::{self, Release, Releases},
        nextest::{self, Runner},
    },
    workspace::Workspace,
};

/// The tests of what another Envoy could do otherwise. What runs in the filter alone, or in the sidecar, is
/// the same everywhere.
const CORE: &[(&str, &str)] = &[
    ("first_light", "a request through everything"),
    ("tokens", "Envoy's signature verification, and how it joins headers"),
    ("keys", "calls out of the root context, shared data, queues that wake workers"),
    ("limits", "compare-and-swap in shared data, the address of a client"),
    ("routes", "route_config next to the filter's own routes, the route cache"),
    ("held", "requests that are paused and go on, with bodies and trailers"),
    ("mcp", "bodies read while their headers wait, and while they don't (hold_headers: false)"),
    ("mcp_answers", "answers that are buffered and replaced"),
    ("response_filter", "the same, cut anywhere"),
    ("upgrades", "WebSockets"),
    ("raw_http2", "what the codec refuses by itself"),
    ("faults", "answers of Envoy's own, the policy that is refused"),
    ("records", "filter state in the access log"),
    ("statistics", "metrics of the filter, tags"),
    ("reload", "listeners and filters that are replaced under load"),
    ("locations", "a header that a route adds to an answer before the filter sees it"),
    ("attacks_connections", "a filter of connections in the same VM, and Envoy's time-outs"),
];

/// The least that shows each of Envoy's parts at work, in seconds.
const BRIEF: &[&str] = &["first_light", "held", "records", "upgrades", "reload"];

/// Parts of names of tests that take long and say little about an Envoy: their many rows differ in what the
/// filter decides alone.
const LEFT_OUT: &[&str] = &[
    "a_million_counters",
    "a_list_that_cannot_be_cut_down",
    "a_random_corpus",
    "what_is_not_the_callers",
    "every_call_passes_as_it_came",
    "limits_count_what_is_watched",
    "the_portable_verifier",
];

const FAILED: Suite = Suite { passed: 0, failed: 1, skipped: 0 };

/// How much of the matrix.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Whole,
    Brief,
}

/// Runs it. The filter and the native binaries are built.
pub fn run(workspace: &Workspace, form: Form, wasm: &Path, tally: &mut Tally) -> Result<()> {
    let (releases, runner) = (Releases::read()?, nextest::runner());
    let chosen: Vec<&Release> = match form {
        Form::Whole => releases.all().collect(),
        Form::Brief => releases.brief()?,
    };
    let mut rows = Vec::new();
    for release in chosen {
        let suite = match &release.without_wasm {
            None => on(workspace, form, wasm, &runner, release),
            Some(_) => without_wasm(workspace, release),
        };
        tally.add(&format!("envoy {}", release.version), &suite);
        rows.push((release, suite));
    }
    print!("{}", table(&rows));
    Ok(())
}

/// One test: the build has no runtime, as it is said of it.
fn without_wasm(workspace: &Workspace, release: &Release) -> Suite {
    let said = envoy::official(release).and_then(|binary| refusal(workspace, &binary));
    match said {
        Ok(said) if said.contains("compiled without support for it") => {
            Suite { passed: 1, ..Suite::default() }
        }
        Ok(said) => {
            eprintln!(
                "envoy {}: it was expected to have no runtime for WebAssembly, but said:\n{said}",
                release.version
            );
            FAILED
        }
        Err(error) => {
            eprintln!("envoy {}: {error:#}", release.version);
            FAILED
        }
    }
}

/// What an Envoy says of a bootstrap with a filter. It looks for the runtime first, whatever the filter is.
fn refusal(workspace: &Workspace, binary: &Path) -> Result<String> {
    let kind = |name: &str| format!("type.googleapis.com/envoy.extensions.filters.{name}");
    let wasm = json!({
        "@type": kind("http.wasm.v3.Wasm"),
        "config": {"vm_config": {
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": workspace.target.join("gatewaystack.wasm")}},
        }},
    });
    let manager = json!({
        "@type": kind("network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "a",
        "route_config": {},
        "http_filters": [
            {"name": "wasm", "typed_config": wasm},
            {"name": "router", "typed_config": {"@type": kind("http.router.v3.Router")}},
        ],
    });
    let bootstrap = json!({"static_resources": {"listeners": [{
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "manager", "typed_config": manager}]}],
    }]}});
    let mut command = Command::new(binary);
    command.args(["--mode", "validate", "--use-dynamic-base-id", "--config-yaml"]).arg(bootstrap.to_string());
    Ok(tee(&mut command)?.1)
}

fn on(workspace: &Workspace, form: Form, wasm: &Path, runner: &Runner, release: &Release) -> Suite {
    let binary = match envoy::official(release) {
        Ok(binary) => binary,
        Err(error) => {
            eprintln!("envoy {}: {error:#}", release.version);
            return FAILED;
        }
    };
    let names: Vec<&str> = match form {
        Form::Whole => CORE.iter().map(|(name, _)| *name).collect(),
        Form::Brief => BRIEF.to_vec(),
    };
    let mut command = workspace.cargo();
    runner.binaries(&mut command, "gatewaystack-tests", &names, LEFT_OUT);
    command.env("ENVOY_BIN", binary).env("GATEWAYSTACK_WASM", wasm);
    command.env("GATEWAYSTACK_BIN", workspace.binary("gatewaystack"));
    match tee(&mut command) {
        Ok((status, text)) => Suite::read(&text, status.success()),
        Err(error) => {
            eprintln!("envoy {}: {error:#}", release.version);
            FAILED
        }
    }
}

fn table(rows: &[(&Release, Suite)]) -> String {
    let mut out = String::from("envoy     passed  failed  skipped\n");
    for (release, Suite { passed, failed, skipped }) in rows {
        let why = release.without_wasm.as_ref().map(|why| format!("  {why}")).unwrap_or_default();
        let _ = writeln!(out, "{:<8}  {passed:>6}  {failed:>6}  {skipped:>7}{why}", release.version);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::{BRIEF, CORE, LEFT_OUT, Release, Suite, table};

    /// Name and text of each test binary.
    fn sources() -> Vec<(String, String)> {
        let list = |folder: &Path| -> Vec<_> {
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
        };
        let text = |path: &Path| {
            let files = if path.is_dir() { list(path) } else { vec![path.to_owned()] };
            files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect::<String>()
        };
        let folder = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../tests/tests");
        let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
        list(&folder).iter().map(|path| (name(path), text(path))).collect()
    }

    #[test]
    fn each_name_is_one_of_a_test_binary_and_what_is_left_out_is_there() {
        let sources = sources();
        let core: BTreeSet<&str> = CORE.iter().map(|(name, _)| *name).collect();
        assert_eq!(core.len(), CORE.len());
        for name in &core {
            assert!(sources.iter().any(|(source, _)| source == name), "tests/tests has no {name}");
        }
        assert!(BRIEF.iter().all(|name| core.contains(name)), "{BRIEF:?}");
        for part in LEFT_OUT {
            assert!(sources.iter().any(|(_, text)| text.contains(&format!("fn {part}"))), "{part}");
        }
    }

    #[test]
    fn the_table_has_a_line_for_each_release_and_says_what_it_lacks() {
        let release = |version: &str, why: Option<&str>| Release {
            version: version.into(),
            x86_64: String::new(),
            aarch64: String::new(),
            without_wasm: why.map(str::to_owned),
        };
        let (old, bare) = (release("1.36.2", None), release("1.38.3", Some("no runtime")));
        let all = Suite { passed: 79, failed: 1, skipped: 2 };
        let one = Suite { passed: 1, ..Suite::default() };
        let lines = [
            "envoy     passed  failed  skipped",
            "1.36.2        79       1        2",
            "1.38.3         1       0        0  no runtime",
        ];
        assert_eq!(table(&[(&old, all), (&bare, one)]).lines().collect::<Vec<_>>(), lines);
    }
}
