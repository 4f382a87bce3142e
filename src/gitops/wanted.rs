//! What the repository should have, against what it has: which files are written, which are left alone, and how that
//! reads as a diff.

use similar::TextDiff;

use super::commit::Commit;
use super::header::{Author, author, cluster, of_cluster, with_header};
use super::render::{Content, File, Templates, files};
use super::repository::Files;
use crate::facts::Facts;
use crate::inventory::model::Inventory;

/// The paths of all files that homeprov may write, those, too, that cannot be rendered yet.
pub fn paths(inventory: &Inventory) -> Vec<String> {
    files(inventory, Some("")).into_iter().map(|file| file.path).collect()
}

/// The files wanted now: the sealed secrets once there are any.
pub fn wanted(inventory: &Inventory, facts: &Facts) -> Vec<File> {
    let own = Templates::default();
    let templates = facts.repository.as_ref().map_or(&own, |repository| &repository.templates);
    let cluster = facts.cluster.as_ref();
    let secrets = cluster.and_then(|cluster| cluster.mastodon.as_ref()).map(|mastodon| &mastodon.secrets);
    templates.files(inventory, secrets.and_then(|secrets| secrets.fingerprint.as_deref()))
}

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is not there and is written.
    New,
    /// It is there and is written anew.
    Changed,
    /// A person has written it: it is left alone.
    Kept,
    /// It was written for another cluster: it is left alone.
    Foreign,
    /// `flux bootstrap` has written it, or a person in its place, before homeprov came: it is left alone.
    Bootstrapped,
}

/// A file that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its path in the repository.
    pub path: String,
    /// What happens to it.
    pub fate: Fate,
    /// What it should be; none for the sealed secrets, each sealing of which is another.
    pub text: Option<String>,
    /// How that reads: a unified diff, or one line for what is too long or too secret to be shown.
    pub shown: String,
}

impl Change {
    /// Whether it is written.
    pub fn written(&self) -> bool {
        matches!(self.fate, Fate::New | Fate::Changed)
    }
}

/// What differs, in the order of the paths. Pure. `components` is Flux's own manifest.
pub fn changes(
    inventory: &Inventory,
    wanted: &[File],
    found: &Files,
    components: &str,
    overwrite: bool,
) -> Vec<Change> {
    let name = inventory.cluster.name.as_str();
    let change = |file: &File| {
        let is = found.get(&file.path).map(String::as_str);
        let text = match &file.content {
            Content::Text(text) => Some(text.clone()),
            Content::Components { .. } => Some(with_header(&of_cluster(name, components))),
            Content::Sealed { fingerprint } => {
                let same = is.and_then(crate::mastodon::seal::sealed_fingerprint).as_ref() == Some(fingerprint);
                return (!same).then(|| sealed(&file.path, is));
            }
        };
        if is == text.as_deref() {
            return None;
        }
        let fate = match is {
            None => Fate::New,
            Some(is) if cluster(is).is_some_and(|other| other != name) => Fate::Foreign,
            Some(is) if author(is) == Author::Person && !overwrite => {
                let before_homeprov = cluster(is).is_none() && file.path.contains("/flux-system/");
                if before_homeprov { Fate::Bootstrapped } else { Fate::Kept }
            }
            Some(_) => Fate::Changed,
        };
        let shown = match &file.content {
            Content::Components { version } => manifest(&file.path, is, text.as_deref().unwrap_or_default(), version),
            _ => diff(&file.path, is, text.as_deref().unwrap_or_default()),
        };
        Some(Change { path: file.path.clone(), fate, text, shown })
    };
    wanted.iter().filter_map(change).collect()
}

fn sealed(path: &str, is: Option<&str>) -> Change {
    let fate = if is.is_some() { Fate::Changed } else { Fate::New };
    Change { path: path.to_owned(), fate, text: None, shown: format!("{path}: encrypted, its content is not shown\n") }
}

/// The change of one file as a unified diff.
fn diff(path: &str, is: Option<&str>, text: &str) -> String {
    let before = if is.is_some() { format!("a/{path}") } else { "/dev/null".to_owned() };
    let diff = TextDiff::from_lines(is.unwrap_or_default(), text);
    diff.unified_diff().context_radius(3).header(&before, &format!("b/{path}")).to_string()
}

/// Flux's own manifest in one line: it has more than ten thousand.
fn manifest(path: &str, is: Option<&str>, text: &str, version: &str) -> String {
    let lines = text.lines().count();
    match is.map(version_of) {
        None => format!("{path}: Flux v{version}, a new file of {lines} lines\n"),
        Some(Some(before)) if before != version => {
            format!("{path}: Flux v{before} becomes v{version}, {lines} lines\n")
        }
        Some(_) => format!("{path}: Flux v{version}, not as its release has it, {lines} lines\n"),
    }
}

/// The release a manifest of Flux is of.
fn version_of(text: &str) -> Option<&str> {
    let mut labels = text.lines().filter_map(|line| line.trim().strip_prefix("app.kubernetes.io/version:"));
    labels.next().map(|version| version.trim().trim_matches('"').trim_start_matches('v'))
}

/// What is written, in one line: `3 new files and 1 changed`.
pub fn summary(changes: &[Change]) -> String {
    let count = |fate: Fate| changes.iter().filter(|change| change.fate == fate).count();
    let files = |number: usize| if number == 1 { "1 file".to_owned() } else { format!("{number} files") };
    match (count(Fate::New), count(Fate::Changed)) {
        (new, 0) => format!("{} to add", files(new)),
        (0, changed) => format!("{} to change", files(changed)),
        (new, changed) => format!("{} to add and {} to change", files(new), files(changed)),
    }
}

/// The changes as a reader sees them before they are pushed: a line of summary, then the diff of each file.
pub fn text(changes: &[Change]) -> String {
    let written: Vec<&Change> = changes.iter().filter(|change| change.written()).collect();
    // A diff ends with its line; what stands in one line is told first.
    let (short, long): (Vec<&Change>, Vec<&Change>) =
        written.into_iter().partition(|change| !change.shown.contains('\n') || change.shown.lines().count() == 1);
    let parts = short.into_iter().chain(long).map(|change| change.shown.trim_end());
    [summary(changes).as_str()].into_iter().chain(parts).collect::<Vec<_>>().join("\n")
}

/// What is told of files that are left alone although they are not as they should be.
pub fn kept(changes: &[Change]) -> Vec<String> {
    let told = |change: &Change| {
        let path = &change.path;
        let shown = change.shown.trim_end();
        match change.fate {
            Fate::Kept => Some(format!(
                "{path} in the repository was edited by hand and is left alone; `--overwrite` would change it like this:\n{shown}"
            )),
            Fate::Bootstrapped => Some(format!(
                "{path} in the repository was there before homeprov, as `flux bootstrap` writes it, and is left alone: Flux stays as \
                 it was installed; `--overwrite` would write homeprov's own in its place"
            )),
            Fate::Foreign => Some(format!(
                "{path} in the repository belongs to another cluster and is left alone: give this one a folder of its own \
                 (`path` under [flux] or [mastodon] in the inventory)"
            )),
            Fate::New | Fate::Changed => None,
        }
    };
    changes.iter().filter_map(told).collect()
}

/// The commit that makes the changes; none when nothing is written. The sealed secrets are given as they were sealed.
pub fn commit(inventory: &Inventory, changes: &[Change], sealed: Option<&str>) -> Option<Commit> {
    let text = |change: &Change| change.text.clone().or_else(|| sealed.map(str::to_owned));
    let written = changes.iter().filter(|change| change.written());
    let files: Files = written.filter_map(|change| Some((change.path.clone(), text(change)?))).collect();
    if files.is_empty() {
        return None;
    }
    let mark = |path: &String| match changes.iter().find(|change| change.path == *path).map(|change| change.fate) {
        Some(Fate::New) => format!("+ {path}\n"),
        _ => format!("~ {path}\n"),
    };
    let subject = match files.keys().collect::<Vec<_>>().as_slice() {
        [only] => format!("Write {only}"),
        several => format!("Write {} files of cluster {}", several.len(), inventory.cluster.name),
    };
    let message = format!(
        "{subject}\n\n{}\nWritten by homeprov {}.\n",
        files.keys().map(mark).collect::<String>(),
        env!("CARGO_PKG_VERSION")
    );
    Some(Commit { files, message })
}
