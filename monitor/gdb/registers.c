/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor/gdb/registers.h"

#include <string.h>

#include "monitor/gdb/packet.h"

typedef enum Kind {
    KIND_GENERAL,
    KIND_PC,
    KIND_FLAGS,
    KIND_SEGMENT,
    KIND_X87,         /* a register of the stack */
    KIND_X87_CONTROL, /* place in fxsave[], of 2 or 4 bytes */
    KIND_X87_TAG,
    KIND_XMM,
    KIND_YMM_HIGH,
    KIND_MXCSR,
    KIND_BASE, /* of FS, GS */
    KIND_KERNEL_GS_BASE,
    KIND_CONTROL, /* CR0, CR2, CR3, CR4, CR8 */
    KIND_EFER,
} Kind;

typedef enum Feature {
    FEATURE_CORE,
    FEATURE_SSE,
    FEATURE_SEGMENTS,
    FEATURE_SYSTEM,
    FEATURE_AVX
} Feature;

static const char *const feature_names[] = {
    [FEATURE_CORE] = "org.gnu.gdb.i386.core",         [FEATURE_SSE] = "org.gnu.gdb.i386.sse",
    [FEATURE_SEGMENTS] = "org.gnu.gdb.i386.segments", [FEATURE_SYSTEM] = "dimmable.i386.system",
    [FEATURE_AVX] = "org.gnu.gdb.i386.avx",
};

/* Sizes: of a register with long mode, and without. 0: it is not there. */
typedef struct Group {
    Feature feature;
    Kind kind;
    uint8_t size64, size32; /* bytes */
    const char *type;       /* NULL: int of the size */
    const char *names64;    /* in their order */
    const char *names32;    /* NULL: the same, as many as there are */
    uint8_t index[16];      /* what each is */
} Group;

#define FOR_EACH_16 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15

static const Group groups[] = {
    { FEATURE_CORE,
      KIND_GENERAL,
      8,
      4,
      NULL,
      "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15",
      "",
      { X86_RAX, X86_RBX, X86_RCX, X86_RDX, X86_RSI, X86_RDI, X86_RBP, X86_RSP, 8, 9, 10, 11, 12,
        13, 14, 15 } },
    { FEATURE_CORE,
      KIND_GENERAL,
      0,
      4,
      NULL,
      "",
      "eax ecx edx ebx",
      { X86_RAX, X86_RCX, X86_RDX, X86_RBX } },
    { FEATURE_CORE, KIND_GENERAL, 0, 4, "data_ptr", "", "esp ebp", { X86_RSP, X86_RBP } },
    { FEATURE_CORE, KIND_GENERAL, 0, 4, NULL, "", "esi edi", { X86_RSI, X86_RDI } },
    { FEATURE_CORE, KIND_PC, 8, 4, "code_ptr", "rip", "eip", { 0 } },
    { FEATURE_CORE, KIND_FLAGS, 4, 4, "i386_eflags", "eflags", NULL, { 0 } },
    { FEATURE_CORE,
      KIND_SEGMENT,
      4,
      4,
      NULL,
      "cs ss ds es fs gs",
      NULL,
      { X86_SEG_CS, X86_SEG_SS, X86_SEG_DS, X86_SEG_ES, X86_SEG_FS, X86_SEG_GS } },
    { FEATURE_CORE,
      KIND_X87,
      10,
      10,
      "i387_ext",
      "st0 st1 st2 st3 st4 st5 st6 st7",
      NULL,
      { 0, 1, 2, 3, 4, 5, 6, 7 } },
    { FEATURE_CORE, KIND_X87_CONTROL, 4, 4, NULL, "fctrl fstat", NULL, { 0, 2 } },
    { FEATURE_CORE, KIND_X87_TAG, 4, 4, NULL, "ftag", NULL, { 0 } },
    { FEATURE_CORE,
      KIND_X87_CONTROL,
      4,
      4,
      NULL,
      "fiseg fioff foseg fooff fop",
      NULL,
      { 12, 8, 20, 16, 6 } },
    { FEATURE_SSE,
      KIND_XMM,
      16,
      16,
      "vec128",
      "xmm0 xmm1 xmm2 xmm3 xmm4 xmm5 xmm6 xmm7 xmm8 xmm9 xmm10 xmm11 xmm12 xmm13 xmm14 xmm15",
      "xmm0 xmm1 xmm2 xmm3 xmm4 xmm5 xmm6 xmm7",
      { FOR_EACH_16 } },
    { FEATURE_SSE, KIND_MXCSR, 4, 4, "i386_mxcsr", "mxcsr", NULL, { 0 } },
    { FEATURE_SEGMENTS, KIND_BASE, 8, 0, NULL, "fs_base gs_base", "", { X86_SEG_FS, X86_SEG_GS } },
    { FEATURE_SYSTEM, KIND_KERNEL_GS_BASE, 8, 0, NULL, "k_gs_base", "", { 0 } },
    { FEATURE_SYSTEM, KIND_CONTROL, 8, 4, NULL, "cr0 cr2 cr3 cr4 cr8", NULL, { 0, 2, 3, 4, 8 } },
    { FEATURE_SYSTEM, KIND_EFER, 8, 8, NULL, "efer", NULL, { 0 } },
    { FEATURE_AVX,
      KIND_YMM_HIGH,
      16,
      16,
      "uint128",
      "ymm0h ymm1h ymm2h ymm3h ymm4h ymm5h ymm6h ymm7h ymm8h ymm9h ymm10h ymm11h ymm12h ymm13h "
      "ymm14h ymm15h",
      "ymm0h ymm1h ymm2h ymm3h ymm4h ymm5h ymm6h ymm7h",
      { FOR_EACH_16 } },
};

typedef struct Register {
    const Group *group;
    unsigned nth; /* of it */
    uint8_t size;
    uint8_t index;
} Register;

/* ---- which there are ---- */

static bool has_long_mode(const X86CpuModel *model)
{
    return x86_cpu_model_has(model, X86_FEAT_EXT1_EDX, CPUID_EXT1_EDX_LM);
}

static bool has_feature(const X86CpuModel *model, Feature feature)
{
    switch (feature) {
    case FEATURE_SSE:
        return x86_cpu_model_has(model, X86_FEAT_1_EDX, CPUID_1_EDX_SSE);
    case FEATURE_AVX:
        return x86_cpu_model_has(model, X86_FEAT_1_ECX, CPUID_1_ECX_AVX);
    default:
        return true;
    }
}

static const char *names_of(const Group *g, bool long_mode)
{
    return long_mode || !g->names32 ? g->names64 : g->names32;
}

static unsigned count_names(const char *names)
{
    unsigned count = *names != '\0';

    for (; *names; names++) {
        count += *names == ' ';
    }
    return count;
}

static unsigned group_count(const Group *g, const X86CpuModel *model)
{
    return has_feature(model, g->feature) ? count_names(names_of(g, has_long_mode(model))) : 0;
}

unsigned gdb_registers_count(const X86CpuModel *model)
{
    unsigned count = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
        count += group_count(&groups[i], model);
    }
    return count;
}

static bool find(const X86CpuModel *model, unsigned n, Register *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
        const Group *g = &groups[i];
        unsigned count = group_count(g, model);

        if (n < count) {
            *r = (Register){ .group = g,
                             .nth = n,
                             .size = has_long_mode(model) ? g->size64 : g->size32,
                             .index = g->index[n] };
            return true;
        }
        n -= count;
    }
    return false;
}

/* ---- the description ---- */

static const char sse_types[] =
    "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
    "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
    "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
    "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
    "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
    "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
    "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>"
    "<field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" type=\"v16i8\"/>"
    "<field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/>"
    "<field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" type=\"uint128\"/></union>";

typedef struct Bit {
    const char *name;
    unsigned bit;
} Bit;

static const Bit eflags_bits[] = {
    { "CF", 0 },  { "", 1 },    { "PF", 2 },   { "AF", 4 },   { "ZF", 6 },  { "SF", 7 },
    { "TF", 8 },  { "IF", 9 },  { "DF", 10 },  { "OF", 11 },  { "NT", 14 }, { "RF", 16 },
    { "VM", 17 }, { "AC", 18 }, { "VIF", 19 }, { "VIP", 20 }, { "ID", 21 },
};
static const Bit mxcsr_bits[] = {
    { "IE", 0 }, { "DE", 1 }, { "ZE", 2 }, { "OE", 3 },  { "UE", 4 },  { "PE", 5 },  { "DAZ", 6 },
    { "IM", 7 }, { "DM", 8 }, { "ZM", 9 }, { "OM", 10 }, { "UM", 11 }, { "PM", 12 }, { "FZ", 15 },
};

static void describe_flags(GString *xml, const char *id, const Bit *bits, size_t count)
{
    g_string_append_printf(xml, "<flags id=\"%s\" size=\"4\">", id);
    for (size_t i = 0; i < count; i++) {
        g_string_append_printf(xml, "<field name=\"%s\" start=\"%u\" end=\"%u\"/>", bits[i].name,
                               bits[i].bit, bits[i].bit);
    }
    g_string_append(xml, "</flags>");
}

static void describe_types(GString *xml, Feature feature)
{
    if (feature == FEATURE_CORE) {
        describe_flags(xml, "i386_eflags", eflags_bits, G_N_ELEMENTS(eflags_bits));
    } else if (feature == FEATURE_SSE) {
        g_string_append(xml, sse_types);
        describe_flags(xml, "i386_mxcsr", mxcsr_bits, G_N_ELEMENTS(mxcsr_bits));
    }
}

static void describe_group(GString *xml, const Group *g, bool long_mode)
{
    g_auto(GStrv) names = g_strsplit(names_of(g, long_mode), " ", -1);
    unsigned bits = 8u * (long_mode ? g->size64 : g->size32);

    for (unsigned i = 0; names[i]; i++) {
        bool pointer = strcmp(names[i], "rbp") == 0 || strcmp(names[i], "rsp") == 0;
        g_autofree char *integer = g_strdup_printf("int%u", bits);

        g_string_append_printf(xml, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"/>", names[i], bits,
                               pointer   ? "data_ptr"
                               : g->type ? g->type
                                         : integer);
    }
}

char *gdb_registers_describe(const X86CpuModel *model)
{
    bool long_mode = has_long_mode(model);
    int feature = -1;
    GString *xml = g_string_new("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM "
                                "\"gdb-target.dtd\"><target><architecture>");

    g_string_append_printf(xml, "%s</architecture>", long_mode ? "i386:x86-64" : "i386");
    for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
        if (!group_count(&groups[i], model)) {
            continue;
        }
        if (feature != (int)groups[i].feature) {
            g_string_append(xml, feature >= 0 ? "</feature>" : "");
            feature = (int)groups[i].feature;
            g_string_append_printf(xml, "<feature name=\"%s\">", feature_names[feature]);
            describe_types(xml, groups[i].feature);
        }
        describe_group(xml, &groups[i], long_mode);
    }
    g_string_append(xml, "</feature></target>");
    return g_string_free(xml, FALSE);
}

/* ---- values ---- */

enum { FXSAVE_TAG = 4, FXSAVE_MXCSR = 24, FXSAVE_ST = 32, FXSAVE_XMM = 160 };

/* The tag word has 2 bits for each physical register; FXSAVE keeps whether it is in use (SDM vol. 1
 * section 10.5.1.1). Valid 0, zero 1, special 2, empty 3. */
static unsigned full_tag(const X86Cpu *cpu)
{
    unsigned top = (unsigned)cpu->fxsave[3] >> 3 & 7, tag = 0;

    for (unsigned i = 0; i < 8; i++) {
        const uint8_t *st = cpu->fxsave + FXSAVE_ST + 16 * ((i - top) & 7);
        uint64_t mantissa;
        uint16_t exponent;

        memcpy(&mantissa, st, sizeof(mantissa));
        memcpy(&exponent, st + 8, sizeof(exponent));
        exponent &= 0x7fff;
        unsigned one = !(cpu->fxsave[FXSAVE_TAG] >> i & 1)       ? 3
                       : exponent == 0 && mantissa == 0          ? 1
                       : exponent == 0x7fff || !(mantissa >> 63) ? 2
                                                                 : 0;
        tag |= one << 2 * i;
    }
    return tag;
}

static void set_tag(X86Cpu *cpu, unsigned tag)
{
    cpu->fxsave[FXSAVE_TAG] = 0;
    for (unsigned i = 0; i < 8; i++) {
        cpu->fxsave[FXSAVE_TAG] |= (uint8_t)(((tag >> 2 * i & 3) != 3) << i);
    }
}

/* Bytes that @r has at X86Cpu; *@len of them. NULL: it is not kept like that. */
static uint8_t *place(X86Cpu *cpu, const Register *r, unsigned *len)
{
    *len = r->size;
    switch (r->group->kind) {
    case KIND_GENERAL:
        return (uint8_t *)&cpu->regs[r->index];
    case KIND_PC:
        return (uint8_t *)&cpu->rip;
    case KIND_X87:
        return cpu->fxsave + FXSAVE_ST + 16 * r->index;
    case KIND_X87_CONTROL:
        *len = r->index == 8 || r->index == 16 ? 4 : 2;
        return cpu->fxsave + r->index;
    case KIND_XMM:
        return cpu->fxsave + FXSAVE_XMM + 16 * r->index;
    case KIND_YMM_HIGH:
        return cpu->ymm_high[r->index];
    case KIND_MXCSR:
        return cpu->fxsave + FXSAVE_MXCSR;
    case KIND_BASE:
        return (uint8_t *)&cpu->segs[r->index].base;
    case KIND_KERNEL_GS_BASE:
        return (uint8_t *)&cpu->msr.kernel_gs_base;
    default:
        return NULL;
    }
}

static uint64_t control_register(X86Cpu *cpu, unsigned n)
{
    switch (n) {
    case 0:
        return cpu->cr0;
    case 2:
        return cpu->cr2;
    case 3:
        return cpu->cr3;
    case 4:
        return cpu->cr4;
    default:
        return cpu->apic_ops ? cpu->apic_ops->tpr_get(cpu->apic) : 0;
    }
}

static uint64_t number(X86Cpu *cpu, const Register *r)
{
    switch (r->group->kind) {
    case KIND_FLAGS:
        return cpu->rflags;
    case KIND_SEGMENT:
        return cpu->segs[r->index].selector;
    case KIND_X87_TAG:
        return full_tag(cpu);
    case KIND_CONTROL:
        return control_register(cpu, r->index);
    default:
        return cpu->efer;
    }
}

static bool code64(const X86Cpu *cpu)
{
    return (cpu->efer & EFER_LMA) && (cpu->segs[X86_SEG_CS].flags & SEG_L);
}

bool gdb_register_get(X86Cpu *cpu, unsigned n, GString *out)
{
    uint8_t value[16] = { 0 };
    Register r;
    unsigned len;

    if (!find(&cpu->model, n, &r)) {
        return false;
    }
    const uint8_t *from = place(cpu, &r, &len);
    if (from) {
        memcpy(value, from, len);
    } else {
        uint64_t v = number(cpu, &r);
        memcpy(value, &v, sizeof(v));
    }
    /* Outside of 64-bit code the upper halves are nobody's business. */
    if (!code64(cpu) && (r.group->kind == KIND_GENERAL || r.group->kind == KIND_PC)) {
        memset(value + 4, 0, 4);
    }
    gdb_append_hex(out, value, r.size);
    return true;
}

/* What the CPU itself would not let be changed so simply may only be given the value that it has.
 */
static bool set_number(X86Cpu *cpu, const Register *r, uint64_t value)
{
    switch (r->group->kind) {
    case KIND_FLAGS:
        cpu->rflags =
            (value & RFLAGS_VALID & ~(uint64_t)RFLAGS_VM) | (cpu->rflags & RFLAGS_VM) | RFLAGS_ONE;
        return true;
    case KIND_X87_TAG:
        set_tag(cpu, (unsigned)value);
        return true;
    case KIND_CONTROL:
        if (r->index == 2) {
            cpu->cr2 = value;
            return true;
        }
        if (r->index == 8 && value < 16 && cpu->apic_ops) {
            cpu->apic_ops->tpr_set(cpu->apic, (uint8_t)value);
            return true;
        }
        break;
    default:
        break;
    }
    return value == number(cpu, r);
}

static bool canonical(uint64_t addr)
{
    return (uint64_t)((int64_t)(addr << 16) >> 16) == addr;
}

static bool may_set(const X86Cpu *cpu, const Register *r, const uint8_t *data)
{
    uint64_t value = 0;

    if (r->group->kind == KIND_MXCSR) {
        memcpy(&value, data, 4);
        return value <= 0xffff;
    }
    memcpy(&value, data, MIN(r->size, 8u));
    switch (r->group->kind) {
    case KIND_PC:
        return code64(cpu) ? canonical(value) : value <= UINT32_MAX;
    case KIND_BASE:
    case KIND_KERNEL_GS_BASE:
        return canonical(value);
    default:
        return true;
    }
}

unsigned gdb_register_set(X86Cpu *cpu, unsigned n, const uint8_t *data, size_t len)
{
    Register r;
    unsigned bytes;
    uint64_t value = 0;

    if (!find(&cpu->model, n, &r) || len < r.size || !may_set(cpu, &r, data)) {
        return 0;
    }
    uint8_t *to = place(cpu, &r, &bytes);
    if (!to) {
        memcpy(&value, data, MIN(r.size, 8u));
        return set_number(cpu, &r, value) ? r.size : 0;
    }
    if (r.group->kind == KIND_GENERAL || r.group->kind == KIND_PC) {
        memset(to, 0, 8);
    }
    memcpy(to, data, bytes);
    return r.size;
}
