#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients of SPICE go where the machine goes: a client of another project is told, sees the other machine, and the first one
ends. The guests are drivers of ours, by qtest."""
import contextlib
import socket
import tempfile

import machine
from machine import tap
from spice_client import Client
import vm


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def start(port, *more):
    return machine.Machine(memory="64M", extra=["-M", "pc", "-device", "VGA,addr=2", "-spice", f"addr=127.0.0.1,port={port},disable-ticketing=on", *more])


@contextlib.contextmanager
def pair(folder, told=True):
    """Two machines, a client of the first, who was told where that will go, and the port of the other."""
    ports = free_port(), free_port()
    with start(ports[0]) as here, start(ports[1], "-incoming", f"unix:{folder}/m") as there:
        client = Client(None, host="127.0.0.1", port=str(ports[0]))
        client.works()
        if told:
            here.qmp.command("client_migrate_info", protocol="spice", hostname="127.0.0.1", port=ports[1])
        yield here, there, client, ports[1]
        client.close()


def state(client):
    return client.session.get_property("migration-state").value_nick


def status(m):
    return m.qmp.command("query-migrate")["status"]


def follows():
    with tempfile.TemporaryDirectory() as folder, pair(folder) as (here, there, client, port):
        client.wait(lambda: there.qmp.command("query-spice")["channels"], "it is connected there, too")
        here.qmp.command("migrate", uri=f"unix:{folder}/m")
        client.wait(lambda: here.qmp.command("query-spice")["migrated"], "clients have gone")
        here.qmp.event("SPICE_MIGRATE_COMPLETED")
        tap.equal(status(here), "completed")
        here.qmp.command("quit")
        client.wait(lambda: state(client) == "none" and client.session.get_property("port") == str(port), "it is there alone")
        kinds = {channel["channel-type"] for channel in there.qmp.command("query-spice")["channels"]}
        tap.equal({2, 3, 4} <= kinds, True, kinds)  # of the main one it tells nothing here
        before = len(client.events)
        there.qmp.command("quit")
        client.wait(lambda: len(client.events) > before, "it hears that the other one ends")


def stays():
    """A migration that fails: the client stays. (The library of the other machine, which ends as a rule, keeps its connections.)"""
    with tempfile.TemporaryDirectory() as folder, pair(folder) as (here, there, client, _):
        client.wait(lambda: state(client) == "migrating" and there.qmp.command("query-spice")["channels"], "it is connected there, too")
        here.qmp.command("migrate", uri=f"unix:{folder}/nowhere")
        client.wait(lambda: status(here) == "failed", "it fails")
        there.qmp.command("quit")
        client.wait(lambda: state(client) == "none", "the client is here alone")
        tap.equal((here.qmp.command("query-spice")["migrated"], len(here.qmp.command("query-spice")["channels"]) >= 4), (False, True))


def nobody():
    """Without a client it is over at once; clients that were not told lose nothing before the program ends."""
    with tempfile.TemporaryDirectory() as folder, start(free_port()) as here, start(free_port(), "-incoming", f"unix:{folder}/m"):
        here.qmp.command("client_migrate_info", protocol="spice", hostname="127.0.0.1", port=5999)
        here.qmp.command("migrate", uri=f"unix:{folder}/m")
        here.qmp.event("SPICE_MIGRATE_COMPLETED")
    with tempfile.TemporaryDirectory() as folder, pair(folder, told=False) as (here, _, client, _port):
        here.qmp.command("migrate", uri=f"unix:{folder}/m")
        vm.wait_until(lambda: status(here) == "completed", "it has gone")
        tap.equal((here.qmp.command("query-spice")["migrated"], state(client)), (False, "none"))


def refused():
    with start(free_port()) as m:
        for arguments, word in (({"protocol": "vnc", "hostname": "h", "port": 1}, "spice"), ({"protocol": "spice", "hostname": "h"}, "tls-port"),
                                ({"protocol": "spice", "hostname": "h", "port": 65536}, "65535"),
                                ({"protocol": "spice", "hostname": "h", "tls-port": 0}, "65535")):
            try:
                m.qmp.command("client_migrate_info", **arguments)
                tap.equal(True, False, f"{arguments} were taken")
            except vm.QmpError as error:
                tap.equal(word in error.desc, True, error.desc)
        text = m.qmp.command("human-monitor-command", **{"command-line": "client_migrate_info spice h 70000"})
        tap.equal("65535" in text, True, text)
    with machine.Machine("64M") as m:
        try:
            m.qmp.command("client_migrate_info", protocol="spice", hostname="h", port=1)
            tap.equal(True, False, "it was taken")
        except vm.QmpError as error:
            tap.equal(error.cls, "DeviceNotActive")


# AddressSanitizer ends the program by a fault of the library (test_spice.py).
if machine.sanitizer() == "AddressSanitizer":
    print("1..0 # SKIP libspice-server reads memory of a display channel that it has freed (docs/spice.md)")
else:
    tap.run([("a client goes along", follows), ("the machine stays", stays), ("nobody is there, or was told", nobody), ("what is refused", refused)])
