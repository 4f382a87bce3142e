//! The addons of the repositories `core` and `community` (canonical/microk8s-core-addons and
//! canonical/microk8s-community-addons, `addons.yaml`).

/// One addon of a repository.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addon {
    /// Its name.
    pub(super) name: &'static str,
    /// The repository it is in.
    pub(super) repository: &'static str,
    /// What `status` says it is.
    pub(super) description: &'static str,
    /// What `status` says its version is; a blank where the repository gives none.
    pub(super) version: &'static str,
    /// The addon counts as enabled if some row of `kubectl get all` contains this, or if this file exists.
    pub(super) check: &'static str,
}

impl Addon {
    /// The addon as it was in the repository before `MicroK8s` 1.36: `ingress` was ingress-nginx
    /// (canonical/microk8s-core-addons before commit ce8e8d1).
    pub(super) fn before_1_36(self) -> Self {
        if (self.repository, self.name) == ("core", "ingress") {
            return Self { version: "1.14.0", check: "pod/nginx-ingress-microk8s-controller", ..self };
        }
        self
    }
}

const fn addon(
    repository: &'static str,
    name: &'static str,
    description: &'static str,
    version: &'static str,
    check: &'static str,
) -> Addon {
    Addon { name, repository, description, version, check }
}

/// Every addon, by repository and name.
#[rustfmt::skip]
pub(super) const ADDONS: [Addon; 57] = [
    addon("community", "amd", "AMD hardware support", "1.0.0", "pod/amd"),
    addon("community", "argocd", "Argo CD is a declarative continuous deployment for Kubernetes.", "1.0.0", "pod/argo-cd"),
    addon("community", "cilium", "SDN, fast with full network policy", "1.0.0", "pod/cilium"),
    addon("community", "cloudnative-pg", "PostgreSQL operator CloudNativePG", "1.0.0", "pod/cloudnative-pg"),
    addon("community", "dashboard-ingress", "Ingress definition for Kubernetes dashboard", "1.0.0", "pod/dashboard-ingress"),
    addon("community", "easyhaproxy", "EasyHAProxy can configure HAProxy automatically based on ingress labels", "1.0.0", "pod/easyhaproxy"),
    addon("community", "falco", "Cloud-native runtime threat detection tool for Linux and K8s", "1.0.0", "pod/falco"),
    addon("community", "fluentd", "Elasticsearch-Fluentd-Kibana logging and monitoring", "1.0.0", "pod/fluentd"),
    addon("community", "forgejo", "Open source git platform. https://forgejo.org/", "1.0.0", "pod/forgejo"),
    addon("community", "gopaddle", "Low-Code Kubernetes IDE with AI Co-pilot", "1.0.0", "pod/gopaddle"),
    addon("community", "inaccel", "Simplifying FPGA management in Kubernetes", "1.0.0", "pod/inaccel"),
    addon("community", "istio", "Core Istio service mesh services", "1.0.0", "pod/istio"),
    addon("community", "jaeger", "Kubernetes Jaeger operator with its simple config", "1.0.0", "pod/jaeger"),
    addon("community", "kata", "Kata Containers is a secure runtime with lightweight VMS", "1.0.0", "pod/kata"),
    addon("community", "keda", "Kubernetes-based Event Driven Autoscaling", "1.0.0", "pod/keda"),
    addon("community", "knative", "Knative Serverless and Event Driven Applications", "1.0.0", "pod/knative"),
    addon("community", "kubearmor", "Cloud-native runtime security enforcement system for k8s", "1.0.0", "pod/kubearmor"),
    addon("community", "kwasm", "WebAssembly support for WasmEdge (Docker Wasm) and Spin (Azure AKS WASI)", "1.0.0", "pod/kwasm"),
    addon("community", "linkerd", "Linkerd is a service mesh for Kubernetes and other frameworks", "1.0.0", "pod/linkerd"),
    addon("community", "microcks", "Open source Kubernetes Native tool for API Mocking and Testing", "1.0.0", "pod/microcks"),
    addon("community", "multus", "Multus CNI enables attaching multiple network interfaces to pods", "1.0.0", "pod/multus"),
    addon("community", "nfs", "NFS Server Provisioner", "1.0.0", "pod/nfs-server-provisioner"),
    addon("community", "ngrok", "ngrok's Kubernetes-native operator — bring API gateway power to your cluster with automated connectivity, auth, and observability", "1.0.0", "pod/ngrok"),
    addon("community", "openebs", "OpenEBS is the open-source storage solution for Kubernetes", "2.6.0", "pod/openebs-ndm"),
    addon("community", "openfaas", "OpenFaaS serverless framework", "1.0.0", "pod/openfaas"),
    addon("community", "osm-edge", "osm-edge is a lightweight SMI compatible service mesh for the edge-computing.", "1.0.0", "pod/osm-edge"),
    addon("community", "parking", "Static webserver to park a domain. Works with EasyHAProxy.", "1.0.0", "pod/parking"),
    addon("community", "portainer", "Portainer UI for your Kubernetes cluster", "1.0.0", "pod/portainer"),
    addon("community", "shifu", "Kubernetes native IoT software development framework.", "1.0.0", "pod/shifu"),
    addon("community", "sosivio", "Kubernetes Predictive Troubleshooting, Observability, and Resource Optimization", "1.0.0", "pod/sosivio"),
    addon("community", "sriov-device-plugin", "SR-IOV Network Device Plugin.", "1.0.0", "pod/sriov-device-plugin"),
    addon("community", "stunner", "A Kubernetes media gateway for WebRTC", "1.0.0", "pod/stunner"),
    addon("community", "traefik", "Traefik Ingress controller (DEPRECATED). Replaced by ingress core addon.", "1.0.0", "pod/traefik"),
    addon("community", "trivy", "Kubernetes-native security scanner", "1.0.0", "pod/trivy"),
    addon("core", "cert-manager", "Cloud native certificate management", "1.19.1", "pod/cert-manager"),
    addon("core", "cis-hardening", "Apply CIS K8s hardening", "1.0.0", "/var/snap/microk8s/current/var/lock/cis-hardening"),
    addon("core", "community", "The community addons repository", " ", "/var/snap/microk8s/common/addons/community/addons.yaml"),
    addon("core", "dns", "CoreDNS", "1.13.1", "pod/coredns"),
    addon("core", "gpu", "Alias to nvidia add-on", "25.10.0", "daemonset.apps/nvidia-device-plugin"),
    addon("core", "ha-cluster", "Configure high availability on the current node", "0.1.0", "/var/snap/microk8s/current/var/lock/ha-cluster"),
    addon("core", "helm", "Helm - the package manager for Kubernetes", "3.18.6", "/var/snap/microk8s/current/bin/helm"),
    addon("core", "helm3", "Helm 3 - the package manager for Kubernetes", "3.18.6", "/var/snap/microk8s/current/bin/helm3"),
    addon("core", "host-access", "Allow Pods connecting to Host services smoothly", "1.0.0", "/var/snap/microk8s/current/var/lock/host-access-enabled"),
    addon("core", "hostpath-storage", "Storage class; allocates storage from host directory", "1.5.0", "deployment.apps/hostpath-provisioner"),
    addon("core", "ingress", "Ingress controller for external access", "3.6.2", "ingressclass.networking.k8s.io/public"),
    addon("core", "kube-ovn", "An advanced network fabric for Kubernetes", "1.13.8", "/var/snap/microk8s/current/var/lock/ovn"),
    addon("core", "mayastor", "OpenEBS MayaStor", "2.0.0-microk8s-1", "pod/mayastor"),
    addon("core", "metallb", "Loadbalancer for your Kubernetes cluster", "0.15.2", "pod/speaker"),
    addon("core", "metrics-server", "K8s Metrics Server for API access to service metrics", "0.8.0", "pod/metrics-server"),
    addon("core", "minio", "MinIO object storage (DEPRECATED). This addon is deprecated and will be completely removed in the upcoming versions", "v7.1.1", "pod/minio-operator"),
    addon("core", "nvidia", "NVIDIA hardware (GPU and network) support", "gpu=25.10.0/network=25.7.0/microk8s-1", "daemonset.apps/nvidia-device-plugin"),
    addon("core", "observability", "A lightweight observability stack for logs, traces and metrics", "77.6.2", "pod/kube-prom-stack"),
    addon("core", "prometheus", "Prometheus operator for monitoring and logging", "v0.8.0", "pod/prometheus-operator"),
    addon("core", "rbac", "Role-Based Access Control for authorisation", " ", "/var/snap/microk8s/current/var/lock/rbac"),
    addon("core", "registry", "Private image registry exposed on localhost:32000", "2.8.3", "pod/registry"),
    addon("core", "rook-ceph", "Distributed Ceph storage using Rook", "1.18.7", "deployment.apps/rook-ceph-operator"),
    addon("core", "storage", "Alias to hostpath-storage add-on, deprecated", "1.5.0", "deployment.apps/hostpath-provisioner"),
];
