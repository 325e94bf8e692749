/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/run-record.h"

#include <inttypes.h>

#include "util/error.h"
#include "util/state.h"

static bool run_loaded(void *obj, GError **errp)
{
    const RunRecord *run = obj;

    /* Half of what the clock can hold: it must have room to run. */
    if (run->clock_ns < 0 || run->clock_ns > G_MAXINT64 / 4) {
        error_set(errp, "the clock cannot be at %" PRId64 " ns", run->clock_ns);
        return false;
    }
    return true;
}

static const StateField run_fields[] = {
    STATE_INT(RunRecord, clock_ns),
    STATE_BOOL(RunRecord, running),
    STATE_UINT_MAX_SINCE(RunRecord, shutdown, SHUTDOWN_CAUSE__MAX - 1, 2),
    { .name = "asleep",
      .kind = STATE_KIND_BOOL,
      .width = sizeof(bool),
      .offset = offsetof(RunRecord, asleep),
      .count = 1,
      .since = 3 },
    {},
};

static const StateTable run_state = {
    .name = "run", .version = 3, .oldest = 1, .fields = run_fields, .post_load = run_loaded
};

bool run_record_write(RunRecord *run, Stream *stream, GError **errp)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    state_save(&run_state, run, out);
    return stream_put_record(stream, RECORD_RUN, "run", out->data, out->len, errp);
}

bool run_record_read(RunRecord *run, const Record *record, GError **errp)
{
    return state_load(&run_state, run, record->data, record->size, errp);
}
