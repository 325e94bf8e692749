/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks and a CD drive on a virtio SCSI host: a driver that has commands of a right shape carried
 * out with anything in them, task management and events among them; while reads and writes fail,
 * trays move, units come and go, and the machine stops, goes on and is reset.
 */
#include "hw/scsi/scsi-defs.h"
#include "hw/virtio/virtio-pci-regs.h"
#include "hw/virtio/virtio-scsi-regs.h"
#include "qapi/qapi-commands.h"
#include "qom/object.h"
#include "tests/fuzz/driver.h"
#include "util/bytes.h"

#define BUFFERS   0x70000u /* in RAM, behind the rings: request, answer, data */
#define SLOT      0x4000u
#define ANSWER    0x400u
#define DATA      0x800u
#define RING_SIZE 16
#define SLOTS     8u

/* Nothing of the host is asked. Target 1 fails now and then, and stops the machine. */
static void populate(Machine *machine)
{
    driver_add_node(
        "raw,node-name=n0,detect-zeroes=unmap,discard=unmap,file.driver=null-co,file.size=1M");
    driver_add_node(
        "blkdebug,node-name=n1,image.driver=null-co,image.size=64k,image.read-zeroes=on,"
        "inject-error.0.event=read_aio,inject-error.0.sector=7,inject-error.1.event=write_aio,"
        "inject-error.1.sector=9");
    driver_add_node("null-co,node-name=n2,size=640k,read-zeroes=on,read-only=on");
    driver_add_node("null-co,node-name=n3,size=32k,read-zeroes=on");
    driver_add("virtio-scsi-pci,id=host,addr=10,num_queues=2");
    driver_add("scsi-hd,bus=host.0,scsi-id=0,lun=0,drive=n0,serial=s,wwn=5,dpofua=on,"
               "max_unmap_size=65536,max_io_size=32768");
    driver_add("scsi-hd,bus=host.0,scsi-id=0,lun=1,drive=n1,logical_block_size=4096,"
               "physical_block_size=4096,removable=on");
    driver_add("scsi-cd,bus=host.0,scsi-id=2,id=cd,drive=n2");
}

/* ---- rings ---- */

static void put(hwaddr at, uint64_t value, unsigned size)
{
    address_space_store(&address_space_memory, at, value, size);
}

static void write_desc(uint32_t ring, unsigned n, uint64_t addr, uint32_t len, uint16_t flags)
{
    put(ring + 16 * n, addr, 8);
    put(ring + 16 * n + 8, len, 4);
    put(ring + 16 * n + 12, flags, 2);
    put(ring + 16 * n + 14, (n + 1) % RING_SIZE, 2);
}

static void make_available(uint32_t ring, unsigned head)
{
    uint32_t avail = ring + DRIVER_PAGE;
    uint16_t index = (uint16_t)address_space_load(&address_space_memory, avail + 2, 2);

    put(avail + 4 + 2 * (index % RING_SIZE), head, 2);
    put(avail + 2, (uint16_t)(index + 1), 2);
}

static void take_lun(FuzzInput *in, hwaddr at)
{
    static const uint8_t luns[][4] = {
        { 1, 0, 0x40, 0 }, { 1, 0, 0x40, 1 }, { 1, 2, 0, 0 },   { 1, 3, 0x40, 0 },
        { 1, 0, 0x40, 9 }, { 0xc1, 1, 0, 0 }, { 1, 200, 0, 0 }, { 1, 2, 0x40, 0 },
    };
    const uint8_t *lun = luns[fuzz_take(in, 1) % G_N_ELEMENTS(luns)];

    for (unsigned i = 0; i < 8; i++) {
        put(at + i, i < 4 ? lun[i] : 0, 1);
    }
}

/* ---- steps ---- */

static void step_start(FuzzInput *in)
{
    static const uint8_t none[BUFFERS - DRIVER_RINGS + (SLOTS + 1) * SLOT];
    uint64_t refused = fuzz_take(in, 8);

    address_space_write(&address_space_memory, DRIVER_RINGS, none, sizeof(none));
    driver_map(0);
    driver_start(0, (~refused | UINT64_C(1) << 32) & ~(UINT64_C(1) << 34), RING_SIZE); /* split */
}

static const uint8_t codes[] = {
    SCSI_TEST_UNIT_READY,
    SCSI_REQUEST_SENSE,
    SCSI_READ_6,
    SCSI_WRITE_6,
    SCSI_INQUIRY,
    SCSI_MODE_SELECT_6,
    SCSI_RESERVE_6,
    SCSI_RELEASE_6,
    SCSI_MODE_SENSE_6,
    SCSI_START_STOP_UNIT,
    SCSI_SEND_DIAGNOSTIC,
    SCSI_PREVENT_ALLOW,
    SCSI_READ_CAPACITY_10,
    SCSI_READ_10,
    SCSI_WRITE_10,
    SCSI_SEEK_10,
    SCSI_WRITE_AND_VERIFY_10,
    SCSI_VERIFY_10,
    SCSI_UNMAP,
    SCSI_WRITE_SAME_10,
    SCSI_SYNCHRONIZE_CACHE_10,
    SCSI_READ_TOC,
    SCSI_GET_CONFIGURATION,
    SCSI_GET_EVENT_STATUS,
    SCSI_MODE_SELECT_10,
    SCSI_MODE_SENSE_10,
    SCSI_READ_DISC_INFORMATION,
    SCSI_READ_16,
    SCSI_WRITE_16,
    SCSI_WRITE_AND_VERIFY_16,
    SCSI_VERIFY_16,
    SCSI_WRITE_SAME_16,
    SCSI_SYNCHRONIZE_CACHE_16,
    SCSI_READ_12,
    SCSI_WRITE_12,
    SCSI_SERVICE_ACTION_IN_16,
    SCSI_VERIFY_12,
    SCSI_REPORT_LUNS,
    SCSI_WRITE_AND_VERIFY_12,
    SCSI_READ_CD,
    SCSI_MECHANISM_STATUS,
    SCSI_SET_CD_SPEED,
    SCSI_UNMAP,
    SCSI_READ_DVD_STRUCTURE,
    SCSI_INQUIRY,
};

/* Which slot and queue, the unit, the code and the rest of the CDB, and how many bytes go to it and
 * come from it. What goes to it, is what is in its slot. */
static void step_command(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), slot = how % SLOTS, q = 2 + (how >> 3 & 1);
    unsigned code = (unsigned)fuzz_take(in, 1), sizes = (unsigned)fuzz_take(in, 1), n = 2;
    uint32_t at = BUFFERS + slot * SLOT, ring = driver_ring(0, q), head = slot * 2;
    uint32_t out = (sizes & 15) * 24, from = (sizes >> 4) * 136;

    out = how & 0x20 ? out * 21 : out; /* up to 7560 */
    take_lun(in, at);
    put(at + 8, slot, 8);
    put(at + 16, how & 0x40 ? fuzz_take(in, 1) : 0, 1);
    put(at + 19, code & 0x80 ? code : codes[code % sizeof(codes)], 1);
    for (unsigned i = 1; i < VIRTIO_SCSI_CDB_SIZE; i++) {
        put(at + 19 + i, i < 16 ? fuzz_take(in, 1) : 0, 1);
    }
    write_desc(ring, head, at, 19 + VIRTIO_SCSI_CDB_SIZE, 1);
    if (out) {
        write_desc(ring, (head + n++ - 1) % RING_SIZE, at + DATA, out, 1);
    }
    write_desc(ring, (head + n - 1) % RING_SIZE, at + ANSWER, 12 + VIRTIO_SCSI_SENSE_SIZE,
               2 | (from ? 1 : 0));
    if (from) {
        write_desc(ring, (head + n) % RING_SIZE, at + DATA + (how & 0x80 ? 512 : 0), from, 2);
    }
    make_available(ring, head);
    if (!(how & 0x10)) {
        driver_notify(0, q);
    }
}

/* What goes to a unit next, such as parameters of UNMAP or MODE SELECT, with lengths that are right
 * or not. */
static void step_data(FuzzInput *in)
{
    uint32_t at = BUFFERS + (uint32_t)fuzz_take(in, 1) % SLOTS * SLOT + DATA;

    for (unsigned n = (unsigned)fuzz_take(in, 1) % 56; n; n--) {
        put(at++, fuzz_take(in, 1), 1);
    }
}

static void step_ranges(FuzzInput *in)
{
    uint32_t at = BUFFERS + (uint32_t)fuzz_take(in, 1) % SLOTS * SLOT + DATA;
    unsigned n = (unsigned)fuzz_take(in, 1) % 8;

    put(at, GUINT16_TO_BE(6 + 16 * n), 2);
    put(at + 2, GUINT16_TO_BE(16 * n), 2);
    for (at += 8; n; n--, at += 16) {
        put(at, GUINT64_TO_BE(fuzz_take(in, 2)), 8);
        put(at + 8, GUINT32_TO_BE((uint32_t)fuzz_take(in, 2)), 4);
    }
}

static void step_task(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), slot = how % SLOTS, head = slot * 2;
    uint32_t at = BUFFERS + SLOTS * SLOT, ring = driver_ring(0, VIRTIO_SCSI_CONTROL);

    put(at, how >> 6, 4);
    put(at + 4, fuzz_take(in, 1) & 15, 4);
    take_lun(in, at + 8);
    put(at + 16, how >> 3 & 7, 8);
    write_desc(ring, head, at, sizeof(VirtioScsiTmf), 1);
    write_desc(ring, head + 1, at + 64, 8, 2);
    make_available(ring, head);
    driver_notify(0, VIRTIO_SCSI_CONTROL);
}

static void step_events(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), head = how % RING_SIZE;
    uint32_t ring = driver_ring(0, VIRTIO_SCSI_EVENTS);

    write_desc(ring, head, BUFFERS + SLOTS * SLOT + 128 + 16 * head, how & 0x80 ? how >> 4 & 7 : 16,
               2);
    make_available(ring, head);
    driver_notify(0, VIRTIO_SCSI_EVENTS);
}

/* A descriptor with anything in it, and sizes of CDB and sense data. */
static void step_wrong(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), q = how >> 4 & 3;

    if (how & 0x80) {
        driver_store(0, 2 * DRIVER_PAGE + (how & 0x40 ? 20 : 24), (uint32_t)fuzz_take(in, 2), 4);
        return;
    }
    write_desc(driver_ring(0, q), how & 15, BUFFERS + fuzz_take(in, 2), (uint32_t)fuzz_take(in, 2),
               (uint16_t)(fuzz_take(in, 1) & 7));
    make_available(driver_ring(0, q), how & 15);
    driver_notify(0, q);
}

static void step_queue_reset(FuzzInput *in)
{
    driver_store(0, VIRTIO_COMMON_QUEUE_SELECT, fuzz_take(in, 1) & 3, 2);
    driver_store(0, VIRTIO_COMMON_QUEUE_RESET, 1, 2);
}

static void step_tray(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    g_autoptr(GError) err = NULL;

    if (how & 1) {
        qmp_blockdev_open_tray(NULL, "cd", true, how & 2, &err);
    } else {
        qmp_blockdev_close_tray(NULL, "cd", &err);
    }
}

/* A unit comes, or is asked to go. */
static void step_unit(FuzzInput *in)
{
    if (object_resolve("/machine/peripheral/hot", NULL)) {
        qmp_device_del("hot", false, 0, false, false, NULL);
    } else {
        driver_add("scsi-hd,bus=host.0,scsi-id=3,id=hot,drive=n3");
    }
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,       step_command,     step_data,    step_ranges,  step_task,        step_events,
    step_wrong,       step_queue_reset, step_tray,    step_unit,    fuzz_step_settle, fuzz_step_run,
    fuzz_step_reset,  fuzz_step_time,   step_command, step_command, step_command,     step_command,
    step_data,        step_task,        step_events,  step_command, step_command,     step_command,
    fuzz_step_settle, step_command,     step_start,   step_command,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
