//! The loop: observe, plan, run what is runnable, observe again, until a fresh observation leaves nothing to do.

mod apply;
mod diagnose;
pub mod event;
mod ledger;
pub mod lock;
mod outcome;
pub mod parting;
mod run;
mod session;
mod site_status;
pub mod status;
pub mod stop;
mod storage_status;
mod verify;
mod verify_app;

pub use diagnose::diagnose;
pub use outcome::Outcome;
pub use parting::Parting;
pub use session::{Session, plan, up};
pub use status::status;
pub use stop::Stop;
pub use verify::{StorageQuestion, storage as verify_storage};
pub use verify_app::app as verify_app;
