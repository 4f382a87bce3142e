//! What a stand-in program and the lab say to each other over a Unix socket: frames of one kind byte, four bytes of
//! length and the payload.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

/// A program was called on a node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Call {
    /// Its arguments, the first being its name.
    pub argv: Vec<String>,
    /// All of its standard input, where it reads that.
    pub stdin: Vec<u8>,
    /// The files its arguments name, where it is one that reads them.
    #[serde(default)]
    pub files: BTreeMap<String, Vec<u8>>,
    /// Its working directory.
    pub cwd: String,
    /// Who called it.
    pub user: String,
    /// Whether its standard output is a terminal.
    pub tty: bool,
}

/// Kinds of frames.
pub mod kind {
    /// A [`super::Call`], JSON.
    pub const CALL: u8 = b'c';
    /// Bytes for standard output.
    pub const OUT: u8 = b'o';
    /// Bytes for standard error.
    pub const ERR: u8 = b'e';
    /// The exit status, decimal: the last frame.
    pub const EXIT: u8 = b'x';
}

/// A frame's longest payload.
const LONGEST: usize = 16 * 1024 * 1024;

/// A frame as bytes.
pub fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Writes a frame.
pub fn write(to: &mut impl Write, kind: u8, payload: &[u8]) -> io::Result<()> {
    to.write_all(&frame(kind, payload))
}

/// Reads a frame.
pub fn read(from: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if length > LONGEST {
        return Err(io::Error::other("a frame is too long"));
    }
    let mut payload = vec![0; length];
    from.read_exact(&mut payload)?;
    Ok((head[0], payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back() {
        let bytes = [frame(kind::OUT, b"hello\n"), frame(kind::EXIT, b"0")].concat();
        let mut from = bytes.as_slice();
        assert_eq!(read(&mut from).unwrap(), (kind::OUT, b"hello\n".to_vec()));
        assert_eq!(read(&mut from).unwrap(), (kind::EXIT, b"0".to_vec()));
        assert!(read(&mut from).is_err());
    }
}
