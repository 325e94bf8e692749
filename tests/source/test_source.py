#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the source itself promises: which folder may include which, sizes, licences, and that the
documents name only what is there. BUILD-DIR is an argument; no machine is started."""
import os
import re
import subprocess
import sys
from pathlib import Path

import tap

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = f"{sys.argv[1]}/dimmable"

# Headers that the build makes.
GENERATED = {"qapi/qapi-types.h", "qapi/qapi-events.h", "qapi/qapi-commands.h"}

MAX_FILE = 800      # lines of a C file
MAX_FUNCTION = 80   # lines of a function's body


def house():
    """The folders, lowest first."""
    text = (ROOT / "meson.build").read_text()
    order = re.search(r"foreach folder : \[(.*?)\]", text, re.S).group(1)
    return [name.split("/")[0] for name in re.findall(r"'([^']+)'", order)]


def chips():
    """Those of hw/, lowest first."""
    return re.findall(r"subdir\('(\w+)'\)", (ROOT / "hw/meson.build").read_text())


def files(*suffixes, below=""):
    found = []
    for folder, names, leaves in os.walk(ROOT / below):
        names[:] = [name for name in names if name[0] != "." and name != "__pycache__"
                    and not (Path(folder) / name / "build.ninja").exists()
                    and not (folder == str(ROOT) and name.startswith("build"))]
        found += [Path(folder) / leaf for leaf in leaves if leaf.endswith(suffixes)]
    return sorted(path.relative_to(ROOT) for path in found)


def sources(*suffixes):
    return [path for folder in house() for path in files(*suffixes, below=folder)]


def includes(path):
    text = (ROOT / path).read_text()
    return [Path(name) for name in re.findall(r'^\s*#\s*include "([^"]+)"', text, re.M)]


def nothing(found):
    if found:
        raise AssertionError("\n" + "\n".join(found))


def upward(order, path, included, depth):
    """Whether an include leads from one of the folders @order to a later one."""
    if len(path.parts) <= depth + 1 or len(included.parts) <= depth + 1:
        return False
    return order.index(included.parts[depth]) > order.index(path.parts[depth])


def test_includes():
    floors, inner = house(), chips()
    wrong = []
    for path in sources(".c", ".h"):
        for included in includes(path):
            if str(included) not in GENERATED and not (ROOT / included).exists():
                wrong.append(f"{path}: {included} is no path from the root")
            elif upward(floors, path, included, 0):
                wrong.append(f"{path}: {included} is above {path.parts[0]}/")
            elif path.parts[0] == included.parts[0] == "hw" and upward(inner, path, included, 1):
                wrong.append(f"{path}: {included} is above hw/{path.parts[1]}/")
    nothing(wrong)


def test_engines():
    """Engines do not know each other."""
    wrong = []
    for path in files(".c", ".h", below="accel"):
        for included in includes(path):
            if (len(path.parts) == len(included.parts) == 3 and included.parts[0] == "accel"
                    and included.parts[1] != path.parts[1]):
                wrong.append(f"{path}: {included}")
    nothing(wrong)


def test_sizes():
    wrong = []
    for path in sources(".c", ".h"):
        lines = (ROOT / path).read_text().split("\n")
        if len(lines) > MAX_FILE:
            wrong.append(f"{path}: {len(lines)} lines")
        start = None
        for number, line in enumerate(lines, 1):
            if line == "{":
                start = number
            elif line == "}" and start:
                if number - start > MAX_FUNCTION:
                    wrong.append(f"{path}:{start}: a function of {number - start} lines")
                start = None
    nothing(wrong)


def test_licences():
    wrong = []
    for path in files(".c", ".h", ".S", ".py", ".sh", ".build", ".ld", ".lds", ".md"):
        if "SPDX-License-Identifier: " not in "".join((ROOT / path).open().readlines()[:3]):
            wrong.append(f"{path}: no SPDX line")
    nothing(wrong)


def test_leftovers():
    wrong = []
    for path in sources(".c", ".h", ".S", ".json"):
        for number, line in enumerate((ROOT / path).open(), 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                wrong.append(f"{path}:{number}: {line.strip()}")
    nothing(wrong)


def test_doc_paths():
    """Files that documents name are there; every document is in the README's list."""
    tops = "|".join(house() + ["docs", "scripts", "tests"])
    readme = (ROOT / "README.md").read_text()
    wrong = []
    for path in files(".md"):
        text = (ROOT / path).read_text()
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            if not (ROOT / path.parent / link).exists():
                wrong.append(f"{path}: the link {link}")
        for name in re.findall(rf"`((?:{tops})/[\w./-]*)`", text):
            if not (re.search("[A-Z]{4}", name) or name in GENERATED or (ROOT / name).exists()):
                wrong.append(f"{path}: there is no {name}")
        if path.parts[0] == "docs" and f"({path})" not in readme:
            wrong.append(f"README.md: no link to {path}")
    nothing(wrong)


def test_options():
    """docs/command-line.md has the options that -help has, and no others."""
    shown = subprocess.run([PROGRAM, "-help"], capture_output=True, text=True, check=True).stdout
    there = set(re.findall(r"^  (-[\w-]+)", shown, re.M))
    text = (ROOT / "docs/command-line.md").read_text()
    table = re.findall(r"^\| (`-[^|]*) \|", text, re.M)
    written = {option for row in table for option in re.findall(r"`(-[\w-]+)", row)}
    nothing([f"docs/command-line.md has no {option}" for option in sorted(there - written)]
            + [f"-help has no {option}" for option in sorted(written - there)])


tap.run([("includes", test_includes), ("engines", test_engines), ("sizes", test_sizes),
         ("licences", test_licences), ("leftovers", test_leftovers),
         ("doc-paths", test_doc_paths), ("options", test_options)])
