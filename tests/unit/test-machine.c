/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -m, -smp and -numa: what is accepted, and what the message says otherwise. */
#include <glib.h>
#include <string.h>

#include "hw/core/machine-ram.h"
#include "hw/core/machine.h"
#include "hw/core/numa-hmat.h"
#include "hw/core/numa.h"
#include "qom/user-object.h"
#include "util/keyval.h"
#include "util/main-loop.h"
#include "util/units.h"

static bool test_init(Machine *machine, GError **errp)
{
    return true;
}

static const HotplugHandler handlers[] = { { .device_type = "device" }, { 0 } };

static const MachineOps test_machine_ops = {
    .name = "test",
    .alias = "t",
    .description = "for this test",
    .max_cpus = 8,
    .ram_id = "pc.ram",
    .default_ram_size = 128 * MIB,
    .init = test_init,
    .hotplug = handlers,
};

static const ObjectType test_machine = {
    .name = "test-machine",
    .parent = TYPE_MACHINE,
    .instance_size = sizeof(Machine),
    .ops = &test_machine_ops,
};
OBJECT_TYPE_REGISTER(test_machine)

static Machine *make_machine(void)
{
    return machine_new(machine_type_find("test", NULL), NULL);
}

static void drop_machine(Machine *machine)
{
    object_unparent(OBJECT(machine));
    g_assert_null(machine_current());
}

static void assert_says(GError *err, const char *text, const char *input)
{
    g_assert_nonnull(err);
    if (!strstr(err->message, text)) {
        g_test_message("%s: '%s' does not contain '%s'", input, err->message, text);
        g_test_fail();
    }
}

typedef struct MemoryCase {
    const char *text;
    const char *error; /* part of the message, or NULL */
    uint64_t size, max, slots;
} MemoryCase;

static const MemoryCase memory_cases[] = {
    { "2G", NULL, 2 * GIB, 2 * GIB, 0 },
    { "512", NULL, 512 * MIB, 512 * MIB, 0 },
    { "size=1G", NULL, GIB, GIB, 0 },
    { "0", NULL, 128 * MIB, 128 * MIB, 0 },
    { "2G,slots=8,maxmem=16G", NULL, 2 * GIB, 16 * GIB, 8 },
    { "slots=8,maxmem=16G,size=2G", NULL, 2 * GIB, 16 * GIB, 8 },
    { "maxmem=16G,slots=256", NULL, 128 * MIB, 16 * GIB, 256 },
    { "2G,maxmem=4294967296,slots=2", NULL, 2 * GIB, 4 * GIB, 2 },
    { "1024,slots=2,maxmem=4096M", NULL, GIB, 4 * GIB, 2 },
    { "1024,maxmem=0x100000000,slots=2", NULL, GIB, 4 * GIB, 2 },
    { "2G,maxmem=4096,slots=2", "maxmem=4096 is", 0 },
    { "2G,slots=0,maxmem=16G", NULL, 2 * GIB, 16 * GIB, 0 },
    { "2G,maxmem=16G", NULL, 2 * GIB, 16 * GIB, 0 },
    { "2G,maxmem=2G", NULL, 2 * GIB, 2 * GIB, 0 },
    { "2G,slots=8", "maxmem", 0 },
    { "2G,slots=8,maxmem=1G", "less than", 0 },
    { "2G,maxmem=1G", "less than", 0 },
    { "2G,slots=8,maxmem=2G", "equal to", 0 },
    { "2G,slots=257,maxmem=16G", "at most 256", 0 },
    { "2G,slots=-1,maxmem=16G", "slots=-1", 0 },
    { "2G,slots=x,maxmem=16G", "slots=x", 0 },
    { "2X", "2X", 0 },
    { "", "size", 0 },
    { "2G,maxmem=", "maxmem", 0 },
    { "2G,color=red", "color", 0 },
    { "-1G", "-1G", 0 },
    { "8E", "4P", 0 },
    { "2G,slots=1,maxmem=8E", "4P", 0 },
};

static void test_memory(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(memory_cases); i++) {
        const MemoryCase *c = &memory_cases[i];
        g_autoptr(GError) err = NULL;
        Machine *machine = make_machine();
        bool ok = machine_parse_memory(machine, c->text, &err);

        if (c->error) {
            g_assert_false(ok);
            assert_says(err, c->error, c->text);
            g_assert_cmpuint(machine->ram.size, ==, 128 * MIB);
        } else {
            g_assert_no_error(err);
            g_assert_true(ok);
            g_assert_cmpuint(machine->ram.size, ==, c->size);
            g_assert_cmpuint(machine->ram.max_size, ==, c->max);
            g_assert_cmpuint(machine->ram.slots, ==, c->slots);
        }
        drop_machine(machine);
    }
}

typedef struct SmpCase {
    const char *text;
    const char *error;
    SmpTopology smp;
} SmpCase;

static const SmpCase smp_cases[] = {
    { "1", NULL, { 1, 1, 1, 1, 1, 1 } },
    { "4", NULL, { 4, 4, 1, 1, 4, 1 } },
    { "cpus=4", NULL, { 4, 4, 1, 1, 4, 1 } },
    { "2,maxcpus=8", NULL, { 2, 8, 1, 1, 8, 1 } },
    { "8,sockets=2", NULL, { 8, 8, 2, 1, 4, 1 } },
    { "8,cores=2", NULL, { 8, 8, 4, 1, 2, 1 } },
    { "8,cores=2,threads=2", NULL, { 8, 8, 2, 1, 2, 2 } },
    { "8,sockets=2,cores=2", NULL, { 8, 8, 2, 1, 2, 2 } },
    { "8,dies=2,cores=2,threads=2,sockets=1", NULL, { 8, 8, 1, 2, 2, 2 } },
    { "sockets=2,cores=3", NULL, { 6, 6, 2, 1, 3, 1 } },
    { "maxcpus=4", NULL, { 4, 4, 1, 1, 4, 1 } },
    { "0", "cpus=0", { 0 } },
    { "x", "cpus=x", { 0 } },
    { "8", NULL, { 8, 8, 1, 1, 8, 1 } },
    { "9", "from 1 to 8", { 0 } }, /* what the machine says */
    { "4,maxcpus=9", "maxcpus=9", { 0 } },
    { "4,maxcpus=2", "cpus=4", { 0 } },
    { "3,sockets=2", "must be equal", { 0 } },
    { "2,sockets=4", "must be equal", { 0 } },
    { "8,sockets=2,cores=2,threads=1", "must be equal", { 0 } },
    { "4,sockets=0", "sockets=0", { 0 } },
    { "sockets=8,cores=8,threads=8,dies=8", "too many", { 0 } },
    { "2,clusters=2", "clusters", { 0 } },
};

static void test_smp(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(smp_cases); i++) {
        const SmpCase *c = &smp_cases[i];
        g_autoptr(GError) err = NULL;
        Machine *machine = make_machine();
        bool ok = machine_parse_smp(machine, c->text, &err);

        if (c->error) {
            g_assert_false(ok);
            assert_says(err, c->error, c->text);
            g_assert_cmpuint(machine->smp.cpus, ==, 1);
        } else {
            g_assert_no_error(err);
            g_assert_cmpmem(&machine->smp, sizeof(c->smp), &c->smp, sizeof(c->smp));
        }
        drop_machine(machine);
    }
}

static void test_check(void)
{
    g_autoptr(GError) err = NULL;
    Machine *machine = machine_new(machine_type_find("none", NULL), NULL);

    g_assert_true(machine_parse_memory(machine, "1G,slots=1,maxmem=2G", NULL));
    g_assert_false(machine_init(machine, &err));
    assert_says(err, "no DIMMs", "none");
    drop_machine(machine);

    g_clear_error(&err);
    g_assert_null(machine_type_find("toaster", &err));
    assert_says(err, "toaster", "toaster");
    assert_says(err, "none", "toaster");
    g_assert_nonnull(machine_type_find("t", NULL));
}

static void test_properties(void)
{
    g_autoptr(GError) err = NULL;
    Machine *machine = make_machine();
    Object *obj = OBJECT(machine);

    struct json_object *opts =
        keyval_parse("memory.size=1G,memory.slots=2,memory.max-size=4G,smp.cpus=2", NULL, NULL);
    g_assert_true(object_set_properties(obj, opts, NULL, &err));
    g_assert_no_error(err);
    json_object_put(opts);
    g_assert_false(object_property_parse(obj, "smp", "2", &err)); /* no structure */
    assert_says(err, "smp=2", "smp");
    g_clear_error(&err);
    g_assert_true(object_property_parse(obj, "append", "a=b,c", &err));
    g_assert_cmpstr(machine->append, ==, "a=b,c");
    struct json_object *value = object_property_get(obj, "memory", &err);
    g_assert_cmpstr(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN), ==,
                    "{\"size\":1073741824,\"slots\":2,\"max-size\":4294967296}");
    g_assert_true(object_property_set(obj, "memory", value, &err));
    json_object_put(value);
    g_assert_false(machine_init(machine, &err)); /* -append without a kernel */
    assert_says(err, "-kernel", "append");
    g_clear_error(&err);
    g_clear_pointer(&machine->append, g_free);
    g_assert_true(machine_init(machine, &err));
    opts = keyval_parse("memory.size=2G", NULL, NULL);
    g_assert_false(object_set_properties(obj, opts, NULL, &err));
    assert_says(err, "can no longer be changed", "memory");
    json_object_put(opts);
    drop_machine(machine);
}

typedef struct NumaCase {
    const char *lines[8];
    const char *error;
    unsigned nodes;
    uint64_t mem[3]; /* MiB */
    int16_t cpu_node[4];
    uint8_t distance[2]; /* 0-1, 1-0 */
} NumaCase;

/* Each with -m 1G -smp 4,sockets=2. */
static const NumaCase numa_cases[] = {
    { { NULL }, NULL, 1, { 1024 }, { 0, 0, 0, 0 }, { 0 } },
    { { "node", "node" }, NULL, 2, { 512, 512 }, { 0, 0, 1, 1 }, { 20, 20 } },
    { { "node", "node", "node" }, NULL, 3, { 336, 336, 352 }, { 0, 0, 1, 1 }, { 20, 20 } },
    { { "node,mem=256M,cpus=0-2", "node,mem=768,cpus=3" },
      NULL,
      2,
      { 256, 768 },
      { 0, 0, 0, 1 },
      { 20, 20 } },
    { { "node,nodeid=1,mem=0", "node,nodeid=0,mem=1G", "dist,src=0,dst=1,val=31" },
      NULL,
      2,
      { 1024, 0 },
      { 0, 0, 1, 1 },
      { 31, 31 } },
    { { "node,mem=1G", "node,mem=1G" }, "add up", 0 },
    { { "node", "node,nodeid=0" }, "twice", 0 },
    { { "node,nodeid=2", "node" }, "missing", 0 },
    { { "node,nodeid=128" }, "nodeid=128", 0 },
    { { "node,cpus=3-1" }, "cpus=3-1", 0 },
    { { "node,cpus=0-1", "node,cpus=1" }, "CPU 1", 0 },
    { { "node,cpus=4" }, "no CPU 4", 0 },
    { { "node", "dist,src=0,dst=1,val=20" }, "no node 1", 0 },
    { { "node", "node", "dist,src=0,dst=1,val=10" }, "val=10", 0 },
    { { "node", "node", "dist,src=0,dst=1" }, "val=", 0 },
    { { "node,cpus=0,cpus=3", "node,cpus=1-2" },
      NULL,
      2,
      { 512, 512 },
      { 0, 1, 1, 0 },
      { 20, 20 } },
    { { "node", "node", "cpu,node-id=1,socket-id=0", "cpu,node-id=0,socket-id=1,core-id=1" },
      NULL,
      2,
      { 512, 512 },
      { 1, 1, 0, 0 },
      { 20, 20 } },
    { { "cpu,node-id=0" }, "socket-id=", 0 },
    { { "cpu,socket-id=0" }, "node-id=", 0 },
    { { "node", "cpu,node-id=1,socket-id=0" }, "no such node", 0 },
    { { "node", "cpu,node-id=0,socket-id=2" }, "2 sockets", 0 },
    { { "node", "cpu,node-id=0,sock=2" }, "'sock'", 0 },
    { { "node,cpus=0", "node", "cpu,node-id=1,socket-id=0" }, "CPU 0 is in node 0", 0 },
    { { "node,mem=1G,memdev=m0" }, "exclude each other", 0 },
    { { "hmat-side" }, "hmat-side", 0 },
    { { "node,mem=abc" }, "mem", 0 },
    { { "node,mem=8E" }, "4P", 0 },
    /* What nothing is said of goes into node 0 if there is something said of others. */
    { { "node", "node,cpus=0" }, NULL, 2, { 512, 512 }, { 1, 0, 0, 0 }, { 20, 20 } },
    { { "node", "node", "cpu,node-id=1,socket-id=0" },
      NULL,
      2,
      { 512, 512 },
      { 1, 1, 0, 0 },
      { 20, 20 } },
    { { "node", "node", "dist,src=0,dst=1,val=21", "dist,src=1,dst=0,val=31" },
      NULL,
      2,
      { 512, 512 },
      { 0, 0, 1, 1 },
      { 21, 31 } },
    { { "node", "node", "node", "dist,src=0,dst=1,val=20" }, "nodes 0 and 2", 0 },
    { { "node", "node", "node", "dist,src=0,dst=1,val=20", "dist,src=1,dst=0,val=30",
        "dist,src=2,dst=0,val=30", "dist,src=2,dst=1,val=30" },
      "node 0 to 2",
      0 },
    { { "node,initiator=0" }, "hmat=on", 0 },
    { { "node,initiator=128" }, "initiator=128", 0 },
};

static void test_numa(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(numa_cases); i++) {
        const NumaCase *c = &numa_cases[i];
        g_autoptr(GError) err = NULL;
        Machine *machine = make_machine();
        bool ok = true;

        g_assert_true(machine_parse_memory(machine, "1G", NULL));
        g_assert_true(machine_parse_smp(machine, "4,sockets=2", NULL));
        for (unsigned n = 0; ok && c->lines[n]; n++) {
            ok = numa_parse(&machine->numa, c->lines[n], &err);
        }
        ok = ok && numa_complete(&machine->numa, &machine->cpu_slots, machine->ram.size, &err);
        if (c->error) {
            g_assert_false(ok);
            assert_says(err, c->error, c->lines[0]);
        } else {
            g_assert_no_error(err);
            g_assert_cmpuint(machine->numa.num_nodes, ==, c->nodes);
            for (unsigned n = 0; n < c->nodes; n++) {
                g_assert_cmpuint(machine->numa.nodes[n].mem / MIB, ==, c->mem[n]);
                g_assert_cmpuint(machine->numa.nodes[n].distance[n], ==, 10);
            }
            g_assert_cmpmem(machine->numa.cpu_node, sizeof(c->cpu_node), c->cpu_node,
                            sizeof(c->cpu_node));
            g_assert_cmpuint(machine->numa.nodes[0].distance[1], ==, c->distance[0]);
            g_assert_cmpuint(machine->numa.nodes[1].distance[0], ==, c->distance[1]);
        }
        drop_machine(machine);
    }
}

/* A list of CPUs with a wrong one places none of them. */
static void test_numa_half(void)
{
    Machine *machine = make_machine();
    g_autoptr(GError) err = NULL;

    g_assert_true(machine_parse_smp(machine, "4,sockets=2", NULL));
    g_assert_true(numa_parse(&machine->numa, "node,cpus=3", NULL));
    g_assert_false(numa_parse(&machine->numa, "node,cpus=0-1,cpus=2-3", &err));
    assert_says(err, "CPU 3", "half");
    g_assert_cmpuint(machine->numa.num_nodes, ==, 1);
    for (int i = 0; i < 3; i++) {
        g_assert_cmpint(machine->numa.cpu_node[i], ==, -1);
    }
    drop_machine(machine);
}

/* ---- HMAT ---- */

#define LB      "hmat-lb,initiator=0,target=0,hierarchy=memory,data-type="
#define LATENCY LB "access-latency,latency=5"
#define WIDTH   LB "access-bandwidth,bandwidth=2G"
#define CACHE   "hmat-cache,node-id=0,associativity=direct,policy=write-back,line=64,"

/* With -machine hmat=on -m 1G -smp 4,sockets=2, and two nodes, of which node 0 has all CPUs. */
static const struct {
    const char *lines[8];
    const char *error; /* or NULL */
} hmat_cases[] = {
    { { NULL }, NULL },
    { { LATENCY, WIDTH }, NULL },
    { { LATENCY, WIDTH, CACHE "size=1M,level=1", CACHE "size=2M,level=2" }, NULL },
    { { CACHE "size=2M,level=2", CACHE "size=1M,level=1", WIDTH, LATENCY }, NULL },
    { { LB "access-latency" }, "latency= is missing" },
    { { LB "access-latency,bandwidth=5M" }, "bandwidth= does not go" },
    { { LB "read-bandwidth,bandwidth=5M,latency=1" }, "latency= does not go" },
    { { LB "read-bandwidth,bandwidth=5K" }, "whole MiB" },
    { { LB "read-bandwidth,bandwidth=fast" }, "bandwidth" },
    { { LB "speed,latency=1" }, "access-latency, read-latency" },
    { { LB "read-latency,latency=4294967296" }, "4294967295" },
    { { LATENCY, LATENCY }, "twice" },
    { { "hmat-lb,initiator=0,target=0,data-type=access-latency,latency=1" },
      "hierarchy= is missing" },
    { { "hmat-lb,target=0,hierarchy=memory,data-type=access-latency,latency=1" },
      "initiator= is missing" },
    { { "hmat-lb,initiator=1,target=0,hierarchy=memory,data-type=access-latency,latency=1" },
      "node 1 has no CPUs" },
    { { "hmat-lb,initiator=2,target=0,hierarchy=memory,data-type=access-latency,latency=1" },
      "there are 2" },
    { { "hmat-lb,initiator=0,target=2,hierarchy=memory,data-type=access-latency,latency=1" },
      "there are 2" },
    { { LB "read-latency,latency=1",
        "hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=read-latency,latency=100000" },
      "100000 ns" },
    { { LB "read-latency,latency=10",
        "hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=read-latency,latency=100000" },
      NULL },
    { { CACHE "size=1M,level=1" }, "latency and bandwidth" },
    { { LATENCY, CACHE "size=1M,level=1" }, "latency and bandwidth" },
    { { LATENCY, WIDTH, CACHE "size=1M,level=2" }, "level 1 is missing" },
    { { LATENCY, WIDTH, CACHE "size=1M,level=4" }, "1 to 3" },
    { { LATENCY, WIDTH, CACHE "size=0,level=1" }, "size=0" },
    { { LATENCY, WIDTH, CACHE "level=1" }, "size= is missing" },
    { { LATENCY, WIDTH, CACHE "size=1M,level=1", CACHE "size=1M,level=1" }, "twice" },
    { { LATENCY, WIDTH, CACHE "size=1M,level=1", CACHE "size=1M,level=2" }, "more than" },
    { { "hmat-cache,node-id=2,associativity=none,policy=none,line=0,size=1,level=1" },
      "there are 2" },
    { { CACHE "size=1M,level=1,colour=red" }, "colour" },
    { { "node,initiator=0" }, NULL },
    { { "node,initiator=1" }, "node 1 has no CPUs" },
    { { "node,initiator=9" }, "there are 3" },
};

static void test_hmat(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(hmat_cases); i++) {
        g_autoptr(GError) err = NULL;
        Machine *machine = make_machine();
        bool ok = numa_parse(&machine->numa, "node,cpus=0-3", NULL) &&
                  numa_parse(&machine->numa, "node", NULL);

        g_assert_true(ok);
        g_assert_true(object_property_parse(OBJECT(machine), "hmat", "on", NULL));
        g_assert_true(machine_parse_memory(machine, "1G", NULL));
        g_assert_true(machine_parse_smp(machine, "4,sockets=2", NULL));
        for (unsigned n = 0; ok && hmat_cases[i].lines[n]; n++) {
            ok = numa_parse(&machine->numa, hmat_cases[i].lines[n], &err);
        }
        ok = ok && numa_complete(&machine->numa, &machine->cpu_slots, machine->ram.size, &err);
        if (hmat_cases[i].error) {
            g_assert_false(ok);
            assert_says(err, hmat_cases[i].error, hmat_cases[i].lines[0]);
        } else {
            g_assert_no_error(err);
        }
        drop_machine(machine);
    }
}

/* Each of them says that it needs hmat=on. */
static void test_hmat_off(void)
{
    static const char *const lines[] = { LATENCY, CACHE "size=1M,level=1", "node,initiator=0" };

    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(GError) err = NULL;
        Machine *machine = make_machine();

        g_assert_true(numa_parse(&machine->numa, lines[i], NULL));
        g_assert_false(numa_complete(&machine->numa, &machine->cpu_slots, machine->ram.size, &err));
        assert_says(err, "hmat=on", lines[i]);
        drop_machine(machine);
    }
}

static void test_hmat_unit(void)
{
    Machine *machine = make_machine();

    g_assert_true(numa_parse(&machine->numa, LB "read-latency,latency=6", NULL));
    g_assert_cmpuint(numa_hmat_unit(&machine->numa, HMAT_LB_MEMORY_HIERARCHY_MEMORY,
                                    HMAT_LB_DATA_TYPE_READ_LATENCY),
                     ==, 1);
    g_assert_cmpuint(numa_hmat_unit(&machine->numa, HMAT_LB_MEMORY_HIERARCHY_MEMORY,
                                    HMAT_LB_DATA_TYPE_WRITE_LATENCY),
                     ==, 0);
    g_assert_true(numa_parse(
        &machine->numa,
        "hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=read-latency,latency=100002",
        NULL));
    g_assert_cmpuint(numa_hmat_unit(&machine->numa, HMAT_LB_MEMORY_HIERARCHY_MEMORY,
                                    HMAT_LB_DATA_TYPE_READ_LATENCY),
                     ==, 6);
    drop_machine(machine);
}

/* ---- boot RAM from memory backends ---- */

typedef struct RamCase {
    const char *memory;         /* -m, or NULL */
    const char *memory_backend; /* or NULL */
    const char *numa[3];
    const char *error; /* or NULL */
    unsigned mib;      /* boot RAM */
    unsigned mem[2];   /* MiB of the first nodes */
} RamCase;

static const RamCase ram_cases[] = {
    { "64M", NULL, { NULL }, NULL, 64, { 64 } },
    { NULL, NULL, { "node,mem=96M", "node,mem=32M" }, NULL, 128, { 96, 32 } },
    { "96M", "m64", { NULL }, "equal", 0, { 0 } },
    { "64M", "m64", { NULL }, NULL, 64, { 64 } },
    { NULL, "m64", { NULL }, NULL, 64, { 64 } },
    { NULL, "m64", { "node", "node" }, NULL, 64, { 32, 32 } },
    { "96M", NULL, { "node,memdev=m64", "node,memdev=m32" }, NULL, 96, { 64, 32 } },
    { NULL, NULL, { "node,memdev=m32", "node,memdev=m64" }, NULL, 96, { 32, 64 } },
    { "96M,slots=1,maxmem=1G",
      NULL,
      { "node,memdev=m32", "node,memdev=m64" },
      NULL,
      96,
      { 32, 64 } },
    { "64M", NULL, { "node,memdev=m64", "node" }, NULL, 64, { 64, 0 } },
    { "128M", NULL, { "node,memdev=m64", "node,memdev=m32" }, "equal", 0, { 0 } },
    { NULL, NULL, { "node,memdev=m64", "node,memdev=m64" }, "already", 0, { 0 } },
    { NULL, NULL, { "node,memdev=m64", "node,mem=64M" }, "mem=", 0, { 0 } },
    { NULL, NULL, { "node,memdev=m99" }, "'m99'", 0, { 0 } },
    { NULL, "m99", { NULL }, "'m99'", 0, { 0 } },
    { NULL, "m32", { "node,memdev=m64" }, "exclude each other", 0, { 0 } },
};

static void add_backend(const char *id, const char *size)
{
    struct json_object *props = json_object_new_object();

    json_object_object_add(props, "size", keyval_text_new(size));
    g_assert_nonnull(user_object_add("memory-backend-ram", id, props, NULL));
    json_object_put(props);
}

static bool ram_resolve(Machine *machine, const RamCase *c, GError **errp)
{
    if (c->memory) {
        g_assert_true(machine_parse_memory(machine, c->memory, NULL));
    }
    machine->ram.backend = g_strdup(c->memory_backend);
    for (unsigned n = 0; c->numa[n]; n++) {
        g_assert_true(numa_parse(&machine->numa, c->numa[n], NULL));
    }
    return machine_ram_resolve(machine, errp) &&
           numa_complete(&machine->numa, &machine->cpu_slots, machine->ram.size, errp);
}

static void test_ram(void)
{
    memory_init();
    add_backend("m32", "32M");
    add_backend("m64", "64M");
    for (size_t i = 0; i < G_N_ELEMENTS(ram_cases); i++) {
        const RamCase *c = &ram_cases[i];
        g_autoptr(GError) err = NULL;
        Machine *machine = make_machine();
        bool ok = ram_resolve(machine, c, &err);

        if (c->error) {
            g_assert_false(ok);
            assert_says(err, c->error, c->error);
            drop_machine(machine);
            continue;
        }
        g_assert_no_error(err);
        g_assert_cmpuint(machine->ram.size / MIB, ==, c->mib);
        g_assert_cmpuint(machine->numa.nodes[0].mem / MIB, ==, c->mem[0]);
        g_assert_cmpuint(machine->numa.nodes[1].mem / MIB, ==, c->mem[1]);
        MemoryRegion *ram = machine_ram_make(machine, &err);
        g_assert_no_error(err);
        g_assert_cmpuint(ram->size / MIB, ==, c->mib);
        g_assert_false(user_object_del(machine->ram.backend ? machine->ram.backend : "m64",
                                       &err)); /* in use */
        for (unsigned n = 0; ram->subregions && ram->subregions->len; n++) {
            memory_region_remove(ram->subregions->pdata[0]);
        }
        if (ram == &machine->ram.region) {
            memory_region_destroy(ram);
        }
        drop_machine(machine);
        user_object_del("pc.ram", NULL);
    }
    /* Given back with the machine. */
    g_assert_true(user_object_del("m64", NULL));
    g_assert_true(user_object_del("m32", NULL));
}

/* Boot RAM that is made of no other backend is one: its id is taken, its file perhaps given. */
static void test_ram_default(void)
{
    static const RamCase plain = { .memory = "64M" };
    static const RamCase given = { .memory = "64M", .memory_backend = "pc.ram" };
    static const RamCase nodes = { .numa = { "node,memdev=pc.ram" } };
    g_autoptr(GError) err = NULL;
    Machine *machine = make_machine();

    add_backend("pc.ram", "64M");
    g_assert_false(ram_resolve(machine, &plain, &err));
    assert_says(err, "'pc.ram'", "id");
    assert_says(err, "another id", "id");
    drop_machine(machine);
    machine = make_machine();
    g_assert_true(ram_resolve(machine, &given, NULL));
    drop_machine(machine);
    g_clear_error(&err);
    machine = make_machine();
    machine->ram.path = g_strdup("/dev/shm");
    g_assert_false(ram_resolve(machine, &given, &err));
    assert_says(err, "-mem-path", "-mem-path");
    drop_machine(machine);
    g_clear_error(&err);
    machine = make_machine();
    machine->ram.path = g_strdup("/dev/shm");
    g_assert_false(ram_resolve(machine, &nodes, &err));
    assert_says(err, "-mem-path", "-mem-path");
    drop_machine(machine);
    g_assert_true(user_object_del("pc.ram", NULL));
}

/* Threads count first, then cores, dies, sockets; who comes is counted. */
static void test_cpu_slots(void)
{
    static const CpuSlot want[] = {
        { 0, 0, 0, 1 }, { 0, 0, 2, 0 }, { 0, 1, 0, 0 }, { 1, 1, 2, 1 }
    };
    static const unsigned at[] = { 1, 4, 6, 23 };
    const SmpTopology smp = {
        .cpus = 1, .maxcpus = 24, .sockets = 2, .dies = 2, .cores = 3, .threads = 2
    };
    CpuSlots slots = { 0 };
    Device dev = { 0 };

    cpu_slots_arrange(&slots, &smp);
    g_assert_cmpuint(slots.count, ==, 24);
    for (unsigned i = 0; i < G_N_ELEMENTS(at); i++) {
        const CpuSlot *slot = &slots.list[at[i]];

        g_assert_cmpuint(slot->socket, ==, want[i].socket);
        g_assert_cmpuint(slot->die, ==, want[i].die);
        g_assert_cmpuint(slot->core, ==, want[i].core);
        g_assert_cmpuint(slot->thread, ==, want[i].thread);
    }
    g_assert_cmpuint(cpu_slots_present(&slots), ==, 0);
    slots.list[5].device = &dev;
    g_assert_cmpuint(cpu_slots_present(&slots), ==, 1);
    cpu_slots_drop(&slots);
    g_assert_cmpuint(slots.count, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/machine/memory", test_memory);
    g_test_add_func("/machine/smp", test_smp);
    g_test_add_func("/machine/check", test_check);
    g_test_add_func("/machine/properties", test_properties);
    g_test_add_func("/machine/numa", test_numa);
    g_test_add_func("/machine/numa-half", test_numa_half);
    g_test_add_func("/machine/hmat", test_hmat);
    g_test_add_func("/machine/hmat-off", test_hmat_off);
    g_test_add_func("/machine/hmat-unit", test_hmat_unit);
    g_test_add_func("/machine/ram", test_ram);
    g_test_add_func("/machine/ram-default", test_ram_default);
    g_test_add_func("/machine/cpu-slots", test_cpu_slots);
    return g_test_run();
}
