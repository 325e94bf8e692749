#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The proof of the ACPI tables; docs/acpi-tests.md says what is proven. Prints TAP.

    run.py matrix PROGRAM        every machine of matrix.py: reader, facts, iasl, acpiexec
    run.py golden PROGRAM        the tables of some against golden/*.dsl
    run.py regenerate PROGRAM    write golden/*.dsl; look at the difference before you commit it
    run.py unit PROGRAM          tables that the unit test writes (DIMMABLE_ACPI_DUMP) through iasl
"""
import concurrent.futures
import hashlib
import os
import pathlib
import re
import sys
import tempfile
import threading

import aml
import asl
import box
import facts
import matrix
import reader

import tap  # in tests/guest, which box.py adds to the path

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden"
JOBS = 2


class Prover:
    """iasl and acpiexec for tables; each different one once, however many machines have it."""

    def __init__(self, top):
        self.top = pathlib.Path(top)
        self.pool = concurrent.futures.ThreadPoolExecutor(JOBS)
        self.jobs = {}
        self.lock = threading.Lock()  # machines are started by several threads

    def job(self, name, data):
        key = f"{name}-{hashlib.sha256(data).hexdigest()[:16]}"
        with self.lock:
            if key not in self.jobs:
                self.jobs[key] = self.pool.submit(self.prove, self.top / key, name, data)
            return self.jobs[key]

    @staticmethod
    def prove(folder, name, data):
        folder.mkdir()
        (folder / f"{name}.dat").write_bytes(data)
        text = asl.prove(folder, name)
        if name == "dsdt":
            aml.check(folder, text)
        return text


def name_of(signature):
    return {"APIC": "apic", "FACP": "facp"}.get(signature, signature.lower())


class Machine:
    """One machine of the matrix, with what was found when it ran."""

    def __init__(self, config, program, rom):
        self.config = config
        with box.start(program, config, rom) as running:
            self.facts = facts.Facts(config, running)
            self.tables, _ = box.tables(running, config.firmware)
        self.dump = None
        if not config.firmware and all(dimm.how != "hot" for dimm in config.dimms):
            self.dump = box.dump(program, config)

    def check(self):
        self.facts.check(reader.read_all(self.tables))
        if self.dump is not None:
            found = {f"{name_of(name)}.dat": data for name, data in self.tables.items()}
            tap.equal(sorted(self.dump), sorted(found), "files of dump-acpi")
            for name, data in found.items():
                tap.equal(self.dump[name].hex(" ", 4), data.hex(" ", 4), f"dump-acpi: {name}")

    def check_dsdt(self, text):
        """What the DSDT says that the other tables say as well."""
        tap.equal(aml.count_slots(text), self.facts.slots, "memory devices in the DSDT")
        cpus = re.findall(r'_HID, "ACPI0007".*\n\s*Name \(_UID, (\w+)\).*\n\s*Name \(_PXM, (\w+)\)', text)
        words = {"Zero": "0", "One": "1"}
        nodes = {int(words.get(uid, uid), 0): int(words.get(node, node), 0) for uid, node in cpus}
        madt = reader.madt(self.tables["APIC"])
        tap.equal(nodes, {cpu.uid: self.facts.cpus[cpu.apic_id] for cpu in madt.cpus},
                  "processors in the DSDT and their nodes")


def matrix_tests(program, top):
    """(name, function) for each machine. They are started in advance, two at a time."""
    rom = f"{top}/rom"
    pathlib.Path(rom).write_bytes(bytes(64 << 10))
    prover = Prover(top)
    runners = concurrent.futures.ThreadPoolExecutor(JOBS)

    def begin(config):
        machine = Machine(config, program, rom)
        jobs = {name_of(name): prover.job(name_of(name), data) for name, data in machine.tables.items()
                if name != "RSDP"}
        return machine, jobs

    def finish(future):
        machine, jobs = future.result()
        machine.check()
        texts = {name: job.result() for name, job in jobs.items()}
        machine.check_dsdt(texts["dsdt"])

    started = [(config.name, runners.submit(begin, config)) for config in matrix.CONFIGS]
    tests = [(name, lambda future=future: finish(future)) for name, future in started]
    return tests + [("what the reader refuses", lambda: refused(runners.submit(begin, BROKEN).result()[0])),
                    ("a folder that cannot be made", lambda: no_folder(program))]


# The machine whose tables are broken, and how: table, offset, new bytes, a word of the complaint.
BROKEN = next(config for config in matrix.CONFIGS if config.name == "q35-hmat")
BREAKS = [
    ("APIC", 4, b"\xff", "bytes"), ("APIC", 45, b"\x00", "no length"), ("APIC", 45, b"\x09", "bytes"),
    ("APIC", 47, b"\xff", "broadcast"), ("APIC", 55, b"\x00", "share"),
    ("SRAT", 36, b"\x02", "reserved"), ("SRAT", 51, b"\x01", "twice"), ("SRAT", 130, b"\x1a", "overlap"),
    ("SLIT", 44, b"\x0b", "itself"), ("SLIT", 45, b"\x0a", "distances"), ("SLIT", 36, b"\x04", "nodes"),
    ("HMAT", 44, b"\x27", "bytes"), ("HMAT", 56, b"\x01", "twice"), ("FACP", 140, b"\x01", "DSDT"),
    ("FACP", 232 - 8, b"\x01", "gpe0"), ("FACP", 4, b"\x10", "bytes"), ("MCFG", 44, b"\x01", "MCFG"),
    ("HPET", 44, b"\x01", "HPET"), ("WAET", 36, b"\x0f", "WAET"), ("FACS", 4, b"\x20", "FACS"),
]


def refused(machine):
    """The reader, and what compares, find what is broken."""
    for name, offset, data, word in BREAKS:
        table = bytearray(machine.tables[name])
        table[offset:offset + len(data)] = data
        broken = {**machine.tables, name: bytes(table)}
        complaints = [complaint(broken)]
        table[9] = (table[9] - sum(table)) & 0xFF
        complaints.append(complaint({**machine.tables, name: bytes(table)}))
        if name != "FACS" and "checksum" not in complaints[0] and offset != 4 or word not in complaints[1]:
            raise AssertionError(f"{name} at {offset}: {complaints}, wanted: {word}")
    for name, sum_at in (("cpus", {0: 1}), ("memory", [])):
        found = reader.read_all(machine.tables)
        found["SRAT"] = found["SRAT"]._replace(**{name: sum_at})
        try:
            machine.facts.check(found)
        except reader.Bad:
            continue
        raise AssertionError(f"SRAT with other {name} was taken")


def complaint(tables):
    try:
        reader.read_all(tables)
        return "none"
    except reader.Bad as bad:
        return str(bad)


def no_folder(program):
    status, out = asl.run([program, "-machine", "pc,dump-acpi=/nonexistent/dir", "-accel", "qtest",
                           "-display", "none"], "/")
    tap.equal((status, "/nonexistent/dir" in out), (1, True), out)


# ---- golden tables ----

def golden_configs():
    return [config for config in matrix.CONFIGS if config.machine in config.golden.split()]


def golden_text(text):
    """A disassembly without the comment at its head, which has the date and the file's name, and without
    the hex dump at its end, which says nothing that the fields do not."""
    text = re.sub(r"(?s)\A/\*.*?\*/\s*", "", text)
    return text.partition("\nRaw Table Data:")[0].rstrip() + "\n"


def golden_of(program, config, top):
    """All tables of a machine as one text."""
    folder = pathlib.Path(top) / config.name
    folder.mkdir()
    parts = [f"// {config.name}: -m {config.memory} -smp {config.smp} {' '.join(config.arguments())}\n"
             f"// Made by 'make golden' with iasl {asl.version()}.\n"]
    for name, data in sorted(box.dump(program, config).items()):
        if name != "rsdp.dat":
            (folder / name).write_bytes(data)
            text = golden_text(asl.disassemble(folder, name.removesuffix(".dat")))
            parts.append(f"// ---- {name.removesuffix('.dat')} ----\n\n{text}")
    return "\n".join(parts)


def golden_check(program, config, top):
    wanted = (GOLDEN / f"{config.name}.dsl").read_text(encoding="utf-8")
    made_by = re.search(r"with iasl (\d+)", wanted).group(1)
    if made_by != asl.version():
        raise tap.Skip(f"iasl {made_by} made it; this one is {asl.version()} and may write otherwise")
    found = golden_of(program, config, top)
    if found != wanted:
        pathlib.Path(f"{top}/{config.name}/new").write_text(found, encoding="utf-8")
        diff = asl.run(["diff", "-u", str(GOLDEN / f"{config.name}.dsl"), f"{top}/{config.name}/new"], top)[1]
        raise AssertionError(f"not as in {GOLDEN.name}/{config.name}.dsl ('make golden' accepts it):\n{diff}")


def golden_tests(program, top):
    return [(config.name, lambda config=config: golden_check(program, config, top))
            for config in golden_configs()]


def regenerate(program, top):
    GOLDEN.mkdir(exist_ok=True)
    for old in GOLDEN.glob("*.dsl"):
        old.unlink()
    for config in golden_configs():
        (GOLDEN / f"{config.name}.dsl").write_text(golden_of(program, config, top), encoding="utf-8")
    return []


# ---- tables of the unit test ----

def unit_tests(program, top):
    os.environ["DIMMABLE_ACPI_DUMP"] = top
    status, out = asl.run([program, "-p", "/acpi/dump"], top)
    prover = Prover(tempfile.mkdtemp(dir=top))

    def written():
        tap.equal(status, 0, out)

    tests = [("tables are written", written)]
    for path in sorted(pathlib.Path(top).glob("*/*.dat")):
        if path.stem != "rsdp":
            job = prover.job(path.stem, path.read_bytes())
            tests.append((f"{path.parent.name}: {path.stem}", job.result))
    return tests


MODES = {"matrix": matrix_tests, "golden": golden_tests, "regenerate": regenerate, "unit": unit_tests}


def main():
    mode, program = sys.argv[1], os.path.abspath(sys.argv[2])
    if asl.missing():
        print(f"1..0 # SKIP {asl.missing()}")
        return
    with tempfile.TemporaryDirectory(prefix="test-acpi-") as top:
        tests = MODES[mode](program, top)
        if mode != "regenerate":
            tap.run(tests)


if __name__ == "__main__":
    main()
