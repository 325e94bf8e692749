/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "util/keyval.h"
#include "util/parse.h"

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
    { "a.b=1,a.c.d=2,e", NULL, "{\"a\":{\"b\":\"1\",\"c\":{\"d\":\"2\"}},\"e\":\"on\"}" },
    { "a.b=1,a.b=2", NULL, "{\"a\":{\"b\":\"2\"}}" },
    { "l.0=x", NULL, "{\"l\":[\"x\"]}" },
    { "l.1=y,l.0=x,l.1=z", NULL, "{\"l\":[\"x\",\"z\"]}" },
    { "l.0.a=1,l.1.a=2,l.1.b.0=3", NULL, "{\"l\":[{\"a\":\"1\"},{\"a\":\"2\",\"b\":[\"3\"]}]}" },
    { "numa.0.cpus=0-3,numa.0.cpus=5", NULL, "{\"numa\":[{\"cpus\":\"5\"}]}" },
    { "0=a", NULL, "{\"0\":\"a\"}" },
    { "=1", NULL, NULL },
    { "a=1,=2", NULL, NULL },
    { "a b=1", NULL, NULL },
    { ",a=1", NULL, NULL },
    { "a=1,b c", NULL, NULL },
};

/* Keys that do not go together: what the message must have. */
static const struct {
    const char *text, *want;
} conflicts[] = {
    { "e=3,e.f=5", "'e' is given both as e= and as e.f=" },
    { "a.b=1,a=6", "'a' is given both as a= and as a.KEY=" },
    { "a.b=1,a.b.c.d=6", "'a.b' is given both as a.b= and as a.b.c.d=" },
    { "a.b.c=1,a.b=6", "'a.b' is given both as a.b= and as a.b.KEY=" },
    { "l.0=x,l.2=y", "'l.1' is missing" },
    { "l.1=y", "'l.0' is missing" },
    { "l.0=x,l.01=y", "'l.1' is missing" },
    { "l.4294967296=x", "'l.0' is missing" },
    { "a.l.0=x,a.l.b=y", "'a.l' is given both as a list (a.l.0=) and with names (a.l.b=)" },
    { "l.0.x.1=y", "'l.0.x.0' is missing" },
    { ".a=8", "'.a' is not a key" },
    { "a.=9", "'a.' is not a key" },
    { "a..b=10", "'a..b' is not a key" },
    { ".=1", "'.' is not a key" },
};

static void test_conflicts(void)
{
    g_autoptr(GString) deep = g_string_new("a");
    g_autoptr(GError) err = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(conflicts); i++) {
        g_assert_null(keyval_parse(conflicts[i].text, NULL, &err));
        if (!strstr(err->message, conflicts[i].want)) {
            g_assert_cmpstr(err->message, ==, conflicts[i].want);
        }
        g_clear_error(&err);
    }
    for (unsigned i = 0; i < 100000; i++) {
        g_string_append(deep, ".a");
    }
    g_assert_null(keyval_parse(deep->str, NULL, &err));
    g_assert_nonnull(strstr(err->message, "more than 64 parts"));
}

/* One option after another, as -machine is given. */
static void test_merge(void)
{
    static const struct {
        const char *text, *want; /* in the message; NULL: it works */
    } cases[] = {
        { "a.b=1,c=2", NULL },
        { "a.d=3,c=4,e.0=5", NULL },
        { "e.0=6", NULL },
        { "c.x=1", "'c' is given both as c= and as c.KEY=" },
        { "a=1", "'a' is given both as a= and as a.KEY=" },
        { "a.b.c=1", "'a.b' is given both as a.b= and as a.b.KEY=" },
    };
    struct json_object *all = json_object_new_object();

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;
        struct json_object *one = keyval_parse(cases[i].text, NULL, &err);

        g_assert_no_error(err);
        g_assert_cmpint(keyval_merge(all, one, &err), ==, !cases[i].want);
        g_assert_true(!cases[i].want || strstr(err->message, cases[i].want));
        json_object_put(one);
    }
    g_assert_cmpstr(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN), ==,
                    "{\"a\":{\"b\":\"1\",\"d\":\"3\"},\"c\":\"4\",\"e\":[\"6\"]}");
    json_object_put(all);
}

/* Names of properties may have dots. */
static void test_device(void)
{
    static const char *const cases[][2] = {
        { "ns,z=on,z.size=1,z.a.b=2,z.size=3",
          "{\"driver\":\"ns\",\"z\":\"on\",\"z.size\":\"3\",\"z.a.b\":\"2\"}" },
        { "ns,z.size=1,z=on", "{\"driver\":\"ns\",\"z.size\":\"1\",\"z\":\"on\"}" },
        { "x,l.0=a,l.1.b=c", "{\"driver\":\"x\",\"l\":[\"a\",{\"b\":\"c\"}]}" },
        { "{\"driver\":\"x\",\"z.size\":1}", "{\"driver\":\"x\",\"z.size\":1}" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;
        struct json_object *made = keyval_device_parse(cases[i][0], &err);

        g_assert_no_error(err);
        g_assert_cmpstr(json_object_to_json_string_ext(made, JSON_C_TO_STRING_PLAIN), ==,
                        cases[i][1]);
        json_object_put(made);
    }
    g_assert_null(keyval_device_parse("x,z.=1", NULL));
}

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

    obj = keyval_or_json_parse("{\"driver\":\"d\",\"slot\":3}", "driver", &err);
    g_assert_no_error(err);
    g_assert_null(keyval_texts(json_object_object_get(obj, "driver")));
    g_assert_cmpint(json_object_get_int(json_object_object_get(obj, "slot")), ==, 3);
    json_object_put(obj);

    obj = keyval_or_json_parse("{'a':[1,{'it\\'s':18446744073709551616}]} ", NULL, &err);
    g_assert_no_error(err);
    g_assert_cmpstr(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN), ==,
                    "{\"a\":[1,{\"it's\":18446744073709551616}]}");
    json_object_put(obj);

    obj = keyval_or_json_parse("d,slot=3", "driver", &err);
    g_assert_nonnull(keyval_texts(json_object_object_get(obj, "slot")));
    json_object_put(obj);

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_null(keyval_or_json_parse(bad[i], NULL, &err));
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
        bool ok = parse_size(size_cases[i].text, size_cases[i].unit, &value, &err);

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
        g_assert_true(parse_bool(yes[i], &value) && value);
        g_assert_true(parse_bool(no[i], &value) && !value);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(parse_bool(bad[i], &value));
    }
}

static void test_uint(void)
{
    static const char *const bad[] = { "",   "-1", "+1",   " 1",  "1 ",    "x",
                                       "0x", "1k", "0x-1", "256", "0x100", "1.0" };
    uint64_t value;

    g_assert_true(parse_uint("0", 255, &value) && value == 0);
    g_assert_true(parse_uint("255", 255, &value) && value == 255);
    g_assert_true(parse_uint("0xfF", 255, &value) && value == 255);
    g_assert_true(parse_uint("010", 255, &value) && value == 10);
    g_assert_true(parse_uint("0xffffffffffffffff", UINT64_MAX, &value) && value == UINT64_MAX);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(parse_uint(bad[i], 255, &value));
    }
}

static void test_default_suffix(void)
{
    static const struct {
        const char *text, *want;
    } cases[] = { { "s=128", "128M" },      { "s=0.5", "0.5M" }, { "s=1G", "1G" },
                  { "s=0x1000", "0x1000" }, { "s=", "" },        { "s=12x", "12x" },
                  { "t=1", NULL },          { "s.x=1", NULL } };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct json_object *obj = keyval_parse(cases[i].text, NULL, NULL), *value;

        keyval_default_suffix(obj, "s", "M");
        value = json_object_object_get(obj, "s");
        g_assert_cmpstr(cases[i].want ? json_object_get_string(value) : NULL, ==, cases[i].want);
        json_object_put(obj);
    }
}

/* The last one counts, for those who do not ask for all. */
static void test_texts(void)
{
    struct json_object *obj = keyval_parse("n=0,size=1,n=2-3,n=a,,b", NULL, NULL);
    struct json_object *n = json_object_object_get(obj, "n");
    struct json_object *other = json_tokener_parse("{\"a\":[\"x\",{\"b\":\"y\"}],\"c\":1}");

    g_assert_cmpstr(json_object_get_string(n), ==, "a,b");
    g_assert_true(g_strv_equal(keyval_texts(n), (const char *[]){ "0", "2-3", "a,b", NULL }));
    g_assert_null(keyval_texts(obj));
    json_object_put(obj);

    n = json_object_object_get(other, "a");
    g_assert_null(keyval_texts(json_object_array_get_idx(n, 0)));
    keyval_mark_texts(other);
    keyval_mark_texts(other);
    g_assert_cmpstr(keyval_texts(json_object_array_get_idx(n, 0))[0], ==, "x");
    n = json_object_object_get(json_object_array_get_idx(n, 1), "b");
    g_assert_true(g_strv_equal(keyval_texts(n), (const char *[]){ "y", NULL }));
    g_assert_null(keyval_texts(json_object_object_get(other, "c")));
    json_object_put(other);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/keyval/pairs", test_keyval);
    g_test_add_func("/keyval/pairs-device", test_device);
    g_test_add_func("/keyval/json", test_json);
    g_test_add_func("/keyval/conflicts", test_conflicts);
    g_test_add_func("/keyval/merge", test_merge);
    g_test_add_func("/keyval/size", test_size);
    g_test_add_func("/keyval/bool", test_bool);
    g_test_add_func("/keyval/uint", test_uint);
    g_test_add_func("/keyval/default-suffix", test_default_suffix);
    g_test_add_func("/keyval/texts", test_texts);
    return g_test_run();
}
