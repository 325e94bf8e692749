/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Section numbers are those of DSP0134 3.0. */
#include "hw/i386/smbios.h"

#include <string.h>

#include "hw/i386/cpu.h"
#include "hw/i386/x86.h"
#include "hw/ipmi/ipmi.h"
#include "hw/mem/pc-dimm.h"
#include "util/units.h"

#define VENDOR "QEMU" /* guests look at it to find out in what kind of machine they are */

/* Types of structures, and the handle of the first of each: (type << 8). */
enum {
    BIOS = 0,
    SYSTEM = 1,
    BOARD = 2,
    CHASSIS = 3,
    PROCESSOR = 4,
    PORT = 8,
    STRINGS = 11,
    MEMORY_ARRAY = 16,
    MEMORY_DEVICE = 17,
    MEMORY_RANGE = 19,
    BOOT_STATUS = 32,
    IPMI = 38,
    ONBOARD = 41,
    END = 127,
};

enum { OTHER = 1, UNKNOWN = 2 };
#define NO_HANDLE 0xffff

/* Structures one after the other: begin, append the fields, end. */
typedef struct Writer {
    Machine *machine;
    const SmbiosConfig *config;
    GByteArray *out;
    size_t start;     /* of the structure that is being written */
    GString *strings; /* its strings, each with its NUL */
    uint8_t num_strings;
} Writer;

static void put(Writer *w, uint64_t value, unsigned size)
{
    value = GUINT64_TO_LE(value);
    g_byte_array_append(w->out, (const uint8_t *)&value, size);
}

static void u8(Writer *w, uint8_t value)
{
    put(w, value, 1);
}

static void u16(Writer *w, uint16_t value)
{
    put(w, value, 2);
}

static void u32(Writer *w, uint32_t value)
{
    put(w, value, 4);
}

static void u64(Writer *w, uint64_t value)
{
    put(w, value, 8);
}

/* A field that is the number of a string; NULL and "" are 0, none. */
static void text(Writer *w, const char *string)
{
    if (!string || !*string) {
        u8(w, 0);
        return;
    }
    g_string_append_len(w->strings, string, strlen(string) + 1);
    u8(w, ++w->num_strings);
}

static void begin(Writer *w, uint8_t type, uint16_t handle)
{
    w->start = w->out->len;
    w->num_strings = 0;
    g_string_truncate(w->strings, 0);
    u8(w, type);
    u8(w, 0); /* length: end() */
    u16(w, handle);
}

static void end(Writer *w)
{
    w->out->data[w->start + 1] = w->out->len - w->start;
    g_byte_array_append(w->out, (const uint8_t *)w->strings->str, w->strings->len);
    put(w, 0, w->num_strings ? 1 : 2);
}

static uint16_t handle(uint8_t type, unsigned n)
{
    return (type << 8) + n;
}

static const char *or_else(const char *given, const char *otherwise)
{
    return given ? given : otherwise;
}

/* ---- one type each ---- */

/* 7.1: only if the user says something of the BIOS; firmware describes itself. */
static void bios(Writer *w)
{
    const SmbiosBios *given = w->config->bios;
    uint8_t major = 0, minor = 0;

    if (!w->config->given[SMBIOS_TYPE_0]) {
        return;
    }
    if (given->release) {
        smbios_parse_release(given->release, &major, &minor);
    }
    begin(w, BIOS, handle(BIOS, 0));
    text(w, given->vendor);
    text(w, given->version);
    u16(w, 0xe800); /* segment */
    text(w, given->date);
    u8(w, 0);       /* size: 64 KiB */
    u64(w, 1 << 3); /* characteristics: none are told */
    u8(w, 0);
    u8(w,
       1 << 2 | 1 << 4 | (given->uefi ? 1 << 3 : 0)); /* targeted content, virtual machine, UEFI */
    u8(w, major);
    u8(w, minor);
    u8(w, 0xff); /* no embedded controller */
    u8(w, 0xff);
    end(w);
}

/* The first three fields are little endian (7.2.1). */
static void put_uuid(Writer *w)
{
    static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    const char *given = w->config->system->uuid;
    uint8_t uuid[16];

    memcpy(uuid, w->machine->uuid, sizeof(uuid));
    for (unsigned i = 0; given && i < sizeof(uuid); i++, given += 2) {
        given += *given == '-';
        uuid[i] = g_ascii_xdigit_value(given[0]) << 4 | g_ascii_xdigit_value(given[1]);
    }
    for (unsigned i = 0; i < sizeof(uuid); i++) {
        u8(w, uuid[order[i]]);
    }
}

static void system_information(Writer *w) /* 7.2 */
{
    const MachineOps *ops = machine_ops(w->machine);
    const SmbiosSystem *given = w->config->system;

    begin(w, SYSTEM, handle(SYSTEM, 0));
    text(w, or_else(given->manufacturer, VENDOR));
    text(w, or_else(given->product, ops->description));
    text(w, or_else(given->version, ops->name));
    text(w, given->serial);
    put_uuid(w);
    u8(w, 6); /* woken up by the power switch */
    text(w, given->sku);
    text(w, given->family);
    end(w);
}

static void board(Writer *w) /* 7.3 */
{
    const SmbiosBoard *given = w->config->board;

    if (!w->config->given[SMBIOS_TYPE_2]) {
        return;
    }
    begin(w, BOARD, handle(BOARD, 0));
    text(w, or_else(given->manufacturer, VENDOR));
    text(w, or_else(given->product, machine_ops(w->machine)->description));
    text(w, or_else(given->version, machine_ops(w->machine)->name));
    text(w, given->serial);
    text(w, given->asset);
    u8(w, 1 << 0); /* hosts the processor */
    text(w, given->location);
    u16(w, handle(CHASSIS, 0));
    u8(w, 0x0a); /* motherboard */
    u8(w, 0);    /* contains nothing that is listed */
    end(w);
}

static void chassis(Writer *w) /* 7.4 */
{
    enum { SAFE = 3, NO_SECURITY = 3 };
    const SmbiosChassis *given = w->config->chassis;

    begin(w, CHASSIS, handle(CHASSIS, 0));
    text(w, or_else(given->manufacturer, VENDOR));
    u8(w, OTHER);
    text(w, or_else(given->version, machine_ops(w->machine)->name));
    text(w, given->serial);
    text(w, given->asset);
    u8(w, SAFE); /* states of boot-up, power supply and temperature */
    u8(w, SAFE);
    u8(w, SAFE);
    u8(w, NO_SECURITY);
    u32(w, 0); /* OEM-defined */
    u8(w, 0);  /* height and power cords: not told */
    u8(w, 0);
    u8(w, 0); /* no contained elements, of no bytes each */
    u8(w, 0);
    text(w, given->sku);
    end(w);
}

/* What CPUID leaf 1 tells in EAX and EDX. */
static uint64_t processor_id(const Machine *machine)
{
    const X86Cpu *cpu = x86_cpu_at(machine, 0);
    X86CpuidRegs regs = { 0 };

    if (cpu) {
        x86_cpuid(cpu, 1, 0, &regs);
    }
    return (uint64_t)regs.edx << 32 | regs.eax;
}

static void processor(Writer *w, unsigned socket) /* 7.5 */
{
    enum {
        CENTRAL = 3,
        ENABLED = 0x41,
        IS_64_BIT = 1 << 2,
        MULTI_CORE = 1 << 3,
        THREADED = 1 << 4
    };
    const SmpTopology *smp = &w->machine->smp;
    const SmbiosProcessor *given = w->config->processor;
    unsigned cores = smp->dies * smp->cores, threads = cores * smp->threads;
    g_autofree char *name = g_strdup_printf("%s %u", or_else(given->sock_pfx, "CPU"), socket);

    begin(w, PROCESSOR, handle(PROCESSOR, socket));
    text(w, name);
    u8(w, CENTRAL);
    u8(w, 0xfe); /* the family is below */
    text(w, or_else(given->manufacturer, VENDOR));
    u64(w, given->has_processor_id ? given->processor_id : processor_id(w->machine));
    text(w, or_else(given->version, machine_ops(w->machine)->name));
    u8(w, 0);  /* voltage */
    u16(w, 0); /* external clock */
    u16(w, given->has_max_speed ? given->max_speed : 2000);
    u16(w, given->has_current_speed ? given->current_speed : 2000);
    u8(w, ENABLED);
    u8(w, OTHER);      /* how it is fitted */
    u16(w, NO_HANDLE); /* caches: not told */
    u16(w, NO_HANDLE);
    u16(w, NO_HANDLE);
    text(w, given->serial);
    text(w, given->asset);
    text(w, given->part);
    u8(w, MIN(cores, 0xff));
    u8(w, MIN(cores, 0xff));
    u8(w, MIN(threads, 0xff));
    u16(w, IS_64_BIT | (cores > 1 ? MULTI_CORE : 0) | (smp->threads > 1 ? THREADED : 0));
    u16(w, OTHER); /* family */
    u16(w, cores);
    u16(w, cores);
    u16(w, threads);
    end(w);
}

static void processors(Writer *w)
{
    const SmpTopology *smp = &w->machine->smp;
    unsigned per_socket = smp->dies * smp->cores * smp->threads;
    unsigned sockets = (smp->cpus + per_socket - 1) / per_socket;

    for (unsigned i = 0; i < sockets; i++) {
        processor(w, i);
    }
}

static void ports(Writer *w) /* 7.9 */
{
    for (unsigned i = 0; i < w->config->ports->len; i++) {
        const SmbiosPort *port = w->config->ports->pdata[i];

        begin(w, PORT, handle(PORT, i));
        text(w, port->internal_reference);
        u8(w, 0); /* its connector: none */
        text(w, port->external_reference);
        u8(w, port->connector_type);
        u8(w, port->port_type);
        end(w);
    }
}

static void oem_strings(Writer *w) /* 7.12 */
{
    const GPtrArray *list = w->config->strings;

    if (list->len == 0) {
        return;
    }
    begin(w, STRINGS, handle(STRINGS, 0));
    u8(w, list->len);
    for (unsigned i = 0; i < list->len; i++) {
        /* No field of the structure counts them: they are just there. */
        g_string_append_len(w->strings, list->pdata[i], strlen(list->pdata[i]) + 1);
        w->num_strings++;
    }
    end(w);
}

static void onboard(Writer *w) /* 7.42 */
{
    enum { ENABLED = 0x80 };

    for (unsigned i = 0; i < w->config->onboard->len; i++) {
        const SmbiosOnboard *given = w->config->onboard->pdata[i];
        uint8_t number = given->has_kind ? given->kind + 1 : OTHER; /* 7.42.1, in their order */

        begin(w, ONBOARD, handle(ONBOARD, i));
        text(w, given->designation);
        u8(w, number | ENABLED);
        u8(w, given->has_instance ? given->instance : 1);
        u16(w, 0); /* PCI: segment, bus, device and function */
        u8(w, 0);
        u8(w, 0);
        end(w);
    }
}

/* ---- memory ---- */

/* 7.17; @devices: structures of type 17. */
static void memory_array(Writer *w, unsigned devices)
{
    enum { SYSTEM_BOARD = 3, SYSTEM_MEMORY = 3, MULTI_BIT_ECC = 6 };
    const uint64_t large = UINT64_C(0x80000000); /* KiB: then there is the longer field */
    uint64_t size = w->machine->ram.max_size;

    begin(w, MEMORY_ARRAY, handle(MEMORY_ARRAY, 0));
    u8(w, SYSTEM_BOARD);
    u8(w, SYSTEM_MEMORY);
    u8(w, MULTI_BIT_ECC);
    u32(w, MIN(size / KIB, large));
    u16(w, 0xfffe); /* nothing about errors */
    u16(w, devices);
    u64(w, size / KIB >= large ? size : 0);
    end(w);
}

/* 7.18. A module of @size bytes, 0 for a free slot. */
static void memory_device(Writer *w, unsigned n, uint64_t size, const char *locator,
                          const char *bank)
{
    enum {
        FORM_DIMM = 9,
        TYPE_UNKNOWN = 2,
        TYPE_RAM = 7,
        DETAIL_UNKNOWN = 1 << 2,
        DETAIL_OTHER = 1 << 1
    };
    const uint64_t large = 0x7fff; /* MiB: then there is the longer field */
    const SmbiosMemory *given = w->config->memory;
    uint64_t mib = size / MIB;

    begin(w, MEMORY_DEVICE, handle(MEMORY_DEVICE, n));
    u16(w, handle(MEMORY_ARRAY, 0));
    u16(w, 0xfffe);             /* nothing about errors */
    u16(w, size ? 64 : 0xffff); /* widths, total and data */
    u16(w, size ? 64 : 0xffff);
    if (size && size < MIB) {
        u16(w, 0x8000 | size / KIB);
    } else {
        u16(w, MIN(mib, large));
    }
    u8(w, FORM_DIMM);
    u8(w, 0); /* of no set */
    text(w, locator);
    text(w, bank);
    u8(w, size ? TYPE_RAM : TYPE_UNKNOWN);
    u16(w, size ? DETAIL_OTHER : DETAIL_UNKNOWN);
    u16(w, size ? given->speed : 0);
    text(w, size ? or_else(given->manufacturer, VENDOR) : NULL);
    text(w, size ? given->serial : NULL);
    text(w, size ? given->asset : NULL);
    text(w, size ? given->part : NULL);
    u8(w, 0); /* rank */
    u32(w, mib >= large ? mib : 0);
    u16(w, size ? given->speed : 0);
    u16(w, 0); /* voltages: least, most, configured */
    u16(w, 0);
    u16(w, 0);
    end(w);
}

/* Boot memory is soldered to the board, a module for each node. Number of modules. */
static unsigned boot_memory_devices(Writer *w, bool write)
{
    const Machine *machine = w->machine;
    unsigned n = 0;

    for (unsigned i = 0; i < machine->numa.num_nodes; i++) {
        if (!machine->numa.nodes[i].mem) {
            continue;
        }
        if (write) {
            g_autofree char *locator = g_strdup_printf("Board %u", i);
            g_autofree char *bank = g_strdup_printf("Node %u", i);
            memory_device(w, n, machine->numa.nodes[i].mem, locator,
                          or_else(w->config->memory->bank, bank));
        }
        n++;
    }
    return n;
}

/* The slots, with or without a DIMM: "DIMM 3 (dimm0)" is in slot 3. */
static void slot_devices(Writer *w, unsigned first)
{
    g_autoptr(GPtrArray) dimms = pc_dimm_list(w->machine);
    const char *prefix = or_else(w->config->memory->loc_pfx, "DIMM");
    const PcDimm *by_slot[MAX_RAM_SLOTS] = { NULL };

    for (unsigned i = 0; i < dimms->len; i++) {
        const PcDimm *dimm = dimms->pdata[i];
        if (dimm->slot >= 0 && dimm->slot < MAX_RAM_SLOTS) {
            by_slot[dimm->slot] = dimm;
        }
    }
    for (unsigned i = 0; i < w->machine->ram.slots; i++) {
        const PcDimm *dimm = by_slot[i];
        const char *id = dimm ? dimm->parent.id : NULL;
        g_autofree char *locator =
            id ? g_strdup_printf("%s %u (%s)", prefix, i, id) : g_strdup_printf("%s %u", prefix, i);
        g_autofree char *bank = dimm ? g_strdup_printf("Node %u", dimm->node) : NULL;

        memory_device(w, first + i, dimm ? pc_dimm_size(dimm) : 0, locator,
                      or_else(w->config->memory->bank, bank));
    }
}

/* 7.20: where memory is. */
static void memory_range(Writer *w, unsigned *n, uint64_t base, uint64_t size)
{
    uint64_t last = base + size - 1;
    bool large = last / KIB >= UINT32_MAX;

    if (!size) {
        return;
    }
    begin(w, MEMORY_RANGE, handle(MEMORY_RANGE, (*n)++));
    u32(w, large ? UINT32_MAX : base / KIB);
    u32(w, large ? UINT32_MAX : last / KIB);
    u16(w, handle(MEMORY_ARRAY, 0));
    u8(w, 1); /* not interleaved */
    u64(w, large ? base : 0);
    u64(w, large ? last : 0);
    end(w);
}

static bool ours(const Writer *w, uint8_t type)
{
    return !smbios_config_has_file(w->config, type);
}

static void memory(Writer *w)
{
    const X86Machine *x86 = X86_MACHINE(w->machine);
    const GArray *devices = memory_devices(w->machine);
    unsigned boot_devices = boot_memory_devices(w, false), ranges = 0;

    if (ours(w, MEMORY_ARRAY)) {
        memory_array(w, boot_devices + w->machine->ram.slots);
    }
    if (ours(w, MEMORY_DEVICE)) {
        boot_memory_devices(w, true);
        slot_devices(w, boot_devices);
    }
    if (!ours(w, MEMORY_RANGE)) {
        return;
    }
    memory_range(w, &ranges, 0, x86->below_4g);
    memory_range(w, &ranges, x86->high_base, x86->above_4g);
    for (unsigned i = 0; i < devices->len; i++) {
        const MemoryDevice *md = memory_device_at(devices, i);
        if (!md->ops->plugged_size) { /* else the guest has nothing of it yet */
            memory_range(w, &ranges, md->addr, md->size);
        }
    }
}

/* ---- the whole ---- */

static void boot_status(Writer *w) /* 7.33 */
{
    begin(w, BOOT_STATUS, handle(BOOT_STATUS, 0));
    put(w, 0, 6);
    u8(w, 0); /* no errors */
    end(w);
}

/* 7.39: the interface at ISA ports. */
static void ipmi(Writer *w)
{
    enum { VERSION = 0x20, NO_STORE = 0xff, IO_SPACE = 1, ODD = 0x10, IRQ_KNOWN = 8, IRQ_HIGH = 2 };
    IpmiIsa isa;

    if (!ipmi_isa_find(&isa)) {
        return;
    }
    begin(w, IPMI, handle(IPMI, 0));
    u8(w, isa.kind);
    u8(w, VERSION);
    u8(w, isa.address);
    u8(w, NO_STORE);
    u64(w, (isa.port & ~1u) | IO_SPACE);
    u8(w, (isa.port & 1 ? ODD : 0) | (isa.irq ? IRQ_KNOWN | IRQ_HIGH : 0));
    u8(w, (uint8_t)isa.irq);
    end(w);
}

static void files(Writer *w)
{
    const GPtrArray *list = w->config->files;

    for (unsigned i = 0; i < list->len; i++) {
        size_t size;
        const uint8_t *data = g_bytes_get_data(list->pdata[i], &size);
        g_byte_array_append(w->out, data, size);
    }
}

GByteArray *smbios_build(Machine *machine, const SmbiosConfig *config)
{
    static const struct {
        uint8_t type;
        void (*write)(Writer *w);
    } parts[] = {
        { BIOS, bios },           { SYSTEM, system_information }, { BOARD, board },
        { CHASSIS, chassis },     { PROCESSOR, processors },      { PORT, ports },
        { STRINGS, oem_strings }, { BOOT_STATUS, boot_status },   { ONBOARD, onboard },
        { IPMI, ipmi },
    };
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(SmbiosConfig) none = config ? NULL : smbios_config_new();
    Writer writer = { machine, config ? config : none, out, .strings = g_string_new(NULL) };

    files(&writer);
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (ours(&writer, parts[i].type)) {
            parts[i].write(&writer);
        }
    }
    memory(&writer);
    begin(&writer, END, handle(END, 0));
    end(&writer);
    g_string_free(writer.strings, true);
    return g_steal_pointer(&out);
}

/* ---- entry points ---- */

const char *const smbios_entry_names[] = {
    [SMBIOS_ENTRY_64] = "64", [SMBIOS_ENTRY_32] = "32", NULL
};

/* What makes the sum of @size bytes 0. */
static uint8_t checksum(const uint8_t *bytes, unsigned size)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < size; i++) {
        sum += bytes[i];
    }
    return -sum;
}

static void set_number(uint8_t *at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        at[i] = value >> (8 * i);
    }
}

/* How many structures there are, and the bytes of the longest, with its strings. */
static unsigned count_structures(const GByteArray *tables, unsigned *longest)
{
    unsigned count = 0;

    *longest = 0;
    for (unsigned at = 0, next; at < tables->len; at = next, count++) {
        next = at + tables->data[at + 1];
        while (tables->data[next] || tables->data[next + 1]) {
            next++;
        }
        next += 2;
        *longest = MAX(*longest, next - at);
    }
    return count;
}

static unsigned anchor_64(uint8_t *anchor, const GByteArray *tables, uint64_t address)
{
    enum { CHECKSUM = 5, LENGTH = 24 };
    const uint8_t head[] = { '_', 'S', 'M', '3', '_', 0, LENGTH, 3, 0, 0, 1, 0 };

    memcpy(anchor, head, sizeof(head)); /* ... length, version 3.0.0, revision 1 */
    set_number(anchor + 12, tables->len, 4);
    set_number(anchor + 16, address, 8);
    anchor[CHECKSUM] = checksum(anchor, LENGTH);
    return LENGTH;
}

static unsigned anchor_32(uint8_t *anchor, const GByteArray *tables, uint64_t address)
{
    enum { CHECKSUM = 4, LENGTH = 31, INNER = 16, INNER_CHECKSUM = INNER + 5 };
    const uint8_t head[] = { '_', 'S', 'M', '_', 0, LENGTH, 2, 8 };
    unsigned longest, count = count_structures(tables, &longest);

    memset(anchor, 0, LENGTH);
    memcpy(anchor, head, sizeof(head)); /* ... length, version 2.8 */
    set_number(anchor + 8, longest, 2);
    memcpy(anchor + INNER, "_DMI_", 5);
    set_number(anchor + 22, tables->len, 2);
    set_number(anchor + 24, address, 4);
    set_number(anchor + 28, count, 2);
    anchor[30] = 0x28; /* the version in BCD */
    anchor[INNER_CHECKSUM] = checksum(anchor + INNER, LENGTH - INNER);
    anchor[CHECKSUM] = checksum(anchor, LENGTH);
    return LENGTH;
}

unsigned smbios_anchor(uint8_t anchor[SMBIOS_ANCHOR_MAX], SmbiosEntry entry,
                       const GByteArray *tables, uint64_t address)
{
    return entry == SMBIOS_ENTRY_32 && tables->len <= UINT16_MAX
               ? anchor_32(anchor, tables, address)
               : anchor_64(anchor, tables, address);
}
