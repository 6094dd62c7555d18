/* SPDX-License-Identifier: ISC */
/* network: what lies between machines. */
#include <string.h>

#include "sim/scenario/check_rule.h"
#include "sim/scenario/checker.h"
#include "sim/scenario/cursor.h"

#define NETWORK                                                                                    \
    "network A to B [delay TIME] [bandwidth N bytes] [open|refuse|unreachable|silent], or "        \
    "network A to B reset|silent after N bytes from client|server [connection K]"
#define ANY_MACHINE                                                                                \
    (1u << ACTOR_ANY | 1u << ACTOR_HOST | 1u << ACTOR_REMOTE | 1u << ACTOR_CLIENT | 1u << ACTOR_DNS)

/* "after N bytes from client|server [connection K]", behind reset or silent. */
static void need_cut(struct cursor *cursor, struct network *network, enum network_cut cut)
{
    if (network->sets_delay || network->sets_bandwidth || network->sets_fate)
        cursor_fail(cursor, "a cut stands alone: say the rest in another statement");
    network->cut = cut;
    cursor_need(cursor, "after");
    network->cut_bytes = need_bytes(cursor, 0);
    cursor_need(cursor, "from");
    network->cut_by_client = cursor_take(cursor, "client");
    if (!network->cut_by_client && !cursor_take(cursor, "server"))
        cursor_fail(cursor, "expected client or server: who sends the bytes that are counted");
    if (cursor_take(cursor, "connection"))
        network->cut_connection = cursor_need_number(cursor, 1, 1000000000);
}

static bool stands_after(const struct cursor *cursor)
{
    struct cursor copy = *cursor;

    copy.at++;
    return cursor_take(&copy, "after");
}

static bool take_fate(struct cursor *cursor, struct network *network)
{
    static const struct {
        const char *keyword;
        enum network_fate fate;
    } fates[] = {{"open", FATE_OPEN},
                 {"refuse", FATE_REFUSE},
                 {"unreachable", FATE_UNREACHABLE},
                 {"silent", FATE_SILENT}};

    for (size_t i = 0; i < sizeof fates / sizeof *fates; i++)
        if (!network->sets_fate && cursor_take(cursor, fates[i].keyword)) {
            network->sets_fate = true;
            network->fate = fates[i].fate;
            return true;
        }
    return false;
}

static bool take_setting(struct cursor *cursor, struct network *network)
{
    if (!network->sets_delay && cursor_take(cursor, "delay")) {
        network->sets_delay = true;
        network->delay_ns = cursor_need_time(cursor).ns;
        return true;
    }
    if (!network->sets_bandwidth && cursor_take(cursor, "bandwidth")) {
        network->sets_bandwidth = true;
        network->bandwidth = need_bytes(cursor, 1);
        return true;
    }
    return take_fate(cursor, network);
}

void need_network(struct cursor *cursor, struct network *network)
{
    static const char *const names[] = {"delay",       "bandwidth", "open",  "refuse",
                                        "unreachable", "silent",    "reset", NULL};
    const char *word;

    cursor->syntax = NETWORK;
    network->at = cursor_position(cursor);
    network->from = need_actor(cursor, ANY_MACHINE, "a machine, or any");
    cursor_need(cursor, "to");
    network->to = need_actor(cursor, ANY_MACHINE, "a machine, or any");
    if (network->from.kind != ACTOR_ANY && network->from.kind == network->to.kind &&
        network->from.index == network->to.index) {
        cursor->at--;
        cursor_fail(cursor, "there is no network between a machine and itself");
    }
    if (cursor_take(cursor, "reset")) {
        need_cut(cursor, network, CUT_RESET);
        return;
    }
    if (stands_after(cursor) && cursor_take(cursor, "silent")) {
        need_cut(cursor, network, CUT_SILENT);
        return;
    }
    while (take_setting(cursor, network))
        continue;
    word = cursor_peek(cursor);
    if (!network->sets_delay && !network->sets_bandwidth && !network->sets_fate && word) {
        complain_unknown(cursor->checker, cursor_position(cursor), "thing that a network does",
                         word, names);
        cursor->failed = true;
    } else if (!network->sets_delay && !network->sets_bandwidth && !network->sets_fate) {
        cursor_fail(cursor, "what of it? The form is: %s", cursor->syntax);
    }
}

void check_network(struct checker *checker, const struct statement *statement)
{
    struct cursor cursor = cursor_open(checker, statement, NETWORK);
    struct network network = {.cut = CUT_NONE};

    cursor.at = 1;
    need_network(&cursor, &network);
    network.at = statement->at;
    if (cursor_done(&cursor))
        *POOL_ADD(checker->pool, checker->scenario->networks, checker->scenario->network_count) =
            network;
}
