//! `verify`: from a table to a scheme with its secrets.

use super::parse;
use super::reader::Reading;
use super::schema_types::shown;
use super::suggest::known_or_nearest;
use crate::secret::Secret;
use crate::signature::{DatedSecret, PublicUrl, Scheme, SchemeTable, preset, preset_names};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use zeroize::Zeroize as _;

/// How a `verify` table is written: a scheme's keys, and beside them the preset and the secrets, which are kept apart from
/// the scheme so that nothing that shows a scheme can show them.
pub(crate) struct Verify;

impl JsonSchema for Verify {
    fn schema_name() -> Cow<'static, str> {
        "Verify".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = SchemeTable::json_schema(generator);
        let presets: Vec<_> = preset_names().collect();
        let bases: Vec<_> = preset_names().filter(|name| *name != "none").collect();
        let secret = json!({ "type": "string", "writeOnly": true });
        let own = json!({
            "preset": { "type": "string", "enum": presets, "examples": ["hmac"],
                "description": "A sender's scheme by its name; the other keys of this table change it." },
            "extends": { "type": "string", "enum": bases, "examples": ["stripe"],
                "description": "The preset that a scheme of one's own starts from." },
            "secrets": {
                "description": "The secrets that count, newest first: several while one is replaced by another.",
                "type": "array", "minItems": 1, "maxItems": 8, "writeOnly": true, "examples": [["${env:BOT_SECRET}"]],
                "items": { "anyOf": [
                    secret,
                    { "type": "object", "additionalProperties": false, "properties": {
                        "value": { "type": "string", "description": "The secret.", "examples": ["${env:OLD_SECRET}"] },
                        "derive": { "type": "string", "examples": ["${env:MASTER}"],
                            "description": "A master secret of at least 32 bytes: each bot's own is derived from it by the bot's id." },
                        "not_after": { "type": "string", "description": "The last moment at which it counts, as in RFC 3339.",
                            "examples": ["2026-12-24T00:00:00Z"] },
                    } },
                ] },
            },
            "verify_token": { "type": "string", "writeOnly": true, "examples": ["${env:VERIFY_TOKEN}"],
                "description": "What proves Meta's GET." },
        });
        if let (Some(properties), Value::Object(own)) =
            (schema.ensure_object().get_mut("properties"), own)
            && let Some(properties) = properties.as_object_mut()
        {
            properties.extend(own);
        }
        schema.insert(
            "description".to_owned(),
            "What proves a sender: a preset or a scheme of one's own, and the secrets.".into(),
        );
        schema
    }
}

/// Reads the table at `path` of the bot at `bot`: the scheme, and the name of the preset that it came from. `own` is the preset
/// where the table names nothing but secrets. Nothing when it is wrong, which is noted.
pub(crate) fn verify(
    reading: &mut Reading<'_>,
    bot: &str,
    path: &str,
    mut table: Map<String, Value>,
    url: Option<&PublicUrl>,
    own: Option<&str>,
) -> Option<(Scheme, Option<String>)> {
    let secrets = secrets(reading, path, table.remove("secrets"));
    let verify_token = table.remove("verify_token").and_then(text).map(into_secret);
    let mut name = table.remove("preset").and_then(text);
    if name.is_none() && table.is_empty() && reading.is_sound(path) {
        name = own.map(str::to_owned);
    }
    if name.is_some() && table.contains_key("extends") {
        let fix = "keep `preset`: the other keys change it".to_owned();
        let message = "`preset` and `extends` both name where to start from".to_owned();
        reading.clash(
            &format!("{path}.extends"),
            &format!("{path}.preset"),
            "the other one",
            message,
            fix,
        );
    }
    let mut scheme = own_scheme(reading, path, table)?;
    let preset_name = name.clone().or_else(|| scheme.extends.clone());
    if let Some(name) = &name {
        scheme = scheme.overlaid_on(preset(name)?);
    } else if scheme.extends.is_none() && scheme.algorithm.is_none() && reading.is_sound(path) {
        let presets: Vec<_> = preset_names().collect();
        let fix = format!(
            "add preset = \"hmac\", or another one; {}",
            known_or_nearest("", &presets, str::to_owned)
        );
        reading.error(
            path,
            format!("`{}` names neither a preset nor an algorithm", shown(path)),
            fix,
        );
    }
    if name.as_deref() == Some("none") {
        let message = format!("`{bot}` asks for no proof: anyone who knows its URL can send");
        reading.warning(
            path,
            message,
            "name the preset of the sender, and its secret, unless you mean it",
        );
    }
    // What was left out as wrong would only show as missing now.
    if !reading.is_sound(path) {
        return None;
    }
    match scheme.compile(&secrets, verify_token.as_ref(), url) {
        Ok(scheme) => Some((scheme, preset_name)),
        Err(faults) => {
            for fault in faults {
                let at = match fault.key.as_str() {
                    "public_url" => format!("{bot}.public_url"),
                    key => format!("{path}.{key}"),
                };
                let message = format!("`{}` {}", shown(&at), fault.message);
                reading.error(if reading.has(&at) { &at } else { path }, message, fault.fix);
            }
            None
        }
    }
}

/// The scheme's own keys. Their shape is known to be right; what is left is the one value with a syntax of its own.
fn own_scheme(
    reading: &mut Reading<'_>,
    path: &str,
    table: Map<String, Value>,
) -> Option<SchemeTable> {
    let tolerance = table.get("timestamp").and_then(|timestamp| timestamp["tolerance"].as_str());
    if tolerance.is_some() {
        reading.value(&format!("{path}.timestamp.tolerance"), tolerance, parse::duration)?;
    }
    match serde_json::from_value(Value::Object(table)) {
        Ok(scheme) => Some(scheme),
        Err(error) => {
            reading.error(
                path,
                format!("`{}`: {}", shown(path), shown(&error.to_string())),
                "write it as the documentation shows",
            );
            None
        }
    }
}

fn secrets(reading: &mut Reading<'_>, path: &str, written: Option<Value>) -> Vec<DatedSecret> {
    let Some(Value::Array(written)) = written else {
        return Vec::new();
    };
    let mut secrets = Vec::with_capacity(written.len());
    for (index, secret) in written.into_iter().enumerate() {
        let path = format!("{path}.secrets[{index}]");
        let (value, master, not_after) = match secret {
            Value::Object(mut table) => (
                table.remove("value").and_then(text),
                table.remove("derive").and_then(text),
                table.remove("not_after").and_then(text),
            ),
            secret => (text(secret), None, None),
        };
        let (has_value, derive) = (
            reading.has(&format!("{path}.value")) || value.is_some(),
            reading.has(&format!("{path}.derive")),
        );
        if derive == has_value {
            reading.error(
                &path,
                format!("`{}` needs one of `value` and `derive`", shown(&path)),
                "write { value = \"${env:SECRET}\" }, or { derive = \"${env:MASTER}\" } for a secret of its own for each id",
            );
        }
        let not_after = reading.value(&format!("{path}.not_after"), not_after.as_deref(), |text| {
            text.parse::<jiff::Timestamp>().map_err(|_| {
                parse::ValueError::new(
                    "not a moment",
                    "write date, time and zone: \"2026-12-24T00:00:00Z\"",
                )
            })
        });
        let Some(value) = value.or(master).map(into_secret) else {
            continue;
        };
        if value.is_empty() {
            reading.error(
                &path,
                format!("`{}` is empty", shown(&path)),
                "set it, or take it out of the list",
            );
        }
        secrets.push(DatedSecret { value, derive, not_after });
    }
    secrets
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn into_secret(mut text: String) -> Secret {
    let secret = Secret::new(&text);
    text.zeroize();
    secret
}
