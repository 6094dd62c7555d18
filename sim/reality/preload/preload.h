/* SPDX-License-Identifier: ISC */
/*
 * The library that is preloaded into every real process of a scenario: tells the driver of calls
 * and lets it decide about them (talk.c, calls_*.c), and makes waiting a matter of the driver's
 * clock (wait.c).  Nothing here calls libc's wrappers of what it stands in front of.
 */
#ifndef SIM_REALITY_PRELOAD_H
#define SIM_REALITY_PRELOAD_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "sim/kernel/kernel.h"
#include "sim/reality/place.h"
#include "sim/reality/wire.h"

#define SILENT_MAX 64
#define CUT_MAX 64

/* A connection that is reset when so many bytes of this side, or the other, have arrived. */
struct cut {
    bool is_used, is_broken, has_told;
    int fd;
    uint64_t left[2]; /* UINT64_MAX: no end */
};

struct preload {
    int fd;              /* to the driver; -1: there is none, and calls go straight through */
    uint64_t calls;      /* those that are told */
    uint32_t waits;      /* counts them */
    enum wire_turn turn; /* of the next call that sends */
    const struct wire_page *page;
    const char *root;       /* of the machine's files, where it has no root of its own; or NULL */
    struct silent {         /* sockets whose connection never comes about */
        int fd;             /* -1: free */
        long long until_ms; /* on the monotonic clock, when it fails */
    } silents[SILENT_MAX];
    bool has_cuts;
    struct cut cuts[CUT_MAX];
};
extern struct preload preload;

/* A call that is told. */
struct told {
    enum call_id id;
    int fd;
    const char *path, *path2;
    const void *data;
    size_t size;
    const struct sockaddr *address;
    socklen_t address_size;
    int64_t argument[3];
    struct wire_reply reply;
};

static inline bool is_told(enum call_id id)
{
    return preload.fd >= 0 && (preload.calls >> id & 1);
}

/* False: it fails, errno is set (tell_after must follow all the same). */
bool tell_before(struct told *told);
/* `result` -1 means errno.  Returns it, errno unchanged. */
int64_t tell_after(struct told *told, int64_t result);

/* The same two around a call that is told only if it is asked for. */
#define TOLD(name, ...)                                                                            \
    {                                                                                              \
        .id = CALL_##name, .fd = -1, __VA_ARGS__                                                   \
    }
#define TOLD_AT(name, at, ...)                                                                     \
    {                                                                                              \
        .id = CALL_##name, .fd = (at), __VA_ARGS__                                                 \
    }

/* Talks for other purposes. */
void talk_send(const struct wire_note *note, const void *parts[], const size_t sizes[],
               unsigned count);
void talk_receive(void *to, size_t size);
/* Waits for the reply to what was said last. */
void talk_reply(struct wire_reply *reply);
/* Connects and says HELLO. */
void talk_begin(bool forked);

/* wait.c: as poll, on the driver's clock.  `ready` (or NULL) is asked instead of the descriptors,
 * every millisecond of real time: for what cannot be polled. */
int wait_for(struct pollfd *fds, nfds_t count, int timeout_ms, bool (*ready)(void *context),
             void *context);
/* Until a descriptor that blocks could be read or written. */
void wait_until_ready(int fd, short events);
void silent_add(int fd);
void silent_forget(int fd);
/* True with errno: the connection at fd is one that never comes about. */
bool silent_is(int fd);

/* calls_place.c: where a file really is (place.h); PLACED is good until the block ends. */
struct passwd;
struct stat;
const char *placed(const char *path, char to[PLACE_MAX]);
#define PLACED(path) placed((path), (char[PLACE_MAX]){0})
/* A real path becomes the machine's. */
void place_strip(char *path);
/* The machine's path of the program, not NUL-terminated; its length, 0: it is not known. */
size_t place_program(char *to, size_t size);
/* A real owner becomes the machine's. */
void place_owner(struct stat *status);
/* The entry of `name`, or (NULL) of `uid`; NULL: there is none. */
struct passwd *place_passwd(const char *name, uid_t uid);

/* address.c: the real address of what a program names (in *to, or itself); NULL with errno: no
 * machine has it. */
const struct sockaddr *address_out(const struct sockaddr *address, socklen_t size,
                                   struct sockaddr_storage *to);
/* A real address becomes the scenario's, in place. */
void address_in(struct sockaddr *address, socklen_t size);
bool address_is_rewritten(void);

/* turn.c, where paths take time (wire.h): a call that sends to an internet address says so, the
 * other side's address stands in *to; and one has received. */
void turn_send(struct told *told, const struct msghdr *header, struct sockaddr_storage *to);
void turn_receive(int fd);

/* cut.c: as the reply to a call on `fd` says.  NULL: the connection is not one of these. */
void cut_begin(int fd, const struct wire_reply *reply);
struct cut *cut_find(int fd);
void cut_forget(int fd);
/* As write and read. */
ssize_t cut_write(struct cut *cut, const void *from, size_t size);
ssize_t cut_read(struct cut *cut, void *to, size_t size);

/* Monotonic, as the process sees it. */
int64_t faked_now_ms(void);
/* The function of that name behind this library. */
void *behind(const char *name);

#endif
