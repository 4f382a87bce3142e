//! homeprov: a controller for bare metal.
//!
//! It reads one inventory file, looks at the machines over SSH and the Kubernetes API, and brings them to the
//! state the file describes: a highly available MicroK8s cluster with a `MetalLB` pool. It believes what it
//! observes, never an exit status.
//!
//! Everything is one level-triggered loop ([`engine`]): observe ([`facts`]), compare ([`plan`]), act ([`steps`]),
//! observe again, until a fresh observation leaves nothing to do. There is no resume logic, because the world is
//! the state.
//!
//! Dependencies point downwards only:
//! `cli → engine → {plan, steps} → {facts, microk8s, kube, storage, gitops, mastodon} → ssh → inventory`; [`report`] sees events, nothing else.
#![forbid(unsafe_code)]

pub mod adopt;
pub mod backup;
pub mod bounded;
pub mod cli;
pub mod diagnostic;
pub mod doctor;
mod document;
pub mod drill;
pub mod engine;
pub mod error;
pub mod facts;
pub mod gitops;
pub mod inventory;
pub mod kube;
pub mod mastodon;
pub mod microk8s;
pub mod plan;
pub mod playbook;
pub mod pool;
pub mod redact;
pub mod repair;
pub mod report;
pub mod ssh;
pub mod status;
pub mod steps;
pub mod storage;
