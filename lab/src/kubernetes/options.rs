//! A request taken apart: what it is about and how it wants it.

use super::selector::{Fields, Labels};
use super::status::Failure;
use super::types::Request;

/// The resource a path names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    /// Empty for all namespaces or an object of the cluster.
    pub(super) namespace: String,
    pub(super) name: Option<String>,
    pub(super) subresource: Option<String>,
}

impl Target {
    /// None for a path that is not below a group's version.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let decoded: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
        let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, plural, more @ ..] if !["status", "finalize"].contains(plural) => {
                (*namespace, [&[*plural], more].concat())
            }
            _ => ("", rest.to_vec()),
        };
        let mut rest = rest.into_iter().map(str::to_owned);
        let target = Self {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: rest.next()?,
            namespace: namespace.to_owned(),
            name: rest.next(),
            subresource: rest.next(),
        };
        rest.next().is_none().then_some(target)
    }
}

fn decode(part: &str) -> String {
    form_urlencoded::parse(format!("x={}", part.replace('+', "%2B").replace('&', "%26")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// What the dependents of a deleted object come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Propagation {
    #[default]
    Background,
    Foreground,
    Orphan,
}

impl Propagation {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "Background" => Some(Self::Background),
            "Foreground" => Some(Self::Foreground),
            "Orphan" => Some(Self::Orphan),
            _ => None,
        }
    }
}

/// How objects are to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum View {
    #[default]
    Object,
    Table,
    Metadata,
}

/// The query and headers of a request.
#[expect(clippy::struct_excessive_bools, reason = "a query is a bag of independent switches")]
#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    pub(super) labels: Labels,
    pub(super) fields: Fields,
    pub(super) watch: bool,
    pub(super) resource_version: Option<u64>,
    pub(super) bookmarks: bool,
    pub(super) initial_events: bool,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) dry_run: bool,
    pub(super) manager: String,
    pub(super) force: bool,
    pub(super) propagation: Option<Propagation>,
    pub(super) grace: Option<i64>,
    pub(super) view: View,
    /// What a table's rows carry: `None`, `Metadata` or `Object`.
    pub(super) include: String,
}

impl Options {
    pub(super) fn parse(plural: &str, request: &Request) -> Result<Self, Failure> {
        let mut options = Self { include: "Metadata".to_owned(), ..Self::default() };
        for (key, value) in form_urlencoded::parse(request.query.as_bytes()) {
            let yes = matches!(&*value, "true" | "1" | "");
            match &*key {
                "labelSelector" => options.labels = Labels::parse(&value)?,
                "fieldSelector" => options.fields = Fields::parse(plural, &value)?,
                "watch" => options.watch = yes,
                "resourceVersion" if !value.is_empty() => {
                    let version = value.parse().map_err(|_| {
                        Failure::bad_request(format!("resourceVersion: Invalid value: \"{value}\": must be a number"))
                    })?;
                    options.resource_version = Some(version);
                }
                "allowWatchBookmarks" => options.bookmarks = yes,
                "sendInitialEvents" => options.initial_events = yes,
                "timeoutSeconds" => options.timeout_seconds = value.parse().ok(),
                "dryRun" if value == "All" => options.dry_run = true,
                "dryRun" if !value.is_empty() => {
                    return Err(Failure::bad_request(format!("dryRun: Unsupported value: \"{value}\"")));
                }
                "fieldManager" => options.manager = value.into_owned(),
                "force" => options.force = yes,
                "propagationPolicy" => options.propagation = Propagation::parse(&value),
                "orphanDependents" if yes => options.propagation = Some(Propagation::Orphan),
                "gracePeriodSeconds" => options.grace = value.parse().ok(),
                "includeObject" => options.include = value.into_owned(),
                _ => {}
            }
        }
        if options.manager.is_empty() {
            let agent = request.user_agent.as_deref().unwrap_or("unknown");
            agent.split('/').next().unwrap_or_default().clone_into(&mut options.manager);
        }
        options.view = view(request.accept.as_deref().unwrap_or_default())?;
        Ok(options)
    }
}

/// The first shape of the `Accept` header this server knows.
fn view(accept: &str) -> Result<View, Failure> {
    if accept.is_empty() {
        return Ok(View::Object);
    }
    for media in accept.split(',') {
        let mut parts = media.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default();
        let parameters: Vec<&str> = parts.collect();
        let json = ["application/json", "*/*", "application/*", "application/yaml"].contains(&essence);
        let wanted = parameters.iter().find_map(|parameter| parameter.strip_prefix("as="));
        match (json, wanted) {
            (true, None) => return Ok(View::Object),
            (true, Some("Table")) if !parameters.contains(&"v=v1beta1") => return Ok(View::Table),
            (true, Some("PartialObjectMetadata" | "PartialObjectMetadataList")) => return Ok(View::Metadata),
            _ => {}
        }
    }
    Err(Failure::not_acceptable())
}

#[cfg(test)]
mod tests {
    use super::{Options, Target, View};
    use crate::kubernetes::Request;

    #[test]
    fn paths_name_their_target() {
        let target = |path: &str| Target::parse(path).map(|t| (t.group, t.plural, t.namespace, t.name, t.subresource));
        let own = str::to_owned;
        assert_eq!(target("/api/v1/nodes"), Some((own(""), own("nodes"), own(""), None, None)));
        assert_eq!(target("/api/v1/namespaces/a"), Some((own(""), own("namespaces"), own(""), Some(own("a")), None)));
        assert_eq!(
            target("/api/v1/namespaces/a/status"),
            Some((own(""), own("namespaces"), own(""), Some(own("a")), Some(own("status"))))
        );
        assert_eq!(
            target("/apis/apps/v1/namespaces/a/deployments/d/scale"),
            Some((own("apps"), own("deployments"), own("a"), Some(own("d")), Some(own("scale"))))
        );
        assert_eq!(
            target("/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode"),
            Some((own("rbac.authorization.k8s.io"), own("clusterroles"), own(""), Some(own("system:node")), None))
        );
        assert_eq!(target("/healthz"), None);
    }

    #[test]
    fn the_accept_header_selects_the_view() {
        let view = |accept: &str| {
            let request = Request { accept: Some(accept.to_owned()), ..Request::new("GET", "/api/v1/pods") };
            Options::parse("pods", &request).map(|options| options.view).map_err(|failure| failure.code)
        };
        assert_eq!(view("application/json;as=Table;v=v1;g=meta.k8s.io,application/json"), Ok(View::Table));
        assert_eq!(view("application/vnd.kubernetes.protobuf,application/json"), Ok(View::Object));
        assert_eq!(view("application/vnd.kubernetes.protobuf"), Err(406));
    }
}
