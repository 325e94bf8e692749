/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ERST: how an operating system uses the store for error records (ACPI 6.4, section 18.5.1). */
#include "hw/i386/acpi-build.h"

#include "hw/misc/acpi-erst.h"

/* Serialization instructions (table 18.17). */
enum { READ_REGISTER = 0, READ_REGISTER_VALUE = 1, WRITE_REGISTER = 2, WRITE_REGISTER_VALUE = 3 };

enum { HEADER_SIZE = 0x30 };

/* What of the value register goes with an action, before or after it. */
typedef struct ErstRow {
    ErstAction action;
    enum { NOTHING, PUT, GET, TEST } how;
    unsigned bits;
    uint64_t mask;
} ErstRow;

static const ErstRow rows[] = {
    { ERST_BEGIN_WRITE, NOTHING },
    { ERST_BEGIN_READ, NOTHING },
    { ERST_BEGIN_CLEAR, NOTHING },
    { ERST_END, NOTHING },
    { ERST_SET_OFFSET, PUT, 64, UINT64_MAX },
    { ERST_EXECUTE, NOTHING },
    { ERST_CHECK_BUSY, TEST, 32, 1 },
    { ERST_GET_STATUS, GET, 32, 0xff },
    { ERST_GET_ID, GET, 64, UINT64_MAX },
    { ERST_SET_ID, PUT, 64, UINT64_MAX },
    { ERST_GET_COUNT, GET, 32, UINT32_MAX },
    { ERST_BEGIN_DUMMY_WRITE, NOTHING },
    { ERST_GET_RANGE, GET, 64, UINT64_MAX },
    { ERST_GET_LENGTH, GET, 64, UINT64_MAX },
    { ERST_GET_ATTRIBUTES, GET, 32, UINT32_MAX },
    { ERST_GET_TIMINGS, GET, 64, UINT64_MAX },
};

/* With its access size, which Linux wants to know. */
static void address(AcpiBlob *erst, unsigned bits, uint64_t addr)
{
    enum { DWORD_ACCESS = 3, QWORD_ACCESS = 4 };

    acpi_u8(erst, ACPI_GAS_MEMORY);
    acpi_u8(erst, bits);
    acpi_u8(erst, 0); /* bit offset */
    acpi_u8(erst, bits == 64 ? QWORD_ACCESS : DWORD_ACCESS);
    acpi_u64(erst, addr);
}

static void entry(AcpiBlob *erst, ErstAction action, uint8_t instruction, unsigned bits,
                  uint64_t addr, uint64_t value, uint64_t mask)
{
    acpi_u8(erst, (uint8_t)action);
    acpi_u8(erst, instruction);
    acpi_zeros(erst, 2); /* flags, reserved */
    address(erst, bits, addr);
    acpi_u64(erst, value);
    acpi_u64(erst, mask);
}

static void entries(AcpiBlob *erst, const ErstRow *row, uint64_t base)
{
    uint64_t value = base + ERST_VALUE;

    if (row->how == PUT) {
        entry(erst, row->action, WRITE_REGISTER, row->bits, value, 0, row->mask);
    }
    entry(erst, row->action, WRITE_REGISTER_VALUE, 32, base + ERST_ACTION, row->action, UINT32_MAX);
    if (row->how == GET) {
        entry(erst, row->action, READ_REGISTER, row->bits, value, 0, row->mask);
    } else if (row->how == TEST) {
        entry(erst, row->action, READ_REGISTER_VALUE, row->bits, value, row->mask, row->mask);
    }
}

AcpiBlob *acpi_build_erst(AcpiTables *tables)
{
    AcpiBlob *erst;
    uint64_t base;
    uint32_t count = 0;

    if (!acpi_erst_registers(&base)) {
        return NULL;
    }
    erst = acpi_table_begin(tables, "ERST", NULL, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        count += rows[i].how == NOTHING ? 1 : 2;
    }
    acpi_u32(erst, HEADER_SIZE);
    acpi_u32(erst, 0); /* reserved */
    acpi_u32(erst, count);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        entries(erst, &rows[i], base);
    }
    acpi_table_end(tables, erst);
    return erst;
}
