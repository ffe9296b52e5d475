//! The sidecar's answers, without a socket.
