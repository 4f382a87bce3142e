//! The pods of all namespaces, as far as a diagnosis looks at them.

use super::mastodon::Trouble;

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The node it is on; none while it waits for one.
    pub node: Option<String>,
    /// The claims it has mounted, or wants to.
    pub claims: Vec<String>,
    /// Whether it has ended: what it had mounted is given back.
    pub ended: bool,
    /// What keeps it from running.
    pub trouble: Option<Trouble>,
}
