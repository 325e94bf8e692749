/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PAM segments, each in each of its four states. */
#include <string.h>

#include "hw/pci/pam.h"
#include "memory/address-space.h"
#include "tests/unit/chip-test.h"

#define RAM_SIZE 0x100000u
#define ROM_SIZE 0x20000u /* at 0xe0000 */

static Pam pam;
static MemoryRegion ram, rom, behind;
static RamBlock *ram_block, *rom_block;

static hwaddr segment_start(unsigned segment)
{
    return PAM_BASE + (hwaddr)segment * 0x4000;
}

/* What the segment's registers say, and only its. */
static void set_segment(unsigned segment, unsigned bits)
{
    uint8_t regs[PAM_REGISTERS] = { 0 };

    if (segment == 12) {
        regs[0] = bits << 4;
    } else {
        regs[1 + segment / 2] = bits << (segment % 2 * 4);
    }
    pam_update(&pam, regs);
}

/* ROM where there is some, else nothing. */
static uint32_t behind_at(hwaddr addr)
{
    return addr >= 0xe0000 ? 0x52525252 : 0xffffffff;
}

static void assert_segment(hwaddr addr, bool read, bool write)
{
    uint32_t *in_ram = (uint32_t *)(ram_block->host + addr);
    uint32_t *in_rom = addr >= 0xe0000 ? (uint32_t *)(rom_block->host + addr - 0xe0000) : NULL;

    *in_ram = 0x41414141;
    g_assert_cmphex(readl(addr), ==, read ? 0x41414141 : behind_at(addr));
    writel(addr, 0x12345678);
    g_assert_cmphex(*in_ram, ==, write ? 0x12345678 : 0x41414141);
    g_assert_true(!in_rom || *in_rom == 0x52525252);
    g_assert_cmphex(readl(addr), ==, read ? *in_ram : behind_at(addr));
}

static void test_segments(void)
{
    for (unsigned segment = 0; segment < PAM_SEGMENTS; segment++) {
        for (unsigned bits = 0; bits < 4; bits++) {
            set_segment(segment, bits);
            for (unsigned other = 0; other < PAM_SEGMENTS; other++) {
                unsigned now = other == segment ? bits : 0;
                hwaddr last = other == 12 ? 0xffffc : segment_start(other + 1) - 4;

                assert_segment(segment_start(other), now & 1, now & 2);
                assert_segment(last, now & 1, now & 2);
            }
        }
    }
}

/* Code runs in a ROM while it copies the ROM into the RAM below it. */
static void test_shadowing(void)
{
    const FlatRange *range;

    memset(ram_block->host + 0xf0000, 0, 0x10000);
    set_segment(12, 2);
    range = flat_view_find(address_space_view(&address_space_memory), 0xf0000);
    g_assert_true(range->host == rom_block->host + 0x10000 && range->readonly);
    for (hwaddr addr = 0xf0000; addr < 0x100000; addr += 4) {
        writel(addr, readl(addr));
    }
    set_segment(12, 1);
    g_assert_cmpmem(ram_block->host + 0xf0000, 0x10000, rom_block->host + 0x10000, 0x10000);
    writel(0xf0000, 0);
    g_assert_cmphex(readl(0xf0000), ==, 0x52525252);
}

static void test_show_ram(void)
{
    uint8_t regs[PAM_REGISTERS] = { 0 };
    const FlatRange *range;

    pam_show_ram(&pam, regs);
    g_assert_cmphex(regs[0], ==, 0x30);
    g_assert_cmphex(regs[6], ==, 0x33);
    range = flat_view_find(address_space_view(&address_space_memory), 0);
    g_assert_cmphex(range->size, ==, RAM_SIZE); /* one piece again */
    g_assert_false(range->readonly);
}

int main(int argc, char **argv)
{
    chip_test_init(&argc, &argv);
    ram_block = ram_block_new("ram", RAM_SIZE, -1, false, true, 0, NULL);
    rom_block = ram_block_new("rom", ROM_SIZE, -1, false, true, 0, NULL);
    memset(rom_block->host, 0x52, ROM_SIZE);
    memory_region_init_ram(&ram, "ram", ram_block);
    memory_region_init_ram(&rom, "rom", rom_block);
    rom.readonly = true;
    memory_region_init_container(&behind, "pci", UINT64_MAX);
    memory_region_add(&behind, 0xe0000, &rom);
    memory_region_add(memory_system(), 0, &ram);
    memory_region_add_overlap(memory_system(), 0, &behind, -1);
    pam_init(&pam, &ram, &behind);
    memory_region_add_overlap(memory_system(), PAM_BASE, &pam.area, 1);
    g_test_add_func("/pam/segments", test_segments);
    g_test_add_func("/pam/shadowing", test_shadowing);
    g_test_add_func("/pam/show-ram", test_show_ram);
    return g_test_run();
}
