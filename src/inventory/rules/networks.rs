//! Networks that are spoken for.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::inventory::model::PoolRange;

/// A network and who has it.
pub(super) struct Taken {
    pub(super) network: Ipv4Net,
    /// What an address in it is: "… is a loopback address".
    pub(super) kind: &'static str,
    /// Why such an address cannot be used.
    pub(super) why: &'static str,
}

/// The networks MicroK8s gives to pods and services
/// (canonical/microk8s microk8s-resources/default-args/kube-apiserver and kube-proxy).
pub(super) static CLUSTER: [Taken; 2] = [
    Taken {
        network: net(10, 1, 0, 0, 16),
        kind: "in the network of the pods, 10.1.0.0/16",
        why: "every node routes 10.1.0.0/16 to the pods of MicroK8s; a machine or a service on the home network in it cannot be reached",
    },
    Taken {
        network: net(10, 152, 183, 0, 24),
        kind: "in the network of the services, 10.152.183.0/24",
        why: "every node sends 10.152.183.0/24 to the cluster's own services; a machine or a pool in it cannot be reached",
    },
];

/// The networks no machine and no pool on a home network can be in
/// (<https://www.iana.org/assignments/iana-ipv4-special-registry>).
pub(super) static SPECIAL: [Taken; 5] = [
    Taken {
        network: net(0, 0, 0, 0, 8),
        kind: "an unspecified address",
        why: "0.0.0.0/8 stands for \"this host\" and cannot be dialled by the others",
    },
    Taken {
        network: net(127, 0, 0, 0, 8),
        kind: "a loopback address",
        why: "127.0.0.0/8 means the machine itself on every machine; the other nodes cannot reach it there",
    },
    Taken {
        network: net(169, 254, 0, 0, 16),
        kind: "a link-local address",
        why: "169.254.0.0/16 is what a machine gives itself when no DHCP server answers; it changes, and MicroK8s leaves it out",
    },
    Taken {
        network: net(224, 0, 0, 0, 4),
        kind: "a multicast address",
        why: "224.0.0.0/4 addresses groups of machines, never one",
    },
    Taken {
        network: net(240, 0, 0, 0, 4),
        kind: "a reserved or broadcast address",
        why: "240.0.0.0/4 is reserved, and no machine can have an address of it",
    },
];

/// Who has a part of the range.
pub(super) fn taken(range: &PoolRange) -> Option<&'static Taken> {
    let mut taken = SPECIAL.iter().chain(&CLUSTER);
    taken.find(|taken| range.overlaps_network(taken.network))
}

const fn net(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}
