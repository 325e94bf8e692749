/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/smi.h"

#include <inttypes.h>
#include <string.h>

#include "util/error.h"

#define FILE_SUPPORTED "etc/smi/supported-features"
#define FILE_REQUESTED "etc/smi/requested-features"
#define FILE_OK        "etc/smi/features-ok"

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

/* Also at the end of S3, when firmware asks anew. */
static void features_reset(Device *dev)
{
    SmiFeatures *f = SMI_FEATURES(dev);

    f->requested = f->agreed = 0;
    f->ok = false;
    show(f);
}

static bool features_loaded(void *opaque, GError **errp)
{
    SmiFeatures *f = opaque;

    if (f->agreed & ~f->offered) {
        error_set(errp, "features of SMIs that this machine does not offer are in use: 0x%" PRIx64,
                  f->agreed & ~f->offered);
        return false;
    }
    show(f);
    return true;
}

SmiFeatures *smi_features_create(FwCfg *fw, uint64_t offered)
{
    SmiFeatures *f = SMI_FEATURES(device_new_onboard(TYPE_SMI_FEATURES));
    const uint64_t file = GUINT64_TO_LE(offered);

    f->fw = fw;
    f->offered = offered;
    fw_cfg_set_file_copy(fw, FILE_SUPPORTED, &file, sizeof(file));
    show(f);
    fw_cfg_set_file_writable(fw, FILE_REQUESTED, requested, f);
    fw_cfg_set_file_prepare(fw, FILE_OK, agree, f);
    device_realize(&f->parent, NULL); /* cannot fail */
    return f;
}

static const StateField features_fields[] = {
    STATE_UINT(SmiFeatures, requested),
    STATE_UINT(SmiFeatures, agreed),
    STATE_BOOL(SmiFeatures, ok),
    {},
};

static const StateTable features_state = {
    .name = TYPE_SMI_FEATURES, .version = 1, .fields = features_fields, .post_load = features_loaded
};

static const DeviceClass features_ops = {
    .category = "misc",
    .reset = features_reset,
    .state = &features_state,
};

static const ObjectType features_type = {
    .name = TYPE_SMI_FEATURES,
    .parent = TYPE_DEVICE,
    .description = "what firmware and the chipset have agreed on about SMIs",
    .instance_size = sizeof(SmiFeatures),
    .ops = &features_ops,
};
OBJECT_TYPE_REGISTER(features_type)
