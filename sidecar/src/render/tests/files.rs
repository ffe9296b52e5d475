//! What is written: for whom, and what of an earlier rendering stays.

use super::{input, rendered};
use crate::render::{RenderInput, copy_filter, kept_secret, render, write};
use std::path::PathBuf;

#[cfg(unix)]
#[test]
fn files_with_a_secret_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (rendered, _) = rendered(None, &[("DATA_DIR", data.to_str().unwrap())]);
    let state = folder.path().join("state");
    for _ in 0..2 {
        write(&rendered, &state).unwrap();
        for name in ["envoy.yaml", "sidecar-secret", "policy.json"] {
            let mode = std::fs::metadata(state.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
    assert!(data.is_dir());
}

#[test]
fn parts_that_share_a_folder_get_the_filter_and_keep_their_secret() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("state");
    let variables = [("DATA_DIR", folder.path().to_str().unwrap())];
    assert_eq!(kept_secret(&out), None);
    let wasm = copy_filter(&PathBuf::from("Cargo.toml"), &out).unwrap();
    assert_eq!(std::fs::read(&wasm).unwrap(), std::fs::read("Cargo.toml").unwrap());
    let first = render(&RenderInput { wasm: wasm.clone(), ..input(None, &variables) }).unwrap();
    assert!(first.envoy_yaml.contains(wasm.to_str().unwrap()));
    write(&first, &out).unwrap();
    let again = RenderInput { secret: kept_secret(&out), ..input(None, &variables) };
    assert_eq!(render(&again).unwrap().secret, first.secret);
}
