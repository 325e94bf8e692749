/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about statistics of the engine (qapi/stats.json). */
#include "qapi/qapi-commands.h"
#include "util/error.h"

struct json_object *qmp_query_stats(struct json_object *args, GError **errp)
{
    StatsFilter *filter = StatsFilter_from_json(args, NULL, errp);

    if (!filter) {
        return NULL;
    }
    StatsFilter_free(filter);
    return json_object_new_array();
}

GPtrArray *qmp_query_stats_schemas(bool has_provider, StatsProvider provider, GError **errp)
{
    return StatsSchema_list_new();
}
