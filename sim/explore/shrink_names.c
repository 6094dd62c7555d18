/* SPDX-License-Identifier: ISC */
/* Plain names for what a generator, or the leaving out of others, has given odd ones. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "sim/explore/shrink_steps.h"

/* "u17", "r3": letters that mean little, and a number. */
static bool is_odd(const char *name)
{
    size_t letters = strcspn(name, "0123456789");
    return letters <= 6 && name[letters] &&
           strspn(name + letters, "0123456789") == strlen(name + letters);
}

/* --- renaming ---------------------------------------------------------------------------------*/

/* Whether `word` is that name, or begins with it and one of `ends` behind. */
static bool names(const char *word, const char *name, const char *ends)
{
    size_t length = strlen(name);
    return strncmp(word, name, length) == 0 && (!word[length] || strchr(ends, word[length]));
}

static void rename_below(struct draft *draft, struct statement *below, const char *from,
                         const char *to, const char *ends)
{
    for (size_t i = 0; i < below->child_count; i++) {
        struct statement *statement = below->children[i];
        for (size_t k = 1; k < statement->word_count; k++) {
            const char *word = draft_word(draft, statement, k);
            if (names(word, from, ends))
                word_set(draft, statement, k,
                         pool_format(&draft->pool, "%s%s", to, word + strlen(from)));
        }
        rename_below(draft, statement, from, to, ends);
    }
}

static bool is_used(struct draft *draft, const struct statement *below, const char *name)
{
    for (size_t i = 0; i < below->child_count; i++) {
        const struct statement *statement = below->children[i];
        for (size_t k = 1; k < statement->word_count; k++)
            if (names(draft_word(draft, statement, k), name, ".#@-"))
                return true;
        if (is_used(draft, statement, name))
            return true;
    }
    return false;
}

static bool try_rename(struct shrinker *shrinker, const char *from, const char *to,
                       const char *ends)
{
    struct draft draft;
    shrink_open(shrinker, &draft);
    if (is_used(&draft, &draft.tree.root, to)) {
        draft_free(&draft);
        return false;
    }
    rename_below(&draft, &draft.tree.root, from, to, ends);
    return shrink_offer(shrinker, &draft);
}

/* The name may be that of the recipient that it is about. */
static bool try_rename_address(struct shrinker *shrinker, const char *from, const char *to,
                               const char *ends)
{
    char *address = shrinker->reason.address;
    shrinker->reason.address = NULL;
    bool better = try_rename(shrinker, from, to, ends);
    size_t length = strlen(from);
    if (better && address && strncmp(address, from, length) == 0 && strchr("@-", address[length])) {
        char *renamed = must_alloc(strlen(address) + strlen(to) + 1);
        sprintf(renamed, "%s%s", to, address + length);
        free(address);
        address = renamed;
    }
    shrinker->reason.address = address;
    return better;
}

/* --- what has a name --------------------------------------------------------------------------*/

/* The `number`-th name that `word` declares, from 0; malloc'd, or NULL. */
static char *find_name(struct draft *draft, const struct statement *below, const char *word,
                       size_t *number)
{
    for (size_t i = 0; i < below->child_count; i++) {
        const struct statement *statement = below->children[i];
        size_t at = 0;
        if (strcmp(word, "sends") == 0)
            while (at < statement->word_count && !word_is(statement, at, word))
                at++;
        if (word_is(statement, at, word) && at + 1 < statement->word_count && (*number)-- == 0) {
            const char *name = draft_word(draft, statement, at + 1);
            return must_copy(name, strlen(name));
        }
        char *found = find_name(draft, statement, word, number);
        if (found)
            return found;
    }
    return NULL;
}

static char *name_at(struct shrinker *shrinker, const char *word, size_t number)
{
    struct draft draft;
    shrink_open(shrinker, &draft);
    char *name = find_name(&draft, &draft.tree.root, word, &number);
    draft_free(&draft);
    return name;
}

/* m1, m2, ... in the order of the file. */
static void rename_messages(struct shrinker *shrinker)
{
    char *name, plain[24];
    for (size_t i = 0; (name = name_at(shrinker, "sends", i)) && !shrinker->exhausted; i++) {
        snprintf(plain, sizeof plain, "m%zu", i + 1);
        if (is_odd(name) && strcmp(name, plain) != 0)
            try_rename(shrinker, name, plain, ".#@");
        free(name);
    }
}

static void rename_odd(struct shrinker *shrinker, const char *word, const char *const *plain,
                       const char *ends)
{
    char *name;
    for (size_t i = 0; (name = name_at(shrinker, word, i)) && !shrinker->exhausted; i++) {
        for (size_t k = 0; plain[k] && is_odd(name); k++)
            if (try_rename_address(shrinker, name, plain[k], ends))
                break;
        free(name);
    }
}

void shrink_names(struct shrinker *shrinker)
{
    static const char *const people[] = {"alice", "bob", "carol", "dave", "erin", "frank", NULL},
                             *const hosts[] = {"mail", "here", "there", NULL},
                             *const remotes[] = {"away", "far", "else", NULL},
                             *const clients[] = {"app", "web", "shop", NULL};
    rename_messages(shrinker);
    rename_odd(shrinker, "user", people, "@-");
    rename_odd(shrinker, "host", hosts, "");
    rename_odd(shrinker, "remote", remotes, "");
    rename_odd(shrinker, "client", clients, "@");
}
