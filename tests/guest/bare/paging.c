/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the engine can run with paging at all: the runner asks before it runs what needs it. */
#include "high-memory.h"
#include "runtime.h"

void guest_main(void)
{
    paging_enable();
    check_equal(*(volatile uint32_t *)high_map(0x100000), *(volatile uint32_t *)0x100000,
                "memory by another address");
}
