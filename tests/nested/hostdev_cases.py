# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices of the host given to a guest: USB devices, input devices and the TPM of the outer machine. A Cases is made of that."""
import contextlib
import tempfile

import tap
import test_linux as linux
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
CHOSEN = "vendorid=0x46f4,productid=1"  # by which it is found


KEPT = tempfile.TemporaryDirectory()  # as long as the outer machine
PLAYED = f"{KEPT.name}/played.wav"


def outer_options(folder):
    """Options of outer.Outer."""
    with open(f"{folder}/stick", "wb") as file:
        file.truncate(STICK_MIB * MIB)
    return {"generic": OUTER_MODULES,
            "extra": [*COMPANIONS, "-blockdev", f"file,node-name=stick,filename={folder}/stick", "-device", STICK,
                      "-device", "usb-kbd,id=kbd,bus=usb.0,port=2,usb_version=1", "-audiodev", f"wav,id=a,path={PLAYED}",
                      "-device", "usb-audio,audiodev=a,bus=usb.0,port=3",
                      "-chardev", f"socket,id=line,server=on,wait=off,path={KEPT.name}/line",
                      "-device", "usb-serial,chardev=line,bus=usb.0,port=4"]}


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
        self.until("the outer kernel has the disk", "[ -b /dev/sda ] && dd if=/dev/sda of=/dev/null bs=512 count=1 2>/dev/null")

    def fill(self):
        self.stick_is_ours()
        return self.place.run(f"dd if=/dev/urandom of=/dev/sda bs=1M count={STICK_MIB} 2>/dev/null; sync; sha256sum < /dev/sda").split()[0]

    @staticmethod
    def sum(guest):
        return guest.run("until [ -b /dev/sda ]; do sleep 0.1; done; dd if=/dev/sda bs=64k iflag=direct 2>/dev/null | sha256sum",
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
            path = self.place.run("d=$(dirname $(grep -l 46f4 /sys/bus/usb/devices/*/idVendor)); "
                                  "printf '/dev/bus/usb/%03d/%03d' $(cat $d/busnum) $(cat $d/devnum)")
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

    def keys(self, guest):
        name = "QEMU QEMU USB Keyboard"
        guest.run(f"until grep -q '{name}' /proc/bus/input/devices; do sleep 0.1; done", timeout=120)
        event = guest.run(f"grep -A4 '{name}' /proc/bus/input/devices | grep -o 'event[0-9]*'").strip()
        guest.run(f"until [ -c /dev/input/{event} ]; do sleep 0.1; done; (cat /dev/input/{event} > /tmp/keys) > /dev/null 2>&1 &")
        guest.run(f"until ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q /dev/input/{event}; do sleep 0.1; done")
        self.place.monitor("sendkey b")
        guest.run("until [ $(stat -c %s /tmp/keys) -ge 144 ]; do sleep 0.1; done", timeout=120)
        data = bytes.fromhex(guest.run("hexdump -v -e '1/1 \"%02x\"' /tmp/keys").strip())
        found = [(int.from_bytes(data[i + 16:i + 18], "little"), int.from_bytes(data[i + 18:i + 20], "little"), data[i + 20])
                 for i in range(0, len(data) - 23, 24)]
        tap.equal([e for e in found if e[0] == 1], [(1, 48, 1), (1, 48, 0)], "the keys")

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
                guest.run("until [ -b /dev/sdb ]; do sleep 0.1; done", timeout=120)
            self.stick_is_ours()
            with self.machine((), *options, "-incoming", f"file:{folder}/state", wait=False) as guest:
                vm.wait_until(lambda: guest.qmp.command("query-status")["status"] == "running", "the state is loaded")
                guest.run("until [ -b /dev/sdb ]; do sleep 0.1; done; [ ! -b /dev/sda ]", timeout=120)
                tap.equal(guest.power_off(), 0, "exit status")
        self.stick_is_ours()
