//! A module names only modules on lower floors; files do not name each other in circles.

mod circles;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// From the top down, as src/lib.rs draws them.
const FLOORS: [&str; 14] = [
    "cli",
    "app",
    "sandbox",
    "grpc",
    "calls",
    "translate",
    "claims",
    "platform",
    "health",
    "shutdown",
    "telemetry",
    "config",
    "proto",
    "memory",
];

/// How many files a room may have.
const MOST_FILES: usize = 12;

#[test]
fn imports_run_downward() {
    let mut faults = Vec::new();
    for (floor, module) in FLOORS.iter().enumerate() {
        let files =
            files(&PathBuf::from("src").join(module)).into_iter().chain([PathBuf::from(format!("src/{module}.rs"))]);
        for file in files.filter(|file| file.is_file()) {
            let code = fs::read_to_string(&file).expect("readable");
            for named in named(&code) {
                let is_below = FLOORS.iter().position(|name| *name == named).is_some_and(|other| other > floor);
                // Nobody but the command line may know the embedded platform.
                if named != *module && (!is_below || named == "sandbox" && *module != "cli") {
                    faults.push(format!("{} names crate::{named}", file.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_module_has_its_floor() {
    for entry in fs::read_dir("src").expect("src") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        let module = name.trim_end_matches(".rs");
        assert!(FLOORS.contains(&module) || ["lib", "main"].contains(&module), "{module} has no floor");
    }
}

#[test]
fn the_map_has_every_room() {
    let map = fs::read_to_string("ARCHITECTURE.md").expect("the map");
    let named: Vec<_> = map.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | ")).collect();
    let mut folders = vec![PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        let inner = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        for folder in inner.filter(|path| path.is_dir()) {
            let name = folder.strip_prefix("src").expect("below it").display().to_string();
            assert!(named.iter().any(|(room, _)| *room == name), "ARCHITECTURE.md does not have the room {name}");
            folders.push(folder);
        }
    }
}

#[test]
fn a_room_has_at_most_a_dozen_files() {
    let mut folders = vec![PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let (inner, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
        let files = files.iter().filter(|file| file.extension().is_some_and(|kind| kind == "rs")).count();
        assert!(files <= MOST_FILES, "{} has {files} files", folder.display());
        folders.extend(inner);
    }
}

#[test]
fn nothing_is_reexported_at_the_crate_root() {
    assert!(!fs::read_to_string("src/lib.rs").expect("src/lib.rs").contains("pub use"));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let entries = entries.map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The modules that code names: `crate::module`, also inside `crate::{…}`.
fn named(code: &str) -> Vec<String> {
    let mut named = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            let mut is_first = true;
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => is_first = true,
                    c if depth == 0 && is_first && (c.is_alphanumeric() || c == '_') => word.push(c),
                    _ if !word.is_empty() => {
                        named.push(std::mem::take(&mut word));
                        is_first = false;
                    }
                    _ => {}
                }
            }
            named.extend((!word.is_empty()).then_some(word));
        } else {
            named.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    named
}
