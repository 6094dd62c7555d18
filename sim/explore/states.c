/* SPDX-License-Identifier: ISC */
#include "sim/explore/states.h"

#include <stdlib.h>

#include "sim/kernel/choose.h"
#include "sim/world/home.h"
#include "sim/world/pool.h"

/* A chooser in front of another one that writes down its answers. */
struct recorder {
    struct chooser chooser;
    const struct chooser *inner;
    unsigned *answers, *counts;
    size_t count, capacity;
};

static unsigned record(void *context, unsigned count, const char *what)
{
    struct recorder *recorder = context;
    unsigned answer = recorder->inner->choose(recorder->inner->context, count, what);
    if (recorder->count == recorder->capacity) {
        recorder->capacity = recorder->capacity ? 2 * recorder->capacity : 32;
        recorder->answers =
            must_resize(recorder->answers, recorder->capacity * sizeof *recorder->answers);
        recorder->counts =
            must_resize(recorder->counts, recorder->capacity * sizeof *recorder->counts);
    }
    recorder->answers[recorder->count] = answer;
    recorder->counts[recorder->count++] = count;
    return answer;
}

/* Answers one question in its own way, one other with "lost", and the rest as `keep` says. */
struct single {
    struct chooser chooser;
    size_t at, lost, index; /* questions; SIZE_MAX: none */
    unsigned answer;
    bool keep;
};

static unsigned choose_single(void *context, unsigned count, const char *what)
{
    struct single *single = context;
    size_t index = single->index++;
    (void) what;
    if (index == single->at)
        return single->answer < count ? single->answer : count - 1;
    return single->keep && index != single->lost ? count - 1 : 0;
}

struct walker {
    const struct vfs *vfs;
    states_teller *tell;
    void *context;
    struct recorder recorder;
    size_t told;
};

/* Names there tell the time; nobody looks at them again. */
static const char *const maildirs[] = {"new", "cur", "tmp", NULL};

static void crash_once(struct walker *walker, const struct chooser *chooser)
{
    struct vfs *clone = vfs_clone(walker->vfs);
    walker->recorder.inner = chooser;
    walker->recorder.count = 0;
    vfs_crash(clone, &walker->recorder.chooser);
    uint64_t hash = vfs_hash_but(clone, HOME_LOG, maildirs);
    vfs_destroy(clone);
    walker->told++;
    walker->tell(walker->context, hash, walker->recorder.answers, walker->recorder.count);
}

/* Every path, if there are not more than `limit`. */
static bool walk_all(struct walker *walker, size_t limit)
{
    struct choose_walk walk;
    size_t count = 0;
    bool more;
    choose_walk_first(&walk);
    do {
        crash_once(walker, &walk.chooser);
        more = choose_walk_next(&walk);
    } while (more && ++count < limit);
    choose_walk_end(&walk);
    return !more;
}

/* With everything else kept (or lost), each other answer of each question; `lost` is lost too. */
static void walk_singles(struct walker *walker, bool keep, size_t lost, size_t limit)
{
    struct single base = {.at = SIZE_MAX, .lost = lost, .keep = keep};
    base.chooser = (struct chooser){choose_single, &base};
    crash_once(walker, &base.chooser);
    size_t questions = walker->recorder.count;
    unsigned *counts = must_alloc((questions + 1) * sizeof *counts);
    for (size_t i = 0; i < questions; i++)
        counts[i] = walker->recorder.counts[i];
    for (size_t i = 0; i < questions && walker->told < limit; i++) {
        for (unsigned answer = 0; answer < counts[i] && i != lost; answer++) {
            struct single single = {.at = i, .lost = lost, .answer = answer, .keep = keep};
            single.chooser = (struct chooser){choose_single, &single};
            if (answer != (keep ? counts[i] - 1 : 0))
                crash_once(walker, &single.chooser);
        }
    }
    free(counts);
}

/* A tree of answers that is far too large to be walked, told by the path on which everything is
 * kept: as many paths as the product of its counts, more or less. */
static bool far_too_many(const struct walker *walker, size_t limit)
{
    size_t product = 1;
    for (size_t i = 0; i < walker->recorder.count; i++) {
        product *= walker->recorder.counts[i];
        if (product > limit)
            return true;
    }
    return false;
}

bool states_walk(const struct vfs *vfs, const struct states_options *options, states_teller *tell,
                 void *context)
{
    struct walker walker = {.vfs = vfs, .tell = tell, .context = context};
    walker.recorder.chooser = (struct chooser){record, &walker.recorder};
    crash_once(&walker, &choose_all);
    bool complete =
        !far_too_many(&walker, 64 * options->limit) && walk_all(&walker, options->limit);
    if (!complete) {
        size_t limit = walker.told + 8 * options->limit;
        size_t questions = walker.recorder.count;
        walk_singles(&walker, true, SIZE_MAX, limit);
        walk_singles(&walker, false, SIZE_MAX, limit);
        for (size_t lost = 0; lost < questions && walker.told < limit; lost++)
            walk_singles(&walker, true, lost, limit);
        for (uint64_t i = 0; i < options->limit; i++) {
            struct choose_random chance;
            choose_random_start(&chance, options->seed, i);
            crash_once(&walker, &chance.chooser);
        }
    }
    free(walker.recorder.answers);
    free(walker.recorder.counts);
    return complete;
}
