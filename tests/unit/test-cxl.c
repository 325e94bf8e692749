/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CXL: who has an address where several take turns; and the list of poisoned memory. */
#include "hw/cxl/cxl-component.h"
#include "hw/cxl/cxl-events.h"

static const unsigned all_ways[] = { 1, 2, 4, 8, 16, 3, 6, 12 };

static void test_codes(void)
{
    unsigned known = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(all_ways); i++) {
        g_assert_cmpuint(cxl_interleave_ways(cxl_interleave_code(all_ways[i])), ==, all_ways[i]);
    }
    for (unsigned code = 0; code < 300; code++) {
        known += cxl_interleave_ways(code) != 0;
    }
    g_assert_cmpuint(known, ==, G_N_ELEMENTS(all_ways));
    g_assert_cmpuint(cxl_interleave_code(0), ==, UINT_MAX);
    g_assert_cmpuint(cxl_interleave_code(5), ==, UINT_MAX);
}

/* As the specification has it, by bits of the address and a remainder by 3. */
static unsigned by_bits(unsigned ways, unsigned shift, hwaddr addr)
{
    switch (ways) {
    case 3:
        return (addr >> shift) % 3;
    case 6:
        return (addr >> (shift + 1)) % 3 * 2 + (addr >> shift & 1);
    case 12:
        return (addr >> (shift + 2)) % 3 * 4 + (addr >> shift & 3);
    default:
        return addr >> shift & (ways - 1);
    }
}

static void test_targets(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(all_ways); i++) {
        for (unsigned shift = 8; shift <= 14; shift++) {
            unsigned hits[16] = { 0 };

            for (hwaddr n = 0; n < 3 * 16 * 4; n++) {
                hwaddr addr = 0x7730000000 + (n << shift) + n % 256;
                unsigned target = cxl_interleave_target(all_ways[i], UINT64_C(1) << shift, addr);

                g_assert_cmpuint(target, ==, by_bits(all_ways[i], shift, addr));
                hits[target]++;
            }
            for (unsigned t = 0; t < all_ways[i]; t++) { /* all have the same */
                g_assert_cmpuint(hits[t], ==, 3 * 16 * 4 / all_ways[i]);
            }
        }
    }
}

static void check(const CxlPoisonList *list, unsigned count, const uint64_t (*ranges)[2])
{
    g_assert_cmpuint(list->count, ==, count);
    for (unsigned i = 0; i < count; i++) {
        g_assert_cmpuint(list->ranges[i].start, ==, ranges[i][0]);
        g_assert_cmpuint(list->ranges[i].size, ==, ranges[i][1]);
    }
}

static void test_poison(void)
{
    CxlPoisonList list = { 0 };

    g_assert_true(cxl_poison_add(&list, 0x1000, 0x100, CXL_POISON_EXTERNAL));
    g_assert_true(cxl_poison_add(&list, 0x400, 0x40, CXL_POISON_INJECTED));
    check(&list, 2, (uint64_t[][2]){ { 0x400, 0x40 }, { 0x1000, 0x100 } });
    g_assert_true(cxl_poison_touches(&list, 0x10c0, 0x40));
    g_assert_false(cxl_poison_touches(&list, 0x1100, 0x40));
    g_assert_true(cxl_poison_clear(&list, 0x1040, 0x40)); /* falls into two */
    check(&list, 3, (uint64_t[][2]){ { 0x400, 0x40 }, { 0x1000, 0x40 }, { 0x1080, 0x80 } });
    g_assert_true(cxl_poison_add(&list, 0xfc0, 0x100, CXL_POISON_EXTERNAL)); /* joins two */
    check(&list, 2, (uint64_t[][2]){ { 0x400, 0x40 }, { 0xfc0, 0x140 } });
    g_assert_true(cxl_poison_clear(&list, 0, 0x2000));
    check(&list, 0, NULL);
}

static void test_poison_full(void)
{
    CxlPoisonList list = { 0 };

    for (unsigned i = 0; i < CXL_POISON_RANGES; i++) {
        g_assert_true(cxl_poison_add(&list, 0x1000 * (i + 1), 0xc0, CXL_POISON_EXTERNAL));
    }
    g_assert_false(cxl_poison_add(&list, 0, 0x40, CXL_POISON_EXTERNAL));
    g_assert_false(cxl_poison_clear(&list, 0x1040, 0x40)); /* there is no room for two */
    g_assert_true(cxl_poison_add(&list, 0x1080, 0x80, CXL_POISON_EXTERNAL));
    g_assert_true(cxl_poison_clear(&list, 0x1000, 0x40));
    g_assert_cmpuint(list.count, ==, CXL_POISON_RANGES);
    g_assert_cmpuint(list.ranges[0].start, ==, 0x1040);
    g_assert_cmpuint(list.ranges[0].size, ==, 0xc0);
}

/* ---- decoders that come from elsewhere ---- */

static uint32_t *decoder(CxlComponent *c, unsigned n, unsigned offset)
{
    return &c->regs[(AT_DECODERS + DECODER_FIRST + n * DECODER_BYTES + offset) / 4];
}

/* Is what @c has now taken by another one like it? */
static bool is_taken(CxlComponent *c)
{
    g_autoptr(GByteArray) saved = g_byte_array_new();
    CxlComponent other = { 0 };
    bool ok;

    cxl_component_init(&other, c->role, "other");
    other.capacity = c->capacity;
    state_save(&cxl_component_state, c, saved);
    ok = state_load(&cxl_component_state, &other, saved->data, saved->len, NULL);
    cxl_component_destroy(&other);
    return ok;
}

static void test_loaded(void)
{
    static const struct {
        unsigned n, offset;
        uint32_t value;
    } wrong[] = {
        { 0, DECODER_BASE, 0x10000001 },     { 0, DECODER_SIZE, 0x10001000 },
        { 1, DECODER_BASE, 0x10000000 },     { 1, DECODER_BASE + 4, 0xffffffff },
        { 1, DECODER_SIZE + 4, 0xffffffff }, { 1, DECODER_SIZE, 0x30000000 },
        { 1, DECODER_CONTROL, 0x607 },       { 1, DECODER_CONTROL, 0x650 },
        { 1, DECODER_CONTROL, 0x680 },
    };
    CxlComponent c = { 0 };

    cxl_component_init(&c, CXL_DEVICE, "device");
    c.capacity = 3 * (uint64_t)CXL_DECODER_UNIT;
    cxl_component_reset(&c);
    for (unsigned n = 0; n < 2; n++) {
        *decoder(&c, n, DECODER_BASE) = (n + 1) * CXL_DECODER_UNIT;
        *decoder(&c, n, DECODER_SIZE) = CXL_DECODER_UNIT;
        *decoder(&c, n, DECODER_CONTROL) = DECODER_COMMIT | DECODER_COMMITTED;
        c.dpa[n] = n * CXL_DECODER_UNIT;
    }
    *decoder(&c, 1, DECODER_BASE) = 0xf0000000; /* one more byte would be more than 32 bits */
    g_assert_true(is_taken(&c));
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        uint32_t *reg = decoder(&c, wrong[i].n, wrong[i].offset), old = *reg;

        *reg = wrong[i].value;
        g_assert_false(is_taken(&c));
        *reg = old;
    }
    c.dpa[1] = 3 * (uint64_t)CXL_DECODER_UNIT;
    g_assert_false(is_taken(&c));
    c.dpa[1] = 4096;
    g_assert_false(is_taken(&c));
    c.dpa[1] = CXL_DECODER_UNIT / 16;
    g_assert_true(is_taken(&c));
    cxl_component_destroy(&c);
}

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cxl/codes", test_codes);
    g_test_add_func("/cxl/targets", test_targets);
    g_test_add_func("/cxl/poison", test_poison);
    g_test_add_func("/cxl/poison-full", test_poison_full);
    g_test_add_func("/cxl/loaded", test_loaded);
    return g_test_run();
}
