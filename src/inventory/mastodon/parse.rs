//! Reads `[mastodon]` and its tables as the user writes them.

use super::table::{
    AdminTable, ChartTable, IngressTable, MastodonTable, PostgresqlTable, QuantitiesTable, RedisTable, ResourcesTable,
    S3Table, SmtpTable,
};
use crate::document::{Report, Table};
use crate::inventory::belonging::belonging;
use crate::inventory::file::{PORT_HELP, read};

/// Reads the table.
pub fn mastodon(mut table: Table<'_>, report: &mut Report) -> MastodonTable {
    let startup = "long enough for a database to replay its log on slow disks: startup_seconds = 900";
    let mut mastodon = MastodonTable {
        header: table.span.clone(),
        local_domain: table.text("local_domain", report),
        web_domain: table.text("web_domain", report),
        admin: read(table.table("admin", "[mastodon.admin]", report), report, admin),
        chart: read(table.table("chart", "[mastodon.chart]", report), report, chart),
        image: table.text("image", report),
        path: table.text("path", report),
        locale: table.text("locale", report),
        single_user: table.switch("single_user", report),
        smtp: read(table.table("smtp", "[mastodon.smtp]", report), report, smtp),
        s3: read(table.table("s3", "[mastodon.s3]", report), report, s3),
        postgresql: read(table.table("postgresql", "[mastodon.postgresql]", report), report, postgresql),
        redis: read(table.table("redis", "[mastodon.redis]", report), report, redis),
        elasticsearch: table.switch("elasticsearch", report),
        assets_size: table.text("assets_size", report),
        system_size: table.text("system_size", report),
        access: table.text("access", report),
        ingress: read(table.table("ingress", "[mastodon.ingress]", report), report, ingress),
        resources: read(table.table("resources", "[mastodon.resources]", report), report, resources),
        values: table.free("values", report),
        startup_seconds: table.number("startup_seconds", 600..=86400, startup, report),
    };
    table.require(&mastodon.local_domain, "local_domain", r#"local_domain = "example.org""#, report);
    let owner = r#"admin = { username = "alice", email = "alice@example.org" }"#;
    table.require(&mastodon.admin, "admin", owner, report);
    // Rules draw conclusions from the absence of these.
    table.settle(&mut mastodon.web_domain, "web_domain");
    table.settle(&mut mastodon.admin, "admin");
    table.settle(&mut mastodon.smtp, "smtp");
    table.settle(&mut mastodon.s3, "s3");
    table.settle(&mut mastodon.access, "access");
    table.settle(&mut mastodon.ingress, "ingress");
    table.settle(&mut mastodon.path, "path");
    table.finish_with(report, belonging);
    mastodon
}

fn admin(mut table: Table<'_>, report: &mut Report) -> AdminTable {
    let admin = AdminTable { username: table.text("username", report), email: table.text("email", report) };
    table.require(&admin.username, "username", r#"username = "alice""#, report);
    table.require(&admin.email, "email", r#"email = "alice@example.org""#, report);
    table.finish_with(report, belonging);
    admin
}

fn chart(mut table: Table<'_>, report: &mut Report) -> ChartTable {
    let chart = ChartTable {
        repository: table.text("repository", report),
        commit: table.text("commit", report),
        version: table.text("version", report),
    };
    table.finish_with(report, belonging);
    chart
}

fn smtp(mut table: Table<'_>, report: &mut Report) -> SmtpTable {
    let mut smtp = SmtpTable {
        server: table.text("server", report),
        port: table.number("port", 1..=65535, "465 with tls = true, else 587: port = 587", report),
        tls: table.switch("tls", report),
        starttls: table.text("starttls", report),
        auth_method: table.text("auth_method", report),
        login: table.text("login", report),
        password_file: table.text("password_file", report),
        from_address: table.text("from_address", report),
        domain: table.text("domain", report),
        verify: table.switch("verify", report),
    };
    table.require(&smtp.server, "server", r#"server = "smtp.example.org""#, report);
    table.settle(&mut smtp.tls, "tls");
    table.settle(&mut smtp.login, "login");
    table.settle(&mut smtp.password_file, "password_file");
    table.finish_with(report, belonging);
    smtp
}

fn s3(mut table: Table<'_>, report: &mut Report) -> S3Table {
    let threshold = "5 MiB is the least that S3 takes as a part: multipart_threshold = 16777216";
    let s3 = S3Table {
        header: table.span.clone(),
        bucket: table.text("bucket", report),
        endpoint: table.text("endpoint", report),
        hostname: table.text("hostname", report),
        region: table.text("region", report),
        access_key_file: table.text("access_key_file", report),
        secret_key_file: table.text("secret_key_file", report),
        alias_host: table.text("alias_host", report),
        permission: table.text("permission", report),
        multipart_threshold: table.number("multipart_threshold", 5_242_880..=u32::MAX, threshold, report),
        override_path_style: table.switch("override_path_style", report),
        signature: table.text("signature", report),
        single_request: table.switch("single_request", report),
    };
    table.require(&s3.bucket, "bucket", r#"bucket = "mastodon-media""#, report);
    table.require(&s3.endpoint, "endpoint", r#"endpoint = "https://s3.eu-west-1.amazonaws.com""#, report);
    let id = r#"access_key_file = "~/.config/homeprov/s3-access-key""#;
    table.require(&s3.access_key_file, "access_key_file", id, report);
    let secret = r#"secret_key_file = "~/.config/homeprov/s3-secret-key""#;
    table.require(&s3.secret_key_file, "secret_key_file", secret, report);
    table.finish_with(report, belonging);
    s3
}

fn postgresql(mut table: Table<'_>, report: &mut Report) -> PostgresqlTable {
    let mut postgresql = PostgresqlTable {
        size: table.text("size", report),
        host: table.text("host", report),
        port: table.number("port", 1..=65535, PORT_HELP, report),
        database: table.text("database", report),
        user: table.text("user", report),
        password_file: table.text("password_file", report),
        admin_password_file: table.text("admin_password_file", report),
        direct_host: table.text("direct_host", report),
        direct_port: table.number("direct_port", 1..=65535, PORT_HELP, report),
    };
    table.settle(&mut postgresql.host, "host");
    table.settle(&mut postgresql.password_file, "password_file");
    table.finish_with(report, belonging);
    postgresql
}

fn redis(mut table: Table<'_>, report: &mut Report) -> RedisTable {
    let mut redis = RedisTable {
        size: table.text("size", report),
        host: table.text("host", report),
        port: table.number("port", 1..=65535, PORT_HELP, report),
        password_file: table.text("password_file", report),
    };
    table.settle(&mut redis.host, "host");
    table.finish_with(report, belonging);
    redis
}

fn ingress(mut table: Table<'_>, report: &mut Report) -> IngressTable {
    let mut ingress = IngressTable {
        class: table.text("class", report),
        tls_secret: table.text("tls_secret", report),
        cluster_issuer: table.text("cluster_issuer", report),
        address: table.text("address", report),
    };
    table.settle(&mut ingress.tls_secret, "tls_secret");
    table.settle(&mut ingress.cluster_issuer, "cluster_issuer");
    table.finish_with(report, belonging);
    ingress
}

fn resources(mut table: Table<'_>, report: &mut Report) -> ResourcesTable {
    let resources = ResourcesTable {
        web: read(table.table("web", "web", report), report, quantities),
        sidekiq: read(table.table("sidekiq", "sidekiq", report), report, quantities),
        streaming: read(table.table("streaming", "streaming", report), report, quantities),
        postgresql: read(table.table("postgresql", "postgresql", report), report, quantities),
        redis: read(table.table("redis", "redis", report), report, quantities),
    };
    table.finish_with(report, belonging);
    resources
}

fn quantities(mut table: Table<'_>, report: &mut Report) -> QuantitiesTable {
    let quantities = QuantitiesTable {
        cpu: table.text("cpu", report),
        memory: table.text("memory", report),
        cpu_limit: table.text("cpu_limit", report),
        memory_limit: table.text("memory_limit", report),
    };
    table.finish_with(report, belonging);
    quantities
}
