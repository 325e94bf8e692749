/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/throttle-group.h"

#include <string.h>

#include "qom/object.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/machine-lock.h"
#include "util/main-loop.h"
#include "util/timer.h"

#define NO_GROUP "there is no throttle group '%s': make it with -object throttle-group,id=%s"

/* Of one direction of a group. */
typedef struct Alarm {
    ThrottleGroup *group;
    bool write;
    Timer *timer;    /* of the virtual clock */
    GSource *source; /* of the host's */
    int64_t at_ns;   /* 0: it is not set */
    unsigned next;   /* member whose turn it is */
} Alarm;

struct ThrottleGroup {
    char *name;
    unsigned refs;         /* machine lock */
    bool awaited;          /* its object is not there yet; machine lock */
    ThrottleOrigin origin; /* of its object's limits; machine lock */
    Throttle throttle;     /* this and what follows: under the mutex */
    GPtrArray *members;    /* of ThrottleMember */
    Alarm alarms[2];       /* reads, writes */
};

struct ThrottleMember {
    ThrottleGroup *group;
    GQueue waiting[2]; /* of ThrottleWaiter */
};

static GMutex mutex;
static GPtrArray *groups; /* of ThrottleGroup; both locks for changes */
static unsigned suspended;
static GPtrArray *hurried;   /* of GThread; under the mutex */
static bool objects_to_come; /* machine lock */

static int64_t now(void)
{
    return clock_is_stepped() ? clock_ns() : clock_host_ns();
}

/* ---- turns; the mutex ---- */

static void set_timer(void *opaque)
{
    g_mutex_lock(&mutex);
    for (unsigned i = 0; i < groups->len; i++) { /* it may be gone */
        ThrottleGroup *group = groups->pdata[i];

        for (unsigned j = 0; j < 2; j++) {
            if (&group->alarms[j] == opaque && group->alarms[j].at_ns) {
                timer_mod(group->alarms[j].timer, group->alarms[j].at_ns);
            }
        }
    }
    g_mutex_unlock(&mutex);
}

static void set_alarm(Alarm *alarm, int64_t wait)
{
    alarm->at_ns = now() + wait;
    if (!clock_is_stepped()) {
        g_source_set_ready_time(alarm->source, g_get_monotonic_time() + wait / NS_PER_US + 1);
    } else if (machine_lock_held()) {
        timer_mod(alarm->timer, alarm->at_ns);
    } else {
        main_loop_schedule(set_timer, alarm);
    }
}

/* The next of those that wait; NULL: none does. */
static ThrottleMember *take_turn(ThrottleGroup *group, bool write)
{
    Alarm *alarm = &group->alarms[write];

    for (unsigned i = 0; i < group->members->len; i++) {
        unsigned at = (alarm->next + i) % group->members->len;
        ThrottleMember *member = group->members->pdata[at];

        if (!g_queue_is_empty(&member->waiting[write])) {
            alarm->next = at;
            return member;
        }
    }
    return NULL;
}

/* Those that may go now, to @ready. */
static void collect(ThrottleGroup *group, bool write, GQueue *ready)
{
    Alarm *alarm = &group->alarms[write];
    ThrottleMember *member;

    alarm->at_ns = 0;
    while ((member = take_turn(group, write))) {
        int64_t wait = suspended ? 0 : throttle_wait_ns(&group->throttle, write, now());
        ThrottleWaiter *waiter;

        if (wait) {
            set_alarm(alarm, wait);
            return;
        }
        waiter = g_queue_pop_head(&member->waiting[write]);
        alarm->next++; /* others come first now */
        throttle_account(&group->throttle, write, waiter->bytes);
        g_queue_push_tail(ready, waiter);
    }
}

/* Without the mutex. */
static void let_go(GQueue *ready)
{
    ThrottleWaiter *waiter;

    while ((waiter = g_queue_pop_head(ready))) {
        waiter->go(waiter);
    }
}

static void ring(void *opaque)
{
    const Alarm *alarm = opaque;
    GQueue ready = G_QUEUE_INIT;

    g_mutex_lock(&mutex);
    collect(alarm->group, alarm->write, &ready);
    g_mutex_unlock(&mutex);
    let_go(&ready);
}

static gboolean source_ring(gpointer opaque)
{
    Alarm *alarm = opaque;

    g_source_set_ready_time(alarm->source, -1);
    ring(alarm);
    return G_SOURCE_CONTINUE;
}

static gboolean source_dispatch(GSource *source, GSourceFunc fn, gpointer opaque)
{
    return fn(opaque);
}

/* ---- groups ---- */

static ThrottleGroup *find(const char *name)
{
    for (unsigned i = 0; groups && i < groups->len; i++) {
        if (strcmp(((ThrottleGroup *)groups->pdata[i])->name, name) == 0) {
            return groups->pdata[i];
        }
    }
    return NULL;
}

static ThrottleGroup *group_new(const char *name)
{
    static GSourceFuncs source_funcs = { .dispatch = source_dispatch };
    const ThrottleConfig none = { 0 };
    ThrottleGroup *group = g_new0(ThrottleGroup, 1);

    group->name = g_strdup(name);
    group->members = g_ptr_array_new();
    throttle_set(&group->throttle, &none, now());
    for (unsigned i = 0; i < 2; i++) {
        Alarm *alarm = &group->alarms[i];

        alarm->group = group;
        alarm->write = i;
        alarm->timer = timer_new(ring, alarm);
        alarm->source = g_source_new(&source_funcs, sizeof(GSource));
        g_source_set_callback(alarm->source, source_ring, alarm, NULL);
        g_source_attach(alarm->source, NULL);
    }
    g_mutex_lock(&mutex);
    groups = groups ? groups : g_ptr_array_new();
    g_ptr_array_add(groups, group);
    g_mutex_unlock(&mutex);
    return group;
}

ThrottleGroup *throttle_group_get(const char *name, bool make, GError **errp)
{
    ThrottleGroup *group = find(name);

    if (!group && !make && objects_to_come) {
        group = group_new(name);
        group->awaited = true;
    }
    if (!group && !make) {
        error_set(errp, NO_GROUP, name, name);
        return NULL;
    }
    group = group ? group : group_new(name);
    group->refs++;
    return group;
}

void throttle_groups_await(void)
{
    objects_to_come = true;
}

bool throttle_groups_are_there(GError **errp)
{
    objects_to_come = false;
    for (unsigned i = 0; groups && i < groups->len; i++) {
        const ThrottleGroup *group = groups->pdata[i];

        if (group->awaited) {
            error_set(errp, NO_GROUP, group->name, group->name);
            return false;
        }
    }
    return true;
}

void throttle_group_unref(ThrottleGroup *group)
{
    if (!group || --group->refs) {
        return;
    }
    g_mutex_lock(&mutex);
    g_ptr_array_remove(groups, group);
    g_mutex_unlock(&mutex);
    for (unsigned i = 0; i < 2; i++) {
        timer_free(group->alarms[i].timer);
        g_source_destroy(group->alarms[i].source);
        g_source_unref(group->alarms[i].source);
    }
    g_ptr_array_unref(group->members);
    g_free(group->name);
    g_free(group);
}

const char *throttle_group_name(const ThrottleGroup *group)
{
    return group->name;
}

ThrottleConfig throttle_group_config(ThrottleGroup *group)
{
    ThrottleConfig config;

    g_mutex_lock(&mutex);
    config = group->throttle.config;
    g_mutex_unlock(&mutex);
    return config;
}

void throttle_group_set_config(ThrottleGroup *group, const ThrottleConfig *config)
{
    GQueue ready = G_QUEUE_INIT;

    g_mutex_lock(&mutex);
    throttle_set(&group->throttle, config, now());
    collect(group, false, &ready);
    collect(group, true, &ready);
    g_mutex_unlock(&mutex);
    let_go(&ready);
}

void throttle_groups_foreach_changed(void (*fn)(ThrottleGroup *group, void *opaque), void *opaque)
{
    for (unsigned i = 0; groups && i < groups->len; i++) {
        ThrottleGroup *group = groups->pdata[i];

        if (group->origin != THROTTLE_STARTED) {
            fn(group, opaque);
        }
    }
}

bool throttle_group_came(const char *name, const ThrottleConfig *config, GError **errp)
{
    ThrottleGroup *group = find(name);

    if (!group) {
        error_set(errp, NO_GROUP, name, name);
        return false;
    }
    if (!throttle_config_check(config, errp)) {
        return false;
    }
    if (group->origin != THROTTLE_CHANGED) {
        group->origin = THROTTLE_CAME;
        throttle_group_set_config(group, config);
    }
    return true;
}

/* ---- members ---- */

ThrottleMember *throttle_member_new(ThrottleGroup *group)
{
    ThrottleMember *member = g_new0(ThrottleMember, 1);

    member->group = group;
    g_queue_init(&member->waiting[0]);
    g_queue_init(&member->waiting[1]);
    g_mutex_lock(&mutex);
    g_ptr_array_add(group->members, member);
    g_mutex_unlock(&mutex);
    return member;
}

void throttle_member_free(ThrottleMember *member)
{
    if (!member) {
        return;
    }
    g_mutex_lock(&mutex);
    g_assert(g_queue_is_empty(&member->waiting[0]) && g_queue_is_empty(&member->waiting[1]));
    g_ptr_array_remove(member->group->members, member);
    g_mutex_unlock(&mutex);
    throttle_group_unref(member->group);
    g_free(member);
}

ThrottleGroup *throttle_member_group(const ThrottleMember *member)
{
    return member->group;
}

/* ---- requests ---- */

static bool is_hurried(const GThread *thread)
{
    return hurried && g_ptr_array_find(hurried, thread, NULL);
}

/* @thread: the one that waits itself; NULL: none does. */
static bool enter(ThrottleMember *member, bool write, uint64_t bytes, ThrottleWaiter *waiter,
                  const GThread *thread)
{
    ThrottleGroup *group = member->group;
    Alarm *alarm = &group->alarms[write];
    int64_t wait;
    bool goes;

    g_mutex_lock(&mutex);
    wait = suspended || alarm->at_ns ? 0 : throttle_wait_ns(&group->throttle, write, now());
    goes = suspended || (thread && is_hurried(thread)) || (!alarm->at_ns && !wait);
    if (goes) {
        throttle_account(&group->throttle, write, bytes);
    } else {
        waiter->bytes = bytes;
        g_queue_push_tail(&member->waiting[write], waiter);
        if (!alarm->at_ns) {
            set_alarm(alarm, wait);
        }
    }
    g_mutex_unlock(&mutex);
    return goes;
}

bool throttle_enter(ThrottleMember *member, bool write, uint64_t bytes, ThrottleWaiter *waiter)
{
    return enter(member, write, bytes, waiter, NULL);
}

typedef struct ThreadWaiter {
    ThrottleWaiter waiter;
    GThread *thread;
    GMutex mutex;
    GCond cond;
    bool gone;
} ThreadWaiter;

static void thread_go(ThrottleWaiter *waiter)
{
    ThreadWaiter *w = (ThreadWaiter *)(void *)waiter;

    g_mutex_lock(&w->mutex);
    w->gone = true;
    g_cond_signal(&w->cond);
    g_mutex_unlock(&w->mutex);
}

void throttle_enter_and_wait(ThrottleMember *member, bool write, uint64_t bytes)
{
    ThreadWaiter w = { .waiter = { .go = thread_go }, .thread = g_thread_self() };

    g_mutex_init(&w.mutex);
    g_cond_init(&w.cond);
    if (!enter(member, write, bytes, &w.waiter, w.thread)) {
        g_mutex_lock(&w.mutex);
        while (!w.gone) {
            g_cond_wait(&w.cond, &w.mutex);
        }
        g_mutex_unlock(&w.mutex);
    }
    g_mutex_clear(&w.mutex);
    g_cond_clear(&w.cond);
}

/* With the mutex: those of @member that @thread waits for, to @ready. */
static void take_hurried(ThrottleMember *member, bool write, const GThread *thread, GQueue *ready)
{
    GList *next;

    for (GList *link = member->waiting[write].head; link; link = next) {
        ThrottleWaiter *waiter = link->data;

        next = link->next;
        if (waiter->go == thread_go && ((ThreadWaiter *)(void *)waiter)->thread == thread) {
            g_queue_delete_link(&member->waiting[write], link);
            throttle_account(&member->group->throttle, write, waiter->bytes);
            g_queue_push_tail(ready, waiter);
        }
    }
}

void throttle_hurry(const GThread *thread)
{
    GQueue ready = G_QUEUE_INIT;

    g_mutex_lock(&mutex);
    hurried = hurried ? hurried : g_ptr_array_new();
    g_ptr_array_add(hurried, (GThread *)(uintptr_t)thread);
    for (unsigned i = 0; groups && i < groups->len; i++) {
        const ThrottleGroup *group = groups->pdata[i];

        for (unsigned j = 0; j < group->members->len; j++) {
            take_hurried(group->members->pdata[j], false, thread, &ready);
            take_hurried(group->members->pdata[j], true, thread, &ready);
        }
    }
    g_mutex_unlock(&mutex);
    let_go(&ready);
}

void throttle_hurry_end(const GThread *thread)
{
    g_mutex_lock(&mutex);
    g_ptr_array_remove(hurried, (GThread *)(uintptr_t)thread);
    g_mutex_unlock(&mutex);
}

void throttle_suspend(void)
{
    GQueue ready = G_QUEUE_INIT;

    g_mutex_lock(&mutex);
    suspended++;
    for (unsigned i = 0; groups && i < groups->len; i++) {
        collect(groups->pdata[i], false, &ready);
        collect(groups->pdata[i], true, &ready);
    }
    g_mutex_unlock(&mutex);
    let_go(&ready);
}

void throttle_resume(void)
{
    g_mutex_lock(&mutex);
    suspended--;
    g_mutex_unlock(&mutex);
}

/* ---- the object ---- */

typedef struct ThrottleObject {
    Object obj;
    ThrottleConfig config; /* until it is complete */
    ThrottleGroup *group;  /* NULL: it is not */
} ThrottleObject;

OBJECT_CAST_DEFINE(ThrottleObject, THROTTLE_OBJECT, TYPE_THROTTLE_GROUP)

static ThrottleConfig config_of(ThrottleObject *o)
{
    return o->group ? throttle_group_config(o->group) : o->config;
}

static bool set_config(ThrottleObject *o, const ThrottleConfig *config, GError **errp)
{
    if (o->group && !throttle_config_check(config, errp)) {
        return false;
    }
    o->config = *config;
    if (o->group) {
        o->group->origin = THROTTLE_CHANGED;
        throttle_group_set_config(o->group, config);
    }
    return true;
}

static void *limits_get(Object *obj)
{
    const ThrottleConfig config = config_of(THROTTLE_OBJECT(obj));

    return throttle_config_to_limits(&config);
}

/* What is not given stays. */
static bool limits_set(Object *obj, const void *value, GError **errp)
{
    ThrottleObject *o = THROTTLE_OBJECT(obj);
    ThrottleConfig config = config_of(o);

    throttle_config_update(&config, value);
    return set_config(o, &config, errp);
}

static int64_t *x_member(ThrottleConfig *config, const Property *prop)
{
    return (int64_t *)(void *)((char *)config + prop->offset);
}

static struct json_object *x_get(Object *obj, const Property *prop, GError **errp)
{
    ThrottleConfig config = config_of(THROTTLE_OBJECT(obj));

    return json_object_new_int64(*x_member(&config, prop));
}

static bool x_set(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    ThrottleConfig config = config_of(THROTTLE_OBJECT(obj));

    *x_member(&config, prop) = json_object_get_int64(value);
    return set_config(THROTTLE_OBJECT(obj), &config, errp);
}

#define X(NAME, member, text)                                                   \
    {                                                                           \
        .name = NAME, .kind = PROP_CUSTOM, .custom_type = "int",                \
        .offset = offsetof(ThrottleConfig, member), .get = x_get, .set = x_set, \
        .description = (text)                                                   \
    }
#define X_LIMIT(NAME, KIND, what)                                           \
    X("x-" NAME, limits[KIND].rate, what " a second"),                      \
        X("x-" NAME "-max", limits[KIND].max, what " a second, in bursts"), \
        X("x-" NAME "-max-length", limits[KIND].max_length, "seconds that such a burst may last")

static const Property throttle_properties[] = {
    { .name = "limits",
      .kind = PROP_STRUCT,
      .struct_type = &ThrottleLimits_type,
      .live = true,
      .get_struct = limits_get,
      .set_struct = limits_set,
      .description = "the limits" },
    X_LIMIT("bps-total", THROTTLE_BPS_TOTAL, "bytes"),
    X_LIMIT("bps-read", THROTTLE_BPS_READ, "bytes of reads"),
    X_LIMIT("bps-write", THROTTLE_BPS_WRITE, "bytes of writes"),
    X_LIMIT("iops-total", THROTTLE_IOPS_TOTAL, "operations"),
    X_LIMIT("iops-read", THROTTLE_IOPS_READ, "reads"),
    X_LIMIT("iops-write", THROTTLE_IOPS_WRITE, "writes"),
    X("x-iops-size", iops_size, "a larger request is counted as several of this size"),
    { 0 },
};

static bool throttle_complete(Object *obj, GError **errp)
{
    ThrottleObject *o = THROTTLE_OBJECT(obj);
    ThrottleGroup *group = find(obj->name);

    if (!throttle_config_check(&o->config, errp)) {
        return false;
    }
    if (group && !group->awaited) {
        error_set(errp, "there is a throttle group '%s' already", obj->name);
        return false;
    }
    o->group = throttle_group_get(obj->name, true, NULL);
    o->group->awaited = false;
    throttle_group_set_config(o->group, &o->config);
    return true;
}

static bool throttle_can_be_deleted(Object *obj, GError **errp)
{
    const ThrottleObject *o = THROTTLE_OBJECT(obj);

    if (o->group && o->group->members->len) {
        error_set(errp, "throttle group '%s' is in use", obj->name);
        return false;
    }
    return true;
}

static void throttle_finalize(Object *obj)
{
    throttle_group_unref(THROTTLE_OBJECT(obj)->group);
}

static const ObjectType throttle_group_type = {
    .name = TYPE_THROTTLE_GROUP,
    .parent = "object",
    .description = "limits that disks have together",
    .instance_size = sizeof(ThrottleObject),
    .user_creatable = true,
    .properties = throttle_properties,
    .finalize = throttle_finalize,
    .complete = throttle_complete,
    .can_be_deleted = throttle_can_be_deleted,
};
OBJECT_TYPE_REGISTER(throttle_group_type)
