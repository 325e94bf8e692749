/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/wire.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

char *wire_path(void)
{
    static unsigned count;

    return g_strdup_printf("%s/wire-%d-%u", g_get_tmp_dir(), getpid(), count++);
}

int wire_connect(QTest *qt, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    json_object_put(qtest_event_with(qt, "NETDEV_STREAM_CONNECTED", "netdev-id", "n0"));
    return fd;
}

void wire_send(int fd, const uint8_t *packet, uint32_t size)
{
    uint32_t header = htonl(size);

    g_assert_cmpint(write(fd, &header, 4), ==, 4);
    g_assert_cmpint(write(fd, packet, size), ==, size);
}

void wire_read(int fd, void *buf, size_t len)
{
    for (char *at = buf; len;) {
        ssize_t got = read(fd, at, len);

        g_assert_cmpint(got, >, 0);
        at += got;
        len -= (size_t)got;
    }
}

void wire_expect(int fd, const uint8_t *packet, uint32_t size)
{
    g_autofree uint8_t *got = g_malloc(size);
    uint32_t header;

    wire_read(fd, &header, 4);
    g_assert_cmpuint(ntohl(header), ==, size);
    wire_read(fd, got, size);
    g_assert_cmpmem(got, size, packet, size);
}

void wire_fill(uint8_t *packet, size_t size, const uint8_t *to)
{
    for (size_t i = 0; i < size; i++) {
        packet[i] = (uint8_t)(i * 7 + i / 256);
    }
    memcpy(packet, to, 6);
    packet[12] = 0x88;
    packet[13] = 0xb5;
}
