//! A freshly installed operating system: packages, units, parameters, files under `/etc`.

use std::collections::{BTreeMap, BTreeSet};

use super::config::{MachineSpec, Os};
use super::files::Files;
use super::machine::{Machine, Unit, UnitFile};
use super::snap::Snapd;

/// Packages the archive offers, with their versions on Debian 12 and Ubuntu 24.04.
const ARCHIVE: [(&str, &str, &str); 33] = [
    ("arping", "2.23-1", "2.24-1"),
    ("bash", "5.2.15-2+b7", "5.2.21-2ubuntu4"),
    ("ca-certificates", "20230311", "20240203"),
    ("chrony", "4.3-2+deb12u1", "4.5-1ubuntu4.1"),
    ("cloud-init", "22.4.2-1", "24.3.1-0ubuntu0~24.04.2"),
    ("coreutils", "9.1-1", "9.4-3ubuntu6"),
    ("cron", "3.0pl1-162", "3.0pl1-184ubuntu2"),
    ("curl", "7.88.1-10+deb12u8", "8.5.0-2ubuntu10.5"),
    ("dbus", "1.14.10-1~deb12u1", "1.14.10-4ubuntu4.1"),
    ("dnsutils", "1:9.18.28-1~deb12u2", "1:9.18.28-0ubuntu0.24.04.1"),
    ("git", "1:2.39.5-0+deb12u1", "1:2.43.0-1ubuntu7.1"),
    ("iproute2", "6.1.0-3", "6.1.0-1ubuntu6"),
    ("iptables", "1.8.9-2", "1.8.10-3ubuntu2"),
    ("iputils-arping", "3:20221126-1", "3:20240117-1build1"),
    ("iputils-ping", "3:20221126-1", "3:20240117-1build1"),
    ("jq", "1.6-2.1", "1.7.1-3build1"),
    ("kmod", "30+20221128-1", "31+20240202-2ubuntu7"),
    ("multipath-tools", "0.9.4-3+deb12u1", "0.9.4-5ubuntu8"),
    ("netcat-openbsd", "1.219-1", "1.226-1ubuntu2"),
    ("nfs-common", "1:2.6.2-4", "1:2.6.4-3ubuntu5.1"),
    ("open-iscsi", "2.1.8-1", "2.1.9-3ubuntu5.2"),
    ("openssh-server", "1:9.2p1-2+deb12u3", "1:9.6p1-3ubuntu13.5"),
    ("procps", "2:4.0.2-3", "2:4.0.4-4ubuntu3.2"),
    ("python3", "3.11.2-1+b1", "3.12.3-0ubuntu2"),
    ("rsync", "3.2.7-1", "3.2.7-1ubuntu1"),
    ("snapd", "2.57.6-1+b5", "2.63.1+24.04"),
    ("squashfs-tools", "1:4.5.1-1", "1:4.6.1-1build1"),
    ("sudo", "1.9.13p3-1+deb12u1", "1.9.15p5-3ubuntu5"),
    ("systemd", "252.30-1~deb12u2", "255.4-1ubuntu8.4"),
    ("systemd-timesyncd", "252.30-1~deb12u2", "255.4-1ubuntu8.4"),
    ("tar", "1.34+dfsg-1.2+deb12u1", "1.35+dfsg-3build1"),
    ("util-linux", "2.38.1-5+deb12u1", "2.39.3-9ubuntu6.1"),
    ("xfsprogs", "6.1.0-1", "6.6.0-1ubuntu2"),
];

const MULTIPATH_CONF: &str = "defaults {\n    user_friendly_names yes\n}\n";

const DEBIAN_BASE: [&str; 16] = [
    "bash",
    "ca-certificates",
    "coreutils",
    "cron",
    "dbus",
    "iproute2",
    "iputils-ping",
    "kmod",
    "openssh-server",
    "procps",
    "python3",
    "systemd",
    "systemd-timesyncd",
    "tar",
    "util-linux",
    "iptables",
];
const UBUNTU_EXTRA: [&str; 10] = [
    "curl",
    "git",
    "multipath-tools",
    "open-iscsi",
    "rsync",
    "snapd",
    "squashfs-tools",
    "sudo",
    "netcat-openbsd",
    "cloud-init",
];

/// The version of `package` the archive offers, if it has it.
pub(super) fn archive_version(os: Os, package: &str) -> Option<&'static str> {
    ARCHIVE.iter().find(|(name, ..)| *name == package).map(|(_, debian, ubuntu)| match os {
        Os::Debian12 => *debian,
        Os::Ubuntu2404 => *ubuntu,
    })
}

/// What installing `package` adds to systemd: unit, start at boot, running.
pub(super) fn units_of(package: &str) -> &'static [(&'static str, UnitFile, bool)] {
    use UnitFile::{Disabled, Enabled, Static};
    match package {
        "openssh-server" => &[("ssh.service", Enabled, true)],
        "cron" => &[("cron.service", Enabled, true)],
        "dbus" => &[("dbus.service", Static, true)],
        "chrony" => &[("chrony.service", Enabled, true)],
        "systemd-timesyncd" => &[("systemd-timesyncd.service", Enabled, true)],
        "systemd" => &[("systemd-journald.service", Static, true), ("systemd-logind.service", Static, true)],
        "cloud-init" => &[("cloud-init.service", Enabled, true)],
        "multipath-tools" => &[("multipathd.service", Enabled, true), ("multipathd.socket", Enabled, true)],
        "nfs-common" => &[("nfs-client.target", Enabled, true), ("rpcbind.service", Enabled, true)],
        "open-iscsi" => &[
            ("iscsid.service", Disabled, false),
            ("iscsid.socket", Enabled, true),
            ("open-iscsi.service", Enabled, false),
        ],
        "snapd" => &[
            ("snapd.service", Enabled, true),
            ("snapd.socket", Enabled, true),
            ("snapd.seeded.service", Enabled, true),
            ("snapd.apparmor.service", Enabled, true),
        ],
        _ => &[],
    }
}

/// A machine as it comes out of the installer, switched off.
pub(super) fn fresh(spec: &MachineSpec, machine_id: String, files: Box<dyn Files>) -> Machine {
    let mut machine = Machine {
        spec: spec.clone(),
        powered: false,
        connected: true,
        fenced: false,
        tables: BTreeMap::new(),
        boots: 0,
        boot_id: String::new(),
        booted_at: 0,
        machine_id,
        hostname: spec.name.clone(),
        clock_offset: 0,
        time_synced: true,
        disk_used_mib: 4 * 1024,
        free_inodes: 12_000_000,
        packages: BTreeMap::new(),
        modules: modules(),
        sysctls: sysctls(spec.os),
        units: BTreeMap::new(),
        snapd: Snapd::default(),
        microk8s: None,
        files,
    };
    write_files(&mut machine);
    let mut packages: Vec<String> = DEBIAN_BASE.iter().map(|name| (*name).to_owned()).collect();
    if spec.os == Os::Ubuntu2404 {
        packages.extend(UBUNTU_EXTRA.iter().map(|name| (*name).to_owned()));
    }
    packages.extend(spec.packages.iter().cloned());
    for package in packages {
        install(&mut machine, &package);
    }
    machine
}

/// Adds a package and its units; returns whether it was new.
pub(super) fn install(machine: &mut Machine, package: &str) -> bool {
    let Some(version) = archive_version(machine.spec.os, package) else {
        return false;
    };
    if machine.packages.insert(package.to_owned(), version.to_owned()).is_some() {
        return false;
    }
    for &(unit, file, active) in units_of(package) {
        machine.units.insert(unit.to_owned(), Unit { file, active });
    }
    match package {
        "open-iscsi" => super::iscsi::set_up(machine),
        "nfs-common" => super::nfs::set_up(machine),
        "multipath-tools" if machine.spec.os == Os::Ubuntu2404 => {
            // Debian's package brings no configuration file, Ubuntu's this one.
            machine.files.write("/etc/multipath.conf", MULTIPATH_CONF.as_bytes(), 0o644);
        }
        _ => {}
    }
    if package == "cloud-init" {
        machine.files.make_dir("/etc/cloud/cloud.cfg.d", 0o755);
    }
    if package == "snapd" {
        let short = version.split(['-', '+']).next().unwrap_or(version);
        write_snapd_info(machine, short);
    }
    if package == "chrony" {
        machine.packages.remove("systemd-timesyncd");
        machine.units.remove("systemd-timesyncd.service");
    }
    true
}

/// The file in which the package says which snapd it is.
pub(super) fn write_snapd_info(machine: &mut Machine, version: &str) {
    let text = format!("VERSION={version}\nSNAPD_APPARMOR_REEXEC=0\n");
    machine.files.write("/usr/lib/snapd/info", text.as_bytes(), 0o644);
}

fn modules() -> BTreeSet<String> {
    ["ext4", "overlay", "virtio_net", "virtio_blk", "nls_utf8"].iter().map(|name| (*name).to_owned()).collect()
}

fn sysctls(os: Os) -> BTreeMap<String, String> {
    // Ubuntu 24.04 brings /usr/lib/sysctl.d/10-map-count.conf.
    let map_count = if os == Os::Ubuntu2404 { "1048576" } else { "65530" };
    [
        ("fs.aio-max-nr", "65536"),
        ("fs.inotify.max_user_instances", "128"),
        ("fs.inotify.max_user_watches", "65536"),
        ("kernel.panic", "0"),
        ("net.core.rmem_max", "212992"),
        ("net.ipv4.conf.all.rp_filter", "2"),
        ("net.ipv4.ip_forward", "0"),
        ("vm.max_map_count", map_count),
        ("vm.overcommit_memory", "0"),
        ("vm.panic_on_oom", "0"),
        ("vm.swappiness", "60"),
    ]
    .iter()
    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    .collect()
}

fn write_files(machine: &mut Machine) {
    let release = match machine.spec.os {
        Os::Debian12 => concat!(
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n",
            "VERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n"
        ),
        Os::Ubuntu2404 => concat!(
            "PRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\n",
            "VERSION=\"24.04.1 LTS (Noble Numbat)\"\nVERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\nUBUNTU_CODENAME=noble\n"
        ),
    };
    let name = machine.spec.name.clone();
    let hosts = format!("127.0.0.1 localhost\n127.0.1.1 {name}\n\n::1 localhost ip6-localhost ip6-loopback\n");
    let machine_id = format!("{}\n", machine.machine_id);
    let files = machine.files.as_mut();
    files.write("/etc/os-release", release.as_bytes(), 0o644);
    files.write("/etc/hostname", format!("{name}\n").as_bytes(), 0o644);
    files.write("/etc/hosts", hosts.as_bytes(), 0o644);
    files.write("/etc/machine-id", machine_id.as_bytes(), 0o444);
    if !files.exists("/sbin") {
        files.make_dir("/usr/sbin", 0o755);
        files.symlink("/usr/sbin", "/sbin");
    }
    files.make_dir("/etc/sysctl.d", 0o755);
    files.make_dir("/etc/modules-load.d", 0o755);
    if files.read("/etc/group").is_none() {
        files.write("/etc/group", b"root:x:0:\nsudo:x:27:\nadm:x:4:\n", 0o644);
    }
}

/// Gives a machine power: a new boot id, the modules and parameters its files ask for, its enabled units.
pub(super) fn boot(machine: &mut Machine, boot_id: String, now: super::Millis) {
    machine.powered = true;
    machine.boots += 1;
    machine.boot_id = boot_id;
    machine.booted_at = now;
    machine.modules = modules();
    machine.sysctls = sysctls(machine.spec.os);
    for name in machine.files.list("/etc/modules-load.d") {
        let text = machine.text(&format!("/etc/modules-load.d/{name}")).unwrap_or_default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
            super::host::load(machine, &line.replace('-', "_"));
        }
    }
    super::host::apply_sysctl_files(machine);
    for unit in machine.units.values_mut() {
        unit.active = match unit.file {
            UnitFile::Enabled => true,
            UnitFile::Static => unit.active,
            UnitFile::Disabled | UnitFile::Masked => false,
        };
    }
    if let Some(name) = machine.text("/etc/hostname").map(|text| text.trim().to_owned())
        && !name.is_empty()
    {
        machine.hostname = name;
    }
}
