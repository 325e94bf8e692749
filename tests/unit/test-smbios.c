/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SMBIOS tables, read by a parser that shares nothing with their writer, and -smbios. */
#include "hw/i386/smbios.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "hw/i386/pc.h"
#include "util/units.h"

static Machine *machine_make(uint64_t ram, uint64_t maxram, unsigned slots, unsigned nodes)
{
    Machine *machine = MACHINE(object_new("pc-i440fx-7.2-machine", NULL));
    X86Machine *x86 = X86_MACHINE(machine);

    machine->ram.size = ram;
    machine->ram.max_size = maxram;
    machine->ram.slots = slots;
    machine->numa.num_nodes = nodes;
    for (unsigned i = 0; i < nodes; i++) {
        machine->numa.nodes[i].present = true;
        machine->numa.nodes[i].mem = ram / nodes;
    }
    x86->below_4g = x86_ram_below_4g(x86, ram);
    x86->above_4g = ram - x86->below_4g;
    return machine;
}

/* ---- the parser ---- */

typedef struct Structure {
    const uint8_t *data; /* NULL: there is none */
} Structure;

static unsigned get(Structure s, unsigned offset, unsigned size)
{
    unsigned value = 0;

    g_assert_cmpuint(offset + size, <=, s.data[1]);
    for (unsigned i = 0; i < size; i++) {
        value |= (unsigned)s.data[offset + i] << (8 * i);
    }
    return value;
}

static uint64_t get64(Structure s, unsigned offset)
{
    return get(s, offset, 4) | (uint64_t)get(s, offset + 4, 4) << 32;
}

/* String number @n, from 1; "" for 0. */
static const char *string(Structure s, unsigned n)
{
    const char *at = (const char *)s.data + s.data[1];

    for (unsigned i = 1; i < n; i++) {
        g_assert_cmpint(*at, !=, 0); /* there are fewer */
        at += strlen(at) + 1;
    }
    return n ? at : "";
}

static const char *text(Structure s, unsigned offset)
{
    return string(s, get(s, offset, 1));
}

static size_t structure_size(const uint8_t *p)
{
    const uint8_t *at = p + p[1];

    while (at[0] || at[1]) {
        at++;
    }
    return at + 2 - p;
}

/* Structure number @n of @type. Checks the whole on its way. */
static Structure find(const GByteArray *tables, unsigned type, unsigned n)
{
    g_autoptr(GHashTable) handles = g_hash_table_new(NULL, NULL);
    Structure found = { NULL };
    size_t at = 0;

    for (;;) {
        const uint8_t *p = tables->data + at;

        g_assert_cmpuint(at + 6, <=, tables->len);
        g_assert_cmpuint(p[1], >=, 4);
        g_assert_true(g_hash_table_add(handles, GUINT_TO_POINTER(p[2] | p[3] << 8)));
        if (p[0] == type && n-- == 0) {
            found.data = p;
        }
        at += structure_size(p);
        if (p[0] == 127) {
            g_assert_cmpuint(at, ==, tables->len);
            return found;
        }
    }
}

static unsigned count(const GByteArray *tables, unsigned type)
{
    unsigned n = 0;

    while (find(tables, type, n).data) {
        n++;
    }
    return n;
}

/* ---- the tables ---- */

static void test_anchor(void)
{
    static const uint8_t structures[] = { 1, 4, 0, 0, 'a', 0, 0, 127, 4, 1, 0, 0, 0 };
    g_autoptr(GByteArray) tables = g_byte_array_new();
    uint8_t anchor[SMBIOS_ANCHOR_MAX], sum = 0;

    g_byte_array_append(tables, structures, sizeof(structures));
    g_assert_cmpuint(smbios_anchor(anchor, SMBIOS_ENTRY_64, tables, 0x12345678), ==, 24);
    g_assert_cmpmem(anchor, 5, "_SM3_", 5);
    g_assert_cmpuint(anchor[6], ==, 24);
    g_assert_cmpuint(anchor[7], ==, 3);
    g_assert_cmpmem(anchor + 12, 12, "\x0d\0\0\0\x78\x56\x34\x12\0\0\0\0", 12);
    for (unsigned i = 0; i < 24; i++) {
        sum += anchor[i];
    }
    g_assert_cmpuint(sum, ==, 0);

    g_assert_cmpuint(smbios_anchor(anchor, SMBIOS_ENTRY_32, tables, 0x12345678), ==, 31);
    g_assert_cmpmem(anchor, 4, "_SM_", 4);
    g_assert_cmpmem(anchor + 5, 5, "\x1f\2\x08\x07\0", 5); /* the longest has 7 bytes */
    g_assert_cmpmem(anchor + 16, 5, "_DMI_", 5);
    g_assert_cmpmem(anchor + 22, 9, "\x0d\0\x78\x56\x34\x12\2\0\x28", 9);
    for (unsigned i = 0; i < 31; i++) {
        sum += anchor[i];
    }
    g_assert_cmpuint(sum, ==, 0);
    for (unsigned i = 16; i < 31; i++) {
        sum += anchor[i];
    }
    g_assert_cmpuint(sum, ==, 0);

    g_byte_array_set_size(tables, 0x10000); /* too much for it */
    g_assert_cmpuint(smbios_anchor(anchor, SMBIOS_ENTRY_32, tables, 0x12345678), ==, 24);
}

/* What there is without a word from the user. */
static void test_default(void)
{
    static const uint8_t once[] = { 1, 3, 4, 16, 17, 19, 32, 127 };
    Machine *machine = machine_make(GIB, GIB, 0, 1);
    g_autoptr(GByteArray) tables = smbios_build(machine, NULL);
    Structure s;

    for (unsigned type = 0; type < 128; type++) {
        g_assert_cmpuint(count(tables, type), ==, memchr(once, type, sizeof(once)) ? 1 : 0);
    }
    s = find(tables, 1, 0);
    g_assert_cmpstr(text(s, 4), ==, "QEMU");
    g_assert_cmpstr(text(s, 6), ==, "pc-i440fx-7.2");
    g_assert_cmpstr(text(s, 7), ==, "");
    s = find(tables, 4, 0);
    g_assert_cmpstr(text(s, 4), ==, "CPU 0");
    g_assert_cmpuint(get(s, 0x23, 1), ==, 1); /* cores */
    object_unref(OBJECT(machine));
}

static void test_slots(void)
{
    Machine *machine = machine_make(8 * GIB, 64 * GIB, 3, 2);
    g_autoptr(GByteArray) tables = smbios_build(machine, NULL);
    static const char *const locators[] = { "Board 0", "Board 1", "DIMM 0", "DIMM 1", "DIMM 2" };
    Structure s = find(tables, 16, 0);

    g_assert_cmphex(get(s, 7, 4), ==, 64 << 20); /* KiB */
    g_assert_cmpuint(get(s, 13, 2), ==, 5);
    g_assert_cmpuint(count(tables, 17), ==, 5);
    for (unsigned i = 0; i < 5; i++) {
        s = find(tables, 17, i);
        g_assert_cmpstr(text(s, 16), ==, locators[i]);
        g_assert_cmpuint(get(s, 12, 2), ==, i < 2 ? 4096 : 0);
    }
    g_assert_cmpstr(text(find(tables, 17, 1), 17), ==, "Node 1");
    g_assert_cmpuint(count(tables, 19), ==, 2);
    s = find(tables, 19, 1);
    g_assert_cmphex(get(s, 4, 4), ==, 4u << 20);
    g_assert_cmphex(get(s, 8, 4), ==, (9u << 20) - 1);
    object_unref(OBJECT(machine));
}

/* Sizes that need the longer fields, and as many slots as there can be. */
static void test_large(void)
{
    Machine *machine = machine_make(8192 * GIB, 65536 * GIB, 256, 1);
    g_autoptr(GByteArray) tables = smbios_build(machine, NULL);
    Structure s = find(tables, 16, 0);

    g_assert_cmphex(get(s, 7, 4), ==, 0x80000000);
    g_assert_cmphex(get64(s, 15), ==, 65536 * GIB);
    s = find(tables, 17, 0);
    g_assert_cmphex(get(s, 12, 2), ==, 0x7fff);
    g_assert_cmphex(get(s, 28, 4), ==, 8192u << 10);
    g_assert_cmpuint(count(tables, 17), ==, 257);
    s = find(tables, 19, 1);
    g_assert_cmphex(get(s, 4, 4), ==, UINT32_MAX);
    g_assert_cmphex(get64(s, 15), ==, 4 * GIB);
    g_assert_cmphex(get64(s, 23), ==, 8193 * GIB - 1);
    g_assert_cmpuint(tables->len, <, SMBIOS_TABLES_MAX);
    object_unref(OBJECT(machine));
}

static void test_sockets(void)
{
    Machine *machine = machine_make(GIB, GIB, 0, 1);
    machine->smp = (SmpTopology){
        .cpus = 9, .maxcpus = 16, .sockets = 4, .dies = 1, .cores = 2, .threads = 2
    };
    g_autoptr(GByteArray) tables = smbios_build(machine, NULL);

    g_assert_cmpuint(count(tables, 4), ==, 3);
    g_assert_cmpuint(get(find(tables, 4, 2), 0x23, 1), ==, 2);
    g_assert_cmpuint(get(find(tables, 4, 2), 0x25, 1), ==, 4);
    object_unref(OBJECT(machine));
}

/* ---- -smbios ---- */

static void accept(SmbiosConfig *config, const char *line)
{
    g_autoptr(GError) err = NULL;
    bool ok = smbios_config_parse(config, line, &err);

    g_assert_no_error(err);
    g_assert_true(ok);
}

static void test_fields(void)
{
    Machine *machine = machine_make(GIB, 2 * GIB, 1, 1);
    g_autoptr(SmbiosConfig) config = smbios_config_new();

    accept(config, "type=0,vendor=v,version=1,date=03/01/2026,release=3.14,uefi=on");
    accept(config, "type=1,serial=wrong");
    accept(config, "type=1,serial=a,,b,uuid=00112233-4455-6677-8899-aabbccddeeff,manufacturer=");
    accept(config, "type=2,location=here,asset=x");
    accept(config, "type=3,sku=s");
    accept(config, "type=4,sock_pfx=S,max-speed=5000,processor-id=0x123456789abcdef0");
    accept(config, "type=8,internal_reference=a,external_reference=b,connector_type=4,port_type=5");
    accept(config, "type=8,internal_reference=c");
    accept(config, "type=11,value=one,value=two,,three");
    accept(config, "{\"type\":\"11\",\"value\":[\"four\"]}");
    accept(config, "type=17,loc_pfx=Slot,bank=B,speed=3200");
    accept(config, "type=41,designation=d,kind=ethernet,instance=7");

    g_autoptr(GByteArray) tables = smbios_build(machine, config);
    Structure s = find(tables, 0, 0);
    g_assert_cmpstr(text(s, 4), ==, "v");
    g_assert_cmpuint(get(s, 0x14, 1), ==, 3);
    g_assert_cmpuint(get(s, 0x15, 1), ==, 14);
    g_assert_cmphex(get(s, 0x13, 1), ==, 0x1c);
    s = find(tables, 1, 0);
    g_assert_cmpstr(text(s, 4), ==, "");
    g_assert_cmpstr(text(s, 7), ==, "a,b");
    g_assert_cmphex(get(s, 8, 4), ==, 0x00112233); /* little endian */
    g_assert_cmphex(get(s, 12, 2), ==, 0x4455);
    g_assert_cmphex(get(s, 16, 1), ==, 0x88);
    g_assert_cmpstr(text(find(tables, 2, 0), 10), ==, "here");
    g_assert_cmpstr(text(find(tables, 3, 0), 21), ==, "s");
    s = find(tables, 4, 0);
    g_assert_cmpstr(text(s, 4), ==, "S 0");
    g_assert_cmphex(get64(s, 8), ==, 0x123456789abcdef0);
    g_assert_cmpuint(get(s, 20, 2), ==, 5000);
    g_assert_cmpuint(count(tables, 8), ==, 2);
    g_assert_cmpstr(text(find(tables, 8, 1), 4), ==, "c");
    g_assert_cmpuint(get(find(tables, 8, 0), 8, 1), ==, 5);
    s = find(tables, 11, 0);
    g_assert_cmpuint(get(s, 4, 1), ==, 3);
    g_assert_cmpstr(string(s, 2), ==, "two,three");
    g_assert_cmpstr(string(s, 3), ==, "four");
    s = find(tables, 17, 0);
    g_assert_cmpstr(text(s, 17), ==, "B");
    g_assert_cmpuint(get(s, 21, 2), ==, 3200);
    g_assert_cmpstr(text(find(tables, 17, 1), 16), ==, "Slot 0");
    s = find(tables, 41, 0);
    g_assert_cmphex(get(s, 5, 1), ==, 0x85);
    g_assert_cmpuint(get(s, 6, 1), ==, 7);
    object_unref(OBJECT(machine));
}

static void test_bad_fields(void)
{
    static const struct {
        const char *line, *word;
    } cases[] = {
        { "", "type=N" },
        { "type", "type=on" },
        { "=a", "=a" },
        { "type=1,,serial=a", "type=1,serial=a" }, /* the type's value has the rest in it */
        { "serial=a", "type=N" },
        { "type=1,file=a", "type=N" },
        { "type=5,x=1", "0, 1, 2, 3, 4, 8, 11, 17, 41" },
        { "type=256,x=1", "type=256" },
        { "type=-1,x=1", "type=-1" },
        { "type=one", "type=one" },
        { "type=1,colour=red",
          "'manufacturer', 'version', 'serial', 'product', 'uuid', 'sku', 'family'" },
        { "{\"type\":\"17\",\"speed\":\"fast\"}", "65535" },
        { "{\"type\":17}", "type" },
        { "type=11,value.0=a,value.2=b", "value" },
        { "type=0,release=3", "MAJOR.MINOR" },
        { "type=0,release=3.256", "MAJOR.MINOR" },
        { "type=0,release=3.1.4", "MAJOR.MINOR" },
        { "type=0,release=.", "MAJOR.MINOR" },
        { "type=0,uefi=maybe", "on or off" },
        { "type=1,uuid=0011", "hexadecimal" },
        { "type=4,max-speed=65536", "65535" },
        { "type=4,processor-id=-1", "18446744073709551615" },
        { "type=8,port_type=256", "255" },
        { "type=11,value=", "empty" },
        { "type=11,path=/nonexistent/x", "/nonexistent/x" },
        { "type=17,speed=fast", "65535" },
        { "type=41,kind=toaster", "ethernet" },
        { "type=41,pcidev=n0", "pcidev=n0" },
        { "file=/nonexistent/x", "/nonexistent/x" },
    };
    Machine *machine = machine_make(GIB, GIB, 0, 1);
    g_autoptr(SmbiosConfig) config = smbios_config_new();
    g_autoptr(GByteArray) before = smbios_build(machine, config);

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;
        g_assert_false(smbios_config_parse(config, cases[i].line, &err));
        g_assert_nonnull(err);
        if (!strstr(err->message, cases[i].word)) {
            g_error("%s: %s", cases[i].line, err->message);
        }
    }
    g_autoptr(GByteArray) after = smbios_build(machine, config);
    g_assert_cmpmem(before->data, before->len, after->data, after->len);
    object_unref(OBJECT(machine));
}

/* ---- files ---- */

static char *write_file(const void *data, size_t size)
{
    char *path = NULL;
    int fd = g_file_open_tmp(NULL, &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_true(g_file_set_contents(path, data, size, NULL));
    return path;
}

static bool give_file(SmbiosConfig *config, const void *data, size_t size, GError **errp)
{
    g_autofree char *path = write_file(data, size);
    g_autofree char *line = g_strdup_printf("file=%s", path);
    bool ok = smbios_config_parse(config, line, errp);

    g_remove(path);
    return ok;
}

static void test_files(void)
{
    static const uint8_t chassis[] = { 3, 9, 1, 2, 1, 1, 0, 0, 0, 'm', 'e', 0, 0 };
    static const uint8_t plain[] = { 200, 4, 9, 9, 0, 0 };
    Machine *machine = machine_make(GIB, GIB, 0, 1);
    g_autoptr(SmbiosConfig) config = smbios_config_new();
    g_autoptr(GError) err = NULL;

    g_assert_true(give_file(config, chassis, sizeof(chassis), NULL));
    g_assert_true(give_file(config, plain, sizeof(plain), NULL));
    g_assert_false(smbios_config_parse(config, "type=3,sku=a", &err));
    g_assert_nonnull(strstr(err->message, "type 3 already"));

    g_autoptr(GByteArray) tables = smbios_build(machine, config);
    g_assert_cmpuint(count(tables, 3), ==, 1);
    g_assert_cmpstr(text(find(tables, 3, 0), 4), ==, "me");
    g_assert_cmpuint(count(tables, 200), ==, 1);
    object_unref(OBJECT(machine));
}

static void test_bad_files(void)
{
    static const struct {
        uint8_t data[12];
        unsigned size;
    } cases[] = {
        { { 0 }, 0 },
        { { 3, 4, 0 }, 3 },
        { { 3, 4, 0, 0 }, 4 },          /* no end */
        { { 3, 4, 0, 0, 0 }, 5 },       /* half an end */
        { { 3, 3, 0, 0, 0, 0 }, 6 },    /* shorter than its header */
        { { 3, 200, 0, 0, 0, 0 }, 6 },  /* longer than the file */
        { { 3, 4, 0, 0, 0, 0, 0 }, 7 }, /* something behind it */
        { { 3, 4, 0, 0, 'a', 0 }, 6 },  /* the list of strings does not end */
        { { 3, 4, 0, 0, 'a', 0, 0, 1, 0, 0 }, 10 },
        { { 127, 4, 0, 0, 0, 0 }, 6 },
        { { 1, 4, 0, 0, 0, 0 }, 6 }, /* given by fields */
    };
    g_autoptr(SmbiosConfig) config = smbios_config_new();

    accept(config, "type=1,serial=a");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;
        g_assert_false(give_file(config, cases[i].data, cases[i].size, &err));
        g_assert_nonnull(err);
    }
    g_assert_cmpuint(config->files->len, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smbios/anchor", test_anchor);
    g_test_add_func("/smbios/default", test_default);
    g_test_add_func("/smbios/slots", test_slots);
    g_test_add_func("/smbios/large", test_large);
    g_test_add_func("/smbios/sockets", test_sockets);
    g_test_add_func("/smbios/fields", test_fields);
    g_test_add_func("/smbios/bad-fields", test_bad_fields);
    g_test_add_func("/smbios/files", test_files);
    g_test_add_func("/smbios/bad-files", test_bad_files);
    return g_test_run();
}
