#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-chardev socket with tls-creds: a server and a client, certificates and keys, who may be a client (authz-*), who is silent, and
programs of others at the other end."""
import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile

import machine
import tap
import vm
from com1 import guest_reads, guest_writes, receive
from test_chardev import frame, shake_hands

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../img"))
import certificates  # pylint: disable=wrong-import-position


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="dimmable-tls-") as name:
        certificates.make(f"{name}/pki")
        certificates.client(f"{name}/pki", "other")
        yield name


def context(name, who="client"):
    made = ssl.create_default_context(cafile=f"{name}/pki/ca-cert.pem")
    if who:
        made.load_cert_chain(f"{name}/pki/{who}-cert.pem", f"{name}/pki/{who}-key.pem")
    return made


def port_of(m):
    return next(entry["filename"] for entry in m.qmp.command("query-chardev") if entry["label"] == "c")


def connect(path, made):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(vm.LONG)
    sock.connect(path)
    return made.wrap_socket(sock, server_hostname="localhost")


def creds(name, side, ident="t", **more):
    return f"tls-creds-x509,id={ident},dir={name},endpoint={side}" + "".join(f",{key}={value}" for key, value in more.items())


@contextlib.contextmanager
def server(name, more="", objects=()):
    """A machine whose serial port is a server of TLS at NAME/sock."""
    words = [word for text in (creds(f"{name}/pki", "server"), *objects) for word in ("-object", text)]
    with machine.Machine("64M", extra=[*words, "-chardev", f"socket,id=c,path={name}/sock,server=on,wait=off,tls-creds=t{more}", "-serial", "chardev:c"]) as m:
        yield m


def talk(m, client):
    """The client comes first: before it is known what the guest writes is lost."""
    client.sendall(b"hello")
    tap.equal(guest_reads(m, 5), b"hello")
    guest_writes(m, b"from the guest")
    tap.equal(receive(client, 14), b"from the guest")
    client.sendall(b"to it")
    tap.equal(guest_reads(m, 5), b"to it")


def refused(name, made):
    try:
        with connect(f"{name}/sock", made) as client:
            tap.equal(client.recv(1), b"")
    except (ssl.SSLError, ConnectionError):
        return
    raise AssertionError("a client that may not come was let in")


def serves():
    with folder() as name, server(name) as m:
        for _ in range(2):
            with connect(f"{name}/sock", context(name)) as client:
                talk(m, client)
                tap.equal(port_of(m).startswith("disconnected"), False)
        refused(name, context(name, None))
        with socket.socket(socket.AF_UNIX) as plain:
            plain.settimeout(vm.LONG)
            plain.connect(f"{name}/sock")
            plain.sendall(b"no TLS at all\r\n")
            with contextlib.suppress(ConnectionError):
                while plain.recv(100):
                    pass
        with connect(f"{name}/sock", context(name)) as client:
            talk(m, client)
            many = os.urandom(200000)
            client.sendall(many[:10])
            tap.equal(guest_reads(m, 10), many[:10])
        tap.equal("certificate" in m.errors().lower(), True, m.errors())


def silent():
    """One that says nothing holds up neither the machine nor QMP; yank sends it away for the next."""
    with folder() as name, server(name) as m:
        with socket.socket(socket.AF_UNIX) as quiet:
            quiet.settimeout(vm.LONG)
            quiet.connect(f"{name}/sock")
            for _ in range(100):
                m.qmp.command("query-chardev")
                m("endianness")
            m.qmp.command("yank", instances=[{"type": "chardev", "id": "c"}])
            tap.equal(quiet.recv(1), b"")
        with connect(f"{name}/sock", context(name)) as client:
            talk(m, client)


def web():
    with folder() as name, server(name, more=",websocket=on") as m, connect(f"{name}/sock", context(name)) as client:
        shake_hands(client)
        guest_writes(m, b"x")
        tap.equal(receive(client, 3), b"\x82\x01x")
        client.sendall(frame(b"yz"))
        tap.equal(guest_reads(m, 2), b"yz")


def monitor():
    """All of the last reply comes, although the program ends."""
    with folder() as name, machine.Machine("64M", extra=["-object", creds(f"{name}/pki", "server"), "-chardev", f"socket,id=c,path={name}/sock,server=on,wait=off,tls-creds=t",
                                                         "-mon", "chardev=c,mode=control"]) as m:
        with connect(f"{name}/sock", context(name)) as client:
            lines = client.makefile("rw")
            lines.readline()
            for command in ("qmp_capabilities", "query-qmp-schema", "quit"):
                lines.write(json.dumps({"execute": command}) + "\n")
                lines.flush()
                tap.equal("return" in json.loads(lines.readline()), True, command)
            tap.equal(json.loads(lines.readline())["event"], "SHUTDOWN")
            tap.equal(lines.readline(), "")
        m.process.wait(vm.LONG)


RULES = {"policy": "deny", "rules": [{"match": "CN=cl*", "policy": "allow", "format": "glob"}, {"match": "CN=other", "policy": "deny"}]}


def authorized():
    for text in ("authz-simple,id=a,identity=CN=client",
                 "authz-list,id=a,policy=deny,rules.0.match=CN=client,rules.0.policy=allow",
                 "authz-list,id=a,policy=allow,rules.0.match=CN=o*,rules.0.policy=deny,rules.0.format=glob"):
        with folder() as name, server(name, more=",tls-authz=a", objects=[text]) as m:
            refused(name, context(name, "other"))
            with connect(f"{name}/sock", context(name)) as client:
                talk(m, client)
            tap.equal("the authorization 'a' does not let 'CN=other' in" in m.errors(), True, m.errors())
            try:
                m.qmp.command("object-del", id="a")
                raise AssertionError("an authorization that is in use went")
            except vm.QmpError as error:
                tap.equal("in use" in error.desc, True, error.desc)


def from_a_file():
    with folder() as name:
        def put(text):
            with open(f"{name}/new", "w", encoding="ascii") as file:
                file.write(text)
            os.rename(f"{name}/new", f"{name}/list")

        put(json.dumps(RULES))
        with server(name, more=",tls-authz=a", objects=[f"authz-list-file,id=a,filename={name}/list"]) as m:
            for who, text in (("client", None), ("other", json.dumps({"rules": [{"match": "CN=other", "policy": "allow"}]})), ("client", json.dumps(RULES))):
                if text:
                    put(text)
                with connect(f"{name}/sock", context(name, who)) as client:
                    talk(m, client)
                refused(name, context(name, {"client": "other", "other": "client"}[who]))
            put('{"policy": "perhaps"}')
            refused(name, context(name))
            os.unlink(f"{name}/list")
            refused(name, context(name))
        put(json.dumps(RULES))
        with server(name, more=",tls-authz=a", objects=[f"authz-list-file,id=a,filename={name}/list,refresh=off"]) as m:
            put('{"policy": "deny"}')
            with connect(f"{name}/sock", context(name)) as client:
                talk(m, client)


def bad_options():
    def fails(words, *says):
        status, text = machine.run_program("-M", "none", *words)
        tap.equal((status, [word for word in says if word not in text]), (1, []), text)

    with folder() as name:
        os.mkdir(f"{name}/empty")
        with open(f"{name}/list", "w", encoding="ascii") as file:
            file.write('{"policy": 1}')
        chardev = ["-chardev", f"socket,id=c,path={name}/sock,server=on,wait=off,tls-creds=t"]
        fails(chardev, "no TLS credentials 't'")
        fails(["-object", creds(f"{name}/pki", "client"), *chardev], "endpoint=server is wanted")
        fails(["-object", creds(f"{name}/empty", "server")], "ca-cert.pem")
        fails(["-object", creds(f"{name}/pki", "server", priority="NOSUCH")], "priority=NOSUCH")
        fails(["-object", creds(f"{name}/pki", "server", passwordid="p")], "no secret with the id 'p'")
        fails(["-object", creds(f"{name}/pki", "server"), chardev[0], f"{chardev[1]},tls-authz=a"], "no authorization 'a'")
        fails(["-object", creds(f"{name}/pki", "server", **{"verify-peer": "off"}), "-object", "authz-simple,id=a,identity=x", chardev[0], f"{chardev[1]},tls-authz=a"], "verify-peer=on")
        fails(["-chardev", f"socket,id=c,path={name}/sock,server=on,wait=off,tls-authz=a"], "tls-creds")
        fails(["-object", "authz-simple,id=a"], "identity=")
        fails(["-object", "authz-list-file,id=a"], "filename=")
        fails(["-object", f"authz-list-file,id=a,filename={name}/list"], "policy")
        fails(["-object", f"authz-list-file,id=a,filename={name}/nosuch"], "nosuch")
        fails(["-object", "authz-list,id=a,policy=perhaps"], "perhaps")
        fails(["-object", "authz-list,id=a,rules.0.match=x"], "policy")
        fails(["-object", "secret_keyring,id=a"], "serial=")
        fails(["-object", "secret_keyring,id=a,serial=1"], "serial=1")


@contextlib.contextmanager
def ssl_server(name, host="127.0.0.1", who="server", port=0):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(f"{name}/{who}-cert.pem", f"{name}/{who}-key.pem")
    made.load_verify_locations(f"{name}/ca-cert.pem")
    made.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server((host, port)) as listener:
        listener.settimeout(vm.LONG)
        yield listener, made


def is_a_client():
    """Connects, and again when the server has gone; its key is encrypted."""
    with folder() as name, ssl_server(f"{name}/pki") as (listener, made):
        certificates.folder_of(f"{name}/pki", "client", f"{name}/mine", key_password="secret")
        port = listener.getsockname()[1]
        with machine.Machine("64M", extra=["-object", "secret,id=p,data=secret", "-object", creds(f"{name}/mine", "client", passwordid="p"),
                                           "-chardev", f"socket,id=c,host=127.0.0.1,port={port},reconnect=1,tls-creds=t", "-serial", "chardev:c"]) as m:
            for turn in range(3):
                sock = listener.accept()[0]
                sock.settimeout(vm.LONG)
                if turn == 1:  # one that has no TLS is left
                    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    with contextlib.suppress(ConnectionError):
                        while sock.recv(1000):
                            pass
                    sock.close()
                    continue
                with made.wrap_socket(sock, server_side=True) as client:
                    talk(m, client)
                    tap.equal(dict(pair[0] for pair in client.getpeercert()["subject"])["commonName"], "client")
            tap.equal("chardev 'c': TLS: " in m.errors(), True, m.errors())


def wrong_servers():
    """A server of another authority, and one of another name: the first words of both sides fail, with the reason."""
    with folder() as name:
        certificates.make(f"{name}/strange")
        certificates.make(f"{name}/named", host="elsewhere.example", address=False)
        for theirs, ours, says in ((f"{name}/strange", f"{name}/pki", "issuer is unknown"), (f"{name}/named", f"{name}/named", "name in the certificate does not match")):
            with ssl_server(theirs) as (listener, made):
                words = ["-M", "none", "-object", creds(ours, "client"), "-chardev", f"socket,id=c,host=127.0.0.1,port={listener.getsockname()[1]},tls-creds=t"]
                with subprocess.Popen([machine.PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:
                    sock = listener.accept()[0]
                    with contextlib.suppress(ssl.SSLError, ConnectionError), made.wrap_socket(sock, server_side=True) as client:
                        client.recv(1)
                    text = program.communicate(timeout=vm.LONG)[0]
                tap.equal((program.returncode, says in text), (1, True), text)


def by_keys():
    with tempfile.TemporaryDirectory(prefix="dimmable-tls-") as name:
        certificates.make_keys(f"{name}/keys.psk", "alice", "bob")
        psk = f"tls-creds-psk,id=t,dir={name},endpoint="
        with machine.Machine("64M", extra=["-object", f"{psk}server", "-object", "authz-simple,id=a,identity=bob", "-chardev",
                                           f"socket,id=c,path={name}/sock,server=on,wait=off,tls-creds=t,tls-authz=a", "-serial", "chardev:c"]) as there:
            for user in ("alice", "bob"):
                with machine.Machine("64M", extra=["-object", f"{psk}client,username={user}", "-chardev", f"socket,id=c,path={name}/sock,reconnect=1,tls-creds=t", "-serial", "chardev:c"]) as here:
                    if user == "bob":
                        for m in (here, there):
                            vm.wait_until(lambda m=m: not port_of(m).startswith("disconnected"), "it is connected")
                        guest_writes(here, b"hello")
                        tap.equal(guest_reads(there, 5), b"hello")
                        guest_writes(there, b"bob")
                        tap.equal(guest_reads(here, 3), b"bob")
                    else:
                        vm.wait_until(lambda: "does not let 'alice' in" in there.errors(), "alice is refused")
        status, text = machine.run_program("-M", "none", "-object", f"{psk}client,username=carol")
        tap.equal((status, "no key of 'carol'" in text), (1, True), text)


def other_programs():
    """openssl and gnutls-cli."""
    def run(words, name, m):
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
            program.stdin.write(b"typed\n")
            program.stdin.flush()
            tap.equal(guest_reads(m, 6), b"typed\n", words[0])
            guest_writes(m, b"shown\n")
            while b"shown" not in program.stdout.readline():
                pass
            program.stdin.close()
            program.kill()

    with folder() as name:
        port, pki = free_port(), f"{name}/pki"
        with machine.Machine("64M", extra=["-object", creds(pki, "server"), "-chardev", f"socket,id=c,host=127.0.0.1,port={port},server=on,wait=off,tls-creds=t", "-serial", "chardev:c"]) as m:
            programs = {"openssl": ["s_client", "-quiet", "-no_ign_eof", "-connect", f"127.0.0.1:{port}", "-CAfile", f"{pki}/ca-cert.pem", "-cert", f"{pki}/client-cert.pem", "-key", f"{pki}/client-key.pem", "-verify_return_error"],
                        "gnutls-cli": [f"--port={port}", f"--x509cafile={pki}/ca-cert.pem", f"--x509certfile={pki}/client-cert.pem", f"--x509keyfile={pki}/client-key.pem", "localhost"]}
            there = [program for program in programs if shutil.which(program)]
            if not there:
                raise tap.Skip("neither openssl nor gnutls-cli is installed")
            for program in there:
                run([program, *programs[program]], name, m)


def main():
    tap.run([(f"chardev-tls/{name.replace('_', '-')}", test) for name, test in (
        ("serves", serves), ("silent", silent), ("web", web), ("monitor", monitor), ("authorized", authorized), ("from_a_file", from_a_file),
        ("bad_options", bad_options), ("is_a_client", is_a_client), ("wrong_servers", wrong_servers), ("by_keys", by_keys), ("other_programs", other_programs))])


if __name__ == "__main__":
    main()
