/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-net with a tap, whose other end is the kernel: several pairs of queues, and what is left
 * to the other side of the cable. In a network of our own, where we may make one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/qtest/virtio.h"

#define DEVFN   0x20u /* slot 4 */
#define PAGE    0x1000u
#define BUFFERS 16u
#define HEADER  12u
#define PAYLOAD 3500u /* of a large packet */
#define SEGMENT 1000u
#define HEADERS 54u /* Ethernet, IPv4, TCP */
#define UDP_AT  34u

/* Features. */
enum {
    CSUM = 1u << 0,
    GUEST_CSUM = 1u << 1,
    CTRL_GUEST_OFFLOADS = 1u << 2,
    GUEST_TSO4 = 1u << 7,
    HOST_TSO4 = 1u << 11,
    MRG_RXBUF = 1u << 15,
    CTRL_VQ = 1u << 17,
    MQ = 1u << 22,
};
#define OFFLOADS \
    (CSUM | HOST_TSO4 | GUEST_CSUM | GUEST_TSO4 | MRG_RXBUF | CTRL_VQ | CTRL_GUEST_OFFLOADS)

typedef struct Header {
    uint8_t flags, type;
    uint16_t header_len, segment_len, csum_start, csum_offset;
} Header;

typedef struct Net {
    QTest *qt;
    QVirtio v;
    QVirtQueue rx[2], tx[2], control;
    uint64_t buffers[2]; /* pages of each ring that receives, then two more */
    int fd;              /* the host's side of the card: packets with headers */
} Net;

static const uint8_t guest_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
static const uint8_t host_mac[6] = { 2, 0, 0, 0, 0, 1 };
static const char *no_taps; /* why; NULL: there are some */

/* ---- the host's side ---- */

static bool make_network(void)
{
    return unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

static void set_up(const char *name)
{
    struct ifreq ifr = { .ifr_flags = IFF_UP };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    g_strlcpy(ifr.ifr_name, name, sizeof(ifr.ifr_name));
    g_assert_cmpint(ioctl(fd, SIOCSIFFLAGS, &ifr), ==, 0);
    close(fd);
}

static int open_host_side(const char *name)
{
    struct sockaddr_ll address = { .sll_family = AF_PACKET,
                                   .sll_protocol = htons(ETH_P_IP),
                                   .sll_ifindex = (int)if_nametoindex(name) };
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1;

    g_assert_cmpint(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), ==, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    return fd;
}

static void host_send(const Net *n, const Header *header, const uint8_t *packet, size_t size)
{
    uint8_t both[sizeof(*header) + HEADERS + PAYLOAD];

    memcpy(both, header, sizeof(*header));
    memcpy(both + sizeof(*header), packet, size);
    g_assert_cmpint(send(n->fd, both, sizeof(*header) + size, 0), ==, sizeof(*header) + size);
}

/* The next packet that comes out of the card; what we sent is not among those. Its size. */
static size_t host_receive(const Net *n, Header *header, uint8_t *packet, size_t size)
{
    g_autofree uint8_t *both = g_malloc(sizeof(*header) + size);
    struct sockaddr_ll from;
    ssize_t got;

    do {
        socklen_t from_len = sizeof(from);

        got = recvfrom(n->fd, both, sizeof(*header) + size, 0, (struct sockaddr *)&from, &from_len);
        g_assert_cmpint(got, >=, sizeof(*header));
    } while (from.sll_pkttype == PACKET_OUTGOING);
    memcpy(header, both, sizeof(*header));
    memcpy(packet, both + sizeof(*header), (size_t)got - sizeof(*header));
    return (size_t)got - sizeof(*header);
}

/* ---- packets ---- */

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static uint32_t add(uint32_t sum, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
    }
    return sum;
}

/* IPv4 from 192.0.2.1 to 192.0.2.2, with its sum, and that of the pseudo header @sum_at bytes
 * behind it. */
static void fill_ip(uint8_t *packet, size_t size, const uint8_t *to, const uint8_t *from,
                    uint8_t protocol, unsigned sum_at)
{
    static const uint8_t addresses[] = { 192, 0, 2, 1, 192, 0, 2, 2 };

    memcpy(packet, to, 6);
    memcpy(packet + 6, from, 6);
    memcpy(packet + 12, "\x08\x00\x45", 4);
    put16(packet + 16, (unsigned)size - 14);
    packet[22] = 64;
    packet[23] = protocol;
    memcpy(packet + 26, addresses, sizeof(addresses));
    put16(packet + 24, (uint16_t)~fold(add(0, packet + 14, 20)));
    put16(packet + UDP_AT + sum_at,
          fold(add(protocol + (uint32_t)size - UDP_AT, addresses, sizeof(addresses))));
}

static Header fill_large(uint8_t *packet, const uint8_t *to, const uint8_t *from)
{
    memset(packet, 0, HEADERS);
    for (unsigned i = 0; i < PAYLOAD; i++) {
        packet[HEADERS + i] = (uint8_t)(i * 7 + i / 256);
    }
    packet[UDP_AT + 1] = 7; /* ports */
    packet[UDP_AT + 3] = 8;
    packet[UDP_AT + 12] = 0x50; /* 20 bytes of header */
    packet[UDP_AT + 13] = 0x10; /* ACK */
    fill_ip(packet, HEADERS + PAYLOAD, to, from, IPPROTO_TCP, 16);
    return (Header){ .flags = 1,
                     .type = 1,
                     .header_len = HEADERS,
                     .segment_len = SEGMENT,
                     .csum_start = UDP_AT,
                     .csum_offset = 16 };
}

/* Are the sums of a segment right? */
static void check_sums(const uint8_t *packet, size_t size)
{
    uint32_t pseudo = IPPROTO_TCP + (uint32_t)size - UDP_AT;

    g_assert_cmphex(fold(add(0, packet + 14, 20)), ==, 0xffff);
    g_assert_cmphex(fold(add(add(pseudo, packet + 26, 8), packet + UDP_AT, size - UDP_AT)), ==,
                    0xffff);
}

/* ---- the driver ---- */

static void add_buffer(Net *n, unsigned pair, unsigned i)
{
    qvirtq_add(&n->rx[pair], n->buffers[pair] + i * PAGE, PAGE, true);
}

static void start_driver(Net *n, uint32_t features, unsigned pairs)
{
    qvirtio_open(&n->v, n->qt, DEVFN, true);
    qvirtio_start(&n->v, features);
    for (unsigned pair = 0; pair < pairs; pair++) {
        qvirtio_queue(&n->v, &n->rx[pair], pair * 2);
        qvirtio_queue(&n->v, &n->tx[pair], pair * 2 + 1);
    }
    qvirtio_queue(&n->v, &n->control, pairs * 2);
    qvirtio_driver_ok(&n->v);
    for (unsigned pair = 0; pair < pairs; pair++) {
        n->buffers[pair] = qvirtio_alloc(&n->v, (BUFFERS + 2) * PAGE);
        for (unsigned i = 0; i < BUFFERS; i++) {
            add_buffer(n, pair, i);
        }
        qvirtq_kick(&n->rx[pair]);
    }
}

static QTest *start_machine(const char *netdev, const char *more)
{
    return qtest_start("-M pc -m 64 -netdev tap,id=n0,script=no,downscript=no,%s -device "
                       "virtio-net-pci,id=net0,netdev=n0,addr=4,mac=52:54:00:12:34:56%s",
                       netdev, more);
}

static bool start(Net *n, const char *netdev, const char *more, uint32_t features, unsigned pairs)
{
    g_autofree char *words = g_strdup_printf("ifname=card0,%s", netdev);

    if (no_taps) {
        g_test_skip(no_taps);
        return false;
    }
    *n = (Net){ .qt = start_machine(words, more) };
    set_up("card0");
    n->fd = open_host_side("card0");
    start_driver(n, features, pairs);
    return true;
}

static void stop(Net *n)
{
    close(n->fd);
    qtest_quit(n->qt);
}

static uint8_t control(Net *n, uint8_t class, uint8_t command, const void *data, size_t size)
{
    uint64_t out = n->buffers[0] + BUFFERS * PAGE, in = out + PAGE / 2;

    qtest_writew(n->qt, out, (uint16_t)(class | command << 8));
    qtest_memwrite(n->qt, out + 2, data, size);
    uint16_t head = qvirtq_add_pair(&n->control, out, (uint32_t)(2 + size), in, 1);
    qvirtq_kick(&n->control);
    g_assert_cmpuint(qvirtq_wait(&n->control, head), ==, 1);
    return qtest_readb(n->qt, in);
}

static uint8_t set_pairs(Net *n, uint16_t pairs)
{
    return control(n, 4, 0, &pairs, sizeof(pairs));
}

static uint8_t set_offloads(Net *n, uint64_t offloads)
{
    return control(n, 5, 0, &offloads, sizeof(offloads));
}

static void driver_send(Net *n, unsigned pair, const Header *header, const uint8_t *packet,
                        size_t size)
{
    uint64_t at = n->buffers[pair] + (BUFFERS + 1) * PAGE;
    QVirtQueue *tx = &n->tx[pair];

    qtest_memset(n->qt, at, 0, HEADER);
    qtest_memwrite(n->qt, at, header, sizeof(*header));
    qtest_memwrite(n->qt, at + HEADER, packet, size);
    uint16_t head = qvirtq_add(tx, at, (uint32_t)(HEADER + size), false);
    qvirtq_kick(tx);
    g_assert_cmpuint(qvirtq_wait(tx, head), ==, 0);
}

/* The next packet of IPv4 that comes in, into any of the buffers from *@next on; its size. */
static size_t driver_receive(Net *n, unsigned pair, unsigned *next, Header *header, uint8_t *packet)
{
    for (;;) {
        unsigned at = (*next)++ % BUFFERS;
        size_t size = qvirtq_wait_any(&n->rx[pair]) - HEADER;

        qtest_memread(n->qt, n->buffers[pair] + at * PAGE, header, sizeof(*header));
        qtest_memread(n->qt, n->buffers[pair] + at * PAGE + HEADER, packet, size);
        add_buffer(n, pair, at);
        qvirtq_kick(&n->rx[pair]);
        if (packet[12] == 8 && packet[13] == 0) {
            return size;
        }
    }
}

/* ---- tests ---- */

/* A large packet of the host's comes in whole, while the driver takes such, and else in segments.
 */
static void expect_large(Net *n, unsigned *next)
{
    uint8_t packet[HEADERS + PAYLOAD], got[PAGE];
    const Header sent = fill_large(packet, guest_mac, host_mac);
    Header header;

    host_send(n, &sent, packet, sizeof(packet));
    g_assert_cmpuint(driver_receive(n, 0, next, &header, got), ==, sizeof(packet));
    g_assert_cmpuint(header.flags & 1, ==, 1);
    g_assert_cmpuint(header.type, ==, 1);
    g_assert_cmpuint(header.segment_len, ==, SEGMENT);
    g_assert_cmpuint(header.csum_start, ==, UDP_AT);
    g_assert_cmpuint(header.csum_offset, ==, 16);
    g_assert_cmpmem(got + HEADERS, PAYLOAD, packet + HEADERS, PAYLOAD);
}

static void expect_segments_in(Net *n, unsigned *next)
{
    uint8_t packet[HEADERS + PAYLOAD], got[PAGE];
    const Header sent = fill_large(packet, guest_mac, host_mac);
    Header header;
    unsigned done = 0;

    host_send(n, &sent, packet, sizeof(packet));
    while (done < PAYLOAD) {
        size_t size = driver_receive(n, 0, next, &header, got);

        g_assert_cmpuint(size, ==, HEADERS + MIN(SEGMENT, PAYLOAD - done));
        g_assert_cmpuint(header.flags | header.type, ==, 0);
        check_sums(got, size);
        g_assert_cmpmem(got + HEADERS, size - HEADERS, packet + HEADERS + done, size - HEADERS);
        done += (unsigned)(size - HEADERS);
    }
}

static void test_to_driver(void)
{
    unsigned next = 0;
    Net n;

    if (!start(&n, "vnet_hdr=on", "", OFFLOADS, 1)) {
        return;
    }
    expect_large(&n, &next);
    g_assert_cmpuint(set_offloads(&n, 0), ==, 0);
    expect_segments_in(&n, &next);
    /* What was not accepted cannot be taken; the others can, again. */
    g_assert_cmpuint(set_offloads(&n, OFFLOADS), ==, 1);
    g_assert_cmpuint(set_offloads(&n, GUEST_CSUM | 1u << 8), ==, 1);
    g_assert_cmpuint(control(&n, 5, 1, "\0\0\0\0\0\0\0", 8), ==, 1);
    g_assert_cmpuint(control(&n, 5, 0, "\0\0\0\0\0\0\0", 7), ==, 1);
    expect_segments_in(&n, &next);
    g_assert_cmpuint(set_offloads(&n, GUEST_CSUM | GUEST_TSO4), ==, 0);
    expect_large(&n, &next);
    /* The next driver takes nothing of that. */
    start_driver(&n, MRG_RXBUF | CTRL_VQ, 1);
    next = 0;
    expect_segments_in(&n, &next);
    stop(&n);
}

/* Without headers, segments come from the kernel, and go to it cut by us. */
static void test_without_headers(void)
{
    uint8_t packet[HEADERS + PAYLOAD], got[HEADERS + PAYLOAD];
    const Header sent = fill_large(packet, host_mac, guest_mac);
    unsigned next = 0, done = 0;
    Header header;
    Net n;

    if (!start(&n, "vnet_hdr=off", "", OFFLOADS, 1)) {
        return;
    }
    expect_segments_in(&n, &next);
    driver_send(&n, 0, &sent, packet, sizeof(packet));
    while (done < PAYLOAD) {
        size_t size = host_receive(&n, &header, got, sizeof(got));

        g_assert_cmpuint(size, ==, HEADERS + MIN(SEGMENT, PAYLOAD - done));
        check_sums(got, size);
        done += (unsigned)(size - HEADERS);
    }
    stop(&n);
}

/* With them the kernel gets what the driver sends as it is. */
static void test_to_host(void)
{
    uint8_t packet[HEADERS + PAYLOAD], got[HEADERS + PAYLOAD];
    const Header sent = fill_large(packet, host_mac, guest_mac);
    Header header;
    Net n;

    if (!start(&n, "vnet_hdr=on", "", OFFLOADS, 1)) {
        return;
    }
    driver_send(&n, 0, &sent, packet, sizeof(packet));
    g_assert_cmpuint(host_receive(&n, &header, got, sizeof(got)), ==, sizeof(packet));
    g_assert_cmpuint(header.type, ==, 1);
    g_assert_cmpuint(header.segment_len, ==, SEGMENT);
    g_assert_cmpmem(got, sizeof(got), packet, sizeof(packet));
    stop(&n);
}

/* What the driver sends by @pair is answered by the host: the answer comes into @into. */
static void expect_answer(Net *n, unsigned pair, unsigned into, unsigned *next)
{
    uint8_t packet[80] = { 0 }, got[PAGE];
    const Header nothing = { 0 };
    Header header;
    size_t size;

    packet[UDP_AT + 1] = 7;
    packet[UDP_AT + 3] = 7;
    put16(packet + UDP_AT + 4, sizeof(packet) - UDP_AT);
    fill_ip(packet, sizeof(packet), host_mac, guest_mac, IPPROTO_UDP, 6);
    put16(packet + UDP_AT + 6, 0); /* no sum */
    driver_send(n, pair, &nothing, packet, sizeof(packet));
    g_assert_cmpuint(host_receive(n, &header, got, sizeof(got)), ==, sizeof(packet));
    /* The same flow, the other way. */
    memcpy(packet, guest_mac, 6);
    memcpy(packet + 6, host_mac, 6);
    packet[29] = 2;
    packet[33] = 1;
    host_send(n, &nothing, packet, sizeof(packet));
    size = driver_receive(n, into, next, &header, got);
    g_assert_cmpmem(got, size, packet, sizeof(packet));
}

/* The kernel answers by the queue that a flow came from, if that is in use. */
static void test_pairs(void)
{
    unsigned next[2] = { 0, 0 };
    Net n;

    if (!start(&n, "queues=2", ",mq=on", MQ | MRG_RXBUF | CTRL_VQ, 2)) {
        return;
    }
    g_assert_cmpuint(qvirtio_config(&n.v, 8, 2), ==, 2);
    expect_answer(&n, 0, 0, &next[0]);
    g_assert_cmpuint(set_pairs(&n, 3), ==, 1);
    g_assert_cmpuint(set_pairs(&n, 0), ==, 1);
    g_assert_cmpuint(control(&n, 4, 0, "\2", 1), ==, 1);
    g_assert_cmpuint(control(&n, 4, 0, "\2\0\0", 3), ==, 1);
    g_assert_cmpuint(control(&n, 4, 1, "\2", 2), ==, 1); /* hashes are not offered */
    g_assert_cmpuint(set_pairs(&n, 2), ==, 0);
    expect_answer(&n, 1, 1, &next[1]);
    g_assert_cmpuint(set_pairs(&n, 1), ==, 0);
    expect_answer(&n, 0, 0, &next[0]);
    g_assert_cmpuint(set_pairs(&n, 2), ==, 0);
    expect_answer(&n, 1, 1, &next[1]);
    g_autofree char *text = qtest_hmp(n.qt, "info network");
    g_assert_nonnull(strstr(text, " \\ n0: index=0,type=tap,ifname=card0,queues=2"));
    g_autoptr(json_object) filters = qtest_qmp(n.qt, "query-rx-filter", "{}");
    g_assert_cmpuint(json_object_array_length(filters), ==, 1); /* one card */
    /* The cable is pulled out of all of them, and the netdev goes, with packets under way. */
    qtest_qmp_ok(n.qt, "set_link", "{'name': 'net0', 'up': false}");
    qtest_qmp_ok(n.qt, "set_link", "{'name': 'net0', 'up': true}");
    expect_answer(&n, 1, 1, &next[1]);
    qtest_qmp_ok(n.qt, "netdev_del", "{'id': 'n0'}");
    g_assert_cmpuint(set_pairs(&n, 1), ==, 0);
    stop(&n);
}

/* A driver that knows one pair finds the control queue behind it. */
static void test_one_of_two(void)
{
    unsigned next = 0;
    Net n;

    if (!start(&n, "queues=2", ",mq=on", MRG_RXBUF | CTRL_VQ, 1)) {
        return;
    }
    g_assert_cmpuint(set_pairs(&n, 2), ==, 1);
    expect_answer(&n, 0, 0, &next);
    stop(&n);
    /* And a card that offers one pair has no other queues. */
    g_assert_true(start(&n, "queues=2", "", MRG_RXBUF | CTRL_VQ, 1));
    g_assert_cmphex(qvirtio_offered(&n.v) & MQ, ==, 0);
    g_assert_cmpuint(qvirtio_common(&n.v, QVIRTIO_NUM_QUEUES, 2), ==, 3);
    next = 0;
    expect_answer(&n, 0, 0, &next);
    stop(&n);
}

/* Pairs in use and offloads come along to another machine, whose card has as many. */
static void test_saved(void)
{
    unsigned next[2] = { 0, 0 };
    g_autofree char *file = NULL, *more = NULL;
    QTest *to;
    Net n;

    if (!start(&n, "queues=2", ",mq=on", OFFLOADS | MQ, 2)) {
        return;
    }
    g_assert_cmpuint(set_pairs(&n, 2), ==, 0);
    g_assert_cmpuint(set_offloads(&n, GUEST_CSUM | GUEST_TSO4), ==, 0);
    expect_answer(&n, 1, 1, &next[1]);
    file = qtest_temp_path(n.qt, "machine");
    qtest_save(n.qt, file);
    more = g_strdup_printf(",mq=on -incoming file:%s", file);
    to = start_machine("ifname=card1,queues=2", more);
    qtest_wait_running(to);
    qtest_quit(n.qt);
    close(n.fd);
    n.qt = n.v.qt = to;
    set_up("card1");
    n.fd = open_host_side("card1");
    expect_answer(&n, 1, 1, &next[1]);
    expect_answer(&n, 0, 0, &next[0]);
    /* A flow that no queue has sent of comes by any of them: by a hash that each start of the
     * host's kernel has another key for. */
    g_assert_cmpuint(set_pairs(&n, 1), ==, 0);
    expect_large(&n, &next[0]);
    stop(&n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!make_network()) {
        no_taps = "no network of our own can be made here";
    } else if (access("/dev/net/tun", R_OK | W_OK) < 0) {
        no_taps = "/dev/net/tun cannot be opened";
    }
    g_test_add_func("/virtio-net-tap/to-driver", test_to_driver);
    g_test_add_func("/virtio-net-tap/to-host", test_to_host);
    g_test_add_func("/virtio-net-tap/without-headers", test_without_headers);
    g_test_add_func("/virtio-net-tap/pairs", test_pairs);
    g_test_add_func("/virtio-net-tap/one-of-two", test_one_of_two);
    g_test_add_func("/virtio-net-tap/saved", test_saved);
    return g_test_run();
}
