/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients of the NBD server: the input is what one sends, from its flags on. Whatever it is, the
 * connection ends when the client has gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "block/export.h"
#include "block/nbd-server.h"
#include "tests/fuzz/fuzz.h"
#include "util/error.h"
#include "util/main-loop.h"

static void add_export(const char *id, const char *options, bool writable)
{
    struct json_object *json = json_tokener_parse(options);
    g_autoptr(BlockdevOptions) parsed = BlockdevOptions_from_json(json, NULL, NULL);
    BlockNode *node = block_node_add(parsed, NULL);
    const BlockExportConfig config = {
        .id = id, .name = id, .description = "text", .writable = writable, .depth = writable
    };

    json_object_put(json);
    g_assert_true(block_export_add(&config, node, NULL));
}

static void begin(void)
{
    static bool begun;
    int nobody[2];

    if (begun) {
        return;
    }
    begun = true;
    fuzz_machine();
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, nobody), ==, 0);
    g_assert_true(nbd_server_start(nobody[0], 0, NULL, NULL, NULL));
    add_export("e",
               "{\"driver\": \"null-co\", \"node-name\": \"n0\", \"size\": 1048576,"
               " \"read-zeroes\": true}",
               true);
    add_export("r", "{\"driver\": \"null-co\", \"node-name\": \"n1\", \"size\": 4294967296}",
               false);
}

/* Send, and read what comes, until the server has closed the connection. */
static void talk(int fd, const uint8_t *data, size_t size)
{
    static uint8_t answers[1 << 16];
    bool open = true;

    while (open) {
        struct pollfd poll_fd = { .fd = fd, .events = (short)(POLLIN | (size ? POLLOUT : 0)) };
        ssize_t n;

        poll(&poll_fd, 1, 1); /* the main loop has its turn, too: it tells of errors */
        main_loop_iterate(false);
        if (size && poll_fd.revents & POLLOUT) {
            n = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
            data += MAX(n, 0);
            size -= (size_t)MAX(n, 0);
            size = n < 0 && errno != EAGAIN ? 0 : size;
            if (!size) {
                shutdown(fd, SHUT_WR);
            }
        }
        if (poll_fd.revents & (POLLIN | POLLHUP)) {
            n = recv(fd, answers, sizeof(answers), MSG_DONTWAIT);
            open = n > 0 || (n < 0 && errno == EAGAIN);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[2];

    begin();
    if (!size || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        return 0;
    }
    nbd_server_take(fds[0]);
    talk(fds[1], data, size);
    close(fds[1]);
    return 0;
}
