//! The file as the user writes it: its tables and keys, each value with its place. The JSON Schema comes from here.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use toml::Spanned;
use toml::de::DeTable;

use super::belonging::belonging;
use super::flux::{self, FluxTable};
use super::mastodon::{parse::mastodon, table::MastodonTable};
use super::storage::DEFAULT_IMAGE;
use crate::document::{At, Field, Report, Table};

/// The MicroK8s channel when the file names none.
pub(super) const DEFAULT_CHANNEL: &str = "1.35/stable";

/// What to write for the port of a server.
pub(super) const PORT_HELP: &str = "leave it out when the server listens on its usual port";
const PORT: &str = "leave it out unless sshd listens elsewhere than on port 22: port = 2222";
const REPLICAS: &str = "one for each of so many nodes, usually three: replicas = 3";
const FAILURE_DOMAIN: &str = "count from one, as homeprov does for nodes that name none: failure_domain = 1";

type Text = Field<At<String>>;
type Number = Field<At<u32>>;

/// What homeprov should make of a few machines: one MicroK8s cluster.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Inventory", deny_unknown_fields)]
pub struct File {
    /// The cluster wanted.
    pub cluster: Field<ClusterTable>,
    /// How the machines are reached over SSH; holds for every node that does not say otherwise.
    #[schemars(default)]
    pub ssh: Field<SshTable>,
    /// The machines, one `[[nodes]]` table each. The first healthy control plane in this order is asked first.
    #[schemars(length(min = 1))]
    pub nodes: Field<Vec<NodeTable>>,
    /// The addresses that MetalLB may give to services of type `LoadBalancer`. Without it no pool is made.
    #[schemars(default)]
    pub metallb: Field<MetallbTable>,
    /// Where the volumes of workloads lie. Without it: replicated by Jiva with three or more nodes, else folders on the
    /// nodes.
    #[schemars(default)]
    pub storage: Field<StorageTable>,
    /// The Git repository that says what runs in the cluster, and Flux, which reads it. Without it nothing is deployed.
    #[schemars(default)]
    pub flux: Field<FluxTable>,
    /// The site that Flux deploys. It needs `[flux]`, `[metallb]` and storage.
    #[schemars(default)]
    pub mastodon: Field<MastodonTable>,
}

/// The cluster wanted.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Cluster", deny_unknown_fields)]
pub struct ClusterTable {
    /// The cluster's name: lower-case letters, digits and `-`, at most 40 characters. It names contexts, records and folders.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), length(max = 40))]
    #[schemars(example = &"home")]
    pub name: Text,
    /// The snap channel of MicroK8s, as `<track>/<risk>[/<branch>]`.
    #[schemars(default, extend("default" = DEFAULT_CHANNEL))]
    #[schemars(regex(pattern = r"^[^/\s]+/(stable|candidate|beta|edge)(/[^/\s]+)?$"))]
    #[schemars(example = &"1.35/stable", example = &"1.36/candidate")]
    pub channel: Text,
    /// Allows exactly two control planes. Two are worse than one: only one of them holds a vote, and losing it loses the cluster.
    #[schemars(default, extend("default" = false))]
    pub allow_two_control_planes: Field<At<bool>>,
}

/// How the machines are reached over SSH.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "Ssh", deny_unknown_fields)]
pub struct SshTable {
    /// The login name. Without it OpenSSH decides: the ssh config, then the name you have here.
    #[schemars(default, example = &"ubuntu", length(min = 1))]
    pub user: Text,
    /// The TCP port. Without it OpenSSH decides, usually 22.
    #[schemars(default, range(min = 1, max = 65535), example = 22)]
    pub port: Number,
    /// The private key file. `~` is your home; a relative path starts at the inventory's folder.
    #[schemars(default, example = &"~/.ssh/id_ed25519", length(min = 1))]
    pub identity: Text,
    /// An ssh config file used instead of your own.
    #[schemars(default, example = &"./ssh_config", length(min = 1))]
    pub config: Text,
    /// A jump host, as `ssh -J` takes it.
    #[schemars(default, example = &"me@gateway.example.org:22", length(min = 1))]
    pub jump: Text,
    /// The file of known host keys. Without it your own.
    #[schemars(default, example = &"./known_hosts", length(min = 1))]
    pub known_hosts: Text,
    /// How root's rights are had: `auto` tries without a password and asks for one when refused; `password` always
    /// uses one; `never` is for logins that are root.
    #[schemars(default, extend("default" = "auto", "enum" = ["auto", "password", "never"]))]
    pub sudo: Text,
}

/// One machine.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Node", deny_unknown_fields)]
pub struct NodeTable {
    /// The header's place, for what concerns the node as a whole.
    #[schemars(skip)]
    pub header: std::ops::Range<usize>,
    /// The machine's host name, which is also its name in Kubernetes: lower-case letters, digits, `-` and `.`.
    #[schemars(
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
        length(max = 63)
    )]
    #[schemars(example = &"nuc1")]
    pub name: Text,
    /// Its IPv4 address in the cluster. It must never change: reserve it in the router.
    #[schemars(extend("format" = "ipv4"), example = &"192.168.1.11")]
    pub address: Text,
    /// `control-plane` runs the control plane, a member of the data store and workloads; `worker` runs workloads only.
    #[schemars(default, extend("default" = "control-plane", "enum" = ["control-plane", "worker"]))]
    pub role: Text,
    /// The failure domain of the data store: nodes that fail together (one power strip, one switch) share a number.
    /// Without it every node has its own.
    #[schemars(default, range(min = 1, max = 4_294_967_295_u32), example = 1)]
    pub failure_domain: Number,
    /// Labels wanted on the Kubernetes Node object.
    #[schemars(default, with = "BTreeMap<String, String>")]
    pub labels: Vec<(At<String>, At<String>)>,
    /// The machine's SSH host key, so that no other machine can pose as it: `ssh-ed25519 AAAA…` or `SHA256:…`.
    #[schemars(default, length(min = 1))]
    #[schemars(example = &"SHA256:uNiVztksCsDhcc0u9e8BrrQXVUpKZIDTMczCvj3tD2s")]
    pub host_key: Text,
    /// What differs from `[ssh]` for this machine.
    #[schemars(default)]
    pub ssh: Field<NodeSshTable>,
}

/// What differs from `[ssh]` for one machine.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "NodeSsh", deny_unknown_fields)]
pub struct NodeSshTable {
    /// The host name or address to connect to instead of the node's address.
    #[schemars(default, example = &"nuc1.lan", length(min = 1))]
    pub host: Text,
    /// The TCP port.
    #[schemars(default, range(min = 1, max = 65535), example = 2222)]
    pub port: Number,
    /// The login name.
    #[schemars(default, example = &"admin", length(min = 1))]
    pub user: Text,
    /// The private key file.
    #[schemars(default, example = &"~/.ssh/nuc1", length(min = 1))]
    pub identity: Text,
    /// A jump host, as `ssh -J` takes it.
    #[schemars(default, example = &"gateway.lan", length(min = 1))]
    pub jump: Text,
}

/// The addresses that MetalLB may give away.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Metallb", deny_unknown_fields)]
pub struct MetallbTable {
    /// The header's place.
    #[schemars(skip)]
    pub header: std::ops::Range<usize>,
    /// One range or a list of them, each as `first-last` or `network/length`. They belong to the nodes' own network,
    /// outside what the router hands out.
    #[schemars(with = "Pool", example = &"192.168.1.240-192.168.1.250")]
    #[schemars(example = ["192.168.1.240/29", "192.168.1.250-192.168.1.252"])]
    pub pool: Field<Vec<At<String>>>,
    /// What the router gives away by DHCP, as `first-last`. It is compared with the pool: the two must have no address in
    /// common.
    #[schemars(default, length(min = 1), example = &"192.168.1.100-192.168.1.199")]
    pub dhcp_range: Text,
}

/// Where the volumes of workloads lie, and how that is proven.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "Storage", deny_unknown_fields)]
pub struct StorageTable {
    /// The header's place.
    #[schemars(skip)]
    pub header: std::ops::Range<usize>,
    /// `jiva` keeps every volume on the disks of several nodes (`OpenEBS` Jiva); `hostpath` keeps it in a folder of one node;
    /// `existing-class` uses storage classes that are there already; `none` leaves storage alone. Without it: `jiva` with
    /// three or more nodes, else `hostpath`.
    #[schemars(default, extend("enum" = ["jiva", "hostpath", "existing-class", "none"]))]
    pub engine: Text,
    /// On how many nodes each volume is kept (`jiva`). Without it 3, or the number of nodes where there are fewer.
    #[schemars(default, range(min = 1, max = 10), example = 3)]
    pub replicas: Number,
    /// Whether there is a class for volumes that several nodes mount at once (`jiva`, `existing-class`). Without it true
    /// with `jiva`.
    #[schemars(default)]
    pub rwx: Field<At<bool>>,
    /// The disk space that must be free on each node.
    #[schemars(default, extend("default" = "5GiB"))]
    #[schemars(regex(pattern = r"^[0-9]+ ?(KiB|MiB|GiB|TiB)$"), example = &"20GiB")]
    pub reserve: Text,
    /// The storage class for volumes that one node mounts at a time (`existing-class`).
    #[schemars(default, length(min = 1), example = &"longhorn")]
    pub class: Text,
    /// The storage class for volumes that several nodes mount at once (`existing-class`).
    #[schemars(default, length(min = 1), example = &"longhorn-rwx")]
    pub rwx_class: Text,
    /// How old the proof that volumes are kept where they should be may become before `up` makes it again. Without it it
    /// is made again only when the storage set-up or the nodes have changed.
    #[schemars(default, regex(pattern = r"^[0-9]+ ?[hdw]$"), example = &"30d")]
    pub prove_every: Text,
    /// How many random bytes the proof writes.
    #[schemars(default, extend("default" = "64MiB"))]
    #[schemars(regex(pattern = r"^[0-9]+ ?(KiB|MiB|GiB|TiB)$"), example = &"64MiB")]
    pub proof_size: Text,
    /// The container image the proof's Jobs run, with a tag or a digest. It needs a POSIX shell, `dd` and `sha256sum`.
    #[schemars(default, extend("default" = DEFAULT_IMAGE), length(min = 1))]
    pub image: Text,
    /// The `OpenEBS` chart (3.x, a .tgz) to use instead of the one of the addon: a file here or a URL (`jiva`).
    #[schemars(default, length(min = 1), example = &"./openebs-3.3.1.tgz")]
    pub chart: Text,
    /// The chart of the dynamic NFS provisioner (a .tgz) to use instead of the one of its repository: a file here or a
    /// URL (`jiva` with `rwx`).
    #[schemars(default, length(min = 1), example = &"./nfs-provisioner-0.11.0.tgz")]
    pub nfs_chart: Text,
}

/// The schema of the pool; the reader takes both forms for a list.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "it describes the file to the schema and is never made")]
enum Pool {
    /// One range.
    One(String),
    /// Several ranges.
    Several(#[schemars(length(min = 1))] Vec<String>),
}

impl NodeTable {
    /// How messages call the node.
    pub fn called(&self) -> String {
        match self.name.given() {
            Some(name) => format!("`{}`", name.value.escape_debug()),
            None => "a node without a name".to_owned(),
        }
    }
}

impl File {
    /// Reads the document; every fault goes to the report.
    pub fn read(document: &Spanned<DeTable<'_>>, report: &mut Report) -> Self {
        let mut root = Table::new("the inventory", document.span(), document.get_ref());
        let mut file = Self {
            cluster: read(root.table("cluster", "[cluster]", report), report, cluster),
            ssh: read(root.table("ssh", "[ssh]", report), report, ssh),
            nodes: match root.tables("nodes", "[[nodes]]", report) {
                Field::Absent => Field::Absent,
                Field::Faulty => Field::Faulty,
                Field::Given(tables) => Field::Given(tables.into_iter().map(|table| node(table, report)).collect()),
            },
            metallb: read(root.table("metallb", "[metallb]", report), report, metallb),
            storage: read(root.table("storage", "[storage]", report), report, storage),
            flux: read(root.table("flux", "[flux]", report), report, flux::table),
            mastodon: read(root.table("mastodon", "[mastodon]", report), report, mastodon),
        };
        root.settle(&mut file.cluster, "cluster");
        root.settle(&mut file.storage, "storage");
        root.settle(&mut file.metallb, "metallb");
        root.settle(&mut file.flux, "flux");
        root.settle(&mut file.nodes, "nodes");
        root.finish_with(report, belonging);
        file
    }

    /// The nodes as far as they could be read.
    pub fn nodes(&self) -> &[NodeTable] {
        self.nodes.given().map_or(&[], Vec::as_slice)
    }

    /// The texts of the pool.
    pub fn pool(&self) -> &[At<String>] {
        let pool = self.metallb.given().and_then(|table| table.pool.given());
        pool.map_or(&[], Vec::as_slice)
    }
}

/// Reads a table that is there.
pub(super) fn read<T>(
    table: Field<Table<'_>>,
    report: &mut Report,
    read: impl FnOnce(Table<'_>, &mut Report) -> T,
) -> Field<T> {
    match table {
        Field::Absent => Field::Absent,
        Field::Faulty => Field::Faulty,
        Field::Given(table) => Field::Given(read(table, report)),
    }
}

fn cluster(mut table: Table<'_>, report: &mut Report) -> ClusterTable {
    let mut cluster = ClusterTable {
        name: table.text("name", report),
        channel: table.text("channel", report),
        allow_two_control_planes: table.switch("allow_two_control_planes", report),
    };
    table.require(&cluster.name, "name", r#"name = "home""#, report);
    table.settle(&mut cluster.allow_two_control_planes, "allow_two_control_planes");
    table.finish_with(report, belonging);
    cluster
}

fn ssh(mut table: Table<'_>, report: &mut Report) -> SshTable {
    let ssh = SshTable {
        user: table.text("user", report),
        port: table.number("port", 1..=65535, PORT, report),
        identity: table.text("identity", report),
        config: table.text("config", report),
        jump: table.text("jump", report),
        known_hosts: table.text("known_hosts", report),
        sudo: table.text("sudo", report),
    };
    table.finish_with(report, belonging);
    ssh
}

fn node(mut table: Table<'_>, report: &mut Report) -> NodeTable {
    let mut node = NodeTable {
        header: table.span.clone(),
        name: table.text("name", report),
        address: table.text("address", report),
        role: table.text("role", report),
        failure_domain: table.number("failure_domain", 1..=u32::MAX, FAILURE_DOMAIN, report),
        labels: table
            .table("labels", "labels", report)
            .given()
            .map(|labels| labels.entries(report))
            .unwrap_or_default(),
        host_key: table.text("host_key", report),
        ssh: read(table.table("ssh", "the node's ssh", report), report, node_ssh),
    };
    table.require(&node.name, "name", r#"name = "nuc1""#, report);
    table.require(&node.address, "address", r#"address = "192.168.1.11""#, report);
    // Rules draw conclusions from the absence of these two.
    table.settle(&mut node.role, "role");
    table.settle(&mut node.failure_domain, "failure_domain");
    table.finish_with(report, belonging);
    node
}

fn node_ssh(mut table: Table<'_>, report: &mut Report) -> NodeSshTable {
    let ssh = NodeSshTable {
        host: table.text("host", report),
        port: table.number("port", 1..=65535, PORT, report),
        user: table.text("user", report),
        identity: table.text("identity", report),
        jump: table.text("jump", report),
    };
    table.finish_with(report, belonging);
    ssh
}

fn metallb(mut table: Table<'_>, report: &mut Report) -> MetallbTable {
    let metallb = MetallbTable {
        header: table.span.clone(),
        pool: table.texts("pool", report),
        dhcp_range: table.text("dhcp_range", report),
    };
    let example = r#"pool = "192.168.1.240-192.168.1.250""#;
    table.require(&metallb.pool, "pool", example, report);
    table.finish_with(report, belonging);
    metallb
}

fn storage(mut table: Table<'_>, report: &mut Report) -> StorageTable {
    let mut storage = StorageTable {
        header: table.span.clone(),
        engine: table.text("engine", report),
        replicas: table.number("replicas", 1..=10, REPLICAS, report),
        rwx: table.switch("rwx", report),
        reserve: table.text("reserve", report),
        class: table.text("class", report),
        rwx_class: table.text("rwx_class", report),
        prove_every: table.text("prove_every", report),
        proof_size: table.text("proof_size", report),
        image: table.text("image", report),
        chart: table.text("chart", report),
        nfs_chart: table.text("nfs_chart", report),
    };
    // Rules draw conclusions from the absence of these.
    table.settle(&mut storage.engine, "engine");
    table.settle(&mut storage.replicas, "replicas");
    table.settle(&mut storage.rwx, "rwx");
    table.settle(&mut storage.class, "class");
    table.settle(&mut storage.rwx_class, "rwx_class");
    table.finish_with(report, belonging);
    storage
}
