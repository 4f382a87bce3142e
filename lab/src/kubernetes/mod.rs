//! The API server of one cluster and the controllers behind it, as a pure state machine.
//!
//! Nothing here reads a clock, opens a socket or asks the system for randomness: time comes in with every call, random
//! names come from a seed.

mod names;
mod smallest;
mod types;

pub use smallest::Kubernetes;
pub use types::{Announcement, Backend, Fault, Millis, NodeView, Request, Response, Route, ServicePort, WatchId};
