# The chores of fitferry. `make demo` shows it at work, `make test` proves it.
# Both first install what a machine with a Rust toolchain may lack, and say so.

CARGO ?= cargo
# What `make demo` and `make get-token` run.
FITFERRY ?= $(CARGO) run --locked --package fitferry --

# On AWS: CONFIG=FILE is the layer's configuration, ARCH=arm64 the other kind of function, and TF_ARGS go to
# Terraform after its command.
TERRAFORM := ./scripts/terraform -chdir=infra
tfvars_arch = $(shell sed -n 's/^[ ]*architecture[ ]*=[ ]*"\([a-z0-9_]*\)".*/\1/p' infra/terraform.tfvars 2>/dev/null)
arch = $(or $(ARCH),$(tfvars_arch),$(TF_VAR_architecture),x86_64)
tf_vars = $(if $(ARCH),-var architecture=$(ARCH))

.PHONY: help setup demo test check format get-token install package tf-init tf-plan tf-apply tf-destroy

help:
	@echo 'make demo       the whole journey against a Garmin and a Strava on this machine'
	@echo 'make test       rustfmt, clippy, terraform validate and all tests'
	@echo 'make install    put `fitferry` where cargo puts programs'
	@echo 'make get-token  sign in to Strava and print the refresh token'
	@echo 'make format     let rustfmt and terraform fmt have their way'
	@echo 'make check      rustfmt, clippy and terraform validate, changing nothing'
	@echo 'make setup      install what the others need'
	@echo
	@echo 'On AWS, see docs/aws.md:'
	@echo 'make package    the function and its layer in target/package (CONFIG=FILE, ARCH=arm64)'
	@echo 'make tf-init    let Terraform fetch what it needs'
	@echo 'make tf-plan    package, and show what would change (TF_ARGS=...)'
	@echo 'make tf-apply   package, and bring it to AWS (TF_ARGS=-auto-approve asks nothing)'
	@echo 'make tf-destroy take it down again'

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
	./scripts/check-infra

format:
	@./scripts/setup check
	$(CARGO) fmt --all
	@if command -v terraform >/dev/null; then ./scripts/terraform fmt -recursive infra; fi

get-token:
	@./scripts/setup build
	@$(FITFERRY) login strava --print-refresh-token

install:
	@./scripts/setup build
	$(CARGO) install --locked --path crates/cli

package:
	@./scripts/setup build
	$(CARGO) xtask package --arch '$(arch)' $(if $(CONFIG),--config '$(CONFIG)')

tf-init:
	$(TERRAFORM) init $(TF_ARGS)
	@./scripts/tf-lock

tf-plan: package
	$(TERRAFORM) plan $(tf_vars) $(TF_ARGS)

tf-apply: package
	$(TERRAFORM) apply $(tf_vars) $(TF_ARGS)

tf-destroy:
	@./scripts/tf-destroy $(tf_vars) $(TF_ARGS)
