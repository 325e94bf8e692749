/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/cipher.h"

#include <nettle/aes.h>
#include <nettle/cbc.h>
#include <string.h>

#include "util/error.h"

G_STATIC_ASSERT(CIPHER_KEY_SIZE == AES256_KEY_SIZE && CIPHER_BLOCK == AES_BLOCK_SIZE);

/* How many bytes of padding there are; 0: it is wrong. */
static size_t padding_of(const uint8_t *data, size_t size)
{
    uint8_t n = data[size - 1];

    if (n < 1 || n > CIPHER_BLOCK) {
        return 0;
    }
    for (size_t i = size - n; i < size; i++) {
        if (data[i] != n) {
            return 0;
        }
    }
    return n;
}

bool cipher_decrypt(const uint8_t *key, const uint8_t *iv, uint8_t *data, size_t *size,
                    GError **errp)
{
    struct CBC_CTX(struct aes256_ctx, AES_BLOCK_SIZE) context;
    size_t padding;

    if (*size == 0 || *size % CIPHER_BLOCK != 0) {
        error_set(errp,
                  "what is encrypted has %zu bytes; it must be one or more blocks of %d bytes",
                  *size, CIPHER_BLOCK);
        return false;
    }
    aes256_set_decrypt_key(&context.ctx, key);
    CBC_SET_IV(&context, iv);
    CBC_DECRYPT(&context, aes256_decrypt, *size, data, data);
    explicit_bzero(&context, sizeof(context));
    padding = padding_of(data, *size);
    if (padding == 0) {
        explicit_bzero(data, *size);
        error_set(errp, "it cannot be decrypted: it was encrypted with another key, or not with "
                        "AES-256-CBC and the padding of PKCS #7");
        return false;
    }
    *size -= padding;
    return true;
}
