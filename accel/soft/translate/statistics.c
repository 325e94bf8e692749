/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/translate/statistics.h"

#include <inttypes.h>
#include <string.h>

#include "accel/soft/code-pages.h"
#include "accel/soft/disassemble.h"
#include "accel/soft/translate/translator.h"
#include "memory/smm.h"

enum { CALLED_SHOWN = 20 };

/* The bytes of an instruction, as far as they are on its block's first page. */
static void remember_bytes(CalledUop *c, const SoftBlock *b, const Uop *op)
{
    hwaddr phys = b->phys + op->pc_off;
    unsigned len = MIN(op->len, CALLED_BYTES);

    if (phys / SOFT_PAGE != b->phys / SOFT_PAGE) {
        return;
    }
    len = MIN(len, (unsigned)(SOFT_PAGE - phys % SOFT_PAGE));
    const uint8_t *host =
        len ? address_space_host(b->key & SOFT_KEY_SMM ? &address_space_smm : &address_space_memory,
                                 phys, len)
            : NULL;
    if (host) {
        memcpy(c->bytes, host, len);
        c->len = (uint8_t)len;
    }
}

void statistics_called(TranslateStatistics *st, const SoftBlock *b, unsigned number, UopFn *fn)
{
    unsigned slot = (unsigned)((uintptr_t)fn * 0x9e3779b97f4a7c15ull >> 32) % CALLED_SLOTS;

    while (st->called[slot].fn && st->called[slot].fn != fn) {
        slot = (slot + 1) % CALLED_SLOTS;
    }
    CalledUop *c = &st->called[slot];
    if (!c->fn) {
        if (st->called_count == CALLED_SLOTS / 2) {
            return;
        }
        st->called_count++;
        c->fn = fn;
        c->key = b->key;
        remember_bytes(c, b, &b->uops[number]);
    }
    c->count++;
}

static int by_count(const void *a, const void *b)
{
    const CalledUop *x = *(const CalledUop *const *)a, *y = *(const CalledUop *const *)b;
    return x->count < y->count ? 1 : x->count > y->count ? -1 : 0;
}

static void describe_called(const TranslateStatistics *st, GString *out)
{
    g_autofree const CalledUop **list = g_new(const CalledUop *, CALLED_SLOTS);
    unsigned count = 0;

    for (unsigned i = 0; i < CALLED_SLOTS; i++) {
        if (st->called[i].fn) {
            list[count++] = &st->called[i];
        }
    }
    qsort(list, count, sizeof(*list), by_count);
    if (count) {
        g_string_append(out, "  run by the interpreter most, with an instruction of each:\n");
    }
    for (unsigned i = 0; i < MIN(count, CALLED_SHOWN); i++) {
        g_string_append_printf(out, "  %12" PRIu64 "  ", list[i]->count);
        if (list[i]->len) {
            soft_disassemble_one(out, soft_key_bits(list[i]->key), 0, list[i]->bytes, list[i]->len);
        } else {
            g_string_append(out, "?");
        }
        g_string_append_c(out, '\n');
    }
}

static void describe_line(GString *out, const char *name, uint64_t value)
{
    g_string_append_printf(out, "  %-28s %" PRIu64 "\n", name, value);
}

void statistics_describe(const SoftCpu *s, GString *out)
{
    const SoftTranslator *tr = s->translator;

    describe_line(out, "blocks decoded", s->blocks_decoded);
    describe_line(out, "instructions decoded", s->insns_decoded);
    describe_line(out, "bytes of decoded blocks", s->cache->bytes);
    describe_line(out, "pages with code", soft_code_page_count(s));
    describe_line(out, "blocks by way of the loop", s->blocks_run);
    describe_line(out, "TLB fills", s->tlb_fills);
    describe_line(out, "TLB flushes", s->tlb_flushes);
    describe_line(out, "TLB flushes of a page", s->tlb_page_flushes);
    if (!tr) {
        g_string_append(out, "  nothing is translated (translate=off)\n");
        return;
    }
    const TranslateStatistics *st = &tr->statistics;
    describe_line(out, "translated code, bytes", tr->cache.used);
    describe_line(out, "room for it (tb-size), bytes", tr->cache.size);
    describe_line(out, "blocks translated", st->translations);
    describe_line(out, "their guest bytes", st->guest_bytes);
    describe_line(out, "their host bytes", st->host_bytes);
    describe_line(out, "times the cache was dropped", st->drops);
    describe_line(out, "jumps linked", st->links);
    describe_line(out, "calls of the interpreter", st->calls);
    describe_line(out, "blocks left to it", st->bails);
    describe_called(st, out);
}
