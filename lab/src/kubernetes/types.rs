//! What crosses the border of the cluster: requests, what the machines look like, what MetalLB announces.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// Milliseconds of virtual time since the simulated world began.
pub type Millis = u64;

/// One HTTP request to the API server, already authenticated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// The path without the query, e.g. `/api/v1/nodes`.
    pub path: String,
    /// The query as sent, without the question mark; empty when there is none.
    pub query: String,
    /// The `Content-Type` header, which selects the kind of patch.
    pub content_type: Option<String>,
    /// The `Accept` header, which selects tables.
    pub accept: Option<String>,
    /// The `User-Agent` header; its first word is the default field manager.
    pub user_agent: Option<String>,
    /// The body, JSON or YAML.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without a body; `target` is a path with an optional query.
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { method: method.to_owned(), path: path.to_owned(), query: query.to_owned(), ..Self::default() }
    }

    /// The same with a JSON body of the given content type.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: &serde_json::Value) -> Self {
        self.content_type = Some(content_type.to_owned());
        self.body = body.to_string().into_bytes();
        self
    }
}

/// Names an open watch; see [`super::Kubernetes::watch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(pub u64);

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: String,
    /// The body; empty when `watch` is set.
    pub body: Vec<u8>,
    /// Set when the answer is a stream: its content comes from [`super::Kubernetes::watch`].
    pub watch: Option<WatchId>,
}

impl Response {
    /// The body as JSON, or null when it is something else.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What the cluster can see of one machine whose kubelet belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "five things a machine is or has, each for itself")]
pub struct NodeView {
    /// The host name, which is the name of the Node object.
    pub name: String,
    /// The node's address in the cluster.
    pub address: Ipv4Addr,
    /// Whether it joined with `--worker`.
    pub worker: bool,
    /// Powered, kubelet running, and an API server within its reach.
    pub reachable: bool,
    /// When the kubelet last started: a kubelet registers its Node object only then.
    pub kubelet_started: Millis,
    /// The kubelet's version with its `v`, e.g. `v1.35.0`.
    pub version: String,
    /// As in `/etc/os-release`, e.g. `Debian GNU/Linux 12 (bookworm)`.
    pub os_image: String,
    /// As `uname -r` prints it.
    pub kernel: String,
    /// The content of `/etc/machine-id`.
    pub machine_id: String,
    /// The kernel's boot id; changes at each boot.
    pub boot_id: String,
    /// Labels besides the ones every `MicroK8s` kubelet sets.
    pub labels: BTreeMap<String, String>,
    /// Processors.
    pub cpus: u32,
    /// Memory in KiB.
    pub memory_kib: u64,
    /// Powered and on the network: its containers run and can be reached, also while its kubelet finds no API server.
    pub connected: bool,
    /// Whether `/sbin/mount.nfs` is there: without it no NFS volume can be mounted.
    pub nfs_client: bool,
    /// Whether `iscsiadm` is there and an iscsid answers it, itself or by its socket: without it no login to a target.
    pub iscsi: bool,
}

impl NodeView {
    /// A plausible machine that is up since `kubelet_started` = 0.
    pub fn new(name: &str, address: Ipv4Addr) -> Self {
        let id = crate::kubernetes::names::digest_hex(&[name.as_bytes(), &address.octets()]);
        Self {
            name: name.to_owned(),
            address,
            worker: false,
            reachable: true,
            kubelet_started: 0,
            version: "v1.35.0".to_owned(),
            os_image: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            kernel: "6.1.0-40-amd64".to_owned(),
            machine_id: id[..32].to_owned(),
            boot_id: format!("{}-{}-4{}-8{}-{}", &id[32..40], &id[40..44], &id[45..48], &id[49..52], &id[52..64]),
            labels: BTreeMap::new(),
            cpus: 2,
            memory_kib: 4 << 20,
            connected: true,
            nfs_client: true,
            iscsi: true,
        }
    }
}

/// What an HTTP server answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Names and values of the headers; the length of the body is not among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpAnswer {
    /// An answer of one content type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("content-type".to_owned(), content_type.to_owned())], body: body.into() }
    }
}

/// One pod that serves a port of a Service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Backend {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name; empty for an endpoint that is no pod.
    pub pod: String,
    /// The node it runs on; empty for an endpoint that is no pod.
    pub node: String,
    /// The pod's address, or the node's for a pod on the host's network.
    pub address: Ipv4Addr,
    /// The port it listens on.
    pub port: u16,
    /// The image of the container that declares the port, or of the first one.
    pub image: String,
}

/// One port of a Service and who answers behind it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServicePort {
    /// The Service's port.
    pub port: u16,
    /// `TCP` or `UDP`.
    pub protocol: String,
    /// The port every node's own address answers on, if any.
    pub node_port: Option<u16>,
    /// The ready backends, ordered by pod name.
    pub backends: Vec<Backend>,
}

/// What kube-proxy programs on **every** node for one Service: a connection made on a node to any of the addresses is
/// answered there, whether or not anybody announces the address on the network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The Service's namespace.
    pub namespace: String,
    /// The Service's name.
    pub service: String,
    /// The cluster address and the load balancer's addresses.
    pub addresses: Vec<Ipv4Addr>,
    /// The ports.
    pub ports: Vec<ServicePort>,
}

/// An address that `MetalLB` answers ARP requests for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Announcement {
    /// The load balancer address.
    pub address: Ipv4Addr,
    /// The node whose speaker announces it.
    pub node: String,
    /// The Service's namespace.
    pub namespace: String,
    /// The Service's name.
    pub service: String,
    /// The ports that answer there.
    pub ports: Vec<ServicePort>,
}

/// Ways in which a cluster can misbehave on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// `MetalLB`'s controller is Ready but its webhook refuses every connection, so that the addon's script, which
    /// retries for ever, never ends.
    MetallbEndlessLoop,
    /// Load balancer addresses are allocated but no speaker announces them.
    PoolNotAnnounced,
    /// One replica of every new Jiva volume stays write-only.
    ReplicaStaysWriteOnly,
    /// The first new Jiva volume that is read-write on all replicas loses one of them: its pod dies, its directory is
    /// emptied, the pod comes back and rebuilds. Once only.
    ReplicaLost,
    /// Every new Jiva volume turns read-only, two replicas being down, as soon as it was first mounted.
    ReadOnlyVolume,
    /// The containers of the first pod that ends with a Jiva volume mounted outlive it: mount and session stay until they are
    /// ended on the node. Once only.
    OrphanedContainer,
    /// After a consumer's pod is gone its `JivaVolume` keeps the label `nodeID` and its `mountInfo`.
    StaleMountOwner,
    /// A new Jiva volume needs 90 s longer to be Ready.
    SlowVolume,
    /// kustomize-controller's dry-run of one object fails at its first two attempts.
    FluxReconcileFails,
    /// helm-controller's first installation of a release fails. Once only.
    HelmInstallFailsOnce,
    /// The same, before its databases are there: each upgrade after it first migrates one that nothing makes. Once only.
    HelmInstallBreaksOff,
    /// The image of Redis cannot be pulled for 120 s.
    ImagePull,
    /// `PostgreSQL` recovers for 300 s at each start; a kubelet that kills it before ruins the database for good.
    DbSlowStart,
    /// The Secret `mastodon-secrets` loses its key `OTP_SECRET` right after it was made. Once only.
    MissingSecretKey,
    /// `MetalLB` allocates no address to the ingress Service.
    NoIngressAddress,
    /// The first long stream out of a pod ends in its middle, without a word. Once only.
    TruncatedStream,
}

impl Fault {
    const NAMES: [(Self, &'static str); 16] = [
        (Self::MetallbEndlessLoop, "metallb-endless-loop"),
        (Self::PoolNotAnnounced, "pool-not-announced"),
        (Self::ReplicaStaysWriteOnly, "replica-wo"),
        (Self::ReplicaLost, "replica-lost"),
        (Self::ReadOnlyVolume, "read-only-volume"),
        (Self::OrphanedContainer, "orphaned-container"),
        (Self::StaleMountOwner, "stale-mount-owner"),
        (Self::SlowVolume, "slow-volume"),
        (Self::FluxReconcileFails, "flux-reconcile-fails"),
        (Self::HelmInstallFailsOnce, "helm-install-fails-once"),
        (Self::HelmInstallBreaksOff, "helm-install-breaks-off"),
        (Self::ImagePull, "image-pull"),
        (Self::DbSlowStart, "db-slow-start"),
        (Self::MissingSecretKey, "missing-secret-key"),
        (Self::NoIngressAddress, "no-ingress-address"),
        (Self::TruncatedStream, "truncated-stream"),
    ];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(fault, _)| fault == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::NAMES
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(fault, _)| *fault)
            .ok_or_else(|| format!("no such fault of a cluster: {text}"))
    }
}
