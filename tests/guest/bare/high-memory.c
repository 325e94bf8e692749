/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "high-memory.h"

#define LARGE    0x200000u
#define WINDOW   0xc0000000u /* in the PCI hole; one large page */
#define PRESENT  1u
#define WRITABLE 2u
#define IS_LARGE 0x80u

static uint64_t directory[4][512] __attribute__((aligned(4096)));
static uint64_t pointers[4] __attribute__((aligned(32)));

void paging_enable(void)
{
    uint32_t cr;

    for (unsigned i = 0; i < 4; i++) {
        for (unsigned j = 0; j < 512; j++) {
            directory[i][j] =
                ((uint64_t)i << 30 | (uint64_t)j << 21) | IS_LARGE | WRITABLE | PRESENT;
        }
        pointers[i] = (uint32_t)directory[i] | PRESENT;
    }
    __asm__ volatile("mov %%cr4, %0; or $0x20, %0; mov %0, %%cr4" : "=&r"(cr)); /* PAE */
    __asm__ volatile("mov %0, %%cr3" : : "r"(pointers));
    __asm__ volatile("mov %%cr0, %0; or $0x80000000, %0; mov %0, %%cr0; jmp 1f; 1:" : "=&r"(cr));
}

void *high_map(uint64_t physical)
{
    directory[WINDOW >> 30][WINDOW >> 21 & 511] =
        (physical & ~(uint64_t)(LARGE - 1)) | IS_LARGE | WRITABLE | PRESENT;
    __asm__ volatile("invlpg (%0)" : : "r"(WINDOW) : "memory");
    return (void *)(WINDOW + ((uint32_t)physical & (LARGE - 1)));
}
