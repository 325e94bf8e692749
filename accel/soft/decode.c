/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest bytes to a block of micro-operations: fetch, decode with Zydis, let the families emit, and
 * drop flag computations that nobody reads.
 */

#include <inttypes.h>
#include <string.h>

#include "accel/soft/breakpoint.h"
#include "accel/soft/code-pages.h"
#include "accel/soft/decode.h"
#include "accel/soft/disassemble.h"
#include "accel/soft/op-log.h"
#include "accel/soft/isa.h"
#include "accel/soft/mmu.h"
#include "accel/soft/native.h"
#include "accel/soft/options.h"
#include "accel/soft/svm.h"
#include "accel/soft/translate/meaning.h"
#include "accel/soft/uop.h"
#include "util/log.h"

#define INSN_MAX ZYDIS_MAX_INSTRUCTION_LENGTH
enum { COPY_AHEAD = 64 };

/* Tables are tried in this order where several know a mnemonic (MOV: general, segment, control). */
static const SoftFamilyEntry *const families[] = {
    soft_family_alu,    soft_family_compare, soft_family_mov,     soft_family_cond,
    soft_family_shift,  soft_family_muldiv,  soft_family_bit,     soft_family_string,
    soft_family_branch, soft_family_stack,   soft_family_atomic,  soft_family_misc,
    soft_family_system, soft_family_segment, soft_family_io,      soft_family_transfer,
    soft_family_fpu,    soft_family_xmm,     soft_family_syscall, soft_family_control,
    soft_family_avx,    soft_family_xsave,   soft_family_svm,
};

typedef struct FamilyNode {
    const SoftFamilyEntry *entry;
    const struct FamilyNode *next;
} FamilyNode;

static const FamilyNode *by_mnemonic[ZYDIS_MNEMONIC_MAX_VALUE + 1];

/* By kind of code, then (outside 64-bit mode) by SS.B, then by whether the CPU model has TZCNT and
 * LZCNT: without them, their encodings are BSF and BSR. */
enum { DECODER_REAL16, DECODER_PROT16, DECODER_PROT32, DECODER_LONG64, DECODERS };
enum { DECODER_TZCNT = 1, DECODER_LZCNT = 2, DECODER_MODELS = 4 };
static ZydisDecoder decoders[DECODERS][2][DECODER_MODELS];

/* Instruction sets that no CPU model offers: their encodings are then older instructions or NOPs.
 */
static const ZydisDecoderMode disabled_modes[] = {
    ZYDIS_DECODER_MODE_MPX,
    ZYDIS_DECODER_MODE_CET,
    ZYDIS_DECODER_MODE_WBNOINVD,
    ZYDIS_DECODER_MODE_CLDEMOTE,
};

static void init_decoder(ZydisDecoder *z, ZydisMachineMode mode, ZydisStackWidth stack,
                         unsigned model)
{
    ZydisDecoderInit(z, mode, stack);
    for (unsigned i = 0; i < G_N_ELEMENTS(disabled_modes); i++) {
        ZydisDecoderEnableMode(z, disabled_modes[i], ZYAN_FALSE);
    }
    ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_TZCNT, !!(model & DECODER_TZCNT));
    ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_LZCNT, !!(model & DECODER_LZCNT));
}

static void init_decoders(void)
{
    static const ZydisMachineMode modes[DECODERS] = { ZYDIS_MACHINE_MODE_REAL_16,
                                                      ZYDIS_MACHINE_MODE_LEGACY_16,
                                                      ZYDIS_MACHINE_MODE_LEGACY_32,
                                                      ZYDIS_MACHINE_MODE_LONG_64 };
    for (unsigned m = 0; m < DECODERS; m++) {
        for (unsigned stack32 = 0; stack32 < 2; stack32++) {
            ZydisStackWidth stack = m == DECODER_LONG64 ? ZYDIS_STACK_WIDTH_64
                                    : stack32           ? ZYDIS_STACK_WIDTH_32
                                                        : ZYDIS_STACK_WIDTH_16;
            for (unsigned model = 0; model < DECODER_MODELS; model++) {
                init_decoder(&decoders[m][stack32][model], modes[m], stack, model);
            }
        }
    }
}

/* Nodes live as long as the program. */
static void add_node(const SoftFamilyEntry *entry)
{
    FamilyNode *node = g_new0(FamilyNode, 1);
    node->entry = entry;
    node->next = by_mnemonic[entry->mnemonic];
    by_mnemonic[entry->mnemonic] = node;
}

static void init_tables(void)
{
    static gsize once;

    if (!g_once_init_enter(&once)) {
        return;
    }
    init_decoders();
    for (unsigned f = G_N_ELEMENTS(families); f-- > 0;) { /* add_node() puts it first */
        for (const SoftFamilyEntry *e = families[f]; e->mnemonic != ZYDIS_MNEMONIC_INVALID; e++) {
            add_node(e);
        }
    }
    g_once_init_leave(&once, 1);
}

static const ZydisDecoder *choose_decoder(const SoftDecoder *d)
{
    unsigned m = d->mode == 64                                                  ? DECODER_LONG64
                 : d->mode == 32                                                ? DECODER_PROT32
                 : (d->mode_key & (SOFT_KEY_PE | SOFT_KEY_VM86)) == SOFT_KEY_PE ? DECODER_PROT16
                                                                                : DECODER_REAL16;
    const X86CpuModel *cpu = &d->s->cpu.model;
    unsigned model =
        (x86_cpu_model_has(cpu, X86_FEAT_7_EBX, CPUID_7_EBX_BMI1) ? DECODER_TZCNT : 0) |
        (x86_cpu_model_has(cpu, X86_FEAT_EXT1_ECX, CPUID_EXT1_ECX_ABM) ? DECODER_LZCNT : 0);
    return &decoders[m][d->stack32][model];
}

/* ---- fetching ---- */

/* A copy of the code, so that it cannot change while it is decoded. */
typedef struct Code {
    uint8_t bytes[SOFT_BLOCK_MAX_INSNS * INSN_MAX + INSN_MAX];
    unsigned first;  /* bytes from the first page... */
    unsigned copied; /* ... of which these have been copied: the rest as it is needed */
    unsigned second; /* bytes from the second page, which follow */
    const uint8_t *host[2];
} Code;

/* Host address of [phys, phys + len) within a page; NULL where there is no memory: an open bus,
 * which reads as ones. */
static const uint8_t *code_host(const SoftCpu *s, hwaddr phys, unsigned len)
{
    return address_space_host(soft_memory(s), phys, len);
}

static void copy_code(uint8_t *to, const uint8_t *host, unsigned len)
{
    if (host) {
        memcpy(to, host, len);
    } else {
        memset(to, 0xff, len);
    }
}

static void fetch_first(const SoftCpu *s, Code *code, hwaddr phys)
{
    unsigned in_page = SOFT_PAGE - phys % SOFT_PAGE;
    code->first = MIN(in_page, SOFT_BLOCK_MAX_INSNS * INSN_MAX);
    code->copied = code->second = 0;
    code->host[0] = code_host(s, phys, code->first);
}

/* Blocks are short: so what is copied is what the instruction at @offset may take, and a little
 * more. */
static void copy_first(Code *code, unsigned offset)
{
    unsigned needed = MIN(offset + INSN_MAX, code->first);

    if (code->copied < needed) {
        unsigned end = MIN(offset + COPY_AHEAD, code->first), at = code->copied;
        copy_code(code->bytes + at, code->host[0] ? code->host[0] + at : NULL, end - at);
        code->copied = end;
    }
}

static void fetch_second(const SoftCpu *s, Code *code, hwaddr page)
{
    code->second = INSN_MAX;
    code->host[1] = code_host(s, page, code->second);
    copy_code(code->bytes + code->first, code->host[1], code->second);
}

/* Was the copied code changed since? @len bytes of it matter. */
static bool code_is_current(const Code *code, unsigned len)
{
    unsigned first = MIN(len, code->first);
    return (!code->host[0] || memcmp(code->bytes, code->host[0], first) == 0) &&
           (len <= code->first || !code->host[1] ||
            memcmp(code->bytes + code->first, code->host[1], len - code->first) == 0);
}

/* ---- one instruction ---- */

static void set_rip(SoftDecoder *d, SoftInsn *in, unsigned offset)
{
    uint64_t mask = d->mode == 64 ? UINT64_MAX : UINT32_MAX; /* IP 0xffff has 0x10000 behind it */
    in->rip = d->rip + offset;
    in->next_rip = (in->rip + in->raw.length) & mask;
}

static bool emit_by_family(SoftDecoder *d, const SoftInsn *in)
{
    unsigned count = d->count;
    for (const FamilyNode *n = by_mnemonic[in->raw.mnemonic]; n; n = n->next) {
        d->arg = n->entry->arg;
        if (n->entry->emit(d, in)) {
            return true;
        }
        d->count = count;
    }
    return false;
}

/* VEX and its kin are for protected mode only. */
static bool encoding_allowed(const SoftDecoder *d, const SoftInsn *in)
{
    return in->raw.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
           (d->mode_key & (SOFT_KEY_PE | SOFT_KEY_VM86)) == SOFT_KEY_PE;
}

static void emit_instruction(SoftDecoder *d, const SoftInsn *in)
{
    bool offered = encoding_allowed(d, in) && soft_isa_offered(&d->s->cpu.model, &in->raw, d->mode);
    if (offered && (d->mode_key & SOFT_KEY_SVM)) {
        soft_svm_emit_check(d, in);
    }
    unsigned count = d->count;
    if (offered && emit_by_family(d, in)) {
        return;
    }
    if (!offered || !native_emit(d, in)) {
        d->count = count;
        soft_emit_raise(d, in, EXC_UD, -1);
    }
}

/* Emits a raise of what Zydis' refusal means: too long is #GP(0), everything else #UD. */
static void emit_bad(SoftDecoder *d, SoftInsn *in, unsigned offset, unsigned len, ZyanStatus status)
{
    memset(&in->raw, 0, sizeof(in->raw));
    in->raw.length = (uint8_t)len; /* all that the decision was made on */
    set_rip(d, in, offset);
    if (status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG || status == ZYDIS_STATUS_NO_MORE_DATA) {
        soft_emit_raise(d, in, EXC_GP, 0);
    } else {
        soft_emit_raise(d, in, EXC_UD, -1);
    }
}

static const Uop *uop_go_on(SoftCpu *s, const Uop *op)
{
    return soft_jump(s, 0);
}

void soft_end_block_go_on(SoftDecoder *d, const SoftInsn *in)
{
    Uop *u = soft_emit(d, in, uop_go_on);
    u->pc_off = (uint16_t)(in->rip + in->raw.length - d->rip);
    soft_end_block_jump(d, in, in->next_rip);
}

static const Uop *uop_breakpoint(SoftCpu *s, const Uop *op)
{
    return soft_breakpoint_reached(s, soft_op_rip(s, op)) ? NULL : op + 1;
}

/* Is there a breakpoint at @offset in the block? One at the beginning is asked about when it is
 * run. */
static bool has_breakpoint(const SoftDecoder *d, unsigned offset)
{
    return d->mode_key & SOFT_KEY_BREAK &&
           soft_breakpoint_at(d->s, soft_code_linear(d->s, d->rip + offset));
}

static void emit_breakpoint(SoftDecoder *d, SoftInsn *in)
{
    memset(&in->raw, 0, sizeof(in->raw));
    set_rip(d, in, 0);
    soft_emit(d, in, uop_breakpoint);
}

/* A SIB byte without a base register (base 5, mod 0) has a 32-bit displacement, whatever REX.B is
 * (SDM vol. 2 table 2-5). Zydis 4.0 takes it for R13D if addresses have 32 bits. */
static void fix_missing_base(SoftInsn *in)
{
    const ZydisDecodedInstructionRaw *raw = &in->raw.raw;
    if (!(in->raw.attributes & ZYDIS_ATTRIB_HAS_SIB) || raw->modrm.mod != 0 || raw->sib.base != 5) {
        return;
    }
    for (unsigned i = 0; i < in->raw.operand_count; i++) {
        ZydisDecodedOperand *op = &in->ops[i];
        if (op->type == ZYDIS_OPERAND_TYPE_MEMORY &&
            op->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM) {
            op->mem.base = ZYDIS_REGISTER_NONE;
            op->mem.disp.has_displacement = ZYAN_TRUE;
            op->mem.disp.value = raw->disp.value;
        }
    }
}

static ZyanStatus decode_bytes(const ZydisDecoder *z, SoftInsn *in, const uint8_t *bytes,
                               unsigned len)
{
    ZydisDecoderContext context;
    ZyanStatus status = ZydisDecoderDecodeInstruction(z, &context, bytes, len, &in->raw);
    if (ZYAN_SUCCESS(status)) {
        status = ZydisDecoderDecodeOperands(z, &context, &in->raw, in->ops, in->raw.operand_count);
    }
    if (ZYAN_SUCCESS(status)) {
        fix_missing_base(in);
        memcpy(in->bytes, bytes, in->raw.length);
    }
    return status;
}

/* ---- flags nobody reads ---- */

static void drop_dead_flags(SoftDecoder *d)
{
    bool live = true; /* at the end: the next block may read them */
    for (unsigned i = d->count; i-- > 0;) {
        switch ((SoftFlagEffect)d->effect[i]) {
        case SOFT_FX_READ:
            live = true;
            break;
        case SOFT_FX_NONE:
            break;
        case SOFT_FX_WRITE:
            if (!live && d->without_flags[i]) {
                d->uops[i].fn = d->without_flags[i];
            }
            live = false;
            break;
        }
    }
}

/* ---- a block ---- */

static void begin(SoftDecoder *d, SoftCpu *s)
{
    d->s = s;
    d->mode_key = s->mode_key;
    d->mode = d->mode_key & SOFT_KEY_CODE64 ? 64 : d->mode_key & SOFT_KEY_CODE32 ? 32 : 16;
    d->stack32 = d->mode_key & SOFT_KEY_STACK32;
    d->rip = s->cpu.rip;
    d->limit = d->mode == 64 ? UINT64_MAX : s->cpu.segs[X86_SEG_CS].limit;
    d->ended = false;
    d->count = 0;
    d->target[0] = d->target[1] = 0;
}

/* Decode the instruction at @offset. Needs bytes of the second page: false. */
static bool decode_one(SoftDecoder *d, const ZydisDecoder *z, SoftInsn *in, Code *code,
                       unsigned offset)
{
    copy_first(code, offset);
    unsigned len = MIN(code->first + code->second - offset, INSN_MAX);
    uint64_t rip = d->rip + offset;
    uint64_t room = rip <= d->limit ? d->limit - rip + 1 : 0;
    bool limited = d->mode != 64 && room < len; /* then it is #GP that there is no more */
    if (limited) {
        len = (unsigned)room;
    }
    ZyanStatus status = decode_bytes(z, in, code->bytes + offset, len);

    if (status == ZYDIS_STATUS_NO_MORE_DATA && len < INSN_MAX && !limited) {
        return false;
    }
    if (!ZYAN_SUCCESS(status)) {
        emit_bad(d, in, offset, len, status);
        return true;
    }
    set_rip(d, in, offset);
    emit_instruction(d, in);
    d->s->insns_decoded++;
    return true;
}

static void log_code(const SoftDecoder *d, const Code *code, unsigned len)
{
    g_autoptr(GString) text = g_string_new(NULL);

    soft_disassemble(text, d->mode, d->rip, code->bytes, len);
    log_printf("IN: 0x%08" PRIx64 "\n%s\n", d->rip, text->str);
}

bool soft_decode(SoftDecoder *d, SoftCpu *s, hwaddr phys, hwaddr *second, unsigned *bytes)
{
    Code code;
    SoftInsn in;
    unsigned offset = 0, insns = 0;
    bool one = (s->mode_key & SOFT_KEY_TF) || soft_options.one_insn;
    unsigned max = one ? 1 : SOFT_BLOCK_MAX_INSNS;

    init_tables();
    if (!soft_code_page_add(s, phys)) {
        return false;
    }
    begin(d, s);
    const ZydisDecoder *z = choose_decoder(d);
    fetch_first(s, &code, phys);
    *second = (hwaddr)-1;

    if (has_breakpoint(d, 0)) {
        emit_breakpoint(d, &in);
    }
    while (!d->ended) {
        bool full = insns == max || (insns > 0 && has_breakpoint(d, offset)) ||
                    d->count + 2 * SOFT_INSN_MAX_UOPS > SOFT_BLOCK_MAX_UOPS;
        if (insns > 0 && (full || offset == code.first)) {
            soft_end_block_go_on(d, &in);
        } else if (decode_one(d, z, &in, &code, offset)) {
            offset += in.raw.length;
            insns++;
        } else if (insns > 0) {
            /* An instruction that crosses into the next page has a block of its own; that needs the
             * end of the last one that was whole. */
            in.rip = d->rip + offset;
            in.raw.length = 0;
            in.next_rip = in.rip;
            soft_end_block_go_on(d, &in);
        } else {
            *second = soft_fetch_phys(s, soft_code_linear(s, s->cpu.rip + code.first));
            if (!soft_code_page_add(s, *second)) {
                return false;
            }
            fetch_second(s, &code, *second);
        }
    }
    drop_dead_flags(d);
    *bytes = offset;
    d->s->blocks_decoded++;
    if (log_enabled(LOG_IN_ASM)) {
        log_code(d, &code, offset);
    }
    if (log_enabled(LOG_OP)) {
        soft_log_ops(d);
    }
    soft_code_page_lines(s, phys, MIN(offset, code.first));
    if (offset > code.first) {
        soft_code_page_lines(s, *second, offset - code.first);
    } else {
        *second = (hwaddr)-1;
    }
    if (!code_is_current(&code, offset)) {
        /* Another vCPU wrote meanwhile, maybe before anyone watched: run what was read, once. */
        soft_code_written(phys, MIN(offset, code.first));
        if (*second != (hwaddr)-1) {
            soft_code_written(*second, offset - code.first);
        }
    }
    return true;
}

void soft_meanings_decode(void)
{
    soft_meaning_add(uop_go_on, (SoftMeaning){ .kind = SOFT_MEANS_GO_ON });
}
