#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The real libvirtd and virsh: test_libvirt.py BUILD-DIR GROUP. The groups are in the table at the
end."""
import os
import re
import signal
import subprocess
import sys
import tempfile

import libvirtd
from libvirtd import tap
import domains
from domains import ACPID, BOOT, DIMM, DIMM_XML, MIB, Guest, dimms, monitor, wait_text
import vm

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../img"))
import certificates  # pylint: disable=wrong-import-position

BUILD = os.path.abspath(sys.argv[1])
SESSION = None
CONFIG = ""  # of each daemon


def define(machine, kind="qemu"):
    name = f"{kind}-{machine}"
    return domains.define(SESSION, name, domains.domain_xml(SESSION, name, machine, kind))


# ---- what libvirt makes of the program ----

def probe():
    """It finds the program by its name in PATH, and takes it for what it is."""
    out = SESSION.virsh("version")
    if "Running hypervisor: QEMU 7.2.0" not in out:
        raise AssertionError(out)
    guest, = [guest for guest in libvirtd.ElementTree.fromstring(SESSION.virsh("capabilities")).iter("guest")
              if guest.find("arch").get("name") == "x86_64"]
    tap.equal(guest.find("arch/emulator").text, SESSION.emulator)
    names = {machine.text for machine in guest.iter("machine")}
    tap.equal({"pc", "q35", "pc-i440fx-7.2", "pc-q35-7.2"} - names, set(), "machines")
    kinds = {domain.get("type") for domain in guest.iter("domain")}
    tap.equal(kinds - {"kvm"}, {"qemu"}, "kinds of domains")
    tap.equal("kvm" in kinds, os.access("/dev/kvm", os.R_OK | os.W_OK), "kvm is there where /dev/kvm is")


def domcapabilities():
    for machine in ("pc", "q35"):
        tree = libvirtd.ElementTree.fromstring(
            SESSION.virsh("domcapabilities", "--emulatorbin", SESSION.emulator, "--virttype", "qemu",
                          "--machine", machine))
        tap.equal(tree.findtext("path"), SESSION.emulator)
        tap.equal(tree.findtext("domain"), "qemu")
        tap.equal(int(tree.find("vcpu").get("max")) >= 255, True, "CPUs")
        mode, = [mode for mode in tree.iter("mode") if mode.get("name") == "custom"]
        tap.equal(mode.get("supported"), "yes", "custom CPU models")
        models = {model.text: model.get("usable") for model in mode.iter("model")}
        tap.equal(models.get("qemu64"), "yes", f"qemu64 among {models}")
        for name in ("filesystem", "redirdev"):
            device = tree.find(f"devices/{name}")
            if device is not None and device.get("supported") == "yes" and any(
                    enum.findall("value") for enum in device.iter("enum") if enum.get("name") == "model"):
                raise AssertionError(f"{name} is said to be supported")


def log_is_clean():
    """Nothing that the probe asked for was answered by an error that libvirt minds."""
    tap.equal(SESSION.refusals(), set())


# ---- the life of a domain ----

class Life:
    """One domain, from define to undefine. Its parts are tests that build on each other."""

    def __init__(self, machine):
        self.machine, self.name, self.guest, self.total = machine, f"qemu-{machine}", None, 0

    def tests(self):
        return [(f"{self.machine}: {part.__name__.replace('_', ' ')}", part) for part in (
            self.start, self.attach, self.daemon_restart, self.detach, self.refusal, self.pause_and_go_on,
            self.questions, self.keys, self.what_it_has_not, self.monitor, self.dump, self.save_and_restore, self.managed_save,
            self.reset, self.reboot,
            self.shutdown, self.destroy, self.log)]

    def start(self):
        define(self.machine)
        SESSION.virsh("start", self.name)
        tap.equal(SESSION.state(self.name), "running")
        self.guest = Guest(SESSION, self.name)
        self.guest.wait_ready()
        self.total = self.guest.mem_total()

    def attach(self):
        xml = SESSION.write("dimm.xml", DIMM_XML)
        SESSION.virsh("attach-device", self.name, xml)
        tap.equal(dimms(SESSION, self.name), [("dimm0", "0", 4 << 30, DIMM)])
        self.wait_memory(DIMM)

    def wait_memory(self, plugged):
        vm.wait_until(lambda: self.guest.mem_total() == self.total + plugged, f"MemTotal with {plugged} more")
        tap.equal(SESSION.dumpxml(self.name).findtext("currentMemory"), str((BOOT + plugged) // 1024))

    def daemon_restart(self):
        """The guest goes on without it, and the next daemon knows it, DIMM and all."""
        before, pids = SESSION.virsh("dumpxml", self.name), SESSION.emulators()
        uptime = float(self.guest.run("cut -d' ' -f1 /proc/uptime"))
        SESSION.stop()
        self.guest.run("echo alone")
        SESSION.start()
        tap.equal(SESSION.emulators(), pids)
        tap.equal(SESSION.state(self.name), "running")
        tap.equal(SESSION.virsh("dumpxml", self.name), before)
        if float(self.guest.run("cut -d' ' -f1 /proc/uptime")) < uptime:
            raise AssertionError("the guest was started again")

    def detach(self):
        SESSION.virsh("detach-device", self.name, f"{SESSION.dir}/dimm.xml")
        # virsh waits for a guest no longer than five seconds.
        vm.wait_until(lambda: not dimms(SESSION, self.name), "the DIMM goes")
        self.wait_memory(0)

    def refusal(self):
        """Memory that the kernel uses: libvirt hears that the guest refused, and the DIMM stays."""
        self.guest.run("echo online_kernel > /sys/devices/system/memory/auto_online_blocks")
        SESSION.virsh("attach-device", self.name, f"{SESSION.dir}/dimm.xml")
        self.wait_memory(DIMM)
        self.guest.run("mount -t tmpfs none /tmp; cd /tmp; i=0; while [ $i -lt 400 ]; do "
                       "mkdir -p $i/a/b/c/d/e/f/g; i=$((i+1)); done; cd /", timeout=120)
        heard = domains.said(SESSION, "detach-device", self.name, f"{SESSION.dir}/dimm.xml")
        # virsh waits for a guest no longer than five seconds, and does not tell how it goes on.
        vm.wait_until(lambda: re.search('"event": *"DEVICE_UNPLUG_GUEST_ERROR"', SESSION.log()), "the guest refuses")
        domains.check_refusal(SESSION, "dimm0", heard)
        tap.equal(dimms(SESSION, self.name), [("dimm0", "0", 4 << 30, DIMM)])
        self.wait_memory(DIMM)

    def pause_and_go_on(self):
        SESSION.virsh("suspend", self.name)
        tap.equal(SESSION.virsh("domstate", self.name, "--reason"), "paused (user)")
        tap.equal(monitor(SESSION, self.name, "query-status")["status"], "paused")
        SESSION.virsh("resume", self.name)
        tap.equal(SESSION.state(self.name), "running")
        self.guest.run("echo goes on")

    def questions(self):
        stats = dict(line.strip().split("=", 1) for line in SESSION.virsh("domstats", self.name).splitlines()
                     if "=" in line)
        tap.equal(stats["state.state"], "1")
        tap.equal(stats["balloon.current"], str((BOOT + DIMM) // 1024))
        tap.equal(stats["vcpu.current"], "2")
        tap.equal(stats["block.count"], "0")
        SESSION.virsh("domdirtyrate-calc", self.name, "1")
        vm.wait_until(lambda: "dirtyrate.calc_status=2" in SESSION.virsh("domstats", self.name, "--dirtyrate"), "it is measured")
        if "dirtyrate.megabytes_per_second=" not in SESSION.virsh("domstats", self.name, "--dirtyrate"):
            raise AssertionError("no dirty rate")
        for args in (("dommemstat",), ("vcpuinfo",), ("domblklist",), ("domiflist",), ("domjobinfo",),
                     ("dominfo",), ("vcpupin",), ("emulatorpin",), ("numatune",), ("inject-nmi",)):
            SESSION.virsh(args[0], self.name, *args[1:])

    def keys(self):
        """The guest's kernel hears what is pressed; so it does in the other code set that virsh knows."""
        self.guest.run("echo 1 > /proc/sys/kernel/sysrq")
        SESSION.virsh("send-key", self.name, "KEY_LEFTALT", "KEY_SYSRQ", "KEY_H")
        vm.wait_until(lambda: "sysrq: HELP" in self.guest.run("dmesg | tail"), "the kernel's help")
        SESSION.virsh("send-key", self.name, "--codeset", "xt", "--holdtime", "10", "56", "84", "50")  # show memory
        vm.wait_until(lambda: "sysrq: Show Memory" in self.guest.run("dmesg | tail -n 200"), "the kernel shows its memory")

    def what_it_has_not(self):
        """Each is refused by libvirt's own message, or by ours passed on."""
        for words, *args in (
                ("balloon", "setmem", self.name, "256M", "--live"),
                ("maximum memory", "setmaxmem", self.name, "4G", "--live"),
                ("vcpu", "setvcpus", self.name, "1", "--live"),
                ("screen", "screenshot", self.name, f"{SESSION.dir}/screen"),
                ("agent", "domtime", self.name),
                ("VNC", "vncdisplay", self.name)):
            SESSION.refused(words, *args)

    def monitor(self):
        events = SESSION.watch("qemu-monitor-event", self.name, "--loop")
        lifecycle = SESSION.watch("event", self.name, "lifecycle", "--loop")
        def both_listen():  # which they do not tell
            SESSION.virsh("suspend", self.name)
            SESSION.virsh("resume", self.name)
            return os.path.getsize(events) and os.path.getsize(lifecycle)
        vm.wait_until(both_listen, "both listen")
        SESSION.virsh("suspend", self.name)
        SESSION.virsh("resume", self.name)
        wait_text(events, ["event STOP", "event RESUME"])
        wait_text(lifecycle, ["Suspended", "Resumed"])
        tap.equal(len(monitor(SESSION, self.name, "query-memory-devices")), 1)
        out = SESSION.virsh("qemu-monitor-command", self.name, "--hmp", "info memory-devices")
        if "dimm0" not in out:
            raise AssertionError(out)

    def dump(self):
        """An ELF core with all of the memory; the guest goes on."""
        path = f"{SESSION.dir}/core"
        SESSION.virsh("dump", self.name, path, "--memory-only")
        with open(path, "rb") as core:
            tap.equal(core.read(4), b"\x7fELF")
        if not BOOT + DIMM <= os.path.getsize(path) < BOOT + DIMM + 8 * MIB:
            raise AssertionError(f"{os.path.getsize(path)} bytes")
        os.unlink(path)
        tap.equal(SESSION.state(self.name), "running")
        self.guest.run("echo goes on")

    def comes_back(self, *args):
        """A virsh command starts the domain again where it was: DIMM and all, and the guest's files."""
        tap.equal(SESSION.state(self.name), "shut off")
        tap.equal(SESSION.emulators(), {})
        self.guest.close()
        SESSION.virsh(*args)
        tap.equal(SESSION.state(self.name), "running")
        self.guest = Guest(SESSION, self.name)
        tap.equal(self.guest.run("cat /tmp/mark").strip(), args[0])
        tap.equal(dimms(SESSION, self.name), [("dimm0", "0", 4 << 30, DIMM)])
        self.wait_memory(DIMM)

    def save_and_restore(self):
        path = f"{SESSION.dir}/saved"
        self.guest.run("echo restore > /tmp/mark")
        SESSION.virsh("save", self.name, path)
        self.comes_back("restore", path)
        os.unlink(path)

    def managed_save(self):
        self.guest.run("echo start > /tmp/mark")
        SESSION.virsh("managedsave", self.name)
        self.comes_back("start", self.name)

    def reset(self):
        SESSION.virsh("reset", self.name)
        self.guest.wait_ready()
        tap.equal(SESSION.state(self.name), "running")
        self.wait_memory(DIMM)

    def reboot(self):
        """The power button; when the guest is off, libvirt resets it and lets it go on."""
        self.guest.run(ACPID)
        pids = SESSION.emulators()
        SESSION.virsh("reboot", self.name)
        self.guest.wait_ready()
        SESSION.wait_state(self.name, "running")
        tap.equal(SESSION.emulators(), pids)

    def shutdown(self):
        self.guest.run(ACPID)
        SESSION.virsh("shutdown", self.name)
        SESSION.wait_state(self.name, "shut off")
        tap.equal(SESSION.virsh("domstate", self.name, "--reason"), "shut off (shutdown)")
        tap.equal(SESSION.emulators(), {})

    def destroy(self):
        SESSION.virsh("start", self.name, "--paused")
        SESSION.virsh("destroy", self.name)
        tap.equal(SESSION.virsh("domstate", self.name, "--reason"), "shut off (destroyed)")
        tap.equal(SESSION.emulators(), {})
        SESSION.virsh("undefine", self.name)
        tap.equal(SESSION.virsh("list", "--all", "--name"), "")

    def log(self):
        """libvirtd minded no answer."""
        tap.equal(SESSION.refusals(), set())
        self.guest.close()


# ---- from one daemon to another ----

BUSY = ("head -c 20000000 /dev/urandom > /tmp/pattern; md5sum < /tmp/pattern > /tmp/sum; (while :; do cp /tmp/pattern /tmp/copy; "
        "md5sum < /tmp/copy | cmp - /tmp/sum || echo lost >> /tmp/mark; done) > /dev/null 2>&1 &")
PARALLEL = ["--parallel", "--parallel-connections", "3"]
# How it goes: as it is; by TLS, over several connections, and both; or it goes on there, and its memory follows: after the
# first round, or when it is told to.
WAYS = ([], ["--tls"], PARALLEL, ["--tls", "--tls-destination", "localhost", *PARALLEL],
        ["--postcopy", "--postcopy-after-precopy", "--bandwidth", "60"], ["--postcopy", "--bandwidth", "10"],
        ["--tls", "--tls-destination", "localhost", "--postcopy", "--bandwidth", "10"])


def move(source, target, name, words):
    """One way. With postcopy the other daemon hears that it goes on before its memory is there."""
    xml = source.virsh("dumpxml", name, "--migratable")
    xml = source.write("target.xml", xml.replace(f"{source.dir}/{name}.serial", f"{target.dir}/{name}.serial"))
    events = target.popen(["virsh", "-q", "-c", "qemu:///session", "event", "--event", "lifecycle", "--loop"],
                          stdout=subprocess.PIPE, text=True)
    end = source.begin("migrate", "--live", *words, "--xml", xml, "--persistent", "--undefinesource", name, target.uri(),
                       "--migrateuri", "tcp://127.0.0.1")
    if "--postcopy" in words and "--postcopy-after-precopy" not in words:
        vm.wait_until(lambda: "Memory" in source.virsh("domjobinfo", name), "a job")
        source.virsh("migrate-postcopy", name)
    end()
    events.send_signal(signal.SIGINT)
    said = events.communicate(timeout=vm.LONG)[0]
    if "--postcopy-after-precopy" not in words:  # if the guest rests, one round is enough, and nothing is left that could follow
        tap.equal("Resumed Post-copy" in said, "--postcopy" in words, said)


def migrate():
    """A running guest with a DIMM goes to another daemon, which adds one more, and comes back, in each way."""
    name = define("q35")
    SESSION.virsh("start", name)
    guest = Guest(SESSION, name)
    guest.wait_ready()
    total = guest.mem_total()
    SESSION.virsh("attach-device", name, SESSION.write("dimm.xml", DIMM_XML))
    guest.run("echo stays > /tmp/mark")
    guest.run(BUSY)
    ways = [words for words in WAYS if "--postcopy" not in words or vm.memory_may_follow()]
    with libvirtd.Libvirt(f"{BUILD}/dimmable", config=CONFIG) as other:
        source, target = SESSION, other
        for number, words in enumerate(ways):
            move(source, target, name, words)
            guest.close()
            tap.equal((source.virsh("list", "--all", "--name"), target.state(name)), ("", "running"))
            guest = Guest(target, name)
            tap.equal(guest.run("cat /tmp/mark").strip(), "stays")
            vm.wait_until(lambda n=number: guest.mem_total() == total + (n + 1) * DIMM, "MemTotal")
            target.virsh("attach-device", name, target.write("dimm.xml", DIMM_XML))
            source, target = target, source
        vm.wait_until(lambda: guest.mem_total() == total + (len(ways) + 1) * DIMM, "MemTotal of all DIMMs")
        for word in ('"tls-creds":"objlibvirt_migrate_tls0"', '"multifd-channels":3'):
            tap.equal(word in SESSION.log(), True, word)
        guest.close()
        source.virsh("destroy", name)
        source.virsh("undefine", name)


def recover():
    """The connection of a guest whose memory follows is lost; the same command with --postcopy-resume goes on with it."""
    if not vm.memory_may_follow():
        raise tap.Skip("the host lets nobody wait for memory")
    name = define("q35")
    SESSION.virsh("start", name)
    guest = Guest(SESSION, name)
    guest.wait_ready()
    guest.run("echo stays > /tmp/mark")
    guest.run(BUSY)
    with libvirtd.Libvirt(f"{BUILD}/dimmable", config=CONFIG) as other:
        xml = SESSION.virsh("dumpxml", name, "--migratable")
        xml = SESSION.write("target.xml", xml.replace(f"{SESSION.dir}/{name}.serial", f"{other.dir}/{name}.serial"))
        words = ["migrate", "--live", "--postcopy", "--xml", xml, "--persistent", "--undefinesource", "--migrateuri", "tcp://127.0.0.1",
                 "--bandwidth", "10", "--postcopy-bandwidth", "2", name, other.uri()]
        end = SESSION.begin(*words)
        vm.wait_until(lambda: "Memory" in SESSION.virsh("domjobinfo", name), "a job")
        SESSION.virsh("migrate-postcopy", name)
        other.wait_state(name, "running")
        SESSION.virsh("domjobabort", name, "--postcopy")
        try:
            end()
            raise AssertionError("virsh says that all has gone well")
        except libvirtd.VirshError as err:
            print(f"# {err}")
        for session, wanted in (SESSION, "paused (post-copy failed)"), (other, "running (post-copy failed)"):
            vm.wait_until(lambda s=session, w=wanted: s.virsh("domstate", name, "--reason") == w, wanted)
        end = SESSION.begin(*(["migrate", "--postcopy-resume"] + words[1:]))
        vm.wait_until(lambda: monitor(SESSION, name, "query-migrate").get("status") == "postcopy-active", "it goes on")
        SESSION.virsh("qemu-monitor-command", name, '{"execute":"migrate-set-parameters","arguments":{"max-postcopy-bandwidth":0}}')
        end()
        guest.close()
        tap.equal((SESSION.virsh("list", "--all", "--name"), other.virsh("domstate", name, "--reason")), ("", "running (migrated)"))
        guest = Guest(other, name)
        tap.equal(guest.run("cat /tmp/mark").strip(), "stays")
        guest.close()
        other.virsh("destroy", name)
        other.virsh("undefine", name)


# ---- KVM, paused ----

def kvm_paused(machine):
    """Domains of type kvm are made and change; no guest code runs, for which the host's CPU is needed."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise tap.Skip("/dev/kvm cannot be used here")
    name = define(machine, "kvm")
    SESSION.virsh("start", name, "--paused")
    tap.equal(monitor(SESSION, name, "query-kvm"), {"enabled": True, "present": True})
    SESSION.virsh("attach-device", name, SESSION.write("dimm.xml", DIMM_XML))
    tap.equal(dimms(SESSION, name), [("dimm0", "0", 4 << 30, DIMM)])
    SESSION.restart()
    tap.equal(SESSION.state(name), "paused")
    tap.equal(dimms(SESSION, name), [("dimm0", "0", 4 << 30, DIMM)])
    SESSION.virsh("destroy", name)
    SESSION.virsh("undefine", name)


GROUPS = {
    "probe": [("probe", probe), ("domcapabilities", domcapabilities),
              ("kvm, q35", lambda: kvm_paused("q35")), ("kvm, pc", lambda: kvm_paused("pc")),
              ("log", log_is_clean)],
    "moves": [("a guest goes to another daemon and comes back", migrate), ("log", log_is_clean)],
    "recovers": [("a guest whose connection is lost goes on", recover)],
    "q35": Life("q35").tests(),
    "pc": Life("pc").tests(),
}


def main():
    global SESSION, CONFIG  # pylint: disable=global-statement
    tests = GROUPS[sys.argv[2]]
    try:
        with tempfile.TemporaryDirectory() as pki:
            if sys.argv[2] == "moves":
                certificates.make(pki)
                CONFIG = f'migrate_tls_x509_cert_dir = "{pki}"\nmigrate_tls_x509_verify = 1\n'
            with libvirtd.Libvirt(f"{BUILD}/dimmable", config=CONFIG) as SESSION:
                domains.make_guest(SESSION, BUILD)
                tap.run(tests)
    except tap.Skip as reason:
        print(f"1..0 # SKIP {reason}")


main()
