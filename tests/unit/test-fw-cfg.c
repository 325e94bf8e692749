/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg through its ports, with a guest that means no good, and the table loader's script, carried
 * out by an interpreter that shares nothing with its maker.
 */
#include "hw/i386/fw-cfg.h"
#include "memory/address-space.h"

#include <string.h>

#include "hw/acpi/linker.h"
#include "tests/unit/chip-test.h"

#define RAM_SIZE   0x200000u
#define BUFFER     0x10000u /* guest addresses */
#define DESCRIPTOR 0x1000u
#define IO_AREA    0x400000u

enum { ERROR = 1, READ = 2, SKIP = 4, SELECT = 8, WRITE = 16 };

static FwCfg *fw;
static RamBlock *ram;
static unsigned device_accesses;

/* ---- the guest ---- */

static void select_item(uint16_t key)
{
    address_space_store(&address_space_io, FW_CFG_IO_BASE, key, 2);
}

static void put_be(uint64_t addr, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        address_space_store(&address_space_memory, addr + i, (value >> (8 * (size - 1 - i))) & 0xff,
                            1);
    }
}

static uint32_t get_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static uint32_t swap(uint32_t value)
{
    return GUINT32_SWAP_LE_BE(value);
}

static void dma_start(uint64_t descriptor)
{
    if (descriptor >> 32) {
        address_space_store(&address_space_io, FW_CFG_DMA_BASE, swap(descriptor >> 32), 4);
    }
    address_space_store(&address_space_io, FW_CFG_DMA_BASE + 4, swap((uint32_t)descriptor), 4);
}

/* The control field afterwards. */
static uint32_t dma(uint32_t control, uint32_t length, uint64_t addr)
{
    put_be(DESCRIPTOR, control, 4);
    put_be(DESCRIPTOR + 4, length, 4);
    put_be(DESCRIPTOR + 8, addr, 8);
    dma_start(DESCRIPTOR);
    return get_be32(ram->host + DESCRIPTOR);
}

/* Data port of 8 bits. */
static void test_ports(void)
{
    static const char signature[] = "QEMU";

    select_item(FW_CFG_SIGNATURE);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmphex(inb(0x511), ==, signature[i]);
    }
    g_assert_cmphex(inb(0x511), ==, 0); /* past its end */
    select_item(FW_CFG_ID);
    g_assert_cmphex(inb(0x511), ==, 3);
    outb(0x511, 0xff); /* not to be written */
    outb(0x510, 0x00); /* no selector: it has 16 bits */
    g_assert_cmphex(inb(0x511), ==, 0);
    select_item(FW_CFG_ID | 0x4000); /* the flag for writing is not part of the number */
    g_assert_cmphex(inb(0x511), ==, 3);
    select_item(0x3fff);
    g_assert_cmphex(inb(0x511), ==, 0);
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(inb(FW_CFG_DMA_BASE + i), ==, "QEMU CFG"[i]);
    }
    g_assert_cmphex(address_space_load(&address_space_io, FW_CFG_DMA_BASE, 4), ==, 0x554d4551);
}

static void test_numbers(void)
{
    fw_cfg_add_u16(fw, FW_CFG_NB_CPUS, 0x1234);
    fw_cfg_add_u32(fw, FW_CFG_KERNEL_SIZE, 0x12345678);
    fw_cfg_add_string(fw, FW_CFG_KERNEL_CMDLINE, "a b");
    fw_cfg_add_u64(fw, FW_CFG_RAM_SIZE, 1);
    fw_cfg_add_u64(fw, FW_CFG_RAM_SIZE, 0x1122334455667788); /* replaces */
    g_assert_cmphex(dma(SELECT | READ | FW_CFG_RAM_SIZE << 16, 8, BUFFER), ==, 0);
    g_assert_cmpmem(ram->host + BUFFER, 8, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
    g_assert_cmphex(dma(SELECT | READ | FW_CFG_KERNEL_CMDLINE << 16, 5, BUFFER), ==, 0);
    g_assert_cmpmem(ram->host + BUFFER, 5, "a b\0", 5);
    select_item(FW_CFG_NB_CPUS);
    g_assert_cmphex(inb(0x511), ==, 0x34);
    g_assert_cmphex(inb(0x511), ==, 0x12);
}

/* In the directory, sorted; big endian. */
static void test_directory(void)
{
    static const char *const names[] = { "opt/c", "etc/b", "opt/a" };
    static const char *const sorted[] = { "etc/b", "opt/a", "opt/c" };
    g_autofree char *longest = g_strnfill(FW_CFG_NAME_MAX, 'z');
    const uint8_t *p = ram->host + BUFFER;

    for (unsigned i = 0; i < 3; i++) {
        fw_cfg_set_file_copy(fw, names[i], names[i], i + 1);
    }
    fw_cfg_set_file_copy(fw, longest, "x", 1);
    memset(ram->host + BUFFER, 0xee, 0x1000);
    g_assert_cmphex(dma(SELECT | READ | FW_CFG_FILE_DIR << 16, 4 + 4 * 64, BUFFER), ==, 0);
    g_assert_cmpuint(get_be32(p), ==, 4);
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *entry = p + 4 + 64 * i;
        uint16_t key = entry[4] << 8 | entry[5];

        g_assert_cmpstr((const char *)entry + 8, ==, sorted[i]);
        g_assert_cmpuint(key, >=, FW_CFG_FILE_FIRST);
        select_item(key);
        g_assert_cmpint(inb(0x511), ==, sorted[i][0]);
        g_assert_cmpuint(get_be32(entry), ==, g_bytes_get_size(fw_cfg_find_file(fw, sorted[i])));
    }
    g_assert_cmpstr((const char *)p + 4 + 64 * 3 + 8, ==, longest);
}

static void expect_refused(const char *name, const char *word)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static("", 0);
    g_autoptr(GError) err = NULL;

    g_assert_false(fw_cfg_add_file(fw, name, bytes, &err));
    g_assert_nonnull(strstr(err->message, word));
}

static void test_names(void)
{
    g_autofree char *long_name = g_strnfill(FW_CFG_NAME_MAX + 1, 'z');

    fw_cfg_set_file_copy(fw, "opt/here", "x", 1);
    expect_refused("", "1 to 55");
    expect_refused(long_name, "1 to 55");
    expect_refused("opt/here", "already");
    g_assert_null(fw_cfg_find_file(fw, "opt/nowhere"));
    g_assert_null(fw_cfg_find(fw, 0x3ffe));
}

static unsigned prepared;

static void prepare(void *opaque)
{
    char text[2] = { '0' + ++prepared };

    fw_cfg_set_file_copy(fw, opaque, text, 2);
}

/* The contents are made at selection, and stay what they were for who reads them. */
static void test_prepare(void)
{
    char name[] = "etc/made";

    fw_cfg_set_file_copy(fw, name, "", 0);
    fw_cfg_set_file_prepare(fw, name, prepare, name);
    fw_cfg_set_directory_prepare(fw, prepare, name);
    select_item(FW_CFG_FILE_DIR);
    g_assert_cmpuint(prepared, ==, 1);
    dma(READ, 0x800, BUFFER);
    const uint8_t *entry = NULL;
    for (unsigned i = 0; i < get_be32(ram->host + BUFFER); i++) {
        const uint8_t *p = ram->host + BUFFER + 4 + 64 * i;
        entry = strcmp((const char *)p + 8, name) == 0 ? p : entry;
    }
    g_assert_nonnull(entry);
    g_assert_cmpuint(get_be32(entry), ==, 2);
    select_item(entry[4] << 8 | entry[5]);
    g_assert_cmpuint(prepared, ==, 2);
    fw_cfg_set_file_copy(fw, name, "zzzz", 4);
    g_assert_cmpint(inb(0x511), ==, '2');
    fw_cfg_set_file_prepare(fw, name, NULL, NULL);
    fw_cfg_set_directory_prepare(fw, NULL, NULL);
}

/* ---- DMA ---- */

static void test_dma(void)
{
    const uint8_t *buffer = ram->host + BUFFER;

    fw_cfg_add_copy(fw, FW_CFG_INITRD_DATA, "abcdefgh", 8);
    memset(ram->host + BUFFER, 0xee, 64);
    g_assert_cmphex(dma(SELECT | READ | FW_CFG_INITRD_DATA << 16, 3, BUFFER), ==, 0);
    g_assert_cmpmem(buffer, 4, "abc\xee", 4);
    g_assert_cmphex(dma(SKIP, 2, 0), ==, 0);
    g_assert_cmphex(dma(READ, 2, BUFFER), ==, 0);
    g_assert_cmpmem(buffer, 3, "fgc", 3);
    g_assert_cmpint(inb(0x511), ==, 'h'); /* ports and DMA go on from each other */
    g_assert_cmphex(dma(SELECT | FW_CFG_INITRD_DATA << 16, 0, 0), ==, 0);
    g_assert_cmphex(dma(READ, 10, BUFFER), ==, 0);
    g_assert_cmpmem(buffer, 11, "abcdefgh\0\0\xee", 11);
    g_assert_cmphex(dma(SELECT | WRITE | FW_CFG_INITRD_DATA << 16, 3, BUFFER), ==, ERROR);
    g_assert_cmphex(dma(0, 3, BUFFER), ==, 0);
    select_item(FW_CFG_INITRD_DATA);
    g_assert_cmpint(inb(0x511), ==, 'a');
}

static void test_hostile(void)
{
    static const struct {
        uint32_t control, length;
        uint64_t addr;
        uint32_t result;
    } cases[] = {
        { READ, UINT32_MAX, BUFFER, ERROR },
        { READ, UINT32_MAX, 0, ERROR },
        { READ, 0x100001 + 8, BUFFER, ERROR }, /* more zeros than anybody needs */
        { READ, 0x100000 + 8, BUFFER, 0 },
        { READ, 8, RAM_SIZE - 7, ERROR }, /* the last byte is outside */
        { READ, 8, RAM_SIZE - 8, 0 },
        { READ, 8, RAM_SIZE, ERROR },
        { READ, 8, UINT64_MAX - 3, ERROR }, /* around the end */
        { READ, 8, UINT64_MAX, ERROR },
        { READ, 8, IO_AREA, ERROR },
        { READ, 8, IO_AREA - 4, ERROR },
        { READ, 0, UINT64_MAX, 0 },
        { READ, 0, IO_AREA, 0 },
        { SKIP, UINT32_MAX, 0, 0 },
        { WRITE, UINT32_MAX, UINT64_MAX, ERROR },
        { READ | SKIP | WRITE | SELECT | 0xffff0000, UINT32_MAX, UINT64_MAX, ERROR },
        { 0xffffffe0, UINT32_MAX, UINT64_MAX, 0 },
    };

    fw_cfg_add_copy(fw, FW_CFG_INITRD_DATA, "abcdefgh", 8);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        select_item(FW_CFG_INITRD_DATA);
        g_assert_cmphex(dma(cases[i].control, cases[i].length, cases[i].addr), ==, cases[i].result);
    }
    g_assert_cmpuint(device_accesses, ==, 0);

    /* Skipping past what 32 bits hold does not come around to the beginning. */
    select_item(FW_CFG_INITRD_DATA);
    for (unsigned i = 0; i < 3; i++) {
        dma(SKIP, UINT32_MAX, 0);
    }
    g_assert_cmphex(inb(0x511), ==, 0);
}

static void test_hostile_descriptors(void)
{
    static const uint64_t places[] = { RAM_SIZE,   RAM_SIZE - 15, IO_AREA,        IO_AREA - 8,
                                       UINT64_MAX, 1ull << 32,    UINT64_MAX - 14 };

    for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
        dma_start(places[i]);
    }
    g_assert_cmpuint(device_accesses, ==, 0);

    /* Data over the descriptor itself: the answer is there last. */
    fw_cfg_add_copy(fw, FW_CFG_INITRD_DATA, "abcdefghijklmnop", 16);
    g_assert_cmphex(dma(SELECT | READ | FW_CFG_INITRD_DATA << 16, 16, DESCRIPTOR), ==, 0);
    g_assert_cmpmem(ram->host + DESCRIPTOR + 4, 12, "efghijklmnop", 12);

    /* Addresses in other widths, and in the middle, start nothing. */
    memset(ram->host + DESCRIPTOR, 0xee, 16);
    outb(FW_CFG_DMA_BASE + 7, DESCRIPTOR >> 8);
    address_space_store(&address_space_io, FW_CFG_DMA_BASE + 6, 0x10, 2);
    address_space_store(&address_space_io, FW_CFG_DMA_BASE + 2, 0x10, 4);
    g_assert_cmphex(get_be32(ram->host + DESCRIPTOR), ==, 0xeeeeeeee);

    /* The upper half is used up by one transfer. */
    dma_start(UINT64_C(0xffff) << 32);
    g_assert_cmphex(dma(SELECT | READ | FW_CFG_INITRD_DATA << 16, 1, BUFFER), ==, 0);
}

static void test_reset(void)
{
    select_item(FW_CFG_ID);
    address_space_store(&address_space_io, FW_CFG_DMA_BASE, 0xffffffff, 4);
    devices_reset();
    g_assert_cmpint(inb(0x511), ==, 'Q');
    g_assert_cmphex(dma(SELECT | READ | FW_CFG_ID << 16, 1, BUFFER), ==, 0);
    g_assert_cmphex(ram->host[BUFFER], ==, 3);
}

/* ---- the table loader ---- */

static uint32_t le32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

/* A file in the memory of the guest that the interpreter plays. */
typedef struct Loaded {
    GByteArray *data;
    uint64_t address;
} Loaded;

enum { FILE_RSDP, FILE_TABLES, FILE_PAGE, FILE_TOLD, FILES };

static Loaded *loaded_find(Loaded files[FILES], const uint8_t *name)
{
    static const char *const names[FILES] = { "etc/acpi/rsdp", "etc/acpi/tables", "etc/page",
                                              "etc/told" };

    g_assert_cmpuint(strnlen((const char *)name, 56), <, 56);
    for (unsigned i = 0; i < FILES; i++) {
        if (strcmp((const char *)name, names[i]) == 0) {
            return &files[i];
        }
    }
    return NULL;
}

static void do_allocate(Loaded *file, uint64_t *high, uint64_t *fseg, const uint8_t *c)
{
    uint32_t align = le32(c + 60);
    uint64_t *next = c[64] == 2 ? fseg : high;

    g_assert_nonnull(file);
    g_assert_true(c[64] == 1 || c[64] == 2);
    g_assert_true(align && !(align & (align - 1)));
    file->address = (*next + align - 1) & ~(uint64_t)(align - 1);
    *next = file->address + file->data->len;
}

static void do_pointer(Loaded *dest, const Loaded *src, uint32_t offset, uint8_t size)
{
    uint64_t value = 0;

    g_assert_true(size == 1 || size == 2 || size == 4 || size == 8);
    g_assert_cmpuint(offset + size, <=, dest->data->len);
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)dest->data->data[offset + i] << (8 * i);
    }
    g_assert_cmpuint(value, <, src->data->len);
    value += src->address;
    for (unsigned i = 0; i < size; i++) {
        dest->data->data[offset + i] = value >> (8 * i);
    }
}

/* The fourth command: into a file of the machine's. */
static void do_tell(GByteArray *dest, const Loaded *src, const uint8_t *c)
{
    uint64_t value = src->address + le32(c + 120);
    uint8_t size = c[124];

    g_assert_nonnull(src->data);
    g_assert_cmpuint(le32(c + 120), <, src->data->len);
    g_assert_cmpuint(le32(c + 116) + size, <=, dest->len);
    for (unsigned i = 0; i < size; i++) {
        dest->data[le32(c + 116) + i] = value >> (8 * i);
    }
}

static void do_checksum(Loaded *file, uint32_t offset, uint32_t start, uint32_t length)
{
    uint8_t sum = 0;

    g_assert_cmpuint(start + length, <=, file->data->len);
    g_assert_true(offset >= start && offset < start + length);
    for (uint32_t i = 0; i < length; i++) {
        sum += file->data->data[start + i];
    }
    file->data->data[offset] -= sum;
}

static void run_script(const GByteArray *script, Loaded files[FILES], uint64_t high, uint64_t fseg)
{
    g_assert_cmpuint(script->len % 128, ==, 0);
    for (uint32_t at = 0; at < script->len; at += 128) {
        const uint8_t *c = script->data + at;
        Loaded *file = loaded_find(files, c + 4);

        g_assert_nonnull(file);
        switch (le32(c)) {
        case 1:
            do_allocate(file, &high, &fseg, c);
            break;
        case 2:
            do_pointer(file, loaded_find(files, c + 60), le32(c + 116), c[120]);
            break;
        case 3:
            do_checksum(file, le32(c + 60), le32(c + 64), le32(c + 68));
            break;
        case 4:
            do_tell(file->data, loaded_find(files, c + 60), c);
            break;
        default:
            g_assert_not_reached();
        }
    }
}

/* Tables that point to each other in all ways: backwards, forwards, with an offset, with fields of
 * 4 and 8 bytes, between zones. */
static AcpiTables *make_tables(void)
{
    AcpiTables *tables = acpi_tables_new();
    AcpiBlob *facs = acpi_blob_new(tables, "facs", 64, ACPI_ZONE_NVS);
    AcpiBlob *rsdp = acpi_blob_new(tables, "rsdp", 16, ACPI_ZONE_FSEG);
    AcpiBlob *odd = acpi_blob_new(tables, "odd", 1, ACPI_ZONE_RECLAIM);
    AcpiBlob *dsdt = acpi_table_begin(tables, "DSDT", NULL, 2);

    acpi_text(facs, "FACS", 64, 0);
    acpi_text(odd, "odd", 3, 0);
    acpi_zeros(dsdt, 1234);
    acpi_table_end(tables, dsdt);
    AcpiBlob *facp = acpi_table_begin(tables, "FACP", NULL, 6);
    acpi_pointer(tables, facp, facs, 4);
    acpi_pointer(tables, facp, dsdt, 4);
    acpi_pointer(tables, facp, dsdt, 8);
    acpi_pointer(tables, facp, odd, 8);
    acpi_table_end(tables, facp);
    AcpiBlob *xsdt = acpi_table_begin(tables, "XSDT", NULL, 1);
    acpi_pointer(tables, xsdt, facp, 8);
    acpi_table_end(tables, xsdt);
    acpi_text(rsdp, "RSD PTR ", 8, ' ');
    acpi_u8(rsdp, 0);
    acpi_pointer(tables, rsdp, xsdt, 8);
    acpi_checksum(tables, rsdp, 8, 0, 17);
    return tables;
}

/* The script gives the bytes that the direct boot's linker gives at the same addresses. */
static void test_loader(void)
{
    const uint64_t high = 0x7ffc1000, fseg = 0xe0000;
    g_autoptr(AcpiTables) tables = make_tables();
    g_autoptr(AcpiFiles) files = acpi_files_build(tables);
    Loaded loaded[FILES] = { { files->rsdp, 0 }, { files->tables, 0 } };
    AcpiArea areas[ACPI_ZONES] = {
        [ACPI_ZONE_FSEG] = { fseg, 0x10000 }, [ACPI_ZONE_RECLAIM] = { high, 0x10000 }
    };
    uint64_t reclaim_size = 0;

    run_script(files->loader, loaded, high, fseg);
    g_assert_cmphex(loaded[0].address, ==, fseg);
    g_assert_cmphex(loaded[1].address, ==, high);

    for (unsigned i = 0; i < tables->blobs->len; i++) {
        const AcpiBlob *blob = tables->blobs->pdata[i];
        if (blob->zone == ACPI_ZONE_RECLAIM) {
            reclaim_size = (reclaim_size + blob->align - 1) / blob->align * blob->align;
            reclaim_size += blob->data->len;
        }
    }
    areas[ACPI_ZONE_NVS] = (AcpiArea){ high + reclaim_size, 0x10000 };
    g_assert_true(acpi_tables_link(tables, areas, NULL));
    for (unsigned i = 0; i < tables->blobs->len; i++) {
        const AcpiBlob *blob = tables->blobs->pdata[i];
        const Loaded *file = &loaded[blob->zone == ACPI_ZONE_FSEG ? 0 : 1];

        g_assert_cmphex(blob->address, >=, file->address);
        g_assert_cmpuint(blob->address + blob->data->len, <=, file->address + file->data->len);
        g_assert_cmpmem(file->data->data + (blob->address - file->address), blob->data->len,
                        blob->data->data, blob->data->len);
    }
}

/* A blob that is a file of its own: it is placed, pointed to, and its place is told; it is in no
 * other file, and a boot without firmware knows nothing of it. */
static void test_loader_file(void)
{
    g_autoptr(AcpiTables) tables = acpi_tables_new();
    AcpiBlob *page = acpi_blob_new(tables, "page", 0x1000, ACPI_ZONE_RECLAIM);
    AcpiBlob *ssdt = acpi_table_begin(tables, "SSDT", NULL, 2);
    const AcpiArea areas[ACPI_ZONES] = { [ACPI_ZONE_RECLAIM] = { 0x100000, 64 } };
    g_autoptr(GByteArray) contents = g_byte_array_new(), told = g_byte_array_new();
    g_autoptr(AcpiFiles) files = NULL;
    uint64_t addr;

    page->file = "etc/page";
    acpi_pointer(tables, ssdt, page, 4);
    acpi_tell_pointer(tables, "etc/told", page, 40);
    acpi_table_end(tables, ssdt);
    files = acpi_files_build(tables);
    g_assert_cmpuint(files->tables->len, ==, 40);
    g_byte_array_set_size(contents, 0x1000);
    g_byte_array_set_size(told, 8);
    Loaded loaded[FILES] = { { files->rsdp }, { files->tables }, { contents }, { told } };

    run_script(files->loader, loaded, 0x7ffc1234, 0xe0000);
    g_assert_cmphex(loaded[FILE_PAGE].address & 0xfff, ==, 0);
    memcpy(&addr, told->data, sizeof(addr));
    g_assert_cmphex(GUINT64_FROM_LE(addr), ==, loaded[FILE_PAGE].address + 40);
    g_assert_cmphex(le32(files->tables->data + 36), ==, loaded[FILE_PAGE].address);
    g_assert_true(acpi_tables_link(tables, areas, NULL));
}

/* ---- */

static uint64_t device_read(void *opaque, hwaddr addr, unsigned size)
{
    device_accesses++;
    return 0;
}

static void device_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    device_accesses++;
}

static const MemoryRegionOps device_region_ops = { device_read, device_write, 1, 8 };

int main(int argc, char **argv)
{
    static MemoryRegion ram_region, device_region;

    chip_test_init(&argc, &argv);
    ram = ram_block_new("ram", RAM_SIZE, -1, false, true, 0, NULL);
    memory_region_init_ram(&ram_region, "ram", ram);
    memory_region_add(memory_system(), 0, &ram_region);
    memory_region_init_io(&device_region, &device_region_ops, NULL, "device", 0x1000);
    memory_region_add(memory_system(), IO_AREA, &device_region);
    fw = fw_cfg_create(memory_io(), &address_space_memory);
    g_assert_true(fw_cfg_get() == fw);

    g_test_add_func("/fw-cfg/directory", test_directory); /* first: it counts the files */
    g_test_add_func("/fw-cfg/ports", test_ports);
    g_test_add_func("/fw-cfg/numbers", test_numbers);
    g_test_add_func("/fw-cfg/names", test_names);
    g_test_add_func("/fw-cfg/prepare", test_prepare);
    g_test_add_func("/fw-cfg/dma", test_dma);
    g_test_add_func("/fw-cfg/hostile", test_hostile);
    g_test_add_func("/fw-cfg/hostile-descriptors", test_hostile_descriptors);
    g_test_add_func("/fw-cfg/reset", test_reset);
    g_test_add_func("/fw-cfg/loader", test_loader);
    g_test_add_func("/fw-cfg/loader-file", test_loader_file);
    return g_test_run();
}
