//! How homeprov reaches the nodes: the [`Transport`] seam and its OpenSSH implementation.

pub mod transport;

pub use transport::{
    Answer, Job, JobReport, JobState, Program, Purpose, Script, Section, SectionAnswer, Transport, TransportError,
};
