/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about what no machine here has, or little of (qapi/absent.json): tools ask in any
 * case, and need an answer. */
#include "qapi/qapi-commands.h"
#include "util/error.h"

/* ---- encrypted memory, enclaves ---- */

SevCapability *qmp_query_sev_capabilities(GError **errp)
{
    error_set(errp, "there is no AMD SEV here: guests' memory is not encrypted");
    return NULL;
}

static void set_no_sgx(GError **errp)
{
    error_set(errp, "there is no Intel SGX here: guests get no enclaves");
}

SGXInfo *qmp_query_sgx_capabilities(GError **errp)
{
    set_no_sgx(errp);
    return NULL;
}

SGXInfo *qmp_query_sgx(GError **errp)
{
    set_no_sgx(errp);
    return NULL;
}
