# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests in a network of their own, where taps can be made without touching the host's."""
import os
import subprocess
import sys

import tap


def call(function, arguments=1):
    """Run this program again in such a network, with the name @function behind its first @arguments; skip where none can be
    made."""
    unshare = ["unshare", "-n" if os.geteuid() == 0 else "-rn"]
    probe = subprocess.run([*unshare, "sh", "-c", "ip link set lo up && ip tuntap add probe mode tap"],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if probe.returncode:
        raise tap.Skip(f"no tap can be made here: {probe.stdout.decode(errors='replace').strip()}")
    inside = subprocess.run([*unshare, sys.executable, *sys.argv[:1 + arguments], function], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, check=False)
    tap.equal(inside.returncode, 0, inside.stdout.decode(errors="replace"))
