/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/driver.h"

#include <time.h>

#include "block/node.h"
#include "hw/pci/pci.h"
#include "hw/virtio/virtio-pci-regs.h"
#include "net/netdev.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/keyval.h"

#define BAR 0xe0000000u

void driver_add(const char *text)
{
    struct json_object *props = keyval_device_parse(text, NULL);
    g_autoptr(GError) err = NULL;

    if (!device_add(props, &err)) {
        g_error("%s: %s", text, err->message);
    }
    json_object_put(props);
}

void driver_add_node(const char *text)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(BlockdevOptions) options =
        qapi_from_option(&BlockdevOptions_type, text, "driver", &err);

    if (!options || !block_node_add(options, &err)) {
        g_error("%s: %s", text, err->message);
    }
}

void driver_add_netdev(const char *text)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(Netdev) options = qapi_from_option(&Netdev_type, text, "type", &err);

    if (!options || !netdev_add(options, &err)) {
        g_error("%s: %s", text, err->message);
    }
}

static int64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * NS_PER_SEC + now.tv_nsec;
}

void driver_access(AddressSpace *as, hwaddr at, uint64_t value, unsigned size)
{
    int64_t start = cpu_ns();

    address_space_store(as, at, value, size);
    g_assert_cmpint(cpu_ns() - start, <, NS_PER_SEC);
}

uint64_t driver_bar(unsigned n)
{
    return BAR + n * 4 * DRIVER_PAGE;
}

void driver_config_write(unsigned n, unsigned offset, uint32_t value, unsigned size)
{
    pci_config_write(pci_root_bus(), 0, PCI_DEVFN(DRIVER_FIRST + n, 0), offset, value, size);
}

void driver_take_config(FuzzInput *in, unsigned functions)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3) % 3;
    unsigned offset = (unsigned)fuzz_take(in, 1) & ~(size - 1);

    driver_config_write((how >> 2 & 7) % functions, offset, (uint32_t)fuzz_take(in, size), size);
}

void driver_take_load(FuzzInput *in, Device *dev)
{
    const StateTable *state = device_class(dev)->state;
    g_autoptr(GByteArray) saved = g_byte_array_new();

    state_save(state, dev, saved);
    g_autofree uint8_t *damaged = g_memdup2(saved->data, saved->len);
    damaged[fuzz_take(in, 4) % saved->len] ^= (uint8_t)fuzz_take(in, 1);
    if (!state_load(state, dev, damaged, saved->len, NULL)) {
        device_class(dev)->reset(dev);
        g_assert_true(state_load(state, dev, saved->data, saved->len, NULL));
    }
}

static void put(hwaddr at, uint64_t value, unsigned size)
{
    address_space_store(&address_space_memory, at, value, size);
}

void driver_take_packet(FuzzInput *in, hwaddr at, unsigned how)
{
    for (unsigned i = 0; i < 12; i++) {
        put(at + i, how & 0x20 ? 0xff : 0x52 + i, 1);
    }
    put(at + 12, how & 0x80 ? 0xdd86 : 0x0008, 2);
    put(at + 14, fuzz_take(in, 1), 1);
    put(at + 16, fuzz_take(in, 2), 2);
    put(at + 23, fuzz_take(in, 1) & 1 ? 6 : 17, 1);
    put(at + 34 + 12, fuzz_take(in, 1), 1);
}

void driver_map(unsigned n)
{
    driver_config_write(n, PCI_BASE_ADDRESS_0, DRIVER_IO + 0x100 * n, 4);
    driver_config_write(n, PCI_BASE_ADDRESS_0 + 16, (uint32_t)driver_bar(n), 4);
    driver_config_write(n, PCI_COMMAND, 7, 2);
}

void driver_store(unsigned n, unsigned offset, uint32_t value, unsigned size)
{
    address_space_store(&address_space_memory, driver_bar(n) + offset, value, size);
}

uint32_t driver_ring(unsigned n, unsigned q)
{
    return DRIVER_RINGS + (n * DRIVER_QUEUES + q) * DRIVER_QUEUE_GAP;
}

static uint64_t offered(unsigned n)
{
    uint64_t bits = 0;

    for (unsigned half = 0; half < 2; half++) {
        driver_store(n, VIRTIO_COMMON_DEVICE_FEATURE_SELECT, half, 4);
        bits |= address_space_load(&address_space_memory,
                                   driver_bar(n) + VIRTIO_COMMON_DEVICE_FEATURE, 4)
                << 32 * half;
    }
    return bits;
}

static void set_up_queue(unsigned n, unsigned q, unsigned size)
{
    uint32_t ring = driver_ring(n, q);

    driver_store(n, VIRTIO_COMMON_QUEUE_SELECT, q, 2);
    driver_store(n, VIRTIO_COMMON_QUEUE_SIZE, size, 2);
    driver_store(n, VIRTIO_COMMON_QUEUE_DESC, ring, 4);
    driver_store(n, VIRTIO_COMMON_QUEUE_DRIVER, ring + DRIVER_PAGE, 4);
    driver_store(n, VIRTIO_COMMON_QUEUE_DEVICE, ring + 2 * DRIVER_PAGE, 4);
    driver_store(n, VIRTIO_COMMON_QUEUE_ENABLE, 1, 2);
}

void driver_start(unsigned n, uint64_t features, unsigned size)
{
    features &= offered(n);
    driver_store(n, VIRTIO_COMMON_STATUS, 0, 1);
    driver_store(n, VIRTIO_COMMON_STATUS, 3, 1);
    for (unsigned half = 0; half < 2; half++) {
        driver_store(n, VIRTIO_COMMON_DRIVER_FEATURE_SELECT, half, 4);
        driver_store(n, VIRTIO_COMMON_DRIVER_FEATURE, (uint32_t)(features >> 32 * half), 4);
    }
    driver_store(n, VIRTIO_COMMON_STATUS, 11, 1);
    for (unsigned q = 0; q < DRIVER_QUEUES; q++) {
        set_up_queue(n, q, size);
    }
    driver_store(n, VIRTIO_COMMON_STATUS, 15, 1);
}

void driver_run_input(void (*populate)(Machine *machine), FuzzStep *const steps[FUZZ_STEPS],
                      const uint8_t *data, size_t size)
{
    const FuzzBoard board = { .type = "pc", .cpu_count = "1", .populate = populate };

    fuzz_board(&board);
    fuzz_input_begin();
    fuzz_run_steps(steps, data, size);
    fuzz_settle();
    fuzz_input_end();
}

void driver_notify(unsigned n, unsigned q)
{
    driver_store(n, 3 * DRIVER_PAGE + 4 * q, q, 2);
}
