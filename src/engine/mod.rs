//! The loop: observe, plan, run what is runnable, observe again.
pub mod event;
pub mod stop;
