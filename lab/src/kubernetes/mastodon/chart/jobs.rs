//! The jobs around a release, and the one of every Sunday.

use serde_json::{Value, json};

use super::Hook;
use super::environment::{port, secret};
use super::templates::Templates;
use crate::kubernetes::addons::{printed, truth, variable};
use crate::kubernetes::value::set;

/// One job of the chart.
struct Job<'a> {
    name: &'static str,
    /// What the pod's template and its container are called after.
    container: &'static str,
    command: Vec<String>,
    events: Vec<&'static str>,
    weight: i64,
    env: Vec<Value>,
    sources: Value,
    /// The claims it mounts, if any.
    claims: Option<[String; 2]>,
    node: &'a [&'a str],
}

/// The hooks that are jobs.
pub(super) fn hooks(templates: &Templates<'_>) -> Vec<Hook> {
    let mut hooks = Vec::new();
    if templates.on("/mastodon/hooks/dbPrepare/enabled") && !templates.on("/postgresql/enabled") {
        let job = database(templates, "db-prepare", "db:prepare", vec!["pre-install"], -3);
        hooks.push(templates.hook(job));
    }
    if templates.on("/mastodon/hooks/dbMigrate/enabled") {
        let mut before = database(templates, "db-pre-migrate", "db:migrate", vec!["pre-upgrade"], -2);
        before.env.push(variable("SKIP_POST_DEPLOYMENT_MIGRATIONS", "true"));
        hooks.push(templates.hook(before));
        let after = database(templates, "db-post-migrate", "db:migrate", vec!["post-install", "post-upgrade"], -2);
        hooks.push(templates.hook(after));
    }
    if templates.on("/mastodon/hooks/deploySearch/enabled") && templates.on("/elasticsearch/enabled") {
        hooks.push(templates.hook(deploy_search(templates)));
    }
    if templates.on("/mastodon/createAdmin/enabled") {
        hooks.push(templates.hook(create_admin(templates)));
    }
    hooks
}

/// `templates/_db-migrate.tpl`: it knows the database only by its own variables, not by the ConfigMap, which a job before the
/// first installation would not find.
fn database<'a>(
    templates: &Templates<'_>,
    name: &'static str,
    task: &str,
    events: Vec<&'static str>,
    weight: i64,
) -> Job<'a> {
    let prepare = name == "db-prepare";
    let direct = |key: &str, otherwise: String| match templates.print(&format!("/postgresql/direct/{key}")) {
        own if own.is_empty() => otherwise,
        own => own,
    };
    let mut rails = templates.secret_name();
    if prepare && !templates.on("/mastodon/secrets/existingSecret") {
        rails += "-prepare";
    }
    let mut redis = templates.redis_secret();
    if prepare && super::secrets::redis(templates).is_some() {
        redis += "-pre-install";
    }
    let env = vec![
        variable("DB_HOST", &direct("hostname", templates.database_host())),
        variable("DB_PORT", &direct("port", templates.database_port())),
        variable("DB_NAME", &direct("database", templates.print("/postgresql/auth/database"))),
        variable("DB_USER", &templates.print("/postgresql/auth/username")),
        secret("DB_PASS", &templates.database_secret(), "password"),
        variable("REDIS_HOST", &templates.redis_host()),
        variable("REDIS_PORT", &templates.redis_port()),
        variable("REDIS_DRIVER", "ruby"),
        secret("REDIS_PASSWORD", &redis, &templates.print("/redis/auth/existingSecretKey")),
    ];
    Job {
        name,
        container: "db-migrate",
        command: words(&["bundle", "exec", "rake", task]),
        events,
        weight,
        env,
        sources: json!([{"secretRef": {"name": rails}}]),
        claims: None,
        node: if prepare {
            &["/mastodon/hooks/dbPrepare/nodeSelector", "/nodeSelector"]
        } else {
            &["/mastodon/hooks/dbMigrate/nodeSelector", "/nodeSelector"]
        },
    }
}

/// `templates/job-deploy-search.yaml`: its claims are always those of the chart's own names.
fn deploy_search<'a>(templates: &Templates<'_>) -> Job<'a> {
    let values = templates.at("/mastodon/hooks/deploySearch");
    let mut command = words(&["bin/tootctl", "search", "deploy"]);
    for (flag, key) in [("--concurrency", "/concurrency"), ("--batch-size", "/batchSize"), ("--only", "/only")] {
        if truth(values, key) {
            command.extend([flag.to_owned(), printed(values, key)]);
        }
    }
    if truth(values, "/resetChewy") {
        command.push("--reset-chewy".to_owned());
    }
    Job {
        name: "deploy-search",
        container: "deploy-search",
        command,
        events: vec!["post-install", "post-upgrade"],
        weight: -2,
        env: tootctl_env(templates),
        sources: templates.sources(),
        claims: Some([templates.name("assets"), templates.name("system")]),
        node: &[],
    }
}

/// `templates/job-create-admin.yaml`: its log with the password goes with the job, as soon as it succeeded.
fn create_admin<'a>(templates: &Templates<'_>) -> Job<'a> {
    let (name, email) =
        (templates.print("/mastodon/createAdmin/username"), templates.print("/mastodon/createAdmin/email"));
    Job {
        name: "create-admin",
        container: "create-admin",
        command: words(&[
            "bin/tootctl",
            "accounts",
            "create",
            &name,
            "--email",
            &email,
            "--confirmed",
            "--role",
            "Owner",
        ]),
        events: vec!["post-install"],
        weight: -1,
        env: tootctl_env(templates),
        sources: templates.sources(),
        claims: Some([templates.claim("assets"), templates.claim("system")]),
        node: &["/mastodon/createAdmin/nodeSelector", "/nodeSelector"],
    }
}

/// `templates/cronjob-media-remove.yaml`
pub(super) fn media_remove(templates: &Templates<'_>) -> Option<Value> {
    if !templates.on("/mastodon/cron/removeMedia/enabled") {
        return None;
    }
    let mut env = tootctl_env(templates);
    env.extend(templates.object_store_keys());
    let job = Job {
        name: "media-remove",
        container: "media-remove",
        command: words(&["bin/tootctl", "media", "remove"]),
        events: Vec::new(),
        weight: 0,
        env,
        sources: templates.sources(),
        claims: Some([templates.claim("assets"), templates.claim("system")]),
        node: &["/mastodon/cron/removeMedia/nodeSelector", "/nodeSelector"],
    };
    let mut template = templates.pod(&job);
    set(&mut template, "/spec/restartPolicy", "OnFailure");
    let mut object = templates.object("batch/v1", "CronJob", &templates.name("media-remove"));
    object["spec"] = json!({"schedule": templates.at("/mastodon/cron/removeMedia/schedule"), "jobTemplate": {"spec": {"template": template}}});
    Some(object)
}

fn tootctl_env(templates: &Templates<'_>) -> Vec<Value> {
    let mut env = templates.passwords();
    env.push(port(templates, "/mastodon/web/port"));
    env
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Templates<'_> {
    fn hook(&self, job: Job<'_>) -> Hook {
        let mut object = self.object("batch/v1", "Job", &self.name(job.name));
        object["metadata"]["annotations"] = hook_annotations(&job.events, job.weight);
        object["spec"] = json!({"template": self.pod(&job)});
        Hook { object, events: job.events, weight: job.weight }
    }

    fn pod(&self, job: &Job<'_>) -> Value {
        let name = self.name(job.container);
        let mut spec = json!({"restartPolicy": "Never", "nodeSelector": self.first(job.node),
            "containers": [{"name": name, "image": self.image(&Value::Null), "imagePullPolicy": self.at("/image/pullPolicy"),
                "command": job.command, "envFrom": job.sources, "env": job.env}]});
        if let Some(claims) = &job.claims
            && self.has_claims()
        {
            spec["volumes"] = self.claims([&claims[0], &claims[1]]).into();
            spec["containers"][0]["volumeMounts"] = self.claim_mounts().into();
            spec["affinity"] = self.beside_rails();
        }
        json!({"metadata": {"name": name, "labels": self.first(&["/jobLabels"]), "annotations": self.first(&["/jobAnnotations"])}, "spec": spec})
    }

    /// Claims that are mounted on one node only keep the jobs on the node of the other pods of Rails.
    fn beside_rails(&self) -> Value {
        let once = |which: &str| self.print(&format!("/mastodon/persistence/{which}/accessMode")) == "ReadWriteOnce";
        if !once("assets") && !once("system") {
            return Value::Null;
        }
        json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname",
            "labelSelector": {"matchExpressions": [{"key": "app.kubernetes.io/part-of", "operator": "In", "values": ["rails"]}]}}]}})
    }
}

/// The annotations by which helm knows a hook.
pub(super) fn hook_annotations(events: &[&str], weight: i64) -> Value {
    json!({"helm.sh/hook": events.join(","), "helm.sh/hook-weight": weight.to_string(),
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded"})
}
