//! The JSON Schema of a configuration: what editors check against, and what the reader goes by.

use super::raw::File;
use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use serde_json::Value;
use std::sync::LazyLock;

/// JSON Schema (2020-12) of a configuration file.
pub fn schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
        let mut settings = SchemaSettings::draft2020_12();
        settings.transforms.push(Box::new(drop_null));
        settings.into_generator().into_root_schema_for::<File>().to_value()
    });
    &SCHEMA
}

/// TOML has no null: a key that may be left out is left out.
fn drop_null(schema: &mut schemars::Schema) {
    transform_subschemas(&mut drop_null, schema);
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(options)) = object.get_mut("anyOf") {
        options.retain(|option| option.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(one)] = options.as_slice() {
            let one = one.clone();
            object.remove("anyOf");
            for (key, value) in one {
                object.entry(key).or_insert(value);
            }
        }
    }
}
