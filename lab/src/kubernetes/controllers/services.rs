//! Service addresses and node ports, given out when a Service is written.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use rand::RngExt;
use serde_json::{Value, json};

use crate::kubernetes::Kubernetes;
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::status::Failure;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{at, list, number, remove, set, text};

/// `MicroK8s`' `--service-cluster-ip-range=10.152.183.0/24`, without its last octet.
const NETWORK: [u8; 3] = [10, 152, 183];
const NODE_PORTS: std::ops::RangeInclusive<i64> = 30_000..=32_767;

impl Kubernetes {
    /// Gives a Service what it lacks, takes away what its type no longer has, and refuses what others have.
    pub(in crate::kubernetes) fn allocate(
        &mut self,
        kind: &Kind,
        key: &Key,
        old: Option<&Value>,
        object: &mut Value,
    ) -> Result<(), Failure> {
        if kind.plural != "services" || !kind.group.is_empty() {
            return Ok(());
        }
        if text(object, "/spec/type") == "ExternalName" {
            remove(object, "/spec/clusterIP");
            remove(object, "/spec/clusterIPs");
            return Ok(());
        }
        self.allocate_address(key, old, object)?;
        self.allocate_ports(key, old, object)
    }

    fn allocate_address(&mut self, key: &Key, old: Option<&Value>, object: &mut Value) -> Result<(), Failure> {
        if let (Some(old), "") = (old, text(object, "/spec/clusterIP")) {
            let kept = at(old, "/spec/clusterIP").clone();
            set(object, "/spec/clusterIP", kept);
        }
        let wanted = text(object, "/spec/clusterIP").to_owned();
        if wanted.is_empty() {
            let taken = self.others(key, |service| vec![text(service, "/spec/clusterIP").to_owned()]);
            let free = (0..2_000)
                .map(|_| Ipv4Addr::new(NETWORK[0], NETWORK[1], NETWORK[2], self.rng.random_range(16..255)).to_string())
                .find(|address| !taken.contains(address))
                .ok_or_else(|| Failure::internal("failed to allocate a serviceIP: range is full"))?;
            set(object, "/spec/clusterIP", free);
        } else if wanted != "None" {
            self.check_address(key, &wanted)?;
        }
        let address = at(object, "/spec/clusterIP").clone();
        set(object, "/spec/clusterIPs", json!([address]));
        Ok(())
    }

    fn check_address(&self, key: &Key, wanted: &str) -> Result<(), Failure> {
        let refuse = |why: &str| {
            let cause = format!("Invalid value: [\"{wanted}\"]: failed to allocate IP {wanted}: {why}");
            Err(Failure::invalid("", "Service", &key.name, &[("spec.clusterIPs".to_owned(), cause)]))
        };
        let inside = wanted.parse::<Ipv4Addr>().is_ok_and(|address| address.octets()[..3] == NETWORK);
        if !inside {
            return refuse("the provided network does not match the current range");
        }
        if self.others(key, |service| vec![text(service, "/spec/clusterIP").to_owned()]).contains(wanted) {
            return refuse("provided IP is already allocated");
        }
        Ok(())
    }

    fn allocate_ports(&mut self, key: &Key, old: Option<&Value>, object: &mut Value) -> Result<(), Failure> {
        let kind = text(object, "/spec/type");
        let wanted =
            kind == "NodePort" || kind == "LoadBalancer" && at(object, "/spec/allocateLoadBalancerNodePorts") != false;
        let before = old.map(|old| list(old, "/spec/ports").to_vec()).unwrap_or_default();
        let mut taken = self.others(key, |service| {
            list(service, "/spec/ports").iter().map(|port| number(port, "/nodePort").to_string()).collect()
        });
        let mut ports = list(object, "/spec/ports").to_vec();
        for (index, port) in ports.iter_mut().enumerate() {
            if !wanted {
                remove(port, "/nodePort");
                continue;
            }
            let given = number(port, "/nodePort");
            if given != 0 && (!NODE_PORTS.contains(&given) || taken.contains(&given.to_string())) {
                let why = if NODE_PORTS.contains(&given) {
                    "provided port is already allocated"
                } else {
                    "provided port is not in the valid range. The range of valid ports is 30000-32767"
                };
                let cause = format!("Invalid value: {given}: {why}");
                return Err(Failure::invalid(
                    "",
                    "Service",
                    &key.name,
                    &[(format!("spec.ports[{index}].nodePort"), cause)],
                ));
            }
            if given == 0 {
                let same = |other: &&Value| other["port"] == port["port"] && other["protocol"] == port["protocol"];
                let kept = before.iter().find(same).map(|other| number(other, "/nodePort")).filter(|kept| *kept != 0);
                let free = kept.unwrap_or_else(|| {
                    let mut free = self.rng.random_range(NODE_PORTS);
                    while taken.contains(&free.to_string()) {
                        free = self.rng.random_range(NODE_PORTS);
                    }
                    free
                });
                set(port, "/nodePort", free);
            }
            taken.insert(number(port, "/nodePort").to_string());
        }
        if !ports.is_empty() {
            set(object, "/spec/ports", ports);
        }
        Ok(())
    }

    /// What the other Services have.
    fn others(&self, key: &Key, of: impl Fn(&Value) -> Vec<String>) -> BTreeSet<String> {
        self.store
            .list("", "services", None)
            .filter(|(other, _)| *other != key)
            .flat_map(|(_, service)| of(service))
            .collect()
    }
}
