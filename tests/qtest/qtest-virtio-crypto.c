/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-crypto by a driver of our own: vectors of NIST, sessions, requests that lie, a saved
 * machine. */
#include <string.h>

#include "tests/qtest/virtio.h"

#define DEVFN 0x20u /* slot 4 */
#define ARGS                                                    \
    "-object cryptodev-backend-builtin,id=c0,queues=2 -device " \
    "virtio-crypto-pci,id=v0,cryptodev=c0,addr=4"

enum { ENCRYPT, DECRYPT, CREATE, DESTROY };
enum { ECB = 2, CBC = 3, CTR = 4, XTS = 13 };
enum { OK, ERR, BADMSG, NOTSUPP, INVSESS, NOSPC };
enum { CONTROL = 2, REQUEST = 72, MAX_SIZE = 256 * 1024 };

typedef struct Crypto {
    QTest *qt;
    QVirtio v;
    QVirtQueue data, control;
    uint64_t out, in;
} Crypto;

static void drive(Crypto *c)
{
    qvirtio_open(&c->v, c->qt, DEVFN, true);
    qvirtio_start(&c->v, QVIRTIO_VERSION_1);
    qvirtio_queue(&c->v, &c->data, 1);
    qvirtio_queue(&c->v, &c->control, CONTROL);
    qvirtio_driver_ok(&c->v);
    c->out = qvirtio_alloc(&c->v, MAX_SIZE + 8192);
    c->in = qvirtio_alloc(&c->v, MAX_SIZE + 8192);
}

static void start(Crypto *c)
{
    *c = (Crypto){ .qt = qtest_start("-m 16 " ARGS) };
    drive(c);
}

static void put(Crypto *c, unsigned offset, uint32_t value)
{
    qtest_writel(c->qt, c->out + offset, value);
}

static void put_hex(Crypto *c, unsigned offset, const char *hex)
{
    for (unsigned i = 0; hex[2 * i]; i++) {
        qtest_writeb(c->qt, c->out + offset + i,
                     (uint8_t)(g_ascii_xdigit_value(hex[2 * i]) << 4 |
                               g_ascii_xdigit_value(hex[2 * i + 1])));
    }
}

/* The status of a session's making, and its number. */
static uint32_t create(Crypto *c, uint32_t cipher, const char *key, uint64_t *session)
{
    unsigned len = (unsigned)strlen(key) / 2;

    qtest_memset(c->qt, c->out, 0, REQUEST);
    put(c, 0, CREATE);
    put(c, 4, cipher);
    put(c, 16, cipher);
    put(c, 20, len);
    put(c, 24, 1);
    put(c, 64, 1); /* a cipher alone */
    put_hex(c, REQUEST, key);
    g_assert_cmpuint(qvirtq_ask(&c->control, c->out, REQUEST + len, c->in, 16), ==, 16);
    *session = qtest_readq(c->qt, c->in);
    return qtest_readl(c->qt, c->in + 8);
}

static uint8_t destroy(Crypto *c, uint64_t session)
{
    qtest_memset(c->qt, c->out, 0, REQUEST);
    put(c, 0, DESTROY);
    qtest_writeq(c->qt, c->out + 16, session);
    g_assert_cmpuint(qvirtq_ask(&c->control, c->out, REQUEST, c->in, 1), ==, 1);
    return qtest_readb(c->qt, c->in);
}

static void request(Crypto *c, uint32_t op, uint64_t session, uint32_t iv_len, uint32_t src_len,
                    uint32_t dst_len)
{
    qtest_memset(c->qt, c->out, 0, REQUEST);
    put(c, 0, op);
    qtest_writeq(c->qt, c->out + 8, session);
    put(c, 24, iv_len);
    put(c, 28, src_len);
    put(c, 32, dst_len);
    put(c, 64, 1);
}

/* A request of @out_len bytes whose answer has @in_len: its status. */
static uint8_t ask(Crypto *c, uint32_t out_len, uint32_t in_len)
{
    g_assert_cmpuint(qvirtq_ask(&c->data, c->out, out_len, c->in, in_len), ==, in_len);
    return qtest_readb(c->qt, c->in + in_len - 1);
}

static char *run(Crypto *c, uint32_t op, uint64_t session, const char *iv, const char *data)
{
    unsigned iv_len = (unsigned)strlen(iv) / 2, len = (unsigned)strlen(data) / 2;
    GString *text = g_string_new(NULL);

    request(c, op, session, iv_len, len, len);
    put_hex(c, REQUEST, iv);
    put_hex(c, REQUEST + iv_len, data);
    g_assert_cmpuint(ask(c, REQUEST + iv_len + len, len + 1), ==, OK);
    for (unsigned i = 0; i < len; i++) {
        g_string_append_printf(text, "%02x", qtest_readb(c->qt, c->in + i));
    }
    return g_string_free(text, FALSE);
}

/* NIST SP 800-38A, appendix F, and IEEE 1619, appendix B. */
static const struct {
    uint32_t cipher;
    const char *key, *iv, *plain, *secret;
} vectors[] = {
    { ECB, "2b7e151628aed2a6abf7158809cf4f3c", "", "6bc1bee22e409f96e93d7e117393172a",
      "3ad77bb40d7a3660a89ecaf32466ef97" },
    { ECB, "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", "",
      "6bc1bee22e409f96e93d7e117393172a", "bd334f1d6e45f25ff712a214571fa5cc" },
    { CBC, "2b7e151628aed2a6abf7158809cf4f3c", "000102030405060708090a0b0c0d0e0f",
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
      "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2" },
    { CBC, "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
      "000102030405060708090a0b0c0d0e0f", "6bc1bee22e409f96e93d7e117393172a",
      "f58c4c04d6e5f1ba779eabfb5f7bfbd6" },
    { CTR, "2b7e151628aed2a6abf7158809cf4f3c", "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
      "6bc1bee22e409f96e93d7e117393172aae", "874d6191b620e3261bef6864990db6ce98" },
    { XTS, "0000000000000000000000000000000000000000000000000000000000000000",
      "00000000000000000000000000000000",
      "0000000000000000000000000000000000000000000000000000000000000000",
      "917cf69ebd68b2ec9b9fe9a3eadda692cd43d2f59598ed858c02c2652fbf922e" },
};

static void test_crypto_vectors(void)
{
    uint64_t session;
    Crypto c;

    start(&c);
    g_assert_cmphex(qpci_read(c.qt, DEVFN, 0, 4), ==, 0x10541af4);
    g_assert_cmphex(qvirtio_config(&c.v, 0, 4), ==, 1); /* ready */
    g_assert_cmphex(qvirtio_config(&c.v, 4, 4), ==, 2); /* queues */
    g_assert_cmphex(qvirtio_config(&c.v, 8, 4), ==, 1); /* ciphers */
    g_assert_cmphex(qvirtio_config(&c.v, 12, 4), ==, 1u << ECB | 1u << CBC | 1u << CTR | 1u << XTS);
    g_assert_cmphex(qvirtio_config(&c.v, 48, 4), ==, MAX_SIZE);
    for (unsigned i = 0; i < G_N_ELEMENTS(vectors); i++) {
        g_assert_cmpuint(create(&c, vectors[i].cipher, vectors[i].key, &session), ==, OK);
        g_autofree char *secret = run(&c, ENCRYPT, session, vectors[i].iv, vectors[i].plain);
        g_autofree char *plain = run(&c, DECRYPT, session, vectors[i].iv, vectors[i].secret);

        g_assert_cmpstr(secret, ==, vectors[i].secret);
        g_assert_cmpstr(plain, ==, vectors[i].plain);
        g_assert_cmpuint(destroy(&c, session), ==, OK);
        g_assert_cmpuint(destroy(&c, session), ==, INVSESS);
    }
    qtest_quit(c.qt);
}

#define KEY "2b7e151628aed2a6abf7158809cf4f3c"

static void test_crypto_sessions(void)
{
    uint64_t session;
    Crypto c;

    start(&c);
    g_assert_cmpuint(create(&c, CBC, "00", &session), ==, NOTSUPP);
    g_assert_cmpuint(create(&c, XTS, KEY, &session), ==, NOTSUPP);
    for (unsigned cipher = 0; cipher < 40; cipher++) {
        if (cipher != ECB && cipher != CBC && cipher != CTR) {
            g_assert_cmpuint(create(&c, cipher, KEY, &session), ==, NOTSUPP);
        }
    }
    g_assert_cmpuint(create(&c, UINT32_MAX, KEY, &session), ==, NOTSUPP);
    put(&c, 20, 16); /* a key that is not there */
    put(&c, 16, CBC);
    qvirtq_ask(&c.control, c.out, REQUEST + 15, c.in, 16);
    g_assert_cmpuint(qtest_readl(c.qt, c.in + 8), ==, BADMSG);
    put(&c, 0, 0x102); /* a hash's */
    qvirtq_ask(&c.control, c.out, REQUEST, c.in, 16);
    g_assert_cmpuint(qtest_readl(c.qt, c.in + 8), ==, NOTSUPP);
    for (unsigned i = 0; i < 256; i++) {
        g_assert_cmpuint(create(&c, CBC, KEY, &session), ==, OK);
        g_assert_cmpuint(session, ==, i);
    }
    g_assert_cmpuint(create(&c, CBC, KEY, &session), ==, NOSPC);
    g_assert_cmpuint(destroy(&c, 256), ==, INVSESS);
    g_assert_cmpuint(destroy(&c, UINT64_MAX), ==, INVSESS);
    qvirtio_set_status(&c.v, 0); /* a reset ends them */
    drive(&c);
    g_assert_cmpuint(create(&c, CBC, KEY, &session), ==, OK);
    g_assert_cmpuint(session, ==, 0);
    qtest_quit(c.qt);
}

static void test_crypto_hostile(void)
{
    static const struct {
        uint32_t op;
        uint64_t session;
        uint32_t iv, src, dst, out, in, status;
    } cases[] = {
        { ENCRYPT, 1, 16, 16, 16, REQUEST + 32, 17, INVSESS },
        { ENCRYPT, UINT64_MAX, 16, 16, 16, REQUEST + 32, 17, INVSESS },
        { 2, 0, 16, 16, 16, REQUEST + 32, 17, NOTSUPP },
        { 0x100, 0, 16, 16, 16, REQUEST + 32, 17, NOTSUPP },
        { ENCRYPT, 0, 15, 16, 16, REQUEST + 32, 17, BADMSG },
        { ENCRYPT, 0, UINT32_MAX, 16, 16, REQUEST + 32, 17, BADMSG },
        { ENCRYPT, 0, 16, 17, 17, REQUEST + 33, 18, BADMSG },
        { ENCRYPT, 0, 16, 16, 15, REQUEST + 32, 17, BADMSG },
        { ENCRYPT, 0, 16, 16, 16, REQUEST + 32, 16, BADMSG },
        { ENCRYPT, 0, 16, 16, 16, REQUEST + 32, 1, BADMSG },
        { ENCRYPT, 0, 16, 16, 16, REQUEST + 31, 17, BADMSG },
        { ENCRYPT, 0, 16, 16, 16, REQUEST, 17, BADMSG },
        { ENCRYPT, 0, 16, UINT32_MAX, UINT32_MAX, REQUEST + 32, 17, BADMSG },
        { DECRYPT, 0, 16, MAX_SIZE + 16, MAX_SIZE + 16, REQUEST + MAX_SIZE + 32, MAX_SIZE + 17,
          BADMSG },
        { DECRYPT, 0, 16, MAX_SIZE, MAX_SIZE, REQUEST + MAX_SIZE + 16, MAX_SIZE + 1, OK },
        { ENCRYPT, 0, 16, 0, 0, REQUEST + 16, 1, OK },
        { ENCRYPT, 0, 16, 16, UINT32_MAX, REQUEST + 32, 40, OK },
    };
    uint64_t session;
    Crypto c;

    start(&c);
    g_assert_cmpuint(create(&c, CBC, KEY, &session), ==, OK);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        request(&c, cases[i].op, cases[i].session, cases[i].iv, cases[i].src, cases[i].dst);
        g_assert_cmpuint(ask(&c, cases[i].out, cases[i].in), ==, cases[i].status);
    }
    /* What is too short to be answered breaks the queue. */
    qtest_allow_stderr(c.qt);
    qvirtq_add_pair(&c.data, c.out, REQUEST - 1, c.in, 1);
    qvirtq_kick(&c.data);
    while (!(qvirtio_status(&c.v) & QVIRTIO_NEEDS_RESET)) {
    }
    qvirtio_set_status(&c.v, 0);
    drive(&c);
    qvirtq_add(&c.control, c.out, REQUEST, false);
    qvirtq_kick(&c.control);
    while (!(qvirtio_status(&c.v) & QVIRTIO_NEEDS_RESET)) {
    }
    qtest_quit(c.qt);
}

/* Sessions go with the machine. */
static void test_crypto_moved(void)
{
    uint64_t session;
    Crypto c;

    start(&c);
    g_autofree char *state = qtest_temp_path(c.qt, "state");
    g_assert_cmpuint(create(&c, ECB, KEY, &session), ==, OK);
    g_assert_cmpuint(create(&c, CTR, KEY, &session), ==, OK);
    qtest_save(c.qt, state);
    QTest *to = qtest_start("-m 16 " ARGS " -incoming file:%s", state);
    qtest_wait_running(to);
    qtest_quit(c.qt);
    c.qt = c.v.qt = to;
    g_autofree char *secret = run(&c, ENCRYPT, session, vectors[4].iv, vectors[4].plain);
    g_assert_cmpstr(secret, ==, vectors[4].secret);
    qtest_quit(to);
}

/* The object stays as long as its device. */
static void test_crypto_plug(void)
{
    QTest *qt = qtest_start("-m 16");

    for (unsigned round = 0; round < 2; round++) {
        qtest_qmp_ok(qt, "object-add", "{'qom-type': 'cryptodev-backend-builtin', 'id': 'c0'}");
        qtest_qmp_ok(qt, "device_add",
                     "{'driver': 'virtio-crypto-pci', 'id': 'v0', 'cryptodev': 'c0', 'addr': '4'}");
        json_object_put(qtest_qmp_error(qt, "object-del", "{'id': 'c0'}"));
        qtest_qmp_ok(qt, "device_del", "{'id': 'v0'}");
        qtest_outl(qt, 0xae08, 1u << 4);
        json_object_put(qtest_event(qt, "DEVICE_DELETED"));
        qtest_qmp_ok(qt, "object-del", "{'id': 'c0'}");
    }
    qtest_quit(qt);
}

static const QTestRefused refused[] = {
    { "-device virtio-crypto-pci", "'cryptodev' is missing" },
    { ARGS " -device virtio-crypto-pci,cryptodev=c0", "belongs to another device" },
    { "-object cryptodev-backend-builtin,id=c,queues=0", "it is 1 to 64" },
    { "-object cryptodev-backend-builtin,id=c,queues=65", "it is 1 to 64" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-crypto/vectors", test_crypto_vectors);
    g_test_add_func("/virtio-crypto/sessions", test_crypto_sessions);
    g_test_add_func("/virtio-crypto/hostile", test_crypto_hostile);
    g_test_add_func("/virtio-crypto/moved", test_crypto_moved);
    g_test_add_func("/virtio-crypto/plug", test_crypto_plug);
    qtest_add_refused("/virtio-crypto/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
