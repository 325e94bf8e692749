/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sb16: a Sound Blaster 16 (Creative's hardware programming guide): a processor that takes commands
 * byte by byte, plays and records by ISA DMA, and a mixer that keeps what it is told. What is
 * recorded is silence; how loud it is, the guest decides before. Machine lock for everything.
 */
#include <inttypes.h>
#include <string.h>

#include "audio/audio.h"
#include "hw/audio/sound.h"
#include "hw/char/isa-ports.h"
#include "hw/core/irq-lines.h"
#include "hw/dma/i8257.h"
#include "hw/intc/isa-irq.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/timer.h"

#define TYPE_SB16 "sb16"

/* Ports, from iobase + FIRST on. */
enum { FIRST = 4, MIXER_INDEX = 4, MIXER_DATA, RESET, READ = 0xa, WRITE = 0xc, PORTS = 0x10 };
enum { READ_STATUS = 0xe, ACKNOWLEDGE_16 = 0xf, AVAILABLE = 0x80 };
enum { MIXER_IRQ = 0x80, MIXER_DMA = 0x81, MIXER_PENDING = 0x82 };
enum { PENDING_8 = 1, PENDING_16 = 2 };
enum { ARGUMENTS = 3, ANSWERS = 64, RATE_LEAST = 4000, RATE_MOST = 45454, RATE_USUAL = 11025 };
enum { MODE_STEREO = 0x20, MODE_SIGNED = 0x10 };
enum { GENERIC_IN = 8, GENERIC_REPEAT = 4 };

typedef struct Sb16 {
    Device parent;
    uint8_t mixer[256], mixer_index;
    uint8_t command, arguments[ARGUMENTS], given; /* given: with the command itself */
    uint8_t answers[ANSWERS], answered, have;     /* what is to be read; a ring */
    uint8_t test, reset;
    bool speaker;
    uint16_t rate;
    uint16_t block; /* bytes less one, of commands that do not say it */
    bool runs, paused, wide, records, repeats, last_block;
    uint8_t mode;        /* MODE_ */
    uint32_t size, left; /* of a block, bytes */
    uint8_t pending;     /* interrupts */
    uint64_t since;      /* up to when it was moved */
    Timer *timer;
    /* configuration */
    uint32_t iobase, irq_number, channel, channel16, version;
    char *audiodev;
    /* wiring */
    Irq irq;
    AudioVoice *voice;
    MemoryRegion ports;
} Sb16;
OBJECT_CAST_DEFINE(Sb16, SB16, TYPE_SB16)

static void update(Sb16 *s)
{
    irq_set(&s->irq, s->pending != 0);
}

static void answer(Sb16 *s, uint8_t value)
{
    if (s->have < ANSWERS) {
        s->answers[(s->answered + s->have++) % ANSWERS] = value;
    }
}

/* ---- data ---- */

static unsigned frame_of(const Sb16 *s)
{
    return (s->wide ? 2 : 1) * (s->mode & MODE_STEREO ? 2 : 1);
}

static bool moves(const Sb16 *s)
{
    return s->runs && !s->paused;
}

static void set_voice(Sb16 *s)
{
    if (moves(s) && !s->records) {
        audio_voice_start(s->voice, s->rate);
    } else {
        audio_voice_stop(s->voice);
    }
}

static int16_t sample(const Sb16 *s, const uint8_t *data, unsigned n)
{
    uint16_t value =
        s->wide ? (uint16_t)(data[2 * n] | data[2 * n + 1] << 8) : (uint16_t)(data[n] << 8);

    return (int16_t)(s->mode & MODE_SIGNED ? value : value ^ 0x8000);
}

static void play(Sb16 *s, const uint8_t *data, unsigned frames)
{
    unsigned sides = s->mode & MODE_STEREO ? 2 : 1;
    g_autofree int16_t *samples = g_new(int16_t, 2 * (size_t)frames + 1);

    for (unsigned i = 0; i < 2 * frames; i++) {
        samples[i] = sample(s, data, i / 2 * sides + (sides == 2 ? i % 2 : 0));
    }
    audio_voice_write(s->voice, samples, frames);
}

/* The block is through. */
static void block_done(Sb16 *s)
{
    s->pending |= s->wide ? PENDING_16 : PENDING_8;
    s->left = s->size;
    if (!s->repeats || s->last_block) {
        s->runs = s->last_block = false;
        isa_dma_request(s->wide ? s->channel16 : s->channel, false);
    }
}

/* By DMA, as far as the guest has set it up. */
static unsigned move(Sb16 *s, uint8_t *data, unsigned size)
{
    unsigned channel = s->wide ? s->channel16 : s->channel, done = 0;
    bool ended = true;

    while (done < size && ended) {
        done += isa_dma_move(channel, data + done, size - done, s->records, &ended);
    }
    return done;
}

static void run(Sb16 *s)
{
    enum { CHUNK = 2048 };
    unsigned frames = sound_due(&s->since, clock_ns(), s->rate);

    while (frames && moves(s)) {
        uint8_t data[CHUNK];
        unsigned frame = frame_of(s), bytes = MIN(MIN(frames, CHUNK / frame) * frame, s->left);

        memset(data, s->mode & MODE_SIGNED || s->wide ? 0 : 0x80, sizeof(data)); /* silence */
        bytes = move(s, data, bytes);
        if (!s->records) {
            play(s, data, bytes / frame);
        }
        s->left -= bytes;
        if (!s->left) {
            block_done(s);
        }
        if (bytes < frame) {
            break; /* nobody has set up DMA, or the block is no whole frame */
        }
        frames -= bytes / frame;
    }
}

static void expired(void *opaque)
{
    Sb16 *s = opaque;

    if (moves(s)) {
        set_voice(s);
        run(s);
        set_voice(s);
        update(s);
    }
    if (moves(s)) {
        timer_mod(s->timer, clock_ns() + SOUND_PERIOD_NS);
    }
}

static void go_on(Sb16 *s)
{
    s->paused = false;
    s->since = (uint64_t)clock_ns();
    set_voice(s);
    timer_mod(s->timer, clock_ns() + SOUND_PERIOD_NS);
}

static void begin(Sb16 *s, bool wide, uint32_t size)
{
    isa_dma_request(s->wide ? s->channel16 : s->channel, false);
    s->wide = wide;
    s->size = s->left = size;
    s->runs = true;
    s->last_block = false;
    isa_dma_request(wide ? s->channel16 : s->channel, true);
    go_on(s);
}

static void pause_data(Sb16 *s)
{
    s->paused = true;
    set_voice(s);
}

/* ---- commands ---- */

static uint32_t argument_size(const Sb16 *s, unsigned at)
{
    return (s->arguments[at] | (uint32_t)s->arguments[at + 1] << 8) + 1;
}

/* 0xb0 to 0xcf: 16 or 8 bits, direction, once or again and again. */
static void generic(Sb16 *s)
{
    bool wide = s->command < 0xc0;

    s->records = s->command & GENERIC_IN;
    s->repeats = s->command & GENERIC_REPEAT;
    s->mode = s->arguments[0] & (MODE_STEREO | MODE_SIGNED);
    begin(s, wide, argument_size(s, 1) * (wide ? 2 : 1));
}

/* The older ones, of 8 bits. */
static void bytes_once(Sb16 *s)
{
    s->mode = 0;
    s->repeats = false;
    s->records = s->command == 0x24;
    begin(s, false, argument_size(s, 0));
}

static void bytes_block(Sb16 *s)
{
    s->mode = 0;
    s->repeats = s->command != 0x91 && s->command != 0x99;
    s->records = s->command == 0x2c || s->command == 0x98 || s->command == 0x99;
    begin(s, false, s->block + 1u);
}

static void time_constant(Sb16 *s)
{
    s->rate = (uint16_t)CLAMP(1000000 / (256 - s->arguments[0]), RATE_LEAST, RATE_MOST);
}

static void set_rate(Sb16 *s)
{
    s->rate = (uint16_t)CLAMP(s->arguments[0] << 8 | s->arguments[1], RATE_LEAST, RATE_MOST);
}

static void set_block(Sb16 *s)
{
    s->block = (uint16_t)(argument_size(s, 0) - 1);
}

static void stop_repeating(Sb16 *s)
{
    s->last_block = true;
}

static void speaker(Sb16 *s)
{
    s->speaker = s->command == 0xd1;
}

static void tell(Sb16 *s)
{
    static const char copyright[] = "COPYRIGHT (C) CREATIVE TECHNOLOGY LTD, 1992.";

    switch (s->command) {
    case 0xd8:
        answer(s, s->speaker ? 0xff : 0);
        break;
    case 0xe0:
        answer(s, (uint8_t)~s->arguments[0]);
        break;
    case 0xe1:
        answer(s, (uint8_t)(s->version >> 8));
        answer(s, (uint8_t)s->version);
        break;
    case 0xe3:
        for (unsigned i = 0; i < sizeof(copyright); i++) {
            answer(s, (uint8_t)copyright[i]);
        }
        break;
    case 0xe8:
        answer(s, s->test);
        break;
    default:
        answer(s, 0);
    }
}

static void set_test(Sb16 *s)
{
    s->test = s->arguments[0];
}

static void interrupt(Sb16 *s)
{
    s->pending |= s->command == 0xf3 ? PENDING_16 : PENDING_8;
    update(s);
}

static void nothing(Sb16 *s)
{
}

static const struct Sb16Command {
    uint8_t first, last, arguments;
    void (*run)(Sb16 *s);
} commands[] = {
    { 0x10, 0x10, 1, nothing }, /* one sample */
    { 0x14, 0x14, 2, bytes_once },     { 0x1c, 0x1c, 0, bytes_block },
    { 0x24, 0x24, 2, bytes_once },     { 0x2c, 0x2c, 0, bytes_block },
    { 0x40, 0x40, 1, time_constant },  { 0x41, 0x42, 2, set_rate },
    { 0x48, 0x48, 2, set_block },      { 0x80, 0x80, 2, nothing },
    { 0x90, 0x91, 0, bytes_block },    { 0x98, 0x99, 0, bytes_block },
    { 0xb0, 0xcf, 3, generic },        { 0xd0, 0xd0, 0, pause_data },
    { 0xd1, 0xd1, 0, speaker },        { 0xd3, 0xd3, 0, speaker },
    { 0xd4, 0xd4, 0, go_on },          { 0xd5, 0xd5, 0, pause_data },
    { 0xd6, 0xd6, 0, go_on },          { 0xd8, 0xd8, 0, tell },
    { 0xd9, 0xda, 0, stop_repeating }, { 0xe0, 0xe0, 1, tell },
    { 0xe1, 0xe1, 0, tell },           { 0xe3, 0xe3, 0, tell },
    { 0xe4, 0xe4, 1, set_test },       { 0xe8, 0xe8, 0, tell },
    { 0xf2, 0xf3, 0, interrupt },      { 0xf8, 0xf8, 0, tell },
};

static const struct Sb16Command *find(uint8_t command)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (command >= commands[i].first && command <= commands[i].last) {
            return &commands[i];
        }
    }
    return NULL;
}

static void write_command(Sb16 *s, uint8_t value)
{
    const struct Sb16Command *command;

    if (s->given) {
        s->arguments[s->given - 1] = value;
    } else {
        s->command = value;
    }
    s->given++;
    command = find(s->command);
    if (!command) {
        s->given = 0;
    } else if (s->given > command->arguments) {
        s->given = 0;
        command->run(s);
    }
}

/* ---- ports ---- */

static void stop_all(Sb16 *s)
{
    isa_dma_request(s->channel, false);
    isa_dma_request(s->channel16, false);
    s->runs = s->paused = s->wide = s->records = s->repeats = s->last_block = s->speaker = false;
    s->given = s->have = s->answered = s->pending = 0;
    s->size = s->left = 1;
    timer_del(s->timer);
    set_voice(s);
    update(s);
}

static void reset_mixer(Sb16 *s)
{
    static const uint8_t irqs[ISA_IRQS] = { [2] = 1, [9] = 1, [5] = 2, [7] = 4, [10] = 8 };

    memset(s->mixer, 0, sizeof(s->mixer));
    for (unsigned i = 0x30; i <= 0x35; i++) {
        s->mixer[i] = 0xc0; /* master, voice, MIDI */
    }
    s->mixer[MIXER_IRQ] = irqs[s->irq_number];
    s->mixer[MIXER_DMA] = (uint8_t)(1u << s->channel | 1u << s->channel16);
}

static void write_reset(Sb16 *s, uint8_t value)
{
    if (s->reset & 1 && !(value & 1)) {
        stop_all(s);
        answer(s, 0xaa);
    }
    s->reset = value;
}

static void write_mixer(Sb16 *s, uint8_t value)
{
    if (s->mixer_index == 0) {
        reset_mixer(s);
    } else if (s->mixer_index != MIXER_IRQ && s->mixer_index != MIXER_DMA) { /* wires */
        s->mixer[s->mixer_index] = value;
    }
}

static uint8_t read_answer(Sb16 *s)
{
    uint8_t value = s->answers[s->answered];

    if (s->have) {
        s->answered = (uint8_t)((s->answered + 1) % ANSWERS);
        s->have--;
    }
    return value;
}

static void acknowledge(Sb16 *s, uint8_t which)
{
    s->pending &= (uint8_t)~which;
    update(s);
}

static uint64_t sb16_read(void *opaque, hwaddr addr, unsigned size)
{
    Sb16 *s = opaque;

    switch (addr + FIRST) {
    case MIXER_INDEX:
        return s->mixer_index;
    case MIXER_DATA:
        return s->mixer_index == MIXER_PENDING ? s->pending : s->mixer[s->mixer_index];
    case READ:
        return read_answer(s);
    case WRITE: /* it can always take one */
        return 0;
    case READ_STATUS:
        acknowledge(s, PENDING_8);
        return s->have ? AVAILABLE : 0;
    case ACKNOWLEDGE_16:
        acknowledge(s, PENDING_16);
        return 0xff;
    }
    return 0xff;
}

static void sb16_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Sb16 *s = opaque;

    switch (addr + FIRST) {
    case MIXER_INDEX:
        s->mixer_index = (uint8_t)value;
        break;
    case MIXER_DATA:
        write_mixer(s, (uint8_t)value);
        break;
    case RESET:
        write_reset(s, (uint8_t)value);
        break;
    case WRITE:
        write_command(s, (uint8_t)value);
        break;
    }
}

static const MemoryRegionOps sb16_ops = { sb16_read, sb16_write, 1, 1 };

/* ---- life ---- */

static void sb16_reset(Device *dev)
{
    Sb16 *s = SB16(dev);

    stop_all(s);
    reset_mixer(s);
    memset(s->answers, 0, sizeof(s->answers));
    memset(s->arguments, 0, sizeof(s->arguments));
    s->mixer_index = s->command = s->test = s->reset = s->mode = 0;
    s->rate = RATE_USUAL;
    s->block = 0;
    s->since = 0;
}

static bool check(const Sb16 *s, GError **errp)
{
    if (s->irq_number != 2 && s->irq_number != 5 && s->irq_number != 7 && s->irq_number != 9 &&
        s->irq_number != 10) {
        error_set(errp, "'irq' %" PRIu32 ": a card of this kind has 2, 5, 7, 9 or 10",
                  s->irq_number);
    } else if (s->channel > 3 || s->channel == 2 || s->channel16 < 5 || s->channel16 > 7) {
        error_set(errp, "'dma' is 0, 1 or 3, and 'dma16' 5 to 7");
    } else if (s->iobase > 0x10000 - PORTS) {
        error_set(errp, "'iobase' 0x%" PRIx32 " is no port for %d registers", s->iobase, PORTS);
    } else {
        return isa_ports_free("iobase", s->iobase + FIRST, PORTS - FIRST, errp);
    }
    return false;
}

static bool take_channels(Sb16 *s, GError **errp)
{
    const IsaDmaUser user = { NULL, s };

    if (!isa_dma_take(s->channel, &user, errp)) {
        return false;
    }
    if (!isa_dma_take(s->channel16, &user, errp)) {
        isa_dma_give_back(s->channel);
        return false;
    }
    return true;
}

static bool sb16_realize(Device *dev, GError **errp)
{
    Sb16 *s = SB16(dev);
    AudioDev *audio = audio_dev_find(s->audiodev, errp);

    if (!audio || !check(s, errp) || !take_channels(s, errp)) {
        return false;
    }
    s->voice = audio_voice_new(audio);
    s->timer = timer_new(expired, s);
    s->irq = isa_irq(s->irq_number);
    sb16_reset(dev);
    memory_region_init_io(&s->ports, &sb16_ops, s, TYPE_SB16, PORTS - FIRST);
    memory_region_add(memory_io(), s->iobase + FIRST, &s->ports);
    return true;
}

static void sb16_unrealize(Device *dev)
{
    Sb16 *s = SB16(dev);

    memory_region_remove(&s->ports);
    memory_region_destroy(&s->ports);
    isa_dma_give_back(s->channel);
    isa_dma_give_back(s->channel16);
    g_clear_pointer(&s->timer, timer_free);
    g_clear_pointer(&s->voice, audio_voice_free);
}

static bool sb16_post_load(void *obj, GError **errp)
{
    const Sb16 *s = obj;

    if (s->rate < RATE_LEAST || s->rate > RATE_MOST || !s->left || s->left > s->size) {
        error_set(errp, "%u samples a second, %u of %u bytes", s->rate, s->left, s->size);
        return false;
    }
    return true;
}

static const StateField sb16_fields[] = {
    STATE_UINTS(Sb16, mixer),
    STATE_UINT(Sb16, mixer_index),
    STATE_UINT(Sb16, command),
    STATE_UINTS(Sb16, arguments),
    STATE_UINT_MAX(Sb16, given, ARGUMENTS),
    STATE_UINTS(Sb16, answers),
    STATE_UINT_MAX(Sb16, answered, ANSWERS - 1),
    STATE_UINT_MAX(Sb16, have, ANSWERS),
    STATE_UINT(Sb16, test),
    STATE_UINT(Sb16, reset),
    STATE_BOOL(Sb16, speaker),
    STATE_UINT(Sb16, rate),
    STATE_UINT(Sb16, block),
    STATE_BOOL(Sb16, runs),
    STATE_BOOL(Sb16, paused),
    STATE_BOOL(Sb16, wide),
    STATE_BOOL(Sb16, records),
    STATE_BOOL(Sb16, repeats),
    STATE_BOOL(Sb16, last_block),
    STATE_UINT(Sb16, mode),
    STATE_UINT_MAX(Sb16, size, 0x20000),
    STATE_UINT_MAX(Sb16, left, 0x20000),
    STATE_UINT_MAX(Sb16, pending, PENDING_8 | PENDING_16),
    STATE_UINT(Sb16, since),
    STATE_TIMER(Sb16, timer),
    {},
};
static const StateTable sb16_state = {
    .name = TYPE_SB16, .version = 1, .fields = sb16_fields, .post_load = sb16_post_load
};

#define SB16_NUMBER(NAME, member, initial, text)                               \
    {                                                                          \
        .name = (NAME), .kind = PROP_UINT32, .offset = offsetof(Sb16, member), \
        .has_default = true, .default_int = (initial), .description = (text)   \
    }

static const Property sb16_properties[] = {
    SB16_NUMBER("version", version, 0x0405, "of its processor, as it tells it"),
    SB16_NUMBER("iobase", iobase, 0x220, "first of its ports"),
    SB16_NUMBER("irq", irq_number, 5, "ISA interrupt line"),
    SB16_NUMBER("dma", channel, 1, "ISA DMA channel of samples of 8 bits"),
    SB16_NUMBER("dma16", channel16, 5, "of samples of 16 bits"),
    { .name = "audiodev",
      .kind = PROP_STRING,
      .offset = offsetof(Sb16, audiodev),
      .description = "id of the -audiodev where its sound goes; without it nobody hears it" },
    { 0 },
};

static const DeviceClass sb16_class = {
    .category = "sound",
    .flags = DEVICE_USER_CREATABLE,
    .realize = sb16_realize,
    .unrealize = sb16_unrealize,
    .reset = sb16_reset,
    .state = &sb16_state,
};

static const ObjectType sb16_type = {
    .name = TYPE_SB16,
    .parent = TYPE_DEVICE,
    .description = "Creative Sound Blaster 16",
    .instance_size = sizeof(Sb16),
    .properties = sb16_properties,
    .ops = &sb16_class,
};
OBJECT_TYPE_REGISTER(sb16_type)

static const IrqLines sb16_lines[] = {
    { .type = TYPE_SB16, .out = true, .offset = offsetof(Sb16, irq), .count = 1 },
    {},
};
IRQ_LINES_REGISTER(sb16_lines)
