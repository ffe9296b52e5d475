//! A real MCP server (made with `rmcp`, over streamable HTTP, every era that it knows) to stand behind the
//! gateway: notes, each user's own. In: requests on which the gateway has put the verified user. Out: what
//! that user has, and nothing else.
//!
//! It keeps no sessions, so that nothing grows with the number of clients. It believes `X-User-Id`, as every
//! backend behind the gateway does: who reaches it without the gateway may call himself anything, so it
//! listens on loopback only.

mod notes;
mod tools;

use axum::Router;
use axum::http::request::Parts;
use notes::Notes;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, Implementation,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use std::sync::Arc;

/// For whom the tools are described.
#[derive(Clone, Copy)]
pub(crate) enum Descriptors {
    /// As every MCP client understands them.
    Plain,
    /// With what ChatGPT's Apps SDK reads besides.
    Apps,
}

/// The server at `path`, with notes of its own.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(path: &str, descriptors: Descriptors) -> Router<S> {
    let server = Server { notes: Arc::default(), descriptors };
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    Router::new().route_service(path, service)
}

#[derive(Clone)]
struct Server {
    notes: Arc<Notes>,
    descriptors: Descriptors,
}

impl Server {
    fn call(&self, user: &str, request: &CallToolRequestParams) -> Result<String, ErrorData> {
        let argument = |name: &str| {
            let value = request.arguments.as_ref().and_then(|arguments| arguments.get(name));
            let text = value.and_then(serde_json::Value::as_str).filter(|text| !text.is_empty());
            text.ok_or_else(|| ErrorData::invalid_params(format!("{name} is missing: give a text."), None))
        };
        match request.name.as_ref() {
            "whoami" => Ok(format!("You are {user}.")),
            "list_notes" => Ok(listed(user, &self.notes.of(user))),
            "add_note" => {
                let text = argument("text")?;
                let count =
                    self.notes.add(user, text).map_err(|full| ErrorData::invalid_params(full, None))?;
                Ok(format!("Noted. {user} has {count} notes now."))
            }
            "purge" => Ok(format!("{} notes of {user} are gone.", self.notes.purge(user))),
            "read_other_users_note" => {
                let owner = argument("owner")?;
                // The store is asked for the caller's, as by every tool: there is no way from here to
                // another's.
                let found: Vec<_> =
                    self.notes.of(user).into_iter().filter(|note| note.owner == owner).collect();
                match found.is_empty() {
                    true => {
                        Ok(format!("There is nothing of yours among the notes of {owner}: you are {user}."))
                    }
                    false => Ok(listed(user, &found)),
                }
            }
            other => Err(ErrorData::invalid_params(format!("There is no tool {other}."), None)),
        }
    }
}

fn listed(user: &str, notes: &[notes::Note]) -> String {
    let lines = notes.iter().map(|note| format!("\n- {}", note.text));
    format!("{} notes of {user}:{}", notes.len(), lines.collect::<String>())
}

/// Who calls, as the gateway says.
fn user(context: &RequestContext<RoleServer>) -> Result<&str, ErrorData> {
    let parts = context.extensions.get::<Parts>();
    let named = parts.and_then(|parts| parts.headers.get("x-user-id")).and_then(|value| value.to_str().ok());
    named.filter(|user| !user.is_empty()).ok_or_else(|| {
        ErrorData::invalid_request("Nobody is signed in: this server is called through the gateway.", None)
    })
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("gatewaystack-demo-notes", env!("CARGO_PKG_VERSION")))
            .with_instructions(
                "Notes, each user's own. add_note needs the scope tool:write, purge needs admin or owner.",
            )
    }

    /// All of them: the gateway cuts the list down to what the caller may use.
    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all(self.descriptors)))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all(self.descriptors).into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let text = self.call(user(&context)?, &request)?;
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}
