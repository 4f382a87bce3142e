//! Mastodon: its secrets, the values of its chart (mastodon/chart), what it needs from outside, and whether it answers.

pub mod finding;
pub mod http;
pub mod owner;
mod page;
pub mod postgres;
pub mod redis;
pub mod report;
pub mod seal;
pub mod secrets;
pub mod services;
pub mod site;
pub mod smtp;
pub mod tls;
pub mod trouble;
pub mod values;
pub mod way;

pub use finding::Finding;
pub use way::Way;

/// The namespace the site runs in.
pub const NAMESPACE: &str = "mastodon";
/// The namespace a restore is rehearsed in; it is there only meanwhile.
pub const REHEARSAL: &str = "mastodon-rehearsal";
/// The name of its Helm release. Since it holds the chart's name, the chart's objects are called after it alone
/// (mastodon/chart `templates/_helpers.tpl`).
pub const RELEASE: &str = "mastodon";
/// The volume claim for assets. The chart's job for Elasticsearch's index knows no other name
/// (mastodon/chart `templates/job-deploy-search.yaml`).
pub const ASSETS_CLAIM: &str = "mastodon-assets";
/// The volume claim for media.
pub const SYSTEM_CLAIM: &str = "mastodon-system";
