/* SPDX-License-Identifier: GPL-2.0-or-later */
/* USB devices behind an xHCI controller: descriptors, keyboard, mouse, tablet; what comes and goes.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "tests/qtest/usb.h"

#define MS 1000000LL
enum { TO_HOST = 0x80, CLASS = 0x20, INTERFACE = 1, ENDPOINT = 2, OTHER = 3 };
enum { GET_DESCRIPTOR = 6, SET_CONFIGURATION = 9 };
#define DATA QUSB_DATA

static unsigned control(QUsb *u, unsigned slot, uint8_t type, uint8_t request, uint16_t value)
{
    return qusb_control(u, slot, type, request, value, 0, NULL);
}

/* What a request answers, in hexadecimal. */
static char *ask(QUsb *u, unsigned slot, uint8_t type, uint8_t request, uint16_t value,
                 unsigned length)
{
    GString *text = g_string_new(NULL);
    unsigned code = qusb_control(u, slot, type | TO_HOST, request, value, 0, &length);

    if (code != QUSB_SUCCESS && code != QUSB_SHORT) {
        g_string_printf(text, "code %u", code);
        length = 0;
    }
    for (unsigned i = 0; i < length; i++) {
        g_string_append_printf(text, "%02x", qtest_readb(u->qt, DATA + i));
    }
    return g_string_free(text, FALSE);
}

static void assert_answer(QUsb *u, unsigned slot, uint8_t type, uint8_t request, uint16_t value,
                          unsigned length, const char *expected)
{
    g_autofree char *text = ask(u, slot, type, request, value, length);

    g_assert_cmpstr(text, ==, expected);
}

static void press(QUsb *u, const char *line)
{
    g_autofree char *answer = qtest_hmp(u->qt, "%s", line);

    g_assert_cmpstr(answer, ==, "");
}

/* The next report of endpoint 1, in hexadecimal; "": there is none, and it is waited for from now
 * on. */
static void assert_report(QUsb *u, unsigned slot, const char *expected)
{
    const uint64_t data = DATA + 0x1000 * slot;
    g_autoptr(GString) text = g_string_new(NULL);
    unsigned left;

    if (!u->waits[slot]) {
        qusb_submit(u, slot, 3, data, 8);
    }
    unsigned code = qusb_ended(u, slot, 3, &left);
    u->waits[slot] = !code;
    for (unsigned i = 0; code && i < 8 - left; i++) {
        g_string_append_printf(text, "%02x", qtest_readb(u->qt, data + i));
    }
    g_assert_cmpstr(text->str, ==, expected);
}

static unsigned configured(QUsb *u, unsigned port)
{
    unsigned slot = qusb_connect(u, port, 0);

    g_assert_cmpuint(control(u, slot, 0, SET_CONFIGURATION, 1), ==, QUSB_SUCCESS);
    g_assert_cmpuint(qusb_endpoint(u, slot, 3, QUSB_INTERRUPT_IN, 8), ==, QUSB_SUCCESS);
    return slot;
}

static void test_descriptors(void)
{
    QUsb u;

    qusb_start(&u, "-device usb-kbd,serial=S1 -device usb-mouse,usb_version=1");
    g_assert_cmphex(qusb_get(&u, QUSB_PORTSC), ==, 0x20ee1);
    unsigned slot = qusb_connect(&u, 1, 0);
    assert_answer(&u, slot, 0, GET_DESCRIPTOR, 0x100, 64,
                  "12010002000000402706010000000102"
                  "0301");
    assert_answer(&u, slot, 0, GET_DESCRIPTOR, 0x100, 8, "1201000200000040");
    assert_answer(&u, slot, 0, GET_DESCRIPTOR, 0x300, 255, "04030904");
    assert_answer(&u, slot, 0, GET_DESCRIPTOR, 0x303, 255, "060353003100");
    assert_answer(&u, slot, 0, GET_DESCRIPTOR, 0x600, 255, "0a060002000000080100");
    assert_answer(&u, slot, 0, GET_DESCRIPTOR, 0x200, 255,
                  "09022200010100a032"
                  "090400000103010100"
                  "092111010001223f00"
                  "07058103080007");
    assert_answer(&u, slot, 0, GET_DESCRIPTOR, 0x700, 255,
                  "09072200010100a032"
                  "090400000103010100"
                  "092111010001223f00"
                  "0705810308000a");
    assert_answer(&u, slot, 0, GET_DESCRIPTOR, 0x900, 255, "code 6");
    assert_answer(&u, slot, 0, GET_DESCRIPTOR, 0x304, 255, "code 6");
    assert_answer(&u, slot, 0, 8, 0, 1, "00");
    g_assert_cmpuint(control(&u, slot, 0, SET_CONFIGURATION, 2), ==, QUSB_STALL);
    g_assert_cmpuint(control(&u, slot, 0, SET_CONFIGURATION, 1), ==, QUSB_SUCCESS);
    assert_answer(&u, slot, 0, 8, 0, 1, "01");
    assert_answer(&u, slot, INTERFACE, 10, 0, 1, "00");
    /* May it wake the host? */
    assert_answer(&u, slot, 0, 0, 0, 2, "0000");
    g_assert_cmpuint(control(&u, slot, 0, 3, 1), ==, QUSB_SUCCESS);
    assert_answer(&u, slot, 0, 0, 0, 2, "0200");
    g_assert_cmpuint(control(&u, slot, 0, 3, 7), ==, QUSB_STALL);
    /* One that knows full speed only has no other one. */
    slot = qusb_connect(&u, 2, 0);
    g_assert_cmphex(qusb_get(&u, QUSB_PORTSC + 16) >> 10 & 15, ==, 1);
    assert_answer(&u, slot, 0, GET_DESCRIPTOR, 0x600, 255, "code 6");
    assert_answer(&u, slot, 0, GET_DESCRIPTOR, 0x100, 8, "1201000200000008");
    g_autofree char *info = qtest_hmp(u.qt, "info usb");
    g_assert_cmpstr(info, ==,
                    "  Device 0.1, Port 1, Speed 480 Mb/s, Product QEMU USB Keyboard\n"
                    "  Device 0.2, Port 2, Speed 12 Mb/s, Product QEMU USB Mouse\n");
    qtest_quit(u.qt);
}

static void test_keyboard(void)
{
    QUsb u;

    qusb_start(&u, "-device usb-kbd");
    unsigned slot = configured(&u, 1);
    assert_report(&u, slot, "");
    press(&u, "sendkey shift-a 20");
    assert_report(&u, slot, "0200000000000000");
    assert_report(&u, slot, "0200040000000000");
    assert_report(&u, slot, "");
    qtest_clock_step(u.qt, 20 * MS);
    assert_report(&u, slot, "0200000000000000");
    assert_report(&u, slot, "0000000000000000");
    /* More than six of them are too many. */
    press(&u, "sendkey a-b-c-d-e-f-g 10");
    for (unsigned i = 0; i < 6; i++) {
        qusb_submit(&u, slot, 3, DATA, 8);
    }
    assert_report(&u, slot, "0000010101010101");
    qtest_clock_step(u.qt, 10 * MS);
    assert_report(&u, slot, "0000040506070809");
    for (unsigned i = 0; i < 6; i++) {
        qusb_submit(&u, slot, 3, DATA, 8);
    }
    assert_answer(&u, slot, CLASS | INTERFACE, 1, 0x100, 8, "0000000000000000");
    /* LEDs, idle, protocol. */
    unsigned length = 1;
    g_assert_cmpuint(qusb_control(&u, slot, CLASS | INTERFACE, 9, 0x200, 0, &length), ==,
                     QUSB_SUCCESS);
    g_assert_cmpuint(control(&u, slot, CLASS | INTERFACE, 10, 25 << 8), ==, QUSB_SUCCESS);
    assert_answer(&u, slot, CLASS | INTERFACE, 2, 0, 1, "19");
    assert_report(&u, slot, "");
    qtest_clock_step(u.qt, 100 * MS);
    assert_report(&u, slot, "0000000000000000");
    g_assert_cmpuint(control(&u, slot, CLASS | INTERFACE, 10, 0), ==, QUSB_SUCCESS);
    g_assert_cmpuint(control(&u, slot, CLASS | INTERFACE, 11, 0), ==, QUSB_SUCCESS);
    assert_answer(&u, slot, CLASS | INTERFACE, 3, 0, 1, "00");
    /* Keys that are pressed one by one; nobody reads in the end. */
    qtest_qmp_ok(u.qt, "input-send-event",
                 "{'events': [{'type': 'key', 'data': {'down': true, 'key': {'type': 'qcode', "
                 "'data': 'x'}}}, {'type': 'key', 'data': {'down': false, 'key': {'type': "
                 "'number', 'data': 45}}}]}");
    assert_report(&u, slot, "00001b0000000000");
    assert_report(&u, slot, "0000000000000000");
    for (unsigned i = 0;; i++) {
        g_autofree char *answer = qtest_hmp(u.qt, "sendkey a-b-c-d 1");

        g_assert_cmpuint(i, <, 100);
        if (strstr(answer, "does not read its keyboard")) {
            break;
        }
    }
    qtest_quit(u.qt);
}

static void test_pointers(void)
{
    QUsb u;

    qusb_start(&u, "-device usb-mouse -device usb-tablet");
    unsigned mouse = configured(&u, 1), tablet = configured(&u, 2);
    g_autofree char *mice = qtest_hmp(u.qt, "info mice");
    g_assert_cmpstr(mice, ==,
                    "* Mouse #2: QEMU HID Tablet (absolute)\n  Mouse #1: QEMU HID Mouse\n  Mouse "
                    "#0: QEMU PS/2 Mouse\n");
    assert_report(&u, tablet, "");
    assert_report(&u, mouse, "");
    qtest_qmp_ok(
        u.qt, "input-send-event",
        "{'events': [{'type': 'abs', 'data': {'axis': 'x', 'value': 4660}}, {'type': "
        "'abs', 'data': {'axis': 'y', 'value': 99999}}, {'type': 'btn', 'data': {'button': "
        "'left', 'down': true}}, {'type': 'btn', 'data': {'button': 'wheel-up', 'down': "
        "true}}]}");
    assert_report(&u, tablet, "013412ff7f01");
    assert_report(&u, tablet, "");
    assert_answer(&u, tablet, CLASS | INTERFACE, 1, 0x100, 8, "013412ff7f00");
    /* Moves are the mouse's, in steps; buttons go to the one that comes first. */
    press(&u, "mouse_set 1");
    press(&u, "mouse_move 130 -2 1");
    press(&u, "mouse_button 6");
    assert_report(&u, mouse, "007ffeff");
    assert_report(&u, mouse, "00030000");
    assert_report(&u, mouse, "06000000");
    assert_report(&u, mouse, "");
    qtest_quit(u.qt);
}

static void test_coming_and_going(void)
{
    QUsb u;
    unsigned slot;

    qusb_start(&u, "");
    qtest_qmp_ok(u.qt, "device_add", "{'driver': 'usb-tablet', 'id': 't', 'port': '2'}");
    g_assert_cmphex(qusb_get(&u, QUSB_PORTSC + 16), ==, 0x20ee1);
    slot = configured(&u, 2);
    g_assert_cmphex(u.ports_told, ==, 1 << 2);
    assert_report(&u, slot, "");
    /* It sleeps, and wakes the guest. */
    g_assert_cmpuint(control(&u, slot, 0, 3, 1), ==, QUSB_SUCCESS);
    assert_report(&u, slot, "");
    qusb_set(&u, QUSB_PORTSC + 16, 1 << 9 | 1 << 16 | 3 << 5);
    u.ports_told = 0;
    press(&u, "mouse_button 1");
    assert_report(&u, slot, "");
    g_assert_cmphex(qusb_get(&u, QUSB_PORTSC + 16) >> 5 & 15, ==, 15);
    g_assert_cmphex(u.ports_told, ==, 1 << 2);
    qusb_set(&u, QUSB_PORTSC + 16, 1 << 9 | 1 << 16);
    assert_report(&u, slot, "010000000000");
    /* Gone in the middle of a transfer. */
    assert_report(&u, slot, "");
    qusb_set(&u, QUSB_PORTSC + 16, 1 << 9 | 0x7f << 17); /* the guest has seen what changed */
    u.ports_told = 0;
    qtest_qmp_ok(u.qt, "device_del", "{'id': 't'}");
    g_assert_cmpuint(qusb_ended(&u, slot, 3, NULL), ==, QUSB_TRANSACTION_ERROR);
    g_assert_cmphex(u.ports_told, ==, 1 << 2);
    g_assert_cmphex(qusb_get(&u, QUSB_PORTSC + 16) & 3, ==, 0);
    qtest_quit(u.qt);
}

/* Status and change of a port of the hub. */
static void assert_port(QUsb *u, unsigned slot, uint16_t port, const char *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);
    unsigned length = 4;

    g_assert_cmpuint(qusb_control(u, slot, TO_HOST | CLASS | OTHER, 0, 0, port, &length), ==,
                     QUSB_SUCCESS);
    for (unsigned i = 0; i < length; i++) {
        g_string_append_printf(text, "%02x", qtest_readb(u->qt, DATA + i));
    }
    g_assert_cmpstr(text->str, ==, expected);
}

/* Port 2 of the hub at port 1 has a keyboard. */
static void test_hub(void)
{
    QUsb u;
    unsigned slot, keyboard;

    qusb_start(&u, "-device usb-hub,port=1,ports=3,id=h -device usb-kbd,port=1.2,id=k");
    slot = configured(&u, 1);
    assert_answer(&u, slot, CLASS, GET_DESCRIPTOR, 0x2900, 11, "0b29030a0001000000ffff");
    assert_report(&u, slot, "");
    /* Power, and it is there; a reset, and it answers. */
    g_assert_cmpuint(qusb_control(&u, slot, CLASS | OTHER, 3, 8, 2, NULL), ==, QUSB_SUCCESS);
    assert_report(&u, slot, "04");
    assert_port(&u, slot, 2, "01010100");
    g_assert_cmpuint(qusb_control(&u, slot, CLASS | OTHER, 3, 4, 2, NULL), ==, QUSB_SUCCESS);
    assert_port(&u, slot, 2, "03011100");
    for (unsigned change = 16; change < 21; change++) {
        qusb_control(&u, slot, CLASS | OTHER, 1, (uint16_t)change, 2, NULL);
    }
    assert_port(&u, slot, 2, "03010000");
    assert_report(&u, slot, "");
    keyboard = qusb_connect(&u, 1, 2);
    g_assert_cmpuint(control(&u, keyboard, 0, SET_CONFIGURATION, 1), ==, QUSB_SUCCESS);
    g_assert_cmpuint(qusb_endpoint(&u, keyboard, 3, QUSB_INTERRUPT_IN, 8), ==, QUSB_SUCCESS);
    press(&u, "sendkey 1");
    assert_report(&u, keyboard, "00001e0000000000");
    assert_report(&u, keyboard, "");
    /* It sleeps, and wakes the hub. */
    g_assert_cmpuint(control(&u, keyboard, 0, 3, 1), ==, QUSB_SUCCESS);
    g_assert_cmpuint(qusb_control(&u, slot, CLASS | OTHER, 3, 2, 2, NULL), ==, QUSB_SUCCESS);
    assert_port(&u, slot, 2, "07010000");
    qtest_clock_step(u.qt, 100 * MS);
    assert_report(&u, slot, "04");
    assert_port(&u, slot, 2, "03010400");
    /* With the hub goes what is behind it. */
    qtest_qmp_ok(u.qt, "device_del", "{'id': 'h'}");
    g_autofree char *info = qtest_hmp(u.qt, "info usb");
    g_assert_cmpstr(info, ==, "");
    qtest_quit(u.qt);
}

/* ---- a serial port ---- */

static void test_serial(void)
{
    QUsb u;
    unsigned slot, left;

    qusb_start(&u, "-chardev ringbuf,id=r -device usb-serial,chardev=r");
    slot = qusb_connect(&u, 1, 0);
    assert_answer(&u, slot, 0, GET_DESCRIPTOR, 0x100, 12, "120100020000000803040160");
    g_assert_cmpuint(control(&u, slot, 0, SET_CONFIGURATION, 1), ==, QUSB_SUCCESS);
    g_assert_cmpuint(qusb_endpoint(&u, slot, 3, QUSB_BULK_IN, 64), ==, QUSB_SUCCESS);
    g_assert_cmpuint(qusb_endpoint(&u, slot, 4, QUSB_BULK_OUT, 64), ==, QUSB_SUCCESS);
    g_assert_cmpuint(control(&u, slot, 0x40, 3, 26), ==, QUSB_SUCCESS);    /* 115200 */
    g_assert_cmpuint(control(&u, slot, 0x40, 4, 0x107), ==, QUSB_SUCCESS); /* 7 bits, odd */
    g_assert_cmpuint(control(&u, slot, 0x40, 9, 40), ==, QUSB_SUCCESS);
    assert_answer(&u, slot, 0x40, 10, 0, 1, "28");
    assert_answer(&u, slot, 0x40, 0x90, 0, 2, "code 6");
    qtest_memwrite(u.qt, DATA, "hello", 5);
    qusb_submit(&u, slot, 4, DATA, 5);
    g_assert_cmpuint(qusb_ended(&u, slot, 4, NULL), ==, QUSB_SUCCESS);
    g_autofree char *said = qtest_hmp(u.qt, "ringbuf_read r 10");
    g_assert_cmpstr(said, ==, "hello\n");
    /* The status, once. */
    qusb_submit(&u, slot, 3, DATA, 64);
    g_assert_cmpuint(qusb_ended(&u, slot, 3, &left), ==, QUSB_SHORT);
    g_assert_cmpuint(left, ==, 62);
    g_assert_cmphex(qtest_readw(u.qt, DATA) & 0xff0f, ==, 0x6001);
    qusb_submit(&u, slot, 3, DATA, 64);
    g_assert_cmpuint(qusb_ended(&u, slot, 3, NULL), ==, 0);
    qtest_quit(u.qt);
}

/* ---- a disk ---- */

enum { BULK_IN = 3, BULK_OUT = 4, CBW = QUSB_DATA + 0x10000, CSW = QUSB_DATA + 0x10100 };
#define DISK "-drive if=none,id=d,format=raw,file.driver=null-co,file.size=1M,file.read-zeroes=on "

static unsigned disk(QUsb *u, unsigned port)
{
    unsigned slot = qusb_connect(u, port, 0);

    g_assert_cmpuint(control(u, slot, 0, SET_CONFIGURATION, 1), ==, QUSB_SUCCESS);
    g_assert_cmpuint(qusb_endpoint(u, slot, BULK_IN, QUSB_BULK_IN, 512), ==, QUSB_SUCCESS);
    g_assert_cmpuint(qusb_endpoint(u, slot, BULK_OUT, QUSB_BULK_OUT, 512), ==, QUSB_SUCCESS);
    return slot;
}

/* What a transfer ends with. */
static unsigned wait_code(QUsb *u, unsigned slot, unsigned dci, unsigned *left)
{
    unsigned code;

    while (!(code = qusb_ended(u, slot, dci, left))) {
        qtest_clock_step(u->qt, MS);
    }
    return code;
}

static unsigned send_to(QUsb *u, unsigned slot, uint8_t lun, const uint8_t *cdb, unsigned size,
                        unsigned bytes, bool in)
{
    uint8_t cbw[31] = { 'U', 'S', 'B', 'C', 1, 2, 3, 4 };

    cbw[8] = (uint8_t)bytes;
    cbw[9] = (uint8_t)(bytes >> 8);
    cbw[10] = (uint8_t)(bytes >> 16);
    cbw[12] = in ? 0x80 : 0;
    cbw[13] = lun;
    cbw[14] = (uint8_t)size;
    memcpy(cbw + 15, cdb, MIN(size, sizeof(cbw) - 15)); /* as many as there is room for */
    qtest_memwrite(u->qt, CBW, cbw, sizeof(cbw));
    qusb_submit(u, slot, BULK_OUT, CBW, sizeof(cbw));
    return wait_code(u, slot, BULK_OUT, NULL);
}

static unsigned send(QUsb *u, unsigned slot, const uint8_t *cdb, unsigned size, unsigned bytes,
                     bool in)
{
    return send_to(u, slot, 0, cdb, size, bytes, in);
}

/* The status of the command, and what of the data the disk did not move. */
static void assert_status(QUsb *u, unsigned slot, uint8_t status, uint32_t residue)
{
    qusb_submit(u, slot, BULK_IN, CSW, 13);
    g_assert_cmpuint(wait_code(u, slot, BULK_IN, NULL), ==, QUSB_SUCCESS);
    g_assert_cmphex(qtest_readl(u->qt, CSW), ==, 0x53425355);
    g_assert_cmphex(qtest_readl(u->qt, CSW + 4), ==, 0x04030201);
    g_assert_cmpuint(qtest_readl(u->qt, CSW + 8), ==, residue);
    g_assert_cmpuint(qtest_readb(u->qt, CSW + 12), ==, status);
}

static void test_disk(void)
{
    static const uint8_t ready[6] = { 0 }, too_long[16] = { 0 };
    static const uint8_t inquiry[6] = { 0x12, 0, 0, 0, 36 };
    static const uint8_t sense[6] = { 3, 0, 0, 0, 18 },
                         read[10] = { 0x28, 0, 0, 0, 0, 0, 0, 0, 200 };
    static const uint8_t write[10] = { 0x2a, 0, 0, 0, 0, 8, 0, 0, 4 }, bad[6] = { 0xff };
    QUsb u;
    unsigned slot, left, length = 1;

    qusb_start(&u, DISK "-device usb-storage,drive=d,removable=on,serial=S7");
    slot = disk(&u, 1);
    g_assert_cmpuint(qusb_control(&u, slot, TO_HOST | CLASS | INTERFACE, 0xfe, 0, 0, &length), ==,
                     QUSB_SUCCESS);
    assert_answer(&u, slot, 0, GET_DESCRIPTOR, 0x303, 255, "060353003700");
    /* After power-up the first command is told of that, the next one why, and so on. */
    g_assert_cmpuint(send(&u, slot, ready, 6, 0, false), ==, QUSB_SUCCESS);
    assert_status(&u, slot, 1, 0);
    g_assert_cmpuint(send(&u, slot, sense, 6, 18, true), ==, QUSB_SUCCESS);
    qusb_submit(&u, slot, BULK_IN, DATA, 18);
    g_assert_cmpuint(wait_code(&u, slot, BULK_IN, NULL), ==, QUSB_SUCCESS);
    g_assert_cmphex(qtest_readb(u.qt, DATA + 2) & 0xf, ==, 6);
    assert_status(&u, slot, 0, 0);
    g_assert_cmpuint(send(&u, slot, ready, 6, 0, false), ==, QUSB_SUCCESS);
    assert_status(&u, slot, 0, 0);
    /* Less than the host has room for. */
    g_assert_cmpuint(send(&u, slot, inquiry, 6, 100, true), ==, QUSB_SUCCESS);
    qusb_submit(&u, slot, BULK_IN, DATA, 100);
    g_assert_cmpuint(wait_code(&u, slot, BULK_IN, &left), ==, QUSB_SHORT);
    g_assert_cmpuint(left, ==, 64);
    g_assert_cmphex(qtest_readb(u.qt, DATA + 1), ==, 0x80);
    assert_status(&u, slot, 0, 64);
    /* Several pieces of the buffer. */
    qtest_memset(u.qt, DATA, 0xaa, 0x10000);
    g_assert_cmpuint(send(&u, slot, read, 10, 200 * 512, true), ==, QUSB_SUCCESS);
    qusb_submit(&u, slot, BULK_IN, DATA + 0x20000, 200 * 512 - 0x10000);
    g_assert_cmpuint(wait_code(&u, slot, BULK_IN, NULL), ==, QUSB_SUCCESS);
    qusb_submit(&u, slot, BULK_IN, DATA, 0x10000);
    g_assert_cmpuint(wait_code(&u, slot, BULK_IN, NULL), ==, QUSB_SUCCESS);
    g_assert_cmphex(qtest_readb(u.qt, DATA), ==, 0);
    assert_status(&u, slot, 0, 0);
    g_assert_cmpuint(send(&u, slot, write, 10, 2048, false), ==, QUSB_SUCCESS);
    qusb_submit(&u, slot, BULK_OUT, DATA, 2048);
    g_assert_cmpuint(wait_code(&u, slot, BULK_OUT, NULL), ==, QUSB_SUCCESS);
    assert_status(&u, slot, 0, 0);
    /* No such command: data are stalled, and then there is a status. */
    g_assert_cmpuint(send(&u, slot, bad, 6, 512, true), ==, QUSB_SUCCESS);
    qusb_submit(&u, slot, BULK_IN, DATA, 512);
    g_assert_cmpuint(wait_code(&u, slot, BULK_IN, NULL), ==, QUSB_STALL);
    qusb_unstall(&u, slot, BULK_IN);
    assert_status(&u, slot, 1, 512);
    /* Data for a read; more than the host wants. */
    g_assert_cmpuint(send(&u, slot, read, 10, 512, false), ==, QUSB_SUCCESS);
    qusb_submit(&u, slot, BULK_OUT, DATA, 512);
    g_assert_cmpuint(wait_code(&u, slot, BULK_OUT, NULL), ==, QUSB_SUCCESS);
    assert_status(&u, slot, 2, 0);
    /* What is no command: nothing goes on before a reset. */
    g_assert_cmpuint(send(&u, slot, too_long, 17, 0, false), ==, QUSB_STALL);
    qusb_unstall(&u, slot, BULK_OUT);
    g_assert_cmpuint(send(&u, slot, ready, 6, 0, false), ==, QUSB_STALL);
    g_assert_cmpuint(control(&u, slot, CLASS | INTERFACE, 0xff, 0), ==, QUSB_SUCCESS);
    qusb_unstall(&u, slot, BULK_OUT);
    g_assert_cmpuint(control(&u, slot, ENDPOINT, 1, 0), ==, QUSB_SUCCESS);
    unsigned number = slot;
    qusb_control(&u, slot, ENDPOINT, 1, 0, 0x81, NULL);
    qusb_command(&u, 14, 0, BULK_IN << 16, &number);
    g_assert_cmpuint(send(&u, slot, ready, 6, 0, false), ==, QUSB_SUCCESS);
    assert_status(&u, slot, 0, 0);
    qtest_quit(u.qt);
}

/* ---- a bus of disks ---- */

static const uint8_t inquire[6] = { 0x12, 0, 0, 0, 36 }, test_ready[6] = { 0 };

/* The first byte of what LUN @lun says that it is. */
static unsigned kind_of(QUsb *u, unsigned slot, uint8_t lun)
{
    g_assert_cmpuint(send_to(u, slot, lun, inquire, 6, 36, true), ==, QUSB_SUCCESS);
    qusb_submit(u, slot, BULK_IN, DATA, 36);
    g_assert_cmpuint(wait_code(u, slot, BULK_IN, NULL), ==, QUSB_SUCCESS);
    assert_status(u, slot, 0, 0);
    return qtest_readb(u->qt, DATA);
}

static unsigned max_lun(QUsb *u, unsigned slot)
{
    unsigned length = 1;

    g_assert_cmpuint(qusb_control(u, slot, TO_HOST | CLASS | INTERFACE, 0xfe, 0, 0, &length), ==,
                     QUSB_SUCCESS);
    return qtest_readb(u->qt, DATA);
}

/* Disks and CDs at their LUNs; what is not there; one that goes in the midst of a command, and one
 * that comes. */
static void test_bot(void)
{
    static const uint8_t write[10] = { 0x2a, 0, 0, 0, 0, 8, 0, 0, 4 };
    QUsb u;
    unsigned slot;

    qusb_start(&u, "-blockdev null-co,node-name=d,size=1M,read-zeroes=on "
                   "-device usb-bot,id=b,serial=S8 "
                   "-device scsi-hd,id=h,bus=b.0,drive=d -device scsi-cd,bus=b.0,lun=3");
    slot = disk(&u, 1);
    assert_answer(&u, slot, 0, GET_DESCRIPTOR, 0x303, 255, "060353003800");
    g_assert_cmpuint(max_lun(&u, slot), ==, 3);
    g_assert_cmphex(kind_of(&u, slot, 0), ==, 0);
    g_assert_cmphex(kind_of(&u, slot, 3), ==, 5);
    g_assert_cmphex(kind_of(&u, slot, 1), ==, 0x7f);
    g_assert_cmpuint(send_to(&u, slot, 1, test_ready, 6, 0, false), ==, QUSB_SUCCESS);
    assert_status(&u, slot, 1, 0);
    /* After power-up the first command of each is told of that. */
    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmpuint(send_to(&u, slot, 0, test_ready, 6, 0, false), ==, QUSB_SUCCESS);
        assert_status(&u, slot, i ? 0 : 1, 0);
    }
    /* It goes when half of the data have come. */
    g_assert_cmpuint(send_to(&u, slot, 0, write, 10, 2048, false), ==, QUSB_SUCCESS);
    qusb_submit(&u, slot, BULK_OUT, DATA, 1024);
    g_assert_cmpuint(wait_code(&u, slot, BULK_OUT, NULL), ==, QUSB_SUCCESS);
    qtest_qmp_ok(u.qt, "device_del", "{'id': 'h'}");
    qusb_submit(&u, slot, BULK_OUT, DATA, 1024);
    g_assert_cmpuint(wait_code(&u, slot, BULK_OUT, NULL), ==, QUSB_SUCCESS);
    assert_status(&u, slot, 1, 0);
    g_assert_cmphex(kind_of(&u, slot, 0), ==, 0x7f);
    qtest_qmp_ok(u.qt, "device_add",
                 "{'driver': 'scsi-hd', 'bus': 'b.0', 'drive': 'd', 'lun': 15, 'id': 'l'}");
    g_assert_cmpuint(max_lun(&u, slot), ==, 15);
    g_assert_cmphex(kind_of(&u, slot, 15), ==, 0);
    qtest_quit(u.qt);
}

/* One that is plugged later is not seen before it is attached; one without units has no LUN. */
static void test_attached(void)
{
    QUsb u;
    unsigned slot;

    qusb_start(&u, "-device usb-kbd");
    qtest_qmp_ok(u.qt, "device_add", "{'driver': 'usb-bot', 'id': 'b'}");
    g_assert_cmphex(qusb_get(&u, QUSB_PORTSC + 16) & 1, ==, 0);
    qtest_qmp_ok(u.qt, "qom-set",
                 "{'path': '/machine/peripheral/b', 'property': 'attached', 'value': true}");
    g_assert_cmphex(qusb_get(&u, QUSB_PORTSC + 16) & 1, ==, 1);
    slot = disk(&u, 2);
    g_assert_cmpuint(max_lun(&u, slot), ==, 0);
    g_assert_cmpuint(send(&u, slot, test_ready, 6, 0, false), ==, QUSB_SUCCESS);
    assert_status(&u, slot, 1, 0);
    qtest_qmp_ok(u.qt, "qom-set",
                 "{'path': '/machine/peripheral/b', 'property': 'attached', 'value': false}");
    g_assert_cmphex(qusb_get(&u, QUSB_PORTSC + 16) & 1, ==, 0);
    qtest_qmp_ok(u.qt, "device_del", "{'id': 'b'}");
    qtest_quit(u.qt);
}

/* Nothing that the guest gives makes it do anything but tell of errors. */
static void test_hostile(void)
{
    QUsb u;
    unsigned slot, number;

    qusb_start(&u, "-device usb-kbd");
    slot = configured(&u, 1);
    number = slot;
    g_assert_cmpuint(qusb_endpoint(&u, slot, 5, 4, 8), ==, QUSB_PARAMETER); /* control */
    g_assert_cmpuint(qusb_endpoint(&u, slot, 5, 0, 8), ==, QUSB_PARAMETER);
    /* Into the controller itself, and nowhere. */
    press(&u, "sendkey a");
    qusb_submit(&u, slot, 3, QUSB_BAR + 0x2000, 8);
    g_assert_cmpuint(qusb_ended(&u, slot, 3, NULL), ==, QUSB_TRB_ERROR);
    /* A ring of TDs for ever: what there is time for is done, and others' turn comes. */
    press(&u, "sendkey b");
    uint64_t ring = 0x2f0000;
    qtest_writeq(u.qt, ring, DATA);
    qtest_writel(u.qt, ring + 8, 8);
    qtest_writel(u.qt, ring + 12, 8 << 10 | 1);
    qtest_writeq(u.qt, ring + 16, ring);
    qtest_writel(u.qt, ring + 28, 6 << 10 | 1);
    number = slot;
    qusb_command(&u, 16, ring | 1, 3 << 16, &number);
    qusb_set(&u, 0x2000 + 4 * slot, 3);
    qtest_clock_step(u.qt, MS);
    number = slot;
    g_assert_cmpuint(qusb_command(&u, 15, 0, 3 << 16, &number), ==, QUSB_SUCCESS);
    /* A TD without an end. */
    qtest_writel(u.qt, ring + 12, 1 << 10 | 1 << 4 | 1);
    number = slot;
    qusb_command(&u, 16, ring | 1, 3 << 16, &number);
    qusb_set(&u, 0x2000 + 4 * slot, 3);
    g_assert_cmpuint(qusb_ended(&u, slot, 3, NULL), ==, QUSB_TRB_ERROR);
    qtest_quit(u.qt);
}

static const QTestRefused refused[] = {
    { "-device usb-kbd", "this machine has no usb-bus bus" },
    { "-device qemu-xhci,id=x -device usb-kbd,port=9", "bus 'x.0' has no such port" },
    { "-device qemu-xhci,id=x -device usb-kbd,port=1 -device usb-kbd,port=1", "there already" },
    { "-device qemu-xhci,p2=1,id=x -device usb-kbd -device usb-kbd", "has no free port" },
    { "-device qemu-xhci -device usb-storage", "drive" },
    { "-device qemu-xhci -device usb-bot,id=b " DISK "-device scsi-hd,bus=b.0,drive=d,lun=16",
      "has LUNs up to 15" },
    { "-device qemu-xhci -device usb-bot,id=b " DISK "-device scsi-hd,bus=b.0,drive=d,scsi-id=1",
      "has targets up to 0" },
    { "-device qemu-xhci -device usb-uas,id=b " DISK "-device scsi-hd,bus=b.0,drive=d,lun=256",
      "has LUNs up to 255" },
    { "-device qemu-xhci -device usb-bot,attached=on", "by qom-set" },
    { "-device qemu-xhci -device usb-serial", "chardev '' not found" },
    { "-device qemu-xhci -device usb-kbd,usb_version=3", "usb_version=3: it is 1 or 2" },
};

/* One of three transfers each millisecond; a device that has no such endpoint; what is too long, or
 * nowhere, or no isochronous TRB. */
static void test_isochronous(void)
{
    enum { BYTES = 192 };
    g_autofree char *dir = g_dir_make_tmp(NULL, NULL);
    g_autofree char *path = g_build_filename(dir, "out.wav", NULL), *file = NULL;
    g_autofree char *options = g_strdup_printf(
        "-audiodev wav,id=a,out.frequency=48000,path=%s -device usb-audio,audiodev=a", path);
    uint8_t bytes[3 * BYTES];
    gsize size;
    QUsb u;

    qusb_start(&u, options);
    unsigned slot = qusb_connect(&u, 1, 0);
    g_assert_cmpuint(control(&u, slot, 0, SET_CONFIGURATION, 1), ==, QUSB_SUCCESS);
    g_assert_cmpuint(qusb_control(&u, slot, INTERFACE, 11, 1, 1, NULL), ==, QUSB_SUCCESS);
    g_assert_cmpuint(qusb_endpoint(&u, slot, 2, QUSB_ISOCHRONOUS_OUT, BYTES), ==, QUSB_SUCCESS);
    g_assert_cmpuint(qusb_endpoint(&u, slot, 5, QUSB_ISOCHRONOUS_IN, 8), ==, QUSB_SUCCESS);
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i + 1);
    }
    qtest_memwrite(u.qt, DATA, bytes, sizeof(bytes));
    qusb_submit_isochronous(&u, slot, 2, DATA, BYTES, 3);
    g_assert_cmpuint(qusb_ended(&u, slot, 2, NULL), ==, 0);
    for (unsigned i = 0; i < 3; i++) {
        qtest_clock_step(u.qt, MS);
        g_assert_cmpuint(qusb_ended(&u, slot, 2, NULL), ==, QUSB_SUCCESS);
    }
    qtest_clock_step(u.qt, 5 * MS);
    g_assert_cmpuint(qusb_ended(&u, slot, 2, NULL), ==, 0);
    /* A host that is late does what was due meanwhile. */
    qusb_submit_isochronous(&u, slot, 2, DATA, BYTES, 3);
    qtest_clock_step(u.qt, 50 * MS);
    g_assert_cmpuint(qusb_ended(&u, slot, 2, NULL), ==, QUSB_SUCCESS);
    g_assert_cmphex(u.last[slot][2].trb & 0x3f, ==, 0x20);
    /* The guest lies about what was moved: nothing but its own memory goes to the device. */
    qusb_submit_isochronous(&u, slot, 2, DATA, BYTES, 1);
    qusb_set_moved(&u, slot, 2, BYTES);
    qtest_clock_step(u.qt, 50 * MS);
    g_assert_cmpuint(qusb_ended(&u, slot, 2, NULL), ==, QUSB_SUCCESS);
    /* No such endpoint: it goes on, as nobody answers for each. */
    qusb_submit_isochronous(&u, slot, 5, DATA, 8, 2);
    qtest_clock_step(u.qt, 5 * MS);
    g_assert_cmpuint(qusb_ended(&u, slot, 5, NULL), ==, QUSB_TRANSACTION_ERROR);
    g_assert_cmphex(u.last[slot][5].trb & 0x3f, ==, 0x10);
    qusb_submit_isochronous(&u, slot, 2, DATA, 65537, 1);
    qtest_clock_step(u.qt, 5 * MS);
    g_assert_cmpuint(qusb_ended(&u, slot, 2, NULL), ==, QUSB_TRB_ERROR);
    qusb_submit_isochronous(&u, slot, 2, 0xd0000000, BYTES, 1);
    qtest_clock_step(u.qt, 5 * MS);
    g_assert_cmpuint(qusb_ended(&u, slot, 2, NULL), ==, QUSB_TRB_ERROR);
    qusb_submit(&u, slot, 2, DATA, BYTES);
    qtest_clock_step(u.qt, 5 * MS);
    g_assert_cmpuint(qusb_ended(&u, slot, 2, NULL), ==, QUSB_TRB_ERROR);
    qtest_quit(u.qt);
    g_assert_true(g_file_get_contents(path, &file, &size, NULL));
    g_assert_cmpuint(size, ==, 44 + 7 * BYTES);
    g_assert_cmpmem(file + 48, sizeof(bytes), bytes, sizeof(bytes));
    g_assert_cmpmem(file + 48 + 6 * BYTES, BYTES - 4, bytes, BYTES - 4);
    g_unlink(path);
    g_rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/usb/descriptors", test_descriptors);
    g_test_add_func("/usb/keyboard", test_keyboard);
    g_test_add_func("/usb/pointers", test_pointers);
    g_test_add_func("/usb/coming-and-going", test_coming_and_going);
    g_test_add_func("/usb/hub", test_hub);
    g_test_add_func("/usb/serial", test_serial);
    g_test_add_func("/usb/disk", test_disk);
    g_test_add_func("/usb/bot", test_bot);
    g_test_add_func("/usb/attached", test_attached);
    g_test_add_func("/usb/hostile", test_hostile);
    g_test_add_func("/usb/isochronous", test_isochronous);
    qtest_add_refused("/usb/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
