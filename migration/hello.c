/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/hello.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <zlib.h>

#include "util/error.h"

#define SEND_WAIT_MS 10000 /* a socket has room for so few bytes */

static uint32_t sum_of(const Hello *hello)
{
    return (uint32_t)crc32(0, (const Bytef *)hello, offsetof(Hello, sum));
}

void hello_make_id(uint8_t id[HELLO_ID])
{
    while (getrandom(id, HELLO_ID, 0) != HELLO_ID) {
    }
}

bool hello_send(int fd, const uint8_t id[HELLO_ID], unsigned index, unsigned count, GError **errp)
{
    Hello hello = { .index = index, .count = count };
    size_t at = 0;

    memcpy(hello.magic, HELLO_MAGIC, sizeof(hello.magic));
    memcpy(hello.id, id, HELLO_ID);
    hello.sum = sum_of(&hello);
    while (at < sizeof(hello)) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        ssize_t n =
            send(fd, (const char *)&hello + at, sizeof(hello) - at, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0) {
            at += (size_t)n;
        } else if ((errno != EAGAIN && errno != EINTR) || poll(&p, 1, SEND_WAIT_MS) == 0) {
            error_set_errno(errp, errno, "the other end does not take the first bytes");
            return false;
        }
    }
    return true;
}

static bool check(const Hello *hello, GError **errp)
{
    if (memcmp(hello->magic, HELLO_MAGIC, sizeof(hello->magic)) != 0) {
        error_set(errp, "the other end does not use multifd: switch the capability on there, too, "
                        "or off here");
        return false;
    }
    if (hello->sum != sum_of(hello)) {
        error_set(errp, "the first bytes of a connection are damaged: their sum is wrong");
        return false;
    }
    if (!hello->count || hello->count > UINT8_MAX || hello->index > hello->count) {
        error_set(errp, "there cannot be a connection %u of %u", hello->index, hello->count);
        return false;
    }
    return true;
}

bool hello_receive(int fd, Hello *hello, int wait_ms, bool *silent, GError **errp)
{
    int64_t end = g_get_monotonic_time() + wait_ms * INT64_C(1000);
    size_t at = 0;

    *silent = true;
    while (at < sizeof(*hello)) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int64_t left = (end - g_get_monotonic_time()) / 1000;
        int rc = left > 0 ? poll(&p, 1, (int)left) : 0;
        ssize_t n;

        if (rc == 0) {
            error_set(errp, "a connection says nothing for %d ms", wait_ms);
            return false;
        }
        n = recv(fd, (char *)hello + at, sizeof(*hello) - at, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            error_set(errp, "a connection has gone before it said what it is");
            return false;
        }
        at += n > 0 ? (size_t)n : 0;
        /* A plain stream, which may be shorter, is told by its first bytes. */
        if (at >= sizeof(hello->magic) &&
            memcmp(hello->magic, HELLO_MAGIC, sizeof(hello->magic)) != 0) {
            break;
        }
    }
    *silent = false;
    return check(hello, errp);
}
