/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/smi.h"

#include <inttypes.h>
#include <string.h>

#include "accel/vcpu.h"
#include "hw/i386/cpu.h"
#include "util/error.h"

#define FILE_SUPPORTED "etc/smi/supported-features"
#define FILE_REQUESTED "etc/smi/requested-features"
#define FILE_OK        "etc/smi/features-ok"

/* ---- SMIs ---- */

static void raise_one(X86Cpu *cpu, void *opaque)
{
    x86_cpu_smi(cpu);
}

void smi_raise_all(void)
{
    vcpu_foreach(raise_one, NULL);
}

void smi_raise_first(void)
{
    X86Cpu *cpu = x86_cpu_at(machine_current(), 0);

    if (cpu) {
        x86_cpu_smi(cpu);
    }
}

void smi_raise_current(void)
{
    if (current_cpu) {
        x86_cpu_smi(current_cpu);
    } else {
        smi_raise_first();
    }
}

/* ---- the agreement ---- */

static void show(const SmiFeatures *f)
{
    const uint64_t requested = GUINT64_TO_LE(f->requested);
    const uint8_t ok = f->ok;

    fw_cfg_set_file_copy(f->fw, FILE_REQUESTED, &requested, sizeof(requested));
    fw_cfg_set_file_copy(f->fw, FILE_OK, &ok, sizeof(ok));
}

static void requested(void *opaque, GBytes *bytes, uint64_t offset, uint64_t len)
{
    SmiFeatures *f = opaque;
    uint64_t value;

    memcpy(&value, g_bytes_get_data(bytes, NULL), sizeof(value));
    f->requested = GUINT64_FROM_LE(value);
}

static bool is_possible(const SmiFeatures *f)
{
    uint64_t want = f->requested;

    return !(want & ~f->offered) && (!(want & SMI_CPU_HOTPLUG) || (want & SMI_BROADCAST)) &&
           (!(want & SMI_CPU_HOTUNPLUG) || (want & SMI_CPU_HOTPLUG));
}

static void agree(void *opaque)
{
    SmiFeatures *f = opaque;
    const uint8_t yes = 1;

    if (!f->ok && is_possible(f)) {
        f->ok = true;
        f->agreed = f->requested;
        fw_cfg_set_file_copy(f->fw, FILE_OK, &yes, sizeof(yes));
    }
}

void smi_features_init(SmiFeatures *f, FwCfg *fw)
{
    const uint64_t offered = GUINT64_TO_LE(f->offered);

    f->fw = fw;
    fw_cfg_set_file_copy(fw, FILE_SUPPORTED, &offered, sizeof(offered));
    show(f);
    fw_cfg_set_file_writable(fw, FILE_REQUESTED, requested, f);
    fw_cfg_set_file_prepare(fw, FILE_OK, agree, f);
}

void smi_features_reset(SmiFeatures *f)
{
    f->requested = f->agreed = 0;
    f->ok = false;
    if (f->fw) {
        show(f);
    }
}

static bool features_loaded(void *opaque, GError **errp)
{
    SmiFeatures *f = opaque;

    if (f->agreed & ~f->offered) {
        error_set(errp, "features of SMIs that this machine does not offer are in use: 0x%" PRIx64,
                  f->agreed & ~f->offered);
        return false;
    }
    if (f->fw) {
        show(f);
    }
    return true;
}

static const StateField features_fields[] = {
    STATE_UINT(SmiFeatures, requested),
    STATE_UINT(SmiFeatures, agreed),
    STATE_BOOL(SmiFeatures, ok),
    {},
};

const StateTable smi_features_state = {
    .name = "smi-features", .version = 1, .fields = features_fields, .post_load = features_loaded
};
