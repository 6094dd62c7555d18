/* SPDX-License-Identifier: ISC */
/*
 * When crashes and kills happen: "after m1 accepted" instead of nanoseconds, wherever the failure
 * still shows.  The moments are tried from the plainest on; for each the plainest words of what the
 * disk keeps, then what it lost as it stands there.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/explore/shrink_steps.h"

#define MESSAGES_TRIED 6
#define RECIPIENTS_TRIED 4
#define NEAR_TRIED 8
#define MOMENTS_MAX 400

static const char *const delays[] = {"", " 1ms", " 10ms", " 100ms", " 1s"};
#define DELAY_COUNT (sizeof delays / sizeof *delays)
size_t crash_word(struct draft *draft, const struct statement *statement)
{
    static const char *const triggers[] = {"at", "after", "before"};
    bool event = false;
    (void) draft;
    for (size_t i = 0; i < sizeof triggers / sizeof *triggers; i++)
        event |= word_is(statement, 0, triggers[i]);
    for (size_t i = 2; event && i + 1 < statement->word_count; i++)
        if (word_is(statement, i, "kill") ||
            (word_is(statement, i, "crash") &&
             (word_is(statement, i + 2, "power") || word_is(statement, i + 2, "programs"))))
            return i;
    return 0;
}

/* --- the moments ------------------------------------------------------------------------------*/

struct moments {
    struct pool pool;
    const char **list;
    size_t count;
};

static void add_moment(struct moments *moments, const char *format, const char *a, const char *b)
{
    if (moments->count < MOMENTS_MAX)
        *POOL_ADD(&moments->pool, moments->list, moments->count) =
            pool_format(&moments->pool, format, a, b);
}

static void add_remotes(struct moments *moments, struct draft *draft, const char *message)
{
    const struct statement *root = &draft->tree.root;
    for (size_t i = 0; i < root->child_count; i++) {
        if (!word_is(root->children[i], 0, "remote"))
            continue;
        const char *remote = draft_word(draft, root->children[i], 1);
        add_moment(moments, "after %s takes %s", remote, message);
        add_moment(moments, "before %s takes %s", remote, message);
        add_moment(moments, "after %s connected", remote, NULL);
    }
}

/* What becomes of single recipients of what `sends` tells of. */
static void add_recipients(struct moments *moments, struct draft *draft, const char *message)
{
    const struct statement *root = &draft->tree.root;
    for (size_t i = 0; i < root->child_count; i++) {
        const struct statement *sends = root->children[i];
        size_t at = 1, count = 0;
        while (at < sends->word_count && !word_is(sends, at, "sends"))
            at++;
        const char *name = draft_word(draft, sends, at + 1);
        if (!*name || strncmp(message, name, strlen(name)) != 0)
            continue;
        while (at < sends->word_count && !word_is(sends, at, "to"))
            at++;
        for (at++; at < sends->word_count && count < RECIPIENTS_TRIED; at++) {
            const char *recipient = draft_word(draft, sends, at);
            if (!strchr(recipient, '@') || word_is(sends, at - 1, "from"))
                break;
            count++;
            add_moment(moments, "after %s tried at %s", message, recipient);
            add_moment(moments, "after %s@%s delivered", message, recipient);
        }
    }
}

static void add_message(struct moments *moments, struct draft *draft, const char *message,
                        bool submission)
{
    static const char *const stages[] = {"S4", "S5", "S3", "S2", "S1"};
    if (submission)
        add_moment(moments, "after %s accepted", message, NULL);
    add_moment(moments, "after %s delivered", message, NULL);
    add_moment(moments, "after %s bounced", message, NULL);
    add_moment(moments, "after %s tried", message, NULL);
    if (submission)
        add_recipients(moments, draft, message);
    add_remotes(moments, draft, message);
    for (size_t i = 0; i < 2; i++)
        add_moment(moments, "after %s enters %s", message, stages[i]);
    add_moment(moments, "after %s durable S4", message, NULL);
    for (size_t i = 0; i < 4; i++)
        add_moment(moments, "before %s enters %s", message, stages[i]);
    for (size_t i = 2; i < 5; i++)
        add_moment(moments, "after %s enters %s", message, stages[i]);
}

/* The names of messages, the one that the failure is about first. */
static size_t name_messages(struct shrinker *shrinker, struct draft *draft, struct pool *pool,
                            const char *names[MESSAGES_TRIED])
{
    const struct statement *root = &draft->tree.root;
    size_t count = 0;
    if (shrinker->subject)
        names[count++] = pool_text(pool, shrinker->subject);
    for (size_t i = 0; i < root->child_count; i++) {
        const struct statement *statement = root->children[i];
        size_t at = 1;
        bool several = false, known = false;
        while (at < statement->word_count && !word_is(statement, at, "sends"))
            at++;
        if (at + 1 >= statement->word_count || count == MESSAGES_TRIED)
            continue;
        for (size_t k = at; k < statement->word_count; k++)
            several |= word_is(statement, k, "times");
        const char *name =
            pool_format(pool, "%s%s", draft_word(draft, statement, at + 1), several ? ".1" : "");
        for (size_t k = 0; k < count; k++)
            known |= strcmp(names[k], name) == 0;
        if (!known)
            names[count++] = name;
    }
    return count;
}

static int64_t time_of(struct draft *draft, const struct statement *statement)
{
    struct moment moment;
    if (!word_is(statement, 0, "at") || time_parse(draft_word(draft, statement, 1), &moment) < 0)
        return -1;
    return moment.ns;
}

/* "after crash 1.2s", if it is behind another crash. */
static void add_after_crash(struct moments *moments, struct draft *draft,
                            const struct statement *crash)
{
    const struct statement *root = &draft->tree.root;
    int64_t time = time_of(draft, crash), first = -1;
    char word[TIME_WORD];
    for (size_t i = 0; i < root->child_count; i++) {
        int64_t other = time_of(draft, root->children[i]);
        if (crash_word(draft, root->children[i]) && other >= 0 && other < time &&
            (first < 0 || other < first))
            first = other;
    }
    if (first >= 0)
        add_moment(moments, "after crash %s", time_word(word, time - first), NULL);
}

static void find_moments(struct shrinker *shrinker, struct draft *draft,
                         const struct statement *crash, struct moments *moments)
{
    const char *names[MESSAGES_TRIED];
    size_t count = name_messages(shrinker, draft, &moments->pool, names);
    unsigned levels = strstr(shrinker->failure.message, ".bounce") ? 3 : 2;
    for (unsigned level = 0; level < levels; level++)
        for (size_t i = 0; i < count; i++)
            add_message(moments, draft,
                        pool_format(&moments->pool, "%s%s", names[i],
                                    level == 2 ? ".bounce.bounce"
                                    : level    ? ".bounce"
                                               : ""),
                        level == 0);
    add_after_crash(moments, draft, crash);
}

/* --- trying -----------------------------------------------------------------------------------*/

/* What a try makes of the statement. */
struct moment_try {
    const char *moment, *delay;
    const char *keep; /* "keep none"; NULL: what it keeps stays as it is */
};

static bool try_moment(struct shrinker *shrinker, size_t index, const struct moment_try *try)
{
    struct draft draft;
    shrink_open(shrinker, &draft);
    struct statement *statement = draft.tree.root.children[index];
    size_t word = crash_word(&draft, statement);
    if (try->keep) {
        words_replace(&draft, statement, word + 3, statement->word_count - word - 3, try->keep);
        statement->child_count = 0;
    }
    words_replace(&draft, statement, 0, word,
                  pool_format(&draft.pool, "%s%s", try->moment, try->delay));
    return shrink_offer(shrinker, &draft);
}

/* How it is now: which of the moments, with which of the delays. */
struct place {
    size_t moment, delay;
    bool is_power, is_pinned, is_round;
    int64_t time_ns; /* -1: it is at a moment */
    const char *trigger;
};

static void find_place(struct draft *draft, const struct statement *statement,
                       struct moments *moments, struct place *place)
{
    size_t word = crash_word(draft, statement);
    int64_t time = time_of(draft, statement);
    const char *trigger = "";
    for (size_t i = 0; i < word; i++)
        trigger = pool_format(&moments->pool, "%s%s%s", trigger, i ? " " : "",
                              draft_word(draft, statement, i));
    *place = (struct place){.moment = moments->count,
                            .delay = DELAY_COUNT,
                            .is_power = word_is(statement, word + 2, "power"),
                            .is_pinned = statement->child_count > 0,
                            .is_round = time >= 0 && time % NANOSECONDS == 0,
                            .time_ns = time,
                            .trigger = trigger};
    for (size_t d = 0; d < DELAY_COUNT; d++)
        for (size_t i = 0; i < moments->count; i++)
            if (strcmp(trigger, pool_format(&moments->pool, "%s%s", moments->list[i], delays[d])) ==
                0) {
                place->moment = i;
                place->delay = d;
            }
}

/* Tries all moments that are plainer than the place; with a `keep` or as it is. */
static bool try_moments(struct shrinker *shrinker, size_t index, const struct moments *moments,
                        const struct place *place, const char *const keeps[2], size_t keep_count)
{
    for (size_t d = 0; d < DELAY_COUNT && d <= place->delay; d++)
        for (size_t i = 0; i < moments->count && (d < place->delay || i < place->moment); i++) {
            if (d > 0 && strncmp(moments->list[i], "before", 6) == 0)
                continue;
            for (size_t k = 0; k < keep_count && !shrinker->exhausted; k++) {
                struct moment_try try = {moments->list[i], delays[d], keeps[k]};
                if (try_moment(shrinker, index, &try))
                    return true;
            }
        }
    return false;
}

/* The same time or moment, with less said of the disk. */
static bool try_keeps(struct shrinker *shrinker, size_t index, const struct place *place,
                      const char *const keeps[2])
{
    for (size_t k = 0; k < 2; k++) {
        struct moment_try try = {place->trigger, "", keeps[k]};
        if (try_moment(shrinker, index, &try))
            return true;
    }
    return false;
}

/* --- times that become moments
 * ------------------------------------------------------------------*/

struct near_moment {
    const char *moment;
    int64_t before_ns; /* so long before the time */
};

static const char *first_host(struct draft *draft)
{
    const struct statement *root = &draft->tree.root;
    for (size_t i = 0; i < root->child_count; i++)
        if (word_is(root->children[i], 0, "host"))
            return draft_word(draft, root->children[i], 1);
    return "mail";
}

/* When each of the moments is, -1 if never; malloc'd.  They are written behind the text as events
 * that do nothing. */
static int64_t *find_times(struct shrinker *shrinker, const struct moments *moments)
{
    struct run_result result;
    struct draft draft;
    size_t size, count;
    shrink_open(shrinker, &draft);
    struct statement *root = &draft.tree.root;
    for (size_t i = 0; i < moments->count; i++)
        statement_insert(&draft, root, root->child_count,
                         pool_format(&draft.pool, "%s signal nobody HUP on %s if any",
                                     moments->list[i], first_host(&draft)));
    char *text = draft_print(&draft, &size);
    draft_free(&draft);
    struct scenario *scenario = scenario_try(shrinker->name, text, size, NULL, 0, &count);
    free(text);
    if (!scenario)
        return NULL;
    shrinker->runs++;
    scenario_run(scenario, &shrinker->run, &result);
    int64_t *times = must_alloc((moments->count + 1) * sizeof *times);
    memcpy(times, result.fired_ns + scenario->event_count - moments->count,
           moments->count * sizeof *times);
    run_result_free(&result);
    scenario_free(scenario);
    return times;
}

static int compare_near(const void *a, const void *b)
{
    const struct near_moment *one = a, *other = b;
    return (one->before_ns > other->before_ns) - (one->before_ns < other->before_ns);
}

/* As it is, so long after a moment as it is now, if it is at a time; the nearest ones. */
static void try_near_moments(struct shrinker *shrinker, size_t index, const struct moments *moments,
                             int64_t time_ns)
{
    struct near_moment *near = must_alloc((moments->count + 1) * sizeof *near);
    int64_t *times = find_times(shrinker, moments);
    size_t count = 0;
    for (size_t i = 0; times && i < moments->count; i++)
        if (strncmp(moments->list[i], "after ", 6) == 0 && times[i] >= 0 && times[i] <= time_ns)
            near[count++] = (struct near_moment){moments->list[i], time_ns - times[i]};
    free(times);
    qsort(near, count, sizeof *near, compare_near);
    for (size_t i = 0; i < count && i < NEAR_TRIED; i++) {
        char delay[TIME_WORD + 1] = " ";
        time_word(delay + 1, near[i].before_ns);
        struct moment_try try = {near[i].moment, delay, NULL};
        if (try_moment(shrinker, index, &try))
            break;
    }
    free(near);
}

static void shrink_moment(struct shrinker *shrinker, size_t index)
{
    static const char *const plain[2] = {"keep none", "keep all"}, *const same[2] = {NULL, NULL};
    struct moments moments = {.list = NULL};
    struct place place, nowhere;
    struct draft draft;
    shrink_open(shrinker, &draft);
    struct statement *statement = draft.tree.root.children[index];
    find_moments(shrinker, &draft, statement, &moments);
    find_place(&draft, statement, &moments, &place);
    nowhere = place;
    nowhere.moment = moments.count;
    nowhere.delay = DELAY_COUNT;
    draft_free(&draft);
    bool better = false;
    if (place.is_pinned) /* any moment is plainer without pins */
        better = (try_moments(shrinker, index, &moments, &nowhere, plain, 2) ||
                  try_keeps(shrinker, index, &place, plain) ||
                  try_moments(shrinker, index, &moments, &place, same, 1));
    else if (!place.is_round)
        better = try_moments(shrinker, index, &moments, &place, place.is_power ? plain : same,
                             place.is_power ? 2 : 1);
    if (!better && !place.is_round && place.time_ns >= 0)
        try_near_moments(shrinker, index, &moments, place.time_ns);
    pool_free(&moments.pool);
}

void shrink_moments(struct shrinker *shrinker)
{
    struct draft draft;
    shrink_open(shrinker, &draft);
    size_t count = draft.tree.root.child_count;
    draft_free(&draft);
    while (count-- > 0 && !shrinker->exhausted) {
        shrink_open(shrinker, &draft);
        bool crash = crash_word(&draft, draft.tree.root.children[count]) > 0;
        draft_free(&draft);
        if (crash)
            shrink_moment(shrinker, count);
    }
}

/* --- boots ------------------------------------------------------------------------------------*/

/* "at T boot HOST", "at T start HOST". */
static bool is_boot(const struct statement *statement)
{
    return word_is(statement, 0, "at") && statement->word_count == 4 &&
           (word_is(statement, 2, "boot") || word_is(statement, 2, "start"));
}

static bool crashes_host(struct draft *draft, const char *host)
{
    const struct statement *root = &draft->tree.root;
    for (size_t i = 0; i < root->child_count; i++) {
        size_t word = crash_word(draft, root->children[i]);
        if (word > 0 && word_is(root->children[i], word, "crash") &&
            word_is(root->children[i], word + 1, host))
            return true;
    }
    return false;
}

bool is_boot_after_crash(const struct statement *statement)
{
    return word_is(statement, 0, "after") && word_is(statement, 1, "crash") &&
           statement->word_count == 5 &&
           (word_is(statement, 3, "boot") || word_is(statement, 3, "start"));
}

/* One "after crash 1s boot HOST" instead of all "at T boot HOST". */
void shrink_boots(struct shrinker *shrinker)
{
    struct draft draft;
    shrink_open(shrinker, &draft);
    struct statement *root = &draft.tree.root;
    const char *hosts[16];
    size_t count = 0;
    bool any = false;
    for (size_t i = root->child_count; i-- > 0;) {
        bool known = false;
        if (!is_boot(root->children[i]))
            continue;
        const char *host = draft_word(&draft, root->children[i], 3);
        for (size_t k = 0; k < count; k++)
            known |= strcmp(hosts[k], host) == 0;
        if (!known && count < sizeof hosts / sizeof *hosts && crashes_host(&draft, host))
            hosts[count++] = host;
        statements_remove(root, i, 1);
        any = true;
    }
    while (count > 0)
        statement_insert(&draft, root, root->child_count,
                         pool_format(&draft.pool, "after crash 1s boot %s", hosts[--count]));
    if (any)
        shrink_offer(shrinker, &draft);
    else
        draft_free(&draft);
}
