//! A real OpenSSH server on loopback, with keys of its own, in a mount namespace where `/run` and `/var/lib` are its
//! own too.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use homeprov::engine::event::Event;
use homeprov::inventory::model::{Cluster, Inventory, Node, NodeSsh, Role, Ssh, Storage, Sudo};
use homeprov::ssh::{OpenSsh, Options};
use tokio::sync::mpsc::UnboundedReceiver;

/// A running server, and the files of the client that knows it.
pub struct Sshd {
    dir: tempfile::TempDir,
    child: Child,
    pub port: u16,
}

impl Sshd {
    /// Starts one; `extra` goes into its configuration. None when the tests do not run as root.
    pub fn start(extra: &str) -> Option<Self> {
        let id = Command::new("id").arg("-u").output().unwrap();
        if id.stdout != b"0\n" {
            eprintln!("skipped: the test server needs root");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        for key in ["host_ed25519", "client"] {
            keygen("ed25519", &dir.path().join(key));
        }
        keygen("ecdsa", &dir.path().join("host_ecdsa"));
        fs::copy(dir.path().join("client.pub"), dir.path().join("authorized")).unwrap();
        fs::create_dir(dir.path().join("lib")).unwrap();
        let port = free_port();
        let path = dir.path().display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {path}/host_ed25519\nHostKey {path}/host_ecdsa\n\
             AuthorizedKeysFile {path}/authorized\nPidFile none\nStrictModes no\nUsePAM no\n\
             PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\n{extra}\n"
        );
        fs::write(dir.path().join("sshd_config"), config).unwrap();
        let child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c"])
            .arg(
                "mount -t tmpfs tmpfs /run && mkdir /run/sshd && mount --bind \"$1/lib\" /var/lib && \
                 exec /usr/sbin/sshd -D -e -f \"$1/sshd_config\" 2>\"$1/sshd.log\"",
            )
            .arg("sh")
            .arg(dir.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut sshd = Self { dir, child, port };
        sshd.wait_until_it_listens();
        sshd.know(&sshd.public_key("host_ed25519"));
        Some(sshd)
    }

    /// One whose every command goes through a shell script, which finds it in `$SSH_ORIGINAL_COMMAND`.
    pub fn with_shell(script: &str, extra: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap().keep();
        let shell = folder.join("shell");
        fs::write(&shell, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
        let sshd = Self::start(&format!("ForceCommand {}\n{extra}", shell.display()));
        if let Some(sshd) = &sshd {
            fs::rename(&folder, sshd.path("shell")).unwrap();
            std::os::unix::fs::symlink(sshd.path("shell"), &folder).unwrap();
            fs::write(sshd.path("link"), folder.as_os_str().as_encoded_bytes()).unwrap();
        } else {
            fs::remove_dir_all(&folder).unwrap();
        }
        sshd
    }

    fn wait_until_it_listens(&mut self) {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "{:?}", fs::read_to_string(self.path("sshd.log")));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A file of the server's.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `ssh-ed25519 AAAA…`
    pub fn public_key(&self, name: &str) -> String {
        let text = fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        let words: Vec<&str> = text.split_whitespace().take(2).collect();
        words.join(" ")
    }

    /// `SHA256:…`
    pub fn fingerprint(&self, name: &str) -> String {
        let output = Command::new("ssh-keygen").arg("-lf").arg(self.path(&format!("{name}.pub"))).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().nth(1).unwrap().to_owned()
    }

    /// Writes the known-hosts file with one key for this server.
    pub fn know(&self, key: &str) {
        let line = format!("[127.0.0.1]:{} {key}\n", self.port);
        fs::write(self.path("known_hosts"), line).unwrap();
    }

    /// The inventory of one node, nuc1, which is this server.
    pub fn inventory(&self) -> Inventory {
        fs::write(self.path("ssh_config"), "").unwrap();
        Inventory {
            cluster: Cluster { name: "home".into(), channel: "1.35/stable".into(), allow_two_control_planes: false },
            ssh: Ssh {
                user: Some("root".into()),
                port: Some(self.port),
                identity: Some(self.path("client")),
                config: Some(self.path("ssh_config")),
                jump: None,
                known_hosts: Some(self.path("known_hosts")),
                sudo: Sudo::Auto,
            },
            nodes: vec![Node {
                name: "nuc1".into(),
                address: [127, 0, 0, 1].into(),
                role: Role::ControlPlane,
                failure_domain: None,
                labels: std::collections::BTreeMap::new(),
                host_key: None,
                ssh: NodeSsh::default(),
            }],
            metallb: None,
            storage: Storage::default(),
            flux: None,
            mastodon: None,
        }
    }

    /// Process ids of the connections it serves.
    pub fn connections(&self) -> Vec<u32> {
        let pid = self.child.id();
        fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
            .unwrap()
            .split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect()
    }

    /// Waits until no connection is left.
    pub async fn wait_until_idle(&self, limit: Duration) -> bool {
        let began = Instant::now();
        while began.elapsed() < limit {
            if self.connections().is_empty() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    /// Cuts every connection, as a power failure does.
    pub fn cut(&self) {
        for pid in self.connections() {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.cut();
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Ok(link) = fs::read_to_string(self.path("link")) {
            let _ = fs::remove_file(link);
        }
    }
}

/// A transport and its events.
pub fn open(inventory: Inventory, options: Options) -> (OpenSsh, UnboundedReceiver<Event>) {
    let (sink, events) = tokio::sync::mpsc::unbounded_channel();
    (OpenSsh::new(Arc::new(inventory), options, sink), events)
}

/// Quick to give up.
pub fn quick() -> Options {
    Options { connect_timeout: Duration::from_secs(2), ..Options::default() }
}

/// A port of 127.0.0.1 where nobody listens. Each test is a process of its own with a dozen ports of its own, below those
/// that the kernel gives away: no other test gets the same one before it is listened on.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 1000).expect("a small number") * 12 + 20_000;
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let ports = std::iter::repeat_with(|| own + NEXT.fetch_add(1, Ordering::Relaxed) % 12);
    ports.take(12).find(free).expect("a free port")
}

fn keygen(kind: &str, path: &Path) {
    let status =
        Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-C", "test", "-f"]).arg(path).status().unwrap();
    assert!(status.success());
}
