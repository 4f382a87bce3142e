//! The chart `traefik` as the addon `ingress` installs it from `MicroK8s` 1.36 on (traefik/traefik-helm-chart 39,
//! canonical/microk8s-core-addons `addons/ingress/values.yaml`).

use serde_json::{Value, json};

use super::TRAEFIK;
use crate::kubernetes::addons::{Chart, Release, full_name, printed, truth};
use crate::kubernetes::value::{at, entries, list, number, set, text};

/// `spec.controller` of a class that Traefik serves.
pub(super) const CLASS_CONTROLLER: &str = "traefik.io/ingress-controller";
/// The argument that says whose address goes into the status of an Ingress.
pub(super) const PUBLISHED: &str = "--providers.kubernetesingress.ingressendpoint.publishedservice=";

/// The chart's values, as far as its objects here depend on them.
pub(in crate::kubernetes) fn defaults() -> Value {
    json!({"deployment": {"enabled": true, "kind": "Deployment", "replicas": 1},
        "ingressClass": {"enabled": true, "isDefaultClass": true, "name": ""},
        "gateway": {"enabled": true, "listeners": {"web": {"port": 8000, "protocol": "HTTP", "namespacePolicy": null}}},
        "gatewayClass": {"enabled": true, "name": ""},
        "ingressRoute": {"dashboard": {"enabled": false, "matchRule": "PathPrefix(`/dashboard`) || PathPrefix(`/api`)", "entryPoints": ["traefik"]}},
        "providers": {"kubernetesCRD": {"enabled": true}, "kubernetesGateway": {"enabled": false}, "kubernetesIngressNginx": {"enabled": false},
            "kubernetesIngress": {"enabled": true, "allowEmptyServices": true, "publishedService": {"enabled": true, "pathOverride": ""}}},
        "ports": {"traefik": {"port": 8080, "expose": {"default": false}, "exposedPort": 8080, "protocol": "TCP"},
            "web": {"port": 8000, "expose": {"default": true}, "exposedPort": 80, "protocol": "TCP"},
            "websecure": {"port": 8443, "expose": {"default": true}, "exposedPort": 443, "protocol": "TCP"},
            "metrics": {"port": 9100, "expose": {"default": false}, "exposedPort": 9100, "protocol": "TCP"}},
        "service": {"enabled": true, "type": "LoadBalancer", "annotations": {}},
        "image": {"registry": "docker.io", "repository": "traefik", "tag": null}, "extraObjects": []})
}

/// The objects its templates make.
pub(in crate::kubernetes) fn render(chart: &Chart, release: Release<'_>, values: &Value) -> Vec<Value> {
    let name = full_name(release.name, "traefik");
    let selects = json!({"app.kubernetes.io/name": "traefik",
        "app.kubernetes.io/instance": format!("{}-{}", release.name, release.namespace)});
    let mut labels = selects.clone();
    labels["helm.sh/chart"] = format!("traefik-{}", chart.version).into();
    labels["app.kubernetes.io/managed-by"] = "Helm".into();
    let part = Part { chart, release, values, name: &name, selects, labels };
    let mut objects = part.rights();
    objects.push(part.service());
    objects.push(part.workload());
    objects.extend(part.classes());
    objects.extend(part.gateway());
    objects.extend(list(values, "/extraObjects").iter().cloned());
    objects
}

/// What helm prints after an installation.
pub(in crate::kubernetes) fn notes(chart: &Chart, release: Release<'_>) -> String {
    let name = full_name(release.name, "traefik");
    format!(
        "{name} with docker.io/traefik:{} has been deployed successfully on {} namespace!\n",
        chart.app_version, release.namespace
    )
}

struct Part<'a> {
    chart: &'a Chart,
    release: Release<'a>,
    values: &'a Value,
    name: &'a str,
    selects: Value,
    labels: Value,
}

impl Part<'_> {
    fn rights(&self) -> Vec<Value> {
        let role = format!("{}-{}", self.name, self.release.namespace);
        let group = "rbac.authorization.k8s.io";
        let read = json!(["get", "list", "watch"]);
        vec![
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": self.name, "labels": self.labels}}),
            json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": role, "labels": self.labels}, "rules": [
                {"apiGroups": [""], "resources": ["configmaps", "nodes", "services", "secrets", "namespaces"], "verbs": read},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
                {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "ingressclasses"], "verbs": read},
                {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": ["update"]},
                {"apiGroups": ["traefik.io"], "resources": ["*"], "verbs": read}]}),
            json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": role, "labels": self.labels},
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "ServiceAccount", "name": self.name, "namespace": self.release.namespace}]}),
        ]
    }

    fn service(&self) -> Value {
        let exposed = entries(self.values, "/ports").filter(|(_, port)| truth(port, "/expose/default"));
        let ports: Vec<Value> = exposed
            .map(|(name, port)| json!({"name": name, "port": port["exposedPort"], "targetPort": name, "protocol": port["protocol"]}))
            .collect();
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": self.name, "labels": self.labels, "annotations": at(self.values, "/service/annotations")},
            "spec": {"type": at(self.values, "/service/type"), "selector": self.selects, "ports": ports}})
    }

    fn workload(&self) -> Value {
        let kind = text(self.values, "/deployment/kind");
        let pod = json!({"metadata": {"labels": self.labels, "annotations": {"prometheus.io/scrape": "true", "prometheus.io/path": "/metrics",
            "prometheus.io/port": "9100"}},
            "spec": {"serviceAccountName": self.name, "automountServiceAccountToken": true, "terminationGracePeriodSeconds": 60, "hostNetwork": false,
                "containers": [self.container()],
                "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
                "securityContext": {"runAsGroup": 65532, "runAsNonRoot": true, "runAsUser": 65532}}});
        let mut object = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": self.name, "labels": self.labels},
            "spec": {"selector": {"matchLabels": self.selects}, "minReadySeconds": 0, "template": pod}});
        if kind == "Deployment" {
            set(&mut object, "/spec/replicas", at(self.values, "/deployment/replicas").clone());
        }
        object
    }

    fn container(&self) -> Value {
        let ports: Vec<Value> = entries(self.values, "/ports")
            .map(|(name, port)| {
                let mut shown = json!({"name": name, "containerPort": port["port"], "protocol": port["protocol"]});
                if number(port, "/hostPort") > 0 {
                    shown["hostPort"] = port["hostPort"].clone();
                }
                shown
            })
            .collect();
        let image = match text(self.values, "/image/tag") {
            "" => format!("{TRAEFIK}:{}", self.chart.app_version),
            tag => format!(
                "{}/{}:{tag}",
                printed(self.values, "/image/registry"),
                printed(self.values, "/image/repository")
            ),
        };
        let probe = json!({"httpGet": {"path": "/ping", "port": number(self.values, "/ports/traefik/port"), "scheme": "HTTP"},
            "initialDelaySeconds": 2, "periodSeconds": 10, "timeoutSeconds": 2, "successThreshold": 1});
        json!({"name": self.name, "image": image, "imagePullPolicy": "IfNotPresent", "args": self.arguments(), "ports": ports,
            "readinessProbe": probe, "livenessProbe": probe,
            "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}],
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true}})
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = entries(self.values, "/ports")
            .map(|(name, port)| format!("--entryPoints.{name}.address=:{}/tcp", number(port, "/port")))
            .collect();
        arguments.extend(["--api.dashboard=true", "--ping=true"].map(str::to_owned));
        let on = |path: &str| truth(self.values, path);
        if on("/providers/kubernetesCRD/enabled") {
            arguments.push("--providers.kubernetescrd".to_owned());
        }
        if on("/providers/kubernetesIngress/enabled") {
            arguments.push("--providers.kubernetesingress".to_owned());
            if on("/providers/kubernetesIngress/allowEmptyServices") {
                arguments.push("--providers.kubernetesingress.allowEmptyServices=true".to_owned());
            }
            if on("/providers/kubernetesIngress/publishedService/enabled") {
                arguments.push(format!("{PUBLISHED}{}/{}", self.release.namespace, self.name));
            }
        }
        if on("/providers/kubernetesGateway/enabled") {
            arguments.push("--providers.kubernetesgateway".to_owned());
        }
        arguments.push("--entryPoints.websecure.http.tls=true".to_owned());
        arguments.push("--log.level=INFO".to_owned());
        arguments
    }

    fn classes(&self) -> Option<Value> {
        let name = match text(self.values, "/ingressClass/name") {
            "" => self.name,
            given => given,
        };
        let default = truth(self.values, "/ingressClass/isDefaultClass").to_string();
        truth(self.values, "/ingressClass/enabled").then(|| {
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": name, "labels": self.labels,
                "annotations": {"ingressclass.kubernetes.io/is-default-class": default}}, "spec": {"controller": CLASS_CONTROLLER}})
        })
    }

    /// The Gateway, its class and the dashboard's route.
    fn gateway(&self) -> Vec<Value> {
        let mut objects = Vec::new();
        if truth(self.values, "/providers/kubernetesGateway/enabled") && truth(self.values, "/gateway/enabled") {
            objects.push(json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
                "metadata": {"name": "traefik", "labels": self.labels}, "spec": {"controllerName": "traefik.io/gateway-controller"}}));
            let listeners: Vec<Value> = entries(self.values, "/gateway/listeners")
                .map(|(name, listener)| {
                    let from = match text(listener, "/namespacePolicy/from") {
                        "" => "Same",
                        given => given,
                    };
                    json!({"name": name, "port": listener["port"], "protocol": listener["protocol"], "allowedRoutes": {"namespaces": {"from": from}}})
                })
                .collect();
            objects.push(json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
                "metadata": {"name": "traefik-gateway", "labels": self.labels}, "spec": {"gatewayClassName": "traefik", "listeners": listeners}}));
        }
        if truth(self.values, "/ingressRoute/dashboard/enabled") {
            objects.push(json!({"apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute",
                "metadata": {"name": format!("{}-dashboard", self.name), "labels": self.labels},
                "spec": {"entryPoints": at(self.values, "/ingressRoute/dashboard/entryPoints"),
                    "routes": [{"kind": "Rule", "match": at(self.values, "/ingressRoute/dashboard/matchRule"),
                        "services": [{"kind": "TraefikService", "name": "api@internal"}]}]}}));
        }
        objects
    }
}
