# SPDX-License-Identifier: GPL-2.0-or-later
"""The KVM engine, with guests of a few real-mode instructions; and what engines have in common when
the host fails them. Tests that need /dev/kvm are skipped where it cannot be used."""
import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile

import machine
import tap
import vm

ROM = """
.code16
{code}
.org 0xfff0
ljmp $0xf000, $0
.org 0x10000
"""

HELLO = """
    mov $0xe9, %dx
    mov $text, %si
1:  lodsb %cs:(%si), %al
    test %al, %al
    jz 2f
    out %al, %dx
    jmp 1b
2:  hlt
    jmp 2b
text: .asciz "hello\\n"
"""

# Acknowledges what comes to slot 0, and ejects it when asked. Ports: see memory-hotplug-registers.
HANDSHAKE = """
again:
    mov $0xa18, %dx
    in %dx, %eax
    cmp $-1, %eax
    je again
    mov $0xa00, %dx
    out %eax, %dx
    mov $0xa14, %dx
    in %dx, %al
    test $2, %al
    jz 1f
    mov $2, %al
    out %al, %dx
    mov $0xa04, %dx
    mov $1, %eax
    out %eax, %dx
    mov $0xa08, %dx
    xor %eax, %eax
    out %eax, %dx
    jmp again
1:  test $4, %al
    jz again
    mov $4, %al
    out %al, %dx
    mov $8, %al
    out %al, %dx
    jmp again
"""

# Long mode with 2 MiB pages at 0 and at 4 GiB, where the first DIMM comes: takes it, writes its first
# and last page, gives it back, and finds nothing there. It says what it does.
LONG_HANDSHAKE = """
    .macro say letter
    mov $\\letter, %al
    out %al, $0xe9
    .endm
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    cld
    xor %eax, %eax
    mov $0x1000, %edi
    mov $0x1000, %ecx
    rep stosl %eax, %es:(%edi)
    movl $0x2003, 0x1000    # PML4 -> PDPT
    movl $0x3003, 0x2000    # PDPT 0 -> PD
    movl $0x4003, 0x2020    # PDPT 4 -> PD
    movl $0x5003, 0x2018    # PDPT 3 -> PD: the ROM
    movl $0x000083, 0x3000
    movl $0x000083, 0x4000
    movl $1, 0x4004
    movl $0xffe00083, 0x5ff8
    lgdtl %cs:pointer
    mov %cr4, %eax
    or $0x20, %eax
    mov %eax, %cr4
    mov $0x1000, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80000001, %eax
    mov %eax, %cr0
    ljmpl $8, $0xf0000 + long
pointer: .word 23
    .long 0xf0000 + table
.align 8
table: .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
.code64
long:
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %ss
    mov $0x100000000, %rbx
    say 'L'
again:
    mov $0xa00, %dx
    xor %eax, %eax
    out %eax, %dx
    mov $0xa14, %dx
1:  in %dx, %al
    test $2, %al
    jnz inserted
    test $4, %al
    jz 1b
    mov $4, %al
    out %al, %dx
    mov $8, %al
    out %al, %dx
    mov (%rbx), %rax
    cmp $-1, %rax
    jne bad
    mov 0x1ffff8(%rbx), %rax
    cmp $-1, %rax
    jne bad
    say 'E'
    jmp again
inserted:
    mov $2, %al
    out %al, %dx
    mov $0x1122334455667788, %rcx
    mov %rcx, (%rbx)
    mov %rcx, 0x1ffff8(%rbx)
    cmp %rcx, (%rbx)
    jne bad
    cmp %rcx, 0x1ffff8(%rbx)
    jne bad
    say 'I'
    mov $0xa04, %dx
    mov $1, %eax
    out %eax, %dx
    mov $0xa08, %dx
    xor %eax, %eax
    out %eax, %dx
    jmp again
bad: say 'B'
    hlt
    jmp bad
.code16
"""

# Reads and writes memory, a page each time.
TOUCH = """
    mov $0x2000, %ax
    mov %ax, %ds
again:
    xor %bx, %bx
1:  incb (%bx)
    add $0x1000, %bx
    jnz 1b
    jmp again
"""

REGISTERS = """
    mov $0x12345678, %eax
    mov $0x9abcdef0, %ebx
    mov $0x4321, %cx
    mov %cx, %fs
1:  hlt
    jmp 1b
"""

# Counts in 0x500, by an instruction that is only half done when the program sees it.
COUNT = """
    xor %ax, %ax
    mov %ax, %ds
    mov $0x1234, %dx
1:  in %dx, %al
    incl 0x500
    jmp 1b
"""

# Protected mode at an address where nothing is.
NOWHERE = """
    lgdtl %cs:pointer
    mov $1, %eax
    mov %eax, %cr0
    ljmpl $8, $0xd0000000
pointer: .word 23
    .long 0xf0000 + table
.align 8
table: .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
"""

KVM = "kvm"


def has_vmx():
    with open("/proc/cpuinfo", encoding="ascii") as info:
        return re.search(r"^flags.*\b(vmx|svm)\b", info.read(), re.M) is not None


def need_kvm():
    """Where the device is there, an engine that does not start is a failure."""
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as err:
        raise tap.Skip(f"/dev/kvm: {err.strerror}") from None


def need_root():
    if os.getuid() != 0:
        raise tap.Skip("needs root")


def build(code):
    """The 64 KiB of ROM that run @code at the reset vector: a file that lives as long as the test."""
    directory = tempfile.mkdtemp(prefix="dimmable-kvm-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    with open(f"{directory}/rom.S", "w", encoding="ascii") as source:
        source.write(ROM.format(code=code))
    subprocess.run(["cc", "-m32", "-c", "-o", f"{directory}/rom.o", f"{directory}/rom.S"], check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", f"{directory}/rom.o", f"{directory}/rom"],
                   check=True)
    os.chmod(directory, 0o755)
    return f"{directory}/rom"


def start(code, accel=KVM, memory="32M", extra=()):
    return vm.Vm(machine.PROGRAM, memory=memory, accel=accel, serial=False,
                 extra=["-bios", build(code), *extra])


def hmp(box, line):
    return box.qmp.command("human-monitor-command", **{"command-line": line})


def run_alone(*args, **options):
    """Start the program for a command line that fails: its message."""
    result = subprocess.run([machine.PROGRAM, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=vm.LONG, check=False, **options)
    tap.equal(result.returncode, 1, result.stdout.decode())
    return result.stdout.decode()


# ---- choice ----

def chosen_by_itself():
    """kvm only on a CPU with vmx or svm."""
    if has_vmx():
        raise tap.Skip("this CPU has vmx or svm: kvm may be chosen")
    with subprocess.Popen([machine.PROGRAM, "-S", "-nodefaults", "-display", "none", "-monitor", "stdio"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        text = process.communicate(b"info kvm\nquit\n", timeout=vm.LONG)[0].decode()
    tap.equal("kvm support: disabled" in text, True, text)
    tap.equal("warning" in text, False, text)


def chosen_by_name():
    need_kvm()
    for extra in ([], ["-accel", "soft"], ["-enable-kvm"]):
        with vm.Vm(machine.PROGRAM, accel="kvm", memory="32M", serial=False, extra=[*extra, "-S"]) as box:
            tap.equal(box.qmp.command("query-kvm"), {"enabled": True, "present": True})
            tap.equal(hmp(box, "info kvm"), "kvm support: enabled\n")
            tap.equal(len(box.errors().splitlines()), 0 if has_vmx() else 1, box.errors())
            tap.equal(box.qmp.command("query-cpus-fast")[0]["qom-path"], "/machine/unattached/device[0]")
            types = box.qmp.command("qom-get", path="/machine/unattached/device[0]", property="type")
            tap.equal(types, "host-x86_64-cpu")


def chosen_last():
    """-enable-kvm is a -machine accel=kvm: of these the last counts, as autopkgtest-virt-qemu's --qemu-options need it."""
    lines = [(["-enable-kvm", "-machine", "accel=tcg"], "disabled"), (["-enable-kvm", "-machine", "q35,accel=soft"], "disabled")]
    if os.path.exists("/dev/kvm"):
        lines += [(["-machine", "accel=tcg", "-enable-kvm"], "enabled"), (["-enable-kvm", "-machine", "q35"], "enabled")]
    for words, wanted in lines:
        done = subprocess.run([machine.PROGRAM, "-S", "-nodefaults", "-display", "none", "-monitor", "stdio", *words],
                              input="info kvm\nquit\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=vm.LONG, check=False)
        tap.equal(f"kvm support: {wanted}\n" in done.stdout, True, f"{words}: {done.stdout}")


def bad_options():
    for option, message in (("kernel_irqchip=maybe", "kernel-irqchip=maybe is not right: expects one of on, off, split"),
                            ("x-memslots=0", "x-memslots must be a number from 1"),
                            ("warp=9", "warp")):
        tap.equal(message in run_alone("-accel", f"kvm,{option}", "-S"), True, option)
    tap.equal("expects one of on, off, split" in run_alone("-machine", "kernel_irqchip=2", "-S"), True)


def no_local_apic():
    """What KVM carries out in its local APICs only is not offered without them."""
    need_kvm()
    features = [f"kvm-{name}" for name in ("asyncpf", "pv-eoi", "pv-unhalt", "asyncpf-vmexit", "pv-ipi",
                                           "pv-sched-yield", "asyncpf-int")]
    message = run_alone("-accel", "kvm,kernel_irqchip=off", "-cpu", f"host,+{',+'.join(features)},enforce", "-S")
    tap.equal([name for name in features if not re.search(rf"\b{name}\b(?!-)", message)], [], message)


def no_smm():
    """System management mode is the software CPU's: asked for, it is refused; else the machine has none."""
    need_kvm()
    for board in "pc", "q35":
        message = run_alone("-accel", "kvm", "-machine", f"{board},smm=on", "-S")
        tap.equal("-machine smm=on: the kvm engine has no system management mode: use -accel soft" in message, True, message)
        with vm.Vm(machine.PROGRAM, accel="kvm", memory="32M", serial=False, extra=["-machine", f"{board},smm=auto", "-S"]) as box:
            tap.equal("cpu-smm" in hmp(box, "info mtree"), False)


OTHER_DEV = "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/urandom c 1 9"


def in_other_dev(more, *args):
    """The message of the program where /dev holds little."""
    need_root()
    script = f"{OTHER_DEV} && {more} && exec \"$@\""
    result = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", *args], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=vm.LONG, check=False)
    text = result.stdout.decode()
    if "unshare" in text or "mount" in text or "mknod" in text:
        raise tap.Skip(text.strip())
    return result.returncode, text


def device_missing():
    status, text = in_other_dev("true", machine.PROGRAM, "-accel", "kvm", "-S")
    tap.equal((status, "there is no /dev/kvm on this host" in text), (1, True), text)


def device_missing_next():
    """The next engine of the list runs."""
    status, text = in_other_dev("true", "sh", "-c", "echo 'info kvm\nquit' | \"$@\"", "sh", machine.PROGRAM,
                                "-accel", "kvm", "-accel", "soft", "-S", "-nodefaults", "-display", "none",
                                "-monitor", "stdio")
    tap.equal((status, "kvm support: disabled" in text), (0, True), text)


def device_forbidden():
    drop = "mknod -m 600 /dev/kvm c 10 232"
    status, text = in_other_dev(drop, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                machine.PROGRAM, "-accel", "kvm", "-S")
    if "setpriv" in text or "Permission denied" in text:
        raise tap.Skip(text.strip())
    tap.equal((status, "no permission to open /dev/kvm" in text), (1, True), text)


def device_wrong():
    status, text = in_other_dev("mknod -m 666 /dev/kvm c 1 5", machine.PROGRAM, "-accel", "kvm", "-S")
    tap.equal((status, "it is no KVM" in text), (1, True), text)


# ---- guests ----

def hello(accel, *more):
    need_kvm()
    with tempfile.NamedTemporaryFile() as out:
        with start(HELLO, accel, extra=["-debugcon", f"file:{out.name}", *more]):
            vm.wait_until(lambda: open(out.name, "rb").read() == b"hello\n", "the guest's text")


def registers(accel):
    need_kvm()
    with start(REGISTERS, accel) as box:
        vm.wait_until(lambda: "HLT=1" in hmp(box, "info registers"), "the guest halts")
        for _ in range(2):
            text = hmp(box, "info registers")
            for part in ("RAX=0000000012345678", "RBX=000000009abcdef0", "FS =4321 0000000000043210"):
                tap.equal(part in text, True, text)
            box.qmp.command("stop")
            box.qmp.command("system_reset")
            box.qmp.event("RESET")
            text = hmp(box, "info registers")
            tap.equal("RIP=000000000000fff0" in text and "RAX=0000000000000000" in text, True, text)
            box.qmp.command("cont")
            vm.wait_until(lambda: "HLT=1" in hmp(box, "info registers"), "the guest halts again")


def irqchip(kind, option):
    need_kvm()
    args = ["-machine", f"kernel_irqchip={kind}"] if option == "-machine" else []
    accel = KVM if args else f"kvm,kernel_irqchip={kind}"
    with vm.Vm(machine.PROGRAM, accel=accel, memory="32M", serial=False, extra=[*args, "-S"]) as box:
        tap.equal(box.qmp.command("qom-get", path="/accel", property="kernel-irqchip"), kind)


def dumped(accel):
    """A dump of guest memory has what the guest wrote there, and its registers."""
    if accel.startswith("kvm"):
        need_kvm()
    with tempfile.TemporaryDirectory() as folder, start(TOUCH, accel) as box:
        vm.wait_until(lambda: int(hmp(box, "xp /1xb 0x20000").split(":")[1], 16), "the guest writes")
        box.qmp.command("stop")
        byte = int(hmp(box, "xp /1xb 0x20000").split(":")[1], 16)
        registers_now = hmp(box, "info registers")
        box.qmp.command("dump-guest-memory", paging=False, protocol=f"file:{folder}/core")
        with open(f"{folder}/core", "rb") as core:
            elf = core.read()
        tap.equal(elf[:4], b"\x7fELF")
        at, count = int.from_bytes(elf[32:40], "little"), int.from_bytes(elf[56:58], "little")
        heads = [elf[at + 56 * n:at + 56 * (n + 1)] for n in range(count)]
        fields = [[int.from_bytes(head[i:i + 8], "little") for i in (8, 24, 32)] for head in heads]
        low = next(f for f, head in zip(fields, heads) if head[0] == 1 and f[1] <= 0x20000 < f[1] + f[2])
        tap.equal(elf[low[0] + 0x20000 - low[1]], byte, "the byte in the dump")
        note = next(f for f, head in zip(fields, heads) if head[0] == 4)
        rbx = bytes.fromhex(re.search("RBX=([0-9a-f]+)", registers_now)[1])[::-1]
        tap.equal(rbx in elf[note[0]:note[0] + note[2]], True, "RBX in the notes")


def interrupted(accel):
    """Stopped in the middle of accesses, often: none is lost and none done twice."""
    need_kvm()
    def counted():
        return int(hmp(box, "xp /1xw 0x500").split(":")[1], 16)

    with start(COUNT, accel) as box:
        vm.wait_until(counted, "it counts")
        last = 0
        for _ in range(50):
            box.qmp.command("stop")
            text = hmp(box, "info registers")
            rip = int(re.search("RIP=([0-9a-f]+)", text)[1], 16)
            tap.equal(rip in (7, 8, 13), True, text)
            count = counted()
            tap.equal(count >= last, True, f"{count} after {last}")
            last = count
            box.qmp.command("cont")
        vm.wait_until(lambda: counted() > last, "it goes on")


def lost_in_space():
    """An exit that nobody can handle stops the machine, with the registers."""
    need_kvm()
    with start(NOWHERE) as box:
        vm.wait_until(lambda: box.qmp.command("query-status")["status"] == "internal-error", "it stops")
        tap.equal("KVM_EXIT_" in box.errors() and "RIP=00000000d0000000" in box.errors(), True, box.errors())
        try:
            box.qmp.command("cont")
        except vm.QmpError as err:
            tap.equal("reset it first" in err.desc, True, err.desc)
        else:
            raise AssertionError("cont was accepted")


def sandbox():
    hello(KVM, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny")


# ---- memory ----

def memslots():
    need_kvm()
    with start(HELLO, "kvm,x-memslots=8", memory="32M,slots=16,maxmem=8G") as box:
        message = None
        tap.equal(box.qmp.command("qom-get", path="/accel", property="memory-slots"), 8)
        at_start = slots(box)
        for i in range(9):
            box.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": f"m{i}", "size": 1 << 21})
            try:
                box.qmp.command("device_add", driver="pc-dimm", id=f"d{i}", memdev=f"m{i}")
            except vm.QmpError as err:
                message = err.desc
                break
        tap.equal("KVM has no memory slot left: 8 of 8 are in use" in str(message), True, message)
        tap.equal((slots(box), i), (8, 8 - at_start), "a slot for each DIMM")
        tap.equal([d["data"]["id"] for d in box.qmp.command("query-memory-devices")],
                  [f"d{n}" for n in range(i)])
        box.qmp.command("object-del", id=f"m{i}")  # it is not in use


def slots(box):
    """Memory slots in use, as the engine has them; None without kvm."""
    if not box.qmp.command("query-kvm")["enabled"]:
        return None
    return box.qmp.command("qom-get", path="/accel", property="memory-slots-used")


def usage(box):
    """Descriptors, mappings, memory slots, resident KiB (vm.resident())."""
    pid = box.process.pid
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        count = len(maps.readlines())
    return len(os.listdir(f"/proc/{pid}/fd")), count, slots(box), vm.resident(pid)


def thousand(accel):
    """A guest takes and gives back a DIMM many times. Few slots: a leak of them would show."""
    if accel.startswith("kvm"):
        need_kvm()
    with vm.small_quarantine(), start(HANDSHAKE, accel, memory="32M,slots=2,maxmem=8G") as box:
        for n in range(1001):
            box.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m", "size": 1 << 21})
            box.qmp.command("device_add", driver="pc-dimm", id="d", memdev="m")
            box.qmp.event("ACPI_DEVICE_OST", slot="0", source=1, status=0)
            box.qmp.command("device_del", id="d")
            box.qmp.event("DEVICE_DELETED", device="d")
            box.qmp.command("object-del", id="m")
            box.qmp.events.clear()
            if n == 100:
                before = usage(box)
        after = usage(box)
        print(f"# descriptors, mappings, slots, KiB: {before} -> {after}")
        tap.equal((after[0], after[1] - before[1] <= 4, after[2], after[3] - before[3] < 2048),
                  (before[0], True, before[2], True), f"{before} -> {after}")


def touched(accel):
    """The guest uses the DIMM's first and last page; after it ejected it, it reads all ones."""
    if accel.startswith("kvm"):
        need_kvm()
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as file:
        with start(LONG_HANDSHAKE, accel, memory="32M,slots=2,maxmem=8G",
                   extra=["-debugcon", f"file:{out.name}"]) as box:
            def said():
                return open(out.name, "rb").read()

            try:
                vm.wait_until(lambda: b"L" in said(), "long mode")
            except vm.Timeout:
                if accel != "soft" and not has_vmx() and box.qmp.command("query-status")["status"] == "internal-error":
                    raise tap.Skip("this host's KVM runs no long mode") from None
                raise
            for n in range(1, 4):
                box.qmp.command("object-add", **{"qom-type": "memory-backend-file", "id": "m", "size": 1 << 21,
                                                 "mem-path": file.name, "share": True})
                box.qmp.command("device_add", driver="pc-dimm", id="d", memdev="m")
                box.qmp.event("ACPI_DEVICE_OST", slot="0", source=1, status=0)
                vm.wait_until(lambda n=n: said().count(b"I") == n, "memory is used")
                with open(file.name, "rb") as content:
                    data = content.read()
                tap.equal((data[:8], data[-8:]), (b"\x88\x77\x66\x55\x44\x33\x22\x11",) * 2)
                box.qmp.command("device_del", id="d")
                box.qmp.event("DEVICE_DELETED", device="d")
                vm.wait_until(lambda n=n: said().count(b"E") == n, "memory is gone")
                box.qmp.command("object-del", id="m")
            tap.equal(said(), b"LIEIEIE")


def apart(board):
    """KVM's identity page table and TSS lie in no RAM, ROM or DIMM, however large those are."""
    need_kvm()
    with tempfile.NamedTemporaryFile() as rom:
        os.truncate(rom.name, 16 << 20)  # as large as it may be
        with vm.Vm(machine.PROGRAM, memory="8G,slots=2,maxmem=64G", accel=KVM, serial=False,
                   extra=["-S", "-machine", board, "-bios", rom.name,
                          "-object", "memory-backend-ram,id=m,size=128M", "-device", "pc-dimm,memdev=m"]) as box:
            text = hmp(box, "info mtree -f")
            ranges = [(int(first, 16), int(last, 16)) for first, last in
                      re.findall(r"^  ([0-9a-f]{16})-([0-9a-f]{16}) \(prio \d+, (?:ram|rom|romd)\)", text, re.M)]
            tap.equal(len(ranges) >= 4 and max(ranges)[0] > 8 << 30, True, text)
            tap.equal([r for r in ranges if r[0] <= 0xfeffffff and r[1] >= 0xfeffc000], [], text)


def nothing_locked():
    need_kvm()
    with start(TOUCH, memory="64M") as box:
        pid = box.process.pid
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            tap.equal(re.search(r"VmLck:\s+(\d+)", status.read())[1], "0")
        with open(f"/proc/{pid}/smaps", encoding="ascii") as smaps:
            tap.equal(set(re.findall(r"^Locked:\s+(\d+)", smaps.read(), re.M)), {"0"})
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            tap.equal(re.search(r"VmPin:\s+(\d+)", status.read())[1], "0")


def truncated(accel):
    """The file behind the guest's memory becomes shorter under it."""
    if accel.startswith("kvm"):
        need_kvm()
    with tempfile.NamedTemporaryFile() as file:
        backend = f"memory-backend-file,id=ram,size=32M,share=on,mem-path={file.name}"
        extra = ["-object", backend, "-machine", "memory-backend=ram"]
        with start(TOUCH, accel, extra=extra) as box:
            vm.wait_until(lambda: open(file.name, "rb").read(0x20001)[-1:] != b"\0", "the guest writes")
            os.truncate(file.name, 0x10000)
            event = box.qmp.event("MEMORY_FAILURE")
            tap.equal(event["data"], {"recipient": "guest", "action": "fatal",
                                      "flags": {"action-required": True, "recursive": False}})
            box.qmp.event("STOP")
            tap.equal(box.qmp.command("query-status")["status"], "internal-error")
            tap.equal("guest memory" in box.errors(), True, box.errors())
            hmp(box, "xp /1xw 0x1000000")  # gone too; and the program reads it
            box.qmp.command("system_reset")
            box.qmp.event("RESET")
            box.qmp.command("quit")


def no_memory(accel):
    if accel.startswith("kvm"):
        need_kvm()
    with start(HELLO, accel) as box:
        for size, more in ((1 << 46, {}), (1 << 40, {"prealloc": True})):
            try:
                box.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m", "size": size,
                                                 **more})
            except vm.QmpError as err:
                tap.equal("m" in err.desc and len(err.desc) > 20, True, err.desc)
            else:
                raise AssertionError(f"{size} bytes were there")
        tap.equal([m["id"] for m in box.qmp.command("query-memdev")], ["pc.ram"])
        tap.equal(box.qmp.command("query-status")["running"], True)


def no_thread(accel):
    """The limit of threads is reached: a clear message and status 1."""
    if accel == KVM:
        need_kvm()
    with tempfile.TemporaryDirectory() as directory:
        program = f"{directory}/dimmable"
        os.chmod(directory, 0o755)
        try:
            os.link(machine.PROGRAM, program)
        except OSError:
            subprocess.run(["cp", machine.PROGRAM, program], check=True)
        device = "mknod -m 666 /dev/kvm c 10 232" if accel == KVM else "true"
        status, text = in_other_dev(device, "prlimit", "--nproc=1:1", "setpriv", "--reuid=65533", "--regid=65533",
                                    "--clear-groups", program, "-accel", accel, "-smp", "3", "-m", "32M", "-S",
                                    "-nodefaults", "-display", "none")
    if "setpriv" in text or "prlimit" in text or "permission to open" in text:
        raise tap.Skip(text.strip())
    tap.equal((status, "thread" in text), (1, True), text)


TESTS = [
    ("chosen by itself", chosen_by_itself),
    ("chosen by name", chosen_by_name), ("chosen last", chosen_last),
    ("bad options", bad_options),
    ("system management mode", no_smm),
    ("what needs KVM's local APICs", no_local_apic),
    ("/dev/kvm is missing", device_missing),
    ("/dev/kvm is missing, and soft follows", device_missing_next),
    ("/dev/kvm is forbidden", device_forbidden),
    ("/dev/kvm is something else", device_wrong),
    *[(f"a guest runs, kernel_irqchip={chip}", lambda chip=chip: hello(f"kvm,kernel_irqchip={chip}"))
      for chip in ("split", "on", "off")],
    *[(f"{option} kernel_irqchip={kind}", lambda kind=kind, option=option: irqchip(kind, option))
      for kind in ("split", "on", "off") for option in ("-accel", "-machine")],
    ("a guest runs on two CPUs", lambda: hello(KVM, "-smp", "2")),
    *[(f"a guest runs as {model}", lambda model=model: hello(KVM, "-cpu", model))
      for model in ("host", "max", "qemu64", "base", "host,-kvm,-hypervisor")],
    *[(f"registers, {accel}", lambda accel=accel: registers(accel))
      for accel in ("kvm", "kvm,kernel_irqchip=off")],
    *[(f"stopped in accesses, {accel}", lambda accel=accel: interrupted(accel))
      for accel in ("kvm", "kvm,kernel_irqchip=off")],
    *[(f"a dump of memory, {accel}", lambda accel=accel: dumped(accel)) for accel in ("soft", "kvm")],
    ("an exit that nobody handles", lost_in_space),
    ("sandbox", sandbox),
    ("memory slots exhausted", memslots),
    ("1000 DIMMs, soft", lambda: thousand("soft")),
    ("1000 DIMMs, kvm", lambda: thousand("kvm,x-memslots=8")),
    *[(f"first and last page of a DIMM, {accel}", lambda accel=accel: touched(accel))
      for accel in ("soft", "kvm", "kvm,kernel_irqchip=off")],
    *[(f"what KVM needs lies apart, {board}", lambda board=board: apart(board)) for board in ("pc", "q35")],
    ("nothing is locked or pinned", nothing_locked),
    ("a file becomes shorter, soft", lambda: truncated("soft")),
    ("a file becomes shorter, kvm", lambda: truncated("kvm")),
    *[(f"no memory for a backend, {accel}", lambda accel=accel: no_memory(accel)) for accel in ("soft", "kvm")],
    *[(f"no thread for a CPU, {accel}", lambda accel=accel: no_thread(accel)) for accel in ("soft", "kvm")],
]

if __name__ == "__main__":
    if len(sys.argv) > 2:
        TESTS = [t for t in TESTS if sys.argv[2] in t[0]]
    tap.run(TESTS)
