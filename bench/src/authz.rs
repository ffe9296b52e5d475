//! The least that an `ext_authz` service over gRPC can do: it reads the question, and answers every one with
//! yes, the user's header, and that `authorization` goes. A real one has all of a gateway's work to do
//! besides.
//!
//! Envoy's `envoy.service.auth.v3.Authorization/Check`, written by hand: gRPC over HTTP/2, one message,
//! `grpc-status: 0`.

use std::{io, net::Ipv4Addr};

use bytes::Bytes;
use h2::{RecvStream, server, server::SendResponse};
use http::{HeaderMap, HeaderValue, Response};
use tokio::net::{TcpListener, TcpStream};

pub async fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let yes = Bytes::from(message(&check_response()));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A connection that fails is its client's loss.
        tokio::spawn(converse(stream, yes.clone()));
    }
}

async fn converse(stream: TcpStream, yes: Bytes) -> Result<(), h2::Error> {
    let mut connection = server::handshake(stream).await?;
    while let Some(request) = connection.accept().await {
        let (request, respond) = request?;
        tokio::spawn(answer(request.into_body(), respond, yes.clone()));
    }
    Ok(())
}

async fn answer(mut body: RecvStream, mut respond: SendResponse<Bytes>, yes: Bytes) -> Result<(), h2::Error> {
    while let Some(piece) = body.data().await {
        body.flow_control().release_capacity(piece?.len())?;
    }
    let mut head = Response::new(());
    head.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let mut stream = respond.send_response(head, false)?;
    stream.send_data(yes, false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers)
}

/// `CheckResponse { status: OK, ok_response: { headers: [x-user-id], headers_to_remove: [authorization] } }`.
fn check_response() -> Vec<u8> {
    let header = [field(1, b"x-user-id"), field(2, b"bench")].concat();
    let set = field(1, &header);
    let ok = [field(2, &set), field(5, b"authorization")].concat();
    [field(1, b""), field(3, &ok)].concat()
}

/// A field of wire type 2; no content here reaches 128 bytes, so that a length is one byte.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or_default();
    [&[number << 3 | 2, length], content].concat()
}

/// A gRPC message: not compressed, its length, its bytes.
fn message(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or_default().to_be_bytes();
    [&[0], length.as_slice(), content].concat()
}

#[cfg(test)]
mod tests {
    use super::{check_response, message};

    #[test]
    fn the_answer_is_a_check_response_that_says_yes() {
        let header = b"\x0a\x09x-user-id\x12\x05bench";
        let ok = [b"\x12\x14\x0a\x12".as_slice(), header, b"\x2a\x0dauthorization"].concat();
        let expect = [&[0x0a, 0x00, 0x1a, u8::try_from(ok.len()).unwrap()], ok.as_slice()].concat();
        assert_eq!(check_response(), expect);
    }

    #[test]
    fn a_message_begins_with_its_length() {
        assert_eq!(message(b"abc"), b"\0\0\0\0\x03abc");
    }
}
