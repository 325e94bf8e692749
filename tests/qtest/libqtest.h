/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine without a CPU, driven by a test: the program runs with -accel qtest, its devices are
 * reached by port and memory accesses over the qtest protocol (system/qtest.h), its monitor by QMP.
 * Time in the machine stands still unless the test steps it.
 *
 *     QTest *qt = qtest_start("-m 2G,slots=4,maxmem=8G");
 *     json_object_put(qtest_qmp(qt, "object-add", "{'qom-type': 'memory-backend-ram', 'id': %s,"
 *                                                 " 'size': %" G_GINT64_MODIFIER "d }", id, size));
 *     g_assert_cmphex(qtest_inb(qt, 0x61) & 0x20, ==, 0);
 *     qtest_quit(qt);
 *
 * What goes wrong (no answer in time, a FAIL, an error reply where none is expected, the program's
 * death) ends the test with a message that names the command. The functions are for the thread
 * that started the machine; machines are independent of each other.
 *
 * The program is the value of the environment variable DIMMABLE_PROGRAM.
 */
#ifndef TESTS_QTEST_LIBQTEST_H
#define TESTS_QTEST_LIBQTEST_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#define QTEST_TIMEOUT_MS 60000 /* for each answer and each event: then it counts as hanging */

typedef struct QTest QTest;

/* ---- the machine ---- */

/* Start a machine: "-accel qtest -nodefaults -display none", then @args, a printf format of words
 * as for a shell (quotes are understood). Waits until QMP is ready. Free with qtest_quit(). */
QTest *qtest_start(const char *args, ...) G_GNUC_PRINTF(1, 2);
/* The same with the words in a NULL-terminated array, which stays the caller's. */
QTest *qtest_startv(const char *const *args);

/* End the machine by QMP `quit`, assert that its exit status is 0 and that it printed nothing on
 * stderr unless qtest_allow_stderr() was called; free @qt. NULL is allowed. */
void qtest_quit(QTest *qt);
void qtest_allow_stderr(QTest *qt);

/* Wait until the program has ended by itself; its exit status (128 + n for signal n). qtest_quit()
 * must still be called and then only frees. */
int qtest_wait_exit(QTest *qt);
/* What the program has printed up to now; g_free. */
char *qtest_output(QTest *qt);
/* The program's process id. */
pid_t qtest_pid(QTest *qt);

/* Run the program with @args (as for qtest_start(), "-accel qtest -nodefaults -display none" come
 * before them) when it is expected to end by itself at once: its exit status; *@output, if not
 * NULL, is what it printed (both streams; g_free). */
int qtest_run_program(char **output, const char *args, ...) G_GNUC_PRINTF(2, 3);

/* Words that no machine is made of, and what the program says of them. */
typedef struct QTestRefused {
    const char *args, *message;
} QTestRefused;
/* A test PATH/N for each of @count @cases: the program ends with status 1 and a message that has
 * the words of it. @cases are borrowed for good. */
void qtest_add_refused(const char *path, const QTestRefused *cases, size_t count);

/* A file of this machine's own, in a folder removed by qtest_quit(): its path. g_free. */
char *qtest_temp_path(QTest *qt, const char *name);

/* ---- the protocol ---- */

/* Send one line (without its newline) and return the reply line whatever it is; g_free. */
char *qtest_line(QTest *qt, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* Assert that the reply starts with OK; what follows "OK ", or "". g_free. */
char *qtest_line_ok(QTest *qt, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

uint8_t qtest_inb(QTest *qt, uint16_t port);
uint16_t qtest_inw(QTest *qt, uint16_t port);
uint32_t qtest_inl(QTest *qt, uint16_t port);
void qtest_outb(QTest *qt, uint16_t port, uint8_t value);
void qtest_outw(QTest *qt, uint16_t port, uint16_t value);
void qtest_outl(QTest *qt, uint16_t port, uint32_t value);

/* Guest-physical memory, little-endian as the guest is. */
uint8_t qtest_readb(QTest *qt, uint64_t addr);
uint16_t qtest_readw(QTest *qt, uint64_t addr);
uint32_t qtest_readl(QTest *qt, uint64_t addr);
uint64_t qtest_readq(QTest *qt, uint64_t addr);
void qtest_writeb(QTest *qt, uint64_t addr, uint8_t value);
void qtest_writew(QTest *qt, uint64_t addr, uint16_t value);
void qtest_writel(QTest *qt, uint64_t addr, uint32_t value);
void qtest_writeq(QTest *qt, uint64_t addr, uint64_t value);

/* @size bytes, any number; they go in pieces and as base64. */
void qtest_memread(QTest *qt, uint64_t addr, void *buf, size_t size);
void qtest_memwrite(QTest *qt, uint64_t addr, const void *buf, size_t size);
void qtest_memset(QTest *qt, uint64_t addr, uint8_t byte, size_t size);

/* ---- time: the machine's virtual clock, in nanoseconds from its start ---- */

/* Go on by @ns and run what falls due; the clock now. */
int64_t qtest_clock_step(QTest *qt, int64_t ns);
/* Go on to the next timer, if there is one; the clock now. */
int64_t qtest_clock_step_next(QTest *qt);
/* Go on to @ns, which must not be in the past; the clock now. */
int64_t qtest_clock_set(QTest *qt, int64_t ns);

/* ---- interrupts ---- */

#define QTEST_MAX_IRQ 32

/* From now on hear of changes of the input (output) lines of the device at QOM path @path
 * ("ioapic", "isa-i8259", ...: docs/qtest.md); they go on working. One device a machine. */
void qtest_irq_intercept_in(QTest *qt, const char *path);
void qtest_irq_intercept_out(QTest *qt, const char *path);
/* The level of intercepted line @num, 0 before anything was heard of it. Everything that follows
 * from commands already answered is seen. */
bool qtest_get_irq(QTest *qt, unsigned num);
/* How often line @num was raised since it was intercepted. */
unsigned qtest_irq_raised(QTest *qt, unsigned num);
/* Set input line @num of the device at @path; @name is the group of lines or NULL for the unnamed.
 */
void qtest_set_irq_in(QTest *qt, const char *path, const char *name, int num, int level);

/* ---- QMP ---- */

/*
 * JSON text with printf-like conversions that stand for whole values: %s a string (quoted and
 * escaped as needed, NULL is null), %d %i int, %u unsigned, %ld %lu %lld %llu %zu, %f double,
 * %p a json_object * (whose reference is taken), %% a percent sign; PRId64 and friends work.
 * Single quotes may stand for double ones; conversions cannot be inside of quotes. g_error if it is
 * not JSON.
 */
json_object *qtest_json(const char *fmt, ...);
json_object *qtest_vjson(const char *fmt, va_list ap);

/* Run @command with @arguments (as for qtest_json(); NULL for none) and return its `return` value;
 * json_object_put. An error reply ends the test. Events that come meanwhile are kept. */
json_object *qtest_qmp(QTest *qt, const char *command, const char *arguments, ...);
/* The same, for commands whose value is of no interest. */
void qtest_qmp_ok(QTest *qt, const char *command, const char *arguments, ...);
/* The whole reply, with `return` or `error`. */
json_object *qtest_qmp_reply(QTest *qt, const char *command, const char *arguments, ...);
/* Assert that the command fails; its `error` object with `class` and `desc`. */
json_object *qtest_qmp_error(QTest *qt, const char *command, const char *arguments, ...);
/* Send @object itself, whole ("execute" and so on); the reply that has its id or, if it has none,
 * the next one. Takes the reference. */
json_object *qtest_qmp_raw(QTest *qt, json_object *object);

/* Human monitor: what the command printed, with \r\n made \n; g_free. */
char *qtest_hmp(QTest *qt, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

typedef bool QTestEventMatch(json_object *event, void *opaque);

/* The oldest event @name not yet taken, which it takes; waits for it. The whole object with
 * "event", "data", "timestamp"; json_object_put. The test ends if none comes in
 * QTEST_TIMEOUT_MS. Other events are kept for later calls. */
json_object *qtest_event(QTest *qt, const char *name);
/* The same for the first that @match accepts (NULL accepts any), within @timeout_ms; NULL if none
 * comes. */
json_object *qtest_event_match(QTest *qt, const char *name, QTestEventMatch *match, void *opaque,
                               int timeout_ms);
/* The first event @name, within QTEST_TIMEOUT_MS, whose "data" has member @key as string @value. */
json_object *qtest_event_with(QTest *qt, const char *name, const char *key, const char *value);
/* Save the machine to the file @path, and wait until that is done. */
void qtest_save(QTest *qt, const char *path);
/* The status that query-status tells is @state. */
void qtest_assert_state(QTest *qt, const char *state);
/* Wait until the machine runs: after -incoming, which may be through before a client could see its
 * events. */
void qtest_wait_running(QTest *qt);
/* Wait until it is loaded, by -incoming, whether it runs then or stands. */
void qtest_wait_loaded(QTest *qt);
/* How many events @name are here and not taken; those caused by commands already answered are. */
unsigned qtest_event_count(QTest *qt, const char *name);
/* Forget all events that are here. */
void qtest_events_clear(QTest *qt);

/* ---- JSON made short ---- */

/* The value at @path in @object, "data.info.slot" or "0.data.id" (numbers index arrays); borrowed;
 * NULL if there is none. */
json_object *qtest_get(json_object *object, const char *path);
/* The same; the test ends if it is not there or not of that type. */
const char *qtest_get_str(json_object *object, const char *path);
int64_t qtest_get_int(json_object *object, const char *path);
bool qtest_get_bool(json_object *object, const char *path);
/* Assert that @object is the same JSON as what @fmt gives. */
void qtest_assert_json(json_object *object, const char *fmt, ...);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_object, json_object_put)

#endif
