//! The Kubernetes API, read and written.

pub mod all_pods;
pub mod apply;
pub mod balanced;
pub mod config;
pub mod error;
pub mod flux;
pub mod mastodon;
pub mod pods;
pub mod read;
pub mod records;
pub mod release;
pub mod request;
pub mod site;
pub mod storage;
pub mod stuck_pods;
