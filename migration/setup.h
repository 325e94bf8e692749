/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What users set of migrations (migration_params and the capabilities of migration/migration.h),
 * and what that means for one that begins. */
#ifndef MIGRATION_SETUP_H
#define MIGRATION_SETUP_H

#include "crypto/tls-setup.h"
#include "migration/multifd.h"

/* How a machine that goes to @uri shakes hands; tls_setup_unref. NULL without an error: it does
 * not. Machine lock. */
TlsSetup *migration_set_up_tls(const char *uri, GError **errp);
/* What its memory goes over, with @tls, both borrowed; without the capability multifd no
 * connections. False: that cannot be over @uri. Machine lock. */
bool migration_set_up_multifd(MultifdConfig *config, TlsSetup *tls, const char *uri, GError **errp);
/* Why it cannot begin, as texts; NULL: it can. g_ptr_array_unref. Machine lock. */
GPtrArray *migration_blocked_reasons(void);

#endif
