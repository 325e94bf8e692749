/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers and commands of ATA devices: ATA/ATAPI-8 (ATA8-ACS), chapters 6 and 7. */
#ifndef HW_IDE_ATA_H
#define HW_IDE_ATA_H

#define ATA_SECTOR       512
#define ATA_MAX_SECTORS  65536 /* of one command */
#define ATA_TAGS         32    /* queued commands */
#define ATA_PACKET_BYTES 12

/* Status */
enum {
    ATA_BSY = 0x80,
    ATA_DRDY = 0x40,
    ATA_DF = 0x20,
    ATA_DSC = 0x10, /* of old: a seek is complete */
    ATA_DRQ = 0x08,
    ATA_ERR = 0x01,
    /* While a command is carried out, as drivers and tests find it. */
    ATA_BUSY = ATA_BSY | ATA_DRDY,
};

/* Error */
enum {
    ATA_ICRC = 0x80, /* the interface's, in DMA */
    ATA_UNC = 0x40,  /* the data cannot be read */
    ATA_IDNF = 0x10, /* there is no such sector */
    ATA_ABRT = 0x04,
};

/* Device */
enum {
    ATA_DEVICE_FUA = 0x80, /* of queued commands */
    ATA_DEVICE_LBA = 0x40,
    ATA_DEVICE_UNIT = 0x10,
    ATA_DEVICE_OBSOLETE = 0xa0, /* bits that read as one */
    ATA_DEVICE_HEAD = 0x0f,
};

/* Device control */
enum {
    ATA_CONTROL_HOB = 0x80,  /* registers read as what was written before last */
    ATA_CONTROL_SRST = 0x04, /* software reset */
    ATA_CONTROL_NIEN = 0x02, /* no interrupts */
};

/* Commands */
enum {
    ATA_NOP = 0x00,
    ATA_DATA_SET_MANAGEMENT = 0x06,
    ATA_DEVICE_RESET = 0x08,
    ATA_READ_SECTORS = 0x20,
    ATA_READ_SECTORS_NORETRY = 0x21,
    ATA_READ_SECTORS_EXT = 0x24,
    ATA_READ_DMA_EXT = 0x25,
    ATA_READ_NATIVE_MAX_EXT = 0x27,
    ATA_READ_MULTIPLE_EXT = 0x29,
    ATA_READ_LOG_EXT = 0x2f,
    ATA_WRITE_SECTORS = 0x30,
    ATA_WRITE_SECTORS_NORETRY = 0x31,
    ATA_WRITE_SECTORS_EXT = 0x34,
    ATA_WRITE_DMA_EXT = 0x35,
    ATA_WRITE_MULTIPLE_EXT = 0x39,
    ATA_WRITE_DMA_FUA_EXT = 0x3d,
    ATA_READ_VERIFY = 0x40,
    ATA_READ_VERIFY_NORETRY = 0x41,
    ATA_READ_VERIFY_EXT = 0x42,
    ATA_READ_FPDMA_QUEUED = 0x60,
    ATA_WRITE_FPDMA_QUEUED = 0x61,
    ATA_SEEK = 0x70,
    ATA_EXECUTE_DIAGNOSTIC = 0x90,
    ATA_INITIALIZE_PARAMETERS = 0x91,
    ATA_PACKET = 0xa0,
    ATA_IDENTIFY_PACKET = 0xa1,
    ATA_SMART = 0xb0,
    ATA_READ_MULTIPLE = 0xc4,
    ATA_WRITE_MULTIPLE = 0xc5,
    ATA_SET_MULTIPLE = 0xc6,
    ATA_READ_DMA = 0xc8,
    ATA_READ_DMA_NORETRY = 0xc9,
    ATA_WRITE_DMA = 0xca,
    ATA_WRITE_DMA_NORETRY = 0xcb,
    ATA_WRITE_MULTIPLE_FUA_EXT = 0xce,
    ATA_STANDBY_IMMEDIATE = 0xe0,
    ATA_IDLE_IMMEDIATE = 0xe1,
    ATA_STANDBY = 0xe2,
    ATA_IDLE_COMMAND = 0xe3,
    ATA_CHECK_POWER_MODE = 0xe5,
    ATA_SLEEP = 0xe6,
    ATA_FLUSH_CACHE = 0xe7,
    ATA_FLUSH_CACHE_EXT = 0xea,
    ATA_IDENTIFY = 0xec,
    ATA_SET_FEATURES = 0xef,
    ATA_READ_NATIVE_MAX = 0xf8,
};

/* SET FEATURES, by the feature register */
enum {
    ATA_FEATURE_WRITE_CACHE_ON = 0x02,
    ATA_FEATURE_TRANSFER_MODE = 0x03,
    ATA_FEATURE_APM_ON = 0x05,
    ATA_FEATURE_AAM_ON = 0x42,
    ATA_FEATURE_LOOK_AHEAD_OFF = 0x55,
    ATA_FEATURE_KEEP_SETTINGS = 0x66,
    ATA_FEATURE_WRITE_CACHE_OFF = 0x82,
    ATA_FEATURE_APM_OFF = 0x85,
    ATA_FEATURE_LOOK_AHEAD_ON = 0xaa,
    ATA_FEATURE_AAM_OFF = 0xc2,
    ATA_FEATURE_DEFAULT_SETTINGS = 0xcc,
};

/* Of ATA_FEATURE_TRANSFER_MODE, in the count register; the low bits are the mode's number */
enum {
    ATA_MODE_PIO = 0x08,
    ATA_MODE_MULTIWORD = 0x20,
    ATA_MODE_ULTRA = 0x40,
};

/* SMART, by the feature register; LBA mid and high have a key */
enum {
    ATA_SMART_READ_DATA = 0xd0,
    ATA_SMART_READ_THRESHOLDS = 0xd1,
    ATA_SMART_AUTOSAVE = 0xd2,
    ATA_SMART_OFFLINE = 0xd4,
    ATA_SMART_READ_LOG = 0xd5,
    ATA_SMART_ENABLE = 0xd8,
    ATA_SMART_DISABLE = 0xd9,
    ATA_SMART_STATUS = 0xda,
    ATA_SMART_KEY_MID = 0x4f,
    ATA_SMART_KEY_HIGH = 0xc2,
};

#endif
