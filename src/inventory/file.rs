//! The file as the user writes it: its tables and keys, each value with its place. The JSON Schema comes from here.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use toml::Spanned;
use toml::de::DeTable;

use super::belonging::belonging;
use crate::document::{At, Field, Report, Table};

/// The MicroK8s channel when the file names none.
pub(super) const DEFAULT_CHANNEL: &str = "1.35/stable";

const PORT: &str = "leave it out unless sshd listens elsewhere than on port 22: port = 2222";
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
        };
        root.settle(&mut file.cluster, "cluster");
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

fn read<T>(table: Field<Table<'_>>, report: &mut Report, read: impl FnOnce(Table<'_>, &mut Report) -> T) -> Field<T> {
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
    let metallb = MetallbTable { header: table.span.clone(), pool: table.texts("pool", report) };
    let example = r#"pool = "192.168.1.240-192.168.1.250""#;
    table.require(&metallb.pool, "pool", example, report);
    table.finish_with(report, belonging);
    metallb
}
