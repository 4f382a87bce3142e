//! MicroK8s goes from one minor version to the next, one node at a time. The channel that is wanted stands in the inventory of
//! the run.

pub mod allowed;
pub mod node;

#[cfg(test)]
mod tests;
