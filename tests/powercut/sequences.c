/* SPDX-License-Identifier: ISC */
#include "tests/powercut/sequences.h"
#include "sim/kernel/random.h"
#include "tests/powercut/programs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETUP "mkdir d; put a 123; put d/b 45; settle"
#define SETUP_STEPS 4
#define TOLD 5 /* programs of which one cut is told of */

struct sums {
    unsigned programs, cuts, looked_at, not_allowed, too_many, strict_not_allowed, strict_too_many;
    unsigned broken, older, kinds[CUT_KINDS], differ, told_programs;
    double most_seconds;
};

/* --- programs ---------------------------------------------------------------------------------*/

static unsigned below(struct random *random, unsigned bound)
{
    return (unsigned) random_below(random, bound);
}

static const char *draw_name(struct random *random)
{
    static const char *const names[] = {"a", "b", "c", "d/a", "d/b", "d/c"};
    return names[below(random, 6)];
}

static void draw_sync(struct random *random, const char *name, char *to)
{
    switch (below(random, 8)) {
    case 0:
    case 1:
    case 2:
        sprintf(to, "fsync %s", name);
        break;
    case 3:
        sprintf(to, "fdatasync %s", name);
        break;
    case 4:
        strcpy(to, "fsync d");
        break;
    case 5:
        strcpy(to, "fsync .");
        break;
    case 6:
        sprintf(to, "nudge %s", below(random, 2) ? "*" : name);
        break;
    default:
        strcpy(to, below(random, 3) ? "nudge *" : "sync");
        break;
    }
}

static void draw_data(struct random *random, const char *name, char *to)
{
    switch (below(random, 7)) {
    case 0:
        sprintf(to, "new %s", name);
        break;
    case 1:
    case 2:
    case 3:
        sprintf(to, "put %s %.*s", name, 1 + (int) below(random, 4), "uvwxyz");
        break;
    case 4:
        sprintf(to, "over %s %u %.*s", name, below(random, 3), 1 + (int) below(random, 3), "OPQR");
        break;
    case 5:
        if (below(random, 2))
            sprintf(to, "cut %s %u", name, below(random, 6));
        else
            sprintf(to, "rewrite %s RS", name);
        break;
    default:
        /* no more: the models tell apart whether one border of pages was reached */
        sprintf(to, "pages %s 4096 %c", name, 'K' + (int) below(random, 3));
        break;
    }
}

static void draw_names(struct random *random, const char *name, char *to)
{
    const char *other = draw_name(random);
    switch (below(random, 8)) {
    case 0:
    case 1:
        sprintf(to, "link %s %s", name, other);
        break;
    case 2:
    case 3:
        sprintf(to, "mv %s %s", name, other);
        break;
    case 4:
    case 5:
        sprintf(to, "rm %s", name);
        break;
    case 6:
        sprintf(to, "chmod %s %o", name, 0600 + below(random, 8));
        break;
    default:
        strcpy(to, below(random, 2) ? "mkdir e" : below(random, 2) ? "mv d e" : "rmdir d");
        break;
    }
}

static void draw_program(uint64_t seed, char *to)
{
    struct random random;
    random_seed(&random, seed, 3);
    strcpy(to, SETUP);
    unsigned steps = 2 + below(&random, 6);
    const char *name = draw_name(&random);
    for (unsigned i = 0; i < steps; i++) {
        if (below(&random, 2)) /* else of the same file as before */
            name = draw_name(&random);
        strcat(to, "; ");
        to += strlen(to);
        unsigned what = below(&random, 10);
        if (what < 3)
            draw_data(&random, name, to);
        else if (what < 6)
            draw_names(&random, name, to);
        else
            draw_sync(&random, name, to);
    }
    strcat(to, "; sync");
}

/* --- one program ------------------------------------------------------------------------------*/

struct run {
    const struct sequences_options *options;
    struct rig *rig;
    struct sums *sums;
    struct program program;
    const char *text;
    struct disk *disk;
    struct allowed *allowed, *strict;
    uint64_t *seen;
    size_t seen_count;
    unsigned looked_at;
    bool told;
};

/* Files that do not count: so the inodes of those that do lie in one block of the disk, or not. */
static void add_fillers(const struct run *run, uint64_t count)
{
    char path[RIG_PATH + 40];
    snprintf(path, sizeof path, "%s/lost+found", run->rig->mountpoint);
    mkdir(path, 0700);
    for (uint64_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/lost+found/%u", run->rig->mountpoint, (unsigned) i);
        close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
}

/* Marks: 2 i before step i, 2 i + 1 after it. */
static void run_steps(struct run *run)
{
    double start = rig_now();
    for (unsigned i = 0; i < run->program.count; i++) {
        disk_mark(run->disk, 2 * (int64_t) i);
        int result = program_step(run->rig->mountpoint, run->program.steps[i]);
        disk_mark(run->disk, 2 * (int64_t) i + 1);
        if ((result < 0) == allowed_step_fails(&run->program, i) ||
            strncmp(run->program.steps[i], "nudge", 5) == 0)
            continue;
        run->sums->differ++;
        printf("# '%s': step %u: %s, not so in the simulator\n", run->text, i, strerror(-result));
    }
    double took = rig_now() - start;
    if (took > run->sums->most_seconds)
        run->sums->most_seconds = took;
}

/* Where the program was at the cut; false if it was not yet set up. */
static bool place(const struct run *run, size_t at, unsigned *done, bool *under_way)
{
    int64_t mark = -1;
    for (size_t i = 0; i < at; i++)
        if (run->disk->log[i].kind == ENTRY_MARK)
            mark = run->disk->log[i].mark;
    *done = (unsigned) (mark + 1) / 2;
    *under_way = mark % 2 == 0;
    return mark >= 2 * SETUP_STEPS - 1;
}

static bool is_new(struct run *run, uint64_t hash)
{
    for (size_t i = 0; i < run->seen_count; i++)
        if (run->seen[i] == hash)
            return false;
    run->seen = realloc(run->seen, (run->seen_count + 1) * sizeof *run->seen);
    run->seen[run->seen_count++] = hash;
    return true;
}

static void tell_log(const struct disk *disk)
{
    for (size_t i = 0; i < disk->count; i++) {
        const struct entry *entry = &disk->log[i];
        static const char *const kinds[] = {"write", "flush begins", "flush ends, of", "mark"};
        printf("#   %zu %s", i, kinds[entry->kind]);
        if (entry->kind == ENTRY_WRITE)
            printf(" block %llu.%llu, %llu bytes", (unsigned long long) entry->offset / 4096,
                   (unsigned long long) entry->offset % 4096 / SECTOR,
                   (unsigned long long) entry->size);
        else if (entry->kind == ENTRY_FLUSH_END)
            printf(" %zu", entry->begin);
        else if (entry->kind == ENTRY_MARK)
            printf(" %s step %lld", entry->mark % 2 ? "after" : "before",
                   (long long) entry->mark / 2);
        printf("\n");
    }
}

static void tell(struct run *run, const struct cut *cut, const struct tree *tree, const char *model,
                 struct allowed *allowed)
{
    char text[TREE_TEXT];
    unsigned done;
    bool under_way;
    if (run->told || run->sums->told_programs == TOLD)
        return;
    run->told = true;
    run->sums->told_programs++;
    place(run, cut->at, &done, &under_way);
    tree_tell(tree, text);
    printf("# NOT ALLOWED by %s: '%s' cut at %zu of %zu (%s, seed %llu), %u steps done%s\n", model,
           run->text, cut->at, run->disk->count, cut_kind_name(cut->kind),
           (unsigned long long) cut->seed, done, under_way ? ", the next under way" : "");
    printf("#   found: %s\n", text);
    allowed_tell(allowed, done, under_way);
}

static void judge(struct run *run, const struct cut *cut, const struct tree *tree)
{
    unsigned done;
    bool under_way;
    place(run, cut->at, &done, &under_way);
    const char *model = filesystem_model(run->options->filesystem);
    enum allowed_answer answer = allowed_has(run->allowed, done, under_way, tree);
    if (answer == NOT_ALLOWED) {
        tell(run, cut, tree, model, run->allowed);
        run->sums->not_allowed++;
    }
    run->sums->too_many += answer == TOO_MANY;
    if (!run->strict)
        return;
    answer = allowed_has(run->strict, done, under_way, tree);
    if (answer == NOT_ALLOWED) {
        tell(run, cut, tree, "strict", run->strict);
        run->sums->strict_not_allowed++;
    }
    run->sums->strict_too_many += answer == TOO_MANY;
}

static void look(struct run *run, const struct cut *cut, struct disk *found)
{
    struct tree tree;
    run->sums->looked_at++;
    run->looked_at++;
    run->sums->kinds[cut->kind]++;
    run->rig->fsck = run->options->filesystem == EXT4_NO_JOURNAL || run->sums->looked_at % 2;
    enum rig_found mounted = rig_mount(run->rig, found, true);
    if (mounted == RIG_OLDER) { /* an admin chose that; no model says how old it is */
        run->sums->older++;
        rig_unmount(run->rig, found);
        return;
    }
    if (mounted == RIG_BROKEN) {
        run->sums->broken++;
        printf("# '%s' cut at %zu (%s): the file system cannot be mounted\n", run->text, cut->at,
               cut_kind_name(cut->kind));
        return;
    }
    if (tree_of_folder(&tree, run->rig->mountpoint) != 0) {
        run->sums->broken++;
        printf("# '%s' cut at %zu (%s): cannot be read: %m\n", run->text, cut->at,
               cut_kind_name(cut->kind));
    } else {
        judge(run, cut, &tree);
    }
    tree_free(&tree);
    rig_unmount(run->rig, found);
}

/* One cut, unless the same disk was found before at the same place of the program. */
static void try_cut(struct run *run, const struct cut *cut)
{
    unsigned done;
    bool under_way;
    if (!place(run, cut->at, &done, &under_way) || run->looked_at >= run->options->most_cuts)
        return;
    run->sums->cuts++;
    struct disk *found = disk_cut(run->disk, cut);
    if (is_new(run, disk_hash(found) * 31 + 2 * done + under_way))
        look(run, cut, found);
    disk_destroy(found);
}

/* Every point at which the disk's state or the program's place changed, in a mixed order so that a
 * limit leaves some of all. */
static void try_cuts(struct run *run, uint64_t seed)
{
    struct random random;
    random_seed(&random, seed, 4);
    size_t count = run->disk->count, *points = calloc(count + 1, sizeof *points);
    for (size_t i = 0; i <= count; i++) {
        size_t k = random_below(&random, i + 1);
        points[i] = points[k];
        points[k] = i;
    }
    for (unsigned turn = 0; turn < CUT_KINDS; turn++)
        for (size_t i = 0; i <= count; i++) {
            struct cut cut = {.at = points[i],
                              .kind = (enum cut_kind)((i + turn) % CUT_KINDS),
                              .seed = seed * 1000 + i,
                              .drive_lies = run->options->drive_lies};
            try_cut(run, &cut);
        }
    free(points);
}

static void run_program(struct rig *rig, const struct sequences_options *options,
                        const struct disk *empty, uint64_t seed, struct sums *sums)
{
    char text[1000];
    struct run run = {.options = options, .rig = rig, .sums = sums, .text = text};
    if (options->program)
        snprintf(text, sizeof text, SETUP "; %s; sync", options->program);
    else
        draw_program(seed, text);
    if (!program_parse(&run.program, text))
        return;
    if (options->verbose)
        printf("# %llu: %s\n", (unsigned long long) seed, text);
    run.disk = disk_copy(empty);
    if (rig_mount(rig, run.disk, false) != RIG_MOUNTED) {
        sums->broken++;
        disk_destroy(run.disk);
        return;
    }
    add_fillers(&run, seed % 16);
    run_steps(&run);
    rig_unmount(rig, run.disk);
    if (options->verbose)
        tell_log(run.disk);
    const struct disk_model *model = disk_model_named(filesystem_model(options->filesystem));
    run.allowed = allowed_create(&run.program, model);
    run.strict = model == &disk_strict ? NULL : allowed_create(&run.program, &disk_strict);
    try_cuts(&run, seed);
    sums->programs++;
    allowed_destroy(run.allowed);
    if (run.strict)
        allowed_destroy(run.strict);
    free(run.seen);
    disk_destroy(run.disk);
}

int sequences_run(struct rig *rig, void *context)
{
    const struct sequences_options *options = context;
    struct sums sums = {0};
    double start = rig_now();
    struct disk *empty = rig_format(rig, options->filesystem);
    if (!empty)
        return 77;
    for (unsigned i = 0; i < options->programs; i++) {
        run_program(rig, options, empty, options->seed + i, &sums);
        if (options->seconds > 0 && rig_now() - start > options->seconds)
            break;
    }
    disk_destroy(empty);
    printf("SUM %s: %u programs, %u cuts, %u different disks looked at, not allowed by the model "
           "%s %u, by strict %u; not decided (too many states) %u and %u; not mountable %u, "
           "mountable by an older "
           "superblock only %u; calls "
           "that answer otherwise than in the simulator %u; %.0f s\n",
           filesystem_name(options->filesystem), sums.programs, sums.cuts, sums.looked_at,
           filesystem_model(options->filesystem), sums.not_allowed, sums.strict_not_allowed,
           sums.too_many, sums.strict_too_many, sums.broken, sums.older, sums.differ,
           rig_now() - start);
    if (sums.most_seconds > 4)
        printf("# a program took %.1f s: the models' clock stood still\n", sums.most_seconds);
    return sums.not_allowed || sums.strict_not_allowed || sums.broken || sums.differ ? 1 : 0;
}
