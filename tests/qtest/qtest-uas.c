/* SPDX-License-Identifier: GPL-2.0-or-later */
/* USB Attached SCSI: commands, their data and what is told of them; task management; errors. */
#include <string.h>

#include "tests/qtest/usb.h"

#define MS     1000000LL
#define DATA   QUSB_DATA
#define IU     (QUSB_DATA + 0x20000)
#define STATUS (QUSB_DATA + 0x21000)
enum { SET_CONFIGURATION = 9 };
enum { COMMAND_PIPE = 2, STATUS_PIPE = 5, IN_PIPE = 7, OUT_PIPE = 8 };
enum { COMMAND = 1, SENSE = 3, RESPONSE = 4, TASK = 5, READ_READY = 6, WRITE_READY = 7 };
#define DISK "-drive if=none,id=d,format=raw,file.driver=null-co,file.size=1M,file.read-zeroes=on "

static const uint8_t ready[6] = { 0 }, inquiry[6] = { 0x12, 0, 0, 0, 36 };
static const uint8_t read200[10] = { 0x28, 0, 0, 0, 0, 0, 0, 0, 200 };
static const uint8_t write4[10] = { 0x2a, 0, 0, 0, 0, 8, 0, 0, 4 };

static unsigned connect_uas(QUsb *u)
{
    unsigned slot = qusb_connect(u, 1, 0);

    g_assert_cmpuint(qusb_control(u, slot, 0, SET_CONFIGURATION, 1, 0, NULL), ==, QUSB_SUCCESS);
    g_assert_cmpuint(qusb_endpoint(u, slot, COMMAND_PIPE, QUSB_BULK_OUT, 512), ==, QUSB_SUCCESS);
    g_assert_cmpuint(qusb_endpoint(u, slot, STATUS_PIPE, QUSB_BULK_IN, 512), ==, QUSB_SUCCESS);
    g_assert_cmpuint(qusb_endpoint(u, slot, IN_PIPE, QUSB_BULK_IN, 512), ==, QUSB_SUCCESS);
    g_assert_cmpuint(qusb_endpoint(u, slot, OUT_PIPE, QUSB_BULK_OUT, 512), ==, QUSB_SUCCESS);
    return slot;
}

static unsigned wait_code(QUsb *u, unsigned slot, unsigned dci, unsigned *left)
{
    unsigned code;

    while (!(code = qusb_ended(u, slot, dci, left))) {
        qtest_clock_step(u->qt, MS);
    }
    return code;
}

static unsigned move(QUsb *u, unsigned slot, unsigned dci, uint64_t at, unsigned size,
                     unsigned *left)
{
    qusb_submit(u, slot, dci, at, size);
    return wait_code(u, slot, dci, left);
}

static void send(QUsb *u, unsigned slot, uint16_t tag, uint8_t lun, const uint8_t *cdb,
                 unsigned size)
{
    uint8_t iu[32] = { COMMAND, 0, (uint8_t)(tag >> 8), (uint8_t)tag };

    iu[9] = lun;
    memcpy(iu + 16, cdb, size);
    qtest_memwrite(u->qt, IU, iu, sizeof(iu));
    g_assert_cmpuint(move(u, slot, COMMAND_PIPE, IU, sizeof(iu), NULL), ==, QUSB_SUCCESS);
}

static void manage(QUsb *u, unsigned slot, uint16_t tag, uint8_t function, uint16_t task,
                   uint8_t lun)
{
    uint8_t iu[16] = { TASK,     0,  (uint8_t)(tag >> 8),  (uint8_t)tag,
                       function, 0,  (uint8_t)(task >> 8), (uint8_t)task,
                       0,        lun };

    qtest_memwrite(u->qt, IU, iu, sizeof(iu));
    g_assert_cmpuint(move(u, slot, COMMAND_PIPE, IU, sizeof(iu), NULL), ==, QUSB_SUCCESS);
}

/* What is told next: its kind and tag, and a byte of it. */
static void assert_told(QUsb *u, unsigned slot, uint8_t id, uint16_t tag, unsigned at, uint8_t byte)
{
    g_assert_cmpuint(move(u, slot, STATUS_PIPE, STATUS, 64, NULL), ==, QUSB_SHORT);
    g_assert_cmphex(qtest_readb(u->qt, STATUS), ==, id);
    g_assert_cmphex(qtest_readb(u->qt, STATUS + 2), ==, tag >> 8);
    g_assert_cmphex(qtest_readb(u->qt, STATUS + 3), ==, tag & 0xff);
    if (at) {
        g_assert_cmphex(qtest_readb(u->qt, STATUS + at), ==, byte);
    }
}

/* The status of the command @tag, and its sense key and additional code if it failed. */
static void assert_ended(QUsb *u, unsigned slot, uint16_t tag, uint8_t status, uint8_t key,
                         uint8_t asc)
{
    assert_told(u, slot, SENSE, tag, 6, status);
    if (status) {
        g_assert_cmphex(qtest_readb(u->qt, STATUS + 15), ==, 18);
        g_assert_cmphex(qtest_readb(u->qt, STATUS + 16 + 2), ==, key);
        g_assert_cmphex(qtest_readb(u->qt, STATUS + 16 + 12), ==, asc);
    }
}

static void test_descriptors(void)
{
    QUsb u;
    unsigned slot, length = 255;
    g_autoptr(GString) text = g_string_new(NULL);

    qusb_start(&u, "-device usb-uas,id=b");
    slot = connect_uas(&u);
    qusb_control(&u, slot, 0x80, 6, 0x200, 0, &length);
    for (unsigned i = 0; i < length; i++) {
        g_string_append_printf(text, "%02x", qtest_readb(u.qt, DATA + i));
    }
    g_assert_cmpstr(text->str, ==,
                    "09023e00010100c000"
                    "090400000408066200"
                    "07050102000200"
                    "04240100"
                    "07058202000200"
                    "04240200"
                    "07058302000200"
                    "04240300"
                    "07050402000200"
                    "04240400");
    /* There is no unit at all. */
    send(&u, slot, 1, 0, inquiry, 6);
    assert_ended(&u, slot, 1, 2, 5, 0x25);
    manage(&u, slot, 2, 8, 0, 0);
    assert_told(&u, slot, RESPONSE, 2, 7, 9);
    qtest_quit(u.qt);
}

static void test_data(void)
{
    QUsb u;
    unsigned slot, left;

    qusb_start(&u, DISK "-device usb-uas,id=b -device scsi-hd,id=h,bus=b.0,drive=d "
                        "-device scsi-cd,bus=b.0,lun=200");
    slot = connect_uas(&u);
    send(&u, slot, 0x1234, 0, ready, 6);
    assert_ended(&u, slot, 0x1234, 2, 6, 0x29);
    /* Less than the host has room for. */
    send(&u, slot, 7, 200, inquiry, 6);
    assert_told(&u, slot, READ_READY, 7, 0, 0);
    g_assert_cmpuint(move(&u, slot, IN_PIPE, DATA, 100, &left), ==, QUSB_SHORT);
    g_assert_cmpuint(left, ==, 64);
    g_assert_cmphex(qtest_readb(u.qt, DATA), ==, 5);
    assert_ended(&u, slot, 7, 0, 0, 0);
    /* Several pieces, the last of which is whole packets: the host sees where it ends. */
    qtest_memset(u.qt, DATA, 0xaa, 0x1000);
    send(&u, slot, 8, 0, read200, 10);
    send(&u, slot, 9, 0, read200, 10); /* waits */
    assert_told(&u, slot, READ_READY, 8, 0, 0);
    g_assert_cmpuint(move(&u, slot, IN_PIPE, DATA, 65536, NULL), ==, QUSB_SUCCESS);
    g_assert_cmphex(qtest_readb(u.qt, DATA), ==, 0);
    g_assert_cmpuint(move(&u, slot, IN_PIPE, DATA, 65536, &left), ==, QUSB_SHORT);
    g_assert_cmpuint(left, ==, 2 * 65536 - 200 * 512);
    assert_ended(&u, slot, 8, 0, 0, 0);
    assert_told(&u, slot, READ_READY, 9, 0, 0);
    g_assert_cmpuint(move(&u, slot, IN_PIPE, DATA, 65536, NULL), ==, QUSB_SUCCESS);
    g_assert_cmpuint(move(&u, slot, IN_PIPE, DATA, 200 * 512 - 65536, NULL), ==, QUSB_SUCCESS);
    assert_ended(&u, slot, 9, 0, 0, 0);
    send(&u, slot, 10, 0, write4, 10);
    assert_told(&u, slot, WRITE_READY, 10, 0, 0);
    g_assert_cmpuint(move(&u, slot, OUT_PIPE, DATA, 1024, NULL), ==, QUSB_SUCCESS);
    g_assert_cmpuint(move(&u, slot, OUT_PIPE, DATA, 1024, NULL), ==, QUSB_SUCCESS);
    assert_ended(&u, slot, 10, 0, 0, 0);
    /* It goes when half of the data have come. */
    send(&u, slot, 11, 0, write4, 10);
    assert_told(&u, slot, WRITE_READY, 11, 0, 0);
    g_assert_cmpuint(move(&u, slot, OUT_PIPE, DATA, 1024, NULL), ==, QUSB_SUCCESS);
    qtest_qmp_ok(u.qt, "device_del", "{'id': 'h'}");
    assert_ended(&u, slot, 11, 2, 5, 0x25);
    send(&u, slot, 12, 0, ready, 6);
    assert_ended(&u, slot, 12, 2, 5, 0x25);
    qtest_quit(u.qt);
}

static void test_tasks(void)
{
    static const uint8_t bad[8] = { 99, 0, 0, 50 };
    QUsb u;
    unsigned slot;

    qusb_start(&u, DISK "-device usb-uas,id=b -device scsi-hd,id=h,bus=b.0,drive=d");
    slot = connect_uas(&u);
    send(&u, slot, 1, 0, ready, 6);
    assert_ended(&u, slot, 1, 2, 6, 0x29);
    send(&u, slot, 2, 0, write4, 10);
    assert_told(&u, slot, WRITE_READY, 2, 0, 0);
    send(&u, slot, 3, 0, write4, 10);
    send(&u, slot, 4, 0, write4, 10);
    /* Is it there; a tag that is; a function and a LUN that are not; what is no unit. */
    manage(&u, slot, 20, 0x80, 3, 0);
    assert_told(&u, slot, RESPONSE, 20, 7, 8);
    manage(&u, slot, 21, 0x80, 33, 0);
    assert_told(&u, slot, RESPONSE, 21, 7, 0);
    send(&u, slot, 3, 0, ready, 6);
    assert_told(&u, slot, RESPONSE, 3, 7, 0x0a);
    manage(&u, slot, 22, 0x33, 0, 0);
    assert_told(&u, slot, RESPONSE, 22, 7, 4);
    manage(&u, slot, 23, 8, 0, 1);
    assert_told(&u, slot, RESPONSE, 23, 7, 9);
    qtest_memwrite(u.qt, IU, bad, sizeof(bad));
    g_assert_cmpuint(move(&u, slot, COMMAND_PIPE, IU, sizeof(bad), NULL), ==, QUSB_SUCCESS);
    assert_told(&u, slot, RESPONSE, 50, 7, 2);
    /* One that waits, and the one whose turn it is. */
    manage(&u, slot, 24, 1, 3, 0);
    assert_told(&u, slot, RESPONSE, 24, 7, 0);
    manage(&u, slot, 25, 1, 2, 0);
    assert_told(&u, slot, RESPONSE, 25, 7, 0);
    assert_told(&u, slot, WRITE_READY, 4, 0, 0);
    manage(&u, slot, 26, 8, 0, 0);
    assert_told(&u, slot, RESPONSE, 26, 7, 0);
    send(&u, slot, 5, 0, ready, 6);
    assert_ended(&u, slot, 5, 2, 6, 0x29);
    /* More than there is room for: the last one waits until others are done. */
    for (uint16_t tag = 100; tag < 164; tag++) {
        send(&u, slot, tag, 0, write4, 10);
    }
    qusb_submit(&u, slot, COMMAND_PIPE, IU, 32);
    g_assert_cmpuint(qusb_ended(&u, slot, COMMAND_PIPE, NULL), ==, 0);
    assert_told(&u, slot, WRITE_READY, 100, 0, 0);
    g_assert_cmpuint(move(&u, slot, OUT_PIPE, DATA, 2048, NULL), ==, QUSB_SUCCESS);
    assert_ended(&u, slot, 100, 0, 0, 0);
    g_assert_cmpuint(wait_code(&u, slot, COMMAND_PIPE, NULL), ==, QUSB_SUCCESS);
    qtest_quit(u.qt);
}

/* Sectors that cannot be read. */
static void test_errors(void)
{
    QUsb u;
    unsigned slot;

    qusb_start(&u, "-blockdev blkdebug,node-name=n,image.driver=null-co,image.size=1M,"
                   "image.read-zeroes=on,inject-error.0.event=read_aio,inject-error.0.sector=130 "
                   "-device usb-uas,id=b -device scsi-hd,bus=b.0,drive=n");
    slot = connect_uas(&u);
    send(&u, slot, 1, 0, ready, 6);
    assert_ended(&u, slot, 1, 2, 6, 0x29);
    send(&u, slot, 2, 0, read200, 10);
    assert_told(&u, slot, READ_READY, 2, 0, 0);
    g_assert_cmpuint(move(&u, slot, IN_PIPE, DATA, 65536, NULL), ==, QUSB_SUCCESS);
    qusb_submit(&u, slot, IN_PIPE, DATA, 36864);
    assert_ended(&u, slot, 2, 2, 3, 0x11);
    g_assert_cmpuint(qusb_ended(&u, slot, IN_PIPE, NULL), ==, 0);
    qtest_quit(u.qt);
}

/* A read that is under way, as the disk's limit has it: nothing is told of it yet. The status pipe
 * is asked from now on. */
static unsigned start_slow(QUsb *u)
{
    static const uint8_t read8[10] = { 0x28, 0, 0, 0, 0, 0, 0, 0, 8 };
    unsigned slot;

    qusb_start(u, "-drive if=none,id=d,format=raw,file.driver=null-co,file.size=1M,"
                  "file.read-zeroes=on,throttling.bps-total=64 "
                  "-device usb-uas,id=b -device scsi-hd,id=h,bus=b.0,drive=d");
    slot = connect_uas(u);
    send(u, slot, 1, 0, ready, 6);
    assert_ended(u, slot, 1, 2, 6, 0x29);
    send(u, slot, 3, 0, read8, 10);
    assert_told(u, slot, READ_READY, 3, 0, 0);
    g_assert_cmpuint(move(u, slot, IN_PIPE, DATA, 4096, NULL), ==, QUSB_SUCCESS);
    assert_ended(u, slot, 3, 0, 0, 0);
    send(u, slot, 4, 0, read8, 10); /* has to wait for a minute */
    qusb_submit(u, slot, STATUS_PIPE, STATUS, 64);
    g_assert_cmpuint(qusb_ended(u, slot, STATUS_PIPE, NULL), ==, 0);
    return slot;
}

/* What was submitted to the status pipe has come, and is this. */
static void assert_came(QUsb *u, unsigned slot, uint8_t id, uint16_t tag, unsigned at, uint8_t byte)
{
    g_assert_cmpuint(wait_code(u, slot, STATUS_PIPE, NULL), ==, QUSB_SHORT);
    g_assert_cmphex(qtest_readb(u->qt, STATUS), ==, id);
    g_assert_cmphex(qtest_readb(u->qt, STATUS + 3), ==, tag);
    g_assert_cmphex(qtest_readb(u->qt, STATUS + at), ==, byte);
}

/* A task that is aborted while it is under way is not said to be gone before it is. */
static void test_aborted(void)
{
    QUsb u;
    unsigned slot = start_slow(&u);

    send(&u, slot, 5, 0, inquiry, 6);
    manage(&u, slot, 6, 1, 4, 0);
    g_assert_cmpuint(qusb_ended(&u, slot, STATUS_PIPE, NULL), ==, 0);
    qtest_clock_step(u.qt, 65000 * MS);
    assert_came(&u, slot, RESPONSE, 6, 7, 0);
    assert_told(&u, slot, READ_READY, 5, 0, 0);
    g_assert_cmpuint(move(&u, slot, IN_PIPE, DATA, 36, NULL), ==, QUSB_SUCCESS);
    assert_ended(&u, slot, 5, 0, 0, 0);
    qtest_quit(u.qt);
}

static void test_disk_goes(void)
{
    QUsb u;
    unsigned slot = start_slow(&u);

    qtest_qmp_ok(u.qt, "device_del", "{'id': 'h'}");
    assert_came(&u, slot, READ_READY, 4, 0, READ_READY); /* what it had begun was waited for */
    g_assert_cmpuint(move(&u, slot, IN_PIPE, DATA, 4096, NULL), ==, QUSB_SUCCESS);
    assert_ended(&u, slot, 4, 0, 0, 0);
    send(&u, slot, 5, 0, ready, 6);
    assert_ended(&u, slot, 5, 2, 5, 0x25);
    qtest_quit(u.qt);
}

static void test_device_goes(void)
{
    QUsb u;

    start_slow(&u);
    qtest_qmp_ok(u.qt, "device_del", "{'id': 'b'}");
    qtest_clock_step(u.qt, 65000 * MS);
    qtest_quit(u.qt);
}

/* The guest's machine, or the port, is reset: the next command is as after power-up. */
static void test_reset(void)
{
    for (unsigned all = 0; all < 2; all++) {
        QUsb u;
        unsigned slot = start_slow(&u);

        if (all) {
            qtest_qmp_ok(u.qt, "system_reset", NULL);
            json_object_put(qtest_event(u.qt, "RESET"));
            qusb_begin(&u);
        }
        slot = connect_uas(&u);
        send(&u, slot, 3, 0, ready, 6);
        assert_ended(&u, slot, 3, all ? 2 : 0, all ? 6 : 0, all ? 0x29 : 0);
        qtest_quit(u.qt);
    }
}

/* A sector that cannot be read stops the machine; when it goes on, it is read again. */
static void test_stopped(void)
{
    QUsb u;
    unsigned slot;

    qusb_start(&u, "-blockdev blkdebug,node-name=n,image.driver=null-co,image.size=1M,"
                   "image.read-zeroes=on,inject-error.0.event=read_aio,inject-error.0.once=on,"
                   "inject-error.0.sector=130 "
                   "-device usb-uas,id=b -device scsi-hd,bus=b.0,drive=n,rerror=stop");
    slot = connect_uas(&u);
    send(&u, slot, 1, 0, ready, 6);
    assert_ended(&u, slot, 1, 2, 6, 0x29);
    send(&u, slot, 2, 0, read200, 10);
    send(&u, slot, 3, 0, inquiry, 6);
    assert_told(&u, slot, READ_READY, 2, 0, 0);
    g_assert_cmpuint(move(&u, slot, IN_PIPE, DATA, 65536, NULL), ==, QUSB_SUCCESS);
    qusb_submit(&u, slot, IN_PIPE, DATA, 36864);
    json_object_put(qtest_event(u.qt, "STOP"));
    g_assert_cmpuint(qusb_ended(&u, slot, IN_PIPE, NULL), ==, 0);
    qtest_qmp_ok(u.qt, "cont", NULL);
    g_assert_cmpuint(wait_code(&u, slot, IN_PIPE, NULL), ==, QUSB_SUCCESS);
    assert_ended(&u, slot, 2, 0, 0, 0);
    assert_told(&u, slot, READ_READY, 3, 0, 0);
    g_assert_cmpuint(move(&u, slot, IN_PIPE, DATA, 36, NULL), ==, QUSB_SUCCESS);
    assert_ended(&u, slot, 3, 0, 0, 0);
    qtest_quit(u.qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/uas/descriptors", test_descriptors);
    g_test_add_func("/uas/data", test_data);
    g_test_add_func("/uas/tasks", test_tasks);
    g_test_add_func("/uas/errors", test_errors);
    g_test_add_func("/uas/aborted", test_aborted);
    g_test_add_func("/uas/disk-goes", test_disk_goes);
    g_test_add_func("/uas/device-goes", test_device_goes);
    g_test_add_func("/uas/reset", test_reset);
    g_test_add_func("/uas/stopped", test_stopped);
    return g_test_run();
}
