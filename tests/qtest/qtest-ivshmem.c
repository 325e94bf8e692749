/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ivshmem-doorbell, with a server of ours that speaks the public protocol. */
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/qtest/libqtest.h"
#include "tests/qtest/virtio.h"
#include "tests/qtest/wire.h"
#include "util/units.h"

#define DEVFN       (5 << 3)
#define PCIHP_EJECT 0xae08
#define REGISTERS   0xe8000000u
#define VECTORS     0xe8100000u
#define MEMORY      0xe9000000u
#define DOORBELL    (REGISTERS + 12)
enum { OWN = 5, PEER = 7, LATE = 8, LATER = 65535 };

/* ---- the server ---- */

typedef struct Server {
    char *path;
    int listener, client, memory;
    uint64_t size;
    int64_t version, id, what; /* the first messages */
    bool no_fd;                /* the third one has none */
    int own[2], peer[2];       /* eventfds */
    uint8_t *bytes;            /* of the memory */
    GThread *thread;
} Server;

static void say(const Server *server, int64_t number, int fd)
{
    uint64_t bytes = GUINT64_TO_LE((uint64_t)number);
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec iov = { &bytes, sizeof(bytes) };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (fd >= 0) {
        msg.msg_control = &control;
        msg.msg_controllen = sizeof(control);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        *c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                               .cmsg_type = SCM_RIGHTS,
                               .cmsg_len = CMSG_LEN(sizeof(int)) };
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    sendmsg(server->client, &msg, MSG_NOSIGNAL); /* it may have gone, as it should */
}

static gpointer serve(gpointer opaque)
{
    Server *server = opaque;

    server->client = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
    say(server, server->version, -1);
    say(server, server->id, -1);
    say(server, server->what, server->no_fd ? -1 : server->memory);
    for (unsigned i = 0; i < 2; i++) {
        say(server, PEER, server->peer[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        say(server, server->id, server->own[i]);
    }
    return NULL;
}

static void server_start(Server *server)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    server->path = wire_path();
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(address.sun_path, server->path, sizeof(address.sun_path));
    g_assert_cmpint(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    g_assert_cmpint(listen(server->listener, 1), ==, 0);
    server->memory = memfd_create("ivshmem", MFD_CLOEXEC);
    g_assert_cmpint(ftruncate(server->memory, (off_t)server->size), ==, 0);
    server->bytes = mmap(NULL, server->size, PROT_READ | PROT_WRITE, MAP_SHARED, server->memory, 0);
    for (unsigned i = 0; i < 2; i++) {
        server->own[i] = eventfd(0, EFD_CLOEXEC);
        server->peer[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    server->thread = g_thread_new("server", serve, server);
}

static void server_hang_up(Server *server)
{
    if (server->thread) {
        g_thread_join(g_steal_pointer(&server->thread));
    }
    close(server->client);
    server->client = -1;
}

static void server_end(Server *server)
{
    server_hang_up(server);
    close(server->listener);
    unlink(server->path);
    munmap(server->bytes, server->size);
    close(server->memory);
    for (unsigned i = 0; i < 2; i++) {
        close(server->own[i]);
        close(server->peer[i]);
    }
    g_free(server->path);
}

#define SERVER                                           \
    {                                                    \
        .size = MIB, .id = OWN, .what = -1, .client = -1 \
    }

/* ---- the guest ---- */

#define BELL "ivshmem-doorbell,id=bell,chardev=c,vectors=2,addr=5"

static QTest *machine(const Server *server, const char *more)
{
    return qtest_start("-m 16 -chardev socket,id=c,path=%s -device " BELL "%s", server->path, more);
}

/* BARs and vectors, whose messages are kept back. */
static void place(QTest *qt)
{
    qpci_write(qt, DEVFN, 0x10, 4, REGISTERS);
    qpci_write(qt, DEVFN, 0x14, 4, VECTORS);
    qpci_write(qt, DEVFN, 0x18, 4, MEMORY);
    qpci_write(qt, DEVFN, 0x1c, 4, 0);
    qpci_write(qt, DEVFN, 4, 2, 6);
}

static unsigned find_msix(QTest *qt)
{
    unsigned at = qpci_read(qt, DEVFN, 0x34, 1);

    while (at && qpci_read(qt, DEVFN, at, 1) != 0x11) {
        at = qpci_read(qt, DEVFN, at + 1, 1);
    }
    g_assert_cmpuint(at, !=, 0);
    return at;
}

static bool is_pending(QTest *qt, unsigned vector)
{
    uint32_t offset = qpci_read(qt, DEVFN, find_msix(qt) + 8, 4);

    g_assert_cmpuint(offset & 7, ==, 1); /* in BAR 1 */
    return qtest_readl(qt, VECTORS + (offset & ~7u)) >> vector & 1;
}

static void ring(QTest *qt, unsigned peer, unsigned vector)
{
    qtest_writel(qt, DOORBELL, peer << 16 | vector);
}

/* How often it was signalled since this was asked. */
static uint64_t count(int fd)
{
    uint64_t value = 0;

    return read(fd, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

/* Until the other end has heard of what the server has said before. */
static void wait_for_peer(QTest *qt, unsigned peer, int fd)
{
    gint64 deadline = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;

    do {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        ring(qt, peer, 0);
    } while (!count(fd));
}

/* ---- tests ---- */

static void test_rings(gconstpointer more)
{
    Server server = SERVER;

    server_start(&server);
    QTest *qt = machine(&server, more);
    g_assert_cmphex(qpci_read(qt, DEVFN, 0, 4), ==, 0x11101af4);
    g_assert_cmphex(qpci_read(qt, DEVFN, 8, 4), ==, 0x05000001);
    place(qt);
    g_assert_cmpuint(qtest_readl(qt, REGISTERS + 8), ==, OWN);
    g_assert_cmphex(qtest_readl(qt, DOORBELL), ==, 0);
    qtest_memwrite(qt, MEMORY + MIB - 4, "mem", 4);
    g_assert_cmpstr((const char *)server.bytes + MIB - 4, ==, "mem");
    /* Others are called, */
    wait_for_peer(qt, PEER, server.peer[0]);
    ring(qt, PEER, 1);
    g_assert_cmpuint(count(server.peer[1]), ==, 1);
    ring(qt, PEER, 2);
    ring(qt, PEER + 1, 0);
    ring(qt, 65535, 65535);
    g_assert_cmpuint(count(server.peer[0]) + count(server.peer[1]), ==, 0);
    /* and call, */
    qpci_write(qt, DEVFN, find_msix(qt) + 2, 2, 0x8000); /* on; each is masked */
    g_assert_false(is_pending(qt, 1));
    eventfd_write(server.own[1], 1);
    while (!is_pending(qt, 1)) { /* it comes when the loop turns */
    }
    g_assert_false(is_pending(qt, 0));
    ring(qt, OWN, 0);
    while (!is_pending(qt, 0)) {
    }
    qtest_quit(qt);
    server_end(&server);
}

/* Others come and go; when the server has gone, nobody does any more. */
static void test_peers(gconstpointer more)
{
    Server server = SERVER;
    int late = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        later = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    server_start(&server);
    QTest *qt = machine(&server, more);
    g_thread_join(g_steal_pointer(&server.thread));
    place(qt);
    say(&server, LATE, late);
    wait_for_peer(qt, LATE, late);
    say(&server, PEER, -1);
    say(&server, 1, -1);               /* it was never there */
    say(&server, LATE, server.memory); /* which is no eventfd */
    say(&server, OWN, later);          /* more vectors than it has */
    say(&server, 65536, later);
    say(&server, -2, -1);
    say(&server, LATER, later);
    wait_for_peer(qt, LATER, later);
    count(server.peer[0]);
    ring(qt, PEER, 0);
    ring(qt, LATE, 1);
    g_assert_cmpuint(count(server.peer[0]), ==, 0);
    g_autofree char *said = qtest_output(qt);
    g_assert_nonnull(strstr(said, "too many vectors for a peer"));
    g_assert_nonnull(strstr(said, "more vectors for it than vectors="));
    g_assert_nonnull(strstr(said, "not from 0 to 65535"));
    qtest_allow_stderr(qt);
    server_hang_up(&server);
    wait_for_peer(qt, LATE, late);
    qtest_qmp_ok(qt, "device_del", "{'id': 'bell'}");
    qtest_outl(qt, PCIHP_EJECT, 1u << 5);
    json_object_put(qtest_event(qt, "DEVICE_DELETED"));
    qtest_qmp_ok(qt, "chardev-remove", "{'id': 'c'}");
    qtest_quit(qt);
    server_end(&server);
    close(late);
    close(later);
}

/* It is plugged, and what a server may get wrong refused. */
static void test_plug(void)
{
    static const struct {
        const char *words;
        Server server;
    } cases[] = {
        { "version 1 ", { .size = MIB, .version = 1, .id = OWN, .what = -1 } },
        { "65536", { .size = MIB, .id = 65536, .what = -1 } },
        { "no memory", { .size = MIB, .id = OWN, .what = 3 } },
        { "no memory", { .size = MIB, .id = OWN, .what = -1, .no_fd = true } },
        { "power of 2", { .size = 12 * KIB, .id = OWN, .what = -1 } },
        { NULL, SERVER },
        { NULL, SERVER },
    };
    QTest *qt = qtest_start("-m 16");

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        static const char arguments[] = "{'driver': 'ivshmem-doorbell', 'id': 'bell', "
                                        "'chardev': 'c', 'vectors': 2, 'addr': '5'}";
        Server server = cases[i].server;

        server_start(&server);
        qtest_qmp_ok(qt, "chardev-add",
                     "{'id': 'c', 'backend': {'type': 'socket', 'data': {'server': false, "
                     "'addr': {'type': 'unix', 'data': {'path': %s}}}}}",
                     server.path);
        if (cases[i].words) {
            g_autoptr(json_object) err = qtest_qmp_error(qt, "device_add", arguments);

            g_assert_nonnull(strstr(qtest_get_str(err, "desc"), cases[i].words));
        } else {
            qtest_qmp_ok(qt, "device_add", arguments);
            place(qt);
            wait_for_peer(qt, PEER, server.peer[0]);
            qtest_qmp_ok(qt, "device_del", "{'id': 'bell'}");
            qtest_outl(qt, PCIHP_EJECT, 1u << 5);
            json_object_put(qtest_event(qt, "DEVICE_DELETED"));
        }
        qtest_qmp_ok(qt, "chardev-remove", "{'id': 'c'}");
        server_end(&server);
    }
    qtest_quit(qt);
}

/* The others' memory stays with them; what this machine is the master of goes along, to where
 * another server has other numbers. */
static void test_save(void)
{
    Server server = SERVER, there = SERVER;

    there.id = OWN + 1;
    server_start(&server);
    QTest *qt = machine(&server, "");
    json_object_put(qtest_qmp_error(qt, "migrate", "{'uri': 'exec:cat > /dev/null'}"));
    qtest_quit(qt);
    server_end(&server);

    server = (Server)SERVER;
    server_start(&server);
    server_start(&there);
    qt = machine(&server, ",master=on");
    place(qt);
    qtest_writel(qt, MEMORY + 0x8000, 0x600df00d);
    g_autofree char *file = qtest_temp_path(qt, "state");
    qtest_save(qt, file);
    QTest *to = qtest_start("-m 16 -chardev socket,id=c,path=%s -device " BELL ",master=on "
                            "-incoming file:%s",
                            there.path, file);
    qtest_wait_running(to);
    qtest_quit(qt);
    g_assert_cmphex(qtest_readl(to, MEMORY + 0x8000), ==, 0x600df00d);
    g_assert_cmpuint(qtest_readl(to, REGISTERS + 8), ==, OWN + 1);
    wait_for_peer(to, PEER, there.peer[0]);
    qtest_quit(to);
    server_end(&server);
    server_end(&there);
}

static const QTestRefused refused[] = {
    { "-device ivshmem-doorbell", "'chardev' is missing" },
    { "-device ivshmem-doorbell,chardev=c9", "chardev 'c9' not found" },
    { "-chardev null,id=c -device ivshmem-doorbell,chardev=c", "no plain socket" },
    { "-device ivshmem-doorbell,vectors=0", "1 to 2048" },
    { "-device ivshmem-doorbell,vectors=2049", "1 to 2048" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/doorbell/rings", "", test_rings);
    g_test_add_data_func("/doorbell/rings-slow", ",ioeventfd=off", test_rings);
    g_test_add_data_func("/doorbell/peers", "", test_peers);
    g_test_add_data_func("/doorbell/peers-slow", ",ioeventfd=off", test_peers);
    g_test_add_func("/doorbell/plug", test_plug);
    g_test_add_func("/doorbell/save", test_save);
    qtest_add_refused("/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
