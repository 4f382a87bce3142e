//! A volume's block device: what its file system has written, and which replicas have to write it, too.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rand::RngExt as _;

use super::blocks::{self, BLOCK};
use super::layout::{Layout, METADATA};
use super::tree::Change;

/// Where the superblock is, and its magic number in there (the kernel's Documentation/filesystems/ext4).
const SUPERBLOCK: u64 = 1024;
const MAGIC: (u64, [u8; 2]) = (0x38, [0x53, 0xEF]);
/// Where the journal is, and how long: it is written in a circle.
const JOURNAL: (u64, u64) = (128 * BLOCK, 64);

/// A block device.
#[derive(Debug)]
pub struct Device {
    /// All of it in one sparse image.
    pub image: File,
    /// The file system's files on it.
    pub layout: Layout,
    /// How many writes there were.
    pub writes: u64,
}

impl Device {
    /// A blank device of this many bytes; its image is made at `path`.
    pub fn new(path: &Path, size: u64) -> io::Result<Self> {
        let image = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        image.set_len(size)?;
        Ok(Self { image, layout: Layout::new(size), writes: 0 })
    }

    /// Makes a file system on it, unless there is one: what `mkfs.ext4` writes.
    pub fn format(&mut self, heads: &[File]) -> io::Result<()> {
        if self.writes > 0 {
            return Ok(());
        }
        let mut metadata = vec![0; usize::try_from(METADATA).map_err(io::Error::other)?];
        rand::rng().fill(metadata.as_mut_slice());
        self.write(0, &metadata, heads)?;
        self.write(SUPERBLOCK + MAGIC.0, &MAGIC.1, heads)
    }

    /// The device has grown.
    pub fn grow(&mut self, size: u64) -> io::Result<()> {
        self.layout.size = size;
        self.image.set_len(size)
    }

    fn write(&mut self, at: u64, bytes: &[u8], heads: &[File]) -> io::Result<()> {
        self.image.write_all_at(bytes, at)?;
        self.writes += 1;
        heads.iter().try_for_each(|head| head.write_all_at(bytes, at))
    }

    /// Writes what has happened in the file system whose files are at `root`.
    pub fn apply(&mut self, change: &Change, root: &Path, heads: &[File]) -> io::Result<()> {
        match change {
            Change::Written(path) => {
                let full = root.join(path);
                if fs::symlink_metadata(&full).is_ok_and(|metadata| metadata.is_file()) {
                    self.write_file(path, &File::open(full)?, heads)?;
                }
            }
            Change::Moved { from, to } => self.layout.rename(from, to),
            Change::Removed(path) => self.layout.remove(path),
        }
        self.journal(change, heads)
    }

    fn write_file(&mut self, path: &Path, file: &File, heads: &[File]) -> io::Result<()> {
        let size = file.metadata()?.len();
        let parts = self.layout.parts(path, size).map(<[_]>::to_vec);
        let parts = parts.ok_or_else(|| io::Error::from(io::ErrorKind::StorageFull))?;
        let mut offset = 0;
        for part in parts {
            let image = self.image.try_clone()?;
            blocks::differing((file, offset), (&image, part.at), part.length, |at, bytes| {
                self.write(part.at + at, bytes, heads)
            })?;
            offset += part.length;
        }
        Ok(())
    }

    /// Every change goes through the journal first; only its names and attributes do, as ext4 does it by default.
    fn journal(&mut self, change: &Change, heads: &[File]) -> io::Result<()> {
        let mut block = vec![0xC0, 0x3B, 0x39, 0x98];
        block.extend(self.writes.to_be_bytes());
        block.extend(format!("{change:?}").bytes());
        block.resize(usize::try_from(BLOCK).map_err(io::Error::other)?, 0);
        self.write(JOURNAL.0 + self.writes % JOURNAL.1 * BLOCK, &block, heads)
    }
}
