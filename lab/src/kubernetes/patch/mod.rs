//! The ways to change a part of an object.

mod apply;
mod fields;
mod lists;
mod managed;
mod strategic;

pub(super) use apply::{apply, differs};
pub(super) use lists::{List, Lists, identity};
pub(super) use managed::{Manager, track};
pub(super) use strategic::strategic;
