/* SPDX-License-Identifier: ISC */
/*
 * A program that a scenario declares, for real: reads its input, asks the driver what it is to do
 * (sim/world/declared.c answers), waits, prints, tells that it ends, and ends so.
 */
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef char *asker(const char *question, size_t size, size_t *answer_size);

static void add_list(FILE *to, char **list)
{
    size_t count = 0;

    while (list[count])
        count++;
    fprintf(to, "%zu", count);
    fputc(0, to);
    for (size_t i = 0; i < count; i++)
        fwrite(list[i], 1, strlen(list[i]) + 1, to);
}

static void add_input(FILE *to)
{
    char block[8192];
    ssize_t got;

    while ((got = read(0, block, sizeof block)) > 0)
        fwrite(block, 1, (size_t) got, to);
}

static char *ask(const char *question, size_t size, size_t *answer_size)
{
    asker *nixie = (asker *) dlsym(RTLD_DEFAULT, "nixie_reality_ask");

    return nixie ? nixie(question, size, answer_size) : NULL;
}

static void wait_ns(long long ns)
{
    for (; ns > 0; ns -= 1000000000LL * 1000)
        poll(NULL, 0, ns > 1000000000LL * 1000 ? 1000000 : (int) ((ns + 999999) / 1000000));
}

int main(int argc, char **argv, char **environment)
{
    char *question = NULL, *answer, end[64];
    size_t size = 0, answer_size = 0;
    unsigned long long run = 0;
    int code = 127, signal = 0, used = 0;
    long long takes_ns = 0;
    FILE *to = open_memstream(&question, &size);

    if (!to || argc < 1)
        return 127;
    fwrite("begin", 1, 6, to);
    add_list(to, argv);
    add_list(to, environment);
    add_input(to);
    fclose(to);
    answer = ask(question, size, &answer_size);
    if (!answer ||
        sscanf(answer, "%llu %d %d %lld\n%n", &run, &code, &signal, &takes_ns, &used) < 4)
        return 127;
    wait_ns(takes_ns);
    if (answer_size > (size_t) used && write(1, answer + used, answer_size - (size_t) used) < 0)
        return 127;
    size = (size_t) snprintf(end, sizeof end, "end%c%llu", 0, run) + 1;
    ask(end, size, &answer_size);
    if (signal)
        kill(getpid(), signal);
    return code;
}
