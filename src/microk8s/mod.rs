//! What `MicroK8s` and snap print, parsed.

pub mod members;
pub mod snap_info;
pub mod snap_list;
pub mod token;
