/* SPDX-License-Identifier: ISC */
/*
 * durable raw DIR WRITERS SECONDS
 * durable queue SOCKET WRITERS SECONDS
 *
 * Prints how many 4 KiB messages a second WRITERS processes make durable at once: `raw`, each by
 * create, write, fsync, link, fsync of the directory, in DIR; `queue`, each handed
 * to the staying nixie-queue behind SOCKET (docs/architecture.md, "queue --stay").  The median of
 * the figures of each tenth of the time, since disks pause now and then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_SIZE 4096
#define WRITERS_MAX 1000
#define PARTS 10

struct shared {
    volatile int stop;
    volatile uint64_t counts[WRITERS_MAX];
};

static char message[MESSAGE_SIZE];

static void die(const char *what)
{
    fprintf(stderr, "durable: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void write_all(int fd, const void *bytes, size_t size)
{
    const char *from = bytes;
    while (size > 0) {
        ssize_t count = write(fd, from, size);
        if (count < 0)
            die("write");
        from += count;
        size -= (size_t) count;
    }
}

/* --- raw ----------------------------------------------------------------------------------- */

static void raw_one(const char *folder, int folder_fd, uint64_t number)
{
    char path[4096], link_path[4096];
    snprintf(path, sizeof path, "%s/mess.%d.%llu", folder, (int) getpid(),
             (unsigned long long) number);
    snprintf(link_path, sizeof link_path, "%s/todo.%d.%llu", folder, (int) getpid(),
             (unsigned long long) number);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0)
        die(path);
    write_all(fd, message, sizeof message);
    if (fsync(fd) < 0)
        die("fsync");
    close(fd);
    if (link(path, link_path) < 0)
        die("link");
    if (fsync(folder_fd) < 0)
        die("fsync of the folder");
}

static void raw_writer(struct shared *shared, const char *folder, int writer)
{
    int folder_fd = open(folder, O_RDONLY | O_DIRECTORY);
    if (folder_fd < 0)
        die(folder);
    while (!shared->stop) {
        raw_one(folder, folder_fd, shared->counts[writer]);
        shared->counts[writer]++;
    }
}

/* --- queue --------------------------------------------------------------------------------- */

static size_t put_length(char *to, uint32_t length)
{
    to[0] = (char) (length >> 24);
    to[1] = (char) (length >> 16);
    to[2] = (char) (length >> 8);
    to[3] = (char) length;
    return 4;
}

static int queue_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    while (connect(fd, (struct sockaddr *) &address, sizeof address) < 0) {
        if (errno != EAGAIN)
            die(path);
        usleep(1000);
    }
    return fd;
}

/* Reads the answer's line; true if it starts with "0 ". */
static int queue_accepts(int fd)
{
    char line[128];
    size_t length = 0;
    while (length == 0 || line[length - 1] != '\n') {
        ssize_t count = read(fd, line + length, sizeof line - length);
        if (count <= 0)
            die("the queue's answer");
        length += (size_t) count;
    }
    return line[0] == '0' && line[1] == ' ';
}

static void queue_writer(struct shared *shared, const char *socket_path, int writer)
{
    static const char envelope[] = "Fbob@mail.example\0Tnobody@mail.example\0";
    char request[MESSAGE_SIZE + 256];
    size_t size = 3;
    memcpy(request, "Q1\n", size);
    size += put_length(request + size, MESSAGE_SIZE);
    memcpy(request + size, message, MESSAGE_SIZE);
    size += MESSAGE_SIZE;
    size += put_length(request + size, 0);
    size += put_length(request + size, sizeof envelope);
    memcpy(request + size, envelope, sizeof envelope);
    size += sizeof envelope;
    int fd = queue_connect(socket_path);
    while (!shared->stop) {
        write_all(fd, request, size);
        if (!queue_accepts(fd)) {
            fprintf(stderr, "durable: the queue refused a message\n");
            exit(1);
        }
        shared->counts[writer]++;
    }
}

/* ------------------------------------------------------------------------------------------- */

static uint64_t sum(const struct shared *shared, int writers)
{
    uint64_t total = 0;
    for (int i = 0; i < writers; i++)
        total += shared->counts[i];
    return total;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static double measure(const struct shared *shared, int writers, double seconds)
{
    double rates[PARTS];
    uint64_t before = sum(shared, writers);
    double since = now();
    for (int i = 0; i < PARTS; i++) {
        usleep((useconds_t) (seconds / PARTS * 1e6));
        uint64_t count = sum(shared, writers);
        double at = now();
        rates[i] = (double) (count - before) / (at - since);
        before = count;
        since = at;
    }
    qsort(rates, PARTS, sizeof *rates, compare_doubles);
    return (rates[PARTS / 2 - 1] + rates[PARTS / 2]) / 2;
}

int main(int argc, char **argv)
{
    if (argc != 5 || (strcmp(argv[1], "raw") != 0 && strcmp(argv[1], "queue") != 0)) {
        fprintf(stderr, "usage: durable raw|queue DIR|SOCKET WRITERS SECONDS\n");
        return 2;
    }
    int raw = !strcmp(argv[1], "raw"), writers = atoi(argv[3]), failed = 0, status;
    double seconds = atof(argv[4]);
    if (writers < 1 || writers > WRITERS_MAX || seconds <= 0)
        return 2;
    memset(message, 'x', sizeof message);
    memcpy(message, "Subject: bench\n\n", 16);
    for (size_t i = 79; i < sizeof message; i += 80)
        message[i] = '\n';
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("mmap");
    for (int i = 0; i < writers; i++) {
        pid_t pid = fork();
        if (pid < 0)
            die("fork");
        if (pid == 0) {
            (raw ? raw_writer : queue_writer)(shared, argv[2], i);
            _exit(0);
        }
    }
    double rate = measure(shared, writers, seconds);
    shared->stop = 1;
    for (int i = 0; i < writers; i++)
        if (wait(&status) < 0 || status != 0)
            failed = 1;
    if (!failed)
        printf("%.0f\n", rate);
    return failed;
}
