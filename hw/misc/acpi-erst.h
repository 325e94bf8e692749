/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * acpi-erst: a store for error records that outlasts resets and the program (ACPI 6.4, section
 * 18.5), as a PCI function. BAR 0 has two registers: an action is written to the first, what goes
 * with it is in the second. BAR 1 is the buffer by which records are exchanged. The ERST table
 * tells of both (hw/i386/acpi-erst.c). Machine lock.
 */
#ifndef HW_MISC_ACPI_ERST_H
#define HW_MISC_ACPI_ERST_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ERST_ACTION = 0, /* 32 bits: an ErstAction */
    ERST_VALUE = 8,  /* 64 bits */
    ERST_REGISTERS = 16,
};

typedef enum ErstAction {
    ERST_BEGIN_WRITE = 0,
    ERST_BEGIN_READ = 1,
    ERST_BEGIN_CLEAR = 2,
    ERST_END = 3,
    ERST_SET_OFFSET = 4,
    ERST_EXECUTE = 5,
    ERST_CHECK_BUSY = 6,
    ERST_GET_STATUS = 7,
    ERST_GET_ID = 8,
    ERST_SET_ID = 9,
    ERST_GET_COUNT = 10,
    ERST_BEGIN_DUMMY_WRITE = 11,
    ERST_GET_RANGE = 13,
    ERST_GET_LENGTH = 14,
    ERST_GET_ATTRIBUTES = 15,
    ERST_GET_TIMINGS = 16,
    ERST_ACTIONS,
} ErstAction;

/* Where the registers are; false: there is no such device, or nothing has placed it. */
bool acpi_erst_registers(uint64_t *addr);

/* Without firmware nothing places it before the tables are made: put it below @end, which is in the
 * windows of the root bus, and let it decode. Nothing happens if there is no such device. */
void acpi_erst_place(uint64_t end);

#endif
