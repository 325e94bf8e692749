# SPDX-License-Identifier: GPL-2.0-or-later
"""vhost=on and vhost-vsock-pci: the modules vhost_net and vhost_vsock of the outer machine's kernel work on the rings of the
inner one. A Cases is made of the outer machine, and has the functions of test_nested.py that look at a guest."""
import contextlib
import re

import tap
import test_linux as linux

MIB = 1 << 20
OUTER_MODULES = ["drivers/net/tun", "drivers/net/tap", "drivers/vhost/vhost_iotlb", "drivers/vhost/vhost", "drivers/vhost/vhost_net",
                 "net/vmw_vsock/vsock", "net/vmw_vsock/vmw_vsock_virtio_transport_common", "drivers/vhost/vhost_vsock", "fs/configfs/configfs",
                 "drivers/scsi/scsi_common", "drivers/scsi/scsi_mod", "drivers/scsi/sd_mod", "drivers/target/target_core_mod", "drivers/target/target_core_file", "drivers/vhost/vhost_scsi"]
LATER_MODULES = ["drivers/scsi/scsi_debug"]  # which a case loads
INNER_MODULES = ["net/vmw_vsock/vsock", "net/vmw_vsock/vmw_vsock_virtio_transport_common",
                 "net/vmw_vsock/vmw_vsock_virtio_transport"]
VIRTIO = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "failover", "net_failover",
          "virtio_net")
CID, PORT = 7, 1234
WWPN = "naa.5001405bc1c0ffee"
OUTER, INNER = "192.168.9.1", "192.168.9.2"
# A tap that is made anew has it again: what the guest knows of its neighbour stays right.
TAP_UP = f"ifconfig tv0 hw ether 02:00:00:00:09:01; ifconfig tv0 {OUTER} up"
DATA = "/tmp/data"  # in both machines, each its own


class Cases:
    def __init__(self, place, program):
        self.place, self.program = place, program
        # For all cases that come.
        place.run(f"grep -q ':{PORT:04X} ' /proc/net/tcp || (streams serve {PORT} > /dev/null 2>&1 &)")

    # ---- what both do ----

    def data(self, guest, mib=4):
        """Random bytes here and there, each with its sum."""
        make = f"dd if=/dev/urandom of={DATA} bs=1M count={mib} 2>/dev/null; sha256sum < {DATA}"
        return self.place.run(make).split()[0], guest.run(make, timeout=120).split()[0]

    def exchange(self, guest, inner=INNER, outer=OUTER):
        """Streams both ways, with the other one as the server."""
        here, there = self.data(guest)
        tap.equal(self.place.run(f"streams call {inner} {PORT} < {DATA} 2>&1 > /tmp/got; sha256sum < /tmp/got", timeout=300).split()[0],
                  here, "what came back from the guest")
        tap.equal(guest.run(f"streams call {outer} {PORT} < {DATA} | sha256sum", timeout=300).split()[0], there,
                  "what came back from the host")

    def ping(self, guest):
        guest.run(f"until ping -c 1 -W 5 {OUTER} > /dev/null; do :; done; ping -c 3 -s 1400 {OUTER} > /dev/null", timeout=120)
        self.place.run(f"until ping -c 1 -W 5 {INNER} > /dev/null; do :; done", timeout=120)

    def by_kernel(self, guest, text):
        """The kernel's threads are there, and the tap's packets do not come through the program."""
        tap.equal(",vhost=on" in self.monitor(guest, "info network"), True, "vhost=on")
        tap.equal(self.place.run(f"ps | grep -c '[v]host-{guest.process.pid}'").strip() != "0", True, text)

    @staticmethod
    def monitor(guest, line):
        return guest.qmp.command("human-monitor-command", **{"command-line": line})

    @staticmethod
    def serve(guest):
        guest.run(f"streams serve {PORT} > /dev/null 2>&1 & until grep -q ':{PORT:04X} ' /proc/net/tcp; do sleep 0.1; done")

    @contextlib.contextmanager
    def networked(self, *options, netdev="", card="", cpus=2, incoming=False):
        with linux.machine(cpus=cpus, extra=[
                "-netdev", f"tap,id=n0,ifname=tv0,script=no,downscript=no,vhost=on{netdev}",
                "-device", f"virtio-net-pci,netdev=n0,id=c0{card}", *options]) as guest:
            self.place.run(TAP_UP)
            if not incoming:
                guest.wait_ready()
                for module in VIRTIO:
                    guest.run(f"insmod /lib/modules/{module}.ko")
                guest.run(f"ifconfig eth0 {INNER} up")
                self.serve(guest)
            yield guest

    # ---- the card ----

    def network(self, netdev="", card=""):
        """Packets both ways; over a stop, a link that is pulled, a DIMM whose memory is used for them, and without it; a card that
        goes and comes, and a machine that is reset."""
        with self.networked(netdev=netdev, card=card) as guest:
            self.ping(guest)
            self.by_kernel(guest, "threads of vhost")
            self.exchange(guest)
            guest.qmp.command("stop")
            guest.qmp.command("cont")
            self.ping(guest)
            self.monitor(guest, "set_link c0 off")
            tap.equal(guest.run(f"ping -c 1 -W 1 {OUTER} > /dev/null && echo answered", check=False), "", "an answer without a link")
            self.monitor(guest, "set_link c0 on")
            self.ping(guest)
            self.dimm(guest)
            tap.equal(guest.power_off(), 0, "exit status")

    def dimm(self, guest):
        """The kernel is told of memory that comes, before the guest puts packets there, and of memory that goes."""
        guest.plug("d0", 128 * MIB)
        # Pages of programs and files are taken from zone Movable, which is the DIMM, first.
        self.exchange(guest)
        guest.unplug("d0")
        self.exchange(guest)

    def moved(self):
        """Saved while packets come and go, and loaded: the card goes on where it was, and the stream with it."""
        with self.place.folder() as folder:
            with self.networked() as guest:
                self.ping(guest)
                here, _ = self.data(guest)
                sender = self.place.shell(f"(n=0; while [ $n -lt 64 ]; do dd bs=64k count=1 2>/dev/null; sleep 0.1; n=$((n + 1)); done) < {DATA} | "
                                          f"streams call {INNER} {PORT} | sha256sum; exit")
                # Who only begins when the tap has gone is told that there is no way.
                self.place.run(f"until grep -q ':{PORT:04X} 01 ' /proc/net/tcp; do sleep 0.1; done")
                linux.migrated(guest, f"exec:cat > {folder}/state")
            with sender, self.networked("-incoming", f"exec:cat {folder}/state", incoming=True) as guest:
                guest.qmp.event("RESUME", timeout=120)
                sender.settimeout(300)
                tap.equal(sender.makefile().readline().split()[0], here, "what came back")
                self.exchange(guest)
                tap.equal(guest.power_off(), 0, "exit status")

    def rounds(self):
        """The card, and then its netdev, goes and comes, with packets each time."""
        with self.networked() as guest:
            self.ping(guest)
            for _ in range(3):
                guest.qmp.command("device_del", id="c0")
                guest.qmp.event("DEVICE_DELETED", device="c0")
                guest.qmp.command("netdev_del", id="n0")
                guest.qmp.command("netdev_add", type="tap", id="n0", ifname="tv0", script="no", downscript="no", vhost=True)
                self.place.run(TAP_UP)
                guest.qmp.command("device_add", driver="virtio-net-pci", id="c0", netdev="n0")
                guest.run(f"until ifconfig eth0 {INNER} up 2>/dev/null; do sleep 0.1; done", timeout=120)
                self.ping(guest)
            guest.qmp.command("netdev_del", id="n0")
            guest.run("until [ \"$(cat /sys/class/net/eth0/carrier)\" = 0 ]; do sleep 0.1; done")
            tap.equal(guest.power_off(), 0, "exit status")

    # ---- sockets ----

    @contextlib.contextmanager
    def socketed(self, *options, incoming=False):
        with linux.machine(extra=["-device", f"vhost-vsock-pci,guest-cid={CID},id=v0", *options]) as guest:
            if not incoming:
                guest.wait_ready()
                for module in VIRTIO[:5]:
                    guest.run(f"insmod /lib/modules/{module}.ko")
                for module in INNER_MODULES:
                    guest.run(f"insmod /lib/modules/{module.rsplit('/', 1)[1]}.ko")
                self.serve(guest)
            yield guest

    def sockets(self):
        """Streams both ways, over a stop, with a DIMM, after a reset by the driver; the address is one machine's; a
        machine that is loaded has lost its connections, and takes new ones."""
        with self.place.folder() as folder:
            with self.socketed() as guest:
                self.exchange(guest, CID, 2)
                self.refused()
                guest.qmp.command("stop")
                guest.qmp.command("cont")
                guest.plug("d0", 128 * MIB)
                self.exchange(guest, CID, 2)
                guest.unplug("d0")
                guest.run("cd /sys/bus/virtio/drivers/vmw_vsock_virtio_transport; echo virtio0 > unbind; echo virtio0 > bind; cd /")
                self.exchange(guest, CID, 2)
                guest.run("mkfifo /tmp/in; exec 3<>/tmp/in; echo hello >&3; "
                          f"(streams call 2 {PORT} < /tmp/in > /tmp/out 2>&1; echo ended > /tmp/ended) & "
                          "until grep -q hello /tmp/out; do sleep 0.1; done; [ ! -e /tmp/ended ]", timeout=120)
                linux.migrated(guest, f"exec:cat > {folder}/state")
            with self.socketed("-incoming", f"exec:cat {folder}/state", incoming=True) as guest:
                guest.qmp.event("RESUME", timeout=120)
                guest.run("until [ -e /tmp/ended ]; do sleep 0.1; done; grep -q 'reset by peer' /tmp/out", timeout=30)
                self.exchange(guest, CID, 2)
                guest.qmp.command("device_del", id="v0")
                guest.qmp.event("DEVICE_DELETED", device="v0")
                guest.qmp.command("device_add", driver="vhost-vsock-pci", id="v1", **{"guest-cid": CID + 1})
                tap.equal(self.place.run(f"until streams call {CID + 1} {PORT} < /init 2>/dev/null | cmp - /init; do sleep 0.1; done; "
                                         "echo same", timeout=300).split()[-1], "same")
                tap.equal(guest.power_off(), 0, "exit status")

    # ---- disks of the kernel's ----

    def target(self, path):
        """A target with two units: a file, and memory of the kernel."""
        core, vhost = "/sys/kernel/config/target/core", f"/sys/kernel/config/target/vhost/{WWPN}/tpgt_1"
        said = self.place.run(
            "mount -t configfs none /sys/kernel/config 2>/dev/null; set -e; "
            f"dd if=/dev/urandom of={path} bs=1M count=32 2>/dev/null; mkdir -p {core}/fileio_0/f {core}/rd_mcp_0/r; "
            f"echo fd_dev_name={path},fd_dev_size={32 * MIB} > {core}/fileio_0/f/control; echo 1 > {core}/fileio_0/f/enable; "
            f"echo rd_pages=1024 > {core}/rd_mcp_0/r/control; echo 1 > {core}/rd_mcp_0/r/enable; "
            f"mkdir -p {vhost}/lun/lun_0 {vhost}/lun/lun_1; echo naa.5001405bc1c0fff1 > {vhost}/nexus; "
            f"ln -s {core}/fileio_0/f {vhost}/lun/lun_0/f; ln -s {core}/rd_mcp_0/r {vhost}/lun/lun_1/r; echo made")
        tap.equal(said.split()[-1:], ["made"], said)

    @contextlib.contextmanager
    def targeted(self, *options):
        with linux.machine(cpus=2, initrd="initrd-more", extra=["-device", f"vhost-scsi-pci,wwpn={WWPN},id=s0", *options]) as guest:
            guest.wait_ready()
            for module in (*VIRTIO[:5], "scsi_common", "scsi_mod", "sd_mod", "virtio_scsi"):
                guest.run(f"insmod /lib/modules/{module}.ko")
            yield guest

    def disks(self):
        """Read and written; over a stop, a DIMM that comes and goes, a reset; a machine with it is not moved."""
        with self.place.folder() as folder:
            path = f"{folder}/file"
            self.target(path)
            with self.targeted() as guest:
                self.same(guest, path)
                guest.qmp.command("stop")
                guest.qmp.command("cont")
                for _ in range(2):
                    guest.plug("d0", 128 * MIB)
                    self.written(guest, path)
                    guest.unplug("d0")
                    self.same(guest, path)
                tap.equal(guest.run("dd if=/dev/urandom of=/tmp/ram bs=1M count=4 2>/dev/null; dd if=/tmp/ram of=/dev/sdb 2>/dev/null; sync; "
                                    "echo 3 > /proc/sys/vm/drop_caches; cmp /tmp/ram /dev/sdb && echo same"), "same", "the kernel's memory")
                reasons = guest.qmp.command("query-migrate").get("blocked-reasons", [])
                tap.equal(["vhost-scsi" in reason for reason in reasons], [True], f"why the machine cannot be moved: {reasons}")
                guest.qmp.command("device_del", id="s0")
                guest.qmp.event("DEVICE_DELETED", device="s0")
                guest.qmp.command("device_add", driver="vhost-scsi-pci", wwpn=WWPN, id="s1", num_queues=1)
                guest.run("until (: < /dev/sda && : < /dev/sdb) 2> /dev/null; do sleep 0.1; done", timeout=120)
                self.written(guest, path)
                tap.equal(guest.power_off(), 0, "exit status")

    def same(self, guest, path):
        self.place.run("echo 3 > /proc/sys/vm/drop_caches")
        tap.equal(guest.run("until (: < /dev/sda) 2> /dev/null; do sleep 0.1; done; echo 3 > /proc/sys/vm/drop_caches; sha256sum < /dev/sda",
                            timeout=120).split()[0], self.place.run(f"sha256sum < {path}").split()[0], "what the disk has")

    def written(self, guest, path, mib=32):
        guest.run(f"dd if=/dev/urandom of=/tmp/new bs=1M count={mib} 2>/dev/null; dd if=/tmp/new of=/dev/sda bs=1M 2>/dev/null; sync; rm /tmp/new",
                  timeout=120)
        self.same(guest, path)

    def block(self):
        """scsi-block: a disk that scsi_debug of the outer kernel is."""
        disk = self.place.run("[ -d /sys/module/scsi_debug ] || insmod /modules/scsi_debug.ko dev_size_mb=32; "
                              "until ls /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/ 2>/dev/null | grep sd; do sleep 0.1; done",
                              timeout=120).split()[-1]
        with linux.machine(cpus=2, initrd="initrd-more", extra=[
                "-blockdev", f"host_device,node-name=d0,filename=/dev/{disk}", "-device", "virtio-scsi-pci",
                "-device", "scsi-block,drive=d0,id=b0"]) as guest:
            guest.wait_ready()
            for module in (*VIRTIO[:5], "scsi_common", "scsi_mod", "sd_mod", "virtio_scsi"):
                guest.run(f"insmod /lib/modules/{module}.ko")
            guest.run("until (: < /dev/sda) 2> /dev/null; do sleep 0.1; done", timeout=120)
            for name in ("vendor", "model", "rev", "scsi_level", "queue_depth"):
                print(f"# {name}:", guest.run(f"cat /sys/block/sda/device/{name}"))
            tap.equal(guest.run("cat /sys/block/sda/device/model"), self.place.run(f"cat /sys/block/{disk}/device/model").strip(), "model")
            tap.equal(guest.run("hexdump -C /sys/block/sda/device/vpd_pg83"),
                      self.place.run(f"hexdump -C /sys/block/{disk}/device/vpd_pg83").strip(), "device identification")
            self.written(guest, f"/dev/{disk}", 32)
            guest.plug("d1", 128 * MIB)
            self.written(guest, f"/dev/{disk}", 32)
            tap.equal(guest.run("dmesg | grep -c 'sda.*Sense Key'", check=False), "0", "commands that fail")
            tap.equal(guest.power_off(), 0, "exit status")

    # ---- what is refused ----

    def refused(self):
        """Another machine with this address; descriptors that are others; what the kernel has no room for."""
        def says(words):
            return self.place.run(f"{self.program} -accel tcg -S -display none -nodefaults {words} 2>&1 < /dev/null")
        for words, message in (
                (f"-device vhost-vsock-pci,guest-cid={CID}", f"guest-cid={CID} is another machine's"),
                ("-device vhost-vsock-pci,guest-cid=9,vhostfd=4 4<>/dev/vhost-net", "refuses guest-cid=9|is no /dev/vhost-vsock"),
                ("-device vhost-scsi-pci,wwpn=naa.1,vhostfd=4 4<>/dev/vhost-net", "is no /dev/vhost-scsi"),
                ("-netdev tap,id=n,ifname=tv9,script=no,downscript=no,vhostfd=4 4<>/dev/null", "is no /dev/vhost-net"),
                ("-device virtio-mem-pci,memdev=m,dynamic-memslots=on -object memory-backend-ram,id=m,size=32G,reserve=off "
                 "-m 256M,maxmem=64G -device vhost-vsock-pci,guest-cid=9", r"takes 64 ranges of memory at most, and with this "
                 r"there may be \d\d\d")):
            found = says(words)
            tap.equal(bool(re.search(message, found)), True, f"{words}: {found}")
