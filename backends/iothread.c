/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/iothread.h"

#include <inttypes.h>

#include "util/error.h"

#define POLL_MAX_NS     32768
#define THREAD_POOL_MAX 64

/* ---- properties ---- */

static int64_t *field(Object *obj, const Property *prop)
{
    return (int64_t *)((char *)obj + prop->offset);
}

static void apply(const Iothread *iothread)
{
    if (iothread->loop) {
        loop_set_polling(iothread->loop, iothread->poll_max_ns, iothread->poll_grow,
                         iothread->poll_shrink);
    }
}

static bool number_set(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    int64_t number = json_object_get_int64(value);

    if (number < 0) {
        error_set(errp, "%s must be 0 or more, not %" PRId64, prop->name, number);
        return false;
    }
    *field(obj, prop) = number;
    apply(IOTHREAD(obj));
    return true;
}

static bool check_pool(const Iothread *iothread, GError **errp)
{
    if (iothread->thread_pool_max == 0 || iothread->thread_pool_min > iothread->thread_pool_max) {
        error_set(errp,
                  "thread-pool-max must be 1 or more, and thread-pool-min no more than that; they "
                  "are %" PRId64 " and %" PRId64,
                  iothread->thread_pool_max, iothread->thread_pool_min);
        return false;
    }
    return true;
}

static bool pool_set(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    int64_t before = *field(obj, prop);

    if (!number_set(obj, prop, value, errp)) {
        return false;
    }
    if (obj->settled && !check_pool(IOTHREAD(obj), errp)) { /* before, both have to be there */
        *field(obj, prop) = before;
        return false;
    }
    return true;
}

#define NUMBER(NAME, member, initial, setter, text)                                        \
    {                                                                                      \
        .name = (NAME), .kind = PROP_INT64, .offset = offsetof(Iothread, member),          \
        .has_default = true, .default_int = (initial), .live = true, .custom_type = "int", \
        .set = (setter), .description = (text)                                             \
    }

static const Property iothread_properties[] = {
    NUMBER("poll-max-ns", poll_max_ns, POLL_MAX_NS, number_set,
           "look for events for so long, ns, before sleeping; 0: never"),
    NUMBER("poll-grow", poll_grow, 0, number_set,
           "factor by which that grows up to poll-max-ns; 0: 2"),
    NUMBER("poll-shrink", poll_shrink, 0, number_set, "divisor by which it shrinks; 0: to nothing"),
    NUMBER("aio-max-batch", aio_max_batch, 0, number_set, "accepted, without effect"),
    NUMBER("thread-pool-min", thread_pool_min, 0, pool_set, "accepted, without effect"),
    NUMBER("thread-pool-max", thread_pool_max, THREAD_POOL_MAX, pool_set,
           "accepted, without effect"),
    { 0 },
};

/* ---- the object ---- */

static bool iothread_complete(Object *obj, GError **errp)
{
    Iothread *iothread = IOTHREAD(obj);
    g_autofree char *name = g_strdup_printf("IO %s", obj->name);

    if (!check_pool(iothread, errp)) {
        return false;
    }
    iothread->loop = loop_new(name, errp);
    apply(iothread);
    return iothread->loop;
}

static void iothread_finalize(Object *obj)
{
    loop_free(IOTHREAD(obj)->loop);
}

static const ObjectType iothread_type = {
    .name = TYPE_IOTHREAD,
    .parent = "object",
    .description = "a thread for the I/O of devices",
    .instance_size = sizeof(Iothread),
    .user_creatable = true,
    .properties = iothread_properties,
    .finalize = iothread_finalize,
    .complete = iothread_complete,
};
OBJECT_TYPE_REGISTER(iothread_type)
