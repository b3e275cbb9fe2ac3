# The chores of fitferry. `make demo` shows it at work, `make test` proves it.
# Both first install what a machine with a Rust toolchain may lack, and say so.

CARGO ?= cargo
# What `make demo` and `make get-token` run.
FITFERRY ?= $(CARGO) run --locked --package fitferry --

.PHONY: help setup demo test check format get-token install

help:
	@echo 'make demo       the whole journey against a Garmin and a Strava on this machine'
	@echo 'make test       rustfmt, clippy and all tests'
	@echo 'make install    put `fitferry` where cargo puts programs'
	@echo 'make get-token  sign in to Strava and print the refresh token'
	@echo 'make format     let rustfmt have its way'
	@echo 'make check      rustfmt and clippy, changing nothing'
	@echo 'make setup      install what the others need'

setup:
	@./scripts/setup test

demo:
	@./scripts/setup build
	@$(CARGO) build --locked --package fitferry
	@$(FITFERRY) demo

test: setup check
	$(CARGO) test --locked --workspace

check:
	@./scripts/setup check
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings

format:
	@./scripts/setup check
	$(CARGO) fmt --all

get-token:
	@./scripts/setup build
	@$(FITFERRY) login strava --print-refresh-token

install:
	@./scripts/setup build
	$(CARGO) install --locked --path crates/cli
