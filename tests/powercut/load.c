/* SPDX-License-Identifier: ISC */
#include "tests/powercut/load.h"
#include "sim/kernel/random.h"
#include "tests/powercut/mail.h"
#include "tests/powercut/server.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE 60.0 /* seconds without a delivery, for a server that has mail in its queue */
#define FLUSH_US 3000 /* while clients wait for it */
#define SETTLED 10.0  /* of one that has none */

enum { MAIL_SENT = 1, MAIL_KEPT = 2 }; /* may be found; must be */

struct sums {
    unsigned cuts, recoveries, again, broken, lost, invented, stuck, early;
    unsigned kinds[CUT_KINDS];
    unsigned long promised, found;
};

struct judge {
    const struct load_options *options;
    struct server server;
    struct rig *rig;
    struct sums sums;
    unsigned char *states;              /* of the messages, at the cut */
    unsigned char *arrived[MAIL_USERS]; /* found in whose mailbox */
    char (*known)[64];                  /* files looked at already */
    size_t known_count;
    unsigned extra; /* files that are not what they should be */
};

/* --- mailboxes --------------------------------------------------------------------------------*/

static bool is_known(struct judge *judge, unsigned user, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "%u%.60s", user, name);
    for (size_t i = 0; i < judge->known_count; i++)
        if (strcmp(judge->known[i], key) == 0)
            return true;
    judge->known = realloc(judge->known, (judge->known_count + 1) * sizeof *judge->known);
    memcpy(judge->known[judge->known_count++], key, sizeof key);
    return false;
}

static void look_at_mail(struct judge *judge, unsigned user, const char *path)
{
    struct stat stat;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) != 0)
        return;
    char *bytes = malloc((size_t) stat.st_size + 1);
    ssize_t size = read(fd, bytes, (size_t) stat.st_size);
    close(fd);
    unsigned number = size < 0 ? 0 : mail_read(bytes, (size_t) size);
    if (number > 0 && number <= judge->options->messages && judge->states[number] &&
        mail_is_for(number, user)) {
        judge->arrived[user][number] = 1;
    } else {
        judge->extra++;
        printf("# %s: %s, %zd bytes: '%.*s'\n", path,
               number ? "not sent before the cut, or not to that user" : "no whole message", size,
               size < 200 ? (int) size : 200, bytes);
    }
    free(bytes);
}

static void look_at_mailboxes(struct judge *judge)
{
    for (unsigned user = 0; user < MAIL_USERS; user++) {
        char folder[RIG_PATH + 60], path[RIG_PATH + 400];
        snprintf(folder, sizeof folder, "%s/users/%s/Maildir/new", judge->server.home,
                 mail_users[user]);
        DIR *mailbox = opendir(folder);
        const struct dirent *entry;
        while (mailbox && (entry = readdir(mailbox)))
            if (entry->d_name[0] != '.' && !is_known(judge, user, entry->d_name)) {
                snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
                look_at_mail(judge, user, path);
            }
        if (mailbox)
            closedir(mailbox);
    }
}

/* Deliveries that were promised and are not there. */
static unsigned missing(const struct judge *judge, bool tell)
{
    unsigned count = 0;
    for (unsigned number = 1; number <= judge->options->messages; number++)
        for (unsigned user = 0; user < MAIL_USERS; user++)
            if (judge->states[number] == MAIL_KEPT && mail_is_for(number, user) &&
                !judge->arrived[user][number]) {
                count++;
                if (tell && count <= 5)
                    printf("#   message %u was accepted and does not reach %s\n", number,
                           mail_users[user]);
            }
    return count;
}

/* --- one cut ----------------------------------------------------------------------------------*/

/* What had been sent and promised when the log was that long. */
static void recall(struct judge *judge, const struct disk *disk, size_t at)
{
    memset(judge->states, 0, judge->options->messages + 1);
    for (size_t i = 0; i < at; i++) {
        const struct entry *entry = &disk->log[i];
        if (entry->kind == ENTRY_MARK && entry->mark > MAIL_ACCEPTED)
            judge->states[entry->mark - MAIL_ACCEPTED] = MAIL_KEPT;
        else if (entry->kind == ENTRY_MARK)
            judge->states[entry->mark] |= MAIL_SENT;
    }
    for (unsigned number = 1; number <= judge->options->messages; number++) {
        judge->sums.promised += judge->states[number] == MAIL_KEPT;
        if (judge->states[number] > MAIL_KEPT)
            judge->states[number] = MAIL_KEPT;
    }
}

static void forget_arrivals(struct judge *judge)
{
    for (unsigned user = 0; user < MAIL_USERS; user++)
        memset(judge->arrived[user], 0, judge->options->messages + 1);
    judge->known_count = 0;
    judge->extra = 0;
}

/* Starts the server on what was found and waits until all that was promised is there. */
static void recover(struct judge *judge)
{
    double progress = rig_now(), seen_mail = progress;
    unsigned before = UINT_MAX;
    judge->sums.recoveries++;
    if (server_boot(&judge->server) != 0 || server_start(&judge->server, false) != 0) {
        printf("# the server cannot be started\n");
        judge->sums.stuck++;
        return;
    }
    for (;;) {
        usleep(10000);
        look_at_mailboxes(judge);
        double now = rig_now();
        unsigned lacking = missing(judge, false);
        if (lacking < before)
            progress = now;
        before = lacking;
        if (lacking == 0 || now - progress > PATIENCE)
            break;
        if (!server_is_empty(&judge->server))
            seen_mail = now;
        if (now - seen_mail > SETTLED)
            break;
    }
    judge->sums.stuck += missing(judge, false) > 0 && !server_is_empty(&judge->server);
}

static void tell_cut(const struct judge *judge, const struct disk *disk, const struct cut *cut,
                     const char *what)
{
    char line[400];
    printf("# %s: %s: cut at %zu of %zu (%s, seed %llu, %zu writes not flushed, %s)\n",
           filesystem_name(judge->options->filesystem), what, cut->at, disk->count,
           cut_kind_name(cut->kind), (unsigned long long) cut->seed, disk_pending(disk, cut->at),
           judge->rig->fsck ? "checked" : "mounted as it was");
    FILE *log = fopen(judge->rig->log, "re");
    for (unsigned i = 0; log && i < 20 && fgets(line, sizeof line, log); i++)
        printf("#   %s", line);
    if (log)
        fclose(log);
}

static void tell_server_log(const struct judge *judge)
{
    char path[RIG_PATH + 40], line[400], *lines[12] = {0};
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/log/current", judge->server.home);
    FILE *log = fopen(path, "re");
    while (log && fgets(line, sizeof line, log)) {
        free(lines[count % 12]);
        lines[count++ % 12] = strdup(line);
    }
    if (log)
        fclose(log);
    for (unsigned i = count > 12 ? count - 12 : 0; i < count; i++)
        printf("#   log: %s", lines[i % 12]);
    for (unsigned i = 0; i < 12; i++)
        free(lines[i]);
}

/* Mounts what the cut left, and judges it; the same disk, with what recovery did to it in its log;
 * NULL if it could not be mounted. */
static struct disk *look(struct judge *judge, const struct disk *disk, const struct cut *cut)
{
    double start = rig_now();
    struct disk *found = disk_cut(disk, cut);
    judge->sums.cuts++;
    judge->sums.kinds[cut->kind]++;
    judge->rig->fsck = judge->options->filesystem == EXT4_NO_JOURNAL || judge->sums.cuts % 2 == 0;
    if (rig_mount(judge->rig, found, true) == RIG_BROKEN) {
        judge->sums.broken++;
        tell_cut(judge, disk, cut, "the file system cannot be mounted");
        disk_destroy(found);
        return NULL;
    }
    double mounted = rig_now();
    forget_arrivals(judge);
    look_at_mailboxes(judge);
    if (missing(judge, false) == 0)
        judge->sums.early++;
    recover(judge);
    look_at_mailboxes(judge);
    unsigned lost = missing(judge, false);
    if (lost || judge->extra) {
        tell_cut(judge, disk, cut, lost ? "MAIL LOST" : "MAIL INVENTED");
        missing(judge, true);
        tell_server_log(judge);
    }
    if (judge->options->verbose)
        printf("# cut at %zu: mounted after %.2f s, judged after %.2f s more\n", cut->at,
               mounted - start, rig_now() - mounted);
    judge->sums.lost += lost > 0;
    judge->sums.invented += judge->extra > 0;
    rig_kill_all();
    rig_unmount(judge->rig, found);
    return found;
}

static void cut_again(struct judge *judge, struct disk *found, struct random *random)
{
    if (found->count == 0)
        return;
    struct cut cut = {.at = random_below(random, found->count + 1),
                      .kind = (enum cut_kind) random_below(random, CUT_KINDS),
                      .seed = random_u64(random),
                      .drive_lies = judge->options->drive_lies};
    judge->sums.again++;
    disk_destroy(look(judge, found, &cut));
}

/* Where: at any entry; or within a few entries behind an acknowledgement, where it hurts. */
static size_t draw_place(const struct disk *disk, struct random *random)
{
    size_t at = random_below(random, disk->count + 1);
    if (random_below(random, 2))
        return at;
    while (at > 0 &&
           (disk->log[at - 1].kind != ENTRY_MARK || disk->log[at - 1].mark <= MAIL_ACCEPTED))
        at--;
    at += random_below(random, 3);
    return at < disk->count ? at : disk->count;
}

static void try_cuts(struct judge *judge, const struct disk *disk, double start)
{
    const struct load_options *options = judge->options;
    struct random random;
    random_seed(&random, options->seed, 11);
    for (unsigned i = 0; judge->sums.cuts < options->cuts; i++) {
        struct cut cut = {.at = draw_place(disk, &random),
                          .kind = (enum cut_kind)(i % CUT_KINDS),
                          .seed = random_u64(&random),
                          .drive_lies = options->drive_lies};
        recall(judge, disk, cut.at);
        struct disk *found = look(judge, disk, &cut);
        if (found && random_below(&random, 100) < options->again)
            cut_again(judge, found, &random);
        disk_destroy(found);
        if (options->seconds > 0 && rig_now() - start > options->seconds)
            break;
    }
}

/* --- all of it --------------------------------------------------------------------------------*/

/* The server's home on a disk, as it is after some quiet time. */
static struct disk *make_home(struct judge *judge)
{
    struct disk *disk = rig_format(judge->rig, judge->options->filesystem), *copy = NULL;
    if (!disk)
        return NULL;
    if (rig_mount(judge->rig, disk, false) == RIG_MOUNTED) {
        bool made = server_make(&judge->server) == 0;
        rig_unmount(judge->rig, disk);
        if (made)
            copy = disk_copy(disk);
    }
    if (!copy) {
        printf("# the server's home cannot be made\n");
        disk_destroy(disk);
    }
    return copy; /* shares the sectors of `disk`, which stays until the program ends */
}

static int load_disk(struct judge *judge, struct disk *disk, unsigned *accepted)
{
    if (rig_mount(judge->rig, disk, false) != RIG_MOUNTED)
        return -1;
    serve_flush_takes(judge->rig->serve, FLUSH_US);
    int result = server_boot(&judge->server) == 0 && server_start(&judge->server, true) == 0;
    if (result)
        *accepted = server_load(&judge->server, disk, judge->options->messages);
    else
        tell_server_log(judge);
    serve_flush_takes(judge->rig->serve, 0);
    rig_kill_all();
    rig_unmount(judge->rig, disk);
    return result ? 0 : -1;
}

static void tell_sums(const struct judge *judge, const struct disk *disk, unsigned accepted,
                      double loaded, double seconds)
{
    const struct sums *sums = &judge->sums;
    size_t writes = 0, flushes = 0;
    for (size_t i = 0; i < disk->count; i++) {
        writes += disk->log[i].kind == ENTRY_WRITE;
        flushes += disk->log[i].kind == ENTRY_FLUSH_END;
    }
    printf("SUM %s: %u of %u messages accepted (%zu writes, %zu flushes, %.1f s), %u cuts, %u of "
           "them during recovery, %lu promises kept watch of, in %u mailboxes nothing was missing "
           "at once; mail lost in %u, invented in %u, stuck %u, not mountable %u; %.0f s\n",
           filesystem_name(judge->options->filesystem), accepted, judge->options->messages, writes,
           flushes, loaded, sums->cuts, sums->again, sums->promised, sums->early, sums->lost,
           sums->invented, sums->stuck, sums->broken, seconds);
}

int load_run(struct rig *rig, void *context)
{
    const struct load_options *options = context;
    struct judge judge = {.options = options, .rig = rig};
    double start = rig_now();
    unsigned accepted = 0;
    server_of(&judge.server, rig, options->programs);
    judge.states = calloc(options->messages + 1, 1);
    for (unsigned user = 0; user < MAIL_USERS; user++)
        judge.arrived[user] = calloc(options->messages + 1, 1);
    struct disk *disk = make_home(&judge);
    if (!disk)
        return 77;
    if (load_disk(&judge, disk, &accepted) != 0) {
        printf("# the server cannot be started on %s\n", filesystem_name(options->filesystem));
        return 1;
    }
    double loaded = rig_now() - start;
    try_cuts(&judge, disk, start);
    tell_sums(&judge, disk, accepted, loaded, rig_now() - start);
    const struct sums *sums = &judge.sums;
    return accepted < options->messages || sums->lost || sums->invented || sums->broken ? 1 : 0;
}
