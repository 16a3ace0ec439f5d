//! What the documentation names is there.

mod commands;
mod links;
mod names;
mod numbers;
mod sets;
mod words;

use std::{fs, path::Path, process::Command};

use crate::support::callers::hex;

#[test]
fn every_test_that_a_page_names_exists_in_the_file_it_says() {
    let mut missing = Vec::new();
    let mut count = 0;
    for page in fs::read_dir("docs").expect("docs").map(|entry| entry.expect("an entry").path()) {
        let text = fs::read_to_string(&page).unwrap_or_default();
        let words = text.split('`').filter(|word| word.contains("::") && !word.contains(' '));
        let is_test =
            |name: &&str| Path::new(&format!("tests/it/{}.rs", name.split("::").next().unwrap_or_default())).exists();
        for name in words.filter(is_test) {
            count += 1;
            let (module, test) = name.rsplit_once("::").expect("they have colons");
            let file = Path::new("tests/it").join(module.replace("::", "/")).with_extension("rs");
            if !fs::read_to_string(file).unwrap_or_default().contains(&format!("fn {test}(")) {
                missing.push(format!("{}: {name}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(count > 100, "only {count} tests are named");
}

#[test]
fn the_command_that_makes_a_hash_makes_none_of_nothing() {
    let pages = ["docs/security.md", "docs/configuration.md", "helm/values.yaml"];
    for page in pages {
        let text = fs::read_to_string(page).expect(page);
        let commands: Vec<_> = text.split('`').filter(|word| word.contains("| sha256sum")).collect();
        assert!(!commands.is_empty(), "{page} has none");
        for command in commands {
            for shell in ["sh", "bash"] {
                let run = |token: Option<&str>| {
                    let mut process = Command::new(shell);
                    process.args(["-c", command]).env_remove("TOKEN");
                    token.map(|token| process.env("TOKEN", token));
                    let output = process.output().expect("a shell");
                    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
                };
                assert_eq!(run(None), (false, String::new()), "{page}: {command}");
                assert_eq!(run(Some("")), (false, String::new()), "{page}: {command}");
                let (is_good, out) = run(Some("a token"));
                assert!(is_good && out.starts_with(&hex("a token")), "{page}: {command}: {out}");
            }
        }
    }
}

#[test]
fn the_page_on_the_settings_is_what_the_code_renders() {
    let page = fs::read_to_string("docs/configuration.md").unwrap_or_default();
    let is_same = page == xpander_grpc_proxy::config::reference();
    assert!(is_same, "docs/configuration.md is not what src/config renders: run `make docs`");
}

/// Names as the code spells them, with dots, are scraped with underscores, a unit and `_total` behind them.
#[test]
fn every_metric_of_the_code_is_in_the_table_for_operators() {
    let page = fs::read_to_string("docs/operations.md").expect("the page");
    let told = page.lines().filter(|line| line.starts_with("| `")).collect::<Vec<_>>().concat();
    let mut count = 0;
    for file in ["metrics", "claims", "cost", "gen_ai", "shed"] {
        let code = fs::read_to_string(format!("src/telemetry/{file}.rs")).expect("the code");
        for name in code.split('"').skip(1).step_by(2).filter(|word| is_metric(word)) {
            count += 1;
            assert!(told.contains(&name.replace('.', "_")), "{name} is not in docs/operations.md");
        }
    }
    assert!(count > 15, "only {count} metrics were found");
}

fn is_metric(word: &str) -> bool {
    let is_ours =
        ["xpander.", "rpc.server.", "http.client.", "gen_ai.client."].iter().any(|start| word.starts_with(start));
    // What answers is none.
    is_ours && word != "xpander.ai" && word.chars().all(|c| c.is_ascii_lowercase() || "._".contains(c))
}

/// Files by their place in src/, also several in one word.
#[test]
fn every_file_that_the_map_names_exists() {
    let map = fs::read_to_string("ARCHITECTURE.md").expect("the map");
    let mut count = 0;
    for word in map.split('`').skip(1).step_by(2).filter(|word| word.contains('/') && word.ends_with(".rs")) {
        let (start, names, end) =
            match word.split_once('{').and_then(|(start, rest)| Some((start, rest.split_once('}')?))) {
                Some((start, (names, end))) => (start, names, end),
                None => ("", word, ""),
            };
        for name in names.split(',') {
            count += 1;
            let file = [start, name, end].concat();
            let is_there = ["src", "."].iter().any(|root| Path::new(root).join(&file).is_file());
            assert!(is_there, "ARCHITECTURE.md names {file}");
        }
    }
    assert!(count > 30, "only {count} files are named");
}
