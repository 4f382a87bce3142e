//! The JSON Schema of the inventory, for editors.

use schemars::generate::SchemaSettings;

use super::file::File;

/// The JSON Schema of an inventory file, the same text each time, with a newline at its end. Editors that know TOML
/// complete and check with it: the examples name it in their first line, `#:schema ./schema.json`.
pub fn schema() -> String {
    let schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<File>();
    // The alternate form of a JSON value is its pretty-printed text, keys in a fixed order.
    format!("{:#}\n", schema.as_value())
}
