/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Management controllers, by KCS and BT, and one that is another program. */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/qtest/libqtest.h"
#include "tests/qtest/virtio.h"

#define KCS    0xca2
#define BT     0xe4
#define SECOND 1000000000LL
#define SIM    "-m 16 -device ipmi-bmc-sim,id=b,device_id=0x2a,mfg_id=0x112233,product_id=0x4455 "

enum { OBF = 1, SMS_ATN = 4, IDLE = 0, READING = 0x40, WRITING = 0x80, ERROR = 0xc0 };
enum { B2H_ATN = 8, B2H = 8, H2B = 4, BT_ATN = 0x10, H_BUSY = 0x40, B_BUSY = 0x80 };

static unsigned kcs_state(QTest *qt)
{
    return qtest_inb(qt, KCS + 1) & 0xc0;
}

static void kcs_write(QTest *qt, const uint8_t *message, unsigned len)
{
    qtest_outb(qt, KCS + 1, 0x61);
    for (unsigned i = 0; i < len; i++) {
        g_assert_cmphex(kcs_state(qt), ==, WRITING);
        if (i == len - 1) {
            qtest_outb(qt, KCS + 1, 0x62);
        }
        qtest_outb(qt, KCS, message[i]);
    }
}

static unsigned kcs_read(QTest *qt, uint8_t *answer)
{
    unsigned len = 0;

    while (kcs_state(qt) == READING) {
        g_assert_cmphex(qtest_inb(qt, KCS + 1) & OBF, ==, OBF);
        answer[len++] = qtest_inb(qt, KCS);
        qtest_outb(qt, KCS, 0x68);
    }
    g_assert_cmphex(kcs_state(qt), ==, IDLE);
    qtest_inb(qt, KCS);
    return len;
}

/* "06 01": the answer from its completion code on, as such a text; g_free. */
static char *ask(QTest *qt, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    uint8_t message[256], answer[256];
    GString *out = g_string_new(NULL);
    unsigned len = 0;

    for (; words[len]; len++) {
        message[len] = (uint8_t)strtoul(words[len], NULL, 16);
    }
    message[0] <<= 2;
    kcs_write(qt, message, len);
    len = kcs_read(qt, answer);
    g_assert_cmpuint(len, >=, 3);
    g_assert_cmphex(answer[0], ==, message[0] | 4);
    g_assert_cmphex(answer[1], ==, message[1]);
    for (unsigned i = 2; i < len; i++) {
        g_string_append_printf(out, i > 2 ? " %02x" : "%02x", answer[i]);
    }
    return g_string_free(out, FALSE);
}

static void expect(QTest *qt, const char *request, const char *wanted)
{
    g_autofree char *found = ask(qt, request);

    g_assert_cmpstr(found, ==, wanted);
}

static void test_ipmi_kcs(void)
{
    QTest *qt = qtest_start(SIM "-device isa-ipmi-kcs,bmc=b");
    const uint8_t junk[] = { 0x18 };

    expect(qt, "06 01", "00 2a 80 00 00 02 8f 33 22 11 55 44");
    expect(qt, "06 04", "00 55 00");
    expect(qt, "06 7f", "c1");
    expect(qt, "3f 01", "c1");
    expect(qt, "06 2e", "c7"); /* too short */
    expect(qt, "06 37", "c1"); /* no GUID */
    expect(qt, "06 06 aa 81", "00");
    expect(qt, "06 07", "00 2a 01");
    expect(qt, "00 01", "00 01 00 00");
    expect(qt, "06 33", "80"); /* no message */
    /* Errors, and the way out of them (section 9.14). */
    kcs_write(qt, junk, 1);
    g_assert_cmphex(kcs_state(qt), ==, ERROR);
    qtest_outb(qt, KCS + 1, 0x60);
    qtest_outb(qt, KCS, 0);
    g_assert_cmphex(kcs_state(qt), ==, READING);
    g_assert_cmphex(qtest_inb(qt, KCS), ==, 6); /* a length */
    qtest_outb(qt, KCS, 0x68);
    g_assert_cmphex(kcs_state(qt), ==, IDLE);
    qtest_outb(qt, KCS + 1, 0x10); /* as Linux finds out where registers are */
    g_assert_cmphex(kcs_state(qt), ==, ERROR);
    qtest_outb(qt, KCS + 1, 0x61);
    for (unsigned i = 0; i < 1000; i++) {
        qtest_outb(qt, KCS, 0xff);
    }
    qtest_outb(qt, KCS + 1, 0x62);
    qtest_outb(qt, KCS, 0xff);
    g_assert_cmphex(kcs_state(qt), ==, ERROR);
    expect(qt, "06 04", "00 55 00");
    qtest_quit(qt);
}

static void test_ipmi_interrupt(void)
{
    QTest *qt = qtest_start(SIM "-device isa-ipmi-kcs,bmc=b,id=k");

    qtest_irq_intercept_out(qt, "k");
    expect(qt, "06 01", "00 2a 80 00 00 02 8f 33 22 11 55 44");
    g_assert_cmpuint(qtest_irq_raised(qt, 0), ==, 0);
    expect(qt, "06 2e 01", "00");
    const uint8_t request[] = { 0x18, 0x2f };

    kcs_write(qt, request, 2);
    g_assert_true(qtest_get_irq(qt, 0));
    qtest_inb(qt, KCS);
    g_assert_false(qtest_get_irq(qt, 0));
    expect(qt, "06 2f", "00 01");
    expect(qt, "06 02", "00"); /* it begins anew */
    expect(qt, "06 2f", "00 08");
    qtest_quit(qt);
}

static void test_ipmi_log(void)
{
    QTest *qt = qtest_start(SIM "-device isa-ipmi-kcs,bmc=b");

    expect(qt, "0a 49 78 56 34 12", "00");
    expect(qt, "0a 48", "00 78 56 34 12");
    qtest_clock_step(qt, 2 * SECOND);
    expect(qt, "0a 48", "00 7a 56 34 12");
    expect(qt, "0a 43 00 00 00 00 00 ff", "cb");
    expect(qt, "06 2e 0e", "00"); /* events to the buffer, too */
    expect(qt, "04 02 41 04 12 07 6f 01 02 03", "00");
    g_assert_cmphex(qtest_inb(qt, KCS + 1) & SMS_ATN, ==, SMS_ATN);
    expect(qt, "06 31", "00 02");
    expect(qt, "06 35", "00 00 00 02 00 00 00 00 41 00 04 12 07 6f 01 02 03");
    g_assert_cmphex(qtest_inb(qt, KCS + 1) & SMS_ATN, ==, 0);
    expect(qt, "06 35", "80");
    expect(qt, "0a 43 00 00 00 00 00 ff",
           "00 ff ff 01 00 02 7a 56 34 12 41 00 04 12 07 6f 01 02 03");
    expect(qt, "0a 43 00 00 ff ff 0d 02", "c5"); /* parts need a reservation */
    expect(qt, "0a 42", "00 01 00");
    expect(qt, "0a 43 01 00 ff ff 0d 02", "00 ff ff 01 02");
    expect(qt, "0a 43 01 00 ff ff 10 02", "c9");
    expect(qt, "0a 44 00 00 e0 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d", "00 02 00");
    expect(qt, "0a 40", "00 51 02 00 e0 07 01 02 03 04 00 00 00 00 0a");
    expect(qt, "0a 46 01 00 01 00", "00 01 00");
    expect(qt, "0a 46 01 00 02 00", "c5");
    for (unsigned i = 1; i < 128; i++) {
        expect(qt, "04 02 41 04 12 07 6f 01 02 03", "00");
    }
    expect(qt, "04 02 41 04 12 07 6f 01 02 03", "c4");
    expect(qt, "0a 42", "00 03 00");
    expect(qt, "0a 47 03 00 43 4c 52 aa", "00 01");
    expect(qt, "0a 43 00 00 00 00 00 ff", "cb");
    qtest_quit(qt);
}

static void test_ipmi_sensors(void)
{
    QTest *qt = qtest_start(SIM "-device isa-ipmi-kcs,bmc=b");

    expect(qt, "0a 20", "00 51 01 00 00 00 00 00 00 00 00 00 00 00 02");
    expect(qt, "0a 23 00 00 00 00 00 05", "00 ff ff 01 00 51 02 23");
    expect(qt, "0a 23 00 00 02 00 00 05", "cb");
    expect(qt, "0a 22", "00 01 00");
    expect(qt, "0a 23 01 00 ff ff 1f ff", "00 ff ff c8 57 61 74 63 68 64 6f 67");
    expect(qt, "0a 23 01 00 ff ff 28 ff", "c9");
    expect(qt, "04 2d 00", "00 00 c0 00 00");
    expect(qt, "04 2d 01", "cb");
    expect(qt, "0a 10 00", "00 00 04 00");
    expect(qt, "0a 12 00 fe 03 01 02", "00 02");
    expect(qt, "0a 12 00 ff 03 01 02", "c9");
    expect(qt, "0a 12 00 ff ff 01", "c9");
    expect(qt, "0a 11 00 fd 03 ff", "00 03 00 01 02");
    expect(qt, "0a 11 00 00 04 01", "c9");
    expect(qt, "0a 11 01 00 00 01", "cb");
    qtest_quit(qt);
}

static void test_ipmi_watchdog(void)
{
    QTest *qt = qtest_start(SIM "-device isa-ipmi-kcs,bmc=b");

    expect(qt, "06 22", "80"); /* nobody has set it */
    expect(qt, "06 24 00 01 00 00 0a 00", "cc");
    expect(qt, "06 24 04 31 02 00 32 00", "00"); /* 5 s, a message 2 s before */
    expect(qt, "06 22", "00");
    qtest_clock_step(qt, 29 * SECOND / 10);
    expect(qt, "06 31", "00 00");
    expect(qt, "06 25", "00 44 31 02 00 32 00 15 00");
    qtest_clock_step(qt, 2 * SECOND / 10);
    expect(qt, "06 31", "00 08");
    expect(qt, "06 25", "00 44 31 02 00 32 00 13 00");
    expect(qt, "06 22", "00");
    qtest_clock_step(qt, 49 * SECOND / 10);
    g_assert_cmpuint(qtest_event_count(qt, "RESET"), ==, 0);
    qtest_clock_step(qt, 2 * SECOND / 10);
    json_object_put(qtest_event(qt, "RESET"));
    expect(qt, "06 25", "00 00 00 00 10 00 00 00 00");
    expect(qt, "06 24 05 00 00 ff 01 00", "00"); /* nothing is done */
    expect(qt, "06 22", "00");
    qtest_clock_step(qt, SECOND);
    expect(qt, "06 25", "00 05 00 00 20 01 00 00 00");
    g_assert_cmpuint(qtest_event_count(qt, "RESET"), ==, 0);
    expect(qt, "06 24 05 02 00 ff 01 00", "00");
    expect(qt, "06 22", "00");
    qtest_clock_step(qt, SECOND);
    json_object_put(qtest_event(qt, "SHUTDOWN"));
    qtest_wait_exit(qt);
    qtest_quit(qt);
}

static void test_ipmi_chassis(void)
{
    const uint8_t reset[] = { 0, 2, 3 }, off[] = { 0, 2, 0 };
    QTest *qt = qtest_start(SIM "-device isa-ipmi-kcs,bmc=b");

    expect(qt, "00 02 0f", "cc");
    expect(qt, "00 02 05", "00");
    json_object_put(qtest_event(qt, "POWERDOWN"));
    expect(qt, "00 02 04", "00");        /* NMI */
    kcs_write(qt, reset, sizeof(reset)); /* it may come before the answer is read */
    json_object_put(qtest_event(qt, "RESET"));
    kcs_write(qt, off, sizeof(off));
    json_object_put(qtest_event(qt, "SHUTDOWN"));
    qtest_wait_exit(qt);
    qtest_quit(qt);
}

/* ---- BT ---- */

static void bt_send(QTest *qt, uint16_t port, const uint8_t *bytes, unsigned len)
{
    qtest_outb(qt, port, 1);
    for (unsigned i = 0; i < len; i++) {
        qtest_outb(qt, port + 1, bytes[i]);
    }
    qtest_outb(qt, port, H2B);
}

static void bt_device_id(QTest *qt, uint16_t port, uint8_t sequence)
{
    const uint8_t wanted[] = { 15, 0x1c, sequence, 1,    0,    0x2a, 0x80, 0,
                               0,  2,    0x8f,     0x33, 0x22, 0x11, 0x55, 0x44 };
    const uint8_t request[] = { 3, 0x18, sequence, 1 };

    bt_send(qt, port, request, sizeof(request));
    g_assert_cmphex(qtest_inb(qt, port), ==, B2H_ATN);
    qtest_outb(qt, port, H_BUSY);
    g_assert_cmphex(qtest_inb(qt, port), ==, B2H_ATN | H_BUSY);
    qtest_outb(qt, port, B2H_ATN | 2);
    for (unsigned i = 0; i < sizeof(wanted); i++) {
        g_assert_cmphex(qtest_inb(qt, port + 1), ==, wanted[i]);
    }
    g_assert_cmphex(qtest_inb(qt, port + 1), ==, 0xff);
    qtest_outb(qt, port, H_BUSY);
    g_assert_cmphex(qtest_inb(qt, port), ==, 0);
}

static void test_ipmi_bt(void)
{
    QTest *qt = qtest_start(SIM "-device isa-ipmi-bt,bmc=b,id=k");
    const uint8_t bad[][4] = { { 2, 0x18, 0, 1 }, { 0, 0, 0, 0 }, { 255, 0x18, 0, 1 } };
    uint8_t longest[256] = { 255, 0x28, 1, 0x12, 0, 0, 0 };
    const uint8_t written[] = { 5, 0x2c, 1, 0x12, 0, 249 };
    const uint8_t read_all[] = { 7, 0x28, 1, 0x11, 0, 0, 0, 0xff };

    qtest_irq_intercept_out(qt, "k");
    bt_device_id(qt, BT, 7);
    g_assert_cmpuint(qtest_irq_raised(qt, 0), ==, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        bt_send(qt, BT, bad[i], 4);
        g_assert_cmphex(qtest_inb(qt, BT), ==, 0);
    }
    qtest_outb(qt, BT + 2, 1);
    bt_send(qt, BT, longest, sizeof(longest)); /* 249 bytes for the inventory */
    g_assert_true(qtest_get_irq(qt, 0));
    g_assert_cmphex(qtest_inb(qt, BT + 2), ==, 3);
    qtest_outb(qt, BT + 2, 3);
    g_assert_false(qtest_get_irq(qt, 0));
    qtest_outb(qt, BT, B2H_ATN | 2);
    for (unsigned i = 0; i < 6; i++) {
        g_assert_cmphex(qtest_inb(qt, BT + 1), ==, written[i]);
    }
    bt_send(qt, BT, read_all, sizeof(read_all));
    qtest_outb(qt, BT, B2H_ATN | 2);
    g_assert_cmphex(qtest_inb(qt, BT + 1), ==, 255);
    qtest_outb(qt, BT + 2, 0x80); /* a reset of it */
    g_assert_cmphex(qtest_inb(qt, BT + 1), ==, 0xff);
    for (unsigned i = 0; i < 1000; i++) {
        qtest_outb(qt, BT + 1, 0xff);
    }
    qtest_outb(qt, BT, H2B);
    bt_device_id(qt, BT, 9);
    qtest_quit(qt);
}

static void test_ipmi_pci(void)
{
    enum { DEVFN = 5 << 3, PORT = 0xc000 };
    QTest *qt = qtest_start(SIM "-device pci-ipmi-bt,bmc=b,addr=5");

    g_assert_cmphex(qpci_read(qt, DEVFN, 0, 4), ==, 0x11121234);
    g_assert_cmphex(qpci_read(qt, DEVFN, 8, 4), ==, 0x0c070200);
    qpci_write(qt, DEVFN, 0x10, 4, PORT);
    qpci_write(qt, DEVFN, 4, 2, 1);
    bt_device_id(qt, PORT, 1);
    qtest_outb(qt, PORT + 7, 1);
    g_assert_cmphex(qtest_inb(qt, PORT + 7), ==, 0xff);
    qtest_quit(qt);
    qt = qtest_start(SIM "-device pci-ipmi-kcs,bmc=b,addr=5");
    g_assert_cmphex(qpci_read(qt, DEVFN, 8, 4), ==, 0x0c070100);
    qpci_write(qt, DEVFN, 0x10, 4, KCS & ~7);
    qpci_write(qt, DEVFN, 4, 2, 1);
    g_assert_cmphex(qtest_inb(qt, (KCS & ~7) + 1), ==, 0);
    qtest_quit(qt);
}

/* ---- a controller that is another program ---- */

static int listen_at(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    return fd;
}

static void expect_bytes(int fd, const char *wanted, unsigned len)
{
    uint8_t byte;

    for (unsigned i = 0; i < len; i++) {
        g_assert_cmpint(read(fd, &byte, 1), ==, 1);
        g_assert_cmphex(byte, ==, (uint8_t)wanted[i]);
    }
}

#define EXPECT(fd, text) expect_bytes(fd, text, sizeof(text) - 1)
#define SEND(fd, text)   g_assert_cmpint(write(fd, text, sizeof(text) - 1), ==, sizeof(text) - 1)

/* Until it is answered. */
static void await(QTest *qt)
{
    while (kcs_state(qt) == READING && !(qtest_inb(qt, KCS + 1) & OBF)) {
    }
}

static void test_ipmi_extern(void)
{
    g_autofree char *folder = g_dir_make_tmp(NULL, NULL), *path = g_strconcat(folder, "/bmc", NULL);
    const uint8_t request[] = { 0x18, 0xa0, 0xaa, 1 };
    int listener = listen_at(path), fd;
    uint8_t answer[256];
    QTest *qt =
        qtest_start("-m 16 -chardev socket,id=c,path=%s -device ipmi-bmc-extern,id=b,chardev=c "
                    "-device isa-ipmi-kcs,bmc=b,id=k",
                    path);

    fd = accept(listener, NULL, NULL);
    EXPECT(fd, "\xff\x01\xa1\x08\x3f\xa1");
    kcs_write(qt, request, sizeof(request));
    EXPECT(fd, "\x01\x18\xaa\xb0\xaa\xba\x01\x9c\xa0");
    g_assert_cmphex(qtest_inb(qt, KCS + 1), ==, READING);
    SEND(fd, "\x01\x1c\xaa\xb0\x00\x40\xa0");     /* a wrong sum */
    SEND(fd, "\x02\x1c\xaa\xb0\x00\x42\xa0");     /* another number */
    SEND(fd, "\x01\xa0\xa0\xa1\xaa\xa0\xaa\xa1"); /* nothing */
    for (unsigned i = 0; i < 2000; i++) {
        SEND(fd, "x");
    }
    SEND(fd, "\xa0");
    SEND(fd, "\x01\x1c\xaa\xb0\x00\x55\xee\xa0");
    await(qt);
    g_assert_cmpuint(kcs_read(qt, answer), ==, 4);
    g_assert_cmpmem(answer, 4, "\x1c\xa0\x00\x55", 4);
    /* Nobody answers. */
    kcs_write(qt, request, sizeof(request));
    qtest_clock_step(qt, 5 * SECOND);
    g_assert_cmpuint(kcs_read(qt, answer), ==, 3);
    g_assert_cmpmem(answer, 3, "\x1c\xa0\xc3", 3);
    /* What it asks for. */
    qtest_irq_intercept_out(qt, "k");
    SEND(fd, "\x05\xa1\x02\xa1\x09\xa1");
    json_object_put(qtest_event(qt, "POWERDOWN"));
    g_assert_true(qtest_get_irq(qt, 0));
    g_assert_cmphex(qtest_inb(qt, KCS + 1), ==, SMS_ATN);
    SEND(fd, "\x06\xa1\x00\xa1\x07\xa1\x04\xa1");
    json_object_put(qtest_event(qt, "RESET"));
    g_assert_cmphex(qtest_inb(qt, KCS + 1), ==, 0);
    /* While the machine stands, nothing of it changes. */
    qtest_qmp_ok(qt, "stop", NULL);
    SEND(fd, "\x01\xa1\x09\xa1");
    g_usleep(20000);
    json_object_put(qtest_qmp(qt, "query-status", NULL));
    g_assert_cmpuint(qtest_event_count(qt, "POWERDOWN"), ==, 0);
    g_assert_cmphex(qtest_inb(qt, KCS + 1), ==, 0);
    qtest_qmp_ok(qt, "cont", NULL);
    json_object_put(qtest_event(qt, "POWERDOWN"));
    g_assert_cmphex(qtest_inb(qt, KCS + 1), ==, SMS_ATN);
    /* It goes while it is asked, and is away then. */
    kcs_write(qt, request, sizeof(request));
    close(fd);
    await(qt);
    g_assert_cmpuint(kcs_read(qt, answer), ==, 3);
    g_assert_cmpmem(answer, 3, "\x1c\xa0\xff", 3);
    kcs_write(qt, request, sizeof(request));
    g_assert_cmpuint(kcs_read(qt, answer), ==, 3);
    qtest_quit(qt);
    close(listener);
    unlink(path);
    rmdir(folder);
}

/* A request that is half written, the log and the watchdog go with the machine. */
static void test_ipmi_moved(void)
{
    QTest *qt = qtest_start(SIM "-device isa-ipmi-kcs,bmc=b");
    g_autofree char *state = qtest_temp_path(qt, "state");

    expect(qt, "0a 12 00 01 00 01 02", "00 02");
    expect(qt, "04 02 41 04 12 07 6f 01 02 03", "00");
    expect(qt, "06 24 04 01 00 00 32 00", "00");
    expect(qt, "06 22", "00");
    qtest_outb(qt, KCS + 1, 0x61);
    qtest_outb(qt, KCS, 0x18);
    qtest_outb(qt, KCS + 1, 0x62);
    qtest_save(qt, state);
    QTest *to = qtest_start(SIM "-device isa-ipmi-kcs,bmc=b -incoming file:%s", state);
    qtest_wait_running(to);
    qtest_quit(qt);
    uint8_t answer[256];
    qtest_outb(to, KCS, 0x04);
    g_assert_cmpuint(kcs_read(to, answer), ==, 5);
    expect(to, "0a 11 00 00 00 04", "00 04 00 01 02 00");
    expect(to, "0a 42", "00 01 00");
    expect(to, "0a 43 01 00 ff ff 0d 03", "00 ff ff 01 02 03");
    qtest_clock_step(to, 6 * SECOND);
    json_object_put(qtest_event(to, "RESET"));
    qtest_quit(to);
}

static const QTestRefused refused[] = {
    { "-device isa-ipmi-kcs", "'bmc' is missing" },
    { "-device ipmi-bmc-sim,id=b -device isa-ipmi-kcs,bmc=b,ioport=0xffff",
      "'ioport' 0xffff is no port of 2; ports end at 0xffff" },
    { "-device ipmi-bmc-sim,id=b -device isa-ipmi-kcs,bmc=b,ioport=0xfffffffe", "ports end at" },
    { SIM "-device isa-ipmi-kcs,bmc=b -device isa-ipmi-bt,bmc=b", "has an interface already" },
    { SIM "-device isa-ipmi-kcs,bmc=b,irq=16", "it is 1 to 15, or 0 for none" },
    { SIM "-device isa-ipmi-kcs,bmc=b,ioport=0x70", "0x70" },
    { "-device ipmi-bmc-extern,id=b", "needs one: -chardev" },
    { "-device ipmi-bmc-sim,id=b,guid=x", "or a UUID such as" },
    { "-device ipmi-bmc-sim,id=b,mfg_id=0x1000000", "room for 24" },
    { "-device ipmi-bmc-sim,id=b,sdrfile=/nonexistent", "/nonexistent" },
    { "-device ipmi-bmc-sim,id=b,sdrfile=/bin/true", "no whole sensor record" },
    { "-device ipmi-bmc-sim,id=b,frudatafile=/bin/true", "'fruareasize' is 1024" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ipmi/kcs", test_ipmi_kcs);
    g_test_add_func("/ipmi/interrupt", test_ipmi_interrupt);
    g_test_add_func("/ipmi/log", test_ipmi_log);
    g_test_add_func("/ipmi/sensors", test_ipmi_sensors);
    g_test_add_func("/ipmi/watchdog", test_ipmi_watchdog);
    g_test_add_func("/ipmi/chassis", test_ipmi_chassis);
    g_test_add_func("/ipmi/bt", test_ipmi_bt);
    g_test_add_func("/ipmi/pci", test_ipmi_pci);
    g_test_add_func("/ipmi/extern", test_ipmi_extern);
    g_test_add_func("/ipmi/moved", test_ipmi_moved);
    qtest_add_refused("/ipmi/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
