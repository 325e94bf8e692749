# SPDX-License-Identifier: GPL-2.0-or-later
"""What a scenario is, and what can become of it."""
import dataclasses
import typing

SCENARIOS = []


class Skip(Exception):
    """The kernel or the emulator cannot do it, with the reason."""


class Failure(Exception):
    """The kernel or the emulator does it wrong. @lines: the kernel's log, or what else tells why."""

    def __init__(self, text, lines=()):
        super().__init__(text)
        self.lines = list(lines)


@dataclasses.dataclass
class Done:
    """What the kernel did, how many seconds that took (if it was measured), and for a refusal why, line by line."""
    text: str
    seconds: typing.Optional[float] = None
    refused: bool = False
    lines: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Config:
    """A guest as scenarios want it. Those that want the same one after the other get the same guest."""
    append: str = ""           # for the kernel's command line
    slots: int = 4
    maxmem: str = "8G"
    nodes: int = 2             # node 0 has all that is there at boot
    extra: tuple = ()          # options of the emulator
    disk: bool = False         # with a disk of DISK bytes
    kernel_inside: bool = False  # with /memhp/kernel and /memhp/initrd, which are what it was started from
    may_not_start: bool = False  # some emulators do not have such machines
    memory: typing.Optional[str] = None  # at boot, where it has to be so much


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    about: str
    function: typing.Callable
    config: Config


def scenario(name, about, config=Config(), **arguments):
    """Decorate a function that takes a Guest (and @arguments) and returns a Done."""
    def add(function):
        SCENARIOS.append(Scenario(name, about, lambda guest: function(guest, **arguments), config))
        return function
    return add


def must(condition, text, lines=()):
    if not condition:
        raise Failure(text, lines)


def equal(found, wanted, what):
    must(found == wanted, f"{what}: {found}, where it should be {wanted}")
