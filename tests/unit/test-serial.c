/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "chardev/char-backend.h"
#include "chardev/chardev.h"
#include "hw/char/isa-debugcon.h"
#include "hw/char/isa-serial.h"
#include "hw/intc/isa-irq.h"
#include "tests/unit/chip-test.h"
#include "util/clock.h"
#include "util/main-loop.h"

#include <glib/gstdio.h>
#include <unistd.h>

enum {
    DATA = 0x3f8,
    IER = 0x3f9,
    IIR = 0x3fa,
    FCR = 0x3fa,
    LCR = 0x3fb,
    MCR = 0x3fc,
    LSR = 0x3fd,
    MSR = 0x3fe,
    SCR = 0x3ff,
};

static TestLine irq4;
static char *out_path;

static void assert_output(const char *expected)
{
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(out_path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, expected);
}

static void test_registers(void)
{
    devices_reset();
    outb(SCR, 0xa5);
    g_assert_cmphex(inb(SCR), ==, 0xa5);
    outb(LCR, 0x83);
    outb(DATA, 0x34);
    outb(IER, 0x12);
    g_assert_cmphex(inb(DATA), ==, 0x34);
    g_assert_cmphex(inb(IER), ==, 0x12);
    outb(LCR, 0x03);
    outb(IER, 0xff);
    g_assert_cmphex(inb(IER), ==, 0x0f);
    outb(IER, 0);
    outb(FCR, 0xe1); /* no 64-byte FIFO here */
    g_assert_cmphex(inb(IIR), ==, 0xc1);
    outb(FCR, 0);
    g_assert_cmphex(inb(IIR), ==, 0x01);
    g_assert_cmphex(inb(LSR), ==, 0x60);
    g_assert_cmphex(inb(MSR), ==, 0xb0);
}

static void test_transmit(void)
{
    devices_reset();
    outb(IER, 2);
    g_assert_cmpint(irq4.level, ==, 1);
    g_assert_cmphex(inb(IIR), ==, 0x02);
    g_assert_cmpint(irq4.level, ==, 0);
    g_assert_cmphex(inb(IIR), ==, 0x01);
    outb(DATA, 'o');
    g_assert_cmpint(irq4.level, ==, 1);
    outb(DATA, 'k');
    outb(IER, 0);
    g_assert_cmpint(irq4.level, ==, 0);
    assert_output("ok");
}

/* ---- a backend that is a serial line too ---- */

static GString *line_log; /* what it was told since this was looked at */

static void log_line(Chardev *chr, const CharLine *line)
{
    g_string_append_printf(line_log, "%u,%u%c%u ", line->speed, line->data_bits,
                           "NOEMS"[line->parity], line -> stop_bits);
}

static void log_break(Chardev *chr, bool on)
{
    g_string_append(line_log, on ? "break " : "- ");
}

static const ChardevOps log_ops = { .set_line = log_line, .set_break = log_break };

static bool log_complete(Object *obj, GError **errp)
{
    chardev_connected(CHARDEV(obj), -1, -1);
    return true;
}

static const ObjectType log_type = {
    .name = "chardev-test-line",
    .parent = TYPE_CHARDEV,
    .ops = &log_ops,
    .complete = log_complete,
};
OBJECT_TYPE_REGISTER(log_type)

static void assert_line(const char *expected)
{
    g_assert_cmpstr(line_log->str, ==, expected);
    g_string_set_size(line_log, 0);
}

/* With another crystal the same divisor is another speed. */
static void test_baudbase(void)
{
    struct json_object *props = json_tokener_parse(
        "{\"driver\": \"isa-serial\", \"chardev\": \"line\", \"index\": 1, \"baudbase\": 1500000}");
    GError *err = NULL;

    line_log = g_string_new(NULL);
    g_assert_nonnull(chardev_new_from_opts("test-line,id=line", NULL));
    Device *port = device_add(props, &err);
    g_assert_no_error(err);
    outb(LCR - 0x100, 0x80);
    outb(DATA - 0x100, 3);
    g_string_set_size(line_log, 0);
    outb(LCR - 0x100, 0x03);
    assert_line("500000,8N1 - ");
    device_unplug(port);
    g_assert_true(chardev_remove(chardev_find("line"), NULL));
    g_string_free(line_log, TRUE);
    json_object_put(props);
}

/* Settings go out when the guest has said them all, and again to a new backend. */
static void test_line_settings(void)
{
    Device *port;

    line_log = g_string_new(NULL);
    g_assert_nonnull(chardev_new_from_opts("test-line,id=line", NULL));
    port = isa_serial_create(1, chardev_find("line"), NULL);
    while (main_loop_iterate(false)) {
    }
    assert_line("- - "); /* no settings from a port that nobody has set */
    outb(LCR - 0x100, 0x9f);
    outb(DATA - 0x100, 12);
    outb(IER - 0x100, 0);
    assert_line("- ");
    outb(LCR - 0x100, 0x1f);
    assert_line("9600,8E2 - ");
    outb(LCR - 0x100, 0x6b);
    assert_line("9600,8M1 break ");
    outb(MCR - 0x100, 0x10); /* the loop keeps it inside */
    assert_line("- ");
    outb(MCR - 0x100, 0);
    assert_line("break ");
    outb(LCR - 0x100, 0x7e);
    assert_line("9600,7S2 break ");
    g_assert_nonnull(chardev_change_from_opts("line", "test-line", NULL));
    while (main_loop_iterate(false)) {
    }
    assert_line("9600,7S2 break ");
    outb(LCR - 0x100, 0x0c | 0x80);
    outb(DATA - 0x100, 0);
    outb(LCR - 0x100, 0x0c);
    assert_line("- 115200,5O2 - ");
    device_unplug(port);
    assert_line("- ");
    g_assert_true(chardev_remove(chardev_find("line"), NULL));
    g_string_free(line_log, TRUE);
}

static void test_loopback(void)
{
    devices_reset();
    outb(MCR, 0x1f);
    g_assert_cmphex(inb(MSR) & 0xf0, ==, 0xf0);
    outb(MCR, 0x1a); /* as Linux probes */
    g_assert_cmphex(inb(MSR) & 0xf0, ==, 0x90);
    outb(DATA, 'x');
    g_assert_cmphex(inb(LSR), ==, 0x61);
    outb(DATA, 'y'); /* no FIFO: overrun */
    g_assert_cmphex(inb(LSR), ==, 0x63);
    g_assert_cmphex(inb(LSR), ==, 0x61);
    g_assert_cmphex(inb(DATA), ==, 'y');
    g_assert_cmphex(inb(LSR), ==, 0x60);
}

static void test_fifo(void)
{
    devices_reset();
    outb(MCR, 0x10);
    outb(FCR, 0x81); /* trigger 8 */
    inb(MSR);
    outb(IER, 5);
    for (unsigned i = 0; i < 7; i++) {
        outb(DATA, 'a' + i);
    }
    g_assert_cmpint(irq4.level, ==, 0);
    step(10 * NS_PER_MS); /* more than four characters at 9600 */
    g_assert_cmphex(inb(IIR), ==, 0xcc);
    outb(DATA, 'h');
    g_assert_cmphex(inb(IIR), ==, 0xc4);
    for (unsigned i = 0; i < 9; i++) {
        outb(DATA, 'z');
    }
    g_assert_cmphex(inb(IIR), ==, 0xc6); /* overrun */
    g_assert_cmphex(inb(LSR), ==, 0x63);
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(inb(DATA), ==, 'a' + i);
    }
    g_assert_cmphex(inb(IIR), ==, 0xc4);
    outb(FCR, 0x83);
    g_assert_cmphex(inb(LSR), ==, 0x60);
    g_assert_cmphex(inb(IIR), ==, 0xc1);
}

static void test_modem_interrupt(void)
{
    devices_reset();
    outb(MCR, 0x10);
    inb(MSR);
    outb(IER, 8);
    outb(MCR, 0x12);
    g_assert_cmphex(inb(IIR), ==, 0);
    g_assert_cmphex(inb(MSR), ==, 0x11);
    g_assert_cmphex(inb(IIR), ==, 1);
    outb(MCR, 0x16); /* RI rises: no interrupt */
    g_assert_cmphex(inb(IIR), ==, 1);
    outb(MCR, 0x12);
    g_assert_cmphex(inb(MSR), ==, 0x14);
    outb(IER, 0);
}

static Device *add(const char *json, GError **err)
{
    struct json_object *props = json_tokener_parse(json);
    Device *dev = device_add(props, err);

    json_object_put(props);
    return dev;
}

static void assert_refused(const char *json)
{
    g_autoptr(GError) err = NULL;

    g_assert_null(add(json, &err));
    g_assert_nonnull(err);
}

static void test_device_add(void)
{
    g_autoptr(GError) err = NULL;

    assert_refused("{'driver':'isa-serial','chardev':'nix'}");
    assert_refused("{'driver':'isa-serial','index':4}");
    assert_refused("{'driver':'isa-serial','index':0}"); /* taken */
    assert_refused("{'driver':'isa-serial','iobase':65530,'irq':5}");
    assert_refused("{'driver':'isa-serial','index':1,'irq':16}");
    assert_refused("{'driver':'isa-debugcon'}");
    assert_refused("{'driver':'isa-debugcon','chardev':'out'}"); /* taken */
    g_assert_nonnull(add("{'driver':'isa-serial'}", &err));
    g_assert_no_error(err);
    outb(0x2ff, 0x77); /* it is COM2 */
    g_assert_cmphex(inb(0x2ff), ==, 0x77);
}

static void test_debugcon(void)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *path = g_strdup_printf("%s.debug", out_path);
    g_autofree char *spec = g_strdup_printf("file:%s", path);
    g_autofree char *text = NULL;

    g_assert_nonnull(chardev_new_from_short("dbg", spec, false, &err));
    g_assert_nonnull(add("{'driver':'isa-debugcon','chardev':'dbg','iobase':1026}", &err));
    g_assert_no_error(err);
    g_assert_cmphex(inb(0x402), ==, 0xe9);
    outb(0x402, '!');
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "!");
    g_unlink(path);
}

static void test_any_write(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);

    for (unsigned i = 0; i < 20000; i++) {
        outb(0x2f8 + g_rand_int(rand) % 8, g_rand_int(rand));
        inb(0x2f8 + g_rand_int(rand) % 8);
        step(g_rand_int(rand) % NS_PER_MS);
    }
}

int main(int argc, char **argv)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *spec = NULL;
    Irq irqs[ISA_IRQS] = { [4] = test_line(&irq4) };
    int fd, result;

    chip_test_init(&argc, &argv);
    fd = g_file_open_tmp("test-serial-XXXXXX", &out_path, NULL);
    close(fd);
    spec = g_strdup_printf("file:%s", out_path);
    isa_irqs_connect(irqs);
    chardev_new_from_short("out", spec, false, &err);
    g_assert_no_error(err);
    isa_serial_create(0, chardev_find("out"), &err);
    g_assert_no_error(err);
    g_test_add_func("/serial/registers", test_registers);
    g_test_add_func("/serial/transmit", test_transmit);
    g_test_add_func("/serial/line", test_line_settings);
    g_test_add_func("/serial/baudbase", test_baudbase);
    g_test_add_func("/serial/loopback", test_loopback);
    g_test_add_func("/serial/fifo", test_fifo);
    g_test_add_func("/serial/modem", test_modem_interrupt);
    g_test_add_func("/serial/device-add", test_device_add);
    g_test_add_func("/serial/debugcon", test_debugcon);
    g_test_add_func("/serial/any-write", test_any_write);
    result = g_test_run();
    g_unlink(out_path);
    g_free(out_path);
    return result;
}
