/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/numa.h"

#include <inttypes.h>
#include <string.h>

#include "hw/core/numa-hmat.h"
#include "hw/core/numa-internal.h"
#include "hw/core/opts.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/number-set.h"

#define MIB          (UINT64_C(1) << 20)
#define LOCAL_DIST   10
#define REMOTE_DIST  20
#define SHARE_UNIT   (8 * MIB)           /* boot RAM is shared out in pieces of this */
#define MAX_NODE_MEM (UINT64_C(1) << 52) /* a sum over all nodes is below 2^64 */

/* ---- values ---- */

bool numa_get_number(struct json_object *props, const char *key, uint64_t max, int64_t *out,
                     GError **errp)
{
    struct json_object *value;
    uint64_t number;

    *out = -1;
    if (!json_object_object_get_ex(props, key, &value)) {
        return true;
    }
    if (!uint_parse(json_object_get_string(value), max, &number)) {
        error_set(errp, "%s=%s is not right: give a number from 0 to %" PRIu64, key,
                  json_object_get_string(value), max);
        return false;
    }
    *out = number;
    return true;
}

bool numa_get_size(struct json_object *props, const char *key, uint64_t unit, uint64_t *out,
                   GError **errp)
{
    struct json_object *value;

    if (!json_object_object_get_ex(props, key, &value)) {
        error_set(errp, "%s= is missing: a size in bytes, or with k, M, G or T", key);
        return false;
    }
    /* Numbers in JSON are bytes. */
    if (!size_parse(json_object_get_string(value),
                    json_object_is_type(value, json_type_int) ? 1 : unit, out, errp)) {
        g_prefix_error(errp, "%s: ", key);
        return false;
    }
    return true;
}

/* ---- node ---- */

static int first_free_node(const Machine *machine)
{
    for (int i = 0; i < MAX_NODES; i++) {
        if (!machine->nodes[i].present) {
            return i;
        }
    }
    return -1;
}

#define CPU_WORDS NUMBER_SET_WORDS(MAX_CPUS - 1)

/* The CPUs that an option names; they are in no node yet. */
static bool parse_cpus(const Machine *machine, uint64_t *cpus, struct json_object *value,
                       GError **errp)
{
    if (!number_set_add(cpus, MAX_CPUS - 1, "cpus", value, errp)) {
        g_prefix_error(errp, "CPU numbers: ");
        return false;
    }
    for (unsigned i = 0; i < MAX_CPUS; i++) {
        if (number_set_has(cpus, i) && machine->cpu_node[i] >= 0) {
            error_set(errp,
                      "CPU is already assigned to node-id: %d: CPU %u is in node %d already; a CPU "
                      "has one node",
                      machine->cpu_node[i], i, machine->cpu_node[i]);
            return false;
        }
    }
    return true;
}

static bool parse_mem(struct json_object *props, uint64_t *mem, GError **errp)
{
    if (!numa_get_size(props, "mem", MIB, mem, errp)) {
        return false;
    }
    if (*mem > MAX_NODE_MEM) {
        error_set(errp, "mem=%s is more than any x86 CPU can address: the most is 4P",
                  opts_get(props, "mem"));
        return false;
    }
    return true;
}

static bool parse_node(Machine *machine, struct json_object *props, GError **errp)
{
    static const char *const keys[] = {
        "type", "nodeid", "mem", "memdev", "cpus", "initiator", NULL
    };
    struct json_object *value;
    uint64_t cpus[CPU_WORDS] = { 0 };
    uint64_t mem = 0;
    int64_t id, initiator;

    if (!opts_check_keys(props, keys, errp) ||
        !numa_get_number(props, "nodeid", MAX_NODES - 1, &id, errp) ||
        !numa_get_number(props, "initiator", MAX_NODES - 1, &initiator, errp)) {
        return false;
    }
    if (id < 0) {
        id = first_free_node(machine);
    }
    if (id < 0) {
        error_set(errp, "there are too many nodes: the most is %d", MAX_NODES);
        return false;
    }
    if (machine->nodes[id].present) {
        error_set(errp,
                  "Duplicate NUMA nodeid: %" PRId64 ": nodeid=%" PRId64
                  " is given twice; a node has one -numa node",
                  id, id);
        return false;
    }
    bool has_mem = json_object_object_get_ex(props, "mem", NULL);
    if (has_mem && !parse_mem(props, &mem, errp)) {
        return false;
    }
    const char *memdev = opts_get(props, "memdev");
    if (memdev && has_mem) {
        error_set(errp, "mem= and memdev= exclude each other: a backend has its own size");
        return false;
    }
    if (json_object_object_get_ex(props, "cpus", &value) &&
        !parse_cpus(machine, cpus, value, errp)) {
        return false;
    }
    for (unsigned i = 0; i < MAX_CPUS; i++) {
        if (number_set_has(cpus, i)) {
            machine->cpu_node[i] = id;
        }
    }
    NumaNode *node = &machine->nodes[id];
    node->present = true;
    node->mem = mem;
    node->mem_given = has_mem;
    node->memdev = g_strdup(memdev);
    node->initiator_given = initiator >= 0;
    node->initiator = initiator >= 0 ? initiator : 0;
    machine->num_nodes = MAX(machine->num_nodes, (unsigned)id + 1);
    return true;
}

/* ---- dist ---- */

static bool parse_dist(Machine *machine, struct json_object *props, GError **errp)
{
    static const char *const keys[] = { "type", "src", "dst", "val", NULL };
    const char *text = opts_get(props, "val");
    int64_t src, dst;
    uint64_t val;

    if (!opts_check_keys(props, keys, errp) ||
        !numa_get_number(props, "src", MAX_NODES - 1, &src, errp) ||
        !numa_get_number(props, "dst", MAX_NODES - 1, &dst, errp)) {
        return false;
    }
    if (src < 0 || dst < 0 || !text) {
        error_set(errp, "a distance needs all of src=, dst= and val=");
        return false;
    }
    if (!uint_parse(text, UINT8_MAX, &val) || val < LOCAL_DIST ||
        (src == dst) != (val == LOCAL_DIST)) {
        error_set(errp,
                  "val=%s is not right: give %d from a node to itself, %d to 254 to another, and "
                  "255 if that cannot be reached",
                  text, LOCAL_DIST, LOCAL_DIST + 1);
        return false;
    }
    machine->nodes[src].distance[dst] = val;
    machine->numa_distances_given = true;
    return true;
}

/* ---- cpu ---- */

static bool parse_cpu(Machine *machine, struct json_object *props, GError **errp)
{
    static const char *const keys[] = { "type",    "node-id",   "socket-id", "die-id",
                                        "core-id", "thread-id", NULL };
    NumaCpu cpu;

    if (!opts_check_keys(props, keys, errp) ||
        !numa_get_number(props, "node-id", MAX_NODES - 1, &cpu.node, errp) ||
        !numa_get_number(props, "socket-id", MAX_CPUS - 1, &cpu.socket, errp) ||
        !numa_get_number(props, "die-id", MAX_CPUS - 1, &cpu.die, errp) ||
        !numa_get_number(props, "core-id", MAX_CPUS - 1, &cpu.core, errp) ||
        !numa_get_number(props, "thread-id", MAX_CPUS - 1, &cpu.thread, errp)) {
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
    if (!machine->numa_cpus) {
        machine->numa_cpus = g_array_new(FALSE, FALSE, sizeof(NumaCpu));
    }
    g_array_append_val(machine->numa_cpus, cpu);
    return true;
}

/* ---- all kinds ---- */

bool numa_set(Machine *machine, struct json_object *props, GError **errp)
{
    static const struct {
        const char *name;
        bool (*parse)(Machine *machine, struct json_object *props, GError **errp);
    } kinds[] = { { "node", parse_node },
                  { "dist", parse_dist },
                  { "cpu", parse_cpu },
                  { "hmat-lb", numa_hmat_set_lb },
                  { "hmat-cache", numa_hmat_set_cache } };
    const char *type = opts_get(props, "type");

    for (size_t i = 0; type && i < G_N_ELEMENTS(kinds); i++) {
        if (strcmp(type, kinds[i].name) == 0) {
            return kinds[i].parse(machine, props, errp);
        }
    }
    error_set(errp, "'%s' is not known; it begins with node, dist, cpu, hmat-lb or hmat-cache",
              type ? type : "(nothing)");
    return false;
}

/* cpus= may be given more than once: as a list, then. */
static struct json_object *all_cpus(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    struct json_object *list = json_object_new_array();

    for (char **part = parts; *part; part++) {
        if (g_str_has_prefix(*part, "cpus=")) {
            json_object_array_add(list, json_object_new_string(*part + strlen("cpus=")));
        }
    }
    return list;
}

bool numa_parse(Machine *machine, const char *text, GError **errp)
{
    struct json_object *props = keyval_parse(text, "type", errp);

    if (props && json_object_object_get_ex(props, "cpus", NULL)) {
        json_object_object_add(props, "cpus", all_cpus(text));
    }
    bool ok = props && numa_set(machine, props, errp);
    json_object_put(props);
    return ok;
}

/* ---- complete ---- */

static bool share_out_memory(Machine *machine, GError **errp)
{
    uint64_t sum = 0;
    bool any = false;

    for (unsigned i = 0; i < machine->num_nodes; i++) {
        any |= machine->nodes[i].mem_given;
        sum += machine->nodes[i].mem;
    }
    if (any) {
        if (sum != machine->ram_size) {
            error_set(errp,
                      "-numa: total memory for NUMA nodes (0x%" PRIx64
                      ") should equal RAM size (0x%" PRIx64 "): the nodes' mem= add up to %" PRIu64
                      " MiB, and -m says %" PRIu64 " MiB",
                      sum, machine->ram_size, sum / MIB, machine->ram_size / MIB);
            return false;
        }
        return true;
    }
    uint64_t share = machine->ram_size / machine->num_nodes / SHARE_UNIT * SHARE_UNIT;
    for (unsigned i = 0; i < machine->num_nodes; i++) {
        machine->nodes[i].mem = share;
    }
    machine->nodes[machine->num_nodes - 1].mem += machine->ram_size - share * machine->num_nodes;
    return true;
}

static bool cpu_matches(const SmpTopology *smp, const NumaCpu *spec, unsigned index)
{
    const int64_t thread = index % smp->threads, core = index / smp->threads % smp->cores;
    const int64_t die = index / smp->threads / smp->cores % smp->dies;
    const int64_t socket = index / smp->threads / smp->cores / smp->dies;

    return (spec->socket < 0 || spec->socket == socket) && (spec->die < 0 || spec->die == die) &&
           (spec->core < 0 || spec->core == core) && (spec->thread < 0 || spec->thread == thread);
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
static bool place_named_cpus(Machine *machine, const NumaCpu *spec, GError **errp)
{
    g_autofree char *what = cpu_spec_text(spec);
    bool any = false;

    if (!numa_node_exists(machine, spec->node)) {
        error_set(errp, "%s: there is no such node; there are %u", what, machine->num_nodes);
        return false;
    }
    for (unsigned i = 0; i < machine->smp.maxcpus; i++) {
        if (!cpu_matches(&machine->smp, spec, i)) {
            continue;
        }
        any = true;
        if (machine->cpu_node[i] >= 0 && machine->cpu_node[i] != spec->node) {
            error_set(errp,
                      "%s: CPU is already assigned to node-id: %d: CPU "
                      "%u is in node %d already; a CPU has one node",
                      what, machine->cpu_node[i], i, machine->cpu_node[i]);
            return false;
        }
        machine->cpu_node[i] = spec->node;
    }
    if (!any) {
        error_set(errp,
                  "%s: there is no CPU with such ids: -smp has %u "
                  "sockets of %u dies, %u cores and %u threads, each numbered from 0",
                  what, machine->smp.sockets, machine->smp.dies, machine->smp.cores,
                  machine->smp.threads);
    }
    return any;
}

/* CPUs of which nothing is said: node 0 if there is something said of others, as users of -numa
 * know it, else by socket. */
static void place_other_cpus(Machine *machine, bool some_placed)
{
    const SmpTopology *smp = &machine->smp;
    unsigned per_socket = smp->dies * smp->cores * smp->threads;
    unsigned count = 0, first = 0;

    for (unsigned i = 0; i < smp->maxcpus; i++) {
        if (machine->cpu_node[i] < 0) {
            machine->cpu_node[i] = some_placed ? 0 : i / per_socket % machine->num_nodes;
            first = count++ ? first : i;
        }
    }
    if (count && some_placed && machine->num_nodes > 1) {
        warn_report("-numa: CPU(s) not present in any NUMA nodes: %u of them, CPU %u is the first; "
                    "they are in node 0",
                    count, first);
    }
}

static bool place_cpus(Machine *machine, GError **errp)
{
    bool some_placed = false;

    for (unsigned i = 0; machine->numa_cpus && i < machine->numa_cpus->len; i++) {
        if (!place_named_cpus(machine, &g_array_index(machine->numa_cpus, NumaCpu, i), errp)) {
            return false;
        }
    }
    for (unsigned i = 0; i < MAX_CPUS; i++) {
        if (i >= machine->smp.maxcpus && machine->cpu_node[i] >= 0) {
            error_set(errp, "-numa: there is no CPU %u for node %d: -smp has %u", i,
                      machine->cpu_node[i], machine->smp.maxcpus);
            return false;
        }
        some_placed |= machine->cpu_node[i] >= 0;
    }
    place_other_cpus(machine, some_placed);
    return true;
}

/* A distance between nodes that there are. */
static bool check_distance_nodes(const Machine *machine, GError **errp)
{
    for (unsigned src = 0; src < MAX_NODES; src++) {
        for (unsigned dst = 0; dst < MAX_NODES; dst++) {
            if (machine->nodes[src].distance[dst] && MAX(src, dst) >= machine->num_nodes) {
                error_set(errp,
                          "-numa dist: there is no node %u for a distance; there are %u nodes",
                          src < machine->num_nodes ? dst : src, machine->num_nodes);
                return false;
            }
        }
    }
    return true;
}

/* If some distances are given, each pair of nodes has one; and if one way of a pair differs from
 * the other way, nothing is guessed any more: each pair has both. */
static bool check_distance_pairs(const Machine *machine, GError **errp)
{
    bool asymmetric = false;

    for (unsigned src = 0; src < machine->num_nodes; src++) {
        for (unsigned dst = 0; dst < src; dst++) {
            uint8_t there = machine->nodes[src].distance[dst];
            uint8_t back = machine->nodes[dst].distance[src];

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
    for (unsigned src = 0; asymmetric && src < machine->num_nodes; src++) {
        for (unsigned dst = 0; dst < machine->num_nodes; dst++) {
            if (src != dst && !machine->nodes[src].distance[dst]) {
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

static bool complete_distances(Machine *machine, GError **errp)
{
    if (!check_distance_nodes(machine, errp) ||
        (machine->numa_distances_given && !check_distance_pairs(machine, errp))) {
        return false;
    }
    for (unsigned src = 0; src < machine->num_nodes; src++) {
        NumaNode *node = &machine->nodes[src];

        for (unsigned dst = 0; dst < machine->num_nodes; dst++) {
            uint8_t back = machine->nodes[dst].distance[src];

            if (!node->distance[dst]) {
                node->distance[dst] = src == dst ? LOCAL_DIST : back ? back : REMOTE_DIST;
            }
        }
    }
    return true;
}

bool numa_complete(Machine *machine, GError **errp)
{
    if (machine->num_nodes == 0) {
        machine->nodes[0].present = true;
        machine->num_nodes = 1;
    }
    for (unsigned i = 0; i < machine->num_nodes; i++) {
        if (!machine->nodes[i].present) {
            error_set(errp,
                      "-numa: node %u is missing; nodes are numbered from 0 to %u without a gap", i,
                      machine->num_nodes - 1);
            return false;
        }
    }
    return share_out_memory(machine, errp) && place_cpus(machine, errp) &&
           complete_distances(machine, errp) && numa_hmat_complete(machine, errp);
}

void numa_drop(Machine *machine)
{
    GArray **arrays[] = { &machine->numa_cpus, &machine->hmat_lbs, &machine->hmat_caches };

    for (unsigned i = 0; i < MAX_NODES; i++) {
        g_free(machine->nodes[i].memdev);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(arrays); i++) {
        g_clear_pointer(arrays[i], g_array_unref);
    }
}
