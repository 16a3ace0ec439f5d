//! Closed sets: the limits, facts, fields and agents that a page has are those of the code, and the other way round.

use std::collections::BTreeSet;

use super::{
    links::words,
    names::{quoted, read},
};

/// The texts of the arms of a `match` in a function.
fn arms<'a>(code: &'a str, function: &str) -> BTreeSet<&'a str> {
    let body = code.split(function).nth(1).and_then(|rest| rest.split("\n    }\n").next()).expect("the function");
    quoted(body).collect()
}

#[test]
fn every_limit_that_sheds_calls_is_in_the_runbook_and_the_other_way_round() {
    let code = read("src/telemetry/shed.rs");
    let known = arms(&code, "pub fn setting(self)");
    let page = read("docs/runbook.md");
    let part = page.split("## XpanderGrpcProxyShedsCalls").nth(1).and_then(|rest| rest.split("\n## ").next());
    let rows = part.expect("the section").lines().filter_map(|row| row.strip_prefix("| `")?.split(" | ").next());
    let told: BTreeSet<&str> =
        rows.flat_map(|cell| cell.split(['`', ',']).map(str::trim)).filter(|word| !word.is_empty()).collect();
    assert_eq!(told, known);
}

#[test]
fn every_fact_of_an_error_is_on_the_page_for_callers() {
    let code = read("src/grpc/response/status.rs");
    let facts = code.split("let facts = [").nth(1).and_then(|rest| rest.split("];").next()).expect("the facts");
    let page = read("docs/callers.md");
    let told: BTreeSet<&str> = words(&page).collect();
    let mut count = 0;
    for fact in quoted(facts) {
        count += 1;
        assert!(told.contains(fact), "docs/callers.md does not name {fact}");
    }
    assert!(count > 4, "only {count}");
}

/// A line of the log that a page shows has no field that the code does not write.
#[test]
fn every_line_of_the_log_on_a_page_has_the_fields_that_are_written() {
    let mut count = 0;
    for page in ["docs/runbook.md", "docs/operations.md"] {
        let text = read(page);
        let table = read("docs/operations.md");
        let fields: BTreeSet<&str> = words(&table).chain(["timestamp", "level", "message", "target"]).collect();
        for line in text.lines().map(str::trim).filter(|line| line.starts_with("{\"timestamp\"")) {
            let line: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).expect("a line of JSON");
            count += 1;
            for field in line.keys().filter(|_| line["message"] == "call") {
                assert!(fields.contains(&**field), "{page}: {field}");
            }
        }
    }
    assert!(count > 2, "only {count} lines");
}

#[test]
fn what_is_harmless_of_an_auth_event_is_what_the_page_says() {
    let code = read("src/translate/auth.rs");
    let lists = code.split("const WORDS").nth(1).and_then(|rest| rest.split("const LINKS").next()).expect("the lists");
    let known: BTreeSet<&str> = quoted(lists).collect();
    let page = read("docs/security.md");
    let row = page.lines().find(|row| row.starts_with("| tokens in auth events")).expect("the row");
    let said = row.split("reaches callers:").nth(1).and_then(|rest| rest.split(", and links").next()).expect("a list");
    let told: BTreeSet<&str> = said.split('`').skip(1).step_by(2).collect();
    assert_eq!(told, known);
}

/// The first cells of a table's rows, which are code.
fn firsts(table: &str) -> BTreeSet<&str> {
    table.lines().filter_map(|row| row.trim_start_matches("//! ").strip_prefix("| `")?.split('`').next()).collect()
}

#[test]
fn every_agent_of_the_sandbox_is_in_the_guide_and_the_other_way_round() {
    let (code, page) = (read("src/sandbox/mod.rs"), read("docs/guide.md"));
    let known = code.split("//! # Agents").nth(1).and_then(|rest| rest.split("//! # Events").next()).expect("a part");
    let told = page.split("## Agents to play with").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a part");
    assert_eq!(firsts(told), firsts(known));
    assert!(firsts(known).len() > 8);
}
