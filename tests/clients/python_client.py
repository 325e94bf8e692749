# SPDX-License-Identifier: GPL-2.0-or-later
"""A script of a user's, on python3-libvirt: python_client.py DOMAIN-XML DIMM-XML. The other side answers each line that
it prints by one, when the guest has seen it."""
import sys
import threading

import libvirt


def said(text):
    print(text, flush=True)
    sys.stdin.readline()


def serve_events():
    while True:
        libvirt.virEventRunDefaultImpl()


def main():
    domain_xml, dimm_xml = (open(path, encoding="ascii").read() for path in sys.argv[1:])
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=serve_events, daemon=True).start()
    connection = libvirt.open("qemu:///session")
    events, removed = [], threading.Event()
    connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                      lambda _, domain, event, detail, opaque: events.append(event), None)

    def gone(_, domain, device, opaque):
        events.append(device)
        removed.set()

    connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, gone, None)
    domain = connection.defineXML(domain_xml)
    domain.create()
    assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
    said("running")
    before = domain.info()[2]
    domain.attachDeviceFlags(dimm_xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    said("attached")
    assert domain.info()[2] - before == 256 << 10, domain.info()
    domain.detachDeviceAlias("dimm0", libvirt.VIR_DOMAIN_AFFECT_LIVE)
    assert removed.wait(60), events
    said("detached")
    domain.suspend()
    domain.resume()
    stats = connection.domainListGetStats([domain], libvirt.VIR_DOMAIN_STATS_VCPU)[0][1]
    assert stats["vcpu.current"] == 2, stats
    domain.destroy()
    domain.undefine()
    for event in (libvirt.VIR_DOMAIN_EVENT_STARTED, "dimm0", libvirt.VIR_DOMAIN_EVENT_SUSPENDED,
                  libvirt.VIR_DOMAIN_EVENT_RESUMED):
        assert event in events, events
    connection.close()
    print("done")


main()
