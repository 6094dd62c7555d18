/* refuse: has mutable data: mine in .tbss */
_Thread_local int mine;
int main(void)
{
    return mine++;
}
