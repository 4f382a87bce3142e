//! `[mastodon]`: the site that Flux deploys.

mod ingress;
mod outside;
pub(super) mod parse;
mod read;
mod resources;
pub(super) mod table;

use serde_json::{Map, Value};

pub use ingress::{Ingress, Tls};
pub use outside::{Postgresql, Redis, S3, Smtp, StartTls};
pub(super) use read::of;
pub use resources::{Quantities, Resources};

/// Where the chart is.
pub(super) const CHART_REPOSITORY: &str = "https://github.com/mastodon/chart";
/// The commit of chart 6.9.3 there.
pub(super) const CHART_COMMIT: &str = "3c8d76d0351f491f4a06cf76f1664d7b74fee375";
/// The version that commit's `Chart.yaml` names.
pub(super) const CHART_VERSION: &str = "6.9.3";
/// The release of Mastodon that chart was made for.
pub(super) const IMAGE: &str = "v4.6.3";
/// How long a database may take to start, in seconds: after a power cut PostgreSQL replays its log on slow, replicated
/// disks, and a kubelet that kills it meanwhile can break it for good.
pub(super) const STARTUP_SECONDS: u32 = 900;
/// The folder of the site's own manifests in the repository.
pub(super) const PATH: &str = "mastodon";

/// `[mastodon]`, with its defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mastodon {
    /// The domain in the names of its users; it can never change.
    pub local_domain: String,
    /// The domain the site is at, when that is another.
    pub web_domain: Option<String>,
    /// The owner's account.
    pub admin: Admin,
    /// The Helm chart.
    pub chart: ChartSource,
    /// The image tag of Mastodon: `v4.6.3`.
    pub image: String,
    /// The folder of the site's own manifests in the repository, without slashes around it; never inside that of Flux.
    pub path: String,
    /// The language for visitors who are not logged in. Without it each visitor's browser decides.
    pub locale: Option<String>,
    /// Whether the front page is the first account's profile and registrations are closed.
    pub single_user: bool,
    /// The mail server; without it no mail is sent.
    pub smtp: Option<Smtp>,
    /// Object storage for media; without it they lie on volumes.
    pub s3: Option<S3>,
    /// The database.
    pub postgresql: Postgresql,
    /// The cache and the queues.
    pub redis: Redis,
    /// Whether Elasticsearch is installed for full-text search.
    pub elasticsearch: bool,
    /// The bytes of the volume for assets.
    pub assets_size: u64,
    /// The bytes of the volume for media.
    pub system_size: u64,
    /// How these two volumes are mounted.
    pub access: Access,
    /// How the site is reached.
    pub ingress: Ingress,
    /// What the containers ask for and may use.
    pub resources: Resources,
    /// More values for the chart, merged over homeprov's own.
    pub values: Map<String, Value>,
    /// How long a database may take to start, in seconds, at least 600.
    pub startup_seconds: u32,
}

/// The owner's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// The user name, without `@`.
    pub username: String,
    /// The e-mail address.
    pub email: String,
}

/// The Helm chart, pinned: a branch would bring upgrades with database migrations at a time of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartSource {
    /// The https URL of its Git repository.
    pub repository: String,
    /// The commit, 40 hexadecimal digits.
    pub commit: String,
    /// The version in that commit's `Chart.yaml`.
    pub version: String,
}

/// How the volumes for assets and media are mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Access {
    /// By pods on several nodes at once.
    #[serde(rename = "ReadWriteMany")]
    Rwx,
    /// By pods of one node: web, sidekiq and jobs are kept together.
    #[serde(rename = "ReadWriteOnce")]
    Rwo,
}

impl Access {
    /// As Kubernetes writes it.
    pub fn mode(self) -> &'static str {
        match self {
            Self::Rwx => "ReadWriteMany",
            Self::Rwo => "ReadWriteOnce",
        }
    }
}

impl Mastodon {
    /// The domain the site is at.
    pub fn web(&self) -> &str {
        self.web_domain.as_deref().unwrap_or(&self.local_domain)
    }

    /// Whether PostgreSQL runs in the cluster, installed by the chart.
    pub fn bundled_postgresql(&self) -> bool {
        matches!(self.postgresql, Postgresql::Bundled { .. })
    }
}
