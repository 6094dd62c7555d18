/* SPDX-License-Identifier: ISC */
/* The disk models by name. */
#include "sim/kernel/vfs_internal.h"

#include <string.h>

const struct disk_model *const disk_models[] = {&disk_honest, &disk_ffs, &disk_ext4, &disk_strict,
                                                NULL};

const struct disk_model *disk_model_named(const char *name)
{
    for (size_t i = 0; disk_models[i]; i++)
        if (strcmp(disk_models[i]->name, name) == 0)
            return disk_models[i];
    return NULL;
}

const char *disk_model_name(const struct disk_model *model)
{
    return model->name;
}
