/* SPDX-License-Identifier: ISC */
/*
 * Looks names up in the DNS, many at a time, inside the caller's own poll loop.  Built on c-ares;
 * only programs that refer to these functions are linked with it.
 *
 * Servers are those of /etc/resolv.conf (`nameserver`, the first three; 127.0.0.1 if there are
 * none; other lines, search domains too, mean nothing: names are always whole).  A server is asked
 * again after 2, 4 and 8 seconds (of several, each gets 1, 2, 4 and 8 in turn, and one that fails
 * is left out), answers that are cut are fetched over TCP, and a lookup ends within
 * RESOLVE_TIME_MS.
 *
 *     resolver_mx(resolver, "example.com", done, context);
 *     for (;;) {
 *         size_t count = resolver_polls(resolver, polls, RESOLVER_POLLS);   (plus the caller's own)
 *         poll(polls, count, resolver_timeout_ms(resolver));
 *         resolver_work(resolver, polls, count);                            (calls `done`)
 *     }
 */
#ifndef MTA_LIB_RESOLVE_H
#define MTA_LIB_RESOLVE_H

#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>

#define RESOLVE_TIME_MS 30000
#define RESOLVER_POLLS 16 /* descriptors at most */

struct resolver;

/* Opens one.  $NIXIE_RESOLV_CONF in `environment` (NULL: none) names another resolv.conf, unless
 * the program is setuid; in it a port may be given: `nameserver 127.0.0.1:5353`, `[::1]:5353`.
 * Reads that file and /etc/hosts; does not wait.  Returns 0, or -1 with errno: ENOMEM, or why a
 * file that is there cannot be read. */
int resolver_open(struct resolver **resolver, char *const *environment);

/* Closes it; lookups under way are dropped, their `done` is not called.  NULL is allowed.  Not
 * from inside a `done`. */
void resolver_close(struct resolver *resolver);

enum resolve_status {
    RESOLVE_OK,        /* there is at least one */
    RESOLVE_NO_DOMAIN, /* there is no such name, or it can be none: for good */
    RESOLVE_NO_DATA,   /* the name is there, but without such records: for good */
    RESOLVE_TROUBLE    /* no answer, no sensible one, a loop of CNAMEs, no memory: temporary */
};

struct mail_exchanger {
    char *name; /* as text, see dns.h, without a dot at the end; "" as the only one: the domain
                   takes no mail (RFC 7505) */
    unsigned preference;
};

/* Results live until `done` returns; with another status than RESOLVE_OK, `count` is 0. */
typedef void resolve_mx_done(void *context, enum resolve_status status,
                             const struct mail_exchanger *list, size_t count);
typedef void resolve_addresses_done(void *context, enum resolve_status status,
                                    const struct sockaddr_storage *list, size_t count);

/*
 * Both begin a lookup.  `done` is called once, from resolver_work or resolver_wait (from here only
 * if there is no memory even to begin), and may begin more.  `domain` and `name` are copied; a dot
 * at their end means nothing, and what can be no host name (empty, too long, blanks, backslashes)
 * is RESOLVE_NO_DOMAIN without asking.  CNAMEs are followed, 16 at most.
 */

/* The mail exchangers of a domain, sorted by preference, equal ones as answered.  Those that are no
 * host names (addresses, RFC 5321 5.1; "" beside others) are left out; if none is left:
 * RESOLVE_NO_DOMAIN.  RESOLVE_NO_DATA: the domain's own addresses take its mail (RFC 5321 5.1). */
void resolver_mx(struct resolver *resolver, const char *domain, resolve_mx_done *done,
                 void *context);

/* The addresses of a host, port 0: first all IPv4, then all IPv6, each as answered.  One of both
 * that is there is enough: if the other is not answered within 5 seconds more, it is left out.
 * A name that is an address (192.0.2.1, 2001:db8::1) gives it; names in /etc/hosts are those;
 * localhost and what is below it are 127.0.0.1 and ::1 (RFC 6761 6.3). */
void resolver_addresses(struct resolver *resolver, const char *name, resolve_addresses_done *done,
                        void *context);

/* Fills `polls` with what to wait for, at most `room` (have RESOLVER_POLLS); returns how many. */
size_t resolver_polls(struct resolver *resolver, struct pollfd *polls, size_t room);
/* How long poll may wait: milliseconds, 0 if there is something to do, -1 if nothing is under
 * way. */
int resolver_timeout_ms(struct resolver *resolver);
/* Goes on, after poll (also when it timed out); `polls` as resolver_polls filled them. */
void resolver_work(struct resolver *resolver, const struct pollfd *polls, size_t count);

/* Blocks until nothing is under way. */
void resolver_wait(struct resolver *resolver);

#endif
