/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "secret", "secret_keyring": a password or key that other objects name by its id. Given as `data`,
 * or better in a `file`, or in a keyring of the kernel as the key `serial`; as it is or in base64;
 * perhaps encrypted with another secret, `keyid`, and `iv`. It is never shown again. Machine lock.
 */
#ifndef CRYPTO_SECRET_H
#define CRYPTO_SECRET_H

#include "qom/object.h"

#define TYPE_SECRET_COMMON "secret-common"

/* The bytes of the secret with the id @id, decoded; *@size of them. Borrowed, until the object
 * goes. NULL with @errp if there is none. */
const uint8_t *secret_lookup(const char *id, size_t *size, GError **errp);

#endif
