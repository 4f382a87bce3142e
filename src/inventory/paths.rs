//! Paths in the inventory: `~` is the user's home, and a relative path starts at the inventory's folder.

use std::path::{Path, PathBuf};

/// The path meant by `text` in an inventory that lies in `folder`.
pub(super) fn resolve(text: &str, folder: &Path) -> PathBuf {
    let home = || etcetera::home_dir().ok();
    let expanded = match text.strip_prefix('~') {
        Some("") => home(),
        Some(rest) => rest.strip_prefix('/').and_then(|rest| home().map(|home| home.join(rest))),
        None => None,
    };
    // Joining an absolute path replaces the folder.
    expanded.unwrap_or_else(|| folder.join(text))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::resolve;

    #[test]
    fn home_relative_and_absolute_paths() {
        let folder = Path::new("/srv/home");
        let home = etcetera::home_dir().expect("a home");
        assert_eq!(resolve("~/.ssh/key", folder), home.join(".ssh/key"));
        assert_eq!(resolve("~", folder), home);
        assert_eq!(resolve("keys/a", folder), Path::new("/srv/home/keys/a"));
        assert_eq!(resolve("/etc/key", folder), Path::new("/etc/key"));
    }
}
