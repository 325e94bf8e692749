/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pages of configuration of mptsas1068: a table. None can be written. */
#include <string.h>

#include "hw/hba/mptsas.h"

enum {
    TYPE_IO_UNIT = 0,
    TYPE_IOC = 1,
    TYPE_MANUFACTURING = 9,
    TYPE_SAS_IO_UNIT = 0x10,
    TYPE_SAS_DEVICE = 0x12,
    TYPE_SAS_PHY = 0x13,
    HEAD = 4, /* bytes of a header */
    EXTENDED_HEAD = 8,
    PAGE_MAX = 160,
};

static void put(uint8_t *page, unsigned at, uint64_t value, unsigned size)
{
    memcpy(page + at, &value, size);
}

static void put_text(uint8_t *page, unsigned at, const char *text)
{
    memcpy(page + at, text, strlen(text));
}

static uint16_t handle_of(const Mptsas *s, unsigned phy)
{
    return mptsas_target(s, phy) ? (uint16_t)(MPTSAS_HANDLE + 1 + phy) : 0;
}

/* ---- the pages; false: there is none of that address ---- */

static bool empty(const Mptsas *s, uint8_t *page, uint32_t address)
{
    return true;
}

static bool manufacturing_0(const Mptsas *s, uint8_t *page, uint32_t address)
{
    put_text(page, 0x04, "LSISAS1068");
    put_text(page, 0x14, "B0");
    put_text(page, 0x1c, "LSI SAS1068");
    return true;
}

static bool io_unit_0(const Mptsas *s, uint8_t *page, uint32_t address)
{
    put(page, 0x04, mptsas_address(s), 8);
    return true;
}

static bool ioc_0(const Mptsas *s, uint8_t *page, uint32_t address)
{
    put(page, 0x0c, 0x1000, 4);
    put(page, 0x0e, 0x0054, 2);
    put(page, 0x14, 0x010000, 4);
    put(page, 0x18, 0x1000, 2);
    put(page, 0x1a, 0x8000, 2);
    return true;
}

static void put_phy(const Mptsas *s, uint8_t *data, unsigned phy)
{
    put(data, 0x00, phy, 1); /* its port */
    put(data, 0x04, MPT_SAS_END_DEVICE | MPT_SAS_INITIATORS, 4);
}

static bool sas_io_unit_0(const Mptsas *s, uint8_t *page, uint32_t address)
{
    put(page, 0x0c, MPTSAS_PHYS, 1);
    for (unsigned i = 0; i < MPTSAS_PHYS; i++) {
        uint8_t *data = page + 0x10 + 16 * i;

        put_phy(s, data, i);
        put(data, 0x03, handle_of(s, i) ? MPT_LINK_3_0 : 0, 1);
        put(data, 0x08, handle_of(s, i), 2);
        put(data, 0x0a, MPTSAS_HANDLE, 2);
    }
    return true;
}

static bool sas_io_unit_1(const Mptsas *s, uint8_t *page, uint32_t address)
{
    put(page, 0x10, MPTSAS_PHYS, 1);
    for (unsigned i = 0; i < MPTSAS_PHYS; i++) {
        uint8_t *data = page + 0x14 + 12 * i;

        put_phy(s, data, i);
        put(data, 0x03, 0x98, 1); /* 1.5 and 3 Gbit/s */
    }
    return true;
}

/* A form of address, the upper four bits, says what the others are. */
static bool take_phy(uint32_t address, unsigned *phy)
{
    *phy = address & 0xff;
    return address >> 28 <= 1 && *phy < MPTSAS_PHYS;
}

static bool sas_phy_0(const Mptsas *s, uint8_t *page, uint32_t address)
{
    ScsiDevice *dev;
    unsigned phy;

    if (!take_phy(address, &phy)) {
        return false;
    }
    dev = mptsas_target(s, phy);
    put(page, 0x08, MPTSAS_HANDLE, 2);
    put(page, 0x0c, mptsas_address(s), 8);
    put(page, 0x14, handle_of(s, phy), 2);
    put(page, 0x18, dev ? MPT_SAS_END_DEVICE | MPT_SAS_SSP_TARGET : 0, 4);
    put(page, 0x1c, 0x98, 1);
    put(page, 0x1d, 0x98, 1);
    return true;
}

static bool sas_phy_1(const Mptsas *s, uint8_t *page, uint32_t address)
{
    unsigned phy;

    return take_phy(address, &phy);
}

/* The handle that is meant; 0: there is none. */
static unsigned take_handle(const Mptsas *s, uint32_t address)
{
    enum { NEXT_HANDLE = 0, BUS_TARGET = 1, HANDLE = 2, LAST = MPTSAS_HANDLE + MPTSAS_PHYS };
    unsigned handle = address & 0xffff;

    switch (address >> 28) {
    case NEXT_HANDLE:
        handle = handle == 0xffff ? 0 : handle;
        do {
            handle++;
        } while (handle > MPTSAS_HANDLE && handle <= LAST &&
                 !mptsas_target(s, handle - MPTSAS_HANDLE - 1));
        break;
    case BUS_TARGET:
        handle += MPTSAS_HANDLE + 1;
        break;
    case HANDLE:
        break;
    default:
        return 0;
    }
    if (handle > LAST ||
        (handle > MPTSAS_HANDLE && !mptsas_target(s, handle - MPTSAS_HANDLE - 1))) {
        return 0;
    }
    return handle;
}

static bool sas_device_0(const Mptsas *s, uint8_t *page, uint32_t address)
{
    unsigned handle = take_handle(s, address), phy = handle - MPTSAS_HANDLE - 1;

    if (!handle) {
        return false;
    }
    put(page, 0x18, handle, 2);
    if (handle == MPTSAS_HANDLE) {
        put(page, 0x0c, mptsas_address(s), 8);
        put(page, 0x1a, 0xffff, 2); /* no target */
        put(page, 0x1c, MPT_SAS_END_DEVICE | MPT_SAS_INITIATORS, 4);
        put(page, 0x20, MPT_SAS_PRESENT, 2);
        return true;
    }
    put(page, 0x08, phy, 2);
    put(page, 0x0c, mptsas_target_address(s, phy, mptsas_target(s, phy)), 8);
    put(page, 0x14, MPTSAS_HANDLE, 2);
    put(page, 0x16, phy, 1);
    put(page, 0x1a, phy, 1);
    put(page, 0x1c, MPT_SAS_END_DEVICE | MPT_SAS_SSP_TARGET | MPT_SAS_DIRECT, 4);
    put(page, 0x20, MPT_SAS_PRESENT, 2);
    put(page, 0x22, phy, 1);
    return true;
}

static const struct Page {
    uint8_t type, number, version;
    unsigned size; /* bytes, a multiple of 4 */
    bool (*build)(const Mptsas *s, uint8_t *page, uint32_t address);
} pages[] = {
    { TYPE_IO_UNIT, 0, 0, 0x0c, io_unit_0 },
    { TYPE_IO_UNIT, 1, 2, 0x08, empty },
    { TYPE_IOC, 0, 1, 0x1c, ioc_0 },
    { TYPE_IOC, 1, 3, 0x10, empty },
    { TYPE_IOC, 2, 4, 0x1c, empty }, /* no RAID */
    { TYPE_IOC, 3, 0, 0x08, empty },
    { TYPE_IOC, 4, 0, 0x08, empty },
    { TYPE_IOC, 6, 1, 0x3c, empty },
    { TYPE_MANUFACTURING, 0, 0, 0x4c, manufacturing_0 },
    { TYPE_SAS_IO_UNIT, 0, 4, 0x10 + 16 * MPTSAS_PHYS, sas_io_unit_0 },
    { TYPE_SAS_IO_UNIT, 1, 7, 0x14 + 12 * MPTSAS_PHYS, sas_io_unit_1 },
    { TYPE_SAS_DEVICE, 0, 5, 0x24, sas_device_0 },
    { TYPE_SAS_PHY, 0, 1, 0x24, sas_phy_0 },
    { TYPE_SAS_PHY, 1, 0, 0x1c, sas_phy_1 },
};

static const struct Page *find(uint8_t type, uint8_t number)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(pages); i++) {
        if (pages[i].type == type && pages[i].number == number) {
            return &pages[i];
        }
    }
    return NULL;
}

static bool is_extended(const struct Page *page)
{
    return page->type >= TYPE_SAS_IO_UNIT;
}

/* The headers of replies and pages say the same. */
static void put_header(const struct Page *page, MptConfigReply *reply)
{
    uint16_t words = (uint16_t)(page->size / 4);

    reply->page_version = page->version;
    reply->page_number = page->number;
    if (is_extended(page)) {
        reply->page_type = MPT_PAGE_EXTENDED;
        memcpy(reply->reply.more, &words, sizeof(words));
        reply->reply.more[2] = page->type;
    } else {
        reply->page_type = page->type;
        reply->page_length = (uint8_t)words;
    }
}

static uint16_t read_page(Mptsas *s, const MptConfig *config, const struct Page *page,
                          const MptConfigReply *reply)
{
    uint32_t size = MIN(config->piece_flags & 0xffffff, page->size);
    bool wide = config->piece_flags >> 24 & MPT_SGE_64;
    uint64_t at = config->piece_low | (wide ? (uint64_t)config->piece_high << 32 : 0);
    uint8_t data[PAGE_MAX] = { 0 };

    g_assert(page->size <= sizeof(data));
    if (!page->build(s, data, config->page_address)) {
        return MPT_CONFIG_INVALID_PAGE;
    }
    memcpy(data, &reply->page_version, HEAD);
    if (is_extended(page)) {
        memcpy(data + HEAD, reply->reply.more, EXTENDED_HEAD - HEAD - 1);
    }
    return !size || scsi_hba_write(&s->parent, at, data, size) ? MPT_SUCCESS : MPT_INVALID_SGL;
}

static uint16_t act(Mptsas *s, const MptConfig *config, const struct Page *page,
                    MptConfigReply *reply)
{
    if (!page) {
        return MPT_CONFIG_INVALID_PAGE;
    }
    put_header(page, reply);
    switch (config->action) {
    case MPT_CONFIG_HEADER:
        return MPT_SUCCESS;
    case MPT_CONFIG_READ:
    case MPT_CONFIG_READ_DEFAULT:
    case MPT_CONFIG_READ_NVRAM:
        return read_page(s, config, page, reply);
    case MPT_CONFIG_WRITE:
    case MPT_CONFIG_WRITE_NVRAM:
    case MPT_CONFIG_DEFAULT:
        return MPT_CONFIG_CANNOT_COMMIT;
    default:
        return MPT_CONFIG_INVALID_ACTION;
    }
}

size_t mptsas_config(Mptsas *s, const MptConfig *config, MptConfigReply *reply)
{
    uint8_t type = config->page_type & 0xf;
    const struct Page *page =
        find(type == MPT_PAGE_EXTENDED ? config->extended_type : type, config->page_number);

    mptsas_answer((const MptMessage *)(const void *)config, &reply->reply, sizeof(*reply), 0);
    memset(reply->reply.more, 0, sizeof(reply->reply.more));
    memcpy(&reply->page_version, &config->page_version, HEAD);
    reply->page_length = 0;
    if (page && (type == MPT_PAGE_EXTENDED) != is_extended(page)) {
        page = NULL;
    }
    reply->reply.status = act(s, config, page, reply);
    return sizeof(*reply);
}
