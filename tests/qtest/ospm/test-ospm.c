/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every path of DESIGN's "way of one request", with every state and event asserted: for each
 * machine there is, with 1, 8 and 256 slots. The guest's half is the OSPM.
 */
#include <string.h>

#include "tests/qtest/ospm/ospm.h"
#include "util/units.h"

enum { DIMM_MIB = 128, MAX_EVENTS = 16 };

/* The memory hot-plug registers (docs/memory-hotplug-registers.md), for accesses that AML would not
 * make. */
enum { SELECT = 0xa00, OST_EVENT = 0xa04, OST_STATUS = 0xa08, FLAGS = 0xa14 };
enum { INSERT = 1 << 1, REMOVE = 1 << 2, EJECT = 1 << 3, SCI_LINE = 9 };

typedef struct Fixture {
    QTest *qt;
    Ospm *ospm;
    unsigned slots, last; /* the last slot is the one that is used */
} Fixture;

typedef struct Config {
    char *machine;
    unsigned slots;
    void (*run)(Fixture *f);
} Config;

/* ---- helpers ---- */

static void plug(Fixture *f, unsigned slot)
{
    g_autofree char *id = g_strdup_printf("d%u", slot);
    g_autofree char *backend = g_strdup_printf("m%u", slot);

    qtest_qmp_ok(f->qt, "object-add",
                 "{'qom-type': 'memory-backend-ram', 'id': %s, 'size': %" G_GINT64_MODIFIER "u}",
                 backend, DIMM_MIB * MIB);
    qtest_qmp_ok(f->qt, "device_add", "{'driver': 'pc-dimm', 'id': %s, 'memdev': %s, 'slot': %u}",
                 id, backend, slot);
}

static void request_unplug(Fixture *f, unsigned slot)
{
    g_autofree char *id = g_strdup_printf("d%u", slot);

    qtest_qmp_ok(f->qt, "device_del", "{'id': %s}", id);
}

/* The events MEMORY_DEVICE_STATE_CHANGE so far, which are taken, are to these states. */
static void assert_states(Fixture *f, const char *states)
{
    g_autoptr(GString) seen = g_string_new(NULL);
    g_autofree char *before = NULL;

    while (qtest_event_count(f->qt, "MEMORY_DEVICE_STATE_CHANGE")) {
        g_autoptr(json_object) event = qtest_event(f->qt, "MEMORY_DEVICE_STATE_CHANGE");

        if (before) { /* each change begins where the last one ended */
            g_assert_cmpstr(qtest_get_str(event, "data.previous"), ==, before);
            g_free(before);
        }
        before = g_strdup(qtest_get_str(event, "data.state"));
        g_string_append_printf(seen, "%s%s", seen->len ? " " : "", before);
    }
    g_assert_cmpstr(seen->str, ==, states);
}

/* The reports ACPI_DEVICE_OST so far, which are taken, are these ("1:0x0 3:0x84"). */
static void assert_osts(Fixture *f, const char *reports)
{
    g_autoptr(GString) seen = g_string_new(NULL);

    while (qtest_event_count(f->qt, "ACPI_DEVICE_OST")) {
        g_autoptr(json_object) event = qtest_event(f->qt, "ACPI_DEVICE_OST");

        g_string_append_printf(seen, "%s%u:0x%x", seen->len ? " " : "",
                               (unsigned)qtest_get_int(event, "data.info.source"),
                               (unsigned)qtest_get_int(event, "data.info.status"));
    }
    g_assert_cmpstr(seen->str, ==, reports);
}

/* How many of these events came; they are taken. */
static unsigned take(Fixture *f, const char *name)
{
    unsigned n = 0;

    for (; qtest_event_count(f->qt, name); n++) {
        json_object_put(qtest_event(f->qt, name));
    }
    return n;
}

static void assert_refusals(Fixture *f, unsigned count)
{
    g_assert_cmpuint(take(f, "MEM_UNPLUG_ERROR"), ==, count);
    g_assert_cmpuint(take(f, "DEVICE_UNPLUG_GUEST_ERROR"), ==, count);
}

static unsigned dimm_count(Fixture *f)
{
    g_autoptr(json_object) list = qtest_qmp(f->qt, "query-memory-devices", NULL);

    return (unsigned)json_object_array_length(list);
}

static void assert_state(Fixture *f, const char *state)
{
    g_autoptr(json_object) list = qtest_qmp(f->qt, "query-memory-devices", NULL);

    g_assert_cmpuint(json_object_array_length(list), ==, 1);
    g_assert_cmpstr(qtest_get_str(list, "0.data.state"), ==, state);
}

/* The memory is there, and is a memory of its own. */
static void assert_works(Fixture *f, const OspmDimm *dimm)
{
    qtest_writeq(f->qt, dimm->base, 0x1122334455667788);
    qtest_writeq(f->qt, dimm->base + dimm->size - 8, 0x99aabbccddeeff00);
    g_assert_cmphex(qtest_readq(f->qt, dimm->base), ==, 0x1122334455667788);
    g_assert_cmphex(qtest_readq(f->qt, dimm->base + dimm->size - 8), ==, 0x99aabbccddeeff00);
}

/* A good guest takes a DIMM in the last slot. Events are all taken. */
static OspmDimm bring_in(Fixture *f)
{
    plug(f, f->last);
    g_assert_cmpuint(ospm_run(f->ospm), ==, 1);
    assert_states(f, "inserted noticed online");
    assert_osts(f, "1:0x0");
    g_assert_nonnull(ospm_dimm(f->ospm, f->last));
    return *ospm_dimm(f->ospm, f->last);
}

/* It is gone, and nothing of it is left. */
static void assert_gone(Fixture *f, const OspmDimm *dimm)
{
    g_autoptr(json_object) deleted = qtest_event(f->qt, "DEVICE_DELETED");
    g_autofree char *id = g_strdup_printf("d%u", f->last);
    g_autofree char *backend = g_strdup_printf("m%u", f->last);

    g_assert_cmpstr(qtest_get_str(deleted, "data.device"), ==, id);
    g_assert_cmpuint(take(f, "DEVICE_DELETED"), ==, 0);
    g_assert_cmpuint(dimm_count(f), ==, 0);
    g_assert_cmphex(ospm_sta(f->ospm, f->last), ==, 0);
    g_assert_cmphex(qtest_readq(f->qt, dimm->base), ==, UINT64_MAX);
    qtest_qmp_ok(f->qt, "object-del", "{'id': %s}", backend);
}

/* ---- the paths ---- */

static void path_boot(Fixture *f)
{
    g_assert_cmpuint(ospm_slots(f->ospm), ==, f->slots);
    for (unsigned n = 0; n < f->slots; n++) {
        g_assert_cmphex(ospm_sta(f->ospm, n), ==, 0);
        g_assert_null(ospm_dimm(f->ospm, n));
    }
    g_assert_false(ospm_sci(f->ospm));
    g_assert_cmpuint(ospm_run(f->ospm), ==, 0);
}

static void path_insertion(Fixture *f)
{
    g_autoptr(json_object) list = NULL;
    const OspmDimm *dimm;

    plug(f, f->last);
    assert_states(f, "inserted");
    assert_state(f, "inserted");
    g_assert_true(ospm_sci(f->ospm));
    g_assert_true(qtest_get_irq(f->qt, SCI_LINE));
    g_assert_cmpuint(ospm_run(f->ospm), ==, 1);
    g_assert_false(ospm_sci(f->ospm));
    g_assert_false(qtest_get_irq(f->qt, SCI_LINE));
    assert_states(f, "noticed online");
    assert_state(f, "online");
    assert_osts(f, "1:0x0");

    dimm = ospm_dimm(f->ospm, f->last);
    g_assert_nonnull(dimm);
    list = qtest_qmp(f->qt, "query-memory-devices", NULL);
    g_assert_cmphex((uint64_t)qtest_get_int(list, "0.data.addr"), ==, dimm->base);
    g_assert_cmphex((uint64_t)qtest_get_int(list, "0.data.size"), ==, dimm->size);
    g_assert_cmpuint((unsigned)qtest_get_int(list, "0.data.node"), ==, dimm->node);
    g_assert_cmphex(ospm_sta(f->ospm, f->last), ==, 0xf);
    assert_works(f, dimm);
}

static void path_removal(Fixture *f)
{
    OspmDimm dimm = bring_in(f);

    request_unplug(f, f->last);
    assert_states(f, "unplug-requested");
    g_assert_true(qtest_get_irq(f->qt, SCI_LINE));
    assert_works(f, &dimm); /* until the guest lets it go */
    g_assert_cmpuint(ospm_run(f->ospm), ==, 1);
    assert_states(f, "unplug-noticed unplug-in-progress");
    assert_osts(f, "3:0x84 3:0x0");
    assert_refusals(f, 0);
    assert_gone(f, &dimm);
    bring_in(f); /* slot, id and place are free again */
}

static void path_removal_without_progress(Fixture *f)
{
    OspmDimm dimm = bring_in(f);

    f->ospm->manners.no_progress = true;
    request_unplug(f, f->last);
    ospm_run(f->ospm);
    assert_states(f, "unplug-requested unplug-noticed");
    assert_osts(f, "3:0x0");
    assert_gone(f, &dimm);
}

static void path_rejection(Fixture *f)
{
    f->ospm->manners.insert_status = OSPM_LOAD_FAILED;
    plug(f, f->last);
    g_assert_cmpuint(ospm_run(f->ospm), ==, 1);
    assert_states(f, "inserted noticed rejected");
    assert_osts(f, "1:0x81");
    g_assert_null(ospm_dimm(f->ospm, f->last));
    f->ospm->manners.insert_status = OSPM_SUCCESS;
    ospm_ost(f->ospm, f->last, OSPM_DEVICE_CHECK, OSPM_SUCCESS); /* it thinks better of it */
    assert_states(f, "online");
}

static void path_refusal(Fixture *f)
{
    static const uint32_t statuses[] = { OSPM_FAILURE, OSPM_BUSY, OSPM_EJECT_FAILED, 0xdeadbeef };
    OspmDimm dimm = bring_in(f);

    for (unsigned i = 0; i < G_N_ELEMENTS(statuses); i++) {
        g_autofree char *report = g_strdup_printf("3:0x%x", statuses[i]);

        f->ospm->manners.eject_status = statuses[i];
        request_unplug(f, f->last);
        g_assert_cmpuint(ospm_run(f->ospm), ==, 1);
        assert_states(f, "unplug-requested unplug-noticed unplug-refused");
        assert_osts(f, report);
        assert_refusals(f, 1);
        assert_works(f, &dimm);
    }
    f->ospm->manners.eject_status = OSPM_SUCCESS; /* and then it does */
    request_unplug(f, f->last);
    ospm_run(f->ospm);
    assert_gone(f, &dimm);
}

static void path_no_answer(Fixture *f)
{
    const int64_t second = 1000000000;
    g_autofree char *id = g_strdup_printf("d%u", f->last);
    OspmDimm dimm = bring_in(f);

    f->ospm->manners.silent = true;
    qtest_qmp_ok(f->qt, "device_del", "{'id': %s, 'timeout': 2}", id);
    g_assert_cmpuint(ospm_run(f->ospm), ==, 1);
    assert_states(f, "unplug-requested unplug-noticed");
    qtest_clock_step(f->qt, 2 * second - 1);
    assert_refusals(f, 0);
    qtest_clock_step(f->qt, 1);
    assert_refusals(f, 1);
    assert_states(f, "online");
    assert_works(f, &dimm);
    f->ospm->manners.silent = false;
    ospm_eject(f->ospm, f->last); /* late */
    assert_gone(f, &dimm);
}

static void path_cancel(Fixture *f)
{
    g_autofree char *id = g_strdup_printf("d%u", f->last);
    OspmDimm dimm = bring_in(f);

    request_unplug(f, f->last);
    qtest_qmp_ok(f->qt, "device_del", "{'id': %s, 'cancel': true}", id);
    assert_states(f, "unplug-requested online");
    assert_refusals(f, 1);
    g_assert_cmpuint(ospm_run(f->ospm), ==, 0); /* the event is there, but no request */
    assert_osts(f, "");
    assert_works(f, &dimm);
}

static void path_asked_twice(Fixture *f)
{
    OspmDimm dimm = bring_in(f);

    f->ospm->manners.silent = true;
    request_unplug(f, f->last);
    ospm_run(f->ospm);
    request_unplug(f, f->last);
    f->ospm->manners.silent = false;
    g_assert_cmpuint(ospm_run(f->ospm), ==, 1);
    assert_states(f, "unplug-requested unplug-noticed unplug-in-progress");
    assert_gone(f, &dimm);
}

static void path_insertion_and_request(Fixture *f)
{
    OspmDimm dimm;

    f->ospm->manners.deaf = true;
    plug(f, f->last);
    dimm = ospm_crs(f->ospm, f->last);
    request_unplug(f, f->last);
    f->ospm->manners.deaf = false;
    g_assert_cmpuint(ospm_run(f->ospm), ==, 2); /* both, in this order */
    assert_osts(f, "1:0x0 3:0x84 3:0x0");
    assert_gone(f, &dimm);
}

/* Both come before the guest turns ACPI on, which clears all status. */
static void path_before_boot(Fixture *f)
{
    OspmDimm dimm;

    plug(f, f->last);
    dimm = ospm_crs(f->ospm, f->last);
    request_unplug(f, f->last);
    ospm_reboot(f->ospm);
    g_assert_cmpuint(ospm_run(f->ospm), ==, 2);
    assert_osts(f, "1:0x0 3:0x84 3:0x0");
    assert_gone(f, &dimm);
    g_assert_cmpuint(ospm_run(f->ospm), ==, 0);
}

static void path_reset(Fixture *f)
{
    OspmDimm dimm = bring_in(f);

    request_unplug(f, f->last);
    qtest_qmp_ok(f->qt, "system_reset", NULL);
    json_object_put(qtest_event(f->qt, "RESET"));
    assert_states(f, "unplug-requested inserted");
    assert_refusals(f, 1);
    ospm_reboot(f->ospm);
    g_assert_nonnull(ospm_dimm(f->ospm, f->last)); /* found at boot, without an event */
    assert_states(f, "noticed");
    g_assert_cmpuint(ospm_run(f->ospm), ==, 0);
    request_unplug(f, f->last);
    ospm_run(f->ospm);
    assert_gone(f, &dimm);
}

/* ---- guests that misbehave ---- */

static void path_eject_twice(Fixture *f)
{
    OspmDimm dimm = bring_in(f);

    f->ospm->manners.eject_twice = true;
    request_unplug(f, f->last);
    ospm_run(f->ospm);
    assert_gone(f, &dimm);
}

static void path_eject_unasked(Fixture *f)
{
    OspmDimm dimm = bring_in(f);

    for (unsigned n = 0; n < f->slots; n++) { /* the empty ones too */
        ospm_eject(f->ospm, n);
    }
    assert_refusals(f, 0);
    assert_gone(f, &dimm);
}

static void path_eject_on_insertion(Fixture *f)
{
    OspmDimm dimm;

    f->ospm->manners.eject_on_insertion = true;
    plug(f, f->last);
    dimm = ospm_crs(f->ospm, f->last);
    ospm_run(f->ospm);
    assert_states(f, "inserted noticed");
    assert_osts(f, "1:0x0");
    assert_gone(f, &dimm);
}

static void path_out_of_range(Fixture *f)
{
    static const uint32_t slots[] = { 256, 0x10000, 0x80000000, 0xffffffff };
    OspmDimm dimm = bring_in(f);

    for (unsigned i = 0; i <= G_N_ELEMENTS(slots); i++) {
        qtest_outl(f->qt, SELECT, i ? slots[i - 1] : f->slots);
        g_assert_cmphex(qtest_inl(f->qt, SELECT), ==, 0xffffffff);
        g_assert_cmphex(qtest_inb(f->qt, FLAGS), ==, 0xff);
        qtest_outb(f->qt, FLAGS, INSERT | REMOVE | EJECT);
        qtest_outl(f->qt, OST_EVENT, OSPM_EJECT_REQUEST);
        qtest_outl(f->qt, OST_STATUS, OSPM_BUSY);
    }
    assert_osts(f, "");
    assert_states(f, "");
    assert_works(f, &dimm);
    request_unplug(f, f->last);
    ospm_run(f->ospm);
    assert_gone(f, &dimm);
}

/* The status before the event, and everything byte by byte. */
static void path_wrong_order(Fixture *f)
{
    OspmDimm dimm = bring_in(f);

    request_unplug(f, f->last);
    for (unsigned i = 0; i < 4; i++) {
        qtest_outb(f->qt, (uint16_t)(SELECT + i), (uint8_t)(f->last >> (i * 8)));
    }
    qtest_outb(f->qt, OST_STATUS, OSPM_BUSY); /* reports on event 1, the last one written */
    qtest_outb(f->qt, OST_EVENT, OSPM_EJECT_REQUEST);
    assert_osts(f, "1:0x82");
    assert_refusals(f, 0);
    f->ospm->manners.bytes = true;
    ospm_run(f->ospm);
    assert_osts(f, "3:0x84 3:0x0");
    assert_states(f, "unplug-requested unplug-noticed unplug-in-progress");
    assert_gone(f, &dimm);
    bring_in(f);
}

static void path_power_button(Fixture *f)
{
    enum { PWRBTN = 1 << 8 };

    qtest_outw(f->qt, (uint16_t)(f->ospm->tables->pm1_evt + 2), PWRBTN);
    qtest_qmp_ok(f->qt, "system_powerdown", NULL);
    json_object_put(qtest_event(f->qt, "POWERDOWN"));
    g_assert_true(ospm_sci(f->ospm));
    g_assert_cmpuint(ospm_run(f->ospm), ==, 0);
    g_assert_cmpuint(f->ospm->cleared, ==, 1);
    g_assert_false(qtest_get_irq(f->qt, SCI_LINE));
}

/* Every slot at once: one event for all, and none is forgotten. */
static void path_all_slots(Fixture *f)
{
    for (unsigned n = 0; n < f->slots; n++) {
        plug(f, n);
    }
    g_assert_cmpuint(ospm_run(f->ospm), ==, f->slots);
    for (unsigned n = 0; n < f->slots; n++) {
        g_assert_nonnull(ospm_dimm(f->ospm, n));
        qtest_writeq(f->qt, ospm_dimm(f->ospm, n)->base, n);
    }
    for (unsigned n = 0; n < f->slots; n++) {
        g_assert_cmphex(qtest_readq(f->qt, ospm_dimm(f->ospm, n)->base), ==, n);
        request_unplug(f, n);
    }
    g_assert_cmpuint(ospm_run(f->ospm), ==, f->slots);
    g_assert_cmpuint(take(f, "DEVICE_DELETED"), ==, f->slots);
    g_assert_cmpuint(dimm_count(f), ==, 0);
}

/* ---- */

static const struct {
    const char *name;
    void (*run)(Fixture *f);
} paths[] = {
    { "boot", path_boot },
    { "insertion", path_insertion },
    { "removal", path_removal },
    { "removal-without-progress", path_removal_without_progress },
    { "rejection", path_rejection },
    { "refusal", path_refusal },
    { "no-answer", path_no_answer },
    { "cancel", path_cancel },
    { "asked-twice", path_asked_twice },
    { "insertion-and-request", path_insertion_and_request },
    { "reset", path_reset },
    { "before-boot", path_before_boot },
    { "eject-twice", path_eject_twice },
    { "eject-unasked", path_eject_unasked },
    { "eject-on-insertion", path_eject_on_insertion },
    { "out-of-range", path_out_of_range },
    { "wrong-order", path_wrong_order },
    { "power-button", path_power_button },
    { "all-slots", path_all_slots },
};

static void run_config(gconstpointer opaque)
{
    const Config *config = opaque;
    Fixture f = { .slots = config->slots, .last = config->slots - 1 };

    f.qt = qtest_start("-M %s -m 512M,slots=%u,maxmem=%uM", config->machine, config->slots,
                       512 + DIMM_MIB * (config->slots + 1));
    qtest_irq_intercept_in(f.qt, "ioapic");
    f.ospm = ospm_boot(f.qt);
    config->run(&f);
    ospm_free(f.ospm);
    qtest_quit(f.qt);
}

static void config_free(void *opaque)
{
    Config *config = opaque;

    g_free(config->machine);
    g_free(config);
}

static void add_machine(const char *machine)
{
    static const unsigned slots[] = { 1, 8, 256 };

    for (unsigned i = 0; i < G_N_ELEMENTS(slots); i++) {
        for (unsigned j = 0; j < G_N_ELEMENTS(paths); j++) {
            g_autofree char *path =
                g_strdup_printf("/ospm/%s/%u/%s", machine, slots[i], paths[j].name);
            Config *config = g_new(Config, 1);

            *config = (Config){ g_strdup(machine), slots[i], paths[j].run };
            g_test_add_data_func_full(path, config, run_config, config_free);
        }
    }
}

/* The newest of each machine that has hardware: it has another name, too. */
static void add_machines(void)
{
    QTest *qt = qtest_start("-M none");
    g_autoptr(json_object) list = qtest_qmp(qt, "query-machines", NULL);

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *machine = json_object_array_get_idx(list, i);

        if (json_object_object_get_ex(machine, "alias", NULL)) {
            add_machine(qtest_get_str(machine, "name"));
        }
    }
    qtest_quit(qt);
}

/* Tables that were damaged are not taken. */
static void test_damaged_tables(void)
{
    QTest *qt = qtest_start("-m 512M,slots=1,maxmem=1G");
    g_autoptr(Ospm) ospm = ospm_boot(qt);
    uint8_t rsdp[36];
    uint64_t xsdt;

    qtest_memread(qt, ospm->tables->rsdp, rsdp, sizeof(rsdp));
    memcpy(&xsdt, rsdp + 24, sizeof(xsdt));
    for (unsigned i = 0; i < 2; i++) {
        uint64_t at = i ? xsdt + 20 : ospm->tables->rsdp + 10;
        uint8_t byte = qtest_readb(qt, at);
        g_autoptr(GError) err = NULL;

        qtest_writeb(qt, at, byte ^ 1);
        g_assert_null(ospm_tables_find((OspmRead *)qtest_memread, qt, &err));
        g_assert_nonnull(err);
        g_test_message("%s", err->message);
        qtest_writeb(qt, at, byte);
    }
    ospm_tables_free(ospm_tables_find((OspmRead *)qtest_memread, qt, NULL));
    qtest_quit(qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_machines();
    g_test_add_func("/ospm/damaged-tables", test_damaged_tables);
    return g_test_run();
}
