/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A smart card reader at an xHCI, and a program that has the card: the messages of both sides. */
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/qtest/usb.h"

enum { NOTIFY = 3, ANSWERS = 5, MESSAGES = 6 };
enum { INIT = 1, ERROR, READER_ADD, READER_REMOVE, ATR, CARD_REMOVE, APDU };

typedef struct Reader {
    QUsb usb;
    unsigned slot;
    char *dir, *path;
    int fd; /* of the program that has the card */
} Reader;

static const uint8_t atr[] = { 0x3b, 0x02, 0x14, 0x50 };

/* ---- the program's side ---- */

static void say(Reader *r, uint32_t type, uint32_t reader, const void *body, uint32_t size)
{
    uint32_t head[] = { GUINT32_TO_BE(type), GUINT32_TO_BE(reader), GUINT32_TO_BE(size) };

    g_assert_cmpint(write(r->fd, head, sizeof(head)), ==, sizeof(head));
    g_assert_cmpint(write(r->fd, body, size), ==, size);
}

static void hear(Reader *r, uint32_t type, const void *body, uint32_t size)
{
    uint32_t head[3];
    g_autofree uint8_t *found = g_malloc(size + 1);

    g_assert_cmpint(recv(r->fd, head, sizeof(head), MSG_WAITALL), ==, sizeof(head));
    g_assert_cmpuint(GUINT32_FROM_BE(head[0]), ==, type);
    g_assert_cmpuint(GUINT32_FROM_BE(head[2]), ==, size);
    g_assert_cmpint(recv(r->fd, found, size, MSG_WAITALL), ==, size);
    g_assert_cmpmem(found, size, body, size);
}

static void connect_program(Reader *r)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };

    g_strlcpy(at.sun_path, r->path, sizeof(at.sun_path));
    r->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    g_assert_cmpint(connect(r->fd, (struct sockaddr *)&at, sizeof(at)), ==, 0);
    say(r, INIT, 0xffffffff, "VSCD\0\0\0\2\0\0\0", 12);
    hear(r, INIT, "VSCD\0\0\0\2\0\0\0", 12);
    say(r, READER_ADD, 0xffffffff, "reader", 6);
    hear(r, ERROR, "\0\0\0", 4);
}

/* ---- the host's side ---- */

static unsigned finish(Reader *r, unsigned dci, unsigned size)
{
    unsigned left, code;

    while (!(code = qusb_ended(&r->usb, r->slot, dci, &left))) {
        qtest_clock_step(r->usb.qt, 1000000);
        g_usleep(100);
    }
    g_assert_true(code == QUSB_SUCCESS || code == QUSB_SHORT);
    return size - left;
}

static void ask(Reader *r, uint8_t type, uint8_t sequence, const void *data, unsigned size)
{
    uint8_t message[512] = { type, (uint8_t)size, (uint8_t)(size >> 8), 0, 0, 0, sequence };

    memcpy(message + 10, data, size);
    qtest_memwrite(r->usb.qt, QUSB_DATA, message, 10 + size);
    qusb_submit(&r->usb, r->slot, MESSAGES, QUSB_DATA, 10 + size);
}

/* The answer to the message with that number. */
static void expect(Reader *r, uint8_t type, uint8_t sequence, uint8_t status, uint8_t error,
                   const void *data, unsigned size)
{
    uint8_t head[10], body[512];

    finish(r, MESSAGES, 0);
    qusb_submit(&r->usb, r->slot, ANSWERS, QUSB_DATA + 0x1000, 512);
    g_assert_cmpuint(finish(r, ANSWERS, 512), ==, 10 + size);
    qtest_memread(r->usb.qt, QUSB_DATA + 0x1000, head, sizeof(head));
    qtest_memread(r->usb.qt, QUSB_DATA + 0x100a, body, sizeof(body));
    g_assert_cmphex(head[0], ==, type);
    g_assert_cmpuint(head[1] | head[2] << 8, ==, size);
    g_assert_cmphex(head[6], ==, sequence);
    g_assert_cmphex(head[7], ==, status);
    g_assert_cmphex(head[8], ==, error);
    g_assert_cmpmem(body, size, data, size);
}

/* The host is told whether a card is there. */
static void expect_change(Reader *r, bool there)
{
    qusb_submit(&r->usb, r->slot, NOTIFY, QUSB_DATA + 0x2000, 64);
    g_assert_cmpuint(finish(r, NOTIFY, 64), ==, 2);
    g_assert_cmphex(qtest_readw(r->usb.qt, QUSB_DATA + 0x2000), ==, 0x50 | (there ? 3 : 2) << 8);
}

static void connect_reader(Reader *r)
{
    r->slot = qusb_connect(&r->usb, 1, 0);
    g_assert_cmpuint(qusb_control(&r->usb, r->slot, 0, 9, 1, 0, NULL), ==, QUSB_SUCCESS);
    qusb_endpoint(&r->usb, r->slot, NOTIFY, QUSB_INTERRUPT_IN, 64);
    qusb_endpoint(&r->usb, r->slot, ANSWERS, QUSB_BULK_IN, 64);
    qusb_endpoint(&r->usb, r->slot, MESSAGES, QUSB_BULK_OUT, 64);
}

static void begin_with(Reader *r, const char *card)
{
    g_autofree char *options = g_strdup_printf("-device usb-ccid,id=r,bus=x.0 %s", card);

    qusb_start(&r->usb, options);
    connect_reader(r);
}

static void begin(Reader *r)
{
    g_autofree char *options = NULL;

    r->dir = g_dir_make_tmp(NULL, NULL);
    r->path = g_build_filename(r->dir, "card", NULL);
    options = g_strdup_printf("-chardev socket,id=c,server=on,wait=off,path=%s "
                              "-device ccid-card-passthru,chardev=c,bus=r.0",
                              r->path);
    begin_with(r, options);
    expect_change(r, false);
}

static void end(Reader *r)
{
    qtest_quit(r->usb.qt);
    close(r->fd);
    g_unlink(r->path);
    g_rmdir(r->dir);
    g_free(r->path);
    g_free(r->dir);
}

static void test_card(void)
{
    Reader r;
    uint8_t command[261] = { 0x00, 0xa4 }, answer[258];

    begin(&r);
    ask(&r, 0x62, 1, "", 0);
    expect(&r, 0x80, 1, 0x42, 0xfe, "", 0); /* there is none */
    connect_program(&r);
    say(&r, ATR, 0, atr, sizeof(atr));
    expect_change(&r, true);
    ask(&r, 0x65, 2, "", 0);
    expect(&r, 0x81, 2, 1, 0, "", 0); /* it has no power */
    ask(&r, 0x6f, 3, command, 5);
    expect(&r, 0x80, 3, 0x41, 0xfe, "", 0);
    ask(&r, 0x62, 4, "", 0);
    expect(&r, 0x80, 4, 0, 0, atr, sizeof(atr));
    ask(&r, 0x6c, 5, "", 0);
    expect(&r, 0x82, 5, 0, 0, "\x11\x10\0\x4d\0\xfe\0", 7);
    /* Commands short and long; an answer that fills packets. */
    memset(answer, 0x5a, sizeof(answer));
    for (unsigned size = 5; size <= sizeof(command); size += 256) {
        unsigned back = size == 5 ? 54 : sizeof(answer);

        ask(&r, 0x6f, 6, command, size);
        hear(&r, APDU, command, size);
        say(&r, APDU, 0, answer, back);
        expect(&r, 0x80, 6, 0, 0, answer, back);
    }
    /* The card is reset, and taken out in the middle of a command. */
    say(&r, ATR, 0, atr, sizeof(atr));
    ask(&r, 0x6f, 7, command, 5);
    hear(&r, APDU, command, 5);
    say(&r, CARD_REMOVE, 0, "", 0);
    hear(&r, ERROR, "\0\0\0", 4);
    expect(&r, 0x80, 7, 0x42, 0xfe, "", 0);
    expect_change(&r, false);
    say(&r, ATR, 0, atr, sizeof(atr));
    expect_change(&r, true);
    json_object_put(qtest_qmp_error(r.usb.qt, "migrate", "{'uri': 'exec:cat > /dev/null'}"));
    /* What nobody knows, another slot; power off. */
    ask(&r, 0x69, 8, "", 0);
    expect(&r, 0x81, 8, 0x41, 0, "", 0);
    ask(&r, 0x63, 9, "", 0);
    expect(&r, 0x81, 9, 1, 0, "", 0);
    /* The program ends, and another comes. */
    close(r.fd);
    expect_change(&r, false);
    connect_program(&r);
    say(&r, ATR, 0, atr, sizeof(atr));
    expect_change(&r, true);
    say(&r, READER_ADD, 0xffffffff, "", 0);
    hear(&r, ERROR, "\0\0\0\2", 4);
    say(&r, READER_REMOVE, 0, "", 0);
    hear(&r, ERROR, "\0\0\0", 4);
    expect_change(&r, false);
    end(&r);
}

/* Messages that are too long, from either side; and nonsense. */
static void test_hostile(void)
{
    Reader r;
    g_autoptr(GRand) rand = g_rand_new_with_seed(2);
    uint8_t bytes[2000] = { 0 };

    begin(&r);
    connect_program(&r);
    say(&r, 99, 0, bytes, sizeof(bytes));
    say(&r, ATR, 0, bytes, 41);
    hear(&r, ERROR, "\0\0\0\1", 4);
    say(&r, ATR, 0, atr, sizeof(atr));
    expect_change(&r, true);
    for (unsigned i = 0; i < 300; i++) {
        unsigned size = (unsigned)g_rand_int_range(rand, 0, 300), code;

        for (unsigned n = 0; n < size; n++) {
            bytes[n] = n == 0            ? 0x61 + g_rand_int(rand) % 18
                       : n > 5 || n == 1 ? g_rand_int(rand) & 0xff
                                         : 0;
        }
        qtest_memwrite(r.usb.qt, QUSB_DATA, bytes, MAX(size, 1));
        qusb_submit(&r.usb, r.slot, MESSAGES, QUSB_DATA, size);
        code = qusb_ended(&r.usb, r.slot, MESSAGES, NULL);
        if (code == QUSB_STALL) {
            qusb_unstall(&r.usb, r.slot, MESSAGES);
        }
        qusb_submit(&r.usb, r.slot, ANSWERS, QUSB_DATA + 0x1000, 512);
        qusb_ended(&r.usb, r.slot, ANSWERS, NULL);
    }
    end(&r);
}

/* Once the main loop has gone round: does the reader take no more from the program? */
static bool is_put_off(const Reader *r)
{
    enum { ROUNDS = 1000 }; /* of one KiB each */
    struct pollfd p = { .fd = r->fd, .events = POLLOUT };

    for (unsigned i = 0; i < ROUNDS; i++) {
        qtest_readl(r->usb.qt, QUSB_DATA);
        if (poll(&p, 1, 0)) {
            return false;
        }
    }
    return true;
}

/* A program that asks and asks, and takes no answers, is not heard until it does. */
static void test_deaf(void)
{
    enum { MOST = 8 << 20, HEAD = 12, ANSWER = 24 };
    static const uint8_t hello[HEAD] = { 0, 0, 0, INIT, 0xff, 0xff, 0xff, 0xff };
    uint8_t bytes[HEAD * 256], answers[ANSWER * 256];
    size_t sent = 0, heard = 0;
    Reader r;

    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = hello[i % HEAD];
    }
    begin(&r);
    connect_program(&r);
    while (sent < MOST) {
        size_t first = sent % HEAD;
        ssize_t n = send(r.fd, bytes + first, sizeof(bytes) - first, MSG_DONTWAIT);

        if (n < 0 && is_put_off(&r)) {
            break;
        }
        sent += (size_t)MAX(n, 0);
    }
    g_assert_cmpuint(sent, <, MOST);
    while (heard < sent / HEAD * ANSWER) {
        ssize_t n = recv(r.fd, answers, MIN(sizeof(answers), sent / HEAD * ANSWER - heard), 0);

        g_assert_cmpint(n, >, 0);
        heard += (size_t)n;
    }
    end(&r);
}

/* ---- a card of certificates, by libcacard ---- */

static bool G_GNUC_PRINTF(2, 3) run(char **output, const char *format, ...)
{
    g_autofree char *line = NULL, *said = NULL, *complaint = NULL;
    va_list args;
    int status = -1;
    bool ok;

    va_start(args, format);
    line = g_strdup_vprintf(format, args);
    va_end(args);
    ok = g_spawn_command_line_sync(line, &said, &complaint, &status, NULL) && status == 0;
    if (output) {
        *output = g_steal_pointer(&said);
    }
    return ok;
}

/* A data base with three certificates; false: there is no certutil. */
static bool make_certificates(const char *dir)
{
    g_autofree char *noise = g_build_filename(dir, "noise", NULL);

    if (!run(NULL, "certutil -N -d sql:%s --empty-password", dir)) {
        return false;
    }
    g_assert_true(g_file_set_contents(noise, "what a test draws by lot", -1, NULL));
    for (unsigned i = 1; i <= 3; i++) {
        g_assert_true(
            run(NULL,
                "certutil -S -d sql:%s -x -t CT,CT,CT -s CN=Card%u -n cert%u -g 1024 -m %u "
                "-z %s",
                dir, i, i, i, noise));
    }
    return true;
}

/* The card's answer; how long it is. */
static unsigned transmit(Reader *r, const void *command, unsigned size, uint8_t *found)
{
    unsigned got;

    ask(r, 0x6f, 1, command, size);
    finish(r, MESSAGES, 0);
    qusb_submit(&r->usb, r->slot, ANSWERS, QUSB_DATA + 0x1000, 512);
    got = finish(r, ANSWERS, 512);
    g_assert_cmpuint(got, >=, 12);
    qtest_memread(r->usb.qt, QUSB_DATA + 0x100a, found, got - 10);
    return got - 10;
}

static void expect_answer(Reader *r, const void *command, unsigned size, const void *wanted,
                          unsigned wanted_size)
{
    uint8_t found[512];

    g_assert_cmpuint(transmit(r, command, size, found), ==, wanted_size);
    g_assert_cmpmem(found, wanted_size, wanted, wanted_size);
}

/* The certificate that the data base has is the one that the card gives, and it signs. */
static void use_card(Reader *r, const char *dir)
{
    static const uint8_t select[] = { 0, 0xa4, 4, 0, 7, 0xa0, 0, 0, 0, 0x79, 1, 0 };
    static const uint8_t read[] = { 0x80, 0x52, 0, 0, 2, 2, 0xfe },
                         more[] = { 0, 0xc0, 0, 0, 0xfe };
    static const uint8_t signature[] = { 0, 0xc0, 0, 0, 0x80 };
    enum { HEAD = 3, BYTES = 0xfe }; /* length and kind are before it */
    g_autofree char *wanted = NULL;
    uint8_t found[512], sign[5 + 128] = { 0x80, 0x42, 0, 0, 0x80, 0, 1 };

    g_assert_true(run(&wanted, "certutil -L -d sql:%s -n cert1 -r", dir));
    expect_answer(r, select, sizeof(select), "\x61\x0d", 2);
    expect_answer(r, read, sizeof(read), "\x61\xfe", 2);
    g_assert_cmpuint(transmit(r, more, sizeof(more), found), ==, BYTES + 2);
    g_assert_cmpmem(found + HEAD, BYTES - HEAD, wanted, BYTES - HEAD);
    expect_answer(r, sign, sizeof(sign), "\x61\x80", 2);
    g_assert_cmpuint(transmit(r, signature, sizeof(signature), found), ==, 130);
    g_assert_cmpmem(found + 128, 2, "\x90\0", 2);
}

/* Commands that make no sense, of any length. */
static void hostile_commands(Reader *r)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);
    uint8_t bytes[261], found[512];

    for (unsigned i = 0; i < 300; i++) {
        static const uint8_t codes[] = {
            0xa4, 0x36, 0x42, 0x52, 0xc0, 0xca, 0x20, 0x54, 0xb0, 0x82
        };
        unsigned size = (unsigned)g_rand_int_range(rand, 0, i % 2 ? 12 : sizeof(bytes) + 1);

        for (unsigned n = 0; n < size; n++) {
            bytes[n] = (uint8_t)g_rand_int(rand);
        }
        bytes[0] &= 0x80;
        bytes[1] = codes[g_rand_int_range(rand, 0, G_N_ELEMENTS(codes))];
        transmit(r, bytes, size, found);
    }
}

static void power_on(Reader *r)
{
    ask(r, 0x62, 2, "", 0);
    finish(r, MESSAGES, 0);
    qusb_submit(&r->usb, r->slot, ANSWERS, QUSB_DATA + 0x1000, 512);
    g_assert_cmpuint(finish(r, ANSWERS, 512), >, 12);
    g_assert_cmphex(qtest_readb(r->usb.qt, QUSB_DATA + 0x100a), ==, 0x3b); /* an ATR */
}

/* The reader is reset while the card works; nobody hears of what it answers then. */
static void reset_amid(Reader *r)
{
    static const uint8_t sign[5 + 128] = { 0x80, 0x42, 0, 0, 0x80, 0, 1 };

    for (unsigned i = 0; i < 16; i++) {
        ask(r, 0x6f, 1, sign, sizeof(sign));
        finish(r, MESSAGES, 0);
        connect_reader(r);
        power_on(r);
    }
}

static void test_emulated(void)
{
    g_autofree char *dir = g_dir_make_tmp(NULL, NULL), *options = NULL;
    static const char *const files[] = { "noise", "cert9.db", "key4.db", "pkcs11.txt" };
    Reader r = { .fd = -1 };

    if (make_certificates(dir)) {
        options = g_strdup_printf("-device ccid-card-emulated,backend=certificates,db=sql:%s,"
                                  "cert1=cert1,cert2=cert2,cert3=cert3,bus=r.0",
                                  dir);
        begin_with(&r, options);
        while (ask(&r, 0x65, 1, "", 0), finish(&r, MESSAGES, 0),
               qusb_submit(&r.usb, r.slot, ANSWERS, QUSB_DATA + 0x1000, 512),
               finish(&r, ANSWERS, 512), qtest_readb(r.usb.qt, QUSB_DATA + 0x1007) == 2) {
        }
        power_on(&r);
        use_card(&r, dir);
        json_object_put(qtest_qmp_error(r.usb.qt, "migrate", "{'uri': 'exec:cat > /dev/null'}"));
        hostile_commands(&r);
        reset_amid(&r);
        use_card(&r, dir);
        qtest_quit(r.usb.qt);
    } else {
        g_test_skip("there is no certutil (Debian's package libnss3-tools)");
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(dir, files[i], NULL);

        g_unlink(path);
    }
    g_rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ccid/card", test_card);
    g_test_add_func("/ccid/hostile", test_hostile);
    g_test_add_func("/ccid/deaf", test_deaf);
    g_test_add_func("/ccid/emulated", test_emulated);
    return g_test_run();
}
