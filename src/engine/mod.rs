//! The loop: observe, plan, run what is runnable, observe again, until a fresh observation leaves nothing to do.

mod alone;
mod apply;
mod asked;
mod backup;
mod diagnose;
mod drill;
pub mod event;
mod ledger;
pub mod lock;
mod margins;
mod outcome;
pub mod parting;
mod repair;
mod restore;
mod run;
mod session;
mod site_status;
pub mod status;
pub mod stop;
mod storage_status;
mod verify;
mod verify_app;
mod verify_pool;

pub use backup::backup;
pub use diagnose::diagnose;
pub use drill::drill;
pub use outcome::Outcome;
pub use parting::Parting;
pub use repair::repair;
pub use restore::{rehearse, restore};
pub use session::{Session, converge, plan, preview, up};
pub use status::status;
pub use stop::Stop;
pub use verify::{StorageQuestion, storage as verify_storage};
pub use verify_app::app as verify_app;
pub use verify_pool::pool as verify_pool;
