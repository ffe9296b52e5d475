//! Records by OTLP, at `ledger.otlp_port`: what Envoy's own logger sends
//! (`envoy.access_loggers.open_telemetry`), and what a collector hands on. gRPC, and OTLP over HTTP in
//! Protocol Buffers or JSON at `/v1/logs`. A log record is one of ours where its body is a decision record as
//! text.
//!
//! Who sends shows the sidecar's secret, on loopback, too: another process on this machine could make up
//! records.

use super::records::{Kept, Records};
use super::reply::{Reply, refusal};
use crate::ledger::Posted;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Status};

/// The largest message: some thousand records.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// A request takes at most this long.
const PATIENCE: Duration = Duration::from_secs(20);
/// Requests of one connection at once.
const AT_ONCE: u32 = 16;
/// From one try to listen to the next.
const AGAIN: Duration = Duration::from_secs(1);
/// How records came that came so, in leaves of the audit log.
const BY: &str = "otlp";
const SECRET: &str = "x-gatewaystack-secret";

/// What takes records by OTLP.
#[derive(Clone)]
pub struct Otlp {
    pub records: Arc<Records>,
    /// Where it listens: a name or an address.
    pub host: String,
    pub port: u16,
}

impl Otlp {
    /// Listens and serves until it is told; where it can't listen, it tries again.
    pub async fn run(self, mut told: watch::Receiver<bool>) {
        let mut has_warned = false;
        while !*told.borrow() {
            match TcpListener::bind((self.host.as_str(), self.port)).await {
                Ok(listener) => return self.serve(listener, told).await,
                Err(error) if !std::mem::replace(&mut has_warned, true) => {
                    tracing::error!(%error, host = self.host, port = self.port, "ledger.otlp_port: can't listen; it is tried again");
                }
                Err(_) => {}
            }
            let _ = tokio::time::timeout(AGAIN, told.wait_for(|stop| *stop)).await;
        }
    }

    /// Serves this listener until it is told.
    pub async fn serve(self, listener: TcpListener, mut told: watch::Receiver<bool>) {
        let address: Option<SocketAddr> = listener.local_addr().ok();
        tracing::info!(?address, "taking records by OTLP");
        let stop = async move { drop(told.wait_for(|stop| *stop).await) };
        let mut server = Server::builder()
            .accept_http1(true)
            .max_concurrent_streams(AT_ONCE)
            .concurrency_limit_per_connection(AT_ONCE as usize)
            .timeout(PATIENCE);
        let served = server
            .add_routes(routes(self.records).into())
            .serve_with_incoming_shutdown(TcpIncoming::from(listener), stop);
        if let Err(error) = served.await {
            tracing::error!(%error, "records by OTLP aren't taken any more");
        }
    }
}

/// Both forms.
pub fn routes(records: Arc<Records>) -> Router {
    let secret = records.secret.clone();
    let service = LogsServiceServer::new(Logs { records: Arc::clone(&records) });
    let service = service.max_decoding_message_size(MAX_MESSAGE);
    // Somebody else's message isn't even read.
    let knows = move |request: tonic::Request<()>| {
        let shown = request.metadata().get(SECRET).map(|shown| shown.as_bytes()).unwrap_or_default();
        if secret.is(shown) {
            Ok(request)
        } else {
            Err(Status::permission_denied("another secret than the sidecar's"))
        }
    };
    let grpc = tonic::service::Routes::new(InterceptedService::new(service, knows));
    grpc.into_axum_router().merge(Router::new().route("/v1/logs", post(over_http)).with_state(records))
}

/// The service of gRPC.
struct Logs {
    records: Arc<Records>,
}

#[tonic::async_trait]
impl LogsService for Logs {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, Status> {
        match self.records.keep(lines(request.into_inner()), BY).await {
            Ok(posted) => Ok(tonic::Response::new(answer(posted))),
            Err(Kept::Busy) => Err(Status::new(Code::Unavailable, "too many batches at once")),
            Err(Kept::Trouble(reason)) => Err(Status::new(Code::Unavailable, reason)),
        }
    }
}

/// `POST /v1/logs`
async fn over_http(State(records): State<Arc<Records>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let refused = |status: StatusCode, error: &str, text: &str| {
        refusal(status, error, text, &parts.headers).into_response()
    };
    let shown = parts.headers.get(SECRET).map(|shown| shown.as_bytes()).unwrap_or_default();
    if !records.secret.is(shown) {
        return refused(StatusCode::FORBIDDEN, "access_denied", "Another secret than the sidecar's.");
    }
    let Some(is_json) = is_json(&parts.headers) else {
        let text = "Expected application/x-protobuf or application/json, without compression.";
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", text);
    };
    let Ok(_room) = records.room() else { return unavailable("too many batches at once") };
    let Ok(body) = to_bytes(body, MAX_MESSAGE).await else {
        let text = "The body is larger than 4 MiB, or ended early.";
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "content_too_large", text);
    };
    let read = match is_json {
        // An array of nothing would be read as a message without members.
        true if body.trim_ascii_start().starts_with(b"{") => serde_json::from_slice(&body).ok(),
        true => None,
        false => ExportLogsServiceRequest::decode(body).ok(),
    };
    let Some(request) = read else {
        return refused(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "The body isn't an OTLP request for logs.",
        );
    };
    match records.write(lines(request), BY).await {
        Ok(posted) if is_json => Reply::ok(as_json(answer(posted))).into_response(),
        Ok(posted) => ([(header::CONTENT_TYPE, "application/x-protobuf")], answer(posted).encode_to_vec())
            .into_response(),
        Err(reason) => unavailable(&reason),
    }
}

fn unavailable(reason: &str) -> Response {
    super::records::unavailable(reason).into_response()
}

/// Whether a body is JSON, else Protocol Buffers; `None`: neither.
fn is_json(headers: &HeaderMap) -> Option<bool> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes());
    let media = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media = media.split(';').next().unwrap_or_default().trim();
    let is = |name: &str| media.eq_ignore_ascii_case(name);
    if encoding.is_some_and(|encoding| encoding != b"identity") {
        None
    } else if is("application/json") {
        Some(true)
    } else {
        is("application/x-protobuf").then_some(false)
    }
}

fn answer(posted: Posted) -> ExportLogsServiceResponse {
    let partial_success = (posted.ignored > 0).then(|| ExportLogsPartialSuccess {
        rejected_log_records: i64::try_from(posted.ignored).unwrap_or(i64::MAX),
        error_message: "not all were decision records with a number".to_owned(),
    });
    ExportLogsServiceResponse { partial_success }
}

/// Without the members that aren't set, and 64-bit integers as text, as Protocol Buffers' JSON has them.
fn as_json(answer: ExportLogsServiceResponse) -> serde_json::Value {
    match answer.partial_success {
        None => serde_json::json!({}),
        Some(partial) => serde_json::json!({ "partialSuccess": {
            "rejectedLogRecords": partial.rejected_log_records.to_string(),
            "errorMessage": partial.error_message,
        } }),
    }
}

/// A line for each log record: its body.
fn lines(request: ExportLogsServiceRequest) -> Vec<u8> {
    let mut lines = Vec::new();
    let scopes = request.resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
    for record in scopes.flat_map(|scope| scope.log_records) {
        match record.body.and_then(|body| body.value) {
            // Within JSON a newline is a blank.
            Some(Value::StringValue(text)) if !text.trim().is_empty() => {
                lines.extend(text.trim().bytes().map(|b| if b == b'\n' { b' ' } else { b }));
            }
            // No record: counted as that.
            _ => lines.push(b'?'),
        }
        lines.push(b'\n');
    }
    lines
}

#[cfg(test)]
mod tests;
