//! The lab's network: a bridge, and a cable to each node.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, setns};

use super::CONTROLLER;

const BRIDGE: &str = "lab0";

/// Runs `ip` here.
pub fn ip(arguments: &str) -> Result<()> {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().context("running ip")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success() || said.contains("File exists"), "ip {arguments}: {said}");
    Ok(())
}

/// Makes the bridge, with the controller's address on it.
pub fn bridge() -> Result<()> {
    ip("link set lo up")?;
    ip(&format!("link add {BRIDGE} type bridge"))?;
    ip(&format!("addr add {CONTROLLER}/24 dev {BRIDGE}"))?;
    ip(&format!("link set {BRIDGE} up"))
}

/// Another device with this address: the bridge answers for it, with its own MAC address.
pub fn neighbour(address: Ipv4Addr) -> Result<()> {
    ip(&format!("addr add {address}/32 dev {BRIDGE}"))
}

fn cable(address: Ipv4Addr) -> String {
    format!("node{}", address.octets()[3])
}

/// Plugs a node's cable in: one end at the bridge, `eth0` in the node's namespace.
pub fn plug(address: Ipv4Addr, pid: i32) -> Result<()> {
    let cable = cable(address);
    let octet = address.octets()[3];
    ip(&format!("link add {cable} type veth peer name eth0 address 02:00:0a:4d:00:{octet:02x} netns {pid}"))?;
    ip(&format!("link set {cable} master {BRIDGE} up"))
}

/// Takes a cable out, or puts it in again.
pub fn carry(address: Ipv4Addr, on: bool) -> Result<()> {
    ip(&format!("link set {} {}", cable(address), if on { "up" } else { "down" }))
}

/// Takes the controller's own cable out, or puts it in again: the bridge goes on carrying what the nodes say to one
/// another. Routes narrower than the bridge's own network lead nowhere; connections that stand get no answer.
pub fn controller(on: bool) -> Result<()> {
    let network = CONTROLLER.rsplit_once('.').map_or(CONTROLLER, |(network, _)| network);
    let verb = if on { "del" } else { "add" };
    [0, 128].iter().try_for_each(|half| ip(&format!("route {verb} unreachable {network}.{half}/25")))
}

/// Removes the lab's end of a cable whose node is gone.
pub fn unplug(address: Ipv4Addr) {
    let _ = ip(&format!("link del {}", cable(address)));
}

/// Does something in the network namespace of a process, on a thread of its own.
pub fn within<T: Send>(pid: i32, action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let namespace = File::open(format!("/proc/{pid}/ns/net"))?;
            setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)?;
            action()
        });
        thread.join().map_err(|_| anyhow::anyhow!("a thread broke off"))?
    })
}

/// Listens in the network namespace of a process.
pub fn listen(pid: i32, address: SocketAddr) -> Result<TcpListener> {
    within(pid, || {
        let listener = TcpListener::bind(address).with_context(|| format!("listening on {address}"))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    })
}

/// Tells everybody that an address is here now, as a speaker of `MetalLB` does that takes it over (metallb/metallb
/// `internal/layer2/announcer.go`): whoever knew where it was before would go on sending there.
pub fn announce(pid: i32, address: Ipv4Addr) {
    std::thread::spawn(move || {
        within(pid, || {
            let arguments = format!("-q -U -c 3 -w 4 -I eth0 {address}");
            let mut arping = Command::new("arping");
            arping.args(arguments.split_whitespace()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            Ok(arping.status()?)
        })
    });
}

/// Rules that keep everything but SSH from a node and from whom it would answer, or no such rules any more. They stand for a
/// packet filter, which not every kernel the lab runs on has: what comes in gets no answer.
pub fn fence(pid: i32, on: bool) -> Result<()> {
    let verb = if on { "add" } else { "del" };
    for rule in ["pref 100 ipproto tcp sport 22 lookup main", "pref 101 from all blackhole"] {
        ip_within(pid, &format!("rule {verb} {rule}"))?;
    }
    Ok(())
}

/// Runs `ip` in the network namespace of a process; what is already so is fine.
pub fn ip_within(pid: i32, arguments: &str) -> Result<()> {
    within(pid, || {
        Command::new("ip").args(arguments.split_whitespace()).stderr(Stdio::null()).status()?;
        Ok(())
    })
}
