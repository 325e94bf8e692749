/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/net/nvm-93c46.h"

enum { READ = 6, DATA = 16 }; /* the first three bits; bits of a word */

bool nvm_93c46_step(Nvm93c46 *nvm, bool select, bool rises, bool in,
                    uint16_t (*word)(const void *opaque, unsigned n), const void *opaque)
{
    unsigned n;

    if (!select) {
        nvm->bits = nvm->clocks = 0;
    } else if (rises) {
        if (nvm->clocks < NVM_93C46_COMMAND) {
            nvm->bits = nvm->bits << 1 | in;
        }
        if (nvm->bits && nvm->clocks < NVM_93C46_CLOCKS) {
            nvm->clocks++; /* nothing counts before the first one */
        }
    }
    n = nvm->clocks - NVM_93C46_COMMAND; /* which bit of data, from 1 on, after one that is 0 */
    if (nvm->clocks < NVM_93C46_COMMAND || n > DATA || nvm->bits >> 6 != READ) {
        return true;
    }
    return n && word(opaque, nvm->bits % NVM_93C46_WORDS) >> (DATA - n) & 1;
}
