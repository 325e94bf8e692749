#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Domains of many kinds under libvirt: test_libvirt_variants.py BUILD-DIR GROUP [PATTERN]. The groups are in the table at the
end; only the tests whose names the pattern matches."""
import glob
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import libvirtd
from libvirtd import tap
import domains
import huge_pages
from domains import BOOT, CELL, DIMM, DIMM_XML, MIB, NO_BALLOON, SLOTS, Guest, dimms, monitor
import vm

BUILD = os.path.abspath(sys.argv[1])
SESSION = None

# @FOLDER@ is the session's, with files that main() makes.
NVDIMM_XML = """<memory model='nvdimm' access='shared'><source><path>@FOLDER@/nvdimm</path></source>
    <target><size unit='MiB'>64</size><node>0</node><label><size unit='KiB'>128</size></label></target></memory>
"""
KERNEL = "<kernel>.*</cmdline>"  # of the domain: what is booted
PATH = "<source mode='bind' path='@FOLDER@/@NAME@.serial'/>"


def more(*devices):
    return {NO_BALLOON: NO_BALLOON + "".join(devices)}


def serial(kind, source):
    return {f"<serial type='unix'>{PATH}": f"<serial type='{kind}'>{source}"}


def features(text):
    return {"<acpi/>": "<acpi/>" + text}


def sysinfo(kind, text, mode=""):
    return {"</cmdline>": "</cmdline>" + mode, "<clock": f"<sysinfo type='{kind}'>{text}</sysinfo><clock"}


CELLS = ("<cell id='{}' cpus='{}' memory='256' unit='MiB'><distances><sibling id='{}' value='10'/>"
         "<sibling id='{}' value='21'/></distances></cell>")
DISK_AND_NET = """<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='@FOLDER@/disk.qcow2'/>
  <target dev='vda' bus='virtio'/></disk><interface type='user'><model type='virtio'/></interface>
  <memballoon model='virtio'/>"""
SATA = """<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='@FOLDER@/disk.qcow2'/>
  <target dev='sda' bus='sata'/></disk><disk type='file' device='cdrom'><driver name='qemu' type='raw'/>
  <source file='@FOLDER@/nvdimm'/><target dev='sdb' bus='sata'/></disk><disk type='file' device='cdrom'>
  <target dev='sdc' bus='sata'/></disk>"""
WATCHDOG_AND_SERIAL = """<watchdog model='i6300esb' action='pause'/>
  <serial type='null'><target type='pci-serial' port='1'/></serial>"""
SCSI_DISK = """<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='@FOLDER@/disk.qcow2'/>
    <target dev='sda' bus='scsi'/></disk>"""
VIRTIO = """<rng model='virtio'><rate bytes='1024' period='1000'/><backend model='random'>/dev/urandom</backend></rng>
    <rng model='virtio'><backend model='builtin'/></rng>
    <rng model='virtio'><backend model='egd' type='udp'><source mode='connect' host='127.0.0.1' service='9'/></backend></rng>
    <channel type='pty'><target type='virtio' name='org.test.0'/></channel>
    <console type='pty'><target type='virtio'/></console>"""
CACHE_AND_LATENCY = """<cache level='1' associativity='direct' policy='writeback'><size value='10' unit='KiB'/>
    <line value='8' unit='B'/></cache>"""
INTERCONNECTS = """<interconnects><latency initiator='0' target='0' type='access' value='5'/>
    <bandwidth initiator='0' target='0' type='access' value='204800' unit='KiB'/></interconnects>"""
ROOT_PORTS = "<controller type='pci' index='0' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 14
VMEM_XML = """<memory model='virtio-mem'><target><size unit='MiB'>512</size><node>0</node><block unit='MiB'>2</block>
    <requested unit='MiB'>128</requested></target></memory>"""
SOURCE = "<source><pagesize unit='KiB'>4</pagesize><nodemask>0</nodemask></source>"
NEHALEM = {"<model>qemu64</model>": "<model>Nehalem</model>",
           "<feature policy='disable' name='svm'/>": "<feature policy='disable' name='sse4.2'/>"}
CPU = "<cpu mode='custom' match='exact'><model>qemu64</model>"
SVM = "<feature policy='disable' name='svm'/>"
PMEM_XML = """<memory model='virtio-pmem'><source><path>@FOLDER@/nvdimm</path></source><target>
    <size unit='MiB'>64</size></target></memory>"""

# What in the domain is replaced by what. Those on pc are the first five.
VARIANTS = [
    ("as it is", {}),
    ("random bytes, a channel, a console", more(VIRTIO)),
    ("a disk, a network card, a balloon", {NO_BALLOON: DISK_AND_NET}),
    ("without ACPI", {"<acpi/>": "", SLOTS: ""}),
    ("two cells", {CELL: CELLS.format(0, 0, 0, 1) + CELLS.format(1, 1, 1, 0)}),
    ("DIMMs from the start", more(DIMM_XML, DIMM_XML.replace("<target>", SOURCE + "<target>"))),
    ("local time", {"<clock offset='utc'>": "<clock offset='localtime'>"}),
    ("absolute time", {"<clock offset='utc'>": "<clock offset='absolute' start='1000000000'>"}),
    ("sysinfo", sysinfo("smbios", "<system><entry name='manufacturer'>Foo</entry></system>"
                                  "<oemStrings><entry>hello</entry></oemStrings>", "<smbios mode='sysinfo'/>")),
    ("files of fw_cfg", sysinfo("fwcfg", "<entry name='opt/com.example/a'>x</entry>")),
    ("a core with the guest's memory", {"<memory unit='MiB'>512": "<memory unit='MiB' dumpCore='on'>512"}),
    ("no serial port", serial("null", "")),
    ("a pseudo-terminal", serial("pty", "")),
    ("a pipe", serial("pipe", "<source path='@FOLDER@/pipe'/>")),
    ("a serial port by TCP", serial("tcp", "<source mode='connect' host='127.0.0.1' service='9'><reconnect enabled='yes' "
                                           "timeout='60'/></source><protocol type='telnet'/>")),
    ("a serial port by UDP", serial("udp", "<source mode='connect' host='127.0.0.1' service='9'/>")),
    ("a socket that comes later", serial("unix", "<source mode='connect' path='@FOLDER@/later'>"
                                                 "<reconnect enabled='yes' timeout='60'/></source>")),
    ("another CPU", NEHALEM),
    ("the most of a CPU", {CPU: "<cpu mode='maximum'>", SVM: ""}),
    ("a CPU with 40 bits of addresses", {CPU: "<cpu mode='maximum'><maxphysaddr mode='emulate' bits='40'/>", SVM: ""}),
    ("an NVDIMM", more(NVDIMM_XML)),
    ("a virtio-mem", more(VMEM_XML)),
    ("a watchdog, a serial port of PCI", more(WATCHDOG_AND_SERIAL)),
    ("a parallel port", more("<parallel type='file'><source path='@FOLDER@/printed'/></parallel>")),
    ("SATA", more(SATA)),
    *[(f"a disk of {model}", more(f"<controller type='scsi' index='0' model='{model}'/>", SCSI_DISK)) for model in ("vmpvscsi", "lsilogic", "am53c974", "dc390", "lsisas1068", "lsisas1078")],
    ("keys and pointers of virtio", more(*[f"<input type='{kind}' bus='virtio'/>" for kind in ("keyboard", "mouse", "tablet")])),
    ("an iothread", {"<vcpu>": "<iothreads>1</iothreads><vcpu>"}),
    ("caches and latencies", {CELL: CELL[:-2] + f">{CACHE_AND_LATENCY}</cell>", "</numa>": INTERCONNECTS + "</numa>"}),
    ("vmcoreinfo", features("<vmcoreinfo state='on'/>")),
    ("no VMware port", features("<vmport state='off'/>")),
    ("a VMware port", features("<vmport state='on'/>")),
    ("a generation ID", {"<vcpu>": "<genid/><vcpu>"}),
    ("UEFI", {"<os>": "<os firmware='efi'>", KERNEL: "<firmware><feature enabled='no' name='secure-boot'/></firmware>"}),
    ("UEFI with secure boot", {**features("<smm state='on'><tseg unit='MiB'>48</tseg></smm>"), "<os>": "<os firmware='efi'>",
                               KERNEL: "<firmware><feature enabled='yes' name='secure-boot'/></firmware>"}),
    ("system management mode off", features("<smm state='off'/>")),
    ("SeaBIOS on the serial port", {KERNEL: "<bios useserial='yes'/>"}),
    ("a ROM", {KERNEL: "<loader type='rom'>/usr/share/seabios/bios-256k.bin</loader>"}),
    ("14 root ports", more(ROOT_PORTS)),
    ("a tablet", more("<input type='tablet' bus='usb'/>")),
    ("a USB controller", more("<controller type='usb' model='qemu-xhci' ports='15'/>")),
    ("EHCI with companions, and OHCI", more("<controller type='usb' index='0' model='ich9-ehci1'/>", *[
        f"<controller type='usb' index='0' model='ich9-uhci{n}'><master startport='{2 * n - 2}'/></controller>" for n in (1, 2, 3)],
        "<controller type='usb' index='1' model='pci-ohci'/>", "<input type='tablet' bus='usb'/>")),
    ("sound, and a USB device of others", more(
        "<sound model='ich9'><codec type='duplex'/></sound>", "<sound model='ich6'><codec type='micro'/></sound>",
        "<audio id='1' type='file' path='@FOLDER@/out.wav'/>", "<controller type='usb' index='0' model='qemu-xhci'/>",
        "<redirdev bus='usb' type='unix'><source mode='bind' path='@FOLDER@/redir'/></redirdev>",
        "<redirfilter><usbdev class='0x08' vendor='0x1234' product='0xbeef' version='2.56' allow='yes'/><usbdev allow='no'/></redirfilter>")),
    ("floppy drives and old sound cards", more(
        "<disk type='file' device='floppy'><driver name='qemu' type='raw'/><source file='@FOLDER@/nvdimm'/><target dev='fda' bus='fdc'/></disk>",
        "<disk type='file' device='floppy'><target dev='fdb' bus='fdc'/></disk>",
        *[f"<sound model='{model}'/>" for model in ("ac97", "es1370", "sb16")])),
    ("memory of a node of the host", {"<vcpu>": "<numatune><memnode cellid='0' mode='preferred' nodeset='0'/></numatune><vcpu>"}),
    ("memory of no other node", {"<vcpu>": "<numatune><memory mode='restrictive' nodeset='0'/></numatune><vcpu>"}),
    ("memory at once, of a node of the host", {
        "<vcpu>": "<memoryBacking><allocation mode='immediate' threads='2'/></memoryBacking>"
                  "<numatune><memory mode='strict' nodeset='0'/></numatune><vcpu>"}),
    ("CPUs in their places", {"<vcpu>": "<cputune><vcpupin vcpu='0' cpuset='0'/><emulatorpin cpuset='0'/></cputune><vcpu>"}),
    ("folders of the host", more(*[
        f"<filesystem type='mount' {words}><source dir='@FOLDER@'/><target dir='tag{n}'/>{rest}</filesystem>"
        for n, (words, rest) in enumerate([
            ("accessmode='mapped'", ""), ("accessmode='passthrough' multidevs='remap'", ""),
            ("accessmode='squash'", "<readonly/>"), ("accessmode='mapped' fmode='644' dmode='755'", "")])])),
    ("a screen by SPICE", more("<graphics type='spice' autoport='yes'/><video><model type='virtio' heads='2'/></video>")),
    ("a screen by SPICE with a password", more(
        "<graphics type='spice' port='-1' autoport='yes' passwd='secret' connected='disconnect'><listen type='address' address='127.0.0.1'/>"
        "<image compression='off'/><streaming mode='filter'/><clipboard copypaste='no'/><mouse mode='server'/></graphics>"
        "<video><model type='virtio' primary='yes'><resolution x='800' y='600'/></model></video>"
        "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>")),
    ("two screens of QXL", more("<graphics type='spice' autoport='yes'/><video><model type='qxl' heads='1'/></video>"
                                "<video><model type='qxl'/></video>")),
    ("objects on D-Bus, an agent, a clipboard", more(
        "<graphics type='dbus' p2p='yes'/><video><model type='virtio'/></video>"
        "<channel type='qemu-vdagent'><source><clipboard copypaste='yes'/><mouse mode='client'/></source>"
        "<target type='virtio' name='com.redhat.spice.0'/></channel><channel type='dbus'><source channel='org.test.0'/>"
        "<target type='virtio' name='org.test.0'/></channel>")),
    ("objects on a bus of libvirt's", more("<graphics type='dbus'/><video><model type='virtio'/></video>")),
    ("an IOMMU of Intel", {**features("<ioapic driver='qemu'/>"), **more(
        "<iommu model='intel'><driver intremap='on' caching_mode='on' eim='on' iotlb='on' aw_bits='48'/></iommu>")}),
    ("an IOMMU of virtio", more("<iommu model='virtio'/>")),
    ("enlightenments of Hyper-V", features(
        "<hyperv><relaxed state='on'/><vapic state='on'/><spinlocks state='on' retries='8191'/><vpindex state='on'/><runtime state='on'/>"
        "<reset state='on'/><vendor_id state='on' value='Microsoft Hv'/><frequencies state='on'/></hyperv>")),
    ("an old machine", {"machine='q35'": "machine='pc-q35-6.2'"}),
] + [(f"the balloon {model}", {NO_BALLOON: f"<memballoon model='{model}' autodeflate='on' freePageReporting='on'>"
                                          "<stats period='5'/></memballoon>"})
     for model in ("virtio", "virtio-transitional", "virtio-non-transitional")]

# What it has not, and the words of the refusal, which is libvirt's where it asks for the device before.
REFUSED = [
    ("a screen of another kind", more("<video><model type='vbox'/></video>"), "does not support video model 'vbox'"),
    ("a TPM of the host, which has none", more("<tpm model='tpm-tis'><backend type='passthrough'><device path='/nowhere/tpm0'/></backend></tpm>"),
     "/nowhere/tpm0"),
    ("a USB device that the host has not", more("<hostdev mode='subsystem' type='usb'><source><vendor id='0xdead'/><product id='0xbeef'/></source>"
                                                "</hostdev>"), "dead:beef" if os.path.exists("/sys/bus/usb/devices") else "/sys/bus/usb/devices"),
    ("an input device that is not there", more("<input type='evdev'><source dev='/nowhere/event0' grab='all'/></input>"), "/nowhere/event0"),
    ("the same, by virtio", more("<input type='passthrough' bus='virtio'><source evdev='/nowhere/event0'/></input>"), "/nowhere/event0"),
    ("an enlightenment of Hyper-V that is not there", features("<hyperv><tlbflush state='on'/></hyperv>"), "there is no 'hv-tlbflush'"),
    ("a doorbell without its server", more("<shmem name='bell'><model type='ivshmem-doorbell'/><server path='@FOLDER@/none'/></shmem>"),
     "/none"),
    ("virtio-pmem", more(PMEM_XML), "virtio-pmem memory device info is not handled yet"),
    ("DIMMs without a cell", {CELL: "", "<numa></numa>": ""}, "At least one numa node has to be configured"),
    ("another domain's slots", {"<maxMemory slots='8' unit='GiB'>16": "<maxMemory slots='255' unit='GiB'>1024"},
     "physical address bits of the CPU"),
]


def variant_xml(name, machine, changes):
    def named(text):
        return text.replace("@FOLDER@", SESSION.dir).replace("@NAME@", name)
    changes = dict(changes)
    kernel = changes.pop(KERNEL, None)
    xml = domains.domain_xml(SESSION, name, machine, changes={named(old): named(new) for old, new in changes.items()})
    return re.sub(KERNEL, kernel, xml) if kernel else xml


def variant(machine, number):
    name = f"variant-{machine}-{number}"
    SESSION.virsh("create", "--paused", SESSION.write(f"{name}.xml", variant_xml(name, machine, VARIANTS[number][1])))
    tap.equal(SESSION.state(name), "paused")
    SESSION.virsh("destroy", name)


def shared_memory():
    """What the guest is given is what other programs find in /dev/shm; from the start, and attached.
    A domain that is its master is saved with it."""
    shms = [f"{os.path.basename(SESSION.dir)}-{n}" for n in range(2)]
    xml = [f"<shmem name='{shm}' role='{role}'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>"
           for shm, role in zip(shms, ("master", "peer"))]
    try:
        SESSION.virsh("create", "--paused", SESSION.write("shm.xml", variant_xml("shm", "pc", more(xml[0]))))
        SESSION.virsh("save", "shm", f"{SESSION.dir}/shm.saved")
        SESSION.virsh("restore", "--paused", f"{SESSION.dir}/shm.saved")
        SESSION.virsh("attach-device", "shm", SESSION.write("shm-1.xml", xml[1]))
        bars = [bar["size"] for bus in monitor(SESSION, "shm", "query-pci") for dev in bus["devices"]
                if dev["id"] == {"vendor": 0x1af4, "device": 0x1110, "subsystem-vendor": 0x1af4, "subsystem": 0x1100}
                for bar in dev["regions"]]
        tap.equal(bars, [256, 4 * MIB] * 2)
        tap.equal([os.stat(f"/dev/shm/{shm}").st_size for shm in shms], [4 * MIB] * 2)
        SESSION.refused("cannot migrate domain: ivshmem-plain master=on", "save", "shm", f"{SESSION.dir}/shm.saved")
        SESSION.virsh("destroy", "shm")
    finally:
        for shm in shms:
            if os.path.exists(f"/dev/shm/{shm}"):
                os.unlink(f"/dev/shm/{shm}")


def serve_doorbell(listener):
    """As a server of ivshmem does: the version, the client's number, the memory, and the client's two vectors."""
    connection, _ = listener.accept()
    memory = os.memfd_create("bell")
    os.truncate(memory, MIB)
    vectors = [os.eventfd(0) for _ in range(2)]
    for number, fds in (0, []), (3, []), (-1, [memory]), (3, vectors[:1]), (3, vectors[1:]):
        socket.send_fds(connection, [struct.pack("<q", number)], fds)
    for fd in memory, *vectors:
        os.close(fd)
    return connection


def doorbell():
    """Memory that is shared with others, who can be interrupted; a domain that has it is not saved."""
    xml = f"<shmem name='bell'><model type='ivshmem-doorbell'/><server path='{SESSION.dir}/bell'/><msi vectors='2' ioeventfd='on'/></shmem>"
    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor() as pool:
        listener.bind(f"{SESSION.dir}/bell")
        listener.listen()
        server = pool.submit(serve_doorbell, listener)
        SESSION.virsh("create", "--paused", SESSION.write("bell.xml", variant_xml("bell", "pc", more(xml))))
        with server.result():
            bars = [bar["size"] for bus in monitor(SESSION, "bell", "query-pci") for dev in bus["devices"]
                    if dev["id"]["device"] == 0x1110 for bar in dev["regions"]]
            tap.equal(bars[::2], [256, MIB])
            SESSION.refused("cannot migrate domain: ivshmem-doorbell", "save", "bell", f"{SESSION.dir}/bell.saved")
            SESSION.virsh("destroy", "bell")


def drawn():
    """A card with 3D, as the first one, which is a VGA, and as another one; a domain that has it is not saved. libvirt wants a GPU."""
    gl = "<graphics type='vnc' autoport='yes'/><graphics type='egl-headless'/>"
    card = "<video><model type='virtio'{}><acceleration accel3d='yes'/></model></video>"
    if not glob.glob("/dev/dri/renderD*"):
        SESSION.refused("No DRM render nodes available" if os.path.exists("/dev/dri") else "/dev/dri", "create", "--paused",
                        SESSION.write("drawn.xml", variant_xml("drawn", "q35", more(gl + card.format("")))))
        return
    for name, cards, types in (
            ("drawn-vga", card.format(" primary='yes'"), {"virtio-vga-gl"}),
            ("drawn", "<video><model type='vga' primary='yes'/></video>" + card.format(""), {"VGA", "virtio-gpu-gl-pci"})):
        SESSION.virsh("create", "--paused", SESSION.write(f"{name}.xml", variant_xml(name, "q35", more(gl + cards))))
        tap.equal(monitor(SESSION, name, "query-display-options"), {"type": "egl-headless"})
        found = {monitor(SESSION, name, "qom-get", path=f"/machine/peripheral/video{n}", property="type") for n in range(len(types))}
        tap.equal(found, types)
        SESSION.refused("cannot migrate domain", "save", name, f"{SESSION.dir}/{name}.saved")
        SESSION.virsh("screenshot", name, f"{SESSION.dir}/{name}.png")
        SESSION.virsh("destroy", name)


def disk_of_another_program():
    """vhost-user-blk: the disk is qemu-storage-daemon's."""
    daemon = shutil.which("qemu-storage-daemon")
    if not daemon:
        raise tap.Skip("there is no qemu-storage-daemon")
    path = f"{SESSION.dir}/other.sock"
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", f"{SESSION.dir}/other.raw", "32M"], check=True)
    with subprocess.Popen([daemon, "--blockdev", f"file,node-name=f,filename={SESSION.dir}/other.raw", "--export",
                           f"vhost-user-blk,id=e,node-name=f,addr.type=unix,addr.path={path}"]) as process:
        try:
            vm.wait_until(lambda: os.path.exists(path), "the daemon listens")
            SESSION.virsh("create", "--paused", SESSION.write("other.xml", variant_xml("other", "q35", {
                "<vcpu>": "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking><vcpu>",
                NO_BALLOON: NO_BALLOON + f"<disk type='vhostuser' device='disk'><driver name='qemu' type='raw'/>"
                            f"<source type='unix' path='{path}'/><target dev='vda' bus='virtio'/></disk>"})))
            tap.equal(SESSION.virsh("domblklist", "other").split(), ["vda", path])
            SESSION.virsh("destroy", "other")
        finally:
            process.terminate()


def screens():
    """Each kind of card that is there, and a picture of what it shows: nothing yet."""
    for model, machine in (("vga", "q35"), ("vga", "pc"), ("qxl", "q35"), ("qxl", "pc"), ("bochs", "q35"), ("ramfb", "q35"), ("cirrus", "pc"),
                           ("cirrus", "q35"), ("vmvga", "pc"), ("vmvga", "q35"), ("none", "q35")):
        name = f"{model}-{machine}"
        words = {"vga": " vram='32768'", "vmvga": " vram='32768'",
                 "qxl": " ram='65536' vram='65536' vram64='131072' vgamem='32768' heads='2' primary='yes'"}.get(model, "")
        SESSION.virsh("create", "--paused", SESSION.write("screen.xml", variant_xml(
            name, machine, more(f"<video><model type='{model}'{words}/></video>"))))
        if model == "none":
            SESSION.refused("no screens", "screenshot", name, f"{SESSION.dir}/screen")
        else:
            SESSION.virsh("screenshot", name, f"{SESSION.dir}/screen")
            with open(f"{SESSION.dir}/screen", "rb") as file:
                tap.equal(file.read(24), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 480))
        SESSION.virsh("destroy", name)


def tpm():
    """libvirt makes the TPM, and starts swtpm for it; what is in it stays over a save and a restart of the daemon."""
    if not shutil.which("swtpm_setup"):
        raise tap.Skip("there is no swtpm_setup (Debian's package swtpm-tools)")
    for model, machine in (("tpm-crb", "q35"), ("tpm-tis", "pc")):
        xml = variant_xml(model, machine, more(f"<tpm model='{model}'><backend type='emulator' version='2.0'/></tpm>"))
        domains.define(SESSION, model, xml)
        SESSION.virsh("start", model)
        guest = Guest(SESSION, model)
        guest.wait_ready()
        pcrs = "cat /sys/class/tpm/tpm0/pcr-sha256/*"
        # TPM2_PCR_Extend of number 12
        guest.run("exec 3<>/dev/tpm0; printf '\\200\\002\\000\\000\\000\\101\\000\\000\\001\\202\\000\\000\\000\\014"
                  "\\000\\000\\000\\011\\100\\000\\000\\011\\000\\000\\000\\000\\000\\000\\000\\000\\001\\000\\013"
                  "0123456789abcdef0123456789abcdef' >&3; exec 3<&-")
        found = guest.run(pcrs)
        tap.equal((len(found.split()), len(set(found.split())) > 2), (24, True), found)
        tap.equal([info["model"] for info in monitor(SESSION, model, "query-tpm")], [model])
        SESSION.restart()
        guest.close()
        SESSION.virsh("save", model, f"{SESSION.dir}/{model}.saved")
        SESSION.virsh("restore", f"{SESSION.dir}/{model}.saved")
        guest = Guest(SESSION, model)
        tap.equal(guest.run(pcrs), found)
        guest.close()
        SESSION.virsh("destroy", model)
        SESSION.virsh("undefine", model)


def card():
    """A smart card of certificates, which libcacard plays."""
    if not shutil.which("certutil"):
        raise tap.Skip("there is no certutil (Debian's package libnss3-tools)")
    folder, names = f"{SESSION.dir}/card", ("one", "two", "three")
    os.mkdir(folder)
    subprocess.run(["certutil", "-N", "-d", f"sql:{folder}", "--empty-password"], check=True)
    for number, name in enumerate(names):
        subprocess.run(["certutil", "-S", "-d", f"sql:{folder}", "-x", "-t", "CT,CT,CT", "-s", f"CN={name}", "-n", name, "-g", "1024",
                        "-m", f"{number}", "-z", "/etc/passwd"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    listed = "".join(f"<certificate>{name}</certificate>" for name in names)
    xml = variant_xml("card", "q35", more(f"<smartcard mode='host-certificates'>{listed}<database>{folder}/</database></smartcard>"))
    SESSION.virsh("create", "--paused", SESSION.write("card.xml", xml))
    tap.equal("CCID" in monitor(SESSION, "card", "human-monitor-command", **{"command-line": "info usb"}), True, "the reader")
    SESSION.virsh("destroy", "card")


# What a user asks of a domain that is there, in this order.
VERBS = """domblkthreshold vda 1000000; blkdeviotune vda --total-bytes-sec 1000000 --live; blkdeviotune vda
    blkdeviotune vda --total-iops-sec 100 --total-iops-sec-max 200 --total-iops-sec-max-length 5 --group-name g --live
    domiftune 52:54:00:11:22:33; domif-setlink 52:54:00:11:22:33 down; domif-getlink 52:54:00:11:22:33
    domif-setlink 52:54:00:11:22:33 up; domstats; domblkstat vda --human; domblkerror; domblkinfo --all; domcontrol
    dommemstat --period 2 --live; iothreadinfo; iothreadadd 5 --live; iothreadset 5 --poll-max-ns 1000; iothreadpin 5 0
    iothreaddel 5 --live; setmem 400M --live; setvcpus 3 --live; inject-nmi
    set-lifecycle-action reboot destroy --live; set-lifecycle-action reboot restart --live
    migrate-setmaxdowntime 500; migrate-getmaxdowntime; migrate-setspeed 100; migrate-getspeed; domlaunchsecinfo
    send-key KEY_A; snapshot-create-as one; snapshot-list; backup-begin; domjobinfo --completed; managedsave --paused
    managedsave-dumpxml; managedsave-remove; domrename verbs-2"""
VERBS_DEVICES = DISK_AND_NET.replace("<model type='virtio'/>", "<mac address='52:54:00:11:22:33'/><model type='virtio'/>")


def verbs():
    xml = variant_xml("verbs", "q35", {
        NO_BALLOON: VERBS_DEVICES, "<vcpu>2": "<iothreads>1</iothreads><vcpu current='2'>4",
        "cpus='0-1'": "cpus='0-3'"})
    domains.define(SESSION, "verbs", xml)
    SESSION.virsh("start", "--paused", "verbs")
    try:
        for verb in re.split(r"[;\n]", VERBS):
            name, *words = verb.split()
            SESSION.virsh(name, "verbs", *words)
    finally:
        if "verbs" in SESSION.emulators():
            SESSION.virsh("destroy", "verbs")
    SESSION.virsh("undefine", "verbs-2", "--snapshots-metadata")


def refused(number):
    _, changes, words = REFUSED[number]
    name = f"refused-{number}"
    SESSION.refused(words, "create", "--paused", SESSION.write(f"{name}.xml", variant_xml(name, "q35", changes)))
    tap.equal(SESSION.emulators(), {})


# ---- CPUs that came, over a save ----

def cpus_and_save(machine):
    """CPUs and a DIMM that were plugged while it ran are plugged before what was saved is loaded."""
    name = f"cpus-{machine}"
    domains.define(SESSION, name, domains.domain_xml(SESSION, name, machine, changes={
        domains.CPUS: "<vcpu current='2'>4</vcpu>", "cpus='0-1'": "cpus='0-3'"}))
    SESSION.virsh("start", name, "--paused")
    SESSION.virsh("setvcpus", name, "4", "--live")
    SESSION.virsh("attach-device", name, SESSION.write("dimm.xml", DIMM_XML), "--live")
    SESSION.virsh("managedsave", name)
    tap.equal(SESSION.state(name), "shut off")
    SESSION.virsh("start", name)
    tap.equal(SESSION.state(name), "paused")
    tap.equal(SESSION.virsh("vcpucount", name, "--current", "--live"), "4")
    tap.equal(len(monitor(SESSION, name, "query-cpus-fast")), 4)
    tap.equal(dimms(SESSION, name), [("dimm0", "0", 4 << 30, DIMM)])
    SESSION.virsh("destroy", name)
    SESSION.virsh("undefine", name)


# ---- disks and media that come and go ----

def disks(machine):
    """A disk comes, has figures, grows and goes; a medium is taken out, and others are put in."""
    name, target, bus = f"disks-{machine}", *{"pc": ("hdb", "ide"), "q35": ("sdb", "sata")}[machine]
    for medium in "one", "two", "three", "four":
        with open(f"{SESSION.dir}/{medium}", "wb") as file:
            file.truncate(8 * MIB)
    drive = (f"<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='@FOLDER@/one'/>"
             f"<target dev='{target}' bus='{bus}'/></disk>")
    drive += "<disk type='file' device='floppy'><driver name='qemu' type='raw'/><source file='@FOLDER@/one'/><readonly/><target dev='fda' bus='fdc'/></disk>"
    ports = ROOT_PORTS if machine == "q35" else ""
    SESSION.virsh("create", "--paused", SESSION.write(f"{name}.xml", variant_xml(name, machine, more(drive, ports))))

    def media():
        found = {words[0]: words[1] for words in map(str.split, SESSION.virsh("domblklist", name).splitlines())}
        floppy.append(found.pop("fda"))
        return found
    floppy = []
    tap.equal(media(), {target: f"{SESSION.dir}/one"})
    SESSION.virsh("change-media", name, target, "--eject")
    tap.equal(media(), {target: "-"})
    SESSION.virsh("change-media", name, target, f"{SESSION.dir}/two", "--insert")
    SESSION.virsh("change-media", name, target, f"{SESSION.dir}/three", "--update")
    tap.equal(media(), {target: f"{SESSION.dir}/three"})
    SESSION.virsh("change-media", name, "fda", "--eject")
    media()
    SESSION.virsh("change-media", name, "fda", f"{SESSION.dir}/four", "--insert")
    media()
    tap.equal(floppy[-3:], [f"{SESSION.dir}/one", "-", f"{SESSION.dir}/four"])
    SESSION.virsh("attach-disk", name, f"{SESSION.dir}/two", "vdb", "--driver", "qemu", "--subdriver", "raw")
    tap.equal(media(), {target: f"{SESSION.dir}/three", "vdb": f"{SESSION.dir}/two"})
    tap.equal("vdb rd_bytes 0" in SESSION.virsh("domblkstat", name, "vdb"), True, "figures")
    SESSION.virsh("blockresize", name, "vdb", "16M")
    tap.equal(re.search(r"Capacity: *(\d+)", SESSION.virsh("domblkinfo", name, "vdb")).group(1), str(16 * MIB))
    SESSION.virsh("domstats", name, "--block")
    SESSION.virsh("destroy", name)


def log_is_clean():
    """libvirtd minded no answer to those that start."""
    tap.equal(SESSION.refusals(), set())


# ---- where memory comes from ----

# <memoryBacking>, and what the backend of the cell is then: its type, and properties.
BACKINGS = [
    ("nothing said", "", "ram", {"share": False, "prealloc": False, "merge": True, "dump": False}),
    ("anonymous", "<source type='anonymous'/>", "ram", {"share": False}),
    ("file, shared", "<source type='file'/><access mode='shared'/>", "file", {"share": True}),
    ("file, private", "<source type='file'/><access mode='private'/>", "file", {"share": False}),
    ("file, shared, discarded", "<source type='file'/><access mode='shared'/><discard/>", "file",
     {"share": True, "discard-data": True}),
    ("memfd, shared", "<source type='memfd'/><access mode='shared'/>", "memfd", {"share": True}),
    ("memfd, private", "<source type='memfd'/><access mode='private'/>", "memfd", {"share": False}),
    ("at once, by threads", "<allocation mode='immediate' threads='2'/>", "ram", {"prealloc": True, "prealloc-threads": 2}),
    ("not at once", "<allocation mode='ondemand'/>", "ram", {"prealloc": False}),
    ("pages not shared", "<nosharepages/>", "ram", {"merge": False}),
]


def backing(text):
    return {"<vcpu>": f"<memoryBacking>{text}</memoryBacking><vcpu>"}


def backend(name, ident, kind, properties):
    found = {key: monitor(SESSION, name, "qom-get", path=f"/objects/{ident}", property=key)
             for key in ("type", *properties)}
    tap.equal(found, {"type": f"memory-backend-{kind}", **properties}, ident)


def backed(number):
    _, text, kind, properties = BACKINGS[number]
    name = f"backed-{number}"
    SESSION.virsh("create", "--paused", SESSION.write(f"{name}.xml", variant_xml(name, "q35", backing(text))))
    backend(name, "ram-node0", kind, properties)
    # A DIMM is as the cell is, if it says nothing else.
    SESSION.virsh("attach-device", name, SESSION.write("dimm.xml", DIMM_XML))
    backend(name, "memdimm0", kind, properties)
    tap.equal(dimms(SESSION, name), [("dimm0", "0", 4 << 30, DIMM)])
    SESSION.virsh("destroy", name)


def of_its_own():
    """A DIMM says itself how it is; some are cold."""
    name = "own"
    dimm = "<memory model='dimm' access='{}' discard='{}'>" + DIMM_XML.split(">", 1)[1]
    changes = {**backing("<source type='file'/>"), **more(dimm.format("shared", "yes"))}
    SESSION.virsh("create", "--paused", SESSION.write("own.xml", variant_xml(name, "q35", changes)))
    SESSION.virsh("attach-device", name, SESSION.write("dimm.xml", dimm.format("private", "no")))
    SESSION.virsh("attach-device", name, SESSION.write("dimm.xml", dimm.format("shared", "yes")))
    backend(name, "memdimm0", "file", {"share": True, "discard-data": True})
    backend(name, "memdimm1", "file", {"share": False, "discard-data": False})
    backend(name, "memdimm2", "file", {"share": True, "discard-data": True})
    SESSION.virsh("destroy", name)


def locked():
    """All of it stays in the host's memory."""
    try:
        SESSION.virsh("create", "--paused", SESSION.write("locked.xml", variant_xml("locked", "q35", backing("<locked/>"))))
    except libvirtd.VirshError as err:
        if "cannot limit locked memory" in str(err):
            raise tap.Skip("not so much memory may be locked by this user") from None
        raise
    with open(f"/proc/{SESSION.emulators()['locked']}/status", encoding="ascii") as status:
        size = int(re.search(r"VmLck:\s*(\d+) kB", status.read()).group(1)) * 1024
    tap.equal(size >= BOOT, True, f"{size} bytes are locked")
    SESSION.virsh("destroy", "locked")


def given_back():
    """Of a DIMM that the guest has used its file has no blocks when it is gone, where they are discarded."""
    name = "backed"
    changes = backing("<source type='file'/><access mode='shared'/><discard/>")
    SESSION.virsh("create", SESSION.write("backed.xml", variant_xml(name, "pc", changes)))
    guest = Guest(SESSION, name)
    guest.wait_ready()
    total = guest.mem_total()
    for discard in "yes", "no":
        xml = DIMM_XML.replace("model='dimm'", f"model='dimm' access='shared' discard='{discard}'")
        SESSION.virsh("attach-device", name, SESSION.write("dimm.xml", xml))
        backend(name, "memdimm0", "file", {"share": True, "discard-data": discard == "yes"})
        vm.wait_until(lambda: guest.mem_total() == total + DIMM, "MemTotal")
        path, = glob.glob(f"{SESSION.dir}/config/libvirt/qemu/ram/*-{name}/dimm0")
        with open(path, "rb") as file:  # which is deleted when the DIMM goes
            # Zone Movable is used first.
            guest.run("mount -t tmpfs none /tmp && head -c 100000000 /dev/urandom > /tmp/file && umount /tmp", timeout=120)
            used = os.fstat(file.fileno()).st_blocks * 512
            tap.equal(used > 90 * MIB, True, f"{used} bytes")
            SESSION.virsh("detach-device-alias", name, "dimm0")
            vm.wait_until(lambda: not dimms(SESSION, name), "the DIMM goes")
            tap.equal(os.path.exists(path), False, path)
            left = os.fstat(file.fileno()).st_blocks * 512
            tap.equal(left == 0 if discard == "yes" else left >= used, True, f"discard {discard}: {left} of {used} bytes")
    guest.close()
    SESSION.virsh("destroy", name)


PAGES = 64


def in_huge_pages():
    """The cell and a DIMM, of a node of the host; they are free again after the end."""
    if os.geteuid():
        raise tap.Skip("only root can reserve huge pages")
    there = huge_pages.number("nr_hugepages")
    try:
        huge_pages.set_number(there + PAGES)
        if huge_pages.number("nr_hugepages") < there + PAGES:
            raise tap.Skip("the host has no memory for huge pages")
        free = huge_pages.number("free_hugepages")
        with libvirtd.Libvirt(f"{BUILD}/dimmable", huge_pages=True) as session:
            use_huge_pages(session, free)
        tap.equal(huge_pages.number("free_hugepages"), free, "free huge pages")
    except OSError as err:
        raise tap.Skip(f"no huge pages can be reserved here: {err}") from None
    finally:
        huge_pages.set_number(there)


def use_huge_pages(session, free):
    domains.make_guest(session, BUILD)
    half = PAGES * MIB  # of the 2 MiB of each page
    changes = {"<memory unit='MiB'>512": f"<memory unit='B'>{half}",
               CELL: CELL.replace("memory='512' unit='MiB'", f"memory='{half}' unit='B'"),
               "<vcpu>": "<memoryBacking><hugepages><page size='2' unit='MiB' nodeset='0'/></hugepages>"
                         "<allocation mode='immediate'/></memoryBacking>"
                         "<vcpu>", "<os>": "<numatune><memory mode='strict' nodeset='0'/></numatune><os>"}
    session.virsh("create", "--paused", session.write("huge.xml", domains.domain_xml(session, "huge", "q35", changes=changes)))
    tap.equal(huge_pages.number("free_hugepages"), free - PAGES // 2, "free huge pages with the cell")
    dimm = (f"<memory model='dimm'><source><pagesize unit='MiB'>2</pagesize><nodemask>0</nodemask></source>"
            f"<target><size unit='B'>{half}</size><node>0</node></target></memory>")
    session.virsh("attach-device", "huge", session.write("dimm.xml", dimm))
    tap.equal(huge_pages.number("free_hugepages"), free - PAGES, "free huge pages with a DIMM")
    found = {memdev["id"]: (memdev["policy"], memdev["host-nodes"], memdev["prealloc"])
             for memdev in monitor(session, "huge", "query-memdev")}
    tap.equal(found, {name: ("bind", [0], True) for name in ("ram-node0", "memdimm0")})
    session.refused("", "attach-device", "huge", f"{session.dir}/dimm.xml")
    session.virsh("destroy", "huge")


def window():
    """By SDL, in an X server of the test's own."""
    if not shutil.which("Xvfb"):
        raise tap.Skip("there is no Xvfb")
    read, write = os.pipe()
    with subprocess.Popen(["Xvfb", "-displayfd", str(write), "-nolisten", "tcp", "-noreset"], pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        try:
            os.close(write)
            with os.fdopen(read) as file:
                display = f":{file.readline().strip()}"
            xml = f"<graphics type='sdl' display='{display}' fullscreen='no'/><video><model type='virtio'/></video>"
            SESSION.virsh("create", "--paused", SESSION.write("window.xml", variant_xml("window", "q35", more(xml))))
            tap.equal(monitor(SESSION, "window", "query-display-options")["type"], "sdl")
            SESSION.virsh("destroy", "window")
        finally:
            server.kill()


GROUPS = {
    "backing": [(title, lambda n=number: backed(n)) for number, (title, *_) in enumerate(BACKINGS)] +
               [("DIMMs that say it themselves", of_its_own), ("locked", locked), ("given back", given_back),
                ("huge pages", in_huge_pages)],
    "variants": [(f"{machine}: {VARIANTS[number][0]}", lambda m=machine, n=number: variant(m, n))
                 for machine, count in (("q35", len(VARIANTS)), ("pc", 5)) for number in range(count)] +
                [(f"{machine}: CPUs that came, over a save", lambda m=machine: cpus_and_save(m)) for machine in ("q35", "pc")] +
                [(f"{machine}: disks and media", lambda m=machine: disks(m)) for machine in ("q35", "pc")] +
                [("log", log_is_clean), ("shared memory", shared_memory), ("shared memory with a doorbell", doorbell),
                 ("a disk of another program", disk_of_another_program), ("screens", screens), ("3D", drawn), ("a window", window), ("a TPM", tpm), ("a smart card", card), ("what a user asks of a domain", verbs)] +
                [(f"refused: {title}", lambda n=number: refused(n)) for number, (title, *_) in enumerate(REFUSED)],
}


def main():
    global SESSION  # pylint: disable=global-statement
    tests = [test for test in GROUPS[sys.argv[2]] if re.search("".join(sys.argv[3:]), test[0])]
    try:
        with libvirtd.Libvirt(f"{BUILD}/dimmable") as SESSION:
            domains.make_guest(SESSION, BUILD)
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", f"{SESSION.dir}/disk.qcow2", "64M"], check=True)
            with open(f"{SESSION.dir}/nvdimm", "wb") as file:
                file.truncate(64 * MIB)
            os.mkfifo(f"{SESSION.dir}/pipe.in")
            os.mkfifo(f"{SESSION.dir}/pipe.out")
            tap.run(tests)
    except tap.Skip as reason:
        print(f"1..0 # SKIP {reason}")


main()
