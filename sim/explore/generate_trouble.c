/* SPDX-License-Identifier: ISC */
/* What happens in made-up scenarios besides mail. */
#include <string.h>

#include "sim/explore/generator.h"

#define SAY(...) fprintf(generator->to, __VA_ARGS__)

static const char *const programs[] = {"send",   "queue", "clean", "lspawn", "rspawn",
                                       "remote", "local", "smtpd", "listen", "log"};

static const char *on_host(const struct generator *generator, size_t host)
{
    static const char *const words[] = {" on mail", " on other"};

    return generator->host_count > 1 ? words[host] : "";
}

/* "at 5m", or an event of a message. */
static void write_trigger(struct generator *generator, bool may_be_before)
{
    static const char *const stages[] = {"S1", "S2", "S3", "S4", "S5"};
    static const char *const events[] = {"accepted", "tried", "delivered", "bounced"};
    char when[MOMENT_SIZE];
    unsigned message = 1 + (unsigned) below(generator, generator->message_count);

    switch (below(generator, 4)) {
    case 0:
        SAY("%s m%u enters %s", may_be_before && chance(generator, 30) ? "before" : "after",
            message, PICK(generator, stages));
        break;
    case 1:
        SAY("after m%u %s", message, PICK(generator, events));
        if (chance(generator, 50))
            SAY(" %s", moment(generator, when));
        break;
    default:
        SAY("at %s", moment(generator, when));
    }
}

/* --- each kind -------------------------------------------------------------------------------*/

static void write_order(struct generator *generator, size_t host)
{
    static const char *const verbs[] = {"retry", "hold", "release", "expire", "delete"};
    const char *verb = PICK(generator, verbs);
    unsigned message = 1 + (unsigned) below(generator, generator->message_count);
    char when[MOMENT_SIZE];
    bool all = chance(generator, 20);
    char what[24];

    snprintf(what, sizeof what, "m%u", message);
    write_trigger(generator, false);
    SAY(" %s %s%s if any\n", verb, all ? "all" : what, on_host(generator, host));
    if (strcmp(verb, "hold") == 0)
        SAY("at %s %s %s%s if any\n", moment(generator, when),
            chance(generator, 80) ? "release" : "expire", all ? "all" : what,
            on_host(generator, host));
}

static void write_signal(struct generator *generator, size_t host)
{
    static const char *const signals[] = {"ALRM", "HUP", "ALRM", "TERM"};

    write_trigger(generator, false);
    SAY(" signal send %s%s if any\n", PICK(generator, signals), on_host(generator, host));
}

static void write_stop(struct generator *generator, size_t host)
{
    unsigned minute = (unsigned) below(generator, 60);

    SAY("at %um stop %s\n", minute, host_text(host));
    SAY("at %um start %s\n", minute + 1 + (unsigned) small(generator, 0, 90), host_text(host));
}

static void write_kill(struct generator *generator, size_t host)
{
    write_trigger(generator, true);
    if (chance(generator, 20)) {
        SAY(" crash %s programs\n", host_text(host));
        return;
    }
    SAY(" kill %s%s if any\n", PICK(generator, programs), on_host(generator, host));
}

static void write_power(struct generator *generator, size_t host)
{
    static const char *const keeps[] = {"none", "all", "random", "random"};

    if (generator->remotes.count > 0 && chance(generator, 25))
        SAY("%s %s takes m%u", chance(generator, 30) ? "before" : "after",
            pick_name(generator, &generator->remotes),
            1 + (unsigned) below(generator, generator->message_count));
    else
        write_trigger(generator, true);
    SAY(" crash %s power keep %s\n", host_text(host), PICK(generator, keeps));
}

static void write_fault(struct generator *generator)
{
    static const char *const calls[] = {"fsync",  "syncfs", "open",    "write",
                                        "link",   "unlink", "read",    "spawn",
                                        "socket", "rename", "sendmsg", "recvmsg"};
    static const char *const errors[] = {"EIO", "ENOSPC", "ENOMEM", "EMFILE", "EIO"};

    const char *program = PICK(generator, programs), *call = PICK(generator, calls);

    /* A line of the log that is not written makes the judges see what is not. */
    if (strcmp(program, "send") == 0 && strcmp(call, "write") == 0)
        call = "fdatasync";
    SAY("fault %s %s %u %s", program, call,
        (unsigned) small(generator, 1, chance(generator, 50) ? 6 : 100), PICK(generator, errors));
    if (chance(generator, 30))
        SAY(" times %u", (unsigned) small(generator, 2, 20));
    SAY("\n");
}

static void write_full_disk(struct generator *generator, size_t host)
{
    unsigned minute = (unsigned) below(generator, 30);

    if (chance(generator, 50))
        SAY("at %um %s disk full\n", minute, host_text(host));
    else
        SAY("at %um %s disk free %u blocks\n", minute, host_text(host),
            (unsigned) small(generator, 1, 8));
    SAY("at %um %s disk room\n", minute + 1 + (unsigned) small(generator, 0, 60), host_text(host));
}

static void write_clock(struct generator *generator)
{
    static const char *const spans[] = {"1s", "10m", "1h", "30h", "10d"};

    write_trigger(generator, false);
    SAY(" clock %s %s\n", chance(generator, 50) ? "forward" : "back", PICK(generator, spans));
}

static void write_outage(struct generator *generator)
{
    static const char *const fates[] = {"refuse", "unreachable", "silent"};
    unsigned minute = (unsigned) below(generator, 60);
    const char *remote = pick_name(generator, &generator->remotes);

    if (chance(generator, 40)) {
        SAY("at %um %s down\n", minute, remote);
        SAY("at %um %s up\n", minute + 1 + (unsigned) small(generator, 0, 90), remote);
        return;
    }
    SAY("at %um network any to %s %s\n", minute, remote, PICK(generator, fates));
    SAY("at %um network any to %s open\n", minute + 1 + (unsigned) small(generator, 0, 90), remote);
}

/* --- all of it -------------------------------------------------------------------------------*/

static uint64_t how_often(struct generator *generator, enum feature feature)
{
    return generator->has[feature] ? small(generator, 1, 4) : 0;
}

static size_t some_host(struct generator *generator)
{
    return below(generator, generator->host_count);
}

static void write_happenings(struct generator *generator)
{
    for (uint64_t i = how_often(generator, F_ADMIN); i > 0; i--)
        write_order(generator, some_host(generator));
    for (uint64_t i = how_often(generator, F_SIGNALS); i > 0; i--)
        write_signal(generator, some_host(generator));
    if (generator->has[F_STOPS])
        write_stop(generator, some_host(generator));
    if (generator->has[F_FULL_DISK])
        write_full_disk(generator, some_host(generator));
    if (generator->has[F_CLOCK])
        write_clock(generator);
    if (generator->has[F_NETWORK] && generator->remotes.count > 0)
        write_outage(generator);
    for (uint64_t i = how_often(generator, F_KILLS); i > 0; i--)
        write_kill(generator, some_host(generator));
    for (uint64_t i = how_often(generator, F_POWER); i > 0; i--)
        write_power(generator, some_host(generator));
}

static void write_faults(struct generator *generator)
{
    for (uint64_t i = how_often(generator, F_FAULTS); i > 0; i--)
        write_fault(generator);
}

/* What happens, and that machines come up again. */
static void write_events(struct generator *generator)
{
    write_happenings(generator);
    if (!generator->has[F_POWER] && !generator->has[F_KILLS])
        return;
    for (size_t i = 0; i < generator->host_count; i++)
        SAY("after crash %us boot %s\n", (unsigned) small(generator, 0, 90), host_text(i));
}

void generate_trouble(struct generator *generator)
{
    write_part(generator, write_faults);
    write_part(generator, write_events);
}
