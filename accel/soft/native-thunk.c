/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Generates thunks for native.c. A thunk is called as void thunk(NativeFrame *rdi) and uses
 *   r8 the frame, r9 the memory buffer, slots: xmm1-xmm4 (ymm1-ymm4) resp. r10, r11, rsi.
 * It leaves RDI alone, and RSP where it was at the guest's instruction: native-fault.c needs both.
 * Code lies in chunks mapped twice, once writable and once executable.
 */
#include "accel/soft/native.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/error.h"

#define CHUNK_SIZE     (256 * 1024)
#define THUNK_MAX_SIZE 512

static const uint8_t slot_gpr[] = { 10, 11, 6 };

/* The cache and the chunk; the lock protects both. */
static GMutex thunk_lock;
static GHashTable *thunk_cache; /* GBytes key -> NativeThunk */
static struct {
    uint8_t *write, *exec;
    size_t used;
} chunk;

typedef struct ThunkCode {
    uint8_t bytes[THUNK_MAX_SIZE];
    unsigned len;
} ThunkCode;

static void put(ThunkCode *c, const void *bytes, unsigned len)
{
    g_assert(c->len + len <= sizeof(c->bytes));
    memcpy(c->bytes + c->len, bytes, len);
    c->len += len;
}

#define PUT(c, ...) \
    put(c, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* mov r64, [base + disp8] resp. mov [base + disp8], r64; base is not rsp or r12. */
static void put_mov(ThunkCode *c, bool store, unsigned reg, unsigned base, uint8_t disp)
{
    PUT(c, 0x48 | (reg >> 3) << 2 | base >> 3, store ? 0x89 : 0x8b,
        0x40 | (reg & 7) << 3 | (base & 7), disp);
}

#define R8            8
#define R9            9
#define FRAME(member) (offsetof(NativeFrame, member))

/* movups xmm, [r9 + disp32] or back */
static void put_movups_r9(ThunkCode *c, bool store, unsigned xmm, uint32_t disp)
{
    PUT(c, 0x41, 0x0f, store ? 0x11 : 0x10, 0x81 | xmm << 3);
    put(c, &disp, 4);
}

/* vmovups xmm, [r9], or back */
static void put_vmovups(ThunkCode *c, bool store, unsigned xmm)
{
    PUT(c, 0xc4, 0xc1, 0x78, store ? 0x11 : 0x10, (uint8_t)(xmm << 3 | 1));
}

/* Upper half of a YMM register: vinsertf128 ymm, ymm, [r9], 1; or vextractf128 [r9], ymm, 1 */
static void put_ymm_high(ThunkCode *c, bool store, unsigned ymm)
{
    PUT(c, 0xc4, 0xc3, store ? 0x7d : (uint8_t)(0x05 | (~ymm & 15) << 3), store ? 0x19 : 0x18,
        (uint8_t)(ymm << 3 | 1), 1);
}

/* A YMM register and the places of its halves, which the frame has at @low and @high. */
static void put_ymm(ThunkCode *c, bool store, unsigned ymm, uint8_t low, uint8_t high)
{
    put_mov(c, false, R9, R8, low);
    put_vmovups(c, store, ymm);
    put_mov(c, false, R9, R8, high);
    put_ymm_high(c, store, ymm);
}

/* FXRSTOR64 or FXSAVE64 [r9] */
static void put_fx(ThunkCode *c, bool store)
{
    put_mov(c, false, R9, R8, FRAME(fx));
    PUT(c, 0x49, 0x0f, 0xae, store ? 0x01 : 0x09);
}

/* LDMXCSR or STMXCSR [r8 + disp] */
static void put_mxcsr(ThunkCode *c, bool store, uint8_t disp)
{
    PUT(c, 0x41, 0x0f, 0xae, store ? 0x58 : 0x50, disp);
}

static void put_slots(ThunkCode *c, const NativeRequest *r, bool store)
{
    for (unsigned i = 0; i < NATIVE_SLOTS; i++) {
        uint8_t disp = FRAME(slot) + 8 * i;
        if (store && !r->slot_written[i]) {
            continue;
        }
        switch (r->thunk.slots[i]) {
        case NATIVE_SLOT_XMM:
            put_mov(c, false, R9, R8, disp);
            put_movups_r9(c, store, i + 1, 0);
            break;
        case NATIVE_SLOT_YMM:
            put_ymm(c, store, i + 1, disp, (uint8_t)(FRAME(high) + 8 * i));
            break;
        case NATIVE_SLOT_GPR:
            put_mov(c, false, R9, R8, disp);
            put_mov(c, store, slot_gpr[i], R9, 0);
            break;
        case NATIVE_SLOT_GPR_HIGH8: /* only ever read */
            put_mov(c, false, R9, R8, disp);
            put_mov(c, false, slot_gpr[i], R9, 0);
            PUT(c, 0x48 | slot_gpr[i] >> 3, 0xc1, 0xe8 | (slot_gpr[i] & 7), 8); /* shr reg, 8 */
            break;
        }
    }
}

static void put_fixed(ThunkCode *c, const NativeRequest *r, bool store)
{
    if (r->fixed_gprs) {
        put_mov(c, false, R9, R8, FRAME(regs));
        for (unsigned reg = 0; reg < 3; reg++) {
            if (r->fixed_gprs & (1 << reg)) {
                put_mov(c, store, reg, R9, 8 * reg);
            }
        }
    }
    if (r->fixed_xmm0) {
        put_mov(c, false, R9, R8, FRAME(fx));
        put_movups_r9(c, store, 0, FX_XMM);
        if (r->thunk.avx) {
            put_mov(c, false, R9, R8, FRAME(ymm0_high));
            put_ymm_high(c, store, 0);
        }
    }
}

static void put_thunk(ThunkCode *c, const NativeRequest *r, const uint8_t *insn, unsigned insn_len)
{
    const NativeThunk *thunk = &r->thunk;

    PUT(c, 0x49, 0x89, 0xf8); /* mov r8, rdi */
    if (thunk->whole_fpu) {
        put_fx(c, false);
    }
    if (thunk->mxcsr || thunk->whole_fpu) {
        put_mxcsr(c, false, FRAME(mxcsr));
    }
    put_slots(c, r, false);
    put_fixed(c, r, false);
    put_mov(c, false, R9, R8, FRAME(mem));
    if (r->flags_read) {
        PUT(c, 0x41, 0xff, 0x70, FRAME(flags), 0x9d); /* push [r8+flags]; popfq */
    }
    put(c, insn, insn_len);
    if (thunk->flags_written) {
        PUT(c, 0x9c, 0x41, 0x8f, 0x40, FRAME(flags)); /* pushfq; pop [r8+flags] */
    }
    put_fixed(c, r, true);
    put_slots(c, r, true);
    if (thunk->avx) {
        PUT(c, 0xc5, 0xf8, 0x77); /* vzeroupper: C code is SSE, which is slow with upper halves */
    }
    if (thunk->whole_fpu) {
        put_fx(c, true);
        PUT(c, 0xdb, 0xe3); /* fninit: what C code expects */
    }
    if (thunk->mxcsr || thunk->whole_fpu) {
        put_mxcsr(c, true, FRAME(mxcsr));
        put_mxcsr(c, false, FRAME(host_mxcsr));
    }
    PUT(c, 0xc3);
}

static bool chunk_new(void)
{
    int fd = memfd_create("dimmable-thunks", MFD_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    void *w = MAP_FAILED, *x = MAP_FAILED;
    if (ftruncate(fd, CHUNK_SIZE) == 0) {
        w = mmap(NULL, CHUNK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        x = mmap(NULL, CHUNK_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    }
    close(fd);
    if (w == MAP_FAILED || x == MAP_FAILED) {
        if (w != MAP_FAILED) {
            munmap(w, CHUNK_SIZE);
        }
        return false;
    }
    chunk.write = w;
    chunk.exec = x;
    chunk.used = 0;
    native_fault_add_range(x, CHUNK_SIZE);
    return true;
}

static void describe(NativeThunk *thunk, const NativeRequest *r, const uint8_t *insn,
                     unsigned insn_len)
{
    thunk->plain =
        !r->thunk.avx && !r->fixed_gprs && !r->fixed_xmm0 && !r->flags_read && !r->thunk.whole_fpu;
    for (unsigned i = 0; i < NATIVE_SLOTS; i++) {
        thunk->plain = thunk->plain && r->thunk.slots[i] != NATIVE_SLOT_GPR_HIGH8;
        thunk->slots_written |= (uint8_t)(r->slot_written[i] << i);
    }
    thunk->insn_len = (uint8_t)insn_len;
    memcpy(thunk->insn, insn, insn_len);
}

static NativeThunk *thunk_generate(const NativeRequest *r, const uint8_t *insn, unsigned insn_len)
{
    ThunkCode code = { .len = 0 };
    put_thunk(&code, r, insn, insn_len);
    if ((!chunk.write || chunk.used + code.len > CHUNK_SIZE) && !chunk_new()) {
        error_report("no memory for thunks of the software CPU");
        return NULL;
    }
    memcpy(chunk.write + chunk.used, code.bytes, code.len);
    NativeThunk *thunk = g_new(NativeThunk, 1);
    *thunk = r->thunk;
    describe(thunk, r, insn, insn_len);
    thunk->code = (void (*)(NativeFrame *))(uintptr_t)(chunk.exec + chunk.used);
    chunk.used += (code.len + 15) & ~15u;
    return thunk;
}

const NativeThunk *native_thunk_get(const NativeRequest *r)
{
    uint8_t insn[ZYDIS_MAX_INSTRUCTION_LENGTH];
    ZyanUSize insn_len = sizeof(insn);
    if (!ZYAN_SUCCESS(ZydisEncoderEncodeInstruction(&r->encoding, insn, &insn_len))) {
        return NULL;
    }
    /* Equal instructions with equal handling share a thunk. */
    GByteArray *key_bytes = g_byte_array_new();
    g_byte_array_append(key_bytes, insn, insn_len);
    g_byte_array_append(key_bytes, r->thunk.slots, sizeof(r->thunk.slots));
    g_byte_array_append(key_bytes, &r->thunk.mem_size, 1);
    GBytes *key = g_byte_array_free_to_bytes(key_bytes);

    g_mutex_lock(&thunk_lock);
    if (!thunk_cache) {
        thunk_cache =
            g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    }
    NativeThunk *thunk = g_hash_table_lookup(thunk_cache, key);
    if (!thunk) {
        thunk = thunk_generate(r, insn, insn_len);
        if (thunk) {
            g_hash_table_insert(thunk_cache, g_bytes_ref(key), thunk);
        }
    }
    g_mutex_unlock(&thunk_lock);
    g_bytes_unref(key);
    return thunk;
}
