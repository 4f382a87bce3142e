//! What `make fuzz` feeds with bytes nobody wrote on purpose.

pub mod targets;
