//! The JSON Schema of the inventory, for editors.

use schemars::generate::SchemaSettings;

use super::file::File;

/// The JSON Schema of an inventory file, the same text each time, with a newline at its end. Editors that know TOML
/// complete and check with it: the examples name it in their first line, `#:schema ./schema.json`.
pub fn schema() -> String {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<File>();
    let mut schema = schema.to_value();
    // Whether an object keeps its keys in order depends on what else is built with serde_json.
    schema.sort_all_objects();
    format!("{schema:#}\n")
}
