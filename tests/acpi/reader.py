# SPDX-License-Identifier: GPL-2.0-or-later
"""A reader of ACPI tables, written from the ACPI specification 6.4 (sections in brackets) and sharing
nothing with the program that makes them. Anything that the specification forbids raises Bad.

Give read_tables() a function that reads physical memory, and it follows the references from the RSDP:
every table that it returns was found as an operating system finds it."""
import struct
from collections import namedtuple

Header = namedtuple("Header", "signature length revision oem_id oem_table creator")
Gas = namedtuple("Gas", "space bits offset access address")
Range = namedtuple("Range", "node base size flags")  # of memory
Figure = namedtuple("Figure", "hierarchy kind initiator target value")  # ps or MiB/s
Cache = namedtuple("Cache", "node size levels level associativity policy line")

ENABLED, HOTPLUGGABLE, NON_VOLATILE = 1, 2, 4


class Bad(AssertionError):
    """A table is not as the specification says."""


def need(condition, *what):
    if not condition:
        raise Bad(" ".join(str(word) for word in what))


def number(data, offset, size):
    need(offset + size <= len(data), "a field of", size, "bytes at", offset, "ends behind the table")
    return int.from_bytes(data[offset:offset + size], "little")


def sums_to_zero(data, what):
    need(sum(data) & 0xFF == 0, what, "has a wrong checksum")


def header(data):  # [5.2.6]
    need(len(data) >= 36, "a table of", len(data), "bytes")
    signature, length, revision, _, oem, table, _, creator, _ = struct.unpack_from("<4sIBB6s8sI4sI", data)
    return Header(signature.decode("ascii"), length, revision, oem.decode("ascii"), table.decode("ascii"),
                  creator.decode("ascii"))


def checked(data, signature, revisions):
    """The table's own checks: name, length, checksum, a revision that we know how to read."""
    found = header(data)
    need(found.signature == signature, "a table", found.signature, "where", signature, "should be")
    need(found.length == len(data), signature, "says", found.length, "bytes of", len(data))
    need(found.revision in revisions, signature, "has revision", found.revision)
    sums_to_zero(data, signature)
    return found


def gas(data, offset):  # [5.2.3.2]
    return Gas(*struct.unpack_from("<BBBBQ", data, offset))


# ---- where tables are ----

def find_rsdp(read):
    """In the BIOS area, on a boundary of 16 bytes [5.2.5.1]."""
    area = read(0xE0000, 0x20000)
    places = [at for at in range(0, len(area), 16) if area[at:at + 8] == b"RSD PTR "]
    need(len(places) == 1, "RSDPs at", [hex(0xE0000 + at) for at in places])
    return 0xE0000 + places[0]


def read_rsdp(read, address):  # [5.2.5.3]
    """(address of the table of tables, bytes of each entry of it, the RSDP)."""
    data = read(address, 20)
    need(data[:8] == b"RSD PTR ", "no RSDP at", hex(address))
    sums_to_zero(data, "the RSDP's first 20 bytes")
    if data[15] == 0:
        return number(data, 16, 4), 4, data
    length = number(read(address, 36), 20, 4)
    need(data[15] == 2 and length == 36, "RSDP of revision", data[15], "with", length, "bytes")
    data = read(address, length)
    sums_to_zero(data, "the RSDP")
    need(number(data, 33, 3) == 0, "reserved bytes of the RSDP")
    return number(data, 24, 8), 8, data


def read_table(read, address, header_is_standard=True):
    need(address, "a reference to address 0")
    length = number(read(address, 8), 4, 4)
    need(36 <= length < 1 << 24, "a table of", length, "bytes at", hex(address))
    data = read(address, length)
    if header_is_standard:
        sums_to_zero(data, f"{data[:4]} at {address:#x}")
    return data


def read_tables(read):
    """{signature: bytes} of all tables, and {signature: address}. "RSDP", "XSDT" (or "RSDT"), "DSDT" and
    "FACS" are among them."""
    rsdp = find_rsdp(read)
    root, width, data = read_rsdp(read, rsdp)
    tables, places = {"RSDP": data}, {"RSDP": rsdp}

    def add(address, *names, **how):
        table = read_table(read, address, **how)
        name = table[:4].decode("ascii")
        need(not names or name in names, "at", hex(address), "is", name, "and not", names)
        need(name not in tables, "two tables", name)
        tables[name], places[name] = table, address
        return table

    listed = add(root, "XSDT" if width == 8 else "RSDT")
    need((len(listed) - 36) % width == 0, "length of the table of tables:", len(listed))
    for at in range(36, len(listed), width):
        add(number(listed, at, width))
    need("FACP" in tables, "no FADT")
    facs, dsdt = fadt_references(tables["FACP"])
    add(facs, "FACS", header_is_standard=False)
    need(facs % 64 == 0, "FACS at", hex(facs))
    add(dsdt, "DSDT")
    apart = sorted((places[name], places[name] + len(table)) for name, table in tables.items())
    for (_, end), (start, _) in zip(apart, apart[1:]):
        need(end <= start, "tables overlap at", hex(start))
    return tables, places


# ---- FADT, FACS [5.2.9, 5.2.10] ----

Fadt = namedtuple("Fadt", "revision minor facs dsdt sci smi_cmd enable disable blocks lengths flags "
                  "boot_flags century reset reset_value")
FADT_BLOCKS = ["pm1a_evt", "pm1b_evt", "pm1a_cnt", "pm1b_cnt", "pm2_cnt", "pm_tmr", "gpe0", "gpe1"]
FADT_SIZES = {1: (116,), 3: (244,), 5: (268,), 6: (276,)}


def fadt_references(data):
    """Addresses of FACS and DSDT. The wide field counts if it is not 0."""
    narrow = number(data, 36, 4), number(data, 40, 4)
    wide = (number(data, 132, 8), number(data, 140, 8)) if len(data) >= 148 else (0, 0)
    need(not narrow[0] or not wide[0] or narrow[0] == wide[0], "FIRMWARE_CTRL and X_FIRMWARE_CTRL differ")
    need(not narrow[1] or not wide[1] or narrow[1] == wide[1], "DSDT and X_DSDT differ")
    return wide[0] or narrow[0], wide[1] or narrow[1]


def fadt(data):
    found = checked(data, "FACP", FADT_SIZES)
    need(found.length in FADT_SIZES[found.revision], "FADT of", found.length, "bytes")
    blocks = dict(zip(FADT_BLOCKS, struct.unpack_from("<8I", data, 56)))
    pm1_evt, pm1_cnt, pm2_cnt, pm_tmr, gpe0, gpe1 = data[88:94]
    lengths = dict(zip(FADT_BLOCKS, (pm1_evt, pm1_evt, pm1_cnt, pm1_cnt, pm2_cnt, pm_tmr, gpe0, gpe1)))
    need(pm1_evt >= 4 and pm1_cnt >= 2 and pm_tmr in (0, 4) and gpe0 % 2 == 0, "lengths of blocks", lengths)
    if found.revision >= 3:
        for n, name in enumerate(FADT_BLOCKS):
            wide = gas(data, 148 + 12 * n)
            if wide.address:
                need(wide.space == 1 and wide.address == blocks[name], name, wide, "and", hex(blocks[name]))
                need(wide.bits == min(lengths[name] * 8, 255), name, wide, "of", lengths[name], "bytes")
    return Fadt(found.revision, data[131] if found.revision >= 5 else 0, *fadt_references(data),
                number(data, 46, 2), number(data, 48, 4), data[52], data[53], blocks, lengths,
                number(data, 112, 4), number(data, 109, 2), data[108],
                gas(data, 116) if found.length >= 129 else None,
                data[128] if found.length >= 129 else None)


def facs(data):
    need(data[:4] == b"FACS" and number(data, 4, 4) == len(data) == 64, "FACS", data[:8])
    need(number(data, 16, 4) == 0, "the global lock is held")
    need(data[32] <= 2, "FACS of version", data[32])


# ---- structures with a type and a length ----

def entries(data, at, what):
    """(type, bytes) of structures that begin with a byte for each, to the end of @data."""
    while at < len(data):
        need(at + 2 <= len(data) and data[at + 1] >= 2, what, "has a structure of no length at", at)
        need(at + data[at + 1] <= len(data), what, "has a structure that is cut off at", at)
        yield data[at], data[at:at + data[at + 1]]
        at += data[at + 1]


def sized(kind, entry, sizes, what):
    need(kind in sizes, what, "has a structure of type", kind)
    need(len(entry) == sizes[kind], what, "structure of type", kind, "with", len(entry), "bytes")


# ---- MADT [5.2.12] ----

Madt = namedtuple("Madt", "apic_base pcat cpus io_apics overrides nmis")
Cpu = namedtuple("Cpu", "apic_id uid enabled x2apic capable")
MADT_SIZES = {0: 8, 1: 12, 2: 10, 4: 6, 9: 16, 10: 12}


def madt(data):
    checked(data, "APIC", range(1, 7))
    found = Madt(number(data, 36, 4), number(data, 40, 4) & 1, [], [], {}, [])
    for kind, entry in entries(data, 44, "MADT"):
        sized(kind, entry, MADT_SIZES, "MADT")
        if kind == 0:
            flags = number(entry, 4, 4)
            found.cpus.append(Cpu(entry[3], entry[2], flags & 1, False, flags >> 1 & 1))
            need(entry[3] != 255, "APIC ID 255 is the broadcast")
        elif kind == 9:
            flags = number(entry, 8, 4)
            found.cpus.append(Cpu(number(entry, 4, 4), number(entry, 12, 4), flags & 1, True, flags >> 1 & 1))
            need(number(entry, 4, 4) >= 255, "an x2APIC structure for APIC ID", number(entry, 4, 4))
        elif kind == 1:
            found.io_apics.append((entry[2], number(entry, 4, 4), number(entry, 8, 4)))
        elif kind == 2:
            need(entry[2] == 0 and entry[3] not in found.overrides, "overrides of interrupt", entry[3])
            found.overrides[entry[3]] = (number(entry, 4, 4), number(entry, 8, 2))
        elif kind == 4:
            found.nmis.append((entry[2], number(entry, 3, 2), entry[5]))
        else:
            found.nmis.append((number(entry, 4, 4), number(entry, 2, 2), entry[8]))
    for what in ("apic_id", "uid"):
        values = [getattr(cpu, what) for cpu in found.cpus]
        need(len(set(values)) == len(values), "processors share an", what)
    return found


# ---- SRAT, SLIT [5.2.16, 5.2.17] ----

Srat = namedtuple("Srat", "cpus memory")  # {APIC ID: node}, [Range]
SRAT_SIZES = {0: 16, 1: 40, 2: 24}


def srat(data):
    checked(data, "SRAT", range(1, 4))
    need(number(data, 36, 4) == 1, "the reserved field of SRAT that is 1")
    found = Srat({}, [])
    for kind, entry in entries(data, 48, "SRAT"):
        sized(kind, entry, SRAT_SIZES, "SRAT")
        if kind == 1:
            node, base, size, flags = struct.unpack_from("<I2xQQ4xI", entry, 2)
            need(flags < 8, "flags of memory", hex(flags))
            if flags & ENABLED:
                need(size, "no memory at", hex(base))
                found.memory.append(Range(node, base, size, flags))
            continue
        if kind == 0:
            node, ident, flags = entry[2] | number(entry, 9, 3) << 8, entry[3], number(entry, 4, 4)
        else:
            node, ident, flags = (number(entry, at, 4) for at in (4, 8, 12))
        need(ident not in found.cpus, "processor", ident, "is twice in SRAT")
        if flags & ENABLED:
            found.cpus[ident] = node
    ordered = sorted(found.memory, key=lambda r: r.base)
    for below, above in zip(ordered, ordered[1:]):
        need(below.base + below.size <= above.base, "SRAT ranges overlap:", below, above)
    return found


def slit(data):
    """Rows of distances."""
    checked(data, "SLIT", (1,))
    nodes = number(data, 36, 8)
    need(len(data) == 44 + nodes * nodes, "SLIT of", nodes, "nodes with", len(data), "bytes")
    rows = [list(data[44 + n * nodes:44 + (n + 1) * nodes]) for n in range(nodes)]
    for n, row in enumerate(rows):
        need(row[n] == 10, "the distance from", n, "to itself is", row[n])
        need(all(value > 10 for m, value in enumerate(row) if m != n), "distances from", n, row)
    return rows


# ---- HMAT [5.2.27] ----

Hmat = namedtuple("Hmat", "domains figures caches")  # {memory: initiator or None}, {Figure}, [Cache]


def hmat_figures(entry):
    """Table 5.148. Latencies in picoseconds, bandwidths in MiB/s; what is not known is left out."""
    flags, kind = entry[8], entry[9]
    need(kind <= 5 and flags & 0xF <= 3, "HMAT: data type", kind, "flags", flags)
    rows, columns, unit = number(entry, 12, 4), number(entry, 16, 4), number(entry, 24, 8)
    need(len(entry) == 32 + 4 * (rows + columns) + 2 * rows * columns, "HMAT:", len(entry), "bytes for", rows,
         "by", columns)
    need(unit, "HMAT: base unit 0")
    lists = struct.unpack_from(f"<{rows + columns}I", entry, 32)
    values = struct.unpack_from(f"<{rows * columns}H", entry, 32 + 4 * (rows + columns))
    need(len(set(lists[:rows])) == rows and len(set(lists[rows:])) == columns, "HMAT: a domain twice")
    need(0xFFFF not in values, "HMAT: a target that cannot be reached")
    return {Figure(flags & 0xF, kind, lists[n // columns], lists[rows + n % columns], value * unit)
            for n, value in enumerate(values) if value}


def hmat(data):
    checked(data, "HMAT", (2,))
    found = Hmat({}, set(), [])
    at = 40
    while at < len(data):
        kind, length = number(data, at, 2), number(data, at + 4, 4)
        need(length >= 8 and at + length <= len(data), "HMAT: a structure of", length, "bytes at", at)
        entry = data[at:at + length]
        at += length
        if kind == 0:
            need(length == 40, "HMAT: type 0 with", length, "bytes")
            valid, initiator, memory = number(entry, 8, 2) & 1, number(entry, 12, 4), number(entry, 16, 4)
            need(memory not in found.domains, "HMAT: memory domain", memory, "twice")
            found.domains[memory] = initiator if valid else None
        elif kind == 1:
            new = hmat_figures(entry)
            need(not new & found.figures, "HMAT: a figure twice")
            found.figures.update(new)
        else:
            need(kind == 2 and length == 32 + 2 * number(entry, 30, 2), "HMAT: type", kind, "with", length)
            bits = number(entry, 24, 4)
            found.caches.append(Cache(number(entry, 8, 4), number(entry, 16, 8), bits & 0xF, bits >> 4 & 0xF,
                                      bits >> 8 & 0xF, bits >> 12 & 0xF, bits >> 16))
    return found


# ---- small ones ----

def mcfg(data):
    """[(base, segment, first bus, last bus)] (PCI Firmware specification 3.0, section 4.1.2)."""
    checked(data, "MCFG", (1,))
    need((len(data) - 44) % 16 == 0, "MCFG of", len(data), "bytes")
    found = [struct.unpack_from("<QHBB", data, at) for at in range(44, len(data), 16)]
    for base, _, first, last in found:
        need(base % (1 << 20) == 0 and first <= last, "MCFG:", hex(base), first, last)
    return found


def hpet(data):
    """(hardware ID, address, number) (HPET specification 1.0a, section 3.2.4)."""
    checked(data, "HPET", (1,))
    need(len(data) == 56, "HPET of", len(data), "bytes")
    block = gas(data, 40)
    need(block.space == 0 and block.address % 1024 == 0, "HPET at", block)
    need(number(data, 36, 4) >> 13 & 1, "an HPET of less than 64 bits")
    return number(data, 36, 4), block.address, data[52]


def waet(data):
    checked(data, "WAET", (1,))
    need(len(data) == 40 and number(data, 36, 4) < 4, "WAET")
    return number(data, 36, 4)


Nvdimm = namedtuple("Nvdimm", "handle base size node flags")
PERSISTENT = bytes.fromhex("79d3f066f3b47440ac430d3318b78cdb")


def nfit(data):
    """([Nvdimm], platform capabilities or None) (section 5.2.25): a range, a mapping and a control region each."""
    checked(data, "NFIT", (1,))
    need(number(data, 36, 4) == 0, "NFIT: reserved field")
    ranges, mappings, controls, capabilities = {}, [], set(), None
    at = 40
    while at < len(data):
        kind, length = number(data, at, 2), number(data, at + 2, 2)
        entry = data[at:at + length]
        need(len(entry) == length == {0: 56, 1: 48, 4: 80, 7: 16}.get(kind), "NFIT: type", kind, "with", length, "bytes")
        if kind == 0:
            index = number(entry, 4, 2)
            need(index and index not in ranges, "NFIT: range", index, "twice, or 0")
            need(entry[16:32] == PERSISTENT and number(entry, 6, 2) & 2, "NFIT: range", entry.hex())
            ranges[index] = number(entry, 32, 8), number(entry, 40, 8), number(entry, 12, 4)
        elif kind == 1:
            mappings.append((number(entry, 4, 4), number(entry, 12, 2), number(entry, 14, 2), number(entry, 16, 8),
                             number(entry, 24, 8), number(entry, 42, 2), number(entry, 44, 2)))
        elif kind == 4:
            need(number(entry, 4, 2) not in controls, "NFIT: a control region twice")
            controls.add(number(entry, 4, 2))
        else:
            capabilities = number(entry, 8, 4) & (2 << entry[4]) - 1
        at += length
    need(len({m[0] for m in mappings}) == len(mappings) == len(ranges) == len(controls), "NFIT: mappings", mappings)
    for handle, index, control, size, offset, ways, _ in mappings:
        need(handle and index in ranges and control in controls, "NFIT: mapping of", handle)
        need((size, offset, ways) == (ranges[index][1], 0, 1), "NFIT: mapping of", handle, "with", size, offset, ways)
    return [Nvdimm(m[0], *ranges[m[1]], m[6]) for m in mappings], capabilities


def ssdt(data):
    """The address of the page of a VM generation ID: what the table begins with is Name (VGIA, it)."""
    checked(data, "SSDT", (2,))
    need(data[36:42] == b"\x08VGIA\x0c", "SSDT:", data[36:42])
    return number(data, 42, 4)


def dmar(data):
    """(bits of addresses, remaps interrupts, base of the unit, has ATSR): one unit, for all functions and the I/O APIC
    (VT-d 3.3, chapter 8)."""
    checked(data, "DMAR", (1,))
    need(number(data, 37, 1) < 2 and not any(data[38:48]), "DMAR: flags", data[37:48].hex())
    unit, rest = data[48:72], data[72:]
    need(number(unit, 0, 2) == 0 and number(unit, 2, 2) == len(unit) == 24 and unit[4:8] == bytes([1, 0, 0, 0]), "DMAR:", unit.hex())
    need(unit[16:22] == bytes([3, 8, 0, 0, 0, 0xff]) and unit[22:] == bytes(2), "DMAR: the I/O APIC", unit.hex())
    need(rest in (b"", bytes([2, 0, 8, 0, 1, 0, 0, 0])), "DMAR: behind the unit:", rest.hex())
    return data[36] + 1, data[37] == 1, number(unit, 8, 8), bool(rest)


def ivrs(data):
    """(remaps interrupts, has ATS, function): one AMD IOMMU, for all functions and the I/O APIC (48882, chapter 5)."""
    checked(data, "IVRS", (1,))
    need(number(data, 36, 4) == 40 << 8 | 64 << 15 and not any(data[40:48]), "IVRS: bits of addresses", data[36:48].hex())
    unit, rest = data[48:72], data[72:]
    need(unit[0] == 0x10 and number(unit, 2, 2) == len(data) - 48 and unit[6:8] == bytes([0x40, 0]), "IVRS:", unit.hex())
    need(number(unit, 8, 8) == 0xfed80000 and not any(unit[16:20]), "IVRS: registers", unit.hex())
    need(rest[:4] == bytes([1, 0, 0, 0]), "IVRS: all functions", rest.hex())
    need(len(rest) == 4 or (len(rest) == 12 and rest[4] == 72 and rest[7] == 0 and rest[8] == 0 and rest[11] == 1), "IVRS: the I/O APIC", rest.hex())
    return len(rest) == 12, bool(unit[1] & 0x10), number(unit, 4, 2)


def viot(data):
    """Where on bus 0 the virtio-iommu is, which is above every function (ACPI 6.5, section 5.2.34)."""
    checked(data, "VIOT", (0,))
    need(data[36:48] == bytes([2, 0, 48, 0]) + bytes(8) and len(data) == 88, "VIOT:", data[36:48].hex())
    need(data[48:54] == bytes([3, 0, 16, 0, 0, 0]) and not any(data[56:64]), "VIOT: the IOMMU", data[48:64].hex())
    need(data[64:] == bytes([1, 0, 24, 0, *bytes(10), 0xff, 0xff, 48, 0, *bytes(6)]), "VIOT: the range", data[64:].hex())
    return number(data, 54, 2)


def erst(data):
    """The address of the registers (section 18.5.1): each action writes its number to the first, and has its value in the
    second."""
    checked(data, "ERST", (1,))
    need(number(data, 36, 4) == 0x30 and not number(data, 40, 4) and len(data) == 48 + 32 * number(data, 44, 4), "ERST: head")
    actions, bases = {}, set()
    for at in range(48, len(data), 32):
        action, instruction, register = data[at], data[at + 1], gas(data, at + 4)
        value, mask = number(data, at + 16, 8), number(data, at + 24, 8)
        need(not any(data[at + 2:at + 4]) and register.space == 0 and instruction < 4, "ERST:", data[at:at + 32].hex())
        if instruction == 3:
            need(value == action and mask == 0xFFFFFFFF, "ERST: action", action, "writes", value)
        bases.add(register.address - (0 if instruction == 3 else 8))
        actions.setdefault(action, []).append(instruction)
    need(len(bases) == 1 and actions == {**{n: [3] for n in (0, 1, 2, 3, 5, 11)}, **{n: [2, 3] for n in (4, 9)}, 6: [3, 1],
                                         **{n: [3, 0] for n in (7, 8, 10, 13, 14, 15, 16)}}, "ERST:", actions, bases)
    return bases.pop()


def cedt(data):
    """({host bridge: place of its registers}, [(base, size, granularity, host bridges)] of fixed memory windows): CXL 3.0,
    section 9.18.1."""
    checked(data, "CEDT", (1,))
    bridges, windows, at = {}, [], 36
    while at < len(data):
        kind, length = data[at], number(data, at + 2, 2)
        part = data[at:at + length]
        need(len(part) == length >= 4 and data[at + 1] == 0 and kind < 2, "CEDT:", part.hex())
        if kind == 0:
            need(length == 32 and number(part, 8, 4) == 1 and not number(part, 12, 4) and number(part, 24, 8) == 0x10000, "CHBS:", part.hex())
            need(number(part, 4, 4) not in bridges, "two host bridges", number(part, 4, 4))
            bridges[number(part, 4, 4)] = number(part, 16, 8)
        else:
            ways = {0: 1, 1: 2, 2: 4, 3: 8, 4: 16, 8: 3, 9: 6, 10: 12}.get(part[24])
            need(ways and length == 36 + 4 * ways and not number(part, 4, 4) and not any(part[25:28]), "CFMWS:", part.hex())
            need(number(part, 28, 4) < 7 and number(part, 32, 2) == 0xf and not number(part, 34, 2), "CFMWS:", part.hex())
            windows.append((number(part, 8, 8), number(part, 16, 8), 256 << number(part, 28, 4),
                            [number(part, 36 + 4 * n, 4) for n in range(ways)]))
        at += length
    for base, size, _, targets in windows:
        need(base % (256 << 20) == 0 and size and size % ((256 << 20) * len(targets)) == 0, "CFMWS at", hex(base))
        need(set(targets) <= set(bridges), "CFMWS leads to", targets)
    return bridges, windows


READERS = {"FACP": fadt, "FACS": facs, "APIC": madt, "SRAT": srat, "SLIT": slit, "HMAT": hmat,
           "MCFG": mcfg, "HPET": hpet, "WAET": waet, "NFIT": nfit, "SSDT": ssdt, "DMAR": dmar, "IVRS": ivrs, "VIOT": viot, "ERST": erst, "CEDT": cedt,
           "DSDT": lambda data: checked(data, "DSDT", (1, 2))}


def read_all(tables):
    """{signature: what its reader makes of it}. A table that we cannot read is bad."""
    found = {name: reader(tables[name]) for name, reader in READERS.items() if name in tables}
    unread = set(tables) - set(READERS) - {"RSDP", "RSDT", "XSDT"}
    need(not unread, "tables that nobody here can read:", unread)
    return found
