/* refuse: calls */
static int count(void)
{
    static int calls;
    return ++calls;
}
int main(void)
{
    return count();
}
