/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interpreter for tests. Each behaviour is a method in cases/<theme>.asl, with the value that
 * it must give (Txxx and Exxx) or what the error must say (Fxxx and Mxxx) beside it. What iasl does
 * not let one write is made by hand below.
 */
#include <string.h>

#include "tests/qtest/ospm/aml-eval.h"
#include "tests/qtest/ospm/aml-resource.h"

/* Ports and memory that keep what is written; at first a byte is the low byte of its address. 0x1f0
 * selects the register that 0x1f1 shows. */
typedef struct World {
    uint8_t bytes[2][0x2000];
    uint8_t registers[256];
    char *notified; /* path */
    uint64_t value;
} World;

enum { INDEX_PORT = 0x1f0, DATA_PORT = 0x1f1 };

static uint8_t *world_byte(World *world, unsigned space, uint64_t addr)
{
    addr %= sizeof(world->bytes[0]); /* a mutated region may be anywhere */
    if (space == AML_SPACE_IO && addr == DATA_PORT) {
        return &world->registers[world->bytes[AML_SPACE_IO][INDEX_PORT]];
    }
    return &world->bytes[space][addr];
}

static uint64_t world_read(void *opaque, unsigned space, uint64_t addr, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)*world_byte(opaque, space, addr + i) << (i * 8);
    }
    return value;
}

static void world_write(void *opaque, unsigned space, uint64_t addr, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++) {
        *world_byte(opaque, space, addr + i) = (uint8_t)(value >> (i * 8));
    }
}

static void world_notify(void *opaque, const char *path, uint64_t value)
{
    World *world = opaque;

    g_free(world->notified);
    world->notified = g_strdup(path);
    world->value = value;
}

static void world_reset(World *world)
{
    for (unsigned i = 0; i < sizeof(world->bytes[0]); i++) {
        world->bytes[0][i] = world->bytes[1][i] = (uint8_t)i;
    }
    memset(world->registers, 0, sizeof(world->registers));
    g_clear_pointer(&world->notified, g_free);
}

static AmlHost world_host(World *world)
{
    return (AmlHost){ world_read, world_write, world_notify, world };
}

/* ---- the cases in files ---- */

static void assert_same(const char *name, const AmlObject *is, const AmlObject *should)
{
    g_assert_cmpstr(aml_object_type_name(is), ==, aml_object_type_name(should));
    switch (should->type) {
    case AML_INTEGER:
        g_assert_cmphex(is->integer, ==, should->integer);
        break;
    case AML_STRING:
    case AML_BUFFER:
        g_assert_cmpmem(is->bytes.data, is->bytes.len, should->bytes.data, should->bytes.len);
        break;
    case AML_PACKAGE:
        g_assert_cmpuint(is->package.count, ==, should->package.count);
        for (unsigned i = 0; i < should->package.count; i++) {
            assert_same(name, is->package.elements[i], should->package.elements[i]);
        }
        break;
    default:
        g_error("%s: %s is no value to expect", name, aml_object_type_name(should));
    }
}

static void check_value(AmlEval *ev, const char *name)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *other = g_strdup_printf("E%s", name + 1);
    g_autoptr(AmlObject) is = aml_eval_call(ev, name, NULL, 0, &err);
    g_autoptr(AmlObject) should = NULL;

    g_test_message("%s", name);
    g_assert_no_error(err);
    should = aml_eval_call(ev, other, NULL, 0, &err);
    g_assert_no_error(err);
    assert_same(name, is, should);
}

static void check_failure(AmlEval *ev, const char *name)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *other = g_strdup_printf("M%s", name + 1);
    g_autoptr(AmlObject) is = aml_eval_call(ev, name, NULL, 0, &err);
    g_autoptr(AmlObject) message = aml_eval_call(ev, other, NULL, 0, NULL);

    g_test_message("%s: %s", name, err ? err->message : "no error");
    g_assert_null(is);
    g_assert_nonnull(err);
    g_assert_nonnull(strstr(err->message, (const char *)message->bytes.data));
    g_assert_true(err->message[0] == '\\');        /* where it was */
    g_assert_nonnull(strstr(err->message, "+0x")); /* and at which offset */
}

static bool is_case(const AmlNode *node, char letter)
{
    return node->name[0] == letter && g_ascii_isdigit(node->name[1]) &&
           g_ascii_isdigit(node->name[2]) && g_ascii_isdigit(node->name[3]);
}

static void test_file(gconstpointer path)
{
    g_autofree char *table = NULL;
    size_t len;
    g_autoptr(GError) err = NULL;
    World world = { 0 };
    AmlHost host = world_host(&world);
    g_autoptr(AmlEval) ev = NULL;
    unsigned count = 0;

    g_file_get_contents(path, &table, &len, &err);
    g_assert_no_error(err);
    ev = aml_eval_new(&host, (const uint8_t *)table, len, &err);
    g_assert_no_error(err);
    for (unsigned i = 0; i < aml_eval_root(ev)->children->len; i++) {
        const AmlNode *node = aml_eval_root(ev)->children->pdata[i];

        world_reset(&world);
        if (is_case(node, 'T')) {
            check_value(ev, node->name);
            count++;
        } else if (is_case(node, 'F')) {
            check_failure(ev, node->name);
            count++;
        }
    }
    g_assert_cmpuint(count, >, 0);
    world_reset(&world);
}

/* ---- what a compiler does not write ---- */

#define CODE(...) ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })

static GByteArray *make_table(const uint8_t *code, size_t len)
{
    GByteArray *table = g_byte_array_new();
    uint8_t header[36] = "DSDT", sum = 0;

    header[4] = (uint8_t)(36 + len);
    header[8] = 2;
    g_byte_array_append(table, header, sizeof(header));
    g_byte_array_append(table, code, (unsigned)len);
    for (unsigned i = 0; i < table->len; i++) {
        sum = (uint8_t)(sum + table->data[i]);
    }
    table->data[9] = (uint8_t)-sum;
    return table;
}

typedef struct BadCode {
    const char *name;
    const uint8_t *code;
    size_t len;
    const char *message;
} BadCode;

static const BadCode bad_codes[] = {
    { "unknown opcode", CODE(0x02), "\\+0x24: unknown opcode 0x02" },
    { "unknown extended opcode", CODE(0x5b, 0x7f), "unknown opcode 0x5b 7f" },
    { "block beyond its table", CODE(0x10, 0x3f, '_', 'S', 'B', '_'), "PkgLength 0x3f at 0x25" },
    { "block shorter than its length", CODE(0x10, 0x00, 'A'), "PkgLength 0x0" },
    { "bits that must be 0", CODE(0x10, 0x75, 0, '_', 'S', 'B', '_'), "bits 4 and 5" },
    { "number cut short", CODE(0x08, 'N', 'U', 'M', 'B', 0x0c, 1, 2), "in the middle of a term" },
    { "string without end", CODE(0x08, 'N', 'U', 'M', 'B', 0x0d, 'A'), "in the middle" },
    { "string not ASCII", CODE(0x08, 'N', 'U', 'M', 'B', 0x0d, 0x80, 0), "ASCII" },
    { "name not a name", CODE(0x08, 'n', 'u', 'm', 'b', 1), "cannot be in a name" },
    { "name without a value", CODE(0x08, 'N', 'U', 'M', 'B'), "where a term is needed" },
    { "declared twice", CODE(0x08, 'N', 'U', 'M', 'B', 1, 0x08, 'N', 'U', 'M', 'B', 1), "twice" },
    { "scope that is not there", CODE(0x10, 0x05, 'A', 'B', 'C', 'D'), "there is no 'ABCD'" },
    { "declared nowhere", CODE(0x08, 0x2e, 'A', 'B', 'C', 'D', 'N', 'U', 'M', 'B', 1),
      "scope around it" },
    { "stray else", CODE(0xa1, 0x01), "does not follow an If" },
    { "break outside a loop", CODE(0xa5), "outside a While" },
    { "return outside a method", CODE(0xa4, 0x01), "outside a method" },
    { "local outside a method", CODE(0x70, 0x01, 0x60), "outside a method" },
    { "package with too many", CODE(0x12, 0x04, 0x01, 0x01, 0x01), "is given more" },
    { "field of no region", CODE(0x5b, 0x81, 0x06, '_', 'S', 'B', '_', 0), "is Device where" },
    { "region field too wide",
      CODE(0x5b, 0x80, 'R', 'E', 'G', 'N', 1, 0, 1, /* 1 byte */
           0x5b, 0x81, 0x0b, 'R', 'E', 'G', 'N', 0, 'F', 'L', 'D', 'A', 9),
      "does not lie in its region" },
    { "term beyond its block", CODE(0xa0, 0x03, 0x0b, 0x01, 0x02, 0x03), "in the middle" },
};

static void test_bad_code(gconstpointer opaque)
{
    const BadCode *bad = opaque;
    g_autoptr(GByteArray) table = make_table(bad->code, bad->len);
    g_autoptr(GError) err = NULL;
    AmlHost host = { 0 };

    g_assert_null(aml_eval_new(&host, table->data, table->len, &err));
    g_assert_nonnull(err);
    g_test_message("%s", err->message);
    g_assert_nonnull(strstr(err->message, bad->message));
}

static void test_header(void)
{
    g_autoptr(GByteArray) table = make_table(CODE(0xa3));
    AmlHost host = { 0 };

    for (unsigned i = 0; i < table->len; i++) {
        g_autoptr(GError) err = NULL;

        table->data[i] ^= 0x10;
        g_assert_null(aml_eval_new(&host, table->data, table->len, &err));
        g_assert_nonnull(err);
        table->data[i] ^= 0x10;
    }
    for (unsigned len = 0; len < table->len; len++) {
        g_assert_null(aml_eval_new(&host, table->data, len, NULL));
    }
    aml_eval_free(aml_eval_new(&host, table->data, table->len, NULL));
}

/* A table cut at any place, or with any byte changed, is refused or loads: nothing else. */
static void test_mutations(gconstpointer path)
{
    g_autofree char *file = NULL;
    size_t len;
    World world = { 0 };
    AmlHost host = world_host(&world);
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    g_assert_true(g_file_get_contents(path, &file, &len, NULL));
    for (unsigned i = 0; i < 2000; i++) {
        g_autofree uint8_t *table = g_memdup2(file, len);
        uint8_t sum = 0;
        AmlEval *ev;

        table[g_rand_int_range(rand, 36, (int)len)] = (uint8_t)g_rand_int(rand);
        for (size_t j = 0; j < len; j++) {
            sum = (uint8_t)(sum + table[j]);
        }
        table[9] = (uint8_t)(table[9] - sum);
        ev = aml_eval_new(&host, table, len, NULL);
        if (ev) {
            aml_object_unref(aml_eval_call(ev, "T004", NULL, 0, NULL));
            aml_eval_free(ev);
        }
    }
    g_free(world.notified);
}

/* ---- calls from outside ---- */

static void test_calls(void)
{
    /* Method (ADDM, 2) { Return (Add (Arg0, Arg1)) } */
    g_autoptr(GByteArray) table =
        make_table(CODE(0x14, 0x0b, 'A', 'D', 'D', 'M', 0x02, 0xa4, 0x72, 0x68, 0x69, 0x00));
    AmlHost host = { 0 };
    g_autoptr(AmlEval) ev = aml_eval_new(&host, table->data, table->len, NULL);
    const uint64_t args[] = { 2, 3, 4 };
    uint64_t value;
    g_autoptr(GError) err = NULL;

    g_assert_nonnull(ev);
    g_assert_true(aml_eval_integer(ev, "\\ADDM", args, 2, &value, NULL));
    g_assert_cmpuint(value, ==, 5);
    g_assert_false(aml_eval_integer(ev, "ADDM", args, 1, &value, &err));
    g_assert_cmpstr(err->message, ==, "'ADDM' takes 2 arguments, not 1");
    g_clear_error(&err);
    g_assert_false(aml_eval_void(ev, "\\_SB.NONE", NULL, 0, &err));
    g_assert_nonnull(strstr(err->message, "there is no"));
    g_clear_error(&err);
    g_assert_false(aml_eval_integer(ev, "\\_SB", NULL, 0, &value, &err));
    g_assert_nonnull(strstr(err->message, "Device instead of an Integer"));
}

static void test_notify(gconstpointer path)
{
    g_autofree char *table = NULL;
    size_t len;
    World world = { 0 };
    AmlHost host = world_host(&world);
    g_autoptr(AmlEval) ev = NULL;

    g_assert_true(g_file_get_contents(path, &table, &len, NULL));
    ev = aml_eval_new(&host, (const uint8_t *)table, len, NULL);
    g_assert_true(aml_eval_void(ev, "DEVX.TELL", NULL, 0, NULL));
    g_assert_cmpstr(world.notified, ==, "\\DEVX");
    g_assert_cmpuint(world.value, ==, 3);
    g_free(world.notified);
}

/* ---- resources ---- */

typedef struct ResourceCase {
    const char *name;
    const uint8_t *data;
    size_t len;
    const char *message; /* NULL: it parses, to: */
    AmlResource first;
} ResourceCase;

static const ResourceCase resource_cases[] = {
    { "io and irq",
      CODE(0x47, 1, 0xf8, 3, 0xf8, 3, 0, 8, 0x22, 0x10, 0, 0x79, 0),
      NULL,
      { AML_RESOURCE_IO, 0x3f8, 8, false } },
    { "dword memory",
      CODE(0x87, 0x17, 0, 0, 0xc, 3, 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0xff, 0xff, 0x8f, 0, 0, 0, 0,
           0, 0, 0, 0x10, 0x79, 0),
      NULL,
      { AML_RESOURCE_MEMORY, 0x80000000, 0x10000000, true } },
    { "range that contradicts itself",
      CODE(0x88, 0x0d, 0, 2, 0xc, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0xff, 0, 0x79, 0),
      "contradicts itself",
      { 0 } },
    { "no end tag", CODE(0x22, 1, 0), "without an end tag", { 0 } },
    { "descriptor cut", CODE(0x47, 1, 0), "longer than the template", { 0 } },
    { "after the end", CODE(0x79, 0, 0), "follow the end tag", { 0 } },
    { "bad checksum", CODE(0x22, 1, 0, 0x79, 1), "sum to", { 0 } },
    { "unknown", CODE(0x31, 0, 0x79, 0), "is not known", { 0 } },
    { "nothing", (const uint8_t *)"", 0, "without an end tag", { 0 } },
};

static void test_resources(gconstpointer opaque)
{
    const ResourceCase *c = opaque;
    g_autoptr(AmlObject) buffer = aml_buffer_new(c->data, c->len);
    g_autoptr(GError) err = NULL;
    g_autoptr(GArray) list = aml_resources_parse(buffer, &err);
    const AmlResource *first;

    if (c->message) {
        g_assert_null(list);
        g_test_message("%s", err->message);
        g_assert_nonnull(strstr(err->message, c->message));
        return;
    }
    g_assert_no_error(err);
    first = &g_array_index(list, AmlResource, 0);
    g_assert_cmpint(first->kind, ==, c->first.kind);
    g_assert_cmphex(first->first, ==, c->first.first);
    g_assert_cmphex(first->length, ==, c->first.length);
    g_assert_true(first->writable == c->first.writable);
}

/* Words after the options are the compiled cases. */
int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (int i = 1; i < argc; i++) {
        g_autofree char *base = g_path_get_basename(argv[i]);
        g_autofree char *path = g_strdup_printf("/aml/cases/%s", base);
        g_autofree char *mutated = g_strdup_printf("/aml/mutations/%s", base);

        g_test_add_data_func(path, argv[i], test_file);
        g_test_add_data_func(mutated, argv[i], test_mutations);
        if (strcmp(base, "notify.aml") == 0) {
            g_test_add_data_func("/aml/notify", argv[i], test_notify);
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(bad_codes); i++) {
        g_autofree char *path = g_strdup_printf("/aml/bad-code/%s", bad_codes[i].name);

        g_test_add_data_func(path, &bad_codes[i], test_bad_code);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(resource_cases); i++) {
        g_autofree char *path = g_strdup_printf("/aml/resources/%s", resource_cases[i].name);

        g_test_add_data_func(path, &resource_cases[i], test_resources);
    }
    g_test_add_func("/aml/header", test_header);
    g_test_add_func("/aml/calls", test_calls);
    return g_test_run();
}
