/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/qtest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "accel/accel.h"
#include "memory/memory.h"
#include "util/clock.h"
#include "util/error.h"

#define MAX_BLOCK (UINT64_C(64) << 20) /* bytes in one read or write */
#define MAX_WORDS 4

typedef struct QtestCommand QtestCommand;

/* Words of the line: words[0] is the command. nums[i] is words[i] as a number, where `numbers` has
 * bit i set. */
typedef struct QtestLine {
    const QtestCommand *command;
    char *words[MAX_WORDS];
    uint64_t nums[MAX_WORDS];
    unsigned count;
} QtestLine;

struct QtestCommand {
    const char *name;
    unsigned min_words, max_words; /* with the command's name */
    unsigned numbers;
    unsigned size; /* of the access */
    AddressSpace *as;
    char *(*run)(const QtestLine *line);
};

static char *fail(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
static char *fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return g_strdup_printf("FAIL %s", text);
}

static char *ok(void)
{
    return g_strdup("OK");
}

/* ---- commands ---- */

static char *do_load(const QtestLine *line)
{
    uint64_t value = address_space_load(line->command->as, line->nums[1], line->command->size);

    return line->command->as == &address_space_io ? g_strdup_printf("OK 0x%04" PRIx64, value)
                                                  : g_strdup_printf("OK 0x%016" PRIx64, value);
}

static char *do_store(const QtestLine *line)
{
    address_space_store(line->command->as, line->nums[1], line->nums[2], line->command->size);
    return ok();
}

/* Read words 1 and 2, an address and a size, into a new buffer; NULL and *@reply if wrong. */
static uint8_t *new_buffer(const QtestLine *line, char **reply)
{
    if (line->nums[2] == 0 || line->nums[2] > MAX_BLOCK) {
        *reply = fail("a size must be from 1 to %" PRIu64, MAX_BLOCK);
        return NULL;
    }
    return g_malloc0(line->nums[2]);
}

static char *do_read(const QtestLine *line)
{
    char *reply = NULL;
    g_autofree uint8_t *buf = new_buffer(line, &reply);

    if (!buf) {
        return reply;
    }
    address_space_read(line->command->as, line->nums[1], buf, line->nums[2]);
    GString *text = g_string_sized_new(line->nums[2] * 2 + 6);
    g_string_append(text, "OK 0x");
    for (uint64_t i = 0; i < line->nums[2]; i++) {
        static const char digits[] = "0123456789abcdef";
        g_string_append_c(text, digits[buf[i] >> 4]);
        g_string_append_c(text, digits[buf[i] & 15]);
    }
    return g_string_free(text, FALSE);
}

static char *do_b64read(const QtestLine *line)
{
    char *reply = NULL;
    g_autofree uint8_t *buf = new_buffer(line, &reply);

    if (!buf) {
        return reply;
    }
    address_space_read(line->command->as, line->nums[1], buf, line->nums[2]);
    g_autofree char *text = g_base64_encode(buf, line->nums[2]);
    return g_strdup_printf("OK %s", text);
}

static char *do_write(const QtestLine *line)
{
    char *reply = NULL;
    g_autofree uint8_t *buf = new_buffer(line, &reply);
    const char *hex = line->words[3];

    if (!buf) {
        return reply;
    }
    if (!g_str_has_prefix(hex, "0x") || strlen(hex) != 2 + 2 * line->nums[2] ||
        strspn(hex + 2, "0123456789abcdefABCDEF") != 2 * line->nums[2]) {
        return fail("the data must be 0x and two hexadecimal digits a byte");
    }
    for (uint64_t i = 0; i < line->nums[2]; i++) {
        const char *p = hex + 2 + 2 * i;
        buf[i] = g_ascii_xdigit_value(p[0]) << 4 | g_ascii_xdigit_value(p[1]);
    }
    address_space_write(line->command->as, line->nums[1], buf, line->nums[2]);
    return ok();
}

static char *do_b64write(const QtestLine *line)
{
    gsize len;
    g_autofree guchar *buf = g_base64_decode(line->words[3], &len);

    if (len != line->nums[2]) {
        return fail("the data is %zu bytes, not %" PRIu64, len, line->nums[2]);
    }
    address_space_write(line->command->as, line->nums[1], buf, len);
    return ok();
}

static char *do_memset(const QtestLine *line)
{
    address_space_set(line->command->as, line->nums[1], line->nums[3], line->nums[2]);
    return ok();
}

static char *step_clock(int64_t to)
{
    if (!accel_current() || strcmp(accel_current()->name, "qtest") != 0) {
        return fail("the clock can be stepped with -accel qtest only");
    }
    if (to < clock_ns()) {
        return fail("the clock cannot go back from %" PRId64, clock_ns());
    }
    clock_step_to(to);
    return g_strdup_printf("OK %" PRId64, clock_ns());
}

static char *do_clock_step(const QtestLine *line)
{
    int64_t next = clock_next_expiry(), now = clock_ns();

    if (line->count == 1) {
        return step_clock(MAX(next, now));
    }
    if (line->nums[1] > (uint64_t)(INT64_MAX - now)) {
        return fail("a step of %" PRIu64 " ns is too far", line->nums[1]);
    }
    return step_clock(now + line->nums[1]);
}

static char *do_clock_set(const QtestLine *line)
{
    if (line->nums[1] > INT64_MAX) {
        return fail("a clock of %" PRIu64 " ns is too far", line->nums[1]);
    }
    return step_clock(line->nums[1]);
}

static char *do_endianness(const QtestLine *line)
{
    return g_strdup("OK little");
}

#define MEM &address_space_memory
#define IO  &address_space_io

static const QtestCommand commands[] = {
    { "inb", 2, 2, 1 << 1, 1, IO, do_load },
    { "inw", 2, 2, 1 << 1, 2, IO, do_load },
    { "inl", 2, 2, 1 << 1, 4, IO, do_load },
    { "outb", 3, 3, 1 << 1 | 1 << 2, 1, IO, do_store },
    { "outw", 3, 3, 1 << 1 | 1 << 2, 2, IO, do_store },
    { "outl", 3, 3, 1 << 1 | 1 << 2, 4, IO, do_store },
    { "readb", 2, 2, 1 << 1, 1, MEM, do_load },
    { "readw", 2, 2, 1 << 1, 2, MEM, do_load },
    { "readl", 2, 2, 1 << 1, 4, MEM, do_load },
    { "readq", 2, 2, 1 << 1, 8, MEM, do_load },
    { "writeb", 3, 3, 1 << 1 | 1 << 2, 1, MEM, do_store },
    { "writew", 3, 3, 1 << 1 | 1 << 2, 2, MEM, do_store },
    { "writel", 3, 3, 1 << 1 | 1 << 2, 4, MEM, do_store },
    { "writeq", 3, 3, 1 << 1 | 1 << 2, 8, MEM, do_store },
    { "read", 3, 3, 1 << 1 | 1 << 2, 0, MEM, do_read },
    { "write", 4, 4, 1 << 1 | 1 << 2, 0, MEM, do_write },
    { "b64read", 3, 3, 1 << 1 | 1 << 2, 0, MEM, do_b64read },
    { "b64write", 4, 4, 1 << 1 | 1 << 2, 0, MEM, do_b64write },
    { "memset", 4, 4, 1 << 1 | 1 << 2 | 1 << 3, 0, MEM, do_memset },
    { "clock_step", 1, 2, 1 << 1, 0, NULL, do_clock_step },
    { "clock_set", 2, 2, 1 << 1, 0, NULL, do_clock_set },
    { "endianness", 1, 1, 0, 0, NULL, do_endianness },
};

/* ---- lines ---- */

static bool parse_number(const char *word, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = g_ascii_strtoull(word, &end, 0);
    return errno == 0 && end != word && *end == '\0';
}

static char *run_line(QtestLine *line)
{
    const QtestCommand *command = line->command;

    if (line->count < command->min_words || line->count > command->max_words) {
        return fail("'%s' takes %u to %u arguments", command->name, command->min_words - 1,
                    command->max_words - 1);
    }
    for (unsigned i = 1; i < line->count; i++) {
        if ((command->numbers & 1u << i) && !parse_number(line->words[i], &line->nums[i])) {
            return fail("'%s' is not a number", line->words[i]);
        }
    }
    return command->run(line);
}

char *qtest_command(const char *text)
{
    g_auto(GStrv) words = g_strsplit_set(text, " \t\r", -1);
    QtestLine line = { 0 };

    for (char **word = words; *word; word++) {
        if (!**word) {
            continue;
        }
        if (line.count == MAX_WORDS) {
            return fail("too many words");
        }
        line.words[line.count++] = *word;
    }
    if (line.count == 0) {
        return fail("an empty line");
    }
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (strcmp(commands[i].name, line.words[0]) == 0) {
            line.command = &commands[i];
            return run_line(&line);
        }
    }
    return fail("unknown command '%s'", line.words[0]);
}

/* ---- the server ---- */

typedef struct QtestServer {
    CharFrontend fe;
    GString *input;
    FILE *log;
    int64_t start_ns;
} QtestServer;

static QtestServer server;

static void server_log(char direction, const char *text)
{
    if (server.log) {
        fprintf(server.log, "[%c +%f] %s\n", direction,
                (clock_host_ns() - server.start_ns) / (double)NS_PER_SEC, text);
    }
}

static int server_can_receive(void *opaque)
{
    return 4096;
}

static void server_receive(void *opaque, const uint8_t *buf, int len)
{
    char *newline;

    g_string_append_len(server.input, (const char *)buf, len);
    while ((newline = memchr(server.input->str, '\n', server.input->len)) != NULL) {
        *newline = '\0';
        server_log('R', server.input->str);
        g_autofree char *reply = qtest_command(server.input->str);
        server_log('S', reply);
        char_write(&server.fe, reply, strlen(reply));
        char_write(&server.fe, "\n", 1);
        g_string_erase(server.input, 0, newline - server.input->str + 1);
    }
}

static void server_event(void *opaque, CharEvent event)
{
    if (event == CHAR_EVENT_OPENED) {
        g_string_truncate(server.input, 0);
    }
}

bool qtest_server_start(Chardev *chr, const char *log_path, GError **errp)
{
    if (log_path) {
        server.log = fopen(log_path, "we");
        if (!server.log) {
            error_set_errno(errp, errno, "-qtest-log %s: cannot open it for writing", log_path);
            return false;
        }
        setvbuf(server.log, NULL, _IOLBF, 0);
    }
    server.start_ns = clock_host_ns();
    server.input = g_string_new(NULL);
    server.fe = (CharFrontend){
        .can_receive = server_can_receive,
        .receive = server_receive,
        .event = server_event,
        .keep_output = true,
    };
    return char_attach(chr, &server.fe, errp);
}
