/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keyboard: keys that the monitor presses, as the guest reads them at the 8042. */
#include <string.h>

#include "tests/qtest/libqtest.h"

#define DATA    0x60
#define CONTROL 0x64
#define MS      1000000LL

enum {
    FULL = 1,
    WRITE_RAM = 0x60,
    READ_RAM = 0x20,
    OFF = 0xad,
    ON = 0xae,
    IRQ1 = 1,
    TRANSLATE = 0x40
};

/* What there is to read, in hexadecimal. */
static char *read_all(QTest *qt)
{
    GString *text = g_string_new(NULL);

    while (qtest_inb(qt, CONTROL) & FULL) {
        g_string_append_printf(text, "%s%02x", text->len ? " " : "", qtest_inb(qt, DATA));
    }
    return g_string_free(text, FALSE);
}

static void assert_read(QTest *qt, const char *bytes)
{
    g_autofree char *text = read_all(qt);

    g_assert_cmpstr(text, ==, bytes);
}

static void press(QTest *qt, const char *keys)
{
    g_autofree char *answer = qtest_hmp(qt, "sendkey %s", keys);

    g_assert_cmpstr(answer, ==, "");
}

static void set_config(QTest *qt, uint8_t config)
{
    qtest_outb(qt, CONTROL, WRITE_RAM);
    qtest_outb(qt, DATA, config);
}

/* In set 1, as the controller translates; released when their time is over. */
static void test_keys(void)
{
    QTest *qt = qtest_start("-m 16");

    qtest_irq_intercept_in(qt, "ioapic");
    qtest_qmp_ok(qt, "send-key",
                 "{'keys': [{'type': 'qcode', 'data': 'ctrl'}, {'type': 'number', 'data': 30}]}");
    g_assert_true(qtest_get_irq(qt, 1));
    assert_read(qt, "1d 1e");
    g_assert_false(qtest_get_irq(qt, 1));
    qtest_clock_step(qt, 99 * MS);
    assert_read(qt, "");
    qtest_clock_step(qt, MS);
    g_assert_true(qtest_get_irq(qt, 1));
    assert_read(qt, "9e 9d");
    press(qt, "alt_r-delete 10"); /* with a prefix */
    qtest_clock_step(qt, 10 * MS);
    assert_read(qt, "e0 38 e0 53 e0 d3 e0 b8");
    press(qt, "shift-<"); /* what is held goes before what comes */
    press(qt, "f7");
    assert_read(qt, "2a 56 d6 aa 41");
    qtest_clock_step(qt, 100 * MS);
    assert_read(qt, "c1");
    press(qt, "0x9c"); /* the keypad's enter */
    qtest_clock_step(qt, 100 * MS);
    assert_read(qt, "e0 1c e0 9c");
    qtest_quit(qt);
}

/* Without translation, and as set 1 of the keyboard itself. */
static void test_sets(void)
{
    QTest *qt = qtest_start("-m 16");

    set_config(qt, 0);
    press(qt, "alt-sysrq-up 0");
    qtest_clock_step(qt, 1);
    assert_read(qt, "11 84 e0 75 e0 f0 75 f0 84 f0 11");
    qtest_outb(qt, DATA, 0xf0);
    qtest_outb(qt, DATA, 0);
    assert_read(qt, "fa fa 02");
    qtest_outb(qt, DATA, 0xf0);
    qtest_outb(qt, DATA, 1);
    assert_read(qt, "fa fa");
    press(qt, "alt-up 0");
    qtest_clock_step(qt, 1);
    assert_read(qt, "38 e0 48 e0 c8 b8");
    qtest_outb(qt, DATA, 0xff); /* reset: set 2 */
    qtest_outb(qt, DATA, 0xf0);
    qtest_outb(qt, DATA, 0);
    assert_read(qt, "fa aa fa fa 02");
    qtest_quit(qt);
}

/* Keys wait while the guest has the interface off; a keyboard that is off forgets them; what the
 * controller answers goes before. */
static void test_off(void)
{
    QTest *qt = qtest_start("-m 16");

    qtest_outb(qt, CONTROL, OFF);
    press(qt, "a");
    assert_read(qt, "");
    qtest_outb(qt, CONTROL, ON);
    qtest_outb(qt, CONTROL, READ_RAM);
    assert_read(qt, "65 1e");
    qtest_clock_step(qt, 100 * MS);
    qtest_outb(qt, DATA, 0xf5);
    press(qt, "b 0");
    qtest_clock_step(qt, 1);
    assert_read(qt, "9e fa"); /* the release was in the buffer of the controller */
    qtest_outb(qt, DATA, 0xf4);
    press(qt, "c");
    assert_read(qt, "fa 2e");
    qtest_qmp_ok(qt, "system_reset", NULL);
    qtest_clock_step(qt, 100 * MS);
    assert_read(qt, "");
    qtest_quit(qt);
}

/* Nobody reads: no key is pressed by half. */
static void test_full(void)
{
    QTest *qt = qtest_start("-m 16");
    unsigned pressed = 0;

    for (;; pressed++) {
        g_autofree char *answer = qtest_hmp(qt, "sendkey ctrl-alt-delete 1");

        g_assert_cmpuint(pressed, <, 256);
        if (strstr(answer, "does not read its keyboard")) {
            break;
        }
    }
    qtest_clock_step(qt, MS);
    g_autofree char *all = read_all(qt);
    char *rest = all;
    for (unsigned i = 0; i < pressed; i++) {
        const char *bytes = "1d 38 e0 53 e0 d3 b8 9d";

        g_assert_true(g_str_has_prefix(rest, bytes));
        rest += strlen(bytes) + (i + 1 < pressed);
    }
    g_assert_cmpstr(rest, ==, "");
    press(qt, "a");
    assert_read(qt, "1e");
    qtest_quit(qt);
}

/* Keys that the guest has not read, and that are held, go with the machine. */
static void test_state(void)
{
    QTest *qt = qtest_start("-m 16");

    press(qt, "ctrl_r-a");
    g_autofree char *file = qtest_temp_path(qt, "state");
    qtest_save(qt, file);
    QTest *to = qtest_start("-m 16 -incoming file:%s", file);
    qtest_wait_running(to);
    qtest_quit(qt);
    assert_read(to, "e0 1d 1e");
    qtest_clock_step(to, 100 * MS);
    assert_read(to, "9e e0 9d");
    qtest_quit(to);
}

static void test_refused(void)
{
    QTest *qt = qtest_start("-m 16");
    static const struct {
        const char *keys, *words;
    } cases[] = {
        { "{'keys': [{'type': 'number', 'data': 0}]}", "no number of a key" },
        { "{'keys': [{'type': 'number', 'data': 128}]}", "no number of a key" },
        { "{'keys': [{'type': 'number', 'data': 256}]}", "no number of a key" },
        { "{'keys': [{'type': 'qcode', 'data': 'unmapped'}]}", "no key 'unmapped'" },
        { "{'keys': [{'type': 'qcode', 'data': 'a'}], 'hold-time': -1}", "'hold-time'" },
        { "{'keys': [{'type': 'qcode', 'data': 'a'}], 'hold-time': 60001}", "'hold-time'" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(json_object) err = qtest_qmp_error(qt, "send-key", cases[i].keys);

        g_assert_nonnull(strstr(qtest_get_str(err, "desc"), cases[i].words));
    }
    g_autofree char *many = g_strnfill(16 * 2 + 1, 'a');
    for (unsigned i = 1; i < 16 * 2; i += 2) {
        many[i] = '-';
    }
    g_autofree char *too_many = qtest_hmp(qt, "sendkey %s", many);
    g_assert_nonnull(strstr(too_many, "17 keys are too many"));
    g_autofree char *unknown = qtest_hmp(qt, "sendkey ctrl-foo");
    g_assert_nonnull(strstr(unknown, "no key 'foo'"));
    assert_read(qt, "");
    qtest_quit(qt);
    qt = qtest_start("-M none");
    json_object_put(qtest_qmp_error(qt, "send-key", "{'keys': []}"));
    qtest_quit(qt);
}

/* Whatever is written to both ports while keys come, nothing is lost but bytes. */
static void test_hostile(void)
{
    QTest *qt = qtest_start("-m 16");
    g_autoptr(GRand) rand = g_rand_new_with_seed(15);

    for (unsigned i = 0; i < 4000; i++) {
        uint8_t value = (uint8_t)g_rand_int(rand);

        if (i % 8 == 0) {
            g_autofree char *any = qtest_hmp(qt, "sendkey 0x%x 1", 1 + value % 127);
        }
        if (g_rand_boolean(rand)) {
            qtest_outb(qt, DATA, value);
        } else if (value < 0xf0 && value != 0xd1) { /* no reset */
            qtest_outb(qt, CONTROL, value);
        }
        qtest_inb(qt, g_rand_boolean(rand) ? DATA : CONTROL);
        if (i % 16 == 0) {
            qtest_clock_step(qt, MS);
        }
    }
    qtest_qmp_ok(qt, "system_reset", NULL);
    g_autofree char *left = read_all(qt);
    press(qt, "a");
    assert_read(qt, "1e");
    qtest_quit(qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/keyboard/keys", test_keys);
    g_test_add_func("/keyboard/sets", test_sets);
    g_test_add_func("/keyboard/off", test_off);
    g_test_add_func("/keyboard/full", test_full);
    g_test_add_func("/keyboard/state", test_state);
    g_test_add_func("/keyboard/refused", test_refused);
    g_test_add_func("/keyboard/hostile", test_hostile);
    return g_test_run();
}
