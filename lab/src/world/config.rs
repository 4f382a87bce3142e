//! What a world starts with: machines, faults, a seed, the store.

use std::net::Ipv4Addr;

use super::faults::Fault;

/// The operating system of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Os {
    /// Debian 12: snapd is not there until it is installed from the archive, and is 2.57.6 then.
    Debian12,
    /// Ubuntu 24.04: snapd 2.63 is there and seeded.
    Ubuntu2404,
}

/// One machine as it is delivered.
#[derive(Debug, Clone)]
pub struct MachineSpec {
    /// Its host name.
    pub name: String,
    /// Its address on the home network.
    pub address: Ipv4Addr,
    /// What is installed on it.
    pub os: Os,
    /// Memory in KiB, as `MemTotal` says.
    pub memory_kib: u64,
    /// Processors.
    pub cpus: u32,
    /// Free disk on the root file system, in MiB.
    pub disk_mib: u64,
    /// Kernel release, as `uname -r` says.
    pub kernel: String,
    /// Debian packages installed besides those the system comes with.
    pub packages: Vec<String>,
}

impl MachineSpec {
    /// A machine with 8 GiB of memory and 200 GiB of disk.
    pub fn new(name: &str, address: Ipv4Addr, os: Os) -> Self {
        let kernel = match os {
            Os::Debian12 => "6.1.0-28-amd64",
            Os::Ubuntu2404 => "6.8.0-49-generic",
        };
        Self {
            name: name.to_owned(),
            address,
            os,
            memory_kib: 8 * 1024 * 1024,
            cpus: 4,
            disk_mib: 200 * 1024,
            kernel: kernel.to_owned(),
            packages: Vec::new(),
        }
    }
}

/// One row of the store: a channel and what it holds.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Track and risk, `1.35/stable`.
    pub name: String,
    /// Version, `v1.35.0`.
    pub version: String,
    /// Revision, `8500`.
    pub revision: String,
}

impl Channel {
    fn new(name: &str, version: &str, revision: &str) -> Self {
        Self { name: name.to_owned(), version: version.to_owned(), revision: revision.to_owned() }
    }

    /// The channels of the store: the tracks 1.32 to 1.36 with three risks each, and `latest/stable`.
    pub fn defaults() -> Vec<Self> {
        let tracks = [
            ("1.36", "v1.36.2", 8710),
            ("1.35", "v1.35.0", 8500),
            ("1.34", "v1.34.1", 8321),
            ("1.33", "v1.33.5", 8155),
            ("1.32", "v1.32.9", 7964),
        ];
        let mut channels = vec![Self::new("latest/stable", "v1.36.2", "8710")];
        for (track, version, revision) in tracks {
            for (step, risk) in ["stable", "candidate", "edge"].into_iter().enumerate() {
                let revision = revision + if step == 2 { 3 } else { 0 };
                channels.push(Self::new(&format!("{track}/{risk}"), version, &revision.to_string()));
            }
        }
        channels
    }
}

/// What a world starts with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The machines, in order; the first is where a cluster usually begins.
    pub nodes: Vec<MachineSpec>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Seed of everything random: the same seed and the same inputs give the same world.
    pub seed: u64,
    /// The wall-clock time at which virtual time is zero.
    pub epoch: jiff::Timestamp,
    /// What the store offers.
    pub store_channels: Vec<Channel>,
}

impl Config {
    /// `count` machines nuc1, nuc2, … at 10.77.0.11, .12, …, without faults.
    pub fn homelab(count: u8, os: Os, epoch: jiff::Timestamp) -> Self {
        let nodes =
            (1..=count).map(|n| MachineSpec::new(&format!("nuc{n}"), Ipv4Addr::new(10, 77, 0, 10 + n), os)).collect();
        Self { nodes, faults: Vec::new(), seed: 1, epoch, store_channels: Channel::defaults() }
    }
}
