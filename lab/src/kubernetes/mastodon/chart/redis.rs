//! The dependency `redis` 22.0.7 (bitnami/charts `bitnami/redis`): a master, and replicas unless it is standalone.

use serde_json::{Map, Value, json};

use super::secrets::put;
use super::subchart::{Set, Subchart, put_probe};
use super::templates::Templates;
use crate::kubernetes::addons::{mounted, printed, truth, variable};
use crate::kubernetes::value::{at, set};

pub(super) fn objects(templates: &Templates<'_>) -> Vec<Value> {
    let chart = Subchart { templates, name: "redis", version: "22.0.7", app_version: "8.2.1" };
    let values = chart.values();
    let mut objects = vec![chart.service(&chart.full_name("headless"), "", ("redis", 6379), true)];
    objects.extend(part(&chart, "master", "master", at(values, "/master/count")));
    if printed(values, "/architecture") == "replication" {
        objects.extend(part(&chart, "replicas", "replica", at(values, "/replica/replicaCount")));
    }
    if truth(values, "/auth/enabled") && !truth(values, "/auth/existingSecret") {
        let mut object = chart.object("v1", "Secret", &chart.full_name(""), "");
        set(&mut object, "/type", "Opaque");
        let given = printed(values, "/auth/password");
        let mut data = Map::new();
        put(&mut data, "redis-password", &if given.is_empty() { chart.made_up("redis-password") } else { given });
        object["data"] = Value::Object(data);
        objects.push(object);
    }
    objects
}

/// The master or the replicas: `word` is in the objects' names, `key` in the values and labels.
fn part(chart: &Subchart<'_>, word: &str, key: &str, replicas: &Value) -> [Value; 3] {
    let name = chart.full_name(word);
    let values = at(chart.values(), &format!("/{key}"));
    let mut volumes = vec![json!({"name": "empty-dir", "emptyDir": {}})];
    let with_password = truth(chart.values(), "/auth/enabled");
    if with_password {
        let (from, own) = (
            printed(chart.values(), "/auth/existingSecret"),
            printed(chart.values(), "/auth/existingSecretPasswordKey"),
        );
        let from = if from.is_empty() { chart.full_name("") } else { from };
        let own = if own.is_empty() { "redis-password".to_owned() } else { own };
        volumes.push(json!({"name": "redis-password", "secret": {"secretName": from, "items": [{"key": own, "path": "redis-password"}]}}));
    }
    let pod = json!({"containers": [container(chart, word, values, with_password)], "volumes": volumes});
    let service = chart.full_name("headless");
    [
        chart.service(&name, key, ("redis", 6379), false),
        chart.account(&name, ""),
        chart.stateful_set(&Set {
            name: name.clone(),
            component: key,
            values,
            replicas: replicas.clone(),
            service,
            data: "redis-data",
            pod,
        }),
    ]
}

fn container(chart: &Subchart<'_>, word: &str, values: &Value, with_password: bool) -> Value {
    let master = word == "master";
    let mut env = vec![
        variable("BITNAMI_DEBUG", "false"),
        variable("REDIS_REPLICATION_MODE", if master { "master" } else { "replica" }),
        variable("ALLOW_EMPTY_PASSWORD", if with_password { "no" } else { "yes" }),
        variable("REDIS_TLS_ENABLED", "no"),
        variable("REDIS_PORT", "6379"),
    ];
    let mut mounts = vec![mounted("redis-data", "/data")];
    if with_password {
        env.push(variable("REDIS_PASSWORD_FILE", "/opt/bitnami/redis/secrets/redis-password"));
        mounts.push(mounted("redis-password", "/opt/bitnami/redis/secrets/"));
    }
    let mut container = json!({"name": "redis", "image": chart.image("/image"), "imagePullPolicy": at(chart.values(), "/image/pullPolicy"),
        "command": ["/bin/bash"], "args": ["-ec", format!("/opt/bitnami/scripts/start-scripts/start-{}.sh", if master { "master" } else { "replica" })],
        "env": env, "ports": [{"name": "redis", "containerPort": 6379}], "volumeMounts": mounts,
        "securityContext": {"runAsUser": 1001, "runAsNonRoot": true, "allowPrivilegeEscalation": false},
        "resources": if truth(values, "/resources") { at(values, "/resources").clone() } else { Value::Null }});
    put_probe(&mut container, values, "startupProbe", &json!({"tcpSocket": {"port": "redis"}}));
    for (kind, script) in [("livenessProbe", "liveness"), ("readinessProbe", "readiness")] {
        let seconds = at(values, &format!("/{kind}/timeoutSeconds")).as_u64().unwrap_or(1);
        let scope = if master { "local" } else { "local_and_master" };
        // One second more than the script has, or it would leave zombies.
        let action = json!({"timeoutSeconds": seconds + 1,
            "exec": {"command": ["/bin/bash", "-ec", format!("/health/ping_{script}_{scope}.sh {seconds}")]}});
        put_probe(&mut container, values, kind, &action);
    }
    container
}
