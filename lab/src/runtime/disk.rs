//! A node's disk: an overlay over this machine's own root directory, so that nothing is copied and nothing shows
//! through that a fresh machine would not have.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, mknod};

use super::arguments::Login;
use super::stand_in::PROGRAMS;
use super::{BASE, INSIDE};

/// What of this machine's root directory a node shares; everything else of it is hidden.
const SHARED: [&str; 9] = ["bin", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "usr", "var"];
/// What a fresh machine has not, or has of its own.
const HIDDEN: [&str; 32] = [
    "etc/ssh",
    "etc/cloud",
    "etc/sudoers.d",
    "etc/iscsi",
    "etc/multipath.conf",
    "etc/multipath",
    "etc/nfs.conf",
    "etc/profile.d",
    "etc/sysctl.d",
    "etc/modules-load.d",
    "etc/hosts",
    "var/snap",
    "var/lib/homeprov",
    "var/lib/snapd",
    "var/lib/cloud",
    "var/lib/kubelet",
    "var/lib/docker",
    "var/cache",
    "var/log",
    "usr/local",
    "usr/bin/snap",
    "usr/bin/cloud-init",
    "usr/lib/snapd",
    "usr/sbin/iscsi-iname",
    "usr/sbin/iscsiadm",
    "usr/sbin/iscsid",
    "usr/sbin/mount.nfs",
    "usr/sbin/mount.nfs4",
    "usr/sbin/multipath",
    "usr/sbin/multipathd",
    "usr/sbin/umount.nfs",
    "usr/sbin/umount.nfs4",
];
/// The home directory's owner where one does not log in as root.
pub const USER: &str = "lab";
/// That user's password for sudo.
pub const PASSWORD: &str = "open-sesame";

/// A node's disk.
#[derive(Debug, Clone)]
pub struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// The disk of a node.
    pub fn new(node: &str) -> Self {
        Self { folder: Path::new(BASE).join("nodes").join(node) }
    }

    /// Its root directory, as the lab sees it.
    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// Where its changes against this machine lie.
    pub fn changes(&self) -> PathBuf {
        self.folder.join("changes")
    }

    /// A file beside the disk, for what is bound into the node.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes the disk, or empties it when it is there: a new machine.
    pub fn format(&self) -> Result<()> {
        if self.root().exists() {
            umount2(&self.root(), MntFlags::MNT_DETACH).context("unmounting a disk")?;
            fs::remove_dir_all(self.changes())?;
            fs::remove_dir_all(self.folder.join("work"))?;
        }
        for part in ["changes", "work", "root"] {
            fs::create_dir_all(self.folder.join(part))?;
        }
        self.hide()?;
        let options =
            format!("lowerdir=/,upperdir={},workdir={}", self.changes().display(), self.folder.join("work").display());
        mount(Some("overlay"), &self.root(), Some("overlay"), MsFlags::empty(), Some(options.as_str()))
            .context("mounting an overlay")?;
        self.furnish()
    }

    /// Whiteouts, put among the changes before the overlay is mounted: removing whole trees through it would take
    /// seconds.
    fn hide(&self) -> Result<()> {
        for entry in fs::read_dir("/")?.flatten() {
            let name = entry.file_name();
            if !SHARED.iter().any(|shared| name == *shared) {
                whiteout(&self.changes().join(name))?;
            }
        }
        for hidden in HIDDEN.into_iter().filter(|hidden| fs::symlink_metadata(Path::new("/").join(hidden)).is_ok()) {
            whiteout(&self.changes().join(hidden))?;
        }
        Ok(())
    }

    fn furnish(&self) -> Result<()> {
        let root = self.root();
        let directories = [
            "dev",
            "proc",
            "sys",
            "run",
            "tmp",
            "root",
            "home",
            "mnt",
            "srv",
            "snap",
            "etc/ssh",
            "etc/sudoers.d",
            "etc/profile.d",
            "etc/sysctl.d",
            "etc/modules-load.d",
            "var/snap",
            "var/log",
            "var/cache",
            "usr/local/bin",
            "usr/local/sbin",
        ];
        for directory in directories {
            fs::create_dir_all(root.join(directory))?;
        }
        fs::set_permissions(root.join("root"), fs::Permissions::from_mode(0o700))?;
        fs::create_dir_all(root.join(INSIDE.trim_start_matches('/')))?;
        fs::write(root.join(INSIDE.trim_start_matches('/')).join("stand-in"), b"")?;
        PROGRAMS.iter().try_for_each(|program| self.install(program))
    }

    /// Puts a stand-in where a program is expected.
    pub fn install(&self, program: &str) -> Result<()> {
        let path = self.root().join(program.trim_start_matches('/'));
        remove(&path)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(symlink(format!("{INSIDE}/stand-in"), path)?)
    }

    /// Takes a stand-in away; of a snap nothing stays below `/snap` (canonical/snapd `overlord/snapstate/backend/link.go`).
    pub fn uninstall(&self, program: &str) -> Result<()> {
        remove(&self.root().join(program.trim_start_matches('/')))?;
        let mut parts = Path::new(program).components().skip(1);
        if let (Some(top), Some(snap)) = (parts.next(), parts.next())
            && top.as_os_str() == "snap"
            && snap.as_os_str() != "bin"
        {
            let folder = self.root().join("snap").join(snap);
            if folder.is_dir() {
                fs::remove_dir_all(folder)?;
            }
        }
        Ok(())
    }

    /// The login: host key, authorized key, the user and its rights. Returns the public host key.
    pub fn login(&self, login: Login, noisy: bool, authorized: &str) -> Result<String> {
        let root = self.root();
        let key = root.join("etc/ssh/ssh_host_ed25519_key");
        remove(&key)?;
        let made =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(&key).status()?;
        anyhow::ensure!(made.success(), "ssh-keygen failed");
        fs::write(root.join("etc/ssh/sshd_config"), SSHD)?;
        let home = if login == Login::Root { "root" } else { "home/lab" };
        fs::create_dir_all(root.join(home).join(".ssh"))?;
        fs::write(root.join(home).join(".ssh/authorized_keys"), authorized)?;
        if noisy {
            fs::write(root.join("usr/local/bin/noisy-sh"), NOISY)?;
            fs::set_permissions(root.join("usr/local/bin/noisy-sh"), fs::Permissions::from_mode(0o755))?;
        }
        let shell = if noisy { "/usr/local/bin/noisy-sh" } else { "/bin/bash" };
        self.accounts(login, shell)?;
        Ok(fs::read_to_string(key.with_extension("pub"))?.trim().to_owned())
    }

    fn accounts(&self, login: Login, shell: &str) -> Result<()> {
        let root = self.root();
        let passwd = fs::read_to_string(root.join("etc/passwd"))?;
        let kept = passwd.lines().filter(|line| !line.starts_with("root:") && !line.starts_with("lab:"));
        let mut lines =
            vec![format!("root:x:0:0:root:/root:{}", if login == Login::Root { shell } else { "/bin/bash" })];
        lines.extend(kept.map(str::to_owned));
        if login != Login::Root {
            lines.push(format!("{USER}:x:4242:4242:{USER}:/home/{USER}:{shell}"));
            append(&root.join("etc/group"), &format!("{USER}:x:4242:\n"))?;
            append(&root.join("etc/shadow"), &format!("{USER}:{PASSWORD_HASH}:20000:0:99999:7:::\n"))?;
            let rule = if login == Login::Sudo { "NOPASSWD: ALL" } else { "ALL" };
            fs::write(root.join("etc/sudoers.d/lab"), format!("Defaults lecture=always\n{USER} ALL=(ALL) {rule}\n"))?;
            fs::set_permissions(root.join("etc/sudoers.d/lab"), fs::Permissions::from_mode(0o440))?;
            let home = root.join("home").join(USER);
            for path in [home.clone(), home.join(".ssh"), home.join(".ssh/authorized_keys")] {
                std::os::unix::fs::chown(path, Some(4242), Some(4242))?;
            }
        }
        Ok(fs::write(root.join("etc/passwd"), lines.join("\n") + "\n")?)
    }
}

/// What overlayfs takes for "not there" (the kernel's Documentation/filesystems/overlayfs.rst).
fn whiteout(path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    mknod(path, SFlag::S_IFCHR, Mode::empty(), 0).with_context(|| format!("hiding {}", path.display()))
}

fn append(path: &Path, line: &str) -> Result<()> {
    let text = fs::read_to_string(path)?;
    Ok(fs::write(path, text + line)?)
}

fn remove(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            fs::remove_dir_all(path).with_context(|| format!("hiding {}", path.display()))
        }
        Ok(_) => fs::remove_file(path).with_context(|| format!("hiding {}", path.display())),
        Err(_) => Ok(()),
    }
}

const SSHD: &str = "HostKey /etc/ssh/ssh_host_ed25519_key\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n\
KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nUseDNS no\nPrintMotd no\nPidFile none\nMaxStartups 100\n";

/// [`PASSWORD`], SHA-512.
const PASSWORD_HASH: &str =
    "$6$40W48w7LO5Olv5np$hlYzAbantgA19fxYo5unsSrz8lKpo80RbbohJUR/RUcBbaVTNpbUg9puueH8eF9xJLQ3XVy0j6jVrTxyJZFUA.";

const NOISY: &str = "#!/bin/bash\necho 'Welcome! 3 updates can be applied immediately.'\nprintf 'bell \\a and a line without an end'\n\
echo 'and a complaint' >&2\n/bin/bash \"$@\"\nstatus=$?\necho 'Goodbye.'\nexit $status\n";
