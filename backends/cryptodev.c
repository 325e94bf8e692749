/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/cryptodev.h"

#include <inttypes.h>
#include <nettle/aes.h>
#include <nettle/cbc.h>
#include <nettle/ctr.h>
#include <nettle/xts.h>
#include <string.h>

#include "util/error.h"

/* AES with keys of one length. */
typedef struct Aes {
    unsigned key_len;
    nettle_set_key_func *set_encrypt, *set_decrypt;
    nettle_cipher_func *encrypt, *decrypt;
} Aes;

typedef union AesContext {
    struct aes128_ctx aes128;
    struct aes192_ctx aes192;
    struct aes256_ctx aes256;
    struct xts_aes128_key xts128;
    struct xts_aes256_key xts256;
} AesContext;

#define FUNCTIONS(bits)                                                                          \
    {                                                                                            \
        bits / 8, (nettle_set_key_func *)aes##bits##_set_encrypt_key,                            \
            (nettle_set_key_func *)aes##bits##_set_decrypt_key,                                  \
            (nettle_cipher_func *)aes##bits##_encrypt, (nettle_cipher_func *)aes##bits##_decrypt \
    }
static const Aes lengths[] = { FUNCTIONS(128), FUNCTIONS(192), FUNCTIONS(256) };

uint32_t cryptodev_ciphers(void)
{
    return 1u << CRYPTODEV_AES_ECB | 1u << CRYPTODEV_AES_CBC | 1u << CRYPTODEV_AES_CTR |
           1u << CRYPTODEV_AES_XTS;
}

bool cryptodev_check_key(unsigned cipher, unsigned key_len)
{
    if (cipher >= CRYPTODEV_CIPHERS || !(cryptodev_ciphers() >> cipher & 1)) {
        return false;
    }
    return cipher == CRYPTODEV_AES_XTS ? key_len == 32 || key_len == 64
                                       : key_len == 16 || key_len == 24 || key_len == 32;
}

unsigned cryptodev_iv_len(CryptodevCipher cipher)
{
    return cipher == CRYPTODEV_AES_ECB ? 0 : CRYPTODEV_BLOCK;
}

static void run_blocks(const Aes *aes, CryptodevCipher cipher, bool encrypt, const uint8_t *key,
                       uint8_t *iv, uint8_t *data, size_t len)
{
    AesContext ctx;

    /* The stream of CTR is made by encryption, in both directions. */
    if (encrypt || cipher == CRYPTODEV_AES_CTR) {
        aes->set_encrypt(&ctx, key);
    } else {
        aes->set_decrypt(&ctx, key);
    }
    switch (cipher) {
    case CRYPTODEV_AES_CTR:
        ctr_crypt(&ctx, aes->encrypt, CRYPTODEV_BLOCK, iv, len, data, data);
        break;
    case CRYPTODEV_AES_CBC:
        if (encrypt) {
            cbc_encrypt(&ctx, aes->encrypt, CRYPTODEV_BLOCK, iv, len, data, data);
        } else {
            cbc_decrypt(&ctx, aes->decrypt, CRYPTODEV_BLOCK, iv, len, data, data);
        }
        break;
    default:
        (encrypt ? aes->encrypt : aes->decrypt)(&ctx, len, data, data);
        break;
    }
    explicit_bzero(&ctx, sizeof(ctx));
}

static void run_xts(bool encrypt, const uint8_t *key, unsigned key_len, const uint8_t *iv,
                    uint8_t *data, size_t len)
{
    AesContext ctx;

    if (key_len == 32) {
        if (encrypt) {
            xts_aes128_set_encrypt_key(&ctx.xts128, key);
            xts_aes128_encrypt_message(&ctx.xts128, iv, len, data, data);
        } else {
            xts_aes128_set_decrypt_key(&ctx.xts128, key);
            xts_aes128_decrypt_message(&ctx.xts128, iv, len, data, data);
        }
    } else if (encrypt) {
        xts_aes256_set_encrypt_key(&ctx.xts256, key);
        xts_aes256_encrypt_message(&ctx.xts256, iv, len, data, data);
    } else {
        xts_aes256_set_decrypt_key(&ctx.xts256, key);
        xts_aes256_decrypt_message(&ctx.xts256, iv, len, data, data);
    }
    explicit_bzero(&ctx, sizeof(ctx));
}

bool cryptodev_run(CryptodevCipher cipher, bool encrypt, const uint8_t *key, unsigned key_len,
                   const uint8_t *iv, uint8_t *data, size_t len)
{
    uint8_t vector[CRYPTODEV_BLOCK];

    if (cipher == CRYPTODEV_AES_XTS) {
        if (len < CRYPTODEV_BLOCK) {
            return false;
        }
        run_xts(encrypt, key, key_len, iv, data, len);
        return true;
    }
    if (cipher != CRYPTODEV_AES_CTR && len % CRYPTODEV_BLOCK) {
        return false;
    }
    memcpy(vector, iv, cryptodev_iv_len(cipher));
    for (unsigned i = 0; i < G_N_ELEMENTS(lengths); i++) {
        if (lengths[i].key_len == key_len) {
            run_blocks(&lengths[i], cipher, encrypt, key, vector, data, len);
        }
    }
    return true;
}

/* ---- the object ---- */

static bool complete(Object *obj, GError **errp)
{
    const Cryptodev *s = CRYPTODEV(obj);

    if (!s->queues || s->queues > CRYPTODEV_QUEUES) {
        error_set(errp, "'queues' is %" PRIu32 ": it is 1 to %u", s->queues, CRYPTODEV_QUEUES);
        return false;
    }
    return true;
}

static bool can_be_deleted(Object *obj, GError **errp)
{
    if (CRYPTODEV(obj)->user) {
        error_set(errp, "%s '%s' is in use by a virtio-crypto device; unplug that before",
                  object_typename(obj), obj->name);
        return false;
    }
    return true;
}

static const Property cryptodev_properties[] = {
    { .name = "queues",
      .kind = PROP_UINT32,
      .offset = offsetof(Cryptodev, queues),
      .has_default = true,
      .default_int = 1,
      .description = "queues for requests that its device has" },
    { 0 },
};

static const ObjectType cryptodev_type = {
    .name = TYPE_CRYPTODEV,
    .parent = "object",
    .description = "ciphers for a guest",
    .instance_size = sizeof(Cryptodev),
    .abstract = true,
    .properties = cryptodev_properties,
    .complete = complete,
    .can_be_deleted = can_be_deleted,
};
OBJECT_TYPE_REGISTER(cryptodev_type)

static const ObjectType builtin_type = {
    .name = TYPE_CRYPTODEV_BUILTIN,
    .parent = TYPE_CRYPTODEV,
    .description = "ciphers of this program",
    .instance_size = sizeof(Cryptodev),
    .user_creatable = true,
};
OBJECT_TYPE_REGISTER(builtin_type)
