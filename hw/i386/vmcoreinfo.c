/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/vmcoreinfo.h"

#include <elf.h>
#include <string.h>

#include "hw/core/device.h"
#include "hw/i386/fw-cfg.h"
#include "util/error.h"
#include "util/units.h"

#define TYPE_VMCOREINFO "vmcoreinfo"
#define FILE_NAME       "etc/vmcoreinfo"
#define NOTE_NAME       "VMCOREINFO"
#define NOTE_MAX        (1 * MIB) /* Linux's has a few KiB */

/* The file, little endian: what the host takes, what the guest has, its bytes, its address. */
enum { FORMAT_HOST = 0, FORMAT_GUEST = 2, NOTE_SIZE = 4, NOTE_ADDRESS = 8, FILE_SIZE = 16 };
enum { FORMAT_ELF = 1 };

typedef struct VmCoreInfo {
    Device parent;
    /* state */
    uint8_t file[FILE_SIZE]; /* as the guest has left it */
} VmCoreInfo;
OBJECT_CAST_DEFINE(VmCoreInfo, VMCOREINFO, TYPE_VMCOREINFO)

static void show(const VmCoreInfo *s)
{
    fw_cfg_set_file_copy(fw_cfg_get(), FILE_NAME, s->file, FILE_SIZE);
}

static void written(void *opaque, GBytes *bytes, uint64_t offset, uint64_t len)
{
    VmCoreInfo *s = opaque;

    memcpy(s->file, g_bytes_get_data(bytes, NULL), FILE_SIZE);
}

static void vmcoreinfo_reset(Device *dev)
{
    VmCoreInfo *s = VMCOREINFO(dev);

    memset(s->file, 0, FILE_SIZE);
    s->file[FORMAT_HOST] = FORMAT_ELF;
    show(s);
}

static bool loaded(void *opaque, GError **errp)
{
    show(opaque);
    return true;
}

static bool vmcoreinfo_realize(Device *dev, GError **errp)
{
    FwCfg *fw = fw_cfg_get();

    if (!fw) {
        error_set(errp, "a guest tells of its notes by fw_cfg, which this machine has not");
        return false;
    }
    if (fw_cfg_find_file(fw, FILE_NAME)) {
        error_set(errp, "there is a " TYPE_VMCOREINFO " device already; one is enough");
        return false;
    }
    vmcoreinfo_reset(dev);
    fw_cfg_set_file_writable(fw, FILE_NAME, written, dev);
    return true;
}

static void vmcoreinfo_unrealize(Device *dev)
{
    fw_cfg_remove_file(fw_cfg_get(), FILE_NAME);
}

/* ---- the note ---- */

static uint64_t number(const uint8_t *p, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, p, size);
    return GUINT64_FROM_LE(value);
}

/* Bytes of the note that @data (of @len bytes) begins with; 0: it is none, or not all of it. */
static size_t note_size(const uint8_t *data, size_t len)
{
    Elf64_Nhdr header;
    size_t size = sizeof(header) + sizeof(NOTE_NAME);

    if (len < size) {
        return 0;
    }
    memcpy(&header, data, sizeof(header));
    if (header.n_namesz != sizeof(NOTE_NAME) ||
        memcmp(data + sizeof(header), NOTE_NAME, sizeof(NOTE_NAME)) != 0) {
        return 0;
    }
    size = sizeof(header) + ((sizeof(NOTE_NAME) + 3) & ~3u) + (((size_t)header.n_descsz + 3) & ~3u);
    return size <= len ? size : 0;
}

GByteArray *vmcoreinfo_note(void)
{
    const DmaSpace dma = { .as = &address_space_memory };
    Object *dev = object_find_type(TYPE_VMCOREINFO);
    const uint8_t *file;
    uint64_t size, addr;
    GByteArray *note;

    if (!dev) {
        return NULL;
    }
    file = VMCOREINFO(dev)->file;
    size = number(file + NOTE_SIZE, 4);
    addr = number(file + NOTE_ADDRESS, 8);
    if (number(file + FORMAT_GUEST, 2) != FORMAT_ELF || !size || size > NOTE_MAX ||
        !dma_is_ram(&dma, addr, size)) {
        return NULL;
    }
    note = g_byte_array_sized_new(size);
    g_byte_array_set_size(note, size);
    dma_read(&dma, addr, note->data, size);
    size = note_size(note->data, size);
    if (!size) {
        g_byte_array_unref(note);
        return NULL;
    }
    g_byte_array_set_size(note, size);
    return note;
}

/* ---- the type ---- */

static const StateField vmcoreinfo_fields[] = {
    STATE_UINTS(VmCoreInfo, file),
    {},
};
static const StateTable vmcoreinfo_state = {
    .name = "vmcoreinfo", .version = 1, .fields = vmcoreinfo_fields, .post_load = loaded
};

static const DeviceClass vmcoreinfo_device_ops = {
    .category = "misc",
    .flags = DEVICE_USER_CREATABLE,
    .realize = vmcoreinfo_realize,
    .unrealize = vmcoreinfo_unrealize,
    .reset = vmcoreinfo_reset,
    .wake = device_keep,
    .state = &vmcoreinfo_state,
};

static const ObjectType vmcoreinfo_type = {
    .name = TYPE_VMCOREINFO,
    .parent = TYPE_DEVICE,
    .description = "The guest's kernel tells where its notes for debuggers are",
    .instance_size = sizeof(VmCoreInfo),
    .ops = &vmcoreinfo_device_ops,
};
OBJECT_TYPE_REGISTER(vmcoreinfo_type)
