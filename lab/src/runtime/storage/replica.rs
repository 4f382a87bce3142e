//! The files of a Jiva replica: a chain of sparse images, the last of which, the head, takes the writes
//! (openebs/jiva `replica/replica.go`, `replica/revision_counter.go`).

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{blocks, copy};

/// What one may do with a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has every byte and takes writes.
    Complete,
    /// It takes writes; what was there before it began is missing.
    Rebuilding,
    /// It takes none.
    Away,
}

/// A replica.
#[derive(Debug)]
pub struct Replica {
    /// Its directory, as the lab sees it.
    pub folder: PathBuf,
    /// What one may do with it.
    pub state: State,
    size: u64,
    head: u32,
    /// The names of the images below the head, the oldest first.
    snapshots: Vec<String>,
    revision: u64,
    born: String,
    /// How many writes the volume had when it went away; none for one that never had every byte.
    left_at: Option<u64>,
}

impl Replica {
    /// A replica that has no files yet.
    pub fn new(folder: PathBuf) -> Self {
        let (head, snapshots, revision) = (0, Vec::new(), 1);
        let born = jiff::Timestamp::now().to_string();
        Self { folder, state: State::Away, size: 0, head, snapshots, revision, born, left_at: Some(0) }
    }

    /// It takes no writes any more; the volume has had so many.
    pub fn leave(&mut self, writes: u64) {
        if self.state != State::Away {
            self.left_at = (self.state == State::Complete).then_some(writes);
            self.state = State::Away;
        }
    }

    /// Whether it has not had all of the volume's writes.
    pub fn misses(&self, writes: u64) -> bool {
        self.state == State::Away && self.left_at != Some(writes)
    }

    /// It takes writes.
    pub fn enter(&mut self, state: State) -> io::Result<()> {
        self.state = state;
        self.describe_volume()
    }

    fn head_name(&self) -> String {
        format!("volume-head-{:03}.img", self.head)
    }

    /// The head, to be written to.
    pub fn head(&self) -> io::Result<File> {
        File::options().read(true).write(true).open(self.folder.join(self.head_name()))
    }

    /// Whether its files are there: a disk may have been replaced.
    pub fn is_there(&self) -> bool {
        self.folder.join(self.head_name()).exists()
    }

    /// The number of its head.
    pub fn head_number(&self) -> u32 {
        self.head
    }

    /// Starts anew with an empty head of this number, whatever was there.
    pub fn create(&mut self, size: u64, head: u32) -> io::Result<()> {
        copy::remove(&self.folder)?;
        // The provisioner's helper makes it for everybody (openebs/dynamic-localpv-provisioner `helper_hostpath.go`).
        copy::make_directory(&self.folder, 0o777)?;
        (self.size, self.head, self.snapshots) = (size, head, Vec::new());
        self.begin_head()?;
        fs::write(self.folder.join("log.meta"), "{\"LogToFile\":{\"Enable\":false}}\n")?;
        self.count(0)
    }

    fn begin_head(&self) -> io::Result<()> {
        let name = self.head_name();
        File::create(self.folder.join(&name))?.set_len(self.size)?;
        self.describe_image(&name, self.parent())?;
        self.describe_volume()
    }

    fn parent(&self) -> &str {
        self.snapshots.last().map_or("", String::as_str)
    }

    fn write_json(&self, name: &str, value: &Value) -> io::Result<()> {
        fs::write(self.folder.join(name), format!("{value}\n"))
    }

    fn describe_image(&self, name: &str, parent: &str) -> io::Result<()> {
        let meta =
            json!({"Name": name, "Parent": parent, "Removed": false, "UserCreated": false, "Created": self.born});
        self.write_json(&format!("{name}.meta"), &meta)
    }

    fn describe_volume(&self) -> io::Result<()> {
        let rebuilding = self.state == State::Rebuilding;
        let meta = json!({"Size": self.size, "Head": self.head_name(), "Dirty": true, "Rebuilding": rebuilding,
            "Parent": self.parent(), "SectorSize": blocks::BLOCK, "BackingFileName": ""});
        self.write_json("volume.meta", &meta)
    }

    /// So many writes more have come.
    pub fn count(&mut self, writes: u64) -> io::Result<()> {
        self.revision += writes;
        let mut text = self.revision.to_string().into_bytes();
        text.resize(4096, 0);
        let counter = self.folder.join("revision.counter");
        File::options().write(true).create(true).truncate(false).open(counter)?.write_all_at(&text, 0)
    }

    /// The volume has grown.
    pub fn grow(&mut self, size: u64) -> io::Result<()> {
        self.size = size;
        for name in self.snapshots.iter().chain([&self.head_name()]) {
            File::options().write(true).open(self.folder.join(name))?.set_len(size)?;
        }
        self.describe_volume()
    }

    /// The head becomes a snapshot of this id, and a new head begins.
    pub fn snapshot(&mut self, id: &str) -> io::Result<()> {
        let (old, snapshot) = (self.head_name(), format!("volume-snap-{id}.img"));
        fs::rename(self.folder.join(&old), self.folder.join(&snapshot))?;
        fs::remove_file(self.folder.join(format!("{old}.meta")))?;
        self.describe_image(&snapshot, self.parent())?;
        self.snapshots.push(snapshot);
        self.head += 1;
        self.begin_head()
    }

    /// Takes the snapshots of a replica that has every byte; its own head stays.
    pub fn complete_from(&mut self, donor: &Donor) -> io::Result<()> {
        for own in self.snapshots.iter().filter(|own| !donor.snapshots.contains(own)) {
            copy::remove(&self.folder.join(own))?;
            copy::remove(&self.folder.join(format!("{own}.meta")))?;
        }
        for name in &donor.snapshots {
            let from = File::open(donor.folder.join(name))?;
            let to = File::options().read(true).write(true).create(true).truncate(true).open(self.folder.join(name))?;
            to.set_len(from.metadata()?.len())?;
            blocks::copy_data(&from, &to)?;
            fs::copy(donor.folder.join(format!("{name}.meta")), self.folder.join(format!("{name}.meta")))?;
        }
        self.snapshots.clone_from(&donor.snapshots);
        self.revision = donor.revision;
        self.describe_image(&self.head_name(), self.parent())?;
        self.completed()
    }

    /// Takes everything from an image of the whole device: where no replica has every byte.
    pub fn complete_from_device(&mut self, image: &File) -> io::Result<()> {
        blocks::copy_data(image, &self.head()?)?;
        self.completed()
    }

    fn completed(&mut self) -> io::Result<()> {
        self.state = State::Complete;
        self.describe_volume()?;
        self.count(0)
    }

    /// What others are completed from.
    pub fn donor(&self) -> Donor {
        Donor { folder: self.folder.clone(), snapshots: self.snapshots.clone(), revision: self.revision }
    }

    /// Removes the directory.
    pub fn remove(&self) -> io::Result<()> {
        copy::remove(&self.folder)
    }
}

/// The complete images of a replica.
#[derive(Debug)]
pub struct Donor {
    folder: PathBuf,
    snapshots: Vec<String>,
    revision: u64,
}
