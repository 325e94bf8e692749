/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chip: its commands, and the bus. */
#include "hw/hba/esp.h"

#include <string.h>

#include "hw/core/runstate.h"
#include "memory/dma.h"

enum { CHUNK = 4096 };

/* Registers, each in the first byte of a word. */
enum {
    ESP_COUNT_LOW,
    ESP_COUNT_MIDDLE,
    ESP_FIFO,
    ESP_COMMAND,
    ESP_STATUS,    /* written: the target */
    ESP_INTERRUPT, /* written: the time-out of selection */
    ESP_STEP,      /* written: the period of synchronous transfers */
    ESP_FLAGS,     /* written: their offset */
    ESP_CONFIG1,
    ESP_CLOCK,
    ESP_TEST,
    ESP_CONFIG2,
    ESP_CONFIG3,
    ESP_CONFIG4,
    ESP_COUNT_HIGH, /* of a chip that was reset: its ID */
};

enum {
    COMMAND_DMA = 0x80,
    COMMAND_NOTHING = 0x00,
    COMMAND_FLUSH = 0x01,
    COMMAND_RESET = 0x02,
    COMMAND_RESET_BUS = 0x03,
    COMMAND_TRANSFER = 0x10,
    COMMAND_COMPLETE = 0x11, /* status and message */
    COMMAND_ACCEPTED = 0x12, /* the message */
    COMMAND_PAD = 0x18,
    COMMAND_SET_ATN = 0x1a,
    COMMAND_RESET_ATN = 0x1b,
    COMMAND_SELECT = 0x41,
    COMMAND_SELECT_ATN = 0x42,
    COMMAND_SELECT_STOP = 0x43, /* after one byte of message */
    COMMAND_ENABLE = 0x44,
    COMMAND_DISABLE = 0x45,
    COMMAND_SELECT_3 = 0x46, /* with three bytes of message */

    STATUS_COUNTED = 0x10, /* the count is 0 */
    STATUS_INTERRUPT = 0x80,
    INTERRUPT_DONE = 0x08,
    INTERRUPT_SERVICE = 0x10,
    INTERRUPT_DISCONNECTED = 0x20,
    INTERRUPT_ILLEGAL = 0x40,
    INTERRUPT_RESET = 0x80,
    CONFIG1_NO_RESET_INTERRUPT = 0x40,
    CONFIG2_HIGH = 0x40, /* the count has 24 bits */
    CHIP_ID = 0x12,
};

enum { MESSAGE_COMPLETE = 0, MESSAGE_ABORT = 6, MESSAGE_REJECT = 7, MESSAGE_RESET = 12 };

/* ---- interrupts ---- */

static void update_interrupt(Esp *s)
{
    pci_set_irq(&s->parent, s->status & STATUS_INTERRUPT);
}

static void interrupt(Esp *s, uint8_t causes)
{
    s->interrupt |= causes;
    s->status |= STATUS_INTERRUPT;
    s->dma_status |= DMA_SCSI;
    update_interrupt(s);
}

/* ---- the bus ---- */

static unsigned phase_of(const Esp *s)
{
    static const uint8_t phases[] = {
        [SCSI_PORT_FREE] = PHASE_FREE,     [SCSI_PORT_WAIT] = PHASE_WAIT,
        [SCSI_PORT_IN] = PHASE_DATA_IN,    [SCSI_PORT_OUT] = PHASE_DATA_OUT,
        [SCSI_PORT_STATUS] = PHASE_STATUS,
    };

    if (!s->connected) {
        return PHASE_FREE;
    }
    return s->phase == PHASE_WAIT ? phases[scsi_port_phase(&s->port)] : s->phase;
}

static void bus_free(Esp *s)
{
    scsi_port_end(&s->port);
    s->connected = false;
    s->phase = PHASE_FREE;
    s->cdb_count = 0;
}

/* The target has the command. */
static void begin_command(Esp *s)
{
    s->phase = PHASE_WAIT;
    if (scsi_port_has(&s->port, s->target)) {
        scsi_port_begin(&s->port, s->target, s->lun, s->cdb, s->cdb_count);
    } else {
        bus_free(s);
    }
    s->cdb_count = 0;
}

/* How many bytes a command of that code has (SPC-4, 4.3). */
static unsigned cdb_size(uint8_t code)
{
    static const uint8_t sizes[] = { 6, 10, 10, 16, 16, 12, 16, 16 };

    return sizes[code >> 5];
}

static void take_message(Esp *s, const uint8_t *bytes, unsigned count)
{
    s->phase = s->port.active ? PHASE_WAIT : PHASE_COMMAND;
    for (unsigned i = 0; i < count; i++) {
        if (bytes[i] & 0x80) {
            s->lun = bytes[i] & 7;
            s->identified = true;
        } else if (bytes[i] == 1) { /* an extended message, to agree to what the target does not */
            s->message = MESSAGE_REJECT;
            s->phase = PHASE_MESSAGE_IN;
            return;
        } else if ((bytes[i] & 0xf0) == 0x20) {
            i++; /* a tag */
        } else if (bytes[i] == MESSAGE_RESET) {
            bus_free(s);
            scsi_port_reset_units(&s->port, s->target);
            return;
        } else if (bytes[i] >= MESSAGE_ABORT && bytes[i] != MESSAGE_REJECT && bytes[i] != 8) {
            bus_free(s);
            return;
        }
    }
}

/* One byte of the phase, in or out. */
static uint8_t take_byte(Esp *s, unsigned phase)
{
    uint8_t byte = 0;

    if (phase == PHASE_DATA_IN) {
        scsi_port_take(&s->port, &byte, 1);
    } else if (phase == PHASE_STATUS) {
        byte = s->port.status;
        scsi_port_end(&s->port);
        s->message = MESSAGE_COMPLETE;
        s->phase = PHASE_MESSAGE_IN;
    } else if (phase == PHASE_MESSAGE_IN) {
        byte = s->message;
    }
    return byte;
}

/* ---- the ESP_FIFO_BYTES ---- */

static void push(Esp *s, uint8_t byte)
{
    if (s->fifo_count < ESP_FIFO_BYTES) {
        s->fifo[s->fifo_count++] = byte;
    }
}

static uint8_t pop(Esp *s)
{
    uint8_t byte = s->fifo[0];

    if (!s->fifo_count) {
        return 0;
    }
    memmove(s->fifo, s->fifo + 1, --s->fifo_count);
    return byte;
}

/* ---- memory ---- */

/* Up to @size bytes between memory and @buf, as the engine's and the chip's counts have it. Where
 * there is no memory there are zeros. */
static uint32_t dma(Esp *s, uint8_t *buf, uint32_t size, bool to_memory)
{
    size = MIN(size, MIN(s->count, s->dma_left));
    if (to_memory) {
        dma_write_ram(&s->parent.dma, s->dma_at, buf, size);
    } else if (!dma_read_ram(&s->parent.dma, s->dma_at, buf, size)) {
        memset(buf, 0, size);
    }
    return size;
}

static void counted(Esp *s, uint32_t size)
{
    s->dma_at += size;
    s->dma_left -= size;
    s->count -= size;
    if (!s->count) {
        s->status |= STATUS_COUNTED;
    }
    if (!s->dma_left) {
        s->dma_status |= DMA_DONE;
    }
}

/* ---- steps ---- */

/* Interrupt when the target has said what comes next. */
static void tell(Esp *s, uint8_t causes)
{
    unsigned phase = phase_of(s);

    s->told = causes;
    if (phase == PHASE_WAIT) {
        s->wait = WAITS_FOR_PHASE;
        return;
    }
    s->wait = WAITS_FOR_NOTHING;
    if (phase == PHASE_FREE) {
        s->status &= (uint8_t)~7;
        interrupt(s, INTERRUPT_DISCONNECTED);
    } else {
        s->status = (uint8_t)((s->status & ~7) | phase);
        interrupt(s, causes);
    }
}

/* Bytes for the target, of memory or the ESP_FIFO_BYTES: one, or none. */
static bool next_byte(Esp *s, uint8_t *byte)
{
    if (s->command & COMMAND_DMA) {
        bool have = dma(s, byte, 1, false);

        counted(s, have);
        return have;
    }
    *byte = s->fifo_count ? s->fifo[0] : 0;
    if (!s->fifo_count) {
        return false;
    }
    pop(s);
    return true;
}

static bool send_cdb(Esp *s)
{
    uint8_t byte;

    while (phase_of(s) == PHASE_COMMAND && next_byte(s, &byte)) {
        s->cdb[s->cdb_count++] = byte;
        if (s->cdb_count >= cdb_size(s->cdb[0])) {
            begin_command(s);
            return true;
        }
    }
    return false;
}

static void select_target(Esp *s)
{
    uint8_t what = s->command & 0x7f, message[3];
    unsigned messages = what == COMMAND_SELECT ? 0 : what == COMMAND_SELECT_3 ? 3 : 1, i = 0;

    bus_free(s);
    s->step = 0;
    s->target = s->reg[ESP_STATUS] & 7;
    s->lun = 0;
    s->identified = false;
    if (!scsi_port_has(&s->port, s->target)) {
        s->fifo_count = 0;
        s->wait = WAITS_FOR_NOTHING;
        interrupt(s, INTERRUPT_DISCONNECTED);
        return;
    }
    s->connected = true;
    s->phase = messages ? PHASE_MESSAGE_OUT : PHASE_COMMAND;
    while (i < messages && next_byte(s, &message[i])) {
        i++;
    }
    if (i) {
        take_message(s, message, i);
    }
    if (what == COMMAND_SELECT_STOP) { /* the rest of the message comes later */
        s->phase = PHASE_MESSAGE_OUT;
        s->step = 1;
    } else {
        s->step = send_cdb(s) ? 4 : 3;
    }
    tell(s, INTERRUPT_DONE | INTERRUPT_SERVICE);
}

/* All that memory, or the ESP_FIFO_BYTES, has for the target. */
static void send_message(Esp *s)
{
    uint8_t bytes[ESP_FIFO_BYTES], byte;
    unsigned count = 0;

    while (count < ESP_FIFO_BYTES && next_byte(s, &byte)) {
        bytes[count++] = byte;
    }
    if (!count) {
        return;
    }
    take_message(s, bytes, count);
}

/* Data, by DMA: false if it waits. */
static bool move_data(Esp *s, unsigned phase)
{
    uint8_t buf[CHUNK];
    uint32_t room = MIN(CHUNK, MIN(s->count, s->dma_left)), size;

    if (phase == PHASE_DATA_IN) {
        size = scsi_port_take(&s->port, buf, room);
        dma(s, buf, size, true);
    } else {
        dma(s, buf, room, false);
        size = scsi_port_give(&s->port, buf, room);
    }
    counted(s, size);
    return size;
}

static bool moves_data(unsigned phase)
{
    return phase == PHASE_DATA_IN || phase == PHASE_DATA_OUT;
}

static void transfer_by_dma(Esp *s)
{
    unsigned first = s->status & 7, phase = phase_of(s);
    uint8_t byte;

    while (moves_data(phase) && phase == first && s->count && s->dma_left && move_data(s, phase)) {
        phase = phase_of(s);
    }
    if (phase == PHASE_WAIT && moves_data(first) && s->count && s->dma_left) {
        s->wait = WAITS_TO_MOVE;
        return;
    }
    if (phase == first && phase == PHASE_MESSAGE_OUT) {
        send_message(s);
    } else if (phase == first && phase == PHASE_COMMAND) {
        send_cdb(s);
    } else if (phase == first && (phase == PHASE_STATUS || phase == PHASE_MESSAGE_IN) && s->count &&
               s->dma_left) {
        byte = take_byte(s, phase);
        counted(s, dma(s, &byte, 1, true));
    }
    tell(s, INTERRUPT_SERVICE);
}

static void transfer_by_fifo(Esp *s)
{
    unsigned phase = phase_of(s);
    uint32_t count;

    switch (phase) {
    case PHASE_DATA_IN:
    case PHASE_STATUS:
    case PHASE_MESSAGE_IN:
        push(s, take_byte(s, phase));
        break;
    case PHASE_DATA_OUT:
        count = scsi_port_give(&s->port, s->fifo, s->fifo_count);
        memmove(s->fifo, s->fifo + count, s->fifo_count - count);
        s->fifo_count = (uint8_t)(s->fifo_count - count);
        break;
    case PHASE_COMMAND:
        send_cdb(s);
        break;
    case PHASE_MESSAGE_OUT:
        send_message(s);
        break;
    default:
        break;
    }
    /* A byte of a message is acknowledged by the driver. */
    tell(s, phase == PHASE_MESSAGE_IN ? INTERRUPT_DONE : INTERRUPT_SERVICE);
}

/* Status, and the message that follows it. */
static void complete(Esp *s)
{
    uint8_t bytes[2];

    if (phase_of(s) != PHASE_STATUS) {
        tell(s, INTERRUPT_SERVICE);
        return;
    }
    bytes[0] = take_byte(s, PHASE_STATUS);
    bytes[1] = take_byte(s, PHASE_MESSAGE_IN);
    if (s->command & COMMAND_DMA) {
        counted(s, dma(s, bytes, sizeof(bytes), true));
    } else {
        push(s, bytes[0]);
        push(s, bytes[1]);
    }
    tell(s, INTERRUPT_DONE);
}

static void accept_message(Esp *s)
{
    if (s->phase != PHASE_MESSAGE_IN) {
        tell(s, INTERRUPT_SERVICE);
    } else if (s->message == MESSAGE_COMPLETE) {
        bus_free(s);
        tell(s, INTERRUPT_DISCONNECTED);
    } else {
        s->phase = s->port.active ? PHASE_WAIT : PHASE_COMMAND;
        tell(s, INTERRUPT_SERVICE);
    }
}

/* Data that lead nowhere, or come from nowhere. */
static void pad(Esp *s)
{
    static const uint8_t zeros[CHUNK];
    uint8_t buf[CHUNK];
    unsigned phase = phase_of(s);

    while (moves_data(phase) && s->count) {
        uint32_t size = MIN(CHUNK, s->count);

        size = phase == PHASE_DATA_IN ? scsi_port_take(&s->port, buf, size)
                                      : scsi_port_give(&s->port, zeros, size);
        s->count -= size;
        phase = phase_of(s);
    }
    s->status |= s->count ? 0 : STATUS_COUNTED;
    tell(s, INTERRUPT_SERVICE);
}

static void run_command(Esp *s)
{
    switch (s->command & 0x7f) {
    case COMMAND_SELECT:
    case COMMAND_SELECT_ATN:
    case COMMAND_SELECT_STOP:
    case COMMAND_SELECT_3:
        select_target(s);
        break;
    case COMMAND_TRANSFER:
        if (s->command & COMMAND_DMA) {
            transfer_by_dma(s);
        } else {
            transfer_by_fifo(s);
        }
        break;
    case COMMAND_COMPLETE:
        complete(s);
        break;
    default:
        break;
    }
}

/* Go on with what waits, if it need not any more. */
void esp_go_on(Esp *s)
{
    if (s->at_work || !runstate_is_running() || !pci_can_dma(&s->parent)) {
        return;
    }
    s->at_work = true;
    if (s->wait == WAITS_FOR_PHASE) {
        tell(s, s->told);
    } else if (s->wait == WAITS_TO_MOVE && phase_of(s) != PHASE_WAIT) {
        s->wait = WAITS_FOR_NOTHING;
        transfer_by_dma(s);
    } else if (s->wait == WAITS_FOR_DMA && (s->dma_command & DMA_WHAT) == DMA_START) {
        s->wait = WAITS_FOR_NOTHING;
        run_command(s);
    }
    s->at_work = false;
}

void esp_ready(ScsiPort *port)
{
    esp_go_on(ESP(port->bus->card));
}

void esp_unplugged(ScsiBus *bus, ScsiDevice *dev)
{
    Esp *s = ESP(bus->card);

    if (scsi_port_unplugged(&s->port, dev)) {
        bus_free(s);
        s->wait = WAITS_FOR_NOTHING;
        interrupt(s, INTERRUPT_DISCONNECTED);
    }
}

/* ---- commands ---- */

void esp_reset_chip(Esp *s)
{
    bus_free(s);
    memset(s->reg, 0, sizeof(s->reg));
    s->reg[ESP_CONFIG1] = 7;
    s->shows_id = true;
    s->status = s->interrupt = s->step = 0;
    s->count = 0;
    s->fifo_count = 0;
    s->command = 0;
    s->wait = WAITS_FOR_NOTHING;
    s->told = 0;
    update_interrupt(s);
}

static void reset_bus(Esp *s)
{
    bus_free(s);
    s->wait = WAITS_FOR_NOTHING;
    scsi_port_reset_units(&s->port, -1);
    if (!(s->reg[ESP_CONFIG1] & CONFIG1_NO_RESET_INTERRUPT)) {
        interrupt(s, INTERRUPT_RESET);
    }
}

static void load_count(Esp *s)
{
    uint32_t count = s->reg[ESP_COUNT_LOW] | (uint32_t)s->reg[ESP_COUNT_MIDDLE] << 8;
    uint32_t most = 0x10000;

    if (s->reg[ESP_CONFIG2] & CONFIG2_HIGH) {
        count |= (uint32_t)s->reg[ESP_COUNT_HIGH] << 16;
        most = 0x1000000;
    }
    s->count = count ? count : most;
    s->status &= (uint8_t)~STATUS_COUNTED;
}

static void write_command(Esp *s, uint8_t command)
{
    s->reg[ESP_COMMAND] = command;
    if (command & COMMAND_DMA) {
        load_count(s);
    }
    switch (command & 0x7f) {
    case COMMAND_NOTHING:
    case COMMAND_ENABLE:
    case COMMAND_RESET_ATN:
        return;
    case COMMAND_DISABLE:
        interrupt(s, INTERRUPT_DONE);
        return;
    case COMMAND_FLUSH:
        s->fifo_count = 0;
        return;
    case COMMAND_RESET:
        esp_reset_chip(s);
        return;
    case COMMAND_RESET_BUS:
        reset_bus(s);
        return;
    case COMMAND_SET_ATN: /* a message for the target: next */
        if (s->connected && s->phase != PHASE_MESSAGE_IN) {
            s->phase = PHASE_MESSAGE_OUT;
        }
        return;
    case COMMAND_ACCEPTED:
        accept_message(s);
        return;
    case COMMAND_PAD:
        pad(s);
        return;
    case COMMAND_TRANSFER:
    case COMMAND_COMPLETE:
    case COMMAND_SELECT:
    case COMMAND_SELECT_ATN:
    case COMMAND_SELECT_STOP:
    case COMMAND_SELECT_3:
        s->command = command;
        s->wait = command & COMMAND_DMA ? WAITS_FOR_DMA : WAITS_FOR_NOTHING;
        if (s->wait == WAITS_FOR_NOTHING) {
            run_command(s);
        }
        esp_go_on(s);
        return;
    default:
        interrupt(s, INTERRUPT_ILLEGAL);
        return;
    }
}

/* ---- registers ---- */

/* What it interrupted with is taken with that. */
static uint8_t read_interrupt(Esp *s)
{
    uint8_t value = s->interrupt;

    s->interrupt = s->step = 0;
    s->status &= (uint8_t) ~(STATUS_INTERRUPT | STATUS_COUNTED);
    s->dma_status &= (uint8_t)~DMA_SCSI;
    update_interrupt(s);
    return value;
}

uint8_t esp_read(Esp *s, unsigned n)
{
    switch (n) {
    case ESP_COUNT_LOW:
        return (uint8_t)s->count;
    case ESP_COUNT_MIDDLE:
        return (uint8_t)(s->count >> 8);
    case ESP_COUNT_HIGH:
        return s->shows_id ? CHIP_ID : (uint8_t)(s->count >> 16);
    case ESP_FIFO:
        return pop(s);
    case ESP_STATUS:
        return s->status;
    case ESP_INTERRUPT:
        return read_interrupt(s);
    case ESP_STEP:
        return s->step;
    case ESP_FLAGS:
        return (uint8_t)(s->fifo_count | s->step << 5);
    default:
        return s->reg[n];
    }
}

void esp_write(Esp *s, unsigned n, uint8_t value)
{
    if (n == ESP_FIFO) {
        push(s, value);
    } else if (n == ESP_COMMAND) {
        write_command(s, value);
    } else {
        s->shows_id = s->shows_id && n != ESP_COUNT_HIGH;
        s->reg[n] = value;
    }
}
