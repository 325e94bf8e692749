/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/sd/sd-card.h"

#include <inttypes.h>
#include <string.h>

#include "hw/core/runstate.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/units.h"

#define SIZE_UNIT (512 * KIB)
#define SIZE_MAX_ (2 * TIB)

/* Card status (4.10.1). */
enum {
    OUT_OF_RANGE = 1u << 31,
    ADDRESS_ERROR = 1u << 30,
    BLOCK_LEN_ERROR = 1u << 29,
    ERASE_SEQ_ERROR = 1u << 28,
    ERASE_PARAM = 1u << 27,
    WP_VIOLATION = 1u << 26,
    ILLEGAL_COMMAND = 1u << 22,
    ERROR = 1u << 19,
    ERASE_RESET = 1u << 13,
    STATE_SHIFT = 9,
    READY_FOR_DATA = 1u << 8,
    APP_CMD = 1u << 5,
    KEPT = ~(0xfu << STATE_SHIFT | READY_FOR_DATA | APP_CMD), /* in SdCard.status, until read */
};

/* Operating conditions (5.1): 2.7 to 3.6 V. */
enum {
    OCR_VOLTAGES = 0x00ff8000,
    OCR_CCS = 1u << 30,
    OCR_POWERED_UP = 1u << 31,
};

/* Responses (4.9). */
typedef enum Response { R_NONE, R1, R2_CID, R2_CSD, R3, R6, R7 } Response;

#define IN(state) (1u << (state))
#define ADDRESSED (IN(SD_STBY) | IN(SD_TRAN) | IN(SD_DATA) | IN(SD_RCV) | IN(SD_PRG) | IN(SD_DIS))

typedef Response Handler(SdCard *card, uint32_t arg);

typedef struct Command {
    Handler *handler; /* NULL: there is none */
    uint16_t states;  /* in which it is one; bits IN() */
    bool to_rca;      /* the upper half of the argument is an address, which must be ours */
} Command;

static uint64_t address_of(const SdCard *card, uint32_t arg)
{
    return card->high_capacity ? (uint64_t)arg * SD_BLOCK : arg;
}

static Response fails(SdCard *card, uint32_t why)
{
    card->status |= why;
    return R1;
}

/* ---- identification ---- */

static void go_idle(SdCard *card)
{
    sd_card_drain(card);
    card->state = SD_IDLE;
    card->data = SD_DATA_NONE;
    card->status = 0;
    card->rca = 0;
    card->app = card->powered_up = card->high_capacity = card->high_speed = card->wide = false;
    card->if_cond = card->single = false;
    card->block_len = SD_BLOCK;
    card->at = card->erase_first = card->erase_last = 0;
    card->written = 0;
    card->erase_given = 0;
    memset(card->reply, 0, sizeof(card->reply));
    card->reply_size = card->reply_at = 0;
}

static Response cmd_go_idle(SdCard *card, uint32_t arg)
{
    go_idle(card);
    return R_NONE;
}

static Response cmd_all_send_cid(SdCard *card, uint32_t arg)
{
    card->state = SD_IDENT;
    return R2_CID;
}

static Response cmd_send_relative_addr(SdCard *card, uint32_t arg)
{
    enum { FIRST = 0x4567, STEP = 0x1000 };

    card->state = SD_STBY;
    card->rca = (uint16_t)(card->rca ? card->rca + STEP : FIRST);
    card->rca += card->rca == 0; /* that would be none */
    return R6;
}

static Response cmd_send_if_cond(SdCard *card, uint32_t arg)
{
    enum { VOLTAGE = 0xf00, VOLTAGE_3V3 = 0x100 };

    if (card->spec == 1 || (arg & VOLTAGE) != VOLTAGE_3V3) {
        return R_NONE;
    }
    card->if_cond = true;
    return R7;
}

static Response acmd_send_op_cond(SdCard *card, uint32_t arg)
{
    bool large = sd_card_size(card) > 2 * GIB;

    if (!(arg & OCR_VOLTAGES)) {
        return R3; /* an inquiry, which changes nothing */
    }
    /* A large card stays busy for a host that does not know of such. */
    if (!large || (arg & OCR_CCS && card->if_cond)) {
        card->powered_up = true;
        card->high_capacity = large;
        card->state = SD_READY;
    }
    return R3;
}

static Response cmd_go_inactive(SdCard *card, uint32_t arg)
{
    card->state = SD_INACTIVE;
    return R_NONE;
}

/* ---- in use ---- */

static Response cmd_select(SdCard *card, uint32_t arg)
{
    bool ours = arg >> 16 == card->rca;

    if (ours) {
        if (card->state != SD_STBY && card->state != SD_DIS) {
            return fails(card, ILLEGAL_COMMAND);
        }
        card->state = card->state == SD_DIS ? SD_PRG : SD_TRAN;
        return R1;
    }
    card->state = card->state == SD_PRG ? SD_DIS : card->state == SD_DIS ? SD_DIS : SD_STBY;
    card->data = SD_DATA_NONE;
    return R_NONE;
}

static Response cmd_send_csd(SdCard *card, uint32_t arg)
{
    return R2_CSD;
}

static Response cmd_send_cid(SdCard *card, uint32_t arg)
{
    return R2_CID;
}

static Response cmd_stop(SdCard *card, uint32_t arg)
{
    card->state = SD_TRAN;
    card->data = SD_DATA_NONE;
    return R1;
}

static Response cmd_status(SdCard *card, uint32_t arg)
{
    return R1;
}

static Response cmd_set_blocklen(SdCard *card, uint32_t arg)
{
    if (!arg || arg > SD_BLOCK) {
        return fails(card, BLOCK_LEN_ERROR);
    }
    /* Of high capacity it is for what this card has not. */
    card->block_len = card->high_capacity ? SD_BLOCK : arg;
    return R1;
}

static Response begin_reply(SdCard *card)
{
    card->data = SD_DATA_REPLY;
    card->state = SD_DATA;
    return R1;
}

static Response begin_blocks(SdCard *card, uint32_t arg, bool writes, bool single)
{
    uint64_t at = address_of(card, arg);

    if (at >= sd_card_size(card)) {
        return fails(card, OUT_OF_RANGE);
    }
    if (writes && !sd_card_can_write(card)) {
        return fails(card, WP_VIOLATION);
    }
    /* Parts of blocks could be read by the specification, and nobody does. */
    if (at % SD_BLOCK) {
        return fails(card, ADDRESS_ERROR);
    }
    if (card->block_len != SD_BLOCK) {
        return fails(card, BLOCK_LEN_ERROR);
    }
    card->at = at;
    card->single = single;
    card->data = SD_DATA_BLOCKS;
    card->state = writes ? SD_RCV : SD_DATA;
    card->written = writes ? 0 : card->written;
    return R1;
}

static Response cmd_read_single(SdCard *card, uint32_t arg)
{
    return begin_blocks(card, arg, false, true);
}

static Response cmd_read_multiple(SdCard *card, uint32_t arg)
{
    return begin_blocks(card, arg, false, false);
}

static Response cmd_write_single(SdCard *card, uint32_t arg)
{
    return begin_blocks(card, arg, true, true);
}

static Response cmd_write_multiple(SdCard *card, uint32_t arg)
{
    return begin_blocks(card, arg, true, false);
}

static Response cmd_switch(SdCard *card, uint32_t arg)
{
    sd_card_reply_switch(card, arg);
    return begin_reply(card);
}

static Response cmd_app(SdCard *card, uint32_t arg)
{
    card->app = true;
    return R1;
}

static Response acmd_bus_width(SdCard *card, uint32_t arg)
{
    enum { WIDTH_4 = 2 };

    card->wide = (arg & 3) == WIDTH_4;
    return R1;
}

static Response acmd_status(SdCard *card, uint32_t arg)
{
    sd_card_reply_status(card);
    return begin_reply(card);
}

static Response acmd_num_written(SdCard *card, uint32_t arg)
{
    memset(card->reply, 0, sizeof(card->reply));
    bytes_put_be(card->reply, card->written, 4);
    card->reply_size = 4;
    card->reply_at = 0;
    return begin_reply(card);
}

static Response acmd_nothing(SdCard *card, uint32_t arg)
{
    return R1;
}

static Response acmd_scr(SdCard *card, uint32_t arg)
{
    sd_card_reply_scr(card);
    return begin_reply(card);
}

/* ---- erasing ---- */

static Response cmd_erase_first(SdCard *card, uint32_t arg)
{
    card->erase_first = address_of(card, arg);
    card->erase_given = 1;
    return R1;
}

static Response cmd_erase_last(SdCard *card, uint32_t arg)
{
    if (!card->erase_given) {
        return fails(card, ERASE_SEQ_ERROR);
    }
    card->erase_last = address_of(card, arg);
    card->erase_given = 2;
    return R1;
}

static void request_done(BlockRequest *request);

/* True: it is done already. */
static bool submit(SdCard *card, BlockOp op, uint64_t offset, uint64_t size)
{
    card->request = (BlockRequest){
        .op = op,
        .offset = offset,
        .bytes = size,
        .iov = op == BLOCK_WRITE_ZEROES ? NULL : &card->iov,
        .iovcnt = op == BLOCK_WRITE_ZEROES ? 0 : 1,
        .unmap = true,
        .done = request_done,
        .opaque = card,
    };
    card->busy = true;
    if (block_submit(card->conf.backend, &card->request)) {
        card->busy = false;
        return true;
    }
    block_submitted(card->conf.backend);
    return false;
}

static Response cmd_erase(SdCard *card, uint32_t arg)
{
    uint64_t first = card->erase_first / SD_BLOCK * SD_BLOCK;
    uint64_t end = card->erase_last / SD_BLOCK * SD_BLOCK + SD_BLOCK;
    bool given = card->erase_given == 2;

    card->erase_given = 0;
    if (!given) {
        return fails(card, ERASE_SEQ_ERROR);
    }
    if (first >= end || end > sd_card_size(card)) {
        return fails(card, ERASE_PARAM);
    }
    if (!sd_card_can_write(card)) {
        return fails(card, WP_VIOLATION);
    }
    card->done = NULL;
    if (!submit(card, BLOCK_WRITE_ZEROES, first, end - first)) {
        card->state = SD_PRG;
    } else if (card->request.error) {
        card->status |= ERROR;
    }
    return R1;
}

/* ---- the tables ---- */

static const Command commands[64] = {
    [0] = { cmd_go_idle, (uint16_t)~IN(SD_INACTIVE) },
    [2] = { cmd_all_send_cid, IN(SD_READY) },
    [3] = { cmd_send_relative_addr, IN(SD_IDENT) | IN(SD_STBY) },
    [6] = { cmd_switch, IN(SD_TRAN) },
    [7] = { cmd_select, ADDRESSED },
    [8] = { cmd_send_if_cond, IN(SD_IDLE) },
    [9] = { cmd_send_csd, IN(SD_STBY), true },
    [10] = { cmd_send_cid, IN(SD_STBY), true },
    [12] = { cmd_stop, IN(SD_DATA) | IN(SD_RCV) },
    [13] = { cmd_status, ADDRESSED, true },
    [15] = { cmd_go_inactive, ADDRESSED, true },
    [16] = { cmd_set_blocklen, IN(SD_TRAN) },
    [17] = { cmd_read_single, IN(SD_TRAN) },
    [18] = { cmd_read_multiple, IN(SD_TRAN) },
    [24] = { cmd_write_single, IN(SD_TRAN) },
    [25] = { cmd_write_multiple, IN(SD_TRAN) },
    [32] = { cmd_erase_first, IN(SD_TRAN) },
    [33] = { cmd_erase_last, IN(SD_TRAN) },
    [38] = { cmd_erase, IN(SD_TRAN) },
    /* To one that has no address yet, 0 is it. */
    [55] = { cmd_app, IN(SD_IDLE) | ADDRESSED, true },
};

static const Command app_commands[64] = {
    [6] = { acmd_bus_width, IN(SD_TRAN) },     [13] = { acmd_status, IN(SD_TRAN) },
    [22] = { acmd_num_written, IN(SD_TRAN) },  [23] = { acmd_nothing, IN(SD_TRAN) },
    [41] = { acmd_send_op_cond, IN(SD_IDLE) }, [42] = { acmd_nothing, IN(SD_TRAN) },
    [51] = { acmd_scr, IN(SD_TRAN) },
};

/* ---- commands ---- */

static unsigned respond(SdCard *card, Response response, SdState before, bool app, uint32_t arg,
                        uint8_t bytes[SD_RESPONSE_MAX])
{
    uint32_t status = card->status | before << STATE_SHIFT | (card->busy ? 0 : READY_FOR_DATA) |
                      (app ? APP_CMD : 0);
    uint32_t word = 0;

    switch (response) {
    case R_NONE:
        return 0;
    case R2_CID:
        sd_card_cid(card, bytes);
        return 16;
    case R2_CSD:
        sd_card_csd(card, bytes);
        return 16;
    case R1:
        word = status;
        card->status = 0;
        break;
    case R3:
        word = OCR_VOLTAGES | (card->powered_up ? OCR_POWERED_UP : 0) |
               (card->high_capacity ? OCR_CCS : 0);
        break;
    case R6: /* bits 23, 22, 19 and 12 to 0 of the status */
        word = (uint32_t)card->rca << 16 | (status >> 8 & 0xc000) | (status >> 6 & 0x2000) |
               (status & 0x1fff);
        card->status &= (uint32_t) ~(3u << 22 | 1u << 19);
        break;
    case R7:
        word = arg & 0xfff;
        break;
    }
    bytes_put_be(bytes, word, 4);
    return 4;
}

unsigned sd_card_command(SdCard *card, uint8_t index, uint32_t arg,
                         uint8_t response[SD_RESPONSE_MAX])
{
    bool app = card->app;
    SdState before = card->state;
    const Command *command =
        app && app_commands[index & 63].handler ? &app_commands[index & 63] : &commands[index & 63];

    card->app = false;
    if (before == SD_INACTIVE || (command->to_rca && arg >> 16 != card->rca)) {
        return 0;
    }
    if (!command->handler || !(command->states & IN(before))) {
        card->status |= ILLEGAL_COMMAND; /* it is not answered; the next one tells */
        return 0;
    }
    /* An erase that is begun is done with, or forgotten. */
    if (card->erase_given && !app && (index < 32 || index > 38) && index != 13 && index != 55) {
        card->erase_given = 0;
        card->status |= ERASE_RESET;
    }
    Response kind = command->handler(card, arg); /* which may be what sets card->app */
    return respond(card, kind, before, app || card->app, arg, response);
}

/* ---- data ---- */

bool sd_card_sends(const SdCard *card)
{
    return card->state == SD_DATA;
}

bool sd_card_takes(const SdCard *card)
{
    return card->state == SD_RCV;
}

bool sd_card_is_busy(const SdCard *card)
{
    return card->state == SD_PRG;
}

bool sd_card_can_write(const SdCard *card)
{
    return card->conf.backend->writable;
}

/* The blocks were moved, or not. */
static bool moved(SdCard *card)
{
    bool ok =
        !card->request.error || block_conf_failed(&card->request) == BLOCK_ERROR_ACTION_IGNORE;

    if (!ok) {
        card->status |= ERROR;
        return false;
    }
    card->at += card->request.bytes;
    if (card->state == SD_RCV) {
        card->written += (uint32_t)(card->request.bytes / SD_BLOCK);
    }
    if (card->single && (card->state == SD_DATA || card->state == SD_RCV)) {
        card->state = SD_TRAN;
        card->data = SD_DATA_NONE;
    }
    return true;
}

static void request_done(BlockRequest *request)
{
    SdCard *card = request->opaque;
    void (*done)(void *opaque, bool ok) = card->done;

    card->busy = false;
    card->done = NULL;
    if (request->op == BLOCK_WRITE_ZEROES) {
        if (request->error) {
            card->status |= ERROR;
        }
        card->state = card->state == SD_PRG   ? SD_TRAN
                      : card->state == SD_DIS ? SD_STBY
                                              : card->state;
    } else if (done) {
        done(card->opaque, moved(card));
    }
}

static bool move_reply(SdCard *card, uint8_t *buf, uint32_t size)
{
    uint32_t count = MIN(size, (uint32_t)card->reply_size - card->reply_at);

    memcpy(buf, card->reply + card->reply_at, count);
    memset(buf + count, 0, size - count);
    card->reply_at = (uint8_t)(card->reply_at + count);
    if (card->reply_at == card->reply_size) {
        card->state = SD_TRAN;
        card->data = SD_DATA_NONE;
    }
    return true;
}

bool sd_card_move(SdCard *card, void *buf, uint32_t size, void (*done)(void *opaque, bool ok),
                  void *opaque, bool *ok)
{
    bool writes = sd_card_takes(card);

    *ok = false;
    if (card->data == SD_DATA_REPLY) {
        *ok = move_reply(card, buf, size);
        return true;
    }
    if (card->data != SD_DATA_BLOCKS || card->busy || size % SD_BLOCK) {
        return true;
    }
    if (size > sd_card_size(card) - MIN(card->at, sd_card_size(card))) {
        card->status |= OUT_OF_RANGE;
        return true;
    }
    card->iov = (struct iovec){ buf, size };
    card->done = done;
    card->opaque = opaque;
    if (!submit(card, writes ? BLOCK_WRITE : BLOCK_READ, card->at, size)) {
        return false;
    }
    card->done = NULL;
    *ok = moved(card);
    return true;
}

void sd_card_drain(SdCard *card)
{
    if (card->busy) {
        card->done = NULL;
        block_drain(card->conf.backend);
    }
}

/* ---- life ---- */

static void machine_stops(void *opaque)
{
    block_drain(SD_CARD(opaque)->conf.backend);
}

static bool check_size(const SdCard *card, GError **errp)
{
    uint64_t size = sd_card_size(card);

    if (!size || size % SIZE_UNIT || size > SIZE_MAX_) {
        error_set(errp,
                  "%s has %" PRIu64 " bytes: an SD card has a multiple of 512 KiB, up to 2 TiB: "
                  "change it by dimmable-img resize",
                  card->conf.drive, size);
        return false;
    }
    if (size > 2 * GIB && card->spec == 1) {
        error_set(errp, "spec_version=1: cards of more than 2 GiB are of 2 or 3");
        return false;
    }
    return true;
}

static bool card_realize(Device *dev, GError **errp)
{
    SdCard *card = SD_CARD(dev);

    if (card->spec < 1 || card->spec > 3) {
        error_set(errp, "spec_version=%u: it is 1 (1.10), 2 (2.00) or 3 (3.01)", card->spec);
        return false;
    }
    if (card->spi) {
        error_set(errp, "spi=on: there is no controller that talks to cards so; leave it out");
        return false;
    }
    if (!card->conf.drive) {
        error_set(errp, "'drive' is missing: the -drive (if=none) or -blockdev that it is");
        return false;
    }
    if (!block_conf_realize(&card->conf, dev, SD_BLOCK, 0, false, loop_main(), NULL, card, errp)) {
        return false;
    }
    if (!check_size(card, errp)) {
        block_conf_unrealize(&card->conf);
        return false;
    }
    card->conf.backend->on_read_error = card->conf.backend->on_write_error =
        BLOCKDEV_ON_ERROR_REPORT;
    runstate_add_stop(machine_stops, card);
    return true;
}

static void card_unrealize(Device *dev)
{
    SdCard *card = SD_CARD(dev);

    runstate_remove_stop(machine_stops, card);
    sd_card_drain(card);
    block_conf_unrealize(&card->conf);
}

static void card_reset(Device *dev)
{
    go_idle(SD_CARD(dev));
}

static bool card_loaded(void *opaque, GError **errp)
{
    SdCard *card = opaque;

    if (card->reply_at > card->reply_size) {
        error_set(errp, "reply_at %u: there are %u bytes", card->reply_at, card->reply_size);
        return false;
    }
    return true;
}

static const StateField card_fields[] = {
    STATE_UINT_MAX(SdCard, state, SD_STATES - 1),
    STATE_UINT_MAX(SdCard, data, SD_DATAS - 1),
    STATE_UINT(SdCard, status),
    STATE_UINT(SdCard, rca),
    STATE_BOOL(SdCard, app),
    STATE_BOOL(SdCard, powered_up),
    STATE_BOOL(SdCard, high_capacity),
    STATE_BOOL(SdCard, high_speed),
    STATE_BOOL(SdCard, wide),
    STATE_BOOL(SdCard, if_cond),
    STATE_UINT_MAX(SdCard, block_len, SD_BLOCK),
    STATE_UINT(SdCard, at),
    STATE_BOOL(SdCard, single),
    STATE_UINT(SdCard, written),
    STATE_UINT(SdCard, erase_first),
    STATE_UINT(SdCard, erase_last),
    STATE_UINT_MAX(SdCard, erase_given, 2),
    STATE_UINTS(SdCard, reply),
    STATE_UINT_MAX(SdCard, reply_size, SD_REPLY_MAX),
    STATE_UINT_MAX(SdCard, reply_at, SD_REPLY_MAX),
    {},
};
static const StateTable card_state = {
    .name = TYPE_SD_CARD, .version = 1, .fields = card_fields, .post_load = card_loaded
};

static const DeviceClass card_ops = {
    .category = "storage",
    .bus = TYPE_SD_BUS,
    .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG,
    .realize = card_realize,
    .unrealize = card_unrealize,
    .reset = card_reset,
    .state = &card_state,
};

static void card_init(Object *obj)
{
    SD_CARD(obj)->conf.granularity = PROP_UNSET;
    SD_CARD(obj)->conf.boot_index = -1;
}

static const Property card_properties[] = {
    { .name = "bus",
      .kind = PROP_STRING,
      .offset = offsetof(SdCard, parent.bus_name),
      .description = "name of the slot: sd-bus, or sd-bus.N of other controllers" },
    { .name = "drive",
      .kind = PROP_STRING,
      .offset = offsetof(SdCard, conf.drive),
      .set = block_conf_set_drive,
      .live = true,
      .description = "id of the -drive, or node-name of the -blockdev, that is its contents" },
    { .name = "spec_version",
      .kind = PROP_UINT8,
      .offset = offsetof(SdCard, spec),
      .has_default = true,
      .default_int = 2,
      .description = "of the physical layer: 1 (1.10), 2 (2.00), 3 (3.01)" },
    { .name = "spi",
      .kind = PROP_BOOL,
      .offset = offsetof(SdCard, spi),
      .has_default = true,
      .description = "off: it is in SD mode" },
    { 0 },
};

static const ObjectType card_type = {
    .name = TYPE_SD_CARD,
    .parent = TYPE_DEVICE,
    .description = "SD memory card",
    .instance_size = sizeof(SdCard),
    .properties = card_properties,
    .ops = &card_ops,
    .init = card_init,
};
OBJECT_TYPE_REGISTER(card_type)
