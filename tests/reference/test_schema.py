#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The schema against that of the reference, run as a black box: whatever we have, it has, and of the
same kind, except what docs/monitor.md lists as ours. Usage: test_schema.py BUILD-DIR"""
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
import tap  # noqa: E402

PROGRAM = f"{sys.argv[1]}/dimmable"
REFERENCE = shutil.which("qemu-system-x86_64")
DOC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/monitor.md")


def schema_of(program):
    """{(is a command or event, name): entry}"""
    script = b'{"execute":"qmp_capabilities"}{"execute":"query-qmp-schema"}{"execute":"quit"}'
    output = subprocess.run([program, "-M", "none", "-nodefaults", "-display", "none", "-qmp", "stdio"],
                            input=script, stdout=subprocess.PIPE, timeout=30, check=True).stdout
    reply = next(found for found in (json.loads(line).get("return") for line in output.splitlines())
                 if isinstance(found, list))
    return {(entry["meta-type"] in ("command", "event"), entry["name"]): entry for entry in reply}


class Comparison:
    """Differences that a client can meet, by place:
    "command" or "EVENT" alone, "command().argument", "command->.member", "EVENT!.member"; "[]" is an
    element, "<case>" a variant, "=value" a value of an enumeration."""

    def __init__(self, ours, level):
        self.ours, self.level = ours, level
        self.found = {}
        self.seen = set()
        for key in sorted(key for key in ours if key[0]):
            self.entry(key)

    def differ(self, place, what):
        self.found[place] = what

    def entry(self, key):
        name, ours, level = key[1], self.ours[key], self.level.get(key)
        if not level or ours["meta-type"] != level["meta-type"]:
            self.differ(name, f"the level has no such {ours['meta-type']}")
            return
        self.features(name, ours, level)
        if ours["meta-type"] == "event":
            self.types(name + "!", ours["arg-type"], level["arg-type"], reply=True)
            return
        if ours.get("allow-oob", False) != level.get("allow-oob", False):
            self.differ(name, "allow-oob")
        self.types(name + "()", ours["arg-type"], level["arg-type"], reply=False)
        self.types(name + "->", ours["ret-type"], level["ret-type"], reply=True)

    def features(self, place, ours, level):
        extra = set(ours.get("features", [])) - set(level.get("features", []))
        if extra:
            self.differ(place, f"features {sorted(extra)}")
        # What the level marks as going away is going away.
        for mark in ("deprecated", "unstable"):
            if mark in level.get("features", []) and mark not in ours.get("features", []):
                self.differ(place, f"it is {mark} in the level")

    def types(self, place, our_name, level_name, reply):
        if (our_name, level_name, reply) in self.seen:
            return
        self.seen.add((our_name, level_name, reply))
        ours, level = self.ours[False, our_name], self.level[False, level_name]
        meta = ours["meta-type"]
        if meta != level["meta-type"]:
            self.differ(place, f"{meta}, and {level['meta-type']} in the level")
        elif meta == "builtin" and ours["json-type"] != level["json-type"]:
            self.differ(place, f"{ours['json-type']}, and {level['json-type']} in the level")
        elif meta == "array":
            self.types(place + "[]", ours["element-type"], level["element-type"], reply)
        elif meta == "enum":
            self.values(place, ours, level)
        elif meta == "object":
            self.members(place, ours, level, reply)
            self.variants(place, ours, level, reply)

    @staticmethod
    def by_name(entry):
        return {member["name"]: member for member in entry["members"]}

    def values(self, place, ours, level):
        theirs = self.by_name(level)
        for name, value in self.by_name(ours).items():
            if name in theirs:
                self.features(f"{place}={name}", value, theirs[name])
            else:
                self.differ(f"{place}={name}", "the level has no such value")

    def members(self, place, ours, level, reply):
        mine, theirs = self.by_name(ours), self.by_name(level)
        for name in sorted(set(mine) | set(theirs)):
            where = f"{place}.{name}"
            if name not in theirs:
                self.differ(where, "the level has no such member")
            elif name not in mine:
                if reply and "default" not in theirs[name]:
                    self.differ(where, "it is in every reply of the level")
            else:
                self.features(where, mine[name], theirs[name])
                optional, level_optional = "default" in mine[name], "default" in theirs[name]
                if reply and optional and not level_optional:
                    self.differ(where, "optional, and in every reply of the level")
                if not reply and level_optional and not optional:
                    self.differ(where, "mandatory, and optional in the level")
                self.types(where, mine[name]["type"], theirs[name]["type"], reply)

    def variants(self, place, ours, level, reply):
        theirs = {variant["case"]: variant["type"] for variant in level.get("variants", [])}
        for variant in ours.get("variants", []):
            case = variant["case"]
            if ours["tag"] != level.get("tag"):
                self.differ(place, f"the tag is {level.get('tag')} in the level")
            elif case in theirs:
                self.types(f"{place}<{case}>", variant["type"], theirs[case], reply)


def documented():
    """The list in docs/monitor.md: rows of a table, each with places in `...`."""
    with open(DOC, encoding="utf-8") as file:
        section = file.read().split("\n## What is ours\n")[1].split("\n## ")[0]
    return {place for row in section.splitlines() if row.startswith("| `")
            for place in re.findall(r"`([^`]+)`", row.split(" | ")[0])}


def compare():
    if not REFERENCE:
        raise tap.Skip("qemu-system-x86_64 is not there")
    found = Comparison(schema_of(PROGRAM), schema_of(REFERENCE)).found
    extra = {place: what for place, what in found.items() if place not in documented()}
    if extra:
        raise AssertionError("\n".join(f"{place}: {what}" for place, what in sorted(extra.items())))
    tap.equal(documented() - set(found), set(), "documented as ours, but not different")


def can_fail():
    """Each kind of difference is seen."""
    ours = schema_of(PROGRAM)

    def changed(key, change):
        copy = json.loads(json.dumps(list(ours.values())))
        copy = {(e["meta-type"] in ("command", "event"), e["name"]): e for e in copy}
        change(copy[key], copy)
        return set(Comparison(ours, copy).found), set(Comparison(copy, ours).found)

    def member(entry, name):
        return next(m for m in entry["members"] if m["name"] == name)

    def drop(entry, name):
        entry["members"] = [m for m in entry["members"] if m["name"] != name]

    status = (False, ours[True, "query-status"]["ret-type"])
    state = (False, member(ours[status], "status")["type"])
    qom_list = (False, ours[True, "qom-list"]["arg-type"])
    stop = (False, ours[True, "SHUTDOWN"]["arg-type"])
    for key, change, place, forth, back in (
            (status, lambda e, s: drop(e, "running"), "query-status->.running", True, True),
            (status, lambda e, s: member(e, "running").update(type="int"), "query-status->.running", True, True),
            (status, lambda e, s: member(e, "running").update(default=None), "query-status->.running", False, True),
            (state, lambda e, s: drop(e, "paused"), "query-status->.status=paused", True, False),
            (stop, lambda e, s: drop(e, "reason"), "SHUTDOWN!.reason", True, True),
            (qom_list, lambda e, s: member(e, "path").update(default=None), "qom-list().path", True, False),
            (qom_list, lambda e, s: drop(e, "path"), "qom-list().path", True, False),
            ((True, "stop"), lambda e, s: e.update({"allow-oob": True}), "stop", True, True),
            ((True, "stop"), lambda e, s: e.update(features=["deprecated"]), "stop", True, True),
            ((True, "stop"), lambda e, s: s.pop((True, "stop")), "stop", True, False)):
        seen = changed(key, change)
        tap.equal((place in seen[0], place in seen[1]), (forth, back), f"{place}: {seen}")


tap.run([("differences are seen", can_fail), ("the schema and the level's", compare)])
