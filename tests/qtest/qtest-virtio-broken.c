/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each queue of each virtio device under a driver that breaks it in every way: the driver is told
 * (NEEDS_RESET, and an interrupt of the configuration), a reset makes the device as good as new, a
 * queue alone can be reset while it has buffers, and a device that is broken can be unplugged.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/qtest/virtio.h"

#define DEVFN   0x20u     /* slot 4 */
#define EJECT   0xae08    /* docs/pci-hotplug.md */
#define NOT_RAM 0x8000000 /* behind the 64 MiB that there are */

typedef struct Guest Guest;

typedef struct Row {
    const char *name, *device; /* without id= and addr= */
    const char *backends;
    uint64_t features;
    uint8_t queue, other;     /* under test; one more that `poke` needs, or the same */
    uint32_t out_len, in_len; /* of a buffer that is good */
    uint32_t type;            /* the first 4 bytes of what the device reads */
    void (*poke)(Guest *g);   /* let the device look for a buffer; NULL: it does when notified */
    bool modern;              /* it never had the legacy interface */
} Row;

struct Guest {
    const Row *row;
    QTest *qt;
    QVirtio v;
    QVirtQueue q, other;
    uint64_t out, in; /* a page each */
    char *path;       /* of the chardev's socket */
    int fd;           /* the other end of it; -1: there is none */
};

/* ---- what makes a device look ---- */

/* Something for port 0 to give to the guest. */
static void poke_input(Guest *g)
{
    g_assert_cmpint(write(g->fd, "hello", 5), ==, 5);
}

/* The driver is ready, so the device has to tell of its ports. */
static void poke_ports(Guest *g)
{
    qtest_writeq(g->qt, g->out, UINT32_MAX | UINT64_C(1) << 48);
    qvirtq_add(&g->other, g->out, 8, false);
    qvirtq_kick(&g->other);
}

/* A packet of the other card on the hub. */
static void poke_packet(Guest *g)
{
    qtest_qmp_ok(g->qt, "announce-self",
                 "{'initial': 50, 'max': 50, 'rounds': 1, 'step': 0, 'interfaces': ['card']}");
}

/* Statistics are asked for: what the device keeps comes back, and there is the next. */
static void poke_time(Guest *g)
{
    qtest_clock_step(g->qt, 1000000000);
    qvirtq_kick(&g->q);
}

#define DISK "-blockdev null-co,node-name=d0,size=1M,read-zeroes=on"
#define HUB                                                                \
    "-netdev hubport,id=h0,hubid=0 -netdev hubport,id=h1,hubid=0 -device " \
    "virtio-net-pci,id=card,netdev=h1,addr=5 "
#define NET      "virtio-net-pci,netdev=h0"
#define BALLOON  "virtio-balloon-pci,free-page-reporting=on,guest-stats-polling-interval=1"
#define SERIAL   "virtio-serial-pci,max_ports=2"
#define CTRL_NET (UINT64_C(1) << 17 | UINT64_C(1) << 18) /* VIRTIO_NET_F_CTRL_VQ, CTRL_RX */
#define STATS    (UINT64_C(1) << 1)
#define REPORTS  (UINT64_C(1) << 5)
#define PORTS    (UINT64_C(1) << 1)
#define FLUSH    4 /* a request of a disk */

static const Row rows[] = {
    { "blk", "virtio-blk-pci,drive=d0", DISK, 0, 0, 0, 16, 1, FLUSH, NULL },
    { "blk-iothread", "virtio-blk-pci,drive=d0,iothread=t0", DISK " -object iothread,id=t0", 0, 0,
      0, 16, 1, FLUSH, NULL },
    { "blk-second", "virtio-blk-pci,drive=d0,num-queues=2", DISK, UINT64_C(1) << 12, 1, 1, 16, 1,
      FLUSH, NULL },
    { "net-receive", NET, HUB, 0, 0, 0, 0, 2048, 0, poke_packet },
    { "net-send", NET, HUB, 0, 1, 1, 100, 0, 0, NULL },
    { "net-control", NET, HUB, CTRL_NET, 2, 2, 3, 1, 0, NULL },
    { "9p", "virtio-9p-pci,fsdev=f0,mount_tag=x",
      "-fsdev local,id=f0,path=/,readonly=on,security_model=none", 0, 0, 0, 7, 11, 7, NULL },
    { "gpu-control", "virtio-gpu-pci", "", 0, 0, 0, 24, 24, 0x100, NULL, true },
    { "gpu-cursor", "virtio-gpu-pci", "", 0, 1, 0, 56, 0, 0x301, NULL, true },
    { "rng", "virtio-rng-pci", "", 0, 0, 0, 0, 16, 0, NULL },
    { "balloon-inflate", BALLOON, "", 0, 0, 0, 4, 0, 0x300, NULL },
    { "balloon-deflate", BALLOON, "", 0, 1, 1, 4, 0, 0x300, NULL },
    { "balloon-stats", BALLOON, "", STATS, 2, 2, 10, 0, 0, poke_time },
    { "balloon-reports", BALLOON, "", STATS | REPORTS, 3, 3, 0, 4096, 0, NULL },
    { "serial-receive", SERIAL, "", 0, 0, 0, 0, 64, 0, poke_input },
    { "serial-send", SERIAL, "", 0, 1, 1, 4, 0, 0, NULL },
    { "serial-control-receive", SERIAL, "", PORTS, 2, 3, 0, 64, 0, poke_ports },
    { "serial-control-send", SERIAL, "", PORTS, 3, 3, 8, 0, 0, NULL },
};

/* ---- the driver ---- */

static void poke(Guest *g)
{
    if (g->row->poke) {
        g->row->poke(g);
    }
}

/* From a reset on, with the queues that the row needs. */
static void drive(Guest *g, uint64_t more)
{
    qvirtio_open(&g->v, g->qt, DEVFN, g->v.modern);
    qvirtio_start(&g->v, g->row->features | more);
    qvirtio_queue(&g->v, &g->q, g->row->queue);
    if (g->row->other != g->row->queue) {
        qvirtio_queue(&g->v, &g->other, g->row->other);
    }
    qvirtio_driver_ok(&g->v);
    g->out = qvirtio_alloc(&g->v, 4096);
    g->in = qvirtio_alloc(&g->v, 4096);
}

static uint16_t add_good(Guest *g)
{
    const Row *row = g->row;

    qtest_memset(g->qt, g->out, 0, 4096);
    qtest_writel(g->qt, g->out, row->type);
    return row->out_len && row->in_len
               ? qvirtq_add_pair(&g->q, g->out, row->out_len, g->in, row->in_len)
           : row->out_len ? qvirtq_add(&g->q, g->out, row->out_len, false)
                          : qvirtq_add(&g->q, g->in, row->in_len, true);
}

static void expect_work(Guest *g)
{
    uint16_t head = add_good(g);

    qvirtq_kick(&g->q);
    poke(g);
    qvirtq_wait(&g->q, head);
    g_assert_cmphex(qvirtio_status(&g->v) & QVIRTIO_NEEDS_RESET, ==, 0);
}

/* On an iothread, and where the host's loop has to turn, it comes a little later. */
static void wait_needs_reset(Guest *g)
{
    gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000ll;

    while (!(qvirtio_status(&g->v) & QVIRTIO_NEEDS_RESET)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_assert_cmphex(qvirtio_isr(&g->v) & 2, ==, 2);
}

static void expect_broken(Guest *g)
{
    wait_needs_reset(g);
    g_assert_false(qvirtq_has_used(&g->q));
    qvirtq_kick(&g->q); /* it does nothing more */
    poke(g);
    g_assert_false(qvirtq_has_used(&g->q));
}

/* ---- how rings are broken ---- */

static void break_index(Guest *g)
{
    qtest_writew(g->qt, g->q.driver + 2, (uint16_t)(g->q.size + 1));
}

static void break_head(Guest *g)
{
    uint16_t head = add_good(g);

    qtest_writew(g->qt, g->q.driver + 4, (uint16_t)(head + g->q.size));
}

static void break_circle(Guest *g)
{
    uint16_t head = add_good(g);

    qtest_writew(g->qt, g->q.desc + 16 * head + 12, 1 | (g->row->out_len ? 0 : 2));
    qtest_writew(g->qt, g->q.desc + 16 * head + 14, head);
}

static void break_order(Guest *g) /* what it writes comes before what it reads */
{
    qvirtq_add_pair(&g->q, g->out, 16, g->in, 16);
    qtest_writew(g->qt, g->q.desc + 12, 1 | 2);
    qtest_writew(g->qt, g->q.desc + 16 + 12, 0);
}

static void break_address(Guest *g)
{
    qtest_writeq(g->qt, g->q.desc + 16 * add_good(g), NOT_RAM);
}

static void break_table(Guest *g) /* a table of descriptors that nobody agreed on */
{
    qtest_writew(g->qt, g->q.desc + 16 * add_good(g) + 12, 4);
}

static void (*const breaks[])(Guest *g) = { break_index, break_head,    break_circle,
                                            break_order, break_address, break_table };

/* ---- tests ---- */

static void start(Guest *g, const Row *row, bool modern)
{
    static unsigned count;
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    *g = (Guest){ .row = row, .v.modern = modern, .fd = -1 };
    if (g_str_has_prefix(row->name, "serial")) {
        g->path = g_strdup_printf("%s/virtio-broken-%d-%u", g_get_tmp_dir(), getpid(), count++);
        g->qt = qtest_start("-M pc -m 64 %s -chardev socket,id=c0,path=%s,server=on,wait=off"
                            " -device %s,addr=4,id=dev -device virtconsole,chardev=c0,bus=dev.0",
                            row->backends, g->path, row->device);
        g->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        g_strlcpy(address.sun_path, g->path, sizeof(address.sun_path));
        g_assert_cmpint(connect(g->fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    } else {
        g->qt = qtest_start("-M pc -m 64 %s -device %s,addr=4,id=dev", row->backends, row->device);
    }
}

static void stop(Guest *g)
{
    qtest_quit(g->qt);
    if (g->fd >= 0) {
        close(g->fd);
    }
    g_free(g->path);
}

static void test_told(const Row *row, bool modern)
{
    Guest g;

    start(&g, row, modern);
    for (unsigned i = 0; i < G_N_ELEMENTS(breaks); i++) {
        drive(&g, 0);
        breaks[i](&g);
        qvirtq_kick(&g.q);
        poke(&g);
        expect_broken(&g);
        drive(&g, 0);
        expect_work(&g);
    }
    stop(&g);
}

static void test_told_modern(gconstpointer row)
{
    test_told(row, true);
}

static void test_told_legacy(gconstpointer row)
{
    test_told(row, false);
}

/* The first buffer is as it should be; what comes behind it is found by itself. */
static void test_second(gconstpointer row)
{
    Guest g;
    uint16_t first;

    start(&g, row, true);
    drive(&g, 0);
    first = add_good(&g);
    break_address(&g);
    qvirtq_kick(&g.q);
    if (g.row->poke) { /* the device takes as many as it has use for */
        poke(&g);
        qvirtq_wait(&g.q, first);
        poke(&g);
    }
    wait_needs_reset(&g);
    stop(&g);
}

/* A queue that has a buffer, and none: it is set up anew at another place. */
static void test_queue_reset(gconstpointer data)
{
    const Row *row = data;
    Guest g;

    start(&g, row, true);
    drive(&g, QVIRTIO_RING_RESET);
    for (unsigned round = 0; round < 3; round++) {
        expect_work(&g);
        if (round) {
            add_good(&g);
            qvirtq_kick(&g.q);
        }
        qvirtio_set_common(&g.v, QVIRTIO_QUEUE_SELECT, 2, row->queue);
        qvirtio_set_common(&g.v, QVIRTIO_QUEUE_RESET, 2, 1);
        g_assert_cmpuint(qvirtio_common(&g.v, QVIRTIO_QUEUE_RESET, 2), ==, 0);
        g_assert_cmpuint(qvirtio_common(&g.v, QVIRTIO_QUEUE_ENABLE, 2), ==, 0);
        qvirtio_queue(&g.v, &g.q, row->queue);
    }
    expect_work(&g);
    stop(&g);
}

/* It goes, and another one in its place has all that it had. */
static void test_unplug(gconstpointer data)
{
    const Row *row = data;
    Guest g;

    start(&g, row, true);
    for (unsigned round = 0; round < 2; round++) {
        drive(&g, 0);
        breaks[round](&g);
        qvirtq_kick(&g.q);
        poke(&g);
        expect_broken(&g);
        qtest_qmp_ok(g.qt, "device_del", "{'id': 'dev'}");
        qtest_outl(g.qt, EJECT, 1u << (DEVFN >> 3));
        json_object_put(qtest_event_with(g.qt, "DEVICE_DELETED", "device", "dev"));

        g_autofree char *said = qtest_hmp(g.qt, "device_add %s,addr=4,id=dev", row->device);
        g_assert_cmpstr(said, ==, "");
        if (g.fd >= 0) {
            g_autofree char *port = qtest_hmp(g.qt, "device_add virtconsole,chardev=c0,bus=dev.0");

            g_assert_cmpstr(port, ==, "");
        }
    }
    drive(&g, 0);
    expect_work(&g);
    stop(&g);
}

static void add(const char *test, const Row *row, void (*fn)(gconstpointer row))
{
    g_autofree char *path = g_strdup_printf("/virtio-broken/%s/%s", test, row->name);

    g_test_add_data_func(path, row, fn);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        add("modern", &rows[i], test_told_modern);
        if (!rows[i].modern) {
            add("legacy", &rows[i], test_told_legacy);
        }
        add("second", &rows[i], test_second);
        add("queue-reset", &rows[i], test_queue_reset);
        add("unplug", &rows[i], test_unplug);
    }
    return g_test_run();
}
