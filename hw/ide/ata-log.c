/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a disk records of itself, which is little: SMART (ATA8-ACS, section 7.52) with a self-test
 * that has found nothing, and the logs of READ LOG EXT (section 7.27), of which the one of failed
 * queued commands has something to tell.
 */
#include <string.h>

#include "hw/ide/ata-disk.h"

enum {
    LOG_DIRECTORY = 0x00,
    LOG_SELF_TEST = 0x06,
    LOG_NCQ_ERROR = 0x10,
};

/* The last byte of @data makes the sum of all 0. */
static void set_sum(uint8_t *data)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < ATA_SECTOR - 1; i++) {
        sum += data[i];
    }
    data[ATA_SECTOR - 1] = (uint8_t)-sum;
}

static void smart_data(AtaDevice *dev)
{
    uint8_t *data = dev->buffer;

    data[0] = 0x10;            /* version */
    data[362] = 0x02;          /* off-line data were collected, without an error */
    data[367] = 0x10;          /* there are self-tests */
    data[368] = 0x03;          /* it saves this by itself */
    data[370] = 0x01;          /* it logs errors */
    data[372] = data[373] = 1; /* minutes of a short self-test, of a long one */
    set_sum(data);
}

static void smart_thresholds(AtaDevice *dev)
{
    dev->buffer[0] = 0x10;
    set_sum(dev->buffer);
}

static void smart_log(AtaDevice *dev)
{
    if (dev->lba[0] == LOG_SELF_TEST) {
        dev->buffer[0] = 0x01;
        set_sum(dev->buffer);
    } else {
        dev->buffer[0] = 0x01; /* of the directory, and of the summary of errors */
        set_sum(dev->buffer);
    }
}

static const struct {
    uint8_t feature;
    void (*fill)(AtaDevice *dev); /* what the host reads; NULL: nothing */
} smart[] = {
    { ATA_SMART_READ_DATA, smart_data }, { ATA_SMART_READ_THRESHOLDS, smart_thresholds },
    { ATA_SMART_READ_LOG, smart_log },   { ATA_SMART_AUTOSAVE, NULL },
    { ATA_SMART_OFFLINE, NULL },         { ATA_SMART_ENABLE, NULL },
    { ATA_SMART_DISABLE, NULL },         { ATA_SMART_STATUS, NULL },
};

void ata_smart(AtaDevice *dev)
{
    uint8_t feature = dev->feature[0];

    if (dev->lba[1] != ATA_SMART_KEY_MID || dev->lba[2] != ATA_SMART_KEY_HIGH ||
        (!dev->smart && feature != ATA_SMART_ENABLE)) {
        ata_fail(dev, ATA_ABRT);
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(smart); i++) {
        if (smart[i].feature == feature && smart[i].fill) {
            memset(dev->buffer, 0, ATA_SECTOR);
            smart[i].fill(dev);
            ata_send(dev, ATA_SECTOR);
            return;
        }
        if (smart[i].feature == feature) {
            dev->smart = feature != ATA_SMART_DISABLE;
            ata_finish(dev);
            return;
        }
    }
    ata_fail(dev, ATA_ABRT);
}

/* ---- READ LOG EXT ---- */

/* Which command of the queue failed, and its registers (ATA8-ACS, section A.8). */
static void log_ncq_error(AtaDevice *dev)
{
    uint8_t *data = dev->buffer;

    data[0] = dev->failed_tag;
    data[2] = ATA_DRDY | ATA_ERR;
    data[3] = dev->failed_error;
    for (unsigned i = 0; i < 6; i++) {
        data[(i < 3 ? 4 : 5) + i] = (uint8_t)(dev->failed_sector >> 8 * i);
    }
    data[7] = ATA_DEVICE_LBA;
    set_sum(data);
}

/* Sectors of each log: a word each. */
static void log_directory(AtaDevice *dev)
{
    dev->buffer[0] = 1; /* version */
    dev->buffer[2 * LOG_NCQ_ERROR] = 1;
}

void ata_read_log(AtaDevice *dev)
{
    unsigned count = dev->count[0] | dev->count[1] << 8, page = dev->lba[1] | dev->lba[4] << 8;

    if (count != 1 || page || (dev->lba[0] != LOG_DIRECTORY && dev->lba[0] != LOG_NCQ_ERROR)) {
        ata_fail(dev, ATA_ABRT);
        return;
    }
    memset(dev->buffer, 0, ATA_SECTOR);
    if (dev->lba[0] == LOG_NCQ_ERROR) {
        log_ncq_error(dev);
    } else {
        log_directory(dev);
    }
    ata_send(dev, ATA_SECTOR);
}
