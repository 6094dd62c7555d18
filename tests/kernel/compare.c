/* SPDX-License-Identifier: ISC */
/*
 * Runs the sequences on the real kernel and on the simulated one and compares what they print.
 * As root twice: as root, and as an ordinary user.  Prints TAP, a test a sequence.
 *
 *   compare [--both]   prints both outputs to build/logs-like files "real.N", "simulated.N" too
 *   compare --once [FILE]   only as the user who calls; FILE: what the real kernel did, which is
 *                           written there if it is not there yet, else not done again
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/kernel/kernel.h"
#include "sim/kernel/net.h"

extern program_main program_test_sequences_main;

#define ORDINARY_USER 65534

struct text {
    char *data;
    size_t length;
};

static void text_add(struct text *text, const char *bytes, size_t size)
{
    text->data = realloc(text->data, text->length + size + 1);
    if (!text->data)
        abort();
    memcpy(text->data + text->length, bytes, size);
    text->length += size;
    text->data[text->length] = 0;
}

static void die(const char *what)
{
    printf("Bail out! %s: %s\n", what, strerror(errno));
    exit(4);
}

/* --- the real kernel --------------------------------------------------------------------------*/

static void become(uid_t uid)
{
    if (geteuid() != 0)
        return;
    if (setgroups(0, NULL) < 0 || setgid(uid) < 0 || setuid(uid) < 0)
        _exit(90);
}

static struct text run_real(const char *program, uid_t uid)
{
    /* In memory where there is such a place: thousands of small files. */
    char directory[] = "/dev/shm/nixie-sequences-XXXXXX";
    int ends[2];
    struct text text = {NULL, 0};
    if (!mkdtemp(directory)) {
        strcpy(directory, "/tmp/nixie-sequences-XXXXXX");
        if (!mkdtemp(directory))
            die("mkdtemp");
    }
    if (geteuid() == 0 && chown(directory, uid, uid) < 0)
        die("chown");
    if (pipe(ends) < 0)
        die("pipe");
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (chdir(directory) < 0 || dup2(ends[1], 1) < 0)
            _exit(91);
        int null = open("/dev/null", O_RDONLY);
        if (null < 0 || dup2(null, 0) < 0)
            _exit(91);
        for (int fd = 3; fd < 256; fd++)
            close(fd);
        become(uid);
        execl(program, program, (char *) NULL);
        _exit(92);
    }
    close(ends[1]);
    char block[65536];
    ssize_t count;
    while ((count = read(ends[0], block, sizeof block)) > 0)
        text_add(&text, block, (size_t) count);
    close(ends[0]);
    int status = 0;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        die("the sequences on the real kernel");
    char command[200];
    snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", directory, directory);
    if (system(command) != 0)
        die("rm");
    return text;
}

/* --- the simulated kernel ---------------------------------------------------------------------*/

static void collect(void *context, struct process *process, int fd, const char *data, size_t size)
{
    (void) process;
    if (fd == 1)
        text_add(context, data, size);
}

static struct text run_simulated(uid_t uid)
{
    struct kernel_options options = {.seed = 1, .epoch = 1790000000};
    struct kernel *kernel = kernel_create(&options);
    struct host_options host_options = {.name = "machine", .disk = &disk_strict};
    struct host *host = host_create(kernel, &host_options);
    struct text text = {NULL, 0};
    /* As on the real one: what is sent inside of a host has arrived when the call returns. */
    struct net_path path = {.delay_ns = 0};
    net_set_path(kernel, host, host, &path);
    static const char content[] = "#!nixie sequences\n";
    kernel_register_program(kernel, "sequences", program_test_sequences_main);
    if (host_write_file(host, "/bin/sequences", content, strlen(content), 0, 0, 0755) < 0 ||
        host_make_directory(host, "/tmp/work", uid, uid, 0700) < 0)
        die("set-up");
    static const char *const argv[] = {"/bin/sequences", NULL};
    static const char *const environment[] = {NULL};
    struct process_spec spec = {.path = "/bin/sequences",
                                .argv = argv,
                                .environment = environment,
                                .directory = "/tmp/work",
                                .uid = uid,
                                .gid = uid,
                                .output = collect,
                                .context = &text};
    int error = 0;
    if (!process_start(host, &spec, &error)) {
        errno = error;
        die("start");
    }
    enum kernel_end end = kernel_run(kernel, 3600 * NANOSECONDS);
    if (end == KERNEL_SPIN)
        printf("# %s spins\n", kernel_spinner(kernel));
    kernel_destroy(kernel);
    return text;
}

/* --- comparing --------------------------------------------------------------------------------*/

/* The next sequence's output: from its "== NAME" line up to the next one.  Both are cut. */
static bool next_sequence(char **from, char **name, char **body)
{
    if (!*from || strncmp(*from, "== ", 3) != 0)
        return false;
    *name = *from + 3;
    char *line_end = strchr(*name, '\n');
    if (!line_end)
        return false;
    *line_end = 0;
    *body = line_end + 1;
    char *next = strncmp(*body, "== ", 3) == 0 ? *body : strstr(*body, "\n== ");
    if (next == *body) {
        *from = *body; /* an empty body */
        *body = line_end;
    } else if (next) {
        *next = 0;
        *from = next + 1;
    } else {
        *from = NULL;
    }
    return true;
}

static void show(const char *label, const char *body)
{
    while (*body) {
        size_t length = strcspn(body, "\n");
        printf("#   %s %.*s\n", label, (int) length, body);
        body += length + (body[length] == '\n');
    }
}

/* Prints the lines from the first that differs on. */
static void show_difference(const char *real, const char *simulated)
{
    while (*real && *simulated) {
        size_t a = strcspn(real, "\n"), b = strcspn(simulated, "\n");
        if (a != b || memcmp(real, simulated, a) != 0)
            break;
        real += a + (real[a] == '\n');
        simulated += b + (simulated[b] == '\n');
    }
    show("real     ", real);
    show("simulated", simulated);
}

static void save_as(const char *path, const struct text *text)
{
    FILE *file = fopen(path, "w");
    if (!file || fwrite(text->data, 1, text->length, file) != text->length || fclose(file) != 0)
        die(path);
}

static void save(const char *kind, uid_t uid, const struct text *text)
{
    char path[100];
    snprintf(path, sizeof path, "/tmp/nixie-%s.%u", kind, (unsigned) uid);
    save_as(path, text);
}

/* What the real kernel did, from `kept` if it is there. */
static struct text take_real(const char *program, uid_t uid, const char *kept)
{
    struct text text = {NULL, 0};
    char block[65536];
    size_t count;
    FILE *file = kept ? fopen(kept, "r") : NULL;
    if (!file) {
        text = run_real(program, uid);
        if (kept)
            save_as(kept, &text);
        return text;
    }
    while ((count = fread(block, 1, sizeof block, file)) > 0)
        text_add(&text, block, count);
    fclose(file);
    return text;
}

static unsigned compare(const char *program, uid_t uid, bool both, const char *kept,
                        unsigned *number)
{
    struct text real = take_real(program, uid, kept);
    struct text simulated = run_simulated(uid);
    if (!simulated.data)
        text_add(&simulated, "", 0);
    if (both) {
        save("real", uid, &real);
        save("simulated", uid, &simulated);
    }
    char *real_rest = real.data, *simulated_rest = simulated.data;
    char *name, *body, *other_name, *other_body;
    unsigned failed = 0;
    while (next_sequence(&real_rest, &name, &body)) {
        bool there = next_sequence(&simulated_rest, &other_name, &other_body);
        bool same = there && strcmp(name, other_name) == 0 && strcmp(body, other_body) == 0;
        printf("%s %u - uid %u: %s\n", same ? "ok" : "not ok", ++*number, (unsigned) uid, name);
        if (!same) {
            failed++;
            show_difference(body, there ? other_body : "(nothing)");
        }
    }
    free(real.data);
    free(simulated.data);
    return failed;
}

int main(int argc, char **argv)
{
    bool both = argc > 1 && strcmp(argv[1], "--both") == 0;
    bool once = argc > 1 && strcmp(argv[1], "--once") == 0;
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 20);
    if (length < 0)
        die("readlink");
    program[length] = 0;
    strcpy(strrchr(program, '/') + 1, "sequences");
    /* An ordinary user may not be able to reach the build directory. */
    char copy[] = "/tmp/nixie-sequences-program-XXXXXX";
    int fd = mkstemp(copy);
    if (fd < 0)
        die("mkstemp");
    close(fd);
    char command[9000];
    snprintf(command, sizeof command, "cp '%s' %s && chmod 755 %s", program, copy, copy);
    if (system(command) != 0)
        die("cp");
    unsigned number = 0, failed = compare(copy, geteuid(), both, once ? argv[2] : NULL, &number);
    if (geteuid() == 0 && !once)
        failed += compare(copy, ORDINARY_USER, both, NULL, &number);
    unlink(copy);
    printf("1..%u\n", number);
    return failed ? 1 : 0;
}
