/* refuse: has code that runs before or after main */
#include <unistd.h>
__attribute__((destructor)) static void late(void)
{
    close(9);
}
int main(void)
{
    return 0;
}
