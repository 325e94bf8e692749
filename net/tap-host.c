/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tap-host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/error.h"
#include "util/task.h"

int tap_host_make(const char *ifname, bool vnet_hdr, bool several, GError **errp)
{
    struct ifreq ifr = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | (vnet_hdr ? IFF_VNET_HDR : 0) |
                                              (several ? IFF_MULTI_QUEUE : 0)) };
    int fd;

    if (ifname && strlen(ifname) >= sizeof(ifr.ifr_name)) {
        error_set(errp, "ifname=%s is too long: cards have up to %zu bytes", ifname,
                  sizeof(ifr.ifr_name) - 1);
        return -1;
    }
    strcpy(ifr.ifr_name, ifname ? ifname : "tap%d");
    fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        error_set_errno(errp, errno, "could not open /dev/net/tun");
        return -1;
    }
    if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
        error_set_errno(errp, errno,
                        "could not make the tap '%s': that needs CAP_NET_ADMIN, fd= and helper= do "
                        "not",
                        ifr.ifr_name);
        close(fd);
        return -1;
    }
    return fd;
}

/* ---- programs ---- */

typedef struct Child {
    GPid pid;
    int status;
} Child;

static void wait_for(void *opaque)
{
    Child *child = opaque;

    while (waitpid(child->pid, &child->status, 0) < 0 && errno == EINTR) {
    }
}

static bool run(char **words, int passed, GError **errp)
{
    GError *err = NULL;
    const int passed_as = passed;
    Child child;

    if (!g_spawn_async_with_pipes_and_fds(NULL, (const char *const *)words, NULL,
                                          G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH, NULL,
                                          NULL, -1, -1, -1, &passed, &passed_as, passed >= 0,
                                          &child.pid, NULL, NULL, NULL, &err)) {
        g_propagate_error(errp, err);
        return false;
    }
    task_wait(wait_for, &child);
    g_spawn_close_pid(child.pid);
    if (!g_spawn_check_wait_status(child.status, &err)) {
        g_propagate_prefixed_error(errp, err, "%s: ", words[0]);
        return false;
    }
    return true;
}

bool tap_host_run(const char *script, const char *usual, const char *ifname, GError **errp)
{
    const char *program = script ? script : usual;
    char *words[] = { (char *)(uintptr_t)program, (char *)(uintptr_t)ifname, NULL };

    if (strcmp(program, "no") == 0 || !*program ||
        (strcmp(program, usual) == 0 && access(usual, X_OK) < 0)) {
        return true;
    }
    return run(words, -1, errp);
}

/* The descriptor that has been sent over @sock; -1: none. */
static int take_descriptor(int sock)
{
    char byte;
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = { &byte, 1 };
    struct msghdr msg = { .msg_iov = &part,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof(control) };
    const struct cmsghdr *cmsg;
    int fd = -1;

    if (recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0) {
        return -1;
    }
    cmsg = CMSG_FIRSTHDR(&msg);
    if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS &&
        cmsg->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
    }
    return fd;
}

int tap_host_from_helper(const char *helper, const char *bridge, GError **errp)
{
    g_autofree char *fd_word = NULL, *bridge_word = NULL;
    int sockets[2], fd = -1;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) {
        error_set_errno(errp, errno, "cannot make a socket");
        return -1;
    }
    fd_word = g_strdup_printf("--fd=%d", sockets[1]);
    bridge_word = g_strdup_printf("--br=%s", bridge ? bridge : TAP_BRIDGE);
    char *words[] = { (char *)(uintptr_t)(helper ? helper : TAP_HELPER), fd_word, bridge_word,
                      NULL };
    if (run(words, sockets[1], errp)) {
        fd = take_descriptor(sockets[0]);
        if (fd < 0) {
            error_set(errp, "%s has ended without sending a tap", words[0]);
        }
    }
    close(sockets[0]);
    close(sockets[1]);
    return fd;
}
