//! Rows of config maps, secrets and service accounts.

use serde_json::Value;

use super::name;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::value::{at, entries, list};

impl Kubernetes {
    pub(super) fn config_map_cells(&self, object: &Value) -> Vec<Value> {
        let data = entries(object, "/data").count() + entries(object, "/binaryData").count();
        vec![name(object), data.into(), self.age(object)]
    }

    pub(super) fn secret_cells(&self, object: &Value) -> Vec<Value> {
        vec![name(object), at(object, "/type").clone(), entries(object, "/data").count().into(), self.age(object)]
    }

    pub(super) fn service_account_cells(&self, object: &Value) -> Vec<Value> {
        vec![name(object), list(object, "/secrets").len().into(), self.age(object)]
    }
}
