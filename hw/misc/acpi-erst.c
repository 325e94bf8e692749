/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store is a memory backend: a head, a map with the identifier of the record in each slot, and
 * slots of one size, of which the head and the map take the first. What is in it may be anything
 * that a host's file, a stream or a guest made of it: only the map's identifiers and the lengths in
 * records are read, and those are checked each time.
 */
#include "hw/misc/acpi-erst.h"

#include <inttypes.h>
#include <string.h>

#include "backends/host-memory-backend.h"
#include "hw/mem/memory-device.h"
#include "hw/pci/pci.h"
#include "memory/dirty.h"
#include "util/error.h"
#include "util/units.h"

#define TYPE_ACPI_ERST "acpi-erst"

enum {
    REGISTERS_BAR = 0,
    BUFFER_BAR = 1,
    RECORD_LEAST = 4096,
    RECORD_MOST = 1 << 20,
    SLOTS_MOST = 65536, /* they are searched under the machine lock */
    REGISTERS_PAGE = 4096,
};

#define ID_NONE  0ull
#define ID_EMPTY UINT64_MAX

/* The head of the store, little endian. */
#define STORE_MAGIC "ERSTSTOR"
enum {
    HEAD_OFFSET = 8, /* u32: of the first slot for records */
    HEAD_SIZE = 12,  /* u32: of a slot */
    HEAD_VERSION = 16,
    HEAD_COUNT = 20, /* u32: records; for readers on the host */
    HEAD_MAP = 24,   /* u64 for each slot, those of the head too */
    STORE_VERSION = 0x100,
};

/* A record's header (UEFI 2.9, appendix N.2.1). */
enum { RECORD_LENGTH = 20, RECORD_ID = 96, RECORD_HEADER = 128 };

/* Table 18.23. */
enum { SUCCESS = 0, NO_SPACE = 1, FAILED = 3, STORE_EMPTY = 4, NOT_FOUND = 5 };

enum { OPERATION_NONE = 0xff };

/* Microseconds that an operation takes, as guests are told. */
enum { TIME_NOMINAL = 30, TIME_MOST = 100 };

typedef struct AcpiErst {
    PciDevice parent;
    /* configuration */
    Object *memdev; /* link<memory-backend> */
    uint32_t record_size;
    /* wiring */
    MemoryRegion registers;
    RamBlock *buffer_ram;
    MemoryRegion buffer;
    uint32_t slots, first; /* of the store, and the first for records */
    /* state */
    uint32_t action;
    uint64_t value;
    uint8_t operation; /* of ERST_BEGIN_*, or OPERATION_NONE */
    uint8_t status;
    uint32_t offset; /* of the record in the buffer */
    uint64_t id;
    uint32_t next; /* slot from which ERST_GET_ID goes on */
} AcpiErst;
OBJECT_CAST_DEFINE(AcpiErst, ACPI_ERST, TYPE_ACPI_ERST)

static AcpiErst *find(void)
{
    Object *found = object_find_type(TYPE_ACPI_ERST);

    return found && DEVICE(found)->realized ? ACPI_ERST(found) : NULL;
}

/* ---- the store ---- */

static RamBlock *store_of(const AcpiErst *s)
{
    return MEMORY_BACKEND(s->memdev)->ram;
}

static uint8_t *store_at(const AcpiErst *s, uint32_t slot)
{
    return store_of(s)->host + (uint64_t)slot * s->record_size;
}

static uint32_t get_u32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return GUINT32_FROM_LE(value);
}

static uint64_t get_u64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return GUINT64_FROM_LE(value);
}

static void put_u32(uint8_t *at, uint32_t value)
{
    value = GUINT32_TO_LE(value);
    memcpy(at, &value, sizeof(value));
}

static void put_u64(uint8_t *at, uint64_t value)
{
    value = GUINT64_TO_LE(value);
    memcpy(at, &value, sizeof(value));
}

static uint64_t map_get(const AcpiErst *s, uint32_t slot)
{
    return get_u64(store_of(s)->host + HEAD_MAP + 8ull * slot);
}

static bool holds_record(const AcpiErst *s, uint32_t slot)
{
    uint64_t id = map_get(s, slot);

    return id != ID_NONE && id != ID_EMPTY;
}

static uint32_t count_records(const AcpiErst *s)
{
    uint32_t count = 0;

    for (uint32_t slot = s->first; slot < s->slots; slot++) {
        count += holds_record(s, slot);
    }
    return count;
}

static void map_set(const AcpiErst *s, uint32_t slot, uint64_t id)
{
    RamBlock *ram = store_of(s);
    uint64_t offset = HEAD_MAP + 8ull * slot;

    put_u64(ram->host + offset, id);
    dirty_mark(ram, offset, 8);
    put_u32(ram->host + HEAD_COUNT, count_records(s));
    dirty_mark(ram, HEAD_COUNT, 4);
}

/* The slot of the record @id, 0: there is none. */
static uint32_t find_record(const AcpiErst *s, uint64_t id)
{
    for (uint32_t slot = s->first; slot < s->slots; slot++) {
        if (map_get(s, slot) == id) {
            return slot;
        }
    }
    return 0;
}

/* The first from @slot on that has a record, or has none; the number of slots: there is no such. */
static uint32_t find_slot(const AcpiErst *s, uint32_t slot, bool used)
{
    for (slot = MAX(slot, s->first); slot < s->slots && holds_record(s, slot) != used; slot++) {
    }
    return MIN(slot, s->slots);
}

/* ---- operations ---- */

/* As many bytes may a record have that lies at the offset; 0: there is no room for its header. */
static uint32_t room(const AcpiErst *s)
{
    return s->offset <= s->record_size - RECORD_HEADER ? s->record_size - s->offset : 0;
}

/* CPUs may write to the buffer meanwhile: what was checked is what is kept. */
static uint8_t write_record(AcpiErst *s)
{
    const uint8_t *from = s->buffer_ram->host + s->offset;
    uint8_t header[RECORD_HEADER];
    uint32_t length, slot;
    uint64_t id;

    if (!room(s)) {
        return FAILED;
    }
    memcpy(header, from, sizeof(header));
    length = get_u32(header + RECORD_LENGTH);
    id = get_u64(header + RECORD_ID);
    if (length < RECORD_HEADER || length > room(s) || id == ID_NONE || id == ID_EMPTY) {
        return FAILED;
    }
    slot = find_record(s, id);
    if (!slot) {
        slot = find_slot(s, s->first, false);
        if (slot == s->slots) {
            return NO_SPACE;
        }
    }
    uint8_t *to = store_at(s, slot);

    memcpy(to, header, sizeof(header));
    memcpy(to + RECORD_HEADER, from + RECORD_HEADER, length - RECORD_HEADER);
    memset(to + length, 0, s->record_size - length);
    dirty_mark(store_of(s), (uint64_t)slot * s->record_size, s->record_size);
    map_set(s, slot, id);
    return SUCCESS;
}

/* The record that is meant, which may be the first one; or what to say. */
static uint8_t meant_record(const AcpiErst *s, uint32_t *slot)
{
    uint32_t first = find_slot(s, s->first, true);

    if (first == s->slots) {
        return STORE_EMPTY;
    }
    *slot = s->id == ID_NONE ? first : s->id == ID_EMPTY ? 0 : find_record(s, s->id);
    return *slot ? SUCCESS : NOT_FOUND;
}

static uint8_t read_record(AcpiErst *s)
{
    uint32_t slot, length;
    uint8_t status = meant_record(s, &slot);

    if (status != SUCCESS) {
        return status;
    }
    length = get_u32(store_at(s, slot) + RECORD_LENGTH);
    if (!room(s) || length < RECORD_HEADER || length > room(s)) {
        return FAILED;
    }
    memcpy(s->buffer_ram->host + s->offset, store_at(s, slot), length);
    dirty_mark(s->buffer_ram, s->offset, length);
    return SUCCESS;
}

static uint8_t clear_record(AcpiErst *s)
{
    uint32_t slot;
    uint8_t status = meant_record(s, &slot);

    if (status == SUCCESS) {
        map_set(s, slot, ID_NONE);
        memset(store_at(s, slot), 0, s->record_size);
        dirty_mark(store_of(s), (uint64_t)slot * s->record_size, s->record_size);
    }
    return status;
}

static uint8_t execute(AcpiErst *s)
{
    switch (s->operation) {
    case ERST_BEGIN_WRITE:
        return write_record(s);
    case ERST_BEGIN_READ:
        return read_record(s);
    case ERST_BEGIN_CLEAR:
        return clear_record(s);
    case ERST_BEGIN_DUMMY_WRITE:
        return SUCCESS;
    default:
        return FAILED;
    }
}

/* One after the other; behind the last one ID_EMPTY, and then the first again. */
static uint64_t next_id(AcpiErst *s)
{
    uint32_t slot = find_slot(s, s->next, true);

    s->next = slot == s->slots ? 0 : slot + 1;
    return slot == s->slots ? ID_EMPTY : map_get(s, slot);
}

/* ---- registers ---- */

static uint64_t buffer_address(const AcpiErst *s)
{
    uint64_t addr = 0;

    pci_bar_address(&s->parent, BUFFER_BAR, &addr);
    return addr;
}

static void act(AcpiErst *s, uint32_t action)
{
    s->action = action;
    switch (action) {
    case ERST_BEGIN_WRITE:
    case ERST_BEGIN_READ:
    case ERST_BEGIN_CLEAR:
    case ERST_BEGIN_DUMMY_WRITE:
        s->operation = (uint8_t)action;
        s->offset = 0;
        break;
    case ERST_END:
        s->operation = OPERATION_NONE;
        break;
    case ERST_SET_OFFSET:
        s->offset = (uint32_t)MIN(s->value, UINT32_MAX);
        break;
    case ERST_EXECUTE:
        s->status = execute(s);
        break;
    case ERST_CHECK_BUSY:
        s->value = 0;
        break;
    case ERST_GET_STATUS:
        s->value = s->status;
        break;
    case ERST_GET_ID:
        s->value = next_id(s);
        break;
    case ERST_SET_ID:
        s->id = s->value;
        break;
    case ERST_GET_COUNT:
        s->value = count_records(s);
        break;
    case ERST_GET_RANGE:
        s->value = buffer_address(s);
        break;
    case ERST_GET_LENGTH:
        s->value = s->record_size;
        break;
    case ERST_GET_ATTRIBUTES: /* the buffer is plain memory */
        s->value = 0;
        break;
    case ERST_GET_TIMINGS:
        s->value = (uint64_t)TIME_MOST << 32 | TIME_NOMINAL;
        break;
    default:
        break;
    }
}

static uint64_t registers_read(void *opaque, hwaddr addr, unsigned size)
{
    const AcpiErst *s = opaque;

    switch (addr) {
    case ERST_ACTION:
        return s->action;
    case ERST_VALUE:
        return s->value;
    case ERST_VALUE + 4:
        return s->value >> 32;
    default:
        return 0;
    }
}

static void registers_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    AcpiErst *s = opaque;

    if (addr == ERST_ACTION) {
        act(s, (uint32_t)value);
    } else if (addr == ERST_VALUE) {
        s->value = size == 8 ? value : (s->value >> 32) << 32 | (uint32_t)value;
    } else if (addr == ERST_VALUE + 4) {
        s->value = value << 32 | (uint32_t)s->value;
    }
}

static const MemoryRegionOps registers_ops = { registers_read, registers_write, 4, 8 };

/* ---- what others are told ---- */

bool acpi_erst_registers(uint64_t *addr)
{
    const AcpiErst *s = find();
    uint64_t buffer;

    return s && pci_bar_address(&s->parent, REGISTERS_BAR, addr) &&
           pci_bar_address(&s->parent, BUFFER_BAR, &buffer);
}

void acpi_erst_place(uint64_t end)
{
    AcpiErst *s = find();

    if (s) {
        uint64_t buffer = (end - s->record_size) & ~(uint64_t)(s->record_size - 1);
        PciBus *bus = pci_bus_of(&s->parent);
        uint8_t devfn = s->parent.devfn;

        pci_config_write(bus, 0, devfn, PCI_BASE_ADDRESS_0 + 4 * BUFFER_BAR, (uint32_t)buffer, 4);
        pci_config_write(bus, 0, devfn, PCI_BASE_ADDRESS_0 + 4 * REGISTERS_BAR,
                         (uint32_t)buffer - REGISTERS_PAGE, 4);
        pci_config_write(bus, 0, devfn, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    }
}

/* ---- the device ---- */

static bool check_sizes(AcpiErst *s, GError **errp)
{
    const HostMemoryBackend *backend = MEMORY_BACKEND(s->memdev);
    uint64_t size = backend->size, slots;

    if (s->record_size < RECORD_LEAST || s->record_size > RECORD_MOST ||
        s->record_size & (s->record_size - 1)) {
        error_set(errp, "'record_size' is %" PRIu32 ": it must be a power of 2 from %u to %u",
                  s->record_size, RECORD_LEAST, RECORD_MOST);
        return false;
    }
    slots = size / s->record_size;
    if (size % s->record_size || slots < 2 || slots > SLOTS_MOST) {
        error_set(errp,
                  "memory backend '%s' has %" PRIu64 " bytes: a store is 2 to %u times "
                  "'record_size', which is %" PRIu32,
                  host_memory_backend_name(backend), size, SLOTS_MOST, s->record_size);
        return false;
    }
    s->slots = (uint32_t)slots;
    s->first = (HEAD_MAP + 8 * s->slots + s->record_size - 1) / s->record_size;
    if (s->first >= s->slots) {
        error_set(errp, "memory backend '%s' of %" PRIu64 " bytes has no room for a record",
                  host_memory_backend_name(backend), size);
        return false;
    }
    return true;
}

static bool is_zero(const uint8_t *data, size_t size)
{
    return !data[0] && !memcmp(data, data + 1, size - 1);
}

/* A store that is there already, or a new one where nothing is. */
static bool open_store(AcpiErst *s, GError **errp)
{
    HostMemoryBackend *backend = MEMORY_BACKEND(s->memdev);
    uint8_t *head = store_of(s)->host;
    uint32_t offset = s->first * s->record_size;

    if (is_zero(head, offset)) {
        memcpy(head, STORE_MAGIC, 8);
        put_u32(head + HEAD_OFFSET, offset);
        put_u32(head + HEAD_SIZE, s->record_size);
        put_u32(head + HEAD_VERSION, STORE_VERSION);
        dirty_mark(store_of(s), 0, HEAD_MAP);
        return true;
    }
    if (memcmp(head, STORE_MAGIC, 8) != 0) {
        error_set(errp,
                  "memory backend '%s' has something else than error records; give it an empty one",
                  host_memory_backend_name(backend));
        return false;
    }
    if (get_u32(head + HEAD_SIZE) != s->record_size || get_u32(head + HEAD_OFFSET) != offset ||
        get_u32(head + HEAD_VERSION) != STORE_VERSION) {
        error_set(errp,
                  "memory backend '%s' was made a store with record_size=%" PRIu32
                  " or for another size; 'record_size' is %" PRIu32,
                  host_memory_backend_name(backend), get_u32(head + HEAD_SIZE), s->record_size);
        return false;
    }
    return true;
}

static bool check_store(AcpiErst *s, GError **errp)
{
    if (find()) {
        error_set(errp, "there is an acpi-erst device already; one is enough");
        return false;
    }
    return memory_device_check_memdev(s->memdev, errp) && check_sizes(s, errp) &&
           open_store(s, errp);
}

static bool erst_realize(PciDevice *dev, GError **errp)
{
    AcpiErst *s = ACPI_ERST(dev);
    g_autofree char *name = g_strdup_printf("%s/%02x.%x/erst", pci_bus_of(dev)->parent.parent.name,
                                            PCI_SLOT(dev->devfn), PCI_FUNC(dev->devfn));

    if (!check_store(s, errp)) {
        return false;
    }
    s->buffer_ram = ram_block_new(name, s->record_size, -1, false, true, 0, errp);
    if (!s->buffer_ram) {
        return false;
    }
    memory_region_init_ram(&s->buffer, "erst-buffer", s->buffer_ram);
    memory_region_init_io(&s->registers, &registers_ops, s, "erst-registers", ERST_REGISTERS);
    pci_add_bar(dev, REGISTERS_BAR, 0, &s->registers);
    pci_add_bar(dev, BUFFER_BAR, 0, &s->buffer);
    host_memory_backend_set_mapped(MEMORY_BACKEND(s->memdev), OBJECT(dev));
    return true;
}

static void erst_unrealize(PciDevice *dev)
{
    AcpiErst *s = ACPI_ERST(dev);

    host_memory_backend_set_mapped(MEMORY_BACKEND(s->memdev), NULL);
    memory_region_destroy(&s->registers);
    memory_region_destroy(&s->buffer);
    g_clear_pointer(&s->buffer_ram, ram_block_unref);
}

static void erst_reset(PciDevice *dev)
{
    AcpiErst *s = ACPI_ERST(dev);

    s->action = s->offset = s->next = 0;
    s->value = s->id = 0;
    s->status = SUCCESS;
    s->operation = OPERATION_NONE;
    memset(s->buffer_ram->host, 0, s->record_size);
    dirty_mark(s->buffer_ram, 0, s->record_size);
}

/* There is nothing to be derived. */
static void erst_loaded(PciDevice *dev)
{
}

static const StateField erst_fields[] = {
    STATE_STRUCT(AcpiErst, parent, &pci_device_state),
    STATE_UINT(AcpiErst, action),
    STATE_UINT(AcpiErst, value),
    STATE_UINT(AcpiErst, operation),
    STATE_UINT(AcpiErst, status),
    STATE_UINT(AcpiErst, offset),
    STATE_UINT(AcpiErst, id),
    STATE_UINT_MAX(AcpiErst, next, SLOTS_MOST),
    {},
};
static const StateTable erst_state = { .name = TYPE_ACPI_ERST,
                                       .version = 1,
                                       .fields = erst_fields };

static const PciFunctionClass erst_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "misc", .flags = DEVICE_USER_CREATABLE,
                .state = &erst_state },
    .root_only = true,
    .realize = erst_realize,
    .unrealize = erst_unrealize,
    .reset = erst_reset,
    .loaded = erst_loaded,
};

static const PciRegister erst_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1b36 },
    { PCI_DEVICE_ID, 2, 0x0012 },
    { PCI_COMMAND, 2, 0, PCI_COMMAND_MEMORY },
    { PCI_CLASS_DEVICE, 2, 0xff00 }, /* of no class */
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
};

static void erst_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), erst_registers, G_N_ELEMENTS(erst_registers));
}

static const Property erst_properties[] = {
    { .name = "memdev",
      .kind = PROP_LINK,
      .offset = offsetof(AcpiErst, memdev),
      .link_type = TYPE_MEMORY_BACKEND,
      .description = "memory backend that keeps the records: a file, for them to last" },
    { .name = "record_size",
      .kind = PROP_UINT32,
      .offset = offsetof(AcpiErst, record_size),
      .has_default = true,
      .default_int = 8 * KIB,
      .description = "bytes that a record may have, a power of 2" },
    { 0 },
};

static const ObjectType erst_type = {
    .name = TYPE_ACPI_ERST,
    .parent = TYPE_PCI_DEVICE,
    .description = "A store for error records that outlasts the machine (ACPI ERST)",
    .instance_size = sizeof(AcpiErst),
    .properties = erst_properties,
    .ops = &erst_ops,
    .init = erst_init,
};
OBJECT_TYPE_REGISTER(erst_type)
