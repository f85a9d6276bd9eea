# The commands a newcomer types. Meson and Ninja do the work; see CONTRIBUTING.md.
BUILD ?= build
JOBS  ?= $(shell nproc)
ARGS  ?=

.PHONY: run test build lint bench soak fuzz install clean deps deps-test

run: build
	@exec $(BUILD)/scope serve $(ARGS)

build: deps
	@tools/configure $(BUILD)
	@ninja -C $(BUILD) -j $(JOBS) --quiet

test: deps-test
	@tools/run-tests

lint: deps-test
	@tools/lint --all

bench: build
	@tools/run-bench $(BUILD)

soak: deps-test build
	@tools/run-tests --soak

fuzz: deps-test
	@tools/run-fuzz

install: build
	@meson install -C $(BUILD) --quiet

deps:
	@tools/install-deps run

deps-test:
	@tools/install-deps test

clean:
	@rm -rf $(BUILD) build-asan build-tsan build-fuzz 
