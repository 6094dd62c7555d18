/* pass: listed calls, with their fortified and 64-bit forms */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    char block[64], text[64];
    struct stat st;
    struct timespec now;
    struct pollfd fds[4];
    int flags = argc > 5 ? O_RDWR : O_RDONLY;
    int fd = open(argv[0], flags);
    ssize_t count = read(fd, block, (size_t) argc);
    ssize_t link = readlink(argv[0], text, (size_t) argc);
    if (fstat(fd, &st) || lseek(fd, 1, SEEK_SET) < 0 || clock_gettime(CLOCK_REALTIME, &now))
        return 1;
    memcpy(text, block, (size_t) argc);
    memset(fds, 0, sizeof fds);
    int ready = poll(fds, (nfds_t) argc, 0);
    snprintf(text, (size_t) argc, "%s %zd %zd %d", block, count, link, ready);
    return (int) strlen(text);
}
