# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's huge pages of 2 MiB: how many there are, and how many there shall be."""
HUGE = "/sys/kernel/mm/hugepages/hugepages-2048kB"


def number(name):
    with open(f"{HUGE}/{name}", encoding="ascii") as file:
        return int(file.read())


def set_number(count):
    with open(f"{HUGE}/nr_hugepages", "w", encoding="ascii") as file:
        file.write(str(count))
