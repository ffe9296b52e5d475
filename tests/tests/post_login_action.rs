//! The post-login Action of docs/auth0 under Node: its own rows (`tests/node/action.test.mjs`), and that
//! those rows can fail.

use gatewaystack_tests::root;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn run(action: &Path) -> Output {
    let test = root().join("tests/node/action.test.mjs");
    let mut command = Command::new("node");
    command.arg("--test").arg(test).env("ACTION", action);
    command.output().expect("node is missing: install Node 20 or newer")
}

fn action() -> PathBuf {
    root().join("docs/auth0/chatgpt-post-login-action.js")
}

#[test]
fn the_post_login_action_does_what_its_guide_says() {
    let output = run(&action());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("# pass "), "node has run tests: {said}");
}

#[test]
fn the_rows_notice_each_change_that_matters() {
    let good = std::fs::read_to_string(action()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (what, from, to) in [
        ("no denial", "api.access.deny(WRONG_AUDIENCE);", ""),
        ("any audience", "if (!isOurs) {", "if (false) {"),
        ("a name is enough", "return named && settings", "return named || settings"),
        ("more than was asked for", "if (!names) addScopes", "addScopes"),
        ("refreshes for all", "if (isOurs && connectors(event)", "if (isOurs || connectors(event)"),
        ("past the policies", "if (filtered) api", "if (!filtered) api"),
        ("a role at each login", "|| event.user.app_metadata?.[ROLE] === role", ""),
        ("no cache", "await api.cache.set(TOKEN_KEY, token, { ttl })", "0"),
        ("what fetch says", "} catch {", "} catch (error) { throw error;"),
        ("a locked door", "if (settings.audiences.length === 0) {", "if (false) {"),
        (
            "a role that failed is remembered",
            "if (!response.ok) throw new Error(`the Management",
            "if (0) throw new Error(`the Management",
        ),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{what}: the Action has changed, and this test hasn't");
        let file = folder.path().join("action.js");
        std::fs::write(&file, bad).unwrap();
        assert!(!run(&file).status.success(), "{what}: no row noticed");
    }
}
