/* refuse: has a function chosen at load time: twice */
static int twice_any(int x)
{
    return x * 2;
}
static int (*choose(void))(int)
{
    return twice_any;
}
int twice(int x) __attribute__((ifunc("choose")));
int main(int argc, char **argv)
{
    (void) argv;
    return twice(argc);
}
