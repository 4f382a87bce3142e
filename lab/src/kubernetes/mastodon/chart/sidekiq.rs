//! `templates/deployment-sidekiq.yaml`: a Deployment for each worker, named after it.

use serde_json::{Value, json};

use super::rails::Component;
use super::templates::{Templates, extend};
use crate::kubernetes::addons::{merge_values, printed, truth};
use crate::kubernetes::names::sha256_hex;
use crate::kubernetes::value::{at, list, set};

pub(super) fn deployments(templates: &Templates<'_>) -> Vec<Value> {
    let workers = list(templates.values, "/mastodon/sidekiq/workers");
    workers.iter().map(|worker| deployment(templates, worker)).collect()
}

fn deployment(templates: &Templates<'_>, worker: &Value) -> Value {
    let common = templates.at("/mastodon/sidekiq");
    // A worker's own affinity, resources and so on are in effect where they are not empty.
    let mut values = common.clone();
    for key in ["affinity", "topologySpreadConstraints", "nodeSelector", "resources"] {
        let path = format!("/{key}");
        if truth(worker, &path) {
            set(&mut values, &path, at(worker, &path).clone());
        }
    }
    set(&mut values, "/replicas", at(worker, "/replicas").clone());
    let mut pod = json!({"volumes": templates.volumes(), "containers": [container(templates, &values, worker)]});
    templates.placement(&mut pod, &values);
    pod["tolerations"] = templates.first(&["/tolerations"]);
    let name = format!("sidekiq-{}", printed(worker, "/name"));
    let labels = json!({"app.kubernetes.io/component": name, "app.kubernetes.io/part-of": "rails"});
    let mut object = templates.deployment(&Component { name: &name, values: &values, labels: labels.clone(), pod });
    extend(&mut object["metadata"]["labels"], &labels);
    let mail = super::secrets::mail(templates).unwrap_or_default();
    let sum = sha256_hex(mail.to_string().as_bytes());
    set(&mut object, "/spec/template/metadata/annotations/checksum~1config-secrets-smtp", sum);
    object
}

fn container(templates: &Templates<'_>, values: &Value, worker: &Value) -> Value {
    let mut command: Vec<String> = ["bundle", "exec", "sidekiq", "-c"].map(str::to_owned).to_vec();
    command.push(printed(worker, "/concurrency"));
    for queue in list(worker, "/queues") {
        command.extend(["-q".to_owned(), printed(queue, "")]);
    }
    let mut env = templates.passwords();
    let mail = templates.mail_secret();
    for (name, key) in [("SMTP_LOGIN", "login"), ("SMTP_PASSWORD", "password")] {
        env.push(json!({"name": name, "valueFrom": {"secretKeyRef": {"name": mail, "key": key, "optional": true}}}));
    }
    env.extend(templates.more_secrets());
    json!({"name": "mastodon", "image": templates.image(worker), "imagePullPolicy": templates.at("/image/pullPolicy"),
        "securityContext": templates.own_or_common(values, "securityContext"), "command": command,
        "envFrom": templates.sources(), "env": env, "volumeMounts": templates.mounts(), "readinessProbe": readiness(values),
        "resources": templates.own_or_common(values, "resources")})
}

/// Off unless it is asked for: a running Sidekiq counts as ready.
fn readiness(values: &Value) -> Value {
    if !truth(values, "/readinessProbe/enabled") {
        return Value::Null;
    }
    let given = at(values, "/readinessProbe");
    let mut probe = json!({"failureThreshold": 10, "initialDelaySeconds": 10, "periodSeconds": 2, "successThreshold": 1, "timeoutSeconds": 1});
    merge_values(&mut probe, given);
    for key in ["enabled", "path"] {
        crate::kubernetes::value::remove(&mut probe, &format!("/{key}"));
    }
    probe["exec"] = json!({"command": ["cat", at(given, "/path")]});
    probe
}
