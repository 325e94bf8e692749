/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/tpm/tpm.h"

#include "hw/core/save-check.h"
#include "util/error.h"

Tpm *tpm_find(void)
{
    Object *found = object_find_type(TYPE_TPM);

    return found && DEVICE(found)->realized ? TPM(found) : NULL;
}

static bool check_save(void *opaque, GError **errp)
{
    const Tpm *tpm = opaque;

    if (!tpm_backend_can_go(tpm->backend)) {
        error_set(errp,
                  "-tpmdev '%s' is a TPM of the host, which stays there; use -tpmdev emulator",
                  tpm->tpmdev);
        return false;
    }
    return true;
}

bool tpm_realize(Tpm *tpm, TpmAnswered *answered, GError **errp)
{
    if (!tpm->tpmdev || !(tpm->backend = tpm_backend_find(tpm->tpmdev))) {
        error_set(errp, "-tpmdev '%s' not found; a TPM needs one: -tpmdev emulator,id=ID,chardev=",
                  tpm->tpmdev ? tpm->tpmdev : "");
        return false;
    }
    if (tpm_find()) {
        error_set(errp, "there is a TPM already; a machine has one at most");
        return false;
    }
    if (!tpm_backend_attach(tpm->backend, answered, tpm, errp)) {
        return false;
    }
    save_check_add(check_save, tpm);
    return true;
}

void tpm_unrealize(Tpm *tpm)
{
    save_check_remove(check_save, tpm);
    tpm_backend_detach(tpm->backend);
    tpm_backend_state_clear(&tpm->saved);
}

static const Property tpm_properties[] = {
    { .name = "tpmdev",
      .kind = PROP_STRING,
      .offset = offsetof(Tpm, tpmdev),
      .description = "id of the -tpmdev that is behind it" },
    { 0 },
};

static const ObjectType tpm_type = {
    .name = TYPE_TPM,
    .parent = TYPE_DEVICE,
    .abstract = true,
    .instance_size = sizeof(Tpm),
    .properties = tpm_properties,
};
OBJECT_TYPE_REGISTER(tpm_type)
