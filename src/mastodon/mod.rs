//! Mastodon: its secrets, the values of its chart, what it needs from outside, and whether it answers.

pub mod finding;
pub mod http;
pub mod owner;
mod page;
pub mod postgres;
pub mod services;
pub mod site;
pub mod smtp;
pub mod tls;
pub mod trouble;
pub mod way;

pub use finding::Finding;
pub use way::Way;
