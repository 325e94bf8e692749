// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Streams by AF_VSOCK and by TCP. `streams serve PORT`: whoever connects, by either, gets back what
 * it sends. `streams call CID|ADDRESS PORT`: send the standard input, and write what comes back; it
 * fails if the connection ends by an error.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <linux/vm_sockets.h>
#include <unistd.h>

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Until the end. */
static void copy(int from, int to)
{
    static char buf[65536];
    ssize_t n;

    while ((n = read(from, buf, sizeof(buf))) > 0) {
        for (ssize_t done = 0, put; done < n; done += put) {
            if ((put = write(to, buf + done, (size_t)(n - done))) < 0) {
                die("write");
            }
        }
    }
    if (n < 0) {
        die("read");
    }
}

typedef union {
    struct sockaddr any;
    struct sockaddr_vm vm;
    struct sockaddr_in in;
} Address;

static int make(int family, uint32_t cid, const char *ip, const char *port, Address *addr)
{
    int fd = socket(family, SOCK_STREAM, 0);

    memset(addr, 0, sizeof(*addr));
    addr->any.sa_family = (sa_family_t)family;
    if (family == AF_INET) {
        addr->in.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
        addr->in.sin_addr.s_addr = inet_addr(ip);
    } else {
        addr->vm.svm_cid = cid;
        addr->vm.svm_port = (uint32_t)strtoul(port, NULL, 10);
    }
    return fd;
}

/* -1: the kernel has no such sockets. */
static int listen_at(int family, const char *port)
{
    Address addr;
    int one = 1, fd = make(family, VMADDR_CID_ANY, "0.0.0.0", port, &addr);

    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(fd, &addr.any, family == AF_INET ? sizeof(addr.in) : sizeof(addr.vm)) < 0 ||
            listen(fd, 5) < 0) {
            die("listen");
        }
    }
    return fd;
}

static int serve(const char *port)
{
    struct pollfd fds[] = { { .fd = listen_at(AF_INET, port), .events = POLLIN },
                            { .fd = listen_at(AF_VSOCK, port), .events = POLLIN } };

    for (;;) {
        if (poll(fds, 2, -1) < 0) {
            die("poll");
        }
        for (int i = 0; i < 2; i++) {
            int client = fds[i].revents ? accept(fds[i].fd, NULL, NULL) : -1;

            if (client >= 0 && fork() == 0) {
                copy(client, client);
                exit(0);
            }
            if (client >= 0) {
                close(client);
            }
        }
    }
}

static int call(const char *peer, const char *port)
{
    Address addr;
    int family = strchr(peer, '.') ? AF_INET : AF_VSOCK, status;
    int fd = make(family, (uint32_t)strtoul(peer, NULL, 10), peer, port, &addr);

    if (fd < 0 ||
        connect(fd, &addr.any, family == AF_INET ? sizeof(addr.in) : sizeof(addr.vm)) < 0) {
        die("connect");
    }
    if (fork() == 0) {
        copy(STDIN_FILENO, fd);
        shutdown(fd, SHUT_WR);
        exit(0);
    }
    copy(fd, STDOUT_FILENO);
    wait(&status);
    return status != 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0) {
        return serve(argv[2]);
    }
    if (argc == 4 && strcmp(argv[1], "call") == 0) {
        return call(argv[2], argv[3]);
    }
    fprintf(stderr, "usage: streams serve PORT | streams call CID|ADDRESS PORT\n");
    return 2;
}
