//! The dependency `elasticsearch` 19.19.2 (bitnami/charts `bitnami/elasticsearch`): four roles, each a set of its own.

use serde_json::{Value, json};

use super::subchart::{Set, Subchart, put_probe};
use super::templates::Templates;
use crate::kubernetes::addons::{mounted, printed, truth, variable};
use crate::kubernetes::value::at;

/// The roles, and what a node of each says it is; a master that is not only that also does the others' work.
const ROLES: [(&str, &str); 4] = [("master", "master"), ("data", "data"), ("coordinating", ""), ("ingest", "ingest")];

pub(super) fn objects(templates: &Templates<'_>) -> Vec<Value> {
    let chart = Subchart { templates, name: "elasticsearch", version: "19.19.2", app_version: "8.12.2" };
    let values = chart.values();
    let mut front = chart.service(&chart.full_name(""), "", ("tcp-rest-api", 9200), false);
    // The Service everybody talks to leads to the coordinating nodes, and to the masters where there are none of those.
    let coordinates = at(values, "/coordinating/replicaCount").as_u64() != Some(0);
    front["spec"]["selector"] = chart.selector(if coordinates { "coordinating-only" } else { "master" });
    let mut objects = vec![front];
    for (role, duties) in ROLES {
        let part = at(values, &format!("/{role}"));
        let off = at(part, "/replicaCount").as_u64() == Some(0) || at(part, "/enabled") == false;
        if role == "ingest" && off {
            continue;
        }
        let component = if role == "coordinating" { "coordinating-only" } else { role };
        let duties = if role == "master" && at(part, "/masterOnly") == false { "master,data,ingest" } else { duties };
        let name = chart.full_name(role);
        let headless = format!("{name}-hl");
        let mut service = chart.service(&headless, component, ("tcp-rest-api", 9200), true);
        service["spec"]["ports"] = json!([{"name": "tcp-rest-api", "port": 9200, "targetPort": "rest-api"},
            {"name": "tcp-transport", "port": 9300, "targetPort": "transport"}]);
        objects.push(service);
        objects.push(chart.account(&name, component));
        let kept = ["master", "data"].contains(&role);
        let mut shown = part.clone();
        if !kept {
            shown["persistence"] = json!({"enabled": false});
        }
        let pod = pod(&chart, part, duties);
        let mut set = chart.stateful_set(&Set {
            name,
            component,
            values: &shown,
            replicas: at(part, "/replicaCount").clone(),
            service: headless,
            data: "data",
            pod,
        });
        set["spec"]["podManagementPolicy"] = "Parallel".into();
        objects.push(set);
    }
    objects
}

fn pod(chart: &Subchart<'_>, part: &Value, duties: &str) -> Value {
    let mut container = json!({"name": "elasticsearch", "image": chart.image("/image"), "imagePullPolicy": at(chart.values(), "/image/pullPolicy"),
        "env": [variable("ELASTICSEARCH_NODE_ROLES", duties), variable("ELASTICSEARCH_HEAP_SIZE", &printed(part, "/heapSize")),
            variable("ELASTICSEARCH_TOTAL_NODES", "4")],
        "ports": [{"name": "rest-api", "containerPort": 9200}, {"name": "transport", "containerPort": 9300}],
        "resources": if truth(part, "/resources") { at(part, "/resources").clone() } else { Value::Null },
        "volumeMounts": [mounted("data", "/bitnami/elasticsearch/data")]});
    let alive = json!({"tcpSocket": {"port": "rest-api"}});
    let ready = json!({"exec": {"command": ["/opt/bitnami/scripts/elasticsearch/healthcheck.sh"]}});
    put_probe(&mut container, part, "startupProbe", &ready);
    put_probe(&mut container, part, "livenessProbe", &alive);
    put_probe(&mut container, part, "readinessProbe", &ready);
    let mut pod = json!({"containers": [container]});
    if truth(chart.values(), "/sysctlImage/enabled") {
        pod["initContainers"] = json!([{"name": "sysctl", "image": chart.image("/sysctlImage"), "imagePullPolicy": "IfNotPresent",
            "securityContext": {"privileged": true, "runAsUser": 0},
            "command": ["/bin/bash", "-ec", "CURRENT=$(sysctl -n vm.max_map_count); [ \"$CURRENT\" -ge 262144 ] || sysctl -w vm.max_map_count=262144"]}]);
    }
    pod
}
