//! `[mastodon.resources]`: what containers ask for and may use.

/// What the containers ask for and may use; none of it is set when absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resources {
    /// The web server, Puma.
    pub web: Quantities,
    /// Each worker of background jobs.
    pub sidekiq: Quantities,
    /// The streaming server.
    pub streaming: Quantities,
    /// PostgreSQL, when it runs in the cluster.
    pub postgresql: Quantities,
    /// Redis, when it runs in the cluster.
    pub redis: Quantities,
}

/// What one container asks for and may use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quantities {
    /// The processor time it asks for, as Kubernetes writes it: `250m` or `2`.
    pub cpu: Option<String>,
    /// The bytes of memory it asks for.
    pub memory: Option<u64>,
    /// The processor time it may use.
    pub cpu_limit: Option<String>,
    /// The bytes of memory it may use; it is killed beyond.
    pub memory_limit: Option<u64>,
}
