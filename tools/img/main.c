/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of commands, their options, and help. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "qapi/qapi-types.h"
#include "tools/img/img.h"
#include "tools/img/open.h"
#include "util/error.h"
#include "util/machine-lock.h"

static const ImgCommand *const img_commands[] = {
    &img_amend,   &img_bench,   &img_bitmap, &img_check,  &img_commit,
    &img_compare, &img_convert, &img_create, &img_dd,     &img_info,
    &img_map,     &img_measure, &img_rebase, &img_resize, &img_snapshot,
};

int img_error(const char *fmt, ...)
{
    g_autofree char *text = NULL, *named = NULL;
    va_list args;

    va_start(args, fmt);
    text = g_strdup_vprintf(fmt, args);
    va_end(args);
    named = img_name_files(text, NULL);
    fflush(stdout);
    fprintf(stderr, "dimmable-img: %s\n", named);
    return IMG_FAILED;
}

int img_fail(GError *err)
{
    int status = img_error("%s", err ? err->message : "failed");

    g_clear_error(&err);
    return status;
}

void img_say(const ImgArgs *args, const char *fmt, ...)
{
    va_list list;

    if (!args->quiet) {
        va_start(list, fmt);
        vprintf(fmt, list);
        va_end(list);
    }
}

static void library_says(void *opaque, const char *text)
{
    img_error("%s", text);
}

/* ---- help ---- */

static void print_option(const ImgOption *o)
{
    g_autoptr(GString) left = g_string_new("  ");

    if (o->letter) {
        g_string_append_printf(left, "-%c%s", o->letter, o->name ? ", " : "");
    }
    if (o->name) {
        g_string_append_printf(left, "--%s", o->name);
    }
    if (o->value) {
        g_string_append_printf(left, "%s%s", o->name ? "=" : " ", o->value);
    }
    printf("%-32s %s\n", left->str, o->doc);
}

static int help_command(const ImgCommand *command)
{
    printf("usage: dimmable-img %s [options] %s\n%s\n\n", command->name, command->files,
           command->doc);
    for (const ImgOption *o = command->options; o->doc; o++) {
        print_option(o);
    }
    return IMG_OK;
}

static int help(void)
{
    printf("usage: dimmable-img COMMAND [options] ...\nImages of disks, as qemu-img has them.\n\n");
    for (unsigned i = 0; i < G_N_ELEMENTS(img_commands); i++) {
        printf("  %-10s %s\n", img_commands[i]->name, img_commands[i]->doc);
    }
    printf("\n'dimmable-img COMMAND --help' lists the options of one.\n\nSupported formats:");
    for (int i = 0; BlockdevDriver_lookup[i]; i++) {
        printf(" %s", BlockdevDriver_lookup[i]);
    }
    printf("\n");
    return IMG_OK;
}

/* ---- options ---- */

enum { HELP = 256, LONG = 257 }; /* what getopt_long() returns: LONG + place of an option */

static bool takes_value(const ImgOption *o)
{
    return o->kind == IMG_ACTION ? o->value != NULL : o->kind != IMG_FLAG;
}

/* getopt's two lists. */
typedef struct Lists {
    GString *letters;
    GArray *names; /* of struct option */
} Lists;

static Lists lists_new(const ImgCommand *command)
{
    Lists lists = { g_string_new(":h"), g_array_new(TRUE, TRUE, sizeof(struct option)) };
    const struct option help_option = { "help", no_argument, NULL, HELP };

    g_array_append_val(lists.names, help_option);
    for (unsigned i = 0; command->options[i].doc; i++) {
        const ImgOption *o = &command->options[i];

        if (o->letter) {
            g_string_append_printf(lists.letters, "%c%s", o->letter, takes_value(o) ? ":" : "");
        }
        if (o->name) {
            const struct option name = { o->name, takes_value(o) ? required_argument : no_argument,
                                         NULL, LONG + (int)i };

            g_array_append_val(lists.names, name);
        }
    }
    return lists;
}

static const ImgOption *find_option(const ImgCommand *command, int found)
{
    if (found >= LONG) {
        return &command->options[found - LONG];
    }
    for (const ImgOption *o = command->options; o->doc; o++) {
        if (o->letter == found) {
            return o;
        }
    }
    return NULL;
}

static bool take_option(const ImgOption *o, const char *value, ImgArgs *args)
{
    void *member = (char *)args + o->member;

    switch (o->kind) {
    case IMG_FLAG:
        *(bool *)member = true;
        return true;
    case IMG_TEXT:
        g_free(*(char **)member);
        *(char **)member = g_strdup(value);
        return true;
    case IMG_ACTION:
    case IMG_LIST:
        if (!*(GPtrArray **)member) {
            *(GPtrArray **)member = g_ptr_array_new_with_free_func(g_free);
        }
        if (o->kind == IMG_ACTION) {
            g_ptr_array_add(*(GPtrArray **)member, g_strdup(o->name));
        }
        g_ptr_array_add(*(GPtrArray **)member, g_strdup(value ? value : ""));
        return true;
    default:
        img_error("--%s is not there: no image here needs one", o->name);
        return false;
    }
}

/* -1: go on; else the status to end with. */
static int parse(const ImgCommand *command, int argc, char **argv, ImgArgs *args)
{
    Lists lists = lists_new(command);
    int found, status = -1, all = argc;

    if (command->signed_last && argc > 1 && argv[argc - 1][0] == '-' &&
        g_ascii_isdigit(argv[argc - 1][1])) {
        argc--; /* it is no option */
    }

    opterr = 0;
    while (status < 0 &&
           (found = getopt_long(argc, argv, lists.letters->str,
                                (struct option *)(void *)lists.names->data, NULL)) >= 0) {
        const ImgOption *o = find_option(command, found);

        if (found == 'h' || found == HELP) {
            status = help_command(command);
        } else if (o) {
            status = take_option(o, optarg, args) ? -1 : IMG_FAILED;
        } else {
            status =
                img_error("%s: %s '%s'; 'dimmable-img %s --help' lists its options", command->name,
                          found == ':' ? "a value is missing behind" : "there is no option",
                          argv[optind - 1], command->name);
        }
    }
    g_string_free(lists.letters, TRUE);
    g_array_free(lists.names, TRUE);
    args->files = argv + optind;
    args->count_files = (unsigned)(all - optind);
    if (status < 0 && (args->count_files < command->min || args->count_files > command->max)) {
        status = img_error("%s: what is needed is: dimmable-img %s [options] %s", command->name,
                           command->name, command->files);
    }
    return status;
}

static void args_clear(const ImgCommand *command, ImgArgs *args)
{
    for (const ImgOption *o = command->options; o->doc; o++) {
        void *member = (char *)args + o->member;

        if (o->kind == IMG_TEXT) {
            g_clear_pointer((char **)member, g_free);
        } else if (o->kind == IMG_LIST || o->kind == IMG_ACTION) {
            g_clear_pointer((GPtrArray **)member, g_ptr_array_unref);
        }
    }
}

static int run(const ImgCommand *command, int argc, char **argv)
{
    ImgArgs args = { 0 };
    int status = parse(command, argc, argv, &args);

    if (status < 0) {
        status = command->run(&args);
    }
    args_clear(command, &args);
    if (fflush(stdout) && status == IMG_OK) {
        status = img_error("the output cannot be written");
    }
    return status;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    error_redirect(library_says, NULL);
    machine_lock();
    if (!strcmp(name, "-h") || !strcmp(name, "--help") || !strcmp(name, "help")) {
        return help();
    }
    if (!strcmp(name, "-V") || !strcmp(name, "--version")) {
        printf("qemu-img version 7.2.0 (dimmable-img %s)\n", DIMMABLE_VERSION);
        return IMG_OK;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(img_commands); i++) {
        if (strcmp(img_commands[i]->name, name) == 0) {
            return run(img_commands[i], argc - 1, argv + 1);
        }
    }
    return img_error("%s%s: 'dimmable-img --help' lists the commands",
                     *name ? "there is no command " : "no command is given", name);
}
