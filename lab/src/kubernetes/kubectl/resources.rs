//! Which objects the words of a command line mean.

use std::sync::Arc;

use super::arguments::Arguments;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::kinds::Kind;

/// One kind asked for, and the names; no names for all of them.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) kind: Arc<Kind>,
    pub(super) names: Vec<String>,
}

impl Kubernetes {
    /// `pods`, `nodes,pods`, `pod a b`, `pod/a svc/b`, `all`.
    pub(super) fn wanted(&self, words: &[String]) -> Result<Vec<Wanted>, String> {
        let Some(first) = words.first() else {
            return Err("error: You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list of supported resources.\n".to_owned());
        };
        if words.iter().any(|word| word.contains('/')) {
            return words.iter().map(|word| self.slashed(word)).collect();
        }
        let mut wanted = Vec::new();
        for word in first.split(',').filter(|word| !word.is_empty()) {
            let kinds = self.kinds.category(word);
            let kinds = if kinds.is_empty() { vec![self.kind_named(word)?] } else { kinds };
            wanted.extend(kinds.into_iter().map(|kind| Wanted { kind, names: words[1..].to_vec() }));
        }
        Ok(wanted)
    }

    fn slashed(&self, word: &str) -> Result<Wanted, String> {
        let (kind, name) = word
            .split_once('/')
            .filter(|(_, name)| !name.is_empty())
            .ok_or_else(|| "error: there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'\n".to_owned())?;
        Ok(Wanted { kind: self.kind_named(kind)?, names: vec![name.to_owned()] })
    }

    pub(super) fn kind_named(&self, word: &str) -> Result<Arc<Kind>, String> {
        self.kinds
            .named(word)
            .cloned()
            .ok_or_else(|| format!("error: the server doesn't have a resource type \"{word}\"\n"))
    }
}

/// The path of a kind's objects, in one namespace or in all.
pub(in crate::kubernetes) fn collection(kind: &Kind, namespace: Option<&str>) -> String {
    let root = if kind.group.is_empty() { "/api" } else { "/apis" };
    let scope = match namespace {
        Some(namespace) if kind.namespaced => format!("/namespaces/{namespace}"),
        _ => String::new(),
    };
    format!("{root}/{}{scope}/{}", kind.api_version(), kind.plural)
}

/// The path of one object.
pub(in crate::kubernetes) fn object_path(kind: &Kind, namespace: &str, name: &str) -> String {
    format!("{}/{}", collection(kind, Some(namespace)), name.replace('%', "%25").replace('?', "%3F"))
}

/// The label and field selectors of a command line as a query.
pub(super) fn selection(arguments: &Arguments) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (flag, key) in [("selector", "labelSelector"), ("field-selector", "fieldSelector")] {
        if let Some(value) = arguments.flag(flag) {
            query.append_pair(key, value);
        }
    }
    query.finish()
}
