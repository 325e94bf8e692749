/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "target/i386/smm.h"

#include <glib.h>
#include <string.h>

/* ---- the maps ---- */

/* @size bytes at offset @at of the map, little endian, are the lowest of a member of X86Cpu with
 * @width bytes. */
typedef struct MapField {
    uint16_t at;
    uint8_t size, width;
    uint16_t offset;
} MapField;

#define FIELD(address, bytes, member)                                                              \
    {                                                                                              \
        (address) - X86_SMM_MAP_AT, bytes, sizeof(((X86Cpu *)0)->member), offsetof(X86Cpu, member) \
    }

static const MapField long_fields[] = {
    FIELD(0xfe64, 2, gdt.limit),     FIELD(0xfe68, 8, gdt.base),
    FIELD(0xfe84, 2, idt.limit),     FIELD(0xfe88, 8, idt.base),
    FIELD(0xfed0, 8, efer),          FIELD(0xff00, 4, smbase),
    FIELD(0xff48, 8, cr4),           FIELD(0xff50, 8, cr3),
    FIELD(0xff58, 8, cr0),           FIELD(0xff60, 8, dr[7]),
    FIELD(0xff68, 8, dr[6]),         FIELD(0xff70, 8, rflags),
    FIELD(0xff78, 8, rip),           FIELD(0xff80, 8, regs[X86_R15]),
    FIELD(0xff88, 8, regs[X86_R14]), FIELD(0xff90, 8, regs[X86_R13]),
    FIELD(0xff98, 8, regs[X86_R12]), FIELD(0xffa0, 8, regs[X86_R11]),
    FIELD(0xffa8, 8, regs[X86_R10]), FIELD(0xffb0, 8, regs[X86_R9]),
    FIELD(0xffb8, 8, regs[X86_R8]),  FIELD(0xffc0, 8, regs[X86_RDI]),
    FIELD(0xffc8, 8, regs[X86_RSI]), FIELD(0xffd0, 8, regs[X86_RBP]),
    FIELD(0xffd8, 8, regs[X86_RSP]), FIELD(0xffe0, 8, regs[X86_RBX]),
    FIELD(0xffe8, 8, regs[X86_RDX]), FIELD(0xfff0, 8, regs[X86_RCX]),
    FIELD(0xfff8, 8, regs[X86_RAX]),
};

/* What is below 0xffa8 is each processor's own; here it is where other virtual machines have it. */
static const MapField legacy_fields[] = {
    FIELD(0xfef8, 4, smbase),        FIELD(0xff14, 4, cr4),
    FIELD(0xff54, 2, idt.limit),     FIELD(0xff58, 4, idt.base),
    FIELD(0xff70, 2, gdt.limit),     FIELD(0xff74, 4, gdt.base),
    FIELD(0xffc8, 4, dr[7]),         FIELD(0xffcc, 4, dr[6]),
    FIELD(0xffd0, 4, regs[X86_RAX]), FIELD(0xffd4, 4, regs[X86_RCX]),
    FIELD(0xffd8, 4, regs[X86_RDX]), FIELD(0xffdc, 4, regs[X86_RBX]),
    FIELD(0xffe0, 4, regs[X86_RSP]), FIELD(0xffe4, 4, regs[X86_RBP]),
    FIELD(0xffe8, 4, regs[X86_RSI]), FIELD(0xffec, 4, regs[X86_RDI]),
    FIELD(0xfff0, 4, rip),           FIELD(0xfff4, 4, rflags),
    FIELD(0xfff8, 4, cr3),           FIELD(0xfffc, 4, cr0),
};

/* Where the parts of a segment register are. */
typedef struct MapSegment {
    uint16_t offset; /* of the member */
    uint16_t selector, attributes, limit, base;
} MapSegment;

#define AT(address) ((address)-X86_SMM_MAP_AT)
#define LONG_SEGMENT(address, member)                                                \
    {                                                                                \
        offsetof(X86Cpu, member), AT(address), AT((address) + 2), AT((address) + 4), \
            AT((address) + 8)                                                        \
    }
#define LEGACY_SEGMENT(sel, rest, member)                                           \
    {                                                                               \
        offsetof(X86Cpu, member), AT(sel), AT(rest), AT((rest) + 4), AT((rest) + 8) \
    }

static const MapSegment long_segments[] = {
    LONG_SEGMENT(0xfe00, segs[X86_SEG_ES]),
    LONG_SEGMENT(0xfe10, segs[X86_SEG_CS]),
    LONG_SEGMENT(0xfe20, segs[X86_SEG_SS]),
    LONG_SEGMENT(0xfe30, segs[X86_SEG_DS]),
    LONG_SEGMENT(0xfe40, segs[X86_SEG_FS]),
    LONG_SEGMENT(0xfe50, segs[X86_SEG_GS]),
    LONG_SEGMENT(0xfe70, ldt),
    LONG_SEGMENT(0xfe90, tr),
};

static const MapSegment legacy_segments[] = {
    LEGACY_SEGMENT(0xffa8, 0xff84, segs[X86_SEG_ES]),
    LEGACY_SEGMENT(0xffac, 0xff90, segs[X86_SEG_CS]),
    LEGACY_SEGMENT(0xffb0, 0xff9c, segs[X86_SEG_SS]),
    LEGACY_SEGMENT(0xffb4, 0xff2c, segs[X86_SEG_DS]),
    LEGACY_SEGMENT(0xffb8, 0xff38, segs[X86_SEG_FS]),
    LEGACY_SEGMENT(0xffbc, 0xff44, segs[X86_SEG_GS]),
    LEGACY_SEGMENT(0xffc0, 0xff78, ldt),
    LEGACY_SEGMENT(0xffc4, 0xff5c, tr),
};

typedef struct Map {
    const MapField *fields;
    size_t field_count;
    const MapSegment *segments;
    size_t segment_count;
    uint32_t revision;
    uint16_t halt;      /* byte, bit 0: it halted, and is to halt again */
    uint8_t base_width; /* bytes of a segment's base */
    /* Attributes of a segment: 16 bits, without what is limit in a descriptor; or 32, as they are
     * in it. */
    bool short_attributes;
} Map;

static const Map long_map = {
    .fields = long_fields,
    .field_count = G_N_ELEMENTS(long_fields),
    .segments = long_segments,
    .segment_count = G_N_ELEMENTS(long_segments),
    .revision = X86_SMM_REVISION_LONG,
    .halt = AT(0xfec9),
    .base_width = 8,
    .short_attributes = true,
};

static const Map legacy_map = {
    .fields = legacy_fields,
    .field_count = G_N_ELEMENTS(legacy_fields),
    .segments = legacy_segments,
    .segment_count = G_N_ELEMENTS(legacy_segments),
    .revision = X86_SMM_REVISION_LEGACY,
    .halt = AT(0xff02),
    .base_width = 4,
};

enum { REVISION = AT(0xfefc) }; /* in both */

static const Map *map_of(const X86Cpu *cpu)
{
    return x86_cpu_model_has(&cpu->model, X86_FEAT_EXT1_EDX, CPUID_EXT1_EDX_LM) ? &long_map
                                                                                : &legacy_map;
}

/* ---- one value ---- */

static uint64_t get(const uint8_t *from, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, from, size);
    return value;
}

static void put(uint8_t *to, uint64_t value, unsigned size)
{
    memcpy(to, &value, size);
}

static void save_segment(const Map *m, const MapSegment *at, const X86Cpu *cpu, uint8_t *map)
{
    X86Segment seg;

    memcpy(&seg, (const uint8_t *)cpu + at->offset, sizeof(seg));
    put(map + at->selector, seg.selector, 2);
    if (m->short_attributes) {
        put(map + at->attributes, seg.flags >> 8, 2);
    } else {
        put(map + at->attributes, seg.flags, 4);
    }
    put(map + at->limit, seg.limit, 4);
    put(map + at->base, seg.base, m->base_width);
}

static void load_segment(const Map *m, const MapSegment *at, X86Cpu *cpu, const uint8_t *map)
{
    uint32_t flags = (uint32_t)(m->short_attributes ? get(map + at->attributes, 2) << 8
                                                    : get(map + at->attributes, 4));
    const X86Segment seg = {
        .selector = (uint16_t)get(map + at->selector, 2),
        .flags = flags & SEG_FLAGS_MASK,
        .limit = (uint32_t)get(map + at->limit, 4),
        .base = get(map + at->base, m->base_width),
    };

    memcpy((uint8_t *)cpu + at->offset, &seg, sizeof(seg));
}

/* ---- the way in ---- */

void x86_smm_save(const X86Cpu *cpu, uint8_t map[X86_SMM_MAP_SIZE])
{
    const Map *m = map_of(cpu);

    memset(map, 0, X86_SMM_MAP_SIZE);
    for (size_t i = 0; i < m->field_count; i++) {
        const MapField *f = &m->fields[i];

        put(map + f->at, get((const uint8_t *)cpu + f->offset, f->width), f->size);
    }
    for (size_t i = 0; i < m->segment_count; i++) {
        save_segment(m, &m->segments[i], cpu, map);
    }
    put(map + REVISION, m->revision, 4);
    map[m->halt] = cpu->halted && !cpu->frozen; /* what froze begins its instruction again */
}

void x86_smm_enter(X86Cpu *cpu)
{
    const uint32_t data = SEG_P | SEG_S | SEG_W | SEG_A | SEG_G;

    cpu->smm = true;
    cpu->smm_nmi_blocked = cpu->nmi_blocked;
    cpu->nmi_blocked = true;
    cpu->halted = cpu->frozen = false;
    cpu->interrupt_shadow = cpu->debug_shadow = false;
    cpu->debug_hits = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(cpu->segs); i++) {
        cpu->segs[i] = (X86Segment){ .limit = UINT32_MAX, .flags = data };
    }
    cpu->segs[X86_SEG_CS].selector = (uint16_t)(cpu->smbase >> 4);
    cpu->segs[X86_SEG_CS].base = cpu->smbase;
    cpu->rip = X86_SMM_ENTRY;
    cpu->rflags = RFLAGS_ONE;
    cpu->cr0 &= ~(uint64_t)(CR0_PE | CR0_EM | CR0_TS | CR0_PG);
    cpu->cr4 = 0;
    if (map_of(cpu) == &long_map) { /* the other one does not keep it */
        cpu->efer = 0;
    }
    cpu->dr[7] = DR7_FIXED_ONE;
}

/* ---- the way out ---- */

static bool is_possible(const X86Cpu *cpu, unsigned phys_bits, uint64_t cr4, uint64_t efer)
{
    bool paging = cpu->cr0 & CR0_PG, lme = cpu->efer & EFER_LME, lma = cpu->efer & EFER_LMA;
    const bool wrong[] = {
        cpu->cr0 >> 32,
        paging && !(cpu->cr0 & CR0_PE),
        (cpu->cr0 & (CR0_NW | CR0_CD)) == CR0_NW,
        cpu->cr4 & ~cr4,
        cpu->efer & ~(efer | EFER_LMA),
        lma != (lme && paging),
        lma && !(cpu->cr4 & CR4_PAE),
        lma && cpu->rflags & RFLAGS_VM,
        lma && cpu->cr3 >> phys_bits,
        (cpu->cr4 & CR4_PCIDE) && !lma,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        if (wrong[i]) {
            return false;
        }
    }
    return true;
}

/* Bits that have one value, whatever a handler has left there. */
static void settle(X86Cpu *cpu)
{
    const uint64_t cr0 = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM |
                         CR0_NW | CR0_CD | CR0_PG;
    bool vm86 = cpu->rflags & RFLAGS_VM && cpu->cr0 & CR0_PE;

    cpu->cr0 = (cpu->cr0 & cr0) | CR0_ET;
    cpu->rflags = (cpu->rflags & RFLAGS_VALID) | RFLAGS_ONE;
    cpu->dr[6] = (cpu->dr[6] & 0xe00f) | DR6_FIXED_ONE;
    cpu->dr[7] = (cpu->dr[7] & 0xffff23ff) | DR7_FIXED_ONE;
    if (!(cpu->efer & EFER_LMA)) {
        cpu->rip = (uint32_t)cpu->rip;
    }
    if (!(cpu->cr0 & CR0_PE)) {
        cpu->segs[X86_SEG_SS].flags &= ~SEG_DPL_MASK; /* real mode is privilege 0 */
    }
    for (unsigned i = 0; vm86 && i < G_N_ELEMENTS(cpu->segs); i++) {
        cpu->segs[i].flags |= SEG_DPL_MASK; /* virtual-8086 mode is privilege 3 */
    }
}

/* The members that the map has, from @from to @to. */
static void take(const Map *m, X86Cpu *to, const X86Cpu *from)
{
    for (size_t i = 0; i < m->field_count; i++) {
        const MapField *f = &m->fields[i];

        memcpy((uint8_t *)to + f->offset, (const uint8_t *)from + f->offset, f->width);
    }
    for (size_t i = 0; i < m->segment_count; i++) {
        size_t at = m->segments[i].offset;

        memcpy((uint8_t *)to + at, (const uint8_t *)from + at, sizeof(X86Segment));
    }
}

bool x86_smm_load(X86Cpu *cpu, const uint8_t map[X86_SMM_MAP_SIZE], uint64_t cr4, uint64_t efer)
{
    const Map *m = map_of(cpu);
    X86Cpu next = { .efer = cpu->efer };

    for (size_t i = 0; i < m->field_count; i++) {
        const MapField *f = &m->fields[i];

        put((uint8_t *)&next + f->offset, get(map + f->at, f->size), f->width);
    }
    for (size_t i = 0; i < m->segment_count; i++) {
        load_segment(m, &m->segments[i], &next, map);
    }
    if (!is_possible(&next, cpu->model.phys_bits, cr4, efer)) {
        return false;
    }
    settle(&next);
    take(m, cpu, &next);
    cpu->smm = false;
    cpu->nmi_blocked = cpu->smm_nmi_blocked;
    cpu->smm_nmi_blocked = false;
    cpu->halted = map[m->halt] & 1;
    cpu->interrupt_shadow = cpu->debug_shadow = false;
    cpu->debug_hits = 0;
    return true;
}
