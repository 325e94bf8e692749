/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pvscsi: VMware's paravirtual SCSI adapter. The driver gives it a page of ring states, a ring of
 * requests, one of completions and perhaps one of messages, by commands that it writes a word at a
 * time; a write to a kick register lets it look at the ring of requests.
 *
 * A request is started only while the ring of completions has room for it and for all that are
 * under way. Machine lock for everything.
 */
#include <string.h>

#include "hw/pci/pci-cap.h"
#include "hw/hba/pvscsi-regs.h"
#include "hw/hba/scsi-hba.h"
#include "util/error.h"

#define TYPE_PVSCSI "pvscsi"

enum { MAX_TARGET = 63, MAX_PIECES = 4096 };

typedef struct Pvscsi {
    PciDevice parent;
    ScsiHba hba;
    uint32_t command, words; /* the last one; data that were written to it */
    uint32_t data[PVSCSI_DATA_WORDS];
    uint32_t command_status, interrupt_status, interrupt_mask;
    /* rings; no pages: there are none */
    uint32_t request_pages, completion_pages, message_pages;
    uint64_t state_page;
    uint64_t request_page[PVSCSI_RING_PAGES], completion_page[PVSCSI_RING_PAGES];
    uint64_t message_page[PVSCSI_MESSAGE_PAGES];
    uint32_t consumed, completed, told; /* indices: what the device has done */
    /* configuration */
    bool use_msg;
    /* wiring */
    MemoryRegion registers;
} Pvscsi;
OBJECT_CAST_DEFINE(Pvscsi, PVSCSI, TYPE_PVSCSI)

static Pvscsi *pvscsi_of(const ScsiHba *hba)
{
    return PVSCSI(hba->dev);
}

/* ---- interrupts ---- */

static void update_pin(Pvscsi *s)
{
    pci_set_irq(&s->parent,
                s->interrupt_status & s->interrupt_mask && !pci_msi_enabled(&s->parent));
}

static void interrupt(Pvscsi *s, uint32_t cause)
{
    s->interrupt_status |= cause;
    if (s->interrupt_mask & cause && pci_msi_enabled(&s->parent)) {
        pci_msi_notify(&s->parent, 0);
    }
    update_pin(s);
}

/* ---- rings ---- */

/* The logarithm of the entries of @pages that have @each: enough for all, and no more than twice
 * that, whose pages the driver has to say, too. */
static uint32_t entries_log2(uint32_t pages, uint32_t each)
{
    uint32_t log = 0;

    while (1u << log < pages * each) {
        log++;
    }
    return log;
}

static uint32_t request_log2(const Pvscsi *s)
{
    return entries_log2(s->request_pages, PVSCSI_PAGE / sizeof(PvscsiRequest));
}

static uint32_t completion_log2(const Pvscsi *s)
{
    return entries_log2(s->completion_pages, PVSCSI_PAGE / sizeof(PvscsiCompletion));
}

static uint32_t message_log2(const Pvscsi *s)
{
    return entries_log2(s->message_pages, PVSCSI_PAGE / sizeof(PvscsiMessage));
}

/* Where entry @index of a ring is. */
static hwaddr entry_at(const uint64_t *pages, uint32_t index, uint32_t log, uint32_t size)
{
    uint32_t at = (index & ((1u << log) - 1)) * size;

    return pages[at / PVSCSI_PAGE] * PVSCSI_PAGE + at % PVSCSI_PAGE;
}

#define RING_READ(s, member, value)                                                                \
    scsi_hba_read(&(s)->parent, (s)->state_page *PVSCSI_PAGE + offsetof(PvscsiRingsState, member), \
                  value, sizeof(*(value)))
#define RING_WRITE(s, member, value)                                                         \
    scsi_hba_write(&(s)->parent,                                                             \
                   (s)->state_page *PVSCSI_PAGE + offsetof(PvscsiRingsState, member), value, \
                   sizeof(*(value)))

/* ---- completions ---- */

static void complete(Pvscsi *s, const PvscsiCompletion *completion)
{
    hwaddr at = entry_at(s->completion_page, s->completed, completion_log2(s), sizeof(*completion));

    if (scsi_hba_write(&s->parent, at, completion, sizeof(*completion))) {
        s->completed++;
        RING_WRITE(s, completion_producer, &s->completed);
        interrupt(s, PVSCSI_INTERRUPT_COMPLETION);
    }
}

static void fail(Pvscsi *s, uint64_t context, uint16_t host_status)
{
    const PvscsiCompletion completion = { .context = context, .host_status = host_status };

    complete(s, &completion);
}

static void done(ScsiHba *hba, ScsiHbaRequest *r)
{
    static const uint16_t host_status[] = {
        [SCSI_HBA_ENDED] = PVSCSI_HOST_OK,
        [SCSI_HBA_CANCELLED] = PVSCSI_HOST_ABORTED,
        [SCSI_HBA_OVERRUN] = PVSCSI_HOST_OVERRUN,
        [SCSI_HBA_BAD_MEMORY] = PVSCSI_HOST_BAD_REQUEST,
        [SCSI_HBA_NO_DEVICE] = PVSCSI_HOST_NO_TARGET,
    };
    Pvscsi *s = pvscsi_of(hba);
    PvscsiCompletion completion = { .moved = r->moved, .host_status = host_status[r->end] };
    PvscsiRequest request;

    memcpy(&request, r->frame, sizeof(request));
    completion.context = request.context;
    completion.status = r->end == SCSI_HBA_ENDED ? r->scsi.status : SCSI_GOOD;
    if (completion.status == SCSI_CHECK_CONDITION && request.sense_size) {
        uint8_t sense[SCSI_SENSE_BYTES];
        uint32_t size = MIN(request.sense_size, sizeof(sense));

        scsi_sense_data(r->scsi.sense, sense);
        completion.sense_size = scsi_hba_write(&s->parent, request.sense, sense, size) ? size : 0;
    }
    complete(s, &completion);
    if (!hba->running.length) {
        scsi_hba_run_later(hba); /* there may be requests that had to wait */
    }
}

/* ---- requests ---- */

/* Where the data are, by a list that may be anything. */
static bool add_list(ScsiHbaRequest *r, const PvscsiRequest *request)
{
    hwaddr at = request->data;
    unsigned count = 0;

    while (r->room < request->data_size) {
        PvscsiPiece piece;

        if (count++ == MAX_PIECES || !scsi_hba_read(r->hba->dev, at, &piece, sizeof(piece))) {
            return false;
        }
        if (piece.flags & PVSCSI_PIECE_CHAIN) {
            at = piece.address;
            continue;
        }
        if (!scsi_hba_add_piece(r, piece.address, MIN(piece.size, request->data_size - r->room))) {
            return false;
        }
        at += sizeof(piece);
    }
    return true;
}

static void start(ScsiHba *hba, const void *frame)
{
    Pvscsi *s = pvscsi_of(hba);
    PvscsiRequest request;
    ScsiHbaRequest *r;

    memcpy(&request, frame, sizeof(request));
    r = scsi_hba_request(hba, frame);
    if (request.flags & PVSCSI_REQUEST_OTHER_CDB || request.cdb_size > sizeof(request.cdb) ||
        !(request.flags & PVSCSI_REQUEST_LIST
              ? add_list(r, &request)
              : scsi_hba_add_piece(r, request.data, request.data_size))) {
        scsi_hba_drop(r);
        fail(s, request.context, PVSCSI_HOST_BAD_REQUEST);
        return;
    }
    scsi_hba_start(r, request.bus, request.target, request.lun[1], request.cdb,
                   sizeof(request.cdb));
}

/* Is there a place for one more completion? */
static bool has_room(const Pvscsi *s)
{
    uint32_t consumer, used;

    if (!RING_READ(s, completion_consumer, &consumer)) {
        return false;
    }
    used = s->completed - consumer;
    return used < 1u << completion_log2(s) &&
           scsi_hba_pending(&s->hba) < (1u << completion_log2(s)) - used;
}

/* Look at the ring of requests; one turn takes no more than it has. */
static void run(ScsiHba *hba)
{
    Pvscsi *s = pvscsi_of(hba);
    uint32_t producer, left = 1u << request_log2(s);

    while (s->request_pages && scsi_hba_runs(hba) && RING_READ(s, request_producer, &producer) &&
           producer != s->consumed && producer - s->consumed <= 1u << request_log2(s) &&
           has_room(s)) {
        hwaddr at = entry_at(s->request_page, s->consumed, request_log2(s), sizeof(PvscsiRequest));
        PvscsiRequest request;

        if (!left--) {
            scsi_hba_run_later(hba);
            return;
        }
        if (!scsi_hba_read(&s->parent, at, &request, sizeof(request))) {
            return;
        }
        s->consumed++;
        RING_WRITE(s, request_consumer, &s->consumed);
        start(hba, &request);
    }
}

/* ---- messages ---- */

static void tell(ScsiBus *bus, const ScsiDevice *dev, uint32_t type)
{
    Pvscsi *s = PVSCSI(bus->card);
    PvscsiMessage message = { .type = type, .bus = dev->channel, .target = dev->target };
    uint32_t consumer;

    message.lun[1] = (uint8_t)dev->lun;
    if (s->message_pages && pci_can_dma(&s->parent) && RING_READ(s, message_consumer, &consumer) &&
        s->told - consumer < 1u << message_log2(s) &&
        scsi_hba_write(&s->parent,
                       entry_at(s->message_page, s->told, message_log2(s), sizeof(message)),
                       &message, sizeof(message))) {
        s->told++;
        RING_WRITE(s, message_producer, &s->told);
        interrupt(s, PVSCSI_INTERRUPT_MESSAGE);
    }
}

static void plugged(ScsiBus *bus, ScsiDevice *dev)
{
    tell(bus, dev, PVSCSI_MESSAGE_ADDED);
}

static void unplugged(ScsiBus *bus, ScsiDevice *dev)
{
    tell(bus, dev, PVSCSI_MESSAGE_REMOVED);
}

/* ---- commands ---- */

static void reset_adapter(Pvscsi *s)
{
    scsi_hba_cancel_all(&s->hba);
    scsi_hba_reset_units(&s->hba, -1);
    s->command = s->words = 0;
    s->command_status = PVSCSI_SUCCEEDED;
    s->interrupt_status = s->interrupt_mask = 0;
    s->request_pages = s->completion_pages = s->message_pages = 0;
    s->consumed = s->completed = s->told = 0;
    update_pin(s);
}

static uint32_t command_reset(Pvscsi *s)
{
    reset_adapter(s);
    return PVSCSI_SUCCEEDED;
}

static uint32_t command_setup_rings(Pvscsi *s)
{
    PvscsiSetupRings rings;
    const uint32_t zero = 0;
    uint32_t log;

    memcpy(&rings, s->data, sizeof(rings));
    if (!rings.request_pages || rings.request_pages > PVSCSI_RING_PAGES ||
        !rings.completion_pages || rings.completion_pages > PVSCSI_RING_PAGES) {
        return PVSCSI_FAILED;
    }
    scsi_hba_cancel_all(&s->hba);
    s->request_pages = rings.request_pages;
    s->completion_pages = rings.completion_pages;
    s->state_page = rings.state;
    memcpy(s->request_page, rings.requests, sizeof(s->request_page));
    memcpy(s->completion_page, rings.completions, sizeof(s->completion_page));
    s->consumed = s->completed = 0;
    RING_WRITE(s, request_producer, &zero);
    RING_WRITE(s, request_consumer, &zero);
    RING_WRITE(s, completion_producer, &zero);
    RING_WRITE(s, completion_consumer, &zero);
    log = request_log2(s);
    RING_WRITE(s, request_entries, &log);
    log = completion_log2(s);
    RING_WRITE(s, completion_entries, &log);
    return PVSCSI_SUCCEEDED;
}

/* In the page of states that the other rings have. */
static uint32_t command_setup_messages(Pvscsi *s)
{
    PvscsiSetupMessages ring;
    const uint32_t zero = 0;
    uint32_t log;

    memcpy(&ring, s->data, sizeof(ring));
    if (!s->use_msg || !s->request_pages || !ring.pages || ring.pages > PVSCSI_MESSAGE_PAGES) {
        return PVSCSI_FAILED;
    }
    s->message_pages = ring.pages;
    memcpy(s->message_page, ring.messages, sizeof(s->message_page));
    s->told = 0;
    RING_WRITE(s, message_producer, &zero);
    RING_WRITE(s, message_consumer, &zero);
    log = message_log2(s);
    RING_WRITE(s, message_entries, &log);
    return PVSCSI_SUCCEEDED;
}

typedef struct Match {
    bool by_context;
    uint64_t value; /* context or target */
} Match;

static bool matches(const void *frame, const void *what)
{
    const Match *match = what;
    PvscsiRequest request;

    memcpy(&request, frame, sizeof(request));
    return match->by_context ? request.context == match->value : request.target == match->value;
}

/* Requests that were kept are answered at once, as they are not under way. */
static void cancel(Pvscsi *s, const Match *match)
{
    g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < s->hba.kept->len; i++) {
        if (matches(s->hba.kept->pdata[i], match)) {
            g_ptr_array_add(kept, g_memdup2(s->hba.kept->pdata[i], sizeof(PvscsiRequest)));
        }
    }
    scsi_hba_cancel(&s->hba, matches, match);
    for (guint i = 0; i < kept->len; i++) {
        PvscsiRequest request;

        memcpy(&request, kept->pdata[i], sizeof(request));
        fail(s, request.context, PVSCSI_HOST_ABORTED);
    }
}

/* What is under way has ended when a reset is through. */
static uint32_t command_reset_bus(Pvscsi *s)
{
    for (unsigned target = 0; target <= MAX_TARGET; target++) {
        cancel(s, &(Match){ false, target });
    }
    scsi_bus_drain(s->hba.bus);
    scsi_hba_reset_units(&s->hba, -1);
    return PVSCSI_SUCCEEDED;
}

static uint32_t command_reset_device(Pvscsi *s)
{
    PvscsiResetDevice reset;
    ScsiDevice *other;

    memcpy(&reset, s->data, sizeof(reset));
    if (reset.target > MAX_TARGET ||
        (!scsi_bus_find(s->hba.bus, 0, reset.target, 0, &other) && !other)) {
        return PVSCSI_FAILED;
    }
    cancel(s, &(Match){ false, reset.target });
    scsi_bus_drain(s->hba.bus);
    scsi_hba_reset_units(&s->hba, (int)reset.target);
    return PVSCSI_SUCCEEDED;
}

static uint32_t command_abort(Pvscsi *s)
{
    PvscsiAbort abort;

    memcpy(&abort, s->data, sizeof(abort));
    cancel(s, &(Match){ true, abort.context });
    return PVSCSI_SUCCEEDED;
}

/* There are no pages of configuration: drivers do without. */
static uint32_t command_config(Pvscsi *s)
{
    return PVSCSI_FAILED;
}

static const struct {
    uint32_t (*run)(Pvscsi *s);
    uint32_t words; /* of data */
} commands[PVSCSI_COMMANDS] = {
    [PVSCSI_ADAPTER_RESET] = { command_reset },
    [PVSCSI_SETUP_RINGS] = { command_setup_rings, sizeof(PvscsiSetupRings) / 4 },
    [PVSCSI_RESET_BUS] = { command_reset_bus },
    [PVSCSI_RESET_DEVICE] = { command_reset_device, sizeof(PvscsiResetDevice) / 4 },
    [PVSCSI_ABORT] = { command_abort, sizeof(PvscsiAbort) / 4 },
    [PVSCSI_CONFIG] = { command_config, sizeof(PvscsiConfig) / 4 },
    [PVSCSI_SETUP_MESSAGES] = { command_setup_messages, sizeof(PvscsiSetupMessages) / 4 },
};

static void try_command(Pvscsi *s)
{
    if (s->command >= PVSCSI_COMMANDS || !commands[s->command].run ||
        (s->command == PVSCSI_SETUP_MESSAGES && !s->use_msg)) {
        s->command = 0;
        s->command_status = PVSCSI_FAILED;
    } else if (s->words < commands[s->command].words) {
        s->command_status = PVSCSI_MORE_DATA;
    } else {
        uint32_t command = s->command;

        s->command = s->words = 0;
        s->command_status = commands[command].run(s);
    }
}

static void write_data(Pvscsi *s, uint32_t word)
{
    if (s->command) {
        s->data[s->words++] = word;
        try_command(s);
    }
}

/* ---- registers ---- */

static uint64_t registers_read(void *opaque, hwaddr addr, unsigned size)
{
    const Pvscsi *s = opaque;

    switch (addr) {
    case PVSCSI_COMMAND_STATUS:
        return s->command_status;
    case PVSCSI_INTERRUPT_STATUS:
        return s->interrupt_status;
    case PVSCSI_INTERRUPT_MASK:
        return s->interrupt_mask;
    default:
        return 0;
    }
}

static void registers_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Pvscsi *s = opaque;

    switch (addr) {
    case PVSCSI_COMMAND:
        s->command = (uint32_t)value;
        s->words = 0;
        try_command(s);
        break;
    case PVSCSI_COMMAND_DATA:
        write_data(s, (uint32_t)value);
        break;
    case PVSCSI_INTERRUPT_STATUS:
        s->interrupt_status &= ~(uint32_t)value;
        update_pin(s);
        break;
    case PVSCSI_INTERRUPT_MASK:
        s->interrupt_mask = (uint32_t)value & PVSCSI_INTERRUPTS;
        update_pin(s);
        break;
    case PVSCSI_KICK_OTHER:
    case PVSCSI_KICK_RW:
        run(&s->hba);
        break;
    default:
        break;
    }
}

static const MemoryRegionOps register_ops = { registers_read, registers_write, 4, 4 };

/* ---- life ---- */

static const ScsiHbaOps hba_ops = {
    .bus = { scsi_hba_bus_enter, scsi_hba_bus_leave, plugged, unplugged, NULL },
    .frame = sizeof(PvscsiRequest),
    .done = done,
    .again = start,
    .run = run,
};

static bool pvscsi_realize(PciDevice *dev, GError **errp)
{
    Pvscsi *s = PVSCSI(dev);
    const PciBus *bus = pci_bus_of(dev);

    if (!scsi_hba_realize(&s->hba, dev, &hba_ops, 0, MAX_TARGET, 0, errp)) {
        return false;
    }
    memory_region_init_io(&s->registers, &register_ops, s, TYPE_PVSCSI, PVSCSI_REGISTERS);
    pci_add_bar(dev, 0, 0, &s->registers);
    pci_add_msi_unmasked(dev, 1);
    if (pci_bus_is_express(bus)) {
        pci_add_express(dev, bus->bridge ? PCIE_ENDPOINT : PCIE_INTEGRATED_ENDPOINT, 0);
    }
    return true;
}

static void pvscsi_unrealize(PciDevice *dev)
{
    Pvscsi *s = PVSCSI(dev);

    scsi_hba_unrealize(&s->hba);
    memory_region_destroy(&s->registers);
}

static void pvscsi_reset(PciDevice *dev)
{
    reset_adapter(PVSCSI(dev));
}

/* The level of the interrupt line is the function's state. */
static void pvscsi_loaded(PciDevice *dev)
{
}

/* It may be a bus master now, or its interrupts messages. */
static void pvscsi_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    Pvscsi *s = PVSCSI(dev);

    if (pci_touches(offset, size, PCI_COMMAND, 2)) {
        run(&s->hba);
    }
    update_pin(s);
}

static bool check_state(void *obj, GError **errp)
{
    const Pvscsi *s = obj;

    if (s->command >= PVSCSI_COMMANDS ||
        (s->command && s->words >= MAX(commands[s->command].words, 1u))) {
        error_set(errp, "command %u has %u words of data", s->command, s->words);
        return false;
    }
    if (!s->request_pages != !s->completion_pages ||
        (!s->request_pages && (s->message_pages || s->hba.kept->len))) {
        error_set(errp, "rings of %u and %u pages do not go together", s->request_pages,
                  s->completion_pages);
        return false;
    }
    return true;
}

static const StateField pvscsi_fields[] = {
    STATE_STRUCT(Pvscsi, parent, &pci_device_state),
    STATE_STRUCT(Pvscsi, hba, &scsi_hba_state),
    STATE_UINT(Pvscsi, command),
    STATE_UINT_MAX(Pvscsi, words, PVSCSI_DATA_WORDS),
    STATE_UINTS(Pvscsi, data),
    STATE_UINT(Pvscsi, command_status),
    STATE_UINT_MAX(Pvscsi, interrupt_status, PVSCSI_INTERRUPTS),
    STATE_UINT_MAX(Pvscsi, interrupt_mask, PVSCSI_INTERRUPTS),
    STATE_UINT_MAX(Pvscsi, request_pages, PVSCSI_RING_PAGES),
    STATE_UINT_MAX(Pvscsi, completion_pages, PVSCSI_RING_PAGES),
    STATE_UINT_MAX(Pvscsi, message_pages, PVSCSI_MESSAGE_PAGES),
    STATE_UINT(Pvscsi, state_page),
    STATE_UINTS(Pvscsi, request_page),
    STATE_UINTS(Pvscsi, completion_page),
    STATE_UINTS(Pvscsi, message_page),
    STATE_UINT(Pvscsi, consumed),
    STATE_UINT(Pvscsi, completed),
    STATE_UINT(Pvscsi, told),
    {},
};
static const StateTable pvscsi_state = {
    .name = TYPE_PVSCSI, .version = 1, .fields = pvscsi_fields, .post_load = check_state
};

/* ---- the type ---- */

static const PciRegister pci_registers[] = {
    { PCI_VENDOR_ID, 2, 0x15ad },
    { PCI_DEVICE_ID, 2, 0x07c0 },
    { PCI_COMMAND, 2, 0,
      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR |
          PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
    { PCI_REVISION_ID, 1, 2 },
    { PCI_CLASS_DEVICE, 2, 0x0100 }, /* SCSI */
    { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
    { PCI_LATENCY_TIMER, 1, 0xff },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, 0x15ad },
    { PCI_SUBSYSTEM_ID, 2, 0x07c0 },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
};

static void pvscsi_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), pci_registers, G_N_ELEMENTS(pci_registers));
}

static const PciFunctionClass pvscsi_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "storage",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &pvscsi_state },
    .realize = pvscsi_realize,
    .unrealize = pvscsi_unrealize,
    .reset = pvscsi_reset,
    .loaded = pvscsi_loaded,
    .config_written = pvscsi_config_written,
};

static const Property pvscsi_properties[] = {
    { .name = "use_msg",
      .kind = PROP_BOOL,
      .offset = offsetof(Pvscsi, use_msg),
      .has_default = true,
      .default_int = true,
      .description = "the driver is told of disks that come and go" },
    { 0 },
};

static const ObjectType pvscsi_type = {
    .name = TYPE_PVSCSI,
    .parent = TYPE_PCI_DEVICE,
    .description = "VMware's paravirtual SCSI adapter",
    .instance_size = sizeof(Pvscsi),
    .properties = pvscsi_properties,
    .ops = &pvscsi_ops,
    .init = pvscsi_init,
};
OBJECT_TYPE_REGISTER(pvscsi_type)
