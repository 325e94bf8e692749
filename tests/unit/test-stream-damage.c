/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A saved machine that was cut off at any byte, or of which any byte was changed, is refused, and
 * the error says where. If the sums are right all the same, it is refused, or it is a machine, and
 * what is left behind is no matter to the next one that is loaded.
 */
#include <string.h>
#include <unistd.h>

#include "migration/reader.h"
#include "tests/unit/saved-machine.h"

#define STRIDE 256 /* between the bytes of a page that are tried */

/* The place after @at that is to be tried: of the contents of a page, not all. */
static guint next_place(guint at)
{
    do {
        at++;
    } while (at + 1 < stream->len && at % STRIDE && stream->data[at] == FILL &&
             stream->data[at - 1] == FILL && stream->data[at + 1] == FILL);
    return at;
}

/* What the error says of the stream as it is in the file; NULL: it is a machine. */
static char *read_error(void)
{
    g_autoptr(Stream) in = stream_new(open_stream());
    g_auto(ReadMachine) machine = { 0 };
    GError *err = NULL;
    char *message = NULL;

    machine_unlock(); /* the reader takes it */
    bool ok = read_machine(&machine, in, &err);
    machine_lock();
    g_assert_true(ok == !err);
    if (err) {
        message = g_strdup(err->message);
        g_error_free(err);
    }
    return message;
}

/* "at byte N" is in it, and N is not beyond @most. */
static void assert_place(const char *message, uint64_t at, uint64_t most)
{
    const char *place = message ? strstr(message, "at byte ") : NULL;

    if (!place || g_ascii_strtoull(place + strlen("at byte "), NULL, 10) > most) {
        g_error("byte %" PRIu64 ": %s", at, message ? message : "it is a machine");
    }
}

static void assert_whole(void)
{
    g_autofree char *message = read_error();

    g_assert_null(message);
}

static void check_cut(const char *type)
{
    prepare(type);
    assert_whole();
    for (guint size = 0; size < stream->len; size = next_place(size)) {
        g_assert_cmpint(ftruncate(file, 0), ==, 0);
        g_assert_cmpint(pwrite(file, stream->data, size, 0), ==, size);
        g_autofree char *message = read_error();
        assert_place(message, size, size);
    }
    g_printerr("# cut at each of %u bytes\n", stream->len);
}

static void check_changed(const char *type)
{
    prepare(type);
    for (guint at = 0; at < stream->len; at = next_place(at)) {
        uint8_t changed = stream->data[at] ^ (uint8_t)(1 + at % 255);
        g_assert_cmpint(pwrite(file, &changed, 1, at), ==, 1);
        g_autofree char *message = read_error();
        assert_place(message, at, at);
        g_assert_cmpint(pwrite(file, &stream->data[at], 1, at), ==, 1);
    }
    assert_whole();
    g_printerr("# changed each of %u bytes\n", stream->len);
}

/* ---- sums that are right ---- */

/* What the error says if all states are loaded, but of @changed only @size bytes; NULL: nothing. */
static char *load_error(const GPtrArray *states, const State *changed, size_t size)
{
    g_autoptr(SavedStates) saved = saved_states_new();
    GError *err = NULL;
    char *message = NULL;

    for (unsigned i = 0; i < states->len; i++) {
        const State *state = states->pdata[i];
        Record record = { .kind = RECORD_DEVICE,
                          .data = state->data->data,
                          .size = state == changed ? size : state->data->len };

        memcpy(record.name, state->name, sizeof(record.name));
        saved_states_add(saved, &record);
    }
    bool ok = saved_states_load(saved, &err);
    g_assert_true(ok == !err);
    if (err) {
        message = g_strdup(err->message);
        g_error_free(err);
    }
    return message;
}

static void assert_loads(const GPtrArray *states)
{
    g_autofree char *message = load_error(states, NULL, 0);

    g_assert_null(message);
}

/* After all that was done to @changed, the machine's states are these. */
static void assert_same(const GPtrArray *states, const State *changed)
{
    g_autoptr(GPtrArray) now = NULL;

    runstate_set(RUN_STATE_PAUSED);
    save_machine();
    now = read_states();
    g_assert_cmpuint(now->len, ==, states->len);
    for (unsigned i = 0; i < now->len; i++) {
        const State *a = now->pdata[i], *b = states->pdata[i];

        g_assert_cmpstr(a->name, ==, b->name);
        if (a->data->len != b->data->len || memcmp(a->data->data, b->data->data, a->data->len)) {
            g_error("%s differs after %s was changed", a->name, changed->name);
        }
    }
}

static void check_state(const GPtrArray *states, State *state)
{
    for (guint at = 0; at < state->data->len; at++) {
        uint8_t *byte = &state->data->data[at];
        uint8_t good = *byte;

        g_autofree char *cut = load_error(states, state, at);
        g_assert_nonnull(strstr(cut, state->name));
        *byte ^= (uint8_t)(1 + at * 37 % 255);
        g_autofree char *message = load_error(states, NULL, 0);
        *byte = good;
        if (message && !strstr(message, state->name)) {
            g_error("byte %u of %s: %s", at, state->name, message);
        }
    }
    assert_loads(states);
    assert_same(states, state);
}

static void check_tampered(const char *type)
{
    g_autoptr(GPtrArray) states = NULL;
    unsigned bytes = 0;

    prepare(type);
    states = read_states();
    for (unsigned i = 0; i < states->len; i++) {
        check_state(states, states->pdata[i]);
        bytes += ((State *)states->pdata[i])->data->len;
    }
    g_printerr("# cut at and changed each of %u bytes of %u states\n", bytes, states->len);
}

/* ---- a machine each ---- */

typedef struct Case {
    const char *name, *type;
    void (*check)(const char *type);
} Case;

static const Case cases[] = {
    { "/stream-damage/cut/pc", "pc", check_cut },
    { "/stream-damage/changed/pc", "pc", check_changed },
    { "/stream-damage/tampered/pc", "pc", check_tampered },
    { "/stream-damage/tampered/q35", "q35", check_tampered },
};

static void run_case(gconstpointer opaque)
{
    const Case *c = opaque;

    if (g_test_subprocess()) {
        c->check(c->type);
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
    g_test_trap_assert_passed();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_add_data_func(cases[i].name, &cases[i], run_case);
    }
    return g_test_run();
}
