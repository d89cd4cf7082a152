# Thin: everything below also works as plain cargo commands once `make setup` has run.
.DEFAULT_GOAL := help
.PHONY: help setup build report readme test bench peers lint

# A build server must not change Cargo.lock.
LOCKED := $(if $(CI),--locked)

help:
	@echo 'make report   set up, build, measure the data sets that are here, write featbench-report/ (ARGS="--seeds 0,1")'
	@echo 'make test     set up, run all tests'
	@echo 'make bench    set up, run the benchmarks'
	@echo 'make peers    set up, measure featbench and its peers in Python and C side by side, write BENCHMARKS.md (TORCH=1: with PyTorch)'
	@echo 'make lint     formatting, clippy and documentation, warnings denied; committed reports against their records'
	@echo 'make readme   README.md and its results, written from the committed records'
	@echo 'make build    set up, build'
	@echo 'make setup    install what is missing: OpenCV, clang, the ONNX Runtime library (CUDA=1: with CUDA, CUDA=0: without)'

setup:
	@CUDA=$(CUDA) PEERS=$(PEERS) setup/install.sh

build: setup
	cargo build $(LOCKED)

report: setup
	cargo run $(LOCKED) -- report $(ARGS)

test: setup
	cargo test $(LOCKED) --workspace

bench: setup
	cargo bench $(LOCKED)

peers: PEERS := 1
peers: setup
	cargo build $(LOCKED) --bin featbench --example peers
	@TORCH=$(TORCH) benches/peers/run.sh $(ARGS)

readme: setup
	cargo run $(LOCKED) -- report --readme README.md

lint: setup
	cargo fmt --all --check
	cargo clippy $(LOCKED) --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc $(LOCKED) --workspace --no-deps
	python3 benches/peers/render.py reports/benchmarks BENCHMARKS.md --check
	@if [ -n "$$(find reports -name 'runs.csv*' 2>/dev/null)" ]; then set -x; cargo run $(LOCKED) -- report --check --from reports && cargo run $(LOCKED) -- report --check --readme README.md; fi
