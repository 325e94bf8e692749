/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/numa.h"

#include <inttypes.h>
#include <string.h>

#include "hw/core/numa-hmat.h"
#include "hw/core/numa-internal.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/number-set.h"
#include "util/units.h"

#define LOCAL_DIST   10
#define REMOTE_DIST  20
#define SHARE_UNIT   (8 * MIB)           /* boot RAM is shared out in pieces of this */
#define MAX_NODE_MEM (UINT64_C(1) << 52) /* a sum over all nodes is below 2^64 */

/* ---- values ---- */

bool numa_check_number(const char *key, uint64_t value, uint64_t max, GError **errp)
{
    if (value > max) {
        error_set(errp, "%s=%" PRIu64 " is not right: give a number from 0 to %" PRIu64, key, value,
                  max);
        return false;
    }
    return true;
}

/* ---- node ---- */

static int first_free_node(const NumaConfig *numa)
{
    for (int i = 0; i < MAX_NODES; i++) {
        if (!numa->nodes[i].present) {
            return i;
        }
    }
    return -1;
}

#define CPU_WORDS NUMBER_SET_WORDS(MAX_CPUS - 1)

/* The CPUs that an option names; they are in no node yet. */
static bool take_cpus(const NumaConfig *numa, uint64_t *cpus, const GArray *numbers, GError **errp)
{
    for (unsigned i = 0; numbers && i < numbers->len; i++) {
        unsigned cpu = g_array_index(numbers, uint16_t, i);

        if (!numa_check_number("cpus", cpu, MAX_CPUS - 1, errp)) {
            g_prefix_error(errp, "CPU numbers: ");
            return false;
        }
        if (numa->cpu_node[cpu] >= 0) {
            error_set(errp,
                      "CPU is already assigned to node-id: %d: CPU %u is in node %d already; a CPU "
                      "has one node",
                      numa->cpu_node[cpu], cpu, numa->cpu_node[cpu]);
            return false;
        }
        cpus[cpu / 64] |= UINT64_C(1) << (cpu % 64);
    }
    return true;
}

static bool check_mem(const NumaNodeOptions *node, GError **errp)
{
    if (node->mem > MAX_NODE_MEM) {
        error_set(errp, "mem=%" PRIu64 " is more than any x86 CPU can address: the most is 4P",
                  node->mem);
        return false;
    }
    if (node->has_mem && node->memdev) {
        error_set(errp, "mem= and memdev= exclude each other: a backend has its own size");
        return false;
    }
    return true;
}

/* The number of the new node, or -1 with an error. */
static int choose_node(const NumaConfig *numa, const NumaNodeOptions *node, GError **errp)
{
    int id = node->has_nodeid ? node->nodeid : first_free_node(numa);

    if (id < 0) {
        error_set(errp, "there are too many nodes: the most is %d", MAX_NODES);
        return -1;
    }
    if (!numa_check_number("nodeid", id, MAX_NODES - 1, errp)) {
        return -1;
    }
    if (numa->nodes[id].present) {
        error_set(errp,
                  "Duplicate NUMA nodeid: %d: nodeid=%d is given twice; a node has one -numa node",
                  id, id);
        return -1;
    }
    return id;
}

static bool set_node(NumaConfig *numa, const NumaOptions *options, GError **errp)
{
    const NumaNodeOptions *given = options->u.node;
    uint64_t cpus[CPU_WORDS] = { 0 };
    int id = choose_node(numa, given, errp);

    if (id < 0 || !numa_check_number("initiator", given->initiator, MAX_NODES - 1, errp) ||
        !check_mem(given, errp) || !take_cpus(numa, cpus, given->cpus, errp)) {
        return false;
    }
    for (unsigned i = 0; i < MAX_CPUS; i++) {
        if (number_set_has(cpus, i)) {
            numa->cpu_node[i] = id;
        }
    }
    NumaNode *node = &numa->nodes[id];
    node->present = true;
    node->mem = given->mem;
    node->mem_given = given->has_mem;
    node->memdev = g_strdup(given->memdev);
    node->initiator_given = given->has_initiator;
    node->initiator = given->initiator;
    numa->num_nodes = MAX(numa->num_nodes, (unsigned)id + 1);
    return true;
}

/* ---- dist ---- */

static bool set_dist(NumaConfig *numa, const NumaOptions *options, GError **errp)
{
    const NumaDistOptions *dist = options->u.dist;

    if (!numa_check_number("src", dist->src, MAX_NODES - 1, errp) ||
        !numa_check_number("dst", dist->dst, MAX_NODES - 1, errp)) {
        return false;
    }
    if (dist->val < LOCAL_DIST || (dist->src == dist->dst) != (dist->val == LOCAL_DIST)) {
        error_set(errp,
                  "val=%u is not right: give %d from a node to itself, %d to 254 to another, and "
                  "255 if that cannot be reached",
                  dist->val, LOCAL_DIST, LOCAL_DIST + 1);
        return false;
    }
    numa->nodes[dist->src].distance[dist->dst] = dist->val;
    numa->distances_given = true;
    return true;
}

/* ---- cpu ---- */

/* An id that was given; -1: any. */
static bool take_id(const char *key, bool has, int64_t given, uint64_t max, int64_t *out,
                    GError **errp)
{
    *out = has ? given : -1;
    if (has && given < 0) {
        error_set(errp, "%s=%" PRId64 " is not right: give a number from 0 to %" PRIu64, key, given,
                  max);
        return false;
    }
    return !has || numa_check_number(key, given, max, errp);
}

static bool set_cpu(NumaConfig *numa, const NumaOptions *options, GError **errp)
{
    const NumaCpuOptions *given = options->u.cpu;
    const uint64_t max = MAX_CPUS - 1;
    NumaCpu cpu;

    if (!take_id("node-id", given->has_node_id, given->node_id, MAX_NODES - 1, &cpu.node, errp) ||
        !take_id("socket-id", given->has_socket_id, given->socket_id, max, &cpu.socket, errp) ||
        !take_id("die-id", given->has_die_id, given->die_id, max, &cpu.die, errp) ||
        !take_id("core-id", given->has_core_id, given->core_id, max, &cpu.core, errp) ||
        !take_id("thread-id", given->has_thread_id, given->thread_id, max, &cpu.thread, errp)) {
        return false;
    }
    if (given->has_cluster_id) {
        error_set(errp, "cluster-id= is not there: cores of a PC are in dies, and not in clusters");
        return false;
    }
    if (cpu.node < 0) {
        error_set(errp, "node-id= is missing: the node to put the CPU into");
        return false;
    }
    if (cpu.socket < 0 && cpu.die < 0 && cpu.core < 0 && cpu.thread < 0) {
        error_set(errp, "which CPU? give one or more of socket-id=, die-id=, core-id= and "
                        "thread-id=");
        return false;
    }
    if (!numa->cpus) {
        numa->cpus = g_array_new(FALSE, FALSE, sizeof(NumaCpu));
    }
    g_array_append_val(numa->cpus, cpu);
    return true;
}

/* ---- all kinds ---- */

bool numa_set(NumaConfig *numa, const NumaOptions *options, GError **errp)
{
    static bool (*const set[])(NumaConfig * numa, const NumaOptions *options, GError **errp) = {
        [NUMA_OPTIONS_TYPE_NODE] = set_node,
        [NUMA_OPTIONS_TYPE_DIST] = set_dist,
        [NUMA_OPTIONS_TYPE_CPU] = set_cpu,
        [NUMA_OPTIONS_TYPE_HMAT_LB] = numa_hmat_set_lb,
        [NUMA_OPTIONS_TYPE_HMAT_CACHE] = numa_hmat_set_cache,
    };

    return set[options->type](numa, options, errp);
}

bool numa_parse(NumaConfig *numa, const char *text, GError **errp)
{
    struct json_object *json = keyval_or_json_parse(text, "type", errp);

    if (!json) {
        return false;
    }
    keyval_default_suffix(json, "mem", "M");
    g_autoptr(NumaOptions) options = NumaOptions_from_json(json, NULL, errp);
    json_object_put(json);
    return options && numa_set(numa, options, errp);
}

/* ---- complete ---- */

static bool share_out_memory(NumaConfig *numa, uint64_t ram_size, GError **errp)
{
    uint64_t sum = 0;
    bool any = false;

    for (unsigned i = 0; i < numa->num_nodes; i++) {
        any |= numa->nodes[i].mem_given;
        sum += numa->nodes[i].mem;
    }
    if (any) {
        if (sum != ram_size) {
            error_set(errp,
                      "-numa: total memory for NUMA nodes (0x%" PRIx64
                      ") should equal RAM size (0x%" PRIx64 "): the nodes' mem= add up to %" PRIu64
                      " MiB, and -m says %" PRIu64 " MiB",
                      sum, ram_size, sum / MIB, ram_size / MIB);
            return false;
        }
        return true;
    }
    uint64_t share = ram_size / numa->num_nodes / SHARE_UNIT * SHARE_UNIT;
    for (unsigned i = 0; i < numa->num_nodes; i++) {
        numa->nodes[i].mem = share;
    }
    numa->nodes[numa->num_nodes - 1].mem += ram_size - share * numa->num_nodes;
    return true;
}

static bool cpu_matches(const CpuSlot *slot, const NumaCpu *spec)
{
    return (spec->socket < 0 || spec->socket == slot->socket) &&
           (spec->die < 0 || spec->die == slot->die) &&
           (spec->core < 0 || spec->core == slot->core) &&
           (spec->thread < 0 || spec->thread == slot->thread);
}

/* As it was given; g_free. */
static char *cpu_spec_text(const NumaCpu *spec)
{
    const struct {
        const char *key;
        int64_t id;
    } parts[] = { { "socket", spec->socket },
                  { "die", spec->die },
                  { "core", spec->core },
                  { "thread", spec->thread } };
    GString *text = g_string_new(NULL);

    g_string_printf(text, "-numa cpu,node-id=%" PRId64, spec->node);
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (parts[i].id >= 0) {
            g_string_append_printf(text, ",%s-id=%" PRId64, parts[i].key, parts[i].id);
        }
    }
    return g_string_free(text, FALSE);
}

/* -numa cpu, now that the topology is known. */
static bool place_named_cpus(NumaConfig *numa, const CpuSlots *slots, const NumaCpu *spec,
                             GError **errp)
{
    g_autofree char *what = cpu_spec_text(spec);
    bool any = false;

    if (!numa_node_exists(numa, spec->node)) {
        error_set(errp, "%s: there is no such node; there are %u", what, numa->num_nodes);
        return false;
    }
    for (unsigned i = 0; i < slots->count; i++) {
        if (!cpu_matches(&slots->list[i], spec)) {
            continue;
        }
        any = true;
        if (numa->cpu_node[i] >= 0 && numa->cpu_node[i] != spec->node) {
            error_set(errp,
                      "%s: CPU is already assigned to node-id: %d: CPU "
                      "%u is in node %d already; a CPU has one node",
                      what, numa->cpu_node[i], i, numa->cpu_node[i]);
            return false;
        }
        numa->cpu_node[i] = spec->node;
    }
    if (!any) {
        const CpuSlot *last = &slots->list[slots->count - 1];

        error_set(errp,
                  "%s: there is no CPU with such ids: -smp has %u "
                  "sockets of %u dies, %u cores and %u threads, each numbered from 0",
                  what, last->socket + 1, last->die + 1, last->core + 1, last->thread + 1);
    }
    return any;
}

/* CPUs of which nothing is said: node 0 if there is something said of others, as users of -numa
 * know it, else by socket. */
static void place_other_cpus(NumaConfig *numa, const CpuSlots *slots, bool some_placed)
{
    unsigned count = 0, first = 0;

    for (unsigned i = 0; i < slots->count; i++) {
        if (numa->cpu_node[i] < 0) {
            numa->cpu_node[i] = some_placed ? 0 : slots->list[i].socket % numa->num_nodes;
            first = count++ ? first : i;
        }
    }
    if (count && some_placed) {
        error_warn("-numa: CPU(s) not present in any NUMA nodes: %u of them, CPU %u is the first; "
                   "they are in node 0",
                   count, first);
    }
}

static bool place_cpus(NumaConfig *numa, const CpuSlots *slots, GError **errp)
{
    bool some_placed = false;

    for (unsigned i = 0; numa->cpus && i < numa->cpus->len; i++) {
        if (!place_named_cpus(numa, slots, &g_array_index(numa->cpus, NumaCpu, i), errp)) {
            return false;
        }
    }
    for (unsigned i = 0; i < MAX_CPUS; i++) {
        if (i >= slots->count && numa->cpu_node[i] >= 0) {
            error_set(errp, "-numa: there is no CPU %u for node %d: -smp has %u", i,
                      numa->cpu_node[i], slots->count);
            return false;
        }
        some_placed |= numa->cpu_node[i] >= 0;
    }
    place_other_cpus(numa, slots, some_placed);
    return true;
}

/* A distance between nodes that there are. */
static bool check_distance_nodes(const NumaConfig *numa, GError **errp)
{
    for (unsigned src = 0; src < MAX_NODES; src++) {
        for (unsigned dst = 0; dst < MAX_NODES; dst++) {
            if (numa->nodes[src].distance[dst] && MAX(src, dst) >= numa->num_nodes) {
                error_set(errp,
                          "-numa dist: there is no node %u for a distance; there are %u nodes",
                          src < numa->num_nodes ? dst : src, numa->num_nodes);
                return false;
            }
        }
    }
    return true;
}

/* If some distances are given, each pair of nodes has one; and if one way of a pair differs from
 * the other way, nothing is guessed any more: each pair has both. */
static bool check_distance_pairs(const NumaConfig *numa, GError **errp)
{
    bool asymmetric = false;

    for (unsigned src = 0; src < numa->num_nodes; src++) {
        for (unsigned dst = 0; dst < src; dst++) {
            uint8_t there = numa->nodes[src].distance[dst];
            uint8_t back = numa->nodes[dst].distance[src];

            if (!there && !back) {
                error_set(errp,
                          "-numa dist: the distance between nodes %u and %u is missing: give one "
                          "for each pair of nodes, or none at all",
                          dst, src);
                return false;
            }
            asymmetric |= there && back && there != back;
        }
    }
    for (unsigned src = 0; asymmetric && src < numa->num_nodes; src++) {
        for (unsigned dst = 0; dst < numa->num_nodes; dst++) {
            if (src != dst && !numa->nodes[src].distance[dst]) {
                error_set(errp,
                          "-numa dist: the distance from node %u to %u is missing: where one pair "
                          "of nodes has two different distances, give both of each pair",
                          src, dst);
                return false;
            }
        }
    }
    return true;
}

static bool complete_distances(NumaConfig *numa, GError **errp)
{
    if (!check_distance_nodes(numa, errp) ||
        (numa->distances_given && !check_distance_pairs(numa, errp))) {
        return false;
    }
    for (unsigned src = 0; src < numa->num_nodes; src++) {
        NumaNode *node = &numa->nodes[src];

        for (unsigned dst = 0; dst < numa->num_nodes; dst++) {
            uint8_t back = numa->nodes[dst].distance[src];

            if (!node->distance[dst]) {
                node->distance[dst] = src == dst ? LOCAL_DIST : back ? back : REMOTE_DIST;
            }
        }
    }
    return true;
}

/* What is said of nodes is said of nodes that are named; the one that is there if none is, is not
 * meant. */
static bool check_named(const NumaConfig *numa, GError **errp)
{
    if (numa->num_nodes == 0 && (numa->cpus || numa->distances_given)) {
        error_set(errp, "-numa %s: there are no nodes: -numa node,nodeid=N makes one",
                  numa->cpus ? "cpu" : "dist");
        return false;
    }
    return true;
}

bool numa_complete(NumaConfig *numa, const CpuSlots *slots, uint64_t ram_size, GError **errp)
{
    if (!check_named(numa, errp)) {
        return false;
    }
    if (numa->num_nodes == 0) {
        numa->nodes[0].present = true;
        numa->num_nodes = 1;
    }
    for (unsigned i = 0; i < numa->num_nodes; i++) {
        if (!numa->nodes[i].present) {
            error_set(errp,
                      "-numa: node %u is missing; nodes are numbered from 0 to %u without a gap", i,
                      numa->num_nodes - 1);
            return false;
        }
    }
    return share_out_memory(numa, ram_size, errp) && place_cpus(numa, slots, errp) &&
           complete_distances(numa, errp) && numa_hmat_complete(numa, errp);
}

void numa_init(NumaConfig *numa)
{
    memset(numa->cpu_node, 0xff, sizeof(numa->cpu_node));
}

void numa_drop(NumaConfig *numa)
{
    GArray **arrays[] = { &numa->cpus, &numa->hmat_lbs, &numa->hmat_caches };

    for (unsigned i = 0; i < MAX_NODES; i++) {
        g_free(numa->nodes[i].memdev);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(arrays); i++) {
        g_clear_pointer(arrays[i], g_array_unref);
    }
}
