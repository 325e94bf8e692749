/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/postcopy-release.h"

#include <inttypes.h>
#include <sys/stat.h>

#include "migration/userfault.h"
#include "util/error.h"

#define AT_ONCE 2048u /* pages that are given back in one go: it takes about a millisecond */

typedef struct Part {
    unsigned n; /* of the block */
    PageRange range;
} Part;

struct PostcopyRelease {
    GPtrArray *blocks; /* references */
    bool *stays;       /* of each block: none of it is given back. Of who gives back */
    GMutex lock;       /* of what follows */
    bool runs;
    GArray *there;    /* of Part: to be given back when it runs */
    GQueue sent;      /* of Part *, owned, in this order: perhaps not there */
    uint64_t pending; /* pages in them */
    uint64_t arrived; /* pages that were taken out of them over this connection */
};

/* Who has opened the file by its name would miss what is in it. */
static bool is_others(const RamBlock *block)
{
    struct stat st;

    return block->shared && block->fd >= 0 && (fstat(block->fd, &st) < 0 || st.st_nlink > 0);
}

PostcopyRelease *postcopy_release_new(const GPtrArray *blocks)
{
    PostcopyRelease *release = g_new0(PostcopyRelease, 1);

    release->blocks = g_ptr_array_new_with_free_func((GDestroyNotify)ram_block_unref);
    release->stays = g_new0(bool, blocks->len);
    release->there = g_array_new(FALSE, FALSE, sizeof(Part));
    g_mutex_init(&release->lock);
    g_queue_init(&release->sent);
    for (guint i = 0; i < blocks->len; i++) {
        g_ptr_array_add(release->blocks, ram_block_ref(blocks->pdata[i]));
        release->stays[i] = is_others(blocks->pdata[i]);
    }
    return release;
}

void postcopy_release_free(PostcopyRelease *release)
{
    if (release) {
        g_queue_clear_full(&release->sent, g_free);
        g_array_unref(release->there);
        g_mutex_clear(&release->lock);
        g_free(release->stays);
        g_ptr_array_unref(release->blocks);
        g_free(release);
    }
}

/* Does @range follow @part? Then that has both. */
static bool extend(Part *part, unsigned n, const PageRange *range)
{
    const bool follows =
        part && part->n == n && part->range.first + part->range.count == range->first;

    if (follows) {
        part->range.count += range->count;
    }
    return follows;
}

/* The machine is gone all the same if the host does not take it. */
static void give_back(PostcopyRelease *release, unsigned n, const PageRange *range)
{
    g_autoptr(GError) err = NULL;

    if (!release->stays[n] && !userfault_discard(release->blocks->pdata[n], range->first * RAM_PAGE,
                                                 range->count * RAM_PAGE, &err)) {
        error_warn("capability release-ram: %s", err->message);
        release->stays[n] = true;
    }
}

/* With the lock: it is there. */
static void note_there(PostcopyRelease *release, unsigned n, const PageRange *range)
{
    GArray *there = release->there;
    const Part part = { n, *range };

    if (!extend(there->len ? &g_array_index(there, Part, there->len - 1) : NULL, n, range)) {
        g_array_append_val(there, part);
    }
}

void postcopy_release_has(PostcopyRelease *release, unsigned n, const PageRange *range)
{
    g_mutex_lock(&release->lock);
    note_there(release, n, range);
    g_mutex_unlock(&release->lock);
}

void postcopy_release_sent(PostcopyRelease *release, unsigned n, const PageRange *range)
{
    const Part part = { n, *range };

    g_mutex_lock(&release->lock);
    if (!extend(g_queue_peek_tail(&release->sent), n, range)) {
        g_queue_push_tail(&release->sent, g_memdup2(&part, sizeof(part)));
    }
    release->pending += range->count;
    g_mutex_unlock(&release->lock);
}

/* With the lock: the first @pages of what was sent are there. Of a large page that came in parts
 * none is given back before the last one. */
static void take_out(PostcopyRelease *release, uint64_t pages)
{
    Part *part;

    while (pages && (part = g_queue_peek_head(&release->sent))) {
        const RamBlock *block = release->blocks->pdata[part->n];
        const uint64_t unit = block->page_size / RAM_PAGE;
        const PageRange range = { part->range.first, MIN(pages, part->range.count) / unit * unit };

        if (!range.count) {
            break;
        }
        note_there(release, part->n, &range);
        release->pending -= range.count;
        release->arrived += range.count;
        pages -= range.count;
        part->range.first += range.count;
        part->range.count -= range.count;
        if (!part->range.count) {
            g_free(g_queue_pop_head(&release->sent));
        }
    }
}

bool postcopy_release_arrived(PostcopyRelease *release, uint64_t pages, GError **errp)
{
    g_mutex_lock(&release->lock);
    const uint64_t before = release->arrived, most = before + release->pending;
    const bool ok = pages >= before && pages <= most;
    if (ok) {
        take_out(release, pages - before);
    }
    g_mutex_unlock(&release->lock);
    if (!ok) {
        error_set(errp,
                  "the other end says that it has %" PRIu64 " pages, and it must be %" PRIu64
                  " to %" PRIu64,
                  pages, before, most);
    }
    return ok;
}

void postcopy_release_all(PostcopyRelease *release)
{
    g_mutex_lock(&release->lock);
    take_out(release, release->pending);
    g_mutex_unlock(&release->lock);
}

void postcopy_release_lost(PostcopyRelease *release)
{
    g_mutex_lock(&release->lock);
    g_queue_clear_full(&release->sent, g_free);
    release->pending = release->arrived = 0;
    g_mutex_unlock(&release->lock);
}

void postcopy_release_runs(PostcopyRelease *release)
{
    g_mutex_lock(&release->lock);
    release->runs = true;
    g_mutex_unlock(&release->lock);
}

/* With the lock: the end of the last part, whole pages of the host. */
static Part take_there(PostcopyRelease *release)
{
    Part *last = &g_array_index(release->there, Part, release->there->len - 1), part = *last;
    const RamBlock *block = release->blocks->pdata[part.n];

    part.range.count = MIN(part.range.count, MAX(AT_ONCE, block->page_size / RAM_PAGE));
    last->range.count -= part.range.count;
    part.range.first += last->range.count;
    if (!last->range.count) {
        g_array_set_size(release->there, release->there->len - 1);
    }
    return part;
}

bool postcopy_release_step(PostcopyRelease *release)
{
    Part part;

    g_mutex_lock(&release->lock);
    const bool any = release->runs && release->there->len;
    if (any) {
        part = take_there(release);
    }
    g_mutex_unlock(&release->lock);
    if (any) {
        give_back(release, part.n, &part.range);
    }
    return any;
}
