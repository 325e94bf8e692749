/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/breakpoint.h"

#include "accel/soft/block.h"
#include "accel/soft/interrupt.h"
#include "accel/soft/uop.h"

typedef enum BreakpointKind {
    BREAK_CODE = 1 << 0,
    BREAK_READ = 1 << 1,
    BREAK_WRITE = 1 << 2,
    BREAK_PORT = 1 << 3,
} BreakpointKind;

#define BREAK_DATA (BREAK_READ | BREAK_WRITE)

typedef struct Breakpoint {
    uint64_t addr; /* linear; or a port */
    uint64_t len;
    uint8_t kinds;  /* BREAK_* */
    uint8_t number; /* of DR0 to DR3, or DEBUGGER */
    uint8_t asked;  /* by the debugger: AccelBreakKind */
} Breakpoint;

#define DEBUGGER 31 /* not a bit of DR6 */

static const Breakpoint *nth(const GArray *list, unsigned i)
{
    return &g_array_index(list, Breakpoint, i);
}

void soft_breakpoints_init(SoftCpu *s)
{
    s->breakpoints.armed = g_array_new(FALSE, TRUE, sizeof(Breakpoint));
    s->breakpoints.made_for = g_array_new(FALSE, FALSE, sizeof(uint64_t));
}

void soft_breakpoints_destroy(SoftCpu *s)
{
    g_array_unref(s->breakpoints.armed);
    g_array_unref(s->breakpoints.made_for);
}

/* ---- which there are ---- */

static uint8_t kinds_of(const SoftCpu *s, unsigned rw)
{
    switch (rw) {
    case DR7_RW_CODE:
        return BREAK_CODE;
    case DR7_RW_WRITE:
        return BREAK_WRITE;
    case DR7_RW_PORT:
        return s->cpu.cr4 & CR4_DE ? BREAK_PORT : 0;
    default:
        return BREAK_DATA;
    }
}

static GArray *list_registers(const SoftCpu *s)
{
    static const uint8_t lengths[] = { 1, 2, 8, 4 };
    GArray *list = g_array_new(FALSE, TRUE, sizeof(Breakpoint));

    for (unsigned i = 0; i < 4; i++) {
        uint64_t how = s->cpu.dr[7] >> DR7_CONDITION_SHIFT(i);
        Breakpoint b = { .kinds = kinds_of(s, how & 3), .number = (uint8_t)i };

        if (s->cpu.dr[7] & DR7_ENABLE(i) && b.kinds) {
            b.len = b.kinds == BREAK_CODE ? 1 : lengths[how >> 2 & 3];
            b.addr = s->cpu.dr[i] & ~(uint64_t)(b.len - 1);
            g_array_append_val(list, b);
        }
    }
    return list;
}

static void add_debuggers(GArray *list)
{
    static const uint8_t kinds[ACCEL_BREAK_KINDS] = {
        [ACCEL_BREAK_SOFT] = BREAK_CODE,   [ACCEL_BREAK_HARD] = BREAK_CODE,
        [ACCEL_WATCH_WRITE] = BREAK_WRITE, [ACCEL_WATCH_READ] = BREAK_READ,
        [ACCEL_WATCH_ACCESS] = BREAK_DATA,
    };
    const GArray *asked = accel_breakpoints();

    for (unsigned i = 0; i < asked->len; i++) {
        const AccelBreakpoint *a = &g_array_index(asked, AccelBreakpoint, i);
        Breakpoint b = { .addr = a->addr,
                         .len = a->len,
                         .kinds = kinds[a->kind],
                         .number = DEBUGGER,
                         .asked = a->kind };
        g_array_append_val(list, b);
    }
}

static void flush_watched(SoftCpu *s, const GArray *list)
{
    for (unsigned i = 0; i < list->len; i++) {
        const Breakpoint *b = nth(list, i);
        uint64_t pages = b->len / SOFT_PAGE + 2;

        if (!(b->kinds & BREAK_DATA)) {
            continue;
        }
        if (pages > SOFT_TLB_SIZE) {
            soft_tlb_flush(s, false);
            return;
        }
        for (uint64_t page = 0; page < pages; page++) {
            soft_tlb_flush_page(s, b->addr + page * SOFT_PAGE);
        }
    }
}

static bool has_address(const GArray *addresses, uint64_t addr)
{
    for (unsigned i = 0; i < addresses->len; i++) {
        if (g_array_index(addresses, uint64_t, i) == addr) {
            return true;
        }
    }
    return false;
}

/* Blocks of the addresses that are in @a and not in @b are no longer cut right. */
static void drop_blocks(SoftCpu *s, const GArray *a, const GArray *b)
{
    for (unsigned i = 0; i < a->len; i++) {
        uint64_t addr = g_array_index(a, uint64_t, i);

        if (!has_address(b, addr)) {
            soft_blocks_drop_at(s, addr, SOFT_KEY_BREAK);
        }
    }
}

/* While there is no breakpoint the blocks that were made with some are kept: mostly the same come
 * again, when a guest switches back to the program that is debugged. */
static void follow_code(SoftCpu *s)
{
    SoftBreakpoints *bp = &s->breakpoints;
    GArray *now = g_array_new(FALSE, FALSE, sizeof(uint64_t));

    for (unsigned i = 0; i < bp->armed->len; i++) {
        if (nth(bp->armed, i)->kinds & BREAK_CODE) {
            g_array_append_val(now, nth(bp->armed, i)->addr);
        }
    }
    if (now->len) {
        drop_blocks(s, bp->made_for, now);
        drop_blocks(s, now, bp->made_for);
        g_array_unref(bp->made_for);
        bp->made_for = now;
    } else {
        g_array_unref(now);
    }
}

static bool same(const GArray *a, const GArray *b)
{
    if (a->len != b->len) {
        return false;
    }
    for (unsigned i = 0; i < a->len; i++) {
        const Breakpoint *x = nth(a, i), *y = nth(b, i);

        if (x->addr != y->addr || x->len != y->len || x->kinds != y->kinds ||
            x->number != y->number || x->asked != y->asked) {
            return false;
        }
    }
    return true;
}

static void arm(SoftCpu *s, GArray *list)
{
    SoftBreakpoints *bp = &s->breakpoints;

    if (same(list, bp->armed)) {
        g_array_unref(list);
        return;
    }
    flush_watched(s, bp->armed);
    flush_watched(s, list);
    g_array_unref(bp->armed);
    bp->armed = list;
    unsigned kinds = 0;
    for (unsigned i = 0; i < list->len; i++) {
        kinds |= nth(list, i)->kinds;
    }
    bp->data = kinds & BREAK_DATA;
    bp->port = kinds & BREAK_PORT;
    bp->key = kinds & (BREAK_CODE | BREAK_READ);
    follow_code(s);
    soft_update_mode(s);
}

void soft_breakpoints_update(SoftCpu *s)
{
    GArray *list = list_registers(s);

    /* The debugger's, which may be looked at only with the machine lock, are the same still. */
    for (unsigned i = 0; i < s->breakpoints.armed->len; i++) {
        const Breakpoint *b = nth(s->breakpoints.armed, i);

        if (b->number == DEBUGGER) {
            g_array_append_val(list, *b);
        }
    }
    arm(s, list);
}

void soft_breakpoints_load(SoftCpu *s)
{
    GArray *list = list_registers(s);

    add_debuggers(list);
    s->breakpoints.stop.reason = ACCEL_STOP_NONE;
    arm(s, list);
}

/* ---- instructions ---- */

void soft_breakpoints_begin(SoftCpu *s)
{
    SoftBreakpoints *bp = &s->breakpoints;

    bp->pass = s->cpu.debug_shadow || s->cpu.rflags & RFLAGS_RF;
    bp->pass_rf = s->cpu.rflags & RFLAGS_RF;
    bp->pass_rip = s->cpu.rip;
    s->cpu.debug_shadow = false;
    s->cpu.rflags &= ~(uint64_t)RFLAGS_RF;
}

bool soft_breakpoint_at(const SoftCpu *s, uint64_t addr)
{
    return has_address(s->breakpoints.made_for, addr);
}

/* Bits of DR6, and 1 << DEBUGGER, of those of @kinds that have a byte of [addr, addr + len).
 * *@debuggers: the first of the debugger's; may be NULL. */
static uint32_t find(const SoftCpu *s, unsigned kinds, uint64_t addr, unsigned len,
                     const Breakpoint **debuggers)
{
    const GArray *armed = s->breakpoints.armed;
    uint32_t found = 0;

    for (unsigned i = 0; i < armed->len; i++) {
        const Breakpoint *b = nth(armed, i);

        /* Distances, so that a range may end at the end of the address space. */
        if (b->kinds & kinds && (addr - b->addr < b->len || b->addr - addr < len)) {
            if (b->number == DEBUGGER && debuggers && !(found >> DEBUGGER)) {
                *debuggers = b;
            }
            found |= 1u << b->number;
        }
    }
    return found;
}

bool soft_breakpoint_reached(SoftCpu *s, uint64_t rip)
{
    SoftBreakpoints *bp = &s->breakpoints;
    const Breakpoint *asked = NULL;
    uint32_t found = find(s, BREAK_CODE, soft_code_linear(s, rip), 1, &asked);
    bool pass = bp->pass && bp->pass_rip == rip;

    if (asked) {
        bp->stop = (AccelStop){ .reason = ACCEL_STOP_BREAKPOINT, .kind = asked->asked };
        s->cpu.rip = rip;
        s->cpu.rflags |= pass && bp->pass_rf ? RFLAGS_RF : 0;
        s->trap = false;
        return true;
    }
    if (pass || !found) {
        bp->pass = false;
        return false;
    }
    s->cpu.dr[6] |= found;
    s->cpu.rip = rip;
    /* A fault, but of all faults the one that leaves RF as it was. */
    soft_deliver(s, EXC_DB, SOFT_EVENT_TRAP, -1, rip);
    return true;
}

/* ---- data and ports ---- */

bool soft_breakpoints_watch(const SoftCpu *s, uint64_t page)
{
    return s->breakpoints.data && find(s, BREAK_DATA, page, SOFT_PAGE, NULL);
}

static void hit(SoftCpu *s, const Uop *op, uint32_t found, const Breakpoint *asked)
{
    SoftBreakpoints *bp = &s->breakpoints;

    if (asked && bp->stop.reason == ACCEL_STOP_NONE) {
        bp->stop = (AccelStop){ .reason = ACCEL_STOP_WATCHPOINT,
                                .kind = asked->asked,
                                .addr = asked->addr };
    }
    if (found) {
        s->cpu.debug_hits |= (uint8_t)found; /* DEBUGGER's bit is none of these */
        if (op) { /* else it is an event's delivery, which ends the block anyway */
            atomic_store_explicit(&s->cpu.exit_request, true, memory_order_relaxed);
            soft_blocks_stop(s, op);
        }
    }
}

void soft_breakpoints_access(SoftCpu *s, const Uop *op, uint64_t addr, unsigned len,
                             SoftAccess access)
{
    if (s->breakpoints.data) {
        const Breakpoint *asked = NULL;

        addr = s->cpu.efer & EFER_LMA ? addr : (uint32_t)addr;
        uint32_t found =
            find(s, access == SOFT_WRITE ? BREAK_WRITE : BREAK_READ, addr, len, &asked);
        hit(s, op, found, asked);
    }
}

void soft_breakpoints_port(SoftCpu *s, const Uop *op, unsigned port, unsigned len)
{
    if (s->breakpoints.port) {
        hit(s, op, find(s, BREAK_PORT, port, len, NULL), NULL);
    }
}
