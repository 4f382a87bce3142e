//! What the pods of web and streaming answer over HTTP.

use serde_json::json;

use super::program::Program;
use super::state::{Life, Process};
use crate::kubernetes::names::digest_hex;
use crate::kubernetes::value::{at, text};
use crate::kubernetes::{HttpAnswer, Kubernetes};

/// A page names its assets by these words and a digest.
const ASSETS: [(&str, &str, &str); 3] = [
    ("packs/assets/application-", "js", "text/javascript"),
    ("packs/assets/themes/default-", "css", "text/css"),
    ("packs/assets/locales/en-", "js", "text/javascript"),
];

impl Kubernetes {
    /// What a pod (`namespace/name`) answers on one of its ports to a GET of a path with a Host; `https` is what the proxy
    /// before it says in `X-Forwarded-Proto`. 502 where nobody listens; a pod of another program answers with a word of its own.
    pub fn web_answer(&self, pod: &str, port: u16, host: &str, path: &str, https: bool) -> HttpAnswer {
        let silent = || answer(502, "text/plain", "connection refused\n");
        let Some((namespace, name)) = pod.split_once('/') else { return silent() };
        let key = crate::kubernetes::store::Key::core("pods", namespace, name);
        let Some(object) = self.store.get(&key) else { return silent() };
        if !Self::is_simulated(object) {
            return answer(200, "text/plain; charset=utf-8", format!("hello from {pod}\n"));
        }
        let process = self.programs.processes.get(text(object, "/metadata/uid"));
        let Some(process) = process.filter(|process| process.life == Life::Running && process.probes.started) else {
            return silent();
        };
        let listens = super::program::main_container(object)
            .is_some_and(|(container, _)| at(container, "/ports/0/containerPort").as_u64() == Some(u64::from(port)));
        let path = path.split('?').next().unwrap_or_default();
        match process.program {
            Program::Web if listens => web(process, host, path, https, process.probes.ready),
            Program::Streaming if listens => streaming(path),
            _ => silent(),
        }
    }
}

fn streaming(path: &str) -> HttpAnswer {
    match path {
        "/api/v1/streaming/health" => answer(200, "text/plain", "OK"),
        _ if path.starts_with("/api/v1/streaming") => {
            answer(401, "application/json", "{\"error\":\"Missing access token\"}")
        }
        _ => answer(404, "application/json", "{\"error\":\"Not found\"}"),
    }
}

fn web(process: &Process, host: &str, path: &str, https: bool, ready: bool) -> HttpAnswer {
    let get = |name: &str| process.env.get(name).map_or("", String::as_str);
    if path == "/health" {
        return if ready { answer(200, "text/plain; charset=utf-8", "OK") } else { answer(500, "text/plain", "") };
    }
    let (domain, own) = (get("LOCAL_DOMAIN"), get("WEB_DOMAIN"));
    let own = if own.is_empty() { domain } else { own };
    let name = host.split(':').next().unwrap_or_default();
    let known = [domain, own].into_iter().chain(get("ALTERNATE_DOMAINS").split(','));
    if !known.into_iter().any(|known| !known.is_empty() && known.eq_ignore_ascii_case(name)) {
        return answer(
            403,
            "text/html; charset=UTF-8",
            format!(
                "<!DOCTYPE html><html><head><title>Action Controller: Exception caught</title></head><body><h1>Blocked hosts: {}</h1></body></html>\n",
                escape(host)
            ),
        );
    }
    if !https {
        let mut redirect = answer(301, "text/html; charset=utf-8", "");
        redirect.headers.push(("Location".to_owned(), format!("https://{host}{path}")));
        return redirect;
    }
    let digest = |asset: &str| digest_hex(&[asset.as_bytes()])[..8].to_owned();
    let asset = |(stem, end, _): (&str, &str, &str)| format!("/{stem}{}.{end}", digest(stem));
    if !ready {
        return answer(
            500,
            "text/html; charset=utf-8",
            "<!DOCTYPE html><title>We're sorry, but something went wrong</title>\n",
        );
    }
    match path {
        "/" | "/about" | "/explore" | "/public" | "/auth/sign_in" => {
            let links: String = ASSETS
                .iter()
                .map(|entry| match entry.1 {
                    "css" => format!("<link rel=\"stylesheet\" media=\"all\" href=\"{}\" />\n", asset(*entry)),
                    _ => format!("<script src=\"{}\" crossorigin=\"anonymous\" type=\"module\"></script>\n", asset(*entry)),
                })
                .collect();
            let title = escape(domain);
            answer(
                200,
                "text/html; charset=utf-8",
                format!("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title} - Mastodon</title>\n{links}</head>\n<body class=\"app-body\">\n<div class=\"notranslate app-holder\" id=\"mastodon\"></div>\n</body>\n</html>\n"),
            )
        }
        "/api/v2/instance" => answer(
            200,
            "application/json; charset=utf-8",
            json!({"domain": domain, "title": "Mastodon", "version": super::tootctl::version(&process.env), "source_url": "https://github.com/mastodon/mastodon",
                "configuration": {"urls": {"streaming": format!("wss://{own}")}}, "registrations": {"enabled": false}})
            .to_string(),
        ),
        _ => match ASSETS.iter().find(|entry| asset(**entry) == path) {
            Some((stem, _, kind)) => answer(200, kind, format!("/* {stem} */\n")),
            None => answer(404, "text/html; charset=utf-8", "<!DOCTYPE html><title>The page you are looking for isn't here.</title>\n"),
        },
    }
}

fn answer(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> HttpAnswer {
    HttpAnswer { status, headers: vec![("Content-Type".to_owned(), content_type.to_owned())], body: body.into() }
}

/// A text inside HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
