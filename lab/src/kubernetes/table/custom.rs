//! Rows of custom resources: what their definition's printer columns point at.

use serde_json::Value;

use super::name;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::jsonpath::Template;
use crate::kubernetes::value::{list, text};

impl Kubernetes {
    pub(super) fn custom_cells(&self, version: &Value, object: &Value) -> Vec<Value> {
        let columns = list(version, "/additionalPrinterColumns");
        let mut cells = vec![name(object)];
        cells.extend(columns.iter().map(|column| self.custom_cell(column, object)));
        if columns.is_empty() {
            cells.push(self.age(object));
        }
        cells
    }

    fn custom_cell(&self, column: &Value, object: &Value) -> Value {
        let Ok(path) = Template::parse(text(column, "/jsonPath")) else { return Value::Null };
        let found = path.find(object);
        let Some(first) = found.first() else { return Value::Null };
        match (text(column, "/type"), first) {
            ("date", Value::String(stamp)) => self.clock.age(self.now, stamp).into(),
            ("string", Value::String(text)) => text.as_str().into(),
            ("string", other) => other.to_string().into(),
            (_, other) => Value::clone(other),
        }
    }
}
