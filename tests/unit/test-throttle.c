/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits: what the buckets let through in a time that the test counts; what does not go together.
 */
#include <string.h>

#include "block/throttle.h"
#include "util/clock.h"
#include "util/units.h"

#define SECOND NS_PER_SEC

/* Requests of @bytes, each as soon as it may go, for @seconds from @from on: how many went. */
static unsigned flood(Throttle *t, bool write, uint64_t bytes, int64_t from, int64_t seconds)
{
    int64_t now = from;
    unsigned count = 0;

    while (now < from + seconds * SECOND) {
        int64_t wait = throttle_wait_ns(t, write, now);

        if (!wait) {
            throttle_account(t, write, bytes);
            count++;
        }
        now += wait;
    }
    return count;
}

static void test_rates(void)
{
    static const ThrottleConfig config = {
        .limits = { [THROTTLE_IOPS_WRITE] = { 100, 0, 0 }, [THROTTLE_BPS_READ] = { 1000, 0, 0 } }
    };
    Throttle t;
    unsigned n;

    throttle_set(&t, &config, 5 * SECOND);
    n = flood(&t, true, MIB, 5 * SECOND, 10); /* bytes of writes have no limit */
    g_assert_cmpuint(n, >=, 1000);
    g_assert_cmpuint(n, <=, 1011); /* 100 ms more come at once, and one that makes it too full */
    n = flood(&t, false, 100, 15 * SECOND, 10);
    g_assert_cmpuint(n, >=, 100);
    g_assert_cmpuint(n, <=, 102);
}

static void test_total(void)
{
    static const ThrottleConfig config = { .limits = { [THROTTLE_BPS_TOTAL] = { 1000, 0, 0 } } };
    Throttle t;

    throttle_set(&t, &config, 0);
    throttle_account(&t, true, 600); /* both go into one bucket, which holds 100 */
    throttle_account(&t, false, 600);
    g_assert_cmpint(throttle_wait_ns(&t, false, 0), >, SECOND);
    g_assert_cmpint(throttle_wait_ns(&t, true, SECOND), <=, SECOND / 10 + 1);
    g_assert_cmpint(throttle_wait_ns(&t, true, 2 * SECOND), ==, 0);
    g_assert_cmpint(throttle_wait_ns(&t, true, SECOND), ==, 0); /* a clock that begins anew */
}

static void test_bursts(void)
{
    static const ThrottleConfig one = { .limits = { [THROTTLE_IOPS_TOTAL] = { 10, 100, 0 } } };
    static const ThrottleConfig five = { .limits = { [THROTTLE_IOPS_TOTAL] = { 10, 100, 5 } } };
    Throttle t;
    unsigned n;

    throttle_set(&t, &one, 0);
    n = flood(&t, false, 1, 0, 10); /* 100 at once, and 10 a second */
    g_assert_cmpuint(n, >=, 200);
    g_assert_cmpuint(n, <=, 202);
    throttle_set(&t, &five, 0);
    n = flood(&t, false, 1, 0, 1); /* not all at once now */
    g_assert_cmpuint(n, >=, 100);
    g_assert_cmpuint(n, <=, 112);
    n += flood(&t, false, 1, SECOND, 99); /* 500 in bursts, and 10 a second */
    g_assert_cmpuint(n, >=, 1490);
    g_assert_cmpuint(n, <=, 1511);
}

static void test_iops_size(void)
{
    static const ThrottleConfig config = { .limits = { [THROTTLE_IOPS_TOTAL] = { 100, 0, 0 } },
                                           .iops_size = 4096 };
    Throttle t;
    unsigned n;

    throttle_set(&t, &config, 0);
    n = flood(&t, false, 5 * 4096, 0, 10); /* each is as five */
    g_assert_cmpuint(n, >=, 200);
    g_assert_cmpuint(n, <=, 204);
    throttle_set(&t, &config, 0);
    g_assert_cmpuint(flood(&t, false, 512, 0, 10), >=, 1000);
}

static void test_refused(void)
{
    static const struct {
        ThrottleConfig config;
        const char *part;
    } cases[] = {
        { { .limits = { { 10, 0, 0 }, { 5, 0, 0 } } },
          "bps-total and bps-read do not go together" },
        { { .limits = { [4] = { 0, 10, 0 } } }, "iops-read-max is of no use without iops-read" },
        { { .limits = { [5] = { 10, 5, 0 } } }, "iops-write-max=5 is lower than iops-write=10" },
        { { .limits = { [0] = { 10, 0, 2 } } }, "bps-total-max-length" },
        { { .limits = { [0] = { -1, 0, 0 } } }, "bps-total and bps-total-max are 0 to" },
        { { .limits = { [0] = { INT64_MAX, 0, 0 } } }, "bps-total and bps-total-max are 0 to" },
        { { .limits = { [0] = { 1, 1 << 30, 1 << 30 } } }, "is too much" },
        { { .limits = { [0] = { 10, 0, 0 } }, .iops_size = 512 }, "iops-size" },
        { { .limits = { [3] = { 10, 0, 0 } }, .iops_size = -1 }, "iops-size" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        GError *err = NULL;

        g_assert_false(throttle_config_check(&cases[i].config, &err));
        if (!strstr(err->message, cases[i].part)) {
            g_error("'%s' in: %s", cases[i].part, err->message);
        }
        g_error_free(err);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/throttle/rates", test_rates);
    g_test_add_func("/throttle/total", test_total);
    g_test_add_func("/throttle/bursts", test_bursts);
    g_test_add_func("/throttle/iops-size", test_iops_size);
    g_test_add_func("/throttle/refused", test_refused);
    return g_test_run();
}
