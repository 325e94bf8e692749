/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/floppy/fdc.h"

#include <inttypes.h>
#include <string.h>

#include "hw/char/isa-ports.h"
#include "hw/core/irq-lines.h"
#include "hw/dma/i8257.h"
#include "hw/intc/isa-irq.h"
#include "util/error.h"

/* Registers, from iobase on. Two are not the controller's: 0, and 6 of the IDE controller. */
enum { STATUS_B = 1, DOR, TDR, STATUS_RATE, FIFO, RATE = 7, FIRST = STATUS_B, LAST = FIFO };
#define PORTS 8u

enum { DOR_DRIVE = 3, DOR_RUN = 4, DOR_DMA = 8, DOR_START = DOR_RUN | DOR_DMA };
enum { STATUS_B_ONES = 0xc0, STATUS_B_DRIVE_B = 0x20 };
enum { TDR_TAPE = 3 };
enum { RATE_RESET = 0x80, RATE_BITS = 3 };
enum { READY = 0x80, TO_HOST = 0x40, WITHOUT_DMA = 0x20, BUSY = 0x10 };
enum { CHANGED = 0x80 };
enum { CONFIG_NO_POLL = 0x10 };
enum { ST0_AFTER_RESET = 0xc0 };

/* ---- the line ---- */

static bool runs(const IsaFdc *s)
{
    return s->dor & DOR_RUN;
}

static void update(IsaFdc *s)
{
    irq_set(&s->irq, s->interrupt && runs(s) && s->dor & DOR_DMA);
}

void fdc_raise(IsaFdc *s)
{
    s->interrupt = true;
    update(s);
}

void fdc_lower(IsaFdc *s)
{
    s->interrupt = false;
    update(s);
}

/* ---- for commands ---- */

Floppy *fdc_drive(const IsaFdc *s)
{
    unsigned number = s->command[1] & DOR_DRIVE;

    return number < FDC_DRIVES ? s->bus->drives[number] : NULL;
}

void fdc_seek(IsaFdc *s, unsigned number, unsigned cylinder)
{
    s->cylinders[number] = (uint8_t)cylinder;
    if (number < FDC_DRIVES && s->bus->drives[number]) {
        floppy_seek(s->bus->drives[number], cylinder);
    }
}

void fdc_finish(IsaFdc *s, const uint8_t *result, unsigned count, bool tell)
{
    if (count) { /* without any there is no @result either */
        memcpy(s->result, result, count);
    }
    s->results = (uint8_t)count;
    s->read = s->given = 0;
    s->phase = count ? FDC_RESULT : FDC_COMMAND;
    if (tell) {
        fdc_raise(s);
    }
}

/* ---- resets ---- */

static void stop_command(IsaFdc *s)
{
    fdc_data_cancel(s);
    s->given = s->results = s->read = 0;
    s->phase = FDC_COMMAND;
}

/* By a register: what LOCK keeps is kept. */
static void reset_by_guest(IsaFdc *s)
{
    stop_command(s);
    memset(s->cylinders, 0, sizeof(s->cylinders));
    s->perpendicular &= ~3; /* GAP and WGATE */
    if (!s->locked) {
        fdc_take_defaults(s);
    }
    s->seeks = 0;
    s->interrupt = false;
    update(s);
}

/* It runs again: the drives are looked at, and each of them tells that. */
static void begin(IsaFdc *s)
{
    if (s->config & CONFIG_NO_POLL) {
        return;
    }
    s->seeks = (1 << FDC_SELECTS) - 1;
    s->after_reset = true;
    for (unsigned i = 0; i < FDC_SELECTS; i++) {
        s->seek_status[i] = (uint8_t)(ST0_AFTER_RESET | i);
    }
    fdc_raise(s);
}

static void write_dor(IsaFdc *s, uint8_t value)
{
    uint8_t before = s->dor;

    s->dor = value;
    if (before & DOR_RUN && !runs(s)) {
        reset_by_guest(s);
    } else if (!(before & DOR_RUN) && runs(s)) {
        begin(s);
    }
    update(s);
}

static void write_rate(IsaFdc *s, uint8_t value)
{
    s->rate = value & RATE_BITS;
    if (value & RATE_RESET && runs(s)) {
        reset_by_guest(s);
        begin(s);
    }
}

/* ---- registers ---- */

static uint8_t main_status(const IsaFdc *s)
{
    uint8_t value = s->given || s->phase != FDC_COMMAND ? BUSY : 0;

    if (!runs(s)) {
        return 0;
    }
    if (s->phase == FDC_COMMAND) {
        value |= READY;
    } else if (s->phase == FDC_RESULT) {
        value |= READY | TO_HOST;
    } else if (!fdc_uses_dma(s)) {
        value |= WITHOUT_DMA;
        if (s->phase == FDC_DATA) {
            value |= READY | (fdc_data_to_host(s) ? TO_HOST : 0);
        }
    }
    return value;
}

static uint8_t status_b(const IsaFdc *s)
{
    bool is_a = (s->dor & DOR_DRIVE) == 0;

    return (uint8_t)(STATUS_B_ONES | (is_a ? 0 : STATUS_B_DRIVE_B) | (s->dor >> 4 & 3));
}

/* The line of the drive that is selected. */
static uint8_t disk_changed(const IsaFdc *s)
{
    unsigned number = s->dor & DOR_DRIVE;
    const Floppy *floppy = number < FDC_DRIVES ? s->bus->drives[number] : NULL;

    return floppy && (floppy->changed || floppy->conf.backend->empty) ? CHANGED : 0;
}

/* ---- the FIFO ---- */

static uint8_t read_result(IsaFdc *s)
{
    uint8_t value = s->result[s->read++];

    fdc_lower(s);
    if (s->read == s->results) {
        s->read = s->results = 0;
        s->phase = FDC_COMMAND;
    }
    return value;
}

/* Data, without DMA. */
static uint8_t read_data(IsaFdc *s)
{
    uint8_t value = s->buffer[s->at++];

    fdc_lower(s);
    if (s->at == fdc_data_block(s)) {
        fdc_data_go_on(s);
    } else {
        fdc_raise(s);
    }
    return value;
}

static uint8_t read_fifo(IsaFdc *s)
{
    if (runs(s) && s->phase == FDC_RESULT) {
        return read_result(s);
    }
    if (runs(s) && s->phase == FDC_DATA && !fdc_uses_dma(s) && fdc_data_to_host(s)) {
        return read_data(s);
    }
    return 0;
}

static void write_data(IsaFdc *s, uint8_t value)
{
    s->buffer[s->at++] = value;
    fdc_lower(s);
    if (s->at == fdc_data_block(s)) {
        fdc_data_go_on(s);
    } else {
        fdc_raise(s);
    }
}

static void write_command(IsaFdc *s, uint8_t value)
{
    static const uint8_t invalid = 0x80;
    unsigned length;

    s->command[s->given++] = value;
    length = fdc_command_length(s->command[0]);
    if (!length) {
        fdc_finish(s, &invalid, 1, false);
    } else if (s->given == length) {
        fdc_command_run(s);
    }
}

static void write_fifo(IsaFdc *s, uint8_t value)
{
    if (!runs(s)) {
        return;
    }
    if (s->phase == FDC_COMMAND) {
        write_command(s, value);
    } else if (s->phase == FDC_DATA && !fdc_uses_dma(s) && !fdc_data_to_host(s)) {
        write_data(s, value);
    }
}

static uint64_t fdc_read(void *opaque, hwaddr addr, unsigned size)
{
    IsaFdc *s = opaque;

    switch (addr + FIRST) {
    case STATUS_B:
        return status_b(s);
    case DOR:
        return s->dor;
    case TDR:
        return s->tdr;
    case STATUS_RATE:
        return main_status(s);
    case FIFO:
        return read_fifo(s);
    }
    return 0xff;
}

static void fdc_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    IsaFdc *s = opaque;

    switch (addr + FIRST) {
    case DOR:
        write_dor(s, (uint8_t)value);
        break;
    case TDR:
        s->tdr = value & TDR_TAPE;
        break;
    case STATUS_RATE:
        write_rate(s, (uint8_t)value);
        break;
    case FIFO:
        write_fifo(s, (uint8_t)value);
        break;
    }
}

static const MemoryRegionOps fdc_ops = { fdc_read, fdc_write, 1, 1 };

static uint64_t rate_read(void *opaque, hwaddr addr, unsigned size)
{
    return disk_changed(opaque);
}

static void rate_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    ISA_FDC(opaque)->rate = value & RATE_BITS;
}

static const MemoryRegionOps rate_ops = { rate_read, rate_write, 1, 1 };

/* ---- life ---- */

static void fdc_reset(Device *dev)
{
    IsaFdc *s = ISA_FDC(dev);

    stop_command(s);
    s->dor = DOR_START;
    s->tdr = s->rate = s->perpendicular = 0;
    s->locked = s->after_reset = false;
    memset(s->times, 0, sizeof(s->times));
    memset(s->cylinders, 0, sizeof(s->cylinders));
    memset(s->seek_status, 0, sizeof(s->seek_status));
    memset(s->command, 0, sizeof(s->command));
    memset(s->result, 0, sizeof(s->result));
    memset(s->buffer, 0, sizeof(s->buffer));
    memset(s->disk, 0, sizeof(s->disk));
    memset(s->status, 0, sizeof(s->status));
    s->sectors_left = s->head = s->last = s->seeks = 0;
    s->ended = false;
    fdc_take_defaults(s);
    fdc_lower(s);
}

static void dma_ready(void *opaque)
{
    IsaFdc *s = opaque;

    if (s->phase == FDC_DATA && fdc_uses_dma(s)) {
        fdc_data_go_on(s);
    }
}

static bool check(const IsaFdc *s, GError **errp)
{
    if (s->iobase > 0x10000 - PORTS) {
        error_set(errp, "'iobase' 0x%" PRIx32 " is no port for %u registers; it is 0 to 0x%x",
                  s->iobase, PORTS, 0x10000 - PORTS);
    } else if (s->irq_number >= ISA_IRQS) {
        error_set(errp, "'irq' %" PRIu32 " does not exist; it is 0 to %d", s->irq_number,
                  ISA_IRQS - 1);
    } else if (s->channel >= ISA_DMA_CHANNELS / 2) {
        error_set(errp, "'dma' %" PRIu32 " is no channel that moves bytes; those are 0 to 3",
                  s->channel);
    } else if (s->fallback == FLOPPY_AUTO) {
        error_set(errp, "'fallback' is the type where the disk does not say one, and not auto");
    } else {
        return isa_ports_free("iobase", s->iobase + FIRST, LAST - FIRST + 1, errp) &&
               isa_ports_free("iobase", s->iobase + RATE, 1, errp);
    }
    return false;
}

static bool fdc_realize(Device *dev, GError **errp)
{
    IsaFdc *s = ISA_FDC(dev);
    g_autofree char *name = dev->id ? g_strdup_printf("%s.0", dev->id) : g_strdup("floppy-bus.0");
    const IsaDmaUser user = { dma_ready, s };

    for (unsigned i = 1; !dev->id && bus_find(TYPE_FLOPPY_BUS, name, NULL); i++) {
        g_free(name);
        name = g_strdup_printf("floppy-bus.%u", i);
    }
    if (!check(s, errp) || !isa_dma_take(s->channel, &user, errp)) {
        return false;
    }
    s->bus = FLOPPY_BUS(bus_new(TYPE_FLOPPY_BUS, name, OBJECT(s), errp));
    if (!s->bus) {
        isa_dma_give_back(s->channel);
        return false;
    }
    s->irq = isa_irq(s->irq_number);
    fdc_reset(dev);
    memory_region_init_io(&s->ports, &fdc_ops, s, "fdc", LAST - FIRST + 1);
    memory_region_init_io(&s->rate_port, &rate_ops, s, "fdc", 1);
    memory_region_add(memory_io(), s->iobase + FIRST, &s->ports);
    memory_region_add(memory_io(), s->iobase + RATE, &s->rate_port);
    return true;
}

static void fdc_unrealize(Device *dev)
{
    IsaFdc *s = ISA_FDC(dev);

    memory_region_remove(&s->ports);
    memory_region_destroy(&s->ports);
    memory_region_remove(&s->rate_port);
    memory_region_destroy(&s->rate_port);
    isa_dma_give_back(s->channel);
    object_unparent(OBJECT(s->bus));
    s->bus = NULL;
}

/* ---- state ---- */

static bool fdc_post_load(void *obj, GError **errp)
{
    const IsaFdc *s = obj;
    unsigned length = fdc_command_length(s->command[0]);

    if (s->phase == FDC_COMMAND && s->given && s->given >= length) {
        error_set(errp, "command 0x%02x has %u bytes, and %u came", s->command[0], length,
                  s->given);
    } else if (s->phase == FDC_RESULT && s->read >= s->results) {
        error_set(errp, "%u of %u bytes of a result were read", s->read, s->results);
    } else if (s->phase == FDC_RESULT && s->given) {
        error_set(errp, "%u bytes of a command came before a result was read", s->given);
    } else if (s->phase == FDC_DATA &&
               (!fdc_is_data_command(s->command[0]) || s->at >= fdc_data_block(s))) {
        error_set(errp, "command 0x%02x is at byte %u of data", s->command[0], s->at);
    } else {
        return true;
    }
    return false;
}

static const StateField fdc_fields[] = {
    STATE_UINT(IsaFdc, dor),
    STATE_UINT_MAX(IsaFdc, tdr, TDR_TAPE),
    STATE_UINT_MAX(IsaFdc, rate, RATE_BITS),
    STATE_UINTS(IsaFdc, times),
    STATE_UINT(IsaFdc, config),
    STATE_UINT(IsaFdc, precomp),
    STATE_UINT(IsaFdc, perpendicular),
    STATE_BOOL(IsaFdc, locked),
    STATE_UINT_MAX(IsaFdc, phase, FDC_DATA),
    STATE_UINTS(IsaFdc, command),
    STATE_UINT_MAX(IsaFdc, given, FDC_COMMAND_BYTES),
    STATE_UINTS(IsaFdc, result),
    STATE_UINT_MAX(IsaFdc, results, FDC_RESULT_BYTES),
    STATE_UINT_MAX(IsaFdc, read, FDC_RESULT_BYTES),
    STATE_UINT(IsaFdc, sectors_left),
    STATE_UINT_MAX(IsaFdc, head, 1),
    STATE_UINT(IsaFdc, last),
    STATE_UINTS(IsaFdc, status),
    STATE_UINTS(IsaFdc, buffer),
    STATE_UINTS(IsaFdc, disk),
    STATE_UINT_MAX(IsaFdc, at, FLOPPY_SECTOR),
    STATE_BOOL(IsaFdc, ended),
    STATE_UINTS(IsaFdc, cylinders),
    STATE_UINT_MAX(IsaFdc, seeks, (1 << FDC_SELECTS) - 1),
    STATE_UINTS(IsaFdc, seek_status),
    STATE_BOOL(IsaFdc, after_reset),
    STATE_BOOL(IsaFdc, interrupt),
    {},
};
static const StateTable fdc_state = {
    .name = TYPE_ISA_FDC, .version = 1, .fields = fdc_fields, .post_load = fdc_post_load
};

/* ---- the type ---- */

#define FDC_NUMBER(NAME, member, initial, text)                                  \
    {                                                                            \
        .name = (NAME), .kind = PROP_UINT32, .offset = offsetof(IsaFdc, member), \
        .has_default = true, .default_int = (initial), .description = (text)     \
    }
#define FDC_TYPE(NAME, member, initial, text)                                           \
    {                                                                                   \
        .name = (NAME), .kind = PROP_ENUM, .offset = offsetof(IsaFdc, member),          \
        .has_default = true, .default_int = (initial), .enum_names = floppy_type_names, \
        .custom_type = "FdcDriveType", .description = (text)                            \
    }
#define FDC_BOOT(NAME, member, text)                                            \
    {                                                                           \
        .name = (NAME), .kind = PROP_INT32, .offset = offsetof(IsaFdc, member), \
        .has_default = true, .default_int = -1, .description = (text)           \
    }

static const Property fdc_properties[] = {
    FDC_NUMBER("iobase", iobase, 0x3f0, "first of its ports"),
    FDC_NUMBER("irq", irq_number, 6, "ISA interrupt line, 0 to 15"),
    FDC_NUMBER("dma", channel, 2, "ISA DMA channel, 0 to 3"),
    FDC_TYPE("fdtypeA", types[0], FLOPPY_AUTO, "type of drive A, if it does not say its own"),
    FDC_TYPE("fdtypeB", types[1], FLOPPY_AUTO, "type of drive B, if it does not say its own"),
    FDC_TYPE("fallback", fallback, FLOPPY_288, "type of drives whose disk does not say it"),
    FDC_BOOT("bootindexA", boot_index[0], "bootindex of drive A, if it has none"),
    FDC_BOOT("bootindexB", boot_index[1], "bootindex of drive B, if it has none"),
    { 0 },
};

static const DeviceClass fdc_class = {
    .category = "storage",
    .flags = DEVICE_USER_CREATABLE,
    .realize = fdc_realize,
    .unrealize = fdc_unrealize,
    .reset = fdc_reset,
    .state = &fdc_state,
};

static const ObjectType fdc_type = {
    .name = TYPE_ISA_FDC,
    .parent = TYPE_DEVICE,
    .description = "Floppy disk controller",
    .instance_size = sizeof(IsaFdc),
    .properties = fdc_properties,
    .ops = &fdc_class,
};
OBJECT_TYPE_REGISTER(fdc_type)

static const IrqLines fdc_lines[] = {
    { .type = TYPE_ISA_FDC, .out = true, .offset = offsetof(IsaFdc, irq), .count = 1 },
    {},
};
IRQ_LINES_REGISTER(fdc_lines)

bool fdc_create(GError **errp)
{
    return device_realize(device_new_onboard(TYPE_ISA_FDC), errp);
}

IsaFdc *fdc_find(void)
{
    Object *obj = object_find_type(TYPE_ISA_FDC);

    return obj && DEVICE(obj)->realized ? ISA_FDC(obj) : NULL;
}

FloppyType fdc_drive_type(unsigned unit)
{
    const IsaFdc *s = fdc_find();

    return s && s->bus->drives[unit] ? (FloppyType)s->bus->drives[unit]->type : FLOPPY_NONE;
}
