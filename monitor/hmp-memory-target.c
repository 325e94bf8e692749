/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory targets in HMP. */
#include <inttypes.h>
#include <string.h>

#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"
#include "util/parse.h"
#include "util/units.h"

static bool parse_seconds(const char *text, double *seconds, GError **errp)
{
    char *end;

    *seconds = text ? g_ascii_strtod(text, &end) : 0;
    if (text && (end == text || *end)) {
        error_set(errp, "SECONDS: '%s' is not a number", text);
        return false;
    }
    return true;
}

/* argv: WHAT SIZE SECONDS */
void hmp_memory(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    double seconds;
    uint64_t size;

    if (strcmp(argv[0], "target") != 0) {
        error_set(&err, "'%s' is nothing that memory can be given: try `memory target 6G`",
                  argv[0]);
    } else if (strcmp(argv[1], "cancel") == 0) {
        qmp_cancel_memory_target(&err);
    } else if (parse_size(argv[1], MIB, &size, &err) && parse_seconds(argv[2], &seconds, &err)) {
        qmp_set_memory_target(size, argv[2] != NULL, seconds, NULL, &err);
    }
    hmp_error(hmp, err);
}

static void print_refused(Hmp *hmp, const GPtrArray *refused)
{
    for (unsigned i = 0; refused && i < refused->len; i++) {
        hmp_printf(hmp, "refused: %s\n", (const char *)g_ptr_array_index(refused, i));
    }
}

void hmp_info_memory_target(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    g_autoptr(MemoryTargetInfo) info = qmp_query_memory_target(&err);

    if (info) {
        hmp_printf(hmp, "status: %s\n", MemoryTargetStatus_str(info->status));
        hmp_printf(hmp, "actual: %" PRIu64 " MiB\n", info->actual / MIB);
        if (info->has_size) {
            hmp_printf(hmp, "target: %" PRIu64 " MiB\nsteps: %" PRId64 "\n", info->size / MIB,
                       info->steps);
        }
        if (info->has_action) {
            hmp_printf(hmp, "now: %s %s\n", MemoryTargetAction_str(info->action),
                       info->device ? info->device : "");
        }
        print_refused(hmp, info->refused);
        if (info->reason) {
            hmp_printf(hmp, "reason: %s\n", info->reason);
        }
    }
    hmp_error(hmp, err);
}
