//! The templates of what lands in the repository: the program's own, or a user's in their place.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use handlebars::Handlebars;
use serde::Serialize;

use super::File;
use crate::gitops::yaml;
use crate::inventory::model::Inventory;

/// The folder of the templates beside the playbooks.
pub const FOLDER: &str = "gitops";

macro_rules! embedded {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../../playbooks/gitops/", $name)))),+]
    };
}

/// The program's own, by their path in `playbooks/gitops`.
const EMBEDDED: [(&str, &str); 8] = embedded![
    "flux-system/gotk-sync.yaml.hbs",
    "flux-system/kustomization.yaml.hbs",
    "gitrepositories/gitrepository-mastodon.yaml.hbs",
    "kustomizations/kustomization-mastodon.yaml.hbs",
    "mastodon/configmap-mastodon-helm-chart-value-overrides.yaml.hbs",
    "mastodon/helmrelease-mastodon.yaml.hbs",
    "mastodon/persistentvolumeclaim.yaml.hbs",
    "namespaces/namespace-mastodon.yaml.hbs",
];

/// A user's templates in place of the program's; what is not among them is the program's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Templates {
    own: Arc<BTreeMap<String, String>>,
    folder: PathBuf,
}

/// Why templates cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The file or the folder.
    pub place: String,
    /// What is wrong there, and what to do.
    pub reason: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

impl std::error::Error for TemplateError {}

impl Templates {
    /// Those in the folder `gitops` below a folder of playbooks; a file that stands for none of the program's is an error,
    /// since nothing would come of it.
    pub fn beside(playbooks: &Path) -> Result<Self, TemplateError> {
        let folder = playbooks.join(FOLDER);
        let mut own = BTreeMap::new();
        collect(&folder, &folder, &mut own)?;
        let known = |name: &str| EMBEDDED.iter().any(|(known, _)| *known == name);
        if let Some(name) = own.keys().find(|name| !known(name)) {
            let names: Vec<&str> = EMBEDDED.iter().map(|(name, _)| *name).collect();
            return Err(TemplateError {
                place: folder.join(name).display().to_string(),
                reason: format!(
                    "homeprov has no template of that name; it has {}. Other manifests belong into the repository itself, where \
                     Flux applies them and homeprov leaves them alone",
                    names.join(", ")
                ),
            });
        }
        Ok(Self { own: Arc::new(own), folder })
    }

    /// Renders all of them for an inventory, as they will be, and looks at what comes of it.
    pub fn check(&self, inventory: &Inventory) -> Result<(), TemplateError> {
        for (name, values) in super::sets(inventory) {
            let Some(template) = self.own.get(name) else { continue };
            let place = |line: Option<usize>| {
                let line = line.map_or_else(String::new, |line| format!(":{line}"));
                format!("{}{line}", self.folder.join(name).display())
            };
            let text = filled(template, &values)
                .map_err(|error| TemplateError { place: place(error.line_no), reason: error.reason().to_string() })?;
            let objects = crate::kube::apply::documents(&text).map_err(|error| TemplateError {
                place: place(None),
                reason: format!("what comes of it for this inventory is no manifest: {error}"),
            })?;
            if objects.is_empty() {
                return Err(TemplateError {
                    place: place(None),
                    reason: "nothing comes of it for this inventory".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Puts values into a template. All of them were rendered before for the same inventory ([`Self::check`], and the
    /// program's own by its tests), so that a fault in one never comes this far.
    pub(super) fn render(&self, name: &str, values: &impl Serialize) -> String {
        let embedded = || EMBEDDED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
        let template = self.own.get(name).map(String::as_str).or_else(embedded);
        let Some(template) = template else { unreachable!("there is no template {name}") };
        match filled(template, values) {
            Ok(text) => text,
            Err(error) => unreachable!("the template {name} was rendered before: {error}"),
        }
    }

    /// All files of an inventory, as [`super::files`] has them for the program's own templates.
    pub fn files(&self, inventory: &Inventory, secrets_fingerprint: Option<&str>) -> Vec<File> {
        super::files_of(self, inventory, secrets_fingerprint)
    }
}

/// `{{x}}` is **always quoted for YAML**; a name that is not known is an error.
fn filled(template: &str, values: &impl Serialize) -> Result<String, handlebars::RenderError> {
    let mut handlebars = Handlebars::new();
    handlebars.set_strict_mode(true);
    handlebars.register_escape_fn(yaml::plain_or_quoted);
    handlebars.render_template(template, values)
}

fn collect(root: &Path, folder: &Path, into: &mut BTreeMap<String, String>) -> Result<(), TemplateError> {
    let cannot = |path: &Path, error: &io::Error| TemplateError {
        place: path.display().to_string(),
        reason: format!("cannot be read: {error}"),
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && folder == root => return Ok(()),
        entries => entries.map_err(|error| cannot(folder, &error))?,
    };
    for entry in entries {
        let path = entry.map_err(|error| cannot(folder, &error))?.path();
        if path.is_dir() {
            collect(root, &path, into)?;
        } else if path.extension().is_some_and(|ending| ending == "hbs") {
            let text = fs::read_to_string(&path).map_err(|error| cannot(&path, &error))?;
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            into.insert(name, text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Content;
    use super::*;
    use crate::steps::mastodon::inventory_with_a_site;

    fn body<'a>(files: &'a [File], path: &str) -> &'a str {
        match &files.iter().find(|file| file.path == path).expect("the file").content {
            Content::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }

    const NAMESPACE: &str = "namespaces/namespace-mastodon.yaml.hbs";

    fn with(name: &str, text: &str) -> (tempfile::TempDir, Result<Templates, TemplateError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FOLDER).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        let templates = Templates::beside(folder.path());
        (folder, templates)
    }

    #[test]
    fn a_template_of_ones_own_takes_the_place_of_the_programs() {
        let inventory = inventory_with_a_site();
        let own = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: mastodon\n  labels: { team: ours }\n";
        let (_folder, templates) = with(NAMESPACE, own);
        let templates = templates.unwrap();
        assert_eq!(templates.check(&inventory), Ok(()));
        let files = templates.files(&inventory, None);
        let path = "clusters/home/namespaces/namespace-mastodon.yaml";
        assert!(body(&files, path).contains("team: ours"));
        let others = |files: Vec<File>| files.into_iter().filter(|file| file.path != path).collect::<Vec<_>>();
        assert_eq!(others(files), others(super::super::files(&inventory, None)));
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_place() {
        let inventory = inventory_with_a_site();
        let (_folder, unknown) = with("mastodon/deployment.yaml.hbs", "kind: Deployment\n");
        let unknown = unknown.unwrap_err();
        assert!(unknown.place.ends_with("gitops/mastodon/deployment.yaml.hbs"), "{unknown}");
        assert!(unknown.reason.contains("gotk-sync.yaml.hbs"), "{unknown}");
        for (text, place, told) in [
            ("kind: Namespace\nname: {{nowhere}}\n", "namespace-mastodon.yaml.hbs:2", "nowhere"),
            ("kind: Namespace\n {{#if\n", "namespace-mastodon.yaml.hbs", ""),
            ("kind: [\n", "namespace-mastodon.yaml.hbs", "no manifest"),
            ("name: mastodon\n", "namespace-mastodon.yaml.hbs", "no kind"),
            ("", "namespace-mastodon.yaml.hbs", "nothing comes of it"),
        ] {
            let (_folder, templates) = with(NAMESPACE, text);
            let error = templates.unwrap().check(&inventory).unwrap_err();
            assert!(error.place.ends_with(place) && error.reason.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn every_template_is_rendered_somewhere() {
        let inventory = inventory_with_a_site();
        let names: std::collections::BTreeSet<&str> =
            super::super::sets(&inventory).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, EMBEDDED.iter().map(|(name, _)| *name).collect());
    }
}
