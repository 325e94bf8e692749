/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/thread-context.h"

#include <errno.h>
#include <numa.h>
#include <sched.h>
#include <unistd.h>

#include "util/error.h"
#include "util/number-set.h"

/* What the thread is to make. */
typedef struct Order {
    GThreadFunc fn;
    void *data;
    GThread *made;
    GError *err;
    bool done;
} Order;

struct ThreadContext {
    Object parent;
    /* properties */
    cpu_set_t cpus; /* wanted by cpu-affinity or node-affinity */
    bool by_cpu, by_node;
    int thread_id; /* of the kernel; 0 before `complete` */
    /* of the thread */
    GThread *thread;
    GMutex lock;
    GCond changed; /* what follows, which the lock protects */
    Order *order;
    bool ending;
};

/* ---- the thread ---- */

static gpointer context_thread(gpointer opaque)
{
    ThreadContext *context = opaque;

    g_mutex_lock(&context->lock);
    context->thread_id = gettid();
    g_cond_broadcast(&context->changed);
    while (!context->ending) {
        Order *order = context->order;

        if (order && !order->done) {
            order->made = g_thread_try_new("thread-context", order->fn, order->data, &order->err);
            order->done = true;
            g_cond_broadcast(&context->changed);
        } else {
            g_cond_wait(&context->changed, &context->lock);
        }
    }
    g_mutex_unlock(&context->lock);
    return NULL;
}

GThread *thread_context_spawn(void *opaque, GThreadFunc fn, void *data, GError **errp)
{
    ThreadContext *context = opaque;
    Order order = { .fn = fn, .data = data };

    g_mutex_lock(&context->lock);
    while (context->order) { /* of another */
        g_cond_wait(&context->changed, &context->lock);
    }
    context->order = &order;
    g_cond_broadcast(&context->changed);
    while (!order.done) {
        g_cond_wait(&context->changed, &context->lock);
    }
    context->order = NULL;
    g_cond_broadcast(&context->changed);
    g_mutex_unlock(&context->lock);
    if (order.err) {
        g_propagate_error(errp, order.err);
    }
    return order.made;
}

static bool apply_affinity(ThreadContext *context, const cpu_set_t *cpus, GError **errp)
{
    if (context->thread_id && sched_setaffinity(context->thread_id, sizeof(*cpus), cpus) < 0) {
        error_set_errno(errp, errno,
                        "thread-context: cannot choose these host CPUs; the host has %d, and "
                        "some may be forbidden",
                        (int)sysconf(_SC_NPROCESSORS_CONF));
        return false;
    }
    return true;
}

/* ---- lists of numbers ---- */

/* CPUs or nodes: a cpu_set_t has room for both. */
static bool parse_list(cpu_set_t *set, const char *name, struct json_object *value, GError **errp)
{
    uint64_t numbers[NUMBER_SET_WORDS(CPU_SETSIZE - 1)] = { 0 };

    if (!number_set_add(numbers, CPU_SETSIZE - 1, name, value, errp)) {
        return false;
    }
    CPU_ZERO(set);
    for (unsigned n = 0; n < CPU_SETSIZE; n++) {
        if (number_set_has(numbers, n)) {
            CPU_SET(n, set);
        }
    }
    if (CPU_COUNT(set) == 0) {
        error_set(errp, "%s is empty; it is a list of numbers, one at least", name);
        return false;
    }
    return true;
}

/* ---- properties ---- */

static bool refuse_mix(bool other, GError **errp)
{
    if (other) {
        error_set(errp, "thread-context: cpu-affinity and node-affinity exclude each other");
    }
    return !other;
}

static bool cpu_affinity_set(Object *obj, const Property *prop, struct json_object *value,
                             GError **errp)
{
    ThreadContext *context = THREAD_CONTEXT(obj);
    cpu_set_t cpus;

    if (!refuse_mix(context->by_node && !obj->settled, errp) ||
        !parse_list(&cpus, prop->name, value, errp) || !apply_affinity(context, &cpus, errp)) {
        return false;
    }
    context->cpus = cpus;
    context->by_cpu = true;
    return true;
}

/* What the kernel made of it: CPUs that are off are not in it. */
static struct json_object *cpu_affinity_get(Object *obj, const Property *prop, GError **errp)
{
    const ThreadContext *context = THREAD_CONTEXT(obj);
    struct json_object *list = json_object_new_array();
    cpu_set_t cpus = context->cpus;

    if (context->thread_id) {
        sched_getaffinity(context->thread_id, sizeof(cpus), &cpus);
    }
    for (int n = 0; n < CPU_SETSIZE; n++) {
        if (CPU_ISSET(n, &cpus)) {
            json_object_array_add(list, json_object_new_int(n));
        }
    }
    return list;
}

/* All CPUs of the host nodes in @nodes. */
static bool cpus_of_nodes(const cpu_set_t *nodes, cpu_set_t *cpus, GError **errp)
{
    struct bitmask *mask;

    CPU_ZERO(cpus);
    if (numa_available() < 0) {
        error_set(errp, "node-affinity: this host has no NUMA support; use cpu-affinity");
        return false;
    }
    mask = numa_allocate_cpumask();
    for (int node = 0; node <= numa_max_node(); node++) {
        if (CPU_ISSET(node, nodes) && numa_node_to_cpus(node, mask) == 0) {
            for (unsigned n = 0; n < MIN(mask->size, CPU_SETSIZE); n++) {
                if (numa_bitmask_isbitset(mask, n)) {
                    CPU_SET(n, cpus);
                }
            }
        }
    }
    numa_free_cpumask(mask);
    if (CPU_COUNT(cpus) == 0) {
        error_set(errp, "node-affinity: these host nodes have no CPUs; the highest node is %d",
                  numa_max_node());
        return false;
    }
    return true;
}

static bool node_affinity_set(Object *obj, const Property *prop, struct json_object *value,
                              GError **errp)
{
    ThreadContext *context = THREAD_CONTEXT(obj);
    cpu_set_t nodes, cpus;

    if (!refuse_mix(context->by_cpu && !obj->settled, errp) ||
        !parse_list(&nodes, prop->name, value, errp) || !cpus_of_nodes(&nodes, &cpus, errp) ||
        !apply_affinity(context, &cpus, errp)) {
        return false;
    }
    context->cpus = cpus;
    context->by_node = true;
    return true;
}

static const Property thread_context_properties[] = {
    { .name = "cpu-affinity",
      .kind = PROP_CUSTOM,
      .custom_type = "int",
      .text_only = true, /* a list of ranges */
      .live = true,
      .get = cpu_affinity_get,
      .set = cpu_affinity_set,
      .description = "host CPUs that its threads run on: numbers or ranges" },
    { .name = "node-affinity",
      .kind = PROP_CUSTOM,
      .custom_type = "int",
      .text_only = true, /* a list of ranges */
      .live = true,
      .set = node_affinity_set,
      .description = "host nodes whose CPUs its threads run on: numbers or ranges" },
    { .name = "thread-id",
      .kind = PROP_INT32,
      .custom_type = "int",
      .offset = offsetof(ThreadContext, thread_id),
      .read_only = true,
      .description = "number of the thread, as the host's kernel counts" },
    { 0 },
};

/* ---- the object ---- */

static void thread_context_init(Object *obj)
{
    ThreadContext *context = THREAD_CONTEXT(obj);

    g_mutex_init(&context->lock);
    g_cond_init(&context->changed);
}

static bool thread_context_complete(Object *obj, GError **errp)
{
    ThreadContext *context = THREAD_CONTEXT(obj);

    context->thread = g_thread_try_new(TYPE_THREAD_CONTEXT, context_thread, context, errp);
    if (!context->thread) {
        return false;
    }
    g_mutex_lock(&context->lock);
    while (!context->thread_id) {
        g_cond_wait(&context->changed, &context->lock);
    }
    g_mutex_unlock(&context->lock);
    return (!context->by_cpu && !context->by_node) || apply_affinity(context, &context->cpus, errp);
}

/* Backends keep what they have: libvirt deletes it as soon as the machine is made. */
static bool thread_context_can_be_deleted(Object *obj, GError **errp)
{
    return true;
}

static void thread_context_finalize(Object *obj)
{
    ThreadContext *context = THREAD_CONTEXT(obj);

    if (context->thread) {
        g_mutex_lock(&context->lock);
        context->ending = true;
        g_cond_broadcast(&context->changed);
        g_mutex_unlock(&context->lock);
        g_thread_join(context->thread);
    }
    g_mutex_clear(&context->lock);
    g_cond_clear(&context->changed);
}

static const ObjectType thread_context_type = {
    .name = TYPE_THREAD_CONTEXT,
    .parent = "object",
    .description = "host CPUs for the threads of other objects",
    .instance_size = sizeof(ThreadContext),
    .user_creatable = true,
    .properties = thread_context_properties,
    .init = thread_context_init,
    .finalize = thread_context_finalize,
    .complete = thread_context_complete,
    .can_be_deleted = thread_context_can_be_deleted,
};
OBJECT_TYPE_REGISTER(thread_context_type)
