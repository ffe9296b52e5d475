//! `demo --check`. In: the cases, the demo's guide and the README's walk. Out: original, expected and got of
//! each on standard output, and `docs/parity.md` with its badge.

use anyhow::{Context, Result, bail};

use super::{
    cases::{CASES, Case},
    guide, parity, readme,
    requests::Requests,
    servers::{Place, Servers, loopback},
    walk::Walk,
};
use crate::{
    gateway::{Configuration, build},
    process::{Stack, Stop},
    test::tally::Suite,
    workspace::Workspace,
};

/// What the second gateway has of its own: the original's ways where ours differ by default, and a limit that
/// is soon reached.
const AS_THE_ORIGINAL: [(&str, &str); 5] = [
    ("PRM_REQUIRE_TOKEN", "true"),
    ("CHALLENGE_SCOPE", "all"),
    ("TOOL_SCOPES", "tool:admin,tool:read,tool:write"),
    ("RESOURCE_URL", "https://gateway.local/mcp"),
    ("RATE_LIMIT_MAX", "5"),
];

/// Walks through all cases and writes the document. A document that changes is a failure, too: it has to be
/// committed.
pub fn check(workspace: &Workspace) -> Result<Suite> {
    let built = build(workspace)?;
    let (place, second) = (Place::free()?, Place::free()?);
    let of_demo = Place::free()?;
    let [second, of_demo] = [second, of_demo].map(|other| Place {
        issuer: place.issuer,
        apps: place.apps,
        echo: place.echo,
        ..other
    });
    let data = workspace.target.join("demo-check");
    let first_data = data.join("first");
    let demo_data = data.join("demo");
    let policy = of_demo.policy(&workspace.root, &demo_data)?;
    let configurations = [
        (place.environment(&first_data, &[]), None),
        (second.environment(&data.join("second"), &AS_THE_ORIGINAL), None),
        (of_demo.environment(&demo_data, &[]), Some(policy)),
    ]
    .map(|(only, policy)| Configuration { only: Some(only), policy, ..Configuration::default() });
    let stop = Stop::on_signals()?;
    let mut stack = Stack::default();
    let servers = Servers { place: &place, program: &workspace.binary("gatewaystack-demo") };
    let mut going = servers.start(&mut stack, &stop)?;
    let mut rendered = Vec::new();
    for configuration in &configurations {
        rendered.push(built.render(configuration)?.context("the demo's own configuration is refused")?);
    }
    for gateway in &rendered {
        going = going && gateway.start(&mut stack, &stop)?;
    }
    if !going {
        bail!("stopped");
    }
    let walk = Walk {
        demo: loopback(of_demo.gateway),
        gateway: loopback(place.gateway),
        as_original: loopback(second.gateway),
        issuer: loopback(place.issuer),
        requests: Requests::read()?,
    };
    let mut suite = Suite::default();
    let good_cases = CASES.iter().filter(|case| good(case, &walk)).count();
    suite.passed += good_cases as u64;
    suite.failed += (CASES.len() - good_cases) as u64;
    guide::check(&walk, &mut suite)?;
    readme::check(&workspace.root, &walk, &mut suite)?;
    for changed in parity::write(&workspace.root, CASES, good_cases)? {
        println!("docs/{changed} has changed: commit it");
        suite.failed += 1;
    }
    Ok(suite)
}

fn good(case: &Case, walk: &Walk) -> bool {
    let got = (case.ask)(walk).unwrap_or_else(|error| format!("no answer: {error:#}"));
    let good = got == case.expected;
    println!("{} {}", case.section, case.example);
    println!("    original  {}", case.original);
    println!("    expected  {}", case.expected);
    println!("    got       {got}");
    println!("    {}", if good { "good" } else { "WRONG" });
    if let Some(reason) = case.reason {
        println!("    deviates  {reason}");
    }
    good
}
