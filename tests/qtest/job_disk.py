# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with a disk that tests write to sector by sector, and images for jobs on it."""
import subprocess
import tempfile

import machine
import tap

MIB = 1 << 20
SIZE = 8 * MIB


def tool(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode()


def io(path, *commands, form="qcow2"):
    return tool("qemu-io", "-f", form, *[word for command in commands for word in ("-c", command)], path)


def has(path, value, offset, size, form="qcow2"):
    """The image has these bytes there."""
    text = io(path, f"read -P {value} {offset} {size}", form=form)
    tap.equal("failed" in text, False, f"{path}: {value} at {offset}: {text}")


class Disk(machine.Machine):
    """A machine with an IDE disk, drive "d", of these -blockdev options, whose node is @node; with these objects, and @more words. FOLDER in them is that of the images."""

    def __init__(self, *words, node="top", objects=(), more=(), **options):
        self.folder = tempfile.TemporaryDirectory()
        self.prepare(self.folder.name)
        extra = [word.replace("FOLDER", self.folder.name) for word in more]
        extra += [word for option in objects for word in ("-object", option)]
        extra += [word for option in words or [f"qcow2,node-name=top,file.driver=file,file.filename={self.path('top')}"]
                 for word in ("-blockdev", option.replace("FOLDER", self.folder.name))]
        try:
            super().__init__(extra=["-M", "pc", *extra, "-device", f"ide-hd,drive={node},id=disk"], **options)
        except BaseException:
            self.folder.cleanup()
            raise

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.folder.cleanup()

    def path(self, name):
        return f"{self.folder.name}/{name}"

    def prepare(self, folder):
        """base: 1 in the first 4 MiB; mid: 2 in [2, 5); top: 3 in [4, 6); and an empty target."""
        for name, below, writes in (("base", None, (1, 0, 4)), ("mid", "base", (2, 2, 3)), ("top", "mid", (3, 4, 2))):
            backing = ("-b", f"{folder}/{below}", "-F", "qcow2") if below else ()
            tool("qemu-img", "create", "-q", "-f", "qcow2", *backing, f"{folder}/{name}", *([] if below else [str(SIZE)]))
            io(f"{folder}/{name}", "write -P {} {}M {}M".format(*writes))
        tool("qemu-img", "create", "-q", "-f", "qcow2", f"{folder}/target", str(SIZE))
        with open(f"{folder}/raw", "wb") as file:
            file.truncate(SIZE)

    def add(self, name="target", form="qcow2", file=None, **options):
        self.qmp.command("blockdev-add", **{"driver": form, "node-name": name, "file": file or self.file(name), **options})

    def file(self, name):
        return {"driver": "file", "filename": self.path(name)}

    def put(self, sector, value, check=True):
        """The guest writes a sector full of @value."""
        for port, byte in ((0x1f2, 1), (0x1f3, sector & 255), (0x1f4, sector >> 8 & 255), (0x1f5, sector >> 16 & 255),
                           (0x1f6, 0xe0), (0x1f7, 0x30)):
            self.write("b", port, byte)
        machine.vm.wait_until(lambda: self.read("b", 0x1f7) & 0x88 == 0x08, "it takes data")
        for _ in range(256):
            self.write("w", 0x1f0, value << 8 | value)
        if check:
            self.done()

    def done(self):
        machine.vm.wait_until(lambda: not self.read("b", 0x1f7) & 0x80, "it is written")
        tap.equal(self.read("b", 0x1f7) & 0x01, 0, "error")

    def job(self):
        return self.qmp.command("query-block-jobs")[0]

    def ends(self, ident="j", **result):
        event = self.qmp.event("BLOCK_JOB_COMPLETED", device=ident)["data"]
        tap.equal({"error": event.get("error"), **{k: event[k] for k in result}}, {"error": None, **result})
        self.qmp.event("JOB_STATUS_CHANGE", id=ident, status="null")

    def node(self):
        return next(b for b in self.qmp.command("query-block") if b.get("qdev") == "disk")["inserted"]["node-name"]

    def power(self):
        self.qmp.command("quit")
        self.process.wait()


def refused(call, *words):
    try:
        call()
    except machine.vm.QmpError as error:
        tap.equal([word for word in words if word not in error.desc], [], error.desc)
        return error
    raise AssertionError(f"not refused: {words}")


def checks(m, *names):
    for name in names:
        tool("qemu-img", "check", "-q", m.path(name))


def slow(m, name, **options):
    """A job that copies its first part, and then waits: 1 byte a second."""
    m.qmp.command(name, **{"job-id": "j", "device": "top", "speed": 1, **options})
    machine.vm.wait_until(lambda: m.job()["offset"] > 0, "the first part is copied")


def go_on(m):
    m.qmp.command("block-job-set-speed", device="j", speed=0)
