# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's errors on demand: the test's side of inject.h."""
import contextlib
import errno
import mmap
import os
import struct
import tempfile
from unittest import mock

import vm

RULES = 4
LAYOUT = "=16s112siIIIIIIII"  # InjectRule
SIZE = struct.calcsize(LAYOUT)
COUNTERS = struct.calcsize("=16s112siIII")  # seen, done
ARMED = COUNTERS + 8
ALWAYS = 1 << 31


class Rule:
    """One that is in force; @at is its place in the file."""

    def __init__(self, control, at):
        self.control, self.at = control, at

    def _counters(self):
        return struct.unpack_from("=II", self.control, self.at + COUNTERS)

    @property
    def seen(self):
        return self._counters()[0]

    @property
    def done(self):
        """How many calls got what it says."""
        return self._counters()[1]

    def wait(self, count=1):
        vm.wait_until(lambda: self.done >= count, f"{count} calls that fail")

    def end(self):
        struct.pack_into("=I", self.control, self.at + ARMED, 0)


class Injector:
    def __init__(self, control):
        self.control = control
        self.rules = []

    def fail(self, call, name="", err=0, *, limit=0, skip=0, count=ALWAYS, hold=False, kill=False):
        """From now on @call of what is called @name fails with @err ("EIO"), or moves @limit bytes at most; with @hold it
        does not end before the rule does; with @kill the program ends behind it."""
        at = len(self.rules) * SIZE
        number = getattr(errno, err) if err else 0
        struct.pack_into(LAYOUT, self.control, at, call.encode(), name.encode(), number, limit, skip, count, 0, 0, 0, hold, kill)
        struct.pack_into("=I", self.control, at + ARMED, 1)
        self.rules.append(Rule(self.control, at))
        return self.rules[-1]

    def end(self):
        """No call fails any more."""
        for rule in self.rules:
            rule.end()
        self.rules = []


@contextlib.contextmanager
def injecting(build):
    """Programs that start in this context have the library: an Injector of them."""
    with tempfile.NamedTemporaryFile(prefix="dimmable-inject-") as file:
        file.truncate(RULES * SIZE)
        with mmap.mmap(file.fileno(), RULES * SIZE) as control:
            options = f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0".lstrip(":")
            with mock.patch.dict(os.environ, INJECT_FILE=file.name, ASAN_OPTIONS=options,
                                 LD_PRELOAD=f"{build}/tests/qtest/libinject.so"):
                yield Injector(control)
