/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HD audio, by a driver of our own: commands, a stream that plays into a file, one that records,
 * lists that lead nowhere. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/qtest/virtio.h"

#define DEVFN  0x20u
#define BAR    0xe0000000u
#define CORB   0x200000u
#define RIRB   0x201000u
#define LIST   0x202000u
#define PLACES 0x203000u
#define DATA   0x210000u
#define MS     1000000LL

enum { GCAP = 0, GCTL = 8, STATESTS = 0xe, INTCTL = 0x20, INTSTS = 0x24, WALCLK = 0x30 };
enum { CORBWP = 0x48, CORBRP = 0x4a, CORBCTL = 0x4c, RIRBWP = 0x58, RINTCNT = 0x5a };
enum { RIRBCTL = 0x5c, RIRBSTS = 0x5d, ICOI = 0x60, ICII = 0x64, ICIS = 0x68, DPL = 0x70 };
enum { IN = 0x80, OUT = 0x100, LPIB = 4, CBL = 8, LVI = 0xc, FMT = 0x12, BDPL = 0x18 };
enum { FORMAT_48K = 0x11, RUN = 2, IOCE = 4 };

static uint32_t get(QTest *qt, unsigned offset)
{
    return qtest_readl(qt, BAR + offset);
}

static QTest *start(const char *options)
{
    QTest *qt = qtest_start("-m 64 -machine pc -device ich9-intel-hda,id=h,addr=4 %s", options);

    qpci_write(qt, DEVFN, 0x10, 4, BAR);
    qpci_write(qt, DEVFN, 4, 2, 6);
    g_assert_cmphex(get(qt, GCAP), ==, 0x01004401);
    g_assert_cmphex(get(qt, GCTL), ==, 0);
    qtest_writel(qt, BAR + INTCTL, 0xffffffff); /* in its reset it takes nothing */
    g_assert_cmphex(get(qt, INTCTL), ==, 0);
    qtest_writel(qt, BAR + GCTL, 1);
    return qt;
}

static uint32_t ask(QTest *qt, unsigned node, uint32_t verb)
{
    qtest_writel(qt, BAR + ICOI, node << 20 | verb);
    qtest_writew(qt, BAR + ICIS, 1);
    g_assert_cmphex(qtest_readw(qt, BAR + ICIS), ==, 2);
    return get(qt, ICII);
}

static void test_commands(void)
{
    QTest *qt = start("-device hda-duplex,bus=h.0 -device hda-output,cad=3");

    g_assert_cmphex(qpci_read(qt, DEVFN, 0, 4), ==, 0x293e8086);
    g_assert_cmphex(qpci_read(qt, DEVFN, 8, 4), ==, 0x04030003);
    g_assert_cmphex(qtest_readw(qt, BAR + STATESTS), ==, 9);
    qtest_writew(qt, BAR + STATESTS, 9);
    g_assert_cmphex(qtest_readw(qt, BAR + STATESTS), ==, 0);
    /* Four of them: who it is, twice; a format; and what is no node. */
    static const uint32_t commands[] = { 0x000f0000, 0x300f0000, 0x00224011,
                                         0x002a0000, 0x07ff0001, 0x800f0000 };
    static const uint32_t answers[] = { 0x1af40022, 0x1af40012, 0, 0x4011, 0 };
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        qtest_writel(qt, CORB + 4 * (i + 1), commands[i]);
    }
    qtest_writel(qt, BAR + 0x40, CORB);
    qtest_writel(qt, BAR + 0x50, RIRB);
    qtest_writew(qt, BAR + CORBRP, 0x8000);
    g_assert_cmphex(qtest_readw(qt, BAR + CORBRP), ==, 0x8000);
    qtest_writew(qt, BAR + CORBRP, 0);
    qtest_writew(qt, BAR + RINTCNT, 2);
    qtest_writel(qt, BAR + INTCTL, 0xc0000000);
    qtest_writeb(qt, BAR + RIRBCTL, 3);
    qtest_writeb(qt, BAR + CORBCTL, 2);
    qtest_writew(qt, BAR + CORBWP, G_N_ELEMENTS(commands));
    /* Two answers, and then it waits. */
    g_assert_cmphex(qtest_readw(qt, BAR + RIRBWP), ==, 2);
    g_assert_cmphex(get(qt, INTSTS), ==, 0xc0000000);
    g_assert_cmphex(qpci_read(qt, DEVFN, 6, 2) & 8, ==, 8);
    for (unsigned i = 0; i < 3; i++) {
        qtest_writeb(qt, BAR + RIRBSTS, 5);
    }
    g_assert_cmphex(qtest_readw(qt, BAR + RIRBWP), ==, G_N_ELEMENTS(answers));
    g_assert_cmphex(qtest_readw(qt, BAR + CORBRP), ==, G_N_ELEMENTS(commands));
    qtest_writeb(qt, BAR + RIRBSTS, 5);
    g_assert_cmphex(qpci_read(qt, DEVFN, 6, 2) & 8, ==, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_assert_cmphex(qtest_readl(qt, RIRB + 8 * (i + 1)), ==, answers[i]);
        g_assert_cmphex(qtest_readl(qt, RIRB + 8 * (i + 1) + 4), ==, i == 1 ? 3 : 0);
    }
    /* The tree of a codec. */
    g_assert_cmphex(ask(qt, 0, 0xf0004), ==, 1 << 16 | 1);
    g_assert_cmphex(ask(qt, 1, 0xf0005), ==, 1);
    g_assert_cmphex(ask(qt, 1, 0xf0004), ==, 2 << 16 | 4);
    g_assert_cmphex(ask(qt, 2, 0xf0009), ==, 0x11);
    g_assert_cmphex(ask(qt, 3, 0xf0009), ==, 0x400101);
    g_assert_cmphex(ask(qt, 3, 0xf0200), ==, 2);
    g_assert_cmphex(ask(qt, 4, 0xf0200), ==, 5);
    ask(qt, 3, 0x70740);
    g_assert_cmphex(ask(qt, 3, 0xf0700), ==, 0x40);
    ask(qt, 1, 0x7ff00);
    g_assert_cmphex(ask(qt, 3, 0xf0700), ==, 0);
    qtest_quit(qt);
}

/* Stream @at with the list, @size bytes in two pieces. */
static void put_stream(QTest *qt, unsigned at, unsigned size)
{
    for (unsigned i = 0; i < 2; i++) {
        qtest_writeq(qt, LIST + 16 * i, DATA + i * size / 2);
        qtest_writel(qt, LIST + 16 * i + 8, size / 2);
        qtest_writel(qt, LIST + 16 * i + 12, i);
    }
    qtest_writel(qt, BAR + at + CBL, size);
    qtest_writew(qt, BAR + at + LVI, 1);
    qtest_writew(qt, BAR + at + FMT, FORMAT_48K);
    qtest_writel(qt, BAR + at + BDPL, LIST);
}

static void test_playing(void)
{
    enum { FRAMES = 4800, BYTES = 4 * FRAMES };
    g_autofree char *dir = g_dir_make_tmp(NULL, NULL);
    g_autofree char *path = g_build_filename(dir, "out.wav", NULL), *file = NULL;
    g_autofree char *options = g_strdup_printf(
        "-audiodev wav,id=a,out.frequency=48000,path=%s -device hda-output,audiodev=a", path);
    QTest *qt = start(options);
    int16_t samples[2 * FRAMES];
    gsize size;

    for (int i = 0; i < FRAMES; i++) {
        samples[2 * i] = (int16_t)(i * 6);
        samples[2 * i + 1] = (int16_t)-i;
    }
    qtest_memwrite(qt, DATA, samples, BYTES);
    put_stream(qt, OUT, BYTES);
    qtest_writel(qt, BAR + DPL, PLACES | 1);
    qtest_writel(qt, BAR + INTCTL, 0xc0000010);
    ask(qt, 2, 0x70610); /* the converter is at stream 1 */
    qtest_writel(qt, BAR + OUT, 1 << 20 | RUN | IOCE);
    qtest_clock_step(qt, 50 * MS);
    g_assert_cmpuint(get(qt, OUT + LPIB), ==, BYTES / 2);
    g_assert_cmpuint(qtest_readl(qt, PLACES + 8 * 4), ==, BYTES / 2);
    g_assert_cmphex(get(qt, INTSTS), ==, 0);
    qtest_clock_step(qt, 60 * MS);
    g_assert_cmpuint(get(qt, OUT + LPIB), ==, BYTES / 10); /* around */
    g_assert_cmphex(get(qt, INTSTS), ==, 0x80000010);
    qtest_writeb(qt, BAR + OUT + 3, 4);
    g_assert_cmphex(get(qt, INTSTS), ==, 0);
    qtest_writel(qt, BAR + OUT, 0);
    qtest_clock_step(qt, 50 * MS);
    qtest_quit(qt);
    g_assert_true(g_file_get_contents(path, &file, &size, NULL));
    g_assert_cmpuint(size, ==, 44 + 11 * BYTES / 10);
    g_assert_cmpmem(file, 4, "RIFF", 4);
    /* The first frame of the file is the silence before. */
    g_assert_cmpmem(file + 48, BYTES, samples, BYTES);
    g_unlink(path);
    g_rmdir(dir);
}

/* Two codecs with one file: a stream that is reset is not waited for. */
static void test_two(void)
{
    g_autofree char *dir = g_dir_make_tmp(NULL, NULL);
    g_autofree char *path = g_build_filename(dir, "out.wav", NULL), *file = NULL;
    g_autofree char *options = g_strdup_printf("-audiodev wav,id=a,out.frequency=48000,path=%s "
                                               "-device hda-output,audiodev=a,cad=0 "
                                               "-device hda-output,audiodev=a,cad=1",
                                               path);
    QTest *qt = start(options);
    gsize size;

    for (unsigned n = 0; n < 2; n++) {
        put_stream(qt, OUT + 0x20 * n, 4096);
        ask(qt, 2 | n << 8, 0x70610 + n * 0x10);
        qtest_writel(qt, BAR + OUT + 0x20 * n, (n + 1) << 20 | RUN);
    }
    qtest_clock_step(qt, 50 * MS);
    qtest_writel(qt, BAR + OUT, 1);
    g_assert_cmphex(get(qt, OUT), ==, 0x20000001);
    g_assert_cmphex(qtest_readw(qt, BAR + OUT + 0x10), ==, 0x100);
    qtest_clock_step(qt, 50 * MS);
    qtest_quit(qt);
    g_assert_true(g_file_get_contents(path, &file, &size, NULL));
    g_assert_cmpuint(size, ==, 44 + 4 * 4800);
    g_unlink(path);
    g_rmdir(dir);
}

static void expect_hmp(QTest *qt, const char *begin, const char *fmt, ...) G_GNUC_PRINTF(3, 4);
static void expect_hmp(QTest *qt, const char *begin, const char *fmt, ...)
{
    g_autofree char *line = NULL, *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    line = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    text = qtest_hmp(qt, "%s", line);
    if (!g_str_has_prefix(text, begin) || (!*begin && *text)) {
        g_error("'%s' printed '%s'", line, text);
    }
}

/* wavcapture: copies of what nobody would hear, in other rates and kinds. */
static void test_capture(void)
{
    g_autofree char *dir = g_dir_make_tmp(NULL, NULL);
    g_autofree char *one = g_build_filename(dir, "one.wav", NULL), *file = NULL;
    g_autofree char *two = g_build_filename(dir, "two.wav", NULL), *list = NULL;
    QTest *qt = start("-audiodev none,id=a -device hda-output,audiodev=a");
    int16_t samples[2048];
    gsize size;

    for (unsigned i = 0; i < G_N_ELEMENTS(samples); i += 2) {
        samples[i] = 0x1234;
        samples[i + 1] = -0x100;
    }
    qtest_memwrite(qt, DATA, samples, sizeof(samples));
    expect_hmp(qt, "", "info capture");
    expect_hmp(qt, "Error: audiodev 'b' not found", "wavcapture %s b", one);
    expect_hmp(qt, "Error: path=/nonexistent/x", "wavcapture /nonexistent/x a");
    g_assert_cmpint(mkfifo(two, 0600), ==, 0);
    expect_hmp(qt, "Error: path=", "wavcapture %s a", two);
    g_unlink(two);
    expect_hmp(qt, "Error: 5 frames", "wavcapture %s a 5", one);
    expect_hmp(qt, "Error: 24 bits", "wavcapture %s a 44100 24", one);
    expect_hmp(qt, "Error: 3 channels", "wavcapture %s a 44100 16 3", one);
    expect_hmp(qt, "Error: FREQUENCY: 'x'", "wavcapture %s a x", one);
    expect_hmp(qt, "Error: there is no copy number 0", "stopcapture 0");
    expect_hmp(qt, "Error: NUMBER: '-1'", "stopcapture -1");
    expect_hmp(qt, "", "wavcapture %s a", one);
    expect_hmp(qt, "", "wavcapture %s a 11025 8 1", two);
    put_stream(qt, OUT, sizeof(samples));
    ask(qt, 2, 0x70610);
    qtest_writel(qt, BAR + OUT, 1 << 20 | RUN);
    qtest_clock_step(qt, 100 * MS);
    list = qtest_hmp(qt, "info capture");
    g_assert_nonnull(strstr(list, "[0]: Capturing audio(11025,8,1) to "));
    g_assert_nonnull(strstr(list, "[1]: Capturing audio(44100,16,2) to "));
    expect_hmp(qt, "", "stopcapture 1");
    expect_hmp(qt, "[0]: Capturing audio(11025,8,1) to ", "info capture");
    qtest_clock_step(qt, 100 * MS);
    qtest_quit(qt);
    g_assert_true(g_file_get_contents(one, &file, &size, NULL));
    g_assert_cmpuint(size, >=, 44 + 4 * 4400);
    g_assert_cmpuint(size, <=, 44 + 4 * 4420);
    g_assert_cmpmem(file + 44 + 400, 400, samples, 400);
    g_clear_pointer(&file, g_free);
    g_assert_true(g_file_get_contents(two, &file, &size, NULL));
    g_assert_cmpuint(size, >=, 44 + 2200);
    g_assert_cmpuint(size, <=, 44 + 2220);
    g_assert_cmpint((uint8_t)file[144], ==, 0x80 + 0x12);
    g_assert_cmpint((uint8_t)file[145], ==, 0x80 + 0x12);
    g_unlink(one);
    g_unlink(two);
    g_rmdir(dir);
}

/* What is recorded is silence. */
static void test_recording(void)
{
    QTest *qt = start("-device hda-micro");

    qtest_memset(qt, DATA, 0x55, 4096);
    put_stream(qt, IN, 4096);
    qtest_writel(qt, BAR + IN, 2 << 20 | RUN);
    qtest_clock_step(qt, 10 * MS);
    g_assert_cmpuint(get(qt, IN + LPIB), ==, 1920);
    g_assert_cmphex(qtest_readl(qt, DATA + 1916), ==, 0);
    g_assert_cmphex(qtest_readl(qt, DATA + 1920), ==, 0x55555555);
    qtest_writel(qt, BAR + IN, 1);
    g_assert_cmpuint(get(qt, IN + LPIB), ==, 0);
    g_assert_cmphex(get(qt, IN), ==, 0x20000001);
    qtest_writel(qt, BAR + IN, 0);
    g_assert_cmphex(get(qt, IN) & 0xffffff, ==, 0);
    qtest_quit(qt);
}

/* Lists of nothing, lists where no memory is, formats of any kind, any registers. */
static void test_hostile(void)
{
    QTest *qt = start("-device hda-duplex");
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    qtest_writel(qt, BAR + OUT, 1 << 20 | RUN);
    qtest_clock_step(qt, 20 * MS);
    put_stream(qt, OUT, 0);
    qtest_clock_step(qt, 20 * MS);
    qtest_writel(qt, BAR + OUT + BDPL, 0xd0000000);
    qtest_clock_step(qt, 20 * MS);
    for (unsigned i = 0; i < 3000; i++) {
        unsigned offset = (unsigned)g_rand_int_range(rand, 0, 0x180);

        if (i % 50 == 0) {
            qtest_writel(qt, BAR + GCTL, 1);
            put_stream(qt, OUT, 4096);
        }
        if (i % 7 == 0) {
            qtest_writel(qt, BAR + OUT, 1 << 20 | RUN | IOCE);
            qtest_writel(qt, CORB + 4 * (i % 256), g_rand_int(rand) & 0x0fffffff);
            qtest_writel(qt, BAR + 0x40, CORB);
            qtest_writew(qt, BAR + CORBWP, (uint16_t)i);
        }
        if (offset != GCTL) {
            qtest_writel(qt, BAR + (offset & ~3u), g_rand_int(rand));
        }
        if (i % 11 == 0) {
            qtest_clock_step(qt, 12 * MS);
        }
    }
    qtest_quit(qt);
}

/* A list of pieces so small, for a format so large, that there is no end to them. */
static void test_small_pieces(void)
{
    enum { FORMAT_MOST = 0x384f, PIECE = 16, MOST = 4096 };
    QTest *qt = start("-device hda-duplex");

    for (unsigned at = IN; at < 0x180; at += 0x20) {
        put_stream(qt, at, 2 * PIECE);
        qtest_writel(qt, BAR + at + CBL, 0);
        qtest_writew(qt, BAR + at + FMT, FORMAT_MOST);
        qtest_writel(qt, BAR + at, 1 << 20 | RUN);
    }
    qtest_clock_step(qt, 10 * MS);
    for (unsigned at = IN; at < 0x180; at += 0x20) {
        g_assert_cmpuint(get(qt, at + LPIB), >, 0);
        g_assert_cmpuint(get(qt, at + LPIB), <=, PIECE * MOST);
    }
    qtest_quit(qt);
}

static void test_refused(void)
{
    QTest *qt = qtest_start("-m 64 -machine pc -device intel-hda,id=h -audiodev none,id=a -device "
                            "hda-duplex,audiodev=a,cad=2");
    static const char *const bad[] = {
        "{'driver': 'hda-duplex', 'audiodev': 'b'}",
        "{'driver': 'hda-duplex', 'cad': 2}",
        "{'driver': 'hda-duplex', 'cad': 15}",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        json_object_put(qtest_qmp_error(qt, "device_add", bad[i]));
    }
    qtest_quit(qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hda/commands", test_commands);
    g_test_add_func("/hda/playing", test_playing);
    g_test_add_func("/hda/two", test_two);
    g_test_add_func("/hda/capture", test_capture);
    g_test_add_func("/hda/recording", test_recording);
    g_test_add_func("/hda/hostile", test_hostile);
    g_test_add_func("/hda/small-pieces", test_small_pieces);
    g_test_add_func("/hda/refused", test_refused);
    return g_test_run();
}
