/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The FIFO of a VMware SVGA II, and its commands. */
#include <string.h>

#include "hw/display/vmware-svga.h"
#include "util/clock.h"

enum {
    CAP_FENCE = 1 << 0,
    CAP_CURSOR_BYPASS_3 = 1 << 4, /* where the pointer is, is in the FIFO */
    CAP_ESCAPE = 1 << 5,
    WORK = 64 << 20, /* bytes of the picture that one part of it may touch */
    LINE_WORK = 256, /* what each line costs beside them */
    PAUSE_NS = 1000000,
    WORDS = SVGA_FIFO_SIZE / 4,
};

/* ---- words ---- */

uint32_t svga_fifo_get(const VmwareSvga *s, unsigned word)
{
    const uint32_t *words = (const uint32_t *)(const void *)s->fifo->host;

    return GUINT32_FROM_LE(__atomic_load_n(&words[word], __ATOMIC_ACQUIRE));
}

void svga_fifo_set(VmwareSvga *s, unsigned word, uint32_t value)
{
    uint32_t *words = (uint32_t *)(void *)s->fifo->host;

    __atomic_store_n(&words[word], GUINT32_TO_LE(value), __ATOMIC_RELEASE);
    dirty_mark(s->fifo, word * sizeof(uint32_t), sizeof(uint32_t));
}

void svga_fifo_reset(VmwareSvga *s)
{
    memset(s->fifo->host, 0, SVGA_FIFO_REGS * sizeof(uint32_t));
    dirty_mark(s->fifo, 0, SVGA_FIFO_REGS * sizeof(uint32_t));
    svga_fifo_set(s, SVGA_FIFO_CAPABILITIES, CAP_FENCE | CAP_CURSOR_BYPASS_3 | CAP_ESCAPE);
}

/* ---- a look at what is in it ---- */

typedef struct Fifo {
    unsigned min, max;   /* words */
    unsigned stop, next; /* and where it is */
} Fifo;

/* False: what the guest has set up makes no sense, or nothing yet. */
static bool look(const VmwareSvga *s, Fifo *f)
{
    uint32_t all[] = { svga_fifo_get(s, SVGA_FIFO_MIN), svga_fifo_get(s, SVGA_FIFO_MAX),
                       svga_fifo_get(s, SVGA_FIFO_STOP), svga_fifo_get(s, SVGA_FIFO_NEXT) };

    for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
        if (all[i] % 4 || all[i] > SVGA_FIFO_SIZE) {
            return false;
        }
        all[i] /= 4;
    }
    *f = (Fifo){ all[0], all[1], all[2], all[3] };
    return f->min >= SVGA_FIFO_CAPABILITIES && f->min < f->max && f->stop >= f->min &&
           f->stop < f->max && f->next >= f->min && f->next < f->max;
}

static unsigned filled(const Fifo *f)
{
    return f->next >= f->stop ? f->next - f->stop : f->max - f->min - (f->stop - f->next);
}

/* Word @n of the command that is next. */
static uint32_t peek(const VmwareSvga *s, const Fifo *f, unsigned n)
{
    unsigned at = f->stop + n;

    return svga_fifo_get(s, at < f->max ? at : at - (f->max - f->min));
}

/* Is word @n of the FIFO one of its registers, and no place of commands? */
static bool has_reg(const Fifo *f, unsigned n)
{
    return f->min > n;
}

/* ---- commands ---- */

/* Is a rectangle of the picture there: inside of it, and in the memory? */
static bool rect_there(const VmwareSvga *s, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
    uint64_t end = ((uint64_t)y + height - 1) * svga_pitch(s) + ((uint64_t)x + width) * 4;

    return width && height && (uint64_t)x + width <= s->width &&
           (uint64_t)y + height <= s->height && end <= vram_size(&s->vga.vram);
}

static uint64_t offset_of(const VmwareSvga *s, uint32_t x, uint32_t y)
{
    return (uint64_t)y * svga_pitch(s) + (uint64_t)x * 4;
}

static uint64_t rect_fill(VmwareSvga *s, const uint32_t *words)
{
    enum { COLOUR, X, Y, WIDTH, HEIGHT };
    uint32_t width = words[WIDTH], height = words[HEIGHT], colour = GUINT32_TO_LE(words[COLOUR]);

    if (!rect_there(s, words[X], words[Y], width, height)) {
        return 0;
    }
    for (unsigned y = 0; y < height; y++) {
        uint64_t at = offset_of(s, words[X], words[Y] + y);

        for (unsigned x = 0; x < width; x++) {
            memcpy(s->vga.vram.block->host + at + x * 4ull, &colour, sizeof(colour));
        }
        vram_mark(&s->vga.vram, at, width * 4ull);
    }
    return (width * 4ull + LINE_WORK) * height;
}

static uint64_t rect_copy(VmwareSvga *s, const uint32_t *words)
{
    enum { FROM_X, FROM_Y, X, Y, WIDTH, HEIGHT };
    uint32_t width = words[WIDTH], height = words[HEIGHT];
    bool upwards = words[Y] > words[FROM_Y]; /* from the last line on, as they may overlap */

    if (!rect_there(s, words[X], words[Y], width, height) ||
        !rect_there(s, words[FROM_X], words[FROM_Y], width, height)) {
        return 0;
    }
    for (unsigned i = 0; i < height; i++) {
        unsigned y = upwards ? height - 1 - i : i;
        uint64_t to = offset_of(s, words[X], words[Y] + y);

        memmove(s->vga.vram.block->host + to,
                s->vga.vram.block->host + offset_of(s, words[FROM_X], words[FROM_Y] + y),
                width * 4ull);
        vram_mark(&s->vga.vram, to, width * 4ull);
    }
    return (width * 8ull + LINE_WORK) * height;
}

static uint64_t define_cursor(VmwareSvga *s, const uint32_t *words)
{
    svga_define_cursor(s, words);
    return sizeof(s->cursor.argb);
}

static uint64_t define_alpha_cursor(VmwareSvga *s, const uint32_t *words)
{
    svga_define_alpha_cursor(s, words);
    return sizeof(s->cursor.argb);
}

/* How many words follow those that a command always has. */
static uint64_t masks_size(const uint32_t *words)
{
    enum { WIDTH = 3, HEIGHT, AND_DEPTH, XOR_DEPTH };

    return svga_mask_words(words[WIDTH], words[HEIGHT], words[AND_DEPTH]) +
           svga_mask_words(words[WIDTH], words[HEIGHT], words[XOR_DEPTH]);
}

static uint64_t alpha_size(const uint32_t *words)
{
    enum { WIDTH = 3, HEIGHT };

    return (uint64_t)words[WIDTH] * words[HEIGHT];
}

static uint64_t escape_size(const uint32_t *words)
{
    enum { SIZE = 1 };

    return ((uint64_t)words[SIZE] + 3) / 4;
}

/* What there is, and what is known well enough to be left out. The picture is what lies in memory:
 * an update says nothing that is not seen there. */
static const struct {
    uint8_t code, words; /* behind the code */
    uint64_t (*more)(const uint32_t *words);
    uint64_t (*run)(VmwareSvga *s, const uint32_t *words); /* returns what it cost, in bytes */
} commands[] = {
    { 1, 4, NULL, NULL },                       /* update */
    { 2, 5, NULL, rect_fill },                  /* rectangle: fill */
    { 3, 6, NULL, rect_copy },                  /* rectangle: copy */
    { 14, 7, NULL, NULL },                      /* the same with a raster operation */
    { 19, 7, masks_size, define_cursor },       /* pointer: masks */
    { 22, 5, alpha_size, define_alpha_cursor }, /* pointer: colours */
    { 25, 5, NULL, NULL },                      /* update, and why */
    { 29, 6, NULL, NULL },                      /* fill with a raster operation */
    { 33, 2, escape_size, NULL },               /* escape */
};

enum { FENCE = 30, FIXED_WORDS = 8 };

/* ---- all of it ---- */

static void advance(VmwareSvga *s, Fifo *f, unsigned words)
{
    f->stop += words;
    if (f->stop >= f->max) {
        f->stop -= f->max - f->min;
    }
    svga_fifo_set(s, SVGA_FIFO_STOP, f->stop * 4);
}

/* What cannot be understood is dropped, and all behind it. */
static bool drop(VmwareSvga *s, Fifo *f)
{
    advance(s, f, filled(f));
    return false;
}

/* Carry out one of @words with its code, the first of which are @fixed, and take what it cost off
 * *work. */
static void run_one(VmwareSvga *s, const Fifo *f, unsigned which, const uint32_t *fixed,
                    unsigned words, int64_t *work)
{
    g_autofree uint32_t *copy = g_new(uint32_t, words);

    for (unsigned i = 1; i < words; i++) {
        copy[i - 1] = i <= commands[which].words ? fixed[i - 1] : peek(s, f, i);
    }
    *work -= (int64_t)commands[which].run(s, copy);
}

/* The next command, if all of it is there. */
static bool next_command(VmwareSvga *s, Fifo *f, int64_t *work)
{
    uint32_t code = peek(s, f, 0), fixed[FIXED_WORDS] = { 0 };
    unsigned i = 0, there = filled(f);

    if (code == FENCE) {
        if (there < 2) {
            return false;
        }
        if (has_reg(f, SVGA_FIFO_FENCE)) {
            svga_fifo_set(s, SVGA_FIFO_FENCE, peek(s, f, 1));
        }
        advance(s, f, 2);
        return true;
    }
    while (i < G_N_ELEMENTS(commands) && commands[i].code != code) {
        i++;
    }
    if (i == G_N_ELEMENTS(commands)) {
        return drop(s, f);
    }
    uint64_t words = 1u + commands[i].words;
    if (words > there) {
        return false;
    }
    for (unsigned n = 0; n < commands[i].words; n++) {
        fixed[n] = peek(s, f, n + 1);
    }
    words += commands[i].more ? commands[i].more(fixed) : 0;
    if (words >= f->max - f->min) {
        return drop(s, f); /* it can never be there */
    }
    if (words > there) {
        return false;
    }
    if (commands[i].run) {
        run_one(s, f, i, fixed, (unsigned)words, work);
    }
    advance(s, f, (unsigned)words);
    return true;
}

static void follow_cursor(VmwareSvga *s, const Fifo *f)
{
    uint32_t count = svga_fifo_get(s, SVGA_FIFO_CURSOR_COUNT);

    if (has_reg(f, SVGA_FIFO_CURSOR_COUNT) && count != s->cursor_count) {
        s->cursor_count = count;
        s->cursor_on = svga_fifo_get(s, SVGA_FIFO_CURSOR_ON);
        s->cursor_x = svga_fifo_get(s, SVGA_FIFO_CURSOR_X);
        s->cursor_y = svga_fifo_get(s, SVGA_FIFO_CURSOR_Y);
        svga_move_cursor(s);
    }
}

/* The guest need not wait any longer. */
static void done(VmwareSvga *s, const Fifo *f)
{
    s->busy = false;
    timer_del(s->timer);
    if (f && has_reg(f, SVGA_FIFO_BUSY)) {
        svga_fifo_set(s, SVGA_FIFO_BUSY, 0);
    }
}

void svga_fifo_run(VmwareSvga *s)
{
    int64_t work = WORK;
    Fifo f;

    if (!s->enable || !s->config_done || !look(s, &f)) {
        done(s, NULL);
        return;
    }
    follow_cursor(s, &f);
    /* What the guest adds meanwhile is for the next part. */
    while (f.stop != f.next && work > 0) {
        if (!next_command(s, &f, &work)) {
            f.next = f.stop;
        }
    }
    if (f.stop == f.next) {
        done(s, &f);
    } else {
        timer_mod(s->timer, clock_ns() + PAUSE_NS);
    }
}
