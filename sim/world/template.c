/* SPDX-License-Identifier: ISC */
#include "sim/world/template.h"

#include <stdlib.h>
#include <string.h>

#include "sim/kernel/vfs.h"
#include "sim/world/pool.h"
#include "sim/world/world.h"

static bool is_for(const struct template *template, const struct world_options *options)
{
    return template->seed == options->kernel.seed && template->disk == options->disk;
}

const struct vfs *template_files(const struct world_options *options, size_t index)
{
    const struct template *template = options->template;

    return template && is_for(template, options) && index < template->count ? template->files[index]
                                                                            : NULL;
}

void template_keep(const struct world_options *options, size_t index, const struct host *host)
{
    struct template *template = options->template;

    if (!template || template_files(options, index))
        return;
    if (!is_for(template, options)) {
        template_free(template);
        template->seed = options->kernel.seed;
        template->disk = options->disk;
    }
    while (template->count <= index)
        (void) LIST_ADD(template->files, template->count);
    template->files[index] = vfs_copy(host_vfs(host), NULL, NULL);
}

void template_free(struct template *template)
{
    for (size_t i = 0; i < template->count; i++)
        vfs_destroy(template->files[i]);
    free(template->files);
    memset(template, 0, sizeof *template);
}
