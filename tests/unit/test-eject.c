/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ejections of memory that somebody holds: they wait, or are refused with the holder's name. */
#include "memory/address-space.h"
#include "memory/dma.h"
#include "tests/unit/mem-machine.h"
#include "util/clock.h"
#include "util/main-loop.h"
#include "util/timer.h"

#define REG(offset) (MEMHP_IO_BASE + (offset))
#define ADDR_D0     0x100000000ull
#define DELETED     "DEVICE_DELETED {\"device\":\"d0\",\"path\":\"/machine/peripheral/d0\"}\n"
#define UNPLUG_ERRORS(msg)                               \
    "MEM_UNPLUG_ERROR {\"device\":\"d0\",\"msg\":\"" msg \
    "\"}\nDEVICE_UNPLUG_GUEST_ERROR {\"device\":\"d0\",\"path\":\"/machine/peripheral/d0\"}\n"

static Machine *machine;
static const DmaSpace space = { &address_space_memory };

/* The machine with a DIMM whose memory a device holds to write to it. */
static DmaHold setup(void)
{
    DmaHold hold;

    machine = mem_machine_new("128M,slots=4,maxmem=4G");
    mem_machine_make_ready(machine);
    add_backend("m0", "2M");
    events_start();
    add_dimm("pc-dimm,id=d0,memdev=m0");
    out(REG(MEMHP_REG_SELECT), 0, 4);
    out(REG(MEMHP_REG_FLAGS), MEMHP_INSERT, 1);
    out(REG(MEMHP_REG_OST_EVENT), OST_EVENT_DEVICE_CHECK, 4);
    out(REG(MEMHP_REG_OST_STATUS), OST_STATUS_SUCCESS, 4);
    g_string_truncate(events, 0);
    g_string_truncate(states, 0);
    g_assert_true(dma_map(&space, ADDR_D0, 4096, true, "disk0", &hold));
    return hold;
}

static void teardown(void)
{
    mem_machine_free(machine);
    del_backend("m0");
    events_stop();
}

static void run_loop(void)
{
    while (main_loop_iterate(false)) {
    }
}

static Device *d0(void)
{
    return DEVICE(object_resolve("/machine/peripheral/d0", NULL));
}

static void del_d0(void)
{
    g_autoptr(GError) err = NULL;

    device_del("d0", &err);
    g_assert_no_error(err);
}

static void eject(void)
{
    out(REG(MEMHP_REG_FLAGS), MEMHP_EJECT, 1);
}

static const UnplugRecord *record(void)
{
    return &memory_hotplug_slot(memhp, 0)->unplug;
}

/* For the guest the DIMM is gone; for users it is not. */
static void assert_waits(void)
{
    run_loop();
    g_assert_nonnull(d0());
    assert_events("");
    for (unsigned at = 0; at < MEMHP_REG_NEXT; at += 4) {
        g_assert_cmphex(in(REG(at), 4), ==, 0);
    }
    g_assert_cmphex(in(REG(MEMHP_REG_NEXT), 4), ==, MEMHP_NO_SLOT);
}

static void test_waits(void)
{
    DmaHold hold = setup(), late;

    del_d0();
    eject();
    assert_waits();
    g_assert_cmpint(record()->last, ==, UNPLUG_REQUESTED);
    /* The guest, and users, may say what they like. */
    eject();
    out(REG(MEMHP_REG_FLAGS), MEMHP_INSERT | MEMHP_REMOVE, 1);
    del_d0();
    assert_waits();
    out(REG(MEMHP_REG_OST_EVENT), OST_EVENT_EJECT_REQUEST, 4);
    out(REG(MEMHP_REG_OST_STATUS), 0x82, 4);
    assert_events("ACPI_DEVICE_OST {\"info\":{\"device\":\"d0\",\"slot\":\"0\",\"slot-type\":"
                  "\"DIMM\",\"source\":3,\"status\":130}}\n");
    g_assert_false(dma_map(&space, ADDR_D0, 1, false, "late", &late));
    memset(hold.host, 0x5a, hold.size);
    dma_unmap(&hold, hold.size);
    g_assert_nonnull(d0());
    run_loop();
    assert_events(DELETED);
    g_assert_null(d0());
    g_assert_cmpint(record()->last, ==, UNPLUG_EJECTED);
    /* The backend serves another DIMM. */
    add_dimm("pc-dimm,id=d0,memdev=m0");
    g_assert_true(dma_map(&space, ADDR_D0, 1, true, "disk0", &hold));
    g_assert_cmphex(hold.host[0], ==, 0x5a);
    dma_unmap(&hold, 0);
    teardown();
}

/* Nobody asked the guest. */
static void test_guest_ejects(void)
{
    DmaHold hold = setup();

    eject();
    assert_waits();
    dma_unmap(&hold, 0);
    run_loop();
    assert_events(DELETED);
    teardown();
}

/* The time that the guest has does not run while a device is through with the memory. */
static void test_no_deadline(void)
{
    g_autoptr(GError) err = NULL;
    DmaHold hold = setup();

    device_del_within("d0", 1, &err);
    g_assert_no_error(err);
    eject();
    timers_step_to(clock_ns() + 2 * NS_PER_SEC);
    assert_waits();
    g_assert_false(device_del_cancel("d0", &err));
    g_assert_cmpstr(err->message, ==,
                    "pc-dimm 'd0': the guest has given it back, and it goes as soon as 'disk0' is "
                    "through with its memory");
    dma_unmap(&hold, 0);
    run_loop();
    assert_events(DELETED);
    teardown();
}

static void test_reset(void)
{
    DmaHold hold = setup(), other;

    del_d0();
    eject();
    assert_waits();
    machine_reset(machine);
    assert_events(UNPLUG_ERRORS("the request to give back the memory in slot 0 was withdrawn: the "
                                "machine was reset; the guest had given the memory back, which was "
                                "still in use"));
    g_assert_cmphex(in(REG(MEMHP_REG_FLAGS), 1), ==, MEMHP_ENABLED);
    g_assert_true(dma_map(&space, ADDR_D0, 1, true, "disk1", &other));
    dma_unmap(&other, 0);
    dma_unmap(&hold, 0);
    run_loop();
    assert_events("");
    g_assert_nonnull(d0());
    teardown();
}

static void test_refused(void)
{
    DmaHold hold = setup();
    RamHold *lasting;
    g_autoptr(GError) err = NULL;

    del_d0();
    assert_states("d0 accepted -> unplug-requested\n");
    lasting = ram_hold_new(pc_dimm_ram(PC_DIMM(d0())), "vhost0", true);
    eject();
    assert_events(UNPLUG_ERRORS("the guest gave back the memory in slot 0, but 'vhost0' uses it, "
                                "and does not let it go"));
    assert_states("d0 unplug-requested -> unplug-refused 133: the ejection failed\n");
    g_assert_cmpint(record()->last, ==, UNPLUG_REFUSED);
    /* It is announced to the guest again, which may use it again. */
    g_assert_cmphex(in(REG(MEMHP_REG_FLAGS), 1), ==, MEMHP_ENABLED | MEMHP_INSERT);
    g_assert_cmphex(in(REG(MEMHP_REG_NEXT), 4), ==, 0);
    out(REG(MEMHP_REG_FLAGS), MEMHP_INSERT, 1);
    /* Who asks for it now is told at once. */
    g_assert_false(device_del("d0", &err));
    g_assert_cmpstr(err->message, ==,
                    "pc-dimm 'd0' cannot be unplugged: 'vhost0' uses its memory, and does not let "
                    "it go");
    ram_hold_release(lasting);
    dma_unmap(&hold, 0);
    del_d0();
    eject();
    assert_events(DELETED);
    teardown();
}

/* Saved while it waits: where it is loaded, nobody holds the memory, and it goes. */
static void test_loaded(void)
{
    DmaHold hold = setup();
    const StateTable *state = device_class(&memhp->parent)->state;
    g_autoptr(GByteArray) saved = g_byte_array_new();
    g_autoptr(GError) err = NULL;

    del_d0();
    eject();
    state_save(state, memhp, saved);
    dma_unmap(&hold, 0);
    machine_reset(machine);
    run_loop();
    g_string_truncate(events, 0);
    state_load(state, memhp, saved->data, saved->len, &err);
    g_assert_no_error(err);
    g_assert_nonnull(d0());
    run_loop();
    assert_events(DELETED);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    clock_set_stepped();
    g_test_add_func("/eject/waits", test_waits);
    g_test_add_func("/eject/guest-ejects", test_guest_ejects);
    g_test_add_func("/eject/no-deadline", test_no_deadline);
    g_test_add_func("/eject/reset", test_reset);
    g_test_add_func("/eject/refused", test_refused);
    g_test_add_func("/eject/loaded", test_loaded);
    return g_test_run();
}
