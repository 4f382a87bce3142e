//! One cluster's Kubernetes API: objects, watches, controllers.
