# Every target sets up what it needs (scripts/setup does only what is missing). `make` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PY := .venv/bin/python
ATOLL := .venv/bin/atoll

# Recordings are not part of the repository; tests and the demonstration use them where they are.
ifndef ATOLL_RECORDINGS
ATOLL_RECORDINGS := $(abspath $(wildcard ../shared/data/vibration))
endif
export ATOLL_RECORDINGS

# `make demo DATA=folder` loads recordings, `make test ARGS="-k plan"` passes words to pytest,
# `make check DONE=test` leaves out steps that were just run.
DATA ?=
ARGS ?=
DONE ?=
REPORTS := build/reports
# CI skips nothing, so that its tests need the compilers of `make check` too.
TEST_LEVEL := $(if $(filter true,$(CI)),check,test)
PYTEST = $(PY) -m pytest --junitxml=$(REPORTS)/$@.xml $(ARGS)
# A process a core, a file of tests in one of them; more than four would only wait for each other.
# `make test PARALLEL=` runs them one after another.
PARALLEL := -n auto --maxprocesses=4 --dist loadfile
STEPS := lint test test-slow receipts powercut-ci crash-ci sim-ci matrix dist

.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-slow test-net check lint format receipts property powercut \
        powercut-ci crash crash-ci matrix dist sdist wheels debs test-arm test-deb test-image bench pressure firmware-size bench-mcu \
        bench-store bench-pss bench-pss-arm bench-arm bench-traffic bench-writes bench-tasks bench-kernels bench-placement \
        bench-stragglers bench-scale firmware \
        firmware-test firmware-soak fuzz bench-serial \
        sim-ci sim-night sim-mutants clean distclean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup:  ## system packages, .venv, compilers: everything that `make check` needs
	@scripts/setup check

build:  ## compile the kernels in place, if a source has changed
	@scripts/setup run

demo:  ## a fleet on this machine answers, loses a device, answers again (DATA=folder of recordings)
	@scripts/setup run
	@$(ATOLL) demo $(if $(DATA),--data $(DATA)) $(ARGS)

test:  ## tests that need no root and no emulator, in at most 5 minutes
	@scripts/setup $(TEST_LEVEL)
	@$(PYTEST) $(PARALLEL) -m "not root and not slow and not emulator"

test-slow:  ## tests that take longer than ten seconds each, or need root or an emulator
	@scripts/setup $(TEST_LEVEL)
	@$(PYTEST) -m "root or slow or emulator"

test-net:  ## partitions, hangs, kills and loss over network namespaces, repeated; build/bench/net.json (root)
	@scripts/setup check
	@ATOLL_NET=full $(PYTEST) tests/net

check:  ## all that CI runs: lint, test, test-slow, receipts, powercut-ci, crash-ci, sim-ci, matrix, dist
	@scripts/setup check
	@scripts/check $(filter-out $(DONE),$(STEPS))

lint:  ## ruff, its formatter, mypy --strict
	@scripts/setup dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m mypy conftest.py scripts benchmarks

format:  ## let ruff rewrite what it can
	@scripts/setup dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

property:  ## ten times the cuts and merge orders of every kernel that the tests draw, by hypothesis
	@scripts/setup test
	@$(PYTEST) -n auto --maxprocesses=4 tests/kernels/property_cuts.py

firmware-size:  ## flash and RAM of the kernels on Cortex-M0 to M33; build/bench/firmware_size.json
	@scripts/setup check
	@$(PY) benchmarks/firmware_size.py

powercut:  ## a million power cuts and a million flipped bits, under an hour; build/bench/powercut.json
	@scripts/setup test
	@$(PY) tests/powercut/powercut.py $(ARGS)

powercut-ci:  ## a tenth of `make powercut`
	@scripts/setup $(TEST_LEVEL)
	@$(PY) tests/powercut/powercut.py --cuts 100000 --flips 100000 $(ARGS)

crash:  ## 500 kills each of gateway, device and broker under load; build/bench/crash.json
	@scripts/setup test
	@$(PY) tests/crash/crash.py $(ARGS)

crash-ci:  ## 16 kills of each in place of 500
	@scripts/setup $(TEST_LEVEL)
	@$(PY) tests/crash/crash.py --kills 16 --slices 2 $(ARGS)

bench-store:  ## shard store against SQLite and a plain file, and opening 10 GB; build/bench/store.json
	@scripts/setup run
	@$(PY) benchmarks/store.py $(ARGS)

receipts:  ## the same bits of every kernel on x86-64, aarch64, armv7 and six Cortex-M, by emulation
	@scripts/setup check
	@$(PY) benchmarks/receipts.py

matrix:  ## tests of wire, transport and runtime with each supported paho-mqtt and cbor2
	@scripts/setup test
	@$(PY) scripts/matrix.py $(ARGS)

dist:  ## sdist and wheel from a clean copy, installed and tried outside the checkout
	@scripts/setup dev
	@$(PY) scripts/dist.py

sdist:  ## the sdist alone, compiled and installed in an empty environment, without a network
	@scripts/setup dev
	@$(PY) scripts/sdist.py

wheels:  ## wheels for x86-64, aarch64, armv7l and armv6l, Python 3.11 and later, cross-built into dist/
	@scripts/setup check
	@$(PY) scripts/wheels.py $(ARGS)

debs:  ## Debian packages for amd64, arm64 and armhf from the wheels, into dist/
	@scripts/setup check
	@$(PY) scripts/debs.py $(ARGS)

test-deb:  ## the packages in a Debian of their own: installed, used, drained, upgraded, purged (root)
	@scripts/setup check
	@$(PYTEST) tests/deb

test-image:  ## an SD card's image in QEMU: as a Raspberry Pi 3, and through ten cuts of power on virt
	@scripts/setup check
	@ATOLL_IMAGE=full $(PYTEST) tests/image

test-arm:  ## the ARM wheels and their own tests in emulated userlands, ARMv6's kernels, a mixed fleet
	@scripts/setup check
	@ATOLL_ARM=full $(PYTEST) tests/arm

bench: bench-pss bench-tasks  ## every benchmark; results in build/bench/NAME.json

bench-pss:  ## memory and CPU of the runtime, idle, median of 10 minutes after 5: one device alone, and four
	@scripts/setup run
	@$(PY) benchmarks/pss.py $(ARGS)

bench-pss-arm:  ## the same, one device in an aarch64 guest of QEMU, whose own kernel counts
	@scripts/setup check
	@$(PY) benchmarks/pss_arm.py $(ARGS)

bench-arm:  ## instructions on aarch64 by qemu-user: start to birth, a block through a plan beside numpy
	@scripts/setup check
	@$(PY) benchmarks/arm.py $(ARGS)

bench-traffic:  ## bytes a day of an idle device, with IP headers, by purpose; normal and metered
	@scripts/setup run
	@$(PY) benchmarks/traffic.py $(ARGS)

bench-writes:  ## bytes a day written at ten channels at 1 Hz, by the device and on the disk (root)
	@scripts/setup run
	@$(PY) benchmarks/writes.py $(ARGS)

bench-tasks:  ## cost of a task against dask.distributed on the same work
	@scripts/setup bench
	@$(PY) benchmarks/tasks.py $(ARGS)

bench-kernels:  ## our kernels against the fastest peer installed, one thread
	@scripts/setup bench
	@$(PY) benchmarks/kernels.py $(ARGS)

firmware:  ## an image of the node for every board, in build/firmware
	@scripts/setup check
	@$(MAKE) --no-print-directory -C firmware_stubs BUILD=$(CURDIR)/build/firmware APP=node boards

firmware-test:  ## the firmware on every board in emulation: a part of test and test-slow (docs/firmware.md)
	@scripts/setup check
	@$(PYTEST) tests/firmware tests/cli/test_emulate.py tests/cli/test_flash.py tests/cli/test_demo_boards.py

firmware-soak:  ## 10,000 resets of emulated boards at random, twenty at once; build/bench/firmware_soak.json
	@scripts/setup check
	@$(PY) tests/firmware/soak.py $(ARGS)

fuzz:  ## ten million messages, sound and damaged, through the firmware's CBOR and Python's
	@scripts/setup check
	@$(MAKE) --no-print-directory -C firmware_stubs BUILD=$(CURDIR)/build/firmware \
	    $(CURDIR)/build/firmware/native/cbor_cases
	@$(PY) tests/firmware/differential.py build/firmware/native/cbor_cases --cases 10000000 $(ARGS)

bench-serial:  ## the framed serial link beside the raw line, emulated; build/bench/serial.json
	@scripts/setup check
	@$(PY) benchmarks/serial.py $(ARGS)

bench-mcu:  ## instructions on Cortex-M0, M4F and M7, emulated, beside CMSIS-DSP's
	@scripts/setup check
	@$(PY) benchmarks/mcu.py $(ARGS)

sim-ci:  ## sites under faults, simulated: 2 M events from fixed seeds; build/bench/sim-ci.json
	@scripts/setup $(TEST_LEVEL)
	@$(PY) benchmarks/sim_night.py --interpreted --from-seed 0 --chunk-seeds 16 --seeds 160 \
	    --events 2000000 --to build/bench/sim-ci.json $(ARGS)

sim-night:  ## 100 M events and over 10,000 seeds, cores compiled (ARGS=--resume); build/bench/sim-night.json
	@scripts/setup dev
	@$(PY) benchmarks/sim_night.py $(ARGS)

pressure:  ## ten times more input than the disks bear, for ten minutes: memory flat, drops counted
	@scripts/setup run
	@$(PY) benchmarks/pressure.py $(ARGS)

sim-mutants:  ## bugs put into the real sources on purpose: how many seeds it takes to find each
	@scripts/setup run
	@$(PY) tests/mutants/mutants.py $(ARGS)

bench-placement:  ## 1 M shards over 10,000 devices, against uhashring and a vnode ring
	@scripts/setup bench
	@$(PY) benchmarks/placement.py $(ARGS)

bench-stragglers:  ## how much longer jobs take while one of four devices is ten times as slow
	@scripts/setup run
	@$(PY) benchmarks/stragglers.py $(ARGS)

bench-scale:  ## CPU, memory and messages of one gateway with 100, 1,000 and 10,000 devices
	@scripts/setup run
	@$(PY) benchmarks/scale.py $(ARGS)

clean:  ## remove what was built or measured; .venv stays
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find kernels wire gateway -name '*.so' -delete
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean  ## clean, and remove .venv
	rm -rf .venv
