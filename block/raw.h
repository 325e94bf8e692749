/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BLOCK_RAW_H
#define BLOCK_RAW_H

#include "block/node.h"

/* That @node is raw was only guessed (block/guess.h): from now on a write that would make it look
 * like another format is refused, EPERM. Else a guest could have a file of its choice opened as its
 * backing file when the image is guessed at the next time. Main thread, before there are requests.
 */
void raw_forbid_formats(BlockNode *node);

#endif
