//! Wrong tables and the faults that must be found in them.

use super::preset::read_value;
use super::*;
use crate::secret::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    table: SchemeTable,
    secrets: Option<Vec<String>>,
    public_url: Option<String>,
    verify_token: Option<String>,
    faults: Vec<String>,
}

#[test]
fn every_fault_is_found_at_once_and_shows_no_secret() {
    let text = include_str!("../../tests/fixtures/signature/faults.toml");
    let document = read_value(&toml_span::parse(text).unwrap());
    let cases: BTreeMap<String, Case> = serde_json::from_value(document).unwrap();
    assert!(cases.len() > 40);
    for (name, case) in cases {
        let secrets = case.secrets.unwrap_or_else(|| vec!["k".to_owned()]);
        let secrets: Vec<_> = secrets
            .iter()
            .map(|text| DatedSecret { value: Secret::new(text), derive: false, not_after: None })
            .collect();
        let url = match case.public_url.as_deref() {
            None => Some(PublicUrl::for_server("https://b.example")),
            Some("") => None,
            Some(url) => Some(PublicUrl::for_server(url)),
        };
        let token = case.verify_token.as_deref().map(Secret::new);
        let faults =
            case.table.compile(&secrets, token.as_ref(), url.as_ref()).err().unwrap_or_default();
        let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, case.faults, "{name}: {faults:#?}");
        for fault in faults {
            assert!(!fault.message.is_empty() && !fault.fix.is_empty(), "{name}: {}", fault.key);
            assert!(!format!("{fault:?}").contains("hunter"), "{name} shows its secret");
        }
    }
}
