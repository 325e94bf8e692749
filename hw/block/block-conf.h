/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What disks of every kind have in common: the properties that say what they hold and how they look
 * to the guest, the backend that they take for it, and what is done about requests that fail.
 *
 * A device has a BlockConf, and BLOCK_CONF_PROPERTIES() among its properties. Machine lock, but for
 * block_conf_failed().
 */
#ifndef HW_BLOCK_BLOCK_CONF_H
#define HW_BLOCK_BLOCK_CONF_H

#include "block/backend.h"
#include "hw/core/boot-order.h"
#include "hw/core/device.h"

typedef struct BlockConf {
    /* configuration: the properties */
    char *drive, *serial;
    uint64_t logical, physical; /* bytes; 0: the device's own, until block_conf_realize() */
    uint64_t min_io, opt_io;    /* bytes; 0: not told */
    uint64_t granularity;       /* of discards, bytes; PROP_UNSET: block_conf_granularity() */
    bool share_rw;
    int write_cache;    /* of block_conf_modes[] */
    int rerror, werror; /* of block_conf_errors[] */
    int32_t boot_index; /* -1: firmware does not boot from it */
    BootGeometry lchs;  /* of disks that have such properties */
    /* wiring */
    BlockBackend *backend; /* NULL: not realized */
} BlockConf;

extern const char *const block_conf_modes[], *const block_conf_errors[];

#define BLOCK_CONF_PROPERTY(NAME, KIND, member, initial, text, at)                    \
    {                                                                                 \
        .name = (NAME), .kind = (KIND), .offset = (at) + offsetof(BlockConf, member), \
        .has_default = true, .default_int = (initial), .description = (text)          \
    }
#define BLOCK_CONF_TEXT(NAME, text, at)                                                 \
    {                                                                                   \
        .name = #NAME, .kind = PROP_STRING, .offset = (at) + offsetof(BlockConf, NAME), \
        .description = (text)                                                           \
    }
#define BLOCK_CONF_CHOICE(NAME, member, names, type, text, at)                                   \
    {                                                                                            \
        .name = (NAME), .kind = PROP_ENUM, .enum_names = (names), .custom_type = (type),         \
        .offset = (at) + offsetof(BlockConf, member), .has_default = true, .description = (text) \
    }

/* Rows of a table of properties, for a structure that has a BlockConf at the offset @at. */
#define BLOCK_CONF_PROPERTIES(at)                                                               \
    { .name = "drive",                                                                          \
      .kind = PROP_STRING,                                                                      \
      .offset = (at) + offsetof(BlockConf, drive),                                              \
      .set = block_conf_set_drive,                                                              \
      .live = true,                                                                             \
      .description = "id of the -drive, or node-name of the -blockdev, that is its contents" }, \
        BLOCK_CONF_TEXT(serial, "its serial number, for the guest", at),                        \
        BLOCK_CONF_PROPERTY("logical_block_size", PROP_SIZE, logical, 0,                        \
                            "bytes that are read and written at once; 0: the usual ones", at),  \
        BLOCK_CONF_PROPERTY("physical_block_size", PROP_SIZE, physical, 0,                      \
                            "bytes of the disk's own blocks; 0: the logical ones", at),         \
        BLOCK_CONF_PROPERTY("min_io_size", PROP_SIZE, min_io, 0,                                \
                            "bytes of the smallest good request; 0: not told", at),             \
        BLOCK_CONF_PROPERTY("opt_io_size", PROP_SIZE, opt_io, 0,                                \
                            "bytes of the best request; 0: not told", at),                      \
        BLOCK_CONF_PROPERTY("discard_granularity", PROP_SIZE, granularity, PROP_UNSET,          \
                            "bytes that discards should begin at multiples of; "                \
                            "4294967295: the logical block size",                               \
                            at),                                                                \
        BLOCK_CONF_PROPERTY("share-rw", PROP_BOOL, share_rw, 0,                                 \
                            "others may write to it at the same time", at),                     \
        BLOCK_CONF_PROPERTY("bootindex", PROP_INT32, boot_index, -1,                            \
                            "place in the order in which firmware boots", at),                  \
        BLOCK_CONF_CHOICE("write-cache", write_cache, block_conf_modes, "OnOffAuto",            \
                          "off: a write is done when it is on the host's disk", at),            \
        BLOCK_CONF_CHOICE("rerror", rerror, block_conf_errors, "BlockdevOnError",               \
                          "what is done about reads that fail; auto: as the drive says", at),   \
        BLOCK_CONF_CHOICE("werror", werror, block_conf_errors, "BlockdevOnError",               \
                          "what is done about writes that fail; auto: as the drive says", at)

/* Check the properties of @dev, whose usual block has @block bytes and whose serial number at most
 * @serial_max characters, and take the backend that drive= names; it must be there, and others are
 * shared as share-rw= says. @read_only: the device never writes to it (and does not where it
 * cannot), and without drive= has no medium. @loop tells the device by @ops with @opaque
 * (block_backend_connect()). Nothing is left behind on failure. */
bool block_conf_realize(BlockConf *conf, const Device *dev, uint32_t block, unsigned serial_max,
                        bool read_only, Loop *loop, const BlockBackendOps *ops, void *opaque,
                        GError **errp);
/* For the table: of a device that works, another node in place of its own. */
bool block_conf_set_drive(Object *obj, const Property *prop, struct json_object *value,
                          GError **errp);
/* Give the backend back; no request is pending. */
void block_conf_unrealize(BlockConf *conf);

/* Bytes that discards should begin at multiples of. */
uint32_t block_conf_granularity(const BlockConf *conf);
/* Does it begin, after a reset, with a write cache: are writes done before they are on the host's
 * disk? */
bool block_conf_writeback(const BlockConf *conf);

/* What the device does about @request, which ended: IGNORE, it went well or is said to have;
 * REPORT it to the guest; or keep it, for the machine STOPs (that is under way), and submit it anew
 * when it goes on. From the loop, too. */
BlockErrorAction block_conf_failed(const BlockRequest *request);

#endif
