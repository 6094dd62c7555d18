/* refuse: has mutable data: handlers in .data */
static int one(void)
{
    return 1;
}
static int two(void)
{
    return 2;
}
int (*volatile handlers[2])(void) = {one, two};
int main(int argc, char **argv)
{
    (void) argv;
    return handlers[argc & 1]();
}
