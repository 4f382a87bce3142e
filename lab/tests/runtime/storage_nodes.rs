//! Nodes without a world: for tests that say themselves what the nodes should look like.

use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use homeprov_lab::kubernetes::{
    ContainerRun, ContainerVolume, Content, HostMount, IscsiSession, ReplicaDirectory, ReplicaMode, StorageView,
};
use homeprov_lab::runtime::arguments::Login;
use homeprov_lab::runtime::disk::Disk;
use homeprov_lab::runtime::node::Node;
use homeprov_lab::runtime::storage::{NodeHandle, Report, Storage};
use homeprov_lab::runtime::{BASE, network};
use homeprov_lab::world::{ClusterId, Config, Os, World};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{SeekFrom, seek};

/// The kubelet's directory on a node.
pub const KUBELET: &str = "/var/snap/microk8s/common/var/lib/kubelet";
/// The volumes' size.
pub const SIZE: u64 = 5 << 30;
/// As long as anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A few nodes, what they should look like, and what was heard of their containers.
pub struct Nodes {
    world: World,
    machines: Vec<Node>,
    pub storage: Storage,
    pub view: StorageView,
    /// What each container has written, by its name.
    pub reports: Vec<Report>,
}

impl Nodes {
    /// So many nodes, in namespaces only this test's thread is in.
    pub fn new(count: u8) -> Self {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).unwrap();
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(Some("tmpfs"), BASE, Some("tmpfs"), MsFlags::empty(), Some("mode=755")).unwrap();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_homeprov-lab"));
        fs::copy(&program, Path::new(BASE).join("stand-in")).unwrap();
        network::bridge().unwrap();
        let world = World::in_memory(Config::homelab(count, Os::Ubuntu2404, jiff::Timestamp::UNIX_EPOCH));
        let mut nodes = Vec::new();
        for machine in world.machines() {
            let disk = Disk::new(machine.name());
            disk.format().unwrap();
            let key = disk.login(Login::Root, false, "").unwrap();
            let mut node = Node::new(machine.name(), machine.spec.address, key, 20);
            node.switch_on(machine).unwrap();
            nodes.push(node);
        }
        for node in &mut nodes {
            node.booted().unwrap();
        }
        let storage = Storage::new(&Path::new(BASE).join("storage"), program, 20).unwrap();
        Self { world, machines: nodes, storage, view: StorageView::default(), reports: Vec::new() }
    }

    fn handles(&self) -> Vec<NodeHandle> {
        let handle = |node: &Node| NodeHandle { name: node.name.clone(), pid: node.pid, root: node.disk.root() };
        self.machines.iter().map(handle).collect()
    }

    /// Makes the nodes look as the view says, once.
    #[track_caller]
    pub fn settle(&mut self) {
        let handles = self.handles();
        self.storage.settle(&[(ClusterId(1), self.view.clone())], &handles);
        self.storage.wait(Duration::from_millis(10), || handles.clone());
        self.reports.extend(self.storage.take_reports());
        assert_eq!(self.storage.take_failures(), [] as [String; 0]);
    }

    /// Goes on until something is so.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut so: impl FnMut(&Self) -> bool) {
        let since = Instant::now();
        while !so(self) {
            assert!(since.elapsed() < PATIENCE, "{what} did not come true: {:?}\n{:?}", self.view, self.reports);
            self.settle();
        }
    }

    /// What a container has written, and its exit status once it has ended.
    pub fn heard(&self, container: &str) -> (String, Option<i32>) {
        let (mut text, mut status) = (Vec::new(), None);
        for report in &self.reports {
            match report {
                Report::Wrote(key, bytes) if key.2 == container => text.extend_from_slice(bytes),
                Report::Ended(key, with) if key.2 == container => status = Some(*with),
                _ => {}
            }
        }
        (String::from_utf8_lossy(&text).into_owned(), status)
    }

    /// Runs a container to its end and takes it from the view; its output and exit status.
    #[track_caller]
    pub fn run(&mut self, run: ContainerRun) -> (String, i32) {
        let name = run.container.clone();
        self.view.containers.push(run);
        self.until("the container's end", |nodes| nodes.heard(&name).1.is_some());
        let (text, status) = self.heard(&name);
        self.view.containers.retain(|run| run.container != name);
        self.settle();
        (text, status.unwrap())
    }

    /// Runs a script on a node; what it prints.
    pub fn on(&self, node: &str, script: &str) -> String {
        let node = self.machines.iter().find(|other| other.name == node).unwrap();
        let output = Command::new("nsenter")
            .args(["--mount", "--pid", "--target", &node.pid.to_string(), "sh", "-c", script])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Cuts a node's power.
    pub fn power_off(&mut self, name: &str) {
        self.machines.iter_mut().find(|node| node.name == name).unwrap().cut_power();
    }

    /// Gives it back.
    pub fn power_on(&mut self, name: &str) {
        let node = self.machines.iter_mut().find(|node| node.name == name).unwrap();
        node.switch_on(self.world.machine(name)).unwrap();
        node.booted().unwrap();
    }

    /// Three replicas of a volume, all with every byte, one on each node.
    pub fn replicate(&mut self, volume: &str) {
        for (ordinal, node) in (0..).zip(&self.machines) {
            self.view.replicas.push(ReplicaDirectory {
                volume: volume.to_owned(),
                ordinal,
                node: node.name.clone(),
                path: replica_path(volume, ordinal),
                mode: ReplicaMode::ReadWrite,
                size: SIZE,
            });
        }
    }

    /// How a replica takes part from now on.
    pub fn set_mode(&mut self, ordinal: usize, mode: ReplicaMode) {
        self.view.replicas[ordinal].mode = mode;
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.machines.iter_mut().for_each(Node::cut_power);
    }
}

/// Where a file of a node's disk lies.
pub fn disk(node: &str, path: &str) -> PathBuf {
    Disk::new(node).root().join(path.trim_start_matches('/'))
}

/// Where a replica's files are.
pub fn replica_path(volume: &str, ordinal: u32) -> String {
    format!("/var/snap/microk8s/common/var/openebs/local/{volume}-rep-{ordinal}")
}

/// Where a volume is mounted for a pod.
pub fn csi_path(pod: &str, volume: &str) -> String {
    format!("{KUBELET}/pods/{pod}/volumes/kubernetes.io~csi/{volume}/mount")
}

/// A volume's mount for a pod.
pub fn mount_of(node: &str, pod: &str, volume: &str) -> HostMount {
    HostMount {
        node: node.to_owned(),
        path: csi_path(pod, volume),
        source: "/dev/sdb".to_owned(),
        fstype: "ext4".to_owned(),
        read_only: false,
        content: Content::Volume(volume.to_owned()),
        root: None,
    }
}

/// The session a volume's disk comes through.
pub fn session_of(node: &str, volume: &str) -> IscsiSession {
    IscsiSession {
        node: node.to_owned(),
        number: 1,
        portal: "10.152.183.50:3260".to_owned(),
        iqn: format!("iqn.2016-09.com.openebs.jiva:{volume}"),
        device: "/dev/sdb".to_owned(),
    }
}

/// A container that runs a script, with directories of the node bound into it.
pub fn script(node: &str, pod: &str, container: &str, script: &str, volumes: &[(&str, &str)]) -> ContainerRun {
    ContainerRun {
        node: node.to_owned(),
        namespace: "default".to_owned(),
        pod: format!("job-{pod}"),
        uid: pod.to_owned(),
        container: container.to_owned(),
        image: "busybox:1.37".to_owned(),
        command: ["sh", "-c"].map(str::to_owned).to_vec(),
        args: vec![script.to_owned()],
        env: Vec::new(),
        working_dir: String::new(),
        volumes: volumes
            .iter()
            .map(|(host_path, container_path)| ContainerVolume {
                host_path: (*host_path).to_owned(),
                container_path: (*container_path).to_owned(),
                read_only: false,
            })
            .collect(),
        ending: false,
        grace_seconds: 30,
        user: None,
    }
}

/// The bytes a directory's files hold, as `du` counts them.
pub fn allocated(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).unwrap().flatten();
    files.map(|file| file.metadata().unwrap().blocks() * 512).sum()
}

/// How often a text is in the images of a replica; what is a hole is not read.
pub fn count(folder: &Path, text: &str) -> usize {
    let files = fs::read_dir(folder).unwrap().flatten().map(|file| file.path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "img")).map(|path| count_in(&path, text)).sum()
}

fn count_in(path: &Path, text: &str) -> usize {
    let file = fs::File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    let (mut found, mut at) = (0, 0);
    while at < size {
        let Ok(start) = seek(&file, SeekFrom::Data(at)) else { break };
        let end = seek(&file, SeekFrom::Hole(start)).unwrap();
        let mut data = vec![0; usize::try_from(end - start).unwrap()];
        file.read_exact_at(&mut data, start).unwrap();
        let text = text.as_bytes();
        // What begins at the beginning of a block is found quickly, also by a test's build.
        found += data.chunks(512).filter(|chunk| chunk.starts_with(text)).count();
        at = end;
    }
    found
}
