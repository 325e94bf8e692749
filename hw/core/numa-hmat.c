/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/numa-hmat.h"

#include <inttypes.h>
#include <string.h>

#include "hw/core/numa-internal.h"
#include "util/error.h"
#include "util/units.h"

#define MOST_LATENCY UINT32_MAX /* ns */

/* ---- values ---- */

static bool take_latency(const NumaHmatLBOptions *given, uint64_t *ns, GError **errp)
{
    if (!given->has_latency) {
        error_set(errp, "latency= is missing: data-type=%s needs it",
                  HmatLBDataType_str(given->data_type));
        return false;
    }
    *ns = given->latency;
    return numa_check_number("latency", *ns, MOST_LATENCY, errp);
}

static bool take_bandwidth(const NumaHmatLBOptions *given, uint64_t *mib, GError **errp)
{
    if (!given->has_bandwidth) {
        error_set(errp, "bandwidth= is missing: data-type=%s needs it",
                  HmatLBDataType_str(given->data_type));
        return false;
    }
    if (given->bandwidth % MIB) {
        error_set(errp, "bandwidth=%" PRIu64 " is not right: give whole MiB a second, as in 10G",
                  given->bandwidth);
        return false;
    }
    *mib = given->bandwidth / MIB;
    return true;
}

/* latency= for latencies, bandwidth= for bandwidths, and not the other one. */
static bool take_value(const NumaHmatLBOptions *given, uint64_t *out, GError **errp)
{
    bool is_latency = numa_hmat_is_latency(given->data_type);

    if (is_latency ? given->has_bandwidth : given->has_latency) {
        error_set(errp, "%s= does not go with data-type=%s: give %s=",
                  is_latency ? "bandwidth" : "latency", HmatLBDataType_str(given->data_type),
                  is_latency ? "latency" : "bandwidth");
        return false;
    }
    return is_latency ? take_latency(given, out, errp) : take_bandwidth(given, out, errp);
}

/* ---- one option ---- */

/* The figure, or NULL. Borrowed. */
static const HmatLb *find_lb(const NumaConfig *numa, HmatLBMemoryHierarchy hierarchy,
                             HmatLBDataType data_type, unsigned initiator, unsigned target)
{
    for (unsigned i = 0; numa->hmat_lbs && i < numa->hmat_lbs->len; i++) {
        const HmatLb *lb = &g_array_index(numa->hmat_lbs, HmatLb, i);

        if (lb->hierarchy == hierarchy && lb->data_type == data_type &&
            lb->initiator == initiator && lb->target == target) {
            return lb;
        }
    }
    return NULL;
}

bool numa_hmat_set_lb(NumaConfig *numa, const NumaOptions *options, GError **errp)
{
    const NumaHmatLBOptions *given = options->u.hmat_lb;
    uint64_t value = 0;

    if (!numa_check_number("initiator", given->initiator, MAX_NODES - 1, errp) ||
        !numa_check_number("target", given->target, MAX_NODES - 1, errp) ||
        !take_value(given, &value, errp)) {
        return false;
    }
    HmatLb lb = { given->initiator, given->target, given->hierarchy, given->data_type, value };
    if (find_lb(numa, lb.hierarchy, lb.data_type, lb.initiator, lb.target)) {
        error_set(errp, "%s of %s from node %u to node %u is given twice",
                  HmatLBDataType_str(lb.data_type), HmatLBMemoryHierarchy_str(lb.hierarchy),
                  lb.initiator, lb.target);
        return false;
    }
    if (!numa->hmat_lbs) {
        numa->hmat_lbs = g_array_new(FALSE, FALSE, sizeof(HmatLb));
    }
    g_array_append_val(numa->hmat_lbs, lb);
    return true;
}

static const HmatCache *find_cache(const NumaConfig *numa, unsigned node, unsigned level)
{
    for (unsigned i = 0; numa->hmat_caches && i < numa->hmat_caches->len; i++) {
        const HmatCache *cache = &g_array_index(numa->hmat_caches, HmatCache, i);

        if (cache->node == node && cache->level == level) {
            return cache;
        }
    }
    return NULL;
}

bool numa_hmat_set_cache(NumaConfig *numa, const NumaOptions *options, GError **errp)
{
    const NumaHmatCacheOptions *given = options->u.hmat_cache;

    if (!numa_check_number("node-id", given->node_id, MAX_NODES - 1, errp)) {
        return false;
    }
    if (given->level < 1 || given->level > HMAT_CACHE_LEVELS) {
        error_set(errp, "level=%u is not right: memory-side caches have levels 1 to %d",
                  given->level, HMAT_CACHE_LEVELS);
        return false;
    }
    if (given->size == 0) {
        error_set(errp, "size=0 is not right: leave a cache that is not there out");
        return false;
    }
    if (find_cache(numa, given->node_id, given->level)) {
        error_set(errp, "the cache of level %u of node %u is given twice", given->level,
                  given->node_id);
        return false;
    }
    HmatCache cache = { given->node_id,       given->level,  given->size,
                        given->associativity, given->policy, given->line };
    if (!numa->hmat_caches) {
        numa->hmat_caches = g_array_new(FALSE, FALSE, sizeof(HmatCache));
    }
    g_array_append_val(numa->hmat_caches, cache);
    return true;
}

/* ---- units ---- */

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

uint64_t numa_hmat_unit(const NumaConfig *numa, HmatLBMemoryHierarchy hierarchy,
                        HmatLBDataType data_type)
{
    uint64_t most = 0, divisor = 0;
    bool any = false;

    for (unsigned i = 0; numa->hmat_lbs && i < numa->hmat_lbs->len; i++) {
        const HmatLb *lb = &g_array_index(numa->hmat_lbs, HmatLb, i);

        if (lb->hierarchy == hierarchy && lb->data_type == data_type) {
            any = true;
            most = MAX(most, lb->value);
            divisor = common_divisor(divisor, lb->value);
        }
    }
    return !any ? 0 : most <= HMAT_MOST_ENTRY ? 1 : divisor;
}

/* ---- the whole ---- */

bool numa_node_has_cpus(const NumaConfig *numa, unsigned node)
{
    for (unsigned i = 0; i < MAX_CPUS; i++) {
        if (numa->cpu_node[i] == (int)node) {
            return true;
        }
    }
    return false;
}

/* @what is for messages. */
static bool check_initiator(const NumaConfig *numa, const char *what, unsigned node, GError **errp)
{
    if (node >= numa->num_nodes) {
        error_set(errp, "-numa %s,initiator=%u: there is no such node; there are %u", what, node,
                  numa->num_nodes);
        return false;
    }
    if (!numa_node_has_cpus(numa, node)) {
        error_set(errp, "-numa %s,initiator=%u: node %u has no CPUs; name one that has", what, node,
                  node);
        return false;
    }
    return true;
}

static bool check_initiators(const NumaConfig *numa, GError **errp)
{
    for (unsigned i = 0; i < numa->num_nodes; i++) {
        const NumaNode *node = &numa->nodes[i];

        if (!node->initiator_given) {
            continue;
        }
        if (numa_node_has_cpus(numa, i) && node->initiator != i) {
            error_set(errp,
                      "-numa node,nodeid=%u,initiator=%u: a node with CPUs is its own initiator", i,
                      node->initiator);
            return false;
        }
        if (!check_initiator(numa, "node", node->initiator, errp)) {
            return false;
        }
    }
    return true;
}

static void error_figure(const HmatLb *lb, uint64_t unit, GError **errp)
{
    const char *name = numa_hmat_is_latency(lb->data_type) ? "ns" : "MiB/s";

    error_set(errp,
              "-numa hmat-lb: %s of %s: %" PRIu64 " %s from node %u to node %u is too much beside "
              "the other values: in units of %" PRIu64 " %s, which divides them all, it must be at "
              "most %u; round them",
              HmatLBDataType_str(lb->data_type), HmatLBMemoryHierarchy_str(lb->hierarchy),
              lb->value, name, lb->initiator, lb->target, unit, name, HMAT_MOST_ENTRY);
}

/* Each figure in the unit of its kind, which all figures of that kind together make. */
static bool check_figures(const NumaConfig *numa, GError **errp)
{
    uint64_t units[HMAT_LB_MEMORY_HIERARCHY__MAX][HMAT_LB_DATA_TYPE__MAX];

    for (unsigned h = 0; h < HMAT_LB_MEMORY_HIERARCHY__MAX; h++) {
        for (unsigned t = 0; t < HMAT_LB_DATA_TYPE__MAX; t++) {
            units[h][t] = numa_hmat_unit(numa, h, t);
        }
    }
    for (unsigned i = 0; numa->hmat_lbs && i < numa->hmat_lbs->len; i++) {
        const HmatLb *lb = &g_array_index(numa->hmat_lbs, HmatLb, i);
        uint64_t unit = units[lb->hierarchy][lb->data_type];

        if (unit && lb->value / unit > HMAT_MOST_ENTRY) {
            error_figure(lb, unit, errp);
            return false;
        }
    }
    return true;
}

static bool check_lbs(const NumaConfig *numa, GError **errp)
{
    for (unsigned i = 0; numa->hmat_lbs && i < numa->hmat_lbs->len; i++) {
        const HmatLb *lb = &g_array_index(numa->hmat_lbs, HmatLb, i);

        if (lb->target >= numa->num_nodes) {
            error_set(errp, "-numa hmat-lb,target=%u: there is no such node; there are %u",
                      lb->target, numa->num_nodes);
            return false;
        }
        if (!check_initiator(numa, "hmat-lb", lb->initiator, errp)) {
            return false;
        }
    }
    return check_figures(numa, errp);
}

/* Latency resp. bandwidth of the memory of @node is known, from some initiator. */
static bool memory_is_known(const NumaConfig *numa, unsigned node, bool latency)
{
    for (unsigned i = 0; numa->hmat_lbs && i < numa->hmat_lbs->len; i++) {
        const HmatLb *lb = &g_array_index(numa->hmat_lbs, HmatLb, i);

        if (lb->target == node && lb->hierarchy == HMAT_LB_MEMORY_HIERARCHY_MEMORY &&
            numa_hmat_is_latency(lb->data_type) == latency) {
            return true;
        }
    }
    return false;
}

static bool check_cache(const NumaConfig *numa, const HmatCache *cache, GError **errp)
{
    const HmatCache *before = find_cache(numa, cache->node, cache->level - 1);

    if (cache->node >= numa->num_nodes) {
        error_set(errp, "-numa hmat-cache,node-id=%u: there is no such node; there are %u",
                  cache->node, numa->num_nodes);
        return false;
    }
    if (!memory_is_known(numa, cache->node, true) || !memory_is_known(numa, cache->node, false)) {
        error_set(errp,
                  "-numa hmat-cache,node-id=%u: latency and bandwidth of the node's memory are "
                  "needed too: give both with -numa hmat-lb,target=%u,hierarchy=memory",
                  cache->node, cache->node);
        return false;
    }
    if (cache->level > 1 && !before) {
        error_set(errp,
                  "-numa hmat-cache,node-id=%u,level=%u: level %u is missing; levels go from 1 up "
                  "without a gap",
                  cache->node, cache->level, cache->level - 1);
        return false;
    }
    if (before && cache->size <= before->size) {
        error_set(errp,
                  "-numa hmat-cache,node-id=%u,level=%u: its size %" PRIu64 " must be more than "
                  "that of level %u, %" PRIu64,
                  cache->node, cache->level, cache->size, before->level, before->size);
        return false;
    }
    return true;
}

static bool check_off(const NumaConfig *numa, GError **errp)
{
    const char *used = numa->hmat_lbs ? "hmat-lb" : numa->hmat_caches ? "hmat-cache" : NULL;

    for (unsigned i = 0; !used && i < numa->num_nodes; i++) {
        used = numa->nodes[i].initiator_given ? "node,initiator=" : NULL;
    }
    if (used) {
        error_set(errp, "-numa %s is for the HMAT, which is off: add -machine hmat=on", used);
    }
    return !used;
}

bool numa_hmat_complete(const NumaConfig *numa, GError **errp)
{
    if (!numa->hmat) {
        return check_off(numa, errp);
    }
    if (!check_initiators(numa, errp) || !check_lbs(numa, errp)) {
        return false;
    }
    for (unsigned i = 0; numa->hmat_caches && i < numa->hmat_caches->len; i++) {
        if (!check_cache(numa, &g_array_index(numa->hmat_caches, HmatCache, i), errp)) {
            return false;
        }
    }
    return true;
}
