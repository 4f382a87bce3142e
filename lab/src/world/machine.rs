//! One machine: its hardware, its operating system and what runs on it.

use std::collections::{BTreeMap, BTreeSet};

use super::Millis;
use super::config::{MachineSpec, Os};
use super::files::Files;
use super::microk8s::MicroK8s;
use super::snap::Snapd;

/// How a unit is started at boot, in systemd's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitFile {
    /// Started at boot.
    Enabled,
    /// Not started at boot.
    Disabled,
    /// Has no `[Install]` section.
    Static,
    /// Cannot be started at all.
    Masked,
}

impl UnitFile {
    /// systemd's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Static => "static",
            Self::Masked => "masked",
        }
    }
}

/// A systemd unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Whether it starts at boot.
    pub file: UnitFile,
    /// Whether it runs.
    pub active: bool,
}

/// One machine of the world.
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own")]
pub struct Machine {
    /// As it was delivered.
    pub spec: MachineSpec,
    /// Whether it is switched on.
    pub powered: bool,
    /// Whether its network cable is plugged in.
    pub connected: bool,
    /// Whether rules of its own drop what comes from the other machines and goes to them; whoever logs in over SSH does not
    /// notice.
    pub fenced: bool,
    /// The tables of its packet filter, by family and name: what was loaded of each.
    pub tables: BTreeMap<String, String>,
    /// How often it was switched on.
    pub boots: u64,
    /// This boot's id.
    pub boot_id: String,
    /// When it was switched on last.
    pub booted_at: Millis,
    /// `/etc/machine-id`.
    pub machine_id: String,
    /// Its host name now.
    pub hostname: String,
    /// How far its clock is ahead of the true time, in milliseconds.
    pub clock_offset: i64,
    /// Whether the time is synchronised.
    pub time_synced: bool,
    /// Used disk on the root file system, in MiB.
    pub disk_used_mib: u64,
    /// Free inodes of the root file system.
    pub free_inodes: u64,
    /// Installed Debian packages with their versions.
    pub packages: BTreeMap<String, String>,
    /// Loaded kernel modules.
    pub modules: BTreeSet<String>,
    /// Kernel parameters.
    pub sysctls: BTreeMap<String, String>,
    /// systemd units by full name; those of snaps are computed from the snap's services.
    pub units: BTreeMap<String, Unit>,
    /// snapd and what it keeps.
    pub snapd: Snapd,
    /// The `MicroK8s` on it, if that snap is installed.
    pub microk8s: Option<MicroK8s>,
    pub(super) files: Box<dyn Files>,
}

impl Machine {
    /// Its name in the lab, which a changed host name does not change.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its files, to look at.
    pub fn files(&self) -> &dyn Files {
        self.files.as_ref()
    }

    /// Its files, for programs outside of the world that write there.
    pub fn files_mut(&mut self) -> &mut dyn Files {
        self.files.as_mut()
    }

    /// Whether a lock file of `MicroK8s` is there.
    pub fn locked(&self, lock: &str) -> bool {
        self.files.exists(&format!("{}/var/lock/{lock}", super::DATA))
    }

    pub(super) fn set_lock(&mut self, lock: &str, on: bool) {
        let path = format!("{}/var/lock/{lock}", super::DATA);
        if on {
            self.files.write(&path, b"", 0o664);
        } else {
            self.files.remove(&path);
        }
    }

    pub(super) fn text(&self, path: &str) -> Option<String> {
        self.files.read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether the machine serves as a worker: no control plane of its own.
    pub fn is_worker(&self) -> bool {
        self.locked("clustered.lock")
    }

    /// Whether a login to an iSCSI target can work: iscsid runs, or its socket starts it.
    pub fn iscsid_answers(&self) -> bool {
        let active = |unit: &str| self.units.get(unit).is_some_and(|unit| unit.active);
        active("iscsid.service") || active("iscsid.socket")
    }

    /// Whether `MicroK8s` is installed.
    pub fn has_microk8s(&self) -> bool {
        self.microk8s.is_some()
    }

    /// The Debian version or Ubuntu release, as `VERSION_ID` says.
    pub fn os_version(&self) -> &'static str {
        match self.spec.os {
            Os::Debian12 => "12",
            Os::Ubuntu2404 => "24.04",
        }
    }

    /// As `PRETTY_NAME` says.
    pub fn os_image(&self) -> &'static str {
        match self.spec.os {
            Os::Debian12 => "Debian GNU/Linux 12 (bookworm)",
            Os::Ubuntu2404 => "Ubuntu 24.04.1 LTS",
        }
    }
}
