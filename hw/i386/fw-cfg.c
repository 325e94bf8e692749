/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/fw-cfg.h"

#include <string.h>

#include "memory/address-space.h"
#include "memory/dma.h"
#include "util/error.h"

/* What FW_CFG_ID tells: both the data port and DMA are there. */
enum { FEATURE_PORTS = 1 << 0, FEATURE_DMA = 1 << 1 };

/* Bits of a selector; below them is the number of an item. */
enum { SELECT_WRITE = 0x4000 };

/* The DMA descriptor (big endian): u32 control, u32 length, u64 address. */
enum { DMA_CONTROL = 0, DMA_LENGTH = 4, DMA_ADDRESS = 8, DMA_SIZE = 16 };

/* Its control field; with DMA_SELECT, the upper half is a selector. */
enum {
    DMA_ERROR = 1 << 0,
    DMA_READ = 1 << 1,
    DMA_SKIP = 1 << 2,
    DMA_SELECT = 1 << 3,
    DMA_WRITE = 1 << 4
};

#define DMA_SIGNATURE UINT64_C(0x51454d5520434647) /* "QEMU CFG" */
/* Zeros that one DMA read may ask for past the end of an item. More is nobody's honest wish, and
 * would keep the machine busy for as long as the guest likes. */
#define DMA_FILL_MAX (1u << 20)

/* An entry of the directory: u32 size, u16 number (big endian), u16 reserved, name. */
enum {
    ENTRY_SIZE = 0,
    ENTRY_KEY = 4,
    ENTRY_NAME = 8,
    ENTRY_LENGTH = ENTRY_NAME + FW_CFG_NAME_MAX + 1
};

typedef struct FwCfgHook {
    FwCfgPrepare *prepare; /* NULL: none */
    void *opaque;
} FwCfgHook;

typedef struct FwCfgItem {
    char *name; /* of a file; NULL: the item has only its number */
    uint16_t key;
    GBytes *bytes;
    FwCfgHook hook;
    FwCfgWritten *written; /* NULL: the guest cannot change it */
    void *written_opaque;
} FwCfgItem;

struct FwCfg {
    Device parent;
    /* wiring */
    GHashTable *items; /* uint16_t -> FwCfgItem, owned */
    GTree *files;      /* name -> FwCfgItem, in the order of the directory */
    uint16_t next_key;
    FwCfgHook directory_hook;
    DmaSpace dma;
    MemoryRegion ports, dma_port;
    /* state */
    GBytes *current;  /* what is read: as it was when it was selected; NULL: nothing */
    uint64_t offset;  /* of the next byte in it */
    uint16_t written; /* number of the file that is selected and may be written; 0: there is none */
    uint32_t dma_address_high;
};

static void item_free(gpointer data)
{
    FwCfgItem *item = data;

    g_free(item->name);
    g_bytes_unref(item->bytes);
    g_free(item);
}

/* ---- contents ---- */

static FwCfgItem *item_find(FwCfg *fw, uint16_t key)
{
    return g_hash_table_lookup(fw->items, GUINT_TO_POINTER(key));
}

/* The item @key, made if it is not there, with contents @bytes. */
static FwCfgItem *item_set(FwCfg *fw, uint16_t key, GBytes *bytes)
{
    FwCfgItem *item = item_find(fw, key);

    g_bytes_ref(bytes);
    if (item) {
        g_bytes_unref(item->bytes);
    } else {
        item = g_new0(FwCfgItem, 1);
        item->key = key;
        g_hash_table_insert(fw->items, GUINT_TO_POINTER(key), item);
    }
    item->bytes = bytes;
    return item;
}

void fw_cfg_add_bytes(FwCfg *fw, uint16_t key, GBytes *bytes)
{
    item_set(fw, key, bytes);
}

void fw_cfg_add_copy(FwCfg *fw, uint16_t key, const void *data, size_t len)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, len);

    item_set(fw, key, bytes);
}

void fw_cfg_add_string(FwCfg *fw, uint16_t key, const char *text)
{
    fw_cfg_add_copy(fw, key, text, strlen(text) + 1);
}

static void add_int(FwCfg *fw, uint16_t key, uint64_t value, size_t size)
{
    value = GUINT64_TO_LE(value);
    fw_cfg_add_copy(fw, key, &value, size);
}

void fw_cfg_add_u16(FwCfg *fw, uint16_t key, uint16_t value)
{
    add_int(fw, key, value, sizeof(value));
}

void fw_cfg_add_u32(FwCfg *fw, uint16_t key, uint32_t value)
{
    add_int(fw, key, value, sizeof(value));
}

void fw_cfg_add_u64(FwCfg *fw, uint16_t key, uint64_t value)
{
    add_int(fw, key, value, sizeof(value));
}

bool fw_cfg_add_file(FwCfg *fw, const char *name, GBytes *bytes, GError **errp)
{
    size_t length = strlen(name);

    if (length == 0 || length > FW_CFG_NAME_MAX) {
        error_set(errp, "fw_cfg: '%s' is no name for a file: it must have 1 to %d characters", name,
                  FW_CFG_NAME_MAX);
        return false;
    }
    if (g_tree_lookup(fw->files, name)) {
        error_set(errp, "fw_cfg: there is a file '%s' already; choose another name", name);
        return false;
    }
    if (g_bytes_get_size(bytes) > UINT32_MAX) {
        error_set(errp, "fw_cfg: file '%s' has %zu bytes, but it must have less than 4 GiB", name,
                  g_bytes_get_size(bytes));
        return false;
    }
    if (fw->next_key > FW_CFG_FILE_LAST) {
        error_set(errp, "fw_cfg: no file can be added to the %d that there are",
                  FW_CFG_FILE_LAST - FW_CFG_FILE_FIRST + 1);
        return false;
    }
    FwCfgItem *item = item_set(fw, fw->next_key++, bytes);
    item->name = g_strdup(name);
    g_tree_insert(fw->files, item->name, item);
    return true;
}

void fw_cfg_set_file(FwCfg *fw, const char *name, GBytes *bytes)
{
    const FwCfgItem *item = g_tree_lookup(fw->files, name);
    g_autoptr(GError) err = NULL;

    if (item && g_bytes_get_size(bytes) <= UINT32_MAX) {
        item_set(fw, item->key, bytes);
    } else if (!fw_cfg_add_file(fw, name, bytes, &err)) {
        g_error("%s", err->message);
    }
}

void fw_cfg_set_file_copy(FwCfg *fw, const char *name, const void *data, size_t len)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, len);

    fw_cfg_set_file(fw, name, bytes);
}

void fw_cfg_set_file_prepare(FwCfg *fw, const char *name, FwCfgPrepare *prepare, void *opaque)
{
    FwCfgItem *item = g_tree_lookup(fw->files, name);

    g_assert(item);
    item->hook = (FwCfgHook){ prepare, opaque };
}

void fw_cfg_set_directory_prepare(FwCfg *fw, FwCfgPrepare *prepare, void *opaque)
{
    fw->directory_hook = (FwCfgHook){ prepare, opaque };
}

void fw_cfg_remove_file(FwCfg *fw, const char *name)
{
    FwCfgItem *item = g_tree_lookup(fw->files, name);

    if (item) {
        fw->written = fw->written == item->key ? 0 : fw->written;
        g_tree_remove(fw->files, name);
        g_hash_table_remove(fw->items, GUINT_TO_POINTER(item->key));
    }
}

void fw_cfg_set_file_writable(FwCfg *fw, const char *name, FwCfgWritten *written, void *opaque)
{
    FwCfgItem *item = g_tree_lookup(fw->files, name);

    g_assert(item);
    item->written = written;
    item->written_opaque = opaque;
}

GBytes *fw_cfg_find(FwCfg *fw, uint16_t key)
{
    const FwCfgItem *item = item_find(fw, key);

    return item ? item->bytes : NULL;
}

GBytes *fw_cfg_find_file(FwCfg *fw, const char *name)
{
    const FwCfgItem *item = g_tree_lookup(fw->files, name);

    return item ? item->bytes : NULL;
}

/* ---- what the guest does ---- */

static gboolean directory_add(gpointer name, gpointer data, gpointer opaque)
{
    const FwCfgItem *item = data;
    GByteArray *directory = opaque;
    uint8_t entry[ENTRY_LENGTH] = { 0 };
    uint32_t size = GUINT32_TO_BE(g_bytes_get_size(item->bytes));
    uint16_t key = GUINT16_TO_BE(item->key);

    memcpy(entry + ENTRY_SIZE, &size, sizeof(size));
    memcpy(entry + ENTRY_KEY, &key, sizeof(key));
    memcpy(entry + ENTRY_NAME, item->name, strlen(item->name));
    g_byte_array_append(directory, entry, sizeof(entry));
    return false;
}

static GBytes *directory_build(const FwCfg *fw)
{
    GByteArray *directory = g_byte_array_new();
    uint32_t count = GUINT32_TO_BE(g_tree_nnodes(fw->files));

    g_byte_array_append(directory, (const uint8_t *)&count, sizeof(count));
    g_tree_foreach(fw->files, directory_add, directory);
    return g_byte_array_free_to_bytes(directory);
}

static void hook_run(const FwCfgHook *hook)
{
    if (hook->prepare) {
        hook->prepare(hook->opaque);
    }
}

static void fw_cfg_select(FwCfg *fw, uint16_t selector)
{
    uint16_t key = selector & ~SELECT_WRITE;
    const FwCfgItem *item = item_find(fw, key);

    g_clear_pointer(&fw->current, g_bytes_unref);
    fw->offset = 0;
    fw->written = item && item->written ? key : 0;
    if (key == FW_CFG_FILE_DIR) {
        hook_run(&fw->directory_hook);
        fw->current = directory_build(fw);
    } else if (item) {
        hook_run(&item->hook);
        fw->current = g_bytes_ref(item->bytes);
    }
}

/* How much is left of what is selected. */
static uint64_t fw_cfg_left(const FwCfg *fw)
{
    uint64_t size = fw->current ? g_bytes_get_size(fw->current) : 0;

    return size - MIN(size, fw->offset);
}

static uint64_t ports_read(void *opaque, hwaddr addr, unsigned size)
{
    FwCfg *fw = opaque;
    const uint8_t *data;

    if (addr == 0 || fw_cfg_left(fw) == 0) {
        return 0;
    }
    data = g_bytes_get_data(fw->current, NULL);
    return data[fw->offset++];
}

static void ports_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    if (addr == 0 && size == 2) {
        fw_cfg_select(opaque, value);
    }
}

static const MemoryRegionOps ports_ops = { ports_read, ports_write, 1, 2 };

/* Carry out a read; false: it cannot be, and nothing was done. DMA to devices is refused: no
 * firmware does it, and what a device makes of it is nothing that anybody has looked at. */
static bool dma_run_read(FwCfg *fw, hwaddr addr, uint32_t length)
{
    uint64_t copied = MIN(length, fw_cfg_left(fw));
    const uint8_t *data = fw->current ? g_bytes_get_data(fw->current, NULL) : NULL;

    if (length - copied > DMA_FILL_MAX || !dma_is_ram(&fw->dma, addr, length)) {
        return false;
    }
    if (copied) {
        dma_write(&fw->dma, addr, data + fw->offset, copied);
    }
    if (length > copied) {
        dma_set(&fw->dma, addr + copied, 0, length - copied);
    }
    fw->offset += length;
    return true;
}

/* Carry out a write, as far as the file goes; false: it cannot be, and nothing was done. */
static bool dma_run_write(FwCfg *fw, hwaddr addr, uint32_t length)
{
    FwCfgItem *item = fw->written ? item_find(fw, fw->written) : NULL;
    uint64_t offset = fw->offset;
    g_autofree uint8_t *data = NULL;
    gsize size;

    if (!item || !item->written || length > fw_cfg_left(fw) ||
        g_bytes_get_size(fw->current) != g_bytes_get_size(item->bytes) ||
        !dma_is_ram(&fw->dma, addr, length)) {
        return false;
    }
    data = g_memdup2(g_bytes_get_data(fw->current, &size), g_bytes_get_size(fw->current));
    dma_read(&fw->dma, addr, data + offset, length);
    g_bytes_unref(fw->current);
    fw->current = g_bytes_new_take(g_steal_pointer(&data), size);
    item_set(fw, item->key, fw->current);
    fw->offset += length;
    item->written(item->written_opaque, fw->current, offset, length);
    return true;
}

static void dma_run(FwCfg *fw, hwaddr at)
{
    uint8_t descriptor[DMA_SIZE];
    uint32_t control, length;
    uint64_t addr;
    bool ok = true;

    if (!dma_is_ram(&fw->dma, at, DMA_SIZE)) {
        return; /* there is nowhere to say what is wrong */
    }
    dma_read(&fw->dma, at, descriptor, sizeof(descriptor));
    memcpy(&control, descriptor + DMA_CONTROL, sizeof(control));
    memcpy(&length, descriptor + DMA_LENGTH, sizeof(length));
    memcpy(&addr, descriptor + DMA_ADDRESS, sizeof(addr));
    control = GUINT32_FROM_BE(control);
    length = GUINT32_FROM_BE(length);
    addr = GUINT64_FROM_BE(addr);

    if (control & DMA_SELECT) {
        fw_cfg_select(fw, control >> 16);
    }
    if (control & DMA_READ) {
        ok = dma_run_read(fw, addr, length);
    } else if (control & DMA_WRITE) {
        ok = dma_run_write(fw, addr, length);
    } else if (control & DMA_SKIP) {
        fw->offset += length;
    }
    /* At last, and wherever the data went: this is what the guest waits for. */
    control = GUINT32_TO_BE(ok ? 0 : DMA_ERROR);
    dma_write(&fw->dma, at + DMA_CONTROL, &control, sizeof(control));
}

static uint64_t dma_port_read(void *opaque, hwaddr addr, unsigned size)
{
    /* The signature is big endian: its first byte is at the first port. */
    uint64_t signature = GUINT64_TO_BE(DMA_SIGNATURE), value = 0;

    memcpy(&value, (uint8_t *)&signature + addr, size);
    return GUINT64_FROM_LE(value);
}

/* The address comes in halves, and the lower one starts the transfer. */
static void dma_port_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    FwCfg *fw = opaque;
    uint32_t half = GUINT32_SWAP_LE_BE((uint32_t)value);
    uint64_t high = fw->dma_address_high;

    if (size != sizeof(half)) {
        return;
    }
    if (addr == 0) {
        fw->dma_address_high = half;
    } else if (addr == sizeof(half)) {
        fw->dma_address_high = 0;
        dma_run(fw, high << 32 | half);
    }
}

static const MemoryRegionOps dma_port_ops = { dma_port_read, dma_port_write, 1, 4 };

/* ---- the device ---- */

static void fw_cfg_reset(Device *dev)
{
    FwCfg *fw = FW_CFG(dev);

    fw_cfg_select(fw, FW_CFG_SIGNATURE);
    fw->dma_address_high = 0;
}

static int compare_names(gconstpointer a, gconstpointer b, gpointer opaque)
{
    return strcmp(a, b);
}

static void fw_cfg_init(Object *obj)
{
    FwCfg *fw = FW_CFG(obj);

    fw->items = g_hash_table_new_full(NULL, NULL, NULL, item_free);
    fw->files = g_tree_new_full(compare_names, NULL, NULL, NULL);
    fw->next_key = FW_CFG_FILE_FIRST;
    fw_cfg_add_copy(fw, FW_CFG_SIGNATURE, "QEMU", 4);
    fw_cfg_add_u32(fw, FW_CFG_ID, FEATURE_PORTS | FEATURE_DMA);
}

static void fw_cfg_finalize(Object *obj)
{
    FwCfg *fw = FW_CFG(obj);

    g_clear_pointer(&fw->current, g_bytes_unref);
    g_tree_destroy(fw->files);
    g_hash_table_destroy(fw->items);
}

static const StateField fw_cfg_fields[] = {
    STATE_BLOB(FwCfg, current),
    STATE_UINT(FwCfg, offset),
    STATE_UINT(FwCfg, dma_address_high),
    STATE_UINT_MAX_SINCE(FwCfg, written, FW_CFG_FILE_LAST, 2),
    {},
};

static const StateTable fw_cfg_state = {
    .name = "fw-cfg", .version = 2, .oldest = 1, .fields = fw_cfg_fields
};

static const DeviceClass fw_cfg_device_ops = {
    .category = "misc",
    .reset = fw_cfg_reset,
    .state = &fw_cfg_state,
};

static const ObjectType fw_cfg_type = {
    .name = TYPE_FW_CFG,
    .parent = TYPE_DEVICE,
    .description = "Firmware configuration device",
    .instance_size = sizeof(FwCfg),
    .ops = &fw_cfg_device_ops,
    .init = fw_cfg_init,
    .finalize = fw_cfg_finalize,
};
OBJECT_TYPE_REGISTER(fw_cfg_type)

FwCfg *fw_cfg_create(MemoryRegion *io, AddressSpace *dma)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(Object) obj = object_new(TYPE_FW_CFG, &err);

    if (!obj || !object_add_child(object_container("/machine"), "fw_cfg", obj, &err)) {
        g_error("fw_cfg: %s", err->message);
    }
    FwCfg *fw = FW_CFG(obj);
    fw->dma.as = dma;
    memory_region_init_io(&fw->ports, &ports_ops, fw, "fw_cfg", 2);
    device_map(&fw->parent, io, FW_CFG_IO_BASE, &fw->ports, 0);
    memory_region_init_io(&fw->dma_port, &dma_port_ops, fw, "fw_cfg-dma", 8);
    device_map(&fw->parent, io, FW_CFG_DMA_BASE, &fw->dma_port, 0);
    device_realize(&fw->parent, NULL);
    return fw;
}

FwCfg *fw_cfg_get(void)
{
    return FW_CFG(object_resolve("/machine/fw_cfg", NULL));
}
