/* SPDX-License-Identifier: ISC */
/* Submitting, against the real nixie-queue in both forms and against queues that misbehave. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mta/lib/io.h"
#include "mta/lib/spool.h"
#include "mta/lib/submit.h"

static char queue_program[4200]; /* build/bin/nixie-queue */
static char folder[64];
static struct buf home;
static char home_variable[96];
static char queue_variable[4200];
static char *environment[] = {home_variable, queue_variable, NULL};
static pid_t staying;

/* --- a home --- */

static void make_home(void)
{
    static const char *const names[] = {"bin",        "control",    "run",
                                        "queue",      "queue/pid",  "queue/mess",
                                        "queue/intd", "queue/todo", "queue/lock"};
    strcpy(folder, "/tmp/nixie-submit.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert_int_eq(mkdir(names[i], 0700), 0);
    ck_assert_int_eq(symlink(queue_program, "bin/nixie-queue"), 0);
    int fd = open("control/singleuser", O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
    buf_set_text(&home, folder);
    snprintf(home_variable, sizeof home_variable, "NIXIE_HOME=%s", folder);
    strcpy(queue_variable, "UNUSED=");
    staying = -1;
}

static void stop_staying(void)
{
    int status;
    if (staying < 0)
        return;
    ck_assert_int_eq(kill(staying, SIGTERM), 0);
    ck_assert_int_eq(waitpid(staying, &status, 0), staying);
    ck_assert_int_eq(status, 0);
    ck_assert_int_ne(access("run/queue", F_OK), 0);
    staying = -1;
}

static void remove_home(void)
{
    char command[128];
    stop_staying();
    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
    buf_free(&home);
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    return address;
}

static bool somebody_listens(void)
{
    struct sockaddr_un address = address_of("run/queue");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    bool listens = connect(fd, (struct sockaddr *) &address, sizeof address) == 0;
    close(fd);
    return listens;
}

static void start_staying(void)
{
    char stay[] = "--stay";
    char *argv[] = {queue_program, stay, NULL};
    ck_assert_int_eq(posix_spawn(&staying, queue_program, NULL, NULL, argv, environment), 0);
    struct stat st;
    for (int i = 0; i < 3000 && !somebody_listens(); i++)
        usleep(10000);
    ck_assert_int_eq(stat("run/queue", &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0666);
}

static int count_files(const char *directory)
{
    char command[128];
    int count = -1;
    snprintf(command, sizeof command, "ls %s | wc -l", directory);
    FILE *pipe = popen(command, "r");
    ck_assert_int_eq(fscanf(pipe, "%d", &count), 1);
    pclose(pipe);
    return count;
}

static void check_count(int messages)
{
    ck_assert_int_eq(count_files("queue/todo"), messages);
    ck_assert_int_eq(count_files("queue/mess"), messages);
    ck_assert_int_eq(count_files("queue/pid"), 0);
    ck_assert_int_eq(count_files("queue/intd"), 0);
}

/* The same, soon: the staying form and the one-shot clear away what was cut off by and by. */
static void await_count(int messages)
{
    for (int i = 0; i < 3000; i++) {
        if (count_files("queue/todo") == messages && count_files("queue/mess") == messages &&
            count_files("queue/pid") + count_files("queue/intd") == 0)
            break;
        usleep(10000);
    }
    check_count(messages);
}

/* Message N is in S4, whole, and ends in `body`. */
static void check_queued(uint64_t number, const char *body, size_t size)
{
    char path[SPOOL_PATH_SIZE];
    struct buf todo = BUF_INIT(0);
    struct buf mess = BUF_INIT(0);
    struct spool_message message;
    char prefix[64];
    ck_assert_int_eq(chdir("queue"), 0);
    ck_assert_int_eq(io_read_file(spool_path(path, SPOOL_TODO, number), &todo), 0);
    ck_assert_int_eq(spool_todo_parse(todo.data, todo.length, number, &message), 0);
    ck_assert_uint_eq(message.uid, getuid());
    ck_assert_uint_eq(message.qp, number);
    ck_assert_int_eq(io_read_file(spool_path(path, SPOOL_MESS, number), &mess), 0);
    int fd = open(path, O_RDONLY);
    ck_assert_int_eq(spool_mess_check(fd, message.mess_length, message.mess_checksum), 0);
    close(fd);
    ck_assert_uint_ge(mess.length, size);
    ck_assert(size == 0 || memcmp(mess.data + mess.length - size, body, size) == 0);
    int length = snprintf(prefix, sizeof prefix, "Received: (nixie-queue %llu invoked by uid %u); ",
                          (unsigned long long) number, (unsigned) getuid());
    ck_assert(memcmp(mess.data, prefix, (size_t) length) == 0);
    ck_assert_int_eq(mess.data[mess.length - size - 1], '\n');
    ck_assert_int_eq(chdir(".."), 0);
    buf_free(&todo);
    buf_free(&mess);
}

static int submit_body(const char *body, size_t size, struct submit_result *result)
{
    struct submit submit;
    submit_open(&submit, &home, environment);
    submit_write(&submit, body, size);
    submit_sender(&submit, "a@b", 3);
    submit_recipient(&submit, "c@d", 3);
    submit_recipient(&submit, "e@f", 3);
    return submit_finish(&submit, result);
}

/* --- both forms --- */

/* Odd: with the staying queue. */
static void start_form(int form)
{
    if (form % 2)
        start_staying();
}

START_TEST(test_accepted)
{
    static const size_t sizes[] = {0, 1, 100, 4096, 16384, 65536, 70000, 1000000};
    char *body = malloc(1000000);
    struct submit_result result;
    for (int i = 0; i < 1000000; i++)
        body[i] = (char) (i * 31 + i / 256);
    start_form(_i);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ck_assert_int_eq(submit_body(body, sizes[i], &result), QUEUE_OK);
        ck_assert_str_eq(result.text, "");
        ck_assert_uint_gt(result.number, 0);
        check_queued(result.number, body, sizes[i]);
        check_count((int) i + 1);
    }
    free(body);
}
END_TEST

/* In single-user mode the Received field tells what the caller says. */
START_TEST(test_callers)
{
    static const struct {
        enum caller caller;
        const char *words;
    } callers[] = {{CALLER_USER, " invoked by uid "},
                   {CALLER_NETWORK, " invoked from network); "},
                   {CALLER_ALIAS, " invoked by alias); "},
                   {CALLER_BOUNCE, " invoked for bounce); "}};
    start_form(_i);
    for (size_t i = 0; i < sizeof callers / sizeof *callers; i++) {
        struct submit submit;
        struct submit_result result;
        char path[SPOOL_PATH_SIZE + 6] = "queue/";
        struct buf mess = BUF_INIT(0);
        submit_open_as(&submit, &home, environment, callers[i].caller, NULL);
        submit_sender(&submit, "a@b", 3);
        ck_assert_int_eq(submit_finish(&submit, &result), QUEUE_OK);
        spool_path(path + 6, SPOOL_MESS, result.number);
        ck_assert_int_eq(io_read_file(path, &mess), 0);
        ck_assert_ptr_nonnull(strstr(buf_text(&mess), callers[i].words));
        buf_free(&mess);
    }
}
END_TEST

static int submit_kept(int *kept)
{
    struct submit submit;
    struct submit_result result;
    submit_open_as(&submit, &home, environment, CALLER_USER, kept);
    submit_text(&submit, "x\n");
    submit_sender(&submit, "a@b", 3);
    int status = submit_finish(&submit, &result);
    if (status == QUEUE_OK)
        check_queued(result.number, "x\n", 2);
    return status;
}

/* One connection for many messages; another after one that failed, was given up, or when the queue
 * has been started again; none with a program. */
START_TEST(test_kept)
{
    int kept = -1, first;
    struct submit submit;
    struct submit_result result;
    ck_assert_int_eq(submit_kept(&kept), QUEUE_OK);
    ck_assert_int_eq(kept, -1);
    start_staying();
    ck_assert_int_eq(submit_kept(&kept), QUEUE_OK);
    ck_assert_int_ge(kept, 0);
    first = kept;
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(submit_kept(&kept), QUEUE_OK);
        ck_assert_int_eq(kept, first);
    }
    submit_open_as(&submit, &home, environment, CALLER_USER, &kept);
    ck_assert_int_eq(kept, -1);
    submit_text(&submit, "half");
    submit_abort(&submit);
    ck_assert_int_eq(kept, -1);
    ck_assert_int_eq(submit_kept(&kept), QUEUE_OK);
    ck_assert_int_ge(kept, 0);
    submit_open_as(&submit, &home, environment, CALLER_USER, &kept);
    submit_fail(&submit, QUEUE_READ);
    ck_assert_int_eq(submit_finish(&submit, &result), QUEUE_READ);
    ck_assert_int_eq(kept, -1);
    ck_assert_int_eq(submit_kept(&kept), QUEUE_OK);
    stop_staying();
    staying = -1;
    ck_assert_int_eq(submit_kept(&kept), QUEUE_OK);
    ck_assert_int_eq(kept, -1);
    start_staying();
    ck_assert_int_eq(submit_kept(&kept), QUEUE_OK);
    ck_assert_int_ge(kept, 0);
    check_count(26);
    close(kept);
}
END_TEST

START_TEST(test_in_pieces)
{
    struct submit submit;
    struct submit_result result;
    char body[3000];
    start_form(_i);
    submit_open(&submit, &home, environment);
    for (int i = 0; i < 3000; i++) {
        body[i] = (char) ('a' + i % 26);
        submit_write(&submit, body + i, 1);
    }
    submit_text(&submit, "");
    submit_sender(&submit, "", 0);
    ck_assert_int_eq(submit_finish(&submit, &result), QUEUE_OK);
    check_queued(result.number, body, sizeof body);
}
END_TEST

START_TEST(test_many_recipients)
{
    struct submit submit;
    struct submit_result result;
    start_form(_i);
    submit_open(&submit, &home, environment);
    submit_text(&submit, "x\n");
    submit_sender(&submit, "s", 1);
    for (int i = 0; i < 20000; i++)
        submit_recipient(&submit, "somebody@example.org", 20);
    ck_assert_int_eq(submit_finish(&submit, &result), QUEUE_OK);
    check_queued(result.number, "x\n", 2);
}
END_TEST

START_TEST(test_too_many_recipients)
{
    struct submit submit;
    struct submit_result result;
    static char address[1000];
    memset(address, 'x', sizeof address);
    start_form(_i);
    submit_open(&submit, &home, environment);
    submit_sender(&submit, "s", 1);
    for (int i = 0; i < 17000; i++)
        submit_recipient(&submit, address, sizeof address);
    ck_assert_int_eq(submit_finish(&submit, &result), QUEUE_REFUSED);
    check_count(0);
}
END_TEST

START_TEST(test_address_too_long)
{
    struct submit submit;
    struct submit_result result;
    static char address[1003];
    memset(address, 'x', sizeof address);
    start_form(_i);
    submit_open(&submit, &home, environment);
    submit_text(&submit, "x\n");
    submit_sender(&submit, address, 1002);
    submit_recipient(&submit, address, 1003);
    ck_assert_int_eq(submit_finish(&submit, &result), QUEUE_ADDRESS_LONG);
    ck_assert_str_eq(result.text, "Denvelope address too long for qq (#5.1.3)");
    ck_assert(queue_result_is_permanent(result.result));
    check_count(0);
}
END_TEST

START_TEST(test_abort)
{
    static char big[200000];
    start_form(_i);
    for (int big_one = 0; big_one < 2; big_one++) {
        struct submit submit;
        submit_open(&submit, &home, environment);
        submit_write(&submit, big, big_one ? sizeof big : 10);
        submit_sender(&submit, "s", 1);
        submit_recipient(&submit, "r", 1);
        submit_abort(&submit);
    }
    await_count(0);
}
END_TEST

START_TEST(test_failed_outside)
{
    struct submit submit;
    struct submit_result result;
    start_form(_i);
    submit_open(&submit, &home, environment);
    submit_text(&submit, "half");
    submit_fail(&submit, QUEUE_READ);
    submit_sender(&submit, "s", 1);
    submit_recipient(&submit, "r", 1);
    ck_assert_int_eq(submit_finish(&submit, &result), QUEUE_READ);
    ck_assert_str_eq(result.text, "Zqq read error (#4.3.0)");
    await_count(0);
}
END_TEST

/* A directory is missing: the code says which, and nothing is left. */
START_TEST(test_missing_directory)
{
    static const struct {
        const char *name;
        int once, stay;
    } missing[] = {{"queue/pid", QUEUE_PID, QUEUE_PID},
                   {"queue/mess", QUEUE_MESS, QUEUE_MESS},
                   {"queue/intd", QUEUE_INTD, QUEUE_INTD},
                   {"queue/todo", QUEUE_TODO, QUEUE_TODO}};
    struct submit_result result;
    start_form(_i);
    ck_assert_int_eq(submit_body("x\n", 2, &result), QUEUE_OK);
    char aside[64];
    snprintf(aside, sizeof aside, "%s.aside", missing[_i / 2].name);
    ck_assert_int_eq(rename(missing[_i / 2].name, aside), 0);
    int want = _i % 2 ? missing[_i / 2].stay : missing[_i / 2].once;
    ck_assert_int_eq(submit_body("y\n", 2, &result), want);
    ck_assert_int_eq(result.text[0], 'Z');
    ck_assert_int_eq(rename(aside, missing[_i / 2].name), 0);
    check_count(1);
    ck_assert_int_eq(submit_body("y\n", 2, &result), QUEUE_OK);
    check_count(2);
}
END_TEST

START_TEST(test_sigpipe_is_put_back)
{
    struct sigaction action;
    struct submit_result result;
    signal(SIGPIPE, SIG_DFL);
    start_form(_i);
    ck_assert_int_eq(submit_body("x\n", 2, &result), QUEUE_OK);
    ck_assert_int_eq(sigaction(SIGPIPE, NULL, &action), 0);
    ck_assert(action.sa_handler == SIG_DFL);
}
END_TEST

/* --- other programs --- */

static void use_script(const char *text)
{
    FILE *file = fopen("script", "w");
    fprintf(file, "#!/bin/sh\n%s\n", text);
    fclose(file);
    ck_assert_int_eq(chmod("script", 0700), 0);
    snprintf(queue_variable, sizeof queue_variable, "QMAILQUEUE=%s/script", folder);
}

START_TEST(test_exit_codes)
{
    static const struct {
        int code;
        const char *text;
    } codes[] = {{0, ""},
                 {11, "Denvelope address too long for qq (#5.1.3)"},
                 {31, "Dmail server permanently rejected message (#5.3.0)"},
                 {12, "Dqq permanent problem (#5.3.0)"},
                 {41, "Zqq temporary problem (#4.3.0)"},
                 {51, "Zqq out of memory (#4.3.0)"},
                 {53, "Zqq write error or disk full (#4.3.0)"},
                 {71, "Zmail server temporarily rejected message (#4.3.0)"},
                 {72, "Zconnection to mail server timed out (#4.4.1)"},
                 {81, "Zqq internal bug (#4.3.0)"},
                 {82, "Zqq temporary problem (#4.3.0)"},
                 {91, "Zqq internal bug (#4.3.0)"},
                 {115, "Denvelope address too long for qq (#5.1.3)"},
                 {120, "Zunable to exec qq (#4.3.0)"}};
    struct submit_result result;
    char text[64];
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        snprintf(text, sizeof text, "cat >m; cat <&1 >e; exit %d", codes[i].code);
        use_script(text);
        ck_assert_int_eq(submit_body("hello\n", 6, &result), codes[i].code);
        ck_assert_str_eq(result.text, codes[i].text);
    }
    ck_assert_int_eq(system("test \"$(cat m)\" = hello"), 0);
    ck_assert_int_eq(system("test \"$(tr '\\000' : <e)\" = Fa@b:Tc@d:Te@f::"), 0);
    check_count(0);
}
END_TEST

START_TEST(test_script_text)
{
    struct submit_result result;
    use_script(
        "cat >/dev/null; cat <&1 >/dev/null; echo 'DSpam is not liked here (#5.7.1)' >&6; exit 82");
    ck_assert_int_eq(submit_body("x\n", 2, &result), QUEUE_TEXT);
    ck_assert_str_eq(result.text, "DSpam is not liked here (#5.7.1)");
    use_script("echo 'no letter' >&6; exit 82");
    ck_assert_int_eq(submit_body("x\n", 2, &result), QUEUE_TEXT);
    ck_assert_str_eq(result.text, "Zqq temporary problem (#4.3.0)");
    use_script("head -c 3000 /dev/zero | tr '\\000' D >&6; exit 82");
    ck_assert_int_eq(submit_body("x\n", 2, &result), QUEUE_TEXT);
    ck_assert_uint_lt(strlen(result.text), SUBMIT_TEXT_SIZE);
}
END_TEST

/* A program that does not read all and yet says that all is well is not believed. */
START_TEST(test_script_that_reads_nothing)
{
    static char big[500000];
    struct submit_result result;
    use_script("exit 0");
    ck_assert_int_eq(submit_body(big, sizeof big, &result), QUEUE_CRASHED);
    use_script("exit 31");
    ck_assert_int_eq(submit_body(big, sizeof big, &result), QUEUE_REFUSED);
    use_script("kill -9 $$");
    ck_assert_int_eq(submit_body(big, sizeof big, &result), QUEUE_CRASHED);
    ck_assert_str_eq(result.text, "Zqq crashed (#4.3.0)");
    strcpy(queue_variable, "NIXIEQUEUE=/nonexistent/program");
    ck_assert_int_eq(submit_body(big, sizeof big, &result), QUEUE_EXEC);
}
END_TEST

/* A child of the program that keeps running does not hold us up. */
START_TEST(test_script_with_daemon)
{
    struct submit_result result;
    use_script("cat >/dev/null; sleep 3 & exit 0");
    ck_assert_int_eq(submit_body("x\n", 2, &result), QUEUE_OK);
}
END_TEST

START_TEST(test_no_program)
{
    struct submit_result result;
    ck_assert_int_eq(unlink("bin/nixie-queue"), 0);
    ck_assert_int_eq(submit_body("x\n", 2, &result), QUEUE_EXEC);
}
END_TEST

/* --- sockets that misbehave --- */

static int listen_fake(void)
{
    struct sockaddr_un address = address_of("run/queue");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *) &address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 10), 0);
    return fd;
}

START_TEST(test_stale_socket)
{
    struct submit_result result;
    close(listen_fake());
    ck_assert_int_eq(submit_body("x\n", 2, &result), QUEUE_OK);
    check_count(1);
    start_staying();
    ck_assert_int_eq(submit_body("x\n", 2, &result), QUEUE_OK);
    check_count(2);
}
END_TEST

static const struct {
    const char *answer;
    int result_small, result_large;
    int queued;
} fakes[] = {
    {"", QUEUE_CRASHED, QUEUE_CRASHED, 0},
    {"0 7", QUEUE_CRASHED, QUEUE_CRASHED, 0},
    {"0\n", QUEUE_COMMUNICATION, QUEUE_COMMUNICATION, 0},
    {"ok 7\n", QUEUE_COMMUNICATION, QUEUE_COMMUNICATION, 0},
    {"999 7\n", QUEUE_COMMUNICATION, QUEUE_COMMUNICATION, 0},
    {"53 0\n", QUEUE_WRITE, QUEUE_WRITE, 0},
    {"73 0\n", QUEUE_OK, QUEUE_CONNECT_REFUSED, 1},
    {"00000000000000000000000000000000000000000000000000000000000000000000000000000000 1\n",
     QUEUE_CRASHED, QUEUE_CRASHED, 0},
};

/* The fake answers at once and hangs up, before or after it has read. */
START_TEST(test_fake_queue)
{
    static char big[300000];
    struct submit_result result;
    int fd = listen_fake();
    pid_t pid = fork();
    if (pid == 0) {
        static char block[400000];
        for (int i = 0; i < 3; i++) {
            int client = accept(fd, NULL, NULL);
            if (i > 0)
                usleep(30000);
            if (i == 2 && read(client, block, sizeof block) < 0)
                _exit(1);
            if (write(client, fakes[_i].answer, strlen(fakes[_i].answer)) < 0)
                _exit(1);
            close(client);
        }
        _exit(0);
    }
    close(fd);
    int large = submit_body(big, sizeof big, &result);
    /* OK: it had gone before it could have taken anything */
    bool alone = large == QUEUE_OK && (fakes[_i].queued || fakes[_i].result_large == QUEUE_CRASHED);
    ck_assert(alone || large == fakes[_i].result_large || large == QUEUE_CRASHED);
    ck_assert_int_eq(submit_body("x\n", 2, &result), fakes[_i].result_small);
    int small = submit_body("x\n", 2, &result);
    ck_assert(small == fakes[_i].result_small || small == QUEUE_COMMUNICATION);
    check_count(2 * fakes[_i].queued + alone);
    waitpid(pid, NULL, 0);
}
END_TEST

/* --- the staying queue, byte by byte --- */

#define BYTES(text) text, sizeof(text) - 1

static const char whole[] = "Q1\n\0\0\0\3abc\0\0\0\2d\n\0\0\0\0\0\0\0\11Fa@b\0Tc\0";
/* its last NUL is the literal's own: the envelope is "Fa@b\0Tc\0\0" */

static int connect_queue(void)
{
    struct sockaddr_un address = address_of("run/queue");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *) &address, sizeof address), 0);
    return fd;
}

/* The next line, or what comes until the end. */
static const char *read_line(int fd)
{
    static char line[64];
    size_t length = 0;
    while (length + 1 < sizeof line && read(fd, line + length, 1) == 1)
        if (line[length++] == '\n')
            break;
    line[length] = 0;
    return line;
}

static void send_bytes(int fd, const void *bytes, size_t size)
{
    ck_assert_int_eq(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t) size);
}

static void wait_until_read(int fd)
{
    int unread = 1;
    for (int i = 0; i < 3000 && unread > 0; i++) {
        usleep(10000);
        ck_assert_int_eq(ioctl(fd, SIOCOUTQ, &unread), 0);
    }
    ck_assert_int_eq(unread, 0);
}

START_TEST(test_byte_by_byte)
{
    start_staying();
    int fd = connect_queue();
    for (size_t i = 0; i < sizeof whole; i++)
        send_bytes(fd, whole + i, 1);
    ck_assert_str_eq(read_line(fd), "0 1\n");
    check_queued(1, "abcd\n", 5);
    send_bytes(fd, whole, sizeof whole);
    ck_assert_str_eq(read_line(fd), "0 2\n");
    close(fd);
    check_count(2);
}
END_TEST

START_TEST(test_cut_anywhere)
{
    start_staying();
    for (size_t size = 0; size < sizeof whole; size++) {
        int fd = connect_queue();
        if (size)
            send_bytes(fd, whole, size);
        close(fd);
    }
    int fd = connect_queue();
    send_bytes(fd, whole, sizeof whole);
    ck_assert(strncmp(read_line(fd), "0 ", 2) == 0);
    close(fd);
    await_count(1);
}
END_TEST

START_TEST(test_pipelined)
{
    char bytes[5 * sizeof whole];
    start_staying();
    for (int i = 0; i < 5; i++)
        memcpy(bytes + (size_t) i * sizeof whole, whole, sizeof whole);
    int fd = connect_queue();
    send_bytes(fd, bytes, sizeof bytes);
    for (int i = 1; i <= 5; i++) {
        char want[16];
        snprintf(want, sizeof want, "0 %d\n", i);
        ck_assert_str_eq(read_line(fd), want);
    }
    close(fd);
    check_count(5);
}
END_TEST

static const struct {
    const char *bytes;
    size_t size;
    const char *answer;
    bool goes_on;
} wrongs[] = {
    {BYTES("Q2\n"), "91 0\n", false},
    {BYTES("HELO x\r\n"), "91 0\n", false},
    {BYTES("\0\0\0\0\0\0\0"), "91 0\n", false},
    {BYTES("Q1\n\0\0\0\0\0\0\0\0"), "54 0\n", true},
    {BYTES("Q1\n\0\0\0\0\0\0\0\2F\0"), "54 0\n", true},
    {BYTES("Q1\n\0\0\0\0\0\0\0\3Fa\0"), "54 0\n", true},
    {BYTES("Q1\n\0\0\0\0\0\0\0\3T\0\0"), "91 0\n", true},
    {BYTES("Q1\n\0\0\0\0\0\0\0\5Fa\0X\0"), "91 0\n", true},
    {BYTES("Q1\n\0\0\0\0\0\0\0\4F\0\0\0"), "91 0\n", true}, /* bytes behind its end */
};

START_TEST(test_wrong_bytes)
{
    start_staying();
    int fd = connect_queue();
    send_bytes(fd, wrongs[_i].bytes, wrongs[_i].size);
    ck_assert_str_eq(read_line(fd), wrongs[_i].answer);
    if (wrongs[_i].goes_on) {
        send_bytes(fd, whole, sizeof whole);
        ck_assert(strncmp(read_line(fd), "0 ", 2) == 0);
    } else {
        ck_assert_str_eq(read_line(fd), "");
    }
    close(fd);
    check_count(wrongs[_i].goes_on ? 1 : 0);
}
END_TEST

/* An envelope beyond the limit is read and dropped, in bounded memory. */
START_TEST(test_envelope_beyond_limit)
{
    static char block[65536];
    static const unsigned char head[] = {'Q', '1', '\n', 0, 0, 0, 0, 2, 0, 0, 0};
    start_staying();
    int fd = connect_queue();
    memset(block, 'T', sizeof block);
    send_bytes(fd, head, sizeof head);
    for (size_t sent = 0; sent < (size_t) 32 << 20; sent += sizeof block)
        send_bytes(fd, block, sizeof block);
    ck_assert_str_eq(read_line(fd), "31 0\n");
    close(fd);
    check_count(0);
}
END_TEST

/* Who stops in the middle delays nobody. */
START_TEST(test_slow_client)
{
    struct submit_result result;
    start_staying();
    int slow = connect_queue();
    send_bytes(slow, whole, sizeof whole - 1);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(submit_body("x\n", 2, &result), QUEUE_OK);
    check_queued(result.number, "x\n", 2);
    ck_assert_int_eq(count_files("queue/pid"), 1);
    send_bytes(slow, whole + sizeof whole - 1, 1);
    ck_assert(strncmp(read_line(slow), "0 ", 2) == 0);
    close(slow);
    check_count(21);
}
END_TEST

/* The staying queue goes while a message is written.  As long as nothing of it was sent, or it
 * cannot be whole, another takes it. */
START_TEST(test_gone_meanwhile)
{
    static char body[200000];
    static const size_t befores[] = {0, 10, 60000};
    struct submit_result result;
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char) ('a' + i % 26);
    for (size_t i = 0; i < sizeof befores / sizeof *befores; i++) {
        struct submit submit;
        size_t size = _i ? sizeof body : befores[i] + 20;
        int status;
        start_staying();
        submit_open(&submit, &home, environment);
        submit_write(&submit, body, befores[i]);
        ck_assert_int_eq(kill(staying, SIGKILL), 0);
        ck_assert_int_eq(waitpid(staying, &status, 0), staying);
        staying = -1;
        submit_write(&submit, body + befores[i], size - befores[i]);
        submit_sender(&submit, "a@b", 3);
        for (int k = 0; k < (_i == 2 ? 20000 : 2); k++)
            submit_recipient(&submit, "somebody@example.org", 20);
        ck_assert_int_eq(submit_finish(&submit, &result), QUEUE_OK);
        check_queued(result.number, body, size);
        check_count((int) i + 1);
    }
}
END_TEST

START_TEST(test_one_only)
{
    start_staying();
    char stay[] = "--stay";
    char *argv[] = {queue_program, stay, NULL};
    pid_t second;
    int status;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    ck_assert_int_eq(posix_spawn(&second, queue_program, &actions, NULL, argv, environment), 0);
    posix_spawn_file_actions_destroy(&actions);
    ck_assert_int_eq(waitpid(second, &status, 0), second);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 111);
    struct submit_result result;
    ck_assert_int_eq(submit_body("x\n", 2, &result), QUEUE_OK);
    check_count(1);
}
END_TEST

/* TERM: a message that has begun may end; who has not begun one is told so. */
START_TEST(test_term)
{
    start_staying();
    int busy = connect_queue();
    int idle = connect_queue();
    send_bytes(busy, whole, 10);
    wait_until_read(busy);
    ck_assert_int_eq(kill(staying, SIGTERM), 0);
    ck_assert_str_eq(read_line(idle), "73 0\n");
    ck_assert_int_ne(access("run/queue", F_OK), 0);
    send_bytes(busy, whole + 10, sizeof whole - 10);
    ck_assert_str_eq(read_line(busy), "0 1\n");
    int status;
    ck_assert_int_eq(waitpid(staying, &status, 0), staying);
    ck_assert_int_eq(status, 0);
    staying = -1;
    close(busy);
    close(idle);
    check_count(1);
}
END_TEST

START_TEST(test_term_with_half_a_message)
{
    start_staying();
    int fd = connect_queue();
    send_bytes(fd, whole, sizeof whole - 1);
    wait_until_read(fd);
    stop_staying();
    ck_assert_str_eq(read_line(fd), "");
    close(fd);
    check_count(0);
}
END_TEST

START_TEST(test_killed_in_the_middle)
{
    start_staying();
    int fd = connect_queue();
    send_bytes(fd, whole, sizeof whole - 1);
    wait_until_read(fd);
    ck_assert_int_eq(kill(staying, SIGKILL), 0);
    ck_assert_int_eq(waitpid(staying, NULL, 0), staying);
    ck_assert_str_eq(read_line(fd), "");
    close(fd);
    ck_assert_int_eq(count_files("queue/todo"), 0);
    struct submit_result result;
    ck_assert_int_eq(submit_body("x\n", 2, &result), QUEUE_OK); /* by the one-shot form */
    start_staying();
    ck_assert_int_eq(submit_body("x\n", 2, &result), QUEUE_OK);
    ck_assert_int_eq(count_files("queue/todo"), 2);
}
END_TEST

static void find_program(const char *argv0)
{
    char folder_of_test[4096];
    if (!realpath(argv0, folder_of_test))
        exit(EXIT_FAILURE);
    for (int i = 0; i < 3; i++)
        *strrchr(folder_of_test, '/') = 0;
    snprintf(queue_program, sizeof queue_program, "%s/bin/nixie-queue", folder_of_test);
}

static void add_forms(TCase *forms)
{
    tcase_add_loop_test(forms, test_accepted, 0, 2);
    tcase_add_loop_test(forms, test_in_pieces, 0, 2);
    tcase_add_loop_test(forms, test_callers, 0, 2);
    tcase_add_test(forms, test_kept);
    tcase_add_loop_test(forms, test_many_recipients, 0, 2);
    tcase_add_loop_test(forms, test_too_many_recipients, 0, 2);
    tcase_add_loop_test(forms, test_address_too_long, 0, 2);
    tcase_add_loop_test(forms, test_abort, 0, 2);
    tcase_add_loop_test(forms, test_failed_outside, 0, 2);
    tcase_add_loop_test(forms, test_missing_directory, 0, 8);
    tcase_add_loop_test(forms, test_sigpipe_is_put_back, 0, 2);
}

static void add_misbehaving(TCase *misbehaving)
{
    tcase_add_test(misbehaving, test_exit_codes);
    tcase_add_test(misbehaving, test_script_text);
    tcase_add_test(misbehaving, test_script_that_reads_nothing);
    tcase_add_test(misbehaving, test_script_with_daemon);
    tcase_add_test(misbehaving, test_no_program);
    tcase_add_test(misbehaving, test_stale_socket);
    tcase_add_loop_test(misbehaving, test_fake_queue, 0, (int) (sizeof fakes / sizeof *fakes));
}

static void add_staying(TCase *protocol)
{
    tcase_add_test(protocol, test_byte_by_byte);
    tcase_add_test(protocol, test_cut_anywhere);
    tcase_add_test(protocol, test_pipelined);
    tcase_add_loop_test(protocol, test_wrong_bytes, 0, (int) (sizeof wrongs / sizeof *wrongs));
    tcase_add_test(protocol, test_envelope_beyond_limit);
    tcase_add_test(protocol, test_slow_client);
    tcase_add_loop_test(protocol, test_gone_meanwhile, 0, 3);
    tcase_add_test(protocol, test_one_only);
    tcase_add_test(protocol, test_term);
    tcase_add_test(protocol, test_term_with_half_a_message);
    tcase_add_test(protocol, test_killed_in_the_middle);
}

int main(int argc, char **argv)
{
    (void) argc;
    find_program(argv[0]);
    Suite *suite = suite_create("submit");
    static const struct {
        const char *name;
        void (*add)(TCase *);
    } parts[] = {{"forms", add_forms}, {"misbehaving", add_misbehaving}, {"staying", add_staying}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        TCase *part = tcase_create(parts[i].name);
        tcase_set_timeout(part, 60);
        tcase_add_checked_fixture(part, make_home, remove_home);
        parts[i].add(part);
        suite_add_tcase(suite, part);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
