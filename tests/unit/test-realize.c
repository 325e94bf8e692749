/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each device of a whole machine is unrealized and realized again: nothing is left in the memory
 * map, no line stays raised, the machine is what it was, and, with the sanitizers, nothing leaks.
 */
#include <inttypes.h>
#include <unistd.h>

#include "accel/choose.h"
#include "audio/audio.h"
#include "block/node.h"
#include "chardev/chardev.h"
#include "fsdev/fsdev.h"
#include "hw/core/machine.h"
#include "hw/i386/cpu.h"
#include "hw/i386/firmware.h"
#include "hw/i386/x86.h"
#include "memory/address-space.h"
#include "memory/memory.h"
#include "qom/user-object.h"
#include "ui/gl.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/main-loop.h"
#include "util/units.h"

#define ROUNDS 3

static bool collect(Device *dev, void *list)
{
    g_ptr_array_add(list, object_ref(&dev->parent));
    return true;
}

/* In the order of realization. */
static GPtrArray *all_devices(void)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);

    devices_foreach(collect, list);
    return list;
}

static char *describe_map(void)
{
    AddressSpace *spaces[] = { &address_space_memory, &address_space_io };
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(spaces); i++) {
        const FlatView *view = address_space_view(spaces[i]);

        for (unsigned n = 0; n < view->count; n++) {
            const FlatRange *range = &view->ranges[n];

            g_string_append_printf(text, "%u %" PRIx64 "+%" PRIx64 " %s\n", i, range->addr,
                                   range->size, range->mr->name);
        }
    }
    return g_string_free(text, FALSE);
}

static void assert_nothing_left(Machine *machine)
{
    const X86Machine *x86 = X86_MACHINE(machine);
    const FlatView *memory = address_space_view(&address_space_memory);
    g_autoptr(GPtrArray) left = all_devices();

    g_assert_cmpuint(left->len, ==, 0);
    g_assert_cmpuint(address_space_view(&address_space_io)->count, ==, 0);
    for (unsigned i = 0; i < memory->count; i++) {
        const FlatRange *range = &memory->ranges[i];

        if (!range->host && strcmp(range->mr->name, "apic-msi") != 0) {
            g_error("%s is left", range->mr->name);
        }
    }
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        g_assert_cmphex(x86->gsi[i].levels, ==, 0);
    }
    for (unsigned i = 0; i < ISA_IRQS; i++) {
        g_assert_cmphex(x86->pic_lines[i].levels, ==, 0);
    }
    g_assert_cmpuint(cpu_slots_present(&machine->cpu_slots), ==, 0);
}

static void unrealize_all(const GPtrArray *devices)
{
    for (unsigned i = devices->len; i-- > 0;) {
        if (DEVICE(devices->pdata[i])->realized) { /* else it went with its owner */
            device_unrealize(devices->pdata[i]);
        }
    }
}

/* As when the machine is made: what is plugged later needs a bus that takes it. */
static void realize_all(Machine *machine, const GPtrArray *devices)
{
    machine->ready = false;
    for (unsigned i = 0; i < devices->len; i++) {
        Device *dev = devices->pdata[i];
        g_autoptr(GError) err = NULL;

        /* Else its owner makes a new one, or realizes it. */
        if (dev->parent.parent && !object_is_a(dev->parent.parent, TYPE_DEVICE)) {
            device_realize(dev, &err);
            g_assert_no_error(err);
        }
    }
    machine->ready = true;
}

static void add_device(const char *text)
{
    g_autoptr(GError) err = NULL;
    struct json_object *props = keyval_device_parse(text, NULL);

    device_add(props, &err);
    g_assert_no_error(err);
    json_object_put(props);
}

static void add_objects(void)
{
    g_autoptr(GError) err = NULL;
    struct json_object *audio = keyval_parse("none,id=speaker", "driver", NULL);
    struct json_object *props = keyval_parse("size=128M", NULL, NULL);

    audio_dev_new(audio, &err);
    g_assert_no_error(err);
    json_object_put(audio);

    user_object_add("memory-backend-ram", "m0", props, &err);
    g_assert_no_error(err);
    user_object_add("memory-backend-ram", "m3", props, &err);
    g_assert_no_error(err);
    user_object_add("memory-backend-ram", "m1", props, &err);
    g_assert_no_error(err);
    user_object_add("memory-backend-ram", "m2", props, &err);
    g_assert_no_error(err);
    user_object_add("memory-backend-ram", "m4", props, &err);
    g_assert_no_error(err);
    user_object_add("memory-backend-ram", "m5", props, &err);
    g_assert_no_error(err);
    user_object_add("memory-backend-ram", "cxllsa", props, &err);
    g_assert_no_error(err);
    json_object_put(props);
    props = keyval_parse("size=256M", NULL, NULL);
    user_object_add("memory-backend-ram", "cxlmem", props, &err);
    g_assert_no_error(err);
    json_object_put(props);
    props = json_object_new_object();
    user_object_add("cryptodev-backend-builtin", "crypto", props, &err);
    g_assert_no_error(err);
    json_object_put(props);
    chardev_new_from_opts("null,id=c0", &err);
    g_assert_no_error(err);
    chardev_new_from_opts("null,id=lp", &err);
    g_assert_no_error(err);
    chardev_new_from_opts("null,id=usbserial", &err);
    g_assert_no_error(err);
    chardev_new_from_opts("null,id=usbredir", &err);
    g_assert_no_error(err);
    chardev_new_from_opts("null,id=card", &err);
    g_assert_no_error(err);
    chardev_new_from_opts("null,id=bmc", &err);
    g_assert_no_error(err);
}

static char *flash_file;

static void remove_flash_file(void)
{
    unlink(flash_file);
    g_clear_pointer(&flash_file, g_free);
}

/* A disk of @type, whose contents are a node of their own. */
static void add_disk(const char *type, unsigned n)
{
    g_autofree char *node = g_strdup_printf("null-co,node-name=n%u", n);
    g_autofree char *device = g_str_has_prefix(type, "sd-card")
                                  ? g_strdup_printf("%s,drive=n%u", type, n)
                                  : g_strdup_printf("%s,drive=n%u,bootindex=%u", type, n, n);
    g_autoptr(BlockdevOptions) options =
        qapi_from_option(&BlockdevOptions_type, node, "driver", NULL);

    g_assert_nonnull(block_node_add(options, NULL));
    add_device(device);
}

static void add_adapters(void)
{
    static const char *const types[] = { "pvscsi", "lsi53c895a", "lsi53c810",    "am53c974",
                                         "dc390",  "megasas",    "megasas-gen2", "mptsas1068" };

    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        g_autofree char *device =
            g_strdup_printf("%s,id=hba%u,bus=b0,addr=12.%u,multifunction=on", types[i], i, i);
        g_autofree char *disk = g_strdup_printf("scsi-hd,bus=hba%u.0", i);

        add_device(device);
        add_disk(disk, 20 + i);
    }
}

/* In one slot, too. */
static void add_folders(const char *const *suffixes, unsigned count)
{
    g_autoptr(FsdevOptions) options = qapi_from_option(
        &FsdevOptions_type, "local,id=f0,path=/,readonly=on,security_model=none", "fsdriver", NULL);

    g_assert_nonnull(fsdev_add(options, NULL));
    for (unsigned n = 0; n < count; n++) {
        g_autofree char *device =
            g_strdup_printf("virtio-9p-pci%s,fsdev=f0,mount_tag=x%u,multifunction=on,addr=1d.%u",
                            suffixes[n], n, n);

        add_device(device);
    }
}

/* Virtio devices, each by all of its names. */
static void add_cards(void)
{
    static const char *const types[] = { "vmxnet3", "pcnet",   "ne2k_pci", "i82550",   "i82551",
                                         "i82557a", "i82557b", "i82557c",  "i82558a",  "i82558b",
                                         "i82559a", "i82559b", "i82559c",  "i82559er", "i82562",
                                         "i82801",  "tulip" };

    add_device("ne2k_isa");
    add_device("pci-bridge,id=cards,bus=b0");
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        g_autofree char *text = g_strdup_printf("%s,bus=cards", types[i]);

        add_device(text);
    }
}

static void add_virtio(void)
{
    static const char *const names[] = { "virtio-rng-pci", "virtio-serial-pci", "virtio-net-pci",
                                         "virtio-scsi-pci" };
    static const char *const suffixes[] = { "", "-transitional", "-non-transitional" };
    const unsigned slots = 0x1c; /* of this one, and those below: a bus has not so many */

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        for (unsigned n = 0; n < G_N_ELEMENTS(suffixes); n++) {
            g_autofree char *device = g_strdup_printf("%s%s,multifunction=on,addr=%x.%u", names[i],
                                                      suffixes[n], slots - i, n);

            add_device(device);
        }
    }
    for (unsigned n = 0; n < G_N_ELEMENTS(suffixes); n++) {
        g_autofree char *type = g_strconcat("virtio-blk-pci", suffixes[n], NULL);

        add_disk(type, n);
    }
    add_folders(suffixes, G_N_ELEMENTS(suffixes));
    add_disk("scsi-hd", G_N_ELEMENTS(suffixes));
    add_device("scsi-cd");
    add_device("virtio-mem-pci,memdev=m1,requested-size=64M,multifunction=on,addr=17.0");
    add_device("virtio-pmem-pci,memdev=m2,multifunction=on,addr=17.1");
    add_device("edu,multifunction=on,addr=17.6");
    add_device("pci-testdev,membar=1M,multifunction=on,addr=18.5");
    add_device("sdhci-pci,id=sd,multifunction=on,addr=17.7");
    add_disk("sd-card", 40);
    add_device("loader,addr=0x10000,data=1,data-len=8");
    add_device("virtio-crypto-pci,cryptodev=crypto,multifunction=on,addr=17.5");
    add_device("virtio-keyboard-pci,multifunction=on,addr=18.0");
    add_device("virtio-mouse-pci,multifunction=on,addr=18.1");
    add_device("virtio-tablet-pci,multifunction=on,addr=18.2");
    add_device("virtio-gpu-pci,max_outputs=2,multifunction=on,addr=18.3");
    add_device("virtconsole");
    add_device("virtserialport,name=org.test.0");
}

static void add_flash(Machine *machine)
{
    g_autoptr(GError) err = NULL;
    int fd = g_file_open_tmp("dimmable-flash-XXXXXX", &flash_file, &err);

    g_assert_no_error(err);
    g_assert_cmpint(ftruncate(fd, 128 * KIB), ==, 0);
    close(fd);
    firmware_add_flash(machine, 0, flash_file, false, &err);
    g_assert_no_error(err);
}

/* @all: with what is not on the board by itself. */
static Machine *machine_make(const char *type, bool all)
{
    GError *err = NULL;
    Machine *machine = machine_new(machine_type_find(type, &err), &err);

    g_assert_no_error(err);
    machine->firmware = g_strdup("off");
    machine_parse_memory(machine, "128M,slots=2,maxmem=4G", &err);
    g_assert_no_error(err);
    machine_parse_smp(machine, "2", &err);
    g_assert_no_error(err);
    if (all) {
        add_objects();
        add_flash(machine);
        X86_MACHINE(machine)->nvdimm = true;
        X86_MACHINE(machine)->cxl_enabled = g_str_equal(type, "q35");
        X86_MACHINE(machine)->pcspk_audiodev = g_strdup("speaker");
    }
    machine_init(machine, &err);
    g_assert_no_error(err);
    add_device("isa-serial");
    add_device("isa-debug-exit");
    add_device("pc-testdev");
    add_device("pvpanic");
    add_device("pvpanic-pci");
    add_device("e1000");
    add_device("e1000-82544gc");
    add_device("e1000-82545em");
    add_device("e1000e");
    add_device("i6300esb");
    add_device("ib700");
    add_device("pci-serial");
    add_device("pci-serial-2x");
    add_device("pci-serial-4x,prog_if=1");
    add_device("ramfb");
    add_device("vmcoreinfo");
    add_device("vmgenid");
    return machine;
}

/* Types that only one of the boards has, and that no machine has. */
static const char *const of_pc[] = {
    "virtio-iommu-pci", "virtio-iommu-device", "pxb",       "i440FX", "i440FX-pcihost",    "PIIX3",
    "PIIX4_PM",         "virtio-balloon-pci",  "piix3-ide", "VGA",    "virtio-gpu-gl-pci", NULL
};
static const char *const of_q35[] = { "mch",
                                      "smi-features",
                                      "intel-iommu",
                                      "q35-pcihost",
                                      "ICH9-LPC",
                                      "ICH9-SMB",
                                      "pcie-root-port",
                                      "ioh3420",
                                      "x3130-upstream",
                                      "xio3130-downstream",
                                      "pcie-pci-bridge",
                                      "pxb-pcie",
                                      "pxb-cxl",
                                      "cxl-rp",
                                      "cxl-upstream",
                                      "cxl-downstream",
                                      "cxl-type3",
                                      "virtio-balloon-pci-transitional",
                                      "virtio-vga",
                                      "virtio-vga-gl",
                                      NULL };
static const char *const of_none[] = { "kvm-pit",
                                       "ccid-card-emulated",
                                       "virtio-input-host-device",
                                       "virtio-input-host-pci",
                                       "vmport",           /* of a board */
                                       "hyperv-partition", /* of a board, by its -cpu */
                                       "vmmouse",
                                       "virtio-balloon-pci-non-transitional",
                                       "cirrus-vga", /* one a machine: test_card() */
                                       "vmware-svga",
                                       "amd-iommu", /* one a machine, too */
                                       "AMDVI-PCI",
                                       "vhost-user-blk", /* these need another program */
                                       "vhost-user-blk-pci",
                                       "vhost-user-blk-pci-transitional",
                                       "vhost-user-blk-pci-non-transitional",
                                       "vhost-user-fs-device",
                                       "vhost-user-fs-pci",
                                       "vhost-user-gpio-device",
                                       "vhost-user-gpio-pci",
                                       "vhost-user-i2c-device",
                                       "vhost-user-i2c-pci",
                                       "vhost-user-input",
                                       "vhost-user-input-pci",
                                       "vhost-user-rng",
                                       "vhost-user-rng-pci",
                                       "vhost-user-scsi",
                                       "vhost-user-scsi-pci",
                                       "vhost-user-scsi-pci-transitional",
                                       "vhost-user-scsi-pci-non-transitional",
                                       "vhost-user-vsock-device",
                                       "vhost-user-vsock-pci",
                                       "vhost-user-vsock-pci-non-transitional",
                                       "vhost-user-gpu",
                                       "vhost-user-gpu-pci",
                                       "vhost-user-vga",
                                       "ivshmem-doorbell",
                                       "qxl-vga", /* one VGA a machine */
                                       "tpm-crb",
                                       "tpm-tis",
                                       "scsi-block", /* and these a device of the host */
                                       "vfio-pci",
                                       "vhost-scsi",
                                       "vhost-scsi-pci",
                                       "vhost-scsi-pci-transitional",
                                       "vhost-scsi-pci-non-transitional",
                                       "vhost-vsock-device", /* and these a module of the kernel */
                                       "vhost-vsock-pci",
                                       "vhost-vsock-pci-non-transitional",
                                       NULL };

static bool has_type(const GPtrArray *devices, const char *type)
{
    for (unsigned i = 0; i < devices->len; i++) {
        if (object_is_a(devices->pdata[i], type)) {
            return true;
        }
    }
    return false;
}

/* Each type of device is one of @devices, if it can be in this machine. */
static void assert_every_type(const GPtrArray *devices, const char *const *elsewhere)
{
    g_autoptr(GPtrArray) types = object_types();

    g_assert_true(has_type(devices, TYPE_X86_CPU));
    for (unsigned i = 0; i < types->len; i++) {
        const ObjectType *type = types->pdata[i];

        if (!type->abstract && object_type_is_a(type, TYPE_DEVICE) &&
            !object_type_is_a(type, TYPE_X86_CPU) && !g_strv_contains(of_none, type->name) &&
            has_type(devices, type->name) == g_strv_contains(elsewhere, type->name)) {
            g_error("%s: is it in this machine?", type->name);
        }
    }
}

/* All of it, so often; and each time it is as it was. */
static void come_and_go(Machine *machine)
{
    machine->ready = true;
    machine_reset(machine);
    g_autofree char *before = describe_map();
    g_assert_nonnull(strstr(before, "serial"));
    for (unsigned round = 0; round < ROUNDS; round++) {
        g_autoptr(GPtrArray) devices = all_devices();

        g_assert_cmpuint(devices->len, >, 15);
        unrealize_all(devices);
        assert_nothing_left(machine);
        realize_all(machine, devices);
        machine_reset(machine);
        g_autofree char *after = describe_map();
        g_assert_cmpstr(after, ==, before);
        g_autoptr(GPtrArray) again = all_devices();
        g_assert_cmpuint(again->len, ==, devices->len);
    }
}

static void add_board_devices(bool q35)
{
    add_device("isa-debugcon,chardev=c0,iobase=0x402"); /* 0xe9 is of pc-testdev */
    add_device("isa-parallel,chardev=lp");
    if (q35) { /* pc has one */
        add_device("isa-fdc");
    }
    add_device("floppy");
    add_disk("floppy", 31);
    add_device("ivshmem-plain,memdev=m4");
    add_device("acpi-erst,memdev=m5,record_size=65536,multifunction=on,addr=17.2");
    add_device("ipmi-bmc-extern,id=bmc0,chardev=bmc");
    add_device("isa-ipmi-kcs,bmc=bmc0");
    add_device("ipmi-bmc-sim,id=bmc1");
    add_device("isa-ipmi-bt,bmc=bmc1,irq=0,ioport=0x1e4");
    add_device("ipmi-bmc-sim,id=bmc2");
    add_device("pci-ipmi-kcs,bmc=bmc2,multifunction=on,addr=17.3");
    add_device("ipmi-bmc-sim,id=bmc3");
    add_device("pci-ipmi-bt,bmc=bmc3,multifunction=on,addr=17.4");
    add_device("pc-dimm,id=d0,memdev=m0");
    add_device("nvdimm,id=d1,memdev=m3,label-size=128K");
}

/* Of virtio and graphics, and bridges. */
static void add_functions(bool q35)
{
    add_virtio();
    add_device(q35 ? "virtio-balloon-pci-transitional" : "virtio-balloon-pci"); /* one a machine */
    add_device("pci-bridge,id=b0");
    add_device("virtio-rng-pci,bus=b0");
    add_device(!q35            ? "VGA,vgamem_mb=1,bus=b0" /* one a machine */
               : gl_is_there() ? "virtio-vga-gl,vgamem_mb=1,bus=b0"
                               : "virtio-vga,vgamem_mb=1,bus=b0");
    if (!q35 && gl_is_there()) { /* the same */
        add_device("virtio-gpu-gl-pci,bus=b0");
    }
    add_device("secondary-vga,vgamem_mb=1,bus=b0");
    add_device("bochs-display,vgamem=1M,bus=b0");
    add_device("qxl,ram_size_mb=16,vgamem_mb=8,vram_size_mb=1,bus=b0");
    add_device("i82801b11-bridge,id=b1");
    if (!q35) {
        add_device("pxb,id=x0,bus_nr=80");
        add_device("virtio-rng-pci,bus=x0");
        add_device("ahci,id=ahci0");
        add_device("virtio-iommu-pci");
    }
}

static void add_disks_and_nets(void)
{
    add_disk("ide-hd", 8);
    add_device("ide-cd");
    add_device("nvme,id=nv,serial=x,cmb_size_mb=1");
    add_disk("nvme-ns,bus=nv", 9);
    add_disk("nvme-ns,bus=nv,zoned=on,zoned.descr_ext_size=64", 39);
    add_device("nvme-subsys,id=ss");
    add_device("nvme,id=nw,serial=x,subsys=ss,multifunction=on,addr=18.4");
    add_disk("nvme-ns,bus=nw", 30);
    add_adapters();
    add_device("rtl8139,bus=b0");
    add_cards();
}

static void add_usb_and_sound(bool q35)
{
    add_device("qemu-xhci,id=x");
    add_device("nec-usb-xhci,id=n,addr=1e.0,multifunction=on");
    for (unsigned i = 1; i <= 6; i++) {
        g_autofree char *uhci = g_strdup_printf("ich9-usb-uhci%u,addr=1e.%u", i, i);

        add_device(uhci);
    }
    add_device("piix4-usb-uhci,addr=1e.7");
    add_device("usb-ehci,id=e,bus=b0,addr=10.7,multifunction=on");
    add_device("ich9-usb-ehci1,bus=b0,addr=10.0,multifunction=on");
    add_device("ich9-usb-ehci2,bus=b0,addr=10.1");
    add_device("ich9-usb-uhci1,masterbus=e.0,firstport=2,bus=b0,addr=10.2");
    add_device("pci-ohci,masterbus=e.0,firstport=0,num-ports=2,bus=b0,addr=10.3");
    add_device("pci-ohci,id=o,bus=b0,addr=10.4");
    add_device("usb-mouse,bus=o.0");
    add_device("usb-audio,bus=o.0");
    add_device("usb-ccid,id=ccid,bus=n.0");
    add_device("ccid-card-passthru,bus=ccid.0,chardev=card");
    add_device("usb-tablet,bus=e.0");
    add_device("usb-mouse,usb_version=1,bus=e.0,port=4");
    add_device(q35 ? "piix3-usb-uhci" : "piix3-usb-uhci,addr=1.2");
    add_device("ich9-intel-hda,id=hda,bus=b0,addr=14");
    add_device("intel-hda,id=hda6,bus=b0,addr=15");
    add_device("sb16");
    add_device("AC97,bus=b0,addr=16");
    add_device("ES1370,bus=b0,addr=17");
    add_device("hda-duplex,bus=hda.0");
    add_device("hda-micro,bus=hda.0,cad=5");
    add_device("hda-output,bus=hda6.0");
    add_device("usb-kbd,bus=x.0");
    add_device("usb-mouse,bus=x.0,port=3");
    add_disk("usb-storage,bus=x.0", 10);
    add_device("usb-bot,id=bot,bus=e.0");
    add_device("usb-uas,id=uas,bus=e.0");
    add_device("usb-hub,bus=n.0,port=2");
    add_device("usb-serial,bus=n.0,chardev=usbserial");
    add_device("usb-redir,bus=n.0,chardev=usbredir,filter=-1:-1:-1:-1:1");
    add_device("usb-kbd,bus=n.0,port=2.1");
    add_device("usb-host,bus=n.0,vendorid=0xdead");
    add_device("usb-tablet,bus=x.0,usb_version=1");
    add_device("usb-net,bus=e.0");
}

static void add_express_ports(void)
{
    add_device("ioh3420,id=rp1,chassis=1");
    add_device("x3130-upstream,id=up,bus=rp1");
    add_device("xio3130-downstream,id=down,bus=up,chassis=2");
    add_device("pcie-pci-bridge,id=b2,bus=down");
    add_device("virtio-rng-pci,bus=b2");
    add_device("pxb-pcie,id=x0,bus_nr=80");
    add_device("pcie-root-port,id=rp2,bus=x0,chassis=3");
    add_device("virtio-rng-pci,bus=rp2");
    add_device("pxb-cxl,id=cxl,bus_nr=112,multifunction=on,addr=18.7");
    add_device("cxl-rp,id=cxl0,bus=cxl,chassis=4");
    add_device("cxl-upstream,id=cxl1,bus=cxl0");
    add_device("cxl-downstream,id=cxl2,bus=cxl1,chassis=5");
    add_device("cxl-type3,bus=cxl2,persistent-memdev=cxlmem,lsa=cxllsa,sn=1");
    add_device("pcie-root-port,id=rp0");
    add_device("virtio-rng-pci,bus=rp0,disable-legacy=off");
    add_device("intel-iommu,device-iotlb=on");
}

static void check(const char *type)
{
    bool q35 = strcmp(type, "q35") == 0;
    Machine *machine = machine_make(type, true);

    add_board_devices(q35);
    add_functions(q35);
    add_disks_and_nets();
    add_usb_and_sound(q35);
    if (q35) {
        add_express_ports();
    }
    g_autoptr(GPtrArray) first = all_devices();
    assert_every_type(first, q35 ? of_pc : of_q35);
    come_and_go(machine);
    remove_flash_file();
}

static void test_machine(gconstpointer type)
{
    if (g_test_subprocess()) {
        check(type);
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
    g_test_trap_assert_passed();
}

/* ---- cards of which a machine has one ---- */

static void test_card(gconstpointer type)
{
    if (g_test_subprocess()) {
        Machine *machine = machine_make(strcmp(type, "amd-iommu") ? "pc" : "q35", false);

        add_device(type);
        g_autoptr(GPtrArray) devices = all_devices();
        g_assert_true(has_type(devices, type));
        come_and_go(machine);
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
    g_test_trap_assert_passed();
}

/* ---- a processor that cannot be had ---- */

static bool refuse_cpu(X86Cpu *cpu, GError **errp)
{
    error_set(errp, "no processor");
    return false;
}

static Device *last_cpu(const GPtrArray *devices)
{
    for (unsigned i = devices->len; i-- > 0;) {
        if (object_is_a(devices->pdata[i], TYPE_X86_CPU)) {
            return devices->pdata[i];
        }
    }
    g_error("there is no processor");
}

static void check_failing_cpu(void)
{
    Machine *machine = machine_make("pc", false);
    const AccelOps *engine = accel_current();
    AccelOps failing = *engine;
    g_autoptr(GPtrArray) before = all_devices(), without = NULL, after = NULL;
    g_autoptr(GError) err = NULL;
    Device *cpu = last_cpu(before);

    device_unrealize(cpu);
    failing.has_vcpu_threads = true;
    failing.cpu_init = refuse_cpu;
    accel_set(&failing);
    g_assert_false(device_realize(cpu, &err));
    g_assert_cmpstr(err->message, ==, "no processor");
    g_clear_error(&err);
    accel_set(engine);
    without = all_devices();
    g_assert_cmpuint(without->len, ==, before->len - 2); /* its local APIC, too */
    g_assert_true(!cpu->parent.children || !cpu->parent.children->len);
    g_assert_null(x86_cpu_at(machine, 1));
    g_assert_true(device_realize(cpu, &err));
    after = all_devices();
    g_assert_cmpuint(after->len, ==, before->len);
    g_assert_nonnull(x86_cpu_at(machine, 1));
}

/* ---- a processor that comes to others ---- */

/* Its TSC goes with theirs, without what the guest has changed in one. */
static void check_tsc(void)
{
    enum { OFFSET = 123456789, ADJUST = 1000 };
    Machine *machine = machine_make("pc", false);
    g_autoptr(GPtrArray) devices = all_devices();
    Device *cpu = last_cpu(devices);
    X86Cpu *first = x86_cpu_at(machine, 0);

    first->msr.tsc_offset = OFFSET + ADJUST; /* as it is loaded from another engine's stream */
    first->msr.tsc_adjust = ADJUST;
    device_unrealize(cpu);
    machine->ready = true; /* what is realized now, comes while it runs */
    g_assert_true(device_realize(cpu, NULL));
    g_assert_cmpint(x86_cpu_at(machine, 1)->msr.tsc_offset, ==, OFFSET);
    g_assert_cmpuint(x86_cpu_at(machine, 1)->msr.tsc_adjust, ==, 0);
}

static void test_tsc(void)
{
    if (g_test_subprocess()) {
        check_tsc();
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
    g_test_trap_assert_passed();
}

static void test_failing_cpu(void)
{
    if (g_test_subprocess()) {
        check_failing_cpu();
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
    g_test_trap_assert_passed();
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    g_assert_true(accel_choose("qtest", NULL));
    g_test_add_data_func("/realize/pc", "pc", test_machine);
    g_test_add_data_func("/realize/q35", "q35", test_machine);
    g_test_add_data_func("/realize/cirrus-vga", "cirrus-vga", test_card);
    g_test_add_data_func("/realize/vmware-svga", "vmware-svga", test_card);
    g_test_add_data_func("/realize/amd-iommu", "amd-iommu", test_card);
    g_test_add_func("/realize/failing-cpu", test_failing_cpu);
    g_test_add_func("/realize/tsc", test_tsc);
    (void)gl_start(NULL, NULL); /* or there is no card with 3D */
    status = g_test_run();
    g_assert_true(gl_stop());
    return status;
}
