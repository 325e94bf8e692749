/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chardev/socket-place.h"
#include "migration/migration.h"
#include "util/error.h"
#include "util/machine-lock.h"
#include "util/parse.h"

static void channel_init(Channel *channel)
{
    *channel = (Channel){ .fd = -1, .listener = -1 };
}

/* ---- exec: ---- */

/* In the command's process, before it begins: what it starts is ended with it. */
static void own_group(void *opaque)
{
    setpgid(0, 0);
}

/* A command that takes a stream says nothing on our standard output: that may be the guest's
 * console. */
static bool open_exec(Channel *channel, const char *command, bool out, GError **errp)
{
    const char *argv[] = { "/bin/sh", "-c", command, NULL };
    GSpawnFlags flags = G_SPAWN_DO_NOT_REAP_CHILD | (out ? G_SPAWN_STDOUT_TO_DEV_NULL : 0);
    g_autoptr(GError) err = NULL;

    if (!g_spawn_async_with_pipes(NULL, (char **)argv, NULL, flags, own_group, NULL,
                                  &channel->child, out ? &channel->fd : NULL,
                                  out ? NULL : &channel->fd, NULL, &err)) {
        error_set(errp, "exec:%s: %s", command, err->message);
        return false;
    }
    fcntl(channel->fd, F_SETFD, FD_CLOEXEC);
    return true;
}

/* ---- fd: ---- */

static bool open_fd(Channel *channel, const char *name, ChannelTakeFd *take_fd, GError **errp)
{
    uint64_t number;

    if (!g_ascii_isdigit(name[0])) {
        channel->fd = take_fd(name, errp);
        return channel->fd >= 0;
    }
    if (!parse_uint(name, G_MAXINT, &number) || fcntl((int)number, F_GETFD) < 0) {
        error_set(errp,
                  "fd:%s: it must be the number of a descriptor that was inherited, or the name of "
                  "one that getfd passed",
                  name);
        return false;
    }
    channel->fd = (int)number;
    return true;
}

/* ---- file: ---- */

static bool open_file(Channel *channel, const char *text, bool out, GError **errp)
{
    const char *option = strstr(text, ",offset=");
    g_autofree char *path = option ? g_strndup(text, (gsize)(option - text)) : g_strdup(text);
    uint64_t offset = 0;

    if (option &&
        (!parse_size(option + strlen(",offset="), 1, &offset, errp) || offset > G_MAXINT64)) {
        g_prefix_error(errp, "file:%s: offset: ", text);
        return false;
    }
    /* What is before the offset is somebody else's; a file of ours is guest memory: private. */
    channel->fd = open(path, (out ? O_WRONLY | O_CREAT : O_RDONLY) | O_CLOEXEC | O_NONBLOCK, 0600);
    if (channel->fd < 0) {
        error_set_errno(errp, errno, "file:%s: it cannot be opened", path);
        return false;
    }
    if ((out && ftruncate(channel->fd, (off_t)offset) < 0) ||
        lseek(channel->fd, (off_t)offset, SEEK_SET) < 0) {
        error_set_errno(errp, errno, "file:%s: byte %s cannot be written to", path,
                        option ? option + strlen(",offset=") : "0");
        close(channel->fd);
        channel->fd = -1;
        return false;
    }
    return true;
}

/* ---- unix:, tcp: ---- */

static bool open_socket(Channel *channel, SocketPlace *place, bool out, GError **errp)
{
    int fd;

    place->server = !out;
    if (!socket_place_check(place, errp)) {
        return false;
    }
    fd = socket_place_open(place, NULL, errp);
    if (fd < 0) {
        return false;
    }
    if (out) {
        channel->fd = fd;
    } else {
        channel->listener = fd;
        channel->unlink = g_strdup(place->path);
    }
    return true;
}

static bool open_unix(Channel *channel, const char *path, bool out, GError **errp)
{
    g_autofree char *copy = g_strdup(path);
    SocketPlace place = { .path = copy };

    return open_socket(channel, &place, out, errp);
}

/* HOST:PORT, [ADDRESS]:PORT, and :PORT for every address of this host. */
static bool open_tcp(Channel *channel, const char *text, bool out, GError **errp)
{
    const char *colon = strrchr(text, ':');

    if (!colon) {
        error_set(errp, "tcp:%s: it must be tcp:HOST:PORT", text);
        return false;
    }
    bool brackets = text[0] == '[' && colon > text && colon[-1] == ']';
    g_autofree char *host = g_strndup(text + brackets, (gsize)(colon - text) - (brackets ? 2 : 0));
    g_autofree char *port = g_strdup(colon + 1);
    SocketPlace place = { .host = host, .port = port, .nodelay = true };

    return open_socket(channel, &place, out, errp);
}

/* ---- all ---- */

static bool open_uri(Channel *channel, const char *uri, bool out, ChannelTakeFd *take_fd,
                     GError **errp)
{
    const char *rest = strchr(uri, ':');

    channel_init(channel);
    rest = rest ? rest + 1 : uri;
    if (g_str_has_prefix(uri, "exec:")) {
        return open_exec(channel, rest, out, errp);
    }
    if (g_str_has_prefix(uri, "fd:")) {
        return open_fd(channel, rest, take_fd, errp);
    }
    if (g_str_has_prefix(uri, "file:")) {
        return open_file(channel, rest, out, errp);
    }
    if (g_str_has_prefix(uri, "unix:")) {
        return open_unix(channel, rest, out, errp);
    }
    if (g_str_has_prefix(uri, "tcp:")) {
        return open_tcp(channel, rest, out, errp);
    }
    error_set(errp,
              "'%s' is no place for a stream: it must be exec:COMMAND, fd:NAME, unix:PATH, "
              "tcp:HOST:PORT or file:PATH[,offset=SIZE]",
              uri);
    return false;
}

bool channel_open_out(Channel *channel, const char *uri, ChannelTakeFd *take_fd, GError **errp)
{
    return open_uri(channel, uri, true, take_fd, errp);
}

bool channel_open_in(Channel *channel, const char *uri, ChannelTakeFd *take_fd, GError **errp)
{
    return open_uri(channel, uri, false, take_fd, errp);
}

bool channel_may_resume(const char *uri, GError **errp)
{
    if (g_str_has_prefix(uri, "exec:") || g_str_has_prefix(uri, "file:")) {
        error_set(errp,
                  "'%s' is no socket: it must be unix:PATH, tcp:HOST:PORT, or fd:NAME of a socket",
                  uri);
        return false;
    }
    return true;
}

bool channel_is_socket(const char *uri)
{
    return g_str_has_prefix(uri, "tcp:") || g_str_has_prefix(uri, "unix:");
}

bool channel_check_multifd(const char *uri, GError **errp)
{
    if (migration_multifd && !channel_is_socket(uri)) {
        error_set(errp,
                  "capability multifd: there are no several connections over '%s': use tcp: or "
                  "unix:, or switch it off",
                  uri);
        return false;
    }
    return true;
}

char *channel_hostname(const char *uri)
{
    const char *text = uri + strlen("tcp:");
    const char *colon = g_str_has_prefix(uri, "tcp:") ? strrchr(text, ':') : NULL;

    if (!colon || colon == text) {
        return NULL;
    }
    bool brackets = text[0] == '[' && colon[-1] == ']';
    return g_strndup(text + brackets, (gsize)(colon - text) - (brackets ? 2 : 0));
}

/* ---- TLS ---- */

bool channel_secure(Channel *channel, TlsSetup *setup, GError **errp)
{
    machine_lock();
    channel->tls =
        tls_relay_new(setup, channel_take_fd(channel), TLS_RELAY_WAIT_MS, NULL, NULL, errp);
    machine_unlock();
    int fd = channel->tls ? tls_relay_wait(channel->tls, errp) : -1;
    machine_lock();
    channel->fd = fd;
    machine_unlock();
    return fd >= 0;
}

void channel_explain(const Channel *channel, GError **err)
{
    GError *why = channel->tls ? tls_relay_error(channel->tls) : NULL;

    if (why) {
        g_clear_error(err);
        *err = why;
    }
}

int channel_take_fd(Channel *channel)
{
    int fd = channel->fd;

    channel->fd = -1;
    return fd;
}

static void close_listener(Channel *channel)
{
    if (channel->listener >= 0) {
        close(channel->listener);
        channel->listener = -1;
        if (channel->unlink) {
            unlink(channel->unlink);
        }
    }
}

void channel_close_listener(Channel *channel)
{
    machine_lock(); /* channel_stop() is not to meet the number of a descriptor that is closed */
    close_listener(channel);
    machine_unlock();
}

bool channel_accept(Channel *channel, GError **errp)
{
    int err;

    do {
        channel->fd = accept4(channel->listener, NULL, NULL, SOCK_CLOEXEC);
        err = errno;
    } while (channel->fd < 0 && (err == EINTR || err == ECONNABORTED));
    channel_close_listener(channel); /* there is one machine to come */
    if (channel->fd < 0) {
        error_set_errno(errp, err, "nobody can connect");
    }
    return channel->fd >= 0;
}

void channel_wait(const Channel *channel)
{
    siginfo_t info;

    while (channel->child && waitid(P_PID, (id_t)channel->child, &info, WEXITED | WNOWAIT) < 0 &&
           errno == EINTR) {
    }
    if (channel->tls) {
        (void)tls_relay_join(channel->tls, NULL);
    }
}

void channel_stop(const Channel *channel)
{
    if (channel->child) {
        kill(-channel->child, SIGTERM);
    }
    if (channel->listener >= 0) {
        shutdown(channel->listener, SHUT_RDWR);
    }
    if (channel->tls) {
        tls_relay_stop(channel->tls);
    }
}

bool channel_close(Channel *channel, GError **errp)
{
    bool ok = true;

    if (channel->fd >= 0) {
        close(channel->fd);
        channel->fd = -1;
    }
    close_listener(channel);
    g_clear_pointer(&channel->unlink, g_free);
    if (channel->tls) {
        ok = tls_relay_join(channel->tls, errp);
        g_clear_pointer(&channel->tls, tls_relay_unref);
    }
    if (channel->child) {
        int status = 0;
        pid_t pid = waitpid(channel->child, &status, 0);
        if (pid == channel->child && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
            error_set(errp, "the command failed (wait status 0x%x)", status);
            ok = false;
        }
        g_spawn_close_pid(channel->child);
        channel->child = 0;
    }
    return ok;
}
