/* SPDX-License-Identifier: Apache-2.0 */
/* Timesteps and noise levels. */
#include "models/scope-wan-scheduler.h"

#include <math.h>

#include "models/scope-wan-noise.h"

void
scope_wan_scheduler_init(ScopeWanScheduler *scheduler, double shift)
{
    scheduler->shift = shift;
    for (int i = 0; i < SCOPE_WAN_N_TIMESTEPS; i++) {
        double u = 1.0 - (double)i / SCOPE_WAN_N_TIMESTEPS;
        double sigma = shift * u / (1.0 + (shift - 1.0) * u);
        scheduler->sigmas[i] = (float)sigma;
        scheduler->timesteps[i] = scheduler->sigmas[i] * SCOPE_WAN_N_TIMESTEPS;
    }
}

static int
nearest(const ScopeWanScheduler *scheduler, double t)
{
    int best = 0;

    for (int i = 1; i < SCOPE_WAN_N_TIMESTEPS; i++) {
        if (fabs(scheduler->timesteps[i] - t) < fabs(scheduler->timesteps[best] - t)) {
            best = i;
        }
    }
    return best;
}

double
scope_wan_scheduler_sigma(const ScopeWanScheduler *scheduler, double t)
{
    return scheduler->sigmas[nearest(scheduler, t)];
}

gboolean
scope_wan_scheduler_is_last(const ScopeWanScheduler *scheduler, double t)
{
    return nearest(scheduler, t) == SCOPE_WAN_N_TIMESTEPS - 1;
}

double
scope_wan_scheduler_warp(const ScopeWanScheduler *scheduler, int t)
{
    int index = SCOPE_WAN_N_TIMESTEPS - CLAMP(t, 0, SCOPE_WAN_N_TIMESTEPS);

    return index < SCOPE_WAN_N_TIMESTEPS ? scheduler->timesteps[index] : 0.0;
}

void
scope_wan_scheduler_spread(const ScopeWanScheduler *scheduler, double strength, int n,
                           double *ret_steps)
{
    float first = (float)(SCOPE_WAN_N_TIMESTEPS * strength);

    for (int i = 0; i < n; i++) {
        /* single precision, as the reference's ramp: the truncation below depends on it */
        float even = scope_wan_linspace_f32(first, 0.0f, n, i);
        ret_steps[i] = scope_wan_scheduler_warp(scheduler, (int)even);
    }
}

void
scope_wan_scheduler_to_clean(const ScopeWanScheduler *scheduler, ScopeContext *ctx,
                             ScopeTensor clean, ScopeTensor x, ScopeTensor flow, double t)
{
    scope_op_scale_add(ctx, clean, x, 1.0f, flow, (float)-scope_wan_scheduler_sigma(scheduler, t));
}

void
scope_wan_scheduler_to_flow(const ScopeWanScheduler *scheduler, ScopeContext *ctx, ScopeTensor flow,
                            ScopeTensor x, ScopeTensor clean, double t)
{
    double sigma = scope_wan_scheduler_sigma(scheduler, t);

    scope_op_scale_add(ctx, flow, x, 1.0f, clean, -1.0f);
    scope_op_affine(ctx, flow, flow, (float)(1.0 / sigma), 0.0f);
}

void
scope_wan_scheduler_add_noise(const ScopeWanScheduler *scheduler, ScopeContext *ctx,
                              ScopeTensor noisy, ScopeTensor clean, ScopeTensor noise, double t)
{
    double sigma = scope_wan_scheduler_sigma(scheduler, t);

    scope_op_scale_add(ctx, noisy, clean, (float)(1.0 - sigma), noise, (float)sigma);
}

void
scope_wan_scheduler_euler(const ScopeWanScheduler *scheduler, ScopeContext *ctx, ScopeTensor next,
                          ScopeTensor x, ScopeTensor flow, double t, gboolean to_zero)
{
    int i = nearest(scheduler, t);
    gboolean ends = to_zero || i == SCOPE_WAN_N_TIMESTEPS - 1;
    double sigma_next = ends ? 0.0 : scheduler->sigmas[i + 1];

    scope_op_scale_add(ctx, next, x, 1.0f, flow, (float)(sigma_next - scheduler->sigmas[i]));
}
