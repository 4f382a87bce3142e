//! The servers Mastodon works with: mail, object storage, databases outside the cluster.

use std::ops::Range;

use super::mastodon_names::is_server;
use crate::diagnostic::Problem;
use crate::document::{At, Field, Report};
use crate::inventory::file::File;

const SIGNATURES: [&str; 2] = ["v4", "s3"];

/// Servers have names or addresses.
pub(super) fn hosts(file: &File, report: &mut Report) {
    let Some(mastodon) = file.mastodon.given() else { return };
    let (smtp, s3) = (mastodon.smtp.given(), mastodon.s3.given());
    let (postgresql, redis) = (mastodon.postgresql.given(), mastodon.redis.given());
    for (key, server) in [
        ("server", smtp.and_then(|table| table.server.given())),
        ("hostname", s3.and_then(|table| table.hostname.given())),
        ("host", postgresql.and_then(|table| table.host.given())),
        ("direct_host", postgresql.and_then(|table| table.direct_host.given())),
        ("host", redis.and_then(|table| table.host.given())),
    ] {
        let Some(server) = server.filter(|server| !is_server(&server.value)) else { continue };
        let label = if server.value.contains(':') { "the port has a key of its own" } else { "not a host name" };
        report.push(
            Problem::error(format!("`{key}` is not the name or IPv4 address of a server"))
                .at(server.span.clone(), label)
                .help(format!("such as {key} = \"server.example.org\"")),
        );
    }
}

/// Object storage is at a URL, and what it is told can be told.
pub(super) fn s3(file: &File, report: &mut Report) {
    let Some(s3) = file.mastodon.given().and_then(|mastodon| mastodon.s3.given()) else { return };
    if let Some(endpoint) = s3.endpoint.given() {
        let rest = endpoint.value.strip_prefix("https://").or_else(|| endpoint.value.strip_prefix("http://"));
        let authority = rest.map(|rest| rest.trim_end_matches('/'));
        let host = authority.map(|authority| authority.split_once(':').unwrap_or((authority, "443")));
        if !host.is_some_and(|(host, port)| is_server(host) && port.parse::<u16>().is_ok()) {
            report.push(
                Problem::error("`endpoint` is not the URL of an object storage service")
                    .at(endpoint.span.clone(), "https:// and a host, without the bucket")
                    .help("such as endpoint = \"https://storage.googleapis.com\""),
            );
        }
    }
    if let Some(bucket) = s3.bucket.given().filter(|bucket| !is_bucket(&bucket.value)) {
        report.push(
            Problem::error("this is not the name of a bucket")
                .at(bucket.span.clone(), "3 to 63 lower-case letters, digits, `-`, `.` and `_`")
                .help("such as bucket = \"mastodon-media\""),
        );
    }
    if let Some(signature) = s3.signature.given().filter(|text| !SIGNATURES.contains(&text.value.as_str())) {
        report.push(
            Problem::error(format!("`{}` is no version of signatures", signature.value.escape_debug()))
                .at(signature.span.clone(), "not one of them")
                .help("\"v4\" is right for nearly all services, \"s3\" for very old ones"),
        );
    }
}

fn is_bucket(name: &str) -> bool {
    let sane = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    (3..=63).contains(&name.len()) && name.bytes().all(sane) && !name.starts_with(['-', '.', '_'])
}

/// A database in the cluster has a size, one outside has a password: keys of one say nothing to the other.
pub(super) fn databases(file: &File, report: &mut Report) {
    let Some(mastodon) = file.mastodon.given() else { return };
    if let Some(table) = mastodon.postgresql.given() {
        let outside = [
            ("port", number(&table.port)),
            ("database", text(&table.database)),
            ("user", text(&table.user)),
            ("password_file", text(&table.password_file)),
            ("admin_password_file", text(&table.admin_password_file)),
            ("direct_host", text(&table.direct_host)),
            ("direct_port", number(&table.direct_port)),
        ];
        scope("PostgreSQL", &table.host, text(&table.size), &outside, report);
        if let (Field::Given(host), Field::Absent) = (&table.host, &table.password_file) {
            report.push(
                Problem::error("`password_file` is missing: how does Mastodon log in?")
                    .at(host.span.clone(), "a server of yours")
                    .help("put the password into a file of your own and name it: password_file = \"~/.config/homeprov/postgresql-password\""),
            );
        }
        if let (Field::Absent, Some(port)) = (&table.direct_host, number(&table.direct_port))
            && table.host.given().is_some()
        {
            report.push(
                Problem::error("`direct_port` goes with `direct_host`")
                    .at(port, "the port of which server?")
                    .help("add `direct_host`, or remove `direct_port`"),
            );
        }
    }
    if let Some(table) = mastodon.redis.given() {
        let outside = [("port", number(&table.port)), ("password_file", text(&table.password_file))];
        scope("Redis", &table.host, text(&table.size), &outside, report);
    }
}

fn text(field: &Field<At<String>>) -> Option<Range<usize>> {
    field.given().map(|text| text.span.clone())
}

fn number(field: &Field<At<u32>>) -> Option<Range<usize>> {
    field.given().map(|number| number.span.clone())
}

fn scope(
    what: &str,
    host: &Field<At<String>>,
    size: Option<Range<usize>>,
    outside: &[(&str, Option<Range<usize>>)],
    report: &mut Report,
) {
    match (host, size) {
        (Field::Given(host), Some(size)) => report.push(
            Problem::error("`size` does not go with `host`")
                .at(size, "the size of a volume in the cluster")
                .at(host.span.clone(), "a server outside")
                .help("remove one of the two"),
        ),
        (Field::Absent, _) => {
            for (key, span) in outside {
                let Some(span) = span else { continue };
                report.push(
                    Problem::error(format!("`{key}` goes with `host`"))
                        .at(span.clone(), "without `host` it runs in the cluster")
                        .help(format!("name your server, or remove `{key}` to have {what} in the cluster")),
                );
            }
        }
        _ => {}
    }
}
