/* SPDX-License-Identifier: GPL-2.0-or-later */
/* usb-net behind an xHCI controller; the other end of the cable is a socket. */
#include <string.h>
#include <unistd.h>

#include "tests/qtest/usb.h"
#include "tests/qtest/wire.h"

#define DATA QUSB_DATA
enum { EVENTS = 3, OUT = 4, IN = 5, PACKET = 512, FRAME_MAX = 1514 };
enum { GET_DESCRIPTOR = 0x80, CLASS_OUT = 0x21, STANDARD_INTERFACE = 1 };

static const uint8_t own_mac[6] = { 0x52, 0x54, 0, 0xab, 0xcd, 0xef };
static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

typedef struct Net {
    QUsb u;
    unsigned slot;
    int fd; /* the other end */
} Net;

static void control(Net *n, uint8_t type, uint8_t request, uint16_t value, uint16_t index,
                    unsigned code)
{
    g_assert_cmpuint(qusb_control(&n->u, n->slot, type, request, value, index, NULL), ==, code);
}

static void endpoints(Net *n)
{
    g_assert_cmpuint(qusb_endpoint(&n->u, n->slot, EVENTS, QUSB_INTERRUPT_IN, 16), ==,
                     QUSB_SUCCESS);
    g_assert_cmpuint(qusb_endpoint(&n->u, n->slot, OUT, QUSB_BULK_OUT, PACKET), ==, QUSB_SUCCESS);
    g_assert_cmpuint(qusb_endpoint(&n->u, n->slot, IN, QUSB_BULK_IN, PACKET), ==, QUSB_SUCCESS);
}

static void start(Net *n)
{
    g_autofree char *path = wire_path();
    g_autofree char *options =
        g_strdup_printf("-netdev stream,id=n0,server=on,addr.type=unix,addr.path=%s "
                        "-device usb-net,netdev=n0,mac=52:54:00:ab:cd:ef",
                        path);

    qusb_start(&n->u, options);
    n->fd = wire_connect(n->u.qt, path);
    n->slot = qusb_connect(&n->u, 1, 0);
    control(n, 0, 9, 1, 0, QUSB_SUCCESS); /* the configuration */
    control(n, STANDARD_INTERFACE, 11, 1, 1, QUSB_SUCCESS);
    endpoints(n);
}

static void end(Net *n)
{
    close(n->fd);
    qtest_quit(n->u.qt);
}

/* The guest sends what is at DATA as a TD, which is taken. */
static void submit_out(Net *n, unsigned len)
{
    qusb_submit(&n->u, n->slot, OUT, DATA, len);
    g_assert_cmpuint(qusb_ended(&n->u, n->slot, OUT, NULL), ==, QUSB_SUCCESS);
}

static void send_frame(Net *n, const uint8_t *frame, unsigned len)
{
    qtest_memwrite(n->u.qt, DATA, frame, len);
    submit_out(n, len);
    if (len % PACKET == 0) {
        submit_out(n, 0);
    }
}

/* Until the TD has ended: QMP answers, and so the main loop has run. */
static unsigned await(Net *n, unsigned dci, unsigned *left)
{
    unsigned code;

    while (!(code = qusb_ended(&n->u, n->slot, dci, left))) {
        json_object_put(qtest_qmp(n->u.qt, "query-status", NULL));
    }
    return code;
}

/* The next frame for the guest is this one. */
static void expect_frame(Net *n, const uint8_t *frame, unsigned len)
{
    uint8_t found[FRAME_MAX];
    unsigned left;

    qusb_submit(&n->u, n->slot, IN, DATA, 2048);
    g_assert_cmpuint(await(n, IN, &left), ==, QUSB_SHORT);
    g_assert_cmpuint(2048 - left, ==, len);
    qtest_memread(n->u.qt, DATA, found, len);
    g_assert_cmpmem(found, len, frame, len);
}

static void test_descriptors(void)
{
    Net n;
    unsigned len = 255;
    uint8_t bytes[26];

    start(&n);
    g_assert_cmpuint(qusb_control(&n.u, n.slot, GET_DESCRIPTOR, 6, 0x30a, 0x409, &len), ==,
                     QUSB_SUCCESS);
    g_assert_cmpuint(len, ==, 26);
    qtest_memread(n.u.qt, DATA, bytes, 26);
    for (unsigned i = 0; i < 12; i++) {
        g_assert_cmphex(bytes[2 + 2 * i], ==, "525400ABCDEF"[i]);
    }
    len = 255;
    g_assert_cmpuint(qusb_control(&n.u, n.slot, GET_DESCRIPTOR, 6, 0x30b, 0x409, &len), ==,
                     QUSB_STALL);
    g_autofree char *info = qtest_hmp(n.u.qt, "info network");
    g_assert_nonnull(strstr(info, "model=usb-net,macaddr=52:54:00:ab:cd:ef"));
    end(&n);
}

static void test_frames(void)
{
    static const unsigned sizes[] = { 14, 60, 511, 512, 513, 1024, 1513, FRAME_MAX };
    uint8_t frame[2048];
    Net n;

    start(&n);
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        wire_fill(frame, sizes[i], all);
        send_frame(&n, frame, sizes[i]);
        wire_expect(n.fd, frame, sizes[i]);
        wire_fill(frame, sizes[i], own_mac);
        wire_send(n.fd, frame, sizes[i]);
        expect_frame(&n, frame, sizes[i]);
    }
    /* What is too long is lost, in both directions, and what is in pieces comes together. */
    memset(frame, 0x11, sizeof(frame));
    send_frame(&n, frame, FRAME_MAX + 1);
    for (unsigned i = 0; i < 200; i++) {
        qtest_memwrite(n.u.qt, DATA, frame, PACKET);
        submit_out(&n, PACKET);
    }
    submit_out(&n, 0);
    submit_out(&n, 0);
    wire_fill(frame, FRAME_MAX + 1, own_mac);
    wire_send(n.fd, frame, FRAME_MAX + 1);
    wire_fill(frame, 100, own_mac);
    wire_send(n.fd, frame, 100);
    expect_frame(&n, frame, 100);
    wire_fill(frame, 100, all);
    send_frame(&n, frame, 100);
    wire_expect(n.fd, frame, 100);
    end(&n);
}

/* What does not come is lost before a frame that does. */
static void test_filter(void)
{
    static const uint8_t other[6] = { 0x52, 0x54, 0, 1, 1, 1 }, group[6] = { 1, 0, 0x5e, 0, 0, 1 };
    static const struct {
        uint16_t filter;
        const uint8_t *lost, *comes;
    } cases[] = {
        { 4, other, own_mac }, { 4, all, own_mac }, { 4, group, own_mac },  { 8, own_mac, all },
        { 2, all, group },     { 12, group, all },  { 0x10, other, group }, { 1, NULL, other },
    };
    uint8_t frame[64];
    Net n;

    start(&n);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        control(&n, CLASS_OUT, 0x43, cases[i].filter, 0, QUSB_SUCCESS);
        if (cases[i].lost) {
            wire_fill(frame, sizeof(frame), cases[i].lost);
            wire_send(n.fd, frame, sizeof(frame));
        }
        wire_fill(frame, sizeof(frame), cases[i].comes);
        wire_send(n.fd, frame, sizeof(frame));
        expect_frame(&n, frame, sizeof(frame));
    }
    end(&n);
}

/* Frames that nobody has read are lost when the data interface is switched off; then others come.
 */
static void test_switched(void)
{
    uint8_t frame[64];
    Net n;

    start(&n);
    for (unsigned i = 0; i < 20; i++) {
        wire_fill(frame, sizeof(frame), own_mac);
        wire_send(n.fd, frame, sizeof(frame));
    }
    expect_frame(&n, frame, sizeof(frame)); /* they are there */
    control(&n, STANDARD_INTERFACE, 11, 0, 1, QUSB_SUCCESS);
    control(&n, STANDARD_INTERFACE, 11, 1, 1, QUSB_SUCCESS);
    frame[63] = 0x77;
    wire_send(n.fd, frame, sizeof(frame));
    do { /* of those some may have been on their way */
        qusb_submit(&n.u, n.slot, IN, DATA, 2048);
        g_assert_cmpuint(await(&n, IN, NULL), ==, QUSB_SHORT);
    } while (qtest_readb(n.u.qt, DATA + 63) != 0x77);
    end(&n);
}

/* The link is told of once, and when it changes. */
static void test_link(void)
{
    Net n;

    start(&n);
    for (unsigned round = 0; round < 4; round++) {
        bool up = round % 2 == 0;

        qusb_submit(&n.u, n.slot, EVENTS, DATA, 16);
        g_assert_cmpuint(await(&n, EVENTS, NULL), ==, QUSB_SHORT);
        g_assert_cmphex(qtest_readq(n.u.qt, DATA), ==, up ? 0x100a1 : 0xa1);
        qtest_qmp_ok(n.u.qt, "set_link",
                     up ? "{'name': 'n0', 'up': false}" : "{'name': 'n0', 'up': true}");
    }
    end(&n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/usb-net/descriptors", test_descriptors);
    g_test_add_func("/usb-net/frames", test_frames);
    g_test_add_func("/usb-net/filter", test_filter);
    g_test_add_func("/usb-net/switched", test_switched);
    g_test_add_func("/usb-net/link", test_link);
    return g_test_run();
}
