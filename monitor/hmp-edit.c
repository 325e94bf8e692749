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

/* readline 8.2 follows a null pointer where a prefix key comes in a search (Ctrl-R Ctrl-X), so
 * there are none but Escape, at which a search ends. */
static void unbind_prefix_keys(void)
{
    Keymap const maps[] = { emacs_standard_keymap, vi_insertion_keymap, vi_movement_keymap };

    for (size_t i = 0; i < G_N_ELEMENTS(maps); i++) {
        for (int key = 0; key < KEYMAP_SIZE - 1; key++) {
            if (maps[i][key].type == ISKMAP && key != ESC) {
                rl_unbind_key_in_map(key, maps[i]);
            }
        }
    }
}

static void init(void)
{
    static const cookie_io_functions_t output = { .write = write_bytes };
    static const char *const variables[][2] = {
        { "enable-bracketed-paste", "off" },
        { "page-completions", "off" }, /* it would wait for a key */
        { "keyseq-timeout", "0" },
        { "bell-style", "none" },
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
    rl_completion_query_items = -1;
    rl_initialize(); /* reads the user's ~/.inputrc */
    for (size_t i = 0; i < G_N_ELEMENTS(variables); i++) {
        rl_variable_bind(variables[i][0], variables[i][1]);
    }
    unbind_prefix_keys();
    /* ESC 9 9 9 9 9 9 9 9 9 x would be a line without end. */
    rl_unbind_function_in_map(rl_digit_argument, emacs_meta_keymap);
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

static void run_entered(void)
{
    char *line = entered;

    entered = NULL;
    remember(line);
    user->line(user->opaque, line);
    free(line);
    if (user) {
        rl_callback_handler_install(user_prompt, line_entered);
    }
}

void hmp_edit_input(const uint8_t *buf, int len)
{
    input = buf;
    input_len = len;
    while (user && input_len) {
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
    input_len = 0;
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
    input_len = 0;
    g_clear_pointer(&entered, free);
}
