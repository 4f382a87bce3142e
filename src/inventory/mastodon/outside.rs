//! What Mastodon works with: mail, object storage, the database, Redis. Passwords are in files, never in the inventory.

use std::path::PathBuf;

/// `[mastodon.smtp]`: the mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    /// Its host name.
    pub server: String,
    /// Its TCP port: 465 where TLS begins at once, 587 or 25 elsewhere.
    pub port: u16,
    /// Whether TLS begins with the connection (implicit TLS).
    pub tls: bool,
    /// Whether TLS begins by command.
    pub starttls: StartTls,
    /// `plain`, `login`, `cram_md5` or `none`.
    pub auth_method: String,
    /// The user name there.
    pub login: Option<String>,
    /// The file with the password.
    pub password_file: Option<PathBuf>,
    /// The sender of all mail: `Mastodon <notifications@example.org>` or an address.
    pub from_address: String,
    /// What Mastodon calls itself in EHLO; its local domain when absent.
    pub domain: Option<String>,
    /// Whether the server's certificate is checked.
    pub verify: bool,
}

/// Whether TLS begins by the command STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// Where the server offers it.
    Auto,
    /// Always; no mail without it.
    Always,
    /// Never.
    Never,
}

impl StartTls {
    /// As the inventory and Mastodon write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

/// `[mastodon.s3]`: object storage for media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3 {
    /// The bucket.
    pub bucket: String,
    /// The URL of the service, without the bucket.
    pub endpoint: String,
    /// The host name in the URLs of media.
    pub hostname: String,
    /// The region.
    pub region: Option<String>,
    /// The file with the access key's id.
    pub access_key_file: PathBuf,
    /// The file with the secret access key.
    pub secret_key_file: PathBuf,
    /// The host name in front of the bucket, such as a CDN's.
    pub alias_host: Option<String>,
    /// The canned ACL of uploads; empty where the bucket takes no ACLs.
    pub permission: Option<String>,
    /// From how many bytes on an upload is sent in parts.
    pub multipart_threshold: Option<u32>,
    /// Whether the bucket's name goes into the host name (`true`) or the path (`false`).
    pub override_path_style: Option<bool>,
    /// The version of request signatures: `v4`, or `s3` for old services.
    pub signature: Option<String>,
    /// Whether an object is read with one request, as Google's service needs it.
    pub single_request: bool,
}

/// `[mastodon.postgresql]`: the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Postgresql {
    /// In the cluster, from the chart.
    Bundled {
        /// The bytes of its volume.
        size: u64,
    },
    /// A server of the user's.
    External {
        /// Its host name or address.
        host: String,
        /// Its TCP port.
        port: u16,
        /// The database.
        database: String,
        /// The role Mastodon uses.
        user: String,
        /// The file with that role's password.
        password_file: PathBuf,
        /// The file with the password of the role `postgres`.
        admin_password_file: Option<PathBuf>,
        /// The server behind a connection pooler, for migrations: host and port.
        direct: Option<(String, u16)>,
    },
}

/// `[mastodon.redis]`: the cache and the queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redis {
    /// In the cluster, from the chart.
    Bundled {
        /// The bytes of its volume.
        size: u64,
    },
    /// A server of the user's.
    External {
        /// Its host name or address.
        host: String,
        /// Its TCP port.
        port: u16,
        /// The file with the password; none where it takes everybody.
        password_file: Option<PathBuf>,
    },
}
