/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The block layer's backends: a device's requests on every kind of I/O and loop, what holds them,
 * their errors. */
#include <errno.h>
#include <seccomp.h>

#include "qapi/event.h"
#include "tests/unit/block-test.h"
#include "util/machine-lock.h"

/* ---- backends ---- */

#define COUNT 100 /* requests */

static unsigned completed;

static void count_done(BlockRequest *r)
{
    completed++;
    g_assert_cmpint(r->error, ==, GPOINTER_TO_INT(r->opaque));
}

static void test_requests(gconstpointer options)
{
    g_autofree char *path = make_file("requests", COUNT * 512);
    static uint8_t data[COUNT][512], back[COUNT][512];
    BlockRequest requests[COUNT];
    struct iovec iov[COUNT];
    BlockBackend *backend;

    if (!add(NULL, "file,node-name=f,filename=%s,%s", path, (const char *)options)) {
        g_test_skip("this host does not have it");
        return;
    }
    assert_refused(block_backend_get("g", errp), "no drive or block node 'g'");
    backend = block_backend_get("f", NULL);
    g_assert_true(block_backend_take(backend, "/a/disk", false, false, NULL));
    assert_refused(block_node_del("f", errp), "in use by device /a/disk");
    g_assert_cmpuint(block_backend_size(backend), ==, COUNT * 512);
    for (unsigned round = 0; round < 2; round++) {
        completed = 0;
        for (unsigned i = 0; i < COUNT; i++) {
            memset(data[i], (int)i, 512);
            iov[i] = (struct iovec){ round ? back[i] : data[i], 512 };
            requests[i] = (BlockRequest){ .op = round ? BLOCK_READ : BLOCK_WRITE,
                                          .bytes = 512,
                                          .offset = i * 512,
                                          .iov = &iov[i],
                                          .iovcnt = 1,
                                          .and_flush = i % 10 == 0,
                                          .done = count_done };
            if (block_submit(backend, &requests[i])) {
                count_done(&requests[i]);
            }
        }
        block_submitted(backend);
        g_assert_true(round || !completed); /* writes are never done at once */
        if (round) {
            block_drain(backend);
        } else { /* as the main loop gets them */
            while (completed < COUNT) {
                main_loop_iterate(true);
            }
        }
        g_assert_cmpuint(completed, ==, COUNT);
    }
    g_assert_cmpmem(back, sizeof(back), data, sizeof(data));
    g_assert_cmpuint(backend->stats.operations[BLOCK_WRITE], ==, COUNT);
    g_assert_cmpuint(backend->stats.bytes[BLOCK_READ], ==, COUNT * 512);
    g_assert_cmpuint(backend->stats.written_end, ==, COUNT * 512);
    block_backend_release(backend);
    del("f");
}

/* A host that forbids both: an error says what is possible. */
static void test_no_aio(void)
{
    g_autofree char *path = NULL;

    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
        g_test_trap_assert_passed();
        return;
    }
    path = make_file("no-aio", 4 * KIB);
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    g_assert_cmpint(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(io_uring_setup), 0),
                    ==, 0);
    g_assert_cmpint(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(io_setup), 0), ==, 0);
    g_assert_cmpint(seccomp_load(filter), ==, 0);
    seccomp_release(filter);
    assert_refused(add(errp, "file,node-name=a,filename=%s,aio=io_uring", path),
                   "aio=io_uring is not possible here");
    assert_refused(add(errp, "file,node-name=a,filename=%s,aio=native,cache.direct=on", path),
                   "aio=native is not possible here");
    g_assert_cmpuint(count_nodes(), ==, 0);
}

/* ---- a device on a loop ---- */

typedef struct LoopDevice {
    BlockBackend *backend;
    Loop *loop;
    BlockRequest requests[COUNT];
    uint8_t data[COUNT][512];
    struct iovec iov[COUNT];
    unsigned completed, batches, failed; /* told between begin and end */
    GMutex lock;                         /* from begin to end: the loop's and the main thread's */
    bool open;
} LoopDevice;

static void loop_begin(void *opaque)
{
    LoopDevice *dev = opaque;

    g_mutex_lock(&dev->lock);
    g_assert_false(dev->open);
    dev->open = true;
}

static void loop_end(void *opaque)
{
    LoopDevice *dev = opaque;

    g_assert_true(dev->open);
    dev->open = false;
    dev->batches++;
    g_mutex_unlock(&dev->lock);
}

static void loop_done(BlockRequest *r)
{
    LoopDevice *dev = r->opaque;

    g_assert_true(dev->open);
    if (r->error) {
        g_assert_true(machine_lock_held());
        dev->failed++;
    } else {
        dev->completed++;
    }
}

static void loop_submit(void *opaque)
{
    LoopDevice *dev = opaque;

    for (unsigned i = 0; i < COUNT; i++) {
        dev->iov[i] = (struct iovec){ dev->data[i], sizeof(dev->data[i]) };
        dev->requests[i] = (BlockRequest){ .op = i % 4 ? BLOCK_READ : BLOCK_WRITE,
                                           .bytes = 512,
                                           .offset = i * 512,
                                           .iov = &dev->iov[i],
                                           .iovcnt = 1,
                                           .done = loop_done,
                                           .opaque = dev };
        g_assert_false(block_submit(dev->backend, &dev->requests[i])); /* blkdebug has its say */
    }
    block_submitted(dev->backend);
}

static void nothing(void *opaque)
{
}

/* Each request ends once, in the loop while the main thread does other things, or where that waits
 * for it; those that fail, in the main thread. Held back, they wait. */
static void test_on_loop(void)
{
    static const BlockBackendOps ops = { .begin = loop_begin, .end = loop_end };
    g_autofree char *path = make_file("loop", COUNT * 512);
    LoopDevice *dev = g_new0(LoopDevice, 1);

    g_mutex_init(&dev->lock);
    dev->loop = loop_new("IO test", NULL);
    add(NULL,
        "blkdebug,node-name=f,image.driver=file,image.filename=%s,"
        "inject-error.0.event=read_aio,inject-error.0.sector=7",
        path);
    dev->backend = block_backend_get("f", NULL);
    g_assert_true(block_backend_take(dev->backend, "/a/disk", false, false, NULL));
    block_backend_connect(dev->backend, dev->loop, &ops, dev);
    loop_run(dev->loop, loop_submit, dev);
    block_drain(dev->backend);
    g_assert_cmpuint(dev->completed, ==, COUNT - 1);
    g_assert_cmpuint(dev->failed, ==, 1);
    g_assert_cmpuint(dev->batches, >=, 1);
    block_hold_all();
    loop_run(dev->loop, loop_submit, dev);
    block_drain(dev->backend);
    g_assert_cmpuint(dev->completed, ==, COUNT - 1);
    block_resume_all();
    while (dev->failed < 2) { /* the main loop is told, without anybody who waits */
        main_loop_iterate(true);
    }
    block_drain(dev->backend);
    loop_run(dev->loop, nothing, NULL);
    g_assert_cmpuint(dev->completed, ==, 2 * (COUNT - 1));
    g_assert_cmpuint(block_backend_statistics(dev->backend).operations[BLOCK_READ] +
                         block_backend_statistics(dev->backend).operations[BLOCK_WRITE],
                     ==, 2 * (COUNT - 1));
    block_backend_release(dev->backend);
    loop_free(dev->loop);
    g_mutex_clear(&dev->lock);
    g_free(dev);
    del("f");
}

static void keep_error(BlockRequest *r)
{
    *(int *)r->opaque = r->error;
}

/* What is written at the sectors 0 and 6, while all is held back: what becomes of it after @shrink,
 * and of the same that is submitted then. */
static void assert_shrinks(BlockBackend *backend, void (*shrink)(BlockBackend *backend))
{
    uint8_t data[512] = { 0x77 };
    struct iovec iov = { data, sizeof(data) };
    BlockRequest requests[4];
    int errors[4] = { -1, -1, -1, -1 };

    block_hold_all();
    for (unsigned i = 0; i < G_N_ELEMENTS(requests); i++) {
        if (i == 2) {
            shrink(backend);
            block_resume_all();
        }
        requests[i] = (BlockRequest){ .op = BLOCK_WRITE,
                                      .bytes = 512,
                                      .offset = i % 2 * 6 * 512,
                                      .iov = &iov,
                                      .iovcnt = 1,
                                      .done = keep_error,
                                      .opaque = &errors[i] };
        g_assert_false(block_submit(backend, &requests[i]));
    }
    block_submitted(backend);
    block_drain(backend);
    for (unsigned i = 0; i < G_N_ELEMENTS(requests); i++) {
        g_assert_cmpint(errors[i], ==, i % 2 ? EIO : 0);
    }
    g_assert_cmpint(block_node_length(block_backend_node(backend)), ==, 2 * KIB);
    g_assert_cmphex(byte_at(block_backend_node(backend), 0), ==, 0x77);
}

static void shrink_node(BlockBackend *backend)
{
    g_assert_true(block_resize(block_backend_node(backend), 2 * KIB, NULL));
}

static void take_smaller(BlockBackend *backend)
{
    g_assert_true(block_backend_set_node(backend, block_node_find("small", NULL), NULL));
}

/* Requests that are older than the disk's size do not go past its end. */
static void test_shrinks(void)
{
    g_autofree char *path = make_file("shrinks", 4 * KIB), *other = make_file("whole", 4 * KIB),
                    *small = make_file("small", 2 * KIB);
    static void (*const shrink[])(BlockBackend * backend) = { shrink_node, take_smaller };

    add(NULL, "file,node-name=small,filename=%s", small);
    for (unsigned i = 0; i < G_N_ELEMENTS(shrink); i++) {
        add(NULL, "file,node-name=f,filename=%s", i ? other : path);
        BlockBackend *backend = block_backend_get("f", NULL);

        g_assert_true(block_backend_take(backend, "/a/disk", false, false, NULL));
        assert_shrinks(backend, shrink[i]);
        block_backend_release(backend);
        del("f");
    }
    del("small");
}

/* Requests that wait until they may end. */
typedef struct Gate {
    GMutex mutex;
    GCond changed;
    bool open;
    unsigned told, by_main; /* how many, and by which thread */
    GThread *main;
} Gate;

static int pass_gate(BlockNode *node, BlockRequest *r)
{
    Gate *gate = r->opaque;

    g_mutex_lock(&gate->mutex);
    while (!gate->open) {
        g_cond_wait(&gate->changed, &gate->mutex);
    }
    g_mutex_unlock(&gate->mutex);
    return 0;
}

static void gate_done(BlockRequest *r)
{
    Gate *gate = r->opaque;

    g_assert_true(machine_lock_held());
    g_mutex_lock(&gate->mutex);
    gate->told++;
    gate->by_main += g_thread_self() == gate->main;
    g_cond_broadcast(&gate->changed);
    g_mutex_unlock(&gate->mutex);
}

/* One request of a device ends without the main loop, if the machine lock is free; of several the
 * main loop tells, at once, and of those that no device has made. */
static void test_only_one(void)
{
    static const BlockBackendOps ops;
    Gate gate = { .main = g_thread_self() };
    BlockBackend *backend;
    BlockRequest requests[2];

    g_mutex_init(&gate.mutex);
    g_cond_init(&gate.changed);
    add(NULL, "null-co,node-name=n");
    backend = block_backend_get("n", NULL);
    g_assert_true(block_backend_take(backend, "/a/disk", false, false, NULL));
    for (unsigned n = 0; n < 3; n++) {
        unsigned count = n == 1 ? G_N_ELEMENTS(requests) : 1;

        block_backend_connect(backend, loop_main(), n == 2 ? NULL : &ops, NULL);
        gate.told = gate.by_main = 0;
        for (unsigned i = 0; i < count; i++) {
            requests[i] = (BlockRequest){
                .op = BLOCK_CALL, .call = pass_gate, .done = gate_done, .opaque = &gate
            };
            g_assert_false(block_submit(backend, &requests[i]));
        }
        machine_unlock();
        g_mutex_lock(&gate.mutex);
        gate.open = true;
        g_cond_broadcast(&gate.changed);
        while (n == 0 && !gate.told) {
            g_cond_wait(&gate.changed, &gate.mutex);
        }
        g_mutex_unlock(&gate.mutex);
        g_mutex_lock(&backend->mutex);
        backend->waiters++;
        while (n > 0 && backend->done.length < count) {
            g_cond_wait(&backend->ended, &backend->mutex);
        }
        backend->waiters--;
        g_mutex_unlock(&backend->mutex);
        machine_lock();
        while (gate.told < count) {
            main_loop_iterate(true);
        }
        g_assert_cmpuint(gate.by_main, ==, n == 0 ? 0 : count);
        gate.open = false;
    }
    block_drain(backend);
    block_backend_release(backend);
    g_mutex_clear(&gate.mutex);
    g_cond_clear(&gate.changed);
    del("n");
}

static GString *events;

static void record_event(const char *name, struct json_object *event)
{
    struct json_object *data = json_object_object_get(event, "data");

    g_string_append_printf(events, "%s %s %s;", name,
                           json_object_get_string(json_object_object_get(data, "operation")),
                           json_object_get_string(json_object_object_get(data, "action")));
}

static void test_error_actions(void)
{
    static const struct {
        BlockdevOnError read, write;
        BlockOp op;
        int error;
        BlockErrorAction action;
    } cases[] = {
        { BLOCKDEV_ON_ERROR_REPORT, BLOCKDEV_ON_ERROR_ENOSPC, BLOCK_READ, EIO,
          BLOCK_ERROR_ACTION_REPORT },
        { BLOCKDEV_ON_ERROR_REPORT, BLOCKDEV_ON_ERROR_ENOSPC, BLOCK_WRITE, EIO,
          BLOCK_ERROR_ACTION_REPORT },
        { BLOCKDEV_ON_ERROR_REPORT, BLOCKDEV_ON_ERROR_ENOSPC, BLOCK_WRITE, ENOSPC,
          BLOCK_ERROR_ACTION_STOP },
        { BLOCKDEV_ON_ERROR_STOP, BLOCKDEV_ON_ERROR_IGNORE, BLOCK_READ, EIO,
          BLOCK_ERROR_ACTION_STOP },
        { BLOCKDEV_ON_ERROR_STOP, BLOCKDEV_ON_ERROR_IGNORE, BLOCK_FLUSH, EIO,
          BLOCK_ERROR_ACTION_IGNORE },
    };
    BlockBackend *backend;

    events = g_string_new(NULL);
    qapi_event_set_emitter(record_event);
    add(NULL, "null-co,node-name=n");
    backend = block_backend_get("n", NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        const BlockRequest r = { .backend = backend, .op = cases[i].op, .error = cases[i].error };

        backend->on_read_error = cases[i].read;
        backend->on_write_error = cases[i].write;
        g_assert_cmpint(block_error_action(&r), ==, cases[i].action);
    }
    g_assert_cmpstr(events->str, ==,
                    "BLOCK_IO_ERROR read report;BLOCK_IO_ERROR write report;"
                    "BLOCK_IO_ERROR write stop;BLOCK_IO_ERROR read stop;"
                    "BLOCK_IO_ERROR write ignore;");
    qapi_event_set_emitter(NULL);
    g_string_free(events, TRUE);
    block_backend_release(backend);
    del("n");
}

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/block-requests/requests/threads", "aio=threads", test_requests);
    g_test_add_data_func("/block-requests/requests/io_uring", "aio=io_uring", test_requests);
    g_test_add_data_func("/block-requests/requests/native", "aio=native,cache.direct=on",
                         test_requests);
    g_test_add_func("/block-requests/no-aio", test_no_aio);
    g_test_add_func("/block-requests/on-loop", test_on_loop);
    g_test_add_func("/block-requests/shrinks", test_shrinks);
    g_test_add_func("/block-requests/only-one", test_only_one);
    g_test_add_func("/block-requests/error-actions", test_error_actions);
    return block_test_run();
}
