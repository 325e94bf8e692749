/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CXL: a guest that writes anything to HDM decoders, mailboxes, DOE and control of two memory
 * devices, of which one is behind a switch, and of their host bridges, and reads and writes through
 * fixed memory windows, of which one has two bridges that take turns; while a device is torn out
 * and comes again, and is saved, damaged and loaded. What of a device's memory is in the memory map
 * is in a window, and is there.
 */
#include <string.h>

#include "backends/host-memory-backend.h"
#include "hw/cxl/cxl-host.h"
#include "hw/cxl/cxl-port.h"
#include "hw/cxl/cxl-type3.h"
#include "hw/cxl/pxb-cxl.h"
#include "hw/i386/x86.h"
#include "memory/address-space.h"
#include "qapi/qapi-types.h"
#include "qom/user-object.h"
#include "tests/fuzz/driver.h"
#include "util/keyval.h"
#include "util/units.h"

#define WINDOWS 2

static void set(Machine *machine, const char *text)
{
    struct json_object *props = keyval_parse(text, NULL, NULL);
    g_autoptr(GError) err = NULL;

    if (!object_set_properties(OBJECT(machine), props, NULL, &err)) {
        g_error("%s: %s", text, err->message);
    }
    json_object_put(props);
}

static void prepare(Machine *machine)
{
    set(machine, "cxl=on,cxl-fmw.0.targets.0=x0,cxl-fmw.0.size=2G,cxl-fmw.1.targets.0=x0,"
                 "cxl-fmw.1.targets.1=x1,cxl-fmw.1.size=1G");
}

static void add_backend(const char *id, const char *text)
{
    struct json_object *props = keyval_parse(text, NULL, NULL);
    g_autoptr(GError) err = NULL;

    if (!user_object_add("memory-backend-ram", id, props, &err)) {
        g_error("%s", err->message);
    }
    json_object_put(props);
}

static void populate(Machine *machine)
{
    static const char *const devices[] = {
        "pxb-cxl,id=x0,bus_nr=80",
        "pxb-cxl,id=x1,bus_nr=96,hdm_for_passthrough=on",
        "cxl-rp,id=p0,bus=x0,port=0,slot=1",
        "cxl-rp,id=p1,bus=x0,port=1,slot=2",
        "cxl-rp,id=p2,bus=x1,port=0,slot=3",
        "cxl-upstream,id=up,bus=p1",
        "cxl-downstream,id=down,bus=up,port=2,slot=4",
        "cxl-type3,id=c0,bus=p0,persistent-memdev=m0,lsa=l0",
        "cxl-type3,id=c1,bus=down,persistent-memdev=m1,volatile-memdev=m2,lsa=l1",
        "cxl-type3,id=c2,bus=p2,volatile-memdev=m3",
    };

    for (unsigned i = 0; i < 4; i++) {
        g_autofree char *id = g_strdup_printf("m%u", i);

        add_backend(id, "size=256M,reserve=off");
    }
    add_backend("l0", "size=64K");
    add_backend("l1", "size=64K");
    for (unsigned i = 0; i < G_N_ELEMENTS(devices); i++) {
        driver_add(devices[i]);
    }
}

/* ---- what there is ---- */

static PciDevice *function(const char *id)
{
    return PCI_DEVICE(object_child(object_container("/machine/peripheral"), id));
}

/* One of the memory devices. */
static CxlType3 *take_device(FuzzInput *in)
{
    static const char *const ids[] = { "c0", "c1", "c2", "c0" };

    return CXL_TYPE3(function(ids[fuzz_take(in, 1) % 4]));
}

static const CxlComponent *take_component(FuzzInput *in)
{
    unsigned which = (unsigned)fuzz_take(in, 1) % 8;

    switch (which) {
    case 0:
        return pxb_cxl_component(PCI_BUS(pci_bus_find("x0", NULL)));
    case 1:
        return pxb_cxl_component(PCI_BUS(pci_bus_find("x1", NULL)));
    case 2:
        return cxl_upstream_component(function("up"));
    default:
        return &take_device(in)->component;
    }
}

static hwaddr take_address(FuzzInput *in)
{
    const CxlWindow *window = cxl_host_current()->windows->pdata[fuzz_take(in, 1) % WINDOWS];
    unsigned how = (unsigned)fuzz_take(in, 1);

    return window->base + (how & 0xf) * (256 * MIB) % window->size +
           (how & 0x80 ? fuzz_take(in, 3) : how & 0x70);
}

/* ---- steps ---- */

static void put(const CxlComponent *c, unsigned offset, uint64_t value)
{
    c->region.ops->write(c->region.opaque, CXL_CACHE_MEM + offset, (uint32_t)value, 4);
}

/* A whole decoder, which makes sense more often than not. */
static void step_decoder(FuzzInput *in)
{
    const CxlComponent *c = take_component(in);
    unsigned how = (unsigned)fuzz_take(in, 1), n = how % CXL_DECODERS;
    unsigned at = AT_DECODERS + DECODER_FIRST + n * DECODER_BYTES;
    hwaddr base = take_address(in) & ~(hwaddr)(CXL_DECODER_UNIT - 1);
    uint64_t size = (how >> 2 & 7) * (uint64_t)CXL_DECODER_UNIT;
    uint32_t shape = (uint32_t)fuzz_take(in, 1);

    put(c, at + DECODER_CONTROL, 0);
    put(c, at + DECODER_BASE, base);
    put(c, at + DECODER_BASE + 4, base >> 32);
    put(c, at + DECODER_SIZE, size);
    put(c, at + DECODER_SIZE + 4, how == 0xff ? fuzz_take(in, 4) : 0);
    put(c, at + DECODER_TARGETS,
        how & 0x20   ? fuzz_take(in, 4)
        : how & 0x40 ? 0x02010201
                     : 0x01000100);
    put(c, at + DECODER_TARGETS + 4, 0);
    put(c, at + DECODER_CONTROL, DECODER_COMMIT | (shape & 0xff));
}

static void step_component(FuzzInput *in)
{
    const CxlComponent *c = take_component(in);
    unsigned offset = (unsigned)fuzz_take(in, 2) % CXL_CACHE_MEM_SIZE & ~3u;

    put(c, offset, fuzz_take(in, 4));
    c->region.ops->read(c->region.opaque, CXL_CACHE_MEM + offset, 4);
}

static void step_enable(FuzzInput *in)
{
    CxlType3 *s = take_device(in);
    unsigned how = (unsigned)fuzz_take(in, 1);

    put(&s->component, AT_DECODERS + DECODER_GLOBAL, how & 1 ? 0 : DECODER_GLOBAL_ENABLE);
    pci_set_word(&s->parent, s->dvsec + DVSEC_DEVICE_CONTROL, how & 2 ? 0 : DEVICE_CONTROL_MEM);
    cxl_host_update();
}

static void step_command(FuzzInput *in)
{
    static const uint16_t opcodes[] = { 0x100,  0x101,  0x102,  0x103,  0x200,  0x300,
                                        0x301,  0x400,  0x401,  0x4000, 0x4100, 0x4102,
                                        0x4103, 0x4300, 0x4301, 0x4302 };
    CxlType3 *s = take_device(in);
    const MemoryRegionOps *ops = s->device.ops;
    unsigned how = (unsigned)fuzz_take(in, 1), words = how >> 5;
    uint64_t opcode = how & 0x10 ? fuzz_take(in, 2) : opcodes[how & 0xf];
    uint64_t length = fuzz_take(in, 1);

    length = length < 0xc0 ? length : fuzz_take(in, 3);
    for (unsigned i = 0; i < words; i++) {
        ops->write(s, AT_MAILBOX + MAILBOX_PAYLOAD + 8 * i, fuzz_take(in, 8), 8);
    }
    ops->write(s, AT_MAILBOX + MAILBOX_COMMAND, opcode | length << MAILBOX_LENGTH_SHIFT, 8);
    ops->write(s, AT_MAILBOX + MAILBOX_CONTROL, MAILBOX_DOORBELL, 4);
    g_assert_cmpuint(ops->read(s, AT_MAILBOX + MAILBOX_CONTROL, 4) & MAILBOX_DOORBELL, ==, 0);
    g_assert_cmpuint(ops->read(s, AT_MAILBOX + MAILBOX_COMMAND, 8) >> MAILBOX_LENGTH_SHIFT, <=,
                     MAILBOX_PAYLOAD_SIZE);
}

static void step_device(FuzzInput *in)
{
    CxlType3 *s = take_device(in);
    unsigned at = (unsigned)fuzz_take(in, 2) % (CXL_DEVICE_SIZE - 8);
    unsigned size = 1u << (fuzz_take(in, 1) & 3);

    s->device.ops->write(s, at, fuzz_take(in, size), size);
    s->device.ops->read(s, at, size);
}

/* Something happened in the device. */
static void step_event(FuzzInput *in)
{
    CxlType3 *s = take_device(in);
    uint8_t record[CXL_EVENT_BYTES] = { (uint8_t)fuzz_take(in, 1) };

    cxl_type3_event(s, fuzz_take(in, 1) % CXL_EVENT_LOGS, record);
}

static void step_doe(FuzzInput *in)
{
    bool up = fuzz_take(in, 1) & 1;
    PciDevice *dev = up ? function("up") : &take_device(in)->parent;
    unsigned at = dev->ext_last, how = (unsigned)fuzz_take(in, 1);
    const PciFunctionClass *ops = object_ops(OBJECT(dev));
    static const uint32_t asked[] = { 0x00000001, 0x00021e98, 3, 0, 0x00010000 };

    for (unsigned i = 0; i < (how & 7); i++) {
        unsigned place = at + 8 + 4 * (how >> 3 & 3);
        uint32_t value =
            how & 0x80 ? (uint32_t)fuzz_take(in, 4) : asked[fuzz_take(in, 1) % G_N_ELEMENTS(asked)];

        ops->config_reading(dev, place, 4);
        pci_set_long(dev, place, value);
        ops->config_written(dev, place, 4);
    }
    pci_set_long(dev, at + 8, how & 0x40 ? 1 : 1u << 31);
    ops->config_written(dev, at + 8, 4);
}

static void step_access(FuzzInput *in)
{
    hwaddr at = take_address(in);
    unsigned size = 1u << (fuzz_take(in, 1) & 3);

    driver_access(&address_space_memory, at, fuzz_take(in, size), size);
    address_space_load(&address_space_memory, at, size);
}

/* Out, and in again. */
static void step_tear(FuzzInput *in)
{
    PciDevice *dev = &take_device(in)->parent;
    g_autoptr(GError) err = NULL;

    device_unrealize(&dev->parent);
    if (!device_realize(&dev->parent, &err)) {
        g_error("%s", err->message);
    }
    device_class(&dev->parent)->reset(&dev->parent);
}

static void step_save(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    Device *dev = &(how & 1 ? function("up") : &take_device(in)->parent)->parent;
    const StateTable *state = device_class(dev)->state;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    size_t at = fuzz_take(in, 3);
    g_autoptr(GError) err = NULL;

    state_save(state, dev, bytes);
    if (how & 2) {
        bytes->data[at % bytes->len] ^= (uint8_t)(fuzz_take(in, 1) | 1);
    }
    device_class(dev)->reset(dev);
    if (!state_load(state, dev, bytes->data, bytes->len, &err)) {
        g_assert_true(how & 2);
        device_class(dev)->reset(dev);
    }
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_decoder, step_decoder, step_decoder, step_enable, step_access,     step_access,
    step_command, step_command, step_command, step_device, step_component,  step_doe,
    step_event,   step_tear,    step_save,    step_access, fuzz_step_reset, fuzz_step_time,
    step_decoder, step_enable,  step_command, step_access, step_doe,        step_save,
};

/* ---- what holds after each input ---- */

static bool in_window(hwaddr addr, uint64_t size)
{
    const GPtrArray *windows = cxl_host_current()->windows;

    for (unsigned i = 0; i < windows->len; i++) {
        const CxlWindow *window = windows->pdata[i];

        if (addr >= window->base && addr - window->base < window->size &&
            size <= window->size - (addr - window->base)) {
            return true;
        }
    }
    return false;
}

static void check_map(void)
{
    const FlatView *view = address_space_view(&address_space_memory);

    for (unsigned i = 0; i < view->count; i++) {
        const FlatRange *range = &view->ranges[i];

        for (unsigned n = 0; n < 4; n++) {
            g_autofree char *id = g_strdup_printf("m%u", n);
            const HostMemoryBackend *backend =
                MEMORY_BACKEND(object_child(object_container("/objects"), id));

            if (range->mr->ram == backend->ram) {
                g_assert_true(in_window(range->addr, range->size));
                g_assert_true(range->offset <= backend->size &&
                              range->size <= backend->size - range->offset);
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const FuzzBoard board = { "q35", "1", prepare, populate };

    fuzz_board(&board);
    fuzz_input_begin();
    fuzz_run_steps(steps, data, size);
    fuzz_settle();
    check_map();
    fuzz_input_end();
    return 0;
}
