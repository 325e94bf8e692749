/* SPDX-License-Identifier: GPL-2.0-or-later */
/* General queries, and what a client sets with them. */
#include <string.h>

#include "monitor/gdb/registers.h"
#include "monitor/gdb/session.h"
#include "monitor/hmp.h"

/* @args: behind the name. */
typedef void Query(GdbSession *g, const char *args, GString *reply);

static void on_supported(GdbSession *g, const char *args, GString *reply)
{
    g_auto(GStrv) theirs = g_strsplit_set(args, ":;", -1);

    g->multiprocess = g_strv_contains((const char *const *)theirs, "multiprocess+");
    g->tells_break[ACCEL_BREAK_SOFT] = g_strv_contains((const char *const *)theirs, "swbreak+");
    g->tells_break[ACCEL_BREAK_HARD] = g_strv_contains((const char *const *)theirs, "hwbreak+");
    g_string_printf(reply,
                    "PacketSize=%x;qXfer:features:read+;vContSupported+;QStartNoAckMode+%s%s%s",
                    GDB_PACKET_SIZE, g->multiprocess ? ";multiprocess+" : "",
                    g->tells_break[ACCEL_BREAK_SOFT] ? ";swbreak+" : "",
                    g->tells_break[ACCEL_BREAK_HARD] ? ";hwbreak+" : "");
}

static void on_no_ack(GdbSession *g, const char *args, GString *reply)
{
    g->no_ack_next = true;
    g_string_assign(reply, "OK");
}

static void on_attached(GdbSession *g, const char *args, GString *reply)
{
    g_string_assign(reply, "1");
}

static void on_current(GdbSession *g, const char *args, GString *reply)
{
    g_string_assign(reply, "QC");
    gdb_append_thread(g, reply, g->cpu);
}

static void on_first_threads(GdbSession *g, const char *args, GString *reply)
{
    for (unsigned i = 0; i < gdb_cpu_count(); i++) {
        if (gdb_cpu((int)i)) {
            g_string_append_c(reply, i ? ',' : 'm');
            gdb_append_thread(g, reply, i);
        }
    }
}

static void on_more_threads(GdbSession *g, const char *args, GString *reply)
{
    g_string_assign(reply, "l");
}

static void on_thread(GdbSession *g, const char *args, GString *reply)
{
    g_autofree char *text = NULL;
    int index;

    if (!gdb_parse_thread(&args, &index) || *args || index < 0) {
        g_string_assign(reply, "E22");
        return;
    }
    const X86Cpu *cpu = gdb_cpu(index);
    text = g_strdup_printf("CPU %d, %s", index,
                           cpu->wait_for_sipi ? "not started"
                           : cpu->halted      ? "halted"
                                              : "running");
    gdb_append_hex(reply, text, strlen(text));
}

/* "OFFSET,LENGTH" of the description: "l" and the last part of it, or "m" and a part. */
static void on_features(GdbSession *g, const char *args, GString *reply)
{
    g_autofree char *xml = gdb_registers_describe(&gdb_current_cpu(g)->model);
    uint64_t offset, len, size = strlen(xml);

    if (!gdb_parse_hex(&args, &offset) || !gdb_parse_char(&args, ',') ||
        !gdb_parse_hex(&args, &len) || *args || offset > size) {
        g_string_assign(reply, "E22");
        return;
    }
    len = MIN(len, GDB_PACKET_SIZE / 2);
    g_string_append_c(reply, size - offset > len ? 'm' : 'l');
    g_string_append_len(reply, xml + offset, (gssize)MIN(len, size - offset));
}

/* ---- `monitor COMMAND` ---- */

/* Output in pieces that fit a packet. */
static void send_output(GdbSession *g, const GString *text)
{
    for (gsize at = 0, part; at < text->len; at += part) {
        g_autoptr(GString) piece = g_string_new("O");

        part = MIN(text->len - at, GDB_PACKET_SIZE / 4);
        gdb_append_hex(piece, text->str + at, part);
        gdb_send(g, piece);
    }
}

static void on_command(GdbSession *g, const char *args, GString *reply)
{
    g_autoptr(GByteArray) line = gdb_parse_bytes(args);

    if (!line) {
        g_string_assign(reply, "E22");
        return;
    }
    g_byte_array_append(line, (const uint8_t *)"", 1);
    Hmp hmp = { .out = g_string_new(NULL), .cpu_index = (int)g->cpu };
    g->running_command = true;
    hmp_run(&hmp, (const char *)line->data);
    g->running_command = false;
    send_output(g, hmp.out);
    g_string_free(hmp.out, TRUE);
    g_string_assign(reply, "OK");
}

/* ---- how steps are made, what addresses are ---- */

static void on_extensions(GdbSession *g, const char *args, GString *reply)
{
    g_string_assign(reply, "sstepbits;sstep;PhyMemMode");
}

static void on_step_bits(GdbSession *g, const char *args, GString *reply)
{
    g_string_printf(reply, "ENABLE=%x,NOIRQ=%x,NOTIMER=%x", GDB_STEP_ENABLE, GDB_STEP_NO_IRQ,
                    GDB_STEP_NO_TIMER);
}

static void on_step_get(GdbSession *g, const char *args, GString *reply)
{
    g_string_printf(reply, "0x%x", g->step);
}

static void on_step_set(GdbSession *g, const char *args, GString *reply)
{
    uint64_t value;
    bool ok;

    args += g_str_has_prefix(args, "0x") ? 2 : 0;
    ok = gdb_parse_hex(&args, &value) && !*args && value <= GDB_STEP_DEFAULT;
    if (ok) {
        g->step = (unsigned)value;
    }
    g_string_assign(reply, ok ? "OK" : "E22");
}

static void on_physical_get(GdbSession *g, const char *args, GString *reply)
{
    g_string_assign(reply, g->physical ? "1" : "0");
}

static void on_physical_set(GdbSession *g, const char *args, GString *reply)
{
    bool ok = (args[0] == '0' || args[0] == '1') && !args[1];

    if (ok) {
        g->physical = args[0] == '1';
    }
    g_string_assign(reply, ok ? "OK" : "E22");
}

/* ---- */

static const struct {
    const char *name;
    char separator; /* 0: nothing follows; else, after it, what the function gets */
    Query *fn;
} queries[] = {
    { "qSupported", 0, on_supported },
    { "qSupported", ':', on_supported },
    { "QStartNoAckMode", 0, on_no_ack },
    { "qAttached", 0, on_attached },
    { "qAttached", ':', on_attached },
    { "qC", 0, on_current },
    { "qfThreadInfo", 0, on_first_threads },
    { "qsThreadInfo", 0, on_more_threads },
    { "qThreadExtraInfo", ',', on_thread },
    { "qXfer:features:read:target.xml", ':', on_features },
    { "qRcmd", ',', on_command },
    { "qqemu.Supported", 0, on_extensions },
    { "qqemu.sstepbits", 0, on_step_bits },
    { "qqemu.sstep", 0, on_step_get },
    { "Qqemu.sstep", '=', on_step_set },
    { "Qqemu.sstep", ':', on_step_set },
    { "qqemu.PhyMemMode", 0, on_physical_get },
    { "Qqemu.PhyMemMode", ':', on_physical_set },
};

void gdb_query(GdbSession *g, const char *packet, GString *reply)
{
    for (size_t i = 0; i < G_N_ELEMENTS(queries); i++) {
        size_t len = strlen(queries[i].name);

        if (strncmp(packet, queries[i].name, len) == 0 && packet[len] == queries[i].separator) {
            queries[i].fn(g, packet + len + (packet[len] != '\0'), reply);
            return;
        }
    }
}
