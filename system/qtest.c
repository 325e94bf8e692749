/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/qtest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "accel/accel.h"
#include "hw/core/irq-lines.h"
#include "memory/address-space.h"
#include "memory/memory.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/made-files.h"
#include "util/timer.h"

#define MAX_BLOCK  (UINT64_C(64) << 20)  /* bytes in one read or write */
#define MAX_LINE   (2 * MAX_BLOCK + 256) /* characters: a write of MAX_BLOCK */
#define MAX_UNSENT (1 << 20)             /* bytes of answers at which input has to wait */
#define MAX_TIMERS 1000000               /* that come due in one step of the clock */
#define MAX_LINES  256                   /* of interrupts */
#define MAX_WORDS  5

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
    unsigned size; /* of the access; for irq_intercept: 1 is out */
    AddressSpace *as;
    char *(*run)(const QtestLine *line);
};

/* The command cannot be done. */
static char *fail(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
static char *fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return g_strdup_printf("FAIL %s", text);
}

/* The line is not as it should be. */
static char *malformed(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
static char *malformed(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return g_strdup_printf("ERR %s", text);
}

static char *ok(void)
{
    return g_strdup("OK");
}

/* ---- ports and memory ---- */

static bool good_address(const QtestLine *line, char **reply)
{
    if (line->command->as == &address_space_io && line->nums[1] > 0xffff) {
        *reply = malformed("'%s' is not a port: they are 0 to 0xffff", line->words[1]);
        return false;
    }
    return true;
}

static char *do_load(const QtestLine *line)
{
    char *reply;

    if (!good_address(line, &reply)) {
        return reply;
    }
    uint64_t value = address_space_load(line->command->as, line->nums[1], line->command->size);
    return line->command->as == &address_space_io ? g_strdup_printf("OK 0x%04" PRIx64, value)
                                                  : g_strdup_printf("OK 0x%016" PRIx64, value);
}

static char *do_store(const QtestLine *line)
{
    char *reply;

    if (!good_address(line, &reply)) {
        return reply;
    }
    address_space_store(line->command->as, line->nums[1], line->nums[2], line->command->size);
    return ok();
}

/* Word 2 is the size of a new buffer; NULL and *@reply if it is wrong. */
static uint8_t *new_buffer(const QtestLine *line, uint64_t least, char **reply)
{
    if (line->nums[2] < least || line->nums[2] > MAX_BLOCK) {
        *reply = malformed("a size must be from %" PRIu64 " to %" PRIu64, least, MAX_BLOCK);
        return NULL;
    }
    return g_malloc0(line->nums[2] + 1);
}

static char *do_read(const QtestLine *line)
{
    char *reply = NULL;
    g_autofree uint8_t *buf = new_buffer(line, 1, &reply);

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
    g_autofree uint8_t *buf = new_buffer(line, 0, &reply);

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
    g_autofree uint8_t *buf = new_buffer(line, 1, &reply);
    const char *hex = line->words[3];

    if (!buf) {
        return reply;
    }
    if (!g_str_has_prefix(hex, "0x") || strlen(hex) != 2 + 2 * line->nums[2] ||
        strspn(hex + 2, "0123456789abcdefABCDEF") != 2 * line->nums[2]) {
        return malformed("the data must be 0x and two hexadecimal digits for each of %" PRIu64
                         " bytes",
                         line->nums[2]);
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
    g_autofree guchar *buf = g_base64_decode(line->count > 3 ? line->words[3] : "", &len);

    if (len != line->nums[2]) {
        return malformed("the data is %zu bytes, not %" PRIu64, len, line->nums[2]);
    }
    address_space_write(line->command->as, line->nums[1], buf, len);
    return ok();
}

static char *do_memset(const QtestLine *line)
{
    address_space_set(line->command->as, line->nums[1], line->nums[3], line->nums[2]);
    return ok();
}

/* ---- the clock ---- */

/* 73 years: the clock holds twice as much, and devices add to it. */
#define MAX_CLOCK (INT64_MAX / 4)

/* Go to @to, from one timer to the next so that no client keeps us busy for ever. */
static char *step_clock(int64_t to)
{
    int64_t next;

    if (!accel_current() || strcmp(accel_current()->name, "qtest") != 0) {
        return fail("the clock can be stepped with -accel qtest only");
    }
    for (unsigned i = 0; (next = timers_next_expiry()) >= 0 && next <= to; i++) {
        if (i == MAX_TIMERS) {
            return fail("%d timers came due: the clock has stopped at %" PRId64, MAX_TIMERS,
                        clock_ns());
        }
        timers_step_to(MAX(next, clock_ns()));
    }
    if (to > clock_ns()) {
        timers_step_to(to);
    }
    return g_strdup_printf("OK %" PRId64, clock_ns());
}

static char *do_clock_step(const QtestLine *line)
{
    int64_t now = clock_ns();

    if (line->count == 1) {
        return step_clock(MAX(timers_next_expiry(), now));
    }
    if (line->nums[1] > (uint64_t)MAX(MAX_CLOCK - now, 0)) {
        return malformed("a step of %" PRIu64 " ns is too far: the clock ends at %" PRId64,
                         line->nums[1], MAX_CLOCK);
    }
    return step_clock(now + line->nums[1]);
}

static char *do_clock_set(const QtestLine *line)
{
    if (line->nums[1] > (uint64_t)MAX_CLOCK) {
        return malformed("a clock of %" PRIu64 " ns is too far: it ends at %" PRId64, line->nums[1],
                         MAX_CLOCK);
    }
    return step_clock(line->nums[1]); /* stays where it is if that is past */
}

/* ---- interrupts ---- */

static struct {
    char *path; /* canonical, of the device whose lines are heard; NULL: none */
    bool out;
    bool levels[MAX_LINES]; /* as the client knows them */
} intercept;

static void send_line(const char *text);

static void intercepted(void *opaque, int n, int level)
{
    if (n >= 0 && n < MAX_LINES && intercept.levels[n] != (level != 0)) {
        intercept.levels[n] = level != 0;
        g_autofree char *text = g_strdup_printf("IRQ %s %d", level ? "raise" : "lower", n);
        send_line(text);
    }
}

static Device *find_device(const char *path, char **reply)
{
    Device *dev = irq_lines_device(path);

    if (!dev) {
        *reply = fail("there is no device '%s': a QOM path, or a type that is there once", path);
    }
    return dev;
}

static char *do_irq_intercept(const QtestLine *line)
{
    bool out = line->command->size;
    char *reply;
    Device *dev = find_device(line->words[1], &reply);

    if (!dev) {
        return reply;
    }
    g_autofree char *path = object_path(&dev->parent);
    if (!intercept.path) {
        /* A device without such lines has nothing to be heard, which is no failure. */
        irq_lines_spy(dev, out, NULL, intercepted, NULL);
        intercept.path = g_steal_pointer(&path);
        intercept.out = out;
    } else if (strcmp(intercept.path, path) != 0 || intercept.out != out) {
        return fail("the %s lines of %s are intercepted already, and only one set can be",
                    intercept.out ? "output" : "input", intercept.path);
    }
    return ok();
}

static char *do_set_irq_in(const QtestLine *line)
{
    const char *name = strcmp(line->words[2], "unnamed-gpio-in") == 0 ? NULL : line->words[2];
    unsigned count;
    char *reply;
    Device *dev = find_device(line->words[1], &reply);

    if (!dev) {
        return reply;
    }
    Irq *lines = irq_lines_find(dev, false, name, &count);
    if (!lines) {
        return fail("%s has no input lines '%s'", line->words[1], line->words[2]);
    }
    if (line->nums[3] >= count) {
        return fail("%s has the lines 0 to %u", line->words[1], count - 1);
    }
    irq_set(&lines[line->nums[3]], line->nums[4] != 0);
    return ok();
}

/* ---- others ---- */

static char *do_endianness(const QtestLine *line)
{
    return g_strdup("OK little");
}

/* All that there is, is in the program. */
static char *do_module_load(const QtestLine *line)
{
    return g_strdup("FAIL");
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
    { "b64write", 3, 4, 1 << 1 | 1 << 2, 0, MEM, do_b64write },
    { "memset", 4, 4, 1 << 1 | 1 << 2 | 1 << 3, 0, MEM, do_memset },
    { "clock_step", 1, 2, 1 << 1, 0, NULL, do_clock_step },
    { "clock_set", 2, 2, 1 << 1, 0, NULL, do_clock_set },
    { "irq_intercept_in", 2, 2, 0, 0, NULL, do_irq_intercept },
    { "irq_intercept_out", 2, 2, 0, 1, NULL, do_irq_intercept },
    { "set_irq_in", 5, 5, 1 << 3 | 1 << 4, 0, NULL, do_set_irq_in },
    { "endianness", 1, 1, 0, 0, NULL, do_endianness },
    { "module_load", 3, 3, 0, 0, NULL, do_module_load },
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
        return malformed("'%s' takes %u%s arguments, not %u", command->name, command->min_words - 1,
                         command->max_words > command->min_words ? " or one more" : "",
                         line->count - 1);
    }
    for (unsigned i = 1; i < line->count; i++) {
        if ((command->numbers & 1u << i) && !parse_number(line->words[i], &line->nums[i])) {
            return malformed("'%.40s' is not a number", line->words[i]);
        }
    }
    return command->run(line);
}

char *qtest_command(const char *text)
{
    g_autofree char *copy = g_strdup(text);
    QtestLine line = { 0 };
    char *rest = copy, *word;

    while ((word = strtok_r(rest, " \t\r", &rest)) != NULL) {
        if (line.count < MAX_WORDS) {
            line.words[line.count] = word;
        }
        line.count++; /* of too many none is used: run_line() refuses them */
    }
    if (line.count == 0) {
        return malformed("an empty line");
    }
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (strcmp(commands[i].name, line.words[0]) == 0) {
            line.command = &commands[i];
            return run_line(&line);
        }
    }
    return fail("unknown command '%.40s'", line.words[0]);
}

/* ---- the server ---- */

typedef struct QtestServer {
    CharFrontend fe;
    GString *input;
    size_t searched; /* so far there is no newline in the input */
    bool skip;       /* up to the next newline: the line is too long */
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

static void send_line(const char *text)
{
    server_log('S', text);
    char_write(&server.fe, text, strlen(text));
    char_write(&server.fe, "\n", 1);
}

static void run_input_line(const char *text, size_t len)
{
    g_autofree char *reply = NULL;

    server_log('R', text);
    if (server.skip || len > MAX_LINE) {
        reply = malformed("a line may have %" PRIu64 " characters", MAX_LINE);
        server.skip = false;
    } else if (strlen(text) != len) {
        reply = malformed("a line cannot have NUL characters");
    } else {
        reply = qtest_command(text);
    }
    send_line(reply);
}

/* The input that is here goes, and its memory if it was much. */
static void server_forget(void)
{
    if (server.input->allocated_len > MAX_UNSENT) {
        g_string_free(server.input, TRUE);
        server.input = g_string_new(NULL);
    }
    g_string_truncate(server.input, 0);
    server.searched = 0;
}

/* Run the lines that are there, as long as the client takes the answers. */
static void run_input(void)
{
    while (char_unsent(&server.fe) < MAX_UNSENT) {
        GString *input = server.input; /* a new one after a long line */
        char *newline;

        newline = memchr(input->str + server.searched, '\n', input->len - server.searched);
        if (!newline) {
            server.searched = input->len;
            if (server.skip || input->len > MAX_LINE) {
                server.skip = true;
                server_forget();
            }
            return;
        }
        size_t len = newline - input->str;
        *newline = '\0';
        run_input_line(input->str, len);
        g_string_erase(input, 0, len + 1);
        server.searched = 0;
        if (input->len == 0) {
            server_forget();
        }
    }
}

/* Called again when unsent answers have gone. */
static int server_can_receive(void *opaque)
{
    run_input();
    return char_unsent(&server.fe) < MAX_UNSENT ? 4096 : 0;
}

static void server_receive(void *opaque, const uint8_t *buf, int len)
{
    g_string_append_len(server.input, (const char *)buf, len);
    run_input();
}

static void server_event(void *opaque, CharEvent event)
{
    if (event == CHAR_EVENT_OPENED) {
        server_forget();
        server.skip = false;
        memset(intercept.levels, 0, sizeof(intercept.levels));
        server.start_ns = clock_host_ns();
        if (server.log) {
            fprintf(server.log, "[I 0.000000] OPENED\n");
        }
    } else if (event == CHAR_EVENT_CLOSED) {
        server_log('I', "CLOSED");
    }
}

bool qtest_server_start(Chardev *chr, const char *log_path, GError **errp)
{
    if (log_path && strcmp(log_path, "none") != 0) {
        int fd = made_files_open(log_path, O_WRONLY | O_TRUNC | O_CLOEXEC, 0666, MADE_TEXT);

        server.log = fd >= 0 ? fdopen(fd, "w") : NULL;
        if (!server.log) {
            error_set_errno(errp, errno,
                            "-qtest-log %s: cannot open it for writing ('none': no log)", log_path);
            return false;
        }
        setvbuf(server.log, NULL, _IOLBF, 0);
    }
    server.input = g_string_new(NULL);
    server.fe = (CharFrontend){
        .can_receive = server_can_receive,
        .receive = server_receive,
        .event = server_event,
        .keep_output = true,
    };
    return char_attach(chr, &server.fe, errp);
}
