/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ATA devices: registers in, data and a status out. A device does not know what kind of controller
 * it is on: the controller writes the registers, starts commands, and is asked by AtaPortOps to
 * look at the status, or to say where the data are in its guest's memory.
 *
 * A command is a row of a table (AtaCommand). Requests to the disk are asynchronous; while one is
 * under way the device is busy. Machine lock for everything.
 */
#ifndef HW_IDE_ATA_DEVICE_H
#define HW_IDE_ATA_DEVICE_H

#include "hw/block/block-conf.h"
#include "hw/ide/ata.h"
#include "hw/ide/sg-list.h"

#define TYPE_IDE_DEVICE "ide-device"

#define ATA_BUFFER       8192 /* bytes: of 16 sectors, or 4 of a CD */
#define ATA_MAX_MULTIPLE (ATA_BUFFER / ATA_SECTOR)

typedef struct AtaDevice AtaDevice;
typedef struct AtaTransfer AtaTransfer;

/* What a controller does for a device. @opaque is the port's. */
typedef struct AtaPortOps {
    /* The device wants to be looked at: a command has ended, or, where PIO goes through the data
     * register, a block is there to be moved. */
    void (*interrupt)(AtaDevice *dev);
    /* A command's data are to be moved by DMA: ata_dma() when it is known where to. */
    void (*dma)(AtaDevice *dev);
    /* ata_dma() has moved what it could, up to where @list is now; the command ends, or more
     * follows.
     * @failed: something of the list is no memory. */
    void (*dma_ended)(AtaDevice *dev, SgList *list, bool failed);
    /* The list has less room, or data, than the command moves. May be NULL. */
    void (*overflow)(AtaDevice *dev);
    /* A command that failed, and was kept, is to be done again: the machine goes on. */
    void (*again)(AtaDevice *dev);
    /* All commands of the device, which is going, are to be forgotten; ata_cancel() is part of it.
     */
    void (*cancel)(AtaDevice *dev);
    /* The data of PIO commands go by DMA, too: there is no data register (AHCI). */
    bool pio_by_dma;
    bool serial; /* it is SATA */
} AtaPortOps;

typedef enum AtaPhase {
    ATA_IDLE,
    ATA_PIO_IN,  /* the host reads a block of the buffer */
    ATA_PIO_OUT, /* the host writes one */
    ATA_DMA,     /* the port is to say where to */
    ATA_RUNNING, /* a request is under way; never in a saved machine */
} AtaPhase;

/* What ATA_DMA moves. */
typedef enum AtaData {
    ATA_FROM_BUFFER,
    ATA_TO_BUFFER,
    ATA_FROM_DISK,
    ATA_TO_DISK,
} AtaData;

/* A command. */
typedef struct AtaCommand {
    void (*start)(AtaDevice *dev); /* NULL: there is no such command */
    /* After a block of the buffer was moved, to or from the host. May be NULL. */
    void (*next)(AtaDevice *dev);
    bool ext;   /* addresses of 48 bits */
    bool write; /* data go to the device */
    bool pio;   /* by the data register, where there is one */
    bool many;  /* blocks of as many sectors as SET MULTIPLE MODE says */
    bool fua;   /* done when it is on the disk */
} AtaCommand;

/* What a kind of device defines: the ops of its type. */
typedef struct AtaClass {
    DeviceClass device;
    const AtaCommand *commands;                     /* 256, by code */
    bool packet;                                    /* it takes packets: its signature says so */
    bool (*realize)(AtaDevice *dev, GError **errp); /* takes the backend */
    void (*reset)(AtaDevice *dev);                  /* of a software reset, too; may be NULL */
    /* What ATA_FROM_DISK and ATA_TO_DISK move, to or from @list, instead of sectors; then the
     * command ends. May be NULL. */
    void (*dma)(AtaDevice *dev, const SgList *list);
    void (*cancelled)(AtaDevice *dev); /* by ata_cancel(): forget what there was. May be NULL */
} AtaClass;

struct AtaDevice {
    Device parent;
    /* configuration */
    BlockConf conf;
    char *version, *model;
    uint64_t wwn;               /* 0: none */
    uint32_t unit;              /* of its bus; PROP_UNSET: the first free one */
    uint32_t cyls, heads, secs; /* 0: as large as it is, until it is realized */
    int chs_trans;              /* of ata_translations[] (hw/ide/ata-geometry.h) */
    uint16_t rotation_rate;     /* 0: not told, 1: an SSD, else turns a minute */
    /* wiring */
    uint64_t sectors;       /* that the guest sees */
    const AtaPortOps *port; /* of its bus; with its opaque */
    void *opaque;
    BlockRequest request; /* of ATA_RUNNING, but for DMA */
    struct iovec iov;
    AtaTransfer *transfer; /* of ATA_RUNNING; NULL: none */
    bool cancelled;        /* what is under way leads to nothing */
    /* state: registers; [1] is what was written before last, lba[3..5] too */
    uint8_t feature[2], count[2], lba[6];
    uint8_t select, status, error;
    uint8_t command; /* the last one */
    bool intrq;      /* wants to be looked at, and was not */
    uint8_t phase;   /* AtaPhase */
    uint8_t data;    /* AtaData, of ATA_DMA */
    bool kept;       /* the command failed, and is done again when the machine goes on */
    uint8_t buffer[ATA_BUFFER];
    uint32_t pos, end;     /* in the buffer: what is not moved yet */
    uint64_t sector;       /* next of a command */
    uint32_t left;         /* sectors, or ranges */
    uint8_t multiple;      /* sectors a block; 0: READ MULTIPLE is not set up */
    uint8_t transfer_mode; /* of SET FEATURES */
    bool write_cache, look_ahead, smart;
    uint32_t own_cyls, own_heads, own_secs; /* its geometry; 0: it is no disk */
    uint8_t bios_trans;                     /* as chs_trans, which is auto no more */
    uint16_t now_cyls;                      /* INITIALIZE DEVICE PARAMETERS */
    uint8_t now_heads, now_secs;
    uint8_t failed_tag, failed_error; /* of the last queued command that failed */
    uint64_t failed_sector;
    bool wants_packet; /* what the host is to fill is a packet */
    uint32_t block;    /* where several blocks of the buffer go at once: bytes of each, or 0 */
};
OBJECT_CAST_DEFINE(AtaDevice, ATA_DEVICE, TYPE_IDE_DEVICE)

extern const StateTable ata_device_state;

#define ATA_DEVICE_CLASS_BASE                                                                    \
    .category = "storage", .flags = DEVICE_USER_CREATABLE, .bus = TYPE_IDE_BUS,                  \
    .realize = ata_device_realize, .unrealize = ata_device_unrealize, .reset = ata_device_reset, \
    .state = &ata_device_state
bool ata_device_realize(Device *dev, GError **errp);
void ata_device_unrealize(Device *dev);
void ata_device_reset(Device *dev);

#define ATA_DEVICE_PROPERTY(NAME, KIND, member, text)                                           \
    .name = (NAME), .kind = (KIND), .offset = offsetof(AtaDevice, member), .has_default = true, \
    .description = (text)
/* Rows of a table of properties. */
#define ATA_DEVICE_PROPERTIES(DEFAULT_MODEL)                                                 \
    { ATA_DEVICE_PROPERTY("model", PROP_STRING, model, "name of the model, for the guest"),  \
      .default_str = (DEFAULT_MODEL) },                                                      \
        { ATA_DEVICE_PROPERTY("ver", PROP_STRING, version, "version of the firmware in it"), \
          .default_str = "2.5+" },                                                           \
        { ATA_DEVICE_PROPERTY("wwn", PROP_UINT64, wwn, "world wide name; 0: none") },        \
    {                                                                                        \
        ATA_DEVICE_PROPERTY("unit", PROP_UINT32, unit,                                       \
                            "place on the bus: 0, 1; else the first free"),                  \
            .default_int = PROP_UNSET                                                        \
    }

static inline const AtaClass *ata_class(const AtaDevice *dev)
{
    return object_ops(&dev->parent.parent);
}
static inline const AtaCommand *ata_command(const AtaDevice *dev)
{
    return &ata_class(dev)->commands[dev->command];
}

/* ---- for controllers ---- */

/* Start @command with the registers as they are. Ignored while another one is not through. */
void ata_execute(AtaDevice *dev, uint8_t command);
/* A command in ATA_DMA: do its data go by PIO, where there is PIO? And how many bytes has the last
 * block of them? */
bool ata_moves_by_pio(const AtaDevice *dev);
uint32_t ata_last_block(const AtaDevice *dev);
/* In ATA_DMA, and it wants a packet: this one. */
void ata_give_packet(AtaDevice *dev, const uint8_t packet[ATA_PACKET_BYTES]);
/* Move the data of the command, which is in ATA_DMA, to or from @list. */
void ata_dma(AtaDevice *dev, const SgList *list);
/* ATA_PIO_IN, ATA_PIO_OUT: the host reads or writes @size bytes (1, 2, 4) of the data register.
 * Reads give all ones, and writes are dropped, where there are none. */
uint32_t ata_read_data(AtaDevice *dev, unsigned size);
void ata_write_data(AtaDevice *dev, uint32_t value, unsigned size);
/* Do again what was kept, from its registers and buffer. */
void ata_again(AtaDevice *dev);
/* What is under way leads to nothing any more; waits for it. The device is idle then. */
void ata_cancel(AtaDevice *dev);
/* A software reset: settings stay, registers have the device's signature. */
void ata_soft_reset(AtaDevice *dev);

/* ---- for commands ---- */

/* The command is through: without an error, with one (ATA_ABRT, ...), in silence. */
void ata_finish(AtaDevice *dev);
void ata_fail(AtaDevice *dev, uint8_t error);
/* The same for one whose last block the host has read: where that was a PIO block it knows. */
void ata_finish_read(AtaDevice *dev);
/* @size bytes of the buffer are for the host, or the host is to fill them; then `next` is called.
 */
void ata_send(AtaDevice *dev, uint32_t size);
void ata_receive(AtaDevice *dev, uint32_t size);
/* The same by DMA, on each kind of port. */
void ata_receive_dma(AtaDevice *dev, uint32_t size);
/* dev->left sectors from dev->sector on go by DMA, straight to or from the disk; then the command
 * is through. */
void ata_move(AtaDevice *dev, bool to_disk);
/* Have dev->request carried out, whose op, place and bytes are set; @ended is called if that went
 * well. Else the command ends, with the error @error in the guest's registers, or is kept. */
void ata_submit(AtaDevice *dev, void (*ended)(BlockRequest *request));
/* What ended() of those begins with: false: that is all. */
bool ata_ended(AtaDevice *dev, uint8_t error);
/* ata_dma()'s list, which has ended with @list, was shorter than what the command moves. */
void ata_dma_short(AtaDevice *dev);
/* Put an LBA into the registers. */
void ata_set_lba(AtaDevice *dev, uint64_t lba, bool ext);
/* Registers as after a reset, which say what kind of device it is. */
void ata_set_signature(AtaDevice *dev);
/* ata-settings.c: power management, which has nothing to do; EXECUTE DEVICE DIAGNOSTIC. */
void ata_power(AtaDevice *dev);
void ata_diagnostic(AtaDevice *dev);
/* Of SET FEATURES: false: there is no such mode. */
bool ata_set_transfer_mode(AtaDevice *dev);
/* After the size of the backend has changed, or when it is there: its sectors. */
void ata_resized(void *dev);

#endif
