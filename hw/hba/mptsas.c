/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mptsas1068: LSI's SAS1068, a Fusion-MPT adapter: its registers and its own messages.
 */
#include "hw/hba/mptsas.h"

#include <string.h>

#include "hw/pci/pci-cap.h"
#include "util/error.h"

enum { IO_SIZE = 0x100, MMIO_SIZE = 0x4000, DIAG_SIZE = 0x10000, MAX_LUN = 7 };

static const uint8_t write_keys[] = { 4, 0xb, 2, 7, 0xd };

/* ---- interrupts ---- */

static uint32_t interrupt_status(const Mptsas *s)
{
    return (s->doorbell_interrupt ? MPT_INTERRUPT_DOORBELL : 0u) |
           (s->post_count ? MPT_INTERRUPT_REPLY : 0u);
}

static void update_pin(Mptsas *s)
{
    pci_set_irq(&s->parent, interrupt_status(s) & ~s->mask && !pci_msi_enabled(&s->parent));
}

/* There is a new @cause. */
static void interrupt(Mptsas *s, uint32_t cause)
{
    if (cause & ~s->mask && pci_msi_enabled(&s->parent)) {
        pci_msi_notify(&s->parent, 0);
    }
    update_pin(s);
}

static void ring_doorbell(Mptsas *s)
{
    s->doorbell_interrupt = true;
    interrupt(s, MPT_INTERRUPT_DOORBELL);
}

/* ---- replies ---- */

/* It has failed, until the driver resets it. */
static void fail(Mptsas *s, uint16_t code)
{
    if (s->ioc_state != MPT_STATE_FAULT) {
        s->ioc_state = MPT_STATE_FAULT;
        s->fault = code;
    }
}

void mptsas_post(Mptsas *s, uint32_t word)
{
    if (s->post_count == MPTSAS_POST_MAX) {
        fail(s, MPT_INSUFFICIENT_RESOURCES);
        return;
    }
    s->posted[(s->post_first + s->post_count++) % MPTSAS_POST_MAX] = word;
    interrupt(s, MPT_INTERRUPT_REPLY);
}

bool mptsas_reply(Mptsas *s, void *frame, size_t size)
{
    MptReply *reply = frame;
    uint32_t low;

    reply->length = (uint8_t)(size / 4);
    if (!s->free_count || s->post_count == MPTSAS_POST_MAX) {
        fail(s, MPT_INSUFFICIENT_RESOURCES);
        return false;
    }
    low = s->free_frames[s->free_first];
    s->free_first = (s->free_first + 1) % MPTSAS_FREE_MAX;
    s->free_count--;
    size = MIN(size, s->reply_size); /* SeaBIOS has 4 bytes */
    if (size && !scsi_hba_write(&s->parent, (uint64_t)s->frames_high << 32 | low, frame, size)) {
        fail(s, MPT_INVALID_FIELD);
        return false;
    }
    mptsas_post(s, low >> 1 | MPT_REPLY_ADDRESS);
    return true;
}

void mptsas_answer(const MptMessage *message, MptReply *reply, size_t size, uint16_t status)
{
    memcpy(reply->own, message->own, sizeof(reply->own));
    reply->length = (uint8_t)(size / 4);
    reply->function = message->function;
    memcpy(reply->more, message->more, sizeof(reply->more));
    reply->flags = message->flags;
    reply->context = message->context;
    reply->status = status;
}

/* ---- addresses ---- */

ScsiDevice *mptsas_target(const Mptsas *s, unsigned phy)
{
    ScsiDevice *other, *dev = scsi_bus_find(s->hba.bus, 0, phy, 0, &other);

    return dev ? dev : other;
}

uint64_t mptsas_address(const Mptsas *s)
{
    const uint64_t local = UINT64_C(0x3) << 60; /* NAA: locally assigned */

    return s->sas_address ? s->sas_address : local | (uint64_t)s->parent.devfn << 16;
}

uint64_t mptsas_target_address(const Mptsas *s, unsigned phy, const ScsiDevice *dev)
{
    if (dev && (dev->unit.port_wwn || dev->unit.wwn)) {
        return dev->unit.port_wwn ? dev->unit.port_wwn : dev->unit.wwn;
    }
    return mptsas_address(s) + 1 + phy;
}

/* ---- messages: bytes of the reply ---- */

static size_t init(Mptsas *s, const MptInit *message, MptReply *reply)
{
    uint16_t status = MPT_SUCCESS;

    if (s->ioc_state != MPT_STATE_READY) {
        status = MPT_INVALID_STATE;
    } else {
        s->who = message->who & 7;
        s->reply_size = message->reply_size;
        s->frames_high = message->frames_high;
        s->sense_high = message->sense_high;
        s->ioc_state = MPT_STATE_OPERATIONAL;
    }
    mptsas_answer((const MptMessage *)(const void *)message, reply, sizeof(*reply), status);
    return sizeof(*reply);
}

static size_t facts(const Mptsas *s, const MptMessage *message, MptFacts *reply)
{
    *reply = (MptFacts){
        .version = 0x0105,
        .length = sizeof(*reply) / 4,
        .function = message->function,
        .context = message->context,
        .chain_depth = 34,
        .who = (uint8_t)s->who,
        .block_size = 8,
        .reply_depth = MPTSAS_DEPTH,
        .request_size = MPTSAS_REQUEST_SIZE / 4,
        .product = 0x2102, /* an initiator of SCSI, for SAS */
        .frames_high = s->frames_high,
        .credits = MPTSAS_DEPTH,
        .ports = 1,
        .event_state = s->events,
        .sense_high = s->sense_high,
        .reply_size = (uint16_t)s->reply_size,
        .max_devices = MPTSAS_PHYS,
        .max_buses = 1,
        .firmware_version = 0x01329200,
    };
    return sizeof(*reply);
}

static size_t port_facts(const MptMessage *message, MptPortFacts *reply)
{
    bool there = message->more[2] == 0;

    *reply = (MptPortFacts){ .type = there ? MPT_PORT_SAS : 0,
                             .max_devices = there ? MPTSAS_PHYS : 0,
                             .id = MPTSAS_PHYS,
                             .protocols = there ? MPT_PORT_INITIATOR : 0 };
    mptsas_answer(message, &reply->reply, sizeof(*reply), there ? MPT_SUCCESS : MPT_INVALID_FIELD);
    return sizeof(*reply);
}

typedef union Reply {
    MptReply reply;
    MptFacts facts;
    MptPortFacts port;
    MptConfigReply config;
    MptEvent event;
    uint8_t bytes[MPTSAS_REPLY];
} Reply;
G_STATIC_ASSERT(sizeof(Reply) == MPTSAS_REPLY);

/* All but SCSI commands and tasks. */
static size_t carry_out(Mptsas *s, const void *words, Reply *reply)
{
    const MptMessage *message = words;

    switch (message->function) {
    case MPT_IOC_INIT:
        return init(s, words, &reply->reply);
    case MPT_IOC_FACTS:
        return facts(s, message, &reply->facts);
    case MPT_PORT_FACTS:
        return port_facts(message, &reply->port);
    case MPT_CONFIG:
        return mptsas_config(s, words, &reply->config);
    case MPT_EVENT_NOTIFICATION:
        return mptsas_event_notification(s, message, &reply->event);
    case MPT_PORT_ENABLE:
    case MPT_EVENT_ACK:
    case MPT_SAS_IO_UNIT_CONTROL:
        mptsas_answer(message, &reply->reply, sizeof(MptReply), MPT_SUCCESS);
        return sizeof(MptReply);
    default:
        mptsas_answer(message, &reply->reply, sizeof(MptReply), MPT_INVALID_FUNCTION);
        return sizeof(MptReply);
    }
}

static void take_frame(Mptsas *s, uint32_t low)
{
    enum { ALIGNMENT = 4 }; /* below that is about how long it is */
    uint64_t at = (uint64_t)s->frames_high << 32 | (low & ~(uint32_t)(ALIGNMENT - 1));
    uint32_t words[MPTSAS_MESSAGE / 4];
    const MptMessage *message = (const void *)words;
    Reply reply = { 0 };
    size_t size;

    if (s->ioc_state != MPT_STATE_OPERATIONAL || !scsi_hba_runs(&s->hba)) {
        return;
    }
    if (!scsi_hba_read(&s->parent, at, words, sizeof(words))) {
        fail(s, MPT_INVALID_FIELD);
        return;
    }
    if (message->function == MPT_SCSI_IO) {
        mptsas_scsi_io(s, at, (const void *)words);
    } else if (message->function == MPT_TASK_MANAGEMENT) {
        mptsas_task(s, (const void *)words);
    } else {
        size = carry_out(s, words, &reply);
        mptsas_reply(s, &reply, size);
    }
}

/* ---- the doorbell ---- */

static void handshake(Mptsas *s)
{
    Reply reply = { 0 };
    size_t size = carry_out(s, s->words, &reply);

    memcpy(s->answer, &reply, sizeof(reply));
    s->halves = (uint32_t)(size / 2);
    s->half = 0;
    ring_doorbell(s);
}

static void reset_ioc(Mptsas *s)
{
    scsi_hba_cancel_all(&s->hba);
    s->ioc_state = MPT_STATE_READY;
    s->who = s->fault = 0;
    s->doorbell_interrupt = false;
    s->expected = s->got = s->halves = s->half = 0;
    s->free_count = s->free_first = s->post_count = s->post_first = 0;
    s->frames_high = s->sense_high = s->reply_size = 0;
    s->events = false;
    mptsas_forget_events(s);
    update_pin(s);
}

static void reset_adapter(Mptsas *s)
{
    reset_ioc(s);
    scsi_hba_reset_units(&s->hba, -1);
    s->mask = MPT_INTERRUPTS;
    s->sequence = 0;
    s->diagnostic = 0;
    s->event_number = s->event_context = 0;
    update_pin(s);
}

static bool is_active(const Mptsas *s)
{
    return s->expected || s->half < s->halves;
}

static void write_doorbell(Mptsas *s, uint32_t value)
{
    if (s->expected) {
        if (s->got < G_N_ELEMENTS(s->words)) {
            s->words[s->got++] = value;
        }
        if (--s->expected == 0) {
            handshake(s);
        }
        return;
    }
    switch (value >> MPT_DOORBELL_FUNCTION_SHIFT) {
    case MPT_IO_UNIT_RESET:
        scsi_hba_reset_units(&s->hba, -1);
        reset_ioc(s);
        break;
    case MPT_UNIT_RESET:
        reset_ioc(s);
        break;
    case MPT_HANDSHAKE:
        memset(s->words, 0, sizeof(s->words));
        s->got = s->halves = s->half = 0;
        s->expected = value >> MPT_DOORBELL_DWORDS_SHIFT & 0xff;
        ring_doorbell(s);
        break;
    default:
        break;
    }
}

static uint32_t read_doorbell(const Mptsas *s)
{
    uint32_t value = s->ioc_state << MPT_DOORBELL_STATE_SHIFT | s->who << MPT_DOORBELL_WHO_SHIFT |
                     (is_active(s) ? MPT_DOORBELL_ACTIVE : 0u);

    if (s->half < s->halves) {
        return value | s->answer[s->half];
    }
    return value | (s->ioc_state == MPT_STATE_FAULT ? s->fault : 0);
}

/* The doorbell's interrupt was seen, and so perhaps a half-word of a reply: after the last one it
 * rings once more. */
static void acknowledge_doorbell(Mptsas *s)
{
    bool seen = s->doorbell_interrupt;

    s->doorbell_interrupt = false;
    if (seen && s->half < s->halves) {
        s->half++;
        ring_doorbell(s);
    }
    update_pin(s);
}

/* ---- other registers ---- */

static uint32_t take_reply(Mptsas *s)
{
    uint32_t word;

    if (!s->post_count) {
        return (uint32_t)MPT_REPLY_NONE;
    }
    word = s->posted[s->post_first];
    s->post_first = (s->post_first + 1) % MPTSAS_POST_MAX;
    s->post_count--;
    update_pin(s);
    return word;
}

static void give_frame(Mptsas *s, uint32_t low)
{
    if (s->free_count == MPTSAS_FREE_MAX) {
        fail(s, MPT_INSUFFICIENT_RESOURCES);
        return;
    }
    s->free_frames[(s->free_first + s->free_count++) % MPTSAS_FREE_MAX] = low;
    mptsas_send_events(s);
}

/* A number of keys, one after the other, allows the driver to write to the diagnostic register. */
static void write_sequence(Mptsas *s, uint32_t value)
{
    uint8_t key = value & 0xf;

    if (s->sequence < sizeof(write_keys) && key == write_keys[s->sequence]) {
        s->sequence++;
    } else {
        s->sequence = key == write_keys[0];
    }
    if (s->sequence == sizeof(write_keys)) {
        s->diagnostic |= MPT_DIAG_WRITE_ENABLE;
    } else {
        s->diagnostic &= ~(uint32_t)MPT_DIAG_WRITE_ENABLE;
    }
}

static void write_diagnostic(Mptsas *s, uint32_t value)
{
    if (!(s->diagnostic & MPT_DIAG_WRITE_ENABLE)) {
        return;
    }
    if (!(value & MPT_DIAG_RESET_HISTORY)) {
        s->diagnostic &= ~(uint32_t)MPT_DIAG_RESET_HISTORY;
    }
    if (value & MPT_DIAG_RESET) {
        reset_adapter(s);
        s->diagnostic = MPT_DIAG_RESET_HISTORY;
    }
}

static uint64_t registers_read(void *opaque, hwaddr addr, unsigned size)
{
    Mptsas *s = opaque;

    switch (addr) {
    case MPT_DOORBELL:
        return read_doorbell(s);
    case MPT_DIAGNOSTIC:
        return s->diagnostic;
    case MPT_INTERRUPT_STATUS:
        return interrupt_status(s);
    case MPT_INTERRUPT_MASK:
        return s->mask;
    case MPT_REPLY_FIFO:
        return take_reply(s);
    default:
        return 0;
    }
}

static void registers_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Mptsas *s = opaque;

    switch (addr) {
    case MPT_DOORBELL:
        write_doorbell(s, (uint32_t)value);
        break;
    case MPT_WRITE_SEQUENCE:
        write_sequence(s, (uint32_t)value);
        break;
    case MPT_DIAGNOSTIC:
        write_diagnostic(s, (uint32_t)value);
        break;
    case MPT_INTERRUPT_STATUS:
        acknowledge_doorbell(s);
        break;
    case MPT_INTERRUPT_MASK:
        s->mask = (uint32_t)value & MPT_INTERRUPTS;
        interrupt(s, interrupt_status(s));
        break;
    case MPT_REQUEST_FIFO:
    case MPT_HIGH_PRIORITY_FIFO:
        take_frame(s, (uint32_t)value);
        break;
    case MPT_REPLY_FIFO:
        give_frame(s, (uint32_t)value);
        break;
    default:
        break;
    }
}

static const MemoryRegionOps register_ops = { registers_read, registers_write, 4, 4 };

/* What is behind the third BAR is the firmware's. */
static uint64_t diag_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

static void diag_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
}

static const MemoryRegionOps diag_ops = { diag_read, diag_write, 1, 8 };

/* ---- life ---- */

/* A target is there from its first unit to its last. */
static void plugged(ScsiBus *bus, ScsiDevice *dev)
{
    Mptsas *s = MPTSAS(bus->card);

    for (unsigned i = 0; i < bus->units->len; i++) {
        const ScsiDevice *other = bus->units->pdata[i];

        if (other != dev && other->target == dev->target) {
            return;
        }
    }
    mptsas_target_changed(s, dev->target, true);
}

static void unplugged(ScsiBus *bus, ScsiDevice *dev)
{
    Mptsas *s = MPTSAS(bus->card);

    if (!mptsas_target(s, dev->target)) {
        mptsas_target_changed(s, dev->target, false);
    }
}

static void run(ScsiHba *hba)
{
    mptsas_send_events(MPTSAS(hba->dev));
}

static const ScsiHbaOps hba_ops = {
    .bus = { scsi_hba_bus_enter, scsi_hba_bus_leave, plugged, unplugged, NULL },
    .frame = sizeof(MptsasFrame),
    .done = mptsas_scsi_done,
    .again = mptsas_scsi_again,
    .run = run,
};

static bool mptsas_realize(PciDevice *dev, GError **errp)
{
    Mptsas *s = MPTSAS(dev);

    if (!scsi_hba_realize(&s->hba, dev, &hba_ops, 0, MPTSAS_PHYS - 1, MAX_LUN, errp)) {
        return false;
    }
    memory_region_init_io(&s->io, &register_ops, s, "mptsas-io", IO_SIZE);
    memory_region_init_io(&s->mmio, &register_ops, s, "mptsas", MMIO_SIZE);
    memory_region_init_io(&s->diag, &diag_ops, s, "mptsas-diag", DIAG_SIZE);
    pci_add_bar(dev, 0, PCI_BAR_IO, &s->io);
    pci_add_bar(dev, 1, 0, &s->mmio);
    pci_add_bar(dev, 2, 0, &s->diag);
    pci_add_msi(dev, 1);
    return true;
}

static void mptsas_unrealize(PciDevice *dev)
{
    Mptsas *s = MPTSAS(dev);

    scsi_hba_unrealize(&s->hba);
    memory_region_destroy(&s->io);
    memory_region_destroy(&s->mmio);
    memory_region_destroy(&s->diag);
}

static void mptsas_reset(PciDevice *dev)
{
    reset_adapter(MPTSAS(dev));
}

/* The level of the interrupt line is the function's state. */
static void mptsas_loaded(PciDevice *dev)
{
}

/* It may be a bus master now, or its interrupts messages. */
static void mptsas_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    Mptsas *s = MPTSAS(dev);

    if (pci_touches(offset, size, PCI_COMMAND, 2)) {
        mptsas_send_events(s);
    }
    update_pin(s);
}

/* ---- state ---- */

static bool check_state(void *obj, GError **errp)
{
    const Mptsas *s = obj;

    if (s->ioc_state != MPT_STATE_READY && s->ioc_state != MPT_STATE_OPERATIONAL &&
        s->ioc_state != MPT_STATE_FAULT) {
        error_set(errp, "state %u of the adapter, which there is not", s->ioc_state);
        return false;
    }
    if (s->half > s->halves || (s->expected && s->halves)) {
        error_set(errp, "half-word %u of %u of a reply, and %u words to come", s->half, s->halves,
                  s->expected);
        return false;
    }
    return true;
}

static const StateField fields[] = {
    STATE_STRUCT(Mptsas, parent, &pci_device_state),
    STATE_STRUCT(Mptsas, hba, &scsi_hba_state),
    STATE_UINT_MAX(Mptsas, ioc_state, MPT_STATE_FAULT),
    STATE_UINT_MAX(Mptsas, who, 7),
    STATE_UINT_MAX(Mptsas, fault, 0xffff),
    STATE_UINT_MAX(Mptsas, mask, MPT_INTERRUPTS),
    STATE_UINT_MAX(Mptsas, sequence, sizeof(write_keys)),
    STATE_UINT(Mptsas, diagnostic),
    STATE_BOOL(Mptsas, doorbell_interrupt),
    STATE_UINT_MAX(Mptsas, expected, 0xff),
    STATE_UINT_MAX(Mptsas, got, MPTSAS_MESSAGE / 4),
    STATE_UINTS(Mptsas, words),
    STATE_UINT_MAX(Mptsas, halves, MPTSAS_REPLY / 2),
    STATE_UINT_MAX(Mptsas, half, MPTSAS_REPLY / 2),
    STATE_UINTS(Mptsas, answer),
    STATE_UINT_MAX(Mptsas, free_count, MPTSAS_FREE_MAX),
    STATE_UINT_MAX(Mptsas, free_first, MPTSAS_FREE_MAX - 1),
    STATE_UINT_MAX(Mptsas, post_count, MPTSAS_POST_MAX),
    STATE_UINT_MAX(Mptsas, post_first, MPTSAS_POST_MAX - 1),
    STATE_UINTS(Mptsas, free_frames),
    STATE_UINTS(Mptsas, posted),
    STATE_UINT(Mptsas, frames_high),
    STATE_UINT(Mptsas, sense_high),
    STATE_UINT_MAX(Mptsas, reply_size, 0xffff),
    STATE_BOOL(Mptsas, events),
    STATE_BOOL(Mptsas, discovery),
    STATE_UINT(Mptsas, event_context),
    STATE_UINT(Mptsas, event_number),
    STATE_UINT_MAX(Mptsas, gone, 0xff),
    STATE_UINT_MAX(Mptsas, gone_link, 0xff),
    STATE_UINT_MAX(Mptsas, come, 0xff),
    STATE_UINT_MAX(Mptsas, come_link, 0xff),
    {},
};
static const StateTable mptsas_state = {
    .name = "mptsas1068", .version = 1, .fields = fields, .post_load = check_state
};

/* ---- the type ---- */

static const PciRegister pci_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1000 },
    { PCI_DEVICE_ID, 2, 0x0054 },
    { PCI_COMMAND, 2, 0,
      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR |
          PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
    { PCI_CLASS_DEVICE, 2, 0x0100 }, /* SCSI */
    { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, 0x1000 },
    { PCI_SUBSYSTEM_ID, 2, 0x8000 },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
};

static void mptsas_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), pci_registers, G_N_ELEMENTS(pci_registers));
}

static const PciFunctionClass mptsas_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "storage",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &mptsas_state },
    .realize = mptsas_realize,
    .unrealize = mptsas_unrealize,
    .reset = mptsas_reset,
    .loaded = mptsas_loaded,
    .config_written = mptsas_config_written,
};

static const Property mptsas_properties[] = {
    { .name = "sas_address",
      .kind = PROP_UINT64,
      .offset = offsetof(Mptsas, sas_address),
      .has_default = true,
      .description =
          "of the adapter; its targets' follow, if they have no wwn= (0: by its place)" },
    { 0 },
};

static const ObjectType mptsas_type = {
    .name = "mptsas1068",
    .parent = TYPE_PCI_DEVICE,
    .description = "LSI SAS 1068 adapter",
    .instance_size = sizeof(Mptsas),
    .properties = mptsas_properties,
    .ops = &mptsas_ops,
    .init = mptsas_init,
};
OBJECT_TYPE_REGISTER(mptsas_type)
