#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs out of Debian's packages in a Linux guest, by engine: debian.py BUILD-DIR [RUNS [ENGINE...]]. The packages
are downloaded and unpacked, not installed, into BUILD-DIR/bench-root, which the guest has in its memory; "native" runs
the same files on the host. What they print must be the same everywhere. Engines and figures are those of programs.py."""
import os
import re
import shutil
import subprocess
import tempfile

import programs

PACKAGES = ["gzip", "xz-utils", "openssl", "python3-minimal", "libpython3-stdlib", "perl-base", "sqlite3", "gcc",
            "libc6-dev", "busybox-static"]
LEFT_OUT = ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/perl", "packages"]
COMMANDS = {
    "gzip": "gzip -6 <data | sha256sum",
    "xz": "head -c 3000000 data | xz -2 -T 1 | xz -d | sha256sum",
    "openssl": "for i in 1 2 3 4 5 6 7 8; do openssl enc -aes-128-cbc -nosalt -K 00 -iv 00 -in data 2>/dev/null; done | "
               "openssl dgst -sha512",
    "python3": "PYTHONHASHSEED=0 python3 -s work.py",
    "perl": "perl work.pl",
    "sqlite3": "sqlite3 :memory: <work.sql",
    "gcc": "for i in 1 2 3; do gcc -O2 -S -o - work.c; done | sha256sum",
}
FILES = {
    "work.py": """
import hashlib, json
words = {}
for i in range(60000):
    words.setdefault(i * 7919 % 1009, []).append(str(i))
text = json.dumps(words, sort_keys=True)
ordered = sorted(json.loads(text).values(), key=lambda word: word[-1])
print(hashlib.sha256(text.encode()).hexdigest(), sum(len(word) for word in ordered))
""",
    "work.pl": """
my %seen;
for my $i (1 .. 150000) {
    my $word = "w" . ($i * 7919 % 5003) . "-" . ($i % 17);
    $word =~ s/(\\d+)-(\\d)/$2:$1/;
    $seen{$word}++;
}
my $sum = 0;
$sum += length($_) * $seen{$_} for sort keys %seen;
print "$sum\\n";
""",
    "work.sql": """
create table t(a integer primary key, b integer, c text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 60000)
insert into t select i, i * 7919 % 10007, printf('%08x', i * 104729) from n;
create index tb on t(b);
select count(*), sum(b), max(c) from t where b between 100 and 9000;
select sum(x.a * y.b % 1000) from t x join t y on x.b = y.a where x.a < 20000;
""",
}
DATA = 8000000  # bytes of a program, to be compressed


def run(*args, **options):
    return subprocess.run(args, capture_output=True, text=True, check=True, **options).stdout


def download(folder):
    """The packages and what they depend on, but for those that only others provide."""
    skip = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
    names = re.findall(r"(?m)^([a-z0-9][a-z0-9.+-]*)$", run("apt-cache", "depends", "--recurse", *skip, *PACKAGES))
    there = set(re.findall(r"(?m)^Package: (\S+)$", run("apt-cache", "--no-all-versions", "show", *sorted(set(names)))))
    run("apt-get", "-o", "APT::Sandbox::User=", "download", *sorted(there), cwd=folder)


def make_root(build):
    """The folder with the files, made once."""
    root, new = f"{build}/bench-root", f"{build}/bench-root.new"
    if os.path.isdir(root):
        return root
    shutil.rmtree(new, ignore_errors=True)
    for name in "packages", "dev", "tmp":
        os.makedirs(f"{new}/{name}")
    download(f"{new}/packages")
    for package in sorted(os.listdir(f"{new}/packages")):
        run("dpkg-deb", "-x", f"{new}/packages/{package}", new)
    for path in LEFT_OUT:
        shutil.rmtree(f"{new}/{path}", ignore_errors=True)
    unwanted = " -o ".join(f"-name {name}" for name in ("*.a", "lto*", "lib*san.so*", "libgprofng*")).split()
    run("find", new, "(", *unwanted, ")", "-type", "f", "-delete")
    for applet in "sh", "head", "sha256sum":
        if not os.path.lexists(f"{new}/bin/{applet}"):
            os.symlink("busybox", f"{new}/bin/{applet}")
    for name, text in FILES.items():
        with open(f"{new}/{name}", "w", encoding="ascii") as file:
            file.write(text)
    shutil.copy(f"{programs.SOURCE}/programs.c", f"{new}/work.c")
    compiler = run("find", new, "-name", "cc1", "-type", "f").strip()
    with open(compiler, "rb") as source, open(f"{new}/data", "wb") as file:
        file.write(source.read(DATA))
    os.rename(new, root)
    return root


def native(root):
    enter = ["chroot"] if os.getuid() == 0 else ["unshare", "-r", "chroot"]
    for name, command in COMMANDS.items():
        before = programs.used_by_children()
        said = run(*enter, root, "/bin/sh", "-c", command, env={"PATH": "/usr/sbin:/usr/bin:/bin"})
        yield name, programs.used_by_children() - before, said.strip()


def in_guest(build, directory, engine):
    with programs.start(build, directory, engine, memory="2G") as guest:
        guest.wait_ready()
        guest.run("mount -t devtmpfs dev /debian/dev")  # for what asks for random numbers
        for name, command in COMMANDS.items():
            before = programs.processor_seconds(guest.process.pid)
            said = guest.run(f"PATH=/usr/bin:/bin chroot /debian /bin/sh -c '{command}'", timeout=600)
            yield name, programs.processor_seconds(guest.process.pid) - before, said


def main():
    build, runs, engines = programs.chosen()
    root, seconds, expected = make_root(build), {}, {}
    with tempfile.TemporaryDirectory() as directory:
        os.symlink(os.path.abspath(root), f"{directory}/debian")
        names = subprocess.run(["find", "debian/"], cwd=directory, capture_output=True, check=True).stdout
        programs.add_files(build, directory, directory, names)
        for _ in range(runs):
            for engine in engines:
                results = native(root) if engine == "native" else in_guest(build, directory, engine)
                for name, value, said in results:
                    seconds.setdefault((engine, name), []).append(value)
                    if said != expected.setdefault(name, said):
                        raise SystemExit(f"{engine}: {name} says {said}, not {expected[name]}")
    for engine in engines:
        print(programs.row(seconds, engine, COMMANDS, "native" in engines), flush=True)


main()
