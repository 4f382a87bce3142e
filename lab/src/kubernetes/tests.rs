//! Tests of the whole cluster: requests in, time passing, answers out.

mod bench;
mod convergence;
mod flux;
mod history;
mod kubectl;
mod metallb;
mod nodes;
mod requests;
mod storage;
mod watches;
mod workloads;
