//! Flux's controllers on a cluster without a shell around it: repositories are fed in.

mod bench;
mod helm;
mod kustomize;
mod sources;
