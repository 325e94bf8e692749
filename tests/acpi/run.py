#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Give the ACPI tables to iasl and acpiexec.

Every table must disassemble; the DSDT's disassembly must compile again without errors and warnings
to something that disassembles the same; and acpiexec must load the tables and evaluate what it can
without hardware. Prints TAP.

    run.py test-acpi PROGRAM     tables written by the unit test (DIMMABLE_ACPI_DUMP)
    run.py dimmable PROGRAM      tables written by -machine dump-acpi=DIR
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

LB = 'hmat-lb,initiator=0,'

# Command lines for the program: more than the unit test's, since all of it is real.
COMMANDS = {
    'default': [],
    'issue': ['-m', '2G,slots=8,maxmem=16G', '-smp', '2'],
    'dimms': ['-m', '2G,slots=8,maxmem=16G',
              '-object', 'memory-backend-ram,id=r0,size=1G', '-device', 'pc-dimm,id=d0,memdev=r0'],
    'full': ['-m', '2G,slots=256,maxmem=300G', '-smp', '255'],
    'boot': ['-m', '2G,slots=8,maxmem=16G', '-numa', 'node,cpus=0,mem=2G', '-numa', 'node',
             '-object', 'memory-backend-ram,id=r0,size=1G',
             '-device', 'pc-dimm,id=d0,memdev=r0,node=1,boot=on'],
    'places': ['-m', '2G,slots=8,maxmem=16G', '-numa', 'node,mem=2G', '-numa', 'node',
               '-numa', 'node', '-numa', 'node', '-numa', 'dist,src=0,dst=1,val=30',
               '-numa', 'dist,src=0,dst=2,val=40', '-numa', 'dist,src=0,dst=3,val=50',
               '-numa', 'dist,src=1,dst=2,val=60', '-numa', 'dist,src=1,dst=3,val=70',
               '-numa', 'dist,src=2,dst=3,val=80'],
    'hmat': ['-m', '2G,slots=8,maxmem=16G', '-smp', '2', '-machine', 'hmat=on',
             '-numa', 'node,cpus=0-1', '-numa', 'node,initiator=0',
             '-numa', LB + 'target=0,hierarchy=memory,data-type=access-latency,latency=10',
             '-numa', LB + 'target=1,hierarchy=memory,data-type=access-latency,latency=150000',
             '-numa', LB + 'target=0,hierarchy=memory,data-type=access-bandwidth,bandwidth=20G',
             '-numa', LB + 'target=1,hierarchy=first-level,data-type=read-bandwidth,bandwidth=1M',
             '-numa', 'hmat-cache,node-id=0,size=1G,level=1,associativity=direct,'
             'policy=write-back,line=64'],
}

DATA_TABLES = {'apic', 'facp', 'hmat', 'slit', 'srat'}

count = 0
failed = 0


def check(name, ok, detail=''):
    global count, failed
    count += 1
    print(f'{"ok" if ok else "not ok"} {count} {name}')
    if not ok:
        failed += 1
        for line in detail.splitlines()[-40:]:
            print(f'# {line}')
    return ok


def run(args, cwd, **kwargs):
    done = subprocess.run(args, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors='replace', timeout=120, check=False, **kwargs)
    return done.returncode, done.stdout


def disassemble(name, table):
    if table.stem == 'rsdp':  # iasl does not take it: it is no table, and the unit test reads it
        return
    code, out = run(['iasl', '-d', table.name], table.parent)
    dsl = table.with_suffix('.dsl')
    text = dsl.read_text(errors='replace') if dsl.exists() else 'no output'
    # External: a name that is not there.
    bad = re.findall(r'.*(?:Invalid|Incorrect|Error|Unknown|External|no output).*', text)
    ok = code == 0 and not bad and not re.search(r'\b(Error|Warning)\b', out)
    check(f'{name}: {table.stem} disassembles', ok, out + '\n'.join(bad))
    if ok and table.stem in DATA_TABLES:
        rebuild(name, table)


def rebuild(name, table):
    """A table of data: what iasl makes of its disassembly is the same, and it has no remarks."""
    _, out = run(['iasl', '-p', table.stem + '-again', table.stem + '.dsl'], table.parent)
    summary = re.search(r'(\d+) Errors, (\d+) Warnings, (\d+) Remarks', out)
    clean = bool(summary) and summary.groups() == ('0', '0', '0')
    again = table.parent / (table.stem + '-again.aml')
    same = again.exists() and comparable(again) == comparable(table)
    check(f'{name}: {table.stem} compiles to the same without remarks', clean and same, out)


def comparable(path):
    """Without the checksum and the compiler's name and version, which iasl writes itself."""
    data = bytearray(path.read_bytes())
    del data[28:36], data[9:10]
    return data


def recompile(name, folder):
    # -oa: no optimisations, which would change the byte code.
    _, out = run(['iasl', '-oa', '-p', 'again', 'dsdt.dsl'], folder)
    summary = re.search(r'(\d+) Errors, (\d+) Warnings', out)
    clean = bool(summary) and summary.groups() == ('0', '0')
    check(f'{name}: the DSDT compiles with 0 errors and 0 warnings', clean, out)
    # The byte code itself may differ: iasl fuses an operation and the store of its result.
    again = folder / 'again.aml'
    run(['iasl', '-d', again.name], folder)
    texts = [body(p) for p in (folder / 'dsdt.dsl', folder / 'again.dsl') if p.exists()]
    check(f'{name}: and disassembles to the same again', len(texts) == 2 and texts[0] == texts[1])


def body(dsl):
    """A disassembly without the comment at its head, and with a = (a | b) as iasl writes it."""
    text = dsl.read_text(errors='replace').partition('DefinitionBlock')[2]
    return re.sub(r'(\w+) = \(\1 ([&|]) (\w+)\)', r'\1 \2= \3', text)


def evaluate(name, folder):
    """acpiexec reads zeros from every register: no slot is enabled, and the scan finds slot 0
    without an event and stops."""
    batch = 'evaluate \\_S5'
    dsdt = (folder / 'dsdt.dat').read_bytes()
    if b'MHPC' in dsdt:
        batch += ('; evaluate \\_SB.MHPC.M000._STA; evaluate \\_SB.MHPC.M000._CRS'
                  '; evaluate \\_SB.MHPC.M000._PXM; evaluate \\_SB.MHPC.M000._OST 1 0 0'
                  '; evaluate \\_GPE._E03')
    if b'PICF' in dsdt:
        # With \_PIC 0, _PRT is larger than acpiexec's buffer.
        batch += ('; evaluate \\_PIC 1; evaluate \\_SB.PCI0._PRT; evaluate \\_SB.LNKA._CRS'
                  '; evaluate \\_SB.LNKH._STA; evaluate \\_SB.LNKE._DIS')
    tables = [t.name for t in sorted(folder.glob('*.dat')) if t.stem in ('dsdt', 'facp', 'apic')]
    code, out = run(['acpiexec', '-b', batch, 'dsdt.dat'], folder, stdin=subprocess.DEVNULL)
    bad = re.findall(r'.*(?:ACPI Error|ACPI Exception|Evaluation failed|AE_[A-Z_]+).*', out)
    bad = [line for line in bad if 'AE_OK' not in line]
    check(f'{name}: acpiexec loads and evaluates', code == 0 and not bad and bool(tables), out)


# On each machine all of these, and what only one of them has.
MACHINES = ('pc', 'q35')
SPECIAL = {
    'q35': {
        'no-hpet': ['-machine', 'hpet=off'],
        'split': ['-m', '2816M,slots=8,maxmem=16G'],
        'unsplit': ['-m', '2815M'],
        'high': ['-m', '2G,slots=2,maxmem=1000G'],
        'ports': [word for n in range(4) for word in
                  ('-device', f'pcie-root-port,id=rp{n},chassis={n + 1}')],
    },
}


def dump(mode, program, top):
    if mode == 'test-acpi':
        env = dict(os.environ, DIMMABLE_ACPI_DUMP=str(top))
        code, out = run([program, '-p', '/acpi/dump'], top, env=env)
        check('tables are written', code == 0, out)
        return
    for kind in MACHINES:
        for name, args in {**COMMANDS, **SPECIAL.get(kind, {})}.items():
            folder = top / f'{kind}-{name}'
            code, out = run([program, '-machine', f'{kind},dump-acpi={folder}', '-accel',
                             'qtest', '-nodefaults', '-display', 'none', *args], top,
                            stdin=subprocess.DEVNULL)
            check(f'{folder.name}: dump-acpi', code == 0 and (folder / 'dsdt.dat').exists(), out)
    code, out = run([program, '-machine', 'pc,dump-acpi=/nonexistent/dir', '-accel', 'qtest',
                     '-display', 'none'], top, stdin=subprocess.DEVNULL)
    check('a directory that cannot be made', code == 1 and '/nonexistent/dir' in out, out)


def main():
    mode, program = sys.argv[1], os.path.abspath(sys.argv[2])
    if not shutil.which('iasl') or not shutil.which('acpiexec'):
        print('1..0 # SKIP iasl and acpiexec are not installed (package acpica-tools)')
        return 0
    with tempfile.TemporaryDirectory(prefix='test-acpi-') as tmp:
        top = pathlib.Path(tmp)
        dump(mode, program, top)
        for folder in sorted(p for p in top.iterdir() if p.is_dir()):
            for table in sorted(folder.glob('*.dat')):
                disassemble(folder.name, table)
            recompile(folder.name, folder)
            evaluate(folder.name, folder)
    print(f'1..{count}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
