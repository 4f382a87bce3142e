//! One volume's bytes: the file trees they are seen in, and the replicas that keep them.
//!
//! Every source a volume is mounted from, `/dev/sdb` on one node and `10.152.183.77:/` on others, is a file system of its
//! own, for a mount shows but one source. They are kept the same, file by file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::copy;
use super::device::Device;
use super::layout::METADATA;
use super::replica::{Replica, State};
use super::tree::Tree;
use crate::kubernetes::RootPermissions;

/// The size of a volume nobody has told the size of.
const UNKNOWN_SIZE: u64 = 16 << 30;

/// A volume.
#[derive(Debug)]
pub struct Volume {
    folder: PathBuf,
    size: u64,
    read_only: bool,
    made: u32,
    permissions: Option<RootPermissions>,
    /// The file systems it is mounted as, by their source.
    shares: BTreeMap<String, Tree>,
    /// Where the bytes are in a directory of a node's disk: that directory, as the lab sees it.
    directory: Option<Tree>,
    /// Where they are on a block device: that.
    pub(super) device: Option<Device>,
    /// Whether it had replicas once and has none any more.
    pub(super) deleted: bool,
    /// The replicas of the device, by node and path.
    pub(super) replicas: BTreeMap<(String, String), Replica>,
}

impl Volume {
    /// The volume in a directory of a node.
    pub fn in_directory(folder: PathBuf, directory: PathBuf) -> Result<Self> {
        let mut volume = Self::empty(folder)?;
        volume.directory = Some(Tree::new(directory));
        Ok(volume)
    }

    /// The volume on a block device.
    pub fn on_device(folder: PathBuf) -> Result<Self> {
        let mut volume = Self::empty(folder)?;
        volume.device = Some(Device::new(&volume.folder.join("device"), UNKNOWN_SIZE)?);
        Ok(volume)
    }

    fn empty(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        let (shares, replicas) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self {
            folder,
            size: UNKNOWN_SIZE,
            read_only: false,
            made: 0,
            permissions: None,
            shares,
            directory: None,
            deleted: false,
            device: None,
            replicas,
        })
    }

    /// The volume's size, once it is known, and whenever it grows.
    pub fn set_size(&mut self, size: u64) -> Result<()> {
        if self.size == size {
            return Ok(());
        }
        self.size = size;
        if let Some(device) = &mut self.device {
            device.grow(size)?;
        }
        for replica in self.replicas.values_mut().filter(|replica| replica.is_there()) {
            replica.grow(size)?;
        }
        self.remount()
    }

    /// The volume's size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many writes its device has had.
    pub fn writes(&self) -> u64 {
        self.device.as_ref().map_or(0, |device| device.writes)
    }

    /// Whether its file systems take writes.
    pub fn set_read_only(&mut self, read_only: bool) -> Result<()> {
        if self.read_only != read_only {
            self.remount_as(read_only)?;
            self.read_only = read_only;
        }
        Ok(())
    }

    fn remount(&self) -> Result<()> {
        self.remount_as(self.read_only)
    }

    fn remount_as(&self, read_only: bool) -> Result<()> {
        let flag = if read_only { MsFlags::MS_RDONLY } else { MsFlags::empty() };
        for tree in self.shares.values() {
            let none: Option<&str> = None;
            mount(none, &tree.root, none, MsFlags::MS_REMOUNT | flag, Some(self.options().as_str()))
                .context("remounting a volume")?;
        }
        Ok(())
    }

    fn options(&self) -> String {
        // What the file system needs for itself is no room for files.
        format!("size={},mode=755", self.size.saturating_sub(METADATA).max(METADATA))
    }

    /// The file system that is mounted from `source`; where the lab has it.
    pub fn share(&mut self, source: &str) -> Result<&Path> {
        if !self.shares.contains_key(source) {
            let tree = self.make_share(source)?;
            self.shares.insert(source.to_owned(), tree);
            if self.read_only {
                self.remount()?;
            }
        }
        Ok(&self.shares[source].root)
    }

    fn make_share(&mut self, source: &str) -> Result<Tree> {
        self.made += 1;
        let root = self.folder.join(self.made.to_string());
        fs::create_dir(&root)?;
        mount(Some(source), &root, Some("tmpfs"), MsFlags::empty(), Some(self.options().as_str()))
            .with_context(|| format!("mounting a tmpfs as {source}"))?;
        self.pass()?;
        let mut tree = Tree::new(root);
        if let Some(other) = self.shares.values().chain(&self.directory).next() {
            for change in Tree::new(other.root.clone()).look()? {
                copy::repeat(&change, &other.root, &tree.root)?;
            }
            tree.look()?;
        } else {
            copy::make_directory(&tree.root.join("lost+found"), 0o700)?;
            self.format()?;
        }
        Ok(tree)
    }

    /// Makes a file system on the device, if there is none yet.
    pub fn format(&mut self) -> Result<()> {
        let heads = self.heads()?;
        if let Some(device) = &mut self.device {
            let before = device.writes;
            device.format(&heads)?;
            let writes = device.writes - before;
            self.count(writes)?;
        }
        Ok(())
    }

    /// Owner and mode of the root, as an NFS server sets them at its start.
    pub fn set_permissions(&mut self, source: &str, permissions: &RootPermissions) -> Result<()> {
        if self.permissions.as_ref() == Some(permissions) {
            return Ok(());
        }
        let root = self.share(source)?.to_owned();
        let owner = format!("{}:{}", permissions.uid, permissions.gid);
        let mut commands = vec![["chown", owner.as_str()]];
        if !permissions.mode.is_empty() {
            commands.push(["chmod", permissions.mode.as_str()]);
        }
        for [program, argument] in commands {
            let done = Command::new(program).args(["-R", argument]).arg(&root).output()?;
            anyhow::ensure!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
        }
        self.permissions = Some(permissions.clone());
        self.pass()
    }

    /// Lets go of the file systems that are mounted nowhere; one stays where nothing else has the bytes.
    pub fn keep_shares(&mut self, used: &[&str]) -> Result<()> {
        let idle: Vec<String> = self.shares.keys().filter(|source| !used.contains(&source.as_str())).cloned().collect();
        if idle.is_empty() {
            return Ok(());
        }
        self.pass()?;
        for source in idle {
            let elsewhere = self.shares.len() > 1 || self.directory.is_some();
            if let Some(tree) = elsewhere.then(|| self.shares.remove(&source)).flatten() {
                release(&tree)?;
            }
        }
        Ok(())
    }

    /// Copies what has changed in one file tree to the others and to the replicas.
    pub fn pass(&mut self) -> Result<()> {
        if self.shares.is_empty() {
            return Ok(());
        }
        let heads = self.heads()?;
        let mut trees: Vec<&mut Tree> = self.shares.values_mut().chain(&mut self.directory).collect();
        let before = self.device.as_ref().map_or(0, |device| device.writes);
        let mut failure = None;
        for index in 0..trees.len() {
            for change in trees[index].look()? {
                let root = trees[index].root.clone();
                let mut done = Ok(());
                for other in (0..trees.len()).filter(|other| *other != index) {
                    done = done.and(copy::repeat(&change, &root, &trees[other].root));
                    change.paths().for_each(|path| trees[other].note(path));
                }
                if let Some(device) = &mut self.device {
                    done = done.and(device.apply(&change, &root, &heads));
                }
                if let Err(error) = done {
                    // It is tried again at the next pass.
                    change.paths().for_each(|path| trees[index].forget(path));
                    failure = Some(error);
                }
            }
        }
        let writes = self.device.as_ref().map_or(0, |device| device.writes - before);
        self.count(writes)?;
        failure.map_or(Ok(()), |error| Err(error).context("copying what was written to a volume"))
    }

    /// The heads of the replicas that take writes.
    fn heads(&self) -> Result<Vec<File>> {
        let writable = self.replicas.values().filter(|replica| replica.state != State::Away && replica.is_there());
        writable.map(|replica| replica.head().context("opening a replica's head")).collect()
    }

    fn count(&mut self, writes: u64) -> Result<()> {
        if writes > 0 {
            for replica in self.replicas.values_mut().filter(|replica| replica.state != State::Away) {
                if replica.is_there() {
                    replica.count(writes)?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        for tree in self.shares.values() {
            let _ = release(tree);
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn release(tree: &Tree) -> Result<()> {
    umount2(&tree.root, MntFlags::MNT_DETACH).context("unmounting a volume")?;
    fs::remove_dir(&tree.root).context("removing a mount point")
}
