//! How homeprov reaches the nodes: the [`Transport`] seam and its OpenSSH implementation.

mod classify;
mod exec;
mod forward;
mod frame;
pub mod host_key;
mod job;
mod link;
mod marker;
pub mod openssh;
mod prelude;
mod private_dir;
mod remedy;
mod resolve;
mod script;
mod session;
mod sudo;
mod target;
pub mod transport;
mod trust;

pub use host_key::{HostKeyPolicy, UnknownHostKey};
pub use openssh::{OpenSsh, Options};
pub use sudo::SudoPassword;
pub use transport::{
    Answer, Job, JobReport, JobState, Program, Purpose, Script, Section, SectionAnswer, Transport, TransportError,
};
