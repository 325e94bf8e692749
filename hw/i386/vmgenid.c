/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/vmgenid.h"

#include <json-c/json.h>
#include <string.h>

#include "hw/core/device.h"
#include "hw/core/runstate.h"
#include "hw/i386/fw-cfg.h"
#include "hw/i386/x86.h"
#include "memory/address-space.h"
#include "memory/dma.h"
#include "util/error.h"

#define TYPE_VMGENID "vmgenid"
#define GUID_AUTO    "auto"

typedef struct VmGenId {
    Device parent;
    /* configuration */
    char *guid_text; /* property "guid"; once realized, never GUID_AUTO */
    bool automatic;  /* it was that, or nothing: each start, and each state that is loaded, has its
                      * own */
    /* wiring */
    RamBlock *ram;
    MemoryRegion page;
    /* state */
    uint8_t guid[16]; /* as it is in memory: the first three parts are little endian */
    bool changed;     /* the guest is to be told when the machine runs */
    uint64_t addr;    /* where firmware has put it; 0: nowhere */
} VmGenId;
OBJECT_CAST_DEFINE(VmGenId, VMGENID, TYPE_VMGENID)

static VmGenId *find(void)
{
    Object *found = object_find_type(TYPE_VMGENID);

    return found && DEVICE(found)->realized ? VMGENID(found) : NULL;
}

bool vmgenid_present(void)
{
    return find() != NULL;
}

char *vmgenid_guid(void)
{
    const VmGenId *s = find();

    return s ? g_strdup(s->guid_text) : NULL;
}

/* ---- the number ---- */

static void parse(const char *text, uint8_t guid[16])
{
    static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

    for (unsigned i = 0; i < 16; i++, text += 2) {
        text += *text == '-';
        guid[order[i]] = g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]);
    }
}

static void choose(VmGenId *s)
{
    if (s->automatic) {
        g_free(s->guid_text);
        s->guid_text = g_uuid_string_random();
    }
    parse(s->guid_text, s->guid);
}

static void show_files(const VmGenId *s)
{
    FwCfg *fw = fw_cfg_get();
    uint64_t addr = GUINT64_TO_LE(s->addr);
    uint8_t page[VMGENID_SIZE] = { 0 };

    memcpy(page + VMGENID_OFFSET, s->guid, sizeof(s->guid));
    fw_cfg_set_file_copy(fw, VMGENID_FILE, page, sizeof(page));
    fw_cfg_set_file_copy(fw, VMGENID_ADDR_FILE, &addr, sizeof(addr));
}

static void show(VmGenId *s)
{
    const DmaSpace dma = { .as = &address_space_memory };

    memset(s->ram->host, 0, VMGENID_SIZE);
    memcpy(s->ram->host, s->guid, sizeof(s->guid));
    show_files(s);
    if (s->addr && dma_is_ram(&dma, s->addr, sizeof(s->guid))) {
        dma_write(&dma, s->addr, s->guid, sizeof(s->guid));
    }
}

/* Firmware tells where it has put the page, whose contents it has read. */
static void placed(void *opaque, GBytes *bytes, uint64_t offset, uint64_t len)
{
    VmGenId *s = opaque;

    memcpy(&s->addr, g_bytes_get_data(bytes, NULL), sizeof(s->addr));
    s->addr = GUINT64_FROM_LE(s->addr);
}

/* ---- telling ---- */

static void tell(void *opaque)
{
    VmGenId *s = opaque;
    AcpiPm *pm = X86_MACHINE(machine_current())->pm;

    if (s->changed) {
        s->changed = false;
        /* There is nothing for the guest to take but the notice itself. */
        acpi_pm_set_gpe(pm, ACPI_GPE_VMGENID, true);
        acpi_pm_set_gpe(pm, ACPI_GPE_VMGENID, false);
    }
}

/* The machine goes on from a state: with a GUID of this one, which is another if it was given
 * another, or none. */
static bool loaded(void *opaque, GError **errp)
{
    VmGenId *s = opaque;
    uint8_t saved[16];

    memcpy(saved, s->guid, sizeof(saved));
    choose(s);
    s->changed |= memcmp(saved, s->guid, sizeof(saved)) != 0;
    show(s);
    return true;
}

/* ---- the device ---- */

static void vmgenid_reset(Device *dev)
{
    VmGenId *s = VMGENID(dev);

    s->changed = false; /* what boots now reads it anyway */
    s->addr = 0;
    show(s);
}

static bool vmgenid_realize(Device *dev, GError **errp)
{
    VmGenId *s = VMGENID(dev);
    Object *machine = OBJECT(machine_current());

    if (!object_is_a(machine, TYPE_X86_MACHINE) || X86_MACHINE(machine)->acpi == X86_ACPI_OFF) {
        error_set(errp, "a guest finds it by ACPI, which this machine has not");
        return false;
    }
    if (vmgenid_present()) {
        error_set(errp, "there is a " TYPE_VMGENID " device already; one is enough");
        return false;
    }
    s->ram = ram_block_new(TYPE_VMGENID, VMGENID_SIZE, -1, false, true, 0, errp);
    if (!s->ram) {
        return false;
    }
    s->automatic = !s->guid_text || g_str_equal(s->guid_text, GUID_AUTO);
    choose(s);
    show(s);
    memory_region_init_ram(&s->page, TYPE_VMGENID, s->ram);
    device_map(dev, memory_system(), VMGENID_ADDR, &s->page, 0);
    fw_cfg_set_file_writable(fw_cfg_get(), VMGENID_ADDR_FILE, placed, s);
    runstate_add_start(tell, s);
    return true;
}

static void vmgenid_unrealize(Device *dev)
{
    VmGenId *s = VMGENID(dev);

    runstate_remove_start(tell, s);
    fw_cfg_remove_file(fw_cfg_get(), VMGENID_FILE);
    fw_cfg_remove_file(fw_cfg_get(), VMGENID_ADDR_FILE);
    memory_region_destroy(&s->page);
    g_clear_pointer(&s->ram, ram_block_unref);
}

static bool check_guid(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    const char *text = json_object_get_string(value);

    if (!g_str_equal(text, GUID_AUTO) && !g_uuid_string_is_valid(text)) {
        error_set(errp,
                  "'guid' is '" GUID_AUTO "', or 32 hexadecimal digits as 8-4-4-4-12, and not '%s'",
                  text);
        return false;
    }
    return true;
}

static const Property vmgenid_properties[] = {
    { .name = "guid",
      .kind = PROP_STRING,
      .offset = offsetof(VmGenId, guid_text),
      .check = check_guid,
      .description = "the GUID; auto, which is the default: a new one each time" },
    { 0 },
};

static const StateField vmgenid_fields[] = {
    STATE_UINTS(VmGenId, guid),
    STATE_BOOL(VmGenId, changed),
    STATE_UINT_MAX_SINCE(VmGenId, addr, 0, 2),
    {},
};
static const StateTable vmgenid_state = {
    .name = TYPE_VMGENID, .version = 2, .oldest = 1, .fields = vmgenid_fields, .post_load = loaded
};

static const DeviceClass vmgenid_device_ops = {
    .category = "misc",
    .flags = DEVICE_USER_CREATABLE,
    .realize = vmgenid_realize,
    .unrealize = vmgenid_unrealize,
    .reset = vmgenid_reset,
    .wake = device_keep,
    .state = &vmgenid_state,
};

static const ObjectType vmgenid_type = {
    .name = TYPE_VMGENID,
    .parent = TYPE_DEVICE,
    .description = "A number that tells the guest whether it goes on from a saved state",
    .instance_size = sizeof(VmGenId),
    .properties = vmgenid_properties,
    .ops = &vmgenid_device_ops,
};
OBJECT_TYPE_REGISTER(vmgenid_type)
