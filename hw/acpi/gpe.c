/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * General-purpose event registers.
 */
#include "hw/acpi/gpe.h"
#include "util/trace.h"

#include <string.h>

/* Status byte @i as the guest sees it. */
static uint8_t status(const AcpiGpe *gpe, unsigned i)
{
    return gpe->sts[i] | gpe->pending[i];
}

static uint64_t gpe_read(void *opaque, hwaddr addr, unsigned size)
{
    const AcpiGpe *gpe = opaque;
    unsigned half = gpe->len / 2;

    return addr < half ? status(gpe, addr) : gpe->en[addr - half];
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

void acpi_gpe_set(AcpiGpe *gpe, unsigned n, bool pending)
{
    uint8_t bit = (uint8_t)(1u << (n % 8));

    if (n >= gpe->len / 2 * 8) {
        return;
    }
    if (pending) {
        gpe->pending[n / 8] |= bit;
        gpe->sts[n / 8] |= bit;
    } else {
        gpe->pending[n / 8] &= (uint8_t)~bit;
    }
    trace(TRACE_GPE_SET, "event %u %s", n, pending ? "pending" : "not pending");
    gpe->changed(gpe->opaque);
}

bool acpi_gpe_asks(const AcpiGpe *gpe)
{
    for (unsigned i = 0; i < gpe->len / 2; i++) {
        if (status(gpe, i) & gpe->en[i]) {
            return true;
        }
    }
    return false;
}

static const StateField gpe_fields[] = {
    STATE_UINTS(AcpiGpe, sts),
    STATE_UINTS(AcpiGpe, pending),
    STATE_UINTS(AcpiGpe, en),
    {},
};
const StateTable acpi_gpe_state = { .name = "acpi-gpe", .version = 1, .fields = gpe_fields };
