//! The looks at the nodes' disks and mounts: the scripts, and what they print.

use crate::ssh::{Program, SectionAnswer};

const MOUNT: &str = include_str!("mount.sh");
const REPLICA: &str = include_str!("replica.sh");

/// The files of a Jiva replica that hold the volume's bytes: the head and its snapshots
/// (openebs/jiva `replica/replica.go`).
pub const IMAGES: &str = "volume-*.img";
/// The file the proof writes, for volumes that are directories.
pub const CANARY: &str = "canary";

/// What a pod's volume is on its node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MountLook {
    /// Where kubelet has the volume, or where it should be.
    pub path: String,
    /// What is mounted there; absent for an ordinary directory.
    pub mount: Option<Mount>,
    /// Major and minor number of the root file system's device.
    pub root: Option<String>,
    /// The device the volume's link by path leads to.
    pub device: Option<String>,
    /// Files below the pod's directory, on the root file system, that hold the marker.
    pub stray: Vec<String>,
}

/// A line of `findmnt`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mount {
    /// Device, share, or device and directory: `/dev/sda1[/var/…]`.
    pub source: String,
    /// `ext4`, `nfs4`, …
    pub kind: String,
    /// Major and minor number.
    pub device: String,
    /// Whether it is mounted read-only.
    pub read_only: bool,
}

/// What a replica's files hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilesLook {
    /// Bytes of disk taken, holes not counted.
    pub allocated: u64,
    /// The files looked at.
    pub files: Vec<String>,
    /// How many different blocks of the canary were found.
    pub blocks: u32,
    /// What went wrong, when it did.
    pub problem: Option<String>,
}

/// Looks at a pod's volume.
pub fn mount_program(kubelet_root: &str, uid: &str, pv: &str, link: Option<&str>, needle: Option<&str>) -> Program {
    let root = kubelet_root.trim_end_matches('/');
    Program::command(["sh", "-c", MOUNT, "sh", root, uid, pv, link.unwrap_or(""), needle.unwrap_or("")])
}

/// Looks at the files of a replica; without a needle only at the room they take.
pub fn files_program(directory: &str, pattern: &str, needle: Option<&str>) -> Program {
    Program::command(["sh", "-c", REPLICA, "sh", directory, pattern, needle.unwrap_or("")])
}

/// Reads what the mount script printed.
pub fn mount_look(answer: &SectionAnswer) -> MountLook {
    let mut look = MountLook::default();
    for line in answer.stdout.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        match key {
            "path" => value.clone_into(&mut look.path),
            "mount" => look.mount = mount(value),
            "root" => look.root = Some(value.trim().to_owned()),
            "device" => look.device = Some(value.to_owned()),
            "stray" => look.stray.push(value.to_owned()),
            _ => {}
        }
    }
    look
}

fn mount(line: &str) -> Option<Mount> {
    let mut columns = line.split_whitespace();
    let (source, kind, device) = (columns.next()?, columns.next()?, columns.next()?);
    let read_only = columns.next().unwrap_or_default().split(',').any(|option| option == "ro");
    Some(Mount { source: source.to_owned(), kind: kind.to_owned(), device: device.to_owned(), read_only })
}

/// Reads what the replica script printed.
pub fn files_look(answer: &SectionAnswer) -> FilesLook {
    let mut look = FilesLook::default();
    for line in answer.stdout.lines() {
        match line.split_once(' ') {
            Some(("allocated", value)) => look.allocated = value.trim().parse().unwrap_or_default(),
            Some(("file", value)) => look.files.push(value.to_owned()),
            Some(("blocks", value)) => look.blocks = value.trim().parse().unwrap_or_default(),
            _ => {}
        }
    }
    let said = answer.stderr.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned);
    look.problem = match answer {
        SectionAnswer { timed_out: true, .. } => Some("looking took too long".to_owned()),
        SectionAnswer { status: 0, .. } => None,
        SectionAnswer { status, .. } => Some(said.unwrap_or_else(|| format!("looking ended with status {status}"))),
    };
    look
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::{Seek, SeekFrom, Write};
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::storage::canary::Canary;

    fn run(program: &Program) -> SectionAnswer {
        let Program::Command { argv, .. } = program else { panic!("a command") };
        let output = Command::new(&argv[0]).args(&argv[1..]).env("LC_ALL", "C").stdin(Stdio::null()).output().unwrap();
        SectionAnswer {
            status: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            timed_out: false,
        }
    }

    /// What the pod's script writes with this shell.
    fn written(canary: &Canary, shell: &[&str], directory: &Path) -> (i32, String) {
        let output = Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", include_str!("write.sh")])
            .env("MARK", &canary.mark)
            .env("BLOCKS", canary.blocks.to_string())
            .env("CHUNK", &canary.chunk)
            .env("HOLD", "0")
            .current_dir(directory)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    fn canary(blocks: u64) -> Canary {
        Canary::new("01ARZ3NDEKTSV4RRFFQ69G5FAV".into(), blocks * 65536)
    }

    fn content(canary: &Canary) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        written(canary, &["sh"], folder.path());
        fs::read(folder.path().join("canary")).unwrap()
    }

    #[test]
    fn every_shell_writes_what_the_hash_is_of() {
        let canary = canary(3);
        for shell in [&["dash"][..], &["bash", "--posix"], &["busybox", "sh"]] {
            if !["/bin", "/usr/bin"].iter().any(|folder| Path::new(folder).join(shell[0]).exists()) {
                continue;
            }
            let folder = tempfile::tempdir().unwrap();
            let (status, said) = written(&canary, shell, folder.path());
            assert_eq!((status, said.trim()), (0, format!("hash {}", canary.hash()).as_str()), "{shell:?}");
            assert_eq!(fs::metadata(folder.path().join("canary")).unwrap().len(), canary.size());
        }
    }

    #[test]
    fn what_cannot_be_written_is_said_and_held() {
        let (canary, folder) = (canary(2), tempfile::tempdir().unwrap());
        fs::create_dir(folder.path().join("canary")).unwrap();
        let (status, said) = written(&canary, &["sh"], folder.path());
        assert_eq!((status, said.as_str()), (0, "failed\n"));
    }

    #[test]
    fn reading_says_the_same_hash_or_that_there_is_nothing() {
        let (canary, folder) = (canary(2), tempfile::tempdir().unwrap());
        let read = || {
            let output = Command::new("sh")
                .args(["-c", include_str!("read.sh")])
                .env("HOLD", "0")
                .current_dir(folder.path())
                .output();
            let output = output.unwrap();
            (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
        };
        assert_eq!(read(), (3, "absent\n".to_owned()));
        written(&canary, &["sh"], folder.path());
        assert_eq!(read(), (0, format!("hash {}\n", canary.hash())));
    }

    /// A sparse image of `size` bytes with pieces at their places.
    fn image(path: &Path, size: u64, pieces: &[(u64, &[u8])]) {
        let mut file = File::create(path).unwrap();
        file.set_len(size).unwrap();
        for (place, bytes) in pieces {
            file.seek(SeekFrom::Start(*place)).unwrap();
            file.write_all(bytes).unwrap();
        }
        file.sync_all().unwrap();
    }

    #[test]
    fn blocks_are_found_in_heads_and_snapshots_and_counted_once() {
        let (canary, folder) = (canary(8), tempfile::tempdir().unwrap());
        let (directory, bytes) = (folder.path().join("pvc one's"), content(&canary));
        fs::create_dir(&directory).unwrap();
        let (first, last) = bytes.split_at(5 * 65536);
        image(&directory.join("volume-snap-a.img"), 1 << 26, &[(4096 * 7, first)]);
        image(&directory.join("volume-head-001.img"), 1 << 26, &[(4096 * 999, last), (1 << 25, &bytes[..65536])]);
        fs::write(directory.join("volume-head-001.img.meta"), &bytes).unwrap();
        let look = files_look(&run(&files_program(directory.to_str().unwrap(), IMAGES, Some(&canary.needle()))));
        assert_eq!(look.blocks, 8);
        assert_eq!(look.files, ["volume-head-001.img", "volume-snap-a.img"]);
        assert_eq!(look.problem, None);
        let other = Canary::new("01BX5ZZKBKACTAV9WEVGEMMVRZ".into(), 65536);
        assert_eq!(
            files_look(&run(&files_program(directory.to_str().unwrap(), IMAGES, Some(&other.needle())))).blocks,
            0
        );
    }

    #[test]
    fn room_taken_is_that_of_bytes_and_not_of_holes() {
        let (canary, folder) = (canary(16), tempfile::tempdir().unwrap());
        let look = || files_look(&run(&files_program(folder.path().to_str().unwrap(), IMAGES, None)));
        image(&folder.path().join("volume-head-000.img"), 1 << 30, &[]);
        let before = look().allocated;
        assert!(before < 1 << 20);
        image(&folder.path().join("volume-head-000.img"), 1 << 30, &[(1 << 29, &content(&canary))]);
        let grown = look().allocated - before;
        assert!((canary.size()..canary.size() + 65536).contains(&grown), "{grown}");
    }

    /// Every byte the script and its children read, as the kernel counted them: with a hole of a gibibyte in the middle.
    #[test]
    fn each_file_of_a_replica_is_read_once() {
        let (canary, folder) = (canary(1024), tempfile::tempdir().unwrap());
        let bytes = content(&canary);
        let (first, last) = bytes.split_at(bytes.len() / 2);
        image(&folder.path().join("volume-snap-a.img"), 1 << 30, &[(0, first)]);
        image(&folder.path().join("volume-head-001.img"), 1 << 30, &[(900 << 20, last)]);
        let program = files_program(folder.path().to_str().unwrap(), IMAGES, Some(&canary.needle()));
        let Program::Command { argv, .. } = &program else { panic!("a command") };
        let counted = ["sh", "-c", r#""$@"; sed -n 's/^rchar: /read /p' "/proc/$$/io""#, "sh"].map(str::to_owned);
        let look = run(&Program::command(counted.into_iter().chain(argv.iter().cloned())));
        assert_eq!(files_look(&look).blocks, 1024);
        let read = look.stdout.lines().find_map(|line| line.strip_prefix("read ")).unwrap().parse::<u64>().unwrap();
        let size = canary.size();
        assert!((size..size + size / 4).contains(&read), "{read} bytes were read of {size}");
    }

    #[test]
    fn an_absent_directory_is_a_problem() {
        let look = files_look(&run(&files_program("/nowhere/at all", IMAGES, Some("x"))));
        assert!(look.problem.unwrap().contains("/nowhere/at all"));
    }

    #[test]
    fn bytes_in_the_pods_own_space_are_found() {
        let (canary, root) = (canary(1), tempfile::tempdir().unwrap());
        let volume = root.path().join("pods/u-1/volumes/kubernetes.io~csi/pvc-1/mount");
        fs::create_dir_all(&volume).unwrap();
        fs::write(volume.join("canary"), content(&canary)).unwrap();
        let root = format!("{}/", root.path().display());
        let look = mount_look(&run(&mount_program(&root, "u-1", "pvc-1", None, Some(&canary.needle()))));
        assert_eq!(look.path, volume.to_str().unwrap());
        assert_eq!(look.mount, None);
        assert_eq!(look.stray, [volume.join("canary").to_str().unwrap()]);
        assert!(look.root.is_some());
    }

    #[test]
    fn a_mount_is_read_as_findmnt_prints_it() {
        let stdout = "path /k/pods/u/volumes/kubernetes.io~csi/pvc-1/mount\nmount /dev/sdb ext4 8:16 ro,relatime\nroot 253:0\ndevice /dev/sdb\n";
        let look = mount_look(&SectionAnswer { stdout: stdout.into(), ..SectionAnswer::default() });
        let mount = look.mount.unwrap();
        assert_eq!((mount.source.as_str(), mount.device.as_str(), mount.read_only), ("/dev/sdb", "8:16", true));
        assert_eq!((look.device.as_deref(), look.root.as_deref()), (Some("/dev/sdb"), Some("253:0")));
    }
}
