/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/pci-rom.h"

#include <inttypes.h>
#include <string.h>

#include "hw/core/firmware-file.h"
#include "hw/pci/pci-internal.h"
#include "util/error.h"
#include "util/file-read.h"

#define ROM_MIN (1u << 12) /* bytes; a page of RAM, and what the register can say */
#define ROM_MAX (1u << 24) /* bytes; its address is to be found below 4 GiB */

/* Of each image in a ROM, and of the structure that its header points to. */
enum {
    IMAGE_UNIT = 512,
    IMAGE_POINTER = 0x18,
    IMAGE_HEADER = 0x1a,
    PCIR_VENDOR = 0x04,
    PCIR_DEVICE = 0x06,
    PCIR_LENGTH = 0x10,   /* of the image, in IMAGE_UNIT */
    PCIR_REVISION = 0x12, /* of the code: nothing depends on it */
    PCIR_LAST = 0x15,     /* bit 7: no image follows */
    PCIR_SIZE = 0x18,
};

static const uint8_t signature[] = { 0x55, 0xaa };

/* ---- the file ---- */

static bool check_file(const PciDevice *dev, const char *path, uint64_t size, const char *contents,
                       GError **errp)
{
    if (size < IMAGE_HEADER || size > ROM_MAX || memcmp(contents, signature, sizeof(signature))) {
        error_set(errp,
                  "romfile=%s: this is no expansion ROM, which begins with the bytes 55 aa and has "
                  "at most 16 MiB; such files are in Debian's package ipxe-qemu",
                  path);
        return false;
    }
    if (dev->rom_size != PROP_UNSET &&
        (dev->rom_size < MAX(size, ROM_MIN) || dev->rom_size > ROM_MAX ||
         dev->rom_size & (dev->rom_size - 1))) {
        error_set(errp,
                  "'romsize' is %u: it must be a power of 2 from %u to %u, and not less than the "
                  "%" PRIu64 " bytes of %s",
                  dev->rom_size, ROM_MIN, ROM_MAX, size, path);
        return false;
    }
    return true;
}

static uint64_t room_for(const PciDevice *dev, uint64_t size)
{
    uint64_t room = ROM_MIN;

    while (room < size) {
        room *= 2;
    }
    return dev->rom_size != PROP_UNSET ? dev->rom_size : room;
}

/* Which one it is among all, in a machine that is saved, its bus and place say. */
static bool make_block(PciDevice *dev, uint64_t size, GError **errp)
{
    const Bus *bus = &pci_bus_of(dev)->parent;
    g_autofree char *name = g_strdup_printf("%s/%02x.%x/rom", bus->parent.name,
                                            PCI_SLOT(dev->devfn), PCI_FUNC(dev->devfn));

    dev->rom = ram_block_new(name, size, -1, false, true, 0, errp);
    return dev->rom;
}

/* That the type has without being asked; NULL: none. */
static const char *own_rom(const PciDevice *dev)
{
    return pci_function_class(dev)->rom;
}

bool pci_rom_add(PciDevice *dev, GError **errp)
{
    g_autofree char *path = NULL;
    g_autoptr(GMappedFile) file = NULL;
    g_autoptr(GError) err = NULL;
    const char *name = dev->rom_file ? dev->rom_file : own_rom(dev);

    if (!name || !*name || !dev->rom_bar) {
        return true;
    }
    path = firmware_file_find(name, dev->rom_file ? errp : NULL);
    if (!path) {
        g_prefix_error(errp, "romfile=%s: ", name);
        return !dev->rom_file;
    }
    file = file_map(path, UINT64_MAX, &err);
    if (!file) {
        error_set(errp, "romfile=%s: it cannot be read: %s", name, err->message);
        return false;
    }
    uint64_t size = g_mapped_file_get_length(file);
    const char *contents = g_mapped_file_get_contents(file);
    if (!check_file(dev, name, size, contents, errp) ||
        !make_block(dev, room_for(dev, size), errp)) {
        return false;
    }
    memcpy(dev->rom->host, contents, size);
    memory_region_init_ram(&dev->rom_region, "rom", dev->rom);
    dev->rom_region.readonly = true;
    pci_add_rom_bar(dev, &dev->rom_region);
    return true;
}

void pci_rom_drop(PciDevice *dev)
{
    if (dev->rom) {
        memory_region_destroy(&dev->rom_region);
        g_clear_pointer(&dev->rom, ram_block_unref);
    }
}

/* ---- whose code it is ---- */

static unsigned word_at(const uint8_t *p)
{
    return p[0] | p[1] << 8;
}

/* The sum of an image's bytes stays as it is: a BIOS runs only those whose sum is 0. */
static void set_device(uint8_t *pcir, uint16_t device)
{
    uint8_t *at = pcir + PCIR_DEVICE, *revision = pcir + PCIR_REVISION;

    *revision += at[0] + at[1];
    at[0] = (uint8_t)device;
    at[1] = (uint8_t)(device >> 8);
    *revision -= at[0] + at[1];
}

void pci_rom_set_id(PciDevice *dev)
{
    uint64_t at = 0;

    while (dev->rom && at + IMAGE_HEADER <= dev->rom->size &&
           !memcmp(dev->rom->host + at, signature, sizeof(signature))) {
        uint64_t pcir = at + word_at(dev->rom->host + at + IMAGE_POINTER);
        uint8_t *p = dev->rom->host + pcir;

        if (pcir + PCIR_SIZE > dev->rom->size || memcmp(p, "PCIR", 4)) {
            return;
        }
        if (word_at(p + PCIR_VENDOR) == pci_get_word(dev, PCI_VENDOR_ID)) {
            set_device(p, pci_get_word(dev, PCI_DEVICE_ID));
        }
        at += word_at(p + PCIR_LENGTH) * IMAGE_UNIT;
        if (p[PCIR_LAST] & 0x80 || !word_at(p + PCIR_LENGTH)) {
            return;
        }
    }
}
