/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/tpm-host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/tpm.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/fdset.h"

/* Each thread has a reference. */
struct TpmHost {
    int tpm, channel; /* the thread's end of that */
    int cancel;       /* -1: there is no such file */
    gint cancels;     /* a thread does so now */
};

static void host_free(gpointer opaque)
{
    const TpmHost *host = opaque;
    const int fds[] = { host->tpm, host->channel, host->cancel };

    for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}

void tpm_host_close(TpmHost *host)
{
    g_atomic_rc_box_release_full(host, host_free);
}

/* ---- the thread that carries commands and answers ---- */

/* To a command that the kernel refuses. */
static size_t put_failure(uint8_t buffer[TPM_BUFFER_SIZE])
{
    static const uint8_t of_1[TPM_HEADER_SIZE] = { 0x00, 0xc4, 0, 0, 0, 10, 0, 0, 0x00, 0x09 };
    static const uint8_t of_2[TPM_HEADER_SIZE] = { 0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x01 };

    memcpy(buffer, buffer[0] & 0x80 ? of_2 : of_1, TPM_HEADER_SIZE);
    return TPM_HEADER_SIZE;
}

/* All of an answer, or of what cannot be one; 0: the TPM has gone. */
static size_t read_answer(int tpm, uint8_t buffer[TPM_BUFFER_SIZE])
{
    size_t have = 0, want = TPM_BUFFER_SIZE;

    while (have < TPM_HEADER_SIZE || have < want) {
        struct pollfd p = { .fd = tpm, .events = POLLIN };
        ssize_t n = poll(&p, 1, -1) < 0 ? -1 : read(tpm, buffer + have, TPM_BUFFER_SIZE - have);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            continue;
        }
        if (n <= 0) {
            return 0;
        }
        have += (size_t)n;
        want = have < TPM_HEADER_SIZE ? want : bytes_get_be32(buffer + TPM_SIZE_AT);
        if (want > TPM_BUFFER_SIZE) {
            break;
        }
    }
    return have;
}

static bool says_something(int tpm)
{
    struct pollfd p = { .fd = tpm, .events = POLLIN };

    return poll(&p, 1, 0) > 0;
}

static gpointer carry(gpointer opaque)
{
    TpmHost *host = opaque;
    uint8_t buffer[TPM_BUFFER_SIZE];
    ssize_t size;

    while ((size = recv(host->channel, buffer, sizeof(buffer), 0)) > 0 &&
           !says_something(host->tpm)) {
        size_t got = write(host->tpm, buffer, (size_t)size) == size ? read_answer(host->tpm, buffer)
                                                                    : put_failure(buffer);

        if (!got || send(host->channel, buffer, got, MSG_NOSIGNAL) < 0) {
            break;
        }
    }
    shutdown(host->channel, SHUT_RDWR);
    tpm_host_close(host);
    return NULL;
}

/* ---- what others call ---- */

static gpointer cancel(gpointer opaque)
{
    TpmHost *host = opaque;

    if (write(host->cancel, "-", 1) != 1) {
        error_warn("a command of the host's TPM is not cancelled: %s", g_strerror(errno));
    }
    g_atomic_int_set(&host->cancels, 0);
    tpm_host_close(host);
    return NULL;
}

void tpm_host_cancel(TpmHost *host)
{
    GThread *thread;

    if (host->cancel < 0 || !g_atomic_int_compare_and_exchange(&host->cancels, 0, 1)) {
        return;
    }
    thread = g_thread_try_new("TPM cancel", cancel, g_atomic_rc_box_acquire(host), NULL);
    if (thread) {
        g_thread_unref(thread);
    } else {
        g_atomic_int_set(&host->cancels, 0);
        tpm_host_close(host);
    }
}

static bool open_files(TpmHost *host, const char *path, const char *cancel_path, GError **errp)
{
    host->tpm = fdset_open_path(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
    if (host->tpm < 0) {
        error_set_errno(errp, errno, "cannot open the TPM '%s'%s", path,
                        errno == EBUSY ? ", which another program has" : "");
        return false;
    }
    if (cancel_path) {
        host->cancel = fdset_open_path(cancel_path, O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0);
        if (host->cancel < 0) {
            error_set_errno(errp, errno, "cannot open '%s', by which commands are cancelled",
                            cancel_path);
            return false;
        }
        /* Only a FIFO that nobody reads is not waited for: who writes to it later has the time. */
        fcntl(host->cancel, F_SETFL, fcntl(host->cancel, F_GETFL) & ~O_NONBLOCK);
    }
    return true;
}

static bool begin(TpmHost *host, int *channel, GError **errp)
{
    GThread *thread;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        error_set_errno(errp, errno, "cannot make a channel for the TPM's commands");
        return false;
    }
    host->channel = pair[1];
    if (fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0) {
        error_set_errno(errp, errno, "cannot make a channel for the TPM's commands");
        close(pair[0]);
        return false;
    }
    thread = g_thread_try_new("TPM", carry, g_atomic_rc_box_acquire(host), errp);
    if (!thread) {
        tpm_host_close(host);
        close(pair[0]);
        return false;
    }
    g_thread_unref(thread);
    *channel = pair[0];
    return true;
}

TpmHost *tpm_host_open(const char *path, const char *cancel_path, int *channel, GError **errp)
{
    TpmHost *host = g_atomic_rc_box_new0(TpmHost);

    host->tpm = host->channel = host->cancel = -1;
    if (!open_files(host, path, cancel_path, errp) || !begin(host, channel, errp)) {
        tpm_host_close(host);
        return NULL;
    }
    return host;
}
