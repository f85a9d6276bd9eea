/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SCOPE_ASSERT for the engine and the models. Shapes and types that come from files are checked at
 * load and reported as GError; a mismatch in the hot path is a bug and stops the program. Always
 * compiled in: each check costs nanoseconds against microseconds of arithmetic.
 */
#pragma once

#include "core/scope-assert.h"
