/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libqtest: the qtest protocol. */
#include <inttypes.h>
#include <string.h>

#include "tests/qtest/libqtest-internal.h"

#define BLOCK 65536 /* bytes of memory in one command */

/* "IRQ raise 5" */
static void take_irq(QTest *qt, const char *line)
{
    bool raise = g_str_has_prefix(line, "IRQ raise ");
    guint64 num;

    if ((!raise && !g_str_has_prefix(line, "IRQ lower ")) ||
        !g_ascii_string_to_unsigned(line + strlen("IRQ raise "), 10, 0, QTEST_MAX_IRQ - 1, &num,
                                    NULL)) {
        libqtest_die(qt, "not a line of the protocol: '%s'", line);
    }
    if (raise) {
        qt->irq_levels |= 1u << num;
        qt->irq_raised[num]++;
    } else {
        qt->irq_levels &= ~(1u << num);
    }
}

static char *line_reply(QTest *qt, const char *command)
{
    int64_t deadline = libqtest_deadline(QTEST_TIMEOUT_MS);

    libqtest_send_line(qt, &qt->qtest, command);
    for (;;) {
        char *line = libqtest_line(qt, &qt->qtest, deadline);
        if (!line) {
            libqtest_die(qt, "no answer to '%.200s'", command);
        }
        if (!g_str_has_prefix(line, "IRQ ")) {
            return line;
        }
        take_irq(qt, line);
        g_free(line);
    }
}

static char *line_ok(QTest *qt, const char *command)
{
    g_autofree char *reply = line_reply(qt, command);

    if (strcmp(reply, "OK") == 0) {
        return g_strdup("");
    }
    if (!g_str_has_prefix(reply, "OK ")) {
        libqtest_die(qt, "'%.200s' was answered by '%.200s'", command, reply);
    }
    return g_strdup(reply + 3);
}

char *qtest_line(QTest *qt, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_autofree char *command = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return line_reply(qt, command);
}

char *qtest_line_ok(QTest *qt, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_autofree char *command = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return line_ok(qt, command);
}

static uint64_t load(QTest *qt, const char *command, uint64_t addr)
{
    g_autofree char *line = g_strdup_printf("%s 0x%" PRIx64, command, addr);
    g_autofree char *reply = line_ok(qt, line);
    char *end;
    uint64_t value = g_ascii_strtoull(reply, &end, 0);

    if (end == reply || *end) {
        libqtest_die(qt, "'%s' was answered by 'OK %s'", line, reply);
    }
    return value;
}

static void store(QTest *qt, const char *command, uint64_t addr, uint64_t value)
{
    g_autofree char *line = g_strdup_printf("%s 0x%" PRIx64 " 0x%" PRIx64, command, addr, value);

    g_free(line_ok(qt, line));
}

#define LOAD(name, type, address)              \
    type qtest_##name(QTest *qt, address addr) \
    {                                          \
        return (type)load(qt, #name, addr);    \
    }
#define STORE(name, type, address)                         \
    void qtest_##name(QTest *qt, address addr, type value) \
    {                                                      \
        store(qt, #name, addr, value);                     \
    }

LOAD(inb, uint8_t, uint16_t)
LOAD(inw, uint16_t, uint16_t)
LOAD(inl, uint32_t, uint16_t)
LOAD(readb, uint8_t, uint64_t)
LOAD(readw, uint16_t, uint64_t)
LOAD(readl, uint32_t, uint64_t)
LOAD(readq, uint64_t, uint64_t)
STORE(outb, uint8_t, uint16_t)
STORE(outw, uint16_t, uint16_t)
STORE(outl, uint32_t, uint16_t)
STORE(writeb, uint8_t, uint64_t)
STORE(writew, uint16_t, uint64_t)
STORE(writel, uint32_t, uint64_t)
STORE(writeq, uint64_t, uint64_t)

void qtest_memread(QTest *qt, uint64_t addr, void *buf, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t part = MIN(size - done, BLOCK);
        g_autofree char *text = qtest_line_ok(qt, "b64read 0x%" PRIx64 " %zu", addr + done, part);
        gsize len;
        g_autofree guchar *bytes = g_base64_decode(text, &len);
        if (len != part) {
            libqtest_die(qt, "b64read of %zu bytes gave %zu", part, len);
        }
        memcpy((char *)buf + done, bytes, part);
        done += part;
    }
}

void qtest_memwrite(QTest *qt, uint64_t addr, const void *buf, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t part = MIN(size - done, BLOCK);
        g_autofree char *text = g_base64_encode((const guchar *)buf + done, part);
        g_free(qtest_line_ok(qt, "b64write 0x%" PRIx64 " %zu %s", addr + done, part, text));
        done += part;
    }
}

void qtest_memset(QTest *qt, uint64_t addr, uint8_t byte, size_t size)
{
    g_free(qtest_line_ok(qt, "memset 0x%" PRIx64 " %zu 0x%x", addr, size, byte));
}

/* ---- time and interrupts ---- */

static int64_t clock_command(QTest *qt, const char *command)
{
    g_autofree char *reply = line_ok(qt, command);

    return g_ascii_strtoll(reply, NULL, 10);
}

int64_t qtest_clock_step(QTest *qt, int64_t ns)
{
    g_autofree char *command = g_strdup_printf("clock_step %" PRId64, ns);

    return clock_command(qt, command);
}

int64_t qtest_clock_step_next(QTest *qt)
{
    return clock_command(qt, "clock_step");
}

int64_t qtest_clock_set(QTest *qt, int64_t ns)
{
    g_autofree char *command = g_strdup_printf("clock_set %" PRId64, ns);

    return clock_command(qt, command);
}

void qtest_irq_intercept_in(QTest *qt, const char *path)
{
    g_free(qtest_line_ok(qt, "irq_intercept_in %s", path));
}

void qtest_irq_intercept_out(QTest *qt, const char *path)
{
    g_free(qtest_line_ok(qt, "irq_intercept_out %s", path));
}

/* The lines that QMP commands have caused are ahead of the answer to any command. */
static void hear_irqs(QTest *qt)
{
    g_free(line_ok(qt, "endianness"));
}

bool qtest_get_irq(QTest *qt, unsigned num)
{
    g_assert_cmpuint(num, <, QTEST_MAX_IRQ);
    hear_irqs(qt);
    return qt->irq_levels >> num & 1;
}

unsigned qtest_irq_raised(QTest *qt, unsigned num)
{
    g_assert_cmpuint(num, <, QTEST_MAX_IRQ);
    hear_irqs(qt);
    return qt->irq_raised[num];
}

void qtest_set_irq_in(QTest *qt, const char *path, const char *name, int num, int level)
{
    g_free(qtest_line_ok(qt, "set_irq_in %s %s %d %d", path, name ? name : "unnamed-gpio-in", num,
                         level));
}
