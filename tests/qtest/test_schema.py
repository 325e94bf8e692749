#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""query-qmp-schema describes what works: every command is called, in several ways, and every reply
and event is what the schema says."""
import json
import os
import socket
import tempfile

import machine
from qmp_schema import Invalid, Schema

import tap

CLASSES = {"GenericError", "CommandNotFound", "DeviceNotActive", "DeviceNotFound"}
# A second session gets these, or they end it.
SPECIAL = {"qmp_capabilities", "quit"}
# They take more arguments than the schema lists, which become properties.
FREE_FORM = {"device_add", "object-add"}
FDS = {"add-fd", "getfd"}
# What must succeed, in this order; FOLDER is replaced. All other commands are called too.
PLAUSIBLE = [
    ("object-add", {"qom-type": "memory-backend-ram", "id": "m0", "size": 256 << 20}),
    ("device_add", {"driver": "pc-dimm", "id": "d0", "memdev": "m0"}),
    ("query-memory-devices", {}),
    ("query-memdev", {}),
    ("query-memory-size-summary", {}),
    ("query-acpi-ospm-status", {}),
    ("query-hotpluggable-cpus", {}),
    ("query-cpus-fast", {}),
    ("query-pci", {}),
    ("query-machines", {}),
    ("query-current-machine", {}),
    ("query-cpu-definitions", {}),
    ("query-cpu-model-expansion", {"type": "full", "model": {"name": "qemu64"}}),
    ("query-cpu-model-expansion", {"type": "static", "model": {"name": "qemu64"}}),
    ("query-qmp-schema", {}),
    ("query-commands", {}),
    ("query-version", {}),
    ("query-status", {}),
    ("query-name", {}),
    ("query-uuid", {}),
    ("query-vm-generation-id", {}),
    ("query-kvm", {}),
    ("query-target", {}),
    ("query-iothreads", {}),
    ("query-migrate-capabilities", {}),
    ("migrate-set-capabilities", {"capabilities": [{"capability": "events", "state": True}]}),
    ("query-migrate", {}),
    ("query-block", {}),
    ("query-named-block-nodes", {"flat": True}),
    ("query-blockstats", {"query-nodes": True}),
    ("query-jobs", {}),
    ("query-block-jobs", {}),
    ("query-pr-managers", {}),
    ("query-stats", {"target": "vcpu", "vcpus": [], "providers": [{"provider": "kvm"}]}),
    ("query-stats-schemas", {}),
    ("query-dirty-rate", {}),
    ("query-rx-filter", {}),
    ("query-vnc", {}),
    ("query-vnc-servers", {}),
    ("display-reload", {"type": "vnc", "tls-certs": False}),
    ("query-display-options", {}),
    ("query-mice", {}),
    ("query-tpm", {}),
    ("query-tpm-models", {}),
    ("query-tpm-types", {}),
    ("rtc-reset-reinjection", {}),
    ("watchdog-set-action", {"action": "none"}),
    ("watchdog-set-action", {"action": "reset"}),
    ("query-command-line-options", {}),
    ("query-command-line-options", {"option": "machine"}),
    ("query-command-line-options", {"option": "memory"}),
    ("query-chardev-backends", {}),
    ("chardev-add", {"id": "c0", "backend": {"type": "null", "data": {}}}),
    ("chardev-add", {"id": "c1", "backend": {"type": "pty", "data": {}}}),
    ("chardev-add", {"id": "c2", "backend": {"type": "file", "data": {
        "out": "FOLDER/out", "append": True, "logfile": "FOLDER/log"}}}),
    ("chardev-add", {"id": "c3", "backend": {"type": "socket", "data": {
        "addr": {"type": "inet", "data": {
            "host": "127.0.0.1", "port": "0", "numeric": True, "to": 9, "ipv4": True, "ipv6": False,
            "keep-alive": True}}}}}),
    ("chardev-add", {"id": "c4", "backend": {"type": "socket", "data": {
        "addr": {"type": "unix", "data": {"path": "FOLDER/socket"}}, "wait": False}}}),
    ("chardev-add", {"id": "c5", "backend": {"type": "mux", "data": {"chardev": "c0"}}}),
    ("chardev-add", {"id": "c6", "backend": {"type": "ringbuf", "data": {"size": 4096}}}),
    ("ringbuf-write", {"device": "c6", "data": "Zm9v", "format": "base64"}),
    ("ringbuf-read", {"device": "c6", "size": 2}),
    ("ringbuf-read", {"device": "c6", "size": 9, "format": "base64"}),
    ("chardev-add", {"id": "c7", "backend": {"type": "memory", "data": {}}}),
    ("chardev-add", {"id": "c8", "backend": {"type": "udp", "data": {
        "remote": {"type": "inet", "data": {"host": "127.0.0.1", "port": "9", "ipv4": True}},
        "local": {"type": "inet", "data": {"host": "127.0.0.1", "port": "0"}}}}}),
    ("chardev-add", {"id": "c9", "backend": {"type": "socket", "data": {
        "addr": {"type": "unix", "data": {"path": "FOLDER/web"}}, "websocket": True}}}),
    ("chardev-add", {"id": "c10", "backend": {"type": "socket", "data": {
        "addr": {"type": "inet", "data": {"host": "127.0.0.1", "port": "0"}},
        "telnet": True, "nodelay": True, "wait": False}}}),
    ("chardev-add", {"id": "c11", "backend": {"type": "socket", "data": {
        "addr": {"type": "unix", "data": {"path": "FOLDER/socket"}}, "server": False, "reconnect": 9,
        "tn3270": True}}}),
    ("chardev-add", {"id": "c12", "backend": {"type": "file", "data": {
        "out": "FOLDER/out", "in": "/dev/null"}}}),
    ("chardev-add", {"id": "c13", "backend": {"type": "pipe", "data": {"device": "FOLDER/fifo"}}}),
    ("chardev-add", {"id": "c14", "backend": {"type": "serial", "data": {"device": "/dev/ptmx"}}}),
    ("chardev-change", {"id": "c8", "backend": {"type": "null", "data": {}}}),
    ("chardev-send-break", {"id": "c8"}),
    ("query-chardev", {}),
    ("query-yank", {}),
    ("yank", {"instances": [{"type": "chardev", "id": "c3"}]}),
    ("chardev-remove", {"id": "c4"}),
    ("add-fd", {"fdset-id": 7, "opaque": "zero"}),
    ("query-fdsets", {}),
    ("remove-fd", {"fdset-id": 7}),
    ("getfd", {"fdname": "a"}),
    ("closefd", {"fdname": "a"}),
    ("qom-list", {"path": "/machine"}),
    ("qom-list-types", {}),
    ("qom-list-properties", {"typename": "memory-backend-ram"}),
    ("device-list-properties", {"typename": "pc-dimm"}),
    ("qom-get", {"path": "/machine/peripheral/d0", "property": "size"}),
    ("human-monitor-command", {"command-line": "info version"}),
    ("set-action", {"reboot": "shutdown"}),
    ("set-action", {"reboot": "reset"}),
    ("inject-nmi", {}),
    ("memsave", {"val": 0, "size": 16, "filename": "FOLDER/memsave"}),
    ("pmemsave", {"val": 0, "size": 16, "filename": "FOLDER/pmemsave"}),
    ("query-dump", {}),
    ("query-dump-guest-memory-capability", {}),
    ("stop", {}),
    ("cont", {}),
    ("system_powerdown", {}),
    ("system_reset", {}),
    ("device_del", {"id": "d0"}),
    ("query-memory-devices", {}),
]
MACHINE = SCHEMA = None


def call(name, arguments=None, with_fd=False):
    """The reply, validated, as are the events before it."""
    message = {"execute": name, "id": ["an", "id"]}
    if arguments is not None:
        message["arguments"] = arguments
    data = json.dumps(message).encode()
    if with_fd:
        with open("/dev/null", "rb") as null:
            socket.send_fds(MACHINE.qmp.sock, [data], [null.fileno()])
    else:
        MACHINE.qmp.send(data)
    while True:
        reply = MACHINE.qmp.receive(20)
        if "event" in reply:
            check_event(reply)
            continue
        tap.equal(reply.pop("id"), ["an", "id"], "id")
        if "error" in reply:
            tap.equal(sorted(reply["error"]), ["class", "desc"], name)
            if reply["error"]["class"] not in CLASSES or not reply["error"]["desc"]:
                raise Invalid(f"{name}: {reply}")
        else:
            tap.equal(list(reply), ["return"], name)
            SCHEMA.check(SCHEMA.entries[True, name]["ret-type"], reply["return"], name)
        return reply


def check_event(event):
    name = event["event"]
    if (True, name) not in SCHEMA.entries:
        raise Invalid(f"event {name} is not in the schema")
    SCHEMA.check(SCHEMA.entries[True, name]["arg-type"], event.get("data", {}), name)
    tap.equal(sorted(event["timestamp"]), ["microseconds", "seconds"], name)


def served():
    """The schema and query-commands list the same."""
    listed = [c["name"] for c in call("query-commands")["return"]]
    tap.equal(sorted(listed), sorted(e["name"] for e in SCHEMA.of("command")), "commands")
    tap.equal(len(set(listed)), len(listed), "commands named once")


def plausible(name, arguments, folder):
    arguments = json.loads(json.dumps(arguments).replace("FOLDER", folder))
    if name not in FREE_FORM:
        SCHEMA.check(SCHEMA.entries[True, name]["arg-type"], arguments, name)
    reply = call(name, arguments or None, name in FDS)
    if "return" not in reply:
        raise AssertionError(f"{name} {arguments}: {reply['error']}")


def every_command(arguments_of):
    """Called with what @arguments_of(entry) gives, each is there and answers."""
    for entry in SCHEMA.of("command"):
        name = entry["name"]
        if name in SPECIAL:
            continue
        arguments = arguments_of(entry)
        reply = call(name, arguments)
        if reply.get("error", {}).get("class") == "CommandNotFound":
            raise AssertionError(f"{name} {arguments}: {reply}")
    tap.equal(MACHINE.process.poll(), None, "the program runs")


def refused(arguments_of):
    """The same, for arguments that are wrong."""
    for entry in SCHEMA.of("command"):
        arguments = arguments_of(entry)
        if arguments is None or entry["name"] in FREE_FORM | {"quit"}:
            continue
        reply = call(entry["name"], arguments)
        if reply.get("error", {}).get("class") not in ("GenericError", "DeviceNotFound"):
            raise AssertionError(f"{entry['name']} {arguments}: {str(reply)[:200]}")


def wrong_type(entry):
    """The mandatory arguments, one of them of another type."""
    arguments = SCHEMA.example(entry["arg-type"], False)
    for key, value in arguments.items():
        if SCHEMA.type(entry["arg-type"])["members"] and not any(
                m["name"] == key and m["type"] == "any"
                for m in SCHEMA.type(entry["arg-type"])["members"]):
            return {**arguments, key: 5 if isinstance(value, (str, list)) else "no"}
    return None


def missing(entry):
    return {} if SCHEMA.example(entry["arg-type"], False) else None


def validator_can_fail():
    for typ, value in (("int", True), ("int", 1.5), ("str", 1), ("[str]", ["a", 1]), ("RunState", "fine"),
                       ("StatusInfo", {"running": True, "status": "running"}),
                       ("StatusInfo", {"running": True, "singlestep": False, "status": "x"}),
                       ("StatusInfo", {"running": True, "singlestep": False, "status": "paused", "y": 1}),
                       ("YankInstance", {"type": "chardev"}),
                       ("YankInstance", {"type": "chardev", "id": 1})):
        try:
            SCHEMA.check(typ, value)
        except Invalid:
            continue
        raise AssertionError(f"{value} passed for a {typ}")


def fdset_paths(folder):
    """What was passed can be opened by others, and stays open there when the set is gone."""
    with open(f"{folder}/passed", "wb") as file:
        file.truncate(256 << 20)
        fd = os.open(f"{folder}/passed", os.O_RDWR)
        socket.send_fds(MACHINE.qmp.sock, [b'{"execute": "add-fd", "arguments": {"fdset-id": 9}, "id": 1}'], [fd])
        os.close(fd)
    tap.equal(MACHINE.qmp.receive(10)["return"]["fdset-id"], 9)
    for name, arguments in (
            ("object-add", {"qom-type": "memory-backend-file", "id": "mf", "mem-path": "/dev/fdset/9",
                            "size": 256 << 20, "share": True}),
            ("chardev-add", {"id": "cf", "backend": {"type": "file", "data": {"out": "/dev/fdset/9"}}}),
            ("remove-fd", {"fdset-id": 9}),
            ("object-del", {"id": "mf"}),
            ("chardev-remove", {"id": "cf"})):
        tap.equal(call(name, arguments), {"return": {}}, f"{name} {arguments}")
    error = call("chardev-add", {"id": "cg", "backend": {"type": "file", "data": {"out": "/dev/fdset/9"}}})
    tap.equal(error["error"]["class"], "GenericError")


def chardev_parameters():
    """What -chardev is said to take is what one kind or the other has."""
    option, = call("query-command-line-options", {"option": "chardev"})["return"]
    listed = {p["name"] for p in option["parameters"]} - {"backend", "mux"}
    types = [t["name"] for t in call("qom-list-types", {"implements": "chardev"})["return"]]
    have = {p["name"] for t in types for p in call("qom-list-properties", {"typename": t})["return"]}
    tap.equal(have - listed - {"type", "pty"}, set(), "not listed")
    tap.equal(listed - have, set(), "not there")


def chardev_errors(folder):
    for backend, word in (({"type": "tape", "data": {}}, "tape"),
                          ({"type": "file", "data": {"out": f"{folder}/no/such"}}, "no/such"),
                          ({"type": "socket", "data": {"addr": {"type": "fd", "data": {"str": "q"}}}}, "q"),
                          ({"type": "socket", "data": {"addr": {"type": "unix", "data": {"path": f"{folder}/s"}},
                                                       "server": False}}, f"{folder}/s"),
                          ({"type": "null", "data": {"logfile": f"{folder}/no/such"}}, "no/such")):
        before = call("query-chardev")
        reply = call("chardev-add", {"id": "bad", "backend": backend})
        if word not in reply.get("error", {}).get("desc", ""):
            raise AssertionError(f"{backend}: {reply}")
        tap.equal(call("query-chardev"), before, "after a failure")
    for ident, word in (("compat_monitor0", "in use"), ("nobody", "nobody")):
        reply = call("chardev-remove", {"id": ident})
        if word not in reply.get("error", {}).get("desc", ""):
            raise AssertionError(f"chardev-remove {ident}: {reply}")


def run(folder):
    global SCHEMA  # pylint: disable=global-statement
    SCHEMA = Schema(MACHINE.qmp.command("query-qmp-schema"))
    tests = [("the validator can fail", validator_can_fail),
             ("commands listed", served)]
    for name, arguments in PLAUSIBLE:
        tests.append((f"{name} {json.dumps(arguments)}",
                      lambda n=name, a=arguments: plausible(n, a, folder)))
    tap.run(tests + [
        ("/dev/fdset", lambda: fdset_paths(folder)),
        ("-chardev's parameters", chardev_parameters),
        ("chardev errors", lambda: chardev_errors(folder)),
        ("mandatory arguments", lambda: every_command(lambda e: SCHEMA.example(e["arg-type"], False))),
        ("all arguments", lambda: every_command(lambda e: SCHEMA.example(e["arg-type"], True))),
        ("an argument too many", lambda: refused(lambda e: {"no-such-argument": 1})),
        ("an argument missing", lambda: refused(missing)),
        ("an argument of a wrong type", lambda: refused(wrong_type)),
    ])


def main():
    global MACHINE  # pylint: disable=global-statement
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # before the machine starts: some commands write files by the names of examples
        os.mkfifo("fifo")
        with machine.Machine(extra=["-name", "test", "-uuid", "12345678-1234-5678-1234-567812345678",
                                    "-device", "vmgenid"]) as MACHINE:
            run(folder)


main()
