/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/throttle.h"

#include <inttypes.h>

#include "util/clock.h"
#include "util/error.h"

#define VALUE_MAX      INT64_C(1000000000000000) /* of a rate */
#define WITHOUT_BURSTS 10 /* part of a second whose requests may come at once */

/* Members of ThrottleLimits, by kind; and how they are called. */
#define ROW(name, member)                                                                         \
    {                                                                                             \
        name, offsetof(ThrottleLimits, has_##member), offsetof(ThrottleLimits, member),           \
            offsetof(ThrottleLimits, has_##member##_max), offsetof(ThrottleLimits, member##_max), \
            offsetof(ThrottleLimits, has_##member##_max_length),                                  \
            offsetof(ThrottleLimits, member##_max_length)                                         \
    }
static const struct {
    const char *name;
    size_t has_rate, rate, has_max, max, has_length, length;
} rows[THROTTLE_KINDS] = {
    [THROTTLE_BPS_TOTAL] = ROW("bps-total", bps_total),
    [THROTTLE_BPS_READ] = ROW("bps-read", bps_read),
    [THROTTLE_BPS_WRITE] = ROW("bps-write", bps_write),
    [THROTTLE_IOPS_TOTAL] = ROW("iops-total", iops_total),
    [THROTTLE_IOPS_READ] = ROW("iops-read", iops_read),
    [THROTTLE_IOPS_WRITE] = ROW("iops-write", iops_write),
};

/* ---- configurations ---- */

bool throttle_config_any(const ThrottleConfig *config)
{
    for (unsigned i = 0; i < THROTTLE_KINDS; i++) {
        if (config->limits[i].rate) {
            return true;
        }
    }
    return false;
}

static bool check_limit(const ThrottleConfig *config, unsigned i, GError **errp)
{
    int64_t rate = config->limits[i].rate, max = config->limits[i].max,
            length = config->limits[i].max_length;
    const char *name = rows[i].name;

    if (rate < 0 || max < 0 || rate > VALUE_MAX || max > VALUE_MAX) {
        error_set(errp, "%s and %s-max are 0 to %" PRId64, name, name, VALUE_MAX);
    } else if (max && !rate) {
        error_set(errp, "%s-max is of no use without %s", name, name);
    } else if (max && max < rate) {
        error_set(errp, "%s-max=%" PRId64 " is lower than %s=%" PRId64, name, max, name, rate);
    } else if (length < 0 || length > VALUE_MAX || (length > 1 && !max)) {
        error_set(errp, "%s-max-length is a number of seconds, and of no use without %s-max", name,
                  name);
    } else if (length > 1 && max > VALUE_MAX / length) {
        error_set(errp, "%s-max=%" PRId64 " for %" PRId64 " seconds is too much", name, max,
                  length);
    } else {
        return true;
    }
    return false;
}

bool throttle_config_check(const ThrottleConfig *config, GError **errp)
{
    bool iops = false;

    for (unsigned i = 0; i < THROTTLE_KINDS; i++) {
        unsigned total = i / 3 * 3;

        if (!check_limit(config, i, errp)) {
            return false;
        }
        if (i != total && config->limits[i].rate && config->limits[total].rate) {
            error_set(errp, "%s and %s do not go together: give a total, or reads and writes",
                      rows[total].name, rows[i].name);
            return false;
        }
        iops |= i >= THROTTLE_IOPS_TOTAL && config->limits[i].rate;
    }
    if (config->iops_size < 0 || (config->iops_size && !iops)) {
        error_set(errp, "iops-size is a number of bytes, and of no use without a limit of iops");
        return false;
    }
    return true;
}

/* *@value stays if there is none. */
static void take(const void *limits, size_t has, size_t at, int64_t *value)
{
    if (*((const bool *)limits + has)) {
        *value = *(const int64_t *)(const void *)((const char *)limits + at);
    }
}

static bool is_given(const ThrottleLimits *limits, size_t has)
{
    return *((const bool *)(const void *)limits + has);
}

bool throttle_config_check_twice(const ThrottleConfig *config, const ThrottleLimits *limits,
                                 GError **errp)
{
    bool twice = config->iops_size && limits->has_iops_size;
    const char *name = "iops-size", *max = "";

    for (unsigned i = 0; i < THROTTLE_KINDS && !twice; i++) {
        bool twice_max = config->limits[i].max && is_given(limits, rows[i].has_max);

        name = rows[i].name;
        twice = twice_max || (config->limits[i].rate && is_given(limits, rows[i].has_rate));
        max = twice_max ? "-max" : "";
    }
    if (twice) {
        error_set(errp, "throttling.%s%s is also given by its older name: give one of the two",
                  name, max);
    }
    return !twice;
}

void throttle_config_update(ThrottleConfig *config, const ThrottleLimits *limits)
{
    for (unsigned i = 0; i < THROTTLE_KINDS; i++) {
        take(limits, rows[i].has_rate, rows[i].rate, &config->limits[i].rate);
        take(limits, rows[i].has_max, rows[i].max, &config->limits[i].max);
        take(limits, rows[i].has_length, rows[i].length, &config->limits[i].max_length);
    }
    config->iops_size = limits->has_iops_size ? limits->iops_size : config->iops_size;
}

static void put(ThrottleLimits *limits, size_t has, size_t at, int64_t value)
{
    *((bool *)(void *)limits + has) = true;
    *(int64_t *)(void *)((char *)limits + at) = value;
}

ThrottleLimits *throttle_config_to_limits(const ThrottleConfig *config)
{
    ThrottleLimits *limits = g_new0(ThrottleLimits, 1);

    for (unsigned i = 0; i < THROTTLE_KINDS; i++) {
        put(limits, rows[i].has_rate, rows[i].rate, config->limits[i].rate);
        put(limits, rows[i].has_max, rows[i].max, config->limits[i].max);
        put(limits, rows[i].has_length, rows[i].length, MAX(config->limits[i].max_length, 1));
    }
    limits->has_iops_size = true;
    limits->iops_size = config->iops_size;
    return limits;
}

/* ---- buckets ---- */

void throttle_set(Throttle *throttle, const ThrottleConfig *config, int64_t now_ns)
{
    *throttle = (Throttle){ .config = *config, .last_ns = now_ns };
}

static void leak(Throttle *t, int64_t now_ns)
{
    double seconds =
        (double)MAX(now_ns - t->last_ns, 0) / NS_PER_SEC; /* qtest's clock is another */

    t->last_ns = now_ns;
    for (unsigned i = 0; i < THROTTLE_KINDS; i++) {
        t->level[i] = MAX(t->level[i] - (double)t->config.limits[i].rate * seconds, 0);
        t->burst[i] = MAX(t->burst[i] - (double)t->config.limits[i].max * seconds, 0);
    }
}

/* Until a bucket with @level has leaked to @size at @rate. */
static double wait_of(double level, double size, double rate)
{
    return level > size ? (level - size) / rate * NS_PER_SEC : 0;
}

static double bucket_wait(const Throttle *t, unsigned i)
{
    double rate = (double)t->config.limits[i].rate, max = (double)t->config.limits[i].max;
    int64_t length = t->config.limits[i].max_length;

    if (rate == 0) {
        return 0;
    }
    if (max == 0) {
        return wait_of(t->level[i], rate / WITHOUT_BURSTS, rate);
    }
    double wait = wait_of(t->level[i], max * (double)MAX(length, 1), rate);

    return length > 1 ? MAX(wait, wait_of(t->burst[i], max / WITHOUT_BURSTS, max)) : wait;
}

int64_t throttle_wait_ns(Throttle *throttle, bool write, int64_t now_ns)
{
    double wait = 0;

    leak(throttle, now_ns);
    for (unsigned i = 0; i < THROTTLE_KINDS; i += 3) {
        wait = MAX(wait, bucket_wait(throttle, i));
        wait = MAX(wait, bucket_wait(throttle, i + (write ? 2 : 1)));
    }
    return (int64_t)wait + (wait > (double)(int64_t)wait); /* rounded up */
}

void throttle_account(Throttle *throttle, bool write, uint64_t bytes)
{
    int64_t size = throttle->config.iops_size;
    double units = size && bytes > (uint64_t)size ? (double)bytes / (double)size : 1;

    for (unsigned i = 0; i < THROTTLE_KINDS; i++) {
        double some = i < THROTTLE_IOPS_TOTAL ? (double)bytes : units;

        if (i % 3 == 0 || i % 3 == (write ? 2 : 1)) {
            throttle->level[i] += some;
            throttle->burst[i] += some;
        }
    }
}
