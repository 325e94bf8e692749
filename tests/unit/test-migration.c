/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was saved by older versions, and what a guest asks for while its machine is being stopped.
 */
#include <zlib.h>

#include "accel/accel.h"
#include "block/node.h"
#include "memory/address-space.h"
#include "migration/config.h"
#include "migration/incoming.h"
#include "migration/reader.h"
#include "qapi/visit.h"
#include "tests/unit/saved-machine.h"
#include "util/keyval.h"

/* ---- older versions ---- */

static const StateTable *table_of(const char *path)
{
    Object *obj = object_resolve(path, NULL);

    g_assert_nonnull(obj);
    return object_is_a(obj, TYPE_DEVICE) ? device_class((Device *)obj)->state
                                         : machine_ops((Machine *)obj)->state;
}

static const StateField *field_of(const StateTable *table, const char *name, size_t len)
{
    for (const StateField *field = table->fields; field->name; field++) {
        if (strlen(field->name) == len && strncmp(field->name, name, len) == 0) {
            return field;
        }
    }
    g_error("%s has no %.*s", table->name, (int)len, name);
}

/* A table, and the version of it that is wanted; those inside of others stay what they are. */
typedef struct Wanted {
    const StateTable *table;
    uint32_t version;
    bool seen; /* it was there: an array may be empty */
} Wanted;

static size_t copy_struct(const uint8_t *at, size_t size, const StateTable *table, Wanted *wanted,
                          GByteArray *out);

/* The elements at @at to the end of @out; their bytes at @at. docs/state.md has the format. */
static size_t copy_elements(const uint8_t *at, const StateField *field, uint32_t count,
                            Wanted *wanted, GByteArray *out)
{
    size_t size = 0;

    if (field->kind != STATE_KIND_STRUCT) {
        size = count == UINT32_MAX ? 0 : (size_t)count * field->width;
        g_byte_array_append(out, at, (guint)size);
        return size;
    }
    for (uint32_t i = 0; i < count; i++) {
        guint start = out->len;
        uint32_t each;

        memcpy(&each, at + size, sizeof(each));
        g_byte_array_append(out, at + size, sizeof(each));
        size += sizeof(each) + copy_struct(at + size + sizeof(each), each, field->sub, wanted, out);
        each = out->len - start - (guint)sizeof(each);
        memcpy(out->data + start, &each, sizeof(each));
    }
    return size;
}

static size_t copy_struct(const uint8_t *data, size_t size, const StateTable *table, Wanted *wanted,
                          GByteArray *out)
{
    bool is_wanted = table == wanted->table;
    uint32_t version = is_wanted ? wanted->version : table->version;
    guint start = out->len;
    uint16_t fields = 0;

    wanted->seen |= is_wanted;
    g_byte_array_append(out, (const uint8_t *)&version, sizeof(version));
    g_byte_array_append(out, (const uint8_t *)&fields, sizeof(fields));
    for (size_t at = sizeof(version) + sizeof(fields); at < size;) {
        size_t len = data[at], head = len + 7;
        const StateField *field = field_of(table, (const char *)data + at + 1, len);
        guint before = out->len;
        uint32_t count;

        memcpy(&count, data + at + head - sizeof(count), sizeof(count));
        g_byte_array_append(out, data + at, (guint)head);
        at += head + copy_elements(data + at + head, field, count, wanted, out);
        if (field->since > version) {
            g_byte_array_set_size(out, before);
        } else {
            fields++;
        }
    }
    memcpy(out->data + start + sizeof(version), &fields, sizeof(fields));
    return size;
}

/* Load all of @states, but @older instead of the bytes of @state. */
static bool load_with(const GPtrArray *states, const State *state, const GByteArray *older,
                      GError **errp)
{
    g_autoptr(SavedStates) saved = saved_states_new();

    for (unsigned i = 0; i < states->len; i++) {
        const State *each = states->pdata[i];
        const GByteArray *data = each == state ? older : each->data;
        Record record = { .kind = RECORD_DEVICE, .data = data->data, .size = data->len };

        memcpy(record.name, each->name, sizeof(record.name));
        saved_states_add(saved, &record);
    }
    return saved_states_load(saved, errp);
}

/* What loading gives if @wanted is in the version that it says. */
static char *error_with(const GPtrArray *states, const State *state, Wanted *wanted)
{
    g_autoptr(GByteArray) data = g_byte_array_new();
    g_autoptr(GError) err = NULL;

    copy_struct(state->data->data, state->data->len, table_of(state->name), wanted, data);
    load_with(states, state, data, &err);
    return err ? g_strdup(err->message) : NULL;
}

/* How many older versions @table has, and those inside of it. */
static unsigned check_versions(const GPtrArray *states, const State *state, const StateTable *table)
{
    unsigned oldest = table->oldest ? table->oldest : table->version;
    unsigned older = table->version - oldest;

    for (unsigned version = oldest; version <= table->version; version++) {
        Wanted wanted = { .table = table, .version = version };
        g_autofree char *message = error_with(states, state, &wanted);
        g_assert_null(message);
    }
    Wanted wanted = { .table = table, .version = oldest - 1 };
    g_autofree char *too_old = error_with(states, state, &wanted);
    g_assert_true(wanted.seen == (too_old && strstr(too_old, "can be read")));
    for (const StateField *field = table->fields; field->name; field++) {
        older += field->sub ? check_versions(states, state, field->sub) : 0;
    }
    return older;
}

/* Each device's state in each version that can be read, and the one before. */
static void check_older_tables(void)
{
    g_autoptr(GPtrArray) states = NULL;
    unsigned older = 0;

    prepare("pc");
    states = read_states();
    for (unsigned i = 0; i < states->len; i++) {
        const State *state = states->pdata[i];

        older += check_versions(states, state, table_of(state->name));
    }
    g_assert_cmpuint(older, >=, 3); /* a processor's */
}

static void add_device(const char *text)
{
    g_autoptr(GError) err = NULL;
    struct json_object *props = keyval_device_parse(text, &err);

    g_assert_true(props && device_add(props, &err));
    json_object_put(props);
}

/* What loading gives if older programs saved nothing of namespaces, of which one is @more. */
static char *error_without(const char *more)
{
    g_autofree char *ns = g_strdup_printf("nvme-ns,id=ns,drive=n%s", more);
    g_autoptr(BlockdevOptions) node =
        qapi_from_option(&BlockdevOptions_type, "null-co,node-name=n,size=1M", "driver", NULL);
    g_autoptr(GPtrArray) states = NULL;
    g_autoptr(SavedStates) saved = saved_states_new();
    g_autoptr(GError) err = NULL;
    bool left_out = false;

    make_machine("pc");
    machine_current()->ready = false; /* namespaces are not plugged while it runs */
    g_assert_nonnull(block_node_add(node, NULL));
    add_device("nvme,serial=x");
    add_device(ns);
    machine_current()->ready = true;
    machine_reset(machine_current());
    save_machine();
    states = read_states();
    for (unsigned i = 0; i < states->len; i++) {
        const State *state = states->pdata[i];
        Record record = { .kind = RECORD_DEVICE,
                          .data = state->data->data,
                          .size = state->data->len };

        memcpy(record.name, state->name, sizeof(record.name));
        if (g_str_has_suffix(state->name, "/ns")) {
            left_out = true;
        } else {
            saved_states_add(saved, &record);
        }
    }
    g_assert_true(left_out);
    machine_reset(machine_current());
    g_assert_true(saved_states_load(saved, &err) == !err);
    return err ? g_strdup(err->message) : NULL;
}

/* What older programs did not know of a controller is as it was, if nobody has set it. */
static void check_older_options(void)
{
    struct json_object *theirs, *devices, *one;
    g_autoptr(GError) err = NULL;

    make_machine("pc");
    add_device("nvme,serial=x,id=plain");
    add_device("nvme,serial=y,id=set,zoned.zasl=1");
    theirs = migration_config();
    g_assert_true(migration_config_check(theirs, NULL));
    devices = json_object_object_get(theirs, "devices");
    one = json_object_object_get(devices, "/machine/peripheral/plain");
    json_object_object_del(one, "zoned.zasl");
    json_object_object_del(one, "zoned.auto_transition");
    g_assert_true(migration_config_check(theirs, NULL));
    one = json_object_object_get(devices, "/machine/peripheral/set");
    json_object_object_del(one, "zoned.auto_transition");
    g_assert_true(migration_config_check(theirs, NULL));
    json_object_object_del(one, "zoned.zasl");
    g_assert_false(migration_config_check(theirs, &err));
    g_assert_nonnull(strstr(err->message, "zoned.zasl = 1"));
    json_object_put(theirs);
}

static void check_older_namespace(void)
{
    g_autofree char *message = error_without("");

    g_assert_cmpstr(message, ==, NULL);
}

static void check_older_zones(void)
{
    g_autofree char *message = error_without(",zoned=on,zoned.zone_size=64k");

    g_assert_nonnull(message);
    g_assert_nonnull(strstr(message, "is zoned here or where it comes from"));
}

/* A whole stream of version 1: its header, and the clock's record. */
static void check_older_stream(void)
{
    g_auto(ReadMachine) machine = { 0 };
    RunRecord run = { .shutdown = SHUTDOWN_CAUSE_NONE };
    uint32_t version = 1, sum;
    GError *err = NULL;

    prepare("pc");
    memcpy(stream->data + 8, &version, sizeof(version));
    sum = (uint32_t)crc32(0, stream->data, 12);
    memcpy(stream->data + 12, &sum, sizeof(sum));
    g_assert_cmpint(pwrite(file, stream->data, stream->len, 0), ==, stream->len);
    g_autoptr(Stream) in = stream_new(open_stream());
    machine_unlock();
    g_assert_true(read_machine(&machine, in, &err));
    machine_lock();
    g_assert_true(read_machine_load(&machine, &err));

    static const uint8_t old_run[] = "\1\0\0\0" /* version */
                                     "\2\0"     /* fields */
                                     "\10clock_ns\2\10\1\0\0\0\0\1\0\0\0\0\0\0"
                                     "\7running\3\1\1\0\0\0\1";
    Record record = { .kind = RECORD_RUN, .data = old_run, .size = sizeof(old_run) - 1 };
    g_assert_true(run_record_read(&run, &record, &err));
    g_assert_cmpint(run.clock_ns, ==, 256);
    g_assert_true(run.running);
    g_assert_cmpint(run.shutdown, ==, SHUTDOWN_CAUSE_NONE);
}

/* ---- what a guest asks for at the last moment ---- */

static void (*last_wish)(void);

/* The engine is told that no vCPU runs any more. */
static void stopped(void)
{
    if (last_wish) {
        last_wish();
        last_wish = NULL;
    }
}

static void ask_for_shutdown(void)
{
    runstate_request_shutdown(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
}

/* A machine that runs, and asks for something while migration stops it. */
static void run_and_save(void (*wish)(void))
{
    static AccelOps engine;

    make_machine("pc");
    engine = *accel_current();
    engine.stopped = stopped;
    accel_set(&engine);
    runstate_start();
    last_wish = wish;
    save_machine();
    g_assert_null(last_wish);
}

/* The program is another machine now, to which this one comes; it stays if it shuts down. */
static void come(void)
{
    GError *err = NULL;

    runstate_set_no_shutdown(true);
    incoming_prepare("defer", true, &err);
    g_assert_no_error(err);
    incoming_start("fd:stream", take_fd, &err);
    g_assert_no_error(err);
    while (runstate_get() == RUN_STATE_INMIGRATE) {
        main_loop_iterate(true);
    }
    while (main_loop_iterate(false)) {
    }
}

static void check_shutdown(void)
{
    run_and_save(ask_for_shutdown);
    while (main_loop_iterate(false)) { /* it is not this machine's any more */
    }
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_POSTMIGRATE);
    come();
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_SHUTDOWN);
}

/* A migration that fails: then this machine is the one to shut down. */
static void check_shutdown_here(void)
{
    make_machine("pc");
    runstate_set_no_shutdown(true);
    g_assert_cmpint(runstate_hold(), ==, SHUTDOWN_CAUSE_NONE);
    ask_for_shutdown();
    while (main_loop_iterate(false)) {
    }
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_PRELAUNCH); /* it waits */
    g_assert_cmpint(runstate_hold(), ==, SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    runstate_release(false);
    while (main_loop_iterate(false)) {
    }
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_SHUTDOWN);
}

#define PIC_MASK 0x21 /* a port: a register that a reset clears */

static void write_and_ask_for_reset(void)
{
    address_space_store(&address_space_io, PIC_MASK, 0x5a, 1);
    runstate_request_reset(SHUTDOWN_CAUSE_GUEST_RESET);
}

/* It was done before the machine went. */
static void check_reset(void)
{
    run_and_save(write_and_ask_for_reset);
    come();
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_RUNNING);
    g_assert_cmphex(address_space_load(&address_space_io, PIC_MASK, 1), ==, 0);
}

/* ---- a machine each ---- */

static const struct {
    const char *name;
    void (*check)(void);
} cases[] = {
    { "/migration/older-tables", check_older_tables },
    { "/migration/older-stream", check_older_stream },
    { "/migration/older-options", check_older_options },
    { "/migration/older-namespace", check_older_namespace },
    { "/migration/older-zones", check_older_zones },
    { "/migration/shutdown-at-stop", check_shutdown },
    { "/migration/shutdown-here", check_shutdown_here },
    { "/migration/reset-at-stop", check_reset },
};

static void run_case(gconstpointer check)
{
    if (g_test_subprocess()) {
        ((void (*)(void))check)();
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
    g_test_trap_assert_passed();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_add_data_func(cases[i].name, (gconstpointer)cases[i].check, run_case);
    }
    return g_test_run();
}
