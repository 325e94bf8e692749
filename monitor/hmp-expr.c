/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor/hmp-expr.h"

#include <string.h>

#include "util/error.h"

#define MAX_DEPTH 64

typedef struct Parser {
    const char *p;
    unsigned depth;
    HmpRegisterFn *get_register;
    void *opaque;
    GError **errp;
} Parser;

/* From weak to strong. */
static const char *const levels[] = { "+-", "&|^", "*/%" };

static bool parse_level(Parser *parser, unsigned level, uint64_t *value);

static char peek(Parser *parser)
{
    parser->p += strspn(parser->p, " \t");
    return *parser->p;
}

static bool expected(Parser *parser, const char *what)
{
    if (peek(parser)) {
        error_set(parser->errp, "%s should be at '%.20s' in the expression", what, parser->p);
    } else {
        error_set(parser->errp, "%s is missing at the end of the expression", what);
    }
    return false;
}

/* Parentheses and unary operators nest in the stack of this program. */
static bool enter(Parser *parser)
{
    if (parser->depth >= MAX_DEPTH) {
        error_set(parser->errp, "the expression nests too deeply; %d levels are allowed",
                  MAX_DEPTH);
        return false;
    }
    parser->depth++;
    return true;
}

static bool parse_number(Parser *parser, uint64_t *value)
{
    const char *begin = parser->p;
    char *end;

    errno = 0;
    *value = g_ascii_strtoull(begin, &end, 0);
    if (errno == ERANGE) {
        error_set(parser->errp, "the number %.*s does not fit 64 bits", (int)MIN(end - begin, 40),
                  begin);
        return false;
    }
    if (g_ascii_isalnum(*end) || *end == '_') {
        error_set(parser->errp, "'%.20s' is not a number; write 26, 0x1a or 032", begin);
        return false;
    }
    parser->p = end;
    return true;
}

static bool parse_char(Parser *parser, uint64_t *value)
{
    if (!parser->p[1] || parser->p[2] != '\'') {
        error_set(parser->errp, "'%.20s' is not a character; write one between two quotes",
                  parser->p);
        return false;
    }
    *value = (uint8_t)parser->p[1];
    parser->p += 3;
    return true;
}

static bool parse_register(Parser *parser, uint64_t *value)
{
    const char *begin = ++parser->p;
    g_autofree char *name = NULL;

    while (g_ascii_isalnum(*parser->p) || *parser->p == '_') {
        parser->p++;
    }
    name = g_ascii_strdown(begin, parser->p - begin);
    return parser->get_register(parser->opaque, name, value, parser->errp);
}

static bool parse_parentheses(Parser *parser, uint64_t *value)
{
    parser->p++;
    if (!parse_level(parser, 0, value)) {
        return false;
    }
    if (peek(parser) != ')') {
        return expected(parser, "a ')'");
    }
    parser->p++;
    return true;
}

static bool parse_unary(Parser *parser, uint64_t *value)
{
    char op = peek(parser);
    bool ok;

    if (g_ascii_isdigit(op)) {
        return parse_number(parser, value);
    }
    if (op == '$') {
        return parse_register(parser, value);
    }
    if (op == '\'') {
        return parse_char(parser, value);
    }
    if (!op || !strchr("(+-~", op)) {
        return expected(parser, "a number, $register or '('");
    }
    if (!enter(parser)) {
        return false;
    }
    if (op == '(') {
        ok = parse_parentheses(parser, value);
    } else {
        parser->p++;
        ok = parse_unary(parser, value);
        *value = op == '-' ? -*value : op == '~' ? ~*value : *value;
    }
    parser->depth--;
    return ok;
}

static uint64_t compute(char op, uint64_t a, uint64_t b)
{
    switch (op) {
    case '+':
        return a + b;
    case '-':
        return a - b;
    case '&':
        return a & b;
    case '|':
        return a | b;
    case '^':
        return a ^ b;
    case '*':
        return a * b;
    case '/':
        return a / b;
    default:
        return a % b;
    }
}

static bool parse_level(Parser *parser, unsigned level, uint64_t *value)
{
    uint64_t right;
    char op;

    if (level == G_N_ELEMENTS(levels)) {
        return parse_unary(parser, value);
    }
    if (!parse_level(parser, level + 1, value)) {
        return false;
    }
    while ((op = peek(parser)) && strchr(levels[level], op)) {
        parser->p++;
        if (!parse_level(parser, level + 1, &right)) {
            return false;
        }
        if (!right && (op == '/' || op == '%')) {
            error_set(parser->errp, "the expression divides by zero");
            return false;
        }
        *value = compute(op, *value, right);
    }
    return true;
}

bool hmp_expr(const char *text, HmpRegisterFn *get_register, void *opaque, uint64_t *value,
              GError **errp)
{
    Parser parser = { .p = text, .get_register = get_register, .opaque = opaque, .errp = errp };

    *value = 0;
    if (!parse_level(&parser, 0, value)) {
        return false;
    }
    return peek(&parser) ? expected(&parser, "an operator") : true;
}
