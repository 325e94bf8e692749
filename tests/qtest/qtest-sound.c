/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sound cards without a bus of their own (AC97, ES1370), and the speaker. */
#include <string.h>
#include <unistd.h>

#include "tests/qtest/libqtest.h"

#define MS   INT64_C(1000000)
#define LIST 0x100000
#define DATA 0x200000
#define IO   0xc000
#define IO2  0xc400
#define SLOT 0x80002800u /* 00:05.0 */
enum { FRAMES = 4800, BYTES = 4 * FRAMES, WAV_HEADER = 44 };

typedef struct Card {
    QTest *qt;
    char *dir, *path;
} Card;

static void config(QTest *qt, uint8_t offset, uint32_t value)
{
    qtest_outl(qt, 0xcf8, SLOT | offset);
    qtest_outl(qt, 0xcfc, value);
}

/* A machine whose sound, 48000 frames a second, goes to a file. */
static Card start(const char *options)
{
    Card card = { .dir = g_dir_make_tmp(NULL, NULL) };

    card.path = g_build_filename(card.dir, "out.wav", NULL);
    card.qt = qtest_start("-m 16 -nodefaults -audiodev wav,id=a,out.frequency=48000,path=%s %s",
                          card.path, options);
    config(card.qt, 0x10, IO);
    config(card.qt, 0x14, IO2);
    config(card.qt, 4, 5);
    return card;
}

/* The samples of the file; g_free. */
static int16_t *finish(Card *card, unsigned *count)
{
    g_autofree char *file = NULL;
    int16_t *samples;
    gsize size;

    qtest_quit(card->qt);
    g_assert_true(g_file_get_contents(card->path, &file, &size, NULL));
    g_assert_cmpuint(size, >=, WAV_HEADER);
    samples = g_memdup2(file + WAV_HEADER, size - WAV_HEADER);
    *count = (unsigned)(size - WAV_HEADER) / 2;
    unlink(card->path);
    rmdir(card->dir);
    g_free(card->path);
    g_free(card->dir);
    return samples;
}

static void put_ramp(QTest *qt)
{
    int16_t samples[2 * FRAMES];

    for (int i = 0; i < FRAMES; i++) {
        samples[2 * i] = (int16_t)(i * 6);
        samples[2 * i + 1] = (int16_t)-i;
    }
    qtest_memwrite(qt, DATA, samples, BYTES);
}

/* ---- AC97 ---- */

enum { MASTER = IO + 2, PCM = IO + 0x18, RATES = IO + 0x2c };
enum { OUT = IO2 + 0x10, CIV = 4, LVI = 5, SR = 6, PICB = 8, CR = 11, GLOBAL = IO2 + 0x2c };

/* Two pieces, the second with an interrupt. */
static void ac97_list(QTest *qt, unsigned stream)
{
    for (unsigned i = 0; i < 2; i++) {
        qtest_writel(qt, LIST + 8 * i, DATA + i * BYTES / 2);
        qtest_writel(qt, LIST + 8 * i + 4, (i ? 1u << 31 : 0) | BYTES / 4);
    }
    qtest_outl(qt, GLOBAL, 2);
    qtest_outl(qt, (uint16_t)stream, LIST);
    qtest_outb(qt, (uint16_t)(stream + LVI), 1);
}

static void test_ac97(void)
{
    Card card = start("-device AC97,addr=5,audiodev=a");
    QTest *qt = card.qt;
    unsigned count;

    g_assert_cmphex(qtest_inw(qt, MASTER), ==, 0x8000);
    qtest_outw(qt, MASTER, 0xffff);
    g_assert_cmphex(qtest_inw(qt, MASTER), ==, 0xbf3f);
    qtest_outw(qt, IO, 0);
    g_assert_cmphex(qtest_inw(qt, MASTER), ==, 0x8000);
    g_assert_cmphex(qtest_inw(qt, IO + 0x7c), ==, 0x8384);
    g_assert_cmphex(qtest_inl(qt, IO2 + 0x30), ==, 0x100);
    qtest_outw(qt, MASTER, 0);
    qtest_outw(qt, PCM, 0x0808);
    put_ramp(qt);
    ac97_list(qt, OUT);
    g_assert_cmphex(qtest_inb(qt, OUT + SR), ==, 1);
    qtest_outb(qt, OUT + CR, 0x15);
    qtest_clock_step(qt, 30 * MS);
    g_assert_cmphex(qtest_inb(qt, OUT + CIV), ==, 0);
    g_assert_cmpuint(qtest_inw(qt, OUT + PICB), ==, BYTES / 4 - 2 * 1440);
    qtest_clock_step(qt, 30 * MS);
    g_assert_cmphex(qtest_inb(qt, OUT + CIV), ==, 1);
    g_assert_cmphex(qtest_inb(qt, OUT + SR), ==, 0);
    qtest_clock_step(qt, 50 * MS);
    g_assert_cmphex(qtest_inb(qt, OUT + SR), ==, 0xf); /* the last one is through */
    g_assert_cmphex(qtest_inl(qt, IO2 + 0x30), ==, 0x140);
    qtest_outw(qt, OUT + SR, 0x1c);
    g_assert_cmphex(qtest_inl(qt, IO2 + 0x30), ==, 0x100);
    qtest_outb(qt, OUT + CR, 2);
    g_assert_cmphex(qtest_inl(qt, OUT), ==, 0);
    g_autofree int16_t *samples = finish(&card, &count);
    g_assert_cmpuint(count, >=, 2 * FRAMES - 2);
    for (int i = 0; i < FRAMES - 2; i++) { /* the first frame is the silence before */
        g_assert_cmpint(samples[2 * (i + 1)], ==, i * 6);
        g_assert_cmpint(samples[2 * (i + 1) + 1], ==, -i);
    }
}

static void test_ac97_rest(void)
{
    Card card = start("-device AC97,addr=5,audiodev=a");
    QTest *qt = card.qt;
    unsigned count;

    put_ramp(qt); /* muted, and recorded over */
    ac97_list(qt, IO2);
    qtest_outw(qt, IO + 0x2a, 1);
    qtest_outw(qt, IO + 0x32, 24000);
    qtest_outb(qt, IO2 + CR, 1);
    qtest_clock_step(qt, 50 * MS);
    g_assert_cmpuint(qtest_inw(qt, IO2 + PICB), ==, BYTES / 4 - 2 * 1200);
    g_assert_cmphex(qtest_readl(qt, DATA + 4 * 1000), ==, 0);
    g_assert_cmphex(qtest_readl(qt, DATA + 4 * 1300), !=, 0);
    qtest_outl(qt, GLOBAL, 0); /* a cold reset */
    g_assert_cmphex(qtest_inb(qt, IO2 + SR), ==, 1);
    /* A list of nothing, and one where there is no memory. */
    qtest_memset(qt, LIST, 0, 256);
    ac97_list(qt, OUT);
    qtest_memset(qt, LIST, 0, 256);
    qtest_outb(qt, OUT + LVI, 31);
    qtest_outb(qt, OUT + CR, 1);
    qtest_clock_step(qt, 50 * MS);
    g_assert_cmphex(qtest_inb(qt, OUT + SR), ==, 7);
    qtest_outl(qt, OUT, 0xfffffff8);
    qtest_outb(qt, OUT + LVI, 5);
    qtest_clock_step(qt, 50 * MS);
    for (unsigned i = 0; i < 256; i += 4) {
        qtest_outl(qt, (uint16_t)(IO2 + i % 0x40), 0xdeadbeef * (i + 1));
        qtest_outw(qt, (uint16_t)(IO + i % 0x80), (uint16_t)(0x5a5a * i));
        qtest_clock_step(qt, MS);
    }
    g_free(finish(&card, &count));
}

/* ---- ES1370 ---- */

enum { CONTROL = IO, STATUS = IO + 4, PAGE = IO + 0xc, SERIAL = IO + 0x20, COUNT2 = IO + 0x28 };
enum { FRAME2 = IO + 0x38, ENABLE2 = 1 << 5, INTERRUPT2 = 1 << 9, STEREO_16 = 3 << 2 };

static void test_es1370(void)
{
    Card card = start("-device ES1370,addr=5,audiodev=a");
    QTest *qt = card.qt;
    unsigned count;

    g_assert_cmphex(qtest_inl(qt, CONTROL), ==, 1);
    g_assert_cmphex(qtest_inl(qt, STATUS), ==, 0x60);
    put_ramp(qt);
    qtest_outb(qt, PAGE, 0xc);
    qtest_outl(qt, FRAME2, DATA);
    qtest_outl(qt, FRAME2 + 4, FRAMES - 1);
    qtest_outl(qt, COUNT2, FRAMES / 2 - 1);
    qtest_outl(qt, SERIAL, INTERRUPT2 | STEREO_16);
    qtest_outl(qt, CONTROL, 30 << 16 | ENABLE2); /* 1411200 / 32: 44100 */
    qtest_clock_step(qt, 40 * MS);
    g_assert_cmphex(qtest_inl(qt, STATUS), ==, 0x60);
    g_assert_cmpuint(qtest_inw(qt, FRAME2 + 6), ==, 1764);
    qtest_clock_step(qt, 20 * MS);
    g_assert_cmphex(qtest_inl(qt, STATUS), ==, 0x80000062);
    qtest_outl(qt, SERIAL, STEREO_16);
    g_assert_cmphex(qtest_inl(qt, STATUS), ==, 0x60);
    qtest_outl(qt, SERIAL, INTERRUPT2 | STEREO_16);
    qtest_clock_step(qt, 60 * MS);
    g_assert_cmpuint(qtest_inw(qt, FRAME2 + 6), ==, 5292 - FRAMES); /* around */
    qtest_outl(qt, CONTROL, 1);
    for (unsigned i = 0; i < 256; i += 4) {
        qtest_outl(qt, (uint16_t)(IO + i % 0x40), 0xdeadbeef * (i + 1));
        qtest_outb(qt, PAGE, (uint8_t)(0xc + i / 4 % 2));
        qtest_clock_step(qt, MS);
    }
    g_autofree int16_t *samples = finish(&card, &count);
    g_assert_cmpuint(count, >, 2 * FRAMES);
    for (int i = 10; i < 4000; i++) { /* at 48000 frames a second, a slope of 6 * 441 / 480 */
        g_assert_cmpint(ABS(samples[2 * i] - i * 6 * 441 / 480), <, 12);
    }
}

static void test_es1370_records(void)
{
    Card card = start("-device ES1370,addr=5");
    QTest *qt = card.qt;
    unsigned count;

    put_ramp(qt);
    qtest_outb(qt, PAGE, 0xd);
    qtest_outl(qt, IO + 0x30, DATA);
    qtest_outl(qt, IO + 0x34, FRAMES - 1);
    qtest_outl(qt, IO + 0x2c, 99);
    qtest_outl(qt, SERIAL, 1 << 10 | 1 << 15 | 3 << 4); /* once */
    qtest_outl(qt, CONTROL, 30 << 16 | 1 << 4);
    qtest_clock_step(qt, 20 * MS);
    g_assert_cmphex(qtest_inl(qt, STATUS), ==, 0x80000061);
    g_assert_cmphex(qtest_inl(qt, CONTROL), ==, 30 << 16);
    g_assert_cmphex(qtest_readl(qt, DATA + 4 * 50), ==, 0);
    g_assert_cmphex(qtest_readl(qt, DATA + 4 * 1000), !=, 0);
    qtest_outl(qt, SERIAL, 1 << 15); /* bytes */
    qtest_outb(qt, PAGE, 0xd);
    qtest_outl(qt, IO + 0x34, FRAMES - 1);
    qtest_outl(qt, CONTROL, 30 << 16 | 1 << 4);
    qtest_clock_step(qt, 20 * MS);
    g_assert_cmphex(qtest_readl(qt, DATA), ==, 0x80808080);
    g_free(finish(&card, &count));
}

/* ---- sb16 ---- */

enum { SB = 0x220, SB_MIXER = SB + 4, SB_RESET = SB + 6, SB_READ = SB + 0xa, SB_WRITE = SB + 0xc };
enum { SB_STATUS = SB + 0xe, SB_ACK_16 = SB + 0xf, SB_IRQ = 5 };

static void sb_send(QTest *qt, unsigned count, ...)
{
    va_list args;

    va_start(args, count);
    while (count--) {
        g_assert_cmphex(qtest_inb(qt, SB_WRITE) & 0x80, ==, 0);
        qtest_outb(qt, SB_WRITE, (uint8_t)va_arg(args, int));
    }
    va_end(args);
}

static uint8_t sb_read(QTest *qt)
{
    g_assert_cmphex(qtest_inb(qt, SB_STATUS), ==, 0x80);
    return qtest_inb(qt, SB_READ);
}

static uint8_t sb_mixer(QTest *qt, uint8_t index)
{
    qtest_outb(qt, SB_MIXER, index);
    return qtest_inb(qt, SB_MIXER + 1);
}

/* Channel 5 goes through the ramp, again and again; @mode: from memory, or to it. */
static void sb_dma(QTest *qt, uint8_t mode)
{
    qtest_outb(qt, 0xd4, 5);
    qtest_outb(qt, 0xd8, 0);
    qtest_outb(qt, 0xd6, mode | 1);
    qtest_outb(qt, 0xc4, DATA >> 1 & 0xff);
    qtest_outb(qt, 0xc4, DATA >> 9 & 0xff);
    qtest_outb(qt, 0x8b, DATA >> 16);
    qtest_outb(qt, 0xc6, (BYTES / 2 - 1) & 0xff);
    qtest_outb(qt, 0xc6, (BYTES / 2 - 1) >> 8);
    qtest_outb(qt, 0xd4, 1);
}

static void test_sb16(void)
{
    Card card = start("-device sb16,audiodev=a");
    QTest *qt = card.qt;
    unsigned count;

    qtest_irq_intercept_in(qt, "ioapic");
    qtest_outb(qt, SB_RESET, 1);
    qtest_outb(qt, SB_RESET, 0);
    g_assert_cmphex(sb_read(qt), ==, 0xaa);
    sb_send(qt, 1, 0xe1);
    g_assert_cmphex(sb_read(qt), ==, 4);
    g_assert_cmphex(sb_read(qt), ==, 5);
    sb_send(qt, 2, 0xe0, 0x5a);
    g_assert_cmphex(sb_read(qt), ==, 0xa5);
    g_assert_cmphex(qtest_inb(qt, SB_STATUS), ==, 0);
    g_assert_cmphex(sb_mixer(qt, 0x80), ==, 2);
    g_assert_cmphex(sb_mixer(qt, 0x81), ==, 0x22);
    put_ramp(qt);
    sb_dma(qt, 0x58);
    sb_send(qt, 3, 0x41, 24000 >> 8, 24000 & 0xff);
    sb_send(qt, 4, 0xb6, 0x30, (FRAMES - 1) & 0xff, (FRAMES - 1) >> 8); /* half of it */
    qtest_clock_step(qt, 50 * MS);
    g_assert_false(qtest_get_irq(qt, SB_IRQ));
    qtest_clock_step(qt, 60 * MS);
    g_assert_true(qtest_get_irq(qt, SB_IRQ));
    g_assert_cmphex(sb_mixer(qt, 0x82), ==, 2);
    qtest_inb(qt, SB_ACK_16);
    g_assert_false(qtest_get_irq(qt, SB_IRQ));
    sb_send(qt, 1, 0xd9); /* no more after this block */
    qtest_clock_step(qt, 150 * MS);
    g_assert_true(qtest_get_irq(qt, SB_IRQ));
    g_autofree int16_t *samples = finish(&card, &count);
    g_assert_cmpuint(count / 2, >=, 2 * FRAMES - 4); /* at twice the rate */
    for (int i = 4; i < 2 * FRAMES - 8; i++) {
        g_assert_cmpint(ABS(samples[2 * i] - i * 3), <, 12);
    }
}

static void test_sb16_rest(void)
{
    Card card = start("-device sb16,audiodev=a");
    QTest *qt = card.qt;
    unsigned count;

    put_ramp(qt);
    sb_dma(qt, 0x54);
    sb_send(qt, 4, 0xb8, 0x10, 99, 0); /* records 100 samples, once */
    qtest_clock_step(qt, 50 * MS);
    g_assert_cmphex(sb_mixer(qt, 0x82), ==, 2);
    g_assert_cmphex(qtest_readw(qt, DATA + 2 * 99), ==, 0);
    g_assert_cmphex(qtest_readw(qt, DATA + 2 * 101), !=, 0);
    sb_send(qt, 1, 0xf2);
    g_assert_cmphex(sb_mixer(qt, 0x82), ==, 3);
    qtest_inb(qt, SB_STATUS);
    g_assert_cmphex(sb_mixer(qt, 0x82), ==, 2);
    sb_send(qt, 2, 0xe4, 0x12);
    sb_send(qt, 1, 0xe8);
    g_assert_cmphex(sb_read(qt), ==, 0x12);
    for (unsigned i = 0; i < 256; i++) { /* anything */
        qtest_outb(qt, SB_WRITE, (uint8_t)(i * 7));
        qtest_outb(qt, (uint16_t)(SB + i % 16), (uint8_t)(i * 31));
        qtest_clock_step(qt, MS);
    }
    g_free(finish(&card, &count));
}

/* ---- the speaker ---- */

static void test_speaker(void)
{
    Card card = start("-machine pc,pcspk-audiodev=a");
    QTest *qt = card.qt;
    unsigned count, rises = 0;

    qtest_outb(qt, 0x43, 0xb6);
    qtest_outb(qt, 0x42, 0xa9); /* 1193 ticks: 1000 Hz */
    qtest_outb(qt, 0x42, 0x04);
    qtest_clock_step(qt, 50 * MS);
    qtest_outb(qt, 0x61, 3);
    qtest_clock_step(qt, 100 * MS);
    qtest_outb(qt, 0x61, 0);
    qtest_clock_step(qt, 50 * MS);
    g_autofree int16_t *samples = finish(&card, &count);
    g_assert_cmpuint(count / 2, >=, 4790);
    g_assert_cmpuint(count / 2, <=, 4810);
    for (unsigned i = 1; i < count / 2; i++) {
        rises += samples[2 * i] > 0 && samples[2 * i - 2] <= 0;
    }
    g_assert_cmpuint(rises, >=, 99);
    g_assert_cmpuint(rises, <=, 101);
}

int main(int argc, char *argv[])
{
    static const QTestRefused refused[] = {
        { "-device AC97,audiodev=x", "audiodev 'x' not found" },
        { "-device ES1370,audiodev=x", "audiodev 'x' not found" },
        { "-device sb16,irq=3", "'irq' 3" },
        { "-device sb16,dma=2", "dma" },
        { "-device sb16 -device sb16", "sb16" },
        { "-machine pcspk-audiodev=x", "pcspk-audiodev=x: audiodev 'x' not found" },
    };

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sound/ac97", test_ac97);
    g_test_add_func("/sound/ac97-rest", test_ac97_rest);
    g_test_add_func("/sound/es1370", test_es1370);
    g_test_add_func("/sound/es1370-records", test_es1370_records);
    g_test_add_func("/sound/sb16", test_sb16);
    g_test_add_func("/sound/sb16-rest", test_sb16_rest);
    g_test_add_func("/sound/speaker", test_speaker);
    qtest_add_refused("/sound/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
