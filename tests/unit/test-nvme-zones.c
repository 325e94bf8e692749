/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state machine of zones against a model that counts again after each step, what is loaded, and
 * reports. */
#include <glib.h>
#include <string.h>

#include "hw/nvme/nvme-zones.h"

#define COUNT    8u
#define SIZE     16u
#define CAPACITY 12u

static NvmeZones *make(uint32_t max_active, uint32_t max_open)
{
    const NvmeZoneConf conf = { .zoned = true,
                                .size = SIZE * 512,
                                .capacity = CAPACITY * 512,
                                .max_active = max_active,
                                .max_open = max_open,
                                .extension = 64 };
    NvmeZones *zones = nvme_zones_new(&conf, COUNT * SIZE + 5, 512, NULL);

    g_assert_nonnull(zones);
    g_assert_cmpuint(zones->count, ==, COUNT);
    return zones;
}

/* What must hold whatever was done. */
static void check(const NvmeZones *zones)
{
    unsigned active = 0, open = 0, implicit = 0;

    for (unsigned i = 0; i < zones->count; i++) {
        const NvmeZone *zone = &zones->zones[i];
        bool is_open =
            zone->state == NVME_ZONE_IMPLICITLY_OPEN || zone->state == NVME_ZONE_EXPLICITLY_OPEN;

        open += is_open;
        active += is_open || zone->state == NVME_ZONE_CLOSED;
        implicit += zone->state == NVME_ZONE_IMPLICITLY_OPEN;
        g_assert_true(zone->state != NVME_ZONE_EMPTY || (!zone->wp && !zone->extended));
        g_assert_true((zone->state == NVME_ZONE_FULL) == (zone->wp == zones->capacity));
        g_assert_cmpuint(zone->wp, <=, zones->capacity);
    }
    g_assert_cmpuint(zones->active, ==, active);
    g_assert_cmpuint(zones->open, ==, open);
    g_assert_cmpuint(zones->implicit.length, ==, implicit);
    g_assert_cmpuint(g_list_length(zones->implicit.head), ==, implicit);
    g_assert_true(!zones->max_active || active <= zones->max_active);
    g_assert_true(!zones->max_open || open <= zones->max_open);
}

static void report(const NvmeZones *zones, uint8_t *buf, size_t size)
{
    memset(buf, 0, size);
    g_assert_cmphex(nvme_zones_report(zones, NVME_ZONE_REPORT_EXTENDED, 0, 0, false, buf, size), ==,
                    NVME_OK);
}

/* Saved and loaded, zones are told of as before. */
static void check_saved(NvmeZones *zones, NvmeZones *other)
{
    g_autoptr(GBytes) saved = nvme_zones_save(zones);
    uint8_t buf[64 + COUNT * 128], again[sizeof(buf)];

    g_assert_cmpuint(nvme_zones_report_size(zones, NVME_ZONE_REPORT_EXTENDED, 0), ==, sizeof(buf));
    g_assert_true(nvme_zones_load(other, saved, NULL));
    check(other);
    report(zones, buf, sizeof(buf));
    report(other, again, sizeof(again));
    g_assert_cmpmem(buf, sizeof(buf), again, sizeof(again));
}

/* One step by chance; true: it was carried out. */
static bool step(NvmeZones *zones, GRand *rand)
{
    static const uint8_t extension[64] = { 1, 2, 3 };
    unsigned what = (unsigned)g_rand_int_range(rand, 0, 12);
    uint64_t lba = (uint64_t)g_rand_int_range(rand, 0, COUNT * SIZE);
    NvmeZone *zone = nvme_zones_at(zones, lba - lba % SIZE);
    uint64_t count = (uint64_t)g_rand_int_range(rand, 1, 6), from = zone->wp;
    uint64_t start = nvme_zones_start(zones, zone), at = start;
    bool room = g_rand_boolean(rand);
    NvmeStatus status;

    if (what < 3) {
        status = nvme_zones_append(zones, &at, count, room);
        g_assert_cmpuint(at, ==, status == NVME_OK ? start + from : start);
    } else if (what < 5) {
        status = nvme_zones_write(zones, start + from, count, room);
    } else if (what == 5) {
        status = nvme_zones_write(zones, lba, count, room);
        g_assert_true(status != NVME_OK || lba == start + from);
    } else if (what == 6) {
        nvme_zones_reset(zones, zone);
        return true;
    } else if (what == 7) {
        status = nvme_zones_extend(zones, zone, extension);
    } else {
        status = nvme_zones_send(zones, what == 11 ? NVME_ZONE_OPEN : what - 7,
                                 g_rand_int_range(rand, 0, 8) ? zone : NULL, room);
    }
    if (what < 6) {
        g_assert_true(status == NVME_OK ? zone->wp == from + count : zone->wp == from);
    }
    return status == NVME_OK;
}

static void test_chance(void)
{
    static const uint32_t limits[][2] = { { 0, 0 }, { 5, 3 }, { 4, 0 }, { 0, 2 }, { 1, 1 } };

    for (unsigned i = 0; i < G_N_ELEMENTS(limits); i++) {
        NvmeZones *zones = make(limits[i][0], limits[i][1]);
        NvmeZones *other = make(limits[i][0], limits[i][1]);
        GRand *rand = g_rand_new_with_seed(i + 1);
        unsigned done = 0;

        for (unsigned n = 0; n < 5000; n++) {
            done += step(zones, rand);
            check(zones);
            if (n % 100 == 0) {
                check_saved(zones, other);
            }
        }
        g_assert_cmpuint(done, >, 500);
        nvme_zones_power_off(zones);
        check(zones);
        g_assert_cmpuint(zones->open, ==, 0);
        g_rand_free(rand);
        nvme_zones_free(zones);
        nvme_zones_free(other);
    }
}

static void test_power_off(void)
{
    NvmeZones *zones = make(0, 0);
    const uint8_t extension[64] = { 7 };

    g_assert_cmphex(nvme_zones_write(zones, 0, 2, true), ==, NVME_OK);
    g_assert_cmphex(nvme_zones_send(zones, NVME_ZONE_OPEN, &zones->zones[1], true), ==, NVME_OK);
    g_assert_cmphex(nvme_zones_extend(zones, &zones->zones[2], extension), ==, NVME_OK);
    g_assert_cmphex(nvme_zones_send(zones, NVME_ZONE_FINISH, &zones->zones[3], true), ==, NVME_OK);
    nvme_zones_power_off(zones);
    check(zones);
    g_assert_cmpuint(zones->zones[0].state, ==, NVME_ZONE_CLOSED);
    g_assert_cmpuint(zones->zones[0].wp, ==, 2);
    g_assert_cmpuint(zones->zones[1].state, ==, NVME_ZONE_EMPTY);
    g_assert_cmpuint(zones->zones[2].state, ==, NVME_ZONE_CLOSED);
    g_assert_cmpuint(zones->zones[3].state, ==, NVME_ZONE_FULL);
    nvme_zones_free(zones);
}

static bool loads(NvmeZones *zones, unsigned at, uint8_t byte, size_t size)
{
    uint8_t bytes[(16 + 64) * COUNT + 80] = { 0 };

    for (unsigned i = 0; i < COUNT; i++) {
        bytes[(16 + 64) * i + 8] = NVME_ZONE_EMPTY;
    }
    bytes[at] = byte;
    g_autoptr(GBytes) saved = g_bytes_new(bytes, size);
    return nvme_zones_load(zones, saved, NULL);
}

/* Bytes that no zones are saved as. */
static void test_loaded(void)
{
    const size_t size = (16 + 64) * COUNT;
    NvmeZones *zones = make(1, 1);
    const NvmeZoneConf later = { .zoned = true, .size = SIZE * 512, .extension = 64 };

    g_assert_true(loads(zones, 8, NVME_ZONE_CLOSED, size));
    g_assert_true(loads(zones, 88, NVME_ZONE_EXPLICITLY_OPEN, size));
    check(zones);
    g_assert_false(loads(zones, 8, 0, size));
    g_assert_false(loads(zones, 8, 0xd, size));
    g_assert_false(loads(zones, 8, 33, size));
    g_assert_false(loads(zones, 0, 5, size)); /* a write pointer in one that is empty */
    g_assert_false(loads(zones, 9, 1, size)); /* and an extension */
    g_assert_false(loads(zones, 8, 1, size - 1));
    g_assert_false(loads(zones, 8, 1, size - 80));
    g_assert_false(loads(zones, 8, 1, size + 80));
    nvme_zones_free(zones);
    /* Of an image that is not there yet, as many as there were. */
    zones = nvme_zones_new(&later, 0, 512, NULL);
    g_assert_cmpuint(zones->count, ==, 0);
    g_assert_null(nvme_zones_at(zones, 0));
    g_assert_true(loads(zones, 8, NVME_ZONE_CLOSED, size));
    g_assert_cmpuint(zones->count, ==, COUNT);
    check(zones);
    nvme_zones_free(zones);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nvme-zones/chance", test_chance);
    g_test_add_func("/nvme-zones/power-off", test_power_off);
    g_test_add_func("/nvme-zones/loaded", test_loaded);
    return g_test_run();
}
