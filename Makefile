# Each target installs what it needs and skips what is there. `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export PATH := $(HOME)/.cache/slimta-queue-dict/bin:$(PATH)
# The module names no folder of whoever builds it. Cargo takes flags apart at spaces.
CRATES := $(or $(CARGO_HOME),$(HOME)/.cargo)/registry/src/
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS := $(if $(word 2,$(CRATES)),,--remap-path-prefix=$(CRATES)=)

PORT ?= 8080
SITE ?= target/site
RUST := Cargo.toml Cargo.lock rust-toolchain.toml $(shell find src -name '*.rs' -o -name '*.lua')
JS := $(shell find pkg -name '*.js' -not -path 'pkg/wasm/*') pkg/types.d.ts pkg/wasm.d.ts pkg/manifest.json tools/pkg.js tools/encode.js README.md
BUILT := pkg/wasm/.built
WASM_PACK := wasm-pack --log-level warn build --no-pack --mode no-install --target no-modules --out-dir target/wasm-pack

.PHONY: help pkg demo docs site test test-long bench tools browsers clean

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: pkg ## Builds the page and serves it with a mail server behind it; PORT=8080
	@node tools/demo/main.js $(PORT)

site: pkg ## Writes the page as a folder for any static web server; SITE=target/site
	@node tools/demo/site.js $(SITE)

pkg: tools ## Builds the npm package in pkg/ and holds its size against the limits
	@if [ ! -e $(BUILT) ] || [ -n "$$(find $(RUST) $(JS) -newer $(BUILT) -print -quit)" ] || [ ! -e pkg/package.json ] \
	  || ! grep -q '"exports"' pkg/package.json; then \
	  echo '== building the wasm module (about a minute the first time)'; \
	  $(WASM_PACK); \
	  echo '== making the package'; \
	  node tools/pkg.js; \
	  touch $(BUILT); \
	fi

docs: pkg ## Builds the API reference in target/docs, which any web server shows
	@node_modules/.bin/typedoc --options tools/typedoc.json --logLevel Warn
	@cargo doc --quiet --no-deps --all-features --target-dir target
	@rm -rf target/docs/rust && cp -R target/doc target/docs/rust
	@cp tools/docs.html target/docs/index.html
	@echo 'the reference is at target/docs/index.html'

test: pkg browsers ## Runs all tests in at most 15 minutes
	@tools/test

test-long: pkg browsers ## Runs all tests with the full campaigns
	@LONG=1 tools/test

bench: pkg browsers ## Measures this package and its rivals alternately; BENCH=--write keeps the results
	@tools/setup bench
	@node --expose-gc benches/maps.js $(BENCH)
	@node benches/schedule.js
	@node --expose-gc benches/queue.js $(BENCH)
	@node benches/indexeddb.js $(BENCH)
	@node benches/outbox.js $(BENCH)
	@node benches/redis.js $(BENCH)
	@node benches/level.js $(BENCH)

tools: node_modules/.package-lock.json
	@tools/setup build

browsers:
	@tools/setup test

node_modules/.package-lock.json: package.json package-lock.json
	@echo '== installing what package.json names'
	@tools/setup node
	@# Not `npm ci`: it refuses a lock file without the builds of Deno for other systems.
	@npm install --no-save --no-fund --no-audit --loglevel=error
	@touch $@

clean: ## Removes what was built here
	rm -rf target node_modules pkg/wasm pkg/package.json
