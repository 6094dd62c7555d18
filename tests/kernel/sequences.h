/* SPDX-License-Identifier: ISC */
/*
 * Sequences of calls whose results are printed, for comparing the simulated kernel with the real
 * one.  Plain POSIX code that is linked twice, exactly as the server's programs are.
 *
 * A sequence runs in a process and a directory of its own, with descriptors 0, 1, 2 open only;
 * what it prints must not depend on the machine: no pids, inode numbers, times, addresses.
 */
#ifndef TESTS_KERNEL_SEQUENCES_H
#define TESTS_KERNEL_SEQUENCES_H

#include <errno.h>
#include <stddef.h>
#include <sys/types.h>

struct sequence {
    const char *name;
    void (*run)(void);
};

/* Ended by a NULL name. */
extern const struct sequence file_sequences[];
extern const struct sequence pipe_sequences[];
extern const struct sequence socket_sequences[];
extern const struct sequence process_sequences[];
extern const struct sequence signal_sequences[];
extern const struct sequence tcp_sequences[];
extern const struct sequence tcp_more_sequences[];
extern const struct sequence tcp_port_sequences[];
extern const struct sequence udp_sequences[];

/* Sequences made by multiplying operations with targets: number `index` of them into `name` (at
 * least 200 bytes) and, if `run`, executed.  Returns 0 behind the last. */
int path_sequence(unsigned index, char *name, int run);

/* Prints a line as printf does (at most 4000 bytes). */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

/* Prints "WHAT = RESULT", or "WHAT = -1 ENAME" if result is -1; WHAT is the call's text. */
void report(const char *what, long result, int error);

/* The name of an errno, or its number as text. */
const char *error_name(int error);

/* Does a call and reports it. */
#define DO(call)                                                                                   \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long result_ = (long) (call);                                                              \
        report(#call, result_, errno);                                                             \
    } while (0)

/* For posix_spawn and its kin, which return the errno. */
#define DO_ERROR(call)                                                                             \
    do {                                                                                           \
        int error_ = (call);                                                                       \
        say("%s = %s", #call, error_ ? error_name(error_) : "0");                                  \
    } while (0)

/* Prints bytes with \-escapes. */
void say_bytes(const char *label, const char *bytes, long count);

/* Prints type, permissions, links, size and owner of what `path` names (lstat). */
void say_stat(const char *path);

/* Prints the sorted names in `path` with their types. */
void say_directory(const char *path);

/* pipe2, for set-up. */
void make_pipe(int ends[2], int flags);

/* A file with this content and mode, made anew. */
void make_file(const char *path, const char *content, mode_t mode);

/* Starts this program as `child WHAT` with fds 0 and 1 as given (-1: ours).  Returns its pid. */
pid_t start_child(const char *what, int input, int output);

/* waitpid, printed as "exited 3" or "killed by 15". */
void say_wait(pid_t pid);

/* Waits `ms` milliseconds (poll without descriptors). */
void pause_ms(int ms);

#endif
