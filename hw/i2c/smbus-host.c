/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i2c/smbus-host.h"

#include <string.h>

#include "util/error.h"

/* Registers, by the names of the ICH9's data sheet. */
enum {
    HST_STS = 0x00,
    HST_CNT = 0x02,
    HST_CMD = 0x03,
    XMIT_SLVA = 0x04,
    HST_D0 = 0x05,
    HST_D1 = 0x06,
    HOST_BLOCK_DB = 0x07,
    PEC = 0x08,
    RCV_SLVA = 0x09,
    SLV_DATA0 = 0x0a,
    SLV_DATA1 = 0x0b,
    AUX_STS = 0x0c,
    AUX_CTL = 0x0d,
    SMLINK_PIN_CTL = 0x0e,
    SMBUS_PIN_CTL = 0x0f,
    SLV_STS = 0x10,
    SLV_CMD = 0x11,
    NOTIFY_DADDR = 0x14,
    NOTIFY_DLOW = 0x16,
    NOTIFY_DHIGH = 0x17,
};

enum {
    STS_HOST_BUSY = 1 << 0,
    STS_INTR = 1 << 1,
    STS_DEV_ERR = 1 << 2,
    STS_BUS_ERR = 1 << 3,
    STS_FAILED = 1 << 4,
    STS_SMBALERT = 1 << 5,
    STS_INUSE = 1 << 6,
    STS_BYTE_DONE = 1 << 7,
    STS_INTERRUPTS = STS_INTR | STS_DEV_ERR | STS_BUS_ERR | STS_FAILED | STS_BYTE_DONE,

    CNT_INTREN = 1 << 0,
    CNT_KILL = 1 << 1,
    CNT_PROTOCOL = 7 << 2,
    CNT_LAST_BYTE = 1 << 5,
    CNT_START = 1 << 6,
    CNT_PEC = 1 << 7,

    AUX_CRC_ERROR = 1 << 0,
    AUX_AUTO_CRC = 1 << 0,
    AUX_BUFFER = 1 << 1,

    SLVA_READ = 1 << 0,
    SPD_FIRST = 0x50,
    SPD_MASK = 0x78,
};

typedef enum SmbusProtocol {
    SMBUS_QUICK,
    SMBUS_BYTE,
    SMBUS_BYTE_DATA,
    SMBUS_WORD_DATA,
    SMBUS_PROCESS_CALL,
    SMBUS_BLOCK,
    SMBUS_I2C_READ,
    SMBUS_BLOCK_PROCESS,
} SmbusProtocol;

/* Where a transfer byte by byte waits for the guest. */
typedef enum SmbusPhase {
    PHASE_IDLE,
    PHASE_READ,     /* of a block: `left` bytes */
    PHASE_I2C_READ, /* until the guest says that it is the last */
    PHASE_WRITE,
    PHASES,
} SmbusPhase;

const SmbusHostModel smbus_host_ich9 = {
    .size = 64, /* 32 would do; firmware lays out what others have */
    .registers = SMBUS_HOST_REGISTERS,
    .status = STS_INTERRUPTS | STS_SMBALERT | STS_INUSE | STS_HOST_BUSY,
    .protocols = 0xff,
};
const SmbusHostModel smbus_host_piix4 = {
    .size = 16,
    .registers = HOST_BLOCK_DB + 1, /* the slave's do nothing */
    .status = STS_INTR | STS_DEV_ERR | STS_BUS_ERR | STS_FAILED | STS_HOST_BUSY,
    .protocols = 1 << SMBUS_QUICK | 1 << SMBUS_BYTE | 1 << SMBUS_BYTE_DATA | 1 << SMBUS_WORD_DATA |
                 1 << SMBUS_BLOCK,
    .always_buffer = true,
};

/* What the guest can write by itself. */
static const uint8_t writable[SMBUS_HOST_REGISTERS] = {
    [HST_CNT] = CNT_INTREN | CNT_KILL | CNT_PROTOCOL | CNT_PEC,
    [HST_CMD] = 0xff,
    [XMIT_SLVA] = 0xff,
    [HST_D0] = 0xff,
    [HST_D1] = 0xff,
    [PEC] = 0xff,
    [RCV_SLVA] = 0x7f,
    [AUX_CTL] = AUX_AUTO_CRC | AUX_BUFFER,
    [SLV_CMD] = 0x07,
};

/* After a reset. Both lines of both buses are high: nobody pulls them. */
static const uint8_t initial[SMBUS_HOST_REGISTERS] = {
    [RCV_SLVA] = 0x44,
    [SMLINK_PIN_CTL] = 0x07,
    [SMBUS_PIN_CTL] = 0x07,
};

/* ---- bytes on the bus, and their check (SMBus 2.0, 5.4) ---- */

static void add_crc(SmbusHost *host, uint8_t byte)
{
    host->crc ^= byte;
    for (unsigned bit = 0; bit < 8; bit++) {
        host->crc = (uint8_t)(host->crc << 1 ^ (host->crc & 0x80 ? 0x07 : 0));
    }
}

static bool start(SmbusHost *host, bool read)
{
    uint8_t address = host->regs[XMIT_SLVA] >> 1;

    add_crc(host, (uint8_t)(address << 1 | read));
    return i2c_start(host->bus, address, read);
}

static bool put(SmbusHost *host, uint8_t byte)
{
    add_crc(host, byte);
    return i2c_send(host->bus, byte);
}

static uint8_t get(SmbusHost *host)
{
    uint8_t byte = i2c_receive(host->bus);

    add_crc(host, byte);
    return byte;
}

/* The check after all data; false: the other did not take it, or it is wrong. */
static bool finish_check(SmbusHost *host, bool read)
{
    bool automatic = host->regs[AUX_CTL] & AUX_AUTO_CRC;

    if (!(host->regs[HST_CNT] & CNT_PEC)) {
        return true;
    }
    if (!read) {
        return i2c_send(host->bus, automatic ? host->crc : host->regs[PEC]);
    }
    host->regs[PEC] = i2c_receive(host->bus);
    if (automatic && host->regs[PEC] != host->crc) {
        host->regs[AUX_STS] |= AUX_CRC_ERROR;
        return false;
    }
    return true;
}

/* ---- the end of a transfer ---- */

static void update_irq(SmbusHost *host)
{
    irq_set(&host->irq, host->regs[HST_CNT] & CNT_INTREN && host->regs[HST_STS] & STS_INTERRUPTS);
}

/* It is over, with these bits of the status. */
static void end(SmbusHost *host, uint8_t status)
{
    i2c_stop(host->bus);
    host->phase = PHASE_IDLE;
    host->left = 0;
    host->regs[HST_STS] &= (uint8_t)~STS_HOST_BUSY;
    host->regs[HST_STS] |= status;
}

static void finish(SmbusHost *host, bool read)
{
    end(host, finish_check(host, read) ? STS_INTR : STS_DEV_ERR);
}

/* ---- transfers that go at once ---- */

static bool spd_write(const SmbusHost *host)
{
    return host->spd_locked && (host->regs[XMIT_SLVA] >> 1 & SPD_MASK) == SPD_FIRST &&
           !(host->regs[XMIT_SLVA] & SLVA_READ);
}

/* The command, and for reading what turns the bus round. */
static bool address_register(SmbusHost *host, bool read)
{
    return start(host, false) && put(host, host->regs[HST_CMD]) && (!read || start(host, true));
}

static bool transfer_bytes(SmbusHost *host, unsigned count, bool read)
{
    if (!address_register(host, read)) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        if (read) {
            host->regs[HST_D0 + i] = get(host);
        } else if (!put(host, host->regs[HST_D0 + i])) {
            return false;
        }
    }
    return true;
}

static bool process_call(SmbusHost *host)
{
    if (!transfer_bytes(host, 2, false) || !start(host, true)) {
        return false;
    }
    host->regs[HST_D0] = get(host);
    host->regs[HST_D1] = get(host);
    return true;
}

/* ---- blocks ---- */

static bool count_is_good(unsigned count)
{
    return count >= 1 && count <= SMBUS_BLOCK_MAX;
}

/* The buffer goes, with its count. */
static bool put_buffer(SmbusHost *host)
{
    unsigned count = host->regs[HST_D0];

    if (!count_is_good(count) || !address_register(host, false) ||
        (!host->i2c_mode && !put(host, (uint8_t)count))) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!put(host, host->buffer[i])) {
            return false;
        }
    }
    return true;
}

/* After the start for reading. */
static bool get_buffer(SmbusHost *host)
{
    unsigned count = get(host);

    host->regs[HST_D0] = (uint8_t)count;
    if (!count_is_good(count)) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        host->buffer[i] = get(host);
    }
    return true;
}

static bool uses_buffer(const SmbusHost *host)
{
    return host->model->always_buffer || host->regs[AUX_CTL] & AUX_BUFFER;
}

/* The next byte of a block comes, and the guest is told. */
static void step_read(SmbusHost *host)
{
    host->buffer[0] = get(host);
    host->regs[HST_STS] |= STS_BYTE_DONE;
}

static void step_write(SmbusHost *host)
{
    if (!put(host, host->buffer[0])) {
        end(host, STS_DEV_ERR);
        return;
    }
    host->regs[HST_STS] |= STS_BYTE_DONE;
}

/* The guest has taken, or given, a byte. */
static void step(SmbusHost *host)
{
    bool read = host->phase != PHASE_WRITE;
    bool last = host->regs[HST_CNT] & CNT_LAST_BYTE;

    if (host->left && --host->left == 0) {
        finish(host, read);
    } else if (read) {
        host->left = last ? 1 : host->left; /* the next one is the last */
        step_read(host);
    } else {
        step_write(host);
    }
}

/* Begin one byte by byte; false: nobody answers, or the count is wrong. */
static bool begin_block(SmbusHost *host, bool read)
{
    unsigned count = host->regs[HST_D0];

    if (!read && !count_is_good(count)) {
        return false;
    }
    if (!address_register(host, read)) {
        return false;
    }
    if (read) {
        count = get(host);
        host->regs[HST_D0] = (uint8_t)count;
        if (!count_is_good(count)) {
            return false;
        }
    } else if (!host->i2c_mode && !put(host, (uint8_t)count)) {
        return false;
    }
    host->phase = read ? PHASE_READ : PHASE_WRITE;
    host->left = (uint16_t)count;
    return true;
}

/* Its command is in HST_D1; the address is written first whatever the direction bit says. */
static bool begin_i2c_read(SmbusHost *host)
{
    if (!start(host, false) || !put(host, host->regs[HST_D1]) || !start(host, true)) {
        return false;
    }
    host->phase = PHASE_I2C_READ;
    host->left = host->regs[HST_CNT] & CNT_LAST_BYTE ? 1 : 0; /* 0: that is not known yet */
    return true;
}

/* ---- the start of any ---- */

/* false: nobody answers, or it is nothing that can be done. The direction is for the check. */
static bool transfer(SmbusHost *host, SmbusProtocol protocol, bool *read)
{
    switch (protocol) {
    case SMBUS_QUICK:
        return start(host, *read);
    case SMBUS_BYTE:
        if (!start(host, *read)) {
            return false;
        }
        if (*read) {
            host->regs[HST_D0] = get(host);
            return true;
        }
        return put(host, host->regs[HST_CMD]);
    case SMBUS_BYTE_DATA:
        return transfer_bytes(host, 1, *read);
    case SMBUS_WORD_DATA:
        return transfer_bytes(host, 2, *read);
    case SMBUS_PROCESS_CALL:
        *read = true;
        return process_call(host);
    case SMBUS_BLOCK:
        if (!uses_buffer(host)) {
            return begin_block(host, *read);
        }
        return *read ? address_register(host, true) && get_buffer(host) : put_buffer(host);
    case SMBUS_I2C_READ:
        return begin_i2c_read(host);
    case SMBUS_BLOCK_PROCESS:
        *read = true;
        return put_buffer(host) && start(host, true) && get_buffer(host);
    }
    return false;
}

static void run(SmbusHost *host)
{
    SmbusProtocol protocol = (host->regs[HST_CNT] & CNT_PROTOCOL) >> 2;
    bool read = host->regs[XMIT_SLVA] & SLVA_READ;

    host->crc = 0;
    host->index = 0;
    host->regs[HST_STS] |= STS_HOST_BUSY;
    if (!(host->model->protocols & 1 << protocol) || spd_write(host) ||
        !transfer(host, protocol, &read)) {
        end(host, STS_DEV_ERR);
    } else if (host->phase == PHASE_IDLE) {
        /* A quick command has no byte that could be checked. */
        if (protocol == SMBUS_QUICK) {
            end(host, STS_INTR);
        } else {
            finish(host, read);
        }
    } else if (host->phase == PHASE_WRITE) {
        step_write(host);
    } else {
        step_read(host);
    }
}

/* ---- registers ---- */

static void write_status(SmbusHost *host, uint8_t value)
{
    bool taken = value & host->regs[HST_STS] & STS_BYTE_DONE;

    host->regs[HST_STS] &= (uint8_t) ~(value & ~STS_HOST_BUSY);
    if (taken && host->phase != PHASE_IDLE) {
        step(host);
    }
}

static void write_control(SmbusHost *host, uint8_t value)
{
    host->regs[HST_CNT] = value & (writable[HST_CNT] | CNT_LAST_BYTE);
    if (value & CNT_KILL) {
        /* It ends what is under way, and nothing starts while it is set. */
        if (host->phase != PHASE_IDLE) {
            end(host, STS_FAILED);
        }
    } else if (value & CNT_START && host->phase == PHASE_IDLE) {
        run(host);
    }
}

static uint64_t host_read(void *opaque, hwaddr addr, unsigned size)
{
    SmbusHost *host = opaque;
    uint8_t value;

    if (addr >= host->model->registers) {
        return 0;
    }
    value = host->regs[addr];
    switch (addr) {
    case HST_STS:
        value &= host->model->status;
        host->regs[HST_STS] |= STS_INUSE; /* who read a 0 has it now */
        break;
    case HST_CNT:
        value &= writable[HST_CNT]; /* START and LAST_BYTE are read as 0 */
        host->index = 0;
        break;
    case HOST_BLOCK_DB:
        if (uses_buffer(host)) {
            value = host->buffer[host->index];
            host->index = (host->index + 1) % SMBUS_BLOCK_MAX;
        } else {
            value = host->buffer[0];
        }
        break;
    }
    return value;
}

static void host_write(void *opaque, hwaddr addr, uint64_t value64, unsigned size)
{
    SmbusHost *host = opaque;
    uint8_t value = (uint8_t)value64;

    if (addr >= host->model->registers) {
        return;
    }
    switch (addr) {
    case HST_STS:
        write_status(host, value);
        break;
    case HST_CNT:
        write_control(host, value);
        break;
    case HOST_BLOCK_DB:
        if (uses_buffer(host)) {
            host->buffer[host->index] = value;
            host->index = (host->index + 1) % SMBUS_BLOCK_MAX;
        } else {
            host->buffer[0] = value;
        }
        break;
    case AUX_STS:
        host->regs[AUX_STS] &= (uint8_t) ~(value & AUX_CRC_ERROR);
        break;
    default:
        host->regs[addr] =
            (uint8_t)((host->regs[addr] & ~writable[addr]) | (value & writable[addr]));
        break;
    }
    update_irq(host);
}

static const MemoryRegionOps host_ops = { host_read, host_write, 1, 1 };

/* ---- for who has one ---- */

bool smbus_host_realize(SmbusHost *host, const SmbusHostModel *model, Object *owner, GError **errp)
{
    host->bus = host->bus ? host->bus : i2c_bus_new(owner, errp);
    if (!host->bus) {
        return false;
    }
    host->model = model;
    memory_region_init_io(&host->region, &host_ops, host, "smbus-host", model->size);
    return true;
}

void smbus_host_unrealize(SmbusHost *host)
{
    memory_region_destroy(&host->region);
}

void smbus_host_reset(SmbusHost *host)
{
    i2c_stop(host->bus);
    memcpy(host->regs, initial, sizeof(initial));
    memset(host->buffer, 0, sizeof(host->buffer));
    host->index = host->crc = 0;
    host->phase = PHASE_IDLE;
    host->left = 0;
    update_irq(host);
}

static bool host_loaded(void *obj, GError **errp)
{
    SmbusHost *host = obj;

    if (host->phase != PHASE_IDLE && host->phase != PHASE_I2C_READ && !count_is_good(host->left)) {
        error_set(errp, "a block of %u bytes: there are 1 to %u left", host->left, SMBUS_BLOCK_MAX);
        return false;
    }
    return true;
}

static const StateField host_fields[] = {
    STATE_POINTER(SmbusHost, bus, &i2c_bus_state),
    STATE_UINTS(SmbusHost, regs),
    STATE_UINTS(SmbusHost, buffer),
    STATE_UINT_MAX(SmbusHost, index, SMBUS_BLOCK_MAX - 1),
    STATE_UINT(SmbusHost, crc),
    STATE_UINT_MAX(SmbusHost, phase, PHASES - 1),
    STATE_UINT_MAX(SmbusHost, left, SMBUS_BLOCK_MAX),
    {},
};
const StateTable smbus_host_state = {
    .name = "smbus-host", .version = 1, .fields = host_fields, .post_load = host_loaded
};
