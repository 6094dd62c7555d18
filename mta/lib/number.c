/* SPDX-License-Identifier: ISC */
#include "mta/lib/number.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/boot.h"
#include "mta/lib/buf.h"
#include "mta/lib/checksum.h"
#include "mta/lib/io.h"
#include "mta/lib/lock.h"
#include "mta/lib/num.h"
#include "mta/lib/spool.h"

#define LOCK_PATH "lock/number.lock"
#define NUMBER_PATH "lock/number"
#define NUMBER_TEMPORARY "lock/number.new"
#define NUMBER_OLD "lock/number.old"
#define NEXT_PATH "lock/next"

/* So many numbers are made durable beyond those asked for: one wait for the disk a thousand
 * messages, and after a crash at most so many are passed over. */
#define AHEAD 1024
#define LARGEST (UINT64_MAX - 1)

/* Both files are one record: nixie1 NAME(6) BOOT(16 hex) A(20) B(20) CHECKSUM(16 hex)\n */
#define NAME_AT 7
#define NAME_SIZE 6
#define BOOT_AT 14
#define A_AT 31
#define B_AT 52
#define DIGITS 20
#define CHECK_AT 73
#define RECORD_SIZE 90

struct record_values {
    uint64_t boot; /* checksum of the boot id */
    uint64_t a;
    uint64_t b;
};

struct numbers {
    uint64_t boot;
    bool boot_known;
    uint64_t high;  /* in lock/number: no number at or above it was used */
    uint64_t first; /* first number of this boot */
    uint64_t next;
    uint64_t durable; /* the high-water mark that is known to be durable */
};

/* --- the records --- */

static void record_format(char to[RECORD_SIZE], const char name[NAME_SIZE + 1],
                          const struct record_values *values)
{
    memset(to, ' ', RECORD_SIZE);
    memcpy(to, "nixie1", 6);
    memcpy(to + NAME_AT, name, NAME_SIZE);
    num_format_hex(to + BOOT_AT, values->boot);
    num_format_padded(to + A_AT, DIGITS, values->a);
    num_format_padded(to + B_AT, DIGITS, values->b);
    num_format_hex(to + CHECK_AT, checksum_of(to, CHECK_AT));
    to[RECORD_SIZE - 1] = '\n';
}

static bool record_parse(const char *from, size_t size, const char name[NAME_SIZE + 1],
                         struct record_values *values)
{
    char again[RECORD_SIZE];
    struct record_values found;
    if (size != RECORD_SIZE || num_parse_hex(from + BOOT_AT, &found.boot) < 0 ||
        num_parse(from + A_AT, DIGITS, &found.a) < 0 ||
        num_parse(from + B_AT, DIGITS, &found.b) < 0)
        return false;
    record_format(again, name, &found);
    if (memcmp(again, from, RECORD_SIZE) != 0)
        return false;
    *values = found;
    return true;
}

/* Errors that speak of this one file: after power loss a name may lead to a file of another user.
 */
static bool is_no_record(int error)
{
    return error == ENOENT || error == EMSGSIZE || error == EINVAL || error == EISDIR ||
           error == ELOOP || error == ENXIO || error == EACCES || error == EPERM;
}

/* Returns 1, 0 if it is missing or damaged, -1 with errno. */
static int record_read(const char *path, const char name[NAME_SIZE + 1],
                       struct record_values *values)
{
    struct buf file = BUF_INIT(RECORD_SIZE);
    int result = io_read_file(path, &file);
    if (result < 0)
        result = is_no_record(errno) ? 0 : -1;
    else
        result = record_parse(file.data, file.length, name, values);
    int saved = errno;
    buf_free(&file);
    errno = saved;
    return result;
}

/* Without a boot id nothing is known to be of this boot. */
static int read_boot(struct numbers *numbers)
{
    int known = boot_id(&numbers->boot);
    numbers->boot_known = known == 1;
    return known < 0 ? -1 : 0;
}

/* --- what is known --- */

/* The largest number that names a file in the directory `path` into *largest, unless that is larger
 * already.  0, or -1 with errno. */
static int scan(const char *path, uint64_t *largest)
{
    DIR *directory = opendir(path);
    if (!directory)
        return -1;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (!entry)
            break;
        uint64_t number;
        if (spool_number_parse(entry->d_name, strlen(entry->d_name), &number) == 0 &&
            number > *largest)
            *largest = number;
    }
    int error = errno;
    closedir(directory);
    errno = error;
    return error ? -1 : 0;
}

static int scan_spool(uint64_t *largest)
{
    static const enum spool_kind kinds[] = {SPOOL_PID, SPOOL_MESS, SPOOL_INTD, SPOOL_TODO};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (scan(spool_directory(kinds[i]), largest) < 0)
            return -1;
    return 0;
}

/* Reads lock/number, or the one before it.  1; 0 if both are missing or damaged; -1 with errno. */
static int read_number(struct record_values *values, bool *old)
{
    int found = record_read(NUMBER_PATH, "number", values);
    *old = found == 0;
    return found ? found : record_read(NUMBER_OLD, "number", values);
}

/* Without lock/number the one before it and the files found tell; if that is gone too, nothing
 * counts as of an earlier boot. */
static int read_high(struct numbers *numbers)
{
    struct record_values values;
    bool old;
    int found = read_number(&values, &old);
    if (found < 0)
        return -1;
    numbers->high = numbers->first = 0;
    if (found) {
        bool same_boot = numbers->boot_known && values.boot == numbers->boot;
        numbers->high = values.a;
        numbers->first = same_boot ? values.b : values.a;
    }
    if (!old)
        return 0;
    uint64_t largest = 0;
    if (scan_spool(&largest) < 0)
        return -1;
    if (numbers->high <= largest)
        numbers->high = largest + 1;
    return 0;
}

static int numbers_read(struct numbers *numbers)
{
    struct record_values values;
    if (read_boot(numbers) < 0 || read_high(numbers) < 0)
        return -1;
    int found = record_read(NEXT_PATH, "next  ", &values);
    if (found < 0)
        return -1;
    numbers->next = numbers->high;
    numbers->durable = 0;
    if (!found || !numbers->boot_known || values.boot != numbers->boot || values.a > values.b)
        return 0;
    if (values.b > numbers->high) { /* lock/number was lost: make it anew */
        numbers->high = values.b;
        numbers->next = values.b;
    } else {
        numbers->next = values.a;
        numbers->durable = values.b;
    }
    return 0;
}

/* --- changing it, under the lock --- */

/* While lock/number is replaced a power loss can leave neither the old nor the new one under that
 * name, on a disk that keeps no order: the old one gets a second name first.  0 or -1 with errno.
 */
static int keep_old_number(void)
{
    struct record_values values;
    int found = record_read(NUMBER_PATH, "number", &values);
    if (found <= 0)
        return found; /* what has the second name is all there is */
    if (unlink(NUMBER_OLD) < 0 && errno != ENOENT)
        return -1;
    if (link(NUMBER_PATH, NUMBER_OLD) < 0)
        return -1;
    return io_sync_directory("lock");
}

static int write_high(struct numbers *numbers, uint64_t high)
{
    char record[RECORD_SIZE];
    if (keep_old_number() < 0)
        return -1;
    struct record_values values = {numbers->boot, high, numbers->first};
    record_format(record, "number", &values);
    if (io_replace_file("lock", NUMBER_PATH, NUMBER_TEMPORARY, record, sizeof record, 0644) < 0)
        return -1;
    numbers->high = high;
    numbers->durable = high;
    return 0;
}

/* lock/next is overwritten in place only when the open file is known to be the one of this boot:
 * after a crash a name may lead to another file. */
static int open_next(uint64_t boot)
{
    char record[RECORD_SIZE + 1];
    struct record_values values;
    int fd = open(NEXT_PATH, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0) {
        ssize_t count = io_read(fd, record, sizeof record);
        if (count == RECORD_SIZE && record_parse(record, RECORD_SIZE, "next  ", &values) &&
            values.boot == boot && lseek(fd, 0, SEEK_SET) == 0)
            return fd;
        close(fd);
    }
    if (unlink(NEXT_PATH) < 0 && errno != ENOENT)
        return -1;
    return open(NEXT_PATH, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
}

static int write_next(const struct numbers *numbers)
{
    char record[RECORD_SIZE];
    struct record_values values = {numbers->boot, numbers->next, numbers->durable};
    record_format(record, "next  ", &values);
    int fd = open_next(numbers->boot);
    if (fd < 0)
        return -1;
    int result = io_write(fd, record, sizeof record);
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

/* Numbers from `least` on, `count` of them. */
static int take(struct numbers *numbers, uint64_t least, uint64_t count, uint64_t *first)
{
    if (numbers_read(numbers) < 0)
        return -1;
    if (numbers->next < least)
        numbers->next = least;
    if (count > LARGEST - AHEAD || numbers->next > LARGEST - AHEAD - count) {
        errno = EOVERFLOW;
        return -1;
    }
    uint64_t end = numbers->next + count;
    if (end > numbers->durable && write_high(numbers, end + AHEAD) < 0)
        return -1;
    *first = numbers->next;
    numbers->next = end;
    return write_next(numbers);
}

int number_mend_lock(void)
{
    return lock_mend(LOCK_PATH);
}

int number_open_lock(void)
{
    return open(LOCK_PATH, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
}

static int take_locked(uint64_t least, uint64_t count, uint64_t *first)
{
    struct numbers numbers;
    int lock = lock_file(LOCK_PATH, 0666, true);
    if (lock < 0)
        return -1;
    int result = take(&numbers, least, count, first);
    int saved = errno;
    close(lock);
    errno = saved;
    return result;
}

int number_reserve(uint64_t count, uint64_t *first)
{
    if (count == 0 || count > NUMBER_BLOCK_MAX) {
        errno = EINVAL;
        return -1;
    }
    return take_locked(1, count, first);
}

int number_raise(uint64_t used)
{
    uint64_t first;
    if (used >= LARGEST) {
        errno = EOVERFLOW;
        return -1;
    }
    return take_locked(used + 1, 0, &first);
}

int number_raise_above_spool(void)
{
    uint64_t largest = 0;
    if (scan_spool(&largest) < 0)
        return -1;
    return number_raise(largest);
}

int number_floor(uint64_t *floor)
{
    struct numbers numbers;
    struct record_values values;
    if (read_boot(&numbers) < 0)
        return -1;
    bool old;
    int found = read_number(&values, &old);
    if (found < 0)
        return -1;
    *floor = 0;
    if (found && numbers.boot_known)
        *floor = values.boot == numbers.boot ? values.b : values.a;
    return 0;
}
