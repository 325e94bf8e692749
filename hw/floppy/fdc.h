/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The floppy disk controller of a PC (Intel 82078 data sheet; 8272A for the scan commands), in its
 * AT mode, and the drives on its bus. Sectors have 512 bytes, as on every disk that a PC writes;
 * a command goes sector by sector, and heads move at once. Machine lock for everything.
 */
#ifndef HW_FLOPPY_FDC_H
#define HW_FLOPPY_FDC_H

#include "hw/core/irq.h"
#include "hw/floppy/floppy.h"

#define TYPE_ISA_FDC "isa-fdc"
#define FDC_SELECTS  4u /* drives that commands can name */

typedef enum FdcPhase {
    FDC_COMMAND, /* bytes of a command come */
    FDC_RESULT,  /* bytes of its result go */
    FDC_DATA,    /* data go between buffer and host */
    FDC_BUSY,    /* between buffer and disk */
} FdcPhase;

#define FDC_COMMAND_BYTES 9u
#define FDC_RESULT_BYTES  10u

typedef struct IsaFdc {
    Device parent;
    uint8_t dor, tdr, rate;
    uint8_t times[2], config, precomp, perpendicular; /* of commands; times: of SPECIFY */
    bool locked;
    uint8_t phase; /* FdcPhase */
    uint8_t command[FDC_COMMAND_BYTES], given;
    uint8_t result[FDC_RESULT_BYTES], results, read;
    uint8_t sectors_left; /* of FORMAT, and VERIFY with a count */
    uint8_t head, last;   /* of a data command; the last sector that is looked for */
    uint8_t status[3];    /* ST0 without the drive, ST1, ST2 */
    uint8_t buffer[FLOPPY_SECTOR], disk[FLOPPY_SECTOR]; /* with the host; to compare it with */
    uint16_t at;                                        /* in the buffer */
    bool ended;                                         /* terminal count */
    uint8_t cylinders[FDC_SELECTS];
    uint8_t seeks; /* bits: drives whose seek ended, and nobody has asked yet */
    uint8_t seek_status[FDC_SELECTS];
    bool after_reset; /* those are the drives after a reset */
    bool interrupt;
    /* configuration */
    uint32_t iobase, irq_number, channel;
    int types[FDC_DRIVES], fallback;
    int32_t boot_index[FDC_DRIVES];
    /* wiring */
    MemoryRegion ports, rate_port;
    Irq irq;
    FloppyBus *bus;
    BlockRequest request;
    struct iovec iov;
    bool cancelled;
} IsaFdc;
OBJECT_CAST_DEFINE(IsaFdc, ISA_FDC, TYPE_ISA_FDC)

/* Make one of the board, as -global says. */
bool fdc_create(GError **errp);
/* The machine's first; NULL: it has none. */
IsaFdc *fdc_find(void);
/* What is at @unit of it: FLOPPY_NONE if it is nothing that firmware should know. */
FloppyType fdc_drive_type(unsigned unit);

/* For fdc-command.c and fdc-data.c. */
void fdc_raise(IsaFdc *s);
void fdc_lower(IsaFdc *s);
/* The result has @count bytes at @result; and it is told by an interrupt. */
void fdc_finish(IsaFdc *s, const uint8_t *result, unsigned count, bool tell);
/* The drive that the command names; NULL: none. */
Floppy *fdc_drive(const IsaFdc *s);
/* Heads of drive @number, whatever is there, are at @cylinder now. */
void fdc_seek(IsaFdc *s, unsigned number, unsigned cylinder);
/* Does data go by DMA? */
static inline bool fdc_uses_dma(const IsaFdc *s)
{
    return !(s->times[1] & 1);
}

/* ---- fdc-command.c ---- */

/* How many bytes the command has that begins with @first; 0: there is none. */
unsigned fdc_command_length(uint8_t first);
/* All its bytes are there. */
void fdc_command_run(IsaFdc *s);
void fdc_take_defaults(IsaFdc *s);

/* ---- fdc-data.c: commands that move data ---- */

bool fdc_is_data_command(uint8_t first);
void fdc_data_start(IsaFdc *s);
/* Go on: the host may have something to give, or to take. */
void fdc_data_go_on(IsaFdc *s);
bool fdc_data_to_host(const IsaFdc *s);
/* Bytes that are moved before something is done with them. */
unsigned fdc_data_block(const IsaFdc *s);
/* The disk of drive @unit is about to go: a command that is at it fails. */
void fdc_data_disk_leaves(IsaFdc *s, unsigned unit);
/* Nothing is under way with the disk any more. */
void fdc_data_cancel(IsaFdc *s);

#endif
