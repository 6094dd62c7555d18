/* SPDX-License-Identifier: ISC */
/* The disk models by name. */
#include "sim/kernel/vfs_internal.h"

#include <string.h>

const struct disk_model *const disk_models[] = {&disk_honest, &disk_ffs,    &disk_ext4, &disk_xfs,
                                                &disk_btrfs,  &disk_strict, NULL};

#define OVERLAYS(model)                                                                            \
    {.name = #model "+fsync-eio", .base = &disk_##model, .overlays = OVERLAY_FSYNC_EIO},           \
    {                                                                                              \
        .name = #model "+liar", .base = &disk_##model, .overlays = OVERLAY_LIAR                    \
    }

static const struct disk_model overlays[] = {
    OVERLAYS(honest),
    OVERLAYS(ffs),
    OVERLAYS(ext4),
    OVERLAYS(xfs),
    OVERLAYS(btrfs),
    OVERLAYS(strict),
    {.name = "fsync-eio", .base = &disk_strict, .overlays = OVERLAY_FSYNC_EIO},
    {.name = "liar", .base = &disk_strict, .overlays = OVERLAY_LIAR},
};

const struct disk_model *disk_model_named(const char *name)
{
    for (size_t i = 0; disk_models[i]; i++)
        if (strcmp(disk_models[i]->name, name) == 0)
            return disk_models[i];
    for (size_t i = 0; i < sizeof overlays / sizeof *overlays; i++)
        if (strcmp(overlays[i].name, name) == 0)
            return &overlays[i];
    return NULL;
}

const char *disk_model_name(const struct disk_model *model)
{
    return model->name;
}
