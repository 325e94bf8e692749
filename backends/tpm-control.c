/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/tpm-control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "util/error.h"

#define RESULT_NONE 0x800u          /* TPM_RETRY: of a piece of state, there is none */
#define STATE_MAX   (1024u * 1024u) /* of a piece of state; it has some KiB */

static bool wait_for(int fd, short events, gint64 deadline, GError **errp)
{
    for (;;) {
        const gint64 left = (deadline - g_get_monotonic_time()) / 1000;
        struct pollfd p = { .fd = fd, .events = events };
        int n = left > 0 ? poll(&p, 1, (int)left + 1) : 0;

        if (n > 0) {
            return true;
        }
        if (n == 0) { /* what it says later would be taken for another answer */
            shutdown(fd, SHUT_RDWR);
            error_set(errp, "the TPM emulator has not answered for %d seconds",
                      TPM_CONTROL_MS / 1000);
            return false;
        }
        if (errno != EINTR) {
            error_set_errno(errp, errno, "cannot wait for the TPM emulator");
            return false;
        }
    }
}

static bool again(int error)
{
    return error == EAGAIN || error == EINTR;
}

/* @data_fd: a descriptor that goes along with the first byte, or -1. */
static bool send_all(int fd, const uint8_t *bytes, size_t len, int data_fd, gint64 deadline,
                     GError **errp)
{
    while (len) {
        union {
            struct cmsghdr align;
            char space[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct iovec iov = { (uint8_t *)bytes, len };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        if (data_fd >= 0) {
            struct cmsghdr *c;

            msg.msg_control = &control;
            msg.msg_controllen = sizeof(control);
            c = CMSG_FIRSTHDR(&msg);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(sizeof(int));
            memcpy(CMSG_DATA(c), &data_fd, sizeof(int));
        }
        n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
            data_fd = -1;
        } else if (!again(errno)) {
            error_set_errno(errp, errno, "cannot write to the TPM emulator");
            return false;
        } else if (!wait_for(fd, POLLOUT, deadline, errp)) {
            return false;
        }
    }
    return true;
}

static bool receive_all(int fd, void *buf, size_t len, gint64 deadline, GError **errp)
{
    uint8_t *bytes = buf;

    while (len) {
        ssize_t n = recv(fd, bytes, len, MSG_DONTWAIT);

        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (n == 0 || !again(errno)) {
            error_set(errp, "the TPM emulator has gone");
            return false;
        } else if (!wait_for(fd, POLLIN, deadline, errp)) {
            return false;
        }
    }
    return true;
}

static bool request(int fd, TpmControl command, const void *data, size_t len, int data_fd,
                    gint64 deadline, GError **errp)
{
    g_autoptr(GByteArray) message = g_byte_array_new();
    uint32_t number = GUINT32_TO_BE((uint32_t)command);

    if (fd < 0) {
        error_set(errp, "nobody is at the other end of the TPM's chardev");
        return false;
    }
    g_byte_array_append(message, (const uint8_t *)&number, sizeof(number));
    g_byte_array_append(message, data, (guint)len);
    return send_all(fd, message->data, message->len, data_fd, deadline, errp);
}

/* Of success, or RESULT_NONE where state is asked for. */
static bool result(int fd, TpmControl command, gint64 deadline, GError **errp)
{
    uint32_t value;

    if (!receive_all(fd, &value, sizeof(value), deadline, errp)) {
        return false;
    }
    value = GUINT32_FROM_BE(value);
    if (value && !(command == TPM_CONTROL_GET_STATE && value == RESULT_NONE)) {
        error_set(errp, "the TPM emulator answers control command 0x%x by error 0x%x", command,
                  value);
        return false;
    }
    return true;
}

static gint64 deadline_from_now(void)
{
    return g_get_monotonic_time() + TPM_CONTROL_MS * (gint64)1000;
}

bool tpm_control(int fd, TpmControl command, const void *data, size_t len, void *reply,
                 size_t reply_len, GError **errp)
{
    const gint64 deadline = deadline_from_now();

    return request(fd, command, data, len, -1, deadline, errp) &&
           (command == TPM_CONTROL_GET_CAPABILITY || result(fd, command, deadline, errp)) &&
           receive_all(fd, reply, reply_len, deadline, errp);
}

bool tpm_control_u32(int fd, TpmControl command, uint32_t value, GError **errp)
{
    value = GUINT32_TO_BE(value);
    return tpm_control(fd, command, &value, sizeof(value), NULL, 0, errp);
}

bool tpm_control_u8(int fd, TpmControl command, uint8_t value, GError **errp)
{
    return tpm_control(fd, command, &value, sizeof(value), NULL, 0, errp);
}

bool tpm_control_plain(int fd, TpmControl command, GError **errp)
{
    return tpm_control(fd, command, NULL, 0, NULL, 0, errp);
}

bool tpm_control_ask(int fd, TpmControl command, GError **errp)
{
    return request(fd, command, NULL, 0, -1, deadline_from_now(), errp);
}

bool tpm_control_result(int fd, TpmControl command, GError **errp)
{
    return result(fd, command, deadline_from_now(), errp);
}

bool tpm_control_give_fd(int fd, int data_fd, GError **errp)
{
    const gint64 deadline = deadline_from_now();

    return request(fd, TPM_CONTROL_SET_DATA_FD, NULL, 0, data_fd, deadline, errp) &&
           result(fd, TPM_CONTROL_SET_DATA_FD, deadline, errp);
}

GBytes *tpm_control_get_state(int fd, TpmBlob blob, uint32_t *flags, GError **errp)
{
    g_autoptr(GByteArray) state = g_byte_array_new();
    uint32_t total;

    do {
        uint32_t query[3] = { 0, GUINT32_TO_BE((uint32_t)blob), GUINT32_TO_BE(state->len) };
        uint32_t head[3]; /* flags, length of all, of what follows */
        uint32_t old = state->len, length;

        if (!tpm_control(fd, TPM_CONTROL_GET_STATE, query, sizeof(query), head, sizeof(head),
                         errp)) {
            return NULL;
        }
        *flags = GUINT32_FROM_BE(head[0]);
        total = GUINT32_FROM_BE(head[1]);
        length = GUINT32_FROM_BE(head[2]);
        if (total > STATE_MAX || length > total - MIN(old, total) || (!length && old < total)) {
            error_set(errp, "the TPM emulator says that its state has %u bytes, and sends %u",
                      total, length);
            return NULL;
        }
        g_byte_array_set_size(state, old + length);
        if (!receive_all(fd, state->data + old, length, deadline_from_now(), errp)) {
            return NULL;
        }
    } while (state->len < total);
    return g_byte_array_free_to_bytes(g_steal_pointer(&state));
}

bool tpm_control_set_state(int fd, TpmBlob blob, uint32_t flags, GBytes *state, GError **errp)
{
    const gsize size = g_bytes_get_size(state);
    uint32_t head[3] = { GUINT32_TO_BE(flags), GUINT32_TO_BE((uint32_t)blob),
                         GUINT32_TO_BE((uint32_t)size) };
    g_autoptr(GByteArray) message = g_byte_array_new();

    if (!size) { /* there was none */
        return true;
    }
    g_byte_array_append(message, (const uint8_t *)head, sizeof(head));
    g_byte_array_append(message, g_bytes_get_data(state, NULL), (guint)size);
    return tpm_control(fd, TPM_CONTROL_SET_STATE, message->data, message->len, NULL, 0, errp);
}
