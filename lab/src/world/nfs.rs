//! The NFS client of a machine: what nfs-common puts on its disk.

use super::machine::Machine;

/// The helper `mount -t nfs` looks for. There is no NFS server in this homelab it could reach: volumes are mounted by
/// whoever shows the world's mounts.
const HELPER: &str = "#!/bin/sh\necho \"${0##*/}: Connection refused\" >&2\nexit 32\n";
const HELPERS: [&str; 2] = ["/sbin/mount.nfs", "/sbin/mount.nfs4"];

/// Puts the helpers on the disk.
pub(super) fn set_up(machine: &mut Machine) {
    for path in HELPERS {
        machine.files.write(path, HELPER.as_bytes(), 0o755);
    }
}

/// Takes the package away.
pub(super) fn remove(machine: &mut Machine) {
    if machine.packages.remove("nfs-common").is_some() {
        for (unit, ..) in super::system::units_of("nfs-common") {
            machine.units.remove(*unit);
        }
    }
    for path in HELPERS {
        machine.files.remove(path);
    }
}
