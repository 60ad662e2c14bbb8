//! What is asked of an AI is what its vendor's own package could have written.

use crate::harness::{command, peer};
use std::fs;

#[test]
fn every_request_fits_the_types_of_the_vendors_package() {
    for vendor in ["openai", "anthropic"] {
        let folder =
            format!("{}/tests/fixtures/upstream_codecs/{vendor}/ask", env!("CARGO_MANIFEST_DIR"));
        let files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .collect();
        assert!(files.len() >= 15, "only {} of {vendor}", files.len());
        let mut command = peer::command("validate.py");
        let ran = command::to_end(command.arg(vendor).args(files));
        assert_eq!(ran.code, Some(0), "{vendor}: {}{}", ran.stdout, ran.stderr);
    }
}
