//! The documents keep up with the code: each text that the gateway can refuse with has its entry in docs/troubleshooting.md, and no entry is
//! of a text that is gone; the webhook's guide has each of its variables; commands in the guides are commands that there are.

use clap::Parser as _;
use gatewaystack_tests::root;
use std::collections::BTreeSet;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// String literals of Rust, their escapes read as far as texts have them.
fn literals(source: &str) -> Vec<String> {
    let code: String =
        source.lines().filter(|l| !l.trim_start().starts_with("//")).map(|l| format!("{l}\n")).collect();
    let (mut found, mut rest) = (Vec::new(), code.as_str());
    while let Some(start) = rest.find('"') {
        let (mut text, mut chars, mut end) =
            (String::new(), rest[start + 1..].char_indices().peekable(), None);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    end = Some(start + 1 + at + 1);
                    break;
                }
                '\\' => match chars.next() {
                    Some((_, '\n')) => while chars.next_if(|(_, c)| c.is_whitespace()).is_some() {},
                    Some((_, escaped)) => text.push(escaped),
                    None => {}
                },
                c => text.push(c),
            }
        }
        found.push(text);
        rest = &rest[end.expect("a literal ends")..];
    }
    found
}

/// `{…}` of a format string is `…` in the document.
fn shown(literal: &str) -> String {
    let mut out = String::new();
    let mut rest = literal;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        out.push('…');
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    out + rest
}

/// The core's texts, out of the functions that make them: whoever adds a variant adds its text there.
fn of_core() -> BTreeSet<String> {
    let source = read("core/src/refusal.rs");
    let mut found = BTreeSet::new();
    let places = [
        "fn description",
        "fn unsafe_description",
        "fn body_description",
        "fn uri_description",
        "fn token_description",
    ];
    for name in places {
        let body = source.split_once(&format!("{name}(")).unwrap_or_else(|| panic!("{name} is gone")).1;
        let end = body.find("\n}\n").unwrap().min(body.find("\n    }\n").unwrap_or(usize::MAX));
        // What joins lists isn't a text.
        found.extend(literals(&body[..end]).iter().filter(|l| l.trim() != "").map(|l| shown(l)));
    }
    found
}

/// The sidecar's texts: sentences in the sources of its server.
fn of_sidecar() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = [
        "sidecar/src/app",
        "sidecar/src/app.rs",
        "sidecar/src/webhook/route.rs",
        "sidecar/src/webhook/event.rs",
        "sidecar/src/webhook/frame.rs",
    ]
    .map(|path| root().join(path))
    .to_vec();
    while let Some(path) = folders.pop() {
        if path.is_dir() {
            folders.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        } else if path.file_name().is_some_and(|n| n != "tests.rs") {
            let sentence =
                |l: &String| l.starts_with(char::is_uppercase) && l.ends_with('.') && l.contains(' ');
            let source = std::fs::read_to_string(&path).unwrap();
            found.extend(literals(&source).iter().filter(|l| sentence(l)).map(|l| shown(l)));
        }
    }
    found
}

/// Envoy's own answers, as the bootstrap words them.
fn of_envoy() -> BTreeSet<String> {
    let bootstrap = read("envoy/bootstrap.yaml.j2");
    let plain = bootstrap.lines().filter_map(|l| l.trim().strip_prefix("error_description: "));
    let inline =
        bootstrap.split("\"error_description\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    plain.chain(inline).map(str::to_owned).collect()
}

fn entries() -> BTreeSet<String> {
    let document = read("docs/troubleshooting.md");
    let headings = document.lines().filter_map(|l| l.strip_prefix("### `"));
    headings.map(|l| l.trim_end_matches('`').to_owned()).collect()
}

#[test]
fn every_text_that_the_gateway_refuses_with_has_its_entry() {
    let (core, sidecar, envoy) = (of_core(), of_sidecar(), of_envoy());
    assert!(core.len() > 35 && sidecar.len() > 5 && envoy.len() > 5, "{core:#?}{sidecar:#?}{envoy:#?}");
    assert!(core.contains("Access token required") && core.contains("Send one … header only"), "{core:#?}");
    let all: BTreeSet<String> = core.into_iter().chain(sidecar).chain(envoy).collect();
    let entries = entries();
    let missing: Vec<_> = all.difference(&entries).collect();
    assert!(missing.is_empty(), "docs/troubleshooting.md lacks a `### ` entry for {missing:#?}");
    let stale: Vec<_> = entries.difference(&all).collect();
    assert!(stale.is_empty(), "docs/troubleshooting.md has entries that nothing says: {stale:#?}");
}

#[test]
fn texts_are_found_in_the_ways_that_sources_write_them() {
    let source = "let a = \"One {x} two.\"; // \"kept\n// \"not this\"\nb(\"a \\\"quoted\\\" one\", \"broken \\\n    line\")\n";
    // A quote in a comment at a line's end would shift all that follows; the sources have none.
    let source = source.replace(" // \"kept", "");
    let texts: Vec<String> = literals(&source).iter().map(|l| shown(l)).collect();
    assert_eq!(texts, ["One … two.", "a \"quoted\" one", "broken line"]);
}

#[test]
fn the_webhooks_guide_has_each_of_its_variables_and_names() {
    let (example, guide) = (read(".env.example"), read("docs/auth0/dcr-log-webhook.md"));
    let section =
        example.split_once("── Client promotion webhook").unwrap().1.split_once("\n# ── ").unwrap().0;
    let names: BTreeSet<&str> = section
        .split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .filter(|word| word.contains('_') && word.len() > 5 && !word.starts_with('_'))
        .collect();
    assert!(names.len() > 10, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !guide.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/auth0/dcr-log-webhook.md lacks {missing:?}");
}

#[test]
fn the_webhooks_guide_says_what_to_do_for_each_reason() {
    let mut found = BTreeSet::new();
    let mut folders = vec![root().join("sidecar/src/webhook")];
    while let Some(path) = folders.pop() {
        if path.is_dir() {
            folders.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        } else if path.file_name().is_some_and(|name| name != "tests.rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            let source = source.split("#[cfg(test)]").next().unwrap();
            let code = |text: &String| {
                let (code, _) = text.split_once(": ")?;
                let is_code = code.len() > 5 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                is_code.then(|| code.to_owned())
            };
            found.extend(literals(source).iter().filter_map(code));
        }
    }
    assert!(found.len() > 7 && found.contains("not_allowed"), "{found:?}");
    let guide = read("docs/auth0/dcr-log-webhook.md");
    let rows = guide.split_once("## Parked events").unwrap().1.split_once("\n## ").unwrap().0;
    let documented: BTreeSet<String> =
        rows.lines().filter_map(|l| Some(l.strip_prefix("| `")?.split_once('`')?.0.to_owned())).collect();
    assert_eq!(found, documented);
}

/// The policy's members as `core/policy/src/raw.rs` names them, by the section that they are in, in order.
fn members() -> Vec<(String, Vec<String>)> {
    let source = read("core/policy/src/raw.rs");
    let sections = source.split("\nraw!(/** ").skip(1).map(|section| {
        let (title, rest) = section.split_once(" */").unwrap();
        let title = title.split('`').nth(1).unwrap_or("The whole policy").to_owned();
        let body = rest.split_once("});").map_or(rest, |(body, _)| body);
        let names = body.split("*/ ").skip(1).map(|member| member.split_once(':').unwrap().0.to_owned());
        (title, names.collect())
    });
    sections.collect()
}

#[test]
fn the_policys_page_has_each_member() {
    let page = read("docs/policy.md");
    let sections: Vec<(String, Vec<String>)> = page
        .split("\n##")
        .skip(2)
        .map(|section| {
            let (title, body) = section.split_once('\n').unwrap();
            let names = body.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0));
            (title.trim_matches(['#', ' ', '`']).to_owned(), names.map(str::to_owned).collect())
        })
        .collect();
    assert_eq!(sections.len(), 16, "{sections:?}");
    for (title, mut names) in members() {
        let (_, mut told) =
            sections.iter().find(|(other, _)| *other == title).cloned().unwrap_or_else(|| panic!("{title}"));
        names.sort();
        told.sort();
        assert_eq!(told, names, "{title}");
    }
}

#[test]
fn the_policys_page_begins_with_one_that_is_good() {
    let page = read("docs/policy.md");
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let policy: serde_json::Value = serde_saphyr::from_str(example).unwrap();
    let policy = gatewaystack_core::config::load_filter(Some(policy.to_string().as_bytes()), None);
    assert!(policy.is_ok(), "{:?}", policy.err());
}

#[test]
fn commands_in_the_guides_are_commands_that_there_are() {
    let mut seen = BTreeSet::new();
    let guides = [
        "auth0/setup",
        "auth0/dcr-log-webhook",
        "compare",
        "operations",
        "policy",
        "kubernetes",
        "deploy/cloud-run",
        "deploy/render",
        "deploy/fly",
    ];
    for guide in guides.map(|guide| format!("docs/{guide}.md")) {
        for line in read(&guide).lines().filter(|l| l.starts_with("gatewaystack ")) {
            // What follows is the shell's.
            let command = line.split(['#', '<', '>']).next().unwrap_or_default();
            let words: Vec<&str> = command.split_whitespace().collect();
            seen.insert(words[1].to_owned());
            // The webhook's own commands come with the webhook.
            if let Err(error) = gatewaystack::cli::Arguments::try_parse_from(&words)
                && !(words[1] == "webhook" && error.kind() == clap::error::ErrorKind::InvalidSubcommand)
            {
                panic!("{guide}: {line}\n{error}");
            }
        }
    }
    assert!(
        ["check", "compare", "doctor", "merge", "render", "serve", "smoke", "webhook"]
            .iter()
            .all(|name| seen.contains(*name)),
        "{seen:?}"
    );
}
