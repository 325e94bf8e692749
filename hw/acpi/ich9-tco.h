/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TCO watchdog of the ICH9 (Intel I/O Controller Hub 9 data sheet, 316972, section 13.9): 32
 * ports behind the PM block's base, in the LPC bridge. It counts ticks of 0.6 seconds down, twice:
 * the first time it sets TIMEOUT, the second time SECOND_TO_STS, and then it fires, if neither the
 * strap "no reboot" nor the bit of that name in GCS forbids it. The first time, and where DAT_IN is
 * written, it asks for an SMI. Machine lock for everything.
 */
#ifndef HW_ACPI_ICH9_TCO_H
#define HW_ACPI_ICH9_TCO_H

#include "hw/core/device.h"
#include "memory/memory.h"
#include "util/state.h"
#include "util/timer.h"

#define ICH9_TCO_OFFSET 0x60 /* from the PM block's base */
#define ICH9_TCO_SIZE   0x20

/* General control and status, of the chipset configuration registers (section 10.1.75). */
#define ICH9_GCS    0x3410
#define ICH9_GCS_NR (1u << 5) /* no reboot */

typedef struct Ich9Tco {
    /* wiring */
    MemoryRegion region;
    void (*fired)(void);            /* set by the board */
    void (*asks_smi)(void *opaque); /* set by the chip, which looks at TCO_EN of SMI_EN */
    void *smi_opaque;
    /* state */
    Timer *timer; /* of the countdown that is under way; not pending: none, or halted */
    uint16_t words[ICH9_TCO_SIZE / 2]; /* but for the first, which is counted */
    int64_t left_ns;                   /* of a countdown that is halted; 0: none */
    bool timed_out;                    /* once, since it was reloaded */
    bool no_reboot;                    /* GCS; the strap stands above it */
    /* configuration */
    bool enabled; /* it is there at all */
    bool strap;   /* no reboot, whatever GCS says */
} Ich9Tco;

extern const StateTable ich9_tco_state;

/* Make the region and the timer, and undo it (the region is out of the map then). */
void ich9_tco_init(Ich9Tco *tco);
void ich9_tco_destroy(Ich9Tco *tco);
/* Nothing counts. What TCO2_STS tells of the time before stays. */
void ich9_tco_reset(Ich9Tco *tco);

/* Is TCO_EN of SMI_EN to stay as it is, until a reset (TCO_LOCK)? */
bool ich9_tco_locked(const Ich9Tco *tco);

/* GCS, as far as it is of the watchdog. */
uint32_t ich9_tco_gcs(const Ich9Tco *tco);
void ich9_tco_set_gcs(Ich9Tco *tco, uint32_t value);

#endif
