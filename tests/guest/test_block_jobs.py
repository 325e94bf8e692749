#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Jobs on the disk of a machine that runs Linux, which writes and reads all the time: test_block_jobs.py BUILD-DIR."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tap  # noqa: E402
import vm  # noqa: E402

BUILD = sys.argv[1]
SIZE = 64 << 20
DRIVERS = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk"]
# Each block of 64 KiB has what was written to it last, and its sum is compared whenever it is read again: by two who
# write to halves of the disk, in an order in which places come again soon.
WORK = """cat > /tmp/work <<'END'
half=$1; n=0; bad=0
while [ ! -e /tmp/stop ]; do
  n=$((n + 1)); at=$(((n * 37 + n / 7) % 400 + half * 512))
  if [ -e /tmp/sum.$at ] && [ "$(dd if=/dev/vda bs=64k skip=$at count=1 iflag=direct 2>/dev/null | sha256sum)" != "$(cat /tmp/sum.$at)" ]; then
    echo "$at" >> /tmp/bad
  fi
  dd if=/dev/urandom of=/tmp/data.$half bs=64k count=1 2>/dev/null
  sha256sum < /tmp/data.$half > /tmp/sum.$at
  dd if=/tmp/data.$half of=/dev/vda bs=64k seek=$at count=1 oflag=direct conv=notrunc 2>/dev/null
  echo $n > /tmp/count.$half
done
END
for half in 0 1; do sh /tmp/work $half & done"""


def tool(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode()


class Writer:
    """A machine whose guest writes, on base <- mid <- top."""

    def __init__(self, iothread=False):
        self.folder = tempfile.TemporaryDirectory()
        for name, below in (("base", None), ("mid", "base"), ("top", "mid")):
            backing = ("-b", self.path(below), "-F", "qcow2") if below else ()
            tool("qemu-img", "create", "-q", "-f", "qcow2", *backing, self.path(name), str(SIZE))
            tool("qemu-io", "-f", "qcow2", "-c", f"write -P {len(name)} 0 {SIZE // (2 if below else 1)}", self.path(name))
        tool("qemu-img", "create", "-q", "-f", "qcow2", self.path("target"), str(SIZE))
        self.vm = vm.Vm(f"{BUILD}/dimmable", f"{BUILD}/guest", accel="soft", memory="256M", cpus=2, extra=[
            "-blockdev", f"qcow2,node-name=top,file.driver=file,file.filename={self.path('top')}",
            "-blockdev", f"qcow2,node-name=target,file.driver=file,file.filename={self.path('target')}", "-object", "iothread,id=io",
            "-device", "virtio-blk-pci,drive=top" + ",iothread=io" * iothread])

    def __enter__(self):
        self.vm.wait_ready()
        for driver in DRIVERS:
            self.vm.run(f"insmod /lib/modules/{driver}.ko")
        self.vm.run(WORK)
        self.more()
        return self

    def __exit__(self, *exc):
        self.vm.close()
        self.folder.cleanup()

    def path(self, name):
        return f"{self.folder.name}/{name}"

    def more(self):
        """The guest has written, in both halves, since."""
        def counts():
            return [int(n) for n in self.vm.run("cat /tmp/count.0 /tmp/count.1 2>/dev/null; true").split()]
        before = counts()
        vm.wait_until(lambda: len(counts()) == 2 and all(a > b + 3 for a, b in zip(counts(), before or [0, 0])), "the guest writes")

    def job(self, name, ready=False, **arguments):
        self.vm.qmp.command(name, **{"job-id": "j", **{key.replace("_", "-"): value for key, value in arguments.items()}})
        self.more()
        if ready:
            self.vm.qmp.event("BLOCK_JOB_READY", device="j")
            self.more()
            self.vm.qmp.command("job-complete", id="j")
        tap.equal(self.vm.qmp.event("BLOCK_JOB_COMPLETED", device="j")["data"].get("error"), None, name)
        self.vm.qmp.event("JOB_STATUS_CHANGE", id="j", status="null")
        self.more()

    def stop(self):
        """Nothing that the guest read was wrong, and what it wrote last is there."""
        self.vm.run("touch /tmp/stop; wait")
        check = ("for f in /tmp/sum.*; do at=${f#/tmp/sum.}; [ \"$(dd if=/dev/vda bs=64k skip=$at count=1 iflag=direct 2>/dev/null |"
                 " sha256sum)\" = \"$(cat $f)\" ] || echo $at >> /tmp/bad; done; cat /tmp/bad 2>/dev/null; true")
        tap.equal(self.vm.run(check, timeout=300), "")
        self.vm.qmp.command("quit")
        self.vm.process.wait()

    def checks(self, *names):
        for name in names:
            tool("qemu-img", "check", "-q", self.path(name))


def copies(iothread):
    """To another node, and what was there at one moment to a third; then all into one image."""
    with Writer(iothread) as w:
        w.job("blockdev-mirror", ready=True, device="top", target="target", sync="full")
        w.job("drive-backup", device="target", target=w.path("backup"), sync="full")
        w.job("drive-mirror", ready=True, device="target", target=w.path("third"), sync="top", node_name="third", copy_mode="write-blocking")
        w.stop()
        w.checks("top", "target", "backup", "third")


def chains(iothread):
    """A snapshot on top, which is committed; the middle of the chain, too; and what is left is streamed."""
    with Writer(iothread) as w:
        w.vm.qmp.command("blockdev-snapshot-sync", **{"node-name": "top", "snapshot-file": w.path("over"), "snapshot-node-name": "over"})
        w.more()
        w.job("block-commit", ready=True, device="over", base_node="top")
        w.job("block-commit", device="top", top=w.path("mid"), base=w.path("base"))
        w.job("block-stream", device="top")
        w.stop()
        w.checks("top", "over", "base")
        tap.equal("backing file" in tool("qemu-img", "info", w.path("top")), False)


tap.run([(f"{f.__name__}{' by an iothread' if iothread else ''}", lambda f=f, iothread=iothread: f(iothread))
         for f in (copies, chains) for iothread in (False, True)])
