//! What is supported in which era, found out by asking: the table of `docs/mcp-support.md`.

use super::*;
use gatewaystack_tests::scripted::{Step, answer, json_answer};
use gatewaystack_tests::support;

/// A gateway, and the era in which it is asked.
struct Probe<'a> {
    stage: &'a Stage,
    era: &'a str,
    reader: &'a str,
}

fn request(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}

const TOOLS: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"add_note"},{"name":"list_notes"}]}}"#;

impl Probe<'_> {
    async fn ask(&self, method: &str, name: Option<&str>, body: &str, token: Option<&str>) -> Response {
        let ask = in_era(post("/mcp", body).bearer(token), self.era, method, name);
        self.stage.send(Http::One, ask).await
    }

    async fn post(&self, method: &str, name: Option<&str>, params: Value) -> Response {
        self.ask(method, name, &request(method, &params), Some(self.reader)).await
    }

    async fn call(&self, name: &str, token: Option<&str>) -> Response {
        self.ask("tools/call", Some(name), &call(name), token).await
    }

    /// The list of tools as a reader sees it, in this framing.
    async fn list(&self, kind: &str) -> String {
        let body = if kind == "text/event-stream" { format!("data: {TOOLS}\n\n") } else { TOOLS.to_owned() };
        self.stage.upstream.answers([Step::Send(answer(&format!("content-type: {kind}\r\n"), &body))]);
        let got = self.post("tools/list", None, json!({})).await.body;
        self.stage.upstream.answers([Step::Send(answer(
            "content-type: application/json\r\n",
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        ))]);
        got
    }

    /// A name in the rules passes, and its sibling asks for more.
    async fn rule(&self, method: &str, member: &str) -> bool {
        let good = self.post(method, Some("notes://a"), json!({member: "notes://a"})).await.status;
        let more = self.post(method, Some("notes://b"), json!({member: "notes://b"})).await;
        let challenge = more.header("www-authenticate").unwrap_or_default();
        (good, more.status) == (200, 403) && challenge.contains("error=\"insufficient_scope\"")
    }

    async fn batch(&self) -> bool {
        let of = |names: &[&str]| {
            let calls: Vec<Value> = names.iter().map(|n| serde_json::from_str(&call(n)).unwrap()).collect();
            json!(calls).to_string()
        };
        let (good, bad) = (of(&["whoami", "list_notes"]), of(&["whoami", "add_note"]));
        let token = Some(self.reader);
        let good = self.ask("tools/call", Some("whoami"), &good, token).await.status;
        (good, self.ask("tools/call", Some("whoami"), &bad, token).await.status) == (200, 403)
    }

    async fn disagreement(&self) -> bool {
        let got = self.ask("tools/call", Some("whoami"), &call("list_notes"), Some(self.reader)).await;
        got.status == 400 && got.json()["error"]["code"] == -32020
    }

    async fn method(&self, method: &str) -> bool {
        let of = |token| ask(method, "/mcp").bearer(token).header("mcp-protocol-version", self.era);
        let nobody = self.stage.send(Http::One, of(None)).await.status;
        (nobody, self.stage.send(Http::One, of(Some(self.reader))).await.status) == (401, 200)
    }

    async fn answer_to_the_server(&self) -> bool {
        let body = json!({"jsonrpc": "2.0", "id": 1, "result": {}}).to_string();
        self.ask("", None, &body, Some(self.reader)).await.status == 200
    }

    /// The upstream sees the session of the client.
    async fn session(&self) -> bool {
        let ask = post("/mcp", call("whoami")).bearer(Some(self.reader)).header("mcp-session-id", "s1");
        let got = self.stage.send(Http::One, in_era(ask, self.era, "tools/call", Some("whoami"))).await;
        got.status == 200 && self.stage.upstream.seen().pop().unwrap().header("mcp-session-id") == ["s1"]
    }

    /// Who got a session may use it, and another user may not.
    async fn own_session(&self) -> bool {
        let json = "content-type: application/json\r\n";
        let (pong, id) = (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, format!("of-{}", self.era));
        self.stage.upstream.answers([Step::Send(answer(&format!("{json}mcp-session-id: {id}\r\n"), pong))]);
        self.call("whoami", Some(self.reader)).await;
        self.stage.upstream.answers([Step::Send(answer(json, pong))]);
        let of = |token: &str| post("/mcp", call("whoami")).bearer(Some(token)).header("mcp-session-id", &id);
        let other = token().scope("tool:read").subject("ben").mint(&self.stage.issuer);
        let send = |ask| self.stage.send(Http::One, in_era(ask, self.era, "tools/call", Some("whoami")));
        (send(of(self.reader)).await.status, send(of(&other)).await.status) == (200, 404)
    }

    async fn without_a_body(&self) -> bool {
        let ask = post("/mcp", "").without("content-length").bearer(Some("a.b.c"));
        let ask = in_era(ask.cut(1), self.era, "tools/call", Some("list_notes"));
        let got = self.stage.send(Http::One, ask).await;
        got.status == 401 && got.header("www-authenticate").is_some_and(|c| c.contains("scope=\"tool:read\""))
    }

    /// Its caller may ask for it with the tool's scope, and neither without nor may another user.
    async fn own_task(&self) -> bool {
        let id = format!("task-of-{}", self.era);
        let task = json!({"taskId": id, "status": "working"});
        let nested = json!({"jsonrpc": "2.0", "id": 1, "result": {"task": task}});
        let flat = json!({"jsonrpc": "2.0", "id": 1, "result": {"resultType": "task", "taskId": id}});
        let made = if self.era == NEWEST { flat } else { nested };
        self.stage.upstream.answers([Step::Send(json_answer(&made.to_string()))]);
        self.call("list_notes", Some(self.reader)).await;
        self.stage.upstream.answers([Step::Send(json_answer(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#))]);
        let mint = |scope: &str, user: &str| token().scope(scope).subject(user).mint(&self.stage.issuer);
        let get = request("tasks/get", &json!({"taskId": id}));
        let mut got = Vec::new();
        for token in [mint("tool:read", "ann"), mint("other", "ann"), mint("tool:read", "ben")] {
            got.push(self.ask("tasks/get", Some(&id), &get, Some(&token)).await.status);
        }
        got == [200, 403, 403]
    }

    async fn rows(&self) -> Vec<(&'static str, bool)> {
        let json = self.list("application/json").await;
        let stream = self.list("text/event-stream").await;
        let filtered = |text: &str| text.contains("list_notes") && !text.contains("add_note");
        let lazy = if self.era == NEWEST { "server/discover" } else { "initialize" };
        let unknown = self.call("unheard_of", Some(self.reader)).await;
        let step_up = self.call("add_note", Some(self.reader)).await;
        let step_up = step_up.header("www-authenticate").unwrap_or_default().to_owned();
        vec![
            ("Rules for tools; a tool that isn't named is refused", unknown.status == 403),
            (
                "403 with the scopes that the call needs",
                step_up.contains("insufficient_scope") && step_up.contains("scope=\"tool:write\""),
            ),
            ("Rules for prompts", self.rule("prompts/get", "name").await),
            ("Rules for resources", self.rule("resources/read", "uri").await),
            ("Tools that are open without a token", self.call("help", None).await.status == 200),
            (
                "Methods that are open without a token (`lazy_auth`)",
                self.ask(lazy, None, &request(lazy, &json!({})), None).await.status == 200,
            ),
            ("`tools/list` shows what the caller may call, in JSON", filtered(&json)),
            ("`tools/list` shows what the caller may call, in an event stream", filtered(&stream)),
            ("`securitySchemes` of the policy in `tools/list`", json.contains("\"securitySchemes\"")),
            ("`cacheScope: private` in lists", json.contains("\"cacheScope\":\"private\"")),
            ("Batches, each call of them judged", self.batch().await),
            ("The server's own requests, answered by POST", self.answer_to_the_server().await),
            ("Event streams by GET, with a token", self.method("GET").await),
            ("The end of a session by DELETE, with a token", self.method("DELETE").await),
            ("`Mcp-Session-Id` reaches the server", self.session().await),
            (
                "A session is the caller's that got it; another's use is 404 (`sessions: bind`)",
                self.own_session().await,
            ),
            (
                "A task follows the rule of the tool that made it, for the caller that it was made for",
                self.own_task().await,
            ),
            (
                "A task that nobody knows of is refused where a tool needs more than a token, unless `tasks: allow`",
                self.post("tasks/get", None, json!({"taskId": "t"})).await.status == 403,
            ),
            ("Headers that disagree with the body: -32020", self.disagreement().await),
            ("A bad token is refused by the headers, with the call's scope", self.without_a_body().await),
        ]
    }
}

#[tokio::test]
async fn what_is_supported_in_which_era_is_written_down() {
    let route = mcp(json!({
        "prompts": {"notes://a": [], "notes://b": ["tool:write"]},
        "resources": {"notes://a": [], "notes://*": ["tool:write"]},
        "lazy_auth": ["initialize", "server/discover"],
    }));
    let stage = stage_with(true, route, &json!([])).await;
    let reader = stage.reader();
    let mut table: Vec<(&str, Vec<bool>)> = Vec::new();
    for era in ERAS {
        let probe = Probe { stage: &stage, era, reader: &reader };
        for (at, (what, supported)) in probe.rows().await.into_iter().enumerate() {
            if table.len() == at {
                table.push((what, Vec::new()));
            }
            table[at].1.push(supported);
        }
    }
    // What isn't in the newest era only because nobody needs it there, and what is only there.
    let missing: Vec<_> = table.iter().filter(|(_, eras)| !eras.contains(&true)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    support::write("eras", &json!({"eras": ERAS, "rows": table}));
}
