/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP and HMP commands about TPMs (qapi/tpm.json). */
#include "hw/tpm/tpm.h"
#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"

GPtrArray *qmp_query_tpm(GError **errp)
{
    GPtrArray *list = TPMInfo_list_new();
    const Tpm *tpm = tpm_find();

    if (tpm) {
        TPMInfo *info = g_new0(TPMInfo, 1);

        info->id = g_strdup(tpm->tpmdev);
        info->model = tpm_is_crb(tpm) ? TPM_MODEL_TPM_CRB : TPM_MODEL_TPM_TIS;
        info->options = tpm_backend_options(tpm->backend);
        g_ptr_array_add(list, info);
    }
    return list;
}

GArray *qmp_query_tpm_models(GError **errp)
{
    static const TpmModel models[] = { TPM_MODEL_TPM_CRB, TPM_MODEL_TPM_TIS };
    GArray *list = g_array_new(FALSE, FALSE, sizeof(TpmModel));

    return g_array_append_vals(list, models, G_N_ELEMENTS(models));
}

GArray *qmp_query_tpm_types(GError **errp)
{
    static const TpmType types[] = { TPM_TYPE_EMULATOR, TPM_TYPE_PASSTHROUGH };
    GArray *list = g_array_new(FALSE, FALSE, sizeof(TpmType));

    return g_array_append_vals(list, types, G_N_ELEMENTS(types));
}

void hmp_info_tpm(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) list = qmp_query_tpm(NULL);

    if (!list->len) {
        hmp_printf(hmp, "this machine has no TPM\n");
        return;
    }
    for (guint i = 0; i < list->len; i++) {
        const TPMInfo *info = g_ptr_array_index(list, i);

        hmp_printf(hmp, "TPM device:\n tpm%u: model=%s\n  \\ %s: type=%s", i,
                   TpmModel_str(info->model), info->id, TpmType_str(info->options->type));
        if (info->options->type == TPM_TYPE_EMULATOR) {
            hmp_printf(hmp, ",chardev=%s\n", info->options->u.emulator->data->chardev);
        } else {
            const TPMPassthroughOptions *host = info->options->u.passthrough->data;

            hmp_printf(hmp, ",path=%s%s%s\n", host->path, host->cancel_path ? ",cancel-path=" : "",
                       host->cancel_path ? host->cancel_path : "");
        }
    }
}
