/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/json.h"

#include <errno.h>
#include <string.h>

#include "util/error.h"

#define TEXT_MAX_DEPTH 1024

/* What may come, between tokens. */
typedef enum Expect {
    EXPECT_VALUE,
    EXPECT_ELEMENT_OR_END, /* after "[" */
    EXPECT_KEY_OR_END,     /* after "{" */
    EXPECT_KEY,            /* after "," in an object */
    EXPECT_COLON,
    EXPECT_COMMA_OR_END,
} Expect;

typedef enum Token { TOKEN_NONE, TOKEN_STRING, TOKEN_NUMBER, TOKEN_WORD } Token;

/* An open bracket. */
typedef struct Level {
    struct json_object *container;
    char *key; /* of an object: whose value comes */
} Level;

struct JsonParser {
    unsigned max_depth;
    GArray *levels; /* of Level, the outermost first */
    Expect expect;
    struct json_object *done;
    Token token;
    GString *text; /* of the token; strings without escapes */
    /* in a string */
    uint8_t quote;
    bool backslash;
    unsigned digits; /* of \uXXXX that are to come, and */
    uint32_t code;   /* what those until now make */
    uint32_t high;   /* the first half of a surrogate pair, whose second must come; or 0 */
};

static void level_clear(gpointer data)
{
    Level *level = data;

    json_object_put(level->container);
    g_free(level->key);
}

JsonParser *json_parser_new(unsigned max_depth)
{
    JsonParser *parser = g_new0(JsonParser, 1);

    parser->max_depth = max_depth;
    parser->levels = g_array_new(FALSE, FALSE, sizeof(Level));
    g_array_set_clear_func(parser->levels, level_clear);
    parser->text = g_string_new(NULL);
    return parser;
}

void json_parser_reset(JsonParser *parser)
{
    /* From the inside: an inner container is not yet in the one around it. */
    while (parser->levels->len) {
        g_array_set_size(parser->levels, parser->levels->len - 1);
    }
    json_object_put(parser->done);
    parser->done = NULL;
    parser->expect = EXPECT_VALUE;
    parser->token = TOKEN_NONE;
    if (parser->text->allocated_len > 4096) {
        g_string_free(parser->text, TRUE);
        parser->text = g_string_new(NULL);
    }
    g_string_truncate(parser->text, 0);
    parser->quote = 0;
    parser->backslash = false;
    parser->digits = parser->high = 0;
}

void json_parser_free(JsonParser *parser)
{
    if (parser) {
        json_parser_reset(parser);
        g_array_unref(parser->levels);
        g_string_free(parser->text, TRUE);
        g_free(parser);
    }
}

struct json_object *json_parser_take(JsonParser *parser)
{
    struct json_object *value = g_steal_pointer(&parser->done);

    json_parser_reset(parser);
    return value;
}

unsigned json_parser_depth(const JsonParser *parser)
{
    return parser->levels->len;
}

uint8_t json_parser_quote(const JsonParser *parser, bool *backslash)
{
    *backslash = parser->backslash;
    return parser->quote;
}

static Level *innermost(JsonParser *parser)
{
    return parser->levels->len ? &g_array_index(parser->levels, Level, parser->levels->len - 1)
                               : NULL;
}

/* ---- values ---- */

/* @value, owned, is complete. */
static JsonState add_value(JsonParser *parser, struct json_object *value)
{
    Level *level = innermost(parser);

    if (!level) {
        parser->done = value;
        return JSON_DONE;
    }
    parser->expect = EXPECT_COMMA_OR_END;
    if (level->key) {
        json_object_object_add_ex(level->container, level->key, value,
                                  JSON_C_OBJECT_ADD_KEY_IS_NEW);
        g_clear_pointer(&level->key, g_free);
    } else {
        json_object_array_add(level->container, value);
    }
    return JSON_MORE;
}

static JsonState open_bracket(JsonParser *parser, bool object, GError **errp)
{
    Level level = { object ? json_object_new_object() : json_object_new_array(), NULL };

    if (parser->levels->len == parser->max_depth) {
        json_object_put(level.container);
        error_set(errp, "nested too deep; %u levels are allowed", parser->max_depth);
        return JSON_ERROR;
    }
    g_array_append_val(parser->levels, level);
    parser->expect = object ? EXPECT_KEY_OR_END : EXPECT_ELEMENT_OR_END;
    return JSON_MORE;
}

static JsonState close_bracket(JsonParser *parser)
{
    struct json_object *container = g_steal_pointer(&innermost(parser)->container);

    g_array_set_size(parser->levels, parser->levels->len - 1);
    return add_value(parser, container);
}

static bool end_key(JsonParser *parser, GError **errp)
{
    Level *level = innermost(parser);

    if (json_object_object_get_ex(level->container, parser->text->str, NULL)) {
        error_set(errp, "the key '%.100s' is there twice", parser->text->str);
        return false;
    }
    level->key = g_strndup(parser->text->str, parser->text->len);
    parser->expect = EXPECT_COLON;
    return true;
}

/* ---- strings ---- */

static JsonState begin_string(JsonParser *parser, uint8_t quote)
{
    parser->token = TOKEN_STRING;
    parser->quote = quote;
    g_string_truncate(parser->text, 0);
    return JSON_MORE;
}

static JsonState end_string(JsonParser *parser, GError **errp)
{
    const GString *text = parser->text;

    if (!g_utf8_validate(text->str, (gssize)text->len, NULL)) {
        error_set(errp, "a string is not UTF-8");
        return JSON_ERROR;
    }
    if (parser->expect != EXPECT_VALUE && parser->expect != EXPECT_ELEMENT_OR_END) {
        if (!end_key(parser, errp)) {
            return JSON_ERROR;
        }
        parser->token = TOKEN_NONE;
        parser->quote = 0;
        return JSON_MORE;
    }
    parser->token = TOKEN_NONE;
    parser->quote = 0;
    return add_value(parser, json_object_new_string_len(text->str, (int)text->len));
}

/* \uXXXX is complete. */
static JsonState end_escape(JsonParser *parser, GError **errp)
{
    uint32_t code = parser->code;
    bool high = code >= 0xd800 && code < 0xdc00, low = code >= 0xdc00 && code < 0xe000;

    if (!code) {
        error_set(errp, "\\u0000 cannot be in a string");
        return JSON_ERROR;
    }
    if (low != (parser->high != 0)) {
        error_set(errp, "\\u%04x is half of a surrogate pair without the other half",
                  parser->high ? parser->high : code);
        return JSON_ERROR;
    }
    if (high) {
        parser->high = code;
        return JSON_MORE;
    }
    if (low) {
        code = 0x10000 + ((parser->high - 0xd800) << 10) + (code - 0xdc00);
        parser->high = 0;
    }
    g_string_append_unichar(parser->text, code);
    return JSON_MORE;
}

static JsonState escape_byte(JsonParser *parser, uint8_t c, GError **errp)
{
    static const char names[] = "\"'\\/bfnrt", meanings[] = "\"'\\/\b\f\n\r\t";
    const char *name = c ? strchr(names, c) : NULL;

    if (parser->digits) {
        if (!g_ascii_isxdigit(c)) {
            error_set(errp, "\\u in a string must be followed by four hexadecimal digits");
            return JSON_ERROR;
        }
        parser->code = parser->code << 4 | (uint32_t)g_ascii_xdigit_value(c);
        return --parser->digits ? JSON_MORE : end_escape(parser, errp);
    }
    parser->backslash = false;
    if (c == 'u') {
        parser->digits = 4;
        parser->code = 0;
    } else if (name) {
        g_string_append_c(parser->text, meanings[name - names]);
    } else {
        error_set(errp, "a backslash in a string must be followed by one of \" ' \\ / b f n r t u");
        return JSON_ERROR;
    }
    return JSON_MORE;
}

static JsonState string_byte(JsonParser *parser, uint8_t c, GError **errp)
{
    bool escape_goes_on = parser->digits || (parser->backslash ? c == 'u' : c == '\\');

    if (c < 0x20) {
        error_set(errp, "control characters in a string must be written with a backslash");
        return JSON_ERROR;
    }
    if (parser->high && !escape_goes_on) {
        error_set(errp, "\\u%04x is half of a surrogate pair without the other half", parser->high);
        return JSON_ERROR;
    }
    if (parser->backslash || parser->digits) {
        return escape_byte(parser, c, errp);
    }
    if (c == parser->quote) {
        return end_string(parser, errp);
    }
    if (c == '\\') {
        parser->backslash = true;
    } else {
        g_string_append_c(parser->text, (char)c);
    }
    return JSON_MORE;
}

/* ---- numbers and words ---- */

static size_t skip_digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?; *@integer: without what is optional at the end. */
static bool is_number(const char *text, bool *integer)
{
    size_t n;

    text += *text == '-';
    n = skip_digits(text);
    if (n == 0 || (n > 1 && *text == '0')) {
        return false;
    }
    text += n;
    *integer = !*text;
    if (*text == '.') {
        n = skip_digits(++text);
        if (n == 0) {
            return false;
        }
        text += n;
    }
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '-' || *text == '+';
        n = skip_digits(text);
        if (n == 0) {
            return false;
        }
        text += n;
    }
    return !*text;
}

/* Keeps its digits when it is printed. */
static struct json_object *spelled_double(const char *text)
{
    return json_object_new_double_s(g_ascii_strtod(text, NULL), text);
}

static struct json_object *integer_value(const char *text)
{
    int64_t number;
    uint64_t large;

    errno = 0;
    number = g_ascii_strtoll(text, NULL, 10);
    if (number == 0 && *text == '-') {
        struct json_object *zero = json_object_new_int64(0);
        json_object_set_serializer(zero, json_object_userdata_to_json_string, strdup(text),
                                   json_object_free_userdata);
        return zero;
    }
    if (!errno) {
        return json_object_new_int64(number);
    }
    errno = 0;
    large = *text == '-' ? 0 : g_ascii_strtoull(text, NULL, 10);
    return errno || !large ? spelled_double(text) : json_object_new_uint64(large);
}

bool json_is_long_integer(struct json_object *value)
{
    const char *text = json_object_get_string(value);
    bool integer = false;

    return json_object_is_type(value, json_type_double) && is_number(text, &integer) && integer;
}

static JsonState end_number(JsonParser *parser, GError **errp)
{
    const char *text = parser->text->str;
    bool integer = false;

    if (!is_number(text, &integer)) {
        error_set(errp, "'%.60s' is not a number", text);
        return JSON_ERROR;
    }
    return add_value(parser, integer ? integer_value(text) : spelled_double(text));
}

static JsonState end_word(JsonParser *parser, GError **errp)
{
    const char *text = parser->text->str;

    if (strcmp(text, "null") == 0) {
        return add_value(parser, NULL);
    }
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        return add_value(parser, json_object_new_boolean(*text == 't'));
    }
    error_set(errp, "'%.60s' is not a value", text);
    return JSON_ERROR;
}

static bool goes_on(Token token, uint8_t c)
{
    return token == TOKEN_WORD ? g_ascii_isalpha(c)
                               : g_ascii_isdigit(c) || (c && strchr("+-.eE", c));
}

/* ---- between tokens ---- */

static JsonState unexpected(const JsonParser *parser, uint8_t c, GError **errp)
{
    static const char *const wanted[] = {
        [EXPECT_VALUE] = "a value",
        [EXPECT_ELEMENT_OR_END] = "a value or ']'",
        [EXPECT_KEY_OR_END] = "a key in quotes or '}'",
        [EXPECT_KEY] = "a key in quotes",
        [EXPECT_COLON] = "':'",
        [EXPECT_COMMA_OR_END] = "',' or the closing bracket",
    };

    if (c > ' ' && c < 0x7f) {
        error_set(errp, "expects %s, got '%c'", wanted[parser->expect], c);
    } else {
        error_set(errp, "expects %s, got the byte 0x%02x", wanted[parser->expect], c);
    }
    return JSON_ERROR;
}

static JsonState begin_value(JsonParser *parser, uint8_t c, GError **errp)
{
    if (c == '{' || c == '[') {
        return open_bracket(parser, c == '{', errp);
    }
    if (c == '"' || c == '\'') {
        return begin_string(parser, c);
    }
    if (c != '-' && !g_ascii_isalnum(c)) {
        return unexpected(parser, c, errp);
    }
    parser->token = g_ascii_isalpha(c) ? TOKEN_WORD : TOKEN_NUMBER;
    g_string_truncate(parser->text, 0);
    g_string_append_c(parser->text, (char)c);
    return JSON_MORE;
}

static JsonState comma_or_end(JsonParser *parser, uint8_t c, GError **errp)
{
    bool object = json_object_is_type(innermost(parser)->container, json_type_object);

    if (c == ',') {
        parser->expect = object ? EXPECT_KEY : EXPECT_VALUE;
        return JSON_MORE;
    }
    return c == (object ? '}' : ']') ? close_bracket(parser) : unexpected(parser, c, errp);
}

static JsonState structure_byte(JsonParser *parser, uint8_t c, GError **errp)
{
    bool end = c == '}' || c == ']';

    if (c && strchr(" \t\r\n", c)) {
        return JSON_MORE;
    }
    switch (parser->expect) {
    case EXPECT_COMMA_OR_END:
        return comma_or_end(parser, c, errp);
    case EXPECT_COLON:
        if (c != ':') {
            return unexpected(parser, c, errp);
        }
        parser->expect = EXPECT_VALUE;
        return JSON_MORE;
    case EXPECT_KEY_OR_END:
    case EXPECT_KEY:
        if (end && parser->expect == EXPECT_KEY_OR_END) {
            return comma_or_end(parser, c, errp);
        }
        return c == '"' || c == '\'' ? begin_string(parser, c) : unexpected(parser, c, errp);
    case EXPECT_ELEMENT_OR_END:
        return end ? comma_or_end(parser, c, errp) : begin_value(parser, c, errp);
    default:
        return begin_value(parser, c, errp);
    }
}

JsonState json_parser_put(JsonParser *parser, uint8_t c, GError **errp)
{
    Token token = parser->token;

    if (token == TOKEN_STRING) {
        return string_byte(parser, c, errp);
    }
    if (token != TOKEN_NONE) {
        if (goes_on(token, c)) {
            g_string_append_c(parser->text, (char)c);
            return JSON_MORE;
        }
        parser->token = TOKEN_NONE;
        JsonState state = token == TOKEN_WORD ? end_word(parser, errp) : end_number(parser, errp);
        if (state != JSON_MORE) {
            return state;
        }
    }
    return structure_byte(parser, c, errp);
}

size_t json_parser_put_plain(JsonParser *parser, const uint8_t *bytes, size_t len)
{
    size_t n = 0;

    if (parser->token != TOKEN_STRING || parser->backslash || parser->digits || parser->high) {
        return 0;
    }
    while (n < len && bytes[n] >= 0x20 && bytes[n] != 0xff && bytes[n] != '\\' &&
           bytes[n] != parser->quote) {
        n++;
    }
    g_string_append_len(parser->text, (const char *)bytes, (gssize)n);
    return n;
}

/* ---- texts ---- */

static JsonState put_text(JsonParser *parser, const char *text, GError **errp)
{
    g_autoptr(GError) err = NULL;
    JsonState state = JSON_MORE;
    const char *p = text;

    while (*p && state == JSON_MORE) {
        state = json_parser_put(parser, (uint8_t)*p++, &err);
    }
    if (state == JSON_DONE && p[strspn(p, " \t\r\n")]) {
        error_set(errp, "'%s' is not valid JSON: something follows at character %zu", text,
                  (size_t)(p - text) + 1);
        return JSON_ERROR;
    }
    if (state == JSON_MORE) {
        error_set(errp, "'%s' is not valid JSON: it ends too early", text);
        return JSON_ERROR;
    }
    if (state == JSON_ERROR) {
        error_set(errp, "'%s' is not valid JSON: %s (character %zu)", text, err->message,
                  (size_t)(p - text));
    }
    return state;
}

struct json_object *json_parse_object(const char *text, GError **errp)
{
    JsonParser *parser = json_parser_new(TEXT_MAX_DEPTH);
    struct json_object *value =
        put_text(parser, text, errp) == JSON_DONE ? json_parser_take(parser) : NULL;

    json_parser_free(parser);
    return value;
}
