# What each target does is said by `make help`. ARGS goes on to the program: make demo ARGS="--once --data /tmp/tacit"
SHELL := /bin/bash
ARGS ?=
CONFIGURATION ?= Release

export DOTNET_CLI_TELEMETRY_OPTOUT := 1
export DOTNET_NOLOGO := 1
export CONFIGURATION
# One compiler process for all projects, whatever the caller's shell says: the whole build takes half the time.
export UseSharedCompilation := true

.PHONY: help setup demo build test soak bench lint format publish clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo    build, run everything on this machine and ask one question through the whole path'
	@echo 'make test    all tests                      make soak    the same tests at full counts (hours)'
	@echo 'make bench   measure, update bench/         make lint    formatting, warnings, architecture'
	@echo 'make build   build everything               make format  mend the formatting'
	@echo 'make publish one file and a .deb for x64 and arm64, in artifacts/publish'
	@echo 'make setup   check the machine, install what is missing (as root)'
	@echo 'make clean   remove what was built'

setup:
	@build/setup.sh

demo: setup
	@build/compile.sh src/Cli/Tacit.Cli.csproj 60
	@src/Cli/bin/$(CONFIGURATION)/net10.0/tacit demo $(ARGS)

build: setup
	@build/compile.sh Tacit.slnx 150

test:
	@build/setup.sh test
	@build/compile.sh Tacit.slnx 150
	@build/test.sh

soak: export TACIT_SOAK := 1
soak: test

bench: setup
	@build/compile.sh bench 90
	@build/compile.sh src/Cli/Tacit.Cli.csproj 60
	@dotnet run -c Release --no-build --project bench -- $(or $(ARGS),all)

lint: setup
	@build/compile.sh Tacit.slnx 150
	@echo 'formatting …'
	@dotnet format Tacit.slnx --verify-no-changes --no-restore
	@build/test.sh Architecture

format:
	@dotnet format Tacit.slnx

publish: setup
	@deploy/publish.sh $(ARGS)

clean:
	@rm -rf artifacts TestResults src/*/bin src/*/obj tests/*/bin tests/*/obj bench/bin bench/obj
