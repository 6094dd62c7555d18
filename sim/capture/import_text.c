/* SPDX-License-Identifier: ISC */
/* Pieces of a scenario as text: words, times, comments, messages. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "sim/capture/import_internal.h"
#include "sim/capture/text.h"

#define LINE_MAX_BYTES 60000
#define RECIPIENTS_MAX 1000 /* of a message */
#define CUT_BYTES 16384     /* that are left of a message that has no place */
#define MS INT64_C(1000000)

void import_print_time(FILE *to, int64_t ns)
{
    int64_t ms = ns / MS;

    if (ms >= 3600000)
        fprintf(to, "%" PRId64 "h", ms / 3600000);
    if (ms % 3600000 >= 60000)
        fprintf(to, "%" PRId64 "m", ms % 3600000 / 60000);
    if (ms % 60000 >= 1000 || ms == 0)
        fprintf(to, "%" PRId64 "s", ms % 60000 / 1000);
    if (ms % 1000)
        fprintf(to, "%" PRId64 "ms", ms % 1000);
}

/* RFC 1123 2.1; of one label, too. */
static bool is_name(const char *text, size_t size, size_t *dots)
{
    size_t label = 0;
    bool letters = false;

    *dots = 0;
    if (size == 0 || size > 200)
        return false;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char) text[i];

        if (c == '.') {
            if (label == 0 || text[i - 1] == '-')
                return false;
            label = 0;
            ++*dots;
            continue;
        }
        if (c > '~' || (!isalnum(c) && c != '-') || (c == '-' && label == 0) || ++label > 63)
            return false;
        letters = letters || isalpha(c);
    }
    return label > 0 && text[size - 1] != '-' && letters;
}

bool import_is_domain(const char *text, size_t size)
{
    size_t dots;

    return is_name(text, size, &dots) && dots > 0;
}

bool import_is_address(const char *address, bool sender)
{
    const char *at = strrchr(address, '@');
    size_t dots;

    if (!at || at == address || at - address > 200 || !is_name(at + 1, strlen(at + 1), &dots) ||
        (dots == 0 && !sender))
        return false;
    for (const char *c = address; c < at; c++)
        if (*c <= ' ' || *c > '~' || strchr("\"\\<>()[],;:@*?%!", *c))
            return false;
    return *address != '.' && at[-1] != '.' && !strstr(address, "..");
}

void import_print_word(FILE *to, const char *word)
{
    size_t plain = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "@._+=-/&'^`{}~");

    if (*word && !word[plain] && !strstr(word, "${"))
        fputs(word, to);
    else
        import_print_quoted(to, word, strlen(word));
}

void import_print_comment(FILE *to, const char *text)
{
    fputs("# ", to);
    text_escape(to, text, strlen(text));
    fputc('\n', to);
}

/* --- messages --------------------------------------------------------------------------------*/

/* True if the message can stand as lines below a statement. */
static bool fits(const char *text, size_t size)
{
    const char *at = text, *end = text + size;

    if (size == 0 || size > IMPORT_INLINE_MAX || end[-1] != '\n' || memchr(text, 0, size))
        return false;
    while (at < end) {
        const char *next = memchr(at, '\n', (size_t) (end - at));

        if (next - at > LINE_MAX_BYTES || (next > at && next[-1] == '\r'))
            return false;
        at = next + 1;
    }
    return true;
}

static void print_lines(FILE *to, const char *text, size_t size)
{
    const char *at = text, *end = text + size;

    while (at < end) {
        const char *next = memchr(at, '\n', (size_t) (end - at));

        fputs(next == at ? "    |" : "    | ", to);
        fwrite(at, 1, (size_t) (next - at), to);
        fputc('\n', to);
        at = next + 1;
    }
}

/* A line without what no line may have. */
static void print_clean(FILE *to, const char *line, size_t size)
{
    bool begun = false;

    fputs("    |", to);
    for (size_t i = 0; i < size; i++) {
        if (!line[i] || line[i] == '\r')
            continue;
        if (!begun)
            fputc(' ', to);
        begun = true;
        fputc(line[i], to);
    }
    fputc('\n', to);
}

/* As much of a message as has a place. */
static void print_cut(FILE *to, const char *text, size_t size)
{
    const char *at = text, *end = text + (size < CUT_BYTES ? size : CUT_BYTES);

    do {
        const char *next = at < end ? memchr(at, '\n', (size_t) (end - at)) : NULL;

        print_clean(to, at, (size_t) ((next ? next : end) - at));
        at = next ? next + 1 : end;
    } while (at < end);
}

size_t import_told_recipients(const struct import_message *message)
{
    size_t count = 0;

    for (size_t bytes = 0; count < message->recipient_count && count < RECIPIENTS_MAX; count++) {
        bytes += strlen(message->recipients[count].address) + 4;
        if (bytes > LINE_MAX_BYTES)
            break;
    }
    return count;
}

static void print_recipients(struct import *import, const struct import_message *message, FILE *to)
{
    size_t told = import_told_recipients(message);

    if (told < message->recipient_count)
        import_note(import, "%s: %zu recipients are left out", message->name,
                    message->recipient_count - told);
    fputs(" to", to);
    for (size_t i = 0; i < told; i++) {
        fputc(' ', to);
        import_print_word(to, message->recipients[i].address);
    }
}

void import_print_sends(struct import *import, const struct import_message *message,
                        const char *sender, const char *how, FILE *to)
{
    const struct import_transaction *content = message->content;
    bool in_line = content && fits(content->text, content->text_size) &&
                   content->text_size <= import->inline_left;
    const char *kept = NULL;

    if (content && !in_line && import->options->keep)
        kept = import->options->keep(import->options->context, message->name, content->text,
                                     content->text_size);
    if (kept) {
        fprintf(to, "file %s ", message->name);
        import_print_word(to, kept);
        fputc('\n', to);
    }
    fprintf(to, "at ");
    import_print_time(to, message->at_ns);
    fprintf(to, " %s sends %s", sender, message->name);
    print_recipients(import, message, to);
    fputs(" from ", to);
    import_print_word(to, message->sender);
    fprintf(to, "%s\n", how);
    if (in_line) {
        import->inline_left -= content->text_size;
        print_lines(to, content->text, content->text_size);
    } else if (content && !kept) {
        print_cut(to, content->text, content->text_size);
        import_note(import, "%s: its %zu bytes cannot stand in this file as they are; see --out",
                    message->name, content->text_size);
    }
    if (content && !content->text_whole)
        import_note(import, "%s: its end was not captured", message->name);
}

bool import_may_expect(struct import *import)
{
    if (import->expects_left == 0) {
        import_note(import, "more expectations than a file can hold: some are left out");
        return false;
    }
    import->expects_left--;
    return true;
}

/* --- the beginning ---------------------------------------------------------------------------*/

static bool is_sent_to(const struct import *import, const char *domain)
{
    for (size_t i = 0; i < import->message_count; i++)
        for (size_t k = 0; k < import->messages[i].recipient_count; k++)
            if (strcasecmp(strrchr(import->messages[i].recipients[k].address, '@') + 1, domain) ==
                0)
                return true;
    return false;
}

void import_choose_domain(struct import *import)
{
    import->host_domain = "ours.example";
    for (int i = 2; is_sent_to(import, import->host_domain); i++)
        import->host_domain = pool_format(&import->pool, "ours%d.example", i);
}

void import_print_head(struct import *import, FILE *to)
{
    const struct import_options *options = import->options;
    const char *title = options->title ? options->title : options->name;

    fputs("# Imported by nixie pcap import from ", to);
    text_escape(to, options->name, strlen(options->name));
    fputc('\n', to);
    if (import->note_count)
        fputs("# What the capture has and this scenario does not tell, or tells otherwise:\n", to);
    for (size_t i = 0; i < import->note_count; i++)
        import_print_comment(to, pool_format(&import->pool, "- %s", import->notes[i]));
    fputs("scenario ", to);
    import_print_quoted(to, title, strnlen(title, 200));
    fputc('\n', to);
}
