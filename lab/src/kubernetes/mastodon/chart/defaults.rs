//! The values the chart brings along, its dependencies' included, as far as its objects here depend on them.

use serde_json::{Value, json};

use crate::kubernetes::addons::merge_values;

/// `values.yaml` of mastodon/chart over those of its dependencies. Two oddities are upstream's: Elasticsearch is on, and the
/// key `redis.replica` stands there twice, so that its `replicaCount: 0` is lost and Bitnami's 3 is in effect.
pub fn defaults() -> Value {
    json!({
        "image": {"repository": "ghcr.io/mastodon/mastodon", "tag": "", "pullPolicy": "IfNotPresent"},
        "mastodon": mastodon(),
        "ingress": {"enabled": true, "hosts": [{"host": "mastodon.local", "paths": [{"path": "/"}]}],
            "tls": [{"secretName": "mastodon-tls", "hosts": ["mastodon.local"]}],
            "streaming": {"enabled": false, "hosts": [{"host": "streaming.mastodon.local", "paths": [{"path": "/"}]}],
                "tls": [{"secretName": "mastodon-tls", "hosts": ["streaming.mastodon.local"]}]}},
        "postgresql": postgresql(),
        "redis": redis(),
        "elasticsearch": elasticsearch(),
        "service": {"type": "ClusterIP", "port": 80},
        "externalAuth": {"oidc": {"enabled": false}, "saml": {"enabled": false}, "oauth_global": {"omniauth_only": false},
            "cas": {"enabled": false}, "pam": {"enabled": false}, "ldap": {"enabled": false}},
        "podSecurityContext": {"runAsUser": 991, "runAsGroup": 991, "fsGroup": 991},
        "securityContext": {},
        "serviceAccount": {"create": true, "annotations": {}, "name": ""},
        "deploymentAnnotations": {}, "podAnnotations": {}, "revisionPodAnnotation": true, "jobLabels": {}, "jobAnnotations": {},
        "resources": {}, "tolerations": [], "affinity": {}, "nodeSelector": {}, "timezone": "UTC",
        "topologySpreadConstraints": {}, "volumeMounts": [], "volumes": [],
    })
}

fn mastodon() -> Value {
    let claim = |size: &str| json!({"accessMode": "ReadWriteOnce", "keepAfterDelete": true, "resources": {"requests": {"storage": size}}});
    let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "10%", "maxUnavailable": "25%"}});
    let bulk = json!({"enabled": false, "auth_method": "plain", "ca_file": "/etc/ssl/certs/ca-certificates.crt", "enable_starttls": "auto",
        "from_address": "notifications@example.com", "openssl_verify_mode": "peer", "port": 587, "server": "smtp.mailgun.org"});
    let mut values = json!({
        "logLevel": {"rails": "info", "streaming": "info"}, "labels": {}, "podLabels": {},
        "createAdmin": {"enabled": false, "username": "not_gargron", "email": "not@example.com", "nodeSelector": {}},
        "hooks": {"dbPrepare": {"enabled": true, "nodeSelector": {}}, "dbMigrate": {"enabled": true, "nodeSelector": {}},
            "deploySearch": {"enabled": false, "resetChewy": true, "only": "", "concurrency": 5,
                "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"cpu": "500m"}}},
            "s3Upload": {"enabled": false}},
        "cron": {"removeMedia": {"enabled": true, "schedule": "0 0 * * 0", "nodeSelector": {}}},
        "local_domain": "mastodon.local", "alternate_domains": [], "singleUserMode": false, "authorizedFetch": false,
        "limitedFederationMode": false, "persistence": {"assets": claim("10Gi"), "system": claim("100Gi")},
        "s3": {"enabled": false, "access_key": "", "access_secret": "", "existingSecret": "", "bucket": "", "endpoint": "",
            "protocol": "https", "hostname": "", "region": "", "permission": "", "alias_host": "", "multipart_threshold": ""},
        "secrets": {"secret_key_base": "", "otp_secret": "", "vapid": {"private_key": "", "public_key": ""},
            "activeRecordEncryption": {"primaryKey": "", "deterministicKey": "", "keyDerivationSalt": ""}, "existingSecret": ""},
        "revisionHistoryLimit": 2
    });
    let programs = json!({
        "sidekiq": {"podSecurityContext": {}, "securityContext": {}, "resources": {}, "affinity": {}, "nodeSelector": {},
            "annotations": {}, "labels": {}, "podAnnotations": {}, "podLabels": {}, "updateStrategy": {"type": "Recreate"},
            "readinessProbe": {"enabled": false, "path": "/opt/mastodon/tmp/sidekiq_process_has_started_and_will_begin_processing_jobs",
                "initialDelaySeconds": 10, "periodSeconds": 2, "successThreshold": 1, "timeoutSeconds": 1},
            "topologySpreadConstraints": {},
            "workers": [{"name": "all-queues", "concurrency": 25, "replicas": 1, "resources": {}, "affinity": {}, "nodeSelector": {},
                "topologySpreadConstraints": {},
                "queues": ["default,8", "push,6", "ingress,4", "mailers,2", "pull", "scheduler", "fasp"]}]},
        "smtp": {"auth_method": "plain", "ca_file": "/etc/ssl/certs/ca-certificates.crt", "delivery_method": "smtp",
            "enable_starttls": "auto", "from_address": "notifications@example.com", "openssl_verify_mode": "peer", "port": 587,
            "server": "smtp.mailgun.org", "tls": false, "bulk": bulk},
        "streaming": {"image": {"repository": "ghcr.io/mastodon/mastodon-streaming", "tag": ""}, "port": 4000, "workers": 1, "replicas": 1,
            "affinity": {}, "nodeSelector": {}, "annotations": {}, "labels": {}, "podAnnotations": {}, "podLabels": {},
            "updateStrategy": rolling, "topologySpreadConstraints": {}, "podSecurityContext": {}, "securityContext": {}, "resources": {},
            "pdb": {"enable": false}, "extraEnvVars": {}},
        "web": {"port": 3000, "replicas": 1, "affinity": {}, "nodeSelector": {}, "annotations": {}, "labels": {}, "podAnnotations": {},
            "podLabels": {}, "updateStrategy": rolling, "topologySpreadConstraints": {}, "podSecurityContext": {}, "securityContext": {},
            "resources": {}, "pdb": {"enable": false}, "minThreads": "5", "maxThreads": "5", "workers": "2", "persistentTimeout": "20"},
        "cacheBuster": {"enabled": false, "httpMethod": "GET"},
        "metrics": {"statsd": {"address": "", "exporter": {"enabled": false, "port": 9102}},
            "prometheus": {"enabled": false, "port": 9394, "web": {"detailed": false}, "sidekiq": {"detailed": false}}},
        "preparedStatements": true, "extraEnvVars": {},
    });
    merge_values(&mut values, &programs);
    values
}

/// Bitnami's probes, off or on.
fn probe(enabled: bool, delay: u32, period: u32, timeout: u32, failures: u32) -> Value {
    json!({"enabled": enabled, "initialDelaySeconds": delay, "periodSeconds": period, "timeoutSeconds": timeout,
        "failureThreshold": failures, "successThreshold": 1})
}

fn persistence() -> Value {
    json!({"enabled": true, "accessModes": ["ReadWriteOnce"], "size": "8Gi"})
}

/// bitnami/charts `bitnami/postgresql` 14.2.3 under the chart's own.
fn postgresql() -> Value {
    json!({
        "enabled": true,
        "image": {"registry": "docker.io", "repository": "bitnamilegacy/postgresql", "tag": "16.2.0-debian-12-r8", "pullPolicy": "IfNotPresent"},
        "direct": {}, "readReplica": {"auth": {}}, "architecture": "standalone",
        "auth": {"database": "mastodon_production", "username": "mastodon", "password": "", "postgresPassword": "", "existingSecret": "",
            "enablePostgresUser": true, "secretKeys": {"adminPasswordKey": "postgres-password", "userPasswordKey": "password"}},
        "primary": {"nodeSelector": {}, "affinity": {}, "tolerations": [], "resources": {}, "persistence": persistence(),
            "livenessProbe": probe(true, 30, 10, 5, 6), "readinessProbe": probe(true, 5, 10, 5, 6),
            "startupProbe": probe(false, 30, 10, 1, 15)},
    })
}

/// bitnami/charts `bitnami/redis` 22.0.7 under the chart's own.
fn redis() -> Value {
    let part = |startup: Value| {
        json!({"nodeSelector": {}, "affinity": {}, "tolerations": [], "resources": {}, "persistence": persistence(),
            "livenessProbe": probe(true, 20, 5, 5, 5), "readinessProbe": probe(true, 20, 5, 1, 5), "startupProbe": startup})
    };
    let mut master = part(probe(false, 20, 5, 5, 5));
    master["count"] = 1.into();
    let mut replica = part(probe(true, 10, 10, 5, 22));
    replica["replicaCount"] = 3.into();
    let other = json!({"enabled": false, "hostname": "", "port": 6379,
        "auth": {"password": "", "existingSecret": "", "existingSecretKey": "redis-password"}});
    json!({
        "enabled": true, "image": {"registry": "docker.io", "repository": "bitnamilegacy/redis", "tag": "8.2.1-debian-12-r0", "pullPolicy": "IfNotPresent"},
        "architecture": "replication", "hostname": "", "port": 6379,
        "auth": {"enabled": true, "password": "", "existingSecret": "", "existingSecretKey": "redis-password", "existingSecretPasswordKey": ""},
        "master": master, "replica": replica, "sidekiq": other, "cache": other,
    })
}

/// bitnami/charts `bitnami/elasticsearch` 19.19.2 under the chart's own: eight pods, and a helper image that Docker Hub no
/// longer has (bitnami/charts issue 36318).
fn elasticsearch() -> Value {
    let part = || {
        json!({"replicaCount": 2, "nodeSelector": {}, "affinity": {}, "tolerations": [], "resources": {}, "heapSize": "128m", "persistence": persistence(),
            "livenessProbe": probe(true, 180, 10, 5, 5), "readinessProbe": probe(true, 90, 10, 5, 5),
            "startupProbe": probe(false, 90, 10, 5, 5)})
    };
    json!({
        "enabled": true, "image": {"registry": "docker.io", "repository": "bitnamilegacy/elasticsearch", "tag": "7", "pullPolicy": "IfNotPresent"},
        "sysctlImage": {"enabled": true, "registry": "docker.io", "repository": "bitnami/os-shell", "tag": "12-debian-12-r16"},
        "master": part(), "data": part(), "coordinating": part(), "ingest": part(), "metrics": {"nodeSelector": {}}, "caSecret": {},
    })
}
