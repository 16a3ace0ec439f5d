#![no_main]

#[path = "../edge.rs"]
mod edge;

libfuzzer_sys::fuzz_target!(|data: &[u8]| edge::edge(data));
