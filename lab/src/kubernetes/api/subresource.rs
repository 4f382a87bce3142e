//! Logs, scales, evictions and tokens.

use serde_json::{Value, json};

use super::{Answer, Ask, not_found};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::options::Propagation;
use crate::kubernetes::patch::{strategic, track};
use crate::kubernetes::status::{Failure, json_response, text_response};
use crate::kubernetes::value::{at, list, number, set, text};

impl Kubernetes {
    pub(super) fn subresource(&mut self, ask: &Ask<'_>) -> Answer {
        let name = ask.target.subresource.as_deref().unwrap_or_default();
        match (ask.kind.plural.as_str(), name, ask.request.method.as_str()) {
            ("pods", "log", "GET") => self.log(ask),
            ("pods", "eviction", "POST") => {
                let key = ask.named()?;
                let grace = at(&ask.body()?, "/deleteOptions/gracePeriodSeconds").as_i64();
                self.discard(&key, Propagation::Background, grace).ok_or_else(|| not_found(&key))?;
                Ok(json_response(
                    201,
                    &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}),
                ))
            }
            ("serviceaccounts", "token", "POST") => self.token(ask),
            (_, "scale", method) if ask.kind.scale => self.scale(ask, method),
            _ => Err(Failure::no_resource()),
        }
    }

    fn log(&self, ask: &Ask<'_>) -> Answer {
        let key = ask.named()?;
        let pod = self.store.get(&key).ok_or_else(|| not_found(&key))?;
        let wish = LogWish::of(&ask.request.query);
        let names: Vec<&str> = list(pod, "/spec/containers").iter().map(|container| text(container, "/name")).collect();
        let container = match (wish.container.as_str(), names.as_slice()) {
            ("", [only]) => *only,
            ("", _) => {
                let why = format!(
                    "a container name must be specified for pod {}, choose one of: [{}]",
                    key.name,
                    names.join(" ")
                );
                return Err(Failure::bad_request(why));
            }
            (wanted, names) if !names.contains(&wanted) => {
                return Err(Failure::bad_request(format!("container {wanted} is not valid for pod {}", key.name)));
            }
            (wanted, _) => wanted,
        };
        let started = ["Running", "Succeeded", "Failed"].contains(&text(pod, "/status/phase"));
        if !started {
            let why = waiting_for(pod, container);
            return Err(Failure::bad_request(format!(
                "container \"{container}\" in pod \"{}\" is waiting to start: {why}",
                key.name
            )));
        }
        let node = text(pod, "/spec/nodeName");
        if self.kubelets.reachable(node).is_none() {
            let address = text(pod, "/status/hostIP");
            return Err(Failure::internal(&format!(
                "Get \"https://{address}:10250/containerLogs/{}/{}/{container}\": dial tcp {address}:10250: connect: no route to host",
                key.namespace, key.name
            )));
        }
        let uid = text(pod, "/metadata/uid");
        let text = match (self.written(uid, container), self.program_log(uid, container, wish.previous)) {
            (Some(bytes), _) => String::from_utf8_lossy(bytes).into_owned(),
            (None, Some(log)) => log.to_owned(),
            (None, None) => log_of(pod),
        };
        Ok(text_response(200, wish.tail(&text)))
    }

    fn token(&self, ask: &Ask<'_>) -> Answer {
        let key = ask.named()?;
        let account = self.store.get(&key).ok_or_else(|| not_found(&key))?;
        let body = ask.body()?;
        let seconds = match number(&body, "/spec/expirationSeconds") {
            0 => 3600,
            seconds => seconds,
        };
        let digest = crate::kubernetes::names::digest_hex(&[text(account, "/metadata/uid").as_bytes()]);
        let expires = self.now + u64::try_from(seconds).unwrap_or_default() * 1000;
        Ok(json_response(
            201,
            &json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
                "metadata": {"name": key.name, "namespace": key.namespace}, "spec": body["spec"],
                "status": {"token": digest, "expirationTimestamp": self.clock.stamp(expires)}}),
        ))
    }

    fn scale(&mut self, ask: &Ask<'_>, method: &str) -> Answer {
        let key = ask.named()?;
        let old = self.store.get(&key).cloned().ok_or_else(|| not_found(&key))?;
        let mut scale = scale_of(&old);
        match method {
            "GET" => return Ok(json_response(200, &scale)),
            "PUT" => scale = ask.body()?,
            "PATCH" => strategic(&mut scale, &ask.body()?),
            _ => return Err(Failure::method_not_allowed()),
        }
        let mut new = Value::clone(&old);
        set(&mut new, "/spec/replicas", number(&scale, "/spec/replicas"));
        set(&mut new, "/metadata/resourceVersion", text(&scale, "/metadata/resourceVersion"));
        let manager = self.manager(ask);
        let written = self.replace(ask, &key, &old, new, |new| track(Some(&old), new, &manager, &ask.lists()))?;
        Ok(json_response(200, &scale_of(&written)))
    }
}

/// What the query asks of a log. To follow it is answered with what there is: the stream ends at once.
#[derive(Default)]
struct LogWish {
    container: String,
    lines: Option<usize>,
    previous: bool,
}

impl LogWish {
    fn of(query: &str) -> Self {
        let mut wish = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "container" => wish.container = value.into_owned(),
                "previous" => wish.previous = value == "true",
                "tailLines" => wish.lines = value.parse().ok(),
                _ => {}
            }
        }
        wish
    }

    /// The last lines, as many as are wanted.
    fn tail<'a>(&self, text: &'a str) -> &'a str {
        let Some(lines) = self.lines else { return text };
        let body = text.strip_suffix('\n').unwrap_or(text);
        let breaks = body.rmatch_indices('\n').map(|(at, _)| at + 1);
        match lines {
            0 => "",
            _ => breaks.take(lines).nth(lines - 1).map_or(text, |start| &text[start..]),
        }
    }
}

fn scale_of(object: &Value) -> Value {
    let selector = super::super::value::entries(object, "/spec/selector/matchLabels");
    let selector: Vec<String> =
        selector.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {"name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"],
            "uid": object["metadata"]["uid"], "resourceVersion": object["metadata"]["resourceVersion"],
            "creationTimestamp": object["metadata"]["creationTimestamp"]},
        "spec": {"replicas": number(object, "/spec/replicas")},
        "status": {"replicas": number(object, "/status/replicas"), "selector": selector.join(",")}})
}

/// What keeps a container from having a log.
fn waiting_for<'a>(pod: &'a Value, container: &str) -> &'a str {
    let statuses = list(pod, "/status/containerStatuses").iter();
    let reason = statuses
        .filter(|status| status["name"] == container)
        .map(|status| text(status, "/state/waiting/reason"))
        .next();
    match reason.unwrap_or_default() {
        "" => "ContainerCreating",
        "ErrImagePull" | "ImagePullBackOff" => "trying and failing to pull image",
        reason => reason,
    }
}

/// The first lines the well-known programs print; nothing for others.
fn log_of(pod: &Value) -> String {
    let app = |label: &str| text(pod, &format!("/metadata/labels/{label}")).to_owned();
    match (app("k8s-app").as_str(), app("component").as_str()) {
        ("kube-dns", _) => ".:53\n[INFO] plugin/reload: Running configuration SHA512 = 591cf328cccc12bc490481273e738df59329c62c0b729d94e8b61db9961c2fa5f046dd37f1cf888b953814040d180f52594972691cd6ff41be96639138a43908\nCoreDNS-1.12.4\nlinux/amd64, go1.24.6\n".to_owned(),
        ("calico-node", _) => "bird: Node is up\n".to_owned(),
        (_, "controller") => "{\"level\":\"info\",\"msg\":\"Starting webhook server\"}\n".to_owned(),
        (_, "speaker") => "{\"level\":\"info\",\"msg\":\"node event - forcing sync\"}\n".to_owned(),
        _ => String::new(),
    }
}
