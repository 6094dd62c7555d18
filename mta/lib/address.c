/* SPDX-License-Identifier: ISC */
#include "mta/lib/address.h"

#include <string.h>

enum token_type {
    TOKEN_END,
    TOKEN_ERROR,
    TOKEN_WORD,    /* an atom or a quoted string */
    TOKEN_LITERAL, /* [...] */
    TOKEN_SPECIAL, /* one of . @ : ; , < > */
};

struct token {
    enum token_type type;
    char special;
    size_t begin; /* in the text */
    size_t end;
    size_t scratch_size; /* bytes at reader->scratch + used: the word, unquoted */
};

void address_reader_init(struct address_reader *reader, const char *text, size_t size,
                         char *scratch)
{
    memset(reader, 0, sizeof *reader);
    reader->text = text;
    reader->size = size;
    reader->scratch = scratch;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_control(char c)
{
    unsigned char byte = (unsigned char) c;
    return byte < 32 || byte == 127;
}

static bool is_special(char c)
{
    return c != 0 && strchr(".@:;,<>", c) != NULL;
}

static bool is_atom_byte(char c)
{
    return c != ' ' && !is_control(c) && !strchr("()<>[]:;@\\,.\"", c);
}

/* Skips a comment whose '(' is at reader->at (RFC 5322 3.2.2: they nest).  False if it never ends.
 */
static bool skip_comment(struct address_reader *reader)
{
    size_t depth = 0;
    while (reader->at < reader->size) {
        char c = reader->text[reader->at++];
        if (c == '\\' && reader->at < reader->size)
            reader->at++;
        else if (c == '(')
            depth++;
        else if (c == ')' && --depth == 0)
            return true;
    }
    return false;
}

static bool skip_space(struct address_reader *reader)
{
    while (reader->at < reader->size) {
        char c = reader->text[reader->at];
        if (c == '(') {
            if (!skip_comment(reader))
                return false;
        } else if (is_space(c)) {
            reader->at++;
        } else {
            break;
        }
    }
    return true;
}

/* A quoted string or literal up to its `close`; its content into `to`.  Line ends of folding are
 * dropped.  NUL and quoted line ends, which no envelope can carry, are errors. */
static bool read_enclosed(struct address_reader *reader, char close, bool keep_backslash, char *to,
                          size_t *size)
{
    *size = 0;
    reader->at++;
    while (reader->at < reader->size) {
        char c = reader->text[reader->at++];
        if (c == close)
            return true;
        if (c == 0)
            return false;
        if (c == '\r' || c == '\n')
            continue;
        if (c == '\\') {
            if (reader->at == reader->size)
                return false;
            if (keep_backslash)
                to[(*size)++] = c;
            c = reader->text[reader->at++];
            if (c == 0 || c == '\r' || c == '\n')
                return false;
        }
        to[(*size)++] = c;
    }
    return false;
}

static void read_atom(struct address_reader *reader, char *to, size_t *size)
{
    *size = 0;
    while (reader->at < reader->size) {
        char c = reader->text[reader->at];
        if (c == 0 || !is_atom_byte(c))
            break;
        to[(*size)++] = c;
        reader->at++;
    }
}

static bool read_literal(struct address_reader *reader, char *to, size_t *size)
{
    to[0] = '[';
    if (!read_enclosed(reader, ']', true, to + 1, size))
        return false;
    to[*size + 1] = ']';
    *size += 2;
    return true;
}

/* The next token; a word's or literal's content goes to `to`, which has room for the rest of the
 * text: content is never longer than what it is read from. */
static struct token next_token(struct address_reader *reader, char *to)
{
    struct token token = {.type = TOKEN_ERROR};
    if (!skip_space(reader))
        return token;
    token.begin = reader->at;
    if (reader->at == reader->size) {
        token.type = TOKEN_END;
    } else if (is_special(reader->text[reader->at])) {
        token.type = TOKEN_SPECIAL;
        token.special = reader->text[reader->at++];
    } else if (reader->text[reader->at] == '"') {
        if (read_enclosed(reader, '"', false, to, &token.scratch_size))
            token.type = TOKEN_WORD;
    } else if (reader->text[reader->at] == '[') {
        if (read_literal(reader, to, &token.scratch_size))
            token.type = TOKEN_LITERAL;
    } else {
        read_atom(reader, to, &token.scratch_size);
        if (token.scratch_size)
            token.type = TOKEN_WORD;
    }
    token.end = reader->at;
    return token;
}

static bool is(const struct token *token, char special)
{
    return token->type == TOKEN_SPECIAL && token->special == special;
}

static bool is_end_of_element(const struct token *token)
{
    return token->type == TOKEN_END || is(token, ',') || is(token, ';');
}

/* What has been read of one address: its bytes without comments and white space, with every `@`,
 * at scratch[0..used); `last_at` is where the last unquoted `@` is. */
struct collected {
    size_t used;
    size_t tokens;
    size_t last_at;
    size_t at_count;
    size_t begin;
    size_t end;
    bool after_word; /* another word now would be a second one without a comma */
    bool after_at;   /* another `@` now would have nothing in front of it */
    bool two_words;
    bool bare_at;
    bool quoted_domain; /* a quoted string behind the last `@` */
    bool literal_local; /* a literal before the last `@` */
    bool literal;
};

static void collect(struct collected *collected, const struct address_reader *reader,
                    const struct token *token)
{
    if (collected->tokens++ == 0)
        collected->begin = token->begin;
    collected->end = token->end;
    if (token->type == TOKEN_SPECIAL) {
        bool at = token->special == '@';
        collected->bare_at |= at && (collected->used == 0 || collected->after_at);
        collected->after_at = at;
        if (at) {
            collected->last_at = collected->used;
            collected->at_count++;
            collected->literal_local |= collected->literal;
            collected->quoted_domain = false;
        }
        reader->scratch[collected->used++] = token->special;
        collected->after_word = false;
        return;
    }
    if (collected->after_word)
        collected->two_words = true;
    collected->after_word = true;
    collected->after_at = false;
    if (token->type == TOKEN_LITERAL)
        collected->literal = true;
    else if (reader->text[token->begin] == '"' && collected->at_count)
        collected->quoted_domain = true;
    collected->used += token->scratch_size;
}

/* Makes an address of what was collected. */
static int finish(const struct address_reader *reader, const struct collected *collected,
                  bool routed, struct address *address)
{
    bool literal_local = collected->literal_local || (collected->literal && !collected->at_count);
    if (collected->two_words || collected->bare_at || collected->quoted_domain || literal_local)
        return -1;
    memset(address, 0, sizeof *address);
    address->local = reader->scratch;
    address->domain = reader->scratch;
    address->local_size = collected->used;
    if (collected->at_count) {
        address->local_size = collected->last_at;
        address->domain = reader->scratch + collected->last_at + 1;
        address->domain_size = collected->used - collected->last_at - 1;
    }
    if (address->local_size == 0 && collected->tokens > 0)
        return -1;
    address->begin = collected->begin;
    address->end = collected->end;
    address->routed = routed || collected->at_count > 1;
    return 1;
}

/* Behind the '<': [@a,@b:]local@domain '>' and then nothing but the element's end. */
static int read_angle(struct address_reader *reader, struct address *address)
{
    struct collected collected = {.begin = reader->at, .end = reader->at};
    bool routed = false;
    bool route_possible = true;
    size_t route_begin = 0;
    for (;;) {
        struct token token = next_token(reader, reader->scratch + collected.used);
        if (token.type == TOKEN_ERROR || token.type == TOKEN_END)
            return -1;
        if (is(&token, '>'))
            break;
        if (collected.tokens == 0 && !is(&token, '@') && !is(&token, ','))
            route_possible = false;
        if (is(&token, ',') && route_possible) {
            collect(&collected, reader, &token);
        } else if (is(&token, ':') && route_possible && !routed) {
            route_begin = collected.begin;
            routed = true;
            route_possible = false;
            collected = (struct collected){0};
        } else if (is(&token, ':') || is(&token, ';') || is(&token, ',') || is(&token, '<')) {
            return -1;
        } else {
            collect(&collected, reader, &token);
        }
    }
    if (collected.tokens == 0 && routed)
        return -1;
    if (routed)
        collected.begin = route_begin;
    struct token token = next_token(reader, reader->scratch + collected.used);
    if (!is_end_of_element(&token))
        return -1;
    if (is(&token, ';'))
        reader->in_group = false;
    return finish(reader, &collected, routed, address);
}

int address_next(struct address_reader *reader, struct address *address)
{
    struct collected collected = {0};
    for (;;) {
        struct token token = next_token(reader, reader->scratch + collected.used);
        if (token.type == TOKEN_ERROR || is(&token, '>'))
            return -1;
        if (is(&token, '<'))
            return read_angle(reader, address);
        if (is(&token, ':')) {
            /* a group's name (RFC 5322 3.4): what follows are its members */
            if (reader->in_group || collected.tokens == 0 || collected.at_count)
                return -1;
            reader->in_group = true;
            collected = (struct collected){0};
            continue;
        }
        if (!is_end_of_element(&token)) {
            collect(&collected, reader, &token);
            continue;
        }
        if (is(&token, ';'))
            reader->in_group = false;
        if (collected.tokens)
            return finish(reader, &collected, false, address);
        if (token.type == TOKEN_END)
            return 0;
    }
}

static bool is_dot_atom(const char *local, size_t size)
{
    if (size == 0 || local[0] == '.' || local[size - 1] == '.')
        return false;
    for (size_t i = 0; i < size; i++) {
        if (local[i] == '.' ? local[i - 1] == '.' : local[i] == 0 || !is_atom_byte(local[i]))
            return false;
    }
    return true;
}

int address_add_local(struct buf *buf, const char *local, size_t size)
{
    if (is_dot_atom(local, size))
        return buf_add(buf, local, size);
    if (buf_reserve(buf, 2 * size + 2) < 0)
        return -1;
    char *to = buf->data + buf->length;
    *to++ = '"';
    for (size_t i = 0; i < size; i++) {
        char c = local[i];
        if (c == '"' || c == '\\' || c == '\r' || c == '\n')
            *to++ = '\\';
        *to++ = c;
    }
    *to++ = '"';
    buf->length = (size_t) (to - buf->data);
    return 0;
}

static size_t without_dots(const char *host, size_t size)
{
    while (size > 0 && host[size - 1] == '.')
        size--;
    return size;
}

int address_add_host(struct buf *buf, const char *domain, size_t size,
                     const struct address_hosts *hosts)
{
    size = without_dots(domain, size);
    if (size == 0) {
        domain = hosts->default_host;
        size = without_dots(domain, strlen(domain));
    }
    if (size > 0 && domain[0] == '[')
        return buf_add(buf, domain, size);
    bool plus = size > 0 && domain[size - 1] == '+';
    const char *suffix = NULL;
    if (plus)
        suffix = hosts->plus_domain;
    else if (size == 0 || !memchr(domain, '.', size))
        suffix = hosts->default_domain;
    if (buf_add(buf, domain, plus ? size - 1 : size) < 0)
        return -1;
    if (!suffix || !*suffix)
        return 0;
    if (buf_add_byte(buf, '.') < 0)
        return -1;
    return buf_add(buf, suffix, strlen(suffix));
}

int address_add_given(struct buf *buf, const char *given, const struct address_hosts *hosts)
{
    const char *at = strrchr(given, '@');
    size_t local_size = at ? (size_t) (at - given) : strlen(given);
    const char *domain = at ? at + 1 : "";
    if (buf_add(buf, given, local_size) < 0 || buf_add_byte(buf, '@') < 0)
        return -1;
    return address_add_host(buf, domain, strlen(domain), hosts);
}
