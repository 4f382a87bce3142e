//! Working in the mount namespace of a node.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use rustix::fs::CWD;
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

const NONE: Option<&str> = None;

/// Does something in the mount namespace of a process, on a thread of its own: paths are the node's there, links and all.
pub fn inside<T: Send>(pid: i32, action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let namespace = File::open(format!("/proc/{pid}/ns/mnt")).context("the node is off")?;
            // Only a thread with a root and a working directory of its own may join another mount namespace.
            unshare(CloneFlags::CLONE_FS)?;
            setns(namespace.as_fd(), CloneFlags::CLONE_NEWNS)?;
            action()
        });
        thread.join().map_err(|_| anyhow::anyhow!("a thread broke off"))?
    })
}

/// A mount of the same file system as the one at `path`, not attached anywhere yet. It shows the same source.
pub fn copy_of(path: &Path) -> Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, path, flags).with_context(|| format!("taking a copy of the mount {}", path.display()))
}

/// Attaches such a mount to a directory of the node `pid` is the first process of.
pub fn attach(pid: i32, copy: &OwnedFd, path: &str, read_only: bool) -> Result<()> {
    inside(pid, || {
        move_mount(copy, "", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .with_context(|| format!("mounting {path}"))?;
        if read_only { protect(path, true) } else { Ok(()) }
    })
}

/// Binds one directory of a node to another.
pub fn bind(pid: i32, directory: &str, path: &str, read_only: bool) -> Result<()> {
    inside(pid, || {
        mount(Some(directory), path, NONE, MsFlags::MS_BIND, NONE).with_context(|| format!("binding {directory}"))?;
        if read_only { protect(path, true) } else { Ok(()) }
    })
}

/// Lets a node's mount take writes, or none.
pub fn set_read_only(pid: i32, path: &str, read_only: bool) -> Result<()> {
    inside(pid, || protect(path, read_only))
}

fn protect(path: &str, read_only: bool) -> Result<()> {
    let flag = if read_only { MsFlags::MS_RDONLY } else { MsFlags::empty() };
    mount(NONE, path, NONE, MsFlags::MS_BIND | MsFlags::MS_REMOUNT | flag, NONE)
        .with_context(|| format!("remounting {path}"))
}

/// Takes a mount away, also from those who still use it. Somebody on the node may have done so before.
pub fn detach(pid: i32, path: &str) -> Result<()> {
    inside(pid, || match umount2(path, MntFlags::MNT_DETACH) {
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("unmounting {path}")),
    })
}
