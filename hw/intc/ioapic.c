/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/intc/ioapic.h"

#include <inttypes.h>
#include <string.h>

#include "accel/accel.h"
#include "hw/core/irq-lines.h"
#include "hw/intc/apic.h"

enum {
    REGSEL = 0x00,
    WINDOW = 0x10,
    EOI = 0x40,
};

enum {
    INDEX_ID = 0x00,
    INDEX_VERSION = 0x01,
    INDEX_ARBITRATION = 0x02,
    INDEX_REDIRECTION = 0x10, /* two a pin */
};

/* Where a PC's interrupt 0 comes in (ACPI 6.4, 5.2.12.5; see the MADT). */
#define TIMER_PIN 2

#define VERSION (0x20u | (IOAPIC_PINS - 1) << 16)

/* Redirection entries (82093AA data sheet section 3.2.4). */
#define RTE_MODE_SHIFT 8
#define RTE_LOGICAL    (1ull << 11)
#define RTE_ACTIVE_LOW (1ull << 13)
#define RTE_REMOTE_IRR (1ull << 14)
#define RTE_LEVEL      (1ull << 15)
#define RTE_MASKED     (1ull << 16)
#define RTE_DEST_SHIFT 56
#define RTE_WRITABLE   0xff0000000001afffull
#define RTE_REMAPPED   0x00ff000000000000ull /* with an IOMMU: more of the new format's index */

G_STATIC_ASSERT(IOAPIC_PINS == ACCEL_IOAPIC_PINS);

struct Ioapic {
    Device parent;
    uint8_t select, id;
    uint32_t lines;               /* levels of the pins */
    uint64_t counts[IOAPIC_PINS]; /* rising edges */
    uint64_t rte[IOAPIC_PINS];
    /* wiring */
    Irq in[IOAPIC_PINS];
    MemoryRegion region;
    void (*taken)(void *opaque); /* ioapic_on_timer_taken() */
    void *taken_opaque;
    IoapicRemap *remap; /* ioapic_set_remap() */
    void *remap_opaque;
};

static ApicMessage ioapic_message(uint64_t rte)
{
    return (ApicMessage){
        .dest = rte >> RTE_DEST_SHIFT,
        .logical = rte & RTE_LOGICAL,
        .level = rte & RTE_LEVEL,
        .mode = rte >> RTE_MODE_SHIFT & 7,
        .vector = rte & 0xff,
    };
}

/* What really goes to the APICs; false: nothing. */
static bool ioapic_remapped(const Ioapic *s, uint64_t rte, ApicMessage *msg, bool tell)
{
    *msg = ioapic_message(rte);
    return !s->remap || s->remap(s->remap_opaque, rte, msg, tell);
}

static bool ioapic_send(const Ioapic *s, uint64_t rte)
{
    ApicMessage msg;

    return ioapic_remapped(s, rte, &msg, true) && apic_deliver(&msg);
}

/* An engine with local APICs needs to know of which vectors it is to tell the EOI. A masked pin
 * keeps its route: its interrupt may be in service. */
static void ioapic_set_route(const Ioapic *s, unsigned pin)
{
    const AccelApicOps *apics = accel_apics();
    ApicMessage msg;
    uint64_t addr;
    uint32_t data;

    if (apics && apics->set_route && ioapic_remapped(s, s->rte[pin], &msg, false)) {
        apic_message_to_msi(&msg, &addr, &data);
        apics->set_route(pin, addr, data);
    }
}

static void ioapic_update_route(const Ioapic *s, unsigned pin)
{
    if (!(s->rte[pin] & RTE_MASKED)) {
        ioapic_set_route(s, pin);
    }
}

/* Send a level-triggered pin's interrupt if it is asserted and none is on its way. */
static void ioapic_service_level(Ioapic *s, unsigned pin)
{
    uint64_t *rte = &s->rte[pin];

    if (!(*rte & RTE_LEVEL) || *rte & (RTE_MASKED | RTE_REMOTE_IRR) || !(s->lines >> pin & 1)) {
        return;
    }
    /* Set first: an APIC that is quick with its EOI must find it. */
    *rte |= RTE_REMOTE_IRR;
    if (!ioapic_send(s, *rte)) {
        *rte &= ~RTE_REMOTE_IRR;
    }
}

/* Our registers become the engine's, if it has an I/O APIC: then ours has only the levels of the
 * pins. */
static void ioapic_fetch(Ioapic *s)
{
    AccelIoapic regs;

    if (!accel_chips()) {
        return;
    }
    accel_chips()->get_ioapic(&regs);
    s->select = regs.select;
    s->id = regs.id;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        s->rte[pin] = regs.rte[pin] & (RTE_WRITABLE | RTE_REMOTE_IRR);
    }
}

static void ioapic_store(const Ioapic *s)
{
    AccelIoapic regs = { .select = s->select, .id = s->id, .lines = s->lines };

    memcpy(regs.rte, s->rte, sizeof(regs.rte));
    accel_chips()->set_ioapic(&regs);
}

static void ioapic_set_irq(void *opaque, int n, int level)
{
    Ioapic *s = opaque;
    uint32_t bit = 1u << n;
    bool rising = level && !(s->lines & bit);

    s->counts[n] += rising;
    s->lines = level ? s->lines | bit : s->lines & ~bit;
    if (accel_chips()) {
        accel_chips()->set_ioapic_pin(n, level);
    } else if (s->rte[n] & RTE_LEVEL) {
        ioapic_service_level(s, n);
    } else if (rising && !(s->rte[n] & RTE_MASKED)) {
        /* An edge at a masked pin is not held. */
        ioapic_send(s, s->rte[n]);
    }
}

Irq ioapic_irq(Ioapic *s, unsigned n)
{
    return n < IOAPIC_PINS ? irq_through(&s->in[n]) : (Irq){ 0 };
}

/* A local APIC ended a level-triggered interrupt with @vector. */
static void ioapic_eoi(Ioapic *s, uint8_t vector)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t *rte = &s->rte[pin];

        if (*rte & RTE_REMOTE_IRR && (*rte & 0xff) == vector) {
            *rte &= ~RTE_REMOTE_IRR;
            ioapic_service_level(s, pin);
        }
    }
}

static void ioapic_apic_eoi(void *opaque, uint8_t vector)
{
    ioapic_eoi(opaque, vector);
}

void ioapic_on_timer_taken(Ioapic *s, void (*fn)(void *opaque), void *opaque)
{
    s->taken = fn;
    s->taken_opaque = opaque;
}

void ioapic_set_remap(Ioapic *s, IoapicRemap *remap, void *opaque)
{
    s->remap = remap;
    s->remap_opaque = opaque;
    ioapic_remap_changed(s);
}

void ioapic_remap_changed(Ioapic *s)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS && !accel_chips(); pin++) {
        ioapic_update_route(s, pin);
    }
}

bool ioapic_hears_timer(const Ioapic *s)
{
    return !(s->rte[TIMER_PIN] & RTE_MASKED);
}

/* A CPU took an interrupt with @vector. */
static void ioapic_apic_taken(void *opaque, uint8_t vector)
{
    const Ioapic *s = opaque;
    ApicMessage msg;

    if (s->taken && ioapic_hears_timer(s) && ioapic_remapped(s, s->rte[TIMER_PIN], &msg, false) &&
        msg.vector == vector) {
        s->taken(s->taken_opaque);
    }
}

static uint32_t ioapic_window_read(const Ioapic *s)
{
    unsigned index = s->select - INDEX_REDIRECTION;

    switch (s->select) {
    case INDEX_ID:
    case INDEX_ARBITRATION:
        return (uint32_t)s->id << 24;
    case INDEX_VERSION:
        return VERSION;
    }
    return index < 2 * IOAPIC_PINS ? s->rte[index / 2] >> (index % 2 * 32) : 0;
}

static void ioapic_window_write(Ioapic *s, uint32_t value)
{
    unsigned index = s->select - INDEX_REDIRECTION;
    unsigned shift = index % 2 * 32;
    uint64_t mask = (RTE_WRITABLE | (s->remap ? RTE_REMAPPED : 0)) & 0xffffffffull << shift;
    uint64_t *rte;

    if (s->select == INDEX_ID) {
        s->id = value >> 24 & 0xf;
    }
    if (index >= 2 * IOAPIC_PINS) {
        return;
    }
    rte = &s->rte[index / 2];
    *rte = (*rte & ~mask) | ((uint64_t)value << shift & mask);
    if (!(*rte & RTE_LEVEL)) {
        /* Remote IRR is for level mode; guests switch to edge and back to clear it. */
        *rte &= ~RTE_REMOTE_IRR;
    }
    ioapic_update_route(s, index / 2);
    ioapic_service_level(s, index / 2);
}

static uint64_t ioapic_read(void *opaque, hwaddr addr, unsigned size)
{
    Ioapic *s = opaque;

    switch (addr & ~3ull) {
    case REGSEL:
        return s->select;
    case WINDOW:
        return ioapic_window_read(s);
    }
    return 0;
}

static void ioapic_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Ioapic *s = opaque;

    switch (addr) {
    case REGSEL:
        s->select = value;
        break;
    case WINDOW:
        ioapic_window_write(s, value);
        break;
    case EOI:
        ioapic_eoi(s, value);
        break;
    }
}

/* ---- for monitors ---- */

static void ioapic_describe_pins(const char *name, uint32_t pins, GString *out)
{
    g_string_append_printf(out, "  %-10s", name);
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        if (pins >> pin & 1) {
            g_string_append_printf(out, " %u", pin);
        }
    }
    g_string_append(out, pins ? "\n" : " (none)\n");
}

void ioapic_describe(Ioapic *s, GString *out)
{
    static const char *const modes[8] = { "fixed", "lowest", "SMI",  "?",
                                          "NMI",   "INIT",   "SIPI", "ExtINT" };
    uint32_t remote_irr = 0;

    ioapic_fetch(s);
    g_string_append_printf(out, "ioapic0: ver=0x%x id=0x%02x sel=0x%02x\n", VERSION & 0xff, s->id,
                           s->select);
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t rte = s->rte[pin];

        remote_irr |= (rte & RTE_REMOTE_IRR ? 1u : 0) << pin;
        g_string_append_printf(
            out, "  pin %-2u 0x%016" PRIx64 " dest=%u vec=%-3u active-%s %-5s %-6s %s %s\n", pin,
            rte, (unsigned)(rte >> RTE_DEST_SHIFT), (unsigned)(rte & 0xff),
            rte & RTE_ACTIVE_LOW ? "lo" : "hi", rte & RTE_LEVEL ? "level" : "edge",
            rte & RTE_MASKED ? "masked" : "", modes[rte >> RTE_MODE_SHIFT & 7],
            rte & RTE_LOGICAL ? "logical" : "physical");
    }
    ioapic_describe_pins("Lines", s->lines, out);
    ioapic_describe_pins("Remote IRR", remote_irr, out);
}

const uint64_t *ioapic_counts(const Ioapic *s)
{
    return s->counts;
}

static const MemoryRegionOps ioapic_ops = { ioapic_read, ioapic_write, 4, 4 };

static void ioapic_reset(Device *dev)
{
    Ioapic *s = IOAPIC(dev);

    s->select = s->id = 0;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        s->rte[pin] = RTE_MASKED;
    }
}

static void ioapic_device_reset(Device *dev)
{
    ioapic_reset(dev);
    if (accel_apics()) {
        accel_apics()->reset();
    }
}

static void ioapic_init(Object *obj)
{
    Ioapic *s = IOAPIC(obj);

    for (int n = 0; n < IOAPIC_PINS; n++) {
        s->in[n] = (Irq){ ioapic_set_irq, s, n == 0 ? TIMER_PIN : n };
    }
    ioapic_reset(DEVICE(obj));
}

static bool ioapic_realize(Device *dev, GError **errp)
{
    apic_set_eoi_handler(ioapic_apic_eoi, dev);
    apic_set_taken_handler(ioapic_apic_taken, dev);
    return true;
}

static void ioapic_unrealize(Device *dev)
{
    apic_set_eoi_handler(NULL, NULL);
    apic_set_taken_handler(NULL, NULL);
}

static const StateField ioapic_fields[] = {
    STATE_UINT(Ioapic, select),  STATE_UINT(Ioapic, id),   STATE_UINT(Ioapic, lines),
    STATE_UINTS(Ioapic, counts), STATE_UINTS(Ioapic, rte), {},
};

static void ioapic_pre_save(void *obj)
{
    ioapic_fetch(obj);
}

/* The engine's routes, which are not saved: also of pins that are masked while their interrupt is
 * in service. */
static bool ioapic_loaded(void *obj, GError **errp)
{
    Ioapic *s = obj;

    if (accel_chips()) {
        ioapic_store(s);
        return true;
    }
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        if (!(s->rte[pin] & RTE_MASKED) || s->rte[pin] & RTE_REMOTE_IRR) {
            ioapic_set_route(s, pin);
        }
    }
    return true;
}

static const StateTable ioapic_state = {
    .name = "ioapic",
    .version = 1,
    .fields = ioapic_fields,
    .pre_save = ioapic_pre_save,
    .post_load = ioapic_loaded,
};

static const DeviceClass ioapic_device_ops = {
    .category = "misc",
    .realize = ioapic_realize,
    .unrealize = ioapic_unrealize,
    .reset = ioapic_device_reset,
    .state = &ioapic_state,
};

static const ObjectType ioapic_type = {
    .name = TYPE_IOAPIC,
    .parent = TYPE_DEVICE,
    .description = "I/O APIC with 24 pins",
    .instance_size = sizeof(Ioapic),
    .ops = &ioapic_device_ops,
    .init = ioapic_init,
};
OBJECT_TYPE_REGISTER(ioapic_type)

static const IrqLines ioapic_lines[] = {
    { .type = TYPE_IOAPIC, .offset = offsetof(Ioapic, in), .count = IOAPIC_PINS },
    {},
};
IRQ_LINES_REGISTER(ioapic_lines)

Ioapic *ioapic_create(MemoryRegion *memory)
{
    Ioapic *s = IOAPIC(device_new_onboard(TYPE_IOAPIC));

    memory_region_init_io(&s->region, &ioapic_ops, s, "ioapic", IOAPIC_SIZE);
    device_map(&s->parent, memory, IOAPIC_BASE, &s->region, 1);
    device_realize(&s->parent, NULL);
    return s;
}
