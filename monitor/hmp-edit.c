/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor/hmp-edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "monitor/hmp-complete.h"
#include "monitor/hmp.h"

#define MAX_HISTORY 1000

static const HmpEditUser *user; /* NULL: nobody has it */
static const char *user_prompt;
static const uint8_t *input; /* not read yet */
static int input_len;
static char *entered; /* a line, from readline's handler to hmp_edit_input() */
static bool waits;    /* the line that was entered has not ended */
static HmpCompletion completion;

/* ---- what readline calls ---- */

static int read_byte(FILE *stream)
{
    if (!input_len) {
        return EOF; /* it wants more than there is: it goes on without */
    }
    input_len--;
    return *input++;
}

static int input_available(void)
{
    return input_len > 0;
}

static ssize_t write_bytes(void *cookie, const char *buf, size_t len)
{
    if (user) {
        user->write(user->opaque, buf, len);
    }
    return (ssize_t)len;
}

/* Without the handler readline does not show the next prompt before the line was run. */
static void line_entered(char *line)
{
    rl_callback_handler_remove();
    free(entered);
    entered = line ? line : strdup("");
}

static char *next_match(const char *text, int state)
{
    static guint i;

    if (!state) {
        i = 0;
    }
    return i < completion.words->len ? strdup(completion.words->pdata[i++]) : NULL;
}

static char **complete(const char *text, int start, int end)
{
    g_autofree char *line = g_strndup(rl_line_buffer, (gsize)end);
    char **matches;

    hmp_complete(line, &completion);
    matches = completion.files ? NULL : rl_completion_matches(text, next_match);
    rl_completion_append_character = completion.append;
    rl_attempted_completion_over = !completion.files; /* else readline looks for files */
    hmp_completion_clear(&completion);
    return matches;
}

static void no_terminal(int meta)
{
}

static void no_terminal_back(void)
{
}

/* ---- set-up ---- */

/*
 * Go to the next line of the history, in the direction of @step, that begins with what is left of
 * the cursor. (Readline 8.2's own search frees records of changes twice.)
 */
static int search(int step, rl_command_func_t *go, int key)
{
    g_autofree char *begin = g_strndup(rl_line_buffer, (gsize)rl_point);
    int point = rl_point, from = where_history();

    for (int i = from + step; i >= 0 && i < history_length; i += step) {
        const HIST_ENTRY *entry = history_get(history_base + i);

        if (entry && g_str_has_prefix(entry->line, begin)) {
            go(ABS(i - from), key);
            rl_point = MIN(point, rl_end);
            break;
        }
    }
    return 0;
}

static int search_backward(int count, int key)
{
    return search(-1, rl_get_previous_history, key);
}

static int search_forward(int count, int key)
{
    return search(1, rl_get_next_history, key);
}

/*
 * The keys, all of them. Readline has many more by itself, but among those that go on to read a key
 * (incremental search, vi's commands, macros) are some that crash or never return when bytes come
 * one by one, and numeric arguments that make a line of gigabytes.
 */
static const struct {
    const char *keys;
    rl_command_func_t *fn;
} bindings[] = {
    { "\\C-a", rl_beg_of_line },
    { "\\C-b", rl_backward_char },
    { "\\C-c", rl_kill_full_line },
    { "\\C-d", rl_delete },
    { "\\C-e", rl_end_of_line },
    { "\\C-f", rl_forward_char },
    { "\\C-h", rl_rubout },
    { "\\C-i", rl_complete },
    { "\\C-j", rl_newline },
    { "\\C-k", rl_kill_line },
    { "\\C-l", rl_clear_screen },
    { "\\C-m", rl_newline },
    { "\\C-n", rl_get_next_history },
    { "\\C-p", rl_get_previous_history },
    { "\\C-r", search_backward },
    { "\\C-s", search_forward },
    { "\\C-t", rl_transpose_chars },
    { "\\C-u", rl_unix_line_discard },
    { "\\C-w", rl_unix_word_rubout },
    { "\\C-y", rl_yank },
    { "\\C-_", rl_undo_command },
    { "\\C-?", rl_rubout },
    { "\\eb", rl_backward_word },
    { "\\ed", rl_kill_word },
    { "\\ef", rl_forward_word },
    { "\\e\\C-?", rl_backward_kill_word },
    /* as terminals send them: arrows, Home, End, Delete, page up and down, words */
    { "\\e[A", rl_get_previous_history },
    { "\\e[B", rl_get_next_history },
    { "\\e[C", rl_forward_char },
    { "\\e[D", rl_backward_char },
    { "\\e[H", rl_beg_of_line },
    { "\\e[F", rl_end_of_line },
    { "\\eOA", rl_get_previous_history },
    { "\\eOB", rl_get_next_history },
    { "\\eOC", rl_forward_char },
    { "\\eOD", rl_backward_char },
    { "\\eOH", rl_beg_of_line },
    { "\\eOF", rl_end_of_line },
    { "\\e[1~", rl_beg_of_line },
    { "\\e[3~", rl_delete },
    { "\\e[4~", rl_end_of_line },
    { "\\e[5~", search_backward },
    { "\\e[6~", search_forward },
    { "\\e[7~", rl_beg_of_line },
    { "\\e[8~", rl_end_of_line },
    { "\\e[1;5C", rl_forward_word },
    { "\\e[1;5D", rl_backward_word },
};

static void bind_keys(void)
{
    Keymap keys = rl_make_keymap(); /* printing characters insert themselves */

    rl_variable_bind("editing-mode", "emacs");
    for (size_t i = 0; i < G_N_ELEMENTS(bindings); i++) {
        rl_bind_keyseq_in_map(bindings[i].keys, bindings[i].fn, keys);
    }
    rl_set_keymap(keys);
}

static void init(void)
{
    static const cookie_io_functions_t output = { .write = write_bytes };
    static const char *const variables[][2] = {
        { "enable-bracketed-paste", "off" },
        { "page-completions", "off" }, /* it would wait for a key */
        { "keyseq-timeout", "0" },
        { "bell-style", "none" },
        { "revert-all-at-newline", "on" }, /* else it loses records of changes */
    };

    if (rl_instream) {
        return;
    }
    /* Never read from, and never readable, should readline ask the kernel. */
    rl_instream = fdopen(eventfd(0, EFD_CLOEXEC), "r");
    rl_outstream = fopencookie(NULL, "w", output);
    g_assert(rl_instream && rl_outstream);
    rl_getc_function = read_byte;
    rl_input_available_hook = input_available;
    rl_catch_signals = rl_catch_sigwinch = 0;
    rl_change_environment = 0;
    rl_prep_term_function = no_terminal;
    rl_deprep_term_function = no_terminal_back;
    rl_readline_name = "dimmable";
    rl_terminal_name = "vt100";
    rl_attempted_completion_function = complete;
    rl_completer_word_break_characters = HMP_WORD_BREAKS;
    rl_initialize(); /* reads the user's ~/.inputrc */
    for (size_t i = 0; i < G_N_ELEMENTS(variables); i++) {
        rl_variable_bind(variables[i][0], variables[i][1]);
    }
    rl_completion_query_items = -1;
    bind_keys();
    rl_tty_set_echoing(1);
    using_history();
    stifle_history(MAX_HISTORY);
}

bool hmp_edit_begin(const HmpEditUser *new_user, const char *terminal, const char *prompt)
{
    if (user) {
        return false;
    }
    init();
    user = new_user;
    user_prompt = prompt;
    rl_terminal_name = terminal;
    rl_reset_terminal(terminal);
    rl_callback_handler_install(prompt, line_entered);
    fflush(rl_outstream);
    return true;
}

void hmp_edit_set_size(int rows, int columns)
{
    rl_set_screen_size(rows, columns);
}

/* ---- a session ---- */

static void remember(const char *line)
{
    HIST_ENTRY *last = history_length ? history_get(history_base + history_length - 1) : NULL;

    if (line[strspn(line, " \t")] && (!last || strcmp(last->line, line))) {
        add_history(line);
    }
}

void hmp_edit_history(void (*fn)(void *opaque, const char *line), void *opaque)
{
    for (int i = 0; i < history_length; i++) {
        fn(opaque, history_get(history_base + i)->line);
    }
}

static void run_entered(void)
{
    char *line = entered;

    entered = NULL;
    remember(line);
    waits = !user->line(user->opaque, line);
    free(line);
    if (user && !waits) {
        rl_callback_handler_install(user_prompt, line_entered);
    }
}

void hmp_edit_go_on(void)
{
    waits = false;
    rl_callback_handler_install(user_prompt, line_entered);
    fflush(rl_outstream);
}

int hmp_edit_input(const uint8_t *buf, int len)
{
    int left;

    input = buf;
    input_len = len;
    while (user && input_len && !waits) {
        if (rl_end > HMP_MAX_LINE && *input != '\r' && *input != '\n') {
            read_byte(NULL); /* the line is refused when it ends */
            continue;
        }
        rl_callback_read_char();
        fflush(rl_outstream);
        if (entered) {
            run_entered();
            fflush(rl_outstream);
        }
    }
    left = input_len;
    input_len = 0;
    return len - left;
}

void hmp_edit_show(void)
{
    rl_on_new_line();
    rl_redisplay();
    fflush(rl_outstream);
}

void hmp_edit_end(void)
{
    rl_free_line_state();
    rl_callback_sigcleanup();
    rl_callback_handler_remove();
    rl_replace_line("", 1);
    fflush(rl_outstream);
    user = NULL;
    waits = false;
    input_len = 0;
    g_clear_pointer(&entered, free);
}
