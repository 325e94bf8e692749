/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waits for the machine lock in HMP. */
#include <inttypes.h>
#include <string.h>

#include "monitor/hmp.h"
#include "util/lock-profile.h"
#include "util/parse.h"

void hmp_sync_profile(Hmp *hmp, char **argv)
{
    if (!argv[0]) {
        hmp_printf(hmp, "sync-profile is %s\n", lock_profile_on() ? "on" : "off");
    } else if (!strcmp(argv[0], "reset")) {
        lock_profile_reset();
    } else if (!strcmp(argv[0], "on") || !strcmp(argv[0], "off")) {
        lock_profile_set(!strcmp(argv[0], "on"));
    } else {
        hmp_printf(hmp, "Error: WHAT: '%s' is none of on, off and reset\n", argv[0]);
    }
}

typedef struct Row {
    const char *name;
    LockWaits waits;
    double average;
} Row;

static double average_us(const LockWaits *waits)
{
    return waits->count ? (double)waits->ns / (double)waits->count / 1e3 : 0;
}

/* argv: -m -n MAX. There are no call sites that -n could keep apart. */
void hmp_info_sync_profile(Hmp *hmp, char **argv)
{
    Row rows[] = { { .name = "main loop", .waits = lock_profile_get(LOCK_WAITER_MAIN) },
                   { .name = "other threads", .waits = lock_profile_get(LOCK_WAITER_OTHER) } };
    uint64_t max = G_N_ELEMENTS(rows);
    bool swap;

    if (argv[2] && !parse_uint(argv[2], UINT32_MAX, &max)) {
        hmp_printf(hmp, "Error: MAX: '%s' is not a number\n", argv[2]);
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        rows[i].average = average_us(&rows[i].waits);
    }
    swap = argv[0] ? rows[1].average > rows[0].average : rows[1].waits.ns > rows[0].waits.ns;
    hmp_printf(hmp, "%-12s %-14s %14s %12s %14s\n", "Lock", "Who waits", "Wait Time (s)", "Count",
               "Average (us)");
    for (unsigned i = 0; i < MIN(max, G_N_ELEMENTS(rows)); i++) {
        const Row *row = &rows[i ^ swap];

        if (row->waits.count) {
            hmp_printf(hmp, "%-12s %-14s %14.5f %12" PRIu64 " %14.2f\n", "machine lock", row->name,
                       (double)row->waits.ns / 1e9, row->waits.count, row->average);
        }
    }
}
