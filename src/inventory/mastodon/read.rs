//! From the file's `[mastodon]` to the model, defaults filled in.

use std::path::Path;

use super::table::{
    AdminTable, ChartTable, IngressTable, MastodonTable, PostgresqlTable, QuantitiesTable, RedisTable, ResourcesTable,
    S3Table, SmtpTable,
};
use super::{
    Access, Admin, CHART_COMMIT, CHART_REPOSITORY, CHART_VERSION, ChartSource, IMAGE, Ingress, Mastodon, PATH,
    Postgresql, Quantities, Redis, Resources, S3, STARTUP_SECONDS, Smtp, StartTls, Tls,
};
use crate::document::{At, Field};
use crate::inventory::build::{path, port, text};
use crate::inventory::flux::plain;
use crate::inventory::rules::{address, mastodon_smtp};
use crate::inventory::storage::{Storage, bytes, classes};

/// What the file says; none when a rule has refused a part of it.
pub(in crate::inventory) fn of(table: &MastodonTable, storage: &Storage, folder: &Path) -> Option<Mastodon> {
    let local_domain = text(&table.local_domain)?;
    Some(Mastodon {
        web_domain: text(&table.web_domain).filter(|web| *web != local_domain),
        admin: admin(table.admin.given()?)?,
        chart: chart(&table.chart),
        image: or(&table.image, IMAGE),
        path: plain(&or(&table.path, PATH)),
        locale: text(&table.locale),
        single_user: on(&table.single_user, false),
        smtp: match table.smtp.given() {
            Some(table) => Some(mail(table, &local_domain, folder)?),
            None => None,
        },
        s3: match table.s3.given() {
            Some(table) => Some(s3(table, folder)?),
            None => None,
        },
        postgresql: postgresql(&table.postgresql, folder)?,
        redis: redis(&table.redis, folder)?,
        elasticsearch: on(&table.elasticsearch, false),
        assets_size: size(&table.assets_size, 10)?,
        system_size: size(&table.system_size, 100)?,
        access: access(table, storage),
        ingress: ingress(&table.ingress)?,
        resources: resources(&table.resources)?,
        values: table.values.given().map(|values| values.value.clone()).unwrap_or_default(),
        startup_seconds: table.startup_seconds.given().map_or(STARTUP_SECONDS, |number| number.value),
        local_domain,
    })
}

/// How the volumes are mounted; by several nodes where storage can do that.
pub(in crate::inventory) fn access(table: &MastodonTable, storage: &Storage) -> Access {
    match table.access.given().map(|access| access.value.as_str()) {
        Some("rwx") => Access::Rwx,
        None if classes::rwx_class(storage).is_some() => Access::Rwx,
        _ => Access::Rwo,
    }
}

fn or(field: &Field<At<String>>, default: &str) -> String {
    text(field).unwrap_or_else(|| default.to_owned())
}

fn on(field: &Field<At<bool>>, default: bool) -> bool {
    field.given().map_or(default, |switch| switch.value)
}

fn size(field: &Field<At<String>>, default_gib: u64) -> Option<u64> {
    field.given().map_or(Some(default_gib << 30), |text| bytes(&text.value))
}

fn admin(table: &AdminTable) -> Option<Admin> {
    Some(Admin { username: text(&table.username)?, email: text(&table.email)? })
}

fn chart(table: &Field<ChartTable>) -> ChartSource {
    let empty = ChartTable::default();
    let table = table.given().unwrap_or(&empty);
    ChartSource {
        repository: or(&table.repository, CHART_REPOSITORY),
        commit: or(&table.commit, CHART_COMMIT),
        version: or(&table.version, CHART_VERSION),
    }
}

fn mail(table: &SmtpTable, local_domain: &str, folder: &Path) -> Option<Smtp> {
    let port = port(&table.port);
    // Port 465 is for TLS from the first byte on (RFC 8314).
    let tls = on(&table.tls, port == Some(465));
    let method = if table.login.given().is_some() { "plain" } else { "none" };
    Some(Smtp {
        server: text(&table.server)?,
        port: port.unwrap_or(if tls { 465 } else { 587 }),
        tls,
        starttls: table.starttls.given().map_or(Some(StartTls::Auto), |text| mastodon_smtp::starttls(text).ok())?,
        auth_method: or(&table.auth_method, method),
        login: text(&table.login),
        password_file: path(&table.password_file, folder),
        from_address: text(&table.from_address).unwrap_or_else(|| format!("notifications@{local_domain}")),
        domain: text(&table.domain),
        verify: on(&table.verify, true),
    })
}

fn s3(table: &S3Table, folder: &Path) -> Option<S3> {
    let endpoint = text(&table.endpoint)?;
    let host = endpoint.split_once("://").map_or(endpoint.as_str(), |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or(host).to_owned();
    Some(S3 {
        bucket: text(&table.bucket)?,
        hostname: text(&table.hostname).unwrap_or(host),
        endpoint,
        region: text(&table.region),
        access_key_file: path(&table.access_key_file, folder)?,
        secret_key_file: path(&table.secret_key_file, folder)?,
        alias_host: text(&table.alias_host),
        permission: text(&table.permission),
        multipart_threshold: table.multipart_threshold.given().map(|number| number.value),
        override_path_style: table.override_path_style.given().map(|switch| switch.value),
        signature: text(&table.signature),
        single_request: on(&table.single_request, false),
    })
}

fn postgresql(table: &Field<PostgresqlTable>, folder: &Path) -> Option<Postgresql> {
    let empty = PostgresqlTable::default();
    let table = table.given().unwrap_or(&empty);
    let Some(host) = text(&table.host) else {
        return Some(Postgresql::Bundled { size: size(&table.size, 20)? });
    };
    let own = port(&table.port).unwrap_or(5432);
    Some(Postgresql::External {
        host,
        port: own,
        database: or(&table.database, "mastodon_production"),
        user: or(&table.user, "mastodon"),
        password_file: path(&table.password_file, folder)?,
        admin_password_file: path(&table.admin_password_file, folder),
        direct: text(&table.direct_host).map(|host| (host, port(&table.direct_port).unwrap_or(own))),
    })
}

fn redis(table: &Field<RedisTable>, folder: &Path) -> Option<Redis> {
    let empty = RedisTable::default();
    let table = table.given().unwrap_or(&empty);
    Some(match text(&table.host) {
        None => Redis::Bundled { size: size(&table.size, 8)? },
        Some(host) => Redis::External {
            host,
            port: port(&table.port).unwrap_or(6379),
            password_file: path(&table.password_file, folder),
        },
    })
}

fn ingress(table: &Field<IngressTable>) -> Option<Ingress> {
    let empty = IngressTable::default();
    let table = table.given().unwrap_or(&empty);
    Some(Ingress {
        class: or(&table.class, "public"),
        tls: match (text(&table.tls_secret), text(&table.cluster_issuer)) {
            (Some(secret), _) => Tls::Secret(secret),
            (None, Some(issuer)) => Tls::ClusterIssuer(issuer),
            (None, None) => Tls::Default,
        },
        address: match table.address.given() {
            Some(text) => Some(address::parse(text).ok()?),
            None => None,
        },
    })
}

fn resources(table: &Field<ResourcesTable>) -> Option<Resources> {
    let empty = ResourcesTable::default();
    let table = table.given().unwrap_or(&empty);
    Some(Resources {
        web: quantities(&table.web)?,
        sidekiq: quantities(&table.sidekiq)?,
        streaming: quantities(&table.streaming)?,
        postgresql: quantities(&table.postgresql)?,
        redis: quantities(&table.redis)?,
    })
}

fn quantities(table: &Field<QuantitiesTable>) -> Option<Quantities> {
    let Some(table) = table.given() else { return Some(Quantities::default()) };
    let size = |field: &Field<At<String>>| field.given().map(|text| bytes(&text.value).ok_or(())).transpose().ok();
    Some(Quantities {
        cpu: text(&table.cpu),
        memory: size(&table.memory)?,
        cpu_limit: text(&table.cpu_limit),
        memory_limit: size(&table.memory_limit)?,
    })
}
