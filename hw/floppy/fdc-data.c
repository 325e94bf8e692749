/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of the floppy controller that move data (82078 data sheet, chapters 5 and 8). Each
 * goes sector by sector: from the disk to the host, from the host to the disk, or from both to be
 * compared; steps are done in a loop (run()), as much may be moved at once.
 */
#include <string.h>

#include "hw/floppy/fdc.h"
#include "hw/dma/i8257.h"

/* Bytes of a command. */
enum { C_DRIVE = 1, C_CYLINDER, C_HEAD, C_SECTOR, C_SIZE, C_LAST, C_GAP, C_LENGTH };
enum { F_SIZE = 2, F_SECTORS = 3, F_FILL = 5 };
enum { MANY_SIDES = 0x80, MFM = 0x40, SKIP = 0x20, COUNTED = 0x80 };
enum { SIZE_512 = 2 };

enum { ST0_ABNORMAL = 0x40, ST0_CHECK = 0x10 };
enum {
    ST1_END = 0x80,
    ST1_BAD_DATA = 0x20,
    ST1_NOT_FOUND = 0x04,
    ST1_PROTECTED = 0x02,
    ST1_NO_MARK = 0x01
};
enum {
    ST2_OTHER_MARK = 0x40,
    ST2_BAD_DATA = 0x20,
    ST2_WRONG_CYLINDER = 0x10,
    ST2_EQUAL = 0x08,
    ST2_NOT_SATISFIED = 0x04
};
enum { CONFIG_IMPLIED_SEEK = 0x40 };

typedef enum Operation {
    READ_TRACK = 0x02,
    WRITE = 0x05,
    READ = 0x06,
    WRITE_DELETED = 0x09,
    READ_DELETED = 0x0c,
    FORMAT = 0x0d,
    SCAN_EQUAL = 0x11,
    VERIFY = 0x16,
    SCAN_LOW = 0x19,
    SCAN_HIGH = 0x1d,
} Operation;

static Operation operation(const IsaFdc *s)
{
    return s->command[0] & 0x1f;
}

static bool is_scan(Operation op)
{
    return op == SCAN_EQUAL || op == SCAN_LOW || op == SCAN_HIGH;
}

static bool is_write(Operation op)
{
    return op == WRITE || op == WRITE_DELETED || op == FORMAT;
}

bool fdc_data_to_host(const IsaFdc *s)
{
    Operation op = operation(s);

    return !is_write(op) && !is_scan(op);
}

/* FORMAT gets four bytes of each sector. */
unsigned fdc_data_block(const IsaFdc *s)
{
    return operation(s) == FORMAT ? 4 : FLOPPY_SECTOR;
}

/* What is to be done next with a sector. */
typedef enum Step { STEP_BEGIN, STEP_FETCHED, STEP_MOVED, STEP_THROUGH, STEP_WAIT } Step;

static void run(IsaFdc *s, Step step);

/* ---- the end ---- */

static void finish(IsaFdc *s)
{
    const uint8_t *c = s->command;
    uint8_t drive = (uint8_t)((c[C_DRIVE] & 3) | s->head << 2);
    const uint8_t result[7] = {
        s->status[0] | drive, s->status[1], s->status[2], c[C_CYLINDER], c[C_HEAD],
        c[C_SECTOR],          c[C_SIZE]
    };

    isa_dma_request(s->channel, false);
    fdc_finish(s, result, sizeof(result), true);
}

static void fail(IsaFdc *s, uint8_t status1, uint8_t status2)
{
    s->status[0] |= ST0_ABNORMAL;
    s->status[1] |= status1;
    s->status[2] |= status2;
    finish(s);
}

/* ---- sectors ---- */

/* The command names the next sector now. False: there is none that it wants. */
static bool advance(IsaFdc *s)
{
    uint8_t *c = s->command;
    unsigned by = is_scan(operation(s)) && c[C_LENGTH] == 2 ? 2 : 1;

    if (c[C_SECTOR] + by <= s->last && c[C_SECTOR] != s->last) {
        c[C_SECTOR] = (uint8_t)(c[C_SECTOR] + by);
        return true;
    }
    c[C_SECTOR] = 1;
    if (c[0] & MANY_SIDES && operation(s) != READ_TRACK) {
        c[C_HEAD] ^= 1;
        s->head ^= 1;
        if (s->head) {
            return true;
        }
    }
    c[C_CYLINDER]++;
    return false;
}

/* Find the sector on the disk; false: the command has failed. */
static bool find(IsaFdc *s, uint64_t *place)
{
    const Floppy *floppy = fdc_drive(s);
    const FloppyFormat *f = floppy ? floppy->format : NULL;
    const uint8_t *c = s->command;

    if (!f || f->rate != s->rate || !(c[0] & MFM) || s->head >= f->heads ||
        floppy->cylinder >= f->cylinders) {
        fail(s, ST1_NO_MARK, 0);
    } else if (c[C_CYLINDER] != floppy->cylinder) {
        fail(s, ST1_NOT_FOUND, ST2_WRONG_CYLINDER);
    } else if (c[C_HEAD] != s->head || c[C_SIZE] != SIZE_512 ||
               !floppy_place(floppy, s->head, c[C_SECTOR], place)) {
        fail(s, ST1_NOT_FOUND, 0);
    } else if (is_write(operation(s)) && !floppy_can_write(floppy)) {
        fail(s, ST1_PROTECTED, 0);
    } else {
        return true;
    }
    return false;
}

/* ---- the disk ---- */

static void disk_done(BlockRequest *request)
{
    IsaFdc *s = request->opaque;
    bool writes = request->op == BLOCK_WRITE;

    s->phase = FDC_DATA;
    if (s->cancelled) {
        return;
    }
    s->at = 0;
    if (request->error && block_conf_failed(request) != BLOCK_ERROR_ACTION_IGNORE) {
        s->status[0] |= writes ? ST0_CHECK : 0;
        fail(s, writes ? 0 : ST1_BAD_DATA, writes ? 0 : ST2_BAD_DATA);
        return;
    }
    run(s, writes ? STEP_THROUGH : STEP_FETCHED);
}

/* True: it is done already. */
static bool disk_move(IsaFdc *s, bool writes, uint64_t place)
{
    const Floppy *floppy = fdc_drive(s);
    BlockBackend *backend = floppy->conf.backend;

    s->iov = (struct iovec){ is_scan(operation(s)) ? s->disk : s->buffer, FLOPPY_SECTOR };
    s->request = (BlockRequest){
        .op = writes ? BLOCK_WRITE : BLOCK_READ,
        .offset = place,
        .bytes = FLOPPY_SECTOR,
        .iov = &s->iov,
        .iovcnt = 1,
        .and_flush = writes && !block_conf_writeback(&floppy->conf),
        .done = disk_done,
        .opaque = s,
    };
    s->phase = FDC_BUSY;
    if (block_submit(backend, &s->request)) {
        s->phase = FDC_DATA;
        s->at = 0;
        return true;
    }
    block_submitted(backend);
    return false;
}

/* Wait for the sector that is under way, whatever becomes of it. */
static void drain(IsaFdc *s)
{
    const Floppy *floppy = fdc_drive(s);

    s->cancelled = true;
    if (s->phase == FDC_BUSY && floppy) {
        block_drain(floppy->conf.backend);
    }
    s->cancelled = false;
}

void fdc_data_disk_leaves(IsaFdc *s, unsigned unit)
{
    if (s->phase == FDC_BUSY && (s->command[C_DRIVE] & 3u) == unit) {
        drain(s);
        fail(s, ST1_NO_MARK, 0);
    }
}

void fdc_data_cancel(IsaFdc *s)
{
    drain(s);
    if (s->phase == FDC_DATA) {
        s->phase = FDC_COMMAND;
        s->given = 0;
    }
    isa_dma_request(s->channel, false);
}

/* ---- the host ---- */

/* A block to or from the host. False: it is not there yet. */
static bool host_move(IsaFdc *s)
{
    unsigned block = fdc_data_block(s);

    if (!fdc_uses_dma(s)) {
        if (s->at < block) {
            fdc_raise(s);
        }
        return s->at == block;
    }
    isa_dma_request(s->channel, true);
    s->at = (uint16_t)(s->at + isa_dma_move(s->channel, s->buffer + s->at, block - s->at,
                                            fdc_data_to_host(s), &s->ended));
    return s->at == block || s->ended;
}

/* ---- steps: each says which one follows ---- */

static Step step_host(IsaFdc *s)
{
    return host_move(s) ? STEP_MOVED : STEP_WAIT;
}

static Step step_begin(IsaFdc *s)
{
    Operation op = operation(s);
    uint64_t place;

    s->at = 0;
    if (op == READ_DELETED && s->command[0] & SKIP) { /* no sector has that mark */
        s->status[2] |= ST2_OTHER_MARK;
        return STEP_THROUGH;
    }
    if (op == FORMAT) {
        return step_host(s);
    }
    if (!find(s, &place)) {
        return STEP_WAIT;
    }
    if (is_write(op)) {
        return step_host(s);
    }
    return disk_move(s, false, place) ? STEP_FETCHED : STEP_WAIT;
}

static Step step_fetched(IsaFdc *s)
{
    return operation(s) == VERIFY ? STEP_THROUGH : step_host(s);
}

/* Whatever is 0xff fits. */
static bool scan_fits(const IsaFdc *s, bool *equal)
{
    Operation op = operation(s);

    *equal = true;
    for (unsigned i = 0; i < s->at; i++) {
        uint8_t disk = s->disk[i], host = s->buffer[i];

        if (disk != host && disk != 0xff && host != 0xff) {
            *equal = false;
            return (op == SCAN_LOW && disk < host) || (op == SCAN_HIGH && disk > host);
        }
    }
    return true;
}

static Step step_scan(IsaFdc *s)
{
    bool equal;

    if (!scan_fits(s, &equal)) {
        if (s->ended || s->command[C_SECTOR] == s->last) {
            s->status[2] |= ST2_NOT_SATISFIED;
        }
        return STEP_THROUGH;
    }
    s->status[2] |= equal ? ST2_EQUAL : 0;
    finish(s);
    return STEP_WAIT;
}

static Step step_write(IsaFdc *s)
{
    uint64_t place;

    if (operation(s) == FORMAT) { /* cylinder, head, sector, size */
        if (s->at < fdc_data_block(s)) {
            finish(s);
            return STEP_WAIT;
        }
        memcpy(s->command + C_CYLINDER, s->buffer, fdc_data_block(s));
        memset(s->buffer, s->command[C_LENGTH], FLOPPY_SECTOR);
    } else {
        memset(s->buffer + s->at, 0, FLOPPY_SECTOR - s->at);
    }
    if (!find(s, &place)) {
        return STEP_WAIT;
    }
    return disk_move(s, true, place) ? STEP_THROUGH : STEP_WAIT;
}

static Step step_moved(IsaFdc *s)
{
    Operation op = operation(s);

    if (is_scan(op)) {
        return step_scan(s);
    }
    if (is_write(op)) {
        return step_write(s);
    }
    if (op == READ_DELETED) { /* the sector has the other mark, and is the last one */
        s->status[2] |= ST2_OTHER_MARK;
        finish(s);
        return STEP_WAIT;
    }
    return STEP_THROUGH;
}

static Step step_through(IsaFdc *s)
{
    Operation op = operation(s);
    bool counted = op == FORMAT || (op == VERIFY && s->command[C_DRIVE] & COUNTED);
    bool more = op == FORMAT || advance(s);

    if (s->ended || (counted && !--s->sectors_left)) {
        finish(s);
    } else if (more) {
        return STEP_BEGIN;
    } else if (op == READ_TRACK || (op == VERIFY && !counted) || s->status[2] & ST2_NOT_SATISFIED) {
        finish(s);
    } else {
        fail(s, ST1_END, 0);
    }
    return STEP_WAIT;
}

static void run(IsaFdc *s, Step step)
{
    static Step (*const steps[])(IsaFdc *) = {
        [STEP_BEGIN] = step_begin,
        [STEP_FETCHED] = step_fetched,
        [STEP_MOVED] = step_moved,
        [STEP_THROUGH] = step_through,
    };

    while (step != STEP_WAIT) {
        step = steps[step](s);
    }
}

void fdc_data_go_on(IsaFdc *s)
{
    run(s, step_host(s));
}

/* ---- the beginning ---- */

static void start_format(IsaFdc *s)
{
    uint8_t *c = s->command;

    s->last = s->sectors_left = c[F_SECTORS];
    c[C_LENGTH] = c[F_FILL];
    if (c[F_SIZE] != SIZE_512 || !s->sectors_left) {
        fail(s, ST1_NO_MARK, 0);
    } else {
        run(s, STEP_BEGIN);
    }
}

static void start_track(IsaFdc *s)
{
    if (s->command[C_SECTOR] != 1) { /* it begins with the first one, whatever was wanted */
        s->status[1] |= ST1_NOT_FOUND;
    }
    s->command[C_SECTOR] = 1;
}

void fdc_data_start(IsaFdc *s)
{
    uint8_t *c = s->command;

    s->phase = FDC_DATA;
    s->at = 0;
    s->ended = false;
    s->head = c[C_DRIVE] >> 2 & 1;
    memset(s->status, 0, sizeof(s->status));
    if (operation(s) == FORMAT) {
        start_format(s);
        return;
    }
    s->last = c[C_LAST];
    s->sectors_left = c[C_LENGTH];
    if (s->config & CONFIG_IMPLIED_SEEK) {
        fdc_seek(s, c[C_DRIVE] & 3, c[C_CYLINDER]);
    }
    if (operation(s) == READ_TRACK) {
        start_track(s);
    }
    run(s, STEP_BEGIN);
}
