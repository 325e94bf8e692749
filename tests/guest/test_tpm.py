#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernel with a TPM, which is Debian's swtpm: test_tpm.py BUILD-DIR."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402
from tpm_emulator import Swtpm  # noqa: E402

BUILD = sys.argv[1]
FIRMWARE = {"direct": [], "seabios": ["-machine", "firmware=on"], "ovmf": ["-bios", "/usr/share/ovmf/OVMF.fd"]}
ZERO = "0" * 64
PCR = 12  # nobody else extends it, and it is kept while the machine sleeps
LOG = "/sys/kernel/security/tpm0/binary_bios_measurements"


def machine(tpm, model, board, firmware, *words):
    for path in FIRMWARE[firmware]:
        if path.startswith("/") and not os.path.exists(path):
            raise tap.Skip(f"no {path}")
    return vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="256M", extra=[
        "-M", board, *FIRMWARE[firmware], "-chardev", f"socket,id=c,path={tpm.path}", "-tpmdev", "emulator,id=t,chardev=c",
        "-device", f"{model},tpmdev=t", *words])


def pcr(guest, number):
    return guest.run(f"cat /sys/class/tpm/tpm0/pcr-sha256/{number}").strip()


def driver(guest, name, version):
    tap.equal(guest.run("basename $(readlink /sys/class/tpm/tpm0/device/driver); "
                        "cat /sys/class/tpm/tpm0/tpm_version_major").split(), [name, str(version)])


def command(guest, text, length):
    """What the TPM answers, by the kernel's device, to the command with these hexadecimal digits."""
    octal = "".join(f"\\{byte:03o}" for byte in bytes.fromhex(text))
    return guest.run(f"exec 3<>/dev/tpm0; printf '{octal}' >&3 && head -c {length} <&3 | od -An -v -tx1; exec 3<&-").split()


def extend(guest, number):
    found = command(guest, "80020000004100000182" + f"{number:08x}" + "00000009400000090000000000" + "00000001000b" + "5a" * 32,
                    64)
    tap.equal(found[6:10], ["00"] * 4, f"TPM2_PCR_Extend: {found}")


def moved():
    """By the FIFO; what is in the TPM goes along when the machine is moved, and to a TPM that went Linux says so."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        with Swtpm(one) as tpm, machine(tpm, "tpm-tis", "pc", "direct") as guest:
            guest.wait_ready()
            driver(guest, "tpm_tis", 2)
            tap.equal(pcr(guest, PCR), ZERO)
            extend(guest, PCR)
            was = pcr(guest, PCR)
            tap.equal(was != ZERO and bool(re.fullmatch("[0-9A-F]{64}", was)), True, was)
            guest.qmp.command("migrate", uri=f"file:{other}/state")
            vm.wait_until(lambda: guest.qmp.command("query-migrate")["status"] == "completed", "the state is saved")
        with Swtpm(other) as tpm, machine(tpm, "tpm-tis", "pc", "direct", "-incoming", f"file:{other}/state") as guest:
            vm.wait_until(lambda: guest.qmp.command("query-status")["status"] == "running", "the state is loaded")
            tap.equal(pcr(guest, PCR), was)
            extend(guest, PCR)
            tap.equal(pcr(guest, PCR) not in (was, ZERO), True)
            tpm.process.kill()
            guest.run(f"cat /sys/class/tpm/tpm0/pcr-sha256/{PCR}", check=False)
            tap.equal("A TPM error (257) occurred attempting to read a pcr" in guest.run("dmesg"), True, "it has failed")
            tap.equal(guest.qmp.command("query-status")["status"], "running")


def measured(model, board, firmware, name):
    """Firmware measures what it starts, and says so in its log; the TPM remembers over S3, as firmware restores it, and
    begins anew with a reset."""
    with tempfile.TemporaryDirectory() as folder, Swtpm(folder) as tpm, machine(tpm, model, board, firmware) as guest:
        guest.wait_ready()
        driver(guest, name, 2)
        pcrs = [pcr(guest, number) for number in (0, 4)]
        tap.equal(ZERO in pcrs, False, f"{pcrs}")
        guest.run("mount -t securityfs none /sys/kernel/security")
        tap.equal(int(guest.run(f"wc -c <{LOG}")) > 1000, True)
        extend(guest, PCR)
        was = pcr(guest, PCR)
        guest.serial.send(b"echo mem >/sys/power/state; echo \"woken with $?\"\n")
        guest.qmp.event("SUSPEND", 60)
        guest.qmp.command("system_wakeup")
        tap.equal(guest.wait_for(r"woken with (\d+)\r?\n", 60).group(1), b"0")
        tap.equal([pcr(guest, number) for number in (0, 4, PCR)], [*pcrs, was])
        guest.qmp.command("system_reset")
        guest.wait_ready()
        tap.equal(([pcr(guest, number) for number in (0, 4)], pcr(guest, PCR)), (pcrs, ZERO), "what is measured is the same")


def version_1():
    with tempfile.TemporaryDirectory() as folder, Swtpm(folder, 1) as tpm, \
            machine(tpm, "tpm-tis", "pc", "seabios") as guest:
        guest.wait_ready()
        driver(guest, "tpm_tis", 1)
        tap.equal(len(re.findall(r"(?m)^PCR-\d\d:", guest.run("cat /sys/class/tpm/tpm0/device/pcrs"))), 24)


tap.run([("the FIFO, moved", moved), ("SeaBIOS measures", lambda: measured("tpm-tis", "pc", "seabios", "tpm_tis")),
         ("OVMF measures", lambda: measured("tpm-crb", "q35", "ovmf", "tpm_crb")), ("TPM 1.2", version_1)])
