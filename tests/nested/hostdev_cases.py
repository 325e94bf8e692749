# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices of the host given to a guest: USB devices, input devices and the TPM of the outer machine. A Cases is made of that."""
import atexit
import contextlib
import re
import shutil
import struct
import tempfile

import tap
import test_linux as linux
import tpm_emulator
import vm

MIB = 1 << 20
STICK_MIB = 8
# In the order of loading; the generic kernel's.
OUTER_MODULES = ["irqbypass", "kvm", "ccp", "kvm-amd", "virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev",
                 "virtio_pci", "failover", "net_failover", "virtio_net", "usb-common", "usbcore", "ehci-hcd", "ehci-pci", "uhci-hcd",
                 "hid", "hid-generic", "usbhid", "evdev", "uinput", "scsi_common", "crct10dif_common", "crct10dif_generic", "crc-t10dif",
                 "crc64", "crc64_rocksoft_generic", "crc64-rocksoft", "t10-pi", "scsi_mod", "sd_mod", "usb-storage"]
USB = ("usb-common", "usbcore", "ehci-hcd", "ehci-pci", "uhci-hcd", "xhci-hcd", "xhci-pci")
DISK = ("scsi_common", "crct10dif_common", "crct10dif_generic", "crc-t10dif", "crc64", "crc64_rocksoft_generic", "crc64-rocksoft",
        "t10-pi", "scsi_mod", "sd_mod", "usb-storage")
HID = ("hid", "hid-generic", "usbhid", "evdev")
SOUND = ("soundcore", "snd", "snd-timer", "snd-pcm", "snd-hwdep", "mc", "snd-seq-device", "snd-rawmidi", "snd-usbmidi-lib", "snd-usb-audio",
         "snd-mixer-oss", "snd-pcm-oss")
SERIAL = ("usbserial", "ftdi_sio")
COMPANIONS = ["-device", "ich9-usb-ehci1,id=usb,addr=1d.7", "-device", "ich9-usb-uhci1,masterbus=usb.0,firstport=0,addr=1d.0,multifunction=on",
              "-device", "ich9-usb-uhci2,masterbus=usb.0,firstport=2,addr=1d.1",
              "-device", "ich9-usb-uhci3,masterbus=usb.0,firstport=4,addr=1d.2"]
STICK = "usb-storage,id=stick,drive=stick,bus=usb.0,port=1"
KEYBOARD, MOUSE = "QEMU QEMU USB Keyboard", "QEMU QEMU USB Mouse"
VIRTIO = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_input", "evdev")
CHOSEN = "vendorid=0x46f4,productid=1"  # by which it is found


KEPT = tempfile.TemporaryDirectory()  # as long as the outer machines
PLAYED = f"{KEPT.name}/played.wav"


def tpm_options():
    """A TPM of the outer machine, whose state is gone with the test."""
    if not shutil.which("swtpm"):
        return []
    folder = tempfile.mkdtemp(dir=KEPT.name)
    atexit.register(tpm_emulator.Swtpm(folder).__exit__)
    return ["-chardev", f"socket,id=t,path={folder}/swtpm.sock", "-tpmdev", "emulator,id=t,chardev=t", "-device", "tpm-tis,tpmdev=t"]


def outer_options(folder):
    """Options of outer.Outer."""
    with open(f"{folder}/stick", "wb") as file:
        file.truncate(STICK_MIB * MIB)
    return {"generic": OUTER_MODULES,
            "extra": [*COMPANIONS, *tpm_options(), "-blockdev", f"file,node-name=stick,filename={folder}/stick", "-device", STICK,
                      "-device", "usb-kbd,id=kbd,bus=usb.0,port=2,usb_version=1", "-audiodev", f"wav,id=a,path={PLAYED}",
                      "-device", "usb-audio,audiodev=a,bus=usb.0,port=3",
                      "-chardev", f"socket,id=line,server=on,wait=off,path={KEPT.name}/line",
                      "-device", "usb-serial,always-plugged=on,chardev=line,bus=usb.0,port=4",
                      "-device", "usb-mouse,bus=usb.0,port=5"]}


class Cases:
    def __init__(self, place, program):
        self.place, self.program = place, program

    @contextlib.contextmanager
    def machine(self, modules, *extra, wait=True, **options):
        with linux.machine(extra=extra, kernel="vmlinuz-generic", initrd="initrd-generic", memory="256M", **options) as guest:
            if wait:
                guest.wait_ready()
                for module in modules:
                    guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
            yield guest

    def until(self, what, command):
        self.place.run(f"until {command}; do sleep 0.1; done", timeout=300)
        print(f"# {what}", flush=True)

    # ---- USB ----

    def stick_is_ours(self):
        """The outer kernel has it, or has it again: its node there."""
        self.until("the outer kernel has the disk", "(: < /dev/sda) 2> /dev/null && dd if=/dev/sda of=/dev/null bs=512 count=1 2>/dev/null")

    def fill(self):
        self.stick_is_ours()
        return self.place.run(f"dd if=/dev/urandom of=/dev/sda bs=1M count={STICK_MIB} 2>/dev/null; sync; sha256sum < /dev/sda").split()[0]

    @staticmethod
    def sum(guest):
        return guest.run("until (: < /dev/sda) 2> /dev/null; do sleep 0.1; done; dd if=/dev/sda bs=64k iflag=direct 2>/dev/null | sha256sum",
                         timeout=300).split()[0]

    def disk(self):
        """Its sectors are read and written; it is pulled out and put in again at the host; it comes and goes by commands, and is
        the outer kernel's at the end."""
        total = self.fill()
        with self.machine((*USB, *DISK), "-device", "ich9-usb-ehci1,id=e", "-device", "qemu-xhci,id=x",
                          "-device", f"usb-host,{CHOSEN},bus=e.0,id=h") as guest:
            tap.equal(self.sum(guest), total, "what the disk has")
            tap.equal(self.place.run("ls /dev/sda 2>/dev/null"), "", "the outer kernel has it no more")
            total = guest.run(f"dd if=/dev/urandom of=/tmp/new bs=1M count={STICK_MIB} 2>/dev/null; dd if=/tmp/new of=/dev/sda bs=256k "
                              "2>/dev/null; sync; sha256sum < /tmp/new", timeout=300).split()[0]
            tap.equal(self.sum(guest), total, "what was written")
            self.place.monitor("device_del stick")
            guest.run("while [ -b /dev/sda ]; do sleep 0.1; done", timeout=120)
            self.place.monitor(f"device_add {STICK}")
            tap.equal(self.sum(guest), total, "after it came again")
            guest.qmp.command("system_reset")
            guest.wait_ready()
            for module in (*USB, *DISK):
                guest.run(f"insmod /lib/modules/{module}.ko", timeout=120)
            tap.equal(self.sum(guest), total, "after a reset")
            guest.qmp.command("device_del", id="h")
            guest.run("while [ -b /dev/sda ]; do sleep 0.1; done", timeout=120)
            self.stick_is_ours()
            said = guest.qmp.command("human-monitor-command", **{"command-line": "info usbhost"})
            at = [int(n) for n in re.search(r"Bus (\d+), Addr (\d+), .*\n +USB device 46f4:0001", said).groups()]
            path = "/dev/bus/usb/{:03}/{:03}".format(*at)
            guest.qmp.command("device_add", driver="usb-host", id="h2", bus="x.0", hostdevice=path, **{"guest-reset": False})
            tap.equal(self.sum(guest), total, "by the other controller")
            tap.equal(guest.power_off(), 0, "exit status")
        self.stick_is_ours()
        tap.equal(self.place.run("sha256sum < /dev/sda").split()[0], total, "what the outer kernel finds there")

    def others(self):
        """Endpoints of the other kinds, at a controller of full speed: a keyboard's keys (interrupt), a sound card (isochronous), a
        serial port (bulk, control)."""
        ids = ("vendorid=0x0627,productid=1,bus=u.0", "vendorid=0x46f4,productid=2,bus=u.0", "vendorid=0x0403,bus=x.0")
        modules = (*USB, *HID, *SOUND, *SERIAL)
        with self.machine(modules, "-device", "piix3-usb-uhci,id=u", "-device", "qemu-xhci,id=x",
                          *[word for text in ids for word in ("-device", f"usb-host,{text}")]) as guest:
            said = guest.qmp.command("human-monitor-command", **{"command-line": "info usbhost"})
            tap.equal(["0627:0001" in said, "0403:6001" in said], [True, True], said)
            self.keys(guest)
            guest.run("until [ -c /dev/dsp ]; do sleep 0.1; done; cat /proc/asound/cards", timeout=120)
            guest.run("tr '\\0' '\\377' < /dev/zero | dd of=/tmp/loud bs=1k count=16 iflag=fullblock 2>/dev/null; cat /tmp/loud > /dev/dsp", timeout=120)
            with open(PLAYED, "rb") as file:
                data = file.read()[44:]
            loud = sum(data[i + 1] >= 0x40 and data[i + 1] < 0x80 for i in range(0, len(data) - 1, 2))
            tap.equal(loud > 48000, True, f"{loud} loud samples of {len(data) // 2}")
            self.line(guest)
            tap.equal(guest.power_off(), 0, "exit status")

    @staticmethod
    def listen(guest, name):
        """What the guest's input device tells from now on: a function, which gives (code, value) of each event of a kind but
        repeated keys."""
        guest.run(f"until grep -q '{name}' /proc/bus/input/devices; do sleep 0.1; done", timeout=120)
        event = guest.run(f"grep -A4 '{name}' /proc/bus/input/devices | grep -o 'event[0-9]*'").strip()
        guest.run(f"until [ -c /dev/input/{event} ]; do sleep 0.1; done; (cat /dev/input/{event} > /tmp/{event}) > /dev/null 2>&1 &")
        guest.run(f"until ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q /dev/input/{event}; do sleep 0.1; done")

        def told(kind):
            data = bytes.fromhex(guest.run(f"hexdump -v -e '1/1 \"%02x\"' /tmp/{event}").strip())
            found = [struct.unpack("<HHi", data[i + 16:i + 24]) for i in range(0, len(data) - 23, 24)]
            return [e[1:] for e in found if e[0] == kind and (kind, e[2]) != (1, 2)]
        return told

    @staticmethod
    def expect(told, kind, wanted):
        """Until the last events of that kind are these."""
        last = vm.wait_until(lambda: (found := told(kind)) and found[-len(wanted):] == wanted and found, f"{wanted}", timeout=300)
        print(f"# {last}", flush=True)
        return last

    def keys(self, guest):
        told = self.listen(guest, KEYBOARD)
        self.place.monitor("sendkey b")
        self.expect(told, 1, [(48, 1), (48, 0)])

    @staticmethod
    def line(guest):
        line = vm.Stream(f"{KEPT.name}/line")
        with line.sock:
            guest.run("until [ -c /dev/ttyUSB0 ]; do sleep 0.1; done; stty -F /dev/ttyUSB0 raw -echo; exec 3<>/dev/ttyUSB0; "
                      "echo from the guest >&3; (read line <&3; echo $line > /tmp/line) &", timeout=120)
            tap.equal(line.line().decode(), "from the guest")
            line.send(b"from outside\n")
            guest.run("until [ -s /tmp/line ]; do sleep 0.1; done", timeout=120)
            tap.equal(guest.run("cat /tmp/line").strip(), "from outside")
            guest.run("exec 3<&-")

    def another(self, guest, number):
        """The guest has given a device this number: one more than the last one's."""
        guest.run(f"until grep -qx {number} /sys/bus/usb/devices/1-*/devnum; do sleep 0.1; done", timeout=120)
        tap.equal(len(self.sum(guest)), 64, "it can be read")

    def moved(self):
        """A machine that is saved leaves its device at the host; where it goes on, the guest sees another one come."""
        total = self.fill()
        options = ("-device", "ich9-usb-ehci1,id=e", "-device", f"usb-host,{CHOSEN},bus=e.0,id=h")
        with self.place.folder() as folder:
            with self.machine((*USB, *DISK), *options) as guest:
                tap.equal(self.sum(guest), total, "what the disk has")
                guest.qmp.command("migrate", uri=f"file:{folder}/state")
                vm.wait_until(lambda: guest.qmp.command("query-migrate")["status"] == "completed", "the state is saved")
                self.stick_is_ours()
                guest.qmp.command("cont")
                self.another(guest, 3)
            self.stick_is_ours()
            with self.machine((), *options, "-incoming", f"file:{folder}/state", wait=False) as guest:
                vm.wait_until(lambda: guest.qmp.command("query-status")["status"] == "running", "the state is loaded")
                self.another(guest, 3)
                tap.equal(guest.power_off(), 0, "exit status")
        self.stick_is_ours()

    # ---- the TPM ----

    def tpm(self, model):
        """The guest extends a register of the outer machine's TPM; the outer kernel sees that."""
        # TPM2_PCR_Extend(16, sha256: 32 times 0x5a)
        extend = "80020000004100000182000000100000000940000009000000000000000001000b" + "5a" * 32
        register = "cat /sys/class/tpm/tpm0/pcr-sha256/16"
        if self.place.run("ls /dev/tpm0").strip() != "/dev/tpm0":
            raise tap.Skip("the outer machine has no TPM: there is no swtpm (Debian's package swtpm)")
        before = self.place.run(register).strip()
        with self.machine((), "-tpmdev", "passthrough,id=t,path=/dev/tpm0", "-device", f"{model},tpmdev=t") as guest:
            tap.equal(guest.run(register).strip(), before, "the register, as the guest sees it")
            tap.equal(self.place.run("cat /dev/tpm0 2>&1").strip().endswith("busy"), True, "it is the guest's alone")
            text = "".join(f"\\x{extend[i:i + 2]}" for i in range(0, len(extend), 2))
            guest.run(f"exec 3<>/dev/tpm0; printf '{text}' >&3; dd bs=4096 count=1 <&3 2>/dev/null | hexdump -C; exec 3<&-")
            after = guest.run(register).strip()
            tap.equal((len(after), after != before), (64, True), f"{before} {after}")
            tap.equal(guest.power_off(), 0, "exit status")
        tap.equal(self.place.run(register).strip(), after, "what the outer kernel sees")

    # ---- input devices ----

    def evdev(self, name):
        self.until(f"the outer kernel has a {name}", f"grep -q '{name}' /proc/bus/input/devices")
        return "/dev/input/" + self.place.run(f"grep -A4 '{name}' /proc/bus/input/devices | grep -o 'event[0-9]*'").strip()

    def people(self):
        """input-linux: keys and moves are the guest's, until both Ctrl give them back, and again after that."""
        with self.machine(VIRTIO, "-object", f"input-linux,id=k,evdev={self.evdev(KEYBOARD)},grab_all=on",
                          "-object", f"input-linux,id=m,evdev={self.evdev(MOUSE)}", "-device", "virtio-keyboard-pci",
                          "-device", "virtio-mouse-pci") as guest:
            keys, moves = self.listen(guest, "QEMU Virtio Keyboard"), self.listen(guest, "QEMU Virtio Mouse")
            self.place.monitor("sendkey b")
            self.expect(keys, 1, [(48, 1), (48, 0)])
            self.place.monitor("mouse_move 5 -7")
            self.expect(moves, 2, [(0, 5), (1, -7)])
            self.place.monitor("sendkey ctrl-ctrl_r")
            vm.wait_until(lambda: sorted(keys(1)[2:]) == [(29, 0), (29, 1), (97, 0), (97, 1)], "both Ctrl")
            for key in ("c", "ctrl-ctrl_r", "d"):
                self.place.monitor(f"sendkey {key}")
            found = self.expect(keys, 1, [(32, 1), (32, 0)])
            tap.equal([code for code, _ in found].count(46), 0, "what came while it was the host's")
            tap.equal(guest.power_off(), 0, "exit status")

    def passed(self):
        """virtio-input-host: the guest has the device as it is."""
        with self.machine(VIRTIO, "-device", f"virtio-input-host-pci,evdev={self.evdev(KEYBOARD)}",
                          "-device", f"virtio-input-host-pci,evdev={self.evdev(MOUSE)}") as guest:
            keys, moves = self.listen(guest, KEYBOARD), self.listen(guest, MOUSE)
            said = guest.run("cat /proc/bus/input/devices")
            tap.equal("Vendor=0627 Product=0001" in said, True, said)
            self.place.monitor("sendkey b")
            self.expect(keys, 1, [(48, 1), (48, 0)])
            self.place.monitor("mouse_move 5 -7")
            self.expect(moves, 2, [(0, 5), (1, -7)])
            tap.equal(guest.power_off(), 0, "exit status")
