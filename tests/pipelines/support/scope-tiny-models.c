/* SPDX-License-Identifier: Apache-2.0 */
/* scope-tiny-models MODELS SHARE: writes tiny models for all streaming pipelines. */
#include <stdio.h>

#include "pipelines/support/tiny-models.h"

int
main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: scope-tiny-models MODELS SHARE\n");
        return 2;
    }
    tiny_models_write(argv[1]);
    tiny_models_write_mini(argv[2]);
    return 0;
}
