# The front door: `make` lists what there is.
.DEFAULT_GOAL := help
.PHONY: help demo sandbox serve-sandbox test lint fmt deny docs promise clients envoy cluster instructions ci release clean

tools := target/tools/bin
export PATH := $(CURDIR)/$(tools):$(PATH)

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## sandbox, proxy and a client in one process: the whole job, no key needed
	cargo run --locked -- demo

sandbox: ## the embedded platform alone, on 127.0.0.1:9016
	cargo run --locked -- sandbox

serve-sandbox: ## the proxy against the embedded platform, gRPC on :50051
	cargo run --locked -- serve --sandbox

test: ## run the tests
	cargo test --locked

lint: tools ## rustfmt, clippy and buf, as CI runs them
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	buf lint
	buf format -d --exit-code
	.ci/promise

fmt: tools ## format the Rust and the protobuf files
	cargo fmt
	buf format -w

deny: tools ## licences, banned crates, sources and advisories of the dependencies
	cargo deny --locked check

docs: tools ## render docs/configuration.md, docs/api.md and helm/README.md from what they document
	cargo run --quiet --locked -- check --reference >target/configuration.md
	mv target/configuration.md docs/configuration.md
	docs/sabledocs/run
	helm-docs --chart-search-root helm --sort-values-order file

promise: tools ## take what proto/ adds into the promised API, which CI holds proto/ to
	.ci/promise --renew

clients: tools ## the tests with clients in other languages
	tests/clients/run

envoy: tools ## the tests behind a real Envoy, with a real redis-server, and promtool's; one of them needs root
	cargo test --locked --test it -- --ignored --show-output envoy promtool redis

cluster: tools ## the rehearsals on a real Kubernetes: KUBECONFIG's, or one that is brought up for it, by root; a quarter of an hour
	tests/cluster/run

instructions: tools ## instructions of the pure parts, by callgrind: fails at 10 % more than before
	cargo bench --locked --profile counted --bench instructions

ci: ## all that a change must pass
	.ci/run

release: ## what a release is, in target/dist: binary, image, chart, SBOM, checksums; after `.ci/tools release`
	.ci/release

clean: ## remove target/, the installed tools with it
	cargo clean

.PHONY: tools
tools:
	@.ci/tools
