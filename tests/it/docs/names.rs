//! Settings, defaults, reasons, fields of the log, alerts, lines and versions: what a page says of them, the code has, and the
//! other way round where a page has them all.

use std::{collections::BTreeSet, fs, path::PathBuf};

use super::links::{pages, prose, words};

pub fn read(path: &str) -> String {
    fs::read_to_string(path).expect(path)
}

/// Each setting with its default, as the page on them has it.
fn settings() -> Vec<(String, String)> {
    let reference = xpander_grpc_proxy::config::reference();
    let entries = reference.split("\n### `").skip(1).filter_map(|entry| {
        let (name, rest) = entry.split_once('`')?;
        let default = rest.split("- default: ").nth(1)?.lines().next()?;
        Some((name.to_owned(), default.to_owned()))
    });
    entries.collect()
}

#[test]
fn every_setting_that_a_page_names_exists() {
    let settings: BTreeSet<String> = settings().into_iter().map(|(name, _)| name).collect();
    let sections: BTreeSet<&str> = settings.iter().filter_map(|name| Some(name.split_once('.')?.0)).collect();
    let is_like_one = |word: &str| {
        word.split_once('.').is_some_and(|(section, key)| {
            sections.contains(section)
                && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c))
        })
    };
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        // In the chart they stand under `config`; where a value stands behind them, it is one of theirs.
        for word in words(&text) {
            let name = word.strip_prefix("config.").unwrap_or(word).split(" = ").next().unwrap_or_default();
            let variable = name.strip_prefix("XPANDER_PROXY_").and_then(|name| name.split('=').next());
            let name = variable.map_or(name.to_owned(), |name| name.to_lowercase().replace("__", "."));
            // `XPANDER_PROXY_SECTION__KEY` stands for all of them.
            if is_like_one(&name) && !word.ends_with("__KEY") {
                count += 1;
                let is_section = || settings.iter().any(|setting| setting.starts_with(&format!("{name}.")));
                if !settings.contains(&name) && !is_section() {
                    wrong.push(format!("{}: {word}", page.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 300, "only {count} were found");
}

/// What stands behind a setting in brackets and begins with a number is its default: `server.drain_delay` (5 s).
#[test]
fn every_default_that_a_page_gives_is_the_codes() {
    let (settings, mut count) = (settings(), 0);
    for page in pages().iter().filter(|page| !page.ends_with("configuration.md")) {
        let text = prose(&fs::read_to_string(page).expect("a page")).collect::<Vec<_>>().join(" ");
        for (name, default) in &settings {
            // Of a size both are known: the bytes, and what they are in words.
            let default = default.replace(['"', '`'], "").replace(')', "");
            let known: Vec<&str> = default.split(" (").collect();
            for rest in text.split(&format!("`{name}` (")).skip(1) {
                let mut said = rest.split([' ', ',', ';', ')']).filter(|word| !word.is_empty());
                let (number, unit) = (said.next().unwrap_or_default(), said.next().unwrap_or_default());
                if !number.starts_with(|c: char| c.is_ascii_digit()) {
                    continue;
                }
                let unit = match unit {
                    "minute" | "minutes" => "m",
                    "hour" | "hours" => "h",
                    "second" | "seconds" => "s",
                    unit => unit,
                };
                count += 1;
                let said = [number.to_owned(), format!("{number}{unit}"), format!("{number} {unit}")];
                let is_known = said.iter().any(|said| known.contains(&&**said));
                assert!(is_known, "{}: {name} is {default} and not {number} {unit}", page.display());
            }
        }
    }
    assert!(count > 15, "only {count} were found");
}

/// The texts of a file in quotes.
pub fn quoted(code: &str) -> impl Iterator<Item = &str> {
    code.split('"').skip(1).step_by(2)
}

fn is_reason(word: &str) -> bool {
    word.len() > 5 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

#[test]
fn every_reason_is_in_the_table_for_callers_and_the_other_way_round() {
    let code = read("src/grpc/response/status.rs");
    let code = code.split("pub fn code_name").next().expect("the table");
    let known: BTreeSet<&str> = quoted(code).filter(|word| is_reason(word)).collect();
    let page = read("docs/callers.md");
    let table =
        page.split("| code | reasons | do |").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a table");
    let told: BTreeSet<&str> = table
        .lines()
        .filter_map(|row| row.split('|').nth(2))
        .flat_map(|reasons| reasons.split([',', ' ', '`']))
        .filter(|word| is_reason(word))
        .collect();
    assert_eq!(told, known);
    assert!(known.len() > 40, "{known:?}");
}

#[test]
fn every_field_of_a_calls_line_is_in_the_table_for_operators_and_the_other_way_round() {
    let code = read("src/telemetry/call.rs");
    let block = code.split("info!(").nth(1).and_then(|rest| rest.split("\"call\"").next()).expect("the line");
    let fields: BTreeSet<&str> = block
        .lines()
        .filter_map(|line| line.strip_prefix("            "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()) && !line.starts_with("target"))
        .filter_map(|line| line.split([' ', ',']).next())
        .collect();
    let page = read("docs/operations.md");
    let part = page.split("## Logs").nth(1).and_then(|rest| rest.split("## Metrics").next()).expect("a part");
    let table =
        part.split("| field | what it is |").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a table");
    let told: BTreeSet<&str> = table
        .lines()
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert_eq!(told, fields);
    assert!(fields.len() > 25, "{fields:?}");
}

#[test]
fn every_alert_has_a_section_in_the_runbook_and_the_other_way_round() {
    let mut alerts = BTreeSet::new();
    for file in fs::read_dir("helm/templates/monitoring").expect("the chart") {
        let text = fs::read_to_string(file.expect("an entry").path()).expect("a template");
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
        alerts.extend(names.map(str::to_owned));
    }
    let runbook = read("docs/runbook.md");
    let sections: BTreeSet<String> = prose(&runbook)
        .filter_map(|line| line.strip_prefix("## Xpander"))
        .map(|rest| format!("Xpander{rest}"))
        .collect();
    assert_eq!(sections, alerts);
    let page = read("docs/kubernetes.md");
    let told: BTreeSet<String> =
        words(&page).filter(|word| word.starts_with("XpanderGrpcProxy")).map(str::to_owned).collect();
    assert_eq!(told, alerts);
}

/// A line of the log that a page tells people to look for is one that the code writes.
#[test]
fn every_line_of_the_log_that_a_page_names_is_in_the_code() {
    fn code(folder: &str) -> String {
        let entries = fs::read_dir(folder).expect("src").map(|entry| entry.expect("an entry").path());
        let read = |path: std::path::PathBuf| match path.is_dir() {
            true => code(path.to_str().expect("UTF-8")),
            false => fs::read_to_string(path).unwrap_or_default(),
        };
        entries.map(read).collect()
    }
    let (code, mut count) = (code("src"), 0);
    for page in ["docs/runbook.md", "docs/operations.md"] {
        let text = prose(&read(page)).collect::<Vec<_>>().join("\n");
        // Behind "line", and in the first cell of tables of lines.
        let inline = text.split("line `").skip(1).filter_map(|rest| rest.split('`').next());
        let tables = text.split("| line |").skip(1).filter_map(|rest| rest.split("\n\n").next());
        let rows = tables.flat_map(|table| table.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next()));
        for line in inline.chain(rows).filter(|line| line.contains(' ')) {
            count += 1;
            assert!(code.contains(&line.replace('\n', " ")), "{page}: no line says {line}");
        }
    }
    assert!(count > 12, "only {count} were found");
}

/// The deadlines of two pages are those that the service config has.
#[test]
fn the_deadlines_on_the_pages_are_those_of_the_service_config() {
    let text = read("proto/xpander/agent/v1/agent_grpc_service_config.json");
    let config: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for method in config["methodConfig"].as_array().expect("a list") {
        let Some(timeout) = method["timeout"].as_str() else { continue };
        let seconds: u64 = timeout.trim_end_matches('s').parse().expect("seconds");
        let said = if seconds.is_multiple_of(600) { format!("{} min", seconds / 60) } else { format!("{seconds} s") };
        for name in method["name"].as_array().expect("a list").iter().filter_map(|name| name["method"].as_str()) {
            for page in ["docs/callers.md", "docs/guide.md"] {
                let text = read(page);
                let mut rows = text.lines().filter(|row| row.starts_with('|') && row.contains(&format!("`{name}`")));
                assert!(rows.any(|row| row.contains(&format!("| {said}"))), "{page}: {name} has {said}");
            }
        }
    }
}

/// Whoever gives the platform's key its permissions has all that is asked, and no more.
#[test]
fn every_request_to_the_platform_is_in_the_table_of_permissions_and_the_other_way_round() {
    let is_request = |word: &&str| ["GET /", "POST /", "DELETE /"].iter().any(|method| word.starts_with(method));
    let code = read("src/telemetry/route.rs");
    let asked: BTreeSet<&str> = quoted(&code).filter(is_request).collect();
    let page = read("docs/operations.md");
    let part = page.split("**Permissions of the key.**").nth(1).and_then(|rest| rest.split("**Permissions on").next());
    let told: BTreeSet<&str> = part.map(|part| words(part).filter(is_request).collect()).unwrap_or_default();
    assert_eq!(told, asked);
}

/// A release moves the version in one place, and this names the others: the image's tag on the pages, its label, the chart,
/// the fuzz targets' lock file.
#[test]
fn every_version_of_ours_is_the_packages() {
    let (version, mut wrong, mut count) = (env!("CARGO_PKG_VERSION"), Vec::new(), 0);
    let others = ["Dockerfile", "helm/Chart.yaml", "fuzz/Cargo.lock"].map(PathBuf::from);
    let before = [
        "xpander-grpc-proxy:",
        "VERSION=",
        "**Status**: ",
        "\nversion: ",
        "\nappVersion: ",
        "name = \"xpander-grpc-proxy\"\nversion = \"",
    ];
    for file in pages().into_iter().chain(others) {
        let text = fs::read_to_string(&file).expect("a file");
        for rest in before.iter().flat_map(|before| text.split(before).skip(1)) {
            let said =
                rest.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default().trim_end_matches('.');
            if said.split('.').count() == 3 {
                count += 1;
                if said != version {
                    wrong.push(format!("{}: {said}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "the version is {version}: {wrong:#?}");
    assert!(count > 10, "only {count} were found");
}
