//! A listing of every file the nodes have changed, to compare a before with an after.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::Result;
use sha2::{Digest as _, Sha256};

use super::storage::blocks;

/// Login records change with every login.
const PASSED_OVER: [&str; 4] = ["var/log/wtmp", "var/log/btmp", "var/log/lastlog", "usr/lib/homelab"];

/// A line a file: node, path, mode, size, SHA-256 of the content or the link's target. Of a sparse file the holes are no
/// content: a volume's image is as long as the volume.
pub fn listing(changes: &[(String, PathBuf)]) -> Result<String> {
    let mut lines = Vec::new();
    for (node, folder) in changes {
        walk(node, folder, folder, &mut lines)?;
    }
    lines.sort();
    Ok(lines.concat())
}

fn walk(node: &str, base: &Path, folder: &Path, lines: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let path = entry.path();
        let name = path.strip_prefix(base)?.to_string_lossy().into_owned();
        if PASSED_OVER.iter().any(|passed| name.starts_with(passed)) {
            continue;
        }
        let metadata = fs::symlink_metadata(&path)?;
        let kind = metadata.file_type();
        let content = match () {
            () if kind.is_dir() => "directory".to_owned(),
            () if kind.is_symlink() => format!("-> {}", fs::read_link(&path)?.display()),
            () if kind.is_file() => digest(&path)?,
            () if kind.is_char_device() => "hidden".to_owned(),
            () => "special".to_owned(),
        };
        let size = if kind.is_file() { metadata.size() } else { 0 };
        let mut line = String::new();
        writeln!(line, "{node} /{name} {:o} {size} {content}", metadata.mode())?;
        lines.push(line);
        if kind.is_dir() {
            walk(node, base, &path, lines)?;
        }
    }
    Ok(())
}

fn digest(path: &Path) -> Result<String> {
    let file = File::open(path)?;
    let mut sum = Sha256::new();
    for part in blocks::data(&file)? {
        let mut bytes = vec![0; usize::try_from(part.length)?];
        file.read_exact_at(&mut bytes, part.at)?;
        sum.update(bytes);
    }
    Ok(sum.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}
