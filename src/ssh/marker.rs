//! Random marks: they tell our own frames from everything else a shell prints.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;

use super::TransportError;

/// 128 random bits as 32 hexadecimal digits.
///
/// It travels in two halves that the node puts together: a shell that echoes what it is told to run shows the
/// halves, never the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker(String);

impl Marker {
    /// A fresh one from the system's random source.
    pub(super) fn random() -> Result<Self, TransportError> {
        let mut bytes = [0_u8; 16];
        File::open("/dev/urandom")
            .and_then(|mut source| source.read_exact(&mut bytes))
            .map_err(|error| TransportError::Local(format!("cannot read /dev/urandom: {error}")))?;
        let mut text = String::with_capacity(32);
        for byte in bytes {
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        }
        Ok(Self(text))
    }

    /// The whole.
    pub(super) fn whole(&self) -> &str {
        &self.0
    }

    /// The two halves.
    pub(super) fn halves(&self) -> (&str, &str) {
        self.0.split_at(16)
    }
}
