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
static bool parse_cpus(Machine *machine, int node, const char *text, GError **errp)
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

static bool parse_node(Machine *machine, struct json_object *props, GError **errp)
{
    static const char *const keys[] = { "type", "nodeid", "mem", "cpus", NULL };
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
    if (has_mem && !size_parse(json_object_get_string(value), MIB, &mem, errp)) {
        g_prefix_error(errp, "mem: ");
        return false;
    }
    if (mem > MAX_NODE_MEM) {
        error_set(errp, "mem=%s is more than any x86 CPU can address: the most is 4P",
                  json_object_get_string(value));
        return false;
    }
    if (json_object_object_get_ex(props, "cpus", &value) &&
        !parse_cpus(machine, id, json_object_get_string(value), errp)) {
        return false;
    }
    NumaNode *node = &machine->nodes[id];
    node->present = true;
    node->mem = mem;
    node->mem_given = has_mem;
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

bool numa_parse(Machine *machine, const char *text, GError **errp)
{
    struct json_object *props = keyval_parse(text, "type", errp), *value;
    bool ok = false;

    if (!props) {
        return false;
    }
    const char *type = json_object_object_get_ex(props, "type", &value)
                           ? json_object_get_string(value)
                           : "(nothing)";
    if (strcmp(type, "node") == 0) {
        ok = parse_node(machine, props, errp);
    } else if (strcmp(type, "dist") == 0) {
        ok = parse_dist(machine, props, errp);
    } else {
        error_set(errp, "'%s' is not known; it begins with node or dist", type);
    }
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

static bool place_cpus(Machine *machine, GError **errp)
{
    const SmpTopology *smp = &machine->smp;
    unsigned per_socket = smp->dies * smp->cores * smp->threads;

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
