/* SPDX-License-Identifier: ISC */
/*
 * Plays the partners of nixie-send for tests/e2e/send.sh.
 *
 *   send_rig put NUMBER BIRTH SENDER RECIPIENT...   writes mess/NUMBER (from fd 0) and todo/NUMBER
 *   send_rig fail NUMBER COUNT      writes mess, info, local and bounce/NUMBER as a crash leaves
 * them when f1@mail.example to fCOUNT@mail.example have failed: the last thousand are not marked,
 * nor is good@mail.example send_rig run PROGRAM            starts PROGRAM with its descriptors: fd
 * 0 is our fd 1; passes TERM, HUP and ALRM on send_rig clean | spawn | rspawn the partners that
 * `run` starts
 *
 * The current directory is the home.  `spawn` writes a line "NUMBER SENDER RECIPIENT" to
 * rig/deliveries and answers with rig/answer.RECIPIENT, else rig/answer, else "Kok"; an answer
 * "wait" holds the report back until the file says something else.  `rspawn` does so for the
 * recipients of a group, after a line "group COUNT".  `clean` answers `sync` with
 * '!' while rig/syncfails exists, and then removes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mta/lib/buf.h"
#include "mta/lib/checksum.h"
#include "mta/lib/io.h"
#include "mta/lib/spool.h"

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int put(int argc, char **argv)
{
    struct buf mess = BUF_INIT(0), todo = BUF_INIT(0), recipients = BUF_INIT(0);
    if (argc < 3 || io_read_all(0, &mess) < 0)
        die("put");
    uint64_t number = strtoull(argv[0], NULL, 10);
    for (int i = 3; i < argc; i++)
        spool_channel_add(&recipients, argv[i], strlen(argv[i]));
    struct spool_message message = {.uid = 7,
                                    .qp = number,
                                    .birth = strtoll(argv[1], NULL, 10),
                                    .mess_length = mess.length,
                                    .mess_checksum = checksum_of(mess.data, mess.length),
                                    .sender = argv[2],
                                    .sender_size = strlen(argv[2]),
                                    .recipients = recipients.data,
                                    .recipients_size = recipients.length};
    if (spool_todo_build(&todo, number, &message) < 0 || chdir("queue") < 0)
        die("put");
    char path[SPOOL_PATH_SIZE];
    int fd = open(spool_path(path, SPOOL_MESS, number), O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0 || io_write(fd, mess.data, mess.length) < 0)
        die(path);
    fd = open(spool_path(path, SPOOL_TODO, number), O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0 || io_write(fd, todo.data, todo.length) < 0)
        die(path);
    fd = open("lock/trigger", O_WRONLY | O_NONBLOCK);
    if (fd >= 0)
        io_write(fd, "", 1);
    buf_free(&mess);
    buf_free(&todo);
    buf_free(&recipients);
    return 0;
}

#define UNMARKED 1000

static void write_kind(enum spool_kind kind, uint64_t number, const struct buf *content)
{
    char path[SPOOL_PATH_SIZE];
    int fd = open(spool_path(path, kind, number), O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0 || io_write(fd, content->data, content->length) < 0 || close(fd) < 0)
        die(path);
}

static int fail(uint64_t number, unsigned long count)
{
    static const char mess[] = "Subject: hello\n\nbody\n", sender[] = "joe@away.example";
    struct buf files[4] = {BUF_INIT(0), BUF_INIT(0), BUF_INIT(0), BUF_INIT((size_t) 1 << 30)};
    struct spool_message message = {.uid = 7,
                                    .qp = number,
                                    .birth = 1000000,
                                    .mess_length = sizeof mess - 1,
                                    .mess_checksum = checksum_of(mess, sizeof mess - 1),
                                    .sender = sender,
                                    .sender_size = sizeof sender - 1};
    char address[64], text[200];
    size_t start;
    memset(text, 'x', sizeof text);
    if (chdir("queue") < 0 || buf_set(&files[0], mess, sizeof mess - 1) < 0 ||
        spool_info_build(&files[1], number, &message) < 0 ||
        spool_channel_begin(&files[2], SPOOL_LOCAL, number, 0, &start) < 0)
        die("fail");
    for (unsigned long i = 1; i <= count; i++) {
        size_t size = (size_t) snprintf(address, sizeof address, "f%lu@mail.example", i);
        if (spool_channel_add(&files[2], address, size) < 0 ||
            spool_bounce_build(&files[3], number, address, size, text, 130) < 0)
            die("fail");
        if (i + UNMARKED <= count)
            files[2].data[files[2].length - size - 2] = 'D';
    }
    if (spool_channel_add(&files[2], "good@mail.example", 17) < 0)
        die("fail");
    spool_end(&files[2], start, SPOOL_LOCAL, number);
    write_kind(SPOOL_MESS, number, &files[0]);
    write_kind(SPOOL_INFO, number, &files[1]);
    write_kind(SPOOL_LOCAL, number, &files[2]);
    write_kind(SPOOL_BOUNCE, number, &files[3]);
    for (size_t i = 0; i < 4; i++)
        buf_free(&files[i]);
    return 0;
}

static int read_string(char *to, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ssize_t count = io_read(0, to + i, 1);
        if (count <= 0)
            return -1;
        if (!to[i])
            return 0;
    }
    return -1;
}

static char remove_file(const char *directory, const char *number)
{
    char path[256];
    snprintf(path, sizeof path, "queue/%s/%s", directory, number);
    return unlink(path) == 0 || errno == ENOENT ? '+' : '!';
}

static char obey(const char *command)
{
    if (strcmp(command, "sync") == 0)
        return unlink("rig/syncfails") == 0 ? '!' : '+';
    if (strcmp(command, "sweep") == 0)
        return '+';
    if (strncmp(command, "todo/", 5) == 0)
        return remove_file("todo", command + 5);
    if (strncmp(command, "mess/", 5) == 0)
        return remove_file("mess", command + 5);
    if (strncmp(command, "aside/", 6) == 0) {
        char from[300], to[300];
        snprintf(from, sizeof from, "queue/%s", command + 6);
        snprintf(to, sizeof to, "queue/corrupt/%s", command + 6);
        *strrchr(to, '/') = '.';
        return rename(from, to) == 0 || errno == ENOENT ? '+' : '!';
    }
    return 'x';
}

static int clean(void)
{
    char command[256];
    while (read_string(command, sizeof command) == 0) {
        FILE *file = fopen("rig/commands", "a");
        fprintf(file, "%s\n", command);
        fclose(file);
        char answer = obey(command);
        io_write(1, &answer, 1);
    }
    return 0;
}

static void answer_for(const char *recipient, char *text, size_t size)
{
    char path[1200];
    snprintf(path, sizeof path, "rig/answer.%s", recipient);
    for (;;) {
        FILE *file = fopen(path, "r");
        if (!file)
            file = fopen("rig/answer", "r");
        size_t length = file ? fread(text, 1, size - 1, file) : 0;
        if (!file)
            length = (size_t) snprintf(text, size, "Kok\n");
        text[length] = 0;
        if (file)
            fclose(file);
        if (strncmp(text, "wait", 4) != 0)
            return;
        struct pollfd gone = {.fd = 0};
        if (poll(&gone, 1, 20) > 0)
            exit(0);
    }
}

static int read_number(unsigned *number)
{
    unsigned char bytes[2];
    if (io_read(0, bytes, 1) != 1 || io_read(0, bytes + 1, 1) != 1)
        return -1;
    *number = bytes[0] | (unsigned) bytes[1] << 8;
    return 0;
}

static void note(const char *format, unsigned count, const char *number, const char *sender,
                 const char *recipient)
{
    FILE *file = fopen("rig/deliveries", "a");
    if (count)
        fprintf(file, "group %u\n", count);
    else
        fprintf(file, format, number, sender, recipient);
    fclose(file);
}

static void report(unsigned slot, const char *recipient)
{
    char text[20000], head[2] = {(char) (slot & 255), (char) (slot >> 8)};
    answer_for(recipient, text, sizeof text);
    io_write(1, head, 2);
    io_write(1, text, strlen(text) + 1);
}

#define GROUP_MOST 1000

/* The remote spawner: count, number, sender, then slot and recipient each. */
static int rspawn(void)
{
    static char recipients[GROUP_MOST][1100];
    static unsigned slots[GROUP_MOST];
    io_write(1, "\x08\x00", 2);
    for (;;) {
        unsigned count;
        char number[32], sender[1100];
        if (read_number(&count) < 0)
            return 0;
        if (count == 0 || count > GROUP_MOST || read_string(number, sizeof number) < 0 ||
            read_string(sender, sizeof sender) < 0)
            return 1;
        note(NULL, count, NULL, NULL, NULL);
        for (unsigned i = 0; i < count; i++)
            if (read_number(&slots[i]) < 0 || read_string(recipients[i], 1100) < 0)
                return 1;
        for (unsigned i = 0; i < count; i++) {
            note("%s <%s> %s\n", 0, number, sender, recipients[i]);
            report(slots[i], recipients[i]);
        }
    }
}

static int spawn(void)
{
    FILE *pid = fopen("rig/pid.spawn", "w");
    fprintf(pid, "%d\n", (int) getpid());
    fclose(pid);
    io_write(1, "\x08\x00", 2);
    for (;;) {
        unsigned slot;
        char number[32], sender[1100], recipient[1100];
        if (read_number(&slot) < 0)
            return 0;
        if (read_string(number, sizeof number) < 0 || read_string(sender, sizeof sender) < 0 ||
            read_string(recipient, sizeof recipient) < 0)
            return 1;
        note("%s <%s> %s\n", 0, number, sender, recipient);
        report(slot, recipient);
    }
}

static pid_t child;

static void pass_on(int number)
{
    if (child > 0)
        kill(child, number);
}

static pid_t partner(const char *self, const char *mode, int in, int out)
{
    pid_t pid = fork();
    if (pid == 0) {
        dup2(in, 0);
        dup2(out, 1);
        for (int fd = 3; fd < 64; fd++)
            close(fd);
        execl(self, self, mode, (char *) NULL);
        _exit(127);
    }
    return pid;
}

static int run(const char *self, char **argv)
{
    int request[3][2], report[3][2];
    static const char *const modes[3] = {"spawn", "rspawn", "clean"};
    for (int i = 0; i < 3; i++) {
        if (pipe(request[i]) < 0 || pipe(report[i]) < 0)
            die("pipe");
        for (int k = 0; k < 2; k++) { /* out of the way of the child's descriptors */
            int fd = fcntl(request[i][k], F_DUPFD, 20);
            close(request[i][k]);
            request[i][k] = fd;
            fd = fcntl(report[i][k], F_DUPFD, 20);
            close(report[i][k]);
            report[i][k] = fd;
        }
    }
    for (int i = 0; i < 3; i++)
        partner(self, modes[i], request[i][0], report[i][1]);
    child = fork();
    if (child == 0) {
        dup2(1, 0);
        for (int i = 0; i < 3; i++) {
            dup2(request[i][1], 1 + 2 * i);
            dup2(report[i][0], 2 + 2 * i);
        }
        for (int fd = 7; fd < 64; fd++)
            close(fd);
        execl(argv[0], argv[0], (char *) NULL);
        _exit(127);
    }
    for (int i = 0; i < 3; i++) {
        close(request[i][0]);
        close(request[i][1]);
        close(report[i][0]);
        close(report[i][1]);
    }
    signal(SIGTERM, pass_on);
    signal(SIGHUP, pass_on);
    signal(SIGALRM, pass_on);
    FILE *file = fopen("rig/pid", "w");
    fprintf(file, "%d\n", (int) child);
    fclose(file);
    int status;
    while (waitpid(child, &status, 0) < 0)
        ;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    while (wait(&status) > 0)
        ;
    return code;
}

int main(int argc, char **argv)
{
    if (argc >= 6 && strcmp(argv[1], "put") == 0)
        return put(argc - 2, argv + 2);
    if (argc == 4 && strcmp(argv[1], "fail") == 0)
        return fail(strtoull(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
    if (argc >= 3 && strcmp(argv[1], "run") == 0)
        return run(argv[0], argv + 2);
    if (argc == 2 && strcmp(argv[1], "clean") == 0)
        return clean();
    if (argc == 2 && strcmp(argv[1], "spawn") == 0)
        return spawn();
    if (argc == 2 && strcmp(argv[1], "rspawn") == 0)
        return rspawn();
    fprintf(stderr, "send_rig: see its source\n");
    return 100;
}
