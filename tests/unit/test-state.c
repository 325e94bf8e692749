/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Structures as tables: what is written is read back, and nothing else is. */
#include "util/state.h"
#include "util/timer.h"

#include <string.h>

#include "util/main-loop.h"

typedef struct Part {
    uint16_t number;
    bool flag;
} Part;

typedef struct Whole {
    uint8_t small;
    int64_t sign;
    uint32_t list[3];
    bool flags[2];
    Part parts[2], *more;
    unsigned count;
    Timer *timer;
    GBytes *blob;
} Whole;

static const StateField part_fields[] = {
    STATE_UINT_MAX(Part, number, 1000),
    STATE_BOOL(Part, flag),
    { 0 },
};
static const StateTable part_state = { .name = "part", .version = 1, .fields = part_fields };

static bool whole_loaded(void *obj, GError **errp)
{
    if (((Whole *)obj)->small == 99) {
        g_set_error(errp, g_quark_from_static_string("test"), 0, "99 makes no sense");
        return false;
    }
    return true;
}

static const StateField whole_fields[] = {
    STATE_UINT(Whole, small),
    STATE_INT(Whole, sign),
    STATE_UINTS(Whole, list),
    STATE_BOOLS(Whole, flags),
    STATE_STRUCTS(Whole, parts, &part_state),
    STATE_ARRAY(Whole, more, count, &part_state),
    STATE_TIMER(Whole, timer),
    STATE_BLOB(Whole, blob),
    { 0 },
};
static const StateTable whole_state = {
    .name = "whole", .version = 3, .oldest = 2, .fields = whole_fields, .post_load = whole_loaded
};

static void never(void *opaque)
{
    g_assert_not_reached();
}

static void whole_init(Whole *w)
{
    *w = (Whole){ .more = g_new0(Part, 2), .count = 2, .timer = timer_new(never, NULL) };
}

static void whole_clear(Whole *w)
{
    g_free(w->more);
    timer_free(w->timer);
    g_clear_pointer(&w->blob, g_bytes_unref);
}

static GByteArray *saved(void)
{
    GByteArray *out = g_byte_array_new();
    Whole w;

    whole_init(&w);
    w.small = 7;
    w.sign = -5;
    w.list[2] = 0xdeadbeef;
    w.flags[1] = true;
    w.parts[1] = (Part){ 1000, true };
    w.more[0].number = 3;
    timer_mod(w.timer, 12345);
    w.blob = g_bytes_new_static("blob", 4);
    state_save(&whole_state, &w, out);
    whole_clear(&w);
    return out;
}

static bool loads(const GByteArray *data, Whole *w, char **message)
{
    g_autoptr(GError) err = NULL;
    bool ok = state_load(&whole_state, w, data->data, data->len, &err);

    g_assert_true(ok == !err);
    if (message) {
        *message = err ? g_strdup(err->message) : NULL;
    }
    return ok;
}

static void test_round(void)
{
    g_autoptr(GByteArray) one = saved(), two = g_byte_array_new();
    Whole w;

    whole_init(&w);
    g_assert_true(loads(one, &w, NULL));
    g_assert_cmpint(w.sign, ==, -5);
    g_assert_cmphex(w.list[2], ==, 0xdeadbeef);
    g_assert_true(!w.flags[0] && w.flags[1] && w.parts[1].flag);
    g_assert_cmpint(w.more[0].number, ==, 3);
    g_assert_cmpint(timer_expiry(w.timer), ==, 12345);
    g_assert_cmpmem(g_bytes_get_data(w.blob, NULL), 4, "blob", 4);
    state_save(&whole_state, &w, two);
    g_assert_cmpmem(one->data, one->len, two->data, two->len);
    whole_clear(&w);
}

/* Any byte changed, and cut off anywhere: an error, or values that are allowed. */
static void test_damage(void)
{
    g_autoptr(GByteArray) good = saved();

    for (guint at = 0; at < good->len; at++) {
        g_autoptr(GByteArray) cut = g_byte_array_new();
        Whole w;

        whole_init(&w);
        g_byte_array_append(cut, good->data, at);
        g_assert_false(loads(cut, &w, NULL));
        whole_clear(&w);
        for (unsigned bit = 0; bit < 8; bit++) {
            g_autoptr(GByteArray) changed = g_byte_array_new();

            whole_init(&w);
            g_byte_array_append(changed, good->data, good->len);
            changed->data[at] ^= 1u << bit;
            if (loads(changed, &w, NULL)) {
                g_assert_cmpint(w.parts[1].number, <=, 1000);
                g_assert_cmpint(w.small, !=, 99);
            }
            whole_clear(&w);
        }
    }
}

/* Give the byte that is @value now, the @n-th of them, another value; what the error says. */
static void refused(uint8_t from, unsigned n, uint8_t to, const char *words)
{
    g_autoptr(GByteArray) data = saved();
    g_autofree char *message = NULL;
    guint at = 0;
    Whole w;

    while (data->data[at] != from || n--) {
        at++;
    }
    data->data[at] = to;
    whole_init(&w);
    g_assert_false(loads(data, &w, &message));
    g_assert_nonnull(strstr(message, words));
    whole_clear(&w);
}

static void test_errors(void)
{
    refused(3, 0, 4, "versions 2 to 3");
    refused('m', 0, 'M', "no field 'sMall'");
    refused('n', 1, 'N', "no field");       /* in a part */
    refused(7, 0, 99, "99 makes no sense"); /* post_load */
    refused(0xe8, 0, 0xe9, "1000 at most"); /* 1000 is 0x3e8 */
}

/* Nothing, and no bytes, are kept apart. */
static void test_blob(void)
{
    for (unsigned empty = 0; empty < 2; empty++) {
        g_autoptr(GByteArray) data = g_byte_array_new();
        Whole a, b;

        whole_init(&a);
        whole_init(&b);
        a.blob = empty ? g_bytes_new_static("", 0) : NULL;
        b.blob = g_bytes_new_static("other", 5);
        state_save(&whole_state, &a, data);
        g_assert_true(loads(data, &b, NULL));
        g_assert_true(!b.blob == !a.blob);
        whole_clear(&a);
        whole_clear(&b);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/state/round", test_round);
    g_test_add_func("/state/damage", test_damage);
    g_test_add_func("/state/errors", test_errors);
    g_test_add_func("/state/blob", test_blob);
    return g_test_run();
}
