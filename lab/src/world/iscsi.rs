//! The iSCSI initiator of a machine: its name, its daemon's start, `iscsi-iname` and `iscsiadm`.

use sha2::{Digest as _, Sha256};

use super::World;
use super::config::Os;
use super::machine::{Machine, Unit, UnitFile};
use super::process::{Call, Next, after};

/// Where the initiator's name is.
pub(super) const NAME_FILE: &str = "/etc/iscsi/initiatorname.iscsi";

/// How the names that a distribution's `iscsi-iname` makes begin.
fn prefix(os: Os) -> &'static str {
    match os {
        Os::Debian12 => "iqn.1993-08.org.debian:01",
        Os::Ubuntu2404 => "iqn.2004-10.com.ubuntu:01",
    }
}

/// The file as the package's `postinst` writes it.
fn name_file(name: &str) -> String {
    format!(
        "## DO NOT EDIT OR REMOVE THIS FILE!\n## If you remove this file, the iSCSI daemon will not start.\n\
         ## If you change the InitiatorName, existing access control lists\n## may reject this initiator.  The \
         InitiatorName must be unique\n## for each iSCSI initiator.  Do NOT duplicate iSCSI InitiatorNames.\n\
         InitiatorName={name}\n"
    )
}

/// Writes the initiator's name unless the disk has a name already: the package leaves that alone.
pub(super) fn set_up(machine: &mut Machine) {
    if machine.files.exists(NAME_FILE) {
        return;
    }
    // Not of the world's generator: what a machine is called must not change what else happens by chance.
    let own = format!("{} {}", machine.spec.name, machine.machine_id);
    let digest = Sha256::digest(own.as_bytes());
    let number = digest.iter().take(6).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let name = format!("{}:{number:012x}", prefix(machine.spec.os));
    machine.files.write(NAME_FILE, name_file(&name).as_bytes(), 0o600);
}

/// Gives the machine the name of the disk image it was cloned from.
pub(super) fn clone_name(machine: &mut Machine, name: &str) {
    machine.files.write(NAME_FILE, name_file(name).as_bytes(), 0o600);
}

/// Disables and stops iscsid and the socket that would start it.
pub(super) fn switch_off(machine: &mut Machine) {
    for name in ["iscsid.service", "iscsid.socket"] {
        if let Some(unit) = machine.units.get_mut(name) {
            *unit = Unit { file: UnitFile::Disabled, active: false };
        }
    }
}

/// Whether iscsid can start: what its unit runs before it (open-iscsi `debian/extra/startup-checks.sh`) wants a name, and
/// makes one where the file asks for it.
pub(super) fn check_start(world: &mut World, machine: &str) -> bool {
    let Some(text) = world.machine(machine).text(NAME_FILE) else { return false };
    if text.lines().any(|line| line == "GenerateName=yes") {
        let name = world.new_initiator_name(machine);
        clone_name(world.machine_mut(machine), &name);
        return true;
    }
    text.lines().any(|line| line.strip_prefix("InitiatorName=").is_some_and(|name| !name.is_empty()))
}

/// `iscsi-iname [-p PREFIX]`
pub(super) fn iname(world: &mut World, call: &mut Call) -> Next {
    let args = call.args();
    let name = match args.iter().position(|arg| arg == "-p" || arg == "--prefix") {
        Some(at) => match args.get(at + 1) {
            Some(prefix) => format!("{prefix}:{}", world.hex(12)),
            None => return call.fail(1, "iscsi-iname: option requires an argument -- 'p'"),
        },
        None => world.new_initiator_name(&call.machine),
    };
    after(5, move |_, call| call.quit(0, name))
}

/// `iscsiadm -m session` (open-iscsi `usr/iscsiadm.c`, its list of sessions); other modes belong to the CSI driver, which
/// works on the world by itself.
pub(super) fn adm(world: &mut World, call: &mut Call) -> Next {
    let args = call.args();
    let mode = args.iter().enumerate().find_map(|(at, arg)| match arg.as_str() {
        "-m" | "--mode" => args.get(at + 1).cloned(),
        other => other.strip_prefix("--mode=").or_else(|| other.strip_prefix("-m")).map(str::to_owned),
    });
    if args.iter().any(|arg| arg == "-V" || arg == "--version") {
        let version = world.machine(&call.machine).packages.get("open-iscsi").cloned().unwrap_or_default();
        let version = version.split('-').next().unwrap_or_default().to_owned();
        return call.quit(0, format!("iscsiadm version {version}"));
    }
    match mode.as_deref() {
        Some("session") => after(20, |world, call| sessions(world, call)),
        Some("node") if args.iter().any(|arg| arg == "--logout" || arg == "-u") => after(60, log_out),
        Some("node" | "discovery" | "discoverydb" | "iface" | "host" | "fw") => {
            after(20, |_, call| call.fail(21, "iscsiadm: No records found"))
        }
        _ => {
            call.fail(7, "iscsiadm: This command is not implemented in this homelab: only -m session and a logout are.")
        }
    }
}

/// `iscsiadm -m node -T TARGET --logout`: the disk is gone, and what was mounted from it, too.
fn log_out(world: &mut World, call: &mut Call) -> Next {
    let args = call.args();
    let target = args.iter().position(|arg| arg == "-T" || arg == "--targetname").and_then(|at| args.get(at + 1));
    let target = target.cloned().unwrap_or_default();
    let host = world.machine(&call.machine).hostname.clone();
    let view = world.cluster_of(&call.machine).map(|cluster| cluster.kubernetes.storage_view()).unwrap_or_default();
    let Some(session) = view.sessions.into_iter().find(|session| session.node == host && session.iqn == target) else {
        return call.fail(21, "iscsiadm: No matching sessions found");
    };
    let portal = session.portal.replace(':', ",");
    call.say(format!("Logging out of session [sid: {}, target: {target}, portal: {portal}]", session.number));
    world.log_out(&call.machine.clone(), target.rsplit(':').next().unwrap_or_default());
    call.quit(0, format!("Logout of [sid: {}, target: {target}, portal: {portal}] successful.", session.number))
}

fn sessions(world: &World, call: &mut Call) -> Next {
    if call.exec.user != "root" {
        return call.fail(6, "iscsiadm: Could not open /run/lock/iscsi: Permission denied");
    }
    let host = world.machine(&call.machine).hostname.clone();
    let view = world.cluster_of(&call.machine).map(|cluster| cluster.kubernetes.storage_view()).unwrap_or_default();
    let own: Vec<_> = view.sessions.iter().filter(|session| session.node == host).collect();
    if own.is_empty() {
        return call.fail(21, "iscsiadm: No active sessions.");
    }
    for session in own {
        call.say(format!("tcp: [{}] {},1 {} (non-flash)", session.number, session.portal, session.iqn));
    }
    Next::Exit(0)
}

impl World {
    /// A name nobody has.
    pub(super) fn new_initiator_name(&mut self, machine: &str) -> String {
        let prefix = prefix(self.machine(machine).spec.os);
        format!("{prefix}:{}", self.hex(12))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, FaultKind};
    use super::*;

    fn name(world: &World, machine: &str) -> String {
        let text = world.machine(machine).text(NAME_FILE).expect("the file is there");
        text.lines().find_map(|line| line.strip_prefix("InitiatorName=")).expect("a name").to_owned()
    }

    fn homelab(os: Os, faults: &[FaultKind]) -> World {
        let mut config = Config::homelab(2, os, "2026-11-21T01:45:00Z".parse().unwrap());
        config.faults = faults.iter().map(|kind| (*kind).into()).collect();
        World::in_memory(config)
    }

    #[test]
    fn every_machine_has_a_name_of_its_own_unless_it_is_a_clone() {
        let world = homelab(Os::Ubuntu2404, &[]);
        assert!(name(&world, "nuc1").starts_with("iqn.2004-10.com.ubuntu:01:"));
        assert_ne!(name(&world, "nuc1"), name(&world, "nuc2"));
        let mut world = homelab(Os::Debian12, &[FaultKind::ClonedInitiatorName]);
        for machine in ["nuc1", "nuc2"] {
            assert_eq!(world.run(machine, &["apt-get", "install", "-y", "open-iscsi"], b"").exit, 0);
        }
        assert_eq!(name(&world, "nuc1"), name(&world, "nuc2"));
    }

    #[test]
    fn without_volumes_there_are_no_sessions() {
        let mut world = homelab(Os::Ubuntu2404, &[]);
        let output = world.run("nuc1", &["iscsiadm", "-m", "session"], b"");
        assert_eq!((output.exit, output.stderr.as_str()), (21, "iscsiadm: No active sessions.\n"));
        let mut world = homelab(Os::Debian12, &[]);
        assert_eq!(world.run("nuc1", &["iscsiadm", "-m", "session"], b"").exit, 127);
    }

    #[test]
    fn iscsid_needs_a_name_and_makes_one_when_asked_to() {
        let mut world = homelab(Os::Ubuntu2404, &[]);
        world.machine_mut("nuc1").files.remove(NAME_FILE);
        let output = world.run("nuc1", &["systemctl", "enable", "--now", "iscsid"], b"");
        assert_eq!(output.exit, 1, "{output:?}");
        assert!(output.stderr.contains("Job for iscsid.service failed"), "{output:?}");
        world.machine_mut("nuc1").files.write(NAME_FILE, b"GenerateName=yes\n", 0o600);
        assert_eq!(world.run("nuc1", &["systemctl", "restart", "iscsid"], b"").exit, 0);
        assert_eq!(name(&world, "nuc1").len(), "iqn.2004-10.com.ubuntu:01:".len() + 12);
    }

    #[test]
    fn iscsid_that_is_off_stays_off_through_an_installation() {
        let mut world = homelab(Os::Debian12, &[FaultKind::IscsidOff]);
        assert_eq!(world.run("nuc2", &["apt-get", "install", "-y", "open-iscsi"], b"").exit, 0);
        let asked = world.run("nuc2", &["systemctl", "is-enabled", "iscsid"], b"");
        assert_eq!((asked.exit, asked.stdout.as_str()), (1, "disabled\n"));
        assert!(!world.machine("nuc2").iscsid_answers());
        assert_eq!(world.run("nuc2", &["systemctl", "enable", "--now", "iscsid"], b"").exit, 0);
        assert!(world.machine("nuc2").iscsid_answers());
    }
}
