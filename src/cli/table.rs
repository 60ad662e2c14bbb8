//! JSON values as columns of plain text.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use serde_json::Value;
use std::io::stdout;
use terminal_size::{Width, terminal_size_of};

/// Aligned columns; the first row is their heading. On a terminal cells that do not fit are wrapped, but for those of the first
/// column: an id is there to be copied.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if let (Some((Width(width), _)), Some(id)) = (terminal_size_of(stdout()), table.column_mut(0)) {
        id.set_constraint(ColumnConstraint::ContentWidth);
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table.trim_fmt() + "\n"
}

/// A value as a cell.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => plain(text),
        other => other.to_string(),
    }
}

/// Text that others wrote, with everything escaped that a terminal would obey.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_format(character) {
            plain.extend(character.escape_default());
        } else {
            plain.push(character);
        }
    }
    plain
}

/// Bidirectional marks and line separators: format characters that `char::is_control` does not cover.
fn is_format(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
