//! A cluster behind real TLS on the loopback, and the stock `kubectl` to talk to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use homeprov_lab::kubernetes::{Kubernetes, Millis, NodeView, Request, Response, WatchId};
use homeprov_lab::server::{Api, Front, Identity};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// Virtual milliseconds in a real one.
const SPEED: u128 = 10;

/// The cluster, its machines, and when the clock was started.
pub struct Cluster {
    state: Mutex<(Kubernetes, Vec<NodeView>)>,
    started: Instant,
}

impl Cluster {
    fn now(&self) -> Millis {
        Millis::try_from(self.started.elapsed().as_millis() * SPEED).expect("a short test")
    }

    /// Does something with the cluster, after letting time pass for it.
    pub fn with<T>(&self, act: impl FnOnce(&mut Kubernetes, &mut Vec<NodeView>, Millis) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (cluster, views) = &mut *state;
        let now = self.now();
        cluster.tick(now, views);
        act(cluster, views, now)
    }
}

impl Api for Cluster {
    fn request(&self, request: &Request) -> Option<Response> {
        Some(self.with(|cluster, _, now| cluster.request(now, request)))
    }

    fn watch(&self, id: WatchId) -> Option<Vec<u8>> {
        self.with(|cluster, _, now| {
            let open = cluster.watching(id);
            let news = cluster.watch(now, id);
            (open || !news.is_empty()).then_some(news)
        })
    }

    fn close_watch(&self, id: WatchId) {
        self.with(|cluster, _, _| cluster.close_watch(id));
    }

    fn knows_token(&self, token: &str) -> bool {
        token == "lab-token"
    }
}

/// A served cluster; everything ends when it is dropped.
pub struct Served {
    pub cluster: Arc<Cluster>,
    pub address: SocketAddr,
    pub authority: String,
    pub client: (String, String),
    pub stranger: (String, String),
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// A certificate and its key, as PEM texts.
fn issued(by: &Authority, name: &str, addresses: &[&str]) -> (String, String) {
    let names: Vec<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("good names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, by).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

impl Served {
    /// A cluster of so many nodes, already at rest.
    pub fn start(nodes: u8) -> Self {
        let ours = authority("10.152.183.1");
        let (certificate, key) = issued(&ours, "127.0.0.1", &["127.0.0.1", "kubernetes"]);
        let identity = Identity { certificate, key, client_authority: ours.pem() };
        let epoch = jiff::Timestamp::now();
        let mut cluster = Kubernetes::new(0, epoch, 1, "v1.35.0");
        let views: Vec<NodeView> = (1..=nodes)
            .map(|number| NodeView::new(&format!("nuc{number}"), Ipv4Addr::new(10, 77, 0, 10 + number)))
            .collect();
        for now in (0..60_000).step_by(1_000) {
            cluster.tick(now, &views);
        }
        let started = Instant::now().checked_sub(Duration::from_secs(6)).expect("a clock that runs for a while");
        let cluster = Arc::new(Cluster { state: Mutex::new((cluster, views)), started });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let front = Front::new(&identity, Arc::clone(&cluster) as Arc<dyn Api>).expect("good files");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(front.serve(listener));
        let folder = tempfile::tempdir().expect("a folder");
        let served = Self {
            cluster,
            address,
            authority: ours.pem(),
            client: issued(&ours, "admin", &[]),
            stranger: issued(&authority("somebody else"), "admin", &[]),
            folder,
            runtime,
        };
        let user = format!(
            "client-certificate-data: {}, client-key-data: {}",
            STANDARD.encode(&served.client.0),
            STANDARD.encode(&served.client.1)
        );
        served.write_config("admin", &user);
        let user = format!(
            "client-certificate-data: {}, client-key-data: {}",
            STANDARD.encode(&served.stranger.0),
            STANDARD.encode(&served.stranger.1)
        );
        served.write_config("stranger", &user);
        served.write_config("token", "token: lab-token");
        served
    }

    fn config(&self, user: &str) -> PathBuf {
        self.folder.path().join(user)
    }

    fn write_config(&self, user: &str, credentials: &str) {
        let text = format!(
            "apiVersion: v1\nkind: Config\nclusters: [{{name: lab, cluster: {{server: 'https://{}', certificate-authority-data: {}}}}}]\n\
             contexts: [{{name: lab, context: {{cluster: lab, user: {user}}}}}]\ncurrent-context: lab\nusers: [{{name: {user}, user: {{{credentials}}}}}]\n",
            self.address,
            STANDARD.encode(&self.authority)
        );
        std::fs::write(self.config(user), text).expect("a writable folder");
    }

    /// The stock program, from `PATH` or from where `KUBECTL` says it is.
    pub fn command(&self, user: &str, line: &[&str]) -> Command {
        let program = std::env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into());
        let mut command = Command::new(program);
        command.arg("--kubeconfig").arg(self.config(user)).arg("--cache-dir").arg(self.folder.path().join("cache"));
        command
            .args(line)
            .env("HOME", self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end, `stdin` given; none when it could not be started.
    fn output(&self, user: &str, line: &[&str], stdin: &str) -> Output {
        use std::io::Write;
        let mut child = self.command(user, line).spawn().unwrap_or_else(|error| {
            panic!("kubectl cannot be started ({error}); install it with: apt-get install kubernetes-client")
        });
        child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("an open pipe");
        child.wait_with_output().expect("an end")
    }

    /// Runs it and expects success; what it printed.
    pub fn kubectl(&self, line: &[&str], stdin: &str) -> String {
        let output = self.output("admin", line, stdin);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "kubectl {line:?}: {}\n{out}{err}", output.status);
        out.into_owned()
    }

    /// Runs it and expects failure; what it complained.
    pub fn refused(&self, user: &str, line: &[&str], stdin: &str) -> String {
        let output = self.output(user, line, stdin);
        assert!(!output.status.success(), "kubectl {line:?} should have failed");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Runs it as another user and expects success.
    pub fn as_user(&self, user: &str, line: &[&str]) -> String {
        let output = self.output(user, line, "");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Where the connection's tasks run.
    pub fn runtime(&self) -> &tokio::runtime::Runtime {
        &self.runtime
    }
}
