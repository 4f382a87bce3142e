//! What Mastodon needs from outside of the cluster: mail, object storage, a name in DNS, perhaps a database.

use std::net::IpAddr;

use futures::future::BoxFuture;
use http::Uri;

use super::finding::Finding;
use super::http::{Origin, get};
use super::secrets::{POSTGRESQL, REDIS, S3 as S3_SECRET, SMTP};
use super::way::Way;
use super::{postgres, redis, smtp};
use crate::facts::mastodon::SecretFacts;
use crate::inventory::model::Inventory;
use crate::inventory::model::{Mastodon, Postgresql, Redis, S3};

/// What was found outside.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    /// Each service, in the order asked.
    pub findings: Vec<Finding>,
    /// What the site cannot run without, when it is not as it must be.
    pub fatal: Option<String>,
}

/// Asks all of them, as far as the inventory names them; `way` is a node, from where Mastodon will ask.
pub fn ask<'a>(way: Way<'a>, inventory: &'a Inventory, wanted: &'a Mastodon) -> BoxFuture<'a, Outside> {
    Box::pin(async move {
        let (mail, storage, name, database, admin, redis) = futures::join!(
            mail(way, wanted),
            object_storage(way, wanted),
            dns(inventory, wanted.web()),
            database(way, &wanted.postgresql),
            administrator(way, &wanted.postgresql),
            queues(way, &wanted.redis),
        );
        // Without one of these nothing of the site comes up.
        let needed = || database.iter().chain(&redis);
        let fatal = needed().find(|finding| finding.wrong()).map(Finding::line);
        let mut findings: Vec<Finding> = [mail, storage, Some(name)].into_iter().flatten().collect();
        findings.extend(needed().cloned().chain(admin));
        Outside { findings, fatal }
    })
}

async fn mail(way: Way<'_>, wanted: &Mastodon) -> Option<Finding> {
    let smtp = wanted.smtp.as_ref()?;
    Some(smtp::ask(way, smtp, smtp.domain.as_deref().unwrap_or(&wanted.local_domain)).await)
}

async fn object_storage(way: Way<'_>, wanted: &Mastodon) -> Option<Finding> {
    Some(s3(way, wanted.s3.as_ref()?).await)
}

/// What is asked for, so that an answer is known to be one to the same question.
/// A changed password is another question: the Secrets say so by their versions, which tell nothing of what is in them.
pub fn question(inventory: &Inventory, wanted: &Mastodon, secrets: &SecretFacts) -> Vec<String> {
    let mut parts = vec![format!("dns {}", wanted.web())];
    parts.extend(inventory.metallb.iter().flat_map(|metallb| metallb.pool.iter().map(|range| range.text.clone())));
    parts.extend(wanted.smtp.iter().map(|smtp| {
        let login = smtp.login.as_deref().unwrap_or_default();
        format!(
            "smtp {}:{} {} {} {} {login} {}",
            smtp.server,
            smtp.port,
            smtp.tls,
            smtp.starttls.name(),
            smtp.auth_method,
            smtp.verify
        )
    }));
    parts.extend(wanted.s3.iter().map(|s3| format!("s3 {}", s3.endpoint)));
    let mut passwords = vec![SMTP, S3_SECRET];
    if let Postgresql::External { host, port, database, user, direct, admin_password_file, .. } = &wanted.postgresql {
        let admin = admin_password_file.is_some();
        parts.push(format!("postgresql {host}:{port} {database} {user} {direct:?} {admin}"));
        passwords.push(POSTGRESQL);
    }
    if let Redis::External { host, port, .. } = &wanted.redis {
        parts.push(format!("redis {host}:{port}"));
        passwords.push(REDIS);
    }
    parts.extend(passwords.into_iter().filter_map(|name| Some(format!("{name} {}", secrets.versions.get(name)?))));
    parts
}

/// Mastodon's own login, and the same at the server behind a connection pooler, where migrations run.
async fn database(way: Way<'_>, wanted: &Postgresql) -> Vec<Finding> {
    let Postgresql::External { host, port, database, user, password_file, direct, .. } = wanted else {
        return Vec::new();
    };
    let mut servers = vec![(host, *port)];
    servers.extend(direct.iter().map(|(host, port)| (host, *port)));
    let asked = servers.into_iter().map(|(host, port)| async move {
        postgres::ask(way, &postgres::Login { host, port, database, user, password_file }).await
    });
    futures::future::join_all(asked).await
}

/// The administrator's login, when its password was given. Nothing of Mastodon's needs it once the database is there
/// (mastodon/chart `templates/_db-migrate.tpl` takes the role's own), so a refusal stops nobody.
async fn administrator(way: Way<'_>, wanted: &Postgresql) -> Option<Finding> {
    let Postgresql::External { host, port, admin_password_file: Some(password_file), direct, .. } = wanted else {
        return None;
    };
    let (host, port) = direct.as_ref().map_or((host, *port), |(host, port)| (host, *port));
    let login = postgres::Login { host, port, database: "postgres", user: "postgres", password_file };
    Some(postgres::ask(way, &login).await)
}

async fn queues(way: Way<'_>, wanted: &Redis) -> Option<Finding> {
    let Redis::External { host, port, password_file } = wanted else { return None };
    Some(redis::ask(way, host, *port, password_file.as_deref()).await)
}

/// Whether anything at the endpoint speaks HTTP: what it says to a stranger differs from service to service.
async fn s3(way: Way<'_>, s3: &S3) -> Finding {
    const PART: &str = "object storage";
    let endpoint = s3.endpoint.as_str();
    let Some((host, port, tls)) = place(endpoint) else {
        return Finding::bad(PART, format!("{endpoint} is no URL"), "`endpoint` in [mastodon.s3] is the service's URL");
    };
    let origin = Origin { way, connect: &host, port, host: &host, tls };
    match get(&origin, "/").await {
        Ok(answer) => {
            let untrusted = answer.certificate.and_then(|seen| seen.problem);
            match untrusted {
                Some(problem) => Finding::bad(
                    PART,
                    format!("{endpoint} answers, but this machine does not trust its certificate: {problem}"),
                    "Mastodon takes certificates of known authorities only",
                ),
                None => Finding::good(
                    PART,
                    format!(
                        "{endpoint} answers {}, asked from {}; the keys were not tried",
                        answer.status.as_u16(),
                        way.name()
                    ),
                ),
            }
        }
        Err(why) => Finding::bad(
            PART,
            format!("{endpoint} does not answer, asked from {}: {why}", way.name()),
            "check `endpoint` in [mastodon.s3]; without it no picture can be uploaded",
        ),
    }
}

/// Host, port and whether TLS, of a URL.
fn place(url: &str) -> Option<(String, u16, bool)> {
    let uri: Uri = url.parse().ok()?;
    let tls = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    Some((uri.host()?.to_owned(), port, tls))
}

/// What the name leads to, as this machine resolves it.
async fn dns(inventory: &Inventory, name: &str) -> Finding {
    match tokio::net::lookup_host((name.to_owned(), 443)).await {
        Ok(found) => {
            let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
            addresses.sort();
            addresses.dedup();
            judge(inventory, name, &addresses)
        }
        Err(error) => judge_missing(name, &error.to_string()),
    }
}

const DNS: &str = "name";

fn judge_missing(name: &str, why: &str) -> Finding {
    Finding::bad(
        DNS,
        format!("{name} leads nowhere yet, asked from this machine: {why}"),
        "make an A record for it: at home with the site's address in the pool, in public with your router's address, which \
         forwards ports 80 and 443 there",
    )
}

fn judge(inventory: &Inventory, name: &str, addresses: &[IpAddr]) -> Finding {
    if addresses.is_empty() {
        return judge_missing(name, "no address");
    }
    let text: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let text = format!("{name} leads to {}", text.join(", "));
    let pool = inventory.metallb.iter().flat_map(|metallb| &metallb.pool);
    let inside = pool.into_iter().any(|range| addresses.iter().any(|address| range.contains(*address)));
    if inside {
        return Finding::good(DNS, format!("{text}, in the pool"));
    }
    let private = addresses.iter().all(|address| match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    });
    if private {
        let remedy = "give the A record the site's address in the pool";
        return Finding::bad(DNS, format!("{text}, a private address that is not in the pool"), remedy);
    }
    Finding::open(
        DNS,
        format!(
            "{text}, not in the pool: right when that is your router, which forwards ports 80 and 443 to the site's address"
        ),
    )
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::status::Conclusion;

    fn inventory() -> Inventory {
        let text = "[cluster]\nname = \"home\"\n[[nodes]]\nname = \"nuc1\"\naddress = \"192.168.1.11\"\n[metallb]\npool = \"192.168.1.240-192.168.1.250\"\n";
        crate::inventory::parse(std::path::Path::new("home.toml"), text.to_owned()).expect("valid").inventory
    }

    #[test]
    fn the_name_is_compared_with_the_pool() {
        let verdict = |address: &str| judge(&inventory(), "a.example", &[address.parse().unwrap()]).verdict;
        assert_eq!(verdict("192.168.1.241"), Conclusion::Yes);
        assert_eq!(verdict("192.168.1.7"), Conclusion::No);
        assert_eq!(verdict("203.0.113.7"), Conclusion::Unknown);
        assert!(judge(&inventory(), "a.example", &[]).wrong());
    }

    #[test]
    fn an_endpoint_has_a_port() {
        assert_eq!(place("https://storage.googleapis.com"), Some(("storage.googleapis.com".into(), 443, true)));
        assert_eq!(place("http://minio.home:9000/"), Some(("minio.home".into(), 9000, false)));
        assert_eq!(place("minio.home"), None);
    }

    #[tokio::test]
    async fn any_answer_of_object_storage_counts() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 512];
            let _ = stream.read(&mut asked).await.unwrap();
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        });
        let wanted = |endpoint: &str| S3 {
            bucket: "media".into(),
            endpoint: endpoint.to_owned(),
            hostname: "media.example.org".into(),
            region: None,
            access_key_file: "a".into(),
            secret_key_file: "b".into(),
            alias_host: None,
            permission: None,
            multipart_threshold: None,
            override_path_style: None,
            signature: None,
            single_request: false,
        };
        let found = s3(Way::Here, &wanted(&endpoint)).await;
        assert!(!found.wrong() && found.text.contains("answers 403"), "{}", found.text);
        let closed = s3(Way::Here, &wanted("http://127.0.0.1:1")).await;
        assert!(closed.wrong() && closed.text.contains("Connection refused"), "{}", closed.text);
    }
}
