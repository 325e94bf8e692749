/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lists: of commands, and of frames. */
#include <string.h>
#include <zlib.h>

#include "hw/net/eepro100.h"
#include "memory/dma.h"

enum {
    PACKET_LONGEST = 1518, /* with a tag, without the sum */
    SUM_SIZE = 4,
    ADDRESSES = 12,
    GROUPS_MAX = 512, /* bytes of a list of groups */
    HEADER = 16,      /* of a frame, or of a command that sends */
    OPTIONS = 8,      /* where those of other commands are */
};

/* The first two words of commands and frames. */
enum {
    DONE = 0x8000,
    RIGHT = 0x2000,
    END = 0x8000,   /* the list ends here, */
    STAND = 0x4000, /* or the unit stands */
    TELL = 0x2000,
    FLEXIBLE = 0x0008,    /* data is elsewhere */
    NOT_OURS = 0x0002,    /* of frames: it is not to the card's own address */
    COUNT_VALID = 0xc000, /* of a frame's length */
    COUNT = 0x3fff,
};
enum { DO_NOTHING, DO_ADDRESS, DO_CONFIGURE, DO_GROUPS, DO_TRANSMIT };

/* Of a configuration, by byte. */
enum {
    CONFIG_UNITS = 6, /* what is told, and how commands that send are made */
    UNITS_TCO = 0x04,
    UNITS_ONLY_IDLE = 0x08,
    UNITS_STANDARD_TX = 0x10,
    UNITS_STANDARD_COUNTERS = 0x20,
    CONFIG_LOOP = 10,
    LOOP = 0xc0,
    CONFIG_RX = 15,
    RX_ALL = 0x01,
    RX_NO_BROADCAST = 0x02,
    CONFIG_SUM = 18,
    SUM = 0x04,
    CONFIG_GROUPS = 21,
    GROUPS_ALL = 0x08,
};

typedef struct Block {
    uint16_t status, command;
    uint32_t link;
} Block;

typedef struct TxBlock {
    uint32_t pieces; /* where they are; NONE: the data follows */
    uint16_t size;
    uint8_t threshold, count;
} TxBlock;
#define NONE UINT32_MAX

typedef struct Piece {
    uint32_t addr, size;
} Piece;

typedef struct Frame {
    uint16_t status, command;
    uint32_t link, buffers;
    uint16_t count, size;
} Frame;

static bool read_at(const Eepro100 *s, uint32_t at, void *to, size_t size)
{
    return dma_read_ram(&s->parent.dma, at, to, size);
}

static void write_at(const Eepro100 *s, uint32_t at, const void *from, size_t size)
{
    dma_write_ram(&s->parent.dma, at, from, size);
}

/* ---- commands ---- */

static void send_out(Eepro100 *s, size_t size)
{
    s->counters[EEPRO_COUNT_TX]++;
    if (s->config[CONFIG_LOOP] & LOOP) {
        eepro100_receive(&s->card.nic.client, &(NetOffload){ 0 }, s->card.packet, size);
    } else {
        net_send(&s->card.nic.client, s->card.packet,
                 nic_card_pad(s->card.packet, s->card.packet, size));
    }
}

/* The first two pieces are in the command itself, if it is an extended one. */
static bool add_piece(const Eepro100 *s, uint32_t at, const TxBlock *tx, unsigned n, size_t *size)
{
    bool extended = !(s->config[CONFIG_UNITS] & UNITS_STANDARD_TX);
    uint32_t place = !extended ? tx->pieces + 8 * n
                     : n < 2   ? at + HEADER + 8 * n
                               : tx->pieces + 8 * (n - 2);
    Piece piece;

    if (!read_at(s, place, &piece, sizeof(piece))) {
        return false;
    }
    piece.size &= COUNT;
    if (*size + piece.size > NET_PACKET_MAX ||
        !read_at(s, piece.addr, s->card.packet + *size, piece.size)) {
        return false;
    }
    *size += piece.size;
    return true;
}

static bool transmit_block(Eepro100 *s, uint32_t at, uint16_t command)
{
    size_t size;
    TxBlock tx;

    if (!read_at(s, at + OPTIONS, &tx, sizeof(tx))) {
        return false;
    }
    size = tx.size & COUNT;
    if (!read_at(s, at + HEADER, s->card.packet, size)) {
        return false;
    }
    for (unsigned n = 0; command & FLEXIBLE && tx.pieces != NONE && n < tx.count; n++) {
        if (!add_piece(s, at, &tx, n, &size)) {
            return false;
        }
    }
    if (size < ADDRESSES + 2) {
        return false;
    }
    send_out(s, size);
    return true;
}

static bool configure(Eepro100 *s, uint32_t at)
{
    uint8_t config[EEPRO_CONFIG];
    unsigned count;

    if (!read_at(s, at + OPTIONS, config, sizeof(config))) {
        return false;
    }
    count = MIN(config[0] & 63u, EEPRO_CONFIG);
    memcpy(s->config, config, count);
    return true;
}

static bool set_groups(Eepro100 *s, uint32_t at)
{
    uint8_t list[GROUPS_MAX];
    uint16_t size;

    if (!read_at(s, at + OPTIONS, &size, sizeof(size))) {
        return false;
    }
    size &= COUNT;
    memset(s->groups, size > sizeof(list) ? 0xff : 0, sizeof(s->groups));
    if (size > sizeof(list)) {
        return true; /* all there are, more or less */
    }
    if (!read_at(s, at + OPTIONS + 2, list, size)) {
        return false;
    }
    for (unsigned i = 0; i + NET_MAC_SIZE <= size; i += NET_MAC_SIZE) {
        unsigned hash = nic_card_hash(list + i, false);

        s->groups[hash / 8] |= (uint8_t)(1 << hash % 8);
    }
    return true;
}

static bool do_block(Eepro100 *s, uint32_t at, uint16_t command)
{
    switch (command & 7) {
    case DO_ADDRESS:
        return read_at(s, at + OPTIONS, s->mac, NET_MAC_SIZE);
    case DO_CONFIGURE:
        return configure(s, at);
    case DO_GROUPS:
        return set_groups(s, at);
    case DO_TRANSMIT:
        return transmit_block(s, at, command);
    default: /* nothing, microcode, a dump, a diagnosis: there is nothing to do, or to find */
        return true;
    }
}

static void stand(Eepro100 *s, EeproUnit unit)
{
    s->cu = (uint8_t)unit;
    if (unit == EEPRO_IDLE || !(s->config[CONFIG_UNITS] & UNITS_ONLY_IDLE)) {
        eepro100_interrupt(s, EEPRO_CNA);
    }
}

/* What is sent may come back, and do anything: what it was is seen before. */
static void take_block(Eepro100 *s)
{
    uint32_t at = s->cu_at;
    uint16_t status = DONE;
    Block block;

    if (!read_at(s, at, &block, sizeof(block))) {
        stand(s, EEPRO_IDLE);
        return;
    }
    s->cu_at = s->cu_base + block.link;
    status |= do_block(s, at, block.command) ? RIGHT : 0;
    write_at(s, at, &status, sizeof(status));
    if (block.command & TELL) {
        eepro100_interrupt(s, EEPRO_CX);
    }
    if (block.command & END) {
        stand(s, EEPRO_IDLE);
    } else if (block.command & STAND) {
        stand(s, EEPRO_SUSPENDED);
    }
}

void eepro100_transmit(void *opaque)
{
    Eepro100 *s = opaque;

    for (unsigned left = NIC_CARD_TURN;
         s->cu == EEPRO_ACTIVE && eepro100_runs(s) && net_can_send(&s->card.nic.client); left--) {
        if (!left) {
            nic_card_transmit_soon(&s->card); /* a list may go round */
            break;
        }
        take_block(s);
    }
}

/* ---- what the driver tells the units ---- */

/* Statistics, of as many words as the configuration says, and a word that says that they are there.
 */
static void dump(Eepro100 *s, bool reset)
{
    uint8_t units = s->config[CONFIG_UNITS];
    unsigned words = units & UNITS_STANDARD_COUNTERS ? 16 : units & UNITS_TCO ? 20 : 19;
    uint32_t mark = reset ? 0xa007 : 0xa005;

    write_at(s, s->dump_at, s->counters, words * sizeof(s->counters[0]));
    write_at(s, s->dump_at + words * (uint32_t)sizeof(s->counters[0]), &mark, sizeof(mark));
    if (reset) {
        memset(s->counters, 0, sizeof(s->counters));
    }
}

static void command_unit(Eepro100 *s, unsigned command)
{
    enum { START = 1, RESUME, SET_DUMP = 4, DUMP, SET_BASE, DUMP_RESET, RESUME_STATIC = 10 };
    uint32_t pointer = eepro100_get32(s, EEPRO_POINTER);

    if (command == START && s->cu != EEPRO_ACTIVE) {
        s->cu_at = s->cu_base + pointer;
        s->cu = EEPRO_ACTIVE;
    } else if ((command == RESUME || command == RESUME_STATIC) && s->cu == EEPRO_SUSPENDED) {
        s->cu = EEPRO_ACTIVE;
    } else if (command == SET_DUMP) {
        s->dump_at = pointer;
    } else if (command == SET_BASE) {
        s->cu_base = pointer;
    } else if ((command == DUMP || command == DUMP_RESET) && eepro100_runs(s)) {
        dump(s, command == DUMP_RESET);
    }
}

static void frame_unit(Eepro100 *s, unsigned command)
{
    enum { START = 1, RESUME, ABORT = 4, SET_BASE = 6 };
    uint32_t pointer = eepro100_get32(s, EEPRO_POINTER);

    if (command == START) {
        s->ru_at = s->ru_base + pointer;
        s->ru = EEPRO_ACTIVE;
    } else if (command == RESUME && s->ru == EEPRO_SUSPENDED) {
        s->ru = EEPRO_ACTIVE;
    } else if (command == ABORT) {
        s->ru = EEPRO_IDLE;
    } else if (command == SET_BASE) {
        s->ru_base = pointer;
    }
}

void eepro100_command(Eepro100 *s, uint8_t value)
{
    command_unit(s, value >> 4);
    frame_unit(s, value & 7);
    nic_card_transmit(&s->card);
    net_client_ready(&s->card.nic.client);
}

/* A word that is not 0, and that nothing failed. */
void eepro100_self_test(Eepro100 *s, uint32_t at)
{
    const uint32_t result[2] = { NONE, 0 };

    if (eepro100_runs(s)) {
        write_at(s, at, result, sizeof(result));
    }
}

/* ---- what is received ---- */

static bool wants(const Eepro100 *s, const uint8_t *packet, uint16_t *status)
{
    unsigned hash = nic_card_hash(packet, false);
    bool all = s->config[CONFIG_RX] & RX_ALL;

    *status = NOT_OURS;
    if (nic_card_is_broadcast(packet)) {
        return all || !(s->config[CONFIG_RX] & RX_NO_BROADCAST);
    }
    if (packet[0] & 1) {
        return all || s->config[CONFIG_GROUPS] & GROUPS_ALL || s->groups[hash / 8] >> hash % 8 & 1;
    }
    if (memcmp(packet, s->mac, NET_MAC_SIZE) == 0) {
        *status = 0;
        return true;
    }
    return all;
}

static void no_frames(Eepro100 *s)
{
    s->ru = EEPRO_NO_RESOURCES;
    s->counters[EEPRO_COUNT_NO_RESOURCES]++;
    eepro100_interrupt(s, EEPRO_RNR);
}

static void fill(Eepro100 *s, const Frame *frame, const uint8_t *packet, size_t size,
                 uint16_t status)
{
    uint32_t at = s->ru_at;
    uint16_t count = (uint16_t)(MIN(size, frame->size & COUNT) | COUNT_VALID);

    status |= DONE | (size <= (frame->size & COUNT) ? RIGHT : 0);
    write_at(s, at + HEADER, packet, count & COUNT);
    write_at(s, at + offsetof(Frame, count), &count, sizeof(count));
    write_at(s, at, &status, sizeof(status));
    s->counters[EEPRO_COUNT_RX]++;
    s->ru_at = s->ru_base + frame->link;
    if (frame->command & END) {
        no_frames(s);
    } else if (frame->command & STAND) {
        s->ru = EEPRO_SUSPENDED;
        eepro100_interrupt(s, EEPRO_RNR);
    }
    eepro100_interrupt(s, EEPRO_FR);
}

/* What comes while the unit stands waits, until it is told to go on. */
bool eepro100_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    Eepro100 *s = nc->opaque;
    uint8_t copy[PACKET_LONGEST + SUM_SIZE];
    uint16_t status;
    Frame frame;

    if (s->ru == EEPRO_IDLE || size > PACKET_LONGEST || size < ADDRESSES ||
        !wants(s, packet, &status)) {
        return true;
    }
    if (s->ru != EEPRO_ACTIVE || !eepro100_runs(s)) {
        return false;
    }
    /* One without room ends the list, whether it says so or not yet: drivers set both words of the
     * new end one after the other. One in flexible mode has its buffers elsewhere: no driver uses
     * that. */
    if (!read_at(s, s->ru_at, &frame, sizeof(frame)) || frame.command & FLEXIBLE ||
        !(frame.size & COUNT)) {
        no_frames(s);
        return false;
    }
    size = nic_card_pad(copy, packet, size);
    if (s->config[CONFIG_SUM] & SUM) {
        uint32_t sum = GUINT32_TO_LE((uint32_t)crc32(0, copy, (uInt)size));

        memcpy(copy + size, &sum, sizeof(sum));
        size += sizeof(sum);
    }
    fill(s, &frame, copy, size, status);
    return true;
}
