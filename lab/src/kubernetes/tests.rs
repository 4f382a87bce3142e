//! Tests of the whole cluster: requests in, time passing, answers out.

mod bench;
mod convergence;
mod flux;
mod history;
mod ingress;
mod kubectl;
mod mastodon;
mod metallb;
mod nodes;
mod requests;
mod storage;
mod watches;
mod workloads;
