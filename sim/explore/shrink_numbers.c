/* SPDX-License-Identifier: ISC */
/* Smaller counts, rounder times. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "sim/explore/shrink_steps.h"

/* --- counts -----------------------------------------------------------------------------------*/

/* Numbers behind these count something; others are codes, or values of control files. */
static bool is_count(const struct statement *statement, size_t index)
{
    static const char *const words[] = {
        "times", "first", "after",    "over", "connection", "free",        "chunk",
        "cut",   "slow",  "capacity", "exit", "bandwidth",  "connections", "recipients"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (word_is(statement, index - 1, words[i]))
            return true;
    /* fault PROGRAM CALL N */
    return word_is(statement, 0, "fault") && index == 3;
}

static bool is_number(const char *word)
{
    return *word && strspn(word, "0123456789") == strlen(word) && strlen(word) < 16;
}

/* "m.7" is "m" when there is only one. */
static void rename_single(struct draft *draft, struct statement *below, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < below->child_count; i++) {
        struct statement *statement = below->children[i];
        for (size_t k = 0; k < statement->word_count; k++) {
            const char *word = draft_word(draft, statement, k);
            if (strncmp(word, name, length) != 0 || word[length] != '.' ||
                (!isdigit((unsigned char) word[length + 1]) && word[length + 1] != '*'))
                continue;
            const char *rest = word + length + 2;
            rest += strspn(rest, "0123456789");
            word_set(draft, statement, k, pool_format(&draft->pool, "%s%s", name, rest));
        }
    }
}

static void drop_clause(struct draft *draft, struct statement *statement, const char *word)
{
    for (size_t i = 1; i + 1 < statement->word_count; i++)
        if (word_is(statement, i, word)) {
            words_replace(draft, statement, i, 2, "");
            return;
        }
}

/* One message of that name instead of several. */
static bool try_single(struct shrinker *shrinker, size_t index)
{
    struct draft draft;
    size_t at = 1;
    shrink_open(shrinker, &draft);
    struct statement *statement = draft_statement(&draft, index);
    while (at < statement->word_count && !word_is(statement, at, "sends"))
        at++;
    const char *name = draft_word(&draft, statement, at + 1);
    drop_clause(&draft, statement, "times");
    drop_clause(&draft, statement, "every");
    rename_single(&draft, &draft.tree.root, name);
    return shrink_offer(shrinker, &draft);
}

static bool try_word(struct shrinker *shrinker, size_t index, size_t at, const char *word)
{
    struct draft draft;
    shrink_open(shrinker, &draft);
    word_set(&draft, draft_statement(&draft, index), at, word);
    return shrink_offer_repaired(shrinker, &draft);
}

static void shrink_count(struct shrinker *shrinker, size_t index, size_t at, uint64_t number)
{
    static const uint64_t plain[] = {0, 1, 2, 3, 5, 10, 20, 50, 100, 1000, 10000, 100000};
    char word[24];
    for (size_t i = 0; i < sizeof plain / sizeof *plain && plain[i] < number; i++) {
        snprintf(word, sizeof word, "%llu", (unsigned long long) plain[i]);
        if (try_word(shrinker, index, at, word))
            return;
    }
}

/* Which of a program's calls it is says more with the directory than with a large number. */
static void shrink_fault(struct shrinker *shrinker, size_t index, size_t at)
{
    static const char *const folders[] = {"mess/",  "intd/",   "todo/",   "info/",
                                          "local/", "remote/", "bounce/", "pid/",
                                          "lock/",  "run/",    "control/"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        for (unsigned number = 1; number <= 2; number++) {
            struct draft draft;
            shrink_open(shrinker, &draft);
            struct statement *fault = draft_statement(&draft, index);
            words_replace(&draft, fault, at, 1, number == 1 ? "1" : "2");
            words_replace(&draft, fault, fault->word_count, 0,
                          pool_format(&draft.pool, "path %s", folders[i]));
            if (shrink_offer(shrinker, &draft))
                return;
        }
}

/* Calls `each` for every word but the first of every statement; the draft is as it is then. */
static void for_each_word(struct shrinker *shrinker,
                          void (*each)(struct shrinker *shrinker, struct draft *draft,
                                       const struct statement *statement, size_t index, size_t at))
{
    bool more = true;
    for (size_t index = 0; more && !shrinker->exhausted; index++) {
        size_t words = 1;
        for (size_t at = 1; at <= words && !shrinker->exhausted; at++) {
            struct draft draft;
            shrink_open(shrinker, &draft);
            const struct statement *statement = draft_statement(&draft, index);
            more = statement != NULL;
            words = statement ? statement->word_count : 0;
            if (at < words)
                each(shrinker, &draft, statement, index, at);
            draft_free(&draft);
        }
    }
}

static void look_for_count(struct shrinker *shrinker, struct draft *draft,
                           const struct statement *statement, size_t index, size_t at)
{
    const char *word = draft_word(draft, statement, at);
    if (!is_number(word) || !is_count(statement, at))
        return;
    if (word_is(statement, at - 1, "times") && !word_is(statement, 0, "fault") &&
        statement->word_count > 4 && try_single(shrinker, index))
        return;
    bool has_path = false;
    for (size_t i = 4; i < statement->word_count; i++)
        has_path |= word_is(statement, i, "path");
    if (word_is(statement, 0, "fault") && at == 3 && strlen(word) > 1 && !has_path)
        shrink_fault(shrinker, index, at);
    else
        shrink_count(shrinker, index, at, strtoull(word, NULL, 10));
}

void shrink_counts(struct shrinker *shrinker)
{
    for_each_word(shrinker, look_for_count);
}

/* --- times ------------------------------------------------------------------------------------*/

static char *put_unit(char *to, int64_t *ns, int64_t unit_ns, const char *unit)
{
    if (*ns >= unit_ns) {
        to += sprintf(to, "%lld%s", (long long) (*ns / unit_ns), unit);
        *ns %= unit_ns;
    }
    return to;
}

/* "1.25", without zeros at its end. */
static void put_decimal(char to[TIME_WORD], int64_t ns, int64_t unit_ns, const char *unit)
{
    int length = snprintf(to, TIME_WORD, "%lld.", (long long) (ns / unit_ns)), dot = length;
    for (int64_t rest = ns % unit_ns; rest > 0 && length + 4 < TIME_WORD; rest %= unit_ns) {
        unit_ns /= 10;
        to[length++] = (char) ('0' + rest / unit_ns);
    }
    snprintf(to + (length == dot ? dot - 1 : length), TIME_WORD - (size_t) length, "%s", unit);
}

const char *time_word(char to[TIME_WORD], int64_t ns)
{
    const int64_t minute = 60 * NANOSECONDS, hour = 60 * minute, day = 24 * hour;
    char *end = to;
    if (ns == 0) {
        snprintf(to, TIME_WORD, "0s");
    } else if (ns % NANOSECONDS == 0) {
        end = put_unit(end, &ns, day, "d");
        end = put_unit(end, &ns, hour, "h");
        end = put_unit(end, &ns, minute, "m");
        put_unit(end, &ns, NANOSECONDS, "s");
    } else if (ns < NANOSECONDS / 1000) {
        put_decimal(to, ns, NANOSECONDS / 1000000, "us");
    } else if (ns < NANOSECONDS) {
        put_decimal(to, ns, NANOSECONDS / 1000, "ms");
    } else {
        put_decimal(to, ns, NANOSECONDS, "s");
    }
    return to;
}

static bool is_time(const char *word, struct moment *moment)
{
    return isdigit((unsigned char) *word) && time_parse(word, moment) == 0;
}

/* The nearest times, from the roundest on; those that are written no shorter are not tried. */
static void shrink_time(struct shrinker *shrinker, size_t index, size_t at, const char *old,
                        int64_t ns)
{
    static const int64_t units[] = {86400, 3600, 600, 60, 10, 1};
    static const char *const plain[] = {"0s", "1s", "1m"};
    char word[TIME_WORD];
    int64_t tried = -1;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strcmp(plain[i], old) == 0)
            return;
        else if (ns > 1000 * 1000 && strlen(plain[i]) <= strlen(old) &&
                 try_word(shrinker, index, at, plain[i]))
            return;
    for (int i = 0; i < 12; i++) {
        int64_t unit = i < 6 ? units[i] * NANOSECONDS : NANOSECONDS;
        for (int k = 6; k <= i; k++)
            unit /= 10;
        for (int up = 0; up < 2; up++) {
            int64_t round = (ns / unit + up) * unit;
            time_word(word, round);
            if (round == ns || round == tried || strlen(word) > strlen(old) ||
                (strlen(word) == strlen(old) && round >= ns))
                continue;
            tried = round;
            if (try_word(shrinker, index, at, word))
                return;
        }
    }
}

static void look_for_time(struct shrinker *shrinker, struct draft *draft,
                          const struct statement *statement, size_t index, size_t at)
{
    const char *word = draft_word(draft, statement, at);
    struct moment moment;
    if (!is_time(word, &moment) || word_is(statement, 0, "expect") ||
        word_is(statement, 0, "control") || word_is(statement, 0, "record"))
        return;
    if (is_boot_after_crash(statement)) {
        if (strcmp(word, "1m") != 0 && strcmp(word, "1s") != 0)
            try_word(shrinker, index, at, "1s");
        return;
    }
    shrink_time(shrinker, index, at, word, moment.ns);
}

void shrink_times(struct shrinker *shrinker)
{
    for_each_word(shrinker, look_for_time);
}
