/* SPDX-License-Identifier: ISC */
/*
 * Every short string over CR, LF, a dot and a letter as a message, through a whole simulated
 * server: into a Maildir and out to a remote server (docs/architecture.md, "What SMTP changes in a
 * message").  A client sends each as raw bytes behind DATA, with CR LF . CR LF behind it and the
 * next message's transaction right behind that in the same stream, so that an end of data that is
 * seen too early or not at all shows: as a message, a reply or a byte too many or too few.
 * Others give the same strings to nixie-queue, which takes anything.
 *
 * What must come of each is worked out here, from the rules and none of the server's code.  What
 * goes out is looked at twice: in what the remote took, and byte by byte as nixie-remote wrote it.
 *
 * Strings have up to 6 bytes (CHECK_ALL: 7); nixie-queue gets up to 5 (CHECK_ALL: 7).
 */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "sim/kernel/calls.h"
#include "sim/kernel/random.h"
#include "sim/world/home.h"
#include "sim/world/world.h"

#define LONGEST 7
#define TEXT_ROOM 64    /* of what becomes of a string */
#define SESSION_SIZE 50 /* transactions of a session */
#define SESSION_BAD 8   /* lines behind an early end that are no commands; 20 end the session */
#define PIDS 65536
#define NONE SIZE_MAX

struct text_bytes {
    char data[TEXT_ROOM];
    size_t size;
};

/* What must become of a string. */
struct fate {
    bool accepted;
    unsigned bad_lines; /* what stands behind the end of data, and is no command */
    struct text_bytes stored, sent;
};

/* What became of it. */
struct outcome {
    unsigned delivered, taken;
    bool stored_wrong, sent_wrong;
};

struct bytes {
    char *data;
    size_t size;
};

static bool at_full_size(void)
{
    const char *all = getenv("CHECK_ALL");
    return all && *all;
}

/* --- strings ---------------------------------------------------------------------------------*/

static size_t string_count(unsigned longest)
{
    size_t count = 0, of_length = 1;
    for (unsigned length = 0; length <= longest; length++, of_length *= 4)
        count += of_length;
    return count;
}

/* The string of that number; shorter ones come first. */
static struct text_bytes string_of(size_t number)
{
    struct text_bytes string = {.size = 0};
    size_t of_length = 1;
    for (; number >= of_length; of_length *= 4, string.size++)
        number -= of_length;
    for (size_t i = string.size; i > 0; i--, number /= 4)
        string.data[i - 1] = "\r\n.a"[number % 4];
    return string;
}

static void add(struct text_bytes *text, const char *data, size_t size)
{
    ck_assert_uint_lt(text->size + size, TEXT_ROOM);
    memcpy(text->data + text->size, data, size);
    text->size += size;
}

static const char *find(const char *from, const char *end, const char *what)
{
    return memmem(from, (size_t) (end - from), what, strlen(what));
}

/* --- the rules -------------------------------------------------------------------------------*/

/* What goes out of what is stored: lines end with LF, with a CR in front of it or without. */
static struct text_bytes as_sent(const struct text_bytes *stored)
{
    struct text_bytes sent = {.size = 0};
    for (const char *at = stored->data, *end = at + stored->size; at < end;) {
        const char *lf = find(at, end, "\n"), *stop = lf ? lf : end;
        size_t size = (size_t) (stop - at);
        if (lf && size > 0 && stop[-1] == '\r')
            size--;
        for (size_t i = 0; i < size; i++)
            add(&sent, at[i] == '\r' ? " " : at + i, 1);
        add(&sent, "\n", 1);
        at = lf ? lf + 1 : end;
    }
    return sent;
}

/* What is stored of the bytes of the data, in which each line ends with CR LF. */
static struct text_bytes as_stored(const char *at, const char *end, bool *bare_lf)
{
    struct text_bytes stored = {.size = 0};
    while (at < end) {
        const char *line_end = find(at, end, "\r\n");
        ck_assert_ptr_nonnull(line_end);
        if (*at == '.')
            at++;
        if (find(at, line_end, "\n"))
            *bare_lf = true;
        add(&stored, at, (size_t) (line_end - at));
        add(&stored, "\n", 1);
        at = line_end + 2;
    }
    return stored;
}

/* Of a string behind DATA, with CR LF . CR LF behind it. */
static struct fate fate_by_smtp(size_t number, bool accept_bare_lf)
{
    struct text_bytes string = string_of(number), wire = {.size = 0};
    struct fate fate = {.accepted = true};
    bool bare_lf = false;

    add(&wire, "\r\n", 2); /* the end of the line DATA */
    add(&wire, string.data, string.size);
    add(&wire, "\r\n.\r\n", 5);
    const char *end = wire.data + wire.size;
    const char *stop = find(wire.data, end, "\r\n.\r\n");
    fate.stored = as_stored(wire.data + 2, stop + 2, &bare_lf);
    fate.accepted = !bare_lf || accept_bare_lf;
    for (const char *rest = stop + 5; rest < end; rest = find(rest, end, "\n") + 1)
        fate.bad_lines++;
    fate.sent = as_sent(&fate.stored);
    return fate;
}

static struct fate fate_by_queue(size_t number)
{
    struct fate fate = {.accepted = true, .stored = string_of(number)};
    fate.sent = as_sent(&fate.stored);
    return fate;
}

/* --- the programs that send ------------------------------------------------------------------*/

/* What a program sends, how many lines it waits for (NONE: for the end), and what it hears.  One
 * runs at a time. */
static struct bytes to_send, heard;
static size_t lines_to_hear;
static struct random cuts;

static void bytes_add(struct bytes *bytes, const void *data, size_t size)
{
    bytes->data = realloc(bytes->data, bytes->size + size + 1);
    if (size > 0)
        memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    bytes->data[bytes->size] = 0;
}

static void bytes_add_text(struct bytes *bytes, const char *text)
{
    bytes_add(bytes, text, strlen(text));
}

static void bytes_clear(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){NULL, 0};
}

/* Sends all, in pieces of any size, and hears the answers. */
static int converse(int fd)
{
    char block[4096];
    ssize_t size = 0;
    for (size_t done = 0; done < to_send.size; done += (size_t) size) {
        size_t piece = 1 + random_below(&cuts, random_below(&cuts, 4) == 0 ? 3 : 1500);
        if (piece > to_send.size - done)
            piece = to_send.size - done;
        size = sim_write(fd, to_send.data + done, piece);
        if (size < 0)
            return 2;
    }
    while (lines_to_hear > 0 && (size = sim_read(fd, block, sizeof block)) > 0) {
        bytes_add(&heard, block, (size_t) size);
        for (ssize_t i = 0; i < size; i++)
            lines_to_hear -= block[i] == '\n';
    }
    return size < 0 ? 3 : 0;
}

static int client_main(int argc, char **argv, char **environment)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(25)};
    int fd = sim_socket(AF_INET, SOCK_STREAM, 0);
    (void) argc, (void) argv, (void) environment;
    inet_pton(AF_INET, "192.0.2.10", &address.sin_addr);
    if (sim_connect(fd, (const struct sockaddr *) &address, sizeof address) < 0)
        return 1;
    return converse(fd);
}

static int submitter_main(int argc, char **argv, char **environment)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = HOME_DIRECTORY "/run/queue"};
    int fd = sim_socket(AF_UNIX, SOCK_STREAM, 0);
    (void) argc, (void) argv, (void) environment;
    if (sim_connect(fd, (const struct sockaddr *) &address, sizeof address) < 0)
        return 1;
    return converse(fd);
}

/* --- what nixie-remote writes ----------------------------------------------------------------*/

struct wire {
    char last[PIDS][5]; /* the last bytes that a process wrote to its server */
    size_t alone, ends; /* CRs and LFs that are alone; CR LF . CR LF */
};

static void see_byte(struct wire *wire, char *last, char byte)
{
    wire->alone += (byte == '\n') != (last[4] == '\r');
    memmove(last, last + 1, 4);
    last[4] = byte;
    wire->ends += memcmp(last, "\r\n.\r\n", 5) == 0;
}

static void see_call(void *context, const struct call *call)
{
    struct wire *wire = context;
    const char *bytes = call->data;
    if ((call->id != CALL_write && call->id != CALL_sendmsg) || call->fd <= 2 ||
        strcmp(process_name(call->process), "nixie-remote") != 0)
        return;
    ck_assert_int_lt(process_pid(call->process), PIDS);
    for (int64_t i = 0; i < call->result; i++)
        see_byte(wire, wire->last[process_pid(call->process)], bytes[i]);
}

/* --- the world -------------------------------------------------------------------------------*/

static struct user_spec users[] = {{.name = "alice", .uid = 1001, .home_mode = 0755}};
static const char *home_address[] = {"192.0.2.10"}, *away_address[] = {"198.51.100.1"},
                  *app_address[] = {"203.0.113.1"};
static struct served_domain away_domain[] = {{"away.example", 10}};
#define AWAY_CONFIG "name mx.away.example\nlisten 198.51.100.1 25\n"
static const struct remote_spec away = {.name = "away",
                                        .smtp_name = "mx.away.example",
                                        .addresses = away_address,
                                        .address_count = 1,
                                        .domains = away_domain,
                                        .domain_count = 1,
                                        .config = {AWAY_CONFIG, sizeof AWAY_CONFIG - 1}};
static const struct client_spec app = {
    .name = "app", .helo = "app.example", .addresses = app_address, .address_count = 1};
enum { MAIL, AWAY, APP };

struct rig {
    struct named_text controls[3];
    struct home_spec home;
    struct world *world;
    struct wire wire;
    int status; /* of the sending program, or -1 while it runs */
    size_t count;
    struct outcome *outcomes;
};

static void install(struct world *world, size_t machine, const char *name, program_main *main)
{
    char path[64], text[64];
    snprintf(path, sizeof path, "/bin/%s", name);
    snprintf(text, sizeof text, "#!nixie %s\n", name);
    kernel_register_program(world->kernel, name, main);
    ck_assert_int_eq(
        host_write_file(world->machines[machine].host, path, text, strlen(text), 0, 0, 0755), 0);
}

static struct rig *rig_make(size_t count, bool accept_bare_lf)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct world_options options = {.kernel = {.seed = 1},
                                    .specs = &rig->home,
                                    .spec_count = 1,
                                    .remotes = &away,
                                    .remote_count = 1,
                                    .clients = &app,
                                    .client_count = 1};
    struct kernel_watch watch = {NULL, see_call, &rig->wire};
    int error;
    rig->controls[0] = (struct named_text){"barelf", {accept_bare_lf ? "accept\n" : "refuse\n", 7}};
    rig->controls[1] = (struct named_text){"relayclients", {"203.0.113.1\n", 12}};
    rig->controls[2] = (struct named_text){"smtproutes", {":[198.51.100.1]\n", 16}}; /* no DNS */
    rig->home = (struct home_spec){.name = "mail",
                                   .domain = "example.com",
                                   .disk = disk_model_named("honest"),
                                   .smtp = true,
                                   .addresses = home_address,
                                   .address_count = 1,
                                   .controls = rig->controls,
                                   .control_count = 3,
                                   .users = users,
                                   .user_count = 1};
    rig->count = count;
    rig->outcomes = calloc(count, sizeof *rig->outcomes);
    rig->world = world_create(&options, &error);
    ck_assert_ptr_nonnull(rig->world);
    install(rig->world, APP, "client", client_main);
    install(rig->world, MAIL, "submitter", submitter_main);
    kernel_watch(rig->world->kernel, &watch);
    world_start_actor(rig->world, AWAY);
    world_start(rig->world, MAIL);
    kernel_run(rig->world->kernel, NANOSECONDS);
    random_seed(&cuts, 1, 1);
    return rig;
}

static void rig_free(struct rig *rig)
{
    world_destroy(rig->world);
    free(rig->outcomes);
    free(rig);
}

static void sender_ended(void *context, struct process *process, int status)
{
    struct rig *rig = context;
    (void) process;
    rig->status = status;
    kernel_stop(rig->world->kernel);
}

/* Lets that program send `to_send` and hear `lines` lines. */
static void rig_send(struct rig *rig, size_t machine, const char *path, size_t lines)
{
    const char *argv[] = {path, NULL}, *environment[] = {NULL};
    struct process_spec spec = {.path = path,
                                .argv = argv,
                                .environment = environment,
                                .uid = 1001,
                                .gid = 1001,
                                .ended = sender_ended,
                                .context = rig};
    int error;
    rig->status = -1;
    lines_to_hear = lines;
    ck_assert_ptr_nonnull(process_start(rig->world->machines[machine].host, &spec, &error));
    while (rig->status == -1)
        ck_assert_int_eq(kernel_run(rig->world->kernel, INT64_MAX), KERNEL_STOPPED);
    ck_assert_int_eq(rig->status, 0);
}

/* --- sending the strings ---------------------------------------------------------------------*/

/* Puts a transaction into `to_send`, and the first digits of its replies into `replies`. */
static void put_transaction(size_t number, const struct fate *fate, struct bytes *replies)
{
    struct text_bytes string = string_of(number);
    char text[200];
    snprintf(text, sizeof text,
             "MAIL FROM:<%zu@t.example>\r\nRCPT TO:<alice@example.com>\r\n"
             "RCPT TO:<bob@away.example>\r\nDATA\r\n",
             number);
    bytes_add_text(&to_send, text);
    bytes_add(&to_send, string.data, string.size);
    bytes_add_text(&to_send, "\r\n.\r\n");
    bytes_add_text(replies, fate->accepted ? "22232" : "22235");
    for (unsigned i = 0; i < fate->bad_lines; i++)
        bytes_add_text(replies, "5");
}

static void end_session(struct rig *rig, size_t first, size_t last, struct bytes *replies)
{
    size_t at = 0;
    bytes_add_text(&to_send, "QUIT\r\n");
    bytes_add_text(replies, "2");
    rig_send(rig, APP, "/bin/client", NONE);
    for (const char *line = heard.data; *line; line = strchr(line, '\n') + 1)
        heard.data[at++] = *line;
    heard.data[at] = 0;
    size_t right = 0;
    while (heard.data[right] && heard.data[right] == replies->data[right])
        right++;
    ck_assert_msg(strcmp(heard.data, replies->data) == 0,
                  "strings %zu to %zu: reply %zu begins with %.1s, not %.1s", first, last,
                  right + 1, heard.data + right, replies->data + right);
    bytes_clear(&to_send);
    bytes_clear(&heard);
    bytes_clear(replies);
}

static void send_by_smtp(struct rig *rig, bool accept_bare_lf)
{
    struct bytes replies = {NULL, 0};
    unsigned in_session = 0, bad = 0;
    for (size_t i = 0; i < rig->count; i++) {
        struct fate fate = fate_by_smtp(i, accept_bare_lf);
        if (in_session == 0) {
            bytes_add_text(&to_send, "HELO app.example\r\n");
            bytes_add_text(&replies, "22");
        }
        put_transaction(i, &fate, &replies);
        bad += fate.bad_lines;
        if (++in_session < SESSION_SIZE && bad < SESSION_BAD && i + 1 < rig->count)
            continue;
        end_session(rig, i + 1 - in_session, i, &replies);
        in_session = bad = 0;
    }
}

static void put_piece(const void *data, size_t size)
{
    unsigned char head[4] = {0, 0, (unsigned char) (size >> 8), (unsigned char) size};
    bytes_add(&to_send, head, 4);
    bytes_add(&to_send, data, size);
}

/* A message on the queue's socket (docs/architecture.md, "queue --stay"). */
static void put_submission(size_t number)
{
    struct text_bytes string = string_of(number);
    char envelope[100];
    int size = snprintf(envelope, sizeof envelope,
                        "F%zu@t.example%cTalice@example.com%cTbob@away.example%c", number, 0, 0, 0);
    bytes_add_text(&to_send, "Q1\n");
    if (string.size > 0)
        put_piece(string.data, string.size);
    put_piece("", 0);
    put_piece(envelope, (size_t) size + 1);
}

static void send_by_queue(struct rig *rig)
{
    for (size_t i = 0; i < rig->count;) {
        size_t end = i + SESSION_SIZE < rig->count ? i + SESSION_SIZE : rig->count;
        for (size_t k = i; k < end; k++)
            put_submission(k);
        rig_send(rig, MAIL, "/bin/submitter", end - i);
        for (const char *line = heard.data; *line; line = strchr(line, '\n') + 1, i++)
            ck_assert_msg(strncmp(line, "0 ", 2) == 0, "string %zu: %s", i, line);
        ck_assert_uint_eq(i, end);
        bytes_clear(&to_send);
        bytes_clear(&heard);
    }
}

/* --- what came out ---------------------------------------------------------------------------*/

/* True if behind the line that `mark` is in there is just `text`. */
static bool ends_as(const char *data, size_t size, const char *mark, const struct text_bytes *text)
{
    const char *at = find(data, data + size, mark), *end = data + size;
    at = at ? memchr(at, '\n', (size_t) (end - at)) : NULL;
    return at && (size_t) (end - at - 1) == text->size &&
           memcmp(at + 1, text->data, text->size) == 0;
}

static struct outcome *outcome_of(struct rig *rig, const char *sender)
{
    char *end;
    size_t number = strtoul(sender, &end, 10);
    ck_assert_msg(end > sender && strncmp(end, "@t.example", 10) == 0 && number < rig->count,
                  "a message from %.100s", sender);
    return &rig->outcomes[number];
}

static void collect(struct rig *rig, const struct fate *fates, const char *mark)
{
    const struct world *world = rig->world;
    for (size_t i = 0; i < world->taking_count; i++) {
        const struct taking *taking = &world->takings[i];
        struct outcome *outcome = outcome_of(rig, taking->sender);
        outcome->taken++;
        outcome->sent_wrong |=
            !ends_as(taking->data, taking->size, mark, &fates[outcome - rig->outcomes].sent);
    }
    for (size_t i = 0; i < world->arrival_count; i++) {
        const struct arrival *arrival = &world->arrivals[i];
        struct outcome *outcome;
        char *data;
        size_t size;
        ck_assert_int_eq(
            host_read_file(world->machines[arrival->machine].host, arrival->path, &data, &size), 0);
        outcome = outcome_of(rig, data + strlen("Return-Path: <"));
        outcome->delivered++;
        outcome->stored_wrong |= !ends_as(data, size, mark, &fates[outcome - rig->outcomes].stored);
        free(data);
    }
}

/* "\r\na", for people. */
static const char *shown(size_t number, char to[2 * LONGEST + 1])
{
    struct text_bytes string = string_of(number);
    char *at = to;
    for (size_t i = 0; i < string.size; i++) {
        if (string.data[i] == '\r' || string.data[i] == '\n')
            *at++ = '\\';
        *at++ = string.data[i] == '\r' ? 'r' : string.data[i] == '\n' ? 'n' : string.data[i];
    }
    *at = 0;
    return to;
}

static void judge(struct rig *rig, const struct fate *fates, const char *mark)
{
    size_t accepted = 0;
    char text[2 * LONGEST + 1];
    while (!world_is_quiet(rig->world))
        ck_assert_int_eq(
            kernel_run(rig->world->kernel, kernel_now(rig->world->kernel) + NANOSECONDS),
            KERNEL_UNTIL);
    collect(rig, fates, mark);
    for (size_t i = 0; i < rig->count; i++) {
        const struct outcome *outcome = &rig->outcomes[i];
        ck_assert_msg(
            outcome->delivered == fates[i].accepted && outcome->taken == fates[i].accepted,
            "\"%s\": %u delivered, %u taken", shown(i, text), outcome->delivered, outcome->taken);
        ck_assert_msg(!outcome->stored_wrong, "\"%s\" is wrong in the Maildir", shown(i, text));
        ck_assert_msg(!outcome->sent_wrong, "\"%s\" is wrong at the remote", shown(i, text));
        accepted += fates[i].accepted;
    }
    ck_assert_uint_eq(rig->wire.alone, 0);
    ck_assert_uint_eq(rig->wire.ends, accepted);
    if (rig->world->violation_count > 0)
        ck_abort_msg("%s: %s", rig->world->violations[0].promise, rig->world->violations[0].text);
}

/* --- the tests -------------------------------------------------------------------------------*/

static void run_by_smtp(bool accept_bare_lf)
{
    struct rig *rig = rig_make(string_count(at_full_size() ? 7 : 6), accept_bare_lf);
    struct fate *fates = calloc(rig->count, sizeof *fates);
    for (size_t i = 0; i < rig->count; i++)
        fates[i] = fate_by_smtp(i, accept_bare_lf);
    send_by_smtp(rig, accept_bare_lf);
    judge(rig, fates, " with SMTP; ");
    free(fates);
    rig_free(rig);
}

START_TEST(by_smtp_bare_lf_refused)
{
    run_by_smtp(false);
}
END_TEST

START_TEST(by_smtp_bare_lf_accepted)
{
    run_by_smtp(true);
}
END_TEST

START_TEST(by_queue)
{
    struct rig *rig = rig_make(string_count(at_full_size() ? 7 : 5), false);
    struct fate *fates = calloc(rig->count, sizeof *fates);
    for (size_t i = 0; i < rig->count; i++)
        fates[i] = fate_by_queue(i);
    send_by_queue(rig);
    judge(rig, fates, " invoked by uid ");
    free(fates);
    rig_free(rig);
}
END_TEST

/* The rules above, tried by hand. */
START_TEST(the_rules)
{
    static const struct {
        const char *string, *stored, *sent;
        unsigned bad_lines;
        bool bare_lf;
    } cases[] = {
        {"", "\n", "\n", 0, false},
        {"a", "a\n", "a\n", 0, false},
        {".", "", "", 1, false}, /* the end; then a line with a dot */
        {"..", ".\n", ".\n", 0, false},
        {".a", "a\n", "a\n", 0, false},
        {"\r", "\r\n", "\n", 0, false}, /* CR CR LF */
        {"a\ra", "a\ra\n", "a a\n", 0, false},
        {"\n.\n", "\n.\n\n", "\n.\n\n", 0, true},
        {"\r.\r", "\r.\r\n", " .\n", 0, false},
        {"\n.\r\na", "\n.\na\n", "\n.\na\n", 0, true},
        {"a\r\n.\r\n", "a\n", "a\n", 2, false},
        {".\r\n\n", "", "", 3, false},
        {".\ra", "\ra\n", " a\n", 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size = strlen(cases[i].string), number = string_count((unsigned) size) - 1;
        for (; number > 0; number--)
            if (string_of(number).size == size &&
                memcmp(string_of(number).data, cases[i].string, size) == 0)
                break;
        struct fate fate = fate_by_smtp(number, false);
        ck_assert_int_eq(fate.accepted, !cases[i].bare_lf);
        ck_assert_uint_eq(fate.bad_lines, cases[i].bad_lines);
        ck_assert_uint_eq(fate.stored.size, strlen(cases[i].stored));
        ck_assert_mem_eq(fate.stored.data, cases[i].stored, fate.stored.size);
        ck_assert_uint_eq(fate.sent.size, strlen(cases[i].sent));
        ck_assert_mem_eq(fate.sent.data, cases[i].sent, fate.sent.size);
    }
    ck_assert_uint_eq(string_count(6), 5461);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("line ends");
    TCase *tests = tcase_create("all");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, the_rules);
    tcase_add_test(tests, by_smtp_bare_lf_refused);
    tcase_add_test(tests, by_smtp_bare_lf_accepted);
    tcase_add_test(tests, by_queue);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
