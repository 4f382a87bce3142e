# Everything one does with this repository. The lab needs root: where this is not run by root, make asks sudo for it.

SHELL := /bin/sh
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin:$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
# Cargo runs as the user; only what enters the lab runs as root.
ROOT := $(if $(filter 0,$(shell id -u)),,sudo -E) env PATH="$(TARGET)/debug:$$PATH"

NEXTEST := $(ROOT) cargo-nextest nextest run --cargo-metadata $(TARGET)/nextest/packages.json --binaries-metadata $(TARGET)/nextest/binaries.json

.PHONY: help demo tests test test-faults vm-test vagrant-test matrix fuzz lint schema manual bench deb install

help: ## Name the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST)

demo: ## Three bare machines become a cluster, in a lab on this machine
	scripts/install
	cargo build --locked --workspace --bins
	$(ROOT) homeprov-lab run --nodes 3 --storage default -- scripts/demo

tests:
	scripts/install --tests
	mkdir -p $(TARGET)/nextest
	cargo metadata --locked --format-version 1 >$(TARGET)/nextest/packages.json
	cargo nextest list --locked --workspace --list-type binaries-only --message-format json >$(TARGET)/nextest/binaries.json

test: tests ## Run every test but those of `make matrix`
	$(NEXTEST)
	cargo test --locked --workspace --doc

matrix: tests ## Run the tests that take minutes each: every fault of storage and of the site, a run killed after each of its events, each node rebooted after every seventh
	$(NEXTEST) --ignore-default-filter -E 'not default()'

test-faults: tests ## Break things on purpose, every way there is a test for, and write what came of it to tests/faults/README.md
	rm -rf $(TARGET)/fault-rows; mkdir -p $(TARGET)/fault-rows
	FAULT_ROWS=$(TARGET)/fault-rows $(NEXTEST) --profile faults
	scripts/fault-table $(TARGET)/fault-rows >tests/faults/README.md
	sed -n '/^|/p' tests/faults/README.md

vm-test: ## Prepare a real Debian under qemu, cut its connection, reset it; ACCEL=tcg emulates where KVM would do
	scripts/install --vm
	cargo build --locked --workspace --bins
	$(ROOT) scripts/vm-test $(TARGET)/debug/homeprov $(TARGET)/vm $(ACCEL)

vagrant-test: ## Real MicroK8s on virtual machines: up, again, the proof, a fourth machine, a power cut; needs a hypervisor and the internet
	cargo build --locked --package homeprov
	scripts/vagrant-test $(TARGET)/debug/homeprov

fuzz: ## Feed each reader of somebody else's text with rubbish, a minute each
	scripts/install
	scripts/fuzz

lint: ## Check format, lints, documentation, dependencies and scripts
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps --document-private-items
	if command -v cargo-deny >/dev/null; then cargo deny --offline check bans licenses sources && if cargo deny fetch db; then cargo deny check advisories; fi; fi
	if command -v shellcheck >/dev/null; then shellcheck .ci/run $$(grep -lE '^#!.*sh$$' scripts/* tests/vm/*) tests/vm/*.sh lab/tests/runtime/prelude.sh; fi

schema: ## Write inventory/schema.json anew
	cargo run --locked --quiet --package homeprov -- schema >inventory/schema.json.new
	mv inventory/schema.json.new inventory/schema.json

manual: ## Write the manual's pages that are made from the program anew, and the book if mdbook is here
	MANUAL_WRITE=1 cargo test --locked --quiet --package homeprov --test manual pages::
	if command -v mdbook >/dev/null; then mdbook build docs; else echo 'mdbook is not here: cargo install mdbook'; fi

bench: ## Measure homeprov against plain OpenSSH
	scripts/install
	scripts/bench

deb: ## Build the Debian package in target/debian
	cargo build --locked --release --package homeprov
	scripts/deb $(TARGET)/release/homeprov $(TARGET)/debian

install: ## Install homeprov for this user
	cargo install --locked --path .
