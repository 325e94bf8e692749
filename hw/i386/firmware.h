/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Firmware: the ROM or flash that ends at 4 GiB, whose last 128 KiB are seen below 1 MiB too. Its
 * files: hw/core/firmware-file.h. Main thread, at start-up.
 *
 * A machine has, in this order: the flash of -drive if=pflash or -pflash; the file that its
 * property "firmware" (-bios) names ("on": the default one, "off": none); with -kernel none, but
 * FIRMWARE_DEFAULT if a BIOS is what the kernel needs; else FIRMWARE_DEFAULT, unless no CPU will
 * run (qtest, dump-acpi) or it is not installed. With none there is a ROM that halts, and a kernel
 * is started directly (x86-boot.c).
 */
#ifndef HW_I386_FIRMWARE_H
#define HW_I386_FIRMWARE_H

#include "hw/i386/x86.h"

#define FIRMWARE_DEFAULT "bios-256k.bin"      /* of Debian's package seabios */
#define FIRMWARE_MAX     (UINT64_C(16) << 20) /* bytes; what is above the chips below 4 GiB */

/* -drive if=pflash: make flash @unit (0: ends at 4 GiB; 1: ends where 0 begins). Errors: taken,
 * file (hw/block/pflash-cfi01.h), firmware that needs SMM. */
bool firmware_add_flash(Machine *machine, unsigned unit, const char *file, bool readonly,
                        GError **errp);

/* Is there something for CPUs to run, a kernel or firmware? An error says what is missing. */
bool firmware_check_bootable(const Machine *machine, GError **errp);

/* Is it UEFI firmware, as far as can be told: with a firmware volume of the UEFI PI specification?
 */
bool firmware_is_uefi(const X86Machine *x86);

/* For x86_machine_init(), when x86->boot is there and before its bus is: load the firmware and map
 * it below 4 GiB; sets x86->firmware. Errors: not found, wrong size, needs SMM, both -bios and
 * flash. */
bool firmware_init_rom(X86Machine *x86, GError **errp);
/* And when the bus is there: show the end of the firmware below 1 MiB, in @behind, the region that
 * PAM registers let accesses fall through to. */
void firmware_map_low_rom(X86Machine *x86, MemoryRegion *behind);

/* `info roms`: a line for the option ROM that starts a kernel, for each flash, and for the ROM.
 * g_free. */
char *firmware_roms_text(X86Machine *x86);

#endif
