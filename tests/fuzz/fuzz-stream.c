/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A saved machine that was tampered with, its sums made right again: a first byte of 255 is
 * followed by a record of postcopy, another odd one by records of RAM, an even one by changes of
 * the states of devices, each four bytes: which state, an offset (little-endian), a value. What
 * cannot be loaded gives an error; what can, is a machine.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory/ram-block.h"
#include "migration/devices.h"
#include "migration/postcopy.h"
#include "tests/fuzz/fuzz.h"

typedef struct State {
    char name[256];
    GByteArray *data;
} State;

static GPtrArray *states; /* of State *: those of the machine after a reset */

static Stream *reopen(int fd)
{
    lseek(fd, 0, SEEK_SET);
    return stream_new(dup(fd));
}

static void remember(const Record *record)
{
    State *state = g_new(State, 1);

    memcpy(state->name, record->name, sizeof(state->name));
    state->data = g_byte_array_append(g_byte_array_new(), record->data, (guint)record->size);
    g_ptr_array_add(states, state);
}

static void start(void)
{
    int fd = memfd_create("stream", MFD_CLOEXEC);
    Record record;

    fuzz_machine();
    states = g_ptr_array_new();
    g_autoptr(SavedStates) saved = saved_states_take();
    g_autoptr(Stream) out = reopen(fd);
    g_assert_true(stream_put_header(out, NULL) && saved_states_write(saved, out, NULL) &&
                  stream_put_end(out, false, NULL));
    g_autoptr(Stream) in = reopen(fd);
    g_assert_true(stream_get_header(in, NULL));
    while (stream_get_record(in, &record, NULL) && record.kind == RECORD_DEVICE) {
        remember(&record);
    }
    close(fd);
}

/* Load all states, with @bytes in place of what was remembered. False: they make no machine. */
static bool load(const GPtrArray *bytes)
{
    g_autoptr(SavedStates) saved = saved_states_new();
    g_autoptr(GError) err = NULL;

    for (unsigned i = 0; i < states->len; i++) {
        const State *state = states->pdata[i];
        const GByteArray *data = bytes->pdata[i];
        Record record = { .kind = RECORD_DEVICE, .data = data->data, .size = data->len };

        memcpy(record.name, state->name, sizeof(record.name));
        saved_states_add(saved, &record);
    }
    return saved_states_load(saved, &err);
}

static GPtrArray *copies(void)
{
    GPtrArray *bytes = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);

    for (unsigned i = 0; i < states->len; i++) {
        const GByteArray *data = ((const State *)states->pdata[i])->data;

        g_ptr_array_add(bytes, g_byte_array_append(g_byte_array_new(), data->data, data->len));
    }
    return bytes;
}

static void change_states(const uint8_t *data, size_t size)
{
    g_autoptr(GPtrArray) changed = copies(), whole = copies();

    for (; size >= 4; data += 4, size -= 4) {
        GByteArray *bytes = changed->pdata[data[0] % changed->len];

        if (bytes->len) {
            bytes->data[(data[1] | data[2] << 8) % bytes->len] = data[3];
        }
    }
    load(changed);
    fuzz_settle();
    g_assert_true(load(whole)); /* whatever the first attempt has left behind */
}

static void load_ram(const uint8_t *data, size_t size)
{
    g_autoptr(GPtrArray) blocks = ram_blocks_list();
    const RamBlock *block = blocks->pdata[0];
    Record record = { .kind = RECORD_RAM, .data = data, .size = size };
    g_autoptr(GError) err = NULL;

    g_strlcpy(record.name, block->name, sizeof(record.name));
    ram_load(blocks, &record, &err);
}

static bool take_range(void *opaque, unsigned n, const PageRange *range, GError **errp)
{
    const RamBlock *block = ((const GPtrArray *)opaque)->pdata[n];

    g_assert_true(range->count && range->first + range->count > range->first &&
                  range->first + range->count <= block->size / RAM_PAGE);
    return true;
}

/* What both ends say of pages, by the name of a block, and by bytes of the input. */
static void read_postcopy(const uint8_t *data, size_t size)
{
    g_autoptr(GPtrArray) blocks = ram_blocks_list();
    Record record = { .kind = RECORD_RESUME, .data = data, .size = size };
    const uint8_t id[POSTCOPY_ID_SIZE] = { 0 };
    PageRange range;
    unsigned n;

    postcopy_check_resume(&record, id, NULL);
    for (int times = 0; times < 2; times++) {
        postcopy_read_lacks(blocks, &record, take_range, blocks, NULL);
        if (postcopy_read_request(blocks, &record, &n, &range, NULL)) {
            take_range(blocks, n, &range, NULL);
        }
        g_strlcpy(record.name, ((const RamBlock *)blocks->pdata[0])->name, sizeof(record.name));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!states) {
        start();
    }
    if (!size) {
        return 0;
    }
    fuzz_input_begin();
    if (data[0] == UINT8_MAX) {
        read_postcopy(data + 1, size - 1);
    } else if (data[0] & 1) {
        load_ram(data + 1, size - 1);
    } else {
        change_states(data + 1, size - 1);
    }
    fuzz_input_end();
    return 0;
}
