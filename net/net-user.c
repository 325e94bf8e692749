/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libslirp is fed from the main loop: a source asks it before each wait which descriptors and how
 * long, and tells it afterwards. Its clock is the machine's, which stands while the machine does,
 * so that no connection times out then.
 */
#include "net/net-user.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "chardev/chardev.h"
#include "net/user-config.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/timer.h"

#define ACCEPT_AGAIN_US 200000 /* where descriptors or memory ran out */

typedef struct NetUser NetUser;

typedef struct UserSource {
    GSource source;
    NetUser *user;
} UserSource;

/* guestfwd= to a character device. */
typedef struct UserForward {
    NetUser *user;
    CharFrontend fe;
    struct in_addr addr;
    int port;
    Chardev *made; /* for it; NULL: it has a user's */
} UserForward;

struct NetUser {
    NetBackend parent;
    Slirp *slirp;
    struct in_addr net;
    bool restricted;
    GSource *source;
    GPtrArray *fds; /* of GPollFD *, added to the source; owned. The first fd_count are in use */
    guint fd_count;
    int64_t polled_us;   /* when libslirp was told last, by the host's clock */
    int64_t deadline_us; /* when it wants to be told at the latest */
    GPtrArray *forwards; /* of UserForward *; owned */
    int64_t accept_us;   /* until then, by the host's clock, no client is looked for */
    bool cannot_accept;  /* it was said, once */
};
OBJECT_CAST_DEFINE(NetUser, NET_USER, "netdev-user")

typedef struct UserTimer {
    NetUser *user;
    SlirpTimerId id;
    void *opaque;
    Timer *timer;
} UserTimer;

/* ---- descriptors ---- */

static const struct {
    int slirp;
    gushort poll;
} conditions[] = {
    { SLIRP_POLL_IN, G_IO_IN },   { SLIRP_POLL_OUT, G_IO_OUT }, { SLIRP_POLL_PRI, G_IO_PRI },
    { SLIRP_POLL_ERR, G_IO_ERR }, { SLIRP_POLL_HUP, G_IO_HUP },
};

static bool listens(int fd)
{
    int listening = 0;
    socklen_t len = sizeof(listening);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

/* The next one; what has changed since the last wait is changed. */
static int add_poll(int fd, int events, void *opaque)
{
    NetUser *user = opaque;
    guint n = user->fd_count++;
    GPollFD *poll = n < user->fds->len ? user->fds->pdata[n] : NULL;

    if (!poll || poll->fd != fd) {
        if (poll) {
            g_source_remove_poll(user->source, poll);
        } else {
            poll = g_new0(GPollFD, 1);
            g_ptr_array_add(user->fds, poll);
        }
        poll->fd = fd;
        g_source_add_poll(user->source, poll);
    }
    poll->events = 0;
    if (user->accept_us && listens(fd)) {
        return (int)n;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(conditions); i++) {
        poll->events |= events & conditions[i].slirp ? conditions[i].poll : 0;
    }
    return (int)n;
}

static int get_revents(int n, void *opaque)
{
    const NetUser *user = opaque;
    const GPollFD *poll = user->fds->pdata[n];
    int events = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(conditions); i++) {
        events |= poll->revents & conditions[i].poll ? conditions[i].slirp : 0;
    }
    return events;
}

/* Those from @count on are not waited for any more. */
static void forget_fds(NetUser *user, guint count)
{
    while (user->fds->len > count) {
        guint last = user->fds->len - 1;

        g_source_remove_poll(user->source, user->fds->pdata[last]);
        g_ptr_array_remove_index(user->fds, last);
    }
}

static gboolean user_prepare(GSource *source, gint *timeout_ms)
{
    NetUser *user = ((UserSource *)source)->user;
    int64_t now = g_get_monotonic_time();
    uint32_t wait_ms = UINT32_MAX;

    user->accept_us = now < user->accept_us ? user->accept_us : 0;
    user->fd_count = 0;
    slirp_pollfds_fill(user->slirp, &wait_ms, add_poll, user);
    forget_fds(user, user->fd_count);
    user->deadline_us = user->polled_us + (int64_t)wait_ms * 1000;
    if (user->accept_us) {
        user->deadline_us = MIN(user->deadline_us, user->accept_us);
    }
    *timeout_ms = (gint)(MAX(user->deadline_us - now, 0) + 999) / 1000;
    return FALSE;
}

static gboolean user_check(GSource *source)
{
    NetUser *user = ((UserSource *)source)->user;

    for (guint i = 0; i < user->fds->len; i++) {
        if (((const GPollFD *)user->fds->pdata[i])->revents) {
            return TRUE;
        }
    }
    return g_get_monotonic_time() >= user->deadline_us;
}

static gboolean user_dispatch(GSource *source, GSourceFunc fn, gpointer opaque)
{
    NetUser *user = ((UserSource *)source)->user;

    user->polled_us = g_get_monotonic_time();
    slirp_pollfds_poll(user->slirp, 0, get_revents, user);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = {
    .prepare = user_prepare,
    .check = user_check,
    .dispatch = user_dispatch,
};

/* ---- what libslirp asks for ---- */

static ssize_t send_packet(const void *packet, size_t size, void *opaque)
{
    net_send(&NET_USER(opaque)->parent.client, packet, size);
    return (ssize_t)size;
}

static void guest_error(const char *text, void *opaque)
{
    if (log_enabled(LOG_GUEST_ERROR)) {
        log_printf("netdev '%s': %s\n", NET_USER(opaque)->parent.client.name, text);
    }
}

static int64_t clock_get_ns(void *opaque)
{
    return clock_ns();
}

static void timer_due(void *opaque)
{
    const UserTimer *timer = opaque;

    slirp_handle_timer(timer->user->slirp, timer->id, timer->opaque);
}

static void *user_timer_new(SlirpTimerId id, void *timer_opaque, void *opaque)
{
    UserTimer *timer = g_new0(UserTimer, 1);

    timer->user = opaque;
    timer->id = id;
    timer->opaque = timer_opaque;
    timer->timer = timer_new(timer_due, timer);
    return timer;
}

static void user_timer_free(void *timer, void *opaque)
{
    timer_free(((UserTimer *)timer)->timer);
    g_free(timer);
}

static void user_timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    timer_mod(((UserTimer *)timer)->timer, expire_ms * NS_PER_MS);
}

/* Which descriptors there are is asked before each wait. */
static void poll_fd_added(int fd, void *opaque)
{
}

/* A socket that goes without having had a descriptor is how libslirp, which does not tell, treats
 * an accept() that has failed. The client is still there, and would be found again and again. */
static void poll_fd_removed(int fd, void *opaque)
{
    NetUser *user = opaque;

    if (fd >= 0 || (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)) {
        return;
    }
    user->accept_us = g_get_monotonic_time() + ACCEPT_AGAIN_US;
    if (!user->cannot_accept) {
        user->cannot_accept = true;
        error_warn("netdev '%s': connections wait, or are refused: %s", user->parent.client.name,
                   g_strerror(errno));
    }
}

/* The main loop is to ask again, as it may be waiting. */
static void notify(void *opaque)
{
    g_main_context_wakeup(NULL);
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = clock_get_ns,
    .timer_free = user_timer_free,
    .timer_mod = user_timer_mod,
    .register_poll_fd = poll_fd_added,
    .unregister_poll_fd = poll_fd_removed,
    .notify = notify,
    .timer_new_opaque = user_timer_new,
};

static bool user_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    NetUser *user = NET_USER(nc->opaque);

    slirp_input(user->slirp, packet, (int)size);
    /* A connection may be there now, or have room again. */
    for (guint i = 0; i < user->forwards->len; i++) {
        char_accept_input(&((UserForward *)user->forwards->pdata[i])->fe);
    }
    notify(NULL);
    return true;
}

/* ---- forwards ---- */

bool net_user_hostfwd_add(NetBackend *netdev, const char *text, GError **errp)
{
    HostForward forward;

    if (!user_config_host_forward(text, true, &forward, errp)) {
        return false;
    }
    if (slirp_add_hostfwd(NET_USER(netdev)->slirp, forward.udp, forward.host_addr,
                          forward.host_port, forward.guest_addr, forward.guest_port) < 0) {
        error_set_errno(errp, errno, "cannot forward '%s' from the host's port", text);
        return false;
    }
    notify(NULL);
    return true;
}

bool net_user_hostfwd_remove(NetBackend *netdev, const char *text, GError **errp)
{
    HostForward forward;

    if (!user_config_host_forward(text, false, &forward, errp)) {
        return false;
    }
    if (slirp_remove_hostfwd(NET_USER(netdev)->slirp, forward.udp, forward.host_addr,
                             forward.host_port) < 0) {
        error_set(errp, "nothing is forwarded from '%s'", text);
        return false;
    }
    return true;
}

static int forward_can_receive(void *opaque)
{
    UserForward *forward = opaque;

    return (int)MIN(slirp_socket_can_recv(forward->user->slirp, forward->addr, forward->port),
                    (size_t)INT_MAX);
}

static void forward_receive(void *opaque, const uint8_t *buf, int len)
{
    UserForward *forward = opaque;

    slirp_socket_recv(forward->user->slirp, forward->addr, forward->port, buf, len);
}

static ssize_t forward_write(const void *buf, size_t len, void *opaque)
{
    char_write(&((UserForward *)opaque)->fe, buf, len);
    return (ssize_t)len;
}

static void forward_free(gpointer opaque)
{
    UserForward *forward = opaque;

    char_detach(&forward->fe);
    if (forward->made) {
        object_unparent(OBJECT(forward->made));
    }
    g_free(forward);
}

static bool forward_to_chardev(NetUser *user, const char *id, const GuestForward *parsed,
                               GError **errp)
{
    g_autofree char *name = g_strdup_printf("guestfwd.%s.%u", id, user->forwards->len);
    Chardev *chr = chardev_new_from_short(name, parsed->target, false, errp);
    UserForward *forward;
    struct in_addr addr = parsed->addr;

    if (!chr) {
        return false;
    }
    forward = g_new0(UserForward, 1);
    *forward = (UserForward){ .user = user, .addr = addr, .port = parsed->port };
    forward->made = g_str_has_prefix(parsed->target, "chardev:") ? NULL : chr;
    forward->fe = (CharFrontend){ .can_receive = forward_can_receive,
                                  .receive = forward_receive,
                                  .opaque = forward };
    g_ptr_array_add(user->forwards, forward);
    if (!char_attach(chr, &forward->fe, errp)) {
        return false;
    }
    if (slirp_add_guestfwd(user->slirp, forward_write, forward, &addr, parsed->port) < 0) {
        error_set(errp, "its address is not in the guest's network, or is taken");
        return false;
    }
    return true;
}

static bool add_guestfwd(NetUser *user, const char *id, const char *text, GError **errp)
{
    GuestForward forward;
    bool ok;

    if (!user_config_guest_forward(text, &forward, errp)) {
        return false;
    }
    if (!g_str_has_prefix(forward.target, "cmd:")) {
        ok = forward_to_chardev(user, id, &forward, errp);
    } else {
        ok = slirp_add_exec(user->slirp, forward.target + 4, &forward.addr, forward.port) == 0;
        if (!ok) {
            error_set(errp, "its address is not in the guest's network, or is taken");
        }
    }
    if (!ok) {
        g_prefix_error(errp, "guestfwd=%s: ", text);
    }
    return ok;
}

static bool add_forwards(NetUser *user, const Netdev *options, GError **errp)
{
    const GPtrArray *host = options->u.user->hostfwd, *guest = options->u.user->guestfwd;

    for (guint i = 0; host && i < host->len; i++) {
        if (!net_user_hostfwd_add(&user->parent, ((const String *)host->pdata[i])->str, errp)) {
            return false;
        }
    }
    for (guint i = 0; guest && i < guest->len; i++) {
        if (!add_guestfwd(user, options->id, ((const String *)guest->pdata[i])->str, errp)) {
            return false;
        }
    }
    return true;
}

/* ---- for people ---- */

NetBackend *net_user_find(const char *id, GError **errp)
{
    NetBackend *found = id ? netdev_find(id) : NULL;
    unsigned count = 0;

    for (guint i = 0; !id && i < net_clients()->len; i++) {
        const NetClient *nc = net_clients()->pdata[i];
        NetBackend *netdev = netdev_find(nc->name);

        if (netdev && object_is_a(&netdev->parent, "netdev-user")) {
            found = netdev;
            count++;
        }
    }
    if (count > 1 || !found || !object_is_a(&found->parent, "netdev-user")) {
        error_set(errp, "%s",
                  count > 1 ? "there are several netdevs of kind user: name one"
                  : id      ? "there is no netdev of kind user with this id"
                            : "there is no netdev of kind user");
        return NULL;
    }
    return found;
}

char *net_user_connections(NetBackend *netdev)
{
    return object_is_a(&netdev->parent, "netdev-user")
               ? slirp_connection_info(NET_USER(netdev)->slirp)
               : NULL;
}

static char *user_describe(NetClient *nc)
{
    const NetUser *user = NET_USER(nc->opaque);
    char net[INET_ADDRSTRLEN] = "";

    inet_ntop(AF_INET, &user->net, net, sizeof(net));
    return g_strdup_printf("user,net=%s,restrict=%s", net, user->restricted ? "on" : "off");
}

/* ---- life ---- */

static bool user_open(NetBackend *netdev, const Netdev *options, GError **errp)
{
    NetUser *user = NET_USER(netdev);
    g_autoptr(GPtrArray) domains = NULL;
    SlirpConfig config;

    if (!user_config(options->u.user, &config, &domains, errp)) {
        return false;
    }
    user->net = config.vnetwork;
    user->restricted = config.restricted;
    user->slirp = slirp_new(&config, &callbacks, user);
    if (!user->slirp) {
        error_set(errp, "libslirp does not take these options");
        return false;
    }
    user->source = g_source_new(&source_funcs, sizeof(UserSource));
    ((UserSource *)user->source)->user = user;
    g_source_set_name(user->source, "netdev-user");
    loop_attach(loop_main(), user->source);
    return add_forwards(user, options, errp);
}

static void user_init(Object *obj)
{
    NetUser *user = NET_USER(obj);

    user->fds = g_ptr_array_new_with_free_func(g_free);
    user->forwards = g_ptr_array_new_with_free_func(forward_free);
}

static void user_finalize(Object *obj)
{
    NetUser *user = NET_USER(obj);

    g_ptr_array_unref(user->forwards);
    if (user->source) {
        forget_fds(user, 0);
        g_source_destroy(user->source);
        g_source_unref(user->source);
    }
    if (user->slirp) {
        slirp_cleanup(user->slirp);
    }
    g_ptr_array_unref(user->fds);
}

static const NetdevClass user_ops = {
    .client = { .receive = user_receive,
                .takes = NET_TAKES_TCP4 | NET_TAKES_TCP6 | NET_TAKES_ECN,
                .describe = user_describe },
    .open = user_open,
};

static const ObjectType user_type = {
    .name = "netdev-user",
    .parent = TYPE_NETDEV,
    .description = "a network of the host's sockets",
    .instance_size = sizeof(NetUser),
    .ops = &user_ops,
    .init = user_init,
    .finalize = user_finalize,
};
OBJECT_TYPE_REGISTER(user_type)
