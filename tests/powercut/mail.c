/* SPDX-License-Identifier: ISC */
#include "tests/powercut/mail.h"
#include "sim/kernel/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBJECT "Subject: powercut "

const char *const mail_users[MAIL_USERS] = {"bob", "alice"};

bool mail_is_for(unsigned number, unsigned user)
{
    return number % 3 == 2 || number % 3 == user;
}

/* Most are short; some are longer than a page, some than many. */
static size_t lines_of(struct random *random)
{
    static const unsigned bounds[] = {10, 10, 10, 10, 200, 200, 200, 2500};
    return 1 + random_below(random, bounds[random_below(random, 8)]);
}

static void write_body(FILE *to, unsigned number, const char *end)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789";
    struct random random;
    random_seed(&random, number, 9);
    for (size_t lines = lines_of(&random); lines > 0; lines--) {
        fputc('a' + (int) random_below(&random, 26), to);
        for (size_t length = random_below(&random, 70); length > 0; length--)
            fputc(letters[random_below(&random, sizeof letters - 1)], to);
        fputs(end, to);
    }
}

char *mail_text(unsigned number, const char *end, size_t *size)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, size);
    fprintf(to, "From: cut@client.example%s", end);
    for (unsigned user = 0; user < MAIL_USERS; user++)
        if (mail_is_for(number, user))
            fprintf(to, "To: %s@" MAIL_DOMAIN "%s", mail_users[user], end);
    fprintf(to, SUBJECT "%u%s%s", number, end, end);
    write_body(to, number, end);
    fclose(to);
    return text;
}

unsigned mail_read(const char *bytes, size_t size)
{
    size_t wanted_size;
    const char *subject = memmem(bytes, size, "\n" SUBJECT, strlen("\n" SUBJECT));
    unsigned number = 0;
    if (!subject)
        return 0;
    const char *digit = subject + strlen("\n" SUBJECT), *end = bytes + size;
    while (digit < end && *digit >= '0' && *digit <= '9' && number < 100000000)
        number = number * 10 + (unsigned) (*digit++ - '0');
    char *wanted = mail_text(number, "\n", &wanted_size);
    const char *same = strstr(wanted, "\n" SUBJECT);
    size_t rest = wanted_size - (size_t) (same - wanted);
    bool whole = (size_t) (end - subject) == rest && memcmp(subject, same, rest) == 0;
    free(wanted);
    return whole ? number : 0;
}
