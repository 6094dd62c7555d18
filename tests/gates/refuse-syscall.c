/* refuse: refers to syscall, */
#include <unistd.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    return (int) syscall(39);
}
