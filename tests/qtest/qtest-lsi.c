/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lsi53c895a and lsi53c810 by SCRIPTS of our own; and SCRIPTS that make no sense. */
#include <string.h>
#include <unistd.h>

#include "hw/hba/lsi-regs.h"
#include "hw/hba/scsi-port.h"
#include "hw/scsi/scsi-defs.h"
#include "tests/qtest/disk.h"
#include "util/units.h"

#define BAR     0xe0000000u
#define RAM     0xe0100000u
#define SCRIPT  0x200000u
#define MESSAGE 0x201000u
#define CDB     0x202000u
#define STATUS  0x203000u
#define DATA    0x300000u

#define JUMP    0x80080000u
#define INT     0x98080000u
#define INT_FLY 0x98180000u
#define SELECT  0x41000000u /* with ATN */

typedef struct Host {
    QTest *qt;
    char *path;
    unsigned at; /* of the script that is being written */
} Host;

static uint32_t get(const Host *h, unsigned offset)
{
    return qtest_readl(h->qt, BAR + offset);
}

static uint8_t get_byte(const Host *h, unsigned offset)
{
    return qtest_readb(h->qt, BAR + offset);
}

static void set(const Host *h, unsigned offset, uint32_t value)
{
    qtest_writel(h->qt, BAR + offset, value);
}

static void set_byte(const Host *h, unsigned offset, uint8_t value)
{
    qtest_writeb(h->qt, BAR + offset, value);
}

static bool interrupted(const Host *h)
{
    return qpci_read(h->qt, DEVFN, 6, 2) & 8;
}

static void drive(Host *h)
{
    qpci_write(h->qt, DEVFN, 0x10, 4, 0xc000);
    qpci_write(h->qt, DEVFN, 0x14, 4, BAR);
    qpci_write(h->qt, DEVFN, 0x18, 4, RAM);
    qpci_write(h->qt, DEVFN, 4, 2, 7);
    set_byte(h, LSI_DIEN, 0x7f);
    set_byte(h, LSI_SIEN0, 0x8f);
    set_byte(h, LSI_SIEN1, 0x17);
}

static void start_with(Host *h, const char *type, const char *options, const char *file)
{
    *h = (Host){ .path = disk_make_image("lsi") };
    h->qt = qtest_start("-m 64 -device %s,id=s0,addr=4 -drive if=none,id=d0,format=raw%s,file=%s%s "
                        "-device scsi-hd,drive=d0,id=hd0,scsi-id=1",
                        type, options, file, h->path);
    drive(h);
}

static void quit(Host *h)
{
    qtest_quit(h->qt);
    unlink(h->path);
    g_free(h->path);
}

/* ---- scripts ---- */

static void begin(Host *h)
{
    h->at = SCRIPT;
}

static void add(Host *h, uint32_t word, uint32_t operand)
{
    qtest_writel(h->qt, h->at, word);
    qtest_writel(h->qt, h->at + 4, operand);
    h->at += 8;
}

/* A command of @target, LUN 0, that moves @size bytes in @phase (0: to it, 1: from it). */
static void add_command(Host *h, unsigned target, const uint8_t cdb[10], unsigned phase,
                        uint32_t size)
{
    qtest_writeb(h->qt, MESSAGE, 0x80);
    qtest_memwrite(h->qt, CDB, cdb, 10);
    qtest_writel(h->qt, STATUS, 0xffffffff);
    begin(h);
    add(h, SELECT | target << 16, 0);
    add(h, 0x08000000 | LSI_MESSAGE_OUT << 24 | 1, MESSAGE);
    add(h, 0x08000000 | LSI_COMMAND << 24 | 10, CDB);
    if (size) {
        add(h, 0x08000000 | phase << 24 | size, DATA);
    }
    add(h, 0x08000000 | LSI_STATUS << 24 | 1, STATUS);
    add(h, 0x08000000 | LSI_MESSAGE_IN << 24 | 1, STATUS + 1);
    add(h, 0x60000040, 0); /* clear ACK */
    add(h, 0x48000000, 0); /* wait disconnect */
    add(h, INT, 0x1234);
}

static void go(Host *h)
{
    set(h, LSI_DSP, SCRIPT);
}

static uint8_t wait_for(Host *h)
{
    gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000LL;

    while (!(get_byte(h, LSI_ISTAT0) & (LSI_ISTAT_DIP | LSI_ISTAT_SIP))) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    return get_byte(h, LSI_ISTAT0) & (LSI_ISTAT_DIP | LSI_ISTAT_SIP);
}

static void assert_script_ended(Host *h, uint32_t value)
{
    g_assert_cmphex(wait_for(h), ==, LSI_ISTAT_DIP);
    g_assert_true(interrupted(h));
    g_assert_cmphex(get_byte(h, LSI_DSTAT), ==, LSI_DSTAT_DFE | LSI_DSTAT_SIR);
    g_assert_false(interrupted(h));
    g_assert_cmphex(get(h, LSI_DSPS), ==, value);
}

/* Its status. */
static uint8_t ask(Host *h, const uint8_t cdb[10], unsigned phase, uint32_t size)
{
    add_command(h, 1, cdb, phase, size);
    go(h);
    assert_script_ended(h, 0x1234);
    g_assert_cmphex(qtest_readb(h->qt, STATUS + 1), ==, 0);
    return qtest_readb(h->qt, STATUS);
}

static uint8_t rw(Host *h, uint8_t code, uint8_t sector, uint8_t count)
{
    const uint8_t cdb[10] = { code, 0, 0, 0, 0, sector, 0, 0, count };

    return ask(h, cdb, code == SCSI_READ_10, count * SECTOR);
}

static void take_attention(Host *h)
{
    static const uint8_t ready[10] = { SCSI_TEST_UNIT_READY };
    static const uint8_t sense[10] = { SCSI_REQUEST_SENSE, 0, 0, 0, 18 };

    g_assert_cmphex(ask(h, ready, 0, 0), ==, SCSI_CHECK_CONDITION);
    g_assert_cmphex(ask(h, sense, LSI_DATA_IN, 18), ==, SCSI_GOOD);
    g_assert_cmphex(qtest_readb(h->qt, DATA + 2), ==, SCSI_KEY_UNIT_ATTENTION);
}

/* ---- tests ---- */

static void test_data(gconstpointer type)
{
    Host h;

    start_with(&h, type, "", "");
    g_assert_cmphex(qpci_read(h.qt, DEVFN, 0, 4), ==,
                    strcmp(type, "lsi53c810") == 0 ? 0x00011000 : 0x00121000);
    g_assert_cmphex(get(&h, LSI_DSTAT), ==, 0x02000080);
    take_attention(&h);
    g_assert_cmphex(rw(&h, SCSI_READ_10, 9, 2), ==, SCSI_GOOD);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 511), ==, 10);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 512), ==, 11);
    qtest_memset(h.qt, DATA, 0xd7, 2 * SECTOR);
    g_assert_cmphex(rw(&h, SCSI_WRITE_10, 20, 2), ==, SCSI_GOOD);
    disk_assert_image(h.path, 20, 0xd7);
    disk_assert_image(h.path, 21, 0xd7);
    disk_assert_image(h.path, 22, 23);
    g_assert_cmphex(rw(&h, SCSI_READ_10, 0, SECTORS - 1), ==, SCSI_GOOD);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 126 * SECTOR), ==, 127);
    quit(&h);
}

/* Less than was asked for; a target that is not there. */
static void test_mismatch(void)
{
    static const uint8_t inquiry[10] = { SCSI_INQUIRY, 0, 0, 0, 96 };
    Host h;

    start_with(&h, "lsi", "", "");
    add_command(&h, 1, inquiry, LSI_DATA_IN, 96);
    go(&h);
    g_assert_cmphex(wait_for(&h), ==, LSI_ISTAT_SIP);
    g_assert_cmphex(get_byte(&h, LSI_SIST0), ==, LSI_SIST0_MA);
    g_assert_cmphex(get(&h, LSI_DBC) & 0xffffff, ==, 96 - 36);
    g_assert_cmphex(get(&h, LSI_DNAD), ==, DATA + 36);
    g_assert_cmphex(get(&h, LSI_DSP), ==, SCRIPT + 4 * 8);
    set(&h, LSI_DSP, SCRIPT + 4 * 8); /* on with the status */
    assert_script_ended(&h, 0x1234);
    /* By a jump. */
    set_byte(&h, LSI_CCNTL0, LSI_CCNTL0_ENPMJ | LSI_CCNTL0_PMJCTL);
    set(&h, LSI_PMJAD2, SCRIPT + 4 * 8);
    g_assert_cmphex(ask(&h, inquiry, LSI_DATA_IN, 96), ==, SCSI_GOOD);
    g_assert_cmphex(get(&h, LSI_RBC), ==, (96 - 36) | 0x09000000);
    g_assert_cmphex(get(&h, LSI_UA), ==, DATA + 36);
    g_assert_cmphex(get(&h, LSI_IA), ==, SCRIPT + 3 * 8);

    /* A move of nothing where there is a status, as SeaBIOS does it. */
    set_byte(&h, LSI_CCNTL0, 0);
    add_command(&h, 1, (const uint8_t[10]){ 0 }, LSI_DATA_IN, SECTOR);
    qtest_writel(h.qt, SCRIPT + 3 * 8, 0);
    go(&h);
    assert_script_ended(&h, 0x1234);

    add_command(&h, 3, inquiry, LSI_DATA_IN, 96);
    go(&h);
    g_assert_cmphex(wait_for(&h), ==, LSI_ISTAT_SIP);
    g_assert_cmphex(get_byte(&h, LSI_SIST1), ==, LSI_SIST1_STO);
    g_assert_cmphex(rw(&h, SCSI_READ_10, 9, 1), ==, SCSI_GOOD);
    quit(&h);
}

/* Registers, jumps, memory. */
static void test_instructions(void)
{
    Host h;

    start_with(&h, "lsi", "", "");
    begin(&h);
    add(&h, 0x78345600, 0); /* SCRATCHA0 = 0x56 */
    add(&h, 0x7e34ff00, 0); /* + 0xff: 0x55 and a carry */
    add(&h, 0x7f350100, 0); /* SCRATCHA1 + 1 + carry: 2 */
    add(&h, 0x72340000, 0); /* SFBR = SCRATCHA0 */
    add(&h, JUMP | 1 << 18 | 0x55, SCRIPT + 7 * 8);
    add(&h, INT, 1);
    add(&h, INT, 2);
    add(&h, 0x88880000, 0x100);   /* call, relative: a return */
    add(&h, 0xc0000004, MESSAGE); /* memory move */
    qtest_writel(h.qt, h.at, RAM + 8);
    h.at += 4;
    add(&h, INT, 3);
    qtest_writel(h.qt, SCRIPT + 8 * 8 + 0x100, 0x90080000);
    qtest_writel(h.qt, MESSAGE, 0xcafe1234);
    go(&h);
    assert_script_ended(&h, 3);
    g_assert_cmphex(get(&h, LSI_SCRATCHA), ==, 0x0255);
    g_assert_cmphex(qtest_readl(h.qt, RAM + 8), ==, 0xcafe1234);
    /* Load and store; an interrupt on the fly; from its own RAM; its own registers as memory. */
    qtest_writel(h.qt, RAM, 0xe1340004);
    qtest_writel(h.qt, RAM + 4, MESSAGE);
    qtest_writel(h.qt, RAM + 8, INT_FLY);
    qtest_writel(h.qt, RAM + 16, 0xe0340002);
    qtest_writel(h.qt, RAM + 20, MESSAGE + 8);
    qtest_writel(h.qt, RAM + 24, 0xc0000004);
    qtest_writel(h.qt, RAM + 28, MESSAGE);
    qtest_writel(h.qt, RAM + 32, BAR + 0x5c);
    qtest_writel(h.qt, RAM + 36, INT);
    qtest_writel(h.qt, RAM + 40, 4);
    set(&h, LSI_TEMP, 0x55aa1234); /* moves leave it alone */
    set(&h, LSI_DSP, RAM);
    wait_for(&h);
    g_assert_cmphex(get_byte(&h, LSI_ISTAT0), ==, LSI_ISTAT_INTF | LSI_ISTAT_DIP);
    set_byte(&h, LSI_ISTAT0, LSI_ISTAT_INTF);
    assert_script_ended(&h, 4);
    g_assert_cmphex(get(&h, LSI_TEMP), ==, 0x55aa1234);
    g_assert_cmphex(get(&h, LSI_SCRATCHA), ==, 0xcafe1234);
    g_assert_cmphex(get(&h, 0x5c), ==, 0xcafe1234);
    g_assert_cmphex(qtest_readl(h.qt, MESSAGE + 8), ==, 0x1234);
    g_assert_cmphex(get_byte(&h, LSI_ISTAT0), ==, 0);
    /* It waits to be reselected, and is signalled. */
    begin(&h);
    add(&h, 0x50000000, SCRIPT + 16);
    add(&h, INT, 5);
    add(&h, 0x721a0000, 0); /* CTEST2: the signal is off */
    add(&h, INT, 6);
    go(&h);
    set_byte(&h, LSI_ISTAT0, LSI_ISTAT_SIGP);
    assert_script_ended(&h, 6);
    g_assert_cmphex(get_byte(&h, LSI_ISTAT0), ==, 0);
    /* The timer. */
    set_byte(&h, LSI_STIME1, 5);
    qtest_clock_step(h.qt, 4000000);
    g_assert_cmphex(get_byte(&h, LSI_SIST1), ==, LSI_SIST1_GEN);
    quit(&h);
}

/* SCRIPTS that never end, lead nowhere, or are none; the machine answers all the time. */
static void test_senseless(void)
{
    static const uint32_t words[][2] = {
        { 0x80080000 | 7u << 27, 0 }, /* no such jump */
        { 0xe1340000, MESSAGE },      /* load nothing */
        { 0xe1fe0004, MESSAGE },      /* more registers than there are */
    };
    Host h;

    start_with(&h, "lsi", "", "");
    begin(&h);
    add(&h, JUMP, SCRIPT);
    go(&h);
    g_assert_cmphex(get_byte(&h, LSI_ISTAT0), ==, 0);
    qtest_qmp_ok(h.qt, "stop", "{}");
    qtest_qmp_ok(h.qt, "cont", "{}");
    set_byte(&h, LSI_ISTAT0, LSI_ISTAT_ABRT);
    g_assert_cmphex(get_byte(&h, LSI_DSTAT), ==, LSI_DSTAT_DFE | LSI_DSTAT_ABRT);
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        begin(&h);
        add(&h, words[i][0], words[i][1]);
        go(&h);
        g_assert_cmphex(wait_for(&h), ==, LSI_ISTAT_DIP);
        g_assert_cmphex(get_byte(&h, LSI_DSTAT), ==, LSI_DSTAT_DFE | LSI_DSTAT_IID);
    }
    set(&h, LSI_DSP, 0xf0000000); /* no memory */
    g_assert_cmphex(wait_for(&h), ==, LSI_ISTAT_DIP);
    g_assert_cmphex(get_byte(&h, LSI_DSTAT), ==, LSI_DSTAT_DFE | LSI_DSTAT_BF);
    /* A script that starts itself, by the register and by memory. */
    begin(&h);
    add(&h, 0x782f0000 | SCRIPT >> 24 << 8, 0);
    add(&h, 0xc0000004, SCRIPT + 24);
    qtest_writel(h.qt, h.at, BAR + LSI_DSP);
    qtest_writel(h.qt, SCRIPT + 24, SCRIPT);
    go(&h);
    set_byte(&h, LSI_ISTAT0, LSI_ISTAT_SRST);
    g_assert_cmphex(get_byte(&h, LSI_ISTAT0), ==, 0);
    drive(&h);
    /* A move without a target. */
    begin(&h);
    add(&h, 0x09000010, DATA);
    go(&h);
    g_assert_cmphex(wait_for(&h), ==, LSI_ISTAT_SIP);
    g_assert_cmphex(get_byte(&h, LSI_SIST0), ==, LSI_SIST0_UDC);
    /* A reset of the bus in the middle of a command. */
    take_attention(&h);
    begin(&h);
    add(&h, SELECT | 1 << 16, 0);
    add(&h, INT, 7);
    go(&h);
    assert_script_ended(&h, 7);
    g_assert_cmphex(get_byte(&h, LSI_ISTAT0), ==, LSI_ISTAT_CON);
    set_byte(&h, LSI_SCNTL1, LSI_SCNTL1_RST);
    g_assert_cmphex(get_byte(&h, LSI_SSTAT0), ==, LSI_SSTAT0_RST);
    g_assert_cmphex(get_byte(&h, LSI_SIST0), ==, LSI_SIST0_RST);
    set_byte(&h, LSI_SCNTL1, 0);
    take_attention(&h);
    quit(&h);
}

/* The script lets go of a target that is at the next piece, as soon as it has the one before. */
static void test_leave(void)
{
    static const uint8_t big[10] = { SCSI_READ_10, [7] = 1 }; /* 256 sectors: of two pieces */
    Host h = { .path = disk_make_image("lsi") };

    g_assert_cmpint(truncate(h.path, MIB), ==, 0);
    h.qt = qtest_start("-m 64 -device lsi,addr=4 -device scsi-hd,drive=d0,scsi-id=1 "
                       "-drive if=none,id=d0,format=raw,file=blkdebug::%s",
                       h.path);
    drive(&h);
    take_attention(&h);
    for (unsigned i = 0; i < 2; i++) {
        add_command(&h, 1, big, LSI_DATA_IN, SCSI_PORT_BUFFER);
        h.at -= 5 * 8; /* instead of the status */
        if (i) {
            add(&h, 0x78000000 | LSI_SCNTL1 << 16 | LSI_SCNTL1_RST << 8, 0);
        } else {
            add(&h, SELECT | 3 << 16, 0);
        }
        add(&h, INT, 5);
        go(&h);
        if (i) {
            g_assert_cmphex(wait_for(&h), ==, LSI_ISTAT_SIP);
            g_assert_cmphex(get_byte(&h, LSI_SIST0), ==, LSI_SIST0_RST);
            set_byte(&h, LSI_SCNTL1, 0);
            take_attention(&h);
        } else {
            assert_script_ended(&h, 5);
        }
        g_assert_cmpuint(qtest_readb(h.qt, DATA + 9 * SECTOR), ==, 10);
        g_assert_cmphex(rw(&h, SCSI_READ_10, 9, 1), ==, SCSI_GOOD);
    }
    quit(&h);
}

/* Extended messages are rejected, an abort ends the command. */
static void test_messages(void)
{
    static const uint8_t sdtr[] = { 0x80, 1, 3, 1, 10, 31 };
    Host h;

    start_with(&h, "lsi", "", "");
    take_attention(&h);
    qtest_memwrite(h.qt, MESSAGE, sdtr, sizeof(sdtr));
    qtest_writeb(h.qt, MESSAGE + 16, 6);
    begin(&h);
    add(&h, SELECT | 1 << 16, 0);
    add(&h, 0x08000000 | LSI_MESSAGE_OUT << 24 | sizeof(sdtr), MESSAGE);
    add(&h, 0x08000000 | LSI_MESSAGE_IN << 24 | 1, STATUS);
    add(&h, 0x58000008, 0); /* ATN */
    add(&h, 0x60000040, 0); /* ACK */
    add(&h, 0x08000000 | LSI_MESSAGE_OUT << 24 | 1, MESSAGE + 16);
    add(&h, 0x48000000, 0);
    add(&h, INT, 8);
    go(&h);
    assert_script_ended(&h, 8);
    g_assert_cmphex(qtest_readb(h.qt, STATUS), ==, 7);
    g_assert_cmphex(rw(&h, SCSI_READ_10, 9, 1), ==, SCSI_GOOD);
    quit(&h);
}

/* A read and a write that fail stop the machine, and are done again when it goes on, here or
 * elsewhere. */
static void test_stop(void)
{
    for (unsigned i = 0; i < 4; i++) {
        bool write = i & 1, move = i & 2;
        const uint8_t cdb[10] = { write ? SCSI_WRITE_10 : SCSI_READ_10, 0, 0, 0, 0, 6, 0, 0, 1 };
        g_autofree char *rules = disk_make_rules("lsi", write, true);
        g_autofree char *blkdebug = g_strdup_printf("blkdebug:%s:", rules);
        Host h;

        start_with(&h, "lsi", ",rerror=stop,werror=stop", blkdebug);
        unlink(rules);
        take_attention(&h);
        qtest_memset(h.qt, DATA, 0xd7, SECTOR);
        add_command(&h, 1, cdb, !write, SECTOR);
        go(&h);
        json_object_put(qtest_event(h.qt, "STOP"));
        qtest_assert_state(h.qt, "io-error");
        if (move) {
            g_autofree char *file = g_strdup_printf("%s.state", h.path);

            qtest_save(h.qt, file);
            qtest_quit(h.qt);
            h.qt = qtest_start("-m 64 -device lsi,id=s0,addr=4 -drive "
                               "if=none,id=d0,format=raw,rerror=stop,werror=stop,file=%s -device "
                               "scsi-hd,drive=d0,id=hd0,scsi-id=1 -incoming file:%s",
                               h.path, file);
            qtest_wait_loaded(h.qt);
            unlink(file);
        }
        qtest_qmp_ok(h.qt, "cont", "{}");
        assert_script_ended(&h, 0x1234);
        g_assert_cmphex(qtest_readb(h.qt, STATUS), ==, SCSI_GOOD);
        g_assert_cmphex(qtest_readb(h.qt, DATA), ==, write ? 0xd7 : 7);
        disk_assert_image(h.path, 6, write ? 0xd7 : 7);
        g_assert_cmphex(rw(&h, SCSI_READ_10, 9, 1), ==, SCSI_GOOD);
        quit(&h);
    }
}

/* The disk goes while it has a command, of which the driver hears. */
static void test_unplug(void)
{
    Host h;

    start_with(&h, "lsi", "", "");
    take_attention(&h);
    add_command(&h, 1, (const uint8_t[10]){ SCSI_READ_10, [8] = 1 }, LSI_DATA_IN, SECTOR);
    qtest_writel(h.qt, SCRIPT + 3 * 8, INT); /* instead of the data */
    qtest_writel(h.qt, SCRIPT + 3 * 8 + 4, 9);
    go(&h);
    assert_script_ended(&h, 9);
    qtest_qmp_ok(h.qt, "device_del", "{'id': 'hd0'}");
    json_object_put(qtest_event_with(h.qt, "DEVICE_DELETED", "device", "hd0"));
    g_assert_cmphex(get_byte(&h, LSI_ISTAT0) & LSI_ISTAT_CON, ==, 0);
    go(&h);
    g_assert_cmphex(wait_for(&h), ==, LSI_ISTAT_SIP);
    quit(&h);
}

static const QTestRefused refused[] = {
    { "-device lsi,id=s0 -blockdev null-co,node-name=n -device scsi-hd,drive=n,scsi-id=8",
      "targets up to 7" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/lsi/data/895a", "lsi53c895a", test_data);
    g_test_add_data_func("/lsi/data/810", "lsi53c810", test_data);
    g_test_add_func("/lsi/mismatch", test_mismatch);
    g_test_add_func("/lsi/instructions", test_instructions);
    g_test_add_func("/lsi/senseless", test_senseless);
    g_test_add_func("/lsi/leave", test_leave);
    g_test_add_func("/lsi/messages", test_messages);
    g_test_add_func("/lsi/stop", test_stop);
    g_test_add_func("/lsi/unplug", test_unplug);
    qtest_add_refused("/lsi/command-line", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
