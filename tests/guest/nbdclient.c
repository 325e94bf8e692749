/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Let the kernel's NBD driver use an export: nbdclient DEVICE ADDRESS PORT EXPORT. It stays until
 * the connection ends. What little of the handshake it needs is here.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <fcntl.h>
#include <linux/nbd.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK 4096

static void must(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void take(int fd, void *buf, size_t len)
{
    must(recv(fd, buf, len, MSG_WAITALL) == (ssize_t)len, "recv");
}

/* Size and flags of the export. */
static uint64_t shake_hands(int fd, const char *name, uint16_t *flags)
{
    struct {
        uint32_t flags;
        uint64_t magic;
        uint32_t option, len;
    } __attribute__((packed))
    hello = { htonl(3), htobe64(0x49484156454f5054), htonl(1), htonl((uint32_t)strlen(name)) };
    struct {
        uint64_t size;
        uint16_t flags;
    } __attribute__((packed)) export;
    char greeting[18];

    take(fd, greeting, sizeof(greeting));
    must(send(fd, &hello, sizeof(hello), 0) == sizeof(hello), "send");
    must(send(fd, name, strlen(name), 0) == (ssize_t)strlen(name), "send");
    take(fd, &export, sizeof(export));
    *flags = ntohs(export.flags);
    return be64toh(export.size);
}

int main(int argc, char **argv)
{
    struct sockaddr_in addr = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM, 0), device;
    uint16_t flags;
    uint64_t size;

    if (argc != 5) {
        return 2;
    }
    addr.sin_port = htons((uint16_t)atoi(argv[3]));
    inet_pton(AF_INET, argv[2], &addr.sin_addr);
    must(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0, "connect");
    size = shake_hands(fd, argv[4], &flags);
    device = open(argv[1], O_RDWR);
    must(device >= 0, argv[1]);
    must(ioctl(device, NBD_SET_BLKSIZE, (unsigned long)BLOCK) == 0, "NBD_SET_BLKSIZE");
    must(ioctl(device, NBD_SET_SIZE_BLOCKS, (unsigned long)(size / BLOCK)) == 0, "NBD_SET_SIZE");
    must(ioctl(device, NBD_SET_FLAGS, (unsigned long)flags) == 0, "NBD_SET_FLAGS");
    must(ioctl(device, NBD_SET_SOCK, (unsigned long)fd) == 0, "NBD_SET_SOCK");
    printf("connected\n");
    fflush(stdout);
    ioctl(device, NBD_DO_IT);
    return 0;
}
