/* SPDX-License-Identifier: ISC */
/*
 * Days of heavy mixed traffic with faults: remote servers with every kind of trouble, a DNS that
 * fails, users whose programs defer and crash, clients and local submitters; programs killed, the
 * server stopped and started, power losses, a full disk, steps of the clock.  All oracles of the
 * world hold; and what the programs hold of memory and descriptors is the same at the end of each
 * day, when nothing is in the queue: nobody keeps anything of what has gone through.
 *
 * A day is short (2 hours; CHECK_ALL: 24), as are its lifetimes of messages: traffic comes in its
 * first part, and all has gone out or bounced by its end.  On the first day every program is killed
 * and the power fails; then all but workers live to the end.
 *
 * DAYS_STORY=FILE writes the story down, for `nixie run`.
 */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/kernel/net.h"
#include "sim/scenario/run.h"

#define DAYS 3
#define PROGRAMS_MAX 40
#define SAMPLES_A_DAY 24
#define SLACK_BYTES 4096 /* buffers that the largest burst has made larger */

static bool at_full_size(void)
{
    const char *all = getenv("CHECK_ALL");
    return all && *all;
}

/* --- the story -------------------------------------------------------------------------------*/

struct story {
    FILE *to;
    long day_s;     /* how long a day is */
    unsigned scale; /* messages: some 90 times it a day */
};

static void put(struct story *story, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(story->to, format, arguments);
    va_end(arguments);
}

/* So many thousandths of a day, in seconds. */
static long part(const struct story *story, unsigned day, unsigned thousandths)
{
    return story->day_s * (long) day + story->day_s * (long) thousandths / 1000;
}

/* The largest k with (20 k)^2 within that time: a message that expires just before its try k. */
static long lifetime(long most_s)
{
    long k = 1;
    while ((20 * (k + 1)) * (20 * (k + 1)) <= most_s)
        k++;
    return (20 * k) * (20 * k) - 1;
}

static const char machines[] =
    "    user alice\n"
    "    user bob\n"
    "    user postmaster\n"
    "    user dave\n"
    "        | |flaky\n"
    "        | ./Maildir/\n"
    "    user erin\n"
    "        | |crashes\n"
    "    user frank\n"
    "        | &bob@example.com\n"
    "        | &f@fast.example\n"
    "        | ./mbox\n"
    "    alias list\n"
    "        | &alice@example.com\n"
    "        | &one@fast.example\n"
    "        | &two@grey.example\n"
    "    program flaky\n"
    "        exit 111 first 30 takes 7s print \"not now\"\n"
    "        exit 0 takes 1s\n"
    "    program crashes\n"
    "        signal SEGV first 20\n"
    "        exit 100 takes 20s print \"no\"\n"
    "host back back.example\n"
    "    disk ext4\n"
    "    address 2001:db8::20\n"
    "    address 192.0.2.20\n"
    "    user zoe\n"
    "    user yves\n"
    "        | &zoe@back.example\n"
    "        | &y@fast.example\n"
    "remote fast\n"
    "    serves fast.example\n"
    "    on RCPT ghost@* reply 550 \"5.1.1 no such user\"\n"
    "    on EOD full@* take bounce after 3m status 5.2.2 \"mailbox full\"\n"
    "remote grey\n"
    "    serves grey.example\n"
    "    on RCPT first 1 by triple reply 451 \"4.7.1 greylisted\"\n"
    "remote limit\n"
    "    serves limit.example\n"
    "    connections 3\n"
    "    on EOD over 10 per 5m by client reply 421 \"4.7.28 unusual rate of mail\"\n"
    "remote drop\n"
    "    serves drop.example\n"
    "    on connect chance 5% close\n"
    "    on EHLO chance 3% reply 421 \"4.3.2 not now\"\n"
    "    on RCPT chance 10% reply 451 \"4.3.0 try again\"\n"
    "    on MESSAGE chance 10% reset after 200 bytes\n"
    "    on EOD chance 5% take reset\n"
    "    on EOD chance 3% take close\n"
    "    on EOD chance 5% reply 452 \"4.3.1 no room\"\n"
    "    on connect chance 2% delay 90s ok\n"
    "remote down\n"
    "    serves down.example\n"
    "remote dead\n"
    "    serves dead.example\n"
    "    on connect refuse\n"
    "remote slow\n"
    "    serves slow.example\n"
    "    on connect delay 2s ok\n"
    "    on MESSAGE slow 500 bytes per 1s\n"
    "    on EOD delay 10s ok\n"
    "remote first\n"
    "    serves pair.example preference 10\n"
    "    on connect chance 50% reply 554 \"no service\"\n"
    "    on connect chance 50% reset\n"
    "remote second\n"
    "    serves pair.example preference 20\n"
    "    extensions none\n"
    "    recipients 2\n"
    "remote gone\n"
    "    serves gone.example\n"
    "    on RCPT reply 550 \"5.1.1 no such user\"\n"
    "remote lame\n"
    "    serves lame.example\n"
    "    no-ehlo\n"
    "client app\n"
    "    retry every 3m until accepted\n"
    "client web\n"
    "    cut after 100 bytes first 1\n"
    "    retry every 1m times 2\n"
    "    pipelining off\n"
    "client phone\n"
    "    chunk 100 bytes every 1s\n"
    "dns\n"
    "    on *drop.example chance 10% servfail\n"
    "    on *grey.example chance 5% late 7s\n"
    "    on pair.example MX chance 50% truncate\n"
    "    on *fast.example chance 1% silence\n";

static void put_machines(struct story *story)
{
    put(story, "scenario \"days of mixed traffic\"\n");
    put(story, "host mail example.com\n    disk strict\n"
               "    address 192.0.2.10\n    address 2001:db8::10\n    relay from app web phone\n");
    put(story, "    control queuelifetime %ld\n", lifetime(story->day_s * 3 / 10));
    put(story, "    control concurrencyremote 10\n    control doublebounceto postmaster\n");
    put(story, "    control timeoutremote 60\n    control timeoutconnect 20\n");
    put(story, "%s", machines);
}

/* Who sends what to whom, and how many of them. */
static const struct stream {
    const char *who, *name, *text, *to;
    unsigned share; /* times the scale */
} streams[] = {
    {"app", "a", "", "to alice@example.com bob@example.com from robot@app.example", 10},
    {"web", "b", "", "to bob@fast.example alice@example.com from web@fast.example", 5},
    {"phone", "c", "", "to list@example.com from phone@fast.example", 3},
    {"alice", "d", "", "to a@fast.example b@fast.example c@grey.example", 10},
    {"bob", "e", "", "to x@grey.example via sendmail", 8},
    {"app", "f", "", "to y@limit.example from robot@grey.example", 8},
    {"alice", "g", "", "to z@drop.example via queue", 10},
    {"bob", "h", "", "to v@down.example w@down.example", 10},
    {"alice", "i", "", "to u@dead.example", 2},
    {"alice", "j", "", "to u@dead.example from nobody@gone.example via queue", 1},
    {"bob", "k", "with large", "to t@slow.example", 3},
    {"alice", "l", "", "to s@pair.example r@pair.example q@pair.example", 5},
    {"bob", "n", "", "to p@lame.example", 5},
    {"alice", "o", "", "to dave@example.com erin@example.com", 3},
    {"bob", "p", "", "to ghost@fast.example good@fast.example", 4},
    {"alice", "q", "", "to full@fast.example", 1},
    {"app", "r", "", "to frank@example.com from robot@app.example", 4},
    {"bob", "t", "", "to zoe@back.example yves@back.example alice@example.com", 5},
    {"zoe on back", "u", "", "to alice@example.com frank@example.com", 4},
    {"alice", "v", "", "to ghost@back.example", 1},
    {"app", "w", "", "to zoe@back.example ghost@back.example from robot@gone.example", 2},
    {"bob", "s", "with large", "to alice@example.com t@fast.example", 3},
};

static void put_traffic(struct story *story, unsigned day)
{
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        const struct stream *stream = &streams[i];
        unsigned count = stream->share * story->scale;
        long milliseconds = story->day_s * 550 / count;
        bool by_smtp = strchr("abcfrw", stream->name[0]) != NULL;
        put(story, "at %lds %s sends %s%u %s %s%s times %u every %ldms\n",
            part(story, day, 10 + 3 * (unsigned) i), stream->who, stream->name, day, stream->text,
            stream->to, by_smtp ? " via mail" : "", count, milliseconds);
    }
}

/* Trouble of every day, that ends no program but workers. */
static void put_trouble(struct story *story, unsigned day)
{
    struct {
        unsigned thousandths;
        const char *what;
    } const troubles[] = {
        {60, "down down"},
        {110, "down up"},
        {130, "dns down"},
        {145, "dns up"},
        {160, "mail disk full"},
        {165, "mail disk room"},
        {180, "network mail to fast delay 80ms bandwidth 20000 bytes"},
        {200, "network mail to drop silent"},
        {230, "network mail to drop open"},
        {240, "network mail to fast delay 1ms bandwidth 10000000 bytes"},
        {250, "network mail to grey reset after 300 bytes from client connection 1"},
        {260, "network mail to slow silent after 2000 bytes from client connection 1"},
        {270, "down down"},
        {280, "clock forward 1h"},
        {300, "down up"},
        {320, "network any to fast unreachable"},
        {330, "network any to fast open"},
        {340, "clock back 50m"},
        {350, "network mail to limit refuse"},
        {360, "network mail to limit open"},
        {370, "signal send ALRM on mail"},
        {380, "signal send HUP on mail"},
        {390, "signal start HUP on mail"},
        {150, "network mail to back silent"},
        {170, "network mail to back open"},
        {210, "network back to mail unreachable"},
        {215, "network back to mail open"},
        {220, "back disk full"},
        {222, "back disk room"},
        {400, "network app to mail silent after 400 bytes from server connection 1"},
        {410, "fast down"},
        {415, "fast up"},
    };
    for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++)
        put(story, "at %lds %s\n", part(story, day, troubles[i].thousandths), troubles[i].what);
    put(story, "after fast takes d%u.%u kill remote on mail\n", day, 3 * story->scale);
    put(story, "after down takes h%u.%u kill remote on mail\n", day, 6 * story->scale);
    put(story, "after a%u.%u enters S2 kill smtpd on mail\n", day, 4 * story->scale);
    put(story, "before f%u.%u enters S4 kill smtpd on mail\n", day, 6 * story->scale);
}

/* What ends programs: on the first day only. */
static void put_ends(struct story *story)
{
    static const char *const programs[] = {"send",   "queue",  "clean", "lspawn",
                                           "rspawn", "listen", "log"};
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        put(story, "at %lds kill %s on mail\n", part(story, 0, 33 + 50 * (unsigned) i),
            programs[i]);
        put(story, "at %lds kill %s on mail\n", part(story, 0, 46 + 51 * (unsigned) i),
            programs[i]);
        put(story, "at %lds kill %s on back\n", part(story, 0, 40 + 45 * (unsigned) i),
            programs[i]);
    }
    put(story, "at %lds crash mail power keep random\n", part(story, 0, 427));
    put(story, "at %lds crash mail power keep none\n", part(story, 0, 455));
    put(story, "at %lds stop mail\n", part(story, 0, 475));
    put(story, "at %lds start mail\n", part(story, 0, 485));
    put(story, "at %lds crash mail programs\n", part(story, 0, 500));
    put(story, "after fast takes p0.%u crash mail power keep none\n", story->scale / 17 + 1);
    put(story, "after crash %lds boot mail\n", part(story, 0, 3));
    put(story, "at %lds crash back power keep none\n", part(story, 0, 385));
    put(story, "at %lds crash back power keep random\n", part(story, 0, 430));
    put(story, "after t0.%u delivered crash back power keep none\n", 4 * story->scale);
    put(story, "after crash %lds boot back\n", part(story, 0, 5));
}

static char *make_story(long day_s, unsigned scale)
{
    char *text = NULL;
    size_t size;
    struct story story = {open_memstream(&text, &size), day_s, scale};
    put_machines(&story);
    put(&story, "file large\n");
    for (unsigned i = 0; i < 60; i++)
        put(&story, "    | %s\n",
            i == 0   ? "Subject: large"
            : i == 1 ? ""
                     : ".a line of this text, of sixty letters, more or less, again");
    for (unsigned day = 0; day < DAYS; day++) {
        put_traffic(&story, day);
        put_trouble(&story, day);
    }
    put_ends(&story);
    put(&story, "at %lds alice sends last to bob@example.com\n", part(&story, DAYS, 1));
    put(&story, "expect last delivered once at %lds\n", part(&story, DAYS, 1));
    fclose(story.to);
    return text;
}

/* --- what programs hold ----------------------------------------------------------------------*/

/* Of all processes of one program. */
struct holding {
    char name[32];
    unsigned processes, descriptors;
    size_t bytes;
};

struct sample {
    int64_t time_ns;
    bool quiet;
    size_t bytes, files, sockets;
    struct holding programs[PROGRAMS_MAX];
    size_t program_count;
};

struct rig {
    struct world *world;
    int64_t every_ns;
    struct sample samples[DAYS * SAMPLES_A_DAY];
    size_t count;
};

static void note_process(void *context, const struct process *process, size_t bytes,
                         unsigned descriptors)
{
    struct sample *sample = context;
    struct holding *holding = sample->programs;
    char name[sizeof holding->name];
    snprintf(name, sizeof name, "%s/%s", host_name(process_host(process)), process_name(process));
    while (holding < sample->programs + sample->program_count && strcmp(holding->name, name) != 0)
        holding++;
    if (holding == sample->programs + sample->program_count) {
        ck_assert_uint_lt(sample->program_count, PROGRAMS_MAX);
        strcpy(holding->name, name);
        sample->program_count++;
    }
    holding->processes++;
    holding->descriptors += descriptors;
    holding->bytes += bytes;
}

static void take_sample(void *context)
{
    struct rig *rig = context;
    struct kernel *kernel = rig->world->kernel;
    struct sample *sample = &rig->samples[rig->count++];
    sample->time_ns = kernel_now(kernel);
    sample->quiet = world_is_quiet(rig->world);
    sample->bytes = kernel_live_bytes(kernel);
    sample->files = kernel_live_files(kernel);
    sample->sockets = net_live_sockets(kernel);
    kernel_tell_processes(kernel, note_process, sample);
    if (rig->count < DAYS * SAMPLES_A_DAY)
        kernel_at(kernel, sample->time_ns + rig->every_ns, take_sample, rig);
}

static void started(void *context, struct world *world)
{
    struct rig *rig = context;
    rig->world = world;
    kernel_at(world->kernel, rig->every_ns, take_sample, rig);
}

static const struct holding *holding_of(const struct sample *sample, const char *name)
{
    for (size_t i = 0; i < sample->program_count; i++)
        if (strcmp(sample->programs[i].name, name) == 0)
            return &sample->programs[i];
    return NULL;
}

/* What there is at the end of a day, when all is quiet, is what there was at the end of the first.
 */
static void compare_ends(const struct sample *first, const struct sample *last)
{
    ck_assert_msg(last->quiet, "not quiet at %lld s", (long long) (last->time_ns / NANOSECONDS));
    ck_assert_uint_eq(last->program_count, first->program_count);
    for (size_t i = 0; i < first->program_count; i++) {
        const struct holding *was = &first->programs[i], *is = holding_of(last, was->name);
        ck_assert_msg(is, "no %s any more", was->name);
        ck_assert_msg(is->processes == was->processes && is->descriptors == was->descriptors,
                      "%s: %u processes with %u descriptors, then %u with %u", was->name,
                      was->processes, was->descriptors, is->processes, is->descriptors);
        ck_assert_msg(is->bytes <= was->bytes + SLACK_BYTES, "%s: %zu bytes, then %zu", was->name,
                      was->bytes, is->bytes);
    }
    ck_assert_uint_eq(last->files, first->files);
    ck_assert_uint_eq(last->sockets, first->sockets);
}

struct peak {
    size_t bytes, files, sockets;
    unsigned processes;
};

static void raise_to(size_t *peak, size_t value)
{
    if (*peak < value)
        *peak = value;
}

static struct peak peak_of(const struct sample *samples)
{
    struct peak peak = {0};
    for (size_t i = 0; i < SAMPLES_A_DAY; i++) {
        unsigned processes = 0;
        for (size_t k = 0; k < samples[i].program_count; k++)
            processes += samples[i].programs[k].processes;
        if (peak.processes < processes)
            peak.processes = processes;
        raise_to(&peak.bytes, samples[i].bytes);
        raise_to(&peak.files, samples[i].files);
        raise_to(&peak.sockets, samples[i].sockets);
    }
    return peak;
}

/* The days are much the same, and so is the most that there is of anything in each. */
static void compare_peaks(const struct peak *first, const struct peak *last)
{
    ck_assert_uint_le(last->bytes, first->bytes + first->bytes / 4);
    ck_assert_uint_le(last->files, first->files + first->files / 4);
    ck_assert_uint_le(last->sockets, first->sockets + first->sockets / 4);
    ck_assert_uint_le(last->processes, first->processes + first->processes / 4);
}

static void compare_days(const struct rig *rig)
{
    struct peak peaks[DAYS];
    ck_assert_uint_eq(rig->count, DAYS * SAMPLES_A_DAY);
    for (unsigned day = 0; day < DAYS; day++) {
        const struct sample *samples = rig->samples + day * SAMPLES_A_DAY;
        peaks[day] = peak_of(samples);
        compare_ends(&rig->samples[SAMPLES_A_DAY - 1], &samples[SAMPLES_A_DAY - 1]);
        compare_peaks(&peaks[0], &peaks[day]);
    }
}

/* --- the test --------------------------------------------------------------------------------*/

static void print_sample(const struct sample *sample)
{
    printf("%lld s%s: %zu bytes, %zu files, %zu sockets;",
           (long long) (sample->time_ns / NANOSECONDS), sample->quiet ? " (quiet)" : "",
           sample->bytes, sample->files, sample->sockets);
    for (size_t i = 0; i < sample->program_count; i++)
        printf(" %s %u/%u/%zu", sample->programs[i].name, sample->programs[i].processes,
               sample->programs[i].descriptors, sample->programs[i].bytes);
    putchar('\n');
}

/* Of a run that failed. */
static void print_all(const struct rig *rig, const struct run_result *result)
{
    for (size_t i = 0; i < rig->count; i++)
        print_sample(&rig->samples[i]);
    for (size_t i = 0; i < result->failure_count && i < 20; i++)
        printf("%s: %s\n%s", result->failures[i].promise ? result->failures[i].promise : "expected",
               result->failures[i].message,
               result->failures[i].detail ? result->failures[i].detail : "");
    fflush(stdout);
}

static void write_story(const char *text)
{
    const char *path = getenv("DAYS_STORY");
    FILE *to = path ? fopen(path, "w") : NULL;
    if (!to)
        return;
    fputs(text, to);
    fclose(to);
}

START_TEST(days)
{
    static struct rig rig;
    long day_s = (at_full_size() ? 24 : 2) * 3600;
    char *text = make_story(day_s, at_full_size() ? 60 : 15);
    struct run_options options = {.seed = 1, .started = started, .started_context = &rig};
    struct run_result result;
    rig.every_ns = day_s * NANOSECONDS / SAMPLES_A_DAY;
    write_story(text);
    struct scenario *scenario = scenario_parse("days", text, strlen(text), NULL, 0, stderr);
    ck_assert_ptr_nonnull(scenario);
    scenario_run(scenario, &options, &result);
    if (result.failure_count > 0 || getenv("DAYS_STORY"))
        print_all(&rig, &result);
    ck_assert_uint_eq(result.failure_count, 0);
    ck_assert_uint_eq(result.crashes, 7);
    compare_days(&rig);
    run_result_free(&result);
    scenario_free(scenario);
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("days");
    TCase *tests = tcase_create("all");
    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, days);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
