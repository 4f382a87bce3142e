//! The Kubernetes API, read and written.
