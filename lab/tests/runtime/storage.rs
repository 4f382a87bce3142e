//! Volumes on the nodes: mounts, replicas' files, containers, power.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use homeprov_lab::kubernetes::{Content, HostMount, ReplicaMode, RootPermissions, StorageView};

use super::lab::Lab;
use super::storage_nodes::{
    KUBELET, Nodes, SIZE, allocated, count, csi_path, disk, mount_of, replica_path, script, session_of,
};

const PVC: &str = "pvc-0a";
const MIB: u64 = 1024 * 1024;
/// Writes a marker and some random bytes, flushes them and says their hash.
const WRITE: &str = "{ printf MARKER; head -c 8388601 /dev/urandom; } | dd of=/data/canary bs=1M iflag=fullblock conv=fsync 2>/dev/null; \
    sha256sum /data/canary";

/// A volume with three replicas, mounted on a node for a pod.
fn mounted(nodes: &mut Nodes, node: &str, pod: &str) {
    if nodes.view.replicas.is_empty() {
        nodes.replicate(PVC);
    }
    nodes.view.sessions = vec![session_of(node, PVC)];
    nodes.view.mounts = vec![mount_of(node, pod, PVC)];
    nodes.settle();
}

/// How much of the canary each replica has, its markers and its allocated MiB.
fn found() -> Vec<(usize, u64)> {
    (0..3)
        .map(|ordinal| {
            let folder = disk(&format!("nuc{}", ordinal + 1), &replica_path(PVC, ordinal));
            (count(&folder, "MARKER"), allocated(&folder) / MIB)
        })
        .collect()
}

#[test]
fn what_a_container_wrote_is_in_every_replica_and_read_on_another_node() {
    let mut nodes = Nodes::new(3);
    mounted(&mut nodes, "nuc1", "writer");
    let path = csi_path("writer", PVC);
    assert_eq!(nodes.on("nuc1", &format!("findmnt -n -o SOURCE --mountpoint {path}")), "/dev/sdb");
    assert_eq!(nodes.on("nuc2", &format!("findmnt -n -o SOURCE --mountpoint {path}")), "");
    let by_path = format!("/dev/disk/by-path/ip-10.152.183.50:3260-iscsi-iqn.2016-09.com.openebs.jiva:{PVC}-lun-0");
    assert_eq!(nodes.on("nuc1", &format!("readlink -f {by_path}")), "/dev/sdb");
    assert_eq!(nodes.on("nuc1", &format!("ls {path}")), "lost+found");
    assert_eq!(found(), [(0, 1), (0, 1), (0, 1)], "a new file system takes about 1 MiB");

    nodes.view.containers.push(script(
        "nuc1",
        "writer",
        "write",
        &format!("{WRITE}; read -r line </dev/zero; sleep 60"),
        &[(&path, "/data")],
    ));
    nodes.until("the hash", |nodes| nodes.heard("write").0.contains("canary"));
    // The line can be read: the bytes are there.
    assert_eq!(found(), [(1, 9), (1, 9), (1, 9)]);
    let image = disk("nuc2", &replica_path(PVC, 1)).join("volume-head-000.img");
    assert_eq!(fs::metadata(image).unwrap().len(), SIZE);
    let written = nodes.heard("write").0;
    nodes.view.containers[0].ending = true;
    nodes.view.containers[0].grace_seconds = 0;
    nodes.until("the end", |nodes| nodes.heard("write").1 == Some(137));
    nodes.view.containers.clear();

    mounted(&mut nodes, "nuc2", "reader");
    assert_eq!(
        nodes.on("nuc1", &format!("findmnt -n -o SOURCE --mountpoint {path}; ls {KUBELET}/pods; ls /dev/disk/by-path")),
        ""
    );
    let path = csi_path("reader", PVC);
    let (read, status) = nodes.run(script("nuc2", "reader", "read", "sha256sum /data/canary", &[(&path, "/data")]));
    assert_eq!((read, status), (written, 0));

    nodes.view = StorageView::default();
    nodes.settle();
    for node in ["nuc1", "nuc2", "nuc3"] {
        assert_eq!(
            nodes.on(
                node,
                &format!("find /var/snap -path '*pvc-*'; ls {KUBELET}/pods; ls /dev/sd*; grep pvc- /proc/mounts")
            ),
            ""
        );
    }
}

#[test]
fn a_container_has_the_environment_it_was_given_and_a_root_of_its_own() {
    let mut nodes = Nodes::new(1);
    let mut run = script(
        "nuc1",
        "pod",
        "all",
        "pwd; echo $NAME; id -u; hostname; echo $$; ls /usr/lib/homelab /var; touch /etc/x /usr/x; echo $?; echo error >&2; exit 7",
        &[],
    );
    run.env = vec![("NAME".to_owned(), "value".to_owned())];
    run.working_dir = "/work/here".to_owned();
    run.user = Some(991);
    let (text, status) = nodes.run(run);
    assert_eq!(status, 7, "{text}");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("touch:")).collect();
    assert_eq!(
        lines,
        ["/work/here", "value", "991", "job-pod", "1", "/usr/lib/homelab:", "", "/var:", "tmp", "1", "error"]
    );
    let mut missing = script("nuc1", "pod", "missing", "", &[]);
    missing.command = vec!["no-such-program".to_owned()];
    let (text, status) = nodes.run(missing);
    assert_eq!((text.as_str(), status), ("exec: \"no-such-program\": executable file not found in $PATH\n", 128));
    let mut unsaid = script("nuc1", "pod", "unsaid", "", &[]);
    unsaid.command.clear();
    let (text, status) = nodes.run(unsaid);
    assert!(text.contains("busybox:1.37") && status == 127, "{text}");
}

#[test]
fn a_container_is_asked_to_end_before_it_is_killed() {
    let mut nodes = Nodes::new(1);
    let trap = script("nuc1", "a", "obeys", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done", &[]);
    // The first process of a container does not end by a signal it does not handle.
    let deaf = script("nuc1", "b", "deaf", "echo up; while :; do sleep 0.01; done", &[]);
    nodes.view.containers = vec![trap, deaf];
    nodes.until("both run", |nodes| ["obeys", "deaf"].iter().all(|name| nodes.heard(name).0 == "up\n"));
    let since = Instant::now();
    nodes.view.containers.iter_mut().for_each(|run| run.ending = true);
    nodes.until("one ends", |nodes| nodes.heard("obeys") == ("up\nbye\n".to_owned(), Some(3)));
    assert_eq!(nodes.heard("deaf").1, None);
    nodes.until("the other is killed", |nodes| nodes.heard("deaf").1 == Some(137));
    // Thirty seconds at twenty times the speed.
    assert!(since.elapsed() >= Duration::from_millis(1500));
}

#[test]
fn without_a_mount_the_bytes_stay_in_the_pods_directory() {
    let mut nodes = Nodes::new(3);
    nodes.replicate(PVC);
    nodes.view.sessions = vec![session_of("nuc1", PVC)];
    nodes.settle();
    let path = csi_path("writer", PVC);
    let (_, status) = nodes.run(script(
        "nuc1",
        "writer",
        "write",
        &format!("{WRITE}; df --output=source /data"),
        &[(&path, "/data")],
    ));
    assert_eq!(status, 0);
    assert_eq!(nodes.heard("write").0.lines().last(), Some("overlay"));
    assert_eq!(found(), [(0, 1), (0, 1), (0, 1)], "only the file system's own blocks");
}

#[test]
fn a_share_is_the_same_on_all_nodes() {
    let mut nodes = Nodes::new(3);
    mounted(&mut nodes, "nuc1", "server");
    let share = |node: &str, pod: &str| HostMount {
        path: format!("{KUBELET}/pods/{pod}/volumes/kubernetes.io~nfs/pvc-share"),
        source: "10.152.183.77:/".to_owned(),
        fstype: "nfs4".to_owned(),
        root: Some(RootPermissions { uid: 991, gid: 991, mode: "g+rws".to_owned() }),
        ..mount_of(node, pod, PVC)
    };
    nodes.view.mounts.extend([share("nuc2", "two"), share("nuc3", "three")]);
    nodes.settle();
    let (two, three) = (nodes.view.mounts[1].path.clone(), nodes.view.mounts[2].path.clone());
    assert_eq!(nodes.on("nuc3", &format!("findmnt -n -o SOURCE --mountpoint {three}")), "10.152.183.77:/");
    let mut write = script(
        "nuc2",
        "two",
        "write",
        &format!("umask 007; mkdir /data/d; {WRITE}; mv /data/canary /data/d/; ln -s d/canary /data/link"),
        &[(&two, "/data")],
    );
    write.user = Some(991);
    let (written, status) = nodes.run(write);
    assert_eq!(status, 0, "{written}");
    let look = format!("cd {three} && sha256sum link && stat -c '%a %u:%g %n' . d d/canary");
    let seen = nodes.on("nuc3", &look);
    let expected =
        format!("{}  link\n2775 991:991 .\n2770 991:991 d\n660 991:991 d/canary", written.split(' ').next().unwrap());
    assert_eq!(seen, expected);
    let server = csi_path("server", PVC);
    assert_eq!(nodes.on("nuc1", &look.replace(&three, &server)), expected);
    // Moved, not written twice.
    assert_eq!(found(), [(1, 9), (1, 9), (1, 9)]);
    nodes.on("nuc3", &format!("rm -r {three}/d; rm {three}/link"));
    nodes.until("it is gone everywhere", |nodes| nodes.on("nuc1", &format!("ls {server}")) == "lost+found");
    assert_eq!(nodes.on("nuc2", &format!("ls {two}")), "lost+found");
    // What was deleted is on the disks until something else is written there.
    assert_eq!(found(), [(1, 9), (1, 9), (1, 9)]);
}

#[test]
fn a_directory_of_a_node_is_bound_there_and_shared_elsewhere() {
    let mut nodes = Nodes::new(2);
    let directory = "/var/snap/microk8s/common/var/openebs/local/pvc-host";
    let content = Content::Directory { node: "nuc1".to_owned(), path: directory.to_owned() };
    let local = HostMount {
        path: format!("{KUBELET}/pods/a/volumes/kubernetes.io~local-volume/pvc-host"),
        source: directory.to_owned(),
        content: content.clone(),
        ..mount_of("nuc1", "a", PVC)
    };
    let share = HostMount {
        source: "10.152.183.77:/".to_owned(),
        fstype: "nfs4".to_owned(),
        content,
        ..mount_of("nuc2", "b", PVC)
    };
    let paths = (local.path.clone(), share.path.clone());
    nodes.view.mounts = vec![local, share];
    nodes.settle();
    let (_, status) = nodes.run(script("nuc1", "a", "write", "echo text >/data/file", &[(&paths.0, "/data")]));
    assert_eq!(status, 0);
    assert_eq!(fs::read_to_string(disk("nuc1", directory).join("file")).unwrap(), "text\n");
    assert_eq!(nodes.on("nuc2", &format!("cat {}/file", paths.1)), "text");
    assert_eq!(
        nodes.on("nuc1", &format!("findmnt -n -o SOURCE --mountpoint {}", paths.0)),
        format!("overlay[{directory}]")
    );
}

#[test]
fn a_replica_catches_up_from_a_snapshot() {
    let mut nodes = Nodes::new(3);
    mounted(&mut nodes, "nuc1", "writer");
    let path = csi_path("writer", PVC);
    let write = |name: &str| script("nuc1", "writer", name, &WRITE.replace("canary", name), &[(&path, "/data")]);
    nodes.run(write("one"));
    nodes.set_mode(2, ReplicaMode::Down);
    nodes.settle();
    nodes.run(write("two"));
    assert_eq!(found(), [(2, 17), (2, 17), (1, 9)]);
    nodes.set_mode(2, ReplicaMode::WriteOnly);
    nodes.settle();
    nodes.run(write("three"));
    assert_eq!(found(), [(3, 25), (3, 25), (2, 17)]);
    nodes.set_mode(2, ReplicaMode::ReadWrite);
    nodes.settle();
    assert_eq!(found(), [(3, 25), (3, 25), (3, 25)]);
    let names = |ordinal: u32| {
        let folder = disk(&format!("nuc{}", ordinal + 1), &replica_path(PVC, ordinal));
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let files = names(2);
    assert_eq!(files, names(0));
    assert_eq!(files[..2], ["log.meta", "revision.counter"]);
    assert_eq!(files[2..4], ["volume-head-001.img", "volume-head-001.img.meta"]);
    assert!(files[4].starts_with("volume-snap-") && files.len() == 7, "{files:?}");
    // A replica that vanishes loses its directory, and gets everything anew.
    let lost = nodes.view.replicas.remove(2);
    nodes.settle();
    assert!(!disk("nuc3", &lost.path).exists());
    nodes.view.replicas.push(lost);
    nodes.settle();
    assert_eq!(found(), [(3, 25), (3, 25), (3, 25)]);
}

#[test]
fn a_volume_that_takes_no_writes_says_so() {
    let mut nodes = Nodes::new(3);
    mounted(&mut nodes, "nuc1", "writer");
    let path = csi_path("writer", PVC);
    nodes.view.containers.push(script(
        "nuc1",
        "writer",
        "writes",
        "until ! touch /data/x; do sleep 0.05; done",
        &[(&path, "/data")],
    ));
    nodes.settle();
    nodes.view.mounts[0].read_only = true;
    nodes.until("it fails", |nodes| nodes.heard("writes").1 == Some(0));
    assert!(nodes.heard("writes").0.contains("Read-only file system"), "{:?}", nodes.reports);
    assert_eq!(nodes.on("nuc1", &format!("findmnt -n -o OPTIONS --mountpoint {path} | cut -c1-3")), "ro,");
    nodes.view.mounts[0].read_only = false;
    nodes.until("it takes writes again", |nodes| nodes.on("nuc1", &format!("touch {path}/y && echo done")) == "done");
}

#[test]
fn a_power_cut_takes_mounts_and_containers_and_leaves_the_disk() {
    let mut nodes = Nodes::new(3);
    mounted(&mut nodes, "nuc3", "writer");
    let path = csi_path("writer", PVC);
    let run = script("nuc3", "writer", "write", &format!("{WRITE}; sleep 4001"), &[(&path, "/data")]);
    nodes.view.containers.push(run);
    nodes.until("the hash", |nodes| nodes.heard("write").0.contains("canary"));
    nodes.power_off("nuc3");
    nodes.settle();
    nodes.settle();
    assert_eq!(nodes.heard("write").1, None, "nobody was there to tell");
    assert_eq!(found(), [(1, 9), (1, 9), (1, 9)]);
    nodes.power_on("nuc3");
    nodes.settle();
    assert_eq!(nodes.heard("write").1, Some(255));
    assert_eq!(
        nodes.on("nuc3", &format!("findmnt -n -o SOURCE --mountpoint {path}; ls {path}")),
        "/dev/sdb\ncanary\nlost+found"
    );
    assert_eq!(nodes.on("nuc3", "pgrep -x sleep"), "");
}

#[test]
fn writing_64_mib_does_not_take_long() {
    let mut nodes = Nodes::new(3);
    mounted(&mut nodes, "nuc1", "writer");
    let path = csi_path("writer", PVC);
    let text = "head -c 67108864 /dev/urandom >/tmp/bytes; echo ready; cp /tmp/bytes /data/canary; sync /data/canary; echo written";
    nodes.view.containers.push(script("nuc1", "writer", "write", text, &[(&path, "/data")]));
    nodes.until("it begins", |nodes| nodes.heard("write").0.starts_with("ready"));
    let since = Instant::now();
    nodes.until("it is written", |nodes| nodes.heard("write").0.ends_with("written\n"));
    let took = since.elapsed();
    assert_eq!(found().iter().map(|(_, size)| *size).collect::<Vec<_>>(), [65, 65, 65]);
    eprintln!("64 MiB in three replicas took {took:?}");
    // About a second on a machine that has nothing else to do.
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn a_killed_lab_leaves_no_container_and_no_mount() {
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    let job = r#"{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"}, "spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox:1.37",
        "command": ["sh", "-c", "sleep 4002 & exec sleep 4003"]}]}}}}"#;
    let script = format!(
        "echo '{job}' | on nuc1 '/snap/bin/microk8s kubectl apply -f -' >/dev/null
         until_so pgrep -f '^sleep 4002$'; until_so pgrep -f '^sleep 4003$'
         echo complete; sleep 60"
    );
    let mut command = Lab::of(1).with(&["--state", "cluster"]).command(&script);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let runs = || Command::new("pgrep").args(["-f", "^sleep 400[23]$"]).output().unwrap().status.success();
    let ran = runs();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((line.as_str(), ran), ("complete\n", true));
    let since = Instant::now();
    while runs() || mounts() != before {
        assert!(since.elapsed() < Duration::from_secs(20), "something is left");
        std::thread::sleep(Duration::from_millis(20));
    }
}
