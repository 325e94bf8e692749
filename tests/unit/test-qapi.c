/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The generator and the dispatcher, on a schema of the test's own (qapi-test.json). */
#include <inttypes.h>

#include <string.h>

#include "qapi/dispatch.h"
#include "qapi/qapi-events.h"
#include "qapi/qapi-types.h"
#include "test-qapi-commands.h"
#include "test-qapi-events.h"
#include "util/error.h"
#include "util/keyval.h"

extern const char test_qapi_schema_json[];

/* ---- the commands ---- */

static unsigned nothing_calls;

bool qmp_test_nothing(GError **errp)
{
    nothing_calls++;
    return true;
}

Outer *qmp_test_echo(const Outer *in, GError **errp)
{
    struct json_object *json = Outer_to_json(in);
    Outer *out = Outer_from_json(json, "echo", errp);

    json_object_put(json);
    return out;
}

char *qmp_test_add(int64_t first, bool has_second, int64_t second, const char *q_default,
                   GError **errp)
{
    return g_strdup_printf("%" PRId64 "%s", first + (has_second ? second : 0),
                           q_default ? q_default : "");
}

bool qmp_test_free(struct json_object *args, GError **errp)
{
    g_assert_true(json_object_object_get_ex(args, "anything", NULL));
    return true;
}

struct json_object *qmp_test_any(GError **errp)
{
    return NULL; /* JSON null: not a failure */
}

GArray *qmp_test_fail(GError **errp)
{
    error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "no such thing");
    return NULL;
}

GPtrArray *qmp_test_shades(GError **errp)
{
    GPtrArray *list = Shade_list_new();

    for (int color = 0; color < COLOR__MAX; color++) {
        Shade *shade = g_new0(Shade, 1);

        shade->color = color;
        if (color == COLOR_RED) {
            shade->u.red = g_new0(RedPart, 1);
            shade->u.red->heat = -5;
        } else if (color == COLOR_BLUE) {
            shade->u.blue = g_new0(BluePart, 1);
            shade->u.blue->inner = g_new0(Inner, 1);
            shade->u.blue->inner->name = g_strdup("sea");
        }
        g_ptr_array_add(list, shade);
    }
    return list;
}

/* ---- helpers ---- */

static struct json_object *parse(const char *text)
{
    struct json_object *obj = json_tokener_parse(text);

    g_assert_true(obj || strcmp(text, "null") == 0);
    return obj;
}

/* Run @name; the reply or the message must be @want. */
static void expect(const char *name, const char *args, const char *want)
{
    struct json_object *json = args ? parse(args) : NULL;
    g_autoptr(GError) err = NULL;
    struct json_object *reply = qmp_dispatch(name, json, &err);

    if (err) {
        g_assert_null(reply);
        g_assert_cmpstr(err->message, ==, want);
    } else {
        g_assert_cmpstr(json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PLAIN), ==, want);
    }
    json_object_put(reply);
    json_object_put(json);
}

/* ---- the tests ---- */

static void test_echo(void)
{
    expect("test-echo",
           "{\"in\":{\"name\":\"x\",\"flag\":true,\"big\":18446744073709551615,\"small\":-128}}",
           "{\"name\":\"x\",\"flag\":true,\"big\":18446744073709551615,\"small\":-128}");
    expect("test-echo",
           "{\"in\":{\"name\":\"\",\"weight\":65535,\"flag\":false,\"big\":0,\"small\":127,"
           "\"ratio\":0.5,\"color\":\"dark-green\",\"inner\":{\"name\":\"i\"},"
           "\"list\":[{\"name\":\"a\"},{\"name\":\"b\",\"weight\":0}],\"numbers\":[1,2,65535],"
           "\"words\":[\"p\",\"q\"],\"colors\":[\"blue\",\"red\"],\"extra\":{\"k\":[null]}}}",
           "{\"name\":\"\",\"weight\":65535,\"flag\":false,\"big\":0,\"small\":127,"
           "\"ratio\":0.5,\"color\":\"dark-green\",\"inner\":{\"name\":\"i\"},"
           "\"list\":[{\"name\":\"a\"},{\"name\":\"b\",\"weight\":0}],\"numbers\":[1,2,65535],"
           "\"words\":[\"p\",\"q\"],\"colors\":[\"blue\",\"red\"],\"extra\":{\"k\":[null]}}");
}

static void test_args(void)
{
    nothing_calls = 0;
    expect("test-nothing", NULL, "{}");
    expect("test-nothing", "{}", "{}");
    g_assert_cmpuint(nothing_calls, ==, 2);
    expect("test-nothing", "{\"a\":1}", "'a' is not known here; the command takes no arguments");
    expect("test-nothing", "[]", "'arguments' expects an object, got [ ]");
    g_assert_cmpuint(nothing_calls, ==, 2);
    expect("test-add", "{\"first\":1}", "\"1\"");
    expect("test-add", "{\"first\":1,\"second\":-3,\"default\":\"!\"}", "\"-2!\"");
    expect("test-add", "{}", "'first' is missing; it expects an integer");
    expect("test-add", "{\"first\":\"1\"}", "'first' expects an integer, got \"1\"");
    expect("test-add", "{\"first\":1.0}", "'first' expects an integer, got 1.0");
    expect("test-add", "{\"first\":null}", "'first' expects an integer, got null");
    expect("test-add", "{\"first\":9223372036854775808}",
           "'first' expects an integer from -9223372036854775808 to 9223372036854775807, "
           "got 9223372036854775808");
    expect("test-add", "{\"first\":1,\"third\":2}",
           "'third' is not known here; there are 'first', 'second', 'default'");
    expect("test-add", "[1]", "'arguments' expects an object, got [ 1 ]");
}

/* What users type. */
static void test_texts(void)
{
    static const struct {
        const char *text, *want; /* after name, flag, big, small; or the message */
    } cases[] = {
        { "weight=0xffff,ratio=-1.5e1,room=1.5k,color=blue",
          ",\"ratio\":-15.0,\"room\":1536,\"color\":\"blue\"" },
        { "numbers=1-3,numbers=7,numbers=2,words=a,words=b", ",\"numbers\":[1,2,3,7],"
                                                             "\"words\":[\"a\",\"b\"]" },
        { "wrapped=a,wrapped=b", ",\"wrapped\":[{\"text\":\"a\"},{\"text\":\"b\"}]" },
        { "wrapped.0.text=a", ",\"wrapped\":[{\"text\":\"a\"}]" },
        { "wrapped.text=a", "'wrapped' expects an array" },
        { "numbers.0=9,numbers.1=3,colors=red", ",\"numbers\":[9,3],\"colors\":[\"red\"]" },
        { "inner.name=x,inner.weight=7,list.0.name=y,extra=on",
          ",\"inner\":{\"name\":\"x\",\"weight\":7},\"list\":[{\"name\":\"y\"}],\"extra\":\"on\"" },
        { "weight=65536", "weight=65536 is not right: expects an integer from 0 to 65535" },
        { "weight=-1", "weight=-1 is not right: expects an integer from 0 to 65535" },
        { "weight=", "weight= is not right: expects an integer from 0 to 65535" },
        { "weight=1k", "weight=1k is not right: expects an integer from 0 to 65535" },
        { "weight.x=1", "'weight' expects an integer from 0 to 65535, got { \"x\": \"1\" }" },
        { "small=-129", "small=-129 is not right: expects an integer from -128 to 127" },
        { "flag=1", "flag=1 is not right: expects on or off" },
        { "ratio=nan", "ratio=nan is not right: expects a number" },
        { "ratio=", "ratio= is not right: expects a number" },
        { "room=1Q", "room: '1Q' is not a size" },
        { "color=green", "color=green is not right: expects one of red, dark-green, blue (c)" },
        { "inner=x", "inner=x is not right: expects more keys, with a dot in between (i)" },
        { "inner.nome=x", "inner.name= is missing: expects a string (n)" },
        { "inner.name=x,inner.colour=x",
          "'inner.colour' is not known here; there are 'name', 'weight'" },
        { "list.0.name=y,list.1.weight=2", "list[1].name= is missing" },
        { "list=x", "list[0]=x is not right: expects more keys" },
        { "numbers=3-1", "numbers=3-1 is not right" },
        { "numbers=65536", "numbers=65536 is not right" },
        { "numbers.0=x", "numbers[0]=x is not right: expects an integer from 0 to 65535" },
        { "colors=red,colors=pink", "colors[1]=pink is not right: expects one of" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strconcat("n,flag=on,big=0x10,small=-128,", cases[i].text, NULL);
        struct json_object *opts = keyval_parse(text, "name", NULL);
        g_autoptr(GError) err = NULL;
        g_autoptr(Outer) outer = Outer_from_json(opts, NULL, &err);

        if (cases[i].want[0] == ',') {
            struct json_object *out = Outer_to_json(outer);
            const char *got = json_object_to_json_string_ext(out, JSON_C_TO_STRING_PLAIN);

            g_assert_no_error(err);
            g_assert_true(g_str_has_prefix(got, "{\"name\":\"n\""));
            g_assert_nonnull(strstr(got, "\"flag\":true,\"big\":16,\"small\":-128"));
            if (!strstr(got, cases[i].want)) {
                g_assert_cmpstr(got, ==, cases[i].want);
            }
            json_object_put(out);
        } else {
            g_assert_null(outer);
            if (!strstr(err->message, cases[i].want)) {
                g_assert_cmpstr(err->message, ==, cases[i].want);
            }
        }
        json_object_put(opts);
    }
}

/* What is there is copied, and nothing else changes. */
static void test_update(void)
{
    static const char from_text[] =
        "{\"name\":\"new\",\"flag\":true,\"big\":1,\"small\":2,\"color\":"
        "\"blue\",\"inner\":{\"name\":\"i\"},\"words\":[\"a\"]}";
    struct json_object *json = parse(from_text), *out;
    g_autoptr(Outer) from = Outer_from_json(json, NULL, NULL);
    g_autoptr(Outer) into = g_new0(Outer, 1);

    into->name = g_strdup("old");
    into->has_weight = true;
    into->weight = 7;
    qapi_update(&Outer_type, into, from);
    qapi_update(&Outer_type, into, from);
    json_object_put(json);
    g_clear_pointer(&from, Outer_free);
    out = Outer_to_json(into);
    g_assert_cmpstr(json_object_to_json_string_ext(out, JSON_C_TO_STRING_PLAIN), ==,
                    "{\"name\":\"new\",\"weight\":7,\"flag\":true,\"big\":1,\"small\":2,\"color\":"
                    "\"blue\",\"inner\":{\"name\":\"i\"},\"words\":[\"a\"]}");
    json_object_put(out);
}

static void test_deep_errors(void)
{
#define BASE "{\"in\":{\"name\":\"x\",\"flag\":true,\"big\":1,\"small\":1,"
    expect("test-echo", BASE "\"inner\":{}}}", "'in.inner.name' is missing; it expects a string");
    expect("test-echo", BASE "\"inner\":{\"name\":\"x\",\"y\":0}}}",
           "'in.inner.y' is not known here; there are 'name', 'weight'");
    expect("test-echo", BASE "\"inner\":{\"name\":\"x\",\"weight\":65536}}}",
           "'in.inner.weight' expects an integer from 0 to 65535, got 65536");
    expect("test-echo", BASE "\"inner\":{\"name\":\"x\",\"weight\":-1}}}",
           "'in.inner.weight' expects an integer from 0 to 65535, got -1");
    expect("test-echo", BASE "\"list\":[{\"name\":\"a\"},7]}}",
           "'in.list[1]' expects an object, got 7");
    expect("test-echo", BASE "\"numbers\":[1,-1]}}",
           "'in.numbers[1]' expects an integer from 0 to 65535, got -1");
    expect("test-echo", BASE "\"numbers\":3}}", "'in.numbers' expects an array, got 3");
    expect("test-echo", BASE "\"words\":[\"a\",\"b\",{}]}}",
           "'in.words[2]' expects a string, got { }");
    expect("test-echo", BASE "\"color\":\"pink\"}}",
           "'in.color' expects one of 'red', 'dark-green', 'blue', got 'pink'");
    expect("test-echo", BASE "\"color\":1}}", "'in.color' expects a string, got 1");
    expect("test-echo", "{\"in\":{\"name\":\"x\",\"flag\":true,\"big\":-1,\"small\":1}}",
           "'in.big' expects an integer of 0 or more, got -1");
    expect("test-echo", "{\"in\":{\"name\":\"x\",\"flag\":\"on\",\"big\":1,\"small\":1}}",
           "'in.flag' expects true or false, got \"on\"");
    expect("test-echo", "{\"in\":{\"name\":\"x\",\"flag\":true,\"big\":1,\"small\":-129}}",
           "'in.small' expects an integer from -128 to 127, got -129");
#undef BASE
}

static void test_union(void)
{
    g_autoptr(GError) err = NULL;
    struct json_object *json;
    Shade *shade;

    expect("test-shades", NULL,
           "[{\"color\":\"red\",\"heat\":-5},{\"color\":\"dark-green\"},"
           "{\"color\":\"blue\",\"inner\":{\"name\":\"sea\"}}]");

    json = parse("{\"inner\":{\"name\":\"n\"},\"color\":\"blue\"}");
    shade = Shade_from_json(json, "shade", &err);
    g_assert_no_error(err);
    g_assert_cmpstr(shade->u.blue->inner->name, ==, "n");
    Shade_free(shade);
    json_object_put(json);

    json = parse("{\"inner\":{\"name\":\"n\"},\"color\":\"red\"}");
    g_assert_null(Shade_from_json(json, "shade", &err));
    g_assert_cmpstr(err->message, ==, "'shade.heat' is missing; it expects an integer");
    g_clear_error(&err);
    json_object_put(json);

    json = parse("{\"heat\":1,\"color\":\"dark-green\"}");
    g_assert_null(Shade_from_json(json, "shade", &err));
    g_assert_cmpstr(err->message, ==, "'shade.heat' is not known here; there is 'color'");
    json_object_put(json);
}

static void test_special_commands(void)
{
    g_autoptr(GError) err = NULL;

    expect("test-any", NULL, "null");
    expect("test_free", "{\"driver\":\"d\",\"anything\":[1]}", "{}");
    expect("test_free", "{\"anything\":1}", "'driver' is missing; it expects a string");
    expect("test_free", "{\"driver\":1}", "'driver' expects a string, got 1");
    expect("test_free", "{\"driver\":\"d\",\"id\":false}", "'id' expects a string, got false");

    g_assert_null(qmp_dispatch("test-fail", NULL, &err));
    g_assert_cmpstr(error_class_name(err), ==, "DeviceNotFound");
    g_clear_error(&err);
    g_assert_null(qmp_dispatch("test-missing", NULL, &err));
    g_assert_cmpstr(error_class_name(err), ==, "CommandNotFound");
    g_assert_null(qmp_dispatch("test-missing", NULL, NULL));
}

static void count(const QmpCommand *cmd, void *opaque)
{
    ++*(unsigned *)opaque;
}

static void test_table(void)
{
    unsigned commands = 0;

    qmp_for_each_command(count, &commands);
    g_assert_cmpuint(commands, ==, 7);
    g_assert_true(qmp_find_command("test-nothing", NULL)->allow_oob);
    g_assert_false(qmp_find_command("test-add", NULL)->allow_oob);
    g_assert_true(qmp_find_command("test_free", NULL)->free_form);
}

static char *last_event;

static void emit(const char *name, struct json_object *event)
{
    struct json_object *stamp;

    g_assert_true(json_object_object_get_ex(event, "timestamp", &stamp));
    g_assert_true(json_object_object_get_ex(stamp, "seconds", NULL));
    g_assert_true(json_object_object_get_ex(stamp, "microseconds", NULL));
    json_object_object_del(event, "timestamp");
    g_free(last_event);
    last_event = g_strdup(json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN));
}

static void test_events(void)
{
    Inner inner = { .name = (char *)"n", .has_weight = true, .weight = 3 };

    qapi_event_send_test_plain(); /* no emitter: dropped */
    qapi_event_send_test_event("d", &inner, true, -1);
    qapi_event_set_emitter(emit);
    qapi_event_send_test_event("d", &inner, true, -1);
    g_assert_cmpstr(
        last_event, ==,
        "{\"event\":\"TEST_EVENT\",\"data\":{\"device\":\"d\",\"inner\":{\"name\":\"n\","
        "\"weight\":3},\"count\":-1}}");
    qapi_event_send_test_event(NULL, &inner, false, 0);
    g_assert_cmpstr(
        last_event, ==,
        "{\"event\":\"TEST_EVENT\",\"data\":{\"inner\":{\"name\":\"n\",\"weight\":3}}}");
    qapi_event_send_test_plain();
    g_assert_cmpstr(last_event, ==, "{\"event\":\"TEST_PLAIN\"}");
    qapi_event_send_reset(true, SHUTDOWN_CAUSE_GUEST_RESET);
    g_assert_cmpstr(last_event, ==,
                    "{\"event\":\"RESET\",\"data\":{\"guest\":true,\"reason\":\"guest-reset\"}}");
    qapi_event_set_emitter(NULL);
    g_free(last_event);
}

static GPtrArray *limited; /* "path n" of events that were sent */

static void emit_limited(const char *name, struct json_object *event)
{
    struct json_object *data = json_object_object_get(event, "data");

    g_ptr_array_add(
        limited, data ? g_strdup_printf(
                            "%s %s", json_object_get_string(json_object_object_get(data, "path")),
                            json_object_get_string(json_object_object_get(data, "n")))
                      : g_strdup(name));
}

#define LIMIT_MS 20 /* of both events, in qapi-test.json */

static gint by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void expect_limited(const char *text)
{
    g_autofree char *got = NULL;

    g_ptr_array_add(limited, NULL);
    got = g_strjoinv(",", (char **)limited->pdata);
    g_assert_cmpstr(got, ==, text);
    g_ptr_array_set_size(limited, 0);
}

static bool limited_has(const char *text)
{
    return g_ptr_array_find_with_equal_func(limited, text, g_str_equal, NULL);
}

/* No longer than that: what is sent next is soon after. */
static void wait_limited(const char *text)
{
    while (!limited_has(text)) {
        g_main_context_iteration(NULL, TRUE);
    }
}

static gboolean set_true(gpointer flag)
{
    *(bool *)flag = true;
    return G_SOURCE_REMOVE;
}

static void wait_ms(unsigned ms)
{
    bool done = false;

    g_timeout_add(ms, set_true, &done);
    while (!done) {
        g_main_context_iteration(NULL, TRUE);
    }
}

/* The first goes out at once; of those that follow soon, the last, when the time is over; then the
 * time begins anew. Each path, and each event, has its own. */
static void test_limited_events(void)
{
    limited = g_ptr_array_new_with_free_func(g_free);
    qapi_event_send_test_limited("a", 0); /* no emitter: dropped, and counts for nothing */
    qapi_event_set_emitter(emit_limited);
    qapi_event_send_test_limited("a", 1);
    qapi_event_send_test_limited("a", 2);
    qapi_event_send_test_limited("b", 3);
    qapi_event_send_test_limited("a", 4);
    qapi_event_send_test_limited_plain();
    qapi_event_send_test_limited_plain();
    expect_limited("a 1,b 3,TEST_LIMITED_PLAIN");
    wait_limited("a 4");
    qapi_event_send_test_limited("a", 5); /* soon after 4 */
    g_assert_false(limited_has("a 5"));
    wait_limited("a 5");
    wait_limited("TEST_LIMITED_PLAIN"); /* it may have come at any time */
    g_ptr_array_sort(limited, by_text);
    expect_limited("TEST_LIMITED_PLAIN,a 4,a 5");
    wait_ms(LIMIT_MS); /* this timer begins after the limit's, and is served after it */
    qapi_event_send_test_limited("a", 6); /* and long after 5 */
    expect_limited("a 6");
    qapi_event_send_test_limited("a", 7);
    qapi_event_set_emitter(emit_limited); /* forgets it */
    wait_ms(2 * LIMIT_MS);
    expect_limited("");
    qapi_event_set_emitter(NULL);
    g_ptr_array_unref(limited);
}

static void test_enums(void)
{
    g_autoptr(GError) err = NULL;
    int value = 7;

    g_assert_cmpint(RUN_STATE__MAX, ==, 16);
    g_assert_cmpstr(RunState_str(RUN_STATE_RUNNING), ==, "running");
    g_assert_cmpint(qapi_enum_parse(RunState_lookup, "guest-panicked"), ==,
                    RUN_STATE_GUEST_PANICKED);
    g_assert_cmpint(qapi_enum_parse(RunState_lookup, "gone"), ==, -1);
    g_assert_cmpint(SHUTDOWN_CAUSE__MAX, ==, 11);
    g_assert_false(qapi_enum_parse_full(HostMemPolicy_lookup, "x", "policy", &value, &err));
    g_assert_cmpstr(err->message, ==,
                    "policy expects one of 'default', 'preferred', 'bind', 'interleave', got 'x'");
    g_assert_cmpint(value, ==, 7);
}

/* Every type named in the introspection reply is there, once. */
static void check_introspection(struct json_object *schema, unsigned min_commands)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    static const char *const refs[] = { "arg-type", "ret-type", "element-type" };
    unsigned commands = 0;

    for (size_t i = 0; i < json_object_array_length(schema); i++) {
        struct json_object *info = json_object_array_get_idx(schema, i);
        const char *name = json_object_get_string(json_object_object_get(info, "name"));

        g_assert_true(g_hash_table_add(names, (char *)(uintptr_t)name));
    }
    for (size_t i = 0; i < json_object_array_length(schema); i++) {
        struct json_object *info = json_object_array_get_idx(schema, i);
        struct json_object *members = json_object_object_get(info, "members");
        const char *meta = json_object_get_string(json_object_object_get(info, "meta-type"));

        commands += strcmp(meta, "command") == 0;
        for (size_t r = 0; r < G_N_ELEMENTS(refs); r++) {
            struct json_object *ref = json_object_object_get(info, refs[r]);

            g_assert_true(!ref || g_hash_table_contains(names, json_object_get_string(ref)));
        }
        for (size_t m = 0; members && m < json_object_array_length(members); m++) {
            struct json_object *type =
                json_object_object_get(json_object_array_get_idx(members, m), "type");

            g_assert_true(!type || g_hash_table_contains(names, json_object_get_string(type)));
        }
    }
    g_assert_cmpuint(commands, >=, min_commands);
}

static void test_introspection(void)
{
    struct json_object *schema = qmp_introspect();

    check_introspection(schema, 25);
    json_object_put(schema);
    schema = parse(test_qapi_schema_json);
    check_introspection(schema, 7);
    json_object_put(schema);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/echo", test_echo);
    g_test_add_func("/qapi/args", test_args);
    g_test_add_func("/qapi/texts", test_texts);
    g_test_add_func("/qapi/update", test_update);
    g_test_add_func("/qapi/deep-errors", test_deep_errors);
    g_test_add_func("/qapi/union", test_union);
    g_test_add_func("/qapi/special-commands", test_special_commands);
    g_test_add_func("/qapi/table", test_table);
    g_test_add_func("/qapi/events", test_events);
    g_test_add_func("/qapi/limited-events", test_limited_events);
    g_test_add_func("/qapi/enums", test_enums);
    g_test_add_func("/qapi/introspection", test_introspection);
    return g_test_run();
}
