//! Every link of a page leads somewhere, to a heading too.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// All pages that people read.
pub fn pages() -> Vec<PathBuf> {
    let folders = [".", "docs", "helm", "fuzz", "tests/clients", "tests/clients/official", "tests/harm"];
    let examples = fs::read_dir("examples").expect("examples").map(|entry| entry.expect("an entry").path());
    let entries = folders.iter().map(PathBuf::from).chain(examples).filter_map(|folder| fs::read_dir(folder).ok());
    let files = entries.flatten().map(|entry| entry.expect("an entry").path());
    let mut pages: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect();
    pages.sort();
    pages
}

/// The lines of a page that are no code.
pub fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// What stands in `code`, line by line.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    prose(text).flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for heading in prose(text).filter(|line| line.starts_with('#')) {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        // Of a link in a heading its words count.
        let words = words.split("](").next().unwrap_or_default().to_owned();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let again = (1..).map(|count| format!("{anchor}-{count}"));
        let anchor = std::iter::once(anchor.clone()).chain(again).find(|anchor| !anchors.contains(anchor));
        anchors.extend(anchor);
    }
    // Those that are written out.
    anchors.extend(text.split("<a id=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    anchors
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for link in prose(&text).flat_map(|line| line.split("](").skip(1)) {
            let Some((target, _)) = link.split_once(')') else { continue };
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            count += 1;
            let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
            let folder = page.parent().unwrap_or(Path::new("."));
            let file = if file.is_empty() { page.clone() } else { folder.join(file) };
            let is_there = match anchor {
                None => file.exists(),
                Some(anchor) => fs::read_to_string(&file).is_ok_and(|text| anchors(&text).contains(anchor)),
            };
            if !is_there {
                wrong.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 150, "only {count} links were found");
}
