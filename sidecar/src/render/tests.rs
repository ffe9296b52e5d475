//! What a bootstrap says, as data; that Envoy takes it is `tests/validate.rs`.
