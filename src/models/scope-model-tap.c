/* SPDX-License-Identifier: Apache-2.0 */
/* Formats the name of an intermediate result when somebody watches. Owns nothing. Any thread. */
#include "models/scope-model-tap.h"

#include <stdarg.h>
#include <stdio.h>

void
scope_model_tap(const ScopeModelTap *tap, ScopeTensor value, const char *format, ...)
{
    char name[160];
    va_list arguments;

    if (tap == NULL || tap->fn == NULL) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    tap->fn(name, value, tap->user_data);
}
