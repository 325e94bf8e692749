/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hot-plug registers: whole transactions as a guest walks them, and a hostile guest. */
#include "memory/address-space.h"
#include "tests/unit/mem-machine.h"
#include "util/clock.h"
#include "util/main-loop.h"
#include "util/timer.h"

#define REG(offset) (MEMHP_IO_BASE + (offset))
#define ADDR_D0     0x100000000ull

static Machine *machine;

static void setup(void)
{
    machine = mem_machine_new("128M,slots=4,maxmem=4G");
    mem_machine_make_ready(machine);
    add_backend("m0", "256M");
    add_backend("m1", "128M");
    events_start();
}

static void teardown(void)
{
    mem_machine_free(machine);
    del_backend("m0");
    del_backend("m1");
    events_stop();
}

static void select_slot(uint32_t n)
{
    out(REG(MEMHP_REG_SELECT), n, 4);
}

static uint32_t flags(void)
{
    return in(REG(MEMHP_REG_FLAGS), 1);
}

static void ost(uint32_t event, uint32_t status)
{
    out(REG(MEMHP_REG_OST_EVENT), event, 4);
    out(REG(MEMHP_REG_OST_STATUS), status, 4);
}

static bool gpe_raised(void)
{
    bool raised = in(ACPI_GPE0_PORT_PC, 1) & 1u << ACPI_GPE_MEMORY_HOTPLUG;

    out(ACPI_GPE0_PORT_PC, 1u << ACPI_GPE_MEMORY_HOTPLUG, 1);
    return raised;
}

static void del_dimm(const char *id)
{
    g_autoptr(GError) err = NULL;

    device_del(id, &err);
    g_assert_no_error(err);
}

/* ---- the registers ---- */

static void test_registers(void)
{
    setup();
    add_dimm("pc-dimm,id=d0,memdev=m0");
    add_dimm("pc-dimm,id=d1,memdev=m1,slot=3");
    select_slot(0);
    g_assert_cmphex(in(REG(MEMHP_REG_ADDR_LO), 4), ==, 0);
    g_assert_cmphex(in(REG(MEMHP_REG_ADDR_HI), 4), ==, 1);
    g_assert_cmphex(in(REG(MEMHP_REG_SIZE_LO), 4), ==, 256 << 20);
    g_assert_cmphex(in(REG(MEMHP_REG_SIZE_HI), 4), ==, 0);
    g_assert_cmphex(in(REG(MEMHP_REG_PXM), 4), ==, 0);
    g_assert_cmphex(flags(), ==, MEMHP_ENABLED | MEMHP_INSERT);
    g_assert_cmphex(in(REG(MEMHP_REG_FLAGS), 4), ==, MEMHP_ENABLED | MEMHP_INSERT);
    /* parts and unaligned ones */
    g_assert_cmphex(in(REG(0x0b), 1), ==, 0x10);
    g_assert_cmphex(in(REG(0x0a), 2), ==, 0x1000);
    g_assert_cmphex(in(REG(0x01), 4), ==, 0x01000000);
    select_slot(3);
    g_assert_cmphex(in(REG(MEMHP_REG_ADDR_LO), 4), ==, 0x10000000);
    select_slot(1);
    for (unsigned at = 0; at < MEMHP_REG_NEXT; at += 4) {
        g_assert_cmphex(in(REG(at), 4), ==, 0);
    }
    g_assert_cmphex(in(REG(MEMHP_REG_IDENT), 4), ==, MEMHP_IDENT_VERSION << 16 | 4);
    /* The selector, byte by byte. */
    out(REG(1), 0xff, 1);
    g_assert_cmphex(flags(), ==, 0xff);
    out(REG(1), 0, 1);
    out(REG(0), 3, 1);
    g_assert_cmphex(in(REG(MEMHP_REG_SIZE_LO), 4), ==, 128 << 20);
    assert_events("");
    teardown();
}

static void test_selector_beyond(void)
{
    setup();
    add_dimm("pc-dimm,id=d0,memdev=m0");
    select_slot(4);
    for (unsigned at = 0; at < MEMHP_REG_NEXT; at++) {
        g_assert_cmphex(in(REG(at), 1), ==, 0xff);
    }
    g_assert_cmphex(in(REG(MEMHP_REG_NEXT), 4), ==, 0);
    out(REG(MEMHP_REG_FLAGS), 0xff, 1);
    ost(OST_EVENT_EJECT_REQUEST, 1);
    assert_events("");
    select_slot(0);
    g_assert_cmphex(flags(), ==, MEMHP_ENABLED | MEMHP_INSERT);
    teardown();
}

/* A scan as our AML does it: its length is that of the events. */
static void test_scan(void)
{
    setup();
    g_assert_cmphex(in(REG(MEMHP_REG_NEXT), 4), ==, MEMHP_NO_SLOT);
    add_dimm("pc-dimm,id=d0,memdev=m0,slot=2");
    add_dimm("pc-dimm,id=d1,memdev=m1,slot=1");
    g_assert_cmpuint(in(REG(MEMHP_REG_NEXT), 4), ==, 1);
    select_slot(1);
    out(REG(MEMHP_REG_FLAGS), MEMHP_INSERT, 1);
    g_assert_cmpuint(in(REG(MEMHP_REG_NEXT), 4), ==, 2);
    select_slot(2);
    out(REG(MEMHP_REG_FLAGS), MEMHP_INSERT, 1);
    g_assert_cmphex(in(REG(MEMHP_REG_NEXT), 4), ==, MEMHP_NO_SLOT);
    teardown();
}

/* The guest is told until it has taken each event, however often it clears the status. */
static void test_told_until_taken(void)
{
    setup();
    add_dimm("pc-dimm,id=d0,memdev=m0");
    add_dimm("pc-dimm,id=d1,memdev=m1");
    for (unsigned i = 0; i < 3; i++) {
        g_assert_true(gpe_raised());
    }
    select_slot(0);
    out(REG(MEMHP_REG_FLAGS), MEMHP_INSERT, 1);
    g_assert_true(gpe_raised());
    select_slot(1);
    out(REG(MEMHP_REG_FLAGS), MEMHP_INSERT, 1);
    g_assert_false(gpe_raised());
    /* A request: until it is seen, answered, withdrawn, or the DIMM is gone. */
    for (unsigned how = 0; how < 5; how++) {
        g_autoptr(GError) err = NULL;

        select_slot(0);
        del_dimm("d0");
        g_assert_true(gpe_raised() && gpe_raised());
        switch (how) {
        case 0:
            out(REG(MEMHP_REG_FLAGS), MEMHP_REMOVE, 1);
            break;
        case 1:
            ost(OST_EVENT_EJECT_REQUEST, 1);
            break;
        case 2:
            device_del_cancel("d0", &err);
            break;
        case 3:
            machine_reset(machine);
            break;
        default:
            out(REG(MEMHP_REG_FLAGS), MEMHP_EJECT, 1);
            break;
        }
        g_assert_false(gpe_raised());
    }
    teardown();
}

/* A guest that was told before it looked for devices, as Linux is, and found it then. */
static void test_rejected_and_found(void)
{
    setup();
    add_dimm("pc-dimm,id=d0,memdev=m0");
    select_slot(0);
    out(REG(MEMHP_REG_FLAGS), MEMHP_INSERT, 1);
    ost(OST_EVENT_DEVICE_CHECK, 1);
    assert_states(
        "d0 inserted\nd0 inserted -> noticed\nd0 noticed -> rejected 1: the guest gave no "
        "specific reason (non-specific failure)\n");
    g_assert_cmphex(in(REG(MEMHP_REG_ADDR_HI), 4), ==, 1);
    assert_states("d0 rejected -> noticed\n");
    teardown();
}

/* ---- transactions ---- */

static void plug_d0(void)
{
    add_dimm("pc-dimm,id=d0,memdev=m0");
    g_assert_true(gpe_raised());
    select_slot(0);
    g_assert_cmphex(flags(), ==, MEMHP_ENABLED | MEMHP_INSERT);
    out(REG(MEMHP_REG_FLAGS), MEMHP_INSERT, 1);
    g_assert_cmphex(flags(), ==, MEMHP_ENABLED);
    ost(OST_EVENT_DEVICE_CHECK, OST_STATUS_SUCCESS);
    assert_events("ACPI_DEVICE_OST {\"info\":{\"device\":\"d0\",\"slot\":\"0\","
                  "\"slot-type\":\"DIMM\",\"source\":1,\"status\":0}}\n");
}

static void test_sci(void)
{
    setup();
    g_assert_cmpint(sci_level, ==, 0);
    out(ACPI_GPE0_PORT_PC + 2, 1u << ACPI_GPE_MEMORY_HOTPLUG, 1);
    add_dimm("pc-dimm,id=d0,memdev=m0");
    g_assert_cmpint(sci_level, ==, 1);
    out(ACPI_GPE0_PORT_PC, 1u << ACPI_GPE_MEMORY_HOTPLUG, 1);
    g_assert_cmpint(sci_level, ==, 1);
    select_slot(0);
    out(REG(MEMHP_REG_FLAGS), MEMHP_INSERT, 1);
    g_assert_cmpint(sci_level, ==, 0);
    teardown();
}

static void test_plug_unplug(void)
{
    const UnplugRecord *t;

    setup();
    for (unsigned round = 0; round < 20; round++) {
        plug_d0();
        address_space_store(&address_space_memory, ADDR_D0, round, 4);
        del_dimm("d0");
        t = &memory_hotplug_slot(memhp, 0)->unplug;
        g_assert_cmpint(t->last, ==, UNPLUG_REQUESTED);
        g_assert_cmpint(t->at_ns[UNPLUG_REQUESTED], >=, 0);
        g_assert_true(gpe_raised());
        g_assert_cmpuint(in(REG(MEMHP_REG_NEXT), 4), ==, 0);
        g_assert_cmphex(flags(), ==, MEMHP_ENABLED | MEMHP_REMOVE);
        out(REG(MEMHP_REG_FLAGS), MEMHP_REMOVE, 1);
        g_assert_cmphex(flags(), ==, MEMHP_ENABLED);
        g_assert_cmpint(t->last, ==, UNPLUG_SEEN);
        g_assert_cmpint(t->at_ns[UNPLUG_SEEN], >=, t->at_ns[UNPLUG_REQUESTED]);
        ost(OST_EVENT_EJECT_REQUEST, OST_STATUS_IN_PROGRESS);
        /* Still there until _EJ0. */
        g_assert_cmphex(address_space_load(&address_space_memory, ADDR_D0, 4), ==, round);
        assert_events("ACPI_DEVICE_OST {\"info\":{\"device\":\"d0\",\"slot\":\"0\","
                      "\"slot-type\":\"DIMM\",\"source\":3,\"status\":132}}\n");
        out(REG(MEMHP_REG_FLAGS), MEMHP_EJECT, 1);
        assert_events("DEVICE_DELETED {\"device\":\"d0\",\"path\":\"/machine/peripheral/d0\"}\n");
        g_assert_cmpint(t->last, ==, UNPLUG_EJECTED);
        g_assert_cmpint(t->at_ns[UNPLUG_EJECTED], >=, t->at_ns[UNPLUG_SEEN]);
        g_assert_cmphex(flags(), ==, 0);
        g_assert_cmphex(address_space_load(&address_space_memory, ADDR_D0, 4), ==, 0xffffffff);
        ost(OST_EVENT_EJECT_REQUEST, OST_STATUS_SUCCESS);
        assert_events("ACPI_DEVICE_OST {\"info\":{\"slot\":\"0\",\"slot-type\":\"DIMM\","
                      "\"source\":3,\"status\":0}}\n");
    }
    teardown();
}

static void test_refusal(void)
{
    const UnplugRecord *t;

    setup();
    plug_d0();
    del_dimm("d0");
    out(REG(MEMHP_REG_FLAGS), MEMHP_REMOVE, 1);
    g_string_truncate(events, 0);
    ost(OST_EVENT_EJECT_REQUEST, 0x82);
    assert_events(
        "ACPI_DEVICE_OST {\"info\":{\"device\":\"d0\",\"slot\":\"0\",\"slot-type\":\"DIMM\","
        "\"source\":3,\"status\":130}}\n"
        "MEM_UNPLUG_ERROR {\"device\":\"d0\",\"msg\":\"the guest refused to give back the memory "
        "in slot 0: the device is busy in the guest (_OST event 0x3, status 0x82)\"}\n"
        "DEVICE_UNPLUG_GUEST_ERROR {\"device\":\"d0\",\"path\":\"/machine/peripheral/d0\"}\n");
    t = &memory_hotplug_slot(memhp, 0)->unplug;
    g_assert_cmpint(t->last, ==, UNPLUG_REFUSED);
    g_assert_cmphex(t->status, ==, 0x82);
    g_assert_cmphex(flags(), ==, MEMHP_ENABLED);
    g_assert_cmphex(address_space_load(&address_space_memory, ADDR_D0, 4), ==, 0);
    /* And once more, this time with success. */
    del_dimm("d0");
    g_assert_cmpint(t->last, ==, UNPLUG_REQUESTED);
    g_assert_cmpint(t->at_ns[UNPLUG_REFUSED], ==, -1);
    out(REG(MEMHP_REG_FLAGS), MEMHP_REMOVE | MEMHP_EJECT, 1);
    assert_events("DEVICE_DELETED {\"device\":\"d0\",\"path\":\"/machine/peripheral/d0\"}\n");
    teardown();
}

static void test_refusal_os(void)
{
    setup();
    plug_d0();
    ost(OST_EVENT_OS_EJECT, 0x81);
    g_assert_nonnull(strstr(events->str, "MEM_UNPLUG_ERROR"));
    g_assert_nonnull(strstr(events->str, "in use by an application"));
    g_string_truncate(events, 0);
    /* Not refusals */
    ost(OST_EVENT_OS_EJECT, OST_STATUS_IN_PROGRESS);
    ost(OST_EVENT_DEVICE_CHECK, 0x81);
    ost(OST_EVENT_EJECT_REQUEST, OST_STATUS_SUCCESS);
    g_assert_null(strstr(events->str, "ERROR"));
    g_string_truncate(events, 0);
    /* An empty slot has nobody to refuse for. */
    select_slot(2);
    ost(OST_EVENT_EJECT_REQUEST, 1);
    assert_events("ACPI_DEVICE_OST {\"info\":{\"slot\":\"2\",\"slot-type\":\"DIMM\",\"source\":3,"
                  "\"status\":1}}\n");
    teardown();
}

static void test_guest_ejects(void)
{
    setup();
    plug_d0();
    out(REG(MEMHP_REG_FLAGS), MEMHP_EJECT, 1);
    assert_events("DEVICE_DELETED {\"device\":\"d0\",\"path\":\"/machine/peripheral/d0\"}\n");
    g_assert_cmpint(memory_hotplug_slot(memhp, 0)->unplug.at_ns[UNPLUG_REQUESTED], ==, -1);
    out(REG(MEMHP_REG_FLAGS), MEMHP_EJECT, 1); /* an empty slot: nothing */
    assert_events("");
    teardown();
}

static void test_del_twice(void)
{
    setup();
    plug_d0();
    del_dimm("d0");
    g_assert_true(gpe_raised());
    del_dimm("d0");
    g_assert_true(gpe_raised());
    out(REG(MEMHP_REG_FLAGS), MEMHP_REMOVE, 1);
    del_dimm("d0");
    g_assert_cmpint(memory_hotplug_slot(memhp, 0)->unplug.last, ==, UNPLUG_SEEN);
    g_assert_cmphex(flags(), ==, MEMHP_ENABLED | MEMHP_REMOVE);
    out(REG(MEMHP_REG_FLAGS), MEMHP_EJECT, 1);
    assert_events("DEVICE_DELETED {\"device\":\"d0\",\"path\":\"/machine/peripheral/d0\"}\n");
    g_assert_cmphex(flags(), ==, 0);
    teardown();
}

static void test_reset(void)
{
    Device *d0;

    setup();
    plug_d0();
    d0 = DEVICE(object_resolve("/machine/peripheral/d0", NULL));
    add_dimm("pc-dimm,id=d1,memdev=m1");
    del_dimm("d0");
    g_assert_true(unplug_pending(d0->unplug));
    select_slot(7);
    machine_reset(machine);
    g_assert_false(unplug_pending(d0->unplug));
    g_assert_cmphex(flags(), ==, MEMHP_ENABLED); /* slot 0 is selected */
    select_slot(1);
    g_assert_cmphex(flags(), ==, MEMHP_ENABLED);
    g_assert_cmphex(in(REG(MEMHP_REG_NEXT), 4), ==, MEMHP_NO_SLOT);
    g_assert_false(gpe_raised());
    g_assert_cmpint(memory_hotplug_slot(memhp, 0)->unplug.last, ==, UNPLUG_WITHDRAWN);
    g_assert_cmphex(memory_hotplug_slot(memhp, 0)->ost_event, ==, 0);
    assert_events(
        "MEM_UNPLUG_ERROR {\"device\":\"d0\",\"msg\":\"the request to give back the memory in "
        "slot 0 was withdrawn: the machine was reset; the guest had not looked at it\"}\n"
        "DEVICE_UNPLUG_GUEST_ERROR {\"device\":\"d0\",\"path\":\"/machine/peripheral/d0\"}\n");
    teardown();
}

static void test_cold_plug(void)
{
    machine = mem_machine_new("128M,slots=4,maxmem=4G");
    add_backend("m0", "256M");
    add_dimm("pc-dimm,id=d0,memdev=m0");
    g_assert_false(gpe_raised());
    g_assert_cmphex(flags(), ==, MEMHP_ENABLED);
    mem_machine_free(machine);
    del_backend("m0");
}

static void test_slots_property(void)
{
    g_autoptr(GError) err = NULL;
    struct json_object *list, *item, *value;

    setup();
    plug_d0();
    del_dimm("d0");
    ost(OST_EVENT_EJECT_REQUEST, 0x85);
    list = object_property_get(OBJECT(memhp), "slots", &err);
    g_assert_no_error(err);
    g_assert_cmpuint(json_object_array_length(list), ==, 4);
    item = json_object_array_get_idx(list, 0);
    g_assert_true(json_object_object_get_ex(item, "unplug", &value));
    g_assert_cmpstr(json_object_get_string(value), ==, "refused");
    g_assert_true(json_object_object_get_ex(item, "reason", &value));
    g_assert_cmpstr(json_object_get_string(value), ==, "the ejection failed");
    g_assert_true(json_object_object_get_ex(item, "refused-ns", &value));
    g_assert_true(json_object_object_get_ex(item, "device", &value));
    g_assert_cmpstr(json_object_get_string(value), ==, "/machine/peripheral/d0");
    json_object_put(list);
    teardown();
}

static void test_status_by_bytes(void)
{
    setup();
    out(REG(MEMHP_REG_OST_EVENT), 1, 1);
    out(REG(0x09), 0x01, 1);
    assert_events("");
    out(REG(0x08), 0x02, 1);
    assert_events("ACPI_DEVICE_OST {\"info\":{\"slot\":\"0\",\"slot-type\":\"DIMM\",\"source\":1,"
                  "\"status\":258}}\n");
    out(REG(0x08), 0x02, 1); /* the upper byte was used up */
    assert_events("ACPI_DEVICE_OST {\"info\":{\"slot\":\"0\",\"slot-type\":\"DIMM\",\"source\":1,"
                  "\"status\":2}}\n");
    teardown();
}

/* ---- a hostile guest ---- */

static void check_invariants(void)
{
    g_autoptr(GPtrArray) dimms = pc_dimm_list(machine);
    unsigned filled = 0;

    for (unsigned n = 0; n < memhp->slots.count; n++) {
        const MemoryHotplugSlot *slot = memory_hotplug_slot(memhp, n);

        g_assert_true(slot->dimm || (!slot->insert_event && !slot->remove_event));
        g_assert_true(!slot->dimm || PC_DIMM(slot->dimm)->slot == (int32_t)n);
        filled += slot->dimm != NULL;
    }
    g_assert_cmpuint(dimms->len, ==, filled);
}

static void hostile_access(void)
{
    static const unsigned sizes[] = { 1, 2, 4 };
    unsigned size = sizes[g_test_rand_int_range(0, 3)];
    hwaddr port = REG((unsigned)g_test_rand_int_range(0, MEMHP_IO_SIZE + 2));
    uint32_t value = (uint32_t)g_test_rand_int();

    if (g_test_rand_bit()) {
        value &= 7;
    }
    switch (g_test_rand_int_range(0, 8)) {
    case 0:
        in(port, size);
        break;
    case 1:
        out(ACPI_GPE0_PORT_PC + (unsigned)g_test_rand_int_range(0, 5), value, size);
        break;
    case 2:
        select_slot(value & 3);
        break;
    default:
        out(port, value, size);
        break;
    }
}

static void test_hostile(void)
{
    setup();
    for (unsigned i = 0; i < 20000; i++) {
        hostile_access();
        if (i % 50 == 0) {
            try_add_dimm("pc-dimm,id=d0,memdev=m0", NULL);
            try_add_dimm("pc-dimm,id=d1,memdev=m1", NULL);
        } else if (i % 50 == 25) {
            device_del_within("d0", 1e-3, NULL);
        } else if (i % 50 == 30) {
            device_del_cancel("d1", NULL);
        } else if (i % 50 == 40) {
            timers_step_to(clock_ns() + 600 * NS_PER_US);
        } else if (i % 1000 == 999) {
            machine_reset(machine);
        }
        if (i % 100 == 0) {
            check_invariants();
            g_string_truncate(events, 0);
            g_string_truncate(states, 0);
        }
    }
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    clock_set_stepped();
    memory_init();
    g_test_add_func("/memory-hotplug/told-until-taken", test_told_until_taken);
    g_test_add_func("/memory-hotplug/rejected-and-found", test_rejected_and_found);
    g_test_add_func("/memory-hotplug/registers", test_registers);
    g_test_add_func("/memory-hotplug/selector-beyond", test_selector_beyond);
    g_test_add_func("/memory-hotplug/scan", test_scan);
    g_test_add_func("/memory-hotplug/sci", test_sci);
    g_test_add_func("/memory-hotplug/plug-unplug", test_plug_unplug);
    g_test_add_func("/memory-hotplug/refusal", test_refusal);
    g_test_add_func("/memory-hotplug/refusal-os", test_refusal_os);
    g_test_add_func("/memory-hotplug/guest-ejects", test_guest_ejects);
    g_test_add_func("/memory-hotplug/del-twice", test_del_twice);
    g_test_add_func("/memory-hotplug/reset", test_reset);
    g_test_add_func("/memory-hotplug/cold-plug", test_cold_plug);
    g_test_add_func("/memory-hotplug/slots-property", test_slots_property);
    g_test_add_func("/memory-hotplug/status-by-bytes", test_status_by_bytes);
    g_test_add_func("/memory-hotplug/hostile", test_hostile);
    return g_test_run();
}
