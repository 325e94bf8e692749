/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A block of general-purpose event registers (ACPI 6.4, 4.8.4.1): status bytes, then as many
 * enable bytes. A status bit is set by hardware and cleared by writing one to it; the block asks
 * for an SCI while a bit is both set and enabled. Machine lock.
 */
#ifndef HW_ACPI_GPE_H
#define HW_ACPI_GPE_H

#include "memory/memory.h"

#define ACPI_GPE_MAX_LEN 16

typedef struct AcpiGpe {
    MemoryRegion region;
    unsigned len; /* bytes of the whole block: half status, half enable */
    uint8_t sts[ACPI_GPE_MAX_LEN / 2];
    uint8_t en[ACPI_GPE_MAX_LEN / 2];
    void (*changed)(void *opaque); /* the owner works out its SCI anew */
    void *opaque;
} AcpiGpe;

/* @len: even, at most ACPI_GPE_MAX_LEN. @changed is called after each change of the registers. */
void acpi_gpe_init(AcpiGpe *gpe, unsigned len, void (*changed)(void *opaque), void *opaque);
void acpi_gpe_destroy(AcpiGpe *gpe); /* region out of the map already */
void acpi_gpe_reset(AcpiGpe *gpe);

/* Set status bit @n; n beyond the block is ignored. */
void acpi_gpe_raise(AcpiGpe *gpe, unsigned n);
/* Is any bit both set and enabled? */
bool acpi_gpe_pending(const AcpiGpe *gpe);

#endif
