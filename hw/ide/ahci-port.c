/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A port: its registers (AHCI 1.3.1, section 3.3), and the way of a command (section 5.3), which
 * begins by PxCI and ends by a frame of the device. One at a time, but for queued ones. One that
 * fails stops the port until the guest starts it anew (section 6.2.2).
 */
#include <string.h>

#include "hw/ide/ahci.h"
#include "util/error.h"

/* ---- registers ---- */

enum {
    CLB = 0x00,
    IS = 0x10,
    CMD = 0x18,
    TFD = 0x20,
    SIG = 0x24,
    SSTS = 0x28,
    SCTL = 0x2c,
    SERR = 0x30,
    SACT = 0x34,
    CI = 0x38,
    SNTF = 0x3c,
    PORT_BYTES = 0x40, /* of those that are there */
};

enum {
    CMD_SPIN_UP = 1 << 1,
    CMD_POWER = 1 << 2,
    CMD_OVERRIDE = 1 << 3, /* forget that the device is busy */
    CMD_SLOT_SHIFT = 8,
    CMD_SLOT = 0x1f << CMD_SLOT_SHIFT,
    CMD_FIS_RUNNING = 1 << 14,
    CMD_RUNNING = 1 << 15,
    CMD_ATAPI = 1 << 24,
    CMD_ATAPI_LED = 1 << 25,
    CMD_WRITABLE = AHCI_CMD_START | AHCI_CMD_FIS | CMD_ATAPI | CMD_ATAPI_LED,
};

enum { DETECT = 0xf, DETECT_RESET = 1, DETECT_OFFLINE = 4 };
enum { SERR_PHY = 1 << 16, SERR_CONNECT = 1 << 26 };

#define TFD_NOTHING  0x7fu
#define SIG_NOTHING  UINT32_MAX
#define SSTS_UP      0x113u      /* a device, 1.5 Gbit/s, active */
#define IE_WRITABLE  0xfdc000ffu /* the bits that are there */
#define LIST_ALIGNED 0xfffffc00u
#define FIS_ALIGNED  0xffffff00u

/* A register's member, the bits that the guest writes, those it clears by ones, those it sets. */
#define ROW(member, ...)                            \
    {                                               \
        offsetof(AhciPort, member) + 1, __VA_ARGS__ \
    }
static const struct {
    size_t member; /* 1 more; 0: none */
    uint32_t writable, clears;
} registers[PORT_BYTES / 4] = {
    [CLB / 4] = ROW(clb, LIST_ALIGNED),
    ROW(clbu, UINT32_MAX),
    ROW(fb, FIS_ALIGNED),
    ROW(fbu, UINT32_MAX),
    [IS / 4] = ROW(is, 0, UINT32_MAX),
    ROW(ie, IE_WRITABLE),
    [CMD / 4] = ROW(cmd, CMD_WRITABLE),
    [TFD / 4] = ROW(tfd, 0),
    [SIG / 4] = ROW(sig, 0),
    [SCTL / 4] = ROW(sctl, 0xfff),
    [SERR / 4] = ROW(serr, 0, UINT32_MAX),
    [SACT / 4] = ROW(sact, 0),
    [CI / 4] = ROW(ci, 0),
    [SNTF / 4] = ROW(sntf, 0, 0xffff),
};

static uint32_t *register_at(AhciPort *p, unsigned offset)
{
    size_t member = offset < PORT_BYTES ? registers[offset / 4].member : 0;

    return member ? (uint32_t *)(void *)((uint8_t *)p + member - 1) : NULL;
}

uint32_t ahci_port_interrupts(const AhciPort *p)
{
    return p->is | (p->serr & SERR_CONNECT ? AHCI_IS_CONNECT : 0) |
           (p->serr & SERR_PHY ? AHCI_IS_PHY : 0);
}

static uint32_t status_of_link(const AhciPort *p)
{
    unsigned detect = p->sctl & DETECT;

    if (detect == DETECT_OFFLINE) {
        return DETECT_OFFLINE;
    }
    return ahci_port_device(p) && detect != DETECT_RESET ? SSTS_UP : 0;
}

uint32_t ahci_port_read(AhciPort *p, unsigned offset)
{
    const uint32_t *reg = register_at(p, offset);

    switch (offset) {
    case IS:
        return ahci_port_interrupts(p);
    case CMD:
        return p->cmd | CMD_SPIN_UP | CMD_POWER | (p->cmd & AHCI_CMD_FIS ? CMD_FIS_RUNNING : 0) |
               (p->cmd & AHCI_CMD_START ? CMD_RUNNING : 0);
    case SSTS:
        return status_of_link(p);
    default:
        return reg ? *reg : 0;
    }
}

/* ---- resets ---- */

void ahci_port_cancel(AhciPort *p)
{
    AtaDevice *dev = ahci_port_device(p);

    if (dev) {
        ahci_queue_cancel(p);
        ata_cancel(dev);
        p->tfd &= ~(uint32_t)(ATA_BSY | ATA_DRQ);
    }
    p->slot = AHCI_SLOTS;
    p->ci = p->sact = p->kept = 0;
    p->stopped = false;
    p->cmd &= ~(uint32_t)CMD_SLOT;
}

/* The device begins anew, and will say what it is when frames are received. */
static void reset_device(AhciPort *p)
{
    AtaDevice *dev = ahci_port_device(p);

    ahci_port_cancel(p);
    if (dev) {
        ata_soft_reset(dev);
    }
    p->tfd = TFD_NOTHING;
    p->sig = SIG_NOTHING;
    p->resetting = false;
    p->first_fis = dev != NULL;
}

static void receive_first(AhciPort *p)
{
    if (p->first_fis && p->cmd & AHCI_CMD_FIS && status_of_link(p) == SSTS_UP) {
        ahci_fis_signature(p);
    }
}

void ahci_port_reset(AhciPort *p, bool all)
{
    reset_device(p);
    if (all) {
        p->clb = p->clbu = p->fb = p->fbu = 0;
    }
    p->is = p->ie = p->cmd = p->sctl = p->serr = p->sntf = 0;
}

/* ---- what the guest does ---- */

static void cmd_written(AhciPort *p, uint32_t before, uint32_t value)
{
    AtaDevice *dev = ahci_port_device(p);

    if (before & ~p->cmd & AHCI_CMD_START) {
        ahci_port_cancel(p);
    }
    if (value & CMD_OVERRIDE && dev && p->slot == AHCI_SLOTS) {
        p->tfd &= ~(uint32_t)(ATA_BSY | ATA_DRQ);
    }
    receive_first(p);
}

/* PxSCTL.DET leads the link through a reset (section 10.4.2). */
static void sctl_written(AhciPort *p, uint32_t before, uint32_t value)
{
    unsigned was = before & DETECT, is = p->sctl & DETECT;

    if (was == is) {
        return;
    }
    if (is == DETECT_RESET || is == DETECT_OFFLINE) {
        reset_device(p);
        p->first_fis = false;
    } else if (ahci_port_device(p)) {
        p->first_fis = true;
        p->serr |= SERR_CONNECT;
        receive_first(p);
    }
}

static void sact_written(AhciPort *p, uint32_t before, uint32_t value)
{
    p->sact |= p->cmd & AHCI_CMD_START ? value : 0;
}

static void ci_written(AhciPort *p, uint32_t before, uint32_t value)
{
    p->ci |= p->cmd & AHCI_CMD_START ? value : 0;
    ahci_port_run(p);
}

static const struct {
    unsigned offset;
    void (*written)(AhciPort *p, uint32_t before, uint32_t value);
} hooks[] = {
    { CMD, cmd_written }, { SCTL, sctl_written }, { SACT, sact_written }, { CI, ci_written }
};

void ahci_port_write(AhciPort *p, unsigned offset, uint32_t value, uint32_t mask)
{
    uint32_t *reg = register_at(p, offset), before, writable;

    if (!reg) {
        return;
    }
    before = *reg;
    value &= mask;
    writable = registers[offset / 4].writable & mask;
    *reg = (before & ~writable & ~(value & registers[offset / 4].clears)) | (value & writable);
    for (unsigned i = 0; i < G_N_ELEMENTS(hooks); i++) {
        if (hooks[i].offset == offset) {
            hooks[i].written(p, before, value);
        }
    }
    ahci_update(p->ahci);
}

/* ---- commands ---- */

enum { HEADER_BYTES = 32, HEADER_DONE = 4 };
enum { FLAG_LENGTH = 0x1f };
enum { FIS_COMMAND = 0x27, FIS_IS_COMMAND = 0x80, FIS_WORDS = AHCI_FIS_BYTES / 4 };

void ahci_port_bus_error(AhciPort *p)
{
    p->is |= AHCI_IS_BUS;
    p->stopped = true;
    ahci_update(p->ahci);
}

void ahci_port_overflow(AhciPort *p)
{
    p->is |= AHCI_IS_OVERFLOW;
}

static hwaddr header_at(const AhciPort *p, unsigned slot)
{
    return (p->clb | (hwaddr)p->clbu << 32) + slot * HEADER_BYTES;
}

bool ahci_port_command(AhciPort *p, unsigned slot, AhciHeader *header, uint8_t fis[AHCI_FIS_BYTES])
{
    uint32_t words[4];

    if (!dma_read_ram(&p->ahci->parent.dma, header_at(p, slot), words, sizeof(words))) {
        return false;
    }
    header->flags = (uint16_t)GUINT32_FROM_LE(words[0]);
    header->entries = (uint16_t)(GUINT32_FROM_LE(words[0]) >> 16);
    header->table = (GUINT32_FROM_LE(words[2]) & ~0x7fu) | (uint64_t)GUINT32_FROM_LE(words[3])
                                                               << 32;
    return dma_read_ram(&p->ahci->parent.dma, header->table, fis, AHCI_FIS_BYTES);
}

/* A frame with the control register: the two of a software reset, or nothing. */
static void control(AhciPort *p, unsigned slot, const uint8_t *fis)
{
    bool reset = fis[15] & ATA_CONTROL_SRST;

    p->ci &= ~(1u << slot);
    if (reset) {
        p->resetting = true;
    } else if (p->resetting) {
        p->resetting = false;
        ata_soft_reset(ahci_port_device(p));
        ahci_fis_signature(p);
    }
}

static void set_registers(AtaDevice *dev, const uint8_t *fis)
{
    dev->feature[0] = fis[3];
    dev->feature[1] = fis[11];
    memcpy(dev->lba, fis + 4, 3);
    memcpy(dev->lba + 3, fis + 8, 3);
    memcpy(dev->count, fis + 12, 2);
    dev->select = fis[7] & ~(ATA_DEVICE_OBSOLETE | ATA_DEVICE_UNIT);
}

static SgList list_of(const AhciPort *p, const AhciHeader *header)
{
    return sg_list(SG_AHCI, &p->ahci->parent.dma, header->table + AHCI_TABLE_LIST, header->entries);
}

static void issue(AhciPort *p, unsigned slot)
{
    AtaDevice *dev = ahci_port_device(p);
    uint8_t fis[AHCI_FIS_BYTES];
    AhciHeader header;

    p->cmd = (p->cmd & ~(uint32_t)CMD_SLOT) | slot << CMD_SLOT_SHIFT;
    if (!ahci_port_command(p, slot, &header, fis)) {
        ahci_port_bus_error(p);
    } else if (fis[0] != FIS_COMMAND || (header.flags & FLAG_LENGTH) < FIS_WORDS) {
        p->is |= AHCI_IS_INTERFACE;
        p->stopped = true;
    } else if (!(fis[1] & FIS_IS_COMMAND)) {
        control(p, slot, fis);
    } else {
        p->tfd |= ATA_BSY;
        set_registers(dev, fis);
        if (ahci_is_queued(fis[2]) && !ata_class(dev)->packet) {
            ahci_queue_start(p, slot, &header, fis);
        } else {
            p->slot = (uint8_t)slot;
            p->list = list_of(p, &header);
            ata_execute(dev, fis[2]);
        }
    }
}

/* The next one that the device can take; AHCI_SLOTS: none. */
static unsigned next_slot(const AhciPort *p)
{
    if (!ahci_port_device(p) || !(p->cmd & AHCI_CMD_START) || p->stopped || p->first_fis ||
        p->slot != AHCI_SLOTS || !p->ci || status_of_link(p) != SSTS_UP ||
        !pci_can_dma(&p->ahci->parent)) {
        return AHCI_SLOTS;
    }
    return (unsigned)__builtin_ctz(p->ci);
}

/* Others wait until queued ones are through. */
static bool must_wait(AhciPort *p, unsigned slot)
{
    uint8_t fis[AHCI_FIS_BYTES];
    AhciHeader header;

    return ahci_queue_busy(p) && ahci_port_command(p, slot, &header, fis) &&
           !(fis[1] & FIS_IS_COMMAND && ahci_is_queued(fis[2]));
}

void ahci_port_run(AhciPort *p)
{
    unsigned slot;

    if (p->running) {
        return;
    }
    p->running = true;
    while ((slot = next_slot(p)) < AHCI_SLOTS && !must_wait(p, slot)) {
        issue(p, slot);
    }
    p->running = false;
}

/* ---- what the device wants ---- */

static AhciPort *port_of(const AtaDevice *dev)
{
    return dev->opaque;
}

/* The command is through. */
static void port_interrupt(AtaDevice *dev)
{
    AhciPort *p = port_of(dev);
    uint32_t bytes = GUINT32_TO_LE((uint32_t)p->list.used);

    if (p->slot == AHCI_SLOTS) {
        return;
    }
    if (!dma_write_ram(&p->ahci->parent.dma, header_at(p, p->slot) + HEADER_DONE, &bytes,
                       sizeof(bytes))) {
        ahci_port_bus_error(p);
    }
    if (dev->status & ATA_ERR) {
        p->stopped = true;
    } else {
        p->ci &= ~(1u << p->slot);
    }
    p->slot = AHCI_SLOTS;
    ahci_fis_registers(p, true);
    ahci_port_run(p);
}

/* The packet of the command, which lies beside its list. */
static void give_packet(AhciPort *p, AtaDevice *dev)
{
    uint8_t fis[AHCI_FIS_BYTES], packet[ATA_PACKET_BYTES];
    AhciHeader header;

    if (ahci_port_command(p, p->slot, &header, fis) &&
        dma_read_ram(&p->ahci->parent.dma, header.table + AHCI_TABLE_PACKET, packet,
                     sizeof(packet))) {
        ata_give_packet(dev, packet);
    } else {
        ahci_port_bus_error(p);
        ata_fail(dev, ATA_ABRT);
    }
}

/* Frames that blocks go with, of which the guest finds the last. The first one to the device, be it
 * a packet or data, comes without an interrupt (Serial ATA 2.6, section 11.7). */
static void pio_setup(AhciPort *p, const AtaDevice *dev, bool to_guest)
{
    bool disk = dev->data == ATA_FROM_DISK || dev->data == ATA_TO_DISK;
    bool later = disk ? dev->left * ATA_SECTOR > ata_last_block(dev) : dev->command == ATA_PACKET;

    ahci_fis_pio_setup(p, ata_last_block(dev), to_guest, to_guest || (later && !dev->wants_packet));
}

static void port_dma(AtaDevice *dev)
{
    AhciPort *p = port_of(dev);
    bool to_guest = dev->data == ATA_FROM_BUFFER || dev->data == ATA_FROM_DISK;

    if (p->slot == AHCI_SLOTS) {
        return;
    }
    if (ata_moves_by_pio(dev)) {
        pio_setup(p, dev, to_guest);
    }
    if (dev->wants_packet) {
        give_packet(p, dev);
    } else {
        ata_dma(dev, &p->list);
    }
}

static void port_dma_ended(AtaDevice *dev, SgList *list, bool failed)
{
    AhciPort *p = port_of(dev);

    p->list = *list;
    p->is |= failed ? AHCI_IS_BUS : 0;
}

static void port_overflow(AtaDevice *dev)
{
    ahci_port_overflow(port_of(dev));
}

static void port_again(AtaDevice *dev)
{
    AhciPort *p = port_of(dev);
    uint8_t fis[AHCI_FIS_BYTES];
    AhciHeader header;

    if (p->slot == AHCI_SLOTS) {
        ata_cancel(dev);
    } else if (!ahci_port_command(p, p->slot, &header, fis)) {
        ahci_port_bus_error(p);
        ata_fail(dev, ATA_ABRT);
    } else {
        p->list = list_of(p, &header);
        ata_again(dev);
    }
}

static void port_cancel(AtaDevice *dev)
{
    ahci_port_cancel(port_of(dev));
}

const AtaPortOps ahci_port_ops = {
    .interrupt = port_interrupt,
    .dma = port_dma,
    .dma_ended = port_dma_ended,
    .overflow = port_overflow,
    .again = port_again,
    .cancel = port_cancel,
    .pio_by_dma = true,
    .serial = true,
};

/* ---- state ---- */

static const StateField fields[] = {
    STATE_UINT(AhciPort, clb),
    STATE_UINT(AhciPort, clbu),
    STATE_UINT(AhciPort, fb),
    STATE_UINT(AhciPort, fbu),
    STATE_UINT(AhciPort, is),
    STATE_UINT(AhciPort, ie),
    STATE_UINT(AhciPort, cmd),
    STATE_UINT(AhciPort, tfd),
    STATE_UINT(AhciPort, sig),
    STATE_UINT(AhciPort, sctl),
    STATE_UINT(AhciPort, serr),
    STATE_UINT(AhciPort, sact),
    STATE_UINT(AhciPort, ci),
    STATE_UINT(AhciPort, sntf),
    STATE_UINT_MAX(AhciPort, slot, AHCI_SLOTS),
    STATE_BOOL(AhciPort, first_fis),
    STATE_BOOL(AhciPort, resetting),
    STATE_BOOL(AhciPort, stopped),
    STATE_UINT(AhciPort, kept),
    {},
};
const StateTable ahci_port_state = { .name = "ahci-port", .version = 1, .fields = fields };
