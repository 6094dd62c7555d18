/* refuse: has mutable data: limit in .data */
static volatile int limit = 7;
int main(void)
{
    return limit++;
}
