/* SPDX-License-Identifier: ISC */
#include "tests/powercut/server.h"
#include "tests/powercut/mail.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define USER 64999
#define SMTP_CLIENTS 4
#define INJECTORS 1
#define SESSION 5 /* messages of one connection */
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

#define AS_USER "setpriv", "--reuid=64999", "--regid=64999", "--clear-groups"

void server_of(struct server *server, struct rig *rig, const char *programs)
{
    *server = (struct server){.rig = rig, .programs = programs};
    snprintf(server->home, sizeof server->home, "%s/home", rig->mountpoint);
}

static int nixie(struct server *server, const char *command, const char *a, const char *b,
                 const char *c)
{
    char path[RIG_PATH];
    const char *arguments[] = {AS_USER, path, "mta", command, server->home, a, b, c, NULL};
    snprintf(path, sizeof path, "%s/nixie", server->programs);
    return rig_command(server->rig, arguments) == 0 ? 0 : -1;
}

int server_make(struct server *server)
{
    if (mkdir(server->home, 0755) != 0 || chown(server->home, USER, USER) != 0 ||
        chmod(server->rig->mountpoint, 0755) != 0)
        return -1;
    int result = nixie(server, "init", "--domain", MAIL_DOMAIN, NULL);
    for (unsigned user = 0; result == 0 && user < MAIL_USERS; user++)
        result = nixie(server, "user", mail_users[user], NULL, NULL);
    return result;
}

int server_boot(struct server *server)
{
    char path[RIG_PATH], id[64];
    static unsigned boots;
    snprintf(path, sizeof path, "%s/boot", server->rig->folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    int size = snprintf(id, sizeof id, "%08x-1111-2222-3333-444444444444\n", boots + 1);
    bool works = fd >= 0 && pwrite(fd, id, (size_t) size, 0) == size;
    close(fd);
    if (works && boots++ == 0)
        works = mount(path, BOOT_ID, NULL, MS_BIND, NULL) == 0;
    return works ? 0 : -1;
}

/* The port of what listens, or 0. */
static unsigned port_of(const struct server *server)
{
    char path[RIG_PATH + 40];
    unsigned port = 0;
    snprintf(path, sizeof path, "%s/run/listen", server->home);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "127.0.0.1:%u", &port) != 1)
        port = 0;
    fclose(file);
    return port;
}

int server_start(struct server *server, bool smtp)
{
    char path[RIG_PATH], listening[RIG_PATH + 40];
    const char *arguments[] = {
        AS_USER, path, "mta", "start", server->home, smtp ? "--smtp" : NULL, "127.0.0.1:0", NULL};
    snprintf(path, sizeof path, "%s/nixie", server->programs);
    snprintf(listening, sizeof listening, "%s/run/listen", server->home);
    if (smtp)
        unlink(listening);
    if (rig_spawn(server->rig, arguments) < 0)
        return -1;
    double end = rig_now() + 60;
    while (smtp && port_of(server) == 0) {
        if (rig_now() > end)
            return -1;
        usleep(5000);
    }
    return 0;
}

/* --- clients ----------------------------------------------------------------------------------*/

struct load {
    struct server *server;
    struct disk *disk;
    pthread_mutex_t lock;
    unsigned next, count, accepted, port;
};

/* The next message to be sent; 0 if there is none. */
static unsigned next_mail(struct load *load)
{
    pthread_mutex_lock(&load->lock);
    unsigned number = load->next <= load->count ? load->next++ : 0;
    pthread_mutex_unlock(&load->lock);
    if (number)
        disk_mark(load->disk, number);
    return number;
}

static void was_accepted(struct load *load, unsigned number)
{
    disk_mark(load->disk, MAIL_ACCEPTED + number);
    pthread_mutex_lock(&load->lock);
    load->accepted++;
    pthread_mutex_unlock(&load->lock);
}

static int connect_to(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t) port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 60};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *) &address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The code of the next reply, or -1; the replies come one at a time. */
static int reply(int fd)
{
    char line[1000];
    size_t used = 0;
    for (;;) {
        ssize_t got = recv(fd, line + used, sizeof line - 1 - used, 0);
        if (got <= 0)
            return -1;
        used += (size_t) got;
        line[used] = '\0';
        char *start = line, *end;
        while ((end = strchr(start, '\n'))) { /* "250-" has more behind it */
            if (end - start > 3 && start[3] == ' ')
                return atoi(start);
            start = end + 1;
        }
    }
}

static bool say(int fd, const char *text, size_t size, int wanted)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t count = send(fd, text + sent, size - sent, MSG_NOSIGNAL);
        if (count <= 0)
            return false;
        sent += (size_t) count;
    }
    return reply(fd) == wanted;
}

static bool say_line(int fd, const char *line, int wanted)
{
    return say(fd, line, strlen(line), wanted);
}

static bool send_mail(int fd, unsigned number)
{
    bool works = say_line(fd, "MAIL FROM:<cut@client.example>\r\n", 250);
    for (unsigned user = 0; user < MAIL_USERS; user++) {
        char line[100];
        snprintf(line, sizeof line, "RCPT TO:<%s@" MAIL_DOMAIN ">\r\n", mail_users[user]);
        if (mail_is_for(number, user))
            works = works && say_line(fd, line, 250);
    }
    works = works && say_line(fd, "DATA\r\n", 354);
    size_t size;
    char *text = mail_text(number, "\r\n", &size);
    char *longer = realloc(text, size + 4);
    if (!longer)
        abort();
    text = longer;
    memcpy(text + size, ".\r\n", 4);
    works = works && say(fd, text, size + 3, 250);
    free(text);
    return works;
}

static void *smtp_client(void *context)
{
    struct load *load = context;
    bool more = true;
    while (more) {
        int fd = connect_to(load->port);
        more = fd >= 0 && reply(fd) == 220 && say_line(fd, "HELO client.example\r\n", 250);
        for (unsigned i = 0; more && i < SESSION; i++) {
            unsigned number = next_mail(load);
            more = number > 0;
            if (more && send_mail(fd, number))
                was_accepted(load, number);
            else if (more)
                break;
        }
        if (fd >= 0)
            say_line(fd, "QUIT\r\n", 221);
        close(fd);
    }
    return NULL;
}

static void *injector(void *context)
{
    struct load *load = context;
    char program[RIG_PATH + 40], path[RIG_PATH];
    const char *arguments[] = {AS_USER, "sh", "-c", "exec \"$0\" <\"$1\"", program, path, NULL};
    unsigned number;
    snprintf(program, sizeof program, "%s/bin/nixie-inject", load->server->home);
    snprintf(path, sizeof path, "%s/boot.mail", load->server->rig->folder);
    while ((number = next_mail(load)) > 0) {
        size_t size;
        char *text = mail_text(number, "\n", &size);
        FILE *file = fopen(path, "we");
        fwrite(text, 1, size, file);
        fclose(file);
        free(text);
        if (rig_command(load->server->rig, arguments) == 0)
            was_accepted(load, number);
    }
    unlink(path);
    return NULL;
}

unsigned server_load(struct server *server, struct disk *disk, unsigned count)
{
    struct load load = {.server = server, .disk = disk, .next = 1, .count = count};
    pthread_t threads[SMTP_CLIENTS + INJECTORS];
    load.port = port_of(server);
    pthread_mutex_init(&load.lock, NULL);
    for (unsigned i = 0; i < SMTP_CLIENTS + INJECTORS; i++)
        pthread_create(&threads[i], NULL, i < SMTP_CLIENTS ? smtp_client : injector, &load);
    for (unsigned i = 0; i < SMTP_CLIENTS + INJECTORS; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&load.lock);
    return load.accepted;
}

/* --- the queue --------------------------------------------------------------------------------*/

bool server_is_empty(const struct server *server)
{
    static const char *const folders[] = {"mess", "todo", "info"};
    char path[RIG_PATH + 40];
    bool empty = true;
    for (unsigned i = 0; i < sizeof folders / sizeof *folders && empty; i++) {
        snprintf(path, sizeof path, "%s/queue/%s", server->home, folders[i]);
        DIR *folder = opendir(path);
        const struct dirent *entry;
        while (folder && (entry = readdir(folder)))
            empty &= entry->d_name[0] == '.';
        if (folder)
            closedir(folder);
    }
    return empty;
}
