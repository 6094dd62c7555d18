/* SPDX-License-Identifier: ISC */
#include "mta/lspawn/lspawn.h"

#include <string.h>

static int begin(struct buf *report, unsigned slot)
{
    buf_reset(report);
    char bytes[2] = {(char) (slot & 255), (char) (slot >> 8)};
    return buf_add(report, bytes, 2);
}

int report_build_text(struct buf *report, unsigned slot, const char *text)
{
    if (begin(report, slot) < 0 || buf_add_text(report, text) < 0)
        return -1;
    return buf_add_byte(report, 0);
}

/* Exit codes of qmail-local's interface: 111 and sysexits' OSERR, IOERR, TEMPFAIL are soft.  127 is
 * the dynamic linker's, for want of memory or descriptors, say: nothing was even begun. */
static char letter_of(int exit_code)
{
    switch (exit_code) {
    case 0:
        return 'K';
    case 111:
    case 71:
    case 74:
    case 75:
    case 127:
        return 'Z';
    default:
        return 'D';
    }
}

int report_build(struct buf *report, unsigned slot, int exit_code, const struct buf *output,
                 bool cut)
{
    static const char long_text[] = "\nError report too long, sorry.\n";
    if (exit_code == EXIT_CRASHED)
        return report_build_text(report, slot, "Znixie-local crashed.\n");
    size_t size = output->length;
    if (cut && size > REPORT_MAX - sizeof long_text)
        size = REPORT_MAX - sizeof long_text;
    const char *nul = size ? memchr(output->data, 0, size) : NULL;
    if (nul)
        size = (size_t) (nul - output->data);
    if (begin(report, slot) < 0 || buf_add_byte(report, letter_of(exit_code)) < 0 ||
        buf_add(report, output->data, size) < 0)
        return -1;
    if (cut && buf_add_text(report, long_text) < 0)
        return -1;
    return buf_add_byte(report, 0);
}
