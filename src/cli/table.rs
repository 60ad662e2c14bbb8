//! JSON values as columns of plain text.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use serde_json::Value;
use std::io::stdout;
use terminal_size::{Width, terminal_size_of};

/// The space between two columns.
const GAP: u16 = 2;
/// The cell of a value that is not there.
const NOTHING: &str = "-";

/// Aligned columns under the headings of the first row. Where they do not fit the terminal, each row is a block of its own, a line for
/// each heading: a table of wrapped cells breaks words and ids. A pipe has no width.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    fit(rows, terminal_size_of(stdout()).map(|(Width(width), _)| width))
}

fn fit<const N: usize>(rows: &[[String; N]], width: Option<u16>) -> String {
    let mut table = unframed();
    table.add_rows(rows);
    let contents = table.column_max_content_widths();
    let needed: usize = contents.iter().map(|content| usize::from(content + GAP)).sum();
    match (width, rows) {
        (Some(width), [headings, rows @ ..]) if needed > usize::from(width + GAP) => {
            let blocks: Vec<_> = rows.iter().map(|row| block(headings, row, width)).collect();
            blocks.join("\n")
        }
        _ => aligned(table),
    }
}

/// A row as lines of heading and value; what is not there is left out.
fn block<const N: usize>(headings: &[String; N], row: &[String; N], width: u16) -> String {
    let mut table = unframed();
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.add_rows(
        headings.iter().zip(row).filter(|(_, value)| *value != NOTHING).map(<[_; 2]>::from),
    );
    if let Some(heading) = table.column_mut(0) {
        heading.set_constraint(ColumnConstraint::ContentWidth);
    }
    aligned(table)
}

fn unframed() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table
}

fn aligned(mut table: Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    table.trim_fmt() + "\n"
}

/// A value as a cell.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [[&str; 3]; 3] = [
        ["ID", "RECEIVER", "REASON"],
        [
            "01a22f33-6e43",
            "bots.support.callback",
            "every attempt failed; the last one: cannot connect",
        ],
        ["01a22f33-6e44", "bots.support.callback", "-"],
    ];

    fn rows() -> [[String; 3]; 3] {
        ROWS.map(|row| row.map(str::to_owned))
    }

    #[test]
    fn what_fits_or_goes_into_a_pipe_is_a_table() {
        let table = fit(&rows(), None);
        assert_eq!(table.lines().count(), 3, "{table}");
        let longest = table.lines().map(str::len).max().unwrap();
        let width = u16::try_from(longest).unwrap();
        assert_eq!(fit(&rows(), Some(width)), table);
        assert_ne!(fit(&rows(), Some(width - 1)), table);
    }

    #[test]
    fn what_does_not_fit_is_a_block_for_each_row_without_a_broken_word() {
        let blocks = "ID        01a22f33-6e43\n\
                      RECEIVER  bots.support.callback\n\
                      REASON    every attempt failed; the\n          last one: cannot connect\n\
                      \n\
                      ID        01a22f33-6e44\n\
                      RECEIVER  bots.support.callback\n";
        assert_eq!(fit(&rows(), Some(40)), blocks);
    }
}
