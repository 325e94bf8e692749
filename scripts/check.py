#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the tests of a build folder and count them: check.py BUILD-DIR [meson test options].

The closing line counts single test cases, as the TAP output of each test program lists them."""
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree


def programs(build):
    """Each test program, how it ended (one may die when every case that it has told of was good), and what it printed."""
    with open(f"{build}/meson-logs/testlog.json", encoding="utf-8", errors="replace") as file:
        for line in file:
            test = json.loads(line)
            yield test["name"], test["result"], test.get("stdout", "")


def reason(name, number, printed):
    """What the test program @name said last before its case @number failed."""
    said = next((lines for test, _, lines in printed if test.rpartition(" / ")[2] == name), "").splitlines()
    for place, line in enumerate(said):
        if re.match(rf"not ok {number}\b", line):
            before = [line[2:] for line in said[:place] if line.startswith("# ")]
            return f": {before[-1][:400]}" if before else ""
    return ""


def main():
    build = sys.argv[1]
    logs = [f"{build}/meson-logs/testlog{ending}" for ending in (".json", ".junit.xml")]
    for log in logs:
        if os.path.exists(log):
            os.unlink(log)
    result = subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs",
                             *sys.argv[2:]], check=False)
    if not all(map(os.path.exists, logs)):
        print(f"failed: no test was run: {' '.join(sys.argv[2:])}\n0 passed, 1 failed, 0 skipped", flush=True)
        return 1
    passed = failed = skipped = 0
    bad = []  # names of what failed
    printed = list(programs(build))
    # A test may print any byte, and XML has no way to write most control characters.
    text = open(f"{build}/meson-logs/testlog.junit.xml", encoding="utf-8", errors="replace").read()
    log = ElementTree.fromstring(re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "?", text).encode())
    for case in log.iter("testcase"):
        name = f"{case.get('classname')}: {case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            bad.append(name)
            program, number = case.get("classname").rpartition(" / ")[2], case.get("name").partition(" ")[0]
            print(f"failed: {name}{reason(program, number, printed)}")
        elif case.find("skipped") is not None:
            skipped += 1
            why = case.find("skipped").get("message") or (case.findtext("system-out") or "").strip()
            print(f"skipped: {name} {why}")
        else:
            passed += 1
    for name, ended, _ in printed:
        if ended not in ("OK", "SKIP") and not any(name in line for line in bad):
            failed += 1
            print(f"failed: {name}: {ended}, after its last case")
    if result.returncode and not failed:
        failed = 1
        print(f"failed: meson test ended with status {result.returncode}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or not passed else 0


sys.exit(main())
