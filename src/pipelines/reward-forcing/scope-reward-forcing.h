/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline `reward-forcing`. */
#ifndef SCOPE_REWARD_FORCING_H
#define SCOPE_REWARD_FORCING_H

#include <scope/scope-pipeline.h>

/** scope_reward_forcing_desc: its description; static, any thread. */
extern const ScopePipelineDesc scope_reward_forcing_desc;

#endif
