/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The balloon in HMP. */
#include <inttypes.h>

#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"
#include "util/parse.h"
#include "util/units.h"

void hmp_balloon(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    uint64_t megabytes;

    if (!parse_uint(argv[0], INT64_MAX / MIB, &megabytes)) {
        hmp_printf(hmp, "Error: MIB: '%s' is not a number of MiB\n", argv[0]);
        return;
    }
    qmp_balloon((int64_t)(megabytes * MIB), &err);
    hmp_error(hmp, err);
}

void hmp_info_balloon(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    g_autoptr(BalloonInfo) info = qmp_query_balloon(&err);

    if (info) {
        hmp_printf(hmp, "balloon: actual=%" PRId64 "\n", info->actual / (int64_t)MIB);
    }
    hmp_error(hmp, err);
}
