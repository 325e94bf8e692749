/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/translate/translate.h"

#include <xmmintrin.h>

#include "accel/soft/options.h"
#include "accel/soft/translate/emit.h"
#include "accel/soft/translate/link.h"
#include "accel/soft/translate/perf-map.h"
#include "accel/soft/translate/targets.h"
#include "accel/soft/translate/translator.h"
#include "accel/soft/uop.h"

enum { HOT = 32, THUNKS_ROOM = 4096 };

bool soft_translate_init(SoftCpu *s, GError **errp)
{
    if (soft_options.translate == SOFT_TRANSLATE_OFF) {
        return true;
    }
    SoftTranslator *tr = g_new0(SoftTranslator, 1);
    HostCode c;

    soft_meanings_init();
    if ((soft_options.perf_map && !perf_map_open(errp)) ||
        !code_cache_init(&tr->cache, (size_t)soft_options.tb_size << 20, errp)) {
        g_free(tr);
        return false;
    }
    code_cache_begin(&tr->cache, THUNKS_ROOM, &c);
    thunks_emit(&c, &tr->thunks);
    code_cache_commit(&tr->cache, &c);
    tr->thunks_size = tr->cache.used;
    perf_map_add(tr->cache.exec, tr->thunks_size, "dimmable-thunks");
    s->host_mxcsr = _mm_getcsr();
    s->translator = tr;
    return true;
}

static void forget(SoftTranslator *tr)
{
    while (tr->newest) {
        SoftTranslation *older = tr->newest->older;
        g_free(tr->newest);
        tr->newest = older;
    }
}

void soft_translate_destroy(SoftCpu *s)
{
    if (s->translator) {
        forget(s->translator);
        code_cache_destroy(&s->translator->cache);
        g_free(s->translator);
        s->translator = NULL;
    }
}

bool soft_translate_full(const SoftCpu *s)
{
    return s->translator && s->translator->full;
}

void soft_translate_drop(SoftCpu *s)
{
    if (s->translator) {
        forget(s->translator);
        for (SoftMmuMode mode = 0; mode < SOFT_MMU_MODES; mode++) {
            soft_targets_clear(s, mode);
        }
        code_cache_empty(&s->translator->cache, s->translator->thunks_size);
        s->translator->full = false;
        s->translator->statistics.drops++;
    }
}

/* The first function of a block that is not translated yet. */
static const Uop *uop_count(SoftCpu *s, const Uop *op)
{
    SoftBlock *b = (SoftBlock *)s->block;
    unsigned hot = soft_options.translate == SOFT_TRANSLATE_ALL ? 1 : HOT;

    if (++b->runs >= hot) {
        SoftTranslator *tr = s->translator;
        if (!tr->full && translate_block(tr, b)) {
            b->uops[0].fn = tr->thunks.enter;
        } else {
            /* soft_execute() finds it full and begins anew. */
            tr->full = true;
            b->uops[0].fn = b->first;
            atomic_store(&s->cpu.exit_request, true);
        }
    }
    return (b->uops[0].fn == uop_count ? b->first : b->uops[0].fn)(s, op);
}

void soft_translate_block_new(SoftCpu *s, SoftBlock *b)
{
    bool wanted = soft_options.translate == SOFT_TRANSLATE_ALL || (b->key & SOFT_KEY_CODE64);

    if (s->translator && wanted && !(b->key & SOFT_KEY_TF)) {
        b->first = b->uops[0].fn;
        b->uops[0].fn = uop_count;
    }
}

void soft_translate_block_dead(SoftCpu *s, SoftBlock *b)
{
    if (b->translation) {
        soft_targets_forget(s, b);
        link_remove(s, b);
    }
}
