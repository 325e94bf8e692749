/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory above 4 GiB, by PAE paging (SDM volume 3, section 4.4). */
#ifndef BARE_HIGH_MEMORY_H
#define BARE_HIGH_MEMORY_H

#include <stdint.h>

/* The 4 GiB as they are, in pages of 2 MiB, and paging on. */
void paging_enable(void);
/* Map the 2 MiB around @physical; the pointer to it is valid until the next call. */
void *high_map(uint64_t physical);

#endif
