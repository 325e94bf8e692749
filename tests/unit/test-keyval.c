/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "util/keyval.h"

/* ---- key=value ---- */

static const struct {
    const char *text, *implied, *want; /* want NULL: refused */
} keyval_cases[] = {
    { "", NULL, "{}" },
    { "", "driver", "{}" },
    { "a=1", NULL, "{\"a\":\"1\"}" },
    { "a=1,b=2", "driver", "{\"a\":\"1\",\"b\":\"2\"}" },
    { "pc-dimm,id=d0", "driver", "{\"driver\":\"pc-dimm\",\"id\":\"d0\"}" },
    { "pc-dimm,id=d0", NULL, "{\"pc-dimm\":\"on\",\"id\":\"d0\"}" },
    { "x,share", "driver", "{\"driver\":\"x\",\"share\":\"on\"}" },
    { "x,nowait,server=off", "driver", "{\"driver\":\"x\",\"nowait\":\"on\",\"server\":\"off\"}" },
    { "a=1,a=2", NULL, "{\"a\":\"2\"}" },
    { "p=a,,b,q=c", NULL, "{\"p\":\"a,b\",\"q\":\"c\"}" },
    { "p=,,", NULL, "{\"p\":\",\"}" },
    { "a,,b", "path", "{\"path\":\"a,b\"}" },
    { "a=", NULL, "{\"a\":\"\"}" },
    { "a=b=c", NULL, "{\"a\":\"b=c\"}" },
    { "a=1,", NULL, "{\"a\":\"1\"}" },
    { "host-nodes.0=1", NULL, "{\"host-nodes.0\":\"1\"}" },
    { "=1", NULL, NULL },
    { "a=1,=2", NULL, NULL },
    { "a b=1", NULL, NULL },
    { ",a=1", NULL, NULL },
    { "a=1,b c", NULL, NULL },
};

static void test_keyval(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(keyval_cases); i++) {
        g_autoptr(GError) err = NULL;
        struct json_object *obj = keyval_parse(keyval_cases[i].text, keyval_cases[i].implied, &err);

        if (keyval_cases[i].want) {
            g_assert_no_error(err);
            g_assert_cmpstr(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN), ==,
                            keyval_cases[i].want);
        } else {
            g_assert_null(obj);
            g_assert_nonnull(strstr(err->message, "expects key=value"));
        }
        json_object_put(obj);
    }
}

static void test_nested(void)
{
    static const struct {
        const char *key, *text, *what;
    } cases[] = {
        { "a.b", "1", NULL },         { "a.c.d", "2", NULL },       { "e", "3", NULL },
        { "a.b", "4", NULL },         { "e.f", "5", "given both" }, { "a", "6", "given both" },
        { "a.c", "7", "given both" }, { ".a", "8", "'.a'" },        { "a.", "9", "'a.'" },
        { "a..b", "10", "'a..b'" },   { "", "11", "''" },
    };
    struct json_object *obj = json_object_new_object();

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_cmpint(keyval_add_nested(obj, cases[i].key, cases[i].text, &err), ==,
                        !cases[i].what);
        if (cases[i].what) {
            g_assert_nonnull(strstr(err->message, cases[i].what));
        }
    }
    g_assert_cmpstr(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN), ==,
                    "{\"a\":{\"b\":\"4\",\"c\":{\"d\":\"2\"}},\"e\":\"3\"}");
    json_object_put(obj);
}

static void test_json(void)
{
    static const char *const bad[] = { "{",
                                       "{\"a\":}",
                                       "{\"a\":1}x",
                                       "{\"a\"}",
                                       "{\"a\":1,}",
                                       "{\"a\":\"\xff\"}",
                                       "{\"a\":1,\"a\":2}",
                                       "{'a':'\\u0000'}",
                                       "{'a':'\\ud800'}",
                                       "{'a':1" };
    g_autoptr(GError) err = NULL;
    struct json_object *obj;
    bool from_text = true;

    obj = keyval_or_json_parse("{\"driver\":\"d\",\"slot\":3}", "driver", &from_text, &err);
    g_assert_no_error(err);
    g_assert_false(from_text);
    g_assert_cmpint(json_object_get_int(json_object_object_get(obj, "slot")), ==, 3);
    json_object_put(obj);

    obj =
        keyval_or_json_parse("{'a':[1,{'it\\'s':18446744073709551616}]} ", NULL, &from_text, &err);
    g_assert_no_error(err);
    g_assert_cmpstr(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN), ==,
                    "{\"a\":[1,{\"it's\":18446744073709551616}]}");
    json_object_put(obj);

    obj = keyval_or_json_parse("d,slot=3", "driver", &from_text, &err);
    g_assert_true(from_text);
    json_object_put(obj);

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_null(keyval_or_json_parse(bad[i], NULL, &from_text, &err));
        g_assert_nonnull(strstr(err->message, "is not valid JSON"));
        g_clear_error(&err);
    }
}

/* ---- values ---- */

static const struct {
    const char *text;
    uint64_t unit, want;
    bool bad;
} size_cases[] = {
    { "0", 1, 0 },
    { "1", 1, 1 },
    { "128", 1 << 20, 128ULL << 20 },
    { "1k", 1 << 20, 1024 },
    { "1K", 1, 1024 },
    { "512B", 1 << 20, 512 },
    { "1G", 1, 1ULL << 30 },
    { "1.5G", 1, 3ULL << 29 },
    { "0.5", 1 << 20, 1 << 19 },
    { "2T", 1, 2ULL << 40 },
    { "3P", 1, 3ULL << 50 },
    { "15E", 1, 15ULL << 60 },
    { "15.999999999999999999E", 1, 18446744073709551614ULL },
    { "18446744073709551615", 1, UINT64_MAX },
    { "0x1000", 1 << 20, 0x1000 },
    { "16E", 1, 0, true },
    { "18446744073709551616", 1, 0, true },
    { "99999999999999999999999999", 1, 0, true },
    { "", 1, 0, true },
    { "G", 1, 0, true },
    { "-1", 1, 0, true },
    { "+1", 1, 0, true },
    { " 1", 1, 0, true },
    { "1 ", 1, 0, true },
    { "1.", 1, 0, true },
    { ".5G", 1, 0, true },
    { "1.5", 1, 0, true },
    { "1.5B", 1, 0, true },
    { "1GB", 1, 0, true },
    { "1x", 1, 0, true },
    { "1e3", 1, 0, true },
    { "0x", 1, 0, true },
    { "0x10M", 1, 0, true },
    { "nan", 1, 0, true },
};

static void test_size(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(size_cases); i++) {
        g_autoptr(GError) err = NULL;
        uint64_t value = 77;
        bool ok = size_parse(size_cases[i].text, size_cases[i].unit, &value, &err);

        g_test_message("size '%s'", size_cases[i].text);
        if (size_cases[i].bad) {
            g_assert_false(ok);
            g_assert_nonnull(strstr(err->message, "expects"));
            g_assert_cmpuint(value, ==, 77);
        } else {
            g_assert_no_error(err);
            g_assert_cmpuint(value, ==, size_cases[i].want);
        }
    }
}

static void test_bool(void)
{
    static const char *const yes[] = { "on", "yes", "true", "y" };
    static const char *const no[] = { "off", "no", "false", "n" };
    static const char *const bad[] = { "", "1", "0", "On", "onn", "maybe" };
    bool value;

    for (size_t i = 0; i < 4; i++) {
        g_assert_true(bool_parse(yes[i], &value) && value);
        g_assert_true(bool_parse(no[i], &value) && !value);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(bool_parse(bad[i], &value));
    }
}

static void test_uint(void)
{
    static const char *const bad[] = { "",   "-1", "+1",   " 1",  "1 ",    "x",
                                       "0x", "1k", "0x-1", "256", "0x100", "1.0" };
    uint64_t value;

    g_assert_true(uint_parse("0", 255, &value) && value == 0);
    g_assert_true(uint_parse("255", 255, &value) && value == 255);
    g_assert_true(uint_parse("0xfF", 255, &value) && value == 255);
    g_assert_true(uint_parse("010", 255, &value) && value == 10);
    g_assert_true(uint_parse("0xffffffffffffffff", UINT64_MAX, &value) && value == UINT64_MAX);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(uint_parse(bad[i], 255, &value));
    }
}

/* Lists add up; for other keys the last one counts. */
static void test_lists(void)
{
    struct json_object *obj =
        keyval_parse("host-nodes=0,size=1,host-nodes=2-3,size=2,host-nodes=5", NULL, NULL);

    g_assert_cmpstr(json_object_get_string(json_object_object_get(obj, "host-nodes")), ==,
                    "0,2-3,5");
    g_assert_cmpstr(json_object_get_string(json_object_object_get(obj, "size")), ==, "2");
    json_object_put(obj);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/keyval/pairs", test_keyval);
    g_test_add_func("/keyval/json", test_json);
    g_test_add_func("/keyval/nested", test_nested);
    g_test_add_func("/keyval/size", test_size);
    g_test_add_func("/keyval/bool", test_bool);
    g_test_add_func("/keyval/uint", test_uint);
    g_test_add_func("/keyval/lists", test_lists);
    return g_test_run();
}
