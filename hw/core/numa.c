/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/numa.h"

#include <inttypes.h>
#include <string.h>

#include "hw/core/opts.h"
#include "util/error.h"
#include "util/keyval.h"

#define MIB          (UINT64_C(1) << 20)
#define LOCAL_DIST   10
#define REMOTE_DIST  20
#define SHARE_UNIT   (8 * MIB)           /* boot RAM is shared out in pieces of this */
#define MAX_NODE_MEM (UINT64_C(1) << 52) /* a sum over all nodes is below 2^64 */

static bool get_number(struct json_object *props, const char *key, uint64_t max, int64_t *out,
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

/* "A" or "A-B". */
static bool parse_cpu_range(Machine *machine, int node, const char *text, GError **errp)
{
    g_auto(GStrv) ends = g_strsplit(text, "-", 2);
    uint64_t first = 0, last = 0;
    bool ok = ends[0] && uint_parse(ends[0], MAX_CPUS - 1, &first);

    last = first;
    if (ok && ends[1]) {
        ok = uint_parse(ends[1], MAX_CPUS - 1, &last) && last >= first;
    }
    if (!ok) {
        error_set(errp, "cpus=%s is not right: give a CPU number or a range, as in 0-3", text);
        return false;
    }
    for (uint64_t i = first; i <= last; i++) {
        if (machine->cpu_node[i] >= 0) {
            error_set(errp, "CPU %" PRIu64 " is in node %d already; a CPU has one node", i,
                      machine->cpu_node[i]);
            return false;
        }
    }
    for (uint64_t i = first; i <= last; i++) {
        machine->cpu_node[i] = node;
    }
    return true;
}

/* A range, or a list of them. */
static bool parse_cpus(Machine *machine, int node, struct json_object *value, GError **errp)
{
    bool is_list = json_object_is_type(value, json_type_array);
    size_t n = is_list ? json_object_array_length(value) : 1;

    for (size_t i = 0; i < n; i++) {
        struct json_object *item = is_list ? json_object_array_get_idx(value, i) : value;

        if (!parse_cpu_range(machine, node, json_object_get_string(item), errp)) {
            return false;
        }
    }
    return true;
}

static bool parse_mem(struct json_object *value, uint64_t *mem, GError **errp)
{
    if (json_object_is_type(value, json_type_int)) {
        *mem = json_object_get_uint64(value);
    } else if (!size_parse(json_object_get_string(value), MIB, mem, errp)) {
        g_prefix_error(errp, "mem: ");
        return false;
    }
    if (*mem > MAX_NODE_MEM) {
        error_set(errp, "mem=%s is more than any x86 CPU can address: the most is 4P",
                  json_object_get_string(value));
        return false;
    }
    return true;
}

static bool parse_node(Machine *machine, struct json_object *props, GError **errp)
{
    static const char *const keys[] = { "type", "nodeid", "mem", "memdev", "cpus", NULL };
    struct json_object *value;
    uint64_t mem = 0;
    int64_t id;

    if (!opts_check_keys(props, keys, errp) ||
        !get_number(props, "nodeid", MAX_NODES - 1, &id, errp)) {
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
        error_set(errp, "nodeid=%" PRId64 " is given twice; a node has one -numa node", id);
        return false;
    }
    bool has_mem = json_object_object_get_ex(props, "mem", &value);
    if (has_mem && !parse_mem(value, &mem, errp)) {
        return false;
    }
    const char *memdev = opts_get(props, "memdev");
    if (memdev && has_mem) {
        error_set(errp, "mem= and memdev= exclude each other: a backend has its own size");
        return false;
    }
    if (json_object_object_get_ex(props, "cpus", &value) && !parse_cpus(machine, id, value, errp)) {
        return false;
    }
    NumaNode *node = &machine->nodes[id];
    node->present = true;
    node->mem = mem;
    node->mem_given = has_mem;
    node->memdev = g_strdup(memdev);
    machine->num_nodes = MAX(machine->num_nodes, (unsigned)id + 1);
    return true;
}

/* ---- dist ---- */

static bool parse_dist(Machine *machine, struct json_object *props, GError **errp)
{
    static const char *const keys[] = { "type", "src", "dst", "val", NULL };
    int64_t src, dst, val;

    if (!opts_check_keys(props, keys, errp) ||
        !get_number(props, "src", MAX_NODES - 1, &src, errp) ||
        !get_number(props, "dst", MAX_NODES - 1, &dst, errp) ||
        !get_number(props, "val", UINT8_MAX, &val, errp)) {
        return false;
    }
    if (src < 0 || dst < 0 || val < 0) {
        error_set(errp, "a distance needs all of src=, dst= and val=");
        return false;
    }
    if (val < LOCAL_DIST || (src == dst) != (val == LOCAL_DIST)) {
        error_set(errp,
                  "val=%" PRId64 " is not right: %d from a node to itself, %d to 255 to another",
                  val, LOCAL_DIST, LOCAL_DIST + 1);
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
        !get_number(props, "node-id", MAX_NODES - 1, &cpu.node, errp) ||
        !get_number(props, "socket-id", MAX_CPUS - 1, &cpu.socket, errp) ||
        !get_number(props, "die-id", MAX_CPUS - 1, &cpu.die, errp) ||
        !get_number(props, "core-id", MAX_CPUS - 1, &cpu.core, errp) ||
        !get_number(props, "thread-id", MAX_CPUS - 1, &cpu.thread, errp)) {
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
    } kinds[] = { { "node", parse_node }, { "dist", parse_dist }, { "cpu", parse_cpu } };
    const char *type = opts_get(props, "type");

    for (size_t i = 0; type && i < G_N_ELEMENTS(kinds); i++) {
        if (strcmp(type, kinds[i].name) == 0) {
            return kinds[i].parse(machine, props, errp);
        }
    }
    error_set(errp, "'%s' is not known; it begins with node, dist or cpu",
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
                      "-numa: the nodes' mem= add up to %" PRIu64
                      " MiB, but boot memory is %" PRIu64 " MiB (-m); they must be equal",
                      sum / MIB, machine->ram_size / MIB);
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

/* -numa cpu, now that the topology is known. */
static bool place_named_cpus(Machine *machine, const NumaCpu *spec, GError **errp)
{
    bool any = false;

    if (!numa_node_exists(machine, spec->node)) {
        error_set(errp, "-numa cpu,node-id=%" PRId64 ": there is no such node; there are %u",
                  spec->node, machine->num_nodes);
        return false;
    }
    for (unsigned i = 0; i < machine->smp.maxcpus; i++) {
        if (!cpu_matches(&machine->smp, spec, i)) {
            continue;
        }
        any = true;
        if (machine->cpu_node[i] >= 0 && machine->cpu_node[i] != spec->node) {
            error_set(errp,
                      "-numa cpu,node-id=%" PRId64 ": CPU %u is in node %d already; a CPU has one "
                      "node",
                      spec->node, i, machine->cpu_node[i]);
            return false;
        }
        machine->cpu_node[i] = spec->node;
    }
    if (!any) {
        error_set(errp,
                  "-numa cpu,node-id=%" PRId64 ": there is no CPU with such ids: -smp has %u "
                  "sockets of %u dies, %u cores and %u threads, each numbered from 0",
                  spec->node, machine->smp.sockets, machine->smp.dies, machine->smp.cores,
                  machine->smp.threads);
    }
    return any;
}

static bool place_cpus(Machine *machine, GError **errp)
{
    const SmpTopology *smp = &machine->smp;
    unsigned per_socket = smp->dies * smp->cores * smp->threads;

    for (unsigned i = 0; machine->numa_cpus && i < machine->numa_cpus->len; i++) {
        if (!place_named_cpus(machine, &g_array_index(machine->numa_cpus, NumaCpu, i), errp)) {
            return false;
        }
    }
    for (unsigned i = 0; i < MAX_CPUS; i++) {
        if (i >= smp->maxcpus && machine->cpu_node[i] >= 0) {
            error_set(errp, "-numa: there is no CPU %u for node %d: -smp has %u", i,
                      machine->cpu_node[i], smp->maxcpus);
            return false;
        }
        if (i < smp->maxcpus && machine->cpu_node[i] < 0) {
            machine->cpu_node[i] = i / per_socket % machine->num_nodes;
        }
    }
    return true;
}

static bool complete_distances(Machine *machine, GError **errp)
{
    for (unsigned src = 0; src < MAX_NODES; src++) {
        NumaNode *node = &machine->nodes[src];
        for (unsigned dst = 0; dst < MAX_NODES; dst++) {
            bool exists = src < machine->num_nodes && dst < machine->num_nodes;
            if (!exists && node->distance[dst]) {
                error_set(errp, "-numa: there is no node %u for a distance; there are %u nodes",
                          src < machine->num_nodes ? dst : src, machine->num_nodes);
                return false;
            }
            if (!exists || node->distance[dst]) {
                continue;
            }
            uint8_t back = machine->nodes[dst].distance[src];
            node->distance[dst] = src == dst ? LOCAL_DIST : back ? back : REMOTE_DIST;
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
           complete_distances(machine, errp);
}
