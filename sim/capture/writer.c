/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/capture/writer.h"
#include "sim/world/pool.h"

#define SIZE_MOST 262144 /* what readers take a packet for whole up to */
#define BUFFER (256 * 1024)
#define SECOND 1000000000LL

struct capture_writer {
    pcap_t *form;
    pcap_dumper_t *file;
    int directory;
    char *name, *beside;
    char *buffer;
    bool has_name;
    uint64_t count;
    int error;
};

static void let_go(struct capture_writer *writer)
{
    if (writer->form)
        pcap_close(writer->form);
    if (writer->directory >= 0)
        close(writer->directory);
    free(writer->name);
    free(writer->beside);
    free(writer->buffer);
    free(writer);
}

/* A file without a name, of which nothing is left if we are killed; where the file system has none,
 * one beside.  NULL with errno. */
static FILE *make_file(struct capture_writer *writer)
{
    FILE *file = NULL;
    int fd;

    unlinkat(writer->directory, writer->beside, 0); /* of an earlier process of that number */
    fd = openat(writer->directory, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
    writer->has_name = fd < 0;
    if (writer->has_name)
        fd = openat(writer->directory, writer->beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                    0666);
    if (fd >= 0)
        file = fdopen(fd, "w");
    if (fd >= 0 && !file)
        close(fd);
    return file;
}

/* Gives it the name beside, if it has none. */
static int name_file(const struct capture_writer *writer, FILE *file)
{
    char link[40];

    if (writer->has_name)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fileno(file));
    return linkat(AT_FDCWD, link, writer->directory, writer->beside, AT_SYMLINK_FOLLOW);
}

static char *name_beside(const char *name)
{
    size_t size = strlen(name) + 32;
    char *beside = must_alloc(size);

    snprintf(beside, size, ".%s.%ld", name, (long) getpid());
    return beside;
}

struct capture_writer *capture_open(const char *directory, const char *name)
{
    struct capture_writer *writer = must_zeroed(sizeof *writer);
    FILE *file = NULL;
    int error;

    writer->name = must_copy(name, strlen(name));
    writer->beside = name_beside(name);
    writer->buffer = must_alloc(BUFFER);
    writer->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (writer->directory >= 0)
        file = make_file(writer);
    error = errno;
    if (file) {
        setvbuf(file, writer->buffer, _IOFBF, BUFFER);
        errno = 0;
        writer->form =
            pcap_open_dead_with_tstamp_precision(DLT_RAW, SIZE_MOST, PCAP_TSTAMP_PRECISION_NANO);
        if (writer->form)
            writer->file = pcap_dump_fopen(writer->form, file);
        error = errno ? errno : ENOMEM;
    }
    if (writer->file)
        return writer;
    if (file) {
        fclose(file);
        unlinkat(writer->directory, writer->beside, 0);
    }
    let_go(writer);
    errno = error;
    return NULL;
}

int capture_add(struct capture_writer *writer, int64_t time_ns, const void *packet, size_t size)
{
    struct pcap_pkthdr header = {.caplen = (bpf_u_int32) size, .len = (bpf_u_int32) size};
    FILE *file = pcap_dump_file(writer->file);

    if (!writer->error && (time_ns < 0 || time_ns / SECOND > UINT32_MAX || size > SIZE_MOST))
        writer->error = EOVERFLOW;
    if (!writer->error) {
        header.ts.tv_sec = (time_t) (time_ns / SECOND);
        header.ts.tv_usec = (suseconds_t) (time_ns % SECOND); /* nanoseconds, in this form */
        errno = 0;
        pcap_dump((unsigned char *) writer->file, &header, packet);
        if (ferror(file))
            writer->error = errno ? errno : EIO;
        else
            writer->count++;
    }
    errno = writer->error;
    return writer->error ? -1 : 0;
}

uint64_t capture_count(const struct capture_writer *writer)
{
    return writer->count;
}

int capture_close(struct capture_writer *writer)
{
    FILE *file = pcap_dump_file(writer->file);
    int error = writer->error;

    errno = 0;
    if ((fflush(file) != 0 || ferror(file)) && !error)
        error = errno ? errno : EIO;
    if (!error && name_file(writer, file) < 0)
        error = errno;
    pcap_dump_close(writer->file);
    if (!error && renameat(writer->directory, writer->beside, writer->directory, writer->name) < 0)
        error = errno;
    if (error)
        unlinkat(writer->directory, writer->beside, 0);
    let_go(writer);
    errno = error;
    return error ? -1 : 0;
}
