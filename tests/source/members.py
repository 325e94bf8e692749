# SPDX-License-Identifier: GPL-2.0-or-later
"""Structures of devices, and what of them a snapshot keeps. Text in, findings out: nothing here knows
where the source is."""
import re

# What a member can be; docs/state.md has the words' meaning. A structure begins with state.
KINDS = ("state", "wiring", "configuration", "derived")

STRUCT = re.compile(r"^(?:typedef )?struct (\w+) \{\n(.*?)^\}", re.M | re.S)
COMMENT = re.compile(r"/\*(.*?)\*/", re.S)
MARK = re.compile(rf"^[ \t]*/\*\s*({'|'.join(KINDS)})\b[^*]*\*/[ \t]*$", re.M)
FIELD = re.compile(r"\b(?:STATE_[A-Z_]+|offsetof)\(\s*(\w+),\s*([\w.]+)")
MACRO = re.compile(r"^#define (\w+)\((\w+)\)\s+STATE_[A-Z]+\((\w+), ([\w.]*?)(\w+)\)$", re.M)


# A variable that lives as long as the program: its type, its name. Functions have parentheses.
STATIC = re.compile(r"^([ \t]*)static (?!inline\b)([^;{}()=]*?|struct \{.*?\n\1\} ?)(\w+(?:\[[^]]*\]|\s*,\s*\**\w+)*)\s*[=;]",
                    re.M | re.S)


def variables(text):
    """The names of the static variables of a text that can change, in functions too."""
    text = COMMENT.sub(" ", text)
    found = []
    for _, kind, names in STATIC.findall(text):
        if not re.search(r"\bconst\b", kind.rsplit("*", 1)[-1]):
            found += declared(names)
    return found


def structures(text):
    """{name: body} of those that the text defines."""
    return {found.group(1): found.group(2) for found in STRUCT.finditer(text)}


def declared(text):
    """The names that one declaration, without its semicolon, declares."""
    text = re.sub(r"_Atomic\([^)]*\)|__attribute__\(\(.*?\)\)|\b[A-Z_]+\([^)]*\)", " ", text)
    pointer = re.search(r"\(\s*\*\s*(\w+)(?:\[\w+\])?\s*\)\s*\(", text)
    if pointer:
        return [pointer.group(1)]
    text = re.sub(r"\[[^]]*\]|:\s*\w+", " ", text)
    return [re.findall(r"\w+", part)[-1] for part in text.split(",") if re.search(r"\w", part)]


def members(body, kind="state", prefix=""):
    """[(name, kind)] of a structure's members; those of structures inside have names with dots."""
    body = COMMENT.sub(" ", MARK.sub(lambda mark: f"@{mark.group(1)};", body))
    found, start, depth, inside = [], 0, 0, None
    for at, char in enumerate(body):
        if char == "{":
            if depth == 0:
                inside = at
            depth += 1
        elif char == "}":
            depth -= 1
        elif char == ";" and depth == 0:
            text = body[start:at].strip()
            start = at + 1
            if text.startswith("@"):
                kind = text[1:]
            elif inside is not None:
                inner, name = body[inside + 1:body.rindex("}", 0, at)], body[body.rindex("}", 0, at) + 1:at]
                name = "".join(f"{n}." for n in declared(name))
                found += members(inner, kind, prefix + name)
                inside = None
            elif text:
                found += [(prefix + name, kind) for name in declared(text)]
    return found


def tables(text):
    """{type: names of the members} that the tables of a text have."""
    found = {}
    for array in re.findall(r"StateField \w+\[\] = \{(.*?)^\};", text, re.M | re.S):
        for kind, name in FIELD.findall(array):
            found.setdefault(kind, set()).add(name)
        for macro, _, kind, before, _ in MACRO.findall(text):
            names = re.findall(rf"\b{macro}\((\w+)\)", array)
            found.setdefault(kind, set()).update(before + name for name in names)
    return {kind: names for kind, names in found.items() if names}


def base(body):
    """The type of the first member, if that is what the structure is derived from."""
    found = re.match(r"\s*(\w+) parent;", body)
    return found and found.group(1)


def is_device(name, bodies):
    while name in bodies and name != "Device":
        name = base(bodies[name])
    return name == "Device"


def check(texts):
    """What is wrong with the members of devices, and of whatever else has a table, in the sources
    @texts."""
    bodies, kept = {}, {}
    for text in texts:
        bodies.update(structures(text))
        for name, names in tables(text).items():
            kept.setdefault(name, set()).update(names)
    wrong = []
    for name, body in sorted(bodies.items()):
        if name == "Device" or not (name in kept or is_device(name, bodies)):
            continue
        fields = kept.get(name, set())
        tops = {field.split(".")[0] for field in fields}
        for member, kind in members(body):
            is_kept = member in fields or ("." not in member and member in tops)
            if member == "parent" and not (name in kept and base(body) in kept):
                continue
            if kind == "state" and not is_kept:
                wrong.append(f"{name}.{member} is in no state table: put it there, or below a comment that "
                             "says that it is wiring, configuration or derived (docs/state.md)")
            elif kind != "state" and is_kept:
                wrong.append(f"{name}.{member} is in a state table, and stands below '{kind}'")
    return wrong
