//! `templates/deployment-streaming.yaml`: the streaming API, a program of Node.js in an image of its own.

use serde_json::{Value, json};

use super::environment::port;
use super::rails::Component;
use super::templates::Templates;
use crate::kubernetes::addons::{printed, variable};
use crate::kubernetes::value::{at, entries, set};

pub(super) fn deployment(templates: &Templates<'_>) -> Value {
    let values = templates.at("/mastodon/streaming");
    let mut pod = json!({"containers": [container(templates, values)]});
    templates.placement(&mut pod, values);
    pod["tolerations"] = templates.first(&["/tolerations"]);
    let labels = json!({"app.kubernetes.io/component": "streaming"});
    templates.deployment(&Component { name: "streaming", values, labels, pod })
}

fn container(templates: &Templates<'_>, values: &Value) -> Value {
    let mut env = Vec::new();
    let replica = templates.print("/postgresql/postgresqlReplicaHostname");
    if !replica.is_empty() {
        env.push(variable("DB_HOST", &replica));
    }
    env.extend(templates.passwords());
    env.push(port(templates, "/mastodon/streaming/port"));
    env.extend(entries(values, "/extraEnvVars").map(|(name, value)| variable(name, &printed(value, ""))));
    let mut sources = vec![json!({"configMapRef": {"name": templates.name("env")}})];
    if templates.on("/mastodon/extraEnvFrom") {
        sources.push(json!({"configMapRef": {"name": templates.print("/mastodon/extraEnvFrom")}}));
    }
    let mut image = json!({"image": {"repository": at(values, "/image/repository")}});
    set(&mut image, "/image/tag", printed(values, "/image/tag"));
    let health = json!({"path": "/api/v1/streaming/health", "port": "streaming"});
    json!({"name": "mastodon-streaming", "image": templates.image(&image), "imagePullPolicy": templates.at("/image/pullPolicy"),
        "securityContext": templates.own_or_common(values, "securityContext"),
        "command": ["node", "./streaming"], "envFrom": sources, "env": env,
        "ports": [{"name": "streaming", "containerPort": at(values, "/port"), "protocol": "TCP"}],
        "livenessProbe": {"httpGet": health}, "readinessProbe": {"httpGet": health},
        "startupProbe": {"httpGet": health, "initialDelaySeconds": 5, "failureThreshold": 15, "periodSeconds": 5},
        "resources": templates.own_or_common(values, "resources")})
}
