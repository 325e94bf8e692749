#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast the guest writes to its memory, by sampling: test_dirty_rate.py BUILD-DIR"""
import machine
import vm

import tap

MIB = 1 << 20


def start(m, **arguments):
    m.qmp.command("calc-dirty-rate", **{"calc-time": 1, "sample-pages": 4096, **arguments})
    tap.equal(m.qmp.command("query-dirty-rate")["status"], "measuring")


def result(m):
    vm.wait_until(lambda: m.qmp.command("query-dirty-rate")["status"] == "measured", "it is measured")
    return m.qmp.command("query-dirty-rate")


def rates():
    """Nothing written, all written, a part of it written with what was there before."""
    with machine.Machine(memory="64M") as m:
        tap.equal(m.qmp.command("query-dirty-rate"),
                  {"status": "unstarted", "start-time": 0, "calc-time": 0, "sample-pages": 512, "mode": "page-sampling"})
        start(m, mode="page-sampling")
        info = result(m)
        tap.equal({key: info[key] for key in ("calc-time", "sample-pages", "dirty-rate")},
                  {"calc-time": 1, "sample-pages": 4096, "dirty-rate": 0})
        start(m)
        m(f"memset {MIB:#x} {63 * MIB:#x} 0x15")
        rate = result(m)["dirty-rate"]
        tap.equal(55 <= rate <= 64, True, f"all of 64 MiB: {rate}")
        start(m)
        m(f"memset {MIB:#x} {63 * MIB:#x} 0x15")
        tap.equal(result(m)["dirty-rate"], 0, "nothing has changed")


def counted():
    """Pages that are written count, whatever they were before."""
    with machine.Machine(memory="64M") as m:
        m.qmp.command("calc-dirty-rate", **{"calc-time": 1, "mode": "dirty-bitmap"})
        for _ in range(2):
            m(f"memset {MIB:#x} {32 * MIB:#x} 0x15")
        info = result(m)
        tap.equal(info["mode"], "dirty-bitmap")
        tap.equal(8 <= info["dirty-rate"] <= 33, True, str(info))  # the time may have been longer


def by_hmp():
    with machine.Machine(memory="16M") as m:
        def hmp(line):
            return m.qmp.command("human-monitor-command", **{"command-line": line})

        tap.equal(hmp("info dirty_rate"), "Status: unstarted\n")
        for line, words in (("calc_dirty_rate x", "number of seconds"), ("calc_dirty_rate 1 x", "number of pages"),
                            ("calc_dirty_rate 0", "1 to 60"), ("calc_dirty_rate -r 1", "which CPU"),
                            ("calc_dirty_rate -r -b 1", "two ways"), ("calc_dirty_rate -b 1 512", "nothing is sampled"), ("calc_dirty_rate 1 1", "128 to 4096")):
            answer = hmp(line)
            tap.equal(words in answer, True, answer)
        tap.equal(hmp("calc_dirty_rate 1 128"), "")
        tap.equal("Status: measuring" in hmp("info dirty_rate"), True)
        result(m)
        answer = hmp("info dirty_rate")
        for words in "Status: measured", "Period: 1 s", "Sample Pages: 128 per GiB", "Mode: page-sampling", "Dirty rate: 0 MiB/s":
            tap.equal(words in answer, True, answer)


def refused():
    with machine.Machine(memory="16M") as m:
        for words, arguments in (("1 to 60", {"calc-time": 0}), ("1 to 60", {"calc-time": 61}),
                                 ("128 to 4096", {"calc-time": 1, "sample-pages": 127}),
                                 ("128 to 4096", {"calc-time": 1, "sample-pages": 4097}),
                                 ("qtest does not tell which CPU", {"calc-time": 1, "mode": "dirty-ring"}),
                                 ("nothing is sampled", {"calc-time": 1, "mode": "dirty-bitmap", "sample-pages": 512})):
            fails(m, words, arguments)
        tap.equal(m.qmp.command("query-dirty-rate")["status"], "unstarted")
        start(m)
        fails(m, "already", {"calc-time": 1})
        # It ends with the machine.


def fails(m, words, arguments):
    try:
        m.qmp.command("calc-dirty-rate", **arguments)
    except vm.QmpError as error:
        tap.equal(words in error.desc, True, error.desc)
    else:
        raise AssertionError(f"calc-dirty-rate {arguments} was not refused")


def comes_and_goes():
    """Memory that is unplugged meanwhile is looked at no more than it must be, and let go."""
    with machine.Machine() as m:
        m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m0", "size": 128 * MIB})
        start(m)
        m.qmp.command("object-del", id="m0")
        m.qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m0", "size": 128 * MIB})
        tap.equal(result(m)["dirty-rate"], 0)


tap.run([(name.__name__.replace("_", " "), name) for name in (rates, counted, by_hmp, refused, comes_and_goes)])
