//! What comes out of a pod that is asked something.

/// What a process in a container did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Executed {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// Its exit status.
    pub status: i32,
}

impl Executed {
    /// A process that printed this and succeeded.
    pub fn said(text: impl Into<String>) -> Self {
        Self { stdout: text.into().into_bytes(), ..Self::default() }
    }

    /// A process that printed these lines and succeeded.
    pub(super) fn lines(lines: impl Iterator<Item = String>) -> Self {
        let mut text = String::new();
        for line in lines {
            text.extend([line.as_str(), "\n"]);
        }
        Self::said(text)
    }

    /// A process that complained and failed.
    pub fn failed(status: i32, text: impl Into<String>) -> Self {
        Self { stderr: text.into().into_bytes(), status, ..Self::default() }
    }
}
