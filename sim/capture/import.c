/* SPDX-License-Identifier: ISC */
/* A capture as a scenario: the order of things. */
#include "sim/capture/import.h"

#include <stdarg.h>
#include <string.h>

#include "sim/capture/import_internal.h"
#include "sim/capture/text.h"

#define NOTES_MAX 2000

void import_note(struct import *import, const char *format, ...)
{
    char text[400];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (size_t i = import->note_count; i-- > 0 && i + 32 > import->note_count;)
        if (strcmp(import->notes[i], text) == 0)
            return;
    import->result->notes++;
    if (import->note_count == NOTES_MAX)
        return;
    if (import->note_count + 1 == NOTES_MAX)
        strcpy(text, "and more");
    *POOL_ADD(&import->pool, import->notes, import->note_count) = pool_text(&import->pool, text);
    if (import->options->notes) {
        text_escape(import->options->notes, text, strlen(text));
        fputc('\n', import->options->notes);
    }
}

void import_capture(const struct capture *capture, const struct import_options *options,
                    struct import_result *result)
{
    struct import import = {.capture = capture,
                            .options = options,
                            .result = result,
                            .inline_left = IMPORT_INLINES_MAX,
                            .rules_left = IMPORT_RULES_MAX,
                            .expects_left = IMPORT_EXPECTS_MAX};

    memset(result, 0, sizeof *result);
    import_sessions(&import);
    import_story(&import);
    import_choose_domain(&import);
    if (options->side == IMPORT_SERVER) {
        import_write_server(&import, options->to);
    } else {
        import_events(&import);
        import_write(&import, options->to);
    }
    for (size_t i = 0; i < import.message_count; i++)
        result->messages += options->side == IMPORT_CLIENT || !import.messages[i].made_up;
    import_sessions_free(&import);
    pool_free(&import.pool);
}
