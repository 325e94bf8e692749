/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cxl/cxl-doe.h"

#include <string.h>

#include "hw/cxl/cxl-regs.h"
#include "hw/pci/pci-cap.h"

enum {
    DOE_CONTROL = 0x08,
    DOE_STATUS = 0x0c,
    DOE_WRITE = 0x10,
    DOE_READ = 0x14,
    DOE_SIZE = 0x18,

    CONTROL_ABORT = 1 << 0,
    CONTROL_GO = 1u << 31,
    STATUS_ERROR = 1 << 2,
    STATUS_READY = 1u << 31,
};

/* An object: vendor and type, length in double words, then its contents. */
enum {
    OBJECT_TYPE_SHIFT = 16,
    OBJECT_HEADER = 2, /* double words */
    OBJECT_LENGTH = 0x3ffff,

    VENDOR_PCI = 0x0001,
    TYPE_DISCOVERY = 0,
    TYPE_TABLE = 2, /* of CXL_VENDOR_ID: access to a CDAT */
    TABLE_LAST = 0xffff,
};

/* ---- protocols ---- */

static GBytes *object(uint32_t kind, uint32_t first, const void *more, gsize size)
{
    uint32_t head[3] = { kind, (uint32_t)(OBJECT_HEADER + 1 + size / 4), first };
    GByteArray *a = g_byte_array_new();

    g_byte_array_append(a, (const uint8_t *)head, sizeof(head));
    g_byte_array_append(a, more, (guint)size);
    return g_byte_array_free_to_bytes(a);
}

/* Protocol @index (bits 7:0), and the index of the next, 0 after the last. */
static GBytes *discover(const CxlDoe *doe, uint32_t index)
{
    static const uint32_t protocols[] = {
        VENDOR_PCI | TYPE_DISCOVERY << 16,
        CXL_VENDOR_ID | TYPE_TABLE << 16,
    };
    unsigned n = index & 0xff;
    uint32_t next = n + 1 < G_N_ELEMENTS(protocols) ? n + 1 : 0;

    if (n >= G_N_ELEMENTS(protocols)) {
        return NULL;
    }
    return object(VENDOR_PCI | TYPE_DISCOVERY << OBJECT_TYPE_SHIFT, protocols[n] | next << 24, NULL,
                  0);
}

/* Table access (CDAT 1.03, section 3): request code 0 in bits 7:0, table 0 in 15:8, handle of the
 * entry in 31:16. */
static GBytes *read_table(const CxlDoe *doe, uint32_t request)
{
    g_autoptr(GPtrArray) table = doe->table(doe->opaque);
    unsigned n = request >> 16;
    uint32_t next = n + 1 < table->len ? n + 1 : TABLE_LAST;
    gsize size;
    const void *data;

    if (request & 0xffff || n >= table->len) {
        return NULL;
    }
    data = g_bytes_get_data(table->pdata[n], &size);
    return object(CXL_VENDOR_ID | TYPE_TABLE << OBJECT_TYPE_SHIFT, next << 16, data, size);
}

static const struct {
    uint32_t kind;
    GBytes *(*reply)(const CxlDoe *doe, uint32_t request);
} protocols[] = {
    { VENDOR_PCI | TYPE_DISCOVERY << OBJECT_TYPE_SHIFT, discover },
    { CXL_VENDOR_ID | TYPE_TABLE << OBJECT_TYPE_SHIFT, read_table },
};

/* ---- the mailbox ---- */

static void set_status(CxlDoe *doe, uint32_t status)
{
    pci_set_long(doe->dev, doe->at + DOE_STATUS, status);
}

static void forget(CxlDoe *doe)
{
    g_clear_pointer(&doe->reply, g_bytes_unref);
    doe->written = doe->read = 0;
}

static void go(CxlDoe *doe)
{
    uint32_t kind = doe->request[0] & 0x00ffffff, length = doe->request[1] & OBJECT_LENGTH;
    bool whole = doe->written == OBJECT_HEADER + 1 && length == doe->written;

    g_clear_pointer(&doe->reply, g_bytes_unref);
    for (unsigned i = 0; whole && i < G_N_ELEMENTS(protocols); i++) {
        if (protocols[i].kind == kind) {
            doe->reply = protocols[i].reply(doe, doe->request[OBJECT_HEADER]);
        }
    }
    doe->written = doe->read = 0;
    set_status(doe, doe->reply ? STATUS_READY : STATUS_ERROR);
}

/* Software has taken a double word, and says so by a write. */
static void take(CxlDoe *doe)
{
    if (!doe->reply) {
        return;
    }
    doe->read += 4;
    if (doe->read >= g_bytes_get_size(doe->reply)) {
        forget(doe);
        set_status(doe, 0);
    }
}

void cxl_doe_written(CxlDoe *doe, unsigned offset, unsigned size)
{
    PciDevice *dev = doe->dev;
    uint32_t control = pci_get_long(dev, doe->at + DOE_CONTROL);
    uint32_t status = pci_get_long(dev, doe->at + DOE_STATUS);

    if (pci_touches(offset, size, doe->at + DOE_CONTROL, 4)) {
        pci_set_long(dev, doe->at + DOE_CONTROL, 0); /* both read as 0 */
        if (control & CONTROL_ABORT) {
            forget(doe);
            set_status(doe, 0);
        } else if (control & CONTROL_GO && !(status & (STATUS_ERROR | STATUS_READY))) {
            go(doe);
        }
    }
    if (pci_touches(offset, size, doe->at + DOE_WRITE, 4)) {
        if (doe->written < CXL_DOE_REQUEST) {
            doe->request[doe->written] = pci_get_long(dev, doe->at + DOE_WRITE);
        }
        doe->written = MIN(doe->written + 1, CXL_DOE_REQUEST + 1);
        pci_set_long(dev, doe->at + DOE_WRITE, 0);
    }
    if (pci_touches(offset, size, doe->at + DOE_READ, 4)) {
        take(doe);
        pci_set_long(dev, doe->at + DOE_READ, 0);
    }
}

void cxl_doe_reading(CxlDoe *doe, unsigned offset, unsigned size)
{
    uint32_t value = 0;
    gsize all;

    if (!pci_touches(offset, size, doe->at + DOE_READ, 4)) {
        return;
    }
    if (doe->reply) {
        const uint8_t *data = g_bytes_get_data(doe->reply, &all);

        if (doe->read < all && all - doe->read >= 4) {
            memcpy(&value, data + doe->read, 4);
        }
    }
    pci_set_long(doe->dev, doe->at + DOE_READ, value);
}

void cxl_doe_add(CxlDoe *doe, PciDevice *dev, GPtrArray *(*table)(void *opaque), void *opaque)
{
    unsigned at = pci_add_extended(dev, PCIE_EXT_CAP_DOE, 1, DOE_SIZE);
    const PciRegister regs[] = {
        { at + DOE_CONTROL, 4, 0, CONTROL_ABORT | CONTROL_GO },
        { at + DOE_WRITE, 4, 0, UINT32_MAX },
        { at + DOE_READ, 4, 0, UINT32_MAX },
    };

    pci_set_registers(dev, regs, G_N_ELEMENTS(regs));
    doe->dev = dev;
    doe->at = at;
    doe->table = table;
    doe->opaque = opaque;
}

void cxl_doe_remove(CxlDoe *doe)
{
    forget(doe);
}

void cxl_doe_reset(CxlDoe *doe)
{
    forget(doe);
}

static const StateField doe_fields[] = {
    STATE_UINTS(CxlDoe, request),
    STATE_UINT_MAX(CxlDoe, written, CXL_DOE_REQUEST + 1),
    STATE_BLOB(CxlDoe, reply),
    STATE_UINT(CxlDoe, read),
    {},
};
const StateTable cxl_doe_state = { .name = "cxl-doe", .version = 1, .fields = doe_fields };
