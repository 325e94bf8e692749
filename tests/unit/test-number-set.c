/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "util/number-set.h"

#define LAST 130

static const struct {
    const char *json;
    const char *want; /* the numbers; NULL: refused */
} cases[] = {
    { "0", "0 " },
    { "130", "130 " },
    { "\"3\"", "3 " },
    { "\"0x10\"", "16 " },
    { "\"62-65\"", "62 63 64 65 " },
    { "\"5-5\"", "5 " },
    { "\"0-1,4,1\"", "0 1 4 " },
    { "[]", "" },
    { "[7]", "7 " },
    { "[7, \"1-2\", \"9,11\"]", "1 2 7 9 11 " },
    { "131", NULL },
    { "-1", NULL },
    { "18446744073709551615", NULL },
    { "\"\"", NULL },
    { "\",\"", NULL },
    { "\"1,\"", NULL },
    { "\"a\"", NULL },
    { "\"-1\"", NULL },
    { "\"1-\"", NULL },
    { "\"3-1\"", NULL },
    { "\"1-2-3\"", NULL },
    { "\"0-131\"", NULL },
    { "\"0-99999999999999999999\"", NULL },
    { "\"1 2\"", NULL },
    { "1.5", NULL },
    { "true", NULL },
    { "{}", NULL },
    { "[1, null]", NULL },
    { "[1, [2]]", NULL },
    { "[1, 200]", NULL },
};

static char *numbers(const uint64_t *set)
{
    GString *text = g_string_new(NULL);

    for (unsigned n = 0; n < NUMBER_SET_WORDS(LAST) * 64; n++) {
        if (number_set_has(set, n)) {
            g_string_append_printf(text, "%u ", n);
        }
    }
    return g_string_free(text, FALSE);
}

static void test_add(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;
        uint64_t set[NUMBER_SET_WORDS(LAST)] = { 0 };
        struct json_object *value = json_tokener_parse(cases[i].json);
        bool ok = number_set_add(set, LAST, "cpus", value, &err);
        g_autofree char *got = numbers(set);

        g_test_message("%s: %s", cases[i].json, err ? err->message : got);
        g_assert_cmpstr(got, ==, cases[i].want ? cases[i].want : "");
        g_assert_cmpint(ok, ==, cases[i].want != NULL);
        g_assert_cmpint(err != NULL, ==, !ok);
        if (err) {
            g_assert_true(g_str_has_prefix(err->message, "cpus"));
        }
        json_object_put(value);
    }
}

/* What was there stays, also when the rest is refused. */
static void test_more(void)
{
    g_autoptr(GError) err = NULL;
    uint64_t set[NUMBER_SET_WORDS(LAST)] = { 1 << 4 };
    struct json_object *good = json_tokener_parse("[128]"), *bad = json_tokener_parse("[1, 999]");

    g_assert_true(number_set_add(set, LAST, "cpus", good, &err));
    g_assert_false(number_set_add(set, LAST, "cpus", bad, &err));
    g_assert_nonnull(strstr(err->message, "cpus=999"));
    g_assert_nonnull(strstr(err->message, "0 to 130"));
    g_autofree char *got = numbers(set);
    g_assert_cmpstr(got, ==, "4 128 ");
    json_object_put(good);
    json_object_put(bad);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/number-set/add", test_add);
    g_test_add_func("/number-set/more", test_more);
    return g_test_run();
}
