/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clock of HD audio, after whatever a saved machine says of its beginning. */
#include "hw/audio/hda.h"
#include "migration/reader.h"
#include "tests/unit/saved-machine.h"
#include "util/clock.h"
#include "util/keyval.h"

enum { WALCLK = 0x30 };

static void test_clock(void)
{
    static const int64_t times[] = { INT64_MIN, 1000000000000000000, INT64_MAX };
    GError *err = NULL;
    struct json_object *props = keyval_parse("intel-hda", "driver", NULL);
    IntelHda *s;

    make_machine("pc");
    s = INTEL_HDA(device_add(props, &err));
    g_assert_no_error(err);
    json_object_put(props);
    const DeviceClass *class = object_ops(&s->parent.parent.parent);
    for (unsigned i = 0; i < G_N_ELEMENTS(times); i++) {
        s->began = times[i];
        g_assert_true(class->state->post_load(s, NULL));
        uint64_t now = s->region.ops->read(s, WALCLK, 4);
        g_assert_cmpuint(now, ==, times[i] < 0 ? (uint64_t)clock_ns() * 24 / 1000 : 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hda-load/clock", test_clock);
    return g_test_run();
}
