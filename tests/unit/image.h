/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2 images in a folder of their own, which qemu-img makes, checks and reads; random operations
 * on them, whose outcome is known; and a file below them that fails, or kills the program, at a
 * chosen request.
 */
#ifndef TESTS_UNIT_IMAGE_H
#define TESTS_UNIT_IMAGE_H

#include "block/node.h"

/* Make the folder. False: qemu-img is not there, which was said as TAP; the program is through. */
bool image_tests_begin(int *argc, char **argv[]);
/* Run the tests, and take the folder away. The program's exit status. */
int image_tests_run(void);

/* A path in the folder; g_free. */
char *image_at(const char *name);
/* A command there; its exit status is 0, or it is one of those of @allowed (a bit each). The
 * status. */
int image_run(unsigned allowed, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* Node "q" on the image @name; @options begins with a comma, or is empty. */
BlockNode *image_open(const char *name, const char *options, GError **errp);
void image_close(void);
/* The image has no errors, at worst clusters that nobody uses (if @leaks), and holds @want, as its
 * other reader has it. */
void image_assert_contents(const char *name, const uint8_t *want, size_t size, bool leaks);

/* Is the image marked as dirty? */
bool image_is_dirty(const char *name);
/* The same without a look at the contents. One that is marked as dirty is opened, and so repaired,
 * before. */
void image_check(const char *name);

/* ---- operations ---- */

/* IMAGE_SNAPSHOT: one within the image is taken or, if it is there, deleted. */
typedef enum ImageOp {
    IMAGE_WRITE,
    IMAGE_ZERO,
    IMAGE_DISCARD,
    IMAGE_FLUSH,
    IMAGE_SNAPSHOT
} ImageOp;

typedef struct ImageStep {
    ImageOp op;
    size_t offset, bytes;
    uint8_t byte; /* what is written */
    bool unmap;
} ImageStep;

/* One for a disk of @size bytes. */
ImageStep image_step(GRand *rand, size_t size);
/* 0 or a positive errno value; of snapshots ENOSPC, whatever it was. */
int image_step_do(const ImageStep *step, BlockNode *node);
/* Does it change the disk? */
bool image_step_writes(const ImageStep *step);
/* @want is the disk before @step; let it be the one after it. A discard leaves what was there, or
 * zeros; of an image with a backing file zeros, too. */
void image_step_expect(const ImageStep *step, uint8_t *want);
/* Are the disk's bytes, @got, those of @want, but in the range of @open, where @open, which may be
 * NULL, may have been carried out or not, as in those of all discards? Then @want is @got. */
bool image_matches(const uint8_t *got, uint8_t *want, const bool *discarded, size_t size,
                   const ImageStep *open);

/* ---- trouble below ---- */

typedef struct ImageTrouble {
    unsigned count;      /* requests so far that change or flush the file, or read it if `reads` */
    unsigned at;         /* the number of the one that it meets, from 1; 0: none */
    bool reads, lasting; /* lasting: the later ones too */
    int error;           /* what they return; 0: the program is killed */
} ImageTrouble;

/* Let requests of @node to the file below go through @trouble, until the node is closed. */
void image_trouble(BlockNode *node, ImageTrouble *trouble);

#endif
