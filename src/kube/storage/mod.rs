//! What there is of storage, read side by side.

pub mod classes;
pub mod jiva;
mod releases;
mod volumes;
mod workloads;

pub use classes::describe as class;
pub use jiva::node as jiva_node;

use kube::Client;

use crate::facts::storage::StorageFacts;

/// Reads classes, volumes, the workloads that make them and the Helm releases. What is not served is empty.
pub async fn read(client: &Client) -> kube::Result<StorageFacts> {
    let (classes, workloads, jiva_node, releases, policies, jiva_volumes, volumes, claims) = futures::try_join!(
        classes::read(client),
        workloads::read(client),
        jiva::node(client),
        releases::read(client),
        jiva::policies(client),
        jiva::volumes(client),
        volumes::volumes(client),
        volumes::claims(client),
    )?;
    Ok(StorageFacts {
        classes,
        jiva_served: jiva_volumes.is_some(),
        jiva_node,
        workloads,
        releases,
        jiva_policies: policies,
        jiva_volumes: jiva_volumes.unwrap_or_default(),
        volumes,
        claims,
    })
}
