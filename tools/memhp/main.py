#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""dimmable-memhp-check: run the scenarios of memory hot-plug on a kernel in an emulator, and report what it did."""
import argparse
import dataclasses
import fnmatch
import importlib
import os
import re
import shutil
import sys
import tempfile
import time
import typing

# Nothing is written to where the modules are: who removes a package of them would find it left.
sys.dont_write_bytecode = True

import guest  # noqa: E402
import report  # noqa: E402
import root  # noqa: E402
import vm  # noqa: E402
from scenario import SCENARIOS, Failure, Skip  # noqa: E402

# Each adds its scenarios.
for area in ("zones", "view", "removal", "refusal", "boot", "power", "dax"):
    importlib.import_module(area)


@dataclasses.dataclass
class Setup:
    """What the command line says about guests."""
    emulator: str
    kernel: str
    initrd: str
    accel: str
    machine: str
    memory: str
    append: str
    consoles: typing.Optional[str]  # the folder for what guests say
    place: type


def parse(words):
    parser = argparse.ArgumentParser(
        prog="dimmable-memhp-check",
        description="Run scenarios of memory hot-plug on a Linux kernel in an emulator, and report what the kernel did. "
                    "The output is TAP; the status is 1 if a scenario failed.")
    parser.add_argument("--kernel", metavar="BZIMAGE", help="the kernel")
    parser.add_argument("--modules", metavar="DIR", help="the kernel's modules, as /lib/modules/VERSION is; without them "
                        "scenarios are skipped that need a driver which is not built in")
    parser.add_argument("--initrd", metavar="ROOT", help="an initial RAM disk, or a folder with what one would have, that is "
                        "unpacked first: its modules are used where --modules is not given")
    parser.add_argument("--busybox", metavar="PROGRAM", help="a busybox that is linked statically (default: that in PATH)")
    parser.add_argument("--emulator", metavar="PROGRAM", help="dimmable (the default), or one that takes the same options")
    parser.add_argument("--accel", default="tcg", metavar="NAME", help="its engine (default: %(default)s)")
    parser.add_argument("--machine", default="pc", metavar="NAME", help="its machine (default: %(default)s)")
    parser.add_argument("--memory", default="512M", metavar="SIZE", help="of guests at boot (default: %(default)s)")
    parser.add_argument("--append", default="", metavar="WORDS", help="more for the kernel's command line")
    parser.add_argument("--only", action="append", metavar="PATTERN", help="scenarios whose names match, as zones/*; can be "
                        "given more than once")
    parser.add_argument("--list", action="store_true", help="print the scenarios, and end")
    parser.add_argument("--json", action="store_true", help="print a JSON document, not TAP")
    parser.add_argument("--consoles", metavar="DIR", help="keep what each guest said on its console in a file there, which is named "
                        "after the first scenario that it was started for")
    parser.add_argument("--patience", type=float, default=3, metavar="FACTOR", help="wait so many times a minute before "
                        "something that has not come counts as hanging (default: %(default)s)")
    args = parser.parse_args(words)
    if not args.list and not args.kernel:
        parser.error("--kernel is needed: a bzImage, as /boot/vmlinuz-VERSION is")
    for path in filter(None, (args.kernel, args.modules, args.initrd, args.consoles)):
        if not os.path.exists(path):
            parser.error(f"there is no {path}")
    for path in filter(None, (args.modules, args.consoles)):
        if not os.path.isdir(path):
            parser.error(f"{path} is no folder")
    if args.kernel and os.path.isdir(args.kernel):
        parser.error(f"{args.kernel} is a folder, and no bzImage")
    if args.patience <= 0:
        parser.error("--patience has to be above 0")
    emulator = args.emulator or default_emulator()
    args.emulator = shutil.which(emulator)
    if not args.list and not args.emulator:
        parser.error(f"there is no program {emulator}: name the emulator with --emulator")
    return parser, args


def default_emulator():
    """The dimmable that was installed with us, or that in PATH."""
    beside = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "dimmable")
    return beside if os.access(beside, os.X_OK) else "dimmable"


def chosen(patterns):
    """Scenarios by name, those of an area that want the same guest together."""
    areas = [s.name.split("/")[0] for s in SCENARIOS]
    configs = [s.config for s in SCENARIOS]
    ordered = sorted(SCENARIOS, key=lambda s: (areas.index(s.name.split("/")[0]), configs.index(s.config)))
    return [s for s in ordered if not patterns or any(fnmatch.fnmatchcase(s.name, pattern) for pattern in patterns)]


class Runner:
    """Runs scenarios one after the other. One that leaves its guest as it was leaves it to the next."""

    def __init__(self, setup):
        self.setup = setup
        self.guest = None
        self.reports = []  # how emulators ended that did not end as they should

    def close(self):
        if self.guest:
            self.guest.close()
            self.reports += [self.guest.report] if self.guest.report else []
        self.guest = None

    def guest_for(self, scenario):
        if self.guest and self.guest.config != scenario.config:
            self.close()
        if not self.guest:
            self.guest = guest.Guest(self.setup, scenario.config, scenario.name)
        return self.guest

    def checked(self, scenario):
        """Run it, and look whether the kernel has found a fault of its own meanwhile."""
        it = self.guest_for(scenario)
        mark = it.mark()
        done = scenario.function(it)
        it.look()
        complaints = it.complaints(it.log_since(mark))
        if complaints:
            raise Failure(f"{done.text}; the kernel complains: {re.sub(r'^.[ 0-9.]+. ', '', complaints[0])}", complaints)
        if it.dimms():
            self.close()
        return done

    def run(self, scenario):
        start = time.monotonic()
        seconds, lines = None, []
        try:
            done = self.checked(scenario)
            outcome = "refused" if done.refused else "ok"
            text, seconds, lines = done.text, done.seconds, done.lines
        except Skip as reason:
            outcome, text = "skip", str(reason)
            self.close()
        except Failure as err:
            outcome, text, lines = "fail", str(err), err.lines
            self.close()
        except (vm.Timeout, vm.QmpError, EOFError, OSError, RuntimeError) as err:
            text, *lines = str(err).splitlines() or [repr(err)]
            outcome = "fail"
            self.close()
        return report.Result(scenario.name, scenario.about, outcome, text, seconds, time.monotonic() - start, lines)


def main(words):
    parser, args = parse(words)
    scenarios = chosen(args.only)
    if not scenarios:
        parser.error("no scenario has such a name; --list prints them")
    if args.list:
        width = max(len(s.name) for s in scenarios)
        for s in scenarios:
            print(f"{s.name:{width}}  {s.about}")
        return 0
    place = type("Place", (vm.Here,), {"patience": args.patience})
    header = {"kernel": args.kernel, "emulator": args.emulator, "machine": args.machine, "accel": args.accel}
    with tempfile.TemporaryDirectory(prefix="memhp-check-") as folder:
        try:
            root.check_kernel(args.kernel)
            root.make(f"{folder}/initrd", args.busybox, args.modules, args.initrd)
        except (root.RootError, OSError) as err:
            parser.error(str(err))
        runner = Runner(Setup(args.emulator, args.kernel, f"{folder}/initrd", args.accel, args.machine, args.memory,
                              args.append, args.consoles, place))
        out = (report.Json if args.json else report.Tap)(sys.stdout, header)
        out.begin(len(scenarios))
        try:
            for s in scenarios:
                out.add(runner.run(s))
        finally:
            runner.close()
        out.end()
        for text in runner.reports:
            print(f"the emulator did not end as it should: {text}", file=sys.stderr)
    return 1 if runner.reports or any(result.outcome == "fail" for result in out.results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
