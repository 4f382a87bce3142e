//! Doing in one file tree what has happened in another.

use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::Path;

use super::blocks;
use super::tree::Change;

/// Does to the tree at `to` what has happened in the tree at `from`. Nothing is touched that is the same already.
pub fn repeat(change: &Change, from: &Path, to: &Path) -> io::Result<()> {
    match change {
        Change::Written(path) => copy(&below(from, path), &below(to, path)),
        Change::Moved { from: old, to: new } => absent_is_fine(fs::rename(to.join(old), to.join(new))),
        Change::Removed(path) => remove(&to.join(path)),
    }
}

/// A path below a root; the empty path is the root itself, without a slash behind it.
fn below(root: &Path, path: &Path) -> std::path::PathBuf {
    if path.as_os_str().is_empty() { root.to_owned() } else { root.join(path) }
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Removes whatever is there.
pub fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    absent_is_fine(removed)
}

/// Copies one entry with its owner and mode.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(from) else { return Ok(()) };
    let mut there = fs::symlink_metadata(to).ok();
    if there.as_ref().is_some_and(|there| there.file_type() != metadata.file_type()) {
        remove(to)?;
        there = None;
    }
    let kind = metadata.file_type();
    if kind.is_symlink() {
        let target = fs::read_link(from)?;
        if fs::read_link(to).ok().as_ref() != Some(&target) {
            remove(to)?;
            symlink(target, to)?;
        }
    } else if kind.is_dir() {
        if there.is_none() {
            fs::create_dir(to)?;
        }
    } else if kind.is_file() {
        let source = File::open(from)?;
        let target = File::options().read(true).write(true).create(true).truncate(false).open(to)?;
        blocks::copy_changed(&source, &target, metadata.size())?;
        if target.metadata()?.modified()? != metadata.modified()? {
            target.set_times(FileTimes::new().set_modified(metadata.modified()?))?;
        }
    }
    let owner = (metadata.uid(), metadata.gid());
    if there.as_ref().map(|there| (there.uid(), there.gid())) != Some(owner) {
        lchown(to, Some(owner.0), Some(owner.1))?;
    }
    let mode = metadata.mode() & 0o7777;
    if !kind.is_symlink() && fs::symlink_metadata(to)?.mode() & 0o7777 != mode {
        fs::set_permissions(to, Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Makes a directory that belongs to root and has this mode, with those above it.
pub fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    if !path.is_dir() {
        fs::create_dir_all(path)?;
        chown(path, Some(0), Some(0))?;
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::storage::tree::Tree;
    use std::time::Duration;

    fn told(changes: &[Change]) -> Vec<String> {
        let line = |change: &Change| match change {
            Change::Written(path) => format!("+{}", path.display()),
            Change::Moved { from, to } => format!("{}>{}", from.display(), to.display()),
            Change::Removed(path) => format!("-{}", path.display()),
        };
        changes.iter().map(line).collect()
    }

    /// Looks until nothing is hot any more; all that was seen on the way.
    fn settle(tree: &mut Tree) -> Vec<Change> {
        let all = tree.look().unwrap();
        while !tree.look().unwrap().is_empty() {
            std::thread::sleep(Duration::from_millis(10));
        }
        all
    }

    #[test]
    fn what_happened_in_one_tree_is_repeated_in_another() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (one, other) = (one.path(), other.path());
        let mut tree = Tree::new(one.to_owned());
        fs::create_dir(one.join("d")).unwrap();
        fs::write(one.join("d/old"), b"0123").unwrap();
        fs::write(one.join("gone"), b"x").unwrap();
        for change in settle(&mut tree) {
            repeat(&change, one, other).unwrap();
        }
        assert_eq!(fs::read(other.join("d/old")).unwrap(), b"0123");
        fs::rename(one.join("d/old"), one.join("new")).unwrap();
        fs::remove_dir(one.join("d")).unwrap();
        fs::remove_file(one.join("gone")).unwrap();
        symlink("new", one.join("link")).unwrap();
        fs::set_permissions(one.join("new"), Permissions::from_mode(0o600)).unwrap();
        let second = settle(&mut tree);
        assert_eq!(told(&second), ["+link", "d/old>new", "+new", "-gone", "-d"]);
        for change in second {
            repeat(&change, one, other).unwrap();
        }
        assert_eq!(fs::read(other.join("link")).unwrap(), b"0123");
        assert_eq!(fs::metadata(other.join("new")).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(other).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_may_still_be_written_is_looked_at_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), b"x").unwrap();
        let mut tree = Tree::new(folder.path().to_owned());
        assert_eq!(told(&tree.look().unwrap()), ["+", "+file"]);
        assert_eq!(told(&tree.look().unwrap()), ["+file"]);
    }

    #[test]
    fn what_was_copied_here_is_no_news_and_copying_again_changes_nothing() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut tree = Tree::new(other.path().to_owned());
        tree.look().unwrap();
        fs::write(one.path().join("file"), b"x").unwrap();
        for _ in 0..2 {
            let change = Change::Written("file".into());
            repeat(&change, one.path(), other.path()).unwrap();
            tree.note(Path::new("file"));
            assert_eq!(tree.look().unwrap(), []);
        }
        fs::write(other.path().join("file"), b"y").unwrap();
        assert_eq!(told(&tree.look().unwrap()), ["+file"]);
    }
}
