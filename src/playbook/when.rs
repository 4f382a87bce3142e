//! The facts a step may name in `when`.

/// A step with `when = "<name>"` is there only on nodes of which this is true. What a name means is decided with the
/// facts of the node; a playbook can use these and no others:
///
/// * `member`: the node belongs to the cluster of this inventory.
/// * `login-is-not-root`: the login on the node is not root.
/// * `cloud-init`: cloud-init is installed on the node.
/// * `jiva`: the inventory's storage engine is `jiva`.
/// * `rwx`: with that engine, volumes for several nodes at once are wanted too.
/// * `elasticsearch`: the inventory wants Elasticsearch for Mastodon's search.
pub const WHEN: &[&str] = &["member", "login-is-not-root", "cloud-init", "jiva", "rwx", "elasticsearch"];
