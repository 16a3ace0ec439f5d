//! Every file of the fuzz corpora, replayed: what fuzzing has found stays found.

#[path = "../../fuzz/edge.rs"]
mod edge;
#[path = "../../fuzz/properties.rs"]
mod properties;

use std::{fs, panic::catch_unwind, path::Path};

type Property = fn(&[u8]);

const TARGETS: [(&str, Property); 11] = [
    ("activity", properties::activity),
    ("edge", edge::edge),
    ("event", properties::event),
    ("event_decoder", properties::event_decoder),
    ("free_json", properties::free_json),
    ("list", properties::list),
    ("names", properties::names),
    ("proto_json", properties::proto_json),
    ("refusal", properties::refusal),
    ("request", properties::request),
    ("task", properties::task),
];

fn entries(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut entries: Vec<_> = files
        .map(|file| {
            let path = file.expect("readable").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(&path).unwrap_or_default())
        })
        .collect();
    entries.sort();
    entries
}

#[test]
fn every_target_has_a_property_and_a_corpus() {
    let targets: Vec<_> = entries("fuzz_targets").into_iter().map(|(name, _)| name).collect();
    assert_eq!(targets, TARGETS.map(|(name, _)| format!("{name}.rs")));
    let corpora: Vec<_> = entries("corpus").into_iter().map(|(name, _)| name).collect();
    assert_eq!(corpora, TARGETS.map(|(name, _)| name));
}

#[test]
fn every_file_of_the_corpora_keeps_its_property() {
    let mut faults = Vec::new();
    for (target, property) in TARGETS {
        let files = entries(&format!("corpus/{target}"));
        assert!(files.len() >= 5, "{target} has {} files", files.len());
        for (name, bytes) in files {
            if catch_unwind(|| property(&bytes)).is_err() {
                faults.push(format!("fuzz/corpus/{target}/{name}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// What a fuzzer does without looking at the code: files of the target's corpus, cut, joined and changed at random, for so
/// many seconds. Where libFuzzer is at hand it finds more.
#[test]
#[ignore = "tries FUZZ_TARGET, by default the edge, for as long as FUZZ_SECONDS says, by default ten minutes"]
fn a_target_bears_what_a_generator_makes() {
    let target = std::env::var("FUZZ_TARGET").unwrap_or_else(|_| "edge".to_owned());
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(600);
    let (name, property) = TARGETS.into_iter().find(|(name, _)| *name == target).expect("a target's name");
    let seeds = entries(&format!("corpus/{name}"));
    let (begun, mut count) = (std::time::Instant::now(), 0);
    while begun.elapsed().as_secs() < seconds {
        let seed = fastrand::u64(..);
        fastrand::seed(seed);
        let mut bytes = Vec::new();
        for _ in 0..fastrand::usize(1..6) {
            let (_, file) = &seeds[fastrand::usize(..seeds.len())];
            let from = fastrand::usize(..=file.len());
            bytes.extend_from_slice(if fastrand::bool() { file } else { &file[from..] });
            bytes.extend(
                std::iter::repeat_with(|| fastrand::u8(..)).take(fastrand::usize(..12) * usize::from(fastrand::bool())),
            );
        }
        for _ in 0..fastrand::usize(..8) {
            let at = fastrand::usize(..bytes.len().max(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte = fastrand::u8(..);
            }
        }
        if catch_unwind(|| property(&bytes)).is_err() {
            panic!("seed {seed}, after {count}: {bytes:?}");
        }
        count += 1;
    }
    println!("{name}: {count} inputs");
}
