/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "hw/sd/sdhci.h"

enum {
    MODE_DMA = 1 << 0,
    MODE_COUNT = 1 << 1,
    MODE_READ = 1 << 4,
    MODE_MULTIPLE = 1 << 5,

    DMA_SELECT = 3 << 3, /* of the host control */
    DMA_SDMA = 0 << 3,
    DMA_ADMA2 = 2 << 3,

    BLOCK_BYTES = 0xfff,
    BOUNDARY_SHIFT = 12,
    BOUNDARY_MIN = 4096,

    PRESENT_DAT_INHIBIT = 1 << 1,
    PRESENT_DAT_ACTIVE = 1 << 2,
    PRESENT_WRITE = 1 << 8,
    PRESENT_READ = 1 << 9,
    PRESENT_CAN_WRITE = 1 << 10,
    PRESENT_CAN_READ = 1 << 11,
};

/* In one go, where the card takes no time: the largest count of blocks needs half of that. What has
 * no count could have the guest's CPU, and everybody, wait for as long as the card is large. */
enum { STEPS_MAX = 16384 };

/* A line of ADMA2's table (1.13.3). */
enum {
    ADMA_VALID = 1 << 0,
    ADMA_END = 1 << 1,
    ADMA_INT = 1 << 2,
    ADMA_ACT = 3 << 4,
    ADMA_NOP = 0 << 4,
    ADMA_TRAN = 2 << 4,
    ADMA_LINK = 3 << 4,

    ADMA_LINE = 8,
    ADMA_LINES_MAX = 1024, /* that move nothing, one after the other */

    ADMA_ERROR_FETCH = 1, /* the state in which it stopped */
    ADMA_ERROR_TRANSFER = 3,
    ADMA_ERROR_LENGTH = 1 << 2,
};

static bool to_host(const Sdhci *s)
{
    return sdhci_get(s, SDHCI_TRANSFER_MODE, 2) & MODE_READ;
}

static bool uses_dma(const Sdhci *s)
{
    return sdhci_get(s, SDHCI_TRANSFER_MODE, 2) & MODE_DMA;
}

static bool uses_adma(const Sdhci *s)
{
    return uses_dma(s) && (s->regs[SDHCI_HOST_CONTROL] & DMA_SELECT) == DMA_ADMA2;
}

/* ---- the end ---- */

void sdhci_data_stop(Sdhci *s)
{
    SdCard *card = s->bus->card;

    if (card) {
        sd_card_drain(card);
    }
    s->phase = SDHCI_IDLE;
    s->asked = s->waits = s->endless = false;
    s->left = s->have = s->used = 0;
    s->adma_left = 0;
    s->adma_flags = 0;
}

static void fail(Sdhci *s, uint16_t error)
{
    sdhci_data_stop(s);
    sdhci_fail(s, error);
}

static void fail_adma(Sdhci *s, uint8_t why)
{
    s->regs[SDHCI_ADMA_ERROR] = why;
    fail(s, SDHCI_ADMA_FAILED);
}

static void finish(Sdhci *s)
{
    sdhci_data_stop(s);
    sdhci_auto_stop(s);
    sdhci_raise(s, SDHCI_TRANSFER_COMPLETE);
}

/* ---- between buffer and host ---- */

/* The next line that moves something. False: there is none, and that was an error. */
static bool next_line(Sdhci *s)
{
    for (unsigned n = 0; n < ADMA_LINES_MAX; n++) {
        uint8_t line[ADMA_LINE];
        uint32_t address;

        if (s->adma_flags & ADMA_END || !dma_read_ram(&s->parent.dma, s->adma, line, ADMA_LINE)) {
            fail_adma(s, s->adma_flags & ADMA_END ? ADMA_ERROR_LENGTH | ADMA_ERROR_TRANSFER
                                                  : ADMA_ERROR_FETCH);
            return false;
        }
        if (!(line[0] & ADMA_VALID)) {
            fail_adma(s, ADMA_ERROR_FETCH);
            return false;
        }
        address = line[4] | line[5] << 8 | line[6] << 16 | (uint32_t)line[7] << 24;
        s->adma_flags = line[0];
        s->adma = (line[0] & ADMA_ACT) == ADMA_LINK ? address : (uint32_t)(s->adma + ADMA_LINE);
        sdhci_set(s, SDHCI_ADMA_ADDRESS, 4, (uint32_t)s->adma);
        if ((line[0] & ADMA_ACT) == ADMA_TRAN) {
            s->adma_data = address;
            s->adma_left = line[2] | line[3] << 8;
            s->adma_left = s->adma_left ? s->adma_left : 65536;
            return true;
        }
        if (line[0] & ADMA_INT) {
            sdhci_raise(s, SDHCI_DMA_INTERRUPT);
        }
    }
    fail_adma(s, ADMA_ERROR_FETCH);
    return false;
}

/* At most @size bytes at @address; false: there is no memory. */
static bool copy(Sdhci *s, uint64_t address, uint32_t size)
{
    return to_host(s) ? dma_write_ram(&s->parent.dma, address, s->buffer + s->used, size)
                      : dma_read_ram(&s->parent.dma, address, s->buffer + s->used, size);
}

/* False: it waits, or has failed. */
static bool move_adma(Sdhci *s)
{
    while (s->used < s->have) {
        uint32_t size;

        if (!s->adma_left && !next_line(s)) {
            return false;
        }
        size = MIN(s->adma_left, s->have - s->used);
        if (!copy(s, s->adma_data, size)) {
            fail_adma(s, ADMA_ERROR_TRANSFER);
            return false;
        }
        s->used += size;
        s->adma_data += size;
        s->adma_left -= size;
        if (!s->adma_left && s->adma_flags & ADMA_INT) {
            sdhci_raise(s, SDHCI_DMA_INTERRUPT);
        }
    }
    return true;
}

static bool move_sdma(Sdhci *s)
{
    uint32_t boundary = BOUNDARY_MIN << (sdhci_get(s, SDHCI_BLOCK_SIZE, 2) >> BOUNDARY_SHIFT & 7);

    while (s->used < s->have && !s->waits) {
        uint32_t address = sdhci_get(s, SDHCI_SDMA_ADDRESS, 4);
        uint32_t size = MIN(s->have - s->used, boundary - address % boundary);

        if (!copy(s, address, size)) {
            fail(s, SDHCI_DATA_TIMEOUT);
            return false;
        }
        s->used += size;
        address += size;
        sdhci_set(s, SDHCI_SDMA_ADDRESS, 4, address);
        /* Not after the last byte. */
        if (address % boundary == 0 && (s->used < s->have || s->left || s->endless)) {
            s->waits = true;
            sdhci_raise(s, SDHCI_DMA_INTERRUPT);
        }
    }
    return !s->waits;
}

/* All that is in the buffer; false: it waits, or has failed. */
static bool move(Sdhci *s)
{
    if (s->waits) {
        return false;
    }
    if (uses_dma(s)) {
        return uses_adma(s) ? move_adma(s) : move_sdma(s);
    }
    return s->used == s->have;
}

/* ---- between buffer and card ---- */

static void card_done(void *opaque, bool ok);

/* False: it has failed, or it is known later how that went. */
static bool card_move(Sdhci *s)
{
    SdCard *card = s->bus->card;
    bool ok;

    if (!card || (s->phase == SDHCI_FROM_CARD ? !sd_card_sends(card) : !sd_card_takes(card))) {
        fail(s, SDHCI_DATA_TIMEOUT);
        return false;
    }
    s->asked = true;
    if (!sd_card_move(card, s->buffer, s->have, card_done, s, &ok)) {
        return false;
    }
    s->asked = false;
    if (!ok) {
        fail(s, SDHCI_DATA_TIMEOUT);
    }
    return ok;
}

static void card_moved(Sdhci *s)
{
    s->phase = s->phase == SDHCI_FROM_CARD ? SDHCI_TO_HOST : SDHCI_FROM_HOST;
    s->used = s->phase == SDHCI_TO_HOST ? 0 : s->have;
    if (s->phase == SDHCI_TO_HOST && !uses_dma(s)) {
        sdhci_raise(s, SDHCI_READ_READY);
    }
}

static void card_done(void *opaque, bool ok)
{
    Sdhci *s = opaque;

    s->asked = false;
    if (!ok) {
        fail(s, SDHCI_DATA_TIMEOUT);
        return;
    }
    card_moved(s);
    sdhci_data_run(s);
}

/* How many blocks go at once: by the port each alone, as its size is what is waited for. */
static void take_blocks(Sdhci *s)
{
    uint32_t most = uses_dma(s) ? SDHCI_BUFFER / s->block : 1;
    uint32_t count = s->endless ? 1 : MIN(s->left, most);

    s->have = count * s->block;
    s->used = 0;
    if (!s->endless) {
        s->left -= count;
    }
}

/* The host's turn is over, with all that was in the buffer: false, if that was the last. */
static bool next_blocks(Sdhci *s)
{
    if (sdhci_get(s, SDHCI_TRANSFER_MODE, 2) & MODE_COUNT && !s->endless) {
        sdhci_set(s, SDHCI_BLOCK_COUNT, 2, s->left);
    }
    if (!s->left && !s->endless) {
        return false;
    }
    take_blocks(s);
    return true;
}

static bool step(Sdhci *s)
{
    switch (s->phase) {
    case SDHCI_FROM_CARD:
        if (!card_move(s)) {
            return false;
        }
        card_moved(s);
        return true;
    case SDHCI_TO_HOST:
        if (!move(s)) {
            return false;
        }
        if (!next_blocks(s)) {
            finish(s);
            return false;
        }
        s->phase = SDHCI_FROM_CARD;
        return true;
    case SDHCI_FROM_HOST: /* all is moved, or the buffer is to be filled */
        if (s->used == s->have) {
            if (!next_blocks(s)) {
                finish(s);
                return false;
            }
            if (!uses_dma(s)) {
                sdhci_raise(s, SDHCI_WRITE_READY);
            }
        }
        move(s);
        if (s->phase != SDHCI_FROM_HOST || s->used < s->have) {
            return false;
        }
        s->phase = SDHCI_TO_CARD; /* also if it waits: that is for those that follow */
        return true;
    case SDHCI_TO_CARD:
        if (!card_move(s)) {
            return false;
        }
        card_moved(s);
        return true;
    default:
        return false;
    }
}

void sdhci_data_run(Sdhci *s)
{
    unsigned n = 0;

    while (!s->asked && step(s)) {
        if (++n == STEPS_MAX) {
            fail(s, SDHCI_DATA_TIMEOUT);
        }
    }
}

void sdhci_data_begin(Sdhci *s)
{
    uint16_t mode = (uint16_t)sdhci_get(s, SDHCI_TRANSFER_MODE, 2);

    s->block = sdhci_get(s, SDHCI_BLOCK_SIZE, 2) & BLOCK_BYTES;
    s->endless = mode & MODE_MULTIPLE && !(mode & MODE_COUNT);
    s->left = mode & MODE_MULTIPLE ? sdhci_get(s, SDHCI_BLOCK_COUNT, 2) : 1;
    s->adma = sdhci_get(s, SDHCI_ADMA_ADDRESS, 4);
    s->adma_left = 0;
    s->adma_flags = 0;
    s->have = s->used = 0;
    s->waits = false;
    if (!s->block || (!s->left && !s->endless)) {
        sdhci_raise(s, SDHCI_TRANSFER_COMPLETE); /* there is nothing to move */
        return;
    }
    if (mode & MODE_READ) {
        take_blocks(s);
        s->phase = SDHCI_FROM_CARD;
    } else {
        s->phase = SDHCI_FROM_HOST;
    }
    sdhci_data_run(s);
}

void sdhci_data_go_on(Sdhci *s)
{
    if (s->waits) {
        s->waits = false;
        sdhci_data_run(s);
    }
}

/* ---- the port, and what the guest sees ---- */

uint32_t sdhci_data_read(Sdhci *s, unsigned size)
{
    uint32_t value = 0;

    if (s->phase != SDHCI_TO_HOST || uses_dma(s)) {
        return 0;
    }
    for (unsigned i = 0; i < size && s->used < s->have; i++) {
        value |= (uint32_t)s->buffer[s->used++] << 8 * i;
    }
    sdhci_data_run(s);
    return value;
}

void sdhci_data_write(Sdhci *s, uint32_t value, unsigned size)
{
    if (s->phase != SDHCI_FROM_HOST || uses_dma(s)) {
        return;
    }
    for (unsigned i = 0; i < size && s->used < s->have; i++) {
        s->buffer[s->used++] = (uint8_t)(value >> 8 * i);
    }
    if (s->used == s->have) {
        s->phase = SDHCI_TO_CARD;
        sdhci_data_run(s);
    }
}

uint32_t sdhci_data_state(const Sdhci *s)
{
    uint32_t state;

    if (s->phase == SDHCI_IDLE) {
        return 0;
    }
    state = PRESENT_DAT_INHIBIT | PRESENT_DAT_ACTIVE | (to_host(s) ? PRESENT_READ : PRESENT_WRITE);
    if (!uses_dma(s)) {
        state |= s->phase == SDHCI_TO_HOST     ? PRESENT_CAN_READ
                 : s->phase == SDHCI_FROM_HOST ? PRESENT_CAN_WRITE
                                               : 0;
    }
    return state;
}
