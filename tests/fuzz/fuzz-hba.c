/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SCSI adapters with disks and a CD drive: a driver that writes anything to registers and memory,
 * and has commands of a right shape carried out with anything in them; while reads and writes fail,
 * units come and go, and the machine stops, goes on and is reset. No access takes long.
 */
#include "hw/pci/pci.h"
#include "hw/hba/lsi-regs.h"
#include "hw/hba/mptsas-regs.h"
#include "hw/hba/pvscsi-regs.h"
#include "hw/scsi/scsi-defs.h"
#include "qapi/qapi-commands.h"
#include "qom/object.h"
#include "tests/fuzz/driver.h"

#define PAGE   0x1000u
#define MEMORY 0x10000u /* of each adapter so much RAM: rings, then data */
#define DATA   0x8000u

/* An adapter, as the driver has it. */
typedef struct Adapter {
    const char *type;
    unsigned memory_bar, io_bar; /* offsets in configuration space; 0: none */
    unsigned registers;          /* bytes of interest */
    /* Make it work; and a command: its code and CDB come from @in. */
    void (*start)(unsigned n, FuzzInput *in);
    void (*command)(unsigned n, FuzzInput *in);
} Adapter;

static uint32_t bar(unsigned n)
{
    return 0xe0000000u + n * 0x100000;
}

static uint32_t memory(unsigned n)
{
    return (n + 1) * MEMORY;
}

static void put(hwaddr at, uint64_t value, unsigned size)
{
    driver_access(&address_space_memory, at, value, size);
}

static void set(unsigned n, unsigned offset, uint32_t value)
{
    put(bar(n) + offset, value, 4);
}

/* Where data are, or a list: RAM, or anything. */
static uint64_t take_address(FuzzInput *in, unsigned n)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    return how < 0xf0 ? memory(n) + DATA + how * 64u : fuzz_take(in, how < 0xf8 ? 3 : 8);
}

/* Mostly those that there are. */
static void take_cdb(FuzzInput *in, uint8_t cdb[16])
{
    static const uint8_t codes[] = {
        SCSI_TEST_UNIT_READY,      SCSI_READ_6,   SCSI_WRITE_6,       SCSI_INQUIRY,
        SCSI_READ_CAPACITY_10,     SCSI_READ_10,  SCSI_WRITE_10,      SCSI_UNMAP,
        SCSI_WRITE_SAME_10,        SCSI_READ_TOC, SCSI_MODE_SENSE_10, SCSI_MODE_SELECT_10,
        SCSI_SYNCHRONIZE_CACHE_10, SCSI_READ_16,  SCSI_REPORT_LUNS,   SCSI_START_STOP_UNIT,
    };
    unsigned code = (unsigned)fuzz_take(in, 1);

    cdb[0] = code & 0x80 ? (uint8_t)code : codes[code % sizeof(codes)];
    for (unsigned i = 1; i < 16; i++) {
        cdb[i] = i == 5 || i == 8 || code & 0x40 ? (uint8_t)fuzz_take(in, 1) : 0;
    }
}

/* ---- pvscsi ---- */

static void pvscsi_words(unsigned n, uint32_t command, const void *data, size_t size)
{
    const uint32_t *words = data;

    set(n, PVSCSI_COMMAND, command);
    for (size_t i = 0; i < size / 4; i++) {
        set(n, PVSCSI_COMMAND_DATA, words[i]);
    }
}

static void pvscsi_start(unsigned n, FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    uint64_t first = memory(n) / PAGE;
    PvscsiSetupRings rings = { 1 + (how & 3), 1 + (how >> 2 & 3), first, { 0 }, { 0 } };
    PvscsiSetupMessages messages = { .pages = 1 };

    for (unsigned i = 0; i < PVSCSI_RING_PAGES; i++) {
        rings.requests[i] = how & 0x80 ? fuzz_take(in, 1) : first + 1;
        rings.completions[i] = first + 2;
    }
    messages.messages[0] = first + 3;
    pvscsi_words(n, PVSCSI_ADAPTER_RESET, NULL, 0);
    pvscsi_words(n, PVSCSI_SETUP_RINGS, &rings, sizeof(rings));
    pvscsi_words(n, PVSCSI_SETUP_MESSAGES, &messages, sizeof(messages));
    set(n, PVSCSI_INTERRUPT_MASK, how & 0x40 ? 0xf : 0);
}

static void pvscsi_command(unsigned n, FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    uint32_t state = memory(n),
             produced = (uint32_t)address_space_load(&address_space_memory, state, 4);
    PvscsiRequest request = { .context = how & 3, .target = how >> 2 & 3, .sense_size = 18 };

    if (how & 0x80) {
        const PvscsiAbort abort = { .context = how & 3, .target = how >> 2 & 3 };

        pvscsi_words(n, how & 0x40 ? PVSCSI_ABORT : PVSCSI_RESET_DEVICE, &abort,
                     how & 0x40 ? sizeof(abort) : sizeof(PvscsiResetDevice));
        return;
    }
    take_cdb(in, request.cdb);
    request.cdb_size = how & 0x40 ? 16 : 10;
    request.flags = how >> 4 & 1;
    request.data = take_address(in, n);
    request.data_size = fuzz_take(in, 2);
    request.sense = take_address(in, n);
    address_space_write(&address_space_memory, memory(n) + PAGE + produced % 32 * sizeof(request),
                        &request, sizeof(request));
    address_space_store(&address_space_memory, state, produced + 1, 4);
    /* What has ended was seen. */
    address_space_store(&address_space_memory, state + 16,
                        address_space_load(&address_space_memory, state + 12, 4), 4);
    set(n, how & 0x20 ? PVSCSI_KICK_RW : PVSCSI_KICK_OTHER, 0);
}

/* ---- lsi53c895a ---- */

static void lsi_start(unsigned n, FuzzInput *in)
{
    put(bar(n) + LSI_ISTAT0, LSI_ISTAT_SRST, 1);
    set(n, LSI_SIEN0, 0xffff);
    put(bar(n) + LSI_DIEN, 0x7f, 1);
    put(bar(n) + LSI_CCNTL0, fuzz_take(in, 1), 1);
    set(n, LSI_DSA, memory(n) + PAGE);
    set(n, LSI_PMJAD1, memory(n) + 64);
    set(n, LSI_PMJAD2, memory(n) + 64);
}

/* A script in its memory, whose moves may be of any length, and which may have anything at its end.
 */
static void lsi_command(unsigned n, FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    uint32_t at = memory(n);
    uint8_t cdb[16];
    const uint32_t script[] = {
        0x41000000 | (how & 3) << 16,
        0,
        0x0e000001,
        memory(n) + PAGE,
        0x0a00000a,
        memory(n) + PAGE + 16,
        how & 4 ? 0x870b0000 : 0x80080000 | LSI_STATUS << 24 | 3 << 16,
        memory(n) + 64,
        (how & 8 ? 0x08000000 : 0x09000000) | (uint32_t)fuzz_take(in, 2),
        (uint32_t)take_address(in, n),
        0x0b000001,
        memory(n) + PAGE + 8,
        0x0f000001,
        memory(n) + PAGE + 9,
        how & 16 ? 0x60000040 : (uint32_t)fuzz_take(in, 4),
        how & 16 ? 0 : (uint32_t)fuzz_take(in, 4),
        0x48000000,
        0,
        how & 32 ? 0x98080000 : 0x80080000,
        memory(n) + (how & 64 ? 0 : 32),
    };

    take_cdb(in, cdb);
    put(memory(n) + PAGE, 0x80, 1);
    for (unsigned i = 0; i < sizeof(cdb); i++) {
        put(memory(n) + PAGE + 16 + i, cdb[i], 1);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(script); i++) {
        put(at + 4 * i, script[i], 4);
    }
    set(n, LSI_DSP, at);
}

/* ---- am53c974 ---- */

static void esp_set(unsigned n, unsigned offset, uint32_t value, unsigned size)
{
    driver_access(&address_space_io, DRIVER_IO + 0x100 * n + offset, value, size);
}

static void esp_start(unsigned n, FuzzInput *in)
{
    esp_set(n, 0x0c, 2, 1);
    esp_set(n, 0x2c, 0x40, 1); /* counts of 24 bits */
}

/* A selection, with a command; or a move of data by DMA; or any other command. */
static void esp_command(unsigned n, FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    uint8_t cdb[16];

    if (how & 0x80) {
        uint32_t size = (uint32_t)fuzz_take(in, 2);

        address_space_load(&address_space_io, DRIVER_IO + 0x100 * n + 0x14, 1);
        esp_set(n, 0, size & 0xff, 1);
        esp_set(n, 4, size >> 8, 1);
        esp_set(n, 0x44, how & 0x40 ? size : (uint32_t)fuzz_take(in, 3), 4);
        esp_set(n, 0x48, (uint32_t)take_address(in, n), 4);
        esp_set(n, 0x0c, how & 0x20 ? 0x90 : 0x80 | (uint32_t)fuzz_take(in, 1), 1);
        esp_set(n, 0x40, how & 0x10 ? 0x83 : 3, 1);
        return;
    }
    if (how & 0x40) {
        esp_set(n, 0x0c, how & 0x20 ? 0x11 : (uint32_t)fuzz_take(in, 1), 1);
        esp_set(n, 0x0c, 0x12, 1);
        return;
    }
    take_cdb(in, cdb);
    esp_set(n, 0x0c, 1, 1);
    esp_set(n, 0x10, how & 3, 1);
    esp_set(n, 8, 0x80, 1);
    for (unsigned i = 0; i < 10; i++) {
        esp_set(n, 8, cdb[i], 1);
    }
    esp_set(n, 0x0c, how & 4 ? 0x43 : 0x42, 1);
}

/* ---- megasas ---- */

static void megasas_start(unsigned n, FuzzInput *in)
{
    uint32_t at = memory(n);

    set(n, 0x20, 1); /* a reset; then frame 0 with where the rings are */
    for (unsigned i = 0; i < 128; i += 4) {
        put(at + i, 0, 4);
    }
    put(at + 0x10, 1, 2);
    put(at + 0x18, at + 64, 4);
    put(at + 64 + 4, 1 + (fuzz_take(in, 1) & 31), 4);
    put(at + 64 + 8, at + PAGE, 4);
    put(at + 64 + 16, at + 2 * PAGE, 4);
    set(n, 0x40, at | 1);
    set(n, 0x34, 0);
}

static void megasas_command(unsigned n, FuzzInput *in)
{
    static const uint32_t direct[] = { 0x01010000, 0x01040100, 0x01040500, 0x01101000,
                                       0x02010100, 0x03010000, 0x03010100, 0x01050000 };
    unsigned how = (unsigned)fuzz_take(in, 1), command = how & 7, pieces = 1 + (how >> 6);
    uint32_t at = memory(n) + 3 * PAGE + (how >> 3 & 7) * 256;
    unsigned list = command == 3 || command == 4 ? 0x30 : 0x28, flags = (unsigned)fuzz_take(in, 1);
    unsigned size = flags & 0x20 ? 16 : flags & 2 ? 12 : 8;
    uint8_t cdb[16];

    put(at, command, 4);
    put(at + 4, fuzz_take(in, 1) & 3, 2);
    put(at + 7, pieces, 1);
    put(at + 0x10, flags, 2);
    put(at + 0x14, fuzz_take(in, 2), 4);
    put(at + 0x18, take_address(in, n), 8);
    take_cdb(in, cdb);
    for (unsigned i = 0; i < sizeof(cdb); i++) {
        put(at + 0x20 + i, command < 3 ? 0 : cdb[i], 1);
    }
    if (command == 5) {
        put(at + 0x18, direct[fuzz_take(in, 1) & 7], 4);
    } else if (command == 6) {
        put(at + 0x20, memory(n) + 3 * PAGE + (fuzz_take(in, 1) & 7) * 256, 8);
    }
    for (unsigned i = 0; i < pieces; i++) {
        put(at + list + i * size, take_address(in, n), size == 8 ? 4 : 8);
        put(at + list + i * size + (size == 8 ? 4 : 8), fuzz_take(in, 2), 4);
    }
    set(n, 0x40, at | 1);
}

/* ---- mptsas1068 ---- */

static void mptsas_shake(unsigned n, const void *message, size_t size)
{
    const uint32_t *words = message;

    set(n, MPT_DOORBELL, (uint32_t)MPT_HANDSHAKE << 24 | (uint32_t)size / 4 << 16);
    set(n, MPT_INTERRUPT_STATUS, 0);
    for (size_t i = 0; i < size / 4; i++) {
        set(n, MPT_DOORBELL, words[i]);
    }
    for (unsigned i = 0; i < 44; i++) {
        address_space_load(&address_space_memory, bar(n) + MPT_DOORBELL, 4);
        set(n, MPT_INTERRUPT_STATUS, 0);
    }
}

static void mptsas_start(unsigned n, FuzzInput *in)
{
    MptInit init = { .function = MPT_IOC_INIT, .reply_size = (uint16_t)(20 + fuzz_take(in, 1)) };

    set(n, MPT_DOORBELL, (uint32_t)MPT_UNIT_RESET << 24);
    mptsas_shake(n, &init, sizeof(init));
    for (unsigned i = 0; i < 16; i++) {
        set(n, MPT_REPLY_FIFO, memory(n) + PAGE + 256 * i);
    }
    set(n, MPT_INTERRUPT_MASK, 0);
}

static void mptsas_config_page(unsigned n, FuzzInput *in, uint32_t at)
{
    static const uint8_t types[] = { 0, 1, 9, 0xf, 0xf, 0xf, 0xf, 0xf };
    unsigned how = (unsigned)fuzz_take(in, 1);

    put(at, how & 7, 1);
    put(at + 6, 0x10 + (how >> 3 & 3), 1);
    put(at + 0x16, how >> 5 & 1, 1);
    put(at + 0x17, types[how >> 5], 1);
    put(at + 0x18, fuzz_take(in, 1) | fuzz_take(in, 1) << 28, 4);
    put(at + 0x1c, 0xd1000000 | fuzz_take(in, 1), 4);
    put(at + 0x20, take_address(in, n), 4);
}

static void mptsas_scsi(unsigned n, FuzzInput *in, uint32_t at)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    uint8_t cdb[16];

    take_cdb(in, cdb);
    put(at + 2, how & 0x20 ? 0x0c + 2 * (how & 3) : 0, 1); /* its chain */
    put(at + 4, how & 0x40 ? 16 : 10, 1);
    put(at + 5, 18, 1);
    for (unsigned i = 0; i < sizeof(cdb); i++) {
        put(at + 0x18 + i, cdb[i], 1);
    }
    put(at + 0x28, fuzz_take(in, 2), 4);
    put(at + 0x2c, take_address(in, n), 4);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t flags = how & 0x80 ? (uint32_t)fuzz_take(in, 1) : i == 2 ? 0xd1 : 0x10;

        put(at + 0x30 + 8 * i, flags << 24 | (uint32_t)fuzz_take(in, 2), 4);
        put(at + 0x34 + 8 * i, take_address(in, n), 4);
    }
}

static void mptsas_command(unsigned n, FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), frame = how & 7;
    uint32_t at = memory(n) + 3 * PAGE + 256 * frame, reply;

    for (unsigned i = 0; i < 128; i += 4) {
        put(at + i, 0, 4);
    }
    put(at + 8, frame, 4);
    if (how & 0x80) {
        unsigned function = how >> 4 & 7;

        put(at + 3, function ? function : MPT_SAS_IO_UNIT_CONTROL, 1);
        if (function == MPT_CONFIG) {
            mptsas_config_page(n, in, at);
        } else {
            put(at, fuzz_take(in, 1) & 3, 1);
            put(at + 5, fuzz_take(in, 1) & 7, 1); /* a task's type */
            put(at + 0x30, fuzz_take(in, 1) & 7, 1);
        }
    } else {
        put(at, how >> 4 & 3, 1);
        mptsas_scsi(n, in, at);
    }
    set(n, MPT_REQUEST_FIFO, at);
    /* What has ended was seen. */
    reply = (uint32_t)address_space_load(&address_space_memory, bar(n) + MPT_REPLY_FIFO, 4);
    if (how & 8 && reply & MPT_REPLY_ADDRESS) {
        set(n, MPT_REPLY_FIFO, reply << 1);
    }
}

/* ---- all of them ---- */

static const Adapter adapters[] = {
    { "pvscsi", PCI_BASE_ADDRESS_0, 0, 0x5000, pvscsi_start, pvscsi_command },
    { "lsi53c895a", PCI_BASE_ADDRESS_0 + 4, PCI_BASE_ADDRESS_0, 0x100, lsi_start, lsi_command },
    { "am53c974", 0, PCI_BASE_ADDRESS_0, 0x60, esp_start, esp_command },
    { "megasas", PCI_BASE_ADDRESS_0, 0, 0xc0, megasas_start, megasas_command },
    { "mptsas1068", PCI_BASE_ADDRESS_0 + 4, PCI_BASE_ADDRESS_0, 0x60, mptsas_start,
      mptsas_command },
};

/* Nothing of the host is asked. Target 1 fails now and then, and stops the machine. */
static void populate(Machine *machine)
{
    for (unsigned n = 0; n < G_N_ELEMENTS(adapters); n++) {
        char *nodes[] = {
            g_strdup_printf("null-co,node-name=n%u,size=1M,read-zeroes=on", n),
            g_strdup_printf(
                "blkdebug,node-name=f%u,image.driver=null-co,image.size=64k,image.read-zeroes=on,"
                "inject-error.0.event=read_aio,inject-error.0.sector=7,"
                "inject-error.1.event=write_aio,inject-error.1.sector=9",
                n),
            g_strdup_printf("null-co,node-name=c%u,size=640k,read-zeroes=on,read-only=on", n),
            g_strdup_printf("null-co,node-name=h%u,size=32k,read-zeroes=on", n),
        };
        char *devices[] = {
            g_strdup_printf("%s,id=a%u,addr=%x", adapters[n].type, n, DRIVER_FIRST + n),
            g_strdup_printf("scsi-hd,bus=a%u.0,scsi-id=0,drive=n%u", n, n),
            g_strdup_printf("scsi-hd,bus=a%u.0,scsi-id=1,drive=f%u", n, n),
            g_strdup_printf("scsi-cd,bus=a%u.0,scsi-id=2,drive=c%u", n, n),
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(nodes); i++) {
            driver_add_node(nodes[i]);
            g_free(nodes[i]);
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(devices); i++) {
            driver_add(devices[i]);
            g_free(devices[i]);
        }
    }
}

static unsigned take_adapter(FuzzInput *in)
{
    return (unsigned)fuzz_take(in, 1) % G_N_ELEMENTS(adapters);
}

static void step_start(FuzzInput *in)
{
    unsigned n = take_adapter(in);
    const Adapter *a = &adapters[n];

    if (a->memory_bar) {
        driver_config_write(n, a->memory_bar, bar(n), 4);
    }
    if (a->io_bar) {
        driver_config_write(n, a->io_bar, DRIVER_IO + 0x100 * n, 4);
    }
    driver_config_write(n, PCI_COMMAND, 7, 2);
    a->start(n, in);
}

static void step_command(FuzzInput *in)
{
    unsigned n = take_adapter(in);

    adapters[n].command(n, in);
}

static void step_register(FuzzInput *in)
{
    unsigned n = take_adapter(in), how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3);
    unsigned offset = (unsigned)fuzz_take(in, 2) % adapters[n].registers & ~(size - 1);
    bool io = adapters[n].io_bar && (how & 0x40 || !adapters[n].memory_bar);
    AddressSpace *as = io ? &address_space_io : &address_space_memory;
    hwaddr at = io ? DRIVER_IO + 0x100 * n + offset % 0x100 : bar(n) + offset;

    size = io ? MIN(size, 4) : size;
    if (how & 0x80) {
        driver_access(as, at, fuzz_take(in, size), size);
    } else {
        address_space_load(as, at, size);
    }
}

static void step_memory(FuzzInput *in)
{
    hwaddr at = memory(take_adapter(in)) + fuzz_take(in, 2);

    for (unsigned n = 1 + (unsigned)fuzz_take(in, 1) % 16; n; n--) {
        put(at++, fuzz_take(in, 1), 1);
    }
}

static void step_config(FuzzInput *in)
{
    unsigned n = take_adapter(in);

    driver_config_write(n, PCI_COMMAND, (uint32_t)fuzz_take(in, 1), 2);
}

/* A unit comes, or is asked to go. */
static void step_unit(FuzzInput *in)
{
    unsigned n = take_adapter(in);
    g_autofree char *path = g_strdup_printf("/machine/peripheral/hot%u", n);
    g_autofree char *id = g_strdup_printf("hot%u", n);
    g_autofree char *device =
        g_strdup_printf("scsi-hd,bus=a%u.0,scsi-id=3,id=hot%u,drive=h%u", n, n, n);

    if (object_resolve(path, NULL)) {
        qmp_device_del(id, false, 0, false, false, NULL);
    } else {
        driver_add(device);
    }
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,       step_command,   step_memory,   step_register, step_config,      step_unit,
    step_command,     step_command,   step_command,  step_command,  fuzz_step_settle, fuzz_step_run,
    fuzz_step_reset,  fuzz_step_time, step_command,  step_command,  step_command,     step_command,
    step_register,    step_memory,    step_register, step_command,  step_command,     step_command,
    fuzz_step_settle, step_command,   step_start,    step_command,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
