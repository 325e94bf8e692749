/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NVMe controllers: a driver that writes anything to registers and queues, and has commands of a
 * right shape carried out with anything in them, from page lists that may be wrong and memory of
 * the controller itself; while reads and writes fail, and the machine stops, goes on and is reset.
 * No access takes long.
 */
#include "hw/nvme/nvme-regs.h"
#include "hw/pci/pci.h"
#include "tests/fuzz/driver.h"

#define QUEUES     4u /* the admin queue is the first */
#define ENTRIES    16u
#define PAGE       0x1000u
#define DATA       0x40000u /* in RAM, behind the queues */
#define DATA_PAGES 64u

static uint32_t registers(unsigned n)
{
    return 0xe0000000u + n * 0x100000;
}

static uint32_t buffer(unsigned n)
{
    return 0xe1000000u + n * 0x100000;
}

static uint32_t queue(unsigned n, unsigned q, bool completions)
{
    return 0x10000u + ((n * QUEUES + q) * 2 + completions) * PAGE;
}

/* Nothing of the host is asked. One namespace fails now and then, and stops the machine. */
static void populate(Machine *machine)
{
    driver_add_node("null-co,node-name=n0,size=1M,read-zeroes=on");
    driver_add_node("null-co,node-name=n1,size=256k,read-zeroes=on");
    driver_add_node(
        "blkdebug,node-name=n2,image.driver=null-co,image.size=64k,image.read-zeroes=on,"
        "inject-error.0.event=read_aio,inject-error.0.sector=3,"
        "inject-error.1.event=write_aio,inject-error.1.sector=5");
    driver_add("nvme,addr=10,serial=one,drive=n0,cmb_size_mb=1,max_ioqpairs=3,mdts=3");
    driver_add("nvme,id=two,addr=11,serial=two");
    driver_add("nvme-ns,bus=two,drive=n1,logical_block_size=4096");
    driver_add("nvme-ns,bus=two,drive=n2,nsid=7");
    driver_add_node("null-co,node-name=n3,size=128k,read-zeroes=on");
    driver_add(
        "nvme-ns,bus=two,drive=n3,nsid=2,zoned=on,zoned.zone_size=16k,zoned.zone_capacity=12k,"
        "zoned.max_active=5,zoned.max_open=3,zoned.descr_ext_size=64");
}

/* ---- accesses ---- */

static void put(hwaddr at, uint64_t value, unsigned size)
{
    driver_access(&address_space_memory, at, value, size);
}

static void set(unsigned n, unsigned offset, uint64_t value, unsigned size)
{
    put(registers(n) + offset, value, size);
}

static void submit(unsigned n, unsigned q, const NvmeCommand *c, unsigned slot, bool ring)
{
    address_space_write(&address_space_memory, queue(n, q, false) + slot * sizeof(*c), c,
                        sizeof(*c));
    if (ring) {
        set(n, NVME_DOORBELLS + 8 * q, (slot + 1) % ENTRIES, 4);
    }
}

/* ---- steps ---- */

/* As drivers do it: a reset, the admin queues, and then a pair for each of the others. */
static void step_start(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), n = how & 1;

    driver_config_write(n, PCI_BASE_ADDRESS_0, registers(n), 4);
    driver_config_write(n, PCI_BASE_ADDRESS_0 + 8, buffer(n), 4);
    driver_config_write(n, PCI_COMMAND, 7, 2);
    set(n, NVME_CC, 0, 4);
    set(n, NVME_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1), 4);
    set(n, NVME_ASQ, queue(n, 0, false), 8);
    set(n, NVME_ACQ, queue(n, 0, true), 8);
    set(n, NVME_CMBMSC, how & 2 ? buffer(n) | 3 : 0, 8);
    set(n, NVME_CC,
        0x460000 | NVME_CC_EN | (how & 0x20 ? NVME_CC_CSS_SETS : 0) |
            (how >> 4 & 1) << NVME_CC_MPS_SHIFT,
        4);
    for (unsigned q = 1; q < QUEUES; q++) {
        const NvmeCommand completions = { .opcode = NVME_CREATE_CQ,
                                          .prp = { queue(n, q, true) },
                                          .cdw10 = (ENTRIES - 1) << 16 | q,
                                          .cdw11 = 3 };
        const NvmeCommand submissions = { .opcode = NVME_CREATE_SQ,
                                          .prp = { queue(n, q, false) },
                                          .cdw10 = (ENTRIES - 1) << 16 | q,
                                          .cdw11 = q << 16 | 1 };

        submit(n, 0, &completions, 2 * q - 2, false);
        submit(n, 0, &submissions, 2 * q - 1, true);
    }
    set(n, NVME_DOORBELLS + 4, 2 * QUEUES - 2, 4);
}

static void step_register(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3), n = how >> 2 & 1;
    unsigned offset = (unsigned)fuzz_take(in, 1) % 0x60 + (how & 0x10 ? NVME_DOORBELLS : 0);

    if (how & 0x80) {
        set(n, offset, fuzz_take(in, size), size);
    } else {
        address_space_load(&address_space_memory, registers(n) + offset, size);
    }
}

static void step_doorbell(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    set(how & 1, NVME_DOORBELLS + 4 * (how >> 1 & 15), (uint32_t)fuzz_take(in, 1), 4);
}

static void step_data(FuzzInput *in)
{
    hwaddr at = DATA + fuzz_take(in, 2) % (DATA_PAGES * PAGE);

    for (unsigned n = 1 + (unsigned)fuzz_take(in, 1) % 16; n; n--) {
        put(at++, fuzz_take(in, 1), 1);
    }
}

/* Where data are: a page of RAM or of the controller's buffer, or anything. */
static uint64_t take_address(FuzzInput *in, unsigned n)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    if (how < 0x80) {
        return DATA + how % DATA_PAGES * PAGE;
    }
    return how < 0xc0 ? buffer(n) + (how & 63) * PAGE : fuzz_take(in, how < 0xe0 ? 3 : 8);
}

/* A list of pages, at the end of one where it goes on in the next. */
static void step_list(FuzzInput *in)
{
    unsigned where = (unsigned)fuzz_take(in, 1);
    hwaddr at = DATA + where % DATA_PAGES * PAGE + (where & 0x80 ? PAGE - 16 : 0);

    for (unsigned n = 1 + (unsigned)fuzz_take(in, 1) % 8; n; n--, at += 8) {
        put(at, take_address(in, where >> 6 & 1), 8);
    }
}

static void step_admin(FuzzInput *in)
{
    static const uint8_t codes[] = { NVME_DELETE_SQ,  NVME_CREATE_SQ,    NVME_GET_LOG_PAGE,
                                     NVME_DELETE_CQ,  NVME_CREATE_CQ,    NVME_IDENTIFY,
                                     NVME_ABORT,      NVME_SET_FEATURES, NVME_GET_FEATURES,
                                     NVME_ASYNC_EVENT };
    unsigned how = (unsigned)fuzz_take(in, 1), n = how & 1, slot = how >> 1 & 15;
    unsigned code = (unsigned)fuzz_take(in, 1);
    NvmeCommand c = { .opcode = code & 0x80 ? (uint8_t)code : codes[code % sizeof(codes)],
                      .cid = (uint16_t)slot };

    c.nsid = (uint32_t)(int8_t)fuzz_take(in, 1);
    c.prp[0] = take_address(in, n);
    c.prp[1] = take_address(in, n);
    c.cdw10 = (uint32_t)fuzz_take(in, 4);
    c.cdw11 = (uint32_t)fuzz_take(in, 4);
    c.cdw14 = c.opcode == NVME_GET_LOG_PAGE ? c.cdw11 & 0xff000000 : 0;
    submit(n, 0, &c, slot, !(how & 0x80));
}

static void step_io(FuzzInput *in)
{
    static const uint8_t codes[] = { NVME_READ, NVME_WRITE, NVME_FLUSH, NVME_WRITE_ZEROES,
                                     NVME_DATASET };
    unsigned how = (unsigned)fuzz_take(in, 1), n = how & 1, slot = how >> 1 & 15;
    unsigned which = (unsigned)fuzz_take(in, 1), q = 1 + (which & 3) % (QUEUES - 1);
    unsigned code = which >> 2;
    NvmeCommand c = { .opcode = code & 0x20 ? (uint8_t)code : codes[code % sizeof(codes)],
                      .cid = (uint16_t)slot };

    c.nsid = (uint32_t)(int8_t)fuzz_take(in, 1);
    c.prp[0] = take_address(in, n) + (how & 0x40 ? 512 : 0);
    c.prp[1] = take_address(in, n);
    c.cdw10 = (uint32_t)(int16_t)fuzz_take(in, 2);
    c.cdw11 = (how & 0x20) != 0 && c.opcode == NVME_DATASET ? NVME_DATASET_DEALLOCATE : 0;
    c.cdw12 = (uint32_t)fuzz_take(in, 1) | (how & 0x20 ? NVME_RW_FUA | NVME_ZEROES_DEALLOCATE : 0);
    submit(n, q, &c, slot, !(how & 0x80));
}

/* Commands for zones, of the second controller. */
static void step_zones(FuzzInput *in)
{
    static const uint8_t codes[] = { NVME_ZONE_SEND, NVME_ZONE_APPEND, NVME_WRITE,
                                     NVME_ZONE_RECEIVE };
    unsigned how = (unsigned)fuzz_take(in, 1), slot = how & 15;
    uint8_t zone = (uint8_t)fuzz_take(in, 1), more = (uint8_t)fuzz_take(in, 1);
    NvmeCommand c = { .opcode = codes[how >> 4 & 3], .cid = (uint16_t)slot, .nsid = 2 };

    c.prp[0] = take_address(in, 1);
    c.cdw10 = (zone & 15) * 32 + (zone >> 4);
    c.cdw12 = c.opcode == NVME_ZONE_RECEIVE ? more * 8u : more & 7;
    c.cdw13 = c.opcode == NVME_ZONE_RECEIVE
                  ? (zone >> 4 & 3) | (more & 15u) << 8 | (how & 0x40 ? NVME_ZONE_PARTIAL : 0)
                  : more | (how & 0x40 ? NVME_ZONE_SELECT_ALL : 0);
    submit(1, 1, &c, slot, !(how & 0x80));
}

static void step_config(FuzzInput *in)
{
    driver_take_config(in, 2);
}

static void step_shutdown(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    set(how & 1, NVME_CC, 0x460000 | (how & 2 ? NVME_CC_EN : 0) | (how & 0xc) << 12, 4);
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,    step_register, step_doorbell,    step_data,       step_list,     step_admin,
    step_io,       step_config,   step_shutdown,    step_io,         step_io,       step_admin,
    fuzz_step_run, step_list,     fuzz_step_settle, fuzz_step_time,  step_io,       step_admin,
    step_start,    step_doorbell, step_io,          fuzz_step_reset, step_register, step_zones,
    step_zones,    step_zones,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
