/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The planner of memory targets: what it plans for machines that are written out, and what must
 * hold for any machine. */
#include "hw/mem/memory-plan.h"

#include <inttypes.h>
#include <string.h>

#include "util/units.h"

#define BLOCK        (128 * MIB)
#define DEVICES_MOST 10
#define ROUNDS       20000

/* ---- machines that are written out ---- */

#define DIMM(mib)                           \
    {                                       \
        .kind = PLAN_DIMM, .has = (mib)*MIB \
    }
#define TOUCHED(mib, touched)                                          \
    {                                                                  \
        .kind = PLAN_DIMM, .has = (mib)*MIB, .resident = (touched)*MIB \
    }
#define FIXED(mib)                                         \
    {                                                      \
        .kind = PLAN_DIMM, .has = (mib)*MIB, .fixed = true \
    }
#define RELUCTANT(mib)                                         \
    {                                                          \
        .kind = PLAN_DIMM, .has = (mib)*MIB, .reluctant = true \
    }
#define VMEM(mib, most)                                                               \
    {                                                                                 \
        .kind = PLAN_VIRTIO_MEM, .has = (mib)*MIB, .max = (most)*MIB, .unit = 2 * MIB \
    }
#define STUCK(mib, most)                                                               \
    {                                                                                  \
        .kind = PLAN_VIRTIO_MEM, .has = (mib)*MIB, .max = (most)*MIB, .unit = 2 * MIB, \
        .fixed = true                                                                  \
    }

/* Sizes in MiB; 0: as much as anybody wants, but for spent, proven, in_use and ballooned. */
static const struct {
    const char *name;
    unsigned boot, target;
    PlanDevice devices[DEVICES_MOST];
    unsigned ballooned, free, spent, proven, in_use, room, gap, slots, unit, most;
    bool no_slots, no_dimms, no_exchange, balloon;
    const char *steps; /* "+size" a DIMM comes, "-n" one goes, "n=size" resized, "b=size" balloon */
    PlanEnd end;
} cases[] = {
    { .name = "nothing to do", .boot = 1024, .target = 1024, .steps = "" },
    { .name = "less than a block", .boot = 1024, .target = 1151, .steps = "" },
    { .name = "one DIMM", .boot = 1024, .target = 2048, .steps = "+1024" },
    { .name = "whole blocks only", .boot = 1024, .target = 2047, .steps = "+896" },
    { .name = "hosts' large pages",
      .boot = 1024,
      .target = 4000,
      .unit = 1024,
      .steps = "+1024 +1024",
      .end = PLAN_LARGE_UNIT },
    { .name = "hosts' huge pages",
      .boot = 2048,
      .target = 6144,
      .unit = 16384,
      .steps = "",
      .end = PLAN_LARGE_UNIT },
    { .name = "small guest, all that it can",
      .boot = 256,
      .target = 2304,
      .slots = 4,
      .steps = "+1024 +1024" },
    { .name = "small guest, too much: the first step is small",
      .boot = 256,
      .target = 12288,
      .slots = 4,
      .steps = "+512 +1536",
      .end = PLAN_NO_MEMORY },
    { .name = "small guest, the first step is made",
      .boot = 256,
      .target = 12288,
      .slots = 3,
      .devices = { DIMM(512) },
      .spent = 8,
      .steps = "+1536",
      .end = PLAN_NO_MEMORY },
    { .name = "small guest, DIMMs are not its kernel's",
      .boot = 256,
      .target = 12288,
      .slots = 2,
      .devices = { DIMM(512), DIMM(1536) },
      .spent = 32,
      .steps = "",
      .end = PLAN_NO_MEMORY },
    { .name = "small guest, one is its kernel's",
      .boot = 256,
      .target = 12288,
      .slots = 2,
      .devices = { DIMM(512), DIMM(1536) },
      .spent = 32,
      .proven = 192,
      .steps = "+6144",
      .end = PLAN_NO_MEMORY },
    { .name = "small guest, slots enough",
      .boot = 512,
      .target = 4608,
      .slots = 32,
      .steps = "+1024 +1024 +1024 +1024" },
    { .name = "the guest tells what is free",
      .boot = 256,
      .target = 12288,
      .slots = 4,
      .free = 20,
      .steps = "+128 +512",
      .end = PLAN_NO_MEMORY },
    { .name = "the guest tells what is free, and spent some",
      .boot = 256,
      .target = 12288,
      .slots = 4,
      .free = 18,
      .spent = 2,
      .devices = { DIMM(128) },
      .steps = "+512",
      .end = PLAN_NO_MEMORY },
    { .name = "the guest tells that little is free",
      .boot = 256,
      .target = 12288,
      .slots = 4,
      .free = 11,
      .devices = { DIMM(128) },
      .steps = "+128",
      .end = PLAN_NO_MEMORY },
    { .name = "nothing free",
      .boot = 256,
      .target = 1024,
      .free = 2,
      .steps = "",
      .end = PLAN_NO_MEMORY },
    { .name = "maxmem",
      .boot = 1024,
      .target = 8192,
      .room = 2048,
      .steps = "+1024 +1024",
      .end = PLAN_NO_ROOM },
    { .name = "no slot",
      .boot = 1024,
      .target = 2048,
      .no_slots = true,
      .steps = "",
      .end = PLAN_NO_SLOT },
    { .name = "slots run out",
      .boot = 256,
      .target = 12288,
      .slots = 1,
      .steps = "+2048",
      .end = PLAN_NO_SLOT },
    { .name = "slots run out, with memory left",
      .boot = 1024,
      .target = 12288,
      .slots = 1,
      .most = 1024,
      .steps = "+1024",
      .end = PLAN_NO_SLOT },
    { .name = "a small gap",
      .boot = 1024,
      .target = 2048,
      .gap = 300,
      .steps = "+256",
      .end = PLAN_NO_PLACE },
    { .name = "no DIMMs",
      .boot = 1024,
      .target = 2048,
      .no_dimms = true,
      .steps = "",
      .end = PLAN_NO_DIMMS },
    { .name = "small DIMMs", .boot = 1024, .target = 2048, .most = 512, .steps = "+512 +512" },
    { .name = "virtio-mem first",
      .boot = 1024,
      .target = 4096,
      .devices = { VMEM(0, 2048) },
      .steps = "0=2048 +1024" },
    { .name = "virtio-mem in steps",
      .boot = 256,
      .target = 12288,
      .devices = { VMEM(0, 16384) },
      .steps = "0=512 0=2048",
      .end = PLAN_NO_MEMORY },
    { .name = "virtio-mem, proven",
      .boot = 256,
      .target = 12288,
      .devices = { VMEM(2048, 16384) },
      .spent = 32,
      .proven = 400,
      .steps = "0=12032" },
    { .name = "virtio-mem is finer",
      .boot = 1024,
      .target = 1090,
      .devices = { VMEM(0, 2048) },
      .steps = "0=66" },
    { .name = "two of them",
      .boot = 1024,
      .target = 3072,
      .devices = { VMEM(0, 1024), VMEM(512, 1024) },
      .steps = "0=1024 1=1024" },
    { .name = "one that does not follow",
      .boot = 1024,
      .target = 3072,
      .devices = { STUCK(0, 4096) },
      .steps = "+1024 +1024" },
    { .name = "the balloon gives back first",
      .boot = 2048,
      .target = 2048,
      .ballooned = 512,
      .balloon = true,
      .steps = "b=0" },
    { .name = "a balloon that may not be used",
      .boot = 2048,
      .target = 2048,
      .ballooned = 512,
      .steps = "+512" },

    { .name = "back: one goes",
      .boot = 1024,
      .target = 1024,
      .devices = { DIMM(1024) },
      .steps = "-0" },
    { .name = "back: the last one first",
      .boot = 1024,
      .target = 2048,
      .devices = { DIMM(1024), DIMM(1024) },
      .steps = "-1" },
    { .name = "back: the one with less in it",
      .boot = 1024,
      .target = 2048,
      .devices = { TOUCHED(1024, 10), TOUCHED(1024, 20) },
      .steps = "-0" },
    { .name = "back: one that has not refused",
      .boot = 1024,
      .target = 2048,
      .devices = { DIMM(1024), RELUCTANT(1024) },
      .steps = "-0" },
    { .name = "back: the best sum",
      .boot = 1024,
      .target = 2560,
      .devices = { DIMM(2048), DIMM(1024), DIMM(512), DIMM(512) },
      .steps = "-3 -0" },
    { .name = "back: a smaller one for a larger one",
      .boot = 1024,
      .target = 4096,
      .devices = { DIMM(4096) },
      .steps = "+3072 -0" },
    { .name = "back: the rest is whole blocks",
      .boot = 1024,
      .target = 2000,
      .devices = { DIMM(2048) },
      .steps = "+1024 -0" },
    { .name = "back: the smallest exchange, after what goes without",
      .boot = 1024,
      .target = 3328,
      .devices = { DIMM(4096), DIMM(2048), DIMM(512), DIMM(4096), RELUCTANT(1024) },
      .steps = "-3 -0 -4 +256 -2" },
    { .name = "back: never below",
      .boot = 1024,
      .target = 2048,
      .devices = { DIMM(2048) },
      .no_exchange = true,
      .steps = "",
      .end = PLAN_NO_EXCHANGE },
    { .name = "back: no room for the smaller one",
      .boot = 1024,
      .target = 4096,
      .room = 2944,
      .devices = { DIMM(4096) },
      .steps = "",
      .end = PLAN_NO_EXCHANGE },
    { .name = "back: no slot for the smaller one",
      .boot = 1024,
      .target = 4096,
      .no_slots = true,
      .devices = { DIMM(4096) },
      .steps = "",
      .end = PLAN_NO_EXCHANGE },
    { .name = "back: nothing free for the smaller one",
      .boot = 1024,
      .target = 4096,
      .free = 64,
      .devices = { DIMM(4096) },
      .steps = "",
      .end = PLAN_NO_EXCHANGE },
    { .name = "back: a balloon needs no exchange",
      .boot = 1024,
      .target = 4096,
      .balloon = true,
      .devices = { DIMM(4096) },
      .steps = "b=1024" },
    { .name = "back: no exchange where the guest uses what it has",
      .boot = 1024,
      .target = 1024,
      .in_use = 4096,
      .devices = { DIMM(4096) },
      .steps = "",
      .end = PLAN_NOTHING },
    { .name = "back: boot memory stays",
      .boot = 1024,
      .target = 512,
      .devices = { DIMM(512), FIXED(512) },
      .steps = "-0",
      .end = PLAN_NOTHING },
    { .name = "back: what the guest uses",
      .boot = 1024,
      .target = 1024,
      .in_use = 1500,
      .devices = { DIMM(512), DIMM(512) },
      .steps = "-1",
      .end = PLAN_GUEST_USES },
    { .name = "back: virtio-mem",
      .boot = 1024,
      .target = 1500,
      .devices = { VMEM(1024, 2048), DIMM(512) },
      .steps = "0=476 -1" },
    { .name = "back: DIMMs and the rest",
      .boot = 1024,
      .target = 1536,
      .devices = { VMEM(1024, 2048), DIMM(2048) },
      .steps = "0=512 -1" },
    { .name = "back: virtio-mem alone, where it can",
      .boot = 1024,
      .target = 2560,
      .devices = { VMEM(1024, 2048), DIMM(1536) },
      .steps = "0=0" },
    { .name = "back: the balloon helps last",
      .boot = 1024,
      .target = 512,
      .balloon = true,
      .devices = { DIMM(512) },
      .steps = "-0 b=512" },
    { .name = "back: no balloon", .boot = 1024, .target = 512, .steps = "", .end = PLAN_NOTHING },
};

static uint64_t mib_or(unsigned mib, uint64_t otherwise)
{
    return mib ? mib * MIB : otherwise;
}

static char *describe(const MemoryPlan *plan)
{
    static const char *const signs[PLAN_ACTIONS] = {
        [PLAN_RESIZE] = "=",
        [PLAN_ADD_DIMM] = "+",
        [PLAN_REMOVE_DIMM] = "-",
        [PLAN_BALLOON] = "b=",
    };
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < plan->steps->len; i++) {
        const PlanStep *step = &g_array_index(plan->steps, PlanStep, i);
        const uint64_t number = step->action == PLAN_REMOVE_DIMM ? step->device : step->size / MIB;

        g_string_append(text, i ? " " : "");
        if (step->action == PLAN_RESIZE) {
            g_string_append_printf(text, "%u", step->device);
        }
        g_string_append_printf(text, "%s%" PRIu64, signs[step->action], number);
    }
    return g_string_free(text, FALSE);
}

static void test_case(gconstpointer data)
{
    const size_t n = GPOINTER_TO_SIZE(data);
    const PlanInput in = {
        .devices = cases[n].devices,
        .count = DEVICES_MOST,
        .boot = cases[n].boot * MIB,
        .ballooned = cases[n].ballooned * MIB,
        .free = mib_or(cases[n].free, PLAN_UNKNOWN),
        .spent = cases[n].spent * MIB,
        .proven = cases[n].proven * MIB,
        .in_use = cases[n].in_use * MIB,
        .room = mib_or(cases[n].room, 64 * GIB),
        .gap = mib_or(cases[n].gap, 64 * GIB),
        .slots = cases[n].no_slots ? 0
                 : cases[n].slots  ? cases[n].slots
                                   : 256,
        .dimms = !cases[n].no_dimms,
        .exchange = !cases[n].no_exchange,
        .unit = mib_or(cases[n].unit, BLOCK),
        .block = BLOCK,
        .dimm_most = mib_or(cases[n].most, UINT64_MAX),
        .balloon = cases[n].balloon,
    };
    g_autoptr(MemoryPlan) plan = memory_plan(&in, cases[n].target * MIB);
    g_autofree char *steps = describe(plan);

    g_assert_cmpstr(steps, ==, cases[n].steps);
    g_assert_cmpint(plan->end, ==, cases[n].end);
    g_assert_nonnull(memory_plan_end_text(plan->end));
}

/* ---- what must hold ---- */

typedef struct Model {
    PlanInput in;
    PlanDevice devices[DEVICES_MOST];
    uint64_t boot; /* at the beginning */
    uint64_t target;
    uint64_t spare; /* a DIMM of so much came on the way down */
    uint64_t gone;  /* what went on the way down */
    uint64_t cost;  /* of what came, all together */
} Model;

static uint64_t any(uint64_t below)
{
    return below ? ((uint64_t)g_test_rand_int() << 31 ^ (uint32_t)g_test_rand_int()) % below : 0;
}

static PlanDevice any_device(void)
{
    const bool dimm = any(3) > 0;
    const uint64_t unit = (2 * MIB) << any(4), max = any(4000) * unit;

    return (PlanDevice){
        .kind = dimm ? PLAN_DIMM : PLAN_VIRTIO_MEM,
        .has = dimm ? (1 + any(40)) * BLOCK : any(max / unit + 1) * unit,
        .max = max,
        .unit = unit,
        .fixed = any(4) == 0,
        .reluctant = any(4) == 0,
        .resident = any(3) * MIB,
    };
}

static void any_model(Model *m)
{
    m->in = (PlanInput){
        .devices = m->devices,
        .count = (unsigned)any(DEVICES_MOST + 1),
        .boot = (64 + any(4096)) * MIB,
        .free = any(2) ? any(GIB) : PLAN_UNKNOWN,
        .spent = any(2) ? any(64 * MIB) : 0,
        .proven = any(2) ? any(256 * MIB) : 0,
        .in_use = any(2) ? any(8 * GIB) : 0,
        .room = any(32 * GIB),
        .gap = any(32 * GIB),
        .slots = (unsigned)any(40),
        .dimms = any(4) > 0,
        .exchange = any(2) > 0,
        .unit = BLOCK << any(4),
        .block = BLOCK,
        .dimm_most = any(2) ? UINT64_MAX : any(8 * GIB),
        .balloon = any(2) > 0,
    };
    m->boot = m->in.boot;
    for (unsigned i = 0; i < m->in.count; i++) {
        m->devices[i] = any_device();
    }
    m->in.ballooned = any(4) ? 0 : any(m->in.boot / 4096) * 4096;
    m->target = any(3) ? any(24 * GIB) : memory_plan_total(&m->in);
    m->spare = m->gone = m->cost = 0;
}

/* Half of what was free of boot memory, less what was spent of that; and half of what is proven. */
static uint64_t most_cost(const Model *m)
{
    const uint64_t spent = m->in.spent - MIN(m->gone / 64, m->in.spent);
    const uint64_t free = m->in.free == PLAN_UNKNOWN ? 0 : m->in.free;
    const uint64_t half = m->in.free == PLAN_UNKNOWN ? m->boot / 8 : (free + spent) / 2;

    return half - MIN(spent, half) + m->in.proven / 2;
}

/* Each function asserts that @step may be made of @m now, and makes it. */
static void do_resize(Model *m, const PlanStep *step)
{
    PlanDevice *device = &m->devices[step->device];

    g_assert_cmpuint(step->device, <, m->in.count);
    g_assert_true(device->kind == PLAN_VIRTIO_MEM && !device->fixed);
    g_assert_cmpuint(step->size, <=, device->max);
    g_assert_cmpuint(step->size % device->unit, ==, 0);
    g_assert_cmpuint(step->size, !=, device->has);
    device->has = step->size;
}

static void do_add(Model *m, const PlanStep *step)
{
    g_assert_true(m->in.dimms || m->in.exchange);
    g_assert_cmpuint(m->in.slots, >, 0);
    g_assert_cmpuint(step->size, >, 0);
    g_assert_cmpuint(step->size % m->in.unit, ==, 0);
    g_assert_cmpuint(step->size, <=, MIN(m->in.dimm_most, MIN(m->in.room, m->in.gap)));
    m->in.slots--;
    m->in.room -= step->size;
    m->in.gap -= step->size;
    m->in.boot += step->size; /* as good as that: it does not go again */
}

static void do_remove(Model *m, const PlanStep *step)
{
    PlanDevice *device = &m->devices[step->device];

    g_assert_cmpuint(step->device, <, m->in.count);
    g_assert_true(device->kind == PLAN_DIMM && !device->fixed);
    g_assert_cmpuint(step->size, ==, device->has);
    m->gone += device->has;
    device->has = 0;
    device->fixed = true; /* once */
}

static void do_balloon(Model *m, const PlanStep *step)
{
    g_assert_true(m->in.balloon);
    m->in.ballooned = step->size;
}

static void (*const actions[PLAN_ACTIONS])(Model *m, const PlanStep *step) = {
    [PLAN_RESIZE] = do_resize,
    [PLAN_ADD_DIMM] = do_add,
    [PLAN_REMOVE_DIMM] = do_remove,
    [PLAN_BALLOON] = do_balloon,
};

static void do_step(Model *m, const PlanStep *step)
{
    const uint64_t before = memory_plan_total(&m->in);
    const bool up = before < m->target;
    uint64_t after, more;

    actions[step->action](m, step);
    after = memory_plan_total(&m->in);
    if (!up && step->action == PLAN_ADD_DIMM) {
        g_assert_true(m->in.exchange && !m->in.balloon && !m->spare);
        g_assert_cmpuint(step->size / 64, <=, most_cost(m));
        m->spare = step->size;
        return;
    }
    if (!up) {
        g_assert_cmpuint(after + m->spare, <, before); /* less than before both */
        m->spare = 0;
        g_assert_cmpuint(after, >=, MAX(m->target, m->in.in_use));
        return;
    }
    more = after - before;
    g_assert_cmpuint(after, >, before);
    g_assert_cmpuint(after, <=, m->target);
    if (step->action != PLAN_BALLOON) {
        m->cost += more / 64;
        g_assert_cmpuint(m->cost, <=, most_cost(m));
    }
}

/* The least that can be left of DIMMs and virtio-mem, by trying all there is. */
static uint64_t best_possible(const Model *m)
{
    const uint64_t total = memory_plan_total(&m->in), least = MAX(m->target, m->in.in_use);
    uint64_t best = total;

    for (unsigned set = 0; set < 1u << m->in.count; set++) {
        uint64_t left = total;
        bool possible = true;

        for (unsigned i = 0; i < m->in.count && possible; i++) {
            const bool goes = set >> i & 1;

            possible = !goes || (m->devices[i].kind == PLAN_DIMM && !m->devices[i].fixed &&
                                 m->devices[i].has <= left - MIN(least, left));
            left -= goes && possible ? m->devices[i].has : 0;
        }
        for (unsigned i = m->in.count; i-- > 0 && possible;) {
            if (m->devices[i].kind == PLAN_VIRTIO_MEM && !m->devices[i].fixed) {
                left -= MIN(m->devices[i].has, left - MIN(least, left)) & ~(m->devices[i].unit - 1);
            }
        }
        best = possible ? MIN(best, left) : best;
    }
    return best;
}

static void check_end(const Model *before, const Model *after, const MemoryPlan *plan)
{
    const uint64_t total = memory_plan_total(&before->in), reached = memory_plan_total(&after->in);
    const uint64_t away = MAX(reached, before->target) - MIN(reached, before->target);

    g_assert_cmpuint(reached, ==, plan->reaches);
    if (plan->end == PLAN_GUEST_USES) {
        g_assert_cmpuint(before->in.in_use, >, before->target);
    } else {
        g_assert_true((plan->end == PLAN_REACHES) ==
                      (away < (total < before->target ? before->in.block : before->in.unit)));
    }
    if (total > before->target && !before->in.balloon) {
        const uint64_t best = best_possible(before);

        /* Units of virtio-mem may lie in the way of the last few bytes. */
        g_assert_cmpuint(reached, <=, best + 16 * MIB);
    }
    if (total < before->target && plan->end == PLAN_NO_SLOT) {
        g_assert_cmpuint(after->in.slots, ==, 0);
    }
}

static void test_any(void)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        Model m, before;

        any_model(&m);
        before = m;
        before.in.devices = before.devices;
        g_autoptr(MemoryPlan) plan = memory_plan(&before.in, before.target);
        for (unsigned i = 0; i < plan->steps->len; i++) {
            do_step(&m, &g_array_index(plan->steps, PlanStep, i));
        }
        check_end(&before, &m, plan);
    }
}

/* As many DIMMs as there can be, all of different sizes: it takes no time, and comes near. */
static void test_many(void)
{
    g_autofree PlanDevice *devices = g_new0(PlanDevice, 256);
    PlanInput in = { .devices = devices,
                     .count = 256,
                     .boot = GIB,
                     .unit = BLOCK,
                     .block = BLOCK,
                     .free = PLAN_UNKNOWN };

    for (unsigned i = 0; i < in.count; i++) {
        devices[i] = (PlanDevice){ .kind = PLAN_DIMM, .has = (1009 + i * 37) * BLOCK };
    }
    const uint64_t total = memory_plan_total(&in), target = total / 2;
    g_autoptr(MemoryPlan) plan = memory_plan(&in, target);
    g_assert_cmpuint(plan->reaches, >=, target);
    g_assert_cmpuint(plan->reaches - target, <, total / 16);
    g_assert_cmpuint(plan->steps->len, >, 64);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/memory-plan/%s", cases[i].name);

        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_case);
    }
    g_test_add_func("/memory-plan/any", test_any);
    g_test_add_func("/memory-plan/many", test_many);
    return g_test_run();
}
