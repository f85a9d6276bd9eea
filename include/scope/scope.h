/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that a plugin may use. */
#ifndef SCOPE_H
#define SCOPE_H

#include <scope/scope-api.h>
#include <scope/scope-frame.h>
#include <scope/scope-param.h>
#include <scope/scope-pipeline.h>
#include <scope/scope-plugin.h>

#endif
