#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Migration from one program to another of the same, beside qemu-system-x86_64 where that is installed: moves.py BUILD-DIR [RUNS [MIB]].
What a machine that stands, with so many MiB of random bytes (1024), takes over TCP of this host: seconds until it is there; medians
over RUNS (default 3), the two programs in turn. Lower is better."""
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../guest"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../img"))
import certificates  # noqa: E402
import vm  # noqa: E402

# TLS, connections for memory beside the first, how they are packed.
WAYS = {"one connection": (False, 0, "none"), "2 for memory": (False, 2, "none"), "4 for memory": (False, 4, "none"), "2, zstd": (False, 2, "zstd"),
        "one, TLS": (True, 0, "none"), "2, TLS": (True, 2, "none"), "4, TLS": (True, 4, "none")}


def machine(program, mib, backend, extra=()):
    return vm.Vm(program, accel="tcg", memory=f"{mib}M", serial=False, extra=[
        "-S", "-M", "pc,memory-backend=m", "-object", f"{backend},id=m,size={mib}M", *extra])


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def once(program, folder, mib, way):
    tls, channels, method = way
    uri = f"tcp:127.0.0.1:{free_port()}"
    with machine(program, mib, "memory-backend-ram", ["-incoming", "defer"]) as there, \
            machine(program, mib, f"memory-backend-file,mem-path={folder}/ram,share=off") as here:
        for m, side in ((here, "client"), (there, "server")):
            params = {"max-bandwidth": 1 << 40, "multifd-channels": max(channels, 1), "multifd-compression": method}
            if tls:
                m.qmp.command("object-add", **{"qom-type": "tls-creds-x509", "id": "t", "dir": f"{folder}/pki", "endpoint": side})
                params["tls-creds"] = "t"
            m.qmp.command("migrate-set-capabilities", capabilities=[{"capability": "multifd", "state": channels > 0}])
            m.qmp.command("migrate-set-parameters", **params)
        there.qmp.command("migrate-incoming", uri=uri)
        start = time.monotonic()
        here.qmp.command("migrate", uri=uri)
        while (info := here.qmp.command("query-migrate"))["status"] != "completed":
            if info["status"] == "failed":
                raise RuntimeError(f"{program}: {info}")
            time.sleep(0.005)
        while there.qmp.command("query-migrate").get("status") != "completed":
            time.sleep(0.005)
        return time.monotonic() - start


def main():
    build, runs, mib = sys.argv[1], *([int(word) for word in sys.argv[2:]] + [3, 1024][len(sys.argv) - 2:])
    peer = shutil.which("qemu-system-x86_64")
    programs = {"dimmable": os.path.abspath(f"{build}/dimmable"), **({"QEMU": peer} if peer else {})}
    found = {(name, way): [] for name in programs for way in WAYS}
    with tempfile.TemporaryDirectory(dir=build) as folder:
        certificates.make(f"{folder}/pki")
        with open(f"{folder}/ram", "wb") as file:
            for _ in range(mib // 16):
                file.write(os.urandom(16 << 20))
        for _ in range(runs):
            for way, options in WAYS.items():
                for name, program in programs.items():
                    found[name, way].append(once(program, folder, mib, options))
    print(f"moves of {mib} MiB in s, median of {runs} runs\n{'':20}" + "".join(f"{name:>12}" for name in programs))
    for way in WAYS:
        print(f"{way:20}" + "".join(f"{statistics.median(found[name, way]):12.2f}" for name in programs))


if __name__ == "__main__":
    main()
