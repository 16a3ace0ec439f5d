//! One word for one thing, on each page and in what the pages are made of.

use std::{fs, path::PathBuf};

use super::links::{pages, prose};

/// What is not said, and what is said instead.
const OTHERS: &[(&str, &str)] = &[
    ("left out", "omitted"),
    ("leave out", "omit"),
    ("leaves out", "omits"),
    ("given back", "returned"),
    ("gives back", "returns"),
    ("mended", "fixed"),
    ("of tomorrow", "unknown to this version"),
    ("as a rule", "usually"),
    ("has no right", "lacks the permission"),
    ("the right to", "the permission"),
    ("its rights", "its permissions"),
    ("request ids", "idempotency keys"),
    ("this version does not know", "unknown to this version"),
];

/// The pages, and what pages are made of. Not what has been: that stays as it was told.
fn sources() -> Vec<PathBuf> {
    let mut files = pages();
    files.retain(|page| !page.ends_with("CHANGELOG.md") && !page.starts_with("./fuzz") && !page.starts_with("tests"));
    for folder in ["proto/xpander/agent/v1", "helm/templates/monitoring"] {
        files.extend(fs::read_dir(folder).expect(folder).map(|entry| entry.expect("an entry").path()));
    }
    files.extend(["helm/values.yaml", "src/config/keys/mod.rs", "src/config/reference/mod.rs"].map(PathBuf::from));
    files
}

#[test]
fn one_thing_has_one_word() {
    let mut wrong = Vec::new();
    for file in sources() {
        let text = fs::read_to_string(&file).expect("a file");
        // What a bench has written stays as it was written until the next run.
        let text = match text.split_once("<!-- measured").zip(text.split_once("<!-- /measured")) {
            Some(((before, _), (_, behind))) => [before, behind].concat(),
            None => text,
        };
        let is_page = file.extension().is_some_and(|ending| ending == "md");
        // Code on a page has its own words.
        let words =
            |text: &str| prose(text).collect::<Vec<_>>().join(" ").split('`').step_by(2).collect::<Vec<_>>().join("");
        let text = if is_page { words(&text) } else { text };
        // Lines are broken anywhere, in comments too.
        let text = text.replace(['#', '\\'], " ").replace("//", " ");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        for (other, word) in OTHERS {
            if text.contains(other) {
                wrong.push(format!("{}: {other:?} is {word:?}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
