# SPDX-License-Identifier: GPL-2.0-or-later
"""The time that passes in a guest."""
import time

import tap


class Clock:
    """The guest's clock against the host's, from one reading to the next: what it stood at most, how long a
    reading takes, and 1 % that its calibration may be off, are all that may lie between."""

    def __init__(self, guest):
        self.before, self.value, self.after = self.read(guest)

    @staticmethod
    def read(guest):
        before = time.time()
        value = float(guest.run("cut -d ' ' -f 1 /proc/uptime"))
        return before, value, time.time()

    def check(self, guest, stood):
        before, value, after = self.read(guest)
        passed = value - self.value
        least, most = (before - self.after - stood) * 0.99 - 0.01, (after - self.before) * 1.01 + 0.01
        tap.equal(least <= passed <= most, True,
                  f"{passed} s of the guest's clock, and from {least} to {most} s of the host's")
        self.before, self.value, self.after = before, value, after
