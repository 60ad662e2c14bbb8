//! The pages of the dialects name every refusal that their callers can get, and no other: with its status and code.

use super::{FAULTS, describe_framing, rejects};
use crate::codec::dialect::{BotIdLocation, DIALECTS, Dialect};
use crate::proxy::reject::ErrorInfo;
use std::collections::BTreeSet;

/// A refusal as a page shows it: status, reason, and the code where the dialect's errors have one.
type Row = (u16, String, Option<String>);

/// The rows of a page's table of errors, one for each reason.
fn rows(dialect: &Dialect) -> BTreeSet<Row> {
    let path = format!("{}/docs/{}.md", env!("CARGO_MANIFEST_DIR"), dialect.name);
    let text = std::fs::read_to_string(path).unwrap();
    let (_, part) = text.split_once("\n## Errors\n").unwrap();
    let part = part.split("\n## ").next().unwrap();
    let cells = |line: &str| -> Vec<String> {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    let words = |cell: &str| -> Vec<String> {
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let mut rows = BTreeSet::new();
    for line in part.lines().filter(|line| line.starts_with("| ")) {
        let cells = cells(line);
        let Ok(status) = cells[0].parse::<u16>() else {
            continue;
        };
        let code = (cells.len() == 4).then(|| words(&cells[1]).concat());
        for reason in words(&cells[cells.len() - 2]) {
            let row = (status, reason, code.clone());
            assert!(rows.insert(row), "{}: twice: {line}", dialect.name);
        }
    }
    rows
}

/// Whether callers of a dialect can get it.
fn occurs(dialect: &Dialect, reason: &str) -> bool {
    let Some(chat) = dialect.chat else {
        return false;
    };
    match reason {
        // The answer to a GET, and a dialect takes none.
        "forbidden" => false,
        "unknown_bot" => matches!(dialect.bot_id, BotIdLocation::Body(_)),
        "conversation_full" | "conversation_timeout" => chat.keeps_history(),
        // Only a stream can.
        "answer_broken" => chat.stream_encoder().is_some(),
        _ => true,
    }
}

#[test]
fn every_page_shows_each_error_that_its_callers_can_get() {
    let refusals = rejects().into_iter().map(|(reject, ..)| reject.describe());
    let faults = FAULTS.iter().map(|(fault, ..)| describe_framing(*fault));
    let faces: Vec<ErrorInfo> = refusals.chain(faults).collect();
    let pages = DIALECTS.iter().filter(|dialect| dialect.chat.is_some());
    for dialect in pages {
        let mut body = Vec::new();
        dialect.chat.unwrap().encode_error(400, "No", "word", &mut body);
        let coded = String::from_utf8(body).unwrap().contains("\"code\"");
        let real: BTreeSet<Row> = faces
            .iter()
            .filter(|face| occurs(dialect, face.reason))
            .map(|face| {
                let code = coded.then(|| face.code.to_owned());
                (face.status, face.reason.to_owned(), code)
            })
            .collect();
        let shown = rows(dialect);
        let missing: Vec<_> = real.difference(&shown).collect();
        let wrong: Vec<_> = shown.difference(&real).collect();
        assert!(
            missing.is_empty() && wrong.is_empty(),
            "docs/{}.md lacks {missing:#?}\nand invents {wrong:#?}",
            dialect.name
        );
    }
}
