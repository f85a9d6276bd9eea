/* SPDX-License-Identifier: Apache-2.0 */
/* A shared object that is no plugin: it exports another function. */
int another_function(void);

int
another_function(void)
{
    return 1;
}
