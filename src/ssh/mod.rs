//! How homeprov reaches the nodes: the [`Transport`] seam and its OpenSSH implementation, [`OpenSsh`].
//!
//! One observation is one exec: [`script`] makes the text that travels on standard input, `exec` sends it over the
//! node's one connection (`session`), and [`frame`] reads the answers out of whatever came back.

mod body;
mod classify;
mod connect;
mod connector;
mod directory;
mod exec;
mod forward;
pub mod frame;
pub mod host_key;
pub mod job;
mod look;
mod node;
mod openssh;
mod pipe;
mod remedy;
pub mod script;
mod session;
mod sudo;
mod target;
pub mod transport;
mod verdict;

pub use directory::abandon;
pub use host_key::{HostKeyPolicy, UnknownHostKey};
pub use openssh::{OpenSsh, Options};
pub use sudo::SudoPassword;
pub use transport::{
    Answer, Job, JobReport, JobState, PipeEnd, Program, Purpose, Script, Section, SectionAnswer, Stream, Transport,
    TransportError,
};
