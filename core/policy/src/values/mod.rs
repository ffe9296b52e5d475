//! Single values: text in, what it means or what was expected out.

pub mod claim;
pub mod duration;
pub mod name;
pub mod pattern;
pub mod size;
pub mod url;
