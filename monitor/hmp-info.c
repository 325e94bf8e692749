/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The subcommands of `info` in HMP.
 */
#include <inttypes.h>
#include <string.h>

#include "accel/vcpu.h"
#include "hw/core/machine.h"
#include "memory/memory.h"
#include "monitor/hmp.h"
#include "monitor/memory-text.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

static const char *on_off(bool value)
{
    return value ? "true" : "false";
}

static void info_version(Hmp *hmp, char **argv)
{
    g_autoptr(VersionInfo) info = qmp_query_version(NULL);

    hmp_printf(hmp, "%" PRId64 ".%" PRId64 ".%" PRId64 " (%s)\n", info->qemu->major,
               info->qemu->minor, info->qemu->micro, info->package);
}

static void info_status(Hmp *hmp, char **argv)
{
    g_autoptr(StatusInfo) info = qmp_query_status(NULL);

    hmp_printf(hmp, "VM status: %s", info->running ? "running" : "paused");
    if (!info->running && info->status != RUN_STATE_PAUSED) {
        hmp_printf(hmp, " (%s)", RunState_str(info->status));
    }
    hmp_printf(hmp, "\n");
}

/* ---- memory ---- */

static void info_memory_devices(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) list = qmp_query_memory_devices(NULL);

    for (guint i = 0; list && i < list->len; i++) {
        const MemoryDeviceInfo *info = g_ptr_array_index(list, i);
        const PCDIMMDeviceInfo *dimm = info->u.dimm->data;
        g_autofree char *state = memory_state_text(dimm);

        hmp_printf(hmp, "Memory device [%s]: \"%s\"\n", MemoryDeviceInfoKind_str(info->type),
                   dimm->id ? dimm->id : "");
        hmp_printf(hmp, "  addr: 0x%" PRIx64 "\n", (uint64_t)dimm->addr);
        hmp_printf(hmp, "  slot: %" PRId64 "\n", dimm->slot);
        hmp_printf(hmp, "  node: %" PRId64 "\n", dimm->node);
        hmp_printf(hmp, "  size: %" PRId64 "\n", dimm->size);
        hmp_printf(hmp, "  memdev: %s\n", dimm->memdev);
        hmp_printf(hmp, "  hotplugged: %s\n", on_off(dimm->hotplugged));
        hmp_printf(hmp, "  hotpluggable: %s\n", on_off(dimm->hotpluggable));
        hmp_printf(hmp, "%s", state);
    }
}

static void info_memory_size_summary(Hmp *hmp, char **argv)
{
    g_autoptr(MemoryInfo) info = qmp_query_memory_size_summary(NULL);

    hmp_printf(hmp, "base memory: %" PRIu64 "\n", info->base_memory);
    if (info->has_plugged_memory) {
        hmp_printf(hmp, "plugged memory: %" PRIu64 "\n", info->plugged_memory);
    }
}

static void info_memdev(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) list = qmp_query_memdev(NULL);

    for (guint i = 0; list && i < list->len; i++) {
        const Memdev *info = g_ptr_array_index(list, i);

        hmp_printf(hmp, "memory backend: %s\n", info->id);
        hmp_printf(hmp, "  size:  %" PRIu64 "\n", info->size);
        hmp_printf(hmp, "  merge: %s\n", on_off(info->merge));
        hmp_printf(hmp, "  dump: %s\n", on_off(info->dump));
        hmp_printf(hmp, "  prealloc: %s\n", on_off(info->prealloc));
        hmp_printf(hmp, "  share: %s\n", on_off(info->share));
        hmp_printf(hmp, "  reserve: %s\n", on_off(info->reserve));
        hmp_printf(hmp, "  policy: %s\n", HostMemPolicy_str(info->policy));
        hmp_printf(hmp, "  host nodes:");
        for (guint n = 0; n < info->host_nodes->len; n++) {
            hmp_printf(hmp, " %u", g_array_index(info->host_nodes, uint16_t, n));
        }
        hmp_printf(hmp, "\n");
    }
}

static const char *region_kind(const MemoryRegion *mr)
{
    static const char *const names[] = {
        [REGION_CONTAINER] = "container",
        [REGION_IO] = "i/o",
        [REGION_RAM] = "ram",
        [REGION_ALIAS] = "alias",
    };

    return mr->kind == REGION_RAM && mr->readonly ? "rom" : names[mr->kind];
}

static gint by_address(gconstpointer a, gconstpointer b)
{
    const MemoryRegion *x = *(MemoryRegion *const *)a, *y = *(MemoryRegion *const *)b;

    return (x->addr > y->addr) - (x->addr < y->addr);
}

/* The tree below @mr, which lies at @base. */
static void print_region(Hmp *hmp, const MemoryRegion *mr, hwaddr base, int indent)
{
    g_autoptr(GPtrArray) sorted = NULL;

    hmp_printf(hmp, "%*s%016" PRIx64 "-%016" PRIx64 " (prio %d, %s): %s", indent, "", base,
               base + (mr->size == UINT64_MAX ? UINT64_MAX : mr->size - 1), mr->priority,
               region_kind(mr), mr->name);
    if (mr->kind == REGION_ALIAS) {
        hmp_printf(hmp, " -> %s @%016" PRIx64, mr->alias->name, mr->alias_offset);
    }
    hmp_printf(hmp, "%s\n", mr->enabled ? "" : " [disabled]");
    if (!mr->subregions) {
        return;
    }
    sorted = g_ptr_array_copy(mr->subregions, NULL, NULL);
    g_ptr_array_sort(sorted, by_address);
    for (guint i = 0; i < sorted->len; i++) {
        const MemoryRegion *sub = g_ptr_array_index(sorted, i);

        print_region(hmp, sub, base + sub->addr, indent + 2);
    }
}

static void info_mtree(Hmp *hmp, char **argv)
{
    AddressSpace *spaces[] = { &address_space_memory, &address_space_io };

    for (size_t i = 0; i < G_N_ELEMENTS(spaces); i++) {
        if (spaces[i]->root) {
            hmp_printf(hmp, "address-space: %s\n", spaces[i]->name);
            print_region(hmp, spaces[i]->root, 0, 2);
        }
    }
}

/* ---- CPUs ---- */

static void info_cpus(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) list = qmp_query_cpus_fast(NULL);

    for (guint i = 0; list && i < list->len; i++) {
        const CpuInfoFast *info = g_ptr_array_index(list, i);

        hmp_printf(hmp, "%c CPU #%" PRId64 ": thread_id=%" PRId64 "\n",
                   info->cpu_index == hmp->cpu_index ? '*' : ' ', info->cpu_index, info->thread_id);
    }
}

static void dump_registers(X86Cpu *cpu, void *opaque)
{
    g_autofree char *text = x86_cpu_dump(cpu);

    hmp_printf(opaque, "\nCPU#%u\n%s", cpu->index, text);
}

static void info_registers(Hmp *hmp, char **argv)
{
    bool all = argv[0] && !strcmp(argv[0], "-a");
    Machine *machine = current_machine();
    unsigned count = machine ? machine->num_cpus : 0;

    if (argv[0] && !all) {
        hmp_printf(hmp, "Error: '%s' is not known here; -a shows all CPUs\n", argv[0]);
        return;
    }
    if (!all && (unsigned)hmp->cpu_index >= count) {
        hmp_printf(hmp, "Error: there is no CPU %d; the machine has %u\n", hmp->cpu_index, count);
        return;
    }
    for (unsigned i = all ? 0 : (unsigned)hmp->cpu_index; i < (all ? count : hmp->cpu_index + 1u);
         i++) {
        X86Cpu *cpu = machine->cpus[i];

        if (vcpu_thread_id(cpu)) {
            vcpu_run_on(cpu, dump_registers, hmp);
        } else {
            dump_registers(cpu, hmp);
        }
    }
}

/* ---- objects ---- */

static void print_tree(Hmp *hmp, const Object *obj, int indent)
{
    hmp_printf(hmp, "%*s/%s (%s)\n", indent, "", obj->name ? obj->name : "", object_typename(obj));
    for (guint i = 0; obj->children && i < obj->children->len; i++) {
        print_tree(hmp, g_ptr_array_index(obj->children, i), indent + 2);
    }
}

static void info_qom_tree(Hmp *hmp, char **argv)
{
    const Object *top = object_resolve(argv[0] ? argv[0] : "/", NULL);

    if (top) {
        print_tree(hmp, top, 0);
    } else {
        hmp_printf(hmp, "Error: there is no object '%s', or more than one\n", argv[0]);
    }
}

static bool print_device(Object *obj, void *opaque)
{
    Hmp *hmp = opaque;
    g_autoptr(GPtrArray) properties = NULL;

    if (!object_is_a(obj, TYPE_DEVICE)) {
        return true;
    }
    hmp_printf(hmp, "dev: %s, id \"%s\"\n", object_typename(obj),
               DEVICE(obj)->id ? DEVICE(obj)->id : "");
    properties = object_type_properties(obj->type);
    for (guint i = 0; i < properties->len; i++) {
        const Property *prop = g_ptr_array_index(properties, i);
        GError *err = NULL;
        struct json_object *value = object_property_get(obj, prop->name, &err);

        if (!err) {
            hmp_printf(hmp, "  %s = %s\n", prop->name,
                       json_object_to_json_string_ext(value, JSON_C_TO_STRING_SPACED |
                                                                 JSON_C_TO_STRING_NOSLASHESCAPE));
        }
        json_object_put(value);
        g_clear_error(&err);
    }
    return true;
}

static void info_qtree(Hmp *hmp, char **argv)
{
    object_foreach(object_root(), print_device, hmp);
}

/* ---- the machine ---- */

static void info_name(Hmp *hmp, char **argv)
{
    const Machine *machine = current_machine();

    if (machine && machine->guest_name) {
        hmp_printf(hmp, "%s\n", machine->guest_name);
    }
}

static void info_uuid(Hmp *hmp, char **argv)
{
    static const uint8_t none[16];
    const Machine *machine = current_machine();
    const uint8_t *u = machine ? machine->uuid : none;

    for (int i = 0; i < 16; i++) {
        hmp_printf(hmp, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", u[i]);
    }
    hmp_printf(hmp, "\n");
}

const HmpCommand hmp_info_commands[] = {
    { "cpus", NULL, "the CPUs and their threads", info_cpus },
    { "memdev", NULL, "the memory backends", info_memdev },
    { "memory-devices", NULL, "what is plugged into memory slots", info_memory_devices },
    { "memory_size_summary", NULL, "boot memory and plugged memory, in bytes",
      info_memory_size_summary },
    { "mtree", NULL, "the tree of memory regions", info_mtree },
    { "name", NULL, "the name of the machine (-name)", info_name },
    { "qom-tree", "[PATH]", "the tree of objects", info_qom_tree },
    { "qtree", NULL, "the devices and their properties", info_qtree },
    { "registers", "[-a]", "the registers of a CPU, or of all with -a", info_registers },
    { "status", NULL, "whether the machine runs", info_status },
    { "uuid", NULL, "the UUID of the machine (-uuid)", info_uuid },
    { "version", NULL, "the version", info_version },
    { NULL },
};
