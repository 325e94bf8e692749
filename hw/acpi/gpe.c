/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * General-purpose event registers.
 */
#include "hw/acpi/gpe.h"

#include <string.h>

static uint64_t gpe_read(void *opaque, hwaddr addr, unsigned size)
{
    const AcpiGpe *gpe = opaque;
    unsigned half = gpe->len / 2;

    return addr < half ? gpe->sts[addr] : gpe->en[addr - half];
}

static void gpe_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    AcpiGpe *gpe = opaque;
    unsigned half = gpe->len / 2;

    if (addr < half) {
        gpe->sts[addr] &= (uint8_t)~value;
    } else {
        gpe->en[addr - half] = (uint8_t)value;
    }
    gpe->changed(gpe->opaque);
}

static const MemoryRegionOps gpe_ops = {
    .read = gpe_read,
    .write = gpe_write,
    .max_access = 1, /* wider ones are split, and so never leave the block */
};

void acpi_gpe_init(AcpiGpe *gpe, unsigned len, void (*changed)(void *opaque), void *opaque)
{
    *gpe = (AcpiGpe){ .len = len, .changed = changed, .opaque = opaque };
    memory_region_init_io(&gpe->region, &gpe_ops, gpe, "acpi-gpe0", len);
}

void acpi_gpe_destroy(AcpiGpe *gpe)
{
    memory_region_destroy(&gpe->region);
}

void acpi_gpe_reset(AcpiGpe *gpe)
{
    memset(gpe->sts, 0, sizeof(gpe->sts));
    memset(gpe->en, 0, sizeof(gpe->en));
    gpe->changed(gpe->opaque);
}

void acpi_gpe_raise(AcpiGpe *gpe, unsigned n)
{
    if (n < gpe->len / 2 * 8) {
        gpe->sts[n / 8] |= (uint8_t)(1u << (n % 8));
        gpe->changed(gpe->opaque);
    }
}

bool acpi_gpe_pending(const AcpiGpe *gpe)
{
    for (unsigned i = 0; i < gpe->len / 2; i++) {
        if (gpe->sts[i] & gpe->en[i]) {
            return true;
        }
    }
    return false;
}
