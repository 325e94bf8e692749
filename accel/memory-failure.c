/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/memory-failure.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "accel/accel.h"
#include "memory/address-space.h"
#include "memory/memory.h"
#include "qapi/qapi-events.h"
#include "util/error.h"

static int event_fd = -1;
static _Atomic uintptr_t lost; /* host address of the last one */

/* The access is repeated when this returns. */
static void on_sigbus(int sig, siginfo_t *info, void *context)
{
    const uint64_t one = 1;
    int err = errno;

    if (!ram_block_replace_page(info->si_addr)) {
        signal(sig, SIG_DFL); /* not the guest's: die of it */
        return;
    }
    atomic_store(&lost, (uintptr_t)info->si_addr);
    if (write(event_fd, &one, sizeof(one)) < 0) {
        /* Its counter is full of such: the main loop will see them. */
    }
    if (current_cpu) {
        atomic_store(&current_cpu->exit_request, true);
    }
    errno = err;
}

void memory_failure_send(void)
{
    MemoryFailureFlags flags = { .action_required = true };

    qapi_event_send_memory_failure(MEMORY_FAILURE_RECIPIENT_GUEST, MEMORY_FAILURE_ACTION_FATAL,
                                   &flags);
}

static void describe(uintptr_t host)
{
    const FlatView *view = address_space_view(&address_space_memory);

    for (unsigned i = 0; i < view->count; i++) {
        const FlatRange *range = &view->ranges[i];
        uintptr_t offset = host - (uintptr_t)range->host;

        if (range->host && offset < range->size) {
            error_report("guest memory at 0x%" G_GINT64_MODIFIER "x ('%s') is lost: the file "
                         "behind it has become shorter, or its file system is full, or the host's "
                         "memory failed; the machine "
                         "is stopped",
                         range->addr + offset, range->mr->name);
            return;
        }
    }
    error_report("guest memory is lost: the file behind it has become shorter, or the host's "
                 "memory failed; the machine is stopped");
}

static gboolean on_lost(gint fd, GIOCondition condition, gpointer opaque)
{
    uint64_t count;

    if (read(fd, &count, sizeof(count)) == sizeof(count)) {
        describe(atomic_load(&lost));
        memory_failure_send();
        accel_internal_error(NULL);
    }
    return G_SOURCE_CONTINUE;
}

bool memory_failure_init(GError **errp)
{
    struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

    event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event_fd < 0) {
        error_set_errno(errp, errno, "cannot make an eventfd");
        return false;
    }
    g_unix_fd_add(event_fd, G_IO_IN, on_lost, NULL);
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
    return true;
}
