//! Where the templates fail, with helm's words. helm renders the files of one depth from the last name to the first, so the
//! first of these is what it prints (helm.sh/helm `pkg/engine/engine.go`, `sortTemplates` and `cleanupExecError`).

use serde_json::Value;

use super::templates::Templates;
use crate::kubernetes::addons::printed;
use crate::kubernetes::value::{list, number, text};

/// The keys of the chart's own Secret, in the order it asks for them (mastodon/chart `templates/_secrets.tpl`).
const REQUIRED: [&str; 7] = [
    "secret_key_base",
    "otp_secret",
    "vapid.private_key",
    "vapid.public_key",
    "activeRecordEncryption.primaryKey",
    "activeRecordEncryption.deterministicKey",
    "activeRecordEncryption.keyDerivationSalt",
];

pub(super) fn check(templates: &Templates<'_>) -> Result<(), String> {
    redis_image(templates)?;
    if !templates.on("/mastodon/secrets/existingSecret") {
        let missing =
            REQUIRED.iter().find(|key| !templates.on(&format!("/mastodon/secrets/{}", key.replace('.', "/"))));
        if let Some(key) = missing {
            return failed("secrets.yaml:2:4", &format!("{key} is required"));
        }
    }
    deploy_search(templates)?;
    hosts(templates)?;
    sidekiq(templates)
}

fn failed(place: &str, message: &str) -> Result<(), String> {
    Err(format!("execution error at (mastodon/templates/{place}): {message}"))
}

/// The image's origin is verified by Redis' chart (bitnami/charts `bitnami/common/templates/_errors.tpl`).
fn redis_image(templates: &Templates<'_>) -> Result<(), String> {
    let (registry, repository) = (templates.print("/redis/image/registry"), templates.print("/redis/image/repository"));
    let known = registry == "docker.io"
        && ["bitnami/", "bitnamilegacy/", "bitnamisecure/"].iter().any(|own| repository.starts_with(own));
    if !templates.on("/redis/enabled") || known || templates.on("/global/security/allowInsecureImages") {
        return Ok(());
    }
    let tag = templates.print("/redis/image/tag");
    Err(format!(
        "execution error at (mastodon/charts/redis/templates/NOTES.txt:216:4): \n\n⚠ ERROR: Original containers have been substituted for unrecognized ones. Deploying this chart with non-standard containers is likely to cause degraded security and performance, broken chart features, and missing environment variables.\n\nUnrecognized images:\n  - {registry}/{repository}:{tag}\n\nIf you are sure you want to proceed with non-standard containers, you can skip container image verification by setting the global parameter 'global.security.allowInsecureImages' to true.\nFurther information can be obtained at https://github.com/bitnami/charts/issues/30850"
    ))
}

/// `job-deploy-search.yaml` reads the access mode at a wrong path, which only goes well where the first is `ReadWriteOnce`.
fn deploy_search(templates: &Templates<'_>) -> Result<(), String> {
    let runs = templates.on("/mastodon/hooks/deploySearch/enabled") && templates.on("/elasticsearch/enabled");
    if !runs {
        return Ok(());
    }
    let once = templates.print("/mastodon/persistence/assets/accessMode") == "ReadWriteOnce";
    if templates.has_claims() && !once && !templates.at("/persistence").is_object() {
        return Err("template: mastodon/templates/job-deploy-search.yaml:30:92: executing \"mastodon/templates/job-deploy-search.yaml\" at <.Values.persistence.system.accessMode>: nil pointer evaluating interface {}.system".to_owned());
    }
    let only = templates.print("/mastodon/hooks/deploySearch/only");
    if !only.is_empty() && !["instances", "accounts", "tags", "statuses", "public_statuses"].contains(&only.as_str()) {
        return failed(
            "job-deploy-search.yaml:78:19",
            "mastodon.hooks.deploySearch.only: Value must be one of the following words: instances, accounts, tags, statuses, public_statuses",
        );
    }
    Ok(())
}

/// A database that is not bundled needs its host.
fn hosts(templates: &Templates<'_>) -> Result<(), String> {
    let external = !templates.on("/postgresql/enabled");
    let place = if external && templates.on("/mastodon/hooks/dbPrepare/enabled") {
        "job-db-prepare.yaml:2:4"
    } else if templates.on("/mastodon/hooks/dbMigrate/enabled") {
        "job-db-pre-migrate.yaml:2:4"
    } else {
        "deployment-web.yaml:40:12"
    };
    for (chart, path) in [("postgresql", "postgresqlHostname"), ("redis", "hostname")] {
        if !templates.on(&format!("/{chart}/enabled")) && !templates.on(&format!("/{chart}/{path}")) {
            let message = format!("When the {chart} chart is disabled .Values.{chart}.{path} is required");
            return failed(place, &message);
        }
    }
    Ok(())
}

fn sidekiq(templates: &Templates<'_>) -> Result<(), String> {
    for worker in list(templates.values, "/mastodon/sidekiq/workers") {
        let schedules = list(worker, "/queues").iter().any(|queue| queue == "scheduler");
        if schedules && replicas(worker) > 1 {
            return failed(
                "deployment-sidekiq.yaml:25:9",
                "The scheduler queue should never have more than 1 replicas",
            );
        }
        let probe = "/mastodon/sidekiq/readinessProbe";
        if templates.on(&format!("{probe}/enabled")) && text(templates.at(probe), "/path").is_empty() {
            return failed("deployment-sidekiq.yaml:284:19", "A valid sidekiq readiness path is required.");
        }
    }
    Ok(())
}

fn replicas(worker: &Value) -> i64 {
    printed(worker, "/replicas").parse().unwrap_or_else(|_| number(worker, "/replicas"))
}
