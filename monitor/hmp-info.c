/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The subcommands of `info` in HMP; those that need more than a few lines have files of their own.
 */
#include <inttypes.h>
#include <string.h>

#include "accel/vcpu.h"
#include "hw/core/help.h"
#include "hw/core/machine.h"
#include "hw/i386/cpu.h"
#include "hw/i386/firmware.h"
#include "memory/ram-block.h"
#include "memory/ram-resident.h"
#include "monitor/hmp-edit.h"
#include "monitor/hmp.h"
#include "monitor/memory-text.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"
#include "util/parse.h"
#include "util/units.h"

static const char *true_false(bool value)
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

static void print_dimm(Hmp *hmp, const char *kind, const PCDIMMDeviceInfo *dimm)
{
    g_autofree char *state = memory_state_text(dimm);

    hmp_printf(hmp, "Memory device [%s]: \"%s\"\n", kind, dimm->id ? dimm->id : "");
    hmp_printf(hmp, "  addr: 0x%" PRIx64 "\n", (uint64_t)dimm->addr);
    hmp_printf(hmp, "  slot: %" PRId64 "\n", dimm->slot);
    hmp_printf(hmp, "  node: %" PRId64 "\n", dimm->node);
    hmp_printf(hmp, "  size: %" PRId64 "\n", dimm->size);
    hmp_printf(hmp, "  memdev: %s\n", dimm->memdev);
    hmp_printf(hmp, "  hotplugged: %s\n", true_false(dimm->hotplugged));
    hmp_printf(hmp, "  hotpluggable: %s\n", true_false(dimm->hotpluggable));
    hmp_printf(hmp, "  resident: %" PRIu64 "\n", dimm->resident);
    hmp_printf(hmp, "%s%s", dimm->has_boot ? "  boot: true\n" : "", state);
}

static void print_virtio_mem(Hmp *hmp, const VirtioMEMDeviceInfo *info)
{
    hmp_printf(hmp, "Memory device [virtio-mem]: \"%s\"\n", info->id ? info->id : "");
    hmp_printf(hmp, "  memaddr: 0x%" PRIx64 "\n", info->memaddr);
    hmp_printf(hmp, "  node: %" PRId64 "\n", info->node);
    hmp_printf(hmp, "  requested-size: %" PRIu64 "\n", info->requested_size);
    hmp_printf(hmp, "  size: %" PRIu64 "\n", info->size);
    hmp_printf(hmp, "  max-size: %" PRIu64 "\n", info->max_size);
    hmp_printf(hmp, "  block-size: %" PRIu64 "\n", info->block_size);
    hmp_printf(hmp, "  resident: %" PRIu64 "\n", info->resident);
    hmp_printf(hmp, "  memdev: %s\n", info->memdev);
}

static void print_virtio_pmem(Hmp *hmp, const VirtioPMEMDeviceInfo *info)
{
    hmp_printf(hmp, "Memory device [virtio-pmem]: \"%s\"\n", info->id ? info->id : "");
    hmp_printf(hmp, "  memaddr: 0x%" PRIx64 "\n", info->memaddr);
    hmp_printf(hmp, "  size: %" PRIu64 "\n", info->size);
    hmp_printf(hmp, "  resident: %" PRIu64 "\n", info->resident);
    hmp_printf(hmp, "  memdev: %s\n", info->memdev);
}

static void info_memory_devices(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) list = qmp_query_memory_devices(NULL);

    for (guint i = 0; list && i < list->len; i++) {
        const MemoryDeviceInfo *info = g_ptr_array_index(list, i);

        switch (info->type) {
        case MEMORY_DEVICE_INFO_KIND_DIMM:
            print_dimm(hmp, MemoryDeviceInfoKind_str(info->type), info->u.dimm->data);
            break;
        case MEMORY_DEVICE_INFO_KIND_NVDIMM:
            print_dimm(hmp, MemoryDeviceInfoKind_str(info->type), info->u.nvdimm->data);
            break;
        case MEMORY_DEVICE_INFO_KIND_VIRTIO_MEM:
            print_virtio_mem(hmp, info->u.virtio_mem->data);
            break;
        case MEMORY_DEVICE_INFO_KIND_VIRTIO_PMEM:
            print_virtio_pmem(hmp, info->u.virtio_pmem->data);
            break;
        default:
            break;
        }
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
        hmp_printf(hmp, "  merge: %s\n", true_false(info->merge));
        hmp_printf(hmp, "  dump: %s\n", true_false(info->dump));
        hmp_printf(hmp, "  prealloc: %s\n", true_false(info->prealloc));
        hmp_printf(hmp, "  share: %s\n", true_false(info->share));
        hmp_printf(hmp, "  reserve: %s\n", true_false(info->reserve));
        hmp_printf(hmp, "  policy: %s\n", HostMemPolicy_str(info->policy));
        hmp_printf(hmp, "  host nodes:");
        for (guint n = 0; n < info->host_nodes->len; n++) {
            hmp_printf(hmp, " %u", g_array_index(info->host_nodes, uint16_t, n));
        }
        hmp_printf(hmp, "\n");
    }
}

static void info_ramblock(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) blocks = ram_blocks_list();

    hmp_printf(hmp, "%24s %8s %18s %18s %18s\n", "Block Name", "PSize", "Resident", "Total", "HVA");
    for (guint i = 0; i < blocks->len; i++) {
        const RamBlock *block = g_ptr_array_index(blocks, i);

        hmp_printf(hmp, "%24s %4" PRIu64 " KiB 0x%016" PRIx64 " 0x%016" PRIx64 " %18p\n",
                   block->name, block->page_size / KIB, ram_block_resident(block, block->size),
                   block->size, (void *)block->host);
    }
}

static void info_iothreads(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) list = qmp_query_iothreads(NULL);

    for (guint i = 0; i < list->len; i++) {
        const IOThreadInfo *info = g_ptr_array_index(list, i);

        hmp_printf(hmp, "%s:\n", info->id);
        hmp_printf(hmp, "  thread_id=%" PRId64 "\n", info->thread_id);
        hmp_printf(hmp, "  poll-max-ns=%" PRId64 "\n", info->poll_max_ns);
        hmp_printf(hmp, "  poll-grow=%" PRId64 "\n", info->poll_grow);
        hmp_printf(hmp, "  poll-shrink=%" PRId64 "\n", info->poll_shrink);
        hmp_printf(hmp, "  aio-max-batch=%" PRId64 "\n", info->aio_max_batch);
    }
}

static uint64_t plugged_in_node(const GPtrArray *devices, int64_t node)
{
    uint64_t sum = 0;

    for (guint i = 0; devices && i < devices->len; i++) {
        const MemoryDeviceInfo *info = g_ptr_array_index(devices, i);

        if (info->type == MEMORY_DEVICE_INFO_KIND_VIRTIO_MEM) {
            const VirtioMEMDeviceInfo *mem = info->u.virtio_mem->data;

            sum += mem->node == node ? mem->size : 0;
        } else if (info->type == MEMORY_DEVICE_INFO_KIND_DIMM ||
                   info->type == MEMORY_DEVICE_INFO_KIND_NVDIMM) {
            const PCDIMMDeviceInfo *dimm = (info->type == MEMORY_DEVICE_INFO_KIND_DIMM)
                                               ? info->u.dimm->data
                                               : info->u.nvdimm->data;

            sum += dimm->node == node ? (uint64_t)dimm->size : 0;
        } /* a virtio-pmem is of no node */
    }
    return sum;
}

static void info_numa(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) devices = qmp_query_memory_devices(NULL);
    const Machine *machine = machine_current();
    unsigned nodes = machine ? machine->numa.num_nodes : 0;

    hmp_printf(hmp, "%u nodes\n", nodes);
    for (unsigned node = 0; node < nodes; node++) {
        uint64_t plugged = plugged_in_node(devices, node);

        hmp_printf(hmp, "node %u cpus:", node);
        for (unsigned i = 0; x86_cpu_next(machine, &i); i++) {
            if (machine->numa.cpu_node[i] == (int)node) {
                hmp_printf(hmp, " %u", i);
            }
        }
        hmp_printf(hmp, "\nnode %u size: %" PRIu64 " MB\n", node,
                   (machine->numa.nodes[node].mem + plugged) >> 20);
        hmp_printf(hmp, "node %u plugged: %" PRIu64 " MB\n", node, plugged >> 20);
    }
}

static void info_roms(Hmp *hmp, char **argv)
{
    Machine *machine = machine_current();
    g_autofree char *text = NULL;

    if (machine && object_is_a(&machine->parent, TYPE_X86_MACHINE)) {
        text = firmware_roms_text(X86_MACHINE(machine));
        hmp_printf(hmp, "%s", text);
    }
}

static void info_dump(Hmp *hmp, char **argv)
{
    g_autoptr(DumpQueryResult) info = qmp_query_dump(NULL);

    if (info) {
        hmp_printf(hmp, "Status: %s\n", DumpStatus_str(info->status));
        hmp_printf(hmp, "written: %" PRId64 " of %" PRId64 " bytes\n", info->completed,
                   info->total);
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

typedef struct History {
    Hmp *hmp;
    unsigned n;
} History;

static void print_line(void *opaque, const char *line)
{
    History *history = opaque;

    hmp_printf(history->hmp, "%u: '%s'\n", history->n++, line);
}

/* Of a session that has one. */
static void info_history(Hmp *hmp, char **argv)
{
    History history = { .hmp = hmp };

    if (hmp->edited) {
        hmp_edit_history(print_line, &history);
    }
}

static void info_qdm(Hmp *hmp, char **argv)
{
    g_autofree char *text = help_devices();

    hmp_printf(hmp, "%s", text);
}

/* argv: -a CPU */
static void info_registers(Hmp *hmp, char **argv)
{
    const Machine *machine = machine_current();
    Hmp other = *hmp;
    uint64_t index;
    X86Cpu *one, *cpu;

    if (argv[1] && !parse_uint(argv[1], INT_MAX, &index)) {
        hmp_printf(hmp, "Error: CPU: '%s' is not a number\n", argv[1]);
        return;
    }
    other.cpu_index = argv[1] ? (int)index : hmp->cpu_index;
    one = hmp_cpu(&other);

    if (one && !argv[0]) {
        vcpu_run_on(one, dump_registers, hmp);
    }
    for (unsigned i = 0; one && argv[0] && (cpu = x86_cpu_next(machine, &i)); i++) {
        vcpu_run_on(cpu, dump_registers, hmp);
    }
}

static void print_place(Hmp *hmp, const char *name, bool has, int64_t value)
{
    if (has) {
        hmp_printf(hmp, "    %s: \"%" PRId64 "\"\n", name, value);
    }
}

static void info_hotpluggable_cpus(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    g_autoptr(GPtrArray) list = qmp_query_hotpluggable_cpus(&err);

    hmp_error(hmp, err);
    hmp_printf(hmp, "%s", list ? "Hotpluggable CPUs:\n" : "");
    for (guint i = 0; list && i < list->len; i++) {
        const HotpluggableCPU *cpu = g_ptr_array_index(list, i);
        const CpuInstanceProperties *props = cpu->props;

        hmp_printf(hmp, "  type: \"%s\"\n  vcpus_count: \"%" PRId64 "\"\n", cpu->type,
                   cpu->vcpus_count);
        if (cpu->qom_path) {
            hmp_printf(hmp, "  qom_path: \"%s\"\n", cpu->qom_path);
        }
        hmp_printf(hmp, "  CPUInstance Properties:\n");
        print_place(hmp, "node-id", props->has_node_id, props->node_id);
        print_place(hmp, "socket-id", props->has_socket_id, props->socket_id);
        print_place(hmp, "die-id", props->has_die_id, props->die_id);
        print_place(hmp, "core-id", props->has_core_id, props->core_id);
        print_place(hmp, "thread-id", props->has_thread_id, props->thread_id);
    }
}

static void info_jit(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    g_autoptr(HumanReadableText) text = qmp_x_query_jit(&err);

    hmp_error(hmp, err);
    hmp_printf(hmp, "%s", text ? text->human_readable_text : "");
}

static void info_kvm(Hmp *hmp, char **argv)
{
    g_autoptr(KvmInfo) info = qmp_query_kvm(NULL);

    hmp_printf(hmp, "kvm support: %s\n",
               info->enabled   ? "enabled"
               : info->present ? "disabled"
                               : "not compiled");
}

/* ---- the program ---- */

static void info_chardev(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) list = qmp_query_chardev(NULL);

    for (guint i = 0; list && i < list->len; i++) {
        const ChardevInfo *info = g_ptr_array_index(list, i);

        hmp_printf(hmp, "%s: filename=%s\n", info->label, info->filename);
    }
}

static void info_name(Hmp *hmp, char **argv)
{
    g_autoptr(NameInfo) info = qmp_query_name(NULL);

    if (info->name) {
        hmp_printf(hmp, "%s\n", info->name);
    }
}

static void info_uuid(Hmp *hmp, char **argv)
{
    g_autoptr(UuidInfo) info = qmp_query_uuid(NULL);

    hmp_printf(hmp, "%s\n", info->UUID);
}

static void info_vm_generation_id(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    g_autoptr(GuidInfo) info = qmp_query_vm_generation_id(&err);

    if (info) {
        hmp_printf(hmp, "%s\n", info->guid);
    }
    hmp_error(hmp, err);
}

const HmpCommand hmp_info_commands[] = {
    { "balloon", NULL, "how much memory the balloon leaves the guest, in MiB", hmp_info_balloon },
    { "block", "[-n] [-v] [DRIVE]",
      "the drives, or one of them; -n: the block nodes, -v: with all that their images say",
      hmp_info_block, true },
    { "block-jobs", NULL, "the jobs on block nodes", hmp_info_block_jobs, true },
    { "blockstats", NULL, "what was read from and written to the drives", hmp_info_blockstats,
      true },
    { "capture", NULL, "the copies of sound that wavcapture makes", hmp_info_capture },
    { "chardev", NULL, "the character devices", info_chardev, true },
    { "cpus", NULL, "the CPUs and their threads; * is the one that `cpu` chose", info_cpus },
    { "dirty_rate", NULL, "how fast the guest writes to its memory (calc_dirty_rate)",
      hmp_info_dirty_rate },
    { "dump", NULL, "how far a dump of the guest's memory is", info_dump },
    { "history", NULL, "the lines that were typed here", info_history, true },
    { "hotpluggable-cpus", NULL, "the places for CPUs", info_hotpluggable_cpus },
    { "iothreads", NULL, "the threads for the I/O of devices", info_iothreads, true },
    { "irq", NULL, "how many interrupts each line asked for", hmp_info_irq },
    { "jobs", NULL, "the jobs in the background", hmp_info_jobs },
    { "jit", NULL, "how the software CPU fares with the guest's code", info_jit },
    { "kvm", NULL, "whether KVM runs the CPUs", info_kvm, true },
    { "lapic", "[APIC-ID]", "the local APIC of this CPU, or of that number", hmp_info_lapic },
    { "mem", NULL, "the linear addresses that are mapped, with rights", hmp_info_mem },
    { "memdev", NULL, "the memory backends", info_memdev, true },
    { "memory-devices", NULL, "what is plugged into memory slots, and what the guest did with it",
      info_memory_devices },
    { "memory-target", NULL, "how it stands with the size that the guest's memory is to have",
      hmp_info_memory_target },
    { "memory_size_summary", NULL, "boot memory and plugged memory, in bytes",
      info_memory_size_summary },
    { "mice", NULL, "the mice; * is the one that gets what the user does", hmp_info_mice },
    { "migrate", NULL, "how a migration goes, or went", hmp_info_migrate },
    { "migrate_capabilities", NULL, "which parts of migration are on",
      hmp_info_migrate_capabilities },
    { "migrate_parameters", NULL, "how a migration is done", hmp_info_migrate_parameters },
    { "mtree", "[-f] [-d] [-o] [-D]",
      "the tree of memory regions; -f: the flat views; -d: as dispatched, with owners and host "
      "addresses; -o: with owners; -D: those that are off, too",
      hmp_info_mtree },
    { "name", NULL, "the name of the machine (-name)", info_name, true },
    { "network", NULL, "the network cards and netdevs", hmp_info_network },
    { "numa", NULL, "the NUMA nodes, their CPUs and memory", info_numa },
    { "opcount", NULL, "which operations the software CPU did: not counted", hmp_info_opcount,
      true },
    { "pci", NULL, "PCI functions: IDs, interrupts, addresses, bridges", hmp_info_pci },
    { "pic", NULL, "the interrupt controllers of the board", hmp_info_pic },
    { "profile", NULL, "where time went: not measured", hmp_info_profile, true },
    { "qdm", NULL, "the kinds of devices that -device takes", info_qdm, true },
    { "qom-tree", "[PATH]", "the tree of objects", hmp_info_qom_tree, true },
    { "qtree", NULL, "the devices and their properties", hmp_info_qtree },
    { "ramblock", NULL, "the host memory behind the guest's: size, and what of it exists",
      info_ramblock },
    { "rdma", NULL, "devices for RDMA; there are none", hmp_info_rdma },
    { "registers", "[-a] [CPU]", "the registers of this CPU, of another, or of all with -a",
      info_registers },
    { "replay", NULL, "how a recording stands; there are none", hmp_info_replay, true },
    { "rocker", "NAME", "a switch; there are none", hmp_info_rocker },
    { "rocker-of-dpa-flows", "NAME [TABLE]", "its flows", hmp_info_rocker },
    { "rocker-of-dpa-groups", "NAME [KIND]", "its groups", hmp_info_rocker },
    { "rocker-ports", "NAME", "its ports", hmp_info_rocker },
    { "roms", NULL, "firmware, and the option ROM that starts a kernel", info_roms },
    { "sev", NULL, "how the guest's memory is encrypted: not at all", hmp_info_sev },
    { "sgx", NULL, "Intel SGX; there is none", hmp_info_sgx },
    { "snapshots", NULL, "the snapshots that all disks have", hmp_info_snapshots },
    { "stats", "TARGET [NAMES] [PROVIDER]",
      "what is counted of the machine (vm) or CPUs (vcpu): nothing", hmp_info_stats },
    { "status", NULL, "whether the machine runs", info_status, true },
    { "sync-profile", "[-m] [-n] [MAX]",
      "how long threads waited for the machine lock; -m: by the average", hmp_info_sync_profile },
    { "tlb", NULL, "each page that is mapped: linear and physical address, flags", hmp_info_tlb },
    { "spice", NULL, "the SPICE server, and the channels of its clients", hmp_info_spice },
    { "tpm", NULL, "the TPM, and what is behind it", hmp_info_tpm },
    { "trace-events", "[EVENT] [VCPU]", "the trace events, and which are on (1)",
      hmp_info_trace_events, true },
    { "usb", NULL, "the USB devices, by controller, address and port", hmp_info_usb },
    { "usbhost", NULL, "the USB devices of the host, for -device usb-host", hmp_info_usbhost },
    { "usernet", NULL, "the connections of netdevs of kind user", hmp_info_usernet },
    { "uuid", NULL, "the UUID of the machine (-uuid)", info_uuid, true },
    { "vcpu_dirty_limit", NULL, "the CPUs that may change memory no faster than a limit",
      hmp_info_vcpu_dirty_limit },
    { "version", NULL, "the version", info_version, true },
    { "virtio", NULL, "the virtio devices, by path", hmp_info_virtio },
    { "virtio-queue-element", "VIRTIO-PATH QUEUE [INDEX]",
      "a buffer in a split queue: the next one, or that of an entry",
      hmp_info_virtio_queue_element },
    { "virtio-queue-status", "VIRTIO-PATH QUEUE", "how far a queue is, and where it lies",
      hmp_info_virtio_queue_status },
    { "virtio-status", "VIRTIO-PATH", "features and state of a virtio device",
      hmp_info_virtio_status },
    { "virtio-vhost-queue-status", "VIRTIO-PATH QUEUE", "the same of a queue that a back-end has",
      hmp_info_virtio_vhost_queue_status },
    { "vnc", NULL, "the VNC servers and their clients", hmp_info_vnc },
    { "vm-generation-id", NULL, "the GUID of the vmgenid device", info_vm_generation_id },
    { NULL },
};
