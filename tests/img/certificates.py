# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates and keys for TLS, made by certtool and psktool."""
import os
import shutil
import subprocess

import tap

CERTTOOL, PSKTOOL = (shutil.which(name) for name in ("certtool", "psktool"))


def _call(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    tap.equal(done.returncode, 0, (words, done.stderr))


def _certificate(folder, name, template, *signer):
    if not os.path.exists(f"{folder}/{name}-key.pem"):
        _call(CERTTOOL, "--generate-privkey", "--key-type=ecdsa", "--outfile", f"{folder}/{name}-key.pem")
    with open(f"{folder}/{name}.template", "w", encoding="ascii") as file:
        file.write("\n".join((f"cn = {name}", *template)))
    _call(CERTTOOL, *(signer or ("--generate-self-signed",)), "--load-privkey", f"{folder}/{name}-key.pem", "--template", f"{folder}/{name}.template",
          "--outfile", f"{folder}/{name}-cert.pem")


def make(folder, host="localhost", address=True):
    """In @folder, under the names by which tls-creds-x509 and libnbd know them: an authority, a server of @host, a client."""
    if not CERTTOOL:
        raise tap.Skip("certtool is not installed")
    os.makedirs(folder, exist_ok=True)
    _certificate(folder, "ca", ("ca", "cert_signing_key", "expiration_days = 30"))
    signer = ("--generate-certificate", "--load-ca-certificate", f"{folder}/ca-cert.pem", "--load-ca-privkey", f"{folder}/ca-key.pem")
    _certificate(folder, "server", (f"dns_name = {host}", *(["ip_address = 127.0.0.1"] if address else []), "tls_www_server", "signing_key", "encryption_key", "expiration_days = 30"), *signer)
    client(folder, "client")


def client(folder, name):
    """One more client of the authority of @folder."""
    signer = ("--generate-certificate", "--load-ca-certificate", f"{folder}/ca-cert.pem", "--load-ca-privkey", f"{folder}/ca-key.pem")
    _certificate(folder, name, ("tls_www_client", "signing_key", "encryption_key", "expiration_days = 30"), *signer)


def folder_of(folder, name, target, key_password=None):
    """In @target what the client @name of @folder has, as tls-creds-x509 looks for it; its key may be encrypted."""
    os.makedirs(target, exist_ok=True)
    shutil.copy(f"{folder}/ca-cert.pem", f"{target}/ca-cert.pem")
    shutil.copy(f"{folder}/{name}-cert.pem", f"{target}/client-cert.pem")
    if key_password:
        _call(CERTTOOL, "--to-p8", "--load-privkey", f"{folder}/{name}-key.pem", "--password", key_password, "--outfile", f"{target}/client-key.pem")
    else:
        shutil.copy(f"{folder}/{name}-key.pem", f"{target}/client-key.pem")


def make_keys(path, *users):
    """A file with a key for each."""
    if not PSKTOOL:
        raise tap.Skip("psktool is not installed")
    for user in users:
        _call(PSKTOOL, "-u", user, "-p", path)
