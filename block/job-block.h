/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What jobs on block nodes have in common (block/job.h): the nodes that they use, whose place in
 * the graph nobody else changes meanwhile, and how they copy.
 */
#ifndef BLOCK_JOB_BLOCK_H
#define BLOCK_JOB_BLOCK_H

#include "block/job.h"
#include "block/node.h"

#define BLOCK_JOB_CHUNK (UINT64_C(1) << 20) /* bytes that are copied at once, at most */

/* What users may say of each of these jobs. */
typedef struct BlockJobOptions {
    const char *id; /* NULL: that of the drive */
    bool auto_finalize, auto_dismiss;
    int64_t speed;
    JobTransaction *transaction; /* NULL: none */
} BlockJobOptions;
/* Those of a command's arguments. */
#define BLOCK_JOB_OPTIONS(args)                                                                    \
    {                                                                                              \
        .id = (args)->job_id,                                                                      \
        .auto_finalize = !(args)->has_auto_finalize || (args)->auto_finalize,                      \
        .auto_dismiss = !(args)->has_auto_dismiss || (args)->auto_dismiss, .speed = (args)->speed, \
    }

typedef struct BlockJob {
    Job *job;
    char *user;       /* "job 'x'", as messages call it */
    GPtrArray *edges; /* of BlockEdge */
    GPtrArray *nodes; /* of BlockNode, references: that are busy by it */
    GPtrArray *read;  /* the same: that it copies, as others may do */
    void *buf;        /* BLOCK_JOB_CHUNK bytes, for the thread */
} BlockJob;

/* The node of a drive, or of that name. */
BlockNode *block_job_node(const char *device, GError **errp);
/* A job on @node, in state created. False: an error; there is nothing to clear. */
bool block_job_init(BlockJob *b, const BlockJobOptions *options, const JobDriver *driver,
                    const BlockNode *node, GError **errp);
/* It has the node: others do not change its place. An error if another job has it. */
bool block_job_keep(BlockJob *b, BlockNode *node, GError **errp);
/* The same, and use it. */
bool block_job_use(BlockJob *b, BlockNode *node, unsigned uses, unsigned shares, GError **errp);
/* Read it while others write to it, and perhaps other jobs read it, too: none has it for itself. */
bool block_job_read(BlockJob *b, BlockNode *node, GError **errp);
/* It uses no node any more; those of block_job_keep() stay busy. There are no requests. */
void block_job_let_go(BlockJob *b);
/* The end: there is nothing of it any more. The job itself is left. */
void block_job_clear(BlockJob *b);

/* Copy what is read at [@offset, @offset + @bytes) of @from to @to, by way of @buf, which has
 * BLOCK_JOB_CHUNK bytes; zeros are only made. 0 or a positive errno value; *@read says whose. */
int block_job_copy(BlockNode *from, BlockNode *to, uint64_t offset, uint64_t bytes, void *buf,
                   bool *read);
/* For the buffer of block_job_copy(); free(). */
void *block_job_buffer(void);

/* Let backing edges to @node, from nodes that are below @top or it, allow others to write to it
 * (@live), or not. There are no requests. */
void block_job_set_live(BlockNode *top, BlockNode *node, bool live);
/* Users of @from, but for those that are @to or below it, over to @to. False: they do not go
 * together with what others do there, and all is as before. There are no requests. */
bool block_job_move_users(BlockNode *from, BlockNode *to, GError **errp);
/* @node, and what is below it if that is a filter, are not read-only any more; those that were are
 * added to @opened. */
bool block_job_let_write(BlockNode *node, GPtrArray *opened, GError **errp);
/* They are read-only again. */
void block_job_end_write(GPtrArray *opened);
/* Devices are told that their size may be another. */
void block_job_tell_resized(void);

#endif
