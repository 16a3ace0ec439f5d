//! What the documentation names is there.

use std::{fs, path::Path};

#[test]
fn every_test_that_the_reliability_page_names_exists() {
    let page = fs::read_to_string("docs/reliability.md").expect("the page");
    let tests = code(Path::new("tests"));
    let named = page.split('`').filter(|word| word.contains("::") && !word.contains(' '));
    let missing: Vec<_> = named
        .filter(|name| !tests.contains(&format!("fn {}(", name.rsplit("::").next().unwrap_or_default())))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_page_on_the_settings_is_what_the_code_renders() {
    let page = fs::read_to_string("docs/configuration.md").unwrap_or_default();
    let is_same = page == xpander_grpc_proxy::config::reference();
    assert!(is_same, "docs/configuration.md is not what src/config renders: run `make docs`");
}

fn code(folder: &Path) -> String {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .map(|path| if path.is_dir() { code(&path) } else { fs::read_to_string(&path).unwrap_or_default() })
        .collect()
}
