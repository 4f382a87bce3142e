//! `templates/deployment-web.yaml`: Puma. Its probes cannot be changed by values.

use serde_json::{Value, json};

use super::environment::port;
use super::rails::Component;
use super::templates::Templates;
use crate::kubernetes::addons::{printed, truth, variable};
use crate::kubernetes::value::at;

pub(super) fn deployment(templates: &Templates<'_>) -> Value {
    let values = templates.at("/mastodon/web");
    let mut containers = vec![container(templates, values)];
    if templates.on("/mastodon/metrics/prometheus/enabled") {
        let port = templates.print("/mastodon/metrics/prometheus/port");
        containers.push(json!({"name": "prometheus-exporter", "image": templates.image(values), "command": ["./bin/prometheus_exporter"],
            "args": ["--bind", "0.0.0.0", "--port", port],
            "resources": {"requests": {"cpu": "0.1", "memory": "180M"}, "limits": {"cpu": "0.5", "memory": "250M"}},
            "ports": [{"name": "prometheus", "containerPort": templates.at("/mastodon/metrics/prometheus/port")}]}));
    }
    let mut pod = json!({"volumes": templates.volumes(), "containers": containers});
    templates.placement(&mut pod, values);
    let labels = json!({"app.kubernetes.io/component": "web", "app.kubernetes.io/part-of": "rails"});
    templates.deployment(&Component { name: "web", values, labels, pod })
}

fn container(templates: &Templates<'_>, values: &Value) -> Value {
    let mut env = templates.passwords();
    env.push(port(templates, "/mastodon/web/port"));
    for (name, key) in [
        ("MIN_THREADS", "/minThreads"),
        ("MAX_THREADS", "/maxThreads"),
        ("WEB_CONCURRENCY", "/workers"),
        ("PERSISTENT_TIMEOUT", "/persistentTimeout"),
    ] {
        if truth(values, key) {
            env.push(variable(name, &printed(values, key)));
        }
    }
    env.extend(templates.more_secrets());
    if templates.on("/mastodon/metrics/prometheus/enabled") {
        env.push(variable("MASTODON_PROMETHEUS_EXPORTER_ENABLED", "true"));
        env.push(variable("PROMETHEUS_EXPORTER_HOST", "127.0.0.1"));
        env.push(variable("PROMETHEUS_EXPORTER_PORT", &templates.print("/mastodon/metrics/prometheus/port")));
    }
    env.push(variable("TEST_ENV_VALUE", &templates.print("/mastodon/metrics/statsd/address")));
    let health = json!({"path": "/health", "port": "http"});
    json!({"name": "mastodon-web", "image": templates.image(values), "imagePullPolicy": templates.at("/image/pullPolicy"),
        "securityContext": templates.own_or_common(values, "securityContext"),
        "command": ["bundle", "exec", "puma", "-C", "config/puma.rb"], "envFrom": templates.sources(), "env": env,
        "volumeMounts": templates.mounts(),
        "ports": [{"name": "http", "containerPort": at(values, "/port"), "protocol": "TCP"}],
        "livenessProbe": {"tcpSocket": {"port": "http"}},
        "readinessProbe": {"httpGet": health},
        "startupProbe": {"httpGet": health, "initialDelaySeconds": 15, "failureThreshold": 30, "periodSeconds": 5},
        "resources": templates.own_or_common(values, "resources")})
}
