/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sd-card: an SD memory card in SD mode (SD Physical Layer Simplified Specification 6.00), of
 * standard capacity up to 2 GiB, of high or extended capacity beyond. Its controller gives it
 * commands, and moves the data of the one that has some. Machine lock.
 */
#ifndef HW_SD_SD_CARD_H
#define HW_SD_SD_CARD_H

#include "hw/block/block-conf.h"
#include "hw/sd/sd-bus.h"

#define TYPE_SD_CARD "sd-card"

enum { SD_BLOCK = 512, SD_REPLY_MAX = 64, SD_RESPONSE_MAX = 16 };

/* CURRENT_STATE of the card status (4.10.1). */
typedef enum SdState {
    SD_IDLE,
    SD_READY,
    SD_IDENT,
    SD_STBY,
    SD_TRAN,
    SD_DATA,
    SD_RCV,
    SD_PRG,
    SD_DIS,
    SD_INACTIVE, /* it answers nothing any more; no number of the specification */
    SD_STATES,
} SdState;

/* What a command with data moves. */
typedef enum SdData {
    SD_DATA_NONE,
    SD_DATA_REPLY,  /* a register, from `reply` */
    SD_DATA_BLOCKS, /* of the memory */
    SD_DATAS,
} SdData;

typedef struct SdCard {
    Device parent;
    /* configuration */
    BlockConf conf; /* of it the property "drive" */
    uint8_t spec;   /* property "spec_version": 1, 2, 3 */
    bool spi;       /* property, false */
    /* state */
    uint8_t state; /* SdState */
    uint8_t data;  /* SdData */
    uint32_t status;
    uint16_t rca;
    bool app; /* the next command is an application's */
    bool powered_up, high_capacity, high_speed, wide;
    bool if_cond;                     /* CMD8 came: the host knows of high capacities */
    uint32_t block_len;               /* bytes, of standard capacity */
    uint64_t at;                      /* where the next block is; bytes */
    bool single;                      /* there is one block only */
    uint32_t written;                 /* blocks, of the last command that wrote */
    uint64_t erase_first, erase_last; /* bytes */
    uint8_t erase_given;              /* 1: the first, 2: the last too */
    uint8_t reply[SD_REPLY_MAX];
    uint8_t reply_size, reply_at;
    /* wiring */
    BlockRequest request;
    struct iovec iov;
    bool busy; /* the request is under way; a saved machine has none */
    void (*done)(void *opaque, bool ok);
    void *opaque;
} SdCard;
OBJECT_CAST_DEFINE(SdCard, SD_CARD, TYPE_SD_CARD)

/* Command @index with @arg: the bytes of the response in @response, as they are sent, without start
 * bits and check: 4 of the short ones, 16 of CID and CSD, with its check; 0: there is none. */
unsigned sd_card_command(SdCard *card, uint8_t index, uint32_t arg,
                         uint8_t response[SD_RESPONSE_MAX]);
/* Does it send, or take, data now? */
bool sd_card_sends(const SdCard *card);
bool sd_card_takes(const SdCard *card);
/* Is it programming, so that it holds DAT0 low? */
bool sd_card_is_busy(const SdCard *card);
/* Move @size bytes (whole blocks, of memory) from or to @buf, as it sends or takes. *@ok: that went
 * well. False: that is known later, when @done says so; @buf stays till then. */
bool sd_card_move(SdCard *card, void *buf, uint32_t size, void (*done)(void *opaque, bool ok),
                  void *opaque, bool *ok);
/* Wait for what is under way, of which nobody is told. */
void sd_card_drain(SdCard *card);
bool sd_card_can_write(const SdCard *card);

/* ---- sd-card-registers.c ---- */

uint64_t sd_card_size(const SdCard *card);
/* 5.2, 5.3: 16 bytes each, with their checks. */
void sd_card_cid(const SdCard *card, uint8_t cid[16]);
void sd_card_csd(const SdCard *card, uint8_t csd[16]);
/* 5.6, 4.10.2, 4.3.10.4: into `reply`, of which they set the size. */
void sd_card_reply_scr(SdCard *card);
void sd_card_reply_status(SdCard *card);
void sd_card_reply_switch(SdCard *card, uint32_t arg);

#endif
