//! What the dialects' pages show is what happens: their configurations serve, their requests are asked and answered so.
//!
//! A page's `http` blocks are played in order. A request to `bots.example` is a caller's, one to any other host is what the AI
//! gets for it; a response behind the latter is the AI's, any other is what the caller gets. Where a request to the AI follows
//! that no caller's stands before, the last caller's is sent once more and gets the last answer again. A request behind a 202 is what
//! the callback is sent. `…` stands for any text,
//! in a caller's header field for what `botgate sign` puts there.

mod blocks;
mod exchange;

use crate::tidy::papers::{PAGES, fenced, paper};
use blocks::exchanges;
use botgate::codec::dialect;
use exchange::Stage;

fn page(dialect: &str) -> String {
    paper(&format!("docs/{dialect}.md"))
}

#[track_caller]
fn plays(dialect: &str) {
    let text = page(dialect);
    let exchanges = exchanges(&fenced(&text));
    assert!(exchanges.len() > 1, "{dialect}'s page shows nothing");
    let mut stage = Stage::new();
    for exchange in &exchanges {
        stage.play(exchange);
    }
}

#[test]
fn the_page_of_aerostack_is_true() {
    plays("aerostack");
}

#[test]
fn the_page_of_aibutler_is_true() {
    plays("aibutler");
}

#[test]
fn the_page_of_fourthchat_is_true() {
    plays("fourthchat");
}

#[test]
fn the_page_of_chatbot_platform_is_true() {
    plays("chatbot-platform");
}

#[test]
fn the_page_of_botpass_is_true() {
    plays("botpass");
}

#[test]
fn every_dialect_has_a_page() {
    let speak = dialect::DIALECTS.iter().filter(|dialect| dialect.chat.is_some());
    let names: Vec<_> = speak.map(|dialect| dialect.name).collect();
    assert_eq!(names, PAGES);
}

/// Every command of a page runs where its first configuration lies.
#[test]
fn every_command_of_the_pages_runs() {
    for dialect in PAGES {
        let blocks = fenced(&page(dialect));
        let of = |language: &'static str| {
            let blocks = blocks.iter();
            blocks.filter(move |(known, _)| known == language)
        };
        let (_, config) = of("toml").next().expect("no configuration");
        let commands: Vec<_> = of("sh").flat_map(|(_, text)| text.lines()).collect();
        assert!(!commands.is_empty(), "docs/{dialect}.md shows no command");
        for command in commands {
            let command = command.split(['#', '|']).next().unwrap();
            let mut words = command.split_whitespace();
            assert_eq!(words.next(), Some("botgate"), "what runs {command}?");
            let arguments: Vec<_> = words.collect();
            let ran = exchange::command(&arguments, config, "");
            assert_eq!(ran.code, Some(0), "{command}: {}", ran.stderr);
        }
    }
}
