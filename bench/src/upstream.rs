//! A fast upstream over HTTP/1.1. In: any request. Out: its body read, and 200 with what the path asks for:
//! `/.well-known/jwks.json` the key set, `/list/N` the answer to `tools/list` with N tools of 1 KiB each,
//! `/mcp` the answer to a `tools/call`, all else a short JSON object.

use std::{collections::HashMap, convert::Infallible, io, net::Ipv4Addr, rc::Rc};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::LocalSet};

/// Numbers of tools that a list is asked for with.
const LISTS: [usize; 3] = [64, 256, 1024];
/// Bytes of a tool in a list, its comma included.
const TOOL_BYTES: usize = 1024;

pub async fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let answers = Rc::new(answers()?);
    LocalSet::new().run_until(accept(listener, answers)).await
}

async fn accept(listener: TcpListener, answers: Rc<Answers>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answers = Rc::clone(&answers);
        let service = service_fn(move |request| answer(request, Rc::clone(&answers)));
        // A connection that fails is its client's loss.
        tokio::task::spawn_local(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// Bodies by path.
struct Answers {
    named: HashMap<String, Bytes>,
    other: Bytes,
}

async fn answer(
    request: Request<Incoming>,
    answers: Rc<Answers>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = answers.named.get(request.uri().path()).unwrap_or(&answers.other).clone();
    // What can't be read ends the connection, which hyper sees, too.
    let _ = request.into_body().collect().await;
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    Ok(response)
}

fn answers() -> io::Result<Answers> {
    let result =
        |result: Value| Bytes::from(json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string());
    let mut named: HashMap<String, Bytes> =
        LISTS.iter().map(|count| (format!("/list/{count}"), result(tools(*count)))).collect();
    let called = result(json!({"content": [{"type": "text", "text": "three notes"}], "isError": false}));
    named.insert("/mcp".to_owned(), called);
    named.insert("/.well-known/jwks.json".to_owned(), Bytes::from(crate::tokens::key_set()?.to_string()));
    Ok(Answers { named, other: Bytes::from_static(br#"{"notes":["one","two","three"]}"#) })
}

/// As a `tools/list` has them (MCP 2025-06-18 §Tools): a name, a description, a schema. The first is shorter,
/// for what is around the list.
fn tools(count: usize) -> Value {
    let tool = |number: usize| {
        let tool = |description: String| {
            json!({
                "name": format!("tool_{number}"),
                "description": description,
                "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
            })
        };
        let around = if number == 0 { 64 } else { 1 };
        let missing = TOOL_BYTES.saturating_sub(tool(String::new()).to_string().len() + around);
        tool("Finds what was written. ".repeat(TOOL_BYTES / 24).chars().take(missing).collect())
    };
    json!({"tools": (0..count).map(tool).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::{LISTS, TOOL_BYTES, answers};

    #[test]
    fn a_list_has_the_size_that_its_path_says() {
        let answers = answers().unwrap();
        for count in LISTS {
            let size = answers.named[&format!("/list/{count}")].len();
            assert!(size <= count * TOOL_BYTES && size > count * TOOL_BYTES - 64, "{count} tools: {size}");
        }
    }
}
