//! `deploy/kubernetes`: the renderings for those without Helm.

use super::chart::{NAMESPACE, cases, file, root, text};

/// What a manifest has to be; the lines in which Helm names its templates are of no use there.
fn manifest(case: &str) -> String {
    let file = file(case);
    let rendered: String = text(&file, &[])
        .lines()
        .filter(|l| !l.starts_with("# Source: "))
        .map(|l| format!("{}\n", l.trim_end()))
        .collect();
    let about: String = std::fs::read_to_string(root().join(&file))
        .unwrap()
        .lines()
        .take_while(|line| line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    format!(
        "{about}#\n# Made by `helm template gatewaystack deploy/helm --namespace {NAMESPACE} --values {file}`: change the values and make it again, or\n\
         # change it here. The policy is an example. Says docs/kubernetes.md.\n{rendered}"
    )
}

#[test]
#[ignore = "Helm and schemas: cargo xtask test --all fetches them"]
fn the_checked_in_manifests_are_what_the_chart_renders() {
    let folder = root().join("deploy/kubernetes");
    let mut stale = Vec::new();
    for case in cases() {
        let (path, expected) = (folder.join(format!("{case}.yaml")), manifest(&case));
        if std::fs::read_to_string(&path).ok().as_ref() == Some(&expected) {
            continue;
        }
        stale.push(case);
        if std::env::var_os("GATEWAYSTACK_WRITE_MANIFESTS").is_some() {
            std::fs::write(path, expected).unwrap();
        }
    }
    let mut there: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    there.sort_by_key(|path| path.file_stem().map(ToOwned::to_owned));
    let there: Vec<_> = there.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(there, cases(), "too many, or too few");
    assert!(stale.is_empty(), "write them with GATEWAYSTACK_WRITE_MANIFESTS=1: {stale:?}");
}
