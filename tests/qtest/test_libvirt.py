#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What libvirt 9.0 asks, in its order: when it looks at the program, and in the life of a domain
whose memory is hot-plugged. Each request is answered, by what the schema says or by a proper error,
and those that it cannot do without work."""
import json

import machine
from qmp_schema import Schema

import tap

DEVICES = """virtio-blk-pci virtio-net-pci virtio-scsi-pci virtio-net-ccw virtio-scsi-ccw vfio-pci scsi-hd
    ide-hd PIIX4_PM usb-redir usb-storage kvm-pit VGA vmware-svga qxl virtio-gpu-pci virtio-gpu-device
    ICH9-LPC virtio-balloon-pci virtio-balloon-ccw virtio-balloon-device intel-iommu mch nvdimm
    pcie-root-port usb-host vhost-user-fs-device virtio-mem-pci virtio-iommu-pci""".split()
# It sends every property of a model; these stand for them.
PROPS = {name: number % 2 == 0 for number, name in enumerate(
    ("cmov", "vmx-entry-load-rtit-ctl", "mmx", "svme-addr-chk", "sse2", "aes", "lm", "hle", "nx", "rtm"))}
PROBE = [
    ("query-version", {}, True),
    ("query-target", {}, True),
    ("query-qmp-schema", {}, True),
    ("query-commands", {}, True),
    ("query-kvm", {}, True),
    ("qom-list-types", {}, True),
    *(("device-list-properties", {"typename": name}, False) for name in DEVICES),
    ("qom-list-properties", {"typename": "memory-backend-file"}, True),
    ("qom-list-properties", {"typename": "memory-backend-memfd"}, True),
    ("query-machines", {}, True),
    ("qom-list-properties", {"typename": "none-machine"}, False),
    ("query-cpu-definitions", {}, True),
    ("query-tpm-models", {}, False),
    ("query-tpm-types", {}, False),
    ("query-command-line-options", {}, True),
    ("query-migrate-capabilities", {}, True),
    ("query-sev-capabilities", {}, False),
    ("query-sgx-capabilities", {}, False),
    ("query-cpu-model-expansion", {"type": "static", "model": {"name": "host"}}, False),
    ("query-cpu-model-expansion", {"type": "full", "model": {"name": "base", "props": PROPS}}, False),
    ("query-cpu-model-expansion",
     {"type": "static", "model": {"name": "host", "props": {"migratable": False}}}, False),
    ("query-cpu-model-expansion",
     {"type": "full", "model": {"name": "host", "props": {"migratable": False, "hv-passthrough": True}}},
     False),
]
CPU = "/machine/unattached/device[0]"
SESSION = [
    ("query-migrate-capabilities", {}, True),
    ("migrate-set-capabilities", {"capabilities": [{"capability": "events", "state": True}]}, False),
    ("query-chardev", {}, True),
    ("query-hotpluggable-cpus", {}, True),
    ("query-cpus-fast", {}, True),
    ("qom-list", {"path": CPU}, False),
    *(("qom-get", {"path": CPU, "property": name}, False)
      for name in ("realized", "hotplugged", "hotpluggable", "start-powered-off")),
    ("query-iothreads", {}, True),
    ("query-named-block-nodes", {"flat": True}, False),
    ("qom-list", {"path": "/machine/peripheral"}, True),
    ("query-block", {}, False),
    ("cont", {}, True),
    ("object-add", {"qom-type": "memory-backend-ram", "id": "memdimm0", "size": 512 << 20}, True),
    ("device_add", {"driver": "pc-dimm", "node": 0, "memdev": "memdimm0", "id": "dimm0", "slot": 0}, True),
    ("query-memory-devices", {}, True),
    ("qom-list", {"path": "/machine/peripheral"}, True),
    ("device_del", {"id": "dimm0"}, True),
]
AFTER = [
    ("object-del", {"id": "memdimm0"}, True),
    ("qom-list", {"path": "/machine/peripheral"}, True),
]
BLOCK = 0xA00
EJECT = 8


def ask(m, schema, name, arguments, must_work):
    m.qmp.send(json.dumps({"execute": name, "arguments": arguments, "id": f"libvirt-{name}"}).encode())
    while True:
        reply = m.qmp.receive(20)
        if "event" not in reply:
            break
        m.qmp.events.append(reply)
    tap.equal(reply["id"], f"libvirt-{name}")
    if "error" not in reply:
        schema.check(schema.entries[True, name]["ret-type"], reply["return"], name)
        return
    if must_work or reply["error"]["class"] not in ("GenericError", "CommandNotFound", "DeviceNotFound"):
        raise AssertionError(f"{name} {arguments}: {reply}")
    tap.equal((True, name) in schema.entries, reply["error"]["class"] != "CommandNotFound", name)


def replay(requests, then=None):
    with machine.Machine(extra=["-S", "-no-user-config"]) as m:
        schema = Schema(m.qmp.command("query-qmp-schema"))
        for request in requests:
            ask(m, schema, *request)
        if then:
            then(m, schema)


def unplugged(m, schema):
    """The guest ejects; then libvirt removes the backend."""
    m.write("l", BLOCK, 0)
    m.write("b", BLOCK + 0x14, EJECT)
    m.qmp.event("DEVICE_DELETED", device="dimm0")
    for request in AFTER:
        ask(m, schema, *request)


tap.run([
    ("probe", lambda: replay(PROBE)),
    ("session", lambda: replay(SESSION, unplugged)),
])
