/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * megasas, megasas-gen2: LSI's MegaRAID SAS adapters 1078 and 2108, as Linux' driver knows their
 * interface (MFI). Commands are frames in the driver's memory, whose addresses it writes to a queue
 * port; what has ended is told by a ring of replies. Disks are logical drives, or, as CD drives are
 * always, physical ones that the host sees (use_jbod).
 *
 * A request is kept by the address of its frame, which is read again when it begins anew. Machine
 * lock for everything.
 */
#include <string.h>

#include "hw/hba/scsi-hba.h"
#include "util/bytes.h"
#include "util/error.h"

#define TYPE_MEGASAS_BASE "megasas-base"

enum { MAX_TARGET = 127, MAX_SGE = 255, MMIO_SIZE = 0x4000, IO_SIZE = 0x100, QUEUE_SIZE = 0x40000 };

enum {
    REG_INBOUND_DOORBELL = 0x20,
    REG_STATUS = 0x30,
    REG_MASK = 0x34,
    REG_QUEUE = 0x40,
    REG_CLEAR = 0xa0,
    REG_SCRATCH = 0xb0, /* state of the firmware, and what it can */
    STATE_READY = 0xb,
    STATE_OPERATIONAL = 0xc,
    DOORBELL_RESET = 0x01 | 0x08, /* abort, be ready */
};

/* Frames. */
enum {
    FRAME_COMMAND = 0,
    FRAME_SENSE_SIZE = 1,
    FRAME_STATUS = 2,
    FRAME_SCSI_STATUS = 3,
    FRAME_TARGET = 4,
    FRAME_LUN = 5,
    FRAME_CDB_SIZE = 6,
    FRAME_SGES = 7,
    FRAME_CONTEXT = 8,
    FRAME_FLAGS = 0x10,
    FRAME_SIZE = 0x14, /* of the data */
    FRAME_SENSE = 0x18,
    FRAME_OPCODE = 0x18, /* of a direct command */
    FRAME_QUEUE_INFO = 0x18,
    FRAME_LBA = 0x20,
    FRAME_CDB = 0x20,
    FRAME_ABORTED = 0x20,
    FRAME_LIST = 0x28, /* of pieces, but of passed commands: */
    FRAME_PASSED_LIST = 0x30,
    FRAME_HEAD = 0x30, /* bytes that are looked at */

    COMMAND_INIT = 0,
    COMMAND_LD_READ = 1,
    COMMAND_LD_WRITE = 2,
    COMMAND_LD_SCSI = 3,
    COMMAND_PD_SCSI = 4,
    COMMAND_DIRECT = 5,
    COMMAND_ABORT = 6,

    FLAG_NO_REPLY = 0x01,
    FLAG_LIST_64 = 0x02,
    FLAG_LIST_IEEE = 0x20,

    MFI_OK = 0x00,
    MFI_INVALID_COMMAND = 0x01,
    MFI_INVALID_DIRECT = 0x02,
    MFI_INVALID_PARAMETER = 0x03,
    MFI_NO_DEVICE = 0x0c,
    MFI_SCSI_ERROR = 0x2d,
    MFI_FAILED = 0x2e,
    MFI_LATER = 0x100, /* not the driver's: it ends later */
};

enum {
    DIRECT_INFO = 0x01010000,
    DIRECT_SHUTDOWN = 0x01050000,
    DIRECT_EVENT_INFO = 0x01040100,
    DIRECT_EVENT_WAIT = 0x01040500,
    DIRECT_FLUSH = 0x01101000,
    DIRECT_PD_LIST = 0x02010100,
    DIRECT_LD_LIST = 0x03010000,
    DIRECT_LD_QUERY = 0x03010100,
    INFO_SIZE = 2048,
    EVENT_INFO_SIZE = 20,
};

typedef struct Megasas {
    PciDevice parent;
    ScsiHba hba;
    uint32_t status, mask;
    bool operational;
    uint64_t replies, producer_at;
    uint32_t entries, producer;
    uint64_t event_frame; /* that waits for an event; 0: none */
    /* configuration */
    uint32_t max_sge, max_cmds;
    bool use_jbod;
    char *serial; /* nobody asks for it */
    uint64_t sas_address;
    /* wiring */
    MemoryRegion mmio, io, queue;
} Megasas;
OBJECT_CAST_DEFINE(Megasas, MEGASAS, TYPE_MEGASAS_BASE)

typedef struct MegasasClass {
    PciFunctionClass pci;
    unsigned mmio_bar, io_bar;
    uint32_t reply; /* the interrupt's bit */
} MegasasClass;

static const MegasasClass *class_of(const Megasas *s)
{
    return object_ops(&s->parent.parent.parent);
}

/* ---- small things ---- */

static uint32_t word(const uint8_t *frame, unsigned at)
{
    uint32_t value;

    memcpy(&value, frame + at, sizeof(value));
    return GUINT32_FROM_LE(value);
}

static void put_word(uint8_t *at, uint32_t value)
{
    value = GUINT32_TO_LE(value);
    memcpy(at, &value, sizeof(value));
}

static uint64_t wide(const uint8_t *frame, unsigned at)
{
    return word(frame, at) | (uint64_t)word(frame, at + 4) << 32;
}

static void update_pin(Megasas *s)
{
    pci_set_irq(&s->parent, (s->status & ~s->mask) != 0);
}

/* The frame at @at has ended. */
static void answer(Megasas *s, uint64_t at, uint8_t status, uint8_t scsi_status)
{
    const uint8_t result[2] = { status, scsi_status };
    uint8_t frame[FRAME_HEAD];
    uint32_t context;

    if (!scsi_hba_read(&s->parent, at, frame, sizeof(frame)) ||
        !scsi_hba_write(&s->parent, at + FRAME_STATUS, result, sizeof(result)) ||
        frame[FRAME_FLAGS] & FLAG_NO_REPLY || !s->operational) {
        return;
    }
    context = word(frame, FRAME_CONTEXT);
    context = GUINT32_TO_LE(context);
    scsi_hba_write(&s->parent, s->replies + 4 * (uint64_t)s->producer, &context, sizeof(context));
    s->producer = (s->producer + 1) % s->entries;
    context = GUINT32_TO_LE(s->producer);
    scsi_hba_write(&s->parent, s->producer_at, &context, sizeof(context));
    s->status |= class_of(s)->reply;
    update_pin(s);
}

/* ---- where data are ---- */

typedef bool PieceFn(void *opaque, hwaddr addr, uint32_t size);

static bool walk(const Megasas *s, const uint8_t *frame, uint64_t at, unsigned offset, PieceFn *fn,
                 void *opaque)
{
    uint16_t flags = (uint16_t)word(frame, FRAME_FLAGS);
    unsigned size = flags & FLAG_LIST_IEEE ? 16 : flags & FLAG_LIST_64 ? 12 : 8;

    for (unsigned i = 0; i < frame[FRAME_SGES]; i++) {
        uint8_t entry[16];
        bool narrow = size == 8;

        if (!scsi_hba_read(&s->parent, at + offset + i * size, entry, size) ||
            !fn(opaque, narrow ? word(entry, 0) : wide(entry, 0), word(entry, narrow ? 4 : 8))) {
            return false;
        }
    }
    return true;
}

static bool add_piece(void *opaque, hwaddr addr, uint32_t size)
{
    return scsi_hba_add_piece(opaque, addr, size);
}

typedef struct Copy {
    const Megasas *s;
    const uint8_t *from;
    uint32_t left;
} Copy;

static bool copy_piece(void *opaque, hwaddr addr, uint32_t size)
{
    Copy *copy = opaque;

    size = MIN(size, copy->left);
    if (size && !scsi_hba_write(&copy->s->parent, addr, copy->from, size)) {
        return false;
    }
    copy->from += size;
    copy->left -= size;
    return true;
}

/* The answer of a direct command, as far as there is room. */
static unsigned give(const Megasas *s, const uint8_t *frame, uint64_t at, const void *data,
                     uint32_t size)
{
    Copy copy = { s, data, MIN(size, word(frame, FRAME_SIZE)) };

    return walk(s, frame, at, FRAME_LIST, copy_piece, &copy) ? MFI_OK : MFI_INVALID_PARAMETER;
}

/* ---- SCSI ---- */

static void done(ScsiHba *hba, ScsiHbaRequest *r)
{
    Megasas *s = MEGASAS(hba->dev);
    uint8_t frame[FRAME_HEAD], sense[SCSI_SENSE_BYTES], size = 0;
    uint64_t at;

    memcpy(&at, r->frame, sizeof(at));
    if (r->end == SCSI_HBA_NO_DEVICE) {
        answer(s, at, MFI_NO_DEVICE, 0);
        return;
    }
    if (r->end != SCSI_HBA_ENDED) {
        answer(s, at, MFI_FAILED, 0);
        return;
    }
    if (r->scsi.status == SCSI_CHECK_CONDITION &&
        scsi_hba_read(&s->parent, at, frame, sizeof(frame))) {
        scsi_sense_data(r->scsi.sense, sense);
        size = MIN(sizeof(sense), frame[FRAME_SENSE_SIZE]);
        if (size && !scsi_hba_write(&s->parent, wide(frame, FRAME_SENSE), sense, size)) {
            size = 0;
        }
        scsi_hba_write(&s->parent, at + FRAME_SENSE_SIZE, &size, 1);
    }
    answer(s, at, r->scsi.status == SCSI_GOOD ? MFI_OK : MFI_SCSI_ERROR, r->scsi.status);
}

static bool is_logical(const Megasas *s, const ScsiDevice *dev)
{
    return !s->use_jbod && dev->unit.kind == &scsi_disk_kind;
}

/* Is it a command of a logical drive, and its target none? Drivers ask all of them. */
static bool misses(const Megasas *s, const uint8_t *frame)
{
    ScsiDevice *other;
    const ScsiDevice *dev = scsi_bus_find(s->hba.bus, 0, frame[FRAME_TARGET], 0, &other);

    return frame[FRAME_COMMAND] != COMMAND_PD_SCSI && dev && !is_logical(s, dev);
}

/* A read or write of a logical drive, as a CDB. */
static void make_cdb(const uint8_t *frame, uint8_t cdb[16])
{
    memset(cdb, 0, 16);
    cdb[0] = frame[FRAME_COMMAND] == COMMAND_LD_READ ? SCSI_READ_16 : SCSI_WRITE_16;
    bytes_put_be(cdb + 2, wide(frame, FRAME_LBA), 8);
    bytes_put_be(cdb + 10, word(frame, FRAME_SIZE), 4);
}

static void start(ScsiHba *hba, const void *kept)
{
    Megasas *s = MEGASAS(hba->dev);
    uint8_t frame[FRAME_HEAD], cdb[16];
    bool passed;
    uint64_t at;
    ScsiHbaRequest *r;

    memcpy(&at, kept, sizeof(at));
    if (!scsi_hba_read(&s->parent, at, frame, sizeof(frame))) {
        return;
    }
    if (misses(s, frame)) {
        answer(s, at, MFI_NO_DEVICE, 0);
        return;
    }
    passed = frame[FRAME_COMMAND] >= COMMAND_LD_SCSI;
    r = scsi_hba_request(hba, kept);
    if (!walk(s, frame, at, passed ? FRAME_PASSED_LIST : FRAME_LIST, add_piece, r)) {
        scsi_hba_drop(r);
        answer(s, at, MFI_INVALID_PARAMETER, 0);
        return;
    }
    if (passed) {
        memcpy(cdb, frame + FRAME_CDB, sizeof(cdb));
    } else {
        make_cdb(frame, cdb);
    }
    scsi_hba_start(r, 0, frame[FRAME_TARGET], passed ? frame[FRAME_LUN] : 0, cdb, sizeof(cdb));
}

/* ---- direct commands ---- */

static unsigned pd_list(Megasas *s, const uint8_t *frame, uint64_t at)
{
    enum { HEAD = 8, ENTRY = 24 };
    uint8_t list[HEAD + ENTRY * (MAX_TARGET + 1)] = { 0 };
    uint32_t count = 0;

    for (unsigned i = 0; i < s->hba.bus->units->len; i++) {
        const ScsiDevice *dev = s->hba.bus->units->pdata[i];
        uint8_t *entry = list + HEAD + count * ENTRY;

        if (!is_logical(s, dev)) {
            entry[0] = (uint8_t)dev->target;
            entry[2] = entry[3] = 0xff; /* in no enclosure */
            entry[5] = dev->unit.kind->device_type;
            count++;
        }
    }
    put_word(list, HEAD + count * ENTRY);
    put_word(list + 4, count);
    return give(s, frame, at, list, HEAD + count * ENTRY);
}

static unsigned ld_list(Megasas *s, const uint8_t *frame, uint64_t at)
{
    enum { HEAD = 8, ENTRY = 16, MOST = 64, OPTIMAL = 3 };
    uint8_t list[HEAD + ENTRY * MOST] = { 0 };
    uint32_t count = 0;

    for (unsigned i = 0; i < s->hba.bus->units->len && count < MOST; i++) {
        const ScsiDevice *dev = s->hba.bus->units->pdata[i];
        uint8_t *entry = list + HEAD + count * ENTRY;

        if (is_logical(s, dev)) {
            entry[0] = (uint8_t)dev->target;
            entry[4] = OPTIMAL;
            put_word(entry + 8, (uint32_t)dev->unit.blocks);
            put_word(entry + 12, (uint32_t)(dev->unit.blocks >> 32));
            count++;
        }
    }
    put_word(list, count);
    return give(s, frame, at, list, sizeof(list));
}

static unsigned ld_query(Megasas *s, const uint8_t *frame, uint64_t at)
{
    enum { HEAD = 11, MOST = 64 };
    uint8_t list[HEAD + MOST] = { 0 };
    uint32_t count = 0;

    for (unsigned i = 0; i < s->hba.bus->units->len && count < MOST; i++) {
        const ScsiDevice *dev = s->hba.bus->units->pdata[i];

        if (is_logical(s, dev)) {
            list[HEAD + count++] = (uint8_t)dev->target;
        }
    }
    put_word(list, sizeof(list));
    put_word(list + 4, count);
    return give(s, frame, at, list, sizeof(list));
}

static unsigned direct(Megasas *s, const uint8_t *frame, uint64_t at)
{
    static const uint8_t zeros[INFO_SIZE];

    switch (word(frame, FRAME_OPCODE)) {
    case DIRECT_INFO: /* it can nothing beside what all can */
        return give(s, frame, at, zeros, INFO_SIZE);
    case DIRECT_EVENT_INFO:
        return give(s, frame, at, zeros, EVENT_INFO_SIZE);
    case DIRECT_EVENT_WAIT: /* there are none */
        s->event_frame = at;
        return MFI_LATER;
    case DIRECT_PD_LIST:
        return pd_list(s, frame, at);
    case DIRECT_LD_LIST:
        return ld_list(s, frame, at);
    case DIRECT_LD_QUERY:
        return ld_query(s, frame, at);
    case DIRECT_FLUSH:
    case DIRECT_SHUTDOWN:
        return MFI_OK;
    default:
        return MFI_INVALID_DIRECT;
    }
}

/* ---- frames ---- */

static unsigned init(Megasas *s, const uint8_t *frame)
{
    enum { ENTRIES_MAX = 0x10000 };
    uint8_t info[32];
    uint32_t entries;

    if (!scsi_hba_read(&s->parent, wide(frame, FRAME_QUEUE_INFO), info, sizeof(info))) {
        return MFI_INVALID_PARAMETER;
    }
    entries = word(info, 4) & 0xffff;
    if (!entries || s->operational) {
        return MFI_INVALID_PARAMETER;
    }
    s->entries = entries;
    s->replies = wide(info, 8);
    s->producer_at = wide(info, 16);
    s->producer = 0;
    s->operational = true;
    return MFI_OK;
}

static bool is_frame(const void *frame, const void *what)
{
    return memcmp(frame, what, sizeof(uint64_t)) == 0;
}

static unsigned abort_frame(Megasas *s, const uint8_t *frame)
{
    uint64_t at = wide(frame, FRAME_ABORTED);

    if (s->event_frame && s->event_frame == at) {
        s->event_frame = 0;
        answer(s, at, MFI_OK, 0);
    } else if (scsi_hba_cancel(&s->hba, is_frame, &at)) {
        answer(s, at, MFI_FAILED, 0);
    }
    return MFI_OK;
}

static void take_frame(Megasas *s, uint64_t at)
{
    uint8_t frame[FRAME_HEAD];
    unsigned status = MFI_INVALID_COMMAND;

    if (!scsi_hba_runs(&s->hba) || !scsi_hba_read(&s->parent, at, frame, sizeof(frame))) {
        return;
    }
    switch (frame[FRAME_COMMAND]) {
    case COMMAND_INIT:
        status = init(s, frame);
        break;
    case COMMAND_LD_READ:
    case COMMAND_LD_WRITE:
    case COMMAND_LD_SCSI:
    case COMMAND_PD_SCSI:
        status = MFI_FAILED;
        if (s->operational && scsi_hba_pending(&s->hba) < s->max_cmds) {
            status = MFI_LATER;
            start(&s->hba, &at);
        }
        break;
    case COMMAND_DIRECT:
        status = direct(s, frame, at);
        break;
    case COMMAND_ABORT:
        status = abort_frame(s, frame);
        break;
    default:
        break;
    }
    if (status != MFI_LATER) {
        answer(s, at, (uint8_t)status, 0);
    }
}

/* ---- registers ---- */

static void reset_adapter(Megasas *s)
{
    scsi_hba_cancel_all(&s->hba);
    s->operational = false;
    s->event_frame = 0;
    s->producer = s->entries = 0;
    s->status = 0;
    s->mask = UINT32_MAX;
    update_pin(s);
}

static uint64_t mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    const Megasas *s = opaque;

    switch (addr) {
    case REG_STATUS:
        return s->status;
    case REG_MASK:
        return s->mask;
    case REG_SCRATCH:
        return (uint32_t)(s->operational ? STATE_OPERATIONAL : STATE_READY) << 28 |
               s->max_sge << 16 | s->max_cmds;
    default:
        return 0;
    }
}

static void mmio_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    enum { FRAME_ALIGNMENT = 32 };
    Megasas *s = opaque;

    switch (addr) {
    case REG_INBOUND_DOORBELL:
        if (value & DOORBELL_RESET) {
            reset_adapter(s);
        }
        break;
    case REG_MASK:
        s->mask = (uint32_t)value;
        update_pin(s);
        break;
    case REG_CLEAR:
        s->status &= ~(uint32_t)value;
        update_pin(s);
        break;
    case REG_QUEUE:
        take_frame(s, value & ~(uint64_t)(FRAME_ALIGNMENT - 1));
        break;
    default:
        break;
    }
}

static const MemoryRegionOps mmio_ops = { mmio_read, mmio_write, 4, 4 };

static uint64_t queue_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

static void queue_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
}

static const MemoryRegionOps queue_ops = { queue_read, queue_write, 1, 8 };

/* ---- life ---- */

static const ScsiHbaOps hba_ops = {
    .bus = { scsi_hba_bus_enter, scsi_hba_bus_leave, NULL, NULL, NULL },
    .frame = sizeof(uint64_t),
    .done = done,
    .again = start,
};

static bool megasas_realize(PciDevice *dev, GError **errp)
{
    Megasas *s = MEGASAS(dev);
    const MegasasClass *class = class_of(s);

    if (s->max_sge < 1 || s->max_sge > MAX_SGE || s->max_cmds < 1 ||
        s->max_cmds > SCSI_HBA_REQUESTS_MAX) {
        error_set(errp, "max_sge=%u, max_cmds=%u: there are 1 to %d, and 1 to %d", s->max_sge,
                  s->max_cmds, MAX_SGE, SCSI_HBA_REQUESTS_MAX);
        return false;
    }
    if (!scsi_hba_realize(&s->hba, dev, &hba_ops, 0, MAX_TARGET, 0, errp)) {
        return false;
    }
    memory_region_init_io(&s->mmio, &mmio_ops, s, "megasas", MMIO_SIZE);
    memory_region_init_io(&s->io, &mmio_ops, s, "megasas-io", IO_SIZE);
    memory_region_init_io(&s->queue, &queue_ops, s, "megasas-queue", QUEUE_SIZE);
    pci_add_bar(dev, class->mmio_bar, PCI_BAR_MEM64, &s->mmio);
    pci_add_bar(dev, class->io_bar, PCI_BAR_IO, &s->io);
    pci_add_bar(dev, 3, PCI_BAR_MEM64, &s->queue);
    return true;
}

static void megasas_unrealize(PciDevice *dev)
{
    Megasas *s = MEGASAS(dev);

    scsi_hba_unrealize(&s->hba);
    memory_region_destroy(&s->mmio);
    memory_region_destroy(&s->io);
    memory_region_destroy(&s->queue);
}

static void megasas_reset(PciDevice *dev)
{
    reset_adapter(MEGASAS(dev));
}

/* The level of the interrupt line is the function's state. */
static void megasas_loaded(PciDevice *dev)
{
}

static bool check_state(void *obj, GError **errp)
{
    const Megasas *s = obj;

    if (s->operational ? s->producer >= s->entries : s->hba.kept->len) {
        error_set(errp, "reply %u of %u, which there is not", s->producer, s->entries);
        return false;
    }
    return true;
}

static const StateField fields[] = {
    STATE_STRUCT(Megasas, parent, &pci_device_state),
    STATE_STRUCT(Megasas, hba, &scsi_hba_state),
    STATE_UINT(Megasas, status),
    STATE_UINT(Megasas, mask),
    STATE_BOOL(Megasas, operational),
    STATE_UINT(Megasas, replies),
    STATE_UINT(Megasas, producer_at),
    STATE_UINT_MAX(Megasas, entries, 0xffff),
    STATE_UINT(Megasas, producer),
    STATE_UINT(Megasas, event_frame),
    {},
};
static const StateTable megasas_state = {
    .name = "megasas", .version = 1, .fields = fields, .post_load = check_state
};

/* ---- the types ---- */

static void init_registers(Object *obj, uint16_t device, uint16_t subsystem)
{
    const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x1000 },
        { PCI_DEVICE_ID, 2, device },
        { PCI_COMMAND, 2, 0,
          PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR |
              PCI_COMMAND_INTX_DISABLE },
        { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
        { PCI_CLASS_DEVICE, 2, 0x0104 }, /* RAID */
        { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
        { PCI_SUBSYSTEM_VENDOR_ID, 2, 0x1000 },
        { PCI_SUBSYSTEM_ID, 2, subsystem },
        { PCI_INTERRUPT_LINE, 1, 0, 0xff },
        { PCI_INTERRUPT_PIN, 1, 1 },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static void init_1078(Object *obj)
{
    init_registers(obj, 0x0060, 0x1013);
}

static void init_gen2(Object *obj)
{
    init_registers(obj, 0x0079, 0x9261);
}

#define MEGASAS_CLASS(MmioBar, IoBar, Reply)                                  \
    {                                                                         \
        .pci = { .device = { PCI_DEVICE_CLASS_CORE, .category = "storage",    \
                             .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, \
                             .state = &megasas_state },                       \
                 .realize = megasas_realize,                                  \
                 .unrealize = megasas_unrealize,                              \
                 .reset = megasas_reset,                                      \
                 .loaded = megasas_loaded },                                  \
        .mmio_bar = (MmioBar), .io_bar = (IoBar), .reply = (Reply)            \
    }
static const MegasasClass ops_1078 = MEGASAS_CLASS(0, 2, UINT32_C(0x80000000));
static const MegasasClass ops_gen2 = MEGASAS_CLASS(1, 0, 1);

#define MEGASAS_PROPERTY(NAME, KIND, member, initial, text)                                       \
    {                                                                                             \
        .name = (NAME), .kind = (KIND), .offset = offsetof(Megasas, member), .has_default = true, \
        .default_int = (initial), .description = (text)                                           \
    }
#define MEGASAS_PROPERTIES(commands)                                                         \
    MEGASAS_PROPERTY("max_sge", PROP_UINT32, max_sge, 80, "pieces of a command's data"),     \
        MEGASAS_PROPERTY("max_cmds", PROP_UINT32, max_cmds, (commands), "commands at once"), \
        MEGASAS_PROPERTY("use_jbod", PROP_BOOL, use_jbod, 0,                                 \
                         "disks are physical drives and not logical ones"),                  \
        MEGASAS_PROPERTY("sas_address", PROP_UINT64, sas_address, 0, "of the adapter"),      \
        { .name = "hba_serial",                                                              \
          .kind = PROP_STRING,                                                               \
          .offset = offsetof(Megasas, serial),                                               \
          .description = "serial number of the adapter" },                                   \
    {                                                                                        \
        0                                                                                    \
    }

static const Property properties_1078[] = { MEGASAS_PROPERTIES(1000) };
static const Property properties_gen2[] = { MEGASAS_PROPERTIES(1008) };

static const ObjectType base_type = {
    .name = TYPE_MEGASAS_BASE,
    .parent = TYPE_PCI_DEVICE,
    .description = "LSI MegaRAID SAS adapter",
    .instance_size = sizeof(Megasas),
    .abstract = true,
    .ops = &ops_1078,
};
OBJECT_TYPE_REGISTER(base_type)

static const ObjectType megasas_type = {
    .name = "megasas",
    .parent = TYPE_MEGASAS_BASE,
    .description = "LSI MegaRAID SAS 1078 adapter",
    .properties = properties_1078,
    .ops = &ops_1078,
    .init = init_1078,
};
OBJECT_TYPE_REGISTER(megasas_type)

static const ObjectType gen2_type = {
    .name = "megasas-gen2",
    .parent = TYPE_MEGASAS_BASE,
    .description = "LSI MegaRAID SAS 2108 adapter",
    .properties = properties_gen2,
    .ops = &ops_gen2,
    .init = init_gen2,
};
OBJECT_TYPE_REGISTER(gen2_type)
