/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "memory/dirty.h"
#include "migration/xbzrle.h"

#define PAGE DIRTY_PAGE

/* What is made of @before by what was encoded for @now is @now. */
static void check(Xbzrle *xbzrle, const RamBlock *block, uint8_t *before, const uint8_t *now,
                  bool encoded)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    g_byte_array_append(out, (const uint8_t *)"x", 1);
    g_assert_cmpint(xbzrle_encode(xbzrle, block, 7, now, out), ==, encoded);
    if (!encoded) {
        g_assert_cmpuint(out->len, ==, 1);
        memcpy(before, now, PAGE);
        return;
    }
    g_assert_true(xbzrle_decode(before, out->data + 1, out->len - 1));
    g_assert_cmpmem(before, PAGE, now, PAGE);
}

static void test_differences(void)
{
    g_autofree RamBlock *block = g_new0(RamBlock, 1);
    Xbzrle *xbzrle = xbzrle_new(4 * PAGE, NULL);
    uint8_t before[PAGE], now[PAGE];

    memset(before, 0, PAGE);
    memset(now, 1, PAGE);
    check(xbzrle, block, before, now, false); /* not known */
    check(xbzrle, block, before, now, true);  /* nothing differs */
    now[0] = now[PAGE - 1] = 2;
    check(xbzrle, block, before, now, true);
    now[100] = now[101] = now[104] = 3;
    check(xbzrle, block, before, now, true);
    for (unsigned seed = 1; seed < 300; seed++) {
        g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
        const int changes = g_rand_int_range(rand, 1, 200);

        for (int i = 0; i < changes; i++) {
            const int at = g_rand_int_range(rand, 0, PAGE), len = g_rand_int_range(rand, 1, 12);
            for (int j = at; j < MIN(at + len, (int)PAGE); j++) {
                now[j] = (uint8_t)g_rand_int(rand);
            }
        }
        check(xbzrle, block, before, now, true);
    }
    for (unsigned i = 0; i < PAGE; i++) {
        now[i] = (uint8_t)(before[i] + 1);
    }
    check(xbzrle, block, before, now, false); /* all of it differs */
    check(xbzrle, block, before, now, true);
    XbzrleStats stats = xbzrle_stats(xbzrle);
    g_assert_cmpuint(stats.pages, ==, 303);
    g_assert_cmpuint(stats.misses, ==, 1);
    g_assert_cmpuint(stats.overflow, ==, 1);
    g_assert_cmpuint(stats.size, ==, 4 * PAGE);
    xbzrle_round(xbzrle);
    stats = xbzrle_stats(xbzrle);
    g_assert_cmpfloat(stats.miss_rate, >, 0);
    g_assert_cmpfloat(stats.encoding_rate, >, 1);
    xbzrle_free(xbzrle);
}

/* Another page at the same place takes it. */
static void test_places(void)
{
    g_autofree RamBlock *block = g_new0(RamBlock, 1);
    Xbzrle *xbzrle = xbzrle_new(PAGE, NULL);
    g_autoptr(GByteArray) out = g_byte_array_new();
    const uint8_t now[PAGE] = { 1 };

    g_assert_false(xbzrle_encode(xbzrle, block, 1, now, out));
    g_assert_true(xbzrle_encode(xbzrle, block, 1, now, out));
    g_assert_false(xbzrle_encode(xbzrle, block, 2, now, out));
    g_assert_false(xbzrle_encode(xbzrle, block, 1, now, out));
    xbzrle_free(xbzrle);
}

static void test_wrong(void)
{
    static const struct {
        uint8_t delta[8];
        size_t size;
        bool ok;
    } cases[] = {
        { { 0 }, 0, true },
        { { 0 }, 1, false },
        { { 0, 0, 0 }, 3, false },
        { { 0, 0, 1, 0 }, 4, false },
        { { 0, 0, 1, 0, 5 }, 5, true },
        { { 0, 0, 1, 0, 5, 6 }, 6, false },
        { { 0xff, 0x0f, 1, 0, 5 }, 5, true },
        { { 0, 0x10, 1, 0, 5 }, 5, false },
        { { 0xff, 0xff, 1, 0, 5 }, 5, false },
        { { 0xff, 0x0f, 2, 0, 5, 6 }, 6, false },
        { { 0, 0x10, 0, 0 }, 4, true },
        { { 0, 0, 0xff, 0xff, 1, 2, 3, 4 }, 8, false },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree uint8_t *page = g_malloc0(PAGE);

        g_test_message("%u", i);
        g_assert_cmpint(xbzrle_decode(page, cases[i].delta, cases[i].size), ==, cases[i].ok);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xbzrle/differences", test_differences);
    g_test_add_func("/xbzrle/places", test_places);
    g_test_add_func("/xbzrle/wrong", test_wrong);
    return g_test_run();
}
