//! Decides what a request may do. Bytes, policy and `now` in, a decision out: no IO, no clock, no randomness, no logs.

pub mod config {
    //! Policy and environment in, one compiled [`policy::Policy`] or all errors with their paths out.
    pub mod error;
    pub mod policy;
}
