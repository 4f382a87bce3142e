//! `[mastodon]` and its tables as the user writes them.

use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::{CHART_COMMIT, CHART_REPOSITORY, CHART_VERSION, IMAGE, PATH, STARTUP_SECONDS};
use crate::document::{At, Field};

type Text = Field<At<String>>;
type Number = Field<At<u32>>;
type Switch = Field<At<bool>>;

const SIZE: &str = r"^[0-9]+ ?(KiB|MiB|GiB|TiB)$";
const CPU: &str = r"^([0-9]+m|[0-9]+(\.[0-9]{1,3})?)$";

/// The site that Flux deploys. It needs `[flux]`, `[metallb]` and storage.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "Mastodon", deny_unknown_fields)]
pub struct MastodonTable {
    /// The header's place.
    #[schemars(skip)]
    pub header: std::ops::Range<usize>,
    /// The domain in the names of its users, as in @alice@example.org. It can never change.
    #[schemars(length(min = 1), example = &"example.org")]
    pub local_domain: Text,
    /// The domain the site is at, when that is another; then the web server at `local_domain` has to redirect
    /// /.well-known/ to it.
    #[schemars(default, length(min = 1), example = &"social.example.org")]
    pub web_domain: Text,
    /// The owner's account.
    pub admin: Field<AdminTable>,
    /// The Helm chart, pinned to a commit.
    #[schemars(default)]
    pub chart: Field<ChartTable>,
    /// The image tag of Mastodon.
    #[schemars(default, extend("default" = IMAGE), length(min = 1))]
    pub image: Text,
    /// The folder in the repository of the site's own manifests; not inside the one of `[flux]`. Two clusters in one
    /// repository need two.
    #[schemars(default, extend("default" = PATH), length(min = 1))]
    pub path: Text,
    /// The language for visitors who are not logged in. Without it each visitor's browser decides.
    #[schemars(default, length(min = 1), example = &"en")]
    pub locale: Text,
    /// Whether the front page is the first account's profile and nobody else can register.
    #[schemars(default, extend("default" = false))]
    pub single_user: Switch,
    /// The mail server. Without it no mail is sent: no confirmations, no new passwords.
    #[schemars(default)]
    pub smtp: Field<SmtpTable>,
    /// Object storage for media. Without it they lie on volumes.
    #[schemars(default)]
    pub s3: Field<S3Table>,
    /// The database: with `host` a server of yours, else PostgreSQL in the cluster.
    #[schemars(default)]
    pub postgresql: Field<PostgresqlTable>,
    /// The cache and the queues: with `host` a server of yours, else Redis in the cluster.
    #[schemars(default)]
    pub redis: Field<RedisTable>,
    /// Whether Elasticsearch is installed for full-text search. It needs 2 GiB of memory.
    #[schemars(default, extend("default" = false))]
    pub elasticsearch: Switch,
    /// The size of the volume for assets.
    #[schemars(default, extend("default" = "10GiB"), regex(pattern = SIZE))]
    pub assets_size: Text,
    /// The size of the volume for media.
    #[schemars(default, extend("default" = "100GiB"), regex(pattern = SIZE))]
    pub system_size: Text,
    /// How these volumes are mounted: `rwx` by pods on several nodes, `rwo` by pods that are kept together on one. Without
    /// it `rwx` where storage has it.
    #[schemars(default, extend("enum" = ["rwx", "rwo"]))]
    pub access: Text,
    /// How the site is reached.
    #[schemars(default)]
    pub ingress: Field<IngressTable>,
    /// What the containers ask for and may use.
    #[schemars(default)]
    pub resources: Field<ResourcesTable>,
    /// More values for the chart, over homeprov's own.
    #[schemars(default, with = "Map<String, Value>")]
    pub values: Field<At<Map<String, Value>>>,
    /// How many seconds a database may take to start. After a power cut that can be long, and a database killed meanwhile
    /// may never start again.
    #[schemars(default, extend("default" = STARTUP_SECONDS), range(min = 600, max = 86400))]
    pub startup_seconds: Number,
}

/// The owner's account.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "MastodonAdmin", deny_unknown_fields)]
pub struct AdminTable {
    /// The user name, without @: letters, digits and `_`.
    #[schemars(regex(pattern = r"^[a-zA-Z0-9_]{1,30}$"), example = &"alice")]
    pub username: Text,
    /// The e-mail address.
    #[schemars(regex(pattern = r"^[^@\s]+@[^@\s]+$"), example = &"alice@example.org")]
    pub email: Text,
}

/// The Helm chart, pinned to a commit.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "MastodonChart", deny_unknown_fields)]
pub struct ChartTable {
    /// The https URL of its Git repository.
    #[schemars(default, extend("default" = CHART_REPOSITORY), length(min = 1))]
    pub repository: Text,
    /// The commit, 40 hexadecimal digits.
    #[schemars(default, extend("default" = CHART_COMMIT), regex(pattern = r"^[0-9a-f]{40}$"))]
    pub commit: Text,
    /// The version that commit's Chart.yaml names.
    #[schemars(default, extend("default" = CHART_VERSION), regex(pattern = r"^[0-9]+\.[0-9]+\.[0-9]+"))]
    pub version: Text,
}

/// The mail server.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "MastodonSmtp", deny_unknown_fields)]
pub struct SmtpTable {
    /// Its host name.
    #[schemars(length(min = 1), example = &"email-smtp.eu-west-1.amazonaws.com")]
    pub server: Text,
    /// Its TCP port. Without it 465 with `tls`, else 587.
    #[schemars(default, range(min = 1, max = 65535), example = 465)]
    pub port: Number,
    /// Whether TLS begins with the connection, as on port 465.
    #[schemars(default)]
    pub tls: Switch,
    /// Whether TLS begins by the command STARTTLS: where it is offered (`auto`), `always` or `never`.
    #[schemars(default, extend("default" = "auto", "enum" = ["auto", "always", "never"]))]
    pub starttls: Text,
    /// How to log in. Without it `plain` with a login, else `none`.
    #[schemars(default, extend("enum" = ["plain", "login", "cram_md5", "none"]))]
    pub auth_method: Text,
    /// The user name there.
    #[schemars(default, length(min = 1))]
    pub login: Text,
    /// The file with the password.
    #[schemars(default, length(min = 1), example = &"~/.config/homeprov/smtp-password")]
    pub password_file: Text,
    /// The sender of all mail. Without it notifications@ and the local domain.
    #[schemars(default, length(min = 1), example = &"Mastodon <notifications@example.org>")]
    pub from_address: Text,
    /// What Mastodon calls itself there. Without it the local domain.
    #[schemars(default, length(min = 1))]
    pub domain: Text,
    /// Whether the server's certificate is checked.
    #[schemars(default, extend("default" = true))]
    pub verify: Switch,
}

/// Object storage for media.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "MastodonS3", deny_unknown_fields)]
pub struct S3Table {
    /// The header's place.
    #[schemars(skip)]
    pub header: std::ops::Range<usize>,
    /// The bucket.
    #[schemars(length(min = 1), example = &"mastodon-media")]
    pub bucket: Text,
    /// The URL of the service, without the bucket.
    #[schemars(regex(pattern = r"^https?://[^/\s]+"), example = &"https://storage.googleapis.com")]
    pub endpoint: Text,
    /// The host name in the URLs of media. Without it that of the endpoint.
    #[schemars(default, length(min = 1))]
    pub hostname: Text,
    /// The region.
    #[schemars(default, length(min = 1), example = &"eu-west-1")]
    pub region: Text,
    /// The file with the access key's id.
    #[schemars(length(min = 1), example = &"~/.config/homeprov/s3-access-key")]
    pub access_key_file: Text,
    /// The file with the secret access key.
    #[schemars(length(min = 1), example = &"~/.config/homeprov/s3-secret-key")]
    pub secret_key_file: Text,
    /// The host name in front of the bucket, such as a CDN's.
    #[schemars(default, length(min = 1), example = &"media.example.org")]
    pub alias_host: Text,
    /// The canned ACL of uploads, such as `public-read`; empty where the bucket takes none.
    #[schemars(default, example = &"public-read")]
    pub permission: Text,
    /// From how many bytes on an upload is sent in parts.
    #[schemars(default, range(min = 5_242_880, max = 4_294_967_295_u32), example = 52_428_801)]
    pub multipart_threshold: Number,
    /// Whether the bucket's name goes into the host name (true) or the path (false).
    #[schemars(default)]
    pub override_path_style: Switch,
    /// The version of request signatures: `v4`, or `s3` for old services.
    #[schemars(default, extend("enum" = ["v4", "s3"]))]
    pub signature: Text,
    /// Whether an object is read with one request, as Google's service needs it.
    #[schemars(default, extend("default" = false))]
    pub single_request: Switch,
}

/// The database.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "MastodonPostgresql", deny_unknown_fields)]
pub struct PostgresqlTable {
    /// The size of its volume, when it runs in the cluster.
    #[schemars(default, extend("default" = "20GiB"), regex(pattern = SIZE))]
    pub size: Text,
    /// The host name or address of your server, version 14 or newer.
    #[schemars(default, length(min = 1), example = &"db.lan")]
    pub host: Text,
    /// Its TCP port.
    #[schemars(default, extend("default" = 5432), range(min = 1, max = 65535))]
    pub port: Number,
    /// The database there.
    #[schemars(default, extend("default" = "mastodon_production"), length(min = 1))]
    pub database: Text,
    /// The role Mastodon uses there.
    #[schemars(default, extend("default" = "mastodon"), length(min = 1))]
    pub user: Text,
    /// The file with that role's password.
    #[schemars(default, length(min = 1), example = &"~/.config/homeprov/postgresql-password")]
    pub password_file: Text,
    /// The file with the password of the role `postgres`.
    #[schemars(default, length(min = 1))]
    pub admin_password_file: Text,
    /// The server behind a connection pooler, for migrations.
    #[schemars(default, length(min = 1))]
    pub direct_host: Text,
    /// Its TCP port. Without it the same as `port`.
    #[schemars(default, range(min = 1, max = 65535))]
    pub direct_port: Number,
}

/// The cache and the queues.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "MastodonRedis", deny_unknown_fields)]
pub struct RedisTable {
    /// The size of its volume, when it runs in the cluster.
    #[schemars(default, extend("default" = "8GiB"), regex(pattern = SIZE))]
    pub size: Text,
    /// The host name or address of your server.
    #[schemars(default, length(min = 1), example = &"redis.lan")]
    pub host: Text,
    /// Its TCP port.
    #[schemars(default, extend("default" = 6379), range(min = 1, max = 65535))]
    pub port: Number,
    /// The file with the password.
    #[schemars(default, length(min = 1))]
    pub password_file: Text,
}

/// How the site is reached.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "MastodonIngress", deny_unknown_fields)]
pub struct IngressTable {
    /// The ingress class.
    #[schemars(default, extend("default" = "public"), length(min = 1))]
    pub class: Text,
    /// The Secret with the site's certificate, in the namespace mastodon.
    #[schemars(default, length(min = 1), example = &"example-org-tls")]
    pub tls_secret: Text,
    /// The `ClusterIssuer` of cert-manager that makes the certificate.
    #[schemars(default, length(min = 1), example = &"letsencrypt")]
    pub cluster_issuer: Text,
    /// The address in the pool that the site gets. Without it MetalLB chooses.
    #[schemars(default, extend("format" = "ipv4"), example = &"192.168.1.240")]
    pub address: Text,
}

/// What the containers ask for and may use.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "MastodonResources", deny_unknown_fields)]
pub struct ResourcesTable {
    /// The web server.
    #[schemars(default)]
    pub web: Field<QuantitiesTable>,
    /// Each worker of background jobs.
    #[schemars(default)]
    pub sidekiq: Field<QuantitiesTable>,
    /// The streaming server.
    #[schemars(default)]
    pub streaming: Field<QuantitiesTable>,
    /// PostgreSQL, when it runs in the cluster.
    #[schemars(default)]
    pub postgresql: Field<QuantitiesTable>,
    /// Redis, when it runs in the cluster.
    #[schemars(default)]
    pub redis: Field<QuantitiesTable>,
}

/// What one container asks for and may use.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "MastodonQuantities", deny_unknown_fields)]
pub struct QuantitiesTable {
    /// The processor time it asks for: `250m` is a quarter of a core.
    #[schemars(default, regex(pattern = CPU), example = &"250m")]
    pub cpu: Text,
    /// The memory it asks for.
    #[schemars(default, regex(pattern = SIZE), example = &"768MiB")]
    pub memory: Text,
    /// The processor time it may use.
    #[schemars(default, regex(pattern = CPU), example = &"1")]
    pub cpu_limit: Text,
    /// The memory it may use; it is killed beyond.
    #[schemars(default, regex(pattern = SIZE), example = &"1280MiB")]
    pub memory_limit: Text,
}
