/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HMP commands that look at guest memory and ports, and evaluate expressions.
 */
#include <Zydis/Zydis.h>
#include <inttypes.h>
#include <string.h>

#include "accel/vcpu.h"
#include "hw/core/machine.h"
#include "hw/i386/cpu.h"
#include "hw/i386/debug.h"
#include "memory/address-space.h"
#include "monitor/hmp-expr.h"
#include "monitor/hmp-format.h"
#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

/* ---- registers and expressions ---- */

#define REG(reg_name, field, bytes)              \
    {                                            \
        reg_name, offsetof(X86Cpu, field), bytes \
    }
#define GENERAL(n, r64, r32) REG(r64, regs[n], 8), REG(r32, regs[n], 4)
#define SEGMENT(n, seg)      REG(seg, segs[n].selector, 2), REG(seg "_base", segs[n].base, 8)

static const struct {
    const char *name;
    size_t offset;
    unsigned size;
} registers[] = {
    GENERAL(X86_RAX, "rax", "eax"),
    GENERAL(X86_RCX, "rcx", "ecx"),
    GENERAL(X86_RDX, "rdx", "edx"),
    GENERAL(X86_RBX, "rbx", "ebx"),
    GENERAL(X86_RSP, "rsp", "esp"),
    GENERAL(X86_RBP, "rbp", "ebp"),
    GENERAL(X86_RSI, "rsi", "esi"),
    GENERAL(X86_RDI, "rdi", "edi"),
    GENERAL(X86_R8, "r8", "r8d"),
    GENERAL(X86_R9, "r9", "r9d"),
    GENERAL(X86_R10, "r10", "r10d"),
    GENERAL(X86_R11, "r11", "r11d"),
    GENERAL(X86_R12, "r12", "r12d"),
    GENERAL(X86_R13, "r13", "r13d"),
    GENERAL(X86_R14, "r14", "r14d"),
    GENERAL(X86_R15, "r15", "r15d"),
    REG("rip", rip, 8),
    REG("eip", rip, 4),
    REG("sp", regs[X86_RSP], 8),
    REG("fp", regs[X86_RBP], 8),
    REG("rflags", rflags, 8),
    REG("eflags", rflags, 4),
    SEGMENT(X86_SEG_ES, "es"),
    SEGMENT(X86_SEG_CS, "cs"),
    SEGMENT(X86_SEG_SS, "ss"),
    SEGMENT(X86_SEG_DS, "ds"),
    SEGMENT(X86_SEG_FS, "fs"),
    SEGMENT(X86_SEG_GS, "gs"),
    REG("gdtr_base", gdt.base, 8),
    REG("idtr_base", idt.base, 8),
    REG("cr0", cr0, 8),
    REG("cr2", cr2, 8),
    REG("cr3", cr3, 8),
    REG("cr4", cr4, 8),
    REG("efer", efer, 8),
};

typedef struct RegisterRequest {
    const char *name;
    uint64_t value;
    bool found;
} RegisterRequest;

static void read_register(X86Cpu *cpu, void *opaque)
{
    RegisterRequest *request = opaque;

    if (!strcmp(request->name, "pc")) { /* as a linear address */
        request->value = cpu->segs[X86_SEG_CS].base + cpu->rip;
        request->found = true;
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(registers); i++) {
        if (!strcmp(request->name, registers[i].name)) {
            memcpy(&request->value, (const uint8_t *)cpu + registers[i].offset, registers[i].size);
            request->found = true;
            return;
        }
    }
}

static bool get_register(void *opaque, const char *name, uint64_t *value, GError **errp)
{
    RegisterRequest request = { .name = name };
    Hmp *hmp = opaque;
    X86Cpu *cpu = x86_cpu_at(machine_current(), (unsigned)hmp->cpu_index);

    if (!cpu) {
        error_set(errp, "$%s: there is no CPU %d", name, hmp->cpu_index);
        return false;
    }
    vcpu_run_on(cpu, read_register, &request);
    *value = request.value;
    if (!request.found) {
        error_set(errp,
                  "there is no register '$%s'; those of `info registers` have names as $rip, $eax, "
                  "$cs, $cs_base, $cr3, and $pc is the linear address of the next instruction",
                  name);
    }
    return request.found;
}

bool hmp_eval(Hmp *hmp, const char *name, const char *text, uint64_t *value)
{
    GError *err = NULL;

    if (hmp_expr(text, get_register, hmp, value, &err)) {
        return true;
    }
    hmp_printf(hmp, "Error: %s: %s\n", name, err->message);
    g_error_free(err);
    return false;
}

void hmp_print(Hmp *hmp, char **argv)
{
    HmpFormat format = { .format = 'x', .size = 8 };
    GError *err = NULL;
    uint64_t value;

    if (!hmp_format_parse_single(argv[0], &format, &err)) {
        hmp_error(hmp, err);
    } else if (hmp_eval(hmp, "EXPRESSION", argv[1], &value)) {
        hmp_format_value(hmp->out, &format, value, false);
        hmp_printf(hmp, "\n");
    }
}

/* ---- x, xp ---- */

typedef struct Dump {
    Hmp *hmp;
    X86Cpu *cpu; /* NULL: guest-physical addresses */
    int width;   /* digits of an address */
    /* what was read ahead: each read of a CPU's memory is a visit in its thread */
    uint8_t ahead[4096];
    uint64_t ahead_addr, ahead_len;
} Dump;

/* How many of @len bytes can be read. */
static uint64_t dump_read(Dump *dump, uint64_t addr, void *buf, uint64_t len)
{
    uint64_t offset = addr - dump->ahead_addr;

    if (offset > dump->ahead_len || dump->ahead_len - offset < len) {
        offset = 0;
        dump->ahead_addr = addr;
        dump->ahead_len = dump->cpu
                              ? x86_debug_read(dump->cpu, addr, dump->ahead, sizeof(dump->ahead))
                              : x86_debug_read_physical(addr, dump->ahead, sizeof(dump->ahead));
    }
    len = MIN(len, dump->ahead_len - offset);
    memcpy(buf, dump->ahead + offset, len);
    return len;
}

static void dump_stopped(const Dump *dump, uint64_t addr)
{
    if (dump->cpu) {
        hmp_printf(dump->hmp, "Error: cannot read 0x%" PRIx64 ": it is not mapped, or not to RAM\n",
                   addr);
    } else {
        hmp_printf(dump->hmp, "Error: cannot read 0x%" PRIx64 ": no RAM is there\n", addr);
    }
}

static void dump_values(Dump *dump, const HmpFormat *format, uint64_t addr)
{
    unsigned a_line = format->format == 'c' ? 16 : 16 / format->size;

    for (unsigned i = 0; i < format->count; i++, addr += format->size) {
        uint64_t value = 0;

        if (dump_read(dump, addr, &value, format->size) < format->size) {
            hmp_printf(dump->hmp, "%s", i % a_line ? "\n" : "");
            dump_stopped(dump, addr);
            return;
        }
        if (i % a_line == 0) {
            hmp_printf(dump->hmp, "%0*" PRIx64 ":", dump->width, addr);
        }
        hmp_printf(dump->hmp, " ");
        hmp_format_value(dump->hmp->out, format, value, true);
        if (i % a_line == a_line - 1 || i == format->count - 1) {
            hmp_printf(dump->hmp, "\n");
        }
    }
}

static void read_mode(X86Cpu *cpu, void *opaque)
{
    ZydisMachineMode *mode = opaque;
    uint32_t flags = cpu->segs[X86_SEG_CS].flags;

    if (!(cpu->cr0 & CR0_PE)) {
        *mode = ZYDIS_MACHINE_MODE_REAL_16;
    } else if (cpu->efer & EFER_LMA && flags & SEG_L) {
        *mode = ZYDIS_MACHINE_MODE_LONG_64;
    } else {
        *mode = flags & SEG_DB ? ZYDIS_MACHINE_MODE_LEGACY_32 : ZYDIS_MACHINE_MODE_LEGACY_16;
    }
}

static void dump_instructions(Dump *dump, ZydisMachineMode mode, unsigned count, uint64_t addr)
{
    ZydisDecoder decoder;
    ZydisFormatter formatter;
    ZydisStackWidth width = mode == ZYDIS_MACHINE_MODE_LONG_64     ? ZYDIS_STACK_WIDTH_64
                            : mode == ZYDIS_MACHINE_MODE_LEGACY_32 ? ZYDIS_STACK_WIDTH_32
                                                                   : ZYDIS_STACK_WIDTH_16;

    ZydisDecoderInit(&decoder, mode, width);
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_ATT);
    ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
    for (unsigned i = 0; i < count; i++) {
        uint8_t bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
        uint64_t got = dump_read(dump, addr, bytes, sizeof(bytes));
        ZydisDecodedInstruction insn;
        ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
        char text[256] = "(bad)";
        unsigned len = 1;

        if (!got) {
            dump_stopped(dump, addr);
            return;
        }
        if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, got, &insn, operands))) {
            len = insn.length;
            ZydisFormatterFormatInstruction(&formatter, &insn, operands, insn.operand_count_visible,
                                            text, sizeof(text), addr, NULL);
        }
        hmp_printf(dump->hmp, "0x%0*" PRIx64 ": ", dump->width, addr);
        for (unsigned b = 0; b < len; b++) {
            hmp_printf(dump->hmp, " %02x", bytes[b]);
        }
        hmp_printf(dump->hmp, "%*s%s\n", len < 8 ? (int)(3 * (8 - len)) + 1 : 1, "", text);
        addr += len;
    }
}

static void dump_memory(Dump *dump, char **argv)
{
    HmpFormat format = { .count = 1, .format = 'x', .size = 4 };
    ZydisMachineMode mode;
    GError *err = NULL;
    uint64_t addr;
    X86Cpu *cpu;

    if (!hmp_format_parse(argv[0], &format, &err)) {
        hmp_error(dump->hmp, err);
    } else if (!hmp_eval(dump->hmp, "ADDRESS", argv[1], &addr)) {
        return;
    } else if (format.format != 'i') {
        dump_values(dump, &format, addr);
    } else if ((cpu = hmp_cpu(dump->hmp))) {
        vcpu_run_on(cpu, read_mode, &mode);
        dump_instructions(dump, mode, format.count, addr);
    }
}

void hmp_x(Hmp *hmp, char **argv)
{
    Dump dump = { .hmp = hmp, .cpu = hmp_cpu(hmp), .width = 16 };

    if (dump.cpu) {
        dump_memory(&dump, argv);
    }
}

void hmp_xp(Hmp *hmp, char **argv)
{
    Dump dump = { .hmp = hmp, .width = 16 };

    dump_memory(&dump, argv);
}

/* ---- addresses ---- */

void hmp_gva2gpa(Hmp *hmp, char **argv)
{
    X86Cpu *cpu = hmp_cpu(hmp);
    uint64_t va;
    hwaddr pa;

    if (!cpu || !hmp_eval(hmp, "ADDRESS", argv[0], &va)) {
        return;
    }
    if (x86_debug_translate(cpu, va, &pa)) {
        hmp_printf(hmp, "gpa: 0x%" PRIx64 "\n", pa);
    } else {
        hmp_printf(hmp, "Unmapped: 0x%" PRIx64 "\n", va);
    }
}

void hmp_gpa2hva(Hmp *hmp, char **argv)
{
    const FlatView *view = address_space_view(&address_space_memory);
    const FlatRange *range;
    uint64_t pa;

    if (!hmp_eval(hmp, "ADDRESS", argv[0], &pa)) {
        return;
    }
    range = flat_view_find(view, pa);
    if (!range) {
        hmp_printf(hmp, "No memory is mapped at address 0x%" PRIx64 "\n", pa);
    } else if (!range->host) {
        hmp_printf(hmp, "Memory at address 0x%" PRIx64 " is not RAM: %s\n", pa, range->mr->name);
    } else {
        hmp_printf(hmp, "Host virtual address for 0x%" PRIx64 " (%s) is %p\n", pa, range->mr->name,
                   (void *)(range->host + (pa - range->addr)));
    }
}

/* ---- ports ---- */

/* Argument @name as a number up to @max. */
static bool eval_up_to(Hmp *hmp, const char *name, const char *text, uint64_t max, uint64_t *value)
{
    if (!hmp_eval(hmp, name, text, value)) {
        return false;
    }
    if (*value > max) {
        hmp_printf(hmp, "Error: %s: 0x%" PRIx64 " is too large; the most is 0x%" PRIx64 "\n", name,
                   *value, max);
        return false;
    }
    return true;
}

/* /FMT and PORT of i and o, which access up to 4 bytes. */
static bool port_arguments(Hmp *hmp, char **argv, HmpFormat *format, uint64_t *port)
{
    GError *err = NULL;

    *format = (HmpFormat){ .format = 'x', .size = 1 };
    if (!hmp_format_parse_single(argv[0], format, &err)) {
        hmp_error(hmp, err);
        return false;
    }
    if (format->size > 4) {
        hmp_printf(hmp, "Error: a port has no 8 bytes; the size is one of b h w\n");
        return false;
    }
    return eval_up_to(hmp, "PORT", argv[1], 0x10000 - format->size, port);
}

void hmp_port_in(Hmp *hmp, char **argv)
{
    HmpFormat format;
    uint64_t port, index;

    if (!port_arguments(hmp, argv, &format, &port)) {
        return;
    }
    if (argv[2]) {
        if (!eval_up_to(hmp, "INDEX", argv[2], 0xff, &index)) {
            return;
        }
        if (port + 1 + format.size > 0x10000) {
            hmp_printf(hmp, "Error: PORT: with INDEX, the data is read from the port after it\n");
            return;
        }
        address_space_store(&address_space_io, port++, index, 1);
    }
    /* By the names of IN's operands: byte, word, long. */
    hmp_printf(hmp, "port%c[0x%04" PRIx64 "] = ", "bwl"[format.size / 2], port);
    hmp_format_value(hmp->out, &format, address_space_load(&address_space_io, port, format.size),
                     true);
    hmp_printf(hmp, "\n");
}

void hmp_port_out(Hmp *hmp, char **argv)
{
    HmpFormat format;
    uint64_t port, value;

    if (port_arguments(hmp, argv, &format, &port) &&
        eval_up_to(hmp, "VALUE", argv[2], UINT64_MAX >> (64 - 8 * format.size), &value)) {
        address_space_store(&address_space_io, port, value, format.size);
    }
}

/* ---- files ---- */

void hmp_memsave(Hmp *hmp, char **argv)
{
    uint64_t addr, size;
    GError *err = NULL;

    if (hmp_cpu(hmp) && hmp_eval(hmp, "ADDRESS", argv[0], &addr) &&
        eval_up_to(hmp, "SIZE", argv[1], INT64_MAX, &size)) {
        qmp_memsave((int64_t)addr, (int64_t)size, argv[2], true, hmp->cpu_index, &err);
        hmp_error(hmp, err);
    }
}

void hmp_pmemsave(Hmp *hmp, char **argv)
{
    uint64_t addr, size;
    GError *err = NULL;

    if (eval_up_to(hmp, "ADDRESS", argv[0], INT64_MAX, &addr) &&
        eval_up_to(hmp, "SIZE", argv[1], INT64_MAX, &size)) {
        qmp_pmemsave((int64_t)addr, (int64_t)size, argv[2], &err);
        hmp_error(hmp, err);
    }
}

/* The format that one of the flags -z -l -s -w, @flags, asks for; false: there are several. */
static bool dump_format(Hmp *hmp, char **flags, DumpGuestMemoryFormat *format)
{
    *format = DUMP_GUEST_MEMORY_FORMAT_ELF;
    for (unsigned i = 0; i < 4; i++) {
        if (flags[i] && *format != DUMP_GUEST_MEMORY_FORMAT_ELF) {
            hmp_printf(hmp, "Error: -z, -l, -s and -w are formats: one at a time\n");
            return false;
        }
        if (flags[i]) {
            *format = DUMP_GUEST_MEMORY_FORMAT_KDUMP_ZLIB + i;
        }
    }
    return true;
}

/* argv: -p -d -z -l -s -w FILE BEGIN LENGTH */
void hmp_dump_guest_memory(Hmp *hmp, char **argv)
{
    bool paging = argv[0], detach = argv[1];
    const char *path = argv[6], *first = argv[7], *size = argv[8];
    g_autofree char *protocol = g_strconcat("file:", path, NULL);
    uint64_t begin = 0, length = 0;
    DumpGuestMemoryFormat format;
    GError *err = NULL;

    if (!dump_format(hmp, argv + 2, &format) ||
        (first && !eval_up_to(hmp, "BEGIN", first, INT64_MAX, &begin)) ||
        (size && !eval_up_to(hmp, "LENGTH", size, INT64_MAX, &length))) {
        return;
    }
    qmp_dump_guest_memory(paging, protocol, detach, detach, first != NULL, (int64_t)begin,
                          size != NULL, (int64_t)length, true, format, &err);
    hmp_error(hmp, err);
}
