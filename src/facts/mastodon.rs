//! What was read of Mastodon, and of the ingress controller in front of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

/// The namespace the `ingress` addon installs into (canonical/microk8s-core-addons `addons/ingress`).
pub const INGRESS: &str = "ingress";

/// The name of the pod a restore works through.
pub const HELPER: &str = "homeprov-restore";
/// The label that says which restore it belongs to.
pub const HELPER_LABEL: &str = "homeprov/restore";

/// A pod of a restore.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Helper {
    /// The id of the restore.
    pub id: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it has ended, or is on its way out.
    pub ended: bool,
}

/// Everything of Mastodon in the cluster but what Flux says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MastodonFacts {
    /// Whether the namespace is there.
    pub namespace: bool,
    /// The Kustomization of Flux that would remove the namespace, when it may be removed.
    pub namespace_pruned_by: Option<String>,
    /// Its Secrets.
    pub secrets: SecretFacts,
    /// The Deployments and `StatefulSets` of the release.
    pub workloads: Vec<SiteWorkload>,
    /// The Jobs of the release that have not succeeded; helm removes those that have.
    pub jobs: Vec<SiteJob>,
    /// The UIDs of the ready pods that answer for the site: web and streaming.
    pub serving: BTreeSet<String>,
    /// The name of a ready web pod.
    pub web_pod: Option<String>,
    /// The names of the pods of web, streaming and Sidekiq, in whatever state, those on their way out too.
    pub pods: Vec<String>,
    /// The pod a restore works through.
    pub helper: Option<Helper>,
    /// The pods of a rehearsal, by name.
    pub rehearsal: BTreeMap<String, Helper>,
    /// Whether the chart's weekly Job is suspended; absent where there is none.
    pub cron_suspended: Option<bool>,
    /// The UID of the claim the bundled database is on.
    pub database: Option<String>,
    /// What keeps pods from running, in the cluster's own words.
    pub troubles: Vec<Trouble>,
    /// The newest warnings about the `HelmRelease`.
    pub release_events: Vec<String>,
    /// The hosts of the release's Ingress.
    pub hosts: BTreeSet<String>,
    /// The ingress controller and the Services in front of it.
    pub ingress: IngressFacts,
}

/// The Secrets by what they have, never with a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretFacts {
    /// The keys of those that are there, by name.
    pub present: BTreeMap<String, BTreeSet<String>>,
    /// `name/key` of what is wanted and not there.
    pub missing: Vec<String>,
    /// `name/key` of what the user's own files say differently.
    pub outdated: Vec<String>,
    /// Of the generated values; none while there are none.
    pub fingerprint: Option<String>,
    /// Why they cannot be used as they are.
    pub problem: Option<String>,
    /// The names of those that were changed and whose readers were not started again since.
    pub changed: BTreeSet<String>,
    /// `metadata.resourceVersion` by name: another one means that something was written.
    pub versions: BTreeMap<String, String>,
}

/// A Deployment or a `StatefulSet` of the release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SiteWorkload {
    /// `Deployment` or `StatefulSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The pods it should have.
    pub wanted: i32,
    /// Those of them that are ready and of the newest specification.
    pub ready: i32,
    /// Whether its controller has seen the newest specification.
    pub current: bool,
}

impl SiteWorkload {
    /// Whether all it should have is there.
    pub fn whole(&self) -> bool {
        self.current && self.ready >= self.wanted
    }
}

/// A Job that has not succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteJob {
    /// Its name.
    pub name: String,
    /// The message of its condition `Failed`, when it has given up.
    pub failed: Option<String>,
}

/// What keeps a pod from running.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trouble {
    /// The pod.
    pub pod: String,
    /// The container, when it is one container's.
    pub container: Option<String>,
    /// What it comes to.
    pub kind: TroubleKind,
    /// The cluster's own words.
    pub message: String,
    /// The newest warnings about the pod, the newest first.
    pub events: Vec<String>,
    /// The last lines of a container that keeps ending.
    pub log: Vec<String>,
}

/// The ways in which a pod does not run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TroubleKind {
    /// An image cannot be pulled.
    Image,
    /// A Secret, a `ConfigMap` or a key of one is not there.
    Configuration,
    /// A container keeps ending.
    Crash,
    /// A container was ended for its use of memory.
    Memory,
    /// No node takes the pod.
    #[default]
    Unscheduled,
    /// A volume cannot be attached or mounted.
    Volume,
}

/// The ingress controller and the ways to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngressFacts {
    /// The names of the ingress classes.
    pub classes: BTreeSet<String>,
    /// The addon's controller.
    pub controller: Option<IngressController>,
    /// The Services of type `LoadBalancer` in its namespace.
    pub services: Vec<LoadBalancer>,
    /// Addresses in the status of the release's Ingress: another controller writes its own there.
    pub published: Vec<IpAddr>,
    /// The newest warnings in the namespace, while a Service waits for its address.
    pub events: Vec<String>,
}

/// Which program the addon runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IngressKind {
    /// ingress-nginx, up to MicroK8s 1.35.
    #[default]
    Nginx,
    /// Traefik, since canonical/microk8s-core-addons ce8e8d1, in 1.36.
    Traefik,
}

/// The addon's `DaemonSet`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngressController {
    /// The program.
    pub kind: IngressKind,
    /// Its name.
    pub name: String,
    /// What its pods are selected by.
    pub selector: BTreeMap<String, String>,
    /// The name of the container's port for HTTP.
    pub http: String,
    /// The name of the container's port for HTTPS.
    pub https: String,
    /// The nodes on which its pod is ready.
    pub ready_on: BTreeSet<String>,
}

/// A Service of type `LoadBalancer`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadBalancer {
    /// Its name.
    pub name: String,
    /// What it selects.
    pub selector: BTreeMap<String, String>,
    /// Its ports.
    pub ports: BTreeSet<u16>,
    /// `externalTrafficPolicy` is `Cluster`: any node takes its traffic.
    pub any_node: bool,
    /// The address asked for, by field or by annotation.
    pub requested: Option<Ipv4Addr>,
    /// The annotation the address is asked for by, when it is not the field `loadBalancerIP`.
    pub requested_by: Option<String>,
    /// The address it was given.
    pub address: Option<IpAddr>,
}

impl IngressFacts {
    /// The Service that leads the sites' traffic to the addon's pods.
    pub fn entrance(&self) -> Option<&LoadBalancer> {
        let controller = self.controller.as_ref()?;
        let leads_there = |service: &&LoadBalancer| {
            !service.selector.is_empty()
                && service.selector.iter().all(|(key, value)| controller.selector.get(key) == Some(value))
                && service.ports.contains(&443)
        };
        // One that has an address is preferred to one that waits for it.
        let mut services: Vec<&LoadBalancer> = self.services.iter().filter(leads_there).collect();
        services.sort_by_key(|service| service.address.is_none());
        services.first().copied()
    }

    /// Where the site is to be found.
    pub fn address(&self) -> Option<IpAddr> {
        match self.entrance() {
            Some(entrance) => entrance.address,
            None => self.published.first().copied(),
        }
    }
}

impl MastodonFacts {
    /// The workload of a name.
    pub fn workload(&self, name: &str) -> Option<&SiteWorkload> {
        self.workloads.iter().find(|workload| workload.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, selector: (&str, &str), address: Option<&str>) -> LoadBalancer {
        LoadBalancer {
            name: name.into(),
            selector: [(selector.0.into(), selector.1.into())].into(),
            ports: [80, 443].into(),
            any_node: true,
            address: address.map(|address| address.parse().unwrap()),
            ..LoadBalancer::default()
        }
    }

    #[test]
    fn the_entrance_selects_the_controllers_pods() {
        let pods = ("name", "nginx-ingress-microk8s");
        let controller = IngressController {
            selector: [(pods.0.to_owned(), pods.1.to_owned())].into(),
            ..IngressController::default()
        };
        let mut facts = IngressFacts { controller: Some(controller), ..IngressFacts::default() };
        facts.services = vec![service("other", ("app", "mail"), Some("10.0.0.9")), service("waits", pods, None)];
        assert_eq!(facts.entrance().map(|service| service.name.as_str()), Some("waits"));
        assert_eq!(facts.address(), None);
        facts.services.push(service("ingress", pods, Some("10.0.0.7")));
        assert_eq!(facts.address(), Some("10.0.0.7".parse().unwrap()));
    }
}
