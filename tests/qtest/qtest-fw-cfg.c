/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a PC tells firmware by fw_cfg and CMOS, and what is in memory without firmware. */
#include <string.h>

#include "tests/qtest/libqtest.h"
#include "util/units.h"

#define DESCRIPTOR 0x1000u
#define BUFFER     0x100000u

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static uint64_t le(const uint8_t *p, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)p[i] << (8 * i);
    }
    return value;
}

/* @size bytes of item @key, by DMA. */
static void read_item(QTest *qt, uint16_t key, void *buf, uint32_t size)
{
    const uint64_t addr = GUINT64_TO_BE(BUFFER);
    uint32_t head[2] = { GUINT32_TO_BE((uint32_t)key << 16 | 8 | 2), GUINT32_TO_BE(size) };

    qtest_memwrite(qt, DESCRIPTOR, head, sizeof(head));
    qtest_memwrite(qt, DESCRIPTOR + 8, &addr, sizeof(addr));
    qtest_outl(qt, 0x518, GUINT32_TO_BE(DESCRIPTOR));
    g_assert_cmphex(qtest_readl(qt, DESCRIPTOR), ==, 0);
    qtest_memread(qt, BUFFER, buf, size);
}

static uint64_t read_number(QTest *qt, uint16_t key, unsigned size)
{
    uint8_t buf[8];

    read_item(qt, key, buf, size);
    return le(buf, size);
}

/* The directory's entry of @name: its key, and its size. 0: there is none. */
static uint16_t find_file(QTest *qt, const char *name, uint32_t *size)
{
    uint8_t count[4];

    read_item(qt, 0x19, count, sizeof(count));
    uint32_t len = 4 + 64 * be32(count);
    g_autofree uint8_t *directory = g_malloc(len);
    read_item(qt, 0x19, directory, len);
    for (const uint8_t *entry = directory + 4; entry < directory + len; entry += 64) {
        if (strcmp((const char *)entry + 8, name) == 0) {
            *size = be32(entry);
            return entry[4] << 8 | entry[5];
        }
    }
    return 0;
}

static GByteArray *read_file(QTest *qt, const char *name)
{
    GByteArray *data = g_byte_array_new();
    uint32_t size = 0;
    uint16_t key = find_file(qt, name, &size);

    if (!key) {
        g_error("there is no file %s", name);
    }
    g_byte_array_set_size(data, size);
    if (size) {
        read_item(qt, key, data->data, size);
    }
    return data;
}

static void expect_file(QTest *qt, const char *name, const void *contents, size_t size)
{
    g_autoptr(GByteArray) data = read_file(qt, name);

    g_assert_cmpmem(data->data, data->len, contents, size);
}

static uint8_t cmos(QTest *qt, uint8_t index)
{
    qtest_outb(qt, 0x70, index);
    return qtest_inb(qt, 0x71);
}

static void reset(QTest *qt)
{
    qtest_qmp_ok(qt, "system_reset", NULL);
    json_object_put(qtest_event(qt, "RESET"));
}

/* ---- */

static void test_numbers(void)
{
    QTest *qt = qtest_start("-m 2G -smp 3,sockets=3 -numa node,mem=512M,cpus=0 "
                            "-numa node,mem=1536M,cpus=1-2 -boot menu=on "
                            "-uuid 00112233-4455-6677-8899-aabbccddeeff");
    uint8_t uuid[16], numa[8 * 6];

    g_assert_cmphex(read_number(qt, 0x00, 4), ==, 0x554d4551);
    g_assert_cmpuint(read_number(qt, 0x01, 4), ==, 3);
    read_item(qt, 0x02, uuid, sizeof(uuid));
    g_assert_cmphex(uuid[0], ==, 0x00);
    g_assert_cmphex(uuid[15], ==, 0xff);
    g_assert_cmphex(read_number(qt, 0x03, 8), ==, 2 * GIB);
    g_assert_cmpuint(read_number(qt, 0x05, 2), ==, 3);
    g_assert_cmpuint(read_number(qt, 0x0e, 2), ==, 1);
    g_assert_cmpuint(read_number(qt, 0x0f, 2), ==, 3);
    g_assert_cmpuint(read_number(qt, 0x8002, 1), ==, 1);
    read_item(qt, 0x0d, numa, sizeof(numa));
    const uint64_t expected[] = { 2, 0, 1, 1, GIB / 2, GIB / 2 * 3 };
    for (unsigned i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_assert_cmphex(le(numa + 8 * i, 8), ==, expected[i]);
    }
    g_assert_cmpuint(cmos(qt, 0x5f), ==, 2);
    qtest_quit(qt);
}

static void test_files(void)
{
    QTest *qt = qtest_start("-m 2G,slots=2,maxmem=8G -fw_cfg opt/a,string=hello "
                            "-boot splash-time=5,reboot-timeout=1000");

    expect_file(qt, "opt/a", "hello", 5);
    expect_file(qt, "bootorder", NULL, 0);
    expect_file(qt, "etc/boot-menu-wait", "\5\0", 2);
    expect_file(qt, "etc/boot-fail-wait", "\xe8\3\0\0", 4);
    expect_file(qt, "etc/system-states", "\x80\0\0\x81\x82\x80", 6);
    expect_file(qt, "etc/reserved-memory-end", "\0\0\0\0\3\0\0\0", 8); /* 4G + 6G + 2 slots */
    /* RAM, and what an AMD CPU has for HyperTransport */
    expect_file(qt, "etc/e820",
                "\0\0\0\0\0\0\0\0\0\0\0\x80\0\0\0\0\1\0\0\0"
                "\0\0\0\0\xfd\0\0\0\0\0\0\0\3\0\0\0\2\0\0\0",
                40);
    qtest_quit(qt);
}

static void test_boot_order(void)
{
    QTest *qt = qtest_start("-boot order=dc,once=n");

    g_assert_cmphex(cmos(qt, 0x3d), ==, 0x04);
    g_assert_cmphex(cmos(qt, 0x38), ==, 0x00);
    reset(qt);
    g_assert_cmphex(cmos(qt, 0x3d), ==, 0x23);
    reset(qt);
    g_assert_cmphex(cmos(qt, 0x3d), ==, 0x23);
    g_assert_cmpuint(read_number(qt, 0x0c, 2), ==, 'd');
    qtest_quit(qt);

    qt = qtest_start("-m 16");
    g_assert_cmphex(cmos(qt, 0x3d), ==, 0x12);
    g_assert_cmphex(cmos(qt, 0x38), ==, 0x30);
    qtest_quit(qt);

    static const char both[] = "/pci@i0cf8/scsi@4/disk@0,0\n/pci@i0cf8/ethernet@5/ethernet-phy@0";
    qt = qtest_start(
        "-M pc -drive if=none,id=d,file.driver=null-co -device virtio-net-pci,bootindex=2,"
        "addr=5 -device virtio-blk-pci,drive=d,bootindex=1,addr=4 -device "
        "virtio-net-pci,addr=6");
    expect_file(qt, "bootorder", both, sizeof(both));
    qtest_quit(qt);
}

/* ---- tables ---- */

static uint32_t script_number(const uint8_t *command, unsigned offset)
{
    return le(command + offset, 4);
}

/* Pointers and checksums of the script, on files at @at each ("rsdp", "tables"). */
static void link_files(const GByteArray *script, GByteArray *files[2], const uint64_t at[2])
{
    for (const uint8_t *c = script->data; c < script->data + script->len; c += 128) {
        unsigned dest = strstr((const char *)c + 4, "tables") ? 1 : 0;
        unsigned src = strstr((const char *)c + 60, "tables") ? 1 : 0;
        uint8_t *data = files[dest]->data, sum = 0;

        if (c[0] == 2) {
            uint32_t offset = script_number(c, 116);
            uint64_t value = le(data + offset, c[120]) + at[src];
            for (unsigned i = 0; i < c[120]; i++) {
                data[offset + i] = value >> (8 * i);
            }
        } else if (c[0] == 3) {
            for (uint32_t i = 0; i < script_number(c, 68); i++) {
                sum += data[script_number(c, 64) + i];
            }
            data[script_number(c, 60)] -= sum;
        }
    }
}

static uint8_t sum(const uint8_t *p, uint32_t len)
{
    uint8_t total = 0;

    for (uint32_t i = 0; i < len; i++) {
        total += p[i];
    }
    return total;
}

typedef struct Acpi {
    GByteArray *files[2];
    uint64_t at[2];
} Acpi;

static void acpi_read(QTest *qt, Acpi *acpi)
{
    g_autoptr(GByteArray) script = read_file(qt, "etc/table-loader");

    acpi->files[0] = read_file(qt, "etc/acpi/rsdp");
    acpi->files[1] = read_file(qt, "etc/acpi/tables");
    acpi->at[0] = 0xf0000;
    acpi->at[1] = 0x10000000;
    link_files(script, acpi->files, acpi->at);
}

static void acpi_clear(Acpi *acpi)
{
    g_byte_array_unref(acpi->files[0]);
    g_byte_array_unref(acpi->files[1]);
}

/* The table with that signature, by way of RSDP and XSDT; all sums are checked. */
static const uint8_t *acpi_find(const Acpi *acpi, const char *signature)
{
    const uint8_t *rsdp = acpi->files[0]->data, *tables = acpi->files[1]->data;
    uint64_t xsdt_at = le(rsdp + 24, 8) - acpi->at[1];
    const uint8_t *xsdt = tables + xsdt_at, *found = NULL;

    g_assert_cmpuint(sum(rsdp, 20), ==, 0);
    g_assert_cmpuint(sum(rsdp, 36), ==, 0);
    g_assert_cmpuint(xsdt_at, <, acpi->files[1]->len);
    g_assert_cmpmem(xsdt, 4, "XSDT", 4);
    g_assert_cmpuint(sum(xsdt, le(xsdt + 4, 4)), ==, 0);
    for (unsigned i = 36; i < le(xsdt + 4, 4); i += 8) {
        const uint8_t *table = tables + (le(xsdt + i, 8) - acpi->at[1]);
        g_assert_cmpuint(sum(table, le(table + 4, 4)), ==, 0);
        found = memcmp(table, signature, 4) ? found : table;
    }
    g_assert_nonnull(found);
    return found;
}

/* Firmware's tables are those that are in memory without firmware. */
static void test_same_tables(void)
{
    QTest *qt = qtest_start("-m 2G,slots=4,maxmem=8G -smp 2");
    uint8_t rsdp[36], xsdt[256];
    Acpi acpi;

    acpi_read(qt, &acpi);
    qtest_memread(qt, 0xe0000, rsdp, sizeof(rsdp));
    qtest_memread(qt, le(rsdp + 24, 8), xsdt, sizeof(xsdt));
    g_assert_cmpuint(le(xsdt + 4, 4), <=, sizeof(xsdt));
    for (unsigned i = 36; i < le(xsdt + 4, 4); i += 8) {
        uint64_t at = le(xsdt + i, 8);
        uint32_t len = qtest_readl(qt, at + 4);
        g_autofree uint8_t *table = g_malloc(len);
        char signature[5] = { 0 };

        qtest_memread(qt, at, table, len);
        memcpy(signature, table, 4);
        if (strcmp(signature, "FACP") != 0) { /* it has addresses in it */
            g_assert_cmpmem(table, len, acpi_find(&acpi, signature), len);
            continue;
        }
        const uint8_t *facp = acpi_find(&acpi, signature);
        const uint8_t *dsdt = acpi.files[1]->data + (le(facp + 40, 4) - acpi.at[1]);
        uint32_t dsdt_len = le(dsdt + 4, 4);
        g_autofree uint8_t *direct = g_malloc(dsdt_len);
        qtest_memread(qt, le(table + 40, 4), direct, dsdt_len);
        g_assert_cmpmem(direct, dsdt_len, dsdt, dsdt_len);
    }
    acpi_clear(&acpi);
    qtest_quit(qt);
}

static void plug(QTest *qt, const char *id, const char *memdev)
{
    qtest_qmp_ok(qt, "object-add",
                 "{'qom-type': 'memory-backend-ram', 'id': %s, 'size': 268435456}", memdev);
    qtest_qmp_ok(qt, "device_add", "{'driver': 'pc-dimm', 'id': %s, 'memdev': %s}", id, memdev);
}

/* Does SRAT tell of a range at @base? */
static bool srat_has(const Acpi *acpi, uint64_t base, uint64_t size)
{
    const uint8_t *srat = acpi_find(acpi, "SRAT"), *end = srat + le(srat + 4, 4);

    for (const uint8_t *p = srat + 48; p < end; p += p[1]) {
        if (p[0] == 1 && le(p + 8, 8) == base && le(p + 16, 8) == size) {
            return true;
        }
    }
    return false;
}

/* A DIMM that comes after firmware has read the directory: sizes stay, contents fit together. And
 * after a reset all is new. */
static void test_rounds(void)
{
    QTest *qt = qtest_start("-m 2G,slots=4,maxmem=8G");
    uint32_t size, now;
    g_autoptr(GByteArray) smbios = NULL;
    Acpi acpi;

    g_assert_cmpuint(find_file(qt, "etc/acpi/tables", &size), !=, 0);
    plug(qt, "d0", "m0");
    acpi_read(qt, &acpi);
    g_assert_true(srat_has(&acpi, 4 * GIB, GIB / 4)); /* the script was selected after it */
    g_assert_cmpuint(acpi.files[1]->len, ==, size);
    acpi_clear(&acpi);

    g_autoptr(GByteArray) script = read_file(qt, "etc/table-loader");
    plug(qt, "d1", "m1");
    g_autoptr(GByteArray) rsdp = read_file(qt, "etc/acpi/rsdp");
    g_autoptr(GByteArray) tables = read_file(qt, "etc/acpi/tables");
    acpi = (Acpi){ { rsdp, tables }, { 0xf0000, 0x10000000 } };
    link_files(script, acpi.files, acpi.at);
    g_assert_false(srat_has(&acpi, 4 * GIB + GIB / 4, GIB / 4)); /* as the script knew them */

    smbios = read_file(qt, "etc/smbios/smbios-tables");
    g_assert_null(memmem(smbios->data, smbios->len, "DIMM 1 (d1)", 12));
    reset(qt);
    g_assert_cmpuint(find_file(qt, "etc/acpi/tables", &now), !=, 0);
    acpi_read(qt, &acpi);
    g_assert_true(srat_has(&acpi, 4 * GIB + GIB / 4, GIB / 4));
    acpi_clear(&acpi);
    g_byte_array_unref(g_steal_pointer(&smbios));
    smbios = read_file(qt, "etc/smbios/smbios-tables");
    g_assert_nonnull(memmem(smbios->data, smbios->len, "DIMM 0 (d0)", 12));
    g_assert_nonnull(memmem(smbios->data, smbios->len, "DIMM 1 (d1)", 12));
    g_assert_nonnull(memmem(smbios->data, smbios->len, "DIMM 2", 7));
    qtest_quit(qt);
}

/* DIMMs that are boot memory are in firmware's map. */
static void test_boot_dimms(void)
{
    QTest *qt = qtest_start("-m 2G,slots=4,maxmem=8G -object memory-backend-ram,id=m0,size=256M "
                            "-device pc-dimm,id=d0,memdev=m0,boot=on");
    g_autoptr(GByteArray) map = read_file(qt, "etc/e820");

    g_assert_cmpuint(map->len, ==, 60); /* AMD's range comes last */
    g_assert_cmphex(le(map->data + 20, 8), ==, 4 * GIB);
    g_assert_cmphex(le(map->data + 28, 8), ==, GIB / 4);
    g_assert_cmpuint(le(map->data + 36, 4), ==, 1);
    qtest_quit(qt);
}

/* Without firmware, where an operating system looks for them. */
static void test_smbios_in_memory(void)
{
    QTest *qt = qtest_start("-m 256,slots=2,maxmem=2G -smbios type=1,serial=s3rial");
    uint8_t anchor[24];

    qtest_memread(qt, 0xf0000, anchor, sizeof(anchor));
    g_assert_cmpmem(anchor, 5, "_SM3_", 5);
    g_assert_cmpuint(sum(anchor, sizeof(anchor)), ==, 0);
    uint32_t size = le(anchor + 12, 4);
    g_autofree uint8_t *tables = g_malloc(size);
    qtest_memread(qt, le(anchor + 16, 8), tables, size);
    g_assert_nonnull(memmem(tables, size, "s3rial", 7));
    g_assert_nonnull(memmem(tables, size, "DIMM 1", 7));
    g_assert_cmpmem(tables + size - 6, 6, "\x7f\4\0\x7f\0\0", 6);
    qtest_quit(qt);
}

/* Whatever the guest writes to the ports. */
static void test_hostile(void)
{
    QTest *qt = qtest_start("-m 64");
    static const uint64_t places[] = {
        0, 0xfee00000, 0xfec00000, 0xfffffff8, 0x4000000 - 8, UINT64_MAX, UINT64_MAX - 15, 0xa0000
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
        qtest_outl(qt, 0x514, GUINT32_TO_BE(places[i] >> 32));
        qtest_outl(qt, 0x518, GUINT32_TO_BE((uint32_t)places[i]));
        for (unsigned control = 0; control < 32; control++) {
            const uint64_t addr = GUINT64_TO_BE(places[i]);

            qtest_writel(qt, DESCRIPTOR, GUINT32_TO_BE(0x190000u | control));
            qtest_writel(qt, DESCRIPTOR + 4, UINT32_MAX);
            qtest_memwrite(qt, DESCRIPTOR + 8, &addr, 8);
            qtest_outl(qt, 0x518, GUINT32_TO_BE(DESCRIPTOR));
        }
    }
    g_assert_cmphex(read_number(qt, 0x00, 4), ==, 0x554d4551);
    qtest_quit(qt);
}

/* ---- a file that the guest writes to ---- */

enum { WRITE = 16, SELECT = 8, FAILED = 1 };

/* Write @size bytes to item @key, from @skip on; what the descriptor says then. */
static uint32_t write_item(QTest *qt, uint16_t key, uint32_t skip, const void *data, uint32_t size)
{
    const uint64_t addr = GUINT64_TO_BE(BUFFER);
    uint32_t first[2] = { GUINT32_TO_BE((uint32_t)key << 16 | SELECT | 4), GUINT32_TO_BE(skip) };
    uint32_t second[2] = { GUINT32_TO_BE(WRITE), GUINT32_TO_BE(size) };

    qtest_memwrite(qt, BUFFER, data, size);
    qtest_memwrite(qt, DESCRIPTOR + 8, &addr, sizeof(addr));
    qtest_memwrite(qt, DESCRIPTOR, first, sizeof(first));
    qtest_outl(qt, 0x518, GUINT32_TO_BE(DESCRIPTOR));
    qtest_memwrite(qt, DESCRIPTOR, second, sizeof(second));
    qtest_outl(qt, 0x518, GUINT32_TO_BE(DESCRIPTOR));
    return GUINT32_FROM_BE(qtest_readl(qt, DESCRIPTOR));
}

#define NOTE_AT 0x200000u

/* What a guest tells: a note in ELF's form, of @size bytes at @addr. */
static void tell(QTest *qt, uint16_t format, uint32_t size, uint64_t addr)
{
    uint16_t key;
    uint32_t file_size;
    struct {
        uint16_t host, guest;
        uint32_t size;
        uint64_t addr;
    } told = { 0, GUINT16_TO_LE(format), GUINT32_TO_LE(size), GUINT64_TO_LE(addr) };

    key = find_file(qt, "etc/vmcoreinfo", &file_size);
    g_assert_cmpuint(file_size, ==, sizeof(told));
    g_assert_cmphex(write_item(qt, key, 0, &told, sizeof(told)), ==, 0);
    expect_file(qt, "etc/vmcoreinfo", &told, sizeof(told));
}

/* Does a dump say "OSRELEASE=test"? */
static bool dump_has_note(QTest *qt)
{
    g_autofree char *path = qtest_temp_path(qt, "dump");
    g_autofree char *protocol = g_strdup_printf("file:%s", path), *data = NULL;
    gsize size;

    qtest_qmp_ok(qt, "dump-guest-memory",
                 "{'paging': false, 'protocol': %s, 'begin': 0, 'length': 4096}", protocol);
    g_assert_true(g_file_get_contents(path, &data, &size, NULL));
    return memmem(data, size, "OSRELEASE=test", 14);
}

static void put_note(QTest *qt, const char *name, uint32_t len)
{
    const uint32_t header[3] = { GUINT32_TO_LE(11), GUINT32_TO_LE(len), 0 };
    char body[28] = "";

    g_strlcpy(body, name, 12);
    memcpy(body + 12, "OSRELEASE=test\n", 15);
    qtest_memwrite(qt, NOTE_AT, header, sizeof(header));
    qtest_memwrite(qt, NOTE_AT + 12, body, sizeof(body));
}

/* Told only where it is. */
static void test_pvpanic_port(void)
{
    static const uint8_t port[] = { 0x0c, 0x51 };
    QTest *qt = qtest_start("-m 63 -device pvpanic,ioport=0x510c"), *without = qtest_start("-m 63");
    uint32_t size;

    expect_file(qt, "etc/pvpanic-port", port, sizeof(port));
    g_assert_cmphex(find_file(without, "etc/pvpanic-port", &size), ==, 0);
    qtest_quit(qt);
    qtest_quit(without);
}

static void test_vmcoreinfo(void)
{
    static const uint8_t fresh[16] = { 1 };
    static const struct {
        uint16_t format;
        uint32_t size;
        uint64_t addr;
    } wrong[] = {
        { 0, 64, NOTE_AT },           { 2, 64, NOTE_AT },         { 1, 0, NOTE_AT },
        { 1, UINT32_MAX, 0 },         { 1, 64, UINT64_MAX - 10 }, { 1, 64, 63 << 20 },
        { 1, 20, NOTE_AT },           { 1, 38, NOTE_AT },         { 1, 64, NOTE_AT + 4 },
        { 1, 64, UINT64_C(0xb8000) }, { 1, 2u << 20, NOTE_AT },
    };
    QTest *qt = qtest_start("-m 63 -device vmcoreinfo");

    expect_file(qt, "etc/vmcoreinfo", fresh, sizeof(fresh));
    g_assert_false(dump_has_note(qt));
    put_note(qt, "VMCOREINFO", 15);
    tell(qt, 1, 64, NOTE_AT);
    g_assert_true(dump_has_note(qt));
    tell(qt, 1, 40, NOTE_AT); /* no more than the note */
    g_assert_true(dump_has_note(qt));
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        tell(qt, wrong[i].format, wrong[i].size, wrong[i].addr);
        g_assert_false(dump_has_note(qt));
    }
    tell(qt, 1, 64, NOTE_AT);
    put_note(qt, "VMCOREINFP", 15);
    g_assert_false(dump_has_note(qt));
    put_note(qt, "VMCOREINFO", UINT32_MAX - 2);
    g_assert_false(dump_has_note(qt));
    put_note(qt, "VMCOREINFO", 15);
    g_assert_true(dump_has_note(qt));
    reset(qt);
    g_assert_false(dump_has_note(qt));
    expect_file(qt, "etc/vmcoreinfo", fresh, sizeof(fresh));
    qtest_quit(qt);
}

static void test_write(void)
{
    QTest *qt = qtest_start("-m 63 -device vmcoreinfo -fw_cfg opt/a,string=hello");
    const uint8_t bytes[17] = { 9, 9, 9 };
    uint8_t wanted[16] = { 1 };
    uint32_t size;
    uint16_t key = find_file(qt, "etc/vmcoreinfo", &size), other = find_file(qt, "opt/a", &size);

    g_assert_cmphex(write_item(qt, key, 0, bytes, 17), ==, FAILED);
    g_assert_cmphex(write_item(qt, key, 1, bytes, 16), ==, FAILED);
    g_assert_cmphex(write_item(qt, key, UINT32_MAX, bytes, 1), ==, FAILED);
    g_assert_cmphex(write_item(qt, other, 0, bytes, 1), ==, FAILED);
    g_assert_cmphex(write_item(qt, 0x00, 0, bytes, 1), ==, FAILED);
    g_assert_cmphex(write_item(qt, 0x19, 0, bytes, 1), ==, FAILED);
    g_assert_cmphex(write_item(qt, 0x3fff, 0, bytes, 1), ==, FAILED);
    expect_file(qt, "etc/vmcoreinfo", wanted, sizeof(wanted));
    expect_file(qt, "opt/a", "hello", 5);
    g_assert_cmphex(write_item(qt, key, 14, bytes, 2), ==, 0);
    wanted[14] = 9;
    wanted[15] = 9;
    expect_file(qt, "etc/vmcoreinfo", wanted, sizeof(wanted));
    qtest_quit(qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fw-cfg/numbers", test_numbers);
    g_test_add_func("/fw-cfg/files", test_files);
    g_test_add_func("/fw-cfg/boot-order", test_boot_order);
    g_test_add_func("/fw-cfg/same-tables", test_same_tables);
    g_test_add_func("/fw-cfg/rounds", test_rounds);
    g_test_add_func("/fw-cfg/boot-dimms", test_boot_dimms);
    g_test_add_func("/fw-cfg/smbios-in-memory", test_smbios_in_memory);
    g_test_add_func("/fw-cfg/hostile", test_hostile);
    g_test_add_func("/fw-cfg/write", test_write);
    g_test_add_func("/fw-cfg/vmcoreinfo", test_vmcoreinfo);
    g_test_add_func("/fw-cfg/pvpanic-port", test_pvpanic_port);
    return g_test_run();
}
