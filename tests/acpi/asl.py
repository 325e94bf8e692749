# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables in iasl: it must read every table, and compile what it read to the same table again, with no
error, warning or remark."""
import os
import re
import shutil
import subprocess

# Remarks of iasl that are its own making, as patterns, each with the reason. There are none: a line
# that is added here needs one.
ALLOWED = []
# What it is told not to say: that QEMUVGID ends in letters. By this _HID guests know a VM generation ID of a PC.
NOT_TO_SAY = ["-vw", "6035"]
# UUIDs that iasl has not in its list: that of Intel's "NVDIMM DSM Interface".
UUIDS = r'ToUUID \("(?:4309ac30-0d11-11e4-9191-0800200c9a66|68f2d50b-c469-4d8a-bd3d-941a103fd3fc)"\) /\* Unknown UUID \*/'


def run(args, folder):
    done = subprocess.run(args, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=120, check=False)
    return done.returncode, done.stdout


def missing():
    """Why nothing can be proven here, or None."""
    absent = [tool for tool in ("iasl", "acpiexec") if not shutil.which(tool)]
    return f"{' and '.join(absent)}: package acpica-tools is not installed" if absent else None


def version():
    return re.search(r"version (\d+)", run(["iasl", "-v"], "/")[1]).group(1)


# Tables that are younger than Debian's iasl: it shows them as bytes only. reader.py reads them.
YOUNG = ("viot", "cedt")


# What iasl calls the table of error records and its actions.
NAMES = re.compile(r"\[(?:Error Record Serialization Table|Get Error \w+(?: \w+)?)\]")


def as_bytes(folder, name):
    with open(f"{folder}/{name}.dat", "rb") as file:
        data = file.read()
    return "".join(f"[{at:03X}h] {data[at:at + 16].hex(' ').upper()}\n" for at in range(0, len(data), 16))


def disassemble(folder, name):
    """NAME.dat or .aml in @folder becomes NAME.dsl; its text."""
    if name in YOUNG:
        return as_bytes(folder, name)
    source = next(f"{name}.{kind}" for kind in ("dat", "aml") if os.path.exists(f"{folder}/{name}.{kind}"))
    status, out = run(["iasl", "-d", source], folder)
    with open(f"{folder}/{name}.dsl", encoding="utf-8", errors="replace") as file:
        text = file.read()
    # External: a name that is not there.
    bad = re.findall(r".*(?:Invalid|Incorrect|Error|Unknown|External).*", NAMES.sub("", re.sub(UUIDS, "", text)))
    bad += re.findall(r".*(?:Error|Warning|Could not).*", out)
    if status or bad:
        raise AssertionError(f"iasl -d {source}: " + "\n".join(bad or [out]))
    return text


def compile_again(folder, name):
    """NAME.dsl becomes NAME-again.aml."""
    # -oa: no optimisations, which would change the byte code.
    status, out = run(["iasl", *NOT_TO_SAY, "-oa", "-p", f"{name}-again", f"{name}.dsl"], folder)
    remarks = [line for line in re.findall(r"^(?:Error|Warning|Remark) .*$", out, re.MULTILINE)
               if not any(re.search(allowed, line) for allowed in ALLOWED)]
    if status or remarks or not re.search(r"Compilation successful|0 Errors", out):
        raise AssertionError(f"iasl {name}.dsl: " + "\n".join(remarks or [out]))


def data_of(path):
    """Without the checksum and the compiler's name and version, which iasl writes itself."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    if data[:4] == b"APIC":
        forget_capable(data)
    del data[28:36], data[9:10]
    return data


def forget_capable(data):
    """Of each x2APIC in a MADT: this iasl shows and makes only one flag of its entry, Enabled. That the
    other one is right, Online Capable, is what reader.py is for."""
    at = 44
    while at < len(data):
        if data[at] == 9:
            data[at + 8] &= ~2
        at += data[at + 1]


def code_of(text):
    """A disassembly without its head, and with 'a = (a op b)' as 'a op= b': iasl makes one operation
    of two, which it then shows so."""
    text = text.partition("DefinitionBlock")[2]
    return re.sub(r"(?m)^( *)(\S+) = \(\2 (\S+) (.+)\)$", r"\1\2 \3= \4", text)


def prove(folder, name):
    """NAME.dat in @folder. Returns its disassembly; raises AssertionError."""
    text = disassemble(folder, name)
    if name in YOUNG:
        return text
    if name == "facs":  # of which iasl makes no table again: it has no standard header
        return text
    compile_again(folder, name)
    if name in ("dsdt", "ssdt"):
        again = disassemble(folder, f"{name}-again")
        if code_of(text) != code_of(again):
            raise AssertionError(f"the {name.upper()}, compiled again, disassembles to something else")
    elif data_of(f"{folder}/{name}.dat") != data_of(f"{folder}/{name}-again.aml"):
        raise AssertionError(f"{name}, compiled again, is another table")
    return text
