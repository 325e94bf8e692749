/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/block/pflash-cfi01.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/file-lock.h"
#include "block/node.h"
#include "memory/dirty.h"
#include "target/i386/cpu.h"
#include "util/clock.h"
#include "util/error.h"

#define BUFFER_SIZE  64 /* bytes that "write to buffer" takes at once; a power of two */
#define MANUFACTURER 0x89
#define DEVICE_CODE  0x18

/* Commands: the first byte, and what confirms some of them. */
enum {
    CMD_PROGRAM = 0x40,
    CMD_PROGRAM_OLD = 0x10,
    CMD_ERASE = 0x20,
    CMD_CLEAR_STATUS = 0x50,
    CMD_LOCK = 0x60,
    CMD_READ_STATUS = 0x70,
    CMD_READ_ID = 0x90,
    CMD_READ_CFI = 0x98,
    CMD_CONFIRM = 0xd0,
    CMD_WRITE_BUFFER = 0xe8,
    CMD_READ_ARRAY = 0xff,
};

/* Status register. */
enum {
    STATUS_READY = 1 << 7,
    STATUS_ERASE_ERROR = 1 << 5,
    STATUS_PROGRAM_ERROR = 1 << 4,
    STATUS_LOCKED = 1 << 1,
    /* Both error bits: the sequence of commands was wrong. */
    STATUS_SEQUENCE = STATUS_ERASE_ERROR | STATUS_PROGRAM_ERROR,
};

/* What a write means now. */
typedef enum State {
    STATE_COMMAND,
    STATE_PROGRAM,       /* the data */
    STATE_ERASE,         /* the confirmation */
    STATE_LOCK,          /* which kind of lock */
    STATE_BUFFER_COUNT,  /* number of bytes - 1 */
    STATE_BUFFER_DATA,   /* one of them */
    STATE_BUFFER_CONFIRM /* the confirmation */
} State;

typedef enum View { VIEW_ARRAY, VIEW_STATUS, VIEW_ID, VIEW_CFI } View;

typedef struct Pflash {
    Device parent;
    /* configuration */
    const char *name; /* of the RAM block; borrowed */
    char *file;
    bool readonly;
    bool secure;  /* property */
    uint64_t max; /* bytes that the machine has room for */
    PflashUse use;
    /* wiring */
    int fd;
    bool told; /* of an error of the file */
    RamBlock *ram;
    MemoryRegion region;
    /* state */
    State state;
    View view;
    uint8_t status;
    /* write to buffer */
    uint8_t buffer[BUFFER_SIZE];
    hwaddr buffer_start; /* the first byte's place */
    unsigned buffer_len, buffer_left;
} Pflash;
OBJECT_CAST_DEFINE(Pflash, PFLASH, TYPE_PFLASH_CFI01)

/* ---- what can be read ---- */

/* Read array is the state in which memory is seen and executed. */
static void set_view(Pflash *s, View view)
{
    s->view = view;
    memory_region_rom_device_set_commands(&s->region, view != VIEW_ARRAY);
}

static unsigned log2_ceil(uint64_t n)
{
    unsigned bits = 0;

    while (n > UINT64_C(1) << bits) {
        bits++;
    }
    return bits;
}

/* The query structure (JESD68, section 2.1), from offset 0x10 on. */
static uint8_t cfi_byte(const Pflash *s, hwaddr offset)
{
    unsigned blocks = (unsigned)(s->ram->size / PFLASH_BLOCK) - 1;
    const uint8_t table[] = {
        'Q',
        'R',
        'Y', /* 0x10 */
        0x01,
        0x00,
        0x31,
        0x00, /* Intel's commands; their table */
        0x00,
        0x00,
        0x00,
        0x00, /* no other commands */
        0x45,
        0x55,
        0x00,
        0x00, /* 0x1b: 4.5 to 5.5 V, no Vpp */
        0x07,
        0x07,
        0x0a,
        0x00, /* typical times: 2^n us program, buffer; 2^n ms erase */
        0x04,
        0x04,
        0x04,
        0x00,                             /* longest: 2^n times that */
        (uint8_t)log2_ceil(s->ram->size), /* 0x27 */
        0x00,
        0x00, /* 8 bits wide */
        (uint8_t)log2_ceil(BUFFER_SIZE),
        0x00,
        0x01, /* 0x2c: one kind of block; their number - 1, their size / 256 */
        (uint8_t)blocks,
        (uint8_t)(blocks >> 8),
        (uint8_t)(PFLASH_BLOCK >> 8),
        (uint8_t)(PFLASH_BLOCK >> 16),
        'P',
        'R',
        'I',
        '1',
        '0', /* 0x31: Intel's table: nothing optional */
    };

    return offset >= 0x10 && offset - 0x10 < sizeof(table) ? table[offset - 0x10] : 0;
}

static uint8_t id_byte(const Pflash *s, hwaddr offset)
{
    switch (offset % PFLASH_BLOCK) {
    case 0:
        return MANUFACTURER;
    case 1:
        return DEVICE_CODE;
    case 2: /* of this block: locked */
        return s->readonly;
    default:
        return 0;
    }
}

static uint8_t read_byte(const Pflash *s, hwaddr addr)
{
    switch (s->view) {
    case VIEW_STATUS:
        return s->status;
    case VIEW_ID:
        return id_byte(s, addr);
    case VIEW_CFI:
        return cfi_byte(s, addr);
    default:
        return s->ram->host[addr];
    }
}

/* May whoever accesses it now give commands? */
static bool is_master(const Pflash *s)
{
    return !s->secure || (current_cpu && current_cpu->smm);
}

static uint64_t pflash_read(void *opaque, hwaddr addr, unsigned size)
{
    Pflash *s = opaque;
    uint64_t value = 0;

    if (!is_master(s)) { /* it cannot have asked for anything else */
        memcpy(&value, s->ram->host + addr, size);
        return value;
    }

    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)read_byte(s, addr + i) << (8 * i);
    }
    return value;
}

/* ---- what can be changed ---- */

/* Put [start, start + len) into the file. */
static bool write_through(Pflash *s, hwaddr start, size_t len)
{
    int64_t begin = g_get_monotonic_time();
    ssize_t done = pwrite(s->fd, s->ram->host + start, len, (off_t)start);

    s->use.write_ns += (g_get_monotonic_time() - begin) * NS_PER_US;
    if (done == (ssize_t)len) {
        s->use.writes++;
        s->use.written_bytes += len;
        s->use.written_end = MAX(s->use.written_end, start + len);
        return true;
    }
    s->use.failed_writes++;
    if (!s->told) {
        error_report("flash file %s cannot be written: %s; what the guest stores there is lost",
                     s->file, done < 0 ? g_strerror(errno) : "no room");
        s->told = true;
    }
    return false;
}

/* Bits can only be cleared. @error: the status bit of a failure. */
static void program(Pflash *s, hwaddr start, const uint8_t *data, unsigned len)
{
    if (s->readonly) {
        s->status |= STATUS_PROGRAM_ERROR | STATUS_LOCKED;
        return;
    }
    for (unsigned i = 0; i < len; i++) {
        s->ram->host[start + i] &= data[i];
    }
    dirty_mark(s->ram, start, len);
    if (!write_through(s, start, len)) {
        s->status |= STATUS_PROGRAM_ERROR;
    }
}

static void erase(Pflash *s, hwaddr addr)
{
    hwaddr start = addr - addr % PFLASH_BLOCK;

    if (s->readonly) {
        s->status |= STATUS_ERASE_ERROR | STATUS_LOCKED;
        return;
    }
    memset(s->ram->host + start, 0xff, PFLASH_BLOCK);
    dirty_mark(s->ram, start, PFLASH_BLOCK);
    if (!write_through(s, start, PFLASH_BLOCK)) {
        s->status |= STATUS_ERASE_ERROR;
    }
}

/* ---- commands ---- */

static void start_command(Pflash *s, uint8_t command)
{
    static const struct {
        uint8_t command;
        State state;
        View view;
    } commands[] = {
        { CMD_PROGRAM, STATE_PROGRAM, VIEW_STATUS },
        { CMD_PROGRAM_OLD, STATE_PROGRAM, VIEW_STATUS },
        { CMD_ERASE, STATE_ERASE, VIEW_STATUS },
        { CMD_LOCK, STATE_LOCK, VIEW_STATUS },
        { CMD_WRITE_BUFFER, STATE_BUFFER_COUNT, VIEW_STATUS },
        { CMD_READ_STATUS, STATE_COMMAND, VIEW_STATUS },
        { CMD_CLEAR_STATUS, STATE_COMMAND, VIEW_STATUS },
        { CMD_READ_ID, STATE_COMMAND, VIEW_ID },
        { CMD_READ_CFI, STATE_COMMAND, VIEW_CFI },
        { CMD_READ_ARRAY, STATE_COMMAND, VIEW_ARRAY },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (commands[i].command == command) {
            /* All of it, "ready" too, until the next operation: by a status of 0 OVMF tells flash
             * from ROM and RAM. */
            s->status = command == CMD_CLEAR_STATUS ? 0 : s->status;
            s->state = commands[i].state;
            set_view(s, commands[i].view);
            return;
        }
    }
    set_view(s, VIEW_ARRAY); /* unknown ones, as 0xf0 of other makes */
}

static void start_buffer(Pflash *s, unsigned count)
{
    if (count >= BUFFER_SIZE) {
        s->status |= STATUS_READY | STATUS_SEQUENCE;
        s->state = STATE_COMMAND;
        return;
    }
    s->buffer_left = count + 1;
    s->buffer_len = 0;
    s->state = STATE_BUFFER_DATA;
}

/* Bytes come in ascending order; the buffer does not cross blocks. */
static void fill_buffer(Pflash *s, hwaddr addr, uint64_t value, unsigned size)
{
    if (s->buffer_len == 0) {
        s->buffer_start = addr;
    }
    if (addr != s->buffer_start + s->buffer_len || size > s->buffer_left ||
        addr / PFLASH_BLOCK != s->buffer_start / PFLASH_BLOCK) {
        s->status |= STATUS_READY | STATUS_SEQUENCE;
        s->state = STATE_COMMAND;
        return;
    }
    memcpy(s->buffer + s->buffer_len, &value, size);
    s->buffer_len += size;
    s->buffer_left -= size;
    if (!s->buffer_left) {
        s->state = STATE_BUFFER_CONFIRM;
    }
}

/* The second and last part of a command. */
static void finish_command(Pflash *s, hwaddr addr, uint64_t value, unsigned size)
{
    State state = s->state;

    s->state = STATE_COMMAND;
    s->status |= STATUS_READY;
    if (state == STATE_PROGRAM) {
        program(s, addr, (const uint8_t *)&value, size);
    } else if (state == STATE_LOCK) {
        return; /* nothing can be locked for itself: accepted */
    } else if ((uint8_t)value != CMD_CONFIRM) {
        s->status |= STATUS_SEQUENCE;
    } else if (state == STATE_ERASE) {
        erase(s, addr);
    } else {
        program(s, s->buffer_start, s->buffer, s->buffer_len);
    }
}

static void pflash_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Pflash *s = opaque;

    if (!is_master(s)) {
        return;
    }
    switch (s->state) {
    case STATE_COMMAND:
        start_command(s, value);
        break;
    case STATE_BUFFER_COUNT:
        start_buffer(s, (uint8_t)value);
        break;
    case STATE_BUFFER_DATA:
        fill_buffer(s, addr, value, size);
        break;
    default:
        finish_command(s, addr, value, size);
        break;
    }
}

static const MemoryRegionOps pflash_ops = { pflash_read, pflash_write, 1, 8 };

/* ---- the file ---- */

static bool lock_file(Pflash *s, GError **errp)
{
    FileLock lock = { .fd = s->fd };
    unsigned perm;

    if (file_lock_set(&lock, BLOCK_PERM_READ | (s->readonly ? 0 : BLOCK_PERM_WRITE),
                      BLOCK_PERM_ALL & ~BLOCK_PERM_WRITE, &perm) != EAGAIN) {
        return true; /* or a file system without locks */
    }
    error_set(errp, "%s: another program uses it%s; give each machine a copy of its own", s->file,
              s->readonly ? " and may write to it" : "");
    return false;
}

static bool check_size(const Pflash *s, uint64_t size, GError **errp)
{
    if (size == 0 || size % PFLASH_BLOCK || size > s->max) {
        error_set(errp,
                  "%s: a flash of %" PRIu64 " bytes is not possible: it must be a "
                  "multiple of %u bytes, and there is room for %" PRIu64 " bytes",
                  s->file, size, PFLASH_BLOCK, s->max);
        return false;
    }
    return true;
}

static bool read_file(Pflash *s, GError **errp)
{
    struct stat st;

    if (fstat(s->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        error_set(errp, "%s: not a regular file; give one with the contents of a flash", s->file);
        return false;
    }
    if (!check_size(s, (uint64_t)st.st_size, errp) || !lock_file(s, errp)) {
        return false;
    }
    s->ram = ram_block_new(s->name, (uint64_t)st.st_size, -1, false, true, 0, errp);
    if (!s->ram) {
        return false;
    }
    int64_t begin = g_get_monotonic_time();
    ssize_t done = pread(s->fd, s->ram->host, s->ram->size, 0);
    s->use = (PflashUse){ .file = s->file,
                          .readonly = s->readonly,
                          .read_bytes = s->ram->size,
                          .read_ns = (g_get_monotonic_time() - begin) * NS_PER_US };
    if (done != (ssize_t)s->ram->size) {
        error_set(errp, "%s: cannot read it: %s", s->file,
                  done < 0 ? g_strerror(errno) : "it became shorter");
        return false;
    }
    return true;
}

static bool open_file(Pflash *s, GError **errp)
{
    s->fd = open(s->file, (s->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
    if (s->fd < 0) {
        error_set(errp, "%s: cannot open it%s: %s%s", s->file, s->readonly ? "" : " for writing",
                  g_strerror(errno),
                  s->readonly || errno == ENOENT ? ""
                                                 : "; use readonly=on, or a copy that is yours");
        return false;
    }
    if (!read_file(s, errp)) {
        g_clear_pointer(&s->ram, ram_block_unref);
        close(s->fd);
        return false;
    }
    return true;
}

/* ---- the device ---- */

static bool pflash_realize(Device *dev, GError **errp)
{
    Pflash *s = PFLASH(dev);

    if (!open_file(s, errp)) {
        return false;
    }
    memory_region_init_rom_device(&s->region, &pflash_ops, s, TYPE_PFLASH_CFI01, s->ram);
    s->status = STATUS_READY;
    return true;
}

static void pflash_unrealize(Device *dev)
{
    Pflash *s = PFLASH(dev);

    if (s->region.container) { /* who asked for it has mapped it */
        memory_region_remove(&s->region);
    }
    memory_region_destroy(&s->region);
    g_clear_pointer(&s->ram, ram_block_unref);
    close(s->fd);
}

static void pflash_reset(Device *dev)
{
    Pflash *s = PFLASH(dev);

    s->state = STATE_COMMAND;
    s->status = STATUS_READY;
    set_view(s, VIEW_ARRAY);
}

static const Property pflash_properties[] = {
    { .name = "file",
      .kind = PROP_STRING,
      .offset = offsetof(Pflash, file),
      .description = "file with the contents" },
    { .name = "readonly",
      .kind = PROP_BOOL,
      .offset = offsetof(Pflash, readonly),
      .has_default = true,
      .description = "nothing can be changed" },
    { .name = "secure",
      .kind = PROP_BOOL,
      .offset = offsetof(Pflash, secure),
      .has_default = true,
      .description = "only processors in system management mode can change it" },
    { 0 },
};

static const StateField pflash_fields[] = {
    STATE_UINT_MAX(Pflash, state, STATE_BUFFER_CONFIRM),
    STATE_UINT_MAX(Pflash, view, VIEW_CFI),
    STATE_UINT(Pflash, status),
    STATE_UINTS(Pflash, buffer),
    STATE_UINT(Pflash, buffer_start),
    STATE_UINT_MAX(Pflash, buffer_len, BUFFER_SIZE),
    STATE_UINT_MAX(Pflash, buffer_left, BUFFER_SIZE),
    {},
};

static const StateTable pflash_state = { .name = "cfi.pflash01",
                                         .version = 1,
                                         .fields = pflash_fields };

static const DeviceClass pflash_device_ops = {
    .category = "storage",
    .realize = pflash_realize,
    .unrealize = pflash_unrealize,
    .reset = pflash_reset,
    .state = &pflash_state,
};

static const ObjectType pflash_type = {
    .name = TYPE_PFLASH_CFI01,
    .parent = TYPE_DEVICE,
    .description = "Parallel NOR flash with Intel's commands",
    .instance_size = sizeof(Pflash),
    .properties = pflash_properties,
    .ops = &pflash_device_ops,
};
OBJECT_TYPE_REGISTER(pflash_type)

Device *pflash_cfi01_create(const char *name, const char *file, bool readonly, uint64_t max,
                            GError **errp)
{
    Device *dev = device_new_onboard(TYPE_PFLASH_CFI01);
    Pflash *s = PFLASH(dev);

    s->name = name;
    s->file = g_strdup(file);
    s->readonly = readonly;
    s->max = max;
    if (!device_realize(dev, errp)) {
        object_unparent(&dev->parent);
        return NULL;
    }
    return dev;
}

MemoryRegion *pflash_cfi01_region(Device *dev)
{
    return &PFLASH(dev)->region;
}

char *pflash_cfi01_name(Device *dev)
{
    return g_path_get_basename(PFLASH(dev)->file);
}

const PflashUse *pflash_cfi01_use(Device *dev)
{
    return &PFLASH(dev)->use;
}
