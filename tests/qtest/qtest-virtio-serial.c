/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-serial with its ports, by a driver of our own; the host's side is a socket. */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/qtest/virtio.h"

#define DEVFN     0x20u /* slot 4 */
#define MULTIPORT 2u
#define MESSAGES  8 /* buffers for the device's messages */
#define CHUNK     0x10000u

enum {
    DEVICE_READY,
    DEVICE_ADD,
    DEVICE_REMOVE,
    PORT_READY,
    CONSOLE_PORT,
    RESIZE,
    PORT_OPEN,
    PORT_NAME
};

typedef struct Serial {
    QTest *qt;
    QVirtio v;
    QVirtQueue control_rx, control_tx, rx, tx; /* of port 1 */
    uint64_t messages, message, buffer;
    uint16_t heads[MESSAGES];
    unsigned taken;
} Serial;

#define DEVICES                                                                     \
    "-M %s -m 64 -device virtio-serial-pci,id=vs,addr=4,max_ports=4"                \
    " -chardev socket,id=c1,path=%s,server=on,wait=off -device virtconsole,id=con0" \
    " -device virtserialport,id=port1,bus=vs.0,chardev=c1,name=org.test.1"

static char *socket_path(const char *which)
{
    return g_strdup_printf("%s/virtio-serial-%d-%s", g_get_tmp_dir(), getpid(), which);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    return fd;
}

static void read_all(int fd, void *buf, size_t len)
{
    for (char *at = buf; len;) {
        ssize_t got = read(fd, at, len);

        g_assert_cmpint(got, >, 0);
        at += got;
        len -= (size_t)got;
    }
}

/* ---- the control queues ---- */

static void send_message(Serial *s, uint32_t id, uint16_t event, uint16_t value)
{
    qtest_writeq(s->qt, s->message, id | (uint64_t)event << 32 | (uint64_t)value << 48);
    uint16_t head = qvirtq_add(&s->control_tx, s->message, 8, false);
    qvirtq_kick(&s->control_tx);
    g_assert_cmpuint(qvirtq_wait(&s->control_tx, head), ==, 0);
}

/* The device's next message is this one. */
static void expect(Serial *s, uint32_t id, uint16_t event, uint16_t value, const char *name)
{
    unsigned n = s->taken++ % MESSAGES;
    uint64_t at = s->messages + 64 * n;
    uint32_t len = qvirtq_wait(&s->control_rx, s->heads[n]);

    g_assert_cmphex(qtest_readq(s->qt, at), ==, id | (uint64_t)event << 32 | (uint64_t)value << 48);
    g_assert_cmpuint(len, ==, 8 + (name ? strlen(name) + 1 : 0));
    if (name) {
        char text[56] = { 0 };

        qtest_memread(s->qt, at + 8, text, strlen(name) + 1);
        g_assert_cmpstr(text, ==, name);
    }
    s->heads[n] = qvirtq_add(&s->control_rx, at, 64, true);
    qvirtq_kick(&s->control_rx);
}

/* From a reset on, until the driver can say that it is ready. */
static void start_device(Serial *s, const QVirtioWay *way)
{
    qvirtio_start(&s->v, MULTIPORT | (way->modern ? QVIRTIO_RING_RESET : 0));
    g_assert_cmpuint(qvirtio_config(&s->v, 4, 4), ==, 4);
    qvirtio_queue(&s->v, &s->control_rx, 2);
    qvirtio_queue(&s->v, &s->control_tx, 3);
    qvirtio_queue(&s->v, &s->rx, 4);
    qvirtio_queue(&s->v, &s->tx, 5);
    qvirtio_driver_ok(&s->v);
    s->messages = qvirtio_alloc(&s->v, 64 * MESSAGES);
    s->message = qvirtio_alloc(&s->v, 64);
    s->buffer = qvirtio_alloc(&s->v, 8 * CHUNK);
    s->taken = 0;
    for (unsigned i = 0; i < MESSAGES; i++) {
        s->heads[i] = qvirtq_add(&s->control_rx, s->messages + 64 * i, 64, true);
    }
}

static void start(Serial *s, const QVirtioWay *way, const char *path)
{
    *s = (Serial){ .qt = qtest_start(DEVICES, way->machine, path) };
    qvirtio_open(&s->v, s->qt, DEVFN, way->modern);
    start_device(s, way);
    send_message(s, UINT32_MAX, DEVICE_READY, 1);
    expect(s, 0, DEVICE_ADD, 1, NULL);
    expect(s, 1, DEVICE_ADD, 1, NULL);
    send_message(s, 0, PORT_READY, 1);
    expect(s, 0, CONSOLE_PORT, 1, NULL);
    expect(s, 0, PORT_OPEN, 1, NULL); /* it has no chardev that could be closed */
    send_message(s, 1, PORT_READY, 1);
    expect(s, 1, PORT_NAME, 1, "org.test.1");
}

/* ---- tests ---- */

static void test_port(gconstpointer data)
{
    g_autofree char *path = socket_path("port");
    char text[8] = { 0 };
    uint16_t head;
    Serial s;

    start(&s, data, path);
    int fd = connect_to(path);
    expect(&s, 1, PORT_OPEN, 1, NULL);
    send_message(&s, 1, PORT_OPEN, 1);
    {
        g_autoptr(json_object) event = qtest_event(s.qt, "VSERPORT_CHANGE");

        g_assert_cmpstr(qtest_get_str(event, "data.id"), ==, "port1");
        g_assert_true(qtest_get_bool(event, "data.open"));
    }
    qtest_memwrite(s.qt, s.buffer, "to host", 7);
    head = qvirtq_add(&s.tx, s.buffer, 7, false);
    qvirtq_kick(&s.tx);
    g_assert_cmpuint(qvirtq_wait(&s.tx, head), ==, 0);
    read_all(fd, text, 7);
    g_assert_cmpstr(text, ==, "to host");
    /* Input that comes before there is room for it. */
    g_assert_cmpint(write(fd, "to guest", 8), ==, 8);
    head = qvirtq_add(&s.rx, s.buffer, 8, true);
    qvirtq_kick(&s.rx);
    g_assert_cmpuint(qvirtq_wait(&s.rx, head), ==, 8);
    qtest_memread(s.qt, s.buffer, text, 8);
    g_assert_cmpmem(text, 8, "to guest", 8);
    qvirtq_add(&s.rx, s.buffer, 8, true); /* the end of a stream is read, as its bytes are */
    qvirtq_kick(&s.rx);
    close(fd);
    expect(&s, 1, PORT_OPEN, 0, NULL);
    fd = connect_to(path);
    expect(&s, 1, PORT_OPEN, 1, NULL);
    close(fd);
    expect(&s, 1, PORT_OPEN, 0, NULL);
    send_message(&s, 1, PORT_OPEN, 0);
    json_object_put(qtest_event(s.qt, "VSERPORT_CHANGE"));
    send_message(&s, 7, PORT_OPEN, 1); /* there is no such port */
    send_message(&s, 1, 99, 1);
    send_message(&s, 1, PORT_READY, 0);
    qtest_quit(s.qt);
}

/* The guest sends faster than the host reads: what is not taken waits in the ring, and comes. */
static void test_flow(void)
{
    g_autofree char *path = socket_path("flow"), *bytes = g_malloc(CHUNK);
    uint16_t heads[8];
    Serial s;

    start(&s, &qvirtio_ways[0], path);
    int fd = connect_to(path);
    expect(&s, 1, PORT_OPEN, 1, NULL);
    send_message(&s, 1, PORT_OPEN, 1);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 8; i++) {
            qtest_memset(s.qt, s.buffer + i * CHUNK, (uint8_t)('a' + i), CHUNK);
            heads[i] = qvirtq_add(&s.tx, s.buffer + i * CHUNK, CHUNK, false);
        }
        qvirtq_kick(&s.tx);
        g_assert_cmpuint(qtest_readw(s.qt, s.tx.device + 2), <, 8 * (round + 1));
        for (unsigned i = 0; i < 8; i++) {
            read_all(fd, bytes, CHUNK);
            g_assert_cmpint(bytes[0], ==, 'a' + (int)i);
            g_assert_cmpint(memcmp(bytes, bytes + 1, CHUNK - 1), ==, 0);
            g_assert_cmpuint(qvirtq_wait(&s.tx, heads[i]), ==, 0);
        }
    }
    close(fd);
    qtest_quit(s.qt);
}

/* Linux, when it wakes, says of the ports that it knows that they are ready, and not of itself. */
static void test_awake(gconstpointer data)
{
    g_autofree char *path = socket_path("awake");
    char text[8] = { 0 };
    uint16_t head;
    Serial s;

    start(&s, data, path);
    int fd = connect_to(path);
    expect(&s, 1, PORT_OPEN, 1, NULL);
    start_device(&s, data);
    send_message(&s, 1, PORT_READY, 1);
    expect(&s, 0, DEVICE_ADD, 1, NULL);
    expect(&s, 1, PORT_NAME, 1, "org.test.1");
    expect(&s, 1, PORT_OPEN, 1, NULL);
    send_message(&s, 1, PORT_OPEN, 1);
    qtest_memwrite(s.qt, s.buffer, "awake", 5);
    head = qvirtq_add(&s.tx, s.buffer, 5, false);
    qvirtq_kick(&s.tx);
    g_assert_cmpuint(qvirtq_wait(&s.tx, head), ==, 0);
    read_all(fd, text, 5);
    g_assert_cmpstr(text, ==, "awake");
    close(fd);
    qtest_quit(s.qt);
}

/* A buffer of which some has gone is taken back by a reset of its queue: the next one is sent from
 * its begin. */
static void test_queue_reset(void)
{
    g_autofree char *path = socket_path("reset"), *bytes = g_malloc(CHUNK);
    const struct timeval limit = { .tv_sec = QTEST_TIMEOUT_MS / 1000 };
    uint16_t head;
    ssize_t got;
    Serial s;

    start(&s, &qvirtio_ways[0], path);
    int fd = connect_to(path);
    expect(&s, 1, PORT_OPEN, 1, NULL);
    send_message(&s, 1, PORT_OPEN, 1);
    qtest_memset(s.qt, s.buffer, 'a', 8 * CHUNK);
    qvirtq_add(&s.tx, s.buffer, 8 * CHUNK, false);
    qvirtq_kick(&s.tx);
    g_assert_false(qvirtq_has_used(&s.tx));
    qvirtio_set_common(&s.v, QVIRTIO_QUEUE_SELECT, 2, 5);
    qvirtio_set_common(&s.v, QVIRTIO_QUEUE_RESET, 2, 1);
    qvirtio_queue(&s.v, &s.tx, 5);
    qtest_memset(s.qt, s.buffer, 'b', CHUNK);
    head = qvirtq_add(&s.tx, s.buffer, CHUNK, false);
    qvirtq_kick(&s.tx);
    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), ==, 0);
    for (size_t fresh = 0; fresh < CHUNK;) {
        got = read(fd, bytes, CHUNK);
        g_assert_cmpint(got, >, 0);
        for (ssize_t i = 0; i < got; i++) {
            g_assert_true(bytes[i] == 'b' || !fresh);
            fresh += bytes[i] == 'b';
        }
    }
    g_assert_cmpuint(qvirtq_wait(&s.tx, head), ==, 0);
    close(fd);
    qtest_quit(s.qt);
}

static void test_hot_plug(gconstpointer data)
{
    g_autofree char *path = socket_path("plug");
    g_autoptr(json_object) error = NULL, again = NULL;
    Serial s;

    start(&s, data, path);
    for (unsigned round = 0; round < 3; round++) {
        qtest_qmp_ok(s.qt, "device_add",
                     "{'driver': 'virtserialport', 'id': 'p2', 'name': 'two', 'bus': 'vs.0'}");
        expect(&s, 2, DEVICE_ADD, 1, NULL);
        send_message(&s, 2, PORT_READY, 1);
        expect(&s, 2, PORT_NAME, 1, "two");
        expect(&s, 2, PORT_OPEN, 1, NULL);
        qtest_qmp_ok(s.qt, "device_del", "{'id': 'p2'}");
        json_object_put(qtest_event_with(s.qt, "DEVICE_DELETED", "device", "p2"));
        expect(&s, 2, DEVICE_REMOVE, 1, NULL);
    }
    error = qtest_qmp_error(s.qt, "device_add", "{'driver': 'virtserialport', 'nr': 1}");
    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), "port 1 is taken"));
    again =
        qtest_qmp_error(s.qt, "device_add", "{'driver': 'virtserialport', 'name': 'org.test.1'}");
    g_assert_nonnull(strstr(qtest_get_str(again, "desc"), "has the name 'org.test.1' already"));
    qtest_quit(s.qt);
}

/* A driver that knows no ports has port 0. */
static void test_single(void)
{
    g_autofree char *path = socket_path("single");
    QTest *qt = qtest_start("-m 64 -device virtio-serial-pci,addr=4"
                            " -chardev socket,id=c,path=%s,server=on,wait=off"
                            " -device virtconsole,chardev=c",
                            path);
    uint16_t in, out;
    char text[3];
    QVirtio v;
    QVirtQueue rx, tx;

    qvirtio_open(&v, qt, DEVFN, true);
    qvirtio_start(&v, 0);
    g_assert_cmpuint(qvirtio_common(&v, QVIRTIO_NUM_QUEUES, 2), ==, 64);
    qvirtio_queue(&v, &rx, 0);
    qvirtio_queue(&v, &tx, 1);
    qvirtio_driver_ok(&v);
    uint64_t buffer = qvirtio_alloc(&v, 64);
    in = qvirtq_add(&rx, buffer + 32, 16, true);
    qvirtq_kick(&rx);
    int fd = connect_to(path);
    g_assert_cmpint(write(fd, "in", 2), ==, 2);
    g_assert_cmpuint(qvirtq_wait(&rx, in), ==, 2); /* so the host's side is seen */
    qtest_memwrite(qt, buffer, "out", 3);
    out = qvirtq_add(&tx, buffer, 3, false);
    qvirtq_kick(&tx);
    g_assert_cmpuint(qvirtq_wait(&tx, out), ==, 0);
    read_all(fd, text, 3);
    g_assert_cmpmem(text, 3, "out", 3);
    close(fd);
    qtest_quit(qt);
}

static void test_saved(gconstpointer data)
{
    const QVirtioWay *way = data;
    g_autofree char *path = socket_path("from"), *to_path = socket_path("to"), *file = NULL;
    g_autofree char *uri = NULL;
    char text[4];
    uint16_t head;
    Serial s;

    start(&s, way, path);
    file = qtest_temp_path(s.qt, "machine");
    uri = g_strdup_printf("file:%s", file);
    int fd = connect_to(path);
    expect(&s, 1, PORT_OPEN, 1, NULL);
    send_message(&s, 1, PORT_OPEN, 1);
    head = qvirtq_add(&s.rx, s.buffer, 4, true);
    qvirtq_kick(&s.rx);
    qtest_save(s.qt, file);
    QTest *to = qtest_start(DEVICES " -incoming %s", way->machine, to_path, uri);
    qtest_wait_running(to);
    qtest_quit(s.qt);
    close(fd);
    s.qt = s.v.qt = to;
    expect(&s, 1, PORT_OPEN, 0, NULL); /* nobody is at its other end here */
    fd = connect_to(to_path);
    expect(&s, 1, PORT_OPEN, 1, NULL);
    g_assert_cmpint(write(fd, "abcd", 4), ==, 4);
    g_assert_cmpuint(qvirtq_wait(&s.rx, head), ==, 4);
    qtest_memread(to, s.buffer, text, 4);
    g_assert_cmpmem(text, 4, "abcd", 4);
    close(fd);
    qtest_quit(to);
}

static const QTestRefused refused[] = {
    { "-device virtserialport", "this machine has no virtio-serial-bus bus" },
    { "-device virtio-serial-pci,max_ports=32", "from 1 to 31" },
    { "-device virtio-serial-pci,max_ports=0", "from 1 to 31" },
    { "-device virtio-serial-pci -device virtserialport,nr=0", "port 0 is for a virtconsole" },
    { "-device virtio-serial-pci -device virtserialport,nr=31", "ports 0 to 30" },
    { "-device virtio-serial-pci,max_ports=1 -device virtserialport", "no free port" },
    { "-device virtio-serial-pci -device virtserialport,chardev=x", "chardev 'x' not found" },
    { "-device virtio-serial-pci,id=a -device virtserialport,bus=b.0", "'a.0'" },
};

static void add_ways(const char *name, void (*fn)(gconstpointer way))
{
    for (unsigned i = 0; i < G_N_ELEMENTS(qvirtio_ways); i++) {
        g_autofree char *path = g_strdup_printf("/virtio-serial/%s/%s", name, qvirtio_ways[i].name);

        g_test_add_data_func(path, &qvirtio_ways[i], fn);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_ways("port", test_port);
    g_test_add_func("/virtio-serial/flow", test_flow);
    add_ways("awake", test_awake);
    g_test_add_func("/virtio-serial/queue-reset", test_queue_reset);
    add_ways("hot-plug", test_hot_plug);
    g_test_add_func("/virtio-serial/single", test_single);
    add_ways("saved", test_saved);
    qtest_add_refused("/virtio-serial/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
