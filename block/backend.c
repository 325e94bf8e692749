/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/backend-aio.h"
#include "block/driver.h"
#include "block/throttle-node.h"

#include <errno.h>
#include <string.h>

#include "block/breakpoint.h"
#include "block/gate.h"
#include "block/job.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/machine-lock.h"
#include "util/main-loop.h"
#include "util/thread-pool.h"

#define MAX_THREADS 64

static GPtrArray *backends; /* of BlockBackend */
static ThreadPool *pool;    /* from the first backend on */
static unsigned holds;      /* block_hold_all() without block_resume_all() */

static void *work(void *data);
static void tell_ended(void *request);
static const ThreadPoolOps pool_ops = { .name = "block", .work = work, .tell = tell_ended };

/* ---- the list ---- */

void block_backend_foreach(void (*fn)(BlockBackend *backend, void *opaque), void *opaque)
{
    for (unsigned i = 0; backends && i < backends->len; i++) {
        fn(backends->pdata[i], opaque);
    }
}

BlockBackend *block_backend_find(const char *name)
{
    for (unsigned i = 0; backends && i < backends->len; i++) {
        BlockBackend *backend = backends->pdata[i];

        if (g_strcmp0(backend->name, name) == 0) {
            return backend;
        }
    }
    return NULL;
}

static void backend_free(BlockBackend *backend)
{
    g_ptr_array_remove(backends, backend);
    block_edge_detach(&backend->edge);
    throttle_member_free(backend->limits);
    for (unsigned i = 0; i < BLOCK_LATENCY_COUNT; i++) {
        latency_free(backend->latencies[i]);
    }
    g_mutex_clear(&backend->mutex);
    g_cond_clear(&backend->ended);
    g_free(backend->name);
    g_free(backend);
}

bool block_backend_check_name(const char *name, GError **errp)
{
    bool is_node = block_node_find(name, NULL);

    if (is_node || block_backend_find(name)) {
        error_set(errp, "id=%s: there is a %s; use another id", name,
                  is_node ? "block node with this name" : "drive with this id");
        return false;
    }
    return true;
}

BlockBackend *block_backend_new(const char *name, BlockNode *node, GError **errp)
{
    g_autofree char *user = g_strdup_printf("drive '%s'", name ? name : node->name);
    BlockBackend *backend;
    bool ok;

    if (name && !block_backend_check_name(name, errp)) {
        block_node_unref(node);
        return NULL;
    }
    backend = g_new0(BlockBackend, 1);
    backends = backends ? backends : g_ptr_array_new();
    pool = pool ? pool : thread_pool_new(&pool_ops, MAX_THREADS);
    g_ptr_array_add(backends, backend);
    backend->name = g_strdup(name);
    backend->on_read_error = BLOCKDEV_ON_ERROR_REPORT;
    backend->on_write_error = BLOCKDEV_ON_ERROR_ENOSPC;
    g_mutex_init(&backend->mutex);
    g_cond_init(&backend->ended);
    g_queue_init(&backend->done);
    g_queue_init(&backend->failures);
    g_queue_init(&backend->held_back);
    backend->loop = loop_main();
    ok = block_edge_attach(&backend->edge, node, user, 0, BLOCK_PERM_ALL, errp);
    block_node_unref(node); /* the edge has its own */
    if (!ok) {
        backend_free(backend);
        return NULL;
    }
    return backend;
}

BlockBackend *block_backend_get(const char *name, GError **errp)
{
    BlockBackend *backend = block_backend_find(name);
    BlockNode *node;

    if (backend && backend->device) {
        error_set(errp, "drive '%s' is in use by %s", name, backend->device);
        return NULL;
    }
    if (backend) {
        return backend;
    }
    node = block_node_find(name, NULL);
    if (!node) {
        error_set(errp,
                  "there is no drive or block node '%s': make it with -drive if=none,id=%s or "
                  "-blockdev node-name=%s",
                  name, name, name);
        return NULL;
    }
    node->refs++;
    return block_backend_new(NULL, node, errp);
}

/* ---- devices ---- */

/* False: it is as it was. */
static bool take_node(BlockBackend *backend, const char *user, bool read_only, unsigned shares,
                      GError **errp)
{
    BlockNode *node = block_backend_node(backend);
    bool ok;

    node->refs++;
    block_edge_detach(&backend->edge);
    ok = block_edge_attach(&backend->edge, node, user,
                           BLOCK_PERM_READ | (read_only ? 0 : BLOCK_PERM_WRITE), shares, errp);
    if (!ok) {
        block_edge_attach(&backend->edge, node, "nobody", 0, BLOCK_PERM_ALL, NULL);
    } else {
        backend->writable = !read_only;
    }
    block_node_unref(node);
    if (!ok && !backend->name) {
        backend_free(backend);
    }
    return ok;
}

bool block_backend_take(BlockBackend *backend, const char *path, bool read_only, bool share,
                        GError **errp)
{
    g_autofree char *user = g_strdup_printf("device %s", path);
    unsigned shares = BLOCK_PERM_ALL & ~(share ? 0u : BLOCK_PERM_WRITE);

    if (!take_node(backend, user, read_only, shares, errp)) {
        return false;
    }
    backend->device = g_strdup(path);
    return true;
}

bool block_backend_take_for_export(BlockBackend *backend, const char *user, bool read_only,
                                   GError **errp)
{
    backend->exported = true;
    return take_node(backend, user, read_only, BLOCK_PERM_ALL, errp);
}

/* There are no requests. */
static bool move_to(BlockBackend *backend, BlockNode *node, GError **errp)
{
    BlockNode *old = block_backend_node(backend);
    bool ok;

    old->refs++;
    block_edge_move(&backend->edge, node);
    ok = block_node_update_perms(node, NULL) || /* what is below both is used all the time */
         (block_node_update_perms(old, errp) && block_node_update_perms(node, errp));
    ok = ok && block_node_update_perms(old, errp);
    if (!ok) {
        block_edge_move(&backend->edge, old);
        block_node_update_perms(node, NULL);
        block_node_update_perms(old, NULL); /* they went together */
    }
    block_node_unref(old);
    return ok;
}

bool block_backend_set_node(BlockBackend *backend, BlockNode *node, GError **errp)
{
    BlockNode *old = block_backend_node(backend);
    uint64_t size = block_backend_size(backend);
    bool ok;

    if (backend->empty) {
        error_set(errp, "%s has no medium: use blockdev-insert-medium", backend->device);
        return false;
    }
    if (old == node) {
        return true;
    }
    if (!block_node_check_idle(old, errp) || !block_node_check_idle(node, errp)) {
        return false;
    }
    block_hold_all();
    ok = move_to(backend, node, errp);
    backend->shrunk |= block_backend_size(backend) < size;
    block_resume_all();
    if (ok && backend->ops && backend->ops->resized) {
        backend->ops->resized(backend->opaque);
    }
    return ok;
}

void block_backend_connect(BlockBackend *backend, Loop *loop, const BlockBackendOps *ops,
                           void *opaque)
{
    backend->loop = loop;
    backend->ops = ops;
    backend->opaque = opaque;
}

void block_backend_forget(BlockBackend *backend)
{
    g_clear_pointer(&backend->name, g_free);
    if (!backend->device) {
        backend_free(backend);
    }
}

void block_backend_leave(const char *path)
{
    size_t length = strlen(path);

    for (unsigned i = backends ? backends->len : 0; i-- > 0;) {
        BlockBackend *backend = backends->pdata[i];

        if (backend->device && strncmp(backend->device, path, length) == 0 &&
            (!backend->device[length] || backend->device[length] == '/')) {
            block_backend_forget(backend);
        }
    }
}

void block_backend_release(BlockBackend *backend)
{
    BlockNode *node = block_backend_node(backend);

    g_assert(!backend->pending && g_queue_is_empty(&backend->held_back));
    if (backend->loop != loop_main()) {
        loop_run(backend->loop, backend_aio_end,
                 backend); /* it may be about to look for requests */
    } else {
        backend_aio_end(backend);
    }
    backend->loop = loop_main();
    g_clear_pointer(&backend->device, g_free);
    backend->ops = NULL;
    backend->writable = false;
    if (!backend->name) {
        backend_free(backend);
        return;
    }
    node->refs++;
    block_edge_detach(&backend->edge);
    block_edge_attach(&backend->edge, node, "nobody", 0, BLOCK_PERM_ALL, NULL);
    block_node_unref(node);
}

uint64_t block_backend_size(BlockBackend *backend)
{
    int64_t length = block_node_length(block_backend_node(backend));

    return length < 0 ? 0 : ((uint64_t)length + BLOCK_SECTOR - 1) / BLOCK_SECTOR * BLOCK_SECTOR;
}

/* ---- requests ---- */

static int carry_out(BlockNode *node, BlockRequest *r, bool fua)
{
    const unsigned flags = fua ? BLOCK_FUA : 0;

    switch (r->op) {
    case BLOCK_READ:
        return block_node_read(node, r->offset, r->iov, r->iovcnt);
    case BLOCK_WRITE:
        return block_node_write(node, r->offset, r->iov, r->iovcnt, flags);
    case BLOCK_FLUSH:
        return block_node_flush(node);
    case BLOCK_DISCARD:
        return block_node_discard(node, r->offset, r->bytes, flags);
    case BLOCK_CALL:
        return r->call(node, r);
    default:
        return block_node_write_zeroes(node, r->offset, r->bytes,
                                       flags | (r->unmap ? BLOCK_UNMAP : 0) |
                                           (r->fast ? BLOCK_FAST : 0));
    }
}

/* With the mutex. There are seldom any, and GLib asks the host's kernel in any case. */
static void tell_waiters(BlockBackend *backend)
{
    if (backend->waiters) {
        g_cond_broadcast(&backend->ended);
    }
}

/* With the mutex. */
static void account(BlockBackend *backend, const BlockRequest *r)
{
    static const uint8_t kinds[BLOCK_OP_COUNT] = { [BLOCK_READ] = 1 + BLOCK_LATENCY_READ,
                                                   [BLOCK_WRITE] = 1 + BLOCK_LATENCY_WRITE,
                                                   [BLOCK_WRITE_ZEROES] = 1 + BLOCK_LATENCY_WRITE,
                                                   [BLOCK_FLUSH] = 1 + BLOCK_LATENCY_FLUSH };
    BlockStatistics *stats = &backend->stats;

    if (kinds[r->op]) {
        latency_count(backend->latencies[kinds[r->op] - 1], r->end_ns - r->start_ns);
    }
    stats->ns[r->op] += r->end_ns - r->start_ns;
    if (r->error) {
        stats->failed[r->op]++;
        return;
    }
    stats->operations[r->op]++;
    stats->bytes[r->op] += r->bytes;
    if (r->op == BLOCK_WRITE || r->op == BLOCK_WRITE_ZEROES) {
        stats->written_end = MAX(stats->written_end, r->offset + r->bytes);
    }
}

/* With the mutex: @from becomes empty. */
static GQueue take_all(GQueue *from)
{
    GQueue all = *from;

    g_queue_init(from);
    return all;
}

static void schedule_failures(BlockBackend *backend);

static bool is_main(const BlockBackend *backend)
{
    return backend->loop == loop_main() || machine_lock_held();
}

/* `done` of those in @requests; but what failed is the main loop's to tell. How many were told. */
static unsigned tell(BlockBackend *backend, GQueue *requests)
{
    bool main = is_main(backend);
    unsigned count = 0;
    GList *link;

    while ((link = g_queue_pop_head_link(requests))) {
        BlockRequest *r = link->data;

        if (r->error && !main) {
            g_mutex_lock(&backend->mutex);
            g_queue_push_tail_link(&backend->failures, link);
            schedule_failures(backend);
            g_mutex_unlock(&backend->mutex);
        } else {
            count++;
            r->done(r);
        }
    }
    return count;
}

/* Tell the device of those that the pool is through with. In the loop, or with the machine lock. */
static void complete(BlockBackend *backend)
{
    const BlockBackendOps *ops = backend->ops;
    GQueue done, failures = G_QUEUE_INIT;
    unsigned count;

    g_mutex_lock(&backend->mutex);
    done = take_all(&backend->done);
    if (is_main(backend)) {
        failures = take_all(&backend->failures);
    }
    g_mutex_unlock(&backend->mutex);
    if (g_queue_is_empty(&done) && g_queue_is_empty(&failures)) {
        return;
    }
    if (ops && ops->begin) {
        ops->begin(backend->opaque);
    }
    count = tell(backend, &done) + tell(backend, &failures);
    if (ops && ops->end) {
        ops->end(backend->opaque);
    }
    g_mutex_lock(&backend->mutex);
    backend->pending -= count;
    tell_waiters(backend);
    g_mutex_unlock(&backend->mutex);
}

/* From the main loop. The backend may be gone: whoever drained it took what was there. */
static void look(void *opaque)
{
    BlockBackend *backend = opaque;

    for (unsigned i = 0; i < backends->len; i++) {
        if (backends->pdata[i] == backend) {
            g_mutex_lock(&backend->mutex);
            backend->failures_scheduled = false;
            backend->scheduled = backend->scheduled && backend->loop != loop_main();
            g_mutex_unlock(&backend->mutex);
            complete(backend);
        }
    }
}

/* From a loop of the device's own, for which block_backend_release() waits. */
static void look_here(void *opaque)
{
    BlockBackend *backend = opaque;

    g_mutex_lock(&backend->mutex);
    backend->scheduled = false;
    g_mutex_unlock(&backend->mutex);
    complete(backend);
}

/* With the mutex; and so the next. */
static void schedule_failures(BlockBackend *backend)
{
    if (!backend->failures_scheduled) {
        backend->failures_scheduled = true;
        main_loop_schedule(look, backend);
    }
}

/* The loop that has to be woken, without the mutex, or NULL. */
static Loop *schedule(BlockBackend *backend)
{
    if (backend->scheduled) {
        return NULL;
    }
    backend->scheduled = true;
    loop_post(backend->loop, backend->loop == loop_main() ? look : look_here, backend);
    return backend->loop;
}

/* @call: the loop has to look; asked within the lock, after which the backend may be gone. */
static void ended(BlockRequest *r, bool call)
{
    BlockBackend *backend = r->backend;
    Loop *wake;

    r->end_ns = clock_host_ns();
    backend_trace(TRACE_BLK_DONE, r);
    g_mutex_lock(&backend->mutex);
    account(backend, r);
    g_queue_push_tail_link(&backend->done, &r->link);
    wake = call ? schedule(backend) : NULL;
    tell_waiters(backend);
    g_mutex_unlock(&backend->mutex);
    loop_wake(wake);
}

void backend_request_ended(BlockRequest *r, int err)
{
    r->error = err;
    ended(r, false);
}

void backend_tell(BlockBackend *backend)
{
    complete(backend);
}

void backend_request_by_thread(BlockRequest *r)
{
    thread_pool_push(pool, &r->link);
}

/* May a thread of the pool tell the device that @r, the only request, has ended? That is one
 * thread less to wake. With more of them the main loop does, which tells of several at once; and
 * whoever is no device may wait in the main loop. True: it has the machine lock, without which
 * nobody frees the backend. */
static bool may_tell(const BlockRequest *r)
{
    BlockBackend *backend = r->backend;
    bool only;

    g_mutex_lock(&backend->mutex);
    only = backend->pending == 1 && backend->device && backend->ops && backend->loop == loop_main();
    g_mutex_unlock(&backend->mutex);
    return !r->error && only && machine_trylock();
}

/* In a thread of the pool. Returns the request if the loop has to be told of its end. */
static void *work(void *data)
{
    BlockRequest *r = data;
    BlockBackend *backend = r->backend;
    BlockNode *node = block_backend_node(backend);
    bool fua = r->and_flush && r->op != BLOCK_CALL && block_node_can_fua(node);

    throttle_node_passed(node);
    r->error = carry_out(node, r, fua);
    throttle_node_passed(NULL);
    if (!r->error && r->and_flush && !fua) {
        r->error = block_node_flush(node);
    }
    if (!may_tell(r)) {
        return r;
    }
    ended(r, false);
    complete(backend);
    machine_unlock();
    return NULL;
}

static void tell_ended(void *request)
{
    ended(request, true);
}

/* ---- limits ---- */

static void throttle_go(ThrottleWaiter *waiter);

/* Has @r waited for all limits from the backend down to the first node that is no throttle? Else it
 * goes on by itself when it may. */
static bool pass_limits(BlockRequest *r)
{
    if (r->op == BLOCK_FLUSH) {
        return true;
    }
    for (;;) {
        ThrottleMember *member = r->backend->limits;

        if (!r->limits_passed) {
            r->limits_passed = true;
            r->throttled = block_backend_node(r->backend);
        } else {
            member = throttle_node_member(r->throttled);
            if (!member) {
                return true;
            }
            r->throttled = r->throttled->file.node;
        }
        r->waiter.go = throttle_go;
        if (member && !throttle_enter(member, r->op != BLOCK_READ, r->bytes, &r->waiter)) {
            return false; /* it may be done already */
        }
    }
}

static void throttle_go(ThrottleWaiter *waiter)
{
    BlockRequest *r = (BlockRequest *)(void *)((char *)waiter - offsetof(BlockRequest, waiter));

    if (pass_limits(r)) {
        backend_request_by_thread(r);
    }
}

bool block_backend_set_limits(BlockBackend *backend, const ThrottleConfig *config,
                              const char *group, GError **errp)
{
    ThrottleMember *old = backend->limits;

    if (!throttle_config_check(config, errp)) {
        return false;
    }
    if (old && throttle_config_any(config) &&
        strcmp(throttle_group_name(throttle_member_group(old)), group) == 0) {
        throttle_group_set_config(throttle_member_group(old), config);
        return true;
    }
    block_hold_all();
    backend->limits = NULL;
    if (throttle_config_any(config)) {
        ThrottleGroup *to = throttle_group_get(group, true, NULL);

        throttle_group_set_config(to, config);
        backend->limits = throttle_member_new(to);
    }
    throttle_member_free(old);
    block_resume_all();
    return true;
}

/* A device looks at the size when it gets a request, which may be held back then, or kept because
 * it failed. */
static bool lies_within(BlockBackend *backend, const BlockRequest *r)
{
    uint64_t size;

    if (!backend->shrunk || r->op == BLOCK_FLUSH || r->op == BLOCK_CALL) {
        return true;
    }
    size = block_backend_size(backend);
    return r->offset <= size && r->bytes <= size - r->offset;
}

/* Where @r is counted as pending. False: it is told that it failed. */
static bool check_place(BlockBackend *backend, BlockRequest *r)
{
    if (!lies_within(backend, r)) {
        r->error = EIO;
        ended(r, true);
        return false;
    }
    return true;
}

/* Not the last reference of a thread to the backend's mutex: whoever drains waits for the number of
 * requests that are done, which is seen under it. */
bool block_submit(BlockBackend *backend, BlockRequest *r)
{
    BackendAio started;
    bool held;

    r->flushing = r->limits_passed = false;
    r->backend = backend;
    r->link = (GList){ .data = r };
    r->error = 0;
    r->start_ns = clock_host_ns();
    backend_trace(TRACE_BLK_REQUEST, r);
    g_mutex_lock(&backend->mutex);
    held = backend->held;
    if (held) {
        g_queue_push_tail_link(&backend->held_back, &r->link);
    } else {
        backend->pending++;
    }
    g_mutex_unlock(&backend->mutex);
    if (held || !check_place(backend, r) || !pass_limits(r)) {
        return false;
    }
    throttle_node_passed(block_backend_node(backend));
    started = backend_aio_start(backend, r);
    throttle_node_passed(NULL);
    if (started == BACKEND_AIO_DONE) {
        r->end_ns = clock_host_ns();
        backend_trace(TRACE_BLK_DONE, r);
        g_mutex_lock(&backend->mutex);
        account(backend, r);
        backend->pending--;
        tell_waiters(backend);
        g_mutex_unlock(&backend->mutex);
    } else if (started == BACKEND_AIO_NO) {
        backend_request_by_thread(r);
    }
    return started == BACKEND_AIO_DONE;
}

void block_submitted(BlockBackend *backend)
{
    backend_aio_submit(backend);
}

void block_count_invalid(BlockBackend *backend, BlockOp op)
{
    g_mutex_lock(&backend->mutex);
    backend->stats.invalid[op]++;
    g_mutex_unlock(&backend->mutex);
}

BlockStatistics block_backend_statistics(BlockBackend *backend)
{
    BlockStatistics stats;

    g_mutex_lock(&backend->mutex);
    stats = backend->stats;
    g_mutex_unlock(&backend->mutex);
    return stats;
}

/* With the mutex. Is there something that complete() would do here? */
static bool has_work(const BlockBackend *backend)
{
    return backend->done.length || backend->failures.length;
}

void block_drain(BlockBackend *backend)
{
    bool pending = true;

    breakpoints_ignore_begin();
    throttle_suspend();
    while (pending) {
        if (backend->loop == loop_main() && backend->aio_pending) {
            backend_aio_wait(backend); /* nobody else does */
        }
        g_mutex_lock(&backend->mutex);
        while (backend->pending && !has_work(backend)) {
            backend->waiters++;
            g_cond_wait(&backend->ended, &backend->mutex);
            backend->waiters--;
        }
        pending = backend->pending;
        g_mutex_unlock(&backend->mutex);
        complete(backend);
    }
    breakpoints_ignore_end();
    throttle_resume();
}

void block_hold_all(void)
{
    if (holds++) {
        return;
    }
    for (unsigned i = 0; backends && i < backends->len; i++) {
        BlockBackend *backend = backends->pdata[i];

        g_mutex_lock(&backend->mutex);
        backend->held = true;
        g_mutex_unlock(&backend->mutex);
        block_drain(backend);
    }
    block_gate_close();
}

void block_resume_all(void)
{
    GList *link;

    if (--holds) {
        return;
    }
    block_gate_open();
    for (unsigned i = 0; backends && i < backends->len; i++) {
        BlockBackend *backend = backends->pdata[i];
        GQueue waiting;

        g_mutex_lock(&backend->mutex);
        backend->held = false;
        waiting = take_all(&backend->held_back);
        backend->pending += waiting.length;
        g_mutex_unlock(&backend->mutex);
        while ((link = g_queue_pop_head_link(&waiting))) {
            if (check_place(backend, link->data) && pass_limits(link->data)) {
                backend_request_by_thread(link->data);
            }
        }
    }
}

/* ---- the end ---- */

/* Those above come first. */
static void finish_one(BlockNode *node, void *opaque)
{
    bool settles = node->driver->settle && !node->read_only && block_node_is_active();
    int err = settles ? node->driver->settle(node) : 0;
    err = err ? err : block_node_flush(node);
    if (err) {
        error_warn("block node '%s': what was written may not be on the disk: %s", node->name,
                   g_strerror(err));
    }
}

void block_finish(void)
{
    jobs_finish();
    block_hold_all(); /* for good: loops may still run */
    block_node_foreach_down(finish_one, NULL);
    thread_pool_free(g_steal_pointer(&pool));
}
