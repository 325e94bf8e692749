/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-keyboard, -mouse and -tablet by a driver of our own: what they say of themselves, and
 * events of what the monitor does. */
#include <linux/input-event-codes.h>
#include <string.h>

#include "tests/qtest/virtio.h"

#define DEVFN 0x20u /* slot 4 */
#define HOLD  100   /* milliseconds */
enum { BUFFERS = 16, EVENT = 8 };

typedef struct Input {
    QTest *qt;
    QVirtio v;
    QVirtQueue q;
    uint64_t buffers;
    uint16_t heads[BUFFERS];
    unsigned next;
} Input;

static void add_buffer(Input *i, unsigned n)
{
    i->heads[n] = qvirtq_add(&i->q, i->buffers + n * EVENT, EVENT, true);
    qvirtq_kick(&i->q);
}

static void drive(Input *i)
{
    qvirtio_open_one(&i->v, &i->q, i->qt, DEVFN, 1);
    i->buffers = qvirtio_alloc(&i->v, BUFFERS * EVENT);
    i->next = 0;
    for (unsigned n = 0; n < BUFFERS; n++) {
        add_buffer(i, n);
    }
}

static void start(Input *i, const char *device)
{
    *i = (Input){ .qt = qtest_start("-M pc -m 64 -device %s,id=i0,addr=4", device) };
    drive(i);
}

/* The next event, whose buffer is given back. */
static void expect(Input *i, uint16_t type, uint16_t code, int32_t value)
{
    unsigned n = i->next++ % BUFFERS;
    uint64_t at = i->buffers + n * EVENT;

    g_assert_cmpuint(qvirtq_wait(&i->q, i->heads[n]), ==, EVENT);
    g_assert_cmphex(qtest_readw(i->qt, at), ==, type);
    g_assert_cmphex(qtest_readw(i->qt, at + 2), ==, code);
    g_assert_cmpint((int32_t)qtest_readl(i->qt, at + 4), ==, value);
    add_buffer(i, n);
}

static void expect_key(Input *i, uint16_t code, bool down)
{
    expect(i, EV_KEY, code, down);
    expect(i, EV_SYN, SYN_REPORT, 0);
}

/* ---- the configuration ---- */

/* How many bytes there are for @select, @subsel. */
static unsigned choose(Input *i, uint8_t select, uint8_t subsel)
{
    qvirtio_set_config(&i->v, 0, 1, select);
    qvirtio_set_config(&i->v, 1, 1, subsel);
    return qvirtio_config(&i->v, 2, 1);
}

static uint32_t data(Input *i, unsigned offset, unsigned size)
{
    return qvirtio_config(&i->v, 8 + offset, size);
}

static bool has_code(Input *i, uint8_t type, unsigned code)
{
    return code / 8 < choose(i, 0x11, type) && data(i, code / 8, 1) >> code % 8 & 1;
}

typedef struct Kind {
    const char *device, *name;
    uint32_t class;
    uint16_t product;
    unsigned types; /* EV_*: a bit each */
} Kind;

static const Kind kinds[] = {
    { "virtio-keyboard-pci", "QEMU Virtio Keyboard", 0x0900, 1,
      1 << EV_KEY | 1 << EV_LED | 1 << EV_REP },
    { "virtio-mouse-pci", "QEMU Virtio Mouse", 0x0902, 2, 1 << EV_KEY | 1 << EV_REL },
    { "virtio-tablet-pci", "QEMU Virtio Tablet", 0x0980, 3,
      1 << EV_KEY | 1 << EV_REL | 1 << EV_ABS },
};

static void test_config(gconstpointer opaque)
{
    const Kind *kind = opaque;
    char name[128] = "";
    Input i;

    start(&i, kind->device);
    g_assert_cmphex(qpci_read(i.qt, DEVFN, 0, 4), ==, 0x10521af4);
    g_assert_cmphex(qpci_read(i.qt, DEVFN, 8, 4) >> 16, ==, kind->class);
    unsigned len = choose(&i, 0x01, 0);
    g_assert_cmpuint(len, ==, strlen(kind->name));
    for (unsigned n = 0; n < len; n++) {
        name[n] = (char)data(&i, n, 1);
    }
    g_assert_cmpstr(name, ==, kind->name);
    g_assert_cmpuint(choose(&i, 0x02, 0), ==, 0); /* no serial number */
    g_assert_cmpuint(choose(&i, 0x03, 0), ==, 8);
    g_assert_cmphex(data(&i, 0, 4), ==, 0x06270006);
    g_assert_cmphex(data(&i, 4, 2), ==, kind->product);
    g_assert_cmpuint(choose(&i, 0x10, 0), ==, 0);
    unsigned types = 0;
    for (unsigned type = 0; type < EV_CNT; type++) {
        types |= choose(&i, 0x11, (uint8_t)type) ? 1u << type : 0;
    }
    g_assert_cmphex(types, ==, kind->types);
    bool keyboard = types & 1 << EV_LED;
    g_assert_true(has_code(&i, EV_KEY, keyboard ? KEY_SYSRQ : BTN_LEFT));
    g_assert_false(has_code(&i, EV_KEY, keyboard ? BTN_LEFT : KEY_SYSRQ));
    for (unsigned axis = 0; axis < ABS_CNT; axis++) {
        bool there = types & 1 << EV_ABS && axis <= ABS_Y;

        g_assert_cmpuint(choose(&i, 0x12, (uint8_t)axis), ==, there ? 20 : 0);
        g_assert_cmpuint(data(&i, 4, 4), ==, there ? 32767 : 0);
    }
    for (unsigned select = 0; select < 256; select++) { /* whatever is asked for */
        choose(&i, (uint8_t)select, 255);
        data(&i, 124, 4);
    }
    qtest_quit(i.qt);
}

static void test_serial(void)
{
    Input i;

    start(&i, "virtio-keyboard,serial=s1");
    g_assert_cmpuint(choose(&i, 0x02, 0), ==, 2);
    g_assert_cmphex(data(&i, 0, 2), ==, 's' | '1' << 8);
    qtest_quit(i.qt);
}

/* ---- events ---- */

static void send_keys(QTest *qt, const char *keys)
{
    g_autofree char *said = qtest_hmp(qt, "sendkey %s %d", keys, HOLD);

    g_assert_cmpstr(said, ==, "");
}

static void test_keys(void)
{
    static const struct {
        const char *name;
        uint16_t key;
    } keys[] = {
        { "a", KEY_A },
        { "kp_add", KEY_KPPLUS },
        { "kp_decimal", KEY_KPDOT },
        { "f11", KEY_F11 },
        { "less", KEY_102ND },
        { "left", KEY_LEFT },
        { "ctrl_r", KEY_RIGHTCTRL },
        { "print", KEY_SYSRQ },
        { "meta_l", KEY_LEFTMETA },
        { "audiomute", KEY_MUTE },
        { "kp_enter", KEY_KPENTER },
        { "pause", KEY_PAUSE },
    };
    Input i;

    start(&i, "virtio-keyboard-pci");
    for (unsigned n = 0; n < G_N_ELEMENTS(keys); n++) {
        g_assert_true(has_code(&i, EV_KEY, keys[n].key));
        send_keys(i.qt, keys[n].name);
        expect_key(&i, keys[n].key, true);
        qtest_clock_step(i.qt, HOLD * INT64_C(1000000));
        expect_key(&i, keys[n].key, false);
    }
    send_keys(i.qt, "ctrl-alt-delete");
    expect_key(&i, KEY_LEFTCTRL, true);
    expect_key(&i, KEY_LEFTALT, true);
    expect_key(&i, KEY_DELETE, true);
    send_keys(i.qt, "b"); /* what is held is released before */
    expect_key(&i, KEY_DELETE, false);
    expect_key(&i, KEY_LEFTALT, false);
    expect_key(&i, KEY_LEFTCTRL, false);
    expect_key(&i, KEY_B, true);
    qtest_qmp_ok(i.qt, "input-send-event",
                 "{'events': [{'type': 'key', 'data': {'down': false, "
                 "'key': {'type': 'qcode', 'data': 'b'}}}]}");
    expect_key(&i, KEY_B, false);
    qtest_quit(i.qt);
}

/* The guest sets LEDs. */
static void test_leds(void)
{
    QVirtQueue status;
    Input i;

    start(&i, "virtio-keyboard-pci");
    qvirtio_open(&i.v, i.qt, DEVFN, true);
    qvirtio_start(&i.v, 0);
    qvirtio_queue(&i.v, &i.q, 0);
    qvirtio_queue(&i.v, &status, 1);
    qvirtio_driver_ok(&i.v);
    uint16_t head = qvirtq_add(&status, qvirtio_alloc(&i.v, EVENT), EVENT, false);
    qvirtq_kick(&status);
    g_assert_cmpuint(qvirtq_wait(&status, head), ==, 0);
    qtest_quit(i.qt);
}

#define MOVE(kind, axis_, value_) \
    "{'type': '" kind "', 'data': {'axis': '" axis_ "', 'value': " #value_ "}}"
#define BUTTON(name, down_) "{'type': 'btn', 'data': {'button': '" name "', 'down': " #down_ "}}"

static void test_mouse(void)
{
    Input i;

    start(&i, "virtio-mouse-pci");
    qtest_qmp_ok(i.qt, "input-send-event",
                 "{'events': [" MOVE("rel", "x", 5) ", " MOVE("rel", "y",
                                                              -7) ", " BUTTON("left", true) "]}");
    expect(&i, EV_REL, REL_X, 5);
    expect(&i, EV_REL, REL_Y, -7);
    expect(&i, EV_KEY, BTN_LEFT, 1);
    expect(&i, EV_SYN, SYN_REPORT, 0);
    qtest_qmp_ok(i.qt, "input-send-event",
                 "{'events': [" BUTTON("left", false) ", " BUTTON("wheel-up", true) ", " BUTTON(
                     "wheel-up", false) "]}");
    expect(&i, EV_KEY, BTN_LEFT, 0);
    expect(&i, EV_REL, REL_WHEEL, 1);
    expect(&i, EV_SYN, SYN_REPORT, 0);
    g_free(qtest_hmp(i.qt, "mouse_move 3 4"));
    expect(&i, EV_REL, REL_X, 3);
    expect(&i, EV_REL, REL_Y, 4);
    expect(&i, EV_SYN, SYN_REPORT, 0);
    qtest_quit(i.qt);
}

static void test_tablet(void)
{
    Input i;

    start(&i, "virtio-tablet-pci");
    qtest_qmp_ok(i.qt, "input-send-event",
                 "{'events': [" MOVE("abs", "x", 0) ", " MOVE("abs", "y", 32767) ", " BUTTON(
                     "extra", true) ", " BUTTON("wheel-right", true) "]}");
    expect(&i, EV_ABS, ABS_X, 0);
    expect(&i, EV_ABS, ABS_Y, 32767);
    expect(&i, EV_KEY, BTN_EXTRA, 1);
    expect(&i, EV_REL, REL_HWHEEL, 1);
    expect(&i, EV_SYN, SYN_REPORT, 0);
    g_autoptr(json_object) mice = qtest_qmp(i.qt, "query-mice", NULL);
    struct json_object *first = json_object_array_get_idx(mice, 0);
    g_assert_cmpstr(qtest_get_str(first, "name"), ==, "QEMU Virtio Tablet");
    qtest_quit(i.qt);
}

/* What the guest does not read is kept, also over a migration; then keys are refused, and moves
 * lost, but never in the middle. */
static void test_full(void)
{
    Input i;
    unsigned pressed = 0;
    bool refused = false;

    start(&i, "virtio-keyboard-pci");
    while (!refused) {
        g_autofree char *said = qtest_hmp(i.qt, "sendkey a 0");

        qtest_clock_step(i.qt, 1000000);
        refused = *said;
        g_assert_true(!refused || strstr(said, "does not read its keyboard"));
        pressed += !refused;
        g_assert_cmpuint(pressed, <, 1000);
    }
    g_autofree char *file = qtest_temp_path(i.qt, "state");
    qtest_save(i.qt, file);
    QTest *to =
        qtest_start("-M pc -m 64 -device virtio-keyboard-pci,id=i0,addr=4 -incoming file:%s", file);
    qtest_wait_running(to);
    qtest_quit(i.qt);
    i.qt = i.v.qt = to;
    g_autofree char *said = qtest_hmp(to, "sendkey a");
    g_assert_nonnull(strstr(said, "does not read its keyboard")); /* this one, and not the other */
    for (unsigned n = 0; n < pressed; n++) {
        expect_key(&i, KEY_A, true);
        expect_key(&i, KEY_A, false);
    }
    qtest_quit(to);
}

/* The keyboard that a guest uses gets the keys; the PS/2 one again after a reset. */
static void test_who(void)
{
    enum { PS2_DATA = 0x60, PS2_STATUS = 0x64, SCAN_A = 0x1e };
    Input i;

    start(&i, "virtio-keyboard-pci");
    send_keys(i.qt, "a");
    expect_key(&i, KEY_A, true);
    qtest_qmp_ok(i.qt, "system_reset", NULL);
    json_object_put(qtest_event(i.qt, "RESET"));
    send_keys(i.qt, "a");
    g_assert_cmphex(qtest_inb(i.qt, PS2_STATUS) & 1, ==, 1);
    drive(&i);
    send_keys(i.qt, "b");
    expect_key(&i, KEY_B, true);
    qtest_qmp_ok(i.qt, "device_del", "{'id': 'i0'}");
    qtest_outl(i.qt, 0xae08, 1u << 4);
    json_object_put(qtest_event(i.qt, "DEVICE_DELETED"));
    send_keys(i.qt, "c");
    qtest_quit(i.qt);
}

/* A buffer in which no event fits. */
static void test_small(void)
{
    Input i = { .qt = qtest_start("-M pc -m 64 -device virtio-mouse-pci,addr=4") };

    qvirtio_open_one(&i.v, &i.q, i.qt, DEVFN, 1);
    qvirtq_add(&i.q, qvirtio_alloc(&i.v, EVENT), EVENT - 1, true);
    qvirtq_kick(&i.q);
    g_free(qtest_hmp(i.qt, "mouse_move 3 4"));
    while (!(qvirtio_status(&i.v) & QVIRTIO_NEEDS_RESET)) {
    }
    qtest_allow_stderr(i.qt);
    qtest_quit(i.qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned n = 0; n < G_N_ELEMENTS(kinds); n++) {
        g_autofree char *path = g_strdup_printf("/input/config/%s", kinds[n].device);

        g_test_add_data_func(path, &kinds[n], test_config);
    }
    g_test_add_func("/input/serial", test_serial);
    g_test_add_func("/input/keys", test_keys);
    g_test_add_func("/input/leds", test_leds);
    g_test_add_func("/input/mouse", test_mouse);
    g_test_add_func("/input/tablet", test_tablet);
    g_test_add_func("/input/full", test_full);
    g_test_add_func("/input/who", test_who);
    g_test_add_func("/input/small", test_small);
    return g_test_run();
}
