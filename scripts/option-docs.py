#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Manual pages and bash completion, from the tables of options that the programs print themselves:
option-docs.py man|bash dimmable|dimmable-img|dimmable-nbd|dimmable-memhp-check PROGRAM...   to standard output

PROGRAM is run with -help, or --help, to read them."""
import os
import re
import subprocess
import sys

# What the tables do not say: (what it is, an example and what it does, other pages).
ABOUT = {
    "dimmable": ("an x86-64 virtual machine, whose memory can be turned up and down while it runs",
                 [("dimmable -m 2G,slots=8,maxmem=16G -smp 2 -nographic -kernel vmlinuz -initrd initrd -append console=ttyS0",
                   "boots a kernel; Ctrl-A C is the monitor, where object_add and device_add give the guest a DIMM"),
                  ("dimmable -m 1G -nographic -drive file=disk.qcow2,if=virtio -nic user", "boots a disk")],
                 ["dimmable-img", "dimmable-memhp-check"]),
    "dimmable-img": ("images of disks: raw and qcow2", [("dimmable-img create -f qcow2 disk.qcow2 10G", "makes a disk")],
                     ["dimmable", "dimmable-nbd"]),
    "dimmable-nbd": ("serve an image to NBD clients", [("dimmable-nbd -r -t -f qcow2 -k /tmp/socket disk.qcow2",
                                                        "serves it at nbd+unix:///?socket=/tmp/socket, to be read")],
                     ["dimmable", "dimmable-img"]),
    "dimmable-memhp-check": ("run scenarios of memory hot-plug on a Linux kernel",
                             [("dimmable-memhp-check --kernel vmlinuz --modules /lib/modules/VERSION", "runs them all")],
                             ["dimmable"]),
}
# Options of dimmable whose `help` lists what can follow.
LISTS = ["machine", "M", "accel", "cpu", "device", "object", "netdev", "chardev", "nic", "watchdog", "d"]


def told(*args):
    """What a program prints, as wide as it likes."""
    return subprocess.run(args, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}).stdout


def entries(text):
    """[(option with its arguments, what it does)] of lines such as "  -m SIZE     boot memory", and what goes on in the
    lines below."""
    found = []
    for line in text.splitlines():
        option = re.match(r"  (-\S.*?)(?: {2,}(\S.*))?$", line) or re.match(r"  (-\S{23,29}|-.{22,28}\S) (\S.*)$", line)
        if option:
            found.append([option.group(1), option.group(2) or ""])
        elif found and re.match(r" {15,}\S", line):
            found[-1][1] = f"{found[-1][1]} {line.strip()}".strip()
    return [tuple(entry) for entry in found]


def sections(text):
    """[(title, entries)] of a help text; titles are lines such as "Machine:", and there may be none."""
    parts = re.split(r"(?m)^(\w[\w ]*):$", text)
    pairs = [("Options", parts[0]), *zip(parts[1::2], parts[2::2])]
    return [(title, entries(body)) for title, body in pairs if entries(body)]


def commands(program):
    """[(command, what it does, its usage, its options)] of dimmable-img."""
    found = []
    for name, about in re.findall(r"(?m)^  ([a-z]\w*) +(\S.*)$", told(*program, "--help")):
        text = told(*program, name, "--help")
        found.append((name, about, text.splitlines()[0].removeprefix("usage: "), entries(text)))
    return found


# ---- manual pages ----

def roff(text):
    """Plain text, as troff is told it."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return re.sub(r"(?m)^\.", r"\\&.", text)


def options_page(table):
    """Options may be broken where their parts end."""
    return "".join(".TP\n.B " + re.sub(r"(\[,|\|)", r"\\:\1", roff(option)) + f"\n{roff(about)}\n" for option, about in table)


def man(name, program):
    about, examples, others = ABOUT[name]
    version = told(*program, "-version" if name == "dimmable" else "--version") if name != "dimmable-memhp-check" else ""
    number = re.search(r"dimmable(?:-img|-nbd)? (\d[\w.]*)\)", version)
    page = f'.TH {name.upper()} 1 "" "Dimmable{" " + number.group(1) if number else ""}" "User Commands"\n.ad l\n.nh\n'
    page += f".SH NAME\n{name} \\- {roff(about)}\n.SH SYNOPSIS\n.B {roff(name)}\n"
    if name == "dimmable-img":
        page += "COMMAND [options] ...\n.SH COMMANDS\n"
        for _, does, usage, table in commands(program):
            page += f".SS {roff(usage)}\n{roff(does)}\n{options_page(table)}"
    else:
        page += "[options]\n" + ("[DISK]\n" if name == "dimmable" else "")
        for title, table in sections(told(*program, "-help" if name == "dimmable" else "--help")):
            page += f".SH {title.upper()}\n{options_page(table)}"
    page += ".SH EXAMPLES\n" + "".join(f".TP\n.B {roff(line)}\n{roff(does)}\n" for line, does in examples)
    return page + ".SH SEE ALSO\n" + ",\n".join(f".BR {roff(other)} (1)" for other in others) + "\n"


# ---- completion ----

def names(table):
    """The options alone: of "-q, --quiet" both, of "--object=OBJECT" the first part."""
    return sorted({word for option, _ in table for word in re.findall(r"(?:^|, )(--?[\w-]+)", option)})


BASH = """# bash completion of {name}; made of its table of options
{function}()
{{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
    COMPREPLY=()
{cases}}}
complete -o default -F {function} {name}
"""
# What `-device help` and the like list, each in its own way, becomes words.
FOR_LISTS = """    case $before in
    {options})
        COMPREPLY=($(compgen -W "$("${{COMP_WORDS[0]}}" "$before" help 2>/dev/null | sed -n \\
            -e 's/^  \\([a-z]*\\), \\([a-z]*\\) .*/\\1\\n\\2/p;t' \\
            -e 's/^name "\\([^"]*\\)".*/\\1/p;t' -e 's/^x86 \\([^ ]*\\).*/\\1/p;t' -e '/:$/d' \\
            -e 's/^ *\\([a-z0-9][a-zA-Z0-9._-]*\\)\\(,\\{{0,1\\}} .*\\)\\{{0,1\\}}$/\\1/p')" -- "$word"))
        return
        ;;
    esac
"""
FOR_OPTIONS = """    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "{options}" -- "$word"))
    fi
"""
FOR_COMMANDS = """    if [[ $COMP_CWORD -eq 1 ]]; then
        COMPREPLY=($(compgen -W "{commands} --help --version" -- "$word"))
        return
    fi
    [[ $word == -* ]] || return
    case ${{COMP_WORDS[1]}} in
{each}    esac
"""


def bash(name, program):
    if name == "dimmable-img":
        table = commands(program)
        each = "".join(f'    {command})\n        COMPREPLY=($(compgen -W "{" ".join(names(options))}" -- "$word"))\n        ;;\n'
                       for command, _, _, options in table)
        cases = FOR_COMMANDS.format(commands=" ".join(command for command, *_ in table), each=each)
    else:
        table = [entry for _, part in sections(told(*program, "-help" if name == "dimmable" else "--help")) for entry in part]
        cases = FOR_OPTIONS.format(options=" ".join(names(table)))
        if name == "dimmable":
            cases = FOR_LISTS.format(options=" | ".join(f"-{option}" for option in LISTS)) + cases
    return BASH.format(name=name, function=f"_{name.replace('-', '_')}", cases=cases)


def main():
    kind, name, *program = sys.argv[1:]
    print({"man": man, "bash": bash}[kind](name, program), end="")


main()
