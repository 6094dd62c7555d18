/* SPDX-License-Identifier: ISC */
#include "sim/world/home.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/programs.h"

enum owner { ROOT, QUEUE, SEND, REMOTE, SMTPD, LOG, TLS, ALIAS, OWNER_COUNT };

#define GROUP_NIXIE 600
#define PATH_SIZE 400

static const char *const owner_names[OWNER_COUNT] = {"root",   "nixieq", "nixies", "nixier",
                                                     "nixied", "nixiel", "nixiet", "alias"};

static const struct {
    const char *path;
    enum owner owner;
    bool grouped;
    mode_t mode;
} directories[] = {
    {"", ROOT, false, 0755},
    {"/bin", ROOT, false, 0755},
    {"/control", ROOT, false, 0755},
    {"/users", ROOT, false, 0755},
    {"/alias", ALIAS, true, 0755},
    {"/queue", QUEUE, true, 0750},
    {"/queue/pid", QUEUE, true, 0700},
    {"/queue/intd", QUEUE, true, 0700},
    {"/queue/mess", QUEUE, true, 0750},
    {"/queue/todo", QUEUE, true, 0750},
    {"/queue/info", SEND, true, 0700},
    {"/queue/local", SEND, true, 0700},
    {"/queue/remote", SEND, true, 0700},
    {"/queue/bounce", SEND, true, 0700},
    {"/queue/mark", SEND, true, 0700},
    {"/queue/corrupt", SEND, true, 0770},
    {"/queue/lock", QUEUE, true, 0750},
    {"/run", QUEUE, true, 0755},
    {"/log", LOG, true, 0755},
};

struct builder {
    struct host *host;
    const struct home_spec *spec;
    int error; /* -errno of the first failure */
};

static uid_t owner_uid(const struct home_spec *spec, enum owner owner)
{
    if (spec->single_user)
        return HOME_OWNER;
    return owner == ROOT ? 0 : (uid_t) (GROUP_NIXIE + owner);
}

static gid_t owner_gid(const struct home_spec *spec, bool grouped)
{
    return spec->single_user ? HOME_OWNER : grouped ? GROUP_NIXIE : 0;
}

uid_t home_uid(const struct home_spec *spec, const struct user_spec *user)
{
    if (spec->single_user)
        return HOME_OWNER;
    return user ? user->uid : 0;
}

void home_register_programs(struct kernel *kernel)
{
    for (const struct program *program = programs; program->name; program++)
        kernel_register_program(kernel, program->name, program->main);
}

static void make_directory(struct builder *builder, const char *path, uid_t uid, gid_t gid,
                           mode_t mode)
{
    int result = host_make_directory(builder->host, path, uid, gid, mode);

    if (result < 0 && result != -EEXIST && builder->error == 0)
        builder->error = result;
}

static void write_file(struct builder *builder, const char *path, struct text text, uid_t uid,
                       gid_t gid, mode_t mode)
{
    int result = host_write_file(builder->host, path, text.data, text.size, uid, gid, mode);

    if (result < 0 && builder->error == 0)
        builder->error = result;
}

static void write_program(struct builder *builder, const char *directory, const char *name,
                          const char *program, uid_t uid, gid_t gid, mode_t mode)
{
    char path[PATH_SIZE], text[PATH_SIZE];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    snprintf(text, sizeof text, "#!nixie %s\n", program);
    write_file(builder, path, (struct text){text, strlen(text)}, uid, gid, mode);
}

void home_add_accounts(struct host *host, const struct home_spec *spec)
{
    char path[PATH_SIZE];

    host_add_group(host, "nixie", owner_gid(spec, true));
    for (enum owner owner = ROOT; owner < OWNER_COUNT; owner++) {
        host_add_user(host, owner_names[owner], owner_uid(spec, owner),
                      owner == ROOT ? owner_gid(spec, false) : owner_gid(spec, true),
                      owner == ROOT    ? "/root"
                      : owner == ALIAS ? HOME_DIRECTORY "/alias"
                                       : HOME_DIRECTORY);
    }
    for (size_t i = 0; i < spec->user_count; i++) {
        uid_t uid = home_uid(spec, &spec->users[i]);

        snprintf(path, sizeof path, "/home/%s", spec->users[i].name);
        host_add_group(host, spec->users[i].name, (gid_t) uid);
        host_add_user(host, spec->users[i].name, uid, (gid_t) uid, path);
    }
}

static void make_spool(struct builder *builder)
{
    const struct home_spec *spec = builder->spec;
    struct text empty = {"", 0};
    char path[PATH_SIZE];
    int result;

    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        snprintf(path, sizeof path, HOME_DIRECTORY "%s", directories[i].path);
        make_directory(builder, path, owner_uid(spec, directories[i].owner),
                       owner_gid(spec, directories[i].grouped), directories[i].mode);
    }
    write_file(builder, HOME_QUEUE "/lock/sendmutex", empty, owner_uid(spec, SEND),
               owner_gid(spec, true), 0600);
    result = host_make_fifo(builder->host, HOME_QUEUE "/lock/trigger", owner_uid(spec, SEND),
                            owner_gid(spec, true), 0622);
    if (result < 0 && builder->error == 0)
        builder->error = result;
    for (const struct program *program = programs; program->name; program++) {
        bool setuid = strcmp(program->name, "nixie-queue") == 0 && !spec->single_user;

        if (strncmp(program->name, "nixie-", 6) == 0)
            write_program(builder, HOME_DIRECTORY "/bin", program->name, program->name,
                          owner_uid(spec, setuid ? QUEUE : ROOT), owner_gid(spec, setuid),
                          setuid ? 04711 : 0755);
    }
    write_program(builder, "/bin", "sh", "sh", 0, 0, 0755);
}

static void write_control(struct builder *builder, const char *name, struct text text)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, HOME_DIRECTORY "/control/%s", name);
    write_file(builder, path, text, owner_uid(builder->spec, ROOT), owner_gid(builder->spec, false),
               0644);
}

static const struct text *find_control(const struct home_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->control_count; i++)
        if (strcmp(spec->controls[i].name, name) == 0)
            return &spec->controls[i].text;
    return NULL;
}

/* What a host that listens needs: where, and for which domains it takes mail from anybody. */
static void write_smtp_controls(struct builder *builder, struct text domain)
{
    const struct home_spec *spec = builder->spec;
    const struct text *locals = find_control(spec, "locals");
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    if (!to) {
        builder->error = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < spec->address_count; i++) {
        bool v6 = strchr(spec->addresses[i], ':') != NULL;

        fprintf(to, "%s%s%s:25\n", v6 ? "[" : "", spec->addresses[i], v6 ? "]" : "");
    }
    fclose(to);
    if (!find_control(spec, "listen"))
        write_control(builder, "listen", (struct text){text, size});
    if (!find_control(spec, "rcpthosts"))
        write_control(builder, "rcpthosts", locals ? *locals : domain);
    free(text);
}

static void write_controls(struct builder *builder)
{
    const struct home_spec *spec = builder->spec;
    char domain[PATH_SIZE];
    int size = snprintf(domain, sizeof domain, "%s\n", spec->domain);
    struct text text = {domain, (size_t) size < sizeof domain ? (size_t) size : 0};

    if (!find_control(spec, "me"))
        write_control(builder, "me", text);
    if (!find_control(spec, "locals"))
        write_control(builder, "locals", text);
    if (spec->smtp)
        write_smtp_controls(builder, text);
    if (spec->single_user)
        write_control(builder, "singleuser", (struct text){"", 0});
    for (size_t i = 0; i < spec->control_count; i++)
        write_control(builder, spec->controls[i].name, spec->controls[i].text);
}

static void make_maildir(struct builder *builder, const char *home, const char *name, uid_t uid)
{
    static const char *const parts[] = {"", "/tmp", "/new", "/cur"};
    char path[3 * PATH_SIZE];

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(path, sizeof path, "%s/%s%s", home, name, parts[i]);
        make_directory(builder, path, uid, (gid_t) uid, 0700);
    }
}

static void make_user(struct builder *builder, const struct user_spec *user)
{
    uid_t uid = home_uid(builder->spec, user);
    char home[PATH_SIZE], path[2 * PATH_SIZE];

    snprintf(home, sizeof home, "/home/%s", user->name);
    make_directory(builder, home, uid, (gid_t) uid, user->home_mode);
    make_maildir(builder, home, "Maildir", uid);
    for (size_t i = 0; i < user->maildir_count; i++)
        make_maildir(builder, home, user->maildirs[i], uid);
    for (size_t i = 0; i < user->qmail_count; i++) {
        snprintf(path, sizeof path, "%s/.qmail%s", home, user->qmail[i].name);
        write_file(builder, path, user->qmail[i].text, uid, (gid_t) uid, 0644);
    }
}

/* In single-user mode nobody looks at the system's users: users/assign says who there is. */
static void write_assign(struct builder *builder)
{
    const struct home_spec *spec = builder->spec;
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    if (!to) {
        builder->error = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < spec->user_count; i++) {
        const char *name = spec->users[i].name;

        fprintf(to, "=%s:%s:%d:%d:/home/%s:::\n", name, name, HOME_OWNER, HOME_OWNER, name);
        fprintf(to, "+%s-:%s:%d:%d:/home/%s:-::\n", name, name, HOME_OWNER, HOME_OWNER, name);
    }
    fprintf(to, "+:alias:%d:%d:" HOME_DIRECTORY "/alias:-::\n.\n", HOME_OWNER, HOME_OWNER);
    fclose(to);
    write_file(builder, HOME_DIRECTORY "/users/assign", (struct text){text, size}, HOME_OWNER,
               HOME_OWNER, 0644);
    free(text);
}

static void write_resolv_conf(struct builder *builder, const struct dns_spec *dns)
{
    char text[1000];
    size_t used = 0;

    for (size_t i = 0; i < dns->address_count && used + 60 < sizeof text; i++)
        used += (size_t) snprintf(text + used, sizeof text - used, "nameserver %.46s\n",
                                  dns->addresses[i]);
    write_file(builder, "/etc/resolv.conf", (struct text){text, used}, 0, 0, 0644);
}

/* How the host finds others by name. */
static void write_network_files(struct builder *builder, const struct dns_spec *dns)
{
    const struct home_spec *spec = builder->spec;
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    if (!to) {
        builder->error = -ENOMEM;
        return;
    }
    fputs("127.0.0.1 localhost\n::1 localhost\n", to);
    for (size_t i = 0; i < spec->address_count; i++)
        fprintf(to, "%s %s.%s %s\n", spec->addresses[i], spec->name, spec->domain, spec->name);
    fclose(to);
    write_file(builder, "/etc/hosts", (struct text){text, size}, 0, 0, 0644);
    free(text);
    write_resolv_conf(builder, dns);
}

int home_build(struct host *host, const struct home_spec *spec, const struct dns_spec *dns)
{
    struct builder builder = {host, spec, 0};
    char path[PATH_SIZE];

    make_spool(&builder);
    write_controls(&builder);
    for (size_t i = 0; i < spec->user_count; i++)
        make_user(&builder, &spec->users[i]);
    if (spec->single_user)
        write_assign(&builder);
    for (size_t i = 0; i < spec->alias_count; i++) {
        snprintf(path, sizeof path, HOME_DIRECTORY "/alias/.qmail-%s", spec->aliases[i].name);
        write_file(&builder, path, spec->aliases[i].text, owner_uid(spec, ALIAS),
                   owner_gid(spec, true), 0644);
    }
    for (size_t i = 0; i < spec->program_count; i++)
        write_program(&builder, "/bin", spec->programs[i].name, "declared", 0, 0, 0755);
    if (dns)
        write_network_files(&builder, dns);
    vfs_settle(host_vfs(host));
    return builder.error;
}

struct process *home_start(struct host *host, const struct home_spec *spec,
                           void (*output)(void *context, struct process *process, int fd,
                                          const char *data, size_t size),
                           void (*ended)(void *context, struct process *process, int status),
                           void *context, int *error)
{
    static const char *const argv[] = {"nixie-start", HOME_DIRECTORY, NULL};
    static const char *const environment[] = {"PATH=" HOME_DIRECTORY "/bin:/bin", NULL};
    struct process_spec start = {
        .path = HOME_DIRECTORY "/bin/nixie-start",
        .argv = argv,
        .environment = environment,
        .uid = owner_uid(spec, ROOT),
        .gid = owner_gid(spec, false),
        .output = output,
        .ended = ended,
        .context = context,
    };

    return process_start(host, &start, error);
}
