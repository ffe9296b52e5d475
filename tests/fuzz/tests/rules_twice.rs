//! Rules against a second reading of contract §15, in another language (`tests/python/rules.py`): random rules,
//! callers and calls, and each time the same decision by the same rule. `GATEWAYSTACK_CASES` says how many.

use gatewaystack_core::config;
use gatewaystack_core::config::policy::condition::Number;
use gatewaystack_core::config::policy::{IssuerId, Policy};
use gatewaystack_core::groups::{Groups, MAX_GROUPS, Names};
use gatewaystack_core::jwt::Scopes;
use gatewaystack_core::mcp::era::Era;
use gatewaystack_core::mcp::json_rpc::{self, Message};
use gatewaystack_core::principal::{Attributes, ClaimValue, Subject};
use gatewaystack_core::request;
use gatewaystack_core::rules::facts::{Asked, Facts};
use gatewaystack_core::rules::{self, Against};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Callers and calls for each set of rules.
const EACH: usize = 50;
const ISSUER: &str = "https://idp.example/";

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most as u64).unwrap()
    }
    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
    fn some<T: Copy>(&mut self, all: &[T], most: usize) -> Vec<T> {
        (0..=self.below(most)).map(|_| self.of(all)).collect()
    }
}

const TEXTS: [&str; 12] =
    ["ann", "bob", "a", "b", "/a/b", "/a/../b", "/a//b/", "a/b/c", "x y", "/", "/a\\b", "/ann/b"];
/// What conditions compare with.
const WANTED: [&str; 12] =
    ["ann", "a", "bob", "/a/b", "/b", "/a", "{user}", "{tenant}", "a{user}", "/{user}/b", "{client}", "b"];
const GLOBS: [&str; 10] = ["a*", "*b", "/a/*", "a*b", "*", "{user}*", "/*/b", "a/*/c", "/{user}/*", "*{tenant}*"];
const NUMBERS: [&str; 8] = ["0", "1", "-1", "2.5", "100", "9007199254740993", "9007199254740992", "0.1"];
const CLAIMS: [&str; 3] = ["claim:/c1", "claim:/c2", "claim:/c3"];
const PLACES: [&str; 5] = ["/amount", "/to", "/to/0", "/to/name", "/Name"];
const TOOLS: [&str; 3] = ["read", "write", "purge"];
const AGES: [(&str, u64); 4] = [("1s", 1), ("1m", 60), ("15m", 900), ("1h", 3_600)];

fn number(dice: &mut Dice) -> Value {
    serde_json::from_str(dice.of(&NUMBERS)).unwrap()
}

fn scalar(dice: &mut Dice, is_claim: bool) -> Value {
    match dice.below(if is_claim { 4 } else { 2 }) {
        2 => number(dice),
        3 => json!(dice.one_in(2)),
        _ => json!(dice.of(&WANTED)),
    }
}

fn operators(dice: &mut Dice, is_claim: bool) -> Value {
    let mut all = Map::new();
    for _ in 0..=dice.below(2) {
        let (name, operand) = match dice.below(if is_claim { 10 } else { 6 }) {
            0 => ("is", scalar(dice, is_claim)),
            1 => ("in", Value::from((0..=dice.below(3)).map(|_| scalar(dice, is_claim)).collect::<Vec<_>>())),
            2 => ("prefix", json!(dice.of(&WANTED))),
            3 => ("suffix", json!(dice.of(&WANTED))),
            4 => ("glob", json!(dice.of(&GLOBS))),
            5 => ("exists", json!(dice.one_in(2))),
            6 => ("min", number(dice)),
            7 => ("max", number(dice)),
            8 => ("contains", json!(dice.some(&WANTED, 2))),
            _ => ("subset_of", json!(dice.some(&WANTED, 3))),
        };
        all.insert(name.to_owned(), operand);
    }
    all.into()
}

/// A condition; `is_mcp`: its rule is about an MCP route.
fn condition(dice: &mut Dice, depth: usize, is_mcp: bool) -> Value {
    let mut all = Map::new();
    for _ in 0..=dice.below(2) {
        let (name, value) = match dice.below(if is_mcp { 17 } else { 13 }) {
            0 if depth > 0 => {
                let any = (0..=dice.below(3)).map(|_| condition(dice, depth - 1, is_mcp)).collect::<Vec<_>>();
                ("any", Value::from(any))
            }
            1 if depth > 0 => ("not", condition(dice, depth - 1, is_mcp)),
            2 => (dice.of(&["user", "tenant", "client", "actor"]), operators(dice, false)),
            3 => {
                let wanted = json!(dice.some(&WANTED, 2));
                let operator = dice.of(&["contains", "subset_of"]);
                (dice.of(&["groups", "scopes"]), json!({ operator: wanted }))
            }
            4 => ("machine", json!({"is": dice.one_in(2)})),
            5 => {
                let age = dice.of(&AGES).0;
                ("auth_age", json!({ dice.of(&["min", "max"]): age }))
            }
            6 => ("acr", operators(dice, false)),
            7 => ("header:x-h", operators(dice, false)),
            8 => ("path", operators(dice, false)),
            9 => {
                let mut time = json!({"zone": dice.of(&["UTC", "+05:30", "-08:00"])});
                let hours = dice.of(&["08:00-18:00", "22:00-06:00", "00:00-24:00", "18:00-24:00"]);
                match dice.below(3) {
                    0 => time["inside"] = json!(hours),
                    1 => time["outside"] = json!(hours),
                    _ => time["days"] = json!(["mon"]),
                }
                if dice.one_in(2) {
                    time["days"] = json!(dice.some(&["mon", "tue", "wed", "thu", "fri", "sat", "sun"], 5));
                }
                ("time", time)
            }
            13 => ("tool", json!({ dice.of(&["is", "prefix", "suffix"]): dice.of(&["read", "wr", "e"]) })),
            14 => ("prompt", json!({"is": "ask"})),
            15 | 16 => {
                let places = dice.some(&PLACES, 2);
                let arguments: Map<_, _> =
                    places.into_iter().map(|place| (place.to_owned(), operators(dice, true))).collect();
                ("arguments", arguments.into())
            }
            _ => (dice.of(&CLAIMS), operators(dice, true)),
        };
        all.insert(name.to_owned(), value);
    }
    all.into()
}

fn rule(dice: &mut Dice, id: usize) -> Value {
    let mut rule = json!({"id": format!("r{id}")});
    let is_narrowed = dice.one_in(2);
    if is_narrowed && dice.one_in(2) {
        rule["tools"] = json!(dice.some(&TOOLS, 2));
    } else if is_narrowed {
        rule["routes"] = json!([dice.of(&["/mcp", "/v1/*"])]);
    }
    let is_mcp = rule["routes"] != json!(["/v1/*"]);
    let what = dice.below(4);
    if what < 2 || !is_narrowed {
        rule["deny"] = condition(dice, 2, is_mcp);
    }
    if is_narrowed && what > 0 {
        rule["allow"] = condition(dice, 2, is_mcp);
    }
    if dice.one_in(4) {
        rule["step_up"] = match dice.below(2) {
            0 => json!({"max_age": dice.of(&AGES).0}),
            _ => json!({"acr": [dice.of(&["ann", "mfa"])], "max_age": dice.of(&AGES).0}),
        };
    }
    if dice.one_in(6) {
        rule["mode"] = json!("watch");
    }
    rule
}

fn document(dice: &mut Dice) -> Value {
    match dice.below(6) {
        0 => number(dice),
        1 => json!(dice.one_in(2)),
        2 => Value::Null,
        3 => json!(dice.some(&TEXTS, 2)),
        4 => json!([dice.of(&TEXTS), 7]),
        _ => json!(dice.of(&TEXTS)),
    }
}

fn given(dice: &mut Dice) -> Value {
    let mut given = json!({"user": dice.of(&["ann", "bob", "a/b", "a"]), "now": 1_790_000_000 + dice.below(10_000_000)});
    for name in ["tenant", "client", "actor", "acr"] {
        if dice.one_in(2) {
            given[name] = json!(dice.of(&["ann", "a", "b", "mfa"]));
        }
    }
    for name in ["groups", "scopes"] {
        if dice.one_in(2) {
            given[name] = json!(dice.some(&["ann", "a", "b", "bob"], 3));
        }
    }
    if dice.one_in(2) {
        given["machine"] = json!(dice.one_in(2));
    }
    if dice.one_in(2) {
        given["auth_age"] = json!(dice.below(4_000));
    }
    for name in CLAIMS {
        if dice.one_in(2) {
            given[name] = document(dice);
        }
    }
    if dice.one_in(2) {
        given["header:x-h"] = json!(dice.of(&TEXTS));
    }
    if dice.one_in(3) {
        given["route"] = json!("/v1/*");
        given["path"] = json!(dice.of(&["/v1/a", "/v1/ann/b", "/v1/b"]));
        return given;
    }
    (given["route"], given["path"]) = (json!("/mcp"), json!("/mcp"));
    let kind = dice.below(4);
    match kind {
        0 | 1 => given["tool"] = json!(dice.of(&TOOLS)),
        2 => given["prompt"] = json!("ask"),
        _ => return given,
    }
    if dice.one_in(8) {
        return given;
    }
    let mut arguments = Map::new();
    for name in ["amount", "Amount", "to", "Name"] {
        if !dice.one_in(if name == "Amount" { 8 } else { 2 }) {
            continue;
        }
        let value = match dice.below(5) {
            0 => json!({"name": document(dice), "0": document(dice)}),
            1 => json!([document(dice), document(dice)]),
            _ => document(dice),
        };
        arguments.insert(name.to_owned(), value);
    }
    given["arguments"] = arguments.into();
    given
}

fn text(given: &Value, name: &str) -> Option<String> {
    given[name].as_str().map(str::to_owned)
}

fn claim(value: &Value) -> ClaimValue {
    match value {
        Value::String(text) => ClaimValue::Text(text.as_str().into()),
        Value::Bool(flag) => ClaimValue::Flag(*flag),
        Value::Number(number) => ClaimValue::Number(
            number.as_i64().map_or_else(|| Number::Real(number.as_f64().unwrap()), Number::Whole),
        ),
        Value::Array(items) => {
            let texts = items.iter().map(Value::as_str).collect::<Option<Vec<_>>>();
            texts.and_then(|texts| Names::of(texts, MAX_GROUPS)).map_or(ClaimValue::Other, ClaimValue::Texts)
        }
        Value::Null | Value::Object(_) => ClaimValue::Other,
    }
}

fn attributes(policy: &Policy, given: &Value) -> Attributes {
    let names = |name: &str| -> Vec<&str> { given[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect() };
    let now = given["now"].as_f64().unwrap();
    let claims = policy.rules.claims.iter().map(|pointer| {
        given.get(format!("claim:{}", pointer.as_str())).map_or(ClaimValue::Missing, claim)
    });
    Attributes {
        issuer: IssuerId(0),
        issuer_name: Arc::from(ISSUER),
        user: text(given, "user").unwrap(),
        is_shared: false,
        subject: Subject::User,
        tenant: text(given, "tenant"),
        audiences: Vec::new(),
        scopes: Scopes::of(names("scopes")),
        consented: None,
        groups: Groups::Known(Names::of(names("groups"), MAX_GROUPS).unwrap()),
        is_machine: given["machine"].as_bool().unwrap_or(false),
        client: text(given, "client"),
        agent: None,
        actor: text(given, "actor"),
        acr: text(given, "acr"),
        signed_in: given["auth_age"].as_f64().map(|age| now - age),
        claims: claims.collect(),
        token_id: None,
        issued: 0.0,
        ends: f64::MAX,
    }
}

/// What the core says.
fn decided(policy: &Policy, given: &Value) -> String {
    let caller = attributes(policy, given);
    let (route, path) = (given["route"].as_str().unwrap(), given["path"].as_str().unwrap());
    let route = policy.routes.iter().find(|other| other.name == route).unwrap();
    let mut headers: Vec<(&[u8], &[u8])> =
        vec![(b":method", b"POST"), (b":path", path.as_bytes()), (b":authority", b"gateway.example.com")];
    headers.extend(given["header:x-h"].as_str().map(|text| (&b"x-h"[..], text.as_bytes())));
    let request = request::parse(&headers, &policy.identity).unwrap();
    let mut params = Map::new();
    let method = match (given["tool"].as_str(), given["prompt"].as_str()) {
        (Some(_), _) => "tools/call",
        (_, Some(_)) => "prompts/get",
        _ => "ping",
    };
    if let Some(name) = given["tool"].as_str().or(given["prompt"].as_str()) {
        params.insert("name".to_owned(), json!(name));
    }
    if !given["arguments"].is_null() {
        params.insert("arguments".to_owned(), given["arguments"].clone());
    }
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let read = json_rpc::parse(body.as_bytes(), Era::of(Some("2025-06-18")).unwrap(), true).unwrap();
    let Message::Call(call) = &read.messages[0] else { panic!("{body}") };
    let facts = Facts {
        rules: &policy.rules,
        request: Some(&request),
        route,
        caller: &caller,
        asked: route.mcp.as_ref().map_or(Asked::Nothing, |mcp| Asked::of(call, mcp)),
        address: &|| None,
        now_ms: given["now"].as_u64().unwrap() * 1_000,
        found: RefCell::default(),
    };
    match rules::judge(&facts).against {
        None => "allow".to_owned(),
        Some(Against::Rule(id, _)) => format!("deny {id}"),
        Some(Against::StepUp(id, _)) => format!("step_up {id}"),
    }
}

fn policy(rules: &[Value]) -> Policy {
    let policy = json!({
        "version": 1,
        "hold_headers": true,
        "public_url": "https://gateway.example.com",
        "issuers": [{"issuer": ISSUER, "audiences": ["a"], "jwks_cluster": "jwks"}],
        "rule_headers": ["x-h"],
        "routes": [
            {"path": "/mcp", "mcp": {"tools": {"read": [], "write": [], "purge": []}, "prompts": {"ask": []}}},
            {"path": "/v1/*"},
        ],
        "rules": rules,
    });
    config::load_filter(Some(policy.to_string().as_bytes()), None).unwrap_or_else(|errors| panic!("{errors:?}\n{policy:#}"))
}

#[test]
fn a_second_reading_comes_to_the_same() {
    let cases: usize = std::env::var("GATEWAYSTACK_CASES").map_or(20_000, |text| text.parse().unwrap());
    let seed = std::env::var("GATEWAYSTACK_SEED").map_or(7, |text| text.parse().unwrap());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../python/rules.py");
    let mut dice = Dice(seed);
    let (mut lines, mut ours) = (String::new(), Vec::new());
    while ours.len() < cases {
        let rules: Vec<Value> = (0..=dice.below(5)).map(|id| rule(&mut dice, id)).collect();
        let policy = policy(&rules);
        for _ in 0..EACH {
            let given = given(&mut dice);
            ours.push(decided(&policy, &given));
            writeln!(lines, "{}", json!({"rules": rules, "given": given})).unwrap();
        }
    }
    let mut python = Command::new("python3").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = python.stdin.take().unwrap();
    let sent = lines.clone();
    let writer = std::thread::spawn(move || stdin.write_all(sent.as_bytes()).unwrap());
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let theirs: Vec<&str> = said.lines().collect();
    assert_eq!(theirs.len(), ours.len());
    let mut kinds = [0usize; 3];
    for ((ours, theirs), line) in ours.iter().zip(&theirs).zip(lines.lines()) {
        assert_eq!(ours, theirs, "{line}");
        kinds[["allow", "deny", "step_up"].iter().position(|kind| ours.starts_with(kind)).unwrap()] += 1;
    }
    println!("{} cases: {kinds:?} allowed, denied, to be stepped up", ours.len());
    assert!(kinds.iter().all(|count| count * 50 > ours.len()), "each is tried: {kinds:?}");
}
