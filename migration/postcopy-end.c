/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/postcopy-end.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hw/core/runstate.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/main-loop.h"

#define LOOK_MS  100   /* between two looks at whether memory comes */
#define MAIN_MS  500   /* between two looks at whether the main thread hears */
#define QUIET_MS 1000  /* nothing comes for so long while somebody waits: nothing will */
#define MOST_MS  30000 /* somebody waits whenever it is looked at, whatever comes */

static struct {
    GThread *thread; /* main thread, but for the beginning */
    PostcopyWaits *waits;
    bool (*is_told)(void); /* NULL: nobody looks at that */
    bool pinged;           /* its thread's: the main loop is to call pong() */
    _Atomic bool answered; /* it has; any order, as nothing else is known by it */
    int asked;             /* event descriptor: the program is to end; -1: nobody watches */
    int over;              /* the same: all memory is there */
} the_end = { .asked = -1, .over = -1 };

/* The run state's, before it stops the vCPUs to end the program. */
static void ask(void)
{
    eventfd_write(the_end.asked, 1);
}

/* Somebody waits, and gets nothing. False: all memory has come. */
static bool wait_in_vain(void)
{
    unsigned quiet_ms = 0, all_ms = 0;
    uint64_t before = UINT64_MAX, left;

    while (quiet_ms < QUIET_MS && all_ms < MOST_MS) {
        struct pollfd over = { .fd = the_end.over, .events = POLLIN };

        if (poll(&over, 1, LOOK_MS) > 0) {
            return false;
        }
        if (!the_end.waits(&left)) {
            quiet_ms = all_ms = 0;
            continue;
        }
        all_ms += LOOK_MS;
        quiet_ms = left == before ? quiet_ms + LOOK_MS : 0;
        before = left;
    }
    return true;
}

static void pong(void *opaque)
{
    atomic_store(&the_end.answered, true);
}

/* The main thread does nothing, as somebody waits for memory, and is told to end the program. */
static bool main_is_told(void)
{
    struct pollfd over = { .fd = the_end.over, .events = POLLIN };
    uint64_t left;

    if (!the_end.waits(&left)) {
        return false;
    }
    if (!the_end.pinged) {
        the_end.pinged = true;
        atomic_store(&the_end.answered, false);
        main_loop_schedule(pong, NULL);
        poll(&over, 1, LOOK_MS);
    }
    if (atomic_load(&the_end.answered)) {
        the_end.pinged = false;
        return false;
    }
    return the_end.is_told && the_end.is_told();
}

static gpointer end_thread(gpointer opaque)
{
    struct pollfd fds[] = { { .fd = the_end.asked, .events = POLLIN },
                            { .fd = interrupt_fd(), .events = POLLIN },
                            { .fd = the_end.over, .events = POLLIN } };
    uint64_t left;

    while (poll(fds, G_N_ELEMENTS(fds), MAIN_MS) <= 0 && !main_is_told()) {
    }
    if (!fds[2].revents && wait_in_vain()) {
        the_end.waits(&left);
        error_report("the machine ends at once: %" PRIu64
                     " pages of its memory are missing, and what waits for one cannot be stopped",
                     left);
        quick_exit(runstate_exit_status());
    }
    return NULL;
}

void postcopy_end_set_asked(bool (*fn)(void))
{
    the_end.is_told = fn;
}

bool postcopy_end_watch(PostcopyWaits *waits, GError **errp)
{
    the_end.waits = waits;
    the_end.asked = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    the_end.over = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (the_end.asked < 0 || the_end.over < 0) {
        error_set_errno(errp, errno, "cannot make a descriptor for the end of the program");
        return false;
    }
    the_end.thread = g_thread_try_new("postcopy-end", end_thread, NULL, errp);
    if (the_end.thread) {
        runstate_set_ending(ask);
    }
    return the_end.thread;
}

void postcopy_end_over(void)
{
    runstate_set_ending(NULL);
    eventfd_write(the_end.over, 1);
    g_thread_join(g_steal_pointer(&the_end.thread));
    close(the_end.asked);
    close(the_end.over);
    the_end.asked = the_end.over = -1;
}
