/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loops with threads of their own. */
#include "util/loop.h"
#include "util/machine-lock.h"

#include <glib-unix.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/main-loop.h"

/* What the loops tell this thread. */
/* What other threads have told, oldest first. GAsyncQueue would have a lock that ThreadSanitizer
 * cannot see. */
static GQueue told = G_QUEUE_INIT;
static GMutex told_mutex;
static GCond told_cond;

static void tell(void *opaque)
{
    g_mutex_lock(&told_mutex);
    g_queue_push_tail(&told, opaque);
    g_cond_signal(&told_cond);
    g_mutex_unlock(&told_mutex);
}

/* The next, which comes sooner or later. */
static unsigned next_told(void)
{
    void *next;

    g_mutex_lock(&told_mutex);
    while (g_queue_is_empty(&told)) {
        g_cond_wait(&told_cond, &told_mutex);
    }
    next = g_queue_pop_head(&told);
    g_mutex_unlock(&told_mutex);
    return GPOINTER_TO_UINT(next);
}

static Loop *new_loop(const char *name)
{
    GError *err = NULL;
    Loop *loop = loop_new(name, &err);

    g_assert_no_error(err);
    return loop;
}

static void check_thread(void *opaque)
{
    g_autofree char *path = g_strdup_printf("/proc/self/task/%d/comm", loop_thread_id(opaque));
    g_autofree char *name = NULL;

    g_assert_true(loop_is_mine(opaque));
    g_assert_false(loop_is_mine(loop_main()));
    g_assert_false(machine_lock_held());
    g_assert_cmpint(loop_thread_id(opaque), ==, gettid());
    g_assert_true(g_file_get_contents(path, &name, NULL, NULL));
    g_assert_cmpstr(name, ==, "IO test\n");
    tell(GUINT_TO_POINTER(1));
}

static void test_calls(void)
{
    Loop *loop = new_loop("IO test");

    g_assert_false(loop_is_mine(loop));
    loop_call(loop, check_thread, loop);
    for (unsigned i = 2; i < 1000; i++) {
        loop_call(loop, tell, GUINT_TO_POINTER(i));
    }
    for (unsigned i = 1; i < 1000; i++) {
        g_assert_cmpuint(next_told(), ==, i);
    }
    loop_free(loop);
    loop_free(NULL);
}

static void count_call(void *opaque)
{
    g_assert_true(loop_is_mine(((void **)opaque)[0]));
    ((void **)opaque)[1] = GUINT_TO_POINTER(GPOINTER_TO_UINT(((void **)opaque)[1]) + 1);
}

static void run_nested(void *opaque)
{
    loop_run(((void **)opaque)[0], count_call, opaque); /* at once */
    count_call(opaque);
}

/* When it returns, it was called, and so was what had been asked for before. */
static void test_run(void)
{
    Loop *loop = new_loop("IO test");
    void *count[] = { loop, NULL };

    for (unsigned i = 0; i < 1000; i++) {
        loop_call(loop, count_call, count);
        loop_run(loop, run_nested, count);
        g_assert_cmpuint(GPOINTER_TO_UINT(count[1]), ==, 3 * (i + 1));
    }
    loop_free(loop);
}

/* What is asked for in two steps is done, and the loop stays for the second one. */
typedef struct Poster {
    Loop *loop;
    GMutex lock;
    bool called, woken;
} Poster;

static void take_lock(void *opaque)
{
    Poster *poster = opaque;

    g_mutex_lock(&poster->lock);
    poster->called = true;
    g_mutex_unlock(&poster->lock);
    tell(GUINT_TO_POINTER(1));
}

static gpointer wake_late(gpointer opaque)
{
    Poster *poster = opaque;

    g_mutex_lock(&poster->lock);
    loop_post(poster->loop, take_lock, poster);
    g_mutex_unlock(&poster->lock);
    tell(GUINT_TO_POINTER(2));
    for (unsigned i = 0; i < 1000; i++) {
        g_thread_yield();
    }
    poster->woken = true;
    loop_wake(poster->loop);
    return NULL;
}

static void test_post(void)
{
    for (unsigned free_early = 0; free_early < 2; free_early++) {
        Poster poster = { .loop = new_loop("IO test") };
        GThread *thread;

        g_mutex_init(&poster.lock);
        thread = g_thread_new("poster", wake_late, &poster);
        while (next_told() != (free_early ? 2 : 1)) {
        }
        if (!free_early) {
            g_thread_join(thread);
        }
        loop_free(poster.loop);
        g_assert_true(poster.woken);
        if (free_early) {
            g_thread_join(thread);
        }
        g_assert_true(poster.called);
        while (!g_queue_is_empty(&told)) {
            next_told();
        }
        g_mutex_clear(&poster.lock);
    }
}

/* ---- sources, with and without looking for them before sleeping ---- */

static gboolean on_event(gint fd, GIOCondition condition, gpointer loop)
{
    uint64_t count;

    g_assert_true(loop_is_mine(loop));
    g_assert_cmpint(read(fd, &count, sizeof(count)), ==, sizeof(count));
    tell(GUINT_TO_POINTER((unsigned)count));
    return G_SOURCE_CONTINUE;
}

static void test_sources(void)
{
    static const int64_t polling[][3] = {
        { 0, 0, 0 }, { 1000000, 0, 0 }, { 1, 0, 0 }, { INT64_MAX, INT64_MAX, 3 }, { 5000, 1, 1 },
    };
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    Loop *loop = new_loop("IO test");
    GSource *source = g_unix_fd_source_new(fd, G_IO_IN);

    g_source_set_callback(source, G_SOURCE_FUNC(on_event), loop, NULL);
    loop_attach(loop, source);
    for (size_t i = 0; i < G_N_ELEMENTS(polling); i++) {
        loop_set_polling(loop, polling[i][0], polling[i][1], polling[i][2]);
        for (uint64_t n = 1; n <= 50; n++) {
            g_assert_cmpint(write(fd, &n, sizeof(n)), ==, sizeof(n));
            g_assert_cmpuint(next_told(), ==, n);
        }
        loop_call(loop, tell, GUINT_TO_POINTER(7)); /* while it waits for other things */
        g_assert_cmpuint(next_told(), ==, 7);
    }
    g_source_unref(source);
    loop_free(loop); /* and the source with it */
    close(fd);
}

/* ---- the main loop is one ---- */

static bool called;

static void check_main(void *opaque)
{
    g_assert_true(loop_is_mine(loop_main()));
    g_assert_true(machine_lock_held());
    called = true;
}

static void call_main(void *opaque)
{
    loop_call(loop_main(), check_main, NULL);
}

static void test_main(void)
{
    Loop *loop = new_loop("IO test");

    loop_call(loop, call_main, NULL);
    while (!called) {
        main_loop_iterate(true);
    }
    loop_free(loop);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/loop/calls", test_calls);
    g_test_add_func("/loop/run", test_run);
    g_test_add_func("/loop/post", test_post);
    g_test_add_func("/loop/sources", test_sources);
    g_test_add_func("/loop/main", test_main);
    return g_test_run();
}
