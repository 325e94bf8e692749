/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/failover.h"

#include <json-c/json.h>
#include <string.h>

#include "hw/core/runstate.h"
#include "qapi/qapi-events.h"
#include "util/error.h"
#include "util/main-loop.h"

typedef struct Primary {
    char *id, *standby;
    struct json_object *props; /* of device_add */
    const Device *dev;         /* NULL: it is hidden */
    bool asked;                /* it goes for a migration, and comes again */
} Primary;

typedef struct Standby {
    char *id;
    bool negotiated;
} Standby;

static GPtrArray *primaries, *standbys; /* owned */
static const Primary *coming;           /* it is no hidden one, whose id nobody may have */
static bool leaving, scheduled;
static void (*changed_fn)(void);
static GError *cannot_leave;

static void primary_free(gpointer data)
{
    Primary *p = data;

    json_object_put(p->props);
    g_free(p->id);
    g_free(p->standby);
    g_free(p);
}

static void standby_free(gpointer data)
{
    g_free(((Standby *)data)->id);
    g_free(data);
}

static Primary *primary_at(unsigned n)
{
    return primaries && n < primaries->len ? primaries->pdata[n] : NULL;
}

static Primary *find_primary(const char *id)
{
    Primary *p;

    for (unsigned i = 0; (p = primary_at(i)); i++) {
        if (strcmp(p->id, id) == 0) {
            return p;
        }
    }
    return NULL;
}

static Standby *find_standby(const char *id)
{
    for (unsigned i = 0; standbys && i < standbys->len; i++) {
        Standby *s = standbys->pdata[i];

        if (strcmp(s->id, id) == 0) {
            return s;
        }
    }
    return NULL;
}

/* ---- when it comes ---- */

/* A machine whose state is taken, or has not come yet, stays as it is. */
static bool may_come(const Primary *p)
{
    const Standby *s = find_standby(p->standby);
    const RunState state = runstate_get();

    return !p->dev && s && s->negotiated && !leaving &&
           (runstate_is_running() || state == RUN_STATE_PAUSED);
}

static bool come(Primary *p, GError **errp)
{
    coming = p;
    p->dev = device_add(p->props, errp);
    coming = NULL;
    return p->dev;
}

static void come_now(void *opaque)
{
    Primary *p;

    scheduled = false;
    for (unsigned i = 0; (p = primary_at(i)); i++) {
        g_autoptr(GError) err = NULL;

        if (may_come(p) && !come(p, &err)) {
            error_warn("%s, the primary of '%s', cannot be plugged: %s", p->id, p->standby,
                       err->message);
        }
    }
}

static void come_soon(void *opaque)
{
    if (!scheduled) {
        scheduled = true;
        main_loop_schedule(come_now, NULL);
    }
}

/* ---- for users ---- */

static const char *text_of(struct json_object *props, const char *key)
{
    struct json_object *value;

    return json_object_object_get_ex(props, key, &value) ? json_object_get_string(value) : NULL;
}

/* A device of the host may be a card, too. */
static bool check_type(const char *name, GError **errp)
{
    const ObjectType *type = device_type_called(name);
    const DeviceClass *class = type->ops;
    const bool ok = strcmp(class->category, "network") == 0 || strcmp(type->name, "vfio-pci") == 0;

    if (!ok) {
        error_set(errp, "failover_pair_id is for network cards, and %s is none", name);
    }
    return ok;
}

static Primary *note(struct json_object *props, const char *id, const char *standby)
{
    Primary *p = g_new0(Primary, 1);

    p->id = g_strdup(id);
    p->standby = g_strdup(standby);
    p->props = json_object_get(props);
    if (!primaries) {
        primaries = g_ptr_array_new_with_free_func(primary_free);
        runstate_add_start(come_soon, NULL);
    }
    g_ptr_array_add(primaries, p);
    return p;
}

bool failover_device_add(struct json_object *props, GError **errp)
{
    const char *standby = text_of(props, "failover_pair_id"), *id = text_of(props, "id");
    Primary *p;

    if (!standby || !*standby) {
        return device_add(props, errp);
    }
    if (!id) {
        error_set(errp, "failover_pair_id=%s: a card that comes and goes needs an id=", standby);
        return false;
    }
    if (!device_check(props, errp) || !check_type(text_of(props, "driver"), errp)) {
        return false;
    }
    p = note(props, id, standby);
    if (may_come(p) && !come(p, errp)) {
        g_ptr_array_remove(primaries, p);
        return false;
    }
    return true;
}

bool failover_has(const char *id)
{
    const Primary *p = find_primary(id);

    return p && !p->dev && p != coming;
}

bool failover_forget(const char *id)
{
    if (!failover_has(id)) {
        return false;
    }
    g_ptr_array_remove(primaries, find_primary(id));
    return true;
}

/* ---- of devices ---- */

void failover_add_standby(const char *id)
{
    Standby *s = g_new0(Standby, 1);

    s->id = g_strdup(id);
    standbys = standbys ? standbys : g_ptr_array_new_with_free_func(standby_free);
    g_ptr_array_add(standbys, s);
}

void failover_remove_standby(const char *id)
{
    Standby *s = find_standby(id);

    if (s) {
        g_ptr_array_remove(standbys, s);
    }
}

void failover_negotiate(const char *id, bool on)
{
    Standby *s = find_standby(id);

    if (s && s->negotiated != on) {
        s->negotiated = on;
        if (on) {
            qapi_event_send_failover_negotiated(id);
            come_soon(NULL); /* this may be a CPU's thread */
        }
    }
}

static Primary *primary_at_object(const Object *obj)
{
    Primary *p;

    for (unsigned i = 0; (p = primary_at(i)); i++) {
        if (p->dev && &p->dev->parent == obj) {
            return p;
        }
    }
    return NULL;
}

static Primary *primary_of(const Device *dev)
{
    return primary_at_object(&dev->parent);
}

bool failover_is_primary(const Device *dev)
{
    const Primary *p = NULL;

    for (const Object *obj = &dev->parent; obj && !p; obj = obj->parent) {
        p = primary_at_object(obj);
    }
    return p;
}

const char *failover_pair_of(const Device *dev)
{
    const Primary *p = primary_of(dev);

    return p ? p->standby : NULL;
}

void failover_stays(const Device *dev)
{
    Primary *p = primary_of(dev);

    if (!p || !p->asked || !leaving) {
        return;
    }
    p->asked = false;
    if (!cannot_leave) {
        error_set(&cannot_leave,
                  "%s, the primary of '%s', stays: the guest refused to give it back, or was reset "
                  "meanwhile; migrate again",
                  p->id, p->standby);
    }
    if (changed_fn) {
        changed_fn();
    }
}

void failover_device_gone(const Device *dev)
{
    Primary *p = primary_of(dev);

    if (!p) {
        return;
    }
    p->dev = NULL;
    if (!p->asked) { /* a user did */
        g_ptr_array_remove(primaries, p);
    } else {
        p->asked = false;
        come_soon(NULL);
    }
    if (changed_fn) {
        changed_fn();
    }
}

/* ---- of migrations ---- */

static bool any_plugged(void)
{
    const Primary *p;

    for (unsigned i = 0; (p = primary_at(i)); i++) {
        if (p->dev) {
            return true;
        }
    }
    return false;
}

static void ask_all(void *opaque)
{
    Primary *p;

    for (unsigned i = 0; leaving && (p = primary_at(i)); i++) {
        if (!p->dev) {
            continue;
        }
        qapi_event_send_unplug_primary(p->id);
        p->asked = true;
        if (!device_del(p->id, cannot_leave ? NULL : &cannot_leave)) {
            p->asked = false;
        }
    }
    if (changed_fn) {
        changed_fn();
    }
}

bool failover_leave(void (*changed)(void))
{
    g_clear_error(&cannot_leave);
    leaving = true;
    if (!any_plugged()) {
        return false;
    }
    changed_fn = changed;
    main_loop_schedule(ask_all, NULL);
    return true;
}

void failover_hold(void)
{
    leaving = true;
}

bool failover_has_left(GError **errp)
{
    if (cannot_leave) {
        g_propagate_error(errp, g_error_copy(cannot_leave));
    }
    return !cannot_leave && !any_plugged();
}

void failover_return(void)
{
    Primary *p;

    leaving = false;
    changed_fn = NULL;
    g_clear_error(&cannot_leave);
    for (unsigned i = 0; (p = primary_at(i)); i++) {
        /* If it is too late for that, it goes, and comes again. */
        if (p->dev && p->asked && device_del_cancel(p->id, NULL)) {
            p->asked = false;
        }
    }
    come_soon(NULL);
}

bool failover_check_none(GError **errp)
{
    const Primary *p;

    for (unsigned i = 0; (p = primary_at(i)); i++) {
        if (p->dev) {
            error_set(errp,
                      "%s, the primary of '%s', can only be left behind by a migration: unplug it "
                      "first",
                      p->id, p->standby);
            return false;
        }
    }
    return true;
}
