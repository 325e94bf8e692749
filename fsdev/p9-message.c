/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fsdev/p9-message.h"

#include <string.h>

static uint64_t get(P9Reader *in, unsigned size)
{
    uint64_t value = 0;

    if (in->bad || in->left < size) {
        in->bad = true;
        return 0;
    }
    for (unsigned i = size; i-- > 0;) {
        value = value << 8 | in->data[i];
    }
    in->data += size;
    in->left -= size;
    return value;
}

uint8_t p9_get_u8(P9Reader *in)
{
    return (uint8_t)get(in, 1);
}

uint16_t p9_get_u16(P9Reader *in)
{
    return (uint16_t)get(in, 2);
}

uint32_t p9_get_u32(P9Reader *in)
{
    return (uint32_t)get(in, 4);
}

uint64_t p9_get_u64(P9Reader *in)
{
    return get(in, 8);
}

char *p9_get_string(P9Reader *in)
{
    uint16_t len = p9_get_u16(in);
    char *text;

    if (in->bad || in->left < len || memchr(in->data, 0, len)) {
        in->bad = true;
        return NULL;
    }
    text = g_strndup((const char *)in->data, len);
    in->data += len;
    in->left -= len;
    return text;
}

static void put(P9Writer *out, uint64_t value, unsigned size)
{
    if (out->full || out->size - out->used < size) {
        out->full = true;
        return;
    }
    for (unsigned i = 0; i < size; i++, value >>= 8) {
        out->data[out->used++] = (uint8_t)value;
    }
}

void p9_put_u8(P9Writer *out, uint8_t value)
{
    put(out, value, 1);
}

void p9_put_u16(P9Writer *out, uint16_t value)
{
    put(out, value, 2);
}

void p9_put_u32(P9Writer *out, uint32_t value)
{
    put(out, value, 4);
}

void p9_put_u64(P9Writer *out, uint64_t value)
{
    put(out, value, 8);
}

void p9_put_string(P9Writer *out, const char *text)
{
    size_t len = strlen(text);

    p9_put_u16(out, (uint16_t)len);
    if (out->full || len > UINT16_MAX || out->size - out->used < len) {
        out->full = true;
        return;
    }
    memcpy(out->data + out->used, text, len);
    out->used += len;
}

void p9_put_qid(P9Writer *out, const P9Qid *qid)
{
    p9_put_u8(out, qid->type);
    p9_put_u32(out, qid->version);
    p9_put_u64(out, qid->path);
}
