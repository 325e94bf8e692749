/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AML terms against their byte codes, taken from the grammar in ACPI 6.4 chapter 20 by hand. */
#include <string.h>

#include "hw/acpi/aml.h"

/* The terms are made anew in each case, since encoding frees them. */
typedef struct Case {
    const char *name;
    Aml *(*make)(void);
    const char *expected; /* hexadecimal bytes */
} Case;

static char *aml_hex(Aml *aml)
{
    g_autoptr(GByteArray) code = aml_finish(aml);
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < code->len; i++) {
        g_string_append_printf(text, "%s%02x", i ? " " : "", code->data[i]);
    }
    return g_string_free(text, FALSE);
}

#define CASE(id, term)   \
    static Aml *id(void) \
    {                    \
        return term;     \
    }

CASE(int_zero, aml_int(0))
CASE(int_one, aml_int(1))
CASE(int_byte, aml_int(0xff))
CASE(int_word, aml_int(0x100))
CASE(int_dword, aml_int(0x10000))
CASE(int_qword, aml_int(0x123456789abcdef0))
CASE(string, aml_string("AB"))
CASE(eisaid, aml_eisaid("PNP0A03"))
CASE(eisaid_dimm, aml_eisaid("PNP0C80"))
CASE(name_short, aml_name_ref("A"))
CASE(name_root, aml_name_ref("\\"))
CASE(name_dual, aml_name_ref("\\_SB.PCI0"))
CASE(name_multi, aml_name_ref("^A.B.C"))
CASE(named_int, aml_name("_ADR", aml_int(0x10000)))
CASE(package, aml_package(aml_int(0), aml_int(5)))
CASE(package_empty, aml_package())
CASE(scope, aml_scope("\\_SB", aml_device("X", aml_name("_UID", aml_int(1)))))
CASE(method, aml_method("_STA", 2, AML_SERIALIZED, aml_return(aml_arg(1))))
CASE(store, aml_store(aml_plus(aml_local(0), aml_int(1)), aml_local(7)))
CASE(if_else, aml_scope("\\", aml_if(aml_equal(aml_arg(0), aml_int(1)), aml_break()),
                        aml_else(aml_notify("DEV0", aml_int(3)))))
CASE(while_less, aml_while(aml_less(aml_local(0), aml_int(2)), aml_break()))
CASE(mutex, aml_mutex("LCK"))
CASE(acquire, aml_acquire("LCK"))
CASE(release, aml_release("LCK"))
CASE(region, aml_operation_region("REG", AML_REGION_IO, 0xa00, 0x20))
CASE(qword_field, aml_create_qword_field(aml_name_ref("BUF"), AML_QWORD_MIN, "MINA"))
CASE(resources, aml_resources(aml_io(0x3f8, 8), aml_irq(4), aml_dma(2)))
CASE(bus_range, aml_word_range(AML_RANGE_BUS, 0, 0xff))
CASE(memory_range, aml_dword_range(AML_RANGE_MEMORY, true, 0xa0000, 0xbffff))
CASE(call, aml_call("MTH", aml_int(1), aml_arg(0)))
CASE(shift_or, aml_or(aml_shift_left(aml_local(1), aml_int(32)), aml_local(0)))
CASE(buffer, aml_buffer("\1\2\3", 3))
CASE(buffer_empty, aml_buffer(NULL, 0))
CASE(mid, aml_mid(aml_to_buffer(aml_local(0)), aml_int(0), aml_int(4)))
CASE(concatenate, aml_concatenate(aml_local(0), aml_arg(1)))
CASE(element, aml_store(aml_deref_of(aml_index(aml_local(1), aml_int(2))),
                        aml_index(aml_local(3), aml_int(0))))

static Aml *field(void)
{
    static const AmlField fields[] = { { "AAAA", 0, 32 }, { "BBBB", 0x14 * 8, 1 }, {} };

    return aml_field("REG", AML_BYTE_ACC, AML_WRITE_AS_ZEROS, fields);
}

static const Case cases[] = {
    { "int/zero", int_zero, "00" },
    { "int/one", int_one, "01" },
    { "int/byte", int_byte, "0a ff" },
    { "int/word", int_word, "0b 00 01" },
    { "int/dword", int_dword, "0c 00 00 01 00" },
    { "int/qword", int_qword, "0e f0 de bc 9a 78 56 34 12" },
    { "string", string, "0d 41 42 00" },
    { "eisaid/pci", eisaid, "0c 41 d0 0a 03" },
    { "eisaid/dimm", eisaid_dimm, "0c 41 d0 0c 80" },
    { "name/short", name_short, "41 5f 5f 5f" },
    { "name/root", name_root, "5c 00" },
    { "name/dual", name_dual, "5c 2e 5f 53 42 5f 50 43 49 30" },
    { "name/multi", name_multi, "5e 2f 03 41 5f 5f 5f 42 5f 5f 5f 43 5f 5f 5f" },
    { "name/object", named_int, "08 5f 41 44 52 0c 00 00 01 00" },
    { "package", package, "12 05 02 00 0a 05" },
    { "package/empty", package_empty, "12 02 00" },
    { "scope", scope, "10 13 5c 5f 53 42 5f 5b 82 0b 58 5f 5f 5f 08 5f 55 49 44 01" },
    { "method", method, "14 08 5f 53 54 41 0a a4 69" },
    { "store", store, "70 72 60 01 00 67" },
    { "if-else", if_else, "10 12 5c 00 a0 05 93 68 01 a5 a1 08 86 44 45 56 30 0a 03" },
    { "while", while_less, "a2 06 95 60 0a 02 a5" },
    { "mutex", mutex, "5b 01 4c 43 4b 5f 00" },
    { "acquire", acquire, "5b 23 4c 43 4b 5f ff ff" },
    { "release", release, "5b 27 4c 43 4b 5f" },
    { "region", region, "5b 80 52 45 47 5f 01 0b 00 0a 0a 20" },
    /* 0x80 reserved bits = 8 << 4 | 0: two bytes */
    { "field", field, "5b 81 13 52 45 47 5f 41 41 41 41 41 20 00 40 08 42 42 42 42 01" },
    { "create-field", qword_field, "8f 42 55 46 5f 0a 0e 4d 49 4e 41" },
    { "resources", resources, "11 13 0a 10 47 01 f8 03 f8 03 01 08 22 10 00 2a 04 00 79 00" },
    { "range/bus", bus_range, "88 0d 00 02 0c 00 00 00 00 00 ff 00 00 00 00 01" },
    { "range/memory", memory_range,
      "87 17 00 00 0c 03 00 00 00 00 00 00 0a 00 ff ff 0b 00 00 00 00 00 00 00 02 00" },
    { "call", call, "4d 54 48 5f 01 68" },
    { "buffer", buffer, "11 06 0a 03 01 02 03" },
    { "buffer/empty", buffer_empty, "11 02 00" },
    { "mid", mid, "9e 96 60 00 00 0a 04 00" },
    { "concatenate", concatenate, "73 60 69 00" },
    { "element", element, "70 83 88 61 0a 02 00 88 63 00 00" },
    { "shift-or", shift_or, "7d 79 61 0a 20 00 60 00" },
};

static void test_case(gconstpointer data)
{
    const Case *c = data;
    g_autofree char *hex = aml_hex(c->make());

    g_assert_cmpstr(hex, ==, c->expected);
}

/* Read a PkgLength as an operating system does. */
static uint32_t decode_pkg_length(const uint8_t *p, unsigned *bytes)
{
    uint32_t value = p[0] & 0x3f;

    *bytes = 1 + (p[0] >> 6);
    if (*bytes > 1) {
        g_assert_cmpuint(p[0] & 0x30, ==, 0);
        value = p[0] & 0xf;
        for (unsigned i = 1; i < *bytes; i++) {
            value |= (uint32_t)p[i] << (8 * i - 4);
        }
    }
    return value;
}

/* Lengths on both sides of each place where the encoding grows. */
static void test_pkg_length(void)
{
    static const unsigned sizes[] = { 1,       58,      61,      62,     63,      64,
                                      4092,    4093,    4094,    4095,   1048570, 1048571,
                                      1048572, 1048573, 1048574, 2000000 };

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        Aml *block = aml_else();
        g_autoptr(GByteArray) code = NULL;
        unsigned bytes;

        for (unsigned n = 0; n < sizes[i]; n++) {
            aml_add(block, aml_int(0));
        }
        code = aml_finish(block);
        g_assert_cmpuint(decode_pkg_length(code->data + 1, &bytes), ==, code->len - 1);
        g_assert_cmpuint(code->len, ==, 1 + bytes + sizes[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/aml/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/aml/pkg-length", test_pkg_length);
    return g_test_run();
}
