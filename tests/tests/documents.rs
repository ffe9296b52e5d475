//! The documents keep up with the code: each text that the gateway can refuse with has its entry in
//! docs/troubleshooting.md, and no entry is of a text that is gone; the webhook's guide has each of its
//! variables; commands in the guides are commands that there are; what is cited of docs/contract.md is in it.

use clap::Parser as _;
use gatewaystack_core::config::raw::RawPolicy;
use gatewaystack_tests::root;
use std::collections::BTreeSet;
use std::process::Command;

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

/// The core's texts, out of the functions that make them: anyone who adds a variant adds its text there.
fn of_core() -> BTreeSet<String> {
    let source = read("core/src/refusal/description.rs");
    let mut found = BTreeSet::new();
    let places = [
        "fn of",
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

/// The policy's members as the gateway reads them, by the section that they are in.
fn members() -> Vec<(String, Vec<String>)> {
    let sections = RawPolicy::SECTION.all().into_iter().map(|section| {
        let title = if section.name.is_empty() { "The whole policy" } else { section.name };
        (title.to_owned(), section.members.iter().map(|member| member.name.to_owned()).collect())
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
    let members = members();
    assert!(members.len() > 16, "{members:?}");
    assert_eq!(sections.len(), members.len(), "{sections:?}");
    for (title, mut names) in members {
        let (_, mut told) =
            sections.iter().find(|(other, _)| *other == title).cloned().unwrap_or_else(|| panic!("{title}"));
        names.sort();
        told.sort();
        assert_eq!(told, names, "{title}");
    }
}

#[test]
fn the_policys_page_and_the_readme_begin_with_one_that_is_good() {
    for page in ["docs/policy.md", "README.md"] {
        let text = read(page);
        let (_, rest) = text.split_once("```yaml\n").unwrap();
        let (example, _) = rest.split_once("```").unwrap();
        let policy: serde_json::Value = serde_saphyr::from_str(example).unwrap();
        let policy = gatewaystack_core::config::load_filter(Some(policy.to_string().as_bytes()), None);
        assert!(policy.is_ok(), "{page}: {:?}", policy.err());
    }
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
    let guides = guides.map(|guide| format!("docs/{guide}.md"));
    for guide in guides.into_iter().chain(["README.md".to_owned()]) {
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

/// The tracked files that are text: their paths, and what they say.
fn tracked() -> Vec<(String, String)> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().expect("git runs");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let paths = String::from_utf8(listed.stdout).unwrap();
    let texts = paths.split_terminator('\0').filter_map(|path| {
        // What is removed and not yet committed is listed, too.
        Some((path.to_owned(), String::from_utf8(std::fs::read(root().join(path)).ok()?).ok()?))
    });
    texts.collect()
}

fn anchors(document: &str) -> BTreeSet<&str> {
    document.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// The anchor of a section: `12.1` has `s12-1`.
fn anchor(section: &str) -> String {
    format!("s{}", section.replace('.', "-"))
}

/// The sections of the contract that a text cites, in lists and ranges, too.
fn cited(text: &str) -> Vec<&str> {
    let mut sections = Vec::new();
    for (at, found) in text.match_indices("ontract §") {
        if !text[..at].ends_with(['c', 'C']) {
            continue;
        }
        let mut rest = Some(&text[at + found.len()..]);
        while let Some(begun) = rest {
            let end = begun.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(begun.len());
            let (section, after) = begun.split_at(end);
            // `§N` stands for any of them.
            sections.extend(Some(section.trim_end_matches('.')).filter(|section| !section.is_empty()));
            let joined = [", §", " and §", " or §", " to §"];
            rest = joined.iter().find_map(|joined| after.strip_prefix(joined));
        }
    }
    sections
}

/// Links of Markdown: what they show, and where they lead.
fn links(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.match_indices("](").filter_map(|(at, between)| {
        let shown = text[..at].rsplit('[').next()?;
        Some((shown, text[at + between.len()..].split(')').next()?))
    })
}

#[test]
fn each_citation_of_the_contract_leads_to_a_section() {
    const PAGE: &str = "docs/contract.md";
    let contract = read(PAGE);
    let anchors = anchors(&contract);
    let (mut seen, mut wrong) = (0, Vec::new());
    for (path, text) in tracked() {
        for section in cited(&text) {
            seen += 1;
            if !anchors.contains(anchor(section).as_str()) {
                wrong.push(format!("{path}: contract \u{a7}{section} isn't there"));
            }
        }
        for (shown, target) in links(&text).filter(|_| path.ends_with(".md")) {
            let Some((page, fragment)) = target.split_once('#') else { continue };
            let is_contract = if page.is_empty() { path == PAGE } else { page.ends_with("contract.md") };
            let is_section = shown.rsplit_once('§').is_none_or(|(_, section)| anchor(section) == fragment);
            if is_contract && !(anchors.contains(fragment) && is_section) {
                wrong.push(format!("{path}: [{shown}]({target}) leads nowhere"));
            }
        }
    }
    assert!(seen > 80, "{seen} citations");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_section_of_the_contract_has_its_anchor_right_before_it() {
    let contract = read("docs/contract.md");
    let (mut before, mut sections) = ("", 0);
    for line in contract.lines().filter(|line| !line.is_empty()) {
        let heading = line.strip_prefix("### ").or_else(|| line.strip_prefix("## "));
        if let Some((number, _)) = heading.and_then(|heading| heading.split_once(' ')) {
            let expected = format!("<a id=\"{}\"></a>", anchor(number.trim_end_matches('.')));
            assert_eq!(before, expected, "before {line}");
            sections += 1;
        }
        before = line;
    }
    assert!(sections > 40, "{sections}");
    assert_eq!(anchors(&contract).len(), sections, "an anchor is there twice, or belongs to no section");
}

#[test]
fn citations_are_found_in_the_ways_that_texts_write_them() {
    for (text, expected) in [
        ("(contract §1.7, §2). Header", ["1.7", "2"].as_slice()),
        ("//! Contract §9.1 to §9.3: who; contract §4 and §5.", &["9.1", "9.3", "4", "5"]),
        ("in the order of [contract §12.2](x)", &["12.2"]),
        ("RFC 9110 §11.4, the contract (§3), contracts §5, contract §N", &[]),
    ] {
        assert_eq!(cited(text), expected, "{text}");
    }
}

/// Texts that were cited once, and never were in the repository. Divided, so that this file isn't one that
/// cites them.
const ABSENT: [&str; 6] = [
    concat!("CONTR", "ACT"),
    concat!("DES", "IGN"),
    concat!("GOVERN", "ANCE"),
    concat!("POL", "ICY.md"),
    concat!("POL", "ICY §"),
    concat!("POL", "ICY `"),
];

#[test]
fn no_file_cites_a_text_that_is_not_in_the_repository() {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut wrong = Vec::new();
    // A licence has this word as every contract has.
    for (path, text) in tracked().into_iter().filter(|(path, _)| path != "LICENSE") {
        for (at, name) in ABSENT.iter().flat_map(|name| text.match_indices(name)) {
            if !text[..at].ends_with(is_word) && !text[at + name.len()..].starts_with(is_word) {
                wrong.push(format!("{path}:{}: {name}", text[..at].matches('\n').count() + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "cite docs/contract.md, docs/policy.md or ARCHITECTURE.md instead: {wrong:#?}");
}
