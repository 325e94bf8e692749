/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/mem/memory-plan.h"

#include "util/units.h"

#define PAGE        4096u
#define USUAL_DIMM  GIB  /* DIMMs are not made smaller than this to save slots for nobody */
#define SUMS_MOST   2048 /* different sums of DIMMs that are looked at, until only the best is */
#define FREE_SHARE  4    /* of a guest that tells nothing, 1/4 of boot memory is taken to be free */
#define SPARE_SHARE 2    /* of what is free, 1/2 is spent at most */
#define KEPT_SHARE  32   /* of boot memory, 1/32 stays free */
#define KEPT_MOST   (64 * MIB) /* or this */
#define PROBE_SHARE 4          /* of what can be spent, the first step takes 1/4, to see who pays */

/* The machine as it is after the steps so far. */
typedef struct Planner {
    const PlanInput *in;
    uint64_t target, total;
    uint64_t spent; /* of boot memory */
    uint64_t left;  /* that can be spent */
    bool probes;    /* the first step is to be followed by one that shows who pays */
    uint64_t room, gap;
    unsigned slots;
    MemoryPlan *plan;
} Planner;

static uint64_t round_down(uint64_t size, uint64_t unit)
{
    return size & ~(unit - 1);
}

uint64_t memory_plan_total(const PlanInput *input)
{
    uint64_t total = input->boot;

    for (unsigned i = 0; i < input->count; i++) {
        total += input->devices[i].has;
    }
    return total - MIN(input->ballooned, total);
}

static void add_step(Planner *p, PlanAction action, unsigned device, uint64_t size)
{
    const PlanStep step = { action, device, size };

    g_array_append_val(p->plan->steps, step);
}

static bool is_usable(const PlanDevice *device, PlanKind kind)
{
    return device->kind == kind && !device->fixed;
}

/* ---- more ---- */

/* What can be spent of memory of which so much is free, and so much has been spent. */
static uint64_t half_of(uint64_t free, uint64_t spent)
{
    const uint64_t half = (free + spent) / SPARE_SHARE;

    return half - MIN(spent, half);
}

/* Begin, or when @spent has changed, begin anew. */
static void find_left(Planner *p)
{
    const PlanInput *in = p->in;
    const uint64_t kept = MIN(in->boot / KEPT_SHARE, KEPT_MOST);

    if (in->free == PLAN_UNKNOWN) {
        const uint64_t half = in->boot / FREE_SHARE / SPARE_SHARE;

        p->left = half - MIN(p->spent, half);
    } else {
        p->left = MIN(half_of(in->free, p->spent), in->free - MIN(kept, in->free));
    }
    p->left += in->proven / SPARE_SHARE;
}

/* What the guest can take at once. Where that is less than is wanted, a part comes first. */
static uint64_t can_take(const Planner *p)
{
    const uint64_t most = MIN(p->left, UINT64_MAX / PLAN_COST_SHARE) * PLAN_COST_SHARE;
    const uint64_t part = MAX(most / PROBE_SHARE, MIN(most, p->in->unit));

    return p->probes && p->target > p->total + most ? part : most;
}

static void grown(Planner *p, uint64_t size)
{
    p->total += size;
    p->left -= MIN(size / PLAN_COST_SHARE, p->left);
    p->probes = false;
}

static void deflate(Planner *p)
{
    const uint64_t back = MIN(p->in->ballooned, p->target - p->total);

    if (p->in->balloon && back) {
        add_step(p, PLAN_BALLOON, 0, p->in->ballooned - back);
        p->total += back;
    }
}

static void grow_virtio_mem(Planner *p, unsigned n)
{
    const PlanDevice *device = &p->in->devices[n];
    uint64_t has = device->has;

    while (has < device->max) {
        const uint64_t most = MIN(device->max - has, p->target - p->total);
        const uint64_t more = round_down(MIN(most, can_take(p)), device->unit);

        if (!more) {
            return;
        }
        has += more;
        grown(p, more);
        add_step(p, PLAN_RESIZE, n, has);
    }
}

/* The power of 2 that is @size or above; 0 if there is none. */
static uint64_t power_of_2(uint64_t size)
{
    uint64_t power = 1;

    while (power && power < size) {
        power <<= 1;
    }
    return power;
}

/* The next DIMM, and what keeps it from being of any use. */
static uint64_t next_dimm(const Planner *p, PlanEnd *end)
{
    const uint64_t need = round_down(p->target - p->total, p->in->unit);
    const uint64_t part = power_of_2(need / MAX(p->slots / 2, 1));
    const uint64_t wanted = part ? MIN(need, MAX(part, USUAL_DIMM)) : need;
    const struct {
        uint64_t most;
        PlanEnd end;
    } limits[] = {
        { wanted, PLAN_REACHES },
        { p->in->dimms ? p->in->dimm_most : 0, PLAN_NO_DIMMS },
        { p->slots ? UINT64_MAX : 0, PLAN_NO_SLOT },
        { p->room, PLAN_NO_ROOM },
        { p->gap, PLAN_NO_PLACE },
        { can_take(p), PLAN_NO_MEMORY },
    };
    uint64_t size = UINT64_MAX;

    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
        const uint64_t most = round_down(limits[i].most, p->in->unit);

        if (most < size) {
            size = most;
            *end = limits[i].end;
        }
    }
    if (*end == PLAN_REACHES && !size && p->target - p->total >= p->in->block) {
        *end = PLAN_LARGE_UNIT;
    }
    return size;
}

static void grow_by_dimms(Planner *p)
{
    uint64_t size;

    while ((size = next_dimm(p, &p->plan->end))) {
        add_step(p, PLAN_ADD_DIMM, 0, size);
        grown(p, size);
        p->room -= size;
        p->gap -= size;
        p->slots--;
    }
}

static void grow(Planner *p)
{
    deflate(p);
    for (unsigned i = 0; i < p->in->count; i++) {
        if (is_usable(&p->in->devices[i], PLAN_VIRTIO_MEM)) {
            grow_virtio_mem(p, i);
        }
    }
    grow_by_dimms(p);
}

/* ---- less ---- */

/* A sum of DIMMs: that of another one, and @dimm. */
typedef struct Sum {
    uint64_t sum;
    unsigned from, dimm; /* indices into the sums, resp. into the devices */
} Sum;

/* Which DIMM is asked for first: one that has not refused, with the least contents, the last. */
static int compare(gconstpointer a, gconstpointer b, gpointer opaque)
{
    const unsigned ia = *(const unsigned *)a, ib = *(const unsigned *)b;
    const PlanInput *in = opaque;
    const PlanDevice *da = &in->devices[ia], *db = &in->devices[ib];

    if (da->reluctant != db->reluctant) {
        return da->reluctant ? 1 : -1;
    }
    if (da->resident != db->resident) {
        return da->resident < db->resident ? -1 : 1;
    }
    return ia < ib ? 1 : -1;
}

static GArray *candidates(const PlanInput *in)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(unsigned));

    for (unsigned i = 0; i < in->count; i++) {
        if (is_usable(&in->devices[i], PLAN_DIMM) && in->devices[i].has) {
            g_array_append_val(list, i);
        }
    }
    g_array_sort_with_data(list, compare, (gpointer)(uintptr_t)in);
    return list;
}

/* Sums up to @most of DIMMs in @list; the first is 0. Of equal ones there is the first, which is
 * made of those that are asked for first. */
static GArray *sums_of(const PlanInput *in, const GArray *list, uint64_t most)
{
    GArray *sums = g_array_new(FALSE, FALSE, sizeof(Sum));
    g_autoptr(GHashTable) known = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    Sum sum = { 0 };
    unsigned best = 0;

    g_array_append_val(sums, sum);
    for (unsigned n = 0; n < list->len; n++) {
        const unsigned before = sums->len, dimm = g_array_index(list, unsigned, n);
        const unsigned first = before < SUMS_MOST ? 0 : best;
        const unsigned last = before < SUMS_MOST ? before : best + 1;

        for (unsigned i = first; i < last; i++) {
            sum = (Sum){ g_array_index(sums, Sum, i).sum + in->devices[dimm].has, i, dimm };
            if (sum.sum <= most && g_hash_table_add(known, g_memdup2(&sum.sum, sizeof(sum.sum)))) {
                best = sum.sum > g_array_index(sums, Sum, best).sum ? sums->len : best;
                g_array_append_val(sums, sum);
            }
        }
    }
    return sums;
}

/* The least sum that is @least or more; else the largest. */
static unsigned choose(const GArray *sums, uint64_t least)
{
    unsigned chosen = 0;

    for (unsigned i = 1; i < sums->len; i++) {
        const uint64_t sum = g_array_index(sums, Sum, i).sum;
        const uint64_t so_far = g_array_index(sums, Sum, chosen).sum;

        if (so_far < least ? sum > so_far : sum >= least && sum < so_far) {
            chosen = i;
        }
    }
    return chosen;
}

/* Bytes that virtio-mem devices can give back of @excess, in their units. With @plan they do. */
static uint64_t shrink_virtio_mem(Planner *p, uint64_t excess, bool plan)
{
    uint64_t sum = 0;

    for (unsigned i = p->in->count; i-- > 0;) {
        const PlanDevice *device = &p->in->devices[i];
        uint64_t less;

        if (is_usable(device, PLAN_VIRTIO_MEM) &&
            (less = round_down(MIN(device->has, excess - sum), device->unit))) {
            sum += less;
            if (plan) {
                add_step(p, PLAN_RESIZE, i, device->has - less);
            }
        }
    }
    return sum;
}

/* The set of those that go. */
static GHashTable *remove_dimms(Planner *p, const GArray *list, const GArray *sums, unsigned chosen)
{
    GHashTable *goes = g_hash_table_new(NULL, NULL);

    for (unsigned i = chosen; i; i = g_array_index(sums, Sum, i).from) {
        g_hash_table_add(goes, GUINT_TO_POINTER(g_array_index(sums, Sum, i).dimm));
    }
    for (unsigned n = 0; n < list->len; n++) {
        const unsigned dimm = g_array_index(list, unsigned, n);

        if (g_hash_table_contains(goes, GUINT_TO_POINTER(dimm))) {
            add_step(p, PLAN_REMOVE_DIMM, dimm, p->in->devices[dimm].has);
        }
    }
    p->total -= g_array_index(sums, Sum, chosen).sum;
    p->spent -= MIN(g_array_index(sums, Sum, chosen).sum / PLAN_COST_SHARE, p->spent);
    find_left(p);
    return goes;
}

/* The size of the DIMM that does for device @n without @excess; 0: there would be no difference. */
static uint64_t rest_of(const Planner *p, unsigned n, uint64_t excess)
{
    const uint64_t has = p->in->devices[n].has, unit = p->in->unit;
    const uint64_t rest = round_down(has - MIN(excess, has) + unit - 1, unit);

    return rest && rest + unit <= has ? rest : 0;
}

/* Of the DIMMs in @list but those in @goes, *@dimm is the one that is exchanged for the smallest,
 * which has so many bytes; 0: there is none. */
static uint64_t find_exchange(const Planner *p, const GArray *list, GHashTable *goes,
                              uint64_t excess, unsigned *dimm)
{
    uint64_t size = 0;

    for (unsigned i = 0; i < list->len; i++) {
        const unsigned n = g_array_index(list, unsigned, i);
        const bool stays = !g_hash_table_contains(goes, GUINT_TO_POINTER(n));
        const uint64_t rest = stays ? rest_of(p, n, excess) : 0;

        if (rest && (!size || (rest < size &&
                               p->in->devices[n].reluctant == p->in->devices[*dimm].reluctant))) {
            *dimm = n;
            size = rest;
        }
    }
    return size;
}

/* What no sum of DIMMs comes near to: a smaller DIMM comes, and then a larger one goes. */
static void exchange(Planner *p, const GArray *list, GHashTable *goes)
{
    const uint64_t most = MIN(MIN(p->in->dimm_most, can_take(p)), MIN(p->room, p->gap));
    unsigned dimm = 0;
    const uint64_t size = find_exchange(p, list, goes, p->total - p->target, &dimm);

    if (!size) {
        return;
    }
    if (!p->in->exchange || !p->slots || size > most) {
        p->plan->end = PLAN_NO_EXCHANGE;
        return;
    }
    add_step(p, PLAN_ADD_DIMM, 0, size);
    add_step(p, PLAN_REMOVE_DIMM, dimm, p->in->devices[dimm].has);
    p->total -= p->in->devices[dimm].has - size;
}

static void inflate(Planner *p, uint64_t least)
{
    const uint64_t more = round_down(p->total - least, PAGE);

    if (p->in->balloon && more) {
        add_step(p, PLAN_BALLOON, 0, p->in->ballooned + more);
        p->total -= more;
    }
}

/* The smallest amount that could have gone. */
static uint64_t smallest_unit(const PlanInput *in)
{
    uint64_t unit = in->balloon ? PAGE : in->unit;

    for (unsigned i = 0; i < in->count; i++) {
        if (is_usable(&in->devices[i], PLAN_VIRTIO_MEM) && in->devices[i].has) {
            unit = MIN(unit, in->devices[i].unit);
        }
    }
    return unit;
}

static PlanEnd shrink_end(const Planner *p, uint64_t least)
{
    const uint64_t unit = p->in->unit, left = p->total - p->target;

    if (left >= smallest_unit(p->in) && least > p->target &&
        p->total - MIN(least, p->total) < unit) {
        return PLAN_GUEST_USES;
    }
    if (left < unit) {
        return PLAN_REACHES;
    }
    return p->plan->end == PLAN_REACHES ? PLAN_NOTHING : p->plan->end;
}

static void shrink(Planner *p)
{
    const uint64_t least = MAX(p->target, p->in->in_use);
    const uint64_t excess = p->total - MIN(least, p->total);
    const uint64_t gives = shrink_virtio_mem(p, excess, false);
    g_autoptr(GArray) list = candidates(p->in);
    g_autoptr(GArray) sums = sums_of(p->in, list, excess);
    g_autoptr(GHashTable) goes = NULL;
    const unsigned chosen = choose(sums, excess - gives);

    p->total -= shrink_virtio_mem(p, excess - g_array_index(sums, Sum, chosen).sum, true);
    goes = remove_dimms(p, list, sums, chosen);
    if (least == p->target && !p->in->balloon) {
        exchange(p, list, goes);
    }
    inflate(p, MIN(least, p->total));
    p->plan->end = shrink_end(p, least);
}

/* ---- */

MemoryPlan *memory_plan(const PlanInput *input, uint64_t target)
{
    Planner p = {
        .in = input,
        .target = target,
        .total = memory_plan_total(input),
        .spent = input->spent,
        .probes = input->slots != 1,
        .room = input->room,
        .gap = input->gap,
        .slots = input->slots,
        .plan = g_new0(MemoryPlan, 1),
    };

    p.plan->steps = g_array_new(FALSE, FALSE, sizeof(PlanStep));
    for (unsigned i = 0; i < input->count; i++) {
        p.probes &= input->devices[i].fixed || !input->devices[i].has;
    }
    find_left(&p);
    if (p.total < target) {
        grow(&p);
    } else if (p.total > target) {
        shrink(&p);
    }
    p.plan->reaches = p.total;
    return p.plan;
}

void memory_plan_free(MemoryPlan *plan)
{
    g_array_unref(plan->steps);
    g_free(plan);
}

const char *memory_plan_end_text(PlanEnd end)
{
    static const char *const texts[PLAN_ENDS] = {
        [PLAN_REACHES] = "the target is reached",
        [PLAN_NO_ROOM] = "more would be above maxmem, of which memory devices take a part also "
                         "where the guest does not have them: start the machine with a larger "
                         "-m ...,maxmem=",
        [PLAN_NO_PLACE] = "there is no free place that is large enough in the window for memory "
                          "devices",
        [PLAN_NO_SLOT] = "no slot is free for a DIMM: start the machine with more -m ...,slots=",
        [PLAN_NO_DIMMS] =
            "no DIMM can be added: by the policy, for want of ACPI, or since the guest "
            "does not take one",
        [PLAN_NO_MEMORY] = "the guest's kernel has too little free memory of its own to manage "
                           "more, or is not known to have it: boot memory, and what was added only "
                           "if the kernel may use it (Linux: memhp_default_state=online_kernel); "
                           "more boot memory would help",
        [PLAN_LARGE_UNIT] = "what is missing is less than the smallest DIMM that can be made of "
                            "this backend, by the size of its pages",
        [PLAN_GUEST_USES] = "the guest uses what it has, as it says",
        [PLAN_NO_EXCHANGE] = "what is left is in DIMMs that are larger than what is too much, and "
                             "there is no slot, room or free memory for smaller ones that would "
                             "take their place, or they are not allowed",
        [PLAN_NOTHING] = "what is left is boot memory, was refused, or is more than what is too "
                         "much",
    };

    return texts[end];
}
