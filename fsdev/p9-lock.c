/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks on ranges of files, between programs of this client, which are told apart by what the
 * client says of them; the host's programs do not see them. A lock is gone when it is given back,
 * or when the fid goes by which it was taken.
 */
#include <errno.h>
#include <string.h>

#include "fsdev/p9-internal.h"

#define MAX_LOCKS 65536

enum { TYPE_READ = 0, TYPE_WRITE = 1, TYPE_UNLOCK = 2 };
enum { STATUS_SUCCESS = 0, STATUS_BLOCKED = 1, STATUS_ERROR = 2 };

typedef struct Lock {
    dev_t dev;
    ino_t ino;
    uint64_t start, end; /* the last byte */
    uint8_t type;
    uint32_t process;
    char *client; /* owned by what is in the list, else borrowed */
    const P9Fid *fid;
} Lock;

struct P9Locks {
    GArray *list; /* of Lock */
};

static void lock_clear(gpointer lock)
{
    g_free(((Lock *)lock)->client);
}

P9Locks *p9_locks_new(void)
{
    P9Locks *locks = g_new(P9Locks, 1);

    locks->list = g_array_new(FALSE, FALSE, sizeof(Lock));
    g_array_set_clear_func(locks->list, lock_clear);
    return locks;
}

void p9_locks_free(P9Locks *locks)
{
    g_array_unref(locks->list);
    g_free(locks);
}

void p9_locks_fid_gone(P9Locks *locks, const P9Fid *fid)
{
    for (guint i = locks->list->len; i-- > 0;) {
        if (g_array_index(locks->list, Lock, i).fid == fid) {
            g_array_remove_index_fast(locks->list, i);
        }
    }
}

/* ---- ranges ---- */

static bool overlap(const Lock *a, const Lock *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->start <= b->end && b->start <= a->end;
}

static bool same_owner(const Lock *a, const Lock *b)
{
    return a->process == b->process && strcmp(a->client, b->client) == 0;
}

/* A lock of somebody else that is in the way of @wanted; NULL: none. */
static const Lock *find_conflict(const P9Locks *locks, const Lock *wanted)
{
    for (guint i = 0; i < locks->list->len; i++) {
        const Lock *lock = &g_array_index(locks->list, Lock, i);

        if (overlap(lock, wanted) && !same_owner(lock, wanted) &&
            (lock->type == TYPE_WRITE || wanted->type == TYPE_WRITE)) {
            return lock;
        }
    }
    return NULL;
}

static void add(P9Locks *locks, const Lock *from, uint64_t start, uint64_t end)
{
    Lock lock = *from;

    lock.start = start;
    lock.end = end;
    lock.client = g_strdup(from->client);
    g_array_append_val(locks->list, lock);
}

/* What its owner has of the range is gone. */
static void release(P9Locks *locks, const Lock *range)
{
    for (guint i = locks->list->len; i-- > 0;) {
        Lock *lock = &g_array_index(locks->list, Lock, i), rest;
        g_autofree char *client = NULL;

        if (!overlap(lock, range) || !same_owner(lock, range)) {
            continue;
        }
        rest = *lock;
        rest.client = client = g_strdup(lock->client);
        g_array_remove_index_fast(locks->list, i);
        if (rest.start < range->start) {
            add(locks, &rest, rest.start, range->start - 1);
        }
        if (rest.end > range->end) {
            add(locks, &rest, range->end + 1, rest.end);
        }
    }
}

/* ---- messages ---- */

/* start[8] length[8] proc_id[4] client_id[s]; length 0: to the end. */
static int get_range(P9Call *call, const P9Fid *fid, Lock *lock)
{
    uint64_t start = p9_get_u64(&call->in), length = p9_get_u64(&call->in);

    lock->process = p9_get_u32(&call->in);
    lock->client = p9_get_string(&call->in);
    if (call->in.bad) {
        return EINVAL;
    }
    if (!fid) {
        return EBADF;
    }
    if (lock->type > TYPE_UNLOCK || (length && start > UINT64_MAX - (length - 1))) {
        return EINVAL;
    }
    lock->dev = fid->node->dev;
    lock->ino = fid->node->ino;
    lock->fid = fid;
    lock->start = start;
    lock->end = length ? start + length - 1 : UINT64_MAX;
    return 0;
}

int p9_lock(P9Call *call)
{
    P9Locks *locks = call->s->locks;
    uint32_t number = p9_get_u32(&call->in);
    P9Fid *fid = call->in.bad ? NULL : p9_fid_find(call->s, number);
    Lock wanted = { .type = p9_get_u8(&call->in) };
    g_autofree char *client = NULL;
    uint8_t status = STATUS_SUCCESS;
    int err;

    p9_get_u32(&call->in); /* whether it wants to wait: it asks again */
    err = get_range(call, fid, &wanted);
    client = wanted.client;
    if (err) {
        return err;
    }
    if (wanted.type == TYPE_UNLOCK) {
        release(locks, &wanted);
    } else if (find_conflict(locks, &wanted)) {
        status = STATUS_BLOCKED;
    } else if (locks->list->len >= MAX_LOCKS) {
        status = STATUS_ERROR;
    } else {
        release(locks, &wanted);
        add(locks, &wanted, wanted.start, wanted.end);
    }
    p9_put_u8(&call->out, status);
    return 0;
}

int p9_getlock(P9Call *call)
{
    uint32_t number = p9_get_u32(&call->in);
    P9Fid *fid = call->in.bad ? NULL : p9_fid_find(call->s, number);
    Lock wanted = { .type = p9_get_u8(&call->in) };
    g_autofree char *client = NULL;
    const Lock *found;
    int err;

    err = get_range(call, fid, &wanted);
    client = wanted.client;
    if (err) {
        return err;
    }
    found = wanted.type == TYPE_UNLOCK ? NULL : find_conflict(call->s->locks, &wanted);
    p9_put_u8(&call->out, found ? found->type : TYPE_UNLOCK);
    found = found ? found : &wanted;
    p9_put_u64(&call->out, found->start);
    p9_put_u64(&call->out, found->end == UINT64_MAX ? 0 : found->end - found->start + 1);
    p9_put_u32(&call->out, found->process);
    p9_put_string(&call->out, found->client);
    return 0;
}
