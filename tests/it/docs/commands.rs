//! Every command and every flag that a page has is one of the binary's.

use std::{collections::BTreeMap, fs};

use super::links::pages;
use crate::support::binary::run;

/// The words behind the binary's name, on each line of all pages.
fn commands() -> Vec<(String, Vec<String>)> {
    let mut commands = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for line in text.lines() {
            // Not where it is a part of a path's or an image's name.
            for rest in line.split("xpander-grpc-proxy ").skip(1) {
                let rest = rest.split(['`', '#', '|', '>', ';', '"', ')']).next().unwrap_or_default();
                let words: Vec<_> = rest.split_whitespace().map(str::to_owned).collect();
                if words.first().is_some_and(|word| word.chars().all(|c| c.is_ascii_lowercase())) {
                    commands.push((page.display().to_string(), words));
                }
            }
        }
    }
    commands
}

#[tokio::test]
async fn every_command_and_flag_on_a_page_exists() {
    let known = run(&["--help"], &[]).await.good();
    let (mut helps, mut count, mut wrong) = (BTreeMap::new(), 0, Vec::new());
    for (page, words) in commands() {
        let command = &words[0];
        if !known.lines().any(|line| line.split_whitespace().next() == Some(command)) {
            // A sentence goes on behind the name; a command has its flags or arguments there.
            if words.iter().any(|word| word.starts_with("--")) {
                wrong.push(format!("{page}: {}", words.join(" ")));
            }
            continue;
        }
        count += 1;
        if !helps.contains_key(command) {
            helps.insert(command.clone(), run(&[command, "--help"], &[]).await.good());
        }
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            let flag = flag.split(['=', '[', ',', '.']).next().unwrap_or_default();
            if !helps[command].contains(flag) {
                wrong.push(format!("{page}: {}", words.join(" ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 15, "only {count} were found");
}
