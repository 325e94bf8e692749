# SPDX-License-Identifier: GPL-2.0-or-later
# A thin face for configure, meson and ninja. 'make help' says what there is.
BUILD  ?= build
WERROR ?=
CONFIGURE_FLAGS ?= $(if $(WERROR),--werror)
# What the tests in tests/clients run, beside libvirt; and those that take longer.
CLIENTS      = virtinst genisoimage python3-libvirt guestfish guestfs-tools supermin kmod dpkg-dev debhelper lintian man-db
CLIENTS_LONG = debvm autopkgtest extlinux vmdb2 debootstrap parted
# Those of the long ones that CI has time for.
CLIENTS_CI = debvm deb-installed vmdb2

.PHONY: all help setup build guest image demo deb check check-clients check-clients-ci check-nested check-tsan check-translate torture debug-kernel golden bench fuzz install clean format
all: build

help:
	@echo "make            install the packages that are missing, configure and build ($(BUILD)/dimmable)"
	@echo "make demo       boot Debian's kernel, add a DIMM, remove it, each step timed"
	@echo "make check      every test; ends with 'N passed, N failed, N skipped'"
	@echo "make image      a Debian system as build/guest/debian.raw and .qcow2; see docs/debian.md"
	@echo "make deb        a Debian package, $(BUILD)/deb/dimmable_VERSION_amd64.deb"
	@echo "make check-clients  programs that start machines: libvirt, virt-install, guestfish, debvm, ...; see docs/clients.md"
	@echo "make check-nested  KVM with ordinary kernels, in a machine that qemu-system-x86_64 emulates"
	@echo "make check-tsan    unit tests, qtest and bare guests under ThreadSanitizer; see docs/tsan.md"
	@echo "make check-translate  the guest suite with every block translated, and with none"
	@echo "make torture    move Linux between two machines 50 times, on pc and on q35, and with each disk controller 20 times; devices that come and go 200 times; jobs and dimmable-img killed at each kind of write; 10^6 random steps of hot-plug; CPUs that come and go 100 times; 20 minutes of stress-ng; Debian installed to disks of four kinds; every scenario of dimmable-memhp-check"
	@echo "make debug-kernel  download the debug symbols of the guest's kernel, nearly 300 MB, for the test with the program crash"
	@echo "make golden     write tests/acpi/golden anew: the ACPI tables as text"
	@echo "make bench      measure, beside qemu-system-x86_64 where it is installed"
	@echo "make fuzz       run each fuzz target for FUZZ_SECONDS (60); see docs/fuzzing.md"
	@echo "make install    install (DESTDIR and ./configure --prefix are honoured)"
	@echo "make clean      remove $(BUILD)"

setup:
	@scripts/install-packages.sh

build: setup
	@test -f $(BUILD)/build.ninja || ./configure $(BUILD) $(CONFIGURE_FLAGS)
	@ninja -C $(BUILD)

guest: setup
	@scripts/make-guest.sh $(BUILD)/guest

image: guest
	@scripts/make-image.py $(BUILD)/guest

demo: build guest
	@python3 scripts/demo.py $(BUILD)

deb: build
	@scripts/install-packages.sh dpkg-dev debhelper
	@scripts/make-deb.py $(BUILD)

# Without the image, or what clients are, their tests are skipped.
check: build guest
	-@scripts/install-packages.sh $(CLIENTS)
	-@scripts/make-image.py $(BUILD)/guest
	@python3 scripts/check.py $(BUILD) --no-suite nested --no-suite clients-long

check-clients: build guest
	@scripts/install-packages.sh $(CLIENTS) $(CLIENTS_LONG)
	-@scripts/make-image.py $(BUILD)/guest
	@python3 scripts/check.py $(BUILD) --suite clients --suite clients-long

check-clients-ci: build guest
	-@scripts/install-packages.sh $(CLIENTS) $(CLIENTS_LONG)
	@python3 scripts/check.py $(BUILD) $(CLIENTS_CI)

check-nested: build guest
	-@scripts/install-packages.sh qemu-system-x86
	@python3 scripts/check.py $(BUILD) --suite nested

check-tsan: setup
	@test -f build-tsan/build.ninja || ./configure build-tsan --werror -Dsanitize=thread
	@ninja -C build-tsan
	@ln -sfn ../$(BUILD)/guest build-tsan/guest
	@G_SLICE=always-malloc python3 scripts/check.py build-tsan --suite unit --suite qtest --suite threads

check-translate: build guest
	@TRANSLATE=all python3 scripts/check.py $(BUILD) --suite guest
	@TRANSLATE=off python3 scripts/check.py $(BUILD) --suite guest

debug-kernel: guest
	@scripts/debug-kernel.sh $(BUILD)/guest

torture: build guest debug-kernel
	@MOVES=50 python3 tests/guest/test_moves.py $(BUILD) pc
	@MOVES=50 python3 tests/guest/test_moves.py $(BUILD) q35
	@for kind in ide ahci scsi nvme; do MOVES=20 python3 tests/guest/test_controllers.py $(BUILD) $$kind || exit 1; done
	@for card in e1000 e1000e rtl8139 vmxnet3 pcnet ne2k_pci i82559c; do MOVES=20 python3 tests/guest/test_cards.py $(BUILD) $$card || exit 1; done
	@ROUNDS=200 python3 tests/guest/test_device_rounds.py $(BUILD) pc
	@ROUNDS=200 python3 tests/guest/test_device_rounds.py $(BUILD) q35
	@KILLS=20 PYTHONPATH=tests/guest python3 tests/img/test_killed.py $(BUILD)
	@KILLS=40 PYTHONPATH=tests/guest python3 tests/qtest/test_job_kills.py $(BUILD)
	@OSPM_RANDOM_STEPS=500000 DIMMABLE_PROGRAM=$(CURDIR)/$(BUILD)/dimmable $(BUILD)/tests/qtest/ospm/test-ospm-random
	@ROUNDS=100 python3 tests/guest/test_cpus.py $(BUILD) pc "off and on" "come and go"
	@python3 tests/guest/test_crash_program.py $(BUILD)
	@STRESS_SECONDS=1200 python3 tests/guest/test_stress.py $(BUILD)
	-@scripts/install-packages.sh xorriso squashfs-tools
	-@scripts/make-iso.py $(BUILD)/guest
	@python3 tests/guest/test_install.py $(BUILD)
	@python3 tests/guest/test_memhp_check.py $(BUILD) all

golden: build
	@ninja -C $(BUILD) golden

bench: build guest
	-@scripts/make-image.py $(BUILD)/guest
	@python3 tests/bench/bench.py $(BUILD)
	@python3 tests/bench/devices.py $(BUILD)
	@python3 tests/bench/folders.py $(BUILD)
	@python3 tests/bench/img.py $(BUILD)
	@python3 tests/bench/jobs.py $(BUILD)
	@python3 tests/bench/moves.py $(BUILD)
	@python3 tests/bench/programs.py $(BUILD)
	@python3 tests/bench/debian.py $(BUILD)

fuzz:
	@scripts/install-packages.sh clang libclang-rt-14-dev
	@test -f build-fuzz/build.ninja || CC=clang ./configure build-fuzz \
		-Dfuzz=true -Dsanitize=address,undefined -Db_lundef=false
	@ninja -C build-fuzz fuzzers
	@python3 tests/fuzz/run.py build-fuzz $(FUZZ_TARGETS)

install: build
	@meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD)

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i
