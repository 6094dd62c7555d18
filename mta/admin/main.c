/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "mta/admin/admin.h"
#include "mta/lib/clock.h"
#include "mta/lib/error.h"
#include "mta/lib/home.h"
#include "mta/lib/io.h"
#include "mta/lib/mark.h"
#include "mta/lib/mem.h"
#include "mta/lib/num.h"

const struct verb_name verb_names[] = {
    [VERB_LIST] = {"list", "listed"},
    [VERB_RETRY] = {"retry", "will be tried now"},
    [VERB_HOLD] = {"hold", "held"},
    [VERB_RELEASE] = {"release", "released"},
    [VERB_EXPIRE] = {"expire", "will expire"},
    [VERB_DELETE] = {"delete", "deleted"},
};
#define VERB_COUNT (sizeof verb_names / sizeof *verb_names)

int complain(int status, const char *what, const char *detail)
{
    struct buf line = BUF_INIT(4096);
    if (buf_add_text(&line, "nixie-admin: ") == 0 && buf_add_text(&line, what) == 0 &&
        buf_add_text(&line, detail) == 0 && buf_add_byte(&line, '\n') == 0)
        io_write(2, line.data, line.length);
    buf_free(&line);
    return status;
}

static int usage(const char *what, const char *detail)
{
    complain(ADMIN_WRONG, what, detail);
    return complain(ADMIN_WRONG,
                    "usage: nixie-admin list|retry|hold|release|expire|delete SELECTION...: ",
                    "numbers, all, held, from=PATTERN, to=PATTERN, older=TIME");
}

static void complain_of(uint64_t number, const char *reason)
{
    char digits[NUM_DIGITS];
    struct buf text = BUF_INIT(1000);
    num_format(digits, number);
    if (buf_add_text(&text, "message ") == 0 && buf_add_text(&text, digits) == 0 &&
        buf_add_text(&text, ": ") == 0 && buf_text(&text))
        complain(ADMIN_NOT_DONE, text.data, reason);
    buf_free(&text);
}

void order_note(struct order *order, uint64_t number, const char *reason)
{
    for (size_t low = 0, high = order->numbers->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        uint64_t found = order->numbers->numbers[middle];
        if (found == number) {
            order->outcomes[middle] = reason ? OUTCOME_REFUSED : OUTCOME_DONE;
            break;
        }
        if (found < number)
            low = middle + 1;
        else
            high = middle;
    }
    if (reason)
        complain_of(number, reason);
}

/* --- choosing ------------------------------------------------------------------------------ */

struct admin {
    struct buf home;
    struct rewrite rewrite;
    bool has_rewrite;
    enum verb verb;
    struct selection selection;
    struct view_numbers chosen;
    size_t trouble; /* messages that could not be read or are not there */
    struct output output;
};

static int read_words(struct admin *admin, int argc, char **argv)
{
    size_t verb = 0;
    if (argc < 2)
        return usage("which command?", "");
    while (verb < VERB_COUNT && strcmp(verb_names[verb].name, argv[1]) != 0)
        verb++;
    if (verb == VERB_COUNT)
        return usage("unknown command: ", argv[1]);
    admin->verb = (enum verb) verb;
    admin->selection.older = -1;
    for (int i = 2; i < argc; i++) {
        const char *wrong = selection_add(&admin->selection, argv[i]);
        if (wrong)
            return usage(wrong, ""), complain(ADMIN_WRONG, "it says: ", argv[i]);
    }
    selection_end(&admin->selection);
    if (verb != VERB_LIST && selection_is_empty(&admin->selection))
        return usage("which messages? (`all` for every one)", "");
    return ADMIN_DONE;
}

static int enter(struct admin *admin, char *const *environment)
{
    if (home_enter(environment, &admin->home) < 0)
        return complain(ADMIN_LACKING, "unable to switch to the home: ", error_text(errno));
    if (rewrite_load(&admin->rewrite) < 0)
        return complain(ADMIN_LACKING, "unable to read the control files: ", error_text(errno));
    admin->has_rewrite = true;
    admin->selection.rewrite = &admin->rewrite;
    if (chdir("queue") < 0)
        return complain(ADMIN_LACKING, "unable to switch to the queue: ", error_text(errno));
    return ADMIN_DONE;
}

/* One message: listed, or chosen for later. */
static int look_at(struct admin *admin, struct view *view, uint64_t number)
{
    int found = view_read(view, number);
    bool named = admin->selection.numbers.count;
    if (found == 0 && !named)
        return 0; /* it has ended in the meantime */
    if (found <= 0) {
        complain_of(number, found < 0 ? error_text(errno) : "there is no such message");
        admin->trouble++;
        return 0;
    }
    int64_t now = clock_wall();
    unsigned marks = mark_read(number);
    if (!selection_has(&admin->selection, view, marks, now))
        return 0;
    if (admin->verb == VERB_LIST)
        list_message(&admin->output, &admin->rewrite, view, marks, now);
    return view_numbers_put(&admin->chosen, number);
}

static int choose(struct admin *admin)
{
    struct view_numbers all = {0};
    struct view view = {0};
    const struct view_numbers *from = &admin->selection.numbers;
    int result = 0;
    if (!from->count) {
        from = &all;
        /* todo first: what moves on to info in the meantime is not missed */
        result = view_numbers_add(&all, SPOOL_TODO);
        if (result == 0)
            result = view_numbers_add(&all, SPOOL_INFO);
        view_numbers_sort(&all);
    }
    for (size_t i = 0; i < from->count && result == 0; i++)
        result = look_at(admin, &view, from->numbers[i]);
    int saved = errno;
    view_free(&view);
    view_numbers_free(&all);
    if (result < 0)
        return complain(ADMIN_LACKING, "unable to read the queue: ", error_text(saved));
    return ADMIN_DONE;
}

/* --- doing --------------------------------------------------------------------------------- */

static void tell(struct admin *admin, const struct order *order)
{
    size_t done = 0;
    for (size_t i = 0; i < order->numbers->count; i++)
        done += order->outcomes[i] == OUTCOME_DONE;
    admin->trouble += order->numbers->count - done;
    output_number(&admin->output, done);
    output_text(&admin->output, done == 1 ? " message " : " messages ");
    output_text(&admin->output, verb_names[order->verb].done);
    output_text(&admin->output, "\n");
}

static int perform(struct admin *admin)
{
    size_t count = admin->chosen.count;
    if (!count)
        return admin->trouble ? ADMIN_NOT_DONE
                              : complain(ADMIN_NOT_DONE, "no message is selected", "");
    struct order order = {.verb = admin->verb, .numbers = &admin->chosen};
    order.outcomes = mem_alloc(count);
    if (!order.outcomes)
        return complain(ADMIN_LACKING, "out of memory", "");
    memset(order.outcomes, OUTCOME_OPEN, count);
    int status = ask_server(&order);
    if (status == ADMIN_DONE && memchr(order.outcomes, OUTCOME_OPEN, count))
        status = do_directly(&order);
    tell(admin, &order);
    mem_free(order.outcomes);
    return status;
}

static int run(struct admin *admin, int argc, char **argv, char *const *environment)
{
    int status = read_words(admin, argc, argv);
    if (status == ADMIN_DONE)
        status = enter(admin, environment);
    if (status == ADMIN_DONE)
        status = choose(admin);
    if (status == ADMIN_DONE && admin->verb != VERB_LIST)
        status = perform(admin);
    if (output_end(&admin->output) < 0)
        status = complain(ADMIN_LACKING, "unable to write: ", error_text(errno));
    return status == ADMIN_DONE && admin->trouble ? ADMIN_NOT_DONE : status;
}

int main(int argc, char **argv, char **environment)
{
    struct admin admin = {0};
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, NULL);
    int status = run(&admin, argc, argv, environment);
    selection_free(&admin.selection);
    view_numbers_free(&admin.chosen);
    if (admin.has_rewrite)
        rewrite_free(&admin.rewrite);
    buf_free(&admin.home);
    return status;
}
