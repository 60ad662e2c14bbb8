//! Every link in the papers leads somewhere: to a file that is there, to a heading that it has.

use super::papers::{PAGES, paper};
use std::fs;
use std::path::Path;

/// The anchors of a paper's headings, as forges make them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let slug = |heading: &str| -> String {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = |sign: &char| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_');
        heading.chars().filter(kept).collect::<String>()
    };
    headings.map(|heading| slug(heading).replace(' ', "-")).collect()
}

#[test]
fn every_link_in_the_papers_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut papers =
        vec!["README.md".to_owned(), "ARCHITECTURE.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    let others = ["configuration", "operations", "raw"];
    papers.extend(others.iter().chain(&PAGES).map(|name| format!("docs/{name}.md")));
    let mut followed = 0;
    for name in papers {
        let text = paper(&name);
        let folder = root.join(&name).parent().unwrap().to_owned();
        let targets = text.split("](").skip(1).filter_map(|rest| {
            let target = rest.split(')').next()?;
            (!target.starts_with("http")).then_some(target)
        });
        for target in targets {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let there = match file {
                "" => root.join(&name),
                file => folder.join(file),
            };
            assert!(there.exists(), "{name} leads to {target}");
            if !anchor.is_empty() {
                let anchors = anchors(&fs::read_to_string(there).unwrap());
                assert!(anchors.iter().any(|known| known == anchor), "{name} leads to {target}");
            }
            followed += 1;
        }
    }
    assert!(followed > 40, "{followed} links");
}
