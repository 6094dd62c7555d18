/* SPDX-License-Identifier: ISC */
/* A user's mail is for him: no mailbox, and no file in one, may be read or written by others, or is
 * another's; and his programs run as him, and have what is theirs (judge.h). */
#include <string.h>

#include "sim/world/home.h"
#include "sim/world/internal.h"
#include "sim/world/judge.h"

/* Standard input, output and error. */
#define DESCRIPTORS 3

/* The file, with a reference; NULL: it is not there. */
static struct inode *find_file(struct host *host, const char *path)
{
    struct vfs *vfs = host_vfs(host);
    struct cred root = {.uid = 0};
    struct inode *inode;

    return vfs_lookup(vfs, &root, vfs_root(vfs), path, true, &inode) < 0 ? NULL : inode;
}

const struct user_spec *user_named(const struct machine *machine, const char *name, size_t size)
{
    for (size_t i = 0; machine->spec && i < machine->spec->user_count; i++)
        if (strlen(machine->spec->users[i].name) == size &&
            memcmp(machine->spec->users[i].name, name, size) == 0)
            return &machine->spec->users[i];
    return NULL;
}

static void judge_file(struct world *world, const struct copy *copy, const struct inode *inode)
{
    static const char home[] = "/home/";
    const struct machine *machine = &world->machines[copy->machine];
    const struct user_spec *user = NULL;

    if (strncmp(copy->path, home, sizeof home - 1) == 0)
        user = user_named(machine, copy->path + sizeof home - 1,
                          strcspn(copy->path + sizeof home - 1, "/"));
    if (inode_mode(inode) & 077)
        world_accuse(world, "PRIVATE", copy->letter, copy->bounce,
                     "%s is open to others: its mode is %04o", copy->path,
                     (unsigned) inode_mode(inode) & 07777);
    else if (user && inode_uid(inode) != home_uid(machine->spec, user))
        world_accuse(world, "PRIVATE", copy->letter, copy->bounce,
                     "%s belongs to user %u, not to %s", copy->path, (unsigned) inode_uid(inode),
                     user->name);
}

/* The power was lost before the name of the mbox was durable: it may lead to another file since,
 * which has the mode that it was made with. */
static bool may_lead_elsewhere(const struct world *world, const struct copy *copy)
{
    static const char added[] = ": entry added";
    const char *path = copy->path + 1;
    size_t length = strlen(path);

    for (size_t i = 0; i < world->upset_count && copy->kind == COPY_MBOX; i++)
        for (size_t k = 0; k < world->upsets[i].lost_count; k++) {
            const char *lost = world->upsets[i].lost[k];

            if (world->upsets[i].machine == copy->machine && strncmp(lost, path, length) == 0 &&
                strncmp(lost + length, added, sizeof added - 1) == 0)
                return true;
        }
    return false;
}

static void judge_copy(struct world *world, const struct copy *copy)
{
    struct inode *inode = NULL;

    if (copy->kind == COPY_MAILDIR || (copy->kind == COPY_MBOX && !may_lead_elsewhere(world, copy)))
        inode = find_file(world->machines[copy->machine].host, copy->path);
    if (!inode)
        return;
    judge_file(world, copy, inode);
    inode_unref(inode);
}

static void judge_run(struct world *world, const struct program_run *run)
{
    const struct machine *machine = &world->machines[run->machine];
    const char *name = run_variable(run, "USER");
    const struct user_spec *user = name ? user_named(machine, name, strlen(name)) : NULL;

    if (run->descriptors > DESCRIPTORS)
        world_accuse(world, "PRIVATE", NO_LETTER, 0,
                     "the program %s was given %u descriptors of the server's", run->program,
                     run->descriptors - DESCRIPTORS)
            ->time_ns = run->start_ns;
    if (run->descriptors > 0 && user && run->uid != home_uid(machine->spec, user))
        world_accuse(world, "PRIVATE", NO_LETTER, 0, "the program %s of %s ran as user %u",
                     run->program, user->name, (unsigned) run->uid)
            ->time_ns = run->start_ns;
}

void judge_privacy(struct world *world)
{
    for (size_t i = 0; i < world->copy_count; i++)
        judge_copy(world, &world->copies[i]);
    for (size_t i = 0; i < world->run_count; i++)
        judge_run(world, &world->runs[i]);
}
