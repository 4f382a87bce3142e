//! The dependency `postgresql` 14.2.3 (bitnami/charts `bitnami/postgresql`).

use serde_json::{Map, Value, json};

use super::environment::secret;
use super::secrets::put;
use super::subchart::{Set, Subchart, put_probe};
use super::templates::Templates;
use crate::kubernetes::addons::{mounted, printed, truth, variable};
use crate::kubernetes::value::{at, set};

pub(super) fn objects(templates: &Templates<'_>) -> Vec<Value> {
    let chart = Subchart { templates, name: "postgresql", version: "14.2.3", app_version: "16.2.0" };
    let name = chart.full_name("");
    let headless = format!("{name}-hl");
    let primary = at(chart.values(), "/primary");
    let pod = json!({"containers": [container(&chart, primary)],
        "volumes": [{"name": "dshm", "emptyDir": {"medium": "Memory"}}, {"name": "empty-dir", "emptyDir": {}}]});
    let mut objects = vec![
        chart.service(&name, "primary", ("tcp-postgresql", 5432), false),
        chart.service(&headless, "primary", ("tcp-postgresql", 5432), true),
        chart.account(&name, ""),
        chart.stateful_set(&Set {
            name: name.clone(),
            component: "primary",
            values: primary,
            replicas: 1.into(),
            service: headless,
            data: "data",
            pod,
        }),
    ];
    if !truth(chart.values(), "/auth/existingSecret") {
        let mut object = chart.object("v1", "Secret", &name, "");
        set(&mut object, "/type", "Opaque");
        let mut data = Map::new();
        for (key, given) in [("postgres-password", "postgresPassword"), ("password", "password")] {
            let given = printed(chart.values(), &format!("/auth/{given}"));
            put(&mut data, key, &if given.is_empty() { chart.made_up(key) } else { given });
        }
        object["data"] = Value::Object(data);
        objects.push(object);
    }
    objects
}

fn container(chart: &Subchart<'_>, primary: &Value) -> Value {
    let values = chart.values();
    let (user, database) = (printed(values, "/auth/username"), printed(values, "/auth/database"));
    let existing = printed(values, "/auth/existingSecret");
    // The names of the keys can only be chosen in a Secret that is there already.
    let key = |which: &str, usual: &str| match printed(values, &format!("/auth/secretKeys/{which}")) {
        own if own.is_empty() || existing.is_empty() => usual.to_owned(),
        own => own,
    };
    let from = if existing.is_empty() { chart.full_name("") } else { existing.clone() };
    let (admin, own) = (key("adminPasswordKey", "postgres-password"), key("userPasswordKey", "password"));
    let mut env = vec![
        variable("BITNAMI_DEBUG", "false"),
        variable("POSTGRESQL_PORT_NUMBER", "5432"),
        variable("POSTGRESQL_VOLUME_DIR", "/bitnami/postgresql"),
        variable("PGDATA", "/bitnami/postgresql/data"),
    ];
    if user.is_empty() || user == "postgres" {
        env.push(secret("POSTGRES_PASSWORD", &from, &admin));
    } else {
        env.push(variable("POSTGRES_USER", &user));
        env.push(secret("POSTGRES_PASSWORD", &from, &own));
        if truth(values, "/auth/enablePostgresUser") {
            env.push(secret("POSTGRES_POSTGRES_PASSWORD", &from, &admin));
        }
    }
    env.push(variable("POSTGRES_DATABASE", &database));
    let mut container = json!({"name": "postgresql", "image": chart.image("/image"), "imagePullPolicy": at(values, "/image/pullPolicy"),
        "env": env, "ports": [{"name": "tcp-postgresql", "containerPort": 5432}],
        "securityContext": {"runAsUser": 1001, "runAsNonRoot": true, "allowPrivilegeEscalation": false},
        "resources": if truth(primary, "/resources") { at(primary, "/resources").clone() } else { Value::Null },
        "volumeMounts": [mounted("dshm", "/dev/shm"), mounted("data", "/bitnami/postgresql")]});
    let user = if user.is_empty() { "postgres" } else { &user };
    let asks = format!("exec pg_isready -U \"{user}\" -d \"dbname={database}\" -h 127.0.0.1 -p 5432");
    let plain = json!({"exec": {"command": ["/bin/sh", "-c", asks]}});
    let ready =
        format!("{asks}\n[ -f /opt/bitnami/postgresql/tmp/.initialized ] || [ -f /bitnami/postgresql/.initialized ]\n");
    put_probe(&mut container, primary, "startupProbe", &plain);
    put_probe(&mut container, primary, "livenessProbe", &plain);
    put_probe(&mut container, primary, "readinessProbe", &json!({"exec": {"command": ["/bin/sh", "-c", "-e", ready]}}));
    container
}
