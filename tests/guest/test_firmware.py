#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Firmware in the machine, and Debian's kernel started by it: test_firmware.py BUILD-DIR GROUP. What
is not installed is skipped."""
import base64
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

MIB = 1 << 20
BUILD = sys.argv[1]
PLACES = ["/usr/share/seabios", "/usr/share/qemu", "/usr/share/ovmf", "/usr/share/OVMF", "/usr/lib/ipxe/qemu"]
MEMORY = "1G,slots=4,maxmem=4G"
# Where and how the guests run; tests/nested has another way.
SETUP = {"program": f"{BUILD}/dimmable", "guest_dir": f"{BUILD}/guest", "accel": "soft", "memory": MEMORY,
         "place": vm.Here}


def firmware(name, package):
    """The path of a file of that package."""
    for place in PLACES:
        if os.path.exists(f"{place}/{name}"):
            return f"{place}/{name}"
    raise tap.Skip(f"there is no {name}: Debian's package {package} is not installed")


def machine(extra=(), kernel=True, board="pc", **options):
    setup = {**SETUP, **options}
    if not kernel:
        setup["guest_dir"] = None
    return vm.Vm(extra=["-machine", board, *extra], **setup)


def debug_log(path):
    return ["-chardev", f"file,id=debug,path={path}", "-device", "isa-debugcon,iobase=0x402,chardev=debug"]


# ---- the tables that Linux sees ----

def put_zeros(table, start, end):
    return table[:start] + bytes(end - start) + table[end:]


def acpi_tables(guest):
    """{name: contents} without what depends on where firmware puts them: pointers in the FADT, and its
    checksum. The checksum is right, or Linux would not have taken the table."""
    text = guest.run("cd /sys/firmware/acpi/tables; for t in [A-Z]*; do echo =$t; base64 $t; done; cd /",
                     timeout=120)
    tables = {}
    for part in text.split("=", 1)[1].split("\n=") if text.startswith("=") else []:
        name, _, data = part.partition("\n")
        tables[name] = base64.b64decode(data.replace("\n", ""))
    fadt = tables["FACP"]
    for start, end in (9, 10), (36, 44), (132, 148):
        fadt = put_zeros(fadt, start, end)
    return {**tables, "FACP": fadt}


def oem_ids(guest):
    """The lines with signature, revision and OEM ids of all tables, in the order of the XSDT."""
    lines = guest.run("dmesg | grep -E 'ACPI: (RSDP|XSDT|[A-Z]{4} 0x)'")
    return [re.sub(r"^.*ACPI: (\w+) +0x[0-9A-F]+", r"\1", line) for line in lines.splitlines()
            if not re.search(r"ACPI: (Reserving|Local)", line)]


def seen_by(extra, board):
    with machine(extra, board=board, cpus=2) as guest:
        guest.wait_ready()
        return acpi_tables(guest), oem_ids(guest)


def same_tables(board):
    """A DIMM at the start, two processors: byte for byte the same with SeaBIOS and without it."""
    firmware("bios-256k.bin", "seabios")
    dimm = ["-object", "memory-backend-ram,id=m0,size=256M", "-device", "pc-dimm,id=d0,memdev=m0"]
    direct, direct_ids = seen_by(dimm, board)
    bios, bios_ids = seen_by([*dimm, "-machine", "firmware=on"], board)
    tap.equal(sorted(bios), sorted(direct), "names of the tables")
    for name, table in direct.items():
        tap.equal(bios[name].hex(" ", 4), table.hex(" ", 4), f"table {name}")
    tap.equal(bios_ids, direct_ids, "headers in their order")
    if len(direct) < 5:
        raise AssertionError(f"only {sorted(direct)} were found")


# ---- booting ----

def hotplug(guest):
    """A DIMM comes, is used, and goes."""
    total = guest.mem_total()
    guest.plug("d0", 256 * MIB)
    tap.equal(guest.mem_total(), total + 256 * MIB, "MemTotal with the DIMM")
    tap.equal(guest.zones().get((0, "Movable"), 0), 256 * MIB, "present in zone Movable")
    guest.unplug("d0")
    tap.equal(guest.mem_total(), total, "MemTotal without it")


def no_complaints(guest):
    tap.equal(guest.run("dmesg | grep -ciE 'bug:|oops|call trace|general protection|firmware bug'",
                        check=False), "0", "kernel complaints")


def seabios(board, cpus):
    firmware("bios-256k.bin", "seabios")
    with machine(["-machine", "firmware=on"], board=board, cpus=cpus) as guest:
        guest.wait_ready()
        tap.equal(guest.run("cat /sys/class/dmi/id/bios_vendor"), "SeaBIOS")
        tap.equal(guest.run("nproc"), str(cpus))
        no_complaints(guest)
        hotplug(guest)
        # A reset goes through the firmware again, with a DIMM that stays.
        guest.plug("d1", 256 * MIB)
        guest.qmp.command("system_reset")
        guest.wait_ready()
        tap.equal(len(guest.qmp.command("query-memory-devices")), 1)
        tap.equal(guest.zones().get((0, "Movable"), 0), 256 * MIB, "in zone Movable after a reset")
        tap.equal(guest.power_off(), 0, "exit status")


def seabios_alone():
    """Nothing to boot: it comes to its end and says so."""
    firmware("bios-256k.bin", "seabios")
    with tempfile.TemporaryDirectory() as folder, \
            machine(debug_log(f"{folder}/log"), kernel=False, memory="128M") as guest:
        guest.wait_for("No bootable device", 60)
        with open(f"{folder}/log", encoding="ascii", errors="replace") as file:
            log = file.read()
    for line in "Running on QEMU", "QEMU fw_cfg DMA interface supported", "All threads complete", \
            "ACPI: parse DSDT":
        if line not in log:
            raise AssertionError(f"SeaBIOS did not say: {line}")


# How the logs of engines may differ: what a line becomes, and why.
ENGINE_LINES = [
    (r"^Running on KVM$", "the signature in CPUID"),
    (r"^kvm: have invtsc, .*|^kvmclock: .*|^Using pmtimer, .*|^CPU Mhz=.*|^tsc calibrate .*",
     "which clock it takes, and how fast that is"),
    (r"^e820 map has \d+ items:$|^ *\d+: [0-9a-f]{16} - [0-9a-f]{16} = \d|fd00000000", "AMD's range, by the host's vendor"),
]
MOVED = [
    (r"^(Copying \w+) from 0x[0-9a-f]+/[0-9a-f]+ to", r"\1 to"),  # made behind the page of kvmclock
]


def same_on_all_engines(log):
    lines = []
    for line in log.splitlines():
        if not any(re.search(pattern, line) for pattern, _ in ENGINE_LINES):
            for pattern, text in MOVED:
                line = re.sub(pattern, text, line)
            lines.append(line)
    return lines


def need_kvm():
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as err:
        raise tap.Skip(f"/dev/kvm: {err.strerror}") from None


def leave_menu(guest):
    """By no choice. The menu drops keys that come before it waits for them."""
    for _ in range(60):
        guest.serial.send(b"\x1b")
        try:
            guest.wait_for("No bootable device", 1)
            return
        except vm.Timeout:
            pass
    raise vm.Timeout("the boot menu does not end")


def boot_menu_log(accel, board):
    """What SeaBIOS prints on its debug port up to the boot menu, and when it goes on to boot."""
    with tempfile.TemporaryDirectory() as folder, \
            machine([*debug_log(f"{folder}/log"), "-boot", "menu=on,splash-time=60000"], kernel=False,
                    accel=accel, board=board, memory="128M,slots=4,maxmem=4G") as guest:
        guest.wait_for("Press ESC for boot menu", 60)
        guest.serial.send(b"\x1b")
        guest.wait_for("Select boot device:", 60)
        leave_menu(guest)
        with open(f"{folder}/log", encoding="ascii", errors="replace") as file:
            return file.read().split("enter handle_19")[0]


def moved_at_menu(board):
    """A machine that waits in SeaBIOS's menu goes to another program, where a key ends it."""
    firmware("bios-256k.bin", "seabios")
    options = {"kernel": False, "board": board, "memory": "128M,slots=4,maxmem=4G"}
    menu = ["-boot", "menu=on,splash-time=60000"]
    with tempfile.TemporaryDirectory() as folder, \
            machine([*menu, "-incoming", f"unix:{folder}/socket"], **options) as there, machine(menu, **options) as here:
        here.wait_for("Press ESC for boot menu", 60)
        here.serial.send(b"\x1b")
        here.wait_for("Select boot device:", 60)
        here.qmp.command("migrate", uri=f"unix:{folder}/socket")
        there.qmp.event("RESUME")
        tap.equal(here.qmp.command("query-migrate")["status"], "completed")
        leave_menu(there)


def boot_menu(accel, board):
    """It finds the ACPI tables; on another engine all is the same, and at the same addresses."""
    firmware("bios-256k.bin", "seabios")
    if accel == "kvm":
        need_kvm()
    log = boot_menu_log(accel, board)
    for pattern in r"^table\(50434146\)=0x[0-9a-f]+ \(via xsdt\)$", \
            r"^ACPI: parse DSDT at 0x[0-9a-f]+ \(len [1-9]\d+\)$", r"^qemu/e820: addr .* \[RAM\]$", \
            r"^Copying SMBIOS 3.0 from", r"^e820 map has \d+ items:$":
        if not re.search(pattern, log, re.M):
            raise AssertionError(f"SeaBIOS did not say: {pattern}\n{log}")
    tap.equal("Running on KVM" in log, accel == "kvm", "KVM's signature is found")
    if accel != "soft":
        tap.equal(same_on_all_engines(log), same_on_all_engines(boot_menu_log("soft", board)), "logs")


def seabios_many_cpus():
    """Each CPU waits in a loop until it is its turn to start: far more than the host has."""
    firmware("bios-256k.bin", "seabios")
    with machine(kernel=False, memory="128M", board="q35", cpus="255,sockets=255") as guest:
        guest.wait_for("No bootable device", 60)


def seabios_full_memory():
    """The initrd's place is chosen by what the BIOS says is free: RAM above 4 GiB, many slots."""
    firmware("bios-256k.bin", "seabios")
    with machine(["-machine", "firmware=on"], memory="5G,slots=256,maxmem=64G") as guest:
        guest.wait_ready()
        if guest.mem_total() < 9 << 29:
            raise AssertionError(f"the guest has {guest.mem_total()} bytes")


def ovmf(guest, cpus):
    guest.wait_ready(240)
    tap.equal(guest.run("test -d /sys/firmware/efi && echo yes"), "yes", "booted by UEFI")
    tap.equal(guest.run("nproc"), str(cpus))
    no_complaints(guest)
    hotplug(guest)


def boot_dimms_go(board, extra, append=vm.APPEND):
    """Node 1 is made of DIMMs that were there at boot. Firmware sees them as RAM, Linux knows better: all
    of it is Movable, and each DIMM goes."""
    options = ["-numa", "node,mem=1G,cpus=0", "-numa", "node", *extra]
    for ident in "d0", "d1":
        options += ["-object", f"memory-backend-ram,id=m-{ident},size=256M",
                    "-device", f"pc-dimm,id={ident},memdev=m-{ident},node=1,boot=on"]
    with machine(options, board=board, append=append) as guest:
        guest.wait_ready(240)
        tap.equal({zone: size for (node, zone), size in guest.zones().items() if node == 1},
                  {"Movable": 512 * MIB}, "zones of node 1")
        for ident in "d1", "d0":
            guest.unplug(ident)
        tap.equal(guest.run("ls -d /sys/devices/system/node/node*"), "/sys/devices/system/node/node0")


def seabios_boot_dimms():
    firmware("bios-256k.bin", "seabios")
    boot_dimms_go("pc", ["-machine", "firmware=on"])


def ovmf_boot_dimms():
    """The EFI stub looks for a random place in all RAM that UEFI knows of, and does not read SRAT."""
    boot_dimms_go("q35", ["-bios", firmware("OVMF.fd", "ovmf")], f"{vm.APPEND} nokaslr")


def ovmf_flash(board):
    code = firmware("OVMF_CODE_4M.fd", "ovmf")
    template = firmware("OVMF_VARS_4M.fd", "ovmf")
    place = SETUP["place"]
    with place.folder() as folder:
        variables = f"{folder}/vars.fd"
        place.copy(template, variables)
        drives = ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}",
                  "-drive", f"if=pflash,format=raw,unit=1,file={variables}"]
        with machine(drives, board=board, cpus=2) as guest:
            ovmf(guest, 2)
        old, new = place.read(template), place.read(variables)
    tap.equal(len(new), len(old), "bytes of the variables' file")
    if new == old:
        raise AssertionError("no variable of UEFI reached the file")
    tap.equal(new[:0x64], old[:0x64], "header of the volume")


def ovmf_rom():
    with machine(["-bios", firmware("OVMF.fd", "ovmf")]) as guest:
        ovmf(guest, 1)


GROUPS = {
    "menu": [(f"SeaBIOS to its boot menu, {board}, {accel}", lambda board=board, accel=accel: boot_menu(accel, board))
             for board in ("pc", "q35") for accel in ("soft", "kvm")] +
            [(f"moved at SeaBIOS's boot menu, {board}", lambda board=board: moved_at_menu(board))
             for board in ("pc", "q35")],
    "tables": [("the same tables, pc", lambda: same_tables("pc")),
               ("the same tables, q35", lambda: same_tables("q35"))],
    "seabios": [("SeaBIOS alone", seabios_alone), ("SeaBIOS with 255 CPUs", seabios_many_cpus),
                ("Linux by SeaBIOS, pc", lambda: seabios("pc", 1)),
                ("Linux by SeaBIOS, q35, 2 CPUs", lambda: seabios("q35", 2)),
                ("RAM above 4 GiB, 256 slots", seabios_full_memory),
                ("boot DIMMs go, SeaBIOS", seabios_boot_dimms)],
    "ovmf": [("Linux by OVMF in flash, pc", lambda: ovmf_flash("pc")),
             ("Linux by OVMF in flash, q35", lambda: ovmf_flash("q35")),
             ("Linux by OVMF in ROM", ovmf_rom), ("boot DIMMs go, OVMF", ovmf_boot_dimms)],
}

if __name__ == "__main__":
    tap.run(GROUPS[sys.argv[2]])
