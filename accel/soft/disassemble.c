/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/disassemble.h"

#include <Zydis/Zydis.h>
#include <inttypes.h>

#include "accel/soft/soft.h"

enum { TEXT_MAX = 128, BYTES_COLUMN = 3 * 11 };

unsigned soft_key_bits(uint32_t key)
{
    return key & SOFT_KEY_CODE64 ? 64 : key & SOFT_KEY_CODE32 ? 32 : 16;
}

static void init_decoder(ZydisDecoder *z, unsigned bits)
{
    ZydisMachineMode mode = bits == 64   ? ZYDIS_MACHINE_MODE_LONG_64
                            : bits == 32 ? ZYDIS_MACHINE_MODE_LEGACY_32
                                         : ZYDIS_MACHINE_MODE_LEGACY_16;
    ZydisDecoderInit(z, mode,
                     bits == 64   ? ZYDIS_STACK_WIDTH_64
                     : bits == 32 ? ZYDIS_STACK_WIDTH_32
                                  : ZYDIS_STACK_WIDTH_16);
}

unsigned soft_disassemble_one(GString *out, unsigned bits, uint64_t rip, const uint8_t *code,
                              size_t len)
{
    ZydisDecoder z;
    ZydisFormatter formatter;
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    char text[TEXT_MAX];

    init_decoder(&z, bits);
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_ATT);
    if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&z, code, len, &insn, ops)) &&
        ZYAN_SUCCESS(ZydisFormatterFormatInstruction(
            &formatter, &insn, ops, insn.operand_count_visible, text, sizeof(text), rip, NULL))) {
        g_string_append(out, text);
        return insn.length;
    }
    g_string_append_printf(out, ".byte 0x%02x", code[0]);
    return 1;
}

void soft_disassemble(GString *out, unsigned bits, uint64_t rip, const uint8_t *code, size_t len)
{
    for (size_t at = 0; at < len;) {
        g_autoptr(GString) text = g_string_new(NULL);
        unsigned n = soft_disassemble_one(text, bits, rip + at, code + at, len - at);
        g_autoptr(GString) bytes = g_string_new(NULL);
        for (unsigned i = 0; i < n; i++) {
            g_string_append_printf(bytes, "%02x ", code[at + i]);
        }
        g_string_append_printf(out, "0x%08" PRIx64 ":  %-*s %s\n", rip + at, BYTES_COLUMN,
                               bytes->str, text->str);
        at += n;
    }
}
