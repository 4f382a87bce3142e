//! Mastodon: its secrets, and the values of its chart (mastodon/chart).

pub mod seal;
pub mod secrets;
pub mod values;

/// The namespace the site runs in.
pub const NAMESPACE: &str = "mastodon";
/// The name of its Helm release. Since it holds the chart's name, the chart's objects are called after it alone
/// (mastodon/chart `templates/_helpers.tpl`).
pub const RELEASE: &str = "mastodon";
/// The volume claim for assets. The chart's job for Elasticsearch's index knows no other name
/// (mastodon/chart `templates/job-deploy-search.yaml`).
pub const ASSETS_CLAIM: &str = "mastodon-assets";
/// The volume claim for media.
pub const SYSTEM_CLAIM: &str = "mastodon-system";
