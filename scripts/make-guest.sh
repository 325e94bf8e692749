#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Download and unpack (not install) Debian's cloud and generic kernels, static busybox, dmidecode, and numactl
# with its libraries into a folder, and make an initramfs of them; and what else can be booted, of which what
# cannot be had is left out. Does nothing for what is there already.
#   make-guest.sh DIR  ->  DIR/vmlinuz  DIR/vmlinux  DIR/initrd  DIR/initrd-more  DIR/boot/...
# and DIR/vmlinuz-generic, the kernel for all machines, with DIR/initrd-generic, in which are drivers that the other one lacks.
set -eu
src=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
cd "$1"

kernel_package() { # the versioned package that $1, linux-image-..., stands for
    apt-cache depends "$1" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
}

# Old lists name versions that are no longer to be had.
refresh_lists() { # once
    [ -z "${lists_are_new:-}" ] || return 0
    if [ "$(id -u)" -eq 0 ]; then apt-get update; else sudo apt-get update; fi >download.log 2>&1 || true
    lists_are_new=1
}

unpack_kernel() { # package: into root/
    refresh_lists
    kernel=$(kernel_package "$1")
    if [ -z "$kernel" ]; then
        echo "apt knows no $1: is this a Debian machine with Debian's packages?" >&2
        exit 1
    fi
    unpack "$kernel"
}

fetch() { # folder, package, options of apt-get: download and unpack into the folder
    folder=$1 package=$2
    shift 2
    echo "Downloading $package"
    if ! apt-get "$@" download "$package" >download.log 2>&1; then
        cat download.log >&2
        echo "could not download the package $package" >&2
        return 1
    fi
    dpkg-deb -x "$package"_*.deb "$folder"
    rm "$package"_*.deb
}

unpack() { # package: into root/
    fetch root "$1" || exit 1
}

# Drivers, in the order in which they can be loaded: tests do it (tests/guest/vm.py).
modules="virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio-rng virtio_console virtio_balloon virtio_blk failover net_failover virtio_net pvpanic pvpanic-mmio pvpanic-pci qemu_fw_cfg evdev virtio_input"
# Large ones that few tests need. They are in initrd-more only, and so are programs that need libraries.
more_modules="virtio_mem fuse virtiofs libnvdimm nd_btt nd_pmem nd_virtio virtio_pmem scsi_common scsi_mod sd_mod cdrom sr_mod virtio_scsi libata ata_piix libcrc32c xfs"
generic_modules="e1000 e1000e crct10dif_common crct10dif_generic crc-t10dif crc64 crc64_rocksoft_generic crc64-rocksoft t10-pi scsi_common scsi_mod sd_mod cdrom sr_mod libata libahci ahci virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci netfs fscache 9pnet 9pnet_virtio 9p usb-common usbcore xhci-hcd xhci-pci ehci-hcd ehci-pci uhci-hcd ohci-hcd ohci-pci hid hid-generic usbhid evdev usb-storage uas usbserial ftdi_sio drm drm_kms_helper ttm drm_ttm_helper drm_vram_helper bochs qxl drm_shmem_helper virtio_dma_buf virtio-gpu cirrus vmwgfx"

# Drivers of adapters, in the same archive.
adapter_modules="vmw_pvscsi scsi_transport_spi sym53c8xx raid_class scsi_transport_sas megaraid_sas mptbase mptscsih mptsas esp_scsi am53c974 mii 8139cp vmxnet3 pcnet32 8390 ne2k-pci e100 tulip"
floppy_modules="floppy"
sound_modules="soundcore ac97_bus snd-ac97-codec snd-intel8x0 gameport snd-ens1370 snd snd-timer snd-pcm snd-hwdep ledtrig-audio snd-hda-core snd-hda-codec snd-hda-codec-generic snd-intel-sdw-acpi snd-intel-dspcfg snd-hda-intel snd-mixer-oss snd-pcm-oss mc snd-seq-device snd-rawmidi snd-usbmidi-lib snd-usb-audio"
# For tests/nested/hostdev_cases.py: KVM, and what a host gives to its guests.
host_modules="irqbypass kvm ccp kvm-amd failover net_failover virtio_net uinput virtio_input"
# For tests/guest/test_misc.py: a management controller, a crypto card, a network card on USB, a printer, a mouse.
misc_modules="parport parport_pc lp psmouse ipmi_msghandler ipmi_si ipmi_devintf crypto_engine virtio_crypto af_alg algif_skcipher usbnet cdc_ether rndis_host"
smbus_modules="i2c-smbus i2c-i801 i2c-piix4 at24"
sd_modules="mmc_core mmc_block cqhci sdhci sdhci-pci"
generic_modules="$generic_modules $smbus_modules $sd_modules $adapter_modules $sound_modules $floppy_modules $host_modules $misc_modules"

have_modules() {
    [ -n "$(find root/lib/modules/*-cloud-amd64 -name 'virtio_pci.ko*' 2>/dev/null)" ]
}

have_generic_modules() {
    for module in $generic_modules; do
        [ -f "initramfs-generic/lib/modules/$module.ko" ] || return 1
    done
}

copy_modules() { # kernel, folder, modules: to its lib/modules, plain
    from=root/lib/modules/$1 folder=$2
    shift 2
    mkdir -p "$folder/lib/modules"
    for module in "$@"; do
        file=$(find "$from" -name "$module.ko*" | head -n 1)
        case $file in
            *.ko) cp "$file" "$folder/lib/modules/" ;;
            *.ko.xz) xz -dc "$file" >"$folder/lib/modules/$module.ko" ;;
            *) echo "the kernel has no module $module" >&2; exit 1 ;;
        esac
    done
}

pack() { # folder: as an archive of files
    (cd "$1" && find . | LC_ALL=C sort | cpio -o -H newc --quiet --owner=0:0)
}

if [ ! -f vmlinuz ] || ! have_modules; then
    unpack_kernel linux-image-cloud-amd64
    cp root/boot/vmlinuz-*-cloud-amd64 vmlinuz.tmp
    mv vmlinuz.tmp vmlinuz
fi
cloud=$(cd root/lib/modules && ls -d *-cloud-amd64 | head -n 1)
if [ ! -f vmlinuz-generic ] || ! have_generic_modules; then
    rm -rf initramfs-generic
    unpack_kernel linux-image-amd64
    generic=${kernel#linux-image-}
    copy_modules "$generic" initramfs-generic.tmp $generic_modules
    cp "root/boot/vmlinuz-$generic" vmlinuz-generic.tmp
    mv vmlinuz-generic.tmp vmlinuz-generic
    mv initramfs-generic.tmp initramfs-generic
    rm -rf "root/lib/modules/$generic" root/boot/*"-$generic"
fi
[ -x root/bin/busybox ] || unpack busybox-static
for package in numactl libnuma1 libc6 dmidecode util-linux; do
    [ -d "root/usr/share/doc/$package" ] || unpack "$package"
done
if [ ! -f vmlinux ]; then
    python3 "$src/scripts/extract-vmlinux.py" vmlinuz vmlinux
fi
if [ ! -f initrd ] || [ ! -f initrd-more ] || [ ! -f initrd-generic ] || [ "$src/tests/guest/init" -nt initrd ] || [ "$src/scripts/make-guest.sh" -nt initrd ]; then
    rm -rf initramfs initramfs-more
    mkdir -p initramfs/bin initramfs/proc initramfs/sys initramfs/dev initramfs/tmp
    mkdir -p initramfs-more/bin initramfs-more/lib64 initramfs-more/lib
    cp root/bin/busybox initramfs/bin/busybox
    cp root/usr/bin/numactl root/usr/sbin/dmidecode "$(find root/sbin/ root/usr/sbin/ -name blkzone | head -n 1)" initramfs-more/bin/
    for library in ld-linux-x86-64.so.2 libc.so.6 libnuma.so.1; do
        cp -L "$(find root -name "$library" -path '*x86_64-linux-gnu*' | head -n 1)" "initramfs-more/lib/$library"
    done
    ln -s ../lib/ld-linux-x86-64.so.2 initramfs-more/lib64/ld-linux-x86-64.so.2
    copy_modules "$cloud" initramfs $modules
    copy_modules "$cloud" initramfs-more $more_modules
    cp "$src/tests/guest/init" initramfs/init
    chmod 755 initramfs/init
    pack initramfs >initrd.tmp
    { cat initrd.tmp && pack initramfs-more; } >initrd-more.tmp # both: the kernel unpacks one after the other
    { cat initrd.tmp && pack initramfs-generic; } >initrd-generic.tmp
    rm -r initramfs-more
    mv initrd-generic.tmp initrd-generic
    mv initrd-more.tmp initrd-more
    mv initrd.tmp initrd
fi

# ---- images of other boot protocols, for tests/guest/test_boot.py ----

image() { # package, file in it, name in boot/
    [ ! -f "boot/$3" ] || return 0
    if fetch boot.tmp "$1"; then
        cp "boot.tmp/$2" "boot/$3"
    else
        echo "there will be no boot/$3; its test is skipped" >&2
    fi
    rm -rf boot.tmp
}

i386_kernel() { # with package lists of its own: the machine's architectures stay as they are
    [ ! -f boot/vmlinuz-686 ] || return 0
    apt=$PWD/apt-i386
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    set -- -o APT::Architecture=i386 -o APT::Architectures=i386 -o Dir::State::status=/dev/null \
        -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=
    apt-get "$@" update >download.log 2>&1 || true # one list that fails is not all of them
    kernel=$(apt-cache "$@" depends linux-image-686 2>/dev/null | sed -n 's/^ *Depends: //p' | head -n 1)
    if [ -n "$kernel" ] && fetch boot.tmp "$kernel" "$@"; then
        cp boot.tmp/boot/vmlinuz-* boot/vmlinuz-686
    else
        echo "there will be no boot/vmlinuz-686; its test is skipped" >&2
    fi
    rm -rf boot.tmp "$apt"
}

mkdir -p boot
image ipxe boot/ipxe.lkrn ipxe.lkrn
image memtest86+ boot/memtest86+x64.bin memtest64.bin
image memtest86+ boot/memtest86+ia32.bin memtest32.bin
image grub-efi-amd64-bin usr/lib/grub/x86_64-efi/monolithic/grubx64.efi grubx64.efi
image xen-hypervisor-4.17-amd64 boot/xen-4.17-amd64.gz xen.gz
[ -f boot/xen ] || [ ! -f boot/xen.gz ] || gzip -dc boot/xen.gz >boot/xen
i386_kernel
