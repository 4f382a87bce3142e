//! The site as a visitor sees it: through its address, by its name, over TLS.

use std::net::IpAddr;

use http::StatusCode;
use serde::Deserialize;

use super::finding::Finding;
use super::http::{Answer, Origin, get};
use super::page;
use super::tls::Certificate;
use super::way::Way;
use crate::inventory::model::{Mastodon, Tls};

/// The path behind which the web pods say that they live (mastodon/chart `templates/deployment-web.yaml`).
const HEALTH: &str = "/health";
/// The same of the streaming pods (mastodon/chart `templates/deployment-streaming.yaml`).
const STREAMING: &str = "/api/v1/streaming/health";
/// What the site says of itself.
const INSTANCE: &str = "/api/v2/instance";
/// How many of the page's assets are fetched.
const ASSETS: usize = 12;
/// How many redirects are followed from the front page.
const REDIRECTS: usize = 3;

/// Asks everything a visitor would need; the findings in order.
pub async fn ask(way: Way<'_>, address: IpAddr, wanted: &Mastodon) -> Vec<Finding> {
    let address = address.to_string();
    ask_at(&Origin { way, connect: &address, port: 443, host: wanted.web(), tls: true }, wanted).await
}

/// Whether the web pods answer through an address, and nothing more: for looks of which there are many.
pub async fn alive_at(way: Way<'_>, address: IpAddr, wanted: &Mastodon) -> bool {
    let address = address.to_string();
    let origin = Origin { way, connect: &address, port: 443, host: wanted.web(), tls: true };
    get(&origin, HEALTH).await.is_ok_and(|answer| answer.status == StatusCode::OK)
}

async fn ask_at(origin: &Origin<'_>, wanted: &Mastodon) -> Vec<Finding> {
    let mut findings = Vec::new();
    let health = get(origin, HEALTH).await;
    if let Ok(Answer { certificate: Some(seen), .. }) = &health {
        findings.push(certificate(seen, wanted));
    }
    let web = alive("web", HEALTH, &health, origin);
    let answers = !web.wrong();
    findings.push(web);
    if !answers {
        return findings;
    }
    findings.push(alive("streaming", STREAMING, &get(origin, STREAMING).await, origin));
    findings.push(instance(&get(origin, INSTANCE).await, wanted));
    findings.extend(front_page(origin).await);
    findings
}

fn certificate(seen: &Certificate, wanted: &Mastodon) -> Finding {
    const PART: &str = "certificate";
    let Some(problem) = &seen.problem else {
        return Finding::good(PART, format!("it is trusted here for {}", wanted.web()));
    };
    match &wanted.ingress.tls {
        Tls::Default => Finding::open(
            PART,
            "the ingress controller's own, which no browser and no other server trusts; name `tls_secret` or \
             `cluster_issuer` in [mastodon.ingress] for one that is",
        ),
        Tls::Secret(name) if seen.controllers_own => Finding::bad(
            PART,
            "the ingress controller shows its own certificate instead of that of the inventory",
            format!("make the Secret {name} of type kubernetes.io/tls in the namespace mastodon, for {}", wanted.web()),
        ),
        Tls::ClusterIssuer(issuer) if seen.controllers_own => Finding::bad(
            PART,
            format!("the ClusterIssuer {issuer} has not made a certificate yet: the ingress controller shows its own"),
            "look at `microk8s kubectl -n mastodon describe certificate,order,challenge`; Let's Encrypt must reach port 80 \
             of the domain from outside",
        ),
        Tls::Secret(_) | Tls::ClusterIssuer(_) => {
            Finding::open(PART, format!("this machine does not trust it: {problem}"))
        }
    }
}

/// Whether a health path answers 200, and where it goes wrong when not.
fn alive(part: &str, path: &str, answer: &Result<Answer, String>, origin: &Origin<'_>) -> Finding {
    let (host, address) = (origin.host, origin.connect);
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => {
            let text = format!("{} cannot ask {address} port 443 for {host}{path}: {why}", origin.way.name());
            let remedy = "look at the Service in front of the ingress controller and at MetalLB's speakers: \
                          `microk8s kubectl -n ingress get services,pods -o wide`";
            return Finding::bad(part, text, remedy);
        }
    };
    let status = answer.status;
    if status == StatusCode::OK {
        return Finding::good(
            part,
            format!("https://{host}{path} answers 200 at {address}, asked from {}", origin.way.name()),
        );
    }
    let text = format!("https://{host}{path} answers {} at {address}", status.as_u16());
    let remedy = match status.as_u16() {
        404 => format!(
            "no Ingress of the controller at that address leads {host}{path} anywhere: compare `microk8s kubectl -n mastodon get ingress` with [mastodon.ingress] class"
        ),
        502..=504 => {
            "the ingress controller has no pod to pass it on to: `microk8s kubectl -n mastodon get pods,endpoints`"
                .to_owned()
        }
        403 => format!("Mastodon does not take {host} for its own name: local_domain and web_domain decide"),
        _ => "the log of the pod says more: `microk8s kubectl -n mastodon logs deploy/mastodon-web`".to_owned(),
    };
    Finding::bad(part, text, remedy)
}

#[derive(Deserialize)]
struct Instance {
    domain: String,
    version: String,
}

/// What the site says of itself. A closed one says nothing to strangers, which is no fault.
fn instance(answer: &Result<Answer, String>, wanted: &Mastodon) -> Finding {
    const PART: &str = "instance";
    let found = match answer {
        Ok(answer) if answer.status == StatusCode::OK => serde_json::from_slice::<Instance>(&answer.body),
        Ok(answer) => return Finding::open(PART, format!("{INSTANCE} answers {}", answer.status.as_u16())),
        Err(why) => return Finding::open(PART, format!("{INSTANCE} gives no answer: {why}")),
    };
    match found {
        Ok(found) if found.domain != wanted.local_domain => Finding::bad(
            PART,
            format!("the site calls itself {}, not {}", found.domain, wanted.local_domain),
            "another Mastodon answers there, or local_domain was changed, which breaks every account: put it back",
        ),
        Ok(found) => Finding::good(PART, format!("it is {}, Mastodon {}", found.domain, found.version)),
        Err(error) => Finding::open(PART, format!("{INSTANCE} cannot be read: {error}")),
    }
}

/// The front page and what it loads.
async fn front_page(origin: &Origin<'_>) -> Vec<Finding> {
    const PART: &str = "page";
    let mut path = "/".to_owned();
    for _ in 0..=REDIRECTS {
        let answer = match get(origin, &path).await {
            Ok(answer) => answer,
            Err(why) => return vec![Finding::bad(PART, format!("{path} gives no answer: {why}"), logs())],
        };
        match answer.location().map(|to| here(to, origin.host)) {
            Some(Some(to)) => path = to,
            Some(None) => {
                let to = answer.location().unwrap_or_default();
                return vec![Finding::open(PART, format!("{path} leads to {to}, which is not asked"))];
            }
            None if answer.status == StatusCode::OK => return assets(origin, &path, &answer.text()).await,
            None => {
                return vec![Finding::bad(PART, format!("{path} answers {}", answer.status.as_u16()), logs())];
            }
        }
    }
    vec![Finding::bad(PART, format!("the front page redirects again and again, at last to {path}"), logs())]
}

fn logs() -> &'static str {
    "the log of the pod says more: `microk8s kubectl -n mastodon logs deploy/mastodon-web`"
}

/// The path a redirect leads to on this host over https.
fn here(location: &str, host: &str) -> Option<String> {
    let path = match location.strip_prefix("https://") {
        Some(rest) => rest.strip_prefix(host)?,
        None => location,
    };
    path.starts_with('/').then(|| path.to_owned())
}

async fn assets(origin: &Origin<'_>, page: &str, html: &str) -> Vec<Finding> {
    const PART: &str = "assets";
    let mut findings = vec![Finding::good("page", format!("https://{}{page} answers 200", origin.host))];
    let (paths, elsewhere) = page::assets(html, origin.host);
    if paths.is_empty() && elsewhere == 0 {
        let text = "the front page loads no script and no style sheet: it is not Mastodon's";
        findings.push(Finding::bad(PART, text, logs()));
        return findings;
    }
    let mut missing = Vec::new();
    for path in paths.iter().take(ASSETS) {
        match get(origin, path).await {
            Ok(answer) if answer.status == StatusCode::OK => {}
            Ok(answer) => missing.push(format!("{path} ({})", answer.status.as_u16())),
            Err(why) => missing.push(format!("{path} ({why})")),
        }
    }
    let asked = paths.len().min(ASSETS);
    let others =
        if elsewhere == 0 { String::new() } else { format!("; {elsewhere} on other hosts were not asked for") };
    findings.push(if missing.is_empty() {
        Finding::good(PART, format!("{asked} of {} scripts, style sheets and icons of the page load{others}", paths.len()))
    } else {
        Finding::bad(
            PART,
            format!("of the page's assets {} of {asked} do not load: {}", missing.len(), missing.join(", ")),
            "a volume over /opt/mastodon/public/assets hides the image's own files: look at `microk8s kubectl -n mastodon \
             exec deploy/mastodon-web -- ls public/assets public/packs`",
        )
    });
    findings
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::generate_simple_self_signed;
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    const HOST: &str = "social.example.org";
    const PAGE: &str = "<script src=\"/packs/a.js\"></script><link rel=\"stylesheet\" href=\"/packs/a.css\">";

    type Site = fn(&str) -> (u16, &'static str);

    fn healthy(path: &str) -> (u16, &'static str) {
        match path {
            "/health" | "/api/v1/streaming/health" => (200, "OK"),
            "/api/v2/instance" => (200, "{\"domain\":\"social.example.org\",\"version\":\"4.6.3\"}"),
            "/" => (200, PAGE),
            "/packs/a.js" | "/packs/a.css" => (200, ""),
            _ => (404, ""),
        }
    }

    /// A site with a certificate that nobody trusts.
    async fn serve(site: Site) -> u16 {
        let made = generate_simple_self_signed(vec![HOST.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
                let mut stream = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    assert!(stream.read_line(&mut head).await.unwrap() > 0);
                }
                assert!(head.to_lowercase().contains("host: social.example.org\r\n"), "{head}");
                let (status, body) = site(head.split(' ').nth(1).unwrap());
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
            }
        });
        port
    }

    async fn asked(site: Site) -> String {
        let inventory = crate::steps::mastodon::inventory_with_a_site();
        let port = serve(site).await;
        let origin = Origin { way: Way::Here, connect: "127.0.0.1", port, host: HOST, tls: true };
        let findings = ask_at(&origin, inventory.mastodon.as_ref().unwrap()).await;
        let line = |finding: &Finding| format!("{:?} {}", finding.verdict, finding.line());
        findings.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[tokio::test]
    async fn a_site_that_answers() {
        insta::assert_snapshot!(asked(healthy).await);
    }

    #[tokio::test]
    async fn a_page_whose_assets_are_hidden() {
        let hidden: Site = |path| if path.starts_with("/packs/") { (404, "") } else { healthy(path) };
        let text = asked(hidden).await;
        assert!(text.contains("No assets: of the page's assets 2 of 2 do not load: /packs/a.js (404)"), "{text}");
    }

    #[tokio::test]
    async fn an_ingress_controller_with_nothing_behind_it() {
        let text = asked(|_| (503, "")).await;
        assert!(text.contains("No web: https://social.example.org/health answers 503"), "{text}");
        assert!(!text.contains("streaming"), "{text}");
    }

    #[test]
    fn redirects_on_the_site_are_followed_and_no_others() {
        assert_eq!(here("/explore", "a.example"), Some("/explore".into()));
        assert_eq!(here("https://a.example/about", "a.example"), Some("/about".into()));
        assert_eq!(here("https://b.example/about", "a.example"), None);
        assert_eq!(here("http://a.example/about", "a.example"), None);
    }
}
