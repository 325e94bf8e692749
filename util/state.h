/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State as data: what of a structure a snapshot or a migration keeps, as a table of its fields, and
 * the two functions that write a structure as bytes and read it back. docs/state.md has the format.
 *
 *     static const StateField port92_fields[] = { STATE_UINT(Port92, value), {} };
 *     const StateTable port92_state = { .name = "port92", .version = 1, .fields = port92_fields };
 *
 * Every field is written with its name, so that a reader needs no table, and a table that knows
 * more or less than the bytes is noticed: what is missing or unknown is an error that names it.
 */
#ifndef UTIL_STATE_H
#define UTIL_STATE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The values are part of the format. */
typedef enum StateKind {
    STATE_KIND_UINT = 1,   /* 1, 2, 4 or 8 bytes each */
    STATE_KIND_INT = 2,    /* the same, signed */
    STATE_KIND_BOOL = 3,   /* bool */
    STATE_KIND_TIMER = 4,  /* Timer *: when it expires (virtual ns), -1: not pending */
    STATE_KIND_BLOB = 5,   /* GBytes *, owned; NULL is kept apart from empty */
    STATE_KIND_STRUCT = 6, /* structures that have a table of their own */
} StateKind;

typedef struct StateTable StateTable;

typedef struct StateField {
    const char *name; /* NULL ends a table; part of the format: it stays when members are renamed */
    StateKind kind;
    uint8_t width;   /* bytes of an element as it is in memory: of UINT, INT; stride of STRUCT */
    size_t stride;   /* STRUCT: from one to the next */
    size_t offset;   /* in the structure */
    uint32_t count;  /* elements, one after the other; 1 if it is no array */
    bool pointer;    /* STRUCT: the member points to the first one */
    size_t count_at; /* STRUCT: offset of an `unsigned` with their number, if count is 0 */
    uint64_t max;    /* UINT, INT from 0: the largest value that may be loaded; 0: any */
    unsigned since;  /* version of the table that had it first; 0: all */
    const StateTable *sub;
} StateField;

struct StateTable {
    const char *name;
    unsigned version;         /* that is written, from 1 on */
    unsigned oldest;          /* that can still be read; 0: only `version` */
    const StateField *fields; /* ends with a NULL name */
    size_t base;              /* where in the structure that is, to which offsets are counted */
    bool added; /* older programs had devices of the type, and no table: a state may be missing */
    /* Bring members up to date, before they are written. May be NULL. */
    void (*pre_save)(void *obj);
    /* Check what was read, and work out what follows from it; false: it makes no sense. May be
     * NULL. */
    bool (*post_load)(void *obj, GError **errp);
};

#define STATE_SIZE(type, member) sizeof(((type *)0)->member)

/* A number, and an array of numbers. MAX forms refuse larger values: for what is used as an index
 * or as an enumeration. */
#define STATE_UINT(type, member)           STATE_UINT_MAX(type, member, 0)
#define STATE_UINT_MAX(type, member, most) STATE_UINT_MAX_SINCE(type, member, most, 0)
/* That the table has from @version on. */
#define STATE_UINT_MAX_SINCE(type, member, most, version)                               \
    {                                                                                   \
        .name = #member, .kind = STATE_KIND_UINT, .width = STATE_SIZE(type, member),    \
        .offset = offsetof(type, member), .count = 1, .max = (most), .since = (version) \
    }
#define STATE_INT(type, member)                                                     \
    {                                                                               \
        .name = #member, .kind = STATE_KIND_INT, .width = STATE_SIZE(type, member), \
        .offset = offsetof(type, member), .count = 1                                \
    }
#define STATE_UINTS(type, member) STATE_UINTS_SINCE(type, member, 0)
/* That the table has from @version on. */
#define STATE_UINTS_SINCE(type, member, version)                                            \
    {                                                                                       \
        .name = #member, .kind = STATE_KIND_UINT, .width = STATE_SIZE(type, member[0]),     \
        .offset = offsetof(type, member),                                                   \
        .count = STATE_SIZE(type, member) / STATE_SIZE(type, member[0]), .since = (version) \
    }
#define STATE_BOOL(type, member) STATE_BOOL_SINCE(type, member, 0)
/* That the table has from @version on. */
#define STATE_BOOL_SINCE(type, member, version)                          \
    {                                                                    \
        .name = #member, .kind = STATE_KIND_BOOL, .width = sizeof(bool), \
        .offset = offsetof(type, member), .count = 1, .since = (version) \
    }
#define STATE_BOOLS(type, member)                                           \
    {                                                                       \
        .name = #member, .kind = STATE_KIND_BOOL, .width = sizeof(bool),    \
        .offset = offsetof(type, member), .count = STATE_SIZE(type, member) \
    }
#define STATE_TIMER(type, member) STATE_TIMER_SINCE(type, member, 0)
/* That the table has from @version on. */
#define STATE_TIMER_SINCE(type, member, version)                                                 \
    {                                                                                            \
        .name = #member, .kind = STATE_KIND_TIMER, .width = 8, .offset = offsetof(type, member), \
        .count = 1, .since = (version)                                                           \
    }
#define STATE_BLOB(type, member)                                                                \
    {                                                                                           \
        .name = #member, .kind = STATE_KIND_BLOB, .width = 1, .offset = offsetof(type, member), \
        .count = 1                                                                              \
    }
/* A structure inside, an array of them, and one that a member points to. */
#define STATE_STRUCT(type, member, table) STATE_STRUCT_SINCE(type, member, table, 0)
/* That the table has from @version on. */
#define STATE_STRUCT_SINCE(type, member, table, version)                                          \
    {                                                                                             \
        .name = #member, .kind = STATE_KIND_STRUCT, .offset = offsetof(type, member), .count = 1, \
        .stride = STATE_SIZE(type, member), .since = (version), .sub = (table)                    \
    }
#define STATE_STRUCTS(type, member, table)                                            \
    {                                                                                 \
        .name = #member, .kind = STATE_KIND_STRUCT, .offset = offsetof(type, member), \
        .count = STATE_SIZE(type, member) / STATE_SIZE(type, member[0]),              \
        .stride = STATE_SIZE(type, member[0]), .sub = (table)                         \
    }
#define STATE_POINTER(type, member, table)                                                        \
    {                                                                                             \
        .name = #member, .kind = STATE_KIND_STRUCT, .offset = offsetof(type, member), .count = 1, \
        .pointer = true, .sub = (table)                                                           \
    }
/* An allocated array of so many as the member `number` says; since version @version. */
#define STATE_ARRAY(type, member, number, table) STATE_ARRAY_SINCE(type, member, number, table, 0)
#define STATE_ARRAY_SINCE(type, member, number, table, version)                       \
    {                                                                                 \
        .name = #member, .kind = STATE_KIND_STRUCT, .offset = offsetof(type, member), \
        .pointer = true, .count_at = offsetof(type, number),                          \
        .stride = STATE_SIZE(type, member[0]), .since = (version), .sub = (table)     \
    }

/* Append @obj, as @table describes it, to @out. Whatever lock the structure needs. */
void state_save(const StateTable *table, void *obj, GByteArray *out);

/* Fill @obj, which is in its state after a reset, from the @size bytes @data, which must be
 * exactly what state_save() wrote. An error names the field; @obj is then half-filled, and must
 * not be used. The bytes may come from anywhere: nothing in them can do harm. */
bool state_load(const StateTable *table, void *obj, const uint8_t *data, size_t size,
                GError **errp);

#endif
