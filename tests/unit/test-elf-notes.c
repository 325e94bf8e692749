/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A processor's registers in a core file: which notes there are, and where the vectors lie. */
#include "hw/i386/elf-notes.h"

#include <elf.h>
#include <string.h>

#include "target/i386/cpuid.h"

enum { XMM = 160, ENABLED = 464, IN_USE = 512, YMM_HIGH = 576 }; /* SDM vol. 1 section 13.4 */

static X86Cpu cpu;
static GByteArray *notes;

/* The description of the first note of that name and type, and its length; NULL: there is none. */
static const uint8_t *note(const char *name, uint32_t type, size_t *len)
{
    for (size_t at = 0; at < notes->len;) {
        Elf64_Nhdr header;
        memcpy(&header, notes->data + at, sizeof(header));
        const char *its_name = (const char *)notes->data + at + sizeof(header);
        size_t desc = at + sizeof(header) + ((header.n_namesz + 3) & ~3u);

        if (header.n_type == type && strcmp(its_name, name) == 0) {
            *len = header.n_descsz;
            return notes->data + desc;
        }
        at = desc + ((header.n_descsz + 3) & ~3u);
    }
    return NULL;
}

static void make(uint32_t features)
{
    memset(&cpu, 0, sizeof(cpu));
    cpu.model.features[X86_FEAT_1_ECX] = features;
    for (unsigned i = 0; i < 16; i++) {
        memset(cpu.fxsave + XMM + 16 * i, (int)(0x10 + i), 16);
        memset(cpu.ymm_high[i], (int)(0x80 + i), 16);
    }
    g_byte_array_set_size(notes, 0);
    x86_elf_notes_append(notes, &cpu);
}

static uint64_t number(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static void check_fxsave(void)
{
    size_t len = 0;
    const uint8_t *desc = note("CORE", NT_PRFPREG, &len);

    g_assert_nonnull(desc);
    g_assert_cmpmem(desc, len, cpu.fxsave, sizeof(cpu.fxsave));
    g_assert_nonnull(note("CORE", NT_PRSTATUS, &len));
    g_assert_nonnull(note("QEMU", 0, &len));
}

static void test_without_xsave(void)
{
    size_t len;

    make(0);
    check_fxsave();
    g_assert_null(note("LINUX", NT_X86_XSTATE, &len));
}

static void test_sse(void)
{
    size_t len = 0;

    make(CPUID_1_ECX_XSAVE);
    check_fxsave();
    const uint8_t *desc = note("LINUX", NT_X86_XSTATE, &len);
    g_assert_cmpuint(len, ==, YMM_HIGH);
    g_assert_cmpmem(desc + XMM, 256, cpu.fxsave + XMM, 256);
    g_assert_cmphex(number(desc + ENABLED), ==, 3);
    g_assert_cmphex(number(desc + IN_USE), ==, 3);
}

static void test_avx(void)
{
    size_t len = 0;

    make(CPUID_1_ECX_XSAVE | CPUID_1_ECX_AVX);
    check_fxsave();
    const uint8_t *desc = note("LINUX", NT_X86_XSTATE, &len);
    g_assert_cmpuint(len, ==, YMM_HIGH + 256);
    g_assert_cmpmem(desc + XMM, 256, cpu.fxsave + XMM, 256);
    g_assert_cmphex(number(desc + ENABLED), ==, 7);
    g_assert_cmphex(number(desc + IN_USE), ==, 7);
    g_assert_cmpmem(desc + YMM_HIGH, 256, cpu.ymm_high, 256);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    notes = g_byte_array_new();
    g_test_add_func("/elf-notes/without-xsave", test_without_xsave);
    g_test_add_func("/elf-notes/sse", test_sse);
    g_test_add_func("/elf-notes/avx", test_avx);
    int status = g_test_run();
    g_byte_array_unref(notes);
    return status;
}
