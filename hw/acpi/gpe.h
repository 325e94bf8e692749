/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A block of general-purpose event registers (ACPI 6.4, 4.8.4.1): status bytes, then as many
 * enable bytes. A status bit is set by hardware and cleared by writing one to it; the block asks
 * for an SCI while a bit is both set and enabled.
 *
 * While there is something for the guest to take, the bit stays set, whatever it writes: a guest
 * that clears all status when it turns ACPI on, as Linux does, still learns of what came before.
 * One that never takes it has the SCI for as long as it has the bit enabled, and no longer. Machine
 * lock.
 */
#ifndef HW_ACPI_GPE_H
#define HW_ACPI_GPE_H

#include "memory/memory.h"
#include "util/state.h"

#define ACPI_GPE_MAX_LEN 16

typedef struct AcpiGpe {
    uint8_t sts[ACPI_GPE_MAX_LEN / 2];     /* was set, and not cleared since */
    uint8_t pending[ACPI_GPE_MAX_LEN / 2]; /* the device has something for the guest now */
    uint8_t en[ACPI_GPE_MAX_LEN / 2];
    /* wiring */
    MemoryRegion region;
    unsigned len;                  /* bytes of the whole block: half status, half enable */
    void (*changed)(void *opaque); /* the owner works out its SCI anew */
    void *opaque;
} AcpiGpe;

/* Status and enable bits. */
extern const StateTable acpi_gpe_state;

/* @len: even, at most ACPI_GPE_MAX_LEN. @changed is called after each change of the registers. */
void acpi_gpe_init(AcpiGpe *gpe, unsigned len, void (*changed)(void *opaque), void *opaque);
void acpi_gpe_destroy(AcpiGpe *gpe); /* region out of the map already */
/* Status and enables are 0, but for what devices still have pending. */
void acpi_gpe_reset(AcpiGpe *gpe);

/* A device has something new for the guest (@pending), or all of it was taken: status bit @n is
 * set, and holds until the second. Then it may be cleared, and is 0 at once if it was cleared
 * meanwhile. n beyond the block is ignored. */
void acpi_gpe_set(AcpiGpe *gpe, unsigned n, bool pending);
/* Is any bit both set and enabled? */
bool acpi_gpe_asks(const AcpiGpe *gpe);

#endif
