/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory types as firmware sets them, for a kernel that is started without any. */
#ifndef HW_I386_MTRR_H
#define HW_I386_MTRR_H

#include "target/i386/cpu.h"

/* Set @cpu's MTRRs: on, write-back by default, so also for DIMMs that come; the BIOS area
 * write-protect, and what is between @below_4g, the end of low RAM, and 4 GiB uncached. Linux uses
 * its page attributes only if MTRRs are on (SDM vol. 3 section 12.11). Machine lock. */
void mtrr_set_up(X86Cpu *cpu, uint64_t below_4g);

#endif
