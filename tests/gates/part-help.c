/* For pass-two-objects. */
int help(int x);
int help(int x)
{
    return x + 1;
}
