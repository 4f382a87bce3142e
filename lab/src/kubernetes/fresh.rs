//! What a fresh `MicroK8s` brings along: namespaces, the API's own Service, DNS and the pod network.

use serde_json::{Value, json};

use super::Kubernetes;

impl Kubernetes {
    pub(super) fn furnish(&mut self) {
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            self.make("", "namespaces", json!({"metadata": {"name": name}}));
        }
        for name in ["cluster-admin", "admin", "edit", "view", "system:basic-user", "system:discovery", "system:node"] {
            self.make(
                "rbac.authorization.k8s.io",
                "clusterroles",
                json!({"metadata": {"name": name,
                "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}, "rules": []}),
            );
        }
        for (name, value) in [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)] {
            self.make(
                "scheduling.k8s.io",
                "priorityclasses",
                json!({"metadata": {"name": name}, "value": value, "preemptionPolicy": "PreemptLowerPriority"}),
            );
        }
        self.make("", "services", json!({
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
            "spec": {"clusterIP": "10.152.183.1", "clusterIPs": ["10.152.183.1"], "type": "ClusterIP",
                "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 16443}]}}));
        self.install_dns();
        self.install_calico();
    }

    fn install_dns(&mut self) {
        let labels =
            json!({"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"});
        self.make("", "services", json!({
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels,
                "annotations": {"prometheus.io/port": "9153", "prometheus.io/scrape": "true"}},
            "spec": {"clusterIP": "10.152.183.10", "clusterIPs": ["10.152.183.10"], "type": "ClusterIP", "selector": {"k8s-app": "kube-dns"},
                "ports": [{"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53}, {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
                    {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": 9153}]}}));
        self.make(
            "",
            "serviceaccounts",
            json!({"metadata": {"name": "coredns", "namespace": "kube-system", "labels": labels}}),
        );
        self.make("", "configmaps", json!({"metadata": {"name": "coredns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
            "data": {"Corefile": ".:53 {\n    errors\n    health {\n      lameduck 5s\n    }\n    ready\n    log . {\n      class error\n    }\n    kubernetes cluster.local in-addr.arpa ip6.arpa {\n      pods insecure\n      fallthrough in-addr.arpa ip6.arpa\n    }\n    prometheus :9153\n    forward . /etc/resolv.conf\n    cache 30\n    loop\n    reload\n    loadbalance\n}\n"}}));
        let container = json!({"name": "coredns", "image": "coredns/coredns:1.12.4", "args": ["-conf", "/etc/coredns/Corefile"],
            "ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
                {"name": "metrics", "containerPort": 9153, "protocol": "TCP"}],
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181, "scheme": "HTTP"}}});
        self.make("apps", "deployments", workload("coredns", &json!({"k8s-app": "kube-dns"}), &json!({
            "serviceAccountName": "coredns", "priorityClassName": "system-cluster-critical", "containers": [container]})));
    }

    fn install_calico(&mut self) {
        for name in ["calico-node", "calico-kube-controllers"] {
            self.make("", "serviceaccounts", json!({"metadata": {"name": name, "namespace": "kube-system"}}));
        }
        self.make(
            "",
            "configmaps",
            json!({"metadata": {"name": "calico-config", "namespace": "kube-system"},
            "data": {"calico_backend": "vxlan", "typha_service_name": "none", "veth_mtu": "0"}}),
        );
        let everything = json!([{"effect": "NoSchedule", "operator": "Exists"}, {"key": "CriticalAddonsOnly", "operator": "Exists"},
            {"effect": "NoExecute", "operator": "Exists"}]);
        let linux = json!({"kubernetes.io/os": "linux"});
        let node = json!({"name": "calico-node", "image": "docker.io/calico/node:v3.29.3", "readinessProbe": {"exec": {"command":
            ["/bin/calico-node", "-felix-ready"]}, "initialDelaySeconds": 2, "periodSeconds": 10}});
        self.make("apps", "daemonsets", workload("calico-node", &json!({"k8s-app": "calico-node"}), &json!({"hostNetwork": true,
            "nodeSelector": linux, "serviceAccountName": "calico-node", "tolerations": everything, "priorityClassName": "system-node-critical",
            "containers": [node]})));
        let controllers = json!({"name": "calico-kube-controllers", "image": "docker.io/calico/kube-controllers:v3.29.3",
            "readinessProbe": {"exec": {"command": ["/usr/bin/check-status", "-r"]}, "periodSeconds": 10}});
        let mut deployment = workload(
            "calico-kube-controllers",
            &json!({"k8s-app": "calico-kube-controllers"}),
            &json!({"nodeSelector": linux,
            "serviceAccountName": "calico-kube-controllers", "priorityClassName": "system-cluster-critical", "containers": [controllers]}),
        );
        super::value::set(&mut deployment, "/spec/strategy", json!({"type": "Recreate"}));
        self.make("apps", "deployments", deployment);
    }
}

/// A workload of the system's, as `apps/v1` writes one.
fn workload(name: &str, labels: &Value, spec: &Value) -> Value {
    json!({"metadata": {"name": name, "namespace": "kube-system", "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}}})
}
