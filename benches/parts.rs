//! The time of the pure parts, by Criterion: `cargo bench --bench parts`. Not what a call costs: that is `compare`.

#[path = "shared/samples.rs"]
mod samples;
#[path = "shared/workloads.rs"]
mod workloads;

use criterion::{Criterion, criterion_group, criterion_main};

fn parts(criterion: &mut Criterion) {
    for workload in workloads::all() {
        criterion.bench_function(&workload.name, |bencher| bencher.iter(&workload.run));
    }
}

criterion_group!(benches, parts);
criterion_main!(benches);
