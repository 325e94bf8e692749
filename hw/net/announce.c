/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/net/announce.h"

#include <inttypes.h>
#include <string.h>

#include "util/clock.h"
#include "util/error.h"
#include "util/timer.h"

#define WAIT_MAX_MS 100000
#define STEP_MAX_MS 10000
#define ROUNDS_MAX  1000

typedef struct Announce {
    char *id;
    char **interfaces; /* names of cards; NULL: all */
    int64_t wait_ms, max_ms, step_ms;
    int64_t rounds; /* left */
    Timer *timer;
} Announce;

static GHashTable *running; /* id (borrowed from the value) -> Announce, owned */

static void announce_free(gpointer opaque)
{
    Announce *a = opaque;

    timer_free(a->timer);
    g_strfreev(a->interfaces);
    g_free(a->id);
    g_free(a);
}

static void round_due(void *opaque)
{
    Announce *a = opaque;

    for (guint i = 0; a->rounds && i < net_clients()->len; i++) {
        NetClient *nc = net_clients()->pdata[i];
        Nic *nic = nic_of(nc);

        if (nic && nic->ops->announce &&
            (!a->interfaces || g_strv_contains((const char *const *)a->interfaces, nc->name))) {
            nic->ops->announce(nic);
        }
    }
    if (--a->rounds <= 0) {
        g_hash_table_remove(running, a->id);
        return;
    }
    timer_mod(a->timer, clock_ns() + a->wait_ms * NS_PER_MS);
    a->wait_ms = MIN(a->wait_ms + a->step_ms, a->max_ms);
}

/* ---- parameters ---- */

static bool check_range(const char *name, int64_t value, int64_t least, int64_t most, GError **errp)
{
    if (value < least || value > most) {
        error_set(errp, "'%s' is %" PRId64 ": it must be a number from %" PRId64 " to %" PRId64,
                  name, value, least, most);
        return false;
    }
    return true;
}

static bool check_interfaces(const GPtrArray *names, GError **errp)
{
    for (guint i = 0; names && i < names->len; i++) {
        const NetClient *nc = net_client_find(names->pdata[i]);

        if (!nc || !nic_of(nc)) {
            error_set(errp, "there is no network card '%s'", (const char *)names->pdata[i]);
            return false;
        }
    }
    return true;
}

static char **copy_names(const GPtrArray *names)
{
    char **copy = g_new0(char *, names->len + 1);

    for (guint i = 0; i < names->len; i++) {
        copy[i] = g_strdup(names->pdata[i]);
    }
    return copy;
}

static bool check(const AnnounceParameters *p, GError **errp)
{
    return check_range("initial", p->initial, 0, WAIT_MAX_MS, errp) &&
           check_range("max", p->max, 0, WAIT_MAX_MS, errp) &&
           check_range("rounds", p->rounds, 0, ROUNDS_MAX, errp) &&
           check_range("step", p->step, 0, STEP_MAX_MS, errp) &&
           check_interfaces(p->interfaces, errp);
}

/* One that waits for its first round. */
static Announce *announce_new(const AnnounceParameters *p)
{
    Announce *a = g_new0(Announce, 1);

    if (!running) {
        running = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, announce_free);
    }
    *a = (Announce){ .id = g_strdup(p->id ? p->id : ""),
                     .interfaces =
                         p->interfaces && p->interfaces->len ? copy_names(p->interfaces) : NULL,
                     .wait_ms = MIN(p->initial, p->max),
                     .max_ms = p->max,
                     .step_ms = p->step,
                     .rounds = p->rounds,
                     .timer = timer_new(round_due, a) };
    g_hash_table_replace(running, a->id, a);
    return a;
}

bool announce_self(const AnnounceParameters *p, GError **errp)
{
    if (!check(p, errp)) {
        return false;
    }
    round_due(announce_new(p));
    return true;
}

void announce_arrival(const AnnounceParameters *p)
{
    timer_mod(announce_new(p)->timer, clock_ns());
}
