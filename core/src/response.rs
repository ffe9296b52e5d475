//! The upstream's answer, once its request has passed (contract §8, §12). Its body is framed once: read
//! whole, event by event, or watched until nobody could find a list in it. Each message that the frame brings
//! goes through the route's pipeline: the *cuts* in order, each of which shows less of it or refuses it, and
//! the *taps*, which see what is shown, change nothing and hold nothing back.

pub mod framing;
pub mod pipeline;
pub mod cut;
pub mod tap;
pub mod owner;
pub mod sse;
pub mod watched;
