//! The folders of backups: begun under another name, made whole, given their name, and in the end taken away.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::manifest::{FILE, Manifest};

/// The ending of a folder that is not complete.
const PARTIAL: &str = ".partial";
/// After that long nobody writes there any more.
const ABANDONED: Duration = Duration::from_secs(2 * 86_400);

/// A backup on its way. Dropped without [`Begun::finish`], it is removed.
#[derive(Debug)]
pub struct Begun {
    place: PathBuf,
    name: String,
    path: PathBuf,
    done: bool,
}

/// The name of a backup begun at this moment: `2026-11-21T0300Z`.
pub fn name(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H%MZ").to_string()
}

impl Begun {
    /// Begins a folder for a backup in `place`, for its owner alone.
    pub fn new(place: &Path, at: jiff::Timestamp) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(place)?;
        sweep(place)?;
        let minute = name(at);
        // Two of the same minute are told apart.
        let names = std::iter::once(minute.clone()).chain((2..100).map(|number| format!("{minute}-{number}")));
        for name in names.filter(|name| !place.join(name).exists()) {
            let path = place.join(format!("{name}{PARTIAL}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { place: place.to_owned(), name, path, done: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "there are a hundred backups of this minute"))
    }

    /// The name it is going to have.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new file in it, for its owner alone.
    pub fn create(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path.join(name))
    }

    /// Writes the manifest and gives the folder its name, in this order and each safely on the disk: whatever cuts this off,
    /// a folder with that name is complete.
    pub fn finish(mut self, manifest: &Manifest) -> io::Result<PathBuf> {
        let mut file = self.create(FILE)?;
        file.write_all(&serde_json::to_vec_pretty(manifest)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        File::open(&self.path)?.sync_all()?;
        let whole = self.place.join(&self.name);
        fs::rename(&self.path, &whole)?;
        self.done = true;
        File::open(&self.place)?.sync_all()?;
        Ok(whole)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.done {
            // What stays is swept up by a later backup.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Removes what earlier backups left when they were cut off.
fn sweep(place: &Path) -> io::Result<()> {
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        let partial = entry.file_name().to_str().is_some_and(|name| name.starts_with("20") && name.ends_with(PARTIAL));
        let age = entry.metadata()?.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
        if partial && age.is_some_and(|age| age > ABANDONED) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// The complete backups of a cluster in a folder, the oldest first.
pub fn complete(place: &Path, cluster: &str) -> io::Result<Vec<(PathBuf, Manifest)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(place)? {
        let path = entry?.path();
        let named = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("20"));
        let partial = path.extension().is_some_and(|ending| ending == "partial");
        if !named || partial || !path.is_dir() {
            continue;
        }
        if let Ok(manifest) = Manifest::read(&path)
            && manifest.cluster.name == cluster
        {
            found.push((path, manifest));
        }
    }
    found.sort_by(|(one, of_one), (other, of_other)| (of_one.at, one).cmp(&(of_other.at, other)));
    Ok(found)
}

/// Removes the oldest complete backups beyond the newest `keep`; which were removed. What is not complete is no backup and
/// does not count; the newest one stays whatever `keep` says.
pub fn retain(place: &Path, cluster: &str, keep: usize) -> io::Result<Vec<PathBuf>> {
    let mut found = complete(place, cluster)?;
    found.truncate(found.len().saturating_sub(keep.max(1)));
    let mut removed = Vec::new();
    for (path, _) in found {
        // Without its manifest it is none any more, whatever of it stays.
        fs::remove_file(path.join(FILE))?;
        fs::remove_dir_all(&path)?;
        removed.push(path);
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::manifest::fixture;

    fn made(place: &Path, at: &str) -> PathBuf {
        let at: jiff::Timestamp = at.parse().unwrap();
        let begun = Begun::new(place, at).unwrap();
        let manifest = fixture(begun.name(), at);
        begun.finish(&manifest).unwrap()
    }

    #[test]
    fn what_is_not_finished_has_no_name() {
        let place = tempfile::tempdir().unwrap();
        let whole = made(place.path(), "2026-11-20T03:00:00Z");
        let begun = Begun::new(place.path(), "2026-11-21T03:00:00Z".parse().unwrap()).unwrap();
        assert!(begun.path().ends_with("2026-11-21T0300Z.partial"));
        begun.create("database.dump").unwrap().write_all(b"PGDMP").unwrap();
        let names =
            |place: &Path| complete(place, "home").unwrap().into_iter().map(|(path, _)| path).collect::<Vec<_>>();
        assert_eq!(names(place.path()), std::slice::from_ref(&whole));
        drop(begun);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
        let again = made(place.path(), "2026-11-20T03:00:30Z");
        assert!(again.ends_with("2026-11-20T0300Z-2"), "{again:?}");
    }

    #[test]
    fn the_newest_complete_one_is_never_removed() {
        let place = tempfile::tempdir().unwrap();
        let all: Vec<PathBuf> = (1..=4).map(|day| made(place.path(), &format!("2026-11-0{day}T03:00:00Z"))).collect();
        // A newer folder that is no complete backup does not count, and is left alone.
        let broken = place.path().join("2026-11-30T0300Z");
        fs::create_dir(&broken).unwrap();
        assert_eq!(retain(place.path(), "elsewhere", 1).unwrap(), Vec::<PathBuf>::new());
        assert_eq!(retain(place.path(), "home", 3).unwrap(), all[..1]);
        assert_eq!(retain(place.path(), "home", 0).unwrap(), all[1..3]);
        assert!(all[3].exists() && broken.exists());
    }
}
