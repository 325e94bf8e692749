/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mptsas1068: what its files share. The driver's messages come by the doorbell, a word at a time
 * (the handshake), or as frames in its memory by a FIFO; replies go the same way back, or, where a
 * SCSI command went well, as nothing but the context of its message. Machine lock for everything.
 */
#ifndef HW_HBA_MPTSAS_H
#define HW_HBA_MPTSAS_H

#include "hw/hba/mptsas-regs.h"
#include "hw/hba/scsi-hba.h"

#define MPTSAS_PHYS         8  /* a target each */
#define MPTSAS_MESSAGE      52 /* bytes of a message that are looked at, at most */
#define MPTSAS_REPLY        80 /* bytes of the longest reply */
#define MPTSAS_FREE_MAX     256
#define MPTSAS_POST_MAX     512
#define MPTSAS_CREDITS      256
#define MPTSAS_HANDLE       1 /* of the adapter; of target n: n + 2 */
#define MPTSAS_DEPTH        128
#define MPTSAS_REQUEST_SIZE 128

/* What a request is known by. */
typedef struct MptsasFrame {
    uint64_t at;
    MptScsiIo io;
} MptsasFrame;

typedef struct Mptsas {
    PciDevice parent;
    ScsiHba hba;
    uint32_t ioc_state, who, fault, mask, sequence, diagnostic;
    bool doorbell_interrupt;
    /* the handshake: words that are to come, and came; half-words of the reply */
    uint32_t expected, got;
    uint32_t words[MPTSAS_MESSAGE / 4];
    uint32_t halves, half; /* half < halves: it is being read */
    uint16_t answer[MPTSAS_REPLY / 2];
    /* frames for replies; replies that were not read */
    uint32_t free_count, free_first, post_count, post_first;
    uint32_t free_frames[MPTSAS_FREE_MAX], posted[MPTSAS_POST_MAX];
    uint32_t frames_high, sense_high, reply_size;
    /* events: whether they are wanted; phys whose target went, came, whose link is to be told */
    bool events, discovery;
    uint32_t event_context, event_number;
    uint32_t gone, gone_link, come, come_link;
    /* configuration */
    uint64_t sas_address;
    /* wiring */
    MemoryRegion io, mmio, diag;
} Mptsas;
OBJECT_CAST_DEFINE(Mptsas, MPTSAS, "mptsas1068")

/* ---- mptsas.c ---- */

/* A reply with @frame, whose `length` is set to @size, in a frame of the driver's. False: it has
 * given none; the adapter has failed. */
bool mptsas_reply(Mptsas *s, void *frame, size_t size);
/* A reply that is the context of a message only. */
void mptsas_post(Mptsas *s, uint32_t word);
/* @message and its reply, which has @size bytes, have a status. */
void mptsas_answer(const MptMessage *message, MptReply *reply, size_t size, uint16_t status);
/* The adapter's address; that of the target @phy, whose unit is @dev. */
uint64_t mptsas_address(const Mptsas *s);
uint64_t mptsas_target_address(const Mptsas *s, unsigned phy, const ScsiDevice *dev);
/* A unit of that target. NULL: there is none. */
ScsiDevice *mptsas_target(const Mptsas *s, unsigned phy);

/* ---- mptsas-scsi.c ---- */
void mptsas_scsi_io(Mptsas *s, uint64_t at, const MptScsiIo *io);
void mptsas_task(Mptsas *s, const MptTask *task);
/* For ScsiHbaOps. */
void mptsas_scsi_done(ScsiHba *hba, ScsiHbaRequest *r);
void mptsas_scsi_again(ScsiHba *hba, const void *frame);

/* ---- mptsas-config.c ---- */
size_t mptsas_config(Mptsas *s, const MptConfig *config, MptConfigReply *reply);

/* ---- mptsas-events.c ---- */
/* A unit of the target @phy came, or went. */
void mptsas_target_changed(Mptsas *s, unsigned phy, bool there);
/* Tell what there is to be told, as there are frames for it. */
void mptsas_send_events(Mptsas *s);
void mptsas_forget_events(Mptsas *s);
size_t mptsas_event_notification(Mptsas *s, const MptMessage *message, MptEvent *reply);

#endif
