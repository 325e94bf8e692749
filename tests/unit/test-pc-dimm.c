/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pc-dimm: slots, addresses, every check, and that a refusal changes nothing. */
#include <inttypes.h>

#include "hw/mem/guest-fit.h"
#include "memory/address-space.h"
#include "qom/user-object.h"
#include "tests/unit/mem-machine.h"
#include "util/keyval.h"
#include "util/main-loop.h"
#include "util/units.h"

#define WINDOW   (4 * GIB)
#define NO_WORDS ""

/* It fails, the message names @words (separated by '|'), and nothing is left of it. */
static void assert_refused(Machine *machine, const char *text, const char *words)
{
    g_autoptr(GError) err = NULL;
    g_auto(GStrv) list = g_strsplit(words, "|", -1);
    uint64_t plugged = memory_device_plugged_size(machine);
    g_autoptr(GPtrArray) before = pc_dimm_list(machine), after = NULL;

    g_assert_null(try_add_dimm(text, &err));
    g_assert_nonnull(err);
    for (char **word = list; *word; word++) {
        if (!strstr(err->message, *word)) {
            g_test_message("'%s' is not in: %s", *word, err->message);
            g_test_fail();
        }
    }
    after = pc_dimm_list(machine);
    g_assert_cmpuint(after->len, ==, before->len);
    g_assert_cmpuint(memory_device_plugged_size(machine), ==, plugged);
    g_assert_null(object_resolve("/machine/peripheral/bad", NULL));
}

static void test_choice(void)
{
    Machine *machine = mem_machine_new("128M,slots=4,maxmem=4G");
    g_autoptr(GPtrArray) list = NULL;
    PcDimm *a, *b, *c;

    add_backend("m0", "256M");
    add_backend("m1", "128M");
    add_backend("m2", "256M");
    a = add_dimm("pc-dimm,id=d0,memdev=m0");
    b = add_dimm("pc-dimm,id=d1,memdev=m1,slot=3");
    c = add_dimm("pc-dimm,memdev=m2");
    g_assert_cmphex(a->addr, ==, WINDOW);
    g_assert_cmpint(a->slot, ==, 0);
    g_assert_cmphex(b->addr, ==, WINDOW + (256 << 20));
    g_assert_cmpint(b->slot, ==, 3);
    g_assert_cmphex(c->addr, ==, WINDOW + (384 << 20));
    g_assert_cmpint(c->slot, ==, 1);
    g_assert_cmpuint(memory_device_plugged_size(machine), ==, 640 << 20);
    /* The memory is where it says. */
    address_space_store(&address_space_memory, b->addr + 8, 0x1234, 4);
    g_assert_cmphex(MEMORY_BACKEND(b->memdev)->ram->host[8], ==, 0x34);
    /* A gap is used again, lowest first; what does not fit goes behind. */
    device_unplug(&a->parent);
    g_assert_cmphex(address_space_load(&address_space_memory, WINDOW, 4), ==, 0xffffffff);
    a = add_dimm("pc-dimm,id=d0,memdev=m0");
    g_assert_cmphex(a->addr, ==, WINDOW);
    g_assert_cmpint(a->slot, ==, 0);
    list = pc_dimm_list(machine);
    g_assert_cmpuint(list->len, ==, 3);
    g_assert_true(g_ptr_array_index(list, 0) == a && g_ptr_array_index(list, 2) == c);
    mem_machine_free(machine);
    del_backend("m0");
    del_backend("m1");
    del_backend("m2");
}

static void test_gap(void)
{
    Machine *machine = mem_machine_new("128M,slots=8,maxmem=4G");
    PcDimm *dimm;

    add_backend("m0", "128M");
    add_backend("m1", "128M");
    add_backend("m2", "256M");
    add_dimm("pc-dimm,memdev=m0,addr=0x108000000"); /* 128 MiB into the window */
    dimm = add_dimm("pc-dimm,memdev=m2");
    g_assert_cmphex(dimm->addr, ==, 0x110000000); /* too large for the gap */
    dimm = add_dimm("pc-dimm,memdev=m1");
    g_assert_cmphex(dimm->addr, ==, WINDOW);
    mem_machine_free(machine);
    del_backend("m0");
    del_backend("m1");
    del_backend("m2");
}

static void test_properties(void)
{
    Machine *machine = mem_machine_new("128M,slots=2,maxmem=4G");
    g_autoptr(GError) err = NULL;
    PcDimm *dimm;
    struct json_object *value;

    add_backend("m0", "256M");
    dimm = add_dimm("pc-dimm,id=d0,memdev=m0");
    value = object_property_get(OBJECT(dimm), "size", &err);
    g_assert_cmpint(json_object_get_int64(value), ==, 256 << 20);
    json_object_put(value);
    value = object_property_get(OBJECT(dimm), "memdev", &err);
    g_assert_cmpstr(json_object_get_string(value), ==, "/objects/m0");
    json_object_put(value);
    g_assert_false(object_property_parse(OBJECT(dimm), "addr", "0", &err));
    g_clear_error(&err);
    g_assert_false(object_property_parse(OBJECT(dimm), "size", "1", &err));
    g_clear_error(&err);
    /* Its backend cannot go. */
    g_assert_false(user_object_del("m0", &err));
    g_assert_nonnull(strstr(err->message, "d0"));
    mem_machine_free(machine);
    del_backend("m0");
}

static void test_bad(void)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        { "pc-dimm,id=bad", "memdev|missing" },
        { "pc-dimm,id=bad,memdev=nowhere", "nowhere" },
        { "pc-dimm,id=bad,memdev=used", "used|d0" },
        { "pc-dimm,id=bad,memdev=m0,slot=4", "slot 4|0 to 3" },
        { "pc-dimm,id=bad,memdev=m0,slot=-2", "slot -2|0 to 3" },
        { "pc-dimm,id=bad,memdev=m0,slot=x", "slot" },
        { "pc-dimm,id=bad,memdev=m0,slot=0", "slot 0|d0" },
        { "pc-dimm,id=bad,memdev=m0,node=1", "DIMM property node has value 1|does not exist" },
        { "pc-dimm,id=bad,memdev=m0,node=4294967295", "node has value 4294967295" },
        { "pc-dimm,id=bad,memdev=m0,addr=0x1000", "can't add memory|0x1000|outside|0x100000000" },
        { "pc-dimm,id=bad,memdev=m0,addr=0xffffffffffe00000", "outside" },
        { "pc-dimm,id=bad,memdev=m0,addr=0x2f7e00000", "outside" }, /* ends behind the window */
        { "pc-dimm,id=bad,memdev=m0,addr=0x120100000", "address must be aligned to 0x200000" },
        { "pc-dimm,id=bad,memdev=m0,addr=0x100200000", "address range conflicts|overlaps|d0" },
        { "pc-dimm,id=bad,memdev=odd", "memory size must be|multiple|0x200000" },
        { "pc-dimm,id=bad,memdev=large", "maxmem" },
        { "pc-dimm,id=bad,memdev=m0,colour=red", "colour" },
        { "pc-dimm,id=d0,memdev=m0", "d0" },
    };
    Machine *machine = mem_machine_new("128M,slots=4,maxmem=4G");
    PcDimm *dimm;

    add_backend("used", "256M");
    add_backend("m0", "128M");
    add_backend("odd", "1M");
    add_backend("large", "3840M");
    add_dimm("pc-dimm,id=d0,memdev=used");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        assert_refused(machine, cases[i].text, cases[i].words);
    }
    /* The backend of all these refusals is free, and the first slot too. */
    dimm = add_dimm("pc-dimm,memdev=m0,addr=0x120000000");
    g_assert_cmpint(dimm->slot, ==, 1);
    /* One without an id has a path. */
    add_backend("m1", "128M");
    assert_refused(machine, "pc-dimm,id=bad,memdev=m1,addr=0x120000000",
                   "overlaps|'/machine/peripheral-anon/device[0]'");
    del_backend("m1");
    mem_machine_free(machine);
    del_backend("used");
    del_backend("m0");
    del_backend("odd");
    del_backend("large");
}

/* Advice is about the place where the user is. */
static void test_advice(void)
{
    Machine *machine = mem_machine_new("128M,slots=4,maxmem=4G");

    machine->ready = false;
    assert_refused(machine, "nosuch,id=bad", "nosuch|-device help");
    machine->ready = true;
    assert_refused(machine, "nosuch,id=bad", "nosuch|`device_add help`|qom-list-types");
    machine->ready = false;
    mem_machine_free(machine);
}

static void test_no_slots(void)
{
    Machine *machine = mem_machine_new("128M,slots=1,maxmem=4G");

    add_backend("m0", "128M");
    add_backend("m1", "128M");
    add_dimm("pc-dimm,id=d0,memdev=m0");
    assert_refused(machine, "pc-dimm,id=bad,memdev=m1", "no free slot|slots=");
    mem_machine_free(machine);
    machine = mem_machine_new("128M,slots=0,maxmem=4G");
    assert_refused(machine, "pc-dimm,id=bad,memdev=m1", "slots=|maxmem=");
    mem_machine_free(machine);
    machine = mem_machine_new("128M");
    assert_refused(machine, "pc-dimm,id=bad,memdev=m1", "slots=|maxmem=");
    mem_machine_free(machine);
    del_backend("m0");
    del_backend("m1");
}

static void test_no_room(void)
{
    Machine *machine = mem_machine_new("128M,slots=2,maxmem=512M");

    add_backend("m0", "256M");
    add_backend("m1", "256M");
    add_dimm("pc-dimm,id=d0,memdev=m0");
    assert_refused(machine, "pc-dimm,id=bad,memdev=m1", "0x10000000|0x8000000|maxmem");
    mem_machine_free(machine);
    del_backend("m0");
    del_backend("m1");
}

static void test_window(void)
{
    Machine machine = { .ram = { .size = 2 * GIB, .max_size = 16 * GIB, .slots = 8 } };

    g_assert_cmphex(memory_device_window_base(&machine, 0), ==, 4 * GIB);
    g_assert_cmphex(memory_device_window_base(&machine, 5 * GIB + 1), ==, 6 * GIB);
    g_assert_cmphex(memory_device_window_size(&machine), ==, 22 * GIB);
    machine.ram.max_size = machine.ram.size;
    g_assert_cmphex(memory_device_window_size(&machine), ==, 0);
    machine.ram.max_size = UINT64_MAX;
    machine.ram.slots = MAX_RAM_SLOTS;
    g_assert_cmphex(memory_device_window_size(&machine), >=, UINT64_MAX - (4ull << 20));
}

/* A memory-backend-file of @size in a nameless file, with align=@align. */
static void add_aligned(const char *id, const char *size, const char *align)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *text =
        g_strdup_printf("size=%s,align=%s,mem-path=%s", size, align, g_get_tmp_dir());
    struct json_object *props = keyval_parse(text, NULL, NULL);

    user_object_add("memory-backend-file", id, props, &err);
    g_assert_no_error(err);
    json_object_put(props);
}

/* What the backend asks for holds for the address, chosen or given, and for the size; and each slot
 * has the room in the window that it takes. */
static void test_alignment(void)
{
    Machine *machine = mem_machine_new("128M,slots=4,maxmem=3200M");
    PcDimm *dimm;

    add_backend("m0", "128M");
    add_aligned("m1", "1G", "1G");
    add_aligned("m2", "128M", "1G");
    add_aligned("m3", "256M", "256M");
    add_aligned("m4", "1G", "1G");
    add_dimm("pc-dimm,id=d0,memdev=m0");
    assert_refused(machine, "pc-dimm,id=bad,memdev=m2", "memory size must be|0x40000000");
    assert_refused(machine, "pc-dimm,id=bad,memdev=m1,addr=0x108000000",
                   "address must be aligned to 0x40000000");
    assert_refused(machine, "pc-dimm,id=bad,memdev=m3,addr=0x118000000",
                   "address must be aligned to 0x10000000");
    dimm = add_dimm("pc-dimm,id=d1,memdev=m1,boot=on");
    g_assert_cmphex(dimm->addr, ==, 0x140000000);
    dimm = add_dimm("pc-dimm,memdev=m3");
    g_assert_cmphex(dimm->addr, ==, 0x110000000);
    /* maxmem is used up but for this one: it still has its place. */
    dimm = add_dimm("pc-dimm,memdev=m4");
    g_assert_cmphex(dimm->addr, ==, 0x180000000);
    mem_machine_free(machine);
    for (unsigned i = 0; i < 5; i++) {
        g_autofree char *id = g_strdup_printf("m%u", i);
        del_backend(id);
    }
}

/* The map and the list cost nothing for a large window. */
static void test_huge(void)
{
    Machine *machine = mem_machine_new("128M,slots=256,maxmem=60T");
    PcDimm *dimm;

    add_backend("m0", "128M");
    dimm = add_dimm("pc-dimm,memdev=m0,slot=255,addr=0x200000000000");
    g_assert_cmphex(dimm->addr, ==, 1ull << 45);
    g_assert_cmpuint(address_space_view(&address_space_memory)->count, ==, 1);
    mem_machine_free(machine);
    del_backend("m0");
}

/* The block size of a guest whose memory ends at @end. */
static uint64_t block_size(hwaddr end)
{
    g_autoptr(GError) err = NULL;
    MemoryRegion region = { 0 };
    uint64_t block;
    RamBlock *ram = ram_block_new("ram", end - 4 * GIB, -1, false, false, 0, &err);

    g_assert_no_error(err);
    memory_region_init_ram(&region, "ram", ram);
    memory_region_add(memory_system(), 4 * GIB, &region);
    block = guest_memory_block_size();
    memory_region_remove(&region);
    memory_region_destroy(&region);
    ram_block_unref(ram);
    return block;
}

static void test_block_size(void)
{
    g_assert_cmphex(guest_memory_block_size(), ==, 128 << 20);
    g_assert_cmphex(block_size(8 * GIB), ==, 128 << 20);
    g_assert_cmphex(block_size(64 * GIB - (4 << 20)), ==, 128 << 20);
    g_assert_cmphex(block_size(64 * GIB), ==, 2 * GIB);
    g_assert_cmphex(block_size(65 * GIB), ==, GIB);
    g_assert_cmphex(block_size(65 * GIB + (256 << 20)), ==, 256 << 20);
    g_assert_cmphex(block_size(65 * GIB + (4 << 20)), ==, 128 << 20);
}

/* What users are told of a DIMM of @size: the words are in the only warning; NULL: there is none.
 */
static void assert_fit(Machine *machine, const char *size, const char *options, const char *words)
{
    g_autofree char *text = g_strdup_printf("pc-dimm,id=d0,memdev=m0%s", options);
    g_autoptr(GPtrArray) list = NULL;
    PcDimm *dimm;

    add_backend("m0", size);
    dimm = add_dimm(text);
    list = guest_fit_warnings(machine, dimm);
    g_assert_cmpuint(list ? list->len : 0, ==, words != NULL);
    if (words) {
        g_test_message("%s", (const char *)g_ptr_array_index(list, 0));
        g_assert_nonnull(strstr(g_ptr_array_index(list, 0), words));
    }
    device_unplug(&dimm->parent);
    del_backend("m0");
}

/* What users are told when it is plugged is the same. */
static void test_warned(void)
{
    if (g_test_subprocess()) {
        Machine *machine = mem_machine_new("128M,slots=4,maxmem=32G");

        assert_fit(machine, "128M", "", NULL);
        assert_fit(machine, "16G", "", "256 MiB");
        mem_machine_free(machine);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("dimmable: warning: pc-dimm 'd0': * 256 MiB at once *");
    g_test_trap_assert_stderr_unmatched("*warning*warning*");
}

/* DIMMs of the start, which come to more than each is alone; but one that is in the memory map, or
 * that comes later, is memory. */
static void test_fit_cold(void)
{
    Machine *machine = mem_machine_new("128M,slots=4,maxmem=32G");

    add_backend("m1", "2G");
    add_dimm("pc-dimm,memdev=m1");
    assert_fit(machine, "2G", "", NULL);
    assert_fit(machine, "2176M", "",
               "66 MiB at once to manage all DIMMs of its start, and has 128");
    add_backend("m2", "128M");
    add_dimm("pc-dimm,memdev=m2,boot=on");
    assert_fit(machine, "2176M", "", NULL);
    machine->ready = true;
    assert_fit(machine, "8G", "", NULL);
    mem_machine_free(machine);
    del_backend("m1");
    del_backend("m2");
}

static void test_fit(void)
{
    Machine *machine = mem_machine_new("128M,slots=4,maxmem=32G");

    machine->ready = true;
    assert_fit(machine, "256M", "", NULL);
    assert_fit(machine, "200M", "", "its size is no multiple of 128 MiB");
    assert_fit(machine, "128M", ",addr=0x104000000", "its address 0x104000000 is no multiple");
    assert_fit(machine, "4G", "", NULL);
    assert_fit(machine, "4224M", "", "needs 66 MiB at once to manage it, and has 128 MiB");
    /* Another DIMM makes the guest larger. */
    add_backend("m1", "128M");
    add_dimm("pc-dimm,memdev=m1");
    assert_fit(machine, "4224M", "", NULL);
    mem_machine_free(machine);
    del_backend("m1");
}

/* boot=on is for cold-plugged DIMMs. */
static void test_boot(void)
{
    Machine *machine = mem_machine_new("128M,slots=4,maxmem=4G");
    PcDimm *dimm;

    add_backend("m0", "128M");
    add_backend("m1", "128M");
    dimm = add_dimm("pc-dimm,id=d0,memdev=m0,boot=on");
    g_assert_true(dimm->boot);
    g_assert_false(memory_hotplug_slot(memhp, 0)->insert_event);
    mem_machine_make_ready(machine);
    assert_refused(machine, "pc-dimm,id=bad,memdev=m1,boot=on", "boot=on|-device");
    dimm = add_dimm("pc-dimm,id=d1,memdev=m1,boot=off");
    g_assert_false(dimm->boot);
    machine_reset(machine);
    g_assert_false(dimm->boot);
    mem_machine_free(machine);
    del_backend("m0");
    del_backend("m1");
}

/* As many ranges as a guest's memory map has room for. */
static void test_boot_ranges(void)
{
    Machine *machine = mem_machine_new("128M,slots=256,maxmem=4G");
    g_autofree char *last = g_strdup_printf("m%d", MEMORY_DEVICE_BOOT_RANGES);
    g_autofree char *apart =
        g_strdup_printf("pc-dimm,id=bad,memdev=%s,boot=on,addr=0x180000000", last);
    g_autofree char *gap =
        g_strdup_printf("pc-dimm,id=d0,memdev=%s,boot=on,addr=0x100200000", last);
    g_autofree char *words = g_strdup_printf("%d ranges", MEMORY_DEVICE_BOOT_RANGES);

    for (int i = 0; i <= MEMORY_DEVICE_BOOT_RANGES; i++) {
        g_autofree char *id = g_strdup_printf("m%d", i);
        g_autofree char *text = g_strdup_printf("pc-dimm,memdev=m%d,boot=on,addr=0x%" PRIx64, i,
                                                WINDOW + (uint64_t)i * (4 * MIB));

        add_backend(id, "2M");
        if (i < MEMORY_DEVICE_BOOT_RANGES) {
            add_dimm(text);
        }
    }
    assert_refused(machine, apart, words);
    add_dimm(gap); /* closes one */
    mem_machine_free(machine);
    for (int i = 0; i <= MEMORY_DEVICE_BOOT_RANGES; i++) {
        g_autofree char *id = g_strdup_printf("m%d", i);
        del_backend(id);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    g_test_add_func("/pc-dimm/choice", test_choice);
    g_test_add_func("/pc-dimm/gap", test_gap);
    g_test_add_func("/pc-dimm/properties", test_properties);
    g_test_add_func("/pc-dimm/bad", test_bad);
    g_test_add_func("/pc-dimm/advice", test_advice);
    g_test_add_func("/pc-dimm/no-slots", test_no_slots);
    g_test_add_func("/pc-dimm/no-room", test_no_room);
    g_test_add_func("/pc-dimm/window", test_window);
    g_test_add_func("/pc-dimm/alignment", test_alignment);
    g_test_add_func("/pc-dimm/huge", test_huge);
    g_test_add_func("/pc-dimm/block-size", test_block_size);
    g_test_add_func("/pc-dimm/fit", test_fit);
    g_test_add_func("/pc-dimm/fit-cold", test_fit_cold);
    g_test_add_func("/pc-dimm/warned", test_warned);
    g_test_add_func("/pc-dimm/boot", test_boot);
    g_test_add_func("/pc-dimm/boot-ranges", test_boot_ranges);
    return g_test_run();
}
