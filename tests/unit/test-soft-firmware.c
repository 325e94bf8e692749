/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What firmware does and operating systems do not: code in ROM and flash, code that a device writes
 * (DMA), real mode with segments of 4 GiB.
 */
#include <string.h>

#include "accel/soft/engine.h"
#include "memory/address-space.h"
#include "memory/memory.h"
#include "tests/unit/soft-harness.h"
#include "util/machine-lock.h"

static SoftHarness *h;

#define RUN(name) (GUEST_LOAD(h, name), harness_run(h, 1000))

/* ---- a device that writes code ---- */

enum { ROUTINE = 0x30000, PORT = 0x99 };

static void dma_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    const uint8_t mov_al_2_ret[] = { 0xb0, 0x02, 0xc3 };

    address_space_write(&address_space_memory, ROUTINE, mov_al_2_ret, sizeof(mov_al_2_ret));
}

static const MemoryRegionOps dma_ops = { NULL, dma_write, 1, 1 };

GUEST_CODE(call_dma_call, 32,
           "mov $0x30000, %esi; movw $0x01b0, (%esi); movb $0xc3, 2(%esi); call *%esi;"
           "mov %eax, %ebx; out %al, $0x99; call *%esi");

static void test_device_writes_code(void)
{
    MemoryRegion port;

    memory_region_init_io(&port, &dma_ops, NULL, "dma", 1);
    machine_lock();
    memory_region_add(memory_io(), PORT, &port);
    machine_unlock();
    harness_reset(h, HARNESS_FLAT32);
    g_assert_cmpint(RUN(call_dma_call), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RBX] & 0xff, ==, 1);
    g_assert_cmphex(h->cpu->regs[X86_RAX] & 0xff, ==, 2);
    machine_lock();
    memory_region_remove(&port);
    memory_region_destroy(&port);
    machine_unlock();
}

/* ---- flash ---- */

enum { FLASH = 0x8000000 };

typedef struct Flash {
    MemoryRegion region;
    RamBlock *ram;
    unsigned writes;
    uint64_t last;
} Flash;

static uint64_t flash_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0x80;
}

/* 0x70: commands; 0x20: an erase, which changes the code; 0xff: an array again. */
static void flash_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Flash *flash = opaque;

    flash->writes++;
    flash->last = value;
    if (value == 0x70) {
        memory_region_rom_device_set_commands(&flash->region, true);
    } else if (value == 0x20) {
        flash->ram->host[1] = 7;
    } else if (value == 0xff) {
        memory_region_rom_device_set_commands(&flash->region, false);
    }
}

static const MemoryRegionOps flash_ops = { flash_read, flash_write, 1, 4 };

static void flash_map(Flash *flash)
{
    const uint8_t code[] = { 0xb0, 0x05, 0xc3 }; /* mov $5, %al; ret */

    *flash = (Flash){ .ram = ram_block_new("flash", 0x2000, -1, false, true, 0, NULL) };
    memcpy(flash->ram->host, code, sizeof(code));
    memory_region_init_rom_device(&flash->region, &flash_ops, flash, "flash", flash->ram);
    machine_lock();
    memory_region_add(memory_system(), FLASH, &flash->region);
    machine_unlock();
}

static void flash_unmap(Flash *flash)
{
    machine_lock();
    memory_region_remove(&flash->region);
    memory_region_destroy(&flash->region);
    machine_unlock();
    ram_block_unref(flash->ram);
}

GUEST_CODE(flash, 32,
           "mov $0x8000000, %esi; call *%esi; mov %al, %bl; movb $0x70, (%esi);"
           "movzbl (%esi), %ecx; movb $0x20, (%esi); movb $0xff, (%esi); call *%esi; mov %al, %bh");
GUEST_CODE(flash_rmw, 32,
           "mov $0x8000000, %esi; lock orl $0x100, (%esi); orb $1, 4(%esi); xchg %eax, (%esi)");

static void test_flash(void)
{
    Flash flash;

    flash_map(&flash);
    harness_reset(h, HARNESS_FLAT32);
    g_assert_cmpint(RUN(flash), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RBX] & 0xffff, ==, 0x0705);
    g_assert_cmphex(h->cpu->regs[X86_RCX], ==, 0x80);
    g_assert_cmpint(flash.writes, ==, 3);
    /* Each read-modify-write is a read and one write that the device sees. */
    harness_reset(h, HARNESS_FLAT32);
    flash.writes = 0;
    g_assert_cmpint(RUN(flash_rmw), ==, -1);
    g_assert_cmpint(flash.writes, ==, 3);
    g_assert_cmphex(flash.ram->host[1], ==, 7);
    flash_unmap(&flash);
}

/* ---- ROM ---- */

GUEST_CODE(
    rom, 32,
    "mov $0x8000000, %esi; movl $-1, (%esi); movb $-1, (%esi); lock incl (%esi); call *%esi");

static void test_rom(void)
{
    Flash rom;

    flash_map(&rom);
    machine_lock();
    memory_region_remove(&rom.region);
    memory_region_destroy(&rom.region);
    memory_region_init_ram(&rom.region, "rom", rom.ram);
    rom.region.readonly = true;
    memory_region_add(memory_system(), FLASH, &rom.region);
    machine_unlock();
    harness_reset(h, HARNESS_FLAT32);
    g_assert_cmpint(RUN(rom), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RAX] & 0xff, ==, 5);
    g_assert_cmphex(rom.ram->host[0], ==, 0xb0);
    flash_unmap(&rom);
}

/* ---- big real mode ---- */

/* Load DS with a limit of 4 GiB in protected mode, keep it in real mode, and reach beyond 1 MiB. */
GUEST_CODE(big_real, 16,
           "lgdtl 0x7e00; mov %cr0, %eax; or $1, %al; mov %eax, %cr0; mov $8, %bx; mov %bx, %ds;"
           "and $0xfe, %al; mov %eax, %cr0; xor %bx, %bx; mov $0x200000, %esi;"
           "movl $0x12345678, (%esi); lodsl (%esi), %eax; mov %eax, %ecx;"
           "mov %bx, %ds; movl %ds:-4(%esi), %edx");

static void test_big_real(void)
{
    const uint8_t gdt[16] = { [8] = 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0 };
    const uint8_t gdtr[6] = { 15, 0, 0x10, 0x7e, 0, 0 };

    harness_reset(h, HARNESS_REAL);
    memcpy(h->ram + 0x7e00, gdtr, sizeof(gdtr));
    memcpy(h->ram + 0x7e10, gdt, sizeof(gdt));
    g_assert_cmpint(RUN(big_real), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RCX], ==, 0x12345678);
    /* Loading the segment register in real mode changes its base, and not its limit. */
    g_assert_cmphex(h->cpu->regs[X86_RDX], ==, 0x12345678);
}

int main(int argc, char **argv)
{
    GError *err = NULL;

    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    accel_soft.init(&err);
    g_assert_no_error(err);
    g_test_add_func("/soft-firmware/device-writes-code", test_device_writes_code);
    g_test_add_func("/soft-firmware/flash", test_flash);
    g_test_add_func("/soft-firmware/rom", test_rom);
    g_test_add_func("/soft-firmware/big-real", test_big_real);
    int status = g_test_run();
    harness_free(h);
    return status;
}
