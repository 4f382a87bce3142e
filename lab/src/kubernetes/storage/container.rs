//! A container as a runtime gets it from a kubelet: its command, environment and volumes, with nothing left to look up.

use std::collections::BTreeMap;

use base64::Engine;
use serde_json::Value;

use super::kubelet::ROOT;
use super::view::{ContainerRun, ContainerVolume};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::store::Key;
use crate::kubernetes::value::{at, entries, list, text};

/// The pod a container belongs to, in its cluster.
pub(super) struct Runner<'a> {
    pub(super) cluster: &'a Kubernetes,
    pub(super) pod: &'a Value,
}

impl Runner<'_> {
    fn uid(&self) -> &str {
        text(self.pod, "/metadata/uid")
    }

    fn namespace(&self) -> &str {
        text(self.pod, "/metadata/namespace")
    }

    /// A variable's value: given, or taken from the pod or another object.
    fn value(&self, variable: &Value) -> Option<String> {
        if let Some(given) = variable["value"].as_str() {
            return Some(given.to_owned());
        }
        let source = at(variable, "/valueFrom");
        if let Some(path) = at(source, "/fieldRef/fieldPath").as_str() {
            return Some(self.field(path));
        }
        if at(source, "/configMapKeyRef").is_object() {
            return self.entry("configmaps", at(source, "/configMapKeyRef"));
        }
        self.secret(at(source, "/secretKeyRef"))
    }

    fn entry(&self, plural: &str, reference: &Value) -> Option<String> {
        let object = self.cluster.store.get(&Key::core(plural, self.namespace(), text(reference, "/name")))?;
        object["data"][text(reference, "/key")].as_str().map(str::to_owned)
    }

    /// All variables of a container, those of whole Secrets and `ConfigMap`s first.
    pub(super) fn environment(&self, container: &Value) -> Vec<(String, String)> {
        let mut env: Vec<(String, String)> = Vec::new();
        for source in list(container, "/envFrom") {
            let prefix = text(source, "/prefix");
            for (field, plural) in [("/configMapRef/name", "configmaps"), ("/secretRef/name", "secrets")] {
                let key = Key::core(plural, self.namespace(), text(source, field));
                for (name, _) in self.cluster.store.get(&key).iter().flat_map(|object| entries(object, "/data")) {
                    let reference = serde_json::json!({"name": key.name, "key": name});
                    let value =
                        if plural == "secrets" { self.secret(&reference) } else { self.entry(plural, &reference) };
                    env.push((format!("{prefix}{name}"), value.unwrap_or_default()));
                }
            }
        }
        for variable in list(container, "/env") {
            let value = self.value(variable).unwrap_or_default();
            env.push((text(variable, "/name").to_owned(), expand(&value, &env)));
        }
        env
    }

    fn secret(&self, reference: &Value) -> Option<String> {
        let plain = base64::engine::general_purpose::STANDARD.decode(self.entry("secrets", reference)?).ok()?;
        String::from_utf8(plain).ok()
    }

    /// A field of the pod as the downward API names it.
    fn field(&self, path: &str) -> String {
        if let Some((map, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
            let map = format!("/{}", map.replace('.', "/"));
            return at(self.pod, &map)[key].as_str().unwrap_or_default().to_owned();
        }
        text(self.pod, &format!("/{}", path.replace('.', "/"))).to_owned()
    }

    /// Where a pod's volume is on the node.
    fn host_path(&self, name: &str) -> Option<String> {
        let volume = list(self.pod, "/spec/volumes").iter().find(|volume| volume["name"] == name)?;
        if let Some(mount) = self.cluster.storage.mounts.get(&(self.uid().to_owned(), name.to_owned())) {
            return Some(mount.path.clone());
        }
        if let Some(path) = at(volume, "/hostPath/path").as_str() {
            return Some(path.to_owned());
        }
        let plugins =
            [("emptyDir", "empty-dir"), ("configMap", "configmap"), ("secret", "secret"), ("projected", "projected")];
        let (_, plugin) = plugins.into_iter().find(|(field, _)| volume.get(*field).is_some())?;
        Some(format!("{ROOT}/pods/{}/volumes/kubernetes.io~{plugin}/{name}", self.uid()))
    }
}

impl Kubernetes {
    /// The variables of a container, by name; of several of one name the last counts.
    pub(in crate::kubernetes) fn environment(&self, pod: &Value, container: &Value) -> BTreeMap<String, String> {
        Runner { cluster: self, pod }.environment(container).into_iter().collect()
    }
}

pub(super) fn run_of(runner: &Runner<'_>, container: &Value) -> ContainerRun {
    let pod = runner.pod;
    let env = runner.environment(container);
    let words = |field: &str| {
        let words = list(container, field).iter().filter_map(Value::as_str);
        words.map(|word| expand(word, &env)).collect()
    };
    let (command, args) = (words("/command"), words("/args"));
    let user = [container, at(pod, "/spec")].into_iter().find_map(|of| at(of, "/securityContext/runAsUser").as_u64());
    let volumes = list(container, "/volumeMounts").iter().filter_map(|mount| {
        let base = runner.host_path(text(mount, "/name"))?;
        let below = text(mount, "/subPath").trim_matches('/');
        Some(ContainerVolume {
            host_path: if below.is_empty() { base } else { format!("{base}/{below}") },
            container_path: text(mount, "/mountPath").to_owned(),
            read_only: at(mount, "/readOnly") == true,
        })
    });
    ContainerRun {
        node: text(pod, "/spec/nodeName").to_owned(),
        namespace: runner.namespace().to_owned(),
        pod: text(pod, "/metadata/name").to_owned(),
        uid: runner.uid().to_owned(),
        container: text(container, "/name").to_owned(),
        image: text(container, "/image").to_owned(),
        command,
        args,
        working_dir: text(container, "/workingDir").to_owned(),
        volumes: volumes.collect(),
        ending: false,
        grace_seconds: 0,
        user: user.and_then(|user| u32::try_from(user).ok()),
        env,
    }
}

/// Replaces `$(NAME)` by the value of a variable that is known, and `$$` by `$`
/// (k8s.io/kubernetes `third_party/forked/golang/expansion`).
fn expand(word: &str, env: &[(String, String)]) -> String {
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(more) = rest.strip_prefix('$') {
            out.push('$');
            rest = more;
        } else if let Some((name, more)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            match env.iter().rev().find(|(known, _)| known == name) {
                Some((_, value)) => out.push_str(value),
                None => out.extend(["$(", name, ")"]),
            }
            rest = more;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn only_known_variables_are_replaced() {
        let env = vec![("A".to_owned(), "one".to_owned()), ("B".to_owned(), "$(A)".to_owned())];
        let cases = [
            ("$(A) and $(B)", "one and $(A)"),
            ("$(C)", "$(C)"),
            ("$$(A)", "$(A)"),
            ("echo $A $(", "echo $A $("),
            ("x=$(A)", "x=one"),
        ];
        for (word, expanded) in cases {
            assert_eq!(expand(word, &env), expanded);
        }
    }
}
