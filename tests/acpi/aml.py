# SPDX-License-Identifier: GPL-2.0-or-later
"""The DSDT in acpiexec, which has no hardware: an I/O region there is plain memory. So a table of the
test, loaded beside it, plays the registers of memory hot-plug and looks at what each method does."""
import re

import asl

PASSED = 0xA11600D
SLOT_STEPS = ["_STA of a slot in use", "_STA of an empty slot", "_PXM", "_CRS: address",
              "_CRS: last address", "_CRS: length", "_OST: slot", "_OST: event", "_OST: status",
              "_EJ0: slot", "_EJ0: flags", "_STA: slot", "_PXM: slot"]
LINK_STEPS = ["_SRS and then _CRS", "_STA of a link in use", "_STA after _DIS", "_CRS after _DIS"]
ROUTE_STEPS = ["address", "pin", "source with _PIC 0", "index with _PIC 0", "source with _PIC 1",
               "pin of the I/O APIC with _PIC 1", "entries"]

# What acpiexec complains of that is its own doing: 'execute predefined' gives integers to methods that
# take buffers, and a method that looks into the buffer then finds it too short.
ALLOWED = [
    r"Argument #\d type mismatch - Found \[Integer\], ACPI requires \[(?:Buffer|Package)\]",
    r"AE_AML_BUFFER_LIMIT, Field \[SIRQ\]",
    r"Aborting method \\_SB\.LNK[A-H]\._SRS due to previous error \(AE_AML_BUFFER_LIMIT\)",
    r"\\_SB_\.LNK[A-H]\._SRS +returned AE_AML_BUFFER_LIMIT",
    r"_OSC: Converted Integer to expected Buffer",
]

HEAD = """
DefinitionBlock ("", "SSDT", 2, "TEST", "CHECK", 1)
{
    OperationRegion (BLCK, SystemIO, 0x0A00, 0x20)
    Field (BLCK, DWordAcc, NoLock, Preserve)
    {
        SLOT, 32, HIGH, 32, SIZE, 32, SIZH, 32, NODE, 32
    }
    Field (BLCK, ByteAcc, NoLock, Preserve)
    {
        Offset (0x14), FLAG, 8
    }
"""
# What was written to the selector is read as the low half of the address: it is the same memory.
SLOT = """
    Method (T{n:03X}, 0, Serialized)
    {{
        HIGH = 1
        SIZE = 0x10000000
        SIZH = 2
        NODE = {node}
        FLAG = 1
        SLOT = 0xFFFF
        If ({path}._STA () != 0x0F) {{ Return (1) }}
        If (SLOT != {n}) {{ Return (12) }}
        FLAG = 0x06
        If ({path}._STA () != 0) {{ Return (2) }}
        SLOT = 0xFFFF
        If ({path}._PXM () != {node}) {{ Return (3) }}
        If (SLOT != {n}) {{ Return (13) }}
        Local0 = {path}._CRS ()
        CreateQWordField (Local0, 14, FRST)
        CreateQWordField (Local0, 22, LAST)
        CreateQWordField (Local0, 38, SPAN)
        If (FRST != 0x10000{n:04X}) {{ Return (4) }}
        If (LAST != 0x31000{n:04X} - 1) {{ Return (5) }}
        If (SPAN != 0x210000000) {{ Return (6) }}
        SLOT = 0xFFFF
        {path}._OST (3, 0x84, Buffer (1) {{ 0 }})
        If (SLOT != {n}) {{ Return (7) }}
        If (HIGH != 3) {{ Return (8) }}
        If (SIZE != 0x84) {{ Return (9) }}
        SLOT = 0xFFFF
        FLAG = 0
        {path}._EJ0 (1)
        If (SLOT != {n}) {{ Return (10) }}
        If (FLAG != 8) {{ Return (11) }}
        Return (0xA11600D)
    }}
"""


LINK = """
    Method (L{n:03X}, 0, Serialized)
    {{
        Name (TMPL, ResourceTemplate () {{ Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) {{ 11 }} }})
        {path}._SRS (TMPL)
        Local0 = {path}._CRS ()
        CreateDWordField (Local0, 5, FRST)
        If (FRST != 11) {{ Return (1) }}
        If ({path}._STA () != 0x0B) {{ Return (2) }}
        {path}._DIS ()
        If ({path}._STA () != 9) {{ Return (3) }}
        Local0 = {path}._CRS ()
        CreateDWordField (Local0, 5, SCND)
        If (SCND != 0) {{ Return (4) }}
        Return (0xA11600D)
    }}
"""
# Every slot's four pins, in the 8259s' mode by links and in the I/O APIC's by its pins 16 to 23.
ROUTES = """
    External (\\_SB.PCI0._PRT, MethodObj)
    External (\\_PIC, MethodObj)
    Method (ROUT, 0, Serialized)
    {
        \\_PIC (0)
        Local0 = \\_SB.PCI0._PRT ()
        \\_PIC (1)
        Local1 = \\_SB.PCI0._PRT ()
        If (SizeOf (Local0) != 128) { Return (7) }
        If (SizeOf (Local1) != 128) { Return (7) }
        Local2 = 0
        While (Local2 < 128)
        {
            Local3 = DerefOf (Local0 [Local2])
            Local4 = DerefOf (Local1 [Local2])
            If (DerefOf (Local3 [0]) != (((Local2 >> 2) << 16) | 0xFFFF)) { Return (1) }
            If (DerefOf (Local4 [0]) != (((Local2 >> 2) << 16) | 0xFFFF)) { Return (1) }
            If (DerefOf (Local3 [1]) != (Local2 & 3)) { Return (2) }
            If (DerefOf (Local4 [1]) != (Local2 & 3)) { Return (2) }
            If (ObjectType (Local3 [2]) != 6) { Return (3) }
            If (DerefOf (Local3 [3]) != 0) { Return (4) }
            If (DerefOf (Local4 [2]) != 0) { Return (5) }
            Local5 = DerefOf (Local4 [3])
            If ((Local5 < 16) || (Local5 > 23)) { Return (6) }
            Local2++
        }
        Return (0xA11600D)
    }
"""
# The same of a machine whose routes go by links in both modes.
LINK_ROUTES = """
    External (\\_SB.PCI0._PRT, PkgObj)
    Method (ROUT, 0, Serialized)
    {
        Local0 = \\_SB.PCI0._PRT
        If (SizeOf (Local0) != 128) { Return (7) }
        Local2 = 0
        While (Local2 < 128)
        {
            Local3 = DerefOf (Local0 [Local2])
            If (DerefOf (Local3 [0]) != (((Local2 >> 2) << 16) | 0xFFFF)) { Return (1) }
            If (DerefOf (Local3 [1]) != (Local2 & 3)) { Return (2) }
            If (ObjectType (Local3 [2]) != 6) { Return (3) }
            If (DerefOf (Local3 [3]) != 0) { Return (4) }
            Local2++
        }
        Return (0xA11600D)
    }
"""


def devices(dsl, hid, scope):
    """{_UID: path} of the devices with that _HID in a disassembled DSDT."""
    words = {"Zero": "0", "One": "1"}
    found = re.findall(rf'Device \((\w+)\)\s*\{{\s*Name \(_HID, EisaId \("{hid}"\)[^\n]*\n'
                       r'\s*Name \(_UID, (\w+)\)', dsl)
    return {int(words.get(uid, uid), 0): f"{scope}.{name}" for name, uid in found}


def externals(paths, methods):
    return "".join(f"    External ({path}.{method}, MethodObj)\n" for path in paths for method in methods)


def checker(dsl):
    """For a disassembled DSDT: ASL of the table that tests it, and [(what, steps)]. Its method CHEK
    returns PASSED, or the index of what failed << 8 | the number of the step, from 1."""
    slots, links = devices(dsl, "PNP0C80", "\\_SB.MHPC"), devices(dsl, "PNP0C0F", "\\_SB")
    source = HEAD + externals(slots.values(), ("_STA", "_PXM", "_CRS", "_OST", "_EJ0"))
    source += externals(links.values(), ("_STA", "_CRS", "_SRS", "_DIS"))
    source += "".join(SLOT.format(n=n, node=n % 5, path=path) for n, path in slots.items())
    source += "".join(LINK.format(n=n, path=path) for n, path in links.items())
    tests = {f"T{n:03X}": (path, SLOT_STEPS) for n, path in slots.items()}
    tests |= {f"L{n:03X}": (path, LINK_STEPS) for n, path in links.items()}
    if links:
        source += ROUTES if "_PIC" in dsl else LINK_ROUTES
        tests["ROUT"] = ("_PRT", ROUTE_STEPS)
    calls = "".join(f"        Local0 = {method} ()\n"
                    f"        If (Local0 != 0xA11600D) {{ Return ({n << 8} | Local0) }}\n"
                    for n, method in enumerate(tests))
    source += f"    Method (CHEK, 0, Serialized)\n    {{\n{calls}        Return (0xA11600D)\n    }}\n"
    return source + "}\n", list(tests.values())


def count_slots(dsl):
    """How many memory devices a disassembled DSDT has; they are numbered from 0."""
    found = devices(dsl, "PNP0C80", "")
    if sorted(found) != list(range(len(found))):
        raise AssertionError(f"memory devices are {sorted(found)}")
    return len(found)


def check(folder, dsl):
    """Load dsdt.dat of @folder and evaluate all that it has, in both interrupt modes: each result is
    of the type that the specification wants, and each memory device and interrupt link does what it
    should. Raises AssertionError. (acpiexec's plain 'evaluate' has room for 16 KiB, which _PRT exceeds;
    'execute predefined' gives it what it needs, as operating systems do.)"""
    source, tests = checker(dsl)
    with open(f"{folder}/check.asl", "w", encoding="ascii") as file:
        file.write(source)
    status, out = asl.run(["iasl", "-p", "check", "check.asl"], folder)
    if status:
        raise AssertionError(f"the test's own table does not compile:\n{out[-3000:]}")
    batch = ["execute predefined", "evaluate \\_S5"]
    batch += ["evaluate \\_PIC 1", "execute predefined"] if "_PIC" in dsl else []
    batch += ["evaluate \\_GPE._E03"] if "_E03" in dsl else []
    batch += ["evaluate \\CHEK"]
    status, out = asl.run(["acpiexec", "-b", ";".join(batch), "dsdt.dat", "check.aml"], folder)
    bad = [line for line in out.splitlines()
           if re.search(r"Error|Warning|Exception|AE_[A-Z_]+|failed|No object|nsrepair", line)
           and not re.search(r"returned AE_OK|AE_NOT_FOUND.*_WAK", line)
           and not any(re.search(allowed, line) for allowed in ALLOWED)
           and not re.search(r"No object was returned from evaluation of \\(_PIC|_GPE\._E03)$", line)]
    if status or bad:
        raise AssertionError("acpiexec: " + "\n".join(bad[:20] or [out[-2000:]]))
    code = re.search(r"Evaluation of \\CHEK returned [^\n]*\n +\[Integer\] = (\w+)", out)
    code = int(code.group(1), 16) if code else 0
    if code != PASSED:
        what, steps = tests[code >> 8] if code >> 8 < len(tests) else ("?", [])
        step = steps[(code & 0xFF) - 1] if 0 < code & 0xFF <= len(steps) else f"result {code:#x}"
        raise AssertionError(f"{what}: {step}")
