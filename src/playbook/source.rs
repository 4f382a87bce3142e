//! Where playbook files come from: the program itself, or a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use include_dir::{Dir, File, include_dir};

use crate::diagnostic::Problem;

/// The commands besides `up` that have playbooks of their own, each in a folder of its name; `rehearse` is `restore --rehearse`.
pub const COMMANDS: [&str; 6] = ["upgrade", "reset", "remove", "restore", "rehearse", "repair"];

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/playbooks");

/// A playbook as text.
pub(super) struct PlaybookFile {
    /// Its name without the ending: `20-microk8s`.
    pub playbook: String,
    /// How messages call it.
    pub shown: String,
    /// What is in it.
    pub text: String,
}

/// The playbooks that are part of the program.
pub(super) fn embedded() -> Vec<PlaybookFile> {
    read(&EMBEDDED)
}

/// The playbooks of another command than `up` that are part of the program: those in a folder of its name.
pub(super) fn embedded_of(command: &str) -> Vec<PlaybookFile> {
    EMBEDDED.get_dir(command).map(read).unwrap_or_default()
}

fn read(folder: &'static Dir<'static>) -> Vec<PlaybookFile> {
    let mut files: Vec<PlaybookFile> = folder
        .files()
        .filter_map(|file| {
            let playbook = playbook_name(file.path())?;
            let shown = Path::new("playbooks").join(file.path()).display().to_string();
            Some(PlaybookFile { playbook, shown, text: file.contents_utf8()?.to_owned() })
        })
        .collect();
    files.sort_by(|one, other| one.playbook.cmp(&other.playbook));
    files
}

/// The playbooks in a folder, in the order of their names.
pub(super) fn folder(folder: &Path) -> Result<Vec<PlaybookFile>, Problem> {
    let shown = folder.display();
    let cannot = |what: &Path, error: &io::Error| Problem::error(format!("cannot read {}: {error}", what.display()));
    let entries = fs::read_dir(folder).map_err(|error| {
        cannot(folder, &error).help("name a folder of playbooks; `homeprov playbooks export DIR` makes one")
    })?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| cannot(folder, &error))?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let Some(playbook) = playbook_name(&path) else {
            return Err(Problem::error(format!("{} is not named as playbooks are", path.display()))
                .why("the number decides when its steps come")
                .help("name it NN-name.toml, with two digits, such as 25-my-steps.toml"));
        };
        let text = fs::read_to_string(&path).map_err(|error| cannot(&path, &error))?;
        files.push(PlaybookFile { playbook, shown: path.display().to_string(), text });
    }
    if files.is_empty() {
        return Err(Problem::error(format!("there is no playbook in {shown}"))
            .help("playbooks are named NN-name.toml; `homeprov playbooks export DIR` writes homeprov's own"));
    }
    files.sort_by(|one, other| one.playbook.cmp(&other.playbook));
    Ok(files)
}

/// The name of a playbook in a file `NN-name.toml`.
fn playbook_name(path: &Path) -> Option<String> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".toml")?;
    let (number, name) = stem.split_once('-')?;
    let numbered = number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit());
    (numbered && !name.is_empty()).then(|| stem.to_owned())
}

/// Why the playbooks could not be written to a folder.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Files are there already that say something else; nothing was written.
    #[error("these files differ from homeprov's own: {}", list(.0))]
    Differs(Vec<PathBuf>),
    /// The folder or a file could not be written.
    #[error("cannot write {}: {error}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// The files of a folder and of all folders in it.
fn all(folder: &'static Dir<'static>) -> Vec<&'static File<'static>> {
    folder.files().chain(folder.dirs().flat_map(all)).collect()
}

/// Writes the playbooks that are part of the program to a folder, with the text that explains them and the templates of what
/// lands in the repository, and gives what it wrote. Files that are there and differ are left alone, all of them, unless `force` is given.
pub fn export(folder: &Path, force: bool) -> Result<Vec<PathBuf>, ExportError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| ExportError::Io { path, error }
    };
    let mut wanted = Vec::new();
    let mut differing = Vec::new();
    for file in all(&EMBEDDED) {
        let path = folder.join(file.path());
        match fs::read(&path) {
            Ok(there) if there == file.contents() => continue,
            Ok(_) => differing.push(path.clone()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&path)(error)),
        }
        wanted.push((path, file.contents()));
    }
    if !differing.is_empty() && !force {
        return Err(ExportError::Differs(differing));
    }
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let mut written = Vec::new();
    for (path, contents) in wanted {
        if let Some(above) = path.parent() {
            fs::create_dir_all(above).map_err(failed(above))?;
        }
        fs::write(&path, contents).map_err(failed(&path))?;
        written.push(path);
    }
    Ok(written)
}
