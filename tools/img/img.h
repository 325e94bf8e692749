/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dimmable-img: commands on images. One command, one file; a command is a table of its options and
 * a function (img_commands in main.c lists them). One thread, but for what copy.h says.
 */
#ifndef TOOLS_IMG_IMG_H
#define TOOLS_IMG_IMG_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* How a command ends; some have statuses of their own. */
enum { IMG_OK = 0, IMG_FAILED = 1, IMG_UNSUPPORTED = 63 };

/* What users gave; of each command the members that its options fill. */
typedef struct ImgArgs {
    char *format, *second_format, *out_format; /* -f, -F, -O */
    char *backing;                             /* -b, -B */
    char *cache, *src_cache;                   /* -t, -T */
    char *output;                              /* --output */
    char *repair, *rate, *preallocation;
    char *size, *start, *length; /* --size, --start-offset, --max-length */
    char *snapshot;              /* -l of convert and measure */
    char *snapshot_create, *snapshot_apply, *snapshot_delete;
    GPtrArray *options; /* -o, in their order */
    GPtrArray *actions; /* of bitmap */
    char *granularity;
    char *sparse, *coroutines;
    char *count, *depth, *interval, *aio, *offset, *pattern, *buffer, *step; /* bench */
    bool image_opts, target_image_opts, target_is_zero, force_share, quiet, progress, shrink;
    bool unsafe, strict, chain, list, no_create, compressed, unordered, offload, salvage;
    bool bitmaps, skip_bitmaps;
    bool write, no_drain, native, keep;
    /* The others. */
    char **files;
    unsigned count_files;
} ImgArgs;

typedef enum ImgOptionKind {
    IMG_FLAG,   /* bool */
    IMG_TEXT,   /* char *, the last one counts */
    IMG_LIST,   /* GPtrArray *, all of them */
    IMG_ACTION, /* GPtrArray *, in their order: its name, and the value if it has one, else "" */
    IMG_IGNORE, /* with a value: nothing is to be done about it */
} ImgOptionKind;

typedef struct ImgOption {
    char letter;      /* 0: none */
    const char *name; /* NULL: none */
    ImgOptionKind kind;
    const char *value; /* how help calls it */
    const char *doc;
    size_t member; /* of ImgArgs */
} ImgOption;

#define IMG_OPTION(LETTER, NAME, KIND, VALUE, MEMBER, DOC)        \
    {                                                             \
        LETTER, NAME, KIND, VALUE, DOC, offsetof(ImgArgs, MEMBER) \
    }
/* Those that many have. */
#define IMG_OPTION_FORMAT                             \
    IMG_OPTION('f', NULL, IMG_TEXT, "FORMAT", format, \
               "format of the image: else its first bytes say it")
#define IMG_OPTION_IMAGE_OPTS                               \
    IMG_OPTION(0, "image-opts", IMG_FLAG, NULL, image_opts, \
               "the name of the image is options of a block node")
#define IMG_OPTION_OBJECT                                                             \
    {                                                                                 \
        0, "object", IMG_IGNORE, "OBJECT", "refused: no image here needs a secret", 0 \
    }
#define IMG_OPTION_SHARE                                        \
    IMG_OPTION('U', "force-share", IMG_FLAG, NULL, force_share, \
               "read it also while another program writes to it")
#define IMG_OPTION_QUIET    IMG_OPTION('q', "quiet", IMG_FLAG, NULL, quiet, "print nothing but errors")
#define IMG_OPTION_PROGRESS IMG_OPTION('p', NULL, IMG_FLAG, NULL, progress, "show how far it is")
#define IMG_OPTION_OUTPUT \
    IMG_OPTION(0, "output", IMG_TEXT, "human|json", output, "form of the output: human")
#define IMG_OPTION_CACHE                            \
    IMG_OPTION('t', NULL, IMG_TEXT, "CACHE", cache, \
               "cache mode of what is written, as -drive's cache=")
#define IMG_OPTION_SRC_CACHE \
    IMG_OPTION('T', NULL, IMG_TEXT, "CACHE", src_cache, "cache mode of what is only read")
#define IMG_OPTION_SNAPSHOT                               \
    IMG_OPTION('l', NULL, IMG_TEXT, "SNAPSHOT", snapshot, \
               "the disk as it was at a snapshot: its id or name")
#define IMG_OPTION_RATE \
    IMG_OPTION('r', NULL, IMG_TEXT, "RATE", rate, "copy no more than so many bytes a second")
#define IMG_OPTION_OPTIONS                                    \
    IMG_OPTION('o', NULL, IMG_LIST, "KEY=VALUE,...", options, \
               "options of the new image; -o help lists them")
#define IMG_OPTION_END                   \
    {                                    \
        0, NULL, IMG_FLAG, NULL, NULL, 0 \
    }

typedef struct ImgCommand {
    const char *name, *files, *doc; /* `files`: what help says that is no option */
    const ImgOption *options;       /* ends with IMG_OPTION_END */
    unsigned min, max;              /* of files */
    bool signed_last;               /* the last of them may begin with "-" and a digit */
    /* Its status. Errors are told by img_error(). */
    int (*run)(ImgArgs *args);
} ImgCommand;

extern const ImgCommand img_amend, img_bench, img_bitmap, img_check, img_commit, img_compare,
    img_convert, img_create, img_dd, img_info, img_map, img_measure, img_rebase, img_resize,
    img_snapshot;

/* Print "dimmable-img: ..." on stderr, with files in place of nodes that have no name of users
 * (img_name_files()); IMG_FAILED. */
int img_error(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
/* The same of @err, which is freed. */
int img_fail(GError *err);
/* Print that to stdout unless -q was given. */
void img_say(const ImgArgs *args, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

#endif
