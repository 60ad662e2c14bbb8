//! What to write instead: the nearest known word, and examples as TOML.

use serde_json::Value;

/// "did you mean …?" where one of `known` is near, otherwise all of them.
pub(crate) fn known_or_nearest(
    written: &str,
    known: &[&str],
    quote: impl Fn(&str) -> String,
) -> String {
    if let Some(nearest) = nearest(written, known) {
        return format!("did you mean {}?", quote(nearest));
    }
    let mut all: Vec<_> = known.iter().take(40).map(|word| quote(word)).collect();
    match all.len() {
        0 => "there is nothing to choose from".to_owned(),
        _ if known.len() > all.len() => {
            all.push("…".to_owned());
            format!("known here: {}", all.join(", "))
        }
        1 => format!("write {}", all.concat()),
        _ => format!("known here: {}", all.join(", ")),
    }
}

/// The word that was most likely meant: at most a third of its letters differ.
fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    if written.len() > 64 {
        return None;
    }
    let lower = written.to_lowercase();
    known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(&lower, &word.to_lowercase()), *word))
        .filter(|(distance, word)| *distance <= (word.chars().count() / 3).max(1))
        .min()
        .map(|(_, word)| word)
}

/// A value as it is written on one line of TOML.
pub(crate) fn as_toml(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(as_toml).collect::<Vec<_>>().join(", "))
        }
        Value::Object(table) => {
            let entries = table.iter().map(|(key, value)| format!("{key} = {}", as_toml(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["limit", "timeout", "upstream", "id"];
        let quote = |word: &str| word.to_owned();
        for (written, expected) in [
            ("lmit", "did you mean limit?"),
            ("time_out", "did you mean timeout?"),
            ("Upstream", "did you mean upstream?"),
        ] {
            assert_eq!(known_or_nearest(written, &known, quote), expected);
        }
        assert_eq!(
            known_or_nearest("cors", &known, quote),
            "known here: limit, timeout, upstream, id"
        );
        assert_eq!(known_or_nearest(&"x".repeat(1 << 20), &["a"], quote), "write a");
    }

    #[test]
    fn examples_are_toml() {
        let example = serde_json::json!({ "preset": "hmac", "secrets": ["${env:A}"] });
        let line = format!("verify = {}", as_toml(&example));
        assert_eq!(line, r#"verify = { preset = "hmac", secrets = ["${env:A}"] }"#);
        assert!(toml_span::parse(&line).is_ok());
    }
}
