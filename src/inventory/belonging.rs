//! Where a key belongs that stands in the wrong table: easily done, as a table ends only where the next one begins.

use crate::diagnostic::looks_secret;
use crate::document::suggest::nearest;

const SSH: &str = "belongs under [ssh]; for one machine in the ssh table of its [[nodes]]";
const ALL: &str = "belongs under [ssh] and holds for all machines";
const NODE: &str = "belongs under [[nodes]], to the machine it is about";
const CLUSTER: &str = "belongs under [cluster]";
const METALLB: &str = "belongs under [metallb]";
const STORAGE: &str = "belongs under [storage]";
const FLUX: &str = "belongs under [flux]";
const MASTODON: &str = "belongs under [mastodon]";

/// Every key there is, and where it stands.
const PLACES: [(&str, &str); 55] = [
    ("cluster", "opens a table of its own: [cluster]"),
    ("nodes", "opens a table of its own for each machine: [[nodes]]"),
    ("metallb", "opens a table of its own: [metallb]"),
    ("ssh", "opens a table of its own, [ssh]; for one machine it belongs under [[nodes]]"),
    ("name", "belongs under [cluster] for the cluster, and under [[nodes]] for a machine"),
    ("channel", CLUSTER),
    ("allow_two_control_planes", CLUSTER),
    ("user", SSH),
    ("port", SSH),
    ("identity", SSH),
    ("jump", SSH),
    ("config", ALL),
    ("known_hosts", ALL),
    ("sudo", ALL),
    ("address", NODE),
    ("role", NODE),
    ("failure_domain", NODE),
    ("labels", NODE),
    ("host_key", NODE),
    ("host", "belongs in the ssh table of a machine: ssh = { host = \"nuc1.lan\" }"),
    ("pool", METALLB),
    ("dhcp_range", METALLB),
    ("storage", "opens a table of its own: [storage]"),
    ("engine", STORAGE),
    ("replicas", STORAGE),
    ("rwx", STORAGE),
    ("reserve", STORAGE),
    ("class", STORAGE),
    ("rwx_class", STORAGE),
    ("prove_every", STORAGE),
    ("proof_size", STORAGE),
    ("image", STORAGE),
    ("chart", STORAGE),
    ("nfs_chart", STORAGE),
    ("flux", "opens a table of its own: [flux]"),
    ("repository", FLUX),
    ("push", FLUX),
    ("branch", FLUX),
    ("components", FLUX),
    ("checksum", FLUX),
    ("deploy_key", FLUX),
    ("mastodon", "opens a table of its own: [mastodon]"),
    ("local_domain", MASTODON),
    ("web_domain", MASTODON),
    ("admin", MASTODON),
    ("locale", MASTODON),
    ("smtp", "opens a table of its own: [mastodon.smtp]"),
    ("s3", "opens a table of its own: [mastodon.s3]"),
    ("postgresql", "opens a table of its own: [mastodon.postgresql]"),
    ("redis", "opens a table of its own: [mastodon.redis]"),
    ("ingress", "opens a table of its own: [mastodon.ingress]"),
    ("resources", "opens a table of its own: [mastodon.resources]"),
    ("elasticsearch", MASTODON),
    ("startup_seconds", MASTODON),
    ("values", MASTODON),
];

/// Where a key belongs that its table does not know, if another does.
pub(super) fn belonging(name: &str) -> Option<String> {
    if looks_secret(name) {
        return Some("no password stands in this file: homeprov asks for it when sudo wants one".to_owned());
    }
    let near = nearest(name, PLACES.iter().map(|(key, _)| *key))?;
    let (key, place) = PLACES.iter().find(|(key, _)| *key == near)?;
    Some(format!("`{key}` {place}"))
}
