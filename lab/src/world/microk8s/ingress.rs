//! The hooks of the addon `ingress` (canonical/microk8s-core-addons addons/ingress/enable and disable): ingress-nginx up to
//! `MicroK8s` 1.35, Traefik from 1.36 on (commit ce8e8d1).

use serde_json::json;

use super::super::machine::Machine;
use super::super::process::{Call, Next, after};
use super::super::{COMMON, World};
use super::helm::{self, step, words};
use crate::kubernetes::to_yaml;

const CHARTS: &str = "https://traefik.github.io/charts";
const CHART_VERSION: &str = "39.0.8";
const GATEWAY_VERSION: &str = "v1.5.1";
const KEY: &str = "default-ssl-certificate";

/// Whether the machine's release brings Traefik.
pub(super) fn is_traefik(machine: &Machine) -> bool {
    let version = machine.microk8s.as_ref().map_or("", |snap| snap.version.as_str());
    let mut numbers = version.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default()) >= (1, 36)
}

/// `enable`
pub(super) fn enable(world: &mut World, call: &mut Call, args: &[String]) -> Next {
    if !is_traefik(world.machine(&call.machine)) {
        return enable_nginx(call, args);
    }
    match Options::parse(call, args) {
        Ok(options) => enable_traefik(world, call, options),
        Err(status) => Next::Exit(status),
    }
}

fn enable_nginx(call: &mut Call, args: &[String]) -> Next {
    let (key, certificate) = args.first().map_or(("", ""), |arg| arg.split_once('=').unwrap_or((arg, "")));
    if !key.is_empty() && key != KEY {
        call.say(format!("Unknown argument '{key}'."));
        call.say(format!("You can use '{KEY}' to load the default TLS certificate from a secret, eg"));
        return call.quit(1, format!("   microk8s enable ingress:{KEY}=namespace/secret_name"));
    }
    call.say("Enabling Ingress");
    if !certificate.is_empty() {
        call.say(format!("Setting {certificate} as default ingress certificate"));
    }
    let certificate = Some(certificate.to_owned()).filter(|name| !name.is_empty());
    after(1_900, move |world, call| {
        let now = world.now;
        let Some(cluster) = world.serving_cluster(&call.machine) else { return Next::Exit(1) };
        call.print(cluster.kubernetes.install_ingress_nginx(now, certificate.as_deref()));
        call.quit(0, "Ingress is enabled")
    })
}

/// What the hook of Traefik is asked for.
#[derive(Debug, Clone)]
struct Options {
    repository: String,
    chart: String,
    gateway: String,
    certificate: Option<(String, String)>,
}

impl Options {
    /// The hook's own loop over its arguments; its exit status where it ends there.
    fn parse(call: &mut Call, args: &[String]) -> Result<Self, i32> {
        let mut options = Self {
            repository: CHARTS.to_owned(),
            chart: CHART_VERSION.to_owned(),
            gateway: GATEWAY_VERSION.to_owned(),
            certificate: None,
        };
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            let value = match arg.as_str() {
                "-V" | "-r" | "-g" | "--default-ssl-certificate" => rest.next().filter(|value| !value.starts_with('-')),
                "-h" | "--help" => {
                    usage(call);
                    return Err(0);
                }
                "--" => break,
                other if other.starts_with('-') => {
                    call.say(format!("Invalid option {other}"));
                    usage(call);
                    return Err(1);
                }
                _ => break,
            };
            let Some(value) = value.filter(|value| !value.is_empty()) else {
                call.say(format!("Missing argument for option {arg}"));
                usage(call);
                return Err(1);
            };
            match arg.as_str() {
                "-V" => options.chart.clone_from(value),
                "-r" => options.repository.clone_from(value),
                "-g" => options.gateway.clone_from(value),
                _ => {
                    let pair = value
                        .split_once('/')
                        .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty() && !name.contains('/'));
                    let Some((namespace, name)) = pair else {
                        call.say("Invalid value for --default-ssl-certificate; expected NAMESPACE/NAME");
                        return Err(1);
                    };
                    options.certificate = Some((namespace.to_owned(), name.to_owned()));
                }
            }
        }
        Ok(options)
    }
}

fn usage(call: &mut Call) {
    call.say("Usage: microk8s enable ingress [OPTIONS]");
    call.say("");
    call.say("Enable the Traefik ingress controller addon.");
}

fn enable_traefik(world: &mut World, call: &mut Call, options: Options) -> Next {
    call.say("Adding Traefik Helm repository");
    let add = words(&format!("repo add traefik {}", options.repository));
    step(world, add, move |world, _| {
        step(world, words("repo update traefik"), move |_, call| {
            call.say("Installing Gateway API CRDs");
            after(2_200, move |world, call| install_gateway(world, call, options))
        })
    })
}

fn install_gateway(world: &mut World, call: &mut Call, options: Options) -> Next {
    let url = format!(
        "https://github.com/kubernetes-sigs/gateway-api/releases/download/{}/standard-install.yaml",
        options.gateway
    );
    if let Some(why) = helm::no_route(world, call, &url) {
        return call.fail(1, format!("Unable to connect to the server: {why}"));
    }
    let now = world.now;
    let Some(cluster) = world.serving_cluster(&call.machine) else { return Next::Exit(1) };
    call.print(cluster.kubernetes.install_gateway_api(now));
    call.say("Installing Traefik CRDs");
    let folder = format!("/tmp/tmp.{}", world.hex(10));
    let pull = words(&format!("pull traefik/traefik --version {} --untar --untardir {folder}", options.chart));
    step(world, pull, move |world, call| {
        let now = world.now;
        world.machine_mut(&call.machine).files.remove(&folder);
        let Some(cluster) = world.serving_cluster(&call.machine) else { return Next::Exit(1) };
        call.print(cluster.kubernetes.install_traefik_definitions(now));
        call.say("Installing Traefik ingress controller");
        after(2_500, move |world, call| install_chart(world, call, options))
    })
}

fn install_chart(world: &mut World, call: &mut Call, options: Options) -> Next {
    let values = format!("{COMMON}/addons/core/addons/ingress/values.yaml");
    let files = &mut world.machine_mut(&call.machine).files;
    if !files.exists(&values) {
        files.write(&values, to_yaml(&addon_values()).as_bytes(), 0o644);
    }
    let line = format!(
        "upgrade --install traefik traefik/traefik --version {} --create-namespace --namespace ingress --skip-crds --values {values}",
        options.chart
    );
    step(world, words(&line), move |world, call| {
        if let Some((namespace, secret)) = options.certificate {
            call.say(format!("Configuring Traefik default TLS certificate ({namespace}/{secret})"));
            let store = json!({"apiVersion": "traefik.io/v1alpha1", "kind": "TLSStore", "metadata": {"name": "default", "namespace": namespace},
                "spec": {"defaultCertificate": {"secretName": secret}}});
            let now = world.now;
            let Some(cluster) = world.serving_cluster(&call.machine) else { return Next::Exit(1) };
            let (out, err, status) =
                cluster.kubernetes.kubectl(now, &words("apply -f -"), store.to_string().as_bytes());
            call.out.extend(out);
            call.err.extend(err);
            if status != 0 {
                return Next::Exit(status);
            }
        }
        call.quit(0, EXAMPLE)
    })
}

/// The addon's own values: a pod on every node with ports of the host, all providers, and the classes of before.
fn addon_values() -> serde_json::Value {
    let class = |name: &str| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": name},
            "spec": {"controller": "traefik.io/ingress-controller"}})
    };
    let mut public = class("public");
    public["metadata"]["annotations"] = json!({"ingressclass.kubernetes.io/is-default-class": "true"});
    json!({"deployment": {"kind": "DaemonSet"},
        "ports": {"web": {"port": 8000, "exposedPort": 80, "hostPort": 80, "protocol": "TCP"},
            "websecure": {"port": 8443, "exposedPort": 443, "hostPort": 443, "protocol": "TCP"}},
        "ingressRoute": {"dashboard": {"enabled": true, "matchRule": "Host(`dashboard.localhost`)", "entryPoints": ["web"]}},
        "gateway": {"listeners": {"web": {"namespacePolicy": {"from": "All"}}}},
        "providers": {"kubernetesIngress": {"enabled": true, "allowEmptyServices": true, "publishedService": {"enabled": true}},
            "kubernetesGateway": {"enabled": true}, "kubernetesIngressNginx": {"enabled": true}},
        "ingressClass": {"enabled": true, "isDefaultClass": false, "name": "traefik"},
        "extraObjects": [public, class("nginx")]})
}

/// `disable`
pub(super) fn disable(world: &mut World, call: &mut Call) -> Next {
    if is_traefik(world.machine(&call.machine)) {
        return disable_traefik(call);
    }
    call.say("Disabling Ingress");
    after(4_000, |world, call| {
        let now = world.now;
        let Some(cluster) = world.serving_cluster(&call.machine) else { return Next::Exit(1) };
        call.print(cluster.kubernetes.remove_ingress_nginx(now));
        after(3_000, |_, call| call.quit(0, "Ingress is disabled"))
    })
}

fn disable_traefik(call: &mut Call) -> Next {
    call.say("Disabling Traefik ingress controller");
    call.say("Cleaning up legacy nginx-ingress resources...");
    after(4_500, |world, call| {
        world.delete_object(
            &call.machine,
            "/apis/apps/v1/namespaces/ingress/daemonsets/nginx-ingress-microk8s-controller",
        );
        for class in ["nginx", "public"] {
            let path = format!("/apis/networking.k8s.io/v1/ingressclasses/{class}");
            world.delete_object(&call.machine, &path);
            call.say(format!("ingressclass.networking.k8s.io \"{class}\" deleted"));
        }
        call.say("Uninstalling Traefik...");
        let there = world
            .serving_cluster(&call.machine)
            .is_some_and(|cluster| cluster.kubernetes.object("daemonsets", "ingress", "traefik").is_some());
        if !there {
            return clean(call);
        }
        helm::run(world, words("uninstall traefik -n ingress"), Box::new(|_, call, _| clean(call)))
    })
}

fn clean(call: &mut Call) -> Next {
    call.say("Removing Gateway API CRDs...");
    after(2_500, |world, call| {
        let now = world.now;
        if let Some(cluster) = world.serving_cluster(&call.machine) {
            cluster.kubernetes.remove_traefik_definitions(now);
        }
        call.say("Cleaning up Traefik CRDs...");
        call.say("Removing ingress namespace...");
        world.delete_object(&call.machine, "/api/v1/namespaces/ingress");
        after(6_000, |_, call| {
            call.say("namespace \"ingress\" deleted");
            call.quit(0, "Ingress is disabled")
        })
    })
}

const EXAMPLE: &str = "Traefik ingress controller is enabled

=============================

Traefik Dashboard is available at: http://dashboard.localhost/dashboard/

To create an Ingress, use the default IngressClass 'public' or 'traefik':

  apiVersion: networking.k8s.io/v1
  kind: Ingress
  metadata:
    name: my-ingress
  spec:
    rules:
    - host: my-app.example.com
      http:
        paths:
        - path: /
          pathType: Prefix
          backend:
            service:
              name: my-service
              port:
                number: 80

Gateway API is also available. Create HTTPRoute resources for modern routing.";
