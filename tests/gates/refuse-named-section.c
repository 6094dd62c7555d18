/* refuse: has mutable data: hidden in quiet_corner */
int hidden __attribute__((section("quiet_corner"))) = 1;
int main(void)
{
    return hidden++;
}
