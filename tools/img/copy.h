/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copying what images have: several threads, large requests. What is nowhere stays so. */
#ifndef TOOLS_IMG_COPY_H
#define TOOLS_IMG_COPY_H

#include "block/node.h"
#include "tools/img/img.h"

enum { IMG_COPY_CHUNK = 1 << 20 }; /* bytes of a request, at most; but for whole clusters */

typedef struct ImgCopy {
    BlockNode *from, *to;
    uint64_t start, bytes; /* of @from */
    uint64_t at;           /* in @to */
    bool is_zero;          /* so is @to, where nothing was written yet */
    bool above;            /* what @from itself does not have is in the backing file of @to */
    uint64_t sparse;       /* aligned blocks of so many bytes are looked at for zeros; 0: none */
    uint64_t packed;       /* clusters of so many bytes are written compressed; 0: none */
    uint64_t rate;         /* bytes of data a second; 0: as many as there are */
    bool salvage;          /* what cannot be read becomes zeros, with a warning */
    unsigned threads;
    /* Progress: of @total bytes, @before are done. */
    const ImgArgs *args;
    uint64_t before, total;
} ImgCopy;

/* Errors say which image cannot be read or written where. */
bool img_copy(const ImgCopy *copy, GError **errp);

#endif
