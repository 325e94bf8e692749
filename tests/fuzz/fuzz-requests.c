/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a driver asks of virtio devices: buffers of a right shape, with anything in them, for two
 * disks, two network cards on one cable, a balloon, and a serial device with ports; while queues
 * and devices are reset, and the machine stops and goes on.
 */
#include "hw/virtio/virtio-pci-regs.h"
#include "tests/fuzz/driver.h"

#define DEVICES    6
#define BUFFERS    0x70000u /* in RAM, behind the rings */
#define BUFFERS_SZ 0x20000u
#define RING_SIZE  16

/* Nothing of the host is asked: the disks' contents are zeros, the cards' cable ends here. */
static void populate(Machine *machine)
{
    driver_add_node(
        "raw,node-name=n0,detect-zeroes=unmap,discard=unmap,file.driver=null-co,file.size=1M");
    driver_add_node(
        "blkdebug,node-name=n1,image.driver=null-co,image.size=64k,image.read-zeroes=on,"
        "inject-error.0.event=read_aio,inject-error.0.sector=7,inject-error.1.event=write_aio,"
        "inject-error.1.sector=9");
    driver_add_netdev("hubport,id=h0,hubid=0");
    driver_add_netdev("hubport,id=h1,hubid=0");
    driver_add("virtio-blk-pci,drive=n0,addr=10,num-queues=3,serial=s,config-wce=on");
    driver_add("virtio-blk-pci,drive=n1,addr=11,logical_block_size=4096,physical_block_size=4096,"
               "werror=report");
    driver_add("virtio-net-pci,netdev=h0,addr=12");
    driver_add("virtio-net-pci,netdev=h1,addr=13,mrg_rxbuf=off");
    driver_add("virtio-balloon-pci,addr=14,deflate-on-oom=on,free-page-reporting=on");
    driver_add("virtio-serial-pci,id=vs,addr=15,max_ports=4");
    driver_add("virtserialport,bus=vs.0,name=one");
}

/* ---- steps ---- */

static void step_map(FuzzInput *in)
{
    for (unsigned n = 0; n < DEVICES; n++) {
        driver_map(n);
    }
}

static void step_start(FuzzInput *in)
{
    unsigned n = (unsigned)fuzz_take(in, 1) % DEVICES;
    uint64_t refused = fuzz_take(in, 8);

    driver_map(n);
    driver_start(n, (~refused | UINT64_C(1) << 32) & ~(UINT64_C(1) << 34), RING_SIZE); /* split */
}

static void write_desc(uint32_t ring, unsigned n, uint64_t addr, uint32_t len, uint16_t flags)
{
    const uint16_t tail[2] = { flags, (uint16_t)((n + 1) % RING_SIZE) };

    address_space_store(&address_space_memory, ring + 16 * n, addr, 8);
    address_space_store(&address_space_memory, ring + 16 * n + 8, len, 4);
    address_space_write(&address_space_memory, ring + 16 * n + 12, tail, sizeof(tail));
}

static void make_available(uint32_t ring, unsigned head)
{
    uint32_t avail = ring + DRIVER_PAGE;
    uint16_t index = (uint16_t)address_space_load(&address_space_memory, avail + 2, 2);

    address_space_store(&address_space_memory, avail + 4 + 2 * (index % RING_SIZE), head, 2);
    address_space_store(&address_space_memory, avail + 2, (uint16_t)(index + 1), 2);
}

/* Which device and queue, how many pieces are read and written, and the length of each in words;
 * then what is in the first one. The rest of the buffers is what was there. */
static void step_request(FuzzInput *in)
{
    unsigned which = (unsigned)fuzz_take(in, 1), n = (which & 15) % DEVICES, q = which >> 4 & 3;
    unsigned shape = (unsigned)fuzz_take(in, 1), outs = shape & 3, ins = shape >> 2 & 3;
    unsigned head = (unsigned)fuzz_take(in, 1) % RING_SIZE, bytes = shape >> 4;
    uint32_t ring = driver_ring(n, q), at = BUFFERS + (uint32_t)fuzz_take(in, 1) * 256;

    for (unsigned i = 0; i < bytes; i++) {
        address_space_store(&address_space_memory, at + 4 * i, fuzz_take(in, 4), 4);
    }
    for (unsigned i = 0; i < outs + ins; i++) {
        uint32_t len = (uint32_t)fuzz_take(in, 1);

        len = len < 0x80 ? len : (len & 0x7f) * 256;
        write_desc(ring, (head + i) % RING_SIZE, at, len,
                   (i + 1 < outs + ins ? 1 : 0) | (i < outs ? 0 : 2));
        at = BUFFERS + (at - BUFFERS + len) % (BUFFERS_SZ - 0x8000);
    }
    if (outs + ins) {
        make_available(ring, head);
    }
    driver_notify(n, q);
}

/* A request of a disk: type, sector, and bytes of data as sectors. */
static void step_disk(FuzzInput *in)
{
    static const uint8_t types[] = { 0, 1, 4, 8, 11, 13, 2, 99 };
    unsigned how = (unsigned)fuzz_take(in, 1), n = how & 1, q = n ? 0 : how >> 1 & 3;
    unsigned type = types[how >> 3 & 7], sectors = (unsigned)fuzz_take(in, 1) % 24;
    uint64_t sector = fuzz_take(in, how & 0x80 ? 8 : 1);
    uint32_t ring = driver_ring(n, q), data = BUFFERS + 512, len = sectors * 512;
    bool ranges = type == 11 || type == 13, writes = type == 1 || ranges;

    address_space_store(&address_space_memory, BUFFERS, type, 4);
    address_space_store(&address_space_memory, BUFFERS + 8, sector, 8);
    if (ranges) {
        address_space_store(&address_space_memory, data, sector, 8);
        address_space_store(&address_space_memory, data + 8, sectors, 4);
        address_space_store(&address_space_memory, data + 12, fuzz_take(in, 1) & 3, 4);
        len = 16 * (1 + sectors % 3);
    }
    write_desc(ring, 0, BUFFERS, 16, 1);
    write_desc(ring, 1, data, len, 1 | (writes ? 0 : 2));
    write_desc(ring, 2, BUFFERS + 32, 1, 2);
    make_available(ring, 0);
    driver_notify(n, q);
}

static void step_fill(FuzzInput *in)
{
    uint32_t at = BUFFERS + (uint32_t)fuzz_take(in, 2);

    for (unsigned i = (unsigned)fuzz_take(in, 1) % 32; i > 0; i--) {
        address_space_store(&address_space_memory, at, fuzz_take(in, 1), 1);
        at++;
    }
}

static void step_queue_reset(FuzzInput *in)
{
    unsigned which = (unsigned)fuzz_take(in, 1), n = (which & 15) % DEVICES;

    driver_store(n, VIRTIO_COMMON_QUEUE_SELECT, which >> 4 & 3, 2);
    driver_store(n, VIRTIO_COMMON_QUEUE_RESET, 1, 2);
}

/* Of the device's own configuration: disks' caches, the balloon's actual size, emergencies. */
static void step_config(FuzzInput *in)
{
    unsigned n = (unsigned)fuzz_take(in, 1) % DEVICES, offset = (unsigned)fuzz_take(in, 1) % 64;
    unsigned size = 1u << fuzz_take(in, 1) % 3;

    driver_store(n, 2 * DRIVER_PAGE + (offset & ~(size - 1)), (uint32_t)fuzz_take(in, size), size);
    address_space_load(&address_space_memory, driver_bar(n) + 2 * DRIVER_PAGE + (offset & ~3u), 4);
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_map,         step_start,           step_request,    step_disk,    step_fill,
    step_queue_reset, step_config,          fuzz_step_time,  step_request, fuzz_step_settle,
    fuzz_step_run,    fuzz_step_next_timer, fuzz_step_reset, step_request, step_disk,
    step_start,       step_request,         step_request,    step_disk,    step_fill,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
