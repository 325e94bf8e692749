/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processor of SCRIPTS (chapter 5 of the manual). */
#include <string.h>

#include "hw/core/runstate.h"
#include "hw/hba/lsi.h"
#include "util/loop.h"

#define TURN  2000 /* instructions, of which moving memory counts as more; then others go */
#define CHUNK 4096u

enum { BLOCK_MOVE, IO_OR_REGISTER, TRANSFER, MEMORY };

/* ---- small things ---- */

static int32_t signed24(uint32_t value)
{
    return (int32_t)(value << 8) >> 8;
}

static uint64_t address(const Lsi *s, unsigned upper, uint32_t lower)
{
    return (uint64_t)lsi_get(s, upper) << 32 | lower;
}

/* An access that leads nowhere stops them. */
static bool fetch(Lsi *s, unsigned upper, uint32_t at, uint32_t *value)
{
    if (!lsi_dma_read(s, address(s, upper, at), value, sizeof(*value))) {
        lsi_dma_interrupt(s, LSI_DSTAT_BF);
        return false;
    }
    *value = GUINT32_FROM_LE(*value);
    return true;
}

static bool next_word(Lsi *s, uint32_t *value)
{
    uint32_t at = lsi_get(s, LSI_DSP);

    lsi_set(s, LSI_DSP, at + 4);
    return fetch(s, LSI_SFS, at, value);
}

static void illegal(Lsi *s)
{
    lsi_dma_interrupt(s, LSI_DSTAT_IID);
}

/* The target has not said what comes: the instruction at @at is done then. */
static void wait_for_target(Lsi *s, uint32_t at)
{
    lsi_set(s, LSI_DSP, at);
    s->run = LSI_WAITS_TARGET;
}

static void set_dbc(Lsi *s, uint32_t value)
{
    lsi_set(s, LSI_DBC, (lsi_get(s, LSI_DBC) & 0xff000000) | (value & 0xffffff));
}

/* ---- block moves ---- */

/* The target wants something else: an interrupt, or a jump (CCNTL0). */
static void mismatch(Lsi *s, unsigned phase)
{
    uint8_t control = s->reg[LSI_CCNTL0];
    bool in = s->move_phase & 1;

    s->moving = false;
    set_dbc(s, s->left);
    lsi_set(s, LSI_DNAD, (uint32_t)s->move_addr);
    s->reg[LSI_DFIFO] = (uint8_t)s->left;
    s->reg[LSI_CTEST5] = (uint8_t)((s->reg[LSI_CTEST5] & ~3) | (s->left >> 8 & 3));
    s->reg[LSI_SSTAT1] = (uint8_t)phase;
    if (!(control & LSI_CCNTL0_ENPMJ)) {
        lsi_scsi_interrupt(s, LSI_SIST0_MA);
        return;
    }
    lsi_set(s, LSI_RBC, s->left | s->move_top << 24);
    lsi_set(s, LSI_UA, (uint32_t)s->move_addr);
    lsi_set(s, LSI_ESA, s->move_entry);
    lsi_set(s, LSI_IA, s->move_at);
    lsi_set(s, LSI_DSP, lsi_get(s, in && control & LSI_CCNTL0_PMJCTL ? LSI_PMJAD2 : LSI_PMJAD1));
}

/* One piece; false: nothing more now. */
static bool move_piece(Lsi *s)
{
    uint8_t buf[CHUNK];
    uint32_t size = MIN(s->left, CHUNK), moved;

    if (s->move_phase & 1) {
        moved = lsi_bus_take(s, buf, size);
        if (moved && !lsi_get(s, LSI_SBC)) {
            s->reg[LSI_SFBR] = buf[0];
        }
        if (moved && !lsi_dma_write(s, s->move_addr, buf, moved)) {
            lsi_dma_interrupt(s, LSI_DSTAT_BF);
            return false;
        }
    } else {
        if (!lsi_dma_read(s, s->move_addr, buf, size)) {
            lsi_dma_interrupt(s, LSI_DSTAT_BF);
            return false;
        }
        moved = lsi_bus_give(s, buf, size);
    }
    s->move_addr += moved;
    s->left -= moved;
    lsi_set(s, LSI_SBC, (lsi_get(s, LSI_SBC) + moved) & 0xffffff);
    lsi_set(s, LSI_CSBC, lsi_get(s, LSI_CSBC) + moved);
    return true;
}

static void move_on(Lsi *s, unsigned *budget)
{
    while (s->left) {
        unsigned phase = lsi_phase(s);

        if (s->move_phase == LSI_COMMAND && phase == LSI_MESSAGE_OUT && !s->atn && !s->identified) {
            s->phase = phase = LSI_COMMAND; /* no message was wanted */
        }
        if (phase == LSI_WAIT_PHASE) {
            s->run = LSI_WAITS_TARGET;
            return;
        }
        if (phase == LSI_NO_PHASE) {
            s->moving = false;
            set_dbc(s, s->left);
            lsi_scsi_interrupt(s, LSI_SIST0_UDC);
            return;
        }
        if (phase != s->move_phase) {
            mismatch(s, phase);
            return;
        }
        if (!*budget) {
            return;
        }
        --*budget;
        s->reg[LSI_SSTAT1] = (uint8_t)phase;
        if (!move_piece(s)) {
            s->moving = false;
            return;
        }
    }
    s->moving = false;
    set_dbc(s, 0);
    lsi_bus_moved(s, s->move_phase);
}

/* Where a table's entry has its address above 4 GiB, the upper byte of the count says it, or which
 * register has it (CCNTL1). */
static uint64_t table_upper(const Lsi *s, uint32_t count)
{
    uint8_t control = s->reg[LSI_CCNTL1];
    unsigned select = count >> 24 & 0x1f;

    if (!(control & LSI_CCNTL1_EXTIBMV)) {
        return lsi_get(s, LSI_SBMS);
    }
    if (control & LSI_CCNTL1_XTIMOD) {
        return count >> 24;
    }
    if (select < 16) {
        return lsi_get(s, LSI_SCRATCHC + 4 * select);
    }
    return select < 22 ? lsi_get(s, LSI_MMRS + 4 * (select - 16)) : 0;
}

static void block_move(Lsi *s, uint32_t at, uint32_t word, uint32_t operand)
{
    uint32_t count = word & 0xffffff, low = operand, upper = lsi_get(s, LSI_SBMS), entry = at;

    s->move_top = word >> 24;
    if (word & 1u << 28) {
        entry = lsi_get(s, LSI_DSA) + (uint32_t)signed24(operand);
        if (!fetch(s, LSI_DRS, entry, &count) || !fetch(s, LSI_DRS, entry + 4, &low)) {
            return;
        }
        upper = (uint32_t)table_upper(s, count);
        s->move_top = count >> 24;
        count &= 0xffffff;
    } else if (word & 1u << 29) {
        if (!fetch(s, LSI_DRS, operand, &low)) {
            return;
        }
    } else if (s->reg[LSI_CCNTL1] & LSI_CCNTL1_EXDBMV && !next_word(s, &upper)) {
        return;
    }
    if (!count) { /* SeaBIOS moves nothing, whatever the phase, where a command has no data */
        return;
    }
    s->moving = true;
    s->move_phase = word >> 24 & 7;
    s->left = count;
    s->move_addr = (uint64_t)upper << 32 | low;
    s->move_entry = entry;
    s->move_at = at;
    lsi_set(s, LSI_SBC, 0);
}

/* ---- selection, and signals ---- */

static void select_target(Lsi *s, uint32_t word, uint32_t operand)
{
    unsigned target = word >> 16 & 15;
    uint32_t entry;

    if (word & 1u << 25) {
        if (!fetch(s, LSI_DRS, lsi_get(s, LSI_DSA) + (uint32_t)signed24(word), &entry)) {
            return;
        }
        target = entry >> 16 & 15;
        s->reg[LSI_SXFER] = (uint8_t)(entry >> 8);
        s->reg[LSI_SCNTL3] = (uint8_t)(entry >> 24);
    }
    s->reg[LSI_SDID] = (uint8_t)target;
    if (!lsi_select(s, target, word & 1u << 24)) {
        s->unanswered = true;
    }
}

/* There is no reselection; a driver that has something to do signals it. */
static void wait_reselect(Lsi *s, uint32_t word, uint32_t operand)
{
    uint32_t jump = word & 1u << 26 ? lsi_get(s, LSI_DSP) + (uint32_t)signed24(operand) : operand;

    lsi_set(s, LSI_DNAD, jump);
    if (s->reg[LSI_ISTAT0] & LSI_ISTAT_SIGP) {
        lsi_set(s, LSI_DSP, jump);
    } else {
        s->run = LSI_WAITS_RESELECT;
    }
}

static void signals(Lsi *s, uint32_t word, bool on)
{
    if (word & 0x400) {
        s->carry = on;
    }
    if (word & 0x40 && !on) {
        lsi_bus_ack(s);
    }
    if (word & 0x08) {
        s->atn = on && s->connected;
        if (!on && s->phase == LSI_MESSAGE_OUT && !s->port.active) {
            s->phase = LSI_COMMAND;
        }
    }
}

static void io_instruction(Lsi *s, uint32_t at, uint32_t word, uint32_t operand)
{
    switch (word >> 27 & 7) {
    case 0:
        select_target(s, word, operand);
        break;
    case 1: /* wait disconnect */
        lsi_bus_ack(s);
        if (s->connected) {
            wait_for_target(s, at);
        }
        break;
    case 2:
        wait_reselect(s, word, operand);
        break;
    case 3:
    case 4:
        signals(s, word, (word >> 27 & 7) == 3);
        break;
    default:
        break;
    }
}

/* ---- registers ---- */

static uint8_t operate(Lsi *s, unsigned operator, uint8_t value, uint8_t data)
{
    unsigned sum;
    bool out;

    switch (operator) {
    case 0:
        return data;
    case 1:
        out = value & 0x80;
        value = (uint8_t)(value << 1 | s->carry);
        s->carry = out;
        return value;
    case 2:
        return value | data;
    case 3:
        return value ^ data;
    case 4:
        return value & data;
    case 5:
        out = value & 1;
        value = (uint8_t)(value >> 1 | (unsigned)s->carry << 7);
        s->carry = out;
        return value;
    default:
        sum = value + data + (operator== 7 && s->carry);
        s->carry = sum > 0xff;
        return (uint8_t)sum;
    }
}

/* Moves between registers and SFBR (opcodes 5 to 7). */
static void register_instruction(Lsi *s, uint32_t word)
{
    unsigned at = (word >> 16 & 0x7f) | (word & 0x80), opcode = word >> 27 & 7;
    uint8_t data = word & 1u << 23 ? s->reg[LSI_SFBR] : (uint8_t)(word >> 8);
    uint8_t value = opcode == 5 ? s->reg[LSI_SFBR] : lsi_read(s, at);

    value = operate(s, word >> 24 & 7, value, data);
    if (opcode == 6) {
        s->reg[LSI_SFBR] = value;
    } else {
        lsi_write(s, at, value);
    }
}

/* ---- jumps ---- */

/* Does the condition hold? False with *@later: the target has not said what comes. */
static bool holds(Lsi *s, uint32_t word, bool *later)
{
    bool wanted = word & 1u << 19, found = true;

    *later = false;
    if (word & 1u << 21) {
        return s->carry == wanted;
    }
    if (word & 1u << 17) {
        unsigned phase = lsi_phase(s);

        if (phase == LSI_WAIT_PHASE) {
            *later = true;
            return false;
        }
        found = phase == (word >> 24 & 7);
    }
    if (word & 1u << 18) {
        uint8_t mask = (uint8_t) ~(word >> 8);

        found = found && (s->reg[LSI_SFBR] & mask) == (word & mask);
    }
    return found == wanted;
}

static void transfer(Lsi *s, uint32_t at, uint32_t word, uint32_t operand)
{
    uint32_t next = lsi_get(s, LSI_DSP);
    uint32_t target = word & 1u << 23 ? next + (uint32_t)signed24(operand) : operand;
    bool later;

    if (!holds(s, word, &later)) {
        if (later) {
            wait_for_target(s, at);
        }
        return;
    }
    switch (word >> 27 & 7) {
    case 0:
        lsi_set(s, LSI_DSP, target);
        break;
    case 1:
        lsi_set(s, LSI_TEMP, next);
        lsi_set(s, LSI_DSP, target);
        break;
    case 2:
        lsi_set(s, LSI_DSP, lsi_get(s, LSI_TEMP));
        break;
    case 3:
        if (word & 1u << 20) {
            s->reg[LSI_ISTAT0] |= LSI_ISTAT_INTF;
            lsi_update_interrupt(s);
        } else {
            lsi_dma_interrupt(s, LSI_DSTAT_SIR);
        }
        break;
    default:
        illegal(s);
        break;
    }
}

/* ---- memory ---- */

static void load_store(Lsi *s, uint32_t word, uint32_t operand)
{
    unsigned at = word >> 16 & 0xff, count = word & 7;
    uint32_t low = word & 1u << 28 ? lsi_get(s, LSI_DSA) + (uint32_t)signed24(operand) : operand;
    bool load = word & 1u << 24;
    uint64_t addr = address(s, load ? LSI_MMRS : LSI_MMWS, low);
    uint8_t buf[8];

    if (!count || count > 4 || at + count > LSI_REGISTERS) {
        illegal(s);
        return;
    }
    for (unsigned i = 0; !load && i < count; i++) {
        buf[i] = lsi_read(s, at + i);
    }
    if (load ? !lsi_dma_read(s, addr, buf, count) : !lsi_dma_write(s, addr, buf, count)) {
        lsi_dma_interrupt(s, LSI_DSTAT_BF);
        return;
    }
    for (unsigned i = 0; load && i < count; i++) {
        lsi_write(s, at + i, buf[i]);
    }
}

static void memory_move(Lsi *s, uint32_t word, uint32_t from, unsigned *budget)
{
    uint32_t count = word & 0xffffff, to;
    uint8_t buf[CHUNK];

    if (!next_word(s, &to)) {
        return;
    }
    while (count) {
        uint32_t size = MIN(count, CHUNK);

        if (!lsi_dma_read(s, address(s, LSI_MMRS, from), buf, size) ||
            !lsi_dma_write(s, address(s, LSI_MMWS, to), buf, size)) {
            lsi_dma_interrupt(s, LSI_DSTAT_BF);
            return;
        }
        from += size;
        to += size;
        count -= size;
        *budget -= MIN(*budget, 1);
    }
}

/* ---- the processor ---- */

/* Instructions go on while a target is selected, up to one that needs it: only then the driver is
 * told that nobody has answered. */
static bool needs_target(uint32_t word)
{
    return word >> 30 == BLOCK_MOVE || (word >> 30 == TRANSFER && word & 1u << 17) ||
           (word >> 30 == IO_OR_REGISTER && (word >> 27 & 7) < 3);
}

static void instruction(Lsi *s, unsigned *budget)
{
    uint32_t at = lsi_get(s, LSI_DSP), word, operand;

    if (!next_word(s, &word) || !next_word(s, &operand)) {
        return;
    }
    lsi_set(s, LSI_DBC, word); /* and DCMD */
    lsi_set(s, LSI_DSPS, operand);
    if (s->unanswered && needs_target(word)) {
        s->unanswered = false;
        lsi_scsi_interrupt(s, LSI_SIST1_STO << 8);
        return;
    }
    switch (word >> 30) {
    case BLOCK_MOVE:
        block_move(s, at, word, operand);
        break;
    case IO_OR_REGISTER:
        if ((word >> 27 & 7) < 5) {
            io_instruction(s, at, word, operand);
        } else {
            register_instruction(s, word);
        }
        break;
    case TRANSFER:
        transfer(s, at, word, operand);
        break;
    default:
        if (word & 1u << 29) {
            load_store(s, word, operand);
        } else {
            memory_move(s, word, operand, budget);
        }
        break;
    }
    if (s->run == LSI_RUNNING && s->reg[LSI_DCNTL] & LSI_DCNTL_SSM) {
        lsi_dma_interrupt(s, LSI_DSTAT_SSI);
    }
}

static gboolean go_on(gpointer opaque)
{
    Lsi *s = opaque;

    g_clear_pointer(&s->later, g_source_unref);
    lsi_execute(s);
    return G_SOURCE_REMOVE;
}

void lsi_execute_later(Lsi *s)
{
    if (!s->later) {
        s->later = g_idle_source_new();
        g_source_set_priority(s->later, G_PRIORITY_DEFAULT);
        g_source_set_callback(s->later, go_on, s, NULL);
        loop_attach(loop_main(), s->later);
    }
}

void lsi_execute(Lsi *s)
{
    unsigned budget = TURN;

    if (s->executing) { /* what it does leads here */
        return;
    }
    s->executing = true;
    while (s->run == LSI_RUNNING && budget && runstate_is_running() && pci_can_dma(&s->parent)) {
        if (s->moving) {
            move_on(s, &budget);
        } else {
            budget--;
            instruction(s, &budget);
        }
        /* It may have said so at once. */
        if (s->run == LSI_WAITS_TARGET && lsi_phase(s) != LSI_WAIT_PHASE && s->connected &&
            s->moving) {
            s->run = LSI_RUNNING;
        }
    }
    s->executing = false;
    if (s->run == LSI_RUNNING && !budget) {
        lsi_execute_later(s);
    }
}
