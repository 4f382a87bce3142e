//! Tests of the whole cluster.
